//! Simulated worlds for tests. Nothing waits in them: time moves by what things would have taken.

use wsfc_simulator::scenario::{ExistingCluster, Machine, Network};
use wsfc_simulator::{Release, Scenario};

/// The address, in the first network, of the cluster that tests make or find.
pub const ADDRESS: &str = "10.0.0.100";

/// Machines `n1`, `n2`, ... that run Windows Server 2022, on the networks 10.0.0.0/24 and 10.1.0.0/24. `n1` is the
/// daemon's host.
pub fn machines(count: usize) -> Scenario {
    Scenario {
        networks: vec![network("Front", [10, 0, 0, 0]), network("Back", [10, 1, 0, 0])],
        machines: (1..=count)
            .map(|number| Machine::new(format!("n{number}"), Release::Server2022))
            .collect(),
        ..Scenario::default()
    }
}

/// As [`machines`], with all of them up in a cluster at [`ADDRESS`].
pub fn cluster(name: &str, count: usize) -> Scenario {
    let mut scenario = machines(count);
    let nodes = (1..=count).map(|number| format!("n{number}")).collect();
    scenario.clusters.push(existing(name, nodes));
    scenario
}

/// A cluster that exists from the beginning, at [`ADDRESS`].
pub fn existing(name: &str, nodes: Vec<String>) -> ExistingCluster {
    ExistingCluster {
        name: name.into(),
        nodes,
        addresses: ADDRESS.parse().into_iter().collect(),
        ..ExistingCluster::default()
    }
}

/// The cluster "prod" of the scenario "production", where nothing waits.
///
/// # Panics
///
/// There is no such scenario.
#[expect(clippy::expect_used, reason = "how a test fails")]
pub fn production() -> Scenario {
    let mut scenario = Scenario::builtin("production").expect("a scenario that is built in");
    scenario.timing.scale = 0.0;
    scenario
}

fn network(name: &str, subnet: [u8; 4]) -> Network {
    Network {
        name: name.into(),
        subnet: subnet.into(),
        prefix: 24,
    }
}

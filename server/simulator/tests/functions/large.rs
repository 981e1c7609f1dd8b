//! The largest world: what happens to one node stays affordable.

use wsfc_clusapi::sys::constants::{cluster_enum, group_state};
use wsfc_simulator::{Scenario, Simulation};

use crate::raw::Raw;

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn the_groups_of_one_of_64_nodes_go_on_elsewhere() {
    let mut scenario = Scenario::builtin("large").unwrap();
    scenario.timing.scale = 0.0;
    let raw = Raw::over(Simulation::new(scenario).unwrap());
    let cluster = raw.open(None).unwrap();
    let names = raw.names(cluster, cluster_enum::GROUP);
    let groups: Vec<isize> = names
        .iter()
        .map(|name| raw.open_group(cluster, name).unwrap())
        .collect();
    let victims: Vec<isize> = groups
        .iter()
        .copied()
        .filter(|group| raw.group(*group) == (group_state::ONLINE, "node07".into()))
        .collect();
    assert!(victims.len() > 50, "{}", victims.len());
    raw.kill("node07");
    for group in victims {
        let (state, owner) = raw.group(group);
        assert_eq!(state, group_state::ONLINE);
        assert_ne!(owner, "node07");
    }
}

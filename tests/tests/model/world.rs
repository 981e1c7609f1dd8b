//! The cluster that the model test plays with.

use wsfc_simulator::Scenario;

/// The name of the cluster.
pub const CLUSTER: &str = "CL1";
/// The machines, each a node.
pub const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];
/// The networks.
pub const NETWORKS: [&str; 2] = ["Production", "Storage"];

/// Four nodes on two networks; things take no time.
pub fn scenario(seed: u64) -> Scenario {
    let mut text = format!("seed = {seed}\nlocal = \"n1\"\n[timing]\nscale = 0.0\n");
    for (network, subnet) in NETWORKS.iter().zip(["10.1.0.0", "10.2.0.0"]) {
        text += &format!("[[networks]]\nname = \"{network}\"\nsubnet = \"{subnet}\"\nprefix = 24\n");
    }
    for node in NODES {
        text += &format!("[[machines]]\nname = \"{node}\"\n");
    }
    text += &format!(
        "[[clusters]]\nname = \"{CLUSTER}\"\nnodes = {NODES:?}\naddresses = [\"10.1.0.100\"]\n\
         witness = {{ share = '\\\\nas\\witness' }}\n"
    );
    // Some of the roles that steps are about; they make and delete others.
    for role in 0..4 {
        text += &format!(
            "[[clusters.groups]]\nname = \"Role {role}\"\ngroup_type = 108\n\
             resources = [{{ name = \"Part 0 of role {role}\", type = \"Generic Service\" }}, \
             {{ name = \"Part 1 of role {role}\", type = \"Generic Application\" }}]\n"
        );
    }
    Scenario::from_toml(&text).unwrap()
}

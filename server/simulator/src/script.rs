//! The phases that each setup and upgrade call goes through, as data.
//!
//! Guess: the order of the phases is facts 1.5's inference, except for AddClusterNode, whose order is attested. A trace
//! recorded from a real cluster replaces a table here and nothing else.

use std::collections::BTreeMap;

use wsfc_clusapi::sys::constants::{setup_phase as phase, upgrade_phase};

/// The name of the group that holds the cluster's own resources (facts 2.4).
pub(crate) const CLUSTER_GROUP: &str = "Cluster Group";
/// The name of the group that holds unused disks (facts 2.4).
pub(crate) const AVAILABLE_STORAGE: &str = "Available Storage";

/// One phase of a script, for each subject of its section.
#[derive(Clone, Copy)]
struct Row {
    phase: i32,
    object: Object,
    /// Simulated milliseconds from Start to End.
    ms: u64,
    /// Continue records between Start and End (facts 8: phases 105, 200 and 302 have some).
    continues: u32,
    /// What the phase counts in the percent formula.
    weight: u32,
}

/// What the callback gets as the object's name.
#[derive(Clone, Copy)]
enum Object {
    /// The cluster's name.
    Cluster,
    /// The subject of the section: a node, an address, a group.
    Subject,
    /// A fixed name.
    Named(&'static str),
}

/// Rows that repeat together for each subject.
struct Section {
    each: Each,
    rows: &'static [Row],
}

/// The subjects of a section.
#[derive(Clone, Copy)]
enum Each {
    /// Once.
    Once,
    /// Once, when an account in the directory belongs to the call.
    Account,
    /// Once, when a network name is made.
    NetworkName,
    /// Once, when computer objects shall be deleted.
    ComputerObjects,
    /// Each node.
    Node,
    /// The first node only.
    FirstNode,
    /// Each node after the first.
    FurtherNode,
    /// Each address.
    Address,
    /// Each group but the cluster's own.
    LeftoverGroup,
}

const fn row(phase: i32, object: Object, ms: u64) -> Row {
    Row {
        phase,
        object,
        ms,
        continues: 0,
        weight: 1,
    }
}

const fn long(phase: i32, object: Object, ms: u64, continues: u32) -> Row {
    Row {
        phase,
        object,
        ms,
        continues,
        weight: 1,
    }
}

const fn section(each: Each, rows: &'static [Row]) -> Section {
    Section { each, rows }
}

const INITIALIZE: Row = row(phase::INITIALIZE, Object::Cluster, 500);
const VALIDATE_NODE: Row = row(phase::VALIDATE_NODE_STATE, Object::Subject, 1_500);
const NETFT: Row = row(phase::VALIDATE_NETFT, Object::Subject, 700);
const CLUS_DISK: Row = row(phase::VALIDATE_CLUS_DISK, Object::Subject, 700);
const CONFIGURE: Row = row(phase::CONFIGURE_CLUS_SVC, Object::Subject, 1_500);
const START: Row = long(phase::STARTING_CLUS_SVC, Object::Subject, 3_000, 2);
const GET_MEMBERSHIP: Row = row(phase::GETTING_CURRENT_MEMBERSHIP, Object::Subject, 400);
const ADD_NODE: Row = row(phase::ADD_NODE_TO_CLUSTER, Object::Subject, 1_200);
const NODE_UP: Row = long(phase::NODE_UP, Object::Subject, 4_000, 3);
/// Only for nodes that run 2025; outside the percent formula, which is attested without it.
const NETWORK_ATC: Row = Row {
    weight: 0,
    ..row(phase::APPLY_NETWORK_ATC_INTENTS, Object::Subject, 1_000)
};
const ACCOUNT: [Row; 4] = [
    row(phase::QUERY_CLUSTER_NAME_ACCOUNT, Object::Cluster, 800),
    row(phase::VALIDATE_CLUSTER_NAME_ACCOUNT, Object::Cluster, 800),
    row(phase::CREATE_CLUSTER_ACCOUNT, Object::Cluster, 1_000),
    row(phase::CONFIGURE_CLUSTER_ACCOUNT, Object::Cluster, 1_000),
];
const NETWORK_NAME: Row = row(phase::CREATE_NETWORK_NAME, Object::Cluster, 2_000);
const GROUP_ONLINE: Row = row(phase::CLUSTER_GROUP_ONLINE, Object::Named(CLUSTER_GROUP), 3_000);

/// CreateCluster: percent = floor(100 * done / total).
pub(crate) static CREATE_CLUSTER: Script = Script(&[
    section(Each::Once, &[INITIALIZE]),
    section(Each::Node, &[VALIDATE_NODE]),
    section(Each::Account, &ACCOUNT),
    section(Each::FirstNode, &[NETFT, CLUS_DISK, CONFIGURE, START]),
    section(
        Each::Once,
        &[
            long(phase::FORMING_CLUSTER, Object::Cluster, 8_000, 3),
            row(phase::ADD_CLUSTER_PROPERTIES, Object::Cluster, 600),
            row(phase::CREATE_RESOURCE_TYPES, Object::Cluster, 2_000),
            row(phase::CREATE_GROUPS, Object::Named(CLUSTER_GROUP), 400),
            row(phase::CREATE_GROUPS, Object::Named(AVAILABLE_STORAGE), 400),
        ],
    ),
    section(
        Each::Address,
        &[row(phase::CREATE_IP_ADDRESS_RESOURCES, Object::Subject, 1_500)],
    ),
    section(Each::NetworkName, &[NETWORK_NAME]),
    section(Each::Once, &[GROUP_ONLINE]),
    section(
        Each::FurtherNode,
        &[
            GET_MEMBERSHIP,
            ADD_NODE,
            NETFT,
            CLUS_DISK,
            CONFIGURE,
            START,
            NODE_UP,
            NETWORK_ATC,
        ],
    ),
]);

/// AddClusterNode, in the attested order: the eight phases from 100 to 302 are an eighth each.
pub(crate) static ADD_CLUSTER_NODE: Script = Script(&[
    section(
        Each::Once,
        &[Row {
            weight: 0,
            ..INITIALIZE
        }],
    ),
    section(
        Each::Node,
        &[
            VALIDATE_NODE,
            GET_MEMBERSHIP,
            ADD_NODE,
            NETFT,
            CLUS_DISK,
            CONFIGURE,
            START,
            NODE_UP,
            NETWORK_ATC,
        ],
    ),
]);

/// DestroyCluster; the local node comes last in the plan.
pub(crate) static DESTROY_CLUSTER: Script = Script(&[
    section(Each::Once, &[INITIALIZE]),
    section(
        Each::LeftoverGroup,
        &[
            row(phase::OFFLINE_GROUP, Object::Subject, 600),
            row(phase::DELETE_GROUP, Object::Subject, 600),
        ],
    ),
    section(
        Each::Once,
        &[
            row(phase::OFFLINE_GROUP, Object::Named(CLUSTER_GROUP), 1_000),
            row(phase::CORE_GROUP_CLEANUP, Object::Named(CLUSTER_GROUP), 1_000),
        ],
    ),
    section(
        Each::ComputerObjects,
        &[row(phase::CLEANUP_COS, Object::Cluster, 1_000)],
    ),
    section(
        Each::Node,
        &[
            row(phase::EVICT_NODE, Object::Subject, 1_500),
            row(phase::CLEANUP_NODE, Object::Subject, 2_000),
        ],
    ),
]);

/// CreateClusterNameAccount.
pub(crate) static CREATE_NAME_ACCOUNT: Script = Script(&[
    section(Each::Once, &[INITIALIZE]),
    section(Each::Account, &ACCOUNT),
    section(Each::Once, &[NETWORK_NAME, GROUP_ONLINE]),
]);

/// RepairClusterNameAccount.
pub(crate) static REPAIR_NAME_ACCOUNT: Script = Script(&[section(
    Each::Once,
    &[
        INITIALIZE,
        row(phase::REPAIR_CNO_ACCOUNT, Object::Cluster, 1_500),
        row(phase::REPAIR_DNS_PERMISSIONS, Object::Cluster, 1_000),
    ],
)]);

/// AddClusterStorageNode. Guess: facts name no phases for it.
pub(crate) static ADD_STORAGE_NODE: Script = Script(&[
    section(Each::Once, &[INITIALIZE]),
    section(Each::Node, &[VALIDATE_NODE, ADD_NODE]),
]);

/// ClusterUpgradeFunctionalLevel with `perform`, when there is a level to go to (facts 1.7).
pub(crate) const UPGRADE: [(i32, u64); 5] = [
    (upgrade_phase::INITIALIZE, 500),
    (upgrade_phase::VALIDATING_UPGRADE, 2_000),
    (upgrade_phase::UPGRADING_COMPONENTS, 4_000),
    (upgrade_phase::INSTALLING_NEW_COMPONENTS, 3_000),
    (upgrade_phase::UPGRADE_COMPLETE, 500),
];

/// A table of phases.
pub(crate) struct Script(&'static [Section]);

/// What a script is run with: the subjects that its sections repeat for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) cluster: String,
    pub(crate) nodes: Vec<String>,
    /// Those of `nodes` that run a release with Network ATC.
    pub(crate) atc_nodes: Vec<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) leftover_groups: Vec<String>,
    pub(crate) account: bool,
    pub(crate) network_name: bool,
    pub(crate) computer_objects: bool,
}

/// One phase to go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) phase: i32,
    pub(crate) object: String,
    pub(crate) ms: u64,
    pub(crate) continues: u32,
    pub(crate) weight: u32,
}

impl Script {
    /// The phases in order. `timing` replaces built-in times by phase, by name or number.
    pub(crate) fn steps(&self, plan: &Plan, timing: &BTreeMap<String, u64>) -> Vec<Step> {
        let once = vec![String::new()];
        let when = |wanted: bool| if wanted { once.clone() } else { Vec::new() };
        let mut steps = Vec::new();
        for section in self.0 {
            let subjects = match section.each {
                Each::Once => once.clone(),
                Each::Account => when(plan.account),
                Each::NetworkName => when(plan.network_name),
                Each::ComputerObjects => when(plan.computer_objects),
                Each::Node => plan.nodes.clone(),
                Each::FirstNode => plan.nodes.iter().take(1).cloned().collect(),
                Each::FurtherNode => plan.nodes.iter().skip(1).cloned().collect(),
                Each::Address => plan.addresses.clone(),
                Each::LeftoverGroup => plan.leftover_groups.clone(),
            };
            for subject in subjects {
                for row in section.rows {
                    if row.phase == phase::APPLY_NETWORK_ATC_INTENTS && !plan.atc_nodes.contains(&subject) {
                        continue;
                    }
                    steps.push(Step {
                        phase: row.phase,
                        object: match row.object {
                            Object::Cluster => plan.cluster.clone(),
                            Object::Subject => subject.clone(),
                            Object::Named(name) => name.into(),
                        },
                        ms: duration(setup_phase_name(row.phase), row.phase, timing).unwrap_or(row.ms),
                        continues: row.continues,
                        weight: row.weight,
                    });
                }
            }
        }
        steps
    }
}

/// The time of an upgrade phase.
pub(crate) fn upgrade_ms(upgrade: i32, built_in: u64, timing: &BTreeMap<String, u64>) -> u64 {
    // Upgrade numbers overlap with setup numbers, so only names select them.
    upgrade_phase_name(upgrade)
        .and_then(|name| timing.get(name))
        .copied()
        .unwrap_or(built_in)
}

fn duration(name: Option<&str>, number: i32, timing: &BTreeMap<String, u64>) -> Option<u64> {
    name.and_then(|name| timing.get(name))
        .or_else(|| timing.get(&number.to_string()))
        .copied()
}

const SETUP_PREFIX: &str = "ClusterSetupPhase";
const UPGRADE_PREFIX: &str = "ClusterUpgradePhase";

/// The name of a phase of a setup call, without prefix.
pub(crate) fn setup_phase_name(number: i32) -> Option<&'static str> {
    phase::name(number).and_then(|name| name.strip_prefix(SETUP_PREFIX))
}

/// The name of a phase of an upgrade, without prefix.
pub(crate) fn upgrade_phase_name(number: i32) -> Option<&'static str> {
    upgrade_phase::name(number).and_then(|name| name.strip_prefix(UPGRADE_PREFIX))
}

/// The native number of a phase from its name without prefix, or from its number as text. "Initialize" is phase 1 of
/// setup and upgrade alike.
pub(crate) fn phase_number(name: &str) -> Option<i32> {
    let known = |all: &[i32], name_of: fn(i32) -> Option<&'static str>, prefix: &str| {
        all.iter()
            .copied()
            .find(|number| name_of(*number).and_then(|full| full.strip_prefix(prefix)) == Some(name))
    };
    known(phase::NUMBERS, phase::name, SETUP_PREFIX)
        .or_else(|| known(upgrade_phase::NUMBERS, upgrade_phase::name, UPGRADE_PREFIX))
        .or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(script: &Script, plan: &Plan) -> Vec<i32> {
        script
            .steps(plan, &BTreeMap::new())
            .iter()
            .map(|step| step.phase)
            .collect()
    }

    fn plan(nodes: &[&str]) -> Plan {
        Plan {
            cluster: "c".into(),
            nodes: nodes.iter().map(|node| (*node).into()).collect(),
            account: true,
            network_name: true,
            ..Plan::default()
        }
    }

    #[test]
    fn create_cluster_with_two_nodes_and_an_address() {
        let mut plan = plan(&["a", "b"]);
        plan.addresses = vec!["10.0.0.1".into()];
        assert_eq!(
            numbers(&CREATE_CLUSTER, &plan),
            [
                1, 100, 100, 106, 107, 108, 109, 102, 103, 104, 105, 200, 201, 202, 203, 203, 204, 205, 206, 300, 301,
                102, 103, 104, 105, 302
            ]
        );
    }

    #[test]
    fn add_node_has_the_attested_order_and_eighths() {
        let steps = ADD_CLUSTER_NODE.steps(&plan(&["a"]), &BTreeMap::new());
        let numbers: Vec<i32> = steps.iter().map(|step| step.phase).collect();
        assert_eq!(numbers, [1, 100, 300, 301, 102, 103, 104, 105, 302]);
        assert_eq!(steps.iter().map(|step| step.weight).sum::<u32>(), 8);
    }

    #[test]
    fn network_atc_only_on_new_nodes() {
        let mut plan = plan(&["a"]);
        plan.atc_nodes = vec!["a".into()];
        assert_eq!(numbers(&ADD_CLUSTER_NODE, &plan).last(), Some(&303));
    }

    #[test]
    fn destroy_cleans_computer_objects_only_on_request() {
        let mut plan = plan(&["a"]);
        assert_eq!(numbers(&DESTROY_CLUSTER, &plan), [1, 403, 406, 404, 405]);
        plan.computer_objects = true;
        plan.leftover_groups = vec![AVAILABLE_STORAGE.into()];
        assert_eq!(numbers(&DESTROY_CLUSTER, &plan), [1, 403, 401, 403, 406, 402, 404, 405]);
    }

    #[test]
    fn a_scenario_sets_times_by_name_or_number() {
        let timing = BTreeMap::from([("Initialize".to_owned(), 7), ("500".to_owned(), 9)]);
        let steps = REPAIR_NAME_ACCOUNT.steps(&plan(&[]), &timing);
        assert_eq!(steps.iter().map(|step| step.ms).collect::<Vec<_>>(), [7, 9, 1_000]);
    }

    #[test]
    fn phases_are_known_by_name_and_number() {
        assert_eq!(phase_number("FormingCluster"), Some(200));
        assert_eq!(phase_number("ValidatingUpgrade"), Some(2));
        assert_eq!(phase_number("777"), Some(777));
        assert_eq!(phase_number("Nothing"), None);
    }
}

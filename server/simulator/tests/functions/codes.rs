//! Which control codes are answered at all.

use wsfc_clusapi::sys::constants::control as ctl;

use crate::call::{Target, control, open, production};

/// The codes that no object knows. What they take or answer is documented nowhere, and nothing of the daemon sends them.
const UNKNOWN: [u32; 10] = [
    ctl::CLUSTER_REMOVE_NODE,
    ctl::CLUSTER_SET_ACCOUNT_ACCESS,
    ctl::CLUSTER_SET_DNS_DOMAIN,
    ctl::GROUP_GET_FAILURE_INFO,
    ctl::GROUP_GET_LAST_MOVE_TIME,
    ctl::RESOURCE_GET_FAILURE_INFO,
    ctl::RESOURCE_GET_STATE_CHANGE_TIME,
    ctl::RESOURCE_UPGRADE_DLL,
    ctl::RESOURCE_STORAGE_SET_DRIVELETTER,
    ctl::RESOURCE_POOL_GET_DRIVE_INFO,
];

/// A code of group sets that is sent to groups (facts 3.2).
fn is_of_group(code: u32) -> bool {
    matches!(code, ctl::GROUP_GET_PROVIDER_GROUPS | ctl::GROUP_GET_PROVIDER_GROUPSETS)
}

#[test]
fn every_code_but_a_few_is_known_to_some_object() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let resource = |name| Target::Resource(open(&raw, table.OpenClusterResource, cluster, name).unwrap());
    let node = Target::Node(raw.open_node(cluster, "hv1").unwrap());
    let group = Target::Group(raw.open_group(cluster, "Files").unwrap());
    let network = Target::Network(open(&raw, table.OpenClusterNetwork, cluster, "Client Access").unwrap());
    let interface = Target::Interface(open(&raw, table.OpenClusterNetInterface, cluster, "hv1 - Clients").unwrap());
    let set = Target::Set(open(&raw, table.OpenClusterGroupSet, cluster, "Directory").unwrap());
    let resources = ["Files Disk", "Files Name", "Files Address", "Volume A"].map(resource);
    let mut unknown = Vec::new();
    for code in ctl::codes::NUMBERS.iter().copied() {
        // It ends the world of this test, and has tests of its own.
        if code == ctl::CLUSTER_SHUTDOWN {
            continue;
        }
        let types = ["Physical Disk", "Network Name", "File Share Witness"].map(|name| Target::Type(cluster, name));
        let targets = match code >> 24 {
            1 => resources.to_vec(),
            2 => types.to_vec(),
            3 => vec![group],
            4 => vec![node],
            5 => vec![network],
            6 => vec![interface],
            7 => vec![Target::Cluster(cluster)],
            8 if is_of_group(code) => vec![group],
            8 => vec![set],
            _ => vec![Target::Rule(cluster, "Directory apart")],
        };
        let known = targets
            .into_iter()
            .any(|target| control(&raw, target, code, &[]) != Err(1));
        if !known {
            unknown.push(code);
        }
    }
    let names = |codes: &[u32]| codes.iter().map(|code| ctl::codes::name(*code)).collect::<Vec<_>>();
    assert_eq!(names(&unknown), names(&UNKNOWN));
}

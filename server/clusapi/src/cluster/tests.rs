use core::ffi::c_void;

use super::*;
use crate::fake::{FAIL_WITH, TABLE, api, given, log, taken_log};
use crate::sys::Table;
use crate::sys::types::{HCLUSENUMEX, HCLUSTER, PCWSTR};

#[test]
fn reading_a_cluster() {
    let api = api(TABLE);
    let cluster = api.open_cluster(None).unwrap();
    let information = cluster.information().unwrap();
    assert_eq!(information.name, "c".repeat(300));
    assert_eq!(information.windows, (10, 0, 20348));
    assert_eq!(information.highest_version.major(), 11);
    assert!(information.mixed_versions);
    assert_eq!(cluster.functional_level().unwrap(), Some(11));
    assert_eq!(cluster.upgrade_version().unwrap(), Some(4));
    assert_eq!(cluster.management_point_type().unwrap(), None);
    assert!(cluster.would_lose_quorum_without("2").unwrap());
    assert!(!cluster.would_lose_quorum_without("3").unwrap());
    assert!(cluster.is_ready_for_upgrade().unwrap());
    FAIL_WITH.set(5973);
    assert!(!cluster.is_ready_for_upgrade().unwrap());
    FAIL_WITH.set(1);
    assert_eq!(cluster.is_ready_for_upgrade().unwrap_err().code(), Some(Win32(1)));
    FAIL_WITH.set(0);
    assert_eq!(api.node_cluster_state(None).unwrap(), NodeClusterState::RUNNING);
}

extern "system" fn open_cluster_ex(name: PCWSTR, access: u32, granted: *mut u32) -> HCLUSTER {
    log(format!("open {} {access}", given(name)));
    // SAFETY: The safe layer gives a place.
    unsafe { granted.write(1) };
    100
}

#[test]
fn opening_with_less_access_than_was_wanted() {
    let api = api(Table {
        OpenClusterEx: Some(open_cluster_ex),
        ..TABLE
    });
    let (cluster, granted) = api.open_cluster_with(Some("c1"), 3).unwrap();
    assert_eq!((cluster.as_raw(), granted), (100, 1));
    drop(cluster);
    assert_eq!(taken_log(), ["open c1 3", "close cluster 100"]);
}

#[test]
fn reading_nodes_and_groups() {
    let cluster = api(TABLE).open_cluster(None).unwrap();
    let node = cluster.open_node("n1").unwrap();
    assert_eq!(node.state().unwrap(), NodeState::PAUSED);
    assert_eq!(node.id().unwrap(), "17");
    assert_eq!(node.highest_version().unwrap(), ClusterVersion(533_888));
    assert_eq!(
        node.lowest_version().unwrap_err().to_string(),
        "the node has no usable property NodeLowestVersion"
    );
    let error = node.common_properties().unwrap_err();
    assert_eq!(
        error.to_string(),
        "ClusterNodeControl answered with a malformed property list"
    );
    FAIL_WITH.set(5050);
    assert_eq!(node.state().unwrap_err().code(), Some(Win32::ERROR_CLUSTER_NODE_DOWN));
    FAIL_WITH.set(0);
    let group = cluster.open_group("g").unwrap();
    assert_eq!(group.state().unwrap(), (GroupState::PARTIAL_ONLINE, "o".repeat(400)));
    assert!(group.is_core().unwrap());
}

#[test]
fn enumerating_with_ids_or_by_name() {
    let cluster = api(TABLE).open_cluster(None).unwrap();
    let nodes = cluster.nodes().unwrap();
    assert_eq!(nodes.len(), 2);
    assert_eq!((nodes[0].id.as_deref(), nodes[0].name.as_str()), (Some("1"), "n1"));
    assert_eq!(nodes[1].name, "x".repeat(300));
    assert!(taken_log().contains(&"close enumeration 1".to_owned()));

    let old = api(Table {
        ClusterOpenEnumEx: None,
        ..TABLE
    })
    .open_cluster(None)
    .unwrap();
    let groups = old.groups().unwrap();
    assert_eq!(
        groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(),
        ["n0", "n1"]
    );
    assert_eq!(groups[0].id, None);
}

extern "system" fn open_enum_always(_: HCLUSTER, _: u32, _: *const c_void) -> HCLUSENUMEX {
    1
}

#[test]
fn an_item_that_points_elsewhere_is_refused() {
    let cluster = api(Table {
        ClusterOpenEnumEx: Some(open_enum_always),
        ..TABLE
    })
    .open_cluster(None)
    .unwrap();
    FAIL_WITH.set(5);
    let error = cluster.nodes().unwrap_err();
    assert_eq!(
        error.to_string(),
        "ClusterEnumEx answered with a string outside of its item"
    );
}

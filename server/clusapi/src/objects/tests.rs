#![expect(unsafe_code, reason = "fakes get pointers as C does")]

use std::time::Duration;

use proptest::prelude::*;

use super::volumes::{places, volumes};
use super::*;
use crate::fake::{FAIL_WITH, LAST_ERROR, TABLE, answer_text, api, given, handle_or_failure, log, taken_log};
use crate::handle::{Cluster, Group, Node, Resource};
use crate::numbers::{AccountAccess, Failback, GroupType, NetworkState, QuorumKind, ResourceState, VmMigration};
use crate::proplist::{PropertyList, Value, value_list_to_bytes};
use crate::sys::Table;
use crate::sys::constants::{FALSE, TRUE, group_move_flags, group_online_flags};
use crate::sys::types::{BOOL, CLUSTER_CREATE_GROUP_INFO, HCLUSTER, HGROUP, HNETWORK, HNODE, HRESOURCE, PCWSTR, PWSTR};
use crate::verb::{Accepted, Stored};
use crate::win32::Win32;
use crate::{Error, SharedVolumeState};

extern "system" fn pause(node: HNODE, drain: BOOL, flags: u32, target: HNODE) -> u32 {
    log(format!("pause {node} {drain} {flags} to {target}"));
    FAIL_WITH.get()
}

extern "system" fn resume(node: HNODE, failback: i32, flags: u32) -> u32 {
    log(format!("resume {node} {failback} {flags}"));
    FAIL_WITH.get()
}

extern "system" fn create_group(_: HCLUSTER, name: PCWSTR) -> HGROUP {
    log(format!("create {}", given(name)));
    handle_or_failure(300)
}

extern "system" fn create_group_ex(_: HCLUSTER, name: PCWSTR, info: *const CLUSTER_CREATE_GROUP_INFO) -> HGROUP {
    // SAFETY: The safe layer gives a struct.
    let info = unsafe { info.read() };
    log(format!(
        "create {} of {} v{}",
        given(name),
        info.groupType,
        info.dwVersion
    ));
    handle_or_failure(300)
}

extern "system" fn online_ex(group: HGROUP, node: HNODE, flags: u32, input: *const u8, bytes: u32) -> u32 {
    log(format!("online {group} on {node} {flags} {} {bytes}", input.is_null()));
    FAIL_WITH.get()
}

extern "system" fn move_group(group: HGROUP, node: HNODE) -> u32 {
    log(format!("move {group} to {node}"));
    FAIL_WITH.get()
}

extern "system" fn move_group_ex(group: HGROUP, node: HNODE, flags: u32, input: *const u8, bytes: u32) -> u32 {
    let input = if input.is_null() {
        assert_eq!(bytes, 0);
        &[]
    } else {
        // SAFETY: The safe layer gives the input with its size.
        unsafe { core::slice::from_raw_parts(input, bytes as usize) }
    };
    let list = PropertyList::parse(input).unwrap();
    let properties: Vec<String> = list.properties.iter().map(ToString::to_string).collect();
    log(format!("move {group} to {node} {flags} {}", properties.join(", ")));
    FAIL_WITH.get()
}

extern "system" fn set_nodes(group: HGROUP, count: u32, nodes: *const HNODE) -> u32 {
    // SAFETY: The safe layer gives a list with its length.
    let nodes = unsafe { core::slice::from_raw_parts(nodes, count as usize) };
    log(format!("nodes of {group} {nodes:?}"));
    FAIL_WITH.get()
}

extern "system" fn rename(object: isize, name: PCWSTR) -> u32 {
    log(format!("rename {object} {}", given(name)));
    FAIL_WITH.get()
}

extern "system" fn create_resource(group: HGROUP, name: PCWSTR, type_name: PCWSTR, flags: u32) -> HRESOURCE {
    log(format!(
        "create {} of {} in {group} {flags}",
        given(name),
        given(type_name)
    ));
    handle_or_failure(500)
}

extern "system" fn close_resource(resource: HRESOURCE) -> BOOL {
    log(format!("close resource {resource}"));
    TRUE
}

extern "system" fn depend(resource: HRESOURCE, provider: HRESOURCE) -> u32 {
    log(format!("{resource} on {provider}"));
    FAIL_WITH.get()
}

extern "system" fn can_depend(_: HRESOURCE, _: HRESOURCE) -> BOOL {
    if FAIL_WITH.get() == 0 { TRUE } else { FALSE }
}

extern "system" fn network_name(_: HRESOURCE, name: PWSTR, units: *mut u32) -> BOOL {
    let code = match FAIL_WITH.get() {
        0 => answer_text(&"n".repeat(900), name, units),
        code => code,
    };
    LAST_ERROR.set(code);
    if code == 0 { TRUE } else { FALSE }
}

extern "system" fn resource_state(_: HRESOURCE, node: PWSTR, nodes: *mut u32, group: PWSTR, groups: *mut u32) -> i32 {
    let codes = [
        answer_text(&"n".repeat(300), node, nodes),
        answer_text(&"g".repeat(900), group, groups),
    ];
    match codes.iter().find(|code| **code != 0) {
        None => 129,
        Some(code) => {
            LAST_ERROR.set(*code);
            -1
        }
    }
}

extern "system" fn set_quorum(resource: HRESOURCE, device: PCWSTR, kind: u32) -> u32 {
    log(format!("quorum {resource} {} {kind}", given(device)));
    FAIL_WITH.get()
}

extern "system" fn quorum(
    _: HCLUSTER,
    name: PWSTR,
    name_units: *mut u32,
    device: PWSTR,
    device_units: *mut u32,
    kind: *mut u32,
) -> u32 {
    // SAFETY: The safe layer gives a place.
    unsafe { kind.write(1024) };
    answer_text("Witness", name, name_units).max(answer_text(&"d".repeat(700), device, device_units))
}

extern "system" fn access(_: HCLUSTER, sid: PCWSTR, access: u32, how: u32) -> u32 {
    log(format!("access {} {access} {how}", given(sid)));
    FAIL_WITH.get()
}

extern "system" fn create_type(
    _: HCLUSTER,
    name: PCWSTR,
    display: PCWSTR,
    library: PCWSTR,
    looks: u32,
    is: u32,
) -> u32 {
    log(format!(
        "type {} {} {} {looks} {is}",
        given(name),
        given(display),
        given(library)
    ));
    FAIL_WITH.get()
}

extern "system" fn network_state(_: HNETWORK) -> i32 {
    LAST_ERROR.set(FAIL_WITH.get());
    if FAIL_WITH.get() == 0 { 2 } else { -1 }
}

extern "system" fn open(_: HCLUSTER, name: PCWSTR) -> isize {
    log(format!("open {}", given(name)));
    handle_or_failure(600)
}

extern "system" fn close_network(_: HNETWORK) -> BOOL {
    log("close network");
    TRUE
}

const OBJECTS: Table = Table {
    PauseClusterNodeEx: Some(pause),
    ResumeClusterNodeEx: Some(resume),
    CreateClusterGroup: Some(create_group),
    CreateClusterGroupEx: Some(create_group_ex),
    OnlineClusterGroupEx: Some(online_ex),
    MoveClusterGroup: Some(move_group),
    MoveClusterGroupEx: Some(move_group_ex),
    SetClusterGroupNodeList: Some(set_nodes),
    SetClusterGroupName: Some(rename),
    SetClusterName: Some(rename),
    CreateClusterResource: Some(create_resource),
    CloseClusterResource: Some(close_resource),
    AddClusterResourceDependency: Some(depend),
    CanResourceBeDependent: Some(can_depend),
    GetClusterResourceNetworkName: Some(network_name),
    GetClusterResourceState: Some(resource_state),
    SetClusterQuorumResource: Some(set_quorum),
    GetClusterQuorumResource: Some(quorum),
    ClusterSetAccountAccess: Some(access),
    CreateClusterResourceType: Some(create_type),
    OpenClusterNetwork: Some(open),
    CloseClusterNetwork: Some(close_network),
    GetClusterNetworkState: Some(network_state),
    ..TABLE
};

fn cluster() -> Cluster {
    let cluster = api(OBJECTS).open_cluster(None).unwrap();
    taken_log();
    cluster
}

fn node_and_group(cluster: &Cluster) -> (Node, Group) {
    (cluster.open_node("n").unwrap(), cluster.open_group("g").unwrap())
}

#[test]
fn a_node_is_drained_and_resumed() {
    let cluster = cluster();
    let (node, _) = node_and_group(&cluster);
    assert_eq!(node.drain(None, 1).unwrap(), Accepted::Done);
    FAIL_WITH.set(997);
    assert_eq!(node.drain(Some(&node), 0).unwrap(), Accepted::Pending);
    assert_eq!(node.pause_with(2).unwrap(), Accepted::Pending);
    FAIL_WITH.set(5058);
    assert_eq!(node.resume(Failback::PER_POLICY).unwrap_err().code(), Some(Win32(5058)));
    assert_eq!(
        taken_log(),
        [
            "pause 200 1 1 to 0",
            "pause 200 1 0 to 200",
            "pause 200 0 2 to 0",
            "resume 200 2 0",
        ]
    );
}

#[test]
fn groups_are_made_of_a_kind_or_of_none() {
    let cluster = cluster();
    drop(cluster.create_group("a", None).unwrap());
    drop(cluster.create_group("b", Some(GroupType::FILE_SERVER)).unwrap());
    assert_eq!(taken_log(), ["create a", "create b of 100 v1"]);
    FAIL_WITH.set(5010);
    let error = cluster.create_group("a", None).unwrap_err();
    assert_eq!(error.code(), Some(Win32(5010)));
    assert!(matches!(
        cluster.create_group("a\0", None).unwrap_err(),
        Error::Text { .. }
    ));
}

#[test]
fn groups_go_online_and_move() {
    let cluster = cluster();
    let (node, group) = node_and_group(&cluster);
    group.online(None, 0).unwrap();
    group
        .online(Some(&node), group_online_flags::BEST_POSSIBLE_NODE)
        .unwrap();
    FAIL_WITH.set(997);
    assert_eq!(group.move_plainly(Some(&node)).unwrap(), Accepted::Pending);
    assert_eq!(
        group.move_to(Some(&node), 0, &PropertyList::default()).unwrap(),
        Accepted::Pending
    );
    group.migrate(Some(&node), VmMigration::LIVE).unwrap();
    assert_eq!(
        taken_log(),
        [
            "online 300 on 0 0 true 0",
            "online 300 on 200 4 true 0",
            "move 300 to 200",
            "move 300 to 200 0 ",
            "move 300 to 200 14 Virtual Machine = [Dword(4)], Virtual Machine Configuration = [Dword(4)]",
        ]
    );
    FAIL_WITH.set(5908);
    let error = group
        .move_to(None, group_move_flags::QUEUE_ENABLED, &PropertyList::default())
        .unwrap_err();
    assert_eq!(error.function(), Some("MoveClusterGroupEx"));
}

#[test]
fn objects_of_another_connection_are_refused_before_the_call() {
    let cluster = cluster();
    let (node, group) = node_and_group(&cluster);
    let other = cluster.api().open_cluster(None).unwrap();
    let (stranger, _) = node_and_group(&other);
    taken_log();
    assert!(matches!(
        group.online(Some(&stranger), 0),
        Err(Error::OtherConnection { field: "node" })
    ));
    assert!(matches!(
        group.set_preferred_owners(&[&node, &stranger]),
        Err(Error::OtherConnection { field: "nodes" })
    ));
    assert_eq!(taken_log(), [""; 0]);
    group.set_preferred_owners(&[&node, &node]).unwrap();
    group.set_preferred_owners(&[]).unwrap();
    assert_eq!(taken_log(), ["nodes of 300 [200, 200]", "nodes of 300 []"]);
}

#[test]
fn a_new_name_may_have_to_wait() {
    let cluster = cluster();
    let group = cluster.open_group("g").unwrap();
    group.rename("h").unwrap();
    FAIL_WITH.set(5024);
    assert_eq!(cluster.rename("c2").unwrap(), Stored::AtNextOnline);
    assert_eq!(group.rename("i").unwrap_err().code(), Some(Win32(5024)));
    assert_eq!(taken_log(), ["rename 300 h", "rename 100 c2", "rename 300 i"]);
}

fn resource(cluster: &Cluster) -> Resource {
    let group = cluster.open_group("g").unwrap();
    group.create_resource("r", "IP Address", true).unwrap()
}

#[test]
fn resources_are_made_asked_and_closed() {
    let cluster = cluster();
    let resource = resource(&cluster);
    assert_eq!(taken_log(), ["create r of IP Address in 300 1"]);
    assert_eq!(
        resource.state().unwrap(),
        (ResourceState::ONLINE_PENDING, "n".repeat(300), "g".repeat(900))
    );
    assert_eq!(resource.network_name().unwrap().len(), 900);
    assert!(resource.can_depend_on(&resource).unwrap());
    FAIL_WITH.set(5002);
    assert!(!resource.can_depend_on(&resource).unwrap());
    assert_eq!(resource.network_name().unwrap_err().code(), Some(Win32(5002)));
    assert_eq!(
        resource.add_dependency(&resource).unwrap_err().code(),
        Some(Win32(5002))
    );
    FAIL_WITH.set(0);
    drop(resource);
    assert_eq!(taken_log(), ["500 on 500", "close resource 500"]);
}

#[test]
fn the_quorum_is_read_and_set() {
    let cluster = cluster();
    let quorum = cluster.quorum().unwrap();
    assert_eq!((quorum.witness.as_str(), quorum.device.len()), ("Witness", 700));
    assert_eq!(quorum.kind, QuorumKind::NODES_AND_WITNESS);
    let resource = resource(&cluster);
    taken_log();
    resource.set_quorum(None, QuorumKind::NODE_MAJORITY).unwrap();
    resource.set_quorum(Some("Q:\\"), QuorumKind::DISK_ONLY).unwrap();
    assert_eq!(taken_log(), ["quorum 500 NULL 0", "quorum 500 Q:\\ 4194304"]);
}

#[test]
fn accounts_and_types_are_passed_whole() {
    let cluster = cluster();
    cluster.set_account_access("S-1-5-18", 3, AccountAccess::DENY).unwrap();
    let new = NewResourceType {
        name: "T".into(),
        display_name: "A type".into(),
        library: "t.dll".into(),
        looks_alive_interval: Duration::from_secs(5),
        is_alive_interval: Duration::MAX,
    };
    cluster.create_resource_type(&new).unwrap();
    assert_eq!(
        taken_log(),
        ["access S-1-5-18 3 1", "type T A type t.dll 5000 4294967295"]
    );
}

#[test]
fn a_state_that_failed_is_an_error_with_its_code() {
    let cluster = cluster();
    let network = cluster.open_network("Net 1").unwrap();
    assert_eq!(network.state().unwrap(), NetworkState::PARTITIONED);
    FAIL_WITH.set(1722);
    assert_eq!(network.state().unwrap_err().code(), Some(Win32(1722)));
    FAIL_WITH.set(5045);
    let error = cluster.open_network("Net 2").unwrap_err();
    assert_eq!(
        (error.function(), error.code()),
        (Some("OpenClusterNetwork"), Some(Win32(5045)))
    );
}

fn fixed(text: &str, units: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.resize(2 * units, 0);
    bytes
}

#[test]
fn volumes_and_their_places_are_read_as_far_as_they_are_whole() {
    let volume = [
        7_u64.to_le_bytes().to_vec(),
        2_u32.to_le_bytes().to_vec(),
        4_u32.to_le_bytes().to_vec(),
        0_u32.to_le_bytes().to_vec(),
        fixed("C:\\ClusterStorage\\Volume1", 260),
        fixed("\\\\?\\Volume{1}\\", 50),
    ]
    .concat();
    let list = value_list_to_bytes(&[Value::Binary(volume.clone()), Value::Binary(volume[..600].to_vec())]).unwrap();
    let read = volumes(&list).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!((read[0].offset, read[0].partition, read[0].faults), (7, 2, 4));
    assert_eq!(read[0].friendly_name, "C:\\ClusterStorage\\Volume1");
    assert_eq!(read[0].volume_name, "\\\\?\\Volume{1}\\");
    assert!(volumes(&list[..100]).is_err());

    let mut states = [fixed("Volume1", 260), fixed("n2", 260), 3_u32.to_le_bytes().to_vec()].concat();
    states.extend([0; 5]);
    let [place] = &places(&states)[..] else {
        panic!("one whole state");
    };
    assert_eq!((place.volume.as_str(), place.node.as_str()), ("Volume1", "n2"));
    assert_eq!(place.state, SharedVolumeState::ACTIVE_REDIRECTED);
}

proptest! {
    #[test]
    fn any_bytes_are_volumes_or_none(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert!(places(&bytes).len() <= bytes.len() / 1044);
        let found = volumes(&bytes).map_or(0, |volumes| volumes.len());
        prop_assert!(found <= bytes.len() / 640);
    }
}

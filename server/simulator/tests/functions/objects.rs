//! Enumerations, nodes, groups, resources and their properties.

use wsfc_clusapi::sys::constants::{cluster_enum, control, group_state, node_state};
use wsfc_clusapi::sys::types::{CLUSTER_ENUM_ITEM, CLUSTER_GROUP_ENUM_ITEM};

use crate::raw::{Raw, Recorder, read_wide, wide};

/// A buffer for an enumeration item, aligned for its struct.
fn item_buffer() -> Vec<u64> {
    let mut buffer = vec![0; 128];
    buffer[0] = 1;
    buffer
}

#[test]
fn the_newer_enumeration_tells_ids_and_needs() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1", "n2"], &[]).unwrap();
    // SAFETY: The function checks its handle.
    let enumeration = unsafe { raw.table.ClusterOpenEnumEx.unwrap()(cluster, cluster_enum::NODE, std::ptr::null()) };
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.ClusterGetEnumCountEx.unwrap()(enumeration) }, 2);
    // A snapshot: what happens later is not seen.
    raw.add(cluster, "n3").unwrap();
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.ClusterGetEnumCountEx.unwrap()(enumeration) }, 2);
    let next = raw.table.ClusterEnumEx.unwrap();
    let mut buffer = item_buffer();
    let item: *mut CLUSTER_ENUM_ITEM = buffer.as_mut_ptr().cast();
    let mut size = 40;
    // SAFETY: The buffer is larger than its size says.
    assert_eq!(unsafe { next(enumeration, 1, item, &raw mut size) }, 234);
    assert_eq!(size, 40 + 4 + 6);
    // SAFETY: The buffer is larger than its size says.
    assert_eq!(unsafe { next(enumeration, 1, item, &raw mut size) }, 0);
    // SAFETY: The call has filled the item.
    let found = unsafe { item.read() };
    assert_eq!((found.dwType, found.cbId, found.cbName), (cluster_enum::NODE, 4, 6));
    // SAFETY: The item's strings are NUL-terminated.
    assert_eq!(unsafe { read_wide(found.lpszId) }, "2");
    // SAFETY: The item's strings are NUL-terminated.
    assert_eq!(unsafe { read_wide(found.lpszName) }, "n2");
    // SAFETY: The buffer is larger than its size says.
    assert_eq!(unsafe { next(enumeration, 2, item, &raw mut size) }, 259);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.ClusterCloseEnumEx.unwrap()(enumeration) }, 0);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.ClusterCloseEnumEx.unwrap()(enumeration) }, 6);
    for mask in [0, 0x40] {
        // SAFETY: The function checks its arguments.
        assert_eq!(unsafe { raw.table.ClusterOpenEnum.unwrap()(cluster, mask) }, 0);
        assert_eq!(raw.last_error(), 87);
    }
}

#[test]
fn groups_come_with_state_owner_and_wanted_properties() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1"], &["10.0.0.50"]).unwrap();
    let common = wide("Priority\0");
    let read_only = wide("GroupType\0Name\0");
    let open = raw.table.ClusterGroupOpenEnumEx.unwrap();
    let bytes = |list: &Vec<u16>| u32::try_from(list.len() * 2).unwrap();
    // SAFETY: The lists have the sizes that go with them.
    let enumeration = unsafe {
        open(
            cluster,
            common.as_ptr(),
            bytes(&common),
            read_only.as_ptr(),
            bytes(&read_only),
            0,
        )
    };
    assert_ne!(enumeration, 0);
    let mut buffer = item_buffer();
    let item: *mut CLUSTER_GROUP_ENUM_ITEM = buffer.as_mut_ptr().cast();
    let mut size = 1024;
    assert_eq!(
        // SAFETY: The buffer has the size that goes with it.
        unsafe { raw.table.ClusterGroupEnumEx.unwrap()(enumeration, 0, item, &raw mut size) },
        0
    );
    // SAFETY: The call has filled the item.
    let found = unsafe { item.read() };
    assert_eq!((found.state, found.dwFlags), (group_state::ONLINE, 1));
    // SAFETY: The item's strings are NUL-terminated.
    assert_eq!(unsafe { read_wide(found.lpszOwnerNode) }, "n1");
    assert_eq!(
        found.cbProperties,
        4 + 28 + 12 + 4 + 4,
        "the worked example of the property list"
    );
    // SAFETY: The list has that many bytes.
    let list = unsafe { std::slice::from_raw_parts(found.pProperties.cast::<u8>(), 52) };
    assert_eq!(&list[40..44], 2_000_u32.to_le_bytes());
}

#[test]
fn states_of_groups_and_resources() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1", "n2", "n3"], &["10.0.0.50"]).unwrap();
    let group = raw.open_group(cluster, "cluster group").unwrap();
    let mut node = [0_u16; 8];
    let mut units = 1;
    let state = raw.table.GetClusterGroupState.unwrap();
    // SAFETY: The buffer is larger than its count says.
    assert_eq!(unsafe { state(group, node.as_mut_ptr(), &raw mut units) }, -1);
    assert_eq!((raw.last_error(), units), (234, 2));
    units = 8;
    assert_eq!(
        // SAFETY: The buffer has the room that its count says.
        unsafe { state(group, node.as_mut_ptr(), &raw mut units) },
        group_state::ONLINE
    );
    // SAFETY: The buffer is NUL-terminated now.
    assert_eq!(unsafe { read_wide(node.as_ptr()) }, "n1");
    assert_eq!(
        // SAFETY: Names that are not wanted may be NULL.
        unsafe { state(group, std::ptr::null_mut(), std::ptr::null_mut()) },
        group_state::ONLINE
    );
    assert_eq!(raw.open_group(cluster, "nothing"), Err(5013));
    assert_eq!(
        raw.names(cluster, cluster_enum::RESOURCE),
        ["Cluster IP Address 10.0.0.50", "Cluster Name"]
    );
    let name = wide("Cluster Name");
    // SAFETY: The name is NUL-terminated.
    let resource = unsafe { raw.table.OpenClusterResource.unwrap()(cluster, name.as_ptr()) };
    let (text, count) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: Names that are not wanted may be NULL.
    let found = unsafe { raw.table.GetClusterResourceState.unwrap()(resource, text, count, text, count) };
    assert_eq!(found, 2);

    // The owner goes down: the group moves to the other node.
    raw.simulation.set_reachable("n1", false);
    units = 8;
    // SAFETY: The buffer has the room that its count says.
    unsafe { state(group, node.as_mut_ptr(), &raw mut units) };
    // SAFETY: The buffer is NUL-terminated.
    assert_eq!(unsafe { read_wide(node.as_ptr()) }, "n2");
}

#[test]
fn nodes_pause_and_resume() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1", "n2"], &[]).unwrap();
    let node = raw.open_node(cluster, "N1").unwrap();
    // SAFETY: The functions check their handles.
    unsafe {
        assert_eq!(raw.table.ResumeClusterNode.unwrap()(node), 5058);
    }
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.PauseClusterNodeEx.unwrap()(node, 1, 1, 0) }, 0);
    assert_eq!(raw.node_state(node), node_state::PAUSED);
    let group = raw.open_group(cluster, "Cluster Group").unwrap();
    let mut name = [0_u16; 8];
    let mut units = 8;
    // SAFETY: The buffer has the room that its count says.
    unsafe { raw.table.GetClusterGroupState.unwrap()(group, name.as_mut_ptr(), &raw mut units) };
    // SAFETY: The buffer is NUL-terminated.
    assert_eq!(unsafe { read_wide(name.as_ptr()) }, "n2", "the drain moved it");
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.ResumeClusterNodeEx.unwrap()(node, 1, 0) }, 0);
    assert_eq!(raw.node_state(node), node_state::UP);
    raw.simulation.set_service("n1", false);
    assert_eq!(raw.node_state(node), node_state::DOWN);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.PauseClusterNode.unwrap()(node) }, 5050);
}

#[test]
fn properties_are_read_set_and_reset() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let before = raw
        .control(cluster, control::CLUSTER_GET_COMMON_PROPERTIES, &[])
        .unwrap();
    let list = |value: &[u8]| {
        let mut list = vec![1, 0, 0, 0, 3, 0, 4, 0, 32, 0, 0, 0];
        list.extend("ClusterLogLevel\0".encode_utf16().flat_map(u16::to_le_bytes));
        list.extend([2, 0, 1, 0, u8::try_from(value.len()).unwrap(), 0, 0, 0]);
        list.extend(value);
        list.extend([0; 4]);
        list
    };
    assert_eq!(
        raw.control(cluster, control::CLUSTER_SET_COMMON_PROPERTIES, &list(&[5, 0, 0, 0])),
        Ok(vec![])
    );
    let after = raw
        .control(cluster, control::CLUSTER_GET_COMMON_PROPERTIES, &[])
        .unwrap();
    assert_eq!(
        before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .count(),
        1
    );
    assert_eq!(
        raw.control(cluster, control::CLUSTER_SET_COMMON_PROPERTIES, &list(&[])),
        Ok(vec![])
    );
    assert_eq!(
        raw.control(cluster, control::CLUSTER_GET_COMMON_PROPERTIES, &[])
            .unwrap(),
        before
    );
    assert_eq!(
        raw.control(cluster, control::CLUSTER_SET_COMMON_PROPERTIES, &[1, 0]),
        Err(122)
    );
    assert_eq!(raw.control(cluster, 0, &[]), Err(1));
    let name = raw.control(cluster, control::CLUSTER_GET_FQDN, &[]).unwrap();
    assert_eq!(
        name,
        wide("c.demo.example")
            .iter()
            .flat_map(|unit| unit.to_le_bytes())
            .collect::<Vec<_>>()
    );
    // A query for the size.
    let mut need = 0;
    let null = std::ptr::null_mut();
    let get = control::CLUSTER_GET_COMMON_PROPERTIES;
    // SAFETY: There are no buffers, and there is a place for the need.
    let code = unsafe { raw.table.ClusterControl.unwrap()(cluster, 0, get, null, 0, null, 0, &raw mut need) };
    assert_eq!((code, usize::try_from(need).unwrap()), (234, before.len()));
    let set = control::CLUSTER_SET_COMMON_PROPERTIES;
    // SAFETY: A NULL input is refused.
    let code = unsafe { raw.table.ClusterControl.unwrap()(cluster, 0, set, null, 9, null, 0, &raw mut need) };
    assert_eq!(code, 1783);
}

#[test]
fn an_eviction_can_be_asked_about_first() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1", "n2", "n3"], &[]).unwrap();
    let ask = |voter: &str| {
        let voter: Vec<u8> = wide(voter).iter().flat_map(|unit| unit.to_le_bytes()).collect();
        raw.control(cluster, control::CLUSTER_CHECK_VOTER_EVICT, &voter)
    };
    assert_eq!(ask("3"), Ok(vec![0, 0, 0, 0]));
    raw.simulation.set_reachable("n2", false);
    assert_eq!(ask("3"), Ok(vec![1, 0, 0, 0]));
    assert_eq!(ask("9"), Err(5042));
    assert_eq!(raw.evict(raw.open_node(cluster, "n3").unwrap(), 0).0, 5939);
}

#[test]
fn name_accounts_are_made_repaired_and_removed() {
    use wsfc_clusapi::sys::types::{CREATE_CLUSTER_NAME_ACCOUNT, REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG};
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let name = wide("c");
    let null = std::ptr::null();
    let repair = REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG {
        dwVersion: 0xA00,
        dwFlags: 0,
        pszUserName: null,
        pszPassword: null,
        pszDomain: null,
    };
    let repair_now = raw.table.RepairClusterNameAccount.unwrap();
    assert_eq!(
        // SAFETY: The configuration is valid, and there is no callback.
        unsafe { repair_now(cluster, &raw const repair, None, std::ptr::null()) },
        5090
    );
    let mut account = CREATE_CLUSTER_NAME_ACCOUNT {
        dwVersion: 0x702,
        lpszClusterName: name.as_ptr(),
        dwFlags: 0,
        pszUserName: null,
        pszPassword: null,
        pszDomain: null,
        managementPointType: 1,
        // A distributed name needs no address.
        managementPointResType: 2,
        bUpgradeVCOs: 0,
    };
    let create = raw.table.CreateClusterNameAccount.unwrap();
    assert_eq!(
        // SAFETY: The configuration is valid, and there is no callback.
        unsafe { create(cluster, &raw const account, None, std::ptr::null()) },
        87,
        "its version is too old"
    );
    account.dwVersion = 0xA00;
    assert_eq!(
        // SAFETY: The configuration is valid, and there is no callback.
        unsafe { create(cluster, &raw const account, None, std::ptr::null()) },
        0
    );
    raw.open(Some("c")).unwrap();
    assert_eq!(
        // SAFETY: The configuration is valid, and there is no callback.
        unsafe { repair_now(cluster, &raw const repair, None, std::ptr::null()) },
        0
    );
    let remove = raw.table.RemoveClusterNameAccount.unwrap();
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { remove(cluster, 1) }, 0);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { remove(cluster, 1) }, 5090);
    assert_eq!(raw.open(Some("c")), Err(1722));
    assert_eq!(raw.destroy(cluster, &Recorder::new()), 0);
}

#[test]
fn storage_nodes_and_replaced_nodes() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1", "n2", "n3"], &[]).unwrap();
    let (name, other) = (wide("shelf"), wide("other"));
    let (argument, text) = (std::ptr::null(), std::ptr::null());
    let add = raw.table.AddClusterStorageNode.unwrap();
    // SAFETY: The names are NULL or NUL-terminated, and there is no callback.
    let code = |name: &[u16]| unsafe { add(cluster, name.as_ptr(), None, argument, text, text) };
    assert_eq!((code(&name), code(&name)), (0, 5010));
    let remove = raw.table.RemoveClusterStorageNode.unwrap();
    // SAFETY: The name is NUL-terminated.
    assert_eq!(unsafe { remove(cluster, other.as_ptr(), 0, 0) }, 5042);
    // SAFETY: The name is NUL-terminated.
    assert_eq!(unsafe { remove(cluster, name.as_ptr(), 0, 0) }, 0);

    let (old, new) = (wide("n3"), wide("n4"));
    let replace = raw.table.ClusterNodeReplacement.unwrap();
    // SAFETY: The names are NUL-terminated.
    assert_eq!(unsafe { replace(cluster, old.as_ptr(), new.as_ptr()) }, 5056);
    raw.simulation.set_service("n3", false);
    // SAFETY: The names are NUL-terminated.
    assert_eq!(unsafe { replace(cluster, old.as_ptr(), new.as_ptr()) }, 0);
    assert_eq!(raw.names(cluster, cluster_enum::NODE), ["n1", "n2", "n4"]);
}

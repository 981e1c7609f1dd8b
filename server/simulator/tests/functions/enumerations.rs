//! Enumerations, large and damaged ones too.

use wsfc_clusapi::proplist::PropertyList;
use wsfc_clusapi::sys::constants::{
    cluster_enum, control as ctl, group_enum, group_state, network_enum, node_enum, notify_node, notify_object,
    resource_enum, resource_type_enum,
};
use wsfc_clusapi::sys::types::{CLUSTER_GROUP_ENUM_ITEM, CLUSTER_RESOURCE_ENUM_ITEM};
use wsfc_simulator::{Damage, Fault, Scenario, Simulation};

use crate::call::{Target, control, enumerated, open, production};
use crate::notify::{filter, next, open as open_port};
use crate::raw::{Raw, read_wide, wide};

type Open = Option<unsafe extern "system" fn(isize, u32) -> isize>;
type Next = Option<unsafe extern "system" fn(isize, u32, *mut u32, *mut u16, *mut u32) -> u32>;
type OpenItems = Option<unsafe extern "system" fn(isize, *const u16, u32, *const u16, u32, u32) -> isize>;
type NextItem<T> = Option<unsafe extern "system" fn(isize, u32, *mut T, *mut u32) -> u32>;
type Close = Option<unsafe extern "system" fn(isize) -> u32>;

/// Kinds and names of what belongs to an object, or the error of the open call.
fn belongs(raw: &Raw, functions: (Open, Next, Close), object: isize, kinds: u32) -> Result<Vec<(u32, String)>, u32> {
    // SAFETY: The function checks its handle.
    let handle = raw.opened(unsafe { functions.0.unwrap()(object, kinds) })?;
    let found = enumerated(|index, kind, name, units| {
        // SAFETY: The buffer has the room that its count says.
        unsafe { functions.1.unwrap()(handle, index, kind, name.as_mut_ptr(), units) }
    });
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { functions.2.unwrap()(handle) }, 0);
    Ok(found)
}

fn names(found: &[(u32, String)], kind: u32) -> Vec<&str> {
    let of_kind = found.iter().filter(|(own, _)| *own == kind);
    of_kind.map(|(_, name)| name.as_str()).collect()
}

#[test]
fn objects_list_what_belongs_to_them() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let group = raw.open_group(cluster, "SQL Server (PROD)").unwrap();
    let of_group = (
        table.ClusterGroupOpenEnum,
        table.ClusterGroupEnum,
        table.ClusterGroupCloseEnum,
    );
    let all = belongs(&raw, of_group, group, 3).unwrap();
    assert_eq!(names(&all, group_enum::PREFERRED_OWNERS), ["hv1", "hv2"]);
    assert_eq!(names(&all, group_enum::RESOURCES).len(), 6);
    assert_eq!(belongs(&raw, of_group, group, 4), Err(87));
    let service = open(&raw, table.OpenClusterResource, cluster, "SQL Server").unwrap();
    let of_resource = (
        table.ClusterResourceOpenEnum,
        table.ClusterResourceEnum,
        table.ClusterResourceCloseEnum,
    );
    let all = belongs(&raw, of_resource, service, 7).unwrap();
    assert_eq!(
        names(&all, resource_enum::DEPENDENCIES),
        ["SQL Name", "SQL Data", "SQL Log"]
    );
    assert_eq!(names(&all, resource_enum::DEPENDENTS), ["SQL Server Agent"]);
    assert_eq!(names(&all, resource_enum::POSSIBLE_OWNERS), ["hv1", "hv2"]);
    let network = open(&raw, table.OpenClusterNetwork, cluster, "Heartbeat").unwrap();
    let of_network = (
        table.ClusterNetworkOpenEnum,
        table.ClusterNetworkEnum,
        table.ClusterNetworkCloseEnum,
    );
    let all = belongs(&raw, of_network, network, network_enum::INTERFACES).unwrap();
    assert_eq!(all.len(), 4);
    let node = raw.open_node(cluster, "hv3").unwrap();
    let of_node = (
        table.ClusterNodeOpenEnum,
        table.ClusterNodeEnum,
        table.ClusterNodeCloseEnum,
    );
    let all = belongs(&raw, of_node, node, 7).unwrap();
    assert_eq!(names(&all, node_enum::PREFERRED_GROUPS), ["Files"]);
    assert!(names(&all, node_enum::GROUPS).contains(&"DC2"));
    let types = |name: &str, kinds| {
        let name = wide(name);
        let open = table.ClusterResourceTypeOpenEnum.unwrap();
        // SAFETY: The name is NUL-terminated.
        let handle = raw.opened(unsafe { open(cluster, name.as_ptr(), kinds) })?;
        Ok::<_, u32>(enumerated(|index, kind, name, units| {
            // SAFETY: The buffer has the room that its count says.
            unsafe { table.ClusterResourceTypeEnum.unwrap()(handle, index, kind, name.as_mut_ptr(), units) }
        }))
    };
    assert_eq!(types("none", 99), Err(5078), "the type is looked at before the mask");
    assert_eq!(types("Network Name", 99), Err(87));
    let all = types("network name", 3).unwrap();
    assert_eq!(names(&all, resource_type_enum::RESOURCES).len(), 3);
    assert_eq!(names(&all, resource_type_enum::POSSIBLE_OWNERS).len(), 4);
}

/// A MULTI_SZ of names as the calls take it, with its size in bytes.
fn wanted(names: &[&str]) -> (Vec<u16>, u32) {
    let mut list: Vec<u16> = names.iter().flat_map(|name| wide(name)).collect();
    list.push(0);
    let bytes = u32::try_from(list.len() * 2).unwrap();
    (list, bytes)
}

/// Goes through an enumeration with properties: what `read` makes of each item.
fn items<T, R>(
    raw: &Raw,
    cluster: isize,
    functions: (OpenItems, NextItem<T>, Close),
    (common, read_only): (&[&str], &[&str]),
    read: impl Fn(&T) -> R,
) -> Vec<R> {
    let ((common, common_bytes), (read_only, read_only_bytes)) = (wanted(common), wanted(read_only));
    // SAFETY: The lists have the sizes that go with them.
    let handle = unsafe {
        functions.0.unwrap()(
            cluster,
            common.as_ptr(),
            common_bytes,
            read_only.as_ptr(),
            read_only_bytes,
            0,
        )
    };
    assert_ne!(handle, 0, "{}", raw.last_error());
    let mut found = Vec::new();
    loop {
        let mut buffer = vec![0_u64; 512];
        buffer[0] = 1;
        let item: *mut T = buffer.as_mut_ptr().cast();
        let mut size = 4_096;
        // SAFETY: The buffer has the size that goes with it.
        match unsafe { functions.1.unwrap()(handle, u32::try_from(found.len()).unwrap(), item, &raw mut size) } {
            0 => {
                // SAFETY: The call has filled the item, which lies at the begin of the buffer.
                found.push(read(unsafe { &*item }));
            }
            259 => break,
            code => panic!("{code}"),
        }
    }
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { functions.2.unwrap()(handle) }, 0);
    found
}

/// The bytes that an item points to.
unsafe fn bytes_at(place: *const core::ffi::c_void, size: u32) -> Vec<u8> {
    if place.is_null() {
        return Vec::new();
    }
    // SAFETY: The caller's promise: as many bytes are there.
    unsafe { std::slice::from_raw_parts(place.cast::<u8>(), usize::try_from(size).unwrap()) }.to_vec()
}

#[test]
fn resources_come_with_their_group_and_what_is_wanted() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let functions = (
        table.ClusterResourceOpenEnumEx,
        table.ClusterResourceEnumEx,
        table.ClusterResourceCloseEnumEx,
    );
    let wanted: (&[&str], &[&str]) = (&["RESTARTACTION", "Nothing"], &["Name", "Type"]);
    let all = items(&raw, cluster, functions, wanted, |item: &CLUSTER_RESOURCE_ENUM_ITEM| {
        // SAFETY: The strings of an item are NUL-terminated.
        let group = unsafe { read_wide(item.lpszOwnerGroupName) };
        // SAFETY: The list has the size that goes with it.
        let common = unsafe { bytes_at(item.pProperties, item.cbProperties) };
        // SAFETY: The list has the size that goes with it.
        let read_only = unsafe { bytes_at(item.pRoProperties, item.cbRoProperties) };
        (
            group,
            PropertyList::parse(&common).unwrap(),
            PropertyList::parse(&read_only).unwrap(),
        )
    });
    let (group, common, read_only) = all
        .iter()
        .find(|(_, _, read_only)| read_only.text("Name") == Some("SQL Server Agent"))
        .unwrap();
    assert_eq!(group, "SQL Server (PROD)");
    assert_eq!((common.properties.len(), common.dword("RestartAction")), (1, Some(1)));
    assert_eq!(read_only.text("Type"), Some("Generic Service"));
    let count = raw.names(cluster, cluster_enum::RESOURCE).len();
    assert_eq!(all.len(), count);
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_world_of_thirty_thousand_resources_is_made_and_listed() {
    let raw = Raw::over(Simulation::new(Scenario::builtin("large").unwrap()).unwrap());
    let cluster = raw.open(None).unwrap();
    let table = &raw.table;
    let functions = (
        table.ClusterGroupOpenEnumEx,
        table.ClusterGroupEnumEx,
        table.ClusterGroupCloseEnumEx,
    );
    let wanted: (&[&str], &[&str]) = (&["Priority"], &["GroupType"]);
    let groups = items(&raw, cluster, functions, wanted, |item: &CLUSTER_GROUP_ENUM_ITEM| {
        item.state
    });
    assert_eq!(groups.len(), 8_002);
    assert_eq!(
        groups.iter().filter(|state| **state == group_state::ONLINE).count(),
        8_001
    );
    let functions = (
        table.ClusterResourceOpenEnumEx,
        table.ClusterResourceEnumEx,
        table.ClusterResourceCloseEnumEx,
    );
    let wanted: (&[&str], &[&str]) = (&[], &["Type"]);
    let resources = items(&raw, cluster, functions, wanted, |item: &CLUSTER_RESOURCE_ENUM_ITEM| {
        item.cbProperties
    });
    assert_eq!(resources.len(), 30_000 + 3, "with those of the cluster itself");
    assert!(
        resources.iter().all(|bytes| *bytes == 0),
        "no common property was wanted"
    );
}

#[test]
fn faults_damage_what_is_handed_out() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let whole = control(&raw, Target::Cluster(cluster), ctl::CLUSTER_GET_COMMON_PROPERTIES, &[]).unwrap();
    let damaged = |call: &str, damage| {
        raw.simulation
            .inject(Fault {
                call: Some(call.into()),
                damage: Some(damage),
                times: Some(1),
                ..Fault::default()
            })
            .unwrap();
    };
    let ask = || control(&raw, Target::Cluster(cluster), ctl::CLUSTER_GET_COMMON_PROPERTIES, &[]).unwrap();
    damaged("ClusterControl", Damage::Truncated);
    assert_eq!(ask(), whole[..whole.len() / 2]);
    damaged("ClusterControl", Damage::WildLengths);
    assert!(PropertyList::parse(&ask()).is_err());
    damaged("ClusterControl", Damage::OddLength);
    assert_eq!(ask().len(), whole.len() + 1);
    assert_eq!(ask(), whole, "once is once");
    let functions = (
        table.ClusterGroupOpenEnumEx,
        table.ClusterGroupEnumEx,
        table.ClusterGroupCloseEnumEx,
    );
    let wanted: (&[&str], &[&str]) = (&["Priority"], &[]);
    // An event stays as damaged as it was at the first look, which had too little room.
    let port = open_port(&raw, cluster, &[filter(notify_object::NODE, notify_node::STATE)], 1);
    raw.simulation.set_reachable("hv4", false);
    damaged("GetClusterNotifyV2", Damage::OddLength);
    assert_eq!(next(&raw, port, 1, 0).unwrap_err().0, 234);
    let event = next(&raw, port, 64, 0).unwrap();
    assert_eq!(event.payload, [1, 0, 0, 0, 0xA5]);
    damaged("ClusterGroupOpenEnumEx", Damage::UnknownStates);
    let states = items(&raw, cluster, functions, wanted, |item: &CLUSTER_GROUP_ENUM_ITEM| {
        item.state
    });
    assert!(states.iter().all(|state| *state == 77));
    damaged("ClusterGroupOpenEnumEx", Damage::WildLengths);
    let sizes = items(&raw, cluster, functions, wanted, |item: &CLUSTER_GROUP_ENUM_ITEM| {
        item.cbProperties
    });
    assert!(sizes.iter().all(|size| *size > 4_096));
}

//! The functions that take no handle: a copy of each for every slot.

use core::ffi::c_void;

use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_CLOUD_TYPE, CLUSTER_MGMT_POINT_RESTYPE, CREATE_CLUSTER_CONFIG, HCHANGE, HCLUSTER,
    NOTIFY_FILTER_AND_TYPE, PCLUSTER_SETUP_PROGRESS_CALLBACK, PCWSTR,
};

use super::{access, cluster, code, handle, notify, setup};
use crate::slots::{self, COUNT};

/// The copies of one slot.
pub(crate) struct Slotted {
    pub(crate) create_cluster: unsafe extern "system" fn(
        *const CREATE_CLUSTER_CONFIG,
        PCLUSTER_SETUP_PROGRESS_CALLBACK,
        *const c_void,
    ) -> HCLUSTER,
    pub(crate) open_cluster: unsafe extern "system" fn(PCWSTR) -> HCLUSTER,
    pub(crate) open_cluster_ex: unsafe extern "system" fn(PCWSTR, u32, *mut u32) -> HCLUSTER,
    pub(crate) get_node_cluster_state: unsafe extern "system" fn(PCWSTR, *mut u32) -> u32,
    pub(crate) cno_restype: unsafe extern "system" fn(u32, *const PCWSTR, *mut CLUSTER_MGMT_POINT_RESTYPE) -> u32,
    pub(crate) cloud_type: unsafe extern "system" fn(u32, *const PCWSTR, *mut CLUSTER_CLOUD_TYPE) -> u32,
    pub(crate) node_cloud_type: unsafe extern "system" fn(PCWSTR, *mut u32) -> u32,
    pub(crate) restore_database: unsafe extern "system" fn(PCWSTR, BOOL, PCWSTR) -> u32,
    pub(crate) create_port:
        unsafe extern "system" fn(HCHANGE, HCLUSTER, *const NOTIFY_FILTER_AND_TYPE, u32, usize) -> HCHANGE,
}

unsafe extern "system" fn create_cluster<const SLOT: usize>(
    config: *const CREATE_CLUSTER_CONFIG,
    callback: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> HCLUSTER {
    // SAFETY: The caller keeps CreateCluster's contract.
    handle(|| unsafe { setup::create_cluster(slots::world(SLOT), config, callback, argument) })
}

unsafe extern "system" fn open_cluster<const SLOT: usize>(name: PCWSTR) -> HCLUSTER {
    // SAFETY: The caller keeps OpenCluster's contract.
    handle(|| unsafe { cluster::open(slots::world(SLOT), "OpenCluster", name) })
}

unsafe extern "system" fn open_cluster_ex<const SLOT: usize>(
    name: PCWSTR,
    desired: u32,
    granted: *mut u32,
) -> HCLUSTER {
    // SAFETY: The caller keeps OpenClusterEx's contract.
    handle(|| unsafe { cluster::open_ex(slots::world(SLOT), name, desired, granted) })
}

unsafe extern "system" fn get_node_cluster_state<const SLOT: usize>(name: PCWSTR, state: *mut u32) -> u32 {
    // SAFETY: The caller keeps GetNodeClusterState's contract.
    code(|| unsafe { cluster::node_cluster_state(slots::world(SLOT), name, state) })
}

unsafe extern "system" fn cno_restype<const SLOT: usize>(
    count: u32,
    names: *const PCWSTR,
    restype: *mut CLUSTER_MGMT_POINT_RESTYPE,
) -> u32 {
    // SAFETY: The caller keeps DetermineCNOResTypeFromNodelist's contract.
    code(|| unsafe { cluster::restype_of_nodes(slots::world(SLOT), count, names, restype) })
}

unsafe extern "system" fn cloud_type<const SLOT: usize>(
    count: u32,
    names: *const PCWSTR,
    cloud: *mut CLUSTER_CLOUD_TYPE,
) -> u32 {
    // SAFETY: The caller keeps DetermineClusterCloudTypeFromNodelist's contract.
    code(|| unsafe { cluster::cloud_of_nodes(slots::world(SLOT), count, names, cloud) })
}

unsafe extern "system" fn node_cloud_type<const SLOT: usize>(name: PCWSTR, cloud: *mut u32) -> u32 {
    // SAFETY: The caller keeps GetNodeCloudTypeDW's contract.
    code(|| unsafe { cluster::cloud_of_node(slots::world(SLOT), name, cloud) })
}

unsafe extern "system" fn restore_database<const SLOT: usize>(
    path_name: PCWSTR,
    force: BOOL,
    _quorum_drive_letter: PCWSTR,
) -> u32 {
    // SAFETY: The caller keeps RestoreClusterDatabase's contract.
    code(|| unsafe { access::restore(slots::world(SLOT), path_name, force) })
}

unsafe extern "system" fn create_port<const SLOT: usize>(
    port: HCHANGE,
    cluster: HCLUSTER,
    filters: *const NOTIFY_FILTER_AND_TYPE,
    count: u32,
    key: usize,
) -> HCHANGE {
    // SAFETY: The caller keeps CreateClusterNotifyPortV2's contract.
    handle(|| unsafe { notify::create_port(slots::world(SLOT), port, cluster, filters, count, key) })
}

const fn slotted<const SLOT: usize>() -> Slotted {
    Slotted {
        create_cluster: create_cluster::<SLOT>,
        open_cluster: open_cluster::<SLOT>,
        open_cluster_ex: open_cluster_ex::<SLOT>,
        get_node_cluster_state: get_node_cluster_state::<SLOT>,
        cno_restype: cno_restype::<SLOT>,
        cloud_type: cloud_type::<SLOT>,
        node_cloud_type: node_cloud_type::<SLOT>,
        restore_database: restore_database::<SLOT>,
        create_port: create_port::<SLOT>,
    }
}

/// Sixteen slots.
macro_rules! row {
    ($row:literal) => {
        row!($row: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($row:literal: $($column:literal)+) => {
        [$(slotted::<{ $row * 16 + $column }>()),+]
    };
}

/// Sixteen rows.
macro_rules! rows {
    ($($row:literal)+) => { [$(row!($row)),+] };
}

static SLOTTED: [[Slotted; 16]; COUNT / 16] = rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);

/// The copies of a slot.
pub(crate) fn of_slot(number: usize) -> &'static Slotted {
    &SLOTTED[number / 16 % SLOTTED.len()][number % 16]
}

//! Groups (facts 2.4).

use wsfc_clusapi::sys::constants::{
    group_move_flags, group_offline_flags, group_online_flags, group_state, group_type,
};
use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_CREATE_GROUP_INFO, CLUSTER_GROUP_STATE, HCLUSTER, HGROUP, HNODE, PCWSTR, PWSTR,
};

use super::cluster::granted_access;
use super::{
    Answer, begun, changed, check_flags, cluster_of, code, group_of, handle, node_argument, objects, put_text,
    required, state, truth,
};
use crate::handles::{self, Object};
use crate::memory;
use crate::win32::{ERROR_GROUP_NOT_FOUND, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER};
use crate::world::cluster::Cluster;
use crate::world::group::moving::Migration;

unsafe fn open_name(cluster: HCLUSTER, name: PCWSTR, call: &'static str) -> Answer<HGROUP> {
    let (world, cluster) = cluster_of(cluster, call)?;
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { required(name)? };
    let id = objects::find_group(world.lock().serving(&cluster)?, &name)?.id.clone();
    Ok(handles::open(&world, Object::Group { cluster, id }))
}

pub(super) unsafe extern "system" fn open(cluster: HCLUSTER, name: PCWSTR) -> HGROUP {
    // SAFETY: The caller keeps OpenClusterGroup's contract.
    handle(|| unsafe { open_name(cluster, name, "OpenClusterGroup") })
}

pub(super) unsafe extern "system" fn open_ex(
    cluster: HCLUSTER,
    name: PCWSTR,
    desired: u32,
    granted: *mut u32,
) -> HGROUP {
    handle(|| {
        // SAFETY: The caller keeps OpenClusterGroupEx's contract.
        let handle = unsafe { open_name(cluster, name, "OpenClusterGroupEx")? };
        // SAFETY: The caller passes NULL or a place for a DWORD.
        unsafe { memory::write(granted, granted_access(desired)) };
        Ok(handle)
    })
}

pub(super) unsafe extern "system" fn close(group: HGROUP) -> BOOL {
    truth(|| handles::close(group, |object| matches!(object, Object::Group { .. })))
}

pub(super) unsafe extern "system" fn get_state(
    group: HGROUP,
    node: PWSTR,
    node_units: *mut u32,
) -> CLUSTER_GROUP_STATE {
    state(|| {
        let (world, cluster, id) = group_of(group, "GetClusterGroupState")?;
        let (found, owner) = {
            let state = world.lock();
            let cluster = state.serving(&cluster)?;
            let group = cluster.group(&id).ok_or(ERROR_GROUP_NOT_FOUND)?;
            (cluster.group_state(group), objects::owner_name(cluster, group))
        };
        // SAFETY: The caller passes a buffer with its count, or NULL.
        unsafe { put_text(&owner, node, node_units)? };
        Ok(found)
    })
}

fn create_of_type(cluster: HCLUSTER, name: PCWSTR, group_type: u32, call: &'static str) -> Answer<HGROUP> {
    let (world, cluster) = cluster_of(cluster, call)?;
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { required(name)? };
    let id = world.change(|state| {
        state.serving(&cluster)?;
        state.world.add_group(&cluster, &name, group_type)
    })?;
    Ok(handles::open(&world, Object::Group { cluster, id }))
}

pub(super) unsafe extern "system" fn create(cluster: HCLUSTER, name: PCWSTR) -> HGROUP {
    handle(|| create_of_type(cluster, name, group_type::UNKNOWN, "CreateClusterGroup"))
}

/// CreateClusterGroupEx: without a struct a group of no type. Guess: 87 for another version, and for the types that the
/// cluster makes itself.
pub(super) unsafe extern "system" fn create_ex(
    cluster: HCLUSTER,
    name: PCWSTR,
    info: *const CLUSTER_CREATE_GROUP_INFO,
) -> HGROUP {
    handle(|| {
        const VERSION: u32 = 1;
        let mut kind = group_type::UNKNOWN;
        if !info.is_null() {
            // SAFETY: The version comes first.
            let version = unsafe { memory::read(info.cast::<u32>()) };
            if version != VERSION {
                return Err(ERROR_INVALID_PARAMETER);
            }
            // SAFETY: The struct has the size of its version.
            let info = unsafe { memory::read(info) };
            kind = u32::try_from(info.groupType).map_err(|_| ERROR_INVALID_PARAMETER)?;
            if matches!(kind, group_type::CORE_CLUSTER | group_type::AVAILABLE_STORAGE) {
                return Err(ERROR_INVALID_PARAMETER);
            }
        }
        create_of_type(cluster, name, kind, "CreateClusterGroupEx")
    })
}

fn remove(group: HGROUP, call: &'static str, resources: bool) -> Answer<()> {
    let (world, cluster, id) = group_of(group, call)?;
    changed(&world, &cluster, |service| service.remove_group(&id, resources))
}

pub(super) unsafe extern "system" fn delete(group: HGROUP) -> u32 {
    code(|| remove(group, "DeleteClusterGroup", false))
}

pub(super) unsafe extern "system" fn destroy(group: HGROUP) -> u32 {
    code(|| remove(group, "DestroyClusterGroup", true))
}

pub(super) unsafe extern "system" fn set_name(group: HGROUP, name: PCWSTR) -> u32 {
    code(|| {
        let (world, cluster, id) = group_of(group, "SetClusterGroupName")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        changed(&world, &cluster, |service| service.rename_group(&id, &name))
    })
}

pub(super) unsafe extern "system" fn set_nodes(group: HGROUP, count: u32, nodes: *const HNODE) -> u32 {
    code(|| {
        let (world, cluster, id) = group_of(group, "SetClusterGroupNodeList")?;
        if nodes.is_null() && count > 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let mut preferred = Vec::new();
        for position in 0..count {
            let place = nodes.wrapping_add(usize::try_from(position).map_err(|_| ERROR_INVALID_PARAMETER)?);
            // SAFETY: The caller passes as many handles as the count says.
            let node = unsafe { memory::read(place) };
            preferred.push(node_argument(node, &cluster)?.ok_or(ERROR_INVALID_HANDLE)?);
        }
        changed(&world, &cluster, |service| service.set_preferred_owners(&id, preferred))
    })
}

/// True when a group is online where it shall be, or has nothing to bring online.
fn is_online(cluster: &Cluster, id: &str, node: Option<u32>) -> bool {
    cluster.group(id).is_some_and(|group| {
        let state = cluster.group_state(group);
        let rests = state == group_state::ONLINE || (state == group_state::OFFLINE && group.resources.is_empty());
        rests && group.moving.is_none() && node.is_none_or(|node| node == group.owner)
    })
}

fn bring_online(group: HGROUP, node: HNODE, flags: u32, call: &'static str) -> Answer<()> {
    let (world, cluster, id) = group_of(group, call)?;
    let node = node_argument(node, &cluster)?;
    begun(
        &world,
        &cluster,
        |service| service.online_group(&id, node, flags),
        |cluster| is_online(cluster, &id, node),
    )
}

pub(super) unsafe extern "system" fn online(group: HGROUP, node: HNODE) -> u32 {
    code(|| bring_online(group, node, 0, "OnlineClusterGroup"))
}

/// OnlineClusterGroupEx. Guess: the property list is for resource DLLs, of which there are none, so it is not read; and
/// SYNCHRONOUS waits for nothing.
pub(super) unsafe extern "system" fn online_ex(
    group: HGROUP,
    node: HNODE,
    flags: u32,
    _input: *const u8,
    _input_bytes: u32,
) -> u32 {
    code(|| {
        const KNOWN: u32 = group_online_flags::IGNORE_RESOURCE_STATUS
            | group_online_flags::SYNCHRONOUS
            | group_online_flags::BEST_POSSIBLE_NODE
            | group_online_flags::IGNORE_AFFINITY_RULE;
        check_flags(flags, KNOWN)?;
        bring_online(group, node, flags, "OnlineClusterGroupEx")
    })
}

fn take_offline(group: HGROUP, flags: u32, call: &'static str) -> Answer<()> {
    let (world, cluster, id) = group_of(group, call)?;
    let is_offline = |cluster: &Cluster| {
        cluster
            .group(&id)
            .is_some_and(|group| cluster.group_state(group) == group_state::OFFLINE)
    };
    begun(
        &world,
        &cluster,
        |service| service.offline_group(&id, flags),
        is_offline,
    )
}

pub(super) unsafe extern "system" fn offline(group: HGROUP) -> u32 {
    code(|| take_offline(group, 0, "OfflineClusterGroup"))
}

pub(super) unsafe extern "system" fn offline_ex(
    group: HGROUP,
    flags: u32,
    _input: *const u8,
    _input_bytes: u32,
) -> u32 {
    code(|| {
        check_flags(flags, group_offline_flags::IGNORE_RESOURCE_STATUS)?;
        take_offline(group, flags, "OfflineClusterGroupEx")
    })
}

fn move_to(group: HGROUP, node: HNODE, flags: u32, migration: Migration, call: &'static str) -> Answer<()> {
    let (world, cluster, id) = group_of(group, call)?;
    let node = node_argument(node, &cluster)?;
    let is_there = |cluster: &Cluster| {
        cluster.group(&id).is_some_and(|group| {
            group.moving.is_none() && group.queued.is_none() && node.is_none_or(|node| node == group.owner)
        })
    };
    begun(
        &world,
        &cluster,
        |service| service.move_group(&id, node, flags, migration),
        is_there,
    )
}

pub(super) unsafe extern "system" fn move_group(group: HGROUP, node: HNODE) -> u32 {
    code(|| move_to(group, node, 0, Migration::ByState, "MoveClusterGroup"))
}

/// MoveClusterGroupEx, with the property list of virtual machines (facts 2.4).
pub(super) unsafe extern "system" fn move_ex(
    group: HGROUP,
    node: HNODE,
    flags: u32,
    input: *const u8,
    input_bytes: u32,
) -> u32 {
    code(|| {
        const KNOWN: u32 = group_move_flags::IGNORE_RESOURCE_STATUS
            | group_move_flags::RETURN_TO_SOURCE_NODE_ON_ERROR
            | group_move_flags::QUEUE_ENABLED
            | group_move_flags::HIGH_PRIORITY_START
            | group_move_flags::FAILBACK
            | group_move_flags::IGNORE_AFFINITY_RULE;
        check_flags(flags, KNOWN)?;
        let migration = if input.is_null() {
            Migration::ByState
        } else {
            let count = usize::try_from(input_bytes).map_err(|_| ERROR_INVALID_PARAMETER)?;
            // SAFETY: The caller passes a list of that size.
            Migration::read(&unsafe { memory::read_bytes(input, count) })?
        };
        move_to(group, node, flags, migration, "MoveClusterGroupEx")
    })
}

/// CancelClusterGroupOperation; its flags are reserved.
pub(super) unsafe extern "system" fn cancel(group: HGROUP, flags: u32) -> u32 {
    code(|| {
        let (world, cluster, id) = group_of(group, "CancelClusterGroupOperation")?;
        check_flags(flags, 0)?;
        let is_over = |cluster: &Cluster| {
            cluster
                .group(&id)
                .is_some_and(|group| cluster.group_state(group) != group_state::PENDING)
        };
        begun(&world, &cluster, |service| service.cancel_move(&id), is_over)
    })
}

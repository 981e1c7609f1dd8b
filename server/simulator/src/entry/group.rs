//! Groups and resources (facts 2.4 and 2.5).

use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_GROUP_STATE, CLUSTER_RESOURCE_STATE, HCLUSTER, HGROUP, HRESOURCE, PCWSTR, PWSTR,
};

use super::cluster::granted_access;
use super::{Answer, cluster_of, code, group_of, handle, objects, put_text, required, resource_of, state, truth};
use crate::handles::{self, Object};
use crate::memory;
use crate::win32::{ERROR_GROUP_NOT_FOUND, ERROR_RESOURCE_NOT_FOUND};

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

pub(super) unsafe extern "system" fn create(cluster: HCLUSTER, name: PCWSTR) -> HGROUP {
    handle(|| {
        let (world, cluster) = cluster_of(cluster, "CreateClusterGroup")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        let id = world.change(|state| {
            state.serving(&cluster)?;
            state.world.add_group(&cluster, &name)
        })?;
        Ok(handles::open(&world, Object::Group { cluster, id }))
    })
}

fn remove(group: HGROUP, call: &'static str, resources: bool) -> Answer<()> {
    let (world, cluster, id) = group_of(group, call)?;
    world.change(|state| {
        state.serving(&cluster)?;
        state.world.remove_group(&cluster, &id, resources)
    })
}

pub(super) unsafe extern "system" fn delete(group: HGROUP) -> u32 {
    code(|| remove(group, "DeleteClusterGroup", false))
}

pub(super) unsafe extern "system" fn destroy(group: HGROUP) -> u32 {
    code(|| remove(group, "DestroyClusterGroup", true))
}

pub(super) unsafe extern "system" fn open_resource(cluster: HCLUSTER, name: PCWSTR) -> HRESOURCE {
    handle(|| {
        let (world, cluster) = cluster_of(cluster, "OpenClusterResource")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        let id = objects::find_resource(world.lock().serving(&cluster)?, &name)?;
        Ok(handles::open(&world, Object::Resource { cluster, id }))
    })
}

pub(super) unsafe extern "system" fn close_resource(resource: HRESOURCE) -> BOOL {
    truth(|| handles::close(resource, |object| matches!(object, Object::Resource { .. })))
}

pub(super) unsafe extern "system" fn resource_state(
    resource: HRESOURCE,
    node: PWSTR,
    node_units: *mut u32,
    group: PWSTR,
    group_units: *mut u32,
) -> CLUSTER_RESOURCE_STATE {
    state(|| {
        let (world, cluster, id) = resource_of(resource, "GetClusterResourceState")?;
        let (found, owner, group_name) = {
            let state = world.lock();
            let cluster = state.serving(&cluster)?;
            let (group, resource) = cluster.resource(&id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
            (resource.state, objects::owner_name(cluster, group), group.name.clone())
        };
        // SAFETY: The caller passes a buffer with its count, or NULL.
        let first = unsafe { put_text(&owner, node, node_units) };
        // SAFETY: The caller passes a buffer with its count, or NULL.
        let second = unsafe { put_text(&group_name, group, group_units) };
        first.and(second).map(|()| found)
    })
}

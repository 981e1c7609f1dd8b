//! Resources (facts 2.5).

use wsfc_clusapi::sys::constants::{
    change_group_flags, resource_create_flags, resource_offline_flags, resource_online_flags, resource_state,
};
use wsfc_clusapi::sys::types::{BOOL, CLUSTER_RESOURCE_STATE, HCLUSTER, HGROUP, HNODE, HRESOURCE, PCWSTR, PWSTR};

use super::{
    Answer, begun, changed, check_flags, cluster_of, code, group_argument, group_of, handle, node_argument, objects,
    put_text, required, resource_argument, resource_of, state, truth,
};
use crate::handles::{self, Object};
use crate::memory;
use crate::win32::{
    ERROR_DEPENDENCY_NOT_FOUND, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_RESOURCE_NOT_FOUND,
};
use crate::world::cluster::{Cluster, is_network_name};
use crate::world::properties::Setting;
use crate::world::resource::dependency::Expression;

pub(super) unsafe extern "system" fn open(cluster: HCLUSTER, name: PCWSTR) -> HRESOURCE {
    handle(|| {
        let (world, cluster) = cluster_of(cluster, "OpenClusterResource")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        let id = objects::find_resource(world.lock().serving(&cluster)?, &name)?;
        Ok(handles::open(&world, Object::Resource { cluster, id }))
    })
}

pub(super) unsafe extern "system" fn close(resource: HRESOURCE) -> BOOL {
    truth(|| handles::close(resource, |object| matches!(object, Object::Resource { .. })))
}

pub(super) unsafe extern "system" fn get_state(
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

pub(super) unsafe extern "system" fn create(group: HGROUP, name: PCWSTR, kind: PCWSTR, flags: u32) -> HRESOURCE {
    handle(|| {
        let (world, cluster, group) = group_of(group, "CreateClusterResource")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        // SAFETY: The caller passes NULL or a string.
        let kind = unsafe { required(kind)? };
        check_flags(flags, resource_create_flags::SEPARATE_MONITOR)?;
        let separate = flags & resource_create_flags::SEPARATE_MONITOR != 0;
        let id = world.change(|state| {
            state.serving(&cluster)?;
            state.world.create_resource(&cluster, &group, &name, &kind, separate)
        })?;
        Ok(handles::open(&world, Object::Resource { cluster, id }))
    })
}

pub(super) unsafe extern "system" fn delete(resource: HRESOURCE) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "DeleteClusterResource")?;
        changed(&world, &cluster, |service| service.delete_resource(&id))
    })
}

pub(super) unsafe extern "system" fn set_name(resource: HRESOURCE, name: PCWSTR) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "SetClusterResourceName")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        changed(&world, &cluster, |service| service.rename_resource(&id, &name))
    })
}

fn is_in(cluster: &Cluster, id: &str, state: i32) -> bool {
    cluster
        .resources
        .get(id)
        .is_some_and(|resource| resource.state == state && !resource.restarting)
}

fn bring_online(resource: HRESOURCE, flags: u32, call: &'static str) -> Answer<()> {
    let (world, cluster, id) = resource_of(resource, call)?;
    begun(
        &world,
        &cluster,
        |service| service.online_resource(&id, flags),
        |cluster| is_in(cluster, &id, resource_state::ONLINE),
    )
}

pub(super) unsafe extern "system" fn online(resource: HRESOURCE) -> u32 {
    code(|| bring_online(resource, 0, "OnlineClusterResource"))
}

/// OnlineClusterResourceEx. Guess: the property list is for the resource's DLL, of which there is none.
pub(super) unsafe extern "system" fn online_ex(
    resource: HRESOURCE,
    flags: u32,
    _input: *const u8,
    _input_bytes: u32,
) -> u32 {
    code(|| {
        const KNOWN: u32 = resource_online_flags::IGNORE_RESOURCE_STATUS
            | resource_online_flags::DO_NOT_UPDATE_PERSISTENT_STATE
            | resource_online_flags::NECESSARY_FOR_QUORUM
            | resource_online_flags::BEST_POSSIBLE_NODE
            | resource_online_flags::IGNORE_AFFINITY_RULE;
        check_flags(flags, KNOWN)?;
        bring_online(resource, flags, "OnlineClusterResourceEx")
    })
}

fn take_offline(resource: HRESOURCE, flags: u32, call: &'static str) -> Answer<()> {
    let (world, cluster, id) = resource_of(resource, call)?;
    begun(
        &world,
        &cluster,
        |service| service.offline_resource(&id, flags),
        |cluster| is_in(cluster, &id, resource_state::OFFLINE),
    )
}

pub(super) unsafe extern "system" fn offline(resource: HRESOURCE) -> u32 {
    code(|| take_offline(resource, 0, "OfflineClusterResource"))
}

pub(super) unsafe extern "system" fn offline_ex(
    resource: HRESOURCE,
    flags: u32,
    _input: *const u8,
    _input_bytes: u32,
) -> u32 {
    code(|| {
        const KNOWN: u32 = resource_offline_flags::IGNORE_RESOURCE_STATUS
            | resource_offline_flags::FORCE_WITH_TERMINATION
            | resource_offline_flags::DO_NOT_UPDATE_PERSISTENT_STATE;
        check_flags(flags, KNOWN)?;
        take_offline(resource, flags, "OfflineClusterResourceEx")
    })
}

/// RestartClusterResource. Guess: its flags are those of OnlineClusterResourceEx.
pub(super) unsafe extern "system" fn restart(resource: HRESOURCE, flags: u32) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "RestartClusterResource")?;
        check_flags(flags, resource_online_flags::IGNORE_RESOURCE_STATUS)?;
        begun(
            &world,
            &cluster,
            |service| service.restart_resource(&id, flags),
            |cluster| is_in(cluster, &id, resource_state::ONLINE),
        )
    })
}

pub(super) unsafe extern "system" fn fail(resource: HRESOURCE) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "FailClusterResource")?;
        changed(&world, &cluster, |service| service.fail_resource(&id))
    })
}

fn change(resource: HRESOURCE, group: HGROUP, call: &'static str) -> Answer<()> {
    let (world, cluster, id) = resource_of(resource, call)?;
    let group = group_argument(group, &cluster)?;
    changed(&world, &cluster, |service| service.change_group(&id, &group))
}

pub(super) unsafe extern "system" fn change_group(resource: HRESOURCE, group: HGROUP) -> u32 {
    code(|| change(resource, group, "ChangeClusterResourceGroup"))
}

/// ChangeClusterResourceGroupEx. Guess: FORCE_MOVE_TO_CSV makes no difference for what is no disk.
pub(super) unsafe extern "system" fn change_group_ex(resource: HRESOURCE, group: HGROUP, flags: u64) -> u32 {
    code(|| {
        if flags & !change_group_flags::FORCE_MOVE_TO_CSV != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        change(resource, group, "ChangeClusterResourceGroupEx")
    })
}

pub(super) unsafe extern "system" fn add_node(resource: HRESOURCE, node: HNODE) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "AddClusterResourceNode")?;
        let node = node_argument(node, &cluster)?.ok_or(ERROR_INVALID_HANDLE)?;
        changed(&world, &cluster, |service| service.add_possible_owner(&id, node))
    })
}

pub(super) unsafe extern "system" fn remove_node(resource: HRESOURCE, node: HNODE) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "RemoveClusterResourceNode")?;
        let node = node_argument(node, &cluster)?.ok_or(ERROR_INVALID_HANDLE)?;
        changed(&world, &cluster, |service| service.remove_possible_owner(&id, node))
    })
}

pub(super) unsafe extern "system" fn add_dependency(resource: HRESOURCE, provider: HRESOURCE) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "AddClusterResourceDependency")?;
        let provider = resource_argument(provider, &cluster)?;
        changed(&world, &cluster, |service| service.add_dependency(&id, &provider))
    })
}

pub(super) unsafe extern "system" fn remove_dependency(resource: HRESOURCE, provider: HRESOURCE) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "RemoveClusterResourceDependency")?;
        let provider = resource_argument(provider, &cluster)?;
        changed(&world, &cluster, |service| service.remove_dependency(&id, &provider))
    })
}

/// SetClusterResourceDependencyExpression: NULL and an empty text take all dependencies away.
pub(super) unsafe extern "system" fn set_expression(resource: HRESOURCE, expression: PCWSTR) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "SetClusterResourceDependencyExpression")?;
        // SAFETY: The caller passes NULL or a string.
        let text = unsafe { memory::text(expression) }.unwrap_or_default();
        changed(&world, &cluster, |service| {
            let resources = &service.cluster.resources;
            let id_of = |name: &str| resources.find(name).map(|resource| resource.id.clone());
            let expression = Expression::parse(&text, id_of)?;
            service.set_dependencies(&id, expression)
        })
    })
}

pub(super) unsafe extern "system" fn get_expression(resource: HRESOURCE, text: PWSTR, units: *mut u32) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "GetClusterResourceDependencyExpression")?;
        let found = {
            let state = world.lock();
            let (_, resource) = state.serving(&cluster)?.resource(&id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
            resource.depends.as_ref().map(Expression::text).unwrap_or_default()
        };
        // SAFETY: The caller passes a buffer with its count.
        unsafe { put_text(&found, text, units) }
    })
}

/// CanResourceBeDependent: a no is no failure, so the last error is 0 then.
pub(super) unsafe extern "system" fn can_depend(resource: HRESOURCE, provider: HRESOURCE) -> BOOL {
    truth(|| {
        let (world, cluster, id) = resource_of(resource, "CanResourceBeDependent")?;
        let provider = resource_argument(provider, &cluster)?;
        if changed(&world, &cluster, |service| Ok(service.can_depend(&id, &provider)))? {
            Ok(())
        } else {
            Err(0)
        }
    })
}

/// GetClusterResourceNetworkName: that of the network name that the resource depends on directly. Guess: its private
/// property Name, or the cluster's name for the cluster's own; 5002 without one.
pub(super) unsafe extern "system" fn network_name(resource: HRESOURCE, name: PWSTR, units: *mut u32) -> BOOL {
    truth(|| {
        let (world, cluster, id) = resource_of(resource, "GetClusterResourceNetworkName")?;
        let found = {
            let state = world.lock();
            let cluster = state.serving(&cluster)?;
            let (_, resource) = cluster.resource(&id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
            let depends = resource.depends.as_ref().ok_or(ERROR_DEPENDENCY_NOT_FOUND)?;
            let provider = depends
                .providers()
                .into_iter()
                .filter_map(|id| cluster.resources.get(id))
                .find(|provider| is_network_name(&provider.kind))
                .ok_or(ERROR_DEPENDENCY_NOT_FOUND)?;
            let core = cluster.core_group().is_some_and(|group| group.id == provider.group);
            match provider.private.get("Name") {
                Some(Setting::Text(name)) => name.clone(),
                _ if core => cluster.name.clone(),
                _ => provider.name.clone(),
            }
        };
        // SAFETY: The caller passes a buffer with its count.
        unsafe { put_text(&found, name, units) }
    })
}

/// SET_MAINTENANCE_MODE (facts 3.2). Guess: the input is the struct of the headers, whose first DWORD says on or off.
pub(super) fn set_maintenance(world: &crate::simulation::Inner, cluster: &str, id: &str, input: &[u8]) -> Answer<()> {
    let on = input.first_chunk().ok_or(ERROR_INVALID_PARAMETER)?;
    let on = u32::from_le_bytes(*on) != 0;
    changed(world, cluster, |service| service.set_maintenance(id, on))
}

/// QUERY_MAINTENANCE_MODE answers the same DWORD.
pub(super) fn query_maintenance(cluster: &Cluster, id: &str) -> Answer<Vec<u8>> {
    let (_, resource) = cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
    Ok(u32::from(resource.maintenance).to_le_bytes().to_vec())
}

//! CreateCluster, AddClusterNode, DestroyCluster, eviction and the functional level upgrade (facts 1).

use core::ffi::c_void;
use core::mem::offset_of;
use std::net::IpAddr;
use std::sync::Arc;

use wsfc_clusapi::sys::constants::{MAX_NODES, management_point_restype, management_point_type, version};
use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_IP_ENTRY, CREATE_CLUSTER_CONFIG, HCLUSTER, HNODE, HRESULT, PCLUSTER_SETUP_PROGRESS_CALLBACK,
    PCLUSTER_UPGRADE_PROGRESS_CALLBACK, PCWSTR,
};

use super::cluster::{check_name, names};
use super::{Answer, cluster_of, code, handle, node_of, required};
use crate::handles::{self, Object};
use crate::memory;
use crate::procedure::{AddNode, Address, CreateCluster, Destroy};
use crate::recording::{Recording, Subject};
use crate::replay;
use crate::run::{self, Callback, Went};
use crate::script;
use crate::simulation::Inner;
use crate::win32::{
    ERROR_CLUSTER_EVICT_WITHOUT_CLEANUP, ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_CLUSTER_TOO_MANY_NODES,
    ERROR_CLUSTER_UPGRADE_IN_PROGRESS, ERROR_CLUSTER_UPGRADE_RESTART_REQUIRED, ERROR_INVALID_PARAMETER,
    ERROR_REVISION_MISMATCH, RPC_S_SERVER_UNAVAILABLE, WAIT_TIMEOUT,
};
use crate::world::upgrade::Upgrade;

/// The place of a field.
pub(super) fn field<S, T>(base: *const S, offset: usize) -> *const T {
    base.cast::<u8>().wrapping_add(offset).cast()
}

/// Reads a configuration as far as its version allows (facts 1.2) and checks it.
///
/// # Safety
///
/// `config` must be NULL or point to a CREATE_CLUSTER_CONFIG of the form that its dwVersion says.
unsafe fn read_config(config: *const CREATE_CLUSTER_CONFIG) -> Answer<CreateCluster> {
    type Config = CREATE_CLUSTER_CONFIG;
    if config.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: Every form of the struct has this field.
    let dw_version: u32 = unsafe { memory::read(field(config, offset_of!(Config, dwVersion))) };
    if dw_version < version::SERVER_2008 {
        // Guess: what a version that never was answers. The code is that of versions which do not match.
        return Err(ERROR_REVISION_MISMATCH);
    }
    // SAFETY: Every form of the struct has this field.
    let name: PCWSTR = unsafe { memory::read(field(config, offset_of!(Config, lpszClusterName))) };
    // SAFETY: Every form of the struct has this field.
    let node_count: u32 = unsafe { memory::read(field(config, offset_of!(Config, cNodes))) };
    // SAFETY: Every form of the struct has this field.
    let node_names: *const PCWSTR = unsafe { memory::read(field(config, offset_of!(Config, ppszNodeNames))) };
    // SAFETY: Every form of the struct has this field.
    let address_count: u32 = unsafe { memory::read(field(config, offset_of!(Config, cIpEntries))) };
    // SAFETY: Every form of the struct has this field.
    let entries: *const CLUSTER_IP_ENTRY = unsafe { memory::read(field(config, offset_of!(Config, pIpEntries))) };
    // SAFETY: Every form of the struct has this field; it is read as a byte, whatever is in it.
    let empty: u8 = unsafe { memory::read(field(config, offset_of!(Config, fEmptyCluster))) };
    let mut point = management_point_type::CNO;
    if dw_version >= version::WINDOWS_BLUE {
        // SAFETY: From this version on the struct has the field.
        point = unsafe { memory::read(field(config, offset_of!(Config, managementPointType))) };
    }
    let mut restype = management_point_restype::AUTO;
    if dw_version >= version::RS3 {
        // SAFETY: From this version on the struct has the field.
        restype = unsafe { memory::read(field(config, offset_of!(Config, managementPointResType))) };
    }
    // The credentials of 0xC05 and later are not read: the simulated directory asks nobody who he is.

    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { memory::text(name) }.ok_or(ERROR_INVALID_PARAMETER)?;
    check_name(&name)?;
    if node_count == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if usize::try_from(node_count).map_or(true, |count| count > MAX_NODES) {
        return Err(ERROR_CLUSTER_TOO_MANY_NODES);
    }
    // SAFETY: The caller passes as many names as the count says.
    let nodes = unsafe { names(node_count, node_names)? };
    // SAFETY: The caller passes as many entries as the count says.
    let addresses = unsafe { read_addresses(address_count, entries)? };
    if empty != 0 && (!addresses.is_empty() || !entries.is_null()) {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if empty != 0 {
        point = management_point_type::NONE;
    }
    if management_point_type::name(point).is_none() || management_point_restype::name(restype).is_none() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    Ok(CreateCluster::new(name, nodes, addresses, point, restype))
}

/// Reads addresses. Guess: 87 for text that is no address and for a prefix that is too long.
///
/// # Safety
///
/// `entries` must be NULL or point to `count` entries with a string each.
unsafe fn read_addresses(count: u32, entries: *const CLUSTER_IP_ENTRY) -> Answer<Vec<Address>> {
    if entries.is_null() && count > 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut addresses = Vec::new();
    for position in 0..count {
        let place = entries.wrapping_add(usize::try_from(position).map_err(|_| ERROR_INVALID_PARAMETER)?);
        // SAFETY: The caller passes as many entries as the count says.
        let entry = unsafe { memory::read(place) };
        // SAFETY: The caller passes NULL or a string.
        let text = unsafe { required(entry.lpszIpAddress)? };
        let address: IpAddr = text.parse().map_err(|_| ERROR_INVALID_PARAMETER)?;
        if entry.dwPrefixLength > if address.is_ipv4() { 32 } else { 128 } {
            return Err(ERROR_INVALID_PARAMETER);
        }
        addresses.push(Address {
            text,
            address,
            prefix: entry.dwPrefixLength,
        });
    }
    Ok(addresses)
}

pub(super) unsafe fn create_cluster(
    world: Answer<Arc<Inner>>,
    config: *const CREATE_CLUSTER_CONFIG,
    function: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> Answer<HCLUSTER> {
    const CALL: &str = "CreateCluster";
    let world = world?;
    world.enter(CALL)?;
    // SAFETY: The caller passes NULL or a struct of the form that its version says.
    let mut create = unsafe { read_config(config)? };
    let plan = {
        let mut state = world.lock();
        let mut shorts: Vec<String> = create
            .nodes
            .iter()
            .map(|node| state.world.short_name(node).to_lowercase())
            .collect();
        shorts.sort();
        shorts.dedup();
        if shorts.len() < create.nodes.len() {
            // Guess: a node that is named twice.
            return Err(ERROR_INVALID_PARAMETER);
        }
        create.cluster = state.world.identities.guid();
        create.wanted_level = world.scenario.form_at_level;
        create.plan(&state.world)
    };
    // The cluster has no id yet that others could know, so its name stands for it.
    let _claim = world.claim(&format!("new {}", create.name.to_lowercase()))?;
    let _busy = world.claim(&create.cluster)?;
    let steps = script::CREATE_CLUSTER.steps(&plan, &world.scenario.timing.phases);
    let name = create.name.clone();
    let subject = Subject::new(CALL, &name, None);
    run::setup(&world, &subject, Callback { function, argument }, &steps, &mut create)?;
    world.change(|state| {
        let now = state.clock.now_ms();
        if let Some(cluster) = state.world.cluster_mut(&create.cluster) {
            cluster.created_ms = Some(now);
        }
    });
    Ok(handles::open(&world, Object::Cluster(create.cluster)))
}

pub(super) unsafe extern "system" fn add_node(
    cluster: HCLUSTER,
    node: PCWSTR,
    function: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> HNODE {
    // SAFETY: The caller keeps AddClusterNode's contract.
    handle(|| unsafe { add("AddClusterNode", cluster, node, 0, Callback { function, argument }) })
}

pub(super) unsafe extern "system" fn add_node_ex(
    cluster: HCLUSTER,
    node: PCWSTR,
    flags: u32,
    function: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> HNODE {
    // SAFETY: The caller keeps AddClusterNodeEx's contract.
    handle(|| unsafe {
        add(
            "AddClusterNodeEx",
            cluster,
            node,
            flags,
            Callback { function, argument },
        )
    })
}

unsafe fn add(
    call: &'static str,
    cluster: HCLUSTER,
    node: PCWSTR,
    flags: u32,
    callback: Callback<PCLUSTER_SETUP_PROGRESS_CALLBACK>,
) -> Answer<HNODE> {
    let (world, id) = cluster_of(cluster, call)?;
    // SAFETY: The caller passes NULL or a string.
    let node = unsafe { required(node)? };
    if flags != 0 {
        // Facts 8: no flag is documented.
        return Err(ERROR_INVALID_PARAMETER);
    }
    let (mut add, plan) = {
        let state = world.lock();
        let name = state.serving(&id)?.name.clone();
        let add = AddNode::new(id.clone(), name, node, world.scenario.strict_30s, state.clock.now_ms());
        let plan = add.plan(&state.world);
        (add, plan)
    };
    let _busy = world.claim(&id)?;
    let steps = script::ADD_CLUSTER_NODE.steps(&plan, &world.scenario.timing.phases);
    let (name, node) = (add.cluster_name.clone(), add.node.clone());
    run::setup(
        &world,
        &Subject::new(call, &name, Some(&node)),
        callback,
        &steps,
        &mut add,
    )?;
    let instance = {
        let state = world.lock();
        let cluster = state.world.cluster(&id).ok_or(RPC_S_SERVER_UNAVAILABLE)?;
        let number = state.world.find_node(cluster, &add.node)?;
        cluster
            .node(number)
            .map(|node| node.instance.clone())
            .ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?
    };
    Ok(handles::open(&world, Object::Node { cluster: id, instance }))
}

pub(super) unsafe extern "system" fn destroy(
    cluster: HCLUSTER,
    function: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
    delete_computer_objects: BOOL,
) -> u32 {
    const CALL: &str = "DestroyCluster";
    code(|| {
        let (world, id) = cluster_of(cluster, CALL)?;
        let mut destroy = Destroy {
            cluster: id.clone(),
            computer_objects: delete_computer_objects != 0,
            last_failure: None,
        };
        let plan = {
            let state = world.lock();
            state.serving(&id)?;
            destroy.plan(&state.world)
        };
        let _busy = world.claim(&id)?;
        let steps = script::DESTROY_CLUSTER.steps(&plan, &world.scenario.timing.phases);
        let subject = Subject::new(CALL, &plan.cluster, None);
        match run::setup(&world, &subject, Callback { function, argument }, &steps, &mut destroy)? {
            Went::ByScript => destroy.last_failure.map_or(Ok(()), Err),
            Went::ByRecording => Ok(()),
        }
    })
}

pub(super) unsafe extern "system" fn evict(node: HNODE) -> u32 {
    code(|| evict_and_clean("EvictClusterNode", node, u32::MAX).and_then(cleaned))
}

pub(super) unsafe extern "system" fn evict_ex(node: HNODE, timeout: u32, cleanup: *mut HRESULT) -> u32 {
    // SAFETY: The caller keeps EvictClusterNodeEx's contract.
    code(|| unsafe { evict_with_status("EvictClusterNodeEx", node, timeout, cleanup) })
}

/// The reason is for the log of the cluster, which the simulator does not keep.
pub(super) unsafe extern "system" fn evict_ex2(
    node: HNODE,
    timeout: u32,
    cleanup: *mut HRESULT,
    _reason: PCWSTR,
) -> u32 {
    // SAFETY: The caller keeps EvictClusterNodeEx2's contract.
    code(|| unsafe { evict_with_status("EvictClusterNodeEx2", node, timeout, cleanup) })
}

unsafe fn evict_with_status(call: &'static str, node: HNODE, timeout: u32, cleanup: *mut HRESULT) -> Answer<()> {
    let status = evict_and_clean(call, node, timeout)?;
    // SAFETY: The caller passes NULL or a place for the status.
    unsafe { memory::write(cleanup, status.cast_signed()) };
    cleaned(status)
}

/// 5896: evicted, and not cleaned up (facts 1.4).
fn cleaned(status: u32) -> Answer<()> {
    if status == 0 {
        Ok(())
    } else {
        Err(ERROR_CLUSTER_EVICT_WITHOUT_CLEANUP)
    }
}

/// Evicts a node; the HRESULT of its clean-up. 258 when the clean-up takes longer than `timeout` milliseconds: then it
/// goes on behind the call (facts 1.4). Guess: a timeout of 0 waits for nothing.
fn evict_and_clean(call: &'static str, node: HNODE, timeout: u32) -> Answer<u32> {
    let (world, cluster, id) = node_of(node, call)?;
    let _busy = world.claim(&cluster)?;
    let (cluster_name, node_name) = {
        let state = world.lock();
        let cluster = state.serving(&cluster)?;
        let node = cluster.node(id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        (cluster.name.clone(), node.name.clone())
    };
    if let Some(recording) = world.recording_of(&Subject::new(call, &cluster_name, Some(&node_name))) {
        return evict_as_recorded(&world, &recording, &cluster, id);
    }
    let status = world.change(|state| {
        state.serving(&cluster)?;
        state.world.evict(&cluster, id)
    })?;
    let cleanup_ms = world.scenario.timing.cleanup_ms;
    world.spend(cleanup_ms.min(timeout.into()))?;
    if cleanup_ms > timeout.into() {
        Err(WAIT_TIMEOUT)
    } else {
        Ok(status)
    }
}

/// Evicts a node as a recording says; the HRESULT of its clean-up.
fn evict_as_recorded(world: &Inner, recording: &Recording, cluster: &str, id: u32) -> Answer<u32> {
    let played = replay::plain(world, recording, |world| {
        world.evict_by_force(cluster, id, recording.cleanup_status);
    });
    match played {
        Ok(()) | Err(ERROR_CLUSTER_EVICT_WITHOUT_CLEANUP) => Ok(recording.cleanup_status),
        Err(code) => Err(code),
    }
}

/// ClusterUpgradeFunctionalLevel (facts 1.7): phases 1 and 2 for a check, 1 to 5 for an upgrade, 1, 2 and 5 at the top
/// level.
pub(super) unsafe extern "system" fn upgrade(
    cluster: HCLUSTER,
    perform: BOOL,
    function: PCLUSTER_UPGRADE_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> u32 {
    use wsfc_clusapi::sys::constants::upgrade_phase as phase;
    const CALL: &str = "ClusterUpgradeFunctionalLevel";
    code(|| {
        let (world, id) = cluster_of(cluster, CALL)?;
        if world.lock().serving(&id)?.upgrade_in_progress {
            return Err(ERROR_CLUSTER_UPGRADE_IN_PROGRESS);
        }
        let _busy = world.claim(&id).map_err(|_| ERROR_CLUSTER_UPGRADE_IN_PROGRESS)?;
        let callback = Callback { function, argument };
        let name = world.lock().serving(&id)?.name.clone();
        let subject = Subject {
            check: perform == 0,
            ..Subject::new(CALL, &name, None)
        };
        if let Some(recording) = world.recording_of(&subject) {
            return replay::upgrade(&world, CALL, &callback, &recording, |world| {
                if perform != 0 {
                    world.upgrade_by_force(&id);
                }
            });
        }
        let (check, rest) = script::UPGRADE.split_at(2);
        let mut outcome = Upgrade::AtTop;
        run::upgrade(&world, CALL, &callback, check, |at| {
            if at == phase::VALIDATING_UPGRADE {
                let state = world.lock();
                outcome = state.world.check_upgrade(state.serving(&id)?)?;
            }
            Ok(())
        })?;
        if perform == 0 {
            return Ok(());
        }
        let rest = match outcome {
            Upgrade::Possible => rest,
            Upgrade::AtTop => rest.get(2..).unwrap_or_default(),
        };
        run::upgrade(&world, CALL, &callback, rest, |at| {
            world.change(|state| {
                state.serving(&id)?;
                match (at, outcome) {
                    (phase::UPGRADING_COMPONENTS, _) => state.world.begin_upgrade(&id),
                    (phase::UPGRADE_COMPLETE, Upgrade::Possible) => state.world.finish_upgrade(&id),
                    _ => {}
                }
                Ok(())
            })
        })?;
        if outcome == Upgrade::Possible && world.scenario.upgrade_restart_required {
            return Err(ERROR_CLUSTER_UPGRADE_RESTART_REQUIRED);
        }
        Ok(())
    })
}

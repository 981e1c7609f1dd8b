//! Nodes (facts 2.3).

use std::sync::Arc;

use wsfc_clusapi::sys::constants::{pause_flags, resume_failback};
use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_NODE_RESUME_FAILBACK_TYPE, CLUSTER_NODE_STATE, HCLUSTER, HNODE, PCWSTR, PWSTR,
};

use super::cluster::granted_access;
use super::{Answer, changed, cluster_of, code, handle, node_argument, node_of, put_text, required, state, truth};
use crate::handles::{self, Object};
use crate::memory;
use crate::simulation::Inner;
use crate::win32::{ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_INVALID_PARAMETER};
use crate::world::drain::Failback;

fn open_number(world: &Arc<Inner>, cluster: String, number: u32) -> Answer<HNODE> {
    let instance = {
        let state = world.lock();
        let node = state
            .serving(&cluster)?
            .node(number)
            .ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        node.instance.clone()
    };
    Ok(handles::open(world, Object::Node { cluster, instance }))
}

unsafe fn open_name(cluster: HCLUSTER, name: PCWSTR, call: &'static str) -> Answer<HNODE> {
    let (world, id) = cluster_of(cluster, call)?;
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { required(name)? };
    let number = {
        let state = world.lock();
        state.world.find_node(state.serving(&id)?, &name)?
    };
    open_number(&world, id, number)
}

pub(super) unsafe extern "system" fn open(cluster: HCLUSTER, name: PCWSTR) -> HNODE {
    // SAFETY: The caller keeps OpenClusterNode's contract.
    handle(|| unsafe { open_name(cluster, name, "OpenClusterNode") })
}

pub(super) unsafe extern "system" fn open_ex(
    cluster: HCLUSTER,
    name: PCWSTR,
    desired: u32,
    granted: *mut u32,
) -> HNODE {
    handle(|| {
        // SAFETY: The caller keeps OpenClusterNodeEx's contract.
        let handle = unsafe { open_name(cluster, name, "OpenClusterNodeEx")? };
        // SAFETY: The caller passes NULL or a place for a DWORD.
        unsafe { memory::write(granted, granted_access(desired)) };
        Ok(handle)
    })
}

pub(super) unsafe extern "system" fn open_by_id(cluster: HCLUSTER, number: u32) -> HNODE {
    handle(|| {
        let (world, id) = cluster_of(cluster, "OpenClusterNodeById")?;
        open_number(&world, id, number)
    })
}

pub(super) unsafe extern "system" fn close(node: HNODE) -> BOOL {
    truth(|| handles::close(node, |object| matches!(object, Object::Node { .. })))
}

pub(super) unsafe extern "system" fn get_state(node: HNODE) -> CLUSTER_NODE_STATE {
    state(|| {
        let (world, cluster, id) = node_of(node, "GetClusterNodeState")?;
        let state = world.lock();
        let cluster = state.serving(&cluster)?;
        Ok(cluster.node(id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?.shown_state())
    })
}

/// GetClusterNodeId: the decimal number as text. Guess: a NULL handle, which means the local node, is refused, since it
/// names no world.
pub(super) unsafe extern "system" fn get_id(node: HNODE, id: PWSTR, id_units: *mut u32) -> u32 {
    code(|| {
        let (_, _, number) = node_of(node, "GetClusterNodeId")?;
        // SAFETY: The caller passes a buffer with its count.
        unsafe { put_text(&number.to_string(), id, id_units) }
    })
}

pub(super) unsafe extern "system" fn pause(node: HNODE) -> u32 {
    code(|| {
        let (world, cluster, id) = node_of(node, "PauseClusterNode")?;
        changed(&world, &cluster, |service| service.pause(id, false, 0, None))
    })
}

/// PauseClusterNodeEx returns when the drain has begun (facts 2.3).
pub(super) unsafe extern "system" fn pause_ex(node: HNODE, drain: BOOL, flags: u32, target: HNODE) -> u32 {
    code(|| {
        const KNOWN: u32 = pause_flags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR
            | pause_flags::AVOID_PLACEMENT
            | pause_flags::RETRY_DRAIN_ON_FAILURE;
        let (world, cluster, id) = node_of(node, "PauseClusterNodeEx")?;
        if flags & !KNOWN != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let target = node_argument(target, &cluster)?;
        changed(&world, &cluster, |service| service.pause(id, drain != 0, flags, target))
    })
}

/// ResumeClusterNode. Guess: groups come back by their policy.
pub(super) unsafe extern "system" fn resume(node: HNODE) -> u32 {
    code(|| resume_node(node, "ResumeClusterNode", Failback::PerPolicy))
}

/// ResumeClusterNodeEx. Guess: the reserved flags, which choose among what comes back, are not regarded.
pub(super) unsafe extern "system" fn resume_ex(
    node: HNODE,
    failback: CLUSTER_NODE_RESUME_FAILBACK_TYPE,
    _reserved: u32,
) -> u32 {
    code(|| {
        let failback = match failback {
            resume_failback::DO_NOT => Failback::DoNot,
            resume_failback::IMMEDIATELY => Failback::Immediately,
            resume_failback::PER_POLICY => Failback::PerPolicy,
            _ => return Err(ERROR_INVALID_PARAMETER),
        };
        resume_node(node, "ResumeClusterNodeEx", failback)
    })
}

fn resume_node(node: HNODE, call: &'static str, failback: Failback) -> Answer<()> {
    let (world, cluster, id) = node_of(node, call)?;
    changed(&world, &cluster, |service| service.resume(id, failback))
}

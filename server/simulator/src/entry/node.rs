//! Nodes (facts 2.3).

use std::sync::Arc;

use wsfc_clusapi::sys::constants::{pause_flags, resume_failback};
use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_NODE_RESUME_FAILBACK_TYPE, CLUSTER_NODE_STATE, HCLUSTER, HNODE, PCWSTR, PWSTR,
};

use super::cluster::granted_access;
use super::{Answer, cluster_of, code, handle, node_at, node_of, put_text, required, state, truth};
use crate::handles::{self, Object};
use crate::memory;
use crate::simulation::Inner;
use crate::win32::{ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_INVALID_PARAMETER};

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
        let node = cluster.node(id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        Ok(state.world.node_state(cluster, node))
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
        world.change(|state| {
            state.serving(&cluster)?;
            state.world.pause(&cluster, id, false, None)
        })
    })
}

pub(super) unsafe extern "system" fn pause_ex(node: HNODE, drain: BOOL, flags: u32, target: HNODE) -> u32 {
    code(|| {
        const KNOWN: u32 = pause_flags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR
            | pause_flags::AVOID_PLACEMENT
            | pause_flags::RETRY_DRAIN_ON_FAILURE;
        let (world, cluster, id) = node_of(node, "PauseClusterNodeEx")?;
        if flags & !KNOWN != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let target = match target {
            0 => None,
            target => match node_at(target)? {
                (_, other, number) if other == cluster => Some(number),
                _ => return Err(ERROR_INVALID_PARAMETER),
            },
        };
        world.change(|state| {
            state.serving(&cluster)?;
            state.world.pause(&cluster, id, drain != 0, target)
        })
    })
}

pub(super) unsafe extern "system" fn resume(node: HNODE) -> u32 {
    code(|| resume_node(node, "ResumeClusterNode"))
}

/// ResumeClusterNodeEx. Guess: failback has nothing to do, since groups have no preferred owners in this world yet.
pub(super) unsafe extern "system" fn resume_ex(
    node: HNODE,
    failback: CLUSTER_NODE_RESUME_FAILBACK_TYPE,
    _reserved: u32,
) -> u32 {
    code(|| {
        if resume_failback::name(failback).is_none() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        resume_node(node, "ResumeClusterNodeEx")
    })
}

fn resume_node(node: HNODE, call: &'static str) -> Answer<()> {
    let (world, cluster, id) = node_of(node, call)?;
    world.change(|state| {
        state.serving(&cluster)?;
        state.world.resume(&cluster, id)
    })
}

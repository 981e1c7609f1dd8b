//! Control codes (facts 3.2, and 1.7 for the upgrade).

use core::ffi::c_void;
use std::sync::Arc;

use wsfc_clusapi::sys::constants::control as ctl;
use wsfc_clusapi::sys::types::{HCLUSTER, HGROUP, HNODE, HRESOURCE};

use super::{Answer, cluster_of, code, group_of, node_of, objects, resource, resource_of};
use crate::memory;
use crate::proplist;
use crate::simulation::{Inner, State};
use crate::win32::{
    ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_GROUP_NOT_FOUND, ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER,
    ERROR_MORE_DATA, ERROR_RESOURCE_NOT_FOUND, RPC_X_BAD_STUB_DATA,
};
use crate::world::properties::Owner;
use crate::world::upgrade::Upgrade;

/// The low 24 bits that all objects share (facts 3.2).
const GET_CHARACTERISTICS: u32 = 0x00_0005;
const GET_FLAGS: u32 = 0x00_0009;
const GET_NAME: u32 = 0x00_0029;
const GET_RESOURCE_TYPE: u32 = 0x00_002D;
const GET_ID: u32 = 0x00_0039;
const GET_FQDN: u32 = 0x00_003D;
const ENUM_COMMON: u32 = 0x00_0051;
const GET_RO_COMMON: u32 = 0x00_0055;
const GET_COMMON: u32 = 0x00_0059;
const SET_COMMON: u32 = 0x40_005E;
const VALIDATE_COMMON: u32 = 0x00_0061;
const OBJECT_SHIFT: u32 = 24;
const OBJECT_RESOURCE: u32 = 1;
const OBJECT_GROUP: u32 = 3;
const OBJECT_NODE: u32 = 4;
const OBJECT_CLUSTER: u32 = 7;

/// The buffers of a control call.
struct Buffers {
    input: *const c_void,
    input_bytes: u32,
    output: *mut c_void,
    output_bytes: u32,
    returned: *mut u32,
}

impl Buffers {
    /// The input; 1783 for a NULL buffer (facts 2.7).
    ///
    /// # Safety
    ///
    /// `input` must be readable for `input_bytes`.
    unsafe fn input(&self) -> Answer<Vec<u8>> {
        if self.input.is_null() {
            return Err(RPC_X_BAD_STUB_DATA);
        }
        let count = usize::try_from(self.input_bytes).map_err(|_| ERROR_INVALID_PARAMETER)?;
        // SAFETY: The caller's promise.
        Ok(unsafe { memory::read_bytes(self.input.cast(), count) })
    }

    /// Answers; 234 with the need when there is too little room, NULL included (facts 3.2).
    ///
    /// # Safety
    ///
    /// `output` must be NULL or writable for `output_bytes`, `returned` NULL or valid.
    unsafe fn answer(&self, data: &[u8]) -> Answer<()> {
        let need = u32::try_from(data.len()).unwrap_or(u32::MAX);
        // SAFETY: The caller passes NULL or a place for a DWORD.
        unsafe { memory::write(self.returned, need) };
        if need == 0 {
            return Ok(());
        }
        if self.output.is_null() || self.output_bytes < need {
            return Err(ERROR_MORE_DATA);
        }
        // SAFETY: The buffer has room.
        unsafe { memory::write_bytes(self.output.cast(), data) };
        Ok(())
    }
}

/// What every object answers alike; `None` for a code that it does not know.
fn shared(
    world: &Arc<Inner>,
    cluster: &str,
    owner: &Owner,
    code: u32,
    input: impl FnOnce() -> Answer<Vec<u8>>,
) -> Answer<Option<Vec<u8>>> {
    let object = match owner {
        Owner::Cluster => OBJECT_CLUSTER,
        Owner::Node(_) => OBJECT_NODE,
        Owner::Group(_) => OBJECT_GROUP,
        Owner::Resource(_) => OBJECT_RESOURCE,
    };
    if code >> OBJECT_SHIFT != object {
        return Ok(None);
    }
    let function = code & 0x00FF_FFFF;
    if matches!(function, SET_COMMON | VALIDATE_COMMON) {
        let list = input()?;
        let validate = function == VALIDATE_COMMON;
        return world
            .change(|state| {
                state.serving(cluster)?;
                state.world.set_common(cluster, owner, &list, validate)?;
                // NodeWeight and DynamicQuorum decide about votes.
                state.world.serving_service(cluster)?.rebalance();
                Ok(())
            })
            .map(|()| Some(Vec::new()));
    }
    let state = world.lock();
    let found = state.serving(cluster)?;
    let data = match function {
        ENUM_COMMON => {
            let names = state.world.common(found, owner)?;
            proplist::multi(&names.iter().map(|(name, _)| *name).collect::<Vec<_>>())
        }
        GET_COMMON => proplist::write(&state.world.common(found, owner)?),
        GET_RO_COMMON => proplist::write(&state.world.ro_common(found, owner)?),
        _ => return identity(&state, cluster, owner, function),
    };
    Ok(Some(data))
}

/// Names, ids and flags. Guess: no object has characteristics.
fn identity(state: &State, cluster: &str, owner: &Owner, function: u32) -> Answer<Option<Vec<u8>>> {
    let cluster = state.serving(cluster)?;
    let domain = &state.world.directory.domain;
    let (id, name, flags) = match owner {
        Owner::Cluster => (cluster.id.clone(), cluster.name.clone(), 0),
        Owner::Node(number) => {
            let node = cluster.node(*number).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
            (node.id.to_string(), node.name.clone(), 0)
        }
        Owner::Group(id) => {
            let group = cluster.group(id).ok_or(ERROR_GROUP_NOT_FOUND)?;
            (group.id.clone(), group.name.clone(), objects::group_flags(group))
        }
        Owner::Resource(id) => {
            let (group, resource) = cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
            if function == GET_RESOURCE_TYPE {
                return Ok(Some(proplist::text(&resource.kind)));
            }
            (resource.id.clone(), resource.name.clone(), objects::group_flags(group))
        }
    };
    Ok(match function {
        GET_ID => Some(proplist::text(&id)),
        GET_NAME => Some(proplist::text(&name)),
        GET_FQDN if matches!(owner, Owner::Cluster | Owner::Node(_)) => {
            Some(proplist::text(&format!("{name}.{domain}")))
        }
        GET_FLAGS => Some(flags.to_le_bytes().to_vec()),
        GET_CHARACTERISTICS => Some(0_u32.to_le_bytes().to_vec()),
        _ => None,
    })
}

/// What only clusters answer.
fn cluster_only(
    world: &Arc<Inner>,
    cluster: &str,
    code: u32,
    input: impl FnOnce() -> Answer<Vec<u8>>,
) -> Answer<Option<Vec<u8>>> {
    match code {
        ctl::CLUSTER_CHECK_VOTER_EVICT | ctl::CLUSTER_CHECK_VOTER_DOWN => {
            let voter = proplist::read_text(&input()?);
            let state = world.lock();
            let found = state.serving(cluster)?;
            let node = found.voter(&voter)?;
            let lost = if code == ctl::CLUSTER_CHECK_VOTER_EVICT {
                !found.keeps_majority_without(Some(node))
            } else {
                found.would_fall_without(Some(node))
            };
            Ok(Some(u32::from(lost).to_le_bytes().to_vec()))
        }
        ctl::CLUSTER_CHECK_VOTER_EVICT_WITNESS | ctl::CLUSTER_CHECK_VOTER_DOWN_WITNESS => {
            let state = world.lock();
            let found = state.serving(cluster)?;
            let lost = if code == ctl::CLUSTER_CHECK_VOTER_EVICT_WITNESS {
                !found.keeps_majority_without(None)
            } else {
                found.would_fall_without(None)
            };
            Ok(Some(u32::from(lost).to_le_bytes().to_vec()))
        }
        ctl::CLUSTER_IS_READY_FOR_UPGRADE => {
            let state = world.lock();
            state
                .world
                .ready_for_upgrade(state.serving(cluster)?)
                .map(|()| Some(Vec::new()))
        }
        ctl::CLUSTER_UPGRADE_CLUSTER_VERSION => {
            let command: [u8; 4] = input()?.try_into().map_err(|_| ERROR_INVALID_PARAMETER)?;
            world
                .change(|state| upgrade(state, cluster, u32::from_le_bytes(command)))
                .map(Some)
        }
        ctl::CLUSTER_CLEAR_UPGRADE_IN_PROGRESS => world.change(|state| {
            state.serving(cluster)?;
            if let Some(cluster) = state.world.cluster_mut(cluster) {
                cluster.upgrade_in_progress = false;
            }
            Ok(Some(Vec::new()))
        }),
        ctl::CLUSTER_SHUTDOWN => world.change(|state| {
            state.serving(cluster)?;
            state.world.shut_cluster_down(cluster);
            Ok(Some(Vec::new()))
        }),
        _ => Ok(None),
    }
}

/// What only resources answer.
fn resource_only(
    world: &Arc<Inner>,
    cluster: &str,
    id: &str,
    code: u32,
    input: impl FnOnce() -> Answer<Vec<u8>>,
) -> Answer<Option<Vec<u8>>> {
    match code {
        ctl::RESOURCE_SET_MAINTENANCE_MODE => {
            resource::set_maintenance(world, cluster, id, &input()?)?;
            Ok(Some(Vec::new()))
        }
        ctl::RESOURCE_QUERY_MAINTENANCE_MODE => {
            let state = world.lock();
            resource::query_maintenance(state.serving(cluster)?, id).map(Some)
        }
        _ => Ok(None),
    }
}

/// The server's side of the upgrade: 1 checks, 2 performs and answers the new level (facts 1.7).
fn upgrade(state: &mut State, cluster: &str, command: u32) -> Answer<Vec<u8>> {
    const CHECK: u32 = 1;
    const PERFORM: u32 = 2;
    let outcome = state.world.check_upgrade(state.serving(cluster)?)?;
    match command {
        CHECK => Ok(Vec::new()),
        PERFORM => {
            if outcome == Upgrade::Possible {
                state.world.begin_upgrade(cluster);
                state.world.finish_upgrade(cluster);
            }
            Ok(state.serving(cluster)?.functional_level.to_le_bytes().to_vec())
        }
        _ => Err(ERROR_INVALID_PARAMETER),
    }
}

/// Finds the answer to a code and hands it over; 1 for an unknown code (facts 2.6). The host node is not regarded: every
/// node would answer the same.
unsafe fn control(world: &Arc<Inner>, cluster: &str, owner: &Owner, code: u32, buffers: &Buffers) -> Answer<()> {
    // SAFETY: The caller passes an input of that size.
    let input = || unsafe { buffers.input() };
    let own = match owner {
        Owner::Cluster => cluster_only(world, cluster, code, input)?,
        Owner::Resource(id) => resource_only(world, cluster, id, code, input)?,
        _ => None,
    };
    let data = match own {
        Some(data) => data,
        None => shared(world, cluster, owner, code, input)?.ok_or(ERROR_INVALID_FUNCTION)?,
    };
    // SAFETY: The caller passes an output of that size.
    unsafe { buffers.answer(&data) }
}

/// The control function of one kind of object.
macro_rules! control_function {
    ($function:ident, $handle:ty, |$object:ident| $resolve:expr) => {
        pub(super) unsafe extern "system" fn $function(
            $object: $handle,
            _host: HNODE,
            control_code: u32,
            input: *const c_void,
            input_bytes: u32,
            output: *mut c_void,
            output_bytes: u32,
            returned: *mut u32,
        ) -> u32 {
            code(|| {
                let (world, cluster, owner) = $resolve;
                let buffers = Buffers {
                    input,
                    input_bytes,
                    output,
                    output_bytes,
                    returned,
                };
                // SAFETY: The caller keeps the function's contract.
                unsafe { control(&world, &cluster, &owner, control_code, &buffers) }
            })
        }
    };
}

control_function!(cluster_control, HCLUSTER, |cluster| {
    let (world, id) = cluster_of(cluster, "ClusterControl")?;
    (world, id, Owner::Cluster)
});
control_function!(node_control, HNODE, |node| {
    let (world, cluster, id) = node_of(node, "ClusterNodeControl")?;
    (world, cluster, Owner::Node(id))
});
control_function!(group_control, HGROUP, |group| {
    let (world, cluster, id) = group_of(group, "ClusterGroupControl")?;
    (world, cluster, Owner::Group(id))
});
control_function!(resource_control, HRESOURCE, |resource| {
    let (world, cluster, id) = resource_of(resource, "ClusterResourceControl")?;
    (world, cluster, Owner::Resource(id))
});

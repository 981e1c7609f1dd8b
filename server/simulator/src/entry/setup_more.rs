//! Name accounts, storage nodes and the replacement of a node (facts 1.1 to 1.4).

use core::ffi::c_void;
use core::mem::offset_of;

use wsfc_clusapi::sys::constants::{management_point_restype, management_point_type, version};
use wsfc_clusapi::sys::types::{
    BOOL, CREATE_CLUSTER_NAME_ACCOUNT, HCLUSTER, PCLUSTER_SETUP_PROGRESS_CALLBACK, PCWSTR,
    REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG,
};

use super::cluster::check_name;
use super::setup::field;
use super::{Answer, cluster_of, code, required};
use crate::memory;
use crate::procedure::{AddStorageNode, NameAccount, RepairAccount};
use crate::recording::Subject;
use crate::replay;
use crate::run::{self, Callback};
use crate::script::{self, Plan};
use crate::win32::{
    ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_CLUSTER_NODE_UP, ERROR_INVALID_PARAMETER, ERROR_NO_ADMIN_ACCESS_POINT, code_of,
};
use crate::world::World;
use crate::world::quorum::Leaving;
use crate::world::setup::Trouble;

/// Reads a configuration; the whole struct is there whenever its version is allowed.
///
/// # Safety
///
/// `config` must be NULL or point to a CREATE_CLUSTER_NAME_ACCOUNT of the form that its dwVersion says.
unsafe fn read_account(config: *const CREATE_CLUSTER_NAME_ACCOUNT, cluster: String) -> Answer<NameAccount> {
    type Config = CREATE_CLUSTER_NAME_ACCOUNT;
    if config.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: Every form of the struct has this field.
    let dw_version: u32 = unsafe { memory::read(field(config, offset_of!(Config, dwVersion))) };
    if dw_version <= version::WINDOWS_BLUE {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: The version says that the whole struct is there.
    let name: PCWSTR = unsafe { memory::read(field(config, offset_of!(Config, lpszClusterName))) };
    // SAFETY: The version says that the whole struct is there.
    let flags: u32 = unsafe { memory::read(field(config, offset_of!(Config, dwFlags))) };
    // SAFETY: The version says that the whole struct is there.
    let point: i32 = unsafe { memory::read(field(config, offset_of!(Config, managementPointType))) };
    // SAFETY: The version says that the whole struct is there.
    let restype: i32 = unsafe { memory::read(field(config, offset_of!(Config, managementPointResType))) };
    // SAFETY: The version says that the whole struct is there.
    let upgrade_vcos: u8 = unsafe { memory::read(field(config, offset_of!(Config, bUpgradeVCOs))) };
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { required(name)? };
    check_name(&name)?;
    let known = management_point_type::name(point).is_some() && management_point_restype::name(restype).is_some();
    if flags != 0
        || !known
        || point == management_point_type::NONE
        || (upgrade_vcos != 0 && point != management_point_type::CNO)
    {
        return Err(ERROR_INVALID_PARAMETER);
    }
    Ok(NameAccount {
        cluster,
        name,
        management_point: point,
        restype,
        created: false,
    })
}

pub(super) unsafe extern "system" fn create_account(
    cluster: HCLUSTER,
    config: *const CREATE_CLUSTER_NAME_ACCOUNT,
    function: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> u32 {
    const CALL: &str = "CreateClusterNameAccount";
    code(|| {
        let (world, id) = cluster_of(cluster, CALL)?;
        // SAFETY: The caller passes NULL or a struct of the form that its version says.
        let mut account = unsafe { read_account(config, id.clone())? };
        let name = world.lock().serving(&id)?.name.clone();
        let _busy = world.claim(&id)?;
        let steps = script::CREATE_NAME_ACCOUNT.steps(&account.plan(), &world.scenario.timing.phases);
        let subject = Subject::new(CALL, &name, None);
        run::setup(&world, &subject, Callback { function, argument }, &steps, &mut account).map(drop)
    })
}

/// RemoveClusterNameAccount. Guess: the network name goes, and the cluster has no management point afterwards.
pub(super) unsafe extern "system" fn remove_account(cluster: HCLUSTER, delete_computer_objects: BOOL) -> u32 {
    code(|| {
        const CALL: &str = "RemoveClusterNameAccount";
        let (world, id) = cluster_of(cluster, CALL)?;
        let _busy = world.claim(&id)?;
        let name = world.lock().serving(&id)?.name.clone();
        if let Some(recording) = world.recording_of(&Subject::new(CALL, &name, None)) {
            return replay::plain(&world, &recording, |world| {
                world.remove_network_name(&id, delete_computer_objects != 0);
            });
        }
        world.change(|state| {
            if state.serving(&id)?.management_point == management_point_type::NONE {
                return Err(ERROR_NO_ADMIN_ACCESS_POINT);
            }
            state.world.remove_network_name(&id, delete_computer_objects != 0);
            Ok(())
        })
    })
}

/// RepairClusterNameAccount. Guess: only the version and the flags are looked at (facts 8).
pub(super) unsafe extern "system" fn repair_account(
    cluster: HCLUSTER,
    config: *const REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG,
    function: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> u32 {
    const CALL: &str = "RepairClusterNameAccount";
    type Config = REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG;
    code(|| {
        let (world, id) = cluster_of(cluster, CALL)?;
        if config.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        // SAFETY: Every form of the struct has this field.
        let flags: u32 = unsafe { memory::read(field(config, offset_of!(Config, dwFlags))) };
        if flags != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let plan = Plan {
            cluster: world.lock().serving(&id)?.name.clone(),
            ..Plan::default()
        };
        let _busy = world.claim(&id)?;
        let steps = script::REPAIR_NAME_ACCOUNT.steps(&plan, &world.scenario.timing.phases);
        run::setup(
            &world,
            &Subject::new(CALL, &plan.cluster, None),
            Callback { function, argument },
            &steps,
            &mut RepairAccount { cluster: id },
        )
        .map(drop)
    })
}

pub(super) unsafe extern "system" fn add_storage_node(
    cluster: HCLUSTER,
    name: PCWSTR,
    function: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
    description: PCWSTR,
    location: PCWSTR,
) -> u32 {
    const CALL: &str = "AddClusterStorageNode";
    code(|| {
        let (world, id) = cluster_of(cluster, CALL)?;
        let mut add = AddStorageNode {
            cluster: id.clone(),
            // SAFETY: The caller passes NULL or a string.
            name: unsafe { required(name)? },
            // SAFETY: The caller passes NULL or a string.
            description: unsafe { memory::text(description) }.unwrap_or_default(),
            // SAFETY: The caller passes NULL or a string.
            location: unsafe { memory::text(location) }.unwrap_or_default(),
        };
        let plan = add.plan(world.lock().serving(&id)?.name.clone());
        let _busy = world.claim(&id)?;
        let steps = script::ADD_STORAGE_NODE.steps(&plan, &world.scenario.timing.phases);
        let name = add.name.clone();
        let subject = Subject::new(CALL, &plan.cluster, Some(&name));
        run::setup(&world, &subject, Callback { function, argument }, &steps, &mut add).map(drop)
    })
}

/// RemoveClusterStorageNode. Guess: 5042 for an unknown enclosure; the timeout has nothing to wait for.
pub(super) unsafe extern "system" fn remove_storage_node(
    cluster: HCLUSTER,
    name: PCWSTR,
    _timeout: u32,
    _flags: u32,
) -> u32 {
    code(|| {
        const CALL: &str = "RemoveClusterStorageNode";
        let (world, id) = cluster_of(cluster, CALL)?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        let cluster_name = world.lock().serving(&id)?.name.clone();
        if let Some(recording) = world.recording_of(&Subject::new(CALL, &cluster_name, Some(&name))) {
            return replay::plain(&world, &recording, |world| {
                let _known = forget_storage_node(world, &id, &name);
            });
        }
        world.change(|state| {
            state.serving(&id)?;
            forget_storage_node(&mut state.world, &id, &name)
        })
    })
}

fn forget_storage_node(world: &mut World, id: &str, name: &str) -> Answer<()> {
    let cluster = world.cluster_mut(id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
    let before = cluster.storage_nodes.len();
    cluster
        .storage_nodes
        .retain(|node| !node.name.eq_ignore_ascii_case(name));
    if cluster.storage_nodes.len() < before {
        Ok(())
    } else {
        Err(ERROR_CLUSTER_NODE_NOT_FOUND)
    }
}

/// ClusterNodeReplacement: another machine takes the place of a node that is down. Guess: 5056 while it is up.
pub(super) unsafe extern "system" fn replace_node(cluster: HCLUSTER, current: PCWSTR, new: PCWSTR) -> u32 {
    code(|| {
        let (world, id) = cluster_of(cluster, "ClusterNodeReplacement")?;
        // SAFETY: The caller passes NULL or a string.
        let current = unsafe { required(current)? };
        // SAFETY: The caller passes NULL or a string.
        let new = unsafe { required(new)? };
        let _busy = world.claim(&id)?;
        world.change(|state| {
            state.serving(&id)?;
            replace(&mut state.world, &id, &current, &new)
        })
    })
}

fn replace(world: &mut World, id: &str, current: &str, new: &str) -> Answer<()> {
    let cluster = world.serving(id)?;
    let number = world.find_node(cluster, current)?;
    if cluster.node(number).is_some_and(|node| node.present) {
        return Err(ERROR_CLUSTER_NODE_UP);
    }
    let checks = world
        .validate_node(new, Some(id))
        .and_then(|()| world.validate_joining(new, cluster));
    checks.map_err(|trouble| match trouble {
        Trouble::Warning(status) => code_of(status),
        Trouble::Fatal { code, .. } => code,
    })?;
    world.remove_node(id, number);
    world.add_node(id, new);
    world.change_machine(new, Leaving::Orderly, |machine| {
        machine.membership = Some(id.into());
        machine.service_running = true;
    });
    world.node_up(id, new);
    Ok(())
}

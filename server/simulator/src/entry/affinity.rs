//! Affinity rules (facts 2.6).

use wsfc_clusapi::sys::types::{CLUS_AFFINITY_RULE_TYPE, HCLUSTER, HGROUP, PCWSTR};

use super::{Answer, cluster_of, code, required};
use crate::handles::{self, Object};
use crate::win32::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER};
use crate::world::World;

/// Changes a rule of a name.
unsafe fn change(
    cluster: HCLUSTER,
    call: &'static str,
    rule_name: PCWSTR,
    change: impl FnOnce(&mut World, &str, &str) -> Answer<()>,
) -> Answer<()> {
    let (world, cluster) = cluster_of(cluster, call)?;
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { required(rule_name)? };
    world.change(|state| {
        state.serving(&cluster)?;
        change(&mut state.world, &cluster, &name)
    })
}

pub(super) unsafe extern "system" fn create(
    cluster: HCLUSTER,
    rule_name: PCWSTR,
    rule_type: CLUS_AFFINITY_RULE_TYPE,
) -> u32 {
    code(|| {
        let kind = u32::try_from(rule_type).map_err(|_| ERROR_INVALID_PARAMETER)?;
        // SAFETY: The caller keeps ClusterCreateAffinityRule's contract.
        unsafe {
            change(
                cluster,
                "ClusterCreateAffinityRule",
                rule_name,
                |world, cluster, name| world.add_rule(cluster, name, kind),
            )
        }
    })
}

pub(super) unsafe extern "system" fn remove(cluster: HCLUSTER, rule_name: PCWSTR) -> u32 {
    code(|| {
        // SAFETY: The caller keeps ClusterRemoveAffinityRule's contract.
        unsafe {
            change(
                cluster,
                "ClusterRemoveAffinityRule",
                rule_name,
                |world, cluster, name| world.remove_rule(cluster, name),
            )
        }
    })
}

/// The id of a group of the cluster that the rule is in.
fn group_in(group: HGROUP, cluster: &str) -> Answer<String> {
    match handles::get(group)?.1 {
        Object::Group { cluster: own, id } if own == cluster => Ok(id),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

pub(super) unsafe extern "system" fn add_group(cluster: HCLUSTER, rule_name: PCWSTR, group: HGROUP) -> u32 {
    code(|| {
        // SAFETY: The caller keeps ClusterAddGroupToAffinityRule's contract.
        unsafe {
            change(
                cluster,
                "ClusterAddGroupToAffinityRule",
                rule_name,
                |world, cluster, name| world.add_group_to_rule(cluster, name, &group_in(group, cluster)?),
            )
        }
    })
}

pub(super) unsafe extern "system" fn remove_group(cluster: HCLUSTER, rule_name: PCWSTR, group: HGROUP) -> u32 {
    code(|| {
        // SAFETY: The caller keeps ClusterRemoveGroupFromAffinityRule's contract.
        unsafe {
            change(
                cluster,
                "ClusterRemoveGroupFromAffinityRule",
                rule_name,
                |world, cluster, name| world.remove_group_from_rule(cluster, name, &group_in(group, cluster)?),
            )
        }
    })
}

//! Group sets, availability sets, and what groups and sets wait for (facts 2.6).

use std::sync::Arc;

use wsfc_clusapi::sys::types::{BOOL, CLUSTER_AVAILABILITY_SET_CONFIG, HCLUSTER, HGROUP, HGROUPSET, PCWSTR};

use super::{Answer, cluster_of, code, group_of, group_set_of, handle, required, truth};
use crate::handles::{self, Object};
use crate::memory;
use crate::simulation::Inner;
use crate::win32::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER};
use crate::world::World;
use crate::world::group_set::{Availability, Dependent, Provider};

/// Changes the world of a cluster that answers.
fn change<R>(world: &Inner, cluster: &str, change: impl FnOnce(&mut World) -> Answer<R>) -> Answer<R> {
    world.change(|state| {
        state.serving(cluster)?;
        change(&mut state.world)
    })
}

unsafe fn make(
    cluster: HCLUSTER,
    call: &'static str,
    name: PCWSTR,
    availability: Option<Availability>,
) -> Answer<HGROUPSET> {
    let (world, cluster) = cluster_of(cluster, call)?;
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { required(name)? };
    let id = change(&world, &cluster, |world| {
        world.add_group_set(&cluster, &name, availability)
    })?;
    Ok(handles::open(&world, Object::GroupSet { cluster, id }))
}

pub(super) unsafe extern "system" fn create(cluster: HCLUSTER, name: PCWSTR) -> HGROUPSET {
    // SAFETY: The caller keeps CreateClusterGroupSet's contract.
    handle(|| unsafe { make(cluster, "CreateClusterGroupSet", name, None) })
}

/// CreateClusterAvailabilitySet. Guess: version 1, and at least one domain of each kind, else 87.
pub(super) unsafe extern "system" fn create_availability(
    cluster: HCLUSTER,
    name: PCWSTR,
    config: *const CLUSTER_AVAILABILITY_SET_CONFIG,
) -> HGROUPSET {
    handle(|| {
        if config.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        // SAFETY: The caller passes a configuration.
        let config = unsafe { memory::read(config) };
        if config.dwVersion != 1 || config.dwUpdateDomains == 0 || config.dwFaultDomains == 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let availability = Availability {
            update_domains: config.dwUpdateDomains,
            fault_domains: config.dwFaultDomains,
            spare_node: config.bReserveSpareNode != 0,
        };
        // SAFETY: The caller passes NULL or a string.
        unsafe { make(cluster, "CreateClusterAvailabilitySet", name, Some(availability)) }
    })
}

pub(super) unsafe extern "system" fn open(cluster: HCLUSTER, name: PCWSTR) -> HGROUPSET {
    handle(|| {
        let (world, cluster) = cluster_of(cluster, "OpenClusterGroupSet")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        let id = world.lock().serving(&cluster)?.find_group_set(&name)?.id.clone();
        Ok(handles::open(&world, Object::GroupSet { cluster, id }))
    })
}

pub(super) unsafe extern "system" fn close(set: HGROUPSET) -> BOOL {
    truth(|| handles::close(set, |object| matches!(object, Object::GroupSet { .. })))
}

pub(super) unsafe extern "system" fn delete(set: HGROUPSET) -> u32 {
    code(|| {
        let (world, cluster, id) = group_set_of(set, "DeleteClusterGroupSet")?;
        change(&world, &cluster, |world| world.remove_group_set(&cluster, &id))
    })
}

/// The id of a group in a cluster.
fn group_in(group: HGROUP, cluster: &str) -> Answer<String> {
    match handles::get(group)?.1 {
        Object::Group { cluster: own, id } if own == cluster => Ok(id),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

/// The id of a set in a cluster.
fn set_in(set: HGROUPSET, cluster: &str) -> Answer<String> {
    match handles::get(set)?.1 {
        Object::GroupSet { cluster: own, id } if own == cluster => Ok(id),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

fn add_to(set: HGROUPSET, call: &'static str, group: HGROUP, domains: Option<(u32, u32)>) -> Answer<()> {
    let (world, cluster, id) = group_set_of(set, call)?;
    let group = group_in(group, &cluster)?;
    change(&world, &cluster, |world| {
        world.add_group_to_set(&cluster, &id, &group, domains)
    })
}

pub(super) unsafe extern "system" fn add_group(set: HGROUPSET, group: HGROUP) -> u32 {
    code(|| add_to(set, "ClusterAddGroupToGroupSet", group, None))
}

pub(super) unsafe extern "system" fn add_group_with_domains(
    set: HGROUPSET,
    group: HGROUP,
    fault_domain: u32,
    update_domain: u32,
) -> u32 {
    code(|| {
        let domains = Some((fault_domain, update_domain));
        add_to(set, "ClusterAddGroupToGroupSetWithDomains", group, domains)
    })
}

pub(super) unsafe extern "system" fn remove_group(group: HGROUP) -> u32 {
    code(|| {
        let (world, cluster, id) = group_of(group, "ClusterRemoveGroupFromGroupSet")?;
        change(&world, &cluster, |world| world.remove_group_from_set(&cluster, &id))
    })
}

/// Whose providers change.
type Whose = (Arc<Inner>, String, Dependent);

fn of_group(group: HGROUP, call: &'static str) -> Answer<Whose> {
    let (world, cluster, id) = group_of(group, call)?;
    Ok((world, cluster, Dependent::Group(id)))
}

fn of_set(set: HGROUPSET, call: &'static str) -> Answer<Whose> {
    let (world, cluster, id) = group_set_of(set, call)?;
    Ok((world, cluster, Dependent::Set(id)))
}

fn group_provider(group: HGROUP, cluster: &str) -> Answer<Provider> {
    group_in(group, cluster).map(Provider::Group)
}

fn set_provider(set: HGROUPSET, cluster: &str) -> Answer<Provider> {
    set_in(set, cluster).map(Provider::Set)
}

/// The two functions of one kind of dependency.
macro_rules! dependency {
    ($add:ident, $add_name:literal, $remove:ident, $remove_name:literal, $whose:ident, $provider:ident) => {
        pub(super) unsafe extern "system" fn $add(dependent: isize, provider: isize) -> u32 {
            code(|| {
                let (world, cluster, dependent) = $whose(dependent, $add_name)?;
                let provider = $provider(provider, &cluster)?;
                change(&world, &cluster, |world| {
                    world.add_provider(&cluster, &dependent, provider)
                })
            })
        }

        pub(super) unsafe extern "system" fn $remove(dependent: isize, provider: isize) -> u32 {
            code(|| {
                let (world, cluster, dependent) = $whose(dependent, $remove_name)?;
                let provider = $provider(provider, &cluster)?;
                change(&world, &cluster, |world| {
                    world.remove_provider(&cluster, &dependent, &provider)
                })
            })
        }
    };
}

dependency!(
    add_set_to_set,
    "AddClusterGroupSetDependency",
    remove_set_from_set,
    "RemoveClusterGroupSetDependency",
    of_set,
    set_provider
);
dependency!(
    add_group_to_group,
    "AddClusterGroupDependency",
    remove_group_from_group,
    "RemoveClusterGroupDependency",
    of_group,
    group_provider
);
dependency!(
    add_group_to_set,
    "AddClusterGroupToGroupSetDependency",
    remove_group_from_set,
    "RemoveClusterGroupToGroupSetDependency",
    of_group,
    set_provider
);

unsafe fn express((world, cluster, dependent): Whose, expression: PCWSTR) -> Answer<()> {
    // SAFETY: The caller passes NULL or a string.
    let expression = unsafe { memory::text(expression) }.unwrap_or_default();
    change(&world, &cluster, |world| {
        world.set_provider_expression(&cluster, &dependent, &expression)
    })
}

pub(super) unsafe extern "system" fn express_set(set: HGROUPSET, expression: PCWSTR) -> u32 {
    code(|| {
        let whose = of_set(set, "SetClusterGroupSetDependencyExpression")?;
        // SAFETY: The caller passes NULL or a string.
        unsafe { express(whose, expression) }
    })
}

pub(super) unsafe extern "system" fn express_group(group: HGROUP, expression: PCWSTR) -> u32 {
    code(|| {
        let whose = of_group(group, "SetGroupDependencyExpression")?;
        // SAFETY: The caller passes NULL or a string.
        unsafe { express(whose, expression) }
    })
}

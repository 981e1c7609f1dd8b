//! Verbs on resources (facts 2.5).

use wsfc_clusapi::sys::constants::{change_group_flags, resource_offline_flags, resource_online_flags};
use wsfc_clusapi::{Accepted, Checkpoint, Controlled as _, Error, Node, Resource, ResourceState, Win32};
use wsfc_proto::v1;
use wsfc_proto::v1::ObjectStateChanged;

use super::follow::{Course, Followable, Goal, Verdict, Watch, follow, follow_to, in_words};
use super::group::{flags, set_dwords};
use super::scene::{End, Run, Scene, Stop, found, holds, same};
use super::states;

/// The states between online and offline.
const ON_THE_WAY: [i32; 4] = [
    ResourceState::INITIALIZING.0,
    ResourceState::PENDING.0,
    ResourceState::ONLINE_PENDING.0,
    ResourceState::OFFLINE_PENDING.0,
];

pub(super) fn create(scene: &Scene<'_>, p: &v1::CreateResourceParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    if let Some(resource) = found(scene.cluster.open_resource(&p.resource))? {
        let (_state, _node, owner) = resource.state()?;
        let owner = scene.cluster.open_group(&owner)?;
        let here = owner.told_id()? == group.told_id()?;
        if here && same(&resource.type_name()?, &p.r#type) {
            return Ok(End::unchanged(format!(
                "There is such a resource {:?} in this group.",
                p.resource
            )));
        }
        return Err(Stop::Api(Error::Call {
            function: "CreateClusterResource",
            code: Win32::ERROR_OBJECT_ALREADY_EXISTS,
        }));
    }
    scene.foresee(
        "CreateClusterResource",
        Win32::ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND,
        || {
            let types = scene.cluster.resource_types()?;
            Ok(!types.iter().any(|known| same(&known.name, &p.r#type)))
        },
    )?;
    scene.begin()?;
    let resource = group.create_resource(&p.resource, &p.r#type, p.separate_monitor)?;
    let state = states::of_resource(&resource, &p.resource)?;
    Ok(End::done(format!("The resource {:?} was created in {:?}.", p.resource, p.group)).at(state))
}

pub(super) fn delete(scene: &Scene<'_>, p: &v1::DeleteResourceParameters) -> Run {
    let Some(resource) = found(scene.cluster.open_resource(&p.resource))? else {
        return Ok(End::unchanged(format!("There is no resource {:?}.", p.resource)));
    };
    let before = states::of_resource(&resource, &p.resource)?;
    let offline = matches!(
        before.native_state.map(ResourceState),
        Some(ResourceState::OFFLINE | ResourceState::FAILED)
    );
    scene.foresee("DeleteClusterResource", Win32::ERROR_CORE_RESOURCE, || {
        resource.is_core()
    })?;
    scene.foresee("DeleteClusterResource", Win32::ERROR_RESOURCE_ONLINE, || {
        Ok(!offline && !p.offline_first)
    })?;
    scene.foresee("DeleteClusterResource", Win32::ERROR_DEPENDENT_RESOURCE_EXISTS, || {
        Ok(!resource.dependents()?.is_empty())
    })?;
    scene.begin()?;
    if p.offline_first && !offline {
        let end = taken_offline(scene, &resource, &p.resource, 0, before)?;
        if end.state != v1::OperationState::Succeeded {
            return Ok(end);
        }
    }
    resource.delete()?;
    Ok(End::done(format!("The resource {:?} was deleted.", p.resource)))
}

pub(super) fn online(scene: &Scene<'_>, p: &v1::OnlineResourceParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let before = states::of_resource(&resource, &p.resource)?;
    if before.native_state == Some(ResourceState::ONLINE.0) {
        return Ok(End::unchanged(format!("The resource is online: {}.", in_words(&before))).at(before));
    }
    scene.begin()?;
    let flags = flags(&[
        (p.ignore_resource_status, resource_online_flags::IGNORE_RESOURCE_STATUS),
        (
            p.keep_persistent_state,
            resource_online_flags::DO_NOT_UPDATE_PERSISTENT_STATE,
        ),
        (p.best_possible_node, resource_online_flags::BEST_POSSIBLE_NODE),
        (p.ignore_affinity_rule, resource_online_flags::IGNORE_AFFINITY_RULE),
    ]);
    brought_online(scene, &resource, &p.resource, before, || resource.online(flags))
}

/// Brings a resource online and follows it.
pub(super) fn brought_online(
    scene: &Scene<'_>,
    resource: &Resource,
    name: &str,
    before: ObjectStateChanged,
    call: impl FnOnce() -> Result<Accepted, Error>,
) -> Run {
    let watch = Watch::on(scene, &Followable::Resource(resource));
    call()?;
    let goal = Goal {
        what: &format!("Bringing resource {name:?} online"),
        wished: ResourceState::ONLINE.0,
        on_the_way: &ON_THE_WAY,
    };
    follow_to(
        scene,
        watch,
        before,
        &|| states::of_resource(resource, name),
        &goal,
        |state| short("The resource did not come online", resource, state),
    )
}

pub(super) fn offline(scene: &Scene<'_>, p: &v1::OfflineResourceParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let before = states::of_resource(&resource, &p.resource)?;
    if before.native_state == Some(ResourceState::OFFLINE.0) {
        return Ok(End::unchanged(format!("The resource is offline: {}.", in_words(&before))).at(before));
    }
    scene.begin()?;
    let flags = flags(&[
        (p.ignore_resource_status, resource_offline_flags::IGNORE_RESOURCE_STATUS),
        (p.force_with_termination, resource_offline_flags::FORCE_WITH_TERMINATION),
        (
            p.keep_persistent_state,
            resource_offline_flags::DO_NOT_UPDATE_PERSISTENT_STATE,
        ),
    ]);
    taken_offline(scene, &resource, &p.resource, flags, before)
}

/// Takes a resource offline and follows it.
pub(super) fn taken_offline(
    scene: &Scene<'_>,
    resource: &Resource,
    name: &str,
    flags: u32,
    before: ObjectStateChanged,
) -> Run {
    let watch = Watch::on(scene, &Followable::Resource(resource));
    resource.offline(flags)?;
    let goal = Goal {
        what: &format!("Taking resource {name:?} offline"),
        wished: ResourceState::OFFLINE.0,
        on_the_way: &ON_THE_WAY,
    };
    follow_to(
        scene,
        watch,
        before,
        &|| states::of_resource(resource, name),
        &goal,
        |state| short("The resource did not go offline", resource, state),
    )
}

/// A bad end of a resource, with what its last operation came to.
fn short(what: &str, resource: &Resource, state: &ObjectStateChanged) -> Result<End, Error> {
    let words = states::resource_in_words(resource, &state.name)?;
    let reason = match state.native_state.map(ResourceState) {
        Some(ResourceState::FAILED) => "ERROR_RESOURCE_FAILED",
        Some(ResourceState::ONLINE) => "ERROR_RESOURCE_ONLINE",
        Some(_) | None => "ERROR_RESOURCE_NOT_ONLINE",
    };
    Ok(End::failed(reason, format!("{what}: {words}.")))
}

pub(super) fn fail(scene: &Scene<'_>, p: &v1::FailResourceParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let before = states::of_resource(&resource, &p.resource)?;
    scene.foresee("FailClusterResource", Win32::ERROR_RESMON_INVALID_STATE, || {
        Ok(before.native_state != Some(ResourceState::ONLINE.0))
    })?;
    scene.begin()?;
    resource.fail()?;
    let state = states::of_resource(&resource, &p.resource)?;
    Ok(End::done(format!("The resource was made to fail: {}.", in_words(&state))).at(state))
}

pub(super) fn restart(scene: &Scene<'_>, p: &v1::RestartResourceParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let before = states::of_resource(&resource, &p.resource)?;
    scene.begin()?;
    if !scene.cluster.api().is_supported("RestartClusterResource") {
        let end = taken_offline(scene, &resource, &p.resource, 0, before)?;
        if end.state != v1::OperationState::Succeeded {
            return Ok(end);
        }
        let before = states::of_resource(&resource, &p.resource)?;
        return brought_online(scene, &resource, &p.resource, before, || resource.online(0));
    }
    brought_online(scene, &resource, &p.resource, before, || resource.restart(0))
}

pub(super) fn set_maintenance(scene: &Scene<'_>, p: &v1::SetResourceMaintenanceParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let mode = if p.enabled {
        "in maintenance"
    } else {
        "out of maintenance"
    };
    if resource.is_in_maintenance()? == p.enabled {
        return Ok(End::unchanged(format!("The resource is {mode}.")));
    }
    scene.begin()?;
    resource.set_maintenance(p.enabled)?;
    Ok(End::done(format!("The resource {:?} is {mode}.", p.resource)).at(states::of_resource(&resource, &p.resource)?))
}

pub(super) fn set_possible_owners(scene: &Scene<'_>, p: &v1::SetPossibleOwnersParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let open = |name: &String| scene.cluster.open_node(name);
    let wished: Vec<Node> = p.nodes.iter().map(open).collect::<Result<_, _>>()?;
    let has = resource.possible_owners()?;
    let missing: Vec<_> = p
        .nodes
        .iter()
        .zip(&wished)
        .filter(|(name, _)| !holds(&has, name))
        .collect();
    let surplus: Vec<_> = has.iter().filter(|name| !holds(&p.nodes, name)).collect();
    if missing.is_empty() && surplus.is_empty() {
        return Ok(End::unchanged("The resource has these possible owners."));
    }
    scene.begin()?;
    // Added first, so that there is an owner at any time.
    for (_name, node) in missing {
        resource.add_possible_owner(node)?;
    }
    for name in surplus {
        resource.remove_possible_owner(&scene.cluster.open_node(name)?)?;
    }
    Ok(End::done(format!(
        "The resource {:?} may run on {}.",
        p.resource,
        p.nodes.join(", ")
    )))
}

pub(super) fn add_dependency(scene: &Scene<'_>, p: &v1::AddResourceDependencyParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let provider = scene.cluster.open_resource(&p.provider)?;
    let provider_name = provider.told_name().unwrap_or_else(|_unknown| p.provider.clone());
    if holds(&resource.dependencies()?, &provider_name) {
        return Ok(End::unchanged(format!("The resource depends on {provider_name:?}.")));
    }
    scene.foresee("AddClusterResourceDependency", Win32::ERROR_CIRCULAR_DEPENDENCY, || {
        circle(scene, &resource.told_name()?, &provider_name)
    })?;
    scene.begin()?;
    resource.add_dependency(&provider)?;
    Ok(End::done(format!("{:?} depends on {provider_name:?}.", p.resource)))
}

/// Whether a provider depends on the resource already, directly or by others.
fn circle(scene: &Scene<'_>, resource: &str, provider: &str) -> Result<bool, Error> {
    let mut seen: Vec<String> = Vec::new();
    let mut open = vec![provider.to_owned()];
    while let Some(name) = open.pop() {
        if same(&name, resource) {
            return Ok(true);
        }
        if !holds(&seen, &name) {
            open.extend(scene.cluster.open_resource(&name)?.dependencies()?);
            seen.push(name);
        }
    }
    Ok(false)
}

pub(super) fn remove_dependency(scene: &Scene<'_>, p: &v1::RemoveResourceDependencyParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let Some(provider) = found(scene.cluster.open_resource(&p.provider))? else {
        return Ok(End::unchanged(format!("There is no resource {:?}.", p.provider)));
    };
    let provider_name = provider.told_name().unwrap_or_else(|_unknown| p.provider.clone());
    if !holds(&resource.dependencies()?, &provider_name) {
        return Ok(End::unchanged(format!(
            "The resource does not depend on {provider_name:?}."
        )));
    }
    scene.begin()?;
    resource.remove_dependency(&provider)?;
    Ok(End::done(format!(
        "{:?} no longer depends on {provider_name:?}.",
        p.resource
    )))
}

pub(super) fn set_dependencies(scene: &Scene<'_>, p: &v1::SetResourceDependenciesParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    // Reads have ids in brackets (facts 2.5), so only an expression of ids compares.
    if same(&resource.dependency_expression()?, &p.expression) {
        return Ok(End::unchanged("The resource has these dependencies."));
    }
    scene.begin()?;
    resource.set_dependency_expression(&p.expression)?;
    let depends = if p.expression.is_empty() {
        "nothing"
    } else {
        &p.expression
    };
    Ok(End::done(format!(
        "The resource {:?} depends on {depends}.",
        p.resource
    )))
}

pub(super) fn change_group(scene: &Scene<'_>, p: &v1::MoveResourceParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let group = scene.cluster.open_group(&p.group)?;
    let (_state, owner, in_group) = resource.state()?;
    let now = scene.cluster.open_group(&in_group)?;
    if now.told_id()? == group.told_id()? {
        return Ok(End::unchanged(format!("The resource is in {in_group:?}."))
            .at(states::of_resource(&resource, &p.resource)?));
    }
    scene.foresee(
        "ChangeClusterResourceGroupEx",
        Win32::ERROR_HOST_NODE_NOT_GROUP_OWNER,
        || Ok(!same(&group.state()?.1, &owner)),
    )?;
    scene.begin()?;
    let flags = if p.force_to_shared_volume {
        change_group_flags::FORCE_MOVE_TO_CSV
    } else {
        0
    };
    let before = states::of_resource(&resource, &p.resource)?;
    let watch = Watch::on(scene, &Followable::Resource(&resource));
    let done = format!(
        "The resource {:?} and what belongs to it is in {:?}.",
        p.resource, p.group
    );
    if resource.change_group(&group, flags)? == Accepted::Done {
        return Ok(End::done(done).at(states::of_resource(&resource, &p.resource)?));
    }
    let wished = group.told_name().unwrap_or_else(|_unknown| p.group.clone());
    let followed = follow(
        scene,
        watch,
        Course {
            before,
            read: &|| states::of_resource(&resource, &p.resource),
            judge: &|_seen| match resource.state() {
                Ok((_state, _node, in_group)) if same(&in_group, &wished) => Verdict::Reached,
                _ => Verdict::OnTheWay,
            },
            cancel: None,
        },
    )?;
    Ok(
        followed.end(&format!("Moving resource {:?}", p.resource), scene, |state| {
            short("The resource did not move", &resource, state)
        })?,
    )
}

pub(super) fn rename(scene: &Scene<'_>, p: &v1::RenameResourceParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    if resource.told_name().is_ok_and(|name| name == p.new_name) {
        return Ok(End::unchanged(format!("The resource is named {:?}.", p.new_name)));
    }
    scene.foresee("SetClusterResourceName", Win32::ERROR_OBJECT_ALREADY_EXISTS, || {
        let other = found(scene.cluster.open_resource(&p.new_name))?;
        Ok(other.is_some_and(|other| other.told_id().ok() != resource.told_id().ok()))
    })?;
    scene.begin()?;
    resource.rename(&p.new_name)?;
    Ok(End::done(format!(
        "The resource {:?} is named {:?}.",
        p.resource, p.new_name
    )))
}

pub(super) fn set_separate_monitor(scene: &Scene<'_>, p: &v1::SetSeparateMonitorParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let online = resource.state()?.0 == ResourceState::ONLINE;
    let mut end = set_dwords(
        scene,
        &resource,
        &[("SeparateMonitor", Some(u32::from(p.enabled)))],
        "The monitor",
    )?;
    // The monitor is chosen when the resource comes online, whatever the call answers.
    end.at_next_online |= online && !end.unchanged;
    Ok(end)
}

fn kind(kind: v1::CheckpointKind) -> Checkpoint {
    match kind {
        v1::CheckpointKind::Crypto => Checkpoint::Crypto,
        // Validated on the way in, so there is no third.
        v1::CheckpointKind::Registry | v1::CheckpointKind::Unspecified => Checkpoint::Registry,
    }
}

pub(super) fn add_checkpoint(scene: &Scene<'_>, p: &v1::AddCheckpointParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    if holds(&resource.checkpoints(kind(p.kind()))?, &p.key) {
        return Ok(End::unchanged("The key is replicated."));
    }
    scene.begin()?;
    let stored = resource.add_checkpoint(kind(p.kind()), &p.key)?;
    Ok(End::stored(
        stored,
        format!("The key is replicated for {:?}.", p.resource),
    ))
}

pub(super) fn remove_checkpoint(scene: &Scene<'_>, p: &v1::RemoveCheckpointParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    if !holds(&resource.checkpoints(kind(p.kind()))?, &p.key) {
        return Ok(End::unchanged("The key is not replicated."));
    }
    scene.begin()?;
    let stored = resource.remove_checkpoint(kind(p.kind()), &p.key)?;
    Ok(End::stored(
        stored,
        format!("The key is no longer replicated for {:?}.", p.resource),
    ))
}

pub(super) fn renew_lease(scene: &Scene<'_>, p: &v1::RenewIpLeaseParameters) -> Run {
    order(scene, &p.resource, Resource::renew_lease, "The lease is renewed")
}

pub(super) fn release_lease(scene: &Scene<'_>, p: &v1::ReleaseIpLeaseParameters) -> Run {
    order(scene, &p.resource, Resource::release_lease, "The lease is released")
}

pub(super) fn register_dns(scene: &Scene<'_>, p: &v1::RegisterDnsRecordsParameters) -> Run {
    order(
        scene,
        &p.resource,
        Resource::register_dns,
        "The DNS records are registered",
    )
}

/// An order to a resource, which has no state of its own to follow: accepted is all that is told.
fn order(scene: &Scene<'_>, name: &str, call: impl FnOnce(&Resource) -> Result<Accepted, Error>, done: &str) -> Run {
    let resource = scene.cluster.open_resource(name)?;
    scene.begin()?;
    let told = match call(&resource)? {
        Accepted::Done => format!("{done}: {name:?}."),
        Accepted::Pending => format!("{done}: {name:?}; the resource goes on with it by itself."),
    };
    Ok(End::done(told).at(states::of_resource(&resource, name)?))
}

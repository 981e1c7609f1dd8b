//! Verbs on groups (facts 2.4).

use wsfc_clusapi::proplist::{Property, PropertyList, Value};
use wsfc_clusapi::sys::constants::{group_move_flags, group_offline_flags, group_online_flags};
use wsfc_clusapi::{
    Accepted, Controlled as _, Error, Group, GroupState, GroupType, Node, NodeState, ResourceState, VmMigration, Win32,
};
use wsfc_proto::v1;
use wsfc_proto::v1::ObjectStateChanged;

use super::follow::{Course, Followable, Followed, Goal, Verdict, Watch, follow, follow_to, in_words};
use super::scene::{End, Run, Scene, Stop, found, same};
use super::states::{self, dword};

/// What a group without a type has (facts 2.2).
const NO_TYPE: u32 = 9999;
/// CLUSGRP_STATUS_QUEUED_FOR_MOVE (facts 2.2).
const QUEUED_FOR_MOVE: u64 = 4;

pub(super) fn create(scene: &Scene<'_>, p: &v1::CreateGroupParameters) -> Run {
    let wished = u32::try_from(p.r#type).ok().filter(|number| *number != 0);
    if let Some(group) = found(scene.cluster.open_group(&p.group))? {
        let has = dword(&group.read_only_properties()?, "GroupType").unwrap_or(NO_TYPE);
        if has == wished.unwrap_or(NO_TYPE) {
            return Ok(End::unchanged(format!("There is a group {:?} of that type.", p.group)));
        }
        return Err(Stop::Api(Error::Call {
            function: "CreateClusterGroupEx",
            code: Win32::ERROR_OBJECT_ALREADY_EXISTS,
        }));
    }
    scene.begin()?;
    let group = scene.cluster.create_group(&p.group, wished.map(GroupType))?;
    Ok(End::done(format!("The group {:?} was created.", p.group)).at(states::of_group(&group, &p.group)?))
}

pub(super) fn delete(scene: &Scene<'_>, p: &v1::DeleteGroupParameters) -> Run {
    let Some(group) = found(scene.cluster.open_group(&p.group))? else {
        return Ok(End::unchanged(format!("There is no group {:?}.", p.group)));
    };
    scene.foresee("DeleteClusterGroup", Win32::ERROR_CORE_RESOURCE, || group.is_core())?;
    if !p.with_resources {
        scene.foresee("DeleteClusterGroup", Win32::ERROR_DIR_NOT_EMPTY, || {
            Ok(!group.resources()?.is_empty())
        })?;
    }
    scene.begin()?;
    let before = states::of_group(&group, &p.group)?;
    let watch = Watch::on(scene, &Followable::Group(&group));
    let accepted = if p.with_resources {
        group.destroy()?
    } else {
        group.delete()?
    };
    let done = End::done(format!("The group {:?} was deleted.", p.group));
    if accepted == Accepted::Done {
        return Ok(done);
    }
    // Gone is when it cannot be opened any more, so a state is all that keeps the operation up.
    let gone = ObjectStateChanged {
        native_state: None,
        state: String::new(),
        ..before.clone()
    };
    let followed = follow(
        scene,
        watch,
        Course {
            before,
            read: &|| match found(scene.cluster.open_group(&p.group))? {
                Some(group) => Ok(found(states::of_group(&group, &p.group))?.unwrap_or_else(|| gone.clone())),
                None => Ok(gone.clone()),
            },
            judge: &|seen| match seen.native_state.map(GroupState) {
                None => Verdict::Reached,
                Some(GroupState::FAILED) => Verdict::Short,
                Some(_) => Verdict::OnTheWay,
            },
            cancel: None,
        },
    )?;
    if let Followed::Reached(_) = followed {
        return Ok(done);
    }
    Ok(followed.end(&format!("Deleting group {:?}", p.group), scene, |state| {
        short(scene, "The group is not deleted", ResourceState::OFFLINE, &group, state)
    })?)
}

pub(super) fn online(scene: &Scene<'_>, p: &v1::OnlineGroupParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    let before = states::of_group(&group, &p.group)?;
    let here = p.node.is_empty() || same(&p.node, &before.owner_node);
    if before.native_state == Some(GroupState::ONLINE.0) && here {
        return Ok(End::unchanged(format!("The group is online: {}.", in_words(&before))).at(before));
    }
    let node = target(scene, &p.node, "OnlineClusterGroupEx")?;
    if node.is_none() && !p.best_possible_node {
        paused_or_down(scene, &before.owner_node, "OnlineClusterGroupEx")?;
    }
    scene.begin()?;
    let flags = flags(&[
        (p.ignore_resource_status, group_online_flags::IGNORE_RESOURCE_STATUS),
        (p.best_possible_node, group_online_flags::BEST_POSSIBLE_NODE),
        (p.ignore_affinity_rule, group_online_flags::IGNORE_AFFINITY_RULE),
    ]);
    let watch = Watch::on(scene, &Followable::Group(&group));
    let accepted = group.online(node.as_ref(), flags)?;
    let what = format!("Bringing group {:?} online", p.group);
    if accepted == Accepted::Done {
        let state = states::of_group(&group, &p.group)?;
        if state.native_state == Some(GroupState::OFFLINE.0) && group.resources()?.is_empty() {
            return Ok(End::done(format!("{what}: it has no resources, so it stays OFFLINE.")).at(state));
        }
    }
    let goal = Goal {
        what: &what,
        wished: GroupState::ONLINE.0,
        on_the_way: &[GroupState::PENDING.0],
    };
    let read = || states::of_group(&group, &p.group);
    follow_to(scene, watch, before, &read, &goal, |state| {
        let text = "The group did not come online";
        short(scene, text, ResourceState::ONLINE, &group, state)
    })
}

pub(super) fn offline(scene: &Scene<'_>, p: &v1::OfflineGroupParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    let before = states::of_group(&group, &p.group)?;
    if before.native_state == Some(GroupState::OFFLINE.0) {
        return Ok(End::unchanged(format!("The group is offline: {}.", in_words(&before))).at(before));
    }
    scene.begin()?;
    let flags = flags(&[(p.ignore_resource_status, group_offline_flags::IGNORE_RESOURCE_STATUS)]);
    let watch = Watch::on(scene, &Followable::Group(&group));
    group.offline(flags)?;
    let goal = Goal {
        what: &format!("Taking group {:?} offline", p.group),
        wished: GroupState::OFFLINE.0,
        on_the_way: &[GroupState::PENDING.0],
    };
    let read = || states::of_group(&group, &p.group);
    follow_to(scene, watch, before, &read, &goal, |state| {
        let text = "The group did not go offline";
        short(scene, text, ResourceState::OFFLINE, &group, state)
    })
}

pub(super) fn move_to(scene: &Scene<'_>, p: &v1::MoveGroupParameters) -> Run {
    let flags = flags(&[
        (p.ignore_resource_status, group_move_flags::IGNORE_RESOURCE_STATUS),
        (
            p.return_to_source_on_error,
            group_move_flags::RETURN_TO_SOURCE_NODE_ON_ERROR,
        ),
        (p.queue, group_move_flags::QUEUE_ENABLED),
        (p.high_priority_start, group_move_flags::HIGH_PRIORITY_START),
        (p.ignore_affinity_rule, group_move_flags::IGNORE_AFFINITY_RULE),
    ]);
    moved(scene, &p.group, &p.node, |group, node| {
        group.move_to(node, flags, &PropertyList::default())
    })
}

pub(super) fn migrate(scene: &Scene<'_>, p: &v1::MigrateVirtualMachineParameters) -> Run {
    let how = match p.migration() {
        v1::MigrationType::TurnOff => VmMigration::TURN_OFF,
        v1::MigrationType::Quick => VmMigration::SAVE,
        v1::MigrationType::ShutDown => VmMigration::SHUTDOWN,
        v1::MigrationType::ShutDownForced => VmMigration::SHUTDOWN_FORCE,
        v1::MigrationType::Live | v1::MigrationType::Unspecified => VmMigration::LIVE,
    };
    moved(scene, &p.group, &p.node, |group, node| group.migrate(node, how))
}

/// Moves a group and follows it to its new owner.
pub(super) fn moved(
    scene: &Scene<'_>,
    name: &str,
    to: &str,
    call: impl FnOnce(&Group, Option<&Node>) -> Result<Accepted, Error>,
) -> Run {
    let group = scene.cluster.open_group(name)?;
    let before = states::of_group(&group, name)?;
    if same(to, &before.owner_node) && before.native_state != Some(GroupState::PENDING.0) {
        return Ok(End::unchanged(format!("The group is there: {}.", in_words(&before))).at(before));
    }
    let node = target(scene, to, "MoveClusterGroupEx")?;
    scene.foresee("MoveClusterGroupEx", Win32::ERROR_CLUSTER_GROUP_MOVING, || {
        Ok(before.native_state == Some(GroupState::PENDING.0))
    })?;
    scene.begin()?;
    let watch = Watch::on(scene, &Followable::Group(&group));
    let accepted = match call(&group, node.as_ref()) {
        // It waits in the cluster's queue, and is followed there (facts 2.4).
        Err(error) if error.code() == Some(Win32::ERROR_CLUSTER_GROUP_QUEUED) => Accepted::Pending,
        answer => answer?,
    };
    let from = before.owner_node.clone();
    let online_before = before.native_state == Some(GroupState::ONLINE.0);
    let what = format!("Moving group {name:?}");
    if accepted == Accepted::Done && to.is_empty() {
        let state = states::of_group(&group, name)?;
        if state.native_state != Some(GroupState::PENDING.0) {
            return Ok(End::done(format!("{what}: {}.", in_words(&state))).at(state));
        }
    }
    let followed = follow(
        scene,
        watch,
        Course {
            before,
            read: &|| states::of_group(&group, name),
            judge: &|seen| {
                let arrived = if to.is_empty() {
                    !same(&seen.owner_node, &from)
                } else {
                    same(&seen.owner_node, to)
                };
                let state = seen.native_state.map(GroupState);
                match state {
                    Some(GroupState::PENDING) => Verdict::OnTheWay,
                    // What was not online before need not be afterwards.
                    Some(GroupState::ONLINE) if arrived => Verdict::Reached,
                    Some(GroupState::OFFLINE | GroupState::PARTIAL_ONLINE | GroupState::FAILED)
                        if arrived && !online_before =>
                    {
                        Verdict::Reached
                    }
                    Some(_) | None if queued(&group) => Verdict::OnTheWay,
                    Some(_) | None => Verdict::Short,
                }
            },
            cancel: Some(&|| group.cancel_operation().map(drop)),
        },
    )?;
    Ok(followed.end(&what, scene, |state| {
        let text = if same(&state.owner_node, &from) {
            "The group did not move"
        } else {
            "The group has moved and did not come online"
        };
        short(scene, text, ResourceState::ONLINE, &group, state)
    })?)
}

/// Whether a group waits in the queue of moves.
fn queued(group: &Group) -> bool {
    status_bits(group).is_some_and(|bits| bits & QUEUED_FOR_MOVE != 0)
}

fn status_bits(group: &Group) -> Option<u64> {
    let properties = group.read_only_properties().ok()?;
    let status = properties
        .properties
        .iter()
        .find(|property| same(&property.name, "StatusInformation"))?;
    match status.values.first()? {
        Value::Ularge(bits) => Some(*bits),
        Value::Dword(bits) => Some(u64::from(*bits)),
        _ => None,
    }
}

pub(super) fn cancel_move(scene: &Scene<'_>, p: &v1::CancelGroupMoveParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    let before = states::of_group(&group, &p.group)?;
    if before.native_state != Some(GroupState::PENDING.0) && !queued(&group) {
        return Ok(End::unchanged(format!("The group is not being moved: {}.", in_words(&before))).at(before));
    }
    scene.begin()?;
    let watch = Watch::on(scene, &Followable::Group(&group));
    group.cancel_operation()?;
    let followed = follow(
        scene,
        watch,
        Course {
            before,
            read: &|| states::of_group(&group, &p.group),
            judge: &|seen| match seen.native_state.map(GroupState) {
                Some(GroupState::PENDING) => Verdict::OnTheWay,
                Some(_) if queued(&group) => Verdict::OnTheWay,
                Some(_) | None => Verdict::Reached,
            },
            cancel: None,
        },
    )?;
    let what = format!("Cancelling the move of group {:?}", p.group);
    Ok(followed.end(&what, scene, |state| {
        short(
            scene,
            "The move was not cancelled",
            ResourceState::ONLINE,
            &group,
            state,
        )
    })?)
}

pub(super) fn set_preferred_owners(scene: &Scene<'_>, p: &v1::SetPreferredOwnersParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    let nodes: Vec<Node> = p
        .nodes
        .iter()
        .map(|node| scene.cluster.open_node(node))
        .collect::<Result<_, _>>()?;
    let before = group.preferred_owners()?;
    if before.len() == p.nodes.len() && before.iter().zip(&p.nodes).all(|(one, other)| same(one, other)) {
        return Ok(End::unchanged("The group has these preferred owners."));
    }
    scene.begin()?;
    group.set_preferred_owners(&nodes.iter().collect::<Vec<_>>())?;
    Ok(End::done(match p.nodes.as_slice() {
        [] => format!("The group {:?} prefers no node.", p.group),
        nodes => format!("The group {:?} prefers {}.", p.group, nodes.join(", ")),
    }))
}

pub(super) fn set_failover_policy(scene: &Scene<'_>, p: &v1::SetFailoverPolicyParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    let wished = [
        ("FailoverThreshold", p.failover_threshold),
        ("FailoverPeriod", p.failover_period_hours),
        ("AutoFailbackType", p.auto_failback.map(u32::from)),
        ("FailbackWindowStart", p.failback_window_start),
        ("FailbackWindowEnd", p.failback_window_end),
    ];
    set_dwords(scene, &group, &wished, "The failover policy")
}

pub(super) fn rename(scene: &Scene<'_>, p: &v1::RenameGroupParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    if group.told_name().is_ok_and(|name| name == p.new_name) {
        return Ok(End::unchanged(format!("The group is named {:?}.", p.new_name)));
    }
    scene.foresee("SetClusterGroupName", Win32::ERROR_OBJECT_ALREADY_EXISTS, || {
        let other = found(scene.cluster.open_group(&p.new_name))?;
        Ok(other.is_some_and(|other| other.told_id().ok() != group.told_id().ok()))
    })?;
    scene.begin()?;
    group.rename(&p.new_name)?;
    Ok(End::done(format!("The group {:?} is named {:?}.", p.group, p.new_name)))
}

/// Opens the node that something shall go to; nothing for an empty name. What is paused or down is foreseen.
pub(super) fn target(scene: &Scene<'_>, node: &str, function: &'static str) -> Result<Option<Node>, Stop> {
    if node.is_empty() {
        return Ok(None);
    }
    let opened = scene.cluster.open_node(node)?;
    paused_or_down(scene, node, function)?;
    Ok(Some(opened))
}

/// Foresees the refusal of a node that is paused or not up (facts 2.4).
fn paused_or_down(scene: &Scene<'_>, node: &str, function: &'static str) -> Result<(), Stop> {
    let state = || scene.cluster.open_node(node)?.state();
    scene.foresee(function, Win32::ERROR_SHARING_PAUSED, || {
        Ok(state()? == NodeState::PAUSED)
    })?;
    scene.foresee(function, Win32::ERROR_HOST_NODE_NOT_AVAILABLE, || {
        Ok(matches!(state()?, NodeState::DOWN | NodeState::JOINING))
    })
}

/// Sets numbers among the common properties; those that are absent stay.
pub(super) fn set_dwords(
    scene: &Scene<'_>,
    object: &impl wsfc_clusapi::Controlled,
    wished: &[(&str, Option<u32>)],
    what: &str,
) -> Run {
    let has = object.common_properties()?;
    let changes: Vec<Property> = wished
        .iter()
        .filter_map(|(name, wished)| {
            let wished = (*wished)?;
            (dword(&has, name) != Some(wished)).then(|| Property {
                name: (*name).to_owned(),
                values: vec![Value::Dword(wished)],
            })
        })
        .collect();
    if changes.is_empty() {
        return Ok(End::unchanged(format!("{what} is as wished.")));
    }
    let changes = PropertyList { properties: changes };
    scene.begin()?;
    let stored = object.set_common(&changes)?;
    let names: Vec<_> = changes.properties.iter().map(|change| change.name.as_str()).collect();
    Ok(End::stored(stored, format!("{what} was set: {}.", names.join(", "))))
}

/// The bits of the flags that are set.
pub(super) fn flags(flags: &[(bool, u32)]) -> u32 {
    flags
        .iter()
        .filter(|(set, _)| *set)
        .fold(0, |bits, (_, bit)| bits | bit)
}

/// A bad end of a group: which of its resources are to blame.
fn short(
    scene: &Scene<'_>,
    what: &str,
    wished: ResourceState,
    group: &Group,
    state: &ObjectStateChanged,
) -> Result<End, Error> {
    // What cannot be read any more is not to blame.
    let mut blamed = Vec::new();
    for name in group.resources().unwrap_or_default() {
        let Ok(resource) = scene.cluster.open_resource(&name) else {
            continue;
        };
        if resource.state().is_ok_and(|(state, ..)| state != wished) {
            blamed.extend(states::resource_in_words(&resource, &name));
        }
    }
    let reason = match state.native_state.map(GroupState) {
        Some(GroupState::FAILED) => "ERROR_RESOURCE_FAILED",
        _ => "ERROR_GROUP_NOT_ONLINE",
    };
    let blame = if blamed.is_empty() {
        String::new()
    } else {
        format!(" Its resources: {}.", blamed.join("; "))
    };
    Ok(End::failed(reason, format!("{what}: {}.{blame}", in_words(state))))
}

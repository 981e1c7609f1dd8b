//! Verbs on disks and cluster shared volumes (facts 2.6).

use wsfc_clusapi::proplist::{Property, Value};
use wsfc_clusapi::sys::constants::shared_volume_fault;
use wsfc_clusapi::{Accepted, Controlled as _, Error, Group, GroupType, Resource, ResourceState, Win32};
use wsfc_proto::v1;
use wsfc_proto::v1::OperationState;

use super::group::moved;
use super::resource::brought_online;
use super::scene::{End, Run, Scene, Stop, same};
use super::states;
use crate::operation::disks::{self, available};

/// The type of cluster disks.
const DISK: &str = "Physical Disk";
/// The name of the group of unused disks, where its type is not told (facts 2.4).
const AVAILABLE_STORAGE: &str = "Available Storage";

/// Whether a disk is a cluster shared volume.
fn is_shared(scene: &Scene<'_>, name: &str) -> Result<bool, Error> {
    Ok(scene
        .cluster
        .shared_volumes()?
        .iter()
        .any(|volume| same(&volume.name, name)))
}

fn told(resource: &Resource, name: &str) -> String {
    resource.told_name().unwrap_or_else(|_unknown| name.to_owned())
}

pub(super) fn add_volume(scene: &Scene<'_>, p: &v1::AddSharedVolumeParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let name = told(&resource, &p.resource);
    if is_shared(scene, &name)? {
        return Ok(End::unchanged(format!("{name:?} is a cluster shared volume.")));
    }
    scene.foresee(
        "AddResourceToClusterSharedVolumes",
        Win32::ERROR_RESOURCE_NOT_IN_AVAILABLE_STORAGE,
        || {
            let (_state, _node, group) = resource.state()?;
            let group = scene.cluster.open_group(&group)?;
            let kind = states::dword(&group.read_only_properties()?, "GroupType");
            Ok(kind.is_some_and(|kind| kind != GroupType::AVAILABLE_STORAGE.0))
        },
    )?;
    scene.begin()?;
    let accepted = resource.add_to_shared_volumes()?;
    settled(scene, accepted, &name, true)?;
    Ok(End::done(format!("{name:?} is a cluster shared volume.")).at(states::of_resource(&resource, &name)?))
}

pub(super) fn remove_volume(scene: &Scene<'_>, p: &v1::RemoveSharedVolumeParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let name = told(&resource, &p.resource);
    if !is_shared(scene, &name)? {
        return Ok(End::unchanged(format!("{name:?} is no cluster shared volume.")));
    }
    scene.begin()?;
    let accepted = resource.remove_from_shared_volumes()?;
    settled(scene, accepted, &name, false)?;
    Ok(End::done(format!("{name:?} is an ordinary cluster disk.")).at(states::of_resource(&resource, &name)?))
}

/// Waits until a call that was accepted shows in the list of shared volumes.
fn settled(scene: &Scene<'_>, accepted: Accepted, name: &str, shared: bool) -> Result<(), Stop> {
    if accepted == Accepted::Done {
        return Ok(());
    }
    let begun = scene.clock.now();
    while is_shared(scene, name)? != shared {
        if scene.clock.now().duration_since(begun).unwrap_or_default() >= scene.limit {
            return Err(End::failed(
                wsfc_proto::reasons::TIMED_OUT,
                format!("{name:?} has not changed in time; the cluster goes on with it."),
            )
            .into());
        }
        std::thread::park_timeout(std::time::Duration::from_millis(500));
    }
    Ok(())
}

pub(super) fn move_volume(scene: &Scene<'_>, p: &v1::MoveSharedVolumeParameters) -> Run {
    let resource = scene.cluster.open_resource(&p.resource)?;
    let name = told(&resource, &p.resource);
    // The cluster moves the group of any disk, and with an ordinary one the whole role that it belongs to.
    if !is_shared(scene, &name)? {
        return Err(Stop::Api(Error::Call {
            function: "MoveClusterGroup",
            code: Win32::ERROR_CLUSTER_NOT_SHARED_VOLUME,
        }));
    }
    let (_state, _node, group) = resource.state()?;
    let mut end = moved(scene, &group, &p.node, Group::move_plainly)?;
    // The group of a volume has a name that nobody has given it.
    if let (OperationState::Succeeded, Some(stands)) = (end.state, &end.final_state) {
        end.message = format!("The coordinator of {name:?} is {}.", stands.owner_node);
    }
    Ok(end)
}

/// The volumes of a disk that are meant: one by its name, or all.
fn meant(resource: &Resource, volume: &str) -> Result<Vec<wsfc_clusapi::SharedVolume>, Error> {
    let mut volumes = resource.shared_volumes()?;
    if !volume.is_empty() {
        volumes.retain(|known| same(&known.volume_name, volume) || same(&known.friendly_name, volume));
        if volumes.is_empty() {
            return Err(Error::Call {
                function: "ClusterResourceControl",
                code: Win32::ERROR_FILE_NOT_FOUND,
            });
        }
    }
    Ok(volumes)
}

pub(super) fn set_redirected(scene: &Scene<'_>, p: &v1::SetSharedVolumeRedirectedParameters) -> Run {
    let mode = if p.redirected { "redirected" } else { "direct" };
    switched(
        scene,
        &p.resource,
        &p.volume,
        p.redirected,
        shared_volume_fault::NO_DIRECT_IO,
        mode,
        |disk, volume| disk.set_redirected(volume, p.redirected),
    )
}

pub(super) fn set_maintenance(scene: &Scene<'_>, p: &v1::SetSharedVolumeMaintenanceParameters) -> Run {
    let mode = if p.enabled {
        "in maintenance"
    } else {
        "out of maintenance"
    };
    switched(
        scene,
        &p.resource,
        &p.volume,
        p.enabled,
        shared_volume_fault::IN_MAINTENANCE,
        mode,
        |disk, volume| disk.set_shared_volume_maintenance(volume, p.enabled),
    )
}

/// Switches a mode of volumes that their faults show.
fn switched(
    scene: &Scene<'_>,
    resource: &str,
    volume: &str,
    on: bool,
    fault: u32,
    mode: &str,
    call: impl Fn(&Resource, &str) -> Result<(), Error>,
) -> Run {
    let disk = scene.cluster.open_resource(resource)?;
    let name = told(&disk, resource);
    let volumes = meant(&disk, volume)?;
    let others: Vec<_> = volumes
        .iter()
        .filter(|volume| (volume.faults & fault != 0) != on)
        .collect();
    if others.is_empty() {
        return Ok(End::unchanged(format!("The access to {name:?} is {mode}.")));
    }
    scene.begin()?;
    for volume in others {
        call(&disk, &volume.volume_name)?;
    }
    Ok(End::done(format!("The access to {name:?} is {mode}.")))
}

pub(super) fn add(scene: &Scene<'_>, p: &v1::AddDiskParameters) -> Run {
    let disk = available(scene.cluster)?
        .into_iter()
        .find(|disk| same(&disk.disk_id, &p.disk_id));
    let Some(disk) = disk else {
        return match owner(scene, &p.disk_id)? {
            Some(name) => Ok(End::unchanged(format!("The disk is the cluster disk {name:?}."))),
            None => Err(End {
                status: Some(Win32::ERROR_CLUSTER_DISK_NOT_CONNECTED.0),
                ..End::failed(
                    "ERROR_CLUSTER_DISK_NOT_CONNECTED",
                    format!(
                        "There is no available disk {:?}; ListAvailableDisks shows those that there are.",
                        p.disk_id
                    ),
                )
            }
            .into()),
        };
    };
    scene.begin()?;
    let name = if p.resource.is_empty() {
        next_name(scene)?
    } else {
        p.resource.clone()
    };
    let groups = scene.cluster.group_items(&[], &["GroupType"]).unwrap_or_default();
    let storage = groups
        .iter()
        .find(|group| states::dword(&group.read_only, "GroupType") == Some(GroupType::AVAILABLE_STORAGE.0));
    let group = scene
        .cluster
        .open_group(storage.map_or(AVAILABLE_STORAGE, |group| &group.name))?;
    let resource = group.create_resource(&name, DISK, false)?;
    resource.set_private(&disks::identity(&disk))?;
    let before = states::of_resource(&resource, &name)?;
    if before.native_state == Some(ResourceState::ONLINE.0) {
        return Ok(End::done(format!("The disk is the cluster disk {name:?}.")).at(before));
    }
    brought_online(scene, &resource, &name, before, || resource.online(0))
}

/// The cluster disk that a disk is already.
fn owner(scene: &Scene<'_>, disk_id: &str) -> Result<Option<String>, Error> {
    for name in scene.cluster.resource_type(DISK)?.resources()? {
        let has = scene.cluster.open_resource(&name)?.private_properties()?;
        let id = has
            .properties
            .iter()
            .find_map(|property: &Property| match property.values.first()? {
                Value::Sz(id) if same(&property.name, "DiskIdGuid") => Some(id.clone()),
                Value::Dword(signature) if same(&property.name, "DiskSignature") => Some(disks::signature(*signature)),
                _ => None,
            });
        if id.is_some_and(|id| same(&id, disk_id)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The next "Cluster Disk N" that no resource is named.
fn next_name(scene: &Scene<'_>) -> Result<String, Error> {
    let taken = scene.cluster.resources()?;
    let mut number: u32 = 1;
    loop {
        let name = format!("Cluster Disk {number}");
        if !taken.iter().any(|resource| same(&resource.name, &name)) {
            return Ok(name);
        }
        number = number.saturating_add(1);
    }
}

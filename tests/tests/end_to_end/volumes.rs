//! Disks and cluster shared volumes.

use wsfc_client::Reason;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{self, AvailableDisk, ResourceState, SharedVolume, SharedVolumeAccess};

use crate::stage::{CLUSTER, Stage};

/// A disk in the group of a file server, which is no shared volume.
const FILES: &str = "Files Disk";

async fn available(stage: &Stage) -> Vec<AvailableDisk> {
    let cluster = CLUSTER.into();
    let request = v1::ListAvailableDisksRequest { cluster };
    stage.client.list_available_disks(request).await.unwrap().disks
}

fn add_disk(disk_id: &str, resource: &str) -> v1::AddDiskParameters {
    v1::AddDiskParameters {
        cluster: CLUSTER.into(),
        disk_id: disk_id.into(),
        resource: resource.into(),
    }
}

fn share(resource: &str) -> v1::AddSharedVolumeParameters {
    v1::AddSharedVolumeParameters {
        cluster: CLUSTER.into(),
        resource: resource.into(),
    }
}

fn unshare(resource: &str) -> v1::RemoveSharedVolumeParameters {
    v1::RemoveSharedVolumeParameters {
        cluster: CLUSTER.into(),
        resource: resource.into(),
    }
}

fn relocate(resource: &str, node: &str) -> v1::MoveSharedVolumeParameters {
    v1::MoveSharedVolumeParameters {
        cluster: CLUSTER.into(),
        resource: resource.into(),
        node: node.into(),
    }
}

fn redirect(resource: &str, redirected: bool) -> v1::SetSharedVolumeRedirectedParameters {
    v1::SetSharedVolumeRedirectedParameters {
        cluster: CLUSTER.into(),
        resource: resource.into(),
        redirected,
        ..Default::default()
    }
}

fn maintain(resource: &str, enabled: bool) -> v1::SetSharedVolumeMaintenanceParameters {
    v1::SetSharedVolumeMaintenanceParameters {
        cluster: CLUSTER.into(),
        resource: resource.into(),
        enabled,
        ..Default::default()
    }
}

async fn sees(stage: &mut Stage, name: &str, what: &str, fits: impl Fn(&SharedVolume) -> bool) {
    stage
        .sees_object(
            what,
            |object| matches!(object, Object::SharedVolume(volume) if volume.name == name && fits(volume)),
        )
        .await;
}

async fn volume(stage: &Stage, volume: &str) -> SharedVolume {
    let request = v1::GetSharedVolumeRequest {
        cluster: CLUSTER.into(),
        volume: volume.into(),
        ..Default::default()
    };
    stage.client.get_shared_volume(request).await.unwrap().volume.unwrap()
}

#[tokio::test]
async fn a_new_disk_becomes_a_cluster_disk_and_a_shared_volume_and_both_end() {
    let mut stage = Stage::production().await;
    let disks = available(&stage).await;
    let [disk] = &disks[..] else { panic!("{disks:?}") };
    assert_eq!(disk.size_bytes, 8192 << 30);
    stage.done_once(add_disk(&disk.disk_id, "")).await;
    stage
        .sees_object("the disk", |object| {
            matches!(object, Object::Resource(resource)
                if resource.name == "Cluster Disk 1" && resource.state() == ResourceState::Online)
        })
        .await;
    assert_eq!(available(&stage).await, []);
    stage
        .refused(add_disk("{00000000-0000-0000-0000-000000000000}", ""), 5963)
        .await;

    stage.done_once(share("cluster disk 1")).await;
    sees(&mut stage, "Cluster Disk 1", "the volume", |volume| {
        volume.state() == ResourceState::Online
            && volume.volumes.len() == 1
            && volume
                .nodes
                .iter()
                .all(|node| node.access() == SharedVolumeAccess::Direct)
            && volume.nodes.len() == 4
    })
    .await;
    // It belongs to a role, and so not to the disks that wait for a use.
    stage.refused(share(FILES), 5965).await;
    let foreseen = stage.client.validate(share(FILES)).await.unwrap_err();
    let native = foreseen.rejection().and_then(|rejection| rejection.native.clone());
    assert_eq!(native.map(|native| native.code), Some(5965), "{foreseen:?}");

    stage.done_once(unshare("Cluster Disk 1")).await;
    stage
        .sees_gone(
            "the volume",
            |object| matches!(object, Object::SharedVolume(volume) if volume.name == "Cluster Disk 1"),
        )
        .await;
    let list = v1::ListSharedVolumesRequest {
        cluster: CLUSTER.into(),
        ..Default::default()
    };
    let volumes = stage.client.list_shared_volumes(list).await.unwrap().volumes;
    let names: Vec<_> = volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(names, ["Volume A", "Volume B"]);
    stage.finish().await;
}

#[tokio::test]
async fn a_volume_moves_to_a_node() {
    let mut stage = Stage::production().await;
    let at = volume(&stage, "Volume A").await.owner_node;
    let to = if at == "hv4" { "hv3" } else { "hv4" };
    let outcome = stage.done_once(relocate("Volume A", &to.to_uppercase())).await;
    assert_eq!(outcome.message, format!("The coordinator of \"Volume A\" is {to}."));
    sees(&mut stage, "Volume A", "the new coordinator", |volume| {
        volume.owner_node == to
    })
    .await;
    stage.done(relocate("Volume A", "")).await;
    stage.refused(relocate("Volume A", "nowhere"), 5042).await;
    stage.finish().await;
}

#[tokio::test]
async fn an_ordinary_disk_does_not_move_its_role() {
    let stage = Stage::production().await;
    let files = v1::GetGroupRequest {
        cluster: CLUSTER.into(),
        group: "Files".into(),
        fresh: true,
        ..Default::default()
    };
    let owner = |answer: v1::GetGroupResponse| answer.group.unwrap().owner_node;
    let before = owner(stage.client.get_group(files.clone()).await.unwrap());
    let foreseen = stage.client.validate(relocate(FILES, "hv4")).await.unwrap_err();
    let native = foreseen.rejection().and_then(|rejection| rejection.native.clone());
    assert_eq!(native.map(|native| native.code), Some(5945), "{foreseen:?}");
    stage.refused(relocate(FILES, "hv4"), 5945).await;
    assert_eq!(owner(stage.client.get_group(files).await.unwrap()), before);
    stage.finish().await;
}

#[tokio::test]
async fn access_is_redirected_and_direct_again() {
    let mut stage = Stage::production().await;
    let every = |access| move |volume: &SharedVolume| volume.nodes.iter().all(|node| node.access() == access);
    stage.done_once(redirect("Volume B", true)).await;
    let redirected = every(SharedVolumeAccess::FileSystemRedirected);
    sees(&mut stage, "Volume B", "redirected access", redirected).await;
    let faults = volume(&stage, "Volume B").await.volumes[0].fault_state;
    assert_ne!(faults, 0);
    stage.done_once(redirect("Volume B", false)).await;
    sees(
        &mut stage,
        "Volume B",
        "direct access",
        every(SharedVolumeAccess::Direct),
    )
    .await;
    let one = v1::SetSharedVolumeRedirectedParameters {
        volume: "No such volume".into(),
        ..redirect("Volume B", true)
    };
    stage.refused(one, 2).await;
    stage.refused(redirect(FILES, true), 5945).await;
    stage.finish().await;
}

#[tokio::test]
async fn a_volume_goes_into_maintenance_and_out_of_it() {
    let mut stage = Stage::production().await;
    stage.done_once(maintain("Volume B", true)).await;
    sees(&mut stage, "Volume B", "maintenance", |volume| {
        volume.maintenance
            && volume
                .nodes
                .iter()
                .all(|node| node.access() == SharedVolumeAccess::Paused)
    })
    .await;
    stage.done_once(maintain("Volume B", false)).await;
    sees(&mut stage, "Volume B", "the end of it", |volume| !volume.maintenance).await;
    stage.refused(maintain(FILES, true), 5945).await;
    stage.not_begun(maintain("", true), &Reason::InvalidField).await;
    stage.finish().await;
}

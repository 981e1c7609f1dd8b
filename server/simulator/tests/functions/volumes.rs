//! Shared disks and cluster shared volumes.

use wsfc_clusapi::proplist::{Value, parse_value_list};
use wsfc_clusapi::sys::constants::{
    cluster_enum, control as ctl, notify_object, notify_shared_volume, shared_volume_state,
};

use crate::call::{Target, bytes, control, events, open, production, text};
use crate::notify::{filter, open as open_port};
use crate::raw::Raw;

/// The size of a CLUSTER_SHARED_VOLUME_STATE_INFO, and where its state stands.
const STATE_INFO: usize = 1_044;
const STATE_AT: usize = 1_040;

fn disk(raw: &Raw, cluster: isize, name: &str) -> isize {
    open(raw, raw.table.OpenClusterResource, cluster, name).unwrap()
}

/// The state of a volume on each node, in the order of the nodes.
fn states(raw: &Raw, disk: isize) -> Vec<u32> {
    let info = control(
        raw,
        Target::Resource(disk),
        ctl::RESOURCE_STORAGE_GET_SHARED_VOLUME_STATES,
        &[],
    )
    .unwrap();
    assert_eq!(info.len() % STATE_INFO, 0);
    let state = |info: &[u8]| u32::from_le_bytes(info[STATE_AT..STATE_AT + 4].try_into().unwrap());
    info.chunks(STATE_INFO).map(state).collect()
}

#[test]
fn a_disk_becomes_a_volume_and_a_disk_again() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let volumes = || raw.names(cluster, cluster_enum::SHARED_VOLUME_RESOURCE);
    assert_eq!(volumes(), ["Volume A", "Volume B"]);
    assert_eq!(raw.names(cluster, cluster_enum::SHARED_VOLUME_GROUP).len(), 2);
    let port = open_port(
        &raw,
        cluster,
        &[filter(notify_object::SHARED_VOLUME, notify_shared_volume::EVERYTHING)],
        1,
    );
    let spare = disk(&raw, cluster, "Spare");
    // SAFETY: The functions check their handles.
    let add = |disk| unsafe { table.AddResourceToClusterSharedVolumes.unwrap()(disk) };
    // SAFETY: The functions check their handles.
    let remove = |disk| unsafe { table.RemoveResourceFromClusterSharedVolumes.unwrap()(disk) };
    assert_eq!(remove(spare), 5945);
    assert_eq!(
        add(disk(&raw, cluster, "Files Disk")),
        5965,
        "it is not in Available Storage"
    );
    assert_eq!(add(disk(&raw, cluster, "Quorum")), 5964, "it cannot be one");
    assert_eq!(add(disk(&raw, cluster, "Files Name")), 5964);
    assert_eq!((add(spare), add(spare)), (0, 5011));
    assert_eq!(volumes(), ["Volume A", "Volume B", "Spare"]);
    let info = control(
        &raw,
        Target::Resource(spare),
        ctl::RESOURCE_STORAGE_GET_SHARED_VOLUME_INFO,
        &[],
    )
    .unwrap();
    let values = parse_value_list(&info).unwrap();
    let [Value::Binary(info)] = values.as_slice() else {
        panic!("{values:?}")
    };
    assert_eq!(
        (info.len(), text(&info[20..])),
        (640, "C:\\ClusterStorage\\Volume3".to_owned())
    );
    let id = |path: &str| {
        control(
            &raw,
            Target::Cluster(cluster),
            ctl::CLUSTER_GET_SHARED_VOLUME_ID,
            &bytes(path),
        )
    };
    assert_eq!(
        id("c:\\clusterstorage\\volume3\\vm.vhdx").unwrap(),
        id("C:\\ClusterStorage\\Volume3").unwrap()
    );
    assert_eq!(id("C:\\ClusterStorage\\Volume33"), Err(5945));
    let storage = raw.open_group(cluster, "Available Storage").unwrap();
    let volume = raw
        .open_group(cluster, &raw.names(cluster, cluster_enum::SHARED_VOLUME_GROUP)[2])
        .unwrap();
    // SAFETY: The function checks its handles.
    let change = |disk, group| unsafe { table.ChangeClusterResourceGroup.unwrap()(disk, group) };
    assert_eq!(change(spare, storage), 5948, "there are calls of its own");
    assert_eq!(remove(spare), 0);
    assert_eq!(change(spare, volume), 5013, "its group has gone with it");
    assert_eq!(volumes(), ["Volume A", "Volume B"]);
    assert_eq!(raw.names(cluster, cluster_enum::SHARED_VOLUME_GROUP).len(), 2);
    let told: Vec<_> = events(&raw, port)
        .into_iter()
        .map(|event| (event.flag, event.name))
        .collect();
    let flags = [
        notify_shared_volume::ADDED,
        notify_shared_volume::STATE,
        notify_shared_volume::REMOVED,
    ];
    assert_eq!(told, flags.map(|flag| (flag, "Spare".to_owned())));
    assert_eq!(add(spare), 0, "it is back in Available Storage");
}

#[test]
fn volumes_have_a_state_on_each_node() {
    let (raw, cluster) = production();
    let port = open_port(
        &raw,
        cluster,
        &[filter(notify_object::SHARED_VOLUME, notify_shared_volume::STATE)],
        1,
    );
    let volume = disk(&raw, cluster, "Volume A");
    let (active, redirected) = (shared_volume_state::ACTIVE, shared_volume_state::ACTIVE_REDIRECTED);
    assert_eq!(states(&raw, volume), [active; 4]);
    let send = |code, input: &[u8]| control(&raw, Target::Resource(volume), code, input).map(|_| ());
    assert_eq!(send(ctl::RESOURCE_ENABLE_SHARED_VOLUME_DIRECTIO, &[]), Err(5967));
    assert_eq!(send(ctl::RESOURCE_DISABLE_SHARED_VOLUME_DIRECTIO, &[]), Ok(()));
    assert_eq!(send(ctl::RESOURCE_DISABLE_SHARED_VOLUME_DIRECTIO, &[]), Err(5966));
    assert_eq!(states(&raw, volume), [redirected; 4]);
    assert_eq!(send(ctl::RESOURCE_ENABLE_SHARED_VOLUME_DIRECTIO, &[]), Ok(()));
    assert_eq!(send(ctl::RESOURCE_SET_CSV_MAINTENANCE_MODE, &[1, 0, 0, 0]), Ok(()));
    assert_eq!(states(&raw, volume), [shared_volume_state::PAUSED; 4]);
    assert_eq!(send(ctl::RESOURCE_SET_CSV_MAINTENANCE_MODE, &[0, 0, 0, 0]), Ok(()));
    assert_eq!(send(ctl::RESOURCE_SET_CSV_MAINTENANCE_MODE, &[0]), Err(87));
    events(&raw, port);
    raw.simulation.set_reachable("hv4", false);
    assert_eq!(states(&raw, volume)[3], shared_volume_state::UNAVAILABLE);
    assert_eq!(events(&raw, port).len(), 2, "one for each volume");
}

#[test]
fn available_disks_are_those_of_nobody() {
    let (raw, cluster) = production();
    let ask = |code| {
        let list = control(&raw, Target::Type(cluster, "Physical Disk"), code, &[]).unwrap();
        parse_value_list(&list).unwrap()
    };
    for code in [
        ctl::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS,
        ctl::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS_EX,
        ctl::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS_EX2_INT,
    ] {
        assert!(ask(code).len() >= 4, "one disk: \"New\"");
    }
    // The disk belongs to the cluster as soon as a resource has its GUID.
    let quorum = disk(&raw, cluster, "Quorum");
    let info = control(
        &raw,
        Target::Resource(quorum),
        ctl::RESOURCE_STORAGE_GET_DISK_INFO_EX2,
        &[],
    )
    .unwrap();
    assert!(!parse_value_list(&info).unwrap().is_empty());
    let other = Target::Type(cluster, "Generic Script");
    assert_eq!(
        control(&raw, other, ctl::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS, &[]),
        Err(1)
    );
}

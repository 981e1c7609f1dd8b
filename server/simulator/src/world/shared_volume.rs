//! Disks that machines share, and cluster shared volumes on them (facts 2.2 and 2.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{
    group_type, notify_group, notify_object, notify_resource, notify_shared_volume, resource_state,
    shared_volume_fault, shared_volume_state,
};

use super::World;
use super::cluster::{Cluster, Resource};
use super::events::Event;
use super::node::Node;
use super::properties::Setting;
use crate::proplist::ValueList;
use crate::win32::{
    ERROR_CLUSTER_NOT_SHARED_VOLUME, ERROR_CLUSTER_SHARED_VOLUME_NOT_REDIRECTED,
    ERROR_CLUSTER_SHARED_VOLUME_REDIRECTED, ERROR_DISK_NOT_CSV_CAPABLE, ERROR_GROUP_NOT_AVAILABLE,
    ERROR_OBJECT_ALREADY_EXISTS, ERROR_OBJECT_IN_LIST, ERROR_RESOURCE_NOT_FOUND,
    ERROR_RESOURCE_NOT_IN_AVAILABLE_STORAGE,
};

/// Where volumes appear on every node (SharedVolumesRoot, facts 3.3).
pub(crate) const ROOT: &str = "C:\\ClusterStorage";
/// The type of disks.
pub(crate) const PHYSICAL_DISK: &str = "Physical Disk";
/// The private property that says which disk a resource is.
const DISK_ID: &str = "DiskIdGuid";

const GIGABYTE: u64 = 1 << 30;
/// The characters of the names in the C structs.
const MAX_PATH: usize = 260;

/// A disk that machines share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub(crate) name: String,
    /// Its GUID, without braces.
    pub(crate) id: String,
    /// Its number on every machine.
    pub(crate) number: u32,
    pub(crate) size_gb: u64,
    /// The machines that it is connected to, in lower case.
    pub(crate) machines: Vec<String>,
    /// It can hold a shared volume.
    pub(crate) shared_volumes: bool,
}

/// The disk that a resource is, among those of the world.
pub(crate) fn disk_among<'disks>(disks: &'disks [Disk], resource: &Resource) -> Option<&'disks Disk> {
    let id = resource.private.get(DISK_ID)?.as_text()?;
    let id = id.trim_matches(['{', '}']);
    disks.iter().find(|disk| disk.id.eq_ignore_ascii_case(id))
}

/// A cluster shared volume.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SharedVolume {
    /// The id of its disk resource.
    pub(crate) resource: String,
    /// Its folder under the root.
    pub(crate) name: String,
    /// The GUID of the volume.
    pub(crate) volume: String,
    pub(crate) maintenance: bool,
    /// Direct access is off: the file system is reached through the coordinator.
    pub(crate) redirected: bool,
    /// The state that was told last, by node number.
    pub(crate) told: BTreeMap<u32, u32>,
}

impl SharedVolume {
    /// Its folder, as every node has it.
    pub(crate) fn path(&self) -> String {
        format!("{ROOT}\\{}", self.name)
    }

    /// The name by which the system knows it.
    fn volume_name(&self) -> String {
        format!("\\\\?\\Volume{{{}}}\\", self.volume)
    }
}

impl Cluster {
    /// The shared volume of a disk resource.
    pub(crate) fn volume(&self, resource: &str) -> Option<&SharedVolume> {
        self.volumes.iter().find(|volume| volume.resource == resource)
    }

    fn volume_mut(&mut self, resource: &str) -> Result<&mut SharedVolume, u32> {
        self.volumes
            .iter_mut()
            .find(|volume| volume.resource == resource)
            .ok_or(ERROR_CLUSTER_NOT_SHARED_VOLUME)
    }

    /// The resource that holds the shared volume of a path, by its folder or anything below it.
    pub(crate) fn volume_at(&self, path: &str) -> Option<&SharedVolume> {
        let path = path.to_lowercase();
        self.volumes.iter().find(|volume| {
            let own = volume.path().to_lowercase();
            let below = path.strip_prefix(&own);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
                || volume.volume_name().to_lowercase().starts_with(&path)
        })
    }
}

/// Text in a fixed array of UTF-16, cut if need be, with at least one NUL.
fn fixed(text: &str, units: usize) -> Vec<u8> {
    let mut wide: Vec<u16> = text.encode_utf16().take(units - 1).collect();
    wide.resize(units, 0);
    wide.into_iter().flat_map(u16::to_le_bytes).collect()
}

/// A GUID as a C struct holds it: the first three parts little endian.
fn guid(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let byte = |place: usize| {
        let pair = digits.get(place * 2..place * 2 + 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0)
    };
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    ORDER.map(byte).to_vec()
}

impl World {
    /// The disk that a resource is. Guess: a resource without DiskIdGuid is no disk yet.
    pub(crate) fn disk_of(&self, resource: &Resource) -> Option<&Disk> {
        disk_among(&self.disks, resource)
    }

    /// True when the machine of a node is connected to a disk resource; one that is no disk yet is everywhere.
    pub(crate) fn sees_disk(&self, node: &Node, resource: &Resource) -> bool {
        let disk = self.disk_of(resource);
        disk.is_none_or(|disk| disk.machines.contains(&node.name.to_lowercase()))
    }

    /// The disks that an active node sees and that no cluster has.
    pub(crate) fn available_disks(&self, cluster: &Cluster) -> Vec<&Disk> {
        let taken: Vec<&str> = self
            .clusters
            .iter()
            .flat_map(|cluster| cluster.resources.iter())
            .filter(|resource| resource.kind == PHYSICAL_DISK)
            .filter_map(|resource| self.disk_of(resource))
            .map(|disk| disk.id.as_str())
            .collect();
        let seen = |disk: &Disk| {
            let mut nodes = cluster.nodes.iter().filter(|node| node.present);
            nodes.any(|node| disk.machines.contains(&node.name.to_lowercase()))
        };
        self.disks
            .iter()
            .filter(|disk| !taken.contains(&disk.id.as_str()) && seen(disk))
            .collect()
    }

    /// The state of a volume on a node (facts 2.2).
    pub(crate) fn volume_state(&self, cluster: &Cluster, volume: &SharedVolume, node: &Node) -> u32 {
        let Some((_, resource)) = cluster.resource(&volume.resource) else {
            return shared_volume_state::UNAVAILABLE;
        };
        if resource.state != resource_state::ONLINE || !node.present {
            shared_volume_state::UNAVAILABLE
        } else if volume.maintenance {
            shared_volume_state::PAUSED
        } else if volume.redirected {
            shared_volume_state::ACTIVE_REDIRECTED
        } else if !self.sees_disk(node, resource) {
            shared_volume_state::ACTIVE_VOLUME_REDIRECTED
        } else {
            shared_volume_state::ACTIVE
        }
    }

    /// Tells the volumes whose states differ from what was told last. To be called whenever nodes, disks or resources
    /// have changed.
    pub(crate) fn refresh_volumes(&mut self, cluster_id: &str) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let now: Vec<BTreeMap<u32, u32>> = cluster
            .volumes
            .iter()
            .map(|volume| {
                let nodes = cluster.nodes.iter();
                nodes
                    .map(|node| (node.id, self.volume_state(cluster, volume, node)))
                    .collect()
            })
            .collect();
        let mut events = Vec::new();
        // The disk of a volume may have been deleted.
        let is_gone = |volume: &&SharedVolume| cluster.resources.get(&volume.resource).is_none();
        for volume in cluster.volumes.iter().filter(is_gone) {
            events.push(volume_event(cluster, notify_shared_volume::REMOVED, &volume.resource));
        }
        for (volume, states) in cluster.volumes.iter().zip(&now).filter(|(volume, _)| !is_gone(volume)) {
            if volume.told != *states {
                events.push(volume_event(cluster, notify_shared_volume::STATE, &volume.resource));
            }
        }
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            for (volume, states) in cluster.volumes.iter_mut().zip(now) {
                volume.told = states;
            }
            let Cluster { volumes, resources, .. } = cluster;
            volumes.retain(|volume| resources.get(&volume.resource).is_some());
        }
        self.events.extend(events);
    }

    /// Makes a disk a shared volume: it must be in Available Storage (5965) and able to be one (5964). It gets a group
    /// of its own. Guess: the name of that group is a GUID, and the volume is online at once when the disk was.
    pub(crate) fn add_shared_volume(&mut self, cluster_id: &str, resource_id: &str) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        let (group, resource) = cluster.resource(resource_id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        if cluster.volume(resource_id).is_some() {
            return Err(ERROR_OBJECT_IN_LIST);
        }
        let capable = self.disk_of(resource).is_none_or(|disk| disk.shared_volumes);
        if resource.kind != PHYSICAL_DISK || !capable {
            return Err(ERROR_DISK_NOT_CSV_CAPABLE);
        }
        if group.group_type != group_type::AVAILABLE_STORAGE {
            return Err(ERROR_RESOURCE_NOT_IN_AVAILABLE_STORAGE);
        }
        let owner = group.owner;
        let taken = |name: &str| cluster.volumes.iter().any(|volume| volume.name == name);
        let name = (1..)
            .map(|number| format!("Volume{number}"))
            .find(|name| !taken(name))
            .unwrap_or_default();
        let (volume, group_name) = (self.identities.guid(), self.identities.guid());
        let group_id = self
            .create_group(cluster_id, &group_name, group_type::SHARED_VOLUME)
            .ok_or(ERROR_GROUP_NOT_AVAILABLE)?;
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            if let Some(group) = cluster.group_mut(&group_id) {
                group.owner = owner;
            }
            cluster.volumes.push(SharedVolume {
                resource: resource_id.into(),
                name,
                volume,
                maintenance: false,
                redirected: false,
                told: BTreeMap::new(),
            });
        }
        self.place_resource(cluster_id, resource_id, &group_id);
        self.tell_volume(cluster_id, notify_shared_volume::ADDED, resource_id);
        self.refresh_volumes(cluster_id);
        Ok(())
    }

    /// Makes a shared volume a disk in Available Storage again, and deletes its group when nothing else is in it; 5945
    /// when it is none.
    pub(crate) fn remove_shared_volume(&mut self, cluster_id: &str, resource_id: &str) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        let (group, _) = cluster.resource(resource_id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        let (group_id, is_alone) = (group.id.clone(), group.resources.len() == 1);
        cluster.volume(resource_id).ok_or(ERROR_CLUSTER_NOT_SHARED_VOLUME)?;
        let storage = cluster
            .groups
            .iter()
            .find(|group| group.group_type == group_type::AVAILABLE_STORAGE)
            .map(|group| group.id.clone())
            .ok_or(ERROR_GROUP_NOT_AVAILABLE)?;
        self.tell_volume(cluster_id, notify_shared_volume::REMOVED, resource_id);
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster.volumes.retain(|volume| volume.resource != resource_id);
        }
        self.place_resource(cluster_id, resource_id, &storage);
        if is_alone && let Some(cluster) = self.cluster_mut(cluster_id) {
            let gone = cluster.groups.remove(&group_id);
            let event = gone.map(|group| Event::of_group(cluster_id, notify_group::DELETED, &group));
            cluster.forget_group(&group_id);
            self.events.extend(event);
        }
        Ok(())
    }

    /// Moves a resource into another group and tells both.
    fn place_resource(&mut self, cluster_id: &str, resource_id: &str, group_id: &str) {
        let Some(cluster) = self.cluster_mut(cluster_id) else {
            return;
        };
        let Some(resource) = cluster.remove_resource(resource_id) else {
            return;
        };
        let old = resource.group.clone();
        cluster.add_resource(group_id, resource);
        let mut events = Vec::new();
        for (group, flag) in [
            (old.as_str(), notify_group::RESOURCE_LOST),
            (group_id, notify_group::RESOURCE_GAINED),
        ] {
            let group = cluster.group(group);
            events.extend(group.map(|group| Event::resource_in_group(cluster_id, flag, group, resource_id)));
        }
        let resource = cluster.resources.get(resource_id);
        events.extend(resource.map(|resource| Event {
            flag: notify_resource::OWNER_GROUP,
            ..Event::resource_properties(cluster_id, resource)
        }));
        self.events.extend(events);
        self.tell_group(cluster_id, &old);
        self.tell_group(cluster_id, group_id);
    }

    /// Takes direct access away from a volume or gives it back: 5966 and 5967 when it is so already.
    pub(crate) fn redirect_volume(&mut self, cluster_id: &str, resource_id: &str, redirected: bool) -> Result<(), u32> {
        self.serving(cluster_id)?;
        let cluster = self.cluster_mut(cluster_id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        let volume = cluster.volume_mut(resource_id)?;
        match (volume.redirected, redirected) {
            (true, true) => return Err(ERROR_CLUSTER_SHARED_VOLUME_REDIRECTED),
            (false, false) => return Err(ERROR_CLUSTER_SHARED_VOLUME_NOT_REDIRECTED),
            _ => volume.redirected = redirected,
        }
        self.refresh_volumes(cluster_id);
        Ok(())
    }

    /// Sets the maintenance mode of a volume; setting what is set changes nothing.
    pub(crate) fn maintain_volume(&mut self, cluster_id: &str, resource_id: &str, on: bool) -> Result<(), u32> {
        self.serving(cluster_id)?;
        let cluster = self.cluster_mut(cluster_id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        cluster.volume_mut(resource_id)?.maintenance = on;
        self.refresh_volumes(cluster_id);
        Ok(())
    }

    /// Gives a volume another folder; 5010 for a name that is taken.
    pub(crate) fn rename_volume(&mut self, cluster_id: &str, resource_id: &str, name: &str) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        let taken = |other: &SharedVolume| other.resource != resource_id && other.name.eq_ignore_ascii_case(name);
        if cluster.volumes.iter().any(taken) {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        let cluster = self.cluster_mut(cluster_id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        name.clone_into(&mut cluster.volume_mut(resource_id)?.name);
        // Guess: the new name is told as a change of state.
        self.tell_volume(cluster_id, notify_shared_volume::STATE, resource_id);
        Ok(())
    }

    fn tell_volume(&mut self, cluster_id: &str, flag: i64, resource_id: &str) {
        let event = self
            .cluster(cluster_id)
            .map(|cluster| volume_event(cluster, flag, resource_id));
        self.events.extend(event);
    }

    /// The states of a volume, one CLUSTER_SHARED_VOLUME_STATE_INFO for each node: volume name, node name and state.
    /// Guess: the array has no count and no end mark.
    pub(crate) fn volume_states(&self, cluster: &Cluster, volume: &SharedVolume) -> Vec<u8> {
        let mut bytes = Vec::new();
        for node in &cluster.nodes {
            bytes.extend(fixed(&volume.volume_name(), MAX_PATH));
            bytes.extend(fixed(&node.name, MAX_PATH));
            bytes.extend(self.volume_state(cluster, volume, node).to_le_bytes());
        }
        bytes
    }

    /// The volumes of a disk: a value list with one CLUS_CSV_VOLUME_INFO (facts 2.6).
    pub(crate) fn volume_info(&self, volume: &SharedVolume) -> Vec<u8> {
        const FIRST_MEGABYTE: u64 = 1 << 20;
        const DATA_PARTITION: u32 = 2;
        const NAME_UNITS: usize = 50;
        let mut fault = shared_volume_fault::NONE;
        if volume.maintenance {
            fault |= shared_volume_fault::IN_MAINTENANCE;
        }
        if volume.redirected {
            fault |= shared_volume_fault::NO_DIRECT_IO;
        }
        let mut bytes = FIRST_MEGABYTE.to_le_bytes().to_vec();
        bytes.extend(DATA_PARTITION.to_le_bytes());
        bytes.extend(fault.to_le_bytes());
        // No backup runs.
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(fixed(&volume.path(), MAX_PATH));
        bytes.extend(fixed(&volume.volume_name(), NAME_UNITS));
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        ValueList::default().binary(&bytes).end()
    }
}

fn volume_event(cluster: &Cluster, flag: i64, resource_id: &str) -> Event {
    let name = cluster
        .resource(resource_id)
        .map(|(_, resource)| resource.name.as_str());
    let object = notify_object::SHARED_VOLUME;
    // Guess: object id and name are those of the disk resource, and there is no payload.
    Event::new(&cluster.id, object, flag, resource_id, name.unwrap_or_default())
}

/// How much a list of disks says: the plain form, with 64-bit sizes, and with GPT partitions (facts 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    Plain,
    Ex,
    Ex2,
}

impl Disk {
    /// The value of the private property that makes a resource this disk.
    pub(crate) fn id_setting(&self) -> (String, Setting) {
        (DISK_ID.into(), Setting::Text(format!("{{{}}}", self.id)))
    }

    /// Appends what a value list says of a disk: GUID, number, address, size and one partition. Guess: the order.
    pub(crate) fn describe(&self, list: ValueList, detail: Detail) -> ValueList {
        const SCSI_ADDRESS: u32 = 0x0006_0002;
        const DISK_NUMBER: u32 = 0x0007_0002;
        const PARTITION_INFO: u32 = 0x0008_0001;
        const DISK_GUID: u32 = 0x000B_0003;
        const DISK_SIZE: u32 = 0x000C_0006;
        const PARTITION_INFO_EX: u32 = 0x000D_0001;
        const PARTITION_INFO_EX2: u32 = 0x000E_0001;
        let size = self.size_gb.saturating_mul(GIGABYTE);
        let list = list
            .raw(DISK_GUID, &crate::proplist::text(&format!("{{{}}}", self.id)))
            .raw(DISK_NUMBER, &self.number.to_le_bytes())
            .raw(SCSI_ADDRESS, &self.number.to_le_bytes());
        let list = match detail {
            Detail::Plain => list,
            Detail::Ex | Detail::Ex2 => list.raw(DISK_SIZE, &size.to_le_bytes()),
        };
        let syntax = match detail {
            Detail::Plain => PARTITION_INFO,
            Detail::Ex => PARTITION_INFO_EX,
            Detail::Ex2 => PARTITION_INFO_EX2,
        };
        list.raw(syntax, &self.partition(detail, size))
    }

    /// CLUS_PARTITION_INFO and its longer forms.
    fn partition(&self, detail: Detail, size: u64) -> Vec<u8> {
        const USABLE: u32 = 4;
        const USABLE_FOR_CSV: u32 = 0x10;
        const LONGEST_COMPONENT: u32 = 255;
        const FIRST: u32 = 1;
        let flags = USABLE | if self.shared_volumes { USABLE_FOR_CSV } else { 0 };
        let mut bytes = flags.to_le_bytes().to_vec();
        bytes.extend(fixed(&format!("\\\\?\\Volume{{{}}}\\", self.id), MAX_PATH));
        bytes.extend(fixed(&self.name, MAX_PATH));
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(LONGEST_COMPONENT.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(fixed("NTFS", 32));
        if detail >= Detail::Ex {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.extend(size.to_le_bytes());
            bytes.extend((size / 2).to_le_bytes());
            bytes.extend(self.number.to_le_bytes());
            bytes.extend(FIRST.to_le_bytes());
            bytes.extend(guid(&self.id));
        }
        if detail == Detail::Ex2 {
            bytes.extend(guid(&self.id));
            bytes.extend(fixed("Basic data partition", MAX_PATH));
            bytes.extend(0_u32.to_le_bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_have_their_sizes() {
        let disk = Disk {
            name: "Data".into(),
            id: "01020304-0506-0708-090a-0b0c0d0e0f10".into(),
            number: 3,
            size_gb: 1,
            machines: Vec::new(),
            shared_volumes: true,
        };
        // The sizes that the header's structs have on x64.
        assert_eq!(disk.partition(Detail::Plain, 0).len(), 1_120);
        assert_eq!(disk.partition(Detail::Ex, 0).len(), 1_160);
        assert_eq!(disk.partition(Detail::Ex2, 0).len(), 1_160 + 16 + 520 + 4 + 4);
        assert_eq!(guid(&disk.id)[..8], [4, 3, 2, 1, 6, 5, 8, 7]);
    }
}

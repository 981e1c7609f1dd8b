//! Cluster shared volumes.

use std::collections::BTreeMap;

use wsfc_clusapi::sys::constants::shared_volume_fault;
use wsfc_clusapi::{Error, ObjectName};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind};

use super::{Model, Reader, id_or_name};
use crate::inventory::fields::{set_state, volume_access};

impl Reader {
    pub(super) fn shared_volumes(&mut self, known: &Model) -> Result<Vec<InventoryObject>, Error> {
        let listed = self.cluster.shared_volumes();
        let mut volumes = Vec::new();
        for listed in self.optional("the shared volumes", listed)?.unwrap_or_default() {
            volumes.extend(self.shared_volume(known, &listed)?);
        }
        Ok(volumes)
    }

    fn shared_volume(&mut self, known: &Model, listed: &ObjectName) -> Result<Option<InventoryObject>, Error> {
        let id = listed.id.as_deref().unwrap_or_default();
        // Its disk is a resource like others, and what is known of that one must not be told in another way here.
        let disk = match known
            .find(ObjectKind::Resource, id, &listed.name)
            .and_then(|key| known.get(&key))
        {
            Some(disk) => Some(disk.clone()),
            None => self.resource(known, id, &listed.name)?,
        };
        let Some(Object::Resource(disk)) = disk.and_then(|disk| disk.object) else {
            return Ok(None);
        };
        let opened = self.cluster.open_resource(id_or_name(&disk.id, &disk.name));
        let Some(opened) = self.optional("the disk of a shared volume", opened)? else {
            return Ok(None);
        };
        let parts = self.optional("the volumes of a shared disk", opened.shared_volumes())?;
        let parts = parts.unwrap_or_default();
        let places = self.optional("how a shared volume is reached", opened.shared_volume_places())?;
        let maintenance = self.optional("whether a disk is in maintenance", opened.is_in_maintenance())?;
        // Guess: a disk with several volumes is reached as the first of them is.
        let mut nodes = BTreeMap::new();
        for place in places.unwrap_or_default() {
            nodes.entry(place.node.to_lowercase()).or_insert(v1::SharedVolumeNode {
                node: place.node,
                access: volume_access(place.state.0).into(),
                native_access: place.state.0,
            });
        }
        let in_maintenance = |part: &wsfc_clusapi::SharedVolume| part.faults & shared_volume_fault::IN_MAINTENANCE != 0;
        let mut object = self.wrap(Object::SharedVolume(v1::SharedVolume {
            maintenance: maintenance.unwrap_or_default() || parts.iter().any(in_maintenance),
            name: disk.name,
            id: disk.id,
            owner_node: disk.owner_node,
            nodes: nodes.into_values().collect(),
            volumes: parts
                .into_iter()
                .map(|part| v1::SharedVolumePart {
                    friendly_name: part.friendly_name,
                    volume_name: part.volume_name,
                    fault_state: part.faults,
                })
                .collect(),
            ..v1::SharedVolume::default()
        }));
        set_state(&mut object, disk.native_state);
        Ok(Some(object))
    }
}

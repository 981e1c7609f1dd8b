//! The quorum.

use wsfc_clusapi::{Error, QuorumKind};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind, QuorumType};

use super::{Model, Reader};
use crate::inventory::fields::set_properties;
use crate::inventory::hearing::votes;

impl Reader {
    pub(super) fn quorum(&mut self, known: &Model) -> Result<Option<InventoryObject>, Error> {
        let told = self.cluster.quorum();
        let Some(told) = self.optional("the quorum", told)? else {
            return Ok(None);
        };
        let witness = match known
            .find(ObjectKind::Resource, "", &told.witness)
            .and_then(|key| known.get(&key))
        {
            Some(witness) => Some(witness.clone()),
            None if told.witness.is_empty() => None,
            None => self.resource(known, "", &told.witness)?,
        };
        let witness = match witness.and_then(|witness| witness.object) {
            Some(Object::Resource(witness)) => witness,
            _ => v1::Resource::default(),
        };
        let mut object = self.wrap(Object::Quorum(v1::Quorum {
            r#type: quorum_type(told.kind, &witness.r#type).into(),
            witness: witness.name,
            witness_type: witness.r#type,
            witness_state: witness.state,
            votes: votes(known),
            native_type: told.kind.0,
            ..v1::Quorum::default()
        }));
        for list in self.properties_of_cluster()? {
            set_properties(&mut object, &list);
        }
        Ok(Some(object))
    }
}

/// The kind of quorum follows from that a disk decides alone, and else from the type of the witness (facts 2.6).
fn quorum_type(kind: QuorumKind, witness_type: &str) -> QuorumType {
    if kind == QuorumKind::DISK_ONLY {
        return QuorumType::DiskOnly;
    }
    match witness_type {
        "" => QuorumType::NodeMajority,
        "Physical Disk" => QuorumType::DiskWitness,
        "File Share Witness" => QuorumType::FileShareWitness,
        "Cloud Witness" => QuorumType::CloudWitness,
        _ => QuorumType::OtherWitness,
    }
}

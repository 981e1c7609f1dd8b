//! What the objects of a cluster are addressed by, and compared without.

use wsfc_proto::v1::{InventoryObject, ObjectKind};

use crate::journal::{Common, caseless, set_revision};

/// What addresses an object in its cluster. Ids and names compare without case (facts 2.1), so the id is in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind.
    pub kind: ObjectKind,
    /// The id in lower case; the name of what has none, and nothing for the cluster itself and its quorum.
    pub id: String,
}

impl Key {
    /// The key of an object with this id.
    pub fn new(kind: ObjectKind, id: &str) -> Self {
        Self { kind, id: caseless(id) }
    }
}

impl From<Common<'_>> for Key {
    fn from(common: Common<'_>) -> Self {
        Self {
            kind: common.kind,
            id: common.key(),
        }
    }
}

/// The key of an object; nothing of one that is of no kind known here.
pub fn key(object: &InventoryObject) -> Option<Key> {
    Common::of(object).map(Key::from)
}

/// The object as it is compared: who observes does not know its revision, which the journal gives.
pub fn without_revision(mut object: InventoryObject) -> InventoryObject {
    set_revision(&mut object, 0);
    object
}

//! What the objects of the inventory have in common, whatever their kind.

use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{InventoryObject, ObjectKind};

use crate::journal::caseless;

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

/// What objects have in common, as far as their kind has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Common<'a> {
    /// The kind.
    pub kind: ObjectKind,
    /// The id; the name of what has none.
    pub id: &'a str,
    /// The name.
    pub name: &'a str,
    /// The native number of the state.
    pub native_state: Option<i32>,
    /// The node that owns it.
    pub owner: Option<&'a str>,
    /// The group that it belongs to.
    pub group: Option<&'a str>,
}

impl Common<'_> {
    /// The key of the object.
    pub fn key(&self) -> Key {
        // A cluster has one of each, and a rename of the cluster must not make another.
        match self.kind {
            ObjectKind::Cluster | ObjectKind::Quorum => Key::new(self.kind, ""),
            _ if self.id.is_empty() => Key::new(self.kind, self.name),
            _ => Key::new(self.kind, self.id),
        }
    }
}

/// What an object has in common with others; nothing of one that is of no kind known here.
pub fn common(object: &InventoryObject) -> Option<Common<'_>> {
    let named = |kind, id, name| Common {
        kind,
        id,
        name,
        native_state: None,
        owner: None,
        group: None,
    };
    Some(match object.object.as_ref()? {
        Object::Cluster(it) => named(ObjectKind::Cluster, &it.id, &it.name),
        Object::Node(it) => Common {
            native_state: Some(it.native_state),
            ..named(ObjectKind::Node, &it.id, &it.name)
        },
        Object::Group(it) => Common {
            native_state: Some(it.native_state),
            owner: Some(&it.owner_node),
            ..named(ObjectKind::Group, &it.id, &it.name)
        },
        Object::Resource(it) => Common {
            native_state: Some(it.native_state),
            owner: Some(&it.owner_node),
            group: Some(&it.group),
            ..named(ObjectKind::Resource, &it.id, &it.name)
        },
        Object::ResourceType(it) => named(ObjectKind::ResourceType, &it.name, &it.name),
        Object::Network(it) => Common {
            native_state: Some(it.native_state),
            ..named(ObjectKind::Network, &it.id, &it.name)
        },
        Object::NetworkInterface(it) => Common {
            native_state: Some(it.native_state),
            ..named(ObjectKind::NetworkInterface, &it.id, &it.name)
        },
        Object::GroupSet(it) => named(ObjectKind::GroupSet, &it.name, &it.name),
        Object::AffinityRule(it) => named(ObjectKind::AffinityRule, &it.name, &it.name),
        Object::SharedVolume(it) => Common {
            native_state: Some(it.native_state),
            owner: Some(&it.owner_node),
            ..named(ObjectKind::SharedVolume, &it.id, &it.name)
        },
        Object::Quorum(_) => named(ObjectKind::Quorum, "", ""),
    })
}

/// The key of an object; nothing of one that is of no kind known here.
pub fn key(object: &InventoryObject) -> Option<Key> {
    common(object).map(|common| common.key())
}

/// The field that tells at which revision the object last changed.
pub fn revision_mut(object: &mut InventoryObject) -> Option<&mut u64> {
    Some(match object.object.as_mut()? {
        Object::Cluster(it) => &mut it.revision,
        Object::Node(it) => &mut it.revision,
        Object::Group(it) => &mut it.revision,
        Object::Resource(it) => &mut it.revision,
        Object::ResourceType(it) => &mut it.revision,
        Object::Network(it) => &mut it.revision,
        Object::NetworkInterface(it) => &mut it.revision,
        Object::GroupSet(it) => &mut it.revision,
        Object::AffinityRule(it) => &mut it.revision,
        Object::SharedVolume(it) => &mut it.revision,
        Object::Quorum(it) => &mut it.revision,
    })
}

/// The object as it is compared: who observes does not know its revision, which the journal gives.
pub fn without_revision(mut object: InventoryObject) -> InventoryObject {
    if let Some(revision) = revision_mut(&mut object) {
        *revision = 0;
    }
    object
}

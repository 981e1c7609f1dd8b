//! The objects of the inventory, whatever their kind.

use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{InventoryObject, ObjectKind};

use crate::fields::{self, Field};
use crate::json;

/// Does the same with the object of any kind. An object of a kind that this library does not know has none.
macro_rules! with_object {
    ($object:expr, $name:ident => $does:expr) => {
        match &$object.object {
            Some(Object::Cluster($name)) => Some($does),
            Some(Object::Node($name)) => Some($does),
            Some(Object::Group($name)) => Some($does),
            Some(Object::Resource($name)) => Some($does),
            Some(Object::ResourceType($name)) => Some($does),
            Some(Object::Network($name)) => Some($does),
            Some(Object::NetworkInterface($name)) => Some($does),
            Some(Object::GroupSet($name)) => Some($does),
            Some(Object::AffinityRule($name)) => Some($does),
            Some(Object::SharedVolume($name)) => Some($does),
            Some(Object::Quorum($name)) => Some($does),
            None => None,
        }
    };
}

/// What identifies an object among all that a daemon observes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The id of the cluster that it belongs to.
    pub cluster_id: String,
    /// The kind of object; a number, since kinds may be added.
    pub kind: i32,
    /// The id of the object in lower case; its name where the kind has no id, and empty for the quorum.
    pub id: String,
}

/// The key of an object.
pub fn key(object: &InventoryObject) -> ObjectKey {
    let own = id(object);
    let id = if own.is_empty() { name(object) } else { own };
    ObjectKey {
        cluster_id: object.cluster_id.to_lowercase(),
        kind: kind(object).into(),
        id: id.to_lowercase(),
    }
}

/// The kind of an object.
pub fn kind(object: &InventoryObject) -> ObjectKind {
    match &object.object {
        Some(Object::Cluster(_)) => ObjectKind::Cluster,
        Some(Object::Node(_)) => ObjectKind::Node,
        Some(Object::Group(_)) => ObjectKind::Group,
        Some(Object::Resource(_)) => ObjectKind::Resource,
        Some(Object::ResourceType(_)) => ObjectKind::ResourceType,
        Some(Object::Network(_)) => ObjectKind::Network,
        Some(Object::NetworkInterface(_)) => ObjectKind::NetworkInterface,
        Some(Object::GroupSet(_)) => ObjectKind::GroupSet,
        Some(Object::AffinityRule(_)) => ObjectKind::AffinityRule,
        Some(Object::SharedVolume(_)) => ObjectKind::SharedVolume,
        Some(Object::Quorum(_)) => ObjectKind::Quorum,
        None => ObjectKind::Unspecified,
    }
}

/// The name of an object; empty for the quorum.
pub fn name(object: &InventoryObject) -> &str {
    match &object.object {
        Some(Object::Cluster(object)) => &object.name,
        Some(Object::Node(object)) => &object.name,
        Some(Object::Group(object)) => &object.name,
        Some(Object::Resource(object)) => &object.name,
        Some(Object::ResourceType(object)) => &object.name,
        Some(Object::Network(object)) => &object.name,
        Some(Object::NetworkInterface(object)) => &object.name,
        Some(Object::GroupSet(object)) => &object.name,
        Some(Object::AffinityRule(object)) => &object.name,
        Some(Object::SharedVolume(object)) => &object.name,
        Some(Object::Quorum(_)) | None => "",
    }
}

/// The id of an object; empty for the kinds that have none.
pub fn id(object: &InventoryObject) -> &str {
    match &object.object {
        Some(Object::Cluster(object)) => &object.id,
        Some(Object::Node(object)) => &object.id,
        Some(Object::Group(object)) => &object.id,
        Some(Object::Resource(object)) => &object.id,
        Some(Object::Network(object)) => &object.id,
        Some(Object::NetworkInterface(object)) => &object.id,
        Some(Object::SharedVolume(object)) => &object.id,
        Some(Object::ResourceType(_) | Object::GroupSet(_) | Object::AffinityRule(_) | Object::Quorum(_)) | None => "",
    }
}

/// The revision at which an object last changed.
pub fn revision(object: &InventoryObject) -> u64 {
    with_object!(object, object => object.revision).unwrap_or_default()
}

/// True when `asked` is the name or the id of the object, compared without case. The quorum has no name, so that only
/// the empty one means it.
pub fn is_called(object: &InventoryObject, asked: &str) -> bool {
    let asked = asked.to_lowercase();
    asked == name(object).to_lowercase() || (!asked.is_empty() && asked == id(object).to_lowercase())
}

/// The fields of an object in words; see [`fields::of`].
///
/// # Errors
///
/// As [`fields::of`].
pub fn fields(object: &InventoryObject) -> Result<Vec<Field>, json::Error> {
    with_object!(object, object => fields::of(object)).unwrap_or_else(|| Ok(Vec::new()))
}

#[cfg(test)]
mod tests {
    use wsfc_proto::v1::{GroupSet, Quorum, Resource};

    use super::*;

    fn object(object: Object) -> InventoryObject {
        InventoryObject {
            cluster_id: "C1".to_owned(),
            object: Some(object),
        }
    }

    #[test]
    fn the_id_is_the_key_and_the_name_where_there_is_none() {
        let disk = object(Object::Resource(Resource {
            name: "Disk 1".to_owned(),
            id: "AB-1".to_owned(),
            ..Default::default()
        }));
        assert_eq!(key(&disk).id, "ab-1");
        assert!(is_called(&disk, "DISK 1") && is_called(&disk, "ab-1") && !is_called(&disk, ""));
        let set = object(Object::GroupSet(GroupSet {
            name: "Front".to_owned(),
            ..Default::default()
        }));
        assert_eq!((key(&set).id.as_str(), key(&set).kind), ("front", 8));
        let quorum = object(Object::Quorum(Quorum::default()));
        assert_eq!(key(&quorum).id, "");
        assert!(is_called(&quorum, ""));
    }

    #[test]
    fn an_object_of_a_newer_kind_is_no_error() {
        let unknown = InventoryObject::default();
        assert_eq!(kind(&unknown), ObjectKind::Unspecified);
        assert_eq!(revision(&unknown), 0);
        assert!(fields(&unknown).unwrap().is_empty());
    }
}

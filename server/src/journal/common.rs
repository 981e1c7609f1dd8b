//! What the objects of the inventory have in common, whatever their kind.

use wsfc_proto::v1;
use wsfc_proto::v1::inventory_object::Object as Value;

use super::objects::caseless;

/// What an object has in common with others, as far as its kind has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Common<'o> {
    /// Its kind.
    pub kind: v1::ObjectKind,
    /// Its name.
    pub name: &'o str,
    /// Its id; empty for kinds without one.
    pub id: &'o str,
    /// The native number of its state.
    pub native_state: Option<i32>,
    /// The node that owns it.
    pub owner: Option<&'o str>,
    /// The group that it belongs to.
    pub group: Option<&'o str>,
}

impl<'o> Common<'o> {
    /// What an object has in common with others; `None` when it holds no object that is known here.
    pub fn of(object: &'o v1::InventoryObject) -> Option<Self> {
        use v1::ObjectKind as Kind;
        let named = |kind, name, id| Self {
            kind,
            name,
            id,
            native_state: None,
            owner: None,
            group: None,
        };
        let with_state = |common, native_state| Self {
            native_state: Some(native_state),
            ..common
        };
        Some(match object.object.as_ref()? {
            Value::Cluster(it) => named(Kind::Cluster, &it.name, &it.id),
            Value::Node(it) => with_state(named(Kind::Node, &it.name, &it.id), it.native_state),
            Value::Group(it) => Self {
                owner: Some(&it.owner_node),
                ..with_state(named(Kind::Group, &it.name, &it.id), it.native_state)
            },
            Value::Resource(it) => Self {
                owner: Some(&it.owner_node),
                group: Some(&it.group),
                ..with_state(named(Kind::Resource, &it.name, &it.id), it.native_state)
            },
            Value::ResourceType(it) => named(Kind::ResourceType, &it.name, ""),
            Value::Network(it) => with_state(named(Kind::Network, &it.name, &it.id), it.native_state),
            Value::NetworkInterface(it) => with_state(named(Kind::NetworkInterface, &it.name, &it.id), it.native_state),
            Value::GroupSet(it) => named(Kind::GroupSet, &it.name, ""),
            Value::AffinityRule(it) => named(Kind::AffinityRule, &it.name, ""),
            Value::SharedVolume(it) => Self {
                owner: Some(&it.owner_node),
                ..with_state(named(Kind::SharedVolume, &it.name, &it.id), it.native_state)
            },
            Value::Quorum(_) => named(Kind::Quorum, "", ""),
        })
    }

    /// What the object is known by among those of its kind: its id, or its name, in lower case. The cluster itself and its
    /// quorum, of which there is one, by nothing: a rename must not make another.
    pub fn key(&self) -> String {
        caseless(match self.kind {
            v1::ObjectKind::Cluster | v1::ObjectKind::Quorum => "",
            _ if self.id.is_empty() => self.name,
            _ => self.id,
        })
    }
}

/// Does the same with an object of whichever kind.
macro_rules! with_any {
    ($object:expr, $it:ident => $do:expr) => {
        match $object {
            Value::Cluster($it) => $do,
            Value::Node($it) => $do,
            Value::Group($it) => $do,
            Value::Resource($it) => $do,
            Value::ResourceType($it) => $do,
            Value::Network($it) => $do,
            Value::NetworkInterface($it) => $do,
            Value::GroupSet($it) => $do,
            Value::AffinityRule($it) => $do,
            Value::SharedVolume($it) => $do,
            Value::Quorum($it) => $do,
        }
    };
}

/// The revision at which an object last changed; 0 when that is not known.
pub(super) fn revision(object: &v1::InventoryObject) -> u64 {
    object
        .object
        .as_ref()
        .map_or(0, |object| with_any!(object, it => it.revision))
}

/// Sets the revision at which an object last changed.
pub fn set_revision(object: &mut v1::InventoryObject, revision: u64) {
    if let Some(object) = &mut object.object {
        with_any!(object, it => it.revision = revision);
    }
}

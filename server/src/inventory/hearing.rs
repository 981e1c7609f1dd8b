//! What a notification means for the inventory: pure, so that it can be judged without a cluster.
//!
//! A notification whose payload says it all changes the model at once; for the others the object, or its kind where that
//! is rare, has to be read again. Nothing is believed that cannot be understood: then changes may have been missed, and
//! the whole cluster is compared.

mod follow;

use std::collections::BTreeMap;

use wsfc_clusapi::notify::Notification;
use wsfc_clusapi::notify::payload;
use wsfc_clusapi::sys::constants::{
    notify_cluster, notify_group, notify_groupset, notify_network, notify_network_interface, notify_node,
    notify_object, notify_quorum, notify_resource, notify_resource_type, notify_shared_volume, notify_spaceport,
    notify_upgrade, resource_state,
};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, ChangeType, ClusterEvent, InventoryObject, ObjectKind};

pub use self::follow::votes;
use super::diff;
use super::fields::{set_properties, set_state};
use super::model::Model;
use super::object::Key;
use super::property::property;
use crate::journal::Common;

/// The reason of a gap after notifications were lost on the way.
pub const LOST_NOTIFICATIONS: &str = "LOST_NOTIFICATIONS";
/// The reason of a gap after the connection was lost.
pub const RECONNECTED: &str = "RECONNECTED";
/// The reason of a gap after a handle was closed from the other side.
pub const HANDLE_CLOSED: &str = "HANDLE_CLOSED";
/// The reason of a gap after a notification that nobody here understands.
pub const UNKNOWN_NOTIFICATION: &str = "UNKNOWN_NOTIFICATION";

/// The largest payload whose properties an event repeats; an event must fit into an append of the journal.
const MAX_TOLD_BYTES: usize = 256 * 1024;

/// The status of a resource's last operation changes with its state and is not told: it has one when it failed, and none any
/// more when it has come through.
fn has_another_status(object: &InventoryObject, native: i32) -> bool {
    matches!(&object.object, Some(Object::Resource(resource))
        if native == resource_state::FAILED || resource.last_operation_status != 0)
}

/// Why a notification cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Changes may have been missed; the reason of the gap.
    Missed(&'static str),
    /// The connection is of no use any more; the reason of the gap.
    Broken(&'static str),
}

/// What has to be read again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    /// Everything: names have changed that many objects hold.
    Everything,
    /// Every object of a kind.
    Kind(ObjectKind),
    /// The resources of a group, by its id or name.
    Members(String),
    /// One object, by its id or, if that leads nowhere, its name.
    Object(ObjectKind, String, String),
}

/// What was heard and is not yet recorded.
#[derive(Debug, Default)]
pub struct Hearing {
    /// The events, in order.
    pub events: Vec<ClusterEvent>,
    /// What has to be read again, and the first notification that asked for it.
    pub reads: BTreeMap<Read, v1::Notification>,
}

/// What a notification says of an object, whatever its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tiding {
    Deleted,
    Common,
    Private,
    State,
    Relations,
    /// It has to be read again.
    Reread,
    HandleClosed,
    /// Known, and nothing of the inventory.
    Nothing,
}

impl Hearing {
    /// Applies a notification.
    ///
    /// # Errors
    ///
    /// [`Loss`] says what has to happen before anything that comes later is believed.
    pub fn hear(&mut self, model: &mut Model, told: &Notification) -> Result<(), Loss> {
        use ObjectKind as Kind;
        let (kind, tiding) = match told.object_type {
            notify_object::CLUSTER => return self.hear_cluster(model, told),
            notify_object::GROUP => match told.flag {
                notify_group::OWNER_NODE => {
                    self.hear_owner(model, told);
                    return Ok(());
                }
                notify_group::RESOURCE_ADDED | notify_group::RESOURCE_GAINED | notify_group::RESOURCE_LOST => {
                    self.hear_member(told);
                    return Ok(());
                }
                notify_group::DELETED => (Kind::Group, Tiding::Deleted),
                notify_group::COMMON_PROPERTY => (Kind::Group, Tiding::Common),
                notify_group::PRIVATE_PROPERTY => (Kind::Group, Tiding::Private),
                notify_group::STATE => (Kind::Group, Tiding::State),
                notify_group::PREFERRED_OWNERS => (Kind::Group, Tiding::Relations),
                notify_group::HANDLE_CLOSE => (Kind::Group, Tiding::HandleClosed),
                _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
            },
            notify_object::RESOURCE => match told.flag {
                notify_resource::DELETED => (Kind::Resource, Tiding::Deleted),
                notify_resource::COMMON_PROPERTY => (Kind::Resource, Tiding::Common),
                notify_resource::PRIVATE_PROPERTY => (Kind::Resource, Tiding::Private),
                notify_resource::STATE => (Kind::Resource, Tiding::State),
                notify_resource::DEPENDENCIES | notify_resource::DEPENDENTS | notify_resource::POSSIBLE_OWNERS => {
                    (Kind::Resource, Tiding::Relations)
                }
                notify_resource::OWNER_GROUP | notify_resource::TERMINAL_STATE | notify_resource::DLL_UPGRADED => {
                    (Kind::Resource, Tiding::Reread)
                }
                notify_resource::HANDLE_CLOSE => (Kind::Resource, Tiding::HandleClosed),
                _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
            },
            notify_object::RESOURCE_TYPE => match told.flag {
                notify_resource_type::DELETED => (Kind::ResourceType, Tiding::Deleted),
                notify_resource_type::COMMON_PROPERTY => (Kind::ResourceType, Tiding::Common),
                notify_resource_type::PRIVATE_PROPERTY => (Kind::ResourceType, Tiding::Private),
                notify_resource_type::POSSIBLE_OWNERS => (Kind::ResourceType, Tiding::Relations),
                notify_resource_type::DLL_UPGRADED => (Kind::ResourceType, Tiding::Reread),
                notify_resource_type::SPECIFIC => (Kind::ResourceType, Tiding::Nothing),
                _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
            },
            notify_object::NETWORK => match told.flag {
                notify_network::DELETED => (Kind::Network, Tiding::Deleted),
                notify_network::COMMON_PROPERTY => (Kind::Network, Tiding::Common),
                notify_network::PRIVATE_PROPERTY => (Kind::Network, Tiding::Private),
                notify_network::STATE => (Kind::Network, Tiding::State),
                notify_network::HANDLE_CLOSE => (Kind::Network, Tiding::HandleClosed),
                _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
            },
            notify_object::NETWORK_INTERFACE => match told.flag {
                notify_network_interface::DELETED => (Kind::NetworkInterface, Tiding::Deleted),
                notify_network_interface::COMMON_PROPERTY => (Kind::NetworkInterface, Tiding::Common),
                notify_network_interface::PRIVATE_PROPERTY => (Kind::NetworkInterface, Tiding::Private),
                notify_network_interface::STATE => (Kind::NetworkInterface, Tiding::State),
                notify_network_interface::HANDLE_CLOSE => (Kind::NetworkInterface, Tiding::HandleClosed),
                _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
            },
            notify_object::NODE => match told.flag {
                // The object of this one is the interface (facts 4.3).
                notify_node::NETWORK_INTERFACE_ADDED => (Kind::NetworkInterface, Tiding::Reread),
                notify_node::DELETED => (Kind::Node, Tiding::Deleted),
                notify_node::COMMON_PROPERTY => (Kind::Node, Tiding::Common),
                notify_node::PRIVATE_PROPERTY => (Kind::Node, Tiding::Private),
                notify_node::STATE => (Kind::Node, Tiding::State),
                // The group's own change of owner says the same.
                notify_node::GROUP_GAINED | notify_node::GROUP_LOST => (Kind::Node, Tiding::Nothing),
                notify_node::HANDLE_CLOSE => (Kind::Node, Tiding::HandleClosed),
                _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
            },
            notify_object::QUORUM if told.flag == notify_quorum::STATE => {
                self.read(Read::Kind(Kind::Quorum), told);
                return Ok(());
            }
            notify_object::SHARED_VOLUME if told.flag & notify_shared_volume::EVERYTHING == told.flag => {
                self.read(Read::Kind(Kind::SharedVolume), told);
                return Ok(());
            }
            notify_object::UPGRADE if told.flag & notify_upgrade::EVERYTHING == told.flag => {
                self.read(Read::Kind(Kind::Cluster), told);
                self.read(Read::Kind(Kind::Node), told);
                return Ok(());
            }
            notify_object::SPACEPORT if told.flag == notify_spaceport::CUSTOM_PNP => return Ok(()),
            notify_object::GROUPSET => match told.flag {
                notify_groupset::DELETED => (Kind::GroupSet, Tiding::Deleted),
                notify_groupset::COMMON_PROPERTY => (Kind::GroupSet, Tiding::Common),
                notify_groupset::PRIVATE_PROPERTY => (Kind::GroupSet, Tiding::Private),
                notify_groupset::STATE => (Kind::GroupSet, Tiding::Nothing),
                notify_groupset::GROUP_ADDED | notify_groupset::GROUP_REMOVED => {
                    self.read(Read::Kind(Kind::GroupSet), told);
                    return Ok(());
                }
                notify_groupset::DEPENDENCIES | notify_groupset::DEPENDENTS => {
                    self.read(Read::Kind(Kind::GroupSet), told);
                    (Kind::GroupSet, Tiding::Relations)
                }
                notify_groupset::HANDLE_CLOSE => (Kind::GroupSet, Tiding::HandleClosed),
                _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
            },
            // Guess: no public source tells what rules notify by which number, so whatever comes is a change of a rule.
            notify_object::AFFINITY_RULE => {
                self.read(Read::Kind(Kind::AffinityRule), told);
                return Ok(());
            }
            _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
        };
        self.hear_object(model, kind, tiding, told)
    }

    fn hear_object(
        &mut self,
        model: &mut Model,
        kind: ObjectKind,
        tiding: Tiding,
        told: &Notification,
    ) -> Result<(), Loss> {
        let found = model.find(kind, &told.object_id, &told.name);
        let change = match tiding {
            Tiding::Nothing => return Ok(()),
            Tiding::HandleClosed => return Err(Loss::Missed(HANDLE_CLOSED)),
            Tiding::Deleted => {
                if let Some(key) = found {
                    self.gone(model, &key, Some(&notification(told)));
                }
                return Ok(());
            }
            Tiding::State => {
                let native = payload::state(&told.payload).ok_or(Loss::Missed(UNKNOWN_NOTIFICATION))?;
                if kind == ObjectKind::Node {
                    // How far a drain is, and what counts, changes with the state of a node and is not told apart.
                    self.read_object(kind, told);
                }
                return match found.as_ref().and_then(|key| model.get(key)).cloned() {
                    Some(mut object) => {
                        set_state(&mut object, native);
                        if has_another_status(&object, native) {
                            self.read_object(kind, told);
                        }
                        self.change(model, object, Some(&notification(told)));
                        Ok(())
                    }
                    None => {
                        self.read_object(kind, told);
                        Ok(())
                    }
                };
            }
            Tiding::Common => {
                return match found {
                    Some(key) => self.hear_properties(model, &key, told),
                    None => {
                        self.read_object(kind, told);
                        Ok(())
                    }
                };
            }
            Tiding::Reread => {
                self.read_object(kind, told);
                return Ok(());
            }
            Tiding::Private => ChangeType::PrivateProperties,
            Tiding::Relations => ChangeType::Relations,
        };
        match found.as_ref().and_then(|key| model.get(key)) {
            Some(object) => self.push(model, diff::event(change, object), Some(&notification(told))),
            None => self.read_object(kind, told),
        }
        Ok(())
    }

    fn hear_cluster(&mut self, model: &mut Model, told: &Notification) -> Result<(), Loss> {
        use ObjectKind as Kind;
        let cluster = Key::new(Kind::Cluster, "");
        let reads: &[ObjectKind] = match told.flag {
            notify_cluster::RECONNECT => return Err(Loss::Missed(RECONNECTED)),
            notify_cluster::LOST_NOTIFICATIONS => return Err(Loss::Missed(LOST_NOTIFICATIONS)),
            // No node answers any more: the port says nothing again (facts 4.3, 4.4).
            notify_cluster::STATE => return Err(Loss::Broken(RECONNECTED)),
            notify_cluster::HANDLE_CLOSE => return Err(Loss::Broken(HANDLE_CLOSED)),
            notify_cluster::GROUP_ADDED => {
                self.read_object(Kind::Group, told);
                &[]
            }
            notify_cluster::NODE_ADDED => {
                self.read_object(Kind::Node, told);
                &[Kind::Network, Kind::NetworkInterface, Kind::SharedVolume, Kind::Quorum]
            }
            notify_cluster::NETWORK_ADDED => &[Kind::Network, Kind::NetworkInterface],
            notify_cluster::RESOURCE_TYPE_ADDED => &[Kind::ResourceType],
            notify_cluster::UPGRADED => &[Kind::Cluster, Kind::Node],
            notify_cluster::COMMON_PROPERTY => return self.hear_properties(model, &cluster, told),
            notify_cluster::PRIVATE_PROPERTY => {
                if let Some(object) = model.get(&cluster) {
                    let event = diff::event(ChangeType::PrivateProperties, object);
                    self.push(model, event, Some(&notification(told)));
                }
                &[]
            }
            notify_cluster::RENAME => {
                self.change_cluster(model, told, |cluster| cluster.name.clone_from(&told.name));
                &[Kind::Cluster]
            }
            notify_cluster::MEMBERSHIP => {
                let membership = payload::membership(&told.payload).ok_or(Loss::Missed(UNKNOWN_NOTIFICATION))?;
                self.change_cluster(model, told, |cluster| cluster.has_quorum = membership.has_quorum);
                // Who counts changes with who is there, and nothing else tells.
                &[Kind::Node, Kind::Quorum]
            }
            _ => return Err(Loss::Missed(UNKNOWN_NOTIFICATION)),
        };
        for kind in reads {
            self.read(Read::Kind(*kind), told);
        }
        Ok(())
    }

    fn change_cluster(&mut self, model: &mut Model, told: &Notification, set: impl FnOnce(&mut v1::ClusterState)) {
        let Some(mut object) = model.get(&Key::new(ObjectKind::Cluster, "")).cloned() else {
            return;
        };
        if let Some(Object::Cluster(cluster)) = &mut object.object {
            set(cluster);
        }
        if Common::of(&object).is_some_and(|common| !common.name.is_empty()) {
            self.change(model, object, Some(&notification(told)));
        }
    }

    /// The properties that have changed, with their new values.
    fn hear_properties(&mut self, model: &mut Model, key: &Key, told: &Notification) -> Result<(), Loss> {
        let list = payload::properties(&told.payload).map_err(|_malformed| Loss::Missed(UNKNOWN_NOTIFICATION))?;
        let Some(before) = model.get(key).cloned() else {
            return Ok(());
        };
        let mut after = before.clone();
        let understood = set_properties(&mut after, &list);
        // Without a list nothing is told but that something has changed.
        if !understood || list.properties.is_empty() {
            self.read_object(key.kind, told);
        }
        let mut event =
            diff::change(Some(&before), Some(&after)).unwrap_or_else(|| diff::event(ChangeType::Properties, &after));
        let named = |name: &str| ["name", "nodename"].contains(&name.to_lowercase().as_str());
        let beside_the_name = list.properties.iter().any(|property| !named(&property.name));
        if beside_the_name && !event.changes.contains(&ChangeType::Properties.into()) {
            event.changes.push(ChangeType::Properties.into());
        }
        if told.payload.len() <= MAX_TOLD_BYTES {
            event.properties = list.properties.iter().map(property).collect();
        } else {
            tracing::warn!(
                bytes = told.payload.len(),
                name = told.name,
                "A notification has so many properties that its event leaves them out"
            );
        }
        self.settle(model, Some(&before), Some(after), event, Some(&notification(told)));
        if key.kind == ObjectKind::Cluster {
            // Two of its properties are shown with the quorum.
            self.hear_quorum_properties(model, &list, told);
        }
        Ok(())
    }

    fn hear_quorum_properties(
        &mut self,
        model: &mut Model,
        list: &wsfc_clusapi::proplist::PropertyList,
        told: &Notification,
    ) {
        let Some(mut quorum) = model.get(&Key::new(ObjectKind::Quorum, "")).cloned() else {
            return;
        };
        if set_properties(&mut quorum, list) {
            self.change(model, quorum, Some(&notification(told)));
        } else {
            self.read(Read::Kind(ObjectKind::Quorum), told);
        }
    }

    /// The new owner is told by its number, in the place of a parent's id (facts 4.3).
    fn hear_owner(&mut self, model: &mut Model, told: &Notification) {
        let group = model
            .find(ObjectKind::Group, &told.object_id, &told.name)
            .and_then(|key| model.get(&key))
            .cloned();
        let owner = model.node_name(&told.parent_id).map(String::from);
        match (group, owner) {
            (Some(mut object), Some(owner)) => {
                if let Some(Object::Group(group)) = &mut object.object {
                    group.owner_node = owner;
                }
                self.change(model, object, Some(&notification(told)));
            }
            _ => self.read_object(ObjectKind::Group, told),
        }
    }

    /// A group has gained or lost a resource, whose id is the payload (facts 4.3). Guess: a group that tells of a new
    /// resource does it in the same way; if not, all its resources are read.
    fn hear_member(&mut self, told: &Notification) {
        let resource = payload::text(&told.payload);
        if resource.is_empty() {
            let group = if told.object_id.is_empty() {
                &told.name
            } else {
                &told.object_id
            };
            self.read(Read::Members(group.clone()), told);
        } else {
            self.read(Read::Object(ObjectKind::Resource, resource, String::new()), told);
        }
    }

    fn read_object(&mut self, kind: ObjectKind, told: &Notification) {
        use ObjectKind as Kind;
        let read = match kind {
            // There are few of these, or one, so their kind is read.
            Kind::Cluster
            | Kind::ResourceType
            | Kind::Network
            | Kind::GroupSet
            | Kind::AffinityRule
            | Kind::SharedVolume
            | Kind::Quorum
            | Kind::Unspecified => Read::Kind(kind),
            Kind::Node | Kind::Group | Kind::Resource | Kind::NetworkInterface => {
                Read::Object(kind, told.object_id.clone(), told.name.clone())
            }
        };
        self.read(read, told);
    }

    fn read(&mut self, read: Read, told: &Notification) {
        self.reads.entry(read).or_insert_with(|| notification(told));
    }

    /// Puts an object as it is now, and tells what has changed with it.
    pub fn change(&mut self, model: &mut Model, after: InventoryObject, told: Option<&v1::Notification>) {
        let Some(key) = super::object::key(&after) else { return };
        let before = model.get(&key).cloned();
        if let Some(event) = diff::change(before.as_ref(), Some(&after)) {
            self.settle(model, before.as_ref(), Some(after), event, told);
        }
    }

    /// Takes an object away, and tells what goes with it.
    pub fn gone(&mut self, model: &mut Model, key: &Key, told: Option<&v1::Notification>) {
        let before = model.get(key).cloned();
        if let Some(event) = diff::change(before.as_ref(), None) {
            self.settle(model, before.as_ref(), None, event, told);
        }
    }

    fn settle(
        &mut self,
        model: &mut Model,
        before: Option<&InventoryObject>,
        after: Option<InventoryObject>,
        event: ClusterEvent,
        told: Option<&v1::Notification>,
    ) {
        model.apply(&event);
        self.push(model, event, told);
        self.follow(model, before, after.as_ref(), told);
    }

    fn push(&mut self, model: &Model, mut event: ClusterEvent, told: Option<&v1::Notification>) {
        event.notification = told.copied();
        if let Some(cluster) = model.cluster() {
            event.cluster.clone_from(&cluster.name);
        }
        self.events.push(event);
    }

    fn ask(&mut self, read: Read, told: Option<&v1::Notification>) {
        self.reads
            .entry(read)
            .or_insert_with(|| told.copied().unwrap_or_default());
    }
}

fn notification(told: &Notification) -> v1::Notification {
    v1::Notification {
        object_type: told.object_type,
        flag: told.flag,
    }
}

//! What other objects say of one that has changed.

use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind};

use super::{Hearing, Read};
use crate::inventory::fields::set_state;
use crate::inventory::model::Model;
use crate::inventory::object::Key;
use crate::journal::caseless;

impl Hearing {
    /// What other objects say of one that has changed: a group's resources name it and its owner, a shared volume is its
    /// disk, the quorum names its witness and counts the votes of nodes, an interface names its network.
    pub(super) fn follow(
        &mut self,
        model: &mut Model,
        before: Option<&InventoryObject>,
        after: Option<&InventoryObject>,
        told: Option<&v1::Notification>,
    ) {
        let object = |object: Option<&InventoryObject>| object.and_then(|object| object.object.clone());
        match (object(before), object(after)) {
            (before @ (None | Some(Object::Group(_))), Some(Object::Group(group))) => {
                let former = match &before {
                    Some(Object::Group(former)) => Some(former),
                    _ => None,
                };
                if former.is_none_or(|former| former.owner_node != group.owner_node || former.name != group.name) {
                    self.follow_group(model, &group, told);
                }
                if former.is_some_and(|former| former.name != group.name) {
                    self.read_holders_of_groups(model, told);
                }
            }
            (Some(Object::Group(_)), None) => self.read_holders_of_groups(model, told),
            (before @ (None | Some(Object::Resource(_))), Some(Object::Resource(resource))) => {
                let former = match before {
                    Some(Object::Resource(former)) => former.name,
                    _ => resource.name.clone(),
                };
                self.follow_resource(model, &former, &resource, told);
            }
            (Some(Object::Resource(gone)), None) => {
                if model.get(&Key::new(ObjectKind::SharedVolume, &gone.id)).is_some() {
                    self.ask(Read::Kind(ObjectKind::SharedVolume), told);
                }
                if quorum(model).is_some_and(|quorum| is_same(&quorum.witness, &gone.name)) {
                    self.ask(Read::Kind(ObjectKind::Quorum), told);
                }
            }
            (Some(Object::Node(former)), Some(Object::Node(node))) => {
                if former.name != node.name {
                    self.ask(Read::Everything, told);
                }
                self.follow_nodes(model, told);
            }
            (None, Some(Object::Node(_))) => self.follow_nodes(model, told),
            (Some(Object::Node(_)), None) => {
                self.follow_nodes(model, told);
                for kind in [
                    ObjectKind::NetworkInterface,
                    ObjectKind::SharedVolume,
                    ObjectKind::Network,
                ] {
                    self.ask(Read::Kind(kind), told);
                }
            }
            (Some(Object::Network(former)), Some(Object::Network(network))) if former.name != network.name => {
                self.follow_network(model, &former.name, &network.name, told);
            }
            (Some(Object::Network(_)), None) => self.ask(Read::Kind(ObjectKind::NetworkInterface), told),
            _ => {}
        }
    }

    fn follow_group(&mut self, model: &mut Model, group: &v1::Group, told: Option<&v1::Notification>) {
        for key in model.resources_of(&group.id) {
            let Some(mut object) = model.get(&key).cloned() else {
                continue;
            };
            if let Some(Object::Resource(resource)) = &mut object.object {
                resource.owner_node.clone_from(&group.owner_node);
                resource.group.clone_from(&group.name);
            }
            self.change(model, object, told);
        }
    }

    fn follow_resource(
        &mut self,
        model: &mut Model,
        former_name: &str,
        resource: &v1::Resource,
        told: Option<&v1::Notification>,
    ) {
        if let Some(mut object) = model.get(&Key::new(ObjectKind::SharedVolume, &resource.id)).cloned() {
            set_state(&mut object, resource.native_state);
            if let Some(Object::SharedVolume(volume)) = &mut object.object {
                volume.owner_node.clone_from(&resource.owner_node);
                volume.name.clone_from(&resource.name);
            }
            self.change(model, object, told);
        }
        if quorum(model).is_some_and(|quorum| is_same(&quorum.witness, former_name)) {
            self.change_quorum(model, told, |quorum| {
                quorum.witness.clone_from(&resource.name);
                quorum.witness_state = resource.state;
            });
        }
    }

    fn follow_nodes(&mut self, model: &mut Model, told: Option<&v1::Notification>) {
        let votes = votes(model);
        self.change_quorum(model, told, |quorum| quorum.votes = votes);
    }

    fn follow_network(&mut self, model: &mut Model, former: &str, name: &str, told: Option<&v1::Notification>) {
        let interfaces: Vec<_> = model
            .of(ObjectKind::NetworkInterface)
            .map(|(_, it)| it.clone())
            .collect();
        for mut object in interfaces {
            if let Some(Object::NetworkInterface(interface)) = &mut object.object
                && is_same(&interface.network, former)
            {
                interface.network = name.into();
                self.change(model, object, told);
            }
        }
    }

    fn change_quorum(&mut self, model: &mut Model, told: Option<&v1::Notification>, set: impl FnOnce(&mut v1::Quorum)) {
        let Some(mut object) = model.get(&Key::new(ObjectKind::Quorum, "")).cloned() else {
            return;
        };
        if let Some(Object::Quorum(quorum)) = &mut object.object {
            set(quorum);
        }
        self.change(model, object, told);
    }

    /// Sets and rules name their groups; few clusters have any.
    fn read_holders_of_groups(&mut self, model: &Model, told: Option<&v1::Notification>) {
        for kind in [ObjectKind::GroupSet, ObjectKind::AffinityRule] {
            if model.of(kind).next().is_some() {
                self.ask(Read::Kind(kind), told);
            }
        }
    }
}

fn quorum(model: &Model) -> Option<&v1::Quorum> {
    match &model.get(&Key::new(ObjectKind::Quorum, ""))?.object {
        Some(Object::Quorum(quorum)) => Some(quorum),
        _ => None,
    }
}

/// The votes of the nodes, ordered by name.
pub fn votes(model: &Model) -> Vec<v1::NodeVote> {
    let nodes = model
        .of(ObjectKind::Node)
        .filter_map(|(_, object)| match &object.object {
            Some(Object::Node(node)) => Some(v1::NodeVote {
                node: node.name.clone(),
                assigned: node.vote_assigned,
                counts: node.vote_counts,
            }),
            _ => None,
        });
    let mut votes: Vec<_> = nodes.collect();
    votes.sort_by_cached_key(|vote| caseless(&vote.node));
    votes
}

fn is_same(one: &str, other: &str) -> bool {
    !one.is_empty() && caseless(one) == caseless(other)
}

//! A cluster as a model: it tells of each change as facts 4.3 has it, and what it tells waits until it is delivered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;

use proptest::prelude::*;
use wsfc_clusapi::notify::Notification;
use wsfc_clusapi::proplist::{Property, PropertyList, Tail, Value};
use wsfc_clusapi::sys::constants::{
    notify_cluster, notify_group, notify_network, notify_node, notify_object, notify_quorum, notify_resource,
    notify_shared_volume,
};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind};

use super::changes::wrap;
use crate::inventory::fields::{resource_state, set_state};
use crate::inventory::hearing::votes;
use crate::inventory::model::Model;
use crate::inventory::object::Key;
use crate::inventory::reread::Source;

#[derive(Clone, Debug)]
pub(super) struct Node {
    name: String,
    state: i32,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) owner: u32,
    state: i32,
    priority: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Resource {
    name: String,
    group: String,
    state: i32,
}

/// A cluster, and what it has told and nobody has heard.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    name: String,
    pub(super) nodes: BTreeMap<u32, Node>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) resources: BTreeMap<String, Resource>,
    networks: BTreeMap<String, String>,
    volumes: BTreeSet<String>,
    witness: Option<String>,
    dynamic: bool,
    named: u32,
    pub(super) port: VecDeque<Notification>,
}

/// Something that happens; the numbers choose among what there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    MoveGroup(usize, usize),
    GroupState(usize, i32),
    ResourceState(usize, i32),
    NodeState(usize, i32),
    RenameGroup(usize),
    RenameResource(usize),
    RenameNetwork(usize),
    RenameCluster,
    Priority(usize, u32),
    Dynamic(bool),
    AddGroup(usize),
    AddResource(usize, bool),
    AddNode,
    AddNetwork,
    MoveResource(usize, usize),
    DeleteGroup(usize),
    DeleteResource(usize),
    DeleteNode(usize),
    DeleteNetwork(usize),
    Witness(usize),
    Volume(usize),
    PrivateProperty(usize),
    Relations(usize),
    /// What waits at the port is lost.
    Lose,
    /// So many notifications are delivered.
    Deliver(usize),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => happening(), 1 => (1..5_usize).prop_map(Step::Deliver)]
}

pub(super) fn happening() -> impl Strategy<Value = Step> {
    let any_one = 0..8_usize;
    let state = -1..5_i32;
    prop_oneof![
        (any_one.clone(), any_one.clone()).prop_map(|(group, node)| Step::MoveGroup(group, node)),
        (any_one.clone(), state.clone()).prop_map(|(group, state)| Step::GroupState(group, state)),
        (any_one.clone(), state.clone()).prop_map(|(resource, state)| Step::ResourceState(resource, state)),
        (any_one.clone(), state).prop_map(|(node, state)| Step::NodeState(node, state)),
        any_one.clone().prop_map(Step::RenameGroup),
        any_one.clone().prop_map(Step::RenameResource),
        any_one.clone().prop_map(Step::RenameNetwork),
        Just(Step::RenameCluster),
        (any_one.clone(), 0..3000_u32).prop_map(|(group, priority)| Step::Priority(group, priority)),
        any::<bool>().prop_map(Step::Dynamic),
        any_one.clone().prop_map(Step::AddGroup),
        (any_one.clone(), any::<bool>()).prop_map(|(group, told)| Step::AddResource(group, told)),
        Just(Step::AddNode),
        Just(Step::AddNetwork),
        (any_one.clone(), any_one.clone()).prop_map(|(resource, group)| Step::MoveResource(resource, group)),
        any_one.clone().prop_map(Step::DeleteGroup),
        any_one.clone().prop_map(Step::DeleteResource),
        any_one.clone().prop_map(Step::DeleteNode),
        any_one.clone().prop_map(Step::DeleteNetwork),
        any_one.clone().prop_map(Step::Witness),
        any_one.clone().prop_map(Step::Volume),
        any_one.clone().prop_map(Step::PrivateProperty),
        any_one.prop_map(Step::Relations),
        Just(Step::Lose),
    ]
}

pub(super) fn pick<K: Clone, V>(map: &BTreeMap<K, V>, place: usize) -> Option<K> {
    map.keys().nth(place % map.len().max(1)).cloned()
}

pub(super) fn list(properties: &[(&str, Value)]) -> Vec<u8> {
    let properties = properties.iter().map(|(name, value)| Property {
        name: (*name).into(),
        values: vec![value.clone()],
    });
    let list = PropertyList {
        properties: properties.collect(),
    };
    list.to_bytes(Tail::ExtraZero).unwrap()
}

pub(super) fn text(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            name: "CL1".into(),
            ..Self::default()
        };
        for _ in 0..2 {
            world.take(&Step::AddNode);
            world.take(&Step::AddGroup(0));
            world.take(&Step::AddNetwork);
        }
        world.take(&Step::AddResource(0, true));
        world.take(&Step::AddResource(1, true));
        world.port.clear();
        world
    }

    pub(super) fn tell(&mut self, object_type: u32, flag: i64, id: &str, name: &str, payload: Vec<u8>) {
        self.port.push_back(Notification {
            object_type,
            flag,
            key: 0,
            object_id: id.into(),
            parent_id: String::new(),
            name: name.into(),
            resource_type: String::new(),
            payload,
        });
    }

    pub(super) fn fresh(&mut self, what: &str) -> String {
        self.named += 1;
        format!("{what} {}", self.named)
    }

    /// Lets something happen; what is not possible does not.
    pub(super) fn take(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::MoveGroup(group, node) => {
                let (id, node) = (pick(&self.groups, *group)?, pick(&self.nodes, *node)?);
                let group = self.groups.get_mut(&id)?;
                group.owner = node;
                let name = group.name.clone();
                self.tell(notify_object::GROUP, notify_group::OWNER_NODE, &id, &name, Vec::new());
                self.port.back_mut()?.parent_id = node.to_string();
            }
            Step::GroupState(group, state) => {
                let id = pick(&self.groups, *group)?;
                let group = self.groups.get_mut(&id)?;
                group.state = *state;
                let name = group.name.clone();
                let payload = state.to_le_bytes().to_vec();
                self.tell(notify_object::GROUP, notify_group::STATE, &id, &name, payload);
            }
            Step::ResourceState(resource, state) => {
                let id = pick(&self.resources, *resource)?;
                let resource = self.resources.get_mut(&id)?;
                resource.state = *state;
                let name = resource.name.clone();
                let payload = state.to_le_bytes().to_vec();
                self.tell(notify_object::RESOURCE, notify_resource::STATE, &id, &name, payload);
            }
            Step::NodeState(node, state) => {
                let number = pick(&self.nodes, *node)?;
                let node = self.nodes.get_mut(&number)?;
                node.state = *state;
                let name = node.name.clone();
                let payload = state.to_le_bytes().to_vec();
                self.tell(
                    notify_object::NODE,
                    notify_node::STATE,
                    &number.to_string(),
                    &name,
                    payload,
                );
            }
            Step::RenameGroup(group) => {
                let (id, name) = (pick(&self.groups, *group)?, self.fresh("Group"));
                self.groups.get_mut(&id)?.name.clone_from(&name);
                let payload = list(&[("Name", Value::Sz(name.clone()))]);
                self.tell(notify_object::GROUP, notify_group::COMMON_PROPERTY, &id, &name, payload);
            }
            Step::RenameResource(resource) => {
                let (id, name) = (pick(&self.resources, *resource)?, self.fresh("Resource"));
                self.resources.get_mut(&id)?.name.clone_from(&name);
                let payload = list(&[
                    ("Name", Value::Sz(name.clone())),
                    ("Description", Value::Sz("x".into())),
                ]);
                self.tell(
                    notify_object::RESOURCE,
                    notify_resource::COMMON_PROPERTY,
                    &id,
                    &name,
                    payload,
                );
            }
            Step::RenameNetwork(network) => {
                let (id, name) = (pick(&self.networks, *network)?, self.fresh("Network"));
                self.networks.insert(id.clone(), name.clone());
                let payload = list(&[("Name", Value::Sz(name.clone()))]);
                self.tell(
                    notify_object::NETWORK,
                    notify_network::COMMON_PROPERTY,
                    &id,
                    &name,
                    payload,
                );
            }
            Step::RenameCluster => {
                self.name = self.fresh("CL");
                let name = self.name.clone();
                self.tell(notify_object::CLUSTER, notify_cluster::RENAME, "", &name, Vec::new());
            }
            Step::Priority(group, priority) => {
                let id = pick(&self.groups, *group)?;
                let group = self.groups.get_mut(&id)?;
                group.priority = *priority;
                let name = group.name.clone();
                // A reset property has no value, so that it has to be read (facts 3.1).
                let value = match *priority {
                    2000.. => Value::reset(wsfc_clusapi::proplist::Format::Dword),
                    priority => Value::Dword(priority),
                };
                let payload = list(&[("PRIORITY", value)]);
                self.tell(notify_object::GROUP, notify_group::COMMON_PROPERTY, &id, &name, payload);
            }
            Step::Dynamic(on) => {
                self.dynamic = *on;
                let payload = list(&[("DynamicQuorum", Value::Dword((*on).into()))]);
                self.tell(notify_object::CLUSTER, notify_cluster::COMMON_PROPERTY, "", "", payload);
            }
            Step::AddGroup(node) => {
                let (owner, name) = (pick(&self.nodes, *node)?, self.fresh("Group"));
                let id = format!("g-{}", self.named);
                let group = Group {
                    name: name.clone(),
                    owner,
                    state: 1,
                    priority: 2000,
                };
                self.groups.insert(id.clone(), group);
                let payload = 9999_u32.to_le_bytes().to_vec();
                self.tell(notify_object::CLUSTER, notify_cluster::GROUP_ADDED, &id, &name, payload);
            }
            Step::AddResource(group, told) => {
                let (group, name) = (pick(&self.groups, *group)?, self.fresh("Resource"));
                let id = format!("r-{}", self.named);
                let resource = Resource {
                    name,
                    group: group.clone(),
                    state: 3,
                };
                self.resources.insert(id.clone(), resource);
                let payload = if *told { text(&id) } else { Vec::new() };
                self.tell(notify_object::GROUP, notify_group::RESOURCE_ADDED, &group, "", payload);
            }
            Step::AddNode => {
                let name = self.fresh("Node");
                let number = self.named;
                let node = Node {
                    name: name.clone(),
                    state: 0,
                };
                self.nodes.insert(number, node);
                let id = number.to_string();
                self.tell(
                    notify_object::CLUSTER,
                    notify_cluster::NODE_ADDED,
                    &id,
                    &name,
                    Vec::new(),
                );
            }
            Step::AddNetwork => {
                let name = self.fresh("Network");
                let id = format!("n-{}", self.named);
                self.networks.insert(id.clone(), name.clone());
                self.tell(
                    notify_object::CLUSTER,
                    notify_cluster::NETWORK_ADDED,
                    &id,
                    &name,
                    Vec::new(),
                );
            }
            Step::MoveResource(resource, group) => {
                let (id, group) = (pick(&self.resources, *resource)?, pick(&self.groups, *group)?);
                let resource = self.resources.get_mut(&id)?;
                let former = std::mem::replace(&mut resource.group, group.clone());
                self.tell(
                    notify_object::GROUP,
                    notify_group::RESOURCE_LOST,
                    &former,
                    "",
                    text(&id),
                );
                self.tell(
                    notify_object::GROUP,
                    notify_group::RESOURCE_GAINED,
                    &group,
                    "",
                    text(&id),
                );
                self.tell(
                    notify_object::RESOURCE,
                    notify_resource::OWNER_GROUP,
                    &id,
                    "",
                    Vec::new(),
                );
            }
            Step::DeleteGroup(group) => {
                let id = pick(&self.groups, *group)?;
                let group = self.groups.remove(&id)?;
                let members = self.resources.iter().filter(|(_, resource)| resource.group == id);
                let members: Vec<_> = members.map(|(id, _)| id.clone()).collect();
                for member in members {
                    self.delete_resource(&member);
                }
                self.tell(
                    notify_object::GROUP,
                    notify_group::DELETED,
                    &id,
                    &group.name,
                    Vec::new(),
                );
            }
            Step::DeleteResource(resource) => {
                let id = pick(&self.resources, *resource)?;
                self.delete_resource(&id);
            }
            Step::DeleteNode(node) => {
                let number = pick(&self.nodes, *node)?;
                if self.groups.values().any(|group| group.owner == number) {
                    return None;
                }
                let node = self.nodes.remove(&number)?;
                self.tell(
                    notify_object::NODE,
                    notify_node::DELETED,
                    &number.to_string(),
                    &node.name,
                    Vec::new(),
                );
            }
            Step::DeleteNetwork(network) => {
                let id = pick(&self.networks, *network)?;
                let name = self.networks.remove(&id)?;
                self.tell(notify_object::NETWORK, notify_network::DELETED, &id, &name, Vec::new());
            }
            Step::Witness(resource) => {
                self.witness = pick(&self.resources, *resource).filter(|id| self.witness.as_ref() != Some(id));
                self.tell(notify_object::QUORUM, notify_quorum::STATE, "", "", Vec::new());
            }
            Step::Volume(resource) => {
                let id = pick(&self.resources, *resource)?;
                let flag = if self.volumes.remove(&id) {
                    notify_shared_volume::REMOVED
                } else {
                    self.volumes.insert(id.clone());
                    notify_shared_volume::ADDED
                };
                self.tell(notify_object::SHARED_VOLUME, flag, &id, "", Vec::new());
            }
            Step::PrivateProperty(resource) => {
                let id = pick(&self.resources, *resource)?;
                self.tell(
                    notify_object::RESOURCE,
                    notify_resource::PRIVATE_PROPERTY,
                    &id,
                    "",
                    vec![1],
                );
            }
            Step::Relations(group) => {
                let id = pick(&self.groups, *group)?;
                self.tell(
                    notify_object::GROUP,
                    notify_group::PREFERRED_OWNERS,
                    &id,
                    "",
                    Vec::new(),
                );
            }
            Step::Lose => {
                self.port.clear();
                self.tell(
                    notify_object::CLUSTER,
                    notify_cluster::LOST_NOTIFICATIONS,
                    "",
                    "",
                    Vec::new(),
                );
            }
            Step::Deliver(_) => {}
        }
        Some(())
    }

    pub(super) fn delete_resource(&mut self, id: &str) {
        let Some(resource) = self.resources.remove(id) else {
            return;
        };
        self.tell(
            notify_object::RESOURCE,
            notify_resource::DELETED,
            id,
            &resource.name,
            Vec::new(),
        );
        if self.volumes.remove(id) {
            self.tell(
                notify_object::SHARED_VOLUME,
                notify_shared_volume::REMOVED,
                id,
                "",
                Vec::new(),
            );
        }
        if self.witness.as_deref() == Some(id) {
            self.witness = None;
            self.tell(notify_object::QUORUM, notify_quorum::STATE, "", "", Vec::new());
        }
    }

    pub(super) fn owner(&self, group: &Group) -> String {
        self.nodes[&group.owner].name.clone()
    }

    /// The cluster as it is, by a way that shares nothing with hearing.
    pub(super) fn objects(&self) -> Model {
        let mut objects = vec![wrap(Object::Cluster(v1::ClusterState {
            name: self.name.clone(),
            id: "a-cluster".into(),
            ..v1::ClusterState::default()
        }))];
        let stated = |object, state| {
            let mut object = wrap(object);
            set_state(&mut object, state);
            object
        };
        for (number, node) in &self.nodes {
            let it = v1::Node {
                name: node.name.clone(),
                id: number.to_string(),
                vote_counts: node.state == 0,
                ..v1::Node::default()
            };
            objects.push(stated(Object::Node(it), node.state));
        }
        for (id, group) in &self.groups {
            let it = v1::Group {
                name: group.name.clone(),
                id: id.clone(),
                owner_node: self.owner(group),
                priority: group.priority,
                ..v1::Group::default()
            };
            objects.push(stated(Object::Group(it), group.state));
        }
        for (id, resource) in &self.resources {
            let group = &self.groups[&resource.group];
            let it = v1::Resource {
                name: resource.name.clone(),
                id: id.clone(),
                group: group.name.clone(),
                group_id: resource.group.clone(),
                owner_node: self.owner(group),
                ..v1::Resource::default()
            };
            objects.push(stated(Object::Resource(it), resource.state));
            if self.volumes.contains(id) {
                let it = v1::SharedVolume {
                    name: resource.name.clone(),
                    id: id.clone(),
                    owner_node: self.owner(group),
                    ..v1::SharedVolume::default()
                };
                objects.push(stated(Object::SharedVolume(it), resource.state));
            }
        }
        for (id, name) in &self.networks {
            objects.push(wrap(Object::Network(v1::Network {
                name: name.clone(),
                id: id.clone(),
                ..v1::Network::default()
            })));
            for (number, node) in &self.nodes {
                objects.push(wrap(Object::NetworkInterface(v1::NetworkInterface {
                    name: format!("{} {id}", node.name),
                    id: format!("{id}-{number}"),
                    node: node.name.clone(),
                    network: name.clone(),
                    ..v1::NetworkInterface::default()
                })));
            }
        }
        let mut model: Model = objects.into_iter().collect();
        let witness = self.witness.as_ref().map(|id| &self.resources[id]);
        let quorum = v1::Quorum {
            witness: witness.map(|witness| witness.name.clone()).unwrap_or_default(),
            witness_state: witness.map_or(0, |witness| resource_state(witness.state).into()),
            dynamic: self.dynamic,
            votes: votes(&model),
            ..v1::Quorum::default()
        };
        model.put(wrap(Object::Quorum(quorum)));
        model
    }
}

impl Source for World {
    type Error = Infallible;

    fn whole(&mut self) -> Result<Model, Infallible> {
        Ok(self.objects())
    }

    fn kind(&mut self, _known: &Model, kind: ObjectKind) -> Result<Vec<InventoryObject>, Infallible> {
        Ok(self.objects().of(kind).map(|(_, object)| object.clone()).collect())
    }

    fn object(
        &mut self,
        _known: &Model,
        kind: ObjectKind,
        id: &str,
        name: &str,
    ) -> Result<Option<InventoryObject>, Infallible> {
        let objects = self.objects();
        let key = if id.is_empty() {
            objects.find(kind, "", name)
        } else {
            Some(Key::new(kind, id))
        };
        Ok(key.and_then(|key| objects.get(&key)).cloned())
    }

    fn members(&mut self, known: &Model, group: &str) -> Result<Vec<InventoryObject>, Infallible> {
        let objects = self.objects();
        let keys: BTreeSet<_> = objects
            .resources_of(group)
            .into_iter()
            .chain(known.resources_of(group))
            .collect();
        Ok(keys.iter().filter_map(|key| objects.get(key)).cloned().collect())
    }
}

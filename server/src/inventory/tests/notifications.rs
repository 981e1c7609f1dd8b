//! Whoever only hears what a cluster tells holds in the end what the cluster has.
//!
//! The cluster here is a model: it tells of each change as facts 4.3 has it, and the port delivers later and in pieces,
//! while the cluster goes on.

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
use wsfc_proto::v1::{self, ChangeType, ClusterEvent, InventoryObject, ObjectKind};

use super::changes::{is, wrap};
use crate::inventory::diff::diff;
use crate::inventory::fields::{resource_state, set_state};
use crate::inventory::hearing::{Hearing, LOST_NOTIFICATIONS, Loss, votes};
use crate::inventory::model::Model;
use crate::inventory::object::{Key, key};
use crate::inventory::reread::{Source, read_again};

#[derive(Clone, Debug)]
struct Node {
    name: String,
    state: i32,
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    owner: u32,
    state: i32,
    priority: u32,
}

#[derive(Clone, Debug)]
struct Resource {
    name: String,
    group: String,
    state: i32,
}

/// A cluster, and what it has told and nobody has heard.
#[derive(Clone, Debug, Default)]
struct World {
    name: String,
    nodes: BTreeMap<u32, Node>,
    groups: BTreeMap<String, Group>,
    resources: BTreeMap<String, Resource>,
    networks: BTreeMap<String, String>,
    volumes: BTreeSet<String>,
    witness: Option<String>,
    dynamic: bool,
    named: u32,
    port: VecDeque<Notification>,
}

/// Something that happens; the numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
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

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => happening(), 1 => (1..5_usize).prop_map(Step::Deliver)]
}

fn happening() -> impl Strategy<Value = Step> {
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

fn pick<K: Clone, V>(map: &BTreeMap<K, V>, place: usize) -> Option<K> {
    map.keys().nth(place % map.len().max(1)).cloned()
}

fn list(properties: &[(&str, Value)]) -> Vec<u8> {
    let properties = properties.iter().map(|(name, value)| Property {
        name: (*name).into(),
        values: vec![value.clone()],
    });
    let list = PropertyList {
        properties: properties.collect(),
    };
    list.to_bytes(Tail::ExtraZero).unwrap()
}

fn text(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

impl World {
    fn new() -> Self {
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

    fn tell(&mut self, object_type: u32, flag: i64, id: &str, name: &str, payload: Vec<u8>) {
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

    fn fresh(&mut self, what: &str) -> String {
        self.named += 1;
        format!("{what} {}", self.named)
    }

    /// Lets something happen; what is not possible does not.
    fn take(&mut self, step: &Step) -> Option<()> {
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

    fn delete_resource(&mut self, id: &str) {
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

    fn owner(&self, group: &Group) -> String {
        self.nodes[&group.owner].name.clone()
    }

    /// The cluster as it is, by a way that shares nothing with hearing.
    fn objects(&self) -> Model {
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

/// Delivers what waits at the port, `most` at once, as an observer takes it.
fn deliver(world: &mut World, model: &mut Model, most: usize) -> Vec<ClusterEvent> {
    let mut hearing = Hearing::default();
    let mut events = Vec::new();
    for _ in 0..most {
        let Some(told) = world.port.pop_front() else { break };
        match hearing.hear(model, &told) {
            Ok(()) => {}
            Err(loss) => {
                assert_eq!(loss, Loss::Missed(LOST_NOTIFICATIONS));
                events.append(&mut std::mem::take(&mut hearing).events);
                let whole = world.objects();
                events.extend(diff(model.objects(), whole.objects()));
                *model = whole;
            }
        }
    }
    let Ok(()) = read_again(world, model, &mut hearing);
    events.append(&mut hearing.events);
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn who_only_hears_holds_what_there_is(steps in proptest::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        let mut model = world.objects();
        let mut watcher = model.clone();
        let mut hear = |world: &mut World, most| {
            let events = deliver(world, &mut model, most);
            for event in &events {
                watcher.apply(event);
                // A change always says what has changed, and the object is as it was said to be.
                assert!(!event.changes.is_empty());
            }
            assert_eq!(watcher.objects(), model.objects(), "the events say what the model holds");
        };
        for step in &steps {
            match step {
                Step::Deliver(most) => hear(&mut world, *most),
                step => drop(world.take(step)),
            }
        }
        while !world.port.is_empty() {
            hear(&mut world, 256);
        }
        let there = world.objects();
        prop_assert_eq!(model.objects(), there.objects());
    }

    #[test]
    fn what_cannot_be_understood_is_never_believed(
        object_type in 0..20_u32,
        flag in prop_oneof![(0..13_u32).prop_map(|bit| 1_i64 << bit), any::<i64>()],
        id in "[a-z0-9-]{0,4}",
        payload in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut world = World::new();
        let mut model = world.objects();
        let before = model.clone();
        let told = Notification {
            object_type, flag, key: 0, object_id: id, parent_id: String::new(), name: "Group 2".into(),
            resource_type: String::new(), payload,
        };
        let mut hearing = Hearing::default();
        if hearing.hear(&mut model, &told).is_ok() {
            let Ok(()) = read_again(&mut world, &mut model, &mut hearing);
            let mut watcher = before;
            for event in &hearing.events {
                watcher.apply(event);
            }
            prop_assert_eq!(watcher.objects(), model.objects());
        } else {
            prop_assert_eq!(hearing.events, Vec::new());
            prop_assert_eq!(model.objects(), before.objects());
        }
    }
}

/// A model of one group and its disk, and what it hears.
fn heard(told: &Notification) -> (World, Model, Hearing) {
    let mut world = World::new();
    let mut model = world.objects();
    let mut hearing = Hearing::default();
    hearing.hear(&mut model, told).unwrap();
    let Ok(()) = read_again(&mut world, &mut model, &mut hearing);
    (world, model, hearing)
}

#[test]
fn a_group_takes_its_resources_along() {
    let mut world = World::new();
    let mut model = world.objects();
    let group = world.groups.keys().next().unwrap().clone();
    let number = *world.nodes.keys().last().unwrap();
    let from = world.owner(&world.groups[&group]);
    world.take(&Step::MoveGroup(0, 1));
    let events = deliver(&mut world, &mut model, 1);
    assert_eq!(events.len(), 2);
    for event in &events {
        assert_eq!(event.changes().collect::<Vec<_>>(), [ChangeType::Owner]);
        assert_eq!(event.owner_before, from);
        assert_eq!(event.cluster, "CL1");
        assert_eq!(event.notification.unwrap().flag, notify_group::OWNER_NODE);
    }
    assert_eq!(
        key(events[0].object.as_ref().unwrap()).unwrap(),
        Key::new(ObjectKind::Group, &group)
    );
    assert_eq!(world.groups[&group].owner, number);
}

#[test]
fn what_changes_nothing_of_an_object_is_told_all_the_same() {
    for (flag, change) in [
        (notify_resource::PRIVATE_PROPERTY, ChangeType::PrivateProperties),
        (notify_resource::DEPENDENCIES, ChangeType::Relations),
        (notify_resource::POSSIBLE_OWNERS, ChangeType::Relations),
    ] {
        let world = World::new();
        let id = world.resources.keys().next().unwrap().clone();
        let told = Notification {
            object_type: notify_object::RESOURCE,
            flag,
            key: 0,
            object_id: id,
            parent_id: String::new(),
            name: String::new(),
            resource_type: String::new(),
            payload: Vec::new(),
        };
        let (_, _, hearing) = heard(&told);
        assert_eq!(hearing.events.len(), 1);
        assert!(is(&hearing.events[0], change));
        assert!(hearing.events[0].object.is_some());
    }
}

#[test]
fn common_properties_come_with_their_values() {
    let world = World::new();
    let (id, group) = world.groups.iter().next().unwrap();
    let told = Notification {
        object_type: notify_object::GROUP,
        flag: notify_group::COMMON_PROPERTY,
        key: 0,
        object_id: id.clone(),
        parent_id: String::new(),
        name: group.name.clone(),
        resource_type: String::new(),
        payload: list(&[("Priority", Value::Dword(3000)), ("FailoverPeriod", Value::Dword(6))]),
    };
    let (_, _, hearing) = heard(&told);
    let [event] = hearing.events.as_slice() else {
        panic!("one event: {:?}", hearing.events)
    };
    assert_eq!(event.changes().collect::<Vec<_>>(), [ChangeType::Properties]);
    assert_eq!(event.changed_fields, ["priority"]);
    let names: Vec<_> = event.properties.iter().map(|property| property.name.as_str()).collect();
    assert_eq!(names, ["Priority", "FailoverPeriod"]);
}

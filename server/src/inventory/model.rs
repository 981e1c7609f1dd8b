//! A cluster as its observer knows it: the objects, and the ways to find them without a search.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind};

use super::object::{Key, key};
use crate::journal::{Common, caseless};

/// The objects of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Model {
    objects: BTreeMap<Key, InventoryObject>,
    /// Ids by kind and name, both in lower case, the latest last: while names change hands two may have the same.
    names: HashMap<(ObjectKind, String), Vec<String>>,
    /// The keys of the resources by the id of their group, in lower case.
    members: HashMap<String, BTreeSet<String>>,
}

impl Model {
    /// Every object by its key.
    pub fn objects(&self) -> &BTreeMap<Key, InventoryObject> {
        &self.objects
    }

    /// An object by its key.
    pub fn get(&self, key: &Key) -> Option<&InventoryObject> {
        self.objects.get(key)
    }

    /// The objects of one kind.
    pub fn of(&self, kind: ObjectKind) -> impl Iterator<Item = (&Key, &InventoryObject)> {
        let first = Key::new(kind, "");
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind)
    }

    /// The key of an object by its id, or else by its name: notifications tell both, and neither is promised.
    pub fn find(&self, kind: ObjectKind, id: &str, name: &str) -> Option<Key> {
        let by_id = Key::new(kind, id);
        if !id.is_empty() && self.objects.contains_key(&by_id) {
            return Some(by_id);
        }
        let id = self.names.get(&(kind, caseless(name)))?.last()?;
        Some(Key { kind, id: id.clone() })
    }

    /// The keys of the resources of a group.
    pub fn resources_of(&self, group_id: &str) -> Vec<Key> {
        let ids = self.members.get(&caseless(group_id));
        let keys = ids.into_iter().flatten().map(|id| Key {
            kind: ObjectKind::Resource,
            id: id.clone(),
        });
        keys.collect()
    }

    /// The cluster itself.
    pub fn cluster(&self) -> Option<&v1::ClusterState> {
        match &self.get(&Key::new(ObjectKind::Cluster, ""))?.object {
            Some(Object::Cluster(cluster)) => Some(cluster),
            _ => None,
        }
    }

    /// The name of a node by its number.
    pub fn node_name(&self, number: &str) -> Option<&str> {
        let node = self.get(&Key::new(ObjectKind::Node, number))?;
        Common::of(node).map(|common| common.name)
    }

    /// Puts an object in the place of what has its key.
    pub fn put(&mut self, object: InventoryObject) {
        let Some(common) = Common::of(&object) else { return };
        let key = Key::from(common);
        self.remove(&key);
        let ids = self.names.entry((key.kind, caseless(common.name))).or_default();
        ids.push(key.id.clone());
        if let Some(Object::Resource(resource)) = &object.object {
            let group = caseless(&resource.group_id);
            self.members.entry(group).or_default().insert(key.id.clone());
        }
        self.objects.insert(key, object);
    }

    /// Takes an object away.
    pub fn remove(&mut self, key: &Key) -> Option<InventoryObject> {
        let object = self.objects.remove(key)?;
        if let Some(common) = Common::of(&object) {
            let name = (key.kind, caseless(common.name));
            if let Some(ids) = self.names.get_mut(&name) {
                ids.retain(|id| *id != key.id);
                if ids.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
        if let Some(Object::Resource(resource)) = &object.object {
            let group = caseless(&resource.group_id);
            if let Some(members) = self.members.get_mut(&group) {
                members.remove(&key.id);
                if members.is_empty() {
                    self.members.remove(&group);
                }
            }
        }
        Some(object)
    }

    /// Applies an event, as every reader of events does: an object that was removed goes, any other is put.
    pub fn apply(&mut self, event: &v1::ClusterEvent) {
        let Some(object) = &event.object else { return };
        if event.changes.contains(&v1::ChangeType::Removed.into()) {
            if let Some(key) = key(object) {
                self.remove(&key);
            }
        } else {
            self.put(object.clone());
        }
    }
}

impl FromIterator<InventoryObject> for Model {
    fn from_iter<T: IntoIterator<Item = InventoryObject>>(objects: T) -> Self {
        let mut model = Self::default();
        for object in objects {
            model.put(object);
        }
        model
    }
}

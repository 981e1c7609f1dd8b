//! The inventory as it is published: every object of every observed cluster, at one revision.
//!
//! A view is a clone that shares everything with the published one: the lists are cut into pages, and what changes
//! copies the pages that it touches and nothing else. So readers hold no lock, and the writer never waits for one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::{Bound, Deref};
use std::sync::Arc;

use wsfc_proto::v1;
use wsfc_proto::v1::inventory_object::Object as Value;

use super::Journal;
use super::common::{self, Common};
use super::event::Known;

/// How many objects a page holds at most.
const PAGE: usize = 256;

/// How many kinds of objects there are, with the one that is not given.
const KINDS: usize = 12;

/// The id of a cluster, as in `ClusterState.id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(Arc<str>);

impl ClusterId {
    /// The id as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ClusterId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl std::fmt::Display for ClusterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name as it is compared: letter by letter in lower case, so that no letter depends on its neighbours.
pub fn caseless(name: &str) -> String {
    if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        name.chars().flat_map(char::to_lowercase).collect()
    }
}

/// An object of the inventory, with what it is found by.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    kind: v1::ObjectKind,
    name: Box<str>,
    key: Box<str>,
    value: v1::InventoryObject,
}

impl Object {
    /// Takes an object; `None` when it holds none that is known here.
    pub(super) fn new(value: v1::InventoryObject) -> Option<Self> {
        let common = Common::of(&value)?;
        let (kind, name, key) = (common.kind, caseless(common.name).into(), common.key().into());
        Some(Self { kind, name, key, value })
    }

    /// Its kind.
    pub fn kind(&self) -> v1::ObjectKind {
        self.kind
    }

    /// The revision at which it last changed.
    pub fn revision(&self) -> u64 {
        common::revision(&self.value)
    }

    /// Its name in lower case, which it is ordered by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is known by among those of its kind, in lower case; see [`Common::key`].
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Deref for Object {
    type Target = v1::InventoryObject;

    fn deref(&self) -> &v1::InventoryObject {
        &self.value
    }
}

/// A list in order, in pages that clones share.
#[derive(Clone, Debug, Default)]
struct Sorted {
    pages: Vec<Arc<Vec<Arc<Object>>>>,
    count: usize,
}

/// Tells where an object lies, seen from a place in a list.
type Probe<'p> = &'p dyn Fn(&Object) -> Ordering;

impl Sorted {
    /// The page where the place is, and the place there: of an object, or where one would go.
    fn locate(&self, probe: Probe<'_>) -> (usize, Result<usize, usize>) {
        let page = self
            .pages
            .partition_point(|page| page.last().is_some_and(|last| probe(last).is_lt()));
        let place = self
            .pages
            .get(page)
            .map_or(Err(0), |objects| objects.binary_search_by(|object| probe(object)));
        (page, place)
    }

    fn get(&self, probe: Probe<'_>) -> Option<&Arc<Object>> {
        let (page, place) = self.locate(probe);
        self.pages.get(page)?.get(place.ok()?)
    }

    fn put(&mut self, probe: Probe<'_>, object: Arc<Object>) {
        let (mut page, mut place) = self.locate(probe);
        if page == self.pages.len() {
            match self.pages.last() {
                // Behind all others: at the end of the last page.
                Some(last) => (page, place) = (page - 1, Err(last.len())),
                None => self.pages.push(Arc::default()),
            }
        }
        let objects = Arc::make_mut(&mut self.pages[page]);
        match place {
            Ok(place) => objects[place] = object,
            Err(place) => {
                objects.insert(place, object);
                self.count += 1;
                if objects.len() > PAGE {
                    let rest = objects.split_off(PAGE / 2);
                    self.pages.insert(page + 1, Arc::new(rest));
                }
            }
        }
    }

    fn remove(&mut self, probe: Probe<'_>) {
        let (page, place) = self.locate(probe);
        let Ok(place) = place else { return };
        let objects = Arc::make_mut(&mut self.pages[page]);
        objects.remove(place);
        self.count -= 1;
        if objects.is_empty() {
            self.pages.remove(page);
        }
    }

    /// The objects from a place on.
    fn from<'s>(&'s self, probe: Probe<'_>) -> impl Iterator<Item = &'s Arc<Object>> + use<'s> {
        let (page, place) = self.locate(probe);
        let place = place.unwrap_or_else(|place| place);
        let pages = self.pages.get(page..).unwrap_or_default();
        pages.iter().flat_map(|page| page.iter()).skip(place)
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.pages.iter().flat_map(|page| page.iter())
    }
}

/// The objects of one kind in one cluster.
#[derive(Clone, Debug, Default)]
struct Kind {
    by_name: Sorted,
    by_key: Sorted,
}

fn by_key(key: &str) -> impl Fn(&Object) -> Ordering + '_ {
    move |object| (*object.key).cmp(key)
}

fn by_name<'n>(name: &'n str, key: &'n str) -> impl Fn(&Object) -> Ordering + 'n {
    move |object| (*object.name).cmp(name).then_with(|| (*object.key).cmp(key))
}

impl Kind {
    fn put(&mut self, object: Arc<Object>) {
        self.remove(&object.key);
        self.by_name
            .put(&by_name(&object.name, &object.key), Arc::clone(&object));
        self.by_key.put(&by_key(&object.key), Arc::clone(&object));
    }

    fn remove(&mut self, key: &str) {
        if let Some(known) = self.by_key.get(&by_key(key)).map(Arc::clone) {
            self.by_name.remove(&by_name(&known.name, &known.key));
            self.by_key.remove(&by_key(key));
        }
    }
}

/// The objects of one cluster, by kind.
#[derive(Clone, Debug, Default)]
struct Cluster([Arc<Kind>; KINDS]);

impl Cluster {
    fn kind(&self, kind: v1::ObjectKind) -> Option<&Kind> {
        self.0.get(index(kind)).map(Arc::as_ref)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|kind| kind.by_key.count == 0)
    }

    fn iter(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.0.iter().flat_map(|kind| kind.by_name.iter())
    }
}

fn index(kind: v1::ObjectKind) -> usize {
    usize::try_from(i32::from(kind)).unwrap_or(0)
}

/// Every object that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects(BTreeMap<ClusterId, Cluster>);

impl Objects {
    /// Puts an object in the place of the one of its key, if there is one.
    pub(super) fn put(&mut self, object: Object) {
        let cluster = match self.0.get_mut(object.cluster_id.as_str()) {
            Some(cluster) => cluster,
            None => self.0.entry(object.cluster_id.as_str().into()).or_default(),
        };
        if let Some(kind) = cluster.0.get_mut(index(object.kind)) {
            Arc::make_mut(kind).put(Arc::new(object));
        }
    }

    /// Removes an object, if it is there.
    pub(super) fn remove(&mut self, cluster_id: &str, kind: v1::ObjectKind, key: &str) {
        let Some(cluster) = self.0.get_mut(cluster_id) else {
            return;
        };
        if let Some(kind) = cluster.0.get_mut(index(kind)) {
            Arc::make_mut(kind).remove(key);
        }
        if cluster.is_empty() {
            self.0.remove(cluster_id);
        }
    }

    /// The id of the cluster of a name.
    pub(super) fn named(&self, name: &str) -> Option<&ClusterId> {
        let name = caseless(name);
        self.0
            .iter()
            .find(|(_, cluster)| {
                let state = cluster.kind(v1::ObjectKind::Cluster);
                state.is_some_and(|state| state.by_name.iter().any(|object| *object.name == *name))
            })
            .map(|(id, _)| id)
    }

    /// What is known of the subject of an event that holds no object.
    pub(super) fn known<'k>(&'k self, event: &v1::ClusterEvent) -> Known<'k> {
        let Some(cluster) = self.named(&event.cluster) else {
            return Known::default();
        };
        let status = event.resource_status.as_ref().filter(|status| !status.group.is_empty());
        let group_id = status.and_then(|status| {
            let group = self
                .find(cluster, v1::ObjectKind::Group, &status.group)
                .map(|group| group.key());
            group.or_else(|| self.group_of(cluster, status))
        });
        Known {
            cluster_id: cluster.as_str(),
            group_id: group_id.unwrap_or_default(),
        }
    }

    /// The id of the group of a resource that has reported, as the resource has it: a group that was just made can come into
    /// the inventory after its first resource.
    fn group_of(&self, cluster: &ClusterId, status: &v1::ResourceStatus) -> Option<&str> {
        let resource = self.find(cluster, v1::ObjectKind::Resource, &status.resource)?;
        match &resource.value.object {
            Some(Value::Resource(resource)) if resource.group == status.group => Some(&resource.group_id),
            _ => None,
        }
    }

    /// The object of a kind with this name or, if none has it, with this id; both compare without case.
    fn find(&self, cluster: &ClusterId, kind: v1::ObjectKind, name: &str) -> Option<&Arc<Object>> {
        let (name, kind) = (caseless(name), self.0.get(cluster)?.kind(kind)?);
        let named = kind.by_name.from(&by_name(&name, "")).next();
        named
            .filter(|object| *object.name == *name)
            .or_else(|| kind.by_key.get(&by_key(&name)))
    }
}

impl std::borrow::Borrow<str> for ClusterId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The inventory at one revision. Cheap to make and to clone, and never changes.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(super) revision: u64,
    pub(super) objects: Arc<Objects>,
}

impl Inventory {
    /// The revision that it is true at.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The clusters that it knows.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterId> {
        self.objects.0.keys()
    }

    /// The id of the cluster of this name, compared without case.
    pub fn cluster_named(&self, name: &str) -> Option<&ClusterId> {
        self.objects.named(name)
    }

    /// The state of a cluster.
    pub fn cluster(&self, cluster: &ClusterId) -> Option<&v1::ClusterState> {
        let mut states = self.iter(cluster, v1::ObjectKind::Cluster);
        match states.next()?.object.as_ref() {
            Some(Value::Cluster(state)) => Some(state),
            _ => None,
        }
    }

    /// The object of a kind that has this key; see [`Common::key`].
    pub fn get(&self, cluster: &ClusterId, kind: v1::ObjectKind, key: &str) -> Option<&Arc<Object>> {
        self.kind(cluster, kind)?.by_key.get(&by_key(key))
    }

    /// The object of a kind with this name or, if none has it, with this id; both compare without case.
    pub fn find(&self, cluster: &ClusterId, kind: v1::ObjectKind, name: &str) -> Option<&Arc<Object>> {
        self.objects.find(cluster, kind, name)
    }

    /// The objects of a kind, ordered by name and key.
    pub fn iter(&self, cluster: &ClusterId, kind: v1::ObjectKind) -> impl Iterator<Item = &Arc<Object>> {
        self.kind(cluster, kind)
            .into_iter()
            .flat_map(|kind| kind.by_name.iter())
    }

    /// The objects of a kind behind the place of a name and a key, both in lower case.
    pub fn after<'i>(
        &'i self,
        cluster: &ClusterId,
        kind: v1::ObjectKind,
        name: &str,
        key: &str,
    ) -> impl Iterator<Item = &'i Arc<Object>> + use<'i> {
        let at = by_name(name, key);
        let kind = self.kind(cluster, kind);
        // What lies at the place itself counts as before it.
        let behind = move |object: &Object| at(object).then(Ordering::Less);
        kind.map(|kind| kind.by_name.from(&behind)).into_iter().flatten()
    }

    /// Every object of a cluster, ordered by kind, name and key.
    pub fn of_cluster(&self, cluster: &ClusterId) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.0.get(cluster).into_iter().flat_map(Cluster::iter)
    }

    /// Every object, ordered by cluster, kind, name and key.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.0.values().flat_map(Cluster::iter)
    }

    /// Every object behind this one, in the order of [`Inventory::all`].
    pub fn all_after<'i>(&'i self, object: &Object) -> impl Iterator<Item = &'i Arc<Object>> + use<'i> {
        let id = ClusterId::from(object.cluster_id.as_str());
        let of_kind = self.after(&id, object.kind, object.name(), object.key());
        let kinds = self.objects.0.get(&id).map(|cluster| cluster.0.iter());
        let kinds = kinds.into_iter().flatten().skip(index(object.kind) + 1);
        let clusters = self.objects.0.range((Bound::Excluded(id), Bound::Unbounded));
        of_kind
            .chain(kinds.flat_map(|kind| kind.by_name.iter()))
            .chain(clusters.flat_map(|(_, cluster)| cluster.iter()))
    }

    /// How many objects of a kind there are in a cluster.
    pub fn count(&self, cluster: &ClusterId, kind: v1::ObjectKind) -> usize {
        self.kind(cluster, kind).map_or(0, |kind| kind.by_key.count)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        let kinds = self.objects.0.values().flat_map(|cluster| cluster.0.iter());
        kinds.map(|kind| kind.by_key.count).sum()
    }

    /// The same, but for a cluster that consists of these objects and of nothing else, as it was read just now.
    #[must_use]
    pub fn with_cluster(mut self, cluster: &ClusterId, read: impl IntoIterator<Item = v1::InventoryObject>) -> Self {
        let objects = Arc::make_mut(&mut self.objects);
        objects.0.remove(cluster);
        for object in read.into_iter().filter_map(Object::new) {
            objects.put(object);
        }
        self
    }

    /// True when no cluster is known.
    pub fn is_empty(&self) -> bool {
        self.objects.0.is_empty()
    }

    fn kind(&self, cluster: &ClusterId, kind: v1::ObjectKind) -> Option<&Kind> {
        self.objects.0.get(cluster)?.kind(kind)
    }
}

impl Journal {
    /// The inventory as it is published: at the revision of the head, and of exactly the events up to it.
    pub fn inventory(&self) -> Inventory {
        self.0.log().inventory()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn group(name: &str, id: &str, revision: u64) -> Object {
        let group = v1::Group {
            name: name.into(),
            id: id.into(),
            revision,
            ..v1::Group::default()
        };
        Object::new(v1::InventoryObject {
            cluster_id: "c".into(),
            object: Some(Value::Group(group)),
        })
        .unwrap()
    }

    fn view(objects: &Objects) -> Inventory {
        Inventory {
            revision: 0,
            objects: Arc::new(objects.clone()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn it_is_ordered_and_found_like_a_map(
            changes in proptest::collection::vec((0..600_u32, proptest::option::weighted(0.8, 0..40_u32)), 0..1500),
        ) {
            let mut objects = Objects::default();
            let mut model = BTreeMap::new();
            let cluster = ClusterId::from("c");
            let mut before: Option<(Inventory, usize)> = None;
            for (step, (id, name)) in changes.into_iter().enumerate() {
                let id = format!("ID-{id:04}");
                match name {
                    Some(name) => {
                        let name = format!("Group {name:02}");
                        objects.put(group(&name, &id, step as u64));
                        model.insert(caseless(&id), (caseless(&name), step as u64));
                    }
                    None => {
                        objects.remove("c", v1::ObjectKind::Group, &caseless(&id));
                        model.remove(&caseless(&id));
                    }
                }
                if step % 100 == 7 {
                    let view = view(&objects);
                    before = Some((view.clone(), view.len()));
                }
            }
            let view = view(&objects);
            prop_assert_eq!(view.len(), model.len());
            let mut expected: Vec<_> = model.iter().map(|(id, (name, _))| (name.clone(), id.clone())).collect();
            expected.sort();
            let found: Vec<_> = view
                .iter(&cluster, v1::ObjectKind::Group)
                .map(|object| (object.name().to_owned(), object.key().to_owned()))
                .collect();
            prop_assert_eq!(&found, &expected);
            for (at, (name, id)) in expected.iter().enumerate().step_by(41) {
                let rest: Vec<_> = view
                    .after(&cluster, v1::ObjectKind::Group, name, id)
                    .map(|object| (object.name().to_owned(), object.key().to_owned()))
                    .collect();
                prop_assert_eq!(&rest, &expected[at + 1..]);
                let by_id = view.find(&cluster, v1::ObjectKind::Group, &id.to_uppercase()).unwrap();
                prop_assert_eq!(by_id.key(), id);
                let by_name = view.find(&cluster, v1::ObjectKind::Group, &name.to_uppercase()).unwrap();
                prop_assert_eq!(by_name.name(), name);
            }
            if let Some((before, count)) = before {
                prop_assert_eq!(before.len(), count, "a view never changes");
                prop_assert_eq!(before.iter(&cluster, v1::ObjectKind::Group).count(), count);
            }
        }
    }

    #[test]
    fn names_compare_letter_by_letter() {
        assert_eq!(caseless("ΑΣ"), caseless("ας").replace('ς', "σ"));
        assert_eq!(caseless("NODE-1"), "node-1");
    }
}

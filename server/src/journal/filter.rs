//! Which events a watcher wants.

use std::collections::BTreeSet;
use std::sync::Arc;

use wsfc_proto::v1;

use super::event::{Facts, bit, encode_object_facts};
use super::objects::{ClusterId, Inventory, caseless};

/// What a watcher wants to see; the default wants every event and no record of an operation.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    cluster: Option<OfCluster>,
    kinds: u32,
    changes: u32,
    names: Names,
    groups: Names,
    nodes: Names,
    pub(super) operations: bool,
    visible: Option<Visible>,
}

/// The clusters that a watcher may see.
#[derive(Clone, Debug)]
struct Visible {
    /// Their names in lower case.
    names: Arc<BTreeSet<String>>,
    /// Their ids, for objects, which do not know the name.
    ids: BTreeSet<String>,
}

impl Visible {
    fn admits(&self, facts: &Facts<'_>) -> bool {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        if facts.cluster.is_empty() {
            self.ids.contains(text(facts.cluster_id))
        } else {
            self.names.contains(text(facts.cluster))
        }
    }
}

/// The only cluster that counts.
#[derive(Clone, Debug)]
struct OfCluster {
    id: ClusterId,
    /// Its name in lower case, for what does not know the id.
    name: String,
}

/// Names or ids in lower case; none of them means all.
#[derive(Clone, Debug, Default)]
struct Names(BTreeSet<Box<[u8]>>);

impl Names {
    fn of(names: &[String]) -> Self {
        let bytes = |name: &String| caseless(name).into_bytes().into_boxed_slice();
        Self(names.iter().map(bytes).collect())
    }

    fn admit(&self, candidates: &[&[u8]]) -> bool {
        self.0.is_empty() || candidates.iter().any(|candidate| self.0.contains(*candidate))
    }
}

impl Filter {
    /// The filter of a request. Kinds and changes without a name here admit nothing.
    pub fn new(filter: &v1::WatchFilter) -> Self {
        let bits = |numbers: &[i32]| numbers.iter().fold(0, |bits, number| bits | bit(*number));
        Self {
            cluster: None,
            kinds: bits(&filter.kinds),
            changes: bits(&filter.changes),
            names: Names::of(&filter.names),
            groups: Names::of(&filter.groups),
            nodes: Names::of(&filter.nodes),
            operations: false,
            visible: None,
        }
    }

    /// Only of the clusters with these names in lower case, whatever else is wanted.
    #[must_use]
    pub fn visible(mut self, names: Arc<BTreeSet<String>>) -> Self {
        let ids = BTreeSet::new();
        self.visible = Some(Visible { names, ids });
        self
    }

    /// For objects of this inventory as well.
    #[must_use]
    pub fn over(mut self, inventory: &Inventory) -> Self {
        if let Some(visible) = &mut self.visible {
            let named = |id: &&ClusterId| {
                let state = inventory.cluster(id);
                state.is_some_and(|cluster| visible.names.contains(&caseless(&cluster.name)))
            };
            visible.ids = inventory.clusters().filter(named).map(ToString::to_string).collect();
        }
        self
    }

    /// Only of the cluster with this id and name.
    #[must_use]
    pub fn of_cluster(mut self, id: ClusterId, name: &str) -> Self {
        let name = caseless(name);
        self.cluster = Some(OfCluster { id, name });
        self
    }

    /// With the records of operations, which only the cluster is asked of.
    #[must_use]
    pub fn with_operations(mut self) -> Self {
        self.operations = true;
        self
    }

    /// The only cluster that counts, if so.
    pub fn cluster(&self) -> Option<&ClusterId> {
        self.cluster.as_ref().map(|cluster| &cluster.id)
    }

    /// True when every operation counts, whichever its cluster.
    pub(super) fn admits_every_operation(&self) -> bool {
        self.cluster.is_none() && self.visible.is_none()
    }

    /// True when the records of an operation count.
    pub(super) fn admits_operation(&self, operation: &v1::Operation) -> bool {
        let host = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        self.cluster
            .as_ref()
            .is_none_or(|cluster| host(&caseless(&operation.cluster)) == host(&cluster.name))
            && self
                .visible
                .as_ref()
                .is_none_or(|visible| visible.names.contains(&caseless(&operation.cluster)))
    }

    /// True when an event counts. A gap of its cluster always does, so that a watcher knows what it cannot rely on.
    pub(super) fn admits(&self, facts: &Facts<'_>) -> bool {
        self.admits_cluster(facts)
            && (facts.changes & bit(v1::ChangeType::Gap.into()) != 0
                || ((self.changes == 0 || facts.changes & self.changes != 0) && self.admits_subject(facts)))
    }

    /// True when an object of a snapshot counts; `room` is used again from one to the next.
    pub fn admits_object(&self, object: &v1::InventoryObject, room: &mut Vec<u8>) -> bool {
        if self.kinds == 0 && self.names.0.is_empty() && self.groups.0.is_empty() && self.nodes.0.is_empty() {
            let cluster = self.cluster.as_ref();
            return cluster.is_none_or(|cluster| cluster.id.as_str() == object.cluster_id)
                && self
                    .visible
                    .as_ref()
                    .is_none_or(|visible| visible.ids.contains(&object.cluster_id));
        }
        room.clear();
        encode_object_facts(object, room);
        Facts::read(room).is_some_and(|facts| self.admits_cluster(&facts) && self.admits_subject(&facts))
    }

    fn admits_cluster(&self, facts: &Facts<'_>) -> bool {
        self.cluster.as_ref().is_none_or(|cluster| {
            if facts.cluster_id.is_empty() {
                facts.cluster == cluster.name.as_bytes()
            } else {
                facts.cluster_id == cluster.id.as_str().as_bytes()
            }
        }) && self.visible.as_ref().is_none_or(|visible| visible.admits(facts))
    }

    fn admits_subject(&self, facts: &Facts<'_>) -> bool {
        (self.kinds == 0 || self.kinds & bit(facts.kind.into()) != 0)
            && self.names.admit(&facts.names)
            && self.groups.admit(&facts.groups)
            && self.nodes.admit(&facts.nodes)
    }
}

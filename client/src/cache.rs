//! The inventory on the client's side: a snapshot with the events after it applied.

use std::collections::BTreeMap;

use wsfc_proto::v1::{ChangeType, ClusterEvent, Event, InventoryObject, ObjectKind};

use crate::object::{self, ObjectKey};
use crate::watch::{WatchItem, revision_of};

/// The objects that a [`Watch`](crate::Watch) tells of, as they stand after what was applied.
///
/// Apply every item of a watch that began with a snapshot. Before the first snapshot is complete the cache is empty;
/// during a later one it goes on showing what it held.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    objects: BTreeMap<ObjectKey, InventoryObject>,
    /// The objects of a snapshot that is not complete.
    coming: BTreeMap<ObjectKey, InventoryObject>,
    revision: u64,
    complete: bool,
}

impl Cache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies an item of a watch. True when the objects, or how far they are known, may have changed.
    pub fn apply(&mut self, item: &WatchItem) -> bool {
        match item {
            WatchItem::Snapshot(object) => {
                self.coming.insert(object::key(object), (**object).clone());
                false
            }
            WatchItem::SnapshotComplete { revision } => {
                self.objects = std::mem::take(&mut self.coming);
                self.revision = *revision;
                self.complete = true;
                true
            }
            WatchItem::Event(event) => self.apply_event(event),
            WatchItem::Mark { revision } => {
                self.revision = self.revision.max(*revision);
                false
            }
            WatchItem::Resync { .. } => {
                self.coming.clear();
                false
            }
            WatchItem::Reconnecting { .. } | WatchItem::Resumed { .. } => false,
        }
    }

    /// Applies an event. Records of operations change no object.
    pub fn apply_event(&mut self, event: &Event) -> bool {
        if let Some(revision) = revision_of(event) {
            self.revision = self.revision.max(revision);
        }
        match &event.event {
            Some(wsfc_proto::v1::event::Event::Cluster(change)) => self.apply_change(change),
            Some(wsfc_proto::v1::event::Event::Operation(_)) | None => false,
        }
    }

    fn apply_change(&mut self, change: &ClusterEvent) -> bool {
        let Some(object) = &change.object else {
            return false;
        };
        let key = object::key(object);
        if change.changes.contains(&ChangeType::Removed.into()) {
            if object::kind(object) == ObjectKind::Cluster {
                self.objects.retain(|held, _| held.cluster_id != key.cluster_id);
            } else {
                self.objects.remove(&key);
            }
            return true;
        }
        // Kinds without an id are known by their name, which has changed with the object.
        if object::id(object).is_empty() && !change.name_before.is_empty() {
            let before = ObjectKey {
                id: change.name_before.to_lowercase(),
                ..key.clone()
            };
            self.objects.remove(&before);
        }
        self.objects.insert(key, object.clone());
        true
    }

    /// True once a snapshot was complete.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The revision that the cache is true at.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// All objects, ordered by cluster, kind and id.
    pub fn objects(&self) -> impl Iterator<Item = &InventoryObject> {
        self.objects.values()
    }

    /// The objects of a kind, of all clusters, ordered by name without case.
    pub fn of_kind(&self, kind: ObjectKind) -> Vec<&InventoryObject> {
        let mut objects: Vec<_> = self.objects().filter(|object| object::kind(object) == kind).collect();
        objects.sort_by_key(|held| (object::name(held).to_lowercase(), held.cluster_id.clone()));
        objects
    }

    /// An object by its key.
    pub fn get(&self, key: &ObjectKey) -> Option<&InventoryObject> {
        self.objects.get(key)
    }

    /// The first object of a kind with this name or id, compared without case.
    pub fn find(&self, kind: ObjectKind, name: &str) -> Option<&InventoryObject> {
        self.objects()
            .find(|object| object::kind(object) == kind && object::is_called(object, name))
    }
}

#[cfg(test)]
mod tests {
    use wsfc_proto::v1::inventory_object::Object;
    use wsfc_proto::v1::{ClusterState, Group, GroupSet, OperationRecord, event};

    use super::*;

    fn group(id: &str, name: &str, owner: &str) -> InventoryObject {
        InventoryObject {
            cluster_id: "c1".to_owned(),
            object: Some(Object::Group(Group {
                id: id.to_owned(),
                name: name.to_owned(),
                owner_node: owner.to_owned(),
                ..Default::default()
            })),
        }
    }

    fn cluster() -> InventoryObject {
        InventoryObject {
            cluster_id: "c1".to_owned(),
            object: Some(Object::Cluster(ClusterState {
                id: "c1".to_owned(),
                name: "CL1".to_owned(),
                ..Default::default()
            })),
        }
    }

    fn set(name: &str) -> InventoryObject {
        InventoryObject {
            cluster_id: "c1".to_owned(),
            object: Some(Object::GroupSet(GroupSet {
                name: name.to_owned(),
                ..Default::default()
            })),
        }
    }

    fn event(revision: u64, change: ChangeType, object: Option<InventoryObject>, name_before: &str) -> WatchItem {
        WatchItem::Event(Box::new(Event {
            event: Some(event::Event::Cluster(ClusterEvent {
                revision,
                changes: vec![change.into()],
                object,
                name_before: name_before.to_owned(),
                ..Default::default()
            })),
        }))
    }

    fn filled() -> Cache {
        let mut cache = Cache::new();
        for object in [cluster(), group("G1", "SQL", "n1"), set("Front")] {
            assert!(!cache.apply(&WatchItem::Snapshot(Box::new(object))));
        }
        assert_eq!(cache.objects().count(), 0, "half a snapshot is none");
        assert!(cache.apply(&WatchItem::SnapshotComplete { revision: 7 }));
        cache
    }

    fn names(cache: &Cache) -> Vec<&str> {
        cache.objects().map(object::name).collect()
    }

    #[test]
    fn events_move_what_the_snapshot_told() {
        let mut cache = filled();
        assert!(cache.is_complete());
        assert!(cache.apply(&event(8, ChangeType::Owner, Some(group("g1", "SQL", "n2")), "")));
        assert!(cache.apply(&event(9, ChangeType::Name, Some(group("g1", "SQL 2", "n2")), "SQL")));
        assert_eq!(
            cache.find(ObjectKind::Group, "sql 2"),
            Some(&group("g1", "SQL 2", "n2"))
        );
        assert_eq!(cache.find(ObjectKind::Group, "SQL"), None);
        assert!(cache.apply(&event(10, ChangeType::Name, Some(set("Back")), "Front")));
        assert_eq!(names(&cache), ["CL1", "SQL 2", "Back"]);
        assert!(cache.apply(&event(11, ChangeType::Removed, Some(set("Back")), "")));
        assert_eq!(names(&cache), ["CL1", "SQL 2"]);
        assert_eq!(cache.revision(), 11);
        assert!(cache.apply(&event(12, ChangeType::Removed, Some(cluster()), "")));
        assert_eq!(cache.objects().count(), 0);
    }

    #[test]
    fn gaps_marks_and_operations_move_only_the_revision() {
        let mut cache = filled();
        assert!(!cache.apply(&event(8, ChangeType::Gap, None, "")));
        assert!(!cache.apply(&WatchItem::Mark { revision: 20 }));
        let record = OperationRecord {
            revision: 21,
            ..Default::default()
        };
        let operation = Event {
            event: Some(event::Event::Operation(record)),
        };
        assert!(!cache.apply(&WatchItem::Event(Box::new(operation))));
        assert_eq!((cache.revision(), cache.objects().count()), (21, 3));
    }

    #[test]
    fn a_new_snapshot_takes_the_place_of_all_once_it_is_complete() {
        let mut cache = filled();
        let error = crate::Error::WatchStoreChanged {
            expected: "a".to_owned(),
            received: "b".to_owned(),
        };
        cache.apply(&WatchItem::Snapshot(Box::new(set("Stray"))));
        cache.apply(&WatchItem::Resync { error });
        cache.apply(&WatchItem::Snapshot(Box::new(group("g9", "New", "n1"))));
        assert_eq!(names(&cache), ["CL1", "SQL", "Front"]);
        cache.apply(&WatchItem::SnapshotComplete { revision: 2 });
        assert_eq!(names(&cache), ["New"]);
        assert_eq!(cache.revision(), 2, "revisions begin anew with the journal");
    }
}

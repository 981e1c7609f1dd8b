//! The client that only watches.

use std::collections::BTreeMap;
use std::time::Duration;

use wsfc_client::object::{self, ObjectKey};
use wsfc_client::v1::{InventoryObject, WatchRequest, inventory_object::Object};
use wsfc_client::{Cache, Client, Watch, WatchItem};

/// How long the copy may take to become what the cluster is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A copy of the inventory, kept by a watch.
pub struct Watcher {
    watch: Watch,
    cache: Cache,
    /// The revision of the last event, which only rises.
    last: u64,
    pub events: u64,
    pub reconnects: u64,
}

impl Watcher {
    pub fn new(client: &Client) -> Self {
        let request = WatchRequest {
            snapshot: true,
            ..WatchRequest::default()
        };
        Self {
            watch: client.watch(request),
            cache: Cache::new(),
            last: 0,
            events: 0,
            reconnects: 0,
        }
    }

    /// Follows the watch until the copy is what it should be.
    ///
    /// # Panics
    ///
    /// It does not become so in time, or an event comes twice or out of order.
    pub async fn until(&mut self, what: &str, wanted: &BTreeMap<ObjectKey, InventoryObject>) {
        let followed = tokio::time::timeout(PATIENCE, async {
            while self.held() != *wanted {
                let item = self
                    .watch
                    .next()
                    .await
                    .expect("a watch goes on")
                    .expect("a watch mends itself");
                self.take(&item);
            }
        });
        if followed.await.is_err() {
            panic!("{what}: {}", difference(&self.held(), wanted));
        }
    }

    fn take(&mut self, item: &WatchItem) {
        match item {
            WatchItem::Event(event) => {
                let revision = match &event.event {
                    Some(wsfc_client::v1::event::Event::Cluster(change)) => change.revision,
                    Some(wsfc_client::v1::event::Event::Operation(record)) => record.revision,
                    None => panic!("an event of no kind"),
                };
                assert!(revision > self.last, "revision {revision} after {}", self.last);
                self.last = revision;
                self.events += 1;
            }
            WatchItem::SnapshotComplete { revision } => self.last = *revision,
            WatchItem::Reconnecting { .. } => self.reconnects += 1,
            WatchItem::Resync { error } => panic!("nothing was lost, and yet: {error}"),
            WatchItem::Snapshot(_) | WatchItem::Mark { .. } | WatchItem::Resumed { .. } => {}
        }
        self.cache.apply(item);
    }

    /// The copy without what no cluster tells.
    fn held(&self) -> BTreeMap<ObjectKey, InventoryObject> {
        plain(self.cache.objects().cloned())
    }
}

/// Objects by their keys, without revisions and without what the daemon says of its own connection.
pub fn plain(objects: impl Iterator<Item = InventoryObject>) -> BTreeMap<ObjectKey, InventoryObject> {
    objects
        .map(|object| {
            let key = object::key(&object);
            let mut object = wsfcd::inventory::object::without_revision(object);
            if let Some(Object::Cluster(cluster)) = &mut object.object {
                cluster.connection = 0;
                cluster.connection_time = None;
            }
            (key, object)
        })
        .collect()
}

/// What is not the same in two sets of objects.
fn difference(held: &BTreeMap<ObjectKey, InventoryObject>, wanted: &BTreeMap<ObjectKey, InventoryObject>) -> String {
    let mut lines = Vec::new();
    for (key, object) in wanted {
        match held.get(key) {
            None => lines.push(format!("missing: {object:?}")),
            Some(other) if other != object => lines.push(format!("held:   {other:?}\nwanted: {object:?}")),
            Some(_) => {}
        }
    }
    let extra = held.iter().filter(|(key, _)| !wanted.contains_key(key));
    lines.extend(extra.map(|(_, object)| format!("gone, and held: {object:?}")));
    lines.join("\n")
}

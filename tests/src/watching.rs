//! Following events as a client does.

use wsfc_client::v1::event::Event as Kind;
use wsfc_client::v1::{ChangeType, ClusterEvent, Event, OperationRecord, WatchFilter, WatchRequest};
use wsfc_client::{Cache, Client, Watch, WatchItem};

use crate::records::soon;

/// A watch with the copy of the inventory that it keeps. It checks of every event that its revision rises.
#[derive(Debug)]
pub struct Follower {
    watch: Watch,
    /// What the watch has told so far makes this.
    pub cache: Cache,
    last: u64,
    /// How often the connection was lost.
    pub losses: usize,
}

impl Follower {
    /// Follows a cluster from a snapshot of it, which is complete afterwards.
    pub async fn of_cluster(client: &Client, cluster: &str) -> Self {
        Self::of(client, snapshot_of(cluster)).await
    }

    /// Begins to follow; waits for the snapshot if one is asked for, else for the first mark.
    ///
    /// # Panics
    ///
    /// The watch fails.
    #[expect(clippy::panic, reason = "how a test fails")]
    pub async fn of(client: &Client, request: WatchRequest) -> Self {
        let mut follower = Self {
            watch: client.watch(request),
            cache: Cache::new(),
            last: 0,
            losses: 0,
        };
        loop {
            match follower.item("the first mark").await {
                WatchItem::SnapshotComplete { .. } | WatchItem::Mark { .. } => return follower,
                WatchItem::Event(event) => panic!("an event before the first mark: {event:?}"),
                _ => {}
            }
        }
    }

    /// The next item, which is applied to the copy.
    ///
    /// # Panics
    ///
    /// The watch fails, ends, or tells an event that is not after the one before.
    #[expect(clippy::panic, reason = "how a test fails")]
    pub async fn item(&mut self, what: &str) -> WatchItem {
        let item = match soon(what, self.watch.next()).await {
            Some(Ok(item)) => item,
            Some(Err(error)) => panic!("no {what}: {error:?}"),
            None => panic!("the watch ended before {what}"),
        };
        match &item {
            WatchItem::Event(event) => {
                let revision = revision(event);
                assert!(revision > self.last, "{revision} after {}: {event:?}", self.last);
                self.last = revision;
            }
            WatchItem::SnapshotComplete { revision } => self.last = *revision,
            WatchItem::Mark { revision } => {
                assert!(*revision >= self.last, "a mark at {revision} after {}", self.last);
            }
            WatchItem::Reconnecting { .. } => self.losses += 1,
            _ => {}
        }
        self.cache.apply(&item);
        item
    }

    /// The next event, whatever else comes before it.
    pub async fn event(&mut self, what: &str) -> Event {
        soon(what, async {
            loop {
                if let WatchItem::Event(event) = self.item(what).await {
                    return *event;
                }
            }
        })
        .await
    }

    /// The events up to and with the first that fits.
    pub async fn until(&mut self, what: &str, mut fits: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        // Marks come for ever, so the whole is bounded and not only each item.
        soon(what, async {
            loop {
                events.push(self.event(what).await);
                if events.last().is_some_and(&mut fits) {
                    return;
                }
            }
        })
        .await;
        events
    }

    /// The changes of clusters up to and with the first that fits.
    pub async fn until_change(&mut self, what: &str, fits: impl Fn(&ClusterEvent) -> bool) -> Vec<ClusterEvent> {
        let events = self.until(what, |event| change(event).is_some_and(&fits)).await;
        events.into_iter().filter_map(into_change).collect()
    }

    /// Follows until the copy is as wished.
    pub async fn until_cache(&mut self, what: &str, fits: impl Fn(&Cache) -> bool) {
        soon(what, async {
            while !fits(&self.cache) {
                self.item(what).await;
            }
        })
        .await;
    }

    /// The mark that comes next, and that no event stands before.
    ///
    /// # Panics
    ///
    /// An event stands before it.
    #[expect(clippy::panic, reason = "how a test fails")]
    pub async fn mark(&mut self) -> u64 {
        loop {
            match self.item("a mark").await {
                WatchItem::Mark { revision } => return revision,
                WatchItem::Event(event) => panic!("an event before the mark: {event:?}"),
                _ => {}
            }
        }
    }

    /// The revision of the last event or snapshot.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The journal.
    pub fn store_id(&self) -> &str {
        self.watch.store_id()
    }
}

/// Asks for a snapshot of a cluster and what follows.
pub fn snapshot_of(cluster: &str) -> WatchRequest {
    WatchRequest {
        cluster: cluster.into(),
        snapshot: true,
        ..WatchRequest::default()
    }
}

/// Asks for the events after a revision.
pub fn after(revision: u64, store_id: &str) -> WatchRequest {
    WatchRequest {
        after_revision: Some(revision),
        store_id: store_id.into(),
        ..WatchRequest::default()
    }
}

/// Asks for the events after a revision that pass a filter.
pub fn filtered(revision: u64, filter: WatchFilter) -> WatchRequest {
    WatchRequest {
        filter: Some(filter),
        ..after(revision, "")
    }
}

/// The revision of an event.
///
/// # Panics
///
/// It is of no kind that is known here.
#[expect(clippy::panic, reason = "how a test fails")]
pub fn revision(event: &Event) -> u64 {
    match &event.event {
        Some(Kind::Cluster(change)) => change.revision,
        Some(Kind::Operation(record)) => record.revision,
        None => panic!("an event of no kind"),
    }
}

/// The change of a cluster, if it is that.
pub fn change(event: &Event) -> Option<&ClusterEvent> {
    match &event.event {
        Some(Kind::Cluster(change)) => Some(change),
        _ => None,
    }
}

/// As [`change`], for those who keep it.
pub fn into_change(event: Event) -> Option<ClusterEvent> {
    match event.event {
        Some(Kind::Cluster(change)) => Some(change),
        _ => None,
    }
}

/// The record of an operation, if it is that.
pub fn record(event: &Event) -> Option<&OperationRecord> {
    match &event.event {
        Some(Kind::Operation(record)) => Some(record),
        _ => None,
    }
}

/// Whether a change is, among others, of this type.
pub fn is(change: &ClusterEvent, wanted: ChangeType) -> bool {
    change.changes.contains(&wanted.into())
}

/// The reason of a gap, if it is one.
pub fn gap(change: &ClusterEvent) -> Option<&str> {
    change.gap.as_ref().map(|gap| gap.reason.as_str())
}

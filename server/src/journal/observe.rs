//! Taking cluster events: one call is one append, with revisions that follow one another, in one commit.

use std::sync::Arc;

use prost::Message as _;
use prost_types::Timestamp;
use wsfc_proto::v1;

use super::Journal;
use super::event;
use super::handover::Request;
use super::objects::{Identity, Object, set_revision};
use super::request::{Reply, StoreFailed};
use super::ring::EventPlace;
use super::schema::{self, StoredEvent};
use super::transaction::Transaction;

/// How many events one append holds at most.
pub const MAX_APPEND: usize = 256;

/// How many bytes the events of one append have at most. An append is one message of a stream, and clients read messages
/// of 4 MiB.
pub const MAX_APPEND_BYTES: usize = 1 << 20;

/// Events that were recorded, durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The revision of the first.
    pub first_revision: u64,
    /// The revision of the last.
    pub last_revision: u64,
}

/// Why events were not recorded. The journal is unchanged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ObserveError {
    /// None at all, or more than one append takes: [`MAX_APPEND`] and [`MAX_APPEND_BYTES`]; see [`appends`].
    #[error("{events} events of {bytes} bytes are no append")]
    Size {
        /// How many there are.
        events: usize,
        /// Their size.
        bytes: usize,
    },
    /// An event has an object that could not be found again: without a cluster, a kind, or an id and a name.
    #[error("event {index} of the append has an object that names nothing")]
    Nameless {
        /// Which one, from 0.
        index: usize,
    },
    /// The journal takes no records any more.
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

/// Cuts events into appends, in order. An event that is too large for an append is one of its own, which is refused.
pub fn appends(events: impl IntoIterator<Item = v1::ClusterEvent>) -> impl Iterator<Item = Vec<v1::ClusterEvent>> {
    let mut events = events.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut append = vec![events.next()?];
        let mut bytes = size(&append[0]);
        while let Some(event) = events.next_if(|event| {
            bytes += size(event);
            append.len() < MAX_APPEND && bytes <= MAX_APPEND_BYTES
        }) {
            append.push(event);
        }
        Some(append)
    })
}

/// How many bytes an event takes at most, with the revisions and the time that the writer adds.
fn size(event: &v1::ClusterEvent) -> usize {
    event.encoded_len() + 64
}

impl Journal {
    /// Records what was observed of a cluster: one append, whose events watchers get together. The request is queued at
    /// once.
    ///
    /// The writer gives each event its revision, also to its object, and the time unless it has one. An event with an
    /// object puts it into the inventory, REMOVED takes it out; others are recorded only, a gap and what a resource has
    /// reported among them. An object is known by its
    /// cluster, its kind and its id, or its name where it has no id; see [`Identity::key`]. More than fits into one
    /// append goes through [`appends`].
    pub fn observe(&self, events: Vec<v1::ClusterEvent>) -> Reply<Observed, ObserveError> {
        let (answer, reply) = Reply::channel();
        self.0.queue.push_request(Request::Observe { events, answer });
        reply
    }
}

impl Transaction<'_> {
    pub(super) fn observe(&mut self, events: Vec<v1::ClusterEvent>) -> Result<Observed, ObserveError> {
        check(&events)?;
        let first_revision = self.state.last_revision + 1;
        let last_revision = self.state.last_revision + events.len() as u64;
        for event in events {
            self.add_event(event, last_revision);
        }
        Ok(Observed {
            first_revision,
            last_revision,
        })
    }

    fn add_event(&mut self, mut event: v1::ClusterEvent, append_last: u64) {
        let revision = self.state.last_revision + 1;
        let time = *event.time.get_or_insert_with(|| Timestamp::from(self.now));
        event.revision = revision;
        let is_removed = event.changes.contains(&v1::ChangeType::Removed.into());
        if let Some(object) = event.object.as_mut().filter(|_| !is_removed) {
            set_revision(object, revision);
        }
        let (start, facts_start) = (self.plan.frames.len(), self.plan.facts.len());
        event::encode_frame(&event, &mut self.plan.frames);
        let objects = Arc::make_mut(&mut self.state.objects);
        let known = match event.object {
            None => objects.known(&event),
            Some(_) => event::Known::default(),
        };
        event::encode_facts(&event, known, &mut self.plan.facts);
        let stored = StoredEvent {
            append_last,
            previous: self.state.events.last,
            time,
            facts: &self.plan.facts[facts_start..],
            frame: &self.plan.frames[start..],
        };
        self.plan.writes.push(schema::put_event(revision, &stored));
        self.plan.records += 1;
        self.plan.bytes += self.plan.frames.len() - start;
        self.plan.places.push(EventPlace {
            revision,
            append_last,
            frame: start..self.plan.frames.len(),
            facts: facts_start..self.plan.facts.len(),
        });
        self.state.last_revision = revision;
        self.state.events.last = revision;
        self.state.events.count += 1;
        let Some(object) = event.object.and_then(Object::new) else {
            return;
        };
        if is_removed {
            let key = schema::object_key(&object.cluster_id, object.kind(), object.key());
            self.plan.writes.push(schema::delete(super::store::Table::Objects, key));
            objects.remove(&object.cluster_id, object.kind(), object.key());
        } else {
            self.plan.writes.push(schema::put_object(&object));
            objects.put(object);
        }
    }
}

/// Refuses what is no append.
fn check(events: &[v1::ClusterEvent]) -> Result<(), ObserveError> {
    let bytes = events.iter().map(size).sum();
    if events.is_empty() || events.len() > MAX_APPEND || bytes > MAX_APPEND_BYTES {
        return Err(ObserveError::Size {
            events: events.len(),
            bytes,
        });
    }
    let names_nothing = |object: &v1::InventoryObject| match Identity::of(object) {
        None => true,
        Some(identity) => {
            let is_single = matches!(identity.kind, v1::ObjectKind::Cluster | v1::ObjectKind::Quorum);
            object.cluster_id.is_empty() || (!is_single && identity.key().is_empty())
        }
    };
    let nameless = events
        .iter()
        .position(|event| event.object.as_ref().is_some_and(names_nothing));
    nameless.map_or(Ok(()), |index| Err(ObserveError::Nameless { index }))
}

//! What is published: the snapshots of operations, and their latest records as the bytes that streams send.
//!
//! Everything here is durable. The writer puts a batch in after its commit, and readers on any thread take from it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;
use wsfc_proto::v1;

use super::objects::{Inventory, Objects};
use super::options::MemoryBudget;
use super::read::Batch;
use super::ring::{Ring, Segment};
use super::transaction::State;
use crate::operation::fold::is_final;

/// The published state.
pub(super) struct Log {
    head: u64,
    operations: HashMap<Uuid, Published>,
    /// The order in which chunks leave when the budget is spent.
    slots: VecDeque<Slot>,
    records: usize,
    bytes: usize,
    budget: MemoryBudget,
    locks: Arc<BTreeMap<String, Uuid>>,
    settles: Arc<BTreeMap<String, SystemTime>>,
    /// The latest events and records in order.
    ring: Ring,
    /// Every object, as the events up to the head make it.
    objects: Arc<Objects>,
    /// The oldest revision that a watch of events may ask for.
    oldest: u64,
    /// The revision of the last event; 0 when there was none.
    last_event: u64,
}

/// An operation and its latest records.
struct Published {
    operation: Arc<v1::Operation>,
    tail: VecDeque<Arc<Chunk>>,
}

/// The records that one commit added to one operation. Built once, sent by reference count.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The sequence number of the first record.
    pub(super) first: u64,
    /// The records, each as field 1 of `WatchOperationResponse`.
    pub(super) bytes: Bytes,
    /// Where each record ends, and its revision.
    pub(super) marks: Vec<Mark>,
}

impl Chunk {
    /// A record, by its index.
    pub(super) fn frame(&self, index: usize) -> &[u8] {
        let end = |index: usize| self.marks.get(index).map_or(0, |mark| mark.end);
        let start = index.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(index)).unwrap_or_default()
    }
}

/// The end of a record in its chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) end: usize,
    pub(super) revision: u64,
}

/// The place of a chunk in the ring.
struct Slot {
    operation_id: Uuid,
    first: u64,
    records: usize,
    bytes: usize,
}

/// What a commit changed.
pub(super) struct Publication {
    /// The last revision.
    pub(super) head: u64,
    /// The operations that have new records.
    pub(super) operations: Vec<(Uuid, Arc<v1::Operation>, Arc<Chunk>)>,
    /// The new events and records in order.
    pub(super) segment: Option<Segment>,
    /// The revision of the last event.
    pub(super) last_event: u64,
    /// All objects.
    pub(super) objects: Arc<Objects>,
    /// All locks.
    pub(super) locks: Arc<BTreeMap<String, Uuid>>,
    /// All clusters that settle.
    pub(super) settles: Arc<BTreeMap<String, SystemTime>>,
}

/// What memory knows about the records after a sequence number.
pub(super) enum Lookup {
    /// All that was asked for.
    Here(Batch),
    /// The operation, whose next record is only in the store.
    InStore(Arc<v1::Operation>),
    /// Nothing: the operation ended long ago, or never was.
    Unknown,
}

impl Log {
    /// The published state of a store that was opened: nothing of it is in memory but what has not ended.
    pub(super) fn new(budget: MemoryBudget, event_budget: MemoryBudget, state: &State) -> Self {
        let published = |operation: &Arc<v1::Operation>| Published {
            operation: Arc::clone(operation),
            tail: VecDeque::new(),
        };
        let unfinished = state.live.iter();
        let operations = unfinished.map(|(id, kept)| (*id, published(&kept.operation))).collect();
        Self {
            head: state.last_revision,
            operations,
            slots: VecDeque::new(),
            records: 0,
            bytes: 0,
            budget,
            locks: Arc::clone(&state.locks),
            settles: Arc::clone(&state.settles),
            ring: Ring::new(event_budget),
            objects: Arc::clone(&state.objects),
            oldest: state.events.oldest,
            last_event: state.events.last,
        }
    }

    pub(super) fn head(&self) -> u64 {
        self.head
    }

    pub(super) fn locks(&self) -> Arc<BTreeMap<String, Uuid>> {
        Arc::clone(&self.locks)
    }

    pub(super) fn settles(&self) -> Arc<BTreeMap<String, SystemTime>> {
        Arc::clone(&self.settles)
    }

    /// An operation, if it is in memory. Every operation that has not ended is.
    pub(super) fn operation(&self, operation_id: Uuid) -> Option<&Arc<v1::Operation>> {
        self.operations.get(&operation_id).map(|published| &published.operation)
    }

    /// Puts in what has become durable, and lets the oldest records go.
    pub(super) fn publish(&mut self, publication: Publication) {
        self.head = publication.head;
        self.locks = publication.locks;
        self.settles = publication.settles;
        self.objects = publication.objects;
        self.last_event = publication.last_event;
        if let Some(segment) = publication.segment {
            self.ring.push(segment);
        }
        for (operation_id, operation, chunk) in publication.operations {
            let (first, records, bytes) = (chunk.first, chunk.marks.len(), chunk.bytes.len());
            self.slots.push_back(Slot {
                operation_id,
                first,
                records,
                bytes,
            });
            self.records += records;
            self.bytes += bytes;
            let published = self.operations.entry(operation_id).or_insert_with(|| Published {
                operation: Arc::clone(&operation),
                tail: VecDeque::new(),
            });
            published.operation = operation;
            published.tail.push_back(chunk);
        }
        while self.records > self.budget.records || self.bytes > self.budget.bytes {
            let Some(slot) = self.slots.pop_front() else { break };
            self.evict(&slot);
        }
    }

    fn evict(&mut self, slot: &Slot) {
        self.records -= slot.records;
        self.bytes -= slot.bytes;
        // A compacted operation may have left before its chunks did.
        let Some(published) = self.operations.get_mut(&slot.operation_id) else {
            return;
        };
        if published.tail.front().is_some_and(|chunk| chunk.first == slot.first) {
            published.tail.pop_front();
        }
        if published.tail.is_empty() && is_final(published.operation.state()) {
            self.operations.remove(&slot.operation_id);
        }
    }

    /// Takes over what compaction has left of an operation: a snapshot that names its oldest record, or nothing.
    pub(super) fn compacted(&mut self, operation_id: Uuid, left: Option<Arc<v1::Operation>>) {
        match left {
            None => drop(self.operations.remove(&operation_id)),
            Some(operation) => {
                if let Some(published) = self.operations.get_mut(&operation_id) {
                    published.operation = operation;
                }
            }
        }
    }

    /// Takes over the oldest revision that a watch may ask for.
    pub(super) fn set_oldest(&mut self, oldest: u64) {
        self.oldest = oldest;
    }

    /// The oldest revision that a watch may ask for.
    pub(super) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The revision of the last event; 0 when there was none.
    pub(super) fn last_event(&self) -> u64 {
        self.last_event
    }

    /// The inventory at the head.
    pub(super) fn inventory(&self) -> Inventory {
        Inventory {
            revision: self.head,
            objects: Arc::clone(&self.objects),
        }
    }

    /// The latest events and records in order.
    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Takes over the clusters that still settle.
    pub(super) fn set_settles(&mut self, settles: Arc<BTreeMap<String, SystemTime>>) {
        self.settles = settles;
    }

    /// The records after a sequence number that memory has.
    pub(super) fn read(&self, operation_id: Uuid, after: u64, max_bytes: usize) -> Lookup {
        let Some(published) = self.operations.get(&operation_id) else {
            return Lookup::Unknown;
        };
        let operation = &published.operation;
        if after >= operation.last_sequence {
            return Lookup::Here(Batch::empty(after, operation));
        }
        let tail = &published.tail;
        // The chunk that holds the next record: the last of those that begin at it or before it.
        let start = tail.partition_point(|chunk| chunk.first <= after + 1).checked_sub(1);
        let Some(start) = start.filter(|_| after + 1 >= operation.oldest_sequence) else {
            return Lookup::InStore(Arc::clone(operation));
        };
        let mut gathered = Gather::new(after, max_bytes);
        for chunk in tail.range(start..) {
            if !gathered.add_chunk(chunk) {
                break;
            }
        }
        Lookup::Here(gathered.finish(operation))
    }
}

/// Gathers records into a batch, up to a size. A single chunk, or a part of one, is passed on without a copy.
pub(super) struct Gather {
    after: u64,
    last: u64,
    last_revision: u64,
    max_bytes: usize,
    first_part: Bytes,
    joined: BytesMut,
}

impl Gather {
    pub(super) fn new(after: u64, max_bytes: usize) -> Self {
        let (first_part, joined) = (Bytes::new(), BytesMut::new());
        Self {
            after,
            last: after,
            last_revision: 0,
            max_bytes,
            first_part,
            joined,
        }
    }

    fn len(&self) -> usize {
        self.first_part.len() + self.joined.len()
    }

    /// Adds what comes next of a chunk; false when no more fits.
    fn add_chunk(&mut self, chunk: &Chunk) -> bool {
        let skip = usize::try_from(self.last + 1 - chunk.first).unwrap_or(usize::MAX);
        let Some(from) = skip
            .checked_sub(1)
            .map_or(Some(0), |before| chunk.marks.get(before).map(|mark| mark.end))
        else {
            return true;
        };
        let marks = &chunk.marks[skip..];
        let room = self.max_bytes.saturating_sub(self.len());
        let mut fitting = marks.partition_point(|mark| mark.end - from <= room);
        // A record larger than the batch still has to be sent: alone.
        if fitting == 0 && self.len() == 0 {
            fitting = 1;
        }
        let Some(mark) = fitting.checked_sub(1).and_then(|index| marks.get(index)) else {
            return marks.is_empty();
        };
        self.take(chunk.bytes.slice(from..mark.end), fitting as u64, mark.revision);
        fitting == marks.len()
    }

    /// Adds one record; false when it does not fit.
    pub(super) fn add_record(&mut self, frame: &[u8], revision: u64) -> bool {
        let fits = self.len() == 0 || self.len() + frame.len() <= self.max_bytes;
        if fits {
            self.joined.extend_from_slice(frame);
            self.last += 1;
            self.last_revision = revision;
        }
        fits
    }

    fn take(&mut self, part: Bytes, count: u64, revision: u64) {
        if self.len() == 0 {
            self.first_part = part;
        } else {
            if self.joined.is_empty() {
                self.joined.reserve(self.max_bytes.min(64 << 10));
                self.joined.extend_from_slice(&std::mem::take(&mut self.first_part));
            }
            self.joined.extend_from_slice(&part);
        }
        self.last += count;
        self.last_revision = revision;
    }

    pub(super) fn finish(self, operation: &v1::Operation) -> Batch {
        let bytes = if self.joined.is_empty() {
            self.first_part
        } else {
            self.joined.freeze()
        };
        Batch {
            bytes,
            first: self.after + 1,
            last: self.last,
            last_revision: self.last_revision,
            count: self.last - self.after,
            ended: is_final(operation.state()) && self.last >= operation.last_sequence,
        }
    }
}

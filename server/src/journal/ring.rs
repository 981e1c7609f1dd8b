//! The latest commits in memory, in the order of their revisions: what live watchers of events read.
//!
//! A segment is a commit: the bytes of its events, and the chunks of its operation records, which are those that the
//! cursors of operations read. Segments follow one another without a gap.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::log::Chunk;
use super::options::MemoryBudget;

/// The events and records of one commit.
#[derive(Debug)]
pub(super) struct Segment {
    /// The revision of the first.
    pub(super) first: u64,
    /// Where each one is: that of revision `first` plus its index.
    pub(super) places: Vec<Place>,
    /// The events, each as field 1 of `WatchResponse`.
    pub(super) frames: Bytes,
    /// The facts of the events.
    pub(super) facts: Bytes,
    /// The records of operations.
    pub(super) chunks: Vec<(Uuid, Arc<Chunk>)>,
    /// True when there are events among them.
    pub(super) has_events: bool,
}

/// Where an event or a record is in its segment.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A record of an operation: in this chunk, at this index.
    Record { chunk: usize, index: usize },
    /// An event.
    Event(EventPlace),
}

/// Where an event is in its segment.
#[derive(Clone, Debug)]
pub(super) struct EventPlace {
    pub(super) revision: u64,
    /// The revision of the last event of its append.
    pub(super) append_last: u64,
    /// Its bytes.
    pub(super) frame: Range<usize>,
    /// Its facts.
    pub(super) facts: Range<usize>,
}

impl Segment {
    /// Puts a commit together; nothing when it has neither events nor records.
    pub(super) fn new(
        frames: Vec<u8>,
        facts: Vec<u8>,
        events: Vec<EventPlace>,
        chunks: Vec<(Uuid, Arc<Chunk>)>,
    ) -> Option<Self> {
        let has_events = !events.is_empty();
        let mut places: Vec<_> = chunks
            .iter()
            .enumerate()
            .flat_map(|(chunk, (_, records))| {
                let records = records.marks.iter().enumerate();
                records.map(move |(index, mark)| (mark.revision, Place::Record { chunk, index }))
            })
            .chain(events.into_iter().map(|event| (event.revision, Place::Event(event))))
            .collect();
        places.sort_unstable_by_key(|(revision, _)| *revision);
        let (first, _) = *places.first()?;
        let places = places.into_iter().map(|(_, place)| place).collect();
        Some(Self {
            first,
            places,
            frames: Bytes::from(frames),
            facts: Bytes::from(facts),
            chunks,
            has_events,
        })
    }

    /// The revision of the last.
    pub(super) fn last(&self) -> u64 {
        self.first + self.places.len() as u64 - 1
    }

    fn bytes(&self) -> usize {
        let records: usize = self.chunks.iter().map(|(_, chunk)| chunk.bytes.len()).sum();
        self.frames.len() + self.facts.len() + records
    }
}

/// The segments in memory.
pub(super) struct Ring {
    segments: VecDeque<Arc<Segment>>,
    records: usize,
    bytes: usize,
    budget: MemoryBudget,
}

impl Ring {
    pub(super) fn new(budget: MemoryBudget) -> Self {
        Self {
            segments: VecDeque::new(),
            records: 0,
            bytes: 0,
            budget,
        }
    }

    /// Puts a commit in, and lets the oldest go.
    pub(super) fn push(&mut self, segment: Segment) {
        self.records += segment.places.len();
        self.bytes += segment.bytes();
        self.segments.push_back(Arc::new(segment));
        while self.records > self.budget.records || self.bytes > self.budget.bytes {
            let Some(oldest) = self.segments.pop_front() else { break };
            self.records -= oldest.places.len();
            self.bytes -= oldest.bytes();
        }
    }

    /// The segments from the one with the revision after `after` on, as many as have `count` records; `None` when
    /// memory does not reach back so far.
    pub(super) fn after(&self, after: u64, count: usize) -> Option<Vec<Arc<Segment>>> {
        let start = self.segments.partition_point(|segment| segment.last() <= after);
        let begins_in_time = self
            .segments
            .get(start)
            .is_some_and(|segment| segment.first <= after + 1);
        begins_in_time.then(|| {
            let mut room = count;
            let fits = |segment: &&Arc<Segment>| {
                let fits = room > 0;
                room = room.saturating_sub(segment.places.len());
                fits
            };
            self.segments.range(start..).take_while(fits).cloned().collect()
        })
    }
}

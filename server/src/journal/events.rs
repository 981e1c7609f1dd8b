//! Cursors over the events of all clusters, and the operations' records among them if asked for.
//!
//! Memory first, the store for what is older, as for operations. A cursor moves over what its filter does not admit, so
//! that its position is always one to resume after. What was recorded together is given together.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow, Range};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio_stream::Stream;
use uuid::Uuid;

use super::cursor::Lane;
use super::event::{Facts, wrap_record};
use super::filter::Filter;
use super::lane::{Parking, Topic};
use super::objects::Inventory;
use super::read::{MAX_BATCH_BYTES, ReadError, stored_operation};
use super::ring::{EventPlace, Place, Segment};
use super::schema::{self, meta};
use super::store::{Order, Snapshot, Table};
use super::{Journal, Shared};

/// How many events and records one look goes over, so that a filter that admits little does not keep a serving thread.
const MAX_SCAN: usize = 4096;

/// How many operations a cursor remembers the cluster of.
const MAX_KNOWN: usize = 4096;

/// Some events, in order, with nothing left out that the filter admits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventBatch {
    /// The events, each encoded as field 1 of `WatchResponse`: a message that lacks only its mark.
    pub parts: Vec<Bytes>,
    /// How many there are.
    pub count: u64,
    /// Everything up to this revision was given or is not admitted.
    pub last: u64,
}

impl EventBatch {
    /// The size of the events.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// True when there are no events.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A position in the events that moves on as they become durable.
///
/// It holds no events and no queue: a slow watcher reads later, in bigger steps.
#[derive(Debug)]
pub struct EventCursor {
    shared: Arc<Shared>,
    parking: Arc<Parking>,
    place: u64,
    topic: Topic,
    parked: bool,
    filter: Arc<Filter>,
    position: u64,
    /// Whether the filter admits an operation, as far as it was asked.
    known: BTreeMap<Uuid, bool>,
    /// True once nothing more will be given.
    done: bool,
}

/// What a look found.
enum Look {
    /// Events, or an error.
    News(Result<EventBatch, ReadError>),
    /// Nothing that is admitted, and there is more to look at.
    More,
    /// Nothing.
    Nothing,
}

impl Lane {
    /// Follows events on this lane, from the one after the revision `after`; `None`: from what comes next.
    ///
    /// # Errors
    ///
    /// [`ReadError::Future`], [`ReadError::Compacted`].
    pub fn events(&self, filter: Filter, after: Option<u64>) -> Result<EventCursor, ReadError> {
        let (head, oldest) = self.shared.reach();
        let after = after.unwrap_or(head);
        check_reach(after, head, oldest)?;
        #[cfg(feature = "planted-bugs")]
        let after = after + self.shared.planted_skip(after);
        Ok(self.cursor_at(filter, after))
    }

    /// The inventory, and a cursor over the events that come after it.
    pub fn snapshot(&self, filter: Filter) -> (Inventory, EventCursor) {
        let inventory = self.shared.log().inventory();
        let cursor = self.cursor_at(filter, inventory.revision());
        (inventory, cursor)
    }

    fn cursor_at(&self, filter: Filter, position: u64) -> EventCursor {
        EventCursor {
            shared: Arc::clone(&self.shared),
            parking: Arc::clone(&self.parking),
            place: self.parking.place(),
            topic: if filter.operations {
                Topic::Everything
            } else {
                Topic::Events
            },
            parked: false,
            filter: Arc::new(filter),
            position,
            known: BTreeMap::new(),
            done: false,
        }
    }
}

impl Journal {
    /// Follows events, woken by the writer's thread. Streams take [`Lane::events`].
    ///
    /// # Errors
    ///
    /// As [`Lane::events`].
    pub fn events(&self, filter: Filter, after: Option<u64>) -> Result<EventCursor, ReadError> {
        self.own_lane().events(filter, after)
    }

    /// The oldest revision that a watch of events may begin at.
    pub fn oldest_revision(&self) -> u64 {
        self.0.log().oldest()
    }
}

impl EventCursor {
    /// The next events, as soon as there are any; `None` after an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<EventBatch, ReadError>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`EventCursor::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<EventBatch, ReadError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let mut look = self.look();
        if matches!(look, Look::Nothing) {
            self.parking.park(self.topic, self.place, context.waker());
            self.parked = true;
            // Events that were published between the look and the parking woke nobody.
            look = self.look();
        }
        match look {
            Look::Nothing => Poll::Pending,
            Look::More => {
                // Others on this thread come first.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Look::News(news) => {
                self.unpark();
                self.done = news.is_err();
                Poll::Ready(Some(news))
            }
        }
    }

    /// Where the cursor stands: everything up to this revision was given or is not admitted. After a pending poll that
    /// is as far as it has looked.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn look(&mut self) -> Look {
        // Asked first: what was published before the failure is found below.
        let failed = self.shared.failed();
        match self
            .shared
            .read_events(&self.filter, &mut self.known, self.position, MAX_BATCH_BYTES)
        {
            Ok((batch, is_all)) => {
                self.position = batch.last;
                match failed {
                    _ if !batch.is_empty() => Look::News(Ok(batch)),
                    _ if !is_all => Look::More,
                    Some(failed) => Look::News(Err(failed.into())),
                    None => Look::Nothing,
                }
            }
            Err(error) => Look::News(Err(error)),
        }
    }

    fn unpark(&mut self) {
        if std::mem::take(&mut self.parked) {
            self.parking.leave(self.topic, self.place);
        }
    }
}

impl Drop for EventCursor {
    fn drop(&mut self) {
        self.unpark();
    }
}

impl Stream for EventCursor {
    type Item = Result<EventBatch, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_next(context)
    }
}

fn check_reach(after: u64, head: u64, oldest: u64) -> Result<(), ReadError> {
    if after > head {
        Err(ReadError::Future { last: head })
    } else if after + 1 < oldest {
        Err(ReadError::Compacted { oldest })
    } else {
        Ok(())
    }
}

impl Shared {
    /// The head, and the oldest revision that a watch may ask for.
    fn reach(&self) -> (u64, u64) {
        let log = self.log();
        (log.head(), log.oldest())
    }

    /// The events after a revision, about as many as fit into `max_bytes`, and whether there are no others.
    fn read_events(
        &self,
        filter: &Filter,
        known: &mut BTreeMap<Uuid, bool>,
        after: u64,
        max_bytes: usize,
    ) -> Result<(EventBatch, bool), ReadError> {
        let (head, last_event, segments) = {
            let log = self.log();
            check_reach(after, log.head(), log.oldest())?;
            (log.head(), log.last_event(), log.ring().after(after, MAX_SCAN))
        };
        if known.len() > MAX_KNOWN {
            known.clear();
        }
        let mut reading = Reading {
            shared: self,
            filter,
            known,
            max_bytes,
        };
        let batch = if after == head {
            EventBatch {
                last: head,
                ..EventBatch::default()
            }
        } else if let Some(segments) = segments {
            reading.in_memory(&segments, after)?
        } else {
            reading.in_store(after, head, last_event)?
        };
        let is_all = batch.last == head;
        Ok((batch, is_all))
    }
}

/// A batch in the making.
struct Gather {
    parts: Vec<Bytes>,
    /// What was copied and is not yet a part.
    copied: BytesMut,
    bytes: usize,
    count: u64,
    last: u64,
}

impl Gather {
    fn new(after: u64) -> Self {
        Self {
            parts: Vec::new(),
            copied: BytesMut::new(),
            bytes: 0,
            count: 0,
            last: after,
        }
    }

    /// Adds events as they lie in memory.
    fn share(&mut self, frames: &Bytes, run: Range<usize>) {
        if run.is_empty() {
            return;
        }
        self.flush();
        self.parts.push(frames.slice(run));
    }

    fn flush(&mut self) {
        if !self.copied.is_empty() {
            self.parts.push(self.copied.split().freeze());
        }
    }

    /// Adds the record of an operation.
    fn record(&mut self, frame: &[u8]) {
        let before = self.copied.len();
        wrap_record(frame, &mut self.copied);
        self.bytes += self.copied.len() - before;
        self.count += 1;
    }

    fn finish(mut self) -> EventBatch {
        self.flush();
        EventBatch {
            parts: self.parts,
            count: self.count,
            last: self.last,
        }
    }
}

/// Reads for one cursor.
struct Reading<'r> {
    shared: &'r Shared,
    filter: &'r Filter,
    known: &'r mut BTreeMap<Uuid, bool>,
    max_bytes: usize,
}

impl Reading<'_> {
    /// Gathers from segments, of which the first holds the revision after `after`.
    fn in_memory(&mut self, segments: &[Arc<Segment>], after: u64) -> Result<EventBatch, ReadError> {
        let mut gather = Gather::new(after);
        for segment in segments {
            if !segment.has_events && !self.filter.operations {
                gather.last = segment.last();
            } else if !self.segment(segment, &mut gather)? {
                break;
            }
        }
        Ok(gather.finish())
    }

    /// Gathers what comes next of a segment; false when the batch is full.
    fn segment(&mut self, segment: &Segment, gather: &mut Gather) -> Result<bool, ReadError> {
        let skip = usize::try_from(gather.last + 1 - segment.first).unwrap_or(usize::MAX);
        let mut run = 0..0;
        let mut is_full = false;
        for place in segment.places.get(skip..).unwrap_or_default() {
            if is_full {
                break;
            }
            let mut append_goes_on = false;
            match place {
                Place::Event(event) => {
                    append_goes_on = event.revision < event.append_last;
                    if self.admits(segment, event)? {
                        if run.end != event.frame.start {
                            gather.share(&segment.frames, std::mem::replace(&mut run, event.frame.clone()));
                        }
                        run.end = event.frame.end;
                        gather.bytes += event.frame.len();
                        gather.count += 1;
                    }
                }
                Place::Record { chunk, index } if self.filter.operations => {
                    if let Some((id, chunk)) = segment.chunks.get(*chunk)
                        && self.admits_operation(*id, None, gather.last + 1)?
                    {
                        gather.share(&segment.frames, std::mem::take(&mut run));
                        gather.record(chunk.frame(*index));
                    }
                }
                Place::Record { .. } => {}
            }
            gather.last += 1;
            is_full = gather.bytes >= self.max_bytes && !append_goes_on;
        }
        gather.share(&segment.frames, run);
        Ok(!is_full)
    }

    fn admits(&self, segment: &Segment, event: &EventPlace) -> Result<bool, ReadError> {
        let facts = segment.facts.get(event.facts.clone()).and_then(Facts::read);
        let revision = event.revision;
        Ok(self.filter.admits(&facts.ok_or(ReadError::Damaged { revision })?))
    }

    /// Whether the records of an operation are wanted.
    fn admits_operation(
        &mut self,
        id: Uuid,
        snapshot: Option<&dyn Snapshot>,
        revision: u64,
    ) -> Result<bool, ReadError> {
        if self.filter.admits_every_operation() {
            return Ok(true);
        }
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let published = self.shared.log().operation(id).cloned();
        let admitted = match published {
            Some(operation) => self.filter.admits_operation(&operation),
            None => {
                let stored = match snapshot {
                    Some(snapshot) => stored_operation(snapshot, id),
                    None => stored_operation(&*self.shared.snapshot()?, id),
                };
                match stored {
                    Ok(stored) => self.filter.admits_operation(&stored.operation),
                    // Compaction takes the row of an operation with its last records or after them.
                    Err(ReadError::NotFound) => return Err(self.gone(revision)),
                    Err(error) => return Err(error),
                }
            }
        };
        self.known.insert(id, admitted);
        Ok(admitted)
    }

    /// What it means that something is not there: it was compacted meanwhile, or is damaged.
    fn gone(&self, revision: u64) -> ReadError {
        let (_, oldest) = self.shared.reach();
        if revision < oldest {
            ReadError::Compacted { oldest }
        } else {
            ReadError::Damaged { revision }
        }
    }

    /// Gathers from the store, up to `head`.
    fn in_store(&mut self, after: u64, head: u64, last_event: u64) -> Result<EventBatch, ReadError> {
        let snapshot = self.shared.snapshot()?;
        let oldest = snapshot.get(Table::Meta, meta::OLDEST_REVISION)?;
        let oldest = oldest.ok_or(ReadError::Damaged { revision: 0 })?;
        let oldest = schema::open_number(Table::Meta, meta::OLDEST_REVISION, &oldest)?;
        // Asked of what is read below, so that no compaction comes between.
        check_reach(after, head, oldest)?;
        let (events, seen, mut last) = self.stored_events(&*snapshot, after, head, last_event)?;
        let mut gather = Gather::new(after);
        if self.filter.operations {
            let records = self.stored_records(&*snapshot, after, &mut last)?;
            let events_seen = seen.partition_point(|revision| *revision <= last);
            // Every revision is an event or a record.
            if (events_seen + records.seen) as u64 != last - after {
                return Err(ReadError::Damaged { revision: 0 });
            }
            merge(&events, &records, last, &mut gather);
        } else {
            gather.count = events.ends.len() as u64;
            gather.parts.push(events.bytes.freeze());
        }
        gather.last = last;
        Ok(gather.finish())
    }

    /// The events that are admitted, the revisions of all that were seen, and the revision up to which they were read.
    fn stored_events(
        &self,
        snapshot: &dyn Snapshot,
        after: u64,
        head: u64,
        last_event: u64,
    ) -> Result<(Rows, Vec<u64>, u64), ReadError> {
        let mut rows = Rows::default();
        let mut seen: Vec<u64> = Vec::new();
        let is_cut = visit(snapshot, Table::Events, after, head, &mut |revision, key, value| {
            let damaged = || ReadError::Damaged { revision };
            let event = schema::open_event(key, value).map_err(|_| damaged())?;
            // The event before this one must have been seen, or be one that was not asked for.
            if seen
                .last()
                .map_or(event.previous > after, |last| *last != event.previous)
            {
                return Err(ReadError::Damaged {
                    revision: event.previous,
                });
            }
            seen.push(revision);
            if self.filter.admits(&Facts::read(event.facts).ok_or_else(damaged)?) {
                rows.add(revision, event.frame);
            }
            let is_full = rows.bytes.len() >= self.max_bytes || seen.len() >= MAX_SCAN;
            Ok(is_full && revision == event.append_last)
        })?;
        let last = if is_cut {
            seen.last().copied().unwrap_or(after)
        } else {
            // The last event of all must be among them unless it is older.
            if last_event > after && seen.last() != Some(&last_event) {
                return Err(ReadError::Damaged { revision: last_event });
            }
            head
        };
        Ok((rows, seen, last))
    }

    /// The records that are admitted up to `last`, which is lowered when they are too many.
    fn stored_records(&mut self, snapshot: &dyn Snapshot, after: u64, last: &mut u64) -> Result<Rows, ReadError> {
        let mut rows = Rows::default();
        let mut reached = *last;
        let is_cut = visit(snapshot, Table::Records, after, *last, &mut |revision, key, value| {
            let record = schema::open_record(key, value).map_err(|_| ReadError::Damaged { revision })?;
            rows.seen += 1;
            reached = revision;
            if self.admits_operation(record.operation_id, Some(snapshot), revision)? {
                rows.add(revision, record.frame);
            }
            Ok(rows.bytes.len() >= self.max_bytes || rows.seen >= MAX_SCAN)
        })?;
        if is_cut {
            *last = reached;
        }
        Ok(rows)
    }
}

/// Frames of rows, one behind the other.
#[derive(Default)]
struct Rows {
    bytes: BytesMut,
    /// The revision of each, and where it ends.
    ends: Vec<(u64, usize)>,
    /// How many rows were seen, admitted or not.
    seen: usize,
}

impl Rows {
    fn add(&mut self, revision: u64, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push((revision, self.bytes.len()));
    }

    /// The revision and bytes of each, up to a revision.
    fn up_to(&self, last: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let mut start = 0;
        self.ends
            .iter()
            .take_while(move |(revision, _)| *revision <= last)
            .map(move |(revision, end)| {
                let frame = self.bytes.get(start..*end).unwrap_or_default();
                start = *end;
                (*revision, frame)
            })
    }
}

/// Puts events and records into the order of their revisions.
fn merge(events: &Rows, records: &Rows, last: u64, gather: &mut Gather) {
    let mut records = records.up_to(last).peekable();
    for (revision, frame) in events.up_to(last) {
        while let Some((_, record)) = records.next_if(|(record, _)| *record < revision) {
            gather.record(record);
        }
        gather.copied.extend_from_slice(frame);
        gather.count += 1;
    }
    records.for_each(|(_, record)| gather.record(record));
}

/// Sees the revision, the key and the value of a row; true to stop there.
type VisitRow<'v> = dyn FnMut(u64, &[u8], &[u8]) -> Result<bool, ReadError> + 'v;

/// Visits the rows after a revision up to another one; true when the visitor stopped.
fn visit(
    snapshot: &dyn Snapshot,
    table: Table,
    after: u64,
    last: u64,
    visit: &mut VisitRow<'_>,
) -> Result<bool, ReadError> {
    let (from, to) = (schema::record_key(after), schema::record_key(last));
    let range = (Bound::Excluded(from.as_slice()), Bound::Included(to.as_slice()));
    let mut outcome = Ok(false);
    snapshot.visit(table, range, Order::Ascending, &mut |key, value| {
        let revision = schema::revision_of(table, key).map_err(ReadError::from);
        outcome = revision.and_then(|revision| visit(revision, key, value));
        match outcome {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) | Err(_) => ControlFlow::Break(()),
        }
    })?;
    outcome
}

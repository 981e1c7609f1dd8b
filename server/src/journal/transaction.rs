//! One commit in the making: what was asked of the writer becomes rows, chunks of encoded records, and answers.
//!
//! Nothing here is visible or answered before the writer has committed it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;

use super::handover::{Answer, Item, Progress, ProgressReport, Request};
use super::log::{Chunk, Mark, Publication};
use super::objects::Objects;
use super::observe::{ObserveError, Observed};
use super::options::Options;
use super::read::{ReadError, stored_operation};
use super::request::{
    AcceptError, AcceptOutcome, Append, AppendError, Appended, NewOperation, RequestKey, StoreFailed,
};
use super::ring::{EventPlace, Segment};
use super::schema::{self, StoredRecord, StoredRequest};
use super::store::{Snapshot, Snapshots, StoreError, Table, Write};
use crate::operation::fold::{IllegalRecord, fold, is_final, may_follow};

/// A commit takes up to so many records.
pub(super) const MAX_RECORDS: usize = 256;
/// A commit takes records until they have so many bytes.
pub(super) const MAX_BYTES: usize = 256 << 10;

/// What the writer knows by heart; runs ahead of what is durable only while a transaction is made.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The last revision that was given to a record.
    pub(super) last_revision: u64,
    /// The operations that have not ended.
    pub(super) live: BTreeMap<Uuid, Kept>,
    /// The operations that have ended and are kept, by creation.
    pub(super) ended: BTreeMap<u64, Ended>,
    /// The holder of each lock.
    pub(super) locks: Arc<BTreeMap<String, Uuid>>,
    /// The clusters that settle, and until when.
    pub(super) settles: Arc<BTreeMap<String, SystemTime>>,
    /// Every object of the inventory.
    pub(super) objects: Arc<Objects>,
    /// The events.
    pub(super) events: Events,
}

/// What the writer must know of the events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Events {
    /// How many are kept.
    pub(super) count: u64,
    /// The revision of the last one ever recorded; 0 when there was none.
    pub(super) last: u64,
    /// The oldest revision that a watch may ask for.
    pub(super) oldest: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            count: 0,
            last: 0,
            oldest: 1,
        }
    }
}

/// An operation with its place in the tables.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) operation: Arc<v1::Operation>,
    /// The revision of its first record.
    pub(super) created: u64,
    /// Its key among the request ids, or empty.
    pub(super) request_key: Vec<u8>,
}

/// What compaction must know of an operation that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) operation_id: Uuid,
    pub(super) accepted: SystemTime,
    pub(super) ended: SystemTime,
    /// True when a request id leads to it.
    pub(super) requested: bool,
    /// The oldest record that is kept; one after the last when there is none.
    pub(super) oldest: u64,
    pub(super) last: u64,
}

impl Ended {
    pub(super) fn of(operation_id: Uuid, operation: &v1::Operation, request_key: &[u8]) -> Self {
        let time = |time: Option<prost_types::Timestamp>| {
            time.and_then(|time| SystemTime::try_from(time).ok())
                .unwrap_or(SystemTime::UNIX_EPOCH)
        };
        Self {
            operation_id,
            accepted: time(operation.create_time),
            ended: time(operation.end_time),
            requested: !request_key.is_empty(),
            oldest: operation.oldest_sequence,
            last: operation.last_sequence,
        }
    }
}

/// One commit in the making.
pub(super) struct Transaction<'w> {
    options: &'w Options,
    snapshots: &'w dyn Snapshots,
    pub(super) state: &'w mut State,
    pub(super) now: SystemTime,
    pub(super) plan: Plan,
}

/// What is to be committed, published and answered.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) writes: Vec<Write>,
    /// The rows of request ids, written with all others unless a planted bug parts them.
    pub(super) request_writes: Vec<Write>,
    pub(super) answers: Vec<Outcome>,
    /// How many reports were taken from the queue.
    pub(super) reports: usize,
    /// True when a request to stop was met; nothing behind it is taken.
    pub(super) stop: bool,
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// The new events, each as field 1 of `WatchResponse`.
    pub(super) frames: Vec<u8>,
    /// The facts of the new events.
    pub(super) facts: Vec<u8>,
    /// Where each new event is.
    pub(super) places: Vec<EventPlace>,
    touched: BTreeMap<Uuid, Touched>,
    finished: BTreeMap<Uuid, Kept>,
    requests: HashMap<Vec<u8>, StoredRequest>,
}

/// The new records of an operation.
#[derive(Default)]
struct Touched {
    first: u64,
    frames: Vec<u8>,
    marks: Vec<Mark>,
}

/// An answer that waits for the commit.
pub(super) enum Outcome {
    Accept(Answer<AcceptOutcome, AcceptError>, Result<AcceptOutcome, AcceptError>),
    Append(Answer<Appended, AppendError>, Result<Appended, AppendError>),
    Observe(Answer<Observed, ObserveError>, Result<Observed, ObserveError>),
    /// A barrier or a stop.
    Done(Answer<(), StoreFailed>),
}

impl Outcome {
    /// Answers, once the transaction is durable or has failed. Whoever does not wait any more needs no answer.
    pub(super) fn send(self, failed: Option<&StoreFailed>) {
        match (self, failed) {
            (Self::Accept(answer, result), None) => drop(answer.send(result)),
            (Self::Append(answer, result), None) => drop(answer.send(result)),
            (Self::Observe(answer, result), None) => drop(answer.send(result)),
            (Self::Done(answer), None) => drop(answer.send(Ok(()))),
            (Self::Accept(answer, _), Some(failed)) => drop(answer.send(Err(failed.clone().into()))),
            (Self::Append(answer, _), Some(failed)) => drop(answer.send(Err(failed.clone().into()))),
            (Self::Observe(answer, _), Some(failed)) => drop(answer.send(Err(failed.clone().into()))),
            (Self::Done(answer), Some(failed)) => drop(answer.send(Err(failed.clone()))),
        }
    }
}

impl Plan {
    /// True when nothing more should be taken.
    fn is_full(&self) -> bool {
        self.stop || self.records >= MAX_RECORDS || self.bytes >= MAX_BYTES
    }

    /// What to publish. Taken once, after the last item.
    pub(super) fn publication(&mut self, state: &State) -> Publication {
        let operations: Vec<_> = std::mem::take(&mut self.touched)
            .into_iter()
            .filter_map(|(id, Touched { first, frames, marks })| {
                let operation = Arc::clone(&self.finished.get(&id).or_else(|| state.live.get(&id))?.operation);
                let bytes = Bytes::from(frames);
                Some((id, operation, Arc::new(Chunk { first, bytes, marks })))
            })
            .collect();
        let (frames, facts) = (std::mem::take(&mut self.frames), std::mem::take(&mut self.facts));
        let chunks = operations.iter().map(|(id, _, chunk)| (*id, Arc::clone(chunk)));
        Publication {
            head: state.last_revision,
            segment: Segment::new(frames, facts, std::mem::take(&mut self.places), chunks.collect()),
            last_event: state.events.last,
            objects: Arc::clone(&state.objects),
            operations,
            locks: Arc::clone(&state.locks),
            settles: Arc::clone(&state.settles),
        }
    }
}

impl<'w> Transaction<'w> {
    pub(super) fn new(
        options: &'w Options,
        snapshots: &'w dyn Snapshots,
        state: &'w mut State,
        now: SystemTime,
    ) -> Self {
        Self {
            options,
            snapshots,
            state,
            now,
            plan: Plan::default(),
        }
    }

    /// Takes items until they are used up or the commit is full.
    pub(super) fn take(&mut self, items: &mut VecDeque<Item>) {
        while !self.plan.is_full() {
            match items.pop_front() {
                None => break,
                Some(Item::Progress(progress)) => {
                    self.plan.reports += 1;
                    self.progress(progress);
                }
                Some(Item::Request(request)) => self.request(*request),
            }
        }
    }

    fn request(&mut self, request: Request) {
        let outcome = match request {
            Request::Accept { operation, answer } => Outcome::Accept(answer, self.accept(operation)),
            Request::Append { append, folded, answer } => Outcome::Append(answer, self.append(append, folded)),
            Request::Observe { events, answer } => Outcome::Observe(answer, self.observe(events)),
            Request::Barrier { answer } => Outcome::Done(answer),
            Request::Stop { answer } => {
                self.plan.stop = true;
                Outcome::Done(answer)
            }
        };
        self.plan.answers.push(outcome);
    }

    /// Adds the rows that are written once for the commit, however many records it has.
    pub(super) fn finish(mut self) -> Plan {
        let Plan {
            touched,
            finished,
            writes,
            ..
        } = &mut self.plan;
        for id in touched.keys() {
            if let Some(kept) = finished.get(id).or_else(|| self.state.live.get(id)) {
                writes.push(schema::put_operation(
                    *id,
                    kept.created,
                    &kept.request_key,
                    &kept.operation,
                ));
            }
        }
        if self.plan.records > 0 {
            let revision = self.state.last_revision.to_be_bytes();
            self.plan
                .writes
                .push(schema::put_meta(schema::meta::LAST_REVISION, &revision));
        }
        if !self.plan.places.is_empty() {
            let last = self.state.events.last.to_be_bytes();
            self.plan.writes.push(schema::put_meta(schema::meta::LAST_EVENT, &last));
        }
        self.plan
    }

    fn accept(&mut self, new: NewOperation) -> Result<AcceptOutcome, AcceptError> {
        let NewOperation {
            operation_id,
            accepted,
            request,
            first_pending,
        } = new;
        let snapshot = self.snapshots.snapshot().map_err(store_failed)?;
        let request = request.map(|request| (schema::request_key(&request), request));
        if let Some((key, request)) = &request
            && let Some(known) = self.known_request(&*snapshot, key)?
        {
            return self.replay(&*snapshot, known, request);
        }
        let stored = || {
            snapshot
                .get(Table::Operations, operation_id.as_bytes())
                .map_err(store_failed)
        };
        if self.current(operation_id).is_some() || stored()?.is_some() {
            return Err(AcceptError::OperationExists { operation_id });
        }
        let created = self.state.last_revision + 1;
        let mut kept = Kept {
            operation: Arc::default(),
            created,
            request_key: Vec::new(),
        };
        self.add(operation_id, &mut kept, Payload::Accepted(accepted), self.now, 0)?;
        if let Some(pending) = first_pending {
            self.add(operation_id, &mut kept, Payload::Pending(pending), self.now, 0)?;
        }
        let id = operation_id.as_bytes();
        self.plan.writes.push(schema::put(
            Table::OperationsByCreation,
            schema::creation_key(created),
            id,
        ));
        if let Some((key, request)) = request {
            let stored = StoredRequest {
                operation_id,
                payload_hash: request.payload_hash,
            };
            self.plan.request_writes.push(schema::put_request(key.clone(), &stored));
            self.plan.requests.insert(key.clone(), stored);
            kept.request_key = key;
        }
        let operation = Arc::clone(&kept.operation);
        self.state.live.insert(operation_id, kept);
        Ok(AcceptOutcome::Started(operation))
    }

    /// The operation that a request started before, or the refusal of one that asks for something else.
    fn replay(
        &self,
        snapshot: &dyn Snapshot,
        known: StoredRequest,
        request: &RequestKey,
    ) -> Result<AcceptOutcome, AcceptError> {
        let operation_id = known.operation_id;
        if known.payload_hash != request.payload_hash {
            return Err(AcceptError::RequestIdReused { operation_id });
        }
        let operation = match self.current(operation_id) {
            Some(operation) => Arc::clone(operation),
            // The snapshot of an operation is kept for as long as its request id.
            None => match stored_operation(snapshot, operation_id) {
                Ok(stored) => Arc::new(stored.operation),
                Err(ReadError::Failed(failed)) => return Err(failed.into()),
                Err(error) => return Err(store_failed(StoreError::Damaged(error.to_string())).into()),
            },
        };
        Ok(AcceptOutcome::Replayed(operation))
    }

    fn known_request(&self, snapshot: &dyn Snapshot, key: &[u8]) -> Result<Option<StoredRequest>, StoreFailed> {
        if let Some(known) = self.plan.requests.get(key) {
            return Ok(Some(*known));
        }
        let stored = snapshot.get(Table::RequestIds, key).map_err(store_failed)?;
        stored
            .map(|value| schema::open_request(key, &value))
            .transpose()
            .map_err(|damaged| store_failed(StoreError::Damaged(damaged.to_string())))
    }

    /// An operation that has not ended, or ended in this transaction.
    fn current(&self, operation_id: Uuid) -> Option<&Arc<v1::Operation>> {
        let kept = self
            .state
            .live
            .get(&operation_id)
            .or_else(|| self.plan.finished.get(&operation_id));
        kept.map(|kept| &kept.operation)
    }

    fn append(&mut self, append: Append, folded: u64) -> Result<Appended, AppendError> {
        let operation_id = append.operation_id;
        let Some(mut kept) = self.state.live.remove(&operation_id) else {
            return Err(self.refuse_ended(&append));
        };
        let appended = self.append_to(&mut kept, append, folded);
        self.put_back(operation_id, kept);
        appended
    }

    fn append_to(&mut self, kept: &mut Kept, append: Append, folded: u64) -> Result<Appended, AppendError> {
        let Append {
            operation_id,
            payload,
            expect,
            take_locks,
            settle,
        } = append;
        let state = kept.operation.state();
        if expect.is_some_and(|expected| expected != state) {
            return Err(AppendError::Unexpected { state });
        }
        for key in &take_locks {
            if let Some(holder) = self.state.locks.get(key).filter(|holder| **holder != operation_id) {
                return Err(AppendError::LockHeld {
                    key: key.clone(),
                    operation_id: *holder,
                });
            }
        }
        let (revision, sequence) = self.add(operation_id, kept, payload, self.now, folded)?;
        if !take_locks.is_empty() && !is_final(kept.operation.state()) {
            let locks = Arc::make_mut(&mut self.state.locks);
            for key in take_locks {
                let row = schema::put(Table::Locks, key.clone().into_bytes(), operation_id.as_bytes());
                self.plan.writes.push(row);
                locks.insert(key, operation_id);
            }
        }
        if let Some((cluster, until)) = settle {
            self.plan.writes.push(schema::put_settle(&cluster, until));
            Arc::make_mut(&mut self.state.settles).insert(cluster, until);
        }
        Ok(Appended {
            revision,
            sequence,
            operation: Arc::clone(&kept.operation),
        })
    }

    /// Why nothing can be added to an operation that is not live.
    fn refuse_ended(&self, append: &Append) -> AppendError {
        let operation = match self.plan.finished.get(&append.operation_id) {
            Some(kept) => Arc::clone(&kept.operation),
            None => {
                let stored = self.snapshots.snapshot().map_err(ReadError::from);
                match stored.and_then(|snapshot| stored_operation(&*snapshot, append.operation_id)) {
                    Ok(stored) => Arc::new(stored.operation),
                    Err(ReadError::NotFound) => return AppendError::NotFound,
                    Err(ReadError::Failed(failed)) => return failed.into(),
                    Err(error) => return store_failed(StoreError::Damaged(error.to_string())).into(),
                }
            }
        };
        let state = operation.state();
        if append.expect.is_some_and(|expected| expected != state) {
            return AppendError::Unexpected { state };
        }
        match may_follow(state, &append.payload) {
            Err(illegal) => illegal.into(),
            Ok(()) => {
                let text = format!(
                    "operation {} has not ended and is not known as such",
                    append.operation_id
                );
                store_failed(StoreError::Damaged(text)).into()
            }
        }
    }

    fn progress(&mut self, progress: Progress) {
        let Progress {
            operation_id,
            time,
            folded,
            report,
        } = progress;
        let payload = match report {
            ProgressReport::Setup {
                phase,
                phase_type,
                severity,
                percent,
                object_name,
                status,
            } => Payload::SetupProgress(v1::SetupProgress {
                phase,
                phase_type,
                severity,
                percent: percent.min(100),
                object_name,
                status: Some((self.options.native_status)(status)),
            }),
            ProgressReport::Upgrade { phase } => Payload::UpgradeProgress(v1::UpgradeProgress { phase }),
            ProgressReport::State(changed) => Payload::StateChanged(*changed),
        };
        // A callback that comes after its call has ended finds no place: the outcome is the last record.
        let Some(mut kept) = self.state.live.remove(&operation_id) else {
            tracing::warn!(%operation_id, "Progress was reported for an operation that has ended or never was");
            return;
        };
        if let Err(error) = self.add(operation_id, &mut kept, payload, time, folded) {
            tracing::warn!(%operation_id, %error, "Progress was reported for an operation that is not running");
        }
        self.put_back(operation_id, kept);
    }

    /// Adds a record to an operation, and gives its revision and sequence number.
    fn add(
        &mut self,
        operation_id: Uuid,
        kept: &mut Kept,
        payload: Payload,
        time: SystemTime,
        folded: u64,
    ) -> Result<(u64, u64), IllegalRecord> {
        let (revision, sequence) = (self.state.last_revision + 1, kept.operation.last_sequence + 1);
        let record = v1::OperationRecord {
            revision,
            operation_id: operation_id.to_string(),
            sequence,
            time: Some(time.into()),
            folded,
            payload: Some(payload),
        };
        fold(Arc::make_mut(&mut kept.operation), &record, self.options.rules)?;
        self.state.last_revision = revision;
        let touched = self.plan.touched.entry(operation_id).or_default();
        if touched.marks.is_empty() {
            touched.first = sequence;
        }
        let start = touched.frames.len();
        schema::encode_frame(&record, &mut touched.frames);
        touched.marks.push(Mark {
            end: touched.frames.len(),
            revision,
        });
        let frame = &touched.frames[start..];
        self.plan.records += 1;
        self.plan.bytes += frame.len();
        self.plan.writes.push(schema::put_record(
            revision,
            StoredRecord {
                operation_id,
                sequence,
                frame,
            },
        ));
        self.plan
            .writes
            .push(schema::put_index(operation_id, sequence, revision));
        Ok((revision, sequence))
    }

    /// Puts an operation back where it belongs: to those that live, or to those that have ended, without its locks.
    fn put_back(&mut self, operation_id: Uuid, kept: Kept) {
        if !is_final(kept.operation.state()) {
            self.state.live.insert(operation_id, kept);
            return;
        }
        let ended = Ended::of(operation_id, &kept.operation, &kept.request_key);
        self.state.ended.insert(kept.created, ended);
        self.plan.finished.insert(operation_id, kept);
        if self.state.locks.values().any(|holder| *holder == operation_id) {
            let writes = &mut self.plan.writes;
            Arc::make_mut(&mut self.state.locks).retain(|key, holder| {
                let released = *holder == operation_id;
                if released {
                    writes.push(schema::delete(Table::Locks, key.clone().into_bytes()));
                }
                !released
            });
        }
    }
}

fn store_failed(error: StoreError) -> StoreFailed {
    StoreFailed::from(Arc::new(error))
}

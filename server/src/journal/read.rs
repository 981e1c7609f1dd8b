//! Reading the journal: records after a sequence number, operations, pages of operations.
//!
//! Memory first, the store for what is older. Both show the published records only, so nothing is seen before it is
//! durable, and whatever fails its checksum is refused.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use uuid::Uuid;
use wsfc_proto::v1;

use super::log::{Gather, Lookup};
use super::request::{AcceptError, RequestKey, StoreFailed};
use super::schema::{self, DamagedValue, StoredOperation};
use super::store::{Order, Snapshot, StoreError, Table};
use super::{Journal, Shared};
use crate::operation::fold::is_final;

/// How many bytes of records a message of a stream holds at most, unless a single record is larger.
pub const MAX_BATCH_BYTES: usize = 64 << 10;

/// Some records of one operation, in order and without gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The records, each encoded as field 1 of `WatchOperationResponse`: a message that lacks only its mark.
    pub bytes: Bytes,
    /// The sequence number of the first; one after the position when there is none.
    pub first: u64,
    /// The sequence number of the last; the position when there is none.
    pub last: u64,
    /// The revision of the last record; 0 when there is none.
    pub last_revision: u64,
    /// How many there are.
    pub count: u64,
    /// True when the last record of the operation is among them or before them.
    pub ended: bool,
}

impl Batch {
    /// No records after a position that is up to date.
    pub(super) fn empty(after: u64, operation: &v1::Operation) -> Self {
        Gather::new(after, 0).finish(operation)
    }
}

/// A page of operations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The operations, the newest first.
    pub operations: Vec<Arc<v1::Operation>>,
    /// The `before` of the next page; `None` when this is the last.
    pub next: Option<u64>,
}

/// Why records or operations cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such operation, or none any more.
    #[error("there is no such operation")]
    NotFound,
    /// The sequence number, or the revision, has not been reached.
    #[error("the last one is {last}")]
    Future {
        /// The last sequence number of the operation, or the last revision.
        last: u64,
    },
    /// The records or events asked for were compacted away.
    #[error("the oldest one kept is {oldest}")]
    Compacted {
        /// The oldest sequence number, or revision, that is kept.
        oldest: u64,
    },
    /// What the store holds does not match its checksum. It is never served.
    #[error("the journal is damaged at revision {revision}")]
    Damaged {
        /// The revision of the damaged record, 0 when it is not a record or not known.
        revision: u64,
    },
    /// The store cannot be read, or nothing new will come because the journal takes no records any more.
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(cause) => {
                tracing::error!(cause, "The store is damaged where it was read");
                Self::Damaged { revision: 0 }
            }
            error @ (StoreError::Io(_) | StoreError::InUse | StoreError::Closed) => {
                Self::Failed(StoreFailed::from(Arc::new(error)))
            }
        }
    }
}

impl From<DamagedValue> for ReadError {
    fn from(_: DamagedValue) -> Self {
        Self::Damaged { revision: 0 }
    }
}

impl Journal {
    /// The records after a sequence number, as many as fit into `max_bytes` (at least one; [`MAX_BATCH_BYTES`] is what
    /// a stream takes). An empty batch says that there are none yet, or that the operation has ended.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub fn read(&self, operation_id: Uuid, after_sequence: u64, max_bytes: usize) -> Result<Batch, ReadError> {
        self.0.read(operation_id, after_sequence, max_bytes)
    }

    /// The operation that the same request began before, if it is published.
    ///
    /// This spares work for a request that is repeated; what decides is [`Journal::accept`].
    ///
    /// # Errors
    ///
    /// [`AcceptError::RequestIdReused`] or [`AcceptError::Failed`].
    pub fn requested(&self, request: &RequestKey) -> Result<Option<Arc<v1::Operation>>, AcceptError> {
        let key = schema::request_key(request);
        let failed = |error: StoreError| StoreFailed::from(Arc::new(error));
        let snapshot = self.0.snapshots.snapshot().map_err(failed)?;
        let Some(value) = snapshot.get(Table::RequestIds, &key).map_err(failed)? else {
            return Ok(None);
        };
        let known =
            schema::open_request(&key, &value).map_err(|damaged| failed(StoreError::Damaged(damaged.to_string())))?;
        let operation_id = known.operation_id;
        if known.payload_hash != request.payload_hash {
            return Err(AcceptError::RequestIdReused { operation_id });
        }
        match self.operation(operation_id) {
            Ok(operation) => Ok(Some(operation)),
            // Durable, and about to be published.
            Err(ReadError::NotFound) => Ok(None),
            Err(ReadError::Failed(failed)) => Err(failed.into()),
            Err(error) => Err(failed(StoreError::Damaged(error.to_string())).into()),
        }
    }

    /// An operation as it stands.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`], [`ReadError::Damaged`] or [`ReadError::Failed`].
    pub fn operation(&self, operation_id: Uuid) -> Result<Arc<v1::Operation>, ReadError> {
        let in_memory = self.0.log().operation(operation_id).cloned();
        match in_memory {
            Some(operation) => Ok(operation),
            None => {
                let snapshot = self.0.snapshot()?;
                Ok(Arc::new(self.0.ended_operation(&*snapshot, operation_id)?.operation))
            }
        }
    }

    /// Waits until an operation has ended, and returns it. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`Journal::operation`]; also [`ReadError::Failed`] when the journal takes no records any more, because
    /// nothing will come then.
    pub async fn ended(&self, operation_id: Uuid) -> Result<Arc<v1::Operation>, ReadError> {
        loop {
            let operation = self.operation(operation_id)?;
            if is_final(operation.state()) {
                return Ok(operation);
            }
            let mut cursor = self.cursor(operation_id, operation.last_sequence)?;
            // One look at the news is enough: the operation is read anew above.
            if let Some(Err(error)) = cursor.next().await {
                return Err(error);
            }
        }
    }

    /// A page of operations, the newest first: those that match, up to `limit`, created before the revision `before`
    /// (`None`: the first page).
    ///
    /// # Errors
    ///
    /// [`ReadError::Damaged`] or [`ReadError::Failed`].
    pub fn operations(
        &self,
        before: Option<u64>,
        limit: usize,
        matches: impl Fn(&v1::Operation) -> bool,
    ) -> Result<Page, ReadError> {
        self.page(before, limit, usize::MAX, matches)
    }

    /// As [`Journal::operations`], and a page that holds `max_bytes` or more of encoded operations takes no other.
    ///
    /// # Errors
    ///
    /// As [`Journal::operations`].
    pub fn page(
        &self,
        before: Option<u64>,
        limit: usize,
        max_bytes: usize,
        matches: impl Fn(&v1::Operation) -> bool,
    ) -> Result<Page, ReadError> {
        let snapshot = self.0.snapshot()?;
        let head = self.0.log().head();
        // What was created after the head is durable but not yet published.
        let end = schema::creation_key(before.unwrap_or(u64::MAX).min(head.saturating_add(1)));
        let mut page = Page::default();
        let mut bytes = 0_usize;
        let mut last = None;
        let mut failed = None;
        let range = (Bound::Unbounded, Bound::Excluded(end.as_slice()));
        snapshot.visit(
            Table::OperationsByCreation,
            range,
            Order::Descending,
            &mut |key, value| {
                if page.operations.len() == limit || bytes >= max_bytes {
                    page.next = last;
                    return ControlFlow::Break(());
                }
                match self.0.listed(&*snapshot, key, value) {
                    Ok((created, operation)) => {
                        if matches(&operation) {
                            bytes = bytes.saturating_add(operation.encoded_len());
                            page.operations.push(operation);
                        }
                        last = Some(created);
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            },
        )?;
        failed.map_or(Ok(page), Err)
    }
}

impl Shared {
    /// The store as it is now. A store that damage has closed for reading while the journal goes on is damaged; one that
    /// failed with the journal has failed, and is worth coming back to.
    pub(super) fn snapshot(&self) -> Result<Box<dyn Snapshot>, ReadError> {
        match self.snapshots.snapshot() {
            Err(StoreError::Closed) if self.failed().is_none() => Err(ReadError::Damaged { revision: 0 }),
            snapshot => Ok(snapshot?),
        }
    }

    /// As [`Journal::read`].
    pub(super) fn read(&self, operation_id: Uuid, after: u64, max_bytes: usize) -> Result<Batch, ReadError> {
        let lookup = {
            let log = self.log();
            if let Some(operation) = log.operation(operation_id)
                && after > operation.last_sequence
            {
                return Err(ReadError::Future {
                    last: operation.last_sequence,
                });
            }
            log.read(operation_id, after, max_bytes)
        };
        match lookup {
            Lookup::Here(batch) => Ok(batch),
            Lookup::InStore(operation) => {
                let snapshot = self.snapshot()?;
                // The store may be ahead of what is published, so only its oldest sequence number counts.
                let stored = stored_operation(&*snapshot, operation_id).map_err(|error| match error {
                    // Compaction takes ended operations only, so the row of one that goes on is missing.
                    ReadError::NotFound if !is_final(operation.state()) => ReadError::Damaged { revision: 0 },
                    error => error,
                })?;
                read_stored(
                    &*snapshot,
                    operation_id,
                    &operation,
                    stored.operation.oldest_sequence,
                    after,
                    max_bytes,
                )
            }
            Lookup::Unknown => {
                let snapshot = self.snapshot()?;
                let operation = self.ended_operation(&*snapshot, operation_id)?.operation;
                if after > operation.last_sequence {
                    return Err(ReadError::Future {
                        last: operation.last_sequence,
                    });
                }
                read_stored(
                    &*snapshot,
                    operation_id,
                    &operation,
                    operation.oldest_sequence,
                    after,
                    max_bytes,
                )
            }
        }
    }

    /// An operation that is not in memory, and so has ended, or is not yet published.
    fn ended_operation(&self, snapshot: &dyn Snapshot, operation_id: Uuid) -> Result<StoredOperation, ReadError> {
        let stored = stored_operation(snapshot, operation_id)?;
        if stored.created > self.log().head() {
            return Err(ReadError::NotFound);
        }
        Ok(stored)
    }

    /// The operation of a row of operations by creation, as it is published.
    fn listed(
        &self,
        snapshot: &dyn Snapshot,
        key: &[u8],
        value: &[u8],
    ) -> Result<(u64, Arc<v1::Operation>), ReadError> {
        let created = schema::creation_revision(key)?;
        let id = schema::open_id(Table::OperationsByCreation, key, value)?;
        if let Some(operation) = self.log().operation(id) {
            return Ok((created, Arc::clone(operation)));
        }
        match stored_operation(snapshot, id) {
            Ok(stored) => Ok((created, Arc::new(stored.operation))),
            // The snapshot holds both rows or none.
            Err(ReadError::NotFound) => Err(ReadError::Damaged { revision: 0 }),
            Err(error) => Err(error),
        }
    }
}

/// The row of an operation.
pub(super) fn stored_operation(snapshot: &dyn Snapshot, operation_id: Uuid) -> Result<StoredOperation, ReadError> {
    let key = operation_id.as_bytes();
    let value = snapshot.get(Table::Operations, key)?.ok_or(ReadError::NotFound)?;
    Ok(schema::open_operation(key, &value)?)
}

/// Reads records from the store, up to the last one of `operation`.
fn read_stored(
    snapshot: &dyn Snapshot,
    operation_id: Uuid,
    operation: &v1::Operation,
    oldest: u64,
    after: u64,
    max_bytes: usize,
) -> Result<Batch, ReadError> {
    if after >= operation.last_sequence {
        return Ok(Batch::empty(after, operation));
    }
    if after + 1 < oldest {
        return Err(ReadError::Compacted { oldest });
    }
    let mut gathered = Gather::new(after, max_bytes);
    let mut records = StoredRecords {
        snapshot,
        operation_id,
        next: after + 1,
    };
    records.visit(operation.last_sequence, &mut |frame, revision| {
        if gathered.add_record(frame, revision) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok(gathered.finish(operation))
}

/// Walks the records of one operation in the store, and lets none pass that is damaged, misplaced or missing.
pub(super) struct StoredRecords<'s> {
    pub(super) snapshot: &'s dyn Snapshot,
    pub(super) operation_id: Uuid,
    /// The sequence number of the record that must come next.
    pub(super) next: u64,
}

impl StoredRecords<'_> {
    /// Visits the frames and revisions from `next` to `last`, until the visitor breaks.
    pub(super) fn visit(
        &mut self,
        last: u64,
        visit: &mut dyn FnMut(&[u8], u64) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let from = schema::index_key(self.operation_id, self.next);
        let to = schema::index_key(self.operation_id, last);
        let range = (Bound::Included(from.as_slice()), Bound::Included(to.as_slice()));
        let mut outcome = Ok(());
        let mut broken = false;
        self.snapshot.visit(
            Table::OperationIndex,
            range,
            Order::Ascending,
            &mut |key, value| match self.visit_row(key, value, visit) {
                Ok(step) => {
                    broken = step.is_break();
                    step
                }
                Err(error) => {
                    outcome = Err(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        outcome?;
        // The index ends before the last record: a row is missing.
        if !broken && self.next <= last {
            return Err(ReadError::Damaged { revision: 0 });
        }
        Ok(())
    }

    /// Visits the record that a row of the index names, once it is known to be the right one.
    fn visit_row(
        &mut self,
        key: &[u8],
        value: &[u8],
        visit: &mut dyn FnMut(&[u8], u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        let revision = schema::open_number(Table::OperationIndex, key, value)?;
        let damaged = || ReadError::Damaged { revision };
        if schema::index_sequence(key)? != self.next {
            return Err(damaged());
        }
        let record_key = schema::record_key(revision);
        let value = self.snapshot.get(Table::Records, &record_key)?.ok_or_else(damaged)?;
        let record = schema::open_record(&record_key, &value).map_err(|_| damaged())?;
        if record.operation_id != self.operation_id || record.sequence != self.next {
            return Err(damaged());
        }
        let step = visit(record.frame, revision);
        if step.is_continue() {
            self.next += 1;
        }
        Ok(step)
    }
}

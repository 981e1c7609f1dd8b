//! The one append-only log: every stream is a cursor over it.

mod handover;
mod options;
mod request;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use uuid::Uuid;
use wsfc_proto::v1;

pub use handover::{ProgressReport, ProgressSink};
#[cfg(feature = "planted-bugs")]
pub use options::PlantedBug;
pub use options::{MemoryBudget, Options, Retention};
pub use request::{
    AcceptError, AcceptOutcome, Append, AppendError, Appended, NewOperation, Reply, RequestKey, StoreFailed,
};
pub use store::{KeyRange, Order, Snapshot, Snapshots, Store, StoreError, Table, Visit, Write};

use crate::platform::Platform;

/// A handle to the journal, cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {}

/// The single writer; owns the store's write side.
#[derive(Debug)]
pub struct Writer {}

/// A journal that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub journal: Journal,
    /// The writer, to be driven by [`Writer::run`] or [`Writer::drive`].
    pub writer: Writer,
    /// The operations that had not ended, the oldest first.
    pub unfinished: Vec<Arc<v1::Operation>>,
    /// The store that was set aside because it is damaged.
    pub quarantined: Option<Quarantine>,
}

/// A damaged store that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it, with all causes.
    pub cause: String,
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has the data directory.
    #[error("{} is locked by another daemon{}", path.display(), pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process id that the other daemon left.
        pid: Option<u32>,
    },
    /// The data directory cannot be written to.
    #[error("{} cannot be written to", path.display())]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The operating system refused.
    #[error("{} cannot be opened", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store was written by a newer daemon.
    #[error("the store has format {found}, and this daemon knows {known}")]
    Format {
        /// The format of the store.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The store does not work or is damaged.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
}

impl Journal {
    /// Opens the journal in a data directory, and makes it when there is none.
    ///
    /// # Errors
    ///
    /// Another daemon has the directory, or it cannot be used. A damaged store is no error: see
    /// [`Opened::quarantined`].
    pub fn open_dir(data_dir: &Path, options: Options, platform: Platform) -> Result<Opened, OpenError> {
        drop((data_dir, options, platform));
        todo!("skeleton")
    }

    /// Opens the journal in a store.
    ///
    /// # Errors
    ///
    /// The store cannot be used, or is damaged.
    pub fn open(store: Box<dyn Store>, options: Options, platform: Platform) -> Result<Opened, OpenError> {
        drop((store, options, platform));
        todo!("skeleton")
    }

    /// Begins an operation, or finds the one that the same request began before.
    pub fn accept(&self, operation: NewOperation) -> Reply<AcceptOutcome, AcceptError> {
        drop(operation);
        todo!("skeleton")
    }

    /// Adds a record to an operation, behind all progress that was handed over before.
    pub fn append(&self, append: Append) -> Reply<Appended, AppendError> {
        drop(append);
        todo!("skeleton")
    }

    /// Where the callbacks of an operation hand over their reports.
    pub fn progress(&self, operation_id: Uuid) -> ProgressSink {
        drop(operation_id);
        todo!("skeleton")
    }

    /// Stops the writer after everything asked for before; answers when it is durable.
    pub fn stop(&self) -> Reply<(), StoreFailed> {
        todo!("skeleton")
    }

    /// The records after a sequence number, as many as fit into `max_bytes` (at least one).
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub fn read(&self, operation_id: Uuid, after_sequence: u64, max_bytes: usize) -> Result<Batch, ReadError> {
        drop((operation_id, after_sequence, max_bytes));
        todo!("skeleton")
    }

    /// Follows an operation, woken by the writer's thread. For streams take [`Lane::cursor`].
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub fn cursor(&self, operation_id: Uuid, after_sequence: u64) -> Result<Cursor, ReadError> {
        drop((operation_id, after_sequence));
        todo!("skeleton")
    }

    /// A lane for the streams of one runtime thread.
    pub fn lane(&self) -> Lane {
        todo!("skeleton")
    }

    /// The revision of the last published record.
    pub fn head(&self) -> u64 {
        todo!("skeleton")
    }

    /// The id of the store, made when it was created.
    pub fn store_id(&self) -> Uuid {
        todo!("skeleton")
    }

    /// An operation as it stands.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`], [`ReadError::Damaged`] or [`ReadError::Failed`].
    pub fn operation(&self, operation_id: Uuid) -> Result<Arc<v1::Operation>, ReadError> {
        drop(operation_id);
        todo!("skeleton")
    }

    /// Waits until an operation has ended, and returns it. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`Journal::operation`].
    pub async fn ended(&self, operation_id: Uuid) -> Result<Arc<v1::Operation>, ReadError> {
        drop(operation_id);
        std::future::pending::<()>().await;
        todo!("skeleton")
    }

    /// A page of operations, the newest first.
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
        drop((before, limit, matches));
        todo!("skeleton")
    }

    /// Every lock that is held, and its holder.
    pub fn locks(&self) -> BTreeMap<String, Uuid> {
        todo!("skeleton")
    }

    /// Every cluster that settles, and until when. Times that have passed may be among them.
    pub fn settles(&self) -> BTreeMap<String, SystemTime> {
        todo!("skeleton")
    }

    /// Why the journal takes no records any more, if so.
    pub fn failed(&self) -> Option<StoreFailed> {
        todo!("skeleton")
    }

    /// Waits until the journal takes no records any more. Cancel-safe.
    pub async fn failure(&self) -> StoreFailed {
        std::future::pending::<()>().await;
        todo!("skeleton")
    }
}

impl Writer {
    /// Drives the writer on the thread of the caller, until [`Journal::stop`] or a failure.
    pub fn run(self) {
        todo!("skeleton")
    }

    /// Drives the writer as a task, with a pause of `pace` after each commit; for the deterministic simulation.
    pub async fn drive(self, pace: Duration) {
        drop(pace);
        std::future::pending::<()>().await;
        todo!("skeleton")
    }
}

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
    /// The sequence number has not been reached.
    #[error("the last sequence number is {last}")]
    Future {
        /// The last sequence number of the operation.
        last: u64,
    },
    /// The records asked for were compacted away.
    #[error("the oldest sequence number kept is {oldest}")]
    Compacted {
        /// The oldest sequence number that is kept.
        oldest: u64,
    },
    /// What the store holds does not match its checksum. It is never served.
    #[error("the journal is damaged at revision {revision}")]
    Damaged {
        /// The revision of the damaged record, 0 when it is not a record or not known.
        revision: u64,
    },
    /// The store cannot be read, or nothing new will come because the journal has failed.
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

/// A position in the records of one operation that moves on as records become durable.
#[derive(Debug)]
pub struct Cursor {}

/// Where a cursor stands, as in `StreamMark`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Every record up to this sequence number was given.
    pub sequence: u64,
    /// The operation has no records up to this revision that were not given.
    pub revision: u64,
}

impl Cursor {
    /// The next records, as soon as there are any; `None` after the outcome. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Batch, ReadError>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Cursor::next`].
    pub fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Batch, ReadError>>> {
        drop(context);
        todo!("skeleton")
    }

    /// Where the cursor stands now.
    pub fn position(&self) -> Position {
        todo!("skeleton")
    }
}

/// The parked cursors of one runtime thread. The writer wakes a lane once for a batch of records; the lane wakes its
/// cursors in one go.
#[derive(Clone, Debug)]
pub struct Lane {}

impl Lane {
    /// Follows an operation on this lane.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub fn cursor(&self, operation_id: Uuid, after_sequence: u64) -> Result<Cursor, ReadError> {
        drop((operation_id, after_sequence));
        todo!("skeleton")
    }

    /// The dispatcher, to be spawned on the runtime thread of the lane's streams. Never ends. A lane that has none is
    /// served by the writer's thread.
    pub fn dispatch(&self) -> impl Future<Output = ()> + Send + 'static {
        std::future::pending()
    }
}

//! The one append-only log: every stream is a cursor over it.
//!
//! A record's way: [`ProgressSink::push`] or [`Journal::append`] queue it (`handover.rs`); the [`Writer`] numbers it,
//! folds it into its operation and encodes it once (`transaction.rs`), makes it durable in one commit with what belongs
//! to it (`writer.rs`, `store.rs`), publishes it in memory (`log.rs`) and wakes the lanes (`lane.rs`); a [`Cursor`]
//! hands the encoded bytes to its stream (`cursor.rs`, `read.rs`).
//!
//! **Invariant:** nothing is published, answered or woken for before it is durable. **Invariant:** a value that fails
//! its checksum is never served. **Invariant:** no reader makes the writer wait, and no watcher a callback.

mod common;
mod compaction;
mod cursor;
mod data_dir;
mod event;
mod events;
mod filter;
mod handover;
mod lane;
mod log;
mod memory;
mod objects;
mod observe;
mod open;
mod options;
mod read;
mod redb;
mod request;
mod ring;
mod schema;
#[cfg(any(test, feature = "sim-disk"))]
pub mod sim_disk;
mod store;
#[cfg(test)]
mod tests;
mod transaction;

mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use tokio::sync::watch;
use uuid::Uuid;
use wsfc_proto::v1;

pub use common::{Common, set_revision};
pub use cursor::{Cursor, Lane, Position};
pub use data_dir::lock_dir;
pub use events::{EventBatch, EventCursor};
pub use filter::Filter;
pub use handover::{ProgressReport, ProgressSink};
pub use memory::MemoryStore;
pub use objects::{ClusterId, Inventory, Object, caseless};
pub use observe::{MAX_APPEND, MAX_APPEND_BYTES, ObserveError, Observed, appends};
#[cfg(feature = "planted-bugs")]
pub use options::PlantedBug;
pub use options::{MemoryBudget, Options, Retention};
pub use read::{Batch, MAX_BATCH_BYTES, Page, ReadError};
pub use redb::RedbStore;
pub use request::{
    AcceptError, AcceptOutcome, Append, AppendError, Appended, NewOperation, Reply, RequestKey, StoreFailed,
};
pub use schema::put as sealed;
pub use store::{KeyRange, Order, Snapshot, Snapshots, Store, StoreError, Table, Visit, Write};

pub use writer::{Step, Writer};

use crate::platform::Platform;
use crate::settings::current::Current;
use handover::{Queue, Request};
use lane::{Lanes, Parking};
use log::Log;
use transaction::State;

/// A handle to the journal, cheap to clone.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

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
    /// There was no store, so an empty one was made.
    pub made: Option<Made>,
}

/// An empty store that was made because there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What says that there was one before.
    pub trace: Option<PathBuf>,
}

/// A damaged store that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: String,
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has the data directory.
    #[error("{} is locked by another daemon{}", path.display(), process(*pid))]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// The process id that the other daemon left there.
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
        found: u64,
        /// The newest format known here.
        known: u32,
    },
    /// The store does not work or is damaged.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl Journal {
    /// Begins an operation, or finds the one that the same request began before. The request is queued at once.
    pub fn accept(&self, operation: NewOperation) -> Reply<AcceptOutcome, AcceptError> {
        let (answer, reply) = Reply::channel();
        self.0.queue.push_request(Request::Accept { operation, answer });
        reply
    }

    /// Adds a record to an operation, behind all progress that was handed over before. The request is queued at once.
    pub fn append(&self, append: Append) -> Reply<Appended, AppendError> {
        let (answer, reply) = Reply::channel();
        self.0.queue.push_request(Request::Append {
            append,
            folded: 0,
            answer,
        });
        reply
    }

    /// Where the callbacks of an operation hand over their reports, from its start record to its outcome.
    pub fn progress(&self, operation_id: Uuid) -> ProgressSink {
        ProgressSink::new(
            operation_id,
            Arc::clone(&self.0.queue),
            Arc::clone(&self.0.platform.clock),
        )
    }

    /// Answers when everything that was handed over or asked for before is durable.
    pub fn barrier(&self) -> Reply<(), StoreFailed> {
        let (answer, reply) = Reply::channel();
        self.0.queue.push_request(Request::Barrier { answer });
        reply
    }

    /// Stops the writer after everything that was asked for before. What is asked for later is refused.
    pub fn stop(&self) -> Reply<(), StoreFailed> {
        let (answer, reply) = Reply::channel();
        self.0.queue.push_request(Request::Stop { answer });
        reply
    }

    /// Keeps records so long, or so many, from the next compaction on.
    pub fn keep(&self, retention: Retention) {
        self.0.retention.set(retention);
    }

    /// The revision of the last published record.
    pub fn head(&self) -> u64 {
        self.0.log().head()
    }

    /// The id of the store, made when it was created.
    pub fn store_id(&self) -> Uuid {
        self.0.store_id
    }

    /// Every lock that is held, and its holder.
    pub fn locks(&self) -> Arc<BTreeMap<String, Uuid>> {
        self.0.log().locks()
    }

    /// Every cluster that settles, and until when. Times that have passed may be among them.
    pub fn settles(&self) -> Arc<BTreeMap<String, SystemTime>> {
        self.0.log().settles()
    }

    /// Why the journal takes no records any more, if so.
    pub fn failed(&self) -> Option<StoreFailed> {
        self.0.failed()
    }

    /// Waits until the journal takes no records any more. Cancel-safe.
    pub async fn failure(&self) -> StoreFailed {
        let mut failure = self.0.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(failed) => failed.clone().unwrap_or(StoreFailed::Stopped),
            // The sender lives as long as this handle.
            Err(_) => StoreFailed::Stopped,
        }
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What the handles, the cursors and the writer share.
struct Shared {
    options: Options,
    /// The retention of the options, which can change.
    retention: Current<Retention>,
    platform: Platform,
    store_id: Uuid,
    snapshots: Arc<dyn Snapshots>,
    log: RwLock<Log>,
    queue: Arc<Queue>,
    lanes: Lanes,
    /// The lane of cursors that have none of their own; the writer's thread serves it.
    own_lane: Arc<Parking>,
    /// Set once, when the journal takes no records any more.
    failure: watch::Sender<Option<StoreFailed>>,
    /// Keeps the data directory ours.
    _lock: Option<std::fs::File>,
}

impl Shared {
    fn new(
        options: Options,
        platform: Platform,
        store_id: Uuid,
        snapshots: Arc<dyn Snapshots>,
        state: &State,
        lock: Option<std::fs::File>,
    ) -> Self {
        let log = Log::new(options.memory, options.event_memory, state);
        let lanes = Lanes::default();
        Self {
            own_lane: lanes.add(),
            retention: Current::new(options.retention),
            options,
            platform,
            store_id,
            snapshots,
            log: RwLock::new(log),
            queue: Arc::new(Queue::default()),
            lanes,
            failure: watch::Sender::new(None),
            _lock: lock,
        }
    }

    fn log(&self) -> RwLockReadGuard<'_, Log> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_mut(&self) -> RwLockWriteGuard<'_, Log> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> Option<StoreFailed> {
        self.failure.borrow().clone()
    }

    /// How many records a cursor leaves out on purpose.
    #[cfg(feature = "planted-bugs")]
    fn planted_skip(&self, after: u64) -> u64 {
        u64::from(after > 0 && self.options.planted_bug == Some(PlantedBug::ResumeOffByOne))
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("store_id", &self.store_id)
            .finish_non_exhaustive()
    }
}

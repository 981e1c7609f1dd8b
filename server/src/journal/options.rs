//! What can be set about a journal.

use std::time::Duration;

use wsfc_proto::v1;

use crate::operation::fold::Rules;

/// Settings of a journal. The defaults are those of production.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many records stay in memory for live watchers and short catch-ups.
    pub memory: MemoryBudget,
    /// How many events and records stay in memory once more, in their order, for watchers of events. Records are counted
    /// here and shared with `memory`.
    pub event_memory: MemoryBudget,
    /// How long records and request ids are kept.
    pub retention: Retention,
    /// How much memory the store may use to cache pages, in bytes.
    pub store_cache_bytes: usize,
    /// While operations run, the writer looks for progress this often and callbacks never wake it. `None`: a callback
    /// wakes the writer when it sleeps, which costs the callback a system call and saves the watcher up to a tick.
    pub progress_tick: Option<Duration>,
    /// What the fold of records must know.
    pub rules: Rules,
    /// Reads a status of the cluster API: gives the number its family, name and text.
    pub native_status: fn(u32) -> v1::NativeStatus,
    /// A known bug to run with.
    #[cfg(feature = "planted-bugs")]
    pub planted_bug: Option<PlantedBug>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory: MemoryBudget::default(),
            event_memory: MemoryBudget::default(),
            retention: Retention::default(),
            store_cache_bytes: 16 << 20,
            progress_tick: None,
            rules: Rules::default(),
            native_status: undecoded,
            #[cfg(feature = "planted-bugs")]
            planted_bug: None,
        }
    }
}

/// The status with its number alone.
fn undecoded(raw: u32) -> v1::NativeStatus {
    v1::NativeStatus {
        raw,
        code: raw,
        ..Default::default()
    }
}

/// How many published records or events stay in memory, over all operations and clusters. Whichever bound is met first evicts
/// the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// The number of records.
    pub records: usize,
    /// Their size in bytes, as encoded.
    pub bytes: usize,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self {
            records: 65_536,
            bytes: 32 << 20,
        }
    }
}

/// How long records, operations and request ids are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many ended operations keep their records. The oldest lose them first.
    pub keep_operations: usize,
    /// How long an operation keeps its records after it has ended, and how long an event is kept.
    pub keep_for: Duration,
    /// How many events are kept. The oldest go first.
    pub keep_events: u64,
    /// How long a request id is known after its operation was accepted, and the operation's final snapshot with it.
    /// The contract promises seven days.
    pub keep_request_ids: Duration,
    /// How many records one operation keeps at most. A longer one loses its oldest, also while it runs.
    pub records_per_operation: u64,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            keep_operations: 10_000,
            keep_for: 30 * DAY,
            keep_events: 100_000,
            keep_request_ids: 7 * DAY,
            records_per_operation: 1_000_000,
        }
    }
}

/// Known bugs that the crash suite must find. A suite that stays green on one of them proves nothing.
#[cfg(feature = "planted-bugs")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// Records are shown to watchers before they are durable.
    PublishBeforeDurable,
    /// A cursor that resumes leaves out the next record.
    ResumeOffByOne,
    /// The request id is written in a transaction after that of its operation.
    RequestIdInSecondTransaction,
}

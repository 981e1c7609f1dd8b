//! The hand-over to the writer: one queue for requests and for the reports of the cluster API's callbacks.
//!
//! One queue, so that an outcome never overtakes the progress before it. A callback takes a lock that is held for the
//! length of an append, and wakes at most the writer's thread (promise P16).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::SystemTime;

use tokio::sync::oneshot;
use uuid::Uuid;
use wsfc_proto::v1;

use super::observe::{ObserveError, Observed};
use super::request::{AcceptError, AcceptOutcome, Append, AppendError, Appended, NewOperation, StoreFailed};
use crate::platform::Clock;

/// How many reports may wait for the disk before informational Continue reports are only counted.
pub(super) const MAX_WAITING: usize = 65_536;

/// One progress callback, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgressReport {
    /// A setup call's report (facts 1.5).
    Setup {
        /// The phase, by its native number.
        phase: i32,
        /// Start, Continue, End or Report, by its native number.
        phase_type: i32,
        /// The severity, by its native number.
        severity: i32,
        /// Progress of the whole call in percent, as reported.
        percent: u32,
        /// The object that the report is about, if it names one.
        object_name: Option<String>,
        /// The status of the phase.
        status: u32,
    },
    /// A functional level upgrade's report (facts 1.7).
    Upgrade {
        /// The phase, by its native number.
        phase: i32,
    },
    /// The object of a call that goes on in the cluster has reached a state.
    State(Box<v1::ObjectStateChanged>),
}

impl ProgressReport {
    /// True for the only reports that may be folded away: those that go on with a phase and say that all is well.
    fn may_be_folded(&self) -> bool {
        match self {
            Self::Setup {
                phase_type, severity, ..
            } => {
                *phase_type == v1::SetupPhaseType::Continue as i32
                    && *severity == v1::SetupSeverity::Informational as i32
            }
            Self::Upgrade { .. } | Self::State(_) => false,
        }
    }
}

/// Where the callbacks of one running operation hand over their reports, from any thread.
#[derive(Clone)]
pub struct ProgressSink {
    operation_id: Uuid,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
}

impl ProgressSink {
    pub(super) fn new(operation_id: Uuid, queue: Arc<Queue>, clock: Arc<dyn Clock>) -> Self {
        Self {
            operation_id,
            queue,
            clock,
        }
    }

    /// The operation.
    pub fn operation_id(&self) -> Uuid {
        self.operation_id
    }

    /// Hands over one report, with the time of now.
    ///
    /// Appends to the writer's queue and wakes at most the writer's thread. Waits neither for the disk nor for a
    /// watcher (promise P16). When 65,536 reports wait, an informational Continue report is only counted, and the
    /// next record of the operation says so; every other report is always taken. A journal that has failed or was
    /// closed takes none.
    pub fn push(&self, report: ProgressReport) {
        let time = self.clock.now();
        self.queue.push_progress(self.operation_id, time, report);
    }
}

impl std::fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgressSink")
            .field("operation_id", &self.operation_id)
            .finish_non_exhaustive()
    }
}

/// Something for the writer to do.
#[derive(Debug)]
pub(super) enum Item {
    /// A report that was handed over.
    Progress(Progress),
    /// A request that somebody waits for.
    Request(Box<Request>),
}

/// A report with its time.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) operation_id: Uuid,
    pub(super) time: SystemTime,
    /// How many reports were folded away since the record before.
    pub(super) folded: u64,
    pub(super) report: ProgressReport,
}

/// A request, and where its answer goes.
#[derive(Debug)]
pub(super) enum Request {
    Accept {
        operation: NewOperation,
        answer: Answer<AcceptOutcome, AcceptError>,
    },
    Append {
        append: Append,
        folded: u64,
        answer: Answer<Appended, AppendError>,
    },
    Observe {
        events: Vec<v1::ClusterEvent>,
        answer: Answer<Observed, ObserveError>,
    },
    Barrier {
        answer: Answer<(), StoreFailed>,
    },
    Stop {
        answer: Answer<(), StoreFailed>,
    },
}

pub(super) type Answer<T, E> = oneshot::Sender<Result<T, E>>;

impl Request {
    /// Answers that the journal takes nothing any more. Whoever does not wait any more does not need the answer.
    pub(super) fn refuse(self, failed: StoreFailed) {
        match self {
            Self::Accept { answer, .. } => drop(answer.send(Err(failed.into()))),
            Self::Append { answer, .. } => drop(answer.send(Err(failed.into()))),
            Self::Observe { answer, .. } => drop(answer.send(Err(failed.into()))),
            Self::Barrier { answer } | Self::Stop { answer } => drop(answer.send(Err(failed))),
        }
    }
}

/// The writer's queue.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Inner>);

/// What the lock guards.
#[derive(Debug, Default)]
struct Inner {
    items: Vec<Item>,
    /// How many reports were handed over and are not yet durable; the writer lowers it after a commit.
    waiting: usize,
    /// How many reports were folded away since the last record, by operation.
    folded: HashMap<Uuid, u64>,
    /// The writer, when it sleeps.
    sleeper: Option<Sleeper>,
    /// Why nothing is taken any more.
    closed: Option<StoreFailed>,
}

#[derive(Debug)]
struct Sleeper {
    waker: Waker,
    wake_on: WakeOn,
}

/// What wakes a sleeping writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WakeOn {
    /// Anything.
    Anything,
    /// Requests only: it looks for progress by itself.
    Requests,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push_progress(&self, operation_id: Uuid, time: SystemTime, report: ProgressReport) {
        let mut inner = self.lock();
        if inner.closed.is_some() {
            return;
        }
        if inner.waiting >= MAX_WAITING && report.may_be_folded() {
            *inner.folded.entry(operation_id).or_default() += 1;
            return;
        }
        let folded = inner.take_folded(operation_id);
        inner.items.push(Item::Progress(Progress {
            operation_id,
            time,
            folded,
            report,
        }));
        inner.waiting += 1;
        let waker = match &inner.sleeper {
            Some(sleeper) if sleeper.wake_on == WakeOn::Anything => inner.sleeper.take(),
            _ => None,
        };
        drop(inner);
        if let Some(sleeper) = waker {
            sleeper.waker.wake();
        }
    }

    /// Queues a request, or answers it when the queue is closed.
    pub(super) fn push_request(&self, mut request: Request) {
        let mut inner = self.lock();
        if let Some(failed) = inner.closed.clone() {
            drop(inner);
            request.refuse(failed);
            return;
        }
        if let Request::Append { append, folded, .. } = &mut request {
            *folded = inner.take_folded(append.operation_id);
        }
        inner.items.push(Item::Request(Box::new(request)));
        let sleeper = inner.sleeper.take();
        drop(inner);
        if let Some(sleeper) = sleeper {
            sleeper.waker.wake();
        }
    }

    /// Exchanges what has gathered for an empty vector, whose room is used again.
    pub(super) fn swap(&self, taken: &mut Vec<Item>) {
        std::mem::swap(&mut self.lock().items, taken);
    }

    /// Says that so many reports are durable or refused.
    pub(super) fn settled(&self, reports: usize) {
        let mut inner = self.lock();
        inner.waiting = inner.waiting.saturating_sub(reports);
    }

    /// Puts the writer to sleep unless something waits for it; true when it may sleep.
    pub(super) fn sleep(&self, waker: &Waker, wake_on: WakeOn) -> bool {
        let mut inner = self.lock();
        let may_sleep = inner.items.is_empty();
        inner.sleeper = may_sleep.then(|| Sleeper {
            waker: waker.clone(),
            wake_on,
        });
        may_sleep
    }

    /// Takes nothing any more, and gives back what was not begun.
    pub(super) fn close(&self, failed: StoreFailed) -> Vec<Item> {
        let mut inner = self.lock();
        inner.closed.get_or_insert(failed);
        inner.folded.clear();
        inner.sleeper = None;
        std::mem::take(&mut inner.items)
    }
}

impl Inner {
    fn take_folded(&mut self, operation_id: Uuid) -> u64 {
        // The map is empty but for a storm, and then the lookup is skipped.
        if self.folded.is_empty() {
            0
        } else {
            self.folded.remove(&operation_id).unwrap_or(0)
        }
    }
}

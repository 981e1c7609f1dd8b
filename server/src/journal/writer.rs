//! The single writer: takes what was queued, commits it in groups, publishes, answers, wakes.
//!
//! Two drivers stand over one step: an OS thread in production, a task in the deterministic simulation.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, SystemTime};

use wsfc_proto::v1;

use super::Shared;
use super::handover::{Item, WakeOn};
use super::lane::Topic;
use super::request::StoreFailed;
use super::store::{Store, StoreError, Write};
use super::transaction::{Plan, State, Transaction};
use crate::events::Event;
use crate::logging::chain;

/// How often the writer looks for what has outlived its time, when nothing else happens.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// After so many busy steps compaction is not put off any longer.
const MAX_STEPS_BEFORE_COMPACTION: u32 = 64;

/// The single writer; owns the store's write side. Dropped, it closes the journal.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) state: State,
    store: Box<dyn Store>,
    /// Taken from the queue, and not yet begun.
    backlog: VecDeque<Item>,
    /// Room for the next exchange with the queue.
    spare: Vec<Item>,
    stopped: bool,
    compaction_due: bool,
    steps_since_due: u32,
    next_sweep: SystemTime,
    #[cfg(feature = "planted-bugs")]
    late: Late,
}

/// What a planted bug puts off to the next step.
#[cfg(feature = "planted-bugs")]
#[derive(Default)]
struct Late {
    writes: Vec<Write>,
    plan: Option<Plan>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was done, and there may be more.
    Worked,
    /// There was nothing to do.
    Idle,
    /// The writer has stopped.
    Stopped,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, state: State, store: Box<dyn Store>) -> Self {
        Self {
            next_sweep: shared.platform.clock.now(),
            shared,
            state,
            store,
            backlog: VecDeque::new(),
            spare: Vec::new(),
            stopped: false,
            compaction_due: true,
            steps_since_due: 0,
            #[cfg(feature = "planted-bugs")]
            late: Late::default(),
        }
    }

    /// Drives the writer on the thread of the caller, until [`Journal::stop`](super::Journal::stop) or a failure.
    pub fn run(mut self) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            match self.step() {
                Step::Worked => {}
                Step::Stopped => return,
                Step::Idle => {
                    let (wake_on, rest) = match self.shared.options.progress_tick {
                        Some(tick) if self.is_running() => (WakeOn::Requests, tick),
                        _ => (WakeOn::Anything, SWEEP),
                    };
                    if self.shared.queue.sleep(&waker, wake_on) {
                        std::thread::park_timeout(rest);
                    }
                }
            }
        }
    }

    /// Drives the writer as a task, with a pause of `pace` after each commit, in which a simulated crash can fall.
    pub async fn drive(mut self, pace: Duration) {
        loop {
            match self.step() {
                Step::Worked => tokio::time::sleep(pace).await,
                Step::Stopped => return,
                Step::Idle => {
                    let queue = &self.shared.queue;
                    let news = std::future::poll_fn(|context| match queue.sleep(context.waker(), WakeOn::Anything) {
                        true => Poll::Pending,
                        false => Poll::Ready(()),
                    });
                    // Time out or not, the next step finds out what there is to do.
                    let _elapsed = tokio::time::timeout(SWEEP, news).await;
                }
            }
        }
    }

    /// Takes one commit's worth from the queue, or does a part of a compaction that is due.
    pub fn step(&mut self) -> Step {
        if self.stopped {
            return Step::Stopped;
        }
        #[cfg(feature = "planted-bugs")]
        if let Some(step) = self.step_late() {
            return step;
        }
        let now = self.shared.platform.clock.now();
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.compaction_due = true;
        }
        if self.compaction_due && self.steps_since_due >= MAX_STEPS_BEFORE_COMPACTION {
            return self.compaction_step(now);
        }
        if self.backlog.is_empty() {
            self.shared.queue.swap(&mut self.spare);
            self.backlog.extend(self.spare.drain(..));
        }
        if self.backlog.is_empty() {
            return if self.compaction_due {
                self.compaction_step(now)
            } else {
                Step::Idle
            };
        }
        self.steps_since_due = if self.compaction_due {
            self.steps_since_due + 1
        } else {
            0
        };
        let ended_before = self.state.ended.len();
        let mut transaction = Transaction::new(&self.shared.options, &*self.shared.snapshots, &mut self.state, now);
        transaction.take(&mut self.backlog);
        let plan = transaction.finish();
        self.compaction_due |=
            self.state.ended.len() > ended_before || self.is_overlong() || self.has_too_many_events();
        self.carry_out(plan)
    }

    /// Commits, then publishes, then answers and wakes: nothing is seen before it is durable (promises P1 and P2).
    fn carry_out(&mut self, mut plan: Plan) -> Step {
        let mut writes = std::mem::take(&mut plan.writes);
        #[cfg(feature = "planted-bugs")]
        if self.planted_bug(&mut plan, &mut writes) {
            return Step::Worked;
        }
        writes.append(&mut plan.request_writes);
        if let Err(failed) = self.commit(&writes) {
            plan.answers.into_iter().for_each(|answer| answer.send(Some(&failed)));
            return Step::Stopped;
        }
        self.publish(&mut plan);
        self.settle(plan)
    }

    /// Publishes what a plan has added, and wakes who waits for it.
    fn publish(&mut self, plan: &mut Plan) {
        let publication = plan.publication(&self.state);
        let Some(segment) = &publication.segment else {
            return;
        };
        let mut topics = Vec::with_capacity(publication.operations.len() + 2);
        topics.extend(publication.operations.iter().map(|(id, ..)| Topic::Operation(*id)));
        if segment.has_events {
            topics.push(Topic::Events);
        }
        topics.push(Topic::Everything);
        self.shared.log_mut().publish(publication);
        self.shared.lanes.notify(Some(&topics));
    }

    /// Answers those that asked.
    fn settle(&mut self, plan: Plan) -> Step {
        if plan.reports > 0 {
            self.shared.queue.settled(plan.reports);
        }
        // The journal is closed before a stop is answered, so that whoever stopped it finds it closed.
        if plan.stop {
            self.close(StoreFailed::Stopped);
        }
        plan.answers.into_iter().for_each(|answer| answer.send(None));
        if plan.stop { Step::Stopped } else { Step::Worked }
    }

    /// Makes writes durable, or closes the journal: a store that failed must not be asked again.
    pub(super) fn commit(&mut self, writes: &[Write]) -> Result<(), StoreFailed> {
        if writes.is_empty() {
            return Ok(());
        }
        self.store.commit(writes).map_err(|error| self.fail(error))
    }

    pub(super) fn fail(&mut self, error: StoreError) -> StoreFailed {
        let event = Event::JournalFailed { error: chain(&error) };
        let failed = StoreFailed::from(Arc::new(error));
        // Refusing what is new comes first: an event may take its time.
        self.close(failed.clone());
        self.shared.platform.events.report(&event);
        failed
    }

    /// Takes nothing any more, and tells everybody who waits.
    fn close(&mut self, failed: StoreFailed) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        let queued = self.shared.queue.close(failed.clone());
        for item in self.backlog.drain(..).chain(queued) {
            if let Item::Request(request) = item {
                request.refuse(failed.clone());
            }
        }
        self.shared.failure.send_replace(Some(failed));
        self.shared.lanes.notify(None);
    }

    /// True while the call of an operation runs, so that progress may come.
    fn is_running(&self) -> bool {
        self.state
            .live
            .values()
            .any(|kept| kept.operation.state() == v1::OperationState::Running)
    }

    fn compaction_step(&mut self, now: SystemTime) -> Step {
        self.steps_since_due = 0;
        match self.compact(now) {
            Ok(more) => {
                self.compaction_due = more;
                Step::Worked
            }
            Err(_) => Step::Stopped,
        }
    }
}

#[cfg(feature = "planted-bugs")]
impl Writer {
    /// Goes wrong on purpose; true when the rest of the plan waits for the next step.
    fn planted_bug(&mut self, plan: &mut Plan, writes: &mut Vec<Write>) -> bool {
        use super::options::PlantedBug;
        match self.shared.options.planted_bug {
            Some(PlantedBug::PublishBeforeDurable) => {
                self.publish(plan);
                self.late.writes = std::mem::take(writes);
                self.late.writes.append(&mut plan.request_writes);
                self.late.plan = Some(std::mem::take(plan));
                true
            }
            Some(PlantedBug::RequestIdInSecondTransaction) => {
                self.late.writes = std::mem::take(&mut plan.request_writes);
                false
            }
            Some(PlantedBug::ResumeOffByOne) | None => false,
        }
    }

    /// Does what a planted bug has put off.
    fn step_late(&mut self) -> Option<Step> {
        let writes = std::mem::take(&mut self.late.writes);
        let plan = self.late.plan.take();
        if writes.is_empty() && plan.is_none() {
            return None;
        }
        if let Err(failed) = self.commit(&writes) {
            plan.into_iter()
                .flat_map(|plan| plan.answers)
                .for_each(|answer| answer.send(Some(&failed)));
            return Some(Step::Stopped);
        }
        Some(plan.map_or(Step::Worked, |plan| self.settle(plan)))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close(StoreFailed::Stopped);
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("last_revision", &self.state.last_revision)
            .finish_non_exhaustive()
    }
}

/// Wakes a parked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

//! Wake-ups: one lane for each runtime thread, one wake-up of a lane for a batch of records.
//!
//! What costs is waking, not writing. So the writer wakes only the dispatcher of a lane, and only when one of the
//! lane's cursors waits for what was published; the dispatcher, on the thread of the streams, then wakes them in one go,
//! and the connections' tasks run once after all of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use uuid::Uuid;

/// What a cursor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Records of an operation.
    Operation(Uuid),
    /// Events of clusters.
    Events,
    /// Events, and records of any operation.
    Everything,
}

/// The parked cursors of one runtime thread.
#[derive(Debug, Default)]
pub(super) struct Parking {
    next_place: AtomicU64,
    state: Mutex<State>,
}

/// What the lock guards.
#[derive(Debug, Default)]
struct State {
    /// The parked cursors by what they wait for, and by the order in which they came.
    parked: BTreeMap<Topic, BTreeMap<u64, Waker>>,
    /// The cursors to wake.
    due: Vec<BTreeMap<u64, Waker>>,
    /// True while a dispatcher serves the lane.
    attended: bool,
    /// The dispatcher, when it sleeps.
    dispatcher: Option<Waker>,
}

impl Parking {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a cursor.
    pub(super) fn place(&self) -> u64 {
        self.next_place.fetch_add(1, Ordering::Relaxed)
    }

    /// Parks a cursor until its topic has news. The caller must look for news once more after it.
    pub(super) fn park(&self, topic: Topic, place: u64, waker: &Waker) {
        self.lock()
            .parked
            .entry(topic)
            .or_default()
            .insert(place, waker.clone());
    }

    /// Forgets a parked cursor.
    pub(super) fn leave(&self, topic: Topic, place: u64) {
        let mut state = self.lock();
        if let Some(parked) = state.parked.get_mut(&topic) {
            parked.remove(&place);
            if parked.is_empty() {
                state.parked.remove(&topic);
            }
        }
    }

    /// Says that these topics have news; `None` means all.
    fn notify(&self, topics: Option<&[Topic]>) {
        let mut state = self.lock();
        let State { parked, due, .. } = &mut *state;
        match topics {
            Some(topics) => due.extend(topics.iter().filter_map(|topic| parked.remove(topic))),
            None => due.extend(std::mem::take(parked).into_values()),
        }
        if state.due.is_empty() {
            return;
        }
        if state.attended {
            let dispatcher = state.dispatcher.take();
            drop(state);
            if let Some(dispatcher) = dispatcher {
                dispatcher.wake();
            }
        } else {
            let due = std::mem::take(&mut state.due);
            drop(state);
            wake(due);
        }
    }

    /// Wakes what is due; pending for ever after.
    fn poll_dispatch(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        state.dispatcher = Some(context.waker().clone());
        let due = std::mem::take(&mut state.due);
        drop(state);
        wake(due);
        Poll::Pending
    }
}

/// Wakes cursors outside of the lock, because a woken one may park again at once.
fn wake(due: Vec<BTreeMap<u64, Waker>>) {
    for waker in due.into_iter().flat_map(BTreeMap::into_values) {
        waker.wake();
    }
}

/// The dispatcher of a lane, while it lives.
pub(super) struct Dispatcher(Arc<Parking>);

impl Dispatcher {
    pub(super) fn new(parking: Arc<Parking>) -> Self {
        parking.lock().attended = true;
        Self(parking)
    }

    /// Serves the lane. Never ends.
    pub(super) async fn run(self) {
        std::future::poll_fn(|context| self.0.poll_dispatch(context)).await;
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        // Cursors may outlive their dispatcher when a runtime shuts down: the writer serves them from here on.
        let mut state = self.0.lock();
        state.attended = false;
        state.dispatcher = None;
        let due = std::mem::take(&mut state.due);
        drop(state);
        wake(due);
    }
}

/// All lanes of a journal.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<Vec<Weak<Parking>>>);

impl Lanes {
    /// A new lane.
    pub(super) fn add(&self) -> Arc<Parking> {
        let parking = Arc::new(Parking::default());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&parking));
        parking
    }

    /// Says on every lane that these topics have news; `None` means all.
    pub(super) fn notify(&self, topics: Option<&[Topic]>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|lane| match lane.upgrade() {
                Some(parking) => {
                    parking.notify(topics);
                    true
                }
                None => false,
            });
    }
}

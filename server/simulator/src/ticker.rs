//! The thread that lets happen what is due while nobody calls, in a world whose time goes by itself.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::simulation::Inner;
use crate::time::real_now;

/// Wakes a world when something is due. Its thread begins with the first such time, and ends with the ticker.
pub(crate) struct Ticker {
    world: Weak<Inner>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Woken when the time to wake has changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: Option<Instant>,
    runs: bool,
    ended: bool,
}

impl Ticker {
    pub(crate) fn new(world: Weak<Inner>) -> Self {
        Self {
            world,
            shared: Arc::default(),
        }
    }

    /// Something is due after this real time; `None` where time does not go by itself.
    pub(crate) fn set(&self, after: Option<Duration>) {
        let Some(after) = after else { return };
        let mut state = self.shared.lock();
        state.due = Some(real_now() + after);
        self.shared.changed.notify_all();
        if state.runs {
            return;
        }
        let (world, shared) = (self.world.clone(), Arc::clone(&self.shared));
        let thread = thread::Builder::new()
            .name("sim-time".into())
            .spawn(move || shared.run(&world));
        // Without a thread, what is due happens at the next call.
        state.runs = thread.is_ok();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain data: a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, world: &Weak<Inner>) {
        while self.wait() {
            // The world sets the next time while it does what is due.
            match world.upgrade() {
                Some(world) => world.change(|_| {}),
                None => return,
            }
        }
    }

    /// Waits until something is due; false when the world has ended.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.ended {
                return false;
            }
            let left = state.due.map(|due| due.saturating_duration_since(real_now()));
            state = match left {
                Some(left) if left.is_zero() => {
                    state.due = None;
                    return true;
                }
                Some(left) => {
                    self.changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

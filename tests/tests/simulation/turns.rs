//! Time and threads of a simulated daemon.
//!
//! A call into the cluster API blocks its thread, and the simulation has one thread that must not block. So the calls run
//! on threads of the operating system that take turns with the simulation: only one of them ever runs, the others wait
//! for their turn, and what happens follows from the seed alone. A thread gives its turn back whenever it asks for the
//! time, which a progress callback does; simulated time goes by before its next turn, so that crashes and partitions fall
//! between two reports of a running call.

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use wsfcd::platform::{Clock, Threads};

/// The wall-clock time at which every simulation begins: 2026-01-01, in seconds since the Unix epoch.
const BEGIN: Duration = Duration::from_secs(1_767_225_600);

/// The wall clock of the daemon's host. It follows the simulation, and can be set wrong.
#[derive(Debug, Default)]
pub struct WallClock {
    elapsed_ms: AtomicI64,
    wrong_by_ms: AtomicI64,
}

impl WallClock {
    /// Follows the simulation.
    pub fn follow(&self, elapsed: Duration) {
        self.elapsed_ms.store(millis(elapsed), Ordering::Relaxed);
    }

    /// Sets the clock wrong by so many milliseconds.
    pub fn set_wrong(&self, by_ms: i64) {
        self.wrong_by_ms.store(by_ms, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> SystemTime {
        give_back();
        let ms = self.elapsed_ms.load(Ordering::Relaxed) + self.wrong_by_ms.load(Ordering::Relaxed);
        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis(BEGIN) + ms).unwrap_or_default())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Threads that take turns with the simulation.
pub struct Turns {
    random: Arc<Mutex<fastrand::Rng>>,
    longest_ms: u64,
    batons: Mutex<Vec<Weak<Baton>>>,
}

impl Turns {
    /// Threads that wait up to `longest` of simulated time between two turns.
    pub fn new(random: fastrand::Rng, longest: Duration) -> Self {
        Self {
            random: Arc::new(Mutex::new(random)),
            longest_ms: u64::try_from(longest.as_millis()).unwrap_or(1),
            batons: Mutex::default(),
        }
    }
}

impl Turns {
    /// Lets every thread run to its end, unheard, in the order in which they began.
    pub fn crash(&self) {
        let batons = std::mem::take(&mut *lock(&self.batons));
        batons.iter().filter_map(Weak::upgrade).for_each(|baton| baton.crash());
    }
}

impl Threads for Turns {
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        let baton = Arc::new(Baton::default());
        let own = Arc::clone(&baton);
        lock(&self.batons).push(Arc::downgrade(&baton));
        let run = move || {
            BATON.with_borrow_mut(|baton| *baton = Some(Arc::clone(&own)));
            own.wait_for_turn();
            // A panic of the work is its owner's to find out: it drops what the owner waits for.
            let _ = catch_unwind(AssertUnwindSafe(work));
            own.end();
        };
        // The thread ends with the task below at the latest.
        drop(std::thread::Builder::new().name(name.into()).spawn(run)?);
        let random = Arc::clone(&self.random);
        let pause = {
            let longest_ms = self.longest_ms;
            move || Duration::from_millis(lock(&random).u64(1..=longest_ms))
        };
        let crash = Crash(baton);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause()).await;
                if crash.0.give_turn() {
                    return;
                }
            }
        });
        Ok(())
    }
}

thread_local! {
    /// The baton of this thread, if it takes turns.
    static BATON: RefCell<Option<Arc<Baton>>> = const { RefCell::new(None) };
}

/// On a thread that takes turns: ends its turn, and waits for the next one.
fn give_back() {
    if let Some(baton) = BATON.with_borrow(Option::clone) {
        baton.give_back();
    }
}

/// Whose turn it is: the simulation's or the thread's.
#[derive(Default)]
struct Baton {
    turn: Mutex<Turn>,
    passed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Simulation,
    Thread,
    /// The daemon has crashed while its call ran. The thread runs to its end in one go: what a cluster has begun for a
    /// caller that is gone, it finishes. Nothing that it reports is heard any more.
    Unheard,
    /// The thread has ended.
    Nobody,
}

impl Baton {
    /// Lets the thread have a turn; true when it has ended.
    fn give_turn(&self) -> bool {
        let mut turn = self.pass(Turn::Thread);
        while *turn == Turn::Thread {
            turn = self.wait(turn);
        }
        *turn == Turn::Nobody
    }

    /// Lets the thread run to its end in one go.
    fn crash(&self) {
        let mut turn = self.pass(Turn::Unheard);
        while *turn != Turn::Nobody {
            turn = self.wait(turn);
        }
    }

    fn give_back(&self) {
        if *lock(&self.turn) == Turn::Thread {
            drop(self.pass(Turn::Simulation));
            self.wait_for_turn();
        }
    }

    fn wait_for_turn(&self) {
        let mut turn = lock(&self.turn);
        while *turn == Turn::Simulation {
            turn = self.wait(turn);
        }
    }

    fn end(&self) {
        drop(self.pass(Turn::Nobody));
    }

    fn pass(&self, to: Turn) -> MutexGuard<'_, Turn> {
        let mut turn = lock(&self.turn);
        if *turn != Turn::Nobody {
            *turn = to;
        }
        self.passed.notify_all();
        turn
    }

    fn wait<'a>(&self, turn: MutexGuard<'a, Turn>) -> MutexGuard<'a, Turn> {
        self.passed.wait(turn).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped with the task that gives the turns: when the thread has ended, or when the daemon's host crashes.
struct Crash(Arc<Baton>);

impl Drop for Crash {
    fn drop(&mut self) {
        self.0.crash();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Time, threads, randomness, other processes, the event log, the service managers and the certificate store, so that the
//! daemon runs whole inside a deterministic simulation.
//!
//! Core code asks a [`Platform`] instead of the operating system. Production uses [`Platform::system`]; a simulation
//! brings a clock that follows simulated time, threads that it schedules itself, and [`SeededEntropy`].

mod processes;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::events::{EventLog, LoggedEvents};
use crate::hosts::Hosts;
use crate::listen::certificate_store::{self, CertificateStore};

pub use processes::{NoProcesses, OsProcesses, Process, Processes};

/// Tells the wall-clock time.
pub trait Clock: Send + Sync {
    /// The time now. It may step backwards, as the host's clock can.
    fn now(&self) -> SystemTime;
}

/// Starts threads.
pub trait Threads: Send + Sync {
    /// Runs `work` on a thread of its own that shows as `name` in debuggers.
    ///
    /// # Errors
    ///
    /// The operating system refused another thread.
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()>;
}

/// Gives random bytes, fit for identifiers.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);

    /// A new time-ordered UUID (version 7) for the time `now`.
    fn uuid(&self, now: SystemTime) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// What the daemon takes from the machine it runs on, beside files and sockets.
#[derive(Clone)]
pub struct Platform {
    /// The clock that stamps records and measures retention.
    pub clock: Arc<dyn Clock>,
    /// Where blocking work runs.
    pub threads: Arc<dyn Threads>,
    /// Where identifiers come from.
    pub entropy: Arc<dyn Entropy>,
    /// Where events go that an administrator should find.
    pub events: Arc<dyn EventLog>,
    /// The processes of this host.
    pub processes: Arc<dyn Processes>,
    /// The service managers of hosts.
    pub hosts: Arc<dyn Hosts>,
    /// The certificates that the machine keeps.
    pub certificate_store: Arc<dyn CertificateStore>,
}

impl Platform {
    /// The operating system's clock, threads and randomness; events go to the daemon's log.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            threads: Arc::new(OsThreads),
            entropy: Arc::new(OsEntropy),
            events: Arc::new(LoggedEvents),
            processes: Arc::new(OsProcesses),
            hosts: crate::hosts::system(),
            certificate_store: certificate_store::system(),
        }
    }
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the operating system for the time"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Threads of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsThreads;

impl Threads for OsThreads {
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        // The thread is detached: whoever needs its end has the work tell it.
        std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
    }
}

/// The operating system's random number generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(
        clippy::panic,
        reason = "without randomness identifiers would repeat, and no input leads here"
    )]
    fn fill(&self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            panic!("the operating system gives no random bytes: {error}");
        }
    }
}

/// Random bytes that follow from a seed, for simulations. Not fit for secrets.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<fastrand::Rng>);

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_seed_and_the_time() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let ids = |seed| {
            let entropy = SeededEntropy::new(seed);
            [
                entropy.uuid(time),
                entropy.uuid(time),
                entropy.uuid(time + Duration::from_millis(1)),
            ]
        };
        let [first, second, later] = ids(7);
        assert_eq!(ids(7), [first, second, later]);
        assert_ne!(ids(8), [first, second, later]);
        assert_ne!(first, second);
        assert!(later > first && later > second, "a later id sorts behind");
        assert_eq!(first.get_version_num(), 7);
    }

    #[test]
    fn a_clock_before_the_epoch_makes_ids_all_the_same() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(OsEntropy.uuid(before).get_version_num(), 7);
    }

    #[test]
    fn threads_carry_their_name() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let work = Box::new(move || {
            let name = std::thread::current().name().map(str::to_owned);
            sender.send(name).unwrap();
        });
        OsThreads.spawn("journal", work).unwrap();
        assert_eq!(receiver.recv().unwrap().as_deref(), Some("journal"));
    }
}

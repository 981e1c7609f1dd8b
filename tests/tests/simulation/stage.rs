//! What outlives every host of a simulation: the disk, the cluster world, the clocks, and what was seen.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use wsfc_simulator::{Simulation, SimulationError};
use wsfcd::journal::sim_disk::SimDisk;
use wsfcd::journal::{Journal, Options};
use wsfcd::platform::{Platform, SeededEntropy};
use wsfcd::settings::Settings;

use crate::history::History;
use crate::plan::Plan;
use crate::turns::{Turns, WallClock};

/// What all hosts share.
pub struct Stage {
    /// What shall happen.
    pub plan: Plan,
    /// What the clients saw.
    pub history: History,
    /// The daemon's wall clock.
    pub clock: Arc<WallClock>,
    /// The daemon's disk.
    pub disk: SimDisk,
    /// The machines and clusters.
    pub simulation: Simulation,
    /// The daemon that runs now.
    pub daemon: RefCell<Daemon>,
    /// Where each starter stands in its intents.
    pub starters: Vec<Starter>,
    /// Nothing new is started any more.
    pub healing: Cell<bool>,
    /// Promises that were seen broken on the way.
    pub broken: RefCell<Vec<String>>,
}

/// What is known of the daemon that runs now.
#[derive(Default)]
pub struct Daemon {
    /// How many daemons there were before it.
    pub generation: u64,
    /// When it was started.
    pub started: Duration,
    /// Its threads.
    pub turns: Option<Arc<Turns>>,
    /// Its journal, as soon as it serves.
    pub journal: Option<Journal>,
    /// Why it cannot go on.
    pub failure: Option<String>,
}

/// Where a starter stands, on its own disk.
#[derive(Default)]
pub struct Starter {
    /// How many intents it is done with.
    pub done: Cell<usize>,
    /// It is about one.
    pub busy: Cell<bool>,
}

impl Stage {
    /// The stage of a plan.
    pub fn new(plan: Plan) -> Result<Self, SimulationError> {
        let disk = SimDisk::new(plan.seed);
        if plan.disk_lies {
            disk.ignore_syncs();
        }
        Ok(Self {
            disk,
            history: History::default(),
            clock: Arc::default(),
            simulation: Simulation::new(plan.scenario.clone())?,
            daemon: RefCell::default(),
            starters: plan.intents.iter().map(|_| Starter::default()).collect(),
            healing: Cell::new(false),
            broken: RefCell::default(),
            plan,
        })
    }

    /// Says that a promise was broken.
    pub fn complain(&self, what: impl Into<String>) {
        self.broken.borrow_mut().push(what.into());
    }

    /// Ends the calls of the daemon that is about to crash, in the order in which they began.
    pub fn crash_calls(&self) {
        if let Some(turns) = &self.daemon.borrow().turns {
            turns.crash();
        }
    }

    /// The machine under the daemon of a generation: time and identifiers that follow from the seed.
    pub fn platform(&self, generation: u64) -> Platform {
        let mut random = fastrand::Rng::with_seed(self.plan.seed);
        let seeds: Vec<_> = (0..=generation).map(|_| random.u64(..)).collect();
        let seed = seeds.last().copied().unwrap_or_default();
        let turns = Arc::new(Turns::new(fastrand::Rng::with_seed(seed), self.plan.longest_turn));
        self.daemon.borrow_mut().turns = Some(Arc::clone(&turns));
        Platform {
            clock: Arc::clone(&self.clock) as _,
            threads: turns,
            entropy: Arc::new(SeededEntropy::new(seed)),
            events: Arc::new(wsfcd::events::LoggedEvents),
            processes: Arc::new(wsfcd::platform::NoProcesses),
            hosts: Arc::new(wsfcd::hosts::NoHosts),
            certificate_store: wsfcd::listen::certificate_store::system(),
        }
    }

    /// The daemon's settings.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        // Observers are threads of their own time, which no seed decides about.
        settings.inventory.observe = false;
        // The simulated network knows no callers.
        settings.access.unauthenticated_role = Some("administrator".into());
        settings.operations.create_settle = Duration::from_secs(3);
        settings.journal.keep_operations = self.plan.keep_operations;
        settings.journal.memory_records = self.plan.memory_records;
        settings
    }

    /// The journal's options.
    pub fn options(&self) -> Options {
        Options {
            planted_bug: self.plan.bug,
            ..wsfcd::daemon::journal_options(&self.settings())
        }
    }
}

//! One simulated world in use: the world under a lock, its time, and who waits for what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use wsfc_clusapi::sys::resapi::Startup;
use wsfc_clusapi::sys::{Table, TableProvider};

use crate::control::Point;
use crate::entry;
use crate::handles;
use crate::monitor::{self, Host, Provided, Source};
use crate::notify::Port;
use crate::scenario::{Scenario, ScenarioError};
use crate::slots::{self, SlotLease};
use crate::ticker::Ticker;
use crate::time::{Clock, Pace, Wait};
use crate::win32::{ERROR_CLUSTER_JOIN_IN_PROGRESS, ERROR_SHUTDOWN_IN_PROGRESS, RPC_S_SERVER_UNAVAILABLE};
use crate::world::World;
use crate::world::cluster::Cluster;
use crate::world::save::{self, SaveError};

/// A simulated world behind the C functions. Clones share the world.
#[derive(Clone)]
pub struct Simulation {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("slot", &self.inner.slot.number())
            .finish_non_exhaustive()
    }
}

/// Why a simulation could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The scenario contradicts itself.
    #[error("scenario cannot be simulated")]
    Scenario(#[from] ScenarioError),
    /// The saved world could not be read or written.
    #[error("saved world cannot be used")]
    Save(#[from] SaveError),
    /// Too many worlds at once in this process.
    #[error("all {} simulated worlds of this process are in use", slots::COUNT)]
    NoSlot,
}

/// What all clones of a [`Simulation`] share.
pub(crate) struct Inner {
    pub(crate) slot: SlotLease,
    pub(crate) scenario: Scenario,
    save_path: Option<PathBuf>,
    state: Mutex<State>,
    /// Woken at every change of the state.
    wake: Condvar,
    /// Lets happen what is due when nobody calls.
    ticker: Ticker,
}

/// What the lock of a simulation guards.
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) clock: Clock,
    /// How often each function was called.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Where calls stop until released.
    pub(crate) holds: Vec<Point>,
    /// Where calls are stopped now.
    pub(crate) held: Vec<Point>,
    /// The simulated time of the last release.
    pub(crate) released_ms: u64,
    /// How often calls have come to a point.
    pub(crate) reached: BTreeMap<Point, u64>,
    pub(crate) ports: BTreeMap<isize, Port>,
    /// The Resource Monitors of the nodes.
    pub(crate) host: Host,
    /// Clusters on which a setup call runs.
    busy: BTreeSet<String>,
    /// Handles can be used: the RPC connections stand.
    pub(crate) connected: bool,
    pub(crate) shut_down: bool,
    pub(crate) save_error: Option<SaveError>,
}

impl Simulation {
    /// A fresh world.
    ///
    /// # Errors
    ///
    /// A scenario that contradicts itself, or too many worlds in this process.
    pub fn new(scenario: Scenario) -> Result<Self, SimulationError> {
        scenario.check()?;
        let world = World::new(&scenario);
        Self::with_world(scenario, world, None)
    }

    /// The world of a save file when there is one, else a fresh world. Every change of the world is saved there at
    /// once, so that it outlives a killed process. Machines, clusters and remaining faults come from the file; timing
    /// and the switches come from the scenario.
    ///
    /// # Errors
    ///
    /// As [`Simulation::new`], and a file that cannot be read, written or understood.
    pub fn open(scenario: Scenario, path: &Path) -> Result<Self, SimulationError> {
        scenario.check()?;
        let world = match save::load(path)? {
            Some(world) => world,
            None => World::new(&scenario),
        };
        save::save(&world, path)?;
        Self::with_world(scenario, world, Some(path.into()))
    }

    fn with_world(scenario: Scenario, mut world: World, save_path: Option<PathBuf>) -> Result<Self, SimulationError> {
        world.times = scenario.timing.times();
        world.resource_limit = scenario.resource_limit;
        let pace = match (scenario.timing.manual, scenario.timing.scale) {
            (true, _) => Pace::Manual,
            (false, scale) if scale > 0.0 => Pace::Scaled(scale),
            (false, _) => Pace::Instant,
        };
        let slot = slots::claim().ok_or(SimulationError::NoSlot)?;
        let number = slot.number();
        let clock = Clock::new(pace, world.now_ms);
        let state = |inner: &Weak<Inner>| State {
            clock,
            world,
            calls: BTreeMap::new(),
            holds: Vec::new(),
            held: Vec::new(),
            released_ms: 0,
            reached: BTreeMap::new(),
            ports: BTreeMap::new(),
            host: Host::new(inner.clone()),
            busy: BTreeSet::new(),
            connected: true,
            shut_down: false,
            save_error: None,
        };
        let dlls = scenario.resource_dlls.clone();
        let inner = Arc::new_cyclic(|inner| Inner {
            slot,
            scenario,
            save_path,
            state: Mutex::new(state(inner)),
            wake: Condvar::new(),
            ticker: Ticker::new(inner.clone()),
        });
        slots::occupy(number, &inner);
        // What a saved world had begun, and what its scenario plans, goes on.
        inner.change(|state| {
            for dll in dlls {
                state.provide(&dll.name, Source::Path(dll.path));
            }
        });
        Ok(Self { inner })
    }

    /// The C functions of this world. They answer as long as a clone of the simulation lives; afterwards another world
    /// may answer where they take no handle, so keep a clone beside the table.
    #[must_use]
    pub fn table(&self) -> Table {
        entry::table(&self.inner)
    }

    /// Has resources of the types with this DLL implemented by a resource DLL of this process, which is known by its
    /// `Startup` (facts 5.1). What already runs of these types begins anew.
    ///
    /// The name is that of the file, whatever folder the types say; case is not regarded. A DLL of a file comes from the
    /// scenario (`resource_dlls`).
    ///
    /// # Safety
    ///
    /// `startup` must keep the contract of the resource API: it gives a table that has the size and version that it says
    /// and stays as long as the process, and the functions of it may be called from any thread, those of a resource one
    /// after the other.
    pub unsafe fn provide_resource_dll(&self, name: &str, startup: Startup) {
        let source = Source::Startup(Provided(startup));
        self.inner.change(|state| state.provide(name, source));
    }

    /// Writes the world to a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SaveError> {
        save::save(&self.inner.lock().world, path)
    }
}

// SAFETY: Every entry of the table checks its handles against a registry of living worlds, copies no more than the
// sizes it was given, reads structs only as far as their version allows, and catches panics. It stays valid while
// `self` lives, since `self` keeps the world's slot.
unsafe impl TableProvider for Simulation {
    fn table(&self) -> Table {
        Self::table(self)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        handles::forget_dead();
        monitor::forget_dead();
    }
}

impl Inner {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves plain data behind; the world goes on with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world: does what is due, hands its events to the ports, saves it, and wakes who waits.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        state.do_due();
        let result = change(&mut state);
        state.do_due();
        state.go_on_at_once();
        state.dispatch();
        state.deliver_events();
        if let Some(due_ms) = state.world.queue.next_due() {
            self.ticker.set(state.clock.real_until(due_ms));
        }
        if let Some(path) = &self.save_path {
            // The C functions have no way to report it; the remote control tells.
            if let Err(error) = save::save(&state.world, path) {
                state.save_error = Some(error);
            }
        }
        self.wake.notify_all();
        result
    }

    /// Changes what belongs to this process only, and wakes who waits.
    pub(crate) fn note<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.wake.notify_all();
        result
    }

    /// Begins a call: counts it, and lets faults and holds at its entry act.
    pub(crate) fn enter(&self, call: &'static str) -> Result<(), u32> {
        let effect = {
            let mut state = self.lock();
            *state.calls.entry(call.into()).or_default() += 1;
            let effect = state.world.faults.strike(call, None, None);
            if effect.hang {
                state.holds.push(Point::entry(call));
            }
            effect
        };
        self.pass(&Point::entry(call))?;
        match effect.status {
            Some(status) => Err(status),
            None => Ok(()),
        }
    }

    /// Comes to a point and stays there while it is held; the simulated time at which it goes on. That time is taken
    /// before anybody can know that the point was reached, so that time moved by hand afterwards counts. 1115 when the
    /// simulation shuts down.
    pub(crate) fn pass(&self, point: &Point) -> Result<u64, u32> {
        let mut state = self.lock();
        *state.reached.entry(point.clone()).or_default() += 1;
        self.wake.notify_all();
        let mut begin_ms = state.clock.now_ms();
        if state.is_held(point) {
            state.held.push(point.clone());
            while state.is_held(point) && !state.shut_down {
                state = self.wait(state);
            }
            if let Some(position) = state.held.iter().position(|held| held == point) {
                state.held.remove(position);
            }
            begin_ms = state.released_ms;
        }
        if state.shut_down {
            Err(ERROR_SHUTDOWN_IN_PROGRESS)
        } else {
            Ok(begin_ms)
        }
    }

    /// Lets simulated time go by.
    pub(crate) fn spend(&self, ms: u64) -> Result<(), u32> {
        let deadline_ms = self.lock().clock.now_ms().saturating_add(ms);
        self.wait_until(deadline_ms)
    }

    /// Waits for a simulated time. 1115 when the simulation shuts down.
    pub(crate) fn wait_until(&self, deadline_ms: u64) -> Result<(), u32> {
        let mut state = self.lock();
        loop {
            if state.shut_down {
                return Err(ERROR_SHUTDOWN_IN_PROGRESS);
            }
            let before_ms = state.clock.now_ms();
            let wait = state.clock.wait_until(deadline_ms);
            if state.clock.is_instant() {
                let jumped_ms = state.clock.now_ms().saturating_sub(before_ms);
                state.world.queue.jump(jumped_ms);
            }
            state = match wait {
                Wait::Over => return Ok(()),
                Wait::ByHand => self.wait(state),
                Wait::Real(time) => self.wait_at_most(state, time),
            };
        }
    }

    /// Waits for the next change.
    pub(crate) fn wait<'lock>(&self, state: MutexGuard<'lock, State>) -> MutexGuard<'lock, State> {
        self.wake.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next change, or until real time is over.
    pub(crate) fn wait_at_most<'lock>(
        &self,
        state: MutexGuard<'lock, State>,
        time: std::time::Duration,
    ) -> MutexGuard<'lock, State> {
        self.wake
            .wait_timeout(state, time)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Claims a cluster for a setup call; 5041 while another runs (facts 1.3).
    pub(crate) fn claim(self: &Arc<Self>, cluster: &str) -> Result<Claim, u32> {
        if self.lock().busy.insert(cluster.into()) {
            Ok(Claim {
                inner: Arc::clone(self),
                cluster: cluster.into(),
            })
        } else {
            Err(ERROR_CLUSTER_JOIN_IN_PROGRESS)
        }
    }
}

/// A cluster that a setup call works on; given back on drop.
pub(crate) struct Claim {
    inner: Arc<Inner>,
    cluster: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.note(|state| state.busy.remove(&self.cluster));
    }
}

impl State {
    /// The cluster behind a handle: 1722 when the connection is broken or nobody answers (facts 4.4).
    pub(crate) fn serving(&self, cluster: &str) -> Result<&Cluster, u32> {
        if self.connected {
            self.world.serving(cluster)
        } else {
            Err(RPC_S_SERVER_UNAVAILABLE)
        }
    }

    /// Does what is due by now.
    fn do_due(&mut self) {
        let now_ms = self.clock.now_ms();
        while self.world.take_step(now_ms) {}
        self.world.now_ms = now_ms;
    }

    /// Moves simulated time by hand; what is due on the way happens at its own time.
    pub(crate) fn pass_to(&mut self, then_ms: u64) {
        while let Some(due_ms) = self.world.queue.next_due().filter(|due_ms| *due_ms <= then_ms) {
            self.move_clock(due_ms);
            self.do_due();
        }
        self.move_clock(then_ms);
    }

    fn move_clock(&mut self, then_ms: u64) {
        let left_ms = then_ms.saturating_sub(self.clock.now_ms());
        self.clock.advance(left_ms);
        self.world.now_ms = self.clock.now_ms();
    }

    /// In a world that waits for nothing, work that goes on is done at once.
    fn go_on_at_once(&mut self) {
        while self.clock.is_instant()
            && let Some(due_ms) = self.world.queue.next_work()
        {
            // No DLL has worked in that time.
            let jumped_ms = due_ms.saturating_sub(self.clock.now_ms());
            self.world.queue.jump(jumped_ms);
            self.move_clock(due_ms);
            self.do_due();
        }
    }

    fn is_held(&self, point: &Point) -> bool {
        self.holds.iter().any(|hold| hold.covers(point))
    }
}

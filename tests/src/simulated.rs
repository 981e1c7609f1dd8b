//! The simulated world of a daemon under test, steered from the test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wsfc_simulator::remote::{RemoteControl, RemoteError};
use wsfc_simulator::{ConnectionEvent, Fault, Incident, Point, Simulation};

/// The world of one daemon: in this process, or behind the library that the daemon's process has loaded. It outlives
/// restarts of the daemon, and so do its holds and counts.
///
/// In another process the world begins with the daemon's first call of the cluster API. Before, nothing was called, and
/// what is held is held from the first call on; what changes the world waits until it is there.
#[derive(Debug, Clone)]
pub struct SimulatedWorld(Place);

#[derive(Debug, Clone)]
enum Place {
    Here(Simulation),
    There {
        control: RemoteControl,
        /// How often each function was called in processes that have ended.
        before: Arc<Mutex<BTreeMap<String, u64>>>,
    },
}

impl SimulatedWorld {
    pub(crate) fn here(simulation: Simulation) -> Self {
        Self(Place::Here(simulation))
    }

    pub(crate) fn there(control: RemoteControl) -> Self {
        Self(Place::There {
            control,
            before: Arc::default(),
        })
    }

    /// How often a C function was called.
    ///
    /// # Panics
    ///
    /// The daemon's process does not answer.
    pub fn calls(&self, function: &str) -> u64 {
        match &self.0 {
            Place::Here(simulation) => simulation.calls(function),
            Place::There { control, before } => {
                let before = lock(before).get(function).copied().unwrap_or_default();
                before + counted(control).get(function).copied().unwrap_or_default()
            }
        }
    }

    /// How often each C function was called.
    ///
    /// # Panics
    ///
    /// The world is in another process.
    #[expect(clippy::expect_used, reason = "a mistake of the test")]
    pub fn call_counts(&self) -> BTreeMap<String, u64> {
        let simulation = self.simulation().expect("a world in this process");
        simulation.call_counts()
    }

    /// From now on calls stop at the point until it is released.
    ///
    /// # Panics
    ///
    /// The daemon's process does not answer.
    pub fn hold(&self, point: Point) {
        match &self.0 {
            Place::Here(simulation) => simulation.hold(point),
            Place::There { control, .. } => well(control.hold(point)),
        }
    }

    /// Lets calls at the point go on.
    ///
    /// # Panics
    ///
    /// The daemon's process does not answer.
    pub fn release(&self, point: &Point) {
        match &self.0 {
            Place::Here(simulation) => simulation.release(point),
            Place::There { control, .. } => well(control.release(point)),
        }
    }

    /// Lets every stopped call go on.
    ///
    /// # Panics
    ///
    /// The daemon's process does not answer.
    pub fn release_all(&self) {
        match &self.0 {
            Place::Here(simulation) => simulation.release_all(),
            Place::There { control, .. } => well(control.release_all()),
        }
    }

    /// Waits until a call is stopped at the point; false when `timeout` is over first.
    ///
    /// # Panics
    ///
    /// The daemon's process does not answer.
    pub fn wait_held(&self, point: &Point, timeout: Duration) -> bool {
        match &self.0 {
            Place::Here(simulation) => simulation.wait_held(point, timeout),
            Place::There { control, .. } => well(control.wait_held(point, timeout)),
        }
    }

    /// Adds a fault.
    ///
    /// # Panics
    ///
    /// The fault contradicts itself, or the daemon's process does not answer.
    #[expect(clippy::panic, reason = "a mistake of the test")]
    pub fn inject(&self, fault: Fault) {
        match &self.0 {
            Place::Here(simulation) => simulation.inject(fault).unwrap_or_else(|error| panic!("{error}")),
            Place::There { control, .. } => well(control.inject(fault)),
        }
    }

    /// Makes a machine answer or not.
    ///
    /// # Panics
    ///
    /// There is no such machine, or the daemon's process does not answer.
    pub fn set_reachable(&self, machine: &str, reachable: bool) {
        let found = match &self.0 {
            Place::Here(simulation) => simulation.set_reachable(machine, reachable),
            Place::There { control, .. } => well(control.set_reachable(machine, reachable)),
        };
        assert!(found, "no machine is called {machine}");
    }

    /// Lets an incident happen: a machine dies, heartbeats are lost, a resource fails.
    ///
    /// # Panics
    ///
    /// What it names is not there, or the daemon's process does not answer.
    #[expect(clippy::panic, reason = "a mistake of the test")]
    pub fn happen(&self, incident: &Incident) {
        match &self.0 {
            Place::Here(simulation) => simulation.happen(incident).unwrap_or_else(|error| panic!("{error}")),
            Place::There { control, .. } => well(control.happen(incident.clone())),
        }
    }

    /// Lets an event about the connection come to every port.
    ///
    /// # Panics
    ///
    /// The daemon's process does not answer.
    pub fn connection_event(&self, event: ConnectionEvent) {
        match &self.0 {
            Place::Here(simulation) => simulation.send(event),
            Place::There { control, .. } => well(control.send(event)),
        }
    }

    /// Where the daemon's process must connect to, when the world is there.
    pub(crate) fn control(&self) -> Option<&RemoteControl> {
        match &self.0 {
            Place::Here(_) => None,
            Place::There { control, .. } => Some(control),
        }
    }

    /// Keeps what was counted in a process that is about to end.
    pub(crate) fn keep_counts(&self) {
        if let Place::There { control, before } = &self.0 {
            let counted = counted(control);
            let mut before = lock(before);
            for (function, calls) in counted {
                *before.entry(function).or_default() += calls;
            }
        }
    }

    /// Lets calls that hang on purpose fail, so that they do not hold up the end of this process.
    pub(crate) fn end(&self) {
        if let Place::Here(simulation) = &self.0 {
            simulation.shutdown();
        }
    }

    /// The world itself, where it is in this process.
    pub fn simulation(&self) -> Option<&Simulation> {
        match &self.0 {
            Place::Here(simulation) => Some(simulation),
            Place::There { .. } => None,
        }
    }
}

/// What was called in the process that is there.
fn counted(control: &RemoteControl) -> BTreeMap<String, u64> {
    if !control.is_connected() {
        return BTreeMap::new();
    }
    match control.call_counts() {
        // A process that just went was counted when it was stopped.
        Err(RemoteError::Gone | RemoteError::Send(_)) => BTreeMap::new(),
        counts => well(counts),
    }
}

#[expect(clippy::panic, reason = "how a test fails")]
#[track_caller]
fn well<T>(result: Result<T, RemoteError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{}", wsfcd::logging::chain(&error)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that fails while it holds the lock is to tell its own story.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

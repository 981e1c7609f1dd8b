//! What tests, demonstrations and remote controls do to a world from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use wsfc_clusapi::sys::constants::notify_cluster;

use crate::fault::Fault;
use crate::incident::{Incident, IncidentError};
use crate::monitor::MonitorLine;
use crate::scenario::ScenarioError;
use crate::simulation::{Simulation, State};
use crate::time::real_now;
use crate::world::events::Event;
use crate::world::quorum::Leaving;
use crate::world::save::SaveError;

/// A place where a call can be held: its entry, or a phase of it after the Start record and before any work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    call: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<i32>,
    /// In lower case.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lower_case")]
    object: Option<String>,
}

fn lower_case<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(|object| object.to_lowercase()))
}

impl Point {
    /// The entry of a call.
    #[must_use]
    pub fn entry(call: &str) -> Self {
        Self {
            call: call.into(),
            phase: None,
            object: None,
        }
    }

    /// A phase of a setup or upgrade call, for any object.
    #[must_use]
    pub fn phase(call: &str, phase: i32) -> Self {
        Self {
            call: call.into(),
            phase: Some(phase),
            object: None,
        }
    }

    /// The same for one object (node, address, group); case is not regarded.
    #[must_use]
    pub fn of(self, object: &str) -> Self {
        Self {
            object: Some(object.to_lowercase()),
            ..self
        }
    }

    /// True when this point includes the other.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.call == other.call && self.phase == other.phase && (self.object.is_none() || self.object == other.object)
    }
}

/// An event about the connection that clusapi makes itself (facts 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionEvent {
    /// The connection was lost and is back; events may be missing.
    Reconnect,
    /// The connection is lost for good.
    State,
    /// Events were lost.
    LostNotifications,
    /// The cluster handle was closed.
    HandleClose,
}

impl Simulation {
    /// How often a C function was called.
    #[must_use]
    pub fn calls(&self, function: &str) -> u64 {
        self.inner.lock().calls.get(function).copied().unwrap_or_default()
    }

    /// How often each C function was called, by name; those that were not are absent.
    #[must_use]
    pub fn call_counts(&self) -> BTreeMap<String, u64> {
        self.inner.lock().calls.clone()
    }

    /// From now on calls stop at the point until it is released.
    pub fn hold(&self, point: Point) {
        self.inner.note(|state| state.holds.push(point));
    }

    /// Lets calls at the point go on, those that a `hang` fault stopped too.
    pub fn release(&self, point: &Point) {
        self.release_where(|hold| point.covers(hold) || hold.covers(point));
    }

    /// Lets every stopped call go on.
    pub fn release_all(&self) {
        self.release_where(|_| true);
    }

    fn release_where(&self, released: impl Fn(&Point) -> bool) {
        self.inner.note(|state| {
            state.holds.retain(|hold| !released(hold));
            state.released_ms = state.clock.now_ms();
        });
    }

    /// Waits until a call is stopped at the point; false when `timeout` of real time is over first.
    #[must_use]
    pub fn wait_held(&self, point: &Point, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| state.held.iter().any(|held| point.covers(held)))
    }

    /// Waits until calls have come to the point `times` times since the simulation was made; false when `timeout` of
    /// real time is over first.
    #[must_use]
    pub fn wait_reached(&self, point: &Point, times: u64, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| reached(state, point) >= times)
    }

    /// How often calls have come to the point.
    #[must_use]
    pub fn reached(&self, point: &Point) -> u64 {
        reached(&self.inner.lock(), point)
    }

    /// Adds a fault.
    ///
    /// # Errors
    ///
    /// A fault that contradicts itself.
    pub fn inject(&self, fault: Fault) -> Result<(), ScenarioError> {
        fault.check().map_err(|problem| ScenarioError::Invalid {
            path: "fault".into(),
            problem,
        })?;
        self.inner.change(|state| state.world.faults.add(fault));
        Ok(())
    }

    /// Removes all faults, those of the scenario too.
    pub fn clear_faults(&self) {
        self.inner.change(|state| state.world.faults.clear());
    }

    /// Makes a machine answer or not; false when there is no such machine.
    pub fn set_reachable(&self, machine: &str, reachable: bool) -> bool {
        self.inner.change(|state| {
            state
                .world
                .change_machine(machine, Leaving::Abruptly, |machine| machine.reachable = reachable)
        })
    }

    /// Starts or stops the cluster service of a machine, as the SCM does; false when there is no such machine. A machine
    /// without a cluster stays stopped.
    pub fn set_service(&self, machine: &str, running: bool) -> bool {
        self.inner.change(|state| {
            state.world.change_machine(machine, Leaving::Orderly, |machine| {
                machine.service_running = running && machine.membership.is_some();
            })
        })
    }

    /// Clears the cluster configuration of a machine, as Clear-ClusterNode does; false when there is no such machine.
    pub fn clear_node(&self, machine: &str) -> bool {
        self.inner.change(|state| {
            state
                .world
                .change_machine(machine, Leaving::Orderly, crate::world::Machine::clean_up)
        })
    }

    /// Lets an incident happen: a machine dies, heartbeats are lost, a resource fails.
    ///
    /// # Errors
    ///
    /// What it names is not there.
    pub fn happen(&self, incident: &Incident) -> Result<(), IncidentError> {
        self.inner.change(|state| state.world.befall(incident))
    }

    /// Moves simulated time to the next thing that is due, and lets it happen; false when nothing is.
    pub fn step(&self) -> bool {
        let due = self.inner.lock().world.queue.next_due();
        let Some(due_ms) = due else { return false };
        self.inner.change(|state| {
            let left_ms = due_ms.saturating_sub(state.clock.now_ms());
            state.clock.advance(left_ms);
        });
        true
    }

    /// Checks what must be true of a world at any time: every group has an owner, its state is that of its resources and
    /// was told, nothing runs on a node that is down, dependencies stay inside a group and come online in order, what waits
    /// to start has not begun, networks and group sets are what was told of them, votes add up, and nothing is forced
    /// that goes on by votes.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn consistency(&self) -> Result<(), String> {
        self.inner.lock().world.consistency()
    }

    /// What resource DLLs have given to LogEvent, and what their monitors had to say about them; the oldest first, the last
    /// 10,000 lines.
    #[must_use]
    pub fn monitor_log(&self) -> Vec<MonitorLine> {
        self.inner.lock().monitor_log()
    }

    /// Waits until no entry point of a resource DLL is being called, and none is to be called; false when `timeout` of real
    /// time is over first. What the DLLs do in threads of their own is not known.
    #[must_use]
    pub fn wait_monitors(&self, timeout: Duration) -> bool {
        self.wait_for(timeout, |state| state.host.is_idle())
    }

    /// Breaks the RPC connections: calls with handles fail with 1722 until they are restored.
    pub fn break_connections(&self) {
        self.inner.note(|state| state.connected = false);
    }

    /// Restores the RPC connections: handles work again, and ports get RECONNECT (facts 4.4).
    pub fn restore_connections(&self) {
        self.inner.note(|state| state.connected = true);
        self.send(ConnectionEvent::Reconnect);
    }

    /// Sends an event about the connection to the ports of every cluster that filter for it.
    pub fn send(&self, event: ConnectionEvent) {
        let flag = match event {
            ConnectionEvent::Reconnect => notify_cluster::RECONNECT,
            ConnectionEvent::State => notify_cluster::STATE,
            ConnectionEvent::LostNotifications => notify_cluster::LOST_NOTIFICATIONS,
            ConnectionEvent::HandleClose => notify_cluster::HANDLE_CLOSE,
        };
        self.inner.change(|state| {
            let world = &mut state.world;
            world.events.extend(
                world
                    .clusters
                    .iter()
                    .map(|cluster| Event::of_cluster(&cluster.id, flag, &cluster.name)),
            );
        });
    }

    /// Moves simulated time on by hand. What is due in that time happens, each at its own time.
    pub fn advance(&self, simulated: Duration) {
        let ms = u64::try_from(simulated.as_millis()).unwrap_or(u64::MAX);
        self.inner
            .change(|state| state.pass_to(state.clock.now_ms().saturating_add(ms)));
    }

    /// Simulated time since the world began.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.inner.lock().clock.now_ms())
    }

    /// The last failure to save the world, once.
    #[must_use]
    pub fn take_save_error(&self) -> Option<SaveError> {
        self.inner.lock().save_error.take()
    }

    /// Ends all waits: calls that wait, and all later ones, fail with 1115.
    pub fn shutdown(&self) {
        self.inner.note(|state| state.shut_down = true);
    }

    fn wait_for(&self, timeout: Duration, done: impl Fn(&State) -> bool) -> bool {
        let begin = real_now();
        let mut state = self.inner.lock();
        loop {
            if done(&state) {
                return true;
            }
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return false;
            }
            state = self.inner.wait_at_most(state, left);
        }
    }
}

fn reached(state: &State, point: &Point) -> u64 {
    state
        .reached
        .iter()
        .filter(|(at, _)| point.covers(at))
        .map(|(_, times)| times)
        .sum()
}

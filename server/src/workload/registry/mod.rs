//! The registry: which resources are open, which agents are attached, and what is asked of them.
//!
//! A state machine without threads, sockets and clocks: it takes messages with the time, and gives [`Output`]s. What it
//! decides:
//!
//! - A call goes to the agent that holds the resource's workload. While there is none, the cluster is told again and again
//!   that it waits, for twice the pending timeout at most.
//! - A call has one final status: the agent's, or FAILED by the daemon when none comes in time. What is said later is
//!   rejected.
//! - A resource is terminated before it is brought online again.
//! - Of the resources that are online, those whose agent is lost for longer than its grace are told to be unhealthy, and
//!   those whose agent does not answer a health check.
//!
//! Nothing of it outlives the daemon. The resource DLL tells what is open and under way after each connection.

mod agents;
mod calls;
mod held_up;
mod monitors;
mod told;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use wsfc_proto::v1;
use wsfc_resource_channel::{CallKind, Status, to_monitor};

use super::timers::{Time, Timers};
use crate::platform::Process;

pub use agents::{AttachError, Registration};
pub use monitors::Garbage;

/// How many resources may be open at once.
pub const MOST_INSTANCES: usize = 10_000;
/// How many agents wait for one workload at most.
pub const MOST_STANDING_BY: usize = 64;
/// How many ended calls of a workload are remembered, to tell a late status from a wrong one.
const MOST_ENDED: usize = 1_024;
/// How long messages for people are; the rest is cut off.
pub const MESSAGE_CHARACTERS: usize = 1_024;
/// The longest name of a workload.
pub const NAME_CHARACTERS: usize = 255;
/// The longest name of a resource that is taken, in bytes; the cluster allows less.
const RESOURCE_BYTES: usize = 4_096;

/// The pending timeout where the DLL does not know it (facts 4, the default of PendingTimeout).
const PENDING_TIMEOUT: Time = Duration::from_secs(180);
/// The bounds of a pending timeout; the lower one is the cluster's own (facts 4).
const PENDING_TIMEOUTS: [Time; 2] = [Duration::from_millis(10), Duration::from_secs(24 * 60 * 60)];
/// How long an agent has to say what it has of a resource, and to terminate one. A guess: longer than a program needs that
/// looks after itself or ends another by force.
const PATIENCE: Time = Duration::from_secs(30);
/// How many health intervals an agent has to answer a check. A guess.
const CHECK_PATIENCE: u32 = 3;
/// How long a monitor may be without its connection. The DLL tries again every 5 seconds at least.
const MONITOR_AWAY: Time = Duration::from_secs(30);
/// How often the process of a monitor without its connection is looked at. A guess: an end of a process is seen a moment after
/// that of its connections, and the resource may be online on another node some seconds later.
const MONITOR_LOOK: Time = Duration::from_secs(3);
/// How often a resource DLL hears something of the daemon at least. It takes a daemon that has left out three for one that
/// hangs. A guess: much rarer than what costs anything, and often enough for the 60 seconds that a daemon may be away.
pub const HEARTBEAT: Time = Duration::from_secs(10);
/// How long a monitor that has come back may take to tell what it has open.
const MONITOR_TELLS: Time = Duration::from_secs(10);
/// How long resources that are told to be online by a monitor, of a workload whose agent is not known since the daemon was
/// restarted, may stay without one. A guess; agents come back with pauses of some seconds.
const RESTART_GRACE: Time = Duration::from_secs(60);
/// Why a resource failed, where its agent does not say (ERROR_RESMON_ONLINE_FAILED).
pub const FAILED_CODE: u32 = 5018;
/// Why a resource failed whose private properties make no sense (ERROR_INVALID_DATA).
const INVALID_DATA: u32 = 13;

/// A connection of a resource DLL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u64);

/// A stream of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct MonitorId(u64);
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct InstanceId(u64);
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct WorkloadId(u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send to a resource DLL.
    Monitor(ChannelId, to_monitor::Message),
    /// Close a connection of a DLL: it has a newer one.
    CloseChannel(ChannelId),
    /// Send to an agent.
    Agent(AgentId, v1::attach_response::Message),
    /// End the stream of an agent, after what was sent.
    EndAgent(AgentId),
}

/// What may be under way of one resource at a time, one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Slot {
    Open,
    Terminate,
    /// Online or Offline.
    Main,
    Check,
}

const SLOTS: [Slot; 4] = [Slot::Open, Slot::Terminate, Slot::Main, Slot::Check];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The agent's next status is due.
    Call(InstanceId, Slot),
    /// The cluster is to be told that the call goes on.
    Wait(InstanceId),
    /// The next health check.
    Check(InstanceId),
    /// The lease of an agent that is gone ends.
    Lease(WorkloadId),
    /// Online resources have been without an agent for too long.
    Loss(WorkloadId),
    /// The monitor has been without a connection for too long.
    Away(MonitorId),
    /// The process of a monitor without a connection is to be looked at.
    Ended(MonitorId),
    /// The monitor has told what it has open.
    Told(MonitorId),
}

/// A call that is given, or to be given, to an agent.
#[derive(Debug)]
struct Call {
    id: Arc<str>,
    kind: v1::WorkloadCallKind,
    /// It was given to the agent that is attached now.
    is_given: bool,
    /// It was given before, to this agent or another.
    was_given: bool,
    /// How long a status may take unless it says so itself.
    patience: Time,
    /// The resource was online when the agent was asked and has had no call since, so the answer tells its health.
    judges: bool,
}

/// What the cluster asks of a resource, and what is known of its answer.
#[derive(Debug)]
struct Asked {
    number: u64,
    kind: CallKind,
    /// How long the monitor waits from status to status.
    pending_timeout: Time,
    /// When the agent said something last, or the call began.
    last_word: Time,
    /// What the agent said last.
    said: (Option<u32>, String),
    /// What could not be sent, since the monitor has no connection.
    unsent: Option<Status>,
    /// The monitor has told it since its last connection.
    is_told: bool,
}

/// A resource that is open in a monitor.
#[derive(Debug)]
struct Instance {
    monitor: MonitorId,
    number: u64,
    resource: String,
    /// The name that its agent knows it by: the resource's, until that changes; then the new one when it comes online again.
    known_as: String,
    workload: WorkloadId,
    parameters: BTreeMap<String, String>,
    /// Its work runs, as far as is known.
    is_online: bool,
    is_healthy: bool,
    /// The monitor has told it since its last connection.
    is_told: bool,
    /// Its monitor has said that a call is under way, and tells which next.
    expects_call: bool,
    /// The cluster has terminated it since its last call.
    is_terminated: bool,
    calls: BTreeMap<Slot, Call>,
    /// There as long as there is a call in [`Slot::Main`].
    asked: Option<Asked>,
    last_call: u64,
    /// The final status of the last call, until the monitor has taken it.
    answered: Option<Status>,
    last_status: Option<v1::ResourceStatus>,
}

impl Instance {
    /// Nothing of it runs or is to run, as far as is known.
    fn is_idle(&self) -> bool {
        !self.is_online && self.asked.is_none() && !self.expects_call
    }
}

/// A process with the resource DLL.
#[derive(Debug)]
struct Monitor {
    id: String,
    /// Where the system tells of its end.
    process: Option<Box<dyn Process>>,
    channel: Option<ChannelId>,
    /// The greatest number of its connections.
    connection: u64,
    instances: BTreeMap<u64, InstanceId>,
}

/// A connection whose DLL has a newer one. It changes nothing any more, but what the monitor was told is told on it only.
#[derive(Debug)]
struct Replaced {
    /// The id of the monitor.
    monitor: String,
    /// The resources that it has opened since, and their workloads: the newer connection may not have told of them yet, or
    /// never does.
    opened: BTreeMap<u64, (String, String)>,
}

/// The agent that holds a workload.
#[derive(Debug)]
struct Holder {
    registration: Registration,
    lease_id: String,
    /// Its stream; none while it is gone and the lease has not run out.
    attached: Option<AgentId>,
}

#[derive(Debug)]
struct Workload {
    /// The name in lower case.
    key: String,
    name: String,
    holder: Option<Holder>,
    standing_by: VecDeque<(AgentId, Registration)>,
    instances: BTreeSet<InstanceId>,
    ended: Ended,
}

impl Workload {
    fn attached(&self) -> Option<AgentId> {
        self.holder.as_ref()?.attached
    }
}

/// The calls that have ended lately, and whether one needs no answer.
#[derive(Debug, Default)]
struct Ended {
    order: VecDeque<Arc<str>>,
    needs_answer: HashMap<Arc<str>, bool>,
}

impl Ended {
    fn put(&mut self, id: Arc<str>, needs_answer: bool) {
        if self.needs_answer.insert(Arc::clone(&id), needs_answer).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > MOST_ENDED
            && let Some(oldest) = self.order.pop_front()
        {
            self.needs_answer.remove(&oldest);
        }
    }
}

/// The registry of workloads.
#[derive(Debug)]
pub struct Registry {
    /// Made anew at each start, so that calls of the daemon's own making have an id that no earlier one had.
    run: Uuid,
    last_id: u64,
    channels: HashMap<ChannelId, MonitorId>,
    /// Connections whose DLL has a newer one, until their end is noticed.
    replaced: HashMap<ChannelId, Replaced>,
    monitors: BTreeMap<MonitorId, Monitor>,
    instances: BTreeMap<InstanceId, Instance>,
    workloads: BTreeMap<WorkloadId, Workload>,
    by_name: BTreeMap<String, WorkloadId>,
    agents: HashMap<AgentId, WorkloadId>,
    calls: HashMap<Arc<str>, (InstanceId, Slot)>,
    timers: Timers<Timer>,
    outputs: Vec<Output>,
    is_stopping: bool,
}

impl Registry {
    /// An empty one. `run` is made anew at each start.
    pub fn new(run: Uuid) -> Self {
        Self {
            run,
            last_id: 0,
            channels: HashMap::new(),
            replaced: HashMap::new(),
            monitors: BTreeMap::new(),
            instances: BTreeMap::new(),
            workloads: BTreeMap::new(),
            by_name: BTreeMap::new(),
            agents: HashMap::new(),
            calls: HashMap::new(),
            timers: Timers::default(),
            outputs: Vec::new(),
            is_stopping: false,
        }
    }

    /// What is to be done, in order; nothing of it is given again.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// When [`tick`](Self::tick) is to be called next.
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Does what the time has come for.
    pub fn tick(&mut self, now: Time) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Call(id, slot) => self.is_overdue(now, id, slot),
                Timer::Wait(id) => self.goes_on(now, id),
                Timer::Check(id) => self.check(now, id),
                Timer::Lease(id) => self.lease_ends(now, id),
                Timer::Loss(id) => self.agent_is_lost(id),
                Timer::Away(id) => self.monitor_is_gone(now, id),
                Timer::Ended(id) => self.look_for_monitor(now, id),
                Timer::Told(id) => self.monitor_has_told(now, id),
            }
        }
    }

    /// The daemon stops: agents are sent away to come back, and nothing is decided any more but that calls wait.
    pub fn stop(&mut self, now: Time) {
        self.is_stopping = true;
        let mut agents: Vec<_> = self.agents.drain().map(|(agent, _)| agent).collect();
        agents.sort_unstable();
        for agent in agents {
            let detached = v1::Detached {
                message: "the daemon is stopping".into(),
                reattach: true,
            };
            self.tell_agent(agent, v1::attach_response::Message::Detached(detached));
            self.outputs.push(Output::EndAgent(agent));
        }
        for workload in self.workloads.values_mut() {
            workload.standing_by.clear();
            if let Some(holder) = &mut workload.holder {
                holder.attached = None;
            }
        }
        self.timers.retain(|timer| matches!(timer, Timer::Wait(_)));
        for id in self.instances.keys().copied().collect::<Vec<_>>() {
            self.hold(now, id);
        }
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn tell_agent(&mut self, agent: AgentId, message: v1::attach_response::Message) {
        self.outputs.push(Output::Agent(agent, message));
    }

    /// Tells the monitor of an instance, if it has a connection and has told of the instance on it.
    fn tell_monitor(&mut self, id: InstanceId, message: to_monitor::Message) {
        if let Some(channel) = self.channel_of(id) {
            self.outputs.push(Output::Monitor(channel, message));
        }
    }

    fn is_connected(&self, id: InstanceId) -> bool {
        self.channel_of(id).is_some()
    }

    fn channel_of(&self, id: InstanceId) -> Option<ChannelId> {
        let instance = self.instances.get(&id).filter(|instance| instance.is_told)?;
        self.monitors.get(&instance.monitor)?.channel
    }
}

/// The id of a call: the same for the same parts, and for no others.
fn call_id(parts: &[&[u8]]) -> Arc<str> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string().into()
}

/// A message for people, not too long.
fn cut(message: &str) -> &str {
    let end = message.char_indices().nth(MESSAGE_CHARACTERS);
    end.map_or(message, |(end, _)| &message[..end])
}

//! The registry, played message by message with a clock that the test sets.

mod agents;
mod health;
mod held_up;
mod monitors;
mod names;
mod play;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uuid::Uuid;
use wsfc_clusapi::sys::constants::resource_state;
use wsfc_proto::v1;
use wsfc_proto::v1::attach_response::Message as ToAgent;
use wsfc_proto::v1::{
    WorkloadCallEnd as End, WorkloadCallKind as Kind, WorkloadRejection as Rejection, WorkloadState as State,
};
use wsfc_resource_channel::to_daemon::Message as FromMonitor;
use wsfc_resource_channel::to_monitor::Message as ToMonitor;
use wsfc_resource_channel::{
    Begun, CallKind, CallState, Closed, Hello, Opened, Source, Status, Terminated, Told, VERSION,
};

use super::super::timers::Time;
use super::{AgentId, AttachError, ChannelId, FAILED_CODE, Output, Registration, Registry};
use crate::platform::Process;

const DLL: ChannelId = ChannelId(1);
const AGENT: AgentId = AgentId(1);
const OTHER: AgentId = AgentId(2);
/// The pending timeout of the tests' calls.
const PENDING: u64 = 9_000;

fn ms(milliseconds: u64) -> Time {
    Duration::from_millis(milliseconds)
}

fn registration(lease_id: &str) -> Registration {
    Registration {
        workload: "Work".into(),
        agent: "agent".into(),
        lease_id: lease_id.into(),
        new_lease_id: "lease".into(),
        lease: ms(10_000),
        stand_by: false,
        loss_grace: ms(15_000),
        health_interval: ms(1_000),
    }
}

/// A process that ends when the test says so.
#[derive(Clone, Debug, Default)]
struct Mortal(Arc<AtomicBool>);

impl Mortal {
    fn end(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Process for Mortal {
    fn has_ended(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A registry and what it has said.
struct Bench {
    registry: Registry,
    now: Time,
    said: Vec<Output>,
}

impl Bench {
    fn new() -> Self {
        Self {
            registry: Registry::new(Uuid::from_u128(1)),
            now: Time::ZERO,
            said: Vec::new(),
        }
    }

    /// One with a DLL that has resource 1 open, offline.
    fn open() -> Self {
        let mut bench = Self::new();
        bench.hello(DLL, "monitor");
        bench.opened(1, resource_state::OFFLINE, false);
        bench.said.clear();
        bench
    }

    /// The same with an agent, which knows of the resource.
    fn attached() -> Self {
        let mut bench = Self::open();
        bench.attach(AGENT, registration("")).unwrap();
        let calls = bench.calls(AGENT);
        bench.answer(AGENT, &calls[0].call_id, State::Offline);
        bench
    }

    /// The same with the resource online, as the monitor was told.
    fn online() -> Self {
        let mut bench = Self::attached();
        bench.begun(1, 1, CallKind::Online, false);
        let call = bench.calls(AGENT).remove(0);
        bench.answer(AGENT, &call.call_id, State::Online);
        bench.told(1, 1, resource_state::ONLINE, Some(0));
        bench.said.clear();
        bench
    }

    fn listen(&mut self) {
        self.said.extend(self.registry.take_outputs());
    }

    fn from(&mut self, channel: ChannelId, message: FromMonitor) -> Option<v1::ResourceStatus> {
        let told = self.registry.monitor_says(self.now, channel, message).unwrap();
        self.listen();
        told
    }

    fn hello(&mut self, channel: ChannelId, monitor: &str) {
        let hello = Hello {
            version: VERSION,
            monitor_id: monitor.into(),
            ..Hello::default()
        };
        self.from(channel, FromMonitor::Hello(hello));
    }

    fn opened(&mut self, instance: u64, native_state: i32, again: bool) {
        let opened = Opened {
            instance,
            resource: format!("Resource {instance}"),
            workload: "Work".into(),
            native_state,
            again,
            ..Opened::default()
        };
        self.from(DLL, FromMonitor::Opened(opened));
    }

    fn begun(&mut self, instance: u64, call: u64, kind: CallKind, again: bool) {
        let begun = Begun {
            instance,
            call,
            kind: kind.into(),
            pending_timeout_ms: PENDING,
            again,
            workload: "Work".into(),
            ..Begun::default()
        };
        self.from(DLL, FromMonitor::Begun(begun));
    }

    fn told(&mut self, instance: u64, call: u64, native_state: i32, exit_state: Option<i32>) -> v1::ResourceStatus {
        let told = Told {
            instance,
            call,
            native_state,
            exit_state,
            check_point: 3,
            time_ms: 1_500,
            source: Source::Agent.into(),
            ..Told::default()
        };
        self.from(DLL, FromMonitor::Told(told)).unwrap()
    }

    fn terminated(&mut self, instance: u64, call: u64) {
        self.from(DLL, FromMonitor::Terminated(Terminated { instance, call }));
    }

    fn closed(&mut self, instance: u64) {
        self.from(DLL, FromMonitor::Closed(Closed { instance }));
    }

    fn disconnect(&mut self) {
        self.registry.disconnected(self.now, DLL);
        self.listen();
    }

    fn attach(&mut self, agent: AgentId, registration: Registration) -> Result<(), AttachError> {
        let attached = self.registry.attach(self.now, agent, registration);
        self.listen();
        attached
    }

    fn gone(&mut self, agent: AgentId) {
        self.registry.agent_gone(self.now, agent);
        self.listen();
    }

    fn status(&mut self, agent: AgentId, status: v1::WorkloadStatus) {
        let message = v1::attach_request::Message::Status(status);
        self.registry.agent_says(self.now, agent, message);
        self.listen();
    }

    fn answer(&mut self, agent: AgentId, call_id: &str, state: State) {
        let status = v1::WorkloadStatus {
            call_id: call_id.into(),
            state: state.into(),
            ..v1::WorkloadStatus::default()
        };
        self.status(agent, status);
    }

    fn healthy(&mut self, agent: AgentId, resource: &str, healthy: bool) {
        let health = v1::WorkloadHealth {
            resource: resource.into(),
            healthy,
            message: "by itself".into(),
        };
        let message = v1::attach_request::Message::Health(health);
        self.registry.agent_says(self.now, agent, message);
        self.listen();
    }

    /// Lets time pass, each thing at its time.
    fn pass(&mut self, time: Time) {
        let until = self.now + time;
        while let Some(next) = self.registry.next_deadline().filter(|next| *next <= until) {
            assert!(next >= self.now, "a deadline was passed over");
            self.now = next;
            self.registry.tick(next);
            self.listen();
        }
        self.now = until;
        self.registry.tick(until);
        self.listen();
    }

    /// What an agent was sent, all of it.
    fn sent(&mut self, agent: AgentId) -> Vec<ToAgent> {
        let mut taken = Vec::new();
        self.said.retain(|output| match output {
            Output::Agent(to, message) if *to == agent => {
                taken.push(message.clone());
                false
            }
            _ => true,
        });
        taken
    }

    /// The calls among what an agent was sent; the rest is gone.
    fn calls(&mut self, agent: AgentId) -> Vec<v1::WorkloadCall> {
        let call = |message| match message {
            ToAgent::Call(call) => Some(call),
            _ => None,
        };
        self.sent(agent).into_iter().filter_map(call).collect()
    }

    /// Kind and resumption of the calls that an agent was given.
    fn kinds(&mut self, agent: AgentId) -> Vec<(Kind, bool)> {
        let calls = self.calls(agent);
        calls.iter().map(|call| (call.kind(), call.resumed)).collect()
    }

    /// The only message that an agent was sent must be a rejection.
    fn rejection(&mut self, agent: AgentId) -> Rejection {
        match self.sent(agent).as_slice() {
            [ToAgent::Rejected(rejected)] => rejected.reason(),
            said => panic!("{said:?}"),
        }
    }

    /// The ends of calls that an agent was told.
    fn ends(&mut self, agent: AgentId) -> Vec<(String, End)> {
        let end = |message| match message {
            ToAgent::Ended(ended) => Some((ended.call_id.clone(), ended.reason())),
            _ => None,
        };
        self.sent(agent).into_iter().filter_map(end).collect()
    }

    /// The statuses that a DLL was sent.
    fn statuses(&mut self, channel: ChannelId) -> Vec<Status> {
        let mut taken = Vec::new();
        self.said.retain(|output| match output {
            Output::Monitor(to, ToMonitor::Status(status)) if *to == channel => {
                taken.push(status.clone());
                false
            }
            _ => true,
        });
        taken
    }

    fn states(&mut self, channel: ChannelId) -> Vec<(CallState, Source)> {
        let statuses = self.statuses(channel);
        statuses
            .iter()
            .map(|status| (status.state(), status.source()))
            .collect()
    }

    /// The health that the DLL was sent.
    fn healths(&mut self) -> Vec<(u64, bool)> {
        let mut taken = Vec::new();
        self.said.retain(|output| match output {
            Output::Monitor(_, ToMonitor::Health(health)) => {
                taken.push((health.instance, health.healthy));
                false
            }
            _ => true,
        });
        taken
    }

    fn view(&self) -> Vec<v1::Workload> {
        self.registry.workloads(None, |time| prost_types::Timestamp {
            seconds: time.as_secs().cast_signed(),
            nanos: 0,
        })
    }
}

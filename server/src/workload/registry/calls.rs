//! Calls: how they are given, answered, waited for and ended; and the health of what is online.

use std::sync::Arc;
use std::time::Duration;

use wsfc_proto::v1;
use wsfc_resource_channel::{CallKind, CallState, Health, Source, Status, to_monitor};

use super::super::timers::Time;
use super::monitors::wire_duration;
use super::{
    AgentId, Asked, CHECK_PATIENCE, Call, FAILED_CODE, InstanceId, Registry, SLOTS, Slot, Timer, WorkloadId, cut,
};

/// How long an agent may ask for until its next status.
const LONGEST_WAIT: Time = Duration::from_secs(24 * 60 * 60);

/// What a status says, read.
struct Said {
    state: v1::WorkloadState,
    percent: Option<u32>,
    message: String,
    wait_hint: Option<Time>,
    win32_code: u32,
}

/// Why a message of an agent is not taken, and the same for people.
type Rejection = (v1::WorkloadRejection, &'static str);

impl Registry {
    /// Puts a call into its slot, which must be empty. It is given by [`give`](Self::give).
    pub(super) fn begin(
        &mut self,
        id: InstanceId,
        slot: Slot,
        kind: v1::WorkloadCallKind,
        call: Arc<str>,
        patience: Time,
        was_given: bool,
    ) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        self.calls.insert(Arc::clone(&call), (id, slot));
        let judges = instance.is_online && instance.asked.is_none();
        instance.calls.insert(
            slot,
            Call {
                id: call,
                kind,
                is_given: false,
                was_given,
                patience,
                judges,
            },
        );
    }

    /// Gives a call to the agent that is attached; without one, or while the resource is still to be terminated, the cluster
    /// is told that it waits.
    pub(super) fn give(&mut self, now: Time, id: InstanceId, slot: Slot) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let workload = self.workloads.get(&instance.workload);
        let is_blocked = slot == Slot::Main && instance.calls.contains_key(&Slot::Terminate);
        let agent = workload.and_then(super::Workload::attached).filter(|_| !is_blocked);
        let Some(agent) = agent else {
            if slot == Slot::Main {
                self.hold(now, id);
            }
            return;
        };
        let starts = |call: &Call| call.kind == v1::WorkloadCallKind::Online && !call.was_given;
        if slot == Slot::Main && instance.known_as != instance.resource && instance.calls.get(&slot).is_some_and(starts)
        {
            self.take_name(now, id);
        }
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let workload = self.workloads.get(&instance.workload);
        let judges = instance.is_online && instance.asked.is_none();
        let Some(call) = instance.calls.get_mut(&slot) else {
            return;
        };
        call.judges = judges;
        let given = v1::WorkloadCall {
            call_id: call.id.as_ref().into(),
            kind: call.kind.into(),
            resource: instance.known_as.clone(),
            workload: workload.map_or_else(String::new, |workload| workload.name.clone()),
            parameters: instance.parameters.clone().into_iter().collect(),
            timeout: Some(wire_duration(call.patience)),
            resumed: call.was_given,
        };
        (call.is_given, call.was_given) = (true, true);
        let due = now + call.patience;
        self.timers.set(Timer::Call(id, slot), due);
        if slot == Slot::Main {
            self.timers.clear(Timer::Wait(id));
        }
        self.tell_agent(agent, v1::attach_response::Message::Call(given));
    }

    /// Lets the call of the cluster wait, and says so.
    pub(super) fn hold(&mut self, now: Time, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let Some(call) = instance.calls.get_mut(&Slot::Main) else {
            return;
        };
        call.is_given = false;
        self.timers.clear(Timer::Call(id, Slot::Main));
        self.goes_on(now, id);
    }

    /// Tells the cluster that its call goes on, and when to do so again; or that it has failed, when it has waited too long.
    pub(super) fn goes_on(&mut self, now: Time, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let (Some(asked), Some(call)) = (&instance.asked, instance.calls.get(&Slot::Main)) else {
            return;
        };
        let limit = asked.last_word
            + match asked.kind {
                CallKind::Offline => asked.pending_timeout,
                CallKind::Online | CallKind::Unspecified => 2 * asked.pending_timeout,
            };
        let mut again = now + asked.pending_timeout / 3;
        let is_terminating = instance.calls.get(&Slot::Terminate).is_some_and(|call| call.is_given);
        let (text, percent) = if call.is_given {
            let said = if asked.said.1.is_empty() {
                String::from("the agent asked for more time")
            } else {
                asked.said.1.clone()
            };
            (said, asked.said.0)
        } else if is_terminating {
            ("waiting for the end of what ran before".into(), None)
        } else {
            ("waiting for an agent".into(), None)
        };
        if !call.is_given {
            if now >= limit && !self.is_stopping {
                let why = if is_terminating {
                    "what ran before has not ended in time"
                } else {
                    "no agent has attached in time"
                };
                self.fail(now, id, why);
                return;
            }
            if now < limit {
                again = again.min(limit);
            }
        }
        self.timers.set(Timer::Wait(id), again);
        let status = Status {
            state: CallState::Pending.into(),
            percent,
            message: text,
            source: Source::Daemon.into(),
            ..Status::default()
        };
        self.tell_status(id, status);
    }

    /// Fails the call of the cluster, in the name of the daemon.
    fn fail(&mut self, now: Time, id: InstanceId, message: &str) {
        let status = Status {
            state: CallState::Failed.into(),
            message: message.into(),
            source: Source::Daemon.into(),
            win32_code: FAILED_CODE,
            ..Status::default()
        };
        self.tell_status(id, status);
        self.end_call(now, id, Slot::Main, Some(v1::WorkloadCallEnd::Timeout));
    }

    /// Tells the monitor a status of the call that is under way, now or when it has come back.
    fn tell_status(&mut self, id: InstanceId, mut status: Status) {
        let is_connected = self.is_connected(id);
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let Some(asked) = &mut instance.asked else { return };
        (status.instance, status.call) = (instance.number, asked.number);
        let is_final = status.state != i32::from(CallState::Pending);
        if is_final {
            instance.answered = Some(status.clone());
        }
        // A monitor that has come back and has not told the call again may have ended it.
        if asked.is_told && is_connected {
            self.tell_monitor(id, to_monitor::Message::Status(status));
        } else if !is_final {
            asked.unsent = Some(status);
        }
    }

    /// No status of a call has come in time.
    pub(super) fn is_overdue(&mut self, now: Time, id: InstanceId, slot: Slot) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let judges = instance.calls.get(&slot).is_some_and(|call| call.judges);
        match slot {
            Slot::Main => self.fail(now, id, "the agent has said nothing in time"),
            Slot::Terminate => self.end_call(now, id, slot, Some(v1::WorkloadCallEnd::Timeout)),
            Slot::Open | Slot::Check => {
                self.end_call(now, id, slot, Some(v1::WorkloadCallEnd::Timeout));
                if judges {
                    self.set_health(id, false, "the agent does not answer");
                }
                self.schedule_check(now, id);
            }
        }
    }

    /// Ends a call, if it is under way. With a reason the agent is told, if it was given the call.
    pub(super) fn end_call(&mut self, now: Time, id: InstanceId, slot: Slot, reason: Option<v1::WorkloadCallEnd>) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        let Some(call) = instance.calls.remove(&slot) else {
            return;
        };
        if slot == Slot::Main {
            instance.asked = None;
            self.timers.clear(Timer::Wait(id));
        }
        self.timers.clear(Timer::Call(id, slot));
        self.calls.remove(&call.id);
        if let Some(workload) = self.workloads.get_mut(&instance.workload) {
            let agent = workload.attached().filter(|_| call.is_given);
            let needs_answer = call.kind != v1::WorkloadCallKind::Close;
            workload.ended.put(Arc::clone(&call.id), needs_answer);
            if let (Some(agent), Some(reason)) = (agent, reason) {
                let ended = v1::WorkloadCallEnded {
                    call_id: call.id.as_ref().into(),
                    reason: reason.into(),
                };
                self.tell_agent(agent, v1::attach_response::Message::Ended(ended));
            }
        }
        if slot == Slot::Terminate {
            self.give(now, id, Slot::Main);
        }
    }

    /// Gives what is under way to an agent that has just attached.
    pub(super) fn give_all(&mut self, now: Time, workload: WorkloadId, is_new: bool) {
        let Some(it) = self.workloads.get(&workload) else {
            return;
        };
        for id in it.instances.iter().copied().collect::<Vec<_>>() {
            if is_new {
                self.ask_open(now, id, false);
            }
            for slot in SLOTS {
                let is_open = self
                    .instances
                    .get(&id)
                    .and_then(|instance| instance.calls.get(&slot))
                    .is_some_and(|call| !call.is_given);
                if is_open {
                    self.give(now, id, slot);
                }
            }
            self.schedule_check(now, id);
        }
    }

    /// Takes calls back from an agent that is gone. They wait for the next one.
    pub(super) fn take_back_all(&mut self, now: Time, workload: WorkloadId) {
        let Some(it) = self.workloads.get(&workload) else {
            return;
        };
        for id in it.instances.iter().copied().collect::<Vec<_>>() {
            self.end_call(now, id, Slot::Check, None);
            self.timers.clear(Timer::Check(id));
            for slot in [Slot::Open, Slot::Terminate] {
                self.timers.clear(Timer::Call(id, slot));
            }
            if let Some(instance) = self.instances.get_mut(&id) {
                let main = instance.calls.get(&Slot::Main);
                if let Some(asked) = instance
                    .asked
                    .as_mut()
                    .filter(|_| main.is_some_and(|call| call.is_given))
                {
                    // The agent may have asked for a long time, which it has not used up: the wait for it begins now.
                    asked.last_word = now;
                }
                instance.calls.values_mut().for_each(|call| call.is_given = false);
            }
            self.hold(now, id);
        }
    }

    /// Takes a status of an agent.
    pub(super) fn status(&mut self, now: Time, agent: AgentId, status: v1::WorkloadStatus) {
        let call_id = status.call_id.clone();
        if let Err((reason, message)) = self.take_status(now, agent, status) {
            self.reject(agent, call_id, reason, message);
        }
    }

    pub(super) fn reject(&mut self, agent: AgentId, call_id: String, reason: v1::WorkloadRejection, message: &str) {
        let rejected = v1::WorkloadRejected {
            call_id: call_id.chars().take(super::NAME_CHARACTERS).collect(),
            reason: reason.into(),
            message: message.into(),
        };
        self.tell_agent(agent, v1::attach_response::Message::Rejected(rejected));
    }

    fn take_status(&mut self, now: Time, agent: AgentId, status: v1::WorkloadStatus) -> Result<(), Rejection> {
        use v1::WorkloadRejection as Reason;
        let unknown = (Reason::UnknownCall, "there is no such call of this agent");
        let workload_id = self.agents.get(&agent).ok_or(unknown)?;
        let workload = self.workloads.get(workload_id).ok_or(unknown)?;
        if workload.attached() != Some(agent) {
            return Err((Reason::UnknownCall, "another agent holds the workload"));
        }
        let Some((id, slot)) = self.calls.get(status.call_id.as_str()).copied() else {
            return match workload.ended.needs_answer.get(status.call_id.as_str()) {
                None => Err(unknown),
                Some(false) => Ok(()),
                Some(true) => Err((Reason::CallEnded, "the call has ended")),
            };
        };
        let instance = self.instances.get_mut(&id).ok_or(unknown)?;
        let call = instance.calls.get(&slot).ok_or(unknown)?;
        if instance.workload != *workload_id || !call.is_given {
            return Err(unknown);
        }
        let said = read(status)?;
        if !fits(call.kind, said.state) {
            return Err((Reason::WrongState, "the call cannot have this state"));
        }
        let is_pending = said.state == v1::WorkloadState::Pending;
        let due = now + said.wait_hint.unwrap_or(call.patience);
        match slot {
            _ if is_pending && slot != Slot::Main => self.timers.set(Timer::Call(id, slot), due),
            Slot::Main => self.main_says(now, id, said, due),
            Slot::Terminate => self.end_call(now, id, slot, None),
            Slot::Open | Slot::Check => {
                let judges = call.judges;
                let is_idle = instance.is_idle();
                self.end_call(now, id, slot, None);
                match said.state {
                    // A termination was lost, or the agent was not there for it.
                    v1::WorkloadState::Online if is_idle => self.terminate(now, id),
                    _ if !judges => {}
                    v1::WorkloadState::Online => self.set_health(id, true, &said.message),
                    _ if said.message.is_empty() => self.set_health(id, false, "the work does not run"),
                    _ => self.set_health(id, false, &said.message),
                }
                self.schedule_check(now, id);
            }
        }
        Ok(())
    }

    /// The agent has said how the cluster's call goes.
    fn main_says(&mut self, now: Time, id: InstanceId, said: Said, due: Time) {
        let state = match said.state {
            v1::WorkloadState::Online => CallState::Online,
            v1::WorkloadState::Offline => CallState::Offline,
            v1::WorkloadState::Failed => CallState::Failed,
            v1::WorkloadState::Pending | v1::WorkloadState::Unspecified => CallState::Pending,
        };
        let wait_hint = said.wait_hint.unwrap_or_default();
        let status = Status {
            state: state.into(),
            wait_hint_ms: u64::try_from(wait_hint.as_millis()).unwrap_or(u64::MAX),
            percent: said.percent,
            message: said.message.clone(),
            source: Source::Agent.into(),
            win32_code: said.win32_code,
            ..Status::default()
        };
        self.tell_status(id, status);
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if state == CallState::Pending {
            let Some(Asked {
                last_word,
                said: words,
                pending_timeout,
                ..
            }) = &mut instance.asked
            else {
                return;
            };
            (*last_word, *words) = (now, (said.percent, said.message));
            self.timers.set(Timer::Call(id, Slot::Main), due);
            // The monitor does not regard hints (facts 5.2), so it is told again meanwhile.
            if wait_hint > *pending_timeout {
                self.timers.set(Timer::Wait(id), now + *pending_timeout / 3);
            } else {
                self.timers.clear(Timer::Wait(id));
            }
            return;
        }
        instance.is_online = state == CallState::Online;
        self.end_call(now, id, Slot::Main, None);
        self.schedule_check(now, id);
    }

    /// Takes the health that an agent tells by itself.
    pub(super) fn health(&mut self, agent: AgentId, health: &v1::WorkloadHealth) {
        let not_online = v1::WorkloadRejection::NotOnline;
        let workload = self.agents.get(&agent).and_then(|id| self.workloads.get(id));
        let Some(workload) = workload.filter(|workload| workload.attached() == Some(agent)) else {
            self.reject(agent, String::new(), not_online, "another agent holds the workload");
            return;
        };
        let wanted = crate::journal::caseless(&health.resource);
        let is_meant = |id: &InstanceId| {
            self.instances.get(id).is_some_and(|instance| {
                instance.is_online && (wanted.is_empty() || crate::journal::caseless(&instance.known_as) == wanted)
            })
        };
        let meant: Vec<_> = workload.instances.iter().copied().filter(is_meant).collect();
        if meant.is_empty() && !wanted.is_empty() {
            let message = "no such resource of the workload is online";
            self.reject(agent, String::new(), not_online, message);
        }
        for id in meant {
            self.set_health(id, health.healthy, &health.message);
        }
    }

    /// Tells the monitor the health of a resource, when it has changed.
    pub(super) fn set_health(&mut self, id: InstanceId, healthy: bool, message: &str) {
        let Some(instance) = self.instances.get_mut(&id).filter(|instance| instance.is_online) else {
            return;
        };
        if instance.is_healthy != healthy {
            instance.is_healthy = healthy;
            let health = Health {
                instance: instance.number,
                healthy,
                message: cut(message).into(),
            };
            self.tell_monitor(id, to_monitor::Message::Health(health));
        }
    }

    /// Sets the time of the next health check, where there is to be one.
    pub(super) fn schedule_check(&mut self, now: Time, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let workload = self.workloads.get(&instance.workload);
        let holder = workload.and_then(|workload| workload.holder.as_ref());
        let interval = holder
            .filter(|holder| holder.attached.is_some())
            .map_or(Time::ZERO, |holder| holder.registration.health_interval);
        let is_due = instance.is_online && instance.asked.is_none() && !instance.calls.contains_key(&Slot::Check);
        if !is_due || interval.is_zero() || self.is_stopping {
            self.timers.clear(Timer::Check(id));
        } else if self.timers.get(Timer::Check(id)).is_none() {
            self.timers.set(Timer::Check(id), now + interval);
        }
    }

    /// Asks the agent whether the work runs.
    pub(super) fn check(&mut self, now: Time, id: InstanceId) {
        let interval = self.instances.get(&id).and_then(|instance| {
            let workload = self.workloads.get(&instance.workload)?;
            Some(workload.holder.as_ref()?.registration.health_interval)
        });
        let Some(interval) = interval else { return };
        let call = self.own_call_id();
        let kind = v1::WorkloadCallKind::CheckHealth;
        self.begin(id, Slot::Check, kind, call, interval * CHECK_PATIENCE, false);
        self.give(now, id, Slot::Check);
    }
}

/// Whether a call can have a state.
fn fits(kind: v1::WorkloadCallKind, state: v1::WorkloadState) -> bool {
    use v1::WorkloadCallKind as Kind;
    use v1::WorkloadState as State;
    match state {
        State::Unspecified => false,
        State::Pending | State::Failed => true,
        State::Online => matches!(kind, Kind::Open | Kind::Online | Kind::CheckHealth),
        State::Offline => matches!(kind, Kind::Open | Kind::Offline | Kind::Terminate),
    }
}

/// Reads a status.
fn read(status: v1::WorkloadStatus) -> Result<Said, Rejection> {
    use v1::WorkloadRejection as Reason;
    let state = v1::WorkloadState::try_from(status.state);
    let state = state.map_err(|_unknown| (Reason::WrongState, "there is no such state"))?;
    if status.percent.is_some_and(|percent| percent > 100) {
        return Err((Reason::InvalidField, "percent is more than 100"));
    }
    if status.win32_code != 0 && state != v1::WorkloadState::Failed {
        return Err((Reason::InvalidField, "win32_code is only for FAILED"));
    }
    let read_hint = |hint| Time::try_from(hint).ok();
    let wait_hint = match status.wait_hint.map(read_hint) {
        None => None,
        Some(Some(hint)) if !hint.is_zero() && hint <= LONGEST_WAIT => Some(hint),
        Some(_) => return Err((Reason::InvalidField, "wait_hint is not between 0 and 24 hours")),
    };
    Ok(Said {
        state,
        percent: status.percent,
        message: cut(&status.message).into(),
        wait_hint: wait_hint.filter(|_| state == v1::WorkloadState::Pending),
        win32_code: match (state, status.win32_code) {
            (v1::WorkloadState::Failed, 0) => FAILED_CODE,
            (_, code) => code,
        },
    })
}

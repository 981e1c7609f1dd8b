//! What the resource DLLs say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wsfc_clusapi::sys::constants::resource_state;
use wsfc_proto::v1;
use wsfc_resource_channel::{
    Begun, CallKind, CallState, Closed, Health, Hello, Opened, Source, Status, VERSION, Welcome, to_daemon, to_monitor,
};

use super::super::timers::Time;
use super::{
    Asked, ChannelId, HEARTBEAT, INVALID_DATA, Instance, InstanceId, MONITOR_AWAY, MONITOR_LOOK, MONITOR_TELLS,
    MOST_INSTANCES, Monitor, MonitorId, NAME_CHARACTERS, Output, PATIENCE, PENDING_TIMEOUT, PENDING_TIMEOUTS,
    RESOURCE_BYTES, RESTART_GRACE, Registry, Replaced, Slot, Timer, Workload, WorkloadId, call_id, cut,
};
use crate::journal::caseless;
use crate::platform::Process;

/// What is said on a channel cannot be understood; it is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// The first message must be `Hello`.
    #[error("something was said before the greeting")]
    NoHello,
    /// And no other may be.
    #[error("a second greeting was said")]
    SecondHello,
    /// The DLL has no name.
    #[error("the greeting names no monitor")]
    Nameless,
    /// The DLL is of a release that this daemon could misunderstand.
    #[error("the resource DLL of release {release:?} speaks version {version}, and this daemon {VERSION}")]
    Version {
        /// Its version.
        version: u32,
        /// Its release.
        release: String,
    },
}

impl Registry {
    /// Takes a message of a DLL. A status that the Resource Monitor was told is given back, for the journal; who the resource
    /// is in its cluster is not known here.
    ///
    /// # Errors
    ///
    /// [`Garbage`]: the channel is to be closed.
    pub fn monitor_says(
        &mut self,
        now: Time,
        channel: ChannelId,
        message: to_daemon::Message,
    ) -> Result<Option<v1::ResourceStatus>, Garbage> {
        use to_daemon::Message;
        if self.replaced.contains_key(&channel) {
            return Ok(self.late(channel, message));
        }
        let monitor = match (self.channels.get(&channel).copied(), message) {
            (None, Message::Hello(hello)) => return self.hello(now, channel, hello).map(|()| None),
            (None, _) => return Err(Garbage::NoHello),
            (Some(_), Message::Hello(_)) => return Err(Garbage::SecondHello),
            (Some(monitor), Message::Told(told)) => return Ok(self.told(now, monitor, told)),
            (Some(monitor), message) => (monitor, message),
        };
        match monitor {
            (monitor, Message::Opened(opened)) => self.opened(now, monitor, opened),
            (monitor, Message::Begun(begun)) => self.begun(now, channel, monitor, begun),
            (monitor, Message::Terminated(terminated)) => self.terminated(now, monitor, terminated),
            (monitor, Message::Closed(Closed { instance })) => {
                if let Some(id) = self.instance(monitor, instance) {
                    self.close(now, id, true);
                }
            }
            (_, Message::Hello(_) | Message::Told(_)) => {}
        }
        Ok(None)
    }

    /// A connection of a DLL has ended.
    pub fn disconnected(&mut self, now: Time, channel: ChannelId) {
        self.replaced.remove(&channel);
        let Some(id) = self.channels.remove(&channel) else {
            return;
        };
        if let Some(monitor) = self.monitors.get_mut(&id)
            && monitor.channel == Some(channel)
        {
            monitor.channel = None;
            self.timers.clear(Timer::Told(id));
            if !self.is_stopping {
                self.timers.set(Timer::Away(id), now + MONITOR_AWAY);
                if monitor.process.is_some() {
                    self.timers.set(Timer::Ended(id), now + MONITOR_LOOK);
                }
            }
        }
    }

    /// Keeps an eye on the process of the DLL that has greeted on a channel.
    pub fn watch(&mut self, channel: ChannelId, process: Option<Box<dyn Process>>) {
        let monitor = self.channels.get(&channel).and_then(|id| self.monitors.get_mut(id));
        if let Some(monitor) = monitor {
            monitor.process = process;
        }
    }

    /// A monitor has no connection: it will not have one again when its process has ended.
    pub(super) fn look_for_monitor(&mut self, now: Time, id: MonitorId) {
        let process = self.monitors.get(&id).and_then(|monitor| monitor.process.as_ref());
        if process.is_some_and(|process| process.has_ended()) {
            self.monitor_is_gone(now, id);
        } else {
            self.timers.set(Timer::Ended(id), now + MONITOR_LOOK);
        }
    }

    fn hello(&mut self, now: Time, channel: ChannelId, hello: Hello) -> Result<(), Garbage> {
        if hello.version != VERSION {
            return Err(Garbage::Version {
                version: hello.version,
                release: cut(&hello.release).into(),
            });
        }
        if hello.monitor_id.is_empty() {
            return Err(Garbage::Nameless);
        }
        let known = self.monitors.iter().find(|(_, monitor)| monitor.id == hello.monitor_id);
        let id = match known {
            // Both had greeted before either was read.
            Some((_, monitor)) if monitor.channel.is_some() && monitor.connection > hello.connection => {
                self.replace(channel, hello.monitor_id);
                return Ok(());
            }
            Some((id, _)) => *id,
            None => MonitorId(self.new_id()),
        };
        let monitor = self.monitors.entry(id).or_insert_with(|| Monitor {
            id: hello.monitor_id,
            process: None,
            channel: None,
            connection: 0,
            instances: BTreeMap::new(),
        });
        monitor.connection = hello.connection;
        let former = monitor
            .channel
            .replace(channel)
            .map(|former| (former, monitor.id.clone()));
        for id in monitor.instances.values() {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.is_told = false;
                if let Some(asked) = &mut instance.asked {
                    asked.is_told = false;
                }
            }
        }
        if let Some((former, monitor)) = former {
            // The end of the former one has not been noticed yet.
            self.channels.remove(&former);
            self.replace(former, monitor);
        }
        self.channels.insert(channel, id);
        self.timers.clear(Timer::Away(id));
        self.timers.clear(Timer::Ended(id));
        if !self.is_stopping {
            self.timers.set(Timer::Told(id), now + MONITOR_TELLS);
        }
        let welcome = Welcome {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").into(),
            heartbeat_ms: u64::try_from(HEARTBEAT.as_millis()).unwrap_or(0),
        };
        self.outputs
            .push(Output::Monitor(channel, to_monitor::Message::Welcome(welcome)));
        Ok(())
    }

    /// The DLL has a newer connection than this one.
    fn replace(&mut self, channel: ChannelId, monitor: String) {
        let opened = BTreeMap::new();
        self.replaced.insert(channel, Replaced { monitor, opened });
        self.outputs.push(Output::CloseChannel(channel));
    }

    /// Takes what is still on its way on a connection that has been replaced. What is so is told again on the newer one, and
    /// must not be taken from the older; what the Resource Monitor was told is not, so it is given back for the journal.
    fn late(&mut self, channel: ChannelId, message: to_daemon::Message) -> Option<v1::ResourceStatus> {
        match message {
            to_daemon::Message::Opened(opened) => {
                let replaced = self.replaced.get_mut(&channel)?;
                if makes_sense(&opened) && replaced.opened.len() < MOST_INSTANCES {
                    let names = (opened.resource, workload_name(&opened.workload).to_owned());
                    replaced.opened.insert(opened.instance, names);
                }
                None
            }
            to_daemon::Message::Told(told) => self.told_late(self.replaced.get(&channel)?, told),
            _ => None,
        }
    }

    /// What a monitor that has come back does not have any more is gone.
    pub(super) fn monitor_has_told(&mut self, now: Time, monitor: MonitorId) {
        for id in self.of_monitor(monitor) {
            let Some(instance) = self.instances.get(&id) else {
                continue;
            };
            if !instance.is_told {
                self.close(now, id, true);
            } else if instance.asked.as_ref().is_some_and(|asked| !asked.is_told) {
                self.end_call(now, id, Slot::Main, Some(v1::WorkloadCallEnd::Gone));
            }
        }
        self.forget_monitor(monitor);
    }

    pub(super) fn monitor_is_gone(&mut self, now: Time, monitor: MonitorId) {
        for id in self.of_monitor(monitor) {
            self.close(now, id, true);
        }
        self.forget_monitor(monitor);
    }

    fn forget_monitor(&mut self, id: MonitorId) {
        let is_idle = |monitor: &Monitor| monitor.channel.is_none() && monitor.instances.is_empty();
        if self.monitors.get(&id).is_some_and(is_idle) {
            self.monitors.remove(&id);
            self.timers.clear(Timer::Away(id));
            self.timers.clear(Timer::Ended(id));
            self.timers.clear(Timer::Told(id));
        }
    }

    fn of_monitor(&self, id: MonitorId) -> Vec<InstanceId> {
        let monitor = self.monitors.get(&id);
        monitor.map_or_else(Vec::new, |monitor| monitor.instances.values().copied().collect())
    }

    pub(super) fn instance(&self, monitor: MonitorId, number: u64) -> Option<InstanceId> {
        self.monitors.get(&monitor)?.instances.get(&number).copied()
    }

    fn opened(&mut self, now: Time, monitor: MonitorId, opened: Opened) {
        let is_online = opened.native_state == resource_state::ONLINE;
        let known = self.instance(monitor, opened.instance);
        let makes_sense = makes_sense(&opened);
        let expects_call = matches!(
            opened.native_state,
            resource_state::PENDING | resource_state::ONLINE_PENDING | resource_state::OFFLINE_PENDING
        );
        if let Some(id) = known.filter(|_| opened.again) {
            self.rejoin(now, id, &opened.workload, |instance| {
                if makes_sense {
                    instance.resource = opened.resource;
                }
            });
            let Some(instance) = self.instances.get_mut(&id) else {
                return;
            };
            instance.is_told = true;
            instance.expects_call = expects_call;
            instance.parameters = opened.parameters;
            instance.is_online = is_online || (instance.is_online && instance.answered.is_some());
            if is_online {
                let health = Health {
                    instance: opened.instance,
                    healthy: instance.is_healthy,
                    message: String::new(),
                };
                self.tell_monitor(id, to_monitor::Message::Health(health));
            }
            return;
        }
        if let Some(id) = known {
            self.close(now, id, false);
        }
        if self.instances.len() >= MOST_INSTANCES || !makes_sense {
            tracing::warn!(
                resource = cut(&opened.resource),
                open = self.instances.len(),
                "A resource is not taken: its name makes no sense, or there are too many"
            );
            return;
        }
        let id = InstanceId(self.new_id());
        let workload = self.workload(&opened.workload);
        let is_renamed = !opened.online_as.is_empty() && opened.online_as.len() <= RESOURCE_BYTES;
        let instance = Instance {
            monitor,
            number: opened.instance,
            known_as: if is_renamed {
                opened.online_as
            } else {
                opened.resource.clone()
            },
            resource: opened.resource,
            workload,
            parameters: opened.parameters,
            is_online,
            is_healthy: true,
            is_told: true,
            expects_call,
            is_terminated: false,
            calls: BTreeMap::new(),
            asked: None,
            last_call: 0,
            answered: None,
            last_status: None,
        };
        self.instances.insert(id, instance);
        if let Some(monitor) = self.monitors.get_mut(&monitor) {
            monitor.instances.insert(opened.instance, id);
        }
        self.join(now, id, opened.again);
    }

    /// The workload of a name, made where there is none.
    pub(super) fn workload(&mut self, name: &str) -> WorkloadId {
        let name = workload_name(name);
        let key = caseless(name);
        if let Some(id) = self.by_name.get(&key) {
            return *id;
        }
        let id = WorkloadId(self.new_id());
        self.by_name.insert(key.clone(), id);
        self.workloads.insert(
            id,
            Workload {
                key,
                name: name.into(),
                holder: None,
                standing_by: Default::default(),
                instances: Default::default(),
                ended: Default::default(),
            },
        );
        id
    }

    /// Takes an instance into its workload, and asks the agent what it has of it.
    fn join(&mut self, now: Time, id: InstanceId, again: bool) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let (workload_id, is_online) = (instance.workload, instance.is_online);
        let Some(workload) = self.workloads.get_mut(&workload_id) else {
            return;
        };
        workload.instances.insert(id);
        let has_no_agent = workload.attached().is_none();
        self.ask_open(now, id, again);
        if is_online && has_no_agent && !self.is_stopping && self.timers.get(Timer::Loss(workload_id)).is_none() {
            self.timers.set(Timer::Loss(workload_id), now + RESTART_GRACE);
        }
        self.schedule_check(now, id);
    }

    /// Begins the call that says that a resource exists, unless it is under way.
    pub(super) fn ask_open(&mut self, now: Time, id: InstanceId, again: bool) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let monitor = self.monitors.get(&instance.monitor);
        let name = monitor.map_or("", |monitor| &monitor.id);
        let call = call_id(&[
            name.as_bytes(),
            &instance.number.to_be_bytes(),
            b"open",
            instance.known_as.as_bytes(),
        ]);
        if !instance.calls.contains_key(&Slot::Open) {
            self.begin(id, Slot::Open, v1::WorkloadCallKind::Open, call, PATIENCE, again);
        }
        self.give(now, id, Slot::Open);
    }

    /// Changes an instance, and moves it to another workload, if it has another one now; its former agent knows it as it was.
    fn rejoin(&mut self, now: Time, id: InstanceId, name: &str, change: impl FnOnce(&mut Instance)) {
        let workload = self.workload(name);
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if instance.workload == workload {
            change(instance);
            return;
        }
        self.leave(now, id, true);
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.workload = workload;
            change(instance);
        }
        self.join(now, id, false);
    }

    /// Lets the agent know an instance by the name that the resource has now. What the agent has of the former one has ended,
    /// or is to.
    pub(super) fn take_name(&mut self, now: Time, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let is_another = caseless(&instance.known_as) != caseless(&instance.resource);
        if is_another {
            self.end_call(now, id, Slot::Open, Some(v1::WorkloadCallEnd::Gone));
            if self.others(id).is_empty() {
                self.tell_closed(now, id);
            }
        }
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.known_as.clone_from(&instance.resource);
        }
        if is_another {
            self.ask_open(now, id, false);
        }
    }

    /// Tells the agent that it has nothing of an instance any more, whose call of [`Slot::Open`] has ended.
    fn tell_closed(&mut self, now: Time, id: InstanceId) {
        let call = self.own_call_id();
        self.begin(id, Slot::Open, v1::WorkloadCallKind::Close, call, PATIENCE, false);
        self.give(now, id, Slot::Open);
        self.end_call(now, id, Slot::Open, None);
    }

    /// Ends all that is under way of an instance, and tells the agent that it is gone.
    fn leave(&mut self, now: Time, id: InstanceId, tell: bool) {
        let is_at_work = |instance: &Instance| {
            instance.is_online || instance.asked.is_some() || instance.calls.contains_key(&Slot::Terminate)
        };
        let was_at_work = self.instances.get(&id).is_some_and(is_at_work);
        for slot in [Slot::Open, Slot::Check, Slot::Main] {
            self.end_call(now, id, slot, Some(v1::WorkloadCallEnd::Gone));
        }
        self.timers.clear(Timer::Check(id));
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let workload_id = instance.workload;
        // The agent ends the work all the same, and its answer is only not waited for.
        let terminate = instance.calls.get(&Slot::Terminate).map(|call| Arc::clone(&call.id));
        self.end_call(now, id, Slot::Terminate, None);
        if let (Some(terminate), Some(workload)) = (terminate, self.workloads.get_mut(&workload_id)) {
            workload.ended.put(terminate, false);
        }
        let workload = self.workloads.get(&workload_id);
        let has_agent = workload.is_some_and(|workload| workload.attached().is_some());
        let others = self.others(id);
        let is_idle = |other: &InstanceId| self.instances.get(other).is_some_and(Instance::is_idle);
        match others.first() {
            None if tell && has_agent => self.tell_closed(now, id),
            // Whatever the agent has, it has for nobody; and it is not to close what is open.
            Some(other) if tell && was_at_work && others.iter().all(is_idle) => self.terminate(now, *other),
            _ => {}
        }
        if let Some(workload) = self.workloads.get_mut(&workload_id) {
            workload.instances.remove(&id);
        }
        self.forget_workload(workload_id);
    }

    /// The instances of its workload that the agent knows by the name of this one. There are some when a monitor has died and
    /// the resource is restarted in another: the daemon may hear of the restart before it takes the first monitor for gone.
    fn others(&self, id: InstanceId) -> Vec<InstanceId> {
        let Some(instance) = self.instances.get(&id) else {
            return Vec::new();
        };
        let name = caseless(&instance.known_as);
        let workload = self.workloads.get(&instance.workload);
        let open = workload.into_iter().flat_map(|workload| &workload.instances).copied();
        let is_same = |other: &Instance| caseless(&other.known_as) == name;
        open.filter(|other| *other != id && self.instances.get(other).is_some_and(is_same))
            .collect()
    }

    /// Takes an instance out.
    fn close(&mut self, now: Time, id: InstanceId, tell: bool) {
        self.leave(now, id, tell);
        let Some(instance) = self.instances.remove(&id) else {
            return;
        };
        if let Some(monitor) = self.monitors.get_mut(&instance.monitor) {
            monitor.instances.remove(&instance.number);
        }
    }

    fn begun(&mut self, now: Time, channel: ChannelId, monitor: MonitorId, begun: Begun) {
        let refuse = |message: &str, win32_code| {
            let status = Status {
                instance: begun.instance,
                call: begun.call,
                state: CallState::Failed.into(),
                message: message.into(),
                source: Source::Daemon.into(),
                win32_code,
                ..Status::default()
            };
            Output::Monitor(channel, to_monitor::Message::Status(status))
        };
        let Some(id) = self.instance(monitor, begun.instance) else {
            let refused = refuse("the daemon does not have the resource", super::FAILED_CODE);
            self.outputs.push(refused);
            return;
        };
        let kind = match CallKind::try_from(begun.kind) {
            Ok(kind @ (CallKind::Online | CallKind::Offline)) => kind,
            _ => {
                let refused = refuse("the daemon does not know what is asked", super::FAILED_CODE);
                self.outputs.push(refused);
                return;
            }
        };
        let pending_timeout = match begun.pending_timeout_ms {
            0 => PENDING_TIMEOUT,
            ms => Duration::from_millis(ms).clamp(PENDING_TIMEOUTS[0], PENDING_TIMEOUTS[1]),
        };
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        // What has a call is open.
        instance.is_told = true;
        instance.expects_call = false;
        if let Some(asked) = instance.asked.as_mut().filter(|asked| asked.number == begun.call) {
            asked.is_told = true;
            asked.pending_timeout = pending_timeout;
            if let Some(status) = asked.unsent.take() {
                self.tell_monitor(id, to_monitor::Message::Status(status));
            }
            return;
        }
        if let Some(answered) = instance.answered.as_ref().filter(|it| it.call == begun.call) {
            let message = to_monitor::Message::Status(answered.clone());
            let is_ill = instance.is_online && !instance.is_healthy;
            self.tell_monitor(id, message);
            if is_ill {
                // The monitor was away when that became known.
                let health = Health {
                    instance: begun.instance,
                    healthy: false,
                    message: String::new(),
                };
                self.tell_monitor(id, to_monitor::Message::Health(health));
            }
            return;
        }
        if begun.call <= instance.last_call && !begun.again {
            tracing::warn!(
                resource = instance.resource,
                call = begun.call,
                "A call that is over was begun once more"
            );
            return;
        }
        if begun.workload.is_empty() || begun.workload.chars().count() > NAME_CHARACTERS {
            let refused = refuse("the property Workload of the resource is no name", INVALID_DATA);
            self.outputs.push(refused);
            return;
        }
        instance.parameters = begun.parameters;
        instance.last_call = begun.call;
        instance.answered = None;
        instance.is_online = false;
        instance.is_healthy = true;
        instance.is_terminated = false;
        // What was asked before says nothing about what comes of this call.
        if let Some(open) = instance.calls.get_mut(&Slot::Open) {
            open.judges = false;
        }
        for slot in [Slot::Check, Slot::Main] {
            self.end_call(now, id, slot, Some(v1::WorkloadCallEnd::Gone));
        }
        self.timers.clear(Timer::Check(id));
        self.rejoin(now, id, &begun.workload, |_| {});
        let name = self.monitors.get(&monitor).map_or("", |monitor| &monitor.id);
        let call = call_id(&[
            name.as_bytes(),
            &begun.instance.to_be_bytes(),
            b"call",
            &begun.call.to_be_bytes(),
        ]);
        let call_kind = match kind {
            CallKind::Offline => v1::WorkloadCallKind::Offline,
            CallKind::Online | CallKind::Unspecified => v1::WorkloadCallKind::Online,
        };
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.asked = Some(Asked {
                number: begun.call,
                kind,
                pending_timeout,
                last_word: now,
                said: (None, String::new()),
                unsent: None,
                is_told: true,
            });
        }
        // Earlier than the cluster itself, which would terminate the resource.
        let patience = pending_timeout - (pending_timeout / 10).min(Duration::from_secs(1));
        self.begin(id, Slot::Main, call_kind, call, patience, begun.again);
        self.give(now, id, Slot::Main);
    }

    /// The id of a call that the daemon makes by itself.
    pub(super) fn own_call_id(&mut self) -> Arc<str> {
        let number = self.new_id();
        call_id(&[self.run.as_bytes(), &number.to_be_bytes()])
    }
}

/// Whether a resource can be taken.
fn makes_sense(opened: &Opened) -> bool {
    !opened.resource.is_empty() && opened.resource.len() <= RESOURCE_BYTES
}

/// The name of a workload, not too long: what is no name stays one that no agent can attach to.
fn workload_name(name: &str) -> &str {
    match name.char_indices().nth(NAME_CHARACTERS + 1) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

/// A duration in the form of the contract.
pub(super) fn wire_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

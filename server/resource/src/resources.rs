//! The resources that are open, and the daemons that they belong to: the state that entry points and the thread share.
//!
//! Everything here returns at once and calls nobody; what is to be told to the monitor is handed out, so that it is told
//! without a lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use wsfc_clusapi::ResourceState;
use wsfc_clusapi::sys::resapi::ResourceExitStateTerminate;
use wsfc_clusapi::sys::types::HKEY;
use wsfc_resource_channel::to_daemon::Message;
use wsfc_resource_channel::{Begun, CallKind, CallState, Health, Opened, Status, Terminated, Told};

use crate::call::{self, Call, Reach, Report};
use crate::clock;
use crate::event::Event;
use crate::link::Link;
use crate::monitor::Monitor;
use crate::settings::Settings;

/// A resource that is open.
#[derive(Debug)]
struct Resource {
    monitor: Monitor,
    name: String,
    /// The name that it had when it was to come online last, which its agent knows it by; empty before.
    online_as: String,
    /// Its key of the cluster database, which the monitor keeps open until Close.
    key: HKEY,
    settings: Settings,
    /// The native state as the monitor was told it last.
    state: i32,
    /// The number of the last call; 0 before the first.
    calls: u64,
    call: Option<Call>,
    /// What is wrong while it is online; `None` while nothing is.
    ailment: Option<String>,
    /// Given to the monitor when the resource came online. It is kept when the resource goes offline, since the monitor may be
    /// waiting on it still, until there is another or the resource is closed.
    event: Option<Arc<Event>>,
    /// Its event was signalled since its last call, which the monitor takes for a failure whatever comes after.
    signalled: bool,
    /// The cluster has terminated it after so many calls, and no daemon is known to have heard of that: one that speaks of a
    /// later call has.
    terminated: Option<u64>,
    /// Whether a daemon was told of the resource already.
    announced: bool,
}

impl Resource {
    fn opened(&mut self, instance: u64) -> Message {
        let again = std::mem::replace(&mut self.announced, true);
        Message::Opened(Opened {
            instance,
            resource: self.name.clone(),
            workload: self.settings.workload.clone(),
            parameters: self.settings.parameters.clone(),
            native_state: self.state,
            again,
            online_as: if self.online_as == self.name {
                String::new()
            } else {
                self.online_as.clone()
            },
        })
    }

    fn begun(&mut self, instance: u64, now: Instant) -> Option<Message> {
        let call = self.call.as_mut()?;
        let again = call.announced;
        call.announce(now);
        let pending_timeout = self.settings.patience.pending_timeout.as_millis();
        Some(Message::Begun(Begun {
            instance,
            call: call.number,
            kind: call.kind.into(),
            pending_timeout_ms: u64::try_from(pending_timeout).unwrap_or(u64::MAX),
            check_point: call.check_point(),
            again,
            parameters: self.settings.parameters.clone(),
            workload: self.settings.workload.clone(),
        }))
    }

    /// Whether it is online, or on its way.
    fn is_busy(&self) -> bool {
        self.call.is_some() || self.state == ResourceState::ONLINE.0
    }

    fn is_online(&self) -> bool {
        self.state == ResourceState::ONLINE.0
    }

    /// Ends what is under way; returns the call.
    fn end(&mut self) -> u64 {
        if self.state != ResourceState::FAILED.0 {
            self.state = ResourceState::OFFLINE.0;
        }
        self.call.take().map_or(0, |call| call.number)
    }

    fn sicken(&mut self, ailment: String) {
        self.ailment = Some(ailment);
        if let Some(event) = &self.event {
            event.signal();
            self.signalled = true;
        }
    }
}

/// A status that is to be told to the monitor.
#[derive(Debug)]
pub(crate) struct Telling {
    /// The resource.
    pub(crate) instance: u64,
    /// Its monitor.
    pub(crate) monitor: Monitor,
    /// The status.
    pub(crate) report: Report,
    /// Its event, which stays open until it has been told, whatever becomes of the resource meanwhile.
    event: Option<Arc<Event>>,
}

impl Telling {
    /// Tells it; to be called without a lock. Returns what the monitor answers.
    pub(crate) fn tell(&self) -> i32 {
        let event = self.event.as_deref();
        self.monitor
            .tell(&self.report, event.map_or(core::ptr::null_mut(), Event::handle))
    }
}

/// What a status of the daemon is for a resource.
#[derive(Debug)]
pub(crate) enum Heard {
    /// To be told to the monitor.
    Tell(Telling),
    /// Not to be told: the call has ended, or cannot have the state.
    Refused,
    /// Nothing to anybody.
    Nothing,
}

/// The native state that a status stands for.
const fn native(state: CallState) -> i32 {
    match state {
        CallState::Unspecified => ResourceState::UNKNOWN.0,
        CallState::Pending => ResourceState::PENDING.0,
        CallState::Online => ResourceState::ONLINE.0,
        CallState::Offline => ResourceState::OFFLINE.0,
        CallState::Failed => ResourceState::FAILED.0,
    }
}

/// Everything that is open.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    last: u64,
    resources: BTreeMap<u64, Resource>,
    links: BTreeMap<String, Link>,
    /// The resource that the thread calls the monitor for.
    calling: Option<u64>,
    /// Wakes the thread; `None` while there is none.
    pub(crate) waker: Option<Arc<mio::Waker>>,
}

impl Resources {
    /// Opens a resource and returns its instance. A resource of the same handle is replaced.
    pub(crate) fn open(&mut self, monitor: Monitor, name: String, key: HKEY, settings: Settings, now: Instant) -> u64 {
        let replaced: Vec<u64> = self.instances(|resource| resource.monitor.is(&monitor));
        for instance in replaced {
            self.close(instance);
        }
        self.last += 1;
        let instance = self.last;
        let mut resource = Resource {
            monitor,
            name,
            online_as: String::new(),
            key,
            settings,
            state: ResourceState::OFFLINE.0,
            calls: 0,
            call: None,
            ailment: None,
            event: None,
            signalled: false,
            terminated: None,
            announced: false,
        };
        self.link(&resource.settings.endpoint, now);
        if let Some(link) = self
            .links
            .get_mut(&resource.settings.endpoint)
            .filter(|link| link.is_open())
        {
            link.say(resource.opened(instance));
        }
        self.resources.insert(instance, resource);
        instance
    }

    /// The monitor and the key of a resource.
    pub(crate) fn find(&self, instance: u64) -> Option<(Monitor, HKEY)> {
        let resource = self.resources.get(&instance)?;
        Some((resource.monitor, resource.key))
    }

    /// The settings that a resource had last.
    pub(crate) fn settings(&self, instance: u64) -> Option<Settings> {
        self.resources.get(&instance).map(|resource| resource.settings.clone())
    }

    /// Begins a call with the settings as they are now; false for a resource that is not open.
    ///
    /// A resource comes online in one place only. So another one of the same name, workload and daemon that is online or on
    /// its way belongs to a monitor that is no more, which had no time to close it, and is replaced.
    pub(crate) fn begin(&mut self, instance: u64, kind: CallKind, settings: Settings, now: Instant) -> bool {
        let Some(resource) = self.resources.get(&instance) else {
            return false;
        };
        let before = resource.settings.endpoint.clone();
        let name = resource.name.clone();
        if kind == CallKind::Online {
            let mut replaced = self.instances(|other| {
                other.is_busy()
                    && other.name.eq_ignore_ascii_case(&name)
                    && other.settings.workload.eq_ignore_ascii_case(&settings.workload)
                    && other.settings.endpoint == settings.endpoint
            });
            replaced.retain(|other| *other != instance);
            for other in replaced {
                self.close(other);
            }
        }
        if before != settings.endpoint {
            self.leave(instance, &before);
            self.link(&settings.endpoint, now);
        }
        let Some(resource) = self.resources.get_mut(&instance) else {
            return false;
        };
        resource.settings = settings;
        if kind == CallKind::Online {
            resource.online_as = name;
        }
        resource.calls += 1;
        let call = Call::new(resource.calls, kind, resource.settings.patience, now);
        resource.state = call.pending();
        resource.call = Some(call);
        resource.ailment = None;
        resource.signalled = false;
        if let Some(link) = self
            .links
            .get_mut(&resource.settings.endpoint)
            .filter(|link| link.is_open())
        {
            if before != resource.settings.endpoint {
                link.say(resource.opened(instance));
            }
            if let Some(begun) = resource.begun(instance, now) {
                link.say(begun);
            }
        }
        true
    }

    /// Ends what is under way; the number of the call, 0 if none was, or `None` for a resource that is not open. The daemon
    /// hears of it by [`Resources::say_terminated`].
    pub(crate) fn end(&mut self, instance: u64) -> Option<u64> {
        self.resources.get_mut(&instance).map(Resource::end)
    }

    /// Says to the daemon that a resource was terminated.
    pub(crate) fn say_terminated(&mut self, instance: u64, call: u64) {
        if let Some(resource) = self.resources.get_mut(&instance) {
            resource.terminated = Some(resource.calls);
        }
        self.say(instance, Message::Terminated(Terminated { instance, call }));
    }

    /// Closes a resource.
    pub(crate) fn close(&mut self, instance: u64) {
        let Some(resource) = self.resources.get(&instance) else {
            return;
        };
        let endpoint = resource.settings.endpoint.clone();
        self.leave(instance, &endpoint);
        self.resources.remove(&instance);
    }

    /// Gives a resource another name.
    pub(crate) fn rename(&mut self, instance: u64, name: String) {
        let Some(resource) = self.resources.get_mut(&instance) else {
            return;
        };
        resource.name = name;
        if let Some(link) = self
            .links
            .get_mut(&resource.settings.endpoint)
            .filter(|link| link.is_open())
        {
            link.say(resource.opened(instance));
        }
    }

    /// What LooksAlive and IsAlive answer: the last health that was heard, which is bad once the daemon has been away for too
    /// long. It stays bad once the event was signalled, since that cannot be taken back, and the two must not disagree. A
    /// resource on its way is not judged, since the call judges it.
    pub(crate) fn is_alive(&self, instance: u64, now: Instant) -> bool {
        let Some(resource) = self.resources.get(&instance) else {
            return false;
        };
        if resource.call.is_some() {
            return true;
        }
        let is_well = resource.is_online() && resource.ailment.is_none() && !resource.signalled;
        is_well && self.abandoned(resource).is_none_or(|when| now < when)
    }

    /// What a status of the daemon is for its resource.
    pub(crate) fn hear(&mut self, status: &Status, now: Instant) -> Heard {
        let Some(resource) = self.resources.get_mut(&status.instance) else {
            return Heard::Nothing;
        };
        if resource.terminated.is_some_and(|calls| status.call > calls) {
            // It was told of the termination before the call.
            resource.terminated = None;
        }
        if status.state() == CallState::Unspecified {
            return Heard::Nothing;
        }
        let call = resource.call.as_mut().filter(|call| call.number == status.call);
        if let Some(report) = call.and_then(|call| call.hear(status, now)) {
            return self
                .telling(status.instance, report)
                .map_or(Heard::Nothing, Heard::Tell);
        }
        let told = Told {
            instance: status.instance,
            call: status.call,
            native_state: native(status.state()),
            check_point: 0,
            wait_hint_ms: status.wait_hint_ms,
            exit_state: None,
            percent: status.percent,
            message: call::cut(status.message.clone()),
            source: status.source,
            win32_code: status.win32_code,
            time_ms: clock::milliseconds_since_1970(),
        };
        self.say(status.instance, Message::Told(told));
        Heard::Refused
    }

    /// Takes the health of a resource that is online; the monitor for the log, if it has changed.
    pub(crate) fn judge(&mut self, health: &Health) -> Option<Monitor> {
        let resource = self.resources.get_mut(&health.instance)?;
        if !resource.is_online() || resource.ailment.is_none() == health.healthy {
            return None;
        }
        if health.healthy {
            resource.ailment = None;
        } else {
            resource.sicken(health.message.clone());
        }
        let monitor = resource.monitor;
        self.calling = Some(health.instance);
        Some(monitor)
    }

    /// When the thread is next to call [`Resources::due`].
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.resources
            .values()
            .filter_map(|resource| self.due_of(resource))
            .min()
    }

    /// The resources that something is due for.
    pub(crate) fn due(&self, now: Instant) -> Vec<u64> {
        self.instances(|resource| self.due_of(resource).is_some_and(|due| due <= now))
    }

    /// What is to be told of a resource by now without a word of the daemon.
    pub(crate) fn tick(&mut self, instance: u64, now: Instant) -> Option<Telling> {
        let resource = self.resources.get(&instance)?;
        if resource.is_online() && resource.call.is_none() {
            if self.abandoned(resource).is_some_and(|when| when <= now)
                && let Some(resource) = self.resources.get_mut(&instance)
            {
                resource.sicken("the daemon cannot be reached".to_owned());
            }
            return None;
        }
        let reach = self.reach(resource);
        let report = self.resources.get_mut(&instance)?.call.as_mut()?.tick(now, reach)?;
        self.telling(instance, report)
    }

    /// Takes what the monitor has answered, and ends the call if it says so.
    pub(crate) fn settle(&mut self, telling: &Telling, exit_state: i32) {
        self.calling = None;
        let report = &telling.report;
        let instance = telling.instance;
        let told = Told {
            instance,
            call: report.call,
            native_state: report.state,
            check_point: report.check_point,
            wait_hint_ms: report.wait_hint_ms,
            exit_state: Some(exit_state),
            percent: report.percent,
            message: report.message.clone(),
            source: report.source.into(),
            win32_code: report.win32_code,
            time_ms: clock::milliseconds_since_1970(),
        };
        self.say(instance, Message::Told(told));
        let Some(resource) = self.resources.get_mut(&instance) else {
            return;
        };
        if exit_state != ResourceExitStateTerminate {
            return;
        }
        let under_way = resource.call.as_ref().is_some_and(|call| call.number == report.call);
        let just_ended = report.last && resource.calls == report.call && resource.state == report.state;
        if under_way || just_ended {
            resource.end();
            self.say_terminated(instance, report.call);
        }
    }

    /// The resource that the thread calls the monitor for.
    pub(crate) fn calling(&self) -> Option<u64> {
        self.calling
    }

    /// The thread's call of the monitor has come back.
    pub(crate) fn called(&mut self) {
        self.calling = None;
    }

    /// Begins a call of the monitor for the log, for the first resource of a daemon.
    pub(crate) fn first_of(&mut self, endpoint: &str) -> Option<Monitor> {
        let found = self
            .resources
            .iter()
            .find(|(_, resource)| resource.settings.endpoint == endpoint);
        let (instance, monitor) = found.map(|(instance, resource)| (*instance, resource.monitor))?;
        self.calling = Some(instance);
        Some(monitor)
    }

    /// The endpoints that are to be connected: those of the open resources.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &String> {
        self.links.keys()
    }

    /// A daemon.
    pub(crate) fn link_of(&mut self, endpoint: &str) -> Option<&mut Link> {
        self.links.get_mut(endpoint)
    }

    /// Whether a resource has this daemon.
    pub(crate) fn needs(&self, endpoint: &str) -> bool {
        self.resources
            .values()
            .any(|resource| resource.settings.endpoint == endpoint)
    }

    /// Whether more waits for a daemon than one that listens would leave.
    pub(crate) fn is_clogged(&self, endpoint: &str) -> bool {
        self.links
            .get(endpoint)
            .is_some_and(|link| link.is_clogged(self.resources.len()))
    }

    /// Forgets a daemon that no resource has.
    pub(crate) fn remove_link(&mut self, endpoint: &str) {
        self.links.remove(endpoint);
    }

    /// Whether nothing is open and nothing is to be said.
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.links.is_empty()
    }

    /// A daemon has welcomed the DLL: it is told everything that is so.
    pub(crate) fn reached(&mut self, endpoint: &str, now: Instant) {
        let (mut opened, mut begun, mut under_way) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut terminated = Vec::new();
        let link = self.links.get(endpoint);
        let waits = |instance| link.is_some_and(|link| link.has_termination(instance));
        let resources = self.resources.iter_mut();
        for (instance, resource) in resources.filter(|(_, resource)| resource.settings.endpoint == endpoint) {
            opened.push(resource.opened(*instance));
            begun.extend(resource.begun(*instance, now));
            if let Some(call) = resource.terminated
                && !waits(*instance)
            {
                // Whether the daemon has read it on its former connection is not known. It comes before a call that has begun
                // since.
                let instance = *instance;
                terminated.push(Message::Terminated(Terminated { instance, call }));
            }
            under_way.extend(resource.call.as_ref().map(|call| (*instance, call.number)));
        }
        opened.extend(terminated);
        if let Some(link) = self.links.get_mut(endpoint) {
            link.open(
                now,
                opened,
                begun,
                |message| matches!(message, Message::Told(told) if under_way.get(&told.instance) == Some(&told.call)),
            );
        }
    }

    fn instances(&self, wanted: impl Fn(&Resource) -> bool) -> Vec<u64> {
        let found = self.resources.iter().filter(|(_, resource)| wanted(resource));
        found.map(|(instance, _)| *instance).collect()
    }

    fn link(&mut self, endpoint: &str, now: Instant) {
        if !self.links.contains_key(endpoint) {
            self.links.insert(endpoint.to_owned(), Link::new(now));
        }
    }

    fn reach(&self, resource: &Resource) -> Reach {
        let link = self.links.get(&resource.settings.endpoint);
        link.map_or(Reach::Open, Link::reach)
    }

    /// When an online resource counts as failed because its daemon is away.
    fn abandoned(&self, resource: &Resource) -> Option<Instant> {
        self.reach(resource).over(resource.settings.patience.daemon_grace)
    }

    fn due_of(&self, resource: &Resource) -> Option<Instant> {
        match &resource.call {
            Some(call) => Some(call.due(self.reach(resource))),
            None if resource.is_online() && resource.ailment.is_none() => self.abandoned(resource),
            None => None,
        }
    }

    fn say(&mut self, instance: u64, message: Message) {
        let resource = self.resources.get(&instance);
        if let Some(link) = resource.and_then(|resource| self.links.get_mut(&resource.settings.endpoint)) {
            link.say(message);
        }
    }

    /// A resource has this daemon no more. One that is away sees it when it is back; but that the resource was terminated it
    /// is told, if any was told of the resource: the work may run.
    fn leave(&mut self, instance: u64, endpoint: &str) {
        let (Some(resource), Some(link)) = (self.resources.get_mut(&instance), self.links.get_mut(endpoint)) else {
            return;
        };
        let ended = match resource.terminated.take() {
            Some(call) if resource.announced => Some([
                resource.opened(instance),
                Message::Terminated(Terminated { instance, call }),
            ]),
            _ => None,
        };
        link.close(instance, ended);
    }

    /// Makes a report known to the state, and what is to be told of it. The thread is calling from then on.
    fn telling(&mut self, instance: u64, report: Report) -> Option<Telling> {
        let resource = self.resources.get_mut(&instance)?;
        resource.state = report.state;
        if report.last {
            resource.call = None;
        }
        let mut event = None;
        if resource.is_online() {
            // Without one the monitor polls.
            resource.event = Event::new().ok().map(Arc::new);
            event.clone_from(&resource.event);
        }
        self.calling = Some(instance);
        Some(Telling {
            instance,
            monitor: resource.monitor,
            report,
            event,
        })
    }
}

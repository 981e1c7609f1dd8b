//! The registry among threads: one lock, a queue for each peer, and an alarm for what is to happen at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use wsfc_proto::v1;
use wsfc_resource_channel::{to_daemon, to_monitor};

use super::location::Location;
use super::registry::{AgentId, AttachError, ChannelId, Garbage, Output, Registration, Registry};
use super::timers::Time;
use crate::platform::Platform;

/// How long an agent may take nothing of what it is sent.
pub const AGENT_STUCK: Duration = Duration::from_secs(30);
/// How many messages wait for a DLL before its agents are not listened to.
const LINE_IS_LONG: usize = 1_024;

/// The workloads of a daemon. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Workloads {
    shared: Arc<Shared>,
    location: Arc<Location>,
    /// Ends the alarm with the last handle.
    _alarm: Arc<DropGuard>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Rung when something is to happen earlier than before.
    alarm: Notify,
    began: Instant,
    platform: Platform,
}

#[derive(Debug)]
struct State {
    registry: Registry,
    last_id: u64,
    agents: HashMap<AgentId, Outbox>,
    channels: HashMap<ChannelId, Line>,
    /// Agents that are not listened to until a line is shorter.
    held_up: Vec<Waker>,
}

/// What an agent is to be sent.
#[derive(Debug, Default)]
struct Outbox {
    messages: VecDeque<v1::attach_response::Message>,
    is_over: bool,
    waker: Option<Waker>,
    /// Since when nothing was taken, though there is something.
    waiting_since: Option<Time>,
}

/// What a DLL is to be sent.
#[derive(Debug, Default)]
struct Line {
    messages: VecDeque<to_monitor::Message>,
    is_over: bool,
    news: Arc<Notify>,
}

impl Workloads {
    /// Empty. The alarm runs on the runtime that this is called in, as long as there is a handle.
    ///
    /// # Panics
    ///
    /// Called outside of a runtime.
    pub fn new(platform: Platform, location: Location) -> Self {
        let run = platform.entropy.uuid(platform.clock.now());
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                registry: Registry::new(run),
                last_id: 0,
                agents: HashMap::new(),
                channels: HashMap::new(),
                held_up: Vec::new(),
            }),
            alarm: Notify::new(),
            began: Instant::now(),
            platform,
        });
        let over = CancellationToken::new();
        tokio::spawn(over.clone().run_until_cancelled_owned(Arc::clone(&shared).ring()));
        Self {
            shared,
            location: Arc::new(location),
            _alarm: Arc::new(over.drop_guard()),
        }
    }

    /// Where resources are in the cluster.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The workloads, ordered by name; or the one of a name.
    pub fn list(&self, name: Option<&str>) -> Vec<v1::Workload> {
        let now = self.shared.now();
        let today = self.shared.platform.clock.now();
        let at = |time: Time| prost_types::Timestamp::from(today + time.saturating_sub(now));
        let mut workloads = self.shared.state().registry.workloads(name, at);
        let resources = workloads.iter_mut().flat_map(|workload| &mut workload.resources);
        for status in resources.filter_map(|resource| resource.status.as_mut()) {
            self.location.place(status);
        }
        workloads
    }

    /// A lease id that nobody can guess.
    pub fn new_lease_id(&self) -> String {
        let mut bytes = [0; 16];
        self.shared.platform.entropy.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Opens the stream of an agent.
    pub fn agent(&self) -> Agent {
        let id = self.shared.with(|state, _now| {
            let id = AgentId(state.new_id());
            state.agents.insert(id, Outbox::default());
            id
        });
        Agent {
            id,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Opens the connection of a DLL.
    pub fn channel(&self) -> Channel {
        let (id, news) = self.shared.with(|state, _now| {
            let id = ChannelId(state.new_id());
            let line = Line::default();
            let news = Arc::clone(&line.news);
            state.channels.insert(id, line);
            (id, news)
        });
        Channel {
            id,
            news,
            shared: Arc::clone(&self.shared),
        }
    }

    /// The daemon stops: agents are sent away to come back, new ones are refused.
    pub fn stop(&self) {
        self.shared.with(|state, now| state.registry.stop(now));
    }
}

impl State {
    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Puts what the registry wants sent into the queues.
    fn deliver(&mut self, now: Time) {
        for output in self.registry.take_outputs() {
            match output {
                Output::Monitor(channel, message) => {
                    if let Some(line) = self.channels.get_mut(&channel) {
                        line.messages.push_back(message);
                        line.news.notify_one();
                    }
                }
                Output::CloseChannel(channel) => {
                    if let Some(line) = self.channels.get_mut(&channel) {
                        line.is_over = true;
                        line.news.notify_one();
                    }
                }
                Output::Agent(agent, message) => {
                    if let Some(outbox) = self.agents.get_mut(&agent) {
                        outbox.messages.push_back(message);
                        outbox.waiting_since.get_or_insert(now);
                        outbox.wake();
                    }
                }
                Output::EndAgent(agent) => {
                    if let Some(outbox) = self.agents.get_mut(&agent) {
                        outbox.is_over = true;
                        outbox.wake();
                    }
                }
            }
        }
    }

    /// Puts off what is to be judged when the daemon was held up; agents could not read then either.
    fn catch_up(&mut self, late: Time) {
        let by = self.registry.catch_up(late);
        for since in self
            .agents
            .values_mut()
            .filter_map(|outbox| outbox.waiting_since.as_mut())
        {
            *since += by;
        }
    }

    /// Ends the streams of agents that do not read.
    fn end_stuck_agents(&mut self, now: Time) {
        let is_stuck = |outbox: &Outbox| !outbox.is_over && outbox.stuck_at().is_some_and(|at| at <= now);
        let stuck = self.agents.iter().filter(|(_, outbox)| is_stuck(outbox));
        for id in stuck.map(|(id, _)| *id).collect::<Vec<_>>() {
            tracing::warn!("An agent does not read what it is sent; its stream ends");
            self.registry.agent_gone(now, id);
            if let Some(outbox) = self.agents.get_mut(&id) {
                outbox.messages.clear();
                let detached = v1::Detached {
                    message: "the agent did not read what it was sent".into(),
                    reattach: false,
                };
                outbox
                    .messages
                    .push_back(v1::attach_response::Message::Detached(detached));
                outbox.is_over = true;
                outbox.wake();
            }
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        let stuck = self.agents.values().filter(|outbox| !outbox.is_over);
        let stuck = stuck.filter_map(Outbox::stuck_at).min();
        [self.registry.next_deadline(), stuck].into_iter().flatten().min()
    }
}

impl Outbox {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn stuck_at(&self) -> Option<Time> {
        self.waiting_since.map(|since| since + AGENT_STUCK)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Time {
        self.began.elapsed()
    }

    /// Does something with the registry, and delivers what comes of it.
    fn with<T>(&self, act: impl FnOnce(&mut State, Time) -> T) -> T {
        let (now, mut state) = (self.now(), self.state());
        let before = state.next_deadline();
        state.catch_up(before.map_or(Time::ZERO, |due| now.saturating_sub(due)));
        let done = act(&mut state, now);
        state.deliver(now);
        let next = state.next_deadline();
        drop(state);
        if next.is_some_and(|next| before.is_none_or(|before| next < before)) {
            self.alarm.notify_one();
        }
        done
    }

    /// Lets happen what the time has come for, for ever.
    async fn ring(self: Arc<Self>) {
        loop {
            let next = self.state().next_deadline();
            match next {
                None => self.alarm.notified().await,
                Some(next) => {
                    // An early or needless ring does no harm.
                    let _ = tokio::time::timeout_at(self.began + next, self.alarm.notified()).await;
                    self.with(|state, now| {
                        state.registry.tick(now);
                        state.deliver(now);
                        state.end_stuck_agents(now);
                    });
                }
            }
        }
    }
}

/// The stream of an agent. Dropped, it has ended.
#[derive(Debug)]
pub struct Agent {
    id: AgentId,
    shared: Arc<Shared>,
}

impl Agent {
    /// Attaches it, or lets it stand by.
    ///
    /// # Errors
    ///
    /// See [`AttachError`].
    pub fn attach(&self, registration: Registration) -> Result<(), AttachError> {
        self.shared
            .with(|state, now| state.registry.attach(now, self.id, registration))
    }

    /// Takes a message of it.
    pub fn says(&self, message: Option<v1::attach_request::Message>) {
        self.shared.with(|state, now| match message {
            Some(message) => state.registry.agent_says(now, self.id, message),
            None => state.registry.reject_unknown(self.id),
        });
    }

    /// What it is to be sent next; the end after that.
    pub fn poll_next(&self, context: &Context<'_>) -> Poll<Option<v1::attach_response::Message>> {
        let (now, mut state) = (self.shared.now(), self.shared.state());
        let Some(outbox) = state.agents.get_mut(&self.id) else {
            return Poll::Ready(None);
        };
        if let Some(message) = outbox.messages.pop_front() {
            outbox.waiting_since = (!outbox.messages.is_empty()).then_some(now);
            return Poll::Ready(Some(message));
        }
        if outbox.is_over {
            return Poll::Ready(None);
        }
        outbox.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits until there is room for what it may say.
    pub fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.shared.state();
        let is_long = |line: &Line| line.messages.len() >= LINE_IS_LONG;
        // The lines of an agent are looked for only when there is a long one.
        if !state.channels.values().any(is_long) {
            return Poll::Ready(());
        }
        let mut lines = state.registry.channels_of(self.id);
        let is_held_up = lines.any(|id| state.channels.get(&id).is_some_and(is_long));
        drop(lines);
        if !is_held_up {
            return Poll::Ready(());
        }
        state.held_up.push(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.with(|state, now| {
            state.agents.remove(&self.id);
            state.registry.agent_gone(now, self.id);
        });
    }
}

/// The connection of a DLL. Dropped, it has ended.
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
    news: Arc<Notify>,
    shared: Arc<Shared>,
}

impl Channel {
    /// Takes a message of it; a status that was told is given back, for the journal.
    ///
    /// # Errors
    ///
    /// [`Garbage`]: the connection is to be closed.
    pub fn says(&self, message: to_daemon::Message) -> Result<Option<v1::ResourceStatus>, Garbage> {
        let process = match &message {
            to_daemon::Message::Hello(hello) => self.shared.platform.processes.watch(hello.process_id),
            _ => None,
        };
        self.shared.with(|state, now| {
            let said = state.registry.monitor_says(now, self.id, message);
            if process.is_some() {
                state.registry.watch(self.id, process);
            }
            said
        })
    }

    /// Waits for what is to be sent next, as much as there is; nothing when the connection is to be closed. Cancel-safe.
    pub async fn next(&self) -> Vec<to_monitor::Message> {
        loop {
            {
                let mut state = self.shared.state();
                let Some(line) = state.channels.get_mut(&self.id) else {
                    return Vec::new();
                };
                let messages: Vec<_> = line.messages.drain(..).collect();
                if !messages.is_empty() {
                    let held_up = std::mem::take(&mut state.held_up);
                    drop(state);
                    held_up.into_iter().for_each(Waker::wake);
                    return messages;
                }
                if line.is_over {
                    return Vec::new();
                }
            }
            self.news.notified().await;
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.with(|state, now| {
            state.channels.remove(&self.id);
            state.registry.disconnected(now, self.id);
            state.held_up.drain(..).for_each(Waker::wake);
        });
    }
}

//! The thread that talks to the daemons and tells the monitor.
//!
//! There is one, however many resources are open: from the first Open to the last Close. It waits for the daemons, for entry
//! points that wake it, and for the next time that something is due.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use std::{io, mem};

use mio::{Events, Poll, Token, Waker};
use wsfc_clusapi::ResourceState;
use wsfc_resource_channel::to_monitor::Message;
use wsfc_resource_channel::{Health, Status, ToMonitor};

use crate::channel::{Channel, Lost};
use crate::clock;
use crate::monitor::Level;
use crate::resources::{Heard, Resources, Telling};

/// The token of the waker; those of connections follow.
const WAKER: Token = Token(0);

/// How long a daemon that no resource has any more may take to be told so.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long one that is away is waited for, to be told of resources that the cluster terminated. A daemon that runs takes a
/// DLL that is away for so long for gone, and ends what it had by itself.
const LAST_WORD: Duration = Duration::from_secs(30);

/// How long an entry point waits for a call of the monitor that the thread is in. A monitor that does not answer must not
/// hang the entry point too: entry points return within 300 ms (facts 5.2).
const IN_FLIGHT: Duration = Duration::from_millis(200);

/// What entry points and the thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Locked briefly, and never while anybody is called.
    resources: Mutex<Resources>,
    /// The thread has come back from the monitor.
    called: Condvar,
    /// The thread, while there is one.
    thread: Mutex<Option<ThreadId>>,
    /// Made anew each time the DLL is loaded.
    monitor_id: String,
}

impl Shared {
    /// Nothing open.
    pub(crate) fn new() -> Self {
        Self {
            resources: Mutex::default(),
            called: Condvar::new(),
            thread: Mutex::default(),
            monitor_id: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// The resources. A panic elsewhere does not end the others.
    pub(crate) fn resources(&self) -> MutexGuard<'_, Resources> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the resources and wakes the thread.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Resources) -> T) -> T {
        let mut resources = self.resources();
        let result = change(&mut resources);
        let waker = resources.waker.clone();
        drop(resources);
        wake(waker.as_deref());
        result
    }

    /// Ends what is under way of a resource because the cluster terminated it; the call, 0 if none was, or `None` for a
    /// resource that is not open. The monitor is told nothing more of it once this returns.
    pub(crate) fn terminate(&self, instance: u64) -> Option<u64> {
        let mut resources = self.resources();
        let call = resources.end(instance)?;
        let mut resources = self.wait(resources, instance);
        resources.say_terminated(instance, call);
        let waker = resources.waker.clone();
        drop(resources);
        wake(waker.as_deref());
        Some(call)
    }

    /// Closes a resource. The monitor hears nothing more of it once this returns.
    pub(crate) fn close(&self, instance: u64) {
        let mut resources = self.resources();
        resources.end(instance);
        let mut resources = self.wait(resources, instance);
        resources.close(instance);
        let waker = resources.waker.clone();
        drop(resources);
        wake(waker.as_deref());
    }

    /// Waits until the thread does not call the monitor for a resource.
    fn wait<'a>(&self, resources: MutexGuard<'a, Resources>, instance: u64) -> MutexGuard<'a, Resources> {
        let this = Some(thread::current().id());
        // A monitor that calls back within a status must not wait for itself.
        if *self.thread.lock().unwrap_or_else(PoisonError::into_inner) == this {
            return resources;
        }
        let in_flight = |resources: &mut Resources| resources.calling() == Some(instance);
        let waited = self.called.wait_timeout_while(resources, IN_FLIGHT, in_flight);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Opens a resource as `open` does, on a thread that is started unless there is one.
    ///
    /// # Errors
    ///
    /// The system has no thread, or nothing to wait with.
    pub(crate) fn open(self: &Arc<Self>, open: impl FnOnce(&mut Resources) -> u64) -> io::Result<u64> {
        // One lock for both, so that the thread does not end between them.
        let mut resources = self.resources();
        if resources.waker.is_none() {
            resources.waker = Some(self.start()?);
        }
        let instance = open(&mut resources);
        let waker = resources.waker.clone();
        drop(resources);
        wake(waker.as_deref());
        Ok(instance)
    }

    fn start(self: &Arc<Self>) -> io::Result<Arc<Waker>> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let shared = Arc::clone(self);
        // It ends by itself when nothing is open any more.
        let thread = thread::Builder::new()
            .name("wsfcres".to_owned())
            .spawn(move || shared.run(poll))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread.thread().id());
        Ok(waker)
    }

    fn run(self: Arc<Self>, mut poll: Poll) {
        let mut worker = Worker {
            shared: &self,
            channels: BTreeMap::new(),
            last_token: WAKER.0,
        };
        while let Err(_panic) = catch_unwind(AssertUnwindSafe(|| worker.run(&mut poll))) {
            // Connections may be in the middle of anything: they are made again.
            let now = clock::now();
            let mut resources = self.resources();
            resources.called();
            for (endpoint, mut connection) in mem::take(&mut worker.channels) {
                if let Some(link) = resources.link_of(&endpoint) {
                    link.lose(now, connection.channel.take_unsent());
                }
            }
            drop(resources);
            self.called.notify_all();
        }
    }
}

fn wake(waker: Option<&Waker>) {
    if let Some(waker) = waker {
        // It fails only when the thread's poll is gone, and then there is nobody to wake.
        let _woken = waker.wake();
    }
}

/// A connection, and until when it may say farewell.
struct Connection {
    channel: Channel,
    leaves: Option<Instant>,
}

struct Worker<'a> {
    shared: &'a Shared,
    channels: BTreeMap<String, Connection>,
    last_token: usize,
}

impl Worker<'_> {
    /// Works until nothing is open.
    fn run(&mut self, poll: &mut Poll) {
        let mut events = Events::with_capacity(256);
        while self.arrange(poll, clock::now()) {
            self.tell_what_is_due(clock::now());
            self.look_after(poll, clock::now());
            let timeout = self.timeout(clock::now());
            if let Err(error) = poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                // Guess: a poll that fails once fails again; a pause keeps it from taking the whole processor.
                thread::park_timeout(Duration::from_millis(100));
            }
            let polled = clock::now();
            let ready: Vec<Token> = events.iter().map(mio::event::Event::token).collect();
            let reads = self.channels.iter().filter(|(_, connection)| {
                connection.channel.wants_more() || ready.contains(&connection.channel.token())
            });
            let reads: Vec<String> = reads.map(|(endpoint, _)| endpoint.clone()).collect();
            for endpoint in reads {
                self.read(poll, &endpoint);
            }
            self.listen(poll, polled);
        }
    }

    /// Brings connections in line with the open resources; false when there are neither.
    fn arrange(&mut self, poll: &Poll, now: Instant) -> bool {
        let mut resources = self.shared.resources();
        let endpoints: Vec<String> = resources.endpoints().cloned().collect();
        for endpoint in endpoints {
            if !self.channels.contains_key(&endpoint) {
                self.last_token += 1;
                let channel = Channel::new(endpoint.clone(), Token(self.last_token), now);
                let connection = Connection { channel, leaves: None };
                self.channels.insert(endpoint.clone(), connection);
            }
            let is_needed = resources.needs(&endpoint);
            let Some(connection) = self.channels.get_mut(&endpoint) else {
                continue;
            };
            if is_needed {
                connection.leaves = None;
                continue;
            }
            let has_more = resources.link_of(&endpoint).is_some_and(|link| link.has_more());
            let patience = if connection.channel.is_open() {
                FAREWELL
            } else {
                LAST_WORD
            };
            let leaves = *connection.leaves.get_or_insert(now + patience);
            let is_sending = connection.channel.is_sending() || has_more;
            if now >= leaves || !is_sending {
                // Nobody would say it later.
                let _unsent = connection.channel.hang_up(poll.registry(), now, now);
                self.channels.remove(&endpoint);
                resources.remove_link(&endpoint);
            }
        }
        if resources.is_empty() {
            // Under the lock, so that an Open either sees the thread at work or starts another.
            resources.waker = None;
            return false;
        }
        true
    }

    /// Connects, and sends what waits.
    fn look_after(&mut self, poll: &Poll, now: Instant) {
        let mut losses = Vec::new();
        for (endpoint, connection) in &mut self.channels {
            let channel = &mut connection.channel;
            let stepped = channel.step(poll.registry(), &self.shared.monitor_id, now);
            if let Err(lost) = stepped.and_then(|()| send(self.shared, endpoint, channel)) {
                losses.push((endpoint.clone(), lost));
            }
        }
        for (endpoint, lost) in losses {
            self.lose(poll, &endpoint, &lost);
        }
    }

    /// Gives up daemons that had said nothing for too long when the system was asked last.
    fn listen(&mut self, poll: &Poll, polled: Instant) {
        let connections = self.channels.iter();
        let silent = connections.filter_map(|(endpoint, connection)| {
            let lost = connection.channel.listen(polled).err()?;
            Some((endpoint.clone(), lost))
        });
        for (endpoint, lost) in silent.collect::<Vec<_>>() {
            self.lose(poll, &endpoint, &lost);
        }
    }

    /// How long to wait.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        if self.channels.values().any(|connection| connection.channel.wants_more()) {
            return Some(Duration::ZERO);
        }
        let connections = self.channels.values();
        let connections = connections
            .flat_map(|connection| [connection.channel.due(), connection.leaves])
            .flatten()
            .min();
        let due = [self.shared.resources().next_due(), connections]
            .into_iter()
            .flatten()
            .min()?;
        Some(due.saturating_duration_since(now))
    }

    fn read(&mut self, poll: &Poll, endpoint: &str) {
        let Some(connection) = self.channels.get_mut(endpoint) else {
            return;
        };
        let read = connection
            .channel
            .write()
            .and_then(|()| connection.channel.read(clock::now()));
        let taken = read.and_then(|messages| {
            messages
                .into_iter()
                .try_for_each(|message| self.take(endpoint, message))
        });
        if let Err(lost) = taken {
            self.lose(poll, endpoint, &lost);
        }
    }

    fn lose(&mut self, poll: &Poll, endpoint: &str, lost: &Lost) {
        let now = clock::now();
        let Some(connection) = self.channels.get_mut(endpoint) else {
            return;
        };
        let gone = lost.since(now);
        let was_open = connection.channel.is_open();
        let unsent = connection.channel.hang_up(poll.registry(), gone, now);
        let mut resources = self.shared.resources();
        if let Some(link) = resources.link_of(endpoint) {
            link.lose(gone, unsent);
        }
        drop(resources);
        if was_open {
            let text = format!("wsfcd: the daemon at {endpoint} is lost: {lost}");
            self.log(endpoint, Level::Warning, &text);
        } else if matches!(lost, Lost::Stranger(_)) {
            let text = format!("wsfcd: the daemon is not reached at {endpoint}: {lost}");
            self.log(endpoint, Level::Error, &text);
        }
    }

    /// Writes a line about a daemon to the cluster's log, as of its first resource.
    fn log(&self, endpoint: &str, level: Level, text: &str) {
        let monitor = self.shared.resources().first_of(endpoint);
        if let Some(monitor) = monitor {
            monitor.log(level, text);
            self.come_back();
        }
    }

    /// The monitor has been called.
    fn come_back(&self) {
        self.shared.resources().called();
        self.shared.called.notify_all();
    }

    /// Takes a message of a daemon.
    fn take(&mut self, endpoint: &str, message: ToMonitor) -> Result<(), Lost> {
        let now = clock::now();
        let Some(connection) = self.channels.get_mut(endpoint) else {
            return Ok(());
        };
        match message.message {
            Some(Message::Welcome(welcome)) if !connection.channel.is_open() => {
                connection.channel.welcome(&welcome, now);
                self.shared.resources().reached(endpoint, now);
                let text = format!("wsfcd: the daemon at {endpoint} is reached");
                self.log(endpoint, Level::Information, &text);
            }
            Some(Message::Status(status)) if connection.channel.is_open() => self.hear(&status, now),
            Some(Message::Health(health)) if connection.channel.is_open() => self.judge(&health),
            Some(Message::Status(_) | Message::Health(_)) => return Err(Lost::Unwelcome),
            // That it has come is all that a heartbeat says. A second welcome changes nothing, and what a later release says
            // is passed over.
            Some(Message::Welcome(_) | Message::Heartbeat(_)) | None => {}
        }
        Ok(())
    }

    fn hear(&self, status: &Status, now: Instant) {
        let heard = self.shared.resources().hear(status, now);
        if let Heard::Tell(telling) = heard {
            self.tell(&telling);
        }
    }

    fn judge(&self, health: &Health) {
        let monitor = self.shared.resources().judge(health);
        let Some(monitor) = monitor else {
            return;
        };
        if health.healthy {
            monitor.log(Level::Information, "wsfcd: the workload is well again");
        } else {
            monitor.log(
                Level::Error,
                &format!("wsfcd: the workload is not well: {}", health.message),
            );
        }
        self.come_back();
    }

    fn tell_what_is_due(&self, now: Instant) {
        let due = self.shared.resources().due(now);
        for instance in due {
            let telling = self.shared.resources().tick(instance, now);
            if let Some(telling) = telling {
                self.tell(&telling);
            }
        }
    }

    /// Tells the monitor, without a lock.
    fn tell(&self, telling: &Telling) {
        let report = &telling.report;
        let level = if report.state == ResourceState::FAILED.0 {
            Level::Error
        } else {
            Level::Information
        };
        let percent = report
            .percent
            .map(|percent| format!(", {percent} %"))
            .unwrap_or_default();
        let line = format!(
            "wsfcd: state {}, check point {}{percent}: {}",
            report.state, report.check_point, report.message
        );
        // First, so that nothing comes between what has just been found to be so and the monitor's knowing it: a line of the
        // log may take long, and the resource be terminated or closed meanwhile.
        let exit_state = telling.tell();
        if self.shared.resources().find(telling.instance).is_some() {
            telling.monitor.log(level, &line);
        }
        self.shared.resources().settle(telling, exit_state);
        self.shared.called.notify_all();
    }
}

/// Sends what waits for a daemon, as far as the daemon takes it.
fn send(shared: &Shared, endpoint: &str, channel: &mut Channel) -> Result<(), Lost> {
    channel.write()?;
    while channel.is_open() && channel.has_room() {
        let mut resources = shared.resources();
        let messages = resources
            .link_of(endpoint)
            .map(|link| link.take(64))
            .unwrap_or_default();
        drop(resources);
        if messages.is_empty() {
            break;
        }
        for message in messages {
            channel.encode(message)?;
        }
        channel.write()?;
    }
    if shared.resources().is_clogged(endpoint) {
        return Err(Lost::Clogged);
    }
    Ok(())
}

//! The simulated Resource Monitors: they load resource DLLs, run a thread for each resource of theirs, and hear what the DLLs
//! tell (facts 5).
//!
//! What is to be done is the world's to say ([`Order`]), and what follows from an answer too; here are the threads, the DLLs
//! and the C functions. Entry points are called without the world's lock. A process cannot be killed inside another one, so a
//! monitor that is gone is one that nobody listens to any more: its threads end when their calls return, and its handles mean
//! nothing.

mod callbacks;
mod event;
mod format;
mod library;
mod thread;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

pub(crate) use callbacks::forget_dead;
pub(crate) use library::{Provided, Source};

use crate::simulation::{Inner, State};
use crate::win32::{ERROR_RESMON_CREATE_FAILED, ERROR_RESOURCE_NOT_FOUND, ERROR_SHUTDOWN_IN_PROGRESS};
use crate::world::hosting::{ControlCall, Opening, Order};
use crate::world::resource::hosted::Ended;
use crate::world::resource::running::Told;
use event::{Event, Waiter};
use library::{Failure, Functions};
use thread::{Command, Thread};

/// How important a line of the monitors' log is (facts 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MonitorLevel {
    /// LOG_INFORMATION.
    Information,
    /// LOG_WARNING.
    Warning,
    /// LOG_ERROR.
    Error,
    /// LOG_SEVERE, and any other number.
    Severe,
}

impl MonitorLevel {
    fn of(level: i32) -> Self {
        match level {
            0 => Self::Information,
            1 => Self::Warning,
            2 => Self::Error,
            _ => Self::Severe,
        }
    }
}

/// A line of the monitors' log: what a resource DLL has given to LogEvent, or what its monitor has to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitorLine {
    /// Simulated time since the world began.
    pub at: Duration,
    /// The name of the resource, or of the type where a type is meant.
    pub resource: String,
    /// The type.
    pub resource_type: String,
    /// How important it is.
    pub level: MonitorLevel,
    /// The text.
    pub text: String,
}

/// The most lines that are kept.
const LONGEST_LOG: usize = 10_000;

/// A monitor's process: a DLL, started for a type.
pub(crate) struct Monitor {
    source: Source,
    kind: String,
    functions: Mutex<Option<Functions>>,
}

impl Monitor {
    /// The functions of the DLL, which the first resource starts; the others wait for it, as long as it may take. Guess: a
    /// DLL that could not be loaded or started is tried again for the next resource that is opened, since an administrator
    /// may have put it into its place meanwhile.
    fn functions(&self) -> Result<Functions, Failure> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        match *functions {
            Some(functions) => Ok(functions),
            None => Ok(*functions.insert(library::start(&self.source, &self.kind)?)),
        }
    }
}

/// A status as it comes from a DLL.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) told: Told,
    event: Option<Event>,
}

/// What has become of a control code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlAnswer {
    pub(crate) code: u32,
    /// What the DLL says is the size of its answer.
    pub(crate) returned: u32,
    /// The whole output buffer.
    pub(crate) data: Vec<u8>,
    /// The DLL could not be opened, so it was not asked.
    pub(crate) unopened: bool,
}

/// A control code under way.
#[derive(Debug)]
struct Control {
    handle: isize,
    /// What EndControlCall has said.
    ended: Option<u32>,
    answer: Option<ControlAnswer>,
    /// Its monitor is gone.
    lost: bool,
}

/// A resource's thread as the rest of the world sees it.
struct Resource {
    opening: Opening,
    commands: Sender<Command>,
    abandoned: Arc<AtomicBool>,
    /// How many commands its thread has not done yet.
    pending: usize,
    waiter: Option<Waiter>,
    /// An event that came with Online while it was pending.
    event: Option<Event>,
}

/// The monitors of a world.
pub(crate) struct Host {
    world: Weak<Inner>,
    sources: BTreeMap<String, Source>,
    monitors: HashMap<u32, Arc<Monitor>>,
    resources: HashMap<isize, Resource>,
    /// Threads that have not begun: each begins when the instance before it was closed.
    waiting: BTreeMap<isize, Thread>,
    controls: HashMap<i64, Control>,
    log: VecDeque<MonitorLine>,
}

/// Contexts of control codes are unique in the process, as handles are, since callbacks name no world.
static NEXT_CONTROL: AtomicI64 = AtomicI64::new(0x4354_0000);

impl Host {
    pub(crate) fn new(world: Weak<Inner>) -> Self {
        Self {
            world,
            sources: BTreeMap::new(),
            monitors: HashMap::new(),
            resources: HashMap::new(),
            waiting: BTreeMap::new(),
            controls: HashMap::new(),
            log: VecDeque::new(),
        }
    }

    /// Where the DLL of a file name comes from; the world must be told too.
    pub(crate) fn provide(&mut self, dll: &str, source: Source) {
        self.sources.insert(crate::world::hosting::file_name(dll), source);
    }

    /// Does what the world orders.
    fn obey(&mut self, order: Order) {
        match order {
            Order::Open(handle, opening) => self.open(handle, opening),
            Order::Call(handle, entry) => {
                self.send(handle, Command::Call(entry));
            }
            Order::Control(handle, call) => {
                let number = call.number;
                if let Some(control) = self.controls.get_mut(&number) {
                    control.handle = handle;
                }
                if let Ok(context) = isize::try_from(number) {
                    callbacks::know(context, self.world.clone());
                }
                if !self.send(handle, Command::Control(call)) {
                    self.lose_controls(handle, ERROR_RESOURCE_NOT_FOUND, false);
                }
            }
            Order::Close(handle) => {
                self.send(handle, Command::Close);
            }
            Order::Abandon(handle, code) => {
                self.end(handle, true, code, false);
            }
            Order::End(monitor) => {
                self.monitors.remove(&monitor);
            }
            Order::Forget(handle) => {
                if let Some(resource) = self.resources.get_mut(&handle) {
                    resource.waiter = None;
                    resource.event = None;
                }
            }
        }
    }

    fn send(&mut self, handle: isize, command: Command) -> bool {
        let Some(resource) = self.resources.get_mut(&handle) else {
            return false;
        };
        let sent = resource.commands.send(command).is_ok();
        resource.pending += usize::from(sent);
        sent
    }

    /// A thread has done a command.
    fn done(&mut self, handle: isize) {
        if let Some(resource) = self.resources.get_mut(&handle) {
            resource.pending = resource.pending.saturating_sub(1);
        }
    }

    /// True when every thread has done what it was to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.resources.values().all(|resource| resource.pending == 0)
    }

    fn open(&mut self, handle: isize, opening: Opening) {
        let monitor = self.monitors.entry(opening.monitor).or_insert_with(|| {
            let source = self.sources.get(&opening.dll).cloned();
            Arc::new(Monitor {
                // What is hosted has a source, so this is for nobody.
                source: source.unwrap_or_else(|| Source::Path(opening.dll.clone().into())),
                kind: opening.kind.clone(),
                functions: Mutex::new(None),
            })
        });
        let (sender, commands) = mpsc::channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let thread = Thread {
            world: self.world.clone(),
            handle,
            opening: opening.clone(),
            monitor: Arc::clone(monitor),
            commands,
            abandoned: Arc::clone(&abandoned),
        };
        let resource = Resource {
            opening,
            commands: sender,
            abandoned,
            // The first is to open it.
            pending: 1,
            waiter: None,
            event: None,
        };
        self.resources.insert(handle, resource);
        self.waiting.insert(handle, thread);
        callbacks::know(handle, self.world.clone());
    }

    /// Begins the threads that need wait no longer. Those that could not be made, with the reason.
    fn begin_threads(&mut self) -> Vec<(isize, String)> {
        let is_ready = |thread: &Thread| {
            let before = thread.opening.after;
            before.is_none_or(|before| !self.resources.contains_key(&before))
        };
        let ready: Vec<isize> = self
            .waiting
            .iter()
            .filter(|(_, thread)| is_ready(thread))
            .map(|(handle, _)| *handle)
            .collect();
        let mut failed = Vec::new();
        for handle in ready {
            let Some(thread) = self.waiting.remove(&handle) else {
                continue;
            };
            let begun = std::thread::Builder::new()
                .name("sim-resource".into())
                .spawn(move || thread.run());
            if let Err(error) = begun {
                failed.push((handle, error.to_string()));
            }
        }
        failed
    }

    /// A resource is no longer a monitor's.
    fn end(&mut self, handle: isize, abandoned: bool, code: u32, unopened: bool) {
        callbacks::forget(handle);
        self.waiting.remove(&handle);
        if let Some(resource) = self.resources.remove(&handle) {
            resource.abandoned.store(abandoned, Ordering::Relaxed);
        }
        self.lose_controls(handle, code, unopened);
    }

    /// Control codes of a resource get no answer any more.
    fn lose_controls(&mut self, handle: isize, code: u32, unopened: bool) {
        for control in self.controls.values_mut().filter(|control| control.handle == handle) {
            control.lost = true;
            control.answer.get_or_insert(ControlAnswer {
                code,
                returned: 0,
                data: Vec::new(),
                unopened,
            });
        }
    }

    /// A control code has its answer.
    fn answer(&mut self, number: i64, answer: ControlAnswer) {
        if let Some(control) = self.controls.get_mut(&number) {
            control.answer.get_or_insert(answer);
        }
    }

    /// EndControlCall; false for a call that nobody waits for.
    fn control_ended(&mut self, number: i64, status: u32) -> bool {
        match self.controls.get_mut(&number) {
            Some(control) if control.ended.is_none() => {
                control.ended = Some(status);
                true
            }
            _ => false,
        }
    }

    fn wait_for(&mut self, handle: isize, event: Event) -> bool {
        let world = self.world.clone();
        let waiter = Waiter::start(event, move || {
            if let Some(world) = world.upgrade() {
                world.change(|state| state.world.hosted_signalled(handle));
            }
        });
        match (waiter, self.resources.get_mut(&handle)) {
            (Ok(waiter), Some(resource)) => {
                resource.waiter = Some(waiter);
                true
            }
            // Without a thread LooksAlive is asked instead.
            _ => false,
        }
    }
}

impl State {
    /// Has the monitors do what the world orders, until it orders no more.
    pub(crate) fn dispatch(&mut self) {
        self.world.follow_hosted();
        loop {
            for order in std::mem::take(&mut self.world.hosting.orders) {
                self.host.obey(order);
            }
            for (handle, why) in self.host.begin_threads() {
                self.log(handle, MonitorLevel::Severe, &why);
                self.hosted_ended(handle, Ended::Opened(Err(ERROR_RESMON_CREATE_FAILED)), None);
            }
            self.world.follow_hosted();
            if self.world.hosting.orders.is_empty() {
                return;
            }
        }
    }

    /// A DLL is there to be called for its types.
    pub(crate) fn provide(&mut self, dll: &str, source: Source) {
        self.host.provide(dll, source);
        self.world.host(dll);
    }

    /// SetResourceStatus: what it answers.
    fn hosted_told(&mut self, handle: isize, status: Status) -> u32 {
        let reply = self.world.hosted_told(handle, &status.told);
        if let Some(reason) = reply.refused {
            let told = status.told;
            let text = format!(
                "status {} with check point {} refused: {reason}",
                told.state, told.check_point
            );
            self.log(handle, MonitorLevel::Warning, &text);
        } else if reply.online {
            self.wait_for_event(handle, status.event);
        }
        reply.exit
    }

    /// An entry point has returned.
    fn hosted_ended(&mut self, handle: isize, ended: Ended, event: Option<Event>) {
        let known = self.world.hosting.instances.contains_key(&handle);
        let online = self.world.hosted_ended(handle, ended);
        match ended {
            // A failure to open has its own code for who waits for control codes.
            Ended::Opened(Err(code)) if known => self.host.end(handle, false, code, true),
            Ended::Closed if known => self.host.end(handle, false, ERROR_RESOURCE_NOT_FOUND, false),
            Ended::Begun(..) if online => self.wait_for_event(handle, event),
            Ended::Begun(..) => {
                if let Some(resource) = self.host.resources.get_mut(&handle) {
                    resource.event = event;
                }
            }
            _ => {}
        }
    }

    /// A resource has come online, with an event of its last status, or one that Online has given.
    fn wait_for_event(&mut self, handle: isize, event: Option<Event>) {
        let Some(resource) = self.host.resources.get_mut(&handle) else {
            return;
        };
        let Some(event) = event.or_else(|| resource.event.take()) else {
            return;
        };
        if self.host.wait_for(handle, event) {
            self.world.hosted_waited_for(handle);
        }
    }

    /// SetResourceLockedMode; false for a handle that is not known.
    fn lock_hosted(&mut self, handle: isize, locked: bool) -> bool {
        let subject = self
            .world
            .hosting
            .instances
            .get(&handle)
            .map(|instance| instance.subject.clone());
        let Some(subject) = subject else { return false };
        let cluster = self.world.cluster_mut(&subject.cluster);
        let resource = subject.resource.and_then(|id| cluster?.resource_mut(&id));
        match resource {
            Some(resource) => {
                resource.locked = locked;
                true
            }
            None => false,
        }
    }

    /// ExtendControlCall; false for a call that nobody waits for.
    fn extend_control(&mut self, number: i64, ms: u32) -> bool {
        match self.host.controls.get(&number) {
            Some(control) if !control.lost => self.world.extend_hosted(control.handle, ms),
            _ => false,
        }
    }

    /// Writes a line of the monitors' log.
    fn log(&mut self, handle: isize, level: MonitorLevel, text: &str) {
        let opening = self.host.resources.get(&handle).map(|resource| &resource.opening);
        let line = MonitorLine {
            at: Duration::from_millis(self.clock.now_ms()),
            resource: opening.map(|opening| opening.name.clone()).unwrap_or_default(),
            resource_type: opening.map(|opening| opening.kind.clone()).unwrap_or_default(),
            level,
            text: text.into(),
        };
        let (resource, kind) = (&line.resource, &line.resource_type);
        match level {
            MonitorLevel::Information => tracing::info!(resource, kind, text, "resource monitor"),
            MonitorLevel::Warning => tracing::warn!(resource, kind, text, "resource monitor"),
            MonitorLevel::Error | MonitorLevel::Severe => tracing::error!(resource, kind, text, "resource monitor"),
        }
        if self.host.log.len() >= LONGEST_LOG {
            self.host.log.pop_front();
        }
        self.host.log.push_back(line);
    }

    /// The lines of the monitors' log, the oldest first.
    pub(crate) fn monitor_log(&self) -> Vec<MonitorLine> {
        self.host.log.iter().cloned().collect()
    }
}

/// Waits for EndControlCall; `None` when nobody needs the answer any more.
fn wait_ended(world: &Inner, number: i64) -> Option<u32> {
    let mut state = world.lock();
    loop {
        let control = state.host.controls.get(&number)?;
        if control.lost {
            return None;
        }
        if let Some(status) = control.ended {
            return Some(status);
        }
        if state.shut_down {
            return None;
        }
        state = world.wait(state);
    }
}

/// Sends a control code to a DLL and waits for its answer. `send` hands it to the world; `None` when the DLL is not asked.
/// 1115 when the simulation shuts down.
pub(crate) fn control(
    world: &Inner,
    code: u32,
    input: Vec<u8>,
    room: Option<u32>,
    send: impl FnOnce(&mut State, ControlCall) -> Result<bool, u32>,
) -> Result<Option<ControlAnswer>, u32> {
    let number = NEXT_CONTROL.fetch_add(1, Ordering::Relaxed);
    let sent = world.change(|state| -> Result<bool, u32> {
        let call = ControlCall {
            number,
            code,
            input,
            room,
        };
        let sent = send(state, call)?;
        if sent {
            let control = Control {
                handle: 0,
                ended: None,
                answer: None,
                lost: false,
            };
            state.host.controls.insert(number, control);
        }
        Ok(sent)
    })?;
    if !sent {
        return Ok(None);
    }
    let mut state = world.lock();
    let answer = loop {
        match state.host.controls.get(&number) {
            Some(Control {
                answer: Some(answer), ..
            }) => break Ok(Some(answer.clone())),
            Some(_) if !state.shut_down => {}
            _ => break Err(ERROR_SHUTDOWN_IN_PROGRESS),
        }
        state = world.wait(state);
    };
    state.host.controls.remove(&number);
    drop(state);
    if let Ok(context) = isize::try_from(number) {
        callbacks::forget(context);
    }
    answer
}

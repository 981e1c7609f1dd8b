//! A process as a workload.

mod signals;
#[cfg(all(test, unix))]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio::time::Instant;

use super::{Call, CallProgress, Health, Notice, Standing, Workload, WorkloadFailure};
use signals::Group;

/// How often a call that waits for a process says so.
const TELLING: Duration = Duration::from_secs(1);

/// How often what a process has left behind is looked for.
const LOOKING: Duration = Duration::from_millis(50);

/// Which process to run, and how.
#[derive(Debug, Clone)]
pub struct ProcessOptions {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// A command that ends with 0 when the process does what it should; its time is bounded by `health_timeout`. Empty:
    /// the process is well as long as it runs.
    pub health_command: Vec<OsString>,
    /// How long the health command may take. Default 10 seconds.
    pub health_timeout: Duration,
    /// How long the process must run until it counts as started; with a health command that must succeed once, too.
    /// Default 1 second.
    pub ready_after: Duration,
    /// How long the health command may fail until the process counts as one that cannot be started, and is killed. Default
    /// 10 minutes.
    pub ready_within: Duration,
    /// How long the process may take to end in an orderly way before it is killed. Default 10 seconds.
    pub stop_grace: Duration,
}

impl ProcessOptions {
    /// The default options for a command.
    pub fn new(command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            health_command: Vec::new(),
            health_timeout: Duration::from_secs(10),
            ready_after: Duration::from_secs(1),
            ready_within: Duration::from_secs(600),
            stop_grace: Duration::from_secs(10),
        }
    }
}

/// A workload that runs a process for each of its resources.
///
/// ONLINE starts the process and waits until it is ready. OFFLINE asks it to end (SIGTERM to its process group; on Windows
/// `taskkill /T`) and kills it when it has not ended in time; TERMINATE kills it at once. A process that ends by itself
/// is told to the cluster at once, and so is a health command that fails, at the next check. When another agent holds the
/// workload, processes are killed.
///
/// A process finds in its environment `WSFC_WORKLOAD`, `WSFC_RESOURCE`, and `WSFC_PARAMETER_<KEY>` for each parameter
/// of the resource. The prefix keeps who may set parameters from steering the loader of an agent's host (`LD_PRELOAD`,
/// `PATH`). Its standard output and error are the agent's.
///
/// Processes are killed, with what they have started, when the last clone is dropped or the runtime ends; they outlive an
/// agent that is killed itself.
#[derive(Clone)]
pub struct ProcessWorkload {
    options: Arc<ProcessOptions>,
    /// Is told the notices of the agent, too.
    told: Option<Arc<Told>>,
    /// By the name of the resource in lower case.
    processes: Arc<Mutex<HashMap<String, Process>>>,
    /// By the name of the resource in lower case: is held while its process is started, so that who stops the process
    /// does not miss one that is just coming.
    starting: Arc<Mutex<HashMap<String, Arc<AsyncMutex<()>>>>>,
    /// True once processes are stopped for good.
    leaving: Arc<AtomicBool>,
}

type Told = dyn Fn(&Notice) + Send + Sync;

/// A process that was started.
#[derive(Debug, Clone)]
struct Process {
    id: u32,
    orders: mpsc::UnboundedSender<Order>,
    /// How it ended, once it has.
    end: watch::Receiver<Option<String>>,
    counted: Arc<Counted>,
    /// True once it was told to end.
    ending: Arc<AtomicBool>,
}

/// Whether the cluster counts on a process. Its end is told to the cluster by exactly one: by ONLINE when it has come
/// before that was answered, or else by the task that watches it.
#[derive(Debug, Default)]
struct Counted(Mutex<Counting>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Counting {
    #[default]
    No,
    Yes,
    /// The process has ended.
    Over,
}

impl Counted {
    fn is_on(&self) -> bool {
        *lock(&self.0) == Counting::Yes
    }

    /// From now on an end is a failure; false when the process has ended before.
    fn begin(&self) -> bool {
        self.change(Counting::Yes) != Counting::Over
    }

    /// From now on an end is expected.
    fn end(&self) {
        self.change(Counting::No);
    }

    /// The process has ended; true when it was counted on.
    fn is_over(&self) -> bool {
        self.change(Counting::Over) == Counting::Yes
    }

    /// Says how it was before. An end is for good.
    fn change(&self, to: Counting) -> Counting {
        let mut counting = lock(&self.0);
        let before = *counting;
        if before != Counting::Over {
            *counting = to;
        }
        before
    }
}

/// What a process is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Stop,
    Kill,
}

impl Process {
    fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Waits for the end of the process, and says how it ended.
    async fn end(&self) -> String {
        let mut end = self.end.clone();
        let ended = end.wait_for(Option::is_some).await;
        ended
            .ok()
            .and_then(|end| end.clone())
            .unwrap_or_else(|| "it is no longer watched".to_owned())
    }

    /// Tells a process to end that is no longer counted on.
    fn dismiss(&self, order: Order) {
        self.counted.end();
        self.order(order);
    }

    fn order(&self, order: Order) {
        self.ending.store(true, Ordering::Relaxed);
        // A process that has ended needs no order.
        let _ = self.orders.send(order);
    }
}

/// Kills a process whose start was not waited for to the end.
struct Unready(Option<Process>);

impl Drop for Unready {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            process.dismiss(Order::Kill);
        }
    }
}

impl ProcessWorkload {
    /// A workload that runs this process.
    pub fn new(options: ProcessOptions) -> Self {
        Self {
            options: Arc::new(options),
            told: None,
            processes: Arc::default(),
            starting: Arc::default(),
            leaving: Arc::default(),
        }
    }

    /// Tells the notices of the agent to `told`, which must not block.
    #[must_use]
    pub fn telling(self, told: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        let told = Some::<Arc<Told>>(Arc::new(told));
        Self { told, ..self }
    }

    /// Stops all processes in an orderly way, kills those that do not end in time, and waits until all have ended. To be
    /// called when the agent is to leave, and before it does: their ends are told to the cluster. From then on ONLINE is
    /// refused.
    pub async fn stop_all(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        // A start that is under way comes to its end, and then its process is there.
        let starting: Vec<_> = lock(&self.starting).values().cloned().collect();
        for starting in starting {
            drop(starting.lock().await);
        }
        let all: Vec<_> = self.lock().values().cloned().collect();
        for process in &all {
            // Each is still counted on, so its end is told as what it is to the cluster: a failure.
            process.order(Order::Stop);
        }
        let grace = tokio::time::sleep(self.options.stop_grace);
        let ends = async {
            for process in &all {
                process.end().await;
            }
        };
        tokio::pin!(ends);
        tokio::select! {
            () = &mut ends => return,
            () = grace => {}
        }
        for process in &all {
            process.order(Order::Kill);
        }
        ends.await;
    }

    /// The same without asking them to end in an orderly way.
    pub async fn kill_all(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        let all: Vec<_> = self.lock().values().cloned().collect();
        for process in &all {
            process.order(Order::Kill);
        }
        for process in &all {
            process.end().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Process>> {
        lock(&self.processes)
    }

    /// Is held while the process of a resource is started.
    fn starting(&self, resource: &str) -> Arc<AsyncMutex<()>> {
        lock(&self.starting).entry(resource.to_lowercase()).or_default().clone()
    }

    /// The process of a resource, started when it does not run. One that was told to end is waited for before.
    async fn started(&self, call: &Call, progress: &CallProgress) -> Result<Process, WorkloadFailure> {
        loop {
            let ending = {
                let starting = self.starting(&call.resource);
                let _starting = starting.lock().await;
                // A call that was cancelled ends here at the latest, or whoever cancelled it waits for the start.
                tokio::task::yield_now().await;
                if self.leaving.load(Ordering::SeqCst) {
                    return Err(WorkloadFailure::new("the agent is leaving"));
                }
                match self.running(&call.resource) {
                    Some(process) if process.ending.load(Ordering::Relaxed) => process,
                    Some(process) => return Ok(process),
                    None => return self.start(call),
                }
            };
            self.end_of(&ending, progress).await;
        }
    }

    /// Waits for the end of a process that was told to end, and kills it when its time is over.
    async fn end_of(&self, process: &Process, progress: &CallProgress) {
        let begun = Instant::now();
        while begun.elapsed() < self.options.stop_grace {
            let left = self.options.stop_grace.saturating_sub(begun.elapsed());
            progress.report(
                None,
                format!(
                    "waiting for the end of process {}, {} s left",
                    process.id,
                    left.as_secs()
                ),
            );
            if tokio::time::timeout(left.min(TELLING), process.end()).await.is_ok() {
                return;
            }
        }
        progress.report(None, format!("killing process {}", process.id));
        process.order(Order::Kill);
        process.end().await;
    }

    /// The process of a resource, while it runs.
    fn running(&self, resource: &str) -> Option<Process> {
        let found = self.lock().get(&resource.to_lowercase()).cloned();
        found.filter(|process| !process.has_ended())
    }

    fn start(&self, call: &Call) -> Result<Process, WorkloadFailure> {
        let mut command = command(&self.options.command, call)?;
        let child = command.kill_on_drop(true).spawn().map_err(|error| {
            let program = self.options.command.first().map(|name| name.to_string_lossy());
            WorkloadFailure::new(format!("cannot start {}: {error}", program.unwrap_or_default()))
        })?;
        let id = child.id().ok_or("the process has no id")?;
        let (orders, ordered) = mpsc::unbounded_channel();
        let (ended, end) = watch::channel(None);
        let process = Process {
            id,
            orders,
            end,
            counted: Arc::default(),
            ending: Arc::default(),
        };
        tokio::spawn(supervise(Supervision {
            child,
            id,
            ordered,
            ended,
            counted: process.counted.clone(),
            health: call.health(),
            grace: self.options.stop_grace,
        }));
        self.lock().insert(call.resource.to_lowercase(), process.clone());
        Ok(process)
    }

    /// Runs the health command; without one all is well.
    async fn check(&self, call: &Call) -> Result<(), WorkloadFailure> {
        if self.options.health_command.is_empty() {
            return Ok(());
        }
        let mut command = command(&self.options.health_command, call)?;
        let cannot_run =
            |error: std::io::Error| WorkloadFailure::new(format!("the health command cannot be run: {error}"));
        let mut child = command.kill_on_drop(true).spawn().map_err(cannot_run)?;
        let id = child.id().ok_or("the health command has no id")?;
        // What it has started ends with it, also when the check is cancelled.
        let _group = Group(id);
        match tokio::time::timeout(self.options.health_timeout, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(WorkloadFailure::new(format!("the health command ended with {status}"))),
            Ok(Err(error)) => Err(cannot_run(error)),
            Err(_) => {
                signals::kill(id).await;
                Err(WorkloadFailure::new(format!(
                    "the health command did not end within {} s",
                    self.options.health_timeout.as_secs_f64()
                )))
            }
        }
    }
}

impl std::fmt::Debug for ProcessWorkload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessWorkload")
            .field("options", &self.options)
            .field("processes", &self.processes)
            .finish_non_exhaustive()
    }
}

impl Workload for ProcessWorkload {
    async fn open(&self, call: &Call) -> Result<Standing, WorkloadFailure> {
        Ok(match self.running(&call.resource) {
            Some(process) if process.counted.is_on() => Standing::Online,
            _ => Standing::Offline,
        })
    }

    async fn online(&self, call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        let process = self.started(call, progress).await?;
        let mut unready = Unready(Some(process.clone()));
        progress.report(None, format!("process {} was started", process.id));
        let begun = Instant::now();
        loop {
            let left = self.options.ready_after.saturating_sub(begun.elapsed());
            let checked = async {
                tokio::time::sleep(left.min(TELLING)).await;
                self.check(call).await
            };
            let why = tokio::select! {
                end = process.end() => {
                    return Err(WorkloadFailure::new(format!("the process ended before it was ready: {end}")));
                }
                checked = checked => match checked {
                    Ok(()) if begun.elapsed() >= self.options.ready_after => break,
                    Ok(()) => format!("process {} runs", process.id),
                    Err(failure) if begun.elapsed() >= self.options.ready_within => {
                        return Err(WorkloadFailure::new(format!(
                            "the process was not ready within {} s: {failure}",
                            self.options.ready_within.as_secs_f64()
                        )));
                    }
                    Err(failure) => {
                        // The next attempt is not made at once, however quickly this one came to its end.
                        tokio::time::sleep(TELLING.saturating_sub(left)).await;
                        failure.message
                    }
                },
            };
            progress.report(None, format!("waiting until it is ready: {why}"));
        }
        unready.0 = None;
        if !process.counted.begin() {
            return Err(WorkloadFailure::new(format!(
                "the process ended: {}",
                process.end().await
            )));
        }
        Ok(())
    }

    async fn offline(&self, call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        let Some(process) = self.running(&call.resource) else {
            return Ok(());
        };
        process.dismiss(Order::Stop);
        self.end_of(&process, progress).await;
        Ok(())
    }

    async fn terminate(&self, call: &Call) {
        drop(self.starting(&call.resource).lock().await);
        if let Some(process) = self.running(&call.resource) {
            process.dismiss(Order::Kill);
            process.end().await;
        }
    }

    async fn check_health(&self, call: &Call) -> Result<(), WorkloadFailure> {
        let process = self.lock().get(&call.resource.to_lowercase()).cloned();
        match process {
            None => Err(WorkloadFailure::new("the process was not started by this agent")),
            Some(process) if process.has_ended() => Err(WorkloadFailure::new(format!(
                "the process ended: {}",
                process.end().await
            ))),
            Some(_) => self.check(call).await,
        }
    }

    async fn close(&self, call: &Call) {
        self.terminate(call).await;
        let resource = call.resource.to_lowercase();
        self.lock().remove(&resource);
        lock(&self.starting).remove(&resource);
    }

    fn notice(&self, notice: &Notice) {
        if let Some(told) = &self.told {
            told(notice);
        }
        if let Notice::StandingBy { .. } = notice {
            for process in self.lock().values() {
                process.dismiss(Order::Kill);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command of a call, in a process group of its own, so that what it starts can be stopped with it.
fn command(words: &[OsString], call: &Call) -> Result<Command, WorkloadFailure> {
    let (program, arguments) = words.split_first().ok_or("no program is named")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env("WSFC_WORKLOAD", &call.workload)
        .env("WSFC_RESOURCE", &call.resource)
        .envs(
            call.parameters
                .iter()
                .map(|(key, value)| (format!("WSFC_PARAMETER_{key}"), value)),
        );
    #[cfg(unix)]
    command.process_group(0);
    Ok(command)
}

/// What the task that watches a process works with.
struct Supervision {
    child: Child,
    id: u32,
    ordered: mpsc::UnboundedReceiver<Order>,
    ended: watch::Sender<Option<String>>,
    counted: Arc<Counted>,
    health: Health,
    grace: Duration,
}

/// Watches a process to its end and carries orders out. When nobody can give orders any more the process is killed.
async fn supervise(supervision: Supervision) {
    let Supervision {
        mut child,
        id,
        mut ordered,
        ended,
        counted,
        health,
        grace,
    } = supervision;
    let group = Group(id);
    let mut stopping = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            order = ordered.recv() => match order {
                Some(Order::Stop) => {
                    stopping = true;
                    signals::stop(id).await;
                }
                Some(Order::Kill) | None => {
                    signals::kill(id).await;
                    // The process itself in any case, whatever became of its group.
                    let _ = child.start_kill();
                    break child.wait().await;
                }
            },
        }
    };
    // What the process has started may take its time when it was asked to end; otherwise it ends with the process.
    let until = Instant::now() + grace;
    while stopping && signals::is_there(id) && Instant::now() < until {
        if let Ok(Some(Order::Kill) | None) = tokio::time::timeout(LOOKING, ordered.recv()).await {
            break;
        }
    }
    drop(group);
    let end = describe(&status);
    if counted.is_over() {
        health.failed(format!("the process ended: {end}"));
    }
    // Whoever waits for this may end the agent, and what was to be told is told by now.
    ended.send_replace(Some(end));
}

fn describe(status: &std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("its end could not be waited for: {error}"),
    }
}

//! The service itself: what `wsfcd run` is on a console, told by the service control manager and telling it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wsfc_windows::event_log::{self, EventSource};
use wsfc_windows::host::{self, Service};
use wsfc_windows::lifecycle::{Control as Ask, Exit};
use wsfcd::control::{Control, Controller, Phase, StartStep, StopStep, control};
use wsfcd::events::{Event, EventLog, LoggedEvents, Severity};
use wsfcd::logging::{self, chain};
use wsfcd::platform::Platform;
use wsfcd::settings::Log;
use wsfcd::settings::places;
use wsfcd::settings::sources::{SettingsError, SettingsFile, Sources};
use wsfcd::{Configuration, RunError};

use super::Run;
use super::events::QueuedEvents;
use super::exit::Code;

/// How long the last events may take on their way to the event log.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Why the service ended other than by being told to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The runtime or a thread.
    #[error("the system gave no runtime or thread")]
    System(#[source] io::Error),
    /// The daemon.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<&Failure> for Code {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Settings(_) => Self::Settings,
            Failure::System(_) => Self::System,
            Failure::Run(error) => error.into(),
        }
    }
}

/// Serves until the service control manager says that it is to end.
pub fn run(options: Run) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (controller, control) = control();
    let told = controller.clone();
    let name = options.service.name.clone();
    host::host(Service {
        name,
        start_hint: start_hint(StartStep::ClusterApi),
        stop_hint: stop_hint(StopStep::Operations { running: 0 }),
        told: Box::new(move |ask| match ask {
            Ask::Stop | Ask::Preshutdown => told.end(),
            Ask::Reload => told.reload(),
        }),
        body: Box::new(move || serve(options, &controller, control)),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The sources of the settings of a service: a file, and the environment that the system gives it.
pub fn sources(config: Option<PathBuf>, environment: Vec<(OsString, OsString)>) -> Sources {
    Sources {
        file: config.map_or_else(|| SettingsFile::IfThere(places::settings_file()), SettingsFile::Named),
        environment,
        flags: Vec::new(),
    }
}

/// Runs the daemon on the thread of the service, and says how it ended. Everything has ended when this returns: the system
/// may end the process as soon as it hears of it.
fn serve(options: Run, controller: &Controller, control: Control) -> Exit {
    let queue = event_log(&options.service.name);
    let events: Arc<dyn EventLog> = match &queue {
        Ok(queue) => Arc::new(queue.clone()),
        Err(_without) => Arc::new(LoggedEvents),
    };
    let ended = daemon(options, controller, control, &queue, &events);
    let exit = match &ended {
        Ok(()) => Exit::SUCCESS,
        Err(failure) => {
            let error = chain(failure);
            tracing::error!(error, "The service ends");
            // What the daemon itself fails at it reports.
            if !matches!(failure, Failure::Run(_)) {
                events.report(&Event::StartFailed { error });
            }
            Exit::Specific(Code::from(failure).number())
        }
    };
    if let Ok(queue) = queue
        && !queue.flush(LAST_EVENTS)
    {
        tracing::warn!("The event log hangs and may miss the last events");
    }
    exit
}

fn daemon(
    options: Run,
    controller: &Controller,
    control: Control,
    queue: &io::Result<QueuedEvents>,
    events: &Arc<dyn EventLog>,
) -> Result<(), Failure> {
    let sources = sources(options.config, std::env::vars_os().collect());
    let loaded = sources.load();
    // An administrator looks for the reason in the log, whatever it is.
    let log = match &loaded {
        Ok(loaded) => loaded.settings.log.clone(),
        Err(_unknown) => Log::default(),
    };
    let logging = logging::start(&log.of_service());
    if let Err(error) = queue {
        tracing::warn!(%error, "Events go to this log only, since the event log cannot be opened");
    }
    let configuration = Configuration {
        settings: loaded?.settings,
        sources,
        logging,
    };
    let platform = Platform {
        events: Arc::clone(events),
        ..Platform::system()
    };
    let reporter = report_phases(controller.phases()).map_err(Failure::System)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::System)?;
    let ended = runtime.block_on(wsfcd::run(configuration, platform, control));
    // It ends with the daemon, so that nothing is reported after the end.
    drop(runtime);
    if reporter.join().is_err() {
        tracing::error!("The thread that reports to the service control manager panicked");
    }
    Ok(ended?)
}

/// Reports each phase as it comes, on a thread of its own, since a step may keep the daemon's thread busy.
fn report_phases(mut phases: watch::Receiver<Phase>) -> io::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let report = async move {
        loop {
            let phase = *phases.borrow_and_update();
            match phase {
                Phase::Starting(step) => host::progress(start_hint(step)),
                Phase::Serving { .. } => host::running(),
                Phase::Stopping(step) => {
                    // A daemon that ends by itself was not told to; for one that was this is a step.
                    host::stopping(stop_hint(step));
                    host::progress(stop_hint(step));
                }
                Phase::Stopped => return,
            }
            if phases.changed().await.is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("wsfcd-service".into())
        .spawn(move || runtime.block_on(report))
}

/// How long a step of a start may take.
fn start_hint(step: StartStep) -> Duration {
    Duration::from_secs(match step {
        StartStep::ClusterApi => 30,
        // A journal that a crash left open is mended first.
        StartStep::Journal => 120,
        // Clusters that do not answer are given up after a while.
        StartStep::Recovery => 120,
        StartStep::Serving => 30,
    })
}

/// How long a step of a stop may take before the next is told. A daemon that hangs tells nothing more, and the system sees it.
fn stop_hint(step: StopStep) -> Duration {
    Duration::from_secs(match step {
        // Told again and again while operations run.
        StopStep::Operations { .. } => 15,
        StopStep::Connections => 30,
        StopStep::Journal => 60,
    })
}

fn event_log(source: &str) -> io::Result<QueuedEvents> {
    let source = EventSource::open(source)?;
    QueuedEvents::start(move |event| {
        let message = event.message();
        let severity = match message.severity {
            Severity::Information => event_log::Severity::Information,
            Severity::Warning => event_log::Severity::Warning,
            Severity::Error => event_log::Severity::Error,
        };
        let insertions = event.insertions();
        let insertions: Vec<&str> = insertions.iter().map(String::as_str).collect();
        source.report(severity, message.identifier(), &insertions)
    })
}

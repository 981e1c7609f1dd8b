//! A daemon on threads of the test's own process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tracing::Dispatch;
use wsfc_simulator::Simulation;
use wsfcd::cluster_api::Connected;
use wsfcd::daemon::{Daemon, StartError};
use wsfcd::events::LoggedEvents;
use wsfcd::listen::certificate_store;
use wsfcd::platform::{Clock, OsEntropy, OsProcesses, OsThreads, Platform, Threads};
use wsfcd::settings::Settings;

use super::NotStarted;
use crate::logs::Logs;

/// A daemon that runs.
pub(super) struct InProcess {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<std::convert::Infallible>,
    thread: JoinHandle<()>,
}

impl InProcess {
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub(super) async fn start(
        settings: Settings,
        simulation: Simulation,
        clock: Arc<dyn Clock>,
        logs: &Logs,
    ) -> Result<Self, NotStarted> {
        let (stop, stopped) = oneshot::channel();
        let (started, start) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        let dispatch = logs.dispatch();
        let thread = std::thread::Builder::new().name("wsfcd".into()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                run(settings, simulation, clock, &dispatch, started, stopped);
            });
            // The receiver sees the sender go.
            drop(done);
        });
        let thread = thread.expect("a thread");
        match start.await.expect("the daemon's thread does not panic") {
            Ok(address) => Ok(Self {
                address,
                stop,
                ended,
                thread,
            }),
            Err(error) => Err(NotStarted(wsfcd::logging::chain(&error))),
        }
    }

    pub(super) async fn stop(self) {
        // A daemon that has ended by itself needs no word.
        let _ = self.stop.send(());
        drop(self.ended.await);
        drop(self.thread.join());
    }

    /// As [`InProcess::stop`], without a runtime.
    pub(super) fn stop_blocking(self) {
        let _ = self.stop.send(());
        drop(self.thread.join());
    }
}

/// Runs a daemon on this thread, with a runtime of its own, until it is told to stop.
fn run(
    settings: Settings,
    simulation: Simulation,
    clock: Arc<dyn Clock>,
    dispatch: &Dispatch,
    started: oneshot::Sender<Result<SocketAddr, StartError>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            drop(started.send(Err(StartError::Thread(error))));
            return;
        }
    };
    let Connected { api, hosts } = Connected::simulated(simulation);
    let platform = Platform {
        clock,
        threads: Arc::new(LoggingThreads(dispatch.clone())),
        entropy: Arc::new(OsEntropy),
        events: Arc::new(LoggedEvents),
        processes: Arc::new(OsProcesses),
        hosts,
        certificate_store: certificate_store::system(),
    };
    runtime.block_on(async {
        match Daemon::start(settings, api, platform).await {
            Ok(daemon) => {
                drop(started.send(Ok(daemon.address())));
                tokio::select! {
                    // A sender that is gone is a test that is gone.
                    _told = stopped => {}
                    _failed = daemon.failure() => {}
                }
                daemon.stop().await;
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
}

/// Threads that log to the daemon's own dispatcher.
struct LoggingThreads(Dispatch);

impl Threads for LoggingThreads {
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
        let dispatch = self.0.clone();
        OsThreads.spawn(
            name,
            Box::new(move || tracing::dispatcher::with_default(&dispatch, work)),
        )
    }
}

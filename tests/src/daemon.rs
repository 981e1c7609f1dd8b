//! A daemon under test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::oneshot;
use tonic::transport::{Channel, Endpoint};
use tracing::Dispatch;
use wsfc_client::{Client, ConnectOptions};
use wsfc_clusapi::Clusapi;
use wsfc_simulator::{Scenario, Simulation};
use wsfcd::daemon::{Daemon, StartError};
use wsfcd::platform::{OsEntropy, OsThreads, Platform, SystemClock, Threads};
use wsfcd::settings::Settings;

use crate::logs::Logs;
use crate::wire::Wire;

/// A whole daemon in this process, on a loopback port, in a data directory and over a simulated world of its own.
///
/// End it with [`TestDaemon::finish`], which judges its log. When a test fails the log is printed.
pub struct TestDaemon {
    simulation: Simulation,
    settings: Settings,
    logs: Logs,
    dir: Arc<TempDir>,
    running: Option<Running>,
    judged: bool,
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<std::convert::Infallible>,
    thread: JoinHandle<()>,
}

/// A daemon to be started.
pub struct Builder {
    scenario: Scenario,
    settings: Settings,
    dir: Arc<TempDir>,
}

impl Builder {
    /// Changes the settings that the daemon starts with.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Where the daemon will keep its journal.
    pub fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// Starts the daemon.
    ///
    /// # Panics
    ///
    /// It does not start.
    #[expect(clippy::panic, reason = "how a test fails")]
    pub async fn start(self) -> TestDaemon {
        match self.try_start().await {
            Ok(daemon) => daemon,
            Err(error) => panic!("{}", wsfcd::logging::chain(&error)),
        }
    }

    /// Starts the daemon, if it will.
    ///
    /// # Errors
    ///
    /// Why it did not start.
    ///
    /// # Panics
    ///
    /// The scenario makes no world.
    #[expect(clippy::panic, reason = "a scenario that makes no world is a mistake of the test")]
    pub async fn try_start(self) -> Result<TestDaemon, StartError> {
        let simulation = match Simulation::new(self.scenario) {
            Ok(simulation) => simulation,
            Err(error) => panic!("{error:?}"),
        };
        let mut daemon = TestDaemon {
            simulation,
            settings: self.settings,
            logs: Logs::default(),
            dir: self.dir,
            running: None,
            judged: false,
        };
        match daemon.start_again().await {
            Ok(()) => Ok(daemon),
            Err(error) => {
                // There is nothing to judge about a daemon that never ran.
                daemon.judged = true;
                Err(error)
            }
        }
    }
}

impl TestDaemon {
    /// Starts a daemon with the settings of tests: a free port, no pause between creating a cluster and adding a node.
    pub async fn start(scenario: Scenario) -> Self {
        Self::builder(scenario).start().await
    }

    /// A daemon to be started.
    ///
    /// # Panics
    ///
    /// There is no room for a temporary directory.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub fn builder(scenario: Scenario) -> Builder {
        let dir = Arc::new(TempDir::new().expect("a temporary directory"));
        let mut settings = Settings {
            data_dir: dir.path().join("data"),
            ..Settings::default()
        };
        settings.listen.address = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.listen.threads = 2;
        settings.operations.create_settle = Duration::ZERO;
        Builder {
            scenario,
            settings,
            dir,
        }
    }

    /// A client of the daemon that reconnects quickly.
    ///
    /// # Panics
    ///
    /// The daemon is stopped.
    pub fn client(&self) -> Client {
        connect(self.connect_options())
    }

    /// A client whose connections run over a wire.
    pub fn client_over(&self, wire: &Wire) -> Client {
        connect(ConnectOptions {
            endpoints: vec![wire.endpoint()],
            ..self.connect_options()
        })
    }

    /// The options of [`TestDaemon::client`], to be changed.
    pub fn connect_options(&self) -> ConnectOptions {
        ConnectOptions {
            retry_initial: Duration::from_millis(5),
            retry_longest: Duration::from_millis(50),
            ..ConnectOptions::new([self.address().to_string()])
        }
    }

    /// A wire to the daemon.
    ///
    /// # Panics
    ///
    /// No loopback port is free.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub async fn wire(&self) -> Wire {
        Wire::to(self.address()).await.expect("a loopback port")
    }

    /// A bare channel, for what the client library keeps its users from.
    ///
    /// # Panics
    ///
    /// The daemon does not accept.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address())).expect("an address is a URL");
        endpoint.connect().await.expect("the daemon accepts")
    }

    /// Where the daemon listens.
    ///
    /// # Panics
    ///
    /// The daemon is stopped.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub fn address(&self) -> SocketAddr {
        self.running.as_ref().expect("the daemon runs").address
    }

    /// The remote control of the simulated world, which outlives restarts.
    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// The log of every run so far.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Where the daemon keeps its journal.
    pub fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// The folder of this test, which holds the data directory and goes with the daemon.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Changes the settings that the next start takes.
    pub fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
    }

    /// Stops the daemon in order.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            // A daemon that has ended by itself needs no word.
            let _ = running.stop.send(());
            drop(running.ended.await);
            drop(running.thread.join());
        }
    }

    /// Starts the daemon again, over the same journal and the same world.
    ///
    /// # Errors
    ///
    /// Why it did not start.
    ///
    /// # Panics
    ///
    /// There is no thread for it.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub async fn start_again(&mut self) -> Result<(), StartError> {
        self.stop().await;
        let (stop, stopped) = oneshot::channel();
        let (started, start) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        let (settings, simulation, dispatch) = (self.settings.clone(), self.simulation.clone(), self.logs.dispatch());
        let thread = std::thread::Builder::new().name("wsfcd".into()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || run(settings, simulation, &dispatch, started, stopped));
            // The receiver sees the sender go.
            drop(done);
        });
        let thread = thread.expect("a thread");
        let address = start.await.expect("the daemon's thread does not panic")?;
        self.running = Some(Running {
            address,
            stop,
            ended,
            thread,
        });
        Ok(())
    }

    /// Stops the daemon and starts it again, over the same journal and the same world.
    ///
    /// # Panics
    ///
    /// It does not start.
    #[expect(clippy::panic, reason = "how a test fails")]
    pub async fn restart(&mut self) {
        if let Err(error) = self.start_again().await {
            panic!("{}", wsfcd::logging::chain(&error));
        }
    }

    /// Stops the daemon and judges its log.
    ///
    /// # Panics
    ///
    /// It logged a warning or an error that the test did not expect.
    pub async fn finish(mut self) {
        self.stop().await;
        self.judged = true;
        let unexpected = self.logs.unexpected();
        assert!(unexpected.is_empty(), "unexpected in the log: {unexpected:#?}");
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // Calls that hang on purpose must not hold up the end.
            self.simulation.shutdown();
            let _ = running.stop.send(());
            drop(running.thread.join());
        }
        if std::thread::panicking() {
            print_log(&self.logs);
        } else {
            assert!(self.judged, "a test ends its daemon with `finish`");
        }
    }
}

/// Runs a daemon on this thread, with a runtime of its own, until it is told to stop.
fn run(
    settings: Settings,
    simulation: Simulation,
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
    let platform = Platform {
        clock: Arc::new(SystemClock),
        threads: Arc::new(LoggingThreads(dispatch.clone())),
        entropy: Arc::new(OsEntropy),
    };
    runtime.block_on(async {
        match Daemon::start(settings, Clusapi::from_provider(simulation), platform).await {
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

#[expect(clippy::expect_used, reason = "a mistake of the test")]
fn connect(options: ConnectOptions) -> Client {
    Client::lazy(options).expect("usable options")
}

#[expect(clippy::print_stderr, reason = "the test harness shows it when the test fails")]
fn print_log(logs: &Logs) {
    eprintln!("--- the log of the daemon ---\n{}", logs.text());
}

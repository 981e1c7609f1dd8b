//! A daemon under test.

mod in_process;
mod process;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use wsfc_client::{BearerSource, Client, ConnectOptions, TlsOptions};
use wsfc_simulator::remote::RemoteControl;
use wsfc_simulator::{Scenario, Simulation};
use wsfcd::access::policy::{ADMINISTRATOR, Binding};
use wsfcd::platform::{Clock, SystemClock};
use wsfcd::settings::{Settings, Tls};

use self::in_process::InProcess;
use self::process::Process;
use crate::certificates::{Authority, write_private};
use crate::logs::Logs;
use crate::simulated::SimulatedWorld;
use crate::under_test::UnderTest;
use crate::wire::Wire;

/// The name in the certificates of daemons under test.
const SERVER_NAME: &str = "localhost";
/// The name in the certificate of the harness, which administers them.
const CLIENT_NAME: &str = "administrator.test";

/// A whole daemon on a loopback port, in a data directory and over a simulated world of its own; [`UnderTest`] says what
/// runs it. One in another process is served over TLS.
///
/// End it with [`TestDaemon::finish`], which judges its log. When a test fails the log is printed.
pub struct TestDaemon {
    under_test: UnderTest,
    world: SimulatedWorld,
    settings: Settings,
    /// Who certified it, when the harness did: its own certificate and those of its clients.
    authority: Option<Certified>,
    logs: Logs,
    clock: Arc<dyn Clock>,
    dir: Arc<TempDir>,
    running: Option<Running>,
    judged: bool,
}

/// Who certifies a daemon and its clients.
#[derive(Clone)]
struct Certified {
    authority: Arc<Authority>,
    /// The certificate of the harness.
    client: wsfc_client::Identity,
}

enum Running {
    InProcess(InProcess),
    Process(Process),
}

/// Why a daemon did not start: all that it says about it, in one line.
#[derive(Debug)]
pub struct NotStarted(String);

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A daemon to be started.
pub struct Builder {
    under_test: UnderTest,
    scenario: Scenario,
    settings: Settings,
    /// Whether it gets a certificate, unless the test gives it one.
    secured: bool,
    log: Option<&'static str>,
    clock: Arc<dyn Clock>,
    dir: Arc<TempDir>,
}

impl Builder {
    /// Takes the time from this clock; only where the daemon is [in this process](Self::in_process).
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Logs what this filter lets through.
    #[must_use]
    pub fn log(mut self, filter: &'static str) -> Self {
        self.log = Some(filter);
        self
    }

    /// Changes the settings that the daemon starts with.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Observes clusters, as daemons do anyway. Tests that hold and count calls of the cluster API want nobody else to make
    /// any.
    #[must_use]
    pub fn observing(mut self) -> Self {
        self.settings.inventory.observe = true;
        self
    }

    /// Without certificates, for tests that speak to the bare socket: whoever comes is an administrator.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.secured = false;
        self.settings.access.loopback_role = Some(ADMINISTRATOR.into());
        self
    }

    /// Itself where the daemon runs in the test's process, for tests that cannot be about another one. In a run about
    /// another one the test is left out, which is said and counted on standard error with the reason.
    #[must_use]
    pub fn in_process(self, why: &str) -> Option<Self> {
        self.under_test.is(UnderTest::InProcess, why).then_some(self)
    }

    /// As [`Self::in_process`], of the program of this system, for tests that end its process.
    #[must_use]
    pub fn in_a_process(self, why: &str) -> Option<Self> {
        self.under_test.is(UnderTest::Binary, why).then_some(self)
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
            Err(error) => panic!("{error}"),
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
    pub async fn try_start(mut self) -> Result<TestDaemon, NotStarted> {
        let world = self.world();
        let certified = self.secured && self.settings.tls.is_none();
        let authority = certified.then(|| self.certify());
        let mut daemon = TestDaemon {
            under_test: self.under_test,
            world,
            settings: self.settings,
            authority,
            logs: Logs::filtered(self.log),
            clock: self.clock,
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

    #[expect(clippy::panic, reason = "a scenario that makes no world is a mistake of the test")]
    fn world(&self) -> SimulatedWorld {
        if self.under_test == UnderTest::InProcess {
            match Simulation::new(self.scenario.clone()) {
                Ok(simulation) => SimulatedWorld::here(simulation),
                Err(error) => panic!("{error:?}"),
            }
        } else {
            process::write_scenario(self.dir.path(), &self.scenario);
            match RemoteControl::listen() {
                Ok(control) => SimulatedWorld::there(control),
                Err(error) => panic!("no loopback port for the remote control: {error}"),
            }
        }
    }

    /// Gives the daemon a certificate, makes the harness its administrator, and nobody else anything.
    fn certify(&mut self) -> Certified {
        let authority = Authority::new();
        let file = |name: &str| self.dir.path().join(name);
        let tls = Tls {
            client_ca: Some(file("clients.pem")),
            ..Tls::new(file("server.pem"), file("server.key"))
        };
        let server = authority.issue(SERVER_NAME);
        write_private(&tls.certificate, &server.cert_pem);
        write_private(&tls.key, &server.key_pem);
        write_private(&file("clients.pem"), &authority.pem());
        self.settings.tls = Some(tls);
        self.settings.access.bindings.push(Binding {
            subject: format!("dns:{CLIENT_NAME}"),
            role: ADMINISTRATOR.into(),
            clusters: None,
        });
        Certified {
            client: authority.issue(CLIENT_NAME),
            authority: Arc::new(authority),
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
    pub fn builder(scenario: Scenario) -> Builder {
        Self::builder_for(UnderTest::get(), scenario)
    }

    /// A daemon to be started, for comparisons of one with another.
    ///
    /// # Panics
    ///
    /// There is no room for a temporary directory.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub fn builder_for(under_test: UnderTest, scenario: Scenario) -> Builder {
        let dir = Arc::new(TempDir::new().expect("a temporary directory"));
        let mut settings = Settings {
            data_dir: dir.path().join("data"),
            ..Settings::default()
        };
        settings.listen.address = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.listen.threads = 2;
        settings.operations.create_settle = Duration::ZERO;
        settings.inventory.observe = false;
        if under_test == UnderTest::Windows {
            // All daemons on a host would have the same pipes, and each test has some of its own.
            let name = dir
                .path()
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .replace('.', "");
            settings.workloads.endpoint = Some(format!(r"\\.\pipe\wsfcd-test-{name}"));
            settings.listen.local_endpoint = Some(format!(r"\\.\pipe\wsfcd-test-api-{name}"));
        }
        Builder {
            under_test,
            scenario,
            settings,
            secured: true,
            log: None,
            clock: Arc::new(SystemClock),
            dir,
        }
    }

    /// What a daemon of this kind needs and is not there, with what makes it; nothing when all is.
    pub fn missing(under_test: UnderTest) -> Option<String> {
        process::missing(under_test)
    }

    /// A client of the daemon that reconnects quickly.
    ///
    /// # Panics
    ///
    /// The daemon is stopped.
    pub fn client(&self) -> Client {
        connect(self.connect_options())
    }

    /// A client with a certificate for a name, which has the roles that the settings bind to `dns:` and the name.
    ///
    /// # Panics
    ///
    /// The daemon is stopped, or the harness has not certified it.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub fn client_of(&self, name: &str) -> Client {
        let certified = self.authority.as_ref().expect("a daemon of the harness's authority");
        let mut options = self.connect_options();
        if let Some(tls) = &mut options.tls {
            tls.identity = Some(certified.authority.issue(name));
        }
        connect(options)
    }

    /// A client that shows no certificate, and a token if it has one.
    ///
    /// # Panics
    ///
    /// The daemon is stopped.
    pub fn client_showing(&self, token: Option<String>) -> Client {
        let mut options = self.connect_options();
        if let Some(tls) = &mut options.tls {
            tls.identity = None;
        }
        options.bearer = token.map(BearerSource::token);
        connect(options)
    }

    /// A client at the socket that is for administrators of the host.
    ///
    /// # Panics
    ///
    /// The daemon is stopped.
    pub fn local_client(&self) -> Client {
        let endpoint = format!("unix:{}", self.settings.local_endpoint());
        connect(ConnectOptions {
            endpoints: vec![endpoint],
            tls: None,
            ..self.connect_options()
        })
    }

    /// Who certifies the daemon and its clients.
    ///
    /// # Panics
    ///
    /// The harness has not certified it.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub fn authority(&self) -> &Authority {
        let certified = self.authority.as_ref().expect("a daemon of the harness's authority");
        &certified.authority
    }

    /// A client whose connections run over a wire.
    pub fn client_over(&self, wire: &Wire) -> Client {
        connect(self.connect_options_over(wire))
    }

    /// The options of [`TestDaemon::client`], to be changed.
    pub fn connect_options(&self) -> ConnectOptions {
        self.connect_options_to(self.address())
    }

    /// The options of [`TestDaemon::client_over`], to be changed.
    pub fn connect_options_over(&self, wire: &Wire) -> ConnectOptions {
        self.connect_options_to(wire.address())
    }

    fn connect_options_to(&self, address: SocketAddr) -> ConnectOptions {
        let tls = self.authority.clone().map(|certified| TlsOptions {
            ca_pem: Some(certified.authority.pem()),
            identity: Some(certified.client),
            server_name: Some(SERVER_NAME.into()),
        });
        ConnectOptions {
            tls,
            retry_initial: Duration::from_millis(5),
            retry_longest: Duration::from_millis(50),
            // An address without a scheme: with certificates or not, as `tls` says.
            ..ConnectOptions::new([address.to_string()])
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
    pub async fn channel(&self) -> Channel {
        let client = self.authority.as_ref().map(|certified| certified.client.clone());
        self.channel_with(client).await
    }

    /// As [`channel`](Self::channel), with a certificate for another name than that of the harness.
    ///
    /// # Panics
    ///
    /// The daemon does not accept, or the harness has not certified it.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub async fn channel_of(&self, name: &str) -> Channel {
        let certified = self.authority.as_ref().expect("a daemon of the harness's authority");
        self.channel_with(Some(certified.authority.issue(name))).await
    }

    #[expect(clippy::expect_used, reason = "how a test fails")]
    async fn channel_with(&self, client: Option<wsfc_client::Identity>) -> Channel {
        let url =
            |scheme| Endpoint::from_shared(format!("{scheme}://{}", self.address())).expect("an address is a URL");
        let endpoint = match (&self.authority, client) {
            (Some(Certified { authority, .. }), Some(client)) => {
                let tls = ClientTlsConfig::new()
                    .ca_certificate(Certificate::from_pem(authority.pem()))
                    .identity(Identity::from_pem(&client.cert_pem, &client.key_pem))
                    .domain_name(SERVER_NAME);
                url("https").tls_config(tls).expect("a certificate of the harness")
            }
            _ => url("http"),
        };
        endpoint.connect().await.expect("the daemon accepts")
    }

    /// Where the daemon listens.
    ///
    /// # Panics
    ///
    /// The daemon is stopped.
    pub fn address(&self) -> SocketAddr {
        match self.running() {
            Running::InProcess(daemon) => daemon.address,
            Running::Process(daemon) => daemon.address,
        }
    }

    /// The id of the daemon's process, as the daemon knows it; a Windows program does not know the one that it has here.
    ///
    /// # Panics
    ///
    /// The daemon is stopped.
    pub fn process_id(&self) -> Option<u32> {
        match self.running() {
            Running::InProcess(_) => Some(std::process::id()),
            Running::Process(daemon) => (self.under_test == UnderTest::Binary).then(|| daemon.id()),
        }
    }

    #[expect(clippy::expect_used, reason = "how a test fails")]
    fn running(&self) -> &Running {
        self.running.as_ref().expect("the daemon runs")
    }

    /// Whether clients connect over TLS by the harness's certificate.
    pub fn is_secured(&self) -> bool {
        self.authority.is_some()
    }

    /// What steers the simulated world, which outlives restarts.
    pub fn simulation(&self) -> &SimulatedWorld {
        &self.world
    }

    /// The log of every run so far.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Where the daemon keeps its journal.
    pub fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// Where resource DLLs reach the daemon, as the host knows it.
    pub fn workload_endpoint(&self) -> String {
        self.settings.workload_endpoint()
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
    ///
    /// # Panics
    ///
    /// Its process does not end.
    pub async fn stop(&mut self) {
        match self.running.take() {
            None => {}
            Some(Running::InProcess(daemon)) => daemon.stop().await,
            Some(Running::Process(daemon)) => {
                self.world.keep_counts();
                let grace = self.settings.operations.shutdown_grace;
                let patience = grace + self.under_test.patience(Duration::from_secs(30));
                daemon.stop(patience, &self.logs).await;
            }
        }
    }

    /// Kills the daemon's process: nothing of its own runs any more.
    ///
    /// # Panics
    ///
    /// It has no process of its own.
    #[expect(clippy::panic, reason = "a mistake of the test")]
    pub fn kill(&mut self) {
        match self.running.take() {
            Some(Running::Process(daemon)) => {
                self.world.keep_counts();
                // Killed when it is dropped.
                drop(daemon);
            }
            _ => panic!("no process to be killed"),
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
    /// There is no thread or process for it.
    pub async fn start_again(&mut self) -> Result<(), NotStarted> {
        self.stop().await;
        let settings = &self.settings;
        self.running = Some(match self.world.simulation() {
            Some(simulation) => {
                let daemon = InProcess::start(settings.clone(), simulation.clone(), self.clock.clone(), &self.logs);
                Running::InProcess(daemon.await?)
            }
            None => {
                let daemon = Process::start(self.under_test, settings, &self.world, self.dir.path(), &self.logs);
                Running::Process(daemon.await?)
            }
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
            panic!("{error}");
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
        if let Some(Running::InProcess(daemon)) = self.running.take() {
            self.world.end();
            daemon.stop_blocking();
        }
        if std::thread::panicking() {
            print_log(&self.logs);
        } else {
            assert!(self.judged, "a test ends its daemon with `finish`");
        }
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

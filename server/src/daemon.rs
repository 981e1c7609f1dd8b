//! The daemon as a whole: its start, its stop, and the order of both.
//!
//! Start: take the address, lock and open the journal, settle what a former daemon left, then listen; a start that fails
//! on the way stops what it had begun. Stop: refuse what is new, send agents away, end the streams, let running operations
//! end, end the observers of clusters, end the channel of resource DLLs, close the journal. When the journal has failed, it refuses what is new by itself, and streams
//! end only after the operations.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;
use wsfc_clusapi::Clusapi;

pub use self::own::FreshenError;
use crate::access::Access;
use crate::access::bearer::{Bearer, BearerError};
use crate::access::enrolment::{self, Enrolment, Kept};
use crate::access::files::AccessFolder;
use crate::access::layer::AccessLayer;
use crate::audit::Audit;
use crate::control::{Phase, Phases, StartStep, StopStep};
use crate::events::Event;
use crate::grpc;
use crate::grpc::identity::Identities;
use crate::grpc::stream::Streams;
use crate::journal::{AppendError, Journal, MemoryBudget, OpenError, Opened, Options, Retention, StoreFailed};
use crate::listen::accept;
use crate::listen::certificates::{Files, Keeper};
use crate::listen::connection::Accepted;
use crate::listen::descriptors::make_room;
use crate::listen::host::ListenError;
use crate::listen::local::LocalListener;
use crate::listen::rate::Rates;
use crate::listen::refusals::Refusals;
use crate::listen::registry::Connections;
use crate::listen::serving::Serving;
use crate::listen::tls::{Certificates, ClientCertificates, TlsError};
use crate::logging::chain;
use crate::native;
use crate::operation::engine::Engine;
use crate::operation::fold::Rules;
use crate::platform::Platform;
use crate::settings::current::{Change, Current, change};
use crate::settings::sources::SettingsError;
use crate::settings::{Settings, Unfit};
use crate::workload::location::Location;
use crate::workload::{Listener, Workloads};

/// How long connections get to end after their streams have been told to.
const DRAIN: Duration = Duration::from_secs(5);
/// The same when the system ends the process by force soon.
const HASTY_DRAIN: Duration = Duration::from_millis(500);
/// How much of such a time is kept for the journal.
const HASTY_CLOSE: Duration = Duration::from_millis(500);
/// How often a stop that waits for operations looks how many are left.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Connections that the system holds for the acceptor.
const LISTEN_BACKLOG: u32 = 1_024;

/// How often, and how far apart, a file that somebody reads is replaced once more.
const REPLACE_ATTEMPTS: u32 = 20;
const REPLACE_PAUSE: Duration = Duration::from_millis(100);

/// What an operator must know who gives a role to whoever comes.
pub const SERVES_ANYBODY: &str =
    "`access.unauthenticated_role` is set: everybody who reaches the address has that role";

/// What an operator must know who serves the network without TLS.
pub const SERVES_IN_PLAIN: &str =
    "`listen.allow_plain` is set: whoever is on the way can read and change all that clients and the daemon say";

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that do not fit together.
    #[error("the settings do not fit together")]
    Settings(#[from] Unfit),
    /// Certificates.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// Issuers of bearer tokens.
    #[error("bearer tokens cannot be taken")]
    Bearer(#[from] BearerError),
    /// The own authority.
    #[error("the daemon has no certificate of its own authority")]
    Own(#[from] FreshenError),
    /// What was granted and issued before.
    #[error("what was granted before cannot be known")]
    Access(#[from] enrolment::OpenError),
    /// The journal.
    #[error("the journal in {} cannot be opened", path.display())]
    Journal {
        /// The data directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// What a former daemon left cannot be settled.
    #[error("the operations of the last run cannot be settled")]
    Recover(#[source] AppendError),
    /// The socket.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The endpoint of resource DLLs.
    #[error("resource DLLs cannot connect at {endpoint}")]
    Channel {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: ListenError,
    },
    /// The endpoint of administrators of the host.
    #[error("administrators of this host cannot connect at {endpoint}")]
    Local {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: ListenError,
    },
    /// The ready file.
    #[error("cannot write the ready file {}", path.display())]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The reflection service.
    #[error("the contract's own descriptor set cannot be read, which is a defect of the build")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A thread.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
}

/// Why settings that were read again are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They cannot be had.
    #[error("the settings cannot be read")]
    Settings(#[from] SettingsError),
    /// Certificates.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
}

/// The core without sockets: journal, engine and services. What listens is built around it; the deterministic simulation
/// serves it over a network of its own.
pub struct Core {
    /// The engine.
    pub engine: Engine,
    /// What agents run.
    pub workloads: Workloads,
    /// Until when the certificates of the listener are good.
    pub certificates: Current<Certificates>,
    /// Who may call what.
    pub access: Access,
    /// How often.
    rates: Arc<Rates>,
    /// What is granted and issued while it runs.
    pub enrolment: Enrolment,
    settings: Current<Settings>,
    stop: CancellationToken,
}

impl Core {
    /// Puts engine and services over an opened journal, and settles what a former daemon left. The writer must be running.
    ///
    /// # Errors
    ///
    /// The journal takes nothing new.
    pub async fn new(
        settings: Settings,
        journal: Journal,
        unfinished: &[Arc<wsfc_proto::v1::Operation>],
        kept: Kept,
        api: Clusapi,
        platform: Platform,
    ) -> Result<Self, AppendError> {
        let stop = CancellationToken::new();
        let access = Access::new(&settings, Arc::clone(&platform.clock));
        let enrolment = Enrolment::new(kept, access.clone(), platform.clone());
        let settings = Current::new(settings);
        let engine = Engine::new(journal, api, platform.clone(), settings.clone(), stop.clone());
        let recovered = engine.recover(unfinished).await;
        // What was taken up before the failure must not begin.
        recovered.inspect_err(|_failed| stop.cancel())?;
        // What was interrupted is settled first, so that its look at a cluster shares the cluster with nobody.
        engine.clusters().start();
        let location = Location::new(engine.clusters().clone(), engine.journal().clone());
        let workloads = Workloads::new(platform, location);
        Ok(Self {
            engine,
            workloads,
            certificates: Current::new(Certificates::default()),
            access,
            rates: Arc::new(Rates::new(settings.clone())),
            enrolment,
            settings,
            stop,
        })
    }

    /// The layer that decides each call of these routes. With an audit log, it writes down what changes something before
    /// it is carried out, and what is refused.
    pub fn access_layer(&self, audit: Option<&Audit>) -> AccessLayer {
        let request_bytes = self.settings.get().limits.request_bytes;
        let clusters = self.engine.clusters().clone();
        let rates = Arc::clone(&self.rates);
        AccessLayer::new(self.access.clone(), clusters, request_bytes, rates, audit.cloned())
    }

    /// The routes of one serving thread, and the dispatcher of its streams, which that thread must run.
    ///
    /// # Errors
    ///
    /// The descriptor set cannot be read, which is a defect of the build.
    pub fn routes(
        &self,
        health: HealthServer<impl Health>,
    ) -> Result<(Routes, impl Future<Output = ()> + Send + 'static), tonic_reflection::server::Error> {
        let journal = self.engine.journal().clone();
        let lane = journal.lane();
        let dispatcher = lane.clone();
        let dispatch = async move { dispatcher.dispatch().await };
        let streams = Streams {
            journal,
            lane,
            settings: self.settings.clone(),
            stop: self.stop.clone(),
        };
        let identities = Identities {
            enrolment: self.enrolment.clone(),
            access: self.access.clone(),
            certificates: self.certificates.clone(),
        };
        let routes = grpc::routes(
            &self.engine,
            &self.workloads,
            identities,
            streams,
            &self.settings,
            health,
        )?;
        Ok((routes, dispatch))
    }
}

/// The journal's options that follow from the settings.
pub fn journal_options(settings: &Settings) -> Options {
    let memory = MemoryBudget {
        records: settings.journal.memory_records,
        ..MemoryBudget::default()
    };
    Options {
        memory,
        event_memory: memory,
        retention: retention(settings),
        rules: Rules {
            cancel_running: settings.operations.cancel_answers_false,
        },
        native_status: native::status,
        ..Options::default()
    }
}

fn retention(settings: &Settings) -> Retention {
    Retention {
        keep_operations: settings.journal.keep_operations,
        keep_for: settings.journal.keep_for,
        keep_events: u64::try_from(settings.journal.keep_events).unwrap_or(u64::MAX),
        ..Retention::default()
    }
}

/// A daemon that serves.
pub struct Daemon {
    core: Core,
    address: SocketAddr,
    /// Who is connected.
    connections: Connections,
    /// What connections are secured with.
    tls: Option<Keeper>,
    refusals: Refusals,
    health: HealthReporter,
    audit: Audit,
    platform: Platform,
    phases: Phases,
    serving: Vec<oneshot::Receiver<()>>,
    /// Ends serving threads whose connections do not end.
    cut: CancellationToken,
    written: oneshot::Receiver<()>,
    ready_file: Option<PathBuf>,
    /// Where resource DLLs connect.
    channel: Option<Listener>,
}

impl Daemon {
    /// Starts a daemon; it serves when this returns.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. Nothing is left behind but the data directory; what had been taken up got the time that a stop
    /// gives.
    pub async fn start(settings: Settings, api: Clusapi, platform: Platform) -> Result<Self, StartError> {
        Self::start_telling(settings, api, platform, Phases::default()).await
    }

    /// As [`start`](Self::start), and tells how it comes along, now and when it stops.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_telling(
        settings: Settings,
        api: Clusapi,
        platform: Platform,
        phases: Phases,
    ) -> Result<Self, StartError> {
        settings.check()?;
        let settings = settings.resolved();
        if let Some(folder) = settings.own_authority() {
            own::freshen(&folder, &platform)?;
        }
        let clients = ClientCertificates::of_settings(&settings);
        let store = &*platform.certificate_store;
        let read = |tls| Files::read(tls, clients, store);
        let files = settings.tls.as_ref().map(read).transpose()?;
        let bearer = Bearer::of_settings(&settings, &*platform.clock)?;
        let socket = bind(settings.listen.address).map_err(|source| StartError::Bind {
            address: settings.listen.address,
            source,
        })?;
        phases.tell(Phase::Starting(StartStep::Journal));
        let Opened {
            journal,
            writer,
            unfinished,
            quarantined,
        } = Journal::open_dir(&settings.data_dir, journal_options(&settings), platform.clone()).map_err(|source| {
            StartError::Journal {
                path: settings.data_dir.clone(),
                source,
            }
        })?;
        if let Some(quarantine) = quarantined {
            tracing::error!(
                kept = %quarantine.path.display(),
                cause = quarantine.cause,
                "The journal was damaged and set aside; the daemon starts with an empty one and knows nothing of earlier operations"
            );
            platform.events.report(&Event::JournalQuarantined {
                path: quarantine.path.display().to_string(),
                cause: quarantine.cause,
            });
        }
        // Only now, since nobody else changes what is in a directory that is locked.
        let kept = Kept::open(&AccessFolder::of(&settings.data_dir), &platform)?;
        phases.tell(Phase::Starting(StartStep::Recovery));
        let (done, written) = oneshot::channel();
        let write = move || {
            writer.run();
            // Nobody waits when the daemon did not come up.
            let _ = done.send(());
        };
        platform
            .threads
            .spawn("wsfcd-journal", Box::new(write))
            .map_err(StartError::Thread)?;
        // Under the lock of the data directory, so that nobody else writes there.
        let audit = Audit::start(settings.audit_options(), &platform).map_err(StartError::Thread)?;
        let platform = Platform {
            events: audit.with_events(Arc::clone(&platform.events)),
            ..platform
        };
        let core = Core::new(
            settings.clone(),
            journal.clone(),
            &unfinished,
            kept,
            api,
            platform.clone(),
        );
        let core = match core.await {
            Ok(core) => core,
            Err(error) => {
                audit.stop().await;
                close(&journal, written).await;
                return Err(StartError::Recover(error));
            }
        };
        drop(journal);
        if let Some(bearer) = bearer {
            bearer.start(&platform.clock, &core.stop);
            core.access.take_tokens(bearer);
        }
        phases.tell(Phase::Starting(StartStep::Serving));
        let connections = Connections::new(core.settings.clone(), Arc::new(core.access.clone()));
        let tls = files.map(|files| {
            let told = core.certificates.clone();
            Keeper::new(files, connections.clone(), told, platform.clone())
        });
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut daemon = Self {
            core,
            address: settings.listen.address,
            connections,
            tls,
            refusals: Refusals::new(Arc::clone(&platform.events)),
            health,
            audit,
            platform,
            phases,
            serving: Vec::new(),
            cut: CancellationToken::new(),
            written,
            ready_file: None,
            channel: None,
        };
        if let Err(error) = daemon.open(socket, health_service).await {
            daemon.stop().await;
            return Err(error);
        }
        if settings.serves_anybody() {
            daemon.tell_open();
        }
        if settings.serves_in_plain() {
            tracing::warn!("{SERVES_IN_PLAIN}");
        }
        let (address, events) = (daemon.address, &daemon.platform.events);
        tracing::info!(%address, tls = settings.tls.is_some(), version = env!("CARGO_PKG_VERSION"), "Serving");
        events.report(&Event::Started { address });
        daemon.phases.tell(Phase::Serving { address });
        Ok(daemon)
    }

    /// Starts the serving threads, listens, and says so.
    async fn open(&mut self, socket: TcpSocket, health: HealthServer<impl Health>) -> Result<(), StartError> {
        let settings = self.core.settings.get();
        let (workloads, journal) = (self.core.workloads.clone(), self.core.engine.journal().clone());
        let channel = Listener::of_settings(&settings, workloads, journal).await;
        self.channel = channel.map_err(|source| StartError::Channel {
            endpoint: settings.workload_endpoint(),
            source,
        })?;
        let local = LocalListener::of_settings(&settings).await;
        let local = local.map_err(|source| StartError::Local {
            endpoint: settings.local_endpoint(),
            source,
        })?;
        let mut senders = Vec::new();
        for index in 0..thread_count(settings.listen.threads) {
            let (sender, accepted) = accept::channel();
            senders.push(sender);
            let ended = self.serve(index, accepted, health.clone())?;
            self.serving.push(ended);
        }
        let bind = |source| StartError::Bind {
            address: settings.listen.address,
            source,
        };
        let listener = socket.listen(LISTEN_BACKLOG).map_err(bind)?;
        self.address = listener.local_addr().map_err(bind)?;
        if let Some(path) = &settings.listen.ready_file {
            write_whole(path, &format!("{}\n", self.address))
                .await
                .map_err(|source| StartError::ReadyFile {
                    path: path.clone(),
                    source,
                })?;
            self.ready_file = Some(path.clone());
        }
        if let Some(keeper) = &self.tls {
            own::keep(&self.core, keeper, &self.platform);
        }
        set_health(&self.health, ServingStatus::Serving).await;
        make_room(&settings.limits);
        let (connections, stop) = (&self.connections, &self.core.stop);
        if let Some(local) = local {
            tokio::spawn(local.accept(senders.clone(), connections.clone(), stop.clone()));
        }
        tokio::spawn(accept::accept(listener, senders, connections.clone(), stop.clone()));
        tokio::spawn(connections.clone().report(stop.clone()));
        tokio::spawn(connections.clone().follow(self.core.access.clone(), stop.clone()));
        if let Some(keeper) = &self.tls {
            tokio::spawn(keeper.clone().watch(stop.clone()));
        }
        Ok(())
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who is connected, and what was refused.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// What connections are secured with; nothing without TLS.
    pub fn certificates(&self) -> Option<&Keeper> {
        self.tls.as_ref()
    }

    /// Its core.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Waits until the journal can no longer be written. The daemon should then [stop](Self::stop); reads of what is
    /// durable go on while running operations get their time there.
    pub async fn failure(&self) -> StoreFailed {
        let failed = self.core.engine.journal().failure().await;
        set_health(&self.health, ServingStatus::NotServing).await;
        failed
    }

    /// Takes settings that were read again, as far as they can change while the daemon runs; certificates are read again in
    /// any case. What runs goes on as it began.
    ///
    /// # Errors
    ///
    /// See [`ReloadError`]; nothing has changed then.
    pub fn reload(&self, read: &Settings) -> Result<Change, ReloadError> {
        let change = change(&self.core.settings.get(), &read.clone().resolved());
        if let (Some(keeper), Some(files)) = (&self.tls, &change.settings.tls) {
            keeper.reload(files)?;
        }
        self.core.engine.journal().keep(retention(&change.settings));
        self.core.settings.set(change.settings.clone());
        self.core.access.set_settings(&change.settings);
        self.audit.settings_changed(&change.now);
        if change.opens_to_anybody {
            self.tell_open();
        }
        Ok(change)
    }

    /// Says that everybody who reaches the address has full control.
    fn tell_open(&self) {
        tracing::warn!("{SERVES_ANYBODY}");
        let address = self.address;
        self.platform.events.report(&Event::OpenToAnybody { address });
    }

    /// Stops: what is new is refused, streams end, running operations get their time, the journal is closed. A daemon whose
    /// journal has failed refuses what is new anyhow, and goes on with reads and streams until the operations have ended.
    pub async fn stop(self) {
        self.stop_within(None).await;
    }

    /// As [`stop`](Self::stop); when the system ends the process by force after `within`, what runs gets the part of it
    /// that connections and journal do not need.
    pub async fn stop_within(mut self, within: Option<Duration>) {
        tracing::info!("Stopping");
        set_health(&self.health, ServingStatus::NotServing).await;
        // Agents come back to the daemon that follows; until then their calls wait.
        self.core.workloads.stop();
        if self.core.engine.journal().failed().is_none() {
            self.core.stop.cancel();
        }
        let grace = self.core.settings.get().operations.shutdown_grace;
        let (grace, drain_time) = match within {
            None => (grace, DRAIN),
            Some(within) => (
                grace.min(within.saturating_sub(2 * HASTY_DRAIN + HASTY_CLOSE)),
                HASTY_DRAIN,
            ),
        };
        if tokio::time::timeout(grace, self.settle()).await.is_err() {
            let left = self.core.engine.unsettled();
            tracing::warn!(
                ?left,
                "Operations are still running; they will be INTERRUPTED at the next start"
            );
            let operations = left.iter().map(ToString::to_string).collect();
            self.platform.events.report(&Event::LeftRunning { operations });
        }
        self.core.stop.cancel();
        self.phases.tell(Phase::Stopping(StopStep::Connections));
        drain(&mut self.serving, &self.cut, drain_time).await;
        // They write to the journal, so they end before it.
        self.core.engine.clusters().stop().await;
        if let Some(channel) = self.channel.take() {
            channel.close().await;
        }
        self.phases.tell(Phase::Stopping(StopStep::Journal));
        close(self.core.engine.journal(), self.written).await;
        // It has heard how the last operation ended.
        self.audit.stop().await;
        if let Some(path) = &self.ready_file {
            // A stale file would name an address where nobody answers.
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!(%error, path = %path.display(), "The ready file could not be removed");
            }
        }
        tracing::info!("Stopped");
        self.platform.events.report(&Event::Stopped);
    }

    /// Waits until no operation runs, and tells how many are left.
    async fn settle(&self) {
        let engine = &self.core.engine;
        let count = async {
            loop {
                let running = engine.unsettled().len();
                self.phases.tell(Phase::Stopping(StopStep::Operations { running }));
                tokio::time::sleep(COUNT_EVERY).await;
            }
        };
        tokio::select! {
            () = engine.settle() => {}
            () = count => {}
        }
    }

    /// Starts one serving thread: a runtime of its own with the connections that are dealt out to it.
    fn serve(
        &self,
        index: usize,
        accepted: mpsc::Receiver<Accepted>,
        health: HealthServer<impl Health>,
    ) -> Result<oneshot::Receiver<()>, StartError> {
        let (connections, stop, cut) = (self.connections.clone(), self.core.stop.clone(), self.cut.clone());
        let (routes, dispatch) = self.core.routes(health).map_err(StartError::Reflection)?;
        let serving = Serving {
            routes,
            access: self.core.access_layer(Some(&self.audit)),
            tls: self.tls.as_ref().map(|keeper| keeper.live().clone()),
            settings: self.core.settings.clone(),
            refusals: self.refusals.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let (done, ended) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                tokio::spawn(dispatch);
                let arrivals = ReceiverStream::new(accepted);
                tokio::select! {
                    () = cut.cancelled() => {}
                    () = serving.serve(arrivals, connections, stop) => {}
                }
            });
            // What its tasks hold of the journal goes with the runtime, and with that the lock on the data directory.
            drop(runtime);
            // Nobody waits when the daemon did not come up.
            let _ = done.send(());
        };
        self.platform
            .threads
            .spawn(&format!("wsfcd-serve-{index}"), Box::new(serve))
            .map_err(StartError::Thread)?;
        Ok(ended)
    }
}

/// Takes the address without listening yet, so that a daemon that cannot have it touches nothing, and no client waits for
/// the recovery.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Elsewhere an address is free as soon as its daemon is gone; and on Windows this would share a port that is in use.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Waits until the serving threads have ended. They have one time in all; then the connections that are left are cut, and
/// the threads have it once more.
async fn drain(serving: &mut Vec<oneshot::Receiver<()>>, cut: &CancellationToken, time: Duration) {
    if tokio::time::timeout(time, all_ended(serving)).await.is_ok() {
        return;
    }
    tracing::warn!(threads = serving.len(), "Connections are still open and are dropped");
    cut.cancel();
    if tokio::time::timeout(time, all_ended(serving)).await.is_err() {
        tracing::error!(threads = serving.len(), "Serving threads do not end");
    }
}

/// Those that have not ended stay in the list when this is dropped.
async fn all_ended(serving: &mut Vec<oneshot::Receiver<()>>) {
    while let Some(ended) = serving.last_mut() {
        // A thread that panicked has ended as well.
        let _ = ended.await;
        serving.pop();
    }
}

/// Closes the journal, and waits until its thread has given the store back.
async fn close(journal: &Journal, written: oneshot::Receiver<()>) {
    match journal.stop().await {
        // The journal's thread ends just after it has answered.
        Ok(()) => drop(written.await),
        Err(error) => tracing::error!(error = chain(&error), "The journal did not close in order"),
    }
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for name in grpc::HEALTH_NAMES {
        health.set_service_status(name, status).await;
    }
}

fn thread_count(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        asked => asked,
    }
}

/// A reader sees the whole text or none. Windows refuses to replace a file that somebody reads, which is soon over.
async fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, text)?;
    let mut attempts = 1..=REPLACE_ATTEMPTS;
    loop {
        match std::fs::rename(&partial, path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && attempts.next().is_some() => {
                tokio::time::sleep(REPLACE_PAUSE).await;
            }
            replaced => return replaced,
        }
    }
}

mod own;

#[cfg(test)]
mod tests;

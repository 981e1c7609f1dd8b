//! The daemon as a whole: its start, its stop, and the order of both.
//!
//! Start: take the address, lock and open the journal, settle what a former daemon left, then listen; a start that fails
//! on the way stops what it had begun. Stop: refuse what is new, end the streams, let running operations end, close the
//! journal. When the journal has failed, it refuses what is new by itself, and streams end only after the operations.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;
use wsfc_clusapi::Clusapi;

use crate::grpc;
use crate::grpc::stream::Streams;
use crate::journal::{AppendError, Journal, MemoryBudget, OpenError, Opened, Options, Retention, StoreFailed};
use crate::listen;
use crate::listen::tls::{TlsError, server_config};
use crate::logging::chain;
use crate::native;
use crate::operation::engine::Engine;
use crate::operation::fold::Rules;
use crate::platform::Platform;
use crate::settings::{Settings, Unfit};

/// How long connections get to end after their streams have been told to.
const DRAIN: Duration = Duration::from_secs(5);
/// Connections that the system holds for the acceptor.
const LISTEN_BACKLOG: u32 = 1_024;

/// What an operator must know who serves the network without asking for certificates.
pub const SERVES_ANYBODY: &str = "`listen.address` is not a loopback address and `tls.client_ca` is not set: everybody who reaches the address has full control of the clusters";

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that do not fit together.
    #[error("the settings do not fit together")]
    Settings(#[from] Unfit),
    /// Certificate files.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
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

/// The core without sockets: journal, engine and services. What listens is built around it; the deterministic simulation
/// serves it over a network of its own.
pub struct Core {
    /// The engine.
    pub engine: Engine,
    settings: Settings,
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
        api: Clusapi,
        platform: Platform,
    ) -> Result<Self, AppendError> {
        let stop = CancellationToken::new();
        let engine = Engine::new(journal, api, platform, settings.operations.clone(), stop.clone());
        let recovered = engine.recover(unfinished).await;
        // What was taken up before the failure must not begin.
        recovered.inspect_err(|_failed| stop.cancel())?;
        Ok(Self { engine, settings, stop })
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
        let mark_every = self.settings.limits.mark_every;
        let streams = Streams {
            journal,
            lane,
            mark_every,
            stop: self.stop.clone(),
        };
        Ok((
            grpc::routes(&self.engine, streams, &self.settings.limits, health)?,
            dispatch,
        ))
    }
}

/// The journal's options that follow from the settings.
pub fn journal_options(settings: &Settings) -> Options {
    Options {
        memory: MemoryBudget {
            records: settings.journal.memory_records,
            ..MemoryBudget::default()
        },
        retention: Retention {
            keep_operations: settings.journal.keep_operations,
            keep_for: settings.journal.keep_for,
            ..Retention::default()
        },
        rules: Rules {
            cancel_running: settings.operations.cancel_answers_false,
        },
        native_status: native::status,
        ..Options::default()
    }
}

/// A daemon that serves.
pub struct Daemon {
    core: Core,
    address: SocketAddr,
    health: HealthReporter,
    serving: Vec<oneshot::Receiver<()>>,
    /// Ends serving threads whose connections do not end.
    cut: CancellationToken,
    written: oneshot::Receiver<()>,
    ready_file: Option<PathBuf>,
}

impl Daemon {
    /// Starts a daemon; it serves when this returns.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. Nothing is left behind but the data directory; what had been taken up got the time that a stop
    /// gives.
    pub async fn start(settings: Settings, api: Clusapi, platform: Platform) -> Result<Self, StartError> {
        settings.check()?;
        let tls = settings.tls.as_ref().map(server_config).transpose()?;
        let socket = bind(settings.listen.address).map_err(|source| StartError::Bind {
            address: settings.listen.address,
            source,
        })?;
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
        }
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
        let core = match Core::new(settings.clone(), journal.clone(), &unfinished, api, platform.clone()).await {
            Ok(core) => core,
            Err(error) => {
                close(&journal, written).await;
                return Err(StartError::Recover(error));
            }
        };
        drop(journal);
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut daemon = Self {
            core,
            address: settings.listen.address,
            health,
            serving: Vec::new(),
            cut: CancellationToken::new(),
            written,
            ready_file: None,
        };
        if let Err(error) = daemon.open(socket, tls, health_service, &platform).await {
            daemon.stop().await;
            return Err(error);
        }
        if settings.serves_anybody() {
            tracing::warn!("{SERVES_ANYBODY}");
        }
        tracing::info!(address = %daemon.address, tls = settings.tls.is_some(), version = env!("CARGO_PKG_VERSION"), "Serving");
        Ok(daemon)
    }

    /// Starts the serving threads, listens, and says so.
    async fn open(
        &mut self,
        socket: TcpSocket,
        tls: Option<Arc<rustls::ServerConfig>>,
        health: HealthServer<impl Health>,
        platform: &Platform,
    ) -> Result<(), StartError> {
        let settings = self.core.settings.clone();
        let mut senders = Vec::new();
        for index in 0..thread_count(settings.listen.threads) {
            let (sender, accepted) = listen::channel();
            senders.push(sender);
            let ended = self.serve(index, accepted, tls.clone(), health.clone(), platform)?;
            self.serving.push(ended);
        }
        let bind = |source| StartError::Bind {
            address: settings.listen.address,
            source,
        };
        let listener = socket.listen(LISTEN_BACKLOG).map_err(bind)?;
        self.address = listener.local_addr().map_err(bind)?;
        if let Some(path) = &settings.listen.ready_file {
            write_whole(path, &format!("{}\n", self.address)).map_err(|source| StartError::ReadyFile {
                path: path.clone(),
                source,
            })?;
            self.ready_file = Some(path.clone());
        }
        set_health(&self.health, ServingStatus::Serving).await;
        tokio::spawn(listen::accept(
            listener,
            senders,
            settings.limits.connections,
            self.core.stop.clone(),
        ));
        Ok(())
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
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

    /// Stops: what is new is refused, streams end, running operations get their time, the journal is closed. A daemon whose
    /// journal has failed refuses what is new anyhow, and goes on with reads and streams until the operations have ended.
    pub async fn stop(mut self) {
        tracing::info!("Stopping");
        set_health(&self.health, ServingStatus::NotServing).await;
        if self.core.engine.journal().failed().is_none() {
            self.core.stop.cancel();
        }
        let grace = self.core.settings.operations.shutdown_grace;
        if tokio::time::timeout(grace, self.core.engine.settle()).await.is_err() {
            let left = self.core.engine.unsettled();
            tracing::warn!(
                ?left,
                "Operations are still running; they will be INTERRUPTED at the next start"
            );
        }
        self.core.stop.cancel();
        drain(&mut self.serving, &self.cut).await;
        close(self.core.engine.journal(), self.written).await;
        if let Some(path) = &self.ready_file {
            // A stale file would name an address where nobody answers.
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!(%error, path = %path.display(), "The ready file could not be removed");
            }
        }
        tracing::info!("Stopped");
    }

    /// Starts one serving thread: a runtime of its own with the connections that are dealt out to it.
    fn serve(
        &self,
        index: usize,
        accepted: mpsc::Receiver<listen::Accepted>,
        tls: Option<Arc<rustls::ServerConfig>>,
        health: HealthServer<impl Health>,
        platform: &Platform,
    ) -> Result<oneshot::Receiver<()>, StartError> {
        let limits = self.core.settings.limits.clone();
        let (stop, cut) = (self.core.stop.clone(), self.cut.clone());
        let (routes, dispatch) = self.core.routes(health).map_err(StartError::Reflection)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let (done, ended) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                tokio::spawn(dispatch);
                let connections = listen::connections(accepted, tls, limits.handshake);
                tokio::select! {
                    () = cut.cancelled() => {}
                    served = listen::serve(routes, connections, &limits, stop) => if let Err(error) = served {
                        tracing::error!(error = chain(&error), "A serving thread has ended");
                    },
                }
            });
            // What its tasks hold of the journal goes with the runtime, and with that the lock on the data directory.
            drop(runtime);
            // Nobody waits when the daemon did not come up.
            let _ = done.send(());
        };
        platform
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

/// Waits until the serving threads have ended. They have one time in all; then the connections that are left are cut.
async fn drain(serving: &mut Vec<oneshot::Receiver<()>>, cut: &CancellationToken) {
    if tokio::time::timeout(DRAIN, all_ended(serving)).await.is_ok() {
        return;
    }
    tracing::warn!(threads = serving.len(), "Connections are still open and are dropped");
    cut.cancel();
    if tokio::time::timeout(DRAIN, all_ended(serving)).await.is_err() {
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

/// A reader sees the whole text or none.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, text)?;
    std::fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::time::Instant;

    use super::*;
    use crate::cluster_api;

    fn settings(folder: &Path) -> Settings {
        let mut settings = Settings {
            data_dir: folder.join("data"),
            ..Settings::default()
        };
        settings.listen.address = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.listen.threads = 2;
        settings
    }

    async fn start(settings: Settings) -> Result<Daemon, StartError> {
        let world = cluster_api::simulation("default", None).unwrap();
        Daemon::start(settings, Clusapi::from_provider(world), Platform::system()).await
    }

    #[tokio::test]
    async fn a_daemon_that_cannot_have_its_address_touches_nothing() {
        let folder = TempDir::new().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut settings = settings(folder.path());
        settings.listen.address = taken.local_addr().unwrap();
        let refused = start(settings.clone()).await.err();
        assert!(matches!(refused, Some(StartError::Bind { .. })), "{refused:?}");
        assert!(!settings.data_dir.exists(), "the journal was opened");
    }

    #[tokio::test]
    async fn a_start_that_fails_late_leaves_nothing_running() {
        let folder = TempDir::new().unwrap();
        let mut settings = settings(folder.path());
        settings.listen.ready_file = Some(folder.path().join("missing/address"));
        let refused = start(settings.clone()).await.err();
        assert!(matches!(refused, Some(StartError::ReadyFile { .. })), "{refused:?}");
        // The lock on the data directory goes with the last thread that holds anything of the journal.
        settings.listen.ready_file = Some(folder.path().join("address"));
        let daemon = start(settings).await.expect("the first start left the lock");
        let address = std::fs::read_to_string(folder.path().join("address")).unwrap();
        assert_eq!(address.trim_end(), daemon.address().to_string());
        daemon.stop().await;
        assert!(!folder.path().join("address").exists());
    }

    #[tokio::test]
    async fn a_serving_thread_ends_when_it_is_cut() {
        let folder = TempDir::new().unwrap();
        let mut daemon = start(settings(folder.path())).await.unwrap();
        assert_eq!(daemon.serving.len(), 2);
        daemon.cut.cancel();
        all_ended(&mut daemon.serving).await;
        assert!(
            !daemon.core.stop.is_cancelled(),
            "nothing told their connections to end"
        );
        daemon.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn all_serving_threads_have_one_time_to_end() {
        let cut = CancellationToken::new();
        let mut serving = Vec::new();
        for _ in 0..4 {
            let (done, ended) = oneshot::channel::<()>();
            serving.push(ended);
            let cut = cut.clone();
            tokio::spawn(async move {
                cut.cancelled().await;
                drop(done);
            });
        }
        let began = Instant::now();
        drain(&mut serving, &cut).await;
        assert!(serving.is_empty());
        assert_eq!(began.elapsed().as_secs(), DRAIN.as_secs());
    }
}

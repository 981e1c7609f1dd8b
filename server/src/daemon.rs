//! The daemon as a whole: its start, its stop, and the order of both.
//!
//! Start: lock and open the journal, settle what a former daemon left, then listen. Stop: refuse what is new, end the
//! streams, let running operations end, close the journal.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
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
        engine.recover(unfinished).await?;
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
    written: oneshot::Receiver<()>,
    ready_file: Option<PathBuf>,
}

impl Daemon {
    /// Starts a daemon; it serves when this returns.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. Nothing is left behind but the data directory.
    pub async fn start(settings: Settings, api: Clusapi, platform: Platform) -> Result<Self, StartError> {
        settings.check()?;
        let tls = settings.tls.as_ref().map(server_config).transpose()?;
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
        let core = Core::new(settings.clone(), journal, &unfinished, api, platform.clone())
            .await
            .map_err(StartError::Recover)?;
        let wanted = settings.listen.address;
        let bind = |source| StartError::Bind {
            address: wanted,
            source,
        };
        let listener = TcpListener::bind(wanted).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        set_health(&health, ServingStatus::Serving).await;
        let mut daemon = Self {
            core,
            address,
            health,
            serving: Vec::new(),
            written,
            ready_file: settings.listen.ready_file.clone(),
        };
        let mut senders = Vec::new();
        for index in 0..thread_count(settings.listen.threads) {
            let (sender, accepted) = listen::channel();
            senders.push(sender);
            let ended = daemon.serve(index, accepted, tls.clone(), health_service.clone(), &platform)?;
            daemon.serving.push(ended);
        }
        tokio::spawn(listen::accept(
            listener,
            senders,
            settings.limits.connections,
            daemon.core.stop.clone(),
        ));
        tracing::info!(%address, tls = settings.tls.is_some(), version = env!("CARGO_PKG_VERSION"), "Serving");
        if let Some(path) = &daemon.ready_file {
            write_whole(path, &format!("{address}\n")).map_err(|source| StartError::ReadyFile {
                path: path.clone(),
                source,
            })?;
        }
        Ok(daemon)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its core.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Waits until the journal can no longer be written. The daemon should then end; reads go on until it does.
    pub async fn failure(&self) -> StoreFailed {
        let failed = self.core.engine.journal().failure().await;
        set_health(&self.health, ServingStatus::NotServing).await;
        failed
    }

    /// Stops: what is new is refused, streams end, running operations get their time, the journal is closed.
    pub async fn stop(self) {
        tracing::info!("Stopping");
        set_health(&self.health, ServingStatus::NotServing).await;
        self.core.stop.cancel();
        let grace = self.core.settings.operations.shutdown_grace;
        if tokio::time::timeout(grace, self.core.engine.settle()).await.is_err() {
            let left = self.core.engine.unsettled();
            tracing::warn!(
                ?left,
                "Operations are still running; they will be INTERRUPTED at the next start"
            );
        }
        for ended in self.serving {
            if tokio::time::timeout(DRAIN, ended).await.is_err() {
                tracing::warn!("Connections are still open and are dropped");
            }
        }
        match self.core.engine.journal().stop().await {
            // The journal's thread ends just after it has answered, and gives the store back then.
            Ok(()) => drop(self.written.await),
            Err(error) => tracing::error!(error = chain(&error), "The journal did not close in order"),
        }
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
        let stop = self.core.stop.clone();
        let (routes, dispatch) = self
            .core
            .routes(health)
            .map_err(|error| StartError::Thread(io::Error::other(error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let (done, ended) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                tokio::spawn(dispatch);
                let connections = listen::connections(accepted, tls, limits.handshake);
                if let Err(error) = listen::serve(routes, connections, &limits, stop).await {
                    tracing::error!(error = chain(&error), "A serving thread has ended");
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

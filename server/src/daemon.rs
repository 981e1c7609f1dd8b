//! The daemon as a whole: its start, its stop, and the order of both.
//!
//! Start: take the address, lock and open the journal, settle what a former daemon left, then listen; a start that fails
//! on the way stops what it had begun. Stop: refuse what is new, send agents away, end the streams, let running operations
//! end, end the observers of clusters, end the channel of resource DLLs, close the journal. When the journal has failed, it
//! refuses what is new by itself, and streams end only after the operations.

mod core;
mod error;
mod own;
mod ready_file;
mod stop;
mod threads;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;
use wsfc_clusapi::Clusapi;

pub use self::core::{Core, journal_options};
pub use self::error::{ReloadError, StartError};
pub use self::own::FreshenError;
use crate::access::bearer::Bearer;
use crate::access::enrolment::Kept;
use crate::access::files::AccessFolder;
use crate::audit::Audit;
use crate::control::{Phase, Phases, StartStep};
use crate::events::Event;
use crate::grpc;
use crate::journal::{Journal, Opened, StoreFailed};
use crate::listen::accept;
use crate::listen::certificates::{Files, Keeper};
use crate::listen::descriptors::make_room;
use crate::listen::local::LocalListener;
use crate::listen::refusals::Refusals;
use crate::listen::registry::Connections;
use crate::listen::tls::ClientCertificates;
use crate::platform::Platform;
use crate::settings::Settings;
use crate::settings::current::{Change, change};
use crate::workload::Listener;

/// Connections that the system holds for the acceptor.
const LISTEN_BACKLOG: u32 = 1_024;

/// What an operator must know who gives a role to whoever comes.
pub const SERVES_ANYBODY: &str =
    "`access.unauthenticated_role` is set: everybody who reaches the address has that role";

/// What an operator must know who serves the network without TLS.
pub const SERVES_IN_PLAIN: &str =
    "`listen.allow_plain` is set: whoever is on the way can read and change all that clients and the daemon say";

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
            made,
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
        // Before the audit log is opened, which begins one where there is none.
        let missed = made.and_then(|made| made.trace.or_else(|| settings.audit_options().trace()));
        if let Some(trace) = missed {
            let trace = trace.display().to_string();
            tracing::error!(
                trace,
                data_dir = %settings.data_dir.display(),
                "The journal is missing though an earlier daemon had one; the daemon starts with an empty one and knows nothing of earlier operations. If it was moved, stop the daemon and put it back"
            );
            platform.events.report(&Event::JournalMissing { trace });
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
                stop::close(&journal, written).await;
                return Err(StartError::Recover(error));
            }
        };
        drop(journal);
        if let Some(bearer) = bearer {
            bearer.start(&platform.clock, &core.stop);
            core.access.take_tokens(bearer);
        }
        phases.tell(Phase::Starting(StartStep::Serving));
        let admission = Arc::new(core.access.clone());
        let connections = Connections::new(core.settings.clone(), admission, Arc::clone(&core.counters));
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
        for index in 0..threads::thread_count(settings.listen.threads) {
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
            ready_file::write(path, &format!("{}\n", self.address))
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
        self.core.engine.journal().keep(core::retention(&change.settings));
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

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for name in grpc::HEALTH_NAMES {
        health.set_service_status(name, status).await;
    }
}

#[cfg(test)]
mod tests;

//! Where the resource DLLs of this host connect: a Unix socket, or a named pipe on Windows.
//!
//! Whoever connects may say what resources report, so only the daemon's own account may, and those who control the host
//! anyhow: root; on Windows LocalSystem and administrators.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Workloads;
use super::channel::{log_end, serve};
use crate::journal::Journal;
use crate::listen::host::{HostListener, ListenError};
use crate::logging::chain;
use crate::settings::Settings;

/// How many DLLs are connected at most: one for each monitor process.
const MOST_CHANNELS: usize = 256;
/// How long a stop waits for what was told to be recorded.
const CLOSE_FOR: Duration = Duration::from_secs(3);

/// Takes connections of resource DLLs until it is closed.
#[derive(Debug)]
pub struct Listener {
    connections: TaskTracker,
    stop: CancellationToken,
}

impl Listener {
    /// Listens where the settings say: at the path of a socket, or the name of a pipe on Windows. Must be called in a runtime.
    ///
    /// An endpoint that was not named need not be had, since most hosts run no workloads; then it is tried again every 30
    /// seconds. Whoever has it may be another daemon that ends, or somebody who is in the way.
    ///
    /// # Errors
    ///
    /// See [`ListenError`]; for an endpoint that was named.
    pub async fn of_settings(
        settings: &Settings,
        workloads: Workloads,
        journal: Journal,
    ) -> Result<Option<Self>, ListenError> {
        if !settings.workloads.listen {
            return Ok(None);
        }
        let endpoint = settings.workload_endpoint();
        let (listener, door) = Self::closed(workloads, journal);
        match HostListener::open(&endpoint).await {
            Ok(held) => {
                tracing::info!(endpoint, "Resource DLLs can connect");
                listener.connections.spawn(door.hold(held));
            }
            Err(error) if settings.workloads.endpoint.is_none() => {
                let error = chain(&error);
                tracing::warn!(
                    endpoint,
                    error,
                    "Resource DLLs cannot connect, so this daemon runs no workloads until they can"
                );
                listener.connections.spawn(door.hold_when_free(endpoint));
            }
            Err(error) => return Err(error),
        }
        Ok(Some(listener))
    }

    /// A listener that does not listen yet, and its door.
    fn closed(workloads: Workloads, journal: Journal) -> (Self, Door) {
        let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
        let door = Door {
            workloads,
            journal,
            connections: connections.clone(),
            places: Arc::new(Semaphore::new(MOST_CHANNELS)),
            stop: stop.clone(),
        };
        (Self { connections, stop }, door)
    }

    /// Closes the connections, after what was told on them is in the journal.
    pub async fn close(self) {
        self.stop.cancel();
        self.connections.close();
        if tokio::time::timeout(CLOSE_FOR, self.connections.wait()).await.is_err() {
            tracing::warn!("Connections of resource DLLs do not end");
        }
    }
}

/// What the acceptor does with a connection.
struct Door {
    workloads: Workloads,
    journal: Journal,
    connections: TaskTracker,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Door {
    /// Takes connections until the listener is closed; then the endpoint is given up.
    async fn hold(self, mut listener: HostListener) {
        loop {
            tokio::select! {
                (stream, _account) = listener.accept() => self.enter(stream),
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Tries to have the endpoint until it is had or the listener is closed, and takes connections then.
    async fn hold_when_free(self, endpoint: String) {
        let held = tokio::select! {
            held = HostListener::open_when_free(&endpoint) => held,
            () = self.stop.cancelled() => return,
        };
        tracing::info!(endpoint, "Resource DLLs can connect now");
        self.hold(held).await;
    }

    fn enter(&self, stream: impl AsyncRead + AsyncWrite + Send + 'static) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::warn!("A resource DLL is refused: {MOST_CHANNELS} are connected");
            return;
        };
        let (workloads, journal, stop) = (self.workloads.clone(), self.journal.clone(), self.stop.clone());
        self.connections.spawn(async move {
            log_end(serve(stream, &workloads, &journal, &stop).await);
            drop(place);
        });
    }
}

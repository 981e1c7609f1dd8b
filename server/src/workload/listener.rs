//! Where the resource DLLs of this host connect: a Unix socket, or a named pipe on Windows.
//!
//! Whoever connects may say what resources report, so only the daemon's own account may, and those who control the host
//! anyhow: root; on Windows LocalSystem and administrators.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Workloads;
use super::channel::{log_end, serve};
use crate::journal::Journal;
use crate::logging::chain;
use crate::settings::Settings;

/// How many DLLs are connected at most: one for each monitor process.
const MOST_CHANNELS: usize = 256;
/// How long a stop waits for what was told to be recorded.
const CLOSE_FOR: Duration = Duration::from_secs(3);
/// The pause after the system gave no connection, as it does when it has no more handles.
const PAUSE: Duration = Duration::from_secs(1);
/// How often an endpoint that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Why nobody can connect.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another daemon listens there.
    #[error("another daemon listens there")]
    InUse,
    /// Something else is there.
    #[error("there is something else of this name")]
    NoSocket,
    /// Others could put a socket of theirs in its place.
    #[error("others may write to its folder")]
    OpenFolder,
    /// The system refused.
    #[error("the system refused")]
    Io(#[from] io::Error),
}

/// Takes connections of resource DLLs until it is closed.
#[derive(Debug)]
pub struct Listener {
    connections: TaskTracker,
    stop: CancellationToken,
}

impl Listener {
    /// Listens where the settings say: at the path of a socket, or the name of a pipe on Windows. Must be called in a runtime.
    ///
    /// A socket that a daemon has left that is gone is replaced; a folder that is missing is made for this account alone. An endpoint that was not named need not be had, since most hosts run no workloads; then it is tried again every 30 seconds.
    /// Whoever has it may be another daemon that ends, or somebody who is in the way.
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
        match system::listen(Path::new(&endpoint)).await {
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
    async fn hold(self, (_place, acceptor): (system::Place, system::Acceptor)) {
        tokio::select! {
            () = system::accept(acceptor, &self) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Tries to have the endpoint until it is had or the listener is closed, and takes connections then.
    async fn hold_when_free(self, endpoint: String) {
        let path = Path::new(&endpoint);
        let held = async {
            loop {
                tokio::time::sleep(RETRY).await;
                match system::listen(path).await {
                    Ok(held) => break held,
                    Err(error) => {
                        tracing::debug!(endpoint, error = chain(&error), "Resource DLLs can still not connect");
                    }
                }
            }
        };
        tokio::select! {
            held = held => {
                tracing::info!(endpoint, "Resource DLLs can connect now");
                self.hold(held).await;
            }
            () = self.stop.cancelled() => {}
        }
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

#[cfg(unix)]
mod system {
    use std::fs;
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::path::{Path, PathBuf};

    use tokio::net::{UnixListener, UnixStream};

    use super::{Door, ListenError, PAUSE};
    use crate::settings::places::make_private;

    /// The socket, which is taken away at the end.
    #[derive(Debug)]
    pub(super) struct Place {
        path: PathBuf,
        file: (u64, u64),
    }

    impl Drop for Place {
        fn drop(&mut self) {
            // A daemon that began meanwhile may have one of its own there.
            if fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.file) {
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    pub(super) struct Acceptor {
        listener: UnixListener,
        /// The account of the daemon.
        own: u32,
    }

    pub(super) async fn listen(path: &Path) -> Result<(Place, Acceptor), ListenError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        make_private(folder)?;
        if fs::metadata(folder)?.permissions().mode() & 0o022 != 0 {
            return Err(ListenError::OpenFolder);
        }
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path).await?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let made = fs::symlink_metadata(path)?;
        let place = Place {
            path: path.to_owned(),
            file: (made.dev(), made.ino()),
        };
        let own = made.uid();
        Ok((place, Acceptor { listener, own }))
    }

    /// Takes away a socket at which nobody listens.
    async fn remove_stale(path: &Path) -> Result<(), ListenError> {
        if !fs::symlink_metadata(path)?.file_type().is_socket() {
            return Err(ListenError::NoSocket);
        }
        // This does not wait: somebody who takes no connections any more refuses one at once.
        match UnixStream::connect(path).await {
            Ok(_somebody) => Err(ListenError::InUse),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(ListenError::InUse),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn accept(acceptor: Acceptor, door: &Door) {
        loop {
            let stream = match acceptor.listener.accept().await {
                Ok((stream, _address)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "The system gave no connection of a resource DLL");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            match stream.peer_cred().map(|peer| peer.uid()) {
                Ok(peer) if peer == acceptor.own || peer == 0 => door.enter(stream),
                Ok(peer) => tracing::warn!(account = peer, "A connection of another account was refused"),
                Err(error) => tracing::warn!(%error, "The system does not say whose connection it is"),
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;
    use std::path::Path;

    use tokio::net::windows::named_pipe::NamedPipeServer;
    use wsfc_windows::pipe::private_pipe;

    use super::{Door, ListenError, PAUSE};

    /// The pipe ends with its last handle.
    #[derive(Debug)]
    pub(super) struct Place;

    pub(super) struct Acceptor {
        name: String,
        /// The end that the next one connects to. There is always one, so that nobody else makes a pipe of this name.
        next: NamedPipeServer,
    }

    #[expect(clippy::unused_async, reason = "elsewhere somebody is asked")]
    pub(super) async fn listen(path: &Path) -> Result<(Place, Acceptor), ListenError> {
        let name = path.to_string_lossy().into_owned();
        let next = match private_pipe(&name, true) {
            // Somebody has a pipe of this name already.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(ListenError::InUse),
            made => made?,
        };
        Ok((Place, Acceptor { name, next }))
    }

    pub(super) async fn accept(mut acceptor: Acceptor, door: &Door) {
        loop {
            let connected = acceptor.next.connect().await;
            // The next end is made before this one is used or closed.
            let next = loop {
                match private_pipe(&acceptor.name, false) {
                    Ok(next) => break next,
                    Err(error) => {
                        tracing::warn!(%error, "The system gave no end of the pipe for resource DLLs");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
            let stream = std::mem::replace(&mut acceptor.next, next);
            match connected {
                Ok(()) => door.enter(stream),
                Err(error) => tracing::debug!(%error, "A resource DLL has gone before it was connected"),
            }
        }
    }
}

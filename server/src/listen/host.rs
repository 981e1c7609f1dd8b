//! Sockets and pipes of the host, for those who control the host anyhow.
//!
//! The operating system says who is at the other end: on Unix only root and the daemon's own account may connect; on Windows
//! LocalSystem, administrators and the daemon's own account, by the access list of the pipe, and nobody from another host.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::connection::LocalUser;
use crate::logging::chain;

pub use self::system::{Stream, detach};

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

/// Listens at an endpoint of the host. A socket is taken away at the end.
#[derive(Debug)]
pub struct HostListener(system::Acceptor);

impl HostListener {
    /// Listens at the path of a socket, or the name of a pipe on Windows. Must be called in a runtime.
    ///
    /// A socket that a daemon has left that is gone is replaced; a folder that is missing is made for this account alone.
    ///
    /// # Errors
    ///
    /// See [`ListenError`].
    pub async fn open(endpoint: &str) -> Result<Self, ListenError> {
        system::listen(Path::new(endpoint)).await.map(Self)
    }

    /// Tries to listen at an endpoint every 30 seconds, until it can be had.
    pub async fn open_when_free(endpoint: &str) -> Self {
        loop {
            tokio::time::sleep(RETRY).await;
            match Self::open(endpoint).await {
                Ok(listener) => return listener,
                Err(error) => tracing::debug!(endpoint, error = chain(&error), "Still nobody can connect there"),
            }
        }
    }

    /// Waits for the next connection of somebody who may connect. Others are turned away, and the log says so.
    pub async fn accept(&mut self) -> (Stream, LocalUser) {
        self.0.accept().await
    }
}

#[cfg(unix)]
mod system {
    use std::fs;
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::path::{Path, PathBuf};

    use tokio::net::{UnixListener, UnixStream};

    use super::{ListenError, LocalUser, PAUSE};
    use crate::settings::places::make_private;

    /// A connection.
    pub type Stream = UnixStream;

    /// Takes a connection from its runtime, for another one.
    ///
    /// # Errors
    ///
    /// The system refused.
    pub fn detach(stream: Stream) -> io::Result<impl FnOnce() -> io::Result<Stream> + Send + 'static> {
        let detached = stream.into_std()?;
        Ok(move || UnixStream::from_std(detached))
    }

    /// Where accounts of the host have their names (passwd(5)). Those of a directory service are not in it.
    const ACCOUNTS: &str = "/etc/passwd";
    const ROOT: u32 = 0;

    /// The socket, which is taken away at the end.
    #[derive(Debug)]
    struct Place {
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

    #[derive(Debug)]
    pub(super) struct Acceptor {
        listener: UnixListener,
        accounts: Accounts,
        _place: Place,
    }

    pub(super) async fn listen(path: &Path) -> Result<Acceptor, ListenError> {
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
        Ok(Acceptor {
            listener,
            accounts: Accounts::new(made.uid(), &fs::read_to_string(ACCOUNTS).unwrap_or_default()),
            _place: place,
        })
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

    impl Acceptor {
        pub(super) async fn accept(&mut self) -> (Stream, LocalUser) {
            loop {
                let stream = match self.listener.accept().await {
                    Ok((stream, _address)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "The system gave no connection of this host");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                match stream.peer_cred().map(|peer| peer.uid()) {
                    Ok(account) => match self.accounts.admit(account) {
                        Some(user) => return (stream, user),
                        None => tracing::warn!(account, "A connection of another account was refused"),
                    },
                    Err(error) => tracing::warn!(%error, "The system does not say whose connection it is"),
                }
            }
        }
    }

    /// The accounts that may connect.
    #[derive(Debug)]
    pub(super) struct Accounts {
        own: u32,
        own_name: String,
    }

    impl Accounts {
        /// Root, and the daemon's own account, whose name is looked for in the list of accounts.
        pub(super) fn new(own: u32, list: &str) -> Self {
            let name = |line: &str| {
                let mut fields = line.split(':');
                let (name, _password, account) = (fields.next()?, fields.next()?, fields.next()?);
                (account.parse() == Ok(own) && !name.is_empty()).then(|| name.to_owned())
            };
            Self {
                own,
                own_name: list.lines().find_map(name).unwrap_or_else(|| own.to_string()),
            }
        }

        pub(super) fn admit(&self, account: u32) -> Option<LocalUser> {
            let name = match account {
                ROOT => "root",
                own if own == self.own => &self.own_name,
                _ => return None,
            };
            Some(LocalUser {
                name: name.to_owned(),
                administrator: true,
            })
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;
    use std::path::Path;

    use tokio::net::windows::named_pipe::NamedPipeServer;
    use wsfc_windows::pipe::{client_account, private_pipe};

    use super::{ListenError, LocalUser, PAUSE};

    /// A connection.
    pub type Stream = NamedPipeServer;

    /// As elsewhere. A handle cannot leave the completion port that it belongs to, so a pipe stays with the runtime that has
    /// accepted it, which wakes whoever waits for it on another thread.
    ///
    /// # Errors
    ///
    /// None.
    pub fn detach(stream: Stream) -> io::Result<impl FnOnce() -> io::Result<Stream> + Send + 'static> {
        Ok(move || Ok(stream))
    }

    /// What a caller is called whose account the system does not tell: the access list lets in nobody else.
    const ADMINISTRATORS: &str = "administrators";

    /// The pipe, which ends with its last handle.
    #[derive(Debug)]
    pub(super) struct Acceptor {
        name: String,
        /// The end that the next one connects to. There is always one, so that nobody else makes a pipe of this name.
        next: NamedPipeServer,
    }

    #[expect(clippy::unused_async, reason = "elsewhere somebody is asked")]
    pub(super) async fn listen(path: &Path) -> Result<Acceptor, ListenError> {
        let name = path.to_string_lossy().into_owned();
        let next = match private_pipe(&name, true) {
            // Somebody has a pipe of this name already.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(ListenError::InUse),
            made => made?,
        };
        Ok(Acceptor { name, next })
    }

    impl Acceptor {
        pub(super) async fn accept(&mut self) -> (Stream, LocalUser) {
            loop {
                let connected = self.next.connect().await;
                // The next end is made before this one is used or closed.
                let next = loop {
                    match private_pipe(&self.name, false) {
                        Ok(next) => break next,
                        Err(error) => {
                            tracing::warn!(%error, "The system gave no end of a pipe of this host");
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                };
                let stream = std::mem::replace(&mut self.next, next);
                if let Err(error) = connected {
                    tracing::debug!(%error, "Somebody has gone before it was connected");
                    continue;
                }
                let name = client_account(&stream).unwrap_or_else(|error| {
                    tracing::debug!(%error, "The system does not say whose connection it is");
                    ADMINISTRATORS.to_owned()
                });
                let user = LocalUser {
                    name,
                    administrator: true,
                };
                return (stream, user);
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::system::Accounts;

    const LIST: &str = "root:x:0:0:root:/root:/bin/sh\nwsfcd:x:990:990::/var/lib/wsfcd:/sbin/nologin\n:x:5::\nbroken\n";

    fn names(own: u32) -> [Option<String>; 4] {
        let accounts = Accounts::new(own, LIST);
        [0, 990, 5, 1_000].map(|account| accounts.admit(account).map(|user| user.name))
    }

    #[test]
    fn only_root_and_the_daemons_own_account_may_connect() {
        let (root, own) = (Some("root".to_owned()), Some("wsfcd".to_owned()));
        assert_eq!(names(990), [root.clone(), own, None, None]);
        assert_eq!(names(0), [root.clone(), None, None, None]);
        assert_eq!(names(1_000), [root.clone(), None, None, Some("1000".to_owned())]);
        assert_eq!(names(5), [root, None, Some("5".to_owned()), None]);
        assert!(Accounts::new(990, "").admit(0).is_some_and(|user| user.administrator));
    }
}

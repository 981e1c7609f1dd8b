//! The local endpoint of a daemon: a socket or pipe of the host, where the operating system says who calls.
//!
//! The names are here alone; the daemon takes them from here. While no daemon runs others could listen in its place, so who
//! does is looked at before anything is said.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The pipe of the daemon on Windows.
pub const PIPE: &str = r"\\.\pipe\wsfcd\api";
/// The socket of the daemon elsewhere, in its data directory.
pub const SOCKET: &str = "api.sock";
/// The data directory of a daemon that is a service; not on Windows.
pub const SERVICE_DATA: &str = "/var/lib/wsfcd";

/// The scheme of sockets.
const UNIX: &str = "unix:";
/// The scheme of pipes.
const PIPES: &str = "pipe:";
/// How the names of pipes of this host begin.
const THIS_HOST: &str = r"\\.\pipe\";

/// A place of the host where a daemon may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalEndpoint {
    /// `unix:` and the absolute path of a socket.
    Socket(PathBuf),
    /// `pipe:` and the name of a pipe of this host.
    Pipe(String),
}

impl LocalEndpoint {
    /// Reads `unix:/path/api.sock` (`unix:///path/api.sock` is the same) or `pipe:\\.\pipe\name`; `None` for anything of
    /// another scheme.
    ///
    /// # Errors
    ///
    /// A path that is not absolute, or a pipe of another host.
    pub fn parse(text: &str) -> Option<Result<Self, &'static str>> {
        if let Some(path) = text.strip_prefix(UNIX) {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Some(if path.starts_with('/') {
                Ok(Self::Socket(path.into()))
            } else {
                Err("the path of the socket is not absolute")
            });
        }
        let name = text.strip_prefix(PIPES)?;
        let begins = name
            .get(..THIS_HOST.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(THIS_HOST));
        Some(if begins && name.len() > THIS_HOST.len() {
            Ok(Self::Pipe(name.into()))
        } else {
            Err(r"the name of the pipe does not begin with \\.\pipe\")
        })
    }

    /// Where a daemon of this host listens that was told nothing else: the pipe on Windows; elsewhere the socket of the
    /// service, and then that of a daemon whose data directory is `wsfcd` in the user's folder for such data
    /// (`$XDG_STATE_HOME`, else `~/.local/state`).
    pub fn usual() -> Vec<Self> {
        if cfg!(windows) {
            return vec![Self::Pipe(PIPE.into())];
        }
        let named = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let user = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")));
        let user = user.map(|folder| folder.join("wsfcd"));
        [Some(PathBuf::from(SERVICE_DATA)), user]
            .into_iter()
            .flatten()
            .map(|data| Self::Socket(data.join(SOCKET)))
            .collect()
    }

    /// Whether somebody listens there whom this account may connect to.
    pub fn is_open(&self) -> bool {
        system::is_open(self)
    }
}

impl fmt::Display for LocalEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{UNIX}{}", path.display()),
            Self::Pipe(name) => write!(f, "{PIPES}{name}"),
        }
    }
}

pub(crate) use system::connect;

#[cfg(unix)]
mod system {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::net::UnixStream as BlockingStream;
    use std::path::Path;

    use tokio::net::UnixStream;
    use wsfc_peer::Stranger;

    use super::{LocalEndpoint, io};

    /// Connects to a daemon, and to nobody else.
    pub(crate) async fn connect(endpoint: &LocalEndpoint) -> io::Result<UnixStream> {
        match endpoint {
            LocalEndpoint::Socket(path) => {
                let stream = UnixStream::connect(path).await?;
                match wsfc_peer::check(&stream) {
                    Err(Stranger::Account(account)) if is_given_to(path, &account) => {}
                    checked => checked.map_err(io::Error::other)?,
                }
                Ok(stream)
            }
            LocalEndpoint::Pipe(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "named pipes are on Windows only",
            )),
        }
    }

    /// Whether the folder of a socket is an account's, and lies where only root or this account could have put it: the
    /// folder of a daemon that runs as a user of its own, which root talks to.
    fn is_given_to(socket: &Path, account: &str) -> bool {
        let owner = || {
            let folder = socket.parent()?.canonicalize().ok()?;
            let above = folder.parent()?.metadata().ok()?;
            let trusted = above.uid() == 0 || above.uid() == rustix::process::geteuid().as_raw();
            let folder = folder.metadata().ok()?;
            (trusted && (above.mode() | folder.mode()) & 0o022 == 0).then_some(folder.uid())
        };
        owner().is_some_and(|owner| owner.to_string() == account)
    }

    pub(super) fn is_open(endpoint: &LocalEndpoint) -> bool {
        matches!(endpoint, LocalEndpoint::Socket(path) if BlockingStream::connect(path).is_ok())
    }

    #[cfg(test)]
    mod tests {
        use std::io::Read as _;
        use std::os::unix::fs::{PermissionsExt, chown};
        use std::time::Duration;

        use super::*;
        use crate::{Client, ConnectOptions};

        #[tokio::test]
        async fn a_daemon_of_this_account_is_believed() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("api.sock");
            let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            connect(&LocalEndpoint::Socket(path)).await.unwrap();
        }

        #[tokio::test]
        async fn a_stranger_hears_nothing() {
            if !rustix::process::geteuid().is_root() {
                eprintln!("Not tried: only root can be somebody else.");
                return;
            }
            let folder = tempfile::tempdir().unwrap();
            std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
            let path = folder.path().join("api.sock");
            let bound = path.clone();
            let listen = move || {
                let somebody = rustix::process::Uid::from_raw(65_534);
                // Of this thread alone.
                rustix::thread::set_thread_res_uid(somebody, somebody, somebody).unwrap();
                std::os::unix::net::UnixListener::bind(bound).unwrap()
            };
            let stranger = std::thread::Builder::new().spawn(listen).unwrap().join().unwrap();
            let client = Client::lazy(ConnectOptions {
                request_timeout: Duration::from_millis(500),
                ..ConnectOptions::new([format!("unix:{}", path.display())])
            });
            let error = client.unwrap().list_clusters().await.unwrap_err();
            let told = format!("{error:?}");
            assert!(told.contains("65534"), "{told}");
            let mut heard = Vec::new();
            stranger.accept().unwrap().0.read_to_end(&mut heard).unwrap();
            assert!(heard.is_empty(), "{heard:?}");
        }

        #[test]
        fn a_folder_is_given_by_root_or_by_whoever_asks() {
            let above = tempfile::tempdir().unwrap();
            let folder = above.path().join("wsfcd");
            let socket = folder.join("api.sock");
            std::fs::create_dir(&folder).unwrap();
            let allow = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
            let own = rustix::process::geteuid().as_raw().to_string();
            allow(above.path(), 0o755);
            allow(&folder, 0o755);
            assert!(is_given_to(&socket, &own) && !is_given_to(&socket, "4711"));
            // Others can put a socket or a folder there.
            allow(&folder, 0o1777);
            assert!(!is_given_to(&socket, &own));
            allow(&folder, 0o755);
            allow(above.path(), 0o1777);
            assert!(!is_given_to(&socket, &own));
            allow(above.path(), 0o755);
            if own == "0" {
                chown(&folder, Some(4_711), None).unwrap();
                assert!(is_given_to(&socket, "4711") && !is_given_to(&socket, "4712"));
                chown(above.path(), Some(4_711), None).unwrap();
                assert!(!is_given_to(&socket, "4711"), "it may have made the folder itself");
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt as _;
    use std::time::Duration;

    use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};

    use super::{LocalEndpoint, io};

    /// All ends of the pipe are taken for a moment ("System Error Codes": ERROR_PIPE_BUSY).
    const BUSY: i32 = 231;
    const PAUSE: Duration = Duration::from_millis(20);
    /// Whoever made the pipe may learn who calls, and not act as the caller ("Impersonation Levels").
    const SECURITY_IDENTIFICATION: u32 = 0x0001_0000;

    /// Connects to a daemon, and to nobody else.
    pub(crate) async fn connect(endpoint: &LocalEndpoint) -> io::Result<NamedPipeClient> {
        let LocalEndpoint::Pipe(name) = endpoint else {
            let problem = "the local endpoint of Windows is a named pipe";
            return Err(io::Error::new(io::ErrorKind::Unsupported, problem));
        };
        let mut options = ClientOptions::new();
        options.security_qos_flags(SECURITY_IDENTIFICATION);
        loop {
            match options.open(name) {
                // Whoever dials sets a time for it.
                Err(error) if error.raw_os_error() == Some(BUSY) => tokio::time::sleep(PAUSE).await,
                opened => {
                    let pipe = opened?;
                    // Asks the service manager of this host at most, which answers at once.
                    wsfc_peer::check(&pipe).map_err(io::Error::other)?;
                    return Ok(pipe);
                }
            }
        }
    }

    pub(super) fn is_open(endpoint: &LocalEndpoint) -> bool {
        let LocalEndpoint::Pipe(name) = endpoint else {
            return false;
        };
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .security_qos_flags(SECURITY_IDENTIFICATION)
            .open(name);
        opened.map_or_else(|error| error.raw_os_error() == Some(BUSY), |_end| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_the_host_are_told_from_those_of_the_network() {
        let socket = |path: &str| Some(Ok(LocalEndpoint::Socket(path.into())));
        assert_eq!(LocalEndpoint::parse("unix:/run/api.sock"), socket("/run/api.sock"));
        assert_eq!(LocalEndpoint::parse("unix:///run/api.sock"), socket("/run/api.sock"));
        let pipe = LocalEndpoint::parse(r"pipe:\\.\PIPE\wsfcd\api").unwrap().unwrap();
        assert_eq!(pipe.to_string(), r"pipe:\\.\PIPE\wsfcd\api");
        for text in [
            "unix:",
            "unix:api.sock",
            "unix://host/x",
            "pipe:",
            r"pipe:\\.\pipe\",
            r"pipe:\\node1\pipe\wsfcd\api",
        ] {
            assert!(matches!(LocalEndpoint::parse(text), Some(Err(_))), "{text}");
        }
        for text in ["http://h:1", "h:1", "/run/api.sock", "Unix:/x"] {
            assert_eq!(LocalEndpoint::parse(text), None, "{text}");
        }
        for usual in LocalEndpoint::usual() {
            assert_eq!(LocalEndpoint::parse(&usual.to_string()), Some(Ok(usual)));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_open_while_somebody_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        let endpoint = LocalEndpoint::Socket(path.clone());
        assert!(!endpoint.is_open());
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(endpoint.is_open());
        drop(listener);
        assert!(path.exists() && !endpoint.is_open(), "what is left of one that is gone");
    }
}

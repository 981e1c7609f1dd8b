//! Who serves a pipe or socket of the host.
//!
//! While no daemon runs anybody on the host may make a pipe of its name. The resource DLL, which decides what the cluster
//! believes of its resources by what is said there, and the client, which says there what is to become of the cluster, look
//! whose it is before they say a word: the daemon's, or that of somebody who controls the host anyhow.

use std::io;
#[cfg(unix)]
use std::os::fd::AsFd;

#[cfg(windows)]
mod windows;

#[cfg(windows)]
pub use windows::check;

/// Whoever serves the endpoint is not the daemon.
#[derive(Debug, thiserror::Error)]
pub enum Stranger {
    /// It belongs to an account that the daemon does not have: its number, on Windows its security identifier.
    #[error("it belongs to the account {0}, which is not the daemon's")]
    Account(String),
    /// The system does not say whose it is.
    #[error("the system does not say whose it is: {0}")]
    Unknown(#[from] io::Error),
}

/// Looks who serves a socket: root, or the account of this process.
///
/// # Errors
///
/// It is somebody else.
#[cfg(unix)]
pub fn check(socket: impl AsFd) -> Result<(), Stranger> {
    let account = account(socket)?;
    if account == 0 || account == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Stranger::Account(account.to_string()))
}

/// Who listens.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn account(socket: impl AsFd) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.uid.as_raw())
}

/// Who has made the socket; the folder that it lies in is the daemon's own.
#[cfg(all(unix, not(any(target_os = "android", target_os = "linux"))))]
fn account(socket: impl AsFd) -> io::Result<u32> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    let address = rustix::net::getpeername(socket)?.ok_or(io::ErrorKind::NotConnected)?;
    let address = rustix::net::SocketAddrUnix::try_from(address)?;
    let path = address.path().ok_or(io::ErrorKind::NotFound)?;
    Ok(std::fs::symlink_metadata(OsStr::from_bytes(path.to_bytes()))?.uid())
}

/// The security identifiers of LocalSystem and of the group of administrators ("Well-known SIDs"). What an administrator's
/// program makes belongs to the group.
#[cfg(any(windows, test))]
const ADMINISTRATIVE: [&str; 2] = ["S-1-5-18", "S-1-5-32-544"];

/// Whether a pipe of this owner is the daemon's: it belongs to the system, the administrators or this process's `own`
/// account, or to the account that the daemon's `service` runs as at this moment.
///
/// Accounts that many services share (LocalService, NetworkService) are trusted only where that service has one of them.
#[cfg(any(windows, test))]
fn is_trusted<E>(
    owner: &str,
    own: impl FnOnce() -> Result<String, E>,
    service: impl FnOnce() -> Result<Option<String>, E>,
) -> Result<bool, E> {
    Ok(ADMINISTRATIVE.contains(&owner) || own()? == owner || service()?.is_some_and(|service| service == owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_of_the_administrators_or_of_the_daemon_is_trusted() {
        const OWN: &str = "S-1-5-21-1-2-3-1001";
        const NETWORK_SERVICE: &str = "S-1-5-20";
        for (owner, service, trusted) in [
            ("S-1-5-18", None, true),
            ("S-1-5-32-544", None, true),
            (OWN, None, true),
            (NETWORK_SERVICE, None, false),
            (NETWORK_SERVICE, Some(NETWORK_SERVICE), true),
            ("S-1-5-21-1-2-3-1002", Some("S-1-5-21-1-2-3-1003"), false),
            // Users, everybody, and another service.
            ("S-1-5-32-545", Some("S-1-5-18"), false),
            ("S-1-1-0", None, false),
            ("S-1-5-80-1-2-3-4-5", Some("S-1-5-80-1-2-3-4-6"), false),
        ] {
            let found: Result<_, ()> = is_trusted(owner, || Ok(OWN.to_owned()), || Ok(service.map(str::to_owned)));
            assert_eq!(found, Ok(trusted), "{owner} {service:?}");
        }
        // What the system does not tell is not taken for good.
        assert_eq!(is_trusted("S-1-1-0", || Ok(OWN.to_owned()), || Err(())), Err(()));
    }

    #[cfg(unix)]
    #[test]
    fn the_socket_of_this_account_is_trusted() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        check(&ours).unwrap();
    }
}

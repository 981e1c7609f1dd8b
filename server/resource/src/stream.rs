//! The connection to the daemon: a named pipe on Windows, a Unix socket elsewhere.

#[cfg(not(windows))]
pub(crate) use mio::net::UnixStream as Stream;
#[cfg(windows)]
pub(crate) use mio::windows::NamedPipe as Stream;

/// Connects to the daemon; never waits.
///
/// # Errors
///
/// Nobody listens there, or too many connect at once.
#[cfg(not(windows))]
pub(crate) fn connect(endpoint: &str) -> std::io::Result<Stream> {
    Stream::connect(endpoint)
}

/// Connects to the daemon; never waits.
///
/// # Errors
///
/// Nobody listens there, or every instance of the pipe is taken.
#[cfg(windows)]
#[expect(unsafe_code, reason = "a pipe is made of a handle")]
pub(crate) fn connect(endpoint: &str) -> std::io::Result<Stream> {
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt as _;
    use std::os::windows::io::{FromRawHandle as _, IntoRawHandle as _};

    use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, SECURITY_IDENTIFICATION};

    let pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(FILE_FLAG_OVERLAPPED)
        // Whoever listens learns who connects, and cannot act as the monitor's account.
        .security_qos_flags(SECURITY_IDENTIFICATION)
        .open(endpoint)?;
    // SAFETY: The handle was opened as overlapped just now and is given away here.
    Ok(unsafe { Stream::from_raw_handle(pipe.into_raw_handle()) })
}

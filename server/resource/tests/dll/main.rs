//! The entry points as a Resource Monitor calls them, with a daemon that a test plays over a Unix socket. The code is the
//! same on Windows but for the pipe and the event.
#![cfg(unix)]
#![expect(
    unsafe_code,
    reason = "the monitor, the cluster API and the entry points are C functions"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "how a test fails, outside of test functions too"
)]

mod calls;
mod cluster;
mod connection;
mod daemon;
mod monitor;
mod table;

use std::path::PathBuf;

/// A folder of a test's own, and a socket in it.
fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resource.sock");
    (folder, path)
}

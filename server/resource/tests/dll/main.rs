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
use std::time::Duration;

/// A folder of a test's own, and a socket in it.
fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resource.sock");
    (folder, path)
}

/// What entry points promise (facts 5.2), with room for a busy machine: the promise is that they wait neither for the
/// daemon nor for the monitor, which would be for seconds.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Makes a call of an entry point, which returns at once.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "how long an entry point takes is what is promised"
)]
fn takes<T>(call: impl FnOnce() -> T) -> T {
    let begin = std::time::Instant::now();
    let result = call();
    assert!(begin.elapsed() < AT_ONCE, "took {:?}", begin.elapsed());
    result
}

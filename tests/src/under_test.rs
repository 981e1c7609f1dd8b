//! Which daemon the end-to-end tests are about.
//!
//! | `WSFCD_UNDER_TEST` | the daemon is | the cluster API is |
//! | --- | --- | --- |
//! | `in-process`, or nothing | threads of the test's own process | the simulator, by its function table |
//! | `binary` | the `wsfcd` of this system, over loopback TLS | the simulator as `libclusapi.so`, by its path |
//! | `windows` | `wsfcd.exe` under Wine, over loopback TLS | the simulator as `clusapi.dll` in system32 |
//!
//! `binary` runs what lies beside the tests, so build it first: `cargo build -p wsfcd -p wsfc-simulator-library`;
//! `WSFCD_BINARY` names another one. `windows` runs inside of `tests/windows/run`, see [`wine`](crate::wine).

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A daemon under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderTest {
    /// Threads of the test's own process.
    InProcess,
    /// The program of this system.
    Binary,
    /// The Windows program under Wine.
    Windows,
}

impl fmt::Display for UnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProcess => "in-process",
            Self::Binary => "binary",
            Self::Windows => "windows",
        })
    }
}

impl UnderTest {
    /// What this run is about.
    ///
    /// # Panics
    ///
    /// `WSFCD_UNDER_TEST` names nothing that there is.
    #[expect(clippy::panic, reason = "a mistake of whoever runs the test")]
    pub fn get() -> Self {
        static UNDER_TEST: OnceLock<UnderTest> = OnceLock::new();
        *UNDER_TEST.get_or_init(|| match std::env::var("WSFCD_UNDER_TEST").as_deref() {
            Err(std::env::VarError::NotPresent) | Ok("in-process" | "") => Self::InProcess,
            Ok("binary") => Self::Binary,
            Ok("windows") => Self::Windows,
            other => panic!("WSFCD_UNDER_TEST is {other:?}, and not in-process, binary or windows"),
        })
    }

    /// True in a run about the one that a test needs; else says, past the capture of the test harness, that the test is left
    /// out, why, and how many were so far.
    pub(crate) fn is(self, needed: Self, why: &str) -> bool {
        static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);
        if self == needed {
            return true;
        }
        let thread = std::thread::current();
        let left_out = LEFT_OUT.fetch_add(1, Ordering::Relaxed) + 1;
        // A closed standard error is nothing to fail a test for.
        let _ = writeln!(
            std::io::stderr(),
            "NOT FOR {self} ({left_out} so far): {}: {why}",
            thread.name().unwrap_or("a test")
        );
        false
    }

    /// A time that is long enough for a daemon in this process, as long as this daemon needs: the one place that knows
    /// how much slower another process or Wine is on a loaded machine.
    pub fn patience(self, in_process: Duration) -> Duration {
        match self {
            Self::InProcess => in_process,
            Self::Binary => in_process * 2,
            Self::Windows => in_process * 5,
        }
    }

    /// The name by which the daemon knows a file or folder.
    pub fn path(self, path: &Path) -> String {
        match self {
            Self::InProcess | Self::Binary => path.display().to_string(),
            Self::Windows => crate::wine::windows_path(path),
        }
    }
}

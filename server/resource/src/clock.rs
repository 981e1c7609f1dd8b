//! The host's clocks.
//!
//! The DLL runs in a process of the cluster, outside the daemon and its simulation, so it asks the system itself.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, for measuring.
#[expect(clippy::disallowed_methods, reason = "the DLL is not part of the simulated daemon")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970; 0 for a clock that stands before.
#[expect(clippy::disallowed_methods, reason = "the DLL is not part of the simulated daemon")]
pub(crate) fn milliseconds_since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

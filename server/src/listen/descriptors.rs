//! Room for as many connections as the settings allow.

use crate::settings::Limits;

/// What the daemon has open beside connections: its store, logs, pipes and threads.
#[cfg(unix)]
const BESIDE: usize = 512;

/// Asks the system for as many open files as there may be connections. Many systems give a process 1,024 and let it have more;
/// a listener that runs out of them turns away administrators as well. Says on Unix how many there are if they are too few.
#[cfg(unix)]
pub fn make_room(limits: &Limits) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let wanted = limits
        .connections
        .saturating_add(limits.handshakes)
        .saturating_add(BESIDE);
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Absent is no limit.
    let Some(now) = current.filter(|now| *now < wanted) else {
        return;
    };
    let possible = maximum.map_or(wanted, |most| most.min(wanted));
    let raised = Rlimit {
        current: Some(possible),
        maximum,
    };
    let open = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => possible,
        Err(_refused) => now,
    };
    if open < wanted {
        tracing::warn!(
            open,
            wanted,
            "The system allows fewer open files than the limits of connections need"
        );
    }
}

/// Windows has no such limit.
#[cfg(not(unix))]
pub fn make_room(_limits: &Limits) {}

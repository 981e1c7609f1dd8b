//! What a hostile peer can do to the daemon, tried: over real loopback sockets, with TLS 1.3 and client certificates on.
//!
//! Every attack is bounded in number and time, and ends by itself. Its attacker is the strongest that makes sense: a caller
//! with a good certificate and the role `viewer`, unless the attack is about who gets in. At the end of each a normal
//! client is served over its old connection and over a new one, the daemon's log holds nothing unexpected, and where an
//! attack could leave something behind, memory and descriptors of the daemon's process are back where they were.
//!
//! | `ATTACKS` | numbers |
//! | --- | --- |
//! | absent | those of the documents where an attack takes seconds, a tenth of them where it takes longer |
//! | `full` | those of the documents, everywhere |
//!
//! Random attacks print the seed that they begin with; `ATTACKS_SEED` gives it back to them. `WSFCD_UNDER_TEST=binary`
//! attacks the program, whose memory is then measured without that of the attackers.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "how a test fails and what it tells, outside of test functions too"
)]

mod asking;
mod certificates;
mod clock;
mod connections;
mod floods;
mod frames;
mod joining;
mod names;
mod scopes;
mod starts;
mod target;
mod tokens;
mod watches;
mod wire;

/// A number of the documents, or a tenth of it unless everything is asked for.
fn tenth(full: usize) -> usize {
    if everything() { full } else { full / 10 }
}

/// Whether all numbers are to be those of the documents.
fn everything() -> bool {
    std::env::var("ATTACKS").is_ok_and(|asked| asked == "full")
}

/// What a random attack is made of; printed, so that it can be made again.
fn seeded(attack: &str) -> fastrand::Rng {
    let given = std::env::var("ATTACKS_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("{attack}: ATTACKS_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// As many connections as this process may have with both of their ends in it.
fn affordable(connections: usize) -> usize {
    /// What everything else needs.
    const OTHERS: usize = 512;
    let most = target::descriptors().saturating_sub(OTHERS) / 2;
    if most < connections {
        eprintln!("{most} connections instead of {connections}: the system allows this process no more descriptors");
    }
    connections.min(most)
}

//! The real binary as a process: killed at every phase of a call, stopped by a signal, out of disk, and its command line.
//!
//! With `WSFCD_UNDER_TEST=windows`, `killed` and `stopped` are about `wsfcd.exe` under Wine; run them inside of
//! `tests/windows/run`, which says where both are. The rest is about this system.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails, also in what tests share"
)]

mod daemon;
#[cfg(unix)]
mod full_disk;
mod killed;
mod settings;
#[cfg(unix)]
mod stopped;
#[cfg(unix)]
mod trace;

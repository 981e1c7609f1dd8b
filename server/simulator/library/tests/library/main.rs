//! The library as programs meet it: loaded from its file, with a world that the environment of the process names.
//!
//! A process has one world, so each test runs in a process of its own: this program again, with that test only.
#![expect(clippy::unwrap_used, reason = "how a test fails, outside of test functions too")]

mod life;
mod process;
mod refusals;
mod world;

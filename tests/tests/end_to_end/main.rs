//! The daemon from outside: a real client over a real socket, against a simulated world. Each test has a daemon, a data
//! directory and a world of its own.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "how a test fails, outside of test functions too"
)]

mod bad_input;
mod faults;
mod groups;
mod inventory;
mod limits;
mod nodes;
mod operations;
mod quorum;
mod resources;
mod resume;
mod service;
mod setup;
mod store;
mod tls;
mod upgrade;
mod validation;
mod watch;

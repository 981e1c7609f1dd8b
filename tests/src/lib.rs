//! The harness of the end-to-end tests: real daemons and real clients over real sockets, each in a world of its own.
#![forbid(unsafe_code)]

pub mod certificates;
mod daemon;
pub mod folder;
pub mod http2;
mod logs;
pub mod raw;
pub mod records;
pub mod request;
mod simulated;
pub mod tokens;
mod under_test;
pub mod verbs;
pub mod watching;
pub mod wine;
mod wire;
pub mod workloads;
pub mod world;

pub use daemon::{Builder, NotStarted, TestDaemon};
pub use logs::Logs;
pub use simulated::SimulatedWorld;
pub use under_test::UnderTest;
pub use wire::Wire;

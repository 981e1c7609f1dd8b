//! The harness of the end-to-end tests: real daemons and real clients over real sockets, each in a world of its own.
#![forbid(unsafe_code)]

mod daemon;
mod logs;
pub mod records;
pub mod request;
pub mod wine;
mod wire;
pub mod world;

pub use daemon::{Builder, TestDaemon};
pub use logs::Logs;
pub use wire::Wire;

//! The harness of the end-to-end tests: real daemons and real clients over real sockets, each in a world of its own.
#![forbid(unsafe_code)]

mod logs;
pub mod records;
pub mod request;
mod wire;

pub use logs::Logs;
pub use wire::Wire;

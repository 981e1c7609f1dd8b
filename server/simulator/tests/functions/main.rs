//! The C functions of simulated worlds, called as C programs call them.
#![expect(unsafe_code, reason = "the functions under test are C functions")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod connections;
mod faults;
mod notify;
mod objects;
mod raw;
mod refusals;
mod remote;
mod replay;
mod setup;
mod upgrade;
mod worlds;

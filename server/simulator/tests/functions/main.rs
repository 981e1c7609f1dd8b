//! The C functions of simulated worlds, called as C programs call them.
#![expect(unsafe_code, reason = "the functions under test are C functions")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod connections;
mod drain;
mod failover;
mod faults;
mod moves;
mod notify;
mod objects;
mod quorum;
mod random;
mod raw;
mod refusals;
mod remote;
mod replay;
mod resources;
mod setup;
mod upgrade;
mod verbs;
mod worlds;

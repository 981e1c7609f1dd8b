//! The C functions of simulated worlds, called as C programs call them.
#![expect(unsafe_code, reason = "the functions under test are C functions")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod access;
mod call;
mod codes;
mod connections;
mod drain;
mod enumerations;
mod failover;
mod faults;
mod large;
mod monitor;
mod monitor_dll;
mod monitor_file;
mod monitor_health;
mod monitor_lost;
mod moves;
mod networks;
mod notify;
mod objects;
mod properties;
mod quorum;
mod random;
mod raw;
mod refusals;
mod registry;
mod remote;
mod replay;
mod resources;
mod sets;
mod setup;
mod start;
mod types;
mod upgrade;
mod verbs;
mod volumes;
mod worlds;

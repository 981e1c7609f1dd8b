//! The C functions of simulated worlds, called as C programs call them.
#![expect(unsafe_code, reason = "the functions under test are C functions")]

mod connections;
mod faults;
mod notify;
mod objects;
mod raw;
mod refusals;
mod setup;
mod upgrade;
mod worlds;

//! The daemon from outside: a real client over a real socket, against a simulated world. Each test has a daemon, a data
//! directory and a world of its own.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "how a test fails, outside of test functions too"
)]

mod access;
mod affinity_rules;
mod audit;
mod backups;
mod bad_input;
mod bearer;
mod cloud_witness;
mod cluster_verbs;
mod enrolment;
mod faults;
mod group_sets;
mod groups;
mod inventory;
mod limits;
#[cfg(unix)]
mod local;
mod moves;
mod networks;
mod nodes;
mod operations;
mod permissions;
mod properties;
mod quorum;
mod registry;
mod resource_types;
mod resources;
mod resume;
mod secrets;
mod service;
mod setup;
mod stage;
mod store;
mod tls;
mod unread;
mod upgrade;
mod validation;
mod volumes;
mod waiting;
mod watch;
mod workloads;

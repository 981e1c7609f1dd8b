//! Operations: long calls of the cluster API, kept by the daemon.

pub mod fold;

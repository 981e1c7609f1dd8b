//! The daemon that serves the Failover Clustering API over gRPC.
#![forbid(unsafe_code)]

pub mod journal;
pub mod operation;
pub mod platform;

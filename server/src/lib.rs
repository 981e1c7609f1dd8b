//! The daemon that serves the Failover Clustering API over gRPC.
//!
//! A record's way: a C callback hands a report to the [`journal`]; the journal numbers it, encodes it once, makes it
//! durable and wakes the cursors; [`grpc`] streams the encoded bytes. [`operation`] decides what is called, and when;
//! [`daemon`] starts and stops it all; [`listen`] is the sockets.

#![forbid(unsafe_code)]

pub mod blocking;
pub mod cluster_api;
pub mod daemon;
pub mod grpc;
pub mod journal;
pub mod listen;
pub mod logging;
pub mod native;
pub mod operation;
pub mod platform;
pub mod settings;

use crate::cluster_api::ClusterApiError;
use crate::daemon::{Daemon, StartError};
use crate::journal::StoreFailed;
use crate::platform::Platform;
use crate::settings::Settings;

/// Why the daemon ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The cluster API cannot be had.
    #[error("there is no cluster API to serve")]
    ClusterApi(#[from] ClusterApiError),
    /// It did not start.
    #[error("the daemon did not start")]
    Start(#[from] StartError),
    /// The journal could not be written any more. A failed write is not tried again: the system may have dropped what was
    /// to be written.
    #[error("the daemon ended because its journal cannot be written")]
    Journal(#[source] StoreFailed),
    /// It was told to end while it stopped. Operations that were still running will be INTERRUPTED at the next start.
    #[error("the daemon was told again to end, and did not wait for running operations")]
    Hurried,
}

/// Runs a daemon until `told` is ready, and stops it then; `told` is asked again meanwhile, and ends it at once.
///
/// # Errors
///
/// See [`RunError`].
pub async fn run(settings: Settings, mut told: impl AsyncFnMut()) -> Result<(), RunError> {
    let api = cluster_api::connect(&settings)?;
    let daemon = Daemon::start(settings, api, Platform::system()).await?;
    let failed = tokio::select! {
        () = told() => None,
        failed = daemon.failure() => Some(failed),
    };
    let stopped = tokio::select! {
        () = daemon.stop() => Ok(()),
        () = told() => Err(RunError::Hurried),
    };
    failed.map_or(stopped, |failed| Err(RunError::Journal(failed)))
}

//! The daemon that serves the Failover Clustering API over gRPC.
//!
//! A record's way: a C callback hands a report to the [`journal`]; the journal numbers it, encodes it once, makes it
//! durable and wakes the cursors; [`grpc`] streams the encoded bytes. [`operation`] decides what is called, and when;
//! [`workload`] lets programs be resources; [`access`] says who may call what; [`daemon`] starts and stops it all;
//! [`listen`] is the sockets.

#![forbid(unsafe_code)]

pub mod access;
pub mod audit;
pub mod blocking;
pub mod cluster_api;
pub mod control;
pub mod daemon;
pub mod events;
pub mod grpc;
pub mod hosts;
pub mod inventory;
pub mod journal;
pub mod listen;
pub mod logging;
pub mod native;
pub mod operation;
pub mod platform;
pub mod settings;
pub mod workload;

use crate::cluster_api::{ClusterApiError, Connected};
use crate::control::{Control, Phase, StartStep};
use crate::daemon::{Daemon, ReloadError, StartError};
use crate::events::Event;
use crate::journal::StoreFailed;
use crate::logging::{Logging, chain};
use crate::platform::Platform;
use crate::settings::Settings;
use crate::settings::current::Change;
use crate::settings::sources::Sources;

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

/// What a daemon runs with, and where it reads it again.
#[derive(Debug)]
pub struct Configuration {
    /// The settings as they were read, checked.
    pub settings: Settings,
    /// Where they came from.
    pub sources: Sources,
    /// The log, whose filter follows the settings.
    pub logging: Logging,
}

/// Runs a daemon until `control` says that it is to end.
///
/// The phases that the control's other side sees end with [`Phase::Stopped`], whatever happens; the start, its failure and
/// the end are events of `platform.events`.
///
/// # Errors
///
/// See [`RunError`].
pub async fn run(configuration: Configuration, platform: Platform, control: Control) -> Result<(), RunError> {
    run_over(cluster_api::connect, configuration, platform, control).await
}

/// As [`run`], over a cluster API that the caller connects to.
///
/// # Errors
///
/// See [`RunError`].
pub async fn run_over(
    connect: impl FnOnce(&Settings) -> Result<Connected, ClusterApiError>,
    configuration: Configuration,
    platform: Platform,
    mut control: Control,
) -> Result<(), RunError> {
    if let Some(fault) = configuration.logging.fault() {
        let error = chain(fault);
        tracing::warn!(error, "The daemon runs without log files");
        platform.events.report(&Event::LogFilesMissing { error });
    }
    let ended = match start(connect, &configuration, &platform, &control).await {
        Ok(daemon) => serve(daemon, &configuration, &platform, &mut control).await,
        Err(error) => {
            platform.events.report(&Event::StartFailed { error: chain(&error) });
            Err(error)
        }
    };
    control.phases().tell(Phase::Stopped);
    ended
}

async fn start(
    connect: impl FnOnce(&Settings) -> Result<Connected, ClusterApiError>,
    configuration: &Configuration,
    platform: &Platform,
    control: &Control,
) -> Result<Daemon, RunError> {
    let (settings, phases) = (configuration.settings.clone(), control.phases().clone());
    phases.tell(Phase::Starting(StartStep::ClusterApi));
    let Connected { api, hosts } = connect(&settings)?;
    let platform = Platform {
        hosts,
        ..platform.clone()
    };
    Ok(Daemon::start_telling(settings, api, platform, phases).await?)
}

async fn serve(
    daemon: Daemon,
    configuration: &Configuration,
    platform: &Platform,
    control: &mut Control,
) -> Result<(), RunError> {
    let reloads = control.reloads();
    let (failed, within) = loop {
        tokio::select! {
            within = control.told_to_end() => break (None, within),
            failed = daemon.failure() => break (Some(failed), None),
            () = reloads.next() => reload(&daemon, configuration, platform),
        }
    };
    // A journal that failed began the end by itself: then the first word is already one to hurry.
    let hurry = async {
        if failed.is_some() {
            control.told_to_end().await;
        } else {
            control.told_again().await;
        }
    };
    let stopped = tokio::select! {
        () = daemon.stop_within(within) => Ok(()),
        () = hurry => {
            let error = RunError::Hurried;
            platform.events.report(&Event::EndedEarly { error: chain(&error) });
            Err(error)
        }
    };
    failed.map_or(stopped, |failed| Err(RunError::Journal(failed)))
}

/// Reads the settings again. A mistake in them changes nothing; nobody waits for an answer, so it is logged.
fn reload(daemon: &Daemon, configuration: &Configuration, platform: &Platform) {
    let read = configuration.sources.load().map_err(ReloadError::from);
    match read.and_then(|loaded| daemon.reload(&loaded.settings)) {
        Ok(Change {
            settings,
            now,
            at_next_start,
            ..
        }) => {
            configuration.logging.filter(&settings.log.filter);
            tracing::info!(?now, ?at_next_start, "Settings reloaded");
            platform.events.report(&Event::SettingsReloaded {
                changed: now,
                at_next_start,
            });
        }
        Err(error) => {
            let error = chain(&error);
            tracing::error!(error, "The settings cannot be used; nothing has changed");
            platform.events.report(&Event::ReloadRefused { error });
        }
    }
}

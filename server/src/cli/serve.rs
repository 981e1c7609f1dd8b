//! `wsfcd run`, and what else serves on a console.

use std::error::Error;

use wsfcd::cluster_api::{ClusterApiError, Connected};
use wsfcd::control::control;
use wsfcd::platform::Platform;
use wsfcd::settings::Settings;
use wsfcd::{Configuration, logging};

use super::SettingsFlags;
use super::signals::Signals;

/// Serves until a signal says to end, over the cluster API that `connect` answers.
pub fn serve(
    flags: &SettingsFlags,
    connect: impl FnOnce(&Settings) -> Result<Connected, ClusterApiError>,
) -> Result<(), Box<dyn Error>> {
    let sources = flags.sources()?;
    let loaded = sources.load()?;
    let logging = logging::start(&loaded.settings.log);
    let configuration = Configuration {
        settings: loaded.settings,
        sources,
        logging,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (controller, control) = control();
        tokio::spawn(Signals::new()?.pass_on(controller));
        wsfcd::run_over(connect, configuration, Platform::system(), control)
            .await
            .map_err(Box::from)
    })
}

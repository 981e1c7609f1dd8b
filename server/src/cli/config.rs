//! `wsfcd config`: a look at the settings.

use std::error::Error;
use std::io::Write as _;

use super::SettingsFlags;
use wsfcd::access::bearer::Bearer;
use wsfcd::cluster_api;
use wsfcd::daemon::{SERVES_ANYBODY, SERVES_IN_PLAIN};
use wsfcd::listen::certificate_store;
use wsfcd::listen::tls::{ClientCertificates, server_config};
use wsfcd::platform::SystemClock;
use wsfcd::settings::places;

/// Says whether the settings can be used.
pub fn check(flags: &SettingsFlags) -> Result<(), Box<dyn Error>> {
    let loaded = flags.load()?;
    let resolved = loaded.settings.clone().resolved();
    if let Some(tls) = &resolved.tls {
        let clients = ClientCertificates::of_settings(&resolved);
        server_config(tls, clients, &*certificate_store::system())?;
    }
    Bearer::new(&loaded.settings.access.bearer, &SystemClock)?;
    cluster_api::check(&loaded.settings)?;
    if loaded.settings.serves_anybody() {
        writeln!(std::io::stderr(), "warning: {SERVES_ANYBODY}")?;
    }
    if loaded.settings.serves_in_plain() {
        writeln!(std::io::stderr(), "warning: {SERVES_IN_PLAIN}")?;
    }
    writeln!(std::io::stdout(), "The settings can be used.")?;
    Ok(())
}

/// Prints the settings as TOML, and where each that is no default comes from.
pub fn show(flags: &SettingsFlags) -> Result<(), Box<dyn Error>> {
    let loaded = flags.load()?;
    let mut out = std::io::stdout().lock();
    match &loaded.file {
        Some(path) => writeln!(out, "# settings file: {}", path.display())?,
        None => writeln!(
            out,
            "# no settings file; {} is not there",
            places::settings_file().display()
        )?,
    }
    for (path, origin) in &loaded.origins {
        writeln!(out, "# {path}: {origin}")?;
    }
    write!(out, "{}", toml::to_string(&loaded.settings)?)?;
    Ok(())
}

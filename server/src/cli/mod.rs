//! The command line of the daemon.

pub mod config;
pub mod demo;
pub mod relay;
pub mod signals;
pub mod story;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use wsfcd::settings::LogFormat;
use wsfcd::settings::sources::{self, Assignments, Loaded, SettingsError};

/// The daemon that serves the Windows Server Failover Clustering API over gRPC.
///
/// Settings come from a TOML file, then the environment (`WSFCD_` and the path, levels joined by two underscores, for
/// example `WSFCD_LISTEN__ADDRESS`), then flags; each later one wins. `wsfcd config show` prints what came of it.
#[derive(Debug, Parser)]
#[command(name = "wsfcd", version, max_term_width = 120)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until interrupted.
    Run(SettingsFlags),
    /// Show everything in a simulated world: create, grow, upgrade, shrink and destroy a cluster over the network.
    Demo(demo::Options),
    /// Look at the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Look at the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the settings can be used, without starting anything.
    Check(SettingsFlags),
    /// Print the settings as they would be used, as TOML, with the origin of each that is no default.
    Show(SettingsFlags),
}

/// Where settings come from.
#[derive(Debug, Args)]
pub struct SettingsFlags {
    /// The settings file.
    #[arg(long, short, env = "WSFCD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the journal is kept (`data_dir`).
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Address and port to listen on (`listen.address`); port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// A file that gets the bound address once the daemon serves (`listen.ready_file`).
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Serve a simulated world instead of a real cluster (`cluster_api.simulate`): the name of a built-in scenario, or a
    /// scenario file that ends in `.toml`.
    #[arg(long, value_name = "SCENARIO", num_args = 0..=1, default_missing_value = "default")]
    simulate: Option<String>,
    /// The server's certificate chain, PEM (`tls.certificate`).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The server's private key, PEM (`tls.key`).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// The authorities of clients, PEM (`tls.client_ca`); clients then need a certificate.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_client_ca: Option<PathBuf>,
    /// What to log, for example `info` or `wsfcd=debug` (`log.filter`).
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
    /// The form of log lines (`log.format`).
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Any setting by its path, for example `--set operations.create_settle=5s`; repeatable.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = assignment)]
    set: Vec<(String, toml::Value)>,
}

impl SettingsFlags {
    /// Reads and merges all sources.
    pub fn load(&self) -> Result<Loaded, SettingsError> {
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        sources::load(self.config.as_deref(), environment, self.assignments())
    }

    /// The flags as values by path; `--set` comes last and wins.
    fn assignments(&self) -> Assignments {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let format = |format: LogFormat| match format {
            LogFormat::Text => String::from("text"),
            LogFormat::Json => String::from("json"),
        };
        [
            ("data_dir", self.data_dir.as_ref().map(path)),
            ("listen.address", self.listen.clone()),
            ("listen.ready_file", self.ready_file.as_ref().map(path)),
            ("cluster_api.simulate", self.simulate.clone()),
            ("tls.certificate", self.tls_certificate.as_ref().map(path)),
            ("tls.key", self.tls_key.as_ref().map(path)),
            ("tls.client_ca", self.tls_client_ca.as_ref().map(path)),
            ("log.filter", self.log_filter.clone()),
            ("log.format", self.log_format.map(format)),
        ]
        .into_iter()
        .filter_map(|(path, value)| Some((path.to_owned(), toml::Value::String(value?))))
        .chain(self.set.iter().cloned())
        .collect()
    }
}

fn assignment(text: &str) -> Result<(String, toml::Value), String> {
    let (path, value) = text.split_once('=').ok_or("has no `=`")?;
    Ok((path.trim().to_owned(), sources::value(value.trim())))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn set_wins_over_a_flag_of_the_same_setting() {
        let arguments = Arguments::parse_from([
            "wsfcd",
            "run",
            "--listen",
            "127.0.0.1:1",
            "--set",
            "listen.address=127.0.0.1:2",
            "--simulate",
        ]);
        let Command::Run(flags) = arguments.command else {
            panic!("run was asked for")
        };
        let loaded = sources::load(None, [], flags.assignments()).unwrap();
        assert_eq!(loaded.settings.listen.address.port(), 2);
        assert_eq!(loaded.settings.cluster_api.simulate.as_deref(), Some("default"));
    }
}

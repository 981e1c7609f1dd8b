//! The command line of the daemon.

pub mod config;
pub mod demo;
pub mod functions;
pub mod init;
pub mod relay;
pub mod serve;
pub mod service;
pub mod signals;
pub mod story;
pub mod trace;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use wsfcd::settings::sources::{self, Assignments, Loaded, Origin, SettingsError, SettingsFile, Sources};
use wsfcd::settings::{LogFormat, places};

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
    /// Serve until interrupted; interrupt it again to end at once, without waiting for running operations.
    Run(SettingsFlags),
    /// Show everything in a simulated world: create, grow, upgrade, shrink and destroy a cluster over the network.
    Demo(demo::Options),
    /// Set the daemon up with an authority of its own, and print the command by which the first client logs in.
    Init(init::Options),
    /// Look at the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List the C functions of the cluster API, whether this host has them, and which Windows brought them. The first look
    /// when a call answers UNIMPLEMENTED.
    Functions(functions::Options),
    #[command(subcommand)]
    Trace(trace::TraceCommand),
    #[command(subcommand)]
    Service(service::ServiceCommand),
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
    /// The settings file. Without it, `wsfcd.toml` in `/etc/wsfcd` or `ProgramData\wsfcd` is read if it is there.
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
        self.sources()?.load()
    }

    /// The sources, to be read now and again.
    pub fn sources(&self) -> Result<Sources, SettingsError> {
        Ok(Sources {
            file: match &self.config {
                Some(path) => SettingsFile::Named(path.clone()),
                None => SettingsFile::IfThere(places::settings_file()),
            },
            environment: std::env::vars_os().collect(),
            flags: self.assignments()?,
        })
    }

    /// The flags as values by path; `--set` comes last and wins.
    fn assignments(&self) -> Result<Assignments, SettingsError> {
        let format = |format: LogFormat| match format {
            LogFormat::Text => String::from("text"),
            LogFormat::Json => String::from("json"),
        };
        let mut given = vec![
            ("listen.address", self.listen.clone()),
            ("cluster_api.simulate", self.simulate.clone()),
            ("log.filter", self.log_filter.clone()),
            ("log.format", self.log_format.map(format)),
        ];
        for (setting, path) in [
            ("data_dir", &self.data_dir),
            ("listen.ready_file", &self.ready_file),
            ("tls.certificate", &self.tls_certificate),
            ("tls.key", &self.tls_key),
            ("tls.client_ca", &self.tls_client_ca),
        ] {
            given.push((setting, path.as_deref().map(|path| text(setting, path)).transpose()?));
        }
        let given = given
            .into_iter()
            .filter_map(|(path, value)| Some((path.to_owned(), toml::Value::String(value?))));
        Ok(given.chain(self.set.iter().cloned()).collect())
    }
}

/// A path as text, since settings are; one that is not Unicode would name another file.
fn text(setting: &str, path: &Path) -> Result<String, SettingsError> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| SettingsError::NotUnicode {
            path: setting.into(),
            lossy: path.to_string_lossy().into_owned(),
            origin: Origin::Flag,
        })
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
        let sources = Sources {
            flags: flags.assignments().unwrap(),
            ..Sources::default()
        };
        let loaded = sources.load().unwrap();
        assert_eq!(loaded.settings.listen.address.port(), 2);
        assert_eq!(loaded.settings.cluster_api.simulate.as_deref(), Some("default"));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_unicode_is_refused() {
        use std::os::unix::ffi::OsStringExt as _;
        let broken = std::ffi::OsString::from_vec(b"/data/\xff".to_vec());
        let arguments = Arguments::parse_from(["wsfcd".into(), "run".into(), "--data-dir".into(), broken]);
        let Command::Run(flags) = arguments.command else {
            panic!("run was asked for")
        };
        let error = flags.load().unwrap_err();
        assert!(
            matches!(&error, SettingsError::NotUnicode { path, .. } if path == "data_dir"),
            "{error}"
        );
    }
}

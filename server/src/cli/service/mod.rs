//! `wsfcd service`: the daemon as a Windows service.

#[cfg(windows)]
mod commands;
#[cfg(any(windows, test))]
mod events;
#[cfg(any(windows, test))]
mod exit;
#[cfg(windows)]
mod hosted;
#[cfg(windows)]
mod status;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// The name of the service, and of its source in the event log, unless another is given.
const DEFAULT_NAME: &str = "wsfcd";
/// The longest name of a service ("CreateServiceW").
const LONGEST_NAME: usize = 256;

/// Be a Windows service: install, start and stop it, and look at it.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Make wsfcd a service that starts with the system; again: make the service what the options say.
    ///
    /// The service starts after the others (delayed), depends on none, and is started again 5, 30 and 60 seconds after its
    /// failures. Exits with 2 when the service is installed, but the system refused a setting that it can do without.
    Install(Install),
    /// Stop and remove the service. Its settings, journal and logs stay.
    Uninstall(Wait),
    /// Start the service, and wait until it serves.
    Start(Wait),
    /// Stop the service, and wait until it has stopped: running operations get `operations.shutdown_grace`.
    Stop(Wait),
    /// Have the service read its settings again. What came of it is in its log and in the event log.
    Reload(Named),
    /// Say what the system knows of the service.
    Status(Status),
    /// Serve. The service control manager starts this; on a console use `wsfcd run`.
    Run(Run),
}

/// Which service.
#[derive(Debug, Args)]
pub struct Named {
    /// The name of the service; more than one can run on a host, each with settings of its own.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NAME, value_parser = service_name)]
    name: String,
}

/// How to install.
#[derive(Debug, Args)]
pub struct Install {
    #[command(flatten)]
    service: Named,
    /// The settings file. Without it, `ProgramData\wsfcd\wsfcd.toml` is read if it is there.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The account that the service runs as: `LocalSystem` (the default), `NT AUTHORITY\NetworkService`, `DOMAIN\user` with
    /// `--password-stdin`, or a managed service account (`DOMAIN\name$`). It must be a local administrator on every node
    /// for setup calls. Installing again without it keeps the account.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Read the password of the account from the first line of standard input.
    #[arg(long, requires = "account")]
    password_stdin: bool,
}

/// Which service, and how long to wait for it.
#[derive(Debug, Args)]
pub struct Wait {
    #[command(flatten)]
    service: Named,
    /// How long to wait at most, for example `90s`; a service that comes no further is given up earlier.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// How to show the service.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    service: Named,
    /// The form.
    #[arg(long, short, value_name = "FORM", default_value = "table")]
    output: Form,
}

/// The form of what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Table,
    /// One JSON object.
    Json,
}

/// What the service was installed with.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    service: Named,
    /// The settings file. Without it, `ProgramData\wsfcd\wsfcd.toml` is read if it is there.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A name that the service control manager and the registry take.
fn service_name(name: &str) -> Result<String, String> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(format!("a name has 1 to {LONGEST_NAME} characters"));
    }
    match name
        .chars()
        .find(|character| matches!(character, '/' | '\\') || character.is_control())
    {
        Some(character) => Err(format!("a name has no {character:?} in it")),
        None => Ok(name.into()),
    }
}

/// Does what was asked.
#[cfg(windows)]
pub fn execute(command: ServiceCommand) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match command {
        ServiceCommand::Install(options) => commands::install(&options),
        ServiceCommand::Uninstall(options) => commands::uninstall(&options),
        ServiceCommand::Start(options) => commands::start(&options),
        ServiceCommand::Stop(options) => commands::stop(&options),
        ServiceCommand::Reload(options) => commands::reload(&options),
        ServiceCommand::Status(options) => status::show(&options),
        ServiceCommand::Run(options) => hosted::run(options),
    }
}

/// Says that there is nothing to be done here.
#[cfg(not(windows))]
pub fn execute(command: ServiceCommand) -> Result<ExitCode, Box<dyn std::error::Error>> {
    drop(command);
    Err("`wsfcd service` is only on Windows; here, have the system's own service manager start `wsfcd run`".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn parsed(arguments: &[&str]) -> Result<ServiceCommand, clap::Error> {
        let arguments = ["wsfcd", "service"].iter().chain(arguments);
        Arguments::try_parse_from(arguments).map(|arguments| match arguments.command {
            Command::Service(command) => command,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn names_are_those_that_the_system_takes() {
        for (name, taken) in [
            ("wsfcd", true),
            ("Cluster daemon 2", true),
            ("", false),
            (r"a\b", false),
            ("a/b", false),
            ("a\nb", false),
        ] {
            assert_eq!(service_name(name).is_ok(), taken, "{name:?}");
        }
        assert!(service_name(&"n".repeat(LONGEST_NAME)).is_ok());
        assert!(service_name(&"n".repeat(LONGEST_NAME + 1)).is_err());
    }

    #[test]
    fn the_service_is_wsfcd_unless_another_is_named() {
        let ServiceCommand::Install(options) = parsed(&["install"]).unwrap() else {
            panic!("install was asked for")
        };
        assert_eq!((options.service.name.as_str(), options.account), ("wsfcd", None));
        let ServiceCommand::Stop(options) = parsed(&["stop", "--name", "other", "--timeout", "90s"]).unwrap() else {
            panic!("stop was asked for")
        };
        assert_eq!(
            (options.service.name.as_str(), options.timeout.as_secs()),
            ("other", 90)
        );
    }

    #[test]
    fn a_password_belongs_to_an_account() {
        assert!(parsed(&["install", "--password-stdin"]).is_err());
        let ServiceCommand::Install(options) =
            parsed(&["install", "--account", r"CORP\wsfcd", "--password-stdin"]).unwrap()
        else {
            panic!("install was asked for")
        };
        assert!(options.password_stdin);
    }

    #[cfg(not(windows))]
    #[test]
    fn elsewhere_it_says_so() {
        let refused = execute(parsed(&["status"]).unwrap()).unwrap_err();
        assert!(refused.to_string().contains("only on Windows"), "{refused}");
    }
}

//! What an administrator does to the service.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::Instant;
use wsfc_windows::control::{self, Account, ControlError, Definition, Password, Refused};
use wsfc_windows::event_log;
use wsfc_windows::lifecycle::{Exit, State};
use wsfc_windows::patience::{Patience, Verdict};
use wsfc_windows::security::{self, Sid};
use wsfcd::settings::{Settings, places};

use super::hosted::sources;
use super::status::ended;
use super::{DEFAULT_NAME, Install, Named, Wait};

/// When the system starts the service again after its first, second and every later failure.
const RESTARTS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(60)];
/// A day without a failure, and the next one is the first again.
const FAILURES_RESET: Duration = Duration::from_secs(24 * 60 * 60);
/// What a stop needs beside `operations.shutdown_grace`: twice five seconds for connections, and the journal.
const STOP_MARGIN: Duration = Duration::from_secs(30);
/// More than a password of Windows may have, in bytes.
const LONGEST_PASSWORD: usize = 4096;
/// The exit code of an installation that the system refused something that the service can do without.
const REFUSED_IN_PART: u8 = 2;
const DESCRIPTION: &str = "Serves the Failover Clustering API of this host over gRPC: creates, changes and destroys clusters, and streams the progress of each call.";

/// What did not come to its end.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The service ended while it started.
    #[error("service {name} ended while it started, with exit code {}; the reason is in the Application event log (source {name}) and in {}", ended(*exit), logs.display())]
    Ended { name: String, exit: Exit, logs: PathBuf },
    /// It came to rest where it should not.
    #[error("service {name} is {} and not {}", state.name(), goal.name())]
    Elsewhere { name: String, state: State, goal: State },
    /// It hangs, or takes longer than somebody wanted to wait.
    #[error("service {name} is still {} after {} seconds; what it does is in {}", state.name(), waited.as_secs(), logs.display())]
    Late {
        name: String,
        state: State,
        waited: Duration,
        logs: PathBuf,
    },
    /// A folder of the daemon.
    #[error("the folder {} cannot be kept for the daemon and account {account} alone; service {name} is installed, and starts when this is mended and it was installed again", path.display())]
    Folder {
        name: String,
        account: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A settings file that a service would trust.
    #[error("{} belongs to somebody who is no administrator, and is not taken for a service", path.display())]
    Untrusted { path: PathBuf },
    /// The password.
    #[error("the password cannot be read from standard input")]
    Password(#[source] io::Error),
}

/// Installs the service, or changes it.
pub fn install(options: &Install) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let name = options.service.name.as_str();
    let executable = std::env::current_exe()?;
    let former = match control::check(name, &executable) {
        Ok(()) => Some(control::describe(name)?),
        Err(ControlError::NotInstalled { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    event_log::check(name, &executable)?;
    // An upgrade names no file, and must not leave the one that was named before.
    let config = match &options.config {
        Some(config) => Some(std::path::absolute(config)?),
        None => former.as_ref().and_then(|former| present_config(&former.command)),
    };
    // It names libraries and folders, so whoever may write it decides what the service does.
    if let Some(path) = config.as_ref().filter(|path| path.is_file())
        && !places::is_trusted(&File::open(path)?)?
    {
        return Err(CommandError::Untrusted { path: path.clone() }.into());
    }
    // A service that cannot start is better not installed; the environment of this process is not the service's.
    let settings = sources(config.clone(), Vec::new()).load()?.settings;
    let mut arguments = vec!["service".into(), "run".into()];
    if name != DEFAULT_NAME {
        arguments.extend(["--name".into(), name.into()]);
    }
    if let Some(config) = config {
        arguments.extend(["--config".into(), config.into()]);
    }
    let password = if options.password_stdin {
        Some(read_password()?)
    } else {
        None
    };
    let installed = control::install(&Definition {
        name: name.into(),
        display_name: if name == DEFAULT_NAME {
            "wsfcd (Failover Clustering over gRPC)".into()
        } else {
            format!("wsfcd (Failover Clustering over gRPC): {name}")
        },
        description: DESCRIPTION.into(),
        executable: executable.clone(),
        arguments,
        account: options.account.clone().map(|name| Account { name, password }),
        restarts: RESTARTS.into(),
        failures_reset: FAILURES_RESET,
        preshutdown: settings.operations.shutdown_grace.saturating_add(STOP_MARGIN),
    })?;
    let mut refused = installed.refused;
    let mut attempt = |what, result: io::Result<()>| {
        if let Err(error) = result {
            refused.push(Refused { what, error });
        }
    };
    attempt("the source in the event log", event_log::install(name, &executable));
    let account = control::describe(name)?.account;
    let sid = Sid::of_account(&account)?;
    if !sid.is_of_system() {
        attempt("the right to log on as a service", security::allow_service_logon(&sid));
    }
    // Its folders may belong to the account that it had.
    let former = former.and_then(|former| Sid::of_account(&former.account).ok());
    for path in folders(&settings) {
        admit(&path, &sid, former.as_ref()).map_err(|source| CommandError::Folder {
            name: name.into(),
            account: account.clone(),
            path,
            source,
        })?;
    }
    say(&format!(
        "Service {name} {}; it runs as {account}.",
        if installed.created { "installed" } else { "changed" }
    ));
    if refused.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for Refused { what, error } in refused {
        say(&format!("Warning: the system refused {what}: {error}"));
    }
    Ok(ExitCode::from(REFUSED_IN_PART))
}

/// The settings file that a service was installed with.
fn present_config(command: &str) -> Option<PathBuf> {
    control::arguments(command)
        .into_iter()
        .skip_while(|argument| argument != "--config")
        .nth(1)
        .map(PathBuf::from)
}

/// What the daemon keeps, and keeps for itself.
fn folders(settings: &Settings) -> Vec<PathBuf> {
    let mut folders = vec![places::program_data(), settings.data_dir.clone()];
    // Its usual place is in the data folder.
    folders.extend(settings.audit.dir.clone());
    let log = settings.log.clone().of_service();
    if log.files == Some(true) {
        folders.push(log.dir);
    }
    folders
}

/// Makes a folder that the account may use, beside the system and administrators, and nobody else. One that is there is
/// taken away from the former account, and from everybody: in `ProgramData` it inherits that they may make files.
fn admit(folder: &Path, account: &Sid, former: Option<&Sid>) -> io::Result<()> {
    if security::create_private_folder(folder, std::slice::from_ref(account))? {
        return Ok(());
    }
    let mut owners = vec![Sid::of_process()?, account.clone()];
    owners.extend(former.cloned());
    security::make_private(folder, std::slice::from_ref(account), &owners)
}

/// The first line of standard input.
fn read_password() -> Result<Password, CommandError> {
    // With room for the longest, so that no copy is left behind by growing.
    let mut line = String::with_capacity(LONGEST_PASSWORD);
    io::stdin().read_line(&mut line).map_err(CommandError::Password)?;
    Ok(Password::from_line(line))
}

/// Stops and removes the service.
pub fn uninstall(options: &Wait) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let name = options.service.name.as_str();
    let executable = std::env::current_exe()?;
    control::check(name, &executable)?;
    ask_to_stop(options)?;
    control::delete(name)?;
    if let Err(error) = event_log::remove(name, &executable) {
        say(&format!("Warning: the source in the event log stays: {error}"));
    }
    say(&format!(
        "Service {name} removed. Its settings, journal and logs stay in {}.",
        places::program_data().display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Starts the service.
pub fn start(options: &Wait) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let name = options.service.name.as_str();
    match control::start(name) {
        Ok(()) | Err(ControlError::AlreadyRunning { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    wait_for(name, State::Running, Patience::for_start(options.timeout))?;
    say(&format!("Service {name} runs."));
    Ok(ExitCode::SUCCESS)
}

/// Stops the service.
pub fn stop(options: &Wait) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let exit = ask_to_stop(options)?;
    say(&format!("Service {} has stopped.", options.service.name));
    if exit != Exit::SUCCESS {
        say(&format!("It ended with exit code {}.", ended(exit)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the service read its settings again.
pub fn reload(options: &Named) -> Result<ExitCode, Box<dyn std::error::Error>> {
    control::reload(&options.name)?;
    say(&format!(
        "Service {} reads its settings again; what comes of it is in the Application event log (source {0}, events 400 and 401).",
        options.name
    ));
    Ok(ExitCode::SUCCESS)
}

fn ask_to_stop(options: &Wait) -> Result<Exit, Box<dyn std::error::Error>> {
    let name = options.service.name.as_str();
    match control::stop(name) {
        // One that stops already is waited for.
        Ok(()) | Err(ControlError::NotRunning { .. } | ControlError::Busy { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    wait_for(name, State::Stopped, Patience::for_stop(options.timeout))
}

/// Waits for a state, and says on the way how far the service has come.
fn wait_for(name: &str, goal: State, mut patience: Patience) -> Result<Exit, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        let began = Instant::now();
        let mut said = (goal, 0);
        loop {
            let (look, exit) = control::look(name)?;
            let waited = began.elapsed();
            match patience.judge(look, waited) {
                Verdict::Reached => return Ok(exit),
                Verdict::Wait(pause) => {
                    let step = (look.state, look.check_point);
                    if look.state.pending() && step != said {
                        said = step;
                        say(&format!(
                            "Service {name} is {}, step {}.",
                            look.state.name(),
                            look.check_point
                        ));
                    }
                    tokio::time::sleep(pause).await;
                }
                Verdict::Elsewhere if look.state == State::Stopped => {
                    return Err(CommandError::Ended {
                        name: name.into(),
                        exit,
                        logs: places::log_dir(),
                    }
                    .into());
                }
                Verdict::Elsewhere => {
                    return Err(CommandError::Elsewhere {
                        name: name.into(),
                        state: look.state,
                        goal,
                    }
                    .into());
                }
                Verdict::Late => {
                    return Err(CommandError::Late {
                        name: name.into(),
                        state: look.state,
                        waited,
                        logs: places::log_dir(),
                    }
                    .into());
                }
            }
        }
    })
}

/// Talk goes to standard error; standard output is for data.
fn say(text: &str) {
    // Nobody reads it when it cannot be written.
    let _ = writeln!(io::stderr(), "{text}");
}

//! The service control manager as its customers see it: install, change, start, stop and remove a service, and look at it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windows_registry::LOCAL_MACHINE;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState, ServiceStatus,
    ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_SERVICE_ALREADY_RUNNING, ERROR_SERVICE_CANNOT_ACCEPT_CTRL, ERROR_SERVICE_DOES_NOT_EXIST,
    ERROR_SERVICE_MARKED_FOR_DELETE, ERROR_SERVICE_NOT_ACTIVE,
};
use windows_sys::Win32::System::Services::{ControlService, SERVICE_CONTROL_PARAMCHANGE, SERVICE_STATUS};
use zeroize::Zeroizing;

use crate::lifecycle::{Exit, State};
use crate::patience::Look;

/// The account of a service that names none ("LocalSystem Account").
pub const LOCAL_SYSTEM: &str = "LocalSystem";

/// What a service is to be.
#[derive(Debug)]
pub struct Definition {
    /// The name for programs.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// What it does, in a sentence.
    pub description: String,
    /// The program, by its absolute path.
    pub executable: PathBuf,
    /// The arguments of the program.
    pub arguments: Vec<OsString>,
    /// The account that it runs as; `None` keeps the one it has, and takes [`LOCAL_SYSTEM`] for a new service.
    pub account: Option<Account>,
    /// When it is started again after its first, second and later failures.
    pub restarts: Vec<Duration>,
    /// The failures are counted anew after this time without one.
    pub failures_reset: Duration,
    /// How long the system waits for it before it shuts down.
    pub preshutdown: Duration,
}

/// The account that a service runs as.
#[derive(Debug)]
pub struct Account {
    /// `LocalSystem`, `NT AUTHORITY\NetworkService`, `DOMAIN\user`, or `DOMAIN\account$` for a managed service account.
    pub name: String,
    /// None for accounts of the system and managed ones.
    pub password: Option<Password>,
}

/// A password; its text is wiped when it is dropped, and is not shown. The copies that the call to the service control
/// manager takes are not all wiped: a managed service account has no password that anybody could read.
pub struct Password(Zeroizing<String>);

impl Password {
    /// The password in a line that somebody typed or piped.
    pub fn from_line(line: String) -> Self {
        let line = Zeroizing::new(line);
        Self(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// What an installation did.
#[derive(Debug)]
pub struct Installed {
    /// The service is new; otherwise an existing one was changed.
    pub created: bool,
    /// What the system refused. The service works without.
    pub refused: Vec<Refused>,
}

/// A setting that the system refused.
#[derive(Debug)]
pub struct Refused {
    /// What was to be set.
    pub what: &'static str,
    /// Why it was not.
    pub error: io::Error,
}

/// When a service starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the system.
    Automatic,
    /// With the system, after the services that are not delayed.
    Delayed,
    /// When somebody starts it.
    Manual,
    /// Never.
    Disabled,
    /// As a driver does; not a start of this daemon.
    Driver,
}

impl Start {
    /// The word for people and for scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Delayed => "automatic-delayed",
            Self::Manual => "manual",
            Self::Disabled => "disabled",
            Self::Driver => "driver",
        }
    }
}

/// What the system knows of a service.
#[derive(Debug)]
pub struct Description {
    /// Its state and how far it has come.
    pub look: Look,
    /// Its process while it runs.
    pub process: Option<u32>,
    /// How it ended last.
    pub exit: Exit,
    /// When it starts.
    pub start: Start,
    /// The account that it runs as.
    pub account: String,
    /// The name for people.
    pub display_name: String,
    /// The program and its arguments.
    pub command: String,
}

/// What the service control manager refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such service.
    #[error("there is no service {name}; `wsfcd service install` makes one")]
    NotInstalled {
        /// Its name.
        name: String,
    },
    /// The caller may not.
    #[error("{call} on service {name} takes administrator rights; run it elevated")]
    Denied {
        /// Its name.
        name: String,
        /// The refused call.
        call: &'static str,
    },
    /// The service is to be removed and its last user has not let go of it.
    #[error("service {name} is about to be removed; close the programs that look at it, such as the Services window")]
    MarkedForDelete {
        /// Its name.
        name: String,
    },
    /// It does not run.
    #[error("service {name} does not run")]
    NotRunning {
        /// Its name.
        name: String,
    },
    /// It runs already.
    #[error("service {name} runs already")]
    AlreadyRunning {
        /// Its name.
        name: String,
    },
    /// It is starting or stopping.
    #[error("service {name} is starting or stopping and takes no controls")]
    Busy {
        /// Its name.
        name: String,
    },
    /// It runs another program.
    #[error("service {name} is none of wsfcd's and is left alone: it runs {command}")]
    Foreign {
        /// Its name.
        name: String,
        /// The program and its arguments.
        command: String,
    },
    /// Anything else.
    #[error("{call} failed on service {name}")]
    Call {
        /// Its name.
        name: String,
        /// The failed call.
        call: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ControlError {
    fn of(name: &str, call: &'static str, source: io::Error) -> Self {
        let name = name.to_owned();
        match source.raw_os_error().map(i32::cast_unsigned) {
            Some(ERROR_SERVICE_DOES_NOT_EXIST) => Self::NotInstalled { name },
            Some(ERROR_ACCESS_DENIED) => Self::Denied { name, call },
            Some(ERROR_SERVICE_MARKED_FOR_DELETE) => Self::MarkedForDelete { name },
            Some(ERROR_SERVICE_NOT_ACTIVE) => Self::NotRunning { name },
            Some(ERROR_SERVICE_ALREADY_RUNNING) => Self::AlreadyRunning { name },
            Some(ERROR_SERVICE_CANNOT_ACCEPT_CTRL) => Self::Busy { name },
            _ => Self::Call { name, call, source },
        }
    }
}

/// The system's own error behind one of `windows-service`.
pub(crate) fn system_error(error: windows_service::Error) -> io::Error {
    match error {
        windows_service::Error::Winapi(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    }
}

/// Installs a service, or makes an installed one what `definition` says. One that starts by hand or never goes on so.
///
/// # Errors
///
/// See [`ControlError`]; a service that is there and runs another program is refused. Settings that a service works without,
/// and that the system refuses, are named in [`Installed`].
pub fn install(definition: &Definition) -> Result<Installed, ControlError> {
    let name = definition.name.as_str();
    let failed = |call| move |error: windows_service::Error| ControlError::of(name, call, system_error(error));
    let manager = manager(
        name,
        ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE,
    )?;
    // Restart actions need the right to start.
    let access = ServiceAccess::QUERY_CONFIG | ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let mut info = info(definition);
    let (service, created) = match manager.open_service(name, access) {
        Ok(service) => {
            let present = service.query_config().map_err(failed("QueryServiceConfigW"))?;
            check_program(name, &present.executable_path, &definition.executable)?;
            if [ServiceStartType::OnDemand, ServiceStartType::Disabled].contains(&present.start_type) {
                info.start_type = present.start_type;
            }
            service.change_config(&info).map_err(failed("ChangeServiceConfigW"))?;
            (service, false)
        }
        Err(error) => match ControlError::of(name, "OpenServiceW", system_error(error)) {
            ControlError::NotInstalled { .. } => {
                let service = manager
                    .create_service(&info, access)
                    .map_err(failed("CreateServiceW"))?;
                (service, true)
            }
            error => return Err(error),
        },
    };
    let mut refused = Vec::new();
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(definition.failures_reset),
        reboot_msg: None,
        command: None,
        actions: Some(
            definition
                .restarts
                .iter()
                .map(|delay| ServiceAction {
                    action_type: ServiceActionType::Restart,
                    delay: *delay,
                })
                .collect(),
        ),
    };
    for (what, result) in [
        ("the description", service.set_description(&definition.description)),
        (
            "the delayed start",
            // Of no other start can it be said.
            if info.start_type == ServiceStartType::AutoStart {
                service.set_delayed_auto_start(true)
            } else {
                Ok(())
            },
        ),
        ("the restarts after failures", service.update_failure_actions(actions)),
        (
            "the restarts after a failed start",
            service.set_failure_actions_on_non_crash_failures(true),
        ),
        (
            "the time before a shutdown",
            service.set_preshutdown_timeout(definition.preshutdown),
        ),
    ] {
        if let Err(error) = result {
            let error = system_error(error);
            refused.push(Refused { what, error });
        }
    }
    Ok(Installed { created, refused })
}

fn info(definition: &Definition) -> ServiceInfo {
    ServiceInfo {
        name: OsString::from(&definition.name),
        display_name: OsString::from(&definition.display_name),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: definition.executable.clone(),
        launch_arguments: definition.arguments.clone(),
        // None, and not ClusSvc either: the daemon is needed most when that is down.
        dependencies: Vec::new(),
        account_name: definition.account.as_ref().map(|account| OsString::from(&account.name)),
        account_password: definition
            .account
            .as_ref()
            .and_then(|account| account.password.as_ref())
            .map(|password| OsString::from(password.0.as_str())),
    }
}

/// Looks whether a service runs `program` as wsfcd's services do, wherever that was when it was installed.
///
/// # Errors
///
/// See [`ControlError`]; [`ControlError::Foreign`] when it runs another.
pub fn check(name: &str, program: &Path) -> Result<(), ControlError> {
    let present = open(name, ServiceAccess::QUERY_CONFIG)?
        .query_config()
        .map_err(|error| ControlError::of(name, "QueryServiceConfigW", system_error(error)))?;
    check_program(name, &present.executable_path, program)
}

fn check_program(name: &str, command: &Path, program: &Path) -> Result<(), ControlError> {
    let command = command.to_string_lossy();
    if runs(&command, program) {
        return Ok(());
    }
    Err(ControlError::Foreign {
        name: name.into(),
        command: command.into_owned(),
    })
}

/// Whether a command line is `program`, in any folder, with `service run` and more. The path may lack its quotation marks, as
/// some installers leave them out.
fn runs(command: &str, program: &Path) -> bool {
    let parts = arguments(command);
    let Some(verb) = parts.windows(2).position(|pair| pair == ["service", "run"]) else {
        return false;
    };
    let executable = parts[..verb].join(" ");
    Path::new(&executable)
        .file_name()
        .zip(program.file_name())
        .is_some_and(|(name, program)| name.eq_ignore_ascii_case(program))
}

/// The parts of a command line, as programs of Windows take it apart ("Parsing C command-line arguments"), but for
/// quotation marks inside of quoted parts, which no path and no name of a service can have.
pub fn arguments(command: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part: Option<String> = None;
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                let part = part.get_or_insert_default();
                // Before a quotation mark a backslash is written as two.
                let backslashes = part.len() - part.trim_end_matches('\\').len();
                part.truncate(part.len() - backslashes / 2);
            }
            ' ' | '\t' if !quoted => parts.extend(part.take()),
            other => part.get_or_insert_default().push(other),
        }
    }
    parts.extend(part);
    parts
}

/// Removes a service that has stopped. Its data stay.
///
/// # Errors
///
/// See [`ControlError`].
pub fn delete(name: &str) -> Result<(), ControlError> {
    open(name, ServiceAccess::DELETE)?
        .delete()
        .map_err(|error| ControlError::of(name, "DeleteService", system_error(error)))
}

/// Asks the system to start a service; it starts after this has returned.
///
/// # Errors
///
/// See [`ControlError`].
pub fn start(name: &str) -> Result<(), ControlError> {
    let none: [&OsStr; 0] = [];
    open(name, ServiceAccess::START)?
        .start(&none)
        .map_err(|error| ControlError::of(name, "StartServiceW", system_error(error)))
}

/// Asks a service to stop; it stops after this has returned.
///
/// # Errors
///
/// See [`ControlError`].
pub fn stop(name: &str) -> Result<(), ControlError> {
    open(name, ServiceAccess::STOP)?
        .stop()
        .map(drop)
        .map_err(|error| ControlError::of(name, "ControlService", system_error(error)))
}

/// Asks a service to read its settings again (PARAMCHANGE). Whether it could use them is in its logs.
///
/// # Errors
///
/// See [`ControlError`].
pub fn reload(name: &str) -> Result<(), ControlError> {
    let service = open(name, ServiceAccess::PAUSE_CONTINUE)?;
    let mut status = SERVICE_STATUS::default();
    #[expect(unsafe_code, reason = "`windows-service` has no call for this control")]
    // SAFETY: The handle is open with the right that this control needs, and `status` takes the answer.
    let sent = unsafe { ControlService(service.raw_handle(), SERVICE_CONTROL_PARAMCHANGE, &mut status) };
    if sent == 0 {
        let error = io::Error::last_os_error();
        return Err(ControlError::of(name, "ControlService", error));
    }
    Ok(())
}

/// Looks at the state of a service.
///
/// # Errors
///
/// See [`ControlError`].
pub fn look(name: &str) -> Result<(Look, Exit), ControlError> {
    let status = query(name, &open(name, ServiceAccess::QUERY_STATUS)?)?;
    Ok((seen(&status), exit(status.exit_code)))
}

/// Describes a service.
///
/// # Errors
///
/// See [`ControlError`].
pub fn describe(name: &str) -> Result<Description, ControlError> {
    let service = open(name, ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG)?;
    let status = query(name, &service)?;
    let config = service
        .query_config()
        .map_err(|error| ControlError::of(name, "QueryServiceConfigW", system_error(error)))?;
    Ok(Description {
        look: seen(&status),
        process: status.process_id,
        exit: exit(status.exit_code),
        start: match config.start_type {
            ServiceStartType::AutoStart if delayed(name) => Start::Delayed,
            ServiceStartType::AutoStart => Start::Automatic,
            ServiceStartType::OnDemand => Start::Manual,
            ServiceStartType::Disabled => Start::Disabled,
            ServiceStartType::SystemStart | ServiceStartType::BootStart => Start::Driver,
        },
        account: config
            .account_name
            .map_or_else(|| LOCAL_SYSTEM.into(), |name| name.to_string_lossy().into_owned()),
        display_name: config.display_name.to_string_lossy().into_owned(),
        command: config.executable_path.to_string_lossy().into_owned(),
    })
}

/// Whether an automatic start is delayed: where the system keeps it, since `windows-service` only sets it.
fn delayed(name: &str) -> bool {
    LOCAL_MACHINE
        .open(format!(r"SYSTEM\CurrentControlSet\Services\{name}"))
        .and_then(|key| key.get_u32("DelayedAutostart"))
        .is_ok_and(|value| value != 0)
}

fn manager(name: &str, access: ServiceManagerAccess) -> Result<ServiceManager, ControlError> {
    ServiceManager::local_computer(None::<&str>, access)
        .map_err(|error| ControlError::of(name, "OpenSCManagerW", system_error(error)))
}

fn open(name: &str, access: ServiceAccess) -> Result<Service, ControlError> {
    manager(name, ServiceManagerAccess::CONNECT)?
        .open_service(name, access)
        .map_err(|error| ControlError::of(name, "OpenServiceW", system_error(error)))
}

fn query(name: &str, service: &Service) -> Result<ServiceStatus, ControlError> {
    service
        .query_status()
        .map_err(|error| ControlError::of(name, "QueryServiceStatusEx", system_error(error)))
}

fn seen(status: &ServiceStatus) -> Look {
    Look {
        state: match status.current_state {
            ServiceState::Stopped => State::Stopped,
            ServiceState::StartPending => State::StartPending,
            ServiceState::StopPending => State::StopPending,
            ServiceState::Running => State::Running,
            ServiceState::ContinuePending => State::ContinuePending,
            ServiceState::PausePending => State::PausePending,
            ServiceState::Paused => State::Paused,
        },
        check_point: status.checkpoint,
        wait_hint: status.wait_hint,
    }
}

fn exit(code: ServiceExitCode) -> Exit {
    match code {
        ServiceExitCode::Win32(code) => Exit::Win32(code),
        ServiceExitCode::ServiceSpecific(code) => Exit::Specific(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_taken_apart() {
        for (command, parts) in [
            (
                r#""C:\Program Files\wsfcd\wsfcd.exe" service run"#,
                vec![r"C:\Program Files\wsfcd\wsfcd.exe", "service", "run"],
            ),
            (
                r#"C:\wsfcd.exe  service run --config "D:\a b\\" --name x"#,
                vec![r"C:\wsfcd.exe", "service", "run", "--config", r"D:\a b\", "--name", "x"],
            ),
            (r#"a "" b"#, vec!["a", "", "b"]),
            ("", vec![]),
        ] {
            assert_eq!(arguments(command), parts, "{command}");
        }
    }

    #[test]
    fn only_services_of_the_program_are_its_own() {
        let program = Path::new(r"C:\Program Files\wsfcd\wsfcd.exe");
        for (command, own) in [
            (r#""C:\Program Files\wsfcd\wsfcd.exe" service run"#, true),
            (r"C:\Program Files\wsfcd\wsfcd.exe service run", true),
            (r"D:\old\WSFCD.EXE service run --name other", true),
            ("service run", false),
            (r"C:\wsfcd.exe run", false),
            (r"C:\wsfcd.exe", false),
            (r"C:\Windows\System32\spoolsv.exe", false),
            (r"C:\Windows\System32\svchost.exe service run", false),
            ("", false),
        ] {
            assert_eq!(runs(command, program), own, "{command}");
        }
    }
}

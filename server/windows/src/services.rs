//! Services of other hosts, through their service managers: started with arguments, stopped, and looked at.

use std::ffi::OsStr;

use windows_service::service::{Service, ServiceAccess, ServiceState};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

/// ERROR_SERVICE_ALREADY_RUNNING.
const ALREADY_RUNNING: u32 = 1056;
/// ERROR_SERVICE_NOT_ACTIVE.
const NOT_ACTIVE: u32 = 1062;
/// ERROR_GEN_FAILURE, for a failure without a code.
const UNKNOWN: u32 = 31;

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Stopped,
    /// It starts, or goes on after a pause.
    Starting,
    /// It runs, or is paused.
    Running,
    /// It stops.
    Stopping,
}

/// A call of a service manager that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{function} failed with error {code}")]
pub struct ServiceError {
    /// The C function.
    pub function: &'static str,
    /// The Win32 code.
    pub code: u32,
}

fn failed(function: &'static str) -> impl Fn(windows_service::Error) -> ServiceError {
    move |error| {
        let code = match &error {
            windows_service::Error::Winapi(error) => error.raw_os_error(),
            _ => None,
        };
        ServiceError {
            function,
            code: code.map_or(UNKNOWN, i32::cast_unsigned),
        }
    }
}

fn open(host: &str, service: &str, access: ServiceAccess) -> Result<Service, ServiceError> {
    let manager = ServiceManager::remote_computer(host, None::<&str>, ServiceManagerAccess::CONNECT)
        .map_err(failed("OpenSCManagerW"))?;
    manager.open_service(service, access).map_err(failed("OpenServiceW"))
}

/// Begins to start a service of a host, with arguments for it. One that runs already is fine.
///
/// # Errors
///
/// See [`ServiceError`].
pub fn start(host: &str, service: &str, arguments: &[&str]) -> Result<(), ServiceError> {
    let service = open(host, service, ServiceAccess::START)?;
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    match service.start(&arguments).map_err(failed("StartServiceW")) {
        Err(error) if error.code == ALREADY_RUNNING => Ok(()),
        answer => answer,
    }
}

/// Begins to stop a service of a host. One that does not run is fine.
///
/// # Errors
///
/// See [`ServiceError`].
pub fn stop(host: &str, service: &str) -> Result<(), ServiceError> {
    let service = open(host, service, ServiceAccess::STOP)?;
    match service.stop().map_err(failed("ControlService")) {
        Err(error) if error.code == NOT_ACTIVE => Ok(()),
        answer => answer.map(drop),
    }
}

/// What a service of a host is doing.
///
/// # Errors
///
/// See [`ServiceError`].
pub fn state(host: &str, service: &str) -> Result<State, ServiceError> {
    let service = open(host, service, ServiceAccess::QUERY_STATUS)?;
    let status = service.query_status().map_err(failed("QueryServiceStatusEx"))?;
    Ok(match status.current_state {
        ServiceState::Stopped => State::Stopped,
        ServiceState::StartPending | ServiceState::ContinuePending => State::Starting,
        ServiceState::Running | ServiceState::PausePending | ServiceState::Paused => State::Running,
        ServiceState::StopPending => State::Stopping,
    })
}

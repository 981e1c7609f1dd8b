//! The process that the service control manager starts: it connects, answers controls, and says how it comes along.
//!
//! One process hosts one service, so what the handler of controls needs is static; see `answer`.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_dispatcher;
use windows_sys::Win32::Foundation::{ERROR_FAILED_SERVICE_CONTROLLER_CONNECT, ERROR_PROCESS_ABORTED};

use crate::control::system_error;
use crate::lifecycle::{Control, Exit, Lifecycle, Report, State, accepted};

/// The longest wait hint that is reported; the field counts milliseconds in 32 bits.
const LONGEST_HINT: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a process does not host a service.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It was started by somebody else.
    #[error(
        "this is what the service control manager starts; use `wsfcd service start`, or `wsfcd run` to serve on a console"
    )]
    NotByTheSystem,
    /// The process hosts one already.
    #[error("this process hosts a service already")]
    Twice,
    /// The service control manager refused.
    #[error("the service control manager does not take the service")]
    Refused(#[source] io::Error),
}

type Body = Box<dyn FnOnce() -> Exit + Send>;

/// The one service of this process.
struct Hosted {
    name: String,
    start_hint: Duration,
    stop_hint: Duration,
    /// What is told of controls. It answers at once: the system waits for it.
    told: Box<dyn Fn(Control) + Send + Sync>,
    /// Taken by the service's thread.
    body: Mutex<Option<Body>>,
    /// Set once the handler of controls is registered. Reports are sent under the lock, so that they arrive in order.
    reports: Mutex<Option<(Lifecycle, ServiceStatusHandle)>>,
}

static HOSTED: OnceLock<Hosted> = OnceLock::new();

/// What a process needs to host its service.
pub struct Service {
    /// The name that it is installed by.
    pub name: String,
    /// How long the first step of the start may take.
    pub start_hint: Duration,
    /// How long the first step of a stop may take.
    pub stop_hint: Duration,
    /// Is told of each control, on a thread of the system, and answers at once.
    pub told: Box<dyn Fn(Control) + Send + Sync>,
    /// The service: runs on a thread of its own and returns when everything has ended. A panic in it is reported as
    /// `ERROR_PROCESS_ABORTED`.
    pub body: Box<dyn FnOnce() -> Exit + Send>,
}

/// Connects this process to the service control manager, and returns when the service has ended
/// ("StartServiceCtrlDispatcherW").
///
/// # Errors
///
/// See [`HostError`]; the body has not run then.
pub fn host(service: Service) -> Result<(), HostError> {
    let Service {
        name,
        start_hint,
        stop_hint,
        told,
        body,
    } = service;
    let hosted = Hosted {
        name: name.clone(),
        start_hint,
        stop_hint,
        told,
        body: Mutex::new(Some(body)),
        reports: Mutex::new(None),
    };
    HOSTED.set(hosted).map_err(|_again| HostError::Twice)?;
    service_dispatcher::start(name, service_main).map_err(|error| {
        let error = system_error(error);
        if error.raw_os_error() == Some(ERROR_FAILED_SERVICE_CONTROLLER_CONNECT.cast_signed()) {
            HostError::NotByTheSystem
        } else {
            HostError::Refused(error)
        }
    })
}

/// Reports one step further of a start or a stop; the next takes `wait_hint` at most. Says nothing in any other state.
pub fn progress(wait_hint: Duration) {
    report(|lifecycle| lifecycle.progress(wait_hint));
}

/// Reports that the service runs. Says nothing when it has been told to stop meanwhile.
pub fn running() {
    report(Lifecycle::running);
}

/// Reports that the service ends by itself; the next step takes `wait_hint` at most. Says nothing when it was told to stop.
pub fn stopping(wait_hint: Duration) {
    report(|lifecycle| lifecycle.stopping(wait_hint));
}

/// The thread of the service. The system calls it; the arguments are those of `sc start`, which this service has no use for.
extern "system" fn service_main(_count: u32, _arguments: *mut *mut u16) {
    let Some(hosted) = HOSTED.get() else { return };
    let Ok(handle) = service_control_handler::register(&hosted.name, answer) else {
        // Nobody can be told without a handle, and the system would wait for a report until it gives the start up: it sees
        // the end of the process only.
        std::process::exit(1);
    };
    let (lifecycle, begin) = Lifecycle::begin(hosted.start_hint);
    let mut reports = hosted.reports.lock().unwrap_or_else(PoisonError::into_inner);
    send(handle, begin);
    *reports = Some((lifecycle, handle));
    drop(reports);
    let body = hosted.body.lock().unwrap_or_else(PoisonError::into_inner).take();
    // A panic must not reach the system's frames, and the system must hear of the end.
    let exit = body.map_or(Exit::SUCCESS, |body| {
        catch_unwind(AssertUnwindSafe(body)).unwrap_or(Exit::Win32(ERROR_PROCESS_ABORTED))
    });
    report(|lifecycle| lifecycle.stopped(exit));
}

/// Answers one control. A function without state of its own, since `windows-service` frees a handler after the first STOP
/// or PRESHUTDOWN, and the system may send another control before it has seen that nothing is accepted any more.
fn answer(control: ServiceControl) -> ServiceControlHandlerResult {
    let control = match control {
        ServiceControl::Stop => Control::Stop,
        ServiceControl::Preshutdown => Control::Preshutdown,
        ServiceControl::ParamChange => Control::Reload,
        // The system knows the state from the last report.
        ServiceControl::Interrogate => return ServiceControlHandlerResult::NoError,
        _ => return ServiceControlHandlerResult::NotImplemented,
    };
    let Some(hosted) = HOSTED.get() else {
        return ServiceControlHandlerResult::NotImplemented;
    };
    if matches!(control, Control::Stop | Control::Preshutdown) {
        // Before the answer, so that the system accepts no second stop.
        report(|lifecycle| lifecycle.stopping(hosted.stop_hint));
    }
    (hosted.told)(control);
    ServiceControlHandlerResult::NoError
}

fn report(next: impl FnOnce(&mut Lifecycle) -> Option<Report>) {
    let Some(hosted) = HOSTED.get() else { return };
    let mut reports = hosted.reports.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((lifecycle, handle)) = reports.as_mut()
        && let Some(report) = next(lifecycle)
    {
        send(*handle, report);
    }
}

fn send(handle: ServiceStatusHandle, report: Report) {
    // A refusal has nobody to be told to, and the next report may be taken.
    let _ = handle.set_service_status(status(report));
}

fn status(report: Report) -> ServiceStatus {
    let controls_accepted = accepted(report.state)
        .iter()
        .map(|control| match control {
            Control::Stop => ServiceControlAccept::STOP,
            Control::Preshutdown => ServiceControlAccept::PRESHUTDOWN,
            Control::Reload => ServiceControlAccept::PARAM_CHANGE,
        })
        .collect();
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: match report.state {
            State::Stopped => ServiceState::Stopped,
            State::StartPending => ServiceState::StartPending,
            State::StopPending => ServiceState::StopPending,
            State::Running => ServiceState::Running,
            State::ContinuePending => ServiceState::ContinuePending,
            State::PausePending => ServiceState::PausePending,
            State::Paused => ServiceState::Paused,
        },
        controls_accepted,
        exit_code: match report.exit {
            Exit::Win32(code) => ServiceExitCode::Win32(code),
            Exit::Specific(code) => ServiceExitCode::ServiceSpecific(code),
        },
        checkpoint: report.check_point,
        wait_hint: report.wait_hint.min(LONGEST_HINT),
        process_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_what_the_system_reads() {
        let (mut lifecycle, begin) = Lifecycle::begin(Duration::MAX);
        let starting = status(begin);
        assert_eq!(starting.current_state, ServiceState::StartPending);
        assert_eq!(starting.controls_accepted, ServiceControlAccept::empty());
        assert_eq!((starting.checkpoint, starting.wait_hint), (1, LONGEST_HINT));
        let running = status(lifecycle.running().unwrap());
        assert_eq!(
            running.controls_accepted,
            ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN | ServiceControlAccept::PARAM_CHANGE
        );
        let stopped = status(lifecycle.stopped(Exit::Specific(2)).unwrap());
        assert_eq!(stopped.exit_code, ServiceExitCode::ServiceSpecific(2));
    }

    #[test]
    fn controls_that_are_not_accepted_are_not_answered() {
        for control in [
            ServiceControl::Pause,
            ServiceControl::Continue,
            ServiceControl::Shutdown,
            ServiceControl::TimeChange,
        ] {
            assert!(
                matches!(answer(control), ServiceControlHandlerResult::NotImplemented),
                "{control:?}"
            );
        }
        assert!(matches!(
            answer(ServiceControl::Interrogate),
            ServiceControlHandlerResult::NoError
        ));
    }
}

//! The Resource Monitor, as the DLL knows it: the functions that it gave with Startup, and its handle of a resource.
#![expect(unsafe_code, reason = "the monitor's functions are C functions")]

use wsfc_clusapi::ResourceState;
use wsfc_clusapi::Win32;
use wsfc_clusapi::sys::resapi::{
    LOG_ERROR, LOG_INFORMATION, LOG_WARNING, LogEvent, RESOURCE_HANDLE, RESOURCE_STATUS, RESOURCE_STATUS_EX,
    SetResourceStatus, SetResourceStatusEx,
};
use wsfc_clusapi::sys::types::HANDLE;

use crate::call::Report;

/// How weighty a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// It was to be expected.
    Information,
    /// It may become a failure.
    Warning,
    /// It is one.
    Error,
}

/// The function that takes statuses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TakesStatus {
    /// Of Startup.
    First(SetResourceStatus),
    /// Of StartupEx.
    Extended(SetResourceStatusEx),
}

/// The functions of a monitor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callbacks {
    status: TakesStatus,
    log: Option<LogEvent>,
}

impl Callbacks {
    /// The functions.
    ///
    /// # Safety
    ///
    /// They must be those of a Resource Monitor (facts 5.2): callable from any thread, with any handle of a resource that the
    /// monitor has opened and not yet closed, for as long as the process lives.
    pub(crate) unsafe fn new(status: TakesStatus, log: Option<LogEvent>) -> Self {
        Self { status, log }
    }
}

/// A resource, as its monitor knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Monitor {
    callbacks: Callbacks,
    handle: RESOURCE_HANDLE,
}

impl Monitor {
    /// A resource that the monitor opens.
    ///
    /// # Safety
    ///
    /// The handle must be the monitor's. Who holds the result must not tell a status or write to the log any more once the
    /// monitor was told that the resource is closed.
    pub(crate) unsafe fn new(callbacks: Callbacks, handle: RESOURCE_HANDLE) -> Self {
        Self { callbacks, handle }
    }

    /// Whether it is the same resource of the same monitor, opened again: handles are unique in the process.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.handle == other.handle
    }

    /// Tells a status, with the event that stands for bad health or null, and says what the monitor answers
    /// (RESOURCE_EXIT_STATE).
    pub(crate) fn tell(&self, report: &Report, event: HANDLE) -> i32 {
        let wait_hint = u32::try_from(report.wait_hint_ms).unwrap_or(u32::MAX);
        let exit_state = match self.callbacks.status {
            TakesStatus::First(tell) => {
                let mut status = RESOURCE_STATUS {
                    ResourceState: report.state,
                    CheckPoint: report.check_point,
                    WaitHint: wait_hint,
                    EventHandle: event,
                };
                // SAFETY: The handle is open (contract of `new`), and the status outlives the call.
                unsafe { tell(self.handle, &raw mut status) }
            }
            TakesStatus::Extended(tell) => {
                let code = match report.win32_code {
                    0 if report.state == ResourceState::FAILED.0 => Win32::ERROR_RESMON_ONLINE_FAILED.0,
                    code => code,
                };
                let mut status = RESOURCE_STATUS_EX {
                    ResourceState: report.state,
                    CheckPoint: report.check_point,
                    EventHandle: event,
                    ApplicationSpecificErrorCode: code,
                    Flags: 0,
                    WaitHint: wait_hint,
                };
                // SAFETY: The handle is open (contract of `new`), and the status outlives the call.
                unsafe { tell(self.handle, &raw mut status) }
            }
        };
        exit_state.cast_signed()
    }

    /// Writes a line to the cluster's log.
    pub(crate) fn log(&self, level: Level, text: &str) {
        let Some(log) = self.callbacks.log else {
            return;
        };
        let level = match level {
            Level::Information => LOG_INFORMATION,
            Level::Warning => LOG_WARNING,
            Level::Error => LOG_ERROR,
        };
        let line = line(text);
        // SAFETY: The handle is open (contract of `new`); the text ends with a NUL and has no place for an argument.
        unsafe { log(self.handle, level, line.as_ptr()) };
    }
}

/// A text as LogEvent takes it: `%` begins an argument there, so it is doubled, and a NUL ends it.
fn line(text: &str) -> Vec<u16> {
    let text = text.replace('%', "%%").replace('\0', " ");
    text.encode_utf16().chain([0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_has_no_place_for_arguments() {
        let units = line("50 % of A\0B");
        assert_eq!(String::from_utf16(&units).unwrap(), "50 %% of A B\0");
    }
}

//! Exit codes.

use std::process::ExitCode;

use wsfc_client::v1::{OperationOutcome, OperationState};

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// The operation failed, or an audit log is not as it was written.
    OperationFailed = 1,
    /// The command line, a settings file or a missing confirmation: nothing was asked of the daemon.
    Usage = 2,
    /// The daemon could not be reached, or did not answer in time.
    Unreachable = 3,
    /// The daemon refused the request, or would refuse it.
    Refused = 4,
    /// There is no such operation, cluster, object or host.
    NotFound = 5,
    /// The operation was cancelled, or interrupted by the end of the daemon.
    OperationCut = 6,
    /// The operation succeeded, though something that it should have made is missing.
    Partial = 7,
    /// The daemon's answer cannot be trusted: records are missing, or its journal is another one.
    Untrustworthy = 8,
    /// What was waited for did not come to hold in time.
    NotInTime = 9,
    /// Ctrl-C; an operation that was followed goes on.
    CtrlC = 130,
    /// Nobody reads the output any more.
    OutputClosed = 141,
}

/// The codes for the end of `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    all is well
  1    the operation failed, or an audit log is not as it was written
  2    the command line, a settings file, or no confirmation; nothing was asked of the daemon
  3    the daemon could not be reached, or did not answer in time
  4    the daemon refused the request, or would refuse it
  5    no such operation, cluster, object or host
  6    the operation was cancelled, or interrupted by the end of the daemon
  7    the operation succeeded, though something that it should have made is missing
  8    the daemon's answer cannot be trusted: records are missing, or its journal is another one or
       no longer reaches that far
  9    what was waited for did not come to hold in time
  130  Ctrl-C; an operation that was followed goes on
  141  nobody reads the output any more

Environment:
  WSFCCTL_ENDPOINT  the endpoint, when --endpoint is not given; several are separated by commas
  WSFCCTL_CONFIG    the file with the contexts
  WSFCCTL_LOG       what to log to stderr, for example `debug`";

impl Exit {
    /// The code for how an operation ended.
    pub(crate) fn of_outcome(outcome: &OperationOutcome) -> Self {
        match outcome.state() {
            OperationState::Succeeded if outcome.partial => Self::Partial,
            OperationState::Succeeded => Self::Ok,
            OperationState::Cancelled | OperationState::Interrupted => Self::OperationCut,
            // A final state of a newer daemon is not a success that this program knows.
            OperationState::Failed
            | OperationState::Unspecified
            | OperationState::Pending
            | OperationState::Running => Self::OperationFailed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_their_codes() {
        let code = |state: OperationState, partial| {
            Exit::of_outcome(&OperationOutcome {
                state: state.into(),
                partial,
                ..Default::default()
            })
        };
        assert_eq!(code(OperationState::Succeeded, false), Exit::Ok);
        assert_eq!(code(OperationState::Succeeded, true), Exit::Partial);
        assert_eq!(code(OperationState::Failed, false), Exit::OperationFailed);
        assert_eq!(code(OperationState::Cancelled, false), Exit::OperationCut);
        assert_eq!(code(OperationState::Interrupted, false), Exit::OperationCut);
    }

    #[test]
    fn every_code_is_in_the_help() {
        for exit in [
            Exit::Ok,
            Exit::OperationFailed,
            Exit::Usage,
            Exit::Unreachable,
            Exit::Refused,
            Exit::NotFound,
            Exit::OperationCut,
            Exit::Partial,
            Exit::Untrustworthy,
            Exit::NotInTime,
            Exit::CtrlC,
            Exit::OutputClosed,
        ] {
            let number = format!("\n  {:<4} ", exit as u8);
            assert!(HELP.contains(&number), "{exit:?}");
        }
    }
}

//! What a service tells the service control manager about itself, as data: its state, what it accepts in it, and how it
//! ended ("SERVICE_STATUS structure", "Service State Transitions").

use std::time::Duration;

/// The states of a service ("SERVICE_STATUS", `dwCurrentState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Stopped,
    /// It starts.
    StartPending,
    /// It ends.
    StopPending,
    /// It runs.
    Running,
    /// It goes on after a pause. Not a state of this daemon.
    ContinuePending,
    /// It is about to pause. Not a state of this daemon.
    PausePending,
    /// It pauses. Not a state of this daemon.
    Paused,
}

impl State {
    /// The word for people and for scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::StartPending => "starting",
            Self::StopPending => "stopping",
            Self::Running => "running",
            Self::ContinuePending => "continuing",
            Self::PausePending => "pausing",
            Self::Paused => "paused",
        }
    }

    /// Whether it is on the way to another state.
    pub fn pending(self) -> bool {
        match self {
            Self::StartPending | Self::StopPending | Self::ContinuePending | Self::PausePending => true,
            Self::Stopped | Self::Running | Self::Paused => false,
        }
    }
}

/// A control that the service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// End.
    Stop,
    /// End, since the system is about to shut down; the system waits for the preshutdown timeout.
    Preshutdown,
    /// Read the settings again (PARAMCHANGE).
    Reload,
}

/// The controls that a service accepts in `state`. None while it is pending: it could not keep its word, and a stop would
/// cut a start short in the middle of the recovery. No SHUTDOWN: who takes PRESHUTDOWN has stopped before that comes.
pub fn accepted(state: State) -> &'static [Control] {
    match state {
        State::Running => &[Control::Stop, Control::Preshutdown, Control::Reload],
        State::Stopped
        | State::StartPending
        | State::StopPending
        | State::ContinuePending
        | State::PausePending
        | State::Paused => &[],
    }
}

/// How a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A Win32 code; 0 is success.
    Win32(u32),
    /// A number of the service's own, never 0.
    Specific(u32),
}

impl Exit {
    /// It ended as it was told to.
    pub const SUCCESS: Self = Self::Win32(0);
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Win32(code) => write!(f, "{code}"),
            Self::Specific(code) => write!(f, "{code} (of the service's own)"),
        }
    }
}

/// One report to the service control manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The state.
    pub state: State,
    /// How far a pending state has come; grows with each report, and is 0 otherwise.
    pub check_point: u32,
    /// How long the next report of a pending state may take; zero otherwise.
    pub wait_hint: Duration,
    /// How it ended; success while it has not.
    pub exit: Exit,
}

/// The course of one service process: starting, running, stopping, stopped, and never back.
#[derive(Debug)]
pub struct Lifecycle {
    state: State,
    check_point: u32,
}

impl Lifecycle {
    /// A service that starts, and its first report.
    pub fn begin(wait_hint: Duration) -> (Self, Report) {
        let mut lifecycle = Self {
            state: State::StartPending,
            check_point: 0,
        };
        let report = lifecycle.check(wait_hint);
        (lifecycle, report)
    }

    /// The state that was reported last.
    pub fn state(&self) -> State {
        self.state
    }

    /// One step further on the way; nothing to report when it is not on a way.
    pub fn progress(&mut self, wait_hint: Duration) -> Option<Report> {
        self.state.pending().then(|| self.check(wait_hint))
    }

    /// The start is done. Nothing to report when it has been told to stop meanwhile.
    pub fn running(&mut self) -> Option<Report> {
        if self.state != State::StartPending {
            return None;
        }
        self.state = State::Running;
        Some(self.settled(Exit::SUCCESS))
    }

    /// It ends from here on. Nothing to report when it did before.
    pub fn stopping(&mut self, wait_hint: Duration) -> Option<Report> {
        if matches!(self.state, State::StopPending | State::Stopped) {
            return None;
        }
        self.state = State::StopPending;
        self.check_point = 0;
        Some(self.check(wait_hint))
    }

    /// It has ended. Nothing to report the second time.
    pub fn stopped(&mut self, exit: Exit) -> Option<Report> {
        if self.state == State::Stopped {
            return None;
        }
        self.state = State::Stopped;
        Some(self.settled(exit))
    }

    fn check(&mut self, wait_hint: Duration) -> Report {
        self.check_point = self.check_point.saturating_add(1);
        Report {
            state: self.state,
            check_point: self.check_point,
            wait_hint,
            exit: Exit::SUCCESS,
        }
    }

    fn settled(&mut self, exit: Exit) -> Report {
        self.check_point = 0;
        Report {
            state: self.state,
            check_point: 0,
            wait_hint: Duration::ZERO,
            exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: Duration = Duration::from_secs(7);

    fn pending(state: State, check_point: u32) -> Report {
        Report {
            state,
            check_point,
            wait_hint: HINT,
            exit: Exit::SUCCESS,
        }
    }

    fn settled(state: State, exit: Exit) -> Report {
        Report {
            state,
            check_point: 0,
            wait_hint: Duration::ZERO,
            exit,
        }
    }

    #[test]
    fn check_points_grow_on_the_way_and_begin_anew_on_the_next() {
        let (mut service, first) = Lifecycle::begin(HINT);
        assert_eq!(first, pending(State::StartPending, 1));
        assert_eq!(service.progress(HINT), Some(pending(State::StartPending, 2)));
        assert_eq!(service.progress(HINT), Some(pending(State::StartPending, 3)));
        assert_eq!(service.running(), Some(settled(State::Running, Exit::SUCCESS)));
        assert_eq!(service.progress(HINT), None, "who runs is on no way");
        assert_eq!(service.stopping(HINT), Some(pending(State::StopPending, 1)));
        assert_eq!(service.progress(HINT), Some(pending(State::StopPending, 2)));
        assert_eq!(
            service.stopped(Exit::SUCCESS),
            Some(settled(State::Stopped, Exit::SUCCESS))
        );
        assert_eq!(service.progress(HINT), None);
    }

    #[test]
    fn a_service_never_goes_back() {
        let (mut service, _first) = Lifecycle::begin(HINT);
        assert!(service.stopping(HINT).is_some(), "a start can end early");
        assert_eq!(service.running(), None, "the start is done too late");
        assert_eq!(service.stopping(HINT), None);
        assert_eq!(service.progress(HINT), Some(pending(State::StopPending, 2)));
        assert!(service.stopped(Exit::Specific(4)).is_some());
        assert_eq!(service.stopped(Exit::SUCCESS), None, "the first word on the end stands");
        assert_eq!(service.stopping(HINT), None);
        assert_eq!(service.running(), None);
        assert_eq!(service.state(), State::Stopped);
    }

    #[test]
    fn a_failed_start_says_how_it_ended() {
        let (mut service, _first) = Lifecycle::begin(HINT);
        assert_eq!(
            service.stopped(Exit::Specific(3)),
            Some(settled(State::Stopped, Exit::Specific(3)))
        );
    }

    #[test]
    fn only_who_runs_accepts_controls() {
        for state in [
            State::Stopped,
            State::StartPending,
            State::StopPending,
            State::ContinuePending,
            State::PausePending,
            State::Paused,
        ] {
            assert_eq!(accepted(state), [], "{}", state.name());
        }
        assert_eq!(
            accepted(State::Running),
            [Control::Stop, Control::Preshutdown, Control::Reload]
        );
    }
}

//! A call of the Resource Monitor (come online, go offline) from its begin to its final status: what is told and when.
//!
//! Nothing here waits or speaks; times come from the caller.

use std::time::{Duration, Instant};

use wsfc_clusapi::ResourceState;
use wsfc_resource_channel::{CallKind, CallState, Source, Status};

/// Longest gap between two check points while the daemon cannot be reached, however long the pending timeout is: people watch.
const WAITING: Duration = Duration::from_secs(10);

/// Most characters of a message that is passed on.
const LONGEST_MESSAGE: usize = 1024;

/// ERROR_SERVICE_NOT_ACTIVE: the daemon is away.
const DAEMON_AWAY: u32 = 1062;

/// ERROR_TIMEOUT: the daemon is silent.
const DAEMON_SILENT: u32 = 1460;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// The longest gap between two statuses that the monitor takes (facts 5.2).
    pub(crate) pending_timeout: Duration,
    /// How long the daemon may be away.
    pub(crate) daemon_grace: Duration,
}

/// Whether the daemon can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It takes messages.
    Open,
    /// It cannot be reached.
    Away {
        /// Since then.
        since: Instant,
    },
}

impl Reach {
    /// When the daemon has been away for so long; never while it can be reached.
    pub(crate) fn over(self, grace: Duration) -> Option<Instant> {
        match self {
            Self::Open => None,
            Self::Away { since } => since.checked_add(grace),
        }
    }
}

/// A status for the monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The call.
    pub(crate) call: u64,
    /// The native state.
    pub(crate) state: i32,
    /// The check point: greater than that of the report before.
    pub(crate) check_point: u32,
    /// The wait hint, in milliseconds.
    pub(crate) wait_hint_ms: u64,
    /// Whether it is the last of its call.
    pub(crate) last: bool,
    /// How much is done.
    pub(crate) percent: Option<u32>,
    /// What is done, or what failed.
    pub(crate) message: String,
    /// Who made it.
    pub(crate) source: Source,
    /// With a failure: the Win32 code.
    pub(crate) win32_code: u32,
}

/// A call that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its number, which rises from call to call.
    pub(crate) number: u64,
    /// What is asked for.
    pub(crate) kind: CallKind,
    /// Whether a daemon was told of it already.
    pub(crate) announced: bool,
    patience: Patience,
    /// Of the last report; 0 before the first.
    check_point: u32,
    begun: Instant,
    /// When the monitor was told last.
    told: Instant,
    /// When the daemon told last how the call goes, or was told of the call.
    heard: Instant,
    /// How long the daemon may take from `heard` to the next status, by its own word.
    hint: Duration,
    /// By when the agent is to say something more, by its own word; what the daemon says meanwhile does not change it.
    awaited: Option<Instant>,
    /// When the call has failed unless the agent says something: there since a daemon was told of the call once more.
    last_hope: Option<Instant>,
}

impl Call {
    /// A call that has just begun.
    pub(crate) fn new(number: u64, kind: CallKind, patience: Patience, now: Instant) -> Self {
        Self {
            number,
            kind,
            announced: false,
            patience,
            check_point: 0,
            begun: now,
            told: now,
            heard: now,
            hint: patience.pending_timeout,
            awaited: now.checked_add(patience.pending_timeout),
            last_hope: None,
        }
    }

    /// The check point that the monitor was told last; 0 before the first.
    pub(crate) const fn check_point(&self) -> u32 {
        self.check_point
    }

    /// The native state while the call goes on.
    pub(crate) const fn pending(&self) -> i32 {
        match self.kind {
            CallKind::Offline => ResourceState::OFFLINE_PENDING.0,
            CallKind::Online | CallKind::Unspecified => ResourceState::ONLINE_PENDING.0,
        }
    }

    /// The daemon was told of the call, so its time for a status begins. One that is there again and again must not renew that
    /// time for ever, so it is bounded from the second time on, until the agent says something: longer than the daemon
    /// itself would wait for an agent.
    pub(crate) fn announce(&mut self, now: Instant) {
        if self.announced && self.last_hope.is_none() {
            let longest = self.patience.pending_timeout * 3 + self.patience.daemon_grace;
            let awaited = self.awaited.map(|awaited| awaited.max(now));
            self.last_hope = awaited.and_then(|awaited| awaited.checked_add(longest));
        }
        self.announced = true;
        self.heard = now;
        self.hint = self.patience.pending_timeout;
    }

    /// What a status of the daemon makes known; `None` for a state that the call cannot have.
    pub(crate) fn hear(&mut self, status: &Status, now: Instant) -> Option<Report> {
        let (state, last) = match (status.state(), self.kind) {
            (CallState::Pending, _) => (self.pending(), false),
            (CallState::Online, CallKind::Online) => (ResourceState::ONLINE.0, true),
            (CallState::Offline, CallKind::Offline) => (ResourceState::OFFLINE.0, true),
            (CallState::Failed, _) => (ResourceState::FAILED.0, true),
            (CallState::Online | CallState::Offline | CallState::Unspecified, _) => return None,
        };
        self.heard = now;
        self.hint = match status.wait_hint_ms {
            0 => self.patience.pending_timeout,
            hint => Duration::from_millis(hint),
        };
        if status.source() == Source::Agent {
            self.awaited = now.checked_add(self.hint);
            self.last_hope = None;
        }
        let mut report = self.report(state, status.message.clone(), now);
        report.last = last;
        report.wait_hint_ms = status.wait_hint_ms;
        report.percent = status.percent.map(|percent| percent.min(100));
        report.source = status.source();
        report.win32_code = if state == ResourceState::FAILED.0 {
            status.win32_code
        } else {
            0
        };
        Some(report)
    }

    /// When [`Call::tick`] will have something to say.
    pub(crate) fn due(&self, reach: Reach) -> Instant {
        self.speaks(reach).min(self.fails(reach))
    }

    /// What is to be told to the monitor by now without a word of the daemon: that the call goes on, so that the monitor's
    /// pending timeout does not strike, or in the end that it has failed.
    pub(crate) fn tick(&mut self, now: Instant, reach: Reach) -> Option<Report> {
        if now >= self.fails(reach) {
            let (code, message) = match reach {
                _ if self.last_hope.is_some_and(|when| when <= now) => (
                    DAEMON_SILENT,
                    "the daemon comes and goes, and no agent says anything about the call",
                ),
                Reach::Open => (DAEMON_SILENT, "the daemon says nothing about the call"),
                Reach::Away { .. } => (DAEMON_AWAY, "the daemon cannot be reached"),
            };
            let mut report = self.report(ResourceState::FAILED.0, message.to_owned(), now);
            report.last = true;
            report.win32_code = code;
            return Some(report);
        }
        if now < self.speaks(reach) {
            return None;
        }
        let message = match reach {
            Reach::Open => "waiting for the next status",
            Reach::Away { .. } => "waiting for the daemon",
        };
        Some(self.report(self.pending(), message.to_owned(), now))
    }

    /// When the monitor is to hear that the call goes on.
    fn speaks(&self, reach: Reach) -> Instant {
        let gap = match reach {
            // Rather late, so that statuses which come regularly are not mixed with others.
            Reach::Open => self.patience.pending_timeout * 2 / 3,
            Reach::Away { .. } => (self.patience.pending_timeout / 3).min(WAITING),
        };
        self.told + gap
    }

    /// When the call has failed unless the daemon says something. The daemon keeps its own, shorter deadline.
    fn fails(&self, reach: Reach) -> Instant {
        let deadline = match reach {
            Reach::Open => self
                .hint
                .checked_add(self.patience.pending_timeout)
                .map(|limit| (self.heard, limit)),
            Reach::Away { since } => Some((since.max(self.begun), self.patience.daemon_grace)),
        };
        let fails = deadline
            .and_then(|(from, limit)| from.checked_add(limit))
            // A hint beyond all times: as good as never, and the pending statuses go on.
            .unwrap_or_else(|| self.told + self.patience.pending_timeout * 2);
        self.last_hope.map_or(fails, |hope| fails.min(hope))
    }

    fn report(&mut self, state: i32, message: String, now: Instant) -> Report {
        self.check_point = self.check_point.saturating_add(1);
        self.told = now;
        Report {
            call: self.number,
            state,
            check_point: self.check_point,
            wait_hint_ms: 0,
            last: false,
            percent: None,
            message: cut(message),
            source: Source::Dll,
            win32_code: 0,
        }
    }
}

/// A message, at most so long that it may be passed on.
pub(crate) fn cut(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(end);
    }
    message
}

#[cfg(test)]
mod tests;

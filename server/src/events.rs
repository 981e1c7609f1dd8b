//! The numbered events that the daemon reports to the host's event log.
//!
//! An event is for whoever runs the host: its number is stable, so that monitoring can watch for it, and its text is in
//! the message file of the executable. The log (`logging.rs`) says the same and more, for whoever looks closer. No event
//! holds a secret.
//!
//! | numbers | are about |
//! | --- | --- |
//! | 100 to 199 | the life of the daemon |
//! | 200 to 299 | operations |
//! | 300 to 399 | the journal |
//! | 400 to 499 | settings |
//! | 500 to 599 | who may connect |
//! | 600 to 699 | the audit log |
//!
//! [`MESSAGES`] lists every event. A number is never used again for something else, and the meaning of an insertion string
//! never changes.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use wsfc_proto::v1;
use wsfc_proto::v1::OperationState;

use crate::operation::validate::excerpt;

/// The longest insertion string in characters. The event log takes 31,839 in all strings of an event together
/// (ReportEventW).
const LONGEST_INSERTION: usize = 4_000;

/// How much an event asks of whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing.
    Information,
    /// Something may need a look.
    Warning,
    /// Something needs a look.
    Error,
}

/// What an event says, as the message file has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number, as an administrator sees it.
    pub id: u16,
    /// Its symbolic name in the message file.
    pub name: &'static str,
    /// Its severity.
    pub severity: Severity,
    /// Its text; `%1`, `%2` and so on stand for the insertion strings.
    pub text: &'static str,
}

impl Message {
    /// The whole identifier as ReportEventW takes it and a message compiler makes it: the severity in the two highest
    /// bits, no facility, the number in the low half.
    pub fn identifier(&self) -> u32 {
        let severity: u32 = match self.severity {
            Severity::Information => 1,
            Severity::Warning => 2,
            Severity::Error => 3,
        };
        severity << 30 | u32::from(self.id)
    }
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $severity:ident, $text:literal;)+) => {
        $(
            $(#[$doc])*
            pub const $name: Message = Message {
                id: $id,
                name: stringify!($name),
                severity: Severity::$severity,
                text: $text,
            };
        )+
        /// Every message, by rising number.
        pub const MESSAGES: &[Message] = &[$($name),+];
    };
}

messages! {
    /// See [`Event::Started`].
    STARTED = 100, Information, "wsfcd %1 serves on %2.";
    /// See [`Event::Stopped`].
    STOPPED = 101, Information, "wsfcd has stopped.";
    /// See [`Event::StartFailed`].
    START_FAILED = 102, Error, "wsfcd did not start: %1";
    /// See [`Event::EndedEarly`].
    ENDED_EARLY = 103, Warning, "wsfcd ended without waiting for running operations: %1";
    /// See [`Event::LeftRunning`].
    LEFT_RUNNING = 104, Warning,
        "wsfcd stops while %1 operations are still running. They will be INTERRUPTED at the next start: %2";
    /// See [`Event::OpenToAnybody`].
    OPEN_TO_ANYBODY = 105, Warning,
        "wsfcd listens on %1 and gives a role to callers who show nothing (access.unauthenticated_role is set): everybody who reaches the address has it.";
    /// See [`Event::LogFilesMissing`].
    LOG_FILES_MISSING = 106, Warning, "wsfcd runs without log files: %1";
    /// See [`Event::OperationBegun`].
    OPERATION_BEGUN = 200, Information, "Operation %1 has begun: %2, cluster %3, target %4, asked for by %5.";
    /// See [`Event::OperationEnded`].
    OPERATION_SUCCEEDED = 201, Information, "Operation %1 has succeeded: %2, cluster %3, target %4, asked for by %5. %7";
    /// See [`Event::OperationEnded`].
    OPERATION_SUCCEEDED_IN_PART = 202, Warning,
        "Operation %1 has succeeded, but something is missing (%6): %2, cluster %3, target %4, asked for by %5. %7";
    /// See [`Event::OperationEnded`].
    OPERATION_FAILED = 203, Error, "Operation %1 has failed (%6): %2, cluster %3, target %4, asked for by %5. %7";
    /// See [`Event::OperationEnded`].
    OPERATION_INTERRUPTED = 204, Warning,
        "Operation %1 was interrupted (%6): %2, cluster %3, target %4, asked for by %5. %7";
    /// See [`Event::OperationEnded`].
    OPERATION_CANCELLED = 205, Information,
        "Operation %1 was cancelled (%6): %2, cluster %3, target %4, asked for by %5. %7";
    /// See [`Event::JournalRecovered`].
    JOURNAL_RECOVERED = 300, Warning,
        "wsfcd found operations of its last run that had not ended: %1 were running and are now INTERRUPTED, %2 were waiting.";
    /// See [`Event::JournalQuarantined`].
    JOURNAL_QUARANTINED = 301, Error,
        "The journal was damaged and is kept as %1. wsfcd starts with an empty one and knows nothing of earlier operations. Cause: %2";
    /// See [`Event::JournalFailed`].
    JOURNAL_FAILED = 302, Error, "The journal cannot be written, and wsfcd ends: %1";
    /// See [`Event::JournalMissing`].
    JOURNAL_MISSING = 303, Error,
        "The journal is missing, though %1 shows that there was one. wsfcd starts with an empty one and knows nothing of earlier operations. If it was moved, stop wsfcd and put it back.";
    /// See [`Event::SettingsReloaded`].
    SETTINGS_RELOADED = 400, Information,
        "The settings were read again. In effect now: %1. In effect at the next start: %2.";
    /// See [`Event::ReloadRefused`].
    RELOAD_REFUSED = 401, Error, "The settings were read again and cannot be used; nothing has changed: %1";
    /// See [`Event::ClientRefused`].
    CLIENT_REFUSED = 500, Warning,
        "%1 connections were refused since the last such event because of their client certificate. The last came from %2: %3";
    /// See [`Event::CertificateExpires`].
    CERTIFICATE_EXPIRES = 501, Warning, "What %1 names expires at %2, in %3 days.";
    /// See [`Event::CertificateExpired`].
    CERTIFICATE_EXPIRED = 502, Error, "What %1 names has expired, at %2.";
    /// See [`Event::CertificatesReloaded`].
    CERTIFICATES_RELOADED = 503, Information, "The certificates have changed and were read again.";
    /// See [`Event::CertificatesRefused`].
    CERTIFICATES_REFUSED = 504, Error,
        "The certificates have changed and cannot be used; the former ones stay: %1";
    /// See [`Event::CallsRefused`].
    CALLS_REFUSED = 520, Warning,
        "%1 calls were refused within a minute because of who asked or what for. The last came from %2 at %3: %4 (%5)";
    /// See [`Event::AuditUnavailable`].
    AUDIT_UNAVAILABLE = 600, Error,
        "The audit log cannot be written, and calls that change something are refused until it can: %1";
    /// See [`Event::AuditRecovered`].
    AUDIT_RECOVERED = 601, Information,
        "The audit log is written again. %1 calls were refused meanwhile, and %2 entries are lost.";
    /// See [`Event::AuditChanged`].
    AUDIT_CHANGED = 602, Error,
        "The audit log is not as wsfcd left it, and goes on in a fresh file; wsfcctl audit verify tells where: %1";
    /// See [`Event::AuditAnchor`].
    AUDIT_ANCHOR = 603, Information, "The audit log has come to entry %1, whose hash is %2.";
    /// See [`Event::CallMade`].
    CALL_MADE = 604, Information, "%1 has called %2 on %3, from %4, and was answered %5 (entry %6 of the audit log).";
}

/// Something that an administrator of the host should find in the event log.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The daemon serves.
    Started {
        /// Where.
        address: SocketAddr,
    },
    /// The daemon has stopped in order.
    Stopped,
    /// The daemon did not start.
    StartFailed {
        /// Why, with all causes.
        error: String,
    },
    /// The daemon ended without a look at what was running.
    EndedEarly {
        /// Why, with all causes.
        error: String,
    },
    /// The daemon stops, and calls have not come back in the time that they were given.
    LeftRunning {
        /// The ids of the operations.
        operations: Vec<String>,
    },
    /// Everybody who reaches the address has full control.
    OpenToAnybody {
        /// The address.
        address: SocketAddr,
    },
    /// There are no log files although there should be.
    LogFilesMissing {
        /// Why, with all causes.
        error: String,
    },
    /// An operation's call is about to be made.
    OperationBegun(Box<OperationFacts>),
    /// An operation has ended, durably.
    OperationEnded(Box<OperationFacts>),
    /// A former run left operations that had not ended.
    JournalRecovered {
        /// How many were running.
        interrupted: usize,
        /// How many waited for their turn.
        pending: usize,
    },
    /// The journal was damaged and set aside.
    JournalQuarantined {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The journal cannot be written any more.
    JournalFailed {
        /// Why, with all causes.
        error: String,
    },
    /// There was a journal and it is gone, so an empty one was begun.
    JournalMissing {
        /// What says so.
        trace: String,
    },
    /// The settings were read again.
    SettingsReloaded {
        /// The settings that have changed.
        changed: Vec<String>,
        /// The settings that will have changed at the next start.
        at_next_start: Vec<String>,
    },
    /// The settings were read again and are no good.
    ReloadRefused {
        /// Why, with all causes.
        error: String,
    },
    /// Clients were refused for want of a good certificate.
    ClientRefused {
        /// How many since the last such event.
        count: u64,
        /// Where the last one came from.
        address: SocketAddr,
        /// What was wrong with its certificate.
        error: String,
    },
    /// A certificate, or a list of revoked ones, expires within thirty days.
    CertificateExpires {
        /// The setting that names its file.
        what: &'static str,
        /// When it expires.
        at: String,
        /// In how many whole days.
        days: u64,
    },
    /// A certificate, or a list of revoked ones, has expired.
    CertificateExpired {
        /// The setting that names its file.
        what: &'static str,
        /// When it expired.
        at: String,
    },
    /// Certificates have changed, and were read again.
    CertificatesReloaded,
    /// Certificates have changed, and are no good.
    CertificatesRefused {
        /// Why, with all causes.
        error: String,
    },
    /// Calls were refused because of who asked or what for.
    CallsRefused {
        /// How many within a minute.
        count: u64,
        /// Who the last one came from, as far as it was known.
        principal: String,
        /// Where it came from.
        place: String,
        /// The path of the method.
        method: String,
        /// Why.
        reason: String,
    },
    /// The audit log cannot be written.
    AuditUnavailable {
        /// Why, with all causes.
        cause: String,
    },
    /// The audit log is written again.
    AuditRecovered {
        /// How many calls were refused meanwhile.
        refused: u64,
        /// How many other entries found no place.
        lost: u64,
    },
    /// The audit log was edited, cut off or removed.
    AuditChanged {
        /// What shows it.
        what: String,
    },
    /// A place in the audit log, to verify it against: at the start, once a day, and at the end.
    AuditAnchor {
        /// The sequence number.
        sequence: u64,
        /// The hash of that entry.
        hash: String,
    },
    /// A call that may change something was made and answered. Those that begin an operation have its events instead.
    CallMade(Box<CallFacts>),
}

/// What an event says about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFacts {
    /// Who has made it.
    pub principal: String,
    /// The path of the method.
    pub method: String,
    /// The cluster and the objects that it names; may be empty.
    pub objects: Vec<String>,
    /// Where it came from.
    pub place: String,
    /// The code and the reason of the answer.
    pub answer: String,
    /// The sequence number of its intent in the audit log.
    pub intent: u64,
}

/// What an event says about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationFacts {
    /// Its id.
    pub operation_id: String,
    /// What kind it is, for example `CREATE_CLUSTER`.
    pub kind: String,
    /// The cluster.
    pub cluster: String,
    /// What in the cluster it is about; may be empty.
    pub target: String,
    /// Who asked for it.
    pub principal: String,
    /// Its state.
    pub state: OperationState,
    /// It succeeded, and something is missing.
    pub partial: bool,
    /// The reason of its outcome; empty on success.
    pub reason: String,
    /// Its outcome in words.
    pub message: String,
}

impl From<&v1::Operation> for OperationFacts {
    fn from(operation: &v1::Operation) -> Self {
        let kind = operation.kind().as_str_name();
        let outcome = operation.outcome.as_ref();
        Self {
            operation_id: operation.operation_id.clone(),
            kind: kind.strip_prefix("OPERATION_KIND_").unwrap_or(kind).into(),
            cluster: operation.cluster.clone(),
            target: operation.target.clone(),
            principal: operation.principal.clone(),
            state: operation.state(),
            partial: outcome.is_some_and(|outcome| outcome.partial),
            reason: outcome.map(|outcome| outcome.reason.clone()).unwrap_or_default(),
            message: outcome.map(|outcome| outcome.message.clone()).unwrap_or_default(),
        }
    }
}

impl Event {
    /// An operation's call is about to be made.
    pub fn begun(operation: &v1::Operation) -> Self {
        Self::OperationBegun(Box::new(operation.into()))
    }

    /// An operation has ended.
    pub fn ended(operation: &v1::Operation) -> Self {
        Self::OperationEnded(Box::new(operation.into()))
    }

    /// Its number, severity and text.
    pub fn message(&self) -> &'static Message {
        match self {
            Self::Started { .. } => &STARTED,
            Self::Stopped => &STOPPED,
            Self::StartFailed { .. } => &START_FAILED,
            Self::EndedEarly { .. } => &ENDED_EARLY,
            Self::LeftRunning { .. } => &LEFT_RUNNING,
            Self::OpenToAnybody { .. } => &OPEN_TO_ANYBODY,
            Self::LogFilesMissing { .. } => &LOG_FILES_MISSING,
            Self::OperationBegun(_) => &OPERATION_BEGUN,
            Self::OperationEnded(facts) => match facts.state {
                OperationState::Succeeded if facts.partial => &OPERATION_SUCCEEDED_IN_PART,
                OperationState::Succeeded => &OPERATION_SUCCEEDED,
                OperationState::Cancelled => &OPERATION_CANCELLED,
                OperationState::Interrupted => &OPERATION_INTERRUPTED,
                // No other state is final.
                OperationState::Failed
                | OperationState::Pending
                | OperationState::Running
                | OperationState::Unspecified => &OPERATION_FAILED,
            },
            Self::JournalRecovered { .. } => &JOURNAL_RECOVERED,
            Self::JournalQuarantined { .. } => &JOURNAL_QUARANTINED,
            Self::JournalFailed { .. } => &JOURNAL_FAILED,
            Self::JournalMissing { .. } => &JOURNAL_MISSING,
            Self::SettingsReloaded { .. } => &SETTINGS_RELOADED,
            Self::ReloadRefused { .. } => &RELOAD_REFUSED,
            Self::ClientRefused { .. } => &CLIENT_REFUSED,
            Self::CertificateExpires { .. } => &CERTIFICATE_EXPIRES,
            Self::CertificateExpired { .. } => &CERTIFICATE_EXPIRED,
            Self::CertificatesReloaded => &CERTIFICATES_RELOADED,
            Self::CertificatesRefused { .. } => &CERTIFICATES_REFUSED,
            Self::CallsRefused { .. } => &CALLS_REFUSED,
            Self::AuditUnavailable { .. } => &AUDIT_UNAVAILABLE,
            Self::AuditRecovered { .. } => &AUDIT_RECOVERED,
            Self::AuditChanged { .. } => &AUDIT_CHANGED,
            Self::AuditAnchor { .. } => &AUDIT_ANCHOR,
            Self::CallMade(_) => &CALL_MADE,
        }
    }

    /// The insertion strings, in the order of the text's `%1`, `%2` and so on: bounded, and harmless to a viewer.
    pub fn insertions(&self) -> Vec<String> {
        let strings = match self {
            Self::Started { address } => vec![env!("CARGO_PKG_VERSION").into(), address.to_string()],
            Self::Stopped | Self::CertificatesReloaded => Vec::new(),
            Self::StartFailed { error }
            | Self::EndedEarly { error }
            | Self::LogFilesMissing { error }
            | Self::JournalFailed { error }
            | Self::ReloadRefused { error }
            | Self::CertificatesRefused { error } => vec![error.clone()],
            Self::LeftRunning { operations } => vec![operations.len().to_string(), listed(operations)],
            Self::OpenToAnybody { address } => vec![address.to_string()],
            Self::OperationBegun(facts) | Self::OperationEnded(facts) => [
                &facts.operation_id,
                &facts.kind,
                &facts.cluster,
                &facts.target,
                &facts.principal,
                &facts.reason,
                &facts.message,
            ]
            .into_iter()
            .cloned()
            .collect(),
            Self::JournalRecovered { interrupted, pending } => vec![interrupted.to_string(), pending.to_string()],
            Self::JournalQuarantined { path, cause } => vec![path.clone(), cause.clone()],
            Self::JournalMissing { trace } => vec![trace.clone()],
            Self::SettingsReloaded { changed, at_next_start } => vec![listed(changed), listed(at_next_start)],
            Self::ClientRefused { count, address, error } => {
                vec![count.to_string(), address.to_string(), error.clone()]
            }
            Self::CertificateExpires { what, at, days } => vec![(*what).into(), at.clone(), days.to_string()],
            Self::CertificateExpired { what, at } => vec![(*what).into(), at.clone()],
            Self::CallsRefused {
                count,
                principal,
                place,
                method,
                reason,
            } => vec![
                count.to_string(),
                excerpt(principal).into(),
                place.clone(),
                excerpt(method).into(),
                reason.clone(),
            ],
            Self::AuditUnavailable { cause } => vec![cause.clone()],
            Self::AuditRecovered { refused, lost } => vec![refused.to_string(), lost.to_string()],
            Self::AuditChanged { what } => vec![what.clone()],
            Self::AuditAnchor { sequence, hash } => vec![sequence.to_string(), hash.clone()],
            Self::CallMade(facts) => vec![
                facts.principal.clone(),
                facts.method.clone(),
                listed(&facts.objects),
                facts.place.clone(),
                facts.answer.clone(),
                facts.intent.to_string(),
            ],
        };
        strings.iter().map(|text| insertion(text)).collect()
    }

    /// The whole text, for where there is no viewer that puts it together.
    pub fn text(&self) -> String {
        let insertions = self.insertions();
        let mut parts = self.message().text.split('%');
        let mut text: String = parts.next().unwrap_or_default().into();
        for part in parts {
            // Texts have fewer than ten insertion strings.
            let (number, rest) = part.split_at(part.len().min(1));
            let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            text.push_str(index.and_then(|index| insertions.get(index)).map_or("", String::as_str));
            text.push_str(rest);
        }
        text
    }
}

/// Names in a row, or a word for none.
fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

/// A string that an event may carry. A viewer takes `%` and a digit in it for another insertion (ReportEventW), and line
/// breaks of a stranger's text would draw lines that nobody reported.
fn insertion(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        kept.push(if character.is_control() { ' ' } else { character });
        if character == '%'
            && characters
                .peek()
                .is_some_and(|next| next.is_ascii_digit() || *next == '%')
        {
            kept.push(' ');
        }
    }
    if let Some((end, _)) = kept.char_indices().nth(LONGEST_INSERTION) {
        kept.truncate(end);
        kept.push_str(" ...");
    }
    kept
}

/// Where events go.
pub trait EventLog: Send + Sync {
    /// Reports an event. It returns soon, since whoever reports has work to do: a log that waits for another process
    /// does so on a thread of its own. A log that cannot take the event says so in the daemon's log; nobody else is told.
    fn report(&self, event: &Event);
}

/// Events as lines of the daemon's log, for hosts without an event log and for consoles. The same is logged where it
/// happens, so this adds the numbers, at the level `debug`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoggedEvents;

impl EventLog for LoggedEvents {
    fn report(&self, event: &Event) {
        let message = event.message();
        tracing::debug!(event = message.id, severity = ?message.severity, text = event.text(), "Event");
    }
}

/// Keeps events, for tests.
#[derive(Debug, Default)]
pub struct RecordedEvents(Mutex<Vec<Event>>);

impl RecordedEvents {
    /// What was reported so far, and not taken before.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EventLog for RecordedEvents {
    fn report(&self, event: &Event) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone());
    }
}

#[cfg(test)]
mod tests;

//! What a verb has about it while it runs, and what it comes to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wsfc_clusapi::{Cluster, Error, Secret, Stored, Win32};
use wsfc_proto::v1;
use wsfc_proto::v1::{OperationState, SuggestedAction};

use crate::hosts::Hosts;
use crate::journal::{ProgressReport, ProgressSink};
use crate::platform::Clock;

/// What a verb has about it.
pub struct Scene<'a> {
    /// The cluster.
    pub(super) cluster: &'a Cluster,
    /// Its own name.
    pub(super) name: &'a str,
    /// True when nothing may be changed: what can be foreseen by reads is all that is asked.
    pub(super) rehearsal: bool,
    /// Where changes of state go.
    pub(super) sink: Option<&'a ProgressSink>,
    /// Tells the time.
    pub(super) clock: &'a dyn Clock,
    /// The service managers of hosts.
    pub(super) services: &'a dyn Hosts,
    /// How long a call that goes on in the cluster is followed.
    pub(super) limit: Duration,
    /// Set when a cancellation was asked for.
    pub(super) asked: &'a AtomicBool,
    /// What opens a cloud witness.
    pub(super) secret: Option<&'a Secret>,
}

/// How a verb goes.
pub(super) type Run = Result<End, Stop>;

/// Why a verb ends before its end.
#[derive(Debug)]
pub enum Stop {
    /// The cluster API refused.
    Api(Error),
    /// The daemon itself refuses, or what was followed came to a bad end.
    Refused(Box<End>),
    /// It was a rehearsal, and nothing speaks against the verb.
    Rehearsed,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Api(error)
    }
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::Refused(Box::new(end))
    }
}

/// What a verb came to.
#[derive(Debug, Default)]
pub struct End {
    /// The final state of the operation.
    pub state: OperationState,
    /// The reason, in UPPER_SNAKE_CASE; empty for a success.
    pub reason: String,
    /// What happened, for people.
    pub message: String,
    /// Everything was as wished before.
    pub unchanged: bool,
    /// What was changed takes effect when the resource comes online the next time.
    pub at_next_online: bool,
    /// Where the object stands.
    pub final_state: Option<v1::ObjectStateChanged>,
    /// The native code, where a call was refused with one or the daemon refuses as the cluster would.
    pub status: Option<u32>,
    /// What can be done about it.
    pub suggested: Option<SuggestedAction>,
}

impl End {
    /// The verb has done what it should.
    pub(super) fn done(message: impl Into<String>) -> Self {
        Self {
            state: OperationState::Succeeded,
            message: message.into(),
            ..Self::default()
        }
    }

    /// Everything was as wished before.
    pub(super) fn unchanged(message: impl Into<String>) -> Self {
        Self {
            unchanged: true,
            ..Self::done(message)
        }
    }

    /// A change was taken, at once or for the next time online.
    pub(super) fn stored(stored: Stored, message: impl Into<String>) -> Self {
        let mut end = Self::done(message);
        if stored == Stored::AtNextOnline {
            end.at_next_online = true;
            end.message
                .push_str(" It is stored, and takes effect when the resource comes online the next time.");
        }
        end
    }

    /// The verb has failed.
    pub(super) fn failed(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            state: OperationState::Failed,
            reason: reason.into(),
            message: message.into(),
            suggested: Some(SuggestedAction::Inspect),
            ..Self::default()
        }
    }

    /// With where the object stands.
    pub(super) fn at(self, state: v1::ObjectStateChanged) -> Self {
        Self {
            final_state: Some(state),
            ..self
        }
    }
}

impl Scene<'_> {
    /// From here on something is changed: a rehearsal ends here.
    pub(super) fn begin(&self) -> Result<(), Stop> {
        if self.rehearsal { Err(Stop::Rehearsed) } else { Ok(()) }
    }

    /// In a rehearsal, says what the cluster would refuse with which code. Otherwise the cluster says it itself.
    pub(super) fn foresee(
        &self,
        function: &'static str,
        code: Win32,
        refuses: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<(), Stop> {
        if self.rehearsal && refuses()? {
            return Err(Stop::Api(Error::Call { function, code }));
        }
        Ok(())
    }

    /// Records a change of state.
    pub(super) fn tell(&self, state: &v1::ObjectStateChanged) {
        if let Some(sink) = self.sink {
            sink.push(ProgressReport::State(Box::new(state.clone())));
        }
    }

    /// Whether a cancellation was asked for.
    pub(super) fn cancel_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// What is opened by a name, or nothing when there is none: the codes of facts 2.1.
pub(super) fn found<T>(opened: Result<T, Error>) -> Result<Option<T>, Error> {
    match opened {
        Ok(object) => Ok(Some(object)),
        Err(error) if means_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that there is no such object: the codes of facts 2.1, and those of an object that is being
/// deleted.
pub fn means_not_found(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        matches!(
            code.0,
            2 | 303 | 5006 | 5007 | 5012 | 5013 | 5042 | 5045 | 5047 | 5078 | 5992
        )
    })
}

/// Whether two names are one: names compare without case (facts 2.1).
pub(super) fn same(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

/// Whether a list holds a name.
pub(super) fn holds(names: &[String], name: &str) -> bool {
    names.iter().any(|held| same(held, name))
}

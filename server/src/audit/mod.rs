//! The audit log: who asked for what, written down before it takes effect.
//!
//! The form of the log is that of the crate `wsfc-audit`. Everything is written by one thread, which makes all that waits
//! durable in one go. A changing call gets its go-ahead from [`Audit::intent`], when its entry is durable; what it was
//! answered follows by [`Ticket::outcome`], for which nobody waits. While the log cannot be written, intents are refused,
//! the writer tries again every second, and what could not be written is counted in an entry once it can.
//!
//! Refusals are written down as well, but anybody can cause them: the first of a kind at once, and the others of the same
//! kind as one line with their number each minute ([`refusals`]).

pub mod call;
mod check;
mod log;
pub mod refusals;
pub mod request;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
pub use wsfc_audit::{Anchor, Call, Origin, Outcome, Who};
use wsfc_audit::{Entry, Kind, excerpt};

use self::refusals::{Refusals, place};
use self::writer::Writer;
use crate::events::{CallFacts, Event, EventLog, OperationFacts};
use crate::platform::Platform;

/// How long a call waits for its entry. A disk that takes longer refuses it.
const PATIENCE: Duration = Duration::from_secs(10);
/// When so many entries wait for the writer, no further call is let in. The writer takes all that wait at once, so
/// there are only as many while the disk hangs.
const MOST_WAITING: usize = 4_096;
/// How many objects of a request an entry names.
const MOST_OBJECTS: usize = 16;

/// Where the log is, and how large its files become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder.
    pub dir: PathBuf,
    /// A file that would become larger is followed by another one.
    pub max_file_bytes: u64,
    /// How many files are kept; absent: all.
    pub keep_files: Option<usize>,
}

impl Options {
    /// The first file that an earlier daemon has left.
    pub fn trace(&self) -> Option<PathBuf> {
        // A folder that cannot be read is told of when the log is opened.
        let files = wsfc_audit::files(&self.dir).ok()?;
        files.into_iter().next().map(|file| file.path)
    }
}

/// The audit log of a daemon. Clones share it.
#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    platform: Platform,
}

#[derive(Default)]
struct State {
    items: Vec<Item>,
    refusals: Refusals,
    /// The writer is to end once everything is written.
    stop: Option<oneshot::Sender<()>>,
    /// The writer has ended.
    ended: bool,
}

enum Item {
    /// Somebody waits until it is durable, and for its sequence number.
    Intent {
        entry: Box<Entry>,
        written: oneshot::Sender<Result<u64, AuditUnavailable>>,
    },
    /// Nobody waits.
    Note(Box<Entry>),
}

/// What an entry says about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub who: Who,
    /// From where.
    pub from: Origin,
    /// For what.
    pub call: Call,
}

/// What a call that anybody may make is written down with, once what it shows has been found good: strangers must not be
/// able to fill the log. Its handler finds it among the extensions of the request; what it refuses is a refusal.
#[derive(Clone, Debug)]
pub struct Deferred {
    audit: Audit,
    asked: Asked,
}

impl Deferred {
    /// For a call in this log.
    pub fn new(audit: Audit, asked: Asked) -> Self {
        Self { audit, asked }
    }

    /// As [`Audit::intent`].
    ///
    /// # Errors
    ///
    /// As of [`Audit::intent`].
    pub async fn intent(&self) -> Result<Ticket, AuditUnavailable> {
        self.audit.intent(self.asked.clone()).await
    }
}

/// The go-ahead of a call whose client streams. Its handler finds it among the extensions of the request, and tells the
/// outcome once it knows what the call is about.
#[derive(Clone, Debug)]
pub struct Held(Arc<Mutex<Option<Ticket>>>);

impl Held {
    /// Holds this one.
    pub fn new(ticket: Ticket) -> Self {
        Self(Arc::new(Mutex::new(Some(ticket))))
    }

    /// As [`Ticket::outcome`], the first time; the detail is an excerpt of this text.
    pub fn outcome(&self, outcome: Outcome, detail: &str) {
        let ticket = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ticket) = ticket {
            let detail = (!detail.is_empty()).then(|| excerpt(detail));
            ticket.outcome(outcome, None, detail);
        }
    }
}

/// The operation that a call has begun, or attached to; handlers leave it among the extensions of their answer.
#[derive(Clone, Copy, Debug)]
pub struct Began(pub uuid::Uuid);

/// What a call has made that its request does not name, in words; handlers leave it among the extensions of their
/// answer. It becomes the detail of the outcome as it is, so its maker bounds the texts of callers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made(pub String);

/// The log cannot be written, so nothing that changes something is carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditUnavailable {
    /// The disk refuses.
    #[error("the audit log cannot be written: {cause}")]
    Failed {
        /// Why, with all causes.
        cause: String,
    },
    /// The disk does not answer, or too many wait for it.
    #[error("the audit log was not written within {}", humantime::format_duration(PATIENCE))]
    Slow,
    /// The daemon is stopping.
    #[error("the audit log is closed")]
    Closed,
}

impl Audit {
    /// Starts the thread that writes the log. It opens the log by itself; what is asked for meanwhile waits. A log that
    /// cannot be opened is one that cannot be written.
    ///
    /// # Errors
    ///
    /// The operating system refused the thread.
    pub fn start(options: Options, platform: &Platform) -> std::io::Result<Self> {
        let audit = Self::new(platform);
        let writer = Writer::new(audit.clone(), options);
        platform.threads.spawn("wsfcd-audit", Box::new(move || writer.run()))?;
        Ok(audit)
    }

    fn new(platform: &Platform) -> Self {
        let audit = Self(Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            platform: platform.clone(),
        }));
        let mut started = Entry::new(Kind::Started);
        started.detail = Some(format!(
            "wsfcd {}, process {}",
            env!("CARGO_PKG_VERSION"),
            std::process::id()
        ));
        audit.note(started);
        audit
    }

    /// Writes down that a call is about to be carried out, and waits until that is durable.
    ///
    /// # Errors
    ///
    /// It cannot be written; the call must not be carried out.
    pub async fn intent(&self, asked: Asked) -> Result<Ticket, AuditUnavailable> {
        let mut entry = Entry::new(Kind::Intent);
        let mut facts = CallFacts::from(&asked);
        asked.write_to(&mut entry);
        let (written, answer) = oneshot::channel();
        {
            let mut state = self.state();
            if state.ended || state.stop.is_some() {
                return Err(AuditUnavailable::Closed);
            }
            // Callers that give up leave their entries behind, so patience alone does not bound them. Notes need no
            // bound of their own: outcomes and ends are no more than what was granted, refusals have their bound in a
            // window, which does not end while the writer hangs, and others come once a minute at most, or by hand.
            if state.items.len() >= MOST_WAITING {
                return Err(AuditUnavailable::Slow);
            }
            state.items.push(Item::Intent {
                entry: Box::new(entry),
                written,
            });
        }
        self.0.work.notify_one();
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let intent = answer
            .map_err(|_elapsed| AuditUnavailable::Slow)?
            .map_err(|_gone| AuditUnavailable::Closed)??;
        facts.intent = intent;
        Ok(Ticket {
            audit: self.clone(),
            facts,
            told: false,
        })
    }

    /// Writes down that a call was refused. Never waits; see [`refusals`] for what becomes of many.
    pub fn refused(&self, asked: Asked, outcome: Outcome) {
        let now = self.0.platform.clock.now();
        {
            let mut state = self.state();
            if state.ended {
                return;
            }
            let line = state.refusals.add(asked, outcome, now);
            state.items.extend(line.map(|line| Item::Note(Box::new(line))));
        }
        self.0.work.notify_one();
    }

    /// Writes down that an operation has ended, and how. Never waits.
    pub fn ended(&self, operation: &OperationFacts) {
        let mut entry = Entry::new(Kind::Ended);
        entry.operation_id = Some(operation.operation_id.clone());
        entry.who = Some(Who {
            principal: excerpt(&operation.principal),
            ..Who::default()
        });
        let state = operation.state.as_str_name();
        entry.result = Some(Outcome {
            code: state.strip_prefix("OPERATION_STATE_").unwrap_or(state).into(),
            reason: operation.reason.clone(),
        });
        self.note(entry);
    }

    /// Writes down that settings have changed. Never waits.
    pub fn settings_changed(&self, names: &[String]) {
        let mut entry = Entry::new(Kind::Settings);
        entry.detail = Some(excerpt(&names.join(", ")));
        self.note(entry);
    }

    /// Writes down that connections were refused in the handshake, the last of them from `address`. Never waits.
    fn connections_refused(&self, count: u64, address: SocketAddr, error: &str) {
        let mut entry = Entry::new(Kind::Refusal);
        entry.from = Some(Origin {
            address: address.to_string(),
            medium: "tls".into(),
        });
        entry.result = Some(Outcome {
            code: "UNAUTHENTICATED".into(),
            reason: "HANDSHAKE_REFUSED".into(),
        });
        entry.count = (count > 1).then_some(count);
        entry.detail = Some(excerpt(error));
        self.note(entry);
    }

    /// Events of operations and of handshakes go into the log as well, and all events on to `events`.
    pub fn with_events(&self, events: Arc<dyn EventLog>) -> Arc<dyn EventLog> {
        Arc::new(Audited {
            audit: self.clone(),
            events,
        })
    }

    /// Writes what is left, the end included, and ends the thread. Afterwards everything is refused.
    pub async fn stop(&self) {
        let (stopped, ended) = oneshot::channel();
        {
            let mut state = self.state();
            if state.ended || state.stop.is_some() {
                return;
            }
            state.stop = Some(stopped);
        }
        self.0.work.notify_one();
        // The thread ends just after it has answered; one that has panicked will not.
        let _ = ended.await;
    }

    fn note(&self, entry: Entry) {
        {
            let mut state = self.state();
            if state.ended {
                return;
            }
            state.items.push(Item::Note(Box::new(entry)));
        }
        self.0.work.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event log behind which the audit log hears how operations end, and what came to no call.
struct Audited {
    audit: Audit,
    events: Arc<dyn EventLog>,
}

impl EventLog for Audited {
    fn report(&self, event: &Event) {
        match event {
            Event::OperationEnded(operation) => self.audit.ended(operation),
            Event::ClientRefused { count, address, error } => self.audit.connections_refused(*count, *address, error),
            _ => {}
        }
        self.events.report(event);
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl From<&Asked> for CallFacts {
    fn from(asked: &Asked) -> Self {
        let call = &asked.call;
        let cluster = Some(&call.cluster).filter(|cluster| !cluster.is_empty());
        let objects = cluster.into_iter().chain(&call.objects).take(MOST_OBJECTS);
        Self {
            principal: excerpt(&asked.who.principal),
            method: excerpt(&call.method),
            objects: objects.map(|object| excerpt(object)).collect(),
            place: place(&asked.from),
            answer: String::new(),
            intent: 0,
        }
    }
}

impl Asked {
    /// Texts of callers are bounded, so that nobody fills the disk by long names.
    fn write_to(mut self, entry: &mut Entry) {
        for text in [
            &mut self.who.principal,
            &mut self.who.serial,
            &mut self.call.method,
            &mut self.call.cluster,
            &mut self.call.request_id,
        ] {
            *text = excerpt(text);
        }
        self.call.objects.truncate(MOST_OBJECTS);
        for object in &mut self.call.objects {
            *object = excerpt(object);
        }
        entry.who = (self.who != Who::default()).then_some(self.who);
        entry.from = (self.from != Origin::default()).then_some(self.from);
        entry.call = Some(self.call);
    }
}

/// The go-ahead of a call. Dropped without an outcome, as when the daemon ends meanwhile, it writes down that nobody knows
/// what came of it.
#[derive(Debug)]
#[must_use = "a call that was carried out has an outcome"]
pub struct Ticket {
    audit: Audit,
    /// What the event log is told of it.
    facts: CallFacts,
    told: bool,
}

impl Ticket {
    /// The sequence number of the intent.
    pub fn intent(&self) -> u64 {
        self.facts.intent
    }

    /// Writes down what the call was answered, and in `detail` what it has made. Never waits.
    pub fn outcome(mut self, outcome: Outcome, operation_id: Option<String>, detail: Option<String>) {
        self.told = true;
        self.write(outcome, operation_id, detail);
    }

    /// The event log has a call, too. One that has begun an operation is told there by the events of the operation, and
    /// one that was refused because of who asked by those of refusals.
    fn write(&mut self, outcome: Outcome, operation_id: Option<String>, detail: Option<String>) {
        if operation_id.is_none() && !call::is_refusal(&outcome) {
            self.facts.answer = [outcome.code.as_str(), &outcome.reason].join(" ").trim_end().to_owned();
            let event = Event::CallMade(Box::new(self.facts.clone()));
            self.audit.0.platform.events.report(&event);
        }
        let mut entry = Entry::new(Kind::Outcome);
        entry.intent = Some(self.facts.intent);
        entry.operation_id = operation_id;
        entry.result = Some(outcome);
        entry.detail = detail;
        self.audit.note(entry);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.told {
            self.write(writer::unfinished(), None, None);
        }
    }
}

#[cfg(test)]
mod tests;

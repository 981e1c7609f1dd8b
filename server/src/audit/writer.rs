//! The thread that writes the log.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use wsfc_audit::{Entry, Kind};

use super::log::{Log, OpenMedium, note, open_on_disk};
use super::refusals::{Told, place};
use super::{Audit, AuditUnavailable, Item, Options, Outcome};
use crate::events::Event;
use crate::logging::chain;

/// How long what nobody waits for may wait for the disk.
const SYNC_AFTER: Duration = Duration::from_secs(1);
/// How soon a log that could not be written is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How far behind the anchor file may be.
const ANCHOR_AFTER: Duration = Duration::from_secs(10);
/// How often the event log gets an anchor.
const TELL_ANCHOR_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How often the writer looks at what is due.
const TICK: Duration = Duration::from_millis(500);
/// How many outcomes and refusals wait for a log that cannot be written; more are counted.
const MOST_KEPT: usize = 4_096;

/// What the writer found to do.
pub(super) struct Work {
    pub(super) items: Vec<Item>,
    pub(super) refused: Option<Told>,
    pub(super) stop: Option<oneshot::Sender<()>>,
}

/// Writes the log.
pub(super) struct Writer {
    audit: Audit,
    options: Options,
    open: OpenMedium,
    log: Option<Log>,
    /// What the log says about how it was left, as long as it does not.
    found: Vec<Entry>,
    /// The log cannot be written.
    failed: Option<Failure>,
    /// What is not durable. The first `appended` of them are written.
    pending: Vec<Pending>,
    appended: usize,
    synced: SystemTime,
    anchored: SystemTime,
    /// The anchor file could not be written last time.
    anchor_failed: bool,
    anchor_told: Option<SystemTime>,
}

/// An entry that is not durable, and who waits for it.
struct Pending {
    entry: Entry,
    written: Option<oneshot::Sender<Result<u64, AuditUnavailable>>>,
}

/// Since when the log cannot be written.
struct Failure {
    since: SystemTime,
    tried: SystemTime,
    cause: String,
    /// How many intents were refused, and how many other entries are lost.
    refused: u64,
    lost: u64,
}

impl Writer {
    pub(super) fn new(audit: Audit, options: Options) -> Self {
        let now = audit.0.platform.clock.now();
        Self {
            audit,
            options,
            open: Arc::new(open_on_disk),
            log: None,
            found: Vec::new(),
            failed: None,
            pending: Vec::new(),
            appended: 0,
            synced: now,
            anchored: now,
            anchor_failed: false,
            anchor_told: None,
        }
    }

    /// Writes to other files than those on disk.
    #[cfg(test)]
    pub(super) fn over(mut self, open: OpenMedium) -> Self {
        self.open = open;
        self
    }

    /// Writes until told to stop.
    pub(super) fn run(mut self) {
        loop {
            let work = self.wait();
            let is_last = work.stop.is_some();
            self.turn(work.items, is_last);
            if let Some(told) = work.refused {
                self.report(&Event::CallsRefused {
                    count: told.count,
                    principal: told.last.who.principal.clone(),
                    place: place(&told.last.from),
                    method: told.last.call.method.clone(),
                    reason: told.outcome.reason,
                });
            }
            if let Some(stopped) = work.stop {
                // Whoever is told by it that the log is closed finds it so.
                self.close();
                let _ = stopped.send(());
                return;
            }
        }
    }

    /// What came after the word to stop is refused, and all that follows.
    fn close(&self) {
        let left = {
            let mut state = self.audit.state();
            state.ended = true;
            std::mem::take(&mut state.items)
        };
        for item in left {
            if let Item::Intent { written, .. } = item {
                let _ = written.send(Err(AuditUnavailable::Closed));
            }
        }
    }

    /// Waits for something to do.
    fn wait(&self) -> Work {
        let shared = &self.audit.0;
        let mut state = self.audit.state();
        let mut is_due = false;
        loop {
            let stop = state.stop.take();
            let told = state.refusals.tell(shared.platform.clock.now(), stop.is_some());
            let (lines, refused) = told.map_or((Vec::new(), None), |(lines, told)| (lines, Some(told)));
            let mut items = std::mem::take(&mut state.items);
            items.extend(lines.into_iter().map(|line| Item::Note(Box::new(line))));
            if is_due || !items.is_empty() || refused.is_some() || stop.is_some() {
                return Work { items, refused, stop };
            }
            if self.is_idle() && !state.refusals.is_open() {
                state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                let waited = shared.work.wait_timeout(state, TICK);
                let (guard, elapsed) = waited.unwrap_or_else(PoisonError::into_inner);
                state = guard;
                is_due = elapsed.timed_out();
            }
        }
    }

    /// Nothing is due, now or later, but the anchor of the day, which comes with the next entry.
    fn is_idle(&self) -> bool {
        self.failed.is_none() && self.pending.is_empty() && self.log.as_ref().is_some_and(Log::is_anchored)
    }

    /// Writes what there is, and does what is due.
    pub(super) fn turn(&mut self, items: Vec<Item>, is_last: bool) {
        let now = self.audit.0.platform.clock.now();
        for item in items {
            self.pending.push(match item {
                Item::Intent { entry, written } => Pending {
                    entry: *entry,
                    written: Some(written),
                },
                Item::Note(entry) => Pending {
                    entry: *entry,
                    written: None,
                },
            });
        }
        if is_last {
            self.pending.push(Pending {
                entry: Entry::new(Kind::Stopped),
                written: None,
            });
        }
        if let Some(failed) = &self.failed
            && !is_last
            && !is_over(failed.tried, TRY_AGAIN, now)
        {
            self.refuse();
            return;
        }
        let done = self.resume(now).and_then(|()| self.write(now, is_last));
        if let Err(error) = done {
            self.fail(&error, now);
        }
    }

    /// Opens the log, or goes on with it after a failure, and says in it what happened.
    fn resume(&mut self, now: SystemTime) -> io::Result<()> {
        let log = match &mut self.log {
            Some(_) if self.failed.is_none() => return Ok(()),
            Some(log) => {
                self.found.extend(log.recover()?);
                log
            }
            None => {
                let (log, found) = Log::open(&self.options, &self.open)?;
                self.found.extend(found);
                self.log.insert(log)
            }
        };
        let mut first = self.found.clone();
        first.extend(self.failed.as_ref().map(|failed| failed.gap(now)));
        if !first.is_empty() {
            log.append(first.iter_mut().collect(), now)?;
            log.sync()?;
        }
        for entry in std::mem::take(&mut self.found) {
            let what = entry.detail.unwrap_or_default();
            if entry.kind == Kind::Alarm {
                tracing::error!(what, "The audit log is not as it was left; it goes on in a fresh file");
                self.report(&Event::AuditChanged { what });
            } else {
                tracing::warn!(what, "The audit log ended within a line, which is kept beside it");
            }
        }
        if let Some(failed) = self.failed.take() {
            let Failure { refused, lost, .. } = failed;
            tracing::info!(refused, lost, "The audit log is written again");
            self.report(&Event::AuditRecovered { refused, lost });
        }
        Ok(())
    }

    fn write(&mut self, now: SystemTime, is_last: bool) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let new = self.pending.iter_mut().skip(self.appended);
        log.append(new.map(|pending| &mut pending.entry).collect(), now)?;
        self.appended = self.pending.len();
        let is_awaited = self.pending.iter().any(|pending| pending.written.is_some());
        if is_awaited || is_last || is_over(self.synced, SYNC_AFTER, now) {
            log.sync()?;
            self.synced = now;
            self.appended = 0;
            self.answer();
        }
        if is_last && !self.pending.is_empty() {
            // Who left meanwhile is written down too; nobody waits for that.
            return self.write(now, is_last);
        }
        self.look_after(now, is_last)
    }

    /// Gives the go-ahead to those who wait; everything is durable.
    fn answer(&mut self) {
        for Pending { entry, written } in std::mem::take(&mut self.pending) {
            // Whoever waited may have left; nothing is carried out then.
            if written.is_some_and(|written| written.send(Ok(entry.sequence)).is_err()) {
                let mut outcome = Entry::new(Kind::Outcome);
                outcome.intent = Some(entry.sequence);
                outcome.result = Some(left());
                self.pending.push(Pending {
                    entry: outcome,
                    written: None,
                });
            }
        }
    }

    /// Writes anchors, and removes files that are too many.
    fn look_after(&mut self, now: SystemTime, is_last: bool) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let has_begun = log.has_begun();
        if has_begun {
            let surplus = log.surplus()?;
            for file in surplus {
                let mut entry = Entry::new(Kind::Removed);
                entry.file = Some(file.name());
                log.append(vec![&mut entry], now)?;
                // It is written down before it is gone.
                log.sync()?;
                if let Err(error) = std::fs::remove_file(&file.path) {
                    tracing::warn!(%error, file = %file.path.display(), "An old file of the audit log cannot be removed");
                }
            }
        }
        if has_begun || is_last || is_over(self.anchored, ANCHOR_AFTER, now) {
            // The log itself is whole without it, so nobody is refused for it.
            match log.anchor() {
                Ok(()) => self.anchor_failed = false,
                Err(error) if self.anchor_failed => {
                    tracing::debug!(%error, "The anchor of the audit log is not written");
                }
                Err(error) => {
                    tracing::warn!(%error, "The anchor beside the audit log cannot be written; it is tried again");
                    self.anchor_failed = true;
                }
            }
            self.anchored = now;
        }
        let anchor = log.durable();
        let told = self.anchor_told;
        let is_due = told.is_none_or(|told| is_over(told, TELL_ANCHOR_AFTER, now));
        if anchor.sequence > 0 && (is_last || is_due) {
            self.anchor_told = Some(now);
            self.report(&Event::AuditAnchor {
                sequence: anchor.sequence,
                hash: anchor.hash.to_string(),
            });
        }
        Ok(())
    }

    /// The log cannot be written: nothing that is not durable counts.
    fn fail(&mut self, error: &io::Error, now: SystemTime) {
        let cause = chain(error);
        self.appended = 0;
        match &mut self.failed {
            Some(failed) => {
                failed.tried = now;
                failed.cause = cause;
            }
            None => {
                tracing::error!(
                    cause,
                    "The audit log cannot be written; calls that change something are refused"
                );
                self.report(&Event::AuditUnavailable { cause: cause.clone() });
                self.failed = Some(Failure {
                    since: now,
                    tried: now,
                    cause,
                    refused: 0,
                    lost: 0,
                });
            }
        }
        self.refuse();
    }

    /// Refuses those who wait; the other entries wait for the log, as far as there is room.
    fn refuse(&mut self) {
        let Some(failed) = &mut self.failed else { return };
        let mut kept = Vec::new();
        for Pending { entry, written } in std::mem::take(&mut self.pending) {
            match written {
                Some(written) => {
                    failed.refused += 1;
                    let cause = failed.cause.clone();
                    let _ = written.send(Err(AuditUnavailable::Failed { cause }));
                }
                None if kept.len() < MOST_KEPT => kept.push(Pending { entry, written }),
                None => failed.lost += 1,
            }
        }
        self.pending = kept;
    }

    fn report(&self, event: &Event) {
        self.audit.0.platform.events.report(event);
    }
}

impl Failure {
    /// What the log says about the time in which nothing could be written.
    fn gap(&self, now: SystemTime) -> Entry {
        let Self {
            since, refused, lost, ..
        } = self;
        let length = now.duration_since(*since).unwrap_or_default();
        let seconds = Duration::from_secs(length.as_secs());
        let mut gap = note(
            Kind::Gap,
            format!(
                "nothing could be written for {}; {refused} calls were refused for it, and {lost} entries are lost: {}",
                humantime::format_duration(seconds),
                self.cause
            ),
        );
        gap.count = Some(refused + lost);
        gap.since = Some(*since);
        gap
    }
}

/// What came of a call whose caller left before it was begun.
pub(super) fn left() -> Outcome {
    Outcome {
        code: "CANCELLED".into(),
        reason: "CALLER_LEFT".into(),
    }
}

/// What came of a call that was begun and whose end was not seen.
pub(super) fn unfinished() -> Outcome {
    Outcome {
        code: "UNKNOWN".into(),
        reason: "NOT_FINISHED".into(),
    }
}

/// Whether a time has passed. A clock that was set back makes everything due.
fn is_over(since: SystemTime, time: Duration, now: SystemTime) -> bool {
    now.duration_since(since).map_or(true, |passed| passed >= time)
}

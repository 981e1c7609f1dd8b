//! Refusals, bounded: a flood of them must neither fill the disk nor hold up others.
//!
//! Refusals are the same when principal, host, medium, method and reason are. The first of a kind is written at once, and
//! what follows within a minute is counted and written as one line with its number at the end of that minute. In a minute
//! [`MOST_KINDS`] kinds have lines of their own; what is refused beyond is counted together. So a minute has about 130
//! lines at most, whatever anybody does: some 100 KB, or 150 MB on a day of nothing but attacks from everywhere.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use wsfc_audit::{Entry, Kind, Origin};

use super::{Asked, Outcome};

/// How long refusals of a kind are counted before they are told.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How many kinds have lines of their own in a window.
pub const MOST_KINDS: usize = 64;

/// Refusals of this window.
#[derive(Default)]
pub(super) struct Refusals {
    /// When the window began; absent when there was nothing since the last one.
    began: Option<SystemTime>,
    kinds: HashMap<Same, Counted>,
    /// What found no place among the kinds.
    others: Option<Counted>,
    /// All of this window, and the last of them.
    all: Option<Told>,
}

/// What refusals have in common that are told together.
#[derive(PartialEq, Eq, Hash)]
struct Same {
    principal: String,
    host: String,
    medium: String,
    method: String,
    reason: String,
}

/// Refusals that no line tells of yet.
struct Counted {
    untold: u64,
    since: SystemTime,
    last: SystemTime,
    asked: Asked,
    outcome: Outcome,
}

/// What the event log is told of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) count: u64,
    pub(super) last: Asked,
    pub(super) outcome: Outcome,
}

impl Refusals {
    /// Counts a refusal; gives the line that is to be written at once, if there is one.
    pub(super) fn add(&mut self, asked: Asked, outcome: Outcome, now: SystemTime) -> Option<Entry> {
        self.began.get_or_insert(now);
        let all = self.all.get_or_insert_with(|| Told {
            count: 0,
            last: asked.clone(),
            outcome: outcome.clone(),
        });
        all.count += 1;
        (all.last, all.outcome) = (asked.clone(), outcome.clone());
        let same = Same::of(&asked, &outcome);
        let is_known = self.kinds.contains_key(&same);
        if !is_known && self.kinds.len() >= MOST_KINDS {
            let others = self.others.get_or_insert_with(|| Counted::none(now));
            others.count(asked, outcome, now);
            return None;
        }
        if !is_known {
            self.kinds.insert(same, Counted::none(now));
            return Some(line(asked, outcome));
        }
        if let Some(counted) = self.kinds.get_mut(&same) {
            counted.count(asked, outcome, now);
        }
        None
    }

    /// Whether the window has begun and is to be told of one day.
    pub(super) fn is_open(&self) -> bool {
        self.began.is_some()
    }

    /// The lines of a window that has ended, or that is to end now, and what the event log is told.
    pub(super) fn tell(&mut self, now: SystemTime, at_once: bool) -> Option<(Vec<Entry>, Told)> {
        let began = self.began?;
        // A clock that was set back ends the window, too.
        let is_over = now.duration_since(began).map_or(true, |length| length >= WINDOW);
        if !is_over && !at_once {
            return None;
        }
        let window = std::mem::take(self);
        let mut counted: Vec<Counted> = window
            .kinds
            .into_values()
            .filter(|counted| counted.untold > 0)
            .collect();
        counted.sort_by_key(|counted| counted.since);
        let mut lines: Vec<Entry> = counted.into_iter().map(Counted::line).collect();
        if let Some(others) = window.others {
            let mut entry = others.line();
            entry.detail = Some(format!(
                "more than {MOST_KINDS} kinds of refusals within {}: these are all others, and the call is the last of them",
                humantime::format_duration(WINDOW)
            ));
            lines.push(entry);
        }
        window.all.map(|all| (lines, all))
    }
}

impl Same {
    fn of(asked: &Asked, outcome: &Outcome) -> Self {
        // Ports are new for each connection.
        let host = asked.from.address.rsplit_once(':').map_or("", |(host, _port)| host);
        Self {
            principal: asked.who.principal.clone(),
            host: host.into(),
            medium: asked.from.medium.clone(),
            method: asked.call.method.clone(),
            reason: outcome.reason.clone(),
        }
    }
}

impl Counted {
    fn none(now: SystemTime) -> Self {
        Self {
            untold: 0,
            since: now,
            last: now,
            asked: Asked::default(),
            outcome: Outcome::default(),
        }
    }

    fn count(&mut self, asked: Asked, outcome: Outcome, now: SystemTime) {
        if self.untold == 0 {
            self.since = now;
        }
        self.untold += 1;
        self.last = now;
        (self.asked, self.outcome) = (asked, outcome);
    }

    fn line(self) -> Entry {
        let mut entry = line(self.asked, self.outcome);
        entry.count = Some(self.untold);
        entry.since = Some(self.since);
        entry
    }
}

fn line(asked: Asked, outcome: Outcome) -> Entry {
    let mut entry = Entry::new(Kind::Refusal);
    asked.write_to(&mut entry);
    entry.result = Some(outcome);
    entry
}

/// Where a caller came from, in words.
pub(super) fn place(from: &Origin) -> String {
    match (from.address.is_empty(), from.medium.is_empty()) {
        (false, _) => from.address.clone(),
        (true, false) => from.medium.clone(),
        (true, true) => "an unknown place".into(),
    }
}

#[cfg(test)]
mod tests {
    use wsfc_audit::{Call, Who};

    use super::*;

    fn asked(principal: &str, address: &str) -> Asked {
        Asked {
            who: Who {
                principal: principal.into(),
                ..Who::default()
            },
            from: Origin {
                address: address.into(),
                medium: "tls".into(),
            },
            call: Call {
                method: "/wsfc.v1.GroupService/MoveGroup".into(),
                ..Call::default()
            },
        }
    }

    fn denied() -> Outcome {
        Outcome {
            code: "PERMISSION_DENIED".into(),
            reason: "PERMISSION_MISSING".into(),
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_same_together_after_a_minute() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let mut refusals = Refusals::default();
        let first = refusals.add(asked("eve", "10.0.0.1:1"), denied(), start).unwrap();
        assert_eq!((first.kind, first.count), (Kind::Refusal, None));
        for second in 1..=30 {
            let now = start + Duration::from_secs(second);
            let again = asked("eve", &format!("10.0.0.1:{second}"));
            assert_eq!(refusals.add(again, denied(), now), None);
            assert!(refusals.tell(now, false).is_none());
        }
        let other = refusals.add(asked("eve", "10.0.0.2:1"), denied(), start);
        assert!(other.is_some(), "another host is another kind");
        let (lines, told) = refusals.tell(start + WINDOW, false).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].count, Some(30));
        assert_eq!(lines[0].since, Some(start + Duration::from_secs(1)));
        assert_eq!((told.count, told.last.from.address.as_str()), (32, "10.0.0.2:1"));
        assert!(refusals.tell(start + WINDOW, true).is_none(), "nothing is told twice");
        assert!(refusals.add(asked("eve", "10.0.0.1:1"), denied(), start).is_some());
    }

    #[test]
    fn a_flood_of_a_million_kinds_has_few_lines_and_none_is_lost() {
        let now = SystemTime::UNIX_EPOCH;
        let mut refusals = Refusals::default();
        let mut told = 0;
        for index in 0..1_000_000 {
            told += u64::from(
                refusals
                    .add(asked(&index.to_string(), "10.0.0.1:1"), denied(), now)
                    .is_some(),
            );
        }
        assert_eq!(told, MOST_KINDS as u64);
        assert!(refusals.kinds.len() <= MOST_KINDS);
        let (lines, all) = refusals.tell(now, true).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].count.unwrap() + told, 1_000_000);
        assert_eq!(all.count, 1_000_000);
    }

    #[test]
    fn a_clock_that_was_set_back_ends_the_window() {
        let now = SystemTime::UNIX_EPOCH + WINDOW;
        let mut refusals = Refusals::default();
        refusals.add(asked("eve", "10.0.0.1:1"), denied(), now);
        assert!(refusals.tell(now - Duration::from_secs(1), false).is_some());
    }
}

//! What a daemon under test logs: kept for failures, and judged at the end.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

/// What a daemon under test logs.
const FILTER: &str = "warn,wsfcd=debug,wsfc_clusapi=debug,wsfc_simulator=debug";

/// The log of one daemon. Clones share it.
///
/// Each daemon has a dispatcher of its own, which its threads carry, so that tests that run side by side do not see each
/// other's lines.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    book: Arc<Mutex<Book>>,
    /// What is logged, where it is another than [`FILTER`].
    filter: Option<&'static str>,
}

/// What an event in JSON has beside its fields.
const BESIDE_FIELDS: [&str; 4] = ["timestamp", "level", "target", "message"];

#[derive(Debug, Default)]
struct Book {
    lines: Vec<Line>,
    expected: Vec<String>,
}

#[derive(Debug, Clone)]
struct Line {
    level: Level,
    text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5} {}", self.level, self.text)
    }
}

impl Logs {
    /// A log that takes what the filter lets through.
    pub(crate) fn filtered(filter: Option<&'static str>) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// What is logged.
    pub(crate) fn filter(&self) -> &'static str {
        self.filter.unwrap_or(FILTER)
    }

    /// A dispatcher that writes here.
    ///
    /// # Panics
    ///
    /// Never: the filter is one.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub fn dispatch(&self) -> Dispatch {
        let filter = wsfcd::logging::filter_of(self.filter()).expect("a filter");
        Dispatch::new(Registry::default().with(filter).with(self.clone()))
    }

    /// Adds a line.
    pub(crate) fn add(&self, level: Level, text: String) {
        self.book().lines.push(Line { level, text });
    }

    /// Adds an event as a daemon in another process logs it, in the form of one in this process.
    pub(crate) fn add_json(&self, event: &serde_json::Value) {
        let part = |name: &str| event[name].as_str().unwrap_or_default();
        // What has no level is none of the daemon's events, and nothing that should be there.
        let level = part("level").parse().unwrap_or(Level::ERROR);
        let mut text = format!("{}: {}", part("target"), part("message"));
        let fields = event.as_object().into_iter().flatten();
        for (name, value) in fields.filter(|(name, _)| !BESIDE_FIELDS.contains(&name.as_str())) {
            text.push_str(&format!(" {name}={value}"));
        }
        self.add(level, text);
    }

    /// Says that warnings and errors with `text` in them belong to what the test does.
    pub fn expect(&self, text: impl Into<String>) {
        self.book().expected.push(text.into());
    }

    /// True when a line holds `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.book().lines.iter().any(|line| line.text.contains(text))
    }

    /// The whole log, a line each.
    pub fn text(&self) -> String {
        self.book()
            .lines
            .iter()
            .fold(String::new(), |text, line| format!("{text}{line}\n"))
    }

    /// The warnings and errors that nobody expected.
    pub fn unexpected(&self) -> Vec<String> {
        let book = self.book();
        book.lines
            .iter()
            .filter(|line| line.level <= Level::WARN)
            .filter(|line| !book.expected.iter().any(|expected| line.text.contains(expected)))
            .map(Line::to_string)
            .collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A test that fails while it holds the lock still wants its log.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = format!("{}:", event.metadata().target());
        event.record(&mut Fields(&mut text));
        self.add(*event.metadata().level(), text);
    }
}

/// Writes the message and the fields of an event in one line.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&match field.name() {
            "message" => format!(" {value:?}"),
            name => format!(" {name}={value:?}"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unexpected_warnings_and_errors_count() {
        let logs = Logs::default();
        tracing::dispatcher::with_default(&logs.dispatch(), || {
            tracing::info!(target: "wsfcd", "All is well");
            tracing::warn!(target: "wsfcd", disk = "full", "A planned warning");
            tracing::error!(target: "other", "A surprise");
        });
        logs.expect("planned");
        assert_eq!(logs.unexpected(), ["ERROR other: A surprise"]);
        assert!(logs.contains("disk=\"full\""));
        assert_eq!(logs.text().lines().count(), 3);
    }

    #[test]
    fn events_of_another_process_read_as_those_of_this_one() {
        let (here, there) = (Logs::default(), Logs::default());
        tracing::dispatcher::with_default(&here.dispatch(), || {
            tracing::warn!(target: "wsfcd", disk = "full", left = 7, "A planned warning");
        });
        there.add_json(&serde_json::json!({
            "timestamp": "2026-01-01T00:00:00Z", "level": "WARN", "message": "A planned warning", "disk": "full",
            "left": 7, "target": "wsfcd",
        }));
        assert_eq!(there.text(), here.text());
        there.add_json(&serde_json::json!("no event"));
        assert_eq!(there.unexpected().len(), 2);
    }

    #[test]
    fn daemons_side_by_side_keep_their_logs_apart() {
        let (one, other) = (Logs::default(), Logs::default());
        tracing::dispatcher::with_default(&one.dispatch(), || tracing::warn!("Mine"));
        assert_eq!(one.unexpected().len(), 1);
        assert_eq!(other.text(), "");
    }
}

//! What a daemon under test logs: kept for failures, and judged at the end.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The log of one daemon. Clones share it.
///
/// Each daemon has a dispatcher of its own, which its threads carry, so that tests that run side by side do not see each
/// other's lines.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Mutex<Book>>);

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
    /// A dispatcher that writes here.
    pub fn dispatch(&self) -> Dispatch {
        let filter = EnvFilter::new("warn,wsfcd=debug,wsfc_clusapi=debug,wsfc_simulator=debug");
        Dispatch::new(Registry::default().with(filter).with(self.clone()))
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = format!("{}:", event.metadata().target());
        event.record(&mut Fields(&mut text));
        self.book().lines.push(Line {
            level: *event.metadata().level(),
            text,
        });
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
    fn daemons_side_by_side_keep_their_logs_apart() {
        let (one, other) = (Logs::default(), Logs::default());
        tracing::dispatcher::with_default(&one.dispatch(), || tracing::warn!("Mine"));
        assert_eq!(one.unexpected().len(), 1);
        assert_eq!(other.text(), "");
    }
}

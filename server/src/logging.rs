//! Structured logs on standard error: text for people or JSON lines for machines.

use std::fmt;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt as lines, reload};

use crate::settings::{Log, LogFormat};

/// The log of the process, whose filter can be changed.
#[derive(Clone, Default)]
pub struct Logging {
    /// Absent when the log belongs to somebody else.
    filter: Option<reload::Handle<EnvFilter, Registry>>,
}

impl Logging {
    /// A log that somebody else started, and that is not changed from here.
    pub fn foreign() -> Self {
        Self::default()
    }

    /// Changes the filter (`log.filter`), which was checked with the settings.
    pub fn filter(&self, filter: &str) {
        let Some(handle) = &self.filter else { return };
        let changed = EnvFilter::try_new(filter).map(|filter| handle.reload(filter));
        if !matches!(changed, Ok(Ok(()))) {
            tracing::warn!(filter, "The filter of the log cannot be changed");
        }
    }
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").finish_non_exhaustive()
    }
}

/// Starts logging for the process. A second call changes nothing, so that tests can run several daemons.
pub fn start(log: &Log) -> Logging {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_checked_before| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let console = lines::layer().with_writer(std::io::stderr).with_ansi(ansi);
    let console = match log.format {
        LogFormat::Text => console.boxed(),
        LogFormat::Json => console.json().flatten_event(true).boxed(),
    };
    if tracing_subscriber::registry()
        .with(filter)
        .with(console)
        .try_init()
        .is_err()
    {
        tracing::debug!("Logging was started before");
        return Logging::foreign();
    }
    Logging { filter: Some(handle) }
}

/// An error with all its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

//! Structured logs: text for people or JSON lines for machines, on standard error and in files of a day each.
//!
//! A line is written before whoever logs goes on, so none is lost when the daemon ends, and none is dropped.

use std::fmt;
use std::path::{Path, PathBuf};

use tracing::Subscriber;
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt as lines, reload};

use crate::settings::{Log, LogFormat, places};

/// Log files are named `wsfcd.2026-01-31.log`, after the day in UTC.
const FILE_PREFIX: &str = "wsfcd";
const FILE_SUFFIX: &str = "log";

/// Libraries that warn of what their peers do: whoever is connected could fill the log with it. The filter may name them to
/// hear them; what is refused is counted in any case ([`counters`](crate::listen::counters)).
const QUIET: &str = "h2=error,hyper=error,rustls=error";

/// What `log.filter` means.
///
/// # Errors
///
/// It cannot be read.
pub fn filter_of(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{QUIET},{text}"))
}

/// The log of the process, whose filter can be changed.
#[derive(Default)]
pub struct Logging {
    /// Absent when the log belongs to somebody else.
    filter: Option<reload::Handle<EnvFilter, Registry>>,
    /// Why there are no log files although there should be.
    fault: Option<LogFileError>,
}

/// Log files cannot be written. The daemon runs without them: it is needed most where things go wrong.
#[derive(Debug, thiserror::Error)]
pub enum LogFileError {
    /// The folder.
    #[error("the folder for log files {} cannot be used", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file of this day.
    #[error("no log file can be opened in {}", path.display())]
    File {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: InitError,
    },
}

impl Logging {
    /// A log that somebody else started, and that is not changed from here.
    pub fn foreign() -> Self {
        Self::default()
    }

    /// Why there are no log files although there should be.
    pub fn fault(&self) -> Option<&LogFileError> {
        self.fault.as_ref()
    }

    /// Changes the filter (`log.filter`), which was checked with the settings.
    pub fn filter(&self, filter: &str) {
        let Some(handle) = &self.filter else { return };
        let changed = filter_of(filter).map(|filter| handle.reload(filter));
        if !matches!(changed, Ok(Ok(()))) {
            tracing::warn!(filter, "The filter of the log cannot be changed");
        }
    }
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// Starts logging for the process. A second call changes nothing, so that tests can run several daemons.
pub fn start(log: &Log) -> Logging {
    let filter = filter_of(&log.filter).unwrap_or_else(|_checked_before| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let (appender, fault) = match log.files.unwrap_or(false).then(|| files(log)).transpose() {
        Ok(appender) => (appender, None),
        Err(fault) => (None, Some(fault)),
    };
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let console = layer(log.format, std::io::stderr, ansi);
    let has_files = appender.is_some();
    let files = appender.map(|appender| layer(log.format, appender, false));
    let subscriber = tracing_subscriber::registry().with(filter).with(console).with(files);
    if subscriber.try_init().is_err() {
        tracing::debug!("Logging was started before");
        return Logging::foreign();
    }
    if has_files {
        log_panics();
    }
    Logging {
        filter: Some(handle),
        fault,
    }
}

fn layer<S, W>(format: LogFormat, writer: W, ansi: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = lines::layer().with_writer(writer).with_ansi(ansi);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// Opens the file of this day.
fn files(log: &Log) -> Result<RollingFileAppender, LogFileError> {
    let path: &Path = &log.dir;
    places::make_private(path).map_err(|source| LogFileError::Folder {
        path: path.into(),
        source,
    })?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(FILE_PREFIX)
        .filename_suffix(FILE_SUFFIX)
        .max_log_files(log.keep_files)
        .build(path)
        .map_err(|source| LogFileError::File {
            path: path.into(),
            source,
        })
}

/// Panics go to the log as well: whoever has log files may have no standard error.
fn log_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref().copied()).unwrap_or("no text");
        tracing::error!(location, text, "A thread panicked, which is a defect");
        default(panic);
    }));
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn log(dir: &Path) -> Log {
        Log {
            dir: dir.into(),
            keep_files: 2,
            ..Log::default()
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn libraries_that_tell_of_strangers_are_heard_when_they_are_named() {
        let loud = |text: &str| {
            let filter = filter_of(text).unwrap().to_string();
            let mut named: Vec<_> = filter
                .split(',')
                .filter(|part| part.starts_with("h2"))
                .map(String::from)
                .collect();
            named.sort();
            named
        };
        assert_eq!(loud("info"), ["h2=error"]);
        assert_eq!(loud("wsfcd=debug,h2=warn"), ["h2=warn"]);
        assert!(filter_of("wsfcd=loud").is_err());
    }

    #[test]
    fn files_are_named_after_their_day_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("new/logs");
        std::fs::create_dir_all(&dir).unwrap();
        for name in ["wsfcd.2001-01-01.log", "wsfcd.2001-01-02.log", "mine.txt"] {
            std::fs::write(dir.join(name), "old").unwrap();
        }
        let mut appender = files(&log(&dir)).unwrap();
        appender.write_all(b"a line\n").unwrap();
        let names = names(&dir);
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(names[0], "mine.txt", "what is none of ours stays");
        let today = names.last().unwrap();
        assert!(today.starts_with("wsfcd.2") && today.ends_with(".log"), "{today}");
        assert_eq!(std::fs::read_to_string(dir.join(today)).unwrap(), "a line\n");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = files(&log(&file.join("logs"))).unwrap_err();
        assert!(error.to_string().contains("logs"), "{error}");
    }
}

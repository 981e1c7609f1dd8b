//! `wsfcd trace`: recording what the cluster API does, looking at the recording, and making a scenario of it.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use wsfc_clusapi::trace::{About, Call, Recording, Trace, record};
use wsfc_clusapi::{Clusapi, PhaseType, SetupPhase, Severity, Status, UpgradePhase};
use wsfc_simulator::inference;
use wsfcd::cluster_api::{self, ClusterApiError, Connected};
use wsfcd::platform::Platform;
use wsfcd::settings::Settings;

use super::SettingsFlags;
use super::serve::serve;

/// Longest line of `show`, in characters, unless all is asked for.
const WIDTH: usize = 200;

/// Record every call of the cluster API and every callback, and make a scenario of the recording.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// Serve as `wsfcd run` does, and record every call of the cluster API and every callback.
    ///
    /// The trace holds names of clusters, hosts, nodes and groups, addresses, properties of clusters and nodes, and what
    /// calls reported. It never holds user names, passwords or domains of accounts that calls are given.
    Run(Box<RunOptions>),
    /// Print the calls of a trace, one a line.
    Show(ShowOptions),
    /// Print a scenario that plays the recorded setup calls, for `wsfcd run --simulate FILE.toml`.
    ///
    /// The machines, networks and clusters around the calls are inferred; comments say from what, and what was not seen.
    Scenario(ScenarioOptions),
}

/// What `trace run` takes.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// The trace to write; a file that is there already is left alone, and refused.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    settings: SettingsFlags,
}

/// What `trace show` takes.
#[derive(Debug, Args)]
pub struct ShowOptions {
    /// The trace.
    #[arg(value_name = "FILE")]
    trace: PathBuf,
    /// Only calls of functions whose name contains this, case not regarded.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only calls that took at least this long, for example `100ms`, and those that did not come back.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    slower_than: Option<Duration>,
    /// Only calls that failed.
    #[arg(long)]
    failed: bool,
    /// Print the callbacks below their calls.
    #[arg(long)]
    callbacks: bool,
    /// Print long lines whole.
    #[arg(long)]
    full: bool,
}

/// What `trace scenario` takes.
#[derive(Debug, Args)]
pub struct ScenarioOptions {
    /// The trace.
    #[arg(value_name = "FILE")]
    trace: PathBuf,
    /// Real time per recorded time: 1 plays calls as fast as they were, 0.1 ten times faster, 0 waits for nothing.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    scale: f64,
}

/// Does what was asked for.
pub fn execute(command: &TraceCommand) -> Result<(), Box<dyn Error>> {
    match command {
        TraceCommand::Run(options) => run(options),
        TraceCommand::Show(options) => show(options),
        TraceCommand::Scenario(options) => {
            let trace = read(&options.trace)?;
            write!(io::stdout(), "{}", inference::scenario(&trace, options.scale)?)?;
            Ok(())
        }
    }
}

fn run(options: &RunOptions) -> Result<(), Box<dyn Error>> {
    let path = &options.output;
    let file = create(path).map_err(|source| Unwritable {
        path: path.clone(),
        source,
    })?;
    let mut recording = None;
    let connect = |settings: &Settings| {
        let connected = cluster_api::connect(settings)?;
        let (recorded, begun) = begin(settings, &connected.api, file)?;
        tracing::info!(path = %path.display(), "Every call of the cluster API is recorded");
        recording = Some(begun);
        Ok(Connected {
            api: recorded,
            ..connected
        })
    };
    let served = serve(&options.settings, connect);
    let Some(recording) = recording else {
        // Nothing was recorded, and the next try wants the name.
        drop(std::fs::remove_file(path));
        return served;
    };
    let ended = recording.finish();
    served?;
    Ok(ended.map_err(|source| Unwritable {
        path: path.clone(),
        source,
    })?)
}

/// The trace cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the trace {} cannot be written", path.display())]
struct Unwritable {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Makes the file, which tells how a cluster is made up: for its owner only where files have modes, and for those who may
/// read its folder on Windows.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn begin(settings: &Settings, api: &Clusapi, file: File) -> Result<(Clusapi, Recording), ClusterApiError> {
    let about = About {
        program: format!("wsfcd {}", env!("CARGO_PKG_VERSION")),
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        // A simulated world has its own idea of which host this is.
        host: match settings.cluster_api.simulate {
            Some(_) => None,
            None => std::env::var("COMPUTERNAME").ok(),
        },
        library: match (&settings.cluster_api.simulate, api.loaded_from()) {
            (Some(scenario), _) => format!("the simulated world {scenario}"),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => "an unknown library".to_owned(),
        },
        now: Platform::system().clock.now(),
    };
    record(api, about, file).map_err(ClusterApiError::Record)
}

/// Reads a trace, and says on the side what is missing of it.
fn read(path: &Path) -> Result<Trace, Box<dyn Error>> {
    let trace = Trace::from_file(path)?;
    let mut out = io::stderr();
    if trace.truncated {
        writeln!(out, "warning: the last line of the trace was cut off, and is left out")?;
    }
    if !trace.ended {
        writeln!(
            out,
            "warning: the recording was not ended in order; what came last may be missing"
        )?;
    }
    Ok(trace)
}

fn show(options: &ShowOptions) -> Result<(), Box<dyn Error>> {
    let trace = read(&options.trace)?;
    let header = &trace.header;
    let mut out = io::BufWriter::new(io::stdout().lock());
    writeln!(
        out,
        "Recorded by {} on {}, over {}.",
        header.program, header.os, header.library
    )?;
    let began = std::time::UNIX_EPOCH + Duration::from_millis(header.began_unix_ms);
    writeln!(
        out,
        "Began {}; {} calls.",
        humantime::format_rfc3339_millis(began),
        trace.calls.len()
    )?;
    writeln!(
        out,
        "{:>6} {:>10} {:>6} {:>10}  {:<12} CALL",
        "NUMBER", "AT s", "THREAD", "TOOK ms", "RESULT"
    )?;
    for call in trace.calls.iter().filter(|call| options.wants(call)) {
        line(&mut out, options.full, &row(call))?;
        if options.callbacks {
            for text in callbacks(call) {
                line(&mut out, options.full, &text)?;
            }
        }
    }
    Ok(out.flush()?)
}

impl ShowOptions {
    fn wants(&self, call: &Call) -> bool {
        let named = self.function.as_ref().is_none_or(|wanted| {
            let name = call.begin.function.to_lowercase();
            name.contains(&wanted.to_lowercase())
        });
        let slow = self.slower_than.is_none_or(|least| {
            let took = call
                .returned
                .as_ref()
                .map(|returned| Duration::from_micros(returned.took_us));
            took.is_none_or(|took| took >= least)
        });
        named && slow && (!self.failed || call.error().is_some())
    }
}

fn row(call: &Call) -> String {
    let begin = &call.begin;
    let (took, result, out) = match &call.returned {
        None => (String::new(), "not back".to_owned(), String::new()),
        Some(returned) => (
            milliseconds(returned.took_us),
            match returned.error {
                Some(code) => format!("error {code}"),
                None => returned.result.to_string(),
            },
            if returned.out.is_empty() {
                String::new()
            } else {
                format!(" -> {}", returned.out)
            },
        ),
    };
    let reports = match call.callbacks.len() {
        0 => String::new(),
        count => format!(" [{count} callbacks]"),
    };
    format!(
        "{:>6} {:>10} {:>6} {took:>10}  {result:<12} {}{}{reports}{out}",
        begin.number,
        seconds(begin.at_us),
        begin.thread,
        begin.function,
        begin.arguments
    )
}

fn callbacks(call: &Call) -> impl Iterator<Item = String> {
    call.callbacks.iter().map(|callback| {
        let what = match &callback.report {
            None => UpgradePhase(callback.phase).to_string(),
            Some(report) => {
                let object = report.object.as_deref().unwrap_or("NULL");
                let status = match report.status {
                    0 => String::new(),
                    status => format!(" status {}", Status::new(status)),
                };
                format!(
                    "{:>3}% {} {} {} {object}{status}",
                    report.percent,
                    SetupPhase(callback.phase),
                    PhaseType(report.phase_type),
                    Severity(report.severity)
                )
            }
        };
        let late = if callback.late { " (late)" } else { "" };
        format!(
            "{:>6} {:>10} {:>6} {:>10}  answered {:<3} {what}{late}",
            "",
            seconds(callback.at_us),
            callback.thread,
            milliseconds(callback.took_us),
            callback.answer
        )
    })
}

/// Writes a line, cut unless all of it is wanted.
fn line(out: &mut impl Write, full: bool, text: &str) -> io::Result<()> {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) if !full => writeln!(out, "{}...", &text[..end]),
        _ => writeln!(out, "{text}"),
    }
}

fn seconds(us: u64) -> String {
    format!("{}.{:03}", us / 1_000_000, us / 1_000 % 1_000)
}

fn milliseconds(us: u64) -> String {
    format!("{}.{:03}", us / 1_000, us % 1_000)
}

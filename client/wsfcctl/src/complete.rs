//! Completion of the names of objects: the daemon that the words on the line lead to is asked, briefly, and whatever
//! goes wrong is no completion.

use std::ffi::OsStr;
use std::time::Duration;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::CompleteEnv;
use futures_util::{StreamExt as _, TryStreamExt as _};
use wsfc_client::v1::ObjectKind;
use wsfc_client::{Client, Error, object};

use crate::cli::{Cli, Format, Globals};
use crate::cmds::list_of;
use crate::names;
use crate::phrases;
use crate::session::{Environment, Session};
use crate::terminal::Terminal;

/// How long a person waits for a completion.
const PATIENCE: Duration = Duration::from_millis(800);

/// The most names that are offered.
const MOST: usize = 200;

/// The environment variable that asks for completions, as the scripts set it.
pub(crate) const VARIABLE: &str = "WSFCCTL_COMPLETE";

/// Answers a shell that asks for completions, and ends the process; else does nothing.
pub fn complete() {
    CompleteEnv::with_factory(<Cli as clap::CommandFactory>::command)
        .var(VARIABLE)
        .complete();
}

/// Completes names of objects of a kind.
pub(crate) fn names(kind: ObjectKind) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| candidates(kind, typed, ""))
}

/// Completes names of objects of the kind that the noun on the line is about.
pub(crate) fn names_of_noun() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let kind = words().iter().find_map(|word| names::kind(word).ok());
        kind.map(|kind| candidates(kind, typed, "")).unwrap_or_default()
    })
}

/// Completes `KIND/NAME`.
pub(crate) fn named() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let text = typed.to_string_lossy();
        match text.split_once('/') {
            Some((kind, name)) => names::kind(kind)
                .map(|found| candidates(found, OsStr::new(name), &format!("{kind}/")))
                .unwrap_or_default(),
            None => kinds(&text),
        }
    })
}

/// The kinds that begin so, each with what follows it.
fn kinds(typed: &str) -> Vec<CompletionCandidate> {
    let known = names::KINDS.iter().filter(|(_, one, _)| one.starts_with(typed));
    known
        .map(|(kind, one, _)| match kind {
            ObjectKind::Cluster | ObjectKind::Quorum => CompletionCandidate::new(*one),
            _ => CompletionCandidate::new(format!("{one}/")),
        })
        .collect()
}

/// Completes names of workloads.
pub(crate) fn workloads() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| offered(ask(Asked::Workloads, &globals(&words())), typed, ""))
}

fn candidates(kind: ObjectKind, typed: &OsStr, prefix: &str) -> Vec<CompletionCandidate> {
    offered(ask(Asked::Objects(kind), &globals(&words())), typed, prefix)
}

/// The names that begin as what is typed.
fn offered(found: Option<Vec<String>>, typed: &OsStr, prefix: &str) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy().to_lowercase();
    let found = found.unwrap_or_default();
    found
        .into_iter()
        .filter(|name| name.to_lowercase().starts_with(&typed))
        .map(|name| CompletionCandidate::new(format!("{prefix}{name}")))
        .collect()
}

/// The words on the line: what follows the `--` that the scripts put before them.
fn words() -> Vec<String> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The options among the words that say which daemon and which cluster. The line is not finished, so that it cannot be
/// parsed as a whole.
fn globals(words: &[String]) -> Globals {
    let mut globals = Globals {
        output: Format::Table,
        cluster: None,
        context: None,
        endpoint: Vec::new(),
        ca: None,
        cert: None,
        key: None,
        server_name: None,
        token_file: None,
        secrets_in_plain: None,
        timeout: Some(PATIENCE),
    };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = || value.clone().or_else(|| rest.next().cloned());
        match option {
            "-c" | "--cluster" => globals.cluster = value(),
            "--context" => globals.context = value(),
            "--endpoint" => globals.endpoint.extend(value()),
            "--ca" => globals.ca = value().map(Into::into),
            "--cert" => globals.cert = value().map(Into::into),
            "--key" => globals.key = value().map(Into::into),
            "--server-name" => globals.server_name = value(),
            "--token-file" => globals.token_file = value().map(Into::into),
            _ => {}
        }
    }
    globals
}

/// What names are asked for.
enum Asked {
    Objects(ObjectKind),
    Workloads,
}

/// The names; `None` whatever went wrong.
fn ask(asked: Asked, globals: &Globals) -> Option<Vec<String>> {
    let environment = Environment::of_process();
    let mut terminal = Terminal::of_process();
    let session = Session {
        globals,
        environment: &environment,
        terminal: &mut terminal,
    };
    let (options, cluster) = (session.options().ok()?, session.cluster().ok()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let asking = async {
        let client = Client::connect(options).await?;
        let kind = match asked {
            Asked::Objects(kind) => kind,
            Asked::Workloads => {
                let workloads = client.list_workloads(Default::default()).await?.workloads;
                return Ok(workloads.into_iter().map(|workload| workload.name).collect());
            }
        };
        if kind == ObjectKind::Cluster {
            let clusters = client.list_clusters().await?.clusters;
            return Ok(clusters.into_iter().map(|cluster| cluster.name).collect());
        }
        let objects = list_of(&client, kind, &cluster, &Default::default(), false).take(MOST);
        let names = objects.map_ok(|object| object::name(&object).to_owned());
        names.try_collect::<Vec<_>>().await
    };
    runtime.block_on(async {
        let answer: Result<Vec<String>, Error> = tokio::time::timeout(PATIENCE, asking).await.ok()?;
        let mut names = answer.ok()?;
        // A shell writes them to its terminal as they are.
        names.retain(|name| *name == phrases::plain(name));
        Some(names)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_is_read_off_an_unfinished_line() {
        let line = [
            "wsfcctl",
            "-c",
            "CL1",
            "--endpoint=http://a:1",
            "group",
            "move",
            "--context",
            "lab",
            "S",
            "--key",
        ];
        let globals = globals(&line.map(ToOwned::to_owned));
        assert_eq!(globals.cluster.as_deref(), Some("CL1"));
        assert_eq!(globals.endpoint, ["http://a:1"]);
        assert_eq!((globals.context.as_deref(), globals.key), (Some("lab"), None));
    }

    #[test]
    fn nobody_there_is_no_completion() {
        let folder = tempfile::tempdir().unwrap();
        let mut globals = globals(&[]);
        // Nothing listens where there is no host.
        globals.endpoint = vec![format!(
            "http://{}.invalid:1",
            folder.path().file_name().unwrap().to_string_lossy()
        )];
        assert_eq!(ask(Asked::Objects(ObjectKind::Group), &globals), None);
    }

    #[test]
    fn kinds_are_completed_with_what_follows_them() {
        let values: Vec<_> = kinds("group").iter().map(|kind| kind.get_value().to_owned()).collect();
        assert_eq!(values, ["group/", "group-set/"]);
        assert_eq!(kinds("quo")[0].get_value(), "quorum");
    }
}

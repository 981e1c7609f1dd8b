//! `wsfcctl operation`.

use std::io::Write;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use futures_util::{StreamExt as _, TryStreamExt as _};
use prost_types::Timestamp;
use wsfc_client::v1::{ListOperationsRequest, ListOperationsResponse, Operation, OperationKind, OperationState};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{ctrl_c, follow};
use crate::output;
use crate::phrases;
use crate::report;
use crate::session::{Session, now};
use crate::tables;

/// The verbs of `wsfcctl operation`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List operations, the newest first.
    List(List),
    /// Show an operation as it stands.
    Get {
        /// The id of the operation.
        operation_id: String,
    },
    /// Follow an operation to its outcome, from any record.
    Watch {
        /// The id of the operation.
        operation_id: String,
        /// Leave out the records up to this sequence number.
        #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
        after: u64,
    },
    /// Wait until an operation has ended, and sum it up.
    Wait {
        /// The id of the operation.
        operation_id: String,
    },
    /// Ask that an operation be cancelled.
    ///
    /// It is certain only while the operation is pending; once the call into the cluster API runs, it normally runs to
    /// its end, and the outcome says what happened.
    Cancel {
        /// The id of the operation.
        operation_id: String,
    },
}

/// Which operations to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only operations in this state; may be repeated.
    #[arg(long = "state", value_enum)]
    states: Vec<State>,
    /// Only operations of this kind; may be repeated.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<OperationKind>,
    /// Only operations accepted at this time or later: RFC 3339, or so long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = point)]
    since: Option<Point>,
    /// Only operations accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = point)]
    before: Option<Point>,
    /// How many at most; 0 is all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
}

/// A state to list by.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Pending,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Interrupted,
}

impl From<State> for OperationState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Running => Self::Running,
            State::Succeeded => Self::Succeeded,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
            State::Interrupted => Self::Interrupted,
        }
    }
}

/// Reads a kind as the table shows it, with hyphens.
fn kind(text: &str) -> Result<OperationKind, String> {
    let found = kinds().find(|kind| word(*kind).eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let words: Vec<_> = kinds().map(word).collect();
        format!("it is one of: {}", words.join(", "))
    })
}

fn kinds() -> impl Iterator<Item = OperationKind> {
    // The numbers of the contract have holes.
    (1..1000).filter_map(|number| OperationKind::try_from(number).ok())
}

fn word(kind: OperationKind) -> String {
    phrases::operation_kind(kind.into()).replace(' ', "-")
}

/// A point in time as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    At(SystemTime),
    Ago(Duration),
}

fn point(text: &str) -> Result<Point, String> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(Point::At(time));
    }
    let ago = humantime::parse_duration(text);
    ago.map(Point::Ago)
        .map_err(|_| "write it as 2026-11-20T18:00:00Z, or as so long ago, such as 2h".to_owned())
}

impl Point {
    /// The point on the clock that reads `now`; before all times when it is too long ago.
    fn on(self, now: SystemTime) -> Timestamp {
        match self {
            Self::At(time) => time.into(),
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH).into(),
        }
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::List(arguments) => list(arguments, session).await,
        Verb::Get { operation_id } => get(operation_id, session).await,
        Verb::Watch { operation_id, after } => watch(operation_id, *after, session).await,
        Verb::Wait { operation_id } => wait(operation_id, session).await,
        Verb::Cancel { operation_id } => cancel(operation_id, session).await,
    }
}

async fn list(arguments: &List, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = "list operations";
    let now = now();
    let limit = if arguments.limit == 0 {
        usize::MAX
    } else {
        arguments.limit
    };
    let request = ListOperationsRequest {
        states: arguments
            .states
            .iter()
            .map(|state| OperationState::from(*state).into())
            .collect(),
        kinds: arguments.kinds.iter().map(|kind| (*kind).into()).collect(),
        // Only what is typed filters: the default cluster of a context would hide operations.
        cluster: session.globals.cluster.clone().unwrap_or_default(),
        create_time_from: arguments.since.map(|point| point.on(now)),
        create_time_before: arguments.before.map(|point| point.on(now)),
        page_size: i32::try_from(limit.min(500)).unwrap_or(500),
        page_token: String::new(),
    };
    let client = session.connect(action).await?;
    let operations = client.all_operations(request).take(limit).try_collect::<Vec<_>>().await;
    let operations = operations.map_err(|source| Failure::Call {
        action: action.to_owned(),
        source,
    })?;
    let answer = ListOperationsResponse {
        operations,
        ..ListOperationsResponse::default()
    };
    let write = |out: &mut dyn Write, wide| tables::operations(out, &answer.operations, wide);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}

async fn get(operation_id: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("read operation {operation_id}");
    let client = session.connect(&action).await?;
    let operation = client.operation(operation_id).get().await;
    let operation = operation.map_err(|source| Failure::Call { action, source })?;
    show(session, &operation)?;
    Ok(Exit::Ok)
}

async fn watch(operation_id: &str, after: u64, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("follow operation {operation_id}");
    let client = session.connect(&action).await?;
    let progress = client.operation(operation_id).progress_after(after, "");
    follow(session, &action, progress).await
}

async fn wait(operation_id: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("wait for operation {operation_id}");
    let client = session.connect(&action).await?;
    let handle = client.operation(operation_id);
    let ended = async {
        handle.wait().await?;
        handle.get().await
    };
    let ended = tokio::select! {
        biased;
        ended = ended => ended,
        () = ctrl_c() => {
            let err = &mut session.terminal.err;
            writeln!(err, "The operation goes on. Come back with: wsfcctl operation wait {operation_id}")?;
            return Ok(Exit::CtrlC);
        }
    };
    let operation = ended.map_err(|source| Failure::Call { action, source })?;
    show(session, &operation)?;
    Ok(operation
        .outcome
        .as_ref()
        .map_or(Exit::OperationFailed, Exit::of_outcome))
}

async fn cancel(operation_id: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("cancel operation {operation_id}");
    let client = session.connect(&action).await?;
    let operation = client.operation(operation_id).cancel().await;
    let operation = operation.map_err(|source| Failure::Call { action, source })?;
    let said = if operation.state() == OperationState::Cancelled {
        "The operation is cancelled; nothing was done."
    } else {
        "The request is recorded; the call normally runs to its end, and the outcome says what happened."
    };
    writeln!(session.terminal.err, "{said}")?;
    show(session, &operation)?;
    Ok(Exit::Ok)
}

/// Shows an operation, and its outcome when it has one.
fn show(session: &mut Session<'_>, operation: &Operation) -> Result<(), Failure> {
    let write = |out: &mut dyn Write, wide| details(out, operation, wide);
    output::answer(&mut session.terminal.out, session.globals.output, operation, write)
}

fn details(out: &mut dyn Write, operation: &Operation, wide: bool) -> std::io::Result<()> {
    let pending = operation.pending.as_ref().map(|pending| {
        let blocking = Some(&pending.blocking_operation_id).filter(|id| !id.is_empty());
        let blocking = blocking.map(|id| format!(", operation {id}")).unwrap_or_default();
        format!("{}{blocking}", phrases::pending_reason(pending.reason))
    });
    let mut facts = vec![
        ("operation", operation.operation_id.clone()),
        ("kind", phrases::operation_kind(operation.kind)),
        ("cluster", operation.cluster.clone()),
        ("target", operation.target.clone()),
        ("state", tables::state(operation)),
        ("waiting", pending.unwrap_or_default()),
        ("percent", operation.percent.to_string()),
        ("created", phrases::time(operation.create_time.as_ref())),
        ("started", phrases::time(operation.start_time.as_ref())),
        ("ended", phrases::time(operation.end_time.as_ref())),
        (
            "took",
            phrases::span(operation.start_time.as_ref(), operation.end_time.as_ref()),
        ),
        ("cancelable", if operation.cancelable { "yes" } else { "no" }.to_owned()),
    ];
    if wide {
        facts.extend([
            (
                "records",
                format!("{} to {}", operation.oldest_sequence, operation.last_sequence),
            ),
            ("revision", operation.last_revision.to_string()),
            ("by", operation.principal.clone()),
            ("request id", operation.request_id.clone()),
            (
                "credentials",
                if operation.with_credentials { "given" } else { "" }.to_owned(),
            ),
        ]);
    }
    tables::facts(out, &facts)?;
    if let Some(outcome) = &operation.outcome {
        writeln!(out)?;
        report::outcome(out, &operation.operation_id, outcome)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{OperationOutcome, OperationPending, PendingReason};

    use super::*;

    fn text(operation: &Operation, wide: bool) -> String {
        let mut text = Vec::new();
        details(&mut text, operation, wide).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_kind_can_be_listed_by_what_the_table_shows() {
        let words: Vec<_> = kinds().map(word).collect();
        for typed in [
            "create-cluster",
            "upgrade",
            "create-account",
            "move-group",
            "set-properties",
        ] {
            assert!(words.iter().any(|word| word == typed), "{typed}");
        }
        let mut unique = words.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), words.len());
    }

    #[test]
    fn points_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000);
        let seconds = |text: &str| point(text).map(|point| point.on(now).seconds);
        assert_eq!(seconds("1970-01-01T00:00:05Z"), Ok(5));
        assert_eq!(seconds("2h"), Ok(2_800));
        assert!(seconds("yesterday").is_err());
        assert!(seconds("").is_err());
    }

    #[test]
    fn a_waiting_operation_says_for_what() {
        let operation = Operation {
            operation_id: "0190c9a4".to_owned(),
            kind: OperationKind::AddNode.into(),
            state: OperationState::Pending.into(),
            cluster: "CL1".to_owned(),
            target: "n4".to_owned(),
            create_time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            cancelable: true,
            pending: Some(OperationPending {
                reason: PendingReason::Busy.into(),
                blocking_operation_id: "8f14".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        insta::assert_snapshot!("operation_pending", text(&operation, false));
    }

    #[test]
    fn an_ended_operation_shows_its_outcome() {
        let operation = Operation {
            operation_id: "0190c9a4".to_owned(),
            kind: OperationKind::DestroyCluster.into(),
            state: OperationState::Failed.into(),
            cluster: "CL1".to_owned(),
            oldest_sequence: 1,
            last_sequence: 9,
            principal: "local".to_owned(),
            outcome: Some(OperationOutcome {
                state: OperationState::Failed.into(),
                reason: "SETUP_INCOMPLETE".to_owned(),
                message: "groups are left".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        insta::assert_snapshot!("operation_ended_wide", text(&operation, true));
    }
}

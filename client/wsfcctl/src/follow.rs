//! Following an operation to its outcome.

use std::future::Future;
use std::io::Write as _;

use futures_util::{Stream, StreamExt as _, stream};
use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{OperationOutcome, ResourceStatus};
use wsfc_client::{Error, Progress, ProgressStream};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::report;
use crate::session::Session;

/// How many statuses may come before the operation is looked at: they stand before its outcome, and do not keep it away.
const IN_A_ROW: u32 = 16;

/// How following came to its end.
enum End {
    Outcome(Box<OperationOutcome>),
    /// Ctrl-C, after the record with this sequence number, if one was seen.
    CtrlC(Option<u64>),
}

/// Follows an operation to its outcome, and sums it up. Ctrl-C leaves it running and says how to come back.
pub(crate) async fn follow(session: &mut Session<'_>, action: &str, progress: ProgressStream) -> Result<Exit, Failure> {
    follow_beside(session, action, progress, stream::pending()).await
}

/// The same, and shows beside the records what resources report meanwhile.
pub(crate) async fn follow_beside(
    session: &mut Session<'_>,
    action: &str,
    progress: ProgressStream,
    statuses: impl Stream<Item = ResourceStatus>,
) -> Result<Exit, Failure> {
    let operation_id = progress.operation_id().to_owned();
    follow_until(session, action, &operation_id, progress, statuses, ctrl_c()).await
}

/// Ends with Ctrl-C. A process without signals has none to wait for.
pub(crate) async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn follow_until(
    session: &mut Session<'_>,
    action: &str,
    operation_id: &str,
    progress: impl Stream<Item = Result<Progress, Error>>,
    statuses: impl Stream<Item = ResourceStatus>,
    interrupt: impl Future<Output = ()>,
) -> Result<Exit, Failure> {
    let format = session.globals.output;
    match watch(session, action, progress, statuses, interrupt).await? {
        End::Outcome(outcome) => {
            if !format.is_machine() {
                report::outcome(&mut session.terminal.out, operation_id, &outcome)?;
            }
            Ok(Exit::of_outcome(&outcome))
        }
        End::CtrlC(seen) => {
            // Who collects the records goes on where this run ended; a person sees the operation whole.
            let seen = seen.filter(|_| format.is_machine());
            let after = seen.map(|sequence| format!(" --after {sequence}")).unwrap_or_default();
            let err = &mut session.terminal.err;
            writeln!(
                err,
                "The operation goes on. Come back with: wsfcctl operation watch {operation_id}{after}"
            )?;
            Ok(Exit::CtrlC)
        }
    }
}

/// Reports what comes until the outcome or Ctrl-C.
async fn watch(
    session: &mut Session<'_>,
    action: &str,
    progress: impl Stream<Item = Result<Progress, Error>>,
    statuses: impl Stream<Item = ResourceStatus>,
    interrupt: impl Future<Output = ()>,
) -> Result<End, Failure> {
    let mut reporter = report::reporter(session.terminal, session.globals.output);
    let mut progress = std::pin::pin!(progress);
    // Statuses that end say nothing about the operation.
    let mut statuses = std::pin::pin!(statuses.chain(stream::pending()));
    let mut interrupt = std::pin::pin!(interrupt);
    let failed = |source: Error| Failure::Call {
        action: action.to_owned(),
        source,
    };
    let mut seen = None;
    let mut in_a_row = 0;
    loop {
        let item = tokio::select! {
            biased;
            () = &mut interrupt => {
                reporter.finish()?;
                return Ok(End::CtrlC(seen));
            }
            Some(status) = statuses.next(), if in_a_row < IN_A_ROW => {
                reporter.status(&status)?;
                in_a_row += 1;
                continue;
            }
            item = progress.next() => item,
            // Nothing came of the operation, so statuses have their turn again.
            () = std::future::ready(()), if in_a_row >= IN_A_ROW => {
                in_a_row = 0;
                continue;
            }
        };
        in_a_row = 0;
        let missing = Error::Malformed {
            method: "WatchOperation",
            problem: "the records end without an outcome",
        };
        let item = item.unwrap_or(Err(missing)).map_err(failed)?;
        report::tell(reporter.as_mut(), &item)?;
        if let Progress::Record(record) = item {
            seen = Some(record.sequence);
            if let Some(Payload::Outcome(outcome)) = record.payload {
                reporter.finish()?;
                return Ok(End::Outcome(Box::new(outcome)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use prost_types::Timestamp;
    use wsfc_client::v1::{
        self, NativeStatus, OperationAccepted, OperationKind, OperationRecord, OperationStarted, OperationState,
        SetupPhase, SetupPhaseType, SetupProgress, SetupSeverity,
    };

    use super::*;
    use crate::cli::Cli;
    use crate::session::Environment;
    use crate::terminal::tests::on_paper;

    const OPERATION: &str = "0190c9a4-0000-7000-8000-000000000001";

    fn progress(phase: SetupPhase, phase_type: SetupPhaseType, percent: u32, object: &str) -> SetupProgress {
        SetupProgress {
            phase: phase.into(),
            phase_type: phase_type.into(),
            severity: SetupSeverity::Informational.into(),
            percent,
            object_name: Some(object.to_owned()),
            status: Some(NativeStatus::default()),
        }
    }

    /// A short life of an operation, with a warning.
    fn records() -> Vec<OperationRecord> {
        let in_use = NativeStatus {
            raw: 5057,
            code: 5057,
            name: "ERROR_CLUSTER_IPADDR_IN_USE".to_owned(),
            message: "the address is in use".to_owned(),
            ..Default::default()
        };
        let address = progress(
            SetupPhase::CreateIpAddressResources,
            SetupPhaseType::End,
            80,
            "10.0.0.10",
        );
        let payloads = [
            Payload::Accepted(OperationAccepted {
                kind: OperationKind::CreateCluster.into(),
                cluster: "CL1".to_owned(),
                warnings: vec!["the name is longer than 15 characters".to_owned()],
                ..Default::default()
            }),
            Payload::Started(OperationStarted {
                function: "CreateCluster".to_owned(),
            }),
            Payload::SetupProgress(progress(SetupPhase::ValidateNodeState, SetupPhaseType::Start, 5, "n1")),
            Payload::SetupProgress(SetupProgress {
                severity: SetupSeverity::Warning.into(),
                status: Some(in_use),
                ..address
            }),
            Payload::Outcome(OperationOutcome {
                state: OperationState::Succeeded.into(),
                partial: true,
                message: "CL1 was created without 10.0.0.10".to_owned(),
                ..Default::default()
            }),
        ];
        let record = |(sequence, payload)| OperationRecord {
            revision: sequence,
            operation_id: OPERATION.to_owned(),
            sequence,
            time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            payload: Some(payload),
            ..Default::default()
        };
        (1..).zip(payloads).map(record).collect()
    }

    fn items(records: Vec<OperationRecord>) -> impl Stream<Item = Result<Progress, Error>> {
        stream::iter(records.into_iter().map(|record| Ok(Progress::Record(Box::new(record)))))
    }

    /// Follows items on a terminal of paper: how it ended, stdout and stderr.
    async fn followed(
        format: &str,
        items: impl Stream<Item = Result<Progress, Error>>,
        interrupt: impl Future<Output = ()>,
    ) -> (Result<Exit, Failure>, String, String) {
        followed_beside(format, items, stream::empty(), interrupt).await
    }

    async fn followed_beside(
        format: &str,
        items: impl Stream<Item = Result<Progress, Error>>,
        statuses: impl Stream<Item = ResourceStatus>,
        interrupt: impl Future<Output = ()>,
    ) -> (Result<Exit, Failure>, String, String) {
        let cli = Cli::try_parse_from(["wsfcctl", "-o", format, "operation", "watch", OPERATION]).unwrap();
        let environment = Environment::default();
        let (mut terminal, out, err) = on_paper(None);
        let mut session = Session {
            globals: &cli.globals,
            environment: &environment,
            terminal: &mut terminal,
        };
        let end = follow_until(
            &mut session,
            "create cluster CL1",
            OPERATION,
            items,
            statuses,
            interrupt,
        )
        .await;
        (end, out.text(), err.text())
    }

    #[tokio::test]
    async fn lines_and_the_summary_are_data() {
        let (end, out, err) = followed("table", items(records()), std::future::pending()).await;
        assert!(matches!(end, Ok(Exit::Partial)));
        insta::assert_snapshot!("lines", out);
        assert_eq!(err, "");
    }

    #[tokio::test]
    async fn what_resources_report_stands_beside_the_records() {
        let statuses = || {
            stream::iter([0, 40].map(|percent| ResourceStatus {
                resource: "web".to_owned(),
                state: v1::ResourceState::OnlinePending.into(),
                check_point: 1 + percent / 40,
                percent: Some(percent),
                message: "copying".to_owned(),
                time: Some(Timestamp {
                    seconds: 1_700_000_000,
                    nanos: 0,
                }),
                ..Default::default()
            }))
        };
        let (end, out, _) = followed_beside("table", items(records()), statuses(), std::future::pending()).await;
        assert!(matches!(end, Ok(Exit::Partial)));
        assert!(
            out.starts_with(
                "2023-11-14T22:13:20Z        0%  resource web: online pending: copying (check point 1)\n\
                 2023-11-14T22:13:20Z       40%  resource web: online pending: copying (check point 2)\n\
                 2023-11-14T22:13:20Z    1"
            ),
            "{out}"
        );
        let (_, out, _) = followed_beside("json", items(records()), statuses(), std::future::pending()).await;
        assert_eq!(out.lines().count(), records().len());
    }

    #[tokio::test]
    async fn many_statuses_do_not_keep_the_outcome_away() {
        let status = ResourceStatus {
            resource: "web".to_owned(),
            message: "copying".to_owned(),
            ..Default::default()
        };
        let statuses = stream::iter(vec![status; 10_000]);
        let (end, out, _) = followed_beside("table", items(records()), statuses, std::future::pending()).await;
        assert!(matches!(end, Ok(Exit::Partial)));
        assert_eq!(out.matches("copying").count(), 16 * records().len());
    }

    #[tokio::test]
    async fn programs_get_the_records_and_nothing_else() {
        let (end, out, err) = followed("json", items(records()), std::future::pending()).await;
        assert!(matches!(end, Ok(Exit::Partial)));
        let read: Vec<OperationRecord> = out
            .lines()
            .map(|line| wsfc_client::json::from_str(line).unwrap())
            .collect();
        assert_eq!(read, records());
        assert_eq!(err, "");
        let (_, out, _) = followed("yaml", items(records()), std::future::pending()).await;
        assert_eq!(out.matches("---\n").count(), 5);
    }

    #[tokio::test]
    async fn ctrl_c_leaves_the_operation_and_says_how_to_come_back() {
        let some = |count: usize| items(records().into_iter().take(count).collect()).chain(stream::pending());
        // The items are there at once and the stream then hangs, so three turns of the loop see two records.
        let soon = || async {
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
        };
        let (end, _, err) = followed("table", some(2), soon()).await;
        assert!(matches!(end, Ok(Exit::CtrlC)));
        assert_eq!(
            err,
            format!("The operation goes on. Come back with: wsfcctl operation watch {OPERATION}\n")
        );
        let (end, out, err) = followed("json", some(2), soon()).await;
        assert!(matches!(end, Ok(Exit::CtrlC)));
        assert_eq!(out.lines().count(), 2);
        let hint = format!("The operation goes on. Come back with: wsfcctl operation watch {OPERATION} --after 2\n");
        assert_eq!(err, hint);
        let (_, _, err) = followed("json", some(0), std::future::ready(())).await;
        assert!(err.ends_with(&format!("watch {OPERATION}\n")), "{err}");
    }

    #[tokio::test]
    async fn an_error_ends_it_with_its_code() {
        let gap = Error::Gap {
            operation_id: OPERATION.to_owned(),
            expected: 3,
            received: 5,
        };
        let broken = items(records().into_iter().take(2).collect()).chain(stream::iter([Err(gap)]));
        let (end, out, _) = followed("json", broken, std::future::pending()).await;
        assert_eq!(out.lines().count(), 2);
        assert_eq!(end.unwrap_err().exit(), Exit::Untrustworthy);
        let (end, _, _) = followed("json", items(Vec::new()), std::future::pending()).await;
        assert_eq!(end.unwrap_err().exit(), Exit::Untrustworthy);
    }
}

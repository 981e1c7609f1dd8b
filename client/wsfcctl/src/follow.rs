//! Following an operation to its outcome.

use std::future::Future;
use std::io::Write as _;

use wsfc_client::v1::OperationOutcome;
use wsfc_client::v1::operation_record::Payload;
use wsfc_client::{Error, Progress, ProgressStream};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::report;
use crate::session::Session;

/// How following came to its end.
enum End {
    Outcome(Box<OperationOutcome>),
    CtrlC,
}

/// Follows an operation to its outcome, and sums it up. Ctrl-C leaves it running and says how to come back.
pub(crate) async fn follow(session: &mut Session<'_>, action: &str, progress: ProgressStream) -> Result<Exit, Failure> {
    follow_until(session, action, progress, ctrl_c()).await
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
    mut progress: ProgressStream,
    interrupt: impl Future<Output = ()>,
) -> Result<Exit, Failure> {
    let format = session.globals.output;
    let end = watch(session, action, &mut progress, interrupt).await?;
    let operation_id = progress.operation_id();
    match end {
        End::Outcome(outcome) => {
            if !format.is_machine() {
                report::outcome(&mut session.terminal.out, operation_id, &outcome)?;
            }
            Ok(Exit::of_outcome(&outcome))
        }
        End::CtrlC => {
            let err = &mut session.terminal.err;
            writeln!(
                err,
                "The operation goes on. Come back with: wsfcctl operation watch {operation_id}"
            )?;
            Ok(Exit::CtrlC)
        }
    }
}

/// Reports what comes until the outcome or Ctrl-C.
async fn watch(
    session: &mut Session<'_>,
    action: &str,
    progress: &mut ProgressStream,
    interrupt: impl Future<Output = ()>,
) -> Result<End, Failure> {
    let mut reporter = report::reporter(session.terminal, session.globals.output);
    let mut interrupt = std::pin::pin!(interrupt);
    let failed = |source: Error| Failure::Call {
        action: action.to_owned(),
        source,
    };
    loop {
        let item = tokio::select! {
            biased;
            () = &mut interrupt => {
                reporter.finish()?;
                return Ok(End::CtrlC);
            }
            item = progress.next() => item,
        };
        let missing = Error::Malformed {
            method: "WatchOperation",
            problem: "the records end without an outcome",
        };
        let item = item.unwrap_or(Err(missing)).map_err(failed)?;
        report::tell(reporter.as_mut(), &item)?;
        if let Progress::Record(record) = item
            && let Some(Payload::Outcome(outcome)) = record.payload
        {
            reporter.finish()?;
            return Ok(End::Outcome(Box::new(outcome)));
        }
    }
}

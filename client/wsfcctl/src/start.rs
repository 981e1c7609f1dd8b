//! Starting an operation, the same for every command that does.

use std::io::Write as _;

use futures_util::{Stream, stream};
use wsfc_client::v1::{Operation, ResourceStatus, StartOptions};
use wsfc_client::{Client, Error, StartRequest};

use crate::cli::StartFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{ctrl_c, follow_beside};
use crate::output;
use crate::phrases;
use crate::session::Session;
use crate::tables;

/// Starts what `request` makes of the options, then follows it; or only validates it, or lets it go, as the flags say.
/// `action` names it for people, for example "add node n4 to CL1".
pub(crate) async fn start<R: StartRequest>(
    session: &mut Session<'_>,
    client: &Client,
    flags: &StartFlags,
    action: &str,
    request: impl FnOnce(StartOptions) -> R,
) -> Result<Exit, Failure> {
    start_beside(session, client, flags, action, request, stream::pending()).await
}

/// The same, and shows what resources report while the operation is followed.
pub(crate) async fn start_beside<R: StartRequest>(
    session: &mut Session<'_>,
    client: &Client,
    flags: &StartFlags,
    action: &str,
    request: impl FnOnce(StartOptions) -> R,
    statuses: impl Stream<Item = ResourceStatus>,
) -> Result<Exit, Failure> {
    let options = flags.options();
    let request_id = options.request_id.clone();
    let request = request(options);
    if flags.validate_only {
        return validate(session, client, action, request).await;
    }
    let started = tokio::select! {
        biased;
        started = client.start(request) => started,
        () = ctrl_c() => return Err(Failure::StartLeft { action: action.to_owned(), request_id }),
    };
    let operation = started.map_err(|source| {
        let action = action.to_owned();
        // A rejection is an answer; without one the start may have been accepted.
        if matches!(source, Error::Rejected { .. }) || !source.is_retryable() {
            Failure::Call { action, source }
        } else {
            Failure::StartUnknown {
                action,
                request_id,
                source,
            }
        }
    })?;
    if !flags.detach {
        return follow_beside(session, action, operation.progress(), statuses).await;
    }
    let operation_id = operation.detach();
    let shown = phrases::plain(&operation_id);
    let named = Operation {
        operation_id,
        ..Default::default()
    };
    output::answer(&mut session.terminal.out, session.globals.output, &named, |out, _| {
        writeln!(out, "{shown}")
    })?;
    writeln!(
        session.terminal.err,
        "Started. Follow it with: wsfcctl operation watch {shown}"
    )?;
    Ok(Exit::Ok)
}

async fn validate<R: StartRequest>(
    session: &mut Session<'_>,
    client: &Client,
    action: &str,
    request: R,
) -> Result<Exit, Failure> {
    let failed = |source| Failure::Call {
        action: action.to_owned(),
        source,
    };
    let report = client.validate(request).await.map_err(failed)?;
    output::answer(&mut session.terminal.out, session.globals.output, &report, |out, _| {
        tables::validation(out, action, &report)
    })?;
    Ok(if tables::refusal(&report).is_some() {
        Exit::Refused
    } else {
        Exit::Ok
    })
}

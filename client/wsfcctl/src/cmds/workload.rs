//! `wsfcctl workload`.

mod agent;
mod register;

use std::io::Write;

use clap::{Args, Subcommand};
use wsfc_client::v1::{Event, GetWorkloadRequest, ListWorkloadsRequest, WatchStatusRequest, Workload, event};

use super::watch::{Following, Token, follow_events};
use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::output;
use crate::session::Session;
use crate::tables;

/// The verbs of `wsfcctl workload`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a resource that a workload runs, with its type and its group where they are missing; what is as wished
    /// stays.
    Register(register::Arguments),
    /// List the workloads that agents are attached to or that resources of the daemon's host name.
    List,
    /// Show a workload: its agent, its resources and how far they are; with --watch go on as they report.
    Status(Status),
    /// Run a command as a workload: start, check and stop it as the cluster asks for, until Ctrl-C.
    ///
    /// The command finds WSFC_WORKLOAD, WSFC_RESOURCE and WSFC_PARAMETER_<KEY> for each parameter of the resource in its
    /// environment. It is asked to end by SIGTERM, on Windows by taskkill, and killed when it does not.
    Run(agent::Arguments),
}

/// Which workload, and from when on.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The workload.
    #[arg(value_name = "NAME", add = complete::workloads())]
    workload: String,
    /// Go on with a line for each status that its resources report. Ends with Ctrl-C, and then tells the token to go on
    /// with.
    #[arg(long, short)]
    watch: bool,
    /// Go on from a token that an earlier run has told.
    #[arg(long, value_name = "TOKEN", requires = "watch")]
    resume: Option<Token>,
    /// Tell a token to resume from after each message with statuses, and on an idle stream.
    #[arg(long, requires = "watch")]
    tokens: bool,
    /// End after this many statuses.
    #[arg(long, value_name = "COUNT", requires = "watch")]
    count: Option<u64>,
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Register(arguments) => register::run(arguments, session).await,
        Verb::List => list(session).await,
        Verb::Status(arguments) => status(arguments, session).await,
        Verb::Run(arguments) => agent::run(arguments, session).await,
    }
}

async fn list(session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = "list the workloads".to_owned();
    let client = session.connect(&action).await?;
    let answer = client.list_workloads(ListWorkloadsRequest {}).await;
    let answer = answer.map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn Write, wide| tables::workloads(out, &answer.workloads, wide);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}

async fn status(arguments: &Status, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let name = &arguments.workload;
    let action = format!("show workload {}", quoted(name));
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    // Who comes back has seen how things stood.
    if arguments.resume.is_none() {
        let request = GetWorkloadRequest { workload: name.clone() };
        let answer = client.get_workload(request).await.map_err(|source| Failure::Call {
            action: action.clone(),
            source,
        })?;
        let workload = answer.workload.unwrap_or_default();
        show(&workload, arguments.watch, session)?;
    }
    if !arguments.watch {
        return Ok(Exit::Ok);
    }
    let resume = arguments.resume.as_ref();
    let watch = client.watch_status(WatchStatusRequest {
        cluster,
        resources: Vec::new(),
        after_revision: resume.map(|token| token.revision),
        store_id: resume.map(|token| token.store_id.clone()).unwrap_or_default(),
    });
    let following = Following {
        from: arguments.resume.clone(),
        tokens: arguments.tokens,
        count: arguments.count,
    };
    // Resources of the workload may come later, so they are told by the workload and not by their names.
    follow_events(session, &action, watch, following, |event| is_of(event, name)).await
}

/// Writes a workload: whole, or as the first of a stream.
fn show(workload: &Workload, streaming: bool, session: &mut Session<'_>) -> Result<(), Failure> {
    let format = session.globals.output;
    let out = &mut session.terminal.out;
    if streaming && format.is_machine() {
        return output::item(out, format, workload);
    }
    output::answer(out, format, workload, |out, wide| tables::workload(out, workload, wide))
}

/// True for a status of a resource of the workload, and where statuses may have been missed.
fn is_of(event: &Event, workload: &str) -> bool {
    let Some(event::Event::Cluster(change)) = &event.event else {
        return false;
    };
    let status = change.resource_status.as_ref();
    change.gap.is_some() || status.is_some_and(|status| status.workload.to_lowercase() == workload.to_lowercase())
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{ChangeType, ClusterEvent, ResourceState, ResourceStatus};

    use super::*;
    use crate::cmds::watch::sentence;

    #[test]
    fn a_status_is_one_line_and_belongs_to_its_workload() {
        let change = ClusterEvent {
            cluster: "CL1".to_owned(),
            time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            changes: vec![ChangeType::ResourceStatus.into()],
            resource_status: Some(ResourceStatus {
                resource: "Web".to_owned(),
                workload: "web".to_owned(),
                state: ResourceState::OnlinePending.into(),
                percent: Some(40),
                message: "copying".to_owned(),
                check_point: 3,
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(
            sentence(&change),
            "2023-11-14T22:13:20Z CL1: resource Web: online pending 40%: copying (check point 3)"
        );
        let event = Event {
            event: Some(event::Event::Cluster(change)),
        };
        assert!(is_of(&event, "WEB") && !is_of(&event, "db"));
        assert!(!is_of(&Event::default(), "web"));
    }
}

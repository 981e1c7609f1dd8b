//! `wsfcctl storage-node`.

use std::time::Duration;

use clap::{Args, Subcommand};
use wsfc_client::v1::{
    AddStorageNodeParameters, AddStorageNodeRequest, RemoveStorageNodeParameters, RemoveStorageNodeRequest,
};

use super::{duration, named};
use crate::cli::StartFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::start::start;

/// The verbs of `wsfcctl storage-node`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add a storage node to a cluster; needs Windows Server 2019 or later.
    Add(Add),
    /// Remove a storage node from a cluster; needs Windows Server 2019 or later.
    Remove(Remove),
}

/// What to add.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The storage node.
    node: String,
    /// A description.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Where it stands, for example a rack.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    location: String,
    #[command(flatten)]
    start: StartFlags,
}

/// What to remove.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The storage node.
    node: String,
    /// The longest wait for the removal, such as 10m; up to 24 hours [default: 5m].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    removal_timeout: Option<Duration>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    start: StartFlags,
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Add(arguments) => add(arguments, session).await,
        Verb::Remove(arguments) => remove(arguments, session).await,
    }
}

async fn add(arguments: &Add, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let cluster = session.cluster()?;
    let action = format!("add storage node {} to {}", arguments.node, named(&cluster));
    let client = session.connect(&action).await?;
    let storage_node = AddStorageNodeParameters {
        cluster: cluster.clone(),
        node: arguments.node.clone(),
        description: arguments.description.clone(),
        location: arguments.location.clone(),
    };
    start(session, &client, &arguments.start, &action, |options| {
        AddStorageNodeRequest {
            storage_node: Some(storage_node),
            options: Some(options),
        }
    })
    .await
}

async fn remove(arguments: &Remove, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let cluster = session.cluster()?;
    let action = format!("remove storage node {} from {}", arguments.node, named(&cluster));
    let question = format!(
        "This removes storage node {} from {}. Go on?",
        arguments.node,
        named(&cluster)
    );
    session
        .terminal
        .confirm(&question, arguments.yes || arguments.start.validate_only)?;
    let client = session.connect(&action).await?;
    let storage_node = RemoveStorageNodeParameters {
        cluster: cluster.clone(),
        node: arguments.node.clone(),
        timeout: duration("--removal-timeout", arguments.removal_timeout)?,
    };
    start(session, &client, &arguments.start, &action, |options| {
        RemoveStorageNodeRequest {
            storage_node: Some(storage_node),
            options: Some(options),
        }
    })
    .await
}

//! `wsfcctl node`.

use std::time::Duration;

use clap::{Args, Subcommand};
use wsfc_client::v1::{AddNodeParameters, AddNodeRequest, EvictNodeParameters, EvictNodeRequest};

use super::{duration, named};
use crate::cli::StartFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::start::start;

/// The verbs of `wsfcctl node`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add a node to a cluster and follow its setup.
    Add(Add),
    /// Evict a node from a cluster.
    Evict(Evict),
}

/// What to add.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The host that joins.
    node: String,
    /// The cluster: a name, an address or an FQDN [default: the cluster of the daemon's host].
    #[arg(long, short, default_value = "", hide_default_value = true)]
    cluster: String,
    /// The shortest time between the creation of the cluster and this, such as 30s; 0s does not wait, which the
    /// cluster API advises against [default: the daemon's setting].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    settle_time: Option<Duration>,
    #[command(flatten)]
    start: StartFlags,
}

/// What to evict.
#[derive(Debug, Args)]
pub(crate) struct Evict {
    /// The node that leaves.
    node: String,
    /// The cluster: a name, an address or an FQDN [default: the cluster of the daemon's host].
    #[arg(long, short, default_value = "", hide_default_value = true)]
    cluster: String,
    /// The longest wait for the clean-up of the node, such as 10m; up to 24 hours [default: 5m].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    cleanup_timeout: Option<Duration>,
    /// Why, for the event log of the cluster.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    start: StartFlags,
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Add(arguments) => add(arguments, session).await,
        Verb::Evict(arguments) => evict(arguments, session).await,
    }
}

async fn add(arguments: &Add, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("add node {} to {}", arguments.node, named(&arguments.cluster));
    let client = session.connect(&action).await?;
    let node = AddNodeParameters {
        cluster: arguments.cluster.clone(),
        node: arguments.node.clone(),
    };
    let settle_time = duration("--settle-time", arguments.settle_time)?;
    start(session, &client, &arguments.start, &action, |options| AddNodeRequest {
        node: Some(node),
        options: Some(options),
        settle_time,
    })
    .await
}

async fn evict(arguments: &Evict, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("evict node {} from {}", arguments.node, named(&arguments.cluster));
    let question = format!(
        "This evicts node {} from {}. Go on?",
        arguments.node,
        named(&arguments.cluster)
    );
    session
        .terminal
        .confirm(&question, arguments.yes || arguments.start.validate_only)?;
    let client = session.connect(&action).await?;
    let node = EvictNodeParameters {
        cluster: arguments.cluster.clone(),
        node: arguments.node.clone(),
        cleanup_timeout: duration("--cleanup-timeout", arguments.cleanup_timeout)?,
        reason: arguments.reason.clone(),
    };
    start(session, &client, &arguments.start, &action, |options| {
        EvictNodeRequest {
            node: Some(node),
            options: Some(options),
        }
    })
    .await
}

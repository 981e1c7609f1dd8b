//! `wsfcctl node`.

use std::time::Duration;

use clap::{Args, Subcommand};
use wsfc_client::v1::{AddNodeParameters, AddNodeRequest, EvictNodeParameters, EvictNodeRequest, ObjectKind};

use super::reads::{Filter, Filters, Reads, reads};
use super::{duration, named};
use crate::change::{change, changes, to};
use crate::choice::{self, Choice};
use crate::cli::StartFlags;
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::session::Session;
use crate::start::start;

/// The verbs of `wsfcctl node`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add a node to a cluster and follow its setup.
    Add(Add),
    /// Evict a node from a cluster.
    Evict(Evict),
    #[command(flatten)]
    Reads(Reads<Narrow>),
    Pause(Pause),
    Resume(Resume),
    Start(Start),
    Stop(Stop),
    /// End the quarantine of a node, and start its cluster service.
    ClearQuarantine {
        /// The node.
        #[arg(add = names(ObjectKind::Node))]
        node: String,
        #[command(flatten)]
        start: StartFlags,
    },
}

/// Which nodes.
#[derive(Debug, Args)]
pub(crate) struct Narrow {
    /// Only nodes in this state; may be repeated.
    #[arg(long = "state", value_name = "STATE", value_parser = choice::node_state())]
    states: Vec<Choice>,
}

impl Filter for Narrow {
    fn filters(&self) -> Filters {
        Filters {
            states: self.states.clone(),
            ..Default::default()
        }
    }
}

changes! {
    /// Pause a node, so that it takes no groups; with --drain its groups move away first.
    Pause(PauseNodeParameters): format!("{} node {}{}", if *drain { "drain" } else { "pause" }, quoted(node), to(drain_target)); {
        /// The node.
        #[arg(add = names(ObjectKind::Node))]
        node: String,
        /// Move its groups away first.
        #[arg(long)]
        drain: bool,
        /// Where the groups shall go [default: each to its best possible node].
        #[arg(long = "to", value_name = "NODE", default_value = "", hide_default_value = true, requires = "drain", add = names(ObjectKind::Node))]
        drain_target: String,
        /// A group that cannot be moved stays on the paused node and online.
        #[arg(long, requires = "drain")]
        remain_on_move_error: bool,
        /// Placement avoids the node afterwards.
        #[arg(long, requires = "drain")]
        avoid_placement: bool,
        /// The cluster tries the drain again when it failed.
        #[arg(long, requires = "drain")]
        retry_drain_on_failure: bool,
    }

    /// Resume a paused node.
    Resume(ResumeNodeParameters): format!("resume node {}", quoted(node)); {
        /// The node.
        #[arg(add = names(ObjectKind::Node))]
        node: String,
        /// What becomes of the groups that were drained.
        #[arg(long, value_parser = choice::failback(), default_value = "none")]
        failback: Choice,
    }

    /// Start the cluster service of a node.
    Start(StartNodeParameters): format!("start the cluster service of node {}", quoted(node));
    yes if force_quorum.then(|| format!("This forms the cluster on node {} without quorum: what the other nodes have changed is lost.", quoted(node))); {
        /// The node.
        #[arg(add = names(ObjectKind::Node))]
        node: String,
        /// End the quarantine of the node.
        #[arg(long)]
        clear_quarantine: bool,
        /// Form the cluster without quorum. The last resort: what the other nodes have changed is lost.
        #[arg(long, conflicts_with = "prevent_quorum")]
        force_quorum: bool,
        /// Do not form the cluster, only join it.
        #[arg(long)]
        prevent_quorum: bool,
    }

    /// Stop the cluster service of a node.
    Stop(StopNodeParameters): format!("stop the cluster service of node {}", quoted(node));
    yes if Some(format!("This stops the cluster service of node {}.", quoted(node))); {
        /// The node.
        #[arg(add = names(ObjectKind::Node))]
        node: String,
        /// Also if the cluster would lose its quorum by it.
        #[arg(long)]
        force: bool,
    }
}

/// What to add.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The host that joins.
    node: String,
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
    #[arg(add = names(ObjectKind::Node))]
    node: String,
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
        Verb::Reads(verb) => reads(ObjectKind::Node, verb, session).await,
        Verb::Pause(verb) => change(verb, session).await,
        Verb::Resume(verb) => change(verb, session).await,
        Verb::Start(verb) => change(verb, session).await,
        Verb::Stop(verb) => change(verb, session).await,
        Verb::ClearQuarantine { node, start } => {
            let verb = Start {
                node: node.clone(),
                clear_quarantine: true,
                force_quorum: false,
                prevent_quorum: false,
                yes: false,
                start: start.clone(),
            };
            change(&verb, session).await
        }
    }
}

async fn add(arguments: &Add, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let cluster = session.cluster()?;
    let action = format!("add node {} to {}", arguments.node, named(&cluster));
    let client = session.connect(&action).await?;
    let node = AddNodeParameters {
        cluster: cluster.clone(),
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
    let cluster = session.cluster()?;
    let action = format!("evict node {} from {}", arguments.node, named(&cluster));
    let question = format!("This evicts node {} from {}. Go on?", arguments.node, named(&cluster));
    session
        .terminal
        .confirm(&question, arguments.yes || arguments.start.validate_only)?;
    let client = session.connect(&action).await?;
    let node = EvictNodeParameters {
        cluster: cluster.clone(),
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

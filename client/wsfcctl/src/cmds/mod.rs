//! The commands, a file for each noun.

mod account;
mod cluster;
mod completion;
mod context;
mod node;
mod operation;
mod storage_node;

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use wsfc_client::v1::{ManagementPointResourceType, ManagementPointType};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Clusters: create, destroy, read and upgrade them.
    #[command(subcommand)]
    Cluster(cluster::Verb),
    /// Nodes: add and evict them.
    #[command(subcommand)]
    Node(node::Verb),
    /// The name accounts of clusters in the directory.
    #[command(subcommand)]
    Account(account::Verb),
    /// Storage nodes: add and remove them.
    #[command(subcommand)]
    StorageNode(storage_node::Verb),
    /// Operations: the long calls that the daemon keeps.
    #[command(subcommand)]
    Operation(operation::Verb),
    /// Contexts: named daemons and how to reach them.
    #[command(subcommand)]
    Context(context::Verb),
    /// Print the completion script of a shell.
    Completion(completion::Arguments),
}

/// Runs a command.
pub(crate) async fn run(command: &Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Cluster(verb) => cluster::run(verb, session).await,
        Command::Node(verb) => node::run(verb, session).await,
        Command::Account(verb) => account::run(verb, session).await,
        Command::StorageNode(verb) => storage_node::run(verb, session).await,
        Command::Operation(verb) => operation::run(verb, session).await,
        Command::Context(verb) => context::run(verb, session),
        Command::Completion(arguments) => completion::run(arguments, session),
    }
}

/// How a cluster is reached on the network.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ManagementPoint {
    /// A computer account in the directory and a DNS name.
    AdDns,
    /// A DNS name only.
    Dns,
    /// A computer account only.
    Ad,
    /// No management point.
    None,
}

impl From<ManagementPoint> for ManagementPointType {
    fn from(point: ManagementPoint) -> Self {
        match point {
            ManagementPoint::AdDns => Self::ActiveDirectoryAndDns,
            ManagementPoint::Dns => Self::Dns,
            ManagementPoint::Ad => Self::ActiveDirectory,
            ManagementPoint::None => Self::None,
        }
    }
}

/// The kind of network name resource of a management point.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum NameResource {
    /// A single network name.
    Single,
    /// A distributed network name.
    Distributed,
}

impl From<NameResource> for ManagementPointResourceType {
    fn from(resource: NameResource) -> Self {
        match resource {
            NameResource::Single => Self::SingleNetworkName,
            NameResource::Distributed => Self::DistributedNetworkName,
        }
    }
}

/// A cluster for people: its name, or what an empty name stands for.
fn named(cluster: &str) -> &str {
    if cluster.is_empty() {
        "the cluster of the daemon's host"
    } else {
        cluster
    }
}

/// The number of an optional choice; 0, which is UNSPECIFIED, without one.
fn number<C: Copy, E: From<C> + Into<i32>>(choice: Option<C>) -> i32 {
    choice.map(|choice| E::from(choice).into()).unwrap_or_default()
}

/// A duration of the command line as the contract writes it; one that does not fit is refused.
fn duration(flag: &str, value: Option<Duration>) -> Result<Option<prost_types::Duration>, Failure> {
    let convert = |value: Duration| {
        prost_types::Duration::try_from(value).map_err(|_| Failure::Usage(format!("{flag}: the time is too long")))
    };
    value.map(convert).transpose()
}

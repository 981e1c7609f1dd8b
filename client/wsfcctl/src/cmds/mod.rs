//! The commands, a file for each noun.

mod access;
mod account;
mod affinity_rule;
mod audit;
mod cluster;
mod cluster_access;
mod completion;
mod context;
mod group;
mod group_set;
mod live;
mod login;
mod network;
mod node;
mod operation;
mod property;
mod quorum;
mod reads;
mod registry;
mod resource;
mod resource_type;
mod sim;
mod storage_node;
mod volume;
mod wait;
mod watch;
mod workload;

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use wsfc_client::v1::{ManagementPointResourceType, ManagementPointType};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) use reads::list_of;

/// The nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Clusters: create, destroy, read, upgrade, rename, shut down, back up and restore them.
    #[command(subcommand)]
    Cluster(cluster::Verb),
    /// Nodes: add, evict, pause, resume, start and stop them.
    #[command(subcommand)]
    Node(node::Verb),
    /// Groups: the units that move between nodes.
    #[command(subcommand)]
    Group(group::Verb),
    /// Resources: what groups consist of.
    #[command(subcommand)]
    Resource(resource::Verb),
    /// Resource types: the DLLs behind resources.
    #[command(subcommand)]
    ResourceType(resource_type::Verb),
    /// Networks: their names, roles, metrics and order.
    #[command(subcommand)]
    Network(network::Verb),
    /// Network interfaces of nodes.
    #[command(subcommand)]
    Interface(network::InterfaceVerb),
    /// The quorum: what decides whether the cluster may run.
    #[command(subcommand)]
    Quorum(quorum::Verb),
    /// Cluster shared volumes, and disks that can become cluster disks.
    #[command(subcommand)]
    Volume(volume::Verb),
    /// Group sets, and the order in which they start.
    #[command(subcommand)]
    GroupSet(group_set::Verb),
    /// Affinity rules: which groups belong on one node and which do not.
    #[command(subcommand)]
    AffinityRule(affinity_rule::Verb),
    /// Who may use the cluster, by its own access list.
    #[command(subcommand)]
    ClusterAccess(cluster_access::Verb),
    /// The cluster database.
    #[command(subcommand)]
    Registry(registry::Verb),
    /// Properties of any object, as typed values.
    #[command(subcommand)]
    Property(property::Verb),
    /// Watch everything that changes, from now on or from any point that is still kept.
    ///
    /// Without a cluster, by flag or context, it is every cluster that the daemon observes. Ends with Ctrl-C, and then
    /// tells the token to go on with.
    Watch(watch::Arguments),
    /// Wait until an object is as wished.
    ///
    /// Ends with 0 as soon as every condition holds, and with 9 when they do not hold within --timeout, such as
    /// `wsfcctl wait group SQL --for state=online --timeout 5m`. Without --timeout it waits for ever.
    Wait(wait::Arguments),
    /// The name accounts of clusters in the directory.
    #[command(subcommand)]
    Account(account::Verb),
    /// Storage nodes: add and remove them.
    #[command(subcommand)]
    StorageNode(storage_node::Verb),
    /// Workloads: programs that are cluster resources.
    #[command(subcommand)]
    Workload(workload::Verb),
    /// Operations: the long calls that the daemon keeps.
    #[command(subcommand)]
    Operation(operation::Verb),
    /// Steer the world of a daemon that simulates one: failures of machines, networks and resources, and time.
    Sim(sim::Arguments),
    /// Audit logs: who asked a daemon for what. Reads files, without the daemon.
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Get a certificate of a daemon with a join token, and use the daemon from now on.
    Login(login::Login),
    /// Forget a certificate, its key and its context.
    Logout(login::Logout),
    /// Who may call the daemon: join tokens, certificates and roles.
    #[command(subcommand)]
    Access(access::Verb),
    /// Contexts: named daemons and how to reach them.
    #[command(subcommand)]
    Context(context::Verb),
    /// Print the completion script of a shell.
    Completion(completion::Arguments),
}

impl Command {
    /// Whether the daemon of the context is asked for something.
    pub(crate) fn asks_the_daemon(&self) -> bool {
        !matches!(
            self,
            Self::Login(_) | Self::Logout(_) | Self::Context(_) | Self::Completion(_) | Self::Sim(_)
        )
    }
}

/// Runs a command.
pub(crate) async fn run(command: &Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Cluster(verb) => cluster::run(verb, session).await,
        Command::Node(verb) => node::run(verb, session).await,
        Command::Group(verb) => group::run(verb, session).await,
        Command::Resource(verb) => resource::run(verb, session).await,
        Command::ResourceType(verb) => resource_type::run(verb, session).await,
        Command::Network(verb) => network::run(verb, session).await,
        Command::Interface(verb) => network::run_interface(verb, session).await,
        Command::Quorum(verb) => quorum::run(verb, session).await,
        Command::Volume(verb) => volume::run(verb, session).await,
        Command::GroupSet(verb) => group_set::run(verb, session).await,
        Command::AffinityRule(verb) => affinity_rule::run(verb, session).await,
        Command::ClusterAccess(verb) => cluster_access::run(verb, session).await,
        Command::Registry(verb) => registry::run(verb, session).await,
        Command::Property(verb) => property::run(verb, session).await,
        Command::Watch(arguments) => watch::run(arguments, session).await,
        Command::Wait(arguments) => wait::run(arguments, session).await,
        Command::Account(verb) => account::run(verb, session).await,
        Command::StorageNode(verb) => storage_node::run(verb, session).await,
        Command::Workload(verb) => workload::run(verb, session).await,
        Command::Operation(verb) => operation::run(verb, session).await,
        Command::Sim(arguments) => sim::run(arguments, session),
        Command::Audit(verb) => audit::run(verb, session),
        Command::Login(arguments) => login::login(arguments, session).await,
        Command::Logout(arguments) => login::logout(arguments, session),
        Command::Access(verb) => access::run(verb, session).await,
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

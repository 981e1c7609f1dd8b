//! `wsfcctl network` and `wsfcctl interface`.

use clap::{Args, Subcommand};
use wsfc_client::v1::ObjectKind;

use super::reads::{Filter, Filters, NoFilter, Reads, reads};
use crate::change::{change, changes};
use crate::choice::{self, Choice};
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::{listed, quoted};
use crate::session::Session;

/// The verbs of `wsfcctl network`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Reads(Reads<NoFilter>),
    Rename(Rename),
    Role(Role),
    Metric(Metric),
    Priority(Priority),
}

/// The verbs of `wsfcctl interface`.
#[derive(Debug, Subcommand)]
pub(crate) enum InterfaceVerb {
    #[command(flatten)]
    Reads(Reads<Narrow>),
}

/// Which network interfaces.
#[derive(Debug, Args)]
pub(crate) struct Narrow {
    /// Only interfaces of this node.
    #[arg(long, default_value = "", hide_default_value = true, add = names(ObjectKind::Node))]
    node: String,
    /// Only interfaces of this network.
    #[arg(long, default_value = "", hide_default_value = true, add = names(ObjectKind::Network))]
    network: String,
}

impl Filter for Narrow {
    fn filters(&self) -> Filters {
        Filters {
            node: self.node.clone(),
            network: self.network.clone(),
            ..Default::default()
        }
    }
}

changes! {
    /// Rename a network.
    Rename(RenameNetworkParameters): format!("rename network {} to {}", quoted(network), quoted(new_name)); {
        /// The network: its name or its id.
        #[arg(add = names(ObjectKind::Network))]
        network: String,
        /// The new name.
        new_name: String,
    }

    /// Set what a network is used for.
    Role(SetNetworkRoleParameters): format!("set the role of network {} to {}", quoted(network), role.word); {
        /// The network: its name or its id.
        #[arg(add = names(ObjectKind::Network))]
        network: String,
        /// The role.
        #[arg(value_parser = choice::network_role())]
        role: Choice,
    }

    /// Set the metric of a network; the lower, the more the cluster's own traffic prefers it.
    Metric(SetNetworkMetricParameters): format!("set the metric of network {}", quoted(network)); {
        /// The network: its name or its id.
        #[arg(add = names(ObjectKind::Network))]
        network: String,
        /// The metric; without it the cluster chooses.
        metric: Option<u32>,
    }

    /// Set the order in which internal networks are used, the most important first.
    Priority(SetNetworkPriorityParameters): format!("set the priority of networks to {}", listed(networks)); {
        /// The internal networks in their order: names or ids.
        #[arg(required = true, add = names(ObjectKind::Network))]
        networks: Vec<String>,
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Reads(verb) => reads(ObjectKind::Network, verb, session).await,
        Verb::Rename(verb) => change(verb, session).await,
        Verb::Role(verb) => change(verb, session).await,
        Verb::Metric(verb) => change(verb, session).await,
        Verb::Priority(verb) => change(verb, session).await,
    }
}

pub(crate) async fn run_interface(verb: &InterfaceVerb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        InterfaceVerb::Reads(verb) => reads(ObjectKind::NetworkInterface, verb, session).await,
    }
}

//! `wsfcctl resource-type`.

use clap::Subcommand;
use wsfc_client::v1::ObjectKind;

use super::reads::{NoFilter, Reads, reads};
use crate::change::{change, changes};
use crate::cli::span;
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::session::Session;

/// The verbs of `wsfcctl resource-type`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Reads(Reads<NoFilter>),
    Create(Create),
    Delete(Delete),
}

changes! {
    /// Register a resource type; its DLL must lie at the same path on every node.
    Create(CreateResourceTypeParameters): format!("register resource type {}", quoted(resource_type)); {
        /// The name of the type.
        resource_type: String,
        /// The DLL: an absolute path, or a file name in %SystemRoot%\\Cluster.
        #[arg(long, value_name = "PATH")]
        dll: String,
        /// The name shown to people [default: the name of the type].
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        display_name: String,
        /// How often LooksAlive is asked, such as 5s [default: 5s].
        #[arg(long, value_name = "DURATION", value_parser = span)]
        looks_alive_interval: Option<prost_types::Duration>,
        /// How often IsAlive is asked, such as 60s [default: 60s].
        #[arg(long, value_name = "DURATION", value_parser = span)]
        is_alive_interval: Option<prost_types::Duration>,
    }

    /// Remove a resource type that no resource is of.
    Delete(DeleteResourceTypeParameters): format!("remove resource type {}", quoted(resource_type));
    yes if Some(format!("This removes resource type {} from the cluster.", quoted(resource_type))); {
        /// The type.
        #[arg(add = names(ObjectKind::ResourceType))]
        resource_type: String,
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Reads(verb) => reads(ObjectKind::ResourceType, verb, session).await,
        Verb::Create(verb) => change(verb, session).await,
        Verb::Delete(verb) => change(verb, session).await,
    }
}

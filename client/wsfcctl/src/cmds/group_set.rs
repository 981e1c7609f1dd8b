//! `wsfcctl group-set`.

use clap::Subcommand;
use wsfc_client::v1::ObjectKind;

use super::reads::{NoFilter, Reads, reads};
use crate::change::{change, changes};
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::session::Session;

/// The verbs of `wsfcctl group-set`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Reads(Reads<NoFilter>),
    Create(Create),
    CreateAvailability(CreateAvailability),
    Delete(Delete),
    AddGroup(AddGroup),
    RemoveGroup(RemoveGroup),
    /// What a group set depends on: other group sets.
    #[command(subcommand)]
    Depends(Depends),
}

/// The verbs of `wsfcctl group-set depends`.
#[derive(Debug, Subcommand)]
pub(crate) enum Depends {
    Add(AddDependency),
    Remove(RemoveDependency),
    Set(SetDependencies),
}

changes! {
    /// Create a group set.
    Create(CreateGroupSetParameters): format!("create group set {}", quoted(group_set)); {
        /// The name of the group set.
        group_set: String,
    }

    /// Create an availability set: a group set whose groups are spread over domains.
    CreateAvailability(CreateAvailabilitySetParameters): format!("create availability set {}", quoted(group_set)); {
        /// The name of the group set.
        group_set: String,
        /// How many update domains.
        #[arg(long, value_name = "COUNT")]
        update_domains: u32,
        /// How many fault domains.
        #[arg(long, value_name = "COUNT")]
        fault_domains: u32,
        /// Keep a node free.
        #[arg(long)]
        reserve_spare_node: bool,
    }

    /// Delete a group set; its groups stay.
    Delete(DeleteGroupSetParameters): format!("delete group set {}", quoted(group_set)); {
        /// The group set.
        #[arg(add = names(ObjectKind::GroupSet))]
        group_set: String,
    }

    /// Add a group to a group set.
    AddGroup(AddGroupToSetParameters): format!("add group {} to group set {}", quoted(group), quoted(group_set)); {
        /// The group set.
        #[arg(add = names(ObjectKind::GroupSet))]
        group_set: String,
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// The fault domain of the group, for availability sets.
        #[arg(long, value_name = "NUMBER")]
        fault_domain: Option<u32>,
        /// The update domain of the group, for availability sets.
        #[arg(long, value_name = "NUMBER")]
        update_domain: Option<u32>,
    }

    /// Remove a group from the group set that it is in.
    RemoveGroup(RemoveGroupFromSetParameters): format!("remove group {} from its group set", quoted(group)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
    }

    /// Make a group set depend on another one.
    AddDependency(AddGroupSetDependencyParameters): format!("make group set {} depend on {}", quoted(group_set), quoted(provider_set)); {
        /// The group set.
        #[arg(add = names(ObjectKind::GroupSet))]
        group_set: String,
        /// The group set that it shall depend on.
        #[arg(add = names(ObjectKind::GroupSet))]
        provider_set: String,
    }

    /// End the dependency of a group set on another one.
    RemoveDependency(RemoveGroupSetDependencyParameters): format!("end the dependency of group set {} on {}", quoted(group_set), quoted(provider_set)); {
        /// The group set.
        #[arg(add = names(ObjectKind::GroupSet))]
        group_set: String,
        /// The group set that it shall not depend on.
        #[arg(add = names(ObjectKind::GroupSet))]
        provider_set: String,
    }

    /// Set all that a group set depends on.
    SetDependencies(SetGroupSetDependenciesParameters): format!("set what group set {} depends on", quoted(group_set)); {
        /// The group set.
        #[arg(add = names(ObjectKind::GroupSet))]
        group_set: String,
        /// An expression of group sets in brackets, such as "[Storage] and [Network]"; empty for nothing.
        expression: String,
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Reads(verb) => reads(ObjectKind::GroupSet, verb, session).await,
        Verb::Create(verb) => change(verb, session).await,
        Verb::CreateAvailability(verb) => change(verb, session).await,
        Verb::Delete(verb) => change(verb, session).await,
        Verb::AddGroup(verb) => change(verb, session).await,
        Verb::RemoveGroup(verb) => change(verb, session).await,
        Verb::Depends(Depends::Add(verb)) => change(verb, session).await,
        Verb::Depends(Depends::Remove(verb)) => change(verb, session).await,
        Verb::Depends(Depends::Set(verb)) => change(verb, session).await,
    }
}

//! `wsfcctl group`.

use clap::{Args, Subcommand};
use wsfc_client::v1::ObjectKind;

use super::reads::{Filter, Filters, Reads, reads};
use crate::change::{change, change_beside, changes, to};
use crate::choice::{self, Choice};
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::{listed, quoted};
use crate::session::Session;
use crate::statuses::Reporting;

/// The verbs of `wsfcctl group`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Reads(Reads<Narrow>),
    Create(Create),
    Delete(Delete),
    Online(Online),
    Offline(Offline),
    Move(Move),
    Migrate(Migrate),
    CancelMove(CancelMove),
    Owners(Owners),
    Policy(Policy),
    Rename(Rename),
    /// What a group depends on: other groups, or group sets.
    #[command(subcommand)]
    Depends(Depends),
}

/// The verbs of `wsfcctl group depends`.
#[derive(Debug, Subcommand)]
pub(crate) enum Depends {
    Add(AddDependency),
    Remove(RemoveDependency),
}

/// Which groups.
#[derive(Debug, Args)]
pub(crate) struct Narrow {
    /// Only groups that this node owns.
    #[arg(long, value_name = "NODE", default_value = "", hide_default_value = true, add = names(ObjectKind::Node))]
    owner: String,
    /// Only groups in this state; may be repeated.
    #[arg(long = "state", value_name = "STATE", value_parser = choice::group_state())]
    states: Vec<Choice>,
    /// Only groups of this type, such as file-server, or its number; may be repeated.
    #[arg(long = "type", value_name = "TYPE", value_parser = choice::group_type)]
    types: Vec<Choice>,
}

impl Filter for Narrow {
    fn filters(&self) -> Filters {
        Filters {
            owner_node: self.owner.clone(),
            states: self.states.clone(),
            types: self.types.clone(),
            ..Default::default()
        }
    }
}

changes! {
    /// Create an empty group.
    Create(CreateGroupParameters): format!("create group {}", quoted(group)); {
        /// The name of the new group.
        group: String,
        /// The type, such as file-server, or its number.
        #[arg(long = "type", value_name = "TYPE", value_parser = choice::group_type, default_value = "9999", hide_default_value = true)]
        r#type: Choice,
    }

    /// Delete a group.
    Delete(DeleteGroupParameters): format!("delete group {}", quoted(group));
    yes if with_resources.then(|| format!("This takes the resources of group {} offline and deletes them too.", quoted(group))); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// Take its resources offline and delete them, too.
        #[arg(long)]
        with_resources: bool,
    }

    /// Bring a group online.
    Online(OnlineGroupParameters): format!("bring group {} online{}", quoted(group), to(node).replace(" to ", " on ")); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// The node to bring it online on [default: where it is].
        #[arg(long, default_value = "", hide_default_value = true, add = names(ObjectKind::Node), conflicts_with = "best_possible_node")]
        node: String,
        /// Let the cluster choose the node.
        #[arg(long)]
        best_possible_node: bool,
        /// Resources that say that they are locked, too.
        #[arg(long)]
        ignore_resource_status: bool,
        /// Also where an affinity rule speaks against it.
        #[arg(long)]
        ignore_affinity_rule: bool,
    }

    /// Take a group offline.
    Offline(OfflineGroupParameters): format!("take group {} offline", quoted(group)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// Resources that say that they are locked, too.
        #[arg(long)]
        ignore_resource_status: bool,
    }

    /// Move a group to a node.
    Move(MoveGroupParameters): format!("move group {}{}", quoted(group), to(node)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// Where to [default: the best possible node].
        #[arg(default_value = "", hide_default_value = true, add = names(ObjectKind::Node))]
        node: String,
        /// Resources that say that they are locked, too.
        #[arg(long)]
        ignore_resource_status: bool,
        /// Bring the group back when it does not come online there.
        #[arg(long)]
        return_to_source_on_error: bool,
        /// Wait in the cluster's queue when it cannot move at once.
        #[arg(long)]
        queue: bool,
        /// Bring it online before others on arrival.
        #[arg(long)]
        high_priority_start: bool,
        /// Also where an affinity rule speaks against it.
        #[arg(long)]
        ignore_affinity_rule: bool,
    }

    /// Move the group of a virtual machine.
    Migrate(MigrateVirtualMachineParameters): format!("migrate group {}{}", quoted(group), to(node)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// Where to [default: the best possible node].
        #[arg(default_value = "", hide_default_value = true, add = names(ObjectKind::Node))]
        node: String,
        /// How the machine goes.
        #[arg(long = "type", value_name = "TYPE", value_parser = choice::migration(), default_value = "live")]
        migration: Choice,
    }

    /// Cancel the queued or running move of a group.
    CancelMove(CancelGroupMoveParameters): format!("cancel the move of group {}", quoted(group)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
    }

    /// Set the preferred owners of a group, the most preferred first; none without nodes.
    Owners(SetPreferredOwnersParameters): format!("set the preferred owners of group {} to {}", quoted(group), if nodes.is_empty() { "none".to_owned() } else { listed(nodes) }); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// The nodes in order.
        #[arg(add = names(ObjectKind::Node))]
        nodes: Vec<String>,
    }

    /// Set how a group fails over and comes back; what is not given stays as it is.
    Policy(SetFailoverPolicyParameters): format!("set the failover policy of group {}", quoted(group)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// How many failovers within the period before the group stays failed; 4294967295 for one less than there are
        /// nodes.
        #[arg(long, value_name = "COUNT")]
        failover_threshold: Option<u32>,
        /// The period in hours, 0 to 1193.
        #[arg(long, value_name = "HOURS")]
        failover_period_hours: Option<u32>,
        /// Whether the group goes back to its preferred owner when that is up again.
        #[arg(long, value_name = "BOOL")]
        auto_failback: Option<bool>,
        /// The hour of the day from which it may, 0 to 23; 4294967295 for any time.
        #[arg(long, value_name = "HOUR")]
        failback_window_start: Option<u32>,
        /// The hour of the day until which it may, 0 to 23; 4294967295 for any time.
        #[arg(long, value_name = "HOUR")]
        failback_window_end: Option<u32>,
    }

    /// Rename a group.
    Rename(RenameGroupParameters): format!("rename group {} to {}", quoted(group), quoted(new_name)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// The new name.
        new_name: String,
    }

    /// Make a group depend on a group, or on a group set.
    AddDependency(AddGroupDependencyParameters): format!("make group {} depend on {}", quoted(group), provider(provider_group, provider_set)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// The group that it shall depend on.
        #[arg(long, value_name = "GROUP", default_value = "", hide_default_value = true, add = names(ObjectKind::Group), required_unless_present = "provider_set", conflicts_with = "provider_set")]
        provider_group: String,
        /// The group set that it shall depend on.
        #[arg(long, value_name = "SET", default_value = "", hide_default_value = true, add = names(ObjectKind::GroupSet))]
        provider_set: String,
    }

    /// End such a dependency.
    RemoveDependency(RemoveGroupDependencyParameters): format!("end the dependency of group {} on {}", quoted(group), provider(provider_group, provider_set)); {
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// The group that it shall not depend on.
        #[arg(long, value_name = "GROUP", default_value = "", hide_default_value = true, add = names(ObjectKind::Group), required_unless_present = "provider_set", conflicts_with = "provider_set")]
        provider_group: String,
        /// The group set that it shall not depend on.
        #[arg(long, value_name = "SET", default_value = "", hide_default_value = true, add = names(ObjectKind::GroupSet))]
        provider_set: String,
    }
}

fn provider(group: &str, set: &str) -> String {
    if set.is_empty() {
        format!("group {}", quoted(group))
    } else {
        format!("group set {}", quoted(set))
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Reads(verb) => reads(ObjectKind::Group, verb, session).await,
        Verb::Create(verb) => change(verb, session).await,
        Verb::Delete(verb) => change(verb, session).await,
        Verb::Online(verb) => change_beside(verb, Some(Reporting::Group(&verb.group)), session).await,
        Verb::Offline(verb) => change_beside(verb, Some(Reporting::Group(&verb.group)), session).await,
        Verb::Move(verb) => change_beside(verb, Some(Reporting::Group(&verb.group)), session).await,
        Verb::Migrate(verb) => change(verb, session).await,
        Verb::CancelMove(verb) => change(verb, session).await,
        Verb::Owners(verb) => change(verb, session).await,
        Verb::Policy(verb) => change(verb, session).await,
        Verb::Rename(verb) => change(verb, session).await,
        Verb::Depends(Depends::Add(verb)) => change(verb, session).await,
        Verb::Depends(Depends::Remove(verb)) => change(verb, session).await,
    }
}

//! `wsfcctl affinity-rule`.

use clap::Subcommand;
use wsfc_client::v1::ObjectKind;

use super::reads::{NoFilter, Reads, reads};
use crate::change::{change, changes};
use crate::choice::{self, Choice};
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::session::Session;

/// The verbs of `wsfcctl affinity-rule`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Reads(Reads<NoFilter>),
    Create(Create),
    Delete(Delete),
    AddGroup(AddGroup),
    RemoveGroup(RemoveGroup),
}

changes! {
    /// Create an affinity rule.
    Create(CreateAffinityRuleParameters): format!("create affinity rule {}", quoted(rule)); {
        /// The name of the rule.
        rule: String,
        /// What it demands of its groups.
        #[arg(value_name = "TYPE", value_parser = choice::affinity())]
        r#type: Choice,
    }

    /// Delete an affinity rule; its groups stay.
    Delete(DeleteAffinityRuleParameters): format!("delete affinity rule {}", quoted(rule)); {
        /// The affinity rule.
        #[arg(add = names(ObjectKind::AffinityRule))]
        rule: String,
    }

    /// Add a group to an affinity rule.
    AddGroup(AddGroupToAffinityRuleParameters): format!("add group {} to affinity rule {}", quoted(group), quoted(rule)); {
        /// The affinity rule.
        #[arg(add = names(ObjectKind::AffinityRule))]
        rule: String,
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
    }

    /// Remove a group from an affinity rule.
    RemoveGroup(RemoveGroupFromAffinityRuleParameters): format!("remove group {} from affinity rule {}", quoted(group), quoted(rule)); {
        /// The affinity rule.
        #[arg(add = names(ObjectKind::AffinityRule))]
        rule: String,
        /// The group: its name or its id.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Reads(verb) => reads(ObjectKind::AffinityRule, verb, session).await,
        Verb::Create(verb) => change(verb, session).await,
        Verb::Delete(verb) => change(verb, session).await,
        Verb::AddGroup(verb) => change(verb, session).await,
        Verb::RemoveGroup(verb) => change(verb, session).await,
    }
}

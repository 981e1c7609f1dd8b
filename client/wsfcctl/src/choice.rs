//! Enumerators of the contract as they are typed.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use wsfc_client::v1;

/// An enumerator: the word and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) word: String,
    pub(crate) number: i32,
}

impl From<Choice> for i32 {
    fn from(choice: Choice) -> Self {
        choice.number
    }
}

/// Makes the parsers: each enumeration with its prefix on the wire and the words that can be typed.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident($enumeration:ident, $prefix:literal): $($word:literal)*;)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name() -> impl TypedValueParser<Value = Choice> {
                PossibleValuesParser::new([$($word),*]).map(|word| {
                    let number = number(&word, $prefix, |name| v1::$enumeration::from_str_name(name).map(Into::into));
                    Choice { word, number }
                })
            }
        )*

        #[cfg(test)]
        fn all() -> Vec<(&'static str, i32)> {
            vec![$($(($word, number($word, $prefix, |name| v1::$enumeration::from_str_name(name).map(Into::into))),)*)*]
        }
    };
}

/// The number of a word; 0, which the daemon refuses or takes for the default, for one that the contract lacks.
fn number(word: &str, prefix: &str, read: impl Fn(&str) -> Option<i32>) -> i32 {
    let name = format!("{prefix}_{}", word.to_uppercase().replace('-', "_"));
    read(&name).unwrap_or_default()
}

choices! {
    /// States of nodes.
    node_state(NodeState, "NODE_STATE"): "up" "down" "paused" "joining";
    /// States of groups.
    group_state(GroupState, "GROUP_STATE"): "online" "offline" "failed" "partial-online" "pending";
    /// States of resources.
    resource_state(ResourceState, "RESOURCE_STATE"):
        "online" "offline" "failed" "pending" "online-pending" "offline-pending" "initializing" "inherited";
    /// What a network is used for.
    network_role(NetworkRole, "NETWORK_ROLE"): "none" "internal" "client" "internal-and-client";
    /// How a virtual machine goes from node to node.
    migration(MigrationType, "MIGRATION_TYPE"): "live" "quick" "turn-off" "shut-down" "shut-down-forced";
    /// What becomes of drained groups.
    failback(FailbackChoice, "FAILBACK_CHOICE"): "none" "immediately" "by-policy";
    /// Kinds of quorum.
    quorum_type(QuorumType, "QUORUM_TYPE"):
        "node-majority" "disk-witness" "file-share-witness" "cloud-witness" "disk-only";
    /// What an affinity rule demands.
    affinity(AffinityRuleType, "AFFINITY_RULE_TYPE"):
        "same-node" "different-node" "same-fault-domain" "different-fault-domain";
    /// What an account may do.
    right(AccessRight, "ACCESS_RIGHT"): "read" "change" "full";
    /// What is replicated for a resource.
    checkpoint(CheckpointKind, "CHECKPOINT_KIND"): "registry" "crypto";
    /// What has changed about an object.
    change(ChangeType, "CHANGE_TYPE"):
        "added" "removed" "state" "owner" "name" "properties" "private-properties" "relations" "group" "gap" "connection"
        "resource-status";
}

/// A type of group: a name of the contract, such as file-server, or a number.
pub(crate) fn group_type(text: &str) -> Result<Choice, String> {
    let word = text.to_owned();
    if let Ok(number) = text.parse() {
        return Ok(Choice { word, number });
    }
    // As tables write it: "file server".
    let number = number(&text.replace(' ', "-"), "GROUP_TYPE", |name| {
        v1::GroupType::from_str_name(name).map(Into::into)
    });
    if number == 0 {
        return Err("write a type such as file-server, virtual-machine or generic-service, or its number".to_owned());
    }
    Ok(Choice { word, number })
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> Self {
        switch == Switch::On
    }
}

impl std::fmt::Display for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::On { "on" } else { "off" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_an_enumerator() {
        for (word, number) in all() {
            assert_ne!(number, 0, "{word}");
        }
    }

    #[test]
    fn a_group_type_is_a_name_or_a_number() {
        assert_eq!(group_type("File-Server").unwrap().number, 100);
        assert_eq!(group_type("4711").unwrap().number, 4711);
        assert!(group_type("nonsense").is_err());
    }
}

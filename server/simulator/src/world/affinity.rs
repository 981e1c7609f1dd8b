//! Affinity rules: which groups shall run together, and which apart (facts 2.2 and 2.6).

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{notify_groupset, notify_object};

use super::World;
use super::cluster::Cluster;
use super::events::Event;
use super::node::Node;
use super::properties::{Setting, Settings};
use crate::win32::{
    ERROR_CLUSTER_AFFINITY_CONFLICT, ERROR_FILE_NOT_FOUND, ERROR_GROUP_NOT_FOUND, ERROR_INVALID_PARAMETER,
    ERROR_OBJECT_ALREADY_EXISTS, ERROR_OBJECT_IN_LIST,
};

/// Types of rules (facts 2.2); 0 says nothing.
const SAME_FAULT_DOMAIN: u32 = 1;
const SAME_NODE: u32 = 2;
const DIFFERENT_FAULT_DOMAIN: u32 = 3;
const DIFFERENT_NODE: u32 = 4;

/// A rule.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AffinityRule {
    pub(crate) name: String,
    /// Ids of groups.
    pub(crate) groups: Vec<String>,
    pub(crate) settings: Settings,
    pub(crate) private: Settings,
}

impl AffinityRule {
    fn number(&self, name: &str, default: u32) -> u32 {
        self.settings.get(name).and_then(Setting::number).unwrap_or(default)
    }

    pub(crate) fn kind(&self) -> u32 {
        self.number("RuleType", 0)
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.number("Enabled", 1) != 0
    }

    /// It is a wish, not a demand.
    pub(crate) fn is_soft(&self) -> bool {
        self.number("SoftAntiAffinity", 0) != 0
    }
}

/// True for two types that cannot both hold for the same two groups.
fn contradict(one: u32, other: u32) -> bool {
    let is = |a, b| (one, other) == (a, b) || (other, one) == (a, b);
    is(SAME_NODE, DIFFERENT_NODE)
        || is(SAME_NODE, DIFFERENT_FAULT_DOMAIN)
        || is(SAME_FAULT_DOMAIN, DIFFERENT_FAULT_DOMAIN)
}

/// The fault domain of a node. Guess: a node without one is its own.
fn fault_domain(node: &Node) -> String {
    match node.settings.get("FaultDomainId").and_then(Setting::as_text) {
        Some(domain) if !domain.is_empty() => domain.to_lowercase(),
        _ => format!("node {}", node.id),
    }
}

impl Cluster {
    /// The rule of a name, case not regarded. Guess: 2 when there is none.
    pub(crate) fn rule(&self, name: &str) -> Result<&AffinityRule, u32> {
        self.rules
            .iter()
            .find(|rule| rule.name.eq_ignore_ascii_case(name))
            .ok_or(ERROR_FILE_NOT_FOUND)
    }

    pub(crate) fn rule_mut(&mut self, name: &str) -> Option<&mut AffinityRule> {
        self.rules.iter_mut().find(|rule| rule.name.eq_ignore_ascii_case(name))
    }

    /// Whether a rule of this kind over these groups fits the other rules: 5971 when another one says the opposite of
    /// two of them. Guess: that is what conflict means.
    pub(crate) fn check_rule(&self, name: &str, kind: u32, enabled: bool, groups: &[String]) -> Result<(), u32> {
        let conflict = self
            .rules
            .iter()
            .filter(|other| !other.name.eq_ignore_ascii_case(name) && other.is_enabled())
            .filter(|other| contradict(kind, other.kind()))
            .any(|other| groups.iter().filter(|group| other.groups.contains(group)).count() > 1);
        if enabled && conflict {
            Err(ERROR_CLUSTER_AFFINITY_CONFLICT)
        } else {
            Ok(())
        }
    }

    /// Forgets a group that is gone: rules, sets and dependencies no longer name it, and it waits no more.
    pub(crate) fn forget_group(&mut self, group: &str) {
        for rule in &mut self.rules {
            rule.groups.retain(|own| own != group);
        }
        for set in &mut self.group_sets {
            set.groups.retain(|own| own.group != group);
        }
        self.order.forget(group);
        self.waiting.remove(group);
    }

    /// The name of an enabled rule that forbids a group to run on a node, given where the other groups are now. Rules
    /// that are only wishes forbid nothing.
    pub(crate) fn forbidding_rule(&self, group: &str, node: u32) -> Option<&str> {
        let target = self.node(node)?;
        let forbids = |rule: &&AffinityRule| {
            rule.is_enabled()
                && !rule.is_soft()
                && rule.groups.iter().any(|own| own == group)
                && rule.groups.iter().filter(|own| *own != group).any(|own| {
                    let owner = self.group(own).and_then(|group| self.node(group.owner));
                    owner.is_some_and(|owner| match rule.kind() {
                        SAME_NODE => owner.id != node,
                        DIFFERENT_NODE => owner.id == node,
                        SAME_FAULT_DOMAIN => fault_domain(owner) != fault_domain(target),
                        DIFFERENT_FAULT_DOMAIN => fault_domain(owner) == fault_domain(target),
                        _ => false,
                    })
                })
        };
        self.rules.iter().find(forbids).map(|rule| rule.name.as_str())
    }
}

fn rule_event(cluster_id: &str, flag: i64, name: &str) -> Event {
    Event::new(cluster_id, notify_object::AFFINITY_RULE, flag, name, name)
}

impl World {
    /// Makes a rule without groups; 5010 for a name that is taken, 87 for an unknown type.
    pub(crate) fn add_rule(&mut self, cluster_id: &str, name: &str, kind: u32) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        if kind > DIFFERENT_NODE {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if cluster.rule(name).is_ok() {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster.rules.push(AffinityRule {
                name: name.into(),
                groups: Vec::new(),
                settings: Settings::from([("RuleType".to_owned(), Setting::Dword(kind))]),
                private: Settings::new(),
            });
        }
        // Guess: there is no event of a new rule, so its first properties are told.
        self.events
            .push(rule_event(cluster_id, notify_groupset::COMMON_PROPERTY, name));
        Ok(())
    }

    /// Deletes a rule.
    pub(crate) fn remove_rule(&mut self, cluster_id: &str, name: &str) -> Result<(), u32> {
        let name = self.serving(cluster_id)?.rule(name)?.name.clone();
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster.rules.retain(|rule| rule.name != name);
        }
        self.events
            .push(rule_event(cluster_id, notify_groupset::DELETED, &name));
        Ok(())
    }

    /// Puts a group under a rule; 5011 when it is there already, 5971 when another rule says the opposite.
    pub(crate) fn add_group_to_rule(&mut self, cluster_id: &str, name: &str, group: &str) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        cluster.group(group).ok_or(ERROR_GROUP_NOT_FOUND)?;
        let rule = cluster.rule(name)?;
        if rule.groups.iter().any(|own| own == group) {
            return Err(ERROR_OBJECT_IN_LIST);
        }
        let groups: Vec<String> = rule.groups.iter().cloned().chain([group.to_owned()]).collect();
        cluster.check_rule(name, rule.kind(), rule.is_enabled(), &groups)?;
        self.set_rule_groups(cluster_id, name, groups, notify_groupset::GROUP_ADDED);
        Ok(())
    }

    /// Takes a group out of a rule; 5013 when it is not under it.
    pub(crate) fn remove_group_from_rule(&mut self, cluster_id: &str, name: &str, group: &str) -> Result<(), u32> {
        let rule = self.serving(cluster_id)?.rule(name)?;
        let mut groups = rule.groups.clone();
        groups.retain(|own| own != group);
        if groups.len() == rule.groups.len() {
            return Err(ERROR_GROUP_NOT_FOUND);
        }
        self.set_rule_groups(cluster_id, name, groups, notify_groupset::GROUP_REMOVED);
        Ok(())
    }

    fn set_rule_groups(&mut self, cluster_id: &str, name: &str, groups: Vec<String>, flag: i64) {
        let rule = self.cluster_mut(cluster_id).and_then(|cluster| cluster.rule_mut(name));
        let Some(rule) = rule else { return };
        rule.groups = groups;
        let event = rule_event(cluster_id, flag, &rule.name);
        self.events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::cluster::Group;

    fn cluster() -> Cluster {
        let mut cluster = Cluster::new("c".into(), "c".into(), 11);
        for (id, owner) in [("a", 1), ("b", 2), ("c", 1)] {
            cluster.groups.push(Group::new(id.into(), id, 9999, owner));
        }
        cluster
    }

    fn rule(cluster: &mut Cluster, name: &str, kind: u32, groups: &[&str]) {
        cluster.rules.push(AffinityRule {
            name: name.into(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            settings: Settings::from([("RuleType".into(), Setting::Dword(kind))]),
            private: Settings::new(),
        });
    }

    #[test]
    fn opposite_rules_over_two_groups_conflict() {
        let mut cluster = cluster();
        rule(&mut cluster, "together", SAME_NODE, &["a", "b"]);
        let groups = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let check = |kind, enabled, names: &[&str]| cluster.check_rule("new", kind, enabled, &groups(names));
        assert_eq!(check(DIFFERENT_NODE, true, &["a", "b"]), Err(5971));
        assert_eq!(check(DIFFERENT_FAULT_DOMAIN, true, &["a", "c", "b"]), Err(5971));
        assert_eq!(check(DIFFERENT_NODE, false, &["a", "b"]), Ok(()));
        assert_eq!(check(DIFFERENT_NODE, true, &["a", "c"]), Ok(()));
        assert_eq!(check(SAME_NODE, true, &["a", "b"]), Ok(()));
    }
}

//! Setting properties (facts 3.2): what is checked, what is stored, and who is told.

use std::borrow::Cow;

use wsfc_clusapi::sys::constants::{
    notify_cluster, notify_group, notify_groupset, notify_network, notify_network_interface, notify_node,
    notify_object, notify_resource, notify_resource_type, resource_state,
};

use super::{Class, Found, Owner, Property, SECURITY_DESCRIPTOR, Setting, Settings};
use crate::proplist::{self, Change};
use crate::win32::{ERROR_CLUSTER_PARAMETER_MISMATCH, ERROR_INVALID_PARAMETER, ERROR_RESOURCE_PROPERTIES_STORED};
use crate::world::World;
use crate::world::access::SecurityDescriptor;
use crate::world::cluster::Cluster;
use crate::world::events::Event;

/// The longest name of a custom property. Guess: the limit of registry values.
const LONGEST_NAME: usize = 16_383;

/// A change that was found good: the canonical name and the new value, `None` for the default.
type Accepted = (String, Option<Setting>);

impl World {
    /// Sets properties from a property list; those that are missing stay. `validate` changes nothing.
    ///
    /// Either the whole list is taken or nothing. Windows promises that for networks and interfaces only (facts 3.2).
    ///
    /// # Errors
    ///
    /// 13, 122 or 87 for a bad list; 87 for a read-only property, and for an unknown one that is not private; 5895,
    /// 5913 and 5897 for bad values; 5066 and 5067 for a network's role. 5024 when private properties of an online
    /// resource were stored: they take effect when it comes online next.
    pub(crate) fn set_properties(
        &mut self,
        cluster_id: &str,
        owner: &Owner,
        class: Class,
        list: &[u8],
        validate: bool,
    ) -> Result<(), u32> {
        let changes = proplist::read(list)?;
        let cluster = self.serving(cluster_id)?;
        let found = Found::of(cluster, owner)?;
        let accepted = accept(found, class, changes)?;
        self.check_together(cluster, found, class, &accepted)?;
        if validate {
            return Ok(());
        }
        let is_online = matches!(found, Found::Resource(resource) if resource.state == resource_state::ONLINE);
        let before = self.properties(cluster, found, class);
        if let Some(settings) = self.settings_mut(cluster_id, owner, class) {
            for (name, value) in accepted {
                match value {
                    Some(value) => settings.insert(name, value),
                    None => settings.remove(&name),
                };
            }
        }
        let changed = self.tell_differences(cluster_id, owner, class, &before);
        self.follow_up(cluster_id, owner, class, &changed);
        if is_online && class == Class::Private && !changed.is_empty() {
            return Err(ERROR_RESOURCE_PROPERTIES_STORED);
        }
        Ok(())
    }

    /// Checks values against each other and against the object.
    fn check_together(
        &self,
        cluster: &Cluster,
        found: Found<'_>,
        class: Class,
        accepted: &[Accepted],
    ) -> Result<(), u32> {
        if class != Class::Common {
            return Ok(());
        }
        let number = |name: &str| {
            let new = accepted.iter().find(|(accepted, _)| accepted == name);
            match new {
                Some((_, Some(value))) => value.number(),
                Some((_, None)) => {
                    let definition = found.definitions(class).iter().find(|known| known.is(name));
                    definition.and_then(|known| known.default().number())
                }
                None => self
                    .property(cluster, found, class, name)
                    .and_then(|value| value.number()),
            }
        };
        match found {
            Found::Resource(_) if number("RetryPeriodOnFailure") < number("RestartPeriod") => {
                Err(ERROR_CLUSTER_PARAMETER_MISMATCH)
            }
            Found::Network(network) => match number("Role") {
                Some(role) if role != network.role() => cluster.check_role(network, role),
                _ => Ok(()),
            },
            Found::Rule(rule) => {
                let kind = number("RuleType").unwrap_or_default();
                let enabled = number("Enabled") != Some(0);
                cluster.check_rule(&rule.name, kind, enabled, &rule.groups)
            }
            Found::Cluster(_) => {
                let descriptor = accepted.iter().find(|(name, _)| name == SECURITY_DESCRIPTOR);
                match descriptor {
                    Some((_, Some(Setting::Binary(bytes)))) => SecurityDescriptor::read(bytes).map(|_| ()),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// What a change brings with it.
    fn follow_up(&mut self, cluster_id: &str, owner: &Owner, class: Class, changed: &[Property]) {
        let has = |name: &str| changed.iter().any(|(changed, _)| changed == name);
        if class != Class::Common {
            return;
        }
        if let Owner::GroupSet(_) = owner {
            self.start_order_changed(cluster_id);
        }
        if let Owner::Network(_) = owner {
            if has("Metric")
                && !has("AutoMetric")
                && let Some(settings) = self.settings_mut(cluster_id, owner, class)
            {
                settings.insert("AutoMetric".into(), Setting::Dword(0));
            }
            self.refresh_networks(cluster_id);
        }
        let about_votes = ["NodeWeight", "DynamicQuorum", "LowerQuorumPriorityNodeId"];
        if about_votes.into_iter().any(has)
            && let Some(mut service) = self.service(cluster_id)
        {
            service.rebalance();
        }
    }

    /// The settings of an object, to change them.
    pub(crate) fn settings_mut(&mut self, cluster_id: &str, owner: &Owner, class: Class) -> Option<&mut Settings> {
        let cluster = self.cluster_mut(cluster_id)?;
        let (common, private) = match owner {
            Owner::Cluster => (&mut cluster.settings, &mut cluster.private),
            Owner::Node(id) => cluster
                .node_mut(*id)
                .map(|node| (&mut node.settings, &mut node.private))?,
            Owner::Group(id) => cluster
                .group_mut(id)
                .map(|group| (&mut group.settings, &mut group.private))?,
            Owner::Resource(id) => cluster
                .resource_mut(id)
                .map(|resource| (&mut resource.settings, &mut resource.private))?,
            Owner::ResourceType(name) => cluster
                .resource_type_mut(name)
                .map(|kind| (&mut kind.settings, &mut kind.private))?,
            Owner::Network(id) => cluster
                .network_mut(id)
                .map(|network| (&mut network.settings, &mut network.private))?,
            Owner::Interface(id) => cluster
                .interface_mut(id)
                .map(|interface| (&mut interface.settings, &mut interface.private))?,
            Owner::GroupSet(id) => cluster
                .group_set_mut(id)
                .map(|set| (&mut set.settings, &mut set.private))?,
            Owner::Rule(name) => cluster
                .rule_mut(name)
                .map(|rule| (&mut rule.settings, &mut rule.private))?,
        };
        match class {
            Class::Common => Some(common),
            Class::Private => Some(private),
            Class::ReadOnlyCommon | Class::ReadOnlyPrivate => None,
        }
    }

    /// Emits what differs from an earlier look at the properties, and only that; nothing when nothing does. A property
    /// that is gone is not in the list of what changed.
    pub(crate) fn tell_differences(
        &mut self,
        cluster_id: &str,
        owner: &Owner,
        class: Class,
        before: &[Property],
    ) -> Vec<Property> {
        let Some(cluster) = self.cluster(cluster_id) else {
            return Vec::new();
        };
        let Ok(found) = Found::of(cluster, owner) else {
            return Vec::new();
        };
        let after = self.properties(cluster, found, class);
        let lost = before
            .iter()
            .any(|(name, _)| !after.iter().any(|(other, _)| name == other));
        let changed: Vec<Property> = after
            .into_iter()
            .filter(|property| !before.contains(property))
            .collect();
        if lost || !changed.is_empty() {
            self.tell_properties(cluster_id, owner, class, &changed);
        }
        changed
    }

    /// Tells that an object has a new name: it shows as the property "Name" (facts 4.3).
    pub(crate) fn tell_name(&mut self, cluster_id: &str, owner: &Owner, name: &str) {
        let renamed = [(Cow::Borrowed("Name"), Setting::Text(name.into()))];
        self.tell_properties(cluster_id, owner, Class::Common, &renamed);
    }

    fn tell_properties(&mut self, cluster_id: &str, owner: &Owner, class: Class, changed: &[Property]) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let Ok(found) = Found::of(cluster, owner) else { return };
        let event = property_event(cluster, found, class).with_properties(proplist::write(changed));
        self.events.push(event);
    }
}

/// The event of changed properties, without its payload.
fn property_event(cluster: &Cluster, found: Found<'_>, class: Class) -> Event {
    let id = cluster.id.as_str();
    let pick = |common: i64, private: i64| if class == Class::Private { private } else { common };
    match found {
        Found::Cluster(cluster) => {
            let flag = pick(notify_cluster::COMMON_PROPERTY, notify_cluster::PRIVATE_PROPERTY);
            Event::of_cluster(id, flag, &cluster.name)
        }
        Found::Node(node) => {
            let flag = pick(notify_node::COMMON_PROPERTY, notify_node::PRIVATE_PROPERTY);
            Event::of_node(id, flag, node)
        }
        Found::Group(group) => {
            let flag = pick(notify_group::COMMON_PROPERTY, notify_group::PRIVATE_PROPERTY);
            Event::of_group(id, flag, group)
        }
        Found::Resource(resource) => {
            let flag = pick(notify_resource::COMMON_PROPERTY, notify_resource::PRIVATE_PROPERTY);
            Event {
                flag,
                ..Event::resource_properties(id, resource)
            }
        }
        Found::ResourceType(kind) => {
            let flag = pick(
                notify_resource_type::COMMON_PROPERTY,
                notify_resource_type::PRIVATE_PROPERTY,
            );
            Event::new(id, notify_object::RESOURCE_TYPE, flag, &kind.name, &kind.name)
        }
        Found::Network(network) => {
            let flag = pick(notify_network::COMMON_PROPERTY, notify_network::PRIVATE_PROPERTY);
            Event::new(id, notify_object::NETWORK, flag, &network.id, &network.name)
        }
        Found::Interface(_, interface) => {
            let flag = pick(
                notify_network_interface::COMMON_PROPERTY,
                notify_network_interface::PRIVATE_PROPERTY,
            );
            Event::new(
                id,
                notify_object::NETWORK_INTERFACE,
                flag,
                &interface.id,
                &interface.name,
            )
        }
        Found::GroupSet(set) => {
            let flag = pick(notify_groupset::COMMON_PROPERTY, notify_groupset::PRIVATE_PROPERTY);
            Event::new(id, notify_object::GROUPSET, flag, &set.id, &set.name)
        }
        Found::Rule(rule) => {
            // Guess: the flags of rules are those of group sets.
            let flag = pick(notify_groupset::COMMON_PROPERTY, notify_groupset::PRIVATE_PROPERTY);
            Event::new(id, notify_object::AFFINITY_RULE, flag, &rule.name, &rule.name)
        }
    }
}

/// Checks each change by itself.
fn accept(found: Found<'_>, class: Class, changes: Vec<Change>) -> Result<Vec<Accepted>, u32> {
    let read_only = match class {
        Class::Common => Class::ReadOnlyCommon,
        Class::Private => Class::ReadOnlyPrivate,
        Class::ReadOnlyCommon | Class::ReadOnlyPrivate => return Err(ERROR_INVALID_PARAMETER),
    };
    let known = found.definitions(class);
    let mut accepted: Vec<Accepted> = Vec::new();
    for change in changes {
        let entry = if let Some(definition) = known.iter().find(|known| known.is(&change.name)) {
            (definition.name.to_owned(), definition.accept(change)?)
        } else if class == Class::Private
            && !found.definitions(read_only).iter().any(|known| known.is(&change.name))
            && change.name.len() <= LONGEST_NAME
        {
            // A custom property keeps the spelling that it was made with.
            let settings = found.settings(class).into_iter().flatten();
            let existing = settings
                .map(|(name, _)| name)
                .find(|name| name.eq_ignore_ascii_case(&change.name));
            (existing.cloned().unwrap_or(change.name), change.value)
        } else {
            return Err(ERROR_INVALID_PARAMETER);
        };
        // Of several values of one property the last counts.
        accepted.retain(|(name, _)| !name.eq_ignore_ascii_case(&entry.0));
        accepted.push(entry);
    }
    Ok(accepted)
}

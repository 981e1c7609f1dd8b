//! Group sets, availability sets, and the order in which groups and sets start (facts 2.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{notify_groupset, notify_object};

use super::World;
use super::cluster::Cluster;
use super::events::Event;
use super::properties::{Owner, Settings};
use super::resource::dependency::Expression;
use crate::win32::{
    ERROR_CIRCULAR_DEPENDENCY, ERROR_DEPENDENCY_ALREADY_EXISTS, ERROR_DEPENDENCY_NOT_FOUND, ERROR_GROUP_NOT_FOUND,
    ERROR_GROUPSET_CANT_PROVIDE, ERROR_GROUPSET_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_OBJECT_ALREADY_EXISTS,
    ERROR_OBJECT_IN_LIST, ERROR_RESOURCE_NOT_FOUND,
};

/// A set of groups.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GroupSet {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) groups: Vec<Member>,
    /// It is an availability set.
    pub(crate) availability: Option<Availability>,
    pub(crate) settings: Settings,
    pub(crate) private: Settings,
    /// That it is ready for those that wait for it, as it was told last.
    #[serde(default = "GroupSet::ready_at_first")]
    pub(crate) told_ready: bool,
}

impl GroupSet {
    /// Without groups it keeps nobody waiting.
    fn ready_at_first() -> bool {
        true
    }
}

/// A group in a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The id of the group.
    pub(crate) group: String,
    /// Fault domain and update domain, when they were given.
    pub(crate) domains: Option<(u32, u32)>,
}

/// CLUSTER_AVAILABILITY_SET_CONFIG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Availability {
    pub(crate) update_domains: u32,
    pub(crate) fault_domains: u32,
    pub(crate) spare_node: bool,
}

impl Availability {
    /// The domains of a node as text. Guess: nodes go round the domains by their numbers.
    pub(crate) fn domains_of(&self, node: &str, id: u32) -> String {
        let place = id.saturating_sub(1);
        let update = place % self.update_domains.max(1);
        let fault = place % self.fault_domains.max(1);
        format!("{node}:{fault}:{update}")
    }
}

/// What something waits for: which groups and sets, each by id, a dependent group or set has as providers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct StartOrder(BTreeMap<String, Vec<Provider>>);

/// What a group or a set can depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provider {
    Group(String),
    Set(String),
}

impl Provider {
    fn id(&self) -> &str {
        match self {
            Self::Group(id) | Self::Set(id) => id,
        }
    }
}

impl StartOrder {
    /// What a group or a set depends on.
    pub(crate) fn providers(&self, dependent: &str) -> &[Provider] {
        self.0.get(dependent).map_or(&[], Vec::as_slice)
    }

    /// The ids of the groups and sets that depend on something.
    pub(crate) fn dependents(&self, provider: &str) -> Vec<&str> {
        let depends = |providers: &Vec<Provider>| providers.iter().any(|own| own.id() == provider);
        let dependents = self.0.iter().filter(|(_, providers)| depends(providers));
        dependents.map(|(dependent, _)| dependent.as_str()).collect()
    }

    /// True when something waits, directly or not, for something else.
    fn reaches(&self, from: &str, to: &str) -> bool {
        let mut open = vec![from];
        let mut seen = Vec::new();
        while let Some(next) = open.pop() {
            if next == to {
                return true;
            }
            if !seen.contains(&next) {
                seen.push(next);
                open.extend(self.providers(next).iter().map(Provider::id));
            }
        }
        false
    }

    /// 87 for itself, 5003 for one that is there, 1059 for a circle (facts 2.5).
    fn check(&self, dependent: &str, provider: &Provider) -> Result<(), u32> {
        if provider.id() == dependent {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if self.providers(dependent).contains(provider) {
            return Err(ERROR_DEPENDENCY_ALREADY_EXISTS);
        }
        if self.reaches(provider.id(), dependent) {
            return Err(ERROR_CIRCULAR_DEPENDENCY);
        }
        Ok(())
    }

    /// Forgets a group or set that is gone.
    pub(crate) fn forget(&mut self, id: &str) {
        self.0.remove(id);
        for providers in self.0.values_mut() {
            providers.retain(|own| own.id() != id);
        }
        self.0.retain(|_, providers| !providers.is_empty());
    }
}

impl Cluster {
    /// The set of an id; 5992 when there is none.
    pub(crate) fn group_set(&self, id: &str) -> Result<&GroupSet, u32> {
        self.group_sets
            .iter()
            .find(|set| set.id == id)
            .ok_or(ERROR_GROUPSET_NOT_FOUND)
    }

    pub(crate) fn group_set_mut(&mut self, id: &str) -> Option<&mut GroupSet> {
        self.group_sets.iter_mut().find(|set| set.id == id)
    }

    /// The set of a name or id, case not regarded; 5992.
    pub(crate) fn find_group_set(&self, name: &str) -> Result<&GroupSet, u32> {
        self.group_sets
            .iter()
            .find(|set| set.name.eq_ignore_ascii_case(name) || set.id.eq_ignore_ascii_case(name))
            .ok_or(ERROR_GROUPSET_NOT_FOUND)
    }

    /// The set that a group is in.
    pub(crate) fn set_of_group(&self, group: &str) -> Option<&GroupSet> {
        self.group_sets
            .iter()
            .find(|set| set.groups.iter().any(|own| own.group == group))
    }

    /// The names of providers, groups or sets, of a group or set.
    pub(crate) fn provider_names(&self, dependent: &str, sets: bool) -> Vec<String> {
        let providers = self.order.providers(dependent).iter();
        providers
            .filter_map(|provider| match provider {
                Provider::Group(id) if !sets => self.group(id).map(|group| group.name.clone()),
                Provider::Set(id) if sets => self.group_set(id).ok().map(|set| set.name.clone()),
                _ => None,
            })
            .collect()
    }
}

/// Who gains or loses a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dependent {
    Group(String),
    Set(String),
}

impl Dependent {
    fn id(&self) -> &str {
        match self {
            Self::Group(id) | Self::Set(id) => id,
        }
    }
}

pub(super) fn set_event(cluster_id: &str, flag: i64, set: &GroupSet) -> Event {
    Event::new(cluster_id, notify_object::GROUPSET, flag, &set.id, &set.name)
}

impl World {
    /// Makes a set without groups; its id. 5010 for a name that is taken.
    pub(crate) fn add_group_set(
        &mut self,
        cluster_id: &str,
        name: &str,
        availability: Option<Availability>,
    ) -> Result<String, u32> {
        let cluster = self.serving(cluster_id)?;
        if cluster.find_group_set(name).is_ok() {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        let set = GroupSet {
            id: self.identities.guid(),
            name: name.into(),
            groups: Vec::new(),
            availability,
            settings: Settings::new(),
            private: Settings::new(),
            told_ready: GroupSet::ready_at_first(),
        };
        let id = set.id.clone();
        // Guess: there is no event of a new set, so its name is told as a property.
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster.group_sets.push(set);
        }
        self.tell_name(cluster_id, &Owner::GroupSet(id.clone()), name);
        Ok(id)
    }

    /// Deletes a set; its groups stay. Guess: 5993 while something depends on it.
    pub(crate) fn remove_group_set(&mut self, cluster_id: &str, id: &str) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        let set = cluster.group_set(id)?;
        if !cluster.order.dependents(id).is_empty() {
            return Err(ERROR_GROUPSET_CANT_PROVIDE);
        }
        let event = set_event(cluster_id, notify_groupset::DELETED, set);
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster.group_sets.retain(|set| set.id != id);
            cluster.order.forget(id);
        }
        self.events.push(event);
        self.start_order_changed(cluster_id);
        Ok(())
    }

    /// Puts a group into a set. A group is in one set at most: 5011 (guess). Domains out of the set's range are 87.
    pub(crate) fn add_group_to_set(
        &mut self,
        cluster_id: &str,
        set: &str,
        group: &str,
        domains: Option<(u32, u32)>,
    ) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        cluster.group(group).ok_or(ERROR_GROUP_NOT_FOUND)?;
        let found = cluster.group_set(set)?;
        if cluster.set_of_group(group).is_some() {
            return Err(ERROR_OBJECT_IN_LIST);
        }
        if let (Some((fault, update)), Some(config)) = (domains, found.availability)
            && (fault >= config.fault_domains || update >= config.update_domains)
        {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if cluster.order.reaches(set, group) || cluster.order.reaches(group, set) {
            return Err(ERROR_CIRCULAR_DEPENDENCY);
        }
        let member = Member {
            group: group.into(),
            domains,
        };
        self.change_set(cluster_id, set, notify_groupset::GROUP_ADDED, group, |set| {
            set.groups.push(member);
        });
        Ok(())
    }

    /// Takes a group out of its set; 5992 when it is in none. Guess: 5993 when something depends on the set and this is
    /// its last group.
    pub(crate) fn remove_group_from_set(&mut self, cluster_id: &str, group: &str) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        cluster.group(group).ok_or(ERROR_GROUP_NOT_FOUND)?;
        let set = cluster.set_of_group(group).ok_or(ERROR_GROUPSET_NOT_FOUND)?;
        if set.groups.len() == 1 && !cluster.order.dependents(&set.id).is_empty() {
            return Err(ERROR_GROUPSET_CANT_PROVIDE);
        }
        let id = set.id.clone();
        self.change_set(cluster_id, &id, notify_groupset::GROUP_REMOVED, group, |set| {
            set.groups.retain(|own| own.group != group);
        });
        Ok(())
    }

    /// Changes the groups of a set and tells; the group's id is the payload (guess: as a group tells its resources).
    fn change_set(&mut self, cluster_id: &str, set: &str, flag: i64, group: &str, change: impl FnOnce(&mut GroupSet)) {
        let found = self
            .cluster_mut(cluster_id)
            .and_then(|cluster| cluster.group_set_mut(set));
        let Some(found) = found else { return };
        change(found);
        let event = set_event(cluster_id, flag, found).with_properties(crate::proplist::text(group));
        self.events.push(event);
        self.start_order_changed(cluster_id);
    }

    /// Makes a group or set wait for another one.
    pub(crate) fn add_provider(
        &mut self,
        cluster_id: &str,
        dependent: &Dependent,
        provider: Provider,
    ) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        check_exists(cluster, dependent)?;
        check_provider(cluster, dependent, &provider)?;
        cluster.order.check(dependent.id(), &provider)?;
        let mut providers = cluster.order.providers(dependent.id()).to_vec();
        let changed = provider.clone();
        providers.push(provider);
        self.set_providers(cluster_id, dependent, providers);
        self.tell_dependents(cluster_id, &changed);
        Ok(())
    }

    /// Ends that; 5002 when it was not so.
    pub(crate) fn remove_provider(
        &mut self,
        cluster_id: &str,
        dependent: &Dependent,
        provider: &Provider,
    ) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        check_exists(cluster, dependent)?;
        let mut providers = cluster.order.providers(dependent.id()).to_vec();
        let before = providers.len();
        providers.retain(|own| own != provider);
        if providers.len() == before {
            return Err(ERROR_DEPENDENCY_NOT_FOUND);
        }
        self.set_providers(cluster_id, dependent, providers);
        self.tell_dependents(cluster_id, provider);
        Ok(())
    }

    /// Sets all providers by an expression such as `[A] and [B]`, names or ids of groups and sets; an empty one ends
    /// all. Guess: providers can only be joined by `and`: an `or` is 87.
    pub(crate) fn set_provider_expression(
        &mut self,
        cluster_id: &str,
        dependent: &Dependent,
        expression: &str,
    ) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        check_exists(cluster, dependent)?;
        let of_sets = matches!(dependent, Dependent::Set(_));
        let id_of = |name: &str| {
            let group = cluster.groups.find(name).map(|group| group.id.clone());
            let set = cluster.find_group_set(name).ok().map(|set| set.id.clone());
            if of_sets { set } else { group.or(set) }
        };
        let missing = if of_sets {
            ERROR_GROUPSET_NOT_FOUND
        } else {
            ERROR_GROUP_NOT_FOUND
        };
        let parsed = Expression::parse(expression, id_of).map_err(|code| match code {
            ERROR_RESOURCE_NOT_FOUND => missing,
            code => code,
        })?;
        if parsed.as_ref().is_some_and(has_any) {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let ids: Vec<&str> = parsed.as_ref().map(Expression::providers).unwrap_or_default();
        let providers: Vec<Provider> = ids
            .into_iter()
            .map(|id| match cluster.group(id) {
                Some(_) => Provider::Group(id.into()),
                None => Provider::Set(id.into()),
            })
            .collect();
        for provider in &providers {
            check_provider(cluster, dependent, provider)?;
            if !cluster.order.providers(dependent.id()).contains(provider) {
                cluster.order.check(dependent.id(), provider)?;
            }
        }
        let touched = cluster.order.providers(dependent.id()).to_vec();
        self.set_providers(cluster_id, dependent, providers.clone());
        for provider in touched.iter().filter(|own| !providers.contains(own)) {
            self.tell_dependents(cluster_id, provider);
        }
        for provider in providers.iter().filter(|own| !touched.contains(own)) {
            self.tell_dependents(cluster_id, provider);
        }
        Ok(())
    }

    fn set_providers(&mut self, cluster_id: &str, dependent: &Dependent, providers: Vec<Provider>) {
        let Some(cluster) = self.cluster_mut(cluster_id) else {
            return;
        };
        if providers.is_empty() {
            cluster.order.0.remove(dependent.id());
        } else {
            cluster.order.0.insert(dependent.id().into(), providers);
        }
        if let Dependent::Set(id) = dependent {
            let event = cluster
                .group_set(id)
                .ok()
                .map(|set| set_event(cluster_id, notify_groupset::DEPENDENCIES, set));
            self.events.extend(event);
        }
        self.start_order_changed(cluster_id);
    }

    /// What waits may have to wait no more.
    pub(crate) fn start_order_changed(&mut self, cluster_id: &str) {
        if let Some(mut service) = self.service(cluster_id) {
            service.start_order_changed();
        }
    }

    fn tell_dependents(&mut self, cluster_id: &str, provider: &Provider) {
        let Provider::Set(id) = provider else { return };
        let set = self.cluster(cluster_id).and_then(|cluster| cluster.group_set(id).ok());
        let event = set.map(|set| set_event(cluster_id, notify_groupset::DEPENDENTS, set));
        self.events.extend(event);
    }
}

fn has_any(expression: &Expression) -> bool {
    match expression {
        Expression::Resource(_) => false,
        Expression::Any(_) => true,
        Expression::All(parts) => parts.iter().any(has_any),
    }
}

fn check_exists(cluster: &Cluster, dependent: &Dependent) -> Result<(), u32> {
    match dependent {
        Dependent::Group(id) => cluster.group(id).map(|_| ()).ok_or(ERROR_GROUP_NOT_FOUND),
        Dependent::Set(id) => cluster.group_set(id).map(|_| ()),
    }
}

/// A set waits for sets only, and a group not for its own set.
fn check_provider(cluster: &Cluster, dependent: &Dependent, provider: &Provider) -> Result<(), u32> {
    match (dependent, provider) {
        (Dependent::Set(_), Provider::Group(_)) => Err(ERROR_INVALID_PARAMETER),
        (_, Provider::Group(id)) => cluster.group(id).map(|_| ()).ok_or(ERROR_GROUP_NOT_FOUND),
        (Dependent::Group(group), Provider::Set(id)) => {
            let set = cluster.group_set(id)?;
            if set.groups.iter().any(|own| own.group == *group) {
                Err(ERROR_CIRCULAR_DEPENDENCY)
            } else {
                Ok(())
            }
        }
        (Dependent::Set(_), Provider::Set(id)) => cluster.group_set(id).map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str) -> Provider {
        Provider::Group(id.into())
    }

    #[test]
    fn circles_are_found_over_several_steps() {
        let mut order = StartOrder::default();
        order.0.insert("a".into(), vec![group("b")]);
        order.0.insert("b".into(), vec![group("c")]);
        assert_eq!(order.check("c", &group("a")), Err(1059));
        assert_eq!(order.check("a", &group("a")), Err(87));
        assert_eq!(order.check("a", &group("b")), Err(5003));
        assert_eq!(order.check("a", &group("c")), Ok(()));
        assert_eq!(order.dependents("c"), ["b"]);
        order.forget("b");
        assert_eq!(order.check("c", &group("a")), Ok(()));
    }
}

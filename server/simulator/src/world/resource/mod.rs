//! Resources (facts 2.5): making and deleting them, and what may be asked of them.

pub(crate) mod dependency;
pub(crate) mod hosted;
pub(crate) mod running;

use std::collections::BTreeSet;

use wsfc_clusapi::sys::constants::{
    group_type, node_state, notify_group, notify_resource, resource_offline_flags, resource_online_flags,
    resource_state,
};

use super::World;
use super::cluster::{Cluster, Group, Resource};
use super::events::Event;
use super::properties::Setting;
use super::resource_type::{DELETE_REQUIRES_ALL_NODES, SINGLE_CLUSTER_INSTANCE, SINGLE_GROUP_INSTANCE, has_required};
use super::service::{ClusterService, PERSISTENT_STATE};
use super::shared_volume::PHYSICAL_DISK;
use crate::win32::{
    ERROR_ALL_NODES_NOT_AVAILABLE, ERROR_CIRCULAR_DEPENDENCY, ERROR_CLUSTER_GROUP_MOVING,
    ERROR_CLUSTER_GROUP_SINGLETON_RESOURCE, ERROR_CLUSTER_MAXNUM_OF_RESOURCES_EXCEEDED, ERROR_CLUSTER_NODE_NOT_FOUND,
    ERROR_CLUSTER_RESOURCE_IS_IN_MAINTENANCE_MODE, ERROR_CLUSTER_RESOURCE_LOCKED_STATUS,
    ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, ERROR_CLUSTER_RESTYPE_NOT_SUPPORTED, ERROR_CLUSTER_SINGLETON_RESOURCE,
    ERROR_CLUSTER_USE_SHARED_VOLUMES_API, ERROR_CORE_RESOURCE, ERROR_DEPENDENCY_ALREADY_EXISTS,
    ERROR_DEPENDENCY_NOT_ALLOWED, ERROR_DEPENDENCY_NOT_FOUND, ERROR_DEPENDENCY_TREE_TOO_COMPLEX,
    ERROR_DEPENDENT_RESOURCE_EXISTS, ERROR_GROUP_NOT_FOUND, ERROR_HOST_NODE_NOT_GROUP_OWNER,
    ERROR_HOST_NODE_NOT_RESOURCE_OWNER, ERROR_INVALID_PARAMETER, ERROR_NODE_CANT_HOST_RESOURCE,
    ERROR_OBJECT_ALREADY_EXISTS, ERROR_OBJECT_IN_LIST, ERROR_QUORUM_RESOURCE, ERROR_RESMON_INVALID_STATE,
    ERROR_RESOURCE_FAILED, ERROR_RESOURCE_NOT_FOUND, ERROR_RESOURCE_ONLINE, ERROR_SHARING_PAUSED,
};
use dependency::{DEEPEST, Expression};
use running::can_own;

impl World {
    /// Makes a resource; its id (facts 2.5). Guess: the order of the checks.
    pub(crate) fn create_resource(
        &mut self,
        cluster_id: &str,
        group_id: &str,
        name: &str,
        kind: &str,
        separate_monitor: bool,
    ) -> Result<String, u32> {
        let cluster = self.serving(cluster_id)?;
        let group = cluster.groups.get(group_id).ok_or(ERROR_GROUP_NOT_FOUND)?;
        let found = cluster
            .resource_type(kind)
            .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
        let (kind, owners) = (found.name.clone(), found.nodes.clone());
        if !found.is_supported(group.owner) {
            return Err(ERROR_CLUSTER_RESTYPE_NOT_SUPPORTED);
        }
        if cluster.resources.named(name).is_some() {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        cluster.check_singleton(&kind, group, true)?;
        if cluster.resources.len() >= self.resource_limit {
            return Err(ERROR_CLUSTER_MAXNUM_OF_RESOURCES_EXCEEDED);
        }
        let id = self.identities.guid();
        let mut resource = Resource::new(id.clone(), name.into(), &kind);
        resource.possible_owners = owners;
        resource.settings.insert(PERSISTENT_STATE.into(), Setting::Dword(0));
        if separate_monitor {
            resource.settings.insert("SeparateMonitor".into(), Setting::Dword(1));
        }
        let service = self.serving_service(cluster_id)?;
        service.cluster.add_resource(group_id, resource);
        if let Some(group) = service.cluster.groups.get(group_id) {
            let flag = notify_group::RESOURCE_ADDED;
            let event = Event::resource_in_group(cluster_id, flag, group, &id);
            service.events.push(event);
        }
        let mut service = service;
        service.tell_group(group_id);
        Ok(id)
    }
}

impl Cluster {
    /// Whether a resource of a type may come into a group: 5940 when there is one and may be one in the cluster only, 5941
    /// when there may be one in a group only (facts 2.5 and 5.2). `new` is one that the cluster does not have yet.
    fn check_singleton(&self, kind: &str, group: &Group, new: bool) -> Result<(), u32> {
        let characteristics = self.characteristics(kind);
        let same = |resource: &Resource| resource.kind.eq_ignore_ascii_case(kind);
        if new && characteristics & SINGLE_CLUSTER_INSTANCE != 0 && self.resources.iter().any(same) {
            return Err(ERROR_CLUSTER_SINGLETON_RESOURCE);
        }
        if characteristics & SINGLE_GROUP_INSTANCE != 0 && self.resources_of(group).any(same) {
            return Err(ERROR_CLUSTER_GROUP_SINGLETON_RESOURCE);
        }
        Ok(())
    }

    /// 5037 for a resource that is deleted only while all nodes are there, which its type says (facts 2.5 and 5.2).
    pub(crate) fn check_all_nodes(&self, resource: &Resource) -> Result<(), u32> {
        let needs_all = self.characteristics(&resource.kind) & DELETE_REQUIRES_ALL_NODES != 0;
        if needs_all && self.nodes.iter().any(|node| !node.present) {
            Err(ERROR_ALL_NODES_NOT_AVAILABLE)
        } else {
            Ok(())
        }
    }
}

impl ClusterService<'_> {
    fn resource(&self, id: &str) -> Result<&Resource, u32> {
        self.cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)
    }

    /// True for the witness.
    fn is_quorum(&self, id: &str) -> bool {
        self.cluster.quorum.witness.as_deref() == Some(id)
    }

    /// True for the name and the addresses of the cluster. Guess: other resources in the core group may go.
    fn is_core(&self, resource: &Resource) -> bool {
        self.cluster
            .core_group()
            .is_some_and(|group| group.id == resource.group)
            && (super::cluster::is_network_name(&resource.kind) || resource.address.is_some())
    }

    /// Deletes a resource (facts 2.5).
    pub(crate) fn delete_resource(&mut self, id: &str) -> Result<(), u32> {
        let resource = self.resource(id)?;
        if self.is_quorum(id) {
            return Err(ERROR_QUORUM_RESOURCE);
        }
        if self.is_core(resource) {
            return Err(ERROR_CORE_RESOURCE);
        }
        if !matches!(resource.state, resource_state::OFFLINE | resource_state::FAILED) {
            return Err(ERROR_RESOURCE_ONLINE);
        }
        if !self.dependents(id).is_empty() {
            return Err(ERROR_DEPENDENT_RESOURCE_EXISTS);
        }
        self.cluster.check_all_nodes(resource)?;
        self.drop_resource(id);
        Ok(())
    }

    /// Takes a resource away and tells so.
    pub(crate) fn drop_resource(&mut self, id: &str) {
        let Some(resource) = self.cluster.remove_resource(id) else {
            return;
        };
        self.hosting.stale = true;
        let event = Event::resource_deleted(&self.cluster.id, &resource);
        self.tell(event);
        self.tell_in_group(notify_group::RESOURCE_LOST, &resource.group, id);
        self.tell_group(&resource.group);
    }

    fn tell_in_group(&mut self, flag: i64, group_id: &str, resource_id: &str) {
        if let Some(group) = self.cluster.groups.get(group_id) {
            let event = Event::resource_in_group(&self.cluster.id, flag, group, resource_id);
            self.tell(event);
        }
    }

    fn tell_resource(&mut self, flag: i64, id: &str) {
        if let Some(resource) = self.cluster.resources.get(id) {
            let event = Event::of_resource(&self.cluster.id, flag, resource);
            self.tell(event);
        }
    }

    /// Gives a resource another name; 5010 for one that is taken.
    pub(crate) fn rename_resource(&mut self, id: &str, name: &str) -> Result<(), u32> {
        self.resource(id)?;
        if self.cluster.resources.named(name).is_some_and(|other| other.id != id) {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        self.cluster.resources.rename(id, name);
        if let Some(resource) = self.cluster.resources.get(id) {
            let event = Event::resource_properties(&self.cluster.id, resource).with_name(name);
            self.tell(event);
        }
        Ok(())
    }

    /// True when a resource, or what it depends on, lacks a provider that its type requires (facts 2.5). The cluster's own
    /// name and addresses lack nothing.
    pub(crate) fn lacks_provider(&self, id: &str) -> bool {
        let mut todo = vec![id.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            let providers = self.providers(&id);
            if let Some(resource) = self.cluster.resources.get(&id)
                && seen.insert(id)
            {
                let found = providers.iter().filter_map(|id| self.cluster.resources.get(id));
                let kinds: Vec<&str> = found.map(|provider| provider.kind.as_str()).collect();
                if !self.is_core(resource) && !has_required(&resource.kind, &kinds) {
                    return true;
                }
                todo.extend(providers);
            }
        }
        false
    }

    /// Brings a resource online, its providers first (facts 2.5). Guess: 5002 when it lacks a provider.
    pub(crate) fn online_resource(&mut self, id: &str, flags: u32) -> Result<(), u32> {
        let (group, resource) = self.cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        if resource.locked && flags & resource_online_flags::IGNORE_RESOURCE_STATUS == 0 {
            return Err(ERROR_CLUSTER_RESOURCE_LOCKED_STATUS);
        }
        if group.moving.is_some() {
            return Err(ERROR_CLUSTER_GROUP_MOVING);
        }
        let (group_id, owner) = (group.id.clone(), group.owner);
        let mut move_to = None;
        if !self.can_run_here(group, resource) {
            let paused = self
                .cluster
                .node(owner)
                .is_some_and(|node| node.state == node_state::PAUSED);
            move_to = (flags & resource_online_flags::BEST_POSSIBLE_NODE != 0)
                .then(|| self.best_owner(&group_id, &[owner]))
                .flatten();
            if move_to.is_none() {
                return Err(if paused {
                    ERROR_SHARING_PAUSED
                } else {
                    ERROR_NODE_CANT_HOST_RESOURCE
                });
            }
        }
        if self.lacks_provider(id) {
            return Err(ERROR_DEPENDENCY_NOT_FOUND);
        }
        self.end_waiting(&group_id);
        let persist = flags & resource_online_flags::DO_NOT_UPDATE_PERSISTENT_STATE == 0;
        self.want_online(id, persist);
        if persist {
            self.persist_group(&group_id, true);
        }
        match move_to {
            Some(to) => self.start_move(&group_id, to, false, false),
            None => self.pursue(&group_id),
        }
        Ok(())
    }

    /// Takes a resource offline, its dependents first (facts 2.5). The witness stays (5020).
    pub(crate) fn offline_resource(&mut self, id: &str, flags: u32) -> Result<(), u32> {
        let (group, resource) = self.cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        if resource.locked && flags & resource_online_flags::IGNORE_RESOURCE_STATUS == 0 {
            return Err(ERROR_CLUSTER_RESOURCE_LOCKED_STATUS);
        }
        if group.moving.is_some() {
            return Err(ERROR_CLUSTER_GROUP_MOVING);
        }
        if self.is_quorum(id) {
            return Err(ERROR_QUORUM_RESOURCE);
        }
        let group_id = group.id.clone();
        self.want_offline(id, flags & resource_offline_flags::DO_NOT_UPDATE_PERSISTENT_STATE == 0);
        if flags & resource_offline_flags::FORCE_WITH_TERMINATION != 0 {
            self.terminate(id);
        }
        self.pursue(&group_id);
        Ok(())
    }

    /// Ends a resource and all that depends on it without a pending state.
    fn terminate(&mut self, id: &str) {
        let mut ids = vec![id.to_owned()];
        let mut position = 0;
        while let Some(id) = ids.get(position).cloned() {
            for dependent in self.dependents(&id) {
                if !ids.contains(&dependent) {
                    ids.push(dependent);
                }
            }
            position += 1;
        }
        for id in ids.iter().rev() {
            self.set_resource_state(id, resource_state::OFFLINE);
        }
    }

    /// Takes a resource offline and brings it online again, with all that depends on it. What is offline comes online.
    pub(crate) fn restart_resource(&mut self, id: &str, flags: u32) -> Result<(), u32> {
        let resource = self.resource(id)?;
        if resource.state != resource_state::ONLINE {
            return self.online_resource(id, flags & resource_online_flags::IGNORE_RESOURCE_STATUS);
        }
        let (group, resource) = self.cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        if resource.locked && flags & resource_online_flags::IGNORE_RESOURCE_STATUS == 0 {
            return Err(ERROR_CLUSTER_RESOURCE_LOCKED_STATUS);
        }
        if group.moving.is_some() {
            return Err(ERROR_CLUSTER_GROUP_MOVING);
        }
        let group_id = group.id.clone();
        if let Some(resource) = self.cluster.resources.get_mut(id) {
            resource.restarting = true;
        }
        self.pursue(&group_id);
        Ok(())
    }

    /// FailClusterResource: an online resource fails; 5084 in any other state (facts 2.5). What is in maintenance mode
    /// is not looked at, so it cannot fail (5970, guess).
    pub(crate) fn fail_resource(&mut self, id: &str) -> Result<(), u32> {
        let resource = self.resource(id)?;
        if resource.state != resource_state::ONLINE {
            return Err(ERROR_RESMON_INVALID_STATE);
        }
        if resource.maintenance {
            return Err(ERROR_CLUSTER_RESOURCE_IS_IN_MAINTENANCE_MODE);
        }
        let group_id = resource.group.clone();
        self.fail(id, ERROR_RESOURCE_FAILED);
        self.pursue(&group_id);
        Ok(())
    }

    /// Turns maintenance mode on or off.
    pub(crate) fn set_maintenance(&mut self, id: &str, on: bool) -> Result<(), u32> {
        self.resource(id)?;
        if let Some(resource) = self.cluster.resources.get_mut(id)
            && resource.maintenance != on
        {
            resource.maintenance = on;
            let event = Event::resource_properties(&self.cluster.id, resource);
            self.tell(event);
        }
        Ok(())
    }

    /// Moves a resource with its whole dependency tree to another group of the same owner (facts 2.5).
    pub(crate) fn change_group(&mut self, id: &str, to: &str) -> Result<(), u32> {
        let (group, _) = self.cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        let target = self.cluster.groups.get(to).ok_or(ERROR_GROUP_NOT_FOUND)?;
        let from = group.id.clone();
        if from == to {
            return Ok(());
        }
        if group.owner != target.owner {
            return Err(ERROR_HOST_NODE_NOT_GROUP_OWNER);
        }
        if group.moving.is_some() || target.moving.is_some() {
            return Err(ERROR_CLUSTER_GROUP_MOVING);
        }
        let tree = self.tree(id);
        if tree.iter().any(|id| self.is_quorum(id)) {
            return Err(ERROR_QUORUM_RESOURCE);
        }
        let core = |id: &String| self.resource(id).is_ok_and(|resource| self.is_core(resource));
        if tree.iter().any(core) {
            return Err(ERROR_CORE_RESOURCE);
        }
        // Disks become shared volumes, and disks again, by calls of their own.
        let is_disk = |id: &String| self.resource(id).is_ok_and(|resource| resource.kind == PHYSICAL_DISK);
        let into_volume = target.group_type == group_type::SHARED_VOLUME && tree.iter().any(is_disk);
        if into_volume || tree.iter().any(|id| self.cluster.volume(id).is_some()) {
            return Err(ERROR_CLUSTER_USE_SHARED_VOLUMES_API);
        }
        for id in &tree {
            self.cluster.check_singleton(&self.resource(id)?.kind, target, false)?;
        }
        for id in tree {
            let Some(resource) = self.cluster.remove_resource(&id) else {
                continue;
            };
            self.cluster.add_resource(to, resource);
            self.tell_in_group(notify_group::RESOURCE_LOST, &from, &id);
            self.tell_in_group(notify_group::RESOURCE_GAINED, to, &id);
            self.tell_resource(notify_resource::OWNER_GROUP, &id);
        }
        // What runs already has not waited.
        self.end_waiting(to);
        self.pursue(&from);
        self.pursue(to);
        Ok(())
    }

    /// All that is connected with a resource by dependencies, in the group's order.
    fn tree(&self, id: &str) -> Vec<String> {
        let mut connected = BTreeSet::from([id.to_owned()]);
        let mut todo = vec![id.to_owned()];
        while let Some(id) = todo.pop() {
            let providers = self.providers(&id);
            for next in providers.into_iter().chain(self.dependents(&id)) {
                if connected.insert(next.clone()) {
                    todo.push(next);
                }
            }
        }
        let group = self.cluster.resource(id).map(|(group, _)| group);
        group
            .map(|group| {
                group
                    .resources
                    .iter()
                    .filter(|id| connected.contains(*id))
                    .cloned()
                    .collect()
            })
            .unwrap_or_default()
    }

    /// The ids of what a resource depends on directly.
    pub(crate) fn providers(&self, id: &str) -> Vec<String> {
        let depends = self
            .cluster
            .resources
            .get(id)
            .and_then(|resource| resource.depends.as_ref());
        depends
            .map(|depends| depends.providers().into_iter().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    /// Adds a provider (facts 2.5).
    pub(crate) fn add_dependency(&mut self, id: &str, provider: &str) -> Result<(), u32> {
        if self.providers(id).iter().any(|own| own == provider) {
            return Err(ERROR_DEPENDENCY_ALREADY_EXISTS);
        }
        let expression = Expression::and(self.resource(id)?.depends.clone(), provider);
        self.set_dependencies(id, Some(expression))
    }

    /// Takes a provider away; 5002 when there is no such dependency.
    pub(crate) fn remove_dependency(&mut self, id: &str, provider: &str) -> Result<(), u32> {
        self.resource(provider)?;
        let resource = self.resource(id)?;
        if !self.providers(id).iter().any(|own| own == provider) {
            return Err(ERROR_DEPENDENCY_NOT_FOUND);
        }
        let expression = resource.depends.clone().and_then(|depends| depends.without(provider));
        self.set_dependencies(id, expression)
    }

    /// Gives a resource its dependencies (facts 2.5): it must be offline (5019), its providers others of its group (87);
    /// no circle (1059), no chain of more than 100 (5929), none for the witness (5069). Guess: a resource may be given
    /// dependencies while it is online when they are online too, as the PowerShell module does.
    pub(crate) fn set_dependencies(&mut self, id: &str, expression: Option<Expression>) -> Result<(), u32> {
        let resource = self.resource(id)?;
        if self.is_quorum(id) {
            return Err(ERROR_DEPENDENCY_NOT_ALLOWED);
        }
        let before: Vec<String> = self.providers(id);
        let after: Vec<String> = expression
            .as_ref()
            .map(|expression| expression.providers().into_iter().map(str::to_owned).collect())
            .unwrap_or_default();
        for provider in &after {
            let other = self.resource(provider)?;
            if provider == id || other.group != resource.group {
                return Err(ERROR_INVALID_PARAMETER);
            }
            if self.is_quorum(provider) {
                return Err(ERROR_DEPENDENCY_NOT_ALLOWED);
            }
        }
        let holds = |provider: &str| {
            self.resource(provider)
                .is_ok_and(|provider| provider.state == resource_state::ONLINE)
        };
        let goes_on = expression.as_ref().is_none_or(|expression| expression.holds(&holds));
        let resting = matches!(resource.state, resource_state::OFFLINE | resource_state::FAILED);
        let keeps_running = resource.state == resource_state::ONLINE && goes_on;
        if !(resting || keeps_running) {
            return Err(ERROR_RESOURCE_ONLINE);
        }
        let above = self.depth(id, &after)?;
        let below = self.height(id);
        if above + below > DEEPEST {
            return Err(ERROR_DEPENDENCY_TREE_TOO_COMPLEX);
        }
        if let Some(resource) = self.cluster.resources.get_mut(id) {
            resource.depends = expression;
        }
        self.tell_resource(notify_resource::DEPENDENCIES, id);
        let changed = before.iter().filter(|provider| !after.contains(provider));
        let changed: Vec<&String> = changed
            .chain(after.iter().filter(|own| !before.contains(own)))
            .collect();
        for provider in changed {
            self.tell_resource(notify_resource::DEPENDENTS, provider);
        }
        Ok(())
    }

    /// How long the longest chain of providers is, given the direct ones; 1059 when it comes back to the resource.
    fn depth(&self, id: &str, direct: &[String]) -> Result<usize, u32> {
        let mut level: BTreeSet<String> = direct.iter().cloned().collect();
        let mut depth = 0;
        while !level.is_empty() {
            if level.contains(id) {
                return Err(ERROR_CIRCULAR_DEPENDENCY);
            }
            depth += 1;
            if depth > DEEPEST {
                return Err(ERROR_DEPENDENCY_TREE_TOO_COMPLEX);
            }
            level = level.iter().flat_map(|id| self.providers(id)).collect();
        }
        Ok(depth)
    }

    /// How long the longest chain of dependents is, up to the most that is allowed.
    fn height(&self, id: &str) -> usize {
        let mut level = BTreeSet::from([id.to_owned()]);
        let mut height = 0;
        while height <= DEEPEST {
            level = level.iter().flat_map(|id| self.dependents(id)).collect();
            if level.is_empty() {
                break;
            }
            height += 1;
        }
        height
    }

    /// Whether a resource may come to depend on another (CanResourceBeDependent).
    pub(crate) fn can_depend(&self, id: &str, provider: &str) -> bool {
        let (Ok(resource), Ok(other)) = (self.resource(id), self.resource(provider)) else {
            return false;
        };
        let mut direct = self.providers(id);
        direct.push(provider.to_owned());
        id != provider
            && resource.group == other.group
            && !self.is_quorum(id)
            && !self.is_quorum(provider)
            && self
                .depth(id, &direct)
                .is_ok_and(|above| above + self.height(id) <= DEEPEST)
    }

    /// Adds a possible owner; 5010 when it is one (facts 2.5). Guess: 5079 for a node that does not support its type.
    pub(crate) fn add_possible_owner(&mut self, id: &str, node: u32) -> Result<(), u32> {
        self.cluster.node(node).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        let resource = self.resource(id)?;
        if can_own(resource, node) {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        let kind = self.cluster.resource_type(&resource.kind);
        if kind.is_some_and(|kind| !kind.is_supported(node)) {
            return Err(ERROR_CLUSTER_RESTYPE_NOT_SUPPORTED);
        }
        let all: BTreeSet<u32> = self.cluster.nodes.iter().map(|node| node.id).collect();
        if let Some(resource) = self.cluster.resources.get_mut(id)
            && let Some(owners) = &mut resource.possible_owners
        {
            owners.insert(node);
            if *owners == all {
                resource.possible_owners = None;
            }
        }
        self.owners_changed(id);
        Ok(())
    }

    /// Takes a possible owner away; 5011 when it is none, 5015 while it owns the resource (facts 2.5).
    pub(crate) fn remove_possible_owner(&mut self, id: &str, node: u32) -> Result<(), u32> {
        self.cluster.node(node).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        let (group, resource) = self.cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        if !can_own(resource, node) {
            return Err(ERROR_OBJECT_IN_LIST);
        }
        if group.owner == node && running::is_active(resource.state) {
            return Err(ERROR_HOST_NODE_NOT_RESOURCE_OWNER);
        }
        let all: BTreeSet<u32> = self.cluster.nodes.iter().map(|node| node.id).collect();
        if let Some(resource) = self.cluster.resources.get_mut(id) {
            resource.possible_owners.get_or_insert(all).remove(&node);
        }
        self.owners_changed(id);
        Ok(())
    }

    fn owners_changed(&mut self, id: &str) {
        self.tell_resource(notify_resource::POSSIBLE_OWNERS, id);
        if let Some(group_id) = self.cluster.resources.get(id).map(|resource| resource.group.clone()) {
            self.pursue(&group_id);
        }
    }
}

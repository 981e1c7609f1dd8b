//! Groups (facts 2.4): making and deleting them, online and offline.

pub(crate) mod moving;

use wsfc_clusapi::sys::constants::{group_online_flags, node_state, notify_group, resource_state};

use super::World;
use super::cluster::Group;
use super::events::Event;
use super::properties::Setting;
use super::service::{ClusterService, PERSISTENT_STATE};
use crate::win32::{
    ERROR_CLUSTER_DISK_NOT_CONNECTED, ERROR_CLUSTER_GROUP_MOVING, ERROR_CLUSTER_NODE_NOT_FOUND,
    ERROR_CLUSTER_OWNER_NOT_IN_PREFLIST, ERROR_CLUSTER_RESOURCE_LOCKED_STATUS, ERROR_CORE_RESOURCE,
    ERROR_DIR_NOT_EMPTY, ERROR_GROUP_NOT_FOUND, ERROR_HOST_NODE_NOT_AVAILABLE, ERROR_INVALID_PARAMETER,
    ERROR_NODE_CANT_HOST_RESOURCE, ERROR_OBJECT_ALREADY_EXISTS, ERROR_QUORUM_RESOURCE, ERROR_SHARING_PAUSED,
};

impl World {
    /// Makes an empty group; its id. 5010 for a name that is taken (facts 2.4).
    pub(crate) fn add_group(&mut self, cluster_id: &str, name: &str, group_type: u32) -> Result<String, u32> {
        let cluster = self.serving(cluster_id)?;
        if cluster.groups.named(name).is_some() {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        let id = self
            .create_group(cluster_id, name, group_type)
            .ok_or(ERROR_HOST_NODE_NOT_AVAILABLE)?;
        if let Some(service) = self.service(cluster_id)
            && let Some(group) = service.cluster.group_mut(&id)
        {
            // What nobody has brought online stays offline when the cluster starts.
            group.settings.insert(PERSISTENT_STATE.into(), Setting::Dword(0));
        }
        Ok(id)
    }
}

impl ClusterService<'_> {
    pub(super) fn group(&self, id: &str) -> Result<&Group, u32> {
        self.cluster.groups.get(id).ok_or(ERROR_GROUP_NOT_FOUND)
    }

    fn is_locked(&self, group: &Group) -> bool {
        self.cluster.resources_of(group).any(|resource| resource.locked)
    }

    /// 5960 for a group with a locked resource, unless the flags say not to look (facts 2.4); 5908 for one that moves.
    pub(super) fn check_free(&self, group_id: &str, flags: u32) -> Result<&Group, u32> {
        let group = self.group(group_id)?;
        if flags & group_online_flags::IGNORE_RESOURCE_STATUS == 0 && self.is_locked(group) {
            return Err(ERROR_CLUSTER_RESOURCE_LOCKED_STATUS);
        }
        if group.moving.is_some() {
            return Err(ERROR_CLUSTER_GROUP_MOVING);
        }
        Ok(group)
    }

    /// Deletes a group; with `resources` those in it too, without 145 when there are any. Core groups stay (5026).
    pub(crate) fn remove_group(&mut self, group_id: &str, resources: bool) -> Result<(), u32> {
        let group = self.group(group_id)?;
        if group.is_core() {
            return Err(ERROR_CORE_RESOURCE);
        }
        if !resources && !group.resources.is_empty() {
            return Err(ERROR_DIR_NOT_EMPTY);
        }
        let own = group.resources.clone();
        if own.iter().any(|id| self.cluster.quorum.witness.as_ref() == Some(id)) {
            return Err(ERROR_QUORUM_RESOURCE);
        }
        for resource in self.cluster.resources_of(group) {
            self.cluster.check_all_nodes(resource)?;
        }
        // Guess: what goes away with its group goes offline without a pending state.
        for id in own.iter().rev() {
            self.set_resource_state(id, resource_state::OFFLINE);
            self.drop_resource(id);
        }
        self.cluster.forget_group(group_id);
        if let Some(group) = self.cluster.groups.remove(group_id) {
            let event = Event::of_group(&self.cluster.id, notify_group::DELETED, &group);
            self.tell(event);
            self.drain_goes_on(group.owner);
            self.start_order_changed();
        }
        Ok(())
    }

    /// Gives a group another name; 5010 for one that is taken.
    pub(crate) fn rename_group(&mut self, group_id: &str, name: &str) -> Result<(), u32> {
        self.group(group_id)?;
        if self
            .cluster
            .groups
            .named(name)
            .is_some_and(|other| other.id != group_id)
        {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        self.cluster.groups.rename(group_id, name);
        if let Some(group) = self.cluster.groups.get(group_id) {
            let event = Event::of_group(&self.cluster.id, notify_group::COMMON_PROPERTY, group).with_name(name);
            self.tell(event);
        }
        Ok(())
    }

    /// Sets the preferred owners of a group, the best first. 87 for a node that is named twice.
    pub(crate) fn set_preferred_owners(&mut self, group_id: &str, nodes: Vec<u32>) -> Result<(), u32> {
        self.group(group_id)?;
        for (position, node) in nodes.iter().enumerate() {
            self.cluster.node(*node).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
            if nodes[..position].contains(node) {
                return Err(ERROR_INVALID_PARAMETER);
            }
        }
        if let Some(group) = self.cluster.groups.get_mut(group_id)
            && group.preferred != nodes
        {
            group.preferred = nodes;
            let event = Event::of_group(&self.cluster.id, notify_group::PREFERRED_OWNERS, group);
            self.tell(event);
        }
        Ok(())
    }

    /// Brings a group online, on a node or where it is (facts 2.4). Guess: 5082 where its owner cannot own a resource of it,
    /// 5071 where another node is named that cannot.
    pub(crate) fn online_group(&mut self, group_id: &str, node: Option<u32>, flags: u32) -> Result<(), u32> {
        let group = self.check_free(group_id, flags)?;
        let owner = group.owner;
        let mut to = node.unwrap_or(owner);
        let refusal = self.refusal(group, to);
        if refusal.is_some() && flags & group_online_flags::BEST_POSSIBLE_NODE != 0 {
            to = self.best_owner(group_id, &[to]).unwrap_or(to);
        } else if refusal == Some(ERROR_NODE_CANT_HOST_RESOURCE) && to == owner {
            return Err(ERROR_CLUSTER_OWNER_NOT_IN_PREFLIST);
        } else if let Some(code) = refusal {
            return Err(code);
        }
        let (resources, group_type_is_core) = (group.resources.clone(), group.is_core());
        for id in &resources {
            self.want_online(id, true);
        }
        if !group_type_is_core || !resources.is_empty() {
            self.persist_group(group_id, true);
        }
        self.hold_back(group_id, false);
        if to == owner {
            self.pursue(group_id);
        } else {
            self.start_move(group_id, to, false, false);
        }
        Ok(())
    }

    /// Takes a group offline (facts 2.4). Guess: the group of the witness stays (5020).
    pub(crate) fn offline_group(&mut self, group_id: &str, flags: u32) -> Result<(), u32> {
        let group = self.check_free(group_id, flags)?;
        let resources = group.resources.clone();
        if resources
            .iter()
            .any(|id| self.cluster.quorum.witness.as_ref() == Some(id))
        {
            return Err(ERROR_QUORUM_RESOURCE);
        }
        for id in &resources {
            self.want_offline(id, false);
        }
        self.end_waiting(group_id);
        self.persist_group(group_id, false);
        self.pursue(group_id);
        Ok(())
    }

    /// Why a node cannot take a group: down 5005, paused 70, without a connection to a disk of it 5963, or not a possible
    /// owner of some resource 5071.
    pub(super) fn refusal(&self, group: &Group, node: u32) -> Option<u32> {
        let Some(found) = self.cluster.node(node).filter(|node| node.present) else {
            return Some(ERROR_HOST_NODE_NOT_AVAILABLE);
        };
        if found.state == node_state::PAUSED {
            return Some(ERROR_SHARING_PAUSED);
        }
        if found.state != node_state::UP {
            return Some(ERROR_HOST_NODE_NOT_AVAILABLE);
        }
        let mut resources = self.cluster.resources_of(group);
        if resources.any(|resource| !self.is_connected(resource, node)) {
            return Some(ERROR_CLUSTER_DISK_NOT_CONNECTED);
        }
        (!self.can_host(group, node)).then_some(ERROR_NODE_CANT_HOST_RESOURCE)
    }
}

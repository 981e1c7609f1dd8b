//! What happens to nodes and groups after setup (facts 2.3 and 2.4).

use wsfc_clusapi::sys::constants::{group_type, management_point_type, node_state, notify_cluster, notify_group};

use super::World;
use super::cluster::{drain_status, is_network_name};
use super::events::Event;
use crate::win32::{
    ERROR_CLUSTER_NODE_DOWN, ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_CLUSTER_NODE_NOT_PAUSED, ERROR_CORE_RESOURCE,
    ERROR_DIR_NOT_EMPTY, ERROR_GROUP_NOT_FOUND, ERROR_HOST_NODE_NOT_AVAILABLE, ERROR_OBJECT_ALREADY_EXISTS,
};

impl World {
    /// Pauses a node; with `drain`, its groups move to `target` or to any other node. Pausing twice changes nothing.
    /// Guess: a drain is done when the call returns.
    pub(crate) fn pause(&mut self, cluster_id: &str, node: u32, drain: bool, target: Option<u32>) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        let found = cluster.node(node).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        if !self.is_active(cluster, found) {
            return Err(ERROR_CLUSTER_NODE_DOWN);
        }
        if let Some(target) = target {
            let target = cluster.node(target).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
            if self.node_state(cluster, target) != node_state::UP {
                return Err(ERROR_HOST_NODE_NOT_AVAILABLE);
            }
        }
        let before = self.states(cluster_id);
        self.set_node(cluster_id, node, node_state::PAUSED, drain_status::NOT_INITIATED);
        if drain {
            let status = if self.drain(cluster_id, node, target) {
                drain_status::COMPLETED
            } else {
                drain_status::FAILED
            };
            self.set_node(cluster_id, node, node_state::PAUSED, status);
        }
        self.tell_changes(cluster_id, &before);
        Ok(())
    }

    /// Resumes a node; 5058 when it is not paused (facts 2.3).
    pub(crate) fn resume(&mut self, cluster_id: &str, node: u32) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        let found = cluster.node(node).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        if found.state != node_state::PAUSED {
            return Err(ERROR_CLUSTER_NODE_NOT_PAUSED);
        }
        let before = self.states(cluster_id);
        self.set_node(cluster_id, node, node_state::UP, drain_status::NOT_INITIATED);
        self.tell_changes(cluster_id, &before);
        Ok(())
    }

    fn set_node(&mut self, cluster_id: &str, node: u32, state: i32, status: u32) {
        if let Some(node) = self.cluster_mut(cluster_id).and_then(|cluster| cluster.node_mut(node)) {
            node.state = state;
            node.drain.status = status;
        }
    }

    /// Makes an empty group; its id. 5010 for a name that is taken (facts 2.4).
    pub(crate) fn add_group(&mut self, cluster_id: &str, name: &str) -> Result<String, u32> {
        let cluster = self.serving(cluster_id)?;
        if cluster.groups.named(name).is_some() {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        self.create_group(cluster_id, name, group_type::UNKNOWN)
            .ok_or(ERROR_HOST_NODE_NOT_AVAILABLE)
    }

    /// Deletes a group; with `resources` those in it too, without 145 when there are any. Core groups stay (5026).
    pub(crate) fn remove_group(&mut self, cluster_id: &str, group_id: &str, resources: bool) -> Result<(), u32> {
        let group = self.serving(cluster_id)?.group(group_id).ok_or(ERROR_GROUP_NOT_FOUND)?;
        if group.is_core() {
            return Err(ERROR_CORE_RESOURCE);
        }
        if !resources && !group.resources.is_empty() {
            return Err(ERROR_DIR_NOT_EMPTY);
        }
        let event = Event::of_group(cluster_id, notify_group::DELETED, group);
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            if let Some(group) = cluster.groups.remove(group_id) {
                for resource in &group.resources {
                    cluster.resources.remove(resource);
                }
            }
        }
        self.events.push(event);
        Ok(())
    }

    /// Takes the network name away, and with it the management point; with `objects` the computer object too.
    pub(crate) fn remove_network_name(&mut self, cluster_id: &str, objects: bool) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        cluster.management_point = management_point_type::NONE;
        if objects {
            self.directory.accounts.remove(&cluster.name.to_lowercase());
        }
        for id in cluster.resources.ids_where(|resource| is_network_name(&resource.kind)) {
            if let Some(resource) = cluster.remove_resource(&id) {
                self.events.push(Event::resource_deleted(cluster_id, &resource));
            }
        }
    }

    /// Gives the cluster another name and tells so.
    pub(crate) fn rename(&mut self, cluster_id: &str, name: &str) {
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            name.clone_into(&mut cluster.name);
        }
        self.events
            .push(Event::of_cluster(cluster_id, notify_cluster::RENAME, name));
    }
}

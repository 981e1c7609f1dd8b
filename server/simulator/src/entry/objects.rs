//! Finding the object that a handle stands for, in the world as it is now.

use wsfc_clusapi::sys::constants::object_flags;

use super::Answer;
use crate::simulation::State;
use crate::win32::{ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_GROUP_NOT_FOUND, ERROR_RESOURCE_NOT_FOUND};
use crate::world::cluster::{Cluster, Group};

/// The number of a node.
pub(super) fn node_id(state: &State, cluster: &str, instance: &str) -> Answer<u32> {
    let cluster = state.serving(cluster)?;
    cluster
        .nodes
        .iter()
        .find(|node| node.instance == instance)
        .map(|node| node.id)
        .ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)
}

/// The group of a name or id (facts 2.1), case not regarded.
pub(super) fn find_group<'state>(cluster: &'state Cluster, name: &str) -> Answer<&'state Group> {
    cluster.groups.find(name).ok_or(ERROR_GROUP_NOT_FOUND)
}

/// The id of the resource of a name or id, case not regarded.
pub(super) fn find_resource(cluster: &Cluster, name: &str) -> Answer<String> {
    cluster
        .resources
        .find(name)
        .map(|resource| resource.id.clone())
        .ok_or(ERROR_RESOURCE_NOT_FOUND)
}

/// The name of the node that owns a group.
pub(super) fn owner_name(cluster: &Cluster, group: &Group) -> String {
    cluster
        .node(group.owner)
        .map(|node| node.name.clone())
        .unwrap_or_default()
}

/// CLUS_FLAG_CORE for core groups (facts 2.4).
pub(super) fn group_flags(group: &Group) -> u32 {
    if group.is_core() { object_flags::CORE } else { 0 }
}

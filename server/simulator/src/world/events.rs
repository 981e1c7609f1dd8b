//! What a notification port can be told (facts 4.2 and 4.3).

use wsfc_clusapi::sys::constants::{notify_cluster, notify_group, notify_node, notify_object, notify_resource};

use super::cluster::{Group, Resource};
use super::node::Node;
use super::properties::Setting;
use crate::proplist;

/// One event, before filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// The id of the cluster that it happened in.
    pub(crate) cluster: String,
    pub(crate) object_type: u32,
    /// Exactly one bit.
    pub(crate) flag: i64,
    pub(crate) object_id: String,
    pub(crate) parent_id: String,
    pub(crate) name: String,
    /// The resource type's name for resources, else empty.
    pub(crate) kind: String,
    pub(crate) payload: Vec<u8>,
}

impl Event {
    /// An event without parent, type and payload.
    pub(crate) fn new(cluster: &str, object_type: u32, flag: i64, object_id: &str, name: &str) -> Self {
        Self {
            cluster: cluster.into(),
            object_type,
            flag,
            object_id: object_id.into(),
            parent_id: String::new(),
            name: name.into(),
            kind: String::new(),
            payload: Vec::new(),
        }
    }

    /// An event about the cluster itself.
    pub(crate) fn of_cluster(cluster: &str, flag: i64, name: &str) -> Self {
        Self::new(cluster, notify_object::CLUSTER, flag, "", name)
    }

    /// An event about a node, named by its number. Node events carry no parent id.
    pub(crate) fn of_node(cluster: &str, flag: i64, node: &Node) -> Self {
        Self::new(cluster, notify_object::NODE, flag, &node.id.to_string(), &node.name)
    }

    /// An event about a group.
    pub(crate) fn of_group(cluster: &str, flag: i64, group: &Group) -> Self {
        Self::new(cluster, notify_object::GROUP, flag, &group.id, &group.name)
    }

    /// A new group: its type as payload.
    pub(crate) fn group_added(cluster: &str, group: &Group) -> Self {
        Self {
            object_id: group.id.clone(),
            payload: group.group_type.to_le_bytes().to_vec(),
            ..Self::of_cluster(cluster, notify_cluster::GROUP_ADDED, &group.name)
        }
    }

    /// A new node: its number as object id.
    pub(crate) fn node_added(cluster: &str, node: &Node) -> Self {
        Self {
            object_id: node.id.to_string(),
            ..Self::of_cluster(cluster, notify_cluster::NODE_ADDED, &node.name)
        }
    }

    /// A node's state changed: the state as payload, 4 bytes.
    pub(crate) fn node_state(cluster: &str, node: &Node, state: i32) -> Self {
        Self {
            payload: state.to_le_bytes().to_vec(),
            ..Self::of_node(cluster, notify_node::STATE, node)
        }
    }

    /// A group's state changed: the state as payload, 4 bytes.
    pub(crate) fn group_state(cluster: &str, group: &Group, state: i32) -> Self {
        Self {
            payload: state.to_le_bytes().to_vec(),
            ..Self::of_group(cluster, notify_group::STATE, group)
        }
    }

    /// A group's owner changed: the new owner's number as parent id.
    pub(crate) fn owner_node(cluster: &str, group: &Group) -> Self {
        Self {
            parent_id: group.owner.to_string(),
            ..Self::of_group(cluster, notify_group::OWNER_NODE, group)
        }
    }

    /// A resource appeared in a group or left it: its GUID as UTF-16 text.
    pub(crate) fn resource_in_group(cluster: &str, flag: i64, group: &Group, resource_id: &str) -> Self {
        let text = resource_id
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        Self {
            payload: text,
            ..Self::of_group(cluster, flag, group)
        }
    }

    /// An event about a resource. Guess: its parent id is its group.
    pub(crate) fn of_resource(cluster: &str, flag: i64, resource: &Resource) -> Self {
        Self {
            parent_id: resource.group.clone(),
            kind: resource.kind.clone(),
            ..Self::new(cluster, notify_object::RESOURCE, flag, &resource.id, &resource.name)
        }
    }

    /// A resource has come to a state in which it stays.
    pub(crate) fn resource_terminal_state(cluster: &str, resource: &Resource) -> Self {
        Self {
            flag: notify_resource::TERMINAL_STATE,
            ..Self::resource_state(cluster, resource)
        }
    }

    /// A resource's state changed: the state as payload, 4 bytes.
    pub(crate) fn resource_state(cluster: &str, resource: &Resource) -> Self {
        Self {
            payload: resource.state.to_le_bytes().to_vec(),
            ..Self::of_resource(cluster, notify_resource::STATE, resource)
        }
    }

    /// A resource's common properties changed.
    pub(crate) fn resource_properties(cluster: &str, resource: &Resource) -> Self {
        Self::of_resource(cluster, notify_resource::COMMON_PROPERTY, resource)
    }

    /// A resource is gone.
    pub(crate) fn resource_deleted(cluster: &str, resource: &Resource) -> Self {
        Self::of_resource(cluster, notify_resource::DELETED, resource)
    }

    /// A new name, which shows up as the property "Name".
    pub(crate) fn with_name(self, name: &str) -> Self {
        self.with_properties(proplist::write(&[("Name", Setting::Text(name.into()))]))
    }

    /// The changed properties, and only those, as payload.
    pub(crate) fn with_properties(mut self, list: Vec<u8>) -> Self {
        self.payload = list;
        self
    }
}

//! What a notification port can be told (facts 4.2 and 4.3).

use wsfc_clusapi::sys::constants::{notify_cluster, notify_group, notify_node, notify_object, notify_resource};

use super::World;
use super::cluster::{Group, Node, Resource};

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

    /// A resource's state changed. Guess: its parent id is its group.
    pub(crate) fn resource_state(cluster: &str, resource: &Resource) -> Self {
        Self {
            parent_id: resource.group.clone(),
            kind: resource.kind.clone(),
            payload: resource.state.to_le_bytes().to_vec(),
            ..Self::new(
                cluster,
                notify_object::RESOURCE,
                notify_resource::STATE,
                &resource.id,
                &resource.name,
            )
        }
    }

    /// A resource's common properties changed.
    pub(crate) fn resource_properties(cluster: &str, resource: &Resource) -> Self {
        Self {
            parent_id: resource.group.clone(),
            kind: resource.kind.clone(),
            ..Self::new(
                cluster,
                notify_object::RESOURCE,
                notify_resource::COMMON_PROPERTY,
                &resource.id,
                &resource.name,
            )
        }
    }

    /// A resource is gone.
    pub(crate) fn resource_deleted(cluster: &str, resource: &Resource) -> Self {
        Self {
            flag: notify_resource::DELETED,
            ..Self::resource_properties(cluster, resource)
        }
    }

    /// The changed properties, and only those, as payload.
    pub(crate) fn with_properties(mut self, list: Vec<u8>) -> Self {
        self.payload = list;
        self
    }
}

impl World {
    /// Who is up has changed: CLUSTER_MEMBERSHIP_INFO, one byte for each up node (facts 1.2).
    pub(crate) fn emit_membership(&mut self, cluster_id: &str) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let up: Vec<u8> = cluster
            .nodes
            .iter()
            .filter(|node| self.is_active(cluster, node))
            .filter_map(|node| u8::try_from(node.id).ok())
            .collect();
        let has_quorum = u32::from(up.len() * 2 > cluster.nodes.len());
        let count = u32::try_from(up.len()).unwrap_or(u32::MAX);
        let payload = [has_quorum.to_le_bytes(), count.to_le_bytes()]
            .concat()
            .into_iter()
            .chain(up)
            .collect();
        let event = Event::of_cluster(cluster_id, notify_cluster::MEMBERSHIP, "").with_properties(payload);
        self.events.push(event);
    }
}

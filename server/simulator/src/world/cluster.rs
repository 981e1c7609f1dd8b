//! A cluster and what belongs to it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{group_state, group_type, management_point_type, node_state, resource_state};

use super::properties::Setting;
use super::{Machine, World};
use crate::release::{Release, make_version};

/// A cluster.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cluster {
    /// Its GUID.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) functional_level: u32,
    /// Simulated time of the end of CreateCluster, for the 30-second rule; `None` while it is being created.
    pub(crate) created_ms: Option<u64>,
    pub(crate) management_point: i32,
    pub(crate) restype: i32,
    pub(crate) nodes: Vec<Node>,
    pub(crate) groups: Vec<Group>,
    pub(crate) networks: Vec<ClusterNetwork>,
    pub(crate) resource_types: Vec<String>,
    pub(crate) storage_nodes: Vec<StorageNode>,
    /// An upgrade of the functional level has begun and has not ended.
    pub(crate) upgrade_in_progress: bool,
    /// Common properties that differ from their defaults.
    pub(crate) settings: BTreeMap<String, Setting>,
}

/// A node of a cluster.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Its number, from 1.
    pub(crate) id: u32,
    /// Its name, that of its machine.
    pub(crate) name: String,
    /// What it is as long as its machine and cluster service work: Up, Paused or Joining.
    pub(crate) state: i32,
    /// Its GUID (RO property NodeInstanceID).
    pub(crate) instance: String,
    /// NodeDrainStatus (facts 2.2).
    pub(crate) drain_status: u32,
    pub(crate) settings: BTreeMap<String, Setting>,
}

/// A group.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) group_type: u32,
    /// The number of the node that owns it.
    pub(crate) owner: u32,
    pub(crate) resources: Vec<Resource>,
    pub(crate) settings: BTreeMap<String, Setting>,
}

/// A resource.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The name of its type.
    pub(crate) kind: String,
    pub(crate) state: i32,
    pub(crate) address: Option<IpAddr>,
    pub(crate) settings: BTreeMap<String, Setting>,
}

/// A network as the cluster knows it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClusterNetwork {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) interfaces: Vec<Interface>,
}

/// A network interface of a node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) node: u32,
}

/// A storage enclosure that was added to the cluster.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StorageNode {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) location: String,
}

/// The type names of resources that the simulator makes itself.
pub(crate) const IP_ADDRESS: &str = "IP Address";
pub(crate) const IPV6_ADDRESS: &str = "IPv6 Address";
pub(crate) const NETWORK_NAME: &str = "Network Name";
pub(crate) const DISTRIBUTED_NETWORK_NAME: &str = "Distributed Network Name";
const GENERIC_APPLICATION: &str = "Generic Application";

/// The resource types that CreateCluster registers. Guess: a selection of those that every cluster has.
const RESOURCE_TYPES: [&str; 10] = [
    IP_ADDRESS,
    IPV6_ADDRESS,
    NETWORK_NAME,
    DISTRIBUTED_NETWORK_NAME,
    "Physical Disk",
    "File Share Witness",
    "Cloud Witness",
    GENERIC_APPLICATION,
    "Generic Service",
    "Generic Script",
];

/// True for the types of resource that make the cluster's name known.
pub(crate) fn is_network_name(kind: &str) -> bool {
    kind == NETWORK_NAME || kind == DISTRIBUTED_NETWORK_NAME
}

impl Cluster {
    pub(crate) fn new(id: String, name: String, functional_level: u32) -> Self {
        Self {
            id,
            name,
            functional_level,
            created_ms: None,
            management_point: management_point_type::NONE,
            restype: 0,
            nodes: Vec::new(),
            groups: Vec::new(),
            networks: Vec::new(),
            resource_types: Vec::new(),
            storage_nodes: Vec::new(),
            upgrade_in_progress: false,
            settings: BTreeMap::new(),
        }
    }

    pub(crate) fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(crate) fn node_mut(&mut self, id: u32) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }

    pub(crate) fn group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }

    pub(crate) fn group_mut(&mut self, id: &str) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.id == id)
    }

    /// The group that holds the cluster's own resources.
    pub(crate) fn core_group_mut(&mut self) -> Option<&mut Group> {
        self.groups
            .iter_mut()
            .find(|group| group.group_type == group_type::CORE_CLUSTER)
    }

    /// A resource and its group.
    pub(crate) fn resource(&self, id: &str) -> Option<(&Group, &Resource)> {
        self.resources().find(|(_, resource)| resource.id == id)
    }

    /// All resources, each with its group.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (&Group, &Resource)> {
        self.groups
            .iter()
            .flat_map(|group| group.resources.iter().map(move |resource| (group, resource)))
    }

    /// The addresses of the cluster.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.resources().filter_map(|(_, resource)| resource.address)
    }

    /// True when the name can be found on the network: there is a network name resource.
    pub(crate) fn has_network_name(&self) -> bool {
        self.resources().any(|(_, resource)| is_network_name(&resource.kind))
    }

    /// Upgrade version of the functional level: that of the release that introduced it.
    pub(crate) fn upgrade_version(&self) -> u32 {
        Release::of_level(self.functional_level).map_or(0, Release::upgrade_version)
    }

    /// The level as a version number.
    pub(crate) fn version(&self) -> u32 {
        let low = Release::of_level(self.functional_level).map_or(0, Release::highest_version);
        make_version(self.functional_level, low)
    }

    /// Registers the built-in resource types.
    pub(crate) fn add_resource_types(&mut self) {
        self.resource_types = RESOURCE_TYPES.iter().map(|name| (*name).into()).collect();
    }
}

impl Group {
    pub(crate) fn new(id: String, name: &str, group_type: u32, owner: u32) -> Self {
        Self {
            id,
            name: name.into(),
            group_type,
            owner,
            resources: Vec::new(),
            settings: BTreeMap::new(),
        }
    }

    /// Goes with the cluster itself (facts 2.4).
    pub(crate) fn is_core(&self) -> bool {
        matches!(
            self.group_type,
            group_type::CORE_CLUSTER | group_type::AVAILABLE_STORAGE
        )
    }

    /// The state that follows from the resources (facts 2.2).
    pub(crate) fn state(&self) -> i32 {
        let any = |state: i32| self.resources.iter().any(|resource| resource.state == state);
        let all = |state: i32| self.resources.iter().all(|resource| resource.state == state);
        if self.resources.is_empty() {
            group_state::OFFLINE
        } else if any(resource_state::FAILED) {
            group_state::FAILED
        } else if self
            .resources
            .iter()
            .any(|resource| resource.state >= resource_state::PENDING)
        {
            group_state::PENDING
        } else if all(resource_state::ONLINE) {
            group_state::ONLINE
        } else if all(resource_state::OFFLINE) {
            group_state::OFFLINE
        } else {
            group_state::PARTIAL_ONLINE
        }
    }
}

impl Resource {
    pub(crate) fn new(id: String, name: String, kind: &str) -> Self {
        Self {
            id,
            name,
            kind: kind.into(),
            state: resource_state::OFFLINE,
            address: None,
            settings: BTreeMap::new(),
        }
    }

    /// An online stand-in for the workload of a group that exists from the beginning.
    pub(crate) fn workload(id: String, group: &str) -> Self {
        Self {
            state: resource_state::ONLINE,
            ..Self::new(id, format!("{group} Workload"), GENERIC_APPLICATION)
        }
    }
}

impl World {
    /// The machine of a node.
    pub(crate) fn machine_of(&self, node: &Node) -> Option<&Machine> {
        self.machine(&node.name)
    }

    /// The state of a node as the cluster sees it (facts 2.2): Down without a machine that answers and a running
    /// cluster service.
    pub(crate) fn node_state(&self, cluster: &Cluster, node: &Node) -> i32 {
        match self.machine_of(node) {
            Some(machine)
                if machine.reachable && machine.service_running && machine.membership.as_ref() == Some(&cluster.id) =>
            {
                node.state
            }
            _ => node_state::DOWN,
        }
    }

    /// True for an Up or Paused node, an active member.
    pub(crate) fn is_active(&self, cluster: &Cluster, node: &Node) -> bool {
        matches!(self.node_state(cluster, node), node_state::UP | node_state::PAUSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_what_its_resources_are() {
        let mut group = Group::new("g".into(), "g", 9999, 1);
        assert_eq!(group.state(), group_state::OFFLINE);
        for states in [
            (vec![resource_state::ONLINE], group_state::ONLINE),
            (vec![resource_state::OFFLINE], group_state::OFFLINE),
            (
                vec![resource_state::ONLINE, resource_state::OFFLINE],
                group_state::PARTIAL_ONLINE,
            ),
            (
                vec![resource_state::ONLINE, resource_state::ONLINE_PENDING],
                group_state::PENDING,
            ),
            (
                vec![resource_state::FAILED, resource_state::ONLINE_PENDING],
                group_state::FAILED,
            ),
        ] {
            group.resources = states
                .0
                .iter()
                .map(|state| Resource {
                    state: *state,
                    ..Resource::new("r".into(), "r".into(), "t")
                })
                .collect();
            assert_eq!(group.state(), states.1, "{:?}", states.0);
        }
    }
}

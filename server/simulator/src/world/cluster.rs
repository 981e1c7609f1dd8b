//! A cluster and what belongs to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{group_state, group_type, management_point_type, node_state, resource_state};

use super::affinity::AffinityRule;
use super::group_set::{GroupSet, StartOrder};
use super::network::ClusterNetwork;
use super::node::Node;
use super::properties::Settings;
use super::queue::WatchKey;
use super::registry;
use super::resource::dependency::Expression;
use super::resource_type::ResourceType;
use super::roster::{Entry, Roster};
use super::shared_volume::SharedVolume;
use super::start::Waiting;
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
    pub(crate) groups: Roster<Group>,
    pub(crate) resources: Roster<Resource>,
    pub(crate) networks: Vec<ClusterNetwork>,
    pub(crate) resource_types: Vec<ResourceType>,
    pub(crate) group_sets: Vec<GroupSet>,
    pub(crate) rules: Vec<AffinityRule>,
    /// What groups and sets wait for.
    pub(crate) order: StartOrder,
    /// The groups that shall start and wait, by id.
    #[serde(default)]
    pub(crate) waiting: BTreeMap<String, Waiting>,
    /// The simulated times at which they will look whether they may.
    #[serde(default)]
    pub(crate) start_times: BTreeSet<u64>,
    pub(crate) volumes: Vec<SharedVolume>,
    /// The keys that callers have made.
    pub(crate) database: registry::Key,
    pub(crate) storage_nodes: Vec<StorageNode>,
    /// An upgrade of the functional level has begun and has not ended.
    pub(crate) upgrade_in_progress: bool,
    /// Common properties that differ from their defaults.
    pub(crate) settings: Settings,
    pub(crate) private: Settings,
    pub(crate) quorum: Quorum,
}

/// What decides who may go on when nodes are lost (facts 2.6).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Quorum {
    /// The resource that is the witness.
    pub(crate) witness: Option<String>,
    /// The witness alone decides (CLUS_LEGACY_QUORUM).
    pub(crate) disk_only: bool,
    /// The device path that goes with a disk.
    pub(crate) path: String,
    /// WitnessDynamicWeight: the vote that the witness has now.
    pub(crate) witness_weight: u32,
    /// Nothing reaches the witness.
    pub(crate) witness_lost: bool,
    /// FixQuorum: the cluster goes on by force, without a majority of the votes that are configured.
    #[serde(default)]
    pub(crate) forced: bool,
}

/// A group.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) group_type: u32,
    /// The number of the node that owns it.
    pub(crate) owner: u32,
    /// The ids of its resources, in the order of their coming.
    pub(crate) resources: Vec<String>,
    pub(crate) settings: Settings,
    #[serde(default)]
    pub(crate) private: Settings,
    /// Preferred owners, by node number, the best first.
    #[serde(default)]
    pub(crate) preferred: Vec<u32>,
    /// The state that was told last.
    #[serde(default = "Group::told_at_first")]
    pub(crate) told: i32,
    /// Simulated time since which it has been online; `None` also for what was online when the world began.
    #[serde(default)]
    pub(crate) online_ms: Option<u64>,
    /// The move that goes on.
    #[serde(default)]
    pub(crate) moving: Option<Move>,
    /// A move that waits for its turn.
    #[serde(default)]
    pub(crate) queued: Option<Move>,
    /// Simulated times of failovers, for FailoverThreshold.
    #[serde(default)]
    pub(crate) failovers: Vec<u64>,
    /// The node that it was drained from, for the failback at its resumption.
    #[serde(default)]
    pub(crate) home: Option<u32>,
    /// The nodes that it left because it could not run there, until it runs somewhere.
    #[serde(default)]
    pub(crate) tried: BTreeSet<u32>,
}

/// A group on its way to another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Move {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// It comes back when it cannot run there.
    pub(crate) back_on_error: bool,
    /// Its resources stay online and move all at once.
    pub(crate) live: bool,
    /// It has arrived; its resources are coming online.
    pub(crate) arrived: bool,
}

impl Move {
    /// A machine goes on running while it is on its way.
    pub(crate) fn migrates(&self) -> bool {
        self.live && !self.arrived
    }
}

/// A resource.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The name of its type.
    pub(crate) kind: String,
    /// The id of its group.
    pub(crate) group: String,
    pub(crate) state: i32,
    pub(crate) address: Option<IpAddr>,
    pub(crate) settings: Settings,
    /// Private properties, by name.
    #[serde(default)]
    pub(crate) private: Settings,
    /// It shall be online: it comes back after failures and moves.
    #[serde(default)]
    pub(crate) wanted: bool,
    /// What it depends on.
    #[serde(default)]
    pub(crate) depends: Option<Expression>,
    /// The nodes that can run it; `None` is all of them.
    #[serde(default)]
    pub(crate) possible_owners: Option<BTreeSet<u32>>,
    /// Rises with every change of the state: a step that was planned for an earlier one comes too late.
    #[serde(default)]
    pub(crate) epoch: u64,
    /// The check point that was told last while it is pending.
    #[serde(default)]
    pub(crate) check_point: Option<u32>,
    /// While it is pending: when it must have been heard of. It goes with the process.
    #[serde(skip)]
    pub(crate) gap: Option<WatchKey>,
    /// It has failed, and begins again as soon as nothing that depends on it is active any more.
    #[serde(default)]
    pub(crate) overdue: bool,
    /// MonitorProcessId, for a resource that a DLL implements.
    #[serde(skip)]
    pub(crate) monitor: u32,
    /// Simulated times of failures, for RestartThreshold.
    #[serde(default)]
    pub(crate) failures: Vec<u64>,
    /// LastOperationStatusCode.
    #[serde(default)]
    pub(crate) last_status: u32,
    /// It goes offline and comes back.
    #[serde(default)]
    pub(crate) restarting: bool,
    /// It is in maintenance mode: failures are not regarded.
    #[serde(default)]
    pub(crate) maintenance: bool,
    /// It is locked: its group does not go online, offline or elsewhere (facts 2.4, 5960).
    #[serde(default)]
    pub(crate) locked: bool,
    /// The next online attempts that fail.
    #[serde(default)]
    pub(crate) failing: u32,
    /// The nodes where it does not come online; 0 is every node.
    #[serde(default)]
    pub(crate) blocked: BTreeSet<u32>,
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
            groups: Roster::default(),
            resources: Roster::default(),
            networks: Vec::new(),
            resource_types: Vec::new(),
            group_sets: Vec::new(),
            rules: Vec::new(),
            order: StartOrder::default(),
            waiting: BTreeMap::new(),
            start_times: BTreeSet::new(),
            volumes: Vec::new(),
            database: registry::Key::default(),
            storage_nodes: Vec::new(),
            upgrade_in_progress: false,
            settings: Settings::new(),
            private: Settings::new(),
            quorum: Quorum::default(),
        }
    }

    pub(crate) fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(crate) fn node_mut(&mut self, id: u32) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }

    pub(crate) fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    pub(crate) fn group_mut(&mut self, id: &str) -> Option<&mut Group> {
        self.groups.get_mut(id)
    }

    /// The id of the group that holds the cluster's own resources.
    pub(crate) fn core_group(&self) -> Option<&Group> {
        self.groups
            .iter()
            .find(|group| group.group_type == group_type::CORE_CLUSTER)
    }

    /// A resource and its group.
    pub(crate) fn resource(&self, id: &str) -> Option<(&Group, &Resource)> {
        let resource = self.resources.get(id)?;
        Some((self.groups.get(&resource.group)?, resource))
    }

    pub(crate) fn resource_mut(&mut self, id: &str) -> Option<&mut Resource> {
        self.resources.get_mut(id)
    }

    /// The resources of a group, in the order of their coming.
    pub(crate) fn resources_of<'cluster>(
        &'cluster self,
        group: &'cluster Group,
    ) -> impl Iterator<Item = &'cluster Resource> + Clone {
        group.resources.iter().filter_map(|id| self.resources.get(id))
    }

    /// Puts a resource into a group.
    pub(crate) fn add_resource(&mut self, group_id: &str, resource: Resource) {
        if let Some(group) = self.groups.get_mut(group_id) {
            group.resources.push(resource.id.clone());
            self.resources.push(Resource {
                group: group_id.into(),
                ..resource
            });
        }
    }

    /// Takes a resource out of its group and the cluster.
    pub(crate) fn remove_resource(&mut self, id: &str) -> Option<Resource> {
        let resource = self.resources.remove(id)?;
        if let Some(group) = self.groups.get_mut(&resource.group) {
            group.resources.retain(|other| other != id);
        }
        Some(resource)
    }

    /// The state of a group, which follows from its resources (facts 2.2).
    pub(crate) fn group_state(&self, group: &Group) -> i32 {
        if group.moving.as_ref().is_some_and(Move::migrates) {
            // Guess: a virtual machine that migrates is on its way, however long it takes, though it goes on running.
            return group_state::PENDING;
        }
        group_state_of(self.resources_of(group).map(|resource| resource.state))
    }

    /// CLUSGRP_STATUS bits of a group (facts 2.2).
    pub(crate) fn group_status(&self, group: &Group, now_ms: u64) -> u64 {
        const QUEUED_FOR_MOVE: u64 = 4;
        let queued = if group.queued.is_some() { QUEUED_FOR_MOVE } else { 0 };
        queued | self.waiting_status(&group.id, now_ms)
    }

    /// True for a node that runs what it owns: an active member that is not paused.
    pub(crate) fn is_up(&self, node: u32) -> bool {
        self.node(node)
            .is_some_and(|node| node.present && node.state == node_state::UP)
    }

    /// True while enough votes are together, so that the cluster answers and its groups can run.
    pub(crate) fn is_formed(&self) -> bool {
        self.nodes.iter().any(|node| node.present)
    }

    /// The addresses of the cluster.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.resources.iter().filter_map(|resource| resource.address)
    }

    /// True when the name can be found on the network: there is a network name resource.
    pub(crate) fn has_network_name(&self) -> bool {
        self.core_group()
            .is_some_and(|group| self.resources_of(group).any(|resource| is_network_name(&resource.kind)))
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
}

impl Group {
    pub(crate) fn new(id: String, name: &str, group_type: u32, owner: u32) -> Self {
        Self {
            id,
            name: name.into(),
            group_type,
            owner,
            resources: Vec::new(),
            settings: Settings::new(),
            private: Settings::new(),
            preferred: Vec::new(),
            told: Self::told_at_first(),
            online_ms: None,
            moving: None,
            queued: None,
            failovers: Vec::new(),
            home: None,
            tried: BTreeSet::new(),
        }
    }

    fn told_at_first() -> i32 {
        group_state::OFFLINE
    }

    /// Goes with the cluster itself (facts 2.4).
    pub(crate) fn is_core(&self) -> bool {
        matches!(
            self.group_type,
            group_type::CORE_CLUSTER | group_type::AVAILABLE_STORAGE
        )
    }
}

/// The state of a group whose resources have these states (facts 2.2).
fn group_state_of(states: impl Iterator<Item = i32> + Clone) -> i32 {
    let all = |state: i32| states.clone().all(|other| other == state);
    if states.clone().next().is_none() {
        group_state::OFFLINE
    } else if states.clone().any(|state| state == resource_state::FAILED) {
        group_state::FAILED
    } else if states.clone().any(|state| state >= resource_state::PENDING) {
        group_state::PENDING
    } else if all(resource_state::ONLINE) {
        group_state::ONLINE
    } else if all(resource_state::OFFLINE) {
        group_state::OFFLINE
    } else {
        group_state::PARTIAL_ONLINE
    }
}

impl Entry for Group {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }
}

impl Entry for Resource {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn set_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }
}

impl Resource {
    pub(crate) fn new(id: String, name: String, kind: &str) -> Self {
        Self {
            id,
            name,
            kind: kind.into(),
            group: String::new(),
            state: resource_state::OFFLINE,
            address: None,
            settings: Settings::new(),
            private: Settings::new(),
            wanted: false,
            depends: None,
            possible_owners: None,
            epoch: 0,
            check_point: None,
            gap: None,
            overdue: false,
            monitor: 0,
            failures: Vec::new(),
            last_status: 0,
            restarting: false,
            maintenance: false,
            locked: false,
            failing: 0,
            blocked: BTreeSet::new(),
        }
    }

    /// An online stand-in for the workload of a group that exists from the beginning.
    pub(crate) fn workload(id: String, group: &str) -> Self {
        Self {
            state: resource_state::ONLINE,
            wanted: true,
            ..Self::new(id, format!("{group} Workload"), GENERIC_APPLICATION)
        }
    }
}

impl World {
    /// The machine of a node.
    pub(crate) fn machine_of(&self, node: &Node) -> Option<&Machine> {
        self.machine(&node.name)
    }

    /// True when the cluster service of a node works: its machine answers, and it may be a member.
    pub(crate) fn is_alive(&self, cluster: &Cluster, node: &Node) -> bool {
        node.health.quarantined_until.is_none()
            && self.machine_of(node).is_some_and(|machine| {
                machine.reachable && machine.service_running && machine.membership.as_ref() == Some(&cluster.id)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_what_its_resources_are() {
        use resource_state::{FAILED, OFFLINE, ONLINE, ONLINE_PENDING};
        for (states, expected) in [
            (vec![], group_state::OFFLINE),
            (vec![ONLINE], group_state::ONLINE),
            (vec![OFFLINE], group_state::OFFLINE),
            (vec![ONLINE, OFFLINE], group_state::PARTIAL_ONLINE),
            (vec![ONLINE, ONLINE_PENDING], group_state::PENDING),
            (vec![FAILED, ONLINE_PENDING], group_state::FAILED),
        ] {
            assert_eq!(group_state_of(states.iter().copied()), expected, "{states:?}");
        }
    }
}

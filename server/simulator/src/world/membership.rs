//! Finding clusters, and nodes coming and going.

use std::net::IpAddr;

use wsfc_clusapi::sys::constants::{node_cluster_state, node_state, notify_node};

use super::World;
use super::cluster::{Cluster, Drain, Health, Node};
use super::events::Event;
use super::properties::Settings;
use crate::win32::{
    EPT_S_NOT_REGISTERED, ERROR_CLUSTER_EVICT_INVALID_REQUEST, ERROR_CLUSTER_NODE_NOT_FOUND,
    ERROR_CLUSTER_NODE_UNREACHABLE, RPC_S_SERVER_UNAVAILABLE, hresult,
};

impl World {
    /// The id of the cluster that a name leads to: NULL, a cluster name, a node name or an address (facts 2.1).
    ///
    /// Guess: 1753 where no cluster service runs, 1722 where nothing answers.
    pub(crate) fn find_cluster(&self, name: Option<&str>) -> Result<String, u32> {
        let name = match name {
            None | Some("" | ".") => return self.cluster_through(&self.local),
            Some(name) => name,
        };
        let short = self.short_name(name);
        let address: Option<IpAddr> = name.parse().ok();
        let named = self.clusters.iter().find(|cluster| match address {
            Some(address) => cluster.addresses().any(|own| own == address),
            None => cluster.has_network_name() && cluster.name.eq_ignore_ascii_case(short),
        });
        if let Some(cluster) = named {
            return self.serving(&cluster.id).map(|cluster| cluster.id.clone());
        }
        let machine = match address {
            Some(address) => self
                .machines
                .iter()
                .find(|machine| machine.addresses.contains(&address)),
            None => self.machine(name),
        };
        self.cluster_through(&machine.ok_or(RPC_S_SERVER_UNAVAILABLE)?.name)
    }

    fn cluster_through(&self, machine: &str) -> Result<String, u32> {
        let machine = self.reachable_machine(Some(machine))?;
        match &machine.membership {
            Some(id) if machine.service_running && self.cluster(id).is_some() => Ok(id.clone()),
            _ => Err(EPT_S_NOT_REGISTERED),
        }
    }

    /// The cluster, when some active node of it can answer.
    pub(crate) fn serving(&self, id: &str) -> Result<&Cluster, u32> {
        self.cluster(id)
            .filter(|cluster| cluster.nodes.iter().any(|node| self.is_active(cluster, node)))
            .ok_or(RPC_S_SERVER_UNAVAILABLE)
    }

    /// The number of the node that a name or decimal number means.
    pub(crate) fn find_node(&self, cluster: &Cluster, name: &str) -> Result<u32, u32> {
        let short = self.short_name(name);
        cluster
            .nodes
            .iter()
            .find(|node| node.name.eq_ignore_ascii_case(short))
            .map(|node| node.id)
            .ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)
    }

    /// Adds a node that is Joining. The lowest free number is taken.
    pub(crate) fn add_node(&mut self, cluster_id: &str, machine: &str) -> Option<u32> {
        let name = self.machine(machine)?.name.clone();
        let instance = self.identities.guid();
        let cluster = self.cluster_mut(cluster_id)?;
        let id = (1..).find(|id| cluster.node(*id).is_none())?;
        let (settings, private) = (Settings::new(), Settings::new());
        cluster.nodes.push(Node {
            id,
            name,
            state: node_state::JOINING,
            instance,
            settings,
            private,
            present: false,
            dynamic_weight: 0,
            drain: Drain::default(),
            health: Health::default(),
        });
        let event = cluster.node(id).map(|node| Event::node_added(cluster_id, node));
        self.events.extend(event);
        Some(id)
    }

    /// Makes a node an active member: Joining becomes Up, and its interfaces appear.
    pub(crate) fn node_up(&mut self, cluster_id: &str, machine: &str) {
        let before = self.states(cluster_id);
        let short = self.short_name(machine).to_owned();
        if let Some(node) = self
            .cluster_mut(cluster_id)
            .and_then(|cluster| {
                cluster
                    .nodes
                    .iter_mut()
                    .find(|node| node.name.eq_ignore_ascii_case(&short))
            })
            .filter(|node| node.state == node_state::JOINING)
        {
            node.state = node_state::UP;
        }
        self.refresh_presence(cluster_id);
        self.attach_networks(cluster_id);
        self.tell_changes(cluster_id, &before);
    }

    /// Changes a machine, and tells what that means for the nodes on it.
    pub(crate) fn change_machine(&mut self, machine: &str, change: impl FnOnce(&mut super::Machine)) -> bool {
        let before: Vec<_> = self
            .clusters
            .iter()
            .map(|cluster| (cluster.id.clone(), self.states(&cluster.id)))
            .collect();
        let Some(machine) = self.machine_mut(machine) else {
            return false;
        };
        change(machine);
        for (cluster, before) in before {
            self.refresh_presence(&cluster);
            self.rehome_groups(&cluster);
            self.tell_changes(&cluster, &before);
        }
        true
    }

    fn refresh_presence(&mut self, cluster_id: &str) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let present: Vec<(u32, bool)> = cluster
            .nodes
            .iter()
            .map(|node| {
                (
                    node.id,
                    node.state != node_state::JOINING && self.is_alive(cluster, node),
                )
            })
            .collect();
        let Some(cluster) = self.cluster_mut(cluster_id) else {
            return;
        };
        for (id, present) in present {
            if let Some(node) = cluster.node_mut(id) {
                node.present = present;
                node.dynamic_weight = u32::from(present);
            }
        }
    }

    /// Tells the state of a group when it is another than was told last.
    pub(crate) fn tell_group_state(&mut self, cluster_id: &str, group_id: &str) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        let Some(group) = cluster.group(group_id) else { return };
        let state = cluster.group_state(group);
        if let Some(group) = cluster.group_mut(group_id)
            && group.told != state
        {
            group.told = state;
            self.events.push(Event::group_state(cluster_id, group, state));
        }
    }

    /// The state of each node, to compare with later.
    pub(crate) fn states(&self, cluster_id: &str) -> Vec<(u32, i32)> {
        let Some(cluster) = self.cluster(cluster_id) else {
            return Vec::new();
        };
        cluster
            .nodes
            .iter()
            .map(|node| (node.id, self.node_state(cluster, node)))
            .collect()
    }

    /// Emits what differs from an earlier look at the states.
    pub(crate) fn tell_changes(&mut self, cluster_id: &str, before: &[(u32, i32)]) {
        let after = self.states(cluster_id);
        let changed: Vec<_> = after.iter().filter(|state| !before.contains(state)).copied().collect();
        if changed.is_empty() {
            return;
        }
        if let Some(cluster) = self.clusters.iter().find(|cluster| cluster.id == cluster_id) {
            for (id, state) in changed {
                self.events
                    .extend(cluster.node(id).map(|node| Event::node_state(cluster_id, node, state)));
            }
        }
        self.emit_membership(cluster_id);
        self.refresh_networks(cluster_id);
        self.refresh_volumes(cluster_id);
    }

    /// Gives the groups of nodes that are gone to the first active node. Guess: the first; real placement is richer.
    fn rehome_groups(&mut self, cluster_id: &str) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let active: Vec<u32> = cluster
            .nodes
            .iter()
            .filter(|node| self.is_active(cluster, node))
            .map(|node| node.id)
            .collect();
        let Some(first) = active.first().copied() else { return };
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        for group in cluster.groups.iter_mut().filter(|group| !active.contains(&group.owner)) {
            let lost = std::mem::replace(&mut group.owner, first);
            self.events.push(Event::owner_node(cluster_id, group));
            for (id, flag) in [(lost, notify_node::GROUP_LOST), (first, notify_node::GROUP_GAINED)] {
                let node = cluster.nodes.iter().find(|node| node.id == id);
                self.events
                    .extend(node.map(|node| Event::of_node(cluster_id, flag, node)));
            }
        }
    }

    /// Moves all groups of a node to another active one, as a drain does; false when there is none.
    pub(crate) fn drain(&mut self, cluster_id: &str, from: u32, target: Option<u32>) -> bool {
        let Some(cluster) = self.cluster(cluster_id) else {
            return false;
        };
        let target = target.or_else(|| {
            cluster
                .nodes
                .iter()
                .find(|node| node.id != from && self.node_state(cluster, node) == node_state::UP)
                .map(|node| node.id)
        });
        let Some(target) = target else {
            return cluster.groups.iter().all(|group| group.owner != from);
        };
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return false;
        };
        for group in cluster.groups.iter_mut().filter(|group| group.owner == from) {
            group.owner = target;
            self.events.push(Event::owner_node(cluster_id, group));
        }
        true
    }

    /// True when the cluster keeps its quorum without a node. Guess: more than half of the remaining votes are active.
    pub(crate) fn survives_without(&self, cluster: &Cluster, node: u32) -> bool {
        let rest: Vec<&Node> = cluster.nodes.iter().filter(|other| other.id != node).collect();
        let active = rest.iter().filter(|other| self.is_active(cluster, other)).count();
        active * 2 > rest.len()
    }

    /// Evicts a node (facts 1.4). `Ok` holds the HRESULT of the clean-up on the node itself; 0 is success.
    pub(crate) fn evict(&mut self, cluster_id: &str, node_id: u32) -> Result<u32, u32> {
        let cluster = self.serving(cluster_id)?;
        let node = cluster.node(node_id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        if !self.survives_without(cluster, node_id) {
            return Err(ERROR_CLUSTER_EVICT_INVALID_REQUEST);
        }
        let name = node.name.clone();
        self.drain(cluster_id, node_id, None);
        self.remove_node(cluster_id, node_id);
        Ok(self.clean_node(&name))
    }

    /// Evicts a node as a recorded call did, whatever the rules; the status is that of its clean-up.
    pub(crate) fn evict_by_force(&mut self, cluster_id: &str, node_id: u32, cleanup_status: u32) {
        let node = self.cluster(cluster_id).and_then(|cluster| cluster.node(node_id));
        let Some(name) = node.map(|node| node.name.clone()) else {
            return;
        };
        self.drain(cluster_id, node_id, None);
        self.remove_node(cluster_id, node_id);
        if let Some(machine) = self.machine_mut(&name) {
            if cleanup_status == 0 {
                machine.clean_up();
            } else {
                machine.service_running = false;
            }
        }
    }

    /// Makes a host's GetNodeClusterState answer what was recorded (facts 1.2). An unknown number changes nothing.
    pub(crate) fn set_cluster_state(&mut self, host: &str, cluster_state: u32) {
        self.change_machine(host, |machine| {
            let foreign = || super::FOREIGN_CLUSTER.to_owned();
            match cluster_state {
                node_cluster_state::NOT_INSTALLED => {
                    machine.feature_installed = false;
                    machine.service_running = false;
                }
                node_cluster_state::NOT_CONFIGURED => machine.clean_up(),
                node_cluster_state::NOT_RUNNING => {
                    machine.membership.get_or_insert_with(foreign);
                    machine.service_running = false;
                }
                node_cluster_state::RUNNING => {
                    machine.membership.get_or_insert_with(foreign);
                    machine.service_running = true;
                }
                _ => {}
            }
        });
    }

    /// Drops a node from the configuration and tells so; the machine keeps its own.
    pub(crate) fn remove_node(&mut self, cluster_id: &str, node_id: u32) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        if let Some(position) = cluster.nodes.iter().position(|node| node.id == node_id) {
            let node = cluster.nodes.remove(position);
            self.events
                .push(Event::of_node(cluster_id, notify_node::DELETED, &node));
        }
        self.detach_networks(cluster_id, node_id);
        self.rehome_groups(cluster_id);
        self.emit_membership(cluster_id);
    }

    /// Cleans an evicted machine up; the HRESULT of it. A machine that does not answer stays as it is.
    pub(crate) fn clean_node(&mut self, machine: &str) -> u32 {
        if self.reachable_machine(Some(machine)).is_err() {
            return hresult(ERROR_CLUSTER_NODE_UNREACHABLE);
        }
        match self.machine_mut(machine) {
            Some(machine) => match machine.cleanup_fails {
                Some(status) => {
                    machine.service_running = false;
                    status
                }
                None => {
                    machine.clean_up();
                    0
                }
            },
            None => hresult(ERROR_CLUSTER_NODE_UNREACHABLE),
        }
    }
}

//! Finding clusters, and nodes coming and going.

use std::net::IpAddr;

use wsfc_clusapi::sys::constants::{node_cluster_state, node_state, notify_node};

use super::World;
use super::cluster::Cluster;
use super::events::Event;
use super::node::Node;
use super::quorum::Leaving;
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
            Some(id) if machine.service_running && self.answers(id, &machine.name) => Ok(id.clone()),
            _ => Err(EPT_S_NOT_REGISTERED),
        }
    }

    /// True when the cluster service on a machine serves calls: the cluster is formed, and the machine's node belongs to
    /// it or joins it. A service that waits for quorum serves none.
    fn answers(&self, cluster_id: &str, machine: &str) -> bool {
        self.cluster(cluster_id).is_some_and(|cluster| {
            let own = cluster
                .nodes
                .iter()
                .find(|node| node.name.eq_ignore_ascii_case(machine));
            cluster.is_formed() && own.is_none_or(|node| node.shown_state() != node_state::DOWN)
        })
    }

    /// The cluster, when some active node of it can answer.
    pub(crate) fn serving(&self, id: &str) -> Result<&Cluster, u32> {
        self.cluster(id)
            .filter(|cluster| cluster.is_formed())
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
        cluster.nodes.push(Node::new(id, name, instance));
        let event = cluster.node(id).map(|node| Event::node_added(cluster_id, node));
        self.events.extend(event);
        Some(id)
    }

    /// Makes a node an active member: Joining becomes Up, and its interfaces appear.
    pub(crate) fn node_up(&mut self, cluster_id: &str, machine: &str) {
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
        self.attach_networks(cluster_id);
        self.review(cluster_id, Leaving::Abruptly);
    }

    /// Changes a machine, and does what that means for the nodes on it.
    pub(crate) fn change_machine(
        &mut self,
        machine: &str,
        leaving: Leaving,
        change: impl FnOnce(&mut super::Machine),
    ) -> bool {
        let Some(machine) = self.machine_mut(machine) else {
            return false;
        };
        change(machine);
        self.review_all(leaving);
        true
    }

    /// Looks at every cluster anew.
    pub(crate) fn review_all(&mut self, leaving: Leaving) {
        let ids: Vec<String> = self.clusters.iter().map(|cluster| cluster.id.clone()).collect();
        for id in ids {
            self.review(&id, leaving);
        }
    }

    /// Stops the cluster service of all nodes at once.
    pub(crate) fn shut_cluster_down(&mut self, cluster_id: &str) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let names: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
        for name in names {
            if let Some(machine) = self.machine_mut(&name) {
                machine.service_running = false;
            }
        }
        self.review(cluster_id, Leaving::Together);
    }

    /// Evicts a node (facts 1.4). `Ok` holds the HRESULT of the clean-up on the node itself; 0 is success.
    pub(crate) fn evict(&mut self, cluster_id: &str, node_id: u32) -> Result<u32, u32> {
        let cluster = self.serving(cluster_id)?;
        let node = cluster.node(node_id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        if !cluster.keeps_majority_without(Some(node_id)) {
            return Err(ERROR_CLUSTER_EVICT_INVALID_REQUEST);
        }
        let name = node.name.clone();
        self.remove_node(cluster_id, node_id);
        Ok(self.clean_node(&name))
    }

    /// Evicts a node as a recorded call did, whatever the rules; the status is that of its clean-up.
    pub(crate) fn evict_by_force(&mut self, cluster_id: &str, node_id: u32, cleanup_status: u32) {
        let node = self.cluster(cluster_id).and_then(|cluster| cluster.node(node_id));
        let Some(name) = node.map(|node| node.name.clone()) else {
            return;
        };
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
        self.change_machine(host, Leaving::Orderly, |machine| {
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
        if let Some(mut service) = self.service(cluster_id) {
            service.forget_node(node_id);
        }
        self.review(cluster_id, Leaving::Orderly);
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

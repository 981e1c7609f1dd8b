//! Networks and their interfaces (facts 2.2 and 2.6): roles, metrics, order and states.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{
    network_interface_state, network_state, notify_cluster, notify_network, notify_network_interface, notify_node,
    notify_object,
};

use super::World;
use super::cluster::{Cluster, IP_ADDRESS, IPV6_ADDRESS};
use super::events::Event;
use super::node::Node;
use super::properties::{Owner, Setting, Settings};
use crate::win32::{
    ERROR_CLUSTER_LAST_INTERNAL_NETWORK, ERROR_CLUSTER_NETINTERFACE_NOT_FOUND, ERROR_CLUSTER_NETWORK_HAS_DEPENDENTS,
    ERROR_CLUSTER_NETWORK_NOT_FOUND, ERROR_CLUSTER_NETWORK_NOT_INTERNAL, ERROR_CLUSTER_NODE_NOT_FOUND,
    ERROR_INVALID_PARAMETER, ERROR_OBJECT_ALREADY_EXISTS,
};

/// Bits of the property Role (facts 2.6).
const ROLE_INTERNAL: u32 = 1;
const ROLE_CLIENT: u32 = 2;
const ROLE_BOTH: u32 = 3;

/// A network as the cluster knows it. Networks stand in the order of their priority.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClusterNetwork {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The name of the network of the world, which stays when the cluster gives it another one.
    pub(crate) origin: String,
    pub(crate) subnet: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) interfaces: Vec<Interface>,
    /// The state that was told last.
    pub(crate) told: i32,
    pub(crate) settings: Settings,
    pub(crate) private: Settings,
}

/// A network interface of a node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) node: u32,
    pub(crate) address: Option<IpAddr>,
    /// The state that was told last.
    pub(crate) told: i32,
    pub(crate) settings: Settings,
    pub(crate) private: Settings,
}

impl ClusterNetwork {
    /// What it is used for.
    pub(crate) fn role(&self) -> u32 {
        self.settings.get("Role").and_then(Setting::number).unwrap_or(ROLE_BOTH)
    }

    /// The nodes talk to each other over it.
    pub(crate) fn is_internal(&self) -> bool {
        self.role() & ROLE_INTERNAL != 0
    }

    /// The mask as text; empty for IPv6.
    pub(crate) fn mask(&self) -> String {
        if self.subnet.is_ipv6() {
            return String::new();
        }
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
        std::net::Ipv4Addr::from(mask).to_string()
    }

    fn contains(&self, address: IpAddr) -> bool {
        let network = crate::scenario::Network {
            name: String::new(),
            subnet: self.subnet,
            prefix: self.prefix,
        };
        network.contains(address)
    }
}

impl Cluster {
    pub(crate) fn network(&self, id: &str) -> Option<&ClusterNetwork> {
        self.networks.iter().find(|network| network.id == id)
    }

    pub(crate) fn network_mut(&mut self, id: &str) -> Option<&mut ClusterNetwork> {
        self.networks.iter_mut().find(|network| network.id == id)
    }

    /// The network that an address lies in.
    pub(crate) fn network_of(&self, address: IpAddr) -> Option<&ClusterNetwork> {
        self.networks.iter().find(|network| network.contains(address))
    }

    /// An interface and its network.
    pub(crate) fn interface(&self, id: &str) -> Option<(&ClusterNetwork, &Interface)> {
        self.interfaces().find(|(_, interface)| interface.id == id)
    }

    pub(crate) fn interface_mut(&mut self, id: &str) -> Option<&mut Interface> {
        self.networks
            .iter_mut()
            .flat_map(|network| &mut network.interfaces)
            .find(|interface| interface.id == id)
    }

    /// All interfaces, each with its network.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = (&ClusterNetwork, &Interface)> {
        self.networks
            .iter()
            .flat_map(|network| network.interfaces.iter().map(move |interface| (network, interface)))
    }

    /// The network of a name or id, case not regarded; 5045.
    pub(crate) fn find_network(&self, name: &str) -> Result<&ClusterNetwork, u32> {
        self.networks
            .iter()
            .find(|network| network.name.eq_ignore_ascii_case(name) || network.id.eq_ignore_ascii_case(name))
            .ok_or(ERROR_CLUSTER_NETWORK_NOT_FOUND)
    }

    /// The interface of a name or id, case not regarded; 5047.
    pub(crate) fn find_interface(&self, name: &str) -> Result<&Interface, u32> {
        self.interfaces()
            .map(|(_, interface)| interface)
            .find(|own| own.name.eq_ignore_ascii_case(name) || own.id.eq_ignore_ascii_case(name))
            .ok_or(ERROR_CLUSTER_NETINTERFACE_NOT_FOUND)
    }

    /// The interface of a node on a network, each by name: 5042, 5045, or 5047 when the node is not on it.
    pub(crate) fn interface_between(&self, node: u32, network: &str) -> Result<&Interface, u32> {
        self.node(node).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        self.find_network(network)?
            .interfaces
            .iter()
            .find(|interface| interface.node == node)
            .ok_or(ERROR_CLUSTER_NETINTERFACE_NOT_FOUND)
    }

    /// The metric of a network: set, or by role and place. Guess: what clusters show, from about 30,000 for networks
    /// that clients use and 70,000 for the others, 1,000 apart.
    pub(crate) fn metric(&self, network: &ClusterNetwork) -> u32 {
        if let Some(metric) = network.settings.get("Metric").and_then(Setting::number)
            && network.settings.get("AutoMetric") != Some(&Setting::Dword(1))
        {
            return metric;
        }
        let base = if network.role() & ROLE_CLIENT != 0 {
            70_240
        } else {
            30_240
        };
        let place = self.networks.iter().position(|own| own.id == network.id);
        let place = u32::try_from(place.unwrap_or_default()).unwrap_or_default();
        base + place.saturating_mul(1_000)
    }

    /// Whether a network may get another role: 5066 when it is the last internal one, 5067 when addresses depend on
    /// it. 87 for client only, which is not supported any more (facts 2.6).
    pub(crate) fn check_role(&self, network: &ClusterNetwork, role: u32) -> Result<(), u32> {
        if role == ROLE_CLIENT {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let others = self.networks.iter().filter(|own| own.id != network.id);
        if role & ROLE_INTERNAL == 0 && network.is_internal() && !others.clone().any(ClusterNetwork::is_internal) {
            return Err(ERROR_CLUSTER_LAST_INTERNAL_NETWORK);
        }
        let depends = self.resources.iter().any(|resource| {
            matches!(resource.kind.as_str(), IP_ADDRESS | IPV6_ADDRESS)
                && resource.address.is_some_and(|address| network.contains(address))
        });
        if role & ROLE_CLIENT == 0 && depends {
            return Err(ERROR_CLUSTER_NETWORK_HAS_DEPENDENTS);
        }
        Ok(())
    }
}

impl World {
    /// The state of an interface (facts 2.2 names them): without its node it is unavailable. Guess: one that carries
    /// nothing has failed, and one that does not reach some other working interface of an active member is unreachable,
    /// and so is the other one.
    pub(crate) fn interface_state(&self, cluster: &Cluster, network: &ClusterNetwork, interface: &Interface) -> i32 {
        let node = cluster.node(interface.node).filter(|node| node.present);
        match node {
            None => network_interface_state::UNAVAILABLE,
            Some(node) if !self.heartbeats.carries(&node.name, &network.origin) => network_interface_state::FAILED,
            Some(node) if self.reaches_all(cluster, network, node) => network_interface_state::UP,
            Some(_) => network_interface_state::UNREACHABLE,
        }
    }

    /// True when an active member reaches all others over a network, those aside whose interfaces carry nothing.
    fn reaches_all(&self, cluster: &Cluster, network: &ClusterNetwork, node: &Node) -> bool {
        let beats = &self.heartbeats;
        beats.is_whole()
            || network
                .interfaces
                .iter()
                .filter_map(|interface| cluster.node(interface.node))
                .filter(|other| other.id != node.id && other.present && beats.carries(&other.name, &network.origin))
                .all(|other| beats.links(&node.name, &other.name, &network.origin))
    }

    /// The state of a network: that of its interfaces, taken together. A network that the cluster does not use is
    /// unavailable. Guess: it is partitioned when interfaces that work do not reach each other; interfaces that have
    /// failed leave it up for the others.
    pub(crate) fn network_state(&self, cluster: &Cluster, network: &ClusterNetwork) -> i32 {
        let states: Vec<i32> = network
            .interfaces
            .iter()
            .map(|interface| self.interface_state(cluster, network, interface))
            .filter(|state| *state != network_interface_state::UNAVAILABLE)
            .collect();
        if states.is_empty() || network.role() == 0 {
            network_state::UNAVAILABLE
        } else if states.contains(&network_interface_state::UNREACHABLE) {
            network_state::PARTITIONED
        } else if states.contains(&network_interface_state::UP) {
            network_state::UP
        } else {
            network_state::DOWN
        }
    }

    /// Tells the states of networks and interfaces that differ from what was told last. To be called whenever nodes,
    /// interfaces or roles have changed.
    pub(crate) fn refresh_networks(&mut self, cluster_id: &str) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let interfaces: Vec<Vec<i32>> = cluster
            .networks
            .iter()
            .map(|network| {
                let own = network.interfaces.iter();
                own.map(|interface| self.interface_state(cluster, network, interface))
                    .collect()
            })
            .collect();
        let networks: Vec<i32> = cluster
            .networks
            .iter()
            .map(|network| self.network_state(cluster, network))
            .collect();
        let mut events = Vec::new();
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            for ((network, state), states) in cluster.networks.iter_mut().zip(networks).zip(interfaces) {
                for (interface, state) in network.interfaces.iter_mut().zip(states) {
                    if std::mem::replace(&mut interface.told, state) != state {
                        events.push(interface_event(
                            cluster_id,
                            notify_network_interface::STATE,
                            interface,
                            state,
                        ));
                    }
                }
                if std::mem::replace(&mut network.told, state) != state {
                    let event = network_event(cluster_id, notify_network::STATE, network);
                    events.push(event.with_properties(state.to_le_bytes().to_vec()));
                }
            }
        }
        self.events.extend(events);
    }

    /// Gives a network another name; 5010 for one that is taken. Guess: its interfaces keep theirs.
    pub(crate) fn rename_network(&mut self, cluster_id: &str, id: &str, name: &str) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        cluster.network(id).ok_or(ERROR_CLUSTER_NETWORK_NOT_FOUND)?;
        let taken = cluster
            .networks
            .iter()
            .any(|own| own.id != id && own.name.eq_ignore_ascii_case(name));
        if taken {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        if let Some(network) = self.cluster_mut(cluster_id).and_then(|cluster| cluster.network_mut(id)) {
            name.clone_into(&mut network.name);
        }
        self.tell_name(cluster_id, &Owner::Network(id.into()), name);
        Ok(())
    }

    /// Puts the internal networks into an order: all of them must be named, each once. 5060 for one that is not
    /// internal, 87 for a list that is not complete (guess).
    pub(crate) fn order_networks(&mut self, cluster_id: &str, ids: &[String]) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        for (place, id) in ids.iter().enumerate() {
            let network = cluster.network(id).ok_or(ERROR_CLUSTER_NETWORK_NOT_FOUND)?;
            if !network.is_internal() {
                return Err(ERROR_CLUSTER_NETWORK_NOT_INTERNAL);
            }
            if ids[..place].contains(id) {
                return Err(ERROR_INVALID_PARAMETER);
            }
        }
        if ids.len() != cluster.networks.iter().filter(|own| own.is_internal()).count() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            let place = |network: &ClusterNetwork| ids.iter().position(|id| *id == network.id).unwrap_or(usize::MAX);
            cluster.networks.sort_by_key(place);
        }
        Ok(())
    }

    /// Gives each network of this world that touches a node a place in the cluster.
    pub(crate) fn attach_networks(&mut self, cluster_id: &str) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let mut missing = Vec::new();
        for network in &self.networks {
            for node in &cluster.nodes {
                let address = self.machine_of(node).and_then(|machine| {
                    let own = machine.addresses.iter();
                    own.copied().find(|address| network.contains(*address))
                });
                let known = cluster
                    .networks
                    .iter()
                    .filter(|own| own.origin == network.name)
                    .any(|own| own.interfaces.iter().any(|interface| interface.node == node.id));
                if let Some(address) = address
                    && !known
                {
                    missing.push((network.clone(), node.id, node.name.clone(), address));
                }
            }
        }
        for (network, node, node_name, address) in missing {
            let network_id = self.attach_network(cluster_id, &network);
            let interface = Interface {
                id: self.identities.guid(),
                name: format!("{node_name} - {}", network.name),
                node,
                address: Some(address),
                told: network_interface_state::UNAVAILABLE,
                settings: Settings::new(),
                private: Settings::new(),
            };
            let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
                return;
            };
            if let Some(owner) = cluster.node(node) {
                let mut event = Event::of_node(cluster_id, notify_node::NETWORK_INTERFACE_ADDED, owner);
                event.object_id.clone_from(&interface.id);
                event.name.clone_from(&interface.name);
                self.events.push(event);
            }
            if let Some(own) = cluster.networks.iter_mut().find(|own| own.id == network_id) {
                own.interfaces.push(interface);
            }
        }
        self.refresh_networks(cluster_id);
    }

    /// The id of a network of the world in a cluster, which learns of it when it does not know it.
    fn attach_network(&mut self, cluster_id: &str, network: &crate::scenario::Network) -> String {
        let known = self.cluster(cluster_id).and_then(|cluster| {
            let own = cluster.networks.iter().find(|own| own.origin == network.name);
            own.map(|own| own.id.clone())
        });
        if let Some(id) = known {
            return id;
        }
        let id = self.identities.guid();
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            let mut settings = Settings::new();
            if let Some(role) = cluster.settings.get("DefaultNetworkRole") {
                settings.insert("Role".into(), role.clone());
            }
            cluster.networks.push(ClusterNetwork {
                id: id.clone(),
                name: network.name.clone(),
                origin: network.name.clone(),
                subnet: network.subnet,
                prefix: network.prefix,
                interfaces: Vec::new(),
                told: network_state::UNAVAILABLE,
                settings,
                private: Settings::new(),
            });
        }
        let mut event = Event::of_cluster(cluster_id, notify_cluster::NETWORK_ADDED, &network.name);
        event.object_id.clone_from(&id);
        self.events.push(event);
        id
    }

    /// Takes the interfaces of a node that is gone away, and with the last one the network.
    pub(crate) fn detach_networks(&mut self, cluster_id: &str, node: u32) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        for network in &mut cluster.networks {
            let gone = network.interfaces.extract_if(.., |interface| interface.node == node);
            let flag = notify_network_interface::DELETED;
            self.events.extend(gone.map(|interface| {
                let object = notify_object::NETWORK_INTERFACE;
                Event::new(cluster_id, object, flag, &interface.id, &interface.name)
            }));
        }
        let empty = cluster.networks.extract_if(.., |network| network.interfaces.is_empty());
        self.events
            .extend(empty.map(|network| network_event(cluster_id, notify_network::DELETED, &network)));
        self.refresh_networks(cluster_id);
    }
}

fn network_event(cluster_id: &str, flag: i64, network: &ClusterNetwork) -> Event {
    Event::new(cluster_id, notify_object::NETWORK, flag, &network.id, &network.name)
}

fn interface_event(cluster_id: &str, flag: i64, interface: &Interface, state: i32) -> Event {
    let object = notify_object::NETWORK_INTERFACE;
    Event::new(cluster_id, object, flag, &interface.id, &interface.name).with_properties(state.to_le_bytes().to_vec())
}

//! The rules of the setup phases (facts 1.4 and 1.5): what each does to the world, and why it may not.

use std::net::IpAddr;

use wsfc_clusapi::sys::constants::{MAX_NODES, group_type, notify_group, resource_state};

use super::World;
use super::cluster::{Cluster, DISTRIBUTED_NETWORK_NAME, Group, IP_ADDRESS, IPV6_ADDRESS, NETWORK_NAME, Resource};
use super::events::Event;
use super::quorum::Leaving;
use crate::release::Release;
use crate::win32::{
    ERROR_ACCESS_DENIED, ERROR_BAD_NETPATH, ERROR_CLUSTER_INCOMPATIBLE_VERSIONS, ERROR_CLUSTER_IPADDR_IN_USE,
    ERROR_CLUSTER_MAX_NODES_IN_CLUSTER, ERROR_CLUSTER_NETWORK_NOT_FOUND_FOR_IP, ERROR_CLUSTER_NODE_ALREADY_MEMBER,
    ERROR_CLUSTER_NODE_UNREACHABLE, ERROR_CLUSTER_NOT_INSTALLED, ERROR_CLUSTER_OBJECT_ALREADY_USED,
    ERROR_CLUSTER_WRONG_OS_VERSION, ERROR_NODE_CANNOT_BE_CLUSTERED, REGDB_E_CLASSNOTREG, RPC_S_SERVER_UNAVAILABLE,
    code_of, hresult,
};

/// How a phase ends when it does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The phase finishes, with a status to note.
    Warning(u32),
    /// The phase cannot finish; the call fails with `code`.
    Fatal {
        /// What the callback gets: a Win32 code or an HRESULT.
        status: u32,
        /// What `GetLastError` or the return value says.
        code: u32,
    },
}

impl Trouble {
    /// A fatal end whose status and code are the same.
    pub(crate) fn fatal(status: u32) -> Self {
        Self::Fatal {
            status,
            code: code_of(status),
        }
    }
}

impl World {
    /// ValidateNodeState: the machine answers, has the feature and is free.
    ///
    /// Guess: 53 for an unknown name, 5898 for a member of another cluster. The HRESULTs are observed (facts 1.5).
    pub(crate) fn validate_node(&self, name: &str, joining: Option<&str>) -> Result<(), Trouble> {
        let machine = self.machine(name).ok_or(Trouble::fatal(ERROR_BAD_NETPATH))?;
        if self.reachable_machine(Some(name)).is_err() {
            return Err(Trouble::fatal(hresult(ERROR_CLUSTER_NODE_UNREACHABLE)));
        }
        if !machine.feature_installed {
            return Err(Trouble::Fatal {
                status: REGDB_E_CLASSNOTREG,
                code: ERROR_CLUSTER_NOT_INSTALLED,
            });
        }
        match &machine.membership {
            None => Ok(()),
            Some(id) if joining == Some(id) => Err(Trouble::fatal(ERROR_CLUSTER_NODE_ALREADY_MEMBER)),
            Some(_) => Err(Trouble::fatal(ERROR_NODE_CANNOT_BE_CLUSTERED)),
        }
    }

    /// The functional level that a cluster of these machines forms at: the highest they share, or `wanted` when all of
    /// them can work at it.
    pub(crate) fn forming_level(&self, nodes: &[String], wanted: Option<u32>) -> u32 {
        let releases: Vec<Release> = nodes
            .iter()
            .filter_map(|node| self.machine(node))
            .map(|machine| machine.os)
            .collect();
        let highest = releases
            .iter()
            .map(|release| release.functional_level())
            .min()
            .unwrap_or_default();
        let lowest = releases
            .iter()
            .map(|release| release.lowest_functional_level())
            .max()
            .unwrap_or_default();
        wanted
            .filter(|level| (lowest..=highest).contains(level))
            .unwrap_or(highest)
    }

    /// A machine of a release that is too new for the others cannot form a cluster with them. Guess: 5899.
    pub(crate) fn validate_release(&self, name: &str, level: u32) -> Result<(), Trouble> {
        match self.machine(name) {
            Some(machine) if machine.os.lowest_functional_level() > level => {
                Err(Trouble::fatal(ERROR_CLUSTER_WRONG_OS_VERSION))
            }
            _ => Ok(()),
        }
    }

    /// Whether a machine may join a cluster: room for it, and the version rule of facts 1.7 in terms of the functional
    /// level. A node joins when the level is its highest or its lowest; otherwise 5075.
    pub(crate) fn validate_joining(&self, name: &str, cluster: &Cluster) -> Result<(), Trouble> {
        if cluster.nodes.len() >= MAX_NODES {
            return Err(Trouble::fatal(ERROR_CLUSTER_MAX_NODES_IN_CLUSTER));
        }
        let Some(machine) = self.machine(name) else {
            return Err(Trouble::fatal(ERROR_BAD_NETPATH));
        };
        let supported = machine.os.lowest_functional_level()..=machine.os.functional_level();
        if supported.contains(&cluster.functional_level) {
            Ok(())
        } else {
            Err(Trouble::fatal(ERROR_CLUSTER_INCOMPATIBLE_VERSIONS))
        }
    }

    /// QueryClusterNameAccount: the computer object must not be in use.
    pub(crate) fn query_account(&self, name: &str) -> Result<(), Trouble> {
        if self.directory.accounts.contains(&name.to_lowercase()) {
            Err(Trouble::fatal(ERROR_CLUSTER_OBJECT_ALREADY_USED))
        } else {
            Ok(())
        }
    }

    /// ValidateClusterNameAccount: the caller may create it.
    pub(crate) fn validate_account(&self) -> Result<(), Trouble> {
        if self.directory.account_creation {
            Ok(())
        } else {
            Err(Trouble::fatal(ERROR_ACCESS_DENIED))
        }
    }

    /// ConfigureClusSvc: the machine belongs to the cluster from here on.
    pub(crate) fn configure_service(&mut self, name: &str, cluster_id: &str) -> Result<(), Trouble> {
        // Another call may have taken the machine since it was validated.
        self.validate_node(name, Some(cluster_id))?;
        let machine = self.machine_mut(name).ok_or(Trouble::fatal(ERROR_BAD_NETPATH))?;
        machine.membership = Some(cluster_id.into());
        Ok(())
    }

    /// StartingClusSvc.
    pub(crate) fn start_service(&mut self, name: &str) -> Result<(), Trouble> {
        if self.reachable_machine(Some(name)).is_err() {
            return Err(Trouble::fatal(RPC_S_SERVER_UNAVAILABLE));
        }
        self.change_machine(name, Leaving::Orderly, |machine| machine.service_running = true);
        Ok(())
    }

    /// FormingCluster: the cluster exists, with its first node up.
    pub(crate) fn form(&mut self, id: &str, name: &str, level: u32, first: &str) {
        self.clusters.push(Cluster::new(id.into(), name.into(), level));
        self.add_node(id, first);
        self.node_up(id, first);
    }

    /// CreateGroups.
    pub(crate) fn create_group(&mut self, cluster_id: &str, name: &str, group_type: u32) -> Option<String> {
        let id = self.identities.guid();
        let cluster = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id)?;
        let mut nodes = cluster.nodes.iter();
        let owner = nodes.find(|node| node.present).or(cluster.nodes.first())?.id;
        let group = Group::new(id.clone(), name, group_type, owner);
        self.events.push(Event::group_added(cluster_id, &group));
        cluster.groups.push(group);
        Some(id)
    }

    /// CreateIPAddressResources: one address, which must fit a network and be free. A missing resource is a warning:
    /// the cluster exists without it (facts 1.3 and 1.5). The network's own address asks for DHCP (facts 1.2).
    pub(crate) fn create_address(&mut self, cluster_id: &str, address: IpAddr, prefix: u32) -> Result<(), Trouble> {
        let network = self
            .networks
            .iter()
            .find(|network| network.contains(address) && u32::from(network.prefix) == prefix)
            .ok_or(Trouble::Warning(ERROR_CLUSTER_NETWORK_NOT_FOUND_FOR_IP))?;
        let address = if address == network.subnet {
            (100..1_000)
                .map(|host| network.address(host))
                .find(|free| network.contains(*free) && !self.is_address_used(*free))
                .ok_or(Trouble::Warning(ERROR_CLUSTER_IPADDR_IN_USE))?
        } else {
            address
        };
        if self.is_address_used(address) {
            return Err(Trouble::Warning(ERROR_CLUSTER_IPADDR_IN_USE));
        }
        let kind = if address.is_ipv4() { IP_ADDRESS } else { IPV6_ADDRESS };
        let id = self.identities.guid();
        let resource = Resource {
            address: Some(address),
            ..Resource::new(id, format!("Cluster IP Address {address}"), kind)
        };
        self.add_core_resource(cluster_id, resource);
        Ok(())
    }

    fn is_address_used(&self, address: IpAddr) -> bool {
        self.used_addresses.contains(&address)
            || self.machines.iter().any(|machine| machine.addresses.contains(&address))
            || self
                .clusters
                .iter()
                .any(|cluster| cluster.addresses().any(|own| own == address))
    }

    /// CreateNetworkName: the name resource, which makes the cluster's name known. Without an address under it the
    /// resource is missing as well; guess: with the status that the address had.
    pub(crate) fn create_network_name(&mut self, cluster_id: &str, distributed: bool) -> Result<(), Trouble> {
        let Some(cluster) = self.cluster(cluster_id) else {
            return Err(Trouble::fatal(RPC_S_SERVER_UNAVAILABLE));
        };
        if !distributed && cluster.addresses().next().is_none() {
            return Err(Trouble::Warning(ERROR_CLUSTER_NETWORK_NOT_FOUND_FOR_IP));
        }
        if cluster.has_network_name() {
            return Ok(());
        }
        let kind = if distributed {
            DISTRIBUTED_NETWORK_NAME
        } else {
            NETWORK_NAME
        };
        let id = self.identities.guid();
        self.add_core_resource(cluster_id, Resource::new(id, "Cluster Name".into(), kind));
        Ok(())
    }

    pub(crate) fn tell_group(&mut self, cluster_id: &str, group_id: &str) {
        if let Some(mut service) = self.service(cluster_id) {
            service.tell_group(group_id);
        }
    }

    fn add_core_resource(&mut self, cluster_id: &str, resource: Resource) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        let Some(group) = cluster.core_group() else { return };
        let flag = notify_group::RESOURCE_ADDED;
        self.events
            .push(Event::resource_in_group(cluster_id, flag, group, &resource.id));
        let group_id = group.id.clone();
        cluster.add_resource(&group_id, resource);
    }

    /// ClusterGroupOnline.
    pub(crate) fn bring_core_group_online(&mut self, cluster_id: &str) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        let Some(group) = cluster.core_group() else { return };
        let (group_id, resources) = (group.id.clone(), group.resources.clone());
        for id in resources {
            if let Some(resource) = cluster.resource_mut(&id) {
                resource.wanted = true;
                if resource.state != resource_state::ONLINE {
                    resource.state = resource_state::ONLINE;
                    self.events.push(Event::resource_state(cluster_id, resource));
                }
            }
        }
        self.tell_group(cluster_id, &group_id);
    }

    /// OfflineGroup.
    pub(crate) fn take_group_offline(&mut self, cluster_id: &str, name: &str) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        let Some(group) = cluster.groups.named(name) else {
            return;
        };
        let (group_id, resources) = (group.id.clone(), group.resources.clone());
        for id in resources {
            if let Some(resource) = cluster.resource_mut(&id) {
                resource.wanted = false;
                resource.state = resource_state::OFFLINE;
                self.events.push(Event::resource_state(cluster_id, resource));
            }
        }
        self.tell_group(cluster_id, &group_id);
    }

    /// DeleteGroup and CoreGroupCleanup.
    pub(crate) fn delete_group(&mut self, cluster_id: &str, name: &str) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        for id in cluster.groups.ids_where(|group| group.name == name) {
            if let Some(group) = cluster.groups.remove(&id) {
                for resource in &group.resources {
                    cluster.resources.remove(resource);
                }
                self.events
                    .push(Event::of_group(cluster_id, notify_group::DELETED, &group));
            }
        }
    }

    /// The groups that forbid to destroy the cluster (5937).
    pub(crate) fn foreign_groups(cluster: &Cluster) -> bool {
        cluster
            .groups
            .iter()
            .any(|group| !group.is_core() && group.group_type != group_type::TEMPORARY)
    }
}

//! Properties that follow from the world as it is now.

use std::net::IpAddr;

use super::{Class, Found, SECURITY_DESCRIPTOR, Setting};
use crate::world::World;
use crate::world::access;
use crate::world::cluster::{Cluster, Group, IP_ADDRESS, IPV6_ADDRESS, Resource};
use crate::world::network::{ClusterNetwork, Interface};
use crate::world::node::Node;

fn text(value: &str) -> Option<Setting> {
    Some(Setting::Text(value.into()))
}

fn dword(value: u32) -> Option<Setting> {
    Some(Setting::Dword(value))
}

fn joined(addresses: impl Iterator<Item = IpAddr>) -> Option<Setting> {
    Some(Setting::Texts(addresses.map(|address| address.to_string()).collect()))
}

impl World {
    /// The value of a property that is derived; `None` for those that are kept.
    pub(super) fn live(&self, cluster: &Cluster, found: Found<'_>, class: Class, name: &str) -> Option<Setting> {
        match (found, class) {
            (Found::Cluster(cluster), Class::ReadOnlyCommon) => self.live_cluster(cluster, name),
            (Found::Cluster(cluster), Class::Common) if name == SECURITY_DESCRIPTOR => {
                (!cluster.settings.contains_key(SECURITY_DESCRIPTOR))
                    .then(|| Setting::Binary(access::SecurityDescriptor::standard().write()))
            }
            (Found::Node(node), Class::ReadOnlyCommon) => self.live_node(cluster, node, name),
            (Found::Group(group), Class::ReadOnlyCommon) => self.live_group(cluster, group, name),
            (Found::Resource(resource), Class::ReadOnlyCommon) => live_resource(resource, name),
            (Found::Resource(resource), Class::Private | Class::ReadOnlyPrivate) => {
                live_private(cluster, resource, name)
            }
            (Found::ResourceType(kind), Class::ReadOnlyCommon) if name == "DllName" => text(&kind.dll),
            (Found::ResourceType(kind), Class::Common) if name == "Name" => {
                (!kind.settings.contains_key("Name")).then(|| Setting::Text(kind.display_name.clone()))
            }
            (Found::Network(network), Class::ReadOnlyCommon) => live_network(network, name),
            (Found::Network(network), Class::Common) if name == "Metric" => dword(cluster.metric(network)),
            (Found::Interface(network, interface), Class::ReadOnlyCommon) => {
                self.live_interface(cluster, network, interface, name)
            }
            (Found::GroupSet(set), Class::ReadOnlyCommon) => match name {
                "Name" => text(&set.name),
                "IsAvailabilitySet" => dword(set.availability.is_some().into()),
                "UpdateDomains" => dword(set.availability.as_ref().map_or(0, |config| config.update_domains)),
                "FaultDomains" => dword(set.availability.as_ref().map_or(0, |config| config.fault_domains)),
                "ReserveSpareNode" => dword(set.availability.as_ref().is_some_and(|config| config.spare_node).into()),
                "NodeDomainInfo" => set.availability.as_ref().map(|config| {
                    let nodes = cluster.nodes.iter();
                    Setting::Texts(nodes.map(|node| config.domains_of(&node.name, node.id)).collect())
                }),
                _ => None,
            },
            (Found::Rule(rule), Class::ReadOnlyCommon) => match name {
                "Name" => text(&rule.name),
                "Groups" => {
                    let groups = rule.groups.iter().filter_map(|id| cluster.group(id));
                    Some(Setting::Texts(groups.map(|group| group.name.clone()).collect()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn live_cluster(&self, cluster: &Cluster, name: &str) -> Option<Setting> {
        match name {
            "AdminAccessPoint" => dword(cluster.management_point.cast_unsigned()),
            "ClusterFunctionalLevel" => dword(cluster.functional_level),
            "ClusterUpgradeVersion" => dword(cluster.upgrade_version()),
            "FixQuorum" => dword(cluster.quorum.forced.into()),
            "WitnessDynamicWeight" => dword(cluster.quorum.witness_weight),
            _ => None,
        }
    }

    fn live_node(&self, cluster: &Cluster, node: &Node, name: &str) -> Option<Setting> {
        let os = self.machine_of(node).map(|machine| machine.os);
        let (major, minor, build) = os.map_or((0, 0, 0), |os| os.os_version());
        match name {
            "NodeName" => text(&node.name),
            "NodeHighestVersion" => dword(os.map_or(0, |os| os.highest_version())),
            "NodeLowestVersion" => dword(os.map_or(0, |os| os.lowest_version())),
            "MajorVersion" => dword(major.into()),
            "MinorVersion" => dword(minor.into()),
            "BuildNumber" => dword(build.into()),
            "NodeInstanceID" => text(&node.instance),
            "NodeDrainStatus" => dword(node.drain.status),
            "NodeDrainTarget" => dword(node.drain.target),
            "DrainErrorCode" => dword(node.drain.error),
            "NodeFailbackStatus" => dword(node.drain.failback_status),
            // While quorum is forced, who is outside must not form a cluster of its own (guess).
            "NeedsPreventQuorum" => dword((cluster.quorum.forced && !node.present).into()),
            "DynamicWeight" => dword(node.dynamic_weight),
            "StatusInformation" => dword(node.status_information()),
            "SerialNumber" | "UniqueID" => text(&format!("SIM-{}", node.name.to_uppercase())),
            "FaultDomain" => {
                let site = node.settings.get("FaultDomainId").and_then(Setting::as_text);
                Some(Setting::Texts(site.map(str::to_owned).into_iter().collect()))
            }
            _ => None,
        }
    }

    fn live_group(&self, cluster: &Cluster, group: &Group, name: &str) -> Option<Setting> {
        match name {
            "Name" => text(&group.name),
            "GroupType" => dword(group.group_type),
            "StatusInformation" => Some(Setting::Large(cluster.group_status(group, self.now_ms))),
            _ => None,
        }
    }

    fn live_interface(
        &self,
        cluster: &Cluster,
        network: &ClusterNetwork,
        interface: &Interface,
        name: &str,
    ) -> Option<Setting> {
        match name {
            "Name" => text(&interface.name),
            // The notification payloads hold the number; the property holds the name (facts 3.3).
            "Node" => cluster.node(interface.node).and_then(|node| text(&node.name)),
            "Network" => text(&network.name),
            "Adapter" => text(&format!("Simulated Adapter on {}", network.origin)),
            "AdapterId" => text(&interface.id),
            "Address" => interface.address.and_then(|address| text(&address.to_string())),
            "IPv4Addresses" => joined(interface.address.into_iter().filter(IpAddr::is_ipv4)),
            "IPv6Addresses" => joined(interface.address.into_iter().filter(IpAddr::is_ipv6)),
            _ => None,
        }
    }
}

fn live_resource(resource: &Resource, name: &str) -> Option<Setting> {
    match name {
        "Name" => text(&resource.name),
        "Type" => text(&resource.kind),
        "MonitorProcessId" => dword(resource.monitor),
        "LastOperationStatusCode" => Some(Setting::Large(resource.last_status.into())),
        // CLUSRES_STATUS_LOCKED (facts 2.2).
        "StatusInformation" => Some(Setting::Large(resource.locked.into())),
        _ => None,
    }
}

/// What the simulator knows of the resources that it makes itself, as long as nobody has set it.
fn live_private(cluster: &Cluster, resource: &Resource, name: &str) -> Option<Setting> {
    if resource.private.contains_key(name) {
        return None;
    }
    match (resource.kind.as_str(), name) {
        ("IP Address" | "IPv6 Address", "Address") => resource.address.and_then(|address| text(&address.to_string())),
        ("IP Address", "SubnetMask") => {
            let network = cluster.network_of(resource.address?)?;
            text(&network.mask())
        }
        ("IP Address" | "IPv6 Address", "Network") => text(&cluster.network_of(resource.address?)?.name),
        ("IPv6 Address", "PrefixLength") => dword(cluster.network_of(resource.address?)?.prefix.into()),
        ("Network Name" | "Distributed Network Name", "Name") if resource.name == CLUSTER_NAME => {
            text(&cluster.name.to_uppercase())
        }
        ("Network Name" | "Distributed Network Name", "DnsName") if resource.name == CLUSTER_NAME => {
            text(&cluster.name)
        }
        ("Network Name" | "Distributed Network Name", "ObjectGUID") => text(&resource.id.replace('-', "")),
        _ => None,
    }
}

impl Resource {
    /// Takes up the private properties that were stored while the resource was online (5024). Of what the simulator
    /// knows only an address follows from them.
    pub(crate) fn take_up(&mut self) {
        if matches!(self.kind.as_str(), IP_ADDRESS | IPV6_ADDRESS)
            && let Some(address) = self.private.get("Address").and_then(Setting::as_text)
        {
            self.address = address.parse().ok();
        }
    }
}

/// The resource that makes the cluster's own name known.
const CLUSTER_NAME: &str = "Cluster Name";

fn live_network(network: &ClusterNetwork, name: &str) -> Option<Setting> {
    let four = || network.subnet.is_ipv4();
    let prefix = || Some(Setting::Texts(vec![network.prefix.to_string()]));
    match name {
        "Name" => text(&network.name),
        "Address" if four() => text(&network.subnet.to_string()),
        "AddressMask" if four() => text(&network.mask()),
        "IPv4Addresses" => joined(Some(network.subnet).into_iter().filter(IpAddr::is_ipv4)),
        "IPv6Addresses" => joined(Some(network.subnet).into_iter().filter(IpAddr::is_ipv6)),
        "IPv4PrefixLengths" if four() => prefix(),
        "IPv6PrefixLengths" if !four() => prefix(),
        _ => None,
    }
}

//! What each enumeration lists, kind by kind, each in the order of its making.

use wsfc_clusapi::sys::constants::{
    cluster_enum, group_enum, group_type, network_enum, node_enum, resource_enum, resource_type_enum,
};

use super::super::Answer;
use crate::handles::Item;
use crate::win32::{
    ERROR_CLUSTER_NETWORK_NOT_FOUND, ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, ERROR_GROUP_NOT_FOUND,
    ERROR_INVALID_PARAMETER, ERROR_RESOURCE_NOT_FOUND,
};
use crate::world::cluster::Cluster;

/// 87 for a mask without bits or with unknown ones (facts 2.1).
fn check_kinds(kinds: u32, known: u32) -> Answer<()> {
    if kinds == 0 || kinds & !known != 0 {
        Err(ERROR_INVALID_PARAMETER)
    } else {
        Ok(())
    }
}

/// Items under construction, of the kinds that are wanted.
struct Items {
    kinds: u32,
    items: Vec<Item>,
}

impl Items {
    /// 87 for a mask that has other bits than the known ones.
    fn of(kinds: u32, known: u32) -> Answer<Self> {
        check_kinds(kinds, known)?;
        Ok(Self {
            kinds,
            items: Vec::new(),
        })
    }

    /// Adds objects, id and name each, when their kind is wanted.
    fn add<'own, I>(&mut self, kind: u32, objects: I)
    where
        I: IntoIterator<Item = (&'own str, &'own str)>,
    {
        if self.kinds & kind != 0 {
            let items = objects.into_iter().map(|(id, name)| Item {
                kind,
                id: id.into(),
                name: name.into(),
            });
            self.items.extend(items);
        }
    }

    /// Adds nodes, whose ids are their numbers, when they are wanted.
    fn add_nodes(&mut self, kind: u32, cluster: &Cluster, nodes: impl IntoIterator<Item = u32>) {
        if self.kinds & kind != 0 {
            let nodes = nodes.into_iter().filter_map(|id| cluster.node(id));
            let items = nodes.map(|node| Item {
                kind,
                id: node.id.to_string(),
                name: node.name.clone(),
            });
            self.items.extend(items);
        }
    }
}

/// The objects of a cluster. Internal networks can only be asked for alone, and come by their priority.
pub(super) fn of_cluster(cluster: &Cluster, kinds: u32) -> Answer<Vec<Item>> {
    const KNOWN: u32 = cluster_enum::EVERYTHING
        | cluster_enum::CAPACITY_NODE
        | cluster_enum::SHARED_VOLUME_GROUP
        | cluster_enum::SHARED_VOLUME_RESOURCE;
    let networks = || cluster.networks.iter();
    if kinds == cluster_enum::INTERNAL_NETWORK {
        let mut items = Items::of(kinds, kinds)?;
        let internal = networks().filter(|network| network.is_internal());
        items.add(
            kinds,
            internal.map(|network| (network.id.as_str(), network.name.as_str())),
        );
        return Ok(items.items);
    }
    let mut items = Items::of(kinds, KNOWN)?;
    items.add_nodes(cluster_enum::NODE, cluster, cluster.nodes.iter().map(|node| node.id));
    // A type has no id but its name.
    let types = cluster.resource_types.iter();
    items.add(
        cluster_enum::RESOURCE_TYPE,
        types.map(|kind| (kind.name.as_str(), kind.name.as_str())),
    );
    let resources = cluster.resources.iter();
    items.add(
        cluster_enum::RESOURCE,
        resources.map(|resource| (resource.id.as_str(), resource.name.as_str())),
    );
    let groups = || cluster.groups.iter();
    items.add(
        cluster_enum::GROUP,
        groups().map(|group| (group.id.as_str(), group.name.as_str())),
    );
    items.add(
        cluster_enum::NETWORK,
        networks().map(|network| (network.id.as_str(), network.name.as_str())),
    );
    items.add(
        cluster_enum::NETWORK_INTERFACE,
        cluster
            .interfaces()
            .map(|(_, own)| (own.id.as_str(), own.name.as_str())),
    );
    let of_volumes = groups().filter(|group| group.group_type == group_type::SHARED_VOLUME);
    items.add(
        cluster_enum::SHARED_VOLUME_GROUP,
        of_volumes.map(|group| (group.id.as_str(), group.name.as_str())),
    );
    let volumes = cluster.volumes.iter();
    let disks = volumes.filter_map(|volume| cluster.resources.get(&volume.resource));
    items.add(
        cluster_enum::SHARED_VOLUME_RESOURCE,
        disks.map(|resource| (resource.id.as_str(), resource.name.as_str())),
    );
    Ok(items.items)
}

/// What belongs to a node.
pub(super) fn of_node(cluster: &Cluster, node: u32, kinds: u32) -> Answer<Vec<Item>> {
    const KNOWN: u32 = node_enum::NETWORK_INTERFACES | node_enum::GROUPS | node_enum::PREFERRED_GROUPS;
    let mut items = Items::of(kinds, KNOWN)?;
    let own = cluster.interfaces().filter(|(_, interface)| interface.node == node);
    items.add(
        node_enum::NETWORK_INTERFACES,
        own.map(|(_, own)| (own.id.as_str(), own.name.as_str())),
    );
    let own = cluster.groups.iter().filter(|group| group.owner == node);
    items.add(
        node_enum::GROUPS,
        own.map(|group| (group.id.as_str(), group.name.as_str())),
    );
    let preferring = cluster.groups.iter().filter(|group| group.preferred.contains(&node));
    items.add(
        node_enum::PREFERRED_GROUPS,
        preferring.map(|group| (group.id.as_str(), group.name.as_str())),
    );
    Ok(items.items)
}

/// What belongs to a group; preferred owners with the best first.
pub(super) fn of_group(cluster: &Cluster, id: &str, kinds: u32) -> Answer<Vec<Item>> {
    let group = cluster.group(id).ok_or(ERROR_GROUP_NOT_FOUND)?;
    let mut items = Items::of(kinds, group_enum::RESOURCES | group_enum::PREFERRED_OWNERS)?;
    let own = cluster.resources_of(group);
    items.add(
        group_enum::RESOURCES,
        own.map(|resource| (resource.id.as_str(), resource.name.as_str())),
    );
    items.add_nodes(group_enum::PREFERRED_OWNERS, cluster, group.preferred.iter().copied());
    Ok(items.items)
}

/// What belongs to a resource.
pub(super) fn of_resource(cluster: &Cluster, id: &str, kinds: u32) -> Answer<Vec<Item>> {
    const KNOWN: u32 = resource_enum::DEPENDENCIES | resource_enum::DEPENDENTS | resource_enum::POSSIBLE_OWNERS;
    let resource = cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
    let mut items = Items::of(kinds, KNOWN)?;
    let named = |id: &str| cluster.resources.get(id);
    let providers = resource.depends.iter().flat_map(|depends| depends.providers());
    items.add(
        resource_enum::DEPENDENCIES,
        providers
            .filter_map(named)
            .map(|own| (own.id.as_str(), own.name.as_str())),
    );
    // Dependencies do not leave the group.
    let group = cluster.groups.get(&resource.group);
    let others = group.into_iter().flat_map(|group| cluster.resources_of(group));
    let dependents = others.filter(|other| {
        let depends = other.depends.as_ref();
        depends.is_some_and(|depends| depends.providers().contains(&id))
    });
    items.add(
        resource_enum::DEPENDENTS,
        dependents.map(|own| (own.id.as_str(), own.name.as_str())),
    );
    let can_own = |node: &u32| {
        resource
            .possible_owners
            .as_ref()
            .is_none_or(|owners| owners.contains(node))
    };
    let owners = cluster.nodes.iter().map(|node| node.id).filter(can_own);
    items.add_nodes(resource_enum::POSSIBLE_OWNERS, cluster, owners);
    Ok(items.items)
}

/// What belongs to a resource type. An unknown type is reported before the mask is looked at (facts 2.1).
pub(super) fn of_resource_type(cluster: &Cluster, name: &str, kinds: u32) -> Answer<Vec<Item>> {
    const KNOWN: u32 = resource_type_enum::POSSIBLE_OWNERS | resource_type_enum::RESOURCES;
    let kind = cluster
        .resource_type(name)
        .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
    let mut items = Items::of(kinds, KNOWN)?;
    let nodes = cluster.nodes.iter().map(|node| node.id);
    let nodes = nodes.filter(|node| kind.is_supported(*node));
    items.add_nodes(resource_type_enum::POSSIBLE_OWNERS, cluster, nodes);
    let own = cluster
        .resources
        .iter()
        .filter(|resource| resource.kind.eq_ignore_ascii_case(&kind.name));
    items.add(
        resource_type_enum::RESOURCES,
        own.map(|resource| (resource.id.as_str(), resource.name.as_str())),
    );
    Ok(items.items)
}

/// What belongs to a network.
pub(super) fn of_network(cluster: &Cluster, id: &str, kinds: u32) -> Answer<Vec<Item>> {
    let network = cluster.network(id).ok_or(ERROR_CLUSTER_NETWORK_NOT_FOUND)?;
    let mut items = Items::of(kinds, network_enum::INTERFACES)?;
    let own = network.interfaces.iter();
    items.add(
        network_enum::INTERFACES,
        own.map(|own| (own.id.as_str(), own.name.as_str())),
    );
    Ok(items.items)
}

/// The interfaces of a node, of a network, or both; without either, all.
pub(super) fn of_interfaces(cluster: &Cluster, node: Option<u32>, network: Option<&str>) -> Answer<Vec<Item>> {
    let network = network.map(|name| cluster.find_network(name)).transpose()?;
    let mut items = Items::of(1, 1)?;
    let fits = cluster.interfaces().filter(|(own, interface)| {
        node.is_none_or(|node| interface.node == node) && network.is_none_or(|network| network.id == own.id)
    });
    items.add(1, fits.map(|(_, own)| (own.id.as_str(), own.name.as_str())));
    Ok(items.items)
}

/// The group sets.
pub(super) fn of_group_sets(cluster: &Cluster) -> Answer<Vec<Item>> {
    let mut items = Items::of(1, 1)?;
    let sets = cluster.group_sets.iter();
    items.add(1, sets.map(|set| (set.id.as_str(), set.name.as_str())));
    Ok(items.items)
}

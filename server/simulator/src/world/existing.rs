//! Clusters that exist from the beginning, built from a scenario that was checked.

use std::collections::{BTreeMap, BTreeSet};

use wsfc_clusapi::sys::constants::{group_type, management_point_type, node_state, resource_state};

use super::World;
use super::cluster::{Cluster, Group, IP_ADDRESS, IPV6_ADDRESS, NETWORK_NAME, Resource};
use super::group_set::{Dependent, Provider};
use super::node::Node;
use super::properties::{Class, Kind, Owner, Setting, settings_of};
use super::resource::dependency::Expression;
use super::service::PERSISTENT_STATE;
use super::shared_volume::{Disk, PHYSICAL_DISK};
use crate::scenario::{ExistingCluster, ExistingGroup, ExistingResource, Generate, PropertyValue, Scenario, Witness};
use crate::script::{AVAILABLE_STORAGE, CLUSTER_GROUP};

/// The resource types of the witnesses.
const FILE_SHARE_WITNESS: &str = "File Share Witness";
const CLOUD_WITNESS: &str = "Cloud Witness";

impl World {
    /// The disks of a scenario.
    pub(super) fn add_disks(&mut self, scenario: &Scenario) {
        let everywhere = || scenario.machines.iter().map(|machine| machine.name.to_lowercase());
        for (disk, number) in scenario.disks.iter().zip(1..) {
            let machines = match &disk.machines {
                Some(machines) => machines.iter().map(|name| name.to_lowercase()).collect(),
                None => everywhere().collect(),
            };
            let id = self.identities.guid();
            self.disks.push(Disk {
                name: disk.name.clone(),
                id,
                number,
                size_gb: disk.size_gb,
                machines,
                shared_volumes: disk.shared_volumes,
            });
        }
    }

    /// Builds a cluster that exists from the beginning.
    pub(super) fn add_existing_cluster(&mut self, existing: &ExistingCluster) {
        let id = self.identities.guid();
        let level = self.forming_level(&existing.nodes, existing.functional_level);
        for (position, node) in existing.nodes.iter().enumerate() {
            if let Some(machine) = self.machine_mut(node) {
                machine.membership = Some(id.clone());
                machine.service_running = true;
            }
            if position == 0 {
                self.form(&id, &existing.name, level, node);
            } else {
                self.add_node(&id, node);
                self.node_up(&id, node);
            }
        }
        self.create_group(&id, CLUSTER_GROUP, group_type::CORE_CLUSTER);
        let storage = self.create_group(&id, AVAILABLE_STORAGE, group_type::AVAILABLE_STORAGE);
        for address in &existing.addresses {
            let prefix = self
                .networks
                .iter()
                .find(|network| network.contains(*address))
                .map(|network| network.prefix);
            // An address that is in use leaves its resource out, as it would in CreateCluster.
            let _missing = self.create_address(&id, *address, prefix.unwrap_or_default().into());
        }
        let named = !existing.addresses.is_empty() && self.create_network_name(&id, false).is_ok();
        self.bring_core_group_online(&id);
        if named {
            self.directory.accounts.insert(existing.name.to_lowercase());
        }
        if let Some(cluster) = self.cluster_mut(&id) {
            cluster.add_resource_types();
            // It was created long before the world began.
            cluster.created_ms = None;
            cluster.management_point = if named {
                management_point_type::CNO
            } else {
                management_point_type::NONE
            };
            for node in &mut cluster.nodes {
                node.state = node_state::UP;
            }
        }
        self.add_settings(&id, existing);
        if let Some(storage) = storage {
            self.add_storage(&id, &storage, existing);
        }
        for group in &existing.groups {
            self.add_existing_group(&id, group);
        }
        for generate in &existing.generate {
            self.generate(&id, generate);
        }
        self.add_sets_and_rules(&id, existing);
        self.refresh_networks(&id);
        self.refresh_volumes(&id);
        if let Some(cluster) = self.cluster_mut(&id) {
            // What is online has been so for long.
            cluster.groups.iter_mut().for_each(|group| group.online_ms = None);
        }
        self.refresh_sets(&id);
        // Only now the witness is there, which decides whether an even number of nodes has all its votes.
        if let Some(mut service) = self.service(&id) {
            service.rebalance();
        }
    }

    /// Properties of the cluster, its nodes and networks, and its own resource types.
    fn add_settings(&mut self, cluster_id: &str, existing: &ExistingCluster) {
        let Some(cluster) = self.cluster_mut(cluster_id) else {
            return;
        };
        cluster
            .settings
            .extend(settings_of(Kind::Cluster, &existing.properties));
        for (name, properties) in &existing.node_properties {
            let mut nodes = cluster.nodes.iter_mut();
            if let Some(node) = nodes.find(|node| node.name.eq_ignore_ascii_case(name)) {
                node.settings.extend(settings_of(Kind::Node, properties));
            }
        }
        for network in &existing.networks {
            let mut networks = cluster.networks.iter_mut();
            if let Some(own) = networks.find(|own| own.origin.eq_ignore_ascii_case(&network.network)) {
                own.settings.extend(settings_of(Kind::Network, &network.properties));
                if let Some(name) = &network.name {
                    name.clone_into(&mut own.name);
                }
            }
        }
        for kind in &existing.resource_types {
            // A name that is taken was refused by the check.
            let _made = self.add_resource_type(cluster_id, &kind.name, &kind.name, &kind.dll, (0, 0));
            let Some(cluster) = self.cluster_mut(cluster_id) else {
                return;
            };
            let nodes = kind.nodes.as_ref().map(|names| cluster.numbers_of(names));
            if let Some(own) = cluster.resource_type_mut(&kind.name) {
                own.own_characteristics = kind.characteristics;
                own.nodes = nodes;
            }
        }
    }

    /// The witness, the disks in Available Storage, and the shared volumes.
    fn add_storage(&mut self, cluster_id: &str, storage: &str, existing: &ExistingCluster) {
        let core = self
            .cluster(cluster_id)
            .and_then(|cluster| cluster.core_group())
            .map(|group| group.id.clone());
        if let (Some(witness), Some(core)) = (&existing.witness, core) {
            let resource = match witness {
                Witness::Disk(disk) => self.disk_resource(disk),
                Witness::Share(path) => self.witness_resource(FILE_SHARE_WITNESS, "SharePath", path),
                Witness::Cloud(account) => self.witness_resource(CLOUD_WITNESS, "AccountName", account),
            };
            let id = resource.id.clone();
            self.put_online(cluster_id, &core, resource);
            self.set_first_witness(cluster_id, &id);
        }
        for disk in existing.disks.iter().chain(&existing.shared_volumes) {
            let resource = self.disk_resource(disk);
            self.put_online(cluster_id, storage, resource);
        }
        for disk in &existing.shared_volumes {
            let found = self
                .cluster(cluster_id)
                .and_then(|cluster| cluster.resources.named(disk));
            if let Some(id) = found.map(|resource| resource.id.clone()) {
                // The check has seen that it can be one.
                let _made = self.add_shared_volume(cluster_id, &id);
            }
        }
    }

    /// Makes a resource the witness from the beginning.
    fn set_first_witness(&mut self, cluster_id: &str, resource_id: &str) {
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster.quorum.witness = Some(resource_id.into());
        }
    }

    fn witness_resource(&mut self, kind: &str, property: &str, value: &str) -> Resource {
        let mut resource = Resource::new(self.identities.guid(), kind.into(), kind);
        resource.private.insert(property.into(), Setting::Text(value.into()));
        resource
    }

    fn disk_resource(&mut self, name: &str) -> Resource {
        let mut resource = Resource::new(self.identities.guid(), name.into(), PHYSICAL_DISK);
        let disk = self.disks.iter().find(|disk| disk.name.eq_ignore_ascii_case(name));
        resource.private.extend(disk.map(Disk::id_setting));
        resource
    }

    /// Puts an online resource into a group.
    fn put_online(&mut self, cluster_id: &str, group_id: &str, resource: Resource) {
        let Some(cluster) = self.cluster_mut(cluster_id) else {
            return;
        };
        cluster.add_resource(group_id, online(resource, true));
        self.tell_group(cluster_id, group_id);
    }

    fn add_existing_group(&mut self, cluster_id: &str, existing: &ExistingGroup) {
        let Some(id) = self.create_group(cluster_id, &existing.name, existing.group_type) else {
            return;
        };
        let workload = Resource::workload(self.identities.guid(), &existing.name);
        let resources: Vec<Resource> = existing
            .resources
            .iter()
            .map(|resource| self.existing_resource(cluster_id, resource, existing.online))
            .collect();
        let Some(cluster) = self.cluster_mut(cluster_id) else {
            return;
        };
        let number = |name: &String| {
            let mut nodes = cluster.nodes.iter();
            let node = nodes.find(|node| node.name.eq_ignore_ascii_case(name));
            node.map(|node| node.id)
        };
        let preferred: Vec<u32> = existing.preferred_owners.iter().filter_map(number).collect();
        let owner = existing.owner.as_ref().and_then(number).or(preferred.first().copied());
        if let Some(group) = cluster.group_mut(&id) {
            group.owner = owner.unwrap_or(group.owner);
            group.preferred = preferred;
            group.settings = settings_of(Kind::Group, &existing.properties);
            if !existing.online {
                // Somebody has taken it offline, so the cluster does not bring it online by itself.
                let offline = Setting::Dword(0);
                group.settings.entry(PERSISTENT_STATE.into()).or_insert(offline);
            }
        }
        if existing.resources.is_empty() && existing.online {
            cluster.add_resource(&id, workload);
        }
        for (resource, wanted) in resources.into_iter().zip(&existing.resources) {
            let resource_id = resource.id.clone();
            cluster.add_resource(&id, resource);
            depend(cluster, &id, &resource_id, wanted.depends.as_deref());
        }
        self.tell_group(cluster_id, &id);
    }

    fn existing_resource(&mut self, cluster_id: &str, existing: &ExistingResource, group_online: bool) -> Resource {
        let mut resource = Resource::new(self.identities.guid(), existing.name.clone(), &existing.kind);
        resource.settings = settings_of(Kind::Resource, &existing.properties);
        resource.private = settings_of(Kind::Private(&existing.kind), &existing.private);
        let disk = existing.disk.as_ref().and_then(|name| {
            let mut disks = self.disks.iter();
            disks.find(|disk| disk.name.eq_ignore_ascii_case(name))
        });
        resource.private.extend(disk.map(Disk::id_setting));
        if matches!(existing.kind.as_str(), IP_ADDRESS | IPV6_ADDRESS) {
            let address = resource.private.get("Address").and_then(Setting::as_text);
            resource.address = address.and_then(|address| address.parse().ok());
        }
        if existing.kind == NETWORK_NAME
            && let Some(PropertyValue::Text(name)) = existing.private.get("Name")
        {
            self.directory.accounts.insert(name.to_lowercase());
        }
        if let Some(cluster) = self.cluster(cluster_id) {
            let named = existing.possible_owners.as_ref();
            resource.possible_owners = match named {
                Some(owners) => Some(cluster.numbers_of(owners)),
                None => cluster
                    .resource_type(&existing.kind)
                    .and_then(|kind| kind.nodes.clone()),
            };
        }
        online(resource, existing.online.unwrap_or(group_online))
    }

    /// Makes many groups alike, whose owners go round the nodes.
    fn generate(&mut self, cluster_id: &str, generate: &Generate) {
        let settings = settings_of(Kind::Group, &generate.properties);
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        let nodes: Vec<u32> = cluster.nodes.iter().map(|node| node.id).collect();
        if nodes.is_empty() {
            return;
        }
        for (number, place) in (1..=generate.groups).zip((0..nodes.len()).cycle()) {
            let name = generate.name_of(number);
            let mut group = Group::new(self.identities.guid(), &name, generate.group_type, nodes[place]);
            let from_here = nodes.iter().cycle().skip(place);
            let preferred = generate.preferred_owners.min(nodes.len());
            group.preferred = from_here.take(preferred).copied().collect();
            group.settings.clone_from(&settings);
            let id = group.id.clone();
            cluster.groups.push(group);
            let mut before: Option<String> = None;
            for (resource_name, kind) in generate.resources_of(&name) {
                let resource = Resource::new(self.identities.guid(), resource_name, kind);
                let resource = Resource {
                    depends: before.take().map(Expression::Resource),
                    ..online(resource, generate.online)
                };
                before = Some(resource.id.clone());
                cluster.add_resource(&id, resource);
            }
            let state = cluster.group(&id).map(|group| cluster.group_state(group));
            if let (Some(group), Some(state)) = (cluster.group_mut(&id), state) {
                group.told = state;
            }
        }
    }

    fn add_sets_and_rules(&mut self, cluster_id: &str, existing: &ExistingCluster) {
        let ids: BTreeMap<String, String> = match self.cluster(cluster_id) {
            Some(cluster) => {
                let named = existing.sets.iter().flat_map(|set| &set.groups);
                let named = named.chain(existing.rules.iter().flat_map(|rule| &rule.groups));
                let found = named.filter_map(|name| Some((name.clone(), cluster.groups.named(name)?.id.clone())));
                found.collect()
            }
            None => return,
        };
        let mut sets = BTreeMap::new();
        // Names, groups and dependencies are good: the check has seen them.
        for set in &existing.sets {
            let Ok(id) = self.add_group_set(cluster_id, &set.name, None) else {
                continue;
            };
            let settings = settings_of(Kind::GroupSet, &set.properties);
            if let Some(own) = self.settings_mut(cluster_id, &Owner::GroupSet(id.clone()), Class::Common) {
                own.extend(settings);
            }
            for group in set.groups.iter().filter_map(|name| ids.get(name)) {
                let _added = self.add_group_to_set(cluster_id, &id, group, None);
            }
            for provider in &set.depends {
                if let Some(provider) = sets.get(&provider.to_lowercase()).cloned() {
                    let dependent = Dependent::Set(id.clone());
                    let _added = self.add_provider(cluster_id, &dependent, Provider::Set(provider));
                }
            }
            sets.insert(set.name.to_lowercase(), id);
        }
        for rule in &existing.rules {
            let _made = self.add_rule(cluster_id, &rule.name, rule.kind.number());
            if !rule.enabled
                && let Some(own) = self.settings_mut(cluster_id, &Owner::Rule(rule.name.clone()), Class::Common)
            {
                own.insert("Enabled".into(), Setting::Dword(0));
            }
            for group in rule.groups.iter().filter_map(|name| ids.get(name)) {
                // A rule that contradicts an earlier one stays without the group.
                let _added = self.add_group_to_rule(cluster_id, &rule.name, group);
            }
        }
    }
}

impl Cluster {
    /// The numbers of the nodes of some names.
    fn numbers_of(&self, names: &[String]) -> BTreeSet<u32> {
        let named = |node: &&Node| names.iter().any(|name| name.eq_ignore_ascii_case(&node.name));
        self.nodes.iter().filter(named).map(|node| node.id).collect()
    }
}

/// A resource that is, and shall be, online or offline.
fn online(resource: Resource, online: bool) -> Resource {
    let state = if online {
        resource_state::ONLINE
    } else {
        resource_state::OFFLINE
    };
    Resource {
        state,
        wanted: online,
        ..resource
    }
}

/// Sets what a resource depends on, by the names of resources of its group.
fn depend(cluster: &mut Cluster, group_id: &str, resource_id: &str, expression: Option<&str>) {
    let Some(expression) = expression else { return };
    let found = {
        let Some(group) = cluster.group(group_id) else { return };
        let id_of = |name: &str| {
            let mut resources = cluster.resources_of(group);
            let found = resources.find(|resource| resource.name.eq_ignore_ascii_case(name));
            found.map(|resource| resource.id.clone())
        };
        Expression::parse(expression, id_of)
    };
    if let (Ok(depends), Some(resource)) = (found, cluster.resource_mut(resource_id)) {
        resource.depends = depends;
    }
}

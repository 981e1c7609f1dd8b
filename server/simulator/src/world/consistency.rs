//! What must be true of a world at any time, for tests that change it at random.

use wsfc_clusapi::sys::constants::{node_state, resource_state};

use super::World;
use super::cluster::{Cluster, Group};
use super::node::Start;
use super::resource::running::is_active;

impl World {
    /// The first thing that is wrong.
    pub(crate) fn consistency(&self) -> Result<(), String> {
        self.check_hosting()?;
        self.clusters.iter().try_for_each(|cluster| {
            self.check_membership(cluster)?;
            check_resources(cluster)?;
            cluster
                .groups
                .iter()
                .try_for_each(|group| self.check_group(cluster, group))?;
            check_votes(cluster)?;
            self.check_start_order(cluster)?;
            self.check_networks(cluster)
        })
    }

    /// What runs of a type with a DLL runs in a monitor on its owner, and a monitor runs nothing else.
    fn check_hosting(&self) -> Result<(), String> {
        for instance in self.hosting.instances.values().filter(|instance| !instance.closing) {
            let subject = &instance.subject;
            let cluster = self
                .cluster(&subject.cluster)
                .ok_or("a monitor belongs to no cluster")?;
            let Some(node) = cluster.node(instance.node).filter(|node| node.present) else {
                return Err(format!("a monitor runs on node {}, which is down", instance.node));
            };
            let Some(id) = &subject.resource else { continue };
            let (group, resource) = cluster
                .resource(id)
                .ok_or("a monitor has a resource that is not there")?;
            let name = &resource.name;
            if instance.online != (resource.state == resource_state::ONLINE) {
                return Err(format!(
                    "resource {name} is {} and its monitor knows another state",
                    resource.state
                ));
            }
            if instance.attempt.is_some_and(|attempt| attempt.epoch != resource.epoch) {
                return Err(format!(
                    "the monitor of resource {name} works on a state that has passed"
                ));
            }
            if is_active(resource.state) && group.owner != node.id {
                return Err(format!("resource {name} runs on {}, which is not its owner", node.name));
            }
        }
        for cluster in &self.clusters {
            for resource in cluster.resources.iter().filter(|resource| is_active(resource.state)) {
                let kind = cluster.resource_type(&resource.kind);
                let subject = super::hosting::Subject::of_resource(&cluster.id, &resource.id);
                let hosted = kind.is_some_and(|kind| self.hosting.dll(&kind.dll).is_some());
                if hosted && self.hosting.handle(&subject).is_none() {
                    return Err(format!("resource {} runs in no monitor", resource.name));
                }
            }
        }
        Ok(())
    }

    fn check_membership(&self, cluster: &Cluster) -> Result<(), String> {
        for node in &cluster.nodes {
            if node.present && !self.is_alive(cluster, node) {
                return Err(format!("node {} is a member without a service", node.name));
            }
            if node.present && node.state == node_state::JOINING {
                return Err(format!("node {} is a member and joining", node.name));
            }
            if cluster.is_formed() && node.told != node.shown_state() {
                return Err(format!("the state of node {} was not told", node.name));
            }
        }
        let numbers: std::collections::BTreeSet<u32> = cluster.nodes.iter().map(|node| node.id).collect();
        if numbers.len() == cluster.nodes.len() {
            Ok(())
        } else {
            Err("two nodes have the same number".into())
        }
    }

    /// What waits to start has not started, and what was told of sets is what they are.
    fn check_start_order(&self, cluster: &Cluster) -> Result<(), String> {
        for (id, waiting) in &cluster.waiting {
            let Some(group) = cluster.group(id) else {
                return Err(format!("group {id} waits and is not there"));
            };
            if group.is_core() || cluster.resources_of(group).any(|resource| is_active(resource.state)) {
                return Err(format!("group {} waits and has started", group.name));
            }
            if waiting.told != cluster.waiting_status(id, self.now_ms) {
                return Err(format!("what group {} waits for was not told", group.name));
            }
        }
        let untold = |set: &&super::group_set::GroupSet| set.told_ready != cluster.is_set_ready(set, self.now_ms);
        match cluster.group_sets.iter().find(untold) {
            Some(set) if cluster.is_formed() => Err(format!("the readiness of set {} was not told", set.name)),
            _ => Ok(()),
        }
    }

    /// What was told of networks and interfaces is what they are.
    fn check_networks(&self, cluster: &Cluster) -> Result<(), String> {
        if !cluster.is_formed() {
            return Ok(());
        }
        for network in &cluster.networks {
            if network.told != self.network_state(cluster, network) {
                return Err(format!("the state of network {} was not told", network.name));
            }
            for interface in &network.interfaces {
                if interface.told != self.interface_state(cluster, network, interface) {
                    return Err(format!("the state of interface {} was not told", interface.name));
                }
            }
        }
        Ok(())
    }

    fn check_group(&self, cluster: &Cluster, group: &Group) -> Result<(), String> {
        let name = &group.name;
        let Some(owner) = cluster.node(group.owner) else {
            // A cluster that has lost its last node is being destroyed.
            return if cluster.nodes.is_empty() || !cluster.is_formed() {
                Ok(())
            } else {
                Err(format!(
                    "group {name} belongs to node {}, which is not there",
                    group.owner
                ))
            };
        };
        for resource in cluster.resources_of(group) {
            if is_active(resource.state) && !owner.present {
                return Err(format!(
                    "resource {} runs on {}, which is down",
                    resource.name, owner.name
                ));
            }
        }
        if group.resources.len() != cluster.resources_of(group).count() {
            return Err(format!("group {name} has a resource that is not there"));
        }
        if cluster.is_formed() && !owner.present {
            return Err(format!("group {name} belongs to {}, which is down", owner.name));
        }
        if group.told != cluster.group_state(group) {
            return Err(format!("the state of group {name} was not told"));
        }
        if let Some(node) = group.preferred.iter().find(|node| cluster.node(**node).is_none()) {
            return Err(format!("group {name} prefers node {node}, which is not there"));
        }
        Ok(())
    }
}

fn check_resources(cluster: &Cluster) -> Result<(), String> {
    for resource in cluster.resources.iter() {
        let name = &resource.name;
        let group = cluster.groups.get(&resource.group);
        if !group.is_some_and(|group| group.resources.contains(&resource.id)) {
            return Err(format!("resource {name} is in no group"));
        }
        let Some(depends) = &resource.depends else { continue };
        for provider in depends.providers() {
            match cluster.resources.get(provider) {
                Some(provider) if provider.group == resource.group => {}
                Some(provider) => {
                    return Err(format!("resource {name} depends on {} of another group", provider.name));
                }
                None => return Err(format!("resource {name} depends on {provider}, which is not there")),
            }
        }
        let is_there = |id: &str| {
            cluster
                .resources
                .get(id)
                .is_some_and(|provider| provider.state == resource_state::ONLINE || is_active(provider.state))
        };
        if resource.state == resource_state::ONLINE_PENDING && !depends.holds(&is_there) {
            return Err(format!("resource {name} comes online before what it depends on"));
        }
    }
    Ok(())
}

fn check_votes(cluster: &Cluster) -> Result<(), String> {
    let name = &cluster.name;
    if cluster.nodes.iter().any(|node| node.dynamic_weight > 1) || cluster.quorum.witness_weight > 1 {
        return Err(format!("a vote in {name} counts more than one"));
    }
    if let Some(witness) = &cluster.quorum.witness
        && cluster.resources.get(witness).is_none()
    {
        return Err(format!("the witness of {name} is not there"));
    }
    if !cluster.is_formed() {
        return if cluster.quorum.forced {
            Err(format!("{name} goes on by force and does not"))
        } else {
            Ok(())
        };
    }
    if cluster.quorum.forced && cluster.has_configured_majority() {
        return Err(format!("{name} goes on by force and has a majority"));
    }
    if let Some(node) = cluster
        .nodes
        .iter()
        .find(|node| node.present && node.start == Start::Prevented)
    {
        return Err(format!("node {} is a member and forms nothing", node.name));
    }
    let dynamic = super::service::dword(&cluster.settings, "DynamicQuorum", 1) != 0;
    let stray = cluster
        .nodes
        .iter()
        .find(|node| !node.present && node.dynamic_weight > 0);
    match stray {
        Some(node) if dynamic => Err(format!("node {} is gone and votes", node.name)),
        _ => Ok(()),
    }
}

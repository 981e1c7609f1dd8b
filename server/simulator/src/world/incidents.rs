//! What incidents do to the world, and the steps that are due.

use wsfc_clusapi::sys::constants::resource_state;

use super::World;
use super::node::Start;
use super::queue::Step;
use super::quorum::Leaving;
use crate::incident::{Incident, IncidentError};
use crate::win32::ERROR_RESOURCE_FAILED;

impl World {
    /// Does the next step that is due at a time; false when none is.
    pub(crate) fn take_step(&mut self, now_ms: u64) -> bool {
        let Some((due_ms, step)) = self.queue.take_due(now_ms) else {
            return false;
        };
        // What a step does happens when it was due, also when time has moved far.
        self.now_ms = self.now_ms.max(due_ms);
        self.perform(step);
        true
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::CheckPoint {
                cluster,
                resource,
                epoch,
                number,
            } => self.with_service(&cluster, |service| service.check_point(&resource, epoch, number)),
            Step::Settle {
                cluster,
                resource,
                epoch,
            } => self.with_service(&cluster, |service| service.settle(&resource, epoch)),
            Step::Restart {
                cluster,
                resource,
                epoch,
            } => self.with_service(&cluster, |service| service.restart_failed(&resource, epoch)),
            Step::Retry {
                cluster,
                resource,
                epoch,
            } => self.with_service(&cluster, |service| service.retry_failed(&resource, epoch)),
            Step::LiveArrival { cluster, group } => self.with_service(&cluster, |service| service.arrive_live(&group)),
            Step::StartWaiting { cluster } | Step::SetReady { cluster } => {
                self.with_service(&cluster, |service| service.start_waiting());
            }
            Step::DependencyTimeout {
                cluster,
                group,
                since_ms,
            } => self.with_service(&cluster, |service| service.dependency_timeout(&group, since_ms)),
            Step::DrainAgain { cluster, node } => self.with_service(&cluster, |service| service.drain_again(node)),
            Step::Failback { cluster, group } => self.with_service(&cluster, |service| service.fail_back(&group)),
            Step::EndIsolation { cluster, node, until } => self.with_service(&cluster, |service| {
                let Some(found) = service.cluster.node_mut(node) else {
                    return;
                };
                if found.health.isolated_until == Some(until) {
                    found.health.isolated_until = None;
                    service.tell_node_status(node);
                }
            }),
            Step::EndQuarantine { cluster, node, until } => {
                let Some(found) = self.cluster_mut(&cluster).and_then(|cluster| cluster.node_mut(node)) else {
                    return;
                };
                if found.health.quarantined_until == Some(until) {
                    self.end_quarantine(&cluster, node);
                }
            }
            Step::Incident(incident) => {
                // What the scenario named may be gone by now; then nothing happens.
                let _gone = self.befall(&incident);
            }
            Step::Watch(watch) => self.watched(&watch),
        }
    }

    fn with_service(&mut self, cluster: &str, work: impl FnOnce(&mut super::service::ClusterService<'_>)) {
        if let Some(mut service) = self.service(cluster)
            && service.cluster.is_formed()
        {
            work(&mut service);
        }
    }

    fn end_quarantine(&mut self, cluster_id: &str, node: u32) {
        if let Some(found) = self.cluster_mut(cluster_id).and_then(|cluster| cluster.node_mut(node)) {
            found.health.quarantined_until = None;
        }
        self.with_service(cluster_id, |service| service.tell_node_status(node));
        self.review(cluster_id, Leaving::Abruptly);
    }

    /// Lets an incident happen.
    pub(crate) fn befall(&mut self, incident: &Incident) -> Result<(), IncidentError> {
        match incident {
            Incident::KillMachine { machine } => self.change(machine, Leaving::Abruptly, |machine| {
                machine.reachable = false;
                machine.service_running = false;
            }),
            Incident::PowerOn { machine } => self.change(machine, Leaving::Abruptly, |machine| {
                machine.reachable = true;
                machine.service_running = machine.membership.is_some();
            }),
            Incident::StopService { machine } => {
                self.change(machine, Leaving::Orderly, |machine| machine.service_running = false)
            }
            Incident::StartService {
                machine,
                clear_quarantine,
            } => self.start_cluster_service(machine, *clear_quarantine, None),
            Incident::ForceQuorum {
                machine,
                clear_quarantine,
            } => self.start_cluster_service(machine, *clear_quarantine, Some(Start::Forced)),
            Incident::PreventQuorum {
                machine,
                clear_quarantine,
            } => self.start_cluster_service(machine, *clear_quarantine, Some(Start::Prevented)),
            Incident::CutHeartbeats { one, other } => self.cut(one, other, true),
            Incident::HealHeartbeats { one, other } => self.cut(one, other, false),
            Incident::CutPath { network, one, other } => self.cut_path(network, one, other, true),
            Incident::HealPath { network, one, other } => self.cut_path(network, one, other, false),
            Incident::IsolateMachine { machine } => {
                let name = self.known_machine(machine)?;
                self.heartbeats.isolate(&name);
                self.heard_again();
                Ok(())
            }
            Incident::HealAll => {
                self.heartbeats.heal();
                self.heard_again();
                Ok(())
            }
            Incident::NetworkDown { network } => self.set_network(network, true),
            Incident::NetworkUp { network } => self.set_network(network, false),
            Incident::InterfaceDown { machine, network } => self.set_machine_interface(machine, network, true),
            Incident::InterfaceUp { machine, network } => self.set_machine_interface(machine, network, false),
            Incident::FailResource { resource, more } => self.fail_resource(resource, *more),
            Incident::BlockResource { resource, node } => self.block_resource(resource, node.as_deref()),
            Incident::UnblockResource { resource } => self.change_resource(resource, |resource| {
                resource.blocked.clear();
                resource.failing = 0;
            }),
            Incident::LockResource { resource, locked } => {
                self.change_resource(resource, |resource| resource.locked = *locked)
            }
            Incident::KillMonitor { node, resource_type } => self.kill_monitor(node.as_deref(), resource_type),
            Incident::Witness { cluster, reachable } => self.set_witness(cluster.as_deref(), *reachable),
        }
    }

    fn change(
        &mut self,
        machine: &str,
        leaving: Leaving,
        change: impl FnOnce(&mut super::Machine),
    ) -> Result<(), IncidentError> {
        if self.change_machine(machine, leaving, change) {
            Ok(())
        } else {
            Err(IncidentError::NoMachine { name: machine.into() })
        }
    }

    /// Starts the cluster service of a machine. `start` is what it is told about quorum; a service that runs is told so
    /// by a start of its own.
    fn start_cluster_service(
        &mut self,
        machine: &str,
        clear_quarantine: bool,
        start: Option<Start>,
    ) -> Result<(), IncidentError> {
        let name = self.known_machine(machine)?;
        if clear_quarantine {
            self.clear_quarantine(&name);
        }
        if let Some(start) = start {
            let nodes = self.clusters.iter_mut().flat_map(|cluster| &mut cluster.nodes);
            let own = nodes.filter(|node| node.name.eq_ignore_ascii_case(&name));
            // A member of a cluster has nothing to prevent.
            own.filter(|node| start == Start::Forced || !node.present)
                .for_each(|node| node.start = start);
        }
        self.change(&name, Leaving::Unheard, |machine| {
            machine.service_running = machine.membership.is_some();
        })
    }

    /// Who hears whom has changed.
    fn heard_again(&mut self) {
        self.review_all(Leaving::Unheard);
    }

    fn known_machine(&self, name: &str) -> Result<String, IncidentError> {
        self.machine(name)
            .map(|machine| machine.name.clone())
            .ok_or_else(|| IncidentError::NoMachine { name: name.into() })
    }

    fn known_network(&self, name: &str) -> Result<String, IncidentError> {
        self.networks
            .iter()
            .find(|network| network.name.eq_ignore_ascii_case(name))
            .map(|network| network.name.clone())
            .ok_or_else(|| IncidentError::NoNetwork { name: name.into() })
    }

    /// The cluster and id of a resource.
    fn known_resource(&self, name: &str) -> Result<(String, String), IncidentError> {
        self.clusters
            .iter()
            .find_map(|cluster| {
                let resource = cluster.resources.find(name)?;
                Some((cluster.id.clone(), resource.id.clone()))
            })
            .ok_or_else(|| IncidentError::NoResource { name: name.into() })
    }

    fn clear_quarantine(&mut self, machine: &str) {
        let short = self.short_name(machine).to_owned();
        let quarantined: Vec<(String, u32)> =
            self.clusters
                .iter()
                .flat_map(|cluster| {
                    let own = cluster.nodes.iter().filter(|node| {
                        node.name.eq_ignore_ascii_case(&short) && node.health.quarantined_until.is_some()
                    });
                    own.map(|node| (cluster.id.clone(), node.id))
                })
                .collect();
        for (cluster, node) in quarantined {
            self.end_quarantine(&cluster, node);
        }
    }

    fn cut(&mut self, one: &str, other: &str, cut: bool) -> Result<(), IncidentError> {
        let (one, other) = (self.known_machine(one)?, self.known_machine(other)?);
        self.heartbeats.set_cut(&one, &other, cut);
        self.heard_again();
        Ok(())
    }

    fn cut_path(&mut self, network: &str, one: &str, other: &str, cut: bool) -> Result<(), IncidentError> {
        let network = self.known_network(network)?;
        let (one, other) = (self.known_machine(one)?, self.known_machine(other)?);
        self.heartbeats.set_cut_on(&network, &one, &other, cut);
        self.heard_again();
        Ok(())
    }

    fn set_network(&mut self, network: &str, down: bool) -> Result<(), IncidentError> {
        let network = self.known_network(network)?;
        self.heartbeats.set_network(&network, down);
        self.heard_again();
        Ok(())
    }

    fn set_machine_interface(&mut self, machine: &str, network: &str, down: bool) -> Result<(), IncidentError> {
        let (machine, network) = (self.known_machine(machine)?, self.known_network(network)?);
        self.heartbeats.set_interface(&machine, &network, down);
        self.heard_again();
        Ok(())
    }

    fn fail_resource(&mut self, name: &str, more: u32) -> Result<(), IncidentError> {
        let (cluster, id) = self.known_resource(name)?;
        let mut online = false;
        self.with_service(&cluster, |service| {
            let Some(resource) = service.cluster.resources.get_mut(&id) else {
                return;
            };
            online = resource.state == resource_state::ONLINE && !resource.maintenance;
            if online {
                resource.failing = more;
                let group = resource.group.clone();
                service.fail(&id, ERROR_RESOURCE_FAILED);
                service.pursue(&group);
            }
        });
        if online {
            Ok(())
        } else {
            Err(IncidentError::NotOnline { name: name.into() })
        }
    }

    fn kill_monitor(&mut self, node: Option<&str>, kind: &str) -> Result<(), IncidentError> {
        let known = self
            .clusters
            .iter()
            .filter(|cluster| cluster.resource_type(kind).is_some());
        let clusters: Vec<String> = known.map(|cluster| cluster.id.clone()).collect();
        if clusters.is_empty() {
            return Err(IncidentError::NoResourceType { name: kind.into() });
        }
        let mut found = false;
        for id in clusters {
            let number = match node {
                None => None,
                Some(name) => match self.cluster(&id).map(|cluster| self.find_node(cluster, name)) {
                    Some(Ok(number)) => Some(number),
                    _ => continue,
                },
            };
            found = true;
            self.kill_monitors(&id, number, kind);
        }
        match node {
            Some(name) if !found => Err(IncidentError::NoNode { name: name.into() }),
            _ => Ok(()),
        }
    }

    fn block_resource(&mut self, name: &str, node: Option<&str>) -> Result<(), IncidentError> {
        const EVERY_NODE: u32 = 0;
        let (cluster, _) = self.known_resource(name)?;
        let node = match node {
            None => EVERY_NODE,
            Some(node) => self
                .cluster(&cluster)
                .and_then(|cluster| self.find_node(cluster, node).ok())
                .ok_or_else(|| IncidentError::NoNode { name: node.into() })?,
        };
        self.change_resource(name, |resource| {
            resource.blocked.insert(node);
        })
    }

    fn change_resource(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut super::cluster::Resource),
    ) -> Result<(), IncidentError> {
        let (cluster, id) = self.known_resource(name)?;
        if let Some(resource) = self.cluster_mut(&cluster).and_then(|cluster| cluster.resource_mut(&id)) {
            change(resource);
        }
        Ok(())
    }

    fn set_witness(&mut self, cluster: Option<&str>, reachable: bool) -> Result<(), IncidentError> {
        let ids: Vec<String> = self
            .clusters
            .iter()
            .filter(|own| cluster.is_none_or(|name| own.name.eq_ignore_ascii_case(name)))
            .map(|own| own.id.clone())
            .collect();
        if let Some(name) = cluster
            && ids.is_empty()
        {
            return Err(IncidentError::NoCluster { name: name.into() });
        }
        for id in ids {
            if let Some(mut service) = self.service(&id) {
                service.reach_witness(reachable);
            }
            self.review(&id, Leaving::Abruptly);
        }
        Ok(())
    }
}

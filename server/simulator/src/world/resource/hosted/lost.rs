//! Resource Monitors that end by a deadlock, by a kill or with their node (facts 5.2), and DLLs that come.

use wsfc_clusapi::sys::constants::resource_state;

use crate::proplist;
use crate::win32::{ERROR_RESOURCE_CALL_TIMED_OUT, ERROR_RESOURCE_FAILED, ERROR_RESOURCE_NOT_FOUND, RPC_S_CALL_FAILED};
use crate::world::World;
use crate::world::events::Event;
use crate::world::hosting::{Entry, Instance, Order, Subject, Watch, file_name};
use crate::world::properties::Setting;
use crate::world::resource::running::is_active;
use crate::world::service::ClusterService;

impl ClusterService<'_> {
    /// Takes what a monitor has open away: its process is gone. What ran there has failed with `status`; control codes end
    /// with `code`. The restart policy says what follows, in another monitor.
    pub(super) fn lose_monitor(&mut self, monitor: u32, status: u32, code: u32) {
        let lost = self.hosting.handles_where(|instance| instance.monitor == monitor);
        self.hosting.end_monitor(monitor);
        let mut groups = Vec::new();
        let subjects: Vec<Subject> = lost
            .into_iter()
            .filter_map(|handle| self.abandon(handle, code))
            // What is being closed runs here no more.
            .filter(|instance| !instance.closing)
            .map(|instance| instance.subject)
            .collect();
        for id in subjects.into_iter().filter_map(|subject| subject.resource) {
            let Some(resource) = self.cluster.resources.get(&id) else {
                continue;
            };
            if is_active(resource.state) {
                groups.push(resource.group.clone());
                self.fail(&id, status);
            }
        }
        groups.sort();
        groups.dedup();
        for group in groups {
            self.pursue(&group);
        }
    }

    /// A call of an entry point has not returned for too long (facts 5.2). The resource that hangs goes to a monitor of its
    /// own from now on, so that it takes no other along again (guess: by its SeparateMonitor).
    pub(super) fn deadlocked(&mut self, handle: isize, number: u64) {
        let hangs = |instance: &&Instance| instance.call.as_ref().is_some_and(|call| call.number == number);
        let Some(instance) = self.hosting.instances.get(&handle).filter(hangs) else {
            return;
        };
        let monitor = instance.monitor;
        if let Some(id) = &instance.subject.resource
            && let Some(resource) = self.cluster.resources.get_mut(id)
        {
            let separate = Setting::Dword(1);
            let list = proplist::write(&[("SeparateMonitor", separate.clone())]);
            resource.settings.insert("SeparateMonitor".into(), separate);
            let event = Event::resource_properties(&self.cluster.id, resource).with_properties(list);
            self.tell(event);
        }
        self.lose_monitor(monitor, ERROR_RESOURCE_CALL_TIMED_OUT, ERROR_RESOURCE_CALL_TIMED_OUT);
    }

    /// Compares the instances of the cluster with what there is of nodes and resources, and begins anew what runs without an
    /// instance, such as the resources of a saved world.
    pub(super) fn compare(&mut self) {
        let cluster = self.cluster.id.clone();
        for handle in self
            .hosting
            .handles_where(|instance| instance.subject.cluster == cluster)
        {
            let Some(instance) = self.hosting.instances.get(&handle) else {
                continue;
            };
            let there = instance
                .subject
                .resource
                .as_ref()
                .is_none_or(|id| self.cluster.resources.get(id).is_some());
            if instance.closing {
                continue;
            } else if !self.cluster.node(instance.node).is_some_and(|node| node.present) {
                self.abandon(handle, RPC_S_CALL_FAILED);
            } else if !there {
                self.close_instance(handle);
            }
        }
        let bare: Vec<(String, String)> = self
            .cluster
            .resources
            .iter()
            .filter(|resource| is_active(resource.state))
            .filter(|resource| {
                let kind = self.cluster.resource_type(&resource.kind);
                kind.is_some_and(|kind| self.hosting.dll(&kind.dll).is_some())
            })
            .filter(|resource| {
                let subject = Subject::of_resource(&cluster, &resource.id);
                self.hosting.handle(&subject).is_none()
            })
            .map(|resource| (resource.id.clone(), resource.group.clone()))
            .collect();
        for (id, _) in &bare {
            self.set_resource_state(id, resource_state::OFFLINE);
        }
        for (_, group) in bare {
            self.pursue(&group);
        }
    }
}

impl World {
    /// The DLL of a file name is there to be called from now on; what already runs of its types begins anew in a monitor.
    pub(crate) fn host(&mut self, dll: &str) {
        self.hosting.dlls.insert(file_name(dll));
        self.hosting.stale = true;
    }

    /// Lets the instances follow what has become of nodes and resources.
    pub(crate) fn follow_hosted(&mut self) {
        if !std::mem::take(&mut self.hosting.stale) || self.hosting.dlls.is_empty() {
            return;
        }
        let ids: Vec<String> = self.clusters.iter().map(|cluster| cluster.id.clone()).collect();
        for handle in self
            .hosting
            .handles_where(|instance| !ids.contains(&instance.subject.cluster))
        {
            self.hosting.remove(handle);
            self.hosting
                .orders
                .push(Order::Abandon(handle, ERROR_RESOURCE_NOT_FOUND));
        }
        for id in &ids {
            if let Some(mut service) = self.service(id) {
                service.compare();
            }
        }
        let clusters = &self.clusters;
        self.hosting.end_monitors_where(|cluster, node| {
            let cluster = clusters.iter().find(|known| known.id == cluster);
            !cluster
                .and_then(|cluster| cluster.node(node))
                .is_some_and(|node| node.present)
        });
    }

    /// A watch is over.
    pub(crate) fn watched(&mut self, watch: &Watch) {
        match watch {
            Watch::Gap {
                cluster,
                resource,
                epoch,
            } => {
                if let Some(mut service) = self.service(cluster) {
                    service.gap_over(resource, *epoch);
                }
            }
            Watch::Deadlock { handle, number } => {
                if let Some(mut service) = self.service_of(*handle) {
                    service.deadlocked(*handle, *number);
                }
            }
            Watch::LooksAlive { handle } => {
                if let Some(instance) = self.hosting.instances.get_mut(handle) {
                    instance.looks_alive = None;
                    self.hosting.call(*handle, Entry::LooksAlive);
                }
            }
            Watch::IsAlive { handle } => {
                if let Some(mut service) = self.service_of(*handle) {
                    service.ask_is_alive(*handle);
                }
            }
        }
    }

    /// Ends the monitors of a type on one node or on all: what ran in them fails. False when no cluster has the type.
    pub(crate) fn kill_monitors(&mut self, cluster_id: &str, node: Option<u32>, kind: &str) {
        let Some(mut service) = self.service(cluster_id) else {
            return;
        };
        for monitor in service.hosting.monitors_of(cluster_id, node, kind) {
            service.lose_monitor(monitor, ERROR_RESOURCE_FAILED, RPC_S_CALL_FAILED);
        }
        // The simulator's own types run in nobody's threads, so their monitors are known by what runs.
        let running: Vec<String> = service
            .cluster
            .resources
            .iter()
            .filter(|resource| resource.kind.eq_ignore_ascii_case(kind) && is_active(resource.state))
            .filter(|resource| {
                let group = service.cluster.groups.get(&resource.group);
                group.is_some_and(|group| node.is_none_or(|node| group.owner == node))
            })
            .map(|resource| resource.id.clone())
            .filter(|id| service.hosted_by(id).is_none())
            .collect();
        for id in running {
            service.fail_and_pursue(&id, ERROR_RESOURCE_FAILED);
        }
    }
}

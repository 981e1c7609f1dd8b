//! Resources whose type is implemented by a resource DLL: when the Resource Monitor calls which entry point, and what follows
//! from what it answers and tells (facts 5.2). States, restarts and failover are those of every resource, in `running`.
//!
//! Here is how instances begin and end; in `heard` what their DLLs answer and tell, in `health` how they are asked whether
//! they are alive, in `lost` what ends without them.

mod health;
mod heard;
mod lost;

pub(crate) use heard::{Ended, Go};

use std::collections::BTreeSet;

use wsfc_clusapi::sys::constants::resource_state;

use crate::win32::{ERROR_TIMEOUT, RPC_S_CALL_FAILED};
use crate::world::World;
use crate::world::cluster::Resource;
use crate::world::hosting::{Attempt, ControlCall, Entry, Instance, Opening, Order, Place, Subject, Watch};
use crate::world::service::{ClusterService, dword};

/// Default of the type's property (facts 3.3).
const PENDING_TIMEOUT: u32 = 180_000;
/// A resource's value that asks for the type's.
const OF_TYPE: u32 = u32::MAX;

impl ClusterService<'_> {
    /// The DLL of a resource, when it is called for it.
    pub(crate) fn hosted_by(&self, id: &str) -> Option<String> {
        if self.hosting.dlls.is_empty() {
            return None;
        }
        let resource = self.cluster.resources.get(id)?;
        let kind = self.cluster.resource_type(&resource.kind)?;
        self.hosting.dll(&kind.dll)
    }

    /// A property that a resource has, or its type.
    fn timing(&self, id: &str, name: &str, default: u32) -> u64 {
        let Some(resource) = self.cluster.resources.get(id) else {
            return default.into();
        };
        let own = dword(&resource.settings, name, OF_TYPE);
        let kind = self.cluster.resource_type(&resource.kind);
        let of_type = || kind.map_or(default, |kind| dword(&kind.settings, name, default));
        u64::from(if own == OF_TYPE { of_type() } else { own })
    }

    /// A pending resource must be heard of within its PendingTimeout from now on.
    pub(crate) fn watch_gap(&mut self, id: &str) {
        let ms = self.timing(id, "PendingTimeout", PENDING_TIMEOUT);
        let (cluster, due_ms) = (self.cluster.id.clone(), self.now_ms.saturating_add(ms));
        if let Some(resource) = self.cluster.resources.get_mut(id) {
            self.queue.unwatch(resource.gap.take());
            let watch = Watch::Gap {
                cluster,
                resource: id.into(),
                epoch: resource.epoch,
            };
            resource.gap = Some(self.queue.watch(due_ms, watch));
        }
    }

    /// PendingTimeout is over (facts 5.2). Guess: the status is 1460.
    fn gap_over(&mut self, id: &str, epoch: u64) {
        let pending = |resource: &&Resource| resource.epoch == epoch && resource.state >= resource_state::PENDING;
        let Some(resource) = self.cluster.resources.get(id).filter(pending) else {
            return;
        };
        let group = resource.group.clone();
        self.fail(id, ERROR_TIMEOUT);
        self.pursue(&group);
    }

    /// Has the monitor of a resource's owner begin with what the resource's state says.
    pub(super) fn begin_hosted(&mut self, id: &str, dll: String) {
        let Some((handle, epoch, state)) = self.opened(id, dll) else {
            return;
        };
        self.end_health(handle);
        if let Some(instance) = self.hosting.instances.get_mut(&handle) {
            instance.attempt = Some(Attempt { epoch, entered: false });
        }
        let entry = if state == resource_state::ONLINE_PENDING {
            Entry::Online(epoch)
        } else {
            Entry::Offline(epoch)
        };
        self.hosting.call(handle, entry);
    }

    /// The instance of a resource on its owner, opened when there is none; with the resource's epoch and state.
    fn opened(&mut self, id: &str, dll: String) -> Option<(isize, u64, i32)> {
        let (group, resource) = self.cluster.resource(id)?;
        let (node, epoch, state) = (group.owner, resource.epoch, resource.state);
        let subject = Subject::of_resource(&self.cluster.id, id);
        let separate = dword(&resource.settings, "SeparateMonitor", 0) != 0;
        let separate = separate.then(|| id.to_owned());
        let (name, kind) = (resource.name.clone(), resource.kind.clone());
        let handle = self.open_instance(node, subject, name, kind, dll, separate);
        let monitor = self.hosting.instances.get(&handle).map(|instance| instance.monitor);
        if let (Some(resource), Some(monitor)) = (self.cluster.resources.get_mut(id), monitor) {
            resource.monitor = monitor;
        }
        Some((handle, epoch, state))
    }

    fn open_instance(
        &mut self,
        node: u32,
        subject: Subject,
        name: String,
        kind: String,
        dll: String,
        separate: Option<String>,
    ) -> isize {
        if let Some(handle) = self.hosting.handle(&subject) {
            // SeparateMonitor is regarded when the resource next comes online.
            let fits = self.hosting.instances.get(&handle).is_some_and(|instance| {
                let runs = instance.online || instance.attempt.is_some();
                instance.node == node && (runs || instance.separate == separate.is_some())
            });
            if fits {
                return handle;
            }
            self.leave_instance(handle);
        }
        // An instance that was left before may still be closing.
        let is_before = |instance: &Instance| instance.closing && instance.subject == subject;
        let after = self.hosting.handles_where(is_before).pop();
        let is_separate = separate.is_some();
        let monitor = self.hosting.monitor(Place {
            cluster: self.cluster.id.clone(),
            node,
            kind: kind.to_lowercase(),
            separate,
        });
        let opening = Opening {
            subject,
            name,
            kind,
            dll,
            monitor,
            separate: is_separate,
            after,
        };
        self.hosting.open(node, opening)
    }

    /// Closes an instance, or takes it away where its node is gone.
    fn leave_instance(&mut self, handle: isize) {
        let node = self.hosting.instances.get(&handle).map(|instance| instance.node);
        if node
            .and_then(|node| self.cluster.node(node))
            .is_some_and(|node| node.present)
        {
            self.close_instance(handle);
        } else {
            self.abandon(handle, RPC_S_CALL_FAILED);
        }
    }

    /// Nodes that leave in an orderly way end what runs on them and close it.
    pub(crate) fn leave_hosted(&mut self, staying: &BTreeSet<u32>) {
        let cluster = self.cluster.id.clone();
        let left = |instance: &Instance| instance.subject.cluster == cluster && !staying.contains(&instance.node);
        for handle in self.hosting.handles_where(left) {
            let instance = self.hosting.instances.get(&handle);
            if instance.is_some_and(|instance| instance.attempt.is_some() || instance.online) {
                self.hosting.call(handle, Entry::Terminate);
            }
            self.close_instance(handle);
        }
    }

    /// Closes an instance that nothing runs in any more.
    pub(crate) fn close_instance(&mut self, handle: isize) {
        self.end_health(handle);
        self.hosting.orders.push(Order::Forget(handle));
        self.hosting.close(handle);
    }

    /// Sends a control code to the DLL of a resource; false when it has none. The answer comes by its number.
    pub(crate) fn control_hosted(&mut self, id: &str, call: ControlCall) -> bool {
        let Some(dll) = self.hosted_by(id) else { return false };
        let Some((handle, ..)) = self.opened(id, dll) else {
            return false;
        };
        self.hosting.orders.push(Order::Control(handle, call));
        true
    }

    /// The same for a type, whose DLL is asked on the lowest node that is there.
    pub(crate) fn control_hosted_type(&mut self, name: &str, call: ControlCall) -> bool {
        let Some(kind) = self.cluster.resource_type(name) else {
            return false;
        };
        let (Some(dll), kind) = (self.hosting.dll(&kind.dll), kind.name.clone()) else {
            return false;
        };
        let mut present = self.cluster.nodes.iter().filter(|node| node.present);
        let subject = Subject::of_type(&self.cluster.id, &kind);
        let current = self.hosting.handle(&subject);
        let current = current.and_then(|handle| self.hosting.instances.get(&handle));
        let Some(node) = current
            .map(|instance| instance.node)
            .or_else(|| present.next().map(|node| node.id))
        else {
            return false;
        };
        let handle = self.open_instance(node, subject, kind.clone(), kind, dll, None);
        self.hosting.orders.push(Order::Control(handle, call));
        true
    }

    /// A pending resource has reached its state by what its DLL has told: nothing is left to terminate.
    pub(super) fn attempt_over(&mut self, id: &str) {
        let subject = Subject::of_resource(&self.cluster.id, id);
        if let Some(handle) = self.hosting.handle(&subject)
            && let Some(instance) = self.hosting.instances.get_mut(&handle)
        {
            instance.attempt = None;
        }
    }

    /// The state of a resource has changed to one of rest. Where its DLL has not come there by itself, it is told to end at
    /// once; where its node is gone, nobody is left to be told.
    pub(crate) fn rest_hosted(&mut self, id: &str) {
        let subject = Subject::of_resource(&self.cluster.id, id);
        let Some(handle) = self.hosting.handle(&subject) else {
            return;
        };
        let Some(instance) = self.hosting.instances.get_mut(&handle) else {
            return;
        };
        let ran = instance.attempt.take().is_some() || instance.online;
        let node = instance.node;
        if ran && self.cluster.node(node).is_some_and(|node| node.present) {
            instance.terminated = true;
            self.hosting.call(handle, Entry::Terminate);
        }
        self.end_health(handle);
    }

    /// A group has another owner: its resources are closed where it was. What stays online on its way takes its instance
    /// along (guess: only a live migration does so).
    pub(crate) fn rehost(&mut self, group_id: &str, to: u32) {
        if self.hosting.instances.is_empty() {
            return;
        }
        let Some(group) = self.cluster.groups.get(group_id) else {
            return;
        };
        for id in group.resources.clone() {
            let subject = Subject::of_resource(&self.cluster.id, &id);
            let Some(handle) = self.hosting.handle(&subject) else {
                continue;
            };
            let Some(instance) = self.hosting.instances.get_mut(&handle) else {
                continue;
            };
            if instance.online {
                instance.node = to;
            } else {
                self.leave_instance(handle);
            }
        }
    }

    /// Takes an instance away without a word.
    fn abandon(&mut self, handle: isize, code: u32) -> Option<Instance> {
        let instance = self.hosting.remove(handle)?;
        let call = instance.call.as_ref().and_then(|call| call.watch);
        for key in [call, instance.looks_alive, instance.is_alive] {
            self.queue.unwatch(key);
        }
        self.hosting.orders.push(Order::Abandon(handle, code));
        Some(instance)
    }

    fn fail_and_pursue(&mut self, id: &str, code: u32) {
        let Some(group) = self.cluster.resources.get(id).map(|resource| resource.group.clone()) else {
            return;
        };
        self.fail(id, code);
        self.pursue(&group);
    }
}

impl World {
    /// The service of the cluster that an instance belongs to.
    fn service_of(&mut self, handle: isize) -> Option<ClusterService<'_>> {
        let cluster = self.hosting.instances.get(&handle)?.subject.cluster.clone();
        self.service(&cluster)
    }
}

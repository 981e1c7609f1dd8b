//! Resources whose type is implemented by a resource DLL: when the Resource Monitor calls which entry point, and what follows
//! from what it answers and tells (facts 5.2). States, restarts and failover are those of every resource, in `running`.

use std::collections::BTreeSet;

use wsfc_clusapi::sys::constants::resource_state;
use wsfc_clusapi::sys::resapi::{ResourceExitStateContinue, ResourceExitStateTerminate};

use super::running::{Refusal, Told, is_active};
use crate::proplist;
use crate::win32::{
    ERROR_IO_PENDING, ERROR_RESOURCE_CALL_TIMED_OUT, ERROR_RESOURCE_FAILED, ERROR_RESOURCE_NOT_FOUND, ERROR_TIMEOUT,
    RPC_S_CALL_FAILED,
};
use crate::world::World;
use crate::world::cluster::Resource;
use crate::world::events::Event;
use crate::world::hosting::{
    Attempt, Call, ControlCall, Entry, Instance, Opening, Order, Place, Subject, Watch, file_name,
};
use crate::world::properties::Setting;
use crate::world::service::{ClusterService, dword};

/// Defaults of the type's properties (facts 3.3).
const PENDING_TIMEOUT: u32 = 180_000;
const DEADLOCK_TIMEOUT: u32 = 300_000;
const LOOKS_ALIVE: u32 = 5_000;
const IS_ALIVE: u32 = 60_000;
/// A resource's value that asks for the type's.
const OF_TYPE: u32 = u32::MAX;

/// Whether a monitor's thread goes on to an entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    Call,
    /// Things have changed since it was ordered.
    Skip,
    /// The instance is gone; nothing is called any more.
    End,
}

/// What an entry point has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Open; the code of its failure.
    Opened(Result<(), u32>),
    /// Online or Offline, with its code.
    Begun(Entry, u32),
    LooksAlive(bool),
    IsAlive(bool),
    /// Terminate, or a control code.
    Done,
    Closed,
}

/// What SetResourceStatus answers, and what goes to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// ResourceExitStateContinue or -Terminate.
    pub(crate) exit: u32,
    /// Why the status was refused.
    pub(crate) refused: Option<&'static str>,
    /// The resource has come online by it: its event may be waited for.
    pub(crate) online: bool,
}

impl Reply {
    fn refused(exit: i32, reason: &'static str) -> Self {
        Self {
            exit: exit.cast_unsigned(),
            refused: Some(reason),
            online: false,
        }
    }
}

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

    /// A resource has come online: its DLL is asked from time to time whether it still is.
    pub(super) fn begin_health(&mut self, id: &str) {
        let subject = Subject::of_resource(&self.cluster.id, id);
        let Some(handle) = self.hosting.handle(&subject) else {
            return;
        };
        if let Some(instance) = self.hosting.instances.get_mut(&handle) {
            instance.online = true;
            instance.event = false;
        }
        self.plan_looks_alive(handle);
        self.plan_is_alive(handle);
    }

    fn plan_looks_alive(&mut self, handle: isize) {
        let watch = Watch::LooksAlive { handle };
        let key = self.plan_poll(handle, "LooksAlivePollInterval", LOOKS_ALIVE, watch);
        if let Some(instance) = self.hosting.instances.get_mut(&handle) {
            let before = std::mem::replace(&mut instance.looks_alive, key);
            self.queue.unwatch(before);
        }
    }

    fn plan_is_alive(&mut self, handle: isize) {
        let key = self.plan_poll(handle, "IsAlivePollInterval", IS_ALIVE, Watch::IsAlive { handle });
        if let Some(instance) = self.hosting.instances.get_mut(&handle) {
            let before = std::mem::replace(&mut instance.is_alive, key);
            self.queue.unwatch(before);
        }
    }

    /// Guess: an interval of 0 asks for the default, since nobody can be asked all the time.
    fn plan_poll(
        &mut self,
        handle: isize,
        name: &str,
        default: u32,
        watch: Watch,
    ) -> Option<crate::world::queue::WatchKey> {
        let id = self.hosting.instances.get(&handle)?.subject.resource.clone()?;
        let ms = match self.timing(&id, name, default) {
            0 => default.into(),
            ms => ms,
        };
        Some(self.queue.watch(self.now_ms.saturating_add(ms), watch))
    }

    /// A resource is no longer asked whether it is alive.
    fn end_health(&mut self, handle: isize) {
        let Some(instance) = self.hosting.instances.get_mut(&handle) else {
            return;
        };
        let was_online = std::mem::replace(&mut instance.online, false);
        instance.event = false;
        let keys = [instance.looks_alive.take(), instance.is_alive.take()];
        for key in keys {
            self.queue.unwatch(key);
        }
        if was_online {
            self.hosting.orders.push(Order::Forget(handle));
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

    /// Whose status it is, and what follows (facts 5.2).
    fn told(&mut self, handle: isize, told: &Told) -> Reply {
        let Some(instance) = self.hosting.instances.get(&handle) else {
            return Reply::refused(ResourceExitStateTerminate, "there is no such resource");
        };
        let Some(id) = instance.subject.resource.clone() else {
            return Reply::refused(ResourceExitStateTerminate, "a type has no status");
        };
        let attempt = match instance.attempt {
            Some(attempt) if attempt.entered => attempt,
            _ if instance.terminated => {
                return Reply::refused(ResourceExitStateTerminate, "the resource was terminated");
            }
            // Guess: whoever tells more after the final state is told to go on, since what has come online must not end
            // for a word too many.
            _ => return Reply::refused(ResourceExitStateContinue, "nothing is pending"),
        };
        let refused = match self.report(&id, attempt.epoch, told) {
            Ok(()) => None,
            Err(Refusal::NotPending) => Some("nothing is pending"),
            Err(Refusal::CheckPoint) => Some("the check point has not grown"),
            Err(Refusal::State) => Some("the state does not follow from the pending one"),
        };
        let instance = self.hosting.instances.get(&handle);
        let terminated = instance.is_none_or(|instance| instance.terminated);
        // What has failed by its own word knows it; Terminate follows.
        let knows = told.state == resource_state::FAILED;
        let exit = if terminated && !knows {
            ResourceExitStateTerminate
        } else {
            ResourceExitStateContinue
        };
        Reply {
            exit: exit.cast_unsigned(),
            refused,
            online: instance.is_some_and(|instance| instance.online),
        }
    }

    /// A thread of a monitor has come to an entry point.
    fn entered(&mut self, handle: isize, entry: Entry) -> Go {
        let Some(instance) = self.hosting.instances.get_mut(&handle) else {
            return Go::End;
        };
        match entry {
            Entry::Online(epoch) | Entry::Offline(epoch) => match &mut instance.attempt {
                Some(attempt) if attempt.epoch == epoch && !attempt.entered => {
                    attempt.entered = true;
                    instance.terminated = false;
                }
                _ => return Go::Skip,
            },
            Entry::LooksAlive | Entry::IsAlive if !instance.online => return Go::Skip,
            _ => {}
        }
        let subject = instance.subject.clone();
        let (deadlock_ms, epoch) = match &subject.resource {
            Some(id) => (
                self.timing(id, "DeadlockTimeout", DEADLOCK_TIMEOUT),
                self.cluster.resources.get(id).map_or(0, |resource| resource.epoch),
            ),
            None => (DEADLOCK_TIMEOUT.into(), 0),
        };
        let number = self.hosting.next_call();
        let watch = Watch::Deadlock { handle, number };
        let watch = Some(self.queue.watch(self.now_ms.saturating_add(deadlock_ms), watch));
        if let Some(instance) = self.hosting.instances.get_mut(&handle) {
            instance.call = Some(Call { number, watch, epoch });
        }
        Go::Call
    }

    /// An entry point has returned. True when the resource is online: its event may be waited for.
    fn ended(&mut self, handle: isize, ended: Ended) -> bool {
        let Some(instance) = self.hosting.instances.get_mut(&handle) else {
            return false;
        };
        let call = instance.call.take();
        self.queue.unwatch(call.as_ref().and_then(|call| call.watch));
        let subject = instance.subject.clone();
        let attempt = instance.attempt;
        // The answer to a question about an earlier time online says nothing of this one.
        let asked = |service: &Self, id: &str| {
            let epoch = service.cluster.resources.get(id).map(|resource| resource.epoch);
            call.as_ref().map(|call| call.epoch) == epoch
        };
        let Some(id) = subject.resource else {
            if matches!(ended, Ended::Closed | Ended::Opened(Err(_))) {
                self.hosting.remove(handle);
            }
            return false;
        };
        match ended {
            Ended::Opened(Ok(())) | Ended::Done => {}
            Ended::Closed => {
                self.hosting.remove(handle);
            }
            Ended::Opened(Err(code)) => {
                self.hosting.remove(handle);
                if attempt.is_some() {
                    self.fail_and_pursue(&id, code);
                }
            }
            Ended::Begun(Entry::Online(epoch) | Entry::Offline(epoch), code)
                if attempt.is_some_and(|attempt| attempt.epoch == epoch) =>
            {
                self.begun(&id, epoch, code);
            }
            Ended::Begun(..) => {}
            Ended::LooksAlive(alive) => {
                if !alive && asked(self, &id) {
                    self.ask_is_alive(handle);
                }
                if self
                    .hosting
                    .instances
                    .get(&handle)
                    .is_some_and(|instance| instance.online && !instance.event)
                {
                    self.plan_looks_alive(handle);
                }
            }
            Ended::IsAlive(alive) => {
                let maintained = self
                    .cluster
                    .resources
                    .get(&id)
                    .is_some_and(|resource| resource.maintenance);
                if !alive && !maintained && asked(self, &id) {
                    self.fail_and_pursue(&id, ERROR_RESOURCE_FAILED);
                } else if self
                    .hosting
                    .instances
                    .get(&handle)
                    .is_some_and(|instance| instance.online)
                {
                    self.plan_is_alive(handle);
                }
            }
        }
        self.hosting
            .instances
            .get(&handle)
            .is_some_and(|instance| instance.online)
    }

    /// Online or Offline has answered: 0 is done, 997 goes on, everything else is a failure (facts 5.2).
    fn begun(&mut self, id: &str, epoch: u64, code: u32) {
        match code {
            0 => {
                let state = match self.cluster.resources.get(id).map(|resource| resource.state) {
                    Some(resource_state::ONLINE_PENDING) => resource_state::ONLINE,
                    _ => resource_state::OFFLINE,
                };
                // It is pending in this epoch, so nothing is refused.
                let _done = self.report(id, epoch, &Told::new(state));
            }
            ERROR_IO_PENDING => {
                // Guess: the time without a word begins with the answer, or with the first word where that came earlier.
                if self
                    .cluster
                    .resources
                    .get(id)
                    .is_some_and(|resource| resource.gap.is_none())
                {
                    self.watch_gap(id);
                }
            }
            code => self.fail_and_pursue(id, code),
        }
    }

    fn fail_and_pursue(&mut self, id: &str, code: u32) {
        let Some(group) = self.cluster.resources.get(id).map(|resource| resource.group.clone()) else {
            return;
        };
        self.fail(id, code);
        self.pursue(&group);
    }

    fn ask_is_alive(&mut self, handle: isize) {
        if let Some(instance) = self.hosting.instances.get_mut(&handle)
            && instance.online
        {
            self.queue.unwatch(instance.is_alive.take());
            self.hosting.call(handle, Entry::IsAlive);
        }
    }

    /// Takes what a monitor has open away: its process is gone. What ran there has failed with `status`; control codes end
    /// with `code`. The restart policy says what follows, in another monitor.
    fn lose_monitor(&mut self, monitor: u32, status: u32, code: u32) {
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

    /// A call of an entry point has not returned for too long (facts 5.2). The resource that hangs goes to a monitor of its
    /// own from now on, so that it takes no other along again (guess: by its SeparateMonitor).
    fn deadlocked(&mut self, handle: isize, number: u64) {
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
    fn compare(&mut self) {
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

    /// The service of the cluster that an instance belongs to.
    fn service_of(&mut self, handle: isize) -> Option<ClusterService<'_>> {
        let cluster = self.hosting.instances.get(&handle)?.subject.cluster.clone();
        self.service(&cluster)
    }

    /// SetResourceStatus.
    pub(crate) fn hosted_told(&mut self, handle: isize, told: &Told) -> Reply {
        match self.service_of(handle) {
            Some(mut service) => service.told(handle, told),
            None => Reply::refused(ResourceExitStateTerminate, "there is no such resource"),
        }
    }

    /// A thread of a monitor has come to an entry point.
    pub(crate) fn hosted_entered(&mut self, handle: isize, entry: Entry) -> Go {
        self.service_of(handle)
            .map_or(Go::End, |mut service| service.entered(handle, entry))
    }

    /// An entry point has returned; true when the resource is online.
    pub(crate) fn hosted_ended(&mut self, handle: isize, ended: Ended) -> bool {
        self.service_of(handle)
            .is_some_and(|mut service| service.ended(handle, ended))
    }

    /// The event of a resource is waited for, so nobody asks whether it looks alive.
    pub(crate) fn hosted_waited_for(&mut self, handle: isize) {
        if let Some(instance) = self.hosting.instances.get_mut(&handle) {
            instance.event = true;
            self.queue.unwatch(instance.looks_alive.take());
        }
    }

    /// The event was signalled. Of the two accounts (facts 5.2) the milder: IsAlive is asked at once. Guess: a resource
    /// that says that it is alive is polled from then on, since its event stays signalled.
    pub(crate) fn hosted_signalled(&mut self, handle: isize) {
        if let Some(mut service) = self.service_of(handle)
            && let Some(instance) = service.hosting.instances.get_mut(&handle)
            && instance.online
        {
            instance.event = false;
            service.plan_looks_alive(handle);
            service.ask_is_alive(handle);
        }
    }

    /// A call under way may take this long from now on; false when there is none.
    pub(crate) fn extend_hosted(&mut self, handle: isize, ms: u32) -> bool {
        let now_ms = self.now_ms;
        let Some(call) = self
            .hosting
            .instances
            .get_mut(&handle)
            .and_then(|instance| instance.call.as_mut())
        else {
            return false;
        };
        let number = call.number;
        self.queue.unwatch(call.watch.take());
        let due_ms = now_ms.saturating_add(ms.into());
        call.watch = Some(self.queue.watch(due_ms, Watch::Deadlock { handle, number }));
        true
    }

    /// SignalFailure of the newer callbacks: the resource fails at once.
    pub(crate) fn hosted_failed(&mut self, handle: isize) -> bool {
        let Some(mut service) = self.service_of(handle) else {
            return false;
        };
        let instance = service.hosting.instances.get(&handle);
        let id = instance
            .filter(|instance| instance.online)
            .and_then(|instance| instance.subject.resource.clone());
        if let Some(id) = &id {
            service.fail_and_pursue(id, ERROR_RESOURCE_FAILED);
        }
        id.is_some()
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

//! Whether what is online still is: LooksAlive, IsAlive, and events (facts 5.2).

use crate::win32::ERROR_RESOURCE_FAILED;
use crate::world::World;
use crate::world::hosting::{Entry, Order, Subject, Watch};
use crate::world::queue::WatchKey;
use crate::world::service::ClusterService;

/// Defaults of the type's properties (facts 3.3).
const LOOKS_ALIVE: u32 = 5_000;
const IS_ALIVE: u32 = 60_000;

impl ClusterService<'_> {
    /// A resource has come online: its DLL is asked from time to time whether it still is.
    pub(crate) fn begin_health(&mut self, id: &str) {
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

    pub(super) fn plan_looks_alive(&mut self, handle: isize) {
        let watch = Watch::LooksAlive { handle };
        let key = self.plan_poll(handle, "LooksAlivePollInterval", LOOKS_ALIVE, watch);
        if let Some(instance) = self.hosting.instances.get_mut(&handle) {
            let before = std::mem::replace(&mut instance.looks_alive, key);
            self.queue.unwatch(before);
        }
    }

    pub(super) fn plan_is_alive(&mut self, handle: isize) {
        let key = self.plan_poll(handle, "IsAlivePollInterval", IS_ALIVE, Watch::IsAlive { handle });
        if let Some(instance) = self.hosting.instances.get_mut(&handle) {
            let before = std::mem::replace(&mut instance.is_alive, key);
            self.queue.unwatch(before);
        }
    }

    /// Guess: an interval of 0 asks for the default, since nobody can be asked all the time.
    pub(super) fn plan_poll(&mut self, handle: isize, name: &str, default: u32, watch: Watch) -> Option<WatchKey> {
        let id = self.hosting.instances.get(&handle)?.subject.resource.clone()?;
        let ms = match self.timing(&id, name, default) {
            0 => default.into(),
            ms => ms,
        };
        Some(self.queue.watch(self.now_ms.saturating_add(ms), watch))
    }

    /// A resource is no longer asked whether it is alive.
    pub(super) fn end_health(&mut self, handle: isize) {
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

    pub(super) fn ask_is_alive(&mut self, handle: isize) {
        if let Some(instance) = self.hosting.instances.get_mut(&handle)
            && instance.online
        {
            self.queue.unwatch(instance.is_alive.take());
            self.hosting.call(handle, Entry::IsAlive);
        }
    }
}

impl World {
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
}

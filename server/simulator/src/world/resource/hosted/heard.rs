//! What the entry points of resource DLLs answer, and what DLLs tell by SetResourceStatus (facts 5.2).

use wsfc_clusapi::sys::constants::resource_state;
use wsfc_clusapi::sys::resapi::{ResourceExitStateContinue, ResourceExitStateTerminate};

use crate::win32::{ERROR_IO_PENDING, ERROR_RESOURCE_FAILED};
use crate::world::World;
use crate::world::hosting::{Call, Entry, Watch};
use crate::world::resource::running::{Refusal, Told};
use crate::world::service::ClusterService;

/// Default of the type's property (facts 3.3).
const DEADLOCK_TIMEOUT: u32 = 300_000;

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
    /// Whose status it is, and what follows (facts 5.2).
    pub(super) fn told(&mut self, handle: isize, told: &Told) -> Reply {
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
    pub(super) fn entered(&mut self, handle: isize, entry: Entry) -> Go {
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
    pub(super) fn ended(&mut self, handle: isize, ended: Ended) -> bool {
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
    pub(super) fn begun(&mut self, id: &str, epoch: u64, code: u32) {
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
}

impl World {
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
}

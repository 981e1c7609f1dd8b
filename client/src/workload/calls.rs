//! The calls of an agent: which are under way, and what is to be told of them.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::sync::watch;
use tokio::task::{AbortHandle, Id};
use wsfc_proto::v1::attach_request::Message;
use wsfc_proto::v1::{WorkloadCall, WorkloadCallKind, WorkloadHealth, WorkloadState, WorkloadStatus};

use super::Standing;

/// What the implementation of a workload tells.
#[derive(Debug)]
pub(super) enum Told {
    Status(WorkloadStatus),
    Health(WorkloadHealth),
}

/// What a task holds while it runs, so that others can wait for its end.
#[derive(Debug)]
pub(super) struct Running(#[expect(dead_code, reason = "dropping it is what tells")] watch::Sender<()>);

/// The end of a task, or what may become one.
#[derive(Debug, Clone)]
pub(super) struct Ending(watch::Receiver<()>);

impl Ending {
    pub(super) fn new() -> (Running, Self) {
        let (running, ending) = watch::channel(());
        (Running(running), Self(ending))
    }

    /// Waits until the task has ended, however it did.
    pub(super) async fn come(&mut self) {
        while self.0.changed().await.is_ok() {}
    }

    fn has_come(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

/// The calls that an agent was given.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: HashMap<String, Call>,
    /// The terminations and closes that may still be under way, whatever has become of their calls.
    stopping: Vec<Stopping>,
    /// What was told last of each resource, in lower case, without having been asked. What is bad is told again after a lost
    /// connection.
    health: HashMap<String, WorkloadHealth>,
    /// The resources that are online by what was told of them, in lower case: a daemon that asks anew is answered by this.
    online: HashSet<String>,
    /// The resources that the agent was called for and that were not closed, by their names in lower case.
    held: HashMap<String, Held>,
    /// What is to be sent, in order. A call stands here once, and its last status is sent then, so that nothing piles up
    /// where a daemon takes statuses more slowly than they are told.
    due: VecDeque<Due>,
}

/// A resource that the agent may run something for.
#[derive(Debug)]
struct Held {
    resource: String,
    /// The daemon has named it on the present stream.
    is_named: bool,
}

/// Work that is being stopped.
#[derive(Debug)]
struct Stopping {
    /// The resource in lower case.
    resource: String,
    kind: WorkloadCallKind,
    ending: Ending,
}

#[derive(Debug)]
struct Call {
    kind: WorkloadCallKind,
    resource: String,
    /// `None` once the call was answered.
    task: Option<AbortHandle>,
    /// True when the daemon has given the call on the present stream; before that it may not know it.
    given: bool,
    last: Option<WorkloadStatus>,
}

impl Call {
    /// Cancels the call. Work that is being stopped is not to be left half stopped, so that goes on.
    fn cancel(&self) {
        if let Some(task) = self.task.as_ref().filter(|_| !stops(self.kind)) {
            task.abort();
        }
    }
}

/// Whether a call ends work at once, so that nothing else of the resource goes on beside it.
fn stops(kind: WorkloadCallKind) -> bool {
    matches!(kind, WorkloadCallKind::Terminate | WorkloadCallKind::Close)
}

#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// The last status of this call.
    Status(String),
    /// The last health of this resource, in lower case.
    Health(String),
}

impl Calls {
    /// Takes in a call; true when it is a new one, which is to be [begun](Self::begin).
    pub(super) fn give(&mut self, call: &WorkloadCall) -> bool {
        if call.kind() == WorkloadCallKind::Close {
            self.held.remove(&call.resource.to_lowercase());
        } else {
            self.hold(&call.resource);
        }
        if let Some(known) = self.calls.get_mut(&call.call_id) {
            known.given = true;
            if known.last.is_some() {
                self.owe(Due::Status(call.call_id.clone()));
            }
            return false;
        }
        let resource = call.resource.to_lowercase();
        let closes = call.kind() == WorkloadCallKind::Close;
        let stops = stops(call.kind());
        let checks = call.kind() == WorkloadCallKind::CheckHealth;
        // A daemon that asks anew how things stand has ended nothing: what is under way it gives again after this.
        let opens = call.kind() == WorkloadCallKind::Open;
        self.calls.retain(|_, other| {
            let stays = if other.resource.to_lowercase() != resource {
                true
            } else if stops {
                // A termination is answered, also when the resource is closed after it.
                closes && other.kind == WorkloadCallKind::Terminate
            } else {
                // A new call shows that the daemon has taken the earlier answers, and that a call which it did not give
                // again has ended.
                call.resumed || opens || (other.task.is_some() && (checks || other.given))
            };
            if !stays {
                other.cancel();
            }
            stays
        });
        if !checks && !opens {
            self.health.remove(&resource);
        }
        true
    }

    fn hold(&mut self, resource: &str) {
        let held = Held {
            resource: resource.to_owned(),
            is_named: true,
        };
        self.held.insert(resource.to_lowercase(), held);
    }

    /// Takes in which resources the daemon has open.
    pub(super) fn name(&mut self, resources: &[String]) {
        for resource in resources {
            if let Some(held) = self.held.get_mut(&resource.to_lowercase()) {
                held.is_named = true;
            }
        }
    }

    /// The resources that the daemon has not named on the present stream.
    pub(super) fn unnamed(&self) -> Vec<String> {
        let unnamed = self.held.values().filter(|held| !held.is_named);
        unnamed.map(|held| held.resource.clone()).collect()
    }

    /// All resources that the agent may run something for.
    pub(super) fn held(&self) -> Vec<String> {
        self.held.values().map(|held| held.resource.clone()).collect()
    }

    /// Whether the daemon may take a resource for online by what was told of it.
    pub(super) fn ran(&self, resource: &str) -> bool {
        self.standing(resource) == Standing::Online || self.health.contains_key(&resource.to_lowercase())
    }

    /// Whether a resource is online by what was told of it.
    pub(super) fn standing(&self, resource: &str) -> Standing {
        if self.online.contains(&resource.to_lowercase()) {
            Standing::Online
        } else {
            Standing::Offline
        }
    }

    /// What a new call of a resource is to wait for, so that what stops the old work does not stop the new: nothing where it
    /// terminates, the terminations where it closes, and otherwise all that is being stopped.
    pub(super) fn endings_before(&mut self, kind: WorkloadCallKind, resource: &str) -> Vec<Ending> {
        self.stopping.retain(|stopping| !stopping.ending.has_come());
        let resource = resource.to_lowercase();
        let waits_for = |stopping: &&Stopping| {
            stopping.resource == resource
                && match kind {
                    WorkloadCallKind::Terminate => false,
                    WorkloadCallKind::Close => stopping.kind == WorkloadCallKind::Terminate,
                    _ => true,
                }
        };
        let before = self.stopping.iter().filter(waits_for);
        before.map(|stopping| stopping.ending.clone()).collect()
    }

    /// A new call has begun.
    pub(super) fn begin(
        &mut self,
        kind: WorkloadCallKind,
        call_id: String,
        resource: String,
        task: AbortHandle,
        ending: Ending,
    ) {
        // Whatever becomes of them, what they are to end is not counted on any more.
        if matches!(
            kind,
            WorkloadCallKind::Offline | WorkloadCallKind::Terminate | WorkloadCallKind::Close
        ) {
            self.online.remove(&resource.to_lowercase());
        }
        if stops(kind) {
            self.stopping.push(Stopping {
                resource: resource.to_lowercase(),
                kind,
                ending,
            });
        }
        let call = Call {
            kind,
            resource,
            task: Some(task),
            given: true,
            last: None,
        };
        self.calls.insert(call_id, call);
    }

    /// Takes in what was told. What comes after the answer of a call, or after its end, changes nothing.
    pub(super) fn tell(&mut self, told: Told) {
        match told {
            Told::Status(status) => {
                let Some(call) = self.calls.get_mut(&status.call_id).filter(|call| call.task.is_some()) else {
                    return;
                };
                if status.state() != WorkloadState::Pending {
                    call.task = None;
                    let resource = call.resource.to_lowercase();
                    match (call.kind, status.state()) {
                        (WorkloadCallKind::Open | WorkloadCallKind::Online, WorkloadState::Online) => {
                            self.online.insert(resource);
                        }
                        // A check says how online work is, and does not bring it there.
                        (WorkloadCallKind::CheckHealth, WorkloadState::Online) => {}
                        _ => {
                            self.online.remove(&resource);
                        }
                    }
                }
                let (call_id, given) = (status.call_id.clone(), call.given);
                call.last = Some(status);
                if given {
                    self.owe(Due::Status(call_id));
                }
            }
            Told::Health(health) => {
                let resource = health.resource.to_lowercase();
                if !health.healthy {
                    self.online.remove(&resource);
                }
                self.owe(Due::Health(resource.clone()));
                self.health.insert(resource, health);
            }
        }
    }

    /// A call without an answer (CLOSE) is done.
    pub(super) fn forget(&mut self, task: Id) {
        self.calls
            .retain(|_, call| call.task.as_ref().is_none_or(|running| running.id() != task));
    }

    /// The call that a task was carrying out.
    pub(super) fn of_task(&self, task: Id) -> Option<&str> {
        let found = self
            .calls
            .iter()
            .find(|(_, call)| call.task.as_ref().is_some_and(|running| running.id() == task));
        found.map(|(call_id, _)| call_id.as_str())
    }

    /// Cancels a call that has ended, but for one that stops work.
    pub(super) fn end(&mut self, call_id: &str) {
        let Some(call) = self.calls.remove(call_id) else {
            return;
        };
        if call.kind == WorkloadCallKind::Online {
            // Its answer came too late.
            self.online.remove(&call.resource.to_lowercase());
        }
        call.cancel();
    }

    /// Cancels all calls: they are another agent's.
    pub(super) fn end_all(&mut self) {
        for (_, call) in self.calls.drain() {
            call.cancel();
        }
        self.health.clear();
        self.online.clear();
        self.held.clear();
        self.due.clear();
    }

    /// The stream is lost. Statuses wait until the daemon gives their calls again: one that was restarted does not know
    /// them before the resource DLL has told it.
    pub(super) fn lose_stream(&mut self) {
        for call in self.calls.values_mut() {
            call.given = false;
        }
        for held in self.held.values_mut() {
            held.is_named = false;
        }
        self.due.clear();
        let bad = self.health.iter().filter(|(_, health)| !health.healthy);
        self.due.extend(bad.map(|(resource, _)| Due::Health(resource.clone())));
    }

    pub(super) fn owes(&self) -> bool {
        !self.due.is_empty()
    }

    /// The next thing to send.
    pub(super) fn next(&mut self) -> Option<Message> {
        while let Some(due) = self.due.pop_front() {
            let message = match &due {
                Due::Status(call_id) => {
                    let last = self.calls.get(call_id).and_then(|call| call.last.clone());
                    last.map(Message::Status)
                }
                Due::Health(resource) => self.health.get(resource).cloned().map(Message::Health),
            };
            if message.is_some() {
                return message;
            }
        }
        None
    }

    fn owe(&mut self, due: Due) {
        if !self.due.contains(&due) {
            self.due.push_back(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(call_id: &str, kind: WorkloadCallKind, resumed: bool) -> WorkloadCall {
        WorkloadCall {
            call_id: call_id.to_owned(),
            kind: kind.into(),
            resource: "web".to_owned(),
            resumed,
            ..Default::default()
        }
    }

    fn status(call_id: &str, state: WorkloadState, percent: u32) -> Told {
        Told::Status(WorkloadStatus {
            call_id: call_id.to_owned(),
            state: state.into(),
            percent: Some(percent),
            ..Default::default()
        })
    }

    /// A task that never ends by itself.
    fn begin(calls: &mut Calls, call_id: &str) -> tokio::task::JoinHandle<()> {
        let (running, ending) = Ending::new();
        let task = tokio::spawn(async move {
            let _running = running;
            std::future::pending::<()>().await;
        });
        let kind = WorkloadCallKind::Online;
        calls.begin(kind, call_id.to_owned(), "web".to_owned(), task.abort_handle(), ending);
        task
    }

    fn sent(calls: &mut Calls) -> Vec<(String, Option<u32>)> {
        std::iter::from_fn(|| calls.next())
            .map(|message| match message {
                Message::Status(status) => (status.call_id, status.percent),
                Message::Health(health) => (format!("{}:{}", health.resource, health.healthy), None),
                Message::Registration(_) => ("registration".to_owned(), None),
            })
            .collect()
    }

    #[tokio::test]
    async fn what_is_told_faster_than_it_is_taken_is_folded_into_the_last() {
        let mut calls = Calls::default();
        assert!(calls.give(&call("c1", WorkloadCallKind::Online, false)));
        let _task = begin(&mut calls, "c1");
        calls.tell(status("c1", WorkloadState::Pending, 10));
        calls.tell(status("c1", WorkloadState::Pending, 20));
        assert_eq!(sent(&mut calls), [("c1".to_owned(), Some(20))]);
        calls.tell(status("c1", WorkloadState::Online, 100));
        calls.tell(status("c1", WorkloadState::Pending, 30));
        assert_eq!(sent(&mut calls), [("c1".to_owned(), Some(100))]);
        assert!(!calls.owes());
    }

    #[tokio::test]
    async fn after_a_lost_stream_statuses_wait_until_their_call_is_given_again() {
        let mut calls = Calls::default();
        calls.give(&call("c1", WorkloadCallKind::Online, false));
        let task = begin(&mut calls, "c1");
        calls.tell(status("c1", WorkloadState::Pending, 10));
        calls.lose_stream();
        calls.tell(status("c1", WorkloadState::Online, 100));
        assert!(!calls.owes());
        assert!(
            !calls.give(&call("c1", WorkloadCallKind::Online, true)),
            "it is begun once"
        );
        assert_eq!(sent(&mut calls), [("c1".to_owned(), Some(100))]);
        assert!(!task.is_finished());
    }

    #[tokio::test]
    async fn a_new_call_ends_what_was_not_given_again_and_a_termination_ends_everything() {
        let mut calls = Calls::default();
        calls.give(&call("c1", WorkloadCallKind::Online, false));
        let lost = begin(&mut calls, "c1");
        calls.lose_stream();
        assert!(calls.give(&call("c2", WorkloadCallKind::CheckHealth, false)));
        let check = begin(&mut calls, "c2");
        assert!(calls.give(&call("c3", WorkloadCallKind::Offline, false)));
        let offline = begin(&mut calls, "c3");
        assert!(lost.await.unwrap_err().is_cancelled());
        assert!(calls.give(&call("c4", WorkloadCallKind::Terminate, false)));
        assert!(check.await.unwrap_err().is_cancelled());
        assert!(offline.await.unwrap_err().is_cancelled());
        calls.tell(status("c3", WorkloadState::Offline, 100));
        assert!(!calls.owes(), "an ended call says nothing more");
    }

    #[tokio::test]
    async fn a_daemon_that_opens_anew_costs_neither_the_call_under_way_nor_its_answer() {
        for answered in [false, true] {
            let mut calls = Calls::default();
            calls.give(&call("c1", WorkloadCallKind::Online, false));
            let task = begin(&mut calls, "c1");
            calls.lose_stream();
            if answered {
                calls.tell(status("c1", WorkloadState::Online, 100));
            }
            assert!(calls.give(&call("c2", WorkloadCallKind::Open, false)));
            assert!(!calls.give(&call("c1", WorkloadCallKind::Online, true)), "{answered}");
            calls.tell(status("c1", WorkloadState::Online, 100));
            assert_eq!(sent(&mut calls), [("c1".to_owned(), Some(100))]);
            tokio::task::yield_now().await;
            assert!(!task.is_finished());
        }
    }

    #[tokio::test]
    async fn bad_health_is_told_again_until_the_resource_is_called() {
        let mut calls = Calls::default();
        let bad = || {
            Told::Health(WorkloadHealth {
                resource: "Web".to_owned(),
                healthy: false,
                message: String::new(),
            })
        };
        calls.tell(bad());
        let told = [("Web:false".to_owned(), None)];
        assert_eq!(sent(&mut calls), told);
        calls.lose_stream();
        assert_eq!(sent(&mut calls), told);
        // Names of resources compare without case.
        calls.give(&call("c1", WorkloadCallKind::Online, false));
        calls.lose_stream();
        assert_eq!(sent(&mut calls), []);
    }
}

//! An agent's stream, and the tasks of its calls.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tonic::Status;
use wsfc_proto::v1::attach_request::Message as Said;
use wsfc_proto::v1::attach_response::Message as Heard;
use wsfc_proto::v1::{
    AgentRegistration, AttachRequest, AttachResponse, WorkloadCall, WorkloadCallKind, WorkloadHealth,
    WorkloadRejection, WorkloadState, WorkloadStatus,
};

use super::calls::{Calls, Ending, Told};
use super::{Call, CallProgress, Health, Notice, Standing, Workload, WorkloadFailure};
use crate::client::{ATTACH, Client};
use crate::error::Error;
use crate::line::{Line, Loss, Opening, Signal};
use crate::reason::Reason;

/// The longest pause between two attempts to come back: an agent that paused longer would lose a lease of the default
/// length, 10 seconds, though the daemon was back long before.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A stream that has lasted so long shows that the daemon is well, also when nothing was called.
const STEADY: Duration = Duration::from_secs(5);

/// How long a daemon that has given a new lease may take until it has named all its resources: it may have been restarted,
/// and resource DLLs come back to it within seconds.
const NAMING: Duration = Duration::from_secs(60);

/// How long an agent runs on without its daemon unless it says otherwise: as long as the resource DLL answers for a daemon
/// that is away, unless its resource says otherwise.
const DAEMON_GRACE: Duration = Duration::from_secs(60);

/// How long leaving may take, so that a daemon that has stopped reading holds nobody up.
const LEAVING: Duration = Duration::from_secs(2);

/// What a call says that waits for earlier work of its resource.
const WAITING_FOR_THE_END: &str = "waiting for the end of what ran before";

/// The shortest pause between two words about an end that is waited for.
const SHORTEST_TELLING: Duration = Duration::from_millis(100);

/// How many messages may wait for the connection; what is told beyond that is folded.
const WAITING: usize = 16;

/// Where the present stream takes what the agent says.
type Outbox = Arc<Mutex<Option<mpsc::Sender<AttachRequest>>>>;

struct Agent<W> {
    line: Line<AttachResponse>,
    registration: AgentRegistration,
    workload: Arc<W>,
    calls: Calls,
    tasks: JoinSet<()>,
    outbox: Outbox,
    tell: UnboundedSender<Told>,
    told: UnboundedReceiver<Told>,
    /// Since when the agent holds the workload on the present stream.
    attached: Option<Instant>,
    /// How long what runs may go on without the daemon; `None` for as long as the default.
    daemon_grace: Option<Duration>,
    /// How long another agent that waits for the workload would be kept waiting; `None` where none is expected.
    lease: Option<Duration>,
    /// When the daemon has been away for too long; `None` while the agent holds the workload, or holds nothing.
    lost_at: Option<Instant>,
    /// True once the present stream has shown that the daemon is well.
    steady: bool,
    /// When the daemon has named all its resources, so that others are closed.
    all_named: Option<Instant>,
    /// How many resources were closed without a call.
    closed: u64,
}

/// What an agent reacts to.
enum Happened {
    Told(Told),
    /// A task has ended.
    Done(Result<(Id, ()), JoinError>),
    /// The stream takes another message; `None` when it is lost.
    Room(Option<mpsc::OwnedPermit<AttachRequest>>),
    Steady,
    /// The daemon has named all its resources.
    AllNamed,
    /// The daemon has been away for too long.
    DaemonLost,
    Signal(Result<Signal<AttachResponse>, Error>),
}

pub(super) async fn serve<W: Workload>(
    client: Client,
    registration: AgentRegistration,
    daemon_grace: Option<Duration>,
    implementation: W,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let (tell, told) = mpsc::unbounded_channel();
    let mut agent = Agent {
        line: Line::quiet(client, ATTACH, LONGEST_PAUSE),
        registration,
        workload: Arc::new(implementation),
        calls: Calls::default(),
        tasks: JoinSet::new(),
        outbox: Outbox::default(),
        tell,
        told,
        attached: None,
        daemon_grace,
        lease: None,
        lost_at: None,
        steady: false,
        all_named: None,
        closed: 0,
    };
    let mut shutdown = pin!(shutdown);
    loop {
        let happened = tokio::select! {
            () = &mut shutdown => break,
            happened = agent.next() => happened,
        };
        agent.take_in(happened)?;
    }
    agent.leave().await;
    Ok(())
}

impl<W: Workload> Agent<W> {
    /// The next thing to react to. Dropping the future loses nothing.
    async fn next(&mut self) -> Happened {
        let outbox = self.sender().filter(|_| self.attached.is_some() && self.calls.owes());
        let room = async {
            match outbox {
                Some(sender) => sender.reserve_owned().await.ok(),
                None => std::future::pending().await,
            }
        };
        let steady = at(self.attached.filter(|_| !self.steady).map(|since| since + STEADY));
        let all_named = at(self.all_named);
        let daemon_lost = at(self.lost_at);
        let (outbox, registration) = (&self.outbox, &self.registration);
        let signal = signal(&mut self.line, outbox, registration);
        tokio::select! {
            Some(told) = self.told.recv() => Happened::Told(told),
            Some(done) = self.tasks.join_next_with_id() => Happened::Done(done),
            room = room => Happened::Room(room),
            () = steady => Happened::Steady,
            () = all_named => Happened::AllNamed,
            () = daemon_lost => Happened::DaemonLost,
            signal = signal => Happened::Signal(signal),
        }
    }

    fn take_in(&mut self, happened: Happened) -> Result<(), Error> {
        match happened {
            Happened::Told(told) => self.calls.tell(told),
            Happened::Done(Ok((task, ()))) => {
                // Its answer may still be on its way; only a call without one has nothing to be kept for.
                self.take_told();
                self.calls.forget(task);
            }
            Happened::Done(Err(error)) => self.broken(&error),
            Happened::Room(Some(permit)) => {
                if let Some(message) = self.calls.next() {
                    permit.send(request(message));
                }
            }
            // The line tells about the loss itself.
            Happened::Room(None) => self.detach(),
            Happened::Steady => {
                self.steady = true;
                self.line.all_is_well();
            }
            Happened::AllNamed => self.close_others(),
            Happened::DaemonLost => self.daemon_is_lost(),
            Happened::Signal(Ok(Signal::Message { message, .. })) => return self.hear(message),
            Happened::Signal(Ok(Signal::Closed)) => return self.lose("the stream of the agent ended"),
            Happened::Signal(Ok(Signal::Lost(loss))) => self.lost(loss),
            Happened::Signal(Err(error)) => return self.failed(error),
        }
        Ok(())
    }

    fn hear(&mut self, message: AttachResponse) -> Result<(), Error> {
        match message.message {
            Some(Heard::Attached(attached)) => {
                tracing::info!(
                    workload = self.registration.workload,
                    resumed = attached.resumed,
                    "Attached"
                );
                self.registration.lease_id.clone_from(&attached.lease_id);
                let now = Instant::now();
                self.attached = Some(now);
                self.lost_at = None;
                // A daemon of an earlier release does not say it.
                if let Some(open) = &attached.open {
                    self.calls.name(&open.resources);
                    self.all_named = Some(if attached.resumed { now } else { now + NAMING });
                }
                let lease = attached.lease.and_then(|lease| Duration::try_from(lease).ok());
                let lease = lease.unwrap_or_default();
                self.lease = self.registration.stand_by.then_some(lease);
                self.workload.notice(&Notice::Attached {
                    lease_id: attached.lease_id,
                    lease,
                    resumed: attached.resumed,
                });
            }
            Some(Heard::Call(call)) => {
                self.line.all_is_well();
                if self.calls.give(&call) {
                    self.begin(call);
                }
            }
            Some(Heard::Ended(ended)) => {
                tracing::warn!(call = ended.call_id, reason = ?ended.reason(), "A call was ended");
                self.calls.end(&ended.call_id);
                self.workload.notice(&Notice::CallEnded {
                    call_id: ended.call_id,
                    reason: ended.reason,
                });
            }
            Some(Heard::Rejected(rejected)) => {
                let (reason, message) = (rejected.reason(), &rejected.message);
                tracing::warn!(
                    call = rejected.call_id,
                    ?reason,
                    message,
                    "The daemon rejected a message"
                );
                if matches!(reason, WorkloadRejection::UnknownCall | WorkloadRejection::CallEnded) {
                    self.calls.end(&rejected.call_id);
                }
                self.workload.notice(&Notice::Rejected(rejected));
            }
            Some(Heard::Detached(detached)) => {
                tracing::warn!(message = detached.message, reattach = detached.reattach, "Detached");
                self.workload.notice(&Notice::Detached {
                    message: detached.message.clone(),
                    reattach: detached.reattach,
                });
                if !detached.reattach {
                    return Err(Error::Detached {
                        message: detached.message,
                    });
                }
                return self.lose("the daemon detached the agent");
            }
            Some(Heard::StandingBy(standing)) => {
                tracing::info!(agent = standing.agent, "Standing by");
                self.lost_at = None;
                let held = self.calls.held();
                self.calls.end_all();
                self.workload.notice(&Notice::StandingBy { agent: standing.agent });
                for resource in held {
                    self.close(resource);
                }
            }
            // A message of a newer daemon.
            None => {}
        }
        Ok(())
    }

    /// Begins a call in a task of its own.
    fn begin(&mut self, given: WorkloadCall) {
        let (kind, call_id, resource) = (given.kind(), given.call_id.clone(), given.resource.clone());
        tracing::debug!(call = call_id, ?kind, resource, resumed = given.resumed, "Called");
        let progress = CallProgress {
            call_id: call_id.clone(),
            told: self.tell.clone(),
        };
        let call = Call {
            id: given.call_id,
            resource: given.resource.clone(),
            workload: given.workload,
            parameters: given.parameters.into_iter().collect(),
            timeout: given.timeout.and_then(|timeout| Duration::try_from(timeout).ok()),
            resumed: given.resumed,
            standing: self.calls.standing(&given.resource),
            health: Health {
                resource: given.resource,
                told: self.tell.clone(),
            },
        };
        let (workload, tell) = (self.workload.clone(), self.tell.clone());
        let before = self.calls.endings_before(kind, &resource);
        let (running, ending) = Ending::new();
        let task = self.tasks.spawn(async move {
            let _running = running;
            if !before.is_empty() {
                let ended = async {
                    for mut ending in before {
                        ending.come().await;
                    }
                };
                let timeout = call.timeout.filter(|_| kind != WorkloadCallKind::Close);
                if timeout.is_some() {
                    progress.report(None, WAITING_FOR_THE_END);
                }
                telling(ended, timeout, &progress, WAITING_FOR_THE_END).await;
            }
            if let Some(answer) = carry_out(&*workload, kind, &call, &progress).await {
                // Nobody listens once the agent has left.
                let _ = tell.send(Told::Status(answer));
            }
        });
        self.calls.begin(kind, call_id, resource, task, ending);
    }

    /// Closes what the daemon does not have: it was closed while the agent was away, and may run elsewhere by now.
    fn close_others(&mut self) {
        self.all_named = None;
        for resource in self.calls.unnamed() {
            tracing::warn!(resource, "The daemon has the resource no more; it is closed");
            self.close(resource);
        }
    }

    /// Closes everything: the daemon has been away for so long that all of it may run elsewhere by now.
    fn daemon_is_lost(&mut self) {
        self.lost_at = None;
        let held = self.calls.held();
        if held.is_empty() {
            return;
        }
        let after = self.grace();
        tracing::warn!(?after, "The daemon is lost; all resources are closed");
        self.workload.notice(&Notice::DaemonLost { after });
        for resource in held {
            let ran = self.calls.ran(&resource);
            self.close(resource.clone());
            if ran {
                // A daemon that comes back with the lease asks for nothing, and would take it for what it was.
                self.calls.tell(Told::Health(WorkloadHealth {
                    resource,
                    healthy: false,
                    message: format!(
                        "the agent had no daemon for {} s and ended the work",
                        after.as_secs_f64()
                    ),
                }));
            }
        }
    }

    /// How long what runs may go on without the daemon.
    fn grace(&self) -> Duration {
        let shared = DAEMON_GRACE.min(self.lease.unwrap_or(DAEMON_GRACE));
        self.daemon_grace.unwrap_or(shared)
    }

    /// Closes a resource without having been called to.
    fn close(&mut self, resource: String) {
        self.closed += 1;
        let call = WorkloadCall {
            call_id: format!("closed-by-the-agent-{}", self.closed),
            kind: WorkloadCallKind::Close.into(),
            resource,
            workload: self.registration.workload.clone(),
            ..WorkloadCall::default()
        };
        if self.calls.give(&call) {
            self.begin(call);
        }
    }

    /// A task did not come to its end: it was cancelled, or the implementation panicked.
    fn broken(&mut self, error: &JoinError) {
        let panicked = self.calls.of_task(error.id()).filter(|_| error.is_panic());
        if let Some(call_id) = panicked.map(ToOwned::to_owned) {
            tracing::error!(call = call_id, "The implementation of the workload panicked");
            let failure = WorkloadFailure::new("the program of the agent panicked");
            self.calls.tell(Told::Status(WorkloadStatus {
                call_id,
                ..failed(failure)
            }));
        }
    }

    /// Takes in everything that was told so far.
    fn take_told(&mut self) {
        while let Ok(told) = self.told.try_recv() {
            self.calls.tell(told);
        }
    }

    fn lose(&mut self, why: &str) -> Result<(), Error> {
        let loss = self.line.lose(Error::from_status(ATTACH, Status::unavailable(why)))?;
        self.lost(loss);
        Ok(())
    }

    fn lost(&mut self, Loss { attempt, delay, error }: Loss) {
        self.stream_is_gone();
        self.workload.notice(&Notice::Reconnecting { attempt, delay, error });
    }

    /// The agent no longer holds the workload on a stream.
    fn detach(&mut self) {
        if self.attached.take().is_some() {
            self.lost_at = Instant::now().checked_add(self.grace());
        }
    }

    fn stream_is_gone(&mut self) {
        self.detach();
        self.steady = false;
        self.all_named = None;
        self.calls.lose_stream();
    }

    /// Decides what follows from an error that ends the line.
    fn failed(&mut self, error: Error) -> Result<(), Error> {
        if error.reason() != Some(&Reason::LeaseUnknown) || self.registration.lease_id.is_empty() {
            return Err(error);
        }
        tracing::warn!(workload = self.registration.workload, "The lease is lost");
        self.registration.lease_id.clear();
        self.stream_is_gone();
        self.workload.notice(&Notice::LeaseLost);
        self.line.reopen();
        Ok(())
    }

    /// Sends what was told, and closes the stream.
    async fn leave(mut self) {
        self.take_told();
        let Some(outbox) = self.sender().filter(|_| self.attached.is_some()) else {
            return;
        };
        let leaving = async {
            while let Some(message) = self.calls.next() {
                if outbox.send(request(message)).await.is_err() {
                    return;
                }
            }
            drop(outbox);
            *self.outbox.lock().unwrap_or_else(PoisonError::into_inner) = None;
            // What still comes is for nobody; the end of the stream shows that the daemon has read what was sent.
            while let Ok(Signal::Message { .. }) = signal(&mut self.line, &self.outbox, &self.registration).await {}
        };
        if tokio::time::timeout(LEAVING, leaving).await.is_err() {
            tracing::debug!("The daemon did not close the stream in time");
        }
    }

    fn sender(&self) -> Option<mpsc::Sender<AttachRequest>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Waits until then, or for ever.
async fn at(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

/// The next signal of the line. Dropping the future loses nothing.
async fn signal(
    line: &mut Line<AttachResponse>,
    outbox: &Outbox,
    registration: &AgentRegistration,
) -> Result<Signal<AttachResponse>, Error> {
    let open = |client, failed| open(outbox, registration, client, failed);
    poll_fn(|cx| line.poll(cx, ATTACH, open)).await
}

/// Opens a stream that begins with the registration.
fn open(
    outbox: &Outbox,
    registration: &AgentRegistration,
    client: Client,
    failed: Option<u64>,
) -> Opening<AttachResponse> {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    *outbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    let mut first = Some(request(Said::Registration(registration.clone())));
    let said = futures_util::stream::poll_fn(move |cx| match first.take() {
        Some(first) => std::task::Poll::Ready(Some(first)),
        None => receiver.poll_recv(cx),
    });
    Box::pin(async move { client.attach(said, failed).await })
}

fn request(message: Said) -> AttachRequest {
    AttachRequest { message: Some(message) }
}

/// Carries a call out; gives its answer, but for a call that needs none.
async fn carry_out<W: Workload>(
    workload: &W,
    kind: WorkloadCallKind,
    call: &Call,
    progress: &CallProgress,
) -> Option<WorkloadStatus> {
    let answer = match kind {
        WorkloadCallKind::Open => workload.open(call).await.map(|standing| match standing {
            Standing::Offline => WorkloadState::Offline,
            Standing::Online => WorkloadState::Online,
        }),
        WorkloadCallKind::Online => workload.online(call, progress).await.map(|()| WorkloadState::Online),
        WorkloadCallKind::Offline => workload.offline(call, progress).await.map(|()| WorkloadState::Offline),
        WorkloadCallKind::Terminate => {
            telling(
                workload.terminate(call),
                call.timeout,
                progress,
                "the termination goes on",
            )
            .await;
            Ok(WorkloadState::Offline)
        }
        WorkloadCallKind::CheckHealth => workload.check_health(call).await.map(|()| WorkloadState::Online),
        WorkloadCallKind::Close => {
            workload.close(call).await;
            return None;
        }
        WorkloadCallKind::Unspecified => Err(WorkloadFailure::new("the agent does not know this kind of call")),
    };
    let status = answer.map_or_else(failed, |state| WorkloadStatus {
        state: state.into(),
        ..Default::default()
    });
    Some(WorkloadStatus {
        call_id: call.id.clone(),
        ..status
    })
}

/// Waits for an end, and tells meanwhile what is waited for: the daemon would not wait longer for the answer, would fail what
/// waits, or bring the resource online beside what is still being terminated.
async fn telling(end: impl Future<Output = ()>, timeout: Option<Duration>, progress: &CallProgress, what: &str) {
    let Some(timeout) = timeout else {
        return end.await;
    };
    let pause = (timeout / 3).max(SHORTEST_TELLING);
    let mut end = pin!(end);
    while tokio::time::timeout(pause, &mut end).await.is_err() {
        progress.report(None, what);
    }
}

fn failed(failure: WorkloadFailure) -> WorkloadStatus {
    WorkloadStatus {
        state: WorkloadState::Failed.into(),
        message: failure.message,
        win32_code: failure.win32_code,
        ..Default::default()
    }
}

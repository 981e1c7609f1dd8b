//! Agents: programs that are cluster resources.
//!
//! A program implements [`Workload`] and gives it to [`Client::serve_workload`], which attaches to the daemon under the
//! workload's name, carries the calls of the cluster out, and tells the cluster how they go. Calls of different resources
//! run side by side, each in a task of its own.
//!
//! After a lost connection or a restart of the daemon the agent comes back with its lease. A call that was under way goes
//! on meanwhile: when the daemon gives it again, the agent tells where it stands, and does not begin anew. What a call
//! reports faster than the daemon takes it is folded into the last of it.
//!
//! A call that the cluster has ended (it took too long, or the resource was terminated) is cancelled: its future is
//! dropped at its next `await`. Only [`terminate`](Workload::terminate) and [`close`](Workload::close) come to their ends,
//! and what is called for the resource meanwhile waits for that. All calls are cancelled when the agent leaves.
//!
//! An agent whose daemon stays away [closes](Workload::close) everything when its
//! [`daemon_grace`](AgentOptions::daemon_grace) is over, since the cluster may run it elsewhere by then; so does one that
//! finds another agent in its place.
//!
//! ```no_run
//! use wsfc_client::workload::{AgentOptions, Call, CallProgress, Workload, WorkloadFailure};
//! use wsfc_client::{Client, ConnectOptions};
//!
//! struct Web;
//!
//! impl Workload for Web {
//!     async fn online(&self, call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
//!         let port = call.parameters.get("PORT").ok_or("the parameter PORT is missing")?;
//!         progress.report(10, format!("binding port {port}"));
//!         // ... start ...
//!         progress.report(90, "warming up");
//!         Ok(())
//!     }
//!
//!     async fn offline(&self, _: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
//!         progress.report(None, "letting requests end");
//!         Ok(())
//!     }
//!
//!     async fn terminate(&self, _: &Call) {}
//! }
//!
//! # async fn example() -> Result<(), wsfc_client::Error> {
//! let client = Client::lazy(ConnectOptions::new(["http://127.0.0.1:7443"]))?;
//! let ctrl_c = async {
//!     let _ = tokio::signal::ctrl_c().await;
//! };
//! client.serve_workload("web", AgentOptions::default(), Web, ctrl_c).await
//! # }
//! ```

mod agent;
mod calls;
mod process;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use wsfc_proto::v1::{self, WorkloadHealth, WorkloadState, WorkloadStatus};

use crate::client::Client;
use crate::error::Error;

use calls::Told;

/// The resource type whose resources programs implement.
pub const RESOURCE_TYPE: &str = "wsfcd Workload";

/// The file name of the resource DLL of that type. Without a path the cluster looks for it in its own folder, on every node.
pub const RESOURCE_DLL: &str = "wsfcres.dll";

pub use process::{ProcessOptions, ProcessWorkload};

/// What an agent does when the cluster calls. Implement it with `async fn`.
///
/// A method may be called again for a call that was given before ([`Call::resumed`]), to this program or another, so each
/// should find things as wished or make them so.
pub trait Workload: Send + Sync + 'static {
    /// A resource of the workload exists on the daemon's host now. Says whether the work of an earlier time still runs.
    ///
    /// It is asked again whenever the agent comes to a daemon anew, so after a restart of the daemon and after a lost
    /// lease; a resource that is online and is said to be offline fails. Without an own implementation the answer is what
    /// this agent remembers ([`Call::standing`]), which suits work that does not outlive the agent.
    ///
    /// # Errors
    ///
    /// A failure is told to the cluster as FAILED.
    fn open(&self, call: &Call) -> impl Future<Output = Result<Standing, WorkloadFailure>> + Send {
        let standing = call.standing();
        async move { Ok(standing) }
    }

    /// Starts the work. While it goes on, something is to be reported within each
    /// [`timeout`](Call::timeout) or [hint](CallProgress::report_within).
    ///
    /// # Errors
    ///
    /// A failure is told to the cluster as FAILED.
    fn online(&self, call: &Call, progress: &CallProgress) -> impl Future<Output = Result<(), WorkloadFailure>> + Send;

    /// Stops the work in an orderly way; reports as [`online`](Self::online) does.
    ///
    /// # Errors
    ///
    /// A failure is told to the cluster as FAILED.
    fn offline(&self, call: &Call, progress: &CallProgress)
    -> impl Future<Output = Result<(), WorkloadFailure>> + Send;

    /// Stops the work at once. The other calls of the resource were cancelled before. It may be called when nothing runs,
    /// and again. However long it takes, the daemon is told that it goes on, and nothing is begun before its end.
    fn terminate(&self, call: &Call) -> impl Future<Output = ()> + Send;

    /// Says whether the work does what it should. Without an own implementation it always does; then
    /// [`Call::health`] is the way to tell that it does not.
    ///
    /// # Errors
    ///
    /// A failure fails the resource, and the cluster's policies decide what follows.
    fn check_health(&self, call: &Call) -> impl Future<Output = Result<(), WorkloadFailure>> + Send {
        let _ = call;
        async { Ok(()) }
    }

    /// The resource is gone from the daemon's host, or may be. A termination that is under way comes to its end before.
    /// Without an own implementation the work is [terminated](Self::terminate).
    fn close(&self, call: &Call) -> impl Future<Output = ()> + Send {
        self.terminate(call)
    }

    /// Something happened to the agent itself. It is logged anyway; must not block.
    fn notice(&self, notice: &Notice) {
        let _ = notice;
    }
}

/// A call of the cluster.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Call {
    /// Names the call, across lost connections and restarts of the daemon.
    pub id: String,
    /// The name of the resource.
    pub resource: String,
    /// The workload.
    pub workload: String,
    /// The resource's parameters, from its private property `Parameters`.
    pub parameters: BTreeMap<String, String>,
    /// How long the cluster waited for the next status when the call was given; `None` where the daemon did not say.
    pub timeout: Option<Duration>,
    /// True when the call was given before, to this program or another.
    pub resumed: bool,
    standing: Standing,
    health: Health,
}

impl Call {
    /// Tells the health of the resource without being asked, also after the call has ended.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Whether the work ran by what this agent had told when the call was given: online since ONLINE, or OPEN, was answered
    /// so; offline since the next OFFLINE, TERMINATE or CLOSE, since the resource was told not to be well, or since another
    /// agent held the workload.
    pub fn standing(&self) -> Standing {
        self.standing
    }
}

/// Whether work runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing runs.
    Offline,
    /// It runs.
    Online,
}

/// Why a call did not work. Made from a text, or from an I/O error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WorkloadFailure {
    /// For people; the daemon cuts it off after 1,024 characters.
    pub message: String,
    /// The Win32 code that the cluster tells as the resource's last status. 0: 5018 (ERROR_RESMON_ONLINE_FAILED).
    pub win32_code: u32,
}

impl WorkloadFailure {
    /// A failure in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            win32_code: 0,
        }
    }

    /// The same failure with a Win32 code.
    #[must_use]
    pub fn with_code(self, win32_code: u32) -> Self {
        Self { win32_code, ..self }
    }
}

impl From<String> for WorkloadFailure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for WorkloadFailure {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<std::io::Error> for WorkloadFailure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Where a call tells how far it is. Each report is a check point that the cluster sees, and a record that everybody can
/// watch with [`Client::watch_status`].
#[derive(Debug, Clone)]
pub struct CallProgress {
    call_id: String,
    told: UnboundedSender<Told>,
}

impl CallProgress {
    /// How much is done in percent, `None` where that is not known, and what is done now.
    pub fn report(&self, percent: impl Into<Option<u32>>, message: impl Into<String>) {
        self.tell(percent.into(), message.into(), None);
    }

    /// The same, and how long the next report may take at most, instead of the resource's pending timeout.
    pub fn report_within(&self, percent: impl Into<Option<u32>>, message: impl Into<String>, wait_hint: Duration) {
        self.tell(percent.into(), message.into(), Some(wait_hint));
    }

    fn tell(&self, percent: Option<u32>, message: String, wait_hint: Option<Duration>) {
        let status = WorkloadStatus {
            call_id: self.call_id.clone(),
            state: WorkloadState::Pending.into(),
            percent: percent.map(|percent| percent.min(100)),
            message,
            wait_hint: wait_hint.and_then(|hint| prost_types::Duration::try_from(hint).ok()),
            win32_code: 0,
        };
        // Nobody listens once the agent has left, and then nobody needs to.
        let _ = self.told.send(Told::Status(status));
    }
}

/// Where the health of a resource is told without being asked.
#[derive(Debug, Clone)]
pub struct Health {
    resource: String,
    told: UnboundedSender<Told>,
}

impl Health {
    /// What is online has failed.
    pub fn failed(&self, message: impl Into<String>) {
        self.tell(false, message.into());
    }

    /// What is online works again.
    pub fn well(&self) {
        self.tell(true, String::new());
    }

    fn tell(&self, healthy: bool, message: String) {
        let health = WorkloadHealth {
            resource: self.resource.clone(),
            healthy,
            message,
        };
        let _ = self.told.send(Told::Health(health));
    }
}

/// How an agent attaches. What is `None` the daemon chooses; the contract says what (`AgentRegistration`).
#[derive(Debug, Clone, Default)]
pub struct AgentOptions {
    /// The agent's own name for people. Empty: none.
    pub agent: String,
    /// A lease that an earlier run of this agent held ([`Notice::Attached`]), to come back with it. Empty: a new one. One
    /// that has run out is replaced by a new one.
    pub lease_id: String,
    /// How long the workload stays this agent's after its stream has ended.
    pub lease: Option<Duration>,
    /// Wait while another agent holds the workload, instead of being refused.
    pub stand_by: bool,
    /// How long online resources may stay without an agent before they fail.
    pub loss_grace: Option<Duration>,
    /// How often online resources are asked for their health; zero for never.
    pub health_interval: Option<Duration>,
    /// How long the agent runs on after it has lost its daemon, before it closes all that it holds. `None`: 60 seconds, as
    /// long as the resource DLL waits for a daemon unless the property `DaemonGrace` says otherwise, but no longer than the
    /// lease where the agent [stands by](Self::stand_by), since another one has the workload then. Not to be longer than
    /// either, nor than [`loss_grace`](Self::loss_grace) on another host than the daemon's. What runs may run twice for the time that the agent takes to notice the loss
    /// ([`keep_alive_interval`](crate::ConnectOptions::keep_alive_interval) and
    /// [`keep_alive_timeout`](crate::ConnectOptions::keep_alive_timeout)) and to close it.
    pub daemon_grace: Option<Duration>,
}

/// Something that happened to an agent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The agent holds the workload now.
    Attached {
        /// The lease, to come back with it.
        lease_id: String,
        /// How long the workload stays the agent's after its stream has ended.
        lease: Duration,
        /// True when the agent came back with a lease that it held.
        resumed: bool,
    },
    /// Another agent holds the workload. What this one was asked to do before is no longer its business: its calls were
    /// cancelled, and all that it held is closed.
    StandingBy {
        /// The name of the other agent.
        agent: String,
    },
    /// The connection is lost, and is tried again after a pause. Calls go on meanwhile.
    Reconnecting {
        /// The number of the coming attempt since the connection was lost, from 1.
        attempt: u32,
        /// The pause before it.
        delay: Duration,
        /// What went wrong.
        error: Error,
    },
    /// The daemon has been away for longer than [`AgentOptions::daemon_grace`]. All that the agent held is closed; it goes
    /// on trying to come back.
    DaemonLost {
        /// How long the daemon was waited for.
        after: Duration,
    },
    /// The lease has run out, or a daemon was restarted that does not know it; the agent asks for a new one. Another
    /// agent may have held the workload meanwhile.
    LeaseLost,
    /// A call has ended without its answer, and was cancelled.
    CallEnded {
        /// The call.
        call_id: String,
        /// Why; a number of [`v1::WorkloadCallEnd`], since reasons may be added.
        reason: i32,
    },
    /// The daemon did not take a status or a health. A call that it does not know, or that has ended, was cancelled.
    Rejected(v1::WorkloadRejected),
    /// The daemon ends the stream.
    Detached {
        /// For people.
        message: String,
        /// True when the agent comes back by itself; otherwise serving ends with [`Error::Detached`].
        reattach: bool,
    },
}

impl Client {
    /// Serves a workload: attaches as its agent, and carries calls out until `shutdown` is over.
    ///
    /// A daemon that cannot be reached is waited for, also at first, as long as
    /// [`follow_timeout`](crate::ConnectOptions::follow_timeout) says. When `shutdown` is over, what was told is
    /// sent, the stream is closed, and calls under way are cancelled; the workload stays the agent's as long as its lease.
    /// While `shutdown` goes on the agent serves, so it may stop work and tell its [`Health`]. When serving ends, by an error
    /// too, what still runs is for the caller to end.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with WORKLOAD_TAKEN when another agent holds the workload and the agent does not stand by, with
    /// INVALID_FIELD for options that cannot be, or without a reason from a daemon that knows no workloads;
    /// [`Error::Detached`] when the daemon takes the workload away; [`Error::Invalid`] for a time that is too long.
    pub async fn serve_workload<W: Workload>(
        &self,
        workload: impl Into<String>,
        options: AgentOptions,
        implementation: W,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let daemon_grace = options.daemon_grace;
        let registration = options.registration(workload.into())?;
        agent::serve(self.clone(), registration, daemon_grace, implementation, shutdown).await
    }
}

impl AgentOptions {
    fn registration(self, workload: String) -> Result<v1::AgentRegistration, Error> {
        Ok(v1::AgentRegistration {
            workload,
            agent: self.agent,
            lease_id: self.lease_id,
            lease: duration("lease", self.lease)?,
            stand_by: self.stand_by,
            loss_grace: duration("loss_grace", self.loss_grace)?,
            health_interval: duration("health_interval", self.health_interval)?,
        })
    }
}

fn duration(field: &'static str, time: Option<Duration>) -> Result<Option<prost_types::Duration>, Error> {
    let convert = |time: Duration| {
        prost_types::Duration::try_from(time).map_err(|_| Error::Invalid {
            field,
            problem: "the time is too long".to_owned(),
        })
    };
    time.map(convert).transpose()
}

//! What an agent makes of the calls of a daemon, and of losing it: against a WorkloadService of the test, behind a wire in
//! memory that can be cut.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails, also in what tests share"
)]

mod calling;
#[cfg(unix)]
mod processes;
mod rejecting;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tonic::Code;
use wsfc_client::v1::{self, WorkloadCallEnd, WorkloadCallKind, WorkloadRejection, WorkloadState};
use wsfc_client::workload::{AgentOptions, Call, CallProgress, Notice, Standing, Workload, WorkloadFailure};
use wsfc_client::{Client, ConnectOptions, Error, Reason};

use calling::{Daemon, Opened, call};
use rejecting::rejection;

/// A workload whose calls do what the test says, and whose life is written down.
#[derive(Clone, Default)]
struct Scripted {
    seen: Arc<Mutex<Vec<String>>>,
    /// Ends the call that waits for it.
    goes_on: Arc<tokio::sync::Notify>,
}

impl Scripted {
    fn saw(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().push(what.into());
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Writes down that a call was cancelled.
struct Dropped<'a>(&'a Scripted, bool);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.saw("cancelled");
        }
    }
}

impl Workload for Scripted {
    async fn open(&self, call: &Call) -> Result<Standing, WorkloadFailure> {
        self.saw(format!("open {}", call.resource));
        Ok(Standing::Online)
    }

    async fn online(&self, call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        let port = call.parameters.get("PORT").cloned().unwrap_or_default();
        self.saw(format!("online {} {port} {}", call.resource, call.resumed));
        if port == "panic" {
            panic!("as the test wants it");
        }
        let mut guard = Dropped(self, false);
        progress.report_within(40, "copying", Duration::from_secs(90));
        if call.resource == "quick" {
            guard.1 = true;
            return Ok(());
        }
        self.goes_on.notified().await;
        guard.1 = true;
        Err(WorkloadFailure::new("the disk is full").with_code(112))
    }

    async fn offline(&self, call: &Call, _: &CallProgress) -> Result<(), WorkloadFailure> {
        call.health().failed("told without being asked");
        Ok(())
    }

    async fn terminate(&self, call: &Call) {
        self.saw(format!("terminate {}", call.resource));
        if call.resource == "tough" {
            let mut guard = Dropped(self, false);
            self.goes_on.notified().await;
            guard.1 = true;
            self.saw("terminated");
        }
    }

    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Attached { lease_id, resumed, .. } => self.saw(format!("attached {lease_id} {resumed}")),
            Notice::StandingBy { agent } => self.saw(format!("standing by {agent}")),
            Notice::LeaseLost => self.saw("lease lost"),
            Notice::DaemonLost { .. } => self.saw("daemon lost"),
            Notice::CallEnded { call_id, .. } => self.saw(format!("ended {call_id}")),
            Notice::Rejected(rejected) => self.saw(format!("rejected {}", rejected.message)),
            _ => {}
        }
    }
}

/// An agent that serves, and how to end it.
struct Serving {
    end: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Serving {
    async fn leave(self) -> Result<(), Error> {
        let _ = self.end.send(());
        self.served.await.unwrap()
    }
}

fn serve(client: Client, options: AgentOptions, workload: impl Workload) -> Serving {
    let (end, ended) = oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        let shutdown = async {
            let _ = ended.await;
        };
        client.serve_workload("web", options, workload, shutdown).await
    });
    Serving { end, served }
}

fn options() -> ConnectOptions {
    ConnectOptions::new(["http://one:1"])
}

/// The next stream, after its registration, which must carry this lease.
async fn attach(streams: &mut mpsc::UnboundedReceiver<Opened>, lease: &str, given: &str, resumed: bool) -> Opened {
    let mut stream = streams.recv().await.unwrap();
    let registration = stream.registration().await;
    assert_eq!(
        (registration.workload.as_str(), registration.lease_id.as_str()),
        ("web", lease)
    );
    stream.attached(given, resumed);
    stream
}

/// The next stream comes back with this lease, which the daemon does not know.
async fn the_lease_is_lost(streams: &mut mpsc::UnboundedReceiver<Opened>, lease: &str) {
    let mut refused = streams.recv().await.unwrap();
    assert_eq!(refused.registration().await.lease_id, lease);
    refused.fail(rejection(Code::NotFound, "LEASE_UNKNOWN"));
}

fn short(status: &v1::WorkloadStatus) -> (String, WorkloadState, Option<u32>, String) {
    (
        status.call_id.clone(),
        status.state(),
        status.percent,
        status.message.clone(),
    )
}

#[tokio::test(start_paused = true)]
async fn calls_are_answered_and_those_of_different_resources_run_side_by_side() {
    let (daemon, mut streams) = Daemon::new();
    let workload = Scripted::default();
    let agent = AgentOptions {
        agent: "host/1".to_owned(),
        lease: Some(Duration::from_secs(30)),
        ..Default::default()
    };
    let serving = serve(daemon.client(options()), agent, workload.clone());
    let mut stream = streams.recv().await.unwrap();
    let registration = stream.registration().await;
    assert_eq!(
        (registration.agent.as_str(), registration.lease.unwrap().seconds),
        ("host/1", 30)
    );
    stream.attached("l1", false);

    stream.call(call("c0", WorkloadCallKind::Open, "slow"));
    assert_eq!(stream.status().await.state(), WorkloadState::Online);
    let mut slow = call("c1", WorkloadCallKind::Online, "slow");
    slow.parameters = [("PORT".to_owned(), "80".to_owned())].into();
    stream.call(slow);
    let told = stream.status().await;
    assert_eq!(
        short(&told),
        ("c1".to_owned(), WorkloadState::Pending, Some(40), "copying".to_owned())
    );
    assert_eq!(told.wait_hint.unwrap().seconds, 90);
    // The first waits, and the second is answered. Its progress may be folded into the answer.
    stream.call(call("c2", WorkloadCallKind::Online, "quick"));
    while stream.status().await.state() != WorkloadState::Online {}
    stream.call(call("c3", WorkloadCallKind::CheckHealth, "quick"));
    assert_eq!(stream.status().await.state(), WorkloadState::Online);
    workload.goes_on.notify_one();
    let failed = stream.status().await;
    assert_eq!(
        short(&failed),
        (
            "c1".to_owned(),
            WorkloadState::Failed,
            None,
            "the disk is full".to_owned()
        )
    );
    assert_eq!(failed.win32_code, 112);
    assert_eq!(
        workload.seen()[..3],
        ["attached l1 false", "open slow", "online slow 80 false"]
    );

    stream.call(call("c4", WorkloadCallKind::Offline, "quick"));
    let health = stream.health().await;
    assert_eq!((health.resource.as_str(), health.healthy), ("quick", false));
    assert_eq!(stream.status().await.state(), WorkloadState::Offline);
    let mut unknown = call("c5", WorkloadCallKind::Open, "quick");
    unknown.kind = 99;
    stream.call(unknown);
    assert_eq!(stream.status().await.state(), WorkloadState::Failed);
    let mut panicking = call("c6", WorkloadCallKind::Online, "quick");
    panicking.parameters = [("PORT".to_owned(), "panic".to_owned())].into();
    stream.call(panicking);
    assert_eq!(stream.status().await.message, "the program of the agent panicked");

    let leaving = tokio::spawn(serving.leave());
    assert!(stream.said().await.is_none(), "the agent closes its side");
    drop(stream);
    leaving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_costs_neither_the_call_nor_its_answer() {
    let (daemon, mut streams) = Daemon::new();
    let workload = Scripted::default();
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Online, "slow"));
    assert_eq!(stream.status().await.percent, Some(40));
    daemon.cut();
    drop(stream);

    let mut stream = attach(&mut streams, "l1", "l1", true).await;
    // Answered before the call is given again: the daemon may have been restarted and not know it yet.
    workload.goes_on.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stream.call(v1::WorkloadCall {
        resumed: true,
        ..call("c1", WorkloadCallKind::Online, "slow")
    });
    let told = stream.status().await;
    assert_eq!((told.call_id.as_str(), told.state()), ("c1", WorkloadState::Failed));
    let begun = workload.seen().iter().filter(|seen| seen.starts_with("online")).count();
    assert_eq!(begun, 1);

    // The daemon is stopped in an orderly way, and has forgotten the lease when it is back.
    stream.detached(true);
    the_lease_is_lost(&mut streams, "l1").await;
    let mut stream = attach(&mut streams, "", "l2", false).await;
    stream.call(call("c9", WorkloadCallKind::CheckHealth, "slow"));
    assert_eq!(stream.status().await.call_id, "c9");
    assert_eq!(
        workload.seen()[workload.seen().len() - 2..],
        ["lease lost", "attached l2 false"]
    );
}

/// Implements only what must be.
struct Plain;

impl Workload for Plain {
    async fn online(&self, _: &Call, _: &CallProgress) -> Result<(), WorkloadFailure> {
        Ok(())
    }

    async fn offline(&self, _: &Call, _: &CallProgress) -> Result<(), WorkloadFailure> {
        Err(WorkloadFailure::new("it cannot be stopped"))
    }

    async fn terminate(&self, _: &Call) {}

    async fn check_health(&self, call: &Call) -> Result<(), WorkloadFailure> {
        if call.id == "unwell" {
            call.health().failed("it is stuck");
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_lease_finds_what_the_agent_has_brought_online() {
    let (daemon, mut streams) = Daemon::new();
    let _serving = serve(daemon.client(options()), AgentOptions::default(), Plain);
    let mut stream = attach(&mut streams, "", "l1", false).await;
    for (call_id, kind, resource, expected) in [
        ("o1", WorkloadCallKind::Open, "a", WorkloadState::Offline),
        ("o2", WorkloadCallKind::Online, "a", WorkloadState::Online),
        ("o3", WorkloadCallKind::Online, "b", WorkloadState::Online),
        ("o4", WorkloadCallKind::Offline, "b", WorkloadState::Failed),
        ("o5", WorkloadCallKind::Online, "c", WorkloadState::Online),
        ("o6", WorkloadCallKind::Terminate, "c", WorkloadState::Offline),
        ("o7", WorkloadCallKind::Online, "d", WorkloadState::Online),
        ("o8", WorkloadCallKind::CheckHealth, "d", WorkloadState::Online),
        ("o9", WorkloadCallKind::Online, "e", WorkloadState::Online),
    ] {
        stream.call(call(call_id, kind, resource));
        assert_eq!(stream.answer().await.state(), expected, "{call_id}");
    }
    stream.call(call("unwell", WorkloadCallKind::CheckHealth, "e"));
    stream.health().await;
    stream.status().await;
    daemon.cut();
    drop(stream);

    the_lease_is_lost(&mut streams, "l1").await;
    let mut stream = attach(&mut streams, "", "l2", false).await;
    stream.health().await;
    for (resource, expected) in [
        ("A", WorkloadState::Online),
        ("b", WorkloadState::Offline),
        ("c", WorkloadState::Offline),
        ("d", WorkloadState::Online),
        ("e", WorkloadState::Offline),
    ] {
        stream.call(call(&format!("again {resource}"), WorkloadCallKind::Open, resource));
        assert_eq!(stream.answer().await.state(), expected, "{resource}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_cluster_has_ended_is_cancelled() {
    let (daemon, mut streams) = Daemon::new();
    let workload = Scripted::default();
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Online, "slow"));
    stream.status().await;
    stream.ended("c1", WorkloadCallEnd::Timeout);
    stream.call(call("c2", WorkloadCallKind::Online, "slow"));
    stream.status().await;
    stream.rejected("c2", WorkloadRejection::CallEnded);
    stream.call(call("c3", WorkloadCallKind::Online, "slow"));
    stream.status().await;
    stream.call(call("c4", WorkloadCallKind::Terminate, "slow"));
    let told = stream.status().await;
    assert_eq!((told.call_id.as_str(), told.state()), ("c4", WorkloadState::Offline));
    let seen = workload.seen();
    assert_eq!(seen.iter().filter(|seen| *seen == "cancelled").count(), 3, "{seen:?}");
    for expected in ["ended c1", "rejected no", "terminate slow"] {
        assert!(seen.iter().any(|seen| seen == expected), "{expected}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resource_is_closed_after_its_termination_and_stops_what_runs() {
    let (daemon, mut streams) = Daemon::new();
    let workload = Scripted::default();
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Terminate, "tough"));
    stream.call(call("c2", WorkloadCallKind::Close, "tough"));
    // A call of another resource shows that both were heard.
    stream.call(call("c3", WorkloadCallKind::CheckHealth, "quick"));
    assert_eq!(stream.status().await.call_id, "c3");
    assert_eq!(workload.seen()[1..], ["terminate tough"]);
    workload.goes_on.notify_one();
    assert_eq!(stream.status().await.call_id, "c1");
    workload.goes_on.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let both = ["terminate tough", "terminated", "terminate tough", "terminated"];
    assert_eq!(workload.seen()[1..], both);
}

#[tokio::test(start_paused = true)]
async fn what_begins_waits_for_the_end_of_what_ran_before() {
    let (daemon, mut streams) = Daemon::new();
    let workload = Scripted::default();
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Terminate, "tough"));
    stream.call(call("c2", WorkloadCallKind::Close, "tough"));
    stream.call(call("c3", WorkloadCallKind::Online, "tough"));
    let waits = stream.status().await;
    assert_eq!((waits.call_id.as_str(), waits.state()), ("c3", WorkloadState::Pending));
    workload.goes_on.notify_one();
    assert_eq!(stream.answer().await.call_id, "c1");
    // The daemon does not know a CLOSE that is under way after another connection, and it goes on all the same.
    daemon.cut();
    drop(stream);
    let mut stream = attach(&mut streams, "l1", "l1", true).await;
    stream.call(call("c4", WorkloadCallKind::Online, "tough"));
    assert_eq!(stream.status().await.call_id, "c4");
    workload.goes_on.notify_one();
    while stream.status().await.percent != Some(40) {}
    let mut seen = workload.seen();
    seen.retain(|seen| !seen.starts_with("attached"));
    let ends = ["terminate tough", "terminated", "terminate tough", "terminated"];
    assert_eq!(seen[..4], ends);
    assert_eq!(seen[4..], ["online tough  false"]);
}

#[tokio::test(start_paused = true)]
async fn a_termination_that_takes_long_comes_to_its_end() {
    let (daemon, mut streams) = Daemon::new();
    let workload = Scripted::default();
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Terminate, "tough"));
    let began = tokio::time::Instant::now();
    for _ in 0..4 {
        let goes_on = stream.status().await;
        assert_eq!(
            (goes_on.call_id.as_str(), goes_on.state()),
            ("c1", WorkloadState::Pending)
        );
    }
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
    // A daemon that does not wait for it all the same.
    stream.ended("c1", WorkloadCallEnd::Timeout);
    stream.call(call("c2", WorkloadCallKind::Online, "tough"));
    assert_eq!(stream.status().await.call_id, "c2");
    workload.goes_on.notify_one();
    while stream.status().await.percent != Some(40) {}
    let seen = workload.seen();
    let life = ["terminate tough", "ended c1", "terminated", "online tough  false"];
    assert_eq!(seen[1..], life);
}

#[tokio::test(start_paused = true)]
async fn what_was_closed_while_the_agent_was_away_is_ended() {
    let (daemon, mut streams) = Daemon::new();
    let workload = Scripted::default();
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    for resource in ["a", "B", "c"] {
        stream.call(call(&format!("open {resource}"), WorkloadCallKind::Open, resource));
        assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    }
    let ended = || -> Vec<_> {
        let seen = workload.seen();
        seen.into_iter().filter(|seen| seen.starts_with("terminate")).collect()
    };

    // A daemon that goes on knows all that is open.
    daemon.cut();
    drop(stream);
    let mut stream = streams.recv().await.unwrap();
    stream.registration().await;
    stream.attached_with("l1", true, Some(&["A", "b"]));
    stream.call(call("c1", WorkloadCallKind::CheckHealth, "a"));
    assert_eq!(stream.answer().await.call_id, "c1");
    assert_eq!(ended(), ["terminate c"]);

    // One that was restarted hears of it by and by.
    daemon.cut();
    drop(stream);
    the_lease_is_lost(&mut streams, "l1").await;
    let mut stream = streams.recv().await.unwrap();
    stream.registration().await;
    stream.attached_with("l2", false, Some(&[]));
    tokio::time::sleep(Duration::from_secs(50)).await;
    stream.call(call("again a", WorkloadCallKind::Open, "a"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    assert_eq!(ended(), ["terminate c"]);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(ended(), ["terminate c", "terminate B"]);

    // One that does not say what is open is believed nothing.
    daemon.cut();
    drop(stream);
    let mut stream = attach(&mut streams, "l2", "l2", true).await;
    stream.call(call("c2", WorkloadCallKind::CheckHealth, "x"));
    assert_eq!(stream.answer().await.call_id, "c2");
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(ended().len(), 2);
}

/// What was terminated, in order.
fn terminated(workload: &Scripted) -> Vec<String> {
    let mut seen = workload.seen();
    seen.retain(|seen| seen.starts_with("terminate "));
    seen
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_its_daemon_ends_what_runs() {
    let of = |stand_by, daemon_grace| AgentOptions {
        stand_by,
        daemon_grace,
        ..Default::default()
    };
    // The lease is 10 seconds.
    for (agent, seconds) in [
        (of(false, None), 60),
        (of(true, None), 10),
        (of(true, Some(Duration::from_secs(30))), 30),
    ] {
        let (daemon, mut streams) = Daemon::new();
        let workload = Scripted::default();
        let _serving = serve(daemon.client(options()), agent, workload.clone());
        let mut stream = attach(&mut streams, "", "l1", false).await;
        stream.call(call("c1", WorkloadCallKind::Online, "quick"));
        assert_eq!(stream.answer().await.state(), WorkloadState::Online);
        stream.call(call("c2", WorkloadCallKind::Online, "slow"));
        assert_eq!(stream.status().await.state(), WorkloadState::Pending);
        daemon.cut();
        drop(stream);
        // A daemon that takes the stream and says nothing is none, and its loss is not the first.
        drop(streams.recv().await.unwrap());
        daemon.cut();
        let stream = streams.recv().await.unwrap();
        tokio::time::sleep(Duration::from_secs(seconds - 3)).await;
        assert_eq!(terminated(&workload), [""; 0]);
        tokio::time::sleep(Duration::from_secs(4)).await;
        let mut ended = terminated(&workload);
        ended.sort();
        assert_eq!(ended, ["terminate quick", "terminate slow"]);
        assert!(workload.seen().iter().any(|seen| seen == "daemon lost"));

        // The daemon hears that what it takes for online is not, and gives what was under way anew.
        let mut stream = stream;
        stream.registration().await;
        stream.attached("l1", true);
        let health = stream.health().await;
        assert_eq!((health.resource.as_str(), health.healthy), ("quick", false));
        stream.call(v1::WorkloadCall {
            resumed: true,
            ..call("c2", WorkloadCallKind::Online, "slow")
        });
        assert_eq!(stream.status().await.percent, Some(40));
        stream.call(call("c3", WorkloadCallKind::Online, "quick"));
        assert_eq!(stream.answer().await.state(), WorkloadState::Online);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(terminated(&workload).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_agent_has_taken_over_is_ended() {
    let (daemon, mut streams) = Daemon::new();
    let workload = Scripted::default();
    let agent = AgentOptions {
        stand_by: true,
        ..Default::default()
    };
    let _serving = serve(daemon.client(options()), agent, workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Online, "quick"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    daemon.cut();
    drop(stream);
    the_lease_is_lost(&mut streams, "l1").await;
    let mut stream = streams.recv().await.unwrap();
    assert_eq!(stream.registration().await.lease_id, "");
    stream.standing_by("other");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(terminated(&workload), ["terminate quick"]);
}

#[tokio::test(start_paused = true)]
async fn another_agent_is_waited_for_or_an_error() {
    let (daemon, mut streams) = Daemon::new();
    let serving = serve(daemon.client(options()), AgentOptions::default(), Scripted::default());
    let mut stream = streams.recv().await.unwrap();
    stream.registration().await;
    stream.fail(rejection(Code::AlreadyExists, "WORKLOAD_TAKEN"));
    let error = serving.served.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::WorkloadTaken));

    let workload = Scripted::default();
    let standing = AgentOptions {
        stand_by: true,
        ..Default::default()
    };
    let serving = serve(daemon.client(options()), standing, workload.clone());
    let mut stream = streams.recv().await.unwrap();
    assert!(stream.registration().await.stand_by);
    stream.standing_by("other");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    stream.attached("l2", false);
    stream.call(call("c1", WorkloadCallKind::CheckHealth, "slow"));
    stream.status().await;
    assert_eq!(workload.seen(), ["standing by other", "attached l2 false"]);
    stream.detached(false);
    assert!(matches!(serving.served.await.unwrap(), Err(Error::Detached { .. })));
}

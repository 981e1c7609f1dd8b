//! Processes as workloads: those of this system, which are Unix's here, and so in real time.

use std::future::Future;
use std::path::PathBuf;

use wsfc_client::workload::{ProcessOptions, ProcessWorkload};

use super::*;

/// A script whose child holds the file that it is given, for longer than the test waits; another file says that it
/// does.
const HOLDS: &str = r#"exec > "$0"; echo held; sleep 100 & : > "$0.ready"; wait"#;

fn fifo(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("held");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}

/// What is written to a fifo, once nobody holds it any more.
fn read(fifo: PathBuf) -> String {
    std::fs::read_to_string(fifo).unwrap()
}

/// Waits for what does not take long.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.unwrap()
}

/// With processes of this system, and so in real time.
#[tokio::test]
async fn a_process_is_started_checked_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = r#"trap 'echo stopped >> "$0"; exit 0' TERM; echo "$WSFC_RESOURCE $WSFC_PARAMETER_PORT" >> "$0"
        while :; do sleep 0.02; done"#;
    let mut process = ProcessOptions::new(["sh", "-c", script]);
    process.command.push(log.clone().into_os_string());
    // One that was stopped leaves another last line, so that the next one is well only when it has written its own.
    let healthy = r#"test ! -e "$0.bad" && test "$(tail -n 1 "$0" 2> /dev/null)" = "web 80""#;
    process.health_command = ["sh", "-c", healthy].map(Into::into).into();
    process.health_command.push(log.clone().into_os_string());
    process.ready_after = Duration::from_millis(50);
    let (daemon, mut streams) = Daemon::new();
    let workload = ProcessWorkload::new(process);
    let serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    let online = |call_id: &str| v1::WorkloadCall {
        parameters: [("PORT".to_owned(), "80".to_owned())].into(),
        ..call(call_id, WorkloadCallKind::Online, "web")
    };
    stream.call(online("c1"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    stream.call(call("c2", WorkloadCallKind::CheckHealth, "web"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    std::fs::write(folder.path().join("log.bad"), "").unwrap();
    stream.call(call("c3", WorkloadCallKind::CheckHealth, "web"));
    let failed = stream.answer().await;
    assert_eq!(failed.state(), WorkloadState::Failed);
    assert!(
        failed.message.starts_with("the health command ended with"),
        "{failed:?}"
    );
    std::fs::remove_file(folder.path().join("log.bad")).unwrap();
    stream.call(call("c4", WorkloadCallKind::Offline, "web"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Offline);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "web 80\nstopped\n");

    // Killed, it writes nothing; and one that ends by itself is told of.
    stream.call(online("c5"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    stream.call(call("c6", WorkloadCallKind::Terminate, "web"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Offline);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "web 80\nstopped\nweb 80\n");
    stream.call(online("c7"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    let stopping = tokio::spawn(async move { workload.stop_all().await });
    let health = stream.health().await;
    assert_eq!((health.resource.as_str(), health.healthy), ("web", false));
    stopping.await.unwrap();
    drop(stream);
    serving.leave().await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_ending_is_not_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = r#"trap 'sleep 0.3; echo stopped >> "$0"; exit 0' TERM; echo started >> "$0"
        while :; do sleep 0.02; done"#;
    let mut process = ProcessOptions::new(["sh", "-c", script]);
    process.command.push(log.clone().into_os_string());
    // Each process is online once it has written for itself, and so can be asked to end: the trap is set before that.
    let started = r#"until test "$(tail -n 1 "$0" 2> /dev/null)" = started; do sleep 0.02; done"#;
    process.health_command = ["sh", "-c", started].map(Into::into).into();
    process.health_command.push(log.clone().into_os_string());
    process.ready_after = Duration::ZERO;
    let (daemon, mut streams) = Daemon::new();
    let workload = ProcessWorkload::new(process);
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Online, "web"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    // The first report of OFFLINE shows that the process was asked to end.
    stream.call(call("c2", WorkloadCallKind::Offline, "web"));
    assert_eq!(stream.status().await.state(), WorkloadState::Pending);
    stream.ended("c2", WorkloadCallEnd::Timeout);
    stream.call(call("c3", WorkloadCallKind::Online, "web"));
    let answer = stream.answer().await;
    assert_eq!((answer.call_id.as_str(), answer.state()), ("c3", WorkloadState::Online));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "started\nstopped\nstarted\n");

    // An agent that is leaving stops what runs, and starts nothing any more.
    let stopping = tokio::spawn(async move { workload.stop_all().await });
    assert!(!stream.health().await.healthy);
    stopping.await.unwrap();
    stream.call(call("c4", WorkloadCallKind::Online, "web"));
    assert_eq!(stream.answer().await.message, "the agent is leaving");
    stream.call(call("c5", WorkloadCallKind::Online, "db"));
    assert_eq!(stream.answer().await.message, "the agent is leaving");
}

/// What a process has started ends with the runtime of the agent, though nobody is left who could wait for it.
#[test]
fn nothing_of_a_process_outlives_the_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let held = fifo(&folder);
    let outside = tokio::runtime::Runtime::new().unwrap();
    let released = outside.spawn_blocking({
        let held = held.clone();
        || read(held)
    });
    let mut process = ProcessOptions::new(["sh", "-c", HOLDS]);
    process.command.push(held.clone().into_os_string());
    // A process that is killed before it has the file open would leave the reader waiting for ever.
    let ready = r#"until test -e "$0.ready"; do sleep 0.02; done"#;
    process.health_command = ["sh", "-c", ready].map(Into::into).into();
    process.health_command.push(held.into_os_string());
    process.ready_after = Duration::ZERO;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (daemon, mut streams) = Daemon::new();
        let _serving = serve(
            daemon.client(options()),
            AgentOptions::default(),
            ProcessWorkload::new(process),
        );
        let mut stream = attach(&mut streams, "", "l1", false).await;
        stream.call(call("c1", WorkloadCallKind::Online, "web"));
        assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    });
    drop(runtime);
    assert_eq!(outside.block_on(soon(released)).unwrap(), "held\n");
}

#[tokio::test]
async fn nothing_of_a_health_command_outlives_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let held = fifo(&folder);
    let released = tokio::task::spawn_blocking({
        let held = held.clone();
        || read(held)
    });
    let mut process = ProcessOptions::new(["sleep", "3600"]);
    process.health_command = ["sh", "-c", HOLDS].map(Into::into).into();
    process.health_command.push(held.into_os_string());
    // Time enough for the shell to have the file open.
    process.health_timeout = Duration::from_secs(5);
    process.ready_after = Duration::ZERO;
    process.ready_within = Duration::ZERO;
    let (daemon, mut streams) = Daemon::new();
    let workload = ProcessWorkload::new(process);
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload);
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Online, "web"));
    let failed = soon(stream.answer()).await;
    assert_eq!(
        failed.message,
        "the process was not ready within 0 s: the health command did not end within 5 s"
    );
    assert_eq!(soon(released).await.unwrap(), "held\n");
}

#[tokio::test]
async fn a_process_that_is_never_well_does_not_come_online() {
    let mut process = ProcessOptions::new(["sleep", "3600"]);
    process.health_command = vec!["false".into()];
    process.ready_after = Duration::ZERO;
    process.ready_within = Duration::from_secs(5);
    let (daemon, mut streams) = Daemon::new();
    let workload = ProcessWorkload::new(process);
    let _serving = serve(daemon.client(options()), AgentOptions::default(), workload.clone());
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Online, "web"));
    let mut said = Vec::new();
    let failed = soon(async {
        loop {
            let status = stream.status().await;
            if status.state() != WorkloadState::Pending {
                break status;
            }
            said.push(status.message);
        }
    })
    .await;
    assert_eq!(failed.state(), WorkloadState::Failed);
    let words = "the health command ended with exit status: 1";
    assert_eq!(failed.message, format!("the process was not ready within 5 s: {words}"));
    // It is not given up at the first failure.
    assert!(said.iter().any(|said| said.ends_with(words)), "{said:?}");
    // It was killed before it is looked at.
    stream.call(call("c2", WorkloadCallKind::Terminate, "web"));
    assert_eq!(soon(stream.answer()).await.state(), WorkloadState::Offline);
    stream.call(call("c3", WorkloadCallKind::CheckHealth, "web"));
    assert!(soon(stream.answer()).await.message.contains("signal: 9"));
}

#[tokio::test]
async fn a_process_that_does_not_listen_is_killed_and_one_that_ends_at_once_fails() {
    let mut deaf = ProcessOptions::new(["sh", "-c", "trap '' TERM; sleep 100 & wait; sleep 100"]);
    deaf.ready_after = Duration::from_millis(50);
    deaf.stop_grace = Duration::from_millis(200);
    let (daemon, mut streams) = Daemon::new();
    let _serving = serve(
        daemon.client(options()),
        AgentOptions::default(),
        ProcessWorkload::new(deaf),
    );
    let mut stream = attach(&mut streams, "", "l1", false).await;
    stream.call(call("c1", WorkloadCallKind::Online, "web"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Online);
    stream.call(call("c2", WorkloadCallKind::Offline, "web"));
    assert_eq!(stream.answer().await.state(), WorkloadState::Offline);

    for (command, said) in [("exit 3", "exit status: 3"), ("kill -9 $$", "signal: 9")] {
        let (daemon, mut streams) = Daemon::new();
        let mut hasty = ProcessOptions::new(["sh", "-c", command]);
        // It ends at once, but a slow machine may take a while to begin it; until then it must not be taken for ready.
        hasty.ready_after = Duration::from_secs(60);
        let workload = ProcessWorkload::new(hasty);
        let _serving = serve(daemon.client(options()), AgentOptions::default(), workload);
        let mut stream = attach(&mut streams, "", "l1", false).await;
        stream.call(call("c1", WorkloadCallKind::Online, "web"));
        let failed = stream.answer().await;
        assert_eq!(failed.state(), WorkloadState::Failed);
        assert!(failed.message.contains(said), "{failed:?}");
    }
}

//! The real binary as a process: killed at every phase of a call, stopped by a signal, and its command line.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails, also in what tests share"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use wsfc_client::{Client, ConnectOptions, Operation, Progress};
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationState, SetupPhaseType, SuggestedAction};

/// The calls that are cut off, each with its phases by their names in scenarios and by their numbers (facts 1.5).
const CALLS: [(Call, &[(&str, i32)]); 3] = [
    (
        Call::Create,
        &[
            ("Initialize", 1),
            ("ValidateNodeState", 100),
            ("QueryClusterNameAccount", 106),
            ("ValidateClusterNameAccount", 107),
            ("CreateClusterAccount", 108),
            ("ConfigureClusterAccount", 109),
            ("ValidateNetft", 102),
            ("ValidateClusDisk", 103),
            ("ConfigureClusSvc", 104),
            ("StartingClusSvc", 105),
            ("FormingCluster", 200),
            ("AddClusterProperties", 201),
            ("CreateResourceTypes", 202),
            ("CreateGroups", 203),
            ("CreateIPAddressResources", 204),
            ("CreateNetworkName", 205),
            ("ClusterGroupOnline", 206),
            ("GettingCurrentMembership", 300),
            ("AddNodeToCluster", 301),
            ("NodeUp", 302),
        ],
    ),
    (
        Call::Add,
        &[
            ("ValidateNodeState", 100),
            ("AddNodeToCluster", 301),
            ("ConfigureClusSvc", 104),
            ("StartingClusSvc", 105),
            ("NodeUp", 302),
        ],
    ),
    (
        Call::Destroy,
        &[
            ("Initialize", 1),
            ("OfflineGroup", 403),
            ("CoreGroupCleanup", 406),
            ("EvictNode", 404),
            ("CleanupNode", 405),
        ],
    ),
];

/// A call that is cut off.
#[derive(Clone, Copy, Debug)]
enum Call {
    Create,
    Add,
    Destroy,
}

impl Call {
    /// The world that it is made in, in which it hangs in a phase.
    fn scenario(self, folder: &Path, phase: &str) -> PathBuf {
        let cluster = "[[clusters]]\nname = \"CL1\"\naddresses = [\"10.0.0.10\"]\n";
        let (function, cluster) = match self {
            Self::Create => ("CreateCluster", String::new()),
            Self::Add => ("AddClusterNode", format!("{cluster}nodes = [\"n1\"]\n")),
            Self::Destroy => ("DestroyCluster", format!("{cluster}nodes = [\"n1\", \"n2\"]\n")),
        };
        let fault = format!("[[faults]]\ncall = \"{function}\"\nphase = \"{phase}\"\nhang = true\n");
        scenario(folder, &format!("{cluster}{fault}"))
    }

    async fn start(self, client: &Client) -> Operation {
        let started = match self {
            Self::Create => client.create_cluster(create()).await,
            Self::Add => {
                let node = v1::AddNodeParameters {
                    cluster: "CL1".into(),
                    node: "n2".into(),
                };
                client
                    .add_node(v1::AddNodeRequest {
                        node: Some(node),
                        ..Default::default()
                    })
                    .await
            }
            Self::Destroy => {
                let cluster = v1::DestroyClusterParameters {
                    cluster: "CL1".into(),
                    ..Default::default()
                };
                let request = v1::DestroyClusterRequest {
                    cluster: Some(cluster),
                    ..Default::default()
                };
                client.destroy_cluster(request).await
            }
        };
        started.unwrap()
    }

    /// Whether a suggestion fits what was seen: nothing is called done, or to be removed, without evidence.
    fn is_sound(self, action: SuggestedAction, seen: &v1::Inspection) -> bool {
        let is = |host: &v1::HostObservation, state| host.error.is_none() && host.state() == state;
        let clean = !seen.hosts.is_empty() && seen.hosts.iter().all(|host| is(host, v1::HostState::NotConfigured));
        let members = seen.cluster.as_ref().map_or(0, |cluster| cluster.nodes.len());
        match (self, action) {
            (Self::Create | Self::Add, SuggestedAction::Accept) => seen.ready && members == 2,
            (Self::Destroy, SuggestedAction::Accept) => !seen.cluster_found && clean,
            (Self::Create, SuggestedAction::Retry) => !seen.cluster_found,
            (Self::Add, SuggestedAction::Retry) => members == 1,
            (Self::Destroy, SuggestedAction::Retry) => seen.cluster_found,
            (_, SuggestedAction::CleanUp | SuggestedAction::Inspect) => true,
            (_, SuggestedAction::Unspecified) => false,
        }
    }
}

/// How much a full disk still takes: enough to open the store, which grows by its own measure.
#[cfg(unix)]
const ROOM: u64 = 2 << 20;

/// A daemon in a process of its own, with a folder that outlives it.
struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
}

impl Process {
    /// Starts the daemon over a scenario, and waits until its log says that it serves.
    async fn start(folder: &Path, scenario: &Path) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_wsfcd")), folder, scenario).await
    }

    /// As [`Process::start`], by a command that takes the daemon's arguments.
    async fn start_by(mut command: Command, folder: &Path, scenario: &Path) -> Self {
        let mut child = command
            .args(["run", "--listen", "127.0.0.1:0", "--log-format", "json", "--data-dir"])
            .arg(folder.join("data"))
            .arg("--simulate")
            .arg(scenario)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        while let Some(line) = log.next_line().await.unwrap() {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "Serving" {
                let address = event["address"].as_str().unwrap().parse().unwrap();
                return Self { child, log, address };
            }
            seen.push(line);
        }
        panic!("the daemon ended before it served:\n{}", seen.join("\n"));
    }

    async fn client(&self) -> Client {
        Client::connect(ConnectOptions::new([format!("http://{}", self.address)]))
            .await
            .unwrap()
    }

    /// SIGINT, as Ctrl-C sends it.
    #[cfg(unix)]
    async fn interrupt(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    /// Waits until the log has a line with these words.
    #[cfg(unix)]
    async fn logged(&mut self, words: &str) {
        while let Some(line) = self.log.next_line().await.unwrap() {
            if line.contains(words) {
                return;
            }
        }
        panic!("the daemon ended without logging {words:?}");
    }

    /// Waits for the end of the process, and gives what it has logged meanwhile.
    async fn wait(mut self) -> (std::process::ExitStatus, Vec<String>) {
        let mut log = Vec::new();
        while let Some(line) = self.log.next_line().await.unwrap() {
            log.push(line);
        }
        (self.child.wait().await.unwrap(), log)
    }

    /// SIGKILL, or TerminateProcess: nothing of the daemon's own runs.
    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn scenario(folder: &Path, faults: &str) -> PathBuf {
    let path = folder.join("scenario.toml");
    let text = format!(
        "seed = 7\n[[networks]]\nname = \"net\"\nsubnet = \"10.0.0.0\"\nprefix = 24\n\
         [[machines]]\nname = \"n1\"\n[[machines]]\nname = \"n2\"\n{faults}"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn create() -> v1::CreateClusterRequest {
    v1::CreateClusterRequest {
        cluster: Some(v1::CreateClusterParameters {
            cluster: "CL1".into(),
            nodes: vec!["n1".into(), "n2".into()],
            ip_addresses: vec![v1::IpAddress {
                address: "10.0.0.10".into(),
                prefix_length: 24,
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Kills the daemon while a call stands in a phase, and looks at what the next one knows.
async fn kill_in_phase(call: Call, name: &str, number: i32) {
    let folder = TempDir::new().unwrap();
    let scenario = call.scenario(folder.path(), name);
    let daemon = Process::start(folder.path(), &scenario).await;
    let operation = call.start(&daemon.client().await).await;
    let mut seen = Vec::new();
    let mut progress = operation.progress();
    while let Some(item) = progress.next().await {
        let Progress::Record(record) = item.unwrap() else {
            continue;
        };
        let reached = matches!(&record.payload, Some(Payload::SetupProgress(progress))
            if progress.phase == number && progress.phase_type() == SetupPhaseType::Start);
        seen.push(record);
        if reached {
            break;
        }
    }
    daemon.kill().await;

    let daemon = Process::start(folder.path(), &scenario).await;
    let client = daemon.client().await;
    let after = client.get_operation(operation.id()).await.unwrap().operation.unwrap();
    assert_eq!(after.state(), OperationState::Interrupted, "{call:?} {name}");
    let outcome = after.outcome.as_ref().unwrap();
    assert_eq!(outcome.reason, "OPERATION_INTERRUPTED");
    let inspection = outcome.inspection.as_ref().expect("the cluster was inspected");
    let action = outcome.suggested_actions().next().unwrap();
    assert!(call.is_sound(action, inspection), "{call:?} {name}: {outcome:?}");

    // What was seen before the kill is what there is, byte for byte; nothing is missing, and the outcome is last.
    let mut progress = client.operation(operation.id()).progress();
    let mut kept = Vec::new();
    while let Some(item) = progress.next().await {
        if let Progress::Record(record) = item.unwrap() {
            kept.push(record);
        }
    }
    assert_eq!(kept[..seen.len()], seen[..], "{name}");
    for (index, record) in kept.iter().enumerate() {
        assert_eq!(record.sequence, index as u64 + 1, "{name}");
    }
    let outcomes = kept
        .iter()
        .filter(|record| matches!(record.payload, Some(Payload::Outcome(_))))
        .count();
    assert_eq!(outcomes, 1, "{name}");
    assert!(
        matches!(kept.last().unwrap().payload, Some(Payload::Outcome(_))),
        "{name}"
    );
    daemon.kill().await;
}

#[tokio::test]
async fn a_daemon_killed_at_any_phase_keeps_every_record_and_says_so() {
    let mut waiting = CALLS
        .iter()
        .flat_map(|(call, phases)| phases.iter().map(|phase| (*call, *phase)));
    let mut running = tokio::task::JoinSet::new();
    loop {
        while running.len() < 4
            && let Some((call, (name, number))) = waiting.next()
        {
            running.spawn(kill_in_phase(call, name, number));
        }
        match running.join_next().await {
            Some(ended) => ended.unwrap(),
            None => return,
        }
    }
}

#[tokio::test]
async fn an_operation_that_waits_outlives_a_killed_daemon_and_is_called_once() {
    let folder = TempDir::new().unwrap();
    let faults = "[[faults]]\ncall = \"CreateCluster\"\nphase = \"FormingCluster\"\nobject = \"CL1\"\nhang = true\n";
    let scenario = scenario(folder.path(), faults);
    let daemon = Process::start(folder.path(), &scenario).await;
    let client = daemon.client().await;
    let first = client.create_cluster(create()).await.unwrap();
    // The same hosts under another name: it waits for the first.
    let mut other = create();
    other.cluster.as_mut().unwrap().cluster = "CL2".into();
    let second = client.create_cluster(other).await.unwrap();
    assert_eq!(second.get().await.unwrap().state(), OperationState::Pending);
    daemon.kill().await;

    let daemon = Process::start(folder.path(), &scenario).await;
    let client = daemon.client().await;
    assert_eq!(
        client.operation(first.id()).get().await.unwrap().state(),
        OperationState::Interrupted
    );
    // It is taken up again, and ends by itself one way or the other: its call was never made before.
    let outcome = client.operation(second.id()).wait().await.unwrap();
    assert_ne!(outcome.state(), OperationState::Interrupted);
    assert!(outcome.status.is_some(), "its call was made: {outcome:?}");
    daemon.kill().await;
}

/// A disk that takes no more: the file of the journal may not grow. Nothing that was acknowledged is lost, nothing that
/// was not is there, and the daemon ends with an error that says why.
#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_ends_the_daemon_and_loses_nothing_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let scenario = scenario(folder.path(), "");
    let daemon = Process::start(folder.path(), &scenario).await;
    daemon.interrupt().await;
    drop(daemon.wait().await);

    let daemon = on_a_small_disk(folder.path(), &scenario).await;
    let client = impatient(&daemon).await;
    let (acknowledged, refused) = fill_the_disk(&client).await;
    let (status, log) = daemon.wait().await;
    assert!(!status.success(), "{refused}");
    assert!(
        log.iter().any(|line| line.contains("journal cannot be written")),
        "{log:?}"
    );
    assert!(!acknowledged.is_empty());

    let daemon = Process::start(folder.path(), &scenario).await;
    let client = daemon.client().await;
    for id in &acknowledged {
        client.get_operation(id).await.unwrap();
    }
    let listed = client
        .list_operations(v1::ListOperationsRequest {
            page_size: 500,
            ..Default::default()
        })
        .await
        .unwrap();
    let unknown = listed
        .operations
        .iter()
        .filter(|operation| !acknowledged.contains(&operation.operation_id))
        .count();
    // The last start may have become durable without its answer coming through.
    assert!(unknown <= 1, "{unknown} operations that nobody was told of");
    daemon.kill().await;
}

/// Starts the daemon again over a journal whose file can grow by [`ROOM`] only.
#[cfg(unix)]
async fn on_a_small_disk(folder: &Path, scenario: &Path) -> Process {
    let size = std::fs::metadata(folder.join("data/journal.redb")).unwrap().len();
    let mut command = Command::new("sh");
    // The limit counts blocks of 512 bytes; without the trap the first write over it would kill the process.
    let limited = format!("ulimit -f {}; trap '' XFSZ; exec \"$0\" \"$@\"", (size + ROOM) / 512);
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_wsfcd")]);
    Process::start_by(command, folder, scenario).await
}

/// A client that gives up soon where others would outlast the daemon's trouble.
#[cfg(unix)]
async fn impatient(daemon: &Process) -> Client {
    let options = ConnectOptions::new([format!("http://{}", daemon.address)]);
    Client::connect(ConnectOptions {
        request_timeout: Duration::from_secs(2),
        ..options
    })
    .await
    .unwrap()
}

/// Starts operations until the journal takes no more: their ids, and how the last one was refused.
#[cfg(unix)]
async fn fill_the_disk(client: &Client) -> (Vec<String>, wsfc_client::Error) {
    let mut large = create();
    large.cluster.as_mut().unwrap().nodes = (0..64).map(|n| format!("{}{n}", "x".repeat(200))).collect();
    let mut acknowledged = Vec::new();
    loop {
        match client.create_cluster(large.clone()).await {
            Ok(operation) => acknowledged.push(operation.id().to_owned()),
            Err(error) => return (acknowledged, error),
        }
        assert!(acknowledged.len() < 5_000, "the disk was never full");
    }
}

/// When the journal fails while a call runs, what is durable can still be read until the call has had its time; and a
/// signal ends the waiting.
#[cfg(unix)]
#[tokio::test]
async fn reads_go_on_after_the_journal_failed_while_a_call_runs() {
    let folder = TempDir::new().unwrap();
    let faults = "[[faults]]\ncall = \"CreateCluster\"\nphase = \"FormingCluster\"\nobject = \"CL1\"\nhang = true\n";
    let scenario = scenario(folder.path(), faults);
    let daemon = Process::start(folder.path(), &scenario).await;
    daemon.interrupt().await;
    drop(daemon.wait().await);

    let mut daemon = on_a_small_disk(folder.path(), &scenario).await;
    let client = impatient(&daemon).await;
    let running = client.create_cluster(create()).await.unwrap();
    let mut progress = running.progress();
    while let Some(item) = progress.next().await {
        if let Progress::Record(record) = item.unwrap()
            && matches!(&record.payload, Some(Payload::SetupProgress(progress)) if progress.phase == 200)
        {
            break;
        }
    }
    drop(progress);
    let (_acknowledged, refused) = fill_the_disk(&client).await;
    daemon.logged("Stopping").await;
    let read = client.get_operation(running.id()).await.unwrap().operation.unwrap();
    assert_eq!(read.state(), OperationState::Running, "{refused}");

    daemon.interrupt().await;
    let (status, log) = daemon.wait().await;
    assert!(!status.success());
    assert!(
        log.iter().any(|line| line.contains("journal cannot be written")),
        "{log:?}"
    );
    assert!(!log.iter().any(|line| line.contains("Stopped")), "{log:?}");
}

/// The second SIGINT ends a daemon that waits for a call, at once and with a failing exit code.
#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_ends_the_daemon_at_once() {
    let folder = TempDir::new().unwrap();
    let faults = "[[faults]]\ncall = \"CreateCluster\"\nphase = \"FormingCluster\"\nhang = true\n";
    let scenario = scenario(folder.path(), faults);
    let mut daemon = Process::start(folder.path(), &scenario).await;
    let client = daemon.client().await;
    let operation = client.create_cluster(create()).await.unwrap();
    let mut progress = operation.progress();
    while let Some(item) = progress.next().await {
        if let Progress::Record(record) = item.unwrap()
            && matches!(&record.payload, Some(Payload::SetupProgress(progress)) if progress.phase == 200)
        {
            break;
        }
    }
    daemon.interrupt().await;
    daemon.logged("Stopping").await;
    daemon.interrupt().await;
    let (status, log) = daemon.wait().await;
    assert!(!status.success());
    assert!(log.last().is_some_and(|line| line.contains("told again")), "{log:?}");
}

/// SIGINT ends the daemon in order: exit code 0, and the last line says so.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_stops_the_daemon_in_order() {
    let folder = TempDir::new().unwrap();
    let scenario = scenario(folder.path(), "");
    let daemon = Process::start(folder.path(), &scenario).await;
    daemon.interrupt().await;
    let (status, log) = daemon.wait().await;
    assert!(log.last().is_some_and(|line| line.contains("Stopped")), "{log:?}");
    assert!(status.success());
}

#[tokio::test]
async fn bad_settings_are_refused_with_the_reason_and_a_failing_exit_code() {
    for (arguments, reason) in [
        (vec!["run", "--listen", "0.0.0.0:0"], "not a loopback address"),
        (vec!["run", "--set", "operations.create_setle=1s"], "create_setle"),
        (vec!["run", "--config", "no-such-file.toml"], "no-such-file.toml"),
        (vec!["config", "check", "--set", "log.filter=wsfcd=loud"], "log.filter"),
        (vec!["run", "--simulate", "no-such-scenario"], "no-such-scenario"),
        (
            vec!["config", "check", "--simulate", "no-such-scenario"],
            "no-such-scenario",
        ),
        (
            vec!["config", "check", "--set", "cluster_api.library=/no/such/library"],
            "/no/such/library",
        ),
        (vec!["config", "check", "--set", "cluster_api.library=/"], "not a file"),
        (vec!["config", "check", "--set", "limits.unary=0s"], "limits.unary"),
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_wsfcd"))
            .args(&arguments)
            .stdin(Stdio::null())
            .output();
        let output = tokio::time::timeout(Duration::from_secs(60), run)
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
}

/// A daemon that serves the network without asking for certificates says so, and so does the check of its settings.
#[tokio::test]
async fn open_control_is_said_aloud() {
    let folder = TempDir::new().unwrap();
    let pair = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let check = |client_ca: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsfcd"));
        command.args(["config", "check", "--simulate", "--listen", "0.0.0.0:0"]);
        command
            .arg("--tls-certificate")
            .arg(&certificate)
            .arg("--tls-key")
            .arg(&key);
        if let Some(path) = client_ca {
            command.arg("--tls-client-ca").arg(path);
        }
        command.stdin(Stdio::null()).output()
    };
    let open = check(None).await.unwrap();
    assert!(open.status.success(), "{open:?}");
    assert!(
        String::from_utf8_lossy(&open.stderr).contains("full control"),
        "{open:?}"
    );
    let closed = check(Some(&certificate)).await.unwrap();
    assert!(closed.status.success(), "{closed:?}");
    assert!(closed.stderr.is_empty(), "{closed:?}");
}

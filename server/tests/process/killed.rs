//! Killed: nothing of the daemon's own runs, and the next one knows what there is to know.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wsfc_client::{Client, Operation, Progress, ProgressStream};
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationState, SetupPhaseType, SuggestedAction};

use crate::daemon::{Process, create, scenario, windows_command};

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

/// Follows an operation up to the begin of a phase, or to its end: the records up to and with that one.
async fn until_phase(progress: &mut ProgressStream, number: i32) -> Vec<v1::OperationRecord> {
    let mut seen = Vec::new();
    while let Some(item) = progress.next().await {
        let Progress::Record(record) = item.unwrap() else {
            continue;
        };
        let reached = matches!(&record.payload, Some(Payload::SetupProgress(progress))
            if progress.phase == number && progress.phase_type() == SetupPhaseType::Start);
        seen.push(*record);
        if reached {
            break;
        }
    }
    seen
}

/// Kills the daemon while a call stands in a phase, and looks at what the next one knows.
async fn kill_in_phase(call: Call, (name, number): (&str, i32), kill: impl AsyncFnOnce(Process, &Path)) {
    let folder = TempDir::new().unwrap();
    let scenario = call.scenario(folder.path(), name);
    let daemon = Process::start(folder.path(), &scenario).await;
    let operation = call.start(&daemon.client().await).await;
    let mut progress = operation.progress();
    let seen = until_phase(&mut progress, number).await;
    kill(daemon, folder.path()).await;

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
            kept.push(*record);
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
            && let Some((call, phase)) = waiting.next()
        {
            running.spawn(kill_in_phase(call, phase, async |daemon, _| daemon.kill().await));
        }
        match running.join_next().await {
            Some(ended) => ended.unwrap(),
            None => return,
        }
    }
}

/// By the program that an administrator has for it, which calls TerminateProcess.
#[tokio::test]
#[ignore = "needs the Windows build: tests/windows/run"]
async fn a_daemon_ended_by_taskkill_keeps_every_record_and_says_so() {
    let taskkill = async |daemon: Process, folder: &Path| {
        // Windows knows the process by another number than this system; the daemon leaves it beside its lock.
        let id = std::fs::read_to_string(folder.join("data/wsfcd.pid")).unwrap();
        let mut command = windows_command();
        command.args(["taskkill", "/F", "/PID", id.trim()]);
        assert!(command.status().await.unwrap().success());
        // Wine's taskkill lets it end with 0, so the exit code shows nothing.
        let (_status, log) = daemon.wait().await;
        assert!(
            !log.iter().any(|line| line.contains("Stopping")),
            "it ended in order: {log:?}"
        );
    };
    kill_in_phase(Call::Create, ("FormingCluster", 200), taskkill).await;
}

#[tokio::test]
async fn an_operation_that_waits_outlives_a_killed_daemon_and_is_called_once() {
    let folder = TempDir::new().unwrap();
    let faults = "[[faults]]\ncall = \"CreateCluster\"\nphase = \"FormingCluster\"\nobject = \"CL1\"\nhang = true\n";
    let scenario = scenario(folder.path(), faults);
    let daemon = Process::start(folder.path(), &scenario).await;
    let client = daemon.client().await;
    let first = client.create_cluster(create()).await.unwrap();
    // FormingCluster, where it hangs: its call is made some time after the start is acknowledged.
    until_phase(&mut first.progress(), 200).await;
    // The same hosts under another name: it waits for the first.
    let mut other = create();
    other.cluster.as_mut().unwrap().cluster = "CL2".into();
    let second = client.create_cluster(other).await.unwrap();
    assert_eq!(second.get().await.unwrap().state(), OperationState::Pending);
    assert_eq!(daemon.calls("CreateCluster"), 1, "the one that waits was called");
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
    assert_eq!(daemon.calls("CreateCluster"), 1, "it alone is called, and once");
    daemon.kill().await;
}

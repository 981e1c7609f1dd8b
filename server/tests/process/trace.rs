//! `wsfcd trace`: a recorded run, played as a scenario, gives the same records.

use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;
use wsfc_client::{Client, Operation, Progress};
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationState, SetupPhaseType, SetupSeverity};

use crate::daemon::{Process, program};

/// A world of surprises: a phase that warns, a burst, a second thread, a machine without the feature, a cluster that does
/// not form, an address that fits no network, and a clean-up that fails.
const WORLD: &str = r#"
seed = 11
form_at_level = 10

[timing]
scale = 0.002

[[networks]]
name = "A"
subnet = "10.0.0.0"
prefix = 24

[[networks]]
name = "B"
subnet = "10.0.1.0"
prefix = 24

[[machines]]
name = "n1"

[[machines]]
name = "n2"
# So that a cluster can have the address that a scenario would give to n2 by itself.
addresses = ["10.0.0.112", "10.0.1.112"]

[[machines]]
name = "n3"

[[machines]]
name = "n4"
feature_installed = false

[[machines]]
name = "n5"
cleanup_fails = 0x80070005

[[faults]]
call = "CreateCluster"
phase = "ValidateClusDisk"
object = "n2"
severity = "warning"
status = 5970

[[faults]]
call = "CreateCluster"
phase = "FormingCluster"
object = "CL3"
severity = "fatal"
status = 0x8007042A

[[faults]]
call = "AddClusterNode"
phase = "NodeUp"
burst = 300
second_thread = true
"#;

/// The names of what [`life`] does, in its order.
const LIFE: [&str; 9] = [
    "create",
    "add",
    "add one that will not be cleaned up",
    "upgrade",
    "evict",
    "evict without clean-up",
    "create where a host lacks the feature",
    "create what does not form",
    "destroy",
];

fn create(cluster: &str, nodes: &[&str], addresses: &[&str]) -> v1::CreateClusterRequest {
    let address = |address: &&str| v1::IpAddress {
        address: (*address).into(),
        prefix_length: 24,
    };
    v1::CreateClusterRequest {
        cluster: Some(v1::CreateClusterParameters {
            cluster: cluster.into(),
            nodes: nodes.iter().map(|node| (*node).into()).collect(),
            ip_addresses: addresses.iter().map(address).collect(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn add(node: &str) -> v1::AddNodeRequest {
    v1::AddNodeRequest {
        node: Some(v1::AddNodeParameters {
            cluster: "CL1".into(),
            node: node.into(),
        }),
        ..Default::default()
    }
}

fn evict(node: &str) -> v1::EvictNodeRequest {
    v1::EvictNodeRequest {
        node: Some(v1::EvictNodeParameters {
            cluster: "CL1".into(),
            node: node.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The life of a cluster, with failures; the records of each operation.
async fn life(client: &Client) -> Vec<Vec<Payload>> {
    let upgrade = v1::UpgradeFunctionalLevelRequest {
        upgrade: Some(v1::UpgradeFunctionalLevelParameters { cluster: "CL1".into() }),
        ..Default::default()
    };
    let destroy = v1::DestroyClusterRequest {
        cluster: Some(v1::DestroyClusterParameters {
            cluster: "CL1".into(),
            delete_computer_objects: true,
        }),
        ..Default::default()
    };
    // The third address fits no network.
    let addresses = ["10.0.0.12", "10.0.1.50", "10.9.9.9"];
    vec![
        records(client.create_cluster(create("CL1", &["n1", "n2"], &addresses)).await).await,
        records(client.add_node(add("n3")).await).await,
        records(client.add_node(add("n5")).await).await,
        records(client.upgrade_functional_level(upgrade).await).await,
        records(client.evict_node(evict("n3")).await).await,
        records(client.evict_node(evict("n5")).await).await,
        records(client.create_cluster(create("CL2", &["n3", "n4"], &[])).await).await,
        records(client.create_cluster(create("CL3", &["n3"], &[])).await).await,
        records(client.destroy_cluster(destroy).await).await,
    ]
}

/// What an operation told, to its outcome, without what is its own: ids, revisions, times.
async fn records(started: Result<Operation, wsfc_client::Error>) -> Vec<Payload> {
    let mut progress = started.unwrap().progress();
    let (mut payloads, mut waits) = (Vec::new(), 0);
    while let Some(item) = progress.next().await {
        let Progress::Record(record) = item.unwrap() else {
            continue;
        };
        let payload = match record.payload.unwrap() {
            Payload::Accepted(accepted) => Payload::Accepted(v1::OperationAccepted {
                request_id: String::new(),
                ..accepted
            }),
            // How long an operation waits for another is a matter of time, and so is how many records say so.
            Payload::Pending(_) => {
                waits += 1;
                continue;
            }
            Payload::Outcome(mut outcome) => {
                for warning in &mut outcome.warnings {
                    warning.sequence -= waits;
                }
                Payload::Outcome(outcome)
            }
            payload => payload,
        };
        payloads.push(payload);
    }
    payloads
}

fn outcome(records: &[Payload]) -> &v1::OperationOutcome {
    match records.last() {
        Some(Payload::Outcome(outcome)) => outcome,
        other => panic!("no outcome: {other:?}"),
    }
}

/// Serves `scenario`, recorded to a file when one is given, and ends in order.
async fn serve<T>(folder: &Path, scenario: &Path, trace: Option<&Path>, use_it: impl AsyncFnOnce(Client) -> T) -> T {
    let mut command = program();
    match trace {
        Some(trace) => command.args(["trace", "run", "--output"]).arg(trace),
        None => command.arg("run"),
    };
    command.args(["--set", "operations.create_settle=0s"]);
    let daemon = Process::serve_by(command, folder, scenario).await;
    let result = use_it(daemon.client().await).await;
    daemon.interrupt().await;
    let (status, log) = daemon.wait().await;
    assert!(status.success(), "{log:?}");
    result
}

/// Runs `wsfcd trace` with these arguments, and then the file.
async fn trace(arguments: &[&str], file: &Path) -> Output {
    program().arg("trace").args(arguments).arg(file).output().await.unwrap()
}

fn text(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Writes the scenario of a trace, without waits.
async fn converted(folder: &Path, file: &Path) -> PathBuf {
    let output = trace(&["scenario", "--scale", "0"], file).await;
    let path = folder.join("played.toml");
    std::fs::write(&path, text(&output)).unwrap();
    path
}

#[tokio::test]
async fn a_recorded_run_played_as_a_scenario_gives_the_same_records() {
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let world = first.path().join("world.toml");
    std::fs::write(&world, WORLD).unwrap();
    let file = first.path().join("trace.jsonl");
    let recorded = serve(first.path(), &world, Some(&file), async |client| life(&client).await).await;

    // The run was as eventful as it was meant to be.
    let states: Vec<OperationState> = recorded.iter().map(|records| outcome(records).state()).collect();
    let failed = |name: &str| states[LIFE.iter().position(|known| *known == name).unwrap()] == OperationState::Failed;
    assert!(
        failed("create where a host lacks the feature") && failed("create what does not form"),
        "{states:?}"
    );
    assert_eq!(
        states
            .iter()
            .filter(|state| **state == OperationState::Succeeded)
            .count(),
        7
    );
    assert!(
        outcome(&recorded[0]).partial && outcome(&recorded[5]).partial,
        "an address and a clean-up are missing"
    );
    let reports = |records: &[Payload], wanted: fn(&v1::SetupProgress) -> bool| {
        let is_wanted = |payload: &&Payload| matches!(payload, Payload::SetupProgress(report) if wanted(report));
        records.iter().filter(is_wanted).count()
    };
    assert_eq!(
        reports(&recorded[0], |report| report.severity() == SetupSeverity::Warning),
        2
    );
    assert!(reports(&recorded[1], |report| report.phase_type() == SetupPhaseType::Continue) >= 300);

    let scenario = converted(first.path(), &file).await;
    let played = serve(second.path(), &scenario, None, async |client| life(&client).await).await;
    for ((name, recorded), played) in LIFE.iter().zip(&recorded).zip(&played) {
        assert_eq!(recorded.len(), played.len(), "{name}");
        for (recorded, played) in recorded.iter().zip(played) {
            assert_eq!(
                recorded,
                played,
                "{name}, played from\n{}",
                std::fs::read_to_string(&scenario).unwrap()
            );
        }
    }
}

#[tokio::test]
async fn a_cluster_that_was_there_before_is_there_in_the_scenario() {
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let world = first.path().join("world.toml");
    let existing = "[[clusters]]\nname = \"CL1\"\nnodes = [\"n1\", \"n2\"]\nfunctional_level = 10\n\
                    addresses = [\"10.0.0.60\"]\ngroups = [{ name = \"Files\" }]\n";
    std::fs::write(&world, format!("{WORLD}{existing}")).unwrap();
    let file = first.path().join("trace.jsonl");
    let adding = async |client: Client| records(client.add_node(add("n3")).await).await;
    let recorded = serve(first.path(), &world, Some(&file), adding).await;
    assert_eq!(outcome(&recorded).state(), OperationState::Succeeded);
    let scenario = converted(first.path(), &file).await;
    let played = serve(second.path(), &scenario, None, adding).await;
    assert_eq!(recorded, played, "{}", std::fs::read_to_string(&scenario).unwrap());
}

#[tokio::test]
async fn a_trace_of_a_killed_daemon_is_whole_but_for_its_last_line() {
    let folder = TempDir::new().unwrap();
    let world = folder.path().join("world.toml");
    let hang = "[[faults]]\ncall = \"CreateCluster\"\nphase = \"AddClusterProperties\"\nhang = true\n";
    std::fs::write(&world, format!("{WORLD}{hang}")).unwrap();
    let file = folder.path().join("trace.jsonl");
    let mut command = program();
    command.args(["trace", "run", "--output"]).arg(&file);
    let daemon = Process::serve_by(command, folder.path(), &world).await;
    let operation = daemon
        .client()
        .await
        .create_cluster(create("CL1", &["n1"], &[]))
        .await
        .unwrap();
    let mut progress = operation.progress();
    while let Some(item) = progress.next().await {
        if let Progress::Record(record) = item.unwrap()
            && matches!(&record.payload, Some(Payload::SetupProgress(report)) if report.phase == 201)
        {
            break;
        }
    }
    daemon.kill().await;

    let shown = trace(&["show", "--callbacks", "--function", "createcluster"], &file).await;
    assert!(String::from_utf8_lossy(&shown.stderr).contains("not ended in order"));
    let shown = text(&shown);
    assert!(
        shown.contains("not back") && shown.contains("CreateCluster{config: {dwVersion: "),
        "{shown}"
    );
    let last = shown.lines().last().unwrap();
    assert!(last.contains("ClusterSetupPhaseAddClusterProperties"), "{shown}");
    assert!(!shown.contains("OpenCluster"), "{shown}");
    let scenario = trace(&["scenario"], &file).await;
    assert!(
        text(&scenario).contains("the end of CreateCluster, call "),
        "{scenario:?}"
    );

    // Cut off within its last line, it is read, and said to be cut.
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 5]).unwrap();
    let cut = trace(&["show"], &file).await;
    assert!(String::from_utf8_lossy(&cut.stderr).contains("cut off"));
    assert!(text(&cut).lines().count() > 3);
    // Damaged in its middle, it is refused, and the line is named.
    let mut damaged = whole;
    let third = damaged.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    damaged[third] = b'?';
    std::fs::write(&file, damaged).unwrap();
    for command in ["show", "scenario"] {
        let refused = trace(&[command], &file).await;
        assert!(!refused.status.success());
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(told.contains("line 2 of the trace is damaged"), "{told}");
        assert!(refused.stdout.is_empty());
    }
}

#[tokio::test]
async fn a_file_that_is_there_is_not_overwritten() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("trace.jsonl");
    std::fs::write(&file, "precious").unwrap();
    let refused = trace(&["run", "--simulate", "--output"], &file).await;
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("cannot be written"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

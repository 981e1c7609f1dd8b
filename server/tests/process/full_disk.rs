//! A disk that takes no more: the file of the journal may not grow.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use wsfc_client::{Client, ConnectOptions, Error, Progress};
use wsfc_proto::v1;
use wsfc_proto::v1::OperationState;
use wsfc_proto::v1::operation_record::Payload;

use crate::daemon::{Process, create, scenario};

/// How much a full disk still takes: enough to open the store, which grows by its own measure.
const ROOM: u64 = 2 << 20;
/// The longest that something takes here on a busy machine; then the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for something that comes in the end.
async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_elapsed| panic!("{what} did not come within {PATIENCE:?}"))
}

/// Nothing that was acknowledged is lost, nothing that
/// was not is there, and the daemon ends with an error that says why.
#[tokio::test]
async fn a_full_disk_ends_the_daemon_and_loses_nothing_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let scenario = scenario(folder.path(), "");
    let daemon = Process::start(folder.path(), &scenario).await;
    daemon.interrupt().await;
    drop(daemon.wait().await);

    let daemon = on_a_small_disk(folder.path(), &scenario).await;
    let client = impatient(&daemon).await;
    let (acknowledged, refused) = in_time("the refusal", fill_the_disk(&client)).await;
    let (status, log) = in_time("the end of the daemon", daemon.wait()).await;
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
async fn on_a_small_disk(folder: &Path, scenario: &Path) -> Process {
    let size = std::fs::metadata(folder.join("data/journal.redb")).unwrap().len();
    let mut command = Command::new("sh");
    // The limit counts blocks of 512 bytes; without the trap the first write over it would kill the process.
    let limited = format!("ulimit -f {}; trap '' XFSZ; exec \"$0\" \"$@\"", (size + ROOM) / 512);
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_wsfcd")]);
    Process::start_by(command, folder, scenario).await
}

/// A client that gives up soon where others would outlast the daemon's trouble; only for calls that may be given up.
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
async fn fill_the_disk(client: &Client) -> (Vec<String>, Error) {
    let mut large = create();
    large.cluster.as_mut().unwrap().nodes = (0..64).map(|n| format!("{}{n}", "x".repeat(200))).collect();
    let mut acknowledged = Vec::new();
    loop {
        large.options = Some(v1::StartOptions {
            request_id: format!("00000000-0000-4000-8000-{:012}", acknowledged.len()),
            ..Default::default()
        });
        match client.create_cluster(large.clone()).await {
            Ok(operation) => acknowledged.push(operation.id().to_owned()),
            // Who is only slow has refused nothing; the same request id makes the next attempt the same start.
            Err(Error::TimedOut { last: None, .. }) => {}
            Err(error) => return (acknowledged, error),
        }
        assert!(acknowledged.len() < 5_000, "the disk was never full");
    }
}

/// When the journal fails while a call runs, what is durable can still be read until the call has had its time; and a
/// signal ends the waiting.
#[tokio::test]
async fn reads_go_on_after_the_journal_failed_while_a_call_runs() {
    let folder = TempDir::new().unwrap();
    let faults = "[[faults]]\ncall = \"CreateCluster\"\nphase = \"FormingCluster\"\nobject = \"CL1\"\nhang = true\n";
    let scenario = scenario(folder.path(), faults);
    let daemon = Process::start(folder.path(), &scenario).await;
    daemon.interrupt().await;
    drop(daemon.wait().await);

    let mut daemon = on_a_small_disk(folder.path(), &scenario).await;
    let client = daemon.client().await;
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
    let gives_up = impatient(&daemon).await;
    let (_acknowledged, refused) = in_time("the refusal", fill_the_disk(&gives_up)).await;
    in_time("the line of the log", daemon.logged("Stopping")).await;
    let read = client.get_operation(running.id()).await.unwrap().operation.unwrap();
    assert_eq!(read.state(), OperationState::Running, "{refused}");

    daemon.interrupt().await;
    let (status, log) = in_time("the end of the daemon", daemon.wait()).await;
    assert!(!status.success());
    assert!(
        log.iter().any(|line| line.contains("journal cannot be written")),
        "{log:?}"
    );
    assert!(!log.iter().any(|line| line.contains("Stopped")), "{log:?}");
}

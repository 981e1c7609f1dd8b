//! Stopped by signals: SIGINT, which is Ctrl-C to a Windows program under Wine.

use tempfile::TempDir;
use wsfc_client::Progress;
use wsfc_proto::v1::operation_record::Payload;

use crate::daemon::{Process, create, scenario};

/// The second SIGINT ends a daemon that waits for a call, at once and with a failing exit code.
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

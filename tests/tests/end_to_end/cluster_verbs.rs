//! Verbs on a whole cluster.

use wsfc_client::Reason;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{self, ChangeType, ConnectionState};
use wsfc_simulator::Incident;

use crate::stage::{CLUSTER, Stage, changed};

fn rename(cluster: &str, new_name: &str) -> v1::RenameClusterParameters {
    v1::RenameClusterParameters {
        cluster: cluster.into(),
        new_name: new_name.into(),
    }
}

fn with_connection(connection: ConnectionState) -> impl Fn(&v1::ClusterEvent) -> bool {
    move |event| {
        changed(event, ChangeType::Connection)
            && matches!(crate::stage::object(event), Some(Object::Cluster(cluster)) if cluster.connection() == connection)
    }
}

#[tokio::test]
async fn a_cluster_is_renamed() {
    let mut stage = Stage::production().await;
    let outcome = stage.done(rename(CLUSTER, "factory")).await;
    assert!(outcome.effective_at_next_online, "{outcome:?}");
    let event = stage
        .sees("the new name", |event| changed(event, ChangeType::Name))
        .await;
    assert_eq!(event.name_before, CLUSTER);
    // The daemon's own host is a node, whatever the cluster is called.
    stage.unchanged(rename("", "factory")).await;
    let cluster = stage.client.get_cluster("").await.unwrap();
    assert_eq!(cluster.name, "factory");
    for name in ["", "a b", "a.b", "-"] {
        stage.not_begun(rename("", name), &Reason::InvalidField).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_cluster_that_is_shut_down_is_lost_and_found_again() {
    let mut stage = Stage::production().await;
    // A connection that is slow to come back is tried again, and that is told.
    stage.daemon.logs().expect("A cluster cannot be reached any more");
    stage.daemon.logs().expect("Changes of a cluster may have been missed");
    let down = v1::ShutdownClusterParameters {
        cluster: CLUSTER.into(),
    };
    let outcome = stage.done(down.clone()).await;
    assert!(!outcome.message.is_empty());
    stage
        .sees("the lost connection", with_connection(ConnectionState::Reconnecting))
        .await;
    let state = v1::GetClusterStateRequest {
        cluster: CLUSTER.into(),
        ..Default::default()
    };
    let lost = stage.client.get_cluster_state(state).await.unwrap().cluster.unwrap();
    assert_eq!(lost.connection(), ConnectionState::Reconnecting);
    // Nobody is there to be shut down.
    let again = stage.client.validate(down).await.unwrap_err();
    assert!(
        again.rejection().is_some_and(|rejection| rejection.native.is_some()),
        "{again:?}"
    );
    for machine in ["hv1", "hv2", "hv3", "hv4"] {
        stage.daemon.simulation().happen(&Incident::StartService {
            machine: machine.into(),
            clear_quarantine: false,
        });
    }
    stage
        .sees("the cluster again", with_connection(ConnectionState::Connected))
        .await;
    let nodes = stage.client.get_cluster(CLUSTER).await.unwrap().nodes;
    assert_eq!(nodes.len(), 4);
    assert!(nodes.iter().all(|node| node.state() == v1::NodeState::Up), "{nodes:?}");
    stage.finish().await;
}

#[tokio::test]
async fn a_modern_cluster_has_no_backup_call() {
    let stage = Stage::production().await;
    let back_up = v1::BackupDatabaseParameters {
        cluster: CLUSTER.into(),
        path: "C:\\backup".into(),
    };
    stage.refused(back_up.clone(), 120).await;
    let nowhere = v1::BackupDatabaseParameters {
        path: String::new(),
        ..back_up
    };
    stage.not_begun(nowhere, &Reason::InvalidField).await;
    stage.finish().await;
}

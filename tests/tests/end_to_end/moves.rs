//! Moves of groups that wait, and moves that are taken back.

use wsfc_client::v1::{self, GroupState, OperationState};
use wsfc_client::{Client, Operation};
use wsfc_simulator::Incident;
use wsfc_tests::records::{outcome_of, soon, to_the_end};
use wsfc_tests::verbs::{changes, changes_once, final_state, run, unchanged};
use wsfc_tests::{TestDaemon, call, world};

/// CLUSGRP_STATUS_QUEUED_FOR_MOVE (facts 2.2).
const QUEUED: u64 = 4;

async fn group(client: &Client, name: &str) -> v1::Group {
    let request = v1::GetGroupRequest {
        group: name.into(),
        fresh: true,
        ..Default::default()
    };
    client.get_group(request).await.unwrap().group.unwrap()
}

/// Reads a group until it is as wished.
async fn until(client: &Client, name: &str, wished: impl Fn(&v1::Group) -> bool) {
    soon("the group", async {
        while !wished(&group(client, name).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn migrate(client: &Client, name: &str, node: &str) -> Operation {
    let migrate = call!(MigrateVirtualMachineParameters {
        group: name,
        node: node
    });
    client.migrate_virtual_machine(migrate).await.unwrap()
}

#[tokio::test]
async fn a_move_waits_in_the_queue_and_is_taken_out_of_it() {
    let mut scenario = world::production();
    scenario.timing.scale = 1.0;
    scenario.timing.live_migration_ms = 3_600_000;
    let cluster = &mut scenario.clusters[0];
    cluster.rules.clear();
    // Two machines on one node, which gives away one at a time (MaximumParallelMigrations).
    for group in &mut cluster.groups {
        if group.name == "DC2" {
            group.owner = Some("hv1".into());
        }
    }
    let daemon = TestDaemon::builder(scenario).observing().start().await;
    let client = daemon.client();
    let first = migrate(&client, "DC1", "hv2").await;
    until(&client, "DC1", |group| group.state() == GroupState::Pending).await;
    for by_the_group in [true, false] {
        let waits = migrate(&client, "DC2", "hv4").await;
        until(&client, "DC2", |group| group.status_information & QUEUED != 0).await;
        let wanted = if by_the_group {
            changes_once(&client, call!(CancelGroupMoveParameters { group: "DC2" })).await;
            OperationState::Failed
        } else {
            waits.cancel().await.unwrap();
            OperationState::Cancelled
        };
        let records = to_the_end(&waits).await;
        assert_eq!(outcome_of(&records).state(), wanted, "{records:?}");
        let stands = group(&client, "DC2").await;
        assert_eq!(
            (
                stands.status_information & QUEUED,
                stands.owner_node.as_str(),
                stands.state()
            ),
            (0, "hv1", GroupState::Online)
        );
    }
    // What is in front of it goes away, and its turn comes.
    let waits = migrate(&client, "DC2", "hv4").await;
    until(&client, "DC2", |group| group.status_information & QUEUED != 0).await;
    changes(&client, call!(CancelGroupMoveParameters { group: "DC1" })).await;
    until(&client, "DC2", |group| {
        group.status_information & QUEUED == 0 && group.state() == GroupState::Pending
    })
    .await;
    waits.cancel().await.unwrap();
    for (moving, state) in [(&first, OperationState::Failed), (&waits, OperationState::Cancelled)] {
        let records = to_the_end(moving).await;
        assert_eq!(outcome_of(&records).state(), state, "{records:?}");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_group_that_does_not_come_online_there_comes_back_if_asked_to() {
    let daemon = TestDaemon::builder(world::production()).observing().start().await;
    let client = daemon.client();
    daemon.simulation().happen(&Incident::BlockResource {
        resource: "Files Server".into(),
        node: Some("hv4".into()),
    });
    // It fails over to no other node, so that what brings it back is the move.
    let stays = call!(SetFailoverPolicyParameters {
        group: "Files",
        failover_threshold: 0_u32
    });
    changes(&client, stays).await;
    let files = |back: bool| {
        call!(MoveGroupParameters {
            group: "Files",
            node: "hv4",
            return_to_source_on_error: back
        })
    };
    let records = run(&client, files(true)).await;
    let (outcome, end) = (outcome_of(&records), final_state(&records));
    assert_eq!(outcome.state(), OperationState::Failed, "{outcome:?}");
    assert!(outcome.message.contains("did not move"), "{outcome:?}");
    assert_eq!((end.owner_node.as_str(), end.state.as_str()), ("hv3", "ONLINE"));
    let records = run(&client, files(false)).await;
    let (outcome, end) = (outcome_of(&records), final_state(&records));
    assert_eq!(outcome.state(), OperationState::Failed, "{outcome:?}");
    assert!(outcome.message.contains("did not come online"), "{outcome:?}");
    assert_eq!((end.owner_node.as_str(), end.state.as_str()), ("hv4", "FAILED"));
    unchanged(&client, files(false)).await;
    daemon.finish().await;
}

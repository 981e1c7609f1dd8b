//! Operations that wait for others: how many may, what is recorded of it, and whom they hold up.

use std::time::Duration;

use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{self, OperationRecord, OperationState, PendingReason, SetupPhase};
use wsfc_client::{Client, Operation, Reason};
use wsfc_simulator::Point;
use wsfc_tests::records::{assert_succeeded, collect, outcome_of, soon, to_the_end};
use wsfc_tests::{TestDaemon, request, world};
use wsfcd::access::policy::{ADMINISTRATOR, Binding};

/// Somebody who may start what the harness may.
const OTHER: &str = "other.test";

/// Where all that is added to a cluster is held.
fn adding() -> Point {
    Point::entry("AddClusterNode")
}

async fn add(client: &Client, node: &str) -> Operation {
    client.add_node(request::add_node("CL1", node)).await.unwrap()
}

fn pending(record: &OperationRecord) -> Option<&v1::OperationPending> {
    match &record.payload {
        Some(Payload::Pending(pending)) => Some(pending),
        _ => None,
    }
}

/// Follows an operation until its call begins.
async fn begun(operation: &Operation) {
    let started = |record: &OperationRecord| matches!(record.payload, Some(Payload::Started(_)));
    collect(&mut operation.progress(), started).await.unwrap();
}

/// The operation that is in the way, as a read tells it.
async fn in_the_way_of(operation: &Operation) -> String {
    let read = operation.get().await.unwrap();
    assert_eq!(read.state(), OperationState::Pending, "{read:?}");
    read.pending.unwrap_or_default().blocking_operation_id
}

#[tokio::test]
async fn a_wait_is_recorded_once_and_a_read_tells_what_is_in_the_way_now() {
    let mut scenario = world::machines(5);
    scenario.clusters.push(world::existing("CL1", vec!["n1".into()]));
    let daemon = TestDaemon::start(scenario).await;
    let looking = Point::phase("AddClusterNode", SetupPhase::ValidateNodeState.into());
    let holds = ["n2", "n3"].map(|node| looking.clone().of(node));
    holds.iter().for_each(|hold| daemon.simulation().hold(hold.clone()));
    let client = daemon.client();
    let first = add(&client, "n2").await;
    let second = add(&client, "n3").await;
    let third = add(&client, "n4").await;
    let last = add(&client, "n5").await;
    for waiting in [&third, &last] {
        assert_eq!(in_the_way_of(waiting).await, first.id());
    }
    daemon.simulation().release(&holds[0]);
    begun(&second).await;
    let listed = client
        .list_operations(v1::ListOperationsRequest {
            states: vec![OperationState::Pending.into()],
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(listed.operations.len(), 2);
    for read in listed.operations {
        assert_eq!(read.pending.unwrap().blocking_operation_id, second.id());
    }
    for waiting in [&third, &last] {
        assert_eq!(in_the_way_of(waiting).await, second.id());
    }
    daemon.simulation().release_all();
    for waited in [&second, &third, &last] {
        let records = to_the_end(waited).await;
        let told: Vec<_> = records.iter().filter_map(pending).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].reason(), PendingReason::Busy);
        assert_eq!(told[0].blocking_operation_id, first.id());
    }
    daemon.finish().await;
}

#[tokio::test]
async fn no_more_wait_for_one_identity_than_may_and_none_of_them_is_lost_by_a_restart() {
    let mut daemon = TestDaemon::builder(world::cluster("CL1", 1))
        .settings(|s| {
            s.limits.waiting_operations = 2;
            s.operations.shutdown_grace = Duration::from_millis(50);
            s.access.bindings.push(Binding {
                subject: format!("dns:{OTHER}"),
                role: ADMINISTRATOR.into(),
                clusters: None,
            });
        })
        .start()
        .await;
    daemon
        .logs()
        .expect("Operation was interrupted by the end of the daemon");
    daemon.logs().expect("Operations are still running");
    daemon.simulation().hold(adding());
    let client = daemon.client();
    let first = add(&client, "n9").await;
    begun(&first).await;
    let mut waiting = vec![add(&client, "n8").await, add(&client, "n7").await];
    let one_more = request::add_node("CL1", "n6");
    let started = client.add_node(one_more.clone()).await.map(drop);
    let validated = client.validate(one_more).await.map(drop);
    for refused in [started.unwrap_err(), validated.unwrap_err()] {
        let rejection = refused.rejection().unwrap_or_else(|| panic!("{refused:?}"));
        assert_eq!(rejection.reason, Reason::TooManyWaiting);
        assert_eq!(rejection.code, tonic::Code::ResourceExhausted);
        let named = ["operation_id", "waiting"].map(|key| rejection.metadata.get(key).map(String::as_str));
        assert_eq!(named, [Some(first.id()), Some("2")]);
    }
    // What waits for nobody is not refused, nor are others.
    let create = v1::CreateGroupParameters {
        cluster: "CL1".into(),
        group: "Print".into(),
        ..Default::default()
    };
    assert_succeeded(&to_the_end(&client.start(create).await.unwrap()).await);
    waiting.push(add(&daemon.client_of(OTHER), "n5").await);

    daemon.change_settings(|s| s.limits.waiting_operations = 1);
    daemon.restart().await;
    daemon.simulation().release_all();
    let client = daemon.client();
    assert_eq!(
        outcome_of(&to_the_end(&client.operation(first.id())).await).state(),
        OperationState::Interrupted
    );
    for waited in waiting {
        let records = to_the_end(&client.operation(waited.id())).await;
        let called = records
            .iter()
            .any(|record| matches!(record.payload, Some(Payload::Started(_))));
        assert!(called, "{records:?}");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_cluster_that_settles_keeps_no_host_from_another() {
    let daemon = TestDaemon::builder(world::machines(3))
        .settings(|s| s.operations.create_settle = Duration::from_secs(24 * 60 * 60))
        .start()
        .await;
    let client = daemon.client();
    let create = client.create_cluster(request::create_cluster("CL1", &["n1"]));
    assert_succeeded(&to_the_end(&create.await.unwrap()).await);
    let mut wanted = request::add_node("CL1", "n2");
    wanted.settle_time = None;
    let adding = client.add_node(wanted).await.unwrap();
    let settles =
        |record: &OperationRecord| pending(record).is_some_and(|told| told.reason() == PendingReason::ClusterSettling);
    collect(&mut adding.progress(), settles).await.unwrap();

    // What is about the same cluster waits all the same, and keeps its host no more than the one that it waits for.
    let behind = add(&client, "n3").await;
    assert_eq!(in_the_way_of(&behind).await, adding.id());

    let other = request::create_cluster_at("CL2", &["n2", "n3"], &[("10.0.0.101", 24)]);
    let other = client.create_cluster(other).await.unwrap();
    assert_succeeded(&to_the_end(&other).await);
    assert_eq!(in_the_way_of(&behind).await, adding.id());
    for operation in [&behind, &adding] {
        let cancelled = soon("the cancellation", operation.cancel()).await.unwrap();
        assert_eq!(cancelled.state(), OperationState::Cancelled);
    }
    daemon.finish().await;
}

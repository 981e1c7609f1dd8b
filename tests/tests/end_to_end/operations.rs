//! Reading, listing, waiting for and cancelling operations; request ids; two callers at once.

use std::time::{Duration, SystemTime};

use tokio_stream::StreamExt as _;
use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{self, OperationKind, OperationState, PendingReason, SetupPhase};
use wsfc_client::{Client, Reason};
use wsfc_simulator::{Point, Scenario};
use wsfc_tests::records::{Record as _, assert_succeeded, collect, outcome_of, soon, to_the_end};
use wsfc_tests::{TestDaemon, request, world};

const ID: &str = "6f1f3f0e-6d0c-4c0e-9a55-0f6a4c3f2b11";

/// Where a CreateCluster is held: it has begun to form the cluster.
fn forming() -> Point {
    Point::phase("CreateCluster", SetupPhase::FormingCluster.into())
}

/// A daemon that holds every CreateCluster there.
async fn held(scenario: Scenario) -> TestDaemon {
    let daemon = TestDaemon::start(scenario).await;
    daemon.simulation().hold(forming());
    daemon
}

async fn listed(client: &Client, request: v1::ListOperationsRequest) -> Vec<String> {
    let operations = client.list_operations(request).await.unwrap().operations;
    operations.into_iter().map(|operation| operation.operation_id).collect()
}

#[tokio::test]
async fn an_operation_that_is_not_there_is_not_found() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    for id in [ID, "not a uuid"] {
        for error in [
            client.get_operation(id).await.map(drop).unwrap_err(),
            client.wait_operation(id, Duration::ZERO).await.map(drop).unwrap_err(),
            client.cancel_operation(id).await.map(drop).unwrap_err(),
            client
                .operation(id)
                .progress()
                .next()
                .await
                .unwrap()
                .map(drop)
                .unwrap_err(),
        ] {
            let rejection = error.rejection().unwrap_or_else(|| panic!("{error:?}"));
            assert_eq!(rejection.reason, Reason::OperationNotFound);
            assert_eq!(rejection.code, tonic::Code::NotFound);
            assert_eq!(rejection.metadata.get("operation_id").map(String::as_str), Some(id));
        }
    }
    let error = client.get_operation("").await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::InvalidField));
    daemon.finish().await;
}

#[tokio::test]
async fn lists_are_newest_first_and_filtered() {
    let daemon = TestDaemon::start(world::machines(3)).await;
    let client = daemon.client();
    let create = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    to_the_end(&create).await;
    #[expect(
        clippy::disallowed_methods,
        reason = "the daemon under test goes by the system's clock"
    )]
    let between = SystemTime::now();
    let add = client.add_node(request::add_node("CL1", "n2")).await.unwrap();
    to_the_end(&add).await;
    let again = client.add_node(request::add_node("CL1", "n2")).await.unwrap();
    to_the_end(&again).await;
    let [create, add, again] = [create.id(), add.id(), again.id()];

    assert_eq!(
        listed(&client, v1::ListOperationsRequest::default()).await,
        [again, add, create]
    );
    let states = vec![OperationState::Failed.into()];
    assert_eq!(
        listed(
            &client,
            v1::ListOperationsRequest {
                states,
                ..Default::default()
            }
        )
        .await,
        [again]
    );
    let kinds = vec![OperationKind::AddNode.into()];
    assert_eq!(
        listed(
            &client,
            v1::ListOperationsRequest {
                kinds,
                ..Default::default()
            }
        )
        .await,
        [again, add]
    );
    let cluster = |name: &str| v1::ListOperationsRequest {
        cluster: name.into(),
        ..Default::default()
    };
    assert_eq!(
        listed(&client, cluster("cl1")).await.len(),
        3,
        "names compare without case"
    );
    assert_eq!(listed(&client, cluster("CL2")).await, [""; 0]);
    let time = Some(prost_types::Timestamp::from(between));
    let from = v1::ListOperationsRequest {
        create_time_from: time,
        ..Default::default()
    };
    assert_eq!(listed(&client, from).await, [again, add]);
    let before = v1::ListOperationsRequest {
        create_time_before: time,
        ..Default::default()
    };
    assert_eq!(listed(&client, before).await, [create]);
    daemon.finish().await;
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition() {
    let daemon = TestDaemon::start(world::cluster("CL1", 1)).await;
    let client = daemon.client();
    let mut ids = Vec::new();
    for _ in 0..7 {
        let operation = client.add_node(request::add_node("CL1", "n1")).await.unwrap();
        to_the_end(&operation).await;
        ids.insert(0, operation.id().to_owned());
    }
    let page = v1::ListOperationsRequest {
        page_size: 3,
        ..Default::default()
    };
    let mut pages = client.all_operations(page.clone());
    let mut all = Vec::new();
    while let Some(operation) = pages.next().await {
        all.push(operation.unwrap().operation_id);
    }
    assert_eq!(all, ids);

    let first = client.list_operations(page.clone()).await.unwrap();
    assert_eq!(first.operations.len(), 3);
    assert_eq!(first.store_id, client.get_operation(&ids[0]).await.unwrap().store_id);
    assert!(first.revision >= first.operations[0].last_revision, "{first:?}");
    // What came after the first page was given does not move the second.
    to_the_end(&client.add_node(request::add_node("CL1", "n1")).await.unwrap()).await;
    let next = v1::ListOperationsRequest {
        page_token: first.next_page_token.clone(),
        ..page.clone()
    };
    assert_eq!(listed(&client, next).await, ids[3..6]);

    let other_filters = v1::ListOperationsRequest {
        cluster: "CL1".into(),
        page_token: first.next_page_token,
        ..page
    };
    let garbage = v1::ListOperationsRequest {
        page_token: "garbage".into(),
        ..Default::default()
    };
    for request in [garbage, other_filters] {
        let error = client.list_operations(request).await.unwrap_err();
        assert_eq!(error.reason(), Some(&Reason::PageTokenInvalid));
    }
    let error = client
        .list_operations(v1::ListOperationsRequest {
            page_size: -1,
            ..Default::default()
        })
        .await;
    assert_eq!(error.unwrap_err().reason(), Some(&Reason::InvalidField));
    daemon.finish().await;
}

#[tokio::test]
async fn waiting_ends_with_the_operation_or_with_its_time() {
    let daemon = held(world::machines(1)).await;
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let early = client
        .wait_operation(operation.id(), Duration::from_millis(10))
        .await
        .unwrap();
    assert!(early.outcome.is_none(), "{early:?}");
    let waiting = client.wait_operation(operation.id(), Duration::from_secs(60));
    let releasing = async {
        collect(&mut operation.progress(), |record| {
            record.starts(SetupPhase::FormingCluster)
        })
        .await
        .unwrap();
        daemon.simulation().release_all();
    };
    let (ended, ()) = soon("the end", async { tokio::join!(waiting, releasing) }).await;
    assert_eq!(ended.unwrap().state(), OperationState::Succeeded);
    let error = client
        .wait_operation(operation.id(), Duration::from_secs(601))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::InvalidField));
    daemon.finish().await;
}

#[tokio::test]
async fn one_that_waits_is_cancelled_for_certain() {
    let daemon = TestDaemon::start(world::cluster("CL1", 1)).await;
    daemon.simulation().hold(Point::entry("AddClusterNode"));
    let client = daemon.client();
    let first = client.add_node(request::add_node("CL1", "n9")).await.unwrap();
    let second = client.add_node(request::add_node("CL1", "n8")).await.unwrap();
    let mut stream = second.progress();
    let pending = |record: &v1::OperationRecord| matches!(record.payload, Some(Payload::Pending(_)));
    let seen = collect(&mut stream, pending).await.unwrap();
    let Some(Payload::Pending(pending)) = &seen.last().unwrap().payload else {
        panic!("{seen:?}")
    };
    assert_eq!(pending.reason(), PendingReason::Busy);
    assert_eq!(pending.blocking_operation_id, first.id());
    let waiting = second.get().await.unwrap();
    assert_eq!((waiting.state(), waiting.cancelable), (OperationState::Pending, true));

    let cancelled = second.cancel().await.unwrap();
    assert_eq!(cancelled.state(), OperationState::Cancelled);
    let rest = collect(&mut stream, |_record| false).await.unwrap();
    let outcome = outcome_of(&rest);
    assert_eq!(
        (outcome.state(), outcome.reason.as_str()),
        (OperationState::Cancelled, "OPERATION_CANCELLED")
    );
    assert!(outcome.status.is_none(), "the call was never made");
    assert_eq!(
        second.cancel().await.unwrap().state(),
        OperationState::Cancelled,
        "asking again is harmless"
    );

    daemon.simulation().release_all();
    to_the_end(&first).await;
    assert_eq!(daemon.simulation().calls("AddClusterNode"), 1);
    daemon.finish().await;
}

#[tokio::test]
async fn one_that_runs_records_the_request_and_says_what_really_happened() {
    let daemon = held(world::machines(1)).await;
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut stream = operation.progress();
    collect(&mut stream, |record| record.starts(SetupPhase::FormingCluster))
        .await
        .unwrap();
    let asked = operation.cancel().await.unwrap();
    assert!(asked.cancel_requested);
    assert_eq!(asked.state(), OperationState::Running);
    assert!(!asked.cancelable, "the callback answers TRUE");
    assert_eq!(
        operation.cancel().await.unwrap().last_sequence,
        asked.last_sequence,
        "asking again records nothing"
    );
    daemon.simulation().release_all();
    let rest = collect(&mut stream, |_record| false).await.unwrap();
    let Some(Payload::CancelRequested(recorded)) = &rest[0].payload else {
        panic!("{:?}", rest[0])
    };
    assert_eq!(
        (recorded.principal.as_str(), recorded.answers_false),
        ("dns:administrator.test", false)
    );
    assert_eq!(
        outcome_of(&rest).state(),
        OperationState::Succeeded,
        "the call ran to its end"
    );
    let error = operation.cancel().await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::OperationEnded));
    daemon.finish().await;
}

#[tokio::test]
async fn a_setting_lets_the_callback_answer_false() {
    let mut scenario = world::machines(1);
    scenario.false_aborts = true;
    let daemon = TestDaemon::builder(scenario)
        .settings(|s| s.operations.cancel_answers_false = true)
        .start()
        .await;
    daemon.simulation().hold(forming());
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut stream = operation.progress();
    collect(&mut stream, |record| record.starts(SetupPhase::FormingCluster))
        .await
        .unwrap();
    assert!(operation.get().await.unwrap().cancelable);
    operation.cancel().await.unwrap();
    daemon.simulation().release_all();
    let rest = collect(&mut stream, |_record| false).await.unwrap();
    let outcome = outcome_of(&rest);
    assert_eq!(outcome.state(), OperationState::Cancelled);
    assert_eq!(outcome.status.as_ref().map(|status| status.code), Some(1223));
    assert!(!outcome.inspection.as_ref().unwrap().cluster_found);
    daemon.finish().await;
}

#[tokio::test]
async fn the_same_request_id_is_the_same_operation() {
    let mut daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let mut wanted = request::create_cluster("CL1", &["n1"]);
    wanted.options = Some(request::with_id(ID));
    // 64 callers at once.
    let starts = (0..64).map(|_| {
        let (client, wanted) = (client.clone(), wanted.clone());
        tokio::spawn(async move {
            client
                .create_cluster(wanted)
                .await
                .map(|operation| operation.id().to_owned())
        })
    });
    let mut ids = std::collections::BTreeSet::new();
    for start in starts.collect::<Vec<_>>() {
        ids.insert(start.await.unwrap().unwrap());
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    let operation = client.create_cluster(wanted.clone()).await.unwrap();
    let records = to_the_end(&operation).await;
    assert_succeeded(&records);
    assert_eq!(daemon.simulation().calls("CreateCluster"), 1);

    // Other content under the same id is refused and names the operation.
    let mut other = request::create_cluster("CL2", &["n1"]);
    other.options = Some(request::with_id(ID));
    let error = client.create_cluster(other.clone()).await.unwrap_err();
    let rejection = error.rejection().unwrap();
    assert_eq!(
        (&rejection.reason, rejection.code),
        (&Reason::RequestIdReused, tonic::Code::AlreadyExists)
    );
    assert_eq!(
        rejection.metadata.get("operation_id").map(String::as_str),
        Some(operation.id())
    );

    // Both hold after a restart.
    daemon.restart().await;
    let client = daemon.client();
    let replayed = client.create_cluster(wanted).await.unwrap();
    assert_eq!(replayed.id(), operation.id());
    assert_eq!(to_the_end(&replayed).await, records);
    assert_eq!(
        client.create_cluster(other).await.unwrap_err().reason(),
        Some(&Reason::RequestIdReused)
    );
    assert_eq!(daemon.simulation().calls("CreateCluster"), 1);
    daemon.finish().await;
}

#[tokio::test]
async fn two_callers_on_one_cluster_take_turns() {
    let daemon = held(world::machines(2)).await;
    let (one, other) = (daemon.client(), daemon.client());
    let first = one
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let second = other
        .create_cluster(request::create_cluster("cl1", &["n2"]))
        .await
        .unwrap();

    // A third that will not wait is refused with the name of what is in the way.
    let mut wanted = request::create_cluster("CL1", &["n2"]);
    wanted.options = Some(request::refuse_when_busy());
    let error = other.create_cluster(wanted.clone()).await.unwrap_err();
    let rejection = error.rejection().unwrap();
    assert_eq!(
        (&rejection.reason, rejection.code),
        (&Reason::ClusterBusy, tonic::Code::Aborted)
    );
    assert_eq!(
        rejection.metadata.get("operation_id").map(String::as_str),
        Some(first.id())
    );
    assert_eq!(
        other.validate(wanted).await.unwrap_err().reason(),
        Some(&Reason::ClusterBusy)
    );

    collect(&mut first.progress(), |record| {
        record.starts(SetupPhase::FormingCluster)
    })
    .await
    .unwrap();
    assert_eq!(
        daemon.simulation().calls("CreateCluster"),
        1,
        "the second has not begun"
    );
    daemon.simulation().release_all();
    let first = to_the_end(&first).await;
    let second = to_the_end(&second).await;
    assert_succeeded(&first);
    let started = second
        .iter()
        .find(|record| matches!(record.payload, Some(Payload::Started(_))))
        .unwrap();
    assert!(
        started.revision > first.last().unwrap().revision,
        "the second began before the first had ended"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn a_host_is_held_as_well_as_a_cluster() {
    let daemon = held(world::machines(2)).await;
    let client = daemon.client();
    let first = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut wanted = request::create_cluster_at("CL2", &["N1"], &[("10.0.0.101", 24)]);
    wanted.options = Some(request::refuse_when_busy());
    assert_eq!(
        client.create_cluster(wanted).await.unwrap_err().reason(),
        Some(&Reason::ClusterBusy)
    );
    daemon.simulation().release_all();
    to_the_end(&first).await;
    daemon.finish().await;
}

//! Following an operation across lost connections, slow readers and restarts: each record once, none missing.

use std::time::Duration;

use tokio::task::JoinSet;
use wsfc_client::v1::operation_service_client::OperationServiceClient;
use wsfc_client::v1::{self, OperationState, SetupPhase, SuggestedAction};
use wsfc_client::{ConnectOptions, Progress, Reason};
use wsfc_simulator::Point;
use wsfc_tests::records::{Record as _, assert_whole, collect, outcome_of, soon, to_the_end};
use wsfc_tests::{TestDaemon, request, world};

fn forming() -> Point {
    Point::phase("CreateCluster", SetupPhase::FormingCluster.into())
}

/// Reads a bare stream to its end: the records, and the marks between them.
async fn watch(
    daemon: &TestDaemon,
    request: v1::WatchOperationRequest,
) -> Result<Vec<v1::OperationRecord>, tonic::Status> {
    let mut client = OperationServiceClient::new(daemon.channel().await);
    let mut stream = client.watch_operation(request).await?.into_inner();
    let mut records = Vec::new();
    while let Some(message) = soon("the next message", stream.message()).await? {
        records.extend(message.records);
    }
    Ok(records)
}

#[tokio::test]
async fn a_stream_begins_after_any_record() {
    let daemon = TestDaemon::start(world::machines(2)).await;
    let operation = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1", "n2"]))
        .await
        .unwrap();
    let whole = to_the_end(&operation).await;
    for after in 0..=whole.len() {
        let request = v1::WatchOperationRequest {
            operation_id: operation.id().into(),
            after_sequence: after as u64,
            ..Default::default()
        };
        assert_eq!(watch(&daemon, request).await.unwrap(), whole[after..], "after {after}");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_position_that_cannot_be_is_refused_with_what_can() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let last = to_the_end(&operation).await.len() as u64;
    let store_id = client.get_operation(operation.id()).await.unwrap().store_id;

    let mut stream = operation.progress_after(last + 1, store_id.clone());
    let error = stream.next().await.unwrap().unwrap_err();
    let rejection = error.rejection().unwrap();
    assert_eq!(
        (&rejection.reason, rejection.code),
        (&Reason::SequenceInFuture, tonic::Code::OutOfRange)
    );
    assert_eq!(rejection.metadata.get("last_sequence"), Some(&last.to_string()));
    assert!(stream.next().await.is_none(), "an error ends the stream");

    let mut stream = operation.progress_after(1, "another store");
    let error = stream.next().await.unwrap().unwrap_err();
    let rejection = error.rejection().unwrap();
    assert_eq!(
        (&rejection.reason, rejection.code),
        (&Reason::StoreReplaced, tonic::Code::FailedPrecondition)
    );
    assert_eq!(rejection.metadata.get("store_id"), Some(&store_id));
    daemon.finish().await;
}

#[tokio::test]
async fn a_client_can_leave_at_every_record_and_come_back() {
    let daemon = TestDaemon::start(world::machines(2)).await;
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1", "n2"]))
        .await
        .unwrap();
    let whole = to_the_end(&operation).await;
    let store_id = client.get_operation(operation.id()).await.unwrap().store_id;
    for leave in 1..whole.len() as u64 {
        let mut first = operation.progress();
        let mut seen = collect(&mut first, |record| record.sequence == leave).await.unwrap();
        drop(first);
        let mut second = operation.progress_after(leave, store_id.clone());
        seen.extend(collect(&mut second, |_record| false).await.unwrap());
        assert_eq!(seen, whole, "left after {leave}");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_wire_that_is_cut_at_every_place_loses_and_repeats_nothing() {
    let daemon = TestDaemon::start(world::machines(2)).await;
    let operation = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1", "n2"]))
        .await
        .unwrap();
    let whole = to_the_end(&operation).await;
    let wire = daemon.wire().await;
    let mut cuts = 0;
    // Until a stream gets through without being cut, from the first bytes of the connection to the last of the stream.
    for bytes in (0..).step_by(97) {
        let connections = wire.accepted();
        let client = daemon.client_over(&wire);
        wire.cut_after(bytes);
        let records = to_the_end(&client.operation(operation.id())).await;
        assert_eq!(records, whole, "cut after {bytes} bytes");
        if wire.accepted() == connections + 1 {
            break;
        }
        cuts += 1;
        wire.mend();
    }
    assert!(cuts > 10, "the stream was cut {cuts} times only");
    daemon.finish().await;
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_starts_once() {
    // Each byte at which the wire is cut is a world of its own; some cuts lose the request, some the answer. Without
    // certificates, whose exchange would take most of the cuts.
    for bytes in (0..600).step_by(60) {
        let daemon = TestDaemon::builder(world::machines(1)).plain().start().await;
        let wire = daemon.wire().await;
        wire.cut_after(bytes);
        let client = daemon.client_over(&wire);
        let operation = soon(
            "a start",
            client.create_cluster(request::create_cluster("CL1", &["n1"])),
        )
        .await
        .unwrap();
        let records = to_the_end(&operation).await;
        assert_eq!(outcome_of(&records).state(), OperationState::Succeeded);
        assert_eq!(daemon.simulation().calls("CreateCluster"), 1, "cut after {bytes} bytes");
        let all = client
            .list_operations(v1::ListOperationsRequest::default())
            .await
            .unwrap()
            .operations;
        assert_eq!(all.len(), 1, "cut after {bytes} bytes");
        daemon.finish().await;
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_and_the_stream_goes_on() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    daemon.simulation().hold(forming());
    let wire = daemon.wire().await;
    let operation = daemon
        .client_over(&wire)
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut stream = operation.progress();
    let mut records = collect(&mut stream, |record| record.starts(SetupPhase::FormingCluster))
        .await
        .unwrap();
    let last_seen = records.last().unwrap().sequence;
    wire.sever();
    let lost = soon("the loss", stream.next()).await.unwrap().unwrap();
    assert!(matches!(lost, Progress::Reconnecting { attempt: 1, .. }), "{lost:?}");
    // The operation goes on while nobody can see it.
    daemon.simulation().release_all();
    to_the_end(&daemon.client().operation(operation.id())).await;
    wire.mend();
    let resumed = loop {
        match soon("the return", stream.next()).await.unwrap().unwrap() {
            Progress::Reconnecting { .. } => {}
            Progress::Resumed { after_sequence } => break after_sequence,
            Progress::Record(record) => panic!("a record before the stream was resumed: {record:?}"),
        }
    };
    assert_eq!(resumed, last_seen);
    records.extend(collect(&mut stream, |_record| false).await.unwrap());
    assert_whole(&records);
    daemon.finish().await;
}

#[tokio::test]
async fn a_wire_that_stalls_is_noticed_and_left() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    daemon.simulation().hold(forming());
    let wire = daemon.wire().await;
    let client = wsfc_client::Client::lazy(ConnectOptions {
        silence_timeout: Duration::from_millis(300),
        ..daemon.connect_options_over(&wire)
    })
    .unwrap();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut stream = operation.progress();
    let mut records = collect(&mut stream, |record| record.starts(SetupPhase::FormingCluster))
        .await
        .unwrap();
    wire.stall();
    daemon.simulation().release_all();
    // Nothing tells the client but the silence: no end, no reset.
    let lost = soon("the loss", stream.next()).await.unwrap().unwrap();
    assert!(matches!(lost, Progress::Reconnecting { .. }), "{lost:?}");
    wire.mend();
    records.extend(collect(&mut stream, |_record| false).await.unwrap());
    assert_whole(&records);
    daemon.finish().await;
}

#[tokio::test]
async fn many_watchers_see_the_same_records() {
    let daemon = TestDaemon::start(world::machines(3)).await;
    daemon.simulation().hold(forming());
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1", "n2", "n3"]))
        .await
        .unwrap();
    let mut watchers = JoinSet::new();
    for _ in 0..100 {
        let operation = client.operation(operation.id());
        watchers.spawn(async move { to_the_end(&operation).await });
    }
    daemon.simulation().release_all();
    let whole = to_the_end(&operation).await;
    while let Some(records) = soon("a watcher", watchers.join_next()).await {
        assert_eq!(records.unwrap(), whole);
    }
    daemon.finish().await;
}

#[tokio::test]
async fn the_records_do_not_depend_on_who_watches() {
    let mut logs = Vec::new();
    for watchers in [0, 1, 20] {
        let daemon = TestDaemon::start(world::machines(2)).await;
        let client = daemon.client();
        let operation = client
            .create_cluster(request::create_cluster("CL1", &["n1", "n2"]))
            .await
            .unwrap();
        let mut streams: Vec<_> = (0..watchers)
            .map(|_| client.operation(operation.id()).progress())
            .collect();
        for stream in &mut streams {
            drop(soon("a record", stream.next()).await);
        }
        // They vanish in the middle.
        drop(streams);
        let records = to_the_end(&operation).await;
        let payloads: Vec<_> = records.iter().filter_map(|record| record.setup().cloned()).collect();
        logs.push(payloads);
        daemon.finish().await;
    }
    assert_eq!(logs[0], logs[1]);
    assert_eq!(logs[0], logs[2]);
}

#[tokio::test]
async fn what_has_ended_is_the_same_after_a_restart() {
    let mut daemon = TestDaemon::start(world::machines(2)).await;
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let records = to_the_end(&operation).await;
    let before = client.get_operation(operation.id()).await.unwrap();
    daemon.restart().await;
    let client = daemon.client();
    assert_eq!(
        client.get_operation(operation.id()).await.unwrap(),
        before,
        "the store is the same"
    );
    assert_eq!(to_the_end(&client.operation(operation.id())).await, records);
    let next = to_the_end(&client.add_node(request::add_node("CL1", "n2")).await.unwrap()).await;
    assert!(next[0].revision > records.last().unwrap().revision, "revisions go on");
    daemon.finish().await;
}

#[tokio::test]
async fn a_stream_goes_on_over_a_restart_and_ends_interrupted() {
    let mut daemon = TestDaemon::builder(world::machines(2))
        .settings(|s| s.operations.shutdown_grace = Duration::from_millis(50))
        .start()
        .await;
    daemon
        .logs()
        .expect("Operation was interrupted by the end of the daemon");
    daemon.logs().expect("Operations are still running");
    daemon.simulation().hold(forming());
    let wire = daemon.wire().await;
    let client = daemon.client_over(&wire);
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1", "n2"]))
        .await
        .unwrap();
    let waiting = client
        .create_cluster(request::create_cluster("CL1", &["n2"]))
        .await
        .unwrap();
    let mut stream = operation.progress();
    let mut records = collect(&mut stream, |record| record.starts(SetupPhase::FormingCluster))
        .await
        .unwrap();

    daemon.stop().await;
    // The call of the former daemon is stuck in this process; it must not touch the world any more.
    daemon.start_again().await.unwrap();
    wire.retarget(daemon.address());
    records.extend(collect(&mut stream, |_record| false).await.unwrap());
    assert_whole(&records);
    let outcome = outcome_of(&records);
    assert_eq!(
        (outcome.state(), outcome.reason.as_str()),
        (OperationState::Interrupted, "OPERATION_INTERRUPTED")
    );
    let inspection = outcome.inspection.as_ref().unwrap();
    assert!(
        !inspection.cluster_found,
        "the cluster was not formed yet: {inspection:?}"
    );
    assert_eq!(inspection.hosts.len(), 2);
    let clean_up: i32 = SuggestedAction::CleanUp.into();
    let retry: i32 = SuggestedAction::Retry.into();
    assert!(
        [[clean_up], [retry]]
            .iter()
            .any(|one| one[..] == outcome.suggested_actions[..]),
        "{outcome:?}"
    );
    // The first report shows that its call was made, whether or not the call comes as far as what is held.
    let is_report = |record: &v1::OperationRecord| record.setup().is_some();
    collect(&mut waiting.progress(), is_report).await.unwrap();
    assert_eq!(
        daemon.simulation().calls("CreateCluster"),
        2,
        "what waited began, what ran was not tried again"
    );

    daemon.simulation().release_all();
    to_the_end(&waiting).await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_cluster_that_hangs_holds_up_no_start_that_inspects_it() {
    let mut daemon = TestDaemon::builder(world::machines(1))
        .settings(|s| s.operations.shutdown_grace = Duration::from_millis(50))
        .start()
        .await;
    for expected in [
        "Operations are still running",
        "The cluster did not answer the inspection in time",
        "Operation was interrupted by the end of the daemon",
    ] {
        daemon.logs().expect(expected);
    }
    daemon.simulation().hold(forming());
    let create = request::create_cluster("CL1", &["n1"]);
    let operation = daemon.client().create_cluster(create).await.unwrap();
    let is_forming = |record: &v1::OperationRecord| record.starts(SetupPhase::FormingCluster);
    collect(&mut operation.progress(), is_forming).await.unwrap();
    daemon.stop().await;
    let opening = Point::entry("OpenCluster");
    daemon.simulation().hold(opening.clone());
    soon("the start", daemon.restart()).await;
    assert!(
        daemon.simulation().wait_held(&opening, Duration::ZERO),
        "the inspection does not hang"
    );
    let outcome = outcome_of(&to_the_end(&daemon.client().operation(operation.id())).await).clone();
    assert_eq!(outcome.state(), OperationState::Interrupted);
    assert!(outcome.inspection.is_none(), "{outcome:?}");
    assert_eq!(outcome.suggested_actions, [i32::from(SuggestedAction::Inspect)]);
    daemon.simulation().release_all();
    daemon.finish().await;
}

#[tokio::test]
async fn following_what_comes_after_the_outcome_ends_at_once() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let last = to_the_end(&operation).await.len() as u64;
    let mut progress = operation.progress_after(last, "");
    assert!(soon("the end", progress.next()).await.is_none());
    daemon.finish().await;
}

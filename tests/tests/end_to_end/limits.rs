//! Peers that ask too much, and streams on which nothing happens.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::Code;
use tonic_types::StatusExt as _;
use wsfc_client::v1::cluster_service_client::ClusterServiceClient;
use wsfc_client::v1::operation_service_client::OperationServiceClient;
use wsfc_client::v1::{self, SetupPhase};
use wsfc_simulator::Point;
use wsfc_tests::records::{soon, to_the_end};
use wsfc_tests::{TestDaemon, request, world};

#[tokio::test]
async fn a_request_over_the_limit_is_refused_with_its_reason() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|s| s.limits.request_bytes = 4_096)
        .start()
        .await;
    let mut client = ClusterServiceClient::new(daemon.channel().await);
    let wanted = request::create_cluster(&"a".repeat(5_000), &["n1"]);
    let status = client.create_cluster(wanted).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let reason = status.get_details_error_info().map(|info| info.reason);
    assert_eq!(reason.as_deref(), Some("MESSAGE_TOO_LARGE"), "{status:?}");
    // The connection goes on.
    client.get_host_state(v1::GetHostStateRequest::default()).await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn an_idle_stream_is_marked_and_the_marks_carry_the_position() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|s| s.limits.mark_every = Duration::from_millis(20))
        .start()
        .await;
    let hold = Point::phase("CreateCluster", SetupPhase::FormingCluster.into());
    daemon.simulation().hold(hold);
    let operation = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut client = OperationServiceClient::new(daemon.channel().await);
    let watch = v1::WatchOperationRequest {
        operation_id: operation.id().into(),
        ..Default::default()
    };
    let mut stream = client.watch_operation(watch).await.unwrap().into_inner();

    let first = soon("the first message", stream.message()).await.unwrap().unwrap();
    assert!(first.records.is_empty());
    let mark = first.mark.unwrap();
    assert_eq!((mark.operation_id.as_str(), mark.sequence), (operation.id(), 0));
    assert!(!mark.store_id.is_empty());
    let mut delivered = 0;
    let mut idle_marks = 0;
    while idle_marks < 3 {
        let message = soon("a mark", stream.message()).await.unwrap().unwrap();
        if let Some(record) = message.records.last() {
            delivered = record.sequence;
        }
        if let Some(mark) = message.mark {
            assert_eq!(
                mark.sequence, delivered,
                "a mark says what was delivered on this stream"
            );
            idle_marks += 1;
        }
    }
    daemon.simulation().release_all();
    to_the_end(&operation).await;
    daemon.finish().await;
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let daemon = TestDaemon::builder(world::machines(1))
        .plain()
        .settings(|s| s.limits.connections = 1)
        .start()
        .await;
    let mut first = ClusterServiceClient::new(daemon.channel().await);
    first.get_host_state(v1::GetHostStateRequest::default()).await.unwrap();
    // The socket is accepted by the system; the daemon does not speak to it.
    let mut second = TcpStream::connect(daemon.address()).await.unwrap();
    let spoken = tokio::time::timeout(Duration::from_millis(50), second.read(&mut [0; 64])).await;
    assert!(spoken.is_err(), "the second connection was served beside the first");
    drop(first);
    let read = soon("the first bytes of HTTP/2", second.read(&mut [0; 64]))
        .await
        .unwrap();
    assert!(read > 0, "the place that came free was not given away");
    drop(second);
    daemon.finish().await;
}

#[tokio::test]
async fn a_client_that_does_not_speak_costs_nobody_anything() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(daemon.address()).await.unwrap());
    }
    let client = daemon.client();
    to_the_end(
        &client
            .create_cluster(request::create_cluster("CL1", &["n1"]))
            .await
            .unwrap(),
    )
    .await;
    drop(silent);
    daemon.finish().await;
}

#[tokio::test]
async fn clusters_that_do_not_answer_in_time_are_listed_as_unreachable() {
    let daemon = TestDaemon::builder(world::cluster("CL1", 1))
        .settings(|s| s.limits.unary = Duration::from_millis(300))
        .start()
        .await;
    let client = daemon.client();
    to_the_end(&client.add_node(request::add_node("CL1", "n1")).await.unwrap()).await;
    let opening = Point::entry("OpenCluster");
    daemon.simulation().hold(opening.clone());
    let listed = client.list_clusters().await.unwrap();
    assert_eq!(listed.clusters, []);
    let lost: Vec<_> = listed
        .unreachable
        .iter()
        .map(|lost| (lost.cluster.as_str(), lost.reason.as_str(), lost.status.as_ref()))
        .collect();
    assert_eq!(lost, [("", "TIMED_OUT", None), ("CL1", "TIMED_OUT", None)]);
    daemon.simulation().release(&opening);
    // Reached by both of its names now, and listed once. How long a slow machine takes for it is not the point.
    let listed = soon("the cluster", async {
        loop {
            let listed = client.list_clusters().await.unwrap();
            if listed.unreachable.is_empty() {
                return listed.clusters.len();
            }
        }
    });
    assert_eq!(listed.await, 1);
    daemon.finish().await;
}

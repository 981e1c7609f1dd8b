//! Peers that ask too much, and streams on which nothing happens.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;
use wsfc_client::v1::cluster_service_client::ClusterServiceClient;
use wsfc_client::v1::operation_service_client::OperationServiceClient;
use wsfc_client::v1::workload_service_client::WorkloadServiceClient;
use wsfc_client::v1::{self, SetupPhase};
use wsfc_simulator::Point;
use wsfc_tests::http2::{self, Http2};
use wsfc_tests::records::{soon, to_the_end};
use wsfc_tests::{TestDaemon, UnderTest, request, world};
use wsfcd::access::policy::Binding;
use wsfcd::settings::Limits;

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

/// A daemon that speaks to bare sockets.
async fn bare(change: impl FnOnce(&mut Limits)) -> TestDaemon {
    TestDaemon::builder(world::machines(1))
        .plain()
        .settings(|s| change(&mut s.limits))
        .start()
        .await
}

/// A client that has begun with HTTP/2, and whether the daemon serves it.
async fn begin(daemon: &TestDaemon) -> Result<Http2<TcpStream>, ()> {
    let socket = TcpStream::connect(daemon.address()).await.unwrap();
    let mut client = Http2::begin(socket).await.map_err(drop)?;
    match soon("the first frame", client.next()).await {
        Some(frame) if frame.kind == http2::SETTINGS => Ok(client),
        other => {
            assert_eq!(other, None);
            Err(())
        }
    }
}

/// Begins a call that goes on until its client ends it.
async fn watch(client: &mut Http2<TcpStream>) {
    let headers = http2::call_headers("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    client
        .send(http2::HEADERS, http2::END_HEADERS, 1, &headers)
        .await
        .unwrap();
    while soon("the answer's head", client.next()).await.unwrap().kind != http2::HEADERS {}
}

#[tokio::test]
async fn a_connection_without_calls_makes_room_and_one_with_calls_does_not() {
    let daemon = bare(|limits| limits.connections = 1).await;
    let mut first = begin(&daemon).await.unwrap();
    let mut second = begin(&daemon).await.expect("the first has no call");
    let last_word = soon("the end of the first", first.to_the_end()).await;
    assert!(
        last_word.iter().any(|frame| frame.kind == http2::GOAWAY),
        "{last_word:?}"
    );
    watch(&mut second).await;
    assert!(begin(&daemon).await.is_err(), "the only place has a call");
    drop(second);
    soon("the place", async { while begin(&daemon).await.is_err() {} }).await;
    daemon.finish().await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_closed() {
    let daemon = bare(|limits| limits.first_bytes = Duration::from_millis(50)).await;
    let mut silent = TcpStream::connect(daemon.address()).await.unwrap();
    let mut slow = TcpStream::connect(daemon.address()).await.unwrap();
    slow.write_all(b"PRI * HTTP/2.0").await.unwrap();
    let mut other = TcpStream::connect(daemon.address()).await.unwrap();
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    for socket in [&mut silent, &mut slow, &mut other] {
        let read = soon("the end", socket.read(&mut [0])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    daemon.client().get_host_state("").await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn who_never_finishes_the_handshake_is_closed() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|s| s.limits.handshake = UnderTest::get().patience(Duration::from_millis(300)))
        .start()
        .await;
    let mut silent = TcpStream::connect(daemon.address()).await.unwrap();
    // The head of a handshake record of 512 bytes, and nothing after it.
    let mut slow = TcpStream::connect(daemon.address()).await.unwrap();
    slow.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    for socket in [&mut silent, &mut slow] {
        let read = soon("the end", socket.read(&mut [0])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    daemon.client().get_host_state("").await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn the_oldest_that_says_nothing_gives_way() {
    let daemon = bare(|limits| limits.handshakes = 4).await;
    let mut first = TcpStream::connect(daemon.address()).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(daemon.address()).await.unwrap());
    }
    // Long before its time is over.
    let read = soon("the end of the first", first.read(&mut [0])).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    daemon.client().get_host_state("").await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn a_connection_without_calls_is_closed_after_a_while_and_told_so() {
    // Bare sockets answer no ping, so a connection with a call lasts for 15 seconds only, which must be long enough.
    let patience = UnderTest::get().patience(Duration::from_secs(2));
    let daemon = bare(|limits| limits.idle = patience.min(Duration::from_secs(5))).await;
    let mut client = begin(&daemon).await.unwrap();
    let last_word = soon("the end", client.to_the_end()).await;
    assert!(
        last_word.iter().any(|frame| frame.kind == http2::GOAWAY),
        "{last_word:?}"
    );
    // Clients of the library connect anew by themselves, and a call that runs keeps its connection.
    let client = daemon.client();
    client.get_host_state("").await.unwrap();
    let mut watching = begin(&daemon).await.unwrap();
    watch(&mut watching).await;
    let mut idle = begin(&daemon).await.unwrap();
    soon("the end of another", idle.to_the_end()).await;
    client.get_host_state("").await.unwrap();
    let request = http2::call_headers("/none");
    watching
        .send(http2::HEADERS, http2::END_HEADERS, 3, &request)
        .await
        .unwrap();
    while soon("an answer", watching.next()).await.unwrap().stream != 3 {}
    drop(watching);
    daemon.finish().await;
}

#[tokio::test]
async fn an_old_connection_is_left_and_the_stream_goes_on_on_a_new_one() {
    let daemon = bare(|limits| limits.connection_age = Duration::from_millis(50)).await;
    let mut client = begin(&daemon).await.unwrap();
    let last_word = soon("the end", client.to_the_end()).await;
    assert!(
        last_word.iter().any(|frame| frame.kind == http2::GOAWAY),
        "{last_word:?}"
    );
    let client = daemon.client();
    let create = request::create_cluster("CL1", &["n1"]);
    to_the_end(&client.create_cluster(create).await.unwrap()).await;
    daemon.finish().await;
}

/// A stream that an increment of its window makes overflow is the client's fault, and ended by the daemon (CVE-2025-8671).
#[tokio::test]
async fn whoever_makes_the_daemon_reset_streams_is_cut_off() {
    let daemon = bare(|_limits| {}).await;
    let mut client = begin(&daemon).await.unwrap();
    let headers = http2::call_headers("/wsfc.v1.ClusterService/GetHostState");
    for stream in (1..).step_by(2).take(1_000) {
        let sent = async {
            client
                .send(http2::HEADERS, http2::END_HEADERS, stream, &headers)
                .await?;
            client
                .send(http2::WINDOW_UPDATE, 0, stream, &0x7FFF_FFFF_u32.to_be_bytes())
                .await
        };
        if sent.await.is_err() {
            break;
        }
    }
    let frames = soon("the end", client.to_the_end()).await;
    let resets = frames.iter().filter(|frame| frame.kind == http2::RST_STREAM).count();
    assert!(resets <= 101, "{resets} streams were reset");
    daemon.client().get_host_state("").await.unwrap();
    daemon.finish().await;
}

/// Sends the head of a call, and nothing of its request.
async fn call_without_request(daemon: &TestDaemon, path: &'static str) -> Status {
    let mut grpc = Grpc::new(daemon.channel().await);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<v1::GetHostStateRequest, v1::GetHostStateResponse>::default();
    let request = Request::new(tokio_stream::pending());
    let path = http::uri::PathAndQuery::from_static(path);
    let called = grpc.client_streaming(request, path, codec);
    soon("the refusal", called).await.unwrap_err()
}

#[tokio::test]
async fn a_request_must_arrive_in_time_unless_it_is_a_stream() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|s| s.limits.request_body = Duration::from_millis(50))
        .start()
        .await;
    let mut agents = WorkloadServiceClient::new(daemon.channel().await);
    let (say, says) = tokio::sync::mpsc::channel(1);
    let attached = agents.attach(ReceiverStream::new(says));
    let mut attached = soon("the answer's head", attached).await.unwrap().into_inner();
    // What is late here was sent after the agent's call.
    let reads_and_changes = [
        "/wsfc.v1.ClusterService/GetHostState",
        "/wsfc.v1.GroupService/MoveGroup",
    ];
    for path in reads_and_changes {
        let late = call_without_request(&daemon, path).await;
        assert_eq!(late.code(), Code::DeadlineExceeded, "{path}: {late:?}");
        let reason = late.get_details_error_info().map(|info| info.reason);
        assert_eq!(reason.as_deref(), Some("REQUEST_LATE"), "{path}");
    }
    let registration = v1::AgentRegistration {
        workload: "app".into(),
        ..v1::AgentRegistration::default()
    };
    let message = v1::attach_request::Message::Registration(registration);
    say.send(v1::AttachRequest { message: Some(message) }).await.unwrap();
    soon("the daemon's word", attached.message()).await.unwrap().unwrap();
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

#[tokio::test]
async fn a_caller_that_calls_too_often_is_told_when_to_come_again() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|s| {
            s.limits.calls_per_second = 1;
            s.limits.call_burst = 3;
            s.access.bindings.push(Binding {
                subject: "dns:other.test".into(),
                role: "viewer".into(),
                clusters: None,
            });
        })
        .start()
        .await;
    let mut client = ClusterServiceClient::new(daemon.channel().await);
    let mut served = 0;
    let refused = loop {
        match client.get_host_state(v1::GetHostStateRequest::default()).await {
            Ok(_) => served += 1,
            Err(status) => break status,
        }
    };
    assert!(served >= 3, "{served} calls were served");
    let details = refused.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str());
    assert_eq!(
        (refused.code(), reason),
        (Code::ResourceExhausted, Some("RATE_LIMITED")),
        "{refused:?}"
    );
    assert!(
        details.retry_info().is_some_and(|retry| retry.retry_delay.is_some()),
        "{refused:?}"
    );
    // The client waits as it is told.
    let patient = daemon.client();
    for _ in 0..2 {
        patient.get_host_state("").await.unwrap();
    }
    // Others have buckets of their own.
    let mut other = ClusterServiceClient::new(daemon.channel_of("other.test").await);
    other.get_host_state(v1::GetHostStateRequest::default()).await.unwrap();
    daemon.finish().await;
}

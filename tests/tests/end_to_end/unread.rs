//! Callers that ask and do not read.

use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use wsfc_client::v1;
use wsfc_client::v1::event_service_client::EventServiceClient;
use wsfc_client::v1::identity_service_client::IdentityServiceClient;
use wsfc_tests::http2::{DATA, END_HEADERS, END_STREAM, HEADERS, Http2, WINDOW_UPDATE, call_headers};
use wsfc_tests::records::soon;
use wsfc_tests::{TestDaemon, request, world};

fn is_too_much(status: &Status) -> bool {
    let reason = status.get_details_error_info().map(|info| info.reason);
    status.code() == Code::ResourceExhausted && reason.as_deref() == Some("TOO_MUCH_UNREAD")
}

/// An answer's head comes also to whoever has closed its window; what is behind it waits in the daemon.
#[tokio::test]
async fn answers_that_nobody_takes_are_bounded_and_streams_go_on() {
    let daemon = TestDaemon::builder(world::machines(1))
        .plain()
        .settings(|s| {
            s.limits.unread_bytes = 64 * 1024;
            s.limits.calls_per_second = 0;
        })
        .start()
        .await;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let socket = TcpStream::connect(daemon.address()).await.unwrap();
    let mut stalled = Http2::begin_with(socket, &[0, 4, 0, 0, 0, 0]).await.unwrap();
    let mut taken = 0;
    for stream in (1..).step_by(2).take(200) {
        let headers = call_headers("/wsfc.v1.IdentityService/WhoAmI");
        stalled.send(HEADERS, END_HEADERS, stream, &headers).await.unwrap();
        // An empty message.
        stalled.send(DATA, END_STREAM, stream, &[0; 5]).await.unwrap();
        let head = loop {
            let frame = soon("the head of an answer", stalled.next()).await.unwrap();
            assert_ne!(frame.kind, DATA, "the window is closed");
            if frame.kind == HEADERS && frame.stream == stream {
                break frame;
            }
        };
        if head.flags & END_STREAM != 0 {
            break;
        }
        taken += 1;
    }
    assert!(
        (1..100).contains(&taken),
        "{taken} answers wait for a caller who may have 64 KiB of them"
    );

    let mut others = IdentityServiceClient::new(daemon.channel().await);
    let refused = others.who_am_i(v1::WhoAmIRequest::default()).await.unwrap_err();
    assert!(is_too_much(&refused), "{refused:?}");
    let client = daemon.client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();

    // The first is whole, and comes as its window grows.
    let mut answer = Vec::new();
    loop {
        stalled.send(WINDOW_UPDATE, 0, 1, &100_u32.to_be_bytes()).await.unwrap();
        let frame = soon("a piece", stalled.next()).await.unwrap();
        match frame.kind {
            DATA if frame.stream == 1 => answer.extend(frame.payload),
            HEADERS if frame.stream == 1 => break,
            _ => {}
        }
    }
    let length = u32::from_be_bytes(answer[1..5].try_into().unwrap());
    assert_eq!(answer.len(), 5 + usize::try_from(length).unwrap());

    drop(stalled);
    soon("room", async {
        while let Err(refused) = others.who_am_i(v1::WhoAmIRequest::default()).await {
            assert!(is_too_much(&refused), "{refused:?}");
        }
    })
    .await;
    operation.wait().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn streams_of_a_caller_are_bounded_over_all_its_connections() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|s| {
            s.limits.streams_per_identity = 2;
            s.limits.calls_per_second = 0;
        })
        .start()
        .await;
    let everything = || v1::WatchRequest {
        operations: true,
        ..Default::default()
    };
    let mut watching = Vec::new();
    for _ in 0..2 {
        let mut client = EventServiceClient::new(daemon.channel().await);
        watching.push(client.watch(everything()).await.unwrap().into_inner());
    }
    let mut client = EventServiceClient::new(daemon.channel().await);
    let refused = client.watch(everything()).await.unwrap_err();
    assert!(is_too_much(&refused), "{refused:?}");
    watching.pop();
    soon("a place", async {
        while let Err(refused) = client.watch(everything()).await {
            assert!(is_too_much(&refused), "{refused:?}");
        }
    })
    .await;
    daemon.finish().await;
}

//! Callers that ask and do not read.

use prost::Message as _;
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use wsfc_audit::{Kind, Lines, Verifier, files};
use wsfc_client::v1;
use wsfc_client::v1::event_service_client::EventServiceClient;
use wsfc_client::v1::identity_service_client::IdentityServiceClient;
use wsfc_client::v1::operation_service_client::OperationServiceClient;
use wsfc_tests::http2::{DATA, END_HEADERS, END_STREAM, Frame, HEADERS, Http2, WINDOW_UPDATE, call_headers};
use wsfc_tests::records::{assert_succeeded, soon, to_the_end};
use wsfc_tests::{TestDaemon, request, world};

const WHO_AM_I: &str = "/wsfc.v1.IdentityService/WhoAmI";
const WATCH_OPERATION: &str = "/wsfc.v1.OperationService/WatchOperation";
/// The window of streams where nobody says another (RFC 9113 6.9.2).
const USUAL_WINDOW: u32 = 65_535;

fn is_too_much(status: &Status) -> bool {
    let reason = status.get_details_error_info().map(|info| info.reason);
    status.code() == Code::ResourceExhausted && reason.as_deref() == Some("TOO_MUCH_UNREAD")
}

/// A client whose streams have this window, and whose connection has room for all of them.
async fn with_window(daemon: &TestDaemon, window: u32) -> Http2<TcpStream> {
    let socket = TcpStream::connect(daemon.address()).await.unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE.
    let mut settings = vec![0, 4];
    settings.extend(window.to_be_bytes());
    let mut client = Http2::begin_with(socket, &settings).await.unwrap();
    let more = (1_u32 << 20).to_be_bytes();
    client.send(WINDOW_UPDATE, 0, 0, &more).await.unwrap();
    client
}

/// Makes a call.
async fn ask(client: &mut Http2<TcpStream>, stream: u32, path: &str, message: &[u8]) {
    let headers = call_headers(path);
    client.send(HEADERS, END_HEADERS, stream, &headers).await.unwrap();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend_from_slice(message);
    client.send(DATA, END_STREAM, stream, &body).await.unwrap();
}

/// The next frame of the answer on a stream that is no part of its body; the body's bytes are put into `body`.
async fn next_head(client: &mut Http2<TcpStream>, stream: u32, body: &mut Vec<u8>) -> Frame {
    loop {
        let frame = soon("the answer", client.next()).await.unwrap();
        match frame.kind {
            HEADERS if frame.stream == stream => return frame,
            DATA if frame.stream == stream => body.extend(frame.payload),
            _ => {}
        }
    }
}

/// The length of the body of an answer.
async fn body_length(daemon: &TestDaemon, path: &str, message: &[u8]) -> u32 {
    let mut client = with_window(daemon, USUAL_WINDOW).await;
    ask(&mut client, 1, path, message).await;
    let mut body = Vec::new();
    while next_head(&mut client, 1, &mut body).await.flags & END_STREAM == 0 {}
    u32::try_from(body.len()).unwrap()
}

/// A daemon that bounds what is not read, and nothing else.
async fn bounded(streams: usize, bytes: usize) -> TestDaemon {
    TestDaemon::builder(world::machines(1))
        .plain()
        .settings(|s| {
            s.limits.streams_per_identity = streams;
            s.limits.unread_bytes = bytes;
            s.limits.calls_per_second = 0;
        })
        .start()
        .await
}

/// An answer's head comes also to whoever has closed its window; what is behind it waits in the daemon.
#[tokio::test]
async fn answers_that_nobody_takes_are_bounded_and_streams_go_on() {
    let daemon = bounded(0, 64 * 1024).await;
    let mut stalled = with_window(&daemon, 0).await;
    let taken = ask_and_do_not_read(&mut stalled).await;
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

/// Asks 200 times, or until it is refused, and does not let the windows grow. Gives how many were answered.
async fn ask_and_do_not_read(stalled: &mut Http2<TcpStream>) -> usize {
    for (taken, stream) in (1..).step_by(2).take(200).enumerate() {
        ask(stalled, stream, WHO_AM_I, &[]).await;
        if next_head(stalled, stream, &mut Vec::new()).await.flags & END_STREAM != 0 {
            return taken;
        }
    }
    200
}

/// What has a part of its window, be it all but one byte, is no more taken than what has none.
#[tokio::test]
async fn answers_of_which_a_part_is_taken_are_bounded() {
    let daemon = bounded(0, 64 * 1024).await;
    let whole = body_length(&daemon, WHO_AM_I, &[]).await;
    for window in [1, whole - 1] {
        let mut stalled = with_window(&daemon, window).await;
        let taken = ask_and_do_not_read(&mut stalled).await;
        assert!(
            (1..100).contains(&taken),
            "{taken} answers wait for a caller who may have 64 KiB of them and whose window is {window}"
        );
        drop(stalled);
        let mut client = IdentityServiceClient::new(daemon.channel().await);
        soon("room", async {
            while let Err(refused) = client.who_am_i(v1::WhoAmIRequest::default()).await {
                assert!(is_too_much(&refused), "{refused:?}");
            }
        })
        .await;
    }
    // What is taken as it comes counts no more.
    let mut reading = with_window(&daemon, whole).await;
    assert_eq!(ask_and_do_not_read(&mut reading).await, 200);
    daemon.finish().await;
}

/// A stream that has nothing more to say counts until its caller has taken it.
#[tokio::test]
async fn streams_that_have_ended_and_are_not_taken_are_bounded() {
    let daemon = bounded(2, 1 << 30).await;
    let create = request::create_cluster("CL1", &["n1"]);
    let operation = daemon.client().create_cluster(create).await.unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    let watch = v1::WatchOperationRequest {
        operation_id: operation.id().into(),
        ..Default::default()
    };
    let message = watch.encode_to_vec();
    let mut client = OperationServiceClient::new(daemon.channel().await);
    // The client of the library has streams of its own.
    let until_there_is_room = async |client: &mut OperationServiceClient<_>| {
        soon("a place", async {
            while let Err(refused) = client.watch_operation(watch.clone()).await {
                assert!(is_too_much(&refused), "{refused:?}");
            }
        })
        .await;
    };
    until_there_is_room(&mut client).await;
    let whole = soon("the length", async {
        loop {
            // A refusal has no body.
            match body_length(&daemon, WATCH_OPERATION, &message).await {
                0 => {}
                length => return length,
            }
        }
    })
    .await;
    for window in [1, whole - 1] {
        let mut stalled = with_window(&daemon, window).await;
        let mut stream = 1;
        let mut taken = Vec::new();
        soon("two streams", async {
            while taken.len() < 2 {
                ask(&mut stalled, stream, WATCH_OPERATION, &message).await;
                let head = next_head(&mut stalled, stream, &mut Vec::new()).await;
                if head.flags & END_STREAM == 0 {
                    taken.push(stream);
                }
                stream += 2;
            }
        })
        .await;
        // Longer than the connection needs for handing on what the window has room for.
        for _ in 0..20 {
            let refused = client.watch_operation(watch.clone()).await.map(drop).unwrap_err();
            assert!(is_too_much(&refused), "window {window}: {refused:?}");
        }
        // The rest of the first, and it makes room.
        let more = whole.to_be_bytes();
        stalled.send(WINDOW_UPDATE, 0, taken[0], &more).await.unwrap();
        let end = next_head(&mut stalled, taken[0], &mut Vec::new()).await;
        assert_ne!(end.flags & END_STREAM, 0);
        until_there_is_room(&mut client).await;
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_caller_who_is_refused_for_what_it_does_not_read_is_written_down() {
    let mut daemon = bounded(1, 4_096).await;
    let mut client = EventServiceClient::new(daemon.channel().await);
    let watching = client.watch(v1::WatchRequest::default()).await.unwrap();
    let refused = client.watch(v1::WatchRequest::default()).await.map(drop).unwrap_err();
    assert!(is_too_much(&refused), "{refused:?}");
    let mut stalled = with_window(&daemon, 1).await;
    assert_eq!(ask_and_do_not_read(&mut stalled).await, 1);
    drop((watching, stalled));
    daemon.stop().await;

    let mut verifier = Verifier::new(&[]);
    let mut refusals = Vec::new();
    for file in files(&daemon.data_dir().join("audit")).unwrap() {
        let lines = Lines::of_file(&file.path).unwrap();
        verifier
            .file(&file.name(), lines, |sealed| {
                if sealed.entry.kind == Kind::Refusal {
                    let (call, result) = (sealed.entry.call.clone(), sealed.entry.result.clone());
                    refusals.push((call.unwrap().method, result.unwrap().reason));
                }
            })
            .unwrap();
    }
    let expected = ["/wsfc.v1.EventService/Watch", WHO_AM_I];
    assert_eq!(
        refusals,
        expected.map(|method| (method.to_owned(), String::from("TOO_MUCH_UNREAD")))
    );
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

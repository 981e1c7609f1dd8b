//! Calls that are none, or not quite: frames of gRPC, bytes of protobuf, and the HTTP around them.

use fastrand::Rng;
use http::{HeaderName, HeaderValue, Method};
use prost::Message as _;
use tonic::Code;
use tonic::body::Body;
use wsfc_client::v1;
use wsfc_tests::{http2, request as wanted, world};
use wsfcd::settings::Settings;

use crate::asking::{Answer, Filling, ask, filled, framed, input, paths, request};
use crate::target::Target;
use crate::wire::{EMPTY_MESSAGE, READ, STREAM, answer, is_ok};
use crate::{seeded, tenth};

/// A call that changes something, and can be seen to have done so.
const CHANGE: &str = "/wsfc.v1.ClusterService/CreateCluster";

/// The attacks are about what comes, not about how much of it.
fn as_much_as_they_like(settings: &mut Settings) {
    settings.limits.calls_per_second = 0;
    settings.limits.changes_per_second = 0;
}

/// Whatever comes is answered, with a status that says that it is the caller's fault.
#[track_caller]
fn is_told(what: &str, answer: Result<Answer, String>) -> Answer {
    let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(!answer.is_the_daemons_fault(), "{what}: {answer:?}");
    answer
}

/// A body that is no frame of gRPC, or almost none.
fn malformed(random: &mut Rng) -> Vec<u8> {
    let length = random.usize(..64);
    let message: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
    let mut frame = framed(&message);
    match random.u8(..8) {
        // It stops in its head.
        0 => frame.truncate(random.usize(..5)),
        // It is shorter than it says.
        1 => frame[random.usize(1..5)] |= 1 << random.u8(..8),
        // It is longer than it says.
        2 => frame.extend(std::iter::repeat_with(|| random.u8(..)).take(32)),
        // Many of them.
        3 => frame = frame.repeat(random.usize(2..16)),
        // It is compressed, and nobody says how.
        4 => frame[0] = 1,
        5 => frame[0] = random.u8(2..),
        // 4 GiB.
        6 => frame[1..5].fill(0xFF),
        _ => frame = message,
    }
    frame
}

/// 10,000 frames that are none, to any method, from an administrator. Each is answered with a status of its own.
#[tokio::test]
async fn frames_that_are_none() {
    let target = Target::measured(as_much_as_they_like).await;
    let channel = target.daemon.channel().await;
    let mut random = seeded("frames that are none");
    let paths: Vec<_> = paths().collect();
    for count in 0..tenth(10_000) {
        let path = paths[random.usize(..paths.len())];
        let body = malformed(&mut random);
        let what = format!("{count}: {path} with {body:02x?}");
        is_told(&what, ask(&channel, request(path, body)).await);
    }
    drop(channel);
    target.finish().await;
}

struct Anything<'a>(&'a mut Rng);

impl Filling for Anything<'_> {
    fn fills(&mut self) -> bool {
        self.0.u8(..3) > 0
    }

    fn text(&mut self) -> String {
        let length = match self.0.u8(..16) {
            0 => 5_000,
            short => usize::from(short),
        };
        std::iter::repeat_with(|| self.0.char(..)).take(length).collect()
    }

    fn number(&mut self) -> u64 {
        match self.0.u8(..6) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => 1 << 63,
            4 => 1 << 31,
            _ => self.0.u64(..),
        }
    }
}

/// A body in a whole frame: any bytes, a message of the method with anything in its fields, or such a message damaged.
fn random_body(path: &str, random: &mut Rng) -> Vec<u8> {
    let kind = random.u8(..3);
    if kind == 0 {
        let length = random.usize(..256);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        return framed(&bytes);
    }
    let mut bytes = filled(&input(path), &mut Anything(random)).encode_to_vec();
    if kind == 1 && !bytes.is_empty() {
        for _ in 0..random.usize(1..8) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
    }
    framed(&bytes)
}

/// 10,000 random protobuf bodies to any method, from an administrator of a cluster that has everything. Each is answered.
#[tokio::test]
async fn bodies_of_anything() {
    let target = Target::measured_over(world::production(), as_much_as_they_like).await;
    let channel = target.daemon.channel().await;
    let mut random = seeded("bodies of anything");
    let paths: Vec<_> = paths().collect();
    for count in 0..tenth(10_000) {
        let path = paths[random.usize(..paths.len())];
        let body = random_body(path, &mut random);
        is_told(&format!("{count}: {path}"), ask(&channel, request(path, body)).await);
    }
    drop(channel);
    target.finish().await;
}

/// A frame that says 4 GiB, and frames that say that they are compressed.
#[tokio::test]
async fn frames_that_promise_too_much() {
    let target = Target::beside(|_settings| {}).await;
    let channel = target.daemon.channel().await;
    for path in [READ, CHANGE] {
        let mut long = framed(b"");
        long[1..5].fill(0xFF);
        let answer = is_told("4 GiB", ask(&channel, request(path, long)).await);
        assert_eq!(
            (answer.code(), answer.reason().as_str()),
            (Code::OutOfRange, "MESSAGE_TOO_LARGE"),
            "{answer:?}"
        );
        let mut compressed = framed(b"");
        compressed[0] = 1;
        let answer = is_told("compressed", ask(&channel, request(path, compressed.clone())).await);
        assert_eq!(
            (answer.code(), answer.reason().as_str()),
            (Code::InvalidArgument, "REQUEST_MALFORMED"),
            "{answer:?}"
        );
        for encoding in ["gzip", "zstd", "deflate", "br", "nonsense"] {
            let mut asked = request(path, compressed.clone());
            asked
                .headers_mut()
                .insert("grpc-encoding", HeaderValue::from_static(encoding));
            let answer = is_told(encoding, ask(&channel, asked).await);
            assert_eq!(answer.code(), Code::Unimplemented, "{encoding}: {answer:?}");
        }
    }
    target.finish().await;
}

/// A change that would be made if it came as it should.
fn change() -> Vec<u8> {
    framed(&wanted::create_cluster("CL1", &["n1"]).encode_to_vec())
}

/// Nothing has begun.
async fn nothing_was_changed(target: &Target) {
    let listed = target
        .daemon
        .client()
        .list_operations(v1::ListOperationsRequest::default())
        .await
        .unwrap();
    let kinds: Vec<_> = listed.operations.iter().map(|operation| operation.kind).collect();
    assert_eq!(kinds, [] as [i32; 0]);
}

/// What a web page can make a browser send, which shows its user's certificate: forms and plain text need nobody's consent.
/// Only what says that it is gRPC is taken.
#[tokio::test]
async fn requests_of_web_pages() {
    let target = Target::beside(|_settings| {}).await;
    let channel = target.daemon.channel().await;
    let mut taken = Vec::new();
    for kind in [
        None,
        Some(""),
        Some("text/plain"),
        Some("text/plain;charset=UTF-8"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/json"),
        Some("application/grpcx"),
        Some("text/plain, application/grpc"),
    ] {
        let mut asked = request(CHANGE, change());
        asked.headers_mut().remove("content-type");
        asked.headers_mut().remove("te");
        if let Some(kind) = kind {
            asked
                .headers_mut()
                .insert("content-type", HeaderValue::from_static(kind));
        }
        asked
            .headers_mut()
            .insert("origin", HeaderValue::from_static("https://elsewhere.example"));
        let answer = ask(&channel, asked).await.unwrap();
        if answer.http.is_success() && answer.code() == Code::Ok {
            taken.push(kind);
        }
    }
    assert_eq!(taken, [] as [Option<&str>; 0], "these were taken");
    nothing_was_changed(&target).await;
    target.finish().await;
}

/// Other methods of HTTP than gRPC's, which caches and crawlers repeat at will.
#[tokio::test]
async fn other_methods_of_http() {
    let target = Target::beside(|_settings| {}).await;
    let channel = target.daemon.channel().await;
    let mut taken = Vec::new();
    for method in [
        "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "post",
    ] {
        let mut asked = request(CHANGE, change());
        *asked.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        // Some of these are ended by the HTTP library itself.
        let Ok(answer) = ask(&channel, asked).await else {
            continue;
        };
        if answer.http.is_success() && answer.code() == Code::Ok {
            taken.push(method);
        }
    }
    assert_eq!(taken, [] as [&str; 0], "these were taken");
    nothing_was_changed(&target).await;
    target.finish().await;
}

/// Calls with metadata of every sort: many, long, twice, not what they say. Each is answered, or its stream is reset.
#[tokio::test]
async fn metadata_of_every_sort() {
    let target = Target::measured(|_settings| {}).await;
    let channel = target.daemon.channel().await;
    let body = || framed(b"");
    for count in [100, 1_000, 10_000] {
        let mut asked = request(READ, body());
        for number in 0..count {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            asked.headers_mut().insert(name, HeaderValue::from_static("x"));
        }
        match ask(&channel, asked).await {
            Ok(answer) => assert!(
                count <= 1_000 || answer.code() != Code::Ok || !answer.http.is_success(),
                "{count}: {answer:?}"
            ),
            Err(error) => eprintln!("{count} headers: {error}"),
        }
    }
    let long = "x".repeat(8_000);
    for (name, value) in [
        ("x-bin", "no base64!"),
        ("x-bin", "====="),
        ("grpc-status-details-bin", "AAAA"),
        ("grpc-status", "0"),
        ("grpc-message", "%00%zz%"),
        ("grpc-accept-encoding", "gzip,zstd,identity,,,,"),
        ("traceparent", "00-zz-zz-zz"),
        ("forwarded", "for=127.0.0.1;proto=http"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-long", long.as_str()),
        ("te", "gzip"),
        ("user-agent", "\t"),
        ("content-length", "18446744073709551615"),
    ] {
        let mut asked: http::Request<Body> = request(READ, body());
        asked.headers_mut().append(name, HeaderValue::try_from(value).unwrap());
        match ask(&channel, asked).await {
            Ok(answer) => drop(is_told(name, Ok(answer))),
            Err(error) => eprintln!("{name}: {error}"),
        }
    }
    drop(channel);
    target.finish().await;
}

/// 10,000 starts with one request id, 64 at once. There is one operation.
#[tokio::test]
async fn one_request_id_for_all() {
    let target = Target::measured(as_much_as_they_like).await;
    let channel = target.daemon.channel().await;
    let mut create = wanted::create_cluster("CL1", &["n1"]);
    create.options = Some(wanted::with_id("5d7f0a54-7d8e-4b52-8f3a-2c1d9e0f4a99"));
    let body = framed(&create.encode_to_vec());
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..tenth(10_000) {
        let (channel, body) = (channel.clone(), body.clone());
        starting.spawn(async move { ask(&channel, request(CHANGE, body)).await });
        if starting.len() == 64 {
            is_told("a start", starting.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(started) = starting.join_next().await {
        let answer = is_told("a start", started.unwrap());
        assert_eq!(answer.code(), Code::Ok, "{answer:?}");
    }
    let client = target.daemon.client();
    let listed = client
        .list_operations(v1::ListOperationsRequest::default())
        .await
        .unwrap();
    assert_eq!(listed.operations.len(), 1);
    wsfc_tests::records::to_the_end(&client.operation(&listed.operations[0].operation_id)).await;
    drop((channel, client));
    target.finish().await;
}

/// Calls whose time is over before they begin, or never. Each is answered; below a client library, which would keep the time
/// itself.
#[tokio::test]
async fn deadlines_of_every_sort() {
    let target = Target::beside(|_settings| {}).await;
    for deadline in [
        "0n",
        "0S",
        "0H",
        "1n",
        "99999999H",
        "-1S",
        "S",
        "",
        "1",
        "999999999S",
        "1.5S",
        "18446744073709551615n",
    ] {
        for path in [
            READ,
            STREAM,
            "/wsfc.v1.EventService/Watch",
            "/wsfc.v1.WorkloadService/Attach",
        ] {
            let mut head = http2::call_headers(path);
            http2::push_header(&mut head, b"grpc-timeout", deadline.as_bytes());
            let words = [
                http2::frame(http2::HEADERS, http2::END_HEADERS, 1, &head),
                http2::frame(http2::DATA, http2::END_STREAM, 1, &EMPTY_MESSAGE),
            ];
            let answered = answer(target.begin().await, &words.concat()).await;
            assert!(
                answered.as_ref().is_some_and(is_ok),
                "{path} within {deadline:?}: {answered:?}"
            );
        }
    }
    target.finish().await;
}

//! One connection that asks more than a client ever would.

use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;
use wsfc_tests::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, call_headers,
    frame, push_header,
};

use crate::asking::{ask, request};
use crate::target::{ATTACKER, Target};
use crate::tenth;
use crate::wire::{
    EMPTY_MESSAGE, Flooded, READ, STREAM, answer, flood, flood_without_a_break, is_ok, streams, whole_call,
};

/// The code of a stream that its client does not want any more.
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();

/// What the log says of floods that libraries notice.
fn expect_floods(target: &Target) {
    // One line for a connection, which is closed then.
    for text in [
        "locally-reset streams reached limit",
        "remotely-reset pending-accept streams reached limit",
    ] {
        target.daemon.logs().expect(text);
    }
}

/// Floods a connection while a normal client is served.
async fn flooded(target: &Target, attack: &str, parts: impl Iterator<Item = Vec<u8>>) -> Flooded {
    let connection = target.begin().await;
    let flooded = target.serving_during(flood(connection, parts)).await;
    eprintln!("{attack}: {flooded}");
    flooded
}

/// A flood that the daemon ends.
async fn is_cut_off(attack: &str, parts: impl Iterator<Item = Vec<u8>>) {
    let target = Target::measured(|_settings| {}).await;
    expect_floods(&target);
    let flooded = flooded(&target, attack, parts).await;
    assert!(flooded.is_closed, "{attack}: {flooded}");
    target.finish().await;
}

/// A flood that the daemon may take, since each part of it costs nothing that lasts.
async fn is_borne(attack: &str, parts: impl Iterator<Item = Vec<u8>>) {
    let target = Target::measured(|_settings| {}).await;
    expect_floods(&target);
    flooded(&target, attack, parts).await;
    target.finish().await;
}

/// 100,000 calls, each given up at once (CVE-2023-44487). The connection is closed.
#[tokio::test]
async fn calls_that_are_given_up_at_once() {
    let head = call_headers(READ);
    let parts = streams().take(100_000).map(|stream| {
        let begun = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head);
        [begun, frame(RST_STREAM, 0, stream, &CANCEL)].concat()
    });
    is_cut_off("calls given up at once", parts).await;
}

/// 100,000 calls, each given up when its request is there: the daemon may have begun to work on it.
#[tokio::test]
async fn calls_that_are_given_up_when_they_are_whole() {
    let parts = streams()
        .take(100_000)
        .map(|stream| [whole_call(stream), frame(RST_STREAM, 0, stream, &CANCEL)].concat());
    is_cut_off("calls given up when whole", parts).await;
}

/// 100,000 streams whose window overflows, so that the daemon itself must reset each (CVE-2025-8671). The connection is
/// closed.
#[tokio::test]
async fn streams_whose_window_overflows() {
    let head = call_headers(STREAM);
    let parts = streams().take(100_000).map(|stream| {
        let begun = frame(HEADERS, END_HEADERS, stream, &head);
        let most = 0x7FFF_FFFF_u32.to_be_bytes();
        [begun, frame(WINDOW_UPDATE, 0, stream, &most)].concat()
    });
    is_cut_off("windows that overflow", parts).await;
}

/// 100,000 streams whose window grows by nothing (CVE-2025-8671). The connection is closed.
#[tokio::test]
async fn streams_whose_window_grows_by_nothing() {
    let head = call_headers(STREAM);
    let parts = streams().take(100_000).map(|stream| {
        let begun = frame(HEADERS, END_HEADERS, stream, &head);
        [begun, frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
    });
    is_cut_off("windows that grow by nothing", parts).await;
}

/// 100,000 streams that go on after their end (CVE-2025-8671). The connection is closed.
#[tokio::test]
async fn streams_that_go_on_after_their_end() {
    let head = call_headers(STREAM);
    let parts = streams().take(100_000).map(|stream| {
        let begun = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head);
        [begun, frame(DATA, 0, stream, &EMPTY_MESSAGE)].concat()
    });
    is_cut_off("streams that go on after their end", parts).await;
}

/// 100,000 requests that are longer than their length says (CVE-2025-8671). The connection is closed.
#[tokio::test]
async fn requests_that_are_longer_than_they_say() {
    let mut head = call_headers(READ);
    push_header(&mut head, b"content-length", b"1");
    let parts = streams().take(100_000).map(move |stream| {
        let begun = frame(HEADERS, END_HEADERS, stream, &head);
        [begun, frame(DATA, END_STREAM, stream, &EMPTY_MESSAGE)].concat()
    });
    is_cut_off("requests longer than they say", parts).await;
}

/// 100,000 calls with a header that no HTTP/2 client sends. The connection is closed.
#[tokio::test]
async fn headers_with_names_that_cannot_be() {
    let mut head = call_headers(READ);
    push_header(&mut head, b"Upper-Case", b"x");
    let parts = streams()
        .take(100_000)
        .map(move |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
    is_cut_off("headers that cannot be", parts).await;
}

/// 20,000 streams at once on one connection. Not more are served than the daemon allows, and the others do not stay.
#[tokio::test]
async fn more_streams_than_are_allowed() {
    let target = Target::measured(|_settings| {}).await;
    expect_floods(&target);
    let head = call_headers(STREAM);
    let parts = streams()
        .take(20_000)
        .map(|stream| frame(HEADERS, END_HEADERS, stream, &head));
    let flooded = flooded(&target, "streams at once", parts).await;
    let allowed = wsfcd::settings::Limits::default().streams_per_connection;
    assert!(flooded.served() <= usize::try_from(allowed).unwrap(), "{flooded}");
    target.finish().await;
}

/// A head in parts, which ends after all, so that a daemon that took it all would answer.
async fn endless_head(attack: &str, parts: impl Iterator<Item = Vec<u8>>) {
    let target = Target::measured(|_settings| {}).await;
    expect_floods(&target);
    let begun = std::iter::once(frame(HEADERS, 0, 1, &call_headers(READ)));
    let end = [
        frame(CONTINUATION, END_HEADERS, 1, &[]),
        frame(DATA, END_STREAM, 1, &EMPTY_MESSAGE),
    ];
    let parts = begun
        .chain(parts.map(|part| frame(CONTINUATION, 0, 1, &part)))
        .chain([end.concat()]);
    let connection = target.begin().await;
    let flooded = target.serving_during(flood_without_a_break(connection, parts)).await;
    eprintln!("{attack}: {flooded}");
    assert!(flooded.is_closed, "{attack}: {flooded}");
    target.finish().await;
}

/// 20,000 parts of one head, 1 KB each (CVE-2024-27316 and its kin). The connection is closed.
#[tokio::test]
async fn a_head_that_never_ends() {
    let mut kilobyte = Vec::new();
    push_header(&mut kilobyte, b"x", &[b'a'; 1_000]);
    endless_head("a head that never ends", (0..20_000).map(|_| kilobyte.clone())).await;
}

/// 200,000 parts of one head with nothing in them. The connection is closed.
#[tokio::test]
async fn a_head_of_nothing_that_never_ends() {
    endless_head("a head of nothing", (0..200_000).map(|_| Vec::new())).await;
}

/// Heads of 4 KB to 1 MB, in frames as large as allowed. Those of more than 64 KB are not served.
#[tokio::test]
async fn heads_of_any_size() {
    let target = Target::measured(|_settings| {}).await;
    expect_floods(&target);
    for size in [4_096, 16_384, 65_536, 262_144, 1_048_576] {
        let mut head = call_headers(READ);
        while head.len() < size {
            push_header(&mut head, b"x-filler", &[b'a'; 1_000]);
        }
        let chunks: Vec<_> = head.chunks(16_000).collect();
        let mut whole: Vec<u8> = chunks
            .iter()
            .enumerate()
            .flat_map(|(index, chunk)| {
                let last = if index + 1 == chunks.len() { END_HEADERS } else { 0 };
                let kind = if index == 0 { HEADERS } else { CONTINUATION };
                frame(kind, last, 1, chunk)
            })
            .collect();
        whole.extend(frame(DATA, END_STREAM, 1, &EMPTY_MESSAGE));
        let answered = target.serving_during(answer(target.begin().await, &whole)).await;
        eprintln!("a head of {size} bytes: {answered:?}");
        let is_served = answered.as_ref().is_some_and(is_ok);
        assert!(size <= 65_536 || !is_served, "{size}: {answered:?}");
        // What an ordinary client may send is answered.
        assert!(size > 4_096 || is_served, "{size}: {answered:?}");
    }
    target.finish().await;
}

/// A header of 4,000 bytes that the table remembers, and 16,000 mentions of it of one byte each: 64 MB out of 16 KB, on each
/// of 100 streams. None is served.
#[tokio::test]
async fn a_head_that_unpacks_to_more_than_it_is() {
    let target = Target::measured(|_settings| {}).await;
    expect_floods(&target);
    // A literal with a new name that is remembered (RFC 7541 6.2.1): 4,000 bytes in the table of 4,096.
    let mut remembered = Vec::new();
    push_header(&mut remembered, b"x", &[b'a'; 4_000]);
    remembered[0] = 0x40;
    let head = [call_headers(READ), remembered, vec![0x80 | 62; 12_000]].concat();
    let parts = streams().take(100).map(|stream| {
        let begun = frame(HEADERS, END_HEADERS, stream, &head);
        [begun, frame(DATA, END_STREAM, stream, &EMPTY_MESSAGE)].concat()
    });
    let flooded = flooded(&target, "a head that unpacks", parts).await;
    assert_eq!(flooded.served(), 0, "{flooded}");
    target.finish().await;
}

/// 200,000 parts of a request with nothing in them (RUSTSEC-2026-0258). The connection is closed.
#[tokio::test]
async fn a_request_of_nothing_that_never_ends() {
    let begun = std::iter::once(frame(HEADERS, END_HEADERS, 1, &call_headers(STREAM)));
    let parts = begun.chain((0..200_000).map(|_| frame(DATA, 0, 1, &[])));
    is_cut_off("a request of nothing", parts).await;
}

/// 200,000 probes. A normal client is served meanwhile.
#[tokio::test]
async fn probes_without_end() {
    is_borne("probes", (0..200_000).map(|_| frame(PING, 0, 0, b"12345678"))).await;
}

/// 200,000 answers to probes that nobody sent.
#[tokio::test]
async fn answers_that_nobody_asked_for() {
    is_borne("answers", (0..200_000).map(|_| frame(PING, ACK, 0, b"12345678"))).await;
}

/// 200,000 changes of the settings.
#[tokio::test]
async fn settings_without_end() {
    // SETTINGS_INITIAL_WINDOW_SIZE, which every open stream must be told of.
    let setting = |window: u32| [&[0, 4], &window.to_be_bytes()[..]].concat();
    let parts = (0..200_000).map(|count| frame(SETTINGS, 0, 0, &setting(60_000 + count % 2)));
    is_borne("settings", parts).await;
}

/// 200,000 bytes more of window, one by one.
#[tokio::test]
async fn windows_without_end() {
    let parts = (0..200_000).map(|_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()));
    is_borne("windows", parts).await;
}

/// 200,000 frames of a kind that there is not, which HTTP/2 says to pass over (RFC 9113 5.5).
#[tokio::test]
async fn frames_of_no_kind() {
    is_borne("unknown frames", (0..200_000).map(|_| frame(0xAB, 0, 0, b"what?"))).await;
}

/// 10,000 calls of one viewer, who has 100 at once and 10 a second. The others are told when to come again, and a normal
/// client has its own.
#[tokio::test]
async fn calls_beyond_the_rate() {
    let target = Target::measured(|settings| {
        settings.limits.calls_per_second = 10;
        settings.limits.call_burst = 100;
    })
    .await;
    let channel = target.daemon.channel_of(ATTACKER).await;
    let begun = Instant::now();
    let mut served = 0;
    let count = tenth(10_000);
    for call in 0..count {
        let answer = ask(&channel, request(READ, EMPTY_MESSAGE.to_vec())).await;
        let answer = answer.unwrap_or_else(|error| panic!("call {call}: {error}"));
        match answer.code() {
            Code::Ok => served += 1,
            Code::ResourceExhausted => {
                let status = answer.status.unwrap();
                assert!(status.get_details_retry_info().is_some(), "{status:?}");
            }
            _ => panic!("{answer:?}"),
        }
    }
    let most = 100 + 10 * (begun.elapsed().as_secs() + 1);
    assert!((100..=most).contains(&served), "{served} of {count} were served");
    eprintln!("calls beyond the rate: {served} of {count} were served");
    drop(channel);
    target.finish().await;
}

//! Many connections: that say nothing, that say half of something, and that stay.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use wsfc_tests::UnderTest;
use wsfc_tests::http2::{self, DATA, END_HEADERS, HEADERS, Http2, call_headers, frame};
use wsfc_tests::records::soon;

use crate::target::Target;
use crate::wire::{self, EMPTY_MESSAGE, READ, STREAM};
use crate::{affordable, seeded, tenth};

/// How many connections are being opened at the same time.
const AT_ONCE: usize = 32;

/// A time limit that is over soon, and not before a slow machine has done what it should.
fn short() -> Duration {
    UnderTest::get().patience(Duration::from_secs(2))
}

/// Waits until every connection is closed from the other side.
async fn are_closed<T: AsyncRead + Unpin>(attack: &str, connections: Vec<T>) {
    let count = connections.len();
    soon(&format!("the end of {attack}"), async {
        for mut connection in connections {
            let mut said = [0; 1_024];
            while connection.read(&mut said).await.is_ok_and(|read| read > 0) {}
        }
    })
    .await;
    eprintln!("{attack}: {count} connections, all closed");
}

/// Opens sockets that say this and no more.
async fn sockets(target: &Target, count: usize, mut words: impl FnMut() -> Vec<u8>) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let opening = TcpStream::connect(target.daemon.address());
        let mut socket = soon("a socket", opening).await.unwrap();
        // A daemon that has had enough closes it meanwhile.
        drop(socket.write_all(&words()).await);
        sockets.push(socket);
    }
    sockets
}

/// 10,000 sockets on which nothing is said. Each is closed in time, and a normal client is served all along.
#[tokio::test]
async fn sockets_that_say_nothing() {
    let target = Target::measured(|settings| settings.limits.handshake = short()).await;
    let attack = async {
        let silent = sockets(&target, affordable(10_000), Vec::new).await;
        are_closed("sockets that say nothing", silent).await;
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// 5,000 handshakes whose first message stops in the middle. Each is closed in time.
#[tokio::test]
async fn handshakes_that_stop_in_their_first_message() {
    let target = Target::measured(|settings| settings.limits.handshake = short()).await;
    let mut hello = wire::client_hello(target.attacker());
    hello.truncate(hello.len() / 2);
    let attack = async {
        let halves = sockets(&target, affordable(5_000), || hello.clone()).await;
        are_closed("half messages", halves).await;
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// 5,000 handshakes that stop after their first message, to which the daemon has answered with its signature. Each is
/// closed in time.
#[tokio::test]
async fn handshakes_that_stop_after_their_first_message() {
    let target = Target::measured(|settings| settings.limits.handshake = short()).await;
    let hello = wire::client_hello(target.attacker());
    let attack = async {
        let halves = sockets(&target, affordable(5_000), || hello.clone()).await;
        are_closed("half handshakes", halves).await;
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// 1,000 connections that begin with no TLS, and 1,000 that begin with almost some. Each is closed.
#[tokio::test]
async fn handshakes_of_garbage() {
    let target = Target::measured(|settings| settings.limits.handshake = short()).await;
    let mut random = seeded("handshakes of garbage");
    let hello = wire::client_hello(target.attacker());
    let attack = async {
        let mut garbage = |almost: bool| {
            if almost {
                let mut damaged = hello.clone();
                for _ in 0..random.usize(1..8) {
                    let at = random.usize(..damaged.len());
                    damaged[at] = random.u8(..);
                }
                damaged
            } else {
                let length = random.usize(1..2_048);
                std::iter::repeat_with(|| random.u8(..)).take(length).collect()
            }
        };
        let mut sent = sockets(&target, 1_000, || garbage(false)).await;
        sent.extend(sockets(&target, 1_000, || garbage(true)).await);
        are_closed("handshakes of garbage", sent).await;
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// Opens TLS connections of the attacker, several at once, and lets each say this. Those that the daemon does not take do not
/// count.
async fn secured(target: &Target, count: usize, words: Vec<u8>) -> Vec<TlsStream<TcpStream>> {
    let (address, tls) = (target.daemon.address(), target.attacker().clone());
    let mut opening = JoinSet::new();
    let mut open = Vec::new();
    for _ in 0..count {
        let (tls, words) = (tls.clone(), words.clone());
        opening.spawn(async move {
            let mut connection = wire::connect(address, &tls).await.ok()?;
            connection.write_all(&words).await.ok()?;
            connection.flush().await.ok()?;
            Some(connection)
        });
        if opening.len() == AT_ONCE {
            open.extend(soon("a handshake", opening.join_next()).await.unwrap().unwrap());
        }
    }
    while let Some(opened) = soon("a handshake", opening.join_next()).await {
        open.extend(opened.unwrap());
    }
    open
}

/// What begins a connection: the preface, and settings that ask for nothing.
fn beginning() -> Vec<u8> {
    [http2::PREFACE, &frame(http2::SETTINGS, 0, 0, &[])].concat()
}

/// 10,000 connections with a whole handshake and nothing after it. Each is closed in time.
#[tokio::test]
async fn connections_that_begin_with_nothing() {
    let target = Target::measured(|settings| settings.limits.first_bytes = short()).await;
    let attack = async {
        let open = secured(&target, affordable(tenth(10_000)), Vec::new()).await;
        are_closed("connections that begin with nothing", open).await;
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// 10,000 connections that begin as HTTP/2 and then say nothing. Each is closed in time.
#[tokio::test]
async fn connections_that_begin_and_stop() {
    let target = Target::measured(|settings| settings.limits.idle = short()).await;
    let attack = async {
        let open = secured(&target, affordable(tenth(10_000)), beginning()).await;
        are_closed("connections that begin and stop", open).await;
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// 200 connections with a call whose client is not there any more: they answer no probe. Each is closed, within the 15
/// seconds that a probe and its answer have.
#[tokio::test]
async fn calls_whose_client_is_gone() {
    let target = Target::beside(|_settings| {}).await;
    let words = [beginning(), frame(HEADERS, END_HEADERS, 1, &call_headers(STREAM))].concat();
    let attack = async {
        let open = secured(&target, 200, words).await;
        are_closed("calls whose client is gone", open).await;
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// 2,000 connections whose first call has half a head. Each is closed in time.
#[tokio::test]
async fn heads_that_stop() {
    let target = Target::measured(|settings| settings.limits.idle = short()).await;
    let words = [beginning(), frame(HEADERS, 0, 1, &call_headers(READ))].concat();
    let attack = async {
        let open = secured(&target, affordable(tenth(2_000)), words).await;
        are_closed("heads that stop", open).await;
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// Answers probes, and sends a byte of a request with each of them, until the connection is closed. Gives whether the call
/// was answered first.
async fn trickle(connection: TlsStream<TcpStream>) -> bool {
    let mut connection = Http2::begin(connection).await.unwrap();
    let begun = connection.send(HEADERS, END_HEADERS, 1, &call_headers(READ)).await;
    let mut was_answered = false;
    if begun.is_err() {
        return was_answered;
    }
    let mut message = EMPTY_MESSAGE[..4].iter();
    let mut pace = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            next = connection.next() => match next {
                None => return was_answered,
                Some(next) if next.kind == http2::PING && next.flags & http2::ACK == 0 => {
                    drop(connection.send(http2::PING, http2::ACK, 0, &next.payload).await);
                }
                Some(next) => was_answered |= next.kind == HEADERS && next.stream == 1,
            },
            _tick = pace.tick() => if let Some(byte) = message.next() {
                drop(connection.send(DATA, 0, 1, &[*byte]).await);
            }
        }
    }
}

/// 2,000 calls whose request comes byte by byte, from clients that answer every probe. Each is refused in time, and its
/// connection closed.
#[tokio::test]
async fn requests_that_trickle() {
    let target = Target::measured(|settings| {
        settings.limits.request_body = short();
        settings.limits.idle = short();
        // All connections are opened before the first of them begins.
        settings.limits.first_bytes = Duration::from_secs(60);
    })
    .await;
    let attack = async {
        let mut trickling = JoinSet::new();
        for connection in secured(&target, affordable(tenth(2_000)), Vec::new()).await {
            trickling.spawn(trickle(connection));
        }
        while let Some(was_answered) = soon("the end of a trickle", trickling.join_next()).await {
            assert!(was_answered.unwrap(), "a call was dropped without a word");
        }
    };
    target.serving_during(attack).await;
    target.finish().await;
}

/// Keeps a connection until it is closed: says when the call is answered, and answers probes.
async fn stay(connection: TlsStream<TcpStream>, answered: oneshot::Sender<()>) {
    let mut connection = Http2::begun(connection);
    let mut answered = Some(answered);
    while let Some(next) = connection.next().await {
        if next.kind == http2::PING && next.flags & http2::ACK == 0 {
            drop(connection.send(http2::PING, http2::ACK, 0, &next.payload).await);
        } else if next.kind == HEADERS
            && let Some(answered) = answered.take()
        {
            _ = answered.send(());
        }
    }
}

/// Opens connections that say these words and stay, and gives what keeps them and when their calls are answered. A
/// connection that answers no probe loses its place after 15 seconds, so each answers them while others are being opened.
async fn keep(target: &Target, count: usize, words: Vec<u8>) -> (JoinSet<()>, Vec<oneshot::Receiver<()>>) {
    let (mut kept, mut answers) = (JoinSet::new(), Vec::new());
    for opened in 0..count.div_ceil(AT_ONCE) {
        let some = AT_ONCE.min(count - opened * AT_ONCE);
        for connection in secured(target, some, words.clone()).await {
            let (answered, answer) = oneshot::channel();
            kept.spawn(stay(connection, answered));
            answers.push(answer);
        }
    }
    (kept, answers)
}

/// 10,000 connections that are open and say nothing, while a normal client works: each of its calls is answered in the time
/// that clients give it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_stay() {
    let target = Target::measured(|settings| {
        // They are all of one caller.
        settings.limits.connections_per_identity = 0;
        settings.limits.connections = 12_000;
    });
    let mut target = target.await;
    let before = target.latency().await;
    for _wave in 0..2 {
        target.measure_memory_anew();
        let opening = keep(&target, affordable(tenth(10_000)), beginning());
        let (mut kept, _answers) = target.serving_during(opening).await;
        let during = target.latency().await;
        assert!(kept.try_join_next().is_none(), "one of them was closed");
        eprintln!(
            "{} connections stay: a call takes {during:?}, and took {before:?}",
            kept.len()
        );
    }
    target.finish().await;
}

/// Three connections with a call for each place that the daemon has. Its administrators still get in.
#[tokio::test]
async fn places_that_are_all_taken() {
    let target = Target::measured(|settings| settings.limits.connections = 100).await;
    let words = [beginning(), frame(HEADERS, END_HEADERS, 1, &call_headers(STREAM))].concat();
    let busy = async {
        let (kept, answers) = keep(&target, 300, words).await;
        let mut served = 0;
        for answer in answers {
            served += usize::from(soon("an answer or the end", answer).await.is_ok());
        }
        (served, kept)
    };
    let (served, kept) = target.serving_during(busy).await;
    eprintln!("places that are all taken: {served} of 300 are served");
    assert!(served < 100, "{served} are served");
    target.is_well().await;
    drop(kept);
    target.finish().await;
}

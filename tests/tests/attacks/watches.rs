//! Watchers that do not read.

use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use wsfc_client::{WatchItem, v1};
use wsfc_tests::http2::{ACK, DATA, END_HEADERS, END_STREAM, HEADERS, Http2, PING, call_headers, frame};
use wsfc_tests::records::soon;
use wsfc_tests::verbs::run;
use wsfc_tests::watching::Follower;
use wsfc_tests::{call, world};

use crate::asking::framed;
use crate::target::Target;
use crate::tenth;

/// Watches in all, and on one connection. They cost little, so all are there also when the changes are fewer.
const WATCHES: usize = 1_000;
const TOGETHER: usize = 100;

/// 1,000 watches of everything whose clients never open their windows, while 1,000 changes are made: a watcher that reads
/// sees them all, and the daemon keeps nothing for those who do not.
#[tokio::test]
async fn watches_that_are_never_read() {
    let target = Target::measured_over(world::production(), |settings| settings.inventory.observe = true).await;
    let client = target.daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let closed = [0, 4, 0, 0, 0, 0];
    let watch = v1::WatchRequest {
        snapshot: true,
        operations: true,
        ..Default::default()
    };
    let watch = framed(&watch.encode_to_vec());
    let block = call_headers("/wsfc.v1.EventService/Watch");
    let mut stalled = Vec::new();
    for _ in 0..WATCHES / TOGETHER {
        let mut connection = Http2::begin_with(target.connect().await, &closed).await.unwrap();
        let mut calls = Vec::new();
        for stream in (1..).step_by(2).take(TOGETHER) {
            calls.extend(frame(HEADERS, END_HEADERS, stream, &block));
            calls.extend(frame(DATA, END_STREAM, stream, &watch));
        }
        calls.extend(frame(PING, 0, 0, b"are set."));
        connection.send_bytes(&calls).await.unwrap();
        while connection.next().await.is_some_and(|frame| frame.kind != PING) {}
        stalled.push(tokio::spawn(answer_pings(connection)));
    }
    let changes = tenth(1_000) / 2;
    let attack = async {
        for _ in 0..changes {
            run(
                &client,
                call!(OfflineGroupParameters {
                    cluster: "prod",
                    group: "Files"
                }),
            )
            .await;
            run(
                &client,
                call!(OnlineGroupParameters {
                    cluster: "prod",
                    group: "Files"
                }),
            )
            .await;
        }
    };
    target.serving_during(attack).await;
    let listed = client.list_operations(v1::ListOperationsRequest::default());
    let head = listed.await.unwrap().revision;
    soon("the last change", async {
        while !matches!(follower.item("a change").await, WatchItem::Mark { revision } if revision >= head) {}
    })
    .await;
    target.holds_little();
    for connection in stalled {
        assert!(
            !connection.is_finished(),
            "the daemon has closed a connection that answers"
        );
        connection.abort();
    }
    drop((follower, client));
    target.finish().await;
}

/// Is there, and takes nothing of what the watches have to say.
async fn answer_pings(mut connection: Http2<impl AsyncRead + AsyncWrite + Unpin>) {
    while let Some(asked) = connection.next().await {
        if asked.kind == PING && asked.flags & ACK == 0 {
            connection.send(PING, ACK, 0, &asked.payload).await.unwrap();
        }
    }
}

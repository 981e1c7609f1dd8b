//! A full journal: the start of a daemon over it, its memory, and how fast it gives its records back.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;
use wsfc_client::{Client, ConnectOptions, Progress};
use wsfc_proto::v1::WatchOperationRequest;
use wsfcd::journal::{Journal, MemoryBudget, MemoryStore, Options};

use crate::fresh::FreshDaemon;
use crate::journals::{self, begin, end, options, report, settle};
use crate::method::{Effort, Times, table};
use crate::served;
use crate::weigh::weigh;

/// Records of one of many operations.
const RECORDS: usize = 200;

pub fn run(effort: Effort) {
    let operations = effort.rounds(1_000);
    let all = operations * RECORDS;
    let dir = TempDir::new().expect("a temporary directory");
    let shapes = [(operations, RECORDS), (1, all)];
    let stores = shapes.map(|(operations, records)| {
        let path = dir.path().join(format!("{operations}x{records}"));
        let ids = journals::fill_dir(&path, |journal| fill(journal, operations, records));
        (path, ids)
    });
    let [(full, _), _] = &stores;
    starts(effort, &dir.path().join("empty"), full, operations);

    let mut rows = Vec::new();
    for (shape, (path, stored)) in shapes.into_iter().zip(&stores) {
        let options = Options {
            memory: MemoryBudget {
                records: usize::MAX,
                bytes: usize::MAX,
            },
            ..options()
        };
        let journal = journals::over(MemoryStore::new(), options);
        let kept = fill(&journal, shape.0, shape.1);
        let daemon = FreshDaemon::start(path);
        rows.extend(replays(effort, "memory", served::serve(&journal), &kept, shape));
        rows.extend(replays(effort, "the store", daemon.address, stored, shape));
    }
    table(
        "WatchOperation from sequence 1 over loopback, medians",
        &[
            "operations",
            "records come from",
            "streams at once",
            "receiver",
            "ms in all",
            "records/s",
        ],
        &rows,
    );
}

/// Writes operations of so many records each; gives their ids.
fn fill(journal: &Journal, operations: usize, records: usize) -> Vec<Uuid> {
    let ids = (0..operations).map(|_| {
        let id = begin(journal);
        let sink = journal.progress(id);
        // Its acceptance, its start and its outcome are the other three.
        for number in 3..records {
            sink.push(report(200));
            // When too many wait for the disk, Continue reports are folded.
            if number % 10_000 == 0 {
                settle(journal);
            }
        }
        end(journal, id);
        settle(journal);
        id
    });
    ids.collect()
}

/// Starts of a daemon over an empty and over a full store, in turn.
fn starts(effort: Effort, empty: &Path, full: &Path, operations: usize) {
    let kinds = [("empty", empty), ("full", full)];
    // The first start makes what is missing.
    kinds.iter().for_each(|(_, path)| drop(FreshDaemon::start(path)));
    let mut measured = kinds.map(|_| (Times::default(), None));
    for _ in 0..effort.rounds(15) {
        for ((_, path), (times, memory)) in kinds.iter().zip(&mut measured) {
            let daemon = FreshDaemon::start(path);
            times.add(daemon.start);
            *memory = daemon.memory();
        }
    }
    let rows: Vec<_> = kinds
        .iter()
        .zip(&measured)
        .map(|((name, path), (times, memory))| {
            let file = fs::metadata(path.join("journal.redb")).map_or(0, |file| file.len());
            let [resident, most] = memory.map_or(["not told here".to_owned(), String::new()], |memory| {
                memory.map(|mb| format!("{mb:.1}"))
            });
            vec![
                (*name).to_owned(),
                format!("{:.1}", file as f64 / f64::from(1 << 20)),
                format!("{:.1}", times.median().as_secs_f64() * 1e3),
                format!("{:.1}", times.quantile(1000).as_secs_f64() * 1e3),
                resident,
                most,
            ]
        })
        .collect();
    table(
        &format!(
            "Start of a daemon process over an empty store and one of {operations} operations of {RECORDS} records"
        ),
        &[
            "store",
            "file, MB",
            "start to serving, ms: median",
            "most",
            "resident, MB",
            "most, MB",
        ],
        &rows,
    );
}

/// Replays every operation from its beginning, again and again.
fn replays(effort: Effort, from: &str, address: SocketAddr, ids: &[Uuid], shape: (usize, usize)) -> Vec<Vec<String>> {
    let (operations, records) = shape;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut rows = Vec::new();
    for (receiver, at_once) in [("bytes only", 1), ("bytes only", 8), ("wsfc-client", 1)] {
        if at_once > operations {
            continue;
        }
        let times: Times = (0..effort.rounds(5))
            .map(|_| {
                runtime.block_on(async {
                    let channel = channel(address).await;
                    let client = Client::lazy(ConnectOptions::new([address.to_string()])).expect("usable options");
                    let began = Instant::now();
                    let replays = stream::iter(ids).map(async |id| match receiver {
                        "wsfc-client" => decoded(&client, *id, records).await,
                        _ => weighed(&channel, *id, records).await,
                    });
                    replays.buffer_unordered(at_once).collect::<()>().await;
                    began.elapsed()
                })
            })
            .collect();
        let time = times.median();
        rows.push(vec![
            operations.to_string(),
            from.to_owned(),
            at_once.to_string(),
            receiver.to_owned(),
            format!("{:.0}", time.as_secs_f64() * 1e3),
            format!("{:.0}", (operations * records) as f64 / time.as_secs_f64()),
        ]);
    }
    rows
}

async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address is a URL");
    endpoint.connect().await.expect("the daemon accepts")
}

async fn weighed(channel: &Channel, id: Uuid, records: usize) {
    let request = WatchOperationRequest {
        operation_id: id.to_string(),
        ..Default::default()
    };
    let bytes = weigh(channel.clone(), request).await.expect("a whole stream");
    // The least that a record can be: its operation's id and a time.
    assert!(bytes > records * 50, "{bytes} bytes");
}

async fn decoded(client: &Client, id: Uuid, records: usize) {
    let mut progress = client.operation(id.to_string()).progress();
    let mut count = 0;
    while let Some(progress) = progress.next().await {
        match progress.expect("no error") {
            Progress::Record(_) => count += 1,
            other => panic!("the connection was lost: {other:?}"),
        }
    }
    assert_eq!(count, records);
}

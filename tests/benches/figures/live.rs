//! From the callback to a remote client over loopback, beside the same record without a journal.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;
use tokio::runtime::Handle;
use uuid::Uuid;
use wsfc_client::{Client, ConnectOptions, Progress};
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::operation_service_client::OperationServiceClient;
use wsfcd::journal::{Journal, MemoryStore, Options};

use crate::journals::{self, begin, options, report, settle, thread};
use crate::method::{Effort, Times, ratio, table, us};
use crate::{bare, served};

/// Rounds that come before the first that counts: connections, caches and allocators settle in them.
const WARM_UP: usize = 20;
/// The writer's tick, where it has one.
const TICK: Duration = Duration::from_millis(1);

/// One way from a report to somebody who waits for it.
struct Way {
    name: &'static str,
    /// Hands over the report of a number.
    push: Box<dyn FnMut(i32)>,
    /// Says when the report of a number has come.
    received: Receiver<(i32, Instant)>,
    times: Times,
}

impl Way {
    fn measure(&mut self, number: i32) -> Duration {
        let began = Instant::now();
        (self.push)(number);
        let (received, at) = self.received.recv_timeout(Duration::from_secs(30)).expect("it comes");
        assert_eq!(received, number);
        at - began
    }
}

/// Ways are taken in turn, one record at a time with a pause after each, so that all see the same neighbours.
pub fn run(effort: Effort) {
    let clients = clients();
    let dir = TempDir::new().expect("a temporary directory");
    let disk = |name: &str, tick| journals::on_disk(&dir.path().join(name), ticking(tick));
    let memory = |tick| journals::over(MemoryStore::new(), ticking(tick));
    let mut ways = [
        bare_way(&clients),
        served_way("journal in memory", memory(None), &clients),
        served_way("journal in memory, 1 ms tick", memory(Some(TICK)), &clients),
        served_way("journal on disk (durable first)", disk("woken", None), &clients),
        served_way("journal on disk, 1 ms tick", disk("ticking", Some(TICK)), &clients),
        durable_way(disk("local", None)),
        sync_way(File::create(dir.path().join("sync")).expect("a file")),
    ];
    for round in 0..WARM_UP + effort.rounds(1_000) {
        for way in &mut ways {
            let time = way.measure(i32::try_from(round).expect("few rounds"));
            if round >= WARM_UP {
                way.times.add(time);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let [bare, ..] = &ways;
    let rows: Vec<_> = ways
        .iter()
        .map(|way| {
            let (p50, p99) = (way.times.median(), way.times.quantile(990));
            vec![
                way.name.to_owned(),
                us(p50),
                us(p99),
                ratio(p50, bare.times.median()),
                ratio(p99, bare.times.quantile(990)),
            ]
        })
        .collect();
    table(
        "From the push of a report to its receipt, us",
        &["", "p50", "p99", "p50 / bare", "p99 / bare"],
        &rows,
    );
}

fn ticking(progress_tick: Option<Duration>) -> Options {
    Options {
        progress_tick,
        ..options()
    }
}

/// The runtime of all clients, on a thread of its own.
fn clients() -> Handle {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let handle = runtime.handle().clone();
    thread("clients", move || runtime.block_on(std::future::pending()));
    handle
}

/// Through a bare tonic stream.
fn bare_way(clients: &Handle) -> Way {
    let (address, records) = bare::serve();
    let (sender, received) = channel();
    clients.spawn(follow_bare(address, sender));
    let operation_id = Uuid::new_v4().to_string();
    let push = move |number| {
        let record = v1::OperationRecord {
            revision: 1_000,
            operation_id: operation_id.clone(),
            sequence: 1_000,
            time: Some(SystemTime::now().into()),
            folded: 0,
            payload: Some(Payload::SetupProgress(v1::SetupProgress {
                phase: number,
                phase_type: v1::SetupPhaseType::Continue.into(),
                severity: v1::SetupSeverity::Informational.into(),
                percent: 50,
                object_name: Some("node-1.sim.example".to_owned()),
                status: Some(wsfcd::native::status(0)),
            })),
        };
        let message = v1::WatchOperationResponse {
            records: vec![record],
            mark: None,
        };
        records.send(message).expect("somebody watches");
    };
    Way {
        name: "bare tonic stream, no journal",
        push: Box::new(push),
        received,
        times: Times::default(),
    }
}

async fn follow_bare(address: SocketAddr, received: Sender<(i32, Instant)>) {
    let client = OperationServiceClient::connect(format!("http://{address}")).await;
    let mut client = client.expect("a connection");
    let stream = client.watch_operation(v1::WatchOperationRequest::default()).await;
    let mut stream = stream.expect("a stream").into_inner();
    while let Some(message) = stream.message().await.expect("no error") {
        for record in message.records {
            told(&record, &received);
        }
    }
}

/// Through a journal, the daemon's core, a socket and the client library.
fn served_way(name: &'static str, journal: Journal, clients: &Handle) -> Way {
    let address = served::serve(&journal);
    let id = begin(&journal);
    settle(&journal);
    let (sender, received) = channel();
    clients.spawn(follow(address, id, sender));
    let sink = journal.progress(id);
    Way {
        name,
        push: Box::new(move |number| sink.push(report(number))),
        received,
        times: Times::default(),
    }
}

async fn follow(address: SocketAddr, id: Uuid, received: Sender<(i32, Instant)>) {
    let client = Client::lazy(ConnectOptions::new([address.to_string()])).expect("usable options");
    let mut progress = client.operation(id.to_string()).progress();
    while let Some(progress) = progress.next().await {
        match progress.expect("no error") {
            Progress::Record(record) => told(&record, &received),
            other => panic!("the connection was lost: {other:?}"),
        }
    }
}

fn told(record: &v1::OperationRecord, received: &Sender<(i32, Instant)>) {
    if let Some(Payload::SetupProgress(progress)) = &record.payload {
        // Nobody waits at the end of the run.
        let _ = received.send((progress.phase, Instant::now()));
    }
}

/// Only until the record is durable: two syncs, as the store needs them.
fn durable_way(journal: Journal) -> Way {
    let id = begin(&journal);
    settle(&journal);
    let sink = journal.progress(id);
    local_way("of it: until durable, journal on disk", move |number| {
        sink.push(report(number));
        settle(&journal);
    })
}

/// 4 KiB written behind the end of a file, and one sync of it.
fn sync_way(mut file: File) -> Way {
    local_way("of it: one sync of 4 KiB", move |_| {
        file.write_all(&[1; 4096]).expect("room on the disk");
        file.sync_data().expect("the disk works");
    })
}

/// A way that has come to its end when the push returns.
fn local_way(name: &'static str, mut push: impl FnMut(i32) + 'static) -> Way {
    let (sender, received) = channel();
    Way {
        name,
        push: Box::new(move |number| {
            push(number);
            // The receiver is in the same struct.
            let _ = sender.send((number, Instant::now()));
        }),
        received,
        times: Times::default(),
    }
}

//! Tests of the journal as a whole: a writer that is stepped by hand, and a clock that is set by hand.

mod basics;
mod compaction;
mod damage;
mod data_dir;
mod event_model;
mod events;
mod model;
mod recovery;
mod statuses;
mod stores;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use prost::Message as _;
use uuid::Uuid;
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;

use super::{
    AcceptOutcome, Append, Appended, Batch, Journal, MemoryStore, NewOperation, Opened, Options, ProgressReport, Reply,
    RequestKey, Step, Store, StoreFailed, Writer,
};
use crate::events::LoggedEvents;
use crate::platform::{Clock, OsThreads, Platform, SeededEntropy};

/// A clock that stands still until it is set.
struct TestClock(Mutex<SystemTime>);

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// A journal whose writer the test steps.
struct World {
    journal: Journal,
    writer: Writer,
    clock: Arc<TestClock>,
}

impl World {
    fn new(options: Options) -> Self {
        Self::on(Box::new(MemoryStore::new()), options)
    }

    fn on(store: Box<dyn Store>, options: Options) -> Self {
        let (clock, platform) = platform(1);
        let Opened { journal, writer, .. } = Journal::open(store, options, platform).unwrap();
        Self { journal, writer, clock }
    }

    /// Lets the writer work until nothing is left to do.
    fn settle(&mut self) -> Step {
        loop {
            match self.writer.step() {
                Step::Worked => {}
                step => return step,
            }
        }
    }

    fn answer<T, E: From<StoreFailed>>(&mut self, reply: Reply<T, E>) -> Result<T, E> {
        self.settle();
        reply.wait()
    }

    fn advance(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
    }

    /// Begins an operation with this number as its id.
    fn begin(&mut self, number: u128) -> Uuid {
        let reply = self.journal.accept(operation(number));
        assert!(matches!(self.answer(reply).unwrap(), AcceptOutcome::Started(_)));
        Uuid::from_u128(number)
    }

    /// Begins an operation and lets its call begin.
    fn begin_running(&mut self, number: u128) -> Uuid {
        let id = self.begin(number);
        self.add(id, started());
        id
    }

    fn add(&mut self, id: Uuid, payload: Payload) -> Appended {
        let reply = self.journal.append(Append::new(id, payload));
        self.answer(reply).unwrap()
    }

    /// Hands over reports of these percentages.
    fn report(&mut self, id: Uuid, percents: impl IntoIterator<Item = u32>) {
        let sink = self.journal.progress(id);
        percents.into_iter().for_each(|percent| sink.push(progress(percent)));
        self.settle();
    }

    /// All records of an operation after a sequence number, through one batch after the other.
    fn records(&self, id: Uuid, mut after: u64, max_bytes: usize) -> Vec<v1::OperationRecord> {
        let mut records = Vec::new();
        loop {
            let batch = self.journal.read(id, after, max_bytes).unwrap();
            if batch.count == 0 {
                return records;
            }
            assert_eq!(batch.first, after + 1);
            records.extend(decode(&batch));
            after = batch.last;
        }
    }
}

fn platform(seed: u64) -> (Arc<TestClock>, Platform) {
    let clock = Arc::new(TestClock(Mutex::new(
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    )));
    let entropy = Arc::new(SeededEntropy::new(seed));
    (
        clock.clone(),
        Platform {
            clock,
            threads: Arc::new(OsThreads),
            entropy,
            events: Arc::new(LoggedEvents),
            processes: Arc::new(crate::platform::NoProcesses),
            hosts: Arc::new(crate::hosts::NoHosts),
            certificate_store: crate::listen::certificate_store::system(),
        },
    )
}

/// The records of a batch, as a client decodes them, and as the batch describes them.
fn decode(batch: &Batch) -> Vec<v1::OperationRecord> {
    let message = v1::WatchOperationResponse::decode(batch.bytes.clone()).unwrap();
    assert_eq!(message.records.len() as u64, batch.count);
    assert_eq!(
        message.records.first().map(|record| record.sequence),
        (batch.count > 0).then_some(batch.first)
    );
    assert_eq!(
        message.records.last().map_or(batch.first - 1, |record| record.sequence),
        batch.last
    );
    assert_eq!(
        message.records.last().map_or(0, |record| record.revision),
        batch.last_revision
    );
    message.records
}

fn operation(number: u128) -> NewOperation {
    NewOperation {
        operation_id: Uuid::from_u128(number),
        accepted: v1::OperationAccepted {
            cluster: format!("cluster-{number}"),
            ..Default::default()
        },
        request: None,
        first_pending: None,
    }
}

fn request(id: &str, payload: u8) -> RequestKey {
    RequestKey {
        principal: "local".to_owned(),
        method: "CreateCluster".to_owned(),
        request_id: id.to_owned(),
        payload_hash: [payload; 32],
    }
}

fn started() -> Payload {
    Payload::Started(v1::OperationStarted {
        function: "CreateCluster".to_owned(),
    })
}

fn outcome(state: v1::OperationState) -> Payload {
    Payload::Outcome(v1::OperationOutcome {
        state: state.into(),
        ..Default::default()
    })
}

fn succeeded() -> Payload {
    outcome(v1::OperationState::Succeeded)
}

fn cancel_requested() -> Payload {
    Payload::CancelRequested(v1::OperationCancelRequested::default())
}

fn progress(percent: u32) -> ProgressReport {
    report(v1::SetupPhaseType::Continue, v1::SetupSeverity::Informational, percent)
}

fn report(phase_type: v1::SetupPhaseType, severity: v1::SetupSeverity, percent: u32) -> ProgressReport {
    ProgressReport::Setup {
        phase: v1::SetupPhase::FormingCluster.into(),
        phase_type: phase_type.into(),
        severity: severity.into(),
        percent,
        object_name: Some("node-1".to_owned()),
        status: 0,
    }
}

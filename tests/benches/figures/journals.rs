//! Journals to measure, and the operations in them.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use uuid::Uuid;
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfcd::daemon::journal_options;
use wsfcd::journal::{
    Append, Journal, MemoryStore, NewOperation, Opened, Options, ProgressReport, Snapshots, Store, StoreError, Write,
};
use wsfcd::platform::{Entropy as _, OsEntropy, OsThreads, Platform, Threads};
use wsfcd::settings::Settings;

/// The daemon's options.
pub fn options() -> Options {
    journal_options(&Settings::default())
}

/// A journal on disk, whose writer runs on a thread of its own.
pub fn on_disk(dir: &Path, options: Options) -> Journal {
    run(Journal::open_dir(dir, options, Platform::system()).expect("a journal"))
}

/// A journal over a store, whose writer runs on a thread of its own.
pub fn over(store: impl Store + 'static, options: Options) -> Journal {
    run(open(store, options))
}

/// A journal over a store, with its writer.
pub fn open(store: impl Store + 'static, options: Options) -> Opened {
    Journal::open(Box::new(store), options, Platform::system()).expect("a journal")
}

/// Makes a journal on disk, has it filled, and closes it in order.
pub fn fill_dir<T>(dir: &Path, fill: impl FnOnce(&Journal) -> T) -> T {
    let Opened { journal, writer, .. } = Journal::open_dir(dir, options(), Platform::system()).expect("a journal");
    std::thread::scope(|scope| {
        scope.spawn(|| writer.run());
        let filled = fill(&journal);
        journal.stop().wait().expect("the journal closes");
        filled
    })
}

fn run(Opened { journal, writer, .. }: Opened) -> Journal {
    thread("journal", || writer.run());
    journal
}

/// Runs something on a thread of its own to the end of the process.
pub fn thread(name: &str, work: impl FnOnce() + Send + 'static) {
    OsThreads.spawn(name, Box::new(work)).expect("a thread");
}

/// Begins an operation whose call runs, so that progress can be reported. Waits for nothing.
pub fn begin(journal: &Journal) -> Uuid {
    let platform = Platform::system();
    let operation_id = OsEntropy.uuid(platform.clock.now());
    let accepted = v1::OperationAccepted {
        kind: v1::OperationKind::CreateCluster.into(),
        cluster: "CL1".to_owned(),
        ..Default::default()
    };
    // Both requests are in the queue now, in this order; a barrier or a later record tells when they are durable.
    drop(journal.accept(NewOperation {
        operation_id,
        accepted,
        request: None,
        first_pending: None,
    }));
    let started = v1::OperationStarted {
        function: "CreateCluster".to_owned(),
    };
    drop(journal.append(Append::new(operation_id, Payload::Started(started))));
    operation_id
}

/// Ends an operation. Waits for nothing.
pub fn end(journal: &Journal, operation_id: Uuid) {
    let outcome = v1::OperationOutcome {
        state: v1::OperationState::Succeeded.into(),
        ..Default::default()
    };
    drop(journal.append(Append::new(operation_id, Payload::Outcome(outcome))));
}

/// Waits until everything so far is durable.
pub fn settle(journal: &Journal) {
    journal.barrier().wait().expect("the journal is open");
}

/// A Continue report, as CreateCluster makes most of. The number is its phase, which is an open enumeration.
pub fn report(number: i32) -> ProgressReport {
    ProgressReport::Setup {
        phase: number,
        phase_type: v1::SetupPhaseType::Continue.into(),
        severity: v1::SetupSeverity::Informational.into(),
        percent: 50,
        object_name: Some("node-1.sim.example".to_owned()),
        status: 0,
    }
}

/// A store whose commits wait for as long as its gate is closed: a disk that does not answer.
#[derive(Clone, Default)]
pub struct GatedStore {
    gate: Arc<(Mutex<bool>, Condvar)>,
    store: MemoryStore,
}

impl GatedStore {
    /// Closes the gate, or opens it.
    pub fn close(&self, closed: bool) {
        *self.gate.0.lock().expect("no panic") = closed;
        self.gate.1.notify_all();
    }
}

impl Store for GatedStore {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let closed = self.gate.0.lock().expect("no panic");
        drop(self.gate.1.wait_while(closed, |closed| *closed).expect("no panic"));
        self.store.commit(writes)
    }

    fn snapshots(&self) -> Arc<dyn Snapshots> {
        self.store.snapshots()
    }
}

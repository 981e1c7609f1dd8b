//! The final log: what a daemon finds on the disk after the last crash.

use prost::Message as _;
use wsfc_client::v1;
use wsfcd::journal::{Journal, MAX_BATCH_BYTES, ReadError, RedbStore};

use crate::stage::Stage;

/// All operations of a journal, the oldest first.
#[derive(Debug, Default)]
pub struct Log {
    /// The store that they are in.
    pub store_id: String,
    /// The operations.
    pub operations: Vec<Logged>,
}

/// An operation with its records.
#[derive(Debug)]
pub struct Logged {
    /// The operation, as the journal keeps it beside its records.
    pub operation: v1::Operation,
    /// Its records, from the oldest that is kept.
    pub records: Vec<v1::OperationRecord>,
}

impl Log {
    /// Opens what is on the disk.
    pub fn on_disk(stage: &Stage) -> Result<Self, Box<dyn std::error::Error>> {
        let store = RedbStore::on_backend(stage.disk.storage(), 1 << 20)?;
        Self::of(&Journal::open(Box::new(store), stage.options(), stage.platform(0))?.journal)
    }

    /// Reads a journal.
    pub fn of(journal: &Journal) -> Result<Self, Box<dyn std::error::Error>> {
        let mut log = Self {
            store_id: journal.store_id().to_string(),
            operations: Vec::new(),
        };
        let page = journal.operations(None, usize::MAX, |_all| true)?;
        for operation in page.operations.iter().rev() {
            log.operations.push(Logged {
                records: records(journal, operation)?,
                operation: (**operation).clone(),
            });
        }
        Ok(log)
    }

    /// An operation by its id.
    pub fn find(&self, operation_id: &str) -> Option<&Logged> {
        self.operations
            .iter()
            .find(|logged| logged.operation.operation_id == operation_id)
    }
}

fn records(
    journal: &Journal,
    operation: &v1::Operation,
) -> Result<Vec<v1::OperationRecord>, Box<dyn std::error::Error>> {
    let id = operation.operation_id.parse()?;
    let mut records = Vec::new();
    let mut after = 0;
    loop {
        match journal.read(id, after, MAX_BATCH_BYTES) {
            Ok(batch) if batch.count == 0 => return Ok(records),
            Ok(batch) => {
                records.extend(v1::WatchOperationResponse::decode(batch.bytes)?.records);
                after = batch.last;
            }
            Err(ReadError::Compacted { oldest }) => after = oldest - 1,
            Err(error) => return Err(error.into()),
        }
    }
}

impl Logged {
    /// A record by its sequence number; `None` when it was compacted away or never was.
    pub fn record(&self, sequence: u64) -> Option<&v1::OperationRecord> {
        self.records.iter().find(|record| record.sequence == sequence)
    }
}

//! Reading the records of an operation.

use std::time::Duration;

use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{
    OperationOutcome, OperationRecord, OperationState, SetupPhase, SetupPhaseType, SetupProgress, UpgradePhase,
};
use wsfc_client::{Error, Operation, Progress, ProgressStream};

use crate::under_test::UnderTest;

/// The longest that a test waits for something that should come at once, when the daemon is in its process; then it
/// fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test asks of a record.
pub trait Record {
    /// The progress of a setup call, if it is that.
    fn setup(&self) -> Option<&SetupProgress>;
    /// The outcome, if it is that.
    fn outcome(&self) -> Option<&OperationOutcome>;
    /// True for the report that a phase of a setup call begins.
    fn starts(&self, phase: SetupPhase) -> bool {
        self.setup()
            .is_some_and(|setup| setup.phase() == phase && setup.phase_type() == SetupPhaseType::Start)
    }
}

impl Record for OperationRecord {
    fn setup(&self) -> Option<&SetupProgress> {
        match &self.payload {
            Some(Payload::SetupProgress(setup)) => Some(setup),
            _ => None,
        }
    }

    fn outcome(&self) -> Option<&OperationOutcome> {
        match &self.payload {
            Some(Payload::Outcome(outcome)) => Some(outcome),
            _ => None,
        }
    }
}

/// Waits for something that should come at once.
///
/// # Panics
///
/// It did not come.
#[expect(clippy::panic, reason = "how a test fails")]
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let patience = UnderTest::get().patience(PATIENCE);
    match tokio::time::timeout(patience, future).await {
        Ok(value) => value,
        Err(_elapsed) => panic!("{what} did not come within {patience:?}"),
    }
}

/// Follows an operation to its outcome and checks that its records are whole.
///
/// # Panics
///
/// The stream fails, or the records are not whole.
#[expect(clippy::panic, reason = "how a test fails")]
pub async fn to_the_end(operation: &Operation) -> Vec<OperationRecord> {
    match try_to_the_end(operation).await {
        Ok(records) => records,
        Err(error) => panic!("operation {} cannot be followed: {error:?}", operation.id()),
    }
}

/// As [`to_the_end`], for streams that may fail.
///
/// # Errors
///
/// What the stream ended with.
pub async fn try_to_the_end(operation: &Operation) -> Result<Vec<OperationRecord>, Error> {
    let mut stream = operation.progress();
    let records = collect(&mut stream, |_record| false).await?;
    assert_whole(&records);
    Ok(records)
}

/// Follows a stream up to and with the first record that fits, or to its end.
///
/// # Errors
///
/// What the stream ended with.
pub async fn collect(
    stream: &mut ProgressStream,
    mut last: impl FnMut(&OperationRecord) -> bool,
) -> Result<Vec<OperationRecord>, Error> {
    let mut records = Vec::new();
    while let Some(progress) = soon("the next record", stream.next()).await {
        if let Progress::Record(record) = progress? {
            records.push(*record);
            if records.last().is_some_and(&mut last) {
                break;
            }
        }
    }
    Ok(records)
}

/// Checks what every ended operation promises: records 1, 2, 3 of one operation without gap, revisions that rise, first
/// that it was accepted, last its only outcome.
///
/// # Panics
///
/// A promise is broken.
#[track_caller]
pub fn assert_whole(records: &[OperationRecord]) {
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record.sequence, index as u64 + 1, "gap or repetition: {record:?}");
        assert_eq!(
            record.operation_id, records[0].operation_id,
            "a record of another operation: {record:?}"
        );
        assert!(record.time.is_some(), "no time: {record:?}");
        assert!(
            index == 0 || record.revision > records[index - 1].revision,
            "revisions fall: {record:?}"
        );
        let is_last = index + 1 == records.len();
        assert_eq!(
            record.outcome().is_some(),
            is_last,
            "the outcome is the last record: {record:?}"
        );
    }
    let first = records.first().and_then(|record| record.payload.as_ref());
    assert!(
        matches!(first, Some(Payload::Accepted(_))),
        "the first record says what was accepted: {first:?}"
    );
}

/// The outcome of whole records.
///
/// # Panics
///
/// There is none.
#[track_caller]
#[expect(clippy::panic, reason = "how a test fails")]
pub fn outcome_of(records: &[OperationRecord]) -> &OperationOutcome {
    match records.last().and_then(Record::outcome) {
        Some(outcome) => outcome,
        None => panic!("no outcome: {records:?}"),
    }
}

/// Checks that an operation succeeded with nothing missing.
///
/// # Panics
///
/// It did not.
#[track_caller]
pub fn assert_succeeded(records: &[OperationRecord]) {
    let outcome = outcome_of(records);
    assert_eq!(outcome.state(), OperationState::Succeeded, "{outcome:?}");
    assert!(!outcome.partial, "{outcome:?}");
}

/// Checks that an operation failed with a native code.
///
/// # Panics
///
/// It did not.
#[track_caller]
pub fn assert_failed(records: &[OperationRecord], code: u32) {
    let outcome = outcome_of(records);
    assert_eq!(outcome.state(), OperationState::Failed, "{outcome:?}");
    assert_eq!(
        outcome.status.as_ref().map(|status| status.code),
        Some(code),
        "{outcome:?}"
    );
    assert!(!outcome.reason.is_empty(), "{outcome:?}");
}

/// The setup phases in the order in which they began, with their objects.
pub fn phases(records: &[OperationRecord]) -> Vec<(i32, &str)> {
    records
        .iter()
        .filter_map(Record::setup)
        .filter(|setup| setup.phase_type() == SetupPhaseType::Start)
        .map(|setup| (setup.phase, setup.object_name.as_deref().unwrap_or_default()))
        .collect()
}

/// The upgrade phases in order.
pub fn upgrade_phases(records: &[OperationRecord]) -> Vec<UpgradePhase> {
    records
        .iter()
        .filter_map(|record| match &record.payload {
            Some(Payload::UpgradeProgress(upgrade)) => Some(upgrade.phase()),
            _ => None,
        })
        .collect()
}

//! The hand-over from the cluster API's callbacks to the writer.

use uuid::Uuid;

/// One progress callback, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgressReport {
    /// A setup call's report (facts 1.5).
    Setup {
        /// The phase, by its native number.
        phase: i32,
        /// Start, Continue, End or Report, by its native number.
        phase_type: i32,
        /// The severity, by its native number.
        severity: i32,
        /// Progress of the whole call in percent, as reported.
        percent: u32,
        /// The object that the report is about, if it names one.
        object_name: Option<String>,
        /// The status of the phase.
        status: u32,
    },
    /// A functional level upgrade's report (facts 1.7).
    Upgrade {
        /// The phase, by its native number.
        phase: i32,
    },
}

/// Where the callbacks of one running operation hand over their reports, from any thread.
#[derive(Clone, Debug)]
pub struct ProgressSink {
    operation_id: Uuid,
}

impl ProgressSink {
    /// The operation.
    pub fn operation_id(&self) -> Uuid {
        self.operation_id
    }

    /// Hands over one report, with the time of now.
    ///
    /// Appends to the writer's queue and wakes at most the writer's thread. Waits neither for the disk nor for a
    /// watcher (promise P16). When 65,536 reports wait, an informational Continue report is only counted, and the
    /// next record of the operation says so; every other report is always taken.
    pub fn push(&self, report: ProgressReport) {
        drop(report);
        todo!("skeleton")
    }
}

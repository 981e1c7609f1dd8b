//! What the records of an operation say about its outcome.

use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationRecord, OperationWarning, SetupPhase, SetupSeverity};

/// How many warnings an outcome lists; the records hold all of them.
const LISTED_WARNINGS: usize = 100;

/// What the records of an operation prove.
#[derive(Debug, Default, PartialEq)]
pub struct Evidence {
    pub(super) worst: i32,
    pub(super) warnings: Vec<OperationWarning>,
    pub(super) warning_count: u64,
    /// Something that should have been made is missing.
    pub(super) missing: bool,
    /// The call has reported 100 percent.
    pub(super) completed: bool,
    /// The call has begun to change hosts or the cluster, so that it may have left remains.
    pub(super) changed: bool,
}

impl Evidence {
    /// Takes in the next record.
    pub fn observe(&mut self, record: &OperationRecord) {
        let Some(Payload::SetupProgress(progress)) = &record.payload else {
            return;
        };
        self.worst = self.worst.max(progress.severity);
        self.completed |= progress.percent >= 100;
        self.changed |= changes(progress.phase);
        if progress.severity <= SetupSeverity::Informational.into() {
            return;
        }
        self.missing |= makes_a_part(progress.phase);
        self.warning_count += 1;
        if self.warnings.len() < LISTED_WARNINGS {
            self.warnings.push(OperationWarning {
                sequence: record.sequence,
                phase: progress.phase,
                severity: progress.severity,
                object_name: progress.object_name.clone(),
                status: progress.status.clone(),
            });
        }
    }

    /// The status of the phase that could not finish, if one could not.
    pub(super) fn fatal(&self) -> Option<&OperationWarning> {
        self.warnings
            .iter()
            .find(|warning| warning.severity >= SetupSeverity::Fatal.into())
    }
}

/// The phases that change a host or the cluster; before them a call has only looked (facts 1.5).
pub(super) fn changes(phase: i32) -> bool {
    SetupPhase::try_from(phase).is_ok_and(|phase| {
        !matches!(
            phase,
            SetupPhase::Unspecified
                | SetupPhase::Initialize
                | SetupPhase::ValidateNodeState
                | SetupPhase::ValidateNetft
                | SetupPhase::ValidateClusDisk
                | SetupPhase::QueryClusterNameAccount
                | SetupPhase::ValidateClusterNameAccount
                | SetupPhase::GettingCurrentMembership
                | SetupPhase::FailureCleanup
        )
    })
}

/// The phases whose failure leaves a cluster without something it should have (facts 1.4).
pub(super) fn makes_a_part(phase: i32) -> bool {
    SetupPhase::try_from(phase).is_ok_and(|phase| {
        matches!(
            phase,
            SetupPhase::QueryClusterNameAccount
                | SetupPhase::ValidateClusterNameAccount
                | SetupPhase::CreateClusterAccount
                | SetupPhase::ConfigureClusterAccount
                | SetupPhase::CreateIpAddressResources
                | SetupPhase::CreateNetworkName
                | SetupPhase::ClusterGroupOnline
        )
    })
}

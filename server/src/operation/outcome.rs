//! How an operation ended, on evidence: the return code, the worst report, and a look at the cluster afterwards.
//!
//! The return code alone does not tell: `CreateCluster` returns a handle though an address or the network name is missing
//! (facts 1.4), `DestroyCluster` returns the last failure of a cluster that is gone (facts 1.4), and 5975 is an upgrade
//! that worked (facts 1.7).

use wsfc_clusapi::{Cleanup, Win32};
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{
    HostState, Inspection, NodeState, OperationKind, OperationOutcome, OperationRecord, OperationState,
    OperationWarning, SetupPhase, SetupSeverity, SuggestedAction,
};
use wsfc_proto::{reasons, v1};

use super::call::{Call as _, Parameters};
use super::inspect::{is_host, member};
use crate::native;

/// How many warnings an outcome lists; the records hold all of them.
const LISTED_WARNINGS: usize = 100;

/// ERROR_CANCELLED, which a call answers whose callback said FALSE (facts 1.5, a guess of the simulator).
const CANCELLED: Win32 = Win32(1223);
/// ERROR_CLUSTER_UPGRADE_RESTART_REQUIRED: upgraded, a restart of the cluster service brings the rest (facts 1.7).
const UPGRADED_RESTART_REQUIRED: u32 = 5975;

/// ERROR_CLUSTER_EVICT_WITHOUT_CLEANUP: out of the cluster, but not clean (facts 1.4).
const EVICTED_WITHOUT_CLEANUP: u32 = 5896;
/// WAIT_TIMEOUT: the clean-up goes on after the wait for it is over (facts 1.4).
const WAIT_TIMEOUT: u32 = 258;

/// How a call into the cluster API came back.
#[derive(Debug)]
pub enum Returned {
    /// With success.
    Success,
    /// An eviction that worked, and what became of the node's clean-up.
    Evicted(Cleanup),
    /// An upgrade that worked and wants a restart of the cluster service.
    UpgradedRestartRequired,
    /// With an error, or it could not be made.
    Failed(wsfc_clusapi::Error),
    /// The thread that made the call panicked, which is a defect of the daemon.
    Panicked,
}

/// What the records of an operation prove.
#[derive(Debug, Default, PartialEq)]
pub struct Evidence {
    worst: i32,
    warnings: Vec<OperationWarning>,
    warning_count: u64,
    missing: bool,
    completed: bool,
}

impl Evidence {
    /// Takes in the next record.
    pub fn observe(&mut self, record: &OperationRecord) {
        let Some(Payload::SetupProgress(progress)) = &record.payload else {
            return;
        };
        self.worst = self.worst.max(progress.severity);
        self.completed |= progress.percent >= 100;
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
    fn fatal(&self) -> Option<&OperationWarning> {
        self.warnings
            .iter()
            .find(|warning| warning.severity >= SetupSeverity::Fatal.into())
    }
}

/// The phases whose failure leaves a cluster without something it should have (facts 1.4).
fn makes_a_part(phase: i32) -> bool {
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

/// What was asked of the callback, for the reading of error 1223.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cancellation {
    /// A cancellation was asked for.
    pub requested: bool,
    /// The callback answered FALSE.
    pub answered_false: bool,
}

/// The outcome of a call that came back.
pub fn conclude(
    call: &Parameters,
    returned: &Returned,
    evidence: Evidence,
    inspection: Inspection,
    cancellation: Cancellation,
) -> OperationOutcome {
    let mut outcome = evidence;
    let gone = call.kind() == OperationKind::DestroyCluster && !inspection.cluster_found && outcome.completed;
    let (state, reason, message) = match returned {
        Returned::Success | Returned::Evicted(_) => match contradiction(call, &inspection) {
            None => (OperationState::Succeeded, String::new(), success_text(call, &outcome)),
            Some(text) => (OperationState::Failed, reasons::SETUP_INCOMPLETE.into(), text),
        },
        Returned::UpgradedRestartRequired => (
            OperationState::Succeeded,
            String::new(),
            String::from(
                "The functional level was raised; a restart of the cluster service on the nodes brings all of its features.",
            ),
        ),
        Returned::Failed(error) if gone => {
            outcome.missing = true;
            let text = format!("The cluster is gone, though a step of its removal failed: {error}.");
            (OperationState::Succeeded, String::new(), text)
        }
        Returned::Failed(error)
            if error.code() == Some(CANCELLED) && cancellation.requested && cancellation.answered_false =>
        {
            let text = String::from("The call was cancelled by the answer to its callback, and undid what it could.");
            (OperationState::Cancelled, reasons::OPERATION_CANCELLED.into(), text)
        }
        Returned::Failed(error) => (
            OperationState::Failed,
            native::reason(error),
            failure_text(error, &outcome),
        ),
        Returned::Panicked => (
            OperationState::Failed,
            reasons::INTERNAL.into(),
            String::from("The daemon failed while it made the call, which is a defect; the log tells more."),
        ),
    };
    let suggested = match state {
        OperationState::Succeeded => Vec::new(),
        _ => suggest(call, Some(&inspection)),
    };
    OperationOutcome {
        state: state.into(),
        status: match returned {
            Returned::Success => Some(native::status(0)),
            Returned::Evicted(Cleanup::Failed(_)) => Some(native::status(EVICTED_WITHOUT_CLEANUP)),
            Returned::Evicted(Cleanup::Running) => Some(native::status(WAIT_TIMEOUT)),
            Returned::Evicted(Cleanup::Done) => Some(native::status(0)),
            Returned::UpgradedRestartRequired => Some(native::status(UPGRADED_RESTART_REQUIRED)),
            Returned::Failed(error) => native::error_status(error),
            Returned::Panicked => None,
        },
        worst_severity: outcome.worst,
        partial: state == OperationState::Succeeded
            && (outcome.missing || matches!(returned, Returned::Evicted(Cleanup::Failed(_) | Cleanup::Running))),
        warnings: outcome.warnings,
        warning_count: outcome.warning_count,
        inspection: Some(inspection),
        suggested_actions: suggested,
        reason,
        message,
        cleanup_status: match returned {
            Returned::Evicted(Cleanup::Done) => Some(native::status(0)),
            Returned::Evicted(Cleanup::Failed(status)) => status.map(|status| native::status(status.raw)),
            Returned::Evicted(Cleanup::Running)
            | Returned::Success
            | Returned::UpgradedRestartRequired
            | Returned::Failed(_)
            | Returned::Panicked => None,
        },
    }
}

/// The outcome of a call that was running when the daemon ended.
pub fn interrupted(call: &Parameters, evidence: Evidence, inspection: Option<Inspection>) -> OperationOutcome {
    let found = inspection
        .as_ref()
        .map_or("The cluster could not be inspected.", |found| found.summary.as_str());
    OperationOutcome {
        state: OperationState::Interrupted.into(),
        worst_severity: evidence.worst,
        warnings: evidence.warnings,
        warning_count: evidence.warning_count,
        suggested_actions: suggest(call, inspection.as_ref()),
        reason: reasons::OPERATION_INTERRUPTED.into(),
        message: format!(
            "The daemon ended while {} was running; what came of it is not known. {found}",
            call.function()
        ),
        inspection,
        ..OperationOutcome::default()
    }
}

/// The outcome of an operation whose call was never made.
pub fn never_made(state: OperationState, reason: &str, message: &str) -> OperationOutcome {
    OperationOutcome {
        state: state.into(),
        suggested_actions: match state {
            OperationState::Cancelled => Vec::new(),
            _ => vec![SuggestedAction::Retry.into()],
        },
        reason: reason.into(),
        message: message.into(),
        ..OperationOutcome::default()
    }
}

fn success_text(call: &Parameters, evidence: &Evidence) -> String {
    match (evidence.missing, evidence.warning_count) {
        (_, 0) => format!("{} succeeded.", call.function()),
        (true, count) => format!(
            "{} succeeded, but something it should have made is missing ({count} warnings).",
            call.function()
        ),
        (false, count) => format!("{} succeeded with {count} warnings.", call.function()),
    }
}

fn failure_text(error: &wsfc_clusapi::Error, evidence: &Evidence) -> String {
    let Some(fatal) = evidence.fatal() else {
        return format!("{error}.");
    };
    let phase = SetupPhase::try_from(fatal.phase).map_or_else(
        |_unknown| fatal.phase.to_string(),
        |phase| phase.as_str_name().replace("SETUP_PHASE_", ""),
    );
    let object = fatal
        .object_name
        .as_ref()
        .map_or(String::new(), |name| format!(" on {name}"));
    format!("{error}; phase {phase}{object} could not finish.")
}

/// What speaks against a success that the call returned, on what the hosts and the cluster themselves say.
fn contradiction(call: &Parameters, inspection: &Inspection) -> Option<String> {
    match call {
        Parameters::CreateCluster(p) => {
            let answered: Vec<_> = inspection.hosts.iter().filter(|host| host.error.is_none()).collect();
            let none_in = !answered.is_empty()
                && answered
                    .iter()
                    .all(|host| host.state() == HostState::NotConfigured || host.state() == HostState::NotInstalled);
            (!inspection.cluster_found && none_in).then(|| {
                format!(
                    "CreateCluster returned success, but no node of {:?} belongs to a cluster.",
                    p.cluster
                )
            })
        }
        Parameters::AddNode(p) => (inspection.cluster_found && member(inspection, &p.node).is_none())
            .then(|| format!("AddClusterNode returned success, but {:?} is not a member.", p.node)),
        Parameters::EvictNode(p) => (inspection.cluster_found && member(inspection, &p.node).is_some())
            .then(|| format!("The eviction returned success, but {:?} is still a member.", p.node)),
        Parameters::DestroyCluster(_) => inspection
            .cluster_found
            .then(|| String::from("DestroyCluster returned success, but the cluster still answers.")),
        Parameters::UpgradeFunctionalLevel(_)
        | Parameters::CreateNameAccount(_)
        | Parameters::RemoveNameAccount(_)
        | Parameters::RepairNameAccount(_)
        | Parameters::AddStorageNode(_)
        | Parameters::RemoveStorageNode(_) => None,
    }
}

/// What an operator can do, given what the cluster looks like.
fn suggest(call: &Parameters, inspection: Option<&Inspection>) -> Vec<i32> {
    let Some(seen) = inspection else {
        return vec![SuggestedAction::Inspect.into()];
    };
    let host_state = |name: &str| {
        seen.hosts
            .iter()
            .find(|host| is_host(&host.host, name))
            .map(v1::HostObservation::state)
    };
    let untouched = |name: &str| host_state(name) == Some(HostState::NotConfigured);
    let up = |name: &str| member(seen, name).is_some_and(|node| node.state() == NodeState::Up);
    let action = match call {
        Parameters::CreateCluster(p) if seen.cluster_found => {
            if p.nodes.iter().all(|node| up(node)) {
                SuggestedAction::Accept
            } else {
                SuggestedAction::CleanUp
            }
        }
        Parameters::CreateCluster(p) => {
            // A host that runs some other cluster was not touched by this call, so only half-made ones need a clean-up.
            if p.nodes
                .iter()
                .any(|node| host_state(node) == Some(HostState::NotRunning))
            {
                SuggestedAction::CleanUp
            } else {
                SuggestedAction::Retry
            }
        }
        Parameters::AddNode(p) if up(&p.node) => SuggestedAction::Accept,
        Parameters::AddNode(p) if member(seen, &p.node).is_none() && untouched(&p.node) => SuggestedAction::Retry,
        Parameters::AddNode(p) if member(seen, &p.node).is_some() => SuggestedAction::CleanUp,
        Parameters::AddNode(p) if host_state(&p.node) == Some(HostState::NotRunning) => SuggestedAction::CleanUp,
        Parameters::AddNode(_) => SuggestedAction::Retry,
        Parameters::EvictNode(_) | Parameters::DestroyCluster(_) if !seen.cluster_found && seen.error.is_some() => {
            if call.kind() == OperationKind::DestroyCluster && all_untouched(seen) {
                SuggestedAction::Accept
            } else {
                SuggestedAction::Inspect
            }
        }
        Parameters::EvictNode(p) if member(seen, &p.node).is_some() => SuggestedAction::Retry,
        Parameters::EvictNode(p) if untouched(&p.node) => SuggestedAction::Accept,
        Parameters::EvictNode(_) => SuggestedAction::CleanUp,
        Parameters::DestroyCluster(_) if seen.cluster_found => SuggestedAction::Retry,
        Parameters::DestroyCluster(_) if all_untouched(seen) => SuggestedAction::Accept,
        Parameters::DestroyCluster(_) => SuggestedAction::CleanUp,
        // One step per call, so a second call could go a level further: look at the level first (facts 1.7).
        Parameters::UpgradeFunctionalLevel(_) => SuggestedAction::Inspect,
        Parameters::CreateNameAccount(_)
        | Parameters::RemoveNameAccount(_)
        | Parameters::RepairNameAccount(_)
        | Parameters::AddStorageNode(_)
        | Parameters::RemoveStorageNode(_) => SuggestedAction::Retry,
    };
    vec![action.into()]
}

fn all_untouched(seen: &Inspection) -> bool {
    seen.hosts
        .iter()
        .all(|host| host.error.is_none() && host.state() == HostState::NotConfigured)
}

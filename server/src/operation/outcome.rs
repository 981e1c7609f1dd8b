//! How an operation ended, on evidence: the return code, the worst report, and a look at the cluster afterwards.
//!
//! The return code alone does not tell: `CreateCluster` returns a handle though an address or the network name is missing
//! (facts 1.4), `DestroyCluster` returns the last failure of a cluster that is gone (facts 1.4), and 5975 is an upgrade
//! that worked (facts 1.7).

mod evidence;
mod verb;

pub use self::evidence::Evidence;
pub use self::verb::interrupted as verb_interrupted;
use super::call::{Call as _, Parameters};
use super::execute::scene::End;
use super::inspect::member;
use super::suggest::{all_untouched, is_in_vain, suggest};
use crate::native;
use wsfc_clusapi::{Cleanup, Win32};
use wsfc_proto::reasons;
use wsfc_proto::v1::{
    HostState, Inspection, OperationKind, OperationOutcome, OperationState, SetupPhase, SuggestedAction,
};

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
    /// A verb came to an end.
    Verb(Box<End>),
    /// With an error, or it could not be made.
    Failed(wsfc_clusapi::Error),
    /// The thread that made the call panicked, which is a defect of the daemon.
    Panicked,
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
    inspection: Option<Inspection>,
    cancellation: Cancellation,
) -> OperationOutcome {
    let mut outcome = evidence;
    let gone = call.kind() == OperationKind::DestroyCluster
        && outcome.completed
        && inspection
            .as_ref()
            .is_some_and(|seen| !seen.cluster_found && all_untouched(seen));
    if let Returned::Verb(end) = returned {
        return verb::ended(end);
    }
    let (state, reason, message) = match returned {
        Returned::Success | Returned::Evicted(_) => {
            match inspection.as_ref().and_then(|seen| contradiction(call, seen)) {
                None => (OperationState::Succeeded, String::new(), success_text(call, &outcome)),
                Some(text) => (OperationState::Failed, reasons::SETUP_INCOMPLETE.into(), text),
            }
        }
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
        // The call may have done its work: nothing is known but what the cluster shows.
        Returned::Verb(_) | Returned::Panicked => (
            OperationState::Interrupted,
            reasons::INTERNAL.into(),
            String::from("The daemon failed while it made the call, which is a defect; the log tells more."),
        ),
    };
    let suggested = match state {
        OperationState::Succeeded => Vec::new(),
        _ if !call.is_setup() && returned_code(returned).is_some_and(is_in_vain) => Vec::new(),
        _ => suggest(call, inspection.as_ref(), outcome.changed),
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
            Returned::Verb(_) | Returned::Panicked => None,
        },
        worst_severity: outcome.worst,
        partial: state == OperationState::Succeeded
            && (outcome.missing || matches!(returned, Returned::Evicted(Cleanup::Failed(_) | Cleanup::Running))),
        warnings: outcome.warnings,
        warning_count: outcome.warning_count,
        inspection,
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
            | Returned::Verb(_)
            | Returned::Panicked => None,
        },
        ..OperationOutcome::default()
    }
}

/// The native code that a call failed with.
fn returned_code(returned: &Returned) -> Option<Win32> {
    match returned {
        Returned::Failed(error) => error.code(),
        _ => None,
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
        suggested_actions: suggest(call, inspection.as_ref(), evidence.changed),
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
    let function = call.function();
    let warnings = match evidence.warning_count {
        0 => return format!("{function} succeeded."),
        1 => String::from("one warning"),
        count => format!("{count} warnings"),
    };
    if evidence.missing {
        format!("{function} succeeded with {warnings}: something that it should have made is missing.")
    } else {
        format!("{function} succeeded with {warnings}.")
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
        // The others leave no trace that an inspection looks at.
        _others => None,
    }
}

#[cfg(test)]
mod tests {
    use wsfc_clusapi::Error;
    use wsfc_proto::v1;
    use wsfc_proto::v1::operation_record::Payload;
    use wsfc_proto::v1::{
        Cluster, HostObservation, Node, NodeState, OperationRecord, SetupPhase, SetupProgress, SetupSeverity,
    };

    use super::*;

    fn create() -> Parameters {
        let nodes = vec!["n1".into(), "n2".into()];
        Parameters::CreateCluster(v1::CreateClusterParameters {
            cluster: "CL1".into(),
            nodes,
            ..Default::default()
        })
    }

    fn destroy() -> Parameters {
        Parameters::DestroyCluster(v1::DestroyClusterParameters {
            cluster: "CL1".into(),
            ..Default::default()
        })
    }

    fn add() -> Parameters {
        Parameters::AddNode(v1::AddNodeParameters {
            cluster: "CL1".into(),
            node: "n2".into(),
        })
    }

    fn report(phase: SetupPhase, severity: SetupSeverity, status: u32, percent: u32) -> OperationRecord {
        let progress = SetupProgress {
            phase: phase.into(),
            severity: severity.into(),
            percent,
            status: Some(native::status(status)),
            ..Default::default()
        };
        OperationRecord {
            sequence: 9,
            payload: Some(Payload::SetupProgress(progress)),
            ..Default::default()
        }
    }

    fn evidence(records: &[OperationRecord]) -> Evidence {
        let mut evidence = Evidence::default();
        records.iter().for_each(|record| evidence.observe(record));
        evidence
    }

    fn found(nodes: &[&str]) -> Inspection {
        let nodes = nodes.iter().map(|name| Node {
            name: (*name).into(),
            state: NodeState::Up.into(),
            ..Default::default()
        });
        let cluster = Cluster {
            name: "CL1".into(),
            nodes: nodes.collect(),
            ..Default::default()
        };
        Inspection {
            cluster_found: true,
            cluster: Some(cluster),
            ..Default::default()
        }
    }

    fn gone(hosts: &[(&str, HostState)]) -> Inspection {
        let hosts = hosts.iter().map(|(host, state)| HostObservation {
            host: (*host).into(),
            state: (*state).into(),
            ..Default::default()
        });
        Inspection {
            hosts: hosts.collect(),
            ..Default::default()
        }
    }

    fn failed(code: u32) -> Returned {
        Returned::Failed(Error::Call {
            function: "CreateCluster",
            code: Win32(code),
        })
    }

    fn judge(call: &Parameters, returned: &Returned, evidence: Evidence, seen: Inspection) -> OperationOutcome {
        conclude(call, returned, evidence, Some(seen), Cancellation::default())
    }

    #[test]
    fn a_clean_success_says_nothing_more() {
        let outcome = judge(&create(), &Returned::Success, evidence(&[]), found(&["n1", "n2"]));
        assert_eq!(outcome.state(), OperationState::Succeeded);
        assert!(!outcome.partial);
        assert!(outcome.reason.is_empty() && outcome.suggested_actions.is_empty());
    }

    #[test]
    fn a_missing_part_makes_a_success_partial_and_other_warnings_do_not() {
        let missing = report(SetupPhase::CreateIpAddressResources, SetupSeverity::Warning, 5057, 60);
        let outcome = judge(
            &create(),
            &Returned::Success,
            evidence(&[missing]),
            found(&["n1", "n2"]),
        );
        assert_eq!(
            (outcome.state(), outcome.partial, outcome.warning_count),
            (OperationState::Succeeded, true, 1)
        );
        assert_eq!(outcome.warnings[0].status.as_ref().unwrap().code, 5057);

        let other = report(SetupPhase::ValidateClusDisk, SetupSeverity::Warning, 5970, 60);
        let outcome = judge(&create(), &Returned::Success, evidence(&[other]), found(&["n1", "n2"]));
        assert_eq!((outcome.state(), outcome.partial), (OperationState::Succeeded, false));
        assert_eq!(outcome.worst_severity(), SetupSeverity::Warning);
    }

    #[test]
    fn a_success_that_the_cluster_contradicts_is_a_failure() {
        let outcome = judge(&add(), &Returned::Success, evidence(&[]), found(&["n1"]));
        assert_eq!(outcome.state(), OperationState::Failed);
        assert_eq!(outcome.reason, reasons::SETUP_INCOMPLETE);
        let outcome = judge(&destroy(), &Returned::Success, evidence(&[]), found(&["n1"]));
        assert_eq!(outcome.reason, reasons::SETUP_INCOMPLETE);
        let none = gone(&[("n1", HostState::NotConfigured), ("n2", HostState::NotConfigured)]);
        let outcome = judge(&create(), &Returned::Success, evidence(&[]), none);
        assert_eq!(outcome.reason, reasons::SETUP_INCOMPLETE);
    }

    #[test]
    fn a_destroyed_cluster_that_reports_a_failure_is_gone_in_part() {
        let last = report(SetupPhase::CleanupNode, SetupSeverity::Informational, 0, 100);
        let seen = || gone(&[("n1", HostState::NotConfigured)]);
        let outcome = judge(&destroy(), &failed(5), evidence(&[last]), seen());
        assert_eq!((outcome.state(), outcome.partial), (OperationState::Succeeded, true));
        assert_eq!(outcome.status.unwrap().code, 5);
        // Without the last report it is a failure: the evidence is not there.
        let outcome = judge(&destroy(), &failed(5), evidence(&[]), seen());
        assert_eq!(outcome.state(), OperationState::Failed);
    }

    #[test]
    fn an_upgrade_that_wants_a_restart_is_a_success() {
        let call = Parameters::UpgradeFunctionalLevel(v1::UpgradeFunctionalLevelParameters::default());
        let outcome = judge(&call, &Returned::UpgradedRestartRequired, evidence(&[]), found(&["n1"]));
        assert_eq!(outcome.state(), OperationState::Succeeded);
        assert_eq!(outcome.status.unwrap().code, 5975);
    }

    #[test]
    fn an_eviction_without_clean_up_is_partial_and_keeps_the_status() {
        let call = Parameters::EvictNode(v1::EvictNodeParameters {
            node: "n2".into(),
            ..Default::default()
        });
        let cleanup = Returned::Evicted(Cleanup::Failed(Some(wsfc_clusapi::Status::new(0x8004_0154))));
        let outcome = judge(&call, &cleanup, evidence(&[]), found(&["n1"]));
        assert_eq!((outcome.state(), outcome.partial), (OperationState::Succeeded, true));
        assert_eq!(outcome.status.unwrap().code, 5896);
        assert_eq!(outcome.cleanup_status.unwrap().raw, 0x8004_0154);
    }

    #[test]
    fn a_failure_carries_the_native_name_and_the_phase() {
        // Forming is a change, so the half-configured host is this call's.
        let fatal = report(SetupPhase::FormingCluster, SetupSeverity::Fatal, 1066, 56);
        let seen = gone(&[("n1", HostState::NotRunning)]);
        let outcome = judge(&create(), &failed(1066), evidence(&[fatal]), seen);
        assert_eq!(outcome.state(), OperationState::Failed);
        assert_eq!(outcome.reason, "ERROR_SERVICE_SPECIFIC_ERROR");
        assert!(outcome.message.contains("FORMING_CLUSTER"), "{}", outcome.message);
        assert_eq!(outcome.suggested_actions().next(), Some(SuggestedAction::CleanUp));
    }

    #[test]
    fn error_1223_is_a_cancellation_only_when_one_was_answered() {
        let seen = || gone(&[]);
        let both = Cancellation {
            requested: true,
            answered_false: true,
        };
        let outcome = conclude(&create(), &failed(1223), evidence(&[]), Some(seen()), both);
        assert_eq!(outcome.state(), OperationState::Cancelled);
        let asked = Cancellation {
            requested: true,
            answered_false: false,
        };
        let outcome = conclude(&create(), &failed(1223), evidence(&[]), Some(seen()), asked);
        assert_eq!(outcome.state(), OperationState::Failed);
    }

    #[test]
    fn a_destroyed_cluster_that_cannot_be_asked_is_not_gone() {
        let last = || report(SetupPhase::CleanupNode, SetupSeverity::Informational, 0, 100);
        for seen in [gone(&[]), gone(&[("n1", HostState::Running)])] {
            let outcome = judge(&destroy(), &failed(1722), evidence(&[last()]), seen);
            assert_eq!(outcome.state(), OperationState::Failed);
        }
    }

    #[test]
    fn a_panic_says_nothing_about_the_call() {
        let outcome = conclude(
            &create(),
            &Returned::Panicked,
            evidence(&[]),
            None,
            Cancellation::default(),
        );
        assert_eq!(outcome.state(), OperationState::Interrupted);
        assert_eq!(outcome.reason, reasons::INTERNAL);
        assert_eq!(outcome.suggested_actions().next(), Some(SuggestedAction::Inspect));
    }

    #[test]
    fn an_interrupted_call_suggests_what_the_cluster_allows() {
        let configured = || report(SetupPhase::ConfigureClusSvc, SetupSeverity::Informational, 0, 30);
        let suggested = |call: &Parameters, records: &[OperationRecord], seen| {
            interrupted(call, evidence(records), seen)
                .suggested_actions()
                .next()
                .unwrap()
        };
        let half = || gone(&[("n1", HostState::NotRunning)]);
        assert_eq!(suggested(&create(), &[], None), SuggestedAction::Inspect);
        assert_eq!(
            suggested(&create(), &[], Some(found(&["n1", "n2"]))),
            SuggestedAction::Accept
        );
        assert_eq!(
            suggested(&create(), &[configured()], Some(found(&["n1"]))),
            SuggestedAction::CleanUp
        );
        assert_eq!(
            suggested(&create(), &[configured()], Some(half())),
            SuggestedAction::CleanUp
        );
        assert_eq!(
            suggested(&create(), &[], Some(gone(&[("n1", HostState::NotConfigured)]))),
            SuggestedAction::Retry
        );
        assert_eq!(
            suggested(&add(), &[], Some(found(&["n1", "n2"]))),
            SuggestedAction::Accept
        );
        assert_eq!(suggested(&destroy(), &[], Some(found(&["n1"]))), SuggestedAction::Retry);
        assert_eq!(
            suggested(&destroy(), &[], Some(gone(&[("n1", HostState::NotConfigured)]))),
            SuggestedAction::Accept
        );
    }

    /// A cluster of the same name, or a host in a cluster, may be somebody else's: nothing is to be removed on suspicion.
    #[test]
    fn what_the_call_did_not_touch_is_not_to_be_cleaned_up() {
        let suggested = |call: &Parameters, seen| {
            let outcome = judge(call, &failed(5900), evidence(&[]), seen);
            outcome.suggested_actions().next().unwrap()
        };
        assert_eq!(suggested(&create(), found(&["n7"])), SuggestedAction::Inspect);
        assert_eq!(
            suggested(&create(), gone(&[("n1", HostState::NotRunning)])),
            SuggestedAction::Inspect
        );
        assert_eq!(
            suggested(&add(), gone(&[("n2", HostState::NotRunning)])),
            SuggestedAction::Inspect
        );
        // Nothing was asked, so nothing is known: an empty list of hosts is no evidence.
        assert_ne!(suggested(&destroy(), gone(&[])), SuggestedAction::Accept);
    }
}

//! A record in words.

use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{
    DrainState, ObjectStateChanged, OperationAccepted, OperationPending, OperationRecord, PendingReason, SetupProgress,
    SetupSeverity,
};

use crate::{names, phrases};

/// What a record says to people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// The progress in percent, where the record tells it.
    pub(crate) percent: Option<u32>,
    /// What happens, on one line.
    pub(crate) text: String,
    /// What must not be overlooked, one line each: warnings and fatal reports.
    pub(crate) alerts: Vec<String>,
}

/// Puts a record into words.
pub(crate) fn sentence(record: &OperationRecord) -> Sentence {
    let mut sentence = match &record.payload {
        Some(Payload::Accepted(accepted)) => of_accepted(accepted),
        Some(Payload::Pending(pending)) => text(of_pending(pending)),
        Some(Payload::Started(started)) => text(format!("calling {}", started.function)),
        Some(Payload::SetupProgress(progress)) => of_setup(progress),
        Some(Payload::UpgradeProgress(progress)) => text(phrases::upgrade_phase(progress.phase)),
        Some(Payload::CancelRequested(request)) => {
            let answer = if request.answers_false {
                "; the next callback is answered with FALSE"
            } else {
                ""
            };
            text(format!("cancellation asked for by {}{answer}", request.principal))
        }
        Some(Payload::StateChanged(changed)) => text(of_state(changed)),
        Some(Payload::Outcome(outcome)) => text(format!("ended: {}", phrases::operation_state(outcome.state))),
        None => text("a record of a kind that this program does not know".to_owned()),
    };
    if record.folded > 0 {
        sentence
            .text
            .push_str(&format!(" ({} reports were folded into this one)", record.folded));
    }
    // Names and messages are those of others.
    sentence.text = phrases::plain(&sentence.text);
    for alert in &mut sentence.alerts {
        *alert = phrases::plain(alert);
    }
    sentence
}

fn text(text: String) -> Sentence {
    Sentence {
        text,
        ..Default::default()
    }
}

/// Where an object stands: `group SQL: online pending on n2`.
pub(crate) fn of_state(changed: &ObjectStateChanged) -> String {
    let kind = names::one(changed.kind());
    let mut parts = Vec::new();
    match (changed.state.as_str(), changed.native_state) {
        ("", Some(number)) => parts.push(format!("state {number}")),
        ("", None) => {}
        (state, _) => parts.push(state.to_lowercase().replace('_', " ")),
    }
    if !changed.owner_node.is_empty() {
        parts.push(format!("on {}", names::quoted(&changed.owner_node)));
    }
    if changed.drain_state() != DrainState::Unspecified {
        parts.push(phrases::drain_state(changed.drain_state));
    }
    format!("{kind} {}: {}", names::quoted(&changed.name), parts.join(" "))
}

fn of_accepted(accepted: &OperationAccepted) -> Sentence {
    let alerts = accepted
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}"))
        .collect();
    let mut text = format!("accepted: {}", phrases::operation_kind(accepted.kind));
    if !accepted.target.is_empty() {
        text.push_str(&format!(" {}", names::quoted(&accepted.target)));
    }
    match (accepted.target.is_empty(), accepted.cluster.as_str()) {
        (_, "") => {}
        (true, cluster) => text.push_str(&format!(" {cluster}")),
        (false, cluster) => text.push_str(&format!(" in {cluster}")),
    }
    Sentence {
        percent: None,
        text,
        alerts,
    }
}

fn of_pending(pending: &OperationPending) -> String {
    let mut text = format!("waiting: {}", phrases::pending_reason(pending.reason));
    if !pending.blocking_operation_id.is_empty() {
        text.push_str(&format!(", operation {}", pending.blocking_operation_id));
    }
    if pending.reason() == PendingReason::ClusterSettling
        && let Some(remaining) = &pending.remaining
    {
        text.push_str(&format!(", {} s left", remaining.seconds));
    }
    text
}

fn of_setup(progress: &SetupProgress) -> Sentence {
    let phase = phrases::setup_phase(progress.phase);
    let about = match progress.object_name.as_deref() {
        Some(object) if !object.is_empty() => format!("{phase} {object}"),
        _ => phase,
    };
    let mut sentence = Sentence {
        percent: Some(progress.percent),
        text: format!("{about}: {}", phrases::setup_phase_type(progress.phase_type)),
        alerts: Vec::new(),
    };
    let failing = progress.status.as_ref().filter(|status| status.raw != 0);
    if progress.severity() != SetupSeverity::Informational || failing.is_some() {
        let severity = phrases::severity(progress.severity);
        let detail = failing.map_or_else(|| phrases::setup_phase_type(progress.phase_type), phrases::status);
        sentence.alerts.push(format!("{severity}: {about}: {detail}"));
    }
    sentence
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{
        NativeStatus, ObjectKind, OperationCancelRequested, OperationKind, SetupPhase, SetupPhaseType,
    };

    use super::*;

    fn said(payload: Payload) -> Sentence {
        sentence(&OperationRecord {
            payload: Some(payload),
            ..Default::default()
        })
    }

    fn progress() -> SetupProgress {
        SetupProgress {
            phase: SetupPhase::CreateIpAddressResources.into(),
            phase_type: SetupPhaseType::End.into(),
            severity: SetupSeverity::Informational.into(),
            percent: 80,
            object_name: Some("10.0.0.10".to_owned()),
            status: Some(NativeStatus::default()),
        }
    }

    #[test]
    fn progress_names_phase_and_object() {
        let fine = said(Payload::SetupProgress(progress()));
        assert_eq!(
            (fine.percent, fine.text.as_str()),
            (Some(80), "create the IP address 10.0.0.10: done")
        );
        assert!(fine.alerts.is_empty());
        let bare = SetupProgress {
            object_name: None,
            phase: 304,
            phase_type: 9,
            ..progress()
        };
        assert_eq!(said(Payload::SetupProgress(bare)).text, "phase 304: type 9");
    }

    #[test]
    fn a_warning_is_an_alert_with_its_status() {
        let status = NativeStatus {
            raw: 5057,
            code: 5057,
            name: "ERROR_CLUSTER_IPADDR_IN_USE".to_owned(),
            ..Default::default()
        };
        let warning = SetupProgress {
            severity: SetupSeverity::Warning.into(),
            status: Some(status),
            ..progress()
        };
        let expected = "warning: create the IP address 10.0.0.10: 5057 ERROR_CLUSTER_IPADDR_IN_USE";
        assert_eq!(said(Payload::SetupProgress(warning.clone())).alerts, [expected]);
        let bare = SetupProgress {
            status: None,
            ..warning
        };
        let expected = "warning: create the IP address 10.0.0.10: done";
        assert_eq!(said(Payload::SetupProgress(bare)).alerts, [expected]);
        let newer = SetupProgress {
            severity: 7,
            ..progress()
        };
        assert_eq!(
            said(Payload::SetupProgress(newer)).alerts.len(),
            1,
            "an unknown severity is not taken for harmless"
        );
    }

    #[test]
    fn names_do_not_steer_the_terminal() {
        let accepted = OperationAccepted {
            kind: OperationKind::AddNode.into(),
            target: "n\u{1b}[2J".to_owned(),
            warnings: vec!["w\u{1b}[2J".to_owned()],
            ..Default::default()
        };
        let said = said(Payload::Accepted(accepted));
        assert_eq!(said.text, "accepted: add node \"n\u{fffd}[2J\"");
        assert_eq!(said.alerts, ["warning: w\u{fffd}[2J"]);
    }

    #[test]
    fn waiting_says_for_what() {
        let settling = OperationPending {
            reason: PendingReason::ClusterSettling.into(),
            remaining: Some(prost_types::Duration { seconds: 25, nanos: 0 }),
            ..Default::default()
        };
        let expected = "waiting: the cluster was created a moment ago and settles, 25 s left";
        assert_eq!(said(Payload::Pending(settling)).text, expected);
        let busy = OperationPending {
            reason: PendingReason::Busy.into(),
            blocking_operation_id: "8f14".to_owned(),
            ..Default::default()
        };
        let expected = "waiting: another operation holds the cluster or a node, operation 8f14";
        assert_eq!(said(Payload::Pending(busy)).text, expected);
    }

    #[test]
    fn a_state_on_the_way_names_object_and_owner() {
        let mut changed = ObjectStateChanged {
            kind: ObjectKind::Group.into(),
            name: "SQL Server".to_owned(),
            native_state: Some(4),
            state: "PENDING".to_owned(),
            owner_node: "n2".to_owned(),
            ..Default::default()
        };
        assert_eq!(of_state(&changed), "group \"SQL Server\": pending on n2");
        changed.state.clear();
        assert_eq!(of_state(&changed), "group \"SQL Server\": state 4 on n2");
        let draining = ObjectStateChanged {
            kind: ObjectKind::Node.into(),
            name: "n1".to_owned(),
            drain_state: DrainState::InProgress.into(),
            ..Default::default()
        };
        assert_eq!(
            said(Payload::StateChanged(draining)).text,
            "node n1: its groups are moving away"
        );
    }

    #[test]
    fn every_other_record_has_words_too() {
        let accepted = OperationAccepted {
            kind: OperationKind::AddNode.into(),
            cluster: "CL1".to_owned(),
            target: "n4".to_owned(),
            warnings: vec!["w".to_owned()],
            ..Default::default()
        };
        let accepted = said(Payload::Accepted(accepted));
        assert_eq!(
            (accepted.text.as_str(), accepted.alerts.as_slice()),
            ("accepted: add node n4 in CL1", &["warning: w".to_owned()][..])
        );
        let request = OperationCancelRequested {
            principal: "local".to_owned(),
            answers_false: false,
        };
        assert_eq!(
            said(Payload::CancelRequested(request)).text,
            "cancellation asked for by local"
        );
        let unknown = sentence(&OperationRecord {
            folded: 3,
            ..Default::default()
        });
        let expected = "a record of a kind that this program does not know (3 reports were folded into this one)";
        assert_eq!(unknown.text, expected);
    }
}

//! How an operation ended, for people.

use std::io::{self, Write};

use wsfc_client::Reason;
use wsfc_client::v1::{NativeStatus, OperationOutcome, OperationState};

use crate::phrases;
use crate::report::sentence::of_state;
use crate::tables::facts;

/// Writes the outcome of an operation: what came of it, what was reported, what was found and what to do.
pub(crate) fn outcome(out: &mut dyn Write, operation_id: &str, outcome: &OperationOutcome) -> io::Result<()> {
    let partial = if outcome.partial {
        ", but something that it should have made is missing"
    } else {
        ""
    };
    let state = phrases::operation_state(outcome.state);
    let unchanged = if outcome.unchanged {
        ": everything was as wished before, nothing was changed"
    } else {
        ""
    };
    writeln!(
        out,
        "The operation {}{partial}{unchanged}.",
        past(outcome.state(), &state)
    )?;
    if outcome.effective_at_next_online {
        writeln!(
            out,
            "What was changed is stored, and takes effect when it comes online next."
        )?;
    }
    // Success needs no number.
    let told = |status: Option<&NativeStatus>| status.filter(|status| status.raw != 0).map(phrases::status);
    let mut lines = vec![
        ("operation", operation_id.to_owned()),
        ("message", outcome.message.clone()),
        ("reason", outcome.reason.clone()),
        ("status", told(outcome.status.as_ref()).unwrap_or_default()),
        ("clean-up", told(outcome.cleanup_status.as_ref()).unwrap_or_default()),
    ];
    if let Some(stands) = &outcome.final_state {
        lines.push(("stands", of_state(stands)));
    }
    // What no record reported is told by the status.
    for warning in outcome.warnings.iter().filter(|warning| warning.sequence > 0) {
        let object = warning
            .object_name
            .as_deref()
            .map(|name| format!(" {name}"))
            .unwrap_or_default();
        let status = warning
            .status
            .as_ref()
            .map(|status| format!(": {}", phrases::status(status)))
            .unwrap_or_default();
        let phase = phrases::setup_phase(warning.phase);
        let severity = phrases::severity(warning.severity);
        lines.push((
            "report",
            format!("{severity} #{}: {phase}{object}{status}", warning.sequence),
        ));
    }
    let listed = u64::try_from(outcome.warnings.len()).unwrap_or(u64::MAX);
    if let Some(more) = outcome.warning_count.checked_sub(listed).filter(|more| *more > 0) {
        lines.push(("report", format!("and {more} more")));
    }
    if let Some(inspection) = &outcome.inspection {
        lines.push(("found", inspection.summary.clone()));
    }
    for action in &outcome.suggested_actions {
        lines.push(("next", phrases::suggested_action(*action)));
    }
    if outcome.suggested_actions.is_empty()
        && let Some(action) = Reason::from_name(&outcome.reason)
            .user_action()
            .filter(|action| *action != "Nothing.")
    {
        lines.push(("next", action.to_owned()));
    }
    facts(out, &lines)?;
    out.flush()
}

/// A state as the end of "The operation ...".
fn past(state: OperationState, words: &str) -> String {
    match state {
        OperationState::Cancelled | OperationState::Interrupted => format!("was {words}"),
        OperationState::Succeeded | OperationState::Failed => words.to_owned(),
        OperationState::Unspecified | OperationState::Pending | OperationState::Running => format!("is {words}"),
    }
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{
        Inspection, ObjectKind, ObjectStateChanged, OperationWarning, SetupPhase, SetupSeverity, SuggestedAction,
    };

    use super::*;

    fn text(summary: &OperationOutcome) -> String {
        let mut text = Vec::new();
        outcome(&mut text, "0190c9a4", summary).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_partial_success_lists_what_is_missing() {
        let status = NativeStatus {
            raw: 5057,
            code: 5057,
            name: "ERROR_CLUSTER_IPADDR_IN_USE".to_owned(),
            message: "the address is in use".to_owned(),
            ..Default::default()
        };
        insta::assert_snapshot!(text(&OperationOutcome {
            state: OperationState::Succeeded.into(),
            status: Some(NativeStatus::default()),
            worst_severity: SetupSeverity::Warning.into(),
            partial: true,
            warnings: vec![OperationWarning {
                sequence: 31,
                phase: SetupPhase::CreateIpAddressResources.into(),
                severity: SetupSeverity::Warning.into(),
                object_name: Some("10.0.0.10".to_owned()),
                status: Some(status),
            }],
            warning_count: 3,
            inspection: Some(Inspection {
                summary: "CL1 is formed, 2 of 2 nodes are up".to_owned(),
                ..Default::default()
            }),
            suggested_actions: vec![SuggestedAction::Accept.into()],
            message: "CL1 was created without 10.0.0.10".to_owned(),
            ..Default::default()
        }));
    }

    #[test]
    fn an_interruption_says_what_to_do() {
        insta::assert_snapshot!(text(&OperationOutcome {
            state: OperationState::Interrupted.into(),
            reason: "OPERATION_INTERRUPTED".to_owned(),
            message: "the daemon ended during CreateCluster".to_owned(),
            ..Default::default()
        }));
    }

    #[test]
    fn what_was_so_before_and_what_waits_is_said() {
        let same = OperationOutcome {
            state: OperationState::Succeeded.into(),
            unchanged: true,
            ..Default::default()
        };
        let expected =
            "The operation succeeded: everything was as wished before, nothing was changed.\noperation  0190c9a4\n";
        assert_eq!(text(&same), expected);
        let later = OperationOutcome {
            state: OperationState::Succeeded.into(),
            effective_at_next_online: true,
            final_state: Some(ObjectStateChanged {
                kind: ObjectKind::Resource.into(),
                name: "IP".to_owned(),
                state: "ONLINE".to_owned(),
                owner_node: "n1".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let expected = "The operation succeeded.\n\
            What was changed is stored, and takes effect when it comes online next.\n\
            operation  0190c9a4\nstands     resource IP: online on n1\n";
        assert_eq!(text(&later), expected);
    }

    #[test]
    fn a_plain_success_is_short() {
        let plain = OperationOutcome {
            state: OperationState::Succeeded.into(),
            ..Default::default()
        };
        assert_eq!(text(&plain), "The operation succeeded.\noperation  0190c9a4\n");
    }
}

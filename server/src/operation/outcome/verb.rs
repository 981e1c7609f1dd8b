//! How a verb ended, by what it says itself: it has read what was and what came of it.

use wsfc_proto::reasons;
use wsfc_proto::v1::{
    ObjectStateChanged, OperationOutcome, OperationState, OperationWarning, SetupSeverity, SuggestedAction,
};

use crate::native;
use crate::operation::call::{Call as _, Parameters};
use crate::operation::execute::scene::End;

/// ERROR_RESOURCE_PROPERTIES_STORED: stored, effective at the next online (facts 3.2).
const STORED: u32 = 5024;

/// The outcome of a verb that came to an end.
pub(super) fn ended(end: &End) -> OperationOutcome {
    let succeeded = end.state == OperationState::Succeeded;
    let status = match (end.status, end.at_next_online) {
        (Some(status), _) => Some(status),
        (None, true) => Some(STORED),
        (None, false) => succeeded.then_some(0),
    };
    let warning = OperationWarning {
        severity: SetupSeverity::Warning.into(),
        object_name: end.final_state.as_ref().map(|state| state.name.clone()),
        status: Some(native::status(STORED)),
        ..OperationWarning::default()
    };
    let warnings: Vec<_> = end.at_next_online.then_some(warning).into_iter().collect();
    OperationOutcome {
        state: end.state.into(),
        status: status.map(native::status),
        worst_severity: match warnings.as_slice() {
            [] => SetupSeverity::Unspecified.into(),
            _ => SetupSeverity::Warning.into(),
        },
        warning_count: u64::from(end.at_next_online),
        warnings,
        suggested_actions: end.suggested.into_iter().map(i32::from).collect(),
        reason: end.reason.clone(),
        message: end.message.clone(),
        unchanged: end.unchanged,
        effective_at_next_online: end.at_next_online,
        final_state: end.final_state.clone(),
        ..OperationOutcome::default()
    }
}

/// The outcome of a verb that was running when the daemon ended, with where its object stands now. Asking again is safe:
/// a verb that finds things as wished changes nothing.
pub fn interrupted(call: &Parameters, final_state: Option<ObjectStateChanged>) -> OperationOutcome {
    let found = match &final_state {
        Some(state) if state.owner_node.is_empty() => format!("Now {:?} is {}.", state.name, state.state),
        Some(state) => format!("Now {:?} is {} on {}.", state.name, state.state, state.owner_node),
        None => String::from("Where its object stands is not known."),
    };
    OperationOutcome {
        state: OperationState::Interrupted.into(),
        suggested_actions: vec![SuggestedAction::Retry.into()],
        reason: reasons::OPERATION_INTERRUPTED.into(),
        message: format!(
            "The daemon ended while {} was running; what came of it is not known. {found}",
            call.function()
        ),
        final_state,
        ..OperationOutcome::default()
    }
}

#[cfg(test)]
mod tests {
    use wsfc_proto::v1;

    use super::*;

    #[test]
    fn what_is_stored_is_a_success_with_a_warning() {
        let end = End {
            state: OperationState::Succeeded,
            at_next_online: true,
            ..End::default()
        };
        let outcome = ended(&end);
        assert_eq!(outcome.state(), OperationState::Succeeded);
        assert!(outcome.effective_at_next_online && outcome.reason.is_empty());
        assert_eq!(outcome.status.unwrap().code, STORED);
        assert_eq!((outcome.warnings.len(), outcome.warning_count), (1, 1));
    }

    #[test]
    fn an_interrupted_verb_says_where_its_object_stands_and_may_be_asked_again() {
        let call = Parameters::MoveGroup(v1::MoveGroupParameters::default());
        let state = ObjectStateChanged {
            name: "Files".into(),
            state: "ONLINE".into(),
            owner_node: "n2".into(),
            ..Default::default()
        };
        let outcome = interrupted(&call, Some(state.clone()));
        assert_eq!(outcome.state(), OperationState::Interrupted);
        assert_eq!(outcome.suggested_actions, [i32::from(SuggestedAction::Retry)]);
        assert!(
            outcome.message.contains("\"Files\" is ONLINE on n2"),
            "{}",
            outcome.message
        );
        assert_eq!(outcome.final_state, Some(state));
        assert!(interrupted(&call, None).message.contains("not known"));
    }
}

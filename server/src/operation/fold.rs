//! An operation is the fold of its records: this is the only place that moves its state.
//!
//! The graph (operation.proto, `OperationState`): PENDING to RUNNING, and from either to one of the four final states.
//! There is exactly one outcome, and nothing comes after it.

use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;

/// What the fold must know beside the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// True when a setting lets the daemon answer FALSE to the callback of a running call after a cancellation was
    /// asked for, so that a running operation can be cancelled at all.
    pub cancel_running: bool,
}

/// A record that cannot follow the operation as it stands. The operation is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalRecord {
    /// The record belongs to another operation.
    #[error("the record belongs to operation {found}, not to {expected}")]
    OtherOperation {
        /// The operation folded into.
        expected: String,
        /// The operation that the record names.
        found: String,
    },
    /// The sequence numbers have a gap or a repetition.
    #[error("the record has sequence number {found} where {expected} comes next")]
    Sequence {
        /// The number that comes next.
        expected: u64,
        /// The number of the record.
        found: u64,
    },
    /// The revision does not rise.
    #[error("the record has revision {found}, which is not after {last}")]
    Revision {
        /// The revision of the record before.
        last: u64,
        /// The revision of the record.
        found: u64,
    },
    /// The payload has no place in the state that the operation is in.
    #[error("a record of kind {payload} cannot follow in state {state}")]
    Payload {
        /// The state that the operation is in.
        state: &'static str,
        /// The kind of the payload.
        payload: &'static str,
    },
    /// An outcome whose state is not final.
    #[error("an outcome cannot have the state {state}")]
    OutcomeState {
        /// The state that the outcome gives, by its number.
        state: i32,
    },
    /// A record without a payload, or with one that this version does not know.
    #[error("the record has no payload known here")]
    NoPayload,
}

/// True for the four states that an operation never leaves.
pub fn is_final(state: v1::OperationState) -> bool {
    use v1::OperationState as State;
    match state {
        State::Succeeded | State::Failed | State::Cancelled | State::Interrupted => true,
        State::Unspecified | State::Pending | State::Running => false,
    }
}

/// Adds one record to the operation that the records before it made. The first record is folded into the default.
///
/// # Errors
///
/// The record cannot follow; the operation is then unchanged.
pub fn fold(operation: &mut v1::Operation, record: &v1::OperationRecord, rules: Rules) -> Result<(), IllegalRecord> {
    let payload = check(operation, record)?;
    apply(operation, record, payload);
    operation.operation_id.clone_from(&record.operation_id);
    operation.last_sequence = record.sequence;
    operation.last_revision = record.revision;
    operation.cancelable = match operation.state() {
        v1::OperationState::Pending => true,
        v1::OperationState::Running => {
            (rules.cancel_running || stops_in_the_cluster(operation.kind())) && !operation.cancel_requested
        }
        _ => false,
    };
    Ok(())
}

/// Whether the cluster itself can stop what an operation of a kind has begun (CancelClusterGroupOperation, facts 2.4).
fn stops_in_the_cluster(kind: v1::OperationKind) -> bool {
    matches!(
        kind,
        v1::OperationKind::MoveGroup | v1::OperationKind::MigrateVirtualMachine | v1::OperationKind::MoveSharedVolume
    )
}

/// Says whether the record can follow, and changes nothing.
fn check<'r>(operation: &v1::Operation, record: &'r v1::OperationRecord) -> Result<&'r Payload, IllegalRecord> {
    let begun = operation.last_sequence > 0;
    if begun && record.operation_id != operation.operation_id {
        return Err(IllegalRecord::OtherOperation {
            expected: operation.operation_id.clone(),
            found: record.operation_id.clone(),
        });
    }
    // A sequence of 2^64 records is out of reach, so saturation only keeps a damaged snapshot from a panic.
    let expected = operation.last_sequence.saturating_add(1);
    if record.sequence != expected {
        return Err(IllegalRecord::Sequence {
            expected,
            found: record.sequence,
        });
    }
    if record.revision <= operation.last_revision {
        return Err(IllegalRecord::Revision {
            last: operation.last_revision,
            found: record.revision,
        });
    }
    let payload = record.payload.as_ref().ok_or(IllegalRecord::NoPayload)?;
    may_follow(operation.state(), payload)?;
    if let Payload::Outcome(outcome) = payload
        && !is_final(outcome.state())
    {
        return Err(IllegalRecord::OutcomeState { state: outcome.state });
    }
    Ok(payload)
}

/// Says whether a payload has a place in an operation of this state.
///
/// # Errors
///
/// It has none. Nothing has a place in a final state.
pub fn may_follow(state: v1::OperationState, payload: &Payload) -> Result<(), IllegalRecord> {
    use v1::OperationState as State;
    let legal = match state {
        State::Unspecified => matches!(payload, Payload::Accepted(_)),
        State::Pending => matches!(payload, Payload::Pending(_) | Payload::Started(_) | Payload::Outcome(_)),
        State::Running => matches!(
            payload,
            Payload::SetupProgress(_)
                | Payload::UpgradeProgress(_)
                | Payload::StateChanged(_)
                | Payload::CancelRequested(_)
                | Payload::Outcome(_)
        ),
        State::Succeeded | State::Failed | State::Cancelled | State::Interrupted => false,
    };
    if legal {
        Ok(())
    } else {
        Err(IllegalRecord::Payload {
            state: state.as_str_name(),
            payload: name(payload),
        })
    }
}

/// Changes the operation by a record that was checked.
fn apply(operation: &mut v1::Operation, record: &v1::OperationRecord, payload: &Payload) {
    match payload {
        Payload::Accepted(accepted) => {
            operation.set_state(v1::OperationState::Pending);
            operation.kind = accepted.kind;
            operation.cluster.clone_from(&accepted.cluster);
            operation.target.clone_from(&accepted.target);
            operation.parameters.clone_from(&accepted.parameters);
            operation.request_id.clone_from(&accepted.request_id);
            operation.principal.clone_from(&accepted.principal);
            operation.with_credentials = accepted.with_credentials;
            operation.hosts.clone_from(&accepted.hosts);
            operation.settle_time = accepted.settle_time;
            operation.create_time = record.time;
            operation.oldest_sequence = 1;
        }
        Payload::Pending(pending) => operation.pending = Some(pending.clone()),
        Payload::Started(_) => {
            operation.set_state(v1::OperationState::Running);
            operation.start_time = record.time;
            operation.pending = None;
        }
        Payload::SetupProgress(progress) => operation.percent = operation.percent.max(progress.percent.min(100)),
        // The upgrade callback reports no percentage (facts 1.7), and a change of state has none.
        Payload::UpgradeProgress(_) | Payload::StateChanged(_) => {}
        Payload::CancelRequested(_) => operation.cancel_requested = true,
        Payload::Outcome(outcome) => {
            operation.set_state(outcome.state());
            operation.end_time = record.time;
            operation.pending = None;
            // A pending operation ends CANCELLED without a record of the request: the outcome is its answer.
            operation.cancel_requested |= outcome.state() == v1::OperationState::Cancelled;
            operation.outcome = Some(outcome.clone());
        }
    }
}

/// The name of a payload, as in operation.proto.
fn name(payload: &Payload) -> &'static str {
    match payload {
        Payload::Accepted(_) => "accepted",
        Payload::Pending(_) => "pending",
        Payload::Started(_) => "started",
        Payload::SetupProgress(_) => "setup_progress",
        Payload::UpgradeProgress(_) => "upgrade_progress",
        Payload::StateChanged(_) => "state_changed",
        Payload::CancelRequested(_) => "cancel_requested",
        Payload::Outcome(_) => "outcome",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use v1::OperationState as State;

    use super::*;

    fn payload() -> impl Strategy<Value = Payload> {
        // Final states and others, known and unknown.
        let state = prop_oneof![4 => 3..7_i32, 1 => -1..9_i32];
        prop_oneof![
            2 => Just(Payload::Accepted(v1::OperationAccepted { cluster: "c".to_owned(), ..Default::default() })),
            2 => Just(Payload::Pending(v1::OperationPending::default())),
            2 => Just(Payload::Started(v1::OperationStarted::default())),
            6 => (0..150_u32).prop_map(|percent| {
                Payload::SetupProgress(v1::SetupProgress { percent, ..Default::default() })
            }),
            2 => Just(Payload::UpgradeProgress(v1::UpgradeProgress::default())),
            2 => Just(Payload::CancelRequested(v1::OperationCancelRequested::default())),
            1 => state.prop_map(|state| Payload::Outcome(v1::OperationOutcome { state, ..Default::default() })),
        ]
    }

    fn record(operation: &v1::Operation, payload: Payload) -> v1::OperationRecord {
        v1::OperationRecord {
            revision: operation.last_revision + 3,
            operation_id: "one".to_owned(),
            sequence: operation.last_sequence + 1,
            payload: Some(payload),
            ..Default::default()
        }
    }

    proptest! {
        #[test]
        fn states_move_along_the_graph_and_end_once(
            cancel_running: bool,
            payloads in proptest::collection::vec(payload(), 0..60),
        ) {
            let rules = Rules { cancel_running };
            let mut operation = v1::Operation::default();
            let (mut percent, mut outcomes) = (0, 0);
            // Every history worth the name begins with its acceptance.
            let accepted = Payload::Accepted(v1::OperationAccepted::default());
            for payload in [accepted].into_iter().chain(payloads) {
                let before = operation.clone();
                let record = record(&before, payload);
                let folded = fold(&mut operation, &record, rules);
                prop_assert!(outcomes == 0 || folded.is_err(), "nothing follows the outcome");
                if folded.is_err() {
                    prop_assert_eq!(&operation, &before);
                    continue;
                }
                if let Some(Payload::SetupProgress(progress)) = &record.payload {
                    percent = percent.max(progress.percent.min(100));
                }
                outcomes += u32::from(matches!(record.payload, Some(Payload::Outcome(_))));
                let legal = match (before.state(), operation.state()) {
                    (State::Unspecified, State::Pending) | (State::Pending, State::Running) => true,
                    (State::Pending | State::Running, after) if is_final(after) => outcomes == 1,
                    (before, after) => before == after && !is_final(after),
                };
                prop_assert!(legal, "{:?} to {:?}", before.state(), operation.state());
                prop_assert_eq!(operation.last_sequence, before.last_sequence + 1);
                prop_assert_eq!(operation.percent, percent);
                prop_assert_eq!(operation.outcome.is_some(), is_final(operation.state()));
                prop_assert!(operation.pending.is_none() || operation.state() == State::Pending);
                prop_assert_eq!(operation.cancelable, match operation.state() {
                    State::Pending => true,
                    State::Running => cancel_running && !operation.cancel_requested,
                    _ => false,
                });
            }
        }
    }

    #[test]
    fn records_out_of_place_are_refused() {
        let mut operation = v1::Operation::default();
        let first = record(&operation, Payload::Accepted(v1::OperationAccepted::default()));
        fold(&mut operation, &first, Rules::default()).unwrap();
        let next = record(&operation, Payload::Started(v1::OperationStarted::default()));
        let other = v1::OperationRecord {
            operation_id: "two".to_owned(),
            ..next.clone()
        };
        let gap = v1::OperationRecord {
            sequence: 3,
            ..next.clone()
        };
        let repeated = v1::OperationRecord {
            sequence: 1,
            ..next.clone()
        };
        let old = v1::OperationRecord {
            revision: operation.last_revision,
            ..next.clone()
        };
        let empty = v1::OperationRecord {
            payload: None,
            ..next.clone()
        };
        let mut refused =
            |record| fold(&mut operation, &record, Rules::default()).expect_err("the record is out of place");
        assert!(matches!(refused(other), IllegalRecord::OtherOperation { .. }));
        assert!(matches!(
            refused(gap),
            IllegalRecord::Sequence { expected: 2, found: 3 }
        ));
        assert!(matches!(
            refused(repeated),
            IllegalRecord::Sequence { expected: 2, found: 1 }
        ));
        assert!(matches!(refused(old), IllegalRecord::Revision { last: 3, found: 3 }));
        assert!(matches!(refused(empty), IllegalRecord::NoPayload));
        fold(&mut operation, &next, Rules::default()).unwrap();
        assert_eq!(operation.state(), State::Running);
    }
}

//! Running the calls that change a cluster: what they do, that repeating them is harmless, and that a check foresees
//! what they are refused with.

use std::fmt::Debug;

use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{ObjectStateChanged, OperationOutcome, OperationRecord, OperationState};
use wsfc_client::{Client, Parameters, Reason};

use crate::records::{outcome_of, to_the_end};

/// The parameters of a call: the fields that matter, and the rest as it is by default.
#[macro_export]
macro_rules! call {
    ($message:ident { $($field:ident: $value:expr),* $(,)? }) => {
        ::wsfc_client::v1::$message { $($field: $value.into(),)* ..::std::default::Default::default() }
    };
}

/// What a check says of a call that would change nothing.
const NOTHING: &str = "nothing would be changed";

/// Runs a call to its end.
///
/// # Panics
///
/// It does not start.
#[expect(clippy::panic, reason = "how a test fails")]
pub async fn run<P: Parameters + Debug + Clone>(client: &Client, call: P) -> Vec<OperationRecord> {
    match client.start(call.clone()).await {
        Ok(operation) => to_the_end(&operation).await,
        Err(error) => panic!("{call:?}: {error:?}"),
    }
}

/// Runs a call that is to work and to change something, which a check foresees.
///
/// # Panics
///
/// It fails or changes nothing.
#[expect(clippy::panic, reason = "how a test fails")]
pub async fn changes<P: Parameters + Debug + Clone>(client: &Client, call: P) -> Vec<OperationRecord> {
    match client.validate(call.clone()).await {
        Ok(report) => {
            let nothing = report.warnings.iter().any(|warning| warning.contains(NOTHING));
            assert!(!nothing, "{call:?}: {report:?}");
        }
        Err(error) => panic!("{call:?}: {error:?}"),
    }
    let records = run(client, call.clone()).await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Succeeded, "{call:?}: {outcome:?}");
    assert!(!outcome.unchanged, "{call:?}: {outcome:?}");
    records
}

/// Runs a call that is to find everything as wished, which a check foresees.
///
/// # Panics
///
/// It fails or changes something.
#[expect(clippy::panic, reason = "how a test fails")]
pub async fn unchanged<P: Parameters + Debug + Clone>(client: &Client, call: P) -> OperationOutcome {
    match client.validate(call.clone()).await {
        Ok(report) => {
            let nothing = report.warnings.iter().any(|warning| warning.contains(NOTHING));
            assert!(nothing, "{call:?}: {report:?}");
        }
        Err(error) => panic!("{call:?}: {error:?}"),
    }
    let records = run(client, call.clone()).await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Succeeded, "{call:?}: {outcome:?}");
    assert!(outcome.unchanged, "{call:?}: {outcome:?}");
    outcome.clone()
}

/// Runs a call twice: it changes something, and then finds everything as wished. Gives the records of the first time.
pub async fn changes_once<P: Parameters + Debug + Clone>(client: &Client, call: P) -> Vec<OperationRecord> {
    let records = changes(client, call.clone()).await;
    unchanged(client, call).await;
    records
}

/// Runs a call that is refused with a native code, which a check foresees with the same code and reason.
///
/// # Panics
///
/// It is not refused so.
#[expect(clippy::panic, reason = "how a test fails")]
pub async fn refused<P: Parameters + Debug + Clone>(client: &Client, call: P, code: u32) -> OperationOutcome {
    let foreseen = match client.validate(call.clone()).await {
        Ok(report) => panic!("nothing was foreseen of {call:?}: {report:?}"),
        Err(error) => error,
    };
    let outcome = fails(client, call.clone(), code).await;
    let Some(rejection) = foreseen.rejection() else {
        panic!("{call:?}: {foreseen:?}");
    };
    assert_eq!(
        rejection.native.as_ref().map(|native| native.code),
        Some(code),
        "{call:?}: {rejection:?}"
    );
    assert_eq!(rejection.reason.to_string(), outcome.reason, "{call:?}: {rejection:?}");
    outcome
}

/// Runs a call that fails with a native code, which no check need foresee.
///
/// # Panics
///
/// It does not fail so.
pub async fn fails<P: Parameters + Debug + Clone>(client: &Client, call: P, code: u32) -> OperationOutcome {
    let records = run(client, call.clone()).await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Failed, "{call:?}: {outcome:?}");
    let status = outcome.status.as_ref().map(|status| status.code);
    assert_eq!(status, Some(code), "{call:?}: {outcome:?}");
    assert!(!outcome.message.is_empty(), "{call:?}: {outcome:?}");
    outcome.clone()
}

/// Where the object stands at the end.
///
/// # Panics
///
/// The outcome does not say.
#[track_caller]
#[expect(clippy::panic, reason = "how a test fails")]
pub fn final_state(records: &[OperationRecord]) -> &ObjectStateChanged {
    let outcome = outcome_of(records);
    match &outcome.final_state {
        Some(state) => state,
        None => panic!("no final state: {outcome:?}"),
    }
}

/// The states on the way, in order.
pub fn states(records: &[OperationRecord]) -> Vec<&ObjectStateChanged> {
    records
        .iter()
        .filter_map(|record| match &record.payload {
            Some(Payload::StateChanged(state)) => Some(state),
            _ => None,
        })
        .collect()
}

/// Checks that a call is refused before anything starts, since what it names is not there.
///
/// # Panics
///
/// It is not refused so.
#[expect(clippy::panic, reason = "how a test fails")]
pub async fn names_nothing<P: Parameters + Debug + Clone>(client: &Client, call: P, object: &str) {
    let checked = client.validate(call.clone()).await.map(drop);
    let started = client.start(call.clone()).await.map(drop);
    for answer in [checked, started] {
        let Err(error) = answer else {
            panic!("{call:?} was taken");
        };
        assert_eq!(error.reason(), Some(&Reason::ObjectNotFound), "{call:?}: {error:?}");
        let named = error.rejection().and_then(|rejection| rejection.metadata.get("object"));
        assert_eq!(named.map(String::as_str), Some(object), "{call:?}: {error:?}");
    }
}

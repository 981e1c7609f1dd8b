//! Why an operation is not started, found or cancelled.

use tonic::{Code, Status};
use tonic_types::ErrorDetails;
use wsfc_proto::reasons;

use super::{
    blocking, cluster_api, code_of, deadline, internal, invalid, noun, object_not_found, permission_missing, read,
    shutting_down, status, store, unsupported, with_details,
};
use crate::journal::AppendError;
use crate::logging::chain;
use crate::operation::engine::CancelError;
use crate::operation::start::StartError;
use crate::operation::validate::excerpt;

/// There is no such operation.
pub fn operation_not_found(operation_id: &str) -> Status {
    let operation_id = excerpt(operation_id);
    let message = format!("there is no operation {operation_id:?}");
    status(
        Code::NotFound,
        message,
        reasons::OPERATION_NOT_FOUND,
        &[("operation_id", operation_id.into())],
    )
}

/// Why a start was refused.
pub fn start(error: &StartError) -> Status {
    match error {
        StartError::Invalid(violations) => invalid(violations),
        StartError::RequestIdReused {
            request_id,
            operation_id,
        } => {
            let message = format!("request id {request_id} belongs to another request, operation {operation_id}");
            let metadata = [
                ("request_id", request_id.clone()),
                ("operation_id", operation_id.to_string()),
            ];
            status(Code::AlreadyExists, message, reasons::REQUEST_ID_REUSED, &metadata)
        }
        StartError::Busy { operation_id } => {
            let message = format!("operation {operation_id} holds the cluster or one of its nodes");
            status(
                Code::Aborted,
                message,
                reasons::CLUSTER_BUSY,
                &[("operation_id", operation_id.clone())],
            )
        }
        StartError::TooManyWaiting { operation_id, waiting } => {
            let message = format!(
                "{waiting} of your operations wait already, as many as may, and operation {operation_id} is in the way of \
                 this one; wait for some to end, or cancel some"
            );
            let metadata = [("operation_id", operation_id.clone()), ("waiting", waiting.to_string())];
            status(Code::ResourceExhausted, message, reasons::TOO_MANY_WAITING, &metadata)
        }
        StartError::Cluster { cluster, source } => {
            let what = if cluster.is_empty() {
                "the cluster of this host".into()
            } else {
                format!("cluster {cluster:?}")
            };
            cluster_api(&what, source)
        }
        StartError::OutOfReach { permission, cluster } => permission_missing(*permission, Some(cluster)),
        StartError::NoObject { kind, name, cluster } => object_not_found(&noun(*kind), name, cluster),
        StartError::RevisionConflict { expected, found } => {
            let message = format!("the object has revision {found}, not {expected}");
            let metadata = [("revision", found.to_string())];
            status(Code::Aborted, message, reasons::REVISION_CONFLICT, &metadata)
        }
        StartError::Foreseen { reason, message, code } => {
            let metadata: Vec<_> = code.iter().map(|code| ("win32_code", code.to_string())).collect();
            let grpc = code.map_or(Code::FailedPrecondition, code_of);
            let grpc = if reason == reasons::FUNCTION_UNAVAILABLE {
                Code::Unimplemented
            } else {
                grpc
            };
            status(grpc, message.clone(), reason, &metadata)
        }
        StartError::Unsupported { function } => unsupported(function),
        StartError::Store(failed) => store(failed),
        StartError::TimedOut { cluster, limit } => deadline(&format!("the look at cluster {cluster:?}"), *limit),
        StartError::IdTaken { .. } | StartError::Illegal(_) => internal(&chain(error)),
        StartError::ShuttingDown => shutting_down(),
        StartError::Blocking(error) => blocking(error),
    }
}

/// Why a cancellation was refused.
pub fn cancel(operation_id: &str, error: &CancelError) -> Status {
    match error {
        CancelError::Ended { operation_id, state } => {
            let message = format!("operation {operation_id} has ended with {}", state.as_str_name());
            let metadata = [
                ("operation_id", operation_id.to_string()),
                ("state", state.as_str_name().to_owned()),
            ];
            let mut details = ErrorDetails::new();
            details.add_precondition_failure_violation(
                "OPERATION_ENDED",
                operation_id.to_string(),
                "the operation has ended",
            );
            with_details(
                Code::FailedPrecondition,
                message,
                reasons::OPERATION_ENDED,
                &metadata,
                details,
            )
        }
        CancelError::Read(error) => read(operation_id, error),
        CancelError::Append(AppendError::Failed(failed)) => store(failed),
        CancelError::Append(
            AppendError::LockHeld { .. }
            | AppendError::Unexpected { .. }
            | AppendError::Illegal(_)
            | AppendError::NotFound,
        ) => internal("a cancellation does not fit its operation"),
    }
}

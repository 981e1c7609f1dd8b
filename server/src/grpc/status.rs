//! The one place where errors become `tonic::Status`: a code, a sentence, exactly one `ErrorInfo`, and the details that
//! say something more.

mod access;
mod identity;
mod operation;

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation as WireViolation, StatusExt as _};
use wsfc_clusapi::Error;
use wsfc_clusapi::sys::FunctionInfo;
use wsfc_proto::{ERROR_DOMAIN, reasons, v1};

pub use self::access::{audit, permission_missing, refused, unreadable};
pub use self::identity::{binding_not_found, enrolment, identity_not_found, token_not_found};
pub use self::operation::{cancel, operation_not_found, start};
use crate::blocking::BlockingError;
use crate::inventory::ResolveError;
use crate::journal::{ReadError, StoreFailed};
use crate::logging::chain;
use crate::native;
use crate::operation::validate::{FieldViolation, excerpt};
use crate::workload::registry::AttachError;

/// When a caller that met a passing state may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many refused fields an error names at most, and with how many bytes. A status travels in the headers of the
/// answer, of which some clients read 8 KiB; it holds its message twice and its details as base64.
const FIELDS: usize = 16;
const FIELD_BYTES: usize = 2_048;

/// An error in the form of the contract.
fn status(code: Code, message: String, reason: &str, metadata: &[(&str, String)]) -> Status {
    with_details(code, message, reason, metadata, ErrorDetails::new())
}

fn with_details(
    code: Code,
    message: String,
    reason: &str,
    metadata: &[(&str, String)],
    mut details: ErrorDetails,
) -> Status {
    let metadata: HashMap<String, String> = metadata
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    details.set_error_info(reason, ERROR_DOMAIN, metadata);
    if matches!(code, Code::Unavailable | Code::Aborted) {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(code, message, details)
}

/// An error of the gRPC library, with the reason that it stands for.
pub fn bare(code: Code, message: &str, reason: &str) -> Status {
    status(code, message.into(), reason, &[])
}

/// The daemon is stopping; streams end with it and are resumed later.
pub fn shutting_down() -> Status {
    status(
        Code::Unavailable,
        "the daemon is stopping; resume in a moment".into(),
        reasons::SHUTTING_DOWN,
        &[],
    )
}

/// A page token that this daemon did not give for these filters.
pub fn page_token_invalid() -> Status {
    let message = "the page token does not belong to this list and these filters".into();
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("page_token", "is not one of this list");
    with_details(
        Code::InvalidArgument,
        message,
        reasons::PAGE_TOKEN_INVALID,
        &[],
        details,
    )
}

/// A sequence number that was seen with another journal.
pub fn store_replaced(store_id: &str) -> Status {
    let message = "the journal that this position belongs to was replaced; begin anew with a list or a snapshot".into();
    status(
        Code::FailedPrecondition,
        message,
        reasons::STORE_REPLACED,
        &[("store_id", store_id.into())],
    )
}

/// A defect of the daemon.
pub fn internal(what: &str) -> Status {
    status(
        Code::Internal,
        format!("the daemon has a defect: {what}"),
        reasons::INTERNAL,
        &[],
    )
}

/// A caller who asks for more than it reads.
pub fn too_much_unread(what: &str) -> Status {
    let message = format!("{what}; read what was asked for, or end streams");
    let mut details = ErrorDetails::new();
    // Streams of a connection that was lost count until that is noticed.
    details.set_retry_info(Some(RETRY_AFTER));
    with_details(Code::ResourceExhausted, message, reasons::TOO_MUCH_UNREAD, &[], details)
}

/// A request that took longer than the daemon allows.
pub fn deadline(what: &str, limit: Duration) -> Status {
    let message = format!("{what} took longer than {}", humantime::format_duration(limit));
    status(Code::DeadlineExceeded, message, reasons::TIMED_OUT, &[])
}

/// Fields that were refused: those that fit, and how many there are.
pub fn invalid(violations: &[FieldViolation]) -> Status {
    let mut room = FIELD_BYTES;
    let fit = |violation: &&FieldViolation| {
        let size = violation.field.len() + violation.description.len();
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    let named: Vec<_> = violations
        .iter()
        .take(FIELDS)
        .take_while(fit)
        .map(|violation| WireViolation::new(violation.field.clone(), violation.description.clone()))
        .collect();
    let left = violations.len() - named.len();
    let first = violations.first().map_or(String::new(), |violation| {
        format!("{} {}", violation.field, violation.description)
    });
    let message = match violations.len() {
        1 => first,
        count if left == 0 => format!("{count} fields are refused: first, {first}"),
        count => format!("{count} fields are refused, {left} more than are named: first, {first}"),
    };
    let mut details = ErrorDetails::new();
    details.set_bad_request(named);
    with_details(Code::InvalidArgument, message, reasons::INVALID_FIELD, &[], details)
}

/// What the cluster API answered, about an object by name.
pub fn cluster_api(what: &str, error: &Error) -> Status {
    if let Error::Unsupported { function, .. } = error {
        return unsupported(function);
    }
    let Some(native) = native::error_status(error) else {
        return internal(&format!("{what}: {}", chain(error)));
    };
    let metadata = [
        ("function", error.function().unwrap_or_default().to_owned()),
        ("win32_code", native.code.to_string()),
        ("win32_name", native.name.clone()),
        ("object", what.to_owned()),
    ];
    status(
        code_of(native.code),
        format!("{what}: {error}"),
        &native::reason(error),
        &metadata,
    )
}

fn unsupported(function: &str) -> Status {
    let mut message = format!("the cluster API of this host has no {function}");
    let mut metadata = vec![("function", function.to_owned())];
    if let Some(known) = FunctionInfo::of(function) {
        message = format!("{message}, which came with {}", known.since);
        metadata.push(("since", known.since.to_string()));
    }
    status(Code::Unimplemented, message, reasons::FUNCTION_UNAVAILABLE, &metadata)
}

/// The code for a Win32 error (facts 2.7, the suggested mapping). What is not listed there is UNKNOWN: the number in the
/// metadata says more than a guess.
fn code_of(win32: u32) -> Code {
    match win32 {
        2 | 53 | 5007 | 5013 | 5042 | 5045 | 5047 | 5078 | 5992 => Code::NotFound,
        183 | 5010 | 5040 | 5065 | 5900 => Code::AlreadyExists,
        5 => Code::PermissionDenied,
        13 | 87 | 5895 | 5913 => Code::InvalidArgument,
        5019 | 5020 | 5023 | 5026 | 5037 | 5058 | 5899 | 5932 | 5937 | 5939 | 5960 | 5973 | 5974 => {
            Code::FailedPrecondition
        }
        5041 | 5072 | 5908 | 5909 | 5944 | 5959 | 5976 => Code::Aborted,
        1115 | 1717 | 1722 | 1726 | 1727 | 1753 | 5050 | 5051 | 5925 => Code::Unavailable,
        258 | 1460 | 5910 => Code::DeadlineExceeded,
        5076 | 5934 | 5935 | 5957 => Code::ResourceExhausted,
        1 | 50 | 120 => Code::Unimplemented,
        995 | 1223 | 1818 => Code::Cancelled,
        _ => Code::Unknown,
    }
}

/// The journal takes nothing new.
pub fn store(failed: &StoreFailed) -> Status {
    match failed {
        StoreFailed::Stopped => shutting_down(),
        StoreFailed::Store { .. } => {
            let message = format!("nothing new is accepted: {}", chain(failed));
            status(Code::Unavailable, message, reasons::STORE_FAILED, &[])
        }
    }
}

/// Why records or operations cannot be read, about an operation.
pub fn read(operation_id: &str, error: &ReadError) -> Status {
    let named = ("operation_id", operation_id.to_owned());
    match error {
        ReadError::NotFound => operation_not_found(operation_id),
        ReadError::Future { last } => {
            let message = format!("operation {operation_id} has {last} records; there is no later one yet");
            status(
                Code::OutOfRange,
                message,
                reasons::SEQUENCE_IN_FUTURE,
                &[named, ("last_sequence", last.to_string())],
            )
        }
        ReadError::Compacted { oldest } => {
            let message = format!("the records of operation {operation_id} before {oldest} are no longer kept");
            status(
                Code::OutOfRange,
                message,
                reasons::COMPACTED,
                &[named, ("oldest_sequence", oldest.to_string())],
            )
        }
        ReadError::Damaged { revision } => {
            let message = format!("a record of operation {operation_id} is damaged and not served");
            status(
                Code::DataLoss,
                message,
                reasons::RECORD_DAMAGED,
                &[named, ("revision", revision.to_string())],
            )
        }
        ReadError::Failed(failed) => store(failed),
    }
}

/// Why events cannot be watched from a revision, or no further.
pub fn watch(error: &ReadError) -> Status {
    match error {
        ReadError::Future { last } => status(
            Code::OutOfRange,
            format!("the last revision of the journal is {last}; there is no later one yet"),
            reasons::REVISION_IN_FUTURE,
            &[("last_revision", last.to_string())],
        ),
        ReadError::Compacted { oldest } => status(
            Code::OutOfRange,
            format!("what was before revision {oldest} is no longer kept; begin with a snapshot"),
            reasons::REVISION_COMPACTED,
            &[("oldest_revision", oldest.to_string())],
        ),
        ReadError::Damaged { revision } => status(
            Code::DataLoss,
            format!("revision {revision} of the journal is damaged and not served"),
            reasons::RECORD_DAMAGED,
            &[("revision", revision.to_string())],
        ),
        ReadError::Failed(failed) => store(failed),
        ReadError::NotFound => internal("a watch of events named an operation"),
    }
}

/// A kind of object in words.
pub fn noun(kind: v1::ObjectKind) -> String {
    let name = kind.as_str_name();
    name.trim_start_matches("OBJECT_KIND_").to_lowercase().replace('_', " ")
}

/// There is no such object in a cluster.
pub fn object_not_found(kind: &str, object: &str, cluster: &str) -> Status {
    let (object, cluster) = (excerpt(object), excerpt(cluster));
    let message = if cluster.is_empty() {
        format!("the cluster of this host has no {kind} {object:?}")
    } else {
        format!("cluster {cluster:?} has no {kind} {object:?}")
    };
    let metadata = [
        ("kind", kind.to_owned()),
        ("object", object.to_owned()),
        ("cluster", cluster.to_owned()),
    ];
    status(Code::NotFound, message, reasons::OBJECT_NOT_FOUND, &metadata)
}

/// Why nothing can be told of a cluster.
pub fn resolve(error: &ResolveError) -> Status {
    match error {
        ResolveError::Cluster { cluster, source } => {
            let cluster = excerpt(cluster);
            let what = if cluster.is_empty() {
                "the cluster of this host".into()
            } else {
                format!("cluster {cluster:?}")
            };
            cluster_api(&what, source)
        }
        ResolveError::TimedOut { cluster, limit } => {
            deadline(&format!("the read of cluster {:?}", excerpt(cluster)), *limit)
        }
        ResolveError::TooMany { limit } => status(
            Code::ResourceExhausted,
            format!("{limit} clusters are observed, and no more may be"),
            reasons::TOO_MANY_CLUSTERS,
            &[("limit", limit.to_string())],
        ),
        ResolveError::Blocking(error) => blocking(error),
        ResolveError::ShuttingDown => shutting_down(),
    }
}

/// A cluster cannot be watched, because the daemon observes none.
pub fn not_observed(cluster: &str) -> Status {
    let cluster = excerpt(cluster);
    status(
        Code::FailedPrecondition,
        format!("cluster {cluster:?} cannot be watched: this daemon observes no clusters"),
        reasons::NOT_OBSERVED,
        &[("cluster", cluster.into())],
    )
}

/// Why operations cannot be listed. Which one it is about is not known.
pub fn list(error: &ReadError) -> Status {
    match error {
        ReadError::Damaged { revision } => status(
            Code::DataLoss,
            format!("the operations cannot be listed: record {revision} of the journal is damaged and not served"),
            reasons::RECORD_DAMAGED,
            &[("revision", revision.to_string())],
        ),
        ReadError::Failed(failed) => store(failed),
        ReadError::NotFound | ReadError::Future { .. } | ReadError::Compacted { .. } => {
            internal("a list of operations named one")
        }
    }
}

/// There is no such workload.
pub fn workload_not_found(workload: &str) -> Status {
    let workload = excerpt(workload);
    status(
        Code::NotFound,
        format!("no agent is attached to workload {workload:?}, and no open resource of this host names it"),
        reasons::WORKLOAD_NOT_FOUND,
        &[("workload", workload.into())],
    )
}

/// Why an agent is not attached to a workload.
pub fn attach(workload: &str, error: &AttachError) -> Status {
    let workload = excerpt(workload);
    let named = ("workload", workload.to_owned());
    match error {
        AttachError::Taken { agent } => status(
            Code::AlreadyExists,
            format!("agent {agent:?} holds workload {workload:?}"),
            reasons::WORKLOAD_TAKEN,
            &[named, ("agent", agent.clone())],
        ),
        AttachError::LeaseUnknown => status(
            Code::NotFound,
            format!("the lease of workload {workload:?} has run out or was never given; attach without one"),
            reasons::LEASE_UNKNOWN,
            &[named],
        ),
        AttachError::Stopping => shutting_down(),
    }
}

/// A read that did not run.
pub fn blocking(error: &BlockingError) -> Status {
    match error {
        BlockingError::Spawn(_) => status(Code::Unavailable, chain(error), reasons::OVERLOADED, &[]),
        BlockingError::Panicked => internal("a read of the cluster API panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::start::StartError;

    #[test]
    fn every_status_carries_one_error_info_of_our_domain() {
        for status in [
            shutting_down(),
            page_token_invalid(),
            store_replaced("s"),
            internal("x"),
            read("o", &ReadError::NotFound),
            read("o", &ReadError::Future { last: 3 }),
            read("o", &ReadError::Compacted { oldest: 3 }),
            read("o", &ReadError::Damaged { revision: 3 }),
            read("o", &ReadError::Failed(StoreFailed::Stopped)),
            list(&ReadError::Damaged { revision: 3 }),
            list(&ReadError::NotFound),
            watch(&ReadError::Future { last: 3 }),
            watch(&ReadError::Compacted { oldest: 3 }),
            watch(&ReadError::Damaged { revision: 3 }),
            watch(&ReadError::Failed(StoreFailed::Stopped)),
            watch(&ReadError::NotFound),
            object_not_found("group", "SQL", "CL1"),
            resolve(&ResolveError::TooMany { limit: 3 }),
            not_observed("CL1"),
            resolve(&ResolveError::ShuttingDown),
            start(&StartError::ShuttingDown),
            start(&StartError::Busy {
                operation_id: "o".into(),
            }),
            start(&StartError::Unsupported {
                function: "CreateCluster",
            }),
            start(&StartError::Invalid(vec![FieldViolation {
                field: "f".into(),
                description: "d".into(),
            }])),
        ] {
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.domain, ERROR_DOMAIN);
            assert!(
                reasons::ALL.iter().any(|reason| reason.name == info.reason),
                "{}",
                info.reason
            );
        }
    }

    #[test]
    fn field_errors_are_a_bad_request_with_the_path() {
        let status = invalid(&[FieldViolation {
            field: "cluster.nodes[1]".into(),
            description: "is required".into(),
        }]);
        assert_eq!(status.code(), Code::InvalidArgument);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "cluster.nodes[1]");
    }

    /// Everything that a client is sent as headers, as HTTP/2 counts them (RFC 9113, section 6.5.2).
    fn header_bytes(status: Status) -> usize {
        let response: http::Response<()> = status.into_http();
        let headers = response.headers().iter();
        headers
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum()
    }

    #[test]
    fn the_worst_request_gets_an_error_that_fits_into_the_headers_of_every_client() {
        let violation = |index: usize| FieldViolation {
            field: format!("cluster.ip_addresses[{index}].address"),
            description: format!("{:?} is no IPv4 or IPv6 address", excerpt(&"\u{10ffff}".repeat(60_000))),
        };
        let violations: Vec<_> = (0..1_000).map(violation).collect();
        let status = invalid(&violations);
        assert!(status.message().starts_with("1000 fields are refused"), "{status:?}");
        let named = status.get_details_bad_request().unwrap().field_violations;
        assert!((1..=FIELDS).contains(&named.len()), "{named:?}");
        let bytes = header_bytes(status);
        assert!(bytes < 8_192, "{bytes} bytes");

        for id in ["a", "ä", "\0", "\u{10ffff}"] {
            let bytes = header_bytes(operation_not_found(&id.repeat(200_000)));
            assert!(bytes < 8_192, "{bytes} bytes");
        }
    }

    #[test]
    fn sixteen_fields_are_named_and_the_rest_counted() {
        let violations = |count| -> Vec<_> {
            let violation = |index| FieldViolation {
                field: format!("cluster.nodes[{index}]"),
                description: "is required".into(),
            };
            (0..count).map(violation).collect()
        };
        let named = |status: &Status| status.get_details_bad_request().unwrap().field_violations.len();
        let all = invalid(&violations(16));
        assert_eq!(named(&all), 16);
        assert_eq!(
            all.message(),
            "16 fields are refused: first, cluster.nodes[0] is required"
        );
        let some = invalid(&violations(64));
        assert_eq!(named(&some), 16);
        assert!(some.message().contains("48 more than are named"), "{some:?}");
        assert_eq!(invalid(&violations(1)).message(), "cluster.nodes[0] is required");
    }

    #[test]
    fn future_positions_name_the_last_one() {
        let status = read("o", &ReadError::Future { last: 7 });
        assert_eq!(status.get_details_error_info().unwrap().metadata["last_sequence"], "7");
    }
}

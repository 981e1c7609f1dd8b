//! What can go wrong between a client and a daemon.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use wsfc_proto::ERROR_DOMAIN;

use crate::reason::Reason;

/// An error of a call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option or a field cannot be used, and nothing was sent.
    #[error("{field}: {problem}")]
    Invalid {
        /// The option or the field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The request holds a secret, an endpoint is plain TCP, and nothing of the request was sent: whoever has the port, as any
    /// program of the host may while the daemon is down, or is on the way would have got the secret.
    #[error(
        "{method} is not sent: its {field} would go over plain TCP to {endpoint}, where others can be in the daemon's place"
    )]
    SecretInPlain {
        /// The method that was called.
        method: &'static str,
        /// The field with the secret.
        field: &'static str,
        /// The endpoint. See [`secrets_in_plain`](crate::ConnectOptions::secrets_in_plain).
        endpoint: String,
    },
    /// No endpoint could be connected to.
    #[error("cannot connect to {}", endpoints(failures))]
    Connect {
        /// What each endpoint said, in the order in which they were tried.
        failures: Vec<ConnectFailure>,
    },
    /// The connection broke, or what answered was not the daemon. Whether the request was carried out is not known.
    #[error("the connection failed during {method}")]
    Disconnected {
        /// The method that was called.
        method: &'static str,
        /// What the transport said.
        #[source]
        status: Status,
    },
    /// The daemon rejected the request.
    #[error("{method} was rejected")]
    Rejected {
        /// The method that was called.
        method: &'static str,
        /// Why.
        #[source]
        rejection: Box<Rejection>,
    },
    /// No answer came in time, repeated attempts included.
    #[error("no answer to {method} within {}", seconds(*.after))]
    TimedOut {
        /// The method that was called.
        method: &'static str,
        /// How long the client waited.
        after: Duration,
        /// What the last attempt failed with, if there was one.
        #[source]
        last: Option<Box<Error>>,
    },
    /// Records of an operation are missing: the daemon broke its promise.
    #[error("operation {operation_id}: record {expected} is missing, the next one is {received}")]
    Gap {
        /// The operation.
        operation_id: String,
        /// The sequence number that was due.
        expected: u64,
        /// The sequence number that came, or that the daemon said it had delivered.
        received: u64,
    },
    /// The daemon answers from another journal than the one that the records so far came from.
    #[error(
        "operation {operation_id}: its records came from store {expected}, and the daemon now has store {received}"
    )]
    StoreChanged {
        /// The operation.
        operation_id: String,
        /// The store of the records so far.
        expected: String,
        /// The store that the daemon has now.
        received: String,
    },
    /// The daemon sends events of another journal than the one that a watch began with.
    #[error("the events came from store {expected}, and the daemon now has store {received}")]
    WatchStoreChanged {
        /// The store of the events so far.
        expected: String,
        /// The store that the daemon has now.
        received: String,
    },
    /// The daemon took a workload away from its agent, and the agent is not to come back by itself.
    #[error("the workload is no longer this agent's: {message}")]
    Detached {
        /// What the daemon said.
        message: String,
    },
    /// The daemon wants a certificate of everybody: no join token waits there, so the one at hand was used or revoked, or its
    /// time is over.
    #[error(
        "{endpoint} lets in only who shows a certificate, so no join token waits there: this one was used or revoked, or its time is over"
    )]
    NotAwaited {
        /// The endpoint.
        endpoint: String,
    },
    /// An answer lacks what the contract promises.
    #[error("malformed answer to {method}: {problem}")]
    Malformed {
        /// The method that was called.
        method: &'static str,
        /// What is wrong with the answer.
        problem: &'static str,
    },
}

/// What came of one endpoint.
#[derive(Debug)]
pub struct ConnectFailure {
    /// The endpoint.
    pub endpoint: String,
    /// What went wrong; its sources name the cause.
    pub error: Box<dyn std::error::Error + Send + Sync>,
}

/// What the daemon said when it rejected a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The gRPC code.
    pub code: Code,
    /// A text for people; may change, never to be parsed.
    pub message: String,
    /// The native code behind the rejection, when there is one.
    pub native: Option<NativeError>,
    /// The fields of the request that are wrong.
    pub fields: Vec<FieldViolation>,
    /// Every variable of the message, for example `operation_id` or `last_sequence`.
    pub metadata: BTreeMap<String, String>,
    /// When the daemon asks to be called again, if it does.
    pub retry_delay: Option<Duration>,
    /// The status as it came.
    pub status: Status,
}

/// A failed call of the cluster API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeError {
    /// The Win32 code, for example 5065.
    pub code: u32,
    /// Its symbolic name; empty when the code has no known one.
    pub name: String,
    /// The function that failed; empty when the daemon did not say.
    pub function: String,
}

/// A field of a request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The path of the field, for example `cluster.nodes[1]`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Error {
    /// Reads the status that `method` ended with, as every call of this library does; for those who call the generated
    /// clients of the contract themselves.
    pub fn from_status(method: &'static str, status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == ERROR_DOMAIN);
        if info.is_none() && is_transport(&status) {
            return Self::Disconnected { method, status };
        }
        let reason = info.map_or(Reason::Unexplained, |info| Reason::from_name(&info.reason));
        let metadata: BTreeMap<_, _> = info
            .map(|info| info.metadata.clone().into_iter().collect())
            .unwrap_or_default();
        let value = |key: &str| metadata.get(key).cloned().unwrap_or_default();
        let native = metadata
            .get("win32_code")
            .and_then(|code| code.parse().ok())
            .map(|code| NativeError {
                code,
                name: value("win32_name"),
                function: value("function"),
            });
        let fields = details
            .bad_request()
            .map(|request| request.field_violations.as_slice())
            .unwrap_or_default();
        let fields = fields
            .iter()
            .map(|violation| FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            })
            .collect();
        let rejection = Rejection {
            reason,
            code: status.code(),
            message: status.message().to_owned(),
            native,
            fields,
            metadata,
            retry_delay: details.retry_info().and_then(|info| info.retry_delay),
            status,
        };
        Self::Rejected {
            method,
            rejection: Box::new(rejection),
        }
    }

    /// True when the same call can succeed later without anybody doing anything: the daemon could not be reached, the
    /// connection broke, the daemon is stopping or overloaded, or it said when to call again.
    ///
    /// Whether it may be repeated is another question; reads may, and so may starts, which carry a request id.
    pub fn is_retryable(&self) -> bool {
        self.is_passing() || self.retry_delay().is_some()
    }

    /// True for the errors that this library outlasts by itself: those of the daemon and the way to it. A cluster that
    /// does not answer is an answer; whoever asked decides how long to go on asking.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Disconnected { .. } | Self::TimedOut { .. } => true,
            Self::Rejected { rejection, .. } => {
                // A daemon whose journal failed ends, and comes back with what was durable.
                matches!(
                    rejection.reason,
                    Reason::ShuttingDown
                        | Reason::StoreFailed
                        | Reason::Overloaded
                        | Reason::RateLimited
                        | Reason::TooMuchUnread
                )
            }
            Self::Invalid { .. }
            | Self::SecretInPlain { .. }
            | Self::Gap { .. }
            | Self::StoreChanged { .. }
            | Self::WatchStoreChanged { .. }
            | Self::Detached { .. }
            | Self::NotAwaited { .. }
            | Self::Malformed { .. } => false,
        }
    }

    /// True when only the pace of the caller was refused, or how much it has open, so that the connection is as good as before.
    pub(crate) fn is_pace(&self) -> bool {
        matches!(self, Self::Rejected { rejection, .. }
            if matches!(rejection.reason, Reason::RateLimited | Reason::TooMuchUnread))
    }

    /// The status of a refusal because the token that was shown is over.
    pub(crate) fn expired_token(&self) -> Option<&Status> {
        match self {
            Self::Rejected { rejection, .. } if rejection.reason == Reason::TokenExpired => Some(&rejection.status),
            _ => None,
        }
    }

    /// What the daemon said, when it rejected the request.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected { rejection, .. } => Some(rejection),
            Self::TimedOut { last: Some(last), .. } => last.rejection(),
            _ => None,
        }
    }

    /// The reason of the rejection, when the daemon rejected the request.
    pub fn reason(&self) -> Option<&Reason> {
        self.rejection().map(|rejection| &rejection.reason)
    }

    /// When the daemon asks to be called again.
    pub(crate) fn retry_delay(&self) -> Option<Duration> {
        self.rejection().and_then(|rejection| rejection.retry_delay)
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.message, self.reason)
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.status)
    }
}

/// True for a status that the daemon's own code did not make. The daemon gives every error an ErrorInfo, so these are
/// asked about only without one. h2's protocol errors come as INTERNAL or RESOURCE_EXHAUSTED with a source; without one
/// those codes mean that a message could not be read, and asking again would not help.
fn is_transport(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => true,
        Code::Internal | Code::ResourceExhausted => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

fn endpoints(failures: &[ConnectFailure]) -> String {
    let names: Vec<_> = failures.iter().map(|failure| failure.endpoint.as_str()).collect();
    names.join(", ")
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use tonic_types::ErrorDetails;

    use super::*;

    fn native_status() -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(
            "ERROR_CLUSTER_NODE_ALREADY_MEMBER",
            ERROR_DOMAIN,
            [
                ("win32_code", "5065"),
                ("win32_name", "ERROR_CLUSTER_NODE_ALREADY_MEMBER"),
                ("function", "AddClusterNode"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        Status::with_error_details(Code::AlreadyExists, "n1 is a member already", details)
    }

    #[test]
    fn a_native_code_is_read_from_the_metadata() {
        let error = Error::from_status("AddNode", native_status());
        let rejection = error.rejection().unwrap();
        assert_eq!(
            rejection.reason,
            Reason::Other("ERROR_CLUSTER_NODE_ALREADY_MEMBER".to_owned())
        );
        let native = rejection.native.as_ref().unwrap();
        assert_eq!((native.code, native.function.as_str()), (5065, "AddClusterNode"));
        assert!(!error.is_retryable());
        assert_eq!(error.to_string(), "AddNode was rejected");
        assert_eq!(
            error.source().unwrap().to_string(),
            "n1 is a member already [ERROR_CLUSTER_NODE_ALREADY_MEMBER]"
        );
        assert!(
            error
                .source()
                .unwrap()
                .source()
                .unwrap()
                .downcast_ref::<Status>()
                .is_some()
        );
    }

    #[test]
    fn field_errors_keep_their_paths() {
        let mut details = ErrorDetails::new();
        details.set_error_info("INVALID_FIELD", ERROR_DOMAIN, []);
        details.add_bad_request_violation("cluster.nodes[1]", "is named twice");
        let status = Status::with_error_details(Code::InvalidArgument, "bad request", details);
        let error = Error::from_status("CreateCluster", status);
        assert_eq!(error.reason(), Some(&Reason::InvalidField));
        assert_eq!(
            error.rejection().unwrap().fields,
            [FieldViolation {
                field: "cluster.nodes[1]".to_owned(),
                description: "is named twice".to_owned()
            }]
        );
    }

    #[test]
    fn only_what_passes_by_itself_is_retryable() {
        let with = |reason: &str, code| {
            let mut details = ErrorDetails::new();
            details.set_error_info(reason, ERROR_DOMAIN, []);
            Error::from_status("WatchOperation", Status::with_error_details(code, "", details)).is_retryable()
        };
        assert!(with("SHUTTING_DOWN", Code::Unavailable));
        assert!(with("OVERLOADED", Code::ResourceExhausted));
        assert!(with("STORE_FAILED", Code::Unavailable));
        assert!(!with("RPC_S_SERVER_UNAVAILABLE", Code::Unavailable));
        assert!(!with("STORE_REPLACED", Code::FailedPrecondition));
        assert!(!with("COMPACTED", Code::OutOfRange));
        assert!(!with("OPERATION_NOT_FOUND", Code::NotFound));
        assert!(Error::from_status("WatchOperation", Status::unknown("truncated")).is_retryable());
        assert!(!Error::from_status("WatchOperation", Status::internal("cannot decode")).is_retryable());
        assert!(!Error::from_status("WatchOperation", Status::permission_denied("no")).is_retryable());
        assert!(!Error::from_status("WatchOperation", Status::unimplemented("no such method")).is_retryable());
    }

    #[test]
    fn the_status_behind_a_lost_connection_can_be_asked_for() {
        let error = Error::from_status("WatchOperation", Status::unknown("truncated"));
        assert_eq!(
            error.source().unwrap().downcast_ref::<Status>().unwrap().message(),
            "truncated"
        );
    }

    #[test]
    fn a_cluster_that_does_not_answer_is_an_answer() {
        let mut details = ErrorDetails::new();
        details.set_error_info("RPC_S_SERVER_UNAVAILABLE", ERROR_DOMAIN, []);
        details.set_retry_info(Some(Duration::from_secs(5)));
        let status = Status::with_error_details(Code::Unavailable, "", details);
        let error = Error::from_status("GetCluster", status);
        assert!(error.is_retryable());
        assert!(!error.is_passing());
    }

    #[test]
    fn who_has_too_much_open_waits_on_the_same_connection() {
        let with = |reason: &str| {
            let mut details = ErrorDetails::new();
            details.set_error_info(reason, ERROR_DOMAIN, []);
            let status = Status::with_error_details(Code::ResourceExhausted, "", details);
            Error::from_status("Watch", status)
        };
        for reason in ["RATE_LIMITED", "TOO_MUCH_UNREAD"] {
            let error = with(reason);
            assert!(error.is_passing() && error.is_pace(), "{reason}");
        }
        assert!(!with("TOO_MANY_WAITING").is_pace());
    }

    #[test]
    fn the_info_of_another_domain_is_no_reason() {
        let mut details = ErrorDetails::new();
        details.set_error_info("QUOTA", "proxy.example", []);
        let status = Status::with_error_details(Code::PermissionDenied, "no", details);
        assert_eq!(
            Error::from_status("GetCluster", status).reason(),
            Some(&Reason::Unexplained)
        );
    }
}

//! The reasons of errors as a Rust type.

use wsfc_proto::reasons;

macro_rules! reason {
    ($($variant:ident = $constant:ident,)*) => {
        /// Why the daemon rejected a request, or how an operation failed: the `reason` of its `google.rpc.ErrorInfo`.
        ///
        /// Reasons that come from a native code are that code's symbolic name and arrive as [`Reason::Other`], for
        /// example `ERROR_CLUSTER_NODE_ALREADY_MEMBER`.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $(
                #[doc = concat!("See [`", stringify!($constant), "`](wsfc_proto::reasons::", stringify!($constant), ").")]
                $variant,
            )*
            /// The name of a native code, or a reason of a newer daemon.
            Other(String),
            /// The answer named no reason: it came from something between client and daemon, or from the daemon's
            /// transport, for example because the daemon does not know the method.
            Unexplained,
        }

        impl Reason {
            /// Reads a reason as it is written on the wire; an empty one is [`Reason::Unexplained`].
            pub fn from_name(name: &str) -> Self {
                match name {
                    $(reasons::$constant => Self::$variant,)*
                    "" => Self::Unexplained,
                    other => Self::Other(other.to_owned()),
                }
            }

            /// The reason as it is written on the wire; empty for [`Reason::Unexplained`].
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => reasons::$constant,)*
                    Self::Other(name) => name,
                    Self::Unexplained => "",
                }
            }
        }
    };
}

reason! {
    CredentialsRequired = CREDENTIALS_REQUIRED,
    CertificateRevoked = CERTIFICATE_REVOKED,
    CertificateExpired = CERTIFICATE_EXPIRED,
    TokenInvalid = TOKEN_INVALID,
    TokenExpired = TOKEN_EXPIRED,
    PermissionMissing = PERMISSION_MISSING,
    AuthorityAbsent = AUTHORITY_ABSENT,
    TooManyTries = TOO_MANY_TRIES,
    CertificateForeign = CERTIFICATE_FOREIGN,
    RenewedTooOften = RENEWED_TOO_OFTEN,
    IdentityInUse = IDENTITY_IN_USE,
    RegisterFull = REGISTER_FULL,
    TokenNotFound = TOKEN_NOT_FOUND,
    IdentityNotFound = IDENTITY_NOT_FOUND,
    BindingNotFound = BINDING_NOT_FOUND,
    InvalidField = INVALID_FIELD,
    PageTokenInvalid = PAGE_TOKEN_INVALID,
    RequestIdReused = REQUEST_ID_REUSED,
    ClusterBusy = CLUSTER_BUSY,
    TooManyWaiting = TOO_MANY_WAITING,
    OperationNotFound = OPERATION_NOT_FOUND,
    OperationEnded = OPERATION_ENDED,
    SequenceInFuture = SEQUENCE_IN_FUTURE,
    Compacted = COMPACTED,
    StoreReplaced = STORE_REPLACED,
    StoreFailed = STORE_FAILED,
    AuditUnavailable = AUDIT_UNAVAILABLE,
    RecordDamaged = RECORD_DAMAGED,
    ShuttingDown = SHUTTING_DOWN,
    FunctionUnavailable = FUNCTION_UNAVAILABLE,
    OperationInterrupted = OPERATION_INTERRUPTED,
    CredentialsLost = CREDENTIALS_LOST,
    OperationCancelled = OPERATION_CANCELLED,
    SetupIncomplete = SETUP_INCOMPLETE,
    MessageTooLarge = MESSAGE_TOO_LARGE,
    RequestMalformed = REQUEST_MALFORMED,
    RequestUnknown = REQUEST_UNKNOWN,
    TimedOut = TIMED_OUT,
    Overloaded = OVERLOADED,
    ObjectNotFound = OBJECT_NOT_FOUND,
    RevisionCompacted = REVISION_COMPACTED,
    RevisionInFuture = REVISION_IN_FUTURE,
    TooManyClusters = TOO_MANY_CLUSTERS,
    NotObserved = NOT_OBSERVED,
    RevisionConflict = REVISION_CONFLICT,
    QuorumAtRisk = QUORUM_AT_RISK,
    WorkloadNotFound = WORKLOAD_NOT_FOUND,
    WorkloadTaken = WORKLOAD_TAKEN,
    LeaseUnknown = LEASE_UNKNOWN,
    RateLimited = RATE_LIMITED,
    TooMuchUnread = TOO_MUCH_UNREAD,
    RequestLate = REQUEST_LATE,
    Internal = INTERNAL,
}

impl Reason {
    /// What the caller does about it; `None` for reasons that are not the daemon's own.
    pub fn user_action(&self) -> Option<&'static str> {
        reasons::ALL
            .iter()
            .find(|reason| reason.name == self.name())
            .map(|reason| reason.user_action)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unexplained => "no reason given",
            other => other.name(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_contract_has_a_variant_and_an_action() {
        for reason in reasons::ALL {
            let read = Reason::from_name(reason.name);
            assert!(
                !matches!(read, Reason::Other(_) | Reason::Unexplained),
                "{} has no variant",
                reason.name
            );
            assert_eq!(read.name(), reason.name);
            assert_eq!(read.user_action(), Some(reason.user_action));
        }
    }

    #[test]
    fn native_names_pass_through() {
        let read = Reason::from_name("ERROR_CLUSTER_NODE_ALREADY_MEMBER");
        assert_eq!(read, Reason::Other("ERROR_CLUSTER_NODE_ALREADY_MEMBER".to_owned()));
        assert_eq!(read.name(), "ERROR_CLUSTER_NODE_ALREADY_MEMBER");
        assert_eq!(read.user_action(), None);
        assert_eq!(Reason::from_name(""), Reason::Unexplained);
    }
}

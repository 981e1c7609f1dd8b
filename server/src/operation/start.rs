//! A request to start an operation: what it says, what makes it the same request, and why it is refused.

use std::time::Duration;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use wsfc_proto::v1;

use super::call::{Call as _, Parameters};
use super::fold::IllegalRecord;
use super::schedule::Refused;
use super::validate::FieldViolation;
use crate::access::policy::Reach;
use crate::blocking::BlockingError;
use crate::journal::{AcceptError, RequestKey, StoreFailed};

/// A request to start an operation.
#[derive(Debug)]
pub struct Start {
    /// The call and its parameters.
    pub call: Parameters,
    /// The account to act as in the directory.
    pub credentials: Option<v1::Credentials>,
    /// SetQuorum: what opens a cloud witness.
    pub witness_secret: Option<v1::WitnessSecret>,
    /// How it is started.
    pub options: v1::StartOptions,
    /// AddNode: the shortest time since a CreateCluster; absent: the daemon's setting.
    pub settle_time: Option<prost_types::Duration>,
    /// Who asks.
    pub principal: String,
    /// Where who asks may do so.
    pub reach: Reach,
}

/// The answer to a start.
#[derive(Debug)]
pub enum Started {
    /// The operation, new or found by its request id.
    Operation(Uuid),
    /// Nothing would be refused; nothing was started.
    Validated(v1::ValidationReport),
}

/// Why a start was refused. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Fields that cannot be.
    #[error("the request is not valid")]
    Invalid(Vec<FieldViolation>),
    /// The request id belongs to another request.
    #[error("request id {request_id} was used for another request")]
    RequestIdReused {
        /// The request id.
        request_id: String,
        /// The operation that it belongs to.
        operation_id: Uuid,
    },
    /// The caller would not wait for another operation.
    #[error("operation {operation_id} holds the cluster or one of its nodes")]
    Busy {
        /// The operation in the way.
        operation_id: String,
    },
    /// As many operations of the caller wait as may.
    #[error("{waiting} operations of the caller wait already, and operation {operation_id} is in the way of this one")]
    TooManyWaiting {
        /// The operation in the way.
        operation_id: String,
        /// How many wait.
        waiting: usize,
    },
    /// The cluster API refused.
    #[error("cluster {cluster:?} cannot be used")]
    Cluster {
        /// The cluster as requested.
        cluster: String,
        /// What the cluster API said.
        #[source]
        source: wsfc_clusapi::Error,
    },
    /// The cluster that the name leads to is none where the caller may do this.
    #[error("cluster {cluster:?} is out of the caller's reach")]
    OutOfReach {
        /// The permission that is missing there.
        permission: v1::Permission,
        /// The cluster as requested.
        cluster: String,
    },
    /// The cluster has no such object.
    #[error("the cluster has no {} {name:?}", kind.as_str_name())]
    NoObject {
        /// The kind of the object.
        kind: v1::ObjectKind,
        /// The name or id as requested.
        name: String,
        /// The cluster as requested.
        cluster: String,
    },
    /// The object is not as the caller has seen it.
    #[error("the object has revision {found}, not {expected}")]
    RevisionConflict {
        /// The revision that the caller has seen.
        expected: u64,
        /// The revision that it has.
        found: u64,
    },
    /// A check found that the call would be refused.
    #[error("the call would be refused: {message}")]
    Foreseen {
        /// The reason, in UPPER_SNAKE_CASE.
        reason: String,
        /// Why, for people.
        message: String,
        /// The native code, if there is one.
        code: Option<u32>,
    },
    /// The host's Windows lacks the call.
    #[error("the cluster API of this host has no {function}")]
    Unsupported {
        /// The function.
        function: &'static str,
    },
    /// The journal takes nothing new.
    #[error("the journal cannot be written")]
    Store(#[source] StoreFailed),
    /// The cluster did not answer in time.
    #[error("cluster {cluster:?} did not answer within {}", humantime::format_duration(*limit))]
    TimedOut {
        /// The cluster as requested.
        cluster: String,
        /// How long it was given.
        limit: Duration,
    },
    /// A new id was not new, which is a defect.
    #[error("the new operation's id {operation_id} is taken")]
    IdTaken {
        /// The id.
        operation_id: Uuid,
    },
    /// The first record does not fit, which is a defect.
    #[error("the operation's first record does not fit")]
    Illegal(#[source] IllegalRecord),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    ShuttingDown,
    /// A defect, or a system out of threads.
    #[error("the daemon could not look at the cluster")]
    Blocking(#[from] BlockingError),
}

/// What a start is about, as the cluster itself says.
pub(super) struct Resolved {
    /// The cluster's own name.
    pub(super) cluster: String,
    /// The object, by its own name.
    pub(super) target: String,
    /// The hosts that the call configures.
    pub(super) hosts: Vec<String>,
}

impl Start {
    /// What makes a request the same request: who asks, for what, by which id. The password is not part of it, so that
    /// no trace of it is stored.
    pub(super) fn key(&self) -> Option<RequestKey> {
        // Validated on the way in; the parsed form makes every spelling of a UUID the same one.
        let request_id = Uuid::try_parse(&self.options.request_id).ok()?;
        let parameters = v1::OperationParameters {
            parameters: Some(self.call.clone()),
        };
        let mut hash = Sha256::new();
        hash.update(parameters.encode_length_delimited_to_vec());
        if let Some(settle) = &self.settle_time {
            hash.update(settle.encode_length_delimited_to_vec());
        }
        if self.witness_secret.is_some() {
            hash.update(b"witness_secret");
        }
        if let Some(credentials) = &self.credentials {
            let named = v1::Credentials {
                user_name: credentials.user_name.clone(),
                password: String::new(),
                domain: credentials.domain.clone(),
            };
            hash.update(named.encode_length_delimited_to_vec());
        }
        Some(RequestKey {
            principal: self.principal.clone(),
            method: self.call.kind().as_str_name().into(),
            request_id: request_id.to_string(),
            payload_hash: hash.finalize().into(),
        })
    }
}

impl StartError {
    /// Why the journal did not accept an operation.
    pub(super) fn not_accepted(error: AcceptError, request_id: &str) -> Self {
        match error {
            AcceptError::RequestIdReused { operation_id } => Self::RequestIdReused {
                request_id: request_id.into(),
                operation_id,
            },
            AcceptError::OperationExists { operation_id } => Self::IdTaken { operation_id },
            AcceptError::Illegal(error) => Self::Illegal(error),
            AcceptError::Failed(failed) => Self::Store(failed),
        }
    }
}

impl From<Refused> for StartError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy { operation_id } => Self::Busy { operation_id },
            Refused::TooManyWaiting { operation_id, waiting } => Self::TooManyWaiting { operation_id, waiting },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(request_id: &str, password: &str) -> Start {
        Start {
            call: Parameters::RepairNameAccount(v1::RepairNameAccountParameters { cluster: "CL1".into() }),
            credentials: Some(v1::Credentials {
                user_name: "u".into(),
                password: password.into(),
                domain: "d".into(),
            }),
            options: v1::StartOptions {
                request_id: request_id.into(),
                ..Default::default()
            },
            witness_secret: None,
            settle_time: None,
            principal: "local".into(),
            reach: Reach::everywhere(),
        }
    }

    #[test]
    fn every_spelling_of_a_request_id_is_the_same_and_the_password_leaves_no_trace() {
        let id = "0190A7C2-0000-7000-8000-0000000000AA";
        let plain = start(id, "one").key();
        assert!(plain.is_some());
        assert_eq!(start(&id.to_lowercase().replace('-', ""), "two").key(), plain);
        assert_eq!(start("", "one").key(), None);
    }
}

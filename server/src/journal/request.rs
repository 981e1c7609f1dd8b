//! What the writer is asked to do, and how it answers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use tokio::sync::oneshot;
use uuid::Uuid;
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;

use super::store::StoreError;
use crate::operation::fold::IllegalRecord;

/// An operation to begin.
#[derive(Clone, Debug)]
pub struct NewOperation {
    /// Its id, never used before: from [`Entropy::uuid`](crate::platform::Entropy::uuid).
    pub operation_id: Uuid,
    /// Its first record.
    pub accepted: v1::OperationAccepted,
    /// The request that starts it, if the caller gave a request id.
    pub request: Option<RequestKey>,
    /// Its second record, when it is known to wait from the beginning.
    pub first_pending: Option<v1::OperationPending>,
}

/// A request that must have its effect once only (promise P9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Who asks, as in `Operation.principal`.
    pub principal: String,
    /// The method that is called.
    pub method: String,
    /// The id that the caller gave.
    pub request_id: String,
    /// The SHA-256 of what the caller asked for.
    pub payload_hash: [u8; 32],
}

/// An accepted operation, durable.
#[derive(Clone, Debug, PartialEq)]
pub enum AcceptOutcome {
    /// The operation is new.
    Started(Arc<v1::Operation>),
    /// The same request came before; this is its operation as it stands.
    Replayed(Arc<v1::Operation>),
}

/// Why an operation was not accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcceptError {
    /// The request id was used for another payload.
    #[error("the request id was used before for other content, by operation {operation_id}")]
    RequestIdReused {
        /// The operation that the request id belongs to.
        operation_id: Uuid,
    },
    /// The id of the operation is taken.
    #[error("an operation {operation_id} exists already")]
    OperationExists {
        /// The id.
        operation_id: Uuid,
    },
    /// Its first records do not make an operation.
    #[error(transparent)]
    Illegal(#[from] IllegalRecord),
    /// The journal takes no records any more.
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

/// A record to add to an operation, with what must become durable in the same moment.
#[derive(Clone, Debug)]
pub struct Append {
    /// The operation.
    pub operation_id: Uuid,
    /// What happened. An outcome also releases every lock of the operation.
    pub payload: Payload,
    /// Add nothing unless the operation is in this state.
    pub expect: Option<v1::OperationState>,
    /// Locks to take for the operation; all or none. One that it holds already is no obstacle.
    pub take_locks: Vec<String>,
    /// A cluster that settles, and until when.
    pub settle: Option<(String, SystemTime)>,
}

impl Append {
    /// A record without conditions, locks or settling.
    pub fn new(operation_id: Uuid, payload: Payload) -> Self {
        Self {
            operation_id,
            payload,
            expect: None,
            take_locks: Vec::new(),
            settle: None,
        }
    }
}

/// A record that was added, durable.
#[derive(Clone, Debug, PartialEq)]
pub struct Appended {
    /// The revision of the record.
    pub revision: u64,
    /// Its number in its operation.
    pub sequence: u64,
    /// The operation after it.
    pub operation: Arc<v1::Operation>,
}

/// Why a record was not added. The journal is unchanged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Another operation holds one of the locks.
    #[error("the lock {key} is held by operation {operation_id}")]
    LockHeld {
        /// The lock.
        key: String,
        /// Its holder.
        operation_id: Uuid,
    },
    /// The operation is not in the state that was expected.
    #[error("the operation is in state {}", state.as_str_name())]
    Unexpected {
        /// The state that it is in.
        state: v1::OperationState,
    },
    /// The record cannot follow the operation as it stands.
    #[error(transparent)]
    Illegal(#[from] IllegalRecord),
    /// There is no such operation.
    #[error("there is no such operation")]
    NotFound,
    /// The journal takes no records any more.
    #[error(transparent)]
    Failed(#[from] StoreFailed),
}

/// The journal takes no records any more. What is durable can still be read, from memory at least.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreFailed {
    /// The store failed to write, and must not be asked again: the system may have dropped what was to be written.
    #[error("the store of the journal failed")]
    Store {
        /// What the store said.
        #[from]
        source: Arc<StoreError>,
    },
    /// The writer was stopped.
    #[error("the journal is closed")]
    Stopped,
}

/// The answer of the writer, once what was asked for is durable or refused.
///
/// The request is in the queue already, whether or not anybody waits for the answer.
#[derive(Debug)]
#[must_use = "the answer says whether the request was carried out"]
pub struct Reply<T, E>(oneshot::Receiver<Result<T, E>>);

impl<T, E: From<StoreFailed>> Reply<T, E> {
    /// A reply, and where to send it.
    pub(super) fn channel() -> (oneshot::Sender<Result<T, E>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Waits on an OS thread for the answer. On a runtime's thread await it instead.
    ///
    /// # Errors
    ///
    /// As the request that it answers.
    pub fn wait(self) -> Result<T, E> {
        self.0
            .blocking_recv()
            .unwrap_or_else(|_| Err(StoreFailed::Stopped.into()))
    }
}

impl<T, E: From<StoreFailed>> Future for Reply<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or_else(|_| Err(StoreFailed::Stopped.into())))
    }
}

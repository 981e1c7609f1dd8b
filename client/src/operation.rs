//! A handle on an operation.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wsfc_proto::v1::{self, OperationState};

use crate::client::Client;
use crate::connect::Way;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::progress::ProgressStream;
use crate::start::{Chunk, ChunkStream};

/// How long the daemon is asked to wait at a time; a lost connection costs at most one such call.
const WAIT_ROUND: Duration = Duration::from_secs(60);

/// A handle on an operation of the daemon. Dropping it stops nothing: the operation belongs to the daemon.
pub struct Operation {
    client: Client,
    operation_id: String,
    /// The stream that the start opened; the first [`progress`](Self::progress) takes it over.
    opened: Mutex<Option<Opened>>,
}

/// The stream of a start, after its first message was read.
pub(crate) struct Opened {
    pub(crate) first: Chunk,
    pub(crate) rest: ChunkStream,
    pub(crate) way: Way,
    pub(crate) method: &'static str,
}

impl Operation {
    pub(crate) fn new(client: Client, operation_id: String, opened: Option<Opened>) -> Self {
        Self {
            client,
            operation_id,
            opened: Mutex::new(opened),
        }
    }

    /// The id of the operation.
    pub fn id(&self) -> &str {
        &self.operation_id
    }

    /// The records of the operation from the first one to the outcome, each once and in order, whatever becomes of the
    /// connection.
    pub fn progress(&self) -> ProgressStream {
        let cursor = Cursor::new(self.operation_id.clone(), 0);
        match self.take_opened() {
            Some(opened) => ProgressStream::opened(self.client.clone(), cursor, opened),
            None => ProgressStream::new(self.client.clone(), cursor),
        }
    }

    /// The records after `sequence`. `store_id` is the journal that the number was seen with
    /// ([`ProgressStream::store_id`]); with it the daemon tells when the journal is another one. Empty: not checked.
    pub fn progress_after(&self, sequence: u64, store_id: impl Into<String>) -> ProgressStream {
        let mut cursor = Cursor::new(self.operation_id.clone(), sequence);
        cursor.store_id = store_id.into();
        ProgressStream::new(self.client.clone(), cursor)
    }

    /// Waits until the operation has ended, across lost connections and restarts of the daemon, and returns its
    /// outcome.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with OPERATION_NOT_FOUND; [`Error::TimedOut`] when
    /// [`follow_timeout`](crate::ConnectOptions::follow_timeout) is set and the daemon cannot be reached for so long.
    pub async fn wait(&self) -> Result<v1::OperationOutcome, Error> {
        // Nobody reads the stream of the start while waiting.
        drop(self.take_opened());
        let budget = self
            .client
            .options()
            .follow_timeout
            .map(|patience| patience.saturating_add(WAIT_ROUND));
        loop {
            let operation = self
                .client
                .wait_within(self.operation_id.clone(), WAIT_ROUND, budget)
                .await?;
            if is_final(operation.state()) {
                return operation.outcome.ok_or(Error::Malformed {
                    method: "WaitOperation",
                    problem: "the outcome is missing",
                });
            }
        }
    }

    /// Returns the operation as it stands.
    ///
    /// # Errors
    ///
    /// As [`Client::get_operation`].
    pub async fn get(&self) -> Result<v1::Operation, Error> {
        let answer = self.client.get_operation(&self.operation_id).await?;
        answer.operation.ok_or(Error::Malformed {
            method: "GetOperation",
            problem: "the operation is missing",
        })
    }

    /// Asks that the operation be cancelled, and returns it as it then stands. It is certain to be cancelled only as
    /// long as it is PENDING; afterwards the outcome says what happened.
    ///
    /// # Errors
    ///
    /// As [`Client::cancel_operation`].
    pub async fn cancel(&self) -> Result<v1::Operation, Error> {
        self.client.cancel_operation(&self.operation_id).await
    }

    /// Lets the operation go, and returns its id to come back with.
    pub fn detach(self) -> String {
        self.operation_id
    }

    fn take_opened(&self) -> Option<Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("operation_id", &self.operation_id)
            .finish_non_exhaustive()
    }
}

/// True for the states that an operation never leaves.
fn is_final(state: OperationState) -> bool {
    match state {
        OperationState::Succeeded
        | OperationState::Failed
        | OperationState::Cancelled
        | OperationState::Interrupted => true,
        // A state of a newer daemon reads as unspecified, and is waited out.
        OperationState::Unspecified | OperationState::Pending | OperationState::Running => false,
    }
}

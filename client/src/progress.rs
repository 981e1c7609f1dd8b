//! The progress of an operation, across broken connections.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::BoxFuture;
use tonic::Status;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{GetOperationResponse, OperationRecord, WatchOperationRequest};

use crate::client::{Client, WATCH_OPERATION};
use crate::cursor::Cursor;
use crate::error::Error;
use crate::line::{Line, Loss, Signal};
use crate::operation::Opened;
use crate::start::Chunk;

/// What a progress stream has to tell.
#[derive(Debug)]
pub enum Progress {
    /// The next record.
    Record(Box<OperationRecord>),
    /// The connection is lost, or the token that the stream was opened with is over; it is tried again after a pause.
    /// The operation goes on meanwhile.
    Reconnecting {
        /// The number of the coming attempt since the connection was lost, from 1.
        attempt: u32,
        /// The pause before it.
        delay: Duration,
        /// What went wrong.
        error: Error,
    },
    /// The stream goes on after the last record that was seen.
    Resumed {
        /// That record's sequence number.
        after_sequence: u64,
    },
}

/// The records of an operation to its outcome, each once and in order.
///
/// It reconnects and resumes by itself, also across a restart of the daemon. It ends after the record with the outcome (at
/// once when it was asked for what follows that), or after its first error: one that no further attempt can mend, such as
/// OPERATION_NOT_FOUND, COMPACTED, STORE_REPLACED or [`Error::Gap`], or any once
/// [`follow_timeout`](crate::ConnectOptions::follow_timeout) has passed without a connection.
pub struct ProgressStream {
    client: Client,
    cursor: Cursor,
    line: Line<Chunk>,
    state: State,
    ready: VecDeque<Progress>,
}

enum State {
    /// Records are awaited.
    Following,
    /// The stream ended well without an outcome: has the operation ended at or before the position that was asked for?
    Asking(BoxFuture<'static, Result<GetOperationResponse, Error>>),
    /// Only this error is left to tell.
    Failing(Error),
    /// Everything was told.
    Ended,
}

impl ProgressStream {
    pub(crate) fn new(client: Client, cursor: Cursor) -> Self {
        Self {
            line: Line::new(client.clone(), WATCH_OPERATION),
            client,
            cursor,
            state: State::Following,
            ready: VecDeque::new(),
        }
    }

    pub(crate) fn opened(client: Client, mut cursor: Cursor, opened: Opened) -> Self {
        // A start that is repeated late gets the records that are still kept; its first mark says where they begin.
        if let Some(mark) = &opened.first.mark
            && opened.first.records.is_empty()
        {
            cursor.sequence = mark.sequence;
        }
        let mut stream = Self {
            line: Line::open(client.clone(), opened.method, opened.rest, opened.way),
            client,
            cursor,
            state: State::Following,
            ready: VecDeque::new(),
        };
        stream.take_in(opened.first, false);
        stream
    }

    /// The next thing to tell; `None` after the outcome or an error. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Progress, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The id of the operation.
    pub fn operation_id(&self) -> &str {
        &self.cursor.operation_id
    }

    /// The journal that the records come from; empty before the first message.
    pub fn store_id(&self) -> &str {
        &self.cursor.store_id
    }

    /// The sequence number of the last record that was received; those after it come with
    /// [`progress_after`](crate::Operation::progress_after).
    pub fn sequence(&self) -> u64 {
        self.cursor.sequence
    }

    fn asking(&self) -> State {
        let client = self.client.clone();
        let operation_id = self.cursor.operation_id.clone();
        State::Asking(Box::pin(async move { client.get_operation(operation_id).await }))
    }

    /// Takes in a message of the stream; the first one since the connection was lost when `resumed`.
    fn take_in(&mut self, chunk: Chunk, resumed: bool) {
        if resumed {
            self.ready.push_back(Progress::Resumed {
                after_sequence: self.cursor.sequence,
            });
        }
        for record in chunk.records {
            match self.cursor.advance(&record) {
                Ok(false) => {}
                Ok(true) => {
                    self.line.all_is_well();
                    let last = matches!(record.payload, Some(Payload::Outcome(_)));
                    self.ready.push_back(Progress::Record(Box::new(record)));
                    if last {
                        self.state = State::Ended;
                        return;
                    }
                }
                Err(error) => {
                    self.state = State::Failing(error);
                    return;
                }
            }
        }
        if let Some(mark) = chunk.mark
            && let Err(error) = self.cursor.check(&mark)
        {
            self.state = State::Failing(error);
        }
    }

    fn tell(&mut self, Loss { attempt, delay, error }: Loss) {
        self.ready.push_back(Progress::Reconnecting { attempt, delay, error });
    }
}

impl Stream for ProgressStream {
    type Item = Result<Progress, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(progress) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(progress)));
            }
            match &mut this.state {
                State::Following => {
                    let cursor = &this.cursor;
                    let signal = this.line.poll(cx, WATCH_OPERATION, |client, failed| {
                        let request = WatchOperationRequest {
                            operation_id: cursor.operation_id.clone(),
                            after_sequence: cursor.sequence,
                            store_id: cursor.store_id.clone(),
                        };
                        Box::pin(async move { client.records(request, failed).await })
                    });
                    match ready!(signal) {
                        Ok(Signal::Message { message, resumed }) => this.take_in(message, resumed),
                        Ok(Signal::Closed) => this.state = this.asking(),
                        Ok(Signal::Lost(loss)) => this.tell(loss),
                        Err(error) => this.state = State::Failing(error),
                    }
                }
                State::Asking(asking) => match ready!(asking.as_mut().poll(cx)) {
                    Ok(answer) if this.cursor.is_at_the_end(&answer) => this.state = State::Ended,
                    Ok(_) | Err(_) => {
                        let status = Status::unavailable("the stream ended before the outcome");
                        match this.line.lose(Error::from_status(WATCH_OPERATION, status)) {
                            Ok(loss) => {
                                this.state = State::Following;
                                this.tell(loss);
                            }
                            Err(error) => this.state = State::Failing(error),
                        }
                    }
                },
                State::Failing(_) => {
                    let State::Failing(error) = std::mem::replace(&mut this.state, State::Ended) else {
                        return Poll::Ready(None);
                    };
                    return Poll::Ready(Some(Err(error)));
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl std::fmt::Debug for ProgressStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgressStream")
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

//! The progress of an operation, across broken connections.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, Sleep};
use tonic::Status;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{GetOperationResponse, OperationRecord, WatchOperationRequest};

use crate::backoff::Backoff;
use crate::client::{Client, WATCH};
use crate::cursor::Cursor;
use crate::error::Error;
use crate::operation::Opened;
use crate::start::{Chunk, ChunkStream};

/// What a progress stream has to tell.
#[derive(Debug)]
pub enum Progress {
    /// The next record.
    Record(Box<OperationRecord>),
    /// The connection is lost, and is tried again after a pause. The operation goes on meanwhile.
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
/// It reconnects and resumes by itself, also across a restart of the daemon. It ends after the record with the outcome
/// (at once when it was asked for what follows that), or after its first error: one that no further attempt can mend, such as OPERATION_NOT_FOUND, COMPACTED,
/// STORE_REPLACED or [`Error::Gap`], or any once [`follow_timeout`](crate::ConnectOptions::follow_timeout) has passed
/// without a connection.
pub struct ProgressStream {
    client: Client,
    cursor: Cursor,
    backoff: Backoff,
    state: State,
    ready: VecDeque<Progress>,
    /// The connection that the present or the last stream ran over.
    generation: Option<u64>,
    /// When the connection was lost; `None` while all is well.
    lost: Option<Instant>,
}

type Opening = BoxFuture<'static, Result<(ChunkStream, u64), (Error, Option<u64>)>>;

enum State {
    /// A stream is asked for.
    Opening(Opening),
    /// A stream is open; the timer ends when it has been silent for too long.
    Streaming {
        chunks: ChunkStream,
        method: &'static str,
        silence: Pin<Box<Sleep>>,
    },
    /// The stream ended well without an outcome: has the operation ended at or before the position that was asked for?
    Asking(BoxFuture<'static, Result<GetOperationResponse, Error>>),
    /// The pause before the next attempt.
    Pausing(Pin<Box<Sleep>>),
    /// Only this error is left to tell.
    Failing(Error),
    /// Everything was told.
    Ended,
}

impl ProgressStream {
    pub(crate) fn new(client: Client, cursor: Cursor) -> Self {
        let backoff = client.backoff();
        let mut stream = Self {
            client,
            cursor,
            backoff,
            state: State::Ended,
            ready: VecDeque::new(),
            generation: None,
            lost: None,
        };
        stream.state = stream.opening(None);
        stream
    }

    pub(crate) fn opened(client: Client, mut cursor: Cursor, opened: Opened) -> Self {
        // A start that is repeated late gets the records that are still kept; its first mark says where they begin.
        if let Some(mark) = &opened.first.mark
            && opened.first.records.is_empty()
        {
            cursor.sequence = mark.sequence;
        }
        let backoff = client.backoff();
        let silence = Box::pin(tokio::time::sleep(client.options().silence_timeout));
        let mut stream = Self {
            client,
            cursor,
            backoff,
            state: State::Streaming {
                chunks: opened.rest,
                method: opened.method,
                silence,
            },
            ready: VecDeque::new(),
            generation: Some(opened.generation),
            lost: None,
        };
        stream.take_in(opened.first);
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

    fn opening(&self, failed: Option<u64>) -> State {
        let client = self.client.clone();
        let request = WatchOperationRequest {
            operation_id: self.cursor.operation_id.clone(),
            after_sequence: self.cursor.sequence,
            store_id: self.cursor.store_id.clone(),
        };
        State::Opening(Box::pin(async move { client.watch(request, failed).await }))
    }

    fn asking(&self) -> State {
        let client = self.client.clone();
        let operation_id = self.cursor.operation_id.clone();
        State::Asking(Box::pin(async move { client.get_operation(operation_id).await }))
    }

    /// Takes in a message of the stream.
    fn take_in(&mut self, chunk: Chunk) {
        if self.lost.take().is_some() {
            self.ready.push_back(Progress::Resumed {
                after_sequence: self.cursor.sequence,
            });
        }
        if let State::Streaming { silence, .. } = &mut self.state {
            silence
                .as_mut()
                .reset(Instant::now() + self.client.options().silence_timeout);
        }
        for record in chunk.records {
            match self.cursor.advance(&record) {
                Ok(false) => {}
                Ok(true) => {
                    // Only what is new shows that the daemon is well; a mark alone would let a daemon that breaks off
                    // after it be asked without pause.
                    self.backoff.reset();
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

    /// Decides what follows from an error: another attempt, or the end.
    fn lose(&mut self, error: Error) {
        let lost = *self.lost.get_or_insert_with(Instant::now);
        let patience = self.client.options().follow_timeout;
        if !error.is_passing() || patience.is_some_and(|patience| lost.elapsed() >= patience) {
            self.state = State::Failing(error);
            return;
        }
        let delay = self.backoff.next(error.retry_delay());
        let attempt = self.backoff.attempt();
        tracing::debug!(attempt, ?delay, error = %error, "Resuming the records of an operation");
        self.ready.push_back(Progress::Reconnecting { attempt, delay, error });
        self.state = State::Pausing(Box::pin(tokio::time::sleep(delay)));
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
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok((chunks, generation)) => {
                        this.generation = Some(generation);
                        let silence = Box::pin(tokio::time::sleep(this.client.options().silence_timeout));
                        this.state = State::Streaming {
                            chunks,
                            method: WATCH,
                            silence,
                        };
                    }
                    Err((error, generation)) => {
                        this.generation = generation.or(this.generation);
                        this.lose(error);
                    }
                },
                State::Streaming {
                    chunks,
                    method,
                    silence,
                } => {
                    let method = *method;
                    match Pin::new(chunks).poll_next(cx) {
                        Poll::Ready(Some(Ok(chunk))) => this.take_in(chunk),
                        Poll::Ready(Some(Err(status))) => this.lose(Error::from_status(method, status)),
                        Poll::Ready(None) => this.state = this.asking(),
                        Poll::Pending => {
                            ready!(silence.as_mut().poll(cx));
                            let after = this.client.options().silence_timeout;
                            this.lose(Error::TimedOut {
                                method,
                                after,
                                last: None,
                            });
                        }
                    }
                }
                State::Asking(asking) => match ready!(asking.as_mut().poll(cx)) {
                    Ok(answer) if this.cursor.is_at_the_end(&answer) => this.state = State::Ended,
                    Ok(_) | Err(_) => {
                        let status = Status::unavailable("the stream ended before the outcome");
                        this.lose(Error::from_status(WATCH, status));
                    }
                },
                State::Pausing(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    this.state = this.opening(this.generation);
                }
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

//! The stream of an operation's records: a cursor over the journal, as frames.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use uuid::Uuid;
use wsfc_proto::v1;

use super::frame::Frame;
use super::status;
use crate::journal::{Cursor, Journal, Lane, ReadError};
use crate::settings::Settings;
use crate::settings::current::Current;

/// Streams the records of an operation after a position, past and coming, to its outcome.
///
/// The first frame is a mark that names the store and the position; while nothing happens a mark comes again and again,
/// so that an idle client can move its bookmark and tell a quiet stream from a dead one (promise P6).
pub struct RecordStream {
    state: State,
    journal: Journal,
    operation_id: Uuid,
    settings: Current<Settings>,
    /// Fires when no frame was sent for a while.
    idle: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

enum State {
    /// The first mark is to be sent.
    Opening(Cursor),
    /// Records are sent as they come.
    Following(Cursor),
    /// Only this frame is left.
    Last(Frame),
    /// Nothing is left.
    Over,
}

/// What every stream of one serving thread shares.
#[derive(Clone)]
pub struct Streams {
    /// The journal.
    pub journal: Journal,
    /// The lane of the serving thread.
    pub lane: Lane,
    /// Says how long a silence may be before a mark.
    pub settings: Current<Settings>,
    /// Cancelled when the daemon stops.
    pub stop: CancellationToken,
}

impl Streams {
    /// Streams the records of an operation after a sequence number.
    ///
    /// # Errors
    ///
    /// The position cannot be read from.
    pub fn open(&self, operation_id: Uuid, after_sequence: u64) -> Result<RecordStream, ReadError> {
        let cursor = self.lane.cursor(operation_id, after_sequence)?;
        Ok(self.stream(operation_id, State::Opening(cursor)))
    }

    /// A stream of one frame.
    pub fn single(&self, frame: Frame) -> RecordStream {
        self.stream(Uuid::nil(), State::Last(frame))
    }

    fn stream(&self, operation_id: Uuid, state: State) -> RecordStream {
        RecordStream {
            state,
            journal: self.journal.clone(),
            operation_id,
            idle: Box::pin(tokio::time::sleep(mark_every(&self.settings))),
            settings: self.settings.clone(),
            stop: Box::pin(self.stop.clone().cancelled_owned()),
        }
    }
}

impl RecordStream {
    fn mark(&self, cursor: &Cursor) -> Frame {
        let position = cursor.position();
        Frame::mark(&v1::StreamMark {
            store_id: self.journal.store_id().to_string(),
            operation_id: self.operation_id.to_string(),
            sequence: position.sequence,
            revision: position.revision,
        })
    }

    fn rest(&mut self) {
        let deadline = tokio::time::Instant::now() + mark_every(&self.settings);
        self.idle.as_mut().reset(deadline);
    }
}

pub(super) fn mark_every(settings: &Current<Settings>) -> Duration {
    settings.get().limits.mark_every
}

impl Stream for RecordStream {
    type Item = Result<Frame, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => Poll::Ready(None),
            State::Last(frame) => Poll::Ready(Some(Ok(frame))),
            State::Opening(cursor) => {
                let frame = self.mark(&cursor);
                self.state = State::Following(cursor);
                Poll::Ready(Some(Ok(frame)))
            }
            State::Following(mut cursor) => {
                // Records first: what is durable is sent even when the daemon is stopping.
                match cursor.poll_next(cx) {
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Ready(Some(Ok(batch))) => {
                        self.state = State::Following(cursor);
                        self.rest();
                        return Poll::Ready(Some(Ok(Frame::records(batch.bytes))));
                    }
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Some(Err(status::read(&self.operation_id.to_string(), &error))));
                    }
                    Poll::Pending => {}
                }
                if self.stop.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(status::shutting_down())));
                }
                if self.idle.as_mut().poll(cx).is_pending() {
                    self.state = State::Following(cursor);
                    return Poll::Pending;
                }
                let mark = self.mark(&cursor);
                self.state = State::Following(cursor);
                self.rest();
                Poll::Ready(Some(Ok(mark)))
            }
        }
    }
}

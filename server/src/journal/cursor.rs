//! A cursor: a position in the records of one operation, and the lane that wakes it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use uuid::Uuid;

use super::lane::{Dispatcher, Parking, Topic};
use super::read::{Batch, MAX_BATCH_BYTES, ReadError};
use super::{Journal, Shared};

/// A position in the records of one operation that moves on as records become durable.
///
/// It holds no records and no queue: a slow watcher reads later, in bigger steps.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    parking: Arc<Parking>,
    place: u64,
    parked: bool,
    operation_id: Uuid,
    sequence: u64,
    /// The revision of the last record that was given, or 0.
    revision: u64,
    /// True once the outcome was given.
    ended: bool,
    /// True once nothing more will be given.
    done: bool,
}

/// Where a cursor stands, as in `StreamMark`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Every record up to this sequence number was given.
    pub sequence: u64,
    /// The operation has no records up to this revision that were not given.
    pub revision: u64,
}

/// The parked cursors of one runtime thread: the writer wakes a lane once for a batch of records, and the lane wakes
/// its cursors in one go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lane {
    pub(super) shared: Arc<Shared>,
    pub(super) parking: Arc<Parking>,
}

impl Lane {
    /// Follows an operation on this lane, from the record after `after_sequence`.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub fn cursor(&self, operation_id: Uuid, after_sequence: u64) -> Result<Cursor, ReadError> {
        Cursor::new(&self.shared, &self.parking, operation_id, after_sequence)
    }

    /// The dispatcher, to be spawned once, on the runtime thread of the lane's streams. Never ends. A lane that has
    /// none, or whose dispatcher was dropped, is served by the writer's thread.
    pub fn dispatch(&self) -> impl Future<Output = ()> + Send + use<> {
        Dispatcher::new(Arc::clone(&self.parking)).run()
    }
}

impl Journal {
    /// A lane for the streams of one runtime thread. Spawn its [`Lane::dispatch`] there.
    pub fn lane(&self) -> Lane {
        Lane {
            shared: Arc::clone(&self.0),
            parking: self.0.lanes.add(),
        }
    }

    /// The lane that the writer's thread serves.
    pub(super) fn own_lane(&self) -> Lane {
        Lane {
            shared: Arc::clone(&self.0),
            parking: Arc::clone(&self.0.own_lane),
        }
    }

    /// Follows an operation from the record after `after_sequence`, woken by the writer's thread. Streams take
    /// [`Lane::cursor`].
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub fn cursor(&self, operation_id: Uuid, after_sequence: u64) -> Result<Cursor, ReadError> {
        self.own_lane().cursor(operation_id, after_sequence)
    }
}

impl Cursor {
    fn new(
        shared: &Arc<Shared>,
        parking: &Arc<Parking>,
        operation_id: Uuid,
        after_sequence: u64,
    ) -> Result<Self, ReadError> {
        // What is wrong with the position shows here, and not on the first poll.
        let next = shared.read(operation_id, after_sequence, 0)?;
        let sequence = after_sequence;
        #[cfg(feature = "planted-bugs")]
        let sequence = sequence + shared.planted_skip(sequence);
        Ok(Self {
            shared: Arc::clone(shared),
            parking: Arc::clone(parking),
            place: parking.place(),
            parked: false,
            operation_id,
            sequence,
            revision: 0,
            ended: next.ended && next.count == 0,
            done: false,
        })
    }

    /// The next records, as soon as there are any; `None` after the outcome or an error. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Batch, ReadError>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Cursor::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Batch, ReadError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let news = match self.look() {
            Poll::Ready(news) => news,
            Poll::Pending => {
                self.parking
                    .park(Topic::Operation(self.operation_id), self.place, context.waker());
                self.parked = true;
                // Records that were published between the look and the parking woke nobody.
                ready!(self.look())
            }
        };
        self.unpark();
        self.done = !matches!(news, Some(Ok(_)));
        Poll::Ready(news)
    }

    /// Where the cursor stands now: of a cursor that is up to date, the revision moves on with the journal.
    pub fn position(&self) -> Position {
        let log = self.shared.log();
        let up_to_date = match log.operation(self.operation_id) {
            Some(operation) => operation.last_sequence <= self.sequence,
            None => self.ended,
        };
        Position {
            sequence: self.sequence,
            revision: if up_to_date { log.head() } else { self.revision },
        }
    }

    /// The operation that it follows.
    pub fn operation_id(&self) -> Uuid {
        self.operation_id
    }

    /// Takes what there is; pending when there is nothing yet.
    fn look(&mut self) -> Poll<Option<Result<Batch, ReadError>>> {
        // Asked first: what was published before the failure is found below.
        let failed = self.shared.failed();
        match self.shared.read(self.operation_id, self.sequence, MAX_BATCH_BYTES) {
            Ok(batch) if batch.count > 0 => {
                self.sequence = batch.last;
                self.revision = batch.last_revision;
                self.ended = batch.ended;
                Poll::Ready(Some(Ok(batch)))
            }
            Ok(batch) if batch.ended => Poll::Ready(None),
            Ok(_) => match failed {
                Some(failed) => Poll::Ready(Some(Err(failed.into()))),
                None => Poll::Pending,
            },
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn unpark(&mut self) {
        if std::mem::take(&mut self.parked) {
            self.parking.leave(Topic::Operation(self.operation_id), self.place);
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.unpark();
    }
}

impl Stream for Cursor {
    type Item = Result<Batch, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_next(context)
    }
}

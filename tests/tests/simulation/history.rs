//! What the clients saw, in the order in which they saw it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;
use wsfc_client::v1;

use crate::plan::Request;

/// A client's number among the clients of the simulation.
pub type ClientNumber = usize;

/// A stream of records, from its opening to its end; numbered over all clients.
pub type StreamNumber = usize;

/// Everything that clients saw.
#[derive(Debug, Default)]
pub struct History(RefCell<Inner>);

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    streams: StreamNumber,
    positions: BTreeMap<(ClientNumber, String), Position>,
}

/// One thing that a client saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, since the simulation began.
    pub at: Duration,
    /// Who.
    pub client: ClientNumber,
    /// What.
    pub seen: Seen,
}

/// What a client can see.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// A start was acknowledged.
    Started {
        /// What was asked for.
        request: Request,
        /// The operation that it named.
        operation_id: String,
    },
    /// A start was refused.
    Refused {
        /// What was asked for.
        request: Request,
        /// The reason.
        reason: String,
        /// The operation that the refusal named.
        operation_id: Option<String>,
    },
    /// A snapshot of an operation, from a list. What follows it joins it.
    Listed {
        /// The stream that joins it.
        stream: StreamNumber,
        /// The operation, encoded.
        operation: Vec<u8>,
    },
    /// A stream was asked for.
    Opened {
        /// The stream.
        stream: StreamNumber,
        /// The operation.
        operation_id: String,
        /// The last record seen before.
        after: u64,
    },
    /// A record came.
    Record {
        /// The stream.
        stream: StreamNumber,
        /// The operation that the record names.
        operation_id: String,
        /// Its sequence number.
        sequence: u64,
        /// The record, encoded.
        bytes: Vec<u8>,
    },
    /// A mark came.
    Mark {
        /// The stream.
        stream: StreamNumber,
        /// The store that it names.
        store_id: String,
        /// Its sequence number.
        sequence: u64,
        /// Its revision.
        revision: u64,
    },
    /// A stream ended, in order or with an error that no client repairs by itself.
    Ended {
        /// The stream.
        stream: StreamNumber,
        /// The error, by its reason and its text.
        error: Option<(String, String)>,
    },
    /// A cancellation was answered: with the operation as it then stood, or with a reason.
    Cancelled {
        /// The operation.
        operation_id: String,
        /// The state after it, or the reason of the refusal.
        answer: Result<i32, String>,
    },
    /// A wait for the outcome was answered.
    Waited {
        /// The operation.
        operation_id: String,
        /// The final state.
        state: i32,
    },
}

/// What a client keeps of an operation on its own disk, so that it can go on after its own death.
#[derive(Debug, Clone, Default)]
pub struct Position {
    /// The last record that was seen.
    pub sequence: u64,
    /// The store that it came from.
    pub store_id: String,
    /// The outcome was seen.
    pub ended: bool,
}

impl History {
    /// Notes what a client saw, now.
    pub fn note(&self, client: ClientNumber, seen: Seen) {
        let at = turmoil::sim_elapsed().unwrap_or_default();
        self.0.borrow_mut().events.push(Event { at, client, seen });
    }

    /// Notes that a client asks for the records after `after`; gives the number of the stream.
    pub fn open(&self, client: ClientNumber, operation_id: &str, after: u64) -> StreamNumber {
        let stream = {
            let mut inner = self.0.borrow_mut();
            inner.streams += 1;
            inner.streams
        };
        self.note(
            client,
            Seen::Opened {
                stream,
                operation_id: operation_id.into(),
                after,
            },
        );
        stream
    }

    /// Notes that a record came.
    pub fn record(&self, client: ClientNumber, stream: StreamNumber, record: &v1::OperationRecord) {
        self.note(
            client,
            Seen::Record {
                stream,
                operation_id: record.operation_id.clone(),
                sequence: record.sequence,
                bytes: record.encode_to_vec(),
            },
        );
    }

    /// Where a client stands in an operation.
    pub fn position(&self, client: ClientNumber, operation_id: &str) -> Option<Position> {
        self.0
            .borrow()
            .positions
            .get(&(client, operation_id.to_owned()))
            .cloned()
    }

    /// Moves a client on.
    pub fn keep(&self, client: ClientNumber, operation_id: &str, position: Position) {
        self.0
            .borrow_mut()
            .positions
            .insert((client, operation_id.to_owned()), position);
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.borrow().events.clone()
    }

    /// How many events there were so far.
    pub fn len(&self) -> usize {
        self.0.borrow().events.len()
    }
}

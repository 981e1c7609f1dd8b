//! Events, across broken connections and restarts of the daemon.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tonic::Status;
use wsfc_proto::v1::{self, Event, InventoryObject, WatchRequest, WatchResponse, WatchStatusRequest};

use crate::client::{Client, WATCH, WATCH_STATUS};
use crate::error::Error;
use crate::line::{Line, Loss, Opening, Signal};
use crate::reason::Reason;

/// What a watch has to tell.
#[derive(Debug)]
pub enum WatchItem {
    /// An object of the snapshot. The snapshot is told once it is whole, so that it is never broken off by a lost
    /// connection.
    Snapshot(Box<InventoryObject>),
    /// The snapshot is told; it is true at this revision.
    SnapshotComplete {
        /// The revision.
        revision: u64,
    },
    /// The next event.
    Event(Box<Event>),
    /// Everything up to here that passes the filter has been told: a place to resume from, with [`Watch::store_id`].
    Mark {
        /// The revision to resume after.
        revision: u64,
    },
    /// The connection is lost, or the token that the stream was opened with is over; it is tried again after a pause.
    Reconnecting {
        /// The number of the coming attempt since the connection was lost, from 1.
        attempt: u32,
        /// The pause before it.
        delay: Duration,
        /// What went wrong.
        error: Error,
    },
    /// The stream goes on after the last event that was seen.
    Resumed {
        /// The revision that it goes on after; 0 as long as no mark was seen.
        after_revision: u64,
    },
    /// What follows the last event is not to be had any more. A new snapshot takes the place of all that was seen; only
    /// with [`Watch::resnapshot`].
    Resync {
        /// Why: a rejection with STORE_REPLACED, REVISION_COMPACTED or REVISION_IN_FUTURE, or
        /// [`Error::WatchStoreChanged`].
        error: Error,
    },
}

/// Events in order, each once, with a snapshot before them if it was asked for.
///
/// It reconnects and resumes by itself after the last mark, also across restarts of the daemon. It ends after its first
/// error: one that no further attempt can mend, such as REVISION_COMPACTED or STORE_REPLACED without
/// [`resnapshot`](Self::resnapshot), or any once [`follow_timeout`](crate::ConnectOptions::follow_timeout) has passed
/// without a connection; and after the snapshot when only that was asked for.
pub struct Watch {
    line: Line<WatchResponse>,
    request: Asked,
    place: Place,
    resnapshot: bool,
    state: State,
    ready: VecDeque<WatchItem>,
}

/// What is asked for, from wherever the watch stands.
#[derive(Debug)]
enum Asked {
    Events(WatchRequest),
    /// The statuses of resources, which are events like others and come from another method.
    Statuses(WatchStatusRequest),
}

/// How far a watch has come.
#[derive(Debug, Clone, PartialEq, Default)]
struct Place {
    /// The journal; empty as long as no mark has named it and the caller has not.
    store_id: String,
    /// Everything up to it has been told; `None` before the first mark.
    revision: Option<u64>,
    /// The objects of a snapshot that is not complete; `None` when none is under way.
    snapshot: Option<Vec<InventoryObject>>,
}

enum State {
    Following,
    Failing(Error),
    Ended,
}

impl Watch {
    pub(crate) fn new(client: Client, request: WatchRequest) -> Self {
        let place = Place {
            store_id: request.store_id.clone(),
            revision: request.after_revision,
            snapshot: request.snapshot.then(Vec::new),
        };
        Self::from(client, Asked::Events(request), place)
    }

    fn statuses(client: Client, request: WatchStatusRequest) -> Self {
        let place = Place {
            store_id: request.store_id.clone(),
            revision: request.after_revision,
            snapshot: None,
        };
        Self::from(client, Asked::Statuses(request), place)
    }

    fn from(client: Client, request: Asked, place: Place) -> Self {
        Self {
            line: Line::new(client, request.method()),
            request,
            place,
            resnapshot: false,
            state: State::Following,
            ready: VecDeque::new(),
        }
    }

    /// With true, a place that is not to be had any more does not end the watch: it tells a [`WatchItem::Resync`],
    /// takes a new snapshot, also when none was asked for at first, and goes on from there. Statuses have no snapshot:
    /// they go on with what comes next.
    #[must_use]
    pub fn resnapshot(mut self, resnapshot: bool) -> Self {
        self.resnapshot = resnapshot;
        self
    }

    /// The next thing to tell; `None` after the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<WatchItem, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The journal that the events come from; empty before the first message.
    pub fn store_id(&self) -> &str {
        &self.place.store_id
    }

    /// The revision to resume after, in [`WatchRequest::after_revision`] beside `store_id`; `None` before the first
    /// mark and during a snapshot. It is that of what has been received; items that were not yet taken from the stream
    /// are before it.
    pub fn revision(&self) -> Option<u64> {
        self.place.revision.filter(|_| self.place.snapshot.is_none())
    }

    /// Takes in a message; the first one since the connection was lost when `resumed`.
    fn take_in(&mut self, message: WatchResponse, resumed: bool) {
        if resumed {
            self.ready.push_back(WatchItem::Resumed {
                after_revision: self.revision().unwrap_or_default(),
            });
        }
        if !message.snapshot.is_empty() {
            match &mut self.place.snapshot {
                Some(objects) => objects.extend(message.snapshot),
                None => {
                    return self.fail(Error::Malformed {
                        method: self.request.method(),
                        problem: "an object of a snapshot came that was not asked for",
                    });
                }
            }
        }
        for event in message.events {
            let Some(revision) = revision_of(&event) else {
                // An event of a newer daemon: its place is told by the mark.
                continue;
            };
            if self.place.revision.is_some_and(|seen| revision <= seen) {
                continue;
            }
            self.line.all_is_well();
            self.place.revision = Some(revision);
            self.ready.push_back(WatchItem::Event(Box::new(event)));
        }
        if let Some(mark) = message.mark {
            self.pass(mark);
        }
    }

    /// Moves on to a mark.
    fn pass(&mut self, mark: v1::WatchMark) {
        if self.place.store_id.is_empty() || self.place.snapshot.is_some() {
            self.place.store_id = mark.store_id;
        } else if self.place.store_id != mark.store_id {
            let expected = self.place.store_id.clone();
            let received = mark.store_id;
            return self.fail(Error::WatchStoreChanged { expected, received });
        }
        if let Some(objects) = &mut self.place.snapshot {
            if !mark.snapshot_complete {
                return;
            }
            let objects = std::mem::take(objects);
            self.place.snapshot = None;
            self.place.revision = Some(mark.revision);
            self.line.all_is_well();
            let items = objects.into_iter().map(|object| WatchItem::Snapshot(Box::new(object)));
            self.ready.extend(items);
            self.ready.push_back(WatchItem::SnapshotComplete {
                revision: mark.revision,
            });
            if matches!(&self.request, Asked::Events(request) if request.snapshot_only) {
                self.state = State::Ended;
            }
            return;
        }
        let seen = self.place.revision.unwrap_or_default();
        if mark.revision > seen {
            self.line.all_is_well();
        }
        let revision = mark.revision.max(seen);
        self.place.revision = Some(revision);
        self.ready.push_back(WatchItem::Mark { revision });
    }

    /// Decides what follows from an error that ends the line.
    fn fail(&mut self, error: Error) {
        if self.resnapshot && is_lost_place(&error) && !self.is_at_the_beginning() {
            self.place = Place {
                snapshot: matches!(self.request, Asked::Events(_)).then(Vec::new),
                ..Place::default()
            };
            self.ready.push_back(WatchItem::Resync { error });
            self.line.reopen();
            return;
        }
        self.state = State::Failing(error);
    }

    /// True when there is no place that could be lost: asking again would only repeat the answer.
    fn is_at_the_beginning(&self) -> bool {
        self.place.store_id.is_empty() && self.place.revision.is_none()
    }

    fn tell(&mut self, Loss { attempt, delay, error }: Loss) {
        // A snapshot that was broken off begins anew; nothing of it was told.
        if let Some(objects) = &mut self.place.snapshot {
            objects.clear();
        }
        self.ready.push_back(WatchItem::Reconnecting { attempt, delay, error });
    }
}

impl Asked {
    fn method(&self) -> &'static str {
        match self {
            Self::Events(_) => WATCH,
            Self::Statuses(_) => WATCH_STATUS,
        }
    }

    /// Opens the stream that goes on from a place.
    fn open(&self, place: &Place, client: Client, failed: Option<u64>) -> Opening<WatchResponse> {
        match self {
            Self::Events(request) => {
                let request = place.ask(request);
                Box::pin(async move { client.events(request, failed).await })
            }
            Self::Statuses(request) => {
                let request = WatchStatusRequest {
                    after_revision: place.revision,
                    store_id: place.store_id.clone(),
                    ..request.clone()
                };
                Box::pin(async move { client.statuses(request, failed).await })
            }
        }
    }
}

impl Place {
    /// The request for events that goes on from here.
    fn ask(&self, request: &WatchRequest) -> WatchRequest {
        let snapshot = self.snapshot.is_some();
        if snapshot && request.snapshot {
            // In the caller's own words: where they contradict each other, it is the daemon that says so.
            return request.clone();
        }
        WatchRequest {
            snapshot,
            after_revision: self.revision.filter(|_| !snapshot),
            store_id: if snapshot { String::new() } else { self.store_id.clone() },
            ..request.clone()
        }
    }
}

impl Stream for Watch {
    type Item = Result<WatchItem, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(item) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            match &mut this.state {
                State::Following => {
                    let (place, request) = (&this.place, &this.request);
                    let signal = this.line.poll(cx, request.method(), |client, failed| {
                        request.open(place, client, failed)
                    });
                    match ready!(signal) {
                        Ok(Signal::Message { message, resumed }) => this.take_in(message, resumed),
                        Ok(Signal::Closed) => {
                            let status = Status::unavailable("the stream of events ended");
                            match this.line.lose(Error::from_status(this.request.method(), status)) {
                                Ok(loss) => this.tell(loss),
                                Err(error) => this.state = State::Failing(error),
                            }
                        }
                        Ok(Signal::Lost(loss)) => this.tell(loss),
                        Err(error) => this.fail(error),
                    }
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

/// The revision of an event; `None` for one of a kind that this library does not know.
pub(crate) fn revision_of(event: &Event) -> Option<u64> {
    match &event.event {
        Some(v1::event::Event::Operation(record)) => Some(record.revision),
        Some(v1::event::Event::Cluster(change)) => Some(change.revision),
        None => None,
    }
}

/// True for the errors after which only a new snapshot helps.
fn is_lost_place(error: &Error) -> bool {
    if matches!(error, Error::WatchStoreChanged { .. }) {
        return true;
    }
    let lost = [
        Reason::StoreReplaced,
        Reason::RevisionCompacted,
        Reason::RevisionInFuture,
    ];
    error.reason().is_some_and(|reason| lost.contains(reason))
}

impl Client {
    /// Watches events; see [`Watch`] for how, and the contract for what can be asked for.
    pub fn watch(&self, request: WatchRequest) -> Watch {
        Watch::new(self.clone(), request)
    }

    /// Watches the statuses that resources report on their way: events with a
    /// [`resource_status`](v1::ClusterEvent::resource_status), resumed as any [`Watch`] is.
    ///
    /// An older daemon answers with UNIMPLEMENTED, which ends the watch with [`Error::Rejected`].
    pub fn watch_status(&self, request: WatchStatusRequest) -> Watch {
        Watch::statuses(self.clone(), request)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("request", &self.request)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

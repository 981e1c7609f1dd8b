//! `EventService`: snapshots of the inventory, and the events after them, as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::time::Sleep;
use tokio_stream::Stream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::frame::EventFrame;
use super::generated::event_service_server::EventService;
use super::serve::Service;
use super::status;
use super::stream::{Streams, mark_every};
use crate::access::policy::Scope;
use crate::journal::{EventCursor, Filter, Inventory, MAX_BATCH_BYTES, Object, ReadError};
use crate::operation::validate::{self, FieldViolation};
use crate::settings::Settings;
use crate::settings::current::Current;

/// How many objects of a snapshot one poll goes over, so that a filter that admits few does not keep a serving thread.
const MAX_SCAN: usize = 4096;

#[tonic::async_trait]
impl EventService for Service {
    type WatchStream = EventStream;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<EventStream>, Status> {
        let service = self.of_call(&request);
        let request = request.into_inner();
        let violations = violations(&request);
        if !violations.is_empty() {
            return Err(status::invalid(&violations));
        }
        if !request.snapshot {
            check_store(self, &request.store_id)?;
        }
        let wanted = Filter::new(&request.filter.unwrap_or_default());
        let mut filter = within(wanted, service.reach().scope);
        if !request.cluster.is_empty() {
            let cluster = service.resolve(&request.cluster).await?;
            if !cluster.observed {
                return Err(status::not_observed(&cluster.name));
            }
            filter = filter.of_cluster(cluster.id, &cluster.name);
        }
        if request.operations {
            filter = filter.with_operations();
        }
        let stream = if request.snapshot {
            self.streams.snapshot(filter, request.snapshot_only)
        } else {
            let events = self.streams.events(filter, request.after_revision);
            events.map_err(|error| status::watch(&error))?
        };
        Ok(Response::new(stream))
    }
}

impl Streams {
    /// Streams the events after a revision; `None`: those that come next.
    ///
    /// # Errors
    ///
    /// The revision cannot be resumed from.
    pub fn events(&self, filter: Filter, after: Option<u64>) -> Result<EventStream, ReadError> {
        let cursor = self.lane.events(filter, after)?;
        Ok(self.event_stream(State::Opening(cursor)))
    }

    /// Streams the inventory, and the events after it unless it is wanted `alone`.
    pub fn snapshot(&self, filter: Filter, alone: bool) -> EventStream {
        let (inventory, cursor) = self.lane.snapshot(filter.clone());
        let filter = filter.over(&inventory);
        self.event_stream(State::Snapshot(Box::new(Snapshot {
            inventory,
            filter,
            last: None,
            cursor: (!alone).then_some(cursor),
        })))
    }

    fn event_stream(&self, state: State) -> EventStream {
        EventStream {
            state,
            store_id: self.journal.store_id().to_string(),
            idle: Box::pin(tokio::time::sleep(mark_every(&self.settings))),
            settings: self.settings.clone(),
            stop: Box::pin(self.stop.clone().cancelled_owned()),
        }
    }
}

/// `ResourceService.WatchStatus`: the events of a watch that tell what resources have reported, and the gaps.
pub(super) async fn watch_status(service: &Service, request: v1::WatchStatusRequest) -> Result<EventStream, Status> {
    let mut violations = Vec::new();
    for index in (0..request.resources.len()).filter(|index| request.resources[*index].is_empty()) {
        violations.push(FieldViolation {
            field: format!("resources[{index}]"),
            description: "is empty".into(),
        });
    }
    violations.extend(validate::name_to_open("cluster", &request.cluster).err());
    if !violations.is_empty() {
        return Err(status::invalid(&violations));
    }
    check_store(service, &request.store_id)?;
    let wanted = Filter::new(&v1::WatchFilter {
        names: request.resources,
        changes: vec![v1::ChangeType::ResourceStatus.into()],
        ..v1::WatchFilter::default()
    });
    let mut filter = within(wanted, service.reach().scope);
    if !request.cluster.is_empty() {
        // Statuses come from the resources themselves, so they are told also where no cluster is observed.
        let cluster = service.resolve(&request.cluster).await?;
        filter = filter.of_cluster(cluster.id, &cluster.name);
    }
    let events = service.streams.events(filter, request.after_revision);
    events.map_err(|error| status::watch(&error))
}

/// Leaves out what the watcher may not see.
fn within(filter: Filter, scope: Scope) -> Filter {
    match scope {
        Scope::All => filter,
        Scope::Clusters(names) => filter.visible(names),
    }
}

/// Refuses a position that was seen with another journal; an empty id is not checked.
fn check_store(service: &Service, seen: &str) -> Result<(), Status> {
    let store_id = service.streams.journal.store_id().to_string();
    if !seen.is_empty() && seen != store_id {
        return Err(status::store_replaced(&store_id));
    }
    Ok(())
}

/// What is wrong with a request.
fn violations(request: &v1::WatchRequest) -> Vec<FieldViolation> {
    let mut violations = Vec::new();
    let mut refuse = |field: String, description: &str| {
        violations.push(FieldViolation {
            field,
            description: description.into(),
        });
    };
    if request.snapshot && request.after_revision.is_some() {
        refuse("after_revision".into(), "cannot be given with a snapshot");
    }
    if request.snapshot_only && !request.snapshot {
        refuse("snapshot_only".into(), "can only be given with a snapshot");
    }
    let none = v1::WatchFilter::default();
    let filter = request.filter.as_ref().unwrap_or(&none);
    for (index, kind) in filter.kinds.iter().enumerate() {
        if !v1::ObjectKind::try_from(*kind).is_ok_and(|kind| kind != v1::ObjectKind::Unspecified) {
            refuse(format!("filter.kinds[{index}]"), "is no kind that is known");
        }
    }
    for (index, change) in filter.changes.iter().enumerate() {
        if !v1::ChangeType::try_from(*change).is_ok_and(|change| change != v1::ChangeType::Unspecified) {
            refuse(format!("filter.changes[{index}]"), "is no change that is known");
        }
    }
    for (field, names) in [
        ("names", &filter.names),
        ("groups", &filter.groups),
        ("nodes", &filter.nodes),
    ] {
        for index in (0..names.len()).filter(|index| names[*index].is_empty()) {
            refuse(format!("filter.{field}[{index}]"), "is empty");
        }
    }
    violations.extend(validate::name_to_open("cluster", &request.cluster).err());
    violations
}

/// Streams a snapshot, if asked for, and events as they come.
///
/// A mark follows what it speaks of: events, the snapshot, or nothing for a while (promise P6). Every one is a place to
/// resume from.
pub struct EventStream {
    state: State,
    store_id: String,
    settings: Current<Settings>,
    /// Fires when no frame was sent for a while.
    idle: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

enum State {
    /// Objects are to be sent.
    Snapshot(Box<Snapshot>),
    /// The first mark is to be sent.
    Opening(EventCursor),
    /// Events are sent as they come.
    Following(EventCursor),
    /// Nothing is left.
    Over,
}

/// A snapshot that is being sent.
struct Snapshot {
    inventory: Inventory,
    filter: Filter,
    /// The last object that was sent or not wanted.
    last: Option<Arc<Object>>,
    /// What follows, if anything does.
    cursor: Option<EventCursor>,
}

impl Snapshot {
    /// The next objects, encoded; and whether there may be others.
    fn next(&mut self) -> (BytesMut, bool) {
        let (mut encoded, mut room) = (BytesMut::new(), Vec::new());
        let mut objects: Box<dyn Iterator<Item = &Arc<Object>>> = match &self.last {
            None => Box::new(self.inventory.all()),
            Some(last) => Box::new(self.inventory.all_after(last)),
        };
        let mut last = None;
        let mut goes_on = false;
        for object in objects.by_ref().take(MAX_SCAN) {
            if self.filter.admits_object(object, &mut room) {
                EventFrame::put_object(object, &mut encoded);
            }
            last = Some(Arc::clone(object));
            goes_on = encoded.len() >= MAX_BATCH_BYTES;
            if goes_on {
                break;
            }
        }
        goes_on = goes_on || objects.next().is_some();
        drop(objects);
        self.last = last.or_else(|| self.last.take());
        (encoded, goes_on)
    }
}

impl EventStream {
    fn mark(&self, revision: u64, snapshot_complete: bool) -> v1::WatchMark {
        v1::WatchMark {
            store_id: self.store_id.clone(),
            revision,
            snapshot_complete,
        }
    }

    fn rest(&mut self) {
        let deadline = tokio::time::Instant::now() + mark_every(&self.settings);
        self.idle.as_mut().reset(deadline);
    }

    fn snapshot(&mut self, mut snapshot: Box<Snapshot>, cx: &mut Context<'_>) -> Poll<EventFrame> {
        let (encoded, goes_on) = snapshot.next();
        if !encoded.is_empty() {
            self.state = State::Snapshot(snapshot);
            return Poll::Ready(EventFrame::objects(encoded.freeze()));
        }
        if goes_on {
            self.state = State::Snapshot(snapshot);
            // Others on this thread come first.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mark = self.mark(snapshot.inventory.revision(), true);
        self.state = snapshot.cursor.map_or(State::Over, State::Following);
        self.rest();
        Poll::Ready(EventFrame::mark(&mark))
    }

    fn follow(&mut self, mut cursor: EventCursor, cx: &mut Context<'_>) -> Poll<Option<Result<EventFrame, Status>>> {
        // Events first: what is durable is sent even when the daemon is stopping.
        match cursor.poll_next(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Ok(batch))) => {
                let mark = self.mark(batch.last, false);
                self.state = State::Following(cursor);
                self.rest();
                return Poll::Ready(Some(Ok(EventFrame::events(batch.parts, &mark))));
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(status::watch(&error)))),
            Poll::Pending => {}
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(status::shutting_down())));
        }
        let mark = self
            .idle
            .as_mut()
            .poll(cx)
            .map(|()| self.mark(cursor.position(), false));
        self.state = State::Following(cursor);
        mark.map(|mark| {
            self.rest();
            Some(Ok(EventFrame::mark(&mark)))
        })
    }
}

impl Stream for EventStream {
    type Item = Result<EventFrame, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => Poll::Ready(None),
            State::Snapshot(snapshot) => {
                if self.stop.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(status::shutting_down())));
                }
                self.snapshot(snapshot, cx).map(|frame| Some(Ok(frame)))
            }
            State::Opening(cursor) => {
                let mark = self.mark(cursor.position(), false);
                self.state = State::Following(cursor);
                Poll::Ready(Some(Ok(EventFrame::mark(&mark))))
            }
            State::Following(cursor) => self.follow(cursor, cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prost::Message as _;
    use tokio_stream::StreamExt as _;
    use tokio_util::sync::CancellationToken;
    use tonic_types::StatusExt as _;
    use wsfc_proto::reasons;
    use wsfc_proto::v1::inventory_object::Object as Value;

    use super::*;
    use crate::journal::{Journal, MemoryStore, Opened, Options, Step, Writer};
    use crate::platform::Platform;

    fn streams() -> (Streams, Writer) {
        let opened = Journal::open(Box::new(MemoryStore::new()), Options::default(), Platform::system()).unwrap();
        let Opened { journal, writer, .. } = opened;
        let streams = Streams {
            lane: journal.lane(),
            journal,
            settings: Current::new(Settings::default()),
            stop: CancellationToken::new(),
        };
        (streams, writer)
    }

    fn added(name: String) -> v1::ClusterEvent {
        let group = v1::Group {
            id: name.clone(),
            name,
            ..v1::Group::default()
        };
        v1::ClusterEvent {
            cluster: "CL1".into(),
            changes: vec![v1::ChangeType::Added.into()],
            object: Some(v1::InventoryObject {
                cluster_id: "cl1".into(),
                object: Some(Value::Group(group)),
            }),
            ..v1::ClusterEvent::default()
        }
    }

    fn observe(streams: &Streams, writer: &mut Writer, names: impl IntoIterator<Item = String>) {
        let reply = streams.journal.observe(names.into_iter().map(added).collect());
        while writer.step() == Step::Worked {}
        drop(reply);
    }

    async fn next(stream: &mut EventStream) -> v1::WatchResponse {
        let frame = stream.next().await.unwrap().unwrap();
        v1::WatchResponse::decode(frame.encode_to_vec().as_slice()).unwrap()
    }

    fn mark(response: &v1::WatchResponse) -> (u64, bool) {
        let mark = response.mark.as_ref().unwrap();
        (mark.revision, mark.snapshot_complete)
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_comes_first_behind_events_and_on_an_idle_stream() {
        let (streams, mut writer) = streams();
        observe(&streams, &mut writer, ["a".into()]);
        let only_b = Filter::new(&v1::WatchFilter {
            names: vec!["b".into()],
            ..v1::WatchFilter::default()
        });
        let mut stream = streams.events(only_b, Some(0)).unwrap();
        assert_eq!(mark(&next(&mut stream).await), (0, false));
        let before = tokio::time::Instant::now();
        let idle = next(&mut stream).await;
        assert_eq!(
            (idle.events.len(), mark(&idle)),
            (0, (1, false)),
            "a mark moves over what is not wanted"
        );
        assert_eq!(before.elapsed(), Duration::from_secs(5));
        observe(&streams, &mut writer, ["b".into(), "c".into()]);
        let news = next(&mut stream).await;
        assert_eq!((news.events.len(), mark(&news)), (1, (3, false)));
        streams.stop.cancel();
        let status = stream.next().await.unwrap().unwrap_err();
        assert_eq!(status.get_details_error_info().unwrap().reason, reasons::SHUTTING_DOWN);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_whole_and_joins_the_events_after_it() {
        let (streams, mut writer) = streams();
        let count = 1_000;
        for start in (0..count).step_by(250) {
            observe(
                &streams,
                &mut writer,
                (start..start + 250).map(|id| format!("{id:0200}")),
            );
        }
        let mut stream = streams.snapshot(Filter::default(), false);
        let first = next(&mut stream).await;
        assert!(first.mark.is_none() && first.encoded_len() < 70_000);
        // What comes while it is being sent is not in it, and follows.
        observe(&streams, &mut writer, ["late".into()]);
        let mut names: Vec<_> = first.snapshot;
        let complete = loop {
            let response = next(&mut stream).await;
            if response.mark.is_some() {
                break response;
            }
            names.extend(response.snapshot);
        };
        assert_eq!((names.len(), mark(&complete)), (count, (1_000, true)));
        let news = next(&mut stream).await;
        assert_eq!((news.events.len(), mark(&news)), (1, (1_001, false)));

        let nobody = Filter::new(&v1::WatchFilter {
            names: vec!["nobody".into()],
            ..v1::WatchFilter::default()
        });
        let mut alone = streams.snapshot(nobody, true);
        let empty = next(&mut alone).await;
        assert_eq!((empty.snapshot.len(), mark(&empty)), (0, (1_001, true)));
        assert!(alone.next().await.is_none());
    }

    #[test]
    fn requests_that_make_no_sense_are_refused_field_by_field() {
        let filter = v1::WatchFilter {
            kinds: vec![1, 0, 99],
            changes: vec![99],
            names: vec!["a".into(), String::new()],
            ..v1::WatchFilter::default()
        };
        let fields = |request: &v1::WatchRequest| -> Vec<String> {
            violations(request)
                .into_iter()
                .map(|violation| violation.field)
                .collect()
        };
        let request = v1::WatchRequest {
            snapshot: true,
            after_revision: Some(0),
            filter: Some(filter),
            ..v1::WatchRequest::default()
        };
        let expected = [
            "after_revision",
            "filter.kinds[1]",
            "filter.kinds[2]",
            "filter.changes[0]",
            "filter.names[1]",
        ];
        assert_eq!(fields(&request), expected);
        let request = v1::WatchRequest {
            snapshot_only: true,
            ..v1::WatchRequest::default()
        };
        assert_eq!(fields(&request), ["snapshot_only"]);
        assert!(fields(&v1::WatchRequest::default()).is_empty());
    }
}

//! A daemon that follows a script, behind a wire in memory that can be cut: what the client makes of every misfortune
//! is tested here. That the real daemon keeps the contract is tested end to end elsewhere.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_core::future::BoxFuture;
use http::Uri;
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{self, OperationRecord, OperationState, StreamMark};
use wsfc_client::{Client, ConnectOptions};

use crate::rejecting::rejection;

pub const OPERATION: &str = "0190c9a4-0000-7000-8000-000000000001";
pub const STORE: &str = "store-1";

/// One step of a stream.
pub enum Step {
    /// A message with the records of these numbers, the last one with the outcome when `ends`.
    Records { from: u64, to: u64, ends: bool },
    /// A mark at this number, from this store.
    Mark(u64, &'static str),
    /// The answer to `validate_only`.
    Validation(v1::ValidationReport),
    /// A message with events, objects or a mark.
    Events(v1::WatchResponse),
    /// The stream ends with this status.
    Fail(Status),
    /// From now on this host refuses connections.
    Refuse(&'static str),
    /// Every connection breaks.
    Cut,
    /// Nothing comes any more, and the connection stays.
    Silence,
}

/// A scripted daemon.
#[derive(Clone, Default)]
pub struct Daemon(Arc<Script>);

#[derive(Default)]
struct Script {
    starts: Mutex<VecDeque<Vec<Step>>>,
    watches: Mutex<VecDeque<Vec<Step>>>,
    waits: Mutex<VecDeque<v1::Operation>>,
    pages: Mutex<VecDeque<v1::ListOperationsResponse>>,
    events: Mutex<VecDeque<Vec<Step>>>,
    /// `None` for a daemon that does not know the method.
    statuses: Mutex<Option<VecDeque<Vec<Step>>>>,
    /// Hosts that refuse connections.
    refusing: Mutex<Vec<&'static str>>,
    cut: Notify,
    seen: Seen,
}

/// What the daemon was asked.
#[derive(Default)]
pub struct Seen {
    pub starts: Mutex<Vec<v1::CreateClusterRequest>>,
    pub watches: Mutex<Vec<v1::WatchOperationRequest>>,
    pub lists: Mutex<Vec<v1::ListOperationsRequest>>,
    pub events: Mutex<Vec<v1::WatchRequest>>,
    pub statuses: Mutex<Vec<v1::WatchStatusRequest>>,
    /// The hosts that were dialled.
    pub dials: Mutex<Vec<String>>,
}

impl Daemon {
    /// What a further CreateCluster is answered with.
    pub fn start(self, steps: Vec<Step>) -> Self {
        self.0.starts.lock().unwrap().push_back(steps);
        self
    }

    /// What a further WatchOperation is answered with; after the last one they are answered with an endless silence.
    pub fn watch(self, steps: Vec<Step>) -> Self {
        self.0.watches.lock().unwrap().push_back(steps);
        self
    }

    /// What a further Watch is answered with; after the last one they are answered with an endless silence.
    pub fn events(self, steps: Vec<Step>) -> Self {
        self.0.events.lock().unwrap().push_back(steps);
        self
    }

    /// What a further WatchStatus is answered with; without any the daemon does not know the method.
    pub fn statuses(self, steps: Vec<Step>) -> Self {
        self.0.statuses.lock().unwrap().get_or_insert_default().push_back(steps);
        self
    }

    /// What a further WaitOperation is answered with.
    pub fn wait(self, operation: v1::Operation) -> Self {
        self.0.waits.lock().unwrap().push_back(operation);
        self
    }

    /// What a further ListOperations is answered with.
    pub fn page(self, page: v1::ListOperationsResponse) -> Self {
        self.0.pages.lock().unwrap().push_back(page);
        self
    }

    /// This host refuses connections.
    pub fn refusing(self, host: &'static str) -> Self {
        self.0.refusing.lock().unwrap().push(host);
        self
    }

    pub fn seen(&self) -> &Seen {
        &self.0.seen
    }

    /// A client of this daemon. The daemon runs until the test ends.
    pub fn client(&self, options: ConnectOptions) -> Client {
        let (accepted, incoming) = mpsc::unbounded_channel::<io::Result<DuplexStream>>();
        let served = tonic::transport::Server::builder()
            .add_service(Clusters(self.clone()))
            .add_service(Operations(self.clone()))
            .add_service(Events(self.clone()))
            .add_service(Resources(self.clone()))
            .serve_with_incoming(UnboundedReceiverStream::new(incoming));
        tokio::spawn(served);
        let daemon = self.clone();
        let connector = tower::service_fn(move |uri: Uri| {
            let host = uri.host().unwrap_or_default().to_owned();
            let refused = daemon
                .0
                .refusing
                .lock()
                .unwrap()
                .iter()
                .any(|refusing| *refusing == host);
            daemon.seen().dials.lock().unwrap().push(host);
            let near = if refused {
                Err(io::Error::from(io::ErrorKind::ConnectionRefused))
            } else {
                Ok(daemon.clone().wire(&accepted))
            };
            std::future::ready(near)
        });
        Client::from_connector(options, connector).unwrap()
    }

    /// A new connection that breaks when the daemon cuts.
    fn wire(self, accepted: &mpsc::UnboundedSender<io::Result<DuplexStream>>) -> DuplexStream {
        let (near, mut middle_near) = tokio::io::duplex(64 * 1024);
        let (mut middle_far, far) = tokio::io::duplex(64 * 1024);
        accepted.send(Ok(far)).unwrap();
        tokio::spawn(async move {
            let copied = tokio::io::copy_bidirectional(&mut middle_near, &mut middle_far);
            tokio::select! {
                _ = copied => {}
                () = self.0.cut.notified() => {}
            }
        });
        near
    }

    /// Plays the steps of a stream.
    fn play<M: From<Message> + Send + 'static>(&self, steps: Vec<Step>) -> Played<M> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let daemon = self.clone();
        tokio::spawn(async move {
            for step in steps {
                let message = match step {
                    Step::Records { from, to, ends } => Ok(records(from, to, ends)),
                    Step::Mark(sequence, store) => Ok(mark(sequence, store)),
                    Step::Validation(report) => Ok(Message {
                        validation: Some(report),
                        ..Default::default()
                    }),
                    Step::Events(events) => Ok(Message {
                        events,
                        ..Default::default()
                    }),
                    Step::Fail(status) => Err(status),
                    Step::Refuse(host) => {
                        daemon.0.refusing.lock().unwrap().push(host);
                        continue;
                    }
                    Step::Cut => {
                        // What was sent before must have arrived: the wires copy it while this task waits its turn.
                        for _ in 0..100 {
                            tokio::task::yield_now().await;
                        }
                        daemon.0.cut.notify_waiters();
                        return std::future::pending().await;
                    }
                    Step::Silence => return sender.closed().await,
                };
                if sender.send(message.map(M::from)).is_err() {
                    return;
                }
            }
        });
        Box::pin(UnboundedReceiverStream::new(receiver))
    }
}

type Played<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// A message of any operation stream.
#[derive(Default)]
pub struct Message {
    records: Vec<OperationRecord>,
    mark: Option<StreamMark>,
    validation: Option<v1::ValidationReport>,
    events: v1::WatchResponse,
}

impl From<Message> for v1::WatchResponse {
    fn from(message: Message) -> Self {
        message.events
    }
}

impl From<Message> for v1::WatchStatusResponse {
    fn from(message: Message) -> Self {
        Self {
            events: message.events.events,
            mark: message.events.mark,
        }
    }
}

impl From<Message> for v1::CreateClusterResponse {
    fn from(message: Message) -> Self {
        Self {
            records: message.records,
            mark: message.mark,
            validation: message.validation,
        }
    }
}

impl From<Message> for v1::WatchOperationResponse {
    fn from(message: Message) -> Self {
        Self {
            records: message.records,
            mark: message.mark,
        }
    }
}

fn records(from: u64, to: u64, ends: bool) -> Message {
    let record = |sequence| OperationRecord {
        revision: 100 + sequence,
        operation_id: OPERATION.to_owned(),
        sequence,
        payload: Some(if ends && sequence == to {
            Payload::Outcome(outcome())
        } else {
            Payload::Started(v1::OperationStarted::default())
        }),
        ..Default::default()
    };
    Message {
        records: (from..=to).map(record).collect(),
        ..Default::default()
    }
}

fn mark(sequence: u64, store: &str) -> Message {
    let mark = StreamMark {
        store_id: store.to_owned(),
        operation_id: OPERATION.to_owned(),
        sequence,
        revision: 100 + sequence,
    };
    Message {
        mark: Some(mark),
        ..Default::default()
    }
}

pub fn outcome() -> v1::OperationOutcome {
    v1::OperationOutcome {
        state: OperationState::Succeeded.into(),
        ..Default::default()
    }
}

struct Start(Daemon);

impl ServerStreamingService<v1::CreateClusterRequest> for Start {
    type Response = v1::CreateClusterResponse;
    type ResponseStream = Played<v1::CreateClusterResponse>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<v1::CreateClusterRequest>) -> Self::Future {
        let daemon = self.0.clone();
        Box::pin(async move {
            daemon.seen().starts.lock().unwrap().push(request.into_inner());
            let steps = daemon.0.starts.lock().unwrap().pop_front();
            let steps = steps.ok_or_else(|| Status::unimplemented("no start is scripted"))?;
            Ok(Response::new(daemon.play(steps)))
        })
    }
}

struct Watch(Daemon);

impl ServerStreamingService<v1::WatchOperationRequest> for Watch {
    type Response = v1::WatchOperationResponse;
    type ResponseStream = Played<v1::WatchOperationResponse>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<v1::WatchOperationRequest>) -> Self::Future {
        let daemon = self.0.clone();
        Box::pin(async move {
            daemon.seen().watches.lock().unwrap().push(request.into_inner());
            let steps = daemon.0.watches.lock().unwrap().pop_front();
            Ok(Response::new(daemon.play(steps.unwrap_or_else(|| vec![Step::Silence]))))
        })
    }
}

struct WatchEvents(Daemon);

impl ServerStreamingService<v1::WatchRequest> for WatchEvents {
    type Response = v1::WatchResponse;
    type ResponseStream = Played<v1::WatchResponse>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<v1::WatchRequest>) -> Self::Future {
        let daemon = self.0.clone();
        Box::pin(async move {
            daemon.seen().events.lock().unwrap().push(request.into_inner());
            let steps = daemon.0.events.lock().unwrap().pop_front();
            Ok(Response::new(daemon.play(steps.unwrap_or_else(|| vec![Step::Silence]))))
        })
    }
}

struct WatchStatuses(Daemon);

impl ServerStreamingService<v1::WatchStatusRequest> for WatchStatuses {
    type Response = v1::WatchStatusResponse;
    type ResponseStream = Played<v1::WatchStatusResponse>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<v1::WatchStatusRequest>) -> Self::Future {
        let daemon = self.0.clone();
        Box::pin(async move {
            daemon.seen().statuses.lock().unwrap().push(request.into_inner());
            let mut scripted = daemon.0.statuses.lock().unwrap();
            let scripted = scripted
                .as_mut()
                .ok_or_else(|| Status::unimplemented("unknown method"))?;
            let steps = scripted.pop_front().unwrap_or_else(|| vec![Step::Silence]);
            Ok(Response::new(daemon.play(steps)))
        })
    }
}

struct Wait(Daemon);

impl UnaryService<v1::WaitOperationRequest> for Wait {
    type Response = v1::WaitOperationResponse;
    type Future = BoxFuture<'static, Result<Response<Self::Response>, Status>>;

    fn call(&mut self, _: Request<v1::WaitOperationRequest>) -> Self::Future {
        let next = self.0.0.waits.lock().unwrap().pop_front();
        Box::pin(async move {
            let operation = next.ok_or_else(|| Status::unimplemented("no wait is scripted"))?;
            Ok(Response::new(v1::WaitOperationResponse {
                operation: Some(operation),
                ..v1::WaitOperationResponse::default()
            }))
        })
    }
}

struct List(Daemon);

impl UnaryService<v1::ListOperationsRequest> for List {
    type Response = v1::ListOperationsResponse;
    type Future = BoxFuture<'static, Result<Response<Self::Response>, Status>>;

    fn call(&mut self, request: Request<v1::ListOperationsRequest>) -> Self::Future {
        self.0.seen().lists.lock().unwrap().push(request.into_inner());
        let next = self.0.0.pages.lock().unwrap().pop_front();
        Box::pin(async move {
            let page = next.ok_or_else(|| rejection(Code::InvalidArgument, "PAGE_TOKEN_INVALID"))?;
            Ok(Response::new(page))
        })
    }
}

/// Routes the paths of a service; the daemon's own generated code is not at hand here.
macro_rules! service {
    ($service:ident, $name:literal, { $($path:literal => $kind:ident($handler:ident),)* }) => {
        #[derive(Clone)]
        struct $service(Daemon);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl tower::Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = std::convert::Infallible;
            type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let daemon = self.0.clone();
                Box::pin(async move {
                    Ok(match request.uri().path() {
                        $($path => Grpc::new(ProstCodec::default()).$kind($handler(daemon), request).await,)*
                        _ => Status::unimplemented("not scripted").into_http(),
                    })
                })
            }
        }
    };
}

service!(Clusters, "wsfc.v1.ClusterService", {
    "/wsfc.v1.ClusterService/CreateCluster" => server_streaming(Start),
});

service!(Operations, "wsfc.v1.OperationService", {
    "/wsfc.v1.OperationService/WatchOperation" => server_streaming(Watch),
    "/wsfc.v1.OperationService/WaitOperation" => unary(Wait),
    "/wsfc.v1.OperationService/ListOperations" => unary(List),
});

service!(Events, "wsfc.v1.EventService", {
    "/wsfc.v1.EventService/Watch" => server_streaming(WatchEvents),
});

service!(Resources, "wsfc.v1.ResourceService", {
    "/wsfc.v1.ResourceService/WatchStatus" => server_streaming(WatchStatuses),
});

/// Everything that a stream tells, in short: the numbers of records, `~` for a lost connection, `>` for a resumption.
/// One that does not end within an hour of the paused clock never ends.
pub async fn told(progress: &mut wsfc_client::ProgressStream) -> (String, Option<wsfc_client::Error>) {
    tokio::time::timeout(Duration::from_secs(3600), tell(progress))
        .await
        .unwrap()
}

async fn tell(progress: &mut wsfc_client::ProgressStream) -> (String, Option<wsfc_client::Error>) {
    let mut told = Vec::new();
    while let Some(item) = progress.next().await {
        match item {
            Ok(wsfc_client::Progress::Record(record)) => told.push(record.sequence.to_string()),
            Ok(wsfc_client::Progress::Reconnecting { attempt, .. }) => told.push(format!("~{attempt}")),
            Ok(wsfc_client::Progress::Resumed { after_sequence }) => told.push(format!(">{after_sequence}")),
            Err(error) => return (told.join(" "), Some(error)),
        }
    }
    (told.join(" "), None)
}

/// All items of a stream up to its first error.
pub async fn collected<T, E>(stream: impl Stream<Item = Result<T, E>>) -> Result<Vec<T>, E> {
    stream.collect().await
}

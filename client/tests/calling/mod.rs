//! A WorkloadService whose streams the test speaks in by hand, behind a wire in memory that can be cut.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::future::BoxFuture;
use http::Uri;
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use wsfc_client::v1::attach_request::Message as Said;
use wsfc_client::v1::attach_response::Message as Told;
use wsfc_client::v1::{self, AttachRequest, AttachResponse, WorkloadCallEnd, WorkloadCallKind, WorkloadRejection};
use wsfc_client::{Client, ConnectOptions};

type Answers = mpsc::UnboundedSender<Result<AttachResponse, Status>>;

/// A daemon whose streams come to the test.
#[derive(Clone)]
pub struct Daemon {
    opened: mpsc::UnboundedSender<Opened>,
    cut: Arc<Notify>,
}

/// A stream that an agent has opened.
pub struct Opened {
    said: Streaming<AttachRequest>,
    tell: Answers,
}

impl Daemon {
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Opened>) {
        let (opened, streams) = mpsc::unbounded_channel();
        let cut = Arc::default();
        (Self { opened, cut }, streams)
    }

    /// A client of this daemon. The daemon runs until the test ends.
    pub fn client(&self, options: ConnectOptions) -> Client {
        let (accepted, incoming) = mpsc::unbounded_channel::<io::Result<DuplexStream>>();
        let served = tonic::transport::Server::builder()
            .add_service(Workloads(self.clone()))
            .serve_with_incoming(UnboundedReceiverStream::new(incoming));
        tokio::spawn(served);
        let cut = self.cut.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let (near, mut middle_near) = tokio::io::duplex(64 * 1024);
            let (mut middle_far, far) = tokio::io::duplex(64 * 1024);
            accepted.send(Ok(far)).unwrap();
            let cut = cut.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut middle_near, &mut middle_far) => {}
                    () = cut.notified() => {}
                }
            });
            std::future::ready(Ok::<_, io::Error>(near))
        });
        Client::from_connector(options, connector).unwrap()
    }

    /// Every connection breaks.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }
}

impl Opened {
    /// What the agent says next; `None` when it has closed its side. What it has not said within an hour of the paused
    /// clock it never says.
    pub async fn said(&mut self) -> Option<Said> {
        tokio::time::timeout(Duration::from_secs(3600), self.said.message())
            .await
            .unwrap()
            .unwrap()
            .map(|request| request.message.unwrap())
    }

    pub async fn registration(&mut self) -> v1::AgentRegistration {
        match self.said().await {
            Some(Said::Registration(registration)) => registration,
            other => panic!("{other:?}"),
        }
    }

    pub async fn status(&mut self) -> v1::WorkloadStatus {
        match self.said().await {
            Some(Said::Status(status)) => status,
            other => panic!("{other:?}"),
        }
    }

    /// The next status that is final.
    pub async fn answer(&mut self) -> v1::WorkloadStatus {
        loop {
            let status = self.status().await;
            if status.state() != v1::WorkloadState::Pending {
                return status;
            }
        }
    }

    pub async fn health(&mut self) -> v1::WorkloadHealth {
        match self.said().await {
            Some(Said::Health(health)) => health,
            other => panic!("{other:?}"),
        }
    }

    pub fn attached(&self, lease_id: &str, resumed: bool) {
        self.attached_with(lease_id, resumed, None);
    }

    /// The daemon says which resources it has open.
    pub fn attached_with(&self, lease_id: &str, resumed: bool, open: Option<&[&str]>) {
        let resources = |open: &[&str]| v1::OpenResources {
            resources: open.iter().copied().map(str::to_owned).collect(),
        };
        self.tell(Told::Attached(v1::Attached {
            lease_id: lease_id.to_owned(),
            lease: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
            resumed,
            open: open.map(resources),
        }));
    }

    pub fn standing_by(&self, agent: &str) {
        let agent = agent.to_owned();
        self.tell(Told::StandingBy(v1::StandingBy { agent }));
    }

    pub fn call(&self, call: v1::WorkloadCall) {
        self.tell(Told::Call(call));
    }

    pub fn ended(&self, call_id: &str, reason: WorkloadCallEnd) {
        self.tell(Told::Ended(v1::WorkloadCallEnded {
            call_id: call_id.to_owned(),
            reason: reason.into(),
        }));
    }

    pub fn rejected(&self, call_id: &str, reason: WorkloadRejection) {
        self.tell(Told::Rejected(v1::WorkloadRejected {
            call_id: call_id.to_owned(),
            reason: reason.into(),
            message: "no".to_owned(),
        }));
    }

    pub fn detached(&self, reattach: bool) {
        self.tell(Told::Detached(v1::Detached {
            message: "the daemon stops".to_owned(),
            reattach,
        }));
    }

    pub fn fail(self, status: Status) {
        self.tell.send(Err(status)).unwrap();
    }

    fn tell(&self, message: Told) {
        self.tell.send(Ok(AttachResponse { message: Some(message) })).unwrap();
    }
}

pub fn call(call_id: &str, kind: WorkloadCallKind, resource: &str) -> v1::WorkloadCall {
    v1::WorkloadCall {
        call_id: call_id.to_owned(),
        kind: kind.into(),
        resource: resource.to_owned(),
        workload: "web".to_owned(),
        timeout: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        ..Default::default()
    }
}

struct Attach(Daemon);

impl StreamingService<AttachRequest> for Attach {
    type Response = AttachResponse;
    type ResponseStream = UnboundedReceiverStream<Result<AttachResponse, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<AttachRequest>>) -> Self::Future {
        let (tell, answers) = mpsc::unbounded_channel();
        let said = request.into_inner();
        // A test that has ended looks at no further stream.
        let _ = self.0.opened.send(Opened { said, tell });
        Box::pin(async move { Ok(Response::new(UnboundedReceiverStream::new(answers))) })
    }
}

#[derive(Clone)]
struct Workloads(Daemon);

impl NamedService for Workloads {
    const NAME: &'static str = "wsfc.v1.WorkloadService";
}

impl tower::Service<http::Request<Body>> for Workloads {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let daemon = self.0.clone();
        Box::pin(async move {
            Ok(Grpc::new(ProstCodec::default())
                .streaming(Attach(daemon), request)
                .await)
        })
    }
}

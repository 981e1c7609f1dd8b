//! The least that gRPC can do for a record stream: records from a channel, encoded for the one watcher, and no journal.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::Map;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use wsfc_proto::v1;

use crate::served::on_a_thread;

type Message = Result<v1::WatchOperationResponse, Status>;

/// Answers every WatchOperation; the first one gets what is sent.
#[derive(Clone)]
struct Bare(Arc<Mutex<Option<UnboundedReceiver<v1::WatchOperationResponse>>>>);

/// Serves on a loopback port to the end of the process; what is sent goes to the first watcher.
pub fn serve() -> (SocketAddr, UnboundedSender<v1::WatchOperationResponse>) {
    let (sender, receiver) = unbounded_channel();
    let service = Bare(Arc::new(Mutex::new(Some(receiver))));
    let address = on_a_thread("bare", async |listener| {
        Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener).map(|socket| {
                let socket = socket?;
                socket.set_nodelay(true)?;
                Ok::<_, std::io::Error>(socket)
            }))
            .await
    });
    (address, sender)
}

impl NamedService for Bare {
    const NAME: &'static str = "wsfc.v1.OperationService";
}

impl tonic::codegen::Service<http::Request<Body>> for Bare {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default());
            Ok(grpc.server_streaming(service, request).await)
        })
    }
}

impl ServerStreamingService<v1::WatchOperationRequest> for Bare {
    type Response = v1::WatchOperationResponse;
    type ResponseStream =
        Map<UnboundedReceiverStream<v1::WatchOperationResponse>, fn(v1::WatchOperationResponse) -> Message>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<v1::WatchOperationRequest>) -> Self::Future {
        let receiver = self.0.lock().expect("no panic").take();
        let stream = UnboundedReceiverStream::new(receiver.unwrap_or_else(|| unbounded_channel().1));
        ready(Ok(Response::new(stream.map(Ok as fn(_) -> Message))))
    }
}

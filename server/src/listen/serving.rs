//! Serving connections: one task for each, which ends it when its time has come.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Layer as _;
use tower::util::MapResponseLayer;

use super::calls::{Calls, ClientStreams};
use super::connection::Accepted;
use super::counters::Count;
use super::greeting::{Greeted, greet};
use super::lifetime::{Lifetime, Look};
use super::refusals::Refusals;
use super::registry::Connections;
use super::tls::Secured;
use crate::access::layer::AccessLayer;
use crate::grpc::complete::complete;
use crate::settings::current::Current;
use crate::settings::{Limits, Settings};

/// How often a client is asked whether it is there, and how long it may take to say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// A bearer token of 8 KiB must fit beside the other headers.
const HEADER_BYTES: u32 = 16 * 1024;
/// The least that HTTP/2 allows.
const FRAME_BYTES: u32 = 16 * 1024;
/// What a client may send without being read. A request of the largest size is read while it comes; a connection holds this
/// much at most, whatever its client sends.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// What is written to a stream before its client has read.
const SEND_BUFFER: usize = 128 * 1024;
/// Errors on streams that one connection may cause. The library's own limit, which its gRPC server lifts, is 1,024; a client
/// that keeps to the rules causes none (CVE-2025-8671).
const STREAM_ERRORS: usize = 100;
/// Streams that a client resets before they are looked at (CVE-2023-44487).
const EARLY_RESETS: usize = 20;

/// What a serving thread serves connections with.
#[derive(Clone)]
pub struct Serving {
    /// The services.
    pub routes: Routes,
    /// Decides each call in front of them.
    pub access: AccessLayer,
    /// What connections are secured with; absent: nothing.
    pub tls: Option<Current<Secured>>,
    /// The limits.
    pub settings: Current<Settings>,
    /// Where clients are reported whose certificates are refused.
    pub refusals: Refusals,
}

impl Serving {
    /// Serves connections until told to stop and every connection has ended.
    pub async fn serve(
        self,
        arrivals: impl Stream<Item = Accepted>,
        connections: Connections,
        stop: CancellationToken,
    ) {
        let services = MapResponseLayer::new(complete::<Body>).layer(self.routes.prepare());
        let services = self.access.layer(services);
        let client_streams = Arc::new(ClientStreams::served());
        let tasks = TaskTracker::new();
        let mut arrivals = pin!(arrivals);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                next = arrivals.next() => match next {
                    Some(accepted) => accepted,
                    None => break,
                },
            };
            let (tls, settings, refusals) = (self.tls.clone(), self.settings.clone(), self.refusals.clone());
            let (services, client_streams) = (services.clone(), Arc::clone(&client_streams));
            tasks.spawn(async move {
                let settings = settings.get();
                if let Some(greeted) = greet(accepted, tls.as_ref(), &settings.limits, &refusals).await {
                    drive(greeted, services, client_streams, &settings.limits).await;
                }
            });
        }
        tasks.close();
        connections.close();
        tasks.wait().await;
    }
}

/// Serves one connection to its end.
async fn drive<S>(greeted: Greeted, services: S, client_streams: Arc<ClientStreams>, limits: &Limits)
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let Greeted { bytes, peer, mut guest } = greeted;
    let activity = Arc::clone(guest.activity());
    let connections = guest.connections().clone();
    let calls = Calls {
        services,
        peer,
        activity: Arc::clone(&activity),
        connections: connections.clone(),
        client_streams,
        patience: limits.request_body,
    };
    let mut http = pin!(http2(limits).serve_connection(TokioIo::new(bytes), calls));
    let mut lifetime = Lifetime::new(Instant::now(), guest.id(), limits);
    let mut clock = pin!(sleep_until(Instant::now()));
    loop {
        tokio::select! {
            biased;
            ended = http.as_mut() => {
                if let Err(error) = ended {
                    let count = fault(&error);
                    tracing::debug!(error = crate::logging::chain(&error), what = count.name(), "A connection was lost");
                    connections.count(count);
                }
                return;
            }
            ending = guest.told() => {
                lifetime.told(Instant::now(), ending);
                http.as_mut().graceful_shutdown();
                clock.as_mut().reset(Instant::now());
            }
            () = clock.as_mut() => match lifetime.look(Instant::now(), activity.idle()) {
                Look::Wait(until) => clock.as_mut().reset(until),
                look @ (Look::Idle | Look::Aged) => {
                    connections.count(if look == Look::Idle { Count::Idle } else { Count::Aged });
                    http.as_mut().graceful_shutdown();
                    clock.as_mut().reset(Instant::now());
                }
                Look::Over => return,
            },
        }
    }
}

/// HTTP/2 with every limit that there is; the defaults of libraries change.
fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE.0)
        .keep_alive_timeout(KEEPALIVE.1)
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(HEADER_BYTES)
        .max_frame_size(FRAME_BYTES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_local_error_reset_streams(STREAM_ERRORS)
        .max_pending_accept_reset_streams(EARLY_RESETS);
    builder
}

/// What a connection that ended by an error is counted as.
fn fault(error: &hyper::Error) -> Count {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    match cause {
        Some(cause) if cause.is_library() && cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM) => Count::Flood,
        _ => Count::Broken,
    }
}

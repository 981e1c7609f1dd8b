//! The calls of one connection, as HTTP/2 hands them to the services.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::ServiceExt as _;
use wsfc_proto::reasons;

use super::connection::Peer;
use super::counters::Count;
use super::registry::{Activity, Call, Connections};
use crate::grpc::status::bare;

/// The methods whose clients stream: their requests have no end that they could be late for.
#[derive(Debug, Default)]
pub struct ClientStreams(BTreeSet<String>);

impl ClientStreams {
    /// Those of the contract, and of the services that are served beside it.
    pub fn served() -> Self {
        let mut paths = BTreeSet::new();
        for bytes in [
            wsfc_proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            // A set that cannot be read has no services either: reflection would have refused it at the start.
            let set = FileDescriptorSet::decode(bytes).unwrap_or_default();
            for file in &set.file {
                for service in &file.service {
                    let streams = service.method.iter().filter(|method| method.client_streaming());
                    paths.extend(streams.map(|method| {
                        let (package, service) = (file.package(), service.name());
                        format!("/{package}.{service}/{}", method.name())
                    }));
                }
            }
        }
        Self(paths)
    }

    fn contains(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}

/// The content type of calls, with which others begin.
const GRPC: &str = "application/grpc";

/// Hands the calls of one connection to the services.
#[derive(Clone)]
pub(super) struct Calls<S> {
    pub(super) services: S,
    pub(super) peer: Peer,
    pub(super) activity: Arc<Activity>,
    pub(super) connections: Connections,
    pub(super) client_streams: Arc<ClientStreams>,
    /// How long a request may take to arrive.
    pub(super) patience: Duration,
}

impl<S> hyper::service::Service<Request<Incoming>> for Calls<S>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let call = self.activity.call();
        if let Some(refused) = no_call(&request) {
            self.connections.count(Count::NotACall);
            let mut answer = Response::new(Answer {
                body: Body::empty(),
                _call: call,
            });
            *answer.status_mut() = refused;
            return Box::pin(std::future::ready(Ok(answer)));
        }
        let timeout = grpc_timeout(request.headers());
        let late_at = (!self.client_streams.contains(request.uri().path())).then(|| Instant::now() + self.patience);
        let connections = &self.connections;
        let mut request = request.map(|incoming| {
            Body::new(Asked {
                incoming,
                late_at,
                sleep: None,
                connections: connections.clone(),
            })
        });
        request.extensions_mut().insert(self.peer.clone());
        let answer = self.services.clone().oneshot(request);
        Box::pin(async move {
            let Ok(response) = match timeout {
                None => answer.await,
                Some(timeout) => match tokio::time::timeout(timeout, answer).await {
                    Ok(answered) => answered,
                    Err(_elapsed) => Ok(Status::cancelled("Timeout expired").into_http()),
                },
            };
            Ok(response.map(|body| Answer { body, _call: call }))
        })
    }
}

/// What a request is answered that is no call. A browser sends others without asking its user, and with the certificate that
/// it was given; and caches repeat GET (gRPC over HTTP2: 415 for another content type).
fn no_call<B>(request: &Request<B>) -> Option<StatusCode> {
    if request.method() != Method::POST {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    // A request with several is of none.
    let is_one = request.headers().get_all(CONTENT_TYPE).iter().count() == 1;
    let is_grpc = content_type.filter(|_| is_one).is_some_and(|text| {
        let (name, rest) = text.split_at_checked(GRPC.len()).unwrap_or((text, ""));
        name.eq_ignore_ascii_case(GRPC) && matches!(rest.bytes().next(), None | Some(b'+' | b';'))
    });
    (!is_grpc).then_some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

/// How long the caller waits for the head of the answer, when it says so. A value that is none is as good as nothing
/// (gRPC over HTTP2, "Timeout").
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 60 * 60)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The body of a request, which must arrive in time.
struct Asked {
    incoming: Incoming,
    late_at: Option<Instant>,
    /// Made when the body is waited for, which is seldom.
    sleep: Option<Pin<Box<Sleep>>>,
    connections: Connections,
}

impl http_body::Body for Asked {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(late_at) = self.late_at else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(late_at)));
        ready!(sleep.as_mut().poll(cx));
        self.late_at = None;
        self.connections.count(Count::SlowRequest);
        let late = bare(
            Code::DeadlineExceeded,
            "the request did not arrive in time",
            reasons::REQUEST_LATE,
        );
        Poll::Ready(Some(Err(late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The body of an answer. As long as it lasts the call does.
pub(super) struct Answer {
    body: Body,
    _call: Call,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_whose_clients_stream_are_known() {
        let streams = ClientStreams::served();
        assert!(streams.contains("/wsfc.v1.WorkloadService/Attach"));
        assert!(streams.contains("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"));
        assert!(streams.contains("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"));
        assert!(!streams.contains("/wsfc.v1.EventService/Watch"));
        assert!(!streams.contains("/wsfc.v1.ClusterService/CreateCluster"));
    }

    #[test]
    fn only_calls_are_calls() {
        let refused = |method: &str, types: &[&str]| {
            let mut request = Request::builder().method(method);
            for content_type in types {
                request = request.header(CONTENT_TYPE, *content_type);
            }
            no_call(&request.body(()).unwrap()).map(|status| status.as_u16())
        };
        for grpc in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc; charset=utf-8",
            "Application/gRPC",
        ] {
            assert_eq!(refused("POST", &[grpc]), None, "{grpc}");
        }
        for other in [
            "text/plain",
            "application/json",
            "application/grpc-web",
            "application/grpcx",
            "application/x-www-form-urlencoded",
            "text/plain; application/grpc",
            " application/grpc",
            "",
        ] {
            assert_eq!(refused("POST", &[other]), Some(415), "{other:?}");
        }
        assert_eq!(refused("POST", &[]), Some(415));
        assert_eq!(refused("POST", &["application/grpc", "text/plain"]), Some(415));
        for method in [
            "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "post",
        ] {
            assert_eq!(refused(method, &["application/grpc"]), Some(405), "{method}");
        }
    }

    #[test]
    fn a_timeout_is_a_number_and_a_unit() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            grpc_timeout(&headers)
        };
        assert_eq!(read("3H"), Some(Duration::from_secs(10_800)));
        assert_eq!(read("1M"), Some(Duration::from_secs(60)));
        assert_eq!(read("42S"), Some(Duration::from_secs(42)));
        assert_eq!(read("13m"), Some(Duration::from_millis(13)));
        assert_eq!(read("2u"), Some(Duration::from_micros(2)));
        assert_eq!(read("82n"), Some(Duration::from_nanos(82)));
        for bad in ["", "S", "82f", "123456789H", "oneH", "+1S", "-1S", "1.5S", "1 S"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(grpc_timeout(&HeaderMap::new()), None);
    }
}

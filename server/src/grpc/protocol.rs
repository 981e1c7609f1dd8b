//! What is no gRPC call at all, and gets an answer of HTTP.
//!
//! The library takes any method and any type of content. A browser sends some of them for any web page, with the user's
//! certificate, so a page could call the daemon in the user's name.

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;

/// The answer to a request that is no gRPC call (gRPC over HTTP2, "Requests").
pub fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    let mut refused = Response::new(Body::empty());
    if request.method() != Method::POST {
        *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(refused);
    }
    if !is_grpc(request.headers().get(CONTENT_TYPE)) {
        *refused.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Some(refused);
    }
    None
}

/// `application/grpc`, alone, or with the name of an encoding or parameters behind it.
fn is_grpc(content_type: Option<&HeaderValue>) -> bool {
    let text = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let rest = text.strip_prefix("application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, content_type: Option<&str>) -> Option<u16> {
        let mut request = Request::builder().method(method);
        if let Some(text) = content_type {
            request = request.header(CONTENT_TYPE, text);
        }
        refusal(&request.body(()).unwrap()).map(|refused| refused.status().as_u16())
    }

    #[test]
    fn only_posts_of_grpc_are_calls() {
        for fit in [
            "application/grpc",
            "application/grpc+proto",
            "Application/gRPC; charset=utf-8",
        ] {
            assert_eq!(status("POST", Some(fit)), None, "{fit}");
        }
        for unfit in [
            "text/plain",
            "application/json",
            "application/grpcx",
            "application/grpc-web",
            "x/application/grpc",
            "",
        ] {
            assert_eq!(status("POST", Some(unfit)), Some(415), "{unfit}");
        }
        assert_eq!(status("POST", None), Some(415));
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "post", "BREW"] {
            assert_eq!(status(method, Some("application/grpc")), Some(405), "{method}");
        }
    }
}

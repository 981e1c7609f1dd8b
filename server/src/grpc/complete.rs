//! Errors that the gRPC library makes by itself, completed to the form of the contract.
//!
//! A request that is too large, cannot be decoded or names no method never reaches a handler. Its status has no details;
//! callers are promised one `ErrorInfo` all the same.
//!
//! The promise is about `wsfc.v1`. Health and reflection are protocols of their own, whose errors have no `ErrorInfo`; nor
//! has the CANCELLED of the library's own timeout, which a caller asks for with `grpc-timeout`.

use http::Response;
use tonic::{Code, Status};
use wsfc_proto::reasons;

use super::status::bare;

/// Adds the missing details to an answer that is nothing but such a status.
pub fn complete<B>(mut response: Response<B>) -> Response<B> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if !status.details().is_empty() {
        return response;
    }
    let (code, reason) = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => (Code::OutOfRange, reasons::MESSAGE_TOO_LARGE),
        Code::Unimplemented => (Code::Unimplemented, reasons::REQUEST_UNKNOWN),
        // What cannot be decoded is reported as the server's failure, and is the caller's.
        Code::Internal => (Code::InvalidArgument, reasons::REQUEST_MALFORMED),
        _ => return response,
    };
    let complete = bare(code, status.message(), reason);
    if complete.add_header(response.headers_mut()).is_err() {
        tracing::debug!(reason, "The details of a status do not fit into a header");
    }
    response
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;

    fn completed(status: Status) -> Status {
        let response: Response<()> = status.into_http();
        Status::from_header_map(complete(response).headers()).unwrap()
    }

    #[test]
    fn a_bare_status_gets_its_reason() {
        let status = completed(Status::out_of_range("too large"));
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            reasons::MESSAGE_TOO_LARGE
        );
        let status = completed(Status::internal("failed to decode"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            reasons::REQUEST_MALFORMED
        );
    }

    #[test]
    fn a_status_of_ours_stays_as_it_is() {
        let ours = crate::grpc::status::internal("x");
        let status = completed(ours.clone());
        assert_eq!((status.code(), status.details()), (ours.code(), ours.details()));
    }

    #[test]
    fn an_answer_without_a_status_stays_as_it_is() {
        assert!(complete(Response::new(())).headers().is_empty());
    }
}

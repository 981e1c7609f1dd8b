//! What the log says about a call in HTTP: who makes it, and what it was answered.

use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use wsfc_audit::{Call, Origin, Outcome, Who};
use wsfc_proto::{ERROR_DOMAIN, reasons, v1::Permission};

use super::Asked;
use crate::access::hex;
use crate::access::identity::{Identity, Method};
use crate::listen::connection::{Medium, Peer};

/// The reasons of refusals because of who asks, how often, or without reading what comes.
const REFUSALS: [&str; 9] = [
    reasons::CREDENTIALS_REQUIRED,
    reasons::CERTIFICATE_REVOKED,
    reasons::CERTIFICATE_EXPIRED,
    reasons::TOKEN_INVALID,
    reasons::TOKEN_EXPIRED,
    reasons::PERMISSION_MISSING,
    reasons::TOO_MANY_TRIES,
    reasons::RATE_LIMITED,
    reasons::TOO_MUCH_UNREAD,
];

/// What is known of a call before its caller is.
pub fn about(request: &Request<Body>, permission: Permission) -> Asked {
    let peer = request.extensions().get::<Peer>();
    let certificate = peer.and_then(|peer| peer.certificate.as_ref());
    Asked {
        who: certificate.map_or_else(Who::default, |certificate| Who {
            principal: certificate.names.first().map(ToString::to_string).unwrap_or_default(),
            serial: hex::text(&certificate.serial),
            fingerprint: hex::text(&certificate.fingerprint),
            method: String::new(),
        }),
        from: peer.map_or_else(Origin::default, origin),
        call: Call {
            method: request.uri().path().to_owned(),
            permission: permission.name(),
            ..Call::default()
        },
    }
}

fn origin(peer: &Peer) -> Origin {
    let medium = match peer.medium {
        Medium::Plain => "plain",
        Medium::Tls => "tls",
        Medium::Local => "local",
    };
    Origin {
        address: peer.address.map(|address| address.to_string()).unwrap_or_default(),
        medium: medium.into(),
    }
}

/// Who a caller is.
pub fn who(identity: &Identity) -> Who {
    let (serial, fingerprint) = match &identity.method {
        Method::Certificate { fingerprint, serial } => (hex::text(serial), hex::text(fingerprint)),
        Method::Bearer | Method::Account { .. } | Method::Loopback | Method::Nothing => Default::default(),
    };
    Who {
        principal: identity.principal.clone(),
        method: identity.method.name().into(),
        serial,
        fingerprint,
    }
}

/// What a call was answered, as far as the head of the answer says: the answer to a call that began an operation is that
/// it has begun.
pub fn outcome(response: &Response<Body>) -> Outcome {
    outcome_of_result(&Status::from_header_map(response.headers()).map_or(Ok(()), Err))
}

/// What a call comes to.
pub fn outcome_of_result<T>(result: &Result<T, Status>) -> Outcome {
    match result {
        Ok(_) => Outcome {
            code: name(Code::Ok).into(),
            reason: String::new(),
        },
        Err(status) => outcome_of(status),
    }
}

/// What an error says.
pub fn outcome_of(status: &Status) -> Outcome {
    let info = status.get_details_error_info();
    Outcome {
        code: name(status.code()).into(),
        reason: info
            .filter(|info| info.domain == ERROR_DOMAIN)
            .map(|info| info.reason)
            .unwrap_or_default(),
    }
}

/// Whether a call was refused because of who asked, how often, or without reading what came.
pub fn is_refusal(outcome: &Outcome) -> bool {
    REFUSALS.contains(&outcome.reason.as_str())
}

/// The name of a code in the contract of gRPC.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wsfc_proto::v1;

    use super::*;
    use crate::access::bearer::BearerRefusal;
    use crate::access::enrolment::EnrolmentError;
    use crate::access::identity::Refusal;
    use crate::grpc::status;
    use crate::listen::rate;

    #[test]
    fn answers_say_their_code_and_their_reason() {
        let missing = status::permission_missing(v1::Permission::GroupOperate, None);
        let told = outcome(&missing.into_http());
        assert_eq!(
            (told.code.as_str(), told.reason.as_str()),
            ("PERMISSION_DENIED", "PERMISSION_MISSING")
        );
        assert!(is_refusal(&told));
        let fine = outcome(&Response::new(Body::empty()));
        assert_eq!((fine.code.as_str(), fine.reason.as_str()), ("OK", ""));
        assert!(!is_refusal(&fine));
        // A code of the cluster is no refusal of the daemon.
        let other = Status::permission_denied("ERROR_ACCESS_DENIED");
        assert!(!is_refusal(&outcome(&other.into_http())));
    }

    #[test]
    fn every_refusal_of_a_caller_is_one() {
        for refusal in [
            Refusal::CredentialsRequired,
            Refusal::CertificateRevoked,
            Refusal::CertificateExpired,
            Refusal::TokenInvalid(BearerRefusal::Malformed),
            Refusal::TokenExpired,
        ] {
            assert!(is_refusal(&outcome_of(&status::refused(&refusal))), "{refusal}");
        }
    }

    #[test]
    fn who_asks_or_guesses_too_often_or_does_not_read_is_refused_too() {
        let wait = Duration::from_secs(1);
        for refused in [
            rate::limited(wait),
            status::too_much_unread("the caller does not read its answers"),
            status::enrolment(&EnrolmentError::TooManyTries { wait }),
        ] {
            assert!(is_refusal(&outcome_of(&refused)), "{refused:?}");
        }
    }
}

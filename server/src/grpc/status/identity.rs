//! What `IdentityService` refuses.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::ErrorDetails;
use wsfc_proto::reasons;
use wsfc_proto::v1::Permission;

use super::{invalid, status, with_details};
use crate::access::enrolment::EnrolmentError;
use crate::access::register::Refusal;
use crate::access::tokens::{TokenRefusal, TokenUnfit};
use crate::logging::chain;
use crate::operation::validate::FieldViolation;

/// A call on the register or the authority that came to nothing.
pub fn enrolment(error: &EnrolmentError) -> Status {
    let message = error.to_string();
    match error {
        EnrolmentError::NoAuthority => status(Code::FailedPrecondition, message, reasons::AUTHORITY_ABSENT, &[]),
        EnrolmentError::TooManyTries { wait } => exhausted(message, reasons::TOO_MANY_TRIES, Some(*wait)),
        EnrolmentError::Request(_) => refused_field("certificate_request", message),
        EnrolmentError::Caller(refusal) => super::refused(refusal),
        EnrolmentError::NotAllowed => super::permission_missing(Permission::AccessAdminister, None),
        EnrolmentError::Refused(refusal) => refused(refusal, message),
        EnrolmentError::Register(_) => status(Code::Unavailable, message, reasons::STORE_FAILED, &[]),
        EnrolmentError::Authority(error) => {
            tracing::error!(error = chain(error), "A certificate could not be made");
            super::internal("it cannot make a certificate; its log says why")
        }
        EnrolmentError::Blocking(error) => super::blocking(error),
    }
}

fn refused(refusal: &Refusal, message: String) -> Status {
    match refusal {
        Refusal::Token(TokenRefusal::Expired) => status(Code::Unauthenticated, message, reasons::TOKEN_EXPIRED, &[]),
        Refusal::Token(TokenRefusal::Unknown | TokenRefusal::Used) => {
            status(Code::Unauthenticated, message, reasons::TOKEN_INVALID, &[])
        }
        Refusal::TokenUnfit(TokenUnfit::Life) => refused_field("ttl", message),
        Refusal::TokenUnfit(TokenUnfit::TooMany) | Refusal::Full => exhausted(message, reasons::REGISTER_FULL, None),
        Refusal::NameInUse { .. } | Refusal::Outgrown { .. } => {
            status(Code::AlreadyExists, message, reasons::IDENTITY_IN_USE, &[])
        }
        Refusal::NotOurs => status(Code::FailedPrecondition, message, reasons::CERTIFICATE_FOREIGN, &[]),
        Refusal::Revoked => status(Code::Unauthenticated, message, reasons::CERTIFICATE_REVOKED, &[]),
        Refusal::Expired => status(Code::Unauthenticated, message, reasons::CERTIFICATE_EXPIRED, &[]),
        Refusal::RenewedTooOften { wait, .. } => exhausted(message, reasons::RENEWED_TOO_OFTEN, Some(*wait)),
    }
}

fn refused_field(field: &str, description: String) -> Status {
    invalid(&[FieldViolation {
        field: field.into(),
        description,
    }])
}

fn exhausted(message: String, reason: &str, wait: Option<Duration>) -> Status {
    let mut details = ErrorDetails::new();
    if let Some(wait) = wait {
        details.set_retry_info(Some(wait));
    }
    with_details(Code::ResourceExhausted, message, reason, &[], details)
}

/// There is no join token with this id.
pub fn token_not_found() -> Status {
    let message = "there is no join token with this id".into();
    status(Code::NotFound, message, reasons::TOKEN_NOT_FOUND, &[])
}

/// There is nothing to revoke.
pub fn identity_not_found(what: &str) -> Status {
    let message = format!("{what}: there is nothing to revoke");
    status(Code::NotFound, message, reasons::IDENTITY_NOT_FOUND, &[])
}

/// A subject does not have a role.
pub fn binding_not_found(subject: &str, role: &str) -> Status {
    let message = format!(
        "{subject} does not have the role {role} in just this way; roles of the settings file are changed there"
    );
    status(Code::NotFound, message, reasons::BINDING_NOT_FOUND, &[])
}

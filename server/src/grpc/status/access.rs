//! What the access layer refuses.

use tonic::{Code, Status};
use wsfc_proto::{reasons, v1};

use super::status;
use crate::access::identity::Refusal;
use crate::access::request::Unreadable;
use crate::audit::AuditUnavailable;
use crate::operation::validate::excerpt;

/// A caller that is turned away.
pub fn refused(refusal: &Refusal) -> Status {
    let reason = match refusal {
        Refusal::CredentialsRequired => reasons::CREDENTIALS_REQUIRED,
        Refusal::CertificateRevoked => reasons::CERTIFICATE_REVOKED,
        Refusal::CertificateExpired => reasons::CERTIFICATE_EXPIRED,
        Refusal::TokenInvalid(_) => reasons::TOKEN_INVALID,
        Refusal::TokenExpired => reasons::TOKEN_EXPIRED,
    };
    status(Code::Unauthenticated, refusal.to_string(), reason, &[])
}

/// A caller without the right to what it asks for, anywhere or on a cluster.
pub fn permission_missing(permission: v1::Permission, cluster: Option<&str>) -> Status {
    let name = permission.name();
    let mut metadata = vec![("permission", name.clone())];
    let mut message = format!("this needs the permission {name}, which no role of the caller gives");
    if let Some(cluster) = cluster {
        message.push_str(" for this cluster");
        metadata.push(("cluster", excerpt(cluster).to_owned()));
    }
    status(Code::PermissionDenied, message, reasons::PERMISSION_MISSING, &metadata)
}

/// A call that may change something and cannot be written down, so that it is not carried out.
pub fn audit(error: &AuditUnavailable) -> Status {
    status(Code::Unavailable, error.to_string(), reasons::AUDIT_UNAVAILABLE, &[])
}

/// A request whose cluster must be known and cannot be read.
pub fn unreadable(error: &Unreadable) -> Status {
    let (code, reason) = match error {
        Unreadable::TooLarge => (Code::OutOfRange, reasons::MESSAGE_TOO_LARGE),
        Unreadable::Late => (Code::DeadlineExceeded, reasons::REQUEST_LATE),
        Unreadable::Malformed => (Code::InvalidArgument, reasons::REQUEST_MALFORMED),
    };
    status(code, error.to_string(), reason, &[])
}

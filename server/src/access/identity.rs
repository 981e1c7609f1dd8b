//! Who calls: a certificate, a bearer token, an account of the host, or nobody.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;

use super::bearer::{Bearer, BearerRefusal, Verified};
use super::certificate::ClientCertificate;
use super::hex::text as hex;
use crate::listen::connection::{LocalUser, Peer};

/// What callers from the daemon's own host are called who show nothing.
const LOOPBACK: &str = "local";
/// What the others are called.
const NOBODY: &str = "anonymous";

/// A name that roles are bound to: a kind, a colon, and the name as its source gave it. Subjects compare exactly.
///
/// | kind | from |
/// | --- | --- |
/// | `uri:`, `email:`, `dns:` (in lower case) | an alternative name of a certificate |
/// | `subject:` | the common name of a certificate |
/// | `cert:` | the SHA-256 of a certificate |
/// | `user:`, `group:` | issuer, `#`, and a claim of a bearer token |
/// | `local:` | an account of the host, as the operating system says |
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// The kinds that there are.
    const KINDS: [&str; 8] = [
        "uri:", "email:", "dns:", "subject:", "cert:", "user:", "group:", "local:",
    ];

    /// A subject as it is written.
    pub fn new(text: &str) -> Option<Self> {
        let kind = Self::KINDS.iter().find(|kind| text.starts_with(**kind))?;
        (text.len() > kind.len()).then(|| Self(text.into()))
    }

    pub(super) fn of_uri(uri: &str) -> Self {
        Self(format!("uri:{uri}").into())
    }

    pub(super) fn of_email(email: &str) -> Self {
        Self(format!("email:{email}").into())
    }

    pub(super) fn of_dns(host: &str) -> Self {
        Self(format!("dns:{}", host.to_ascii_lowercase()).into())
    }

    pub(super) fn of_common_name(name: &str) -> Self {
        Self(format!("subject:{name}").into())
    }

    pub(super) fn of_fingerprint(fingerprint: &[u8; 32]) -> Self {
        Self(format!("cert:{}", hex(fingerprint)).into())
    }

    pub(super) fn of_user(issuer: &str, name: &str) -> Self {
        Self(format!("user:{issuer}#{name}").into())
    }

    pub(super) fn of_group(issuer: &str, group: &str) -> Self {
        Self(format!("group:{issuer}#{group}").into())
    }

    fn of_account(account: &str) -> Self {
        Self(format!("local:{account}").into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an identity was established.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// By a client certificate.
    Certificate {
        /// Its SHA-256.
        fingerprint: [u8; 32],
        /// Its serial number.
        serial: Vec<u8>,
    },
    /// By a bearer token.
    Bearer,
    /// By the operating system, at the local endpoint.
    Account {
        /// Whether the account administers the host, or is the daemon's own.
        administrator: bool,
    },
    /// Not at all, from the daemon's own host.
    Loopback,
    /// Not at all.
    Nothing,
}

impl Method {
    /// A word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => "certificate",
            Self::Bearer => "bearer",
            Self::Account { .. } => "account",
            Self::Loopback => "loopback",
            Self::Nothing => "nothing",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name that operations and the audit record: the first of the subjects, where there is one.
    pub principal: String,
    /// Every name that roles may be bound to.
    pub subjects: Vec<Subject>,
    /// When the identity is over, streams included.
    pub expires: Option<SystemTime>,
    /// How it was established.
    pub method: Method,
}

impl Identity {
    /// True when the caller has shown something, or the operating system has.
    pub const fn is_known(&self) -> bool {
        !matches!(self.method, Method::Loopback | Method::Nothing)
    }

    pub(super) fn check_time(&self, now: SystemTime) -> Result<(), Refusal> {
        match self.expires {
            Some(expires) if expires <= now => Err(match self.method {
                Method::Bearer => Refusal::TokenExpired,
                _ => Refusal::CertificateExpired,
            }),
            _ => Ok(()),
        }
    }

    fn of_certificate(certificate: &ClientCertificate) -> Self {
        let subjects = certificate.names.clone();
        Self {
            principal: subjects.first().map_or_else(|| NOBODY.to_owned(), Subject::to_string),
            subjects,
            expires: Some(certificate.not_after),
            method: Method::Certificate {
                fingerprint: certificate.fingerprint,
                serial: certificate.serial.clone(),
            },
        }
    }

    fn of_token(verified: &Verified) -> Self {
        let subjects: Vec<_> = verified.subjects().collect();
        Self {
            principal: subjects.first().map_or_else(|| NOBODY.to_owned(), Subject::to_string),
            subjects,
            expires: Some(verified.expires),
            method: Method::Bearer,
        }
    }

    fn of_account(account: &LocalUser) -> Self {
        let subject = Subject::of_account(&account.name);
        Self {
            principal: subject.to_string(),
            subjects: vec![subject],
            expires: None,
            method: Method::Account {
                administrator: account.administrator,
            },
        }
    }

    fn unknown(principal: &str, method: Method) -> Self {
        Self {
            principal: principal.to_owned(),
            subjects: Vec::new(),
            expires: None,
            method,
        }
    }
}

/// Why a caller is turned away before it is asked what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It shows nothing, and what it calls is not for everybody.
    #[error(
        "this call needs an identity: a client certificate, a bearer token, or the local endpoint of the daemon's host"
    )]
    CredentialsRequired,
    /// Its certificate was revoked.
    #[error("the client certificate was revoked")]
    CertificateRevoked,
    /// Its certificate is over.
    #[error("the client certificate has expired")]
    CertificateExpired,
    /// Its token is not valid here.
    #[error("the bearer token is not accepted: {0}")]
    TokenInvalid(BearerRefusal),
    /// Its token is over.
    #[error("the bearer token has expired")]
    TokenExpired,
}

/// Who a caller is. A token goes before a certificate: who shows one means it.
pub(super) fn of(
    peer: &Peer,
    headers: &HeaderMap,
    bearer: Option<&Bearer>,
    now: SystemTime,
) -> Result<Identity, Refusal> {
    match Bearer::of_call(bearer, peer.medium, headers, now) {
        Ok(None) => {}
        Ok(Some(verified)) => return Ok(Identity::of_token(&verified)),
        Err(BearerRefusal::Expired) => return Err(Refusal::TokenExpired),
        Err(refusal) => return Err(Refusal::TokenInvalid(refusal)),
    }
    let identity = match (&peer.certificate, &peer.user) {
        (Some(certificate), _) => Identity::of_certificate(certificate),
        (None, Some(user)) => Identity::of_account(user),
        (None, None) if peer.is_from_this_host() => Identity::unknown(LOOPBACK, Method::Loopback),
        (None, None) => Identity::unknown(NOBODY, Method::Nothing),
    };
    identity.check_time(now)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::AUTHORIZATION;

    use super::*;
    use crate::listen::connection::Medium;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)
    }

    fn identify(peer: &Peer) -> Result<Identity, Refusal> {
        of(peer, &HeaderMap::new(), None, now())
    }

    fn peer(address: &str) -> Peer {
        Peer::plain(Some(address.parse().unwrap()))
    }

    fn certificate(not_after: u64) -> Arc<ClientCertificate> {
        Arc::new(ClientCertificate {
            fingerprint: [7; 32],
            serial: vec![1],
            names: vec![Subject::of_uri("spiffe://a/b"), Subject::of_fingerprint(&[7; 32])],
            not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(not_after),
        })
    }

    #[test]
    fn without_anything_only_the_host_itself_has_a_name() {
        for (address, principal) in [
            ("127.0.0.1:50000", "local"),
            ("[::1]:50000", "local"),
            ("[::ffff:127.0.0.1]:50000", "local"),
            ("10.0.0.1:50000", "anonymous"),
            ("[2001:db8::1]:50000", "anonymous"),
        ] {
            let identity = identify(&peer(address)).unwrap();
            assert_eq!(identity.principal, principal, "{address}");
            assert!(!identity.is_known() && identity.subjects.is_empty());
        }
        assert_eq!(identify(&Peer::plain(None)).unwrap().principal, "anonymous");
    }

    #[test]
    fn a_certificate_names_its_holder_until_it_expires() {
        let with = |not_after| Peer {
            certificate: Some(certificate(not_after)),
            ..peer("127.0.0.1:1")
        };
        let identity = identify(&with(1_001)).unwrap();
        assert_eq!(
            (identity.principal.as_str(), identity.subjects.len()),
            ("uri:spiffe://a/b", 2)
        );
        assert_eq!(identify(&with(1_000)), Err(Refusal::CertificateExpired));
    }

    #[test]
    fn accounts_of_the_host_are_what_the_system_says() {
        let peer = Peer {
            medium: Medium::Local,
            user: Some(LocalUser {
                name: "root".into(),
                administrator: true,
            }),
            ..Peer::plain(None)
        };
        let identity = identify(&peer).unwrap();
        assert_eq!((identity.principal.as_str(), identity.is_known()), ("local:root", true));
    }

    #[test]
    fn what_is_shown_in_vain_is_refused_and_not_passed_over() {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, "Bearer x".parse().unwrap())]);
        let refused = of(&peer("127.0.0.1:1"), &headers, None, now());
        assert_eq!(refused, Err(Refusal::TokenInvalid(BearerRefusal::NotTaken)));
    }

    #[test]
    fn subjects_have_a_kind_and_a_name() {
        assert!(Subject::new("uri:a").is_some());
        for text in ["", "uri:", "alice", "URI:a", ":a"] {
            assert_eq!(Subject::new(text), None, "{text}");
        }
    }
}

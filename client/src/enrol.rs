//! Getting a certificate from a daemon's own authority, and a new one in time.
//!
//! A join token pins the authority, so the client knows the daemon before it says anything of the token's secret. The key is
//! made here and never leaves.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use wsfc_proto::join_token::{JoinToken, PIN_BYTES};
use wsfc_proto::v1;
use wsfc_proto::v1::identity_service_client::IdentityServiceClient;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::client::Client;
use crate::connect::Identity;
use crate::demand::{Attentive, Demand};
use crate::error::{ConnectFailure, Error};

/// The port of a daemon where none is said.
pub const PORT: u16 = 7443;
const ENROL: &str = "Enrol";
const RENEW: &str = "RenewCertificate";

/// Where to enrol, and with what.
#[derive(Debug, Clone)]
pub struct EnrolOptions {
    /// The daemon: `host`, `host:port` or `https://host:port`.
    pub endpoint: String,
    /// The token that an administrator gave.
    pub token: JoinToken,
    /// The name that the daemon's certificate must carry. `None`: the host of the endpoint.
    pub server_name: Option<String>,
    /// The longest time for all of it. Default 30 seconds.
    pub timeout: Duration,
}

impl EnrolOptions {
    /// With the default time.
    pub fn new(endpoint: impl Into<String>, token: JoinToken) -> Self {
        Self {
            endpoint: endpoint.into(),
            token,
            server_name: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// A certificate with its key, and whose they are.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// What the client shows from now on.
    pub identity: Identity,
    /// The authority that daemons of this installation are checked against, in PEM.
    pub ca_pem: Vec<u8>,
    /// The endpoint as a URI.
    pub endpoint: String,
    /// The identity, such as `anna`.
    pub name: String,
    /// What operations are recorded under.
    pub principal: String,
    /// When the certificate is no longer good.
    pub expires: SystemTime,
    /// The role that came with the token; empty after a renewal.
    pub role: String,
    /// The clusters that the role is for; all when empty.
    pub clusters: Vec<String>,
}

/// Uses a join token up and gets a certificate for it.
///
/// Nothing is repeated: after a failure during the call the token may be used up.
///
/// # Errors
///
/// [`Error::Invalid`] for an endpoint that cannot be; [`Error::Connect`] when nobody answers, or somebody who is not of the
/// authority that the token pins, and then the token was not sent; [`Error::NotAwaited`] when the daemon awaits nobody with a
/// token; [`Error::Rejected`] with why the token gives nothing.
pub async fn enrol(options: EnrolOptions) -> Result<Enrolled, Error> {
    let timeout = options.timeout;
    let enrolled = tokio::time::timeout(timeout, enrol_untimed(options));
    enrolled.await.unwrap_or(Err(Error::TimedOut {
        method: ENROL,
        after: timeout,
        last: None,
    }))
}

async fn enrol_untimed(options: EnrolOptions) -> Result<Enrolled, Error> {
    let target = Target::read(&options.endpoint, options.server_name.as_deref())?;
    let key = NewKey::make()?;
    let demand = Demand::default();
    let failed = |error: Error| {
        if demand.was_heard() {
            Error::NotAwaited { endpoint: target.uri() }
        } else {
            error
        }
    };
    let stream = target.connect(options.token.pin).await;
    let stream = stream.inspect_err(|error| demand.look_at(error));
    let stream = stream.map_err(|error| failed(target.failed(error.into())))?;
    let channel = target.channel(Attentive::new(stream, demand.clone())).await;
    let channel = channel.map_err(|error| failed(target.failed(error.into())))?;
    let request = v1::EnrolRequest {
        token_id: options.token.id.clone(),
        token_secret: options.token.secret.expose().to_vec(),
        certificate_request: key.request.clone(),
    };
    let answer = IdentityServiceClient::new(channel).enrol(request).await;
    let answer = answer.map_err(|status| failed(Error::from_status(ENROL, status)))?;
    let answer = answer.into_inner();
    let issued = answer.certificate.unwrap_or_default();
    let authority = CertificateDer::from(issued.authority.clone());
    if pin_of(&authority) != Some(options.token.pin) {
        return Err(malformed(ENROL, "its authority is not the one of the token"));
    }
    let mut enrolled = key.with(issued, ENROL)?;
    enrolled.endpoint = target.uri();
    enrolled.role = answer.role;
    enrolled.clusters = answer.clusters;
    Ok(enrolled)
}

impl Client {
    /// Gets another certificate, with a new key, in place of the one that this client shows. This client goes on with the
    /// former one, which stays good for the rest of its time.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when the certificate is not of the daemon's own authority.
    pub async fn renew_certificate(&self) -> Result<Enrolled, Error> {
        let key = NewKey::make()?;
        let request = v1::RenewCertificateRequest {
            certificate_request: key.request.clone(),
        };
        let call =
            |channel, request| async move { IdentityServiceClient::new(channel).renew_certificate(request).await };
        let (answer, _) = self.bounded(RENEW, request, call).await?;
        let mut enrolled = key.with(answer.into_inner().certificate.unwrap_or_default(), RENEW)?;
        enrolled.endpoint = self.options().endpoints.first().cloned().unwrap_or_default();
        Ok(enrolled)
    }
}

/// A key, and the request to certify it.
struct NewKey {
    pem: Zeroizing<String>,
    request: Vec<u8>,
}

impl NewKey {
    fn make() -> Result<Self, Error> {
        let make = || {
            let key = KeyPair::generate()?;
            // The daemon says the names; the request is only to prove the key.
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            let request = params.serialize_request(&key)?.der().to_vec();
            Ok(Self {
                pem: Zeroizing::new(key.serialize_pem()),
                request,
            })
        };
        make().map_err(|error: rcgen::Error| Error::Invalid {
            field: "key",
            problem: format!("cannot be made: {error}"),
        })
    }

    /// The certificate that was issued for the key.
    fn with(&self, issued: v1::IssuedCertificate, method: &'static str) -> Result<Enrolled, Error> {
        let expires = issued.expire_time.and_then(|time| SystemTime::try_from(time).ok());
        let Some(expires) = expires.filter(|_| !issued.certificate.is_empty() && !issued.authority.is_empty()) else {
            return Err(malformed(method, "the certificate is missing"));
        };
        Ok(Enrolled {
            identity: Identity {
                cert_pem: pem("CERTIFICATE", &issued.certificate).into_bytes(),
                key_pem: self.pem.as_bytes().to_vec(),
            },
            ca_pem: pem("CERTIFICATE", &issued.authority).into_bytes(),
            endpoint: String::new(),
            name: issued.name,
            principal: issued.principal,
            expires,
            role: String::new(),
            clusters: Vec::new(),
        })
    }
}

fn malformed(method: &'static str, problem: &'static str) -> Error {
    Error::Malformed { method, problem }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body = lines.fold(String::new(), |body, line| body + &line + "\n");
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

/// How long a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateLife {
    /// Since when.
    pub begins: SystemTime,
    /// Until when.
    pub expires: SystemTime,
}

impl CertificateLife {
    /// That of the first certificate in a PEM text; `None` when there is none that can be read.
    pub fn of_pem(pem: &[u8]) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem).ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let time = |at: x509_parser::time::ASN1Time| {
            let seconds = u64::try_from(at.timestamp()).ok()?;
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        };
        Some(Self {
            begins: time(certificate.validity().not_before)?,
            expires: time(certificate.validity().not_after)?,
        })
    }

    /// Whether two thirds of it are over.
    pub fn is_due(&self, now: SystemTime) -> bool {
        let life = self.expires.duration_since(self.begins).unwrap_or_default();
        self.begins + life * 2 / 3 <= now
    }

    /// What is left of it; nothing when it has expired.
    pub fn left(&self, now: SystemTime) -> Duration {
        self.expires.duration_since(now).unwrap_or_default()
    }
}

/// Where a daemon is.
struct Target {
    host: String,
    port: u16,
    server_name: ServerName<'static>,
}

impl Target {
    fn read(endpoint: &str, server_name: Option<&str>) -> Result<Self, Error> {
        let invalid = |field, problem: String| Error::Invalid { field, problem };
        let text = match endpoint.split_once("://") {
            Some(("https", rest)) => rest.trim_end_matches('/'),
            Some(_) => {
                let problem = format!("{endpoint}: a certificate is given out over https only");
                return Err(invalid("endpoint", problem));
            }
            None => endpoint,
        };
        // An IPv6 address without brackets has no port.
        let bare = text
            .parse::<std::net::Ipv6Addr>()
            .ok()
            .map(|_address| format!("[{text}]"));
        let authority: http::uri::Authority = bare
            .as_deref()
            .unwrap_or(text)
            .parse()
            .map_err(|error| invalid("endpoint", format!("{endpoint}: {error}")))?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = server_name.unwrap_or(&host).to_owned();
        let server_name = ServerName::try_from(name.clone())
            .map_err(|_name| invalid("server_name", format!("{name} is no name of a host")))?;
        let rest = authority.as_str().strip_prefix(authority.host()).unwrap_or("@");
        if host.is_empty() || !(rest.is_empty() || authority.port_u16().is_some()) {
            return Err(invalid(
                "endpoint",
                format!("{endpoint}: this is no host, with a port or without"),
            ));
        }
        Ok(Self {
            host,
            port: authority.port_u16().unwrap_or(PORT),
            server_name,
        })
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn uri(&self) -> String {
        format!("https://{}", self.authority())
    }

    fn failed(&self, error: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Connect {
            failures: vec![ConnectFailure {
                endpoint: self.uri(),
                error,
            }],
        }
    }

    /// A connection to a daemon of the pinned authority. When this fails, nothing of the token was sent.
    async fn connect(&self, pin: [u8; PIN_BYTES]) -> io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Pinned {
            pin,
            provider: Arc::clone(&provider),
        };
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        socket.set_nodelay(true)?;
        let connected = TlsConnector::from(Arc::new(config))
            .connect(self.server_name.clone(), socket)
            .await;
        connected.map_err(|error| {
            if is_of_another(&error) {
                io::Error::other(WrongAuthority)
            } else {
                error
            }
        })
    }

    /// HTTP/2 over the connection, and over no other.
    async fn channel(&self, stream: Attentive<TlsStream<TcpStream>>) -> Result<Channel, tonic::transport::Error> {
        // The scheme is the one of a plain endpoint, since the connection is secured already.
        let origin = self.authority();
        let endpoint = Endpoint::from_shared(format!("http://{origin}"))?;
        let stream = Arc::new(Mutex::new(Some(stream)));
        let connector = tower::service_fn(move |_uri: http::Uri| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                let gone = || io::Error::from(io::ErrorKind::NotConnected);
                stream.map(TokioIo::new).ok_or_else(gone)
            }
        });
        endpoint.connect_with_connector(connector).await
    }
}

/// The daemon is not of the authority that the token pins.
#[derive(Debug, thiserror::Error)]
#[error(
    "the daemon is not of the authority that the token names, so the token was not sent; either the token is of another daemon, or somebody else answers here"
)]
struct WrongAuthority;

/// The TLS library shows its own words around a reason of ours.
fn is_of_another(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        error,
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason)))) if reason.is::<WrongAuthority>()
    )
}

/// Believes daemons whose certificate chain has the pinned key, and is good by it.
#[derive(Debug)]
struct Pinned {
    pin: [u8; PIN_BYTES],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let wrong = || rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(WrongAuthority))));
        let authority = intermediates
            .iter()
            .find(|certificate| pin_of(certificate) == Some(self.pin))
            .ok_or_else(wrong)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The SHA-256 of a certificate's SubjectPublicKeyInfo.
fn pin_of(certificate: &CertificateDer<'_>) -> Option<[u8; PIN_BYTES]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(Sha256::digest(parsed.subject_public_key_info()).into())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertifiedIssuer, IsCa};

    use super::*;

    fn target(endpoint: &str) -> Result<(String, u16, String), String> {
        let read = Target::read(endpoint, None).map_err(|error| error.to_string())?;
        Ok((read.host.clone(), read.port, read.uri()))
    }

    #[test]
    fn a_daemon_is_named_in_short_or_in_full() {
        let is = |host: &str, port, uri: &str| Ok((host.to_owned(), port, uri.to_owned()));
        assert_eq!(target("n1"), is("n1", 7443, "https://n1:7443"));
        assert_eq!(target("n1.example:1"), is("n1.example", 1, "https://n1.example:1"));
        assert_eq!(target("https://n1:1/"), is("n1", 1, "https://n1:1"));
        assert_eq!(target("10.0.0.1"), is("10.0.0.1", 7443, "https://10.0.0.1:7443"));
        assert_eq!(
            target("2001:db8::1"),
            is("2001:db8::1", 7443, "https://[2001:db8::1]:7443")
        );
        assert_eq!(
            target("[2001:db8::1]:1"),
            is("2001:db8::1", 1, "https://[2001:db8::1]:1")
        );
        for wrong in ["", "http://n1", "ftp://n1", "a b", "user@n1", "n1:port", "n1/path"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }

    struct Daemon {
        chain: Vec<CertificateDer<'static>>,
        pin: [u8; PIN_BYTES],
    }

    fn daemon(name: &str) -> Daemon {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let server = CertificateParams::new([name.to_owned()]).unwrap();
        let server = server.signed_by(&KeyPair::generate().unwrap(), &authority).unwrap();
        let authority = authority.der().clone();
        Daemon {
            pin: pin_of(&authority).unwrap(),
            chain: vec![server.der().clone(), authority],
        }
    }

    fn verify(pin: [u8; PIN_BYTES], chain: &[CertificateDer<'_>], name: &str) -> Result<(), String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Pinned { pin, provider }
            .verify_server_cert(&chain[0], &chain[1..], &name, &[], now)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_daemon_of_the_pinned_authority_is_believed() {
        let (ours, other) = (daemon("n1"), daemon("n1"));
        assert_eq!(verify(ours.pin, &ours.chain, "n1"), Ok(()));
        assert!(
            verify(ours.pin, &ours.chain, "n2")
                .unwrap_err()
                .contains("not valid for name")
        );
        assert!(verify(ours.pin, &other.chain, "n1").is_err());
        // The pinned authority beside a certificate that it has not made.
        let mixed = [other.chain[0].clone(), ours.chain[1].clone()];
        assert!(verify(ours.pin, &mixed, "n1").is_err());
        assert!(verify(ours.pin, &ours.chain[..1], "n1").is_err());
        // The authority itself is no daemon.
        let alone = [ours.chain[1].clone(), ours.chain[1].clone()];
        assert!(verify(ours.pin, &alone, "n1").is_err());
    }

    #[test]
    fn the_life_of_a_certificate_is_read_from_it() {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 31);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let life = CertificateLife::of_pem(certificate.pem().as_bytes()).unwrap();
        let day = Duration::from_secs(24 * 3_600);
        assert_eq!(life.expires, life.begins + 30 * day);
        assert!(!life.is_due(life.begins + 19 * day) && life.is_due(life.begins + 20 * day));
        assert_eq!(
            (life.left(life.begins), life.left(life.expires + day)),
            (30 * day, Duration::ZERO)
        );
        assert_eq!(CertificateLife::of_pem(b"no certificate"), None);
    }
}

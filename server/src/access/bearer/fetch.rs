//! Fetches a small document over HTTPS.
//!
//! One connection for each document, straight to its server: documents are fetched four times an hour. Redirects are not
//! followed, since what was set is what is meant, and no proxy is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The largest document.
pub(super) const MOST_BYTES: usize = 256 * 1024;
/// The longest time for one.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is kept of a response's head.
const HEAD_BYTES: usize = 64 * 1024;

/// A document that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No address.
    #[error("it is no address")]
    Address(#[source] http::uri::InvalidUri),
    /// Not over TLS, or without a host.
    #[error("it does not begin with https:// and a host")]
    NotSecure,
    /// It took too long.
    #[error("there was no answer for {} seconds", PATIENCE.as_secs())]
    TooLong,
    /// The server cannot be reached, or is not the one that it should be.
    #[error("the server cannot be reached")]
    Connect(#[source] std::io::Error),
    /// The server does not speak HTTP.
    #[error("the server does not answer as one of HTTP does")]
    Http(#[source] hyper::Error),
    /// Anything but the document; redirects, too.
    #[error("the server answered with {0}")]
    Status(StatusCode),
    /// Too much.
    #[error("it is longer than {MOST_BYTES} bytes")]
    TooLarge,
    /// The answer broke off.
    #[error("the answer broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The authorities of servers.
    #[error("the certificates in {} cannot be read", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system trusts nobody.
    #[error("the system has no trusted certificates")]
    NoAuthorities,
    /// TLS itself.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// Fetches documents from servers that it trusts.
pub(super) struct Fetcher(TlsConnector);

impl Fetcher {
    /// Trusts the authorities in a file, or those of the system.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, FetchError> {
        let roots = match ca_file {
            Some(path) => authorities(path).map_err(|source| FetchError::Authorities {
                path: path.into(),
                source,
            })?,
            None => system_authorities()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(FetchError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn get(&self, uri: &Uri) -> Result<Vec<u8>, FetchError> {
        match tokio::time::timeout(PATIENCE, self.fetch(uri)).await {
            Ok(fetched) => fetched,
            Err(_elapsed) => Err(FetchError::TooLong),
        }
    }

    async fn fetch(&self, uri: &Uri) -> Result<Vec<u8>, FetchError> {
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https"));
        let authority = authority.ok_or(FetchError::NotSecure)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_no_name| FetchError::NotSecure)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = path.parse().map_err(FetchError::Address)?;
        let named = HeaderValue::from_str(authority.as_str()).map_err(|_no_value| FetchError::NotSecure)?;
        request.headers_mut().insert(header::HOST, named);
        request
            .headers_mut()
            .insert(header::ACCEPT, HeaderValue::from_static("application/json"));

        let socket = TcpStream::connect((host, authority.port_u16().unwrap_or(443)));
        let socket = socket.await.map_err(FetchError::Connect)?;
        let stream = self.0.connect(name, socket).await.map_err(FetchError::Connect)?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(FetchError::Http)?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(FetchError::Http)?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
            let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
                Ok(_too_large) => FetchError::TooLarge,
                Err(error) => FetchError::Body(error),
            })?;
            Ok(body.to_bytes().to_vec())
        };
        tokio::pin!(answer);
        // The connection ends by itself before the answer when the server closes it, and with this future otherwise.
        tokio::select! {
            biased;
            answered = &mut answer => answered,
            ended = connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(FetchError::Http(error)),
            },
        }
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, FetchError> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "A part of the system's trusted certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(FetchError::NoAuthorities);
    }
    Ok(roots)
}

#[cfg(test)]
pub(super) mod tests;

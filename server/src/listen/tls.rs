//! TLS from certificate files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::Tls;
use crate::settings::current::Current;

/// Certificate files that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of the kind.
    #[error("`{setting}` {} cannot be read", path.display())]
    Read {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A file without any certificate.
    #[error("`{setting}` {} holds no certificate", path.display())]
    Empty {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The key does not belong to the certificate, or the like.
    #[error("`tls.certificate` and `tls.key` cannot be used together")]
    Pair(#[source] rustls::Error),
    /// An authority that cannot be one.
    #[error("`tls.client_ca` {} cannot be used", path.display())]
    ClientAuthority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Whether a client must show a certificate where there are authorities of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Who shows none is refused in the handshake.
    Required,
    /// Who shows none is let in, and is a stranger.
    Optional,
}

/// What connections are secured with, and how it changes while the daemon runs. Clones keep the same.
#[derive(Clone)]
pub struct Keeper {
    live: Current<ServerConfig>,
    client_certificates: Arc<Mutex<ClientCertificates>>,
}

impl Keeper {
    /// Reads the files for the first time.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn new(tls: &Tls, client_certificates: ClientCertificates) -> Result<Self, TlsError> {
        Ok(Self {
            live: Current::new(server_config(tls, client_certificates)?),
            client_certificates: Arc::new(Mutex::new(client_certificates)),
        })
    }

    /// What new connections are secured with.
    pub fn live(&self) -> &Current<ServerConfig> {
        &self.live
    }

    /// Reads the files again.
    ///
    /// # Errors
    ///
    /// See [`TlsError`]; nothing has changed then.
    pub fn reload(&self, tls: &Tls) -> Result<(), TlsError> {
        let state = self.client_certificates.lock().unwrap_or_else(PoisonError::into_inner);
        self.live.set(server_config(tls, *state)?);
        Ok(())
    }

    /// Whether clients must show a certificate from now on. Those that are there stay.
    ///
    /// # Errors
    ///
    /// See [`TlsError`]; nothing has changed then.
    pub fn ask(&self, tls: &Tls, client_certificates: ClientCertificates) -> Result<(), TlsError> {
        let mut state = self.client_certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != client_certificates {
            self.live.set(server_config(tls, client_certificates)?);
            *state = client_certificates;
        }
        Ok(())
    }
}

/// Makes the server's TLS configuration.
///
/// # Errors
///
/// See [`TlsError`]; each names the setting and the file.
pub fn server_config(tls: &Tls, client_certificates: ClientCertificates) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates("tls.certificate", &tls.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|source| TlsError::Read {
        setting: "tls.key",
        path: tls.key.clone(),
        source,
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let refuse = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::ClientAuthority {
                path: path.clone(),
                source,
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates("tls.client_ca", path)? {
                roots.add(certificate).map_err(|source| refuse(Box::new(source)))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match client_certificates {
                ClientCertificates::Required => verifier,
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
            };
            let verifier = verifier.build().map_err(|source| refuse(Box::new(source)))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read {
        setting,
        path: path.into(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(read)?
        .collect::<Result<_, _>>()
        .map_err(read)?;
    if found.is_empty() {
        Err(TlsError::Empty {
            setting,
            path: path.into(),
        })
    } else {
        Ok(found)
    }
}

//! TLS from certificate files, and from a certificate that the machine keeps.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};
use x509_parser::time::ASN1Time;

use super::certificate_store::{self, CertificateStore, StoreError};
use super::key_file::{self, KeyFileError};
use crate::settings::{Settings, Thumbprint, Tls, TlsVersion};

/// Certificates that cannot be used.
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
    /// A file without anything of the kind.
    #[error("`{setting}` {} holds no {what}", path.display())]
    Empty {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// What a file holds is none of what it says.
    #[error("`{setting}` {} holds something that is no {what}", path.display())]
    Malformed {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A key that others can read.
    #[error("`tls.key` {} cannot be used", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyFileError,
    },
    /// The key does not belong to the certificate, or the like.
    #[error("`tls.certificate` and `tls.key` cannot be used together")]
    Pair(#[source] rustls::Error),
    /// A certificate of the machine's store.
    #[error("`tls.store_thumbprint` {thumbprint} cannot be used")]
    Store {
        /// The certificate.
        thumbprint: Thumbprint,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// Versions of TLS that do not go with what signs and encrypts.
    #[error("TLS cannot be spoken with `tls.minimum_version`")]
    Versions(#[source] rustls::Error),
    /// An authority that cannot be one, or a list that cannot be one of its.
    #[error("`tls.client_ca` {} cannot be used", path.display())]
    ClientAuthority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An authority without a list, whose certificates would all be refused.
    #[error(
        "`tls.crl` has no list of the authority {authority}, so that all of its certificates would be refused; add its list"
    )]
    NoList {
        /// The subject of the authority.
        authority: String,
    },
}

/// Whether clients must show a certificate in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// Who has none does not get through the handshake.
    #[default]
    Required,
    /// Who has none gets through, and shows something else. A certificate that is shown is verified all the same.
    Optional,
}

impl ClientCertificates {
    /// As the settings have it: whoever may show a token instead must get through without a certificate.
    pub fn of_settings(settings: &Settings) -> Self {
        if settings.access.bearer.is_empty() {
            Self::Required
        } else {
            Self::Optional
        }
    }
}

/// Until when certificates are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Certificates {
    /// That of the server; absent without TLS.
    pub server_not_after: Option<SystemTime>,
    /// That of the server is one that the machine keeps.
    pub server_is_stored: bool,
    /// The first of the authorities of clients to expire.
    pub client_ca_not_after: Option<SystemTime>,
    /// The first of the lists that its authority wants to be replaced.
    pub crl_next_update: Option<SystemTime>,
}

/// What connections are secured with.
pub struct Secured {
    config: Arc<ServerConfig>,
    served: Arc<CertifiedKey>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    certificates: Certificates,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured")
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

impl Secured {
    /// What handshakes are made with.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// The certificates that clients are shown, that of the server first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.served.cert
    }

    /// Until when its certificates are good.
    pub fn certificates(&self) -> Certificates {
        self.certificates
    }

    /// Whether a client that has shown these certificates, its own first, would not get through a handshake now: they have
    /// expired, were revoked, or their authority is none any more.
    pub fn refuses(&self, shown: &[CertificateDer<'_>]) -> bool {
        let (Some(verifier), Some((own, others))) = (&self.verifier, shown.split_first()) else {
            return false;
        };
        let now = self.config.time_provider.current_time().unwrap_or_else(UnixTime::now);
        verifier.verify_client_cert(own, others, now).is_err()
    }
}

/// Makes what connections are secured with.
///
/// # Errors
///
/// See [`TlsError`]; each names the setting and the file.
pub fn server_config(
    tls: &Tls,
    client_certificates: ClientCertificates,
    store: &dyn CertificateStore,
) -> Result<Secured, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let served = match tls.store_thumbprint {
        Some(thumbprint) => certificate_store::take(store, &tls.store, thumbprint)
            .map_err(|source| TlsError::Store { thumbprint, source })?,
        None => of_files(tls, &provider)?,
    };
    let served = Arc::new(served);
    let mut certificates = Certificates {
        server_not_after: first_to_expire(
            "tls.certificate",
            &tls.certificate,
            served.cert.get(..1).unwrap_or_default(),
        )?,
        server_is_stored: tls.store_thumbprint.is_some(),
        ..Certificates::default()
    };
    let verifier = match &tls.client_ca {
        None => None,
        Some(path) => Some(verifier(tls, path, client_certificates, &mut certificates)?),
    };
    let versions: &[_] = match tls.minimum_version {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(TlsError::Versions)?;
    let builder = match &verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&served))));
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A session that is taken up again passes by the verifier, and with it by the lists of revoked certificates.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Secured {
        config: Arc::new(config),
        served,
        verifier,
        certificates,
    })
}

fn of_files(tls: &Tls, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain: Vec<CertificateDer<'static>> = read("tls.certificate", &tls.certificate, "certificate")?;
    key_file::check(&tls.key).map_err(|source| TlsError::Key {
        path: tls.key.clone(),
        source,
    })?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|source| TlsError::Read {
        setting: "tls.key",
        path: tls.key.clone(),
        source,
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Pair)
}

fn verifier(
    tls: &Tls,
    path: &Path,
    client_certificates: ClientCertificates,
    certificates: &mut Certificates,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let refuse = |source: Box<dyn std::error::Error + Send + Sync>| TlsError::ClientAuthority {
        path: path.into(),
        source,
    };
    let authorities: Vec<CertificateDer<'static>> = read("tls.client_ca", path, "certificate")?;
    certificates.client_ca_not_after = first_to_expire("tls.client_ca", path, &authorities)?;
    let mut lists: Vec<CertificateRevocationListDer<'static>> = Vec::new();
    for list in &tls.crl {
        lists.extend(read("tls.crl", list, "list of revoked certificates")?);
    }
    if !lists.is_empty() {
        certificates.crl_next_update = check_lists(tls, &authorities, &lists)?;
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|source| refuse(Box::new(source)))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // A list that should have been replaced still says who is out; refusing everybody for it would lock out those who are to
    // replace it. Its age is warned of.
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).with_crls(lists);
    let builder = match client_certificates {
        ClientCertificates::Required => builder,
        ClientCertificates::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|source| refuse(Box::new(source)))
}

/// Looks whether each authority has a list. Gives when the first of the lists is to be replaced.
fn check_lists(
    tls: &Tls,
    authorities: &[CertificateDer<'_>],
    lists: &[CertificateRevocationListDer<'_>],
) -> Result<Option<SystemTime>, TlsError> {
    let malformed = |setting, path: Option<&PathBuf>, what| TlsError::Malformed {
        setting,
        path: path.cloned().unwrap_or_default(),
        what,
    };
    let mut issuers = Vec::new();
    let mut next_update = None;
    for list in lists {
        let (_, list) = CertificateRevocationList::from_der(list)
            .map_err(|_error| malformed("tls.crl", tls.crl.first(), "list of revoked certificates"))?;
        issuers.push(list.issuer().as_raw().to_vec());
        next_update = earlier(next_update, list.next_update().map(time));
    }
    for authority in authorities {
        let (_, authority) = X509Certificate::from_der(authority)
            .map_err(|_error| malformed("tls.client_ca", tls.client_ca.as_ref(), "certificate"))?;
        if !issuers.iter().any(|issuer| issuer == authority.subject().as_raw()) {
            return Err(TlsError::NoList {
                authority: authority.subject().to_string(),
            });
        }
    }
    Ok(next_update)
}

fn first_to_expire(
    setting: &'static str,
    path: &Path,
    certificates: &[CertificateDer<'_>],
) -> Result<Option<SystemTime>, TlsError> {
    let mut first = None;
    for certificate in certificates {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_error| TlsError::Malformed {
            setting,
            path: path.into(),
            what: "certificate",
        })?;
        first = earlier(first, Some(time(certificate.validity().not_after)));
    }
    Ok(first)
}

fn earlier(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moved = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    moved.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn read<T: PemObject>(setting: &'static str, path: &Path, what: &'static str) -> Result<Vec<T>, TlsError> {
    let fault = |source| TlsError::Read {
        setting,
        path: path.into(),
        source,
    };
    let found: Vec<_> = T::pem_file_iter(path)
        .map_err(fault)?
        .collect::<Result<_, _>>()
        .map_err(fault)?;
    if found.is_empty() {
        Err(TlsError::Empty {
            setting,
            path: path.into(),
            what,
        })
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests;

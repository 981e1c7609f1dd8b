//! A certificate that the machine keeps, with a key that never leaves it: Windows' certificate store.

use std::error::Error;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::settings::Thumbprint;

/// What a server can sign a handshake of TLS 1.3 with, as far as clients are known to verify it.
const SCHEMES: [SignatureScheme; 5] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

/// What a key signs to show that it can. Nothing that a handshake signs begins so.
const TRIAL: &[u8] = b"wsfcd: does this key belong to its certificate?";

/// Finds certificates that the machine keeps.
pub trait CertificateStore: Send + Sync {
    /// The certificate with this thumbprint in the store of this name. May take many seconds.
    ///
    /// # Errors
    ///
    /// Why it cannot be used, and what to do.
    fn find(&self, store: &str, thumbprint: Thumbprint) -> Result<Stored, StoreFault>;
}

/// Why a store does not give a certificate, in the words of the system that it belongs to.
pub type StoreFault = Box<dyn Error + Send + Sync>;

/// A certificate of a store.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The certificate, and those of its authorities without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// What signs with its key.
    pub key: Arc<dyn SigningKey>,
}

/// Why a certificate of the store cannot be served with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be had.
    #[error(transparent)]
    Find(StoreFault),
    /// What the store has is no certificate.
    #[error("the store holds something that is no certificate")]
    Malformed,
    /// The key makes none of the signatures that clients take.
    #[error("its key makes no signature that TLS 1.3 takes: RSA of 2048 to 8192 bits, or ECDSA with P-256 or P-384")]
    UnfitKey,
    /// The key is there, and does not sign.
    #[error(
        "its key does not sign; in certlm.msc choose All Tasks, Manage Private Keys for the certificate, and give the daemon's account Read"
    )]
    Sign(#[source] rustls::Error),
    /// What the key signs is not the certificate's.
    #[error("its key is that of another certificate; import certificate and key again, from a .pfx file")]
    AnotherKey,
}

/// The certificate with this thumbprint, once its key has shown that it signs for it: a key that does not is told at the
/// start and not to each client.
pub(super) fn take(
    machine: &dyn CertificateStore,
    store: &str,
    thumbprint: Thumbprint,
) -> Result<CertifiedKey, StoreError> {
    let Stored { chain, key } = machine.find(store, thumbprint).map_err(StoreError::Find)?;
    let certificate = chain.first().ok_or(StoreError::Malformed)?;
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_error| StoreError::Malformed)?;
    let signer = key.choose_scheme(&SCHEMES).ok_or(StoreError::UnfitKey)?;
    let signature = signer.sign(TRIAL).map_err(StoreError::Sign)?;
    let known = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let algorithms = known.mapping.iter().find(|(scheme, _)| *scheme == signer.scheme());
    // The first is what TLS 1.3 means by the scheme.
    let algorithm = algorithms.and_then(|(_, algorithms)| algorithms.first());
    let algorithm = algorithm.ok_or(StoreError::UnfitKey)?;
    let public = &certificate.public_key().subject_public_key.data;
    algorithm
        .verify_signature(public, TRIAL, &signature)
        .map_err(|_invalid| StoreError::AnotherKey)?;
    Ok(CertifiedKey::new(chain, key))
}

/// That of this machine.
pub fn system() -> Arc<dyn CertificateStore> {
    Arc::new(MachineStore)
}

/// The store of the operating system, if it has one.
#[derive(Debug, Clone, Copy)]
struct MachineStore;

#[cfg(windows)]
impl CertificateStore for MachineStore {
    fn find(&self, store: &str, thumbprint: Thumbprint) -> Result<Stored, StoreFault> {
        let found = wsfc_windows::certificates::find(store, thumbprint.bytes())?;
        Ok(Stored {
            chain: found.chain.into_iter().map(CertificateDer::from).collect(),
            key: found.key,
        })
    }
}

#[cfg(not(windows))]
impl CertificateStore for MachineStore {
    fn find(&self, _store: &str, _thumbprint: Thumbprint) -> Result<Stored, StoreFault> {
        Err("only Windows has a certificate store; set `tls.certificate` and `tls.key` instead".into())
    }
}

#[cfg(test)]
pub(crate) mod tests;

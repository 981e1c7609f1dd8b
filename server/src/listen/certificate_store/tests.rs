//! A store that a test fills, and what its keys have to show.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rcgen::{CertificateParams, KeyPair};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::SignatureAlgorithm;
use rustls::sign::Signer;
use rustls_pki_types::PrivateKeyDer;

use super::*;

/// A machine's certificates in its store `MY`.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<HashMap<Thumbprint, Stored>>);

impl Shelf {
    /// Puts a certificate there, in place of what had its thumbprint.
    pub(crate) fn put(&self, stored: Stored) -> Thumbprint {
        let thumbprint = thumbprint(&stored.chain[0]);
        self.stored().insert(thumbprint, stored);
        thumbprint
    }

    /// Takes a certificate away.
    pub(crate) fn take(&self, thumbprint: Thumbprint) {
        self.stored().remove(&thumbprint).unwrap();
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, HashMap<Thumbprint, Stored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CertificateStore for Shelf {
    fn find(&self, store: &str, thumbprint: Thumbprint) -> Result<Stored, StoreFault> {
        let found = self.stored().get(&thumbprint).cloned();
        found
            .filter(|_| store == "MY")
            .ok_or_else(|| format!("nothing of the kind in {store}").into())
    }
}

/// As Windows names a certificate.
fn thumbprint(der: &[u8]) -> Thumbprint {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, der);
    <[u8; 20]>::try_from(digest.as_ref()).unwrap().into()
}

/// A key that signs and shows nothing else, as one does that a machine keeps.
#[derive(Debug)]
struct Kept(Arc<dyn SigningKey>);

impl SigningKey for Kept {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(offered)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

/// A certificate with its key as a machine keeps them.
pub(crate) fn stored(chain: impl IntoIterator<Item = CertificateDer<'static>>, key: &KeyPair) -> Stored {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    Stored {
        chain: chain.into_iter().collect(),
        key: Arc::new(Kept(key)),
    }
}

/// A key that the machine does not let this account use.
#[derive(Debug)]
struct Refused;

impl SigningKey for Refused {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(Self) as _)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Refused {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Err(rustls::Error::General("access is denied".into()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = CertificateParams::new([String::from("localhost")]).unwrap();
    (certificate.self_signed(&key).unwrap().der().clone(), key)
}

fn taken(stored: Stored) -> Result<CertifiedKey, StoreError> {
    let shelf = Shelf::default();
    let thumbprint = shelf.put(stored);
    take(&shelf, "MY", thumbprint)
}

#[test]
fn a_key_shows_that_it_signs_for_its_certificate() {
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let (certificate, key) = pair(algorithm);
        let served = taken(stored([certificate.clone()], &key)).unwrap();
        assert_eq!(served.cert, [certificate]);
    }
    let (certificate, key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    for (_, other) in [
        pair(&rcgen::PKCS_ECDSA_P256_SHA256),
        pair(&rcgen::PKCS_ECDSA_P384_SHA384),
    ] {
        let another = taken(stored([certificate.clone()], &other));
        assert!(matches!(another, Err(StoreError::AnotherKey)), "{another:?}");
    }
    let (odd, odd_key) = pair(&rcgen::PKCS_ED25519);
    let unfit = taken(stored([odd], &odd_key));
    assert!(matches!(unfit, Err(StoreError::UnfitKey)), "{unfit:?}");
    let refused = taken(Stored {
        chain: vec![certificate],
        key: Arc::new(Refused),
    });
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("Manage Private Keys"), "{refused}");
    let malformed = taken(stored([CertificateDer::from(vec![1, 2, 3])], &key));
    assert!(matches!(malformed, Err(StoreError::Malformed)), "{malformed:?}");
}

#[test]
fn what_a_machine_has_not_is_told_in_its_words() {
    let shelf = Shelf::default();
    let (certificate, key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    let thumbprint = shelf.put(stored([certificate], &key));
    let absent = take(&shelf, "WebHosting", thumbprint).unwrap_err();
    assert_eq!(absent.to_string(), "nothing of the kind in WebHosting");
}

#[cfg(not(windows))]
#[test]
fn a_system_without_a_store_says_so() {
    let fault = take(&*system(), "MY", [7; 20].into()).unwrap_err().to_string();
    assert!(
        fault.contains("only Windows") && fault.contains("`tls.certificate`"),
        "{fault}"
    );
}

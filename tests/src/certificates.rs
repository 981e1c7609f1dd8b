//! Certificate authorities of tests.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use wsfc_client::Identity;

/// An authority, and nobody else's.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::expect_used, reason = "how a test fails")]
impl Authority {
    /// A fresh authority.
    ///
    /// # Panics
    ///
    /// The system gives no randomness.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("randomness");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate of its own"))
    }

    /// Its certificate.
    pub fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A certificate for a name.
    ///
    /// # Panics
    ///
    /// The name is no DNS name.
    pub fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("randomness");
        let params = CertificateParams::new([name.to_owned()]).expect("a DNS name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Identity {
            cert_pem: certificate.pem().into_bytes(),
            key_pem: key.serialize_pem().into_bytes(),
        }
    }
}

//! Certificate authorities of tests.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use wsfc_client::Identity;

/// Writes a file that only its owner can read, as the key of a daemon has to be.
///
/// # Panics
///
/// The folder takes no file.
#[expect(clippy::expect_used, reason = "how a test fails")]
pub fn write_private(path: &Path, bytes: &[u8]) {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).expect("the test's folder takes a file");
    file.write_all(bytes).expect("the test's folder takes a file");
}

static AUTHORITIES: AtomicU64 = AtomicU64::new(0);

/// An authority, and nobody else's.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    number: u64,
}

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
        // Lists of revoked certificates name their authority, so each has a name of its own.
        Self::numbered(AUTHORITIES.fetch_add(1, Ordering::Relaxed))
    }

    /// Another authority, which goes by the same name.
    ///
    /// # Panics
    ///
    /// The system gives no randomness.
    pub fn namesake(&self) -> Self {
        Self::numbered(self.number)
    }

    fn numbered(number: u64) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("authority {number}"));
        let key = KeyPair::generate().expect("randomness");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate of its own");
        Self { issuer, number }
    }

    /// Its certificate.
    pub fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    /// A certificate for a name.
    ///
    /// # Panics
    ///
    /// The name is no DNS name.
    pub fn issue(&self, name: &str) -> Identity {
        let params = CertificateParams::new([name.to_owned()]).expect("a DNS name");
        self.sign(params)
    }

    /// A certificate for a name, with a number by which it can be revoked.
    ///
    /// # Panics
    ///
    /// The name is no DNS name.
    pub fn issue_numbered(&self, name: &str, serial: u64) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a DNS name");
        params.serial_number = Some(SerialNumber::from(serial));
        self.sign(params)
    }

    /// The list of certificates that it has revoked, PEM.
    ///
    /// # Panics
    ///
    /// The system gives no randomness.
    pub fn revoked(&self, serials: &[u64]) -> Vec<u8> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a list");
        list.pem().expect("a form in PEM").into_bytes()
    }

    /// A certificate with anything in it.
    ///
    /// # Panics
    ///
    /// It has no form.
    pub fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            cert_pem: certificate.pem().into_bytes(),
            key_pem: key.serialize_pem().into_bytes(),
        }
    }
}

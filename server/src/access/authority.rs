//! The daemon's own authority: a certificate that signs the daemon's and those of its clients, for whoever has no authority
//! of their own.
//!
//! Only the public key is taken from what a client asks to be signed. Names, times and uses are the daemon's to say.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use zeroize::Zeroizing;

use super::files::{self, AccessFolder};
use super::name;
use super::tokens::whole_seconds;
use crate::listen::key_file::{self, KeyFileError};
use crate::platform::Entropy;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority itself is good. It is not renewed: clients know it by its key.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3_650 * DAY.as_secs());
/// How long the daemon's certificate is good; a running daemon renews it in time.
pub const SERVER_LIFE: Duration = Duration::from_secs(90 * DAY.as_secs());
/// How long a client's certificate is good; `wsfcctl` renews it in time.
pub const CLIENT_LIFE: Duration = Duration::from_secs(30 * DAY.as_secs());
/// Clients whose clock is behind accept the daemon's certificate all the same.
const SERVER_BACKDATE: Duration = DAY;
/// A client's certificate is looked at by the daemon that made it, whose clock may be set back a little.
const CLIENT_BACKDATE: Duration = Duration::from_secs(5 * 60);
/// The length of serial numbers.
pub const SERIAL_BYTES: usize = 16;
/// The longest request that is read; one for a key on a curve has a few hundred bytes.
const LONGEST_REQUEST: usize = 4_096;

/// The authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is damaged; put it back from a backup, or move the folder away and run `wsfcd init` again, after which every client has to log in anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Whoever else can read the key can make everybody's certificates.
    #[error("{} is no secret", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Who else can, and what to do.
        #[source]
        source: KeyFileError,
    },
    /// There is an authority, or a part of one.
    #[error("{} is there already, and an authority is never replaced", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made")]
    Make(#[from] rcgen::Error),
}

/// A request for a certificate that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestUnfit {
    /// It is none.
    #[error("this is no certificate signing request (PKCS #10, DER)")]
    Malformed,
    /// Its signature is not by its key: whoever sent it need not have the key.
    #[error("the signature of the request is not by the key in it")]
    NotByItsKey,
    /// A key of a kind that nobody needs.
    #[error("the key is none of ECDSA on P-256 or P-384 and Ed25519")]
    Key,
}

/// A public key whose holder has proved to have the private one.
pub struct ProvenKey(SubjectPublicKeyInfo);

impl ProvenKey {
    /// Reads a certificate signing request (PKCS #10, DER). Names, extensions and everything else in it is passed over.
    ///
    /// # Errors
    ///
    /// See [`RequestUnfit`].
    pub fn of_request(der: &[u8]) -> Result<Self, RequestUnfit> {
        if der.len() > LONGEST_REQUEST {
            return Err(RequestUnfit::Malformed);
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_error| RequestUnfit::Malformed)?;
        if !rest.is_empty() {
            return Err(RequestUnfit::Malformed);
        }
        let key = SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)
            .map_err(|_error| RequestUnfit::Key)?;
        let algorithm = rcgen::PublicKeyData::algorithm(&key);
        if ![
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ED25519,
        ]
        .contains(&algorithm)
        {
            return Err(RequestUnfit::Key);
        }
        request.verify_signature().map_err(|_error| RequestUnfit::NotByItsKey)?;
        Ok(Self(key))
    }
}

/// A certificate that was made for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The certificate itself.
    pub der: CertificateDer<'static>,
    /// Its number, as it stands in it.
    pub serial: [u8; SERIAL_BYTES],
    /// The SHA-256 of it.
    pub fingerprint: [u8; 32],
    /// When it is no longer good.
    pub expires: SystemTime,
}

/// The authority with its key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    pin: [u8; 32],
    expires: SystemTime,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes an authority for an installation: an ECDSA key on P-256, and a certificate for it. Nothing is written.
    ///
    /// # Errors
    ///
    /// The system gives no key.
    pub fn make(installation: Uuid, now: SystemTime, entropy: &dyn Entropy) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let name = format!("wsfcd {installation}");
        let mut params = params(Some(&name), now, SERVER_BACKDATE, AUTHORITY_LIFE, &serial(entropy));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.der().clone();
        Self::of_parts(certificate, key)
    }

    fn of_parts(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, AuthorityError> {
        let parsed = parse(&certificate).map_err(|error| rcgen::Error::X509(error.to_string()))?;
        let spki = parsed.tbs_certificate.subject_pki.raw;
        if spki != key_spki(&key) {
            return Err(rcgen::Error::X509(String::from("the key belongs to another certificate")).into());
        }
        let (pin, expires) = (Sha256::digest(spki).into(), time(parsed.validity().not_after));
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self {
            certificate,
            issuer,
            pin,
            expires,
        })
    }

    /// Reads the authority of a folder; `None` when there is none.
    ///
    /// # Errors
    ///
    /// It is there and cannot be used.
    pub fn load(folder: &AccessFolder) -> Result<Option<Self>, AuthorityError> {
        let (path, key_path) = (folder.authority(), folder.authority_key());
        let Some(text) = read(&path)? else { return Ok(None) };
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|error| damaged(&path, error))?;
        let key = read(&key_path)?.ok_or_else(|| AuthorityError::File {
            path: key_path.clone(),
            source: io::ErrorKind::NotFound.into(),
        })?;
        let checked = key_file::check(&key_path);
        checked.map_err(|source| AuthorityError::Key {
            path: key_path.clone(),
            source,
        })?;
        let key = KeyPair::from_pem(&key).map_err(|error| damaged(&key_path, error))?;
        match Self::of_parts(certificate, key) {
            Ok(authority) => Ok(Some(authority)),
            Err(AuthorityError::Make(error)) => Err(damaged(&path, error)),
            Err(error) => Err(error),
        }
    }

    /// Whether there is nothing in a folder that an authority would take the place of.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Exists`] with what is there.
    pub fn check_absent(folder: &AccessFolder) -> Result<(), AuthorityError> {
        for path in [folder.authority(), folder.authority_key()] {
            match path.try_exists() {
                Ok(false) => {}
                Ok(true) => return Err(AuthorityError::Exists { path }),
                Err(source) => return Err(AuthorityError::File { path, source }),
            }
        }
        Ok(())
    }

    /// Writes the key of a new authority. It is none yet: that is [`save_certificate`](Self::save_certificate).
    ///
    /// # Errors
    ///
    /// There is one, or the file cannot be written.
    pub fn save_key(&self, folder: &AccessFolder) -> Result<(), AuthorityError> {
        Self::check_absent(folder)?;
        let key = Zeroizing::new(self.issuer.key().serialize_pem());
        write(&folder.authority_key(), key.as_bytes())
    }

    /// Writes the certificate, by which the authority is there from now on.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save_certificate(&self, folder: &AccessFolder) -> Result<(), AuthorityError> {
        write(&folder.authority(), self.pem().as_bytes())
    }

    /// The SHA-256 of its SubjectPublicKeyInfo, which join tokens carry.
    pub fn pin(&self) -> [u8; 32] {
        self.pin
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// Makes a key and a certificate for the daemon, under all of these names and addresses: PEM of the certificate, of
    /// the authority's and of the key.
    ///
    /// # Errors
    ///
    /// A name is none, or the system gives no key.
    pub fn issue_server(
        &self,
        names: &BTreeSet<String>,
        now: SystemTime,
        entropy: &dyn Entropy,
    ) -> Result<Zeroizing<String>, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = params(
            Some("wsfcd"),
            now,
            SERVER_BACKDATE,
            self.life(SERVER_LIFE, now),
            &serial(entropy),
        );
        params.subject_alt_names = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = Zeroizing::new(key.serialize_pem());
        Ok(Zeroizing::new(format!("{}{}{}", certificate.pem(), self.pem(), *key)))
    }

    /// Makes a certificate for a client whose key is proven.
    ///
    /// # Errors
    ///
    /// The authority cannot sign.
    pub fn issue_client(
        &self,
        key: &ProvenKey,
        installation: Uuid,
        identity: &str,
        now: SystemTime,
        entropy: &dyn Entropy,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let serial = serial(entropy);
        let life = self.life(CLIENT_LIFE, now);
        // Without a common name: that would be a name beside the URI, which somebody of another authority may have.
        let mut params = params(None, now, CLIENT_BACKDATE, life, &serial);
        params.subject_alt_names = vec![SanType::URI(name::uri(installation, identity).try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let der = params.signed_by(&key.0, &self.issuer)?.der().clone();
        Ok(IssuedCertificate {
            fingerprint: Sha256::digest(&der).into(),
            der,
            serial,
            expires: whole_seconds(now) + life,
        })
    }

    /// No certificate outlives the authority.
    fn life(&self, life: Duration, now: SystemTime) -> Duration {
        life.min(self.expires.duration_since(now).unwrap_or_default())
    }
}

/// The daemon's certificate as far as its renewal goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertificate {
    /// Its names and addresses.
    pub names: BTreeSet<String>,
    /// When two thirds of its life are over.
    pub renew_at: SystemTime,
    /// When it is no longer good.
    pub expires: SystemTime,
}

impl ServerCertificate {
    /// Reads the one that the own authority made; `None` when there is none, or what is there is none: a new one is then
    /// made.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn load(folder: &AccessFolder) -> Result<Option<Self>, AuthorityError> {
        Ok(read(&folder.server())?.and_then(|text| Self::of_pem(text.as_bytes())))
    }

    /// Reads the first certificate of a PEM text.
    pub fn of_pem(text: &[u8]) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(text).ok()?;
        let parsed = parse(&certificate).ok()?;
        let validity = parsed.validity();
        let (begins, expires) = (time(validity.not_before), time(validity.not_after));
        let life = expires.duration_since(begins).ok()?;
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let names = alternative.map_or_else(BTreeSet::new, |extension| {
            extension.value.general_names.iter().filter_map(host_name).collect()
        });
        Some(Self {
            names,
            renew_at: begins + life * 2 / 3,
            expires,
        })
    }

    /// Whether it is time for another one: two thirds of its life are over, or the host has a name that it lacks.
    pub fn is_due(&self, names: &BTreeSet<String>, now: SystemTime) -> bool {
        self.renew_at <= now || !names.is_subset(&self.names)
    }
}

fn host_name(name: &x509_parser::extensions::GeneralName<'_>) -> Option<String> {
    use std::net::IpAddr;
    use x509_parser::extensions::GeneralName;
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    }
}

fn params(
    name: Option<&str>,
    now: SystemTime,
    backdate: Duration,
    life: Duration,
    serial: &[u8; SERIAL_BYTES],
) -> CertificateParams {
    let mut params = CertificateParams::default();
    let since = whole_seconds(now)
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since.saturating_sub(backdate);
    params.not_after = epoch + since + life;
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params
}

/// A random number of 16 bytes. The first bits are set so that it is positive and no byte of it is left out in DER; 126
/// random ones are left.
fn serial(entropy: &dyn Entropy) -> [u8; SERIAL_BYTES] {
    let mut serial = [0; SERIAL_BYTES];
    entropy.fill(&mut serial);
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

fn parse<'a>(
    der: &'a CertificateDer<'_>,
) -> Result<x509_parser::certificate::X509Certificate<'a>, x509_parser::nom::Err<x509_parser::error::X509Error>> {
    x509_parser::certificate::X509Certificate::from_der(der).map(|(_rest, certificate)| certificate)
}

fn key_spki(key: &KeyPair) -> Vec<u8> {
    rcgen::PublicKeyData::subject_public_key_info(key)
}

fn time(at: x509_parser::time::ASN1Time) -> SystemTime {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The PEM text of one thing.
pub fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, AuthorityError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AuthorityError::File {
            path: path.into(),
            source,
        }),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), AuthorityError> {
    files::write(path, bytes).map_err(|source| AuthorityError::File {
        path: path.into(),
        source,
    })
}

/// Writes the daemon's certificate and key.
///
/// # Errors
///
/// The file cannot be written; the former one is then still there.
pub fn save_server(folder: &AccessFolder, pem: &str) -> Result<(), AuthorityError> {
    write(&folder.server(), pem.as_bytes())
}

fn damaged(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AuthorityError {
    AuthorityError::Damaged {
        path: path.into(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests;

//! What a client's certificate says about its holder. Whether it is to be believed, the handshake has decided.

use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::hex::text as hex;
use super::identity::Subject;

/// Longer names are nobody's.
const LONGEST_NAME: usize = 512;

/// A client certificate whose chain and key were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
    /// Its serial number, as its issuer gave it.
    pub serial: Vec<u8>,
    /// Who it is for, the name that counts first: URI, e-mail address and DNS name of its alternative names (RFC 5280
    /// 4.2.1.6), then the common name of its subject, last its fingerprint.
    pub names: Vec<Subject>,
    /// When it expires.
    pub not_after: SystemTime,
}

impl ClientCertificate {
    /// Reads a certificate. One that cannot be read has its fingerprint for a name, and is over.
    pub fn of_der(der: &[u8]) -> Self {
        let fingerprint: [u8; 32] = Sha256::digest(der).into();
        let mut read = Self {
            fingerprint,
            serial: Vec::new(),
            names: Vec::new(),
            not_after: SystemTime::UNIX_EPOCH,
        };
        if let Ok((_, certificate)) = X509Certificate::from_der(der) {
            read.serial = certificate.raw_serial().to_vec();
            read.names = names(&certificate);
            read.not_after = time(certificate.validity().not_after.timestamp());
        }
        read.names.push(Subject::of_fingerprint(&fingerprint));
        read
    }

    /// Its serial number as hexadecimal digits.
    pub fn serial_text(&self) -> String {
        hex(&self.serial)
    }
}

fn time(seconds: i64) -> SystemTime {
    u64::try_from(seconds)
        .ok()
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<Subject> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let pick = |kind: fn(&GeneralName<'_>) -> Option<Subject>| alternative.iter().filter_map(kind);
    let uris = pick(|name| match name {
        GeneralName::URI(uri) => fit(uri).map(Subject::of_uri),
        _ => None,
    });
    let emails = pick(|name| match name {
        GeneralName::RFC822Name(email) => fit(email).map(Subject::of_email),
        _ => None,
    });
    let hosts = pick(|name| match name {
        GeneralName::DNSName(host) => fit(host).map(Subject::of_dns),
        _ => None,
    });
    let mut names: Vec<_> = uris.chain(emails).chain(hosts).collect();
    // A certificate with several common names is nobody's by them: which one counts is a matter of taste.
    let mut common = certificate
        .subject()
        .iter_common_name()
        .filter_map(|name| name.as_str().ok());
    if let (Some(name), None) = (common.next(), common.next()) {
        names.extend(fit(name).map(Subject::of_common_name));
    }
    names
}

/// A name that can be shown and compared: no control characters, no blanks at its ends, and none of the characters that
/// look like nothing.
fn fit(name: &str) -> Option<&str> {
    let odd = |c: char| {
        c.is_control()
            || (c.is_whitespace() && c != ' ')
            || ('\u{200b}'..='\u{200f}').contains(&c)
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2060}'..='\u{206f}').contains(&c)
            || c == '\u{feff}'
    };
    (!name.is_empty() && name.len() <= LONGEST_NAME && name.trim() == name && !name.contains(odd)).then_some(name)
}

#[cfg(test)]
mod tests {
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(common_name: Option<&str>, names: Vec<SanType>) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = names;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ClientCertificate::of_der(certificate.der())
    }

    fn ia5(text: &str) -> Ia5String {
        text.try_into().unwrap()
    }

    fn texts(certificate: &ClientCertificate) -> Vec<&str> {
        certificate.names.iter().map(Subject::as_str).collect()
    }

    #[test]
    fn names_come_in_the_order_of_the_rule() {
        let read = certificate(
            Some("Alice"),
            vec![
                SanType::DnsName(ia5("Host.Example")),
                SanType::Rfc822Name(ia5("alice@example.org")),
                SanType::URI(ia5("spiffe://example.org/ops")),
            ],
        );
        let fingerprint = format!("cert:{}", hex(&read.fingerprint));
        assert_eq!(
            texts(&read),
            [
                "uri:spiffe://example.org/ops",
                "email:alice@example.org",
                "dns:host.example",
                "subject:Alice",
                &fingerprint
            ]
        );
        assert!(read.not_after > SystemTime::UNIX_EPOCH);
        assert!(!read.serial.is_empty());
    }

    #[test]
    fn odd_names_are_nobodys() {
        for odd in [
            "",
            " alice",
            "alice ",
            "al\u{0}ice",
            "al\nice",
            "al\u{202e}ice",
            "al\u{200b}ice",
            &"a".repeat(513),
        ] {
            let read = certificate(Some(odd), Vec::new());
            assert_eq!(texts(&read).len(), 1, "{odd:?}");
            assert!(texts(&read)[0].starts_with("cert:"));
        }
        let read = certificate(
            None,
            vec![SanType::URI(ia5("uri:x\u{7f}")), SanType::DnsName(ia5("a\u{0}b"))],
        );
        assert_eq!(texts(&read).len(), 1);
    }

    #[test]
    fn garbage_is_over() {
        let read = ClientCertificate::of_der(b"garbage");
        assert_eq!(read.not_after, SystemTime::UNIX_EPOCH);
        assert_eq!(texts(&read).len(), 1);
    }
}

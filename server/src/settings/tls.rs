//! The certificates.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::authority::is_absent;
use super::{LONGEST, Thumbprint, TlsAuthority, Unfit};

/// Files that are looked at more often would be all that the daemon does.
const FASTEST_LOOK: Duration = Duration::from_millis(10);

/// The store of a computer's own certificates.
const OWN_STORE: &str = "MY";

/// The certificates. Files are PEM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Where certificates come from. With `own`, the files are those that `wsfcd init` makes in the data directory, and
    /// none are named here.
    #[serde(default, skip_serializing_if = "TlsAuthority::is_files")]
    pub authority: TlsAuthority,
    /// The certificate chain of the server, its own certificate first.
    #[serde(default, skip_serializing_if = "is_absent")]
    pub certificate: PathBuf,
    /// The private key of the server. Nobody but the daemon's account may be able to read it.
    #[serde(default, skip_serializing_if = "is_absent")]
    pub key: PathBuf,
    /// On Windows, instead of the two files: the certificate of the server in a store of the machine, which keeps its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_thumbprint: Option<Thumbprint>,
    /// The store of the machine that it is in.
    #[serde(default = "own_store", skip_serializing_if = "is_own_store")]
    pub store: String,
    /// The authorities of clients: who shows a certificate from one of them has the roles that `access.bindings` give to
    /// its names. When set, a client without one is refused in the handshake, unless it may show something else.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Lists of certificates that their authorities have revoked. When there are any, each authority of clients needs one,
    /// and a certificate of an authority without is refused.
    #[serde(default)]
    pub crl: Vec<PathBuf>,
    /// The oldest version of TLS that is spoken.
    #[serde(default)]
    pub minimum_version: TlsVersion,
    /// How often files are looked at, and less often the store. What has changed is taken.
    #[serde(default = "look_every", with = "humantime_serde")]
    pub look_every: Duration,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TlsVersion {
    /// Version 1.2, for clients that have no other.
    #[serde(rename = "1.2")]
    V1_2,
    /// Version 1.3.
    #[default]
    #[serde(rename = "1.3")]
    V1_3,
}

fn own_store() -> String {
    OWN_STORE.into()
}

fn is_own_store(store: &str) -> bool {
    store == OWN_STORE
}

/// So that who was revoked is out within a second.
fn look_every() -> Duration {
    Duration::from_millis(500)
}

impl Tls {
    /// With a certificate and its key, and everything else as it is when nothing is said.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            authority: TlsAuthority::Files,
            certificate: certificate.into(),
            key: key.into(),
            store_thumbprint: None,
            store: own_store(),
            client_ca: None,
            crl: Vec::new(),
            minimum_version: TlsVersion::default(),
            look_every: look_every(),
        }
    }

    /// With a certificate of the machine's store.
    pub fn stored(thumbprint: Thumbprint) -> Self {
        Self {
            store_thumbprint: Some(thumbprint),
            ..Self::new("", "")
        }
    }

    pub(super) fn check(&self) -> Result<(), Unfit> {
        if !self.crl.is_empty() && self.client_ca.is_none() {
            return Err(Unfit::NobodyToRevoke);
        }
        // A backslash would name a store of another machine, or of a service.
        if self.store.is_empty() || self.store.contains(['\\', '/', '\0']) {
            return Err(Unfit::NotAStore {
                store: self.store.clone(),
            });
        }
        if !is_own_store(&self.store) && self.store_thumbprint.is_none() {
            return Err(Unfit::NothingStored);
        }
        let field = "tls.look_every";
        if self.look_every < FASTEST_LOOK {
            return Err(Unfit::TooShort {
                field,
                least: FASTEST_LOOK,
            });
        }
        if self.look_every > LONGEST {
            return Err(Unfit::TooLong { field, most: LONGEST });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_need_an_authority() {
        let mut tls = Tls::new("/c.pem", "/k.pem");
        assert_eq!(tls.check(), Ok(()));
        tls.crl.push("/revoked.pem".into());
        assert_eq!(tls.check(), Err(Unfit::NobodyToRevoke));
        tls.client_ca = Some("/ca.pem".into());
        assert_eq!(tls.check(), Ok(()));
    }

    #[test]
    fn a_store_is_named_plainly_and_for_something() {
        let mut tls = Tls::stored([7; 20].into());
        assert_eq!((tls.store.as_str(), tls.check()), ("MY", Ok(())));
        tls.store = "WebHosting".into();
        assert_eq!(tls.check(), Ok(()));
        for store in ["", r"\\other\MY", "a/b"] {
            tls.store = store.into();
            assert_eq!(tls.check(), Err(Unfit::NotAStore { store: store.into() }));
        }
        let tls = Tls {
            store: "WebHosting".into(),
            ..Tls::new("/c.pem", "/k.pem")
        };
        assert_eq!(tls.check(), Err(Unfit::NothingStored));
    }

    #[test]
    fn what_is_not_said_is_the_safe_choice() {
        let read: Tls = toml::from_str("certificate = \"/c.pem\"\nkey = \"/k.pem\"").unwrap();
        assert_eq!(read, Tls::new("/c.pem", "/k.pem"));
        assert_eq!(read.minimum_version, TlsVersion::V1_3);
        let text = "certificate = \"/c.pem\"\nkey = \"/k.pem\"\nminimum_version = \"1.2\"";
        assert_eq!(toml::from_str::<Tls>(text).unwrap().minimum_version, TlsVersion::V1_2);
        assert!(toml::from_str::<Tls>(&text.replace("1.2", "1.1")).is_err());
    }
}

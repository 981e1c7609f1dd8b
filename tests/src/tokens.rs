//! Issuers of bearer tokens.

use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use wsfcd::settings::BearerIssuer;

/// Whom the tokens are for.
const AUDIENCE: &str = "wsfcd-test";

/// An issuer, and nobody else's.
pub struct Issuer {
    name: String,
    key: Ed25519KeyPair,
}

#[expect(clippy::expect_used, reason = "how a test fails")]
impl Issuer {
    /// An issuer of this name with a fresh key.
    ///
    /// # Panics
    ///
    /// The system gives no randomness.
    pub fn new(name: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
        Self {
            name: name.to_owned(),
            key: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key that was just made"),
        }
    }

    /// The settings of a daemon that takes its tokens, with its keys in a file. Clocks do not differ here.
    ///
    /// # Panics
    ///
    /// The folder takes no file.
    pub fn settings(&self, folder: &Path) -> BearerIssuer {
        let file = folder.join("keys.json");
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
        std::fs::write(&file, keys.to_string()).expect("the test's folder takes a file");
        BearerIssuer {
            jwks_file: Some(file),
            leeway: Duration::ZERO,
            ..BearerIssuer::new(&self.name, AUDIENCE)
        }
    }

    /// A token for somebody of some groups, for so long from now on.
    ///
    /// # Panics
    ///
    /// The clock stands before 1970.
    #[expect(clippy::disallowed_methods, reason = "the daemon under test has the system's clock")]
    pub fn token(&self, name: &str, groups: &[&str], lasting: Duration) -> String {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("a clock");
        let claims = json!({
            "iss": self.name,
            "aud": AUDIENCE,
            "sub": name,
            "groups": groups,
            "exp": (now + lasting).as_secs_f64(),
        });
        let header = json!({"alg": "EdDSA", "kid": "k1", "typ": "JWT"});
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

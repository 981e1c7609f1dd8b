//! Issuers of bearer tokens.

use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use wsfcd::settings::BearerIssuer;

/// Whom the tokens are for.
pub const AUDIENCE: &str = "wsfcd-test";

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
        std::fs::write(&file, self.key_set().to_string()).expect("the test's folder takes a file");
        BearerIssuer {
            jwks_file: Some(file),
            leeway: Duration::ZERO,
            ..BearerIssuer::new(&self.name, AUDIENCE)
        }
    }

    /// Its keys, a JWK set.
    pub fn key_set(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]})
    }

    /// The forms of its public key that somebody could take for a secret.
    pub fn public_forms(&self) -> Vec<Vec<u8>> {
        let keys = self.key_set();
        let x = keys["keys"][0]["x"].to_string();
        vec![
            self.key.public_key().as_ref().to_vec(),
            x.trim_matches('"').into(),
            keys["keys"][0].to_string().into_bytes(),
            keys.to_string().into_bytes(),
            Vec::new(),
        ]
    }

    /// A token of these parts, as they are.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
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
        self.sign(&header.to_string(), &claims.to_string())
    }
}

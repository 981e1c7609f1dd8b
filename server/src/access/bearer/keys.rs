//! The public keys of an issuer (JWK sets, RFC 7517), and what they can verify (RFC 7518, RFC 8037).
//!
//! What a key is decides which algorithms it can be used with; the token may only choose among those. So a token can never
//! have a public key taken for the secret of an HMAC, and `none` is no algorithm at all.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use super::json;

/// The most keys that a set may have. Issuers publish the one in use and its neighbours.
const MOST_KEYS: usize = 64;
/// The sizes in bits of RSA keys that are accepted: what is shorter can be broken, and what is longer costs too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// The public exponents of RSA keys that `ring` accepts.
const RSA_EXPONENTS: std::ops::RangeInclusive<u64> = 3..=(1 << 33) - 1;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Ed25519,
}

impl Algorithm {
    /// By its name in a header or a key (exactly, as RFC 7515 has it); `None` for everything that is not accepted.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // The former name is for any curve, and Ed25519 is the one that is accepted (RFC 9864).
            "EdDSA" | "Ed25519" => Self::Ed25519,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::Ed25519 => return None,
        })
    }
}

/// A JWK set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is no JSON object, or has a member twice.
    #[error("the keys cannot be read")]
    Json(#[from] serde_json::Error),
    /// It has no member `keys` that is an array.
    #[error("the keys cannot be read: `keys` is not an array")]
    NoKeys,
    /// More keys than an issuer has.
    #[error("{count} keys are too many; an issuer has {MOST_KEYS} at most")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// No key is fit for what is accepted here.
    #[error("no key can be used{}", told(.problems))]
    NoneUsable {
        /// What is wrong with each.
        problems: Vec<String>,
    },
}

fn told(problems: &[String]) -> String {
    if problems.is_empty() {
        String::new()
    } else {
        format!(": {}", problems.join("; "))
    }
}

/// The keys of an issuer that can be used.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

/// What came of looking for a key and trying it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    /// The signature is of one of the issuer's keys.
    Good,
    /// There is a key for it, and it is not of that key.
    Bad,
    /// No key has this id, or none is for this algorithm, or it is not said which one of several.
    NoKey,
    /// The key of this id is not for this algorithm.
    OtherAlgorithm,
}

impl KeySet {
    /// Reads a JWK set. Keys of a kind that is not known, or for something else, are passed over (RFC 7517, section 5);
    /// those that are not safe are, too, and are told in the log.
    ///
    /// # Errors
    ///
    /// See [`KeySetError`].
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        let members = json::object(bytes)?;
        let Some(Value::Array(listed)) = members.get("keys") else {
            return Err(KeySetError::NoKeys);
        };
        if listed.len() > MOST_KEYS {
            return Err(KeySetError::TooMany { count: listed.len() });
        }
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for jwk in listed {
            match Key::read(jwk) {
                Ok(key) => keys.push(key),
                Err(problem) => problems.push(problem.to_owned()),
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoneUsable { problems });
        }
        for problem in problems {
            tracing::debug!(problem, "A key of an issuer of tokens is not used");
        }
        Ok(Self { keys })
    }

    /// Whether one of these keys has made a signature.
    ///
    /// A token that names no key is tried with the one that fits; among several OpenID Connect has it name one
    /// (Core 1.0, section 10.1).
    pub(super) fn verify(&self, kid: Option<&str>, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Trial {
        let named = |key: &&Key| kid.is_none_or(|kid| key.id.as_deref() == Some(kid));
        let mut fitting = self.keys.iter().filter(named).filter(|key| key.fits(algorithm));
        let (first, second) = (fitting.next(), fitting.next());
        match (first, second) {
            (None, _) if kid.is_some() && self.keys.iter().any(|key| named(&key)) => Trial::OtherAlgorithm,
            (None, _) => Trial::NoKey,
            (Some(_), Some(_)) if kid.is_none() => Trial::NoKey,
            // Keys of one id are told apart by their kind alone (RFC 7517, section 4.5), so there is seldom a second.
            (first, second) => {
                let mut all = first.into_iter().chain(second).chain(fitting);
                if all.any(|key| key.verify(algorithm, signed, signature)) {
                    Trial::Good
                } else {
                    Trial::Bad
                }
            }
        }
    }
}

struct Key {
    id: Option<String>,
    /// The only algorithm that it is for, when it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point, as for the next.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// Reads a key, or says why it is not used.
    fn read(jwk: &Value) -> Result<Self, &'static str> {
        let members = jwk.as_object().ok_or("a key is no object")?;
        if ["d", "k", "p", "q"].iter().any(|name| members.contains_key(*name)) {
            return Err("a key is there with its secret, so that everybody could sign");
        }
        match members.get("use") {
            None => {}
            Some(Value::String(purpose)) if purpose == "sig" => {}
            Some(_) => return Err("a key is not for signatures"),
        }
        match members.get("key_ops") {
            None => {}
            Some(Value::Array(operations)) if operations.iter().any(|one| one == "verify") => {}
            Some(_) => return Err("a key is not for verifying"),
        }
        let id = match members.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err("the `kid` of a key is no string"),
        };
        let material = Material::read(members)?;
        let algorithm = match members.get("alg") {
            None => None,
            Some(Value::String(name)) => Some(Algorithm::of_name(name).ok_or("a key is for another algorithm")?),
            Some(_) => return Err("the `alg` of a key is no string"),
        };
        if algorithm.is_some_and(|algorithm| !material.fits(algorithm)) {
            return Err("a key says that it is for an algorithm that it cannot be used with");
        }
        Ok(Self {
            id,
            algorithm,
            material,
        })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|only| only == algorithm) && self.material.fits(algorithm)
    }

    fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let with = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Rsa { n, e } => algorithm.rsa().is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }
                    .verify(parameters, signed, signature)
                    .is_ok()
            }),
            Material::P256(point) => algorithm == Algorithm::Es256 && with(&ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => algorithm == Algorithm::Es384 && with(&ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(key) => algorithm == Algorithm::Ed25519 && with(&ED25519, key),
        }
    }
}

impl Material {
    fn read(members: &Map<String, Value>) -> Result<Self, &'static str> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bytes = |name: &str| {
            let decoded = text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            decoded.ok_or("a number of a key is no base64url")
        };
        match (text("kty"), text("crv")) {
            (Some("RSA"), _) => rsa(&bytes("n")?, &bytes("e")?),
            (Some("EC"), Some("P-256")) => Ok(Self::P256(point(&bytes("x")?, &bytes("y")?, 32)?)),
            (Some("EC"), Some("P-384")) => Ok(Self::P384(point(&bytes("x")?, &bytes("y")?, 48)?)),
            (Some("OKP"), Some("Ed25519")) => match bytes("x")? {
                key if key.len() == 32 => Ok(Self::Ed25519(key)),
                _ => Err("an Ed25519 key has another length"),
            },
            _ => Err("a key is of a kind that is not accepted"),
        }
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => algorithm.rsa().is_some(),
            Self::P256(_) => algorithm == Algorithm::Es256,
            Self::P384(_) => algorithm == Algorithm::Es384,
            Self::Ed25519(_) => algorithm == Algorithm::Ed25519,
        }
    }
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Material, &'static str> {
    // `ring` takes numbers without leading zeros, which some issuers have against RFC 7518, section 2.
    let (n, e) = (without_zeros(n), without_zeros(e));
    let bits = n
        .first()
        .map_or(0, |first| 8 * n.len() - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err("an RSA key has not from 2048 to 8192 bits");
    }
    let exponent = (e.len() <= 8).then(|| e.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    if !exponent.is_some_and(|exponent| RSA_EXPONENTS.contains(&exponent) && exponent % 2 == 1) {
        return Err("an RSA key has an exponent that is not accepted");
    }
    Ok(Material::Rsa {
        n: n.to_vec(),
        e: e.to_vec(),
    })
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// The uncompressed form of SEC 1, section 2.3.3, which `ring` checks to be on the curve when it is used.
fn point(x: &[u8], y: &[u8], length: usize) -> Result<Vec<u8>, &'static str> {
    if x.len() != length || y.len() != length {
        return Err("a coordinate of a key has another length than those of its curve");
    }
    Ok([&[4], x, y].concat())
}

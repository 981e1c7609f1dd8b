//! A token in its compact form (RFC 7515, RFC 7519), read strictly.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::keys::Algorithm;
use super::{BearerRefusal, json};

/// The longest token that is looked at, in bytes.
pub const LONGEST: usize = 8 * 1024;
/// The longest name of a caller or a group, in bytes.
const LONGEST_NAME: usize = 256;

/// A token whose signature nobody has looked at.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    /// What the signature is of.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
    pub(super) claims: Claims,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// It is too long, not of this form, or signed in a way that is not accepted.
    pub(super) fn parse(token: &'a str) -> Result<Self, BearerRefusal> {
        if token.len() > LONGEST {
            return Err(BearerRefusal::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(BearerRefusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(BearerRefusal::Malformed)?;
        // Whatever is no base64url is refused by the decoder: more dots, padding, blanks, bits that are left over.
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_not_base64| BearerRefusal::Malformed)
        };
        let object = |part: &str| json::object(&decode(part)?).map_err(|_no_object| BearerRefusal::Malformed);
        let (algorithm, kid) = read_header(&object(header)?)?;
        Ok(Self {
            algorithm,
            kid,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
            claims: Claims(object(claims)?),
        })
    }
}

/// Members that say where a key is, or bring one, are of no consequence: keys are the issuer's own alone.
fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), BearerRefusal> {
    // Extensions that must be understood. None is.
    if header.contains_key("crit") {
        return Err(BearerRefusal::Extension);
    }
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::of_name);
    let algorithm = algorithm.ok_or(BearerRefusal::Algorithm)?;
    match header.get("typ") {
        None => {}
        // Tokens for something else, such as a logout, are of other types (RFC 8725, section 3.11).
        Some(Value::String(kind)) if is_access(kind) => {}
        Some(_) => return Err(BearerRefusal::Type),
    }
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err(BearerRefusal::Malformed),
    };
    Ok((algorithm, kid))
}

/// Media types do not regard case, and `application/` may be left out (RFC 7515, section 4.1.9).
fn is_access(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    ["jwt", "at+jwt"].contains(&kind.strip_prefix("application/").unwrap_or(&kind))
}

/// What a token says.
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Who issued it.
    pub(super) fn issuer(&self) -> Result<&str, BearerRefusal> {
        self.text("iss")
    }

    /// Whether it is for one of these audiences.
    pub(super) fn is_for(&self, audiences: &[String]) -> bool {
        let meant = |value: &Value| {
            value
                .as_str()
                .is_some_and(|text| audiences.iter().any(|own| own == text))
        };
        match self.0.get("aud") {
            Some(Value::Array(values)) => values.iter().all(Value::is_string) && values.iter().any(meant),
            Some(value) => meant(value),
            None => false,
        }
    }

    /// From when until when it is accepted, with the leeway on either side.
    pub(super) fn validity(&self, leeway: Duration) -> Result<(Option<SystemTime>, SystemTime), BearerRefusal> {
        let expires = self.time("exp")?.ok_or(BearerRefusal::Claim { name: "exp" })?;
        let expires = expires
            .checked_add(leeway)
            .ok_or(BearerRefusal::Claim { name: "exp" })?;
        // Before the epoch is always.
        let begins = self.time("nbf")?.and_then(|time| time.checked_sub(leeway));
        Ok((begins, expires))
    }

    /// The value of a claim that is the name of somebody.
    pub(super) fn name(&self, claim: &str) -> Result<String, BearerRefusal> {
        match self.0.get(claim) {
            Some(Value::String(name)) if is_name(name) => Ok(name.clone()),
            _ => Err(BearerRefusal::Claim { name: "name_claim" }),
        }
    }

    /// The groups that a claim names: one, several or none.
    pub(super) fn groups(&self, claim: &str) -> Result<Vec<String>, BearerRefusal> {
        let group = |value: &Value| match value {
            Value::String(name) if is_name(name) => Ok(name.clone()),
            _ => Err(BearerRefusal::Claim { name: "groups_claim" }),
        };
        match self.0.get(claim) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(values)) => values.iter().map(group).collect(),
            Some(value) => Ok(vec![group(value)?]),
        }
    }

    fn text(&self, name: &'static str) -> Result<&str, BearerRefusal> {
        let text = self.0.get(name).and_then(Value::as_str);
        text.ok_or(BearerRefusal::Claim { name })
    }

    /// Seconds since 1970, which may have a fraction (RFC 7519, "NumericDate"). A claim of any other kind is refused: taken
    /// for one that is not there, it would bind nobody.
    fn time(&self, name: &'static str) -> Result<Option<SystemTime>, BearerRefusal> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = match value.as_u64() {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => value
                .as_f64()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        };
        let time = seconds.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(seconds));
        time.map(Some).ok_or(BearerRefusal::Claim { name })
    }
}

/// Names reach logs and records, so they are of a length and without control characters.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

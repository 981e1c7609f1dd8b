//! Join tokens: what an operator carries from the daemon to the machine that is to get a certificate.
//!
//! The text is `WSF1.<pin>.<id>.<secret>`: the pin is the SHA-256 of the authority's SubjectPublicKeyInfo and the secret has
//! 128 bits, both in base64url without padding; the id is 12 hexadecimal digits. The pin lets the client know the daemon
//! before it says the secret; the id names the token to everybody who may list tokens, and is no secret.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize as _, ZeroizeOnDrop};

/// What every token of this form begins with.
const PREFIX: &str = "WSF1";
/// The length of the SHA-256 of a key.
pub const PIN_BYTES: usize = 32;
/// The length of a token's secret.
pub const SECRET_BYTES: usize = 16;
/// How many hexadecimal digits the id has.
const ID_DIGITS: usize = 12;

/// The secret of a token. It cannot be printed, and is wiped when it is dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct JoinSecret([u8; SECRET_BYTES]);

impl JoinSecret {
    /// A secret of these bytes.
    pub fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be sent or digested and never to be shown.
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }
}

impl TryFrom<&[u8]> for JoinSecret {
    type Error = MalformedToken;

    fn try_from(bytes: &[u8]) -> Result<Self, MalformedToken> {
        bytes.try_into().map(Self).map_err(|_length| MalformedToken)
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSecret(…)")
    }
}

/// A join token.
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// The SHA-256 of the SubjectPublicKeyInfo of the daemon's authority.
    pub pin: [u8; PIN_BYTES],
    /// The name of the token.
    pub id: String,
    /// What proves that its holder was given it.
    pub secret: JoinSecret,
}

impl JoinToken {
    /// The text that the operator carries. Whoever reads it can use it.
    pub fn expose(&self) -> String {
        let mut secret = URL_SAFE_NO_PAD.encode(self.secret.expose());
        let text = format!("{PREFIX}.{}.{}.{secret}", URL_SAFE_NO_PAD.encode(self.pin), self.id);
        secret.zeroize();
        text
    }
}

/// A text that is no join token. It does not say the text, which may be one with a slip in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no join token; it looks like {PREFIX}.….….…, and is used as it was printed")]
pub struct MalformedToken;

impl FromStr for JoinToken {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        let mut parts = text.trim().split('.');
        let (Some(PREFIX), Some(pin), Some(id), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MalformedToken);
        };
        let pin = URL_SAFE_NO_PAD.decode(pin).map_err(|_text| MalformedToken)?;
        let mut secret_bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_text| MalformedToken)?;
        let secret = JoinSecret::try_from(secret_bytes.as_slice());
        secret_bytes.zeroize();
        if !is_token_id(id) {
            return Err(MalformedToken);
        }
        Ok(Self {
            pin: pin.try_into().map_err(|_length| MalformedToken)?,
            id: id.to_owned(),
            secret: secret?,
        })
    }
}

/// Whether a text has the form of a token's id.
pub fn is_token_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            pin: [0xab; PIN_BYTES],
            id: "0123456789ab".into(),
            secret: JoinSecret::new([0xcd; SECRET_BYTES]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = token().expose();
        assert!(text.starts_with("WSF1."), "{text}");
        let read: JoinToken = format!(" {text}\n").parse().unwrap();
        assert_eq!((read.pin, read.id.as_str()), ([0xab; PIN_BYTES], "0123456789ab"));
        assert_eq!(read.secret.expose(), &[0xcd; SECRET_BYTES]);
    }

    #[test]
    fn a_token_does_not_show_its_secret() {
        let shown = format!("{:?}", token());
        assert!(
            shown.contains("0123456789ab") && shown.contains("JoinSecret(…)"),
            "{shown}"
        );
        assert!(!shown.contains("205") && !shown.contains("cd"), "{shown}");
    }

    #[test]
    fn what_is_no_token_is_refused_without_a_word_of_it() {
        let good = token().expose();
        for text in [
            String::new(),
            good.replace("WSF1", "WSF2"),
            format!("{good}.more"),
            good[..good.len() - 1].to_owned(),
            good.replace("0123456789ab", "0123456789AB"),
            good.replace("0123456789ab", "../../etc"),
            good.replacen('.', "=.", 1),
        ] {
            let error = text.parse::<JoinToken>().unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(&text), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = text.parse::<JoinToken>();
        }
    }
}

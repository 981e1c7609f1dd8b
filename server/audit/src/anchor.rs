//! A place in the log that is kept elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::line::{Digest, NoDigest};

/// A sequence number and the hash of its entry. Written as `17:2c26b4…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The sequence number.
    pub sequence: u64,
    /// The hash of that entry.
    pub hash: Digest,
}

/// A text that is no anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// Not two parts.
    #[error("an anchor is SEQUENCE:HASH")]
    Form,
    /// The first part.
    #[error("an anchor begins with a sequence number")]
    Sequence(#[source] std::num::ParseIntError),
    /// The second part.
    #[error("an anchor ends with a hash")]
    Hash(#[from] NoDigest),
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = AnchorError;

    fn from_str(text: &str) -> Result<Self, AnchorError> {
        let (sequence, hash) = text.trim().split_once(':').ok_or(AnchorError::Form)?;
        Ok(Self {
            sequence: sequence.parse().map_err(AnchorError::Sequence)?,
            hash: hash.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_come_back_from_text() {
        let anchor = Anchor {
            sequence: 17,
            hash: Digest::of(&[b"x"]),
        };
        assert_eq!(format!("{anchor}\n").parse(), Ok(anchor));
        assert_eq!("17".parse::<Anchor>(), Err(AnchorError::Form));
        assert!(matches!("x:0".parse::<Anchor>(), Err(AnchorError::Sequence(_))));
        assert_eq!("1:0".parse::<Anchor>(), Err(AnchorError::Hash(NoDigest)));
        let capital = anchor.to_string().to_uppercase();
        assert_eq!(capital.parse::<Anchor>(), Err(AnchorError::Hash(NoDigest)));
    }
}

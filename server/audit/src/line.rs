//! A line as bytes: an entry and its hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::LONGEST_LINE;
use crate::entry::Entry;

/// Before the hash in a line.
const BEFORE: &[u8] = br#","hash":""#;
/// After it.
const AFTER: &[u8] = br#""}"#;
/// The hexadecimal digits of a hash.
const DIGITS: usize = 64;

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "std::borrow::Cow<'_, str>", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What the first entry of a log has in the place of the hash before it.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of some bytes.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hexadecimal digits")]
pub struct NoDigest;

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(NoDigest);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

/// Capital letters are refused: a hash has one form, so that another one is an edit.
fn nibble(digit: u8) -> Result<u8, NoDigest> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NoDigest),
    }
}

impl TryFrom<std::borrow::Cow<'_, str>> for Digest {
    type Error = NoDigest;

    fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, NoDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// An entry that was read, and the hash of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// The hash of its line.
    pub hash: Digest,
}

/// Why bytes are no line of a log.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// They do not end with a hash.
    #[error("it does not end with a hash")]
    NoHash,
    /// The hash is another one.
    #[error("its hash is {stored}, and its text has {computed}")]
    Hash {
        /// That of the line.
        stored: Digest,
        /// That of its text.
        computed: Digest,
    },
    /// The hash is right and the entry cannot be read: no daemon of this form of the log has written it.
    #[error("its hash is right and it is no entry of an audit log")]
    Entry(#[source] serde_json::Error),
    /// It is too long for a line of a log.
    #[error("it has more than {LONGEST_LINE} bytes")]
    Length,
}

/// The line of an entry, its end included, and its hash.
///
/// # Errors
///
/// None that is known: every entry has a form in JSON.
pub fn seal(entry: &Entry) -> Result<(Vec<u8>, Digest), serde_json::Error> {
    let mut line = serde_json::to_vec(entry)?;
    let hash = Digest::of(&[&line]);
    line.pop();
    line.extend_from_slice(BEFORE);
    line.extend_from_slice(hash.to_string().as_bytes());
    line.extend_from_slice(AFTER);
    line.push(b'\n');
    Ok((line, hash))
}

/// Reads a line, without its end, and checks its hash.
///
/// # Errors
///
/// See [`LineFault`].
pub fn open(line: &[u8]) -> Result<Sealed, LineFault> {
    if line.len() > LONGEST_LINE {
        return Err(LineFault::Length);
    }
    let (text, stored) = split(line).ok_or(LineFault::NoHash)?;
    let computed = Digest::of(&[text, b"}"]);
    if stored != computed {
        return Err(LineFault::Hash { stored, computed });
    }
    let entry = serde_json::from_slice(line).map_err(LineFault::Entry)?;
    Ok(Sealed { entry, hash: stored })
}

/// The text that is hashed, without its last brace, and the hash.
fn split(line: &[u8]) -> Option<(&[u8], Digest)> {
    let line = line.strip_suffix(AFTER)?;
    let (line, digits) = line.split_at_checked(line.len().checked_sub(DIGITS)?)?;
    let hash = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((line.strip_suffix(BEFORE)?, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;

    #[test]
    fn the_hash_is_of_the_line_without_the_hash() {
        let mut entry = Entry::new(Kind::Started);
        entry.sequence = 7;
        let (line, hash) = seal(&entry).unwrap();
        let text = String::from_utf8(line).unwrap();
        let zeros = "0".repeat(64);
        assert_eq!(
            text,
            format!(
                "{{\"sequence\":7,\"time\":\"1970-01-01T00:00:00.000000Z\",\"kind\":\"started\",\"previous\":\"{zeros}\",\"hash\":\"{hash}\"}}\n"
            )
        );
        // Whoever has a shell can check it: `printf '%s' '{…}' | sha256sum`.
        assert_eq!(
            hash.to_string(),
            "a25f33e42acc594301739400432e39a557e885da1c213757ef90b5de8ecb2eb4"
        );
        assert_eq!(open(text.trim_end().as_bytes()).unwrap(), Sealed { entry, hash });
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let mut entry = Entry::new(Kind::Intent);
        entry.detail = Some("a \" b\n".into());
        let (line, _hash) = seal(&entry).unwrap();
        let line = line.strip_suffix(b"\n").unwrap();
        for index in 0..line.len() {
            for change in [0x01, 0x20, 0x80] {
                let mut changed = line.to_vec();
                changed[index] ^= change;
                assert!(open(&changed).is_err(), "byte {index} by {change:#x}");
            }
        }
        for length in 0..line.len() {
            assert!(open(&line[..length]).is_err(), "{length} bytes");
        }
        assert!(matches!(open(&vec![b'x'; LONGEST_LINE + 1]), Err(LineFault::Length)));
    }

    #[test]
    fn what_is_hashed_right_and_is_no_entry_is_refused() {
        let text = br#"{"sequence":1"#;
        let hash = Digest::of(&[text, b"}"]);
        let line = [text, BEFORE, hash.to_string().as_bytes(), AFTER].concat();
        assert!(matches!(open(&line), Err(LineFault::Entry(_))));
    }

    #[test]
    fn members_that_are_not_known_are_skipped() {
        let (line, _hash) = seal(&Entry::new(Kind::Gap)).unwrap();
        let text = String::from_utf8(line).unwrap();
        let (text, _hash) = text.split_once(r#","hash""#).unwrap();
        let newer = format!("{text},\"newer\":[1]");
        let hash = Digest::of(&[newer.as_bytes(), b"}"]);
        let line = format!("{newer},\"hash\":\"{hash}\"}}");
        assert_eq!(open(line.as_bytes()).unwrap().entry, Entry::new(Kind::Gap));
    }
}

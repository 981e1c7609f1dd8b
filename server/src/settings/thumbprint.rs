//! A certificate of the Windows certificate store, by its thumbprint.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::access::hex;

/// The SHA-1 hash of a certificate, by which Windows names it. It names one among those that administrators have put into a
/// store, and vouches for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Thumbprint([u8; 20]);

/// Text that is no thumbprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no thumbprint, which is 40 hexadecimal digits (SHA-1); `Get-ChildItem Cert:\\LocalMachine\\MY` in PowerShell lists those of the machine's certificates"
)]
pub struct NoThumbprint {
    text: String,
}

impl Thumbprint {
    /// Its bytes.
    pub fn bytes(self) -> [u8; 20] {
        self.0
    }
}

impl From<[u8; 20]> for Thumbprint {
    fn from(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Thumbprint {
    type Err = NoThumbprint;

    /// Reads what Windows and other programs show: digits in either case, with spaces or colons between the bytes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The certificate dialogue of Windows puts a mark without width before what is copied from it.
        let is_between = |c: char| c.is_whitespace() || matches!(c, ':' | '\u{200e}' | '\u{200f}' | '\u{feff}');
        let digits: String = text.chars().filter(|c| !is_between(*c)).collect();
        hex::bytes(&digits.to_ascii_lowercase())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| NoThumbprint { text: text.into() })
    }
}

impl fmt::Display for Thumbprint {
    /// As PowerShell shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::text(&self.0).to_ascii_uppercase())
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = NoThumbprint;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_as_windows_shows_it() {
        let shown = "00A1B2C3D4E5F60718293A4B5C6D7E8F90ABCDEF";
        for text in [
            shown,
            "00a1b2c3d4e5f60718293a4b5c6d7e8f90abcdef",
            "\u{200e}00 a1 b2 c3 d4 e5 f6 07 18 29 3a 4b 5c 6d 7e 8f 90 ab cd ef",
            "00:A1:B2:C3:D4:E5:F6:07:18:29:3A:4B:5C:6D:7E:8F:90:AB:CD:EF",
        ] {
            let read: Thumbprint = text.parse().unwrap();
            assert_eq!(read.to_string(), shown);
            assert_eq!((read.bytes()[0], read.bytes()[1], read.bytes()[19]), (0, 0xa1, 0xef));
        }
        let sha256 = "00".repeat(32);
        for bad in [
            "",
            "00A1",
            &shown[1..],
            &format!("{shown}0"),
            &sha256,
            &shown.replace('A', "G"),
        ] {
            let error = bad.parse::<Thumbprint>().unwrap_err().to_string();
            assert!(error.contains("40 hexadecimal digits"), "{error}");
        }
    }
}

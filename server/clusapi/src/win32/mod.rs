//! Numbers that say how a call ended: Win32 codes, and the mixed status of the progress callbacks.

mod codes;
mod system;

use core::fmt;
use std::borrow::Cow;

/// A Win32 error code. Zero is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Win32(pub u32);

impl Win32 {
    /// The SDK's name, such as `ERROR_CLUSTER_NODE_UNREACHABLE`, if it is one of the codes of facts 2.7.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|(_, name, _)| *name)
    }

    /// What the code means, in a few words: as the system says it where there is one that does, else in words of our
    /// own if it is one of the codes of facts 2.7.
    #[must_use]
    pub fn text(self) -> Option<Cow<'static, str>> {
        system::text(self.0)
            .map(Cow::Owned)
            .or_else(|| self.own_text().map(Cow::Borrowed))
    }

    /// What the code means, in words of our own, if it is one of the codes of facts 2.7.
    fn own_text(self) -> Option<&'static str> {
        self.entry().map(|(_, _, text)| *text)
    }

    /// Whether the code says success.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }

    /// Every code that has a name here, by rising number.
    pub fn known() -> impl Iterator<Item = Self> {
        codes::CODES.iter().map(|(code, _, _)| Self(*code))
    }

    fn entry(self) -> Option<&'static (u32, &'static str, &'static str)> {
        let index = codes::CODES.binary_search_by_key(&self.0, |(code, _, _)| *code).ok()?;
        codes::CODES.get(index)
    }
}

impl fmt::Display for Win32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        write_meaning(f, self.name(), self.text())
    }
}

/// Writes behind a number what it means, as far as it is known.
fn write_meaning(f: &mut fmt::Formatter<'_>, name: Option<&str>, text: Option<Cow<'_, str>>) -> fmt::Result {
    match (name, text) {
        (Some(name), Some(text)) => write!(f, " ({name}: {text})"),
        (None, Some(text)) => write!(f, " ({text})"),
        // What has a name has a text.
        (_, None) => Ok(()),
    }
}

/// A status that may be a Win32 code or a COM status: the callbacks of the setup calls pass both in one number, and
/// the clean-up of an eviction answers a COM status (facts 1.4 and 1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    /// The number as it came.
    pub raw: u32,
    /// The facility of a COM status; 7, that of Win32 codes, for a plain code.
    pub facility: u16,
    /// The code within the facility.
    pub code: u32,
}

/// Facility of COM statuses that wrap a Win32 code.
const FACILITY_WIN32: u16 = 7;

/// COM statuses outside the Win32 facility that are seen from the cluster API (facts 1.3 and 1.5).
const COM_STATUSES: &[(u32, &str, &str)] = &[
    (0x8000_4005, "E_FAIL", "unspecified failure"),
    (0x8001_0106, "RPC_E_CHANGED_MODE", "the thread has another apartment"),
    (
        0x8004_0154,
        "REGDB_E_CLASSNOTREG",
        "class not registered; the feature may be missing on the node",
    ),
    (0x8000_FFFF, "E_UNEXPECTED", "unexpected failure"),
];

impl Status {
    /// Takes the number apart. 0x8007xxxx is a Win32 code in COM clothes; any other number with the top bit set is a
    /// COM status; everything else is a plain Win32 code.
    #[must_use]
    pub const fn new(raw: u32) -> Self {
        if raw & 0x8000_0000 == 0 {
            return Self {
                raw,
                facility: FACILITY_WIN32,
                code: raw,
            };
        }
        // A facility has 11 bits.
        let [.., high, low] = ((raw >> 16) & 0x7FF).to_be_bytes();
        Self {
            raw,
            facility: u16::from_be_bytes([high, low]),
            code: raw & 0xFFFF,
        }
    }

    /// From a signed COM status.
    #[must_use]
    pub const fn from_hresult(hresult: i32) -> Self {
        Self::new(hresult.cast_unsigned())
    }

    /// The Win32 code, unless it is a COM status of another facility.
    #[must_use]
    pub const fn win32(self) -> Option<Win32> {
        if self.facility == FACILITY_WIN32 {
            Some(Win32(self.code))
        } else {
            None
        }
    }

    /// Whether the number came as a COM status, wrapping a Win32 code or not.
    #[must_use]
    pub const fn is_hresult(self) -> bool {
        self.raw & 0x8000_0000 != 0
    }

    /// Whether it says success. Positive COM statuses cannot be told from Win32 codes, so only 0 is success.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.raw == 0
    }

    /// The SDK's name of the Win32 code or COM status, if it is known here.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self.win32() {
            Some(code) => code.name(),
            None => self.com().map(|(_, name, _)| *name),
        }
    }

    /// What it means, in a few words: as the system says it where there is one that does, else in words of our own if
    /// it is known here.
    #[must_use]
    pub fn text(self) -> Option<Cow<'static, str>> {
        let own = || self.com().map(|(_, _, text)| Cow::Borrowed(*text));
        match self.win32() {
            Some(code) => code.text(),
            None => system::text(self.raw).map(Cow::Owned).or_else(own),
        }
    }

    fn com(self) -> Option<&'static (u32, &'static str, &'static str)> {
        COM_STATUSES.iter().find(|(raw, _, _)| *raw == self.raw)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.win32(), self.is_hresult()) {
            (Some(code), false) => code.fmt(f),
            (Some(code), true) => write!(f, "{:#010x}, Win32 code {code}", self.raw),
            (None, _) => {
                write!(f, "{:#010x}", self.raw)?;
                write_meaning(f, self.name(), self.text())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_rises_and_has_every_code_of_the_facts() {
        assert!(codes::CODES.is_sorted_by(|a, b| a.0 < b.0));
        let cluster = Win32::known().filter(|code| (5001..=5995).contains(&code.0)).count();
        assert_eq!(cluster, 176, "facts 2.7 lists 176 cluster codes");
    }

    #[test]
    fn a_code_has_its_name_and_text() {
        let unreachable = Win32(5051);
        assert_eq!(unreachable, Win32::ERROR_CLUSTER_NODE_UNREACHABLE);
        assert_eq!(unreachable.name(), Some("ERROR_CLUSTER_NODE_UNREACHABLE"));
        assert_eq!(unreachable.own_text(), Some("node unreachable"));
        assert_eq!(
            unreachable.to_string(),
            format!("5051 (ERROR_CLUSTER_NODE_UNREACHABLE: {})", unreachable.text().unwrap())
        );
        assert_eq!(Win32(1722).name(), Some("RPC_S_SERVER_UNAVAILABLE"));
        assert_eq!(Win32(0).to_string(), "0 (ERROR_SUCCESS: success)");
        assert_eq!(Win32(4_000_000_000).name(), None);
        assert_eq!(Win32(4242).to_string(), "4242");
    }

    #[test]
    fn a_status_decodes_as_the_facts_say() {
        // Seen values of facts 1.5.
        let plain = Status::new(1066);
        assert_eq!((plain.facility, plain.code, plain.is_hresult()), (7, 1066, false));
        let wrapped = Status::new(0x8007_13BB);
        assert_eq!(wrapped.win32(), Some(Win32(5051)));
        assert!(wrapped.is_hresult());
        assert_eq!(wrapped.to_string(), format!("0x800713bb, Win32 code {}", Win32(5051)));
        let class = Status::new(0x8004_0154);
        assert_eq!((class.facility, class.code, class.win32()), (4, 0x154, None));
        assert_eq!(class.name(), Some("REGDB_E_CLASSNOTREG"));
        assert_eq!(Status::new(0xFFFF_FFFF).to_string(), "0xffffffff");
        assert!(Status::new(0).is_success());
        assert_eq!(Status::from_hresult(-2_147_019_845), wrapped);
    }
}

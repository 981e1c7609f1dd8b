//! One value of a property: its syntax and its typed form.

use super::WriteError;

/// The type word of an ordinary value; the format stands in the low word (facts 3.1).
const LIST_VALUE: u32 = 0x0001_0000;

/// The format word of an ordinary value (facts 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the SDK's CLUSTER_PROPERTY_FORMAT")]
pub enum Format {
    Binary = 1,
    Dword = 2,
    Sz = 3,
    ExpandSz = 4,
    MultiSz = 5,
    Ularge = 6,
    Long = 7,
    ExpandedSz = 8,
    SecurityDescriptor = 9,
    Large = 10,
    Word = 11,
    Filetime = 12,
    ValueList = 13,
    PropertyList = 14,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 14] = [
        Self::Binary,
        Self::Dword,
        Self::Sz,
        Self::ExpandSz,
        Self::MultiSz,
        Self::Ularge,
        Self::Long,
        Self::ExpandedSz,
        Self::SecurityDescriptor,
        Self::Large,
        Self::Word,
        Self::Filetime,
        Self::ValueList,
        Self::PropertyList,
    ];

    /// The format of a number, if it is known here.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|format| *format as u16 == number)
    }

    const fn syntax(self) -> u32 {
        LIST_VALUE | self as u32
    }
}

/// A value with its type. Strings that are not clean UTF-16, numbers of a wrong size and everything that is not an
/// ordinary value of a known format are [`Value::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Bytes.
    Binary(Vec<u8>),
    /// A 32-bit number.
    Dword(u32),
    /// A string.
    Sz(String),
    /// A string with `%VARIABLES%`.
    ExpandSz(String),
    /// Several strings, none of them empty.
    MultiSz(Vec<String>),
    /// A 64-bit number.
    Ularge(u64),
    /// A signed 32-bit number.
    Long(i32),
    /// The expanded form that follows an [`Value::ExpandSz`].
    ExpandedSz(String),
    /// A self-relative security descriptor.
    SecurityDescriptor(Vec<u8>),
    /// A signed 64-bit number.
    Large(i64),
    /// A 16-bit number.
    Word(u16),
    /// A time in units of 100 ns since 1601.
    Filetime(u64),
    /// A value list within a value; read it with [`parse_value_list`](super::parse_value_list).
    ValueList(Vec<u8>),
    /// A property list within a value; read it with [`PropertyList::parse`](super::PropertyList::parse).
    PropertyList(Vec<u8>),
    /// Anything else, as it came.
    Unknown {
        /// Type word above, format word below.
        syntax: u32,
        /// The data without padding.
        bytes: Vec<u8>,
    },
}

impl Value {
    /// The value that resets a property to its default: no data in the property's own format (facts 3.1).
    #[must_use]
    pub const fn reset(format: Format) -> Self {
        Self::Unknown {
            syntax: format.syntax(),
            bytes: Vec::new(),
        }
    }

    /// Type word above, format word below.
    #[must_use]
    pub const fn syntax(&self) -> u32 {
        let format = match self {
            Self::Unknown { syntax, .. } => return *syntax,
            Self::Binary(_) => Format::Binary,
            Self::Dword(_) => Format::Dword,
            Self::Sz(_) => Format::Sz,
            Self::ExpandSz(_) => Format::ExpandSz,
            Self::MultiSz(_) => Format::MultiSz,
            Self::Ularge(_) => Format::Ularge,
            Self::Long(_) => Format::Long,
            Self::ExpandedSz(_) => Format::ExpandedSz,
            Self::SecurityDescriptor(_) => Format::SecurityDescriptor,
            Self::Large(_) => Format::Large,
            Self::Word(_) => Format::Word,
            Self::Filetime(_) => Format::Filetime,
            Self::ValueList(_) => Format::ValueList,
            Self::PropertyList(_) => Format::PropertyList,
        };
        format.syntax()
    }

    /// Reads the data of a syntax. What has no exact typed form is kept as it came.
    pub(super) fn decode(syntax: u32, data: &[u8]) -> Self {
        Self::decode_exactly(syntax, data).unwrap_or_else(|| Self::Unknown {
            syntax,
            bytes: data.to_vec(),
        })
    }

    fn decode_exactly(syntax: u32, data: &[u8]) -> Option<Self> {
        let format = syntax.checked_sub(LIST_VALUE)?;
        Some(match format {
            1 => Self::Binary(data.to_vec()),
            2 => Self::Dword(u32::from_le_bytes(data.try_into().ok()?)),
            3 => Self::Sz(exact_text(data)?),
            4 => Self::ExpandSz(exact_text(data)?),
            5 => Self::MultiSz(exact_texts(data)?),
            6 => Self::Ularge(u64::from_le_bytes(data.try_into().ok()?)),
            7 => Self::Long(i32::from_le_bytes(data.try_into().ok()?)),
            8 => Self::ExpandedSz(exact_text(data)?),
            9 => Self::SecurityDescriptor(data.to_vec()),
            10 => Self::Large(i64::from_le_bytes(data.try_into().ok()?)),
            11 => Self::Word(u16::from_le_bytes(data.try_into().ok()?)),
            12 => Self::Filetime(u64::from_le_bytes(data.try_into().ok()?)),
            13 => Self::ValueList(data.to_vec()),
            14 => Self::PropertyList(data.to_vec()),
            _ => return None,
        })
    }

    /// As many bytes as the data for C has, or more.
    pub(super) fn most_bytes(&self) -> usize {
        match self {
            Self::Binary(bytes)
            | Self::SecurityDescriptor(bytes)
            | Self::ValueList(bytes)
            | Self::PropertyList(bytes)
            | Self::Unknown { bytes, .. } => bytes.len(),
            Self::Sz(text) | Self::ExpandSz(text) | Self::ExpandedSz(text) => most_bytes_of_text(text),
            Self::MultiSz(texts) => texts.iter().map(|text| most_bytes_of_text(text)).sum::<usize>() + 2,
            Self::Dword(_) | Self::Long(_) | Self::Word(_) | Self::Ularge(_) | Self::Filetime(_) | Self::Large(_) => 8,
        }
    }

    /// The data for C, without padding.
    pub(super) fn encode(&self, name: &str) -> Result<Vec<u8>, WriteError> {
        let interior_nul = || WriteError::InteriorNul { name: name.to_owned() };
        Ok(match self {
            Self::Binary(bytes)
            | Self::SecurityDescriptor(bytes)
            | Self::ValueList(bytes)
            | Self::PropertyList(bytes)
            | Self::Unknown { bytes, .. } => bytes.clone(),
            Self::Dword(number) => number.to_le_bytes().to_vec(),
            Self::Long(number) => number.to_le_bytes().to_vec(),
            Self::Word(number) => number.to_le_bytes().to_vec(),
            Self::Ularge(number) | Self::Filetime(number) => number.to_le_bytes().to_vec(),
            Self::Large(number) => number.to_le_bytes().to_vec(),
            Self::Sz(text) | Self::ExpandSz(text) | Self::ExpandedSz(text) => {
                encode_text(text).ok_or_else(interior_nul)?
            }
            Self::MultiSz(texts) => {
                let mut bytes = Vec::new();
                for text in texts {
                    if text.is_empty() {
                        return Err(WriteError::EmptyString { name: name.to_owned() });
                    }
                    bytes.extend(encode_text(text).ok_or_else(interior_nul)?);
                }
                // One more NUL ends the strings (facts 3.1).
                bytes.extend([0, 0]);
                bytes
            }
        })
    }
}

/// UTF-16 with a NUL behind; `None` if the text has one inside.
pub(super) fn encode_text(text: &str) -> Option<Vec<u8>> {
    if text.contains('\0') {
        return None;
    }
    // Sized in advance: a vector that grows leaves copies behind, and a text may be a secret.
    let mut bytes = Vec::with_capacity(most_bytes_of_text(text));
    bytes.extend(text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    Some(bytes)
}

/// As many bytes as a text has in UTF-16 with a NUL behind, or more: no character has more units than bytes in UTF-8.
pub(super) fn most_bytes_of_text(text: &str) -> usize {
    (text.len() + 1).saturating_mul(2)
}

fn units(data: &[u8]) -> impl Iterator<Item = u16> {
    data.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit))
}

/// The text up to its NUL or the end; damage becomes replacement characters.
pub(super) fn lossy_text(data: &[u8]) -> String {
    char::decode_utf16(units(data).take_while(|unit| *unit != 0))
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// The text, if the data is nothing but clean UTF-16 with at most one NUL, at its end.
fn exact_text(data: &[u8]) -> Option<String> {
    if !data.len().is_multiple_of(2) {
        return None;
    }
    let text: String = char::decode_utf16(units(data)).collect::<Result<_, _>>().ok()?;
    let text = text.strip_suffix('\0').unwrap_or(&text);
    (!text.contains('\0')).then(|| text.to_owned())
}

/// The texts, if the data is nothing but clean UTF-16, each string ended by a NUL and the last by at most one more.
fn exact_texts(data: &[u8]) -> Option<Vec<String>> {
    if !data.len().is_multiple_of(2) {
        return None;
    }
    let text: String = char::decode_utf16(units(data)).collect::<Result<_, _>>().ok()?;
    let text = text.strip_suffix('\0').unwrap_or(&text);
    let text = text.strip_suffix('\0').unwrap_or(text);
    if text.is_empty() {
        return Some(Vec::new());
    }
    let texts: Vec<String> = text.split('\0').map(str::to_owned).collect();
    texts.iter().all(|text| !text.is_empty()).then_some(texts)
}

//! Values of the cluster database: a type and bytes.

use crate::error::Error;
use crate::numbers::RegistryType;
use crate::wide;

/// A value. Any bytes are a value of any type; the readers answer `None` where they do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryValue {
    /// The type.
    pub kind: RegistryType,
    /// The bytes.
    pub data: Vec<u8>,
}

impl RegistryValue {
    /// A text.
    ///
    /// # Errors
    ///
    /// [`Error::Text`].
    pub fn from_text(text: &str) -> Result<Self, Error> {
        Ok(Self {
            kind: RegistryType::SZ,
            data: wide::bytes_of_text("value", text)?,
        })
    }

    /// Several texts.
    ///
    /// # Errors
    ///
    /// [`Error::Text`]; [`Error::Malformed`] for an empty text, which would read as the end of them.
    pub fn from_texts(texts: &[&str]) -> Result<Self, Error> {
        let mut data = Vec::new();
        for text in texts {
            if text.is_empty() {
                return Err(Error::Malformed {
                    field: "value",
                    problem: "an empty text among several",
                });
            }
            data.extend(wide::bytes_of_text("value", text)?);
        }
        data.extend([0, 0]);
        Ok(Self {
            kind: RegistryType::MULTI_SZ,
            data,
        })
    }

    /// A 32-bit number.
    #[must_use]
    pub fn from_dword(number: u32) -> Self {
        Self {
            kind: RegistryType::DWORD,
            data: number.to_le_bytes().to_vec(),
        }
    }

    /// A 64-bit number.
    #[must_use]
    pub fn from_qword(number: u64) -> Self {
        Self {
            kind: RegistryType::QWORD,
            data: number.to_le_bytes().to_vec(),
        }
    }

    /// Bytes.
    #[must_use]
    pub const fn from_bytes(data: Vec<u8>) -> Self {
        Self {
            kind: RegistryType::BINARY,
            data,
        }
    }

    /// The text, if it is one, up to its NUL.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        matches!(self.kind, RegistryType::SZ | RegistryType::EXPAND_SZ).then(|| wide::text_of_bytes(&self.data))
    }

    /// The texts, if it is several.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<String>> {
        (self.kind == RegistryType::MULTI_SZ).then(|| wide::texts_of_bytes(&self.data))
    }

    /// The number, if it is one of 32 bits.
    #[must_use]
    pub fn dword(&self) -> Option<u32> {
        match self.kind {
            RegistryType::DWORD => self.data.as_slice().try_into().ok().map(u32::from_le_bytes),
            RegistryType::DWORD_BIG_ENDIAN => self.data.as_slice().try_into().ok().map(u32::from_be_bytes),
            _ => None,
        }
    }

    /// The number, if it is one of 64 bits.
    #[must_use]
    pub fn qword(&self) -> Option<u64> {
        (self.kind == RegistryType::QWORD)
            .then(|| self.data.as_slice().try_into().ok().map(u64::from_le_bytes))
            .flatten()
    }

    /// The number of bytes for C.
    pub(super) fn size(&self) -> Result<u32, Error> {
        u32::try_from(self.data.len()).map_err(|_| Error::TooMany {
            field: "data",
            count: self.data.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_read_as_its_type_and_no_other() {
        let number = RegistryValue::from_dword(7);
        assert_eq!((number.dword(), number.qword(), number.text()), (Some(7), None, None));
        let short = RegistryValue {
            kind: RegistryType::DWORD,
            data: vec![1],
        };
        assert_eq!(short.dword(), None);
        let big = RegistryValue {
            kind: RegistryType::DWORD_BIG_ENDIAN,
            data: vec![0, 0, 0, 7],
        };
        assert_eq!(big.dword(), Some(7));
        assert!(RegistryValue::from_texts(&["a", ""]).is_err());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            text in "[^\0]{0,20}", texts in prop::collection::vec("[^\0]{1,8}", 0..5), number: u64
        ) {
            prop_assert_eq!(RegistryValue::from_text(&text).unwrap().text(), Some(text));
            let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(RegistryValue::from_texts(&borrowed).unwrap().texts(), Some(texts));
            prop_assert_eq!(RegistryValue::from_qword(number).qword(), Some(number));
        }
    }
}

//! Property lists and value lists (facts 3.1), written and read by code of its own: a fault in the wrapper's codec cannot
//! hide here.

use crate::win32::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_DATA, ERROR_INVALID_PARAMETER};
use crate::world::properties::Setting;

/// The upper word of the syntax of property values.
const TYPE_LIST_VALUE: u32 = 0x0001_0000;
const SYNTAX_NAME: u32 = 0x0004_0003;
const SYNTAX_RESOURCE_CLASS: u32 = 0x0002_0002;
const ENDMARK: u32 = 0;

/// The format words (facts 3.1).
mod format {
    pub(super) const BINARY: u32 = 1;
    pub(super) const DWORD: u32 = 2;
    pub(super) const SZ: u32 = 3;
    pub(super) const EXPAND_SZ: u32 = 4;
    pub(super) const MULTI_SZ: u32 = 5;
    pub(super) const ULARGE: u32 = 6;
    pub(super) const LONG: u32 = 7;
    pub(super) const EXPANDED_SZ: u32 = 8;
    pub(super) const SECURITY_DESCRIPTOR: u32 = 9;
    pub(super) const LARGE: u32 = 10;
    pub(super) const WORD: u32 = 11;
    pub(super) const FILETIME: u32 = 12;
}

/// The format word of a value.
pub(crate) fn format_of(value: &Setting) -> u32 {
    match value {
        Setting::Binary(_) => format::BINARY,
        Setting::Dword(_) => format::DWORD,
        Setting::Text(_) => format::SZ,
        Setting::Expand(_) => format::EXPAND_SZ,
        Setting::Texts(_) => format::MULTI_SZ,
        Setting::Large(_) => format::ULARGE,
        Setting::Long(_) => format::LONG,
        Setting::Security(_) => format::SECURITY_DESCRIPTOR,
        Setting::SignedLarge(_) => format::LARGE,
        Setting::Word(_) => format::WORD,
        Setting::FileTime(_) => format::FILETIME,
    }
}

/// The syntax of a value in a property list.
pub(crate) fn syntax_of(value: &Setting) -> u32 {
    TYPE_LIST_VALUE | format_of(value)
}

/// Writes a property list: the count, then name, value and endmark of each, and the extra zero DWORD that recorded
/// lists end with.
pub(crate) fn write<N: AsRef<str>>(properties: &[(N, Setting)]) -> Vec<u8> {
    let mut list = u32::try_from(properties.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    for (name, value) in properties {
        write_value(&mut list, SYNTAX_NAME, &text(name.as_ref()));
        write_value(&mut list, syntax_of(value), &data_of(value));
        if let Setting::Expand(value) = value {
            // There is no environment here, so the expanded text is the text.
            write_value(&mut list, TYPE_LIST_VALUE | format::EXPANDED_SZ, &text(value));
        }
        list.extend(ENDMARK.to_le_bytes());
    }
    if !properties.is_empty() {
        list.extend(ENDMARK.to_le_bytes());
    }
    list
}

/// The bytes of a value, as a property list and the cluster database hold them.
pub(crate) fn data_of(value: &Setting) -> Vec<u8> {
    match value {
        Setting::Dword(number) => number.to_le_bytes().to_vec(),
        Setting::Large(number) | Setting::FileTime(number) => number.to_le_bytes().to_vec(),
        Setting::Long(number) => number.to_le_bytes().to_vec(),
        Setting::SignedLarge(number) => number.to_le_bytes().to_vec(),
        Setting::Word(number) => number.to_le_bytes().to_vec(),
        Setting::Text(value) | Setting::Expand(value) => text(value),
        Setting::Texts(values) => multi(values),
        Setting::Binary(bytes) | Setting::Security(bytes) => bytes.clone(),
    }
}

fn write_value(list: &mut Vec<u8>, syntax: u32, data: &[u8]) {
    list.extend(syntax.to_le_bytes());
    list.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    list.extend(data);
    list.resize(list.len().next_multiple_of(4), 0);
}

/// A value list under construction.
#[derive(Debug, Default)]
pub(crate) struct ValueList(Vec<u8>);

impl ValueList {
    /// Adds a value of any syntax.
    pub(crate) fn raw(mut self, syntax: u32, data: &[u8]) -> Self {
        write_value(&mut self.0, syntax, data);
        self
    }

    /// Adds a resource class: class and subclass.
    pub(crate) fn class(self, class: u32, subclass: u32) -> Self {
        let data = [class.to_le_bytes(), subclass.to_le_bytes()].concat();
        self.raw(SYNTAX_RESOURCE_CLASS, &data)
    }

    /// Adds a string.
    pub(crate) fn text(self, value: &str) -> Self {
        self.raw(TYPE_LIST_VALUE | format::SZ, &text(value))
    }

    /// Adds bytes.
    pub(crate) fn binary(self, data: &[u8]) -> Self {
        self.raw(TYPE_LIST_VALUE | format::BINARY, data)
    }

    /// Ends the list.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend(ENDMARK.to_le_bytes());
        self.0
    }
}

/// UTF-16 with its NUL, as bytes.
pub(crate) fn text(value: &str) -> Vec<u8> {
    value.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// A MULTI_SZ, as bytes.
pub(crate) fn multi<S: AsRef<str>>(values: &[S]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| text(value.as_ref()))
        .chain([0, 0])
        .collect()
}

/// One property of a list that a caller has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: String,
    /// The format word.
    pub(crate) format: u32,
    /// `None` for an empty value, which means "back to the default".
    pub(crate) value: Option<Setting>,
}

/// Reads a property list by its count; what follows the last property is not looked at. The first value of each
/// property counts.
///
/// # Errors
///
/// 13 for a malformed list, 122 for one that ends too early, 87 for a value whose format is unknown or does not fit its
/// length (facts 3.2).
pub(crate) fn read(list: &[u8]) -> Result<Vec<Change>, u32> {
    let mut rest = list;
    let count = read_u32(&mut rest)?;
    let mut properties = Vec::new();
    for _ in 0..count {
        let (syntax, data) = read_value(&mut rest)?.ok_or(ERROR_INVALID_DATA)?;
        if syntax != SYNTAX_NAME {
            return Err(ERROR_INVALID_DATA);
        }
        let name = read_text(data);
        if name.is_empty() {
            return Err(ERROR_INVALID_DATA);
        }
        let (syntax, data) = read_value(&mut rest)?.ok_or(ERROR_INVALID_DATA)?;
        let format = syntax & 0xFFFF;
        if syntax & 0xFFFF_0000 != TYPE_LIST_VALUE {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let value = if data.is_empty() {
            None
        } else {
            Some(setting(format, data).ok_or(ERROR_INVALID_PARAMETER)?)
        };
        properties.push(Change { name, format, value });
        while read_value(&mut rest)?.is_some() {}
    }
    Ok(properties)
}

/// The value of a format word and its bytes; `None` when they do not fit.
pub(crate) fn setting(format: u32, data: &[u8]) -> Option<Setting> {
    Some(match format {
        format::DWORD => Setting::Dword(u32::from_le_bytes(data.try_into().ok()?)),
        format::ULARGE => Setting::Large(u64::from_le_bytes(data.try_into().ok()?)),
        format::FILETIME => Setting::FileTime(u64::from_le_bytes(data.try_into().ok()?)),
        format::LONG => Setting::Long(i32::from_le_bytes(data.try_into().ok()?)),
        format::LARGE => Setting::SignedLarge(i64::from_le_bytes(data.try_into().ok()?)),
        format::WORD => Setting::Word(u16::from_le_bytes(data.try_into().ok()?)),
        format::SZ if data.len().is_multiple_of(2) => Setting::Text(read_text(data)),
        format::EXPAND_SZ | format::EXPANDED_SZ if data.len().is_multiple_of(2) => Setting::Expand(read_text(data)),
        format::MULTI_SZ if data.len().is_multiple_of(2) => Setting::Texts(read_multi(data)),
        format::BINARY => Setting::Binary(data.to_vec()),
        format::SECURITY_DESCRIPTOR => Setting::Security(data.to_vec()),
        _ => return None,
    })
}

/// The value at the front; `None` for an endmark.
fn read_value<'list>(rest: &mut &'list [u8]) -> Result<Option<(u32, &'list [u8])>, u32> {
    let syntax = read_u32(rest)?;
    if syntax == ENDMARK {
        return Ok(None);
    }
    let length = usize::try_from(read_u32(rest)?).map_err(|_| ERROR_INVALID_DATA)?;
    let (data, tail) = rest.split_at_checked(length).ok_or(ERROR_INSUFFICIENT_BUFFER)?;
    let padding = length.next_multiple_of(4) - length;
    *rest = tail.get(padding..).ok_or(ERROR_INSUFFICIENT_BUFFER)?;
    Ok(Some((syntax, data)))
}

fn read_u32(rest: &mut &[u8]) -> Result<u32, u32> {
    let (head, tail) = rest.split_first_chunk::<4>().ok_or(ERROR_INSUFFICIENT_BUFFER)?;
    *rest = tail;
    Ok(u32::from_le_bytes(*head))
}

/// UTF-16 up to its NUL or the end.
pub(crate) fn read_text(data: &[u8]) -> String {
    let units = data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|unit| unit.unwrap_or('\u{FFFD}'))
        .collect()
}

/// The strings of a MULTI_SZ.
pub(crate) fn read_multi(data: &[u8]) -> Vec<String> {
    let units: Vec<u16> = data
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    units
        .split(|unit| *unit == 0)
        .take_while(|text| !text.is_empty())
        .map(String::from_utf16_lossy)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example() {
        let mut expected = vec![1, 0, 0, 0, 3, 0, 4, 0, 18, 0, 0, 0];
        expected.extend("Priority\0".encode_utf16().flat_map(u16::to_le_bytes));
        expected.extend([0, 0, 2, 0, 1, 0, 4, 0, 0, 0, 0xD0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(write(&[("Priority", Setting::Dword(2_000))]), expected);
    }

    #[test]
    fn what_is_written_is_read() {
        let properties = [
            ("A", Setting::Text("väl".into())),
            ("B", Setting::Texts(vec!["x".into(), "y".into()])),
            ("C", Setting::Large(u64::MAX)),
            ("D", Setting::Dword(7)),
            ("E", Setting::Expand("%a%".into())),
            ("F", Setting::Binary(vec![1, 2, 3])),
            ("G", Setting::Security(vec![1])),
            ("H", Setting::Long(-1)),
            ("I", Setting::SignedLarge(-2)),
            ("J", Setting::Word(3)),
            ("K", Setting::FileTime(4)),
        ];
        let read = read(&write(&properties)).unwrap();
        let expected: Vec<_> = properties
            .map(|(name, value)| Change {
                name: name.to_owned(),
                format: format_of(&value),
                value: Some(value),
            })
            .into();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_list_cut_anywhere_is_refused() {
        let list = write(&[("Priority", Setting::Dword(1))]);
        // The last four bytes are the extra DWORD, which may be missing.
        for length in 0..list.len() - 4 {
            assert!(read(&list[..length]).is_err(), "{length}");
        }
        assert_eq!(write::<&str>(&[]), [0; 4]);
    }
}

//! Property lists (facts 3.1), written and read by code of its own: a fault in the wrapper's codec cannot hide here.

use crate::win32::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_DATA};
use crate::world::properties::Setting;

const SYNTAX_NAME: u32 = 0x0004_0003;
const SYNTAX_DWORD: u32 = 0x0001_0002;
const SYNTAX_SZ: u32 = 0x0001_0003;
const SYNTAX_MULTI_SZ: u32 = 0x0001_0005;
const SYNTAX_ULARGE: u32 = 0x0001_0006;
const ENDMARK: u32 = 0;

/// Writes a property list: the count, then name, value and endmark of each, and the extra zero DWORD that recorded
/// lists end with.
pub(crate) fn write(properties: &[(&str, Setting)]) -> Vec<u8> {
    let mut list = u32::try_from(properties.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    for (name, value) in properties {
        write_value(&mut list, SYNTAX_NAME, &text(name));
        let (syntax, data) = match value {
            Setting::Dword(number) => (SYNTAX_DWORD, number.to_le_bytes().to_vec()),
            Setting::Large(number) => (SYNTAX_ULARGE, number.to_le_bytes().to_vec()),
            Setting::Text(value) => (SYNTAX_SZ, text(value)),
            Setting::Texts(values) => (SYNTAX_MULTI_SZ, multi(values)),
        };
        write_value(&mut list, syntax, &data);
        list.extend(ENDMARK.to_le_bytes());
    }
    if !properties.is_empty() {
        list.extend(ENDMARK.to_le_bytes());
    }
    list
}

fn write_value(list: &mut Vec<u8>, syntax: u32, data: &[u8]) {
    list.extend(syntax.to_le_bytes());
    list.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    list.extend(data);
    list.resize(list.len().next_multiple_of(4), 0);
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

/// Reads a property list by its count; what follows the last property is not looked at. The first value of each
/// property counts, and an empty one means "back to the default" (`None`).
///
/// # Errors
///
/// 13 for a malformed list, 122 for one that ends too early (facts 3.2).
pub(crate) fn read(list: &[u8]) -> Result<Vec<(String, Option<Setting>)>, u32> {
    let mut rest = list;
    let count = read_u32(&mut rest)?;
    let mut properties = Vec::new();
    for _ in 0..count {
        let (syntax, data) = read_value(&mut rest)?.ok_or(ERROR_INVALID_DATA)?;
        if syntax != SYNTAX_NAME {
            return Err(ERROR_INVALID_DATA);
        }
        let name = read_text(data);
        let (syntax, data) = read_value(&mut rest)?.ok_or(ERROR_INVALID_DATA)?;
        properties.push((name, setting(syntax, data)?));
        while read_value(&mut rest)?.is_some() {}
    }
    Ok(properties)
}

fn setting(syntax: u32, data: &[u8]) -> Result<Option<Setting>, u32> {
    if data.is_empty() {
        return Ok(None);
    }
    let setting = match syntax {
        SYNTAX_DWORD => Setting::Dword(u32::from_le_bytes(data.try_into().map_err(|_| ERROR_INVALID_DATA)?)),
        SYNTAX_ULARGE => Setting::Large(u64::from_le_bytes(data.try_into().map_err(|_| ERROR_INVALID_DATA)?)),
        SYNTAX_SZ => Setting::Text(read_text(data)),
        SYNTAX_MULTI_SZ => Setting::Texts(read_multi(data)),
        _ => return Err(ERROR_INVALID_DATA),
    };
    Ok(Some(setting))
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
        ];
        let read = read(&write(&properties)).unwrap();
        let expected: Vec<_> = properties.map(|(name, value)| (name.to_owned(), Some(value))).into();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_list_cut_anywhere_is_refused() {
        let list = write(&[("Priority", Setting::Dword(1))]);
        // The last four bytes are the extra DWORD, which may be missing.
        for length in 0..list.len() - 4 {
            assert!(read(&list[..length]).is_err(), "{length}");
        }
        assert_eq!(write(&[]), [0; 4]);
    }
}

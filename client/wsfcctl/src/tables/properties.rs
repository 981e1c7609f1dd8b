//! Properties, values of the cluster database, checkpoints, disks and access lists.

use std::io::{self, Write};

use wsfc_client::fields::{self, Field};
use wsfc_client::property;
use wsfc_client::registry::Data;
use wsfc_client::v1::property_value::Value;
use wsfc_client::v1::{
    ListAccessResponse, ListAvailableDisksResponse, ListCheckpointsResponse, Property, ReadRegistryKeyResponse,
};

use super::{dash, rows};
use crate::phrases;

/// Writes properties with their types.
pub(crate) fn properties(out: &mut dyn Write, properties: &[Property]) -> io::Result<()> {
    if properties.is_empty() {
        return writeln!(out, "There are no such properties.");
    }
    let lines = properties.iter().map(|property| {
        let value = property.value.as_ref().and_then(|value| value.value.as_ref());
        let mut notes = Vec::new();
        if property.read_only {
            notes.push("read only".to_owned());
        }
        if property.is_default {
            notes.push("default".to_owned());
        }
        if !property.expanded.is_empty() {
            notes.push(format!("expands to {}", property.expanded));
        }
        vec![
            property.name.clone(),
            value.map_or("-", property::type_name).to_owned(),
            dash(&value.map(value_text).unwrap_or_default()),
            notes.join(", "),
        ]
    });
    rows(out, &["PROPERTY", "TYPE", "VALUE", "NOTES"], lines)
}

/// A value as text on one line.
fn value_text(value: &Value) -> String {
    match value {
        Value::Binary(bytes) | Value::SecurityDescriptor(bytes) => hex(bytes),
        value => property::text(value).replace('\n', ", "),
    }
}

/// The most bytes that a table shows of a value.
const SHOWN: usize = 24;

/// Bytes in hexadecimal digits; of many the first, and how many they are. As JSON they are whole.
fn hex(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN) {
        Some(first) if bytes.len() > SHOWN => format!("{}... ({} bytes)", fields::hex(first), bytes.len()),
        _ => fields::hex(bytes),
    }
}

/// Writes the keys and values of a key.
pub(crate) fn registry_key(out: &mut dyn Write, key: &ReadRegistryKeyResponse) -> io::Result<()> {
    for name in &key.keys {
        writeln!(out, "{}\\", phrases::plain(name))?;
    }
    if key.values.is_empty() {
        if key.keys.is_empty() {
            writeln!(out, "The key is empty.")?;
        }
        return Ok(());
    }
    if !key.keys.is_empty() {
        writeln!(out)?;
    }
    let lines = key.values.iter().map(|value| {
        let data = Data::of(value);
        let name = if value.name.is_empty() {
            "(default)"
        } else {
            &value.name
        };
        vec![
            name.to_owned(),
            registry_type(data.value_type()),
            dash(&data_text(&data)),
        ]
    });
    rows(out, &["VALUE", "TYPE", "DATA"], lines)
}

/// The name of a type of the cluster database.
pub(crate) fn registry_type(number: u32) -> String {
    match number {
        1 => "sz",
        2 => "expand-sz",
        3 => "binary",
        4 => "dword",
        7 => "multi-sz",
        11 => "qword",
        other => return other.to_string(),
    }
    .to_owned()
}

/// Data as text on one line.
fn data_text(data: &Data) -> String {
    match data {
        Data::Text(text) | Data::ExpandableText(text) => text.clone(),
        Data::Binary(bytes) | Data::Other(_, bytes) => hex(bytes),
        Data::Dword(number) => number.to_string(),
        Data::Texts(texts) => texts.join(", "),
        Data::Qword(number) => number.to_string(),
    }
}

/// Writes what is replicated for a resource.
pub(crate) fn checkpoints(out: &mut dyn Write, answer: &ListCheckpointsResponse) -> io::Result<()> {
    if answer.checkpoints.is_empty() {
        return writeln!(out, "Nothing is replicated for it.");
    }
    let lines = answer
        .checkpoints
        .iter()
        .map(|checkpoint| vec![phrases::checkpoint_kind(checkpoint.kind), checkpoint.key.clone()]);
    rows(out, &["KIND", "KEY"], lines)
}

/// Writes the disks that could become cluster disks.
pub(crate) fn disks(out: &mut dyn Write, answer: &ListAvailableDisksResponse) -> io::Result<()> {
    if answer.disks.is_empty() {
        return writeln!(
            out,
            "There is no disk that every node reaches and that is no cluster disk yet."
        );
    }
    let lines = answer.disks.iter().map(|disk| {
        vec![
            disk.disk_id.clone(),
            dash(&disk.name),
            disk.number.to_string(),
            size(disk.size_bytes),
        ]
    });
    rows(out, &["DISK", "NAME", "NUMBER", "SIZE"], lines)
}

/// A size in the greatest unit of which it has at least one, with one digit after the point where it is not whole.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        rest => format!("{}.{rest} {}", tenths / 10, UNITS[unit]),
    }
}

/// Writes who may use a cluster.
pub(crate) fn access(out: &mut dyn Write, answer: &ListAccessResponse) -> io::Result<()> {
    if answer.entries.is_empty() {
        return writeln!(out, "The access list is empty.");
    }
    let lines = answer.entries.iter().map(|entry| {
        vec![
            entry.account.clone(),
            if entry.denied { "denied" } else { "allowed" }.to_owned(),
            phrases::access_right(entry.right),
            format!("{:#x}", entry.native_mask),
        ]
    });
    rows(out, &["ACCOUNT", "ENTRY", "RIGHT", "MASK"], lines)
}

/// Writes fields below each other, each under its name in words.
pub(crate) fn described(out: &mut dyn Write, fields: &[Field]) -> io::Result<()> {
    let words: Vec<_> = fields.iter().map(|field| fields::words(&field.name)).collect();
    let facts: Vec<_> = words
        .iter()
        .zip(fields)
        .map(|(words, field)| (words.as_str(), dash(&field.text)))
        .collect();
    super::facts(out, &facts)
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{PropertyValue, RegistryValue, TextList};

    use super::*;

    fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut text = Vec::new();
        write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn properties_are_shown_with_type_and_notes() {
        let property = |name: &str, value, read_only, is_default, expanded: &str| Property {
            name: name.to_owned(),
            value: Some(PropertyValue { value: Some(value) }),
            read_only,
            is_default,
            expanded: expanded.to_owned(),
        };
        let texts = TextList {
            texts: vec!["a".to_owned(), "b c".to_owned()],
        };
        let list = [
            property("Priority", Value::Dword(2000), false, true, ""),
            property(
                "Path",
                Value::ExpandableText("%X%\\y".to_owned()),
                false,
                false,
                "C:\\y",
            ),
            property("Names", Value::Texts(texts), true, false, ""),
            Property {
                name: "Gone".to_owned(),
                ..Default::default()
            },
        ];
        insta::assert_snapshot!("properties", text(|out| properties(out, &list)));
    }

    #[test]
    fn a_key_is_shown_with_its_keys_first() {
        let value = |name: &str, data: &Data| RegistryValue {
            name: name.to_owned(),
            r#type: data.value_type(),
            data: data.bytes(),
        };
        let key = ReadRegistryKeyResponse {
            keys: vec!["Groups".to_owned()],
            values: vec![
                value("", &Data::Text("CL1".to_owned())),
                value("Level", &Data::Dword(11)),
                value("Odd", &Data::Other(99, vec![1, 255])),
            ],
            ..Default::default()
        };
        insta::assert_snapshot!("registry_key", text(|out| registry_key(out, &key)));
        let empty = ReadRegistryKeyResponse::default();
        assert_eq!(text(|out| registry_key(out, &empty)), "The key is empty.\n");
    }

    #[test]
    fn long_bytes_are_cut_and_counted() {
        assert_eq!(hex(&[1, 255]), "01ff");
        assert_eq!(hex(&[0; 24]), "00".repeat(24));
        assert_eq!(hex(&[0; 25]), format!("{}... (25 bytes)", "00".repeat(24)));
    }

    #[test]
    fn sizes_are_told_in_fitting_units() {
        for (bytes, told) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (1 << 30, "1 GiB"),
            (8192 << 30, "8 TiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), told, "{bytes}");
        }
    }
}

//! The disks that could become cluster disks, as a value list tells them (facts 2.6, 3.1).

use wsfc_clusapi::proplist::{Property, PropertyList, Value, parse_value_list};
use wsfc_clusapi::sys::constants::control;
use wsfc_clusapi::{Cluster, Controlled as _, Error, Win32};
use wsfc_proto::v1::AvailableDisk;

/// The type words of what is told of a disk (facts 3.1).
const SIGNATURE: u32 = 5;
const NUMBER: u32 = 7;
const PARTITION: [u32; 3] = [8, 13, 14];
const GUID: u32 = 11;
const SIZE: u32 = 12;
/// Where the name of a partition lies in `CLUS_PARTITION_INFO`: behind its flags and the device name.
const LABEL: usize = 4 + 2 * PATH;
/// Units of a path in the structs of the SDK.
const PATH: usize = 260;

/// The disks that every node reaches and that are no cluster disks yet.
///
/// # Errors
///
/// What the cluster API answers.
pub fn available(cluster: &Cluster) -> Result<Vec<AvailableDisk>, Error> {
    let disks = cluster.resource_type("Physical Disk")?;
    // The newest form tells sizes; older servers do not know it.
    let answer = match disks.control(control::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS_EX2_INT, &[]) {
        Err(error) if error.code() == Some(Win32::ERROR_INVALID_FUNCTION) => {
            disks.control(control::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS, &[])
        }
        answer => answer,
    }?;
    let values = parse_value_list(&answer).map_err(|source| Error::Properties {
        function: disks.control_function(),
        source,
    })?;
    Ok(parse(&values))
}

/// Reads the disks of a value list. Each begins with its GUID or its signature. Guess: no public page says where one ends.
fn parse(values: &[Value]) -> Vec<AvailableDisk> {
    let mut disks: Vec<AvailableDisk> = Vec::new();
    for value in values {
        let (kind, bytes) = match value {
            Value::Unknown { syntax, bytes } => (syntax >> 16, bytes.as_slice()),
            _ordinary => continue,
        };
        if matches!(kind, SIGNATURE | GUID) {
            let id = if kind == GUID {
                text(bytes)
            } else {
                word(bytes).map_or_else(String::new, signature)
            };
            disks.push(AvailableDisk {
                disk_id: id,
                ..AvailableDisk::default()
            });
            continue;
        }
        let Some(disk) = disks.last_mut() else { continue };
        if kind == NUMBER {
            disk.number = word(bytes).unwrap_or_default();
        } else if kind == SIZE {
            disk.size_bytes = bytes.first_chunk().map_or(0, |size| u64::from_le_bytes(*size));
        } else if PARTITION.contains(&kind) && disk.name.is_empty() {
            disk.name = bytes.get(LABEL..).map(text).unwrap_or_default();
        }
    }
    disks.retain(|disk| !disk.disk_id.is_empty());
    disks
}

/// The properties that make a "Physical Disk" resource this disk: the GUID of a GPT disk, or the signature of an MBR one.
pub fn identity(disk: &AvailableDisk) -> PropertyList {
    let (name, value) = match disk.disk_id.strip_prefix("0x").map(|hex| u32::from_str_radix(hex, 16)) {
        Some(Ok(signature)) => ("DiskSignature", Value::Dword(signature)),
        Some(Err(_)) | None => ("DiskIdGuid", Value::Sz(disk.disk_id.clone())),
    };
    PropertyList {
        properties: vec![Property {
            name: name.into(),
            values: vec![value],
        }],
    }
}

/// The id of a disk that has a signature and no GUID.
pub fn signature(signature: u32) -> String {
    format!("0x{signature:08X}")
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|word| u32::from_le_bytes(*word))
}

/// A text up to its NUL or the end of the bytes.
fn text(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn value(kind: u32, bytes: Vec<u8>) -> Value {
        Value::Unknown {
            syntax: kind << 16 | 1,
            bytes,
        }
    }

    #[test]
    fn each_disk_begins_with_its_id() {
        let mut partition = vec![0; LABEL];
        partition.extend(wide("Data"));
        let values = [
            value(NUMBER, 9_u32.to_le_bytes().to_vec()),
            value(GUID, wide("{a}")),
            value(NUMBER, 3_u32.to_le_bytes().to_vec()),
            value(SIZE, 7_u64.to_le_bytes().to_vec()),
            value(14, partition),
            value(SIGNATURE, 0xABC_u32.to_le_bytes().to_vec()),
            value(NUMBER, 4_u32.to_le_bytes().to_vec()),
        ];
        let disks = parse(&values);
        let told: Vec<_> = disks
            .iter()
            .map(|disk| (disk.disk_id.as_str(), disk.number, disk.size_bytes, disk.name.as_str()))
            .collect();
        assert_eq!(told, [("{a}", 3, 7, "Data"), ("0x00000ABC", 4, 0, "")]);
        assert_eq!(identity(&disks[0]).properties[0].values, [Value::Sz("{a}".into())]);
        assert_eq!(identity(&disks[1]).properties[0].values, [Value::Dword(0xABC)]);
    }

    #[test]
    fn short_values_tell_nothing() {
        let values = [value(GUID, wide("{a}")), value(NUMBER, vec![1]), value(8, vec![0; 8])];
        assert_eq!(parse(&values)[0].number, 0);
    }
}

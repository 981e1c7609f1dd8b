//! Who may use a cluster: its security descriptor, read (facts 2.6; the layout is that of MS-DTYP 2.4).

use wsfc_clusapi::proplist::Value;
use wsfc_clusapi::{Cluster, Controlled as _, Error};
use wsfc_proto::v1::{AccessEntry, AccessRight};

/// The common property that holds the descriptor (facts 3.3).
const PROPERTY: &str = "Security Descriptor";
/// A list of who may use the object is there, and the descriptor is self-relative.
const DACL_PRESENT: u16 = 0x0004;
const SELF_RELATIVE: u16 = 0x8000;
/// Types of entries.
const ALLOWED: u8 = 0;
const DENIED: u8 = 1;
/// Masks that are another way to say everything, or reading.
const GENERIC_ALL: u32 = 0x1000_0000;
const GENERIC_READ: u32 = 0x8000_0000;
/// The bits of the cluster's own rights (facts 2.1).
const RIGHTS: u32 = 3;

/// The security descriptor of a cluster; empty where it has none.
///
/// # Errors
///
/// What the cluster API answers.
pub fn of_cluster(cluster: &Cluster) -> Result<Vec<u8>, Error> {
    let find = |list: wsfc_clusapi::proplist::PropertyList| {
        let property = list
            .properties
            .into_iter()
            .find(|property| property.name.eq_ignore_ascii_case(PROPERTY))?;
        match property.values.into_iter().next()? {
            Value::Binary(bytes) | Value::SecurityDescriptor(bytes) => Some(bytes),
            _ => None,
        }
    };
    if let Some(descriptor) = find(cluster.common_properties()?) {
        return Ok(descriptor);
    }
    Ok(find(cluster.read_only_properties()?).unwrap_or_default())
}

/// The entries of the list of a self-relative descriptor, in their order; nothing when it is none. A descriptor without a
/// list has no entries.
pub fn entries(descriptor: &[u8]) -> Option<Vec<AccessEntry>> {
    if descriptor.is_empty() {
        return Some(Vec::new());
    }
    let control = half(descriptor, 2)?;
    if descriptor.first() != Some(&1) || control & SELF_RELATIVE == 0 {
        return None;
    }
    let at = usize::try_from(word(descriptor, 16)?).ok()?;
    if control & DACL_PRESENT == 0 || at == 0 {
        return Some(Vec::new());
    }
    let list = descriptor.get(at..)?;
    let size = usize::from(half(list, 2)?);
    let list = list.get(..size)?;
    let mut rest = list.get(8..)?;
    let mut entries = Vec::new();
    for _ in 0..half(list, 4)? {
        let kind = *rest.first()?;
        let size = usize::from(half(rest, 2)?);
        let entry = rest.get(..size).filter(|entry| entry.len() >= 4)?;
        rest = rest.get(size..)?;
        // Entries of other types, such as those for single properties, say nothing of the cluster as a whole.
        if !matches!(kind, ALLOWED | DENIED) {
            continue;
        }
        let mask = word(entry, 4)?;
        entries.push(AccessEntry {
            account: sid(entry.get(8..)?)?,
            right: right(mask).into(),
            native_mask: mask,
            denied: kind == DENIED,
        });
    }
    Some(entries)
}

/// The right that a mask stands for.
fn right(mask: u32) -> AccessRight {
    if mask & GENERIC_ALL != 0 {
        return AccessRight::Full;
    }
    match mask & RIGHTS {
        1 => AccessRight::Read,
        2 => AccessRight::Change,
        3 => AccessRight::Full,
        _ if mask & GENERIC_READ != 0 => AccessRight::Read,
        _ => AccessRight::Unspecified,
    }
}

/// A SID as a text (MS-DTYP 2.4.2).
fn sid(bytes: &[u8]) -> Option<String> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let [revision, count, authority @ ..] = *head;
    let authority = authority
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mut text = format!("S-{revision}-{authority}");
    for part in 0..usize::from(count) {
        text = format!("{text}-{}", word(rest, 4 * part)?);
    }
    Some(text)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|half| u16::from_le_bytes(*half))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(kind: u8, mask: u32, authority: u8, parts: &[u32]) -> Vec<u8> {
        let count = u8::try_from(parts.len()).unwrap();
        let mut sid = vec![1, count, 0, 0, 0, 0, 0, authority];
        sid.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
        let size = u16::try_from(8 + sid.len()).unwrap();
        let mut bytes = vec![kind, 0];
        bytes.extend(size.to_le_bytes());
        bytes.extend(mask.to_le_bytes());
        bytes.extend(sid);
        bytes
    }

    fn descriptor(entries: &[Vec<u8>]) -> Vec<u8> {
        let body: Vec<u8> = entries.concat();
        let size = u16::try_from(8 + body.len()).unwrap();
        let count = u16::try_from(entries.len()).unwrap();
        let mut bytes = vec![1, 0];
        bytes.extend((SELF_RELATIVE | DACL_PRESENT).to_le_bytes());
        bytes.extend([0; 12]);
        bytes.extend(20_u32.to_le_bytes());
        bytes.extend([2, 0]);
        bytes.extend(size.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn entries_are_read_in_order_and_others_left_out() {
        let bytes = descriptor(&[
            entry(DENIED, 1, 5, &[32, 546]),
            entry(5, 1, 5, &[1]),
            entry(ALLOWED, 3, 5, &[32, 544]),
            entry(ALLOWED, GENERIC_READ, 1, &[0]),
            entry(ALLOWED, 0x20000, 1, &[0]),
        ]);
        let read = entries(&bytes).unwrap();
        let told: Vec<_> = read
            .iter()
            .map(|entry| (entry.account.as_str(), entry.right(), entry.denied))
            .collect();
        assert_eq!(
            told,
            [
                ("S-1-5-32-546", AccessRight::Read, true),
                ("S-1-5-32-544", AccessRight::Full, false),
                ("S-1-1-0", AccessRight::Read, false),
                ("S-1-1-0", AccessRight::Unspecified, false),
            ]
        );
        assert_eq!(read[3].native_mask, 0x20000);
    }

    #[test]
    fn what_is_no_descriptor_is_none() {
        assert_eq!(entries(&[]), Some(Vec::new()));
        assert_eq!(entries(&[2; 20]), None);
        let mut bytes = descriptor(&[entry(ALLOWED, 1, 5, &[18])]);
        bytes.truncate(bytes.len() - 1);
        assert_eq!(entries(&bytes), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let read = entries(&bytes).map_or(0, |entries| entries.len());
            prop_assert!(read * 16 <= bytes.len());
        }

        #[test]
        fn what_was_written_is_read(
            written in prop::collection::vec((0..2_u8, any::<u32>(), prop::collection::vec(any::<u32>(), 1..6)), 0..10),
        ) {
            let list: Vec<_> = written.iter().map(|(kind, mask, parts)| entry(*kind, *mask, 5, parts)).collect();
            let read = entries(&descriptor(&list)).unwrap();
            prop_assert_eq!(read.len(), written.len());
            for (read, (kind, mask, parts)) in read.iter().zip(&written) {
                let parts: Vec<_> = parts.iter().map(u32::to_string).collect();
                prop_assert_eq!(&read.account, &format!("S-1-5-{}", parts.join("-")));
                prop_assert_eq!((read.denied, read.native_mask), (*kind == DENIED, *mask));
            }
        }
    }
}

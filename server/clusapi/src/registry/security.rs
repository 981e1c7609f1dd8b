//! Whether a self-relative security descriptor refers to nothing outside of itself. C is given no size with it, so a
//! damaged one would be read beyond its end.

/// Bytes before the parts: revision, padding, control word, and where the four parts lie.
const HEADER: usize = 20;
/// Bit of the control word: the parts lie within the descriptor.
const SELF_RELATIVE: u16 = 0x8000;
/// Bytes of an ACL before its entries.
const ACL_HEADER: usize = 8;
/// Bytes of an entry of an ACL before what it is about.
const ACE_HEADER: usize = 4;
/// Bytes of a SID before its numbers.
const SID_HEADER: usize = 8;

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    usize::try_from(word).ok()
}

/// Checks a descriptor; says what is wrong with it.
pub(super) fn check(descriptor: &[u8]) -> Result<(), &'static str> {
    const SHORT: &str = "it is shorter than its header";
    if descriptor.first() != Some(&1) {
        return Err("its revision is not 1");
    }
    if half(descriptor, 2).ok_or(SHORT)? & SELF_RELATIVE == 0 {
        return Err("it is not self-relative");
    }
    let part = |at| word(descriptor, at).ok_or(SHORT);
    for at in [part(4)?, part(8)?] {
        if at != 0 && !(at >= HEADER && sid(descriptor.get(at..).unwrap_or_default())) {
            return Err("its owner or group does not lie within it");
        }
    }
    for at in [part(12)?, part(16)?] {
        if at != 0 && !(at >= HEADER && acl(descriptor.get(at..).unwrap_or_default())) {
            return Err("an access list does not lie within it");
        }
    }
    Ok(())
}

/// Whether a SID lies whole in the bytes.
fn sid(bytes: &[u8]) -> bool {
    match bytes {
        [1, count, ..] => bytes.len() >= SID_HEADER + 4 * usize::from(*count),
        _ => false,
    }
}

/// Whether an access list lies in the bytes, and its entries in it.
fn acl(bytes: &[u8]) -> bool {
    let entries = || {
        let size = usize::from(half(bytes, 2)?);
        let count = half(bytes, 4)?;
        let mut rest = bytes.get(..size)?.get(ACL_HEADER..)?;
        for _ in 0..count {
            let size = usize::from(half(rest, 2)?);
            if size < ACE_HEADER {
                return None;
            }
            rest = rest.get(size..)?;
        }
        Some(())
    };
    entries().is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Owner and a list with one entry.
    fn descriptor() -> Vec<u8> {
        let mut bytes = vec![1, 0, 0x04, 0x80];
        for offset in [20_u32, 0, 0, 32] {
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend([1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]);
        bytes.extend([2, 0, 28, 0, 1, 0, 0, 0]);
        bytes.extend([0, 0, 20, 0, 0, 0, 0, 0x10, 1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]);
        bytes
    }

    #[test]
    fn a_whole_descriptor_is_taken_and_no_shorter_one() {
        let whole = descriptor();
        assert_eq!(check(&whole), Ok(()));
        for end in 0..whole.len() {
            assert!(check(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn parts_that_lie_elsewhere_are_refused() {
        let mut absolute = descriptor();
        absolute[3] = 0;
        assert_eq!(check(&absolute), Err("it is not self-relative"));
        let mut owner = descriptor();
        owner[5] = 1;
        assert_eq!(check(&owner), Err("its owner or group does not lie within it"));
        let mut entry = descriptor();
        entry[42] = 21;
        assert_eq!(check(&entry), Err("an access list does not lie within it"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(mut bytes in prop::collection::vec(any::<u8>(), 0..128), at in 0_usize..60, value: u8) {
            let _ = check(&bytes);
            bytes = descriptor();
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = check(&bytes);
        }
    }
}

//! What the bytes of an event say (facts 4.3). Events without a public description may have any bytes of any length, so
//! each reader says by `None` that the bytes are not what it reads.

use crate::proplist::{ParseError, PropertyList};
use crate::wide;

/// The state of a group, resource, node, network or network interface: four bytes.
#[must_use]
pub fn state(payload: &[u8]) -> Option<i32> {
    payload.try_into().ok().map(i32::from_le_bytes)
}

/// A 32-bit number, such as the type of an added group: four bytes.
#[must_use]
pub fn dword(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_le_bytes)
}

/// A text, such as the id of a resource that a group has gained.
#[must_use]
pub fn text(payload: &[u8]) -> String {
    wide::text_of_bytes(payload)
}

/// The properties that have changed, with their new values. No bytes at all are none.
///
/// # Errors
///
/// [`ParseError`] says where the list is damaged.
pub fn properties(payload: &[u8]) -> Result<PropertyList, ParseError> {
    PropertyList::parse(payload)
}

/// Which nodes are up, and whether that is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether there is a quorum.
    pub has_quorum: bool,
    /// The numbers of the nodes that are up.
    pub up_nodes: Vec<u8>,
}

/// The membership of a cluster. Numbers of nodes that are announced and do not come are left out, as zeros are.
#[must_use]
pub fn membership(payload: &[u8]) -> Option<Membership> {
    let (quorum, rest) = payload.split_first_chunk::<4>()?;
    let (count, nodes) = rest.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    Some(Membership {
        has_quorum: u32::from_le_bytes(*quorum) != 0,
        up_nodes: nodes.iter().take(count).copied().filter(|node| *node != 0).collect(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn states_and_numbers_have_four_bytes() {
        assert_eq!(state(&[0xFF; 4]), Some(-1));
        assert_eq!(dword(&[111, 0, 0, 0]), Some(111));
        for wrong in [&[][..], &[1, 0, 0], &[1, 0, 0, 0, 0]] {
            assert_eq!((state(wrong), dword(wrong)), (None, None));
        }
    }

    #[test]
    fn a_text_ends_at_its_nul_or_with_the_bytes() {
        assert_eq!(text(&[b'a', 0, b'b', 0, 0, 0, b'c', 0]), "ab");
        assert_eq!(text(&[b'a', 0, b'b']), "a");
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn no_bytes_are_no_properties() {
        assert_eq!(properties(&[]), Ok(PropertyList::default()));
    }

    proptest! {
        #[test]
        fn a_membership_is_read_as_it_was_written(quorum: bool, nodes in prop::collection::vec(1_u8..=64, 0..64)) {
            let count = u32::try_from(nodes.len()).unwrap();
            let mut bytes = [u32::from(quorum).to_le_bytes(), count.to_le_bytes()].concat();
            bytes.extend(&nodes);
            let read = membership(&bytes).unwrap();
            prop_assert_eq!((read.has_quorum, read.up_nodes), (quorum, nodes));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let nodes = membership(&bytes).map_or(0, |membership| membership.up_nodes.len());
            prop_assert!(nodes <= bytes.len().saturating_sub(8));
            prop_assert!(text(&bytes).chars().count() <= bytes.len() / 2);
        }
    }
}

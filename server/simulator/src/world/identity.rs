//! GUIDs that depend on the seed only.

use serde::{Deserialize, Serialize};

/// Makes the ids of a world: the same seed gives the same ids in the same order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Identities {
    state: u64,
}

impl Identities {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A GUID as text without braces, in lower case (facts 2.1).
    pub(crate) fn guid(&mut self) -> String {
        let mut random = fastrand::Rng::with_seed(self.state);
        let high = random.u64(..);
        let low = random.u64(..);
        self.state = random.get_seed();
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xFFFF,
            high & 0xFFF,
            0x8000 | ((low >> 48) & 0x3FFF),
            low & 0xFFFF_FFFF_FFFF
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let mut one = Identities::new(7);
        let mut same = Identities::new(7);
        let mut other = Identities::new(8);
        let first = one.guid();
        assert_eq!(first.len(), 36);
        assert_eq!(first, same.guid());
        assert_ne!(first, one.guid());
        assert_ne!(first, other.guid());
    }
}

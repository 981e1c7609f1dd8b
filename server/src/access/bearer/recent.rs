//! Tokens that were verified a while ago, so that a call with one of them costs a hash instead of a signature.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::Verified;

/// The SHA-256 of a token. Only the hash is kept, and looking for it tells by its time nothing of a token.
pub(super) type Digest = [u8; 32];

/// What is known of a token.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) verified: Arc<Verified>,
    pub(super) begins: Option<SystemTime>,
    /// Which issuer's it is, and which reading of that issuer's keys it was verified with.
    pub(super) issuer: usize,
    pub(super) generation: u64,
}

/// A bounded number of tokens. Those that are used stay: when the young are half of all, the old that nobody has asked for
/// since are forgotten, and the young are the old.
#[derive(Debug)]
pub(super) struct Recent {
    half: usize,
    young: HashMap<Digest, Known>,
    old: HashMap<Digest, Known>,
}

impl Recent {
    /// For `most` tokens, at least 2.
    pub(super) fn new(most: usize) -> Self {
        Self {
            half: (most / 2).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    pub(super) fn get(&mut self, digest: &Digest) -> Option<Known> {
        if let Some(known) = self.young.get(digest) {
            return Some(known.clone());
        }
        let known = self.old.remove(digest)?;
        self.put(*digest, known.clone());
        Some(known)
    }

    pub(super) fn put(&mut self, digest: Digest, known: Known) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, known);
    }

    pub(super) fn forget(&mut self, digest: &Digest) {
        self.young.remove(digest);
        self.old.remove(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known {
            verified: Arc::new(Verified {
                issuer: String::new(),
                name: String::new(),
                groups: Vec::new(),
                expires: SystemTime::UNIX_EPOCH,
            }),
            begins: None,
            issuer: 0,
            generation: 0,
        }
    }

    #[test]
    fn what_is_used_stays_and_the_number_is_bounded() {
        let mut recent = Recent::new(8);
        for number in 0..=u8::MAX {
            recent.put([number; 32], known());
            assert!(recent.get(&[0; 32]).is_some(), "{number}");
            assert!(recent.young.len() + recent.old.len() <= 8);
        }
        assert!(recent.get(&[u8::MAX; 32]).is_some());
        assert!(recent.get(&[100; 32]).is_none());
        recent.forget(&[0; 32]);
        assert!(recent.get(&[0; 32]).is_none());
    }
}

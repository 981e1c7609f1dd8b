//! Whether a cluster would lose its quorum (facts 2.3).

use super::{Controlled as _, Controls as _, dword};
use crate::error::Error;
use crate::handle::Cluster;
use crate::sys::constants::control;
use crate::wide;

impl Cluster {
    /// Whether the cluster would lose its quorum if this node, given by its id, were evicted.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`], [`Error::Text`].
    pub fn would_lose_quorum_without(&self, node_id: &str) -> Result<bool, Error> {
        self.check_voter(control::CLUSTER_CHECK_VOTER_EVICT, Some(node_id))
    }

    /// Whether the cluster would lose its quorum if this node, given by its id, went down.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`], [`Error::Text`].
    pub fn would_lose_quorum_when_down(&self, node_id: &str) -> Result<bool, Error> {
        self.check_voter(control::CLUSTER_CHECK_VOTER_DOWN, Some(node_id))
    }

    /// Whether the cluster would lose its quorum if its witness were taken away. Guess: the code takes no input, since
    /// there is one witness at most.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`].
    pub fn would_lose_quorum_without_witness(&self) -> Result<bool, Error> {
        self.check_voter(control::CLUSTER_CHECK_VOTER_EVICT_WITNESS, None)
    }

    /// Whether the cluster would lose its quorum if its witness failed. Guess: as above.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`].
    pub fn would_lose_quorum_when_witness_down(&self) -> Result<bool, Error> {
        self.check_voter(control::CLUSTER_CHECK_VOTER_DOWN_WITNESS, None)
    }

    fn check_voter(&self, code: u32, node_id: Option<&str>) -> Result<bool, Error> {
        let input = node_id
            .map(|id| wide::bytes_of_text("node id", id))
            .transpose()?
            .unwrap_or_default();
        let answer = self.control(code, &input)?;
        Ok(dword(Self::FUNCTION, &answer)? == 1)
    }
}

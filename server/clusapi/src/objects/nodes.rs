//! Nodes: pausing and resuming (facts 2.3).
#![expect(unsafe_code, reason = "C functions are called with handles of ours")]

use crate::api::entry;
use crate::error::Error;
use crate::handle::{Node, Opened as _};
use crate::numbers::Failback;
use crate::sys::constants::TRUE;
use crate::verb::{Accepted, Argument as _, FromCode as _, Held as _, verbs};

verbs! {
    /// Pauses the node: it keeps its groups and gets no others.
    Node::pause() -> Accepted = PauseClusterNode();
    /// Pauses the node with flags and without draining it.
    Node::pause_with(flags: u32) -> Accepted = PauseClusterNodeEx(0, flags, 0);
    /// Resumes the node, and brings back the groups that were drained from it. 5058 if it is not paused.
    Node::resume(failback: Failback) -> Accepted = ResumeClusterNodeEx(failback, 0);
}

impl Node {
    /// Pauses the node and moves its groups away: to the target, or to the best node of each. The flags are
    /// [`pause_flags`](crate::sys::constants::pause_flags). The call returns when the drain has begun; the read-only
    /// property `NodeDrainStatus` says how far it is (facts 2.3).
    ///
    /// # Errors
    ///
    /// [`Error::Call`]: 5962 if a drain is under way, 5005 if the target is not up. [`Error::OtherConnection`].
    pub fn drain(&self, target: Option<&Self>, flags: u32) -> Result<Accepted, Error> {
        const FUNCTION: &str = "PauseClusterNodeEx";
        let pause = entry!(self.api(), PauseClusterNodeEx)?;
        let target = target.hold("target", self.connection())?;
        // SAFETY: The handles are open and of one connection.
        let code = unsafe { pause(self.raw, TRUE, flags, target.raw()) };
        Accepted::from_code(FUNCTION, code)
    }
}

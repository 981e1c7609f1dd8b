//! Networks and network interfaces (facts 2.6).
#![expect(unsafe_code, reason = "C functions are called with handles and texts of ours")]

use crate::api::{check_code, entry};
use crate::error::Error;
use crate::handle::{Cluster, Network, Opened as _};
use crate::verb::{Argument as _, Held as _, handles_of, verbs};
use crate::wide::{WideString, read_text};
use crate::win32::Win32;

verbs! {
    /// Renames the network.
    Network::rename(name: &str) -> () = SetClusterNetworkName(name);
}

impl Cluster {
    /// Puts the networks for internal traffic in an order, the preferred first.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::OtherConnection`], [`Error::TooMany`].
    pub fn set_network_priority(&self, networks: &[&Network]) -> Result<(), Error> {
        let set = entry!(self.api(), SetClusterNetworkPriorityOrder)?;
        let (handles, count) = handles_of(networks, "networks", self.connection())?;
        // SAFETY: The handles are open and of one connection; the list has the length given and outlives the call.
        let code = unsafe { set(self.as_raw(), count, handles.as_ptr()) };
        check_code("SetClusterNetworkPriorityOrder", code)
    }

    /// The name of a node's interface on a network.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5047 if there is none; [`Error::Text`].
    pub fn interface_of(&self, node: &str, network: &str) -> Result<String, Error> {
        let get = entry!(self.api(), GetClusterNetInterface)?;
        let node = WideString::new("node", node)?;
        let network = WideString::new("network", network)?;
        read_text("GetClusterNetInterface", |buffer, units| {
            // SAFETY: The handle is open, the names end with a NUL, and the buffer has the size given.
            Win32(unsafe {
                get(
                    self.as_raw(),
                    node.as_ptr(),
                    network.as_ptr(),
                    buffer.as_mut_ptr(),
                    units,
                )
            })
        })
    }
}

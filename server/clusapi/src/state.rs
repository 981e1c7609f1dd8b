//! States of resources, networks and network interfaces (facts 2.2).
#![expect(unsafe_code, reason = "C functions are called with handles and buffers of ours")]

use crate::api::entry;
use crate::error::Error;
use crate::handle::{Network, NetworkInterface, Opened as _, Resource};
use crate::numbers::{NetworkInterfaceState, NetworkState, ResourceState};
use crate::wide::{ATTEMPTS, LONGEST_ANSWER, read_text, text};
use crate::win32::Win32;

impl Resource {
    /// The state, the name of the node that runs the resource, and the name of its group.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5006 while the resource is deleted (facts 2.1).
    pub fn state(&self) -> Result<(ResourceState, String, String), Error> {
        const FUNCTION: &str = "GetClusterResourceState";
        let get = entry!(self.api(), GetClusterResourceState)?;
        let mut capacity: u32 = 256;
        for _ in 0..ATTEMPTS {
            let [mut node, mut group] = [(); 2].map(|()| vec![0_u16; capacity as usize]);
            let [mut node_units, mut group_units] = [capacity; 2];
            // SAFETY: The handle is open, and the buffers have the sizes given.
            let answer = unsafe {
                get(
                    self.raw,
                    node.as_mut_ptr(),
                    &raw mut node_units,
                    group.as_mut_ptr(),
                    &raw mut group_units,
                )
            };
            match self.api().check_state(FUNCTION, answer) {
                Ok(state) => return Ok((ResourceState(state), text(&node), text(&group))),
                // The lengths leave out the NUL, and twice the last size guards against a call that says nothing
                // useful.
                Err(Error::Call {
                    code: Win32::ERROR_MORE_DATA,
                    ..
                }) if capacity <= LONGEST_ANSWER / 4 => {
                    let need = node_units.max(group_units).saturating_add(1);
                    capacity = need.max(capacity * 2).min(LONGEST_ANSWER / 2);
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Call {
            function: FUNCTION,
            code: Win32::ERROR_MORE_DATA,
        })
    }
}

impl Network {
    /// The state.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn state(&self) -> Result<NetworkState, Error> {
        let get = entry!(self.api(), GetClusterNetworkState)?;
        // SAFETY: The handle is open.
        let state = unsafe { get(self.raw) };
        Ok(NetworkState(self.api().check_state("GetClusterNetworkState", state)?))
    }

    /// The id.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn id(&self) -> Result<String, Error> {
        let get = entry!(self.api(), GetClusterNetworkId)?;
        read_text("GetClusterNetworkId", |buffer, units| {
            // SAFETY: The handle is open, and the buffer has the size given.
            Win32(unsafe { get(self.raw, buffer.as_mut_ptr(), units) })
        })
    }
}

impl NetworkInterface {
    /// The state.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn state(&self) -> Result<NetworkInterfaceState, Error> {
        let get = entry!(self.api(), GetClusterNetInterfaceState)?;
        // SAFETY: The handle is open.
        let state = unsafe { get(self.raw) };
        let state = self.api().check_state("GetClusterNetInterfaceState", state)?;
        Ok(NetworkInterfaceState(state))
    }
}

//! The quorum: what holds it, and its witness (facts 2.6).
#![expect(unsafe_code, reason = "C functions are called with handles and buffers of ours")]

use crate::api::entry;
use crate::error::Error;
use crate::handle::{Cluster, Opened as _, Resource};
use crate::numbers::QuorumKind;
use crate::verb::{Argument as _, Held as _, verbs};
use crate::wide::{ATTEMPTS, LONGEST_ANSWER, text};
use crate::win32::Win32;

/// What holds the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Name of the witness's resource; empty if there is none.
    pub witness: String,
    /// Its device, such as the path on a disk.
    pub device: String,
    /// The kind: [`QuorumKind::DISK_ONLY`], or else a majority (facts 2.6).
    pub kind: QuorumKind,
}

verbs! {
    /// Makes the resource the witness, or changes the kind of quorum: [`QuorumKind::NODE_MAJORITY`] takes the witness
    /// that there is and makes it one no longer. 5021 if the resource cannot be one.
    Resource::set_quorum(device: Option<&str>, kind: QuorumKind) -> () = SetClusterQuorumResource(device, kind);
}

impl Cluster {
    /// What holds the quorum.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn quorum(&self) -> Result<Quorum, Error> {
        const FUNCTION: &str = "GetClusterQuorumResource";
        let get = entry!(self.api(), GetClusterQuorumResource)?;
        let mut capacity: u32 = 260;
        for _ in 0..ATTEMPTS {
            let [mut name, mut device] = [(); 2].map(|()| vec![0_u16; capacity as usize]);
            let [mut name_units, mut device_units] = [capacity; 2];
            let mut kind = 0;
            // SAFETY: The handle is open, and the buffers have the sizes given.
            let code = unsafe {
                get(
                    self.as_raw(),
                    name.as_mut_ptr(),
                    &raw mut name_units,
                    device.as_mut_ptr(),
                    &raw mut device_units,
                    &raw mut kind,
                )
            };
            match Win32(code) {
                Win32::ERROR_SUCCESS => {
                    return Ok(Quorum {
                        witness: text(&name),
                        device: text(&device),
                        kind: QuorumKind(kind),
                    });
                }
                // The lengths leave out the NUL, and twice the last size guards against a call that says nothing
                // useful.
                Win32::ERROR_MORE_DATA if capacity <= LONGEST_ANSWER / 4 => {
                    let need = name_units.max(device_units).saturating_add(1);
                    capacity = need.max(capacity * 2).min(LONGEST_ANSWER / 2);
                }
                code => {
                    return Err(Error::Call {
                        function: FUNCTION,
                        code,
                    });
                }
            }
        }
        Err(Error::Call {
            function: FUNCTION,
            code: Win32::ERROR_MORE_DATA,
        })
    }
}

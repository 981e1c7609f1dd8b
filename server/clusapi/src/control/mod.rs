//! Control codes: the way to properties and to small questions (facts 3.2).
#![expect(unsafe_code, reason = "C functions are called with buffers of ours")]

mod formats;
mod properties;
mod questions;
mod voters;

use core::ffi::c_void;

pub use formats::PropertyFormat;
pub use properties::Controlled;
pub use questions::{Checkpoint, ClassInfo};

use crate::api::{Clusapi, entry};
use crate::error::Error;
use crate::handle::{
    AffinityRule, Cluster, Group, GroupSet, Network, NetworkInterface, Node, Opened as _, Resource, ResourceType,
};
use crate::proplist::PropertyList;
use crate::sys::types::PCWSTR;
use crate::wide::{self, AlignedBuffer};
use crate::win32::Win32;

/// Size of the first try in bytes: what most answers fit (facts 3.2).
const FIRST_TRY: u32 = 4096;

/// No host node: the cluster chooses the natural one.
const NATURAL_NODE: isize = 0;

/// Sends a control code and reads the answer, however long. `call` gets the input with its size, and the buffer with
/// its size and the place of the bytes returned.
fn send(
    name: &'static str,
    input: &[u8],
    mut call: impl FnMut(*const c_void, u32, *mut c_void, u32, *mut u32) -> u32,
) -> Result<Vec<u8>, Error> {
    let input_bytes = u32::try_from(input.len()).map_err(|_| Error::TooMany {
        field: "input",
        count: input.len(),
    })?;
    let input_pointer = if input.is_empty() {
        core::ptr::null()
    } else {
        input.as_ptr().cast()
    };
    let (buffer, length): (AlignedBuffer, u32) = wide::read_bytes(name, FIRST_TRY, |buffer, bytes| {
        let capacity = *bytes;
        let mut returned = 0;
        let answer = call(
            input_pointer,
            input_bytes,
            buffer.as_mut_ptr(),
            capacity,
            &raw mut returned,
        );
        *bytes = returned;
        Win32(answer)
    })?;
    Ok(buffer.bytes(length as usize).to_vec())
}

/// How one kind of object takes control codes.
pub(crate) trait Controls {
    /// The C function.
    const FUNCTION: &'static str;
    /// The number of the kind in the upper bits of its codes (facts 3.2).
    const OBJECT: u32;

    /// Sends a code.
    fn send(&self, code: u32, input: &[u8]) -> Result<Vec<u8>, Error>;
}

/// Gives kinds of object with a handle their control calls.
macro_rules! by_handle {
    ($($type:ident, $object:literal, $function:ident;)+) => {
        $(
            impl Controls for $type {
                const FUNCTION: &'static str = stringify!($function);
                const OBJECT: u32 = $object;

                fn send(&self, code: u32, input: &[u8]) -> Result<Vec<u8>, Error> {
                    let api: &Clusapi = &self.connection().api;
                    let function = entry!(api, $function)?;
                    send(Self::FUNCTION, input, |input, input_bytes, output, output_bytes, returned| {
                        // SAFETY: The handle is open, the input and the buffer have the sizes given, and both outlive
                        // the call.
                        unsafe {
                            function(self.raw(), NATURAL_NODE, code, input, input_bytes, output, output_bytes, returned)
                        }
                    })
                }
            }
        )+
    };
}

by_handle! {
    Resource, 1, ClusterResourceControl;
    Group, 3, ClusterGroupControl;
    Node, 4, ClusterNodeControl;
    Network, 5, ClusterNetworkControl;
    NetworkInterface, 6, ClusterNetInterfaceControl;
    Cluster, 7, ClusterControl;
    GroupSet, 8, ClusterGroupSetControl;
}

/// Gives kinds of object with a name alone their control calls.
macro_rules! by_name {
    ($($type:ident, $object:literal, $function:ident;)+) => {
        $(
            impl Controls for $type {
                const FUNCTION: &'static str = stringify!($function);
                const OBJECT: u32 = $object;

                fn send(&self, code: u32, input: &[u8]) -> Result<Vec<u8>, Error> {
                    let function = entry!(self.connection.api, $function)?;
                    let name: PCWSTR = self.wide.as_ptr();
                    send(Self::FUNCTION, input, |input, input_bytes, output, output_bytes, returned| {
                        // SAFETY: The handle is open, the name ends with a NUL, the input and the buffer have the sizes
                        // given, and all outlive the call.
                        unsafe {
                            function(
                                self.connection.raw, name, NATURAL_NODE, code, input, input_bytes, output, output_bytes,
                                returned,
                            )
                        }
                    })
                }
            }
        )+
    };
}

by_name! {
    ResourceType, 2, ClusterResourceTypeControl;
    AffinityRule, 9, ClusterAffinityRuleControl;
}

/// Reads the property list that a control code answers.
fn properties(function: &'static str, answer: &[u8]) -> Result<PropertyList, Error> {
    PropertyList::parse(answer).map_err(|source| Error::Properties { function, source })
}

/// Reads the DWORD that a control code answers.
pub(crate) fn dword(function: &'static str, answer: &[u8]) -> Result<u32, Error> {
    let word: [u8; 4] = answer.try_into().map_err(|_| Error::Answer {
        function,
        problem: "something else than four bytes",
    })?;
    Ok(u32::from_le_bytes(word))
}

#[cfg(test)]
mod tests;

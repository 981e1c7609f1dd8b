//! Control codes: the way to properties and to small questions (facts 3.2).
#![expect(unsafe_code, reason = "C functions are called with buffers of ours")]

use core::ffi::c_void;

use crate::api::entry;
use crate::error::Error;
use crate::handle::{Cluster, Group, Node};
use crate::proplist::PropertyList;
use crate::sys::constants::control;
use crate::wide;
use crate::win32::Win32;

/// Size of the first try in bytes: what most answers fit (facts 3.2).
const FIRST_TRY: u32 = 4096;

/// The C functions that send a control code have one shape.
type ControlFunction =
    unsafe extern "system" fn(isize, isize, u32, *const c_void, u32, *mut c_void, u32, *mut u32) -> u32;

/// Sends a control code to an object and reads the answer, however long.
fn send(name: &'static str, function: ControlFunction, raw: isize, code: u32, input: &[u8]) -> Result<Vec<u8>, Error> {
    let input_bytes = u32::try_from(input.len()).map_err(|_| Error::TooMany {
        field: "input",
        count: input.len(),
    })?;
    // No host node: the cluster chooses the natural one.
    let host_node = 0;
    let input_pointer = if input.is_empty() {
        core::ptr::null()
    } else {
        input.as_ptr().cast()
    };
    let (buffer, length) = wide::read_bytes(name, FIRST_TRY, |buffer, bytes| {
        let capacity = *bytes;
        let mut returned = 0;
        // SAFETY: The handle is open, the input and the buffer have the sizes given, and both outlive the call.
        let answer = unsafe {
            function(
                raw,
                host_node,
                code,
                input_pointer,
                input_bytes,
                buffer.as_mut_ptr(),
                capacity,
                &raw mut returned,
            )
        };
        *bytes = returned;
        Win32(answer)
    })?;
    Ok(buffer.bytes(length as usize).to_vec())
}

/// Reads the property list that a control code answers.
fn properties(function: &'static str, answer: &[u8]) -> Result<PropertyList, Error> {
    PropertyList::parse(answer).map_err(|source| Error::Properties { function, source })
}

/// Gives one kind of object its control calls.
macro_rules! control_calls {
    ($($type:ident, $function:ident, $common:ident, $read_only:ident;)+) => {
        $(
            impl $type {
                #[doc = concat!("Sends a control code by `", stringify!($function), "` and reads the answer.")]
                ///
                /// # Errors
                ///
                /// [`Error::Call`] with what the code answered, 5024 ("stored") included.
                pub fn control(&self, code: u32, input: &[u8]) -> Result<Vec<u8>, Error> {
                    let function = entry!(self.api(), $function)?;
                    send(stringify!($function), function, self.as_raw(), code, input)
                }

                /// The common properties that can be changed (facts 3.3).
                ///
                /// # Errors
                ///
                /// [`Error::Call`], and [`Error::Properties`] for a malformed answer.
                pub fn common_properties(&self) -> Result<PropertyList, Error> {
                    properties(stringify!($function), &self.control(control::$common, &[])?)
                }

                /// The common properties that cannot be changed (facts 3.3).
                ///
                /// # Errors
                ///
                /// As for the others.
                pub fn read_only_properties(&self) -> Result<PropertyList, Error> {
                    properties(stringify!($function), &self.control(control::$read_only, &[])?)
                }
            }
        )+
    };
}

control_calls! {
    Cluster, ClusterControl, CLUSTER_GET_COMMON_PROPERTIES, CLUSTER_GET_RO_COMMON_PROPERTIES;
    Node, ClusterNodeControl, NODE_GET_COMMON_PROPERTIES, NODE_GET_RO_COMMON_PROPERTIES;
    Group, ClusterGroupControl, GROUP_GET_COMMON_PROPERTIES, GROUP_GET_RO_COMMON_PROPERTIES;
}

/// Reads the DWORD that a control code answers.
pub(crate) fn dword(function: &'static str, answer: &[u8]) -> Result<u32, Error> {
    let word: [u8; 4] = answer.try_into().map_err(|_| Error::Answer {
        function,
        problem: "something else than four bytes",
    })?;
    Ok(u32::from_le_bytes(word))
}

//! Batches: several changes below a key, of which all or none are made, under conditions if need be (facts 2.6).
#![expect(unsafe_code, reason = "C functions are called with handles and buffers of ours")]

use core::ffi::c_void;

use super::RegistryValue;
use crate::api::{Clusapi, check_status, entry};
use crate::error::Error;
use crate::handle::{Key, Opened as _};
use crate::sys::constants::{FALSE, TRUE, registry_command};
use crate::sys::types::HREGBATCH;
use crate::wide::WideString;
use crate::win32::Win32;

/// A change or a condition of a batch. Names are relative to the key of the batch, or to the key that the batch created
/// last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the names of keys and values, and what a value is set to or compared with"
)]
pub enum BatchCommand {
    /// Makes a key, or opens it if it is there.
    CreateKey { path: String },
    /// Deletes a key.
    DeleteKey { path: String },
    /// Writes a value.
    SetValue { name: String, value: RegistryValue },
    /// Deletes a value.
    DeleteValue { name: String },
    /// Holds if there is such a value.
    ValueExists { name: String },
    /// Holds if there is no such value.
    ValueNotExists { name: String },
    /// Holds if the value is this one.
    IsEqual { name: String, value: RegistryValue },
    /// Holds if the value is another.
    IsNotEqual { name: String, value: RegistryValue },
    /// Holds if the value is greater.
    IsGreater { name: String, value: RegistryValue },
    /// Holds if the value is less.
    IsLess { name: String, value: RegistryValue },
    /// Holds if there is such a key.
    KeyExists { path: String },
    /// Holds if there is no such key.
    KeyNotExists { path: String },
}

impl BatchCommand {
    /// The number of the command, its name, and its value.
    fn parts(&self) -> (i32, &str, Option<&RegistryValue>) {
        use registry_command as number;
        match self {
            Self::CreateKey { path } => (number::CREATE_KEY, path, None),
            Self::DeleteKey { path } => (number::DELETE_KEY, path, None),
            Self::SetValue { name, value } => (number::SET_VALUE, name, Some(value)),
            Self::DeleteValue { name } => (number::DELETE_VALUE, name, None),
            Self::ValueExists { name } => (number::CONDITION_EXISTS, name, None),
            Self::ValueNotExists { name } => (number::CONDITION_NOT_EXISTS, name, None),
            Self::IsEqual { name, value } => (number::CONDITION_IS_EQUAL, name, Some(value)),
            Self::IsNotEqual { name, value } => (number::CONDITION_IS_NOT_EQUAL, name, Some(value)),
            Self::IsGreater { name, value } => (number::CONDITION_IS_GREATER_THAN, name, Some(value)),
            Self::IsLess { name, value } => (number::CONDITION_IS_LESS_THAN, name, Some(value)),
            Self::KeyExists { path } => (number::CONDITION_KEY_EXISTS, path, None),
            Self::KeyNotExists { path } => (number::CONDITION_KEY_NOT_EXISTS, path, None),
        }
    }
}

/// An open batch. It is dropped without effect unless it is applied.
struct Batch<'a> {
    api: &'a Clusapi,
    raw: HREGBATCH,
}

impl Batch<'_> {
    /// Ends the batch; the status, and the number of the command that failed.
    fn close(&self, commit: bool) -> Result<(i32, i32), Error> {
        let close = entry!(self.api, ClusterRegCloseBatch)?;
        let mut failed = -1;
        let commit = if commit { TRUE } else { FALSE };
        // SAFETY: The batch is open and closed here only: by `apply`, which forgets it, or else by its end.
        let status = unsafe { close(self.raw, commit, &raw mut failed) };
        Ok((status, failed))
    }

    fn apply(self) -> Result<(), Error> {
        let (status, failed) = self.close(true)?;
        // Closed, whatever the answer.
        core::mem::forget(self);
        match Win32(status.cast_unsigned()) {
            Win32::ERROR_SUCCESS => Ok(()),
            code => Err(Error::Batch {
                code,
                command: usize::try_from(failed).ok(),
            }),
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let closed = self
            .close(false)
            .and_then(|(status, _)| check_status("ClusterRegCloseBatch", status));
        if let Err(error) = closed {
            tracing::warn!(%error, "Dropping a batch failed");
        }
    }
}

impl Key {
    /// Makes all of the changes in their order, or none of them.
    ///
    /// # Errors
    ///
    /// [`Error::Batch`] says which command failed, with 5986 for a condition that does not hold. [`Error::Call`],
    /// [`Error::Text`], [`Error::TooMany`] before anything is sent.
    pub fn apply(&self, commands: &[BatchCommand]) -> Result<(), Error> {
        let create = entry!(self.api(), ClusterRegCreateBatch)?;
        let add = entry!(self.api(), ClusterRegBatchAddCommand)?;
        let mut raw = 0;
        // SAFETY: The key is open, and the place for the batch outlives the call.
        let status = unsafe { create(self.raw, &raw mut raw) };
        check_status("ClusterRegCreateBatch", status)?;
        let batch = Batch { api: self.api(), raw };
        for command in commands {
            let (number, name, value) = command.parts();
            let name = WideString::new("name", name)?;
            let kind = value.map_or(0, |value| value.kind.0);
            let bytes = value.map_or(Ok(0), RegistryValue::size)?;
            let data: *const c_void = value.map_or(core::ptr::null(), |value| value.data.as_ptr().cast());
            // SAFETY: The batch is open; the name ends with a NUL, the data has the size given, and both outlive the
            // call.
            let status = unsafe { add(batch.raw, number, name.as_ptr(), kind, data, bytes) };
            check_status("ClusterRegBatchAddCommand", status)?;
        }
        batch.apply()
    }
}

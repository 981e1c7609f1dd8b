//! Other processes of this host.
#![expect(unsafe_code, reason = "processes are watched by C functions")]

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject};

/// A process that is watched. The handle keeps its number from being given to another.
#[derive(Debug)]
pub struct Watched(OwnedHandle);

impl Watched {
    /// Watches the process that has this number.
    ///
    /// # Errors
    ///
    /// There is none, or this account may not.
    pub fn open(id: u32) -> io::Result<Self> {
        // SAFETY: The call takes numbers alone.
        let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, id) };
        if process.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: The handle was opened just now and is given away here.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(process) }))
    }

    /// Whether it has ended. Returns at once.
    pub fn has_ended(&self) -> bool {
        // SAFETY: The handle is open, with the right to wait for it.
        let told = unsafe { WaitForSingleObject(self.0.as_raw_handle(), 0) };
        told == WAIT_OBJECT_0
    }
}

#[cfg(test)]
mod tests;

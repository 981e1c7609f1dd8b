//! COM on the threads that run setup calls: setup talks to a COM server on every node (facts 1.3).
#![cfg_attr(windows, expect(unsafe_code, reason = "COM is entered and left by C functions"))]

use core::marker::PhantomData;

use crate::win32::Status;

/// COM is initialised on this thread until the guard is dropped. It stays on its thread.
#[derive(Debug)]
#[must_use = "dropping the guard leaves the apartment"]
pub struct Apartment {
    /// Leaving must happen on the thread that entered.
    _not_send: PhantomData<*const ()>,
}

/// Why COM could not be initialised on a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApartmentError {
    /// The thread is already in a single-threaded apartment.
    #[error("the thread is already in an apartment of another kind")]
    OtherKind,
    /// COM refused.
    #[error("initialising COM failed with status {0}")]
    Failed(Status),
}

impl Apartment {
    /// Enters the multithreaded apartment, without the legacy DDE windows. Does nothing elsewhere than on Windows.
    ///
    /// # Errors
    ///
    /// [`ApartmentError`]. Entering twice is no error.
    pub fn enter() -> Result<Self, ApartmentError> {
        #[cfg(windows)]
        {
            use windows_sys::Win32::System::Com::{COINIT_DISABLE_OLE1DDE, COINIT_MULTITHREADED, CoInitializeEx};
            /// `RPC_E_CHANGED_MODE`.
            const CHANGED_MODE: u32 = 0x8001_0106;
            let mode = (COINIT_MULTITHREADED | COINIT_DISABLE_OLE1DDE).cast_unsigned();
            // SAFETY: The reserved argument is NULL, and each success is undone once, in Drop, on this thread.
            let status = unsafe { CoInitializeEx(core::ptr::null(), mode) };
            if status < 0 {
                let status = Status::from_hresult(status);
                return Err(if status.raw == CHANGED_MODE {
                    ApartmentError::OtherKind
                } else {
                    ApartmentError::Failed(status)
                });
            }
        }
        Ok(Self { _not_send: PhantomData })
    }
}

#[cfg(windows)]
impl Drop for Apartment {
    fn drop(&mut self) {
        // SAFETY: This guard stands for one successful CoInitializeEx of this thread.
        unsafe { windows_sys::Win32::System::Com::CoUninitialize() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_enter_twice() {
        let first = Apartment::enter().unwrap();
        let second = Apartment::enter().unwrap();
        drop(first);
        drop(second);
    }
}

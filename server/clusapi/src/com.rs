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

#[cfg(all(test, windows))]
mod windows_tests {
    use windows_sys::Win32::System::Com::{
        APTTYPE_MTA, COINIT_APARTMENTTHREADED, CoGetApartmentType, CoInitializeEx, CoUninitialize,
    };

    use super::*;

    /// `CO_E_NOTINITIALIZED`.
    const NOT_INITIALISED: i32 = 0x8004_01F0_u32.cast_signed();
    /// `APTTYPE_STA` and `APTTYPE_MAINSTA`, which is what the first such thread of a process has.
    const SINGLE_THREADED: [i32; 2] = [0, 3];

    /// The kind of apartment that this thread is in, or the status that says why there is none.
    fn apartment() -> Result<i32, i32> {
        let (mut kind, mut qualifier) = (-1, -1);
        // SAFETY: Both places are local variables.
        match unsafe { CoGetApartmentType(&raw mut kind, &raw mut qualifier) } {
            0 => Ok(kind),
            status => Err(status),
        }
    }

    #[test]
    fn three_worker_threads_enter_and_leave_each_for_itself() {
        // While one thread is in the multithreaded apartment every other thread counts as in it, so that a thread has
        // left shows only in what it may enter afterwards.
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let entered = Apartment::enter().unwrap();
                    assert_eq!(apartment(), Ok(APTTYPE_MTA));
                    drop(Apartment::enter().unwrap());
                    assert_eq!(apartment(), Ok(APTTYPE_MTA), "the first entry still stands");
                    drop(entered);
                    // A thread that has left may enter the other kind.
                    // SAFETY: The reserved argument is NULL, and the success is undone below.
                    let status = unsafe { CoInitializeEx(core::ptr::null(), COINIT_APARTMENTTHREADED.cast_unsigned()) };
                    assert_eq!(status, 0);
                    // SAFETY: The call above succeeded on this thread.
                    unsafe { CoUninitialize() };
                });
            }
        });
    }

    #[test]
    fn a_single_threaded_apartment_is_told_and_left_as_it_is() {
        // A thread that has never met COM.
        let thread = std::thread::Builder::new().spawn(|| {
            // SAFETY: The reserved argument is NULL, and the success is undone below.
            let status = unsafe { CoInitializeEx(core::ptr::null(), COINIT_APARTMENTTHREADED.cast_unsigned()) };
            assert_eq!(status, 0);
            assert_eq!(Apartment::enter().unwrap_err(), ApartmentError::OtherKind);
            let kind = apartment().unwrap();
            assert!(SINGLE_THREADED.contains(&kind), "{kind}");
            // SAFETY: The call above succeeded on this thread.
            unsafe { CoUninitialize() };
            // A refused entry that was undone by mistake would have left the apartment above already. Other tests may
            // hold the multithreaded apartment meanwhile, which this thread then sees.
            assert!(
                matches!(apartment(), Err(NOT_INITIALISED) | Ok(APTTYPE_MTA)),
                "{:?}",
                apartment()
            );
        });
        thread.unwrap().join().unwrap();
    }
}

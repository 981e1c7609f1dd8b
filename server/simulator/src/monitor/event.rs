//! The event that a resource DLL gives with Online: signalled, it says that the resource has failed (facts 5.2).
//!
//! On Windows it is an event object. Elsewhere, by a convention of this project, it is the descriptor of a socket or a pipe
//! that becomes readable.

use core::ffi::c_void;
use std::io;
use std::thread;

/// A copy of the DLL's event, so that it stays one whatever the DLL closes.
#[derive(Debug)]
pub(super) struct Event(system::Event);

/// Waits for an event in a thread of its own, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Waiter {
    _stop: system::Stop,
}

impl Event {
    /// The event of a handle that a DLL has given; `None` for none, and for one that is no event.
    ///
    /// # Safety
    ///
    /// The handle must be NULL, -1, or open for the time of the call.
    pub(super) unsafe fn copy(handle: *mut c_void) -> Option<Self> {
        if handle.is_null() || handle.addr() == usize::MAX {
            return None;
        }
        // SAFETY: The caller's promise.
        unsafe { system::copy(handle) }.ok().map(Self)
    }
}

impl Waiter {
    /// Calls `signalled` once when the event is signalled.
    pub(super) fn start(event: Event, signalled: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = system::stop()?;
        thread::Builder::new().name("sim-event".into()).spawn(move || {
            if system::wait(&event.0, &stopped) {
                signalled();
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

#[cfg(unix)]
mod system {
    use core::ffi::c_void;
    use std::io;
    use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

    pub(super) type Event = OwnedFd;
    /// Its end is seen by the other side as a pipe that has no writer.
    pub(super) type Stop = io::PipeWriter;
    pub(super) type Stopped = io::PipeReader;

    /// # Safety
    ///
    /// The descriptor must be open for the time of the call.
    pub(super) unsafe fn copy(handle: *mut c_void) -> io::Result<Event> {
        let number = RawFd::try_from(handle.addr()).map_err(io::Error::other)?;
        // SAFETY: The caller's promise; the number is not -1.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        borrowed.try_clone_to_owned()
    }

    pub(super) fn stop() -> io::Result<(Stop, Stopped)> {
        let (reader, writer) = io::pipe()?;
        Ok((writer, reader))
    }

    /// True when the event was signalled, false when nobody waits for it any more.
    pub(super) fn wait(event: &Event, stopped: &Stopped) -> bool {
        let poll = |descriptor| libc::pollfd {
            fd: descriptor,
            events: libc::POLLIN,
            revents: 0,
        };
        let mut both = [poll(event.as_raw_fd()), poll(stopped.as_raw_fd())];
        loop {
            // SAFETY: The array has as many entries as are said, and both descriptors are open while it is used.
            let ready = unsafe { libc::poll(both.as_mut_ptr(), 2, -1) };
            if ready < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
                continue;
            }
            let [event, stopped] = both;
            return ready > 0 && stopped.revents == 0 && event.revents != 0;
        }
    }
}

#[cfg(windows)]
mod system {
    use core::ffi::c_void;
    use std::io;
    use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
    use std::ptr;

    use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
    use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects};

    pub(super) type Event = OwnedHandle;
    pub(super) type Stopped = OwnedHandle;

    /// Signals its event when it is dropped.
    #[derive(Debug)]
    pub(super) struct Stop(OwnedHandle);

    impl Drop for Stop {
        fn drop(&mut self) {
            // SAFETY: The handle is an open event.
            unsafe { SetEvent(self.0.as_raw_handle()) };
        }
    }

    /// # Safety
    ///
    /// The handle must be open for the time of the call.
    pub(super) unsafe fn copy(handle: *mut c_void) -> io::Result<Event> {
        // SAFETY: The caller's promise; the handle is neither NULL nor -1.
        let borrowed = unsafe { BorrowedHandle::borrow_raw(handle) };
        borrowed.try_clone_to_owned()
    }

    pub(super) fn stop() -> io::Result<(Stop, Stopped)> {
        // SAFETY: Attributes and name may be NULL.
        let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: The handle is fresh and nobody else's.
        let event = unsafe { OwnedHandle::from_raw_handle(event) };
        let stopped = event.try_clone()?;
        Ok((Stop(event), stopped))
    }

    /// True when the event was signalled, false when nobody waits for it any more.
    pub(super) fn wait(event: &Event, stopped: &Stopped) -> bool {
        // Of two that are signalled the first is told.
        let both = [stopped.as_raw_handle(), event.as_raw_handle()];
        // SAFETY: The array has as many handles as are said, and both are open while it is used.
        unsafe { WaitForMultipleObjects(2, both.as_ptr(), 0, INFINITE) == WAIT_OBJECT_0 + 1 }
    }
}

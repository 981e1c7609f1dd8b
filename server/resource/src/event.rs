//! The event that is given to the monitor with the final Online status: it is signalled when health turns bad.
//!
//! On Windows it is an event object. Elsewhere, by a convention of this project, the handle is the file descriptor of a pipe
//! that becomes readable.

#[cfg(not(windows))]
pub(crate) use unix::Event;
#[cfg(windows)]
pub(crate) use windows::Event;

#[cfg(not(windows))]
mod unix {
    use std::io::{self, PipeReader, PipeWriter, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    use wsfc_clusapi::sys::types::HANDLE;

    /// An event, closed when it is dropped.
    #[derive(Debug)]
    pub(crate) struct Event {
        reader: PipeReader,
        writer: PipeWriter,
        signalled: AtomicBool,
    }

    impl Event {
        /// An event that is not signalled.
        ///
        /// # Errors
        ///
        /// There are no descriptors left.
        pub(crate) fn new() -> io::Result<Self> {
            let (reader, writer) = io::pipe()?;
            Ok(Self {
                reader,
                writer,
                signalled: AtomicBool::new(false),
            })
        }

        /// What the monitor is given.
        pub(crate) fn handle(&self) -> HANDLE {
            let descriptor = usize::try_from(self.reader.as_raw_fd()).unwrap_or_default();
            core::ptr::without_provenance_mut(descriptor)
        }

        /// Signals the event, for good.
        pub(crate) fn signal(&self) {
            if !self.signalled.swap(true, Ordering::Relaxed) {
                // The pipe is empty, so this does not block, and its reader is open here.
                let _written = (&self.writer).write_all(&[1]);
            }
        }
    }
}

#[cfg(windows)]
mod windows {
    #![expect(unsafe_code, reason = "events are made by C functions")]

    use std::io;
    use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

    use windows_sys::Win32::System::Threading::{CreateEventW, SetEvent};
    use wsfc_clusapi::sys::types::HANDLE;

    /// An event, closed when it is dropped.
    #[derive(Debug)]
    pub(crate) struct Event {
        handle: OwnedHandle,
    }

    impl Event {
        /// An event that is not signalled.
        ///
        /// # Errors
        ///
        /// Windows makes none.
        pub(crate) fn new() -> io::Result<Self> {
            // SAFETY: No security and no name are given; the event resets by hand and is not signalled.
            let handle = unsafe { CreateEventW(core::ptr::null(), 1, 0, core::ptr::null()) };
            if handle.is_null() {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: The handle was made just now and belongs to nobody else.
            let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
            Ok(Self { handle })
        }

        /// What the monitor is given.
        pub(crate) fn handle(&self) -> HANDLE {
            self.handle.as_raw_handle()
        }

        /// Signals the event, for good.
        pub(crate) fn signal(&self) {
            // SAFETY: The handle is open and an event. It can fail for others only, so there is nothing to do about a failure.
            unsafe { SetEvent(self.handle.as_raw_handle()) };
        }
    }
}

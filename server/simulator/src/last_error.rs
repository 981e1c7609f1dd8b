//! The last error of the calling thread.
//!
//! Setting it must be the last thing that a function does: on Windows thread-local storage and most system calls
//! change it.

#[cfg(windows)]
pub(crate) use windows_sys::Win32::Foundation::GetLastError as get;

/// Sets the last error of the calling thread, as the functions of every world do.
#[cfg(windows)]
pub fn set(code: u32) {
    // SAFETY: The function takes any number.
    unsafe { windows_sys::Win32::Foundation::SetLastError(code) }
}

#[cfg(not(windows))]
std::thread_local! {
    static LAST_ERROR: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Sets the last error of the calling thread, as the functions of every world do.
#[cfg(not(windows))]
pub fn set(code: u32) {
    LAST_ERROR.set(code);
}

/// `GetLastError` where the system has none.
#[cfg(not(windows))]
pub(crate) unsafe extern "system" fn get() -> u32 {
    LAST_ERROR.get()
}

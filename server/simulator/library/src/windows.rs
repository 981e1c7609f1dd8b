//! What the library asks of Windows.

use windows_sys::Win32::System::Diagnostics::Debug::OutputDebugStringW;
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};

/// Keeps this library in memory until the process ends, whoever frees it: threads of the world run its code.
pub(crate) fn stay_loaded() {
    let inside = stay_loaded as *const ();
    let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    let mut module = core::ptr::null_mut();
    // SAFETY: With this flag the name is any address inside the module; the handle goes to a local variable. It can
    // fail for an address outside every module only, so there is nothing to do about a failure.
    unsafe { GetModuleHandleExW(flags, inside.cast(), &raw mut module) };
}

/// Shows a line in a debugger, if there is one.
pub(crate) fn tell_debugger(text: &str) {
    let line: Vec<u16> = text.encode_utf16().chain([u16::from(b'\n'), 0]).collect();
    // SAFETY: The text ends with a NUL.
    unsafe { OutputDebugStringW(line.as_ptr()) }
}

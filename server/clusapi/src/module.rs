//! Where a loaded library came from.
#![expect(unsafe_code, reason = "the loader is asked by a C function")]

use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt as _;
use std::path::PathBuf;

use libloading::os::windows::Library;
use windows_sys::Win32::System::LibraryLoader::GetModuleFileNameW;

/// Longest path of Windows in UTF-16 units, with the NUL.
const LONGEST_PATH: usize = 0x8000;

/// The file that a library was loaded from, and the library again. The loader knows, whatever name it was given; no
/// path if it does not tell.
pub(crate) fn file_of(library: Library) -> (Option<PathBuf>, Library) {
    let module = library.into_raw();
    let handle = core::ptr::without_provenance_mut(module.cast_unsigned());
    let mut path = vec![0_u16; LONGEST_PATH];
    let room = u32::try_from(path.len()).unwrap_or(u32::MAX);
    // SAFETY: The module is loaded, and the buffer has the room that is told.
    let length = unsafe { GetModuleFileNameW(handle, path.as_mut_ptr(), room) };
    // SAFETY: The handle is the library's own, which has just been taken out of it.
    let library = unsafe { Library::from_raw(module) };
    // 0 is a failure; a path that does not fit fills the buffer.
    let length = usize::try_from(length).unwrap_or(0);
    let path = (0 < length && length < path.len()).then(|| OsString::from_wide(&path[..length]).into());
    (path, library)
}

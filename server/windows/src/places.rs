//! The folders that Windows names.

#![expect(unsafe_code, reason = "known folders are asked for by C functions")]

use std::io;
use std::path::PathBuf;

use windows_sys::Win32::System::Com::CoTaskMemFree;
use windows_sys::Win32::UI::Shell::{FOLDERID_ProgramData, KF_FLAG_DEFAULT, SHGetKnownFolderPath};

use crate::wide;

/// The folder for data of programs that belongs to no user, normally `C:\ProgramData` ("SHGetKnownFolderPath").
///
/// # Errors
///
/// The system names none.
pub fn program_data() -> io::Result<PathBuf> {
    let mut path = core::ptr::null_mut();
    // SAFETY: The id is a constant of the system, no token asks for the process's own, and `path` takes one pointer.
    let status = unsafe {
        SHGetKnownFolderPath(
            &FOLDERID_ProgramData,
            KF_FLAG_DEFAULT.cast_unsigned(),
            core::ptr::null_mut(),
            &mut path,
        )
    };
    let folder = (status >= 0).then(|| {
        // SAFETY: A call that succeeded left text with a NUL behind the pointer.
        PathBuf::from(unsafe { wide::text(path) })
    });
    // SAFETY: The text is the caller's to free, also after a failure, when the pointer is NULL or the system's memory.
    unsafe { CoTaskMemFree(path.cast()) };
    folder.ok_or_else(|| io::Error::from_raw_os_error(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_program_data_is_there() {
        let folder = program_data().unwrap();
        assert!(folder.is_absolute(), "{}", folder.display());
        assert!(folder.is_dir(), "{}", folder.display());
    }
}

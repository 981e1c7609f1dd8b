//! Where this process looks for libraries.

#![expect(unsafe_code, reason = "the loader is told by a C function")]

use std::io;

use windows_sys::Win32::System::LibraryLoader::{LOAD_LIBRARY_SEARCH_SYSTEM32, SetDefaultDllDirectories};

/// Lets this process load libraries that are named without a path from the system folder only: neither from the
/// program's own folder nor from the current one or those of `PATH`, where somebody could have left one
/// ("SetDefaultDllDirectories"). A library that is named by an absolute path is loaded as before.
///
/// # Errors
///
/// The system refuses.
pub fn from_system_only() -> io::Result<()> {
    // SAFETY: The call takes a number, and changes nothing but where later calls look for libraries.
    if unsafe { SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::System::LibraryLoader::LoadLibraryW;

    use super::*;

    fn loads(name: &str) -> bool {
        let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: The name ends with a NUL; the libraries of this test do nothing when they are loaded.
        !unsafe { LoadLibraryW(name.as_ptr()) }.is_null()
    }

    #[test]
    fn libraries_beside_the_program_and_in_the_current_folder_are_not_found() {
        let system = format!(r"{}\System32\version.dll", std::env::var("SystemRoot").unwrap());
        let folder = tempfile::tempdir().unwrap();
        let planted = folder.path().join("wsfcd-planted.dll");
        std::fs::copy(&system, &planted).unwrap();
        std::env::set_current_dir(folder.path()).unwrap();
        from_system_only().unwrap();
        assert!(!loads("wsfcd-planted.dll"), "the current folder");
        assert!(loads("version.dll"), "the system folder");
        assert!(loads(planted.to_str().unwrap()), "an absolute path");
    }
}

//! Where an administrator looks for what the daemon keeps, and the daemon for its settings.
//!
//! | | Windows | elsewhere |
//! | --- | --- | --- |
//! | settings | `ProgramData\wsfcd\wsfcd.toml` | `/etc/wsfcd/wsfcd.toml` |
//! | journal | `ProgramData\wsfcd\data` | `/var/lib/wsfcd` |
//! | log files | `ProgramData\wsfcd\logs` | `/var/log/wsfcd` |

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The settings file that is read when none is named.
pub fn settings_file() -> PathBuf {
    if cfg!(windows) {
        program_data().join("wsfcd.toml")
    } else {
        PathBuf::from("/etc/wsfcd/wsfcd.toml")
    }
}

/// Where the journal is kept.
pub fn data_dir() -> PathBuf {
    if cfg!(windows) {
        program_data().join("data")
    } else {
        PathBuf::from("/var/lib/wsfcd")
    }
}

/// Where log files are kept.
pub fn log_dir() -> PathBuf {
    if cfg!(windows) {
        program_data().join("logs")
    } else {
        PathBuf::from("/var/log/wsfcd")
    }
}

/// The daemon's folder among the data that belong to no user; on Windows only.
pub fn program_data() -> PathBuf {
    named_program_data()
        .unwrap_or_else(|| PathBuf::from(r"C:\ProgramData"))
        .join("wsfcd")
}

#[cfg(windows)]
fn named_program_data() -> Option<PathBuf> {
    wsfc_windows::places::program_data().ok()
}

#[cfg(not(windows))]
fn named_program_data() -> Option<PathBuf> {
    None
}

/// Whether the settings in a file that nobody named are an administrator's, or of the account that this runs as. On Windows
/// everybody may make folders in `ProgramData`, so whoever came first could have left settings for a service there.
///
/// # Errors
///
/// The system does not say whose the file is.
#[cfg(windows)]
pub fn is_trusted(file: &File) -> io::Result<bool> {
    use wsfc_windows::security::{Sid, owner};
    let owner = owner(file)?;
    Ok(owner.is_administrative() || owner == Sid::of_process()?)
}

/// Whether the settings in a file that nobody named are an administrator's. Only root makes files in `/etc`.
///
/// # Errors
///
/// None.
#[cfg(unix)]
pub fn is_trusted(_file: &File) -> io::Result<bool> {
    Ok(true)
}

/// Makes a folder, and those above it that are missing, for the daemon's eyes: on Windows the system, administrators and
/// the account that it runs as may use them, elsewhere that account alone. A folder that is there is left as it is.
///
/// # Errors
///
/// A folder cannot be made.
pub fn make_private(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_private(parent)?;
    }
    create_private(path)
}

#[cfg(windows)]
fn create_private(path: &Path) -> io::Result<()> {
    use wsfc_windows::security::{Sid, create_private_folder};
    /// `ERROR_INVALID_OWNER`.
    const INVALID_OWNER: i32 = 1307;
    match create_private_folder(path, &[Sid::of_process()?]) {
        // Only an administrator can give a folder to the administrators. Somebody else has what is theirs.
        Err(error) if error.raw_os_error() == Some(INVALID_OWNER) => std::fs::create_dir(path),
        made => made.map(drop),
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // Somebody else may have made it meanwhile.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_made_are_private_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one/two");
        make_private(&path).unwrap();
        make_private(&path).unwrap();
        assert!(path.is_dir());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(make_private(&file.join("below")).is_err());
    }
}

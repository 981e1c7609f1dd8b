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
        PathBuf::from(wsfc_client::local::SERVICE_DATA)
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
/// On Windows everybody may make folders in `ProgramData`, and on most drives. So the folder must belong to the system, its
/// administrators or the account that this runs as, and be no link; the same goes for those above it up to
/// [`program_data`]. Whoever came first could otherwise have left a journal for a service there.
///
/// # Errors
///
/// A folder cannot be made, or is somebody else's.
pub fn make_private(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        create_private(path)?;
    }
    check(path)
}

#[cfg(windows)]
fn create_private(path: &Path) -> io::Result<()> {
    use wsfc_windows::security::{Sid, create_private_folder};
    create_private_folder(path, &[Sid::of_process()?]).map(drop)
}

#[cfg(windows)]
fn check(path: &Path) -> io::Result<()> {
    use wsfc_windows::security::{Sid, check_folder};
    let own = [Sid::of_process()?];
    let path = std::path::absolute(path)?;
    let daemons = program_data();
    check_folder(&path, &own)?;
    for above in path.ancestors().skip(1).take_while(|above| is_in(above, &daemons)) {
        check_folder(above, &own)?;
    }
    Ok(())
}

/// Only root makes folders in `/var/lib` and `/var/log`.
#[cfg(unix)]
fn check(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a path is a folder or something in it, however the letters are written.
#[cfg(windows)]
fn is_in(path: &Path, folder: &Path) -> bool {
    let lower = |path: &Path| PathBuf::from(path.to_string_lossy().to_lowercase().trim_start_matches(r"\\?\"));
    lower(path).starts_with(lower(folder))
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let missing: Vec<_> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
    // Somebody else may have made it meanwhile.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // After a lost power a folder is there, with all that is in it, only if its name is.
    for made in missing {
        match made.parent() {
            Some(above) if above.as_os_str().is_empty() => sync_dir(Path::new("."))?,
            Some(above) => sync_dir(above)?,
            None => {}
        }
    }
    Ok(())
}

/// Makes the names in a directory durable. NTFS has no such call and needs none.
///
/// # Errors
///
/// The system reports that it is not durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(windows)]
    #[test]
    fn folders_above_are_looked_at_however_they_are_written() {
        let folder = Path::new(r"C:\ProgramData\wsfcd");
        for inside in [
            r"C:\ProgramData\wsfcd",
            r"c:\programdata\WSFCD\data",
            r"\\?\C:\ProgramData\wsfcd\data",
        ] {
            assert!(is_in(Path::new(inside), folder), "{inside}");
        }
        for outside in [r"C:\ProgramData", r"C:\ProgramData\wsfcd2", r"D:\ProgramData\wsfcd"] {
            assert!(!is_in(Path::new(outside), folder), "{outside}");
        }
    }

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

//! The private files of the daemon's access: keys, certificates and the register, in the folder `access` of its data
//! directory.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::settings::places;

/// The folder in the data directory.
const FOLDER: &str = "access";

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFolder(PathBuf);

impl AccessFolder {
    /// That of a data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join(FOLDER))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The certificate of the own authority. It is written last, so an authority is there when this file is.
    pub fn authority(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The key of the own authority.
    pub fn authority_key(&self) -> PathBuf {
        self.0.join("ca.key")
    }

    /// The certificate that the own authority made for the daemon, with its key and the authority's certificate: one file,
    /// so that key and certificate are exchanged together.
    pub fn server(&self) -> PathBuf {
        self.0.join("server.pem")
    }

    /// What was granted, issued and revoked.
    pub fn register(&self) -> PathBuf {
        self.0.join("register.json")
    }

    /// Makes the folder. It is as private as the data directory, which is made first where it is missing: on Windows it
    /// takes over who may use that, which includes the account of the service; elsewhere it is for its owner alone.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn make(&self) -> io::Result<()> {
        if let Some(data_dir) = self.0.parent() {
            places::make_private(data_dir)?;
        }
        if !self.0.is_dir() {
            create(&self.0)?;
            give_to_owner_of_parent(&self.0)?;
        }
        Ok(())
    }
}

/// Writes a file that only the daemon's account may read: whole or not at all, and durable when this returns.
///
/// # Errors
///
/// It cannot be written; what was there before is still there, or what was to be written, but never a part.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    // What a crash left.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    give_to_owner_of_parent(&new)?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), places::sync_dir)
}

#[cfg(unix)]
fn create(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(windows)]
fn create(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

/// The folder says who may read it.
#[cfg(windows)]
fn private(_options: &mut OpenOptions) {}

/// What root sets up for a daemon that runs as somebody else must be that account's to read.
#[cfg(unix)]
fn give_to_owner_of_parent(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let Some(parent) = path.parent() else { return Ok(()) };
    let (own, parent) = (fs::metadata(path)?, fs::metadata(parent)?);
    if own.uid() == parent.uid() {
        return Ok(());
    }
    chown(path, Some(parent.uid()), Some(parent.gid()))
}

/// The folder says who may read it.
#[cfg(windows)]
fn give_to_owner_of_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let access = AccessFolder::of(&folder.path().join("data"));
        access.make().unwrap();
        access.make().unwrap();
        fs::write(access.path().join("register.json.new"), "left by a crash").unwrap();
        write(&access.register(), b"one").unwrap();
        write(&access.register(), b"two").unwrap();
        assert_eq!(fs::read(access.register()).unwrap(), b"two");
        assert_eq!(fs::read_dir(access.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(access.path()), mode(&access.register())), (0o700, 0o600));
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"one").unwrap();
        fs::create_dir(folder.path().join("file.new")).unwrap();
        assert!(write(&path, b"two").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }
}

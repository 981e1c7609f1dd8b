//! The data directory: one daemon at a time, a store in one file, and a damaged store set aside.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::open::{initialize, open_locked};
use super::redb::RedbStore;
use super::store::StoreError;
use super::{Journal, Made, OpenError, Opened, Options, Quarantine};
use crate::platform::Platform;
use crate::settings::places;

/// The file that holds the store.
const STORE_FILE: &str = "journal.redb";
/// The file in which a store is made, before it takes its place.
const NEW_STORE_FILE: &str = "journal.redb.new";
/// The file that is locked while a daemon runs.
const LOCK_FILE: &str = "wsfcd.lock";
/// The file that names the daemon's process: beside the lock, because on Windows a locked file cannot be read.
const PID_FILE: &str = "wsfcd.pid";
/// The file that says that a store was made here, so that one that is missing is noticed. `wsfcd init` leaves a lock and keys
/// before there is any store, so they tell nothing.
const MADE_FILE: &str = "journal.made";
/// How the names of stores begin that were set aside.
const DAMAGED_FILE: &str = "journal.redb.damaged-";
/// The file that is there while a store is being opened. A daemon that finds it knows that the last one died meanwhile,
/// perhaps of the store: over a damaged one redb may panic twice at once, which nothing can catch.
const OPENING_FILE: &str = "journal.opening";

impl Journal {
    /// Opens the journal in a data directory, and makes both when they are missing.
    ///
    /// The directory is locked until the last handle, cursor and writer of the journal is gone. A damaged store is
    /// renamed, never deleted, and a new one with another store id begins: see [`Opened::quarantined`]. One that is missing
    /// is begun anew too: see [`Opened::made`].
    ///
    /// # Errors
    ///
    /// Another daemon has the directory, or it cannot be used.
    pub fn open_dir(data_dir: &Path, options: Options, platform: Platform) -> Result<Opened, OpenError> {
        let lock = lock_dir(data_dir)?;
        let path = data_dir.join(STORE_FILE);
        let mut made = None;
        if !path.try_exists().map_err(|source| io_error(&path, source))? {
            let trace = trace(data_dir).map_err(|source| io_error(data_dir, source))?;
            create(data_dir, &options, &platform)?;
            made = Some(Made { trace });
        }
        // After the store, so that a crash between the two does not make one missing that never was.
        mark_made(data_dir)?;
        let opening = Opening::begin(data_dir)?;
        let cause = match open_store(&path, &options, &platform, &lock, opening.last_one_died) {
            Err(OpenError::Store(StoreError::Damaged(cause))) => cause,
            opened => return opened.map(|opened| Opened { made, ..opened }),
        };
        let quarantine = set_aside(&path, platform.clock.now())?;
        create(data_dir, &options, &platform)?;
        let mut opened = open_store(&path, &options, &platform, &lock, false)?;
        opened.quarantined = Some(Quarantine {
            path: quarantine,
            cause,
        });
        Ok(opened)
    }
}

/// Locks a data directory, which is made when it is missing, as a daemon does that runs in it. The lock lasts as long as
/// the file is open.
///
/// # Errors
///
/// A daemon has the directory, or it cannot be used.
pub fn lock_dir(data_dir: &Path) -> Result<File, OpenError> {
    places::make_private(data_dir).map_err(|source| io_error(data_dir, source))?;
    lock(data_dir)
}

/// The time in which a store is opened, as a file; over when this is dropped.
struct Opening {
    path: PathBuf,
    /// The daemon before this one has not come to its end.
    last_one_died: bool,
}

impl Opening {
    fn begin(data_dir: &Path) -> Result<Self, OpenError> {
        let path = data_dir.join(OPENING_FILE);
        let last_one_died = path.try_exists().map_err(|source| io_error(&path, source))?;
        if last_one_died {
            tracing::warn!(
                path = %path.display(),
                "The last daemon died while it opened the journal, so all of it is checked"
            );
        } else {
            File::create(&path).map_err(|source| io_error(&path, source))?;
        }
        Ok(Self { path, last_one_died })
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "The file cannot be removed, so the next start checks the journal");
        }
    }
}

/// Opens an existing store and the journal in it.
fn open_store(
    path: &Path,
    options: &Options,
    platform: &Platform,
    lock: &File,
    is_suspect: bool,
) -> Result<Opened, OpenError> {
    let open = if is_suspect {
        RedbStore::open_checked
    } else {
        RedbStore::open
    };
    let store = open(path, options.store_cache_bytes).map_err(|error| store_error(path, error))?;
    // Both files name the same lock, which lasts until the last of them is closed.
    let lock = lock.try_clone().map_err(|source| io_error(path, source))?;
    open_locked(Box::new(store), options.clone(), platform.clone(), Some(lock)).map_err(|error| match error {
        OpenError::Store(error) => store_error(path, error),
        error => error,
    })
}

/// Makes a store beside its place and moves it there, so that a crash leaves a whole store or none.
fn create(data_dir: &Path, options: &Options, platform: &Platform) -> Result<(), OpenError> {
    let new = data_dir.join(NEW_STORE_FILE);
    match fs::remove_file(&new) {
        Err(source) if source.kind() != ErrorKind::NotFound => return Err(io_error(&new, source)),
        _ => {}
    }
    let made = RedbStore::create(&new, options.store_cache_bytes)
        .and_then(|mut store| initialize(&mut store, platform.entropy.uuid(platform.clock.now())));
    made.map_err(|error| store_error(&new, error))?;
    fs::rename(&new, data_dir.join(STORE_FILE)).map_err(|source| io_error(&new, source))?;
    places::sync_dir(data_dir).map_err(|source| io_error(data_dir, source))
}

/// What says that there was a store in a directory, though there is none.
fn trace(data_dir: &Path) -> io::Result<Option<PathBuf>> {
    let mut traces = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == MADE_FILE || name.starts_with(DAMAGED_FILE) {
            traces.push(path);
        }
    }
    Ok(traces.into_iter().min())
}

/// Leaves word that there is a store here.
fn mark_made(data_dir: &Path) -> Result<(), OpenError> {
    let path = data_dir.join(MADE_FILE);
    match File::create_new(&path) {
        Ok(_made) => places::sync_dir(data_dir).map_err(|source| io_error(data_dir, source)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(io_error(&path, source)),
    }
}

/// Renames a damaged store; gives its new name.
fn set_aside(path: &Path, now: SystemTime) -> Result<PathBuf, OpenError> {
    // A colon is no part of a file name on Windows.
    let time = humantime::format_rfc3339_seconds(now)
        .to_string()
        .replace([':', '-'], "");
    for number in 1_u32.. {
        let suffix = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let aside = path.with_file_name(format!("{DAMAGED_FILE}{time}{suffix}"));
        if !aside.try_exists().map_err(|source| io_error(&aside, source))? {
            fs::rename(path, &aside).map_err(|source| io_error(path, source))?;
            return Ok(aside);
        }
    }
    Err(io_error(path, ErrorKind::AlreadyExists.into()))
}

/// Takes the lock of the directory, and leaves the number of this process beside it.
fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let (path, pid_path) = (data_dir.join(LOCK_FILE), data_dir.join(PID_FILE));
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&pid_path)
                .ok()
                .and_then(|pid| pid.trim().parse().ok());
            return Err(OpenError::Locked {
                path: data_dir.to_owned(),
                pid,
            });
        }
        Err(TryLockError::Error(source)) => return Err(io_error(&path, source)),
    }
    fs::write(&pid_path, format!("{}\n", std::process::id())).map_err(|source| io_error(&pid_path, source))?;
    Ok(file)
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnly { path, source },
        _ => OpenError::Io { path, source },
    }
}

fn store_error(path: &Path, error: StoreError) -> OpenError {
    match error {
        StoreError::Io(source) => io_error(path, source),
        StoreError::InUse => OpenError::Locked {
            path: path.to_owned(),
            pid: None,
        },
        error => OpenError::Store(error),
    }
}

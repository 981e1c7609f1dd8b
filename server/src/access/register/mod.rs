//! The register: what was granted, issued and revoked while the daemon ran, in one durable file.
//!
//! It is written whole, and before anything of it is answered. A register that is damaged ends the start: an empty one in its
//! place would give revoked certificates their rights back.

mod entries;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

pub(super) use self::entries::describe;
pub use self::entries::{Bound, Entries, Issued, Refusal, Revocation, RevokedCount};
use super::files::{self, AccessFolder};
use super::hex;

/// The form of the file. A file of another form is of another daemon.
const VERSION: u32 = 1;

/// The register cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not as a daemon left it.
    #[error(
        "the register {} is damaged: {problem}. Put it back from a backup; or move the folder {} away and run `wsfcd init` again, after which every client has to log in anew. Nothing is guessed, since revoked certificates could get their rights back",
        path.display(), path.parent().unwrap_or(path).display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is of a form that this daemon does not know.
    #[error("the register {} has version {found}, and this daemon knows version {VERSION}; run the daemon that wrote it, or a later one", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u64,
    },
    /// There is an authority without what it has issued and revoked.
    #[error(
        "the register {} is missing, and {} is there. Put the register back from a backup; or move the folder away and run `wsfcd init` again, after which every client has to log in anew",
        path.display(), authority.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The certificate of the authority.
        authority: PathBuf,
    },
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<E> {
    version: u32,
    /// The SHA-256 of the entries as they are written, so that a change by anything but a daemon shows.
    #[serde(with = "hex")]
    sha256: [u8; 32],
    entries: E,
}

/// The register of a running daemon. It is read at any time, and changed by one caller at a time.
#[derive(Debug)]
pub struct Register {
    /// Where its file is; nowhere for a register that lasts no longer than its process.
    folder: Option<AccessFolder>,
    writing: Mutex<()>,
    entries: watch::Sender<Arc<Entries>>,
}

impl Register {
    /// Reads the register of a folder. Where there is none and no authority either, it begins as an empty one of
    /// `installation`, and is written with its first change.
    ///
    /// # Errors
    ///
    /// See [`RegisterError`].
    pub fn open(folder: &AccessFolder, installation: impl FnOnce() -> Uuid) -> Result<Self, RegisterError> {
        let path = folder.register();
        let file = |source| RegisterError::File {
            path: path.clone(),
            source,
        };
        let entries = match std::fs::read(&path) {
            Ok(bytes) => read(&path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let authority = folder.authority();
                if authority.try_exists().map_err(file)? {
                    return Err(RegisterError::Missing { path, authority });
                }
                Entries::new(installation())
            }
            Err(error) => return Err(file(error)),
        };
        Ok(Self {
            folder: Some(folder.clone()),
            writing: Mutex::new(()),
            entries: watch::Sender::new(Arc::new(entries)),
        })
    }

    /// An empty register that lasts no longer than its process, for a daemon without a data directory.
    pub fn passing(installation: Uuid) -> Self {
        Self {
            folder: None,
            writing: Mutex::new(()),
            entries: watch::Sender::new(Arc::new(Entries::new(installation))),
        }
    }

    /// What it holds now.
    pub fn entries(&self) -> Arc<Entries> {
        Arc::clone(&self.entries.borrow())
    }

    /// What it holds, now and after each change.
    pub fn watch(&self) -> watch::Receiver<Arc<Entries>> {
        self.entries.subscribe()
    }

    /// Changes it. The change is durable when `told` hears of what is new, and seen by others when this returns; when this
    /// fails, nothing has changed. It waits for the disk.
    ///
    /// # Errors
    ///
    /// What `change` refuses with, or [`RegisterError::File`].
    pub fn change<T, E: From<RegisterError>>(
        &self,
        change: impl FnOnce(&mut Entries) -> Result<T, E>,
        told: impl FnOnce(&Entries),
    ) -> Result<T, E> {
        // A change that panicked has changed a copy.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.entries();
        let mut next = Entries::clone(&current);
        let value = change(&mut next)?;
        if next != *current {
            self.write(&next)?;
            told(&next);
            self.entries.send_replace(Arc::new(next));
        }
        Ok(value)
    }

    fn write(&self, entries: &Entries) -> Result<(), RegisterError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.register();
        let file = |source| RegisterError::File {
            path: path.clone(),
            source,
        };
        let stored = Stored {
            version: VERSION,
            sha256: digest(entries).map_err(|error| file(error.into()))?,
            entries,
        };
        let mut bytes = serde_json::to_vec_pretty(&stored).map_err(|error| file(error.into()))?;
        bytes.push(b'\n');
        // With an authority of the organisation, nothing was there before the first change.
        folder.make().and_then(|()| files::write(&path, &bytes)).map_err(file)
    }
}

fn read(path: &Path, bytes: &[u8]) -> Result<Entries, RegisterError> {
    let damaged = |problem: String| RegisterError::Damaged {
        path: path.into(),
        problem,
    };
    // The version is looked at first: whatever else is there may have another form.
    let Versioned { version } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if version != u64::from(VERSION) {
        return Err(RegisterError::Version {
            path: path.into(),
            found: version,
        });
    }
    let stored: Stored<Entries> = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    let digest = digest(&stored.entries).map_err(|error| damaged(error.to_string()))?;
    if digest == stored.sha256 {
        Ok(stored.entries)
    } else {
        Err(damaged(String::from(
            "it was changed by something else than the daemon",
        )))
    }
}

fn digest(entries: &Entries) -> Result<[u8; 32], serde_json::Error> {
    serde_json::to_vec(entries).map(|bytes| Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests;

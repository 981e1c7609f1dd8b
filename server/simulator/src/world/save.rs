//! A world in a file, so that it outlives its process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::World;

/// The form of the file; a file of another form is refused.
const FORMAT: u32 = 2;

#[derive(Serialize)]
struct SavedRef<'world> {
    format: u32,
    world: &'world World,
}

#[derive(Deserialize)]
struct Saved {
    format: u32,
    world: World,
}

/// Why a saved world could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The file could not be read.
    #[error("saved world {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("saved world {} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file does not hold a world.
    #[error("{} is not a saved world", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The file was written by another version of the simulator.
    #[error("saved world {} has format {found}, not {FORMAT}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that it says.
        found: u32,
    },
}

/// Writes the world beside `path` and renames it into place: a reader sees the old world or the new one, whenever the
/// process is killed. The simulator does not promise to survive a power cut, so nothing is synced.
pub(crate) fn save(world: &World, path: &Path) -> Result<(), SaveError> {
    let write = |source| SaveError::Write {
        path: path.into(),
        source,
    };
    let text = serde_json::to_vec(&SavedRef { format: FORMAT, world }).map_err(|error| write(error.into()))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, text).map_err(write)?;
    fs::rename(&beside, path).map_err(write)
}

/// Reads a world; `None` when there is no file.
pub(crate) fn load(path: &Path) -> Result<Option<World>, SaveError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(SaveError::Read {
                path: path.into(),
                source,
            });
        }
    };
    let saved: Saved = serde_json::from_slice(&text).map_err(|source| SaveError::Damaged {
        path: path.into(),
        source,
    })?;
    if saved.format != FORMAT {
        return Err(SaveError::Format {
            path: path.into(),
            found: saved.format,
        });
    }
    Ok(Some(saved.world.resumed()))
}

impl World {
    /// What goes on by itself when the process that drove a call is gone. An upgrade runs in the cluster, not in its
    /// caller. Guess: so it ends there too. Everything else stays half done.
    fn resumed(mut self) -> Self {
        let ids: Vec<String> = self.clusters.iter().map(|cluster| cluster.id.clone()).collect();
        for id in ids {
            self.finish_upgrade(&id);
        }
        self.events.clear();
        self
    }
}

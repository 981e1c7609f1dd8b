//! Batches of changes, which happen together or not at all (facts 2.6).

use wsfc_clusapi::sys::constants::registry_command;

use super::{Path, Value, split};
use crate::win32::{ERROR_CLUSTER_DATABASE_UPDATE_CONDITION_FAILED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER};
use crate::world::cluster::Cluster;
use crate::world::properties::{Owner, Settings};

/// A command of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Writes a value of the current key.
    SetValue(Value),
    DeleteValue(String),
    /// Makes or opens a key, which is the current one from there on.
    CreateKey(String),
    DeleteKey(String),
    /// The current key has the value, or has not.
    Exists(String, bool),
    /// The value has this type and these bytes, or has not.
    Equal(Value, bool),
    /// The value is a number of this type that is greater, or less.
    Compare(Value, std::cmp::Ordering),
    KeyExists(String, bool),
}

impl Command {
    /// The command of a number; 87 for one that is none.
    pub(crate) fn of(number: i32, name: String, kind: u32, data: Vec<u8>) -> Result<Self, u32> {
        let value = |name| Value { name, kind, data };
        Ok(match number {
            registry_command::SET_VALUE => Self::SetValue(value(name)),
            registry_command::CREATE_KEY => Self::CreateKey(name),
            registry_command::DELETE_KEY => Self::DeleteKey(name),
            registry_command::DELETE_VALUE => Self::DeleteValue(name),
            registry_command::CONDITION_EXISTS => Self::Exists(name, true),
            registry_command::CONDITION_NOT_EXISTS => Self::Exists(name, false),
            registry_command::CONDITION_IS_EQUAL => Self::Equal(value(name), true),
            registry_command::CONDITION_IS_NOT_EQUAL => Self::Equal(value(name), false),
            registry_command::CONDITION_IS_GREATER_THAN => Self::Compare(value(name), std::cmp::Ordering::Greater),
            registry_command::CONDITION_IS_LESS_THAN => Self::Compare(value(name), std::cmp::Ordering::Less),
            registry_command::CONDITION_KEY_EXISTS => Self::KeyExists(name, true),
            registry_command::CONDITION_KEY_NOT_EXISTS => Self::KeyExists(name, false),
            _ => return Err(ERROR_INVALID_PARAMETER),
        })
    }
}

/// What a batch has changed: the key, and whether keys came or went there; otherwise values did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) path: Path,
    pub(crate) keys: bool,
}

/// A number of up to eight bytes, little endian.
fn number_of(data: &[u8]) -> Option<u64> {
    if data.is_empty() || data.len() > 8 {
        return None;
    }
    Some(data.iter().rev().fold(0, |all, byte| (all << 8) | u64::from(*byte)))
}

fn condition(holds: bool) -> Result<(), u32> {
    if holds {
        Ok(())
    } else {
        Err(ERROR_CLUSTER_DATABASE_UPDATE_CONDITION_FAILED)
    }
}

/// The parts of a cluster that a batch may change, as they were before it.
struct Before {
    database: super::Key,
    parameters: Vec<(Owner, Settings)>,
}

impl Cluster {
    /// Runs a batch that begins at a key. On failure everything is as before; the error is the command's place and its
    /// code: 5986 for a condition that does not hold.
    ///
    /// Guess: keys of all commands are named from the batch's own key, and values belong to the key that was made or
    /// opened last.
    pub(crate) fn run_batch(
        &mut self,
        base: &[String],
        commands: &[Command],
        now_ms: u64,
    ) -> Result<Vec<Touched>, (usize, u32)> {
        let mut before = Before {
            database: self.database.clone(),
            parameters: Vec::new(),
        };
        let mut current = base.to_vec();
        let mut touched = Vec::new();
        for (place, command) in commands.iter().enumerate() {
            self.remember(&current, command, &mut before);
            if let Err(code) = self.run_command(base, &mut current, command, now_ms, &mut touched) {
                self.database = before.database;
                for (owner, settings) in before.parameters.into_iter().rev() {
                    let mut path = super::view::path_of(&owner);
                    path.push("parameters".into());
                    if let Some(own) = self.parameters_mut(&path) {
                        *own = settings;
                    }
                }
                return Err((place, code));
            }
        }
        Ok(touched)
    }

    /// Remembers the private properties that a command is about to change.
    fn remember(&mut self, current: &[String], command: &Command, before: &mut Before) {
        if matches!(command, Command::SetValue(_) | Command::DeleteValue(_))
            && let Some(owner) = super::view::parameters_of(self, current)
            && let Some(settings) = self.parameters_mut(current)
        {
            before.parameters.push((owner, settings.clone()));
        }
    }

    fn run_command(
        &mut self,
        base: &[String],
        current: &mut Path,
        command: &Command,
        now_ms: u64,
        touched: &mut Vec<Touched>,
    ) -> Result<(), u32> {
        let below = |name: &str| -> Result<Path, u32> { Ok(base.iter().cloned().chain(split(name)?).collect()) };
        let mut touch = |path: &[String], keys| {
            touched.push(Touched {
                path: path.to_vec(),
                keys,
            });
        };
        match command {
            Command::SetValue(value) => {
                self.write_value(current, value.clone(), now_ms)?;
                touch(current, false);
            }
            Command::DeleteValue(name) => {
                self.delete_value(current, name, now_ms)?;
                touch(current, false);
            }
            Command::CreateKey(name) => {
                let is_new = self.make_key(base, name, now_ms)?;
                *current = below(name)?;
                if is_new {
                    touch(current, true);
                }
            }
            Command::DeleteKey(name) => {
                let path = below(name)?;
                self.delete_key(&path)?;
                touch(&path, true);
                if current.starts_with(&path) {
                    *current = base.to_vec();
                }
            }
            Command::Exists(name, wanted) => condition(self.key_value(current, name).is_ok() == *wanted)?,
            Command::Equal(value, wanted) => {
                let found = self.key_value(current, &value.name);
                let equal = found.is_ok_and(|found| found.kind == value.kind && found.data == value.data);
                condition(equal == *wanted)?;
            }
            Command::Compare(value, wanted) => {
                let found = match self.key_value(current, &value.name) {
                    Err(ERROR_FILE_NOT_FOUND) => return condition(false),
                    found => found?,
                };
                let numbers = number_of(&found.data).zip(number_of(&value.data));
                condition(found.kind == value.kind && numbers.is_some_and(|(own, other)| own.cmp(&other) == *wanted))?;
            }
            Command::KeyExists(name, wanted) => condition(self.has_key(&below(name)?) == *wanted)?,
        }
        Ok(())
    }
}

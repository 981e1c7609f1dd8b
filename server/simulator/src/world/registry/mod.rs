//! The cluster database as a registry (facts 2.6): a tree of keys with values.
//!
//! Two trees lie over each other. One shows the objects of the cluster, as [`view`] makes it: it can be read, and the
//! `Parameters` of an object, which are its private properties, can be written. The other holds whatever callers
//! write elsewhere.

pub(crate) mod batch;
mod view;

pub(crate) use view::path_of;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::properties::{Owner, Settings};
use crate::win32::{ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_KEY_HAS_CHILDREN};

/// The longest name of a key.
const LONGEST_KEY: usize = 255;
/// The longest name of a value.
const LONGEST_VALUE: usize = 16_383;

/// A value: its registry type and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    /// As it was written.
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) data: Vec<u8>,
}

/// A key that somebody has made. Names are held in lower case, with the spelling beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    name: String,
    keys: BTreeMap<String, Key>,
    values: BTreeMap<String, Value>,
    /// Its security descriptor, when somebody has set one.
    security: Option<Vec<u8>>,
    /// Simulated time of the last change.
    written_ms: u64,
}

/// The place of a key, from the root of the cluster's database, in lower case.
pub(crate) type Path = Vec<String>;

/// Splits a path as callers write it; an empty one is the key itself. 87 for a name that is too long, 161 is not used:
/// empty parts count for nothing (guess).
pub(crate) fn split(path: &str) -> Result<Path, u32> {
    let parts: Path = path
        .split('\\')
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
        .collect();
    if parts.iter().any(|part| part.encode_utf16().count() > LONGEST_KEY) {
        return Err(ERROR_INVALID_PARAMETER);
    }
    Ok(parts)
}

impl Key {
    fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |key, part| key.keys.get(part))
    }

    fn at_mut(&mut self, path: &[String]) -> Option<&mut Self> {
        path.iter().try_fold(self, |key, part| key.keys.get_mut(part))
    }

    /// The key of a path, made with those above it when it is not there.
    fn make(&mut self, path: &[String], spelling: &[&str], now_ms: u64) -> &mut Self {
        let mut key = self;
        for (place, part) in path.iter().enumerate() {
            key = key.keys.entry(part.clone()).or_insert_with(|| Self {
                name: spelling
                    .get(place)
                    .map_or_else(|| part.clone(), |name| (*name).to_owned()),
                written_ms: now_ms,
                ..Self::default()
            });
        }
        key
    }
}

impl Cluster {
    /// True for a key that is there.
    pub(crate) fn has_key(&self, path: &[String]) -> bool {
        self.database.at(path).is_some() || view::has(self, path)
    }

    /// The names of the keys below a key, those of the objects first; 2 when it is not there.
    pub(crate) fn key_names(&self, path: &[String]) -> Result<Vec<String>, u32> {
        let shown = view::keys(self, path);
        let own = self.database.at(path);
        if shown.is_none() && own.is_none() {
            return Err(ERROR_FILE_NOT_FOUND);
        }
        let mut names = shown.unwrap_or_default();
        let own = own.into_iter().flat_map(|key| key.keys.values());
        for key in own {
            if !names.iter().any(|name| name.eq_ignore_ascii_case(&key.name)) {
                names.push(key.name.clone());
            }
        }
        Ok(names)
    }

    /// The values of a key, those of the objects first; 2 when it is not there.
    pub(crate) fn key_values(&self, path: &[String]) -> Result<Vec<Value>, u32> {
        let shown = view::values(self, path);
        let own = self.database.at(path);
        if shown.is_none() && own.is_none() {
            return Err(ERROR_FILE_NOT_FOUND);
        }
        let mut values = shown.unwrap_or_default();
        let own = own.into_iter().flat_map(|key| key.values.values());
        for value in own {
            if !values.iter().any(|shown| shown.name.eq_ignore_ascii_case(&value.name)) {
                values.push(value.clone());
            }
        }
        Ok(values)
    }

    /// One value of a key; 2 when there is none.
    pub(crate) fn key_value(&self, path: &[String], name: &str) -> Result<Value, u32> {
        let values = self.key_values(path)?;
        values
            .into_iter()
            .find(|value| value.name.to_lowercase() == name.to_lowercase())
            .ok_or(ERROR_FILE_NOT_FOUND)
    }

    /// Makes a key, and those above it; true when it is new.
    pub(crate) fn make_key(&mut self, base: &[String], path: &str, now_ms: u64) -> Result<bool, u32> {
        let below = split(path)?;
        let full: Path = base.iter().chain(&below).cloned().collect();
        if !self.has_key(base) {
            return Err(ERROR_FILE_NOT_FOUND);
        }
        if self.has_key(&full) {
            return Ok(false);
        }
        let spelling: Vec<&str> = path.split('\\').filter(|part| !part.is_empty()).collect();
        let base = self.database.make(base, &[], now_ms);
        base.make(&below, &spelling, now_ms);
        Ok(true)
    }

    /// Deletes a key that somebody has made. Guess: 1020 while there are keys below it, 5 for the key of an object or
    /// the root.
    pub(crate) fn delete_key(&mut self, path: &[String]) -> Result<(), u32> {
        if !self.has_key(path) {
            return Err(ERROR_FILE_NOT_FOUND);
        }
        let Some((last, above)) = path.split_last() else {
            return Err(ERROR_ACCESS_DENIED);
        };
        if view::has(self, path) {
            return Err(ERROR_ACCESS_DENIED);
        }
        if !self.key_names(path)?.is_empty() {
            return Err(ERROR_KEY_HAS_CHILDREN);
        }
        if let Some(parent) = self.database.at_mut(above) {
            parent.keys.remove(last);
        }
        Ok(())
    }

    /// Writes a value: into the private properties of an object, or into a key that somebody has made. 5 for a value
    /// that shows an object's state.
    pub(crate) fn write_value(&mut self, path: &[String], value: Value, now_ms: u64) -> Result<(), u32> {
        if value.name.encode_utf16().count() > LONGEST_VALUE {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if let Some(settings) = self.parameters_mut(path) {
            let setting = view::setting(value.kind, &value.data);
            let existing = settings.keys().find(|name| name.eq_ignore_ascii_case(&value.name));
            let name = existing.cloned().unwrap_or(value.name);
            settings.insert(name, setting);
            return Ok(());
        }
        self.check_own(path, &value.name)?;
        let key = self.database.make(path, &[], now_ms);
        key.written_ms = now_ms;
        key.values.insert(value.name.to_lowercase(), value);
        Ok(())
    }

    /// Deletes a value; 2 when there is none.
    pub(crate) fn delete_value(&mut self, path: &[String], name: &str, now_ms: u64) -> Result<(), u32> {
        self.key_value(path, name)?;
        if let Some(settings) = self.parameters_mut(path) {
            settings.retain(|own, _| !own.eq_ignore_ascii_case(name));
            return Ok(());
        }
        self.check_own(path, name)?;
        if let Some(key) = self.database.at_mut(path) {
            key.values.remove(&name.to_lowercase());
            key.written_ms = now_ms;
        }
        Ok(())
    }

    fn check_own(&self, path: &[String], name: &str) -> Result<(), u32> {
        if !self.has_key(path) {
            return Err(ERROR_FILE_NOT_FOUND);
        }
        let shown = view::values(self, path).unwrap_or_default();
        if shown.iter().any(|value| value.name.eq_ignore_ascii_case(name)) {
            Err(ERROR_ACCESS_DENIED)
        } else {
            Ok(())
        }
    }

    /// The private properties that a key shows.
    fn parameters_mut(&mut self, path: &[String]) -> Option<&mut Settings> {
        Some(match view::parameters_of(self, path)? {
            Owner::Group(id) => &mut self.group_mut(&id)?.private,
            Owner::Resource(id) => &mut self.resource_mut(&id)?.private,
            Owner::ResourceType(name) => &mut self.resource_type_mut(&name)?.private,
            Owner::Node(id) => &mut self.node_mut(id)?.private,
            Owner::Network(id) => &mut self.network_mut(&id)?.private,
            Owner::Interface(id) => &mut self.interface_mut(&id)?.private,
            Owner::Cluster | Owner::GroupSet(_) | Owner::Rule(_) => return None,
        })
    }

    /// The security descriptor of a key, when somebody has set one.
    pub(crate) fn key_security(&self, path: &[String]) -> Option<Vec<u8>> {
        self.database.at(path).and_then(|key| key.security.clone())
    }

    /// Sets it.
    pub(crate) fn set_key_security(&mut self, path: &[String], security: Vec<u8>, now_ms: u64) {
        let key = self.database.make(path, &[], now_ms);
        key.security = Some(security);
        key.written_ms = now_ms;
    }

    /// The simulated time of the last change of a key.
    pub(crate) fn key_written_ms(&self, path: &[String]) -> u64 {
        self.database.at(path).map_or(0, |key| key.written_ms)
    }
}

#[cfg(test)]
mod tests;

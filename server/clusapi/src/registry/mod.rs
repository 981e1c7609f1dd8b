//! The cluster database: keys and values that every node has the same of (facts 2.6).
#![expect(unsafe_code, reason = "C functions are called with handles and buffers of ours")]

mod batch;
mod reads;
mod security;
mod value;

pub use batch::BatchCommand;
pub use reads::{Read, ReadAnswer};
pub use value::RegistryValue;

use std::sync::Arc;

use crate::api::{check_code, check_status, entry};
use crate::error::Error;
use crate::handle::{
    Cluster, Connection, Group, Key, Network, NetworkInterface, Node, Opened as _, Resource, ResourceType,
};
use crate::numbers::RegistryType;
use crate::sys::constants::registry_disposition;
use crate::sys::types::{FILETIME, HKEY};
use crate::wide::{self, ATTEMPTS, AlignedBuffer, LONGEST_ANSWER, WideString, text};
use crate::win32::Win32;

/// Units of the longest name of a key, with the NUL: the registry's limit is 255.
const FIRST_NAME: u32 = 256;
/// Bytes of the first try for a value.
const FIRST_DATA: u32 = 1024;

/// A key below a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// The name.
    pub name: String,
    /// When it was changed last, in units of 100 ns since 1601.
    pub last_write: u64,
}

/// A value with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedValue {
    /// The name; empty for the value without one.
    pub name: String,
    /// The value.
    pub value: RegistryValue,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo {
    /// Number of keys below it.
    pub sub_keys: u32,
    /// Units of the longest of their names.
    pub longest_sub_key: u32,
    /// Number of its values.
    pub values: u32,
    /// Units of the longest of their names.
    pub longest_value_name: u32,
    /// Bytes of the longest of them.
    pub longest_value: u32,
    /// Bytes of its security descriptor.
    pub security_descriptor: u32,
    /// When it was changed last, in units of 100 ns since 1601.
    pub last_write: u64,
}

fn time(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

/// Writes the calls that open the key of an object.
macro_rules! keys {
    ($($(#[$doc:meta])* $type:ident::$method:ident by $function:ident;)+) => {
        $(
            impl $type {
                $(#[$doc])*
                /// The access is a [`registry_access`](crate::sys::constants::registry_access).
                ///
                /// # Errors
                ///
                /// [`Error::Call`].
                pub fn $method(&self, access: u32) -> Result<Key, Error> {
                    let connection: &Arc<Connection> = self.connection();
                    let open = entry!(connection.api, $function)?;
                    // SAFETY: The handle is open.
                    let raw: HKEY = unsafe { open(self.raw(), access) };
                    let raw = connection.api.check_handle(stringify!($function), raw)?;
                    Ok(Key::opened(connection, raw))
                }
            }
        )+
    };
}

keys! {
    /// Opens the root of the cluster database.
    Cluster::root_key by GetClusterKey;
    /// Opens the node's key.
    Node::key by GetClusterNodeKey;
    /// Opens the group's key.
    Group::key by GetClusterGroupKey;
    /// Opens the resource's key, below which `Parameters` has the private properties.
    Resource::key by GetClusterResourceKey;
    /// Opens the network's key.
    Network::key by GetClusterNetworkKey;
    /// Opens the network interface's key.
    NetworkInterface::key by GetClusterNetInterfaceKey;
}

impl ResourceType {
    /// Opens the type's key. The access is a [`registry_access`](crate::sys::constants::registry_access).
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn key(&self, access: u32) -> Result<Key, Error> {
        let open = entry!(self.connection.api, GetClusterResourceTypeKey)?;
        // SAFETY: The handle is open; the name ends with a NUL and outlives the call.
        let raw = unsafe { open(self.connection.raw, self.wide.as_ptr(), access) };
        let raw = self.connection.api.check_handle("GetClusterResourceTypeKey", raw)?;
        Ok(Key::opened(&self.connection, raw))
    }
}

impl Key {
    /// A key that a call has just opened for us.
    fn given(&self, function: &'static str, status: i32, raw: HKEY) -> Result<Self, Error> {
        check_status(function, status)?;
        if raw == 0 {
            return Err(Error::Answer {
                function,
                problem: "no key",
            });
        }
        Ok(Self::opened(&self.connection, raw))
    }

    /// Opens a key below this one, by its path.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 2 if there is none; [`Error::Text`].
    pub fn open(&self, sub_key: &str, access: u32) -> Result<Self, Error> {
        let open = entry!(self.api(), ClusterRegOpenKey)?;
        let sub_key = WideString::new("sub_key", sub_key)?;
        let mut raw = 0;
        // SAFETY: The key is open; the path ends with a NUL, and all arguments outlive the call.
        let status = unsafe { open(self.raw, sub_key.as_ptr(), access, &raw mut raw) };
        self.given("ClusterRegOpenKey", status, raw)
    }

    /// Opens a key below this one, and makes it if there is none; true if it was made.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`].
    pub fn create(&self, sub_key: &str, access: u32) -> Result<(Self, bool), Error> {
        let create = entry!(self.api(), ClusterRegCreateKey)?;
        let sub_key = WideString::new("sub_key", sub_key)?;
        let mut raw = 0;
        let mut disposition = 0;
        // SAFETY: The key is open; the path ends with a NUL, no security is given, and all arguments outlive the call.
        let status = unsafe {
            create(
                self.raw,
                sub_key.as_ptr(),
                0,
                access,
                core::ptr::null(),
                &raw mut raw,
                &raw mut disposition,
            )
        };
        let key = self.given("ClusterRegCreateKey", status, raw)?;
        Ok((key, disposition == registry_disposition::CREATED))
    }

    /// Deletes a key below this one, which must have no keys below it.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 2 if there is none; [`Error::Text`].
    pub fn delete_key(&self, sub_key: &str) -> Result<(), Error> {
        let delete = entry!(self.api(), ClusterRegDeleteKey)?;
        let sub_key = WideString::new("sub_key", sub_key)?;
        // SAFETY: The key is open; the path ends with a NUL and outlives the call.
        let status = unsafe { delete(self.raw, sub_key.as_ptr()) };
        check_status("ClusterRegDeleteKey", status)
    }

    /// The keys below this one from an index on, at most so many. A key that comes or goes between two pages moves the
    /// others.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn key_names(&self, from: u32, limit: usize) -> Result<Vec<KeyName>, Error> {
        const FUNCTION: &str = "ClusterRegEnumKey";
        let enumerate = entry!(self.api(), ClusterRegEnumKey)?;
        page(from, limit, |index| {
            let mut last_write = FILETIME::default();
            let name = wide::read_text(FUNCTION, |buffer, units| {
                // SAFETY: The key is open, the buffer has the size given, and all arguments outlive the call.
                let status = unsafe { enumerate(self.raw, index, buffer.as_mut_ptr(), units, &raw mut last_write) };
                Win32(status.cast_unsigned())
            })?;
            Ok(KeyName {
                name,
                last_write: time(last_write),
            })
        })
    }

    /// The values of the key from an index on, at most so many; as for [`Key::key_names`].
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn values(&self, from: u32, limit: usize) -> Result<Vec<NamedValue>, Error> {
        let [mut name, mut data] = [FIRST_NAME, FIRST_DATA];
        page(from, limit, |index| self.value_at(index, &mut name, &mut data))
    }

    /// The value at an index; the sizes of the buffers are those that the last one needed.
    fn value_at(&self, index: u32, name_size: &mut u32, data_size: &mut u32) -> Result<NamedValue, Error> {
        const FUNCTION: &str = "ClusterRegEnumValue";
        let enumerate = entry!(self.api(), ClusterRegEnumValue)?;
        for _ in 0..ATTEMPTS {
            let mut name = vec![0_u16; *name_size as usize];
            let mut data = vec![0_u8; *data_size as usize];
            let [mut units, mut bytes, mut kind] = [*name_size, *data_size, 0];
            // SAFETY: The key is open, the buffers have the sizes given, and all arguments outlive the call.
            let code = unsafe {
                enumerate(
                    self.raw,
                    index,
                    name.as_mut_ptr(),
                    &raw mut units,
                    &raw mut kind,
                    data.as_mut_ptr(),
                    &raw mut bytes,
                )
            };
            match Win32(code) {
                Win32::ERROR_SUCCESS => {
                    data.truncate(bytes as usize);
                    return Ok(NamedValue {
                        name: text(&name),
                        value: RegistryValue {
                            kind: RegistryType(kind),
                            data,
                        },
                    });
                }
                // Not every provider says which of the two is too small, so both grow if neither need is new.
                Win32::ERROR_MORE_DATA => {
                    let [name_need, data_need] = [units.saturating_add(1), bytes];
                    if name_need <= *name_size && data_need <= *data_size {
                        *name_size = name_size.saturating_mul(2);
                        *data_size = data_size.saturating_mul(2);
                    } else {
                        *name_size = name_need.max(*name_size);
                        *data_size = data_need.max(*data_size);
                    }
                }
                code => {
                    return Err(Error::Call {
                        function: FUNCTION,
                        code,
                    });
                }
            }
            if *name_size > LONGEST_ANSWER / 2 || *data_size > LONGEST_ANSWER {
                break;
            }
        }
        Err(Error::Call {
            function: FUNCTION,
            code: Win32::ERROR_MORE_DATA,
        })
    }

    /// A value by its name.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 2 if there is none; [`Error::Text`].
    pub fn value(&self, name: &str) -> Result<RegistryValue, Error> {
        const FUNCTION: &str = "ClusterRegQueryValue";
        let query = entry!(self.api(), ClusterRegQueryValue)?;
        let name = WideString::new("name", name)?;
        let mut kind = 0;
        let (buffer, length) = wide::read_bytes(FUNCTION, FIRST_DATA, |buffer: &mut AlignedBuffer, bytes| {
            // SAFETY: The key is open; the name ends with a NUL, the buffer has the size given, and all arguments
            // outlive the call.
            let status = unsafe { query(self.raw, name.as_ptr(), &raw mut kind, buffer.as_mut_ptr(), bytes) };
            Win32(status.cast_unsigned())
        })?;
        Ok(RegistryValue {
            kind: RegistryType(kind),
            data: buffer.bytes(length as usize).to_vec(),
        })
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::TooMany`].
    pub fn set_value(&self, name: &str, value: &RegistryValue) -> Result<(), Error> {
        let set = entry!(self.api(), ClusterRegSetValue)?;
        let name = WideString::new("name", name)?;
        let bytes = value.size()?;
        // SAFETY: The key is open; the name ends with a NUL, the data has the size given, and both outlive the call.
        let code = unsafe { set(self.raw, name.as_ptr(), value.kind.0, value.data.as_ptr(), bytes) };
        check_code("ClusterRegSetValue", code)
    }

    /// Deletes a value.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 2 if there is none; [`Error::Text`].
    pub fn delete_value(&self, name: &str) -> Result<(), Error> {
        let delete = entry!(self.api(), ClusterRegDeleteValue)?;
        let name = WideString::new("name", name)?;
        // SAFETY: The key is open; the name ends with a NUL and outlives the call.
        let code = unsafe { delete(self.raw, name.as_ptr()) };
        check_code("ClusterRegDeleteValue", code)
    }

    /// What the key holds.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn info(&self) -> Result<KeyInfo, Error> {
        let query = entry!(self.api(), ClusterRegQueryInfoKey)?;
        let mut info = KeyInfo::default();
        let mut last_write = FILETIME::default();
        // SAFETY: The key is open, and all arguments outlive the call.
        let status = unsafe {
            query(
                self.raw,
                &raw mut info.sub_keys,
                &raw mut info.longest_sub_key,
                &raw mut info.values,
                &raw mut info.longest_value_name,
                &raw mut info.longest_value,
                &raw mut info.security_descriptor,
                &raw mut last_write,
            )
        };
        check_status("ClusterRegQueryInfoKey", status)?;
        info.last_write = time(last_write);
        Ok(info)
    }

    /// The key's security descriptor in self-relative form: those of its parts that are asked for, as
    /// [`security_information`](crate::sys::constants::security_information).
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn security(&self, information: u32) -> Result<Vec<u8>, Error> {
        const FUNCTION: &str = "ClusterRegGetKeySecurity";
        let get = entry!(self.api(), ClusterRegGetKeySecurity)?;
        let (buffer, length) = wide::read_bytes(FUNCTION, FIRST_DATA, |buffer: &mut AlignedBuffer, bytes| {
            // SAFETY: The key is open, the buffer has the size given, and both outlive the call.
            let status = unsafe { get(self.raw, information, buffer.as_mut_ptr(), bytes) };
            match Win32(status.cast_unsigned()) {
                // This call says so where others say 234 (facts 2.6).
                Win32::ERROR_INSUFFICIENT_BUFFER => Win32::ERROR_MORE_DATA,
                code => code,
            }
        })?;
        Ok(buffer.bytes(length as usize).to_vec())
    }

    /// Changes the key's security: those parts of a self-relative descriptor that are named, as for [`Key::security`].
    ///
    /// # Errors
    ///
    /// [`Error::Call`]; [`Error::Malformed`] for a descriptor that C could not be given, since it has no size.
    pub fn set_security(&self, information: u32, descriptor: &[u8]) -> Result<(), Error> {
        let set = entry!(self.api(), ClusterRegSetKeySecurity)?;
        security::check(descriptor).map_err(|problem| Error::Malformed {
            field: "security descriptor",
            problem,
        })?;
        let mut aligned = AlignedBuffer::of(descriptor);
        // SAFETY: The key is open; everything that the descriptor refers to lies within it, as just tested, it is
        // aligned, and it outlives the call.
        let status = unsafe { set(self.raw, information, aligned.as_mut_ptr()) };
        check_status("ClusterRegSetKeySecurity", status)
    }
}

/// Reads index by index from one on, until there are no more or enough.
fn page<T>(from: u32, limit: usize, mut read: impl FnMut(u32) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    for index in from..=u32::MAX {
        if found.len() == limit {
            break;
        }
        match read(index) {
            Ok(entry) => found.push(entry),
            Err(Error::Call {
                code: Win32::ERROR_NO_MORE_ITEMS,
                ..
            }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;

//! Enumerations: open, index by index until the end, close (facts 2.1). Each is a snapshot of the moment it was opened.
#![expect(unsafe_code, reason = "C functions are called with buffers of ours")]

mod items;
mod names;

pub use items::{GroupItem, ResourceItem};

use crate::api::{check_code, entry};
use crate::error::Error;
use crate::handle::{Cluster, Node, Opened as _};
use crate::sys::constants::{CLUSTER_ENUM_ITEM_VERSION_1, cluster_enum, node_enum};
use crate::sys::types::{CLUSTER_ENUM_ITEM, PWSTR};
use crate::wide::{self, ReusedBuffer};
use crate::win32::Win32;

/// Size of the first try for one item in bytes: the struct and two short names (facts 2.1).
const FIRST_TRY: u32 = 256;

/// An object found by an enumeration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// The id. Absent where Windows is too old to tell it with the name.
    pub id: Option<String>,
    /// The name.
    pub name: String,
}

/// The C functions that end an enumeration have one shape.
type CloseFunction = unsafe extern "system" fn(isize) -> u32;

/// An open enumeration. It lives within one call of the object that it was opened through.
struct Enumeration {
    raw: isize,
    function: &'static str,
    close: Option<CloseFunction>,
}

impl Drop for Enumeration {
    fn drop(&mut self) {
        let Some(close) = self.close else { return };
        // SAFETY: The enumeration is open, and closed here only.
        let code = unsafe { close(self.raw) };
        if let Err(error) = check_code(self.function, code) {
            tracing::warn!(%error, "Closing an enumeration failed");
        }
    }
}

/// Opens an enumeration through an object: the C functions that open and close it, and what the first takes.
macro_rules! open {
    ($api:expr, $open:ident($($argument:expr),+), $close:ident) => {{
        let api = $api;
        let open = $crate::api::entry!(api, $open)?;
        // SAFETY: The handle is open; texts end with a NUL, lists have the sizes given, and all outlive the call.
        let raw = unsafe { open($($argument),+) };
        Enumeration {
            raw: api.check_handle(stringify!($open), raw)?,
            function: stringify!($close),
            close: api.table().$close,
        }
    }};
}
use open;

/// Reads index by index until there are no more.
fn collect<T>(mut read: impl FnMut(u32) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    let mut objects = Vec::new();
    for index in 0..=u32::MAX {
        match read(index) {
            Ok(object) => objects.push(object),
            Err(Error::Call {
                code: Win32::ERROR_NO_MORE_ITEMS,
                ..
            }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(objects)
}

impl Cluster {
    /// The nodes.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn nodes(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(cluster_enum::NODE)
    }

    /// The groups.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn groups(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(cluster_enum::GROUP)
    }

    /// The resources.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn resources(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(cluster_enum::RESOURCE)
    }

    /// The resource types.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn resource_types(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(cluster_enum::RESOURCE_TYPE)
    }

    /// The networks.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn networks(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(cluster_enum::NETWORK)
    }

    /// The networks for internal traffic, the preferred first.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn networks_by_priority(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(cluster_enum::INTERNAL_NETWORK)
    }

    /// The network interfaces.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn network_interfaces(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(cluster_enum::NETWORK_INTERFACE)
    }

    /// The disks that are cluster shared volumes.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn shared_volumes(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(cluster_enum::SHARED_VOLUME_RESOURCE)
    }

    /// The objects of the given [kinds](cluster_enum), as they were at one moment.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], and [`Error::Answer`] if an item points outside its buffer.
    pub fn objects(&self, kinds: u32) -> Result<Vec<ObjectName>, Error> {
        if !self.api().is_supported("ClusterOpenEnumEx") {
            let names = self.object_names(kinds)?.into_iter();
            return Ok(names.map(|name| ObjectName { id: None, name }).collect());
        }
        let enumeration = open!(
            self.api(),
            ClusterOpenEnumEx(self.as_raw(), kinds, core::ptr::null()),
            ClusterCloseEnumEx
        );
        enumeration.items("ClusterEnumEx", entry!(self.api(), ClusterEnumEx)?)
    }
}

impl Node {
    /// The groups that the node owns now.
    ///
    /// # Errors
    ///
    /// As [`Node::objects`].
    pub fn groups(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(node_enum::GROUPS)
    }

    /// The groups that prefer the node.
    ///
    /// # Errors
    ///
    /// As [`Node::objects`].
    pub fn preferring_groups(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(node_enum::PREFERRED_GROUPS)
    }

    /// The network interfaces of the node.
    ///
    /// # Errors
    ///
    /// As [`Node::objects`].
    pub fn interfaces(&self) -> Result<Vec<ObjectName>, Error> {
        self.objects(node_enum::NETWORK_INTERFACES)
    }

    /// The objects of the given [kinds](node_enum) that belong to the node.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], and [`Error::Answer`] if an item points outside its buffer.
    pub fn objects(&self, kinds: u32) -> Result<Vec<ObjectName>, Error> {
        if !self.api().is_supported("ClusterNodeOpenEnumEx") {
            let names = self.object_names(kinds)?.into_iter();
            return Ok(names.map(|name| ObjectName { id: None, name }).collect());
        }
        let enumeration = open!(
            self.api(),
            ClusterNodeOpenEnumEx(self.raw, kinds, core::ptr::null()),
            ClusterNodeCloseEnumEx
        );
        enumeration.items("ClusterNodeEnumEx", entry!(self.api(), ClusterNodeEnumEx)?)
    }
}

impl Enumeration {
    /// Reads an enumeration with ids and names.
    fn items(
        &self,
        name: &'static str,
        function: unsafe extern "system" fn(isize, u32, *mut CLUSTER_ENUM_ITEM, *mut u32) -> u32,
    ) -> Result<Vec<ObjectName>, Error> {
        const EMPTY: CLUSTER_ENUM_ITEM = CLUSTER_ENUM_ITEM {
            dwVersion: CLUSTER_ENUM_ITEM_VERSION_1,
            dwType: 0,
            cbId: 0,
            lpszId: core::ptr::null_mut(),
            cbName: 0,
            lpszName: core::ptr::null_mut(),
        };
        let mut buffer = ReusedBuffer::new(FIRST_TRY);
        collect(|index| {
            let buffer = buffer.read(name, |buffer, bytes| {
                let item = buffer.as_mut_ptr::<CLUSTER_ENUM_ITEM>();
                // SAFETY: The buffer is larger than the struct and aligned.
                unsafe { item.write(EMPTY) };
                // SAFETY: The enumeration is open, and the buffer has the size given.
                Win32(unsafe { function(self.raw, index, item, bytes) })
            })?;
            let base = buffer.as_mut_ptr::<CLUSTER_ENUM_ITEM>();
            // SAFETY: The buffer is larger than the struct and aligned, and any bytes are a valid struct of numbers and
            // pointers.
            let item = unsafe { base.read() };
            // Not every provider tells the length on success, so the buffer's own end is what bounds the strings.
            let place = Place {
                function: name,
                bytes: buffer.bytes(usize::MAX),
                base: base.addr(),
            };
            Ok(ObjectName {
                id: Some(place.text(item.lpszId, item.cbId)?),
                name: place.text(item.lpszName, item.cbName)?,
            })
        })
    }
}

/// A buffer with an item whose strings and lists lie in it. Their addresses are only reckoned with, not read through.
struct Place<'a> {
    function: &'static str,
    bytes: &'a [u8],
    base: usize,
}

impl<'a> Place<'a> {
    /// The bytes at an address.
    fn within(&self, address: usize, size: u32, problem: &'static str) -> Result<&'a [u8], Error> {
        if address == 0 || size == 0 {
            return Ok(&[]);
        }
        address
            .checked_sub(self.base)
            .and_then(|start| self.bytes.get(start..))
            .and_then(|rest| rest.get(..size as usize))
            .ok_or(Error::Answer {
                function: self.function,
                problem,
            })
    }

    fn text(&self, string: PWSTR, size: u32) -> Result<String, Error> {
        let bytes = self.within(string.addr(), size, "a string outside of its item")?;
        Ok(wide::text_of_bytes(bytes))
    }
}

#[cfg(test)]
mod tests;

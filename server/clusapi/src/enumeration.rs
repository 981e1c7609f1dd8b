//! Enumerations: open, index by index until the end, close (facts 2.1).
#![expect(unsafe_code, reason = "C functions are called with buffers of ours")]

use crate::api::{Clusapi, check_code, entry};
use crate::error::Error;
use crate::handle::Cluster;
use crate::sys::constants::{CLUSTER_ENUM_ITEM_VERSION_1, cluster_enum};
use crate::sys::types::{CLUSTER_ENUM_ITEM, HCLUSENUM, HCLUSENUMEX, PWSTR};
use crate::wide::{self, AlignedBuffer};
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

    /// The objects of the given [kinds](cluster_enum), as they were at one moment.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], and [`Error::Answer`] if an item points outside its buffer.
    pub fn objects(&self, kinds: u32) -> Result<Vec<ObjectName>, Error> {
        if self.api().is_supported("ClusterOpenEnumEx") {
            ItemEnumeration::open(self, kinds)?.collect()
        } else {
            NameEnumeration::open(self, kinds)?.collect()
        }
    }
}

/// An open enumeration with ids and names.
struct ItemEnumeration<'a> {
    api: &'a Clusapi,
    raw: HCLUSENUMEX,
}

impl<'a> ItemEnumeration<'a> {
    fn open(cluster: &'a Cluster, kinds: u32) -> Result<Self, Error> {
        let api = cluster.api();
        let open = entry!(api, ClusterOpenEnumEx)?;
        // SAFETY: The handle is open, and there are no options.
        let raw = unsafe { open(cluster.as_raw(), kinds, core::ptr::null()) };
        Ok(Self {
            api,
            raw: api.check_handle("ClusterOpenEnumEx", raw)?,
        })
    }

    fn collect(self) -> Result<Vec<ObjectName>, Error> {
        let function = entry!(self.api, ClusterEnumEx)?;
        collect(|index| {
            let (buffer, _) = wide::read_bytes("ClusterEnumEx", FIRST_TRY, |buffer, bytes| {
                let item = buffer.as_mut_ptr::<CLUSTER_ENUM_ITEM>();
                // SAFETY: The buffer is larger than the struct, aligned, and its version comes first.
                unsafe { (*item).dwVersion = CLUSTER_ENUM_ITEM_VERSION_1 };
                // SAFETY: The enumeration is open, and the buffer has the size given.
                Win32(unsafe { function(self.raw, index, item, bytes) })
            })?;
            item(buffer)
        })
    }
}

impl Drop for ItemEnumeration<'_> {
    fn drop(&mut self) {
        if let Some(close) = self.api.table().ClusterCloseEnumEx {
            // SAFETY: The enumeration is open, and closed here only.
            let code = unsafe { close(self.raw) };
            log_close(check_code("ClusterCloseEnumEx", code));
        }
    }
}

/// Reads an item whose strings lie in the same buffer.
fn item(mut buffer: AlignedBuffer) -> Result<ObjectName, Error> {
    let base = buffer.as_mut_ptr::<CLUSTER_ENUM_ITEM>();
    // SAFETY: The buffer is larger than the struct and aligned, and any bytes are a valid struct of numbers and pointers.
    let item = unsafe { base.read() };
    // Not every provider tells the length on success, so the buffer's own end is what bounds the strings.
    let bytes = buffer.bytes(usize::MAX);
    let text = |string: PWSTR, size: u32| text_within(bytes, base.addr(), string, size);
    Ok(ObjectName {
        id: Some(text(item.lpszId, item.cbId)?),
        name: text(item.lpszName, item.cbName)?,
    })
}

/// The string at an address within a buffer that begins at `base`. The address is only reckoned with, not read through.
fn text_within(buffer: &[u8], base: usize, string: PWSTR, size: u32) -> Result<String, Error> {
    if string.is_null() || size == 0 {
        return Ok(String::new());
    }
    let bytes = string
        .addr()
        .checked_sub(base)
        .and_then(|start| buffer.get(start..))
        .and_then(|rest| rest.get(..size as usize))
        .ok_or(Error::Answer {
            function: "ClusterEnumEx",
            problem: "a string outside of its item",
        })?;
    let units: Vec<u16> = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .collect();
    Ok(wide::text(&units))
}

/// An open enumeration by name, for a Windows that has no other.
struct NameEnumeration<'a> {
    api: &'a Clusapi,
    raw: HCLUSENUM,
}

impl<'a> NameEnumeration<'a> {
    fn open(cluster: &'a Cluster, kinds: u32) -> Result<Self, Error> {
        let api = cluster.api();
        let open = entry!(api, ClusterOpenEnum)?;
        // SAFETY: The handle is open.
        let raw = unsafe { open(cluster.as_raw(), kinds) };
        Ok(Self {
            api,
            raw: api.check_handle("ClusterOpenEnum", raw)?,
        })
    }

    fn collect(self) -> Result<Vec<ObjectName>, Error> {
        let function = entry!(self.api, ClusterEnum)?;
        collect(|index| {
            let name = wide::read_text("ClusterEnum", |buffer, units| {
                let mut kind = 0;
                // SAFETY: The enumeration is open, and the buffer has the size given.
                Win32(unsafe { function(self.raw, index, &raw mut kind, buffer.as_mut_ptr(), units) })
            })?;
            Ok(ObjectName { id: None, name })
        })
    }
}

impl Drop for NameEnumeration<'_> {
    fn drop(&mut self) {
        if let Some(close) = self.api.table().ClusterCloseEnum {
            // SAFETY: The enumeration is open, and closed here only.
            let code = unsafe { close(self.raw) };
            log_close(check_code("ClusterCloseEnum", code));
        }
    }
}

/// Reads index by index until there are no more.
fn collect(mut read: impl FnMut(u32) -> Result<ObjectName, Error>) -> Result<Vec<ObjectName>, Error> {
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

fn log_close(closed: Result<(), Error>) {
    if let Err(error) = closed {
        tracing::warn!(%error, "Closing an enumeration failed");
    }
}

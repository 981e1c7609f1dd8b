//! Enumerations: a snapshot at the open call, 234 for too little room, 259 at the end (facts 2.1).

mod contents;
mod items;
mod plain;

pub(super) use items::{group_items, resource_items};
pub(super) use plain::{cluster, group, group_set, interface, network, node, resource, resource_type};

use std::sync::Arc;

use wsfc_clusapi::sys::constants::CLUSTER_ENUM_ITEM_VERSION_1;
use wsfc_clusapi::sys::types::{CLUSTER_ENUM_ITEM, PWSTR};

use super::{Answer, handle, put_text};
use crate::handles::{self, Enumeration, Item, Object};
use crate::memory;
use crate::proplist;
use crate::win32::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS};

/// The items of an enumeration handle of a kind.
fn listed(handle: isize, kind: Enumeration) -> Answer<Arc<[Item]>> {
    match handles::get(handle)?.1 {
        Object::Enumeration(own, items) if own == kind => Ok(items),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

/// A count has no room for an error: 0 and the last error say it.
fn count(items: Answer<usize>) -> u32 {
    let count = handle(|| items.and_then(|count| isize::try_from(count).map_err(|_| ERROR_INVALID_HANDLE)));
    u32::try_from(count).unwrap_or(0)
}

fn at<T>(items: &[T], index: u32) -> Answer<&T> {
    usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index))
        .ok_or(ERROR_NO_MORE_ITEMS)
}

/// Hands an item out by its kind and name.
///
/// # Safety
///
/// `kind` must be NULL or valid, `name` NULL or writable for `*units` units, `units` NULL or valid.
unsafe fn next_name(items: &[Item], index: u32, kind: *mut u32, name: PWSTR, units: *mut u32) -> Answer<()> {
    let item = at(items, index)?;
    // SAFETY: The caller passes NULL or a place for a DWORD.
    unsafe { memory::write(kind, item.kind) };
    // SAFETY: The caller passes a buffer with its count.
    unsafe { put_text(&item.name, name, units) }
}

/// Lays strings and lists out behind a struct: their places in the caller's buffer.
struct Tail {
    base: *mut u8,
    bytes: Vec<u8>,
    head: usize,
    /// A fault wants the sizes to be far too large.
    wild: bool,
}

impl Tail {
    fn new<T>(item: *mut T) -> Self {
        Self {
            base: item.cast(),
            bytes: Vec::new(),
            head: size_of::<T>(),
            wild: false,
        }
    }

    /// Appends bytes, aligned to 4: their size and place.
    fn add<P>(&mut self, bytes: &[u8]) -> (u32, *mut P) {
        const WILD: u32 = 0x7FFF_FFF0;
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let place = self.base.wrapping_add(self.head + self.bytes.len());
        self.bytes.extend(bytes);
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        (if self.wild { WILD } else { size }, place.cast())
    }

    /// Appends text.
    fn text<P>(&mut self, text: &str) -> (u32, *mut P) {
        self.add(&proplist::text(text))
    }

    /// Writes struct and tail when the buffer has room for both; 234 with the need otherwise.
    ///
    /// # Safety
    ///
    /// `size` must be valid, and `item` writable for `*size` bytes.
    unsafe fn put<T: Copy>(self, item: *mut T, value: T, size: *mut u32) -> Answer<()> {
        let need = u32::try_from(self.head + self.bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: The caller has checked that the size is not NULL.
        let room = unsafe { memory::read(size) };
        // SAFETY: The same.
        unsafe { memory::write(size, need) };
        if room < need {
            return Err(ERROR_MORE_DATA);
        }
        // SAFETY: The buffer has room for the struct.
        unsafe { memory::write(item, value) };
        // SAFETY: The buffer has room for the tail behind the struct.
        unsafe { memory::write_bytes(self.base.wrapping_add(self.head), &self.bytes) };
        Ok(())
    }
}

/// Checks an item and its size, and reads the version, which comes first.
///
/// # Safety
///
/// `size` must be NULL or valid, and `item` NULL or readable for `*size` bytes.
unsafe fn check_item<T>(item: *mut T, size: *mut u32) -> Answer<()> {
    if item.is_null() || size.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: The size is not NULL.
    if unsafe { memory::read(size) } < 4 {
        return Ok(());
    }
    // SAFETY: The buffer has room for the version.
    if unsafe { memory::read(item.cast::<u32>()) } == CLUSTER_ENUM_ITEM_VERSION_1 {
        Ok(())
    } else {
        Err(ERROR_INVALID_PARAMETER)
    }
}

/// Hands an item out with its id.
///
/// # Safety
///
/// As [`check_item`].
unsafe fn next_item(items: &[Item], index: u32, out: *mut CLUSTER_ENUM_ITEM, size: *mut u32) -> Answer<()> {
    let item = at(items, index)?;
    // SAFETY: The caller passes a buffer with its size.
    unsafe { check_item(out, size)? };
    let mut tail = Tail::new(out);
    let (id_bytes, id) = tail.text(&item.id);
    let (name_bytes, name) = tail.text(&item.name);
    let value = CLUSTER_ENUM_ITEM {
        dwVersion: CLUSTER_ENUM_ITEM_VERSION_1,
        dwType: item.kind,
        cbId: id_bytes,
        lpszId: id,
        cbName: name_bytes,
        lpszName: name,
    };
    // SAFETY: The size was checked not to be NULL, and the item has that many bytes.
    unsafe { tail.put(out, value, size) }
}

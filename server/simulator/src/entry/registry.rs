//! The cluster database as a registry (facts 2.6). Most of its functions return a code in a signed number.

mod batch;

pub(super) use batch::{
    add_command, add_read, close as close_batch, close_read, close_reply, create as create_batch, create_read,
    next_reply,
};

use std::sync::Arc;

use wsfc_clusapi::sys::constants::{notify_object, notify_registry, registry_disposition};
use wsfc_clusapi::sys::types::{
    FILETIME, HCLUSTER, HGROUP, HKEY, HNETINTERFACE, HNETWORK, HNODE, HRESOURCE, PCWSTR, PSECURITY_DESCRIPTOR, PWSTR,
    SECURITY_ATTRIBUTES,
};

use super::{
    Answer, cluster_of, code, group_of, handle, interface_of, network_of, node_of, put_text, required, resource_of,
};
use crate::handles::{self, Object};
use crate::memory;
use crate::simulation::{Inner, State};
use crate::win32::{
    ERROR_FILE_NOT_FOUND, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_MORE_DATA,
    ERROR_NO_MORE_ITEMS,
};
use crate::world::access::SecurityDescriptor;
use crate::world::cluster::Cluster;
use crate::world::events::Event;
use crate::world::properties::{Found, Owner};
use crate::world::registry::{Path, Value, path_of, split};

/// The convention of calls that return a code in a signed number.
fn signed(call: impl FnOnce() -> Answer<()>) -> i32 {
    code(call).cast_signed()
}

/// The world, cluster id and path of a key handle, at the begin of a call.
fn key_of(key: HKEY, call: &'static str) -> Answer<(Arc<Inner>, String, Arc<Path>)> {
    match handles::get(key)? {
        (world, Object::Key { cluster, path }) => {
            world.enter(call)?;
            Ok((world, cluster, path))
        }
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

fn open_path(world: &Arc<Inner>, cluster: String, path: Path) -> HKEY {
    let path = Arc::new(path);
    handles::open(world, Object::Key { cluster, path })
}

/// A key below another one. Without a name it is the same key (guess).
///
/// # Safety
///
/// `name` must be NULL or point to a NUL-terminated string.
unsafe fn below(path: &Path, name: PCWSTR) -> Answer<Path> {
    // SAFETY: The caller's promise.
    let name = unsafe { memory::text(name) }.unwrap_or_default();
    Ok(path.iter().cloned().chain(split(&name)?).collect())
}

/// Reads a key, which must be there.
fn read<R>(world: &Inner, cluster: &str, read: impl FnOnce(&Cluster) -> Answer<R>) -> Answer<R> {
    read(world.lock().serving(cluster)?)
}

/// Changes the database, and tells of the key.
fn write<R>(
    world: &Inner,
    cluster: &str,
    path: &[String],
    flag: i64,
    write: impl FnOnce(&mut Cluster, u64) -> Answer<R>,
) -> Answer<R> {
    world.change(|state| {
        state.serving(cluster)?;
        let now_ms = state.clock.now_ms();
        let found = state.world.cluster_mut(cluster).ok_or(ERROR_FILE_NOT_FOUND)?;
        let result = write(found, now_ms)?;
        tell(state, cluster, path, flag);
        Ok(result)
    })
}

/// Tells of a key: its path is object id and name (guess).
fn tell(state: &mut State, cluster: &str, path: &[String], flag: i64) {
    let path = path.join("\\");
    let event = Event::new(cluster, notify_object::REGISTRY, flag, &path, &path);
    state.world.events.push(event);
}

pub(super) unsafe extern "system" fn cluster_key(cluster: HCLUSTER, _access: u32) -> HKEY {
    handle(|| {
        let (world, id) = cluster_of(cluster, "GetClusterKey")?;
        read(&world, &id, |_| Ok(()))?;
        Ok(open_path(&world, id, Path::new()))
    })
}

/// The key of an object, as long as it is there.
fn object_key((world, cluster, owner): (Arc<Inner>, String, Owner)) -> Answer<HKEY> {
    read(&world, &cluster, |found| Found::of(found, &owner).map(|_| ()))?;
    Ok(open_path(&world, cluster, path_of(&owner)))
}

/// The function that opens the key of an object by its handle.
macro_rules! key_function {
    ($function:ident, $handle:ty, $name:literal, $resolve:ident, $owner:ident) => {
        pub(super) unsafe extern "system" fn $function(object: $handle, _access: u32) -> HKEY {
            handle(|| {
                let (world, cluster, id) = $resolve(object, $name)?;
                object_key((world, cluster, Owner::$owner(id)))
            })
        }
    };
}

key_function!(node_key, HNODE, "GetClusterNodeKey", node_of, Node);
key_function!(group_key, HGROUP, "GetClusterGroupKey", group_of, Group);
key_function!(resource_key, HRESOURCE, "GetClusterResourceKey", resource_of, Resource);
key_function!(network_key, HNETWORK, "GetClusterNetworkKey", network_of, Network);
key_function!(
    interface_key,
    HNETINTERFACE,
    "GetClusterNetInterfaceKey",
    interface_of,
    Interface
);

pub(super) unsafe extern "system" fn type_key(cluster: HCLUSTER, type_name: PCWSTR, _access: u32) -> HKEY {
    handle(|| {
        let (world, cluster) = cluster_of(cluster, "GetClusterResourceTypeKey")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(type_name)? };
        object_key((world, cluster, Owner::ResourceType(name)))
    })
}

pub(super) unsafe extern "system" fn open(key: HKEY, sub_key: PCWSTR, _access: u32, opened: *mut HKEY) -> i32 {
    signed(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegOpenKey")?;
        if opened.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        // SAFETY: The caller passes NULL or a string.
        let path = unsafe { below(&path, sub_key)? };
        let is_there = read(&world, &cluster, |found| Ok(found.has_key(&path)))?;
        if !is_there {
            return Err(ERROR_FILE_NOT_FOUND);
        }
        // SAFETY: There is a place for the handle.
        unsafe { memory::write(opened, open_path(&world, cluster, path)) };
        Ok(())
    })
}

pub(super) unsafe extern "system" fn create(
    key: HKEY,
    sub_key: PCWSTR,
    _options: u32,
    _access: u32,
    _security: *const SECURITY_ATTRIBUTES,
    opened: *mut HKEY,
    disposition: *mut u32,
) -> i32 {
    signed(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegCreateKey")?;
        if opened.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(sub_key)? };
        let full: Path = path.iter().cloned().chain(split(&name)?).collect();
        let is_there = read(&world, &cluster, |found| Ok(found.has_key(&full)))?;
        if !is_there {
            write(&world, &cluster, &full, notify_registry::NAME, |found, now_ms| {
                found.make_key(&path, &name, now_ms)
            })?;
        }
        let done = if is_there {
            registry_disposition::OPENED
        } else {
            registry_disposition::CREATED
        };
        // SAFETY: There is a place for the handle.
        unsafe { memory::write(opened, open_path(&world, cluster, full)) };
        // SAFETY: The caller passes NULL or a place for a DWORD.
        unsafe { memory::write(disposition, done) };
        Ok(())
    })
}

pub(super) unsafe extern "system" fn close(key: HKEY) -> i32 {
    signed(|| handles::close(key, |object| matches!(object, Object::Key { .. })))
}

pub(super) unsafe extern "system" fn delete(key: HKEY, sub_key: PCWSTR) -> i32 {
    signed(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegDeleteKey")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(sub_key)? };
        let full: Path = path.iter().cloned().chain(split(&name)?).collect();
        write(&world, &cluster, &full, notify_registry::NAME, |found, _| {
            found.delete_key(&full)
        })
    })
}

/// Simulated time as the system counts it: from an arbitrary day, 1 January 2024.
fn file_time(ms: u64) -> FILETIME {
    const BEGIN: u64 = 133_485_408_000_000_000;
    const PER_MS: u64 = 10_000;
    let time = BEGIN + ms.saturating_mul(PER_MS);
    let half = |bits: u64| u32::try_from(bits & 0xFFFF_FFFF).unwrap_or_default();
    FILETIME {
        dwLowDateTime: half(time),
        dwHighDateTime: half(time >> 32),
    }
}

fn nth<T>(items: &[T], index: u32) -> Answer<&T> {
    usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index))
        .ok_or(ERROR_NO_MORE_ITEMS)
}

pub(super) unsafe extern "system" fn enum_key(
    key: HKEY,
    index: u32,
    name: PWSTR,
    name_units: *mut u32,
    written: *mut FILETIME,
) -> i32 {
    signed(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegEnumKey")?;
        let (found, time) = read(&world, &cluster, |found| {
            let names = found.key_names(&path)?;
            let name = nth(&names, index)?.clone();
            let below: Path = path.iter().cloned().chain([name.to_lowercase()]).collect();
            Ok((name, file_time(found.key_written_ms(&below))))
        })?;
        // SAFETY: The caller passes NULL or a place for a time.
        unsafe { memory::write(written, time) };
        // SAFETY: The caller passes a buffer with its count.
        unsafe { put_text(&found, name, name_units) }
    })
}

/// Hands a value's type and bytes over: without a buffer only the size, 234 with the need for one that is too small.
///
/// # Safety
///
/// `kind` and `size` must be NULL or valid, `data` NULL or writable for `*size` bytes.
unsafe fn put_value(value: &Value, kind: *mut u32, data: *mut u8, size: *mut u32) -> Answer<()> {
    // SAFETY: The caller passes NULL or a place for a DWORD.
    unsafe { memory::write(kind, value.kind) };
    if size.is_null() {
        return if data.is_null() {
            Ok(())
        } else {
            Err(ERROR_INVALID_PARAMETER)
        };
    }
    let need = u32::try_from(value.data.len()).unwrap_or(u32::MAX);
    // SAFETY: The size is not NULL.
    let room = unsafe { memory::read(size) };
    // SAFETY: The size is not NULL.
    unsafe { memory::write(size, need) };
    if data.is_null() {
        return Ok(());
    }
    if room < need {
        return Err(ERROR_MORE_DATA);
    }
    // SAFETY: The buffer has room.
    unsafe { memory::write_bytes(data, &value.data) };
    Ok(())
}

pub(super) unsafe extern "system" fn enum_value(
    key: HKEY,
    index: u32,
    name: PWSTR,
    name_units: *mut u32,
    kind: *mut u32,
    data: *mut u8,
    size: *mut u32,
) -> u32 {
    code(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegEnumValue")?;
        let value = read(&world, &cluster, |found| {
            let values = found.key_values(&path)?;
            nth(&values, index).cloned()
        })?;
        // SAFETY: The caller passes a buffer with its count.
        let first = unsafe { put_text(&value.name, name, name_units) };
        // SAFETY: The caller passes a buffer with its size, or NULL.
        let second = unsafe { put_value(&value, kind, data, size) };
        first.and(second)
    })
}

pub(super) unsafe extern "system" fn query_value(
    key: HKEY,
    name: PCWSTR,
    kind: *mut u32,
    data: *mut u8,
    size: *mut u32,
) -> i32 {
    signed(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegQueryValue")?;
        // SAFETY: The caller passes NULL or a string; without a name it is the default value.
        let name = unsafe { memory::text(name) }.unwrap_or_default();
        let value = read(&world, &cluster, |found| found.key_value(&path, &name))?;
        // SAFETY: The caller passes a buffer with its size, or NULL.
        unsafe { put_value(&value, kind, data, size) }
    })
}

pub(super) unsafe extern "system" fn set_value(key: HKEY, name: PCWSTR, kind: u32, data: *const u8, size: u32) -> u32 {
    code(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegSetValue")?;
        // SAFETY: The caller passes NULL or a string; without a name it is the default value.
        let name = unsafe { memory::text(name) }.unwrap_or_default();
        if data.is_null() && size > 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let count = usize::try_from(size).map_err(|_| ERROR_INVALID_PARAMETER)?;
        // SAFETY: The caller passes as many bytes as the size says.
        let data = unsafe { memory::read_bytes(data, count) };
        write(&world, &cluster, &path, notify_registry::VALUE, |found, now_ms| {
            found.write_value(&path, Value { name, kind, data }, now_ms)
        })
    })
}

pub(super) unsafe extern "system" fn delete_value(key: HKEY, name: PCWSTR) -> u32 {
    code(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegDeleteValue")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { memory::text(name) }.unwrap_or_default();
        write(&world, &cluster, &path, notify_registry::VALUE, |found, now_ms| {
            found.delete_value(&path, &name, now_ms)
        })
    })
}

pub(super) unsafe extern "system" fn query_info(
    key: HKEY,
    keys: *mut u32,
    longest_key: *mut u32,
    values: *mut u32,
    longest_name: *mut u32,
    longest_value: *mut u32,
    security: *mut u32,
    written: *mut FILETIME,
) -> i32 {
    signed(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegQueryInfoKey")?;
        let (own_keys, own_values, descriptor, time) = read(&world, &cluster, |found| {
            let descriptor = security_of(found, &path).len();
            let time = file_time(found.key_written_ms(&path));
            Ok((found.key_names(&path)?, found.key_values(&path)?, descriptor, time))
        })?;
        let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let longest = |sizes: &mut dyn Iterator<Item = usize>| size(sizes.max().unwrap_or_default());
        let units = |text: &str| text.encode_utf16().count();
        let numbers = [
            (keys, size(own_keys.len())),
            (longest_key, longest(&mut own_keys.iter().map(|name| units(name)))),
            (values, size(own_values.len())),
            (
                longest_name,
                longest(&mut own_values.iter().map(|value| units(&value.name))),
            ),
            (
                longest_value,
                longest(&mut own_values.iter().map(|value| value.data.len())),
            ),
            (security, size(descriptor)),
        ];
        for (place, number) in numbers {
            // SAFETY: The caller passes NULL or a place for a DWORD.
            unsafe { memory::write(place, number) };
        }
        // SAFETY: The caller passes NULL or a place for a time.
        unsafe { memory::write(written, time) };
        Ok(())
    })
}

/// The security of a key: its own, or what every key has from the cluster.
fn security_of(cluster: &Cluster, path: &[String]) -> Vec<u8> {
    cluster
        .key_security(path)
        .unwrap_or_else(|| SecurityDescriptor::standard().write())
}

/// ClusterRegGetKeySecurity: 122 for too little room. Guess: all parts come, whichever are asked for.
pub(super) unsafe extern "system" fn get_security(
    key: HKEY,
    _information: u32,
    descriptor: PSECURITY_DESCRIPTOR,
    size: *mut u32,
) -> i32 {
    signed(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegGetKeySecurity")?;
        if size.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let bytes = read(&world, &cluster, |found| Ok(security_of(found, &path)))?;
        let need = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: The size is not NULL.
        let room = unsafe { memory::read(size) };
        // SAFETY: The size is not NULL.
        unsafe { memory::write(size, need) };
        if descriptor.is_null() || room < need {
            return Err(ERROR_INSUFFICIENT_BUFFER);
        }
        // SAFETY: The buffer has room.
        unsafe { memory::write_bytes(descriptor.cast(), &bytes) };
        Ok(())
    })
}

/// Copies a self-relative descriptor, whose size follows from its parts.
///
/// # Safety
///
/// `source` must point to a security descriptor.
unsafe fn descriptor_at(source: *const u8) -> Answer<Vec<u8>> {
    const HEADER: usize = 20;
    const SELF_RELATIVE: u8 = 0x80;
    // SAFETY: A descriptor begins with its header.
    let header = unsafe { memory::read_bytes(source, HEADER) };
    if header[3] & SELF_RELATIVE == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut end = HEADER;
    for (place, is_list) in [(4, false), (8, false), (12, true), (16, true)] {
        let offset = u32::from_le_bytes([header[place], header[place + 1], header[place + 2], header[place + 3]]);
        let offset = usize::try_from(offset).map_err(|_| ERROR_INVALID_PARAMETER)?;
        if offset == 0 {
            continue;
        }
        // SAFETY: A part is at least four bytes long: a SID's count, or a list's size, stands there.
        let head = unsafe { memory::read_bytes(source.wrapping_add(offset), 4) };
        let length = if is_list {
            usize::from(u16::from_le_bytes([head[2], head[3]]))
        } else {
            8 + 4 * usize::from(head[1])
        };
        end = end.max(offset + length);
    }
    // SAFETY: Every part of a descriptor belongs to it.
    Ok(unsafe { memory::read_bytes(source, end) })
}

pub(super) unsafe extern "system" fn set_security(
    key: HKEY,
    _information: u32,
    descriptor: PSECURITY_DESCRIPTOR,
) -> i32 {
    signed(|| {
        let (world, cluster, path) = key_of(key, "ClusterRegSetKeySecurity")?;
        if descriptor.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        // SAFETY: The caller passes a descriptor.
        let bytes = unsafe { descriptor_at(descriptor.cast())? };
        SecurityDescriptor::read(&bytes)?;
        write(&world, &cluster, &path, notify_registry::ATTRIBUTES, |found, now_ms| {
            if !found.has_key(&path) {
                return Err(ERROR_FILE_NOT_FOUND);
            }
            found.set_key_security(&path, bytes, now_ms);
            Ok(())
        })
    })
}

/// ClusterRegSyncDatabase: the database is always written.
pub(super) unsafe extern "system" fn sync(cluster: HCLUSTER, _flags: u32) -> i32 {
    signed(|| {
        let (world, id) = cluster_of(cluster, "ClusterRegSyncDatabase")?;
        read(&world, &id, |_| Ok(()))
    })
}

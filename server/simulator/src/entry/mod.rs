//! The C functions: check what the caller passed, ask the world, answer in C's ways.

mod access;
mod affinity;
mod cluster;
mod control;
mod enumerate;
mod group;
mod group_set;
mod network;
mod node;
mod notify;
mod objects;
mod quorum;
mod registry;
mod resource;
mod resource_type;
mod setup;
mod setup_more;
mod shared_volume;
mod slotted;
mod table;

pub(crate) use table::{of_slot, table};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_INTERNAL_ERROR;
use wsfc_clusapi::sys::constants::{FALSE, TRUE};
use wsfc_clusapi::sys::types::{BOOL, PCWSTR, PWSTR};

use crate::handles::{self, Object};
use crate::last_error;
use crate::memory;
use crate::simulation::Inner;
use crate::win32::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_SUCCESS};
use crate::world::cluster::Cluster;
use crate::world::service::ClusterService;

/// The result of a call before it takes C's form; the error is a Win32 code.
type Answer<T> = Result<T, u32>;

/// Runs a call; a panic in it is an internal error of the callee.
fn guarded<T>(call: impl FnOnce() -> Answer<T>) -> Answer<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(ERROR_INTERNAL_ERROR))
}

/// The convention of calls that return a code.
fn code(call: impl FnOnce() -> Answer<()>) -> u32 {
    guarded(call).err().unwrap_or(ERROR_SUCCESS)
}

/// The convention of calls that return a handle, or 0 and a last error.
fn handle(call: impl FnOnce() -> Answer<isize>) -> isize {
    match guarded(call) {
        Ok(handle) => handle,
        Err(code) => {
            last_error::set(code);
            0
        }
    }
}

/// The convention of calls that return TRUE, or FALSE and a last error.
fn truth(call: impl FnOnce() -> Answer<()>) -> BOOL {
    match guarded(call) {
        Ok(()) => TRUE,
        Err(code) => {
            last_error::set(code);
            FALSE
        }
    }
}

/// The convention of calls that return a state, or -1 and a last error.
fn state(call: impl FnOnce() -> Answer<i32>) -> i32 {
    match guarded(call) {
        Ok(state) => state,
        Err(code) => {
            last_error::set(code);
            -1
        }
    }
}

/// The world and cluster id of a cluster handle.
fn cluster_at(handle: isize) -> Answer<(Arc<Inner>, String)> {
    match handles::get(handle)? {
        (world, Object::Cluster(cluster)) => Ok((world, cluster)),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

/// The same, at the begin of a call.
fn cluster_of(handle: isize, call: &'static str) -> Answer<(Arc<Inner>, String)> {
    let (world, cluster) = cluster_at(handle)?;
    world.enter(call)?;
    Ok((world, cluster))
}

/// The world, cluster id and number of a node handle. 5042 when the node is gone.
fn node_at(handle: isize) -> Answer<(Arc<Inner>, String, u32)> {
    let (world, object) = handles::get(handle)?;
    let Object::Node { cluster, instance } = object else {
        return Err(ERROR_INVALID_HANDLE);
    };
    let id = objects::node_id(&world.lock(), &cluster, &instance)?;
    Ok((world, cluster, id))
}

/// The same, at the begin of a call.
fn node_of(handle: isize, call: &'static str) -> Answer<(Arc<Inner>, String, u32)> {
    match handles::get(handle)? {
        (world, Object::Node { .. }) => world.enter(call)?,
        _ => return Err(ERROR_INVALID_HANDLE),
    }
    node_at(handle)
}

/// The world, cluster id and object id of a handle, at the begin of a call.
macro_rules! by_id {
    ($($(#[$doc:meta])* $function:ident: $object:ident;)+) => {
        $(
            $(#[$doc])*
            fn $function(handle: isize, call: &'static str) -> Answer<(Arc<Inner>, String, String)> {
                match handles::get(handle)? {
                    (world, Object::$object { cluster, id }) => {
                        world.enter(call)?;
                        Ok((world, cluster, id))
                    }
                    _ => Err(ERROR_INVALID_HANDLE),
                }
            }
        )+
    };
}

by_id! {
    /// Of a group.
    group_of: Group;
    /// Of a resource.
    resource_of: Resource;
    /// Of a network.
    network_of: Network;
    /// Of a network interface.
    interface_of: Interface;
    /// Of a group set.
    group_set_of: GroupSet;
}

/// The number of a node of a cluster whose handle is an argument; `None` for 0. 87 for a node of another cluster.
fn node_argument(node: isize, cluster: &str) -> Answer<Option<u32>> {
    if node == 0 {
        return Ok(None);
    }
    match node_at(node)? {
        (_, other, number) if other == cluster => Ok(Some(number)),
        _ => Err(ERROR_INVALID_PARAMETER),
    }
}

/// The id of a group of a cluster whose handle is an argument. 87 for a group of another cluster.
fn group_argument(group: isize, cluster: &str) -> Answer<String> {
    match handles::get(group)? {
        (_, Object::Group { cluster: other, id }) if other == cluster => Ok(id),
        (_, Object::Group { .. }) => Err(ERROR_INVALID_PARAMETER),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

/// The id of a resource of a cluster whose handle is an argument. 87 for a resource of another cluster.
fn resource_argument(resource: isize, cluster: &str) -> Answer<String> {
    match handles::get(resource)? {
        (_, Object::Resource { cluster: other, id }) if other == cluster => Ok(id),
        (_, Object::Resource { .. }) => Err(ERROR_INVALID_PARAMETER),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

/// 87 for flags that are not known.
fn check_flags(flags: u32, known: u32) -> Answer<()> {
    if flags & !known == 0 {
        Ok(())
    } else {
        Err(ERROR_INVALID_PARAMETER)
    }
}

/// Changes a cluster that answers. 1722 when the connection is broken or nobody answers.
fn changed<R>(world: &Inner, cluster: &str, change: impl FnOnce(&mut ClusterService<'_>) -> Answer<R>) -> Answer<R> {
    world.change(|state| {
        state.serving(cluster)?;
        change(&mut state.world.serving_service(cluster)?)
    })
}

/// Begins something with a group or resource: success when it is as wished when the call returns, else 997 (facts 2.1).
/// What becomes of it is never said here.
fn begun(
    world: &Inner,
    cluster: &str,
    change: impl FnOnce(&mut ClusterService<'_>) -> Answer<()>,
    done: impl FnOnce(&Cluster) -> bool,
) -> Answer<()> {
    changed(world, cluster, change)?;
    let state = world.lock();
    match state.serving(cluster) {
        Ok(cluster) if done(cluster) => Ok(()),
        _ => Err(ERROR_IO_PENDING),
    }
}

/// Reads a name that must be there; 87 for NULL and for an empty one.
///
/// # Safety
///
/// `name` must be NULL or point to a NUL-terminated string.
unsafe fn required(name: PCWSTR) -> Answer<String> {
    // SAFETY: The caller's promise.
    let name = unsafe { memory::text(name) };
    name.filter(|name| !name.is_empty()).ok_or(ERROR_INVALID_PARAMETER)
}

/// Puts text into a caller's buffer (facts 2.1): the count goes in as capacity with the NUL and comes out as length
/// without it; 234 when it does not fit. A NULL buffer has no room, whatever the count says.
///
/// # Safety
///
/// `buffer` must be NULL or writable for `*count` units, `count` NULL or valid.
unsafe fn put_text(text: &str, buffer: PWSTR, count: *mut u32) -> Answer<()> {
    if count.is_null() {
        // Without both, the text is not wanted.
        return if buffer.is_null() {
            Ok(())
        } else {
            Err(ERROR_INVALID_PARAMETER)
        };
    }
    let units = memory::wide(text);
    let length = u32::try_from(units.len() - 1).unwrap_or(u32::MAX);
    // SAFETY: The count is not NULL.
    let capacity = unsafe { memory::read(count) };
    // SAFETY: The count is not NULL.
    unsafe { memory::write(count, length) };
    if buffer.is_null() || capacity <= length {
        return Err(ERROR_MORE_DATA);
    }
    let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_ne_bytes).collect();
    // SAFETY: The buffer has room for the length and the NUL.
    unsafe { memory::write_bytes(buffer.cast(), &bytes) };
    Ok(())
}

//! Handles: which world and which object a number means.
//!
//! Numbers are never used again, so a stale handle, or one of another kind, is always recognised.

use std::collections::HashMap;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, Weak};

use crate::simulation::Inner;
use crate::win32::ERROR_INVALID_HANDLE;

/// What a handle stands for.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// By id.
    Cluster(String),
    /// By the node's instance GUID, since numbers are given to later nodes again.
    Node {
        cluster: String,
        instance: String,
    },
    Group {
        cluster: String,
        id: String,
    },
    Resource {
        cluster: String,
        id: String,
    },
    /// Objects of a cluster, as they were at the open call.
    ClusterEnum(Arc<[Item]>),
    /// Objects of a node.
    NodeEnum(Arc<[Item]>),
    GroupEnum(Arc<[GroupItem]>),
    /// A notification port; its queue is part of the world's state.
    Port,
}

/// One object of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its bit in the enumeration mask.
    pub(crate) kind: u32,
    pub(crate) id: String,
    pub(crate) name: String,
}

/// One group of an enumeration with states and property lists.
#[derive(Debug, Clone)]
pub(crate) struct GroupItem {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: i32,
    pub(crate) owner: String,
    pub(crate) flags: u32,
    pub(crate) properties: Vec<u8>,
    pub(crate) ro_properties: Vec<u8>,
}

type Registry = HashMap<isize, (Weak<Inner>, Object)>;

static HANDLES: LazyLock<RwLock<Registry>> = LazyLock::new(RwLock::default);
/// Above anything that a caller may pass by mistake, such as a count or a descriptor.
static NEXT: AtomicIsize = AtomicIsize::new(0x0010_0000);

/// Makes a handle.
pub(crate) fn open(world: &Arc<Inner>, object: Object) -> isize {
    // Multiples of 16, as real handles are: a number beside one is never another one.
    let handle = NEXT.fetch_add(16, Ordering::Relaxed);
    let mut handles = HANDLES.write().unwrap_or_else(PoisonError::into_inner);
    handles.insert(handle, (Arc::downgrade(world), object));
    handle
}

/// What a handle stands for; 6 when it is stale or was never one.
pub(crate) fn get(handle: isize) -> Result<(Arc<Inner>, Object), u32> {
    let handles = HANDLES.read().unwrap_or_else(PoisonError::into_inner);
    let (world, object) = handles.get(&handle).ok_or(ERROR_INVALID_HANDLE)?;
    Ok((world.upgrade().ok_or(ERROR_INVALID_HANDLE)?, object.clone()))
}

/// Closes a handle of one kind; 6 when it is not of that kind.
pub(crate) fn close(handle: isize, kind: fn(&Object) -> bool) -> Result<(), u32> {
    let mut handles = HANDLES.write().unwrap_or_else(PoisonError::into_inner);
    if !handles.get(&handle).is_some_and(|(_, object)| kind(object)) {
        return Err(ERROR_INVALID_HANDLE);
    }
    handles.remove(&handle);
    Ok(())
}

/// Drops the handles of worlds that are gone.
pub(crate) fn forget_dead() {
    let mut handles = HANDLES.write().unwrap_or_else(PoisonError::into_inner);
    handles.retain(|_, (world, _)| world.strong_count() > 0);
}

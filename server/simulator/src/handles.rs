//! Handles: which world and which object a number means.
//!
//! Numbers are never used again, so a stale handle, or one of another kind, is always recognised.

use std::collections::HashMap;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

use crate::simulation::Inner;
use crate::win32::ERROR_INVALID_HANDLE;
use crate::world::registry::Path;
use crate::world::registry::batch::Command;

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
    Network {
        cluster: String,
        id: String,
    },
    Interface {
        cluster: String,
        id: String,
    },
    GroupSet {
        cluster: String,
        id: String,
    },
    /// A key of the cluster database.
    Key {
        cluster: String,
        path: Arc<Path>,
    },
    /// A batch of changes below a key.
    Batch {
        cluster: String,
        base: Arc<Path>,
        commands: Arc<Mutex<Vec<Command>>>,
    },
    /// A batch of reads below a key: keys and values by name.
    ReadBatch {
        cluster: String,
        base: Arc<Path>,
        reads: Arc<Mutex<Vec<Wanted>>>,
    },
    /// The answers of a batch of reads, and how many of them were taken.
    Reply(Arc<(Vec<Read>, Mutex<usize>)>),
    /// Objects by name, as they were at the open call.
    Enumeration(Enumeration, Arc<[Item]>),
    GroupItems(Arc<[GroupItem]>),
    ResourceItems(Arc<[ResourceItem]>),
    /// A notification port; its queue is part of the world's state.
    Port,
}

/// What is enumerated, each by functions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enumeration {
    Cluster,
    Node,
    Group,
    Resource,
    ResourceType,
    Network,
    Interface,
    GroupSet,
}

/// A key, and a value of it or all of them, that a batch of reads asks for.
pub(crate) type Wanted = (String, Option<String>);

/// One answer of a batch of reads. The C side hands out pointers into it, so it stays where it is.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) command: i32,
    pub(crate) options: u32,
    /// UTF-16 with a NUL.
    pub(crate) key: Vec<u16>,
    pub(crate) value: Option<Vec<u16>>,
    pub(crate) data: Vec<u8>,
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
    pub(crate) lists: Lists,
}

/// One resource of an enumeration with its group and property lists.
#[derive(Debug, Clone)]
pub(crate) struct ResourceItem {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) group_id: String,
    pub(crate) lists: Lists,
}

/// The property lists of an item.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    pub(crate) properties: Vec<u8>,
    pub(crate) ro_properties: Vec<u8>,
    /// The sizes that go with strings and lists are wild: a fault wants it so.
    pub(crate) wild: bool,
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

//! Notifications, version 2 (facts 4.1 to 4.3).

use std::sync::Arc;
use std::time::Duration;

use wsfc_clusapi::sys::constants::{INFINITE, INVALID_HANDLE_VALUE, TRUE, notify_object};
use wsfc_clusapi::sys::types::{BOOL, HANDLE, HCHANGE, HCLUSTER, NOTIFY_FILTER_AND_TYPE, PCWSTR, PWSTR};

use super::{Answer, cluster_at, cluster_of, code, guarded, objects, put_text, required};
use crate::handles::{self, Object};
use crate::memory;
use crate::notify::{Filter, Port};
use crate::simulation::{Inner, State};
use crate::time::real_now;
use crate::win32::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_MORE_DATA,
    ERROR_SHUTDOWN_IN_PROGRESS, WAIT_TIMEOUT,
};
use crate::world::events::Event;

/// The longest list of filters that is read.
const MOST_FILTERS: u32 = 4_096;

fn port_of(port: HCHANGE, call: &'static str) -> Answer<Arc<Inner>> {
    match handles::get(port)? {
        (world, Object::Port) => {
            world.enter(call)?;
            Ok(world)
        }
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

/// Guess: 87 for an object type that the server does not know, and for a filter without flags (facts 4.2).
fn check(filter: &NOTIFY_FILTER_AND_TYPE) -> Answer<()> {
    let known = notify_object::name(filter.dwObjectType).is_some() && filter.dwObjectType != notify_object::NONE;
    if known && filter.FilterFlags != 0 {
        Ok(())
    } else {
        Err(ERROR_INVALID_PARAMETER)
    }
}

fn register(world: &Inner, port: HCHANGE, filters: Vec<Filter>) -> Answer<()> {
    world.note(|state| {
        let port = state.ports.get_mut(&port).ok_or(ERROR_INVALID_HANDLE)?;
        filters.into_iter().for_each(|filter| port.add(filter));
        Ok(())
    })
}

/// CreateClusterNotifyPortV2. Guess: filters of an unbound port (cluster -1) have nothing to match.
pub(super) unsafe fn create_port(
    slot_world: Answer<Arc<Inner>>,
    port: HCHANGE,
    cluster: HCLUSTER,
    filters: *const NOTIFY_FILTER_AND_TYPE,
    count: u32,
    key: usize,
) -> Answer<HCHANGE> {
    const CALL: &str = "CreateClusterNotifyPortV2";
    let bound = if cluster == INVALID_HANDLE_VALUE {
        None
    } else {
        Some(cluster_of(cluster, CALL)?)
    };
    if (filters.is_null() && count > 0) || count > MOST_FILTERS {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut wanted = Vec::new();
    for position in 0..count {
        let place = filters.wrapping_add(usize::try_from(position).map_err(|_| ERROR_INVALID_PARAMETER)?);
        // SAFETY: The caller passes as many filters as the count says.
        let filter = unsafe { memory::read(place) };
        check(&filter)?;
        wanted.push(filter);
    }
    let world = match &bound {
        Some((world, cluster)) => {
            world.lock().serving(cluster)?;
            Arc::clone(world)
        }
        None if port == INVALID_HANDLE_VALUE => {
            let world = slot_world?;
            world.enter(CALL)?;
            world
        }
        None => return Err(ERROR_INVALID_PARAMETER),
    };
    let filters = match bound {
        Some((_, cluster)) => wanted
            .into_iter()
            .map(|filter| Filter {
                cluster: cluster.clone(),
                object_type: filter.dwObjectType,
                flags: filter.FilterFlags,
                object: None,
                key,
            })
            .collect(),
        None => Vec::new(),
    };
    let port = if port == INVALID_HANDLE_VALUE {
        let port = handles::open(&world, Object::Port);
        world.note(|state| state.ports.insert(port, Port::default()));
        port
    } else {
        port
    };
    register(&world, port, filters)?;
    Ok(port)
}

/// RegisterClusterNotifyV2: the events of one object; a cluster handle stands for the whole cluster.
pub(super) unsafe extern "system" fn register_object(
    port: HCHANGE,
    filter: NOTIFY_FILTER_AND_TYPE,
    object: HANDLE,
    key: usize,
) -> u32 {
    code(|| {
        let world = port_of(port, "RegisterClusterNotifyV2")?;
        check(&filter)?;
        let (of, what) = handles::get(object.addr().cast_signed())?;
        if !Arc::ptr_eq(&world, &of) {
            return Err(ERROR_INVALID_HANDLE);
        }
        let (cluster, object) = match what {
            Object::Cluster(cluster) => (cluster, None),
            Object::Node { cluster, instance } => {
                let number = objects::node_id(&world.lock(), &cluster, &instance)?;
                (cluster, Some(number.to_string()))
            }
            Object::Group { cluster, id }
            | Object::Resource { cluster, id }
            | Object::Network { cluster, id }
            | Object::Interface { cluster, id }
            | Object::GroupSet { cluster, id } => (cluster, Some(id)),
            Object::Key { cluster, path } => (cluster, Some(path.join("\\"))),
            _ => return Err(ERROR_INVALID_HANDLE),
        };
        let filter = Filter {
            cluster,
            object_type: filter.dwObjectType,
            flags: filter.FilterFlags,
            object,
            key,
        };
        register(&world, port, vec![filter])
    })
}

/// RegisterClusterResourceTypeNotifyV2. A type's id is its name.
pub(super) unsafe extern "system" fn register_type(
    port: HCHANGE,
    cluster: HCLUSTER,
    flags: i64,
    resource_type: PCWSTR,
    key: usize,
) -> u32 {
    code(|| {
        let world = port_of(port, "RegisterClusterResourceTypeNotifyV2")?;
        let (of, cluster) = cluster_at(cluster)?;
        if !Arc::ptr_eq(&world, &of) {
            return Err(ERROR_INVALID_HANDLE);
        }
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(resource_type)? };
        let object_type = notify_object::RESOURCE_TYPE;
        register(
            &world,
            port,
            vec![Filter {
                cluster,
                object_type,
                flags,
                object: Some(name),
                key,
            }],
        )
    })
}

/// GetNotifyEventHandle: the simulator has no event objects.
pub(super) unsafe extern "system" fn event_handle(port: HCHANGE, _event: *mut HANDLE) -> u32 {
    code(|| port_of(port, "GetNotifyEventHandle").and(Err(ERROR_CALL_NOT_IMPLEMENTED)))
}

/// Where an event goes.
struct Targets {
    key: *mut usize,
    filter: *mut NOTIFY_FILTER_AND_TYPE,
    buffer: *mut u8,
    buffer_bytes: *mut u32,
    /// Object id, parent id, name and type: buffer and count each.
    texts: [(PWSTR, *mut u32); 4],
}

impl Targets {
    /// Writes an event; 234 when something has no room, and then every count says its need.
    unsafe fn put(&self, key: usize, event: &Event) -> Answer<()> {
        let texts = [&event.object_id, &event.parent_id, &event.name, &event.kind];
        // SAFETY: The caller passes a buffer with its size, or NULL.
        let mut all = unsafe { put_bytes(&event.payload, self.buffer, self.buffer_bytes) };
        for (text, (buffer, units)) in texts.into_iter().zip(self.texts) {
            // SAFETY: The caller passes a buffer with its count, or NULL.
            let one = unsafe { put_text(text, buffer, units) };
            all = all.and(one);
        }
        all?;
        // SAFETY: The caller passes NULL or a place for the key.
        unsafe { memory::write(self.key, key) };
        let filter = NOTIFY_FILTER_AND_TYPE {
            dwObjectType: event.object_type,
            FilterFlags: event.flag,
        };
        // SAFETY: The caller passes NULL or a place for the filter.
        unsafe { memory::write(self.filter, filter) };
        Ok(())
    }
}

unsafe fn put_bytes(bytes: &[u8], buffer: *mut u8, size: *mut u32) -> Answer<()> {
    if size.is_null() {
        return if buffer.is_null() {
            Ok(())
        } else {
            Err(ERROR_INVALID_PARAMETER)
        };
    }
    let need = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    // SAFETY: The size is not NULL.
    let room = unsafe { memory::read(size) };
    // SAFETY: The size is not NULL.
    unsafe { memory::write(size, need) };
    if need == 0 {
        return Ok(());
    }
    if buffer.is_null() || room < need {
        return Err(ERROR_MORE_DATA);
    }
    // SAFETY: The buffer has room.
    unsafe { memory::write_bytes(buffer, bytes) };
    Ok(())
}

pub(super) unsafe extern "system" fn get(
    port: HCHANGE,
    key: *mut usize,
    filter: *mut NOTIFY_FILTER_AND_TYPE,
    buffer: *mut u8,
    buffer_bytes: *mut u32,
    object_id: PWSTR,
    object_id_units: *mut u32,
    parent_id: PWSTR,
    parent_id_units: *mut u32,
    name: PWSTR,
    name_units: *mut u32,
    kind: PWSTR,
    kind_units: *mut u32,
    milliseconds: u32,
) -> u32 {
    code(|| {
        let world = port_of(port, "GetClusterNotifyV2")?;
        let texts = [
            (object_id, object_id_units),
            (parent_id, parent_id_units),
            (name, name_units),
            (kind, kind_units),
        ];
        let targets = Targets {
            key,
            filter,
            buffer,
            buffer_bytes,
            texts,
        };
        let begin = real_now();
        let mut state = world.lock();
        loop {
            if state.shut_down {
                return Err(ERROR_SHUTDOWN_IN_PROGRESS);
            }
            let State { ports, world: own, .. } = &mut *state;
            let queue = ports.get_mut(&port).ok_or(ERROR_INVALID_HANDLE)?;
            if let Some(next) = queue.front() {
                next.damage(|| own.faults.damage("GetClusterNotifyV2"));
                // SAFETY: The caller keeps GetClusterNotifyV2's contract.
                unsafe { targets.put(next.key, &next.event)? };
                queue.take();
                return Ok(());
            }
            if milliseconds == INFINITE {
                state = world.wait(state);
                continue;
            }
            let left = Duration::from_millis(milliseconds.into()).saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(WAIT_TIMEOUT);
            }
            state = world.wait_at_most(state, left);
        }
    })
}

/// CloseClusterNotifyPort: always TRUE (facts 4.1). Who waits there wakes with 6.
pub(super) unsafe extern "system" fn close(port: HCHANGE) -> BOOL {
    let _closed = guarded(|| {
        let (world, _) = handles::get(port)?;
        handles::close(port, |object| matches!(object, Object::Port))?;
        world.note(|state| state.ports.remove(&port));
        Ok(())
    });
    TRUE
}

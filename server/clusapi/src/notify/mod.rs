//! Notifications: a port tells what changes in a cluster, one event at a time (facts 4).
//!
//! There is no replay, so make the port first, then read the cluster, then apply the events (facts 4.1).
#![expect(unsafe_code, reason = "C functions are called with buffers of ours")]

mod filters;
pub mod payload;

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

pub use filters::{DEFAULT_FILTERS, NEWER_FILTERS};

use crate::api::{check_code, entry};
use crate::error::Error;
use crate::handle::{Cluster, Connection, Group, GroupSet, Key, Network, NetworkInterface, Node, Opened, Resource};
use crate::sys::constants::{INFINITE, INVALID_HANDLE_VALUE, notify_object};
use crate::sys::types::{HCHANGE, NOTIFY_FILTER_AND_TYPE};
use crate::verb::handle_of;
use crate::wide::{self, ATTEMPTS, LONGEST_ANSWER, WideString};
use crate::win32::Win32;

/// What a port shall tell: a kind of object and the kinds of its changes, as
/// [`notify_object`] and its neighbours have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The kind of object.
    pub object_type: u32,
    /// The kinds of change, as bits.
    pub flags: i64,
}

impl Filter {
    const fn for_c(self) -> NOTIFY_FILTER_AND_TYPE {
        NOTIFY_FILTER_AND_TYPE {
            dwObjectType: self.object_type,
            FilterFlags: self.flags,
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The kind of object.
    pub object_type: u32,
    /// The kind of change: one bit.
    pub flag: i64,
    /// The key that the filter was registered with.
    pub key: usize,
    /// Id of the object; empty where there is none.
    pub object_id: String,
    /// Id of what the object belongs to; for a change of a group's owner the new owner's id (facts 4.3).
    pub parent_id: String,
    /// Name of the object.
    pub name: String,
    /// Type of a resource, else empty.
    pub resource_type: String,
    /// What [`payload`] reads.
    pub payload: Vec<u8>,
}

/// An open port. Only one thread waits at it; another one can close it by a [`Closer`].
#[derive(Debug)]
pub struct NotifyPort {
    port: Arc<Port>,
    buffers: Buffers,
}

/// Closes a port from another thread, whose waiting call then ends with error 6.
#[derive(Clone, Debug)]
pub struct Closer {
    port: Arc<Port>,
}

/// What the port and its closers share. The connection outlives the port.
#[derive(Debug)]
struct Port {
    connection: Arc<Connection>,
    raw: HCHANGE,
    closed: AtomicBool,
}

impl Port {
    /// The handle, unless the port is closed.
    fn open_handle(&self, function: &'static str) -> Result<HCHANGE, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Call {
                function,
                code: Win32::ERROR_INVALID_HANDLE,
            });
        }
        Ok(self.raw)
    }

    /// Closes the port, once.
    fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let api = &self.connection.api;
        let Some(close) = api.table().CloseClusterNotifyPort else {
            tracing::warn!("A notification port stays open, since CloseClusterNotifyPort is missing");
            return;
        };
        // SAFETY: The handle was opened for us and is closed here only, once. A thread that waits at it is told so
        // (facts 4.1).
        let answer = unsafe { close(self.raw) };
        if let Err(error) = api.check_bool("CloseClusterNotifyPort", answer) {
            tracing::warn!(%error, "Closing a notification port failed");
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

impl Closer {
    /// Closes the port. It does not wait for the thread at it.
    pub fn close(&self) {
        self.port.close();
    }
}

impl Cluster {
    /// Makes a port for changes of this cluster. Their key is 0.
    ///
    /// # Errors
    ///
    /// [`Error::Call`]; with 87 for a kind of object that the cluster does not know (facts 4.2). [`Error::TooMany`].
    pub fn notify_port(&self, filters: &[Filter]) -> Result<NotifyPort, Error> {
        let raw = port(self, INVALID_HANDLE_VALUE, filters, 0)?;
        Ok(NotifyPort {
            port: Arc::new(Port {
                connection: Arc::clone(&self.connection),
                raw,
                closed: AtomicBool::new(false),
            }),
            buffers: Buffers::new(),
        })
    }

    /// Makes a port for everything that a cluster of its version tells: [`DEFAULT_FILTERS`] with as many of
    /// [`NEWER_FILTERS`] as it knows.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn notify_port_for_everything(&self) -> Result<NotifyPort, Error> {
        for known in (0..=NEWER_FILTERS.len()).rev() {
            let filters = [DEFAULT_FILTERS, NEWER_FILTERS.get(..known).unwrap_or_default()].concat();
            match self.notify_port(&filters) {
                Err(Error::Call {
                    code: Win32::ERROR_INVALID_PARAMETER,
                    ..
                }) if known > 0 => {}
                other => return other,
            }
        }
        // The last turn, without newer filters, has answered.
        self.notify_port(DEFAULT_FILTERS)
    }
}

/// Makes a port, or adds filters to one.
fn port(cluster: &Cluster, port: HCHANGE, filters: &[Filter], key: usize) -> Result<HCHANGE, Error> {
    let create = entry!(cluster.api(), CreateClusterNotifyPortV2)?;
    let count = u32::try_from(filters.len()).map_err(|_| Error::TooMany {
        field: "filters",
        count: filters.len(),
    })?;
    let filters: Vec<_> = filters.iter().map(|filter| filter.for_c()).collect();
    // SAFETY: The handles are open or the marker for a new port; the list has the length given and outlives the call.
    let raw = unsafe { create(port, cluster.as_raw(), filters.as_ptr(), count, key) };
    cluster.api().check_handle("CreateClusterNotifyPortV2", raw)
}

/// An object that a port can watch by itself.
pub(crate) trait Watched: Opened {
    /// Its kind.
    const OBJECT_TYPE: u32;
}

macro_rules! watched {
    ($($type:ident => $object:ident;)+) => {
        $(
            impl Watched for $type {
                const OBJECT_TYPE: u32 = notify_object::$object;
            }

            impl $type {
                /// Lets a port tell of changes of this object alone, as long as it is open.
                ///
                /// # Errors
                ///
                /// [`Error::Call`], [`Error::OtherConnection`].
                pub fn watch(&self, port: &NotifyPort, flags: i64, key: usize) -> Result<(), Error> {
                    port.register(self, flags, key)
                }
            }
        )+
    };
}

watched! {
    Cluster => CLUSTER;
    Node => NODE;
    Group => GROUP;
    Resource => RESOURCE;
    Network => NETWORK;
    NetworkInterface => NETWORK_INTERFACE;
    GroupSet => GROUPSET;
    Key => REGISTRY;
}

impl NotifyPort {
    /// Adds filters for changes of the whole cluster.
    ///
    /// # Errors
    ///
    /// As [`Cluster::notify_port`], and [`Error::OtherConnection`].
    pub fn add(&self, cluster: &Cluster, filters: &[Filter], key: usize) -> Result<(), Error> {
        handle_of(cluster, "cluster", &self.port.connection)?;
        let handle = self.port.open_handle("CreateClusterNotifyPortV2")?;
        port(cluster, handle, filters, key)?;
        Ok(())
    }

    /// Adds a filter for one object.
    fn register<T: Watched>(&self, object: &T, flags: i64, key: usize) -> Result<(), Error> {
        let api = &self.port.connection.api;
        let register = entry!(api, RegisterClusterNotifyV2)?;
        let object = handle_of(object, "object", &self.port.connection)?;
        let filter = Filter {
            object_type: T::OBJECT_TYPE,
            flags,
        };
        let handle = self.port.open_handle("RegisterClusterNotifyV2")?;
        let object = core::ptr::without_provenance_mut(object.cast_unsigned());
        // SAFETY: Both handles are open.
        let code = unsafe { register(handle, filter.for_c(), object, key) };
        check_code("RegisterClusterNotifyV2", code)
    }

    /// Adds a filter for one resource type.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::OtherConnection`].
    pub fn register_resource_type(
        &self,
        cluster: &Cluster,
        resource_type: &str,
        flags: i64,
        key: usize,
    ) -> Result<(), Error> {
        let api = &self.port.connection.api;
        let register = entry!(api, RegisterClusterResourceTypeNotifyV2)?;
        let name = WideString::new("resource_type", resource_type)?;
        let cluster = handle_of(cluster, "cluster", &self.port.connection)?;
        let handle = self.port.open_handle("RegisterClusterResourceTypeNotifyV2")?;
        // SAFETY: Both handles are open; the name ends with a NUL and outlives the call.
        let code = unsafe { register(handle, cluster, flags, name.as_ptr(), key) };
        check_code("RegisterClusterResourceTypeNotifyV2", code)
    }

    /// What lets another thread close the port.
    #[must_use]
    pub fn closer(&self) -> Closer {
        Closer {
            port: Arc::clone(&self.port),
        }
    }

    /// Waits for the next event; `None` if none came in time. A zero timeout does not wait.
    ///
    /// # Errors
    ///
    /// [`Error::Call`]: with 6 the port is closed; with any other code everything read before may be stale, and the
    /// port should be made anew (facts 4.1). With 234 the event is larger than any can be, and is still queued.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Notification>, Error> {
        const FUNCTION: &str = "GetClusterNotifyV2";
        let get = entry!(self.port.connection.api, GetClusterNotifyV2)?;
        // Waiting without end has a number of its own.
        let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(INFINITE).min(INFINITE - 1);
        for _ in 0..ATTEMPTS {
            let handle = self.port.open_handle(FUNCTION)?;
            let Buffers {
                payload,
                object_id,
                parent_id,
                name,
                resource_type,
            } = &mut self.buffers;
            let mut key = 0;
            let mut filter = NOTIFY_FILTER_AND_TYPE {
                dwObjectType: 0,
                FilterFlags: 0,
            };
            let mut payload_bytes = payload.capacity();
            let [mut object_id_units, mut parent_id_units, mut name_units, mut type_units] =
                [&*object_id, &*parent_id, &*name, &*resource_type].map(Buffer::capacity);
            // SAFETY: The handle was open a moment ago, and a closed one answers 6 (facts 4.1). Each buffer has the
            // size given, and all of them outlive the call.
            let code = unsafe {
                get(
                    handle,
                    &raw mut key,
                    &raw mut filter,
                    payload.0.as_mut_ptr(),
                    &raw mut payload_bytes,
                    object_id.0.as_mut_ptr(),
                    &raw mut object_id_units,
                    parent_id.0.as_mut_ptr(),
                    &raw mut parent_id_units,
                    name.0.as_mut_ptr(),
                    &raw mut name_units,
                    resource_type.0.as_mut_ptr(),
                    &raw mut type_units,
                    milliseconds,
                )
            };
            match Win32(code) {
                Win32::ERROR_SUCCESS => {
                    return Ok(Some(Notification {
                        object_type: filter.dwObjectType,
                        flag: filter.FilterFlags,
                        key,
                        object_id: object_id.text(object_id_units),
                        parent_id: parent_id.text(parent_id_units),
                        name: name.text(name_units),
                        resource_type: resource_type.text(type_units),
                        payload: payload.first(payload_bytes).to_vec(),
                    }));
                }
                Win32::WAIT_TIMEOUT => return Ok(None),
                Win32::ERROR_MORE_DATA => {}
                code => {
                    return Err(Error::Call {
                        function: FUNCTION,
                        code,
                    });
                }
            }
            // The counts of texts leave out the NUL (facts 4.1). An answer that asks for no more than there is says
            // nothing of which buffer is meant, so all of them grow.
            let needs = [
                (&mut *object_id, object_id_units),
                (&mut *parent_id, parent_id_units),
                (&mut *name, name_units),
                (&mut *resource_type, type_units),
            ];
            let mut grown = payload.grow(payload_bytes);
            for (buffer, units) in needs {
                grown |= buffer.grow(units.saturating_add(1));
            }
            if !grown && !self.buffers.double() {
                break;
            }
        }
        Err(Error::Call {
            function: FUNCTION,
            code: Win32::ERROR_MORE_DATA,
        })
    }
}

/// What an event is written to; kept from one event to the next.
#[derive(Debug)]
struct Buffers {
    payload: Buffer<u8>,
    object_id: Buffer<u16>,
    parent_id: Buffer<u16>,
    name: Buffer<u16>,
    resource_type: Buffer<u16>,
}

impl Buffers {
    /// Names and ids are short; a payload is mostly a state or a few properties.
    fn new() -> Self {
        Self {
            payload: Buffer(vec![0; 1024]),
            object_id: Buffer(vec![0; 64]),
            parent_id: Buffer(vec![0; 64]),
            name: Buffer(vec![0; 256]),
            resource_type: Buffer(vec![0; 256]),
        }
    }

    /// Doubles all of them; false if they are as large as they may be.
    fn double(&mut self) -> bool {
        let Self {
            payload,
            object_id,
            parent_id,
            name,
            resource_type,
        } = self;
        let mut grown = payload.grow(payload.capacity().saturating_mul(2));
        for buffer in [object_id, parent_id, name, resource_type] {
            grown |= buffer.grow(buffer.capacity().saturating_mul(2));
        }
        grown
    }
}

#[derive(Debug)]
struct Buffer<T>(Vec<T>);

impl<T: Copy + Default> Buffer<T> {
    /// It never grows beyond a 32-bit number.
    fn capacity(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Grows to what is needed; false if that is nothing new, or more than any answer may have.
    fn grow(&mut self, need: u32) -> bool {
        let grows = need > self.capacity() && need <= LONGEST_ANSWER;
        if grows {
            self.0.resize(need as usize, T::default());
        }
        grows
    }

    /// What was written, as far as it can have been.
    fn first(&self, count: u32) -> &[T] {
        self.0.get(..count as usize).unwrap_or(&self.0)
    }
}

impl Buffer<u16> {
    fn text(&self, units: u32) -> String {
        wide::text(self.first(units))
    }
}

#[cfg(test)]
mod tests;

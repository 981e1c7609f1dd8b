//! Owning handles: one type for each kind of object.
//!
//! An object must be closed before its cluster, and the functions must stay loaded until both are closed (facts 2.1).
//! So each handle shares the connection, which is closed when its last handle is gone.
#![expect(unsafe_code, reason = "C functions are called with the handles owned here")]

use std::sync::Arc;

use crate::api::{Clusapi, check_status};
use crate::error::Error;
use crate::sys::types::{HCLUSTER, HGROUP, HGROUPSET, HKEY, HNETINTERFACE, HNETWORK, HNODE, HRESOURCE};
use crate::wide::WideString;

/// The C functions that close a handle have one shape: what they answer is a truth value or a code.
type CloseFunction = unsafe extern "system" fn(isize) -> i32;

/// Tells from the answer of a close function whether it failed.
type Check = fn(&Clusapi, &'static str, i32) -> Result<(), Error>;

/// The answer is a truth value.
const TRUTH: Check = |api, function, answer| api.check_bool(function, answer);

/// The answer is a code.
const CODE: Check = |_, function, answer| check_status(function, answer);

/// Closes one handle and logs a failure: a drop has nobody to tell. 0 is no handle: a [`LentKey`] has no cluster handle, and
/// its own is not for us to close.
fn close(api: &Clusapi, function: &'static str, entry: Option<CloseFunction>, raw: isize, check: Check) {
    if raw == 0 {
        return;
    }
    let Some(entry) = entry else {
        tracing::warn!(
            function,
            "A handle stays open, since the function that closes it is missing"
        );
        return;
    };
    // SAFETY: The handle is open, belongs to this kind of object, and is dropped by its only owner.
    let answer = unsafe { entry(raw) };
    if let Err(error) = check(api, function, answer) {
        tracing::warn!(%error, "Closing a handle failed");
    }
}

/// A connection to a cluster, shared by the objects opened through it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) api: Clusapi,
    pub(crate) raw: HCLUSTER,
}

impl Drop for Connection {
    fn drop(&mut self) {
        close(
            &self.api,
            "CloseCluster",
            self.api.table().CloseCluster,
            self.raw,
            TRUTH,
        );
    }
}

/// A connection to a cluster. It is closed when this and every object opened through it are dropped.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) connection: Arc<Connection>,
}

impl Cluster {
    /// Takes over an open handle.
    ///
    /// # Safety
    ///
    /// The handle must come from the same table, be open, and belong to nobody else.
    #[must_use]
    pub unsafe fn from_raw(api: &Clusapi, raw: HCLUSTER) -> Self {
        Self {
            connection: Arc::new(Connection { api: api.clone(), raw }),
        }
    }

    /// The handle, which stays owned.
    #[must_use]
    pub fn as_raw(&self) -> HCLUSTER {
        self.connection.raw
    }

    /// The functions that the handle belongs to.
    #[must_use]
    pub fn api(&self) -> &Clusapi {
        &self.connection.api
    }
}

/// Makes the owning handle of one kind of object.
macro_rules! owning_handle {
    ($($(#[$doc:meta])* $type:ident($raw:ty), closed by $close:ident, which answers a $check:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $type {
                pub(crate) connection: Arc<Connection>,
                pub(crate) raw: $raw,
            }

            impl $type {
                /// Takes over an open handle.
                ///
                /// # Safety
                ///
                /// The handle must have been opened through the same cluster handle, be open, of this kind, and belong
                /// to nobody else.
                #[must_use]
                pub unsafe fn from_raw(cluster: &Cluster, raw: $raw) -> Self {
                    Self { connection: Arc::clone(&cluster.connection), raw }
                }

                /// The handle, which stays owned.
                #[must_use]
                pub fn as_raw(&self) -> $raw {
                    self.raw
                }

                /// Takes over a handle that a call through this connection has just opened for us.
                pub(crate) fn opened(connection: &Arc<Connection>, raw: $raw) -> Self {
                    Self { connection: Arc::clone(connection), raw }
                }
            }

            impl Opened for $type {
                fn connection(&self) -> &Arc<Connection> {
                    &self.connection
                }

                fn raw(&self) -> isize {
                    self.raw
                }
            }

            impl Drop for $type {
                fn drop(&mut self) {
                    let api = &self.connection.api;
                    close(api, stringify!($close), api.table().$close, self.raw, $check);
                }
            }
        )+
    };
}

owning_handle! {
    /// An open node.
    Node(HNODE), closed by CloseClusterNode, which answers a TRUTH;
    /// An open group.
    Group(HGROUP), closed by CloseClusterGroup, which answers a TRUTH;
    /// An open resource.
    Resource(HRESOURCE), closed by CloseClusterResource, which answers a TRUTH;
    /// An open network.
    Network(HNETWORK), closed by CloseClusterNetwork, which answers a TRUTH;
    /// An open network interface.
    NetworkInterface(HNETINTERFACE), closed by CloseClusterNetInterface, which answers a TRUTH;
    /// An open group set.
    GroupSet(HGROUPSET), closed by CloseClusterGroupSet, which answers a TRUTH;
    /// An open key of the cluster database.
    Key(HKEY), closed by ClusterRegCloseKey, which answers a CODE;
}

/// A key that somebody else has opened and closes, such as the one that a resource DLL is given with its Open (facts 5.1).
#[derive(Debug)]
pub struct LentKey {
    key: Key,
}

impl LentKey {
    /// Borrows an open handle.
    ///
    /// # Safety
    ///
    /// The handle must come from the same table, be a key, and stay open as long as the result.
    #[must_use]
    pub unsafe fn from_raw(api: &Clusapi, raw: HKEY) -> Self {
        let connection = Arc::new(Connection {
            api: api.clone(),
            raw: 0,
        });
        Self {
            key: Key { connection, raw },
        }
    }
}

impl core::ops::Deref for LentKey {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

impl Drop for LentKey {
    fn drop(&mut self) {
        // What has lent it closes it.
        self.key.raw = 0;
    }
}

/// Something with an open handle of a cluster.
pub(crate) trait Opened {
    /// The connection that it was opened through.
    fn connection(&self) -> &Arc<Connection>;

    /// The handle, open as long as `self`.
    fn raw(&self) -> isize;

    /// The functions that the handle belongs to.
    fn api(&self) -> &Clusapi {
        &self.connection().api
    }
}

impl Opened for Cluster {
    fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    fn raw(&self) -> isize {
        self.connection.raw
    }
}

/// A resource type: it has a name and no handle, so nothing tells before a call whether there is one (facts 2.1).
#[derive(Debug)]
pub struct ResourceType {
    pub(crate) connection: Arc<Connection>,
    pub(crate) name: String,
    pub(crate) wide: WideString,
}

/// An affinity rule, which has a name and no handle either.
#[derive(Debug)]
pub struct AffinityRule {
    pub(crate) connection: Arc<Connection>,
    pub(crate) name: String,
    pub(crate) wide: WideString,
}

/// Handles may move between threads and be shared: the cluster API takes calls from any thread (contract of
/// [`TableProvider`](crate::sys::TableProvider)).
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<Cluster>();
    shareable::<Node>();
    shareable::<Group>();
    shareable::<Resource>();
    shareable::<Network>();
    shareable::<NetworkInterface>();
    shareable::<GroupSet>();
    shareable::<Key>();
    shareable::<LentKey>();
    shareable::<ResourceType>();
    shareable::<AffinityRule>();
};

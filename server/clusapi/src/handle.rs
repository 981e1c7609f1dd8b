//! Owning handles: one type for each kind of object.
//!
//! An object must be closed before its cluster, and the functions must stay loaded until both are closed (facts 2.1).
//! So each handle shares the connection, which is closed when its last handle is gone.
#![expect(unsafe_code, reason = "C functions are called with the handles owned here")]

use std::sync::Arc;

use crate::api::Clusapi;
use crate::sys::types::{BOOL, HCLUSTER, HGROUP, HNODE};

/// Closes one handle and logs a failure: a drop has nobody to tell.
fn close(api: &Clusapi, function: &'static str, entry: Option<unsafe extern "system" fn(isize) -> BOOL>, raw: isize) {
    let Some(entry) = entry else {
        tracing::warn!(
            function,
            "A handle stays open, since the function that closes it is missing"
        );
        return;
    };
    // SAFETY: The handle is open, belongs to this kind of object, and is dropped by its only owner.
    let answer = unsafe { entry(raw) };
    if let Err(error) = api.check_bool(function, answer) {
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
        close(&self.api, "CloseCluster", self.api.table().CloseCluster, self.raw);
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
    ($($(#[$doc:meta])* $type:ident($raw:ty), closed by $close:ident;)+) => {
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

                pub(crate) fn api(&self) -> &Clusapi {
                    &self.connection.api
                }
            }

            impl Drop for $type {
                fn drop(&mut self) {
                    let api = &self.connection.api;
                    close(api, stringify!($close), api.table().$close, self.raw);
                }
            }
        )+
    };
}

owning_handle! {
    /// An open node.
    Node(HNODE), closed by CloseClusterNode;
    /// An open group.
    Group(HGROUP), closed by CloseClusterGroup;
}

/// Handles may move between threads and be shared: the cluster API takes calls from any thread (contract of
/// [`TableProvider`](crate::sys::TableProvider)).
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<Cluster>();
    shareable::<Node>();
    shareable::<Group>();
};

//! Opening the objects of a cluster.
#![expect(unsafe_code, reason = "C functions are called with handles and texts of ours")]

use std::sync::Arc;

use crate::api::entry;
use crate::error::Error;
use crate::handle::{AffinityRule, Cluster, Group, GroupSet, Network, NetworkInterface, Node, Resource, ResourceType};
use crate::wide::WideString;

/// Writes the calls that open an object by its name.
macro_rules! opens {
    ($($(#[$doc:meta])* $method:ident($field:ident) -> $type:ident by $open:ident, else $code:literal;)+) => {
        impl Cluster {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                #[doc = concat!("[`Error::Call`], with ", stringify!($code), " if there is none; [`Error::Text`].")]
                pub fn $method(&self, $field: &str) -> Result<$type, Error> {
                    let name = WideString::new(stringify!($field), $field)?;
                    let open = entry!(self.api(), $open)?;
                    // SAFETY: The handle is open; the name ends with a NUL and outlives the call.
                    let raw = unsafe { open(self.as_raw(), name.as_ptr()) };
                    let raw = self.api().check_handle(stringify!($open), raw)?;
                    Ok($type::opened(&self.connection, raw))
                }
            )+
        }
    };
}

opens! {
    /// Opens a node by name.
    open_node(node) -> Node by OpenClusterNode, else 5042;
    /// Opens a group by name or id.
    open_group(group) -> Group by OpenClusterGroup, else 5013;
    /// Opens a resource by name or id.
    open_resource(resource) -> Resource by OpenClusterResource, else 5007;
    /// Opens a network by name or id.
    open_network(network) -> Network by OpenClusterNetwork, else 5045;
    /// Opens a network interface by name or id.
    open_network_interface(interface) -> NetworkInterface by OpenClusterNetInterface, else 5047;
    /// Opens a group set by name. Guess: the code, which is that of a group.
    open_group_set(group_set) -> GroupSet by OpenClusterGroupSet, else 5013;
}

impl Cluster {
    /// Opens a node by its number.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5042 if there is none; [`Error::Unsupported`] before Windows Server 2019.
    pub fn open_node_by_id(&self, id: u32) -> Result<Node, Error> {
        let open = entry!(self.api(), OpenClusterNodeById)?;
        // SAFETY: The handle is open.
        let raw = unsafe { open(self.as_raw(), id) };
        let raw = self.api().check_handle("OpenClusterNodeById", raw)?;
        Ok(Node::opened(&self.connection, raw))
    }

    /// A resource type by its name. Nothing is called, so that only the next call tells whether there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Text`].
    pub fn resource_type(&self, name: &str) -> Result<ResourceType, Error> {
        Ok(ResourceType {
            connection: Arc::clone(&self.connection),
            name: name.to_owned(),
            wide: WideString::new("resource_type", name)?,
        })
    }

    /// An affinity rule by its name. Nothing is called, so that only the next call tells whether there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Text`].
    pub fn affinity_rule(&self, name: &str) -> Result<AffinityRule, Error> {
        Ok(AffinityRule {
            connection: Arc::clone(&self.connection),
            name: name.to_owned(),
            wide: WideString::new("affinity_rule", name)?,
        })
    }
}

impl ResourceType {
    /// The name that it was asked for by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl AffinityRule {
    /// The name that it was asked for by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

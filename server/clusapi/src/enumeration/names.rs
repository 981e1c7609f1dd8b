//! Enumerations by name: what belongs to an object.
#![expect(unsafe_code, reason = "C functions are called with buffers of ours")]

use super::{Enumeration, collect, open};
use crate::api::{Clusapi, entry};
use crate::error::Error;
use crate::handle::{Cluster, Group, Network, Node, Opened as _, Resource, ResourceType};
use crate::sys::constants::{group_enum, network_enum, resource_enum, resource_type_enum};
use crate::sys::types::PWSTR;
use crate::wide::{self, WideString};
use crate::win32::Win32;

impl Enumeration {
    /// Reads an enumeration of several kinds of object.
    fn names(
        &self,
        name: &'static str,
        function: unsafe extern "system" fn(isize, u32, *mut u32, PWSTR, *mut u32) -> u32,
    ) -> Result<Vec<String>, Error> {
        collect(|index| {
            wide::read_text(name, |buffer, units| {
                let mut kind = 0;
                // SAFETY: The enumeration is open, and the buffer has the size given.
                Win32(unsafe { function(self.raw, index, &raw mut kind, buffer.as_mut_ptr(), units) })
            })
        })
    }

    /// Reads an enumeration of one kind of object.
    fn names_of_one_kind(
        &self,
        name: &'static str,
        function: unsafe extern "system" fn(isize, u32, PWSTR, *mut u32) -> u32,
    ) -> Result<Vec<String>, Error> {
        collect(|index| {
            wide::read_text(name, |buffer, units| {
                // SAFETY: The enumeration is open, and the buffer has the size given.
                Win32(unsafe { function(self.raw, index, buffer.as_mut_ptr(), units) })
            })
        })
    }
}

/// Writes the enumerations of what belongs to one kind of object.
macro_rules! belongings {
    ($(
        $type:ident: $open:ident, $next:ident, $close:ident {
            $($(#[$doc:meta])* $method:ident: $kinds:expr;)*
        }
    )+) => {
        $(
            impl $type {
                /// The names of the objects of the given kinds that belong to this one.
                pub(super) fn object_names(&self, kinds: u32) -> Result<Vec<String>, Error> {
                    let api: &Clusapi = &self.connection().api;
                    let enumeration = open!(api, $open(self.raw(), kinds), $close);
                    enumeration.names(stringify!($next), entry!(api, $next)?)
                }

                $(
                    $(#[$doc])*
                    ///
                    /// # Errors
                    ///
                    /// [`Error::Call`].
                    pub fn $method(&self) -> Result<Vec<String>, Error> {
                        self.object_names($kinds)
                    }
                )*
            }
        )+
    };
}

belongings! {
    Cluster: ClusterOpenEnum, ClusterEnum, ClusterCloseEnum {}
    Node: ClusterNodeOpenEnum, ClusterNodeEnum, ClusterNodeCloseEnum {}
    Group: ClusterGroupOpenEnum, ClusterGroupEnum, ClusterGroupCloseEnum {
        /// The names of the group's resources.
        resources: group_enum::RESOURCES;
        /// The names of the nodes that the group prefers, the best first.
        preferred_owners: group_enum::PREFERRED_OWNERS;
    }
    Resource: ClusterResourceOpenEnum, ClusterResourceEnum, ClusterResourceCloseEnum {
        /// The names of the resources that this one depends on.
        dependencies: resource_enum::DEPENDENCIES;
        /// The names of the resources that depend on this one.
        dependents: resource_enum::DEPENDENTS;
        /// The names of the nodes that can run the resource.
        possible_owners: resource_enum::POSSIBLE_OWNERS;
    }
    Network: ClusterNetworkOpenEnum, ClusterNetworkEnum, ClusterNetworkCloseEnum {
        /// The names of the network's interfaces.
        interfaces: network_enum::INTERFACES;
    }
}

impl ResourceType {
    fn object_names(&self, kinds: u32) -> Result<Vec<String>, Error> {
        let api = &self.connection.api;
        let enumeration = open!(
            api,
            ClusterResourceTypeOpenEnum(self.connection.raw, self.wide.as_ptr(), kinds),
            ClusterResourceTypeCloseEnum
        );
        enumeration.names("ClusterResourceTypeEnum", entry!(api, ClusterResourceTypeEnum)?)
    }

    /// The names of the nodes that can run resources of this type.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5078 for no such type.
    pub fn possible_owners(&self) -> Result<Vec<String>, Error> {
        self.object_names(resource_type_enum::POSSIBLE_OWNERS)
    }

    /// The names of the resources of this type.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5078 for no such type.
    pub fn resources(&self) -> Result<Vec<String>, Error> {
        self.object_names(resource_type_enum::RESOURCES)
    }
}

impl Cluster {
    /// The names of the group sets.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn group_sets(&self) -> Result<Vec<String>, Error> {
        let enumeration = open!(
            self.api(),
            ClusterGroupSetOpenEnum(self.as_raw()),
            ClusterGroupSetCloseEnum
        );
        enumeration.names_of_one_kind("ClusterGroupSetEnum", entry!(self.api(), ClusterGroupSetEnum)?)
    }

    /// The names of the network interfaces of a node, on a network, or both.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`].
    pub fn interface_names(&self, node: Option<&str>, network: Option<&str>) -> Result<Vec<String>, Error> {
        let node = WideString::optional("node", node)?;
        let network = WideString::optional("network", network)?;
        let enumeration = open!(
            self.api(),
            ClusterNetInterfaceOpenEnum(
                self.as_raw(),
                wide::pointer_or_null(node.as_ref()),
                wide::pointer_or_null(network.as_ref())
            ),
            ClusterNetInterfaceCloseEnum
        );
        enumeration.names_of_one_kind("ClusterNetInterfaceEnum", entry!(self.api(), ClusterNetInterfaceEnum)?)
    }
}

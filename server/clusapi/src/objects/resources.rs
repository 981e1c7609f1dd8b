//! Resources and resource types: making, bringing online and offline, owners and dependencies (facts 2.5).
#![expect(unsafe_code, reason = "C functions are called with handles and texts of ours")]

use std::time::Duration;

use crate::api::{check_code, entry};
use crate::error::Error;
use crate::handle::{Cluster, Group, Node, Opened as _, Resource};
use crate::sys::constants::resource_create_flags;
use crate::verb::{Accepted, Argument as _, FromCode as _, Held as _, Stored, handle_of, verbs};
use crate::wide::{WideString, read_text};
use crate::win32::Win32;

verbs! {
    /// Deletes the resource. It must be offline or failed, else 5019; nothing may depend on it, else 5001; a core
    /// resource answers 5026, the quorum's 5020.
    Resource::delete() -> Accepted = DeleteClusterResource();
    /// Renames the resource. Some resources take their new name when they go online next.
    Resource::rename(name: &str) -> Stored = SetClusterResourceName(name);
    /// Takes the resource offline and brings it online.
    Resource::restart(flags: u32) -> Accepted = RestartClusterResource(flags);
    /// Makes the resource fail, for a test of what follows. 5084 while it is pending.
    Resource::fail() -> Accepted = FailClusterResource();
    /// Lets a node run the resource. 5010 if it does already.
    Resource::add_possible_owner(node: &Node) -> () = AddClusterResourceNode(node);
    /// Lets a node run the resource no longer. 5042 if it does not.
    Resource::remove_possible_owner(node: &Node) -> () = RemoveClusterResourceNode(node);
    /// Makes the resource depend on another of its group. 5003 if it does, 1059 for a circle, 5019 if it is not
    /// offline.
    Resource::add_dependency(provider: &Resource) -> () = AddClusterResourceDependency(provider);
    /// Takes that dependency away. 5002 if there is none.
    Resource::remove_dependency(provider: &Resource) -> () = RemoveClusterResourceDependency(provider);
    /// Sets what the resource depends on, such as `([IP 1] or [IP 2]) and [Disk]`.
    Resource::set_dependency_expression(expression: &str) -> () = SetClusterResourceDependencyExpression(expression);
    /// Deletes a resource type. 145 while there are resources of it, 5078 if there is no such type.
    Cluster::delete_resource_type(name: &str) -> () = DeleteClusterResourceType(name);
}

/// What resource type to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewResourceType {
    /// The name.
    pub name: String,
    /// The name for people.
    pub display_name: String,
    /// File of the library that runs the resources.
    pub library: String,
    /// How often resources are looked at.
    pub looks_alive_interval: Duration,
    /// How often resources are examined.
    pub is_alive_interval: Duration,
}

impl Cluster {
    /// Makes a resource type.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 183 if there is one of this name; [`Error::Text`].
    pub fn create_resource_type(&self, new: &NewResourceType) -> Result<(), Error> {
        let create = entry!(self.api(), CreateClusterResourceType)?;
        let name = WideString::new("name", &new.name)?;
        let display_name = WideString::new("display_name", &new.display_name)?;
        let library = WideString::new("library", &new.library)?;
        let milliseconds = |interval: Duration| u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: The handle is open; the texts end with a NUL and outlive the call.
        let code = unsafe {
            create(
                self.as_raw(),
                name.as_ptr(),
                display_name.as_ptr(),
                library.as_ptr(),
                milliseconds(new.looks_alive_interval),
                milliseconds(new.is_alive_interval),
            )
        };
        check_code("CreateClusterResourceType", code)
    }
}

impl Group {
    /// Makes a resource of a type in the group; with a monitor process of its own if it is not trusted.
    ///
    /// # Errors
    ///
    /// [`Error::Call`]: 5010 if there is one of this name, 5078 for no such type, 5079 if the group's node does not
    /// have it, 5076 at the limit, 5940 and 5941 for a second one of a kind of which there is one. [`Error::Text`].
    pub fn create_resource(&self, name: &str, type_name: &str, separate_monitor: bool) -> Result<Resource, Error> {
        let create = entry!(self.api(), CreateClusterResource)?;
        let name = WideString::new("name", name)?;
        let type_name = WideString::new("type_name", type_name)?;
        let flags = if separate_monitor {
            resource_create_flags::SEPARATE_MONITOR
        } else {
            resource_create_flags::DEFAULT_MONITOR
        };
        // SAFETY: The handle is open; the texts end with a NUL and outlive the call.
        let raw = unsafe { create(self.raw, name.as_ptr(), type_name.as_ptr(), flags) };
        let raw = self.api().check_handle("CreateClusterResource", raw)?;
        Ok(Resource::opened(&self.connection, raw))
    }
}

impl Resource {
    /// Brings the resource online, and before it what it depends on (`OnlineClusterResourceEx`, also without flags). The
    /// flags are [`resource_online_flags`](crate::sys::constants::resource_online_flags).
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn online(&self, flags: u32) -> Result<Accepted, Error> {
        let online = entry!(self.api(), OnlineClusterResourceEx)?;
        // SAFETY: The handle is open; there is no input.
        let code = unsafe { online(self.raw, flags, core::ptr::null(), 0) };
        Accepted::from_code("OnlineClusterResourceEx", code)
    }

    /// Takes the resource offline, and before it what depends on it (`OfflineClusterResourceEx`, also without flags). The
    /// flags are [`resource_offline_flags`](crate::sys::constants::resource_offline_flags).
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn offline(&self, flags: u32) -> Result<Accepted, Error> {
        let offline = entry!(self.api(), OfflineClusterResourceEx)?;
        // SAFETY: The handle is open; there is no input.
        let code = unsafe { offline(self.raw, flags, core::ptr::null(), 0) };
        Accepted::from_code("OfflineClusterResourceEx", code)
    }

    /// Moves the resource and its whole dependency tree to another group. The flags are
    /// [`change_group_flags`](crate::sys::constants::change_group_flags).
    ///
    /// # Errors
    ///
    /// [`Error::Call`], such as when the groups are on different nodes; [`Error::OtherConnection`].
    pub fn change_group(&self, group: &Group, flags: u64) -> Result<Accepted, Error> {
        let group = handle_of(group, "group", self.connection())?;
        if flags == 0 {
            let change = entry!(self.api(), ChangeClusterResourceGroup)?;
            // SAFETY: The handles are open and of one connection.
            let code = unsafe { change(self.raw, group) };
            return Accepted::from_code("ChangeClusterResourceGroup", code);
        }
        let change = entry!(self.api(), ChangeClusterResourceGroupEx)?;
        // SAFETY: The handles are open and of one connection.
        let code = unsafe { change(self.raw, group, flags) };
        Accepted::from_code("ChangeClusterResourceGroupEx", code)
    }

    /// What the resource depends on, as a text with ids in brackets (facts 2.5).
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn dependency_expression(&self) -> Result<String, Error> {
        const FUNCTION: &str = "GetClusterResourceDependencyExpression";
        let get = entry!(self.api(), GetClusterResourceDependencyExpression)?;
        read_text(FUNCTION, |buffer, units| {
            // SAFETY: The handle is open, and the buffer has the size given.
            Win32(unsafe { get(self.raw, buffer.as_mut_ptr(), units) })
        })
    }

    /// Whether the resource could depend on another. A failure of the call cannot be told from "no": both answer FALSE.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`], [`Error::OtherConnection`].
    pub fn can_depend_on(&self, provider: &Self) -> Result<bool, Error> {
        let can = entry!(self.api(), CanResourceBeDependent)?;
        let provider = handle_of(provider, "provider", self.connection())?;
        // SAFETY: The handles are open and of one connection.
        let answer = unsafe { can(self.raw, provider) };
        Ok(answer != 0)
    }

    /// The name of the network name that the resource depends on.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5002 or 5006 if it depends on none (a guess).
    pub fn network_name(&self) -> Result<String, Error> {
        const FUNCTION: &str = "GetClusterResourceNetworkName";
        let get = entry!(self.api(), GetClusterResourceNetworkName)?;
        read_text(FUNCTION, |buffer, units| {
            // SAFETY: The handle is open, and the buffer has the size given.
            let answer = unsafe { get(self.raw, buffer.as_mut_ptr(), units) };
            match self.api().check_bool(FUNCTION, answer) {
                Ok(()) => Win32::ERROR_SUCCESS,
                Err(error) => error.code().unwrap_or(Win32::ERROR_GEN_FAILURE),
            }
        })
    }
}

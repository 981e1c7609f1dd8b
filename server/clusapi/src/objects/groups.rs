//! Groups: making, moving, bringing online and offline, and what they depend on (facts 2.4).
#![expect(unsafe_code, reason = "C functions are called with handles and buffers of ours")]

use crate::api::{check_code, entry};
use crate::error::Error;
use crate::handle::{Cluster, Group, GroupSet, Node, Opened as _};
use crate::numbers::{GroupType, VmMigration};
use crate::proplist::{Property, PropertyList, Value};
use crate::sys::constants::{CLUSTER_CREATE_GROUP_INFO_VERSION_1, group_move_flags};
use crate::sys::types::CLUSTER_CREATE_GROUP_INFO;
use crate::verb::{Accepted, Argument as _, FromCode as _, Held as _, InputList, handles_of, verbs};
use crate::wide::WideString;

verbs! {
    /// Deletes the group, which must be empty: else 145. A core group answers 5026.
    Group::delete() -> Accepted = DeleteClusterGroup();
    /// Takes the group's resources offline and deletes them and the group.
    Group::destroy() -> Accepted = DestroyClusterGroup();
    /// Renames the group.
    Group::rename(name: &str) -> () = SetClusterGroupName(name);
    /// Cancels a move that is queued or under way.
    Group::cancel_operation() -> Accepted = CancelClusterGroupOperation(0);
    /// Makes the group depend on another.
    Group::add_dependency(provider: &Group) -> () = AddClusterGroupDependency(provider);
    /// Takes that dependency away.
    Group::remove_dependency(provider: &Group) -> () = RemoveClusterGroupDependency(provider);
    /// Sets what the group depends on, as a text.
    Group::set_dependency_expression(expression: &str) -> () = SetGroupDependencyExpression(expression);
    /// Makes the group depend on a group set.
    Group::add_set_dependency(provider: &GroupSet) -> () = AddClusterGroupToGroupSetDependency(provider);
    /// Takes that dependency away.
    Group::remove_set_dependency(provider: &GroupSet) -> () = RemoveClusterGroupToGroupSetDependency(provider);
    /// Takes the group out of its group set.
    Group::leave_set() -> () = ClusterRemoveGroupFromGroupSet();
}

impl Cluster {
    /// Makes a group of a kind; `None` leaves the kind to the cluster.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5010 if there is one of this name; [`Error::Text`].
    pub fn create_group(&self, name: &str, group_type: Option<GroupType>) -> Result<Group, Error> {
        let name = WideString::new("name", name)?;
        let (function, raw) = match group_type {
            None => {
                let create = entry!(self.api(), CreateClusterGroup)?;
                // SAFETY: The handle is open; the name ends with a NUL and outlives the call.
                let raw = unsafe { create(self.as_raw(), name.as_ptr()) };
                ("CreateClusterGroup", raw)
            }
            Some(GroupType(number)) => {
                let create = entry!(self.api(), CreateClusterGroupEx)?;
                let info = CLUSTER_CREATE_GROUP_INFO {
                    dwVersion: CLUSTER_CREATE_GROUP_INFO_VERSION_1,
                    groupType: number.cast_signed(),
                };
                // SAFETY: The handle is open; the name ends with a NUL, the struct is of the version it says, and both
                // outlive the call.
                let raw = unsafe { create(self.as_raw(), name.as_ptr(), &raw const info) };
                ("CreateClusterGroupEx", raw)
            }
        };
        let raw = self.api().check_handle(function, raw)?;
        Ok(Group::opened(&self.connection, raw))
    }
}

impl Group {
    /// Brings the group online, on a node or where it is (`OnlineClusterGroupEx`, also without flags). The flags are
    /// [`group_online_flags`](crate::sys::constants::group_online_flags).
    ///
    /// # Errors
    ///
    /// [`Error::Call`]: 5005 if the node is not up, 70 if it is paused, 5071 if it cannot host the group, 5960 if a
    /// resource is locked. [`Error::OtherConnection`].
    pub fn online(&self, node: Option<&Node>, flags: u32) -> Result<Accepted, Error> {
        let node = node.hold("node", self.connection())?;
        let online = entry!(self.api(), OnlineClusterGroupEx)?;
        // SAFETY: The handles are open and of one connection; there is no input.
        let code = unsafe { online(self.raw, node.raw(), flags, core::ptr::null(), 0) };
        Accepted::from_code("OnlineClusterGroupEx", code)
    }

    /// Takes the group offline (`OfflineClusterGroupEx`, also without flags). The flags are
    /// [`group_offline_flags`](crate::sys::constants::group_offline_flags).
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5960 if a resource is locked.
    pub fn offline(&self, flags: u32) -> Result<Accepted, Error> {
        let offline = entry!(self.api(), OfflineClusterGroupEx)?;
        // SAFETY: The handle is open; there is no input.
        let code = unsafe { offline(self.raw, flags, core::ptr::null(), 0) };
        Accepted::from_code("OfflineClusterGroupEx", code)
    }

    /// Moves the group to a node, or to the best one (`MoveClusterGroup`), for what cannot be asked to move in another
    /// way; [`Group::move_to`] takes flags.
    ///
    /// # Errors
    ///
    /// As [`Group::move_to`].
    pub fn move_plainly(&self, node: Option<&Node>) -> Result<Accepted, Error> {
        let node = node.hold("node", self.connection())?;
        let move_group = entry!(self.api(), MoveClusterGroup)?;
        // SAFETY: The handles are open and of one connection.
        let code = unsafe { move_group(self.raw, node.raw()) };
        Accepted::from_code("MoveClusterGroup", code)
    }

    /// Moves the group to a node, or to the best one (`MoveClusterGroupEx`, also without flags). The flags are
    /// [`group_move_flags`](crate::sys::constants::group_move_flags); the properties say how the resources of a type
    /// are moved (facts 2.4).
    ///
    /// # Errors
    ///
    /// [`Error::Call`]: 5960 if a resource is locked, 5908 if the group is moving, 5944 if it is busy, 5005, 70 and
    /// 5071 for the node, 5953, 5957, 5958 for a refusal. [`Error::OtherConnection`], [`Error::Unwritable`].
    pub fn move_to(&self, node: Option<&Node>, flags: u32, properties: &PropertyList) -> Result<Accepted, Error> {
        let node = node.hold("node", self.connection())?;
        let move_group = entry!(self.api(), MoveClusterGroupEx)?;
        let input = InputList::new(properties)?;
        let (bytes, count) = input.raw()?;
        // SAFETY: The handles are open and of one connection; the input has the size given and outlives the call.
        let code = unsafe { move_group(self.raw, node.raw(), flags, bytes, count) };
        Accepted::from_code("MoveClusterGroupEx", code)
    }

    /// Moves a virtual machine's group in one of the ways for that (facts 2.4).
    ///
    /// # Errors
    ///
    /// As [`Group::move_to`].
    pub fn migrate(&self, node: Option<&Node>, how: VmMigration) -> Result<Accepted, Error> {
        let flags = if how == VmMigration::LIVE {
            group_move_flags::RETURN_TO_SOURCE_NODE_ON_ERROR
                | group_move_flags::QUEUE_ENABLED
                | group_move_flags::HIGH_PRIORITY_START
        } else {
            0
        };
        let property = |name: &str| Property {
            name: name.to_owned(),
            values: vec![Value::Dword(how.0)],
        };
        let properties = PropertyList {
            properties: vec![property("Virtual Machine"), property("Virtual Machine Configuration")],
        };
        self.move_to(node, flags, &properties)
    }

    /// Sets the nodes that the group prefers, the best first; none takes all away.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::OtherConnection`], [`Error::TooMany`].
    pub fn set_preferred_owners(&self, nodes: &[&Node]) -> Result<(), Error> {
        let set = entry!(self.api(), SetClusterGroupNodeList)?;
        let (handles, count) = handles_of(nodes, "nodes", self.connection())?;
        // SAFETY: The handles are open and of one connection; the list has the length given and outlives the call.
        let code = unsafe { set(self.raw, count, handles.as_ptr()) };
        check_code("SetClusterGroupNodeList", code)
    }
}

//! Groups: facts 2.2 and 2.4.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_groups {
    ($receiver:ident { $($before:tt)* }) => {
        $crate::cluster_functions_of_resources! { $receiver { $($before)*
            /// Opens a group by name or id. 0 on failure.
            Server2008 fn OpenClusterGroup(cluster: HCLUSTER, group_name: PCWSTR) -> HGROUP, in clustering;
            /// The same, with access rights. 0 on failure.
            Server2012 fn OpenClusterGroupEx(
                cluster: HCLUSTER, group_name: PCWSTR, desired_access: u32, granted_access: *mut u32,
            ) -> HGROUP, in clustering;
            /// Closes a group.
            Server2008 fn CloseClusterGroup(group: HGROUP) -> BOOL, in clustering;
            /// State and owner of a group; -1 and `GetLastError` on failure.
            Server2008 fn GetClusterGroupState(
                group: HGROUP, node_name: PWSTR, node_name_units: *mut u32,
            ) -> CLUSTER_GROUP_STATE, in clustering;
            /// Makes a group. 0 on failure.
            Server2008 fn CreateClusterGroup(cluster: HCLUSTER, group_name: PCWSTR) -> HGROUP, in clustering;
            /// Deletes an empty group.
            Server2008 fn DeleteClusterGroup(group: HGROUP) -> u32, in clustering;
            /// Deletes a group and its resources.
            Server2008 fn DestroyClusterGroup(group: HGROUP) -> u32, in clustering;
            /// Begins an enumeration of groups with state and chosen properties. 0 on failure.
            Server2012 fn ClusterGroupOpenEnumEx(
                cluster: HCLUSTER, properties: PCWSTR, properties_bytes: u32, ro_properties: PCWSTR,
                ro_properties_bytes: u32, flags: u32,
            ) -> HGROUPENUMEX, in clustering;
            /// Number of groups.
            Server2012 fn ClusterGroupGetEnumCountEx(enumeration: HGROUPENUMEX) -> u32, in clustering;
            /// One group; 259 at the end.
            Server2012 fn ClusterGroupEnumEx(
                enumeration: HGROUPENUMEX, index: u32, item: *mut CLUSTER_GROUP_ENUM_ITEM, item_bytes: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2012 fn ClusterGroupCloseEnumEx(enumeration: HGROUPENUMEX) -> u32, in clustering;
            /// Sends a control code to a group.
            Server2008 fn ClusterGroupControl(
                group: HGROUP, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32, output: *mut c_void,
                output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            /// Makes a group of a kind. 0 on failure.
            Server2012 fn CreateClusterGroupEx(
                cluster: HCLUSTER, group_name: PCWSTR, group_info: *const CLUSTER_CREATE_GROUP_INFO,
            ) -> HGROUP, in clustering;
            /// Renames a group.
            Server2008 fn SetClusterGroupName(group: HGROUP, group_name: PCWSTR) -> u32, in clustering;
            /// Sets the preferred owners, the best first.
            Server2008 fn SetClusterGroupNodeList(group: HGROUP, count: u32, nodes: *const HNODE) -> u32, in clustering;
            /// Brings a group online; 997 when it goes on by itself.
            Server2008 fn OnlineClusterGroup(group: HGROUP, destination_node: HNODE) -> u32, in clustering;
            /// The same, with flags and a property list.
            Server2012 fn OnlineClusterGroupEx(
                group: HGROUP, destination_node: HNODE, flags: u32, input: *const u8, input_bytes: u32,
            ) -> u32, in clustering;
            /// Takes a group offline; 997 when it goes on by itself.
            Server2008 fn OfflineClusterGroup(group: HGROUP) -> u32, in clustering;
            /// The same, with flags and a property list.
            Server2012 fn OfflineClusterGroupEx(
                group: HGROUP, flags: u32, input: *const u8, input_bytes: u32,
            ) -> u32, in clustering;
            /// Moves a group; 997 when it goes on by itself.
            Server2008 fn MoveClusterGroup(group: HGROUP, destination_node: HNODE) -> u32, in clustering;
            /// The same, with flags and a property list, such as one of migration types (facts 2.4).
            Server2012 fn MoveClusterGroupEx(
                group: HGROUP, destination_node: HNODE, flags: u32, input: *const u8, input_bytes: u32,
            ) -> u32, in clustering;
            /// Cancels a move that is queued or under way.
            Server2012 fn CancelClusterGroupOperation(group: HGROUP, cancel_flags: u32) -> u32, in clustering;
            /// Begins an enumeration of what belongs to a group. 0 on failure.
            Server2008 fn ClusterGroupOpenEnum(group: HGROUP, kinds: u32) -> HGROUPENUM, in clustering;
            /// Number of objects.
            Server2008 fn ClusterGroupGetEnumCount(enumeration: HGROUPENUM) -> u32, in clustering;
            /// One object; 259 at the end.
            Server2008 fn ClusterGroupEnum(
                enumeration: HGROUPENUM, index: u32, kind: *mut u32, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2008 fn ClusterGroupCloseEnum(enumeration: HGROUPENUM) -> u32, in clustering;
            /// Makes a group depend on a group.
            Server2016 fn AddClusterGroupDependency(
                dependent_group: HGROUP, provider_group: HGROUP,
            ) -> u32, in clustering;
            /// Takes that dependency away.
            Server2016 fn RemoveClusterGroupDependency(group: HGROUP, provider_group: HGROUP) -> u32, in clustering;
            /// Sets what a group depends on, as a text.
            Server2016 fn SetGroupDependencyExpression(group: HGROUP, expression: PCWSTR) -> u32, in clustering;
            /// Makes a group depend on a group set.
            Server2016 fn AddClusterGroupToGroupSetDependency(
                dependent_group: HGROUP, provider_group_set: HGROUPSET,
            ) -> u32, in clustering;
            /// Takes that dependency away.
            Server2016 fn RemoveClusterGroupToGroupSetDependency(
                group: HGROUP, provider_group_set: HGROUPSET,
            ) -> u32, in clustering;
        } }
    };
}

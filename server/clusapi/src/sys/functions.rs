//! The list of C functions: the one place where each stands with its signature.

/// Gives every C function of the table to a macro of the caller's, in the table's order, as
///
/// ```text
/// $(#[doc])* RELEASE fn NAME(ARGUMENT: TYPE, ...) -> RESULT, in MODULE;
/// ```
///
/// `RELEASE` is a variant of [`WindowsRelease`](crate::sys::WindowsRelease) and `RESULT` one word. The types are those
/// of [`types`](crate::sys::types) and `c_void`, and must be in scope where the macro is called. `in MODULE` names the
/// part of `windows-sys` that has the function too; it is absent where there is none.
#[macro_export]
macro_rules! for_each_cluster_function {
    ($receiver:ident) => {
        $receiver! {
            // Setup and upgrade (facts 1.1 to 1.7).
            /// Forms a cluster. 0 on failure.
            Server2008 fn CreateCluster(
                config: *const CREATE_CLUSTER_CONFIG, callback: PCLUSTER_SETUP_PROGRESS_CALLBACK,
                argument: *const c_void,
            ) -> HCLUSTER, in clustering;
            /// Adds a node. 0 on failure.
            Server2008 fn AddClusterNode(
                cluster: HCLUSTER, node_name: PCWSTR, callback: PCLUSTER_SETUP_PROGRESS_CALLBACK,
                argument: *const c_void,
            ) -> HNODE, in clustering;
            /// Adds a node, with flags that nothing documents.
            Server2022 fn AddClusterNodeEx(
                cluster: HCLUSTER, node_name: PCWSTR, flags: u32, callback: PCLUSTER_SETUP_PROGRESS_CALLBACK,
                argument: *const c_void,
            ) -> HNODE, in clustering;
            /// Adds a storage node.
            Server2019 fn AddClusterStorageNode(
                cluster: HCLUSTER, node_name: PCWSTR, callback: PCLUSTER_SETUP_PROGRESS_CALLBACK,
                argument: *const c_void, description: PCWSTR, location: PCWSTR,
            ) -> u32, in clustering;
            /// Removes a storage node; timeout in milliseconds.
            Server2019 fn RemoveClusterStorageNode(
                cluster: HCLUSTER, enclosure_name: PCWSTR, timeout: u32, flags: u32,
            ) -> u32, in clustering;
            /// Takes a cluster apart.
            Server2008 fn DestroyCluster(
                cluster: HCLUSTER, callback: PCLUSTER_SETUP_PROGRESS_CALLBACK, argument: *const c_void,
                delete_computer_objects: BOOL,
            ) -> u32, in clustering;
            /// Evicts a node.
            Server2008 fn EvictClusterNode(node: HNODE) -> u32, in clustering;
            /// Evicts a node and waits for its clean-up at most `timeout` milliseconds.
            Server2008 fn EvictClusterNodeEx(
                node: HNODE, timeout: u32, cleanup_status: *mut HRESULT,
            ) -> u32, in clustering;
            /// The same, with a reason for the log.
            Server2025 fn EvictClusterNodeEx2(
                node: HNODE, timeout: u32, cleanup_status: *mut HRESULT, reason: PCWSTR,
            ) -> u32, in clustering;
            /// Gives a cluster a name in the directory.
            Server2016 fn CreateClusterNameAccount(
                cluster: HCLUSTER, config: *const CREATE_CLUSTER_NAME_ACCOUNT,
                callback: PCLUSTER_SETUP_PROGRESS_CALLBACK, argument: *const c_void,
            ) -> u32, in clustering;
            /// Takes that name away.
            Server2019 fn RemoveClusterNameAccount(
                cluster: HCLUSTER, delete_computer_objects: BOOL,
            ) -> u32, in clustering;
            /// Repairs that name. Not in `windows-sys`. Guess: the release; only the newest header has it.
            Server2022 fn RepairClusterNameAccount(
                cluster: HCLUSTER, config: *const REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG,
                callback: PCLUSTER_SETUP_PROGRESS_CALLBACK, argument: *const c_void,
            ) -> u32;
            /// Checks, or performs, the upgrade to the next functional level.
            Server2016 fn ClusterUpgradeFunctionalLevel(
                cluster: HCLUSTER, perform: BOOL, callback: PCLUSTER_UPGRADE_PROGRESS_CALLBACK,
                argument: *const c_void,
            ) -> u32, in clustering;
            /// Replaces a node by another.
            Server2019 fn ClusterNodeReplacement(
                cluster: HCLUSTER, current_name: PCWSTR, new_name: PCWSTR,
            ) -> u32, in clustering;
            /// Tells whether a host is set up as a node; NULL is this host.
            Server2008 fn GetNodeClusterState(node_name: PCWSTR, state: *mut u32) -> u32, in clustering;
            /// Which kind of network name fits these hosts.
            Server2019 fn DetermineCNOResTypeFromNodelist(
                count: u32, node_names: *const PCWSTR, restype: *mut CLUSTER_MGMT_POINT_RESTYPE,
            ) -> u32, in clustering;
            /// Which kind of network name fits this cluster.
            Server2019 fn DetermineCNOResTypeFromCluster(
                cluster: HCLUSTER, restype: *mut CLUSTER_MGMT_POINT_RESTYPE,
            ) -> u32, in clustering;
            /// Where these hosts run.
            Server2019 fn DetermineClusterCloudTypeFromNodelist(
                count: u32, node_names: *const PCWSTR, cloud_type: *mut CLUSTER_CLOUD_TYPE,
            ) -> u32, in clustering;
            /// Where this cluster runs.
            Server2019 fn DetermineClusterCloudTypeFromCluster(
                cluster: HCLUSTER, cloud_type: *mut CLUSTER_CLOUD_TYPE,
            ) -> u32, in clustering;
            /// Where one host runs.
            Server2022 fn GetNodeCloudTypeDW(node_name: PCWSTR, cloud_type: *mut u32) -> u32, in clustering;
            // Clusters (facts 2.1).
            /// Connects to a cluster; NULL is this host's own. 0 on failure.
            Server2008 fn OpenCluster(cluster_name: PCWSTR) -> HCLUSTER, in clustering;
            /// The same, with access rights. 0 on failure.
            Server2012 fn OpenClusterEx(
                cluster_name: PCWSTR, desired_access: u32, granted_access: *mut u32,
            ) -> HCLUSTER, in clustering;
            /// Ends the connection.
            Server2008 fn CloseCluster(cluster: HCLUSTER) -> BOOL, in clustering;
            /// Name and versions of a cluster.
            Server2008 fn GetClusterInformation(
                cluster: HCLUSTER, name: PWSTR, name_units: *mut u32, info: *mut CLUSTERVERSIONINFO,
            ) -> u32, in clustering;
            /// Renames a cluster; 5024 is success.
            Server2008 fn SetClusterName(cluster: HCLUSTER, new_name: PCWSTR) -> u32, in clustering;
            /// Begins an enumeration by name. 0 on failure.
            Server2008 fn ClusterOpenEnum(cluster: HCLUSTER, kinds: u32) -> HCLUSENUM, in clustering;
            /// Number of objects.
            Server2008 fn ClusterGetEnumCount(enumeration: HCLUSENUM) -> u32, in clustering;
            /// One object; 259 at the end.
            Server2008 fn ClusterEnum(
                enumeration: HCLUSENUM, index: u32, kind: *mut u32, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2008 fn ClusterCloseEnum(enumeration: HCLUSENUM) -> u32, in clustering;
            /// Begins an enumeration with ids and names. 0 on failure.
            Server2012 fn ClusterOpenEnumEx(
                cluster: HCLUSTER, kinds: u32, options: *const c_void,
            ) -> HCLUSENUMEX, in clustering;
            /// Number of objects.
            Server2012 fn ClusterGetEnumCountEx(enumeration: HCLUSENUMEX) -> u32, in clustering;
            /// One object; 259 at the end.
            Server2012 fn ClusterEnumEx(
                enumeration: HCLUSENUMEX, index: u32, item: *mut CLUSTER_ENUM_ITEM, item_bytes: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2012 fn ClusterCloseEnumEx(enumeration: HCLUSENUMEX) -> u32, in clustering;
            // Nodes (facts 2.3).
            /// Opens a node. 0 on failure.
            Server2008 fn OpenClusterNode(cluster: HCLUSTER, node_name: PCWSTR) -> HNODE, in clustering;
            /// The same, with access rights. 0 on failure.
            Server2012 fn OpenClusterNodeEx(
                cluster: HCLUSTER, node_name: PCWSTR, desired_access: u32, granted_access: *mut u32,
            ) -> HNODE, in clustering;
            /// Opens a node by its number. 0 on failure.
            Server2019 fn OpenClusterNodeById(cluster: HCLUSTER, node_id: u32) -> HNODE, in clustering;
            /// Closes a node.
            Server2008 fn CloseClusterNode(node: HNODE) -> BOOL, in clustering;
            /// State of a node; -1 and `GetLastError` on failure.
            Server2008 fn GetClusterNodeState(node: HNODE) -> CLUSTER_NODE_STATE, in clustering;
            /// Id of a node; 0 for the handle is this host.
            Server2008 fn GetClusterNodeId(node: HNODE, id: PWSTR, id_units: *mut u32) -> u32, in clustering;
            /// Pauses a node.
            Server2008 fn PauseClusterNode(node: HNODE) -> u32, in clustering;
            /// Pauses a node and may drain it.
            Server2012 fn PauseClusterNodeEx(
                node: HNODE, drain: BOOL, flags: u32, drain_target: HNODE,
            ) -> u32, in clustering;
            /// Resumes a node.
            Server2008 fn ResumeClusterNode(node: HNODE) -> u32, in clustering;
            /// Resumes a node and may bring its groups back.
            Server2012 fn ResumeClusterNodeEx(
                node: HNODE, failback: CLUSTER_NODE_RESUME_FAILBACK_TYPE, reserved_flags: u32,
            ) -> u32, in clustering;
            /// Begins an enumeration of what belongs to a node. 0 on failure.
            Server2008 fn ClusterNodeOpenEnum(node: HNODE, kinds: u32) -> HNODEENUM, in clustering;
            /// Number of objects.
            Server2008 fn ClusterNodeGetEnumCount(enumeration: HNODEENUM) -> u32, in clustering;
            /// One object; 259 at the end.
            Server2008 fn ClusterNodeEnum(
                enumeration: HNODEENUM, index: u32, kind: *mut u32, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2008 fn ClusterNodeCloseEnum(enumeration: HNODEENUM) -> u32, in clustering;
            /// The same with ids and names. 0 on failure.
            Server2012 fn ClusterNodeOpenEnumEx(
                node: HNODE, kinds: u32, options: *const c_void,
            ) -> HNODEENUMEX, in clustering;
            /// Number of objects.
            Server2012 fn ClusterNodeGetEnumCountEx(enumeration: HNODEENUMEX) -> u32, in clustering;
            /// One object; 259 at the end.
            Server2012 fn ClusterNodeEnumEx(
                enumeration: HNODEENUMEX, index: u32, item: *mut CLUSTER_ENUM_ITEM, item_bytes: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2012 fn ClusterNodeCloseEnumEx(enumeration: HNODEENUMEX) -> u32, in clustering;
            // Groups (facts 2.2 and 2.4).
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
            // Resources (facts 2.2 and 2.5).
            /// Opens a resource by name or id. 0 on failure.
            Server2008 fn OpenClusterResource(cluster: HCLUSTER, resource_name: PCWSTR) -> HRESOURCE, in clustering;
            /// Closes a resource.
            Server2008 fn CloseClusterResource(resource: HRESOURCE) -> BOOL, in clustering;
            /// State, owner and group of a resource; -1 and `GetLastError` on failure.
            Server2008 fn GetClusterResourceState(
                resource: HRESOURCE, node_name: PWSTR, node_name_units: *mut u32, group_name: PWSTR,
                group_name_units: *mut u32,
            ) -> CLUSTER_RESOURCE_STATE, in clustering;
            // Control codes (facts 3.2).
            /// Sends a control code to the cluster.
            Server2008 fn ClusterControl(
                cluster: HCLUSTER, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            /// Sends a control code to a node.
            Server2008 fn ClusterNodeControl(
                node: HNODE, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            /// Sends a control code to a group.
            Server2008 fn ClusterGroupControl(
                group: HGROUP, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            /// Sends a control code to a resource.
            Server2008 fn ClusterResourceControl(
                resource: HRESOURCE, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            // Notifications (facts 4.1).
            /// Makes a port, or adds filters to one. 0 on failure.
            Server2012 fn CreateClusterNotifyPortV2(
                port: HCHANGE, cluster: HCLUSTER, filters: *const NOTIFY_FILTER_AND_TYPE, filter_count: u32,
                key: usize,
            ) -> HCHANGE, in clustering;
            /// Adds a filter for one object.
            Server2012 fn RegisterClusterNotifyV2(
                port: HCHANGE, filter: NOTIFY_FILTER_AND_TYPE, object: HANDLE, key: usize,
            ) -> u32, in clustering;
            /// Adds a filter for one resource type.
            Server2012 fn RegisterClusterResourceTypeNotifyV2(
                port: HCHANGE, cluster: HCLUSTER, flags: i64, resource_type: PCWSTR, key: usize,
            ) -> u32, in clustering;
            /// The event object that is signalled when something is queued.
            Server2012 fn GetNotifyEventHandle(port: HCHANGE, event: *mut HANDLE) -> u32, in clustering;
            /// Waits for one event.
            Server2012 fn GetClusterNotifyV2(
                port: HCHANGE, key: *mut usize, filter_and_type: *mut NOTIFY_FILTER_AND_TYPE, buffer: *mut u8,
                buffer_bytes: *mut u32, object_id: PWSTR, object_id_units: *mut u32, parent_id: PWSTR,
                parent_id_units: *mut u32, name: PWSTR, name_units: *mut u32, resource_type: PWSTR,
                resource_type_units: *mut u32, milliseconds: u32,
            ) -> u32, in clustering;
            /// Closes a port; who waits there gets 6.
            Server2008 fn CloseClusterNotifyPort(port: HCHANGE) -> BOOL, in clustering;
            // Errors.
            /// Error of the calling thread's last failed call. Elsewhere than on Windows the provider supplies it,
            /// since there is no such call.
            Server2008 fn GetLastError() -> u32, in foundation;
        }
    };
}

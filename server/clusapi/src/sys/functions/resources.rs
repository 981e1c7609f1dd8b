//! Resources and resource types: facts 2.2 and 2.5.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_resources {
    ($receiver:ident { $($before:tt)* }) => {
        $crate::cluster_functions_of_networks! { $receiver { $($before)*
            /// Opens a resource by name or id. 0 on failure.
            Server2008 fn OpenClusterResource(cluster: HCLUSTER, resource_name: PCWSTR) -> HRESOURCE, in clustering;
            /// Closes a resource.
            Server2008 fn CloseClusterResource(resource: HRESOURCE) -> BOOL, in clustering;
            /// State, owner and group of a resource; -1 and `GetLastError` on failure.
            Server2008 fn GetClusterResourceState(
                resource: HRESOURCE, node_name: PWSTR, node_name_units: *mut u32, group_name: PWSTR,
                group_name_units: *mut u32,
            ) -> CLUSTER_RESOURCE_STATE, in clustering;
            /// Sends a control code to a resource.
            Server2008 fn ClusterResourceControl(
                resource: HRESOURCE, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            /// Makes a resource in a group. 0 on failure.
            Server2008 fn CreateClusterResource(
                group: HGROUP, resource_name: PCWSTR, resource_type: PCWSTR, flags: u32,
            ) -> HRESOURCE, in clustering;
            /// Deletes a resource that is offline.
            Server2008 fn DeleteClusterResource(resource: HRESOURCE) -> u32, in clustering;
            /// Renames a resource.
            Server2008 fn SetClusterResourceName(resource: HRESOURCE, resource_name: PCWSTR) -> u32, in clustering;
            /// Brings a resource online; 997 when it goes on by itself.
            Server2008 fn OnlineClusterResource(resource: HRESOURCE) -> u32, in clustering;
            /// The same, with flags and a property list.
            Server2012 fn OnlineClusterResourceEx(
                resource: HRESOURCE, flags: u32, input: *const u8, input_bytes: u32,
            ) -> u32, in clustering;
            /// Takes a resource offline; 997 when it goes on by itself.
            Server2008 fn OfflineClusterResource(resource: HRESOURCE) -> u32, in clustering;
            /// The same, with flags and a property list.
            Server2012 fn OfflineClusterResourceEx(
                resource: HRESOURCE, flags: u32, input: *const u8, input_bytes: u32,
            ) -> u32, in clustering;
            /// Takes a resource offline and brings it online.
            Server2016 fn RestartClusterResource(resource: HRESOURCE, flags: u32) -> u32, in clustering;
            /// Makes a resource fail, for a test of what follows.
            Server2008 fn FailClusterResource(resource: HRESOURCE) -> u32, in clustering;
            /// Moves a resource and its dependency tree to another group.
            Server2008 fn ChangeClusterResourceGroup(resource: HRESOURCE, group: HGROUP) -> u32, in clustering;
            /// The same, with flags.
            Server2022 fn ChangeClusterResourceGroupEx(
                resource: HRESOURCE, group: HGROUP, flags: u64,
            ) -> u32, in clustering;
            /// Adds a possible owner.
            Server2008 fn AddClusterResourceNode(resource: HRESOURCE, node: HNODE) -> u32, in clustering;
            /// Takes a possible owner away.
            Server2008 fn RemoveClusterResourceNode(resource: HRESOURCE, node: HNODE) -> u32, in clustering;
            /// Makes a resource depend on a resource.
            Server2008 fn AddClusterResourceDependency(resource: HRESOURCE, provider: HRESOURCE) -> u32, in clustering;
            /// Takes that dependency away.
            Server2008 fn RemoveClusterResourceDependency(
                resource: HRESOURCE, provider: HRESOURCE,
            ) -> u32, in clustering;
            /// Sets what a resource depends on, as a text.
            Server2008 fn SetClusterResourceDependencyExpression(
                resource: HRESOURCE, expression: PCWSTR,
            ) -> u32, in clustering;
            /// What a resource depends on, as a text.
            Server2008 fn GetClusterResourceDependencyExpression(
                resource: HRESOURCE, expression: PWSTR, expression_units: *mut u32,
            ) -> u32, in clustering;
            /// Whether a resource can depend on a resource. FALSE says no, or is a failure.
            Server2008 fn CanResourceBeDependent(resource: HRESOURCE, provider: HRESOURCE) -> BOOL, in clustering;
            /// Name of the network name that a resource depends on. FALSE on failure.
            Server2008 fn GetClusterResourceNetworkName(
                resource: HRESOURCE, name: PWSTR, name_units: *mut u32,
            ) -> BOOL, in clustering;
            /// Makes a disk a cluster shared volume.
            Server2008 fn AddResourceToClusterSharedVolumes(resource: HRESOURCE) -> u32, in clustering;
            /// Makes a cluster shared volume a disk again.
            Server2008 fn RemoveResourceFromClusterSharedVolumes(resource: HRESOURCE) -> u32, in clustering;
            /// Begins an enumeration of what belongs to a resource. 0 on failure.
            Server2008 fn ClusterResourceOpenEnum(resource: HRESOURCE, kinds: u32) -> HRESENUM, in clustering;
            /// Number of objects.
            Server2008 fn ClusterResourceGetEnumCount(enumeration: HRESENUM) -> u32, in clustering;
            /// One object; 259 at the end.
            Server2008 fn ClusterResourceEnum(
                enumeration: HRESENUM, index: u32, kind: *mut u32, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2008 fn ClusterResourceCloseEnum(enumeration: HRESENUM) -> u32, in clustering;
            /// Begins an enumeration of resources with owner and chosen properties. 0 on failure.
            Server2012 fn ClusterResourceOpenEnumEx(
                cluster: HCLUSTER, properties: PCWSTR, properties_bytes: u32, ro_properties: PCWSTR,
                ro_properties_bytes: u32, flags: u32,
            ) -> HRESENUMEX, in clustering;
            /// Number of resources.
            Server2012 fn ClusterResourceGetEnumCountEx(enumeration: HRESENUMEX) -> u32, in clustering;
            /// One resource; 259 at the end.
            Server2012 fn ClusterResourceEnumEx(
                enumeration: HRESENUMEX, index: u32, item: *mut CLUSTER_RESOURCE_ENUM_ITEM, item_bytes: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2012 fn ClusterResourceCloseEnumEx(enumeration: HRESENUMEX) -> u32, in clustering;
            /// Makes a resource type; intervals in milliseconds.
            Server2008 fn CreateClusterResourceType(
                cluster: HCLUSTER, type_name: PCWSTR, display_name: PCWSTR, library: PCWSTR, looks_alive_interval: u32,
                is_alive_interval: u32,
            ) -> u32, in clustering;
            /// Deletes a resource type that has no resources.
            Server2008 fn DeleteClusterResourceType(cluster: HCLUSTER, type_name: PCWSTR) -> u32, in clustering;
            /// Begins an enumeration of what belongs to a resource type. 0 on failure.
            Server2008 fn ClusterResourceTypeOpenEnum(
                cluster: HCLUSTER, type_name: PCWSTR, kinds: u32,
            ) -> HRESTYPEENUM, in clustering;
            /// Number of objects.
            Server2008 fn ClusterResourceTypeGetEnumCount(enumeration: HRESTYPEENUM) -> u32, in clustering;
            /// One object; 259 at the end.
            Server2008 fn ClusterResourceTypeEnum(
                enumeration: HRESTYPEENUM, index: u32, kind: *mut u32, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2008 fn ClusterResourceTypeCloseEnum(enumeration: HRESTYPEENUM) -> u32, in clustering;
            /// Sends a control code to a resource type.
            Server2008 fn ClusterResourceTypeControl(
                cluster: HCLUSTER, type_name: PCWSTR, host_node: HNODE, code: u32, input: *const c_void,
                input_bytes: u32, output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
        } }
    };
}

//! Clusters and what they have one of: facts 2.1 and 2.6.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_clusters {
    ($receiver:ident { $($before:tt)* }) => {
        $crate::cluster_functions_of_nodes! { $receiver { $($before)*
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
            /// Sends a control code to the cluster.
            Server2008 fn ClusterControl(
                cluster: HCLUSTER, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            /// Witness, its device, and the kind of quorum (facts 2.6).
            Server2008 fn GetClusterQuorumResource(
                cluster: HCLUSTER, name: PWSTR, name_units: *mut u32, device: PWSTR, device_units: *mut u32,
                quorum_kind: *mut u32,
            ) -> u32, in clustering;
            /// Sets the witness or the kind of quorum (facts 2.6).
            Server2008 fn SetClusterQuorumResource(
                resource: HRESOURCE, device: PCWSTR, quorum_kind: u32,
            ) -> u32, in clustering;
            /// Puts the networks for internal traffic in an order.
            Server2008 fn SetClusterNetworkPriorityOrder(
                cluster: HCLUSTER, count: u32, networks: *const HNETWORK,
            ) -> u32, in clustering;
            /// Allows or denies an account access, or takes its entries away (facts 2.6).
            Server2012 fn ClusterSetAccountAccess(
                cluster: HCLUSTER, account_sid: PCWSTR, access: u32, control_type: u32,
            ) -> u32, in clustering;
            /// Saves the cluster database to a folder; 120 from modern servers (facts 2.6).
            Server2008 fn BackupClusterDatabase(cluster: HCLUSTER, path_name: PCWSTR) -> u32, in clustering;
            /// Restores the cluster database from a folder and starts the Cluster service of this host.
            Server2008 fn RestoreClusterDatabase(
                path_name: PCWSTR, force: BOOL, quorum_drive_letter: PCWSTR,
            ) -> u32, in clustering;
        } }
    };
}

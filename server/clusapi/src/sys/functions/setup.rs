//! Setup and upgrade: facts 1.1 to 1.7.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_setup {
    ($receiver:ident { $($before:tt)* }) => {
        $crate::cluster_functions_of_clusters! { $receiver { $($before)*
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
                cluster: HCLUSTER, perform: BOOL, callback: PCLUSTER_UPGRADE_PROGRESS_CALLBACK, argument: *const c_void,
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
        } }
    };
}

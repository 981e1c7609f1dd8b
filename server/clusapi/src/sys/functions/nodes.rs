//! Nodes: facts 2.3.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_nodes {
    ($receiver:ident { $($before:tt)* }) => {
        $crate::cluster_functions_of_groups! { $receiver { $($before)*
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
            /// Sends a control code to a node.
            Server2008 fn ClusterNodeControl(
                node: HNODE, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32, output: *mut c_void,
                output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
        } }
    };
}

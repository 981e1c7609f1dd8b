//! Networks and network interfaces: facts 2.6.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_networks {
    ($receiver:ident { $($before:tt)* }) => {
        $crate::cluster_functions_of_sets! { $receiver { $($before)*
            /// Opens a network by name or id. 0 on failure.
            Server2008 fn OpenClusterNetwork(cluster: HCLUSTER, network_name: PCWSTR) -> HNETWORK, in clustering;
            /// Closes a network.
            Server2008 fn CloseClusterNetwork(network: HNETWORK) -> BOOL, in clustering;
            /// State of a network; -1 and `GetLastError` on failure.
            Server2008 fn GetClusterNetworkState(network: HNETWORK) -> CLUSTER_NETWORK_STATE, in clustering;
            /// Id of a network.
            Server2008 fn GetClusterNetworkId(network: HNETWORK, id: PWSTR, id_units: *mut u32) -> u32, in clustering;
            /// Renames a network.
            Server2008 fn SetClusterNetworkName(network: HNETWORK, network_name: PCWSTR) -> u32, in clustering;
            /// Begins an enumeration of what belongs to a network. 0 on failure.
            Server2008 fn ClusterNetworkOpenEnum(network: HNETWORK, kinds: u32) -> HNETWORKENUM, in clustering;
            /// Number of objects.
            Server2008 fn ClusterNetworkGetEnumCount(enumeration: HNETWORKENUM) -> u32, in clustering;
            /// One object; 259 at the end.
            Server2008 fn ClusterNetworkEnum(
                enumeration: HNETWORKENUM, index: u32, kind: *mut u32, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2008 fn ClusterNetworkCloseEnum(enumeration: HNETWORKENUM) -> u32, in clustering;
            /// Sends a control code to a network.
            Server2008 fn ClusterNetworkControl(
                network: HNETWORK, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            /// Opens a network interface by name or id. 0 on failure.
            Server2008 fn OpenClusterNetInterface(
                cluster: HCLUSTER, interface_name: PCWSTR,
            ) -> HNETINTERFACE, in clustering;
            /// Closes a network interface.
            Server2008 fn CloseClusterNetInterface(interface: HNETINTERFACE) -> BOOL, in clustering;
            /// Name of the interface of a node on a network.
            Server2008 fn GetClusterNetInterface(
                cluster: HCLUSTER, node_name: PCWSTR, network_name: PCWSTR, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// State of a network interface; -1 and `GetLastError` on failure.
            Server2008 fn GetClusterNetInterfaceState(
                interface: HNETINTERFACE,
            ) -> CLUSTER_NETINTERFACE_STATE, in clustering;
            /// Begins an enumeration of the interfaces of a node, a network or both. 0 on failure.
            Server2016 fn ClusterNetInterfaceOpenEnum(
                cluster: HCLUSTER, node_name: PCWSTR, network_name: PCWSTR,
            ) -> HNETINTERFACEENUM, in clustering;
            /// One interface; 259 at the end.
            Server2016 fn ClusterNetInterfaceEnum(
                enumeration: HNETINTERFACEENUM, index: u32, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2016 fn ClusterNetInterfaceCloseEnum(enumeration: HNETINTERFACEENUM) -> u32, in clustering;
            /// Sends a control code to a network interface.
            Server2008 fn ClusterNetInterfaceControl(
                interface: HNETINTERFACE, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
        } }
    };
}

//! The cluster database: facts 2.6.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_registry {
    ($receiver:ident { $($before:tt)* }) => {
        $crate::cluster_functions_of_notifications! { $receiver { $($before)*
            /// Opens the root of the cluster database. 0 on failure.
            Server2008 fn GetClusterKey(cluster: HCLUSTER, desired_access: u32) -> HKEY, in clustering;
            /// Opens the key of a node. 0 on failure.
            Server2008 fn GetClusterNodeKey(node: HNODE, desired_access: u32) -> HKEY, in clustering;
            /// Opens the key of a group. 0 on failure.
            Server2008 fn GetClusterGroupKey(group: HGROUP, desired_access: u32) -> HKEY, in clustering;
            /// Opens the key of a resource. 0 on failure.
            Server2008 fn GetClusterResourceKey(resource: HRESOURCE, desired_access: u32) -> HKEY, in clustering;
            /// Opens the key of a resource type. 0 on failure.
            Server2008 fn GetClusterResourceTypeKey(
                cluster: HCLUSTER, type_name: PCWSTR, desired_access: u32,
            ) -> HKEY, in clustering;
            /// Opens the key of a network. 0 on failure.
            Server2008 fn GetClusterNetworkKey(network: HNETWORK, desired_access: u32) -> HKEY, in clustering;
            /// Opens the key of a network interface. 0 on failure.
            Server2008 fn GetClusterNetInterfaceKey(
                interface: HNETINTERFACE, desired_access: u32,
            ) -> HKEY, in clustering;
            /// Opens a key below a key.
            Server2008 fn ClusterRegOpenKey(
                key: HKEY, sub_key: PCWSTR, desired_access: u32, opened_key: *mut HKEY,
            ) -> i32, in clustering;
            /// Opens a key below a key, and makes it if it is not there.
            Server2008 fn ClusterRegCreateKey(
                key: HKEY, sub_key: PCWSTR, options: u32, desired_access: u32,
                security_attributes: *const SECURITY_ATTRIBUTES, opened_key: *mut HKEY, disposition: *mut u32,
            ) -> i32, in clustering;
            /// Closes a key.
            Server2008 fn ClusterRegCloseKey(key: HKEY) -> i32, in clustering;
            /// Deletes a key that has no keys below it.
            Server2008 fn ClusterRegDeleteKey(key: HKEY, sub_key: PCWSTR) -> i32, in clustering;
            /// One key below a key; 259 at the end.
            Server2008 fn ClusterRegEnumKey(
                key: HKEY, index: u32, name: PWSTR, name_units: *mut u32, last_write_time: *mut FILETIME,
            ) -> i32, in clustering;
            /// One value of a key; 259 at the end.
            Server2008 fn ClusterRegEnumValue(
                key: HKEY, index: u32, name: PWSTR, name_units: *mut u32, value_type: *mut u32, data: *mut u8,
                data_bytes: *mut u32,
            ) -> u32, in clustering;
            /// What a key holds. `windows-sys` has what it writes as read-only, so the two are not compared.
            Server2008 fn ClusterRegQueryInfoKey(
                key: HKEY, sub_keys: *mut u32, longest_sub_key: *mut u32, values: *mut u32,
                longest_value_name: *mut u32, longest_value: *mut u32, descriptor_size: *mut u32,
                last_write_time: *mut FILETIME,
            ) -> i32;
            /// Reads a value.
            Server2008 fn ClusterRegQueryValue(
                key: HKEY, value_name: PCWSTR, value_type: *mut u32, data: *mut u8, data_bytes: *mut u32,
            ) -> i32, in clustering;
            /// Writes a value.
            Server2008 fn ClusterRegSetValue(
                key: HKEY, value_name: PCWSTR, type_number: u32, data: *const u8, data_bytes: u32,
            ) -> u32, in clustering;
            /// Deletes a value.
            Server2008 fn ClusterRegDeleteValue(key: HKEY, value_name: PCWSTR) -> u32, in clustering;
            /// Reads the security of a key; 122 if the buffer is too small.
            Server2008 fn ClusterRegGetKeySecurity(
                key: HKEY, information: u32, descriptor: PSECURITY_DESCRIPTOR, descriptor_bytes: *mut u32,
            ) -> i32, in clustering;
            /// Writes the security of a key.
            Server2008 fn ClusterRegSetKeySecurity(
                key: HKEY, information: u32, descriptor: PSECURITY_DESCRIPTOR,
            ) -> i32, in clustering;
            /// Writes the cluster database to disk on all nodes.
            Server2012 fn ClusterRegSyncDatabase(cluster: HCLUSTER, flags: u32) -> i32, in clustering;
            /// Begins a batch of changes below a key.
            Server2008 fn ClusterRegCreateBatch(key: HKEY, batch: *mut HREGBATCH) -> i32, in clustering;
            /// Adds a change or a condition to a batch.
            Server2008 fn ClusterRegBatchAddCommand(
                batch: HREGBATCH, command: CLUSTER_REG_COMMAND, name: PCWSTR, options: u32, data: *const c_void,
                data_bytes: u32,
            ) -> i32, in clustering;
            /// Applies a batch as a whole, or drops it; the number of the command that failed.
            Server2008 fn ClusterRegCloseBatch(
                batch: HREGBATCH, commit: BOOL, failed_command: *mut i32,
            ) -> i32, in clustering;
            /// Begins a batch of reads below a key.
            Server2012 fn ClusterRegCreateReadBatch(key: HKEY, read_batch: *mut HREGREADBATCH) -> i32, in clustering;
            /// Adds a read to a batch.
            Server2012 fn ClusterRegReadBatchAddCommand(
                read_batch: HREGREADBATCH, sub_key: PCWSTR, value_name: PCWSTR,
            ) -> i32, in clustering;
            /// Makes the reads of a batch.
            Server2012 fn ClusterRegCloseReadBatch(
                read_batch: HREGREADBATCH, reply: *mut HREGREADBATCHREPLY,
            ) -> i32, in clustering;
            /// The next answer of a batch of reads; 259 at the end.
            Server2012 fn ClusterRegReadBatchReplyNextCommand(
                reply: HREGREADBATCHREPLY, read_command: *mut CLUSTER_READ_BATCH_COMMAND,
            ) -> i32, in clustering;
            /// Drops the answers of a batch of reads.
            Server2012 fn ClusterRegCloseReadBatchReply(reply: HREGREADBATCHREPLY) -> i32, in clustering;
        } }
    };
}

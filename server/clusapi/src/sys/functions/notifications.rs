//! Notifications: facts 4.1. And the last error.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_notifications {
    ($receiver:ident { $($before:tt)* }) => {
        $receiver! { $($before)*
            /// Makes a port, or adds filters to one. 0 on failure.
            Server2012 fn CreateClusterNotifyPortV2(
                port: HCHANGE, cluster: HCLUSTER, filters: *const NOTIFY_FILTER_AND_TYPE, filter_count: u32, key: usize,
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
            /// Error of the calling thread's last failed call. Elsewhere than on Windows the provider supplies it,
            /// since there is no such call.
            Server2008 fn GetLastError() -> u32, in foundation;
        }
    };
}

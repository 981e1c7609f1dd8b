//! The exports: every function of the table by its C name, each of which goes to the world of the process.
//!
//! Forwarding is the last thing that an export does, so that nothing touches the last error that the world's function
//! has set. No panic gets here: the world's functions catch their own, and making the world catches its own.

use core::ffi::c_void;

use windows_sys::Win32::Foundation::ERROR_CALL_NOT_IMPLEMENTED;
use wsfc_clusapi::sys::types::{
    BOOL, CLUS_AFFINITY_RULE_TYPE, CLUSTER_AVAILABILITY_SET_CONFIG, CLUSTER_CLOUD_TYPE, CLUSTER_CREATE_GROUP_INFO,
    CLUSTER_ENUM_ITEM, CLUSTER_GROUP_ENUM_ITEM, CLUSTER_GROUP_STATE, CLUSTER_MGMT_POINT_RESTYPE,
    CLUSTER_NETINTERFACE_STATE, CLUSTER_NETWORK_STATE, CLUSTER_NODE_RESUME_FAILBACK_TYPE, CLUSTER_NODE_STATE,
    CLUSTER_READ_BATCH_COMMAND, CLUSTER_REG_COMMAND, CLUSTER_RESOURCE_ENUM_ITEM, CLUSTER_RESOURCE_STATE,
    CLUSTERVERSIONINFO, CREATE_CLUSTER_CONFIG, CREATE_CLUSTER_NAME_ACCOUNT, FILETIME, HANDLE, HCHANGE, HCLUSENUM,
    HCLUSENUMEX, HCLUSTER, HGROUP, HGROUPENUM, HGROUPENUMEX, HGROUPSET, HGROUPSETENUM, HKEY, HNETINTERFACE,
    HNETINTERFACEENUM, HNETWORK, HNETWORKENUM, HNODE, HNODEENUM, HNODEENUMEX, HREGBATCH, HREGREADBATCH,
    HREGREADBATCHREPLY, HRESENUM, HRESENUMEX, HRESOURCE, HRESTYPEENUM, HRESULT, NOTIFY_FILTER_AND_TYPE,
    PCLUSTER_SETUP_PROGRESS_CALLBACK, PCLUSTER_UPGRADE_PROGRESS_CALLBACK, PCWSTR, PSECURITY_DESCRIPTOR, PWSTR,
    REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG, SECURITY_ATTRIBUTES,
};
use wsfc_simulator::set_last_error;

use crate::world;

/// Writes an export for each function of the list.
macro_rules! exports {
    ($(
        $(#[$doc:meta])*
        $since:ident fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ident $(, in $origin:ident)?;
    )+) => {
        $(exports!(@one $name($($argument: $type),*) -> $result);)+
    };
    // Windows has its own, which both sides use.
    (@one GetLastError() -> u32) => {
        #[cfg(not(windows))]
        exports!(@export GetLastError() -> u32);
    };
    (@one $($export:tt)+) => { exports!(@export $($export)+); };
    (@export $name:ident($($argument:ident: $type:ty),*) -> $result:ident) => {
        /// # Safety
        ///
        /// As the C function.
        #[unsafe(no_mangle)]
        unsafe extern "system" fn $name($($argument: $type),*) -> $result {
            match world::table().map(|table| table.$name) {
                // SAFETY: The caller keeps the C function's contract, and the world lives as long as the process.
                Ok(Some(function)) => unsafe { function($($argument),*) },
                Ok(None) => exports!(@refuse $name $result ERROR_CALL_NOT_IMPLEMENTED),
                Err(code) => exports!(@refuse $name $result code),
            }
        }
    };
    // A count has no room for an error: 0 and the last error say it.
    (@refuse ClusterGetEnumCount u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterGetEnumCountEx u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterNodeGetEnumCount u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterNodeGetEnumCountEx u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterGroupGetEnumCount u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterGroupGetEnumCountEx u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterGroupSetGetEnumCount u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterNetworkGetEnumCount u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterResourceGetEnumCount u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterResourceGetEnumCountEx u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse ClusterResourceTypeGetEnumCount u32 $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse $name:ident u32 $code:expr) => { $code };
    // The calls on the cluster database answer their codes as signed numbers.
    (@refuse $name:ident i32 $code:expr) => { $code.cast_signed() };
    // States are -1 on failure; handles and BOOLs 0.
    (@refuse $name:ident CLUSTER_NODE_STATE $code:expr) => { exports!(@refuse - -1 $code) };
    (@refuse $name:ident CLUSTER_GROUP_STATE $code:expr) => { exports!(@refuse - -1 $code) };
    (@refuse $name:ident CLUSTER_RESOURCE_STATE $code:expr) => { exports!(@refuse - -1 $code) };
    (@refuse $name:ident CLUSTER_NETWORK_STATE $code:expr) => { exports!(@refuse - -1 $code) };
    (@refuse $name:ident CLUSTER_NETINTERFACE_STATE $code:expr) => { exports!(@refuse - -1 $code) };
    (@refuse $name:ident $handle_or_bool:ident $code:expr) => { exports!(@refuse - 0 $code) };
    (@refuse - $answer:literal $code:expr) => {{
        set_last_error($code);
        $answer
    }};
}

wsfc_clusapi::for_each_cluster_function!(exports);

//! The table of C functions: the only seam between wsfcd and the failover cluster API.
//!
//! [`for_each_cluster_function`](crate::for_each_cluster_function) lists each C function once, with its full signature
//! and the Windows that brought it. From the list come the table's type, the filler that looks the names up in a
//! library, the list of names, and a comparison of each signature with the import of `windows-sys`, so that a slip is
//! a compile error on every system. The simulator's library makes its exports from it.
//!
//! Signatures are spelled out because three `PCLUSAPI_*` types of `windows-sys` disagree with its own imports.
#![expect(
    unsafe_code,
    reason = "looking a C function up by name trusts the library to export the right one"
)]

use core::ffi::{CStr, c_void};
use core::fmt;

use super::types::{
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

/// The release that brought a function (facts 1.1: first header or page that has the name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowsRelease {
    /// Windows Server 2008 or older.
    Server2008,
    /// Windows Server 2012.
    Server2012,
    /// Windows Server 2016.
    Server2016,
    /// Windows Server 2019 (1709).
    Server2019,
    /// Windows Server 2022.
    Server2022,
    /// Windows Server 2025.
    Server2025,
}

impl fmt::Display for WindowsRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server2008 => "Windows Server 2008",
            Self::Server2012 => "Windows Server 2012",
            Self::Server2016 => "Windows Server 2016",
            Self::Server2019 => "Windows Server 2019",
            Self::Server2022 => "Windows Server 2022",
            Self::Server2025 => "Windows Server 2025",
        })
    }
}

/// What is known of a C function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    /// The exported name.
    pub name: &'static str,
    /// The release that brought it.
    pub since: WindowsRelease,
}

impl FunctionInfo {
    /// What is known of the C function of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }
}

/// Somebody who fills the table: the simulator, or a test.
///
/// The provider is kept alive as long as anything made from the table is.
///
/// # Safety
///
/// Each present entry must be a function with the C function's contract: callable from any thread, with any argument
/// that the C function accepts, for as long as the provider lives; it must write no more than the sizes it was given,
/// read no more than struct versions and counts say, and must not unwind. `GetLastError` must answer the error of the
/// calling thread's last failed call into this table.
pub unsafe trait TableProvider: Send + Sync + 'static {
    /// The functions.
    fn table(&self) -> Table;
}

/// Makes the table from the list. `in MODULE` marks those whose signature is compared with the import of `windows-sys`.
macro_rules! function_table {
    ($(
        $(#[$doc:meta])*
        $since:ident fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty $(, in $origin:ident)?;
    )+) => {
        /// The C functions. An absent entry is a function that the running Windows does not have.
        #[expect(non_snake_case, reason = "each entry has the exported name")]
        #[derive(Clone, Copy, Debug)]
        pub struct Table {
            $(
                $(#[$doc])*
                pub $name: Option<unsafe extern "system" fn($($argument: $type),*) -> $result>,
            )+
        }

        impl Table {
            /// A table without functions.
            pub const EMPTY: Self = Self { $($name: None),+ };

            /// Looks every function up by name. A name that is not exported leaves its entry absent.
            ///
            /// # Safety
            ///
            /// What the library exports under these names must be the functions of the failover cluster API, and the
            /// library must outlive every use of the table.
            #[must_use]
            pub unsafe fn from_library(library: &libloading::Library) -> Self {
                Self {
                    $($name: {
                        // SAFETY: By this function's contract the export has this signature.
                        let symbol = unsafe {
                            library.get::<unsafe extern "system" fn($($type),*) -> $result>(
                                concat!(stringify!($name), "\0").as_bytes(),
                            )
                        };
                        symbol.ok().map(|symbol| *symbol)
                    },)+
                }
            }

            /// Asks for every function by its name. A name that is answered with null leaves its entry absent.
            ///
            /// # Safety
            ///
            /// What is answered must be null or the function of the failover cluster API of this name, which must outlive
            /// every use of the table.
            #[must_use]
            pub unsafe fn from_names(mut resolve: impl FnMut(&CStr) -> *const c_void) -> Self {
                Self {
                    $($name: {
                        const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                            Ok(name) => name,
                            Err(_) => c"",
                        };
                        let address = resolve(NAME);
                        (!address.is_null()).then(|| {
                            // SAFETY: It is no null pointer, and by this function's contract it is the function.
                            unsafe {
                                core::mem::transmute::<*const c_void, unsafe extern "system" fn($($type),*) -> $result>(
                                    address,
                                )
                            }
                        })
                    },)+
                }
            }

            /// The address of the function of this name, as GetProcAddress answers it; null when it is not there.
            #[must_use]
            pub fn address(&self, name: &str) -> *const c_void {
                match name {
                    $(stringify!($name) => self.$name.map_or(core::ptr::null(), |function| function as *const c_void),)+
                    _ => core::ptr::null(),
                }
            }

            /// Whether the function of this name is there. An unknown name is not.
            #[must_use]
            pub fn has(&self, name: &str) -> bool {
                match name {
                    $(stringify!($name) => self.$name.is_some(),)+
                    _ => false,
                }
            }
        }

        /// Every function of the table, in its order.
        pub const FUNCTIONS: &[FunctionInfo] = &[
            $(FunctionInfo { name: stringify!($name), since: WindowsRelease::$since },)+
        ];

        /// The same signatures, read with the types of `windows-sys`, must be those of its imports.
        mod windows_sys_agrees {
            use core::ffi::c_void;

            use windows_sys::Win32::Foundation::{FILETIME, HANDLE};
            use windows_sys::Win32::Networking::Clustering::{
                CLUSTERVERSIONINFO, CLUSTER_AVAILABILITY_SET_CONFIG, CLUSTER_CLOUD_TYPE, CLUSTER_CREATE_GROUP_INFO,
                CLUSTER_ENUM_ITEM, CLUSTER_GROUP_ENUM_ITEM, CLUSTER_GROUP_STATE, CLUSTER_MGMT_POINT_RESTYPE,
                CLUSTER_NETINTERFACE_STATE, CLUSTER_NETWORK_STATE, CLUSTER_NODE_RESUME_FAILBACK_TYPE,
                CLUSTER_NODE_STATE, CLUSTER_READ_BATCH_COMMAND, CLUSTER_REG_COMMAND, CLUSTER_RESOURCE_ENUM_ITEM,
                CLUSTER_RESOURCE_STATE, CLUS_AFFINITY_RULE_TYPE, CREATE_CLUSTER_CONFIG, CREATE_CLUSTER_NAME_ACCOUNT,
                HCHANGE, HCLUSENUM, HCLUSENUMEX, HCLUSTER, HGROUP, HGROUPENUM, HGROUPENUMEX, HGROUPSET, HGROUPSETENUM,
                HNETINTERFACE, HNETINTERFACEENUM, HNETWORK, HNETWORKENUM, HNODE, HNODEENUM, HNODEENUMEX, HREGBATCH,
                HREGREADBATCH, HREGREADBATCHREPLY, HRESENUM, HRESENUMEX, HRESOURCE, HRESTYPEENUM,
                NOTIFY_FILTER_AND_TYPE, PCLUSTER_SETUP_PROGRESS_CALLBACK, PCLUSTER_UPGRADE_PROGRESS_CALLBACK,
            };
            use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};
            use windows_sys::Win32::System::Registry::HKEY;
            use windows_sys::core::{BOOL, HRESULT, PCWSTR, PWSTR};

            $(function_table!(@agree $name($($type),*) -> $result $(, $origin)?);)+
        }
    };
    (@agree $name:ident($($type:ty),*) -> $result:ty, clustering) => {
        const _: unsafe extern "system" fn($($type),*) -> $result = windows_sys::Win32::Networking::Clustering::$name;
    };
    (@agree $name:ident($($type:ty),*) -> $result:ty, foundation) => {
        const _: unsafe extern "system" fn($($type),*) -> $result = windows_sys::Win32::Foundation::$name;
    };
    (@agree $name:ident($($type:ty),*) -> $result:ty) => {};
}

crate::for_each_cluster_function!(function_table);

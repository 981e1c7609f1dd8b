//! Raw types of the resource API (resapi.h): what a resource DLL and the Resource Monitor know of each other (facts 5).
//!
//! The layouts are those of `windows-sys`, which has them as the header does; only the type of `LogEvent` is spelled out here,
//! since it takes a variable number of arguments and `windows-sys` leaves them out.

use core::ffi::c_void;

pub use windows_sys::Win32::Networking::Clustering::{
    CLRES_CALLBACK_FUNCTION_TABLE, CLRES_FUNCTION_TABLE, CLRES_FUNCTION_TABLE_0, CLRES_V1_FUNCTIONS,
    CLRES_V2_FUNCTIONS, CLRES_V3_FUNCTIONS, CLRES_V4_FUNCTIONS, CLRES_VERSION_V1_00, CLRES_VERSION_V2_00,
    CLRES_VERSION_V3_00, CLRES_VERSION_V4_00, CLUS_RESCLASS_USER, LOG_ERROR, LOG_INFORMATION, LOG_SEVERE, LOG_WARNING,
    RESOURCE_STATUS, RESOURCE_STATUS_EX, ResourceExitStateContinue, ResourceExitStateTerminate,
};

use super::types::PCWSTR;

/// What a resource DLL knows a resource by: what its Open has returned. Null is a failure.
pub type RESID = *mut c_void;

/// What the Resource Monitor knows a resource by.
pub type RESOURCE_HANDLE = isize;

/// `SetResourceStatus`: tells the monitor a status, and answers whether to go on (facts 5.2).
pub type SetResourceStatus = unsafe extern "system" fn(RESOURCE_HANDLE, *mut RESOURCE_STATUS) -> u32;

/// `SetResourceStatusEx`: the same, by the other layout.
pub type SetResourceStatusEx = unsafe extern "system" fn(RESOURCE_HANDLE, *mut RESOURCE_STATUS_EX) -> u32;

/// `LogEvent`: writes to the cluster's log. The format takes its arguments as FormatMessage does (`%1!u!`), so a text that is to
/// be written as it is has its `%` doubled. On the systems here a C function with variable arguments has the convention `C`,
/// which on 64-bit Windows is `system` too.
pub type LogEvent = unsafe extern "C" fn(RESOURCE_HANDLE, i32, PCWSTR, ...);

/// `Startup`, exported by a resource DLL under this name: negotiates the version and gives the table (facts 5.1).
pub type Startup = unsafe extern "system" fn(
    resource_type: PCWSTR,
    min_version: u32,
    max_version: u32,
    set_resource_status: Option<SetResourceStatus>,
    log_event: Option<LogEvent>,
    table: *mut *mut CLRES_FUNCTION_TABLE,
) -> u32;

/// `StartupEx`, exported under this name by DLLs of Windows Server 2012 and later (facts 5.1).
pub type StartupEx = unsafe extern "system" fn(
    resource_type: PCWSTR,
    min_version: u32,
    max_version: u32,
    callbacks: *mut CLRES_CALLBACK_FUNCTION_TABLE,
    table: *mut *mut CLRES_FUNCTION_TABLE,
) -> u32;

/// Looks up a function of the cluster API by its exported name, as GetProcAddress does in `clusapi.dll`; null when there is
/// none.
///
/// Off Windows there is no system library that a resource DLL could take the cluster API from, so who loads it gives it this
/// function, by calling what it exports as `SetClusterApi` before its `Startup`. A convention of this project.
pub type ResolveClusterApi = unsafe extern "system" fn(name: *const core::ffi::c_char) -> *const c_void;

/// What a resource DLL exports as `SetClusterApi`; see [`ResolveClusterApi`].
pub type SetClusterApi = unsafe extern "system" fn(Option<ResolveClusterApi>);

const _: () = {
    // Facts 5.2: the order of members differs between the two.
    assert!(size_of::<RESOURCE_STATUS>() == 24);
    assert!(core::mem::offset_of!(RESOURCE_STATUS, EventHandle) == 16);
    assert!(size_of::<RESOURCE_STATUS_EX>() == 32);
    assert!(core::mem::offset_of!(RESOURCE_STATUS_EX, EventHandle) == 8);
    assert!(core::mem::offset_of!(RESOURCE_STATUS_EX, WaitHint) == 24);
    // Facts 5.1: size, version, and eleven to fourteen pointers.
    assert!(size_of::<CLRES_V1_FUNCTIONS>() == 11 * 8);
    assert!(size_of::<CLRES_V2_FUNCTIONS>() == 12 * 8);
    assert!(size_of::<CLRES_V3_FUNCTIONS>() == 12 * 8);
    assert!(size_of::<CLRES_V4_FUNCTIONS>() == 14 * 8);
    assert!(core::mem::offset_of!(CLRES_FUNCTION_TABLE, Anonymous) == 8);
};

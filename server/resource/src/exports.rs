//! The exports: what is negotiated before any resource is opened.
#![expect(unsafe_code, reason = "the exports are C functions")]

use std::sync::{PoisonError, RwLock};

use wsfc_clusapi::sys::resapi::{
    CLRES_CALLBACK_FUNCTION_TABLE, CLRES_FUNCTION_TABLE, LogEvent, ResolveClusterApi, SetResourceStatus,
};
use wsfc_clusapi::sys::types::PCWSTR;
use wsfc_clusapi::{Clusapi, Win32, text_from_c};

use crate::RESOURCE_TYPE;
use crate::entry;
use crate::monitor::{Callbacks, TakesStatus};

/// Units of the longest name that is read.
pub(crate) const LONGEST_NAME: usize = 1024;

/// The monitor's functions, of the last Startup. Several monitors in one process have the same, as far as resources of one
/// type go.
static CALLBACKS: RwLock<Option<Callbacks>> = RwLock::new(None);

/// The cluster API.
static CLUSTER_API: RwLock<Option<Clusapi>> = RwLock::new(None);

/// The monitor's functions; `None` before the first Startup.
pub(crate) fn callbacks() -> Option<Callbacks> {
    *CALLBACKS.read().unwrap_or_else(PoisonError::into_inner)
}

/// The cluster API: what [`SetClusterApi`] gave, or on Windows the system's own.
pub(crate) fn cluster_api() -> Option<Clusapi> {
    let given = CLUSTER_API.read().unwrap_or_else(PoisonError::into_inner).clone();
    if given.is_some() || cfg!(not(windows)) {
        return given;
    }
    let api = Clusapi::system().ok()?;
    let mut place = CLUSTER_API.write().unwrap_or_else(PoisonError::into_inner);
    Some(place.get_or_insert(api).clone())
}

/// Negotiates the version and gives the table of entry points (facts 5.1): 1306 when no version fits, 5080 for the name of
/// another type.
///
/// # Safety
///
/// As the C function: the name ends with a NUL, the functions are a Resource Monitor's, and there is place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn Startup(
    resource_type: PCWSTR,
    min_version: u32,
    max_version: u32,
    set_resource_status: Option<SetResourceStatus>,
    log_event: Option<LogEvent>,
    table: *mut *mut CLRES_FUNCTION_TABLE,
) -> u32 {
    entry::guarded(entry::INTERNAL_ERROR, || {
        let status = set_resource_status.map(TakesStatus::First);
        // SAFETY: By the contract these are the functions of a monitor.
        let callbacks = status.map(|status| unsafe { Callbacks::new(status, log_event) });
        // SAFETY: The caller keeps the contract.
        unsafe { start(resource_type, min_version, max_version, callbacks, table) }
    })
}

/// The same for monitors of Windows Server 2012 and later (facts 5.1).
///
/// # Safety
///
/// As the C function: the name ends with a NUL, the table is a Resource Monitor's, and there is place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn StartupEx(
    resource_type: PCWSTR,
    min_version: u32,
    max_version: u32,
    callbacks: *mut CLRES_CALLBACK_FUNCTION_TABLE,
    table: *mut *mut CLRES_FUNCTION_TABLE,
) -> u32 {
    entry::guarded(entry::INTERNAL_ERROR, || {
        if callbacks.is_null() {
            return Win32::ERROR_INVALID_PARAMETER.0;
        }
        // The table of an older Windows ends earlier, so nothing but these two members is touched.
        // SAFETY: By the contract it is a table, which every Windows begins with this member.
        let log = unsafe { (*callbacks).LogEvent };
        // SAFETY: As above, of the second member.
        let status = unsafe { (*callbacks).SetResourceStatusEx };
        let log_event = log.map(|log| {
            // SAFETY: `windows-sys` leaves out that the function takes a variable number of arguments; on the systems here its
            // convention is that of C (`sys::resapi`).
            unsafe { core::mem::transmute::<unsafe extern "system" fn(isize, i32, PCWSTR), LogEvent>(log) }
        });
        let status = status.map(TakesStatus::Extended);
        // SAFETY: By the contract these are the functions of a monitor.
        let callbacks = status.map(|status| unsafe { Callbacks::new(status, log_event) });
        // SAFETY: The caller keeps the contract.
        unsafe { start(resource_type, min_version, max_version, callbacks, table) }
    })
}

/// Gives the library the cluster API, off Windows before the first Startup; null takes nothing back. A convention of this
/// project (`wsfc_clusapi::sys::resapi`).
///
/// # Safety
///
/// What is found must be the functions of the failover cluster API of these names, for as long as the process lives.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SetClusterApi(resolve: Option<ResolveClusterApi>) {
    entry::guarded((), || {
        if let Some(resolve) = resolve {
            // SAFETY: The caller keeps the contract.
            let api = unsafe { Clusapi::from_resolver(resolve) };
            *CLUSTER_API.write().unwrap_or_else(PoisonError::into_inner) = Some(api);
        }
    });
}

/// Does what both do.
///
/// # Safety
///
/// As [`Startup`].
unsafe fn start(
    resource_type: PCWSTR,
    min_version: u32,
    max_version: u32,
    callbacks: Option<Callbacks>,
    table: *mut *mut CLRES_FUNCTION_TABLE,
) -> u32 {
    let Some(callbacks) = callbacks.filter(|_| !table.is_null()) else {
        return Win32::ERROR_INVALID_PARAMETER.0;
    };
    // SAFETY: By the contract the name ends with a NUL.
    let name = unsafe { text_from_c(resource_type, LONGEST_NAME) }.unwrap_or_default();
    if !is_type(&name) {
        return Win32::ERROR_CLUSTER_RESNAME_NOT_FOUND.0;
    }
    let Some(entry_points) = entry::table(min_version, max_version) else {
        return Win32::ERROR_REVISION_MISMATCH.0;
    };
    #[cfg(windows)]
    stay_loaded();
    *CALLBACKS.write().unwrap_or_else(PoisonError::into_inner) = Some(callbacks);
    // SAFETY: By the contract there is place for a pointer, and it is not null.
    unsafe { table.write(entry_points) };
    Win32::ERROR_SUCCESS.0
}

/// Whether a name is that of the type.
pub(crate) fn is_type(name: &str) -> bool {
    name.eq_ignore_ascii_case(RESOURCE_TYPE)
}

/// Keeps this library in memory until the process ends, whoever frees it: its thread runs its code.
#[cfg(windows)]
fn stay_loaded() {
    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
    };

    let inside = stay_loaded as *const ();
    let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    let mut module = core::ptr::null_mut();
    // SAFETY: With this flag the name is any address inside the module; the handle goes to a local variable. It can fail for
    // an address outside every module only, so there is nothing to do about a failure.
    unsafe { GetModuleHandleExW(flags, inside.cast(), &raw mut module) };
}

//! The entry points of the table that Startup gives (facts 5.1). They return at once, whatever the daemon does.
#![expect(unsafe_code, reason = "the entry points are C functions")]

use core::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use windows_sys::Win32::Networking::Clustering::PQUORUM_RESOURCE_LOST;
use wsfc_clusapi::sys::resapi::{
    CLRES_FUNCTION_TABLE, CLRES_FUNCTION_TABLE_0, CLRES_V1_FUNCTIONS, CLRES_V2_FUNCTIONS, CLRES_V3_FUNCTIONS,
    CLRES_V4_FUNCTIONS, CLRES_VERSION_V1_00, CLRES_VERSION_V2_00, CLRES_VERSION_V3_00, CLRES_VERSION_V4_00, RESID,
    RESOURCE_HANDLE,
};
use wsfc_clusapi::sys::types::{BOOL, HANDLE, HKEY, PCWSTR};
use wsfc_clusapi::{LentKey, Win32, text_from_c};
use wsfc_resource_channel::CallKind;

use crate::clock;
use crate::controls;
use crate::exports::{LONGEST_NAME, callbacks, cluster_api, is_type};
use crate::monitor::{Level, Monitor};
use crate::settings::{Settings, SettingsError};
use crate::worker::Shared;

/// ERROR_INTERNAL_ERROR: a panic.
pub(crate) const INTERNAL_ERROR: u32 = 1359;

/// Bytes of the longest input of a control code that is read.
const LONGEST_INPUT: u32 = 16 << 20;

/// How `windows-sys` has a key.
type RawKey = windows_sys::Win32::System::Registry::HKEY;

static SHARED: LazyLock<Arc<Shared>> = LazyLock::new(|| Arc::new(Shared::new()));

/// A table, which the monitor reads only.
struct Constant(CLRES_FUNCTION_TABLE);

// SAFETY: It holds numbers and functions, and nobody writes to it.
unsafe impl Sync for Constant {}

/// The table with the functions of a version. The header gives the size of the functions alone as the size of a table.
macro_rules! table {
    ($member:ident: $functions:ident { $open:ident, $online:ident, $offline:ident, $($rest:tt)+ }, $version:ident) => {
        Constant(CLRES_FUNCTION_TABLE {
            TableSize: size_of::<$functions>() as u32,
            Version: $version,
            Anonymous: CLRES_FUNCTION_TABLE_0 {
                $member: $functions {
                    Open: Some($open),
                    Close: Some(close),
                    Online: Some($online),
                    Offline: Some($offline),
                    Terminate: Some(terminate),
                    LooksAlive: Some(is_alive),
                    IsAlive: Some(is_alive),
                    Arbitrate: Some(arbitrate),
                    Release: Some(release),
                    $($rest)+
                },
            },
        })
    };
}

#[expect(clippy::cast_possible_truncation, reason = "the largest table has 112 bytes")]
static TABLES: [Constant; 4] = [
    table!(
        V1Functions: CLRES_V1_FUNCTIONS {
            open, online, offline,
            ResourceControl: Some(resource_control),
            ResourceTypeControl: Some(resource_type_control),
        },
        CLRES_VERSION_V1_00
    ),
    table!(
        V2Functions: CLRES_V2_FUNCTIONS {
            open_v2, online_v2, offline_v2,
            ResourceControl: Some(resource_control),
            ResourceTypeControl: Some(resource_type_control),
            Cancel: Some(cancel),
        },
        CLRES_VERSION_V2_00
    ),
    table!(
        V3Functions: CLRES_V3_FUNCTIONS {
            open_v2, online_v2, offline_v2,
            BeginResourceControl: Some(begin_resource_control),
            BeginResourceTypeControl: Some(begin_resource_type_control),
            Cancel: Some(cancel),
        },
        CLRES_VERSION_V3_00
    ),
    table!(
        V4Functions: CLRES_V4_FUNCTIONS {
            open_v2, online_v2, offline_v2,
            BeginResourceControl: Some(begin_resource_control),
            BeginResourceTypeControl: Some(begin_resource_type_control),
            Cancel: Some(cancel),
            BeginResourceControlAsUser: Some(begin_resource_control_as_user),
            BeginResourceTypeControlAsUser: Some(begin_resource_type_control_as_user),
        },
        CLRES_VERSION_V4_00
    ),
];

/// The table of the highest version within the bounds.
pub(crate) fn table(min_version: u32, max_version: u32) -> Option<*mut CLRES_FUNCTION_TABLE> {
    let fits = |table: &&Constant| (min_version..=max_version).contains(&table.0.Version);
    let table = TABLES.iter().rev().find(fits)?;
    Some((&raw const table.0).cast_mut())
}

/// No panic gets to C: `otherwise` does in its place.
pub(crate) fn guarded<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(otherwise)
}

/// The number that a resource's id is.
fn instance(resource: *const c_void) -> u64 {
    resource.addr() as u64
}

/// Reads the settings of a resource.
///
/// # Safety
///
/// The key must be open: the monitor keeps it so from Open to Close.
unsafe fn settings(key: HKEY) -> Result<Settings, SettingsError> {
    let api = cluster_api().ok_or(SettingsError::NoClusterApi)?;
    // SAFETY: By the contract the key is open, and it is not kept.
    let key = unsafe { LentKey::from_raw(&api, key) };
    Settings::read(&key)
}

/// An error and what it comes from.
fn chain(error: &SettingsError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

unsafe extern "system" fn open(name: PCWSTR, key: RawKey, handle: RESOURCE_HANDLE) -> RESID {
    guarded(core::ptr::null_mut(), || {
        let Some(callbacks) = callbacks() else {
            return core::ptr::null_mut();
        };
        // SAFETY: The monitor gives its handle; what holds it keeps quiet after Close (`Shared::close`).
        let monitor = unsafe { Monitor::new(callbacks, handle) };
        // SAFETY: The name ends with a NUL.
        let name = unsafe { text_from_c(name, LONGEST_NAME) }.unwrap_or_default();
        let key = key.addr().cast_signed();
        // SAFETY: The monitor has opened the key.
        let settings = unsafe { settings(key) }.unwrap_or_else(|error| {
            monitor.log(Level::Warning, &format!("wsfcd: {}", chain(&error)));
            Settings::default()
        });
        let opened = format!(
            "wsfcd: open, workload \"{}\", daemon at {}",
            settings.workload, settings.endpoint
        );
        monitor.log(Level::Information, &opened);
        match SHARED.open(|resources| resources.open(monitor, name, key, settings, clock::now())) {
            Ok(instance) => core::ptr::without_provenance_mut(usize::try_from(instance).unwrap_or_default()),
            Err(error) => {
                monitor.log(Level::Error, &format!("wsfcd: no thread can be started: {error}"));
                core::ptr::null_mut()
            }
        }
    })
}

unsafe extern "system" fn open_v2(name: PCWSTR, key: RawKey, handle: RESOURCE_HANDLE, _flags: u32) -> RESID {
    // SAFETY: The contract is the same.
    unsafe { open(name, key, handle) }
}

unsafe extern "system" fn close(resource: RESID) {
    guarded((), || {
        let instance = instance(resource);
        let found = SHARED.resources().find(instance);
        if let Some((monitor, _)) = found {
            monitor.log(Level::Information, "wsfcd: close");
            SHARED.close(instance);
        }
    });
}

/// Begins a call: 997, or why there is none.
///
/// # Safety
///
/// As an entry point: a resource that is open has its key open.
unsafe fn begin(instance: u64, kind: CallKind) -> u32 {
    guarded(INTERNAL_ERROR, || {
        let found = SHARED.resources().find(instance);
        let Some((monitor, key)) = found else {
            return Win32::ERROR_RESOURCE_NOT_FOUND.0;
        };
        // SAFETY: By the contract the key is open.
        let settings = unsafe { settings(key) }.and_then(Settings::usable);
        let settings = match (settings, kind) {
            (Ok(settings), _) => settings,
            // What is online can be stopped by the settings that it was started with.
            (Err(error), CallKind::Offline) => {
                monitor.log(Level::Warning, &format!("wsfcd: {}", chain(&error)));
                let Some(settings) = SHARED.resources().settings(instance) else {
                    return Win32::ERROR_RESOURCE_NOT_FOUND.0;
                };
                settings
            }
            (Err(error), _) => {
                monitor.log(Level::Error, &format!("wsfcd: {}", chain(&error)));
                return error.code();
            }
        };
        let line = match kind {
            CallKind::Offline => "wsfcd: going offline",
            CallKind::Online | CallKind::Unspecified => "wsfcd: coming online",
        };
        monitor.log(Level::Information, line);
        if SHARED.change(|resources| resources.begin(instance, kind, settings, clock::now())) {
            Win32::ERROR_IO_PENDING.0
        } else {
            Win32::ERROR_RESOURCE_NOT_FOUND.0
        }
    })
}

unsafe extern "system" fn online(resource: RESID, _event: *mut HANDLE) -> u32 {
    // The event comes with the final status.
    // SAFETY: The contract is the same.
    unsafe { begin(instance(resource), CallKind::Online) }
}

unsafe extern "system" fn online_v2(
    resource: *const c_void,
    _event: *mut HANDLE,
    _flags: u32,
    _input: *const u8,
    _input_size: u32,
    _reserved: u32,
) -> u32 {
    // SAFETY: The contract is the same.
    unsafe { begin(instance(resource), CallKind::Online) }
}

unsafe extern "system" fn offline(resource: RESID) -> u32 {
    // SAFETY: The contract is the same.
    unsafe { begin(instance(resource), CallKind::Offline) }
}

unsafe extern "system" fn offline_v2(
    resource: *const c_void,
    _destination: PCWSTR,
    _flags: u32,
    _input: *const u8,
    _input_size: u32,
    _reserved: u32,
) -> u32 {
    // SAFETY: The contract is the same.
    unsafe { begin(instance(resource), CallKind::Offline) }
}

unsafe extern "system" fn terminate(resource: RESID) {
    guarded((), || {
        let instance = instance(resource);
        let found = SHARED.resources().find(instance);
        if let Some((monitor, _)) = found {
            let ended = SHARED.terminate(instance).is_some_and(|call| call != 0);
            let what = if ended {
                "a call has ended"
            } else {
                "no call was under way"
            };
            monitor.log(Level::Information, &format!("wsfcd: terminate, {what}"));
        }
    });
}

unsafe extern "system" fn is_alive(resource: RESID) -> BOOL {
    guarded(0, || {
        let is_alive = SHARED.resources().is_alive(instance(resource), clock::now());
        BOOL::from(is_alive)
    })
}

/// Not a quorum resource (facts 5.1).
unsafe extern "system" fn arbitrate(_resource: RESID, _lost: PQUORUM_RESOURCE_LOST) -> u32 {
    Win32::ERROR_NOT_SUPPORTED.0
}

unsafe extern "system" fn release(_resource: RESID) -> u32 {
    Win32::ERROR_NOT_SUPPORTED.0
}

/// Nothing is under way that could be cancelled: control codes are answered at once.
unsafe extern "system" fn cancel(_resource: RESID, _flags: u32) -> u32 {
    Win32::ERROR_SUCCESS.0
}

/// Copies the input of a control code; null is none.
///
/// # Safety
///
/// The input must be null or readable in its size.
unsafe fn input(bytes: *const c_void, size: u32) -> Result<Option<Vec<u8>>, u32> {
    if bytes.is_null() {
        return Ok(None);
    }
    if size > LONGEST_INPUT {
        return Err(Win32::ERROR_INVALID_PARAMETER.0);
    }
    // SAFETY: By the contract it is readable in this size.
    let bytes = unsafe { core::slice::from_raw_parts(bytes.cast::<u8>(), size as usize) };
    Ok(Some(bytes.to_vec()))
}

/// Writes the answer of a control code; 234 with the size that is needed when there is no place (facts 3.2).
///
/// # Safety
///
/// The output must be null or writable in its size, and the count null or writable.
unsafe fn answer(answer: Result<Vec<u8>, u32>, output: *mut c_void, room: u32, returned: *mut u32) -> u32 {
    let bytes = match answer {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    let Ok(size) = u32::try_from(bytes.len()) else {
        return Win32::ERROR_INVALID_DATA.0;
    };
    if !returned.is_null() {
        // SAFETY: By the contract it is writable.
        unsafe { returned.write_unaligned(size) };
    }
    if bytes.is_empty() {
        return Win32::ERROR_SUCCESS.0;
    }
    if output.is_null() || size > room {
        return Win32::ERROR_MORE_DATA.0;
    }
    // SAFETY: By the contract the output is writable in `room`, which is enough, and it is not the answer.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), output.cast(), bytes.len()) };
    Win32::ERROR_SUCCESS.0
}

unsafe extern "system" fn resource_control(
    resource: RESID,
    code: u32,
    input_bytes: *mut c_void,
    input_size: u32,
    output: *mut c_void,
    room: u32,
    returned: *mut u32,
) -> u32 {
    guarded(INTERNAL_ERROR, || {
        let instance = instance(resource);
        let found = SHARED.resources().find(instance);
        if found.is_none() {
            return Win32::ERROR_RESOURCE_NOT_FOUND.0;
        }
        // SAFETY: The monitor gives an input of this size.
        let input = match unsafe { input(input_bytes, input_size) } {
            Ok(input) => input,
            Err(code) => return code,
        };
        let answered = if code == controls::RESOURCE_SET_NAME {
            controls::new_name(input.as_deref()).map(|name| {
                SHARED.change(|resources| resources.rename(instance, name));
                Vec::new()
            })
        } else {
            controls::of_resource(code, input.as_deref())
        };
        // SAFETY: The monitor gives place of this size.
        unsafe { answer(answered, output, room, returned) }
    })
}

unsafe extern "system" fn resource_type_control(
    name: PCWSTR,
    code: u32,
    _input: *mut c_void,
    _input_size: u32,
    output: *mut c_void,
    room: u32,
    returned: *mut u32,
) -> u32 {
    guarded(INTERNAL_ERROR, || {
        // SAFETY: The name ends with a NUL.
        let name = unsafe { text_from_c(name, LONGEST_NAME) }.unwrap_or_default();
        if !is_type(&name) {
            return Win32::ERROR_CLUSTER_RESNAME_NOT_FOUND.0;
        }
        // SAFETY: The monitor gives place of this size.
        unsafe { answer(controls::of_type(code), output, room, returned) }
    })
}

/// Says that the call has been answered already.
///
/// # Safety
///
/// The place must be null or writable.
unsafe fn at_once(asynchronously: *mut BOOL) {
    if !asynchronously.is_null() {
        // SAFETY: By the contract it is writable.
        unsafe { asynchronously.write(0) };
    }
}

unsafe extern "system" fn begin_resource_control(
    resource: RESID,
    code: u32,
    input: *mut c_void,
    input_size: u32,
    output: *mut c_void,
    room: u32,
    returned: *mut u32,
    _context: i64,
    asynchronously: *mut BOOL,
) -> u32 {
    // SAFETY: The monitor gives place.
    unsafe { at_once(asynchronously) };
    // SAFETY: The contract is the same.
    unsafe { resource_control(resource, code, input, input_size, output, room, returned) }
}

unsafe extern "system" fn begin_resource_type_control(
    name: PCWSTR,
    code: u32,
    input: *mut c_void,
    input_size: u32,
    output: *mut c_void,
    room: u32,
    returned: *mut u32,
    _context: i64,
    asynchronously: *mut BOOL,
) -> u32 {
    // SAFETY: The monitor gives place.
    unsafe { at_once(asynchronously) };
    // SAFETY: The contract is the same.
    unsafe { resource_type_control(name, code, input, input_size, output, room, returned) }
}

/// Nothing is done in the name of the user, so that the token is not looked at: what is answered is no secret, and what is
/// set is stored by the cluster service.
unsafe extern "system" fn begin_resource_control_as_user(
    resource: RESID,
    _token: HANDLE,
    code: u32,
    input: *mut c_void,
    input_size: u32,
    output: *mut c_void,
    room: u32,
    returned: *mut u32,
    context: i64,
    asynchronously: *mut BOOL,
) -> u32 {
    // SAFETY: The contract is the same.
    unsafe {
        begin_resource_control(
            resource,
            code,
            input,
            input_size,
            output,
            room,
            returned,
            context,
            asynchronously,
        )
    }
}

unsafe extern "system" fn begin_resource_type_control_as_user(
    name: PCWSTR,
    _token: HANDLE,
    code: u32,
    input: *mut c_void,
    input_size: u32,
    output: *mut c_void,
    room: u32,
    returned: *mut u32,
    context: i64,
    asynchronously: *mut BOOL,
) -> u32 {
    // SAFETY: The contract is the same.
    unsafe {
        begin_resource_type_control(
            name,
            code,
            input,
            input_size,
            output,
            room,
            returned,
            context,
            asynchronously,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{INTERNAL_ERROR, guarded};

    #[test]
    fn a_panic_is_an_error_to_the_monitor() {
        assert_eq!(guarded(INTERNAL_ERROR, || panic!("a defect")), INTERNAL_ERROR);
        assert_eq!(guarded(INTERNAL_ERROR, || 0), 0);
    }
}

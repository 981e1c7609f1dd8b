//! What a resource DLL calls of its monitor (facts 5.1 and 5.2). The world is found by the handle, whatever thread calls.

use core::ffi::c_void;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Once, OnceLock, PoisonError, RwLock, Weak};

use wsfc_clusapi::sys::resapi::{
    CLRES_CALLBACK_FUNCTION_TABLE, LogEvent, RESOURCE_HANDLE, RESOURCE_STATUS, RESOURCE_STATUS_EX,
    ResourceExitStateTerminate,
};
use wsfc_clusapi::sys::types::{BOOL, HANDLE, PCWSTR};

use super::event::Event;
use super::format::{self, Kind};
use super::{MonitorLevel, Status};
use crate::memory;
use crate::simulation::Inner;
use crate::win32::{ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_HANDLE, ERROR_SUCCESS};
use crate::world::resource::running::Told;

/// The worlds of the RESOURCE_HANDLEs that are known, and of the contexts of control codes under way.
static WORLDS: LazyLock<RwLock<HashMap<isize, Weak<Inner>>>> = LazyLock::new(RwLock::default);

pub(super) fn know(handle: isize, world: Weak<Inner>) {
    WORLDS
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(handle, world);
}

pub(super) fn forget(handle: isize) {
    WORLDS.write().unwrap_or_else(PoisonError::into_inner).remove(&handle);
}

/// Forgets the handles of worlds that are gone.
pub(crate) fn forget_dead() {
    let mut worlds = WORLDS.write().unwrap_or_else(PoisonError::into_inner);
    worlds.retain(|_, world| world.strong_count() > 0);
}

fn world(handle: isize) -> Option<Arc<Inner>> {
    WORLDS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&handle)?
        .upgrade()
}

/// Runs a callback; nothing unwinds into the DLL.
fn guarded<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(otherwise)
}

const TERMINATE: u32 = ResourceExitStateTerminate.cast_unsigned();

/// Takes a status. Who is not known is told to end (facts 5.2).
///
/// # Safety
///
/// The event must be NULL, -1, or open for the time of the call.
unsafe fn told(handle: RESOURCE_HANDLE, told: Told, event: HANDLE) -> u32 {
    guarded(TERMINATE, || {
        let Some(world) = world(handle) else {
            return TERMINATE;
        };
        // SAFETY: The caller's promise.
        let event = unsafe { Event::copy(event) };
        world.change(|state| state.hosted_told(handle, Status { told, event }))
    })
}

pub(super) unsafe extern "system" fn set_resource_status(handle: RESOURCE_HANDLE, status: *mut RESOURCE_STATUS) -> u32 {
    if status.is_null() {
        return TERMINATE;
    }
    // SAFETY: The DLL passes a status, and any bits are one.
    let status = unsafe { memory::read(status) };
    let state = Told {
        check_point: status.CheckPoint,
        ..Told::new(status.ResourceState)
    };
    // SAFETY: An event of a status is open while it is told.
    unsafe { told(handle, state, status.EventHandle) }
}

unsafe extern "system" fn set_resource_status_ex(handle: RESOURCE_HANDLE, status: *mut RESOURCE_STATUS_EX) -> u32 {
    if status.is_null() {
        return TERMINATE;
    }
    // SAFETY: The DLL passes a status, and any bits are one.
    let status = unsafe { memory::read(status) };
    let state = Told {
        state: status.ResourceState,
        check_point: status.CheckPoint,
        error: status.ApplicationSpecificErrorCode,
    };
    // SAFETY: An event of a status is open while it is told.
    unsafe { told(handle, state, status.EventHandle) }
}

/// SetResourceLockedMode: the resource is locked until it is unlocked (facts 2.4, 5960).
unsafe extern "system" fn set_locked_mode(handle: RESOURCE_HANDLE, locked: BOOL, _reason: u32) -> u32 {
    guarded(ERROR_INVALID_HANDLE, || match world(handle) {
        Some(world) if world.change(|state| state.lock_hosted(handle, locked != 0)) => ERROR_SUCCESS,
        _ => ERROR_INVALID_HANDLE,
    })
}

unsafe extern "system" fn set_locked_mode_ex(handle: RESOURCE_HANDLE, locked: BOOL, reason: u32, _flags: u32) -> u32 {
    // SAFETY: It takes any arguments.
    unsafe { set_locked_mode(handle, locked, reason) }
}

/// SignalFailure. Guess: a failure of the resource and one of what is embedded in it are alike.
unsafe extern "system" fn signal_failure(handle: RESOURCE_HANDLE, _kind: i32, _error: u32) -> u32 {
    guarded(ERROR_INVALID_HANDLE, || match world(handle) {
        Some(world) if world.change(|state| state.world.hosted_failed(handle)) => ERROR_SUCCESS,
        _ => ERROR_INVALID_HANDLE,
    })
}

/// EndControlCall and EndTypeControlCall.
unsafe extern "system" fn end_control(context: i64, status: u32) -> u32 {
    guarded(ERROR_INVALID_HANDLE, || {
        let known = isize::try_from(context).ok().and_then(world);
        match known {
            Some(world) if world.note(|state| state.host.control_ended(context, status)) => ERROR_SUCCESS,
            _ => ERROR_INVALID_HANDLE,
        }
    })
}

/// ExtendControlCall and ExtendTypeControlCall. Guess: the call may take that long from now on.
unsafe extern "system" fn extend_control(context: i64, ms: u32) -> u32 {
    guarded(ERROR_INVALID_HANDLE, || {
        let known = isize::try_from(context).ok().and_then(world);
        match known {
            Some(world) if world.change(|state| state.extend_control(context, ms)) => ERROR_SUCCESS,
            _ => ERROR_INVALID_HANDLE,
        }
    })
}

/// Callbacks that the simulator has nothing for answer 120, as functions do that a system lacks.
macro_rules! not_implemented {
    ($($function:ident($($argument:ty),*);)+) => {
        $(unsafe extern "system" fn $function($(_: $argument),*) -> u32 {
            ERROR_CALL_NOT_IMPLEMENTED
        })+
    };
}

not_implemented! {
    set_node_local_properties(isize, *const u8, u32);
    request_dump(isize, BOOL, u32);
    set_trace_policy(isize, u32);
    arm_watchdog(isize, u64);
}

/// The callbacks for `StartupEx`. DLLs may keep its address. Members whose types `windows-sys` builds from callbacks of their
/// own are left out (NULL): raising notifications of types, processes for dumps, internal states.
pub(super) fn table() -> *mut CLRES_CALLBACK_FUNCTION_TABLE {
    struct Table(CLRES_CALLBACK_FUNCTION_TABLE);
    static TABLE: OnceLock<Box<Table>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        Box::new(Table(CLRES_CALLBACK_FUNCTION_TABLE {
            LogEvent: Some(log_event_as_listed()),
            SetResourceStatusEx: Some(set_resource_status_ex),
            SetResourceLockedMode: Some(set_locked_mode),
            SignalFailure: Some(signal_failure),
            SetResourceInMemoryNodeLocalProperties: Some(set_node_local_properties),
            EndControlCall: Some(end_control),
            EndTypeControlCall: Some(end_control),
            ExtendControlCall: Some(extend_control),
            ExtendTypeControlCall: Some(extend_control),
            SetResourceLockedModeEx: Some(set_locked_mode_ex),
            RequestDump: Some(request_dump),
            SetResourceWprPolicy: Some(set_trace_policy),
            ArmWprWatchdogForCurrentResourceCall: Some(arm_watchdog),
            ..CLRES_CALLBACK_FUNCTION_TABLE::default()
        }))
    });
    (&raw const table.0).cast_mut()
}

unsafe extern "C" {
    fn wsfc_simulator_log_to(
        count: unsafe extern "C" fn(*const u16) -> i32,
        write: unsafe extern "C" fn(isize, i32, *const u16, *const u64, i32),
    );
    fn wsfc_simulator_log_event(handle: RESOURCE_HANDLE, level: i32, format: PCWSTR, ...);
}

/// LogEvent.
pub(super) fn log_event() -> LogEvent {
    wsfc_simulator_log_event
}

/// LogEvent as the table has it.
type ListedLogEvent = unsafe extern "system" fn(isize, i32, PCWSTR);

/// `windows-sys` leaves the variable arguments out of the member of the table. The DLL calls it with them.
fn log_event_as_listed() -> ListedLogEvent {
    // SAFETY: Both are addresses of functions; nobody in Rust calls the result, and on the systems here a C function with
    // variable arguments is called by the one C convention (see the type).
    unsafe { core::mem::transmute::<LogEvent, ListedLogEvent>(log_event()) }
}

/// Tells the C function of LogEvent where texts go. Before any DLL can call it.
pub(super) fn prepare() {
    static ONCE: Once = Once::new();
    // Miri calls no C, so under it nothing is logged.
    if cfg!(miri) {
        return;
    }
    // SAFETY: The functions have the types that the C function declares, and stay.
    ONCE.call_once(|| unsafe { wsfc_simulator_log_to(count, write) });
}

unsafe extern "C" fn count(format: *const u16) -> i32 {
    guarded(0, || {
        // SAFETY: The DLL passes NULL or a NUL-terminated string.
        let format = unsafe { memory::text(format) }.unwrap_or_default();
        i32::try_from(format::count(&format)).unwrap_or(0)
    })
}

unsafe extern "C" fn write(handle: isize, level: i32, format: *const u16, arguments: *const u64, count: i32) {
    guarded((), || {
        let Some(world) = world(handle) else { return };
        // SAFETY: The DLL passes NULL or a NUL-terminated string.
        let format = unsafe { memory::text(format) }.unwrap_or_default();
        let count = usize::try_from(count).unwrap_or(0);
        let read = |place: usize| {
            // SAFETY: The C function has put as many arguments there as it says.
            unsafe { memory::read(arguments.wrapping_add(place)) }
        };
        let arguments: Vec<u64> = (0..count).map(read).collect();
        let text = format::render(&format, &arguments, |kind, value| {
            // SAFETY: The DLL's format says that the argument is a string of that kind.
            unsafe { string(kind, value) }
        });
        world.note(|state| state.log(handle, MonitorLevel::of(level), &text));
    });
}

/// Reads a string that an argument points to.
///
/// # Safety
///
/// The value must be NULL or the address of a NUL-terminated string of that kind.
unsafe fn string(kind: Kind, value: u64) -> String {
    let Ok(address) = usize::try_from(value) else {
        return String::new();
    };
    let pointer: *const c_void = core::ptr::with_exposed_provenance(address);
    if pointer.is_null() {
        return "(null)".into();
    }
    if kind == Kind::Narrow {
        // SAFETY: The caller's promise.
        unsafe { core::ffi::CStr::from_ptr(pointer.cast()) }
            .to_string_lossy()
            .into_owned()
    } else {
        // SAFETY: The caller's promise.
        unsafe { memory::text(pointer.cast()) }.unwrap_or_default()
    }
}

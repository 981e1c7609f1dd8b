//! The recorded functions: each tells the recorder, calls the function of the recorded table, and tells the recorder.
//!
//! The last error of the thread is kept whatever the recorder does: before the call it is what the caller left there, and
//! afterwards what the function left there. On Windows even a thread-local variable may reset it.
#![expect(unsafe_code, reason = "C functions and callbacks are called and stood in for")]

use core::ffi::c_void;

use super::arguments::{Argument, Parameter as _};
use super::format::Report;
use super::recorder::{RECORDER, Target, contained};
use super::results::{Convention, Outcome};
use crate::for_each_cluster_function;
use crate::progress::LONGEST_OBJECT_NAME;
use crate::sys::Table;
use crate::sys::constants::TRUE;
use crate::sys::types::{
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
use crate::wide;

/// Leaves an error as the thread's last one. Off Windows the recorded table keeps it, and nothing here touches that.
fn leave_last_error(code: u32) {
    #[cfg(windows)]
    // SAFETY: The function takes any number.
    unsafe {
        windows_sys::Win32::Foundation::SetLastError(code);
    }
    #[cfg(not(windows))]
    let _ = code;
}

/// Makes a recorded function of each C function, and the table of them.
macro_rules! recorded_functions {
    ($(
        $(#[$doc:meta])*
        $since:ident fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ident $(, in $origin:ident)?;
    )+) => {
        $(
            /// The recorded function.
            ///
            /// # Safety
            ///
            /// That of the C function.
            #[expect(non_snake_case, reason = "it has the C function's name")]
            unsafe extern "system" fn $name($($argument: $type),*) -> $result {
                let Some((recorder, function)) = RECORDER.get().and_then(|recorder| {
                    Some((recorder, recorder.table().$name?))
                }) else {
                    let convention = Convention::of(stringify!($name), stringify!($result));
                    return <$result as Outcome>::from_number(convention.failure());
                };
                let before = recorder.last_error();
                let arguments: &[Argument] =
                    &[$(Argument { name: stringify!($argument), slot: $argument.slot() }),*];
                // SAFETY: The caller keeps the contract of the C function.
                let call = unsafe { recorder.begin(stringify!($name), arguments) };
                $(let $argument = $argument.pass(stringify!($argument), &call);)*
                leave_last_error(before);
                // SAFETY: The caller keeps the contract of the C function. Its callback, if it has one, is replaced by
                // one that takes the argument beside it.
                let result = unsafe { function($($argument),*) };
                let after = recorder.last_error();
                let convention = Convention::of(stringify!($name), stringify!($result));
                // SAFETY: The call has come back with this result, and by its contract has written what it says.
                unsafe {
                    recorder.end(&call, stringify!($name), arguments, convention, result.number(), after);
                }
                drop(call);
                leave_last_error(after);
                result
            }
        )+

        /// The recorded functions of a table; what is absent there is absent here.
        pub(super) fn recorded(table: &Table) -> Table {
            let recorded = Table {
                $($name: table.$name.and(Some($name)),)+
            };
            // Not a call of the cluster API, and made after each failed one.
            Table { GetLastError: table.GetLastError, ..recorded }
        }
    };
}

for_each_cluster_function!(recorded_functions);

/// What C calls during a recorded setup call.
///
/// # Safety
///
/// As for the caller's own callback; the argument may be anything.
pub(super) unsafe extern "system" fn setup_callback(
    argument: *mut c_void,
    phase: i32,
    phase_type: i32,
    severity: i32,
    percent: u32,
    object: PCWSTR,
    status: u32,
) -> BOOL {
    let Some(recorder) = RECORDER.get() else { return TRUE };
    let before = recorder.last_error();
    let came_us = recorder.now_us();
    let registration = recorder.registration(argument);
    let answer = match registration.map(|registration| (registration.target, registration.argument)) {
        Some((Target::Setup(Some(target)), own)) => {
            leave_last_error(before);
            // SAFETY: C calls this in the place of the caller's callback, so its promises are those that the caller's
            // callback demands; and the argument is the one that the caller gave with it.
            unsafe { target(own.0, phase, phase_type, severity, percent, object, status) }
        }
        // Nobody is known to pass it to. Every Microsoft caller answers TRUE to everything (facts 1.5).
        _ => TRUE,
    };
    let after = recorder.last_error();
    contained(|| {
        let report = Report {
            phase_type,
            severity,
            percent,
            // SAFETY: By the caller's promise the name is NULL or ends with a NUL, and lives until this returns.
            object: unsafe { wide::copy(object, LONGEST_OBJECT_NAME) },
            status,
        };
        recorder.callback(registration, came_us, phase, Some(report), answer);
    });
    leave_last_error(after);
    answer
}

/// What C calls during a recorded upgrade.
///
/// # Safety
///
/// As for the caller's own callback; the argument may be anything.
pub(super) unsafe extern "system" fn upgrade_callback(argument: *mut c_void, phase: i32) -> BOOL {
    let Some(recorder) = RECORDER.get() else { return TRUE };
    let before = recorder.last_error();
    let came_us = recorder.now_us();
    let registration = recorder.registration(argument);
    let answer = match registration.map(|registration| (registration.target, registration.argument)) {
        Some((Target::Upgrade(Some(target)), own)) => {
            leave_last_error(before);
            // SAFETY: As in `setup_callback`.
            unsafe { target(own.0, phase) }
        }
        _ => TRUE,
    };
    let after = recorder.last_error();
    contained(|| recorder.callback(registration, came_us, phase, None, answer));
    leave_last_error(after);
    answer
}

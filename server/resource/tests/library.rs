//! The library as a file, as a Resource Monitor loads it.
#![expect(unsafe_code, reason = "the exports are C functions")]
#![expect(clippy::unwrap_used, reason = "how a test fails, outside of test functions too")]

use std::path::PathBuf;

use libloading::Library;
use wsfc_clusapi::sys::resapi::{CLRES_FUNCTION_TABLE, RESOURCE_STATUS, SetClusterApi, Startup, StartupEx};

/// Cargo puts it beside the test.
fn path() -> PathBuf {
    let name = format!(
        "{}wsfcres{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    std::env::current_exe().unwrap().with_file_name(name)
}

unsafe extern "system" fn set_resource_status(_: isize, _: *mut RESOURCE_STATUS) -> u32 {
    0
}

#[test]
fn the_library_has_its_exports_and_may_be_freed() {
    // SAFETY: The library has no initialiser with demands on its caller.
    let library = unsafe { Library::new(path()) }.unwrap();
    // SAFETY: The export has this type.
    let startup = *unsafe { library.get::<Startup>("Startup") }.unwrap();
    // SAFETY: The export has this type.
    let startup_ex = *unsafe { library.get::<StartupEx>("StartupEx") }.unwrap();
    // SAFETY: The export has this type.
    let set_cluster_api = *unsafe { library.get::<SetClusterApi>("SetClusterApi") }.unwrap();
    // SAFETY: Nothing is given.
    unsafe { set_cluster_api(None) };
    let name: Vec<u16> = "wsfcd Workload\0".encode_utf16().collect();
    let mut table: *mut CLRES_FUNCTION_TABLE = core::ptr::null_mut();
    // SAFETY: The name ends with a NUL, and the function is one of a monitor.
    let code = unsafe {
        startup(
            name.as_ptr(),
            0x100,
            0x100,
            Some(set_resource_status),
            None,
            &raw mut table,
        )
    };
    assert_eq!(code, 0);
    // SAFETY: After a success it is a table.
    assert_eq!(unsafe { (*table).Version }, 0x100);
    // SAFETY: A null table of functions is refused.
    let code = unsafe { startup_ex(name.as_ptr(), 0x100, 0x400, core::ptr::null_mut(), &raw mut table) };
    assert_eq!(code, 87);
    drop(library);
    // The code stays, since a thread of it may run.
    // SAFETY: As above, of a library that stays in memory.
    let code = unsafe {
        startup(
            name.as_ptr(),
            0x500,
            0x500,
            Some(set_resource_status),
            None,
            &raw mut table,
        )
    };
    assert_eq!(code, 1306);
}

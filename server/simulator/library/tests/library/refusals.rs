//! Calls that come to no function of a world: the scenario's machine lacks it, or there is no world.
#![expect(unsafe_code, reason = "the C functions are called as C callers do")]

use core::ptr::null;

use wsfc_clusapi::Win32;
use wsfc_clusapi::sys::Table;

use crate::process::{self, api, is_inside, library};

/// What each kind of C function answers, with the last error where that tells the code.
struct Answers {
    handle: (isize, u32),
    truth: (i32, u32),
    state: (i32, u32),
    count: (u32, u32),
    code: u32,
}

/// Calls one function of each kind. The arguments are harmless to a function that does look at them.
fn answers() -> Answers {
    // SAFETY: The library has nothing to initialise.
    let library = unsafe { libloading::Library::new(library()) }.unwrap();
    // SAFETY: The library exports the functions of the table, and outlives it here.
    let table = unsafe { Table::from_library(&library) };
    #[cfg(windows)]
    let table = Table {
        GetLastError: Some(windows_sys::Win32::Foundation::GetLastError),
        ..table
    };
    let get_last_error = table.GetLastError.unwrap();
    let last_error = || {
        // SAFETY: The function has no demands.
        unsafe { get_last_error() }
    };
    // SAFETY: NULL names the local cluster.
    let handle = unsafe { table.OpenCluster.unwrap()(null()) };
    let handle = (handle, last_error());
    // SAFETY: Any number may be passed as a handle.
    let truth = unsafe { table.CloseCluster.unwrap()(0) };
    let truth = (truth, last_error());
    // SAFETY: Any number may be passed as a handle.
    let state = unsafe { table.GetClusterNodeState.unwrap()(0) };
    let state = (state, last_error());
    // SAFETY: Any number may be passed as a handle.
    let count = unsafe { table.ClusterGetEnumCount.unwrap()(0) };
    let count = (count, last_error());
    // SAFETY: Any number may be passed as a handle.
    let code = unsafe { table.DeleteClusterGroup.unwrap()(0) };
    Answers {
        handle,
        truth,
        state,
        count,
        code,
    }
}

impl Answers {
    #[track_caller]
    fn all_refuse_with(&self, code: u32) {
        assert_eq!(self.handle, (0, code));
        assert_eq!(self.truth, (0, code));
        assert_eq!(self.state, (-1, code));
        assert_eq!(self.count, (0, code));
        assert_eq!(self.code, code);
    }
}

#[test]
fn a_function_that_the_machine_lacks_is_not_implemented() {
    if !is_inside() {
        let (_folder, scenario) = process::scenario(
            r#"functions_absent = [
                "OpenCluster", "CloseCluster", "GetClusterNodeState", "ClusterGetEnumCount", "DeleteClusterGroup",
            ]"#,
        );
        process::run(
            "refusals::a_function_that_the_machine_lacks_is_not_implemented",
            &[("WSFC_SIMULATOR_SCENARIO", &scenario)],
        );
        return;
    }
    answers().all_refuse_with(120);
    // The others work.
    api().node_cluster_state(Some("n1")).unwrap();
}

#[test]
fn an_older_machine_lacks_newer_functions() {
    if !is_inside() {
        let (_folder, scenario) = process::scenario("local = \"n3\"\nfunctions_by_release = true");
        process::run(
            "refusals::an_older_machine_lacks_newer_functions",
            &[("WSFC_SIMULATOR_SCENARIO", &scenario)],
        );
        return;
    }
    let api = api();
    api.node_cluster_state(Some("n1")).unwrap();
    let error = api.cloud_type(&["n1".to_owned()]).unwrap_err();
    assert_eq!(error.code(), Some(Win32::ERROR_CALL_NOT_IMPLEMENTED), "{error}");
}

#[test]
fn without_a_world_every_call_fails_and_the_reason_is_told_once() {
    const TEST: &str = "refusals::without_a_world_every_call_fails_and_the_reason_is_told_once";
    if is_inside() {
        answers().all_refuse_with(10);
        return;
    }
    for (variables, reason) in [
        (
            [("WSFC_SIMULATOR_SCENARIO", "nowhere"), ("WSFC_SIMULATOR_CONTROL", "")],
            "\"nowhere\"",
        ),
        (
            [
                ("WSFC_SIMULATOR_SCENARIO", "/there/is/no.toml"),
                ("WSFC_SIMULATOR_CONTROL", ""),
            ],
            "/there/is/no.toml",
        ),
        (
            [
                ("WSFC_SIMULATOR_SCENARIO", "default"),
                ("WSFC_SIMULATOR_CONTROL", "here"),
            ],
            "WSFC_SIMULATOR_CONTROL is not an address",
        ),
        (
            [
                ("WSFC_SIMULATOR_SCENARIO", "default"),
                ("WSFC_SIMULATOR_RESOURCE_DLLS", "wsfcres.dll"),
            ],
            "WSFC_SIMULATOR_RESOURCE_DLLS is not a list of name=path: \"wsfcres.dll\"",
        ),
        (
            [
                ("WSFC_SIMULATOR_SCENARIO", "default"),
                ("WSFC_SIMULATOR_CONTROL", "127.0.0.1:0"),
            ],
            "out of reach",
        ),
    ] {
        let stderr = process::run(TEST, &variables);
        let told: Vec<_> = stderr
            .lines()
            .filter(|line| line.contains("wsfc-simulator: "))
            .collect();
        assert_eq!(told.len(), 1, "{stderr}");
        assert!(told[0].contains(reason), "{stderr}");
    }
}

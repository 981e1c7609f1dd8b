//! A table of Rust functions that look at what C would be given, for tests of the safe calls.
#![expect(unsafe_code, reason = "fakes get pointers as C does")]

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use std::thread;

use crate::api::Clusapi;
use crate::proplist::{Property, PropertyList, Tail, Value};
use crate::sys::Table;
use crate::sys::constants::{FALSE, TRUE, cluster_enum, control, setup_phase, version};
use crate::sys::types::{
    BOOL, CLUSTER_ENUM_ITEM, CLUSTERVERSIONINFO, CREATE_CLUSTER_CONFIG, HCLUSENUM, HCLUSENUMEX, HCLUSTER, HGROUP,
    HNODE, HRESULT, PCLUSTER_SETUP_PROGRESS_CALLBACK, PCLUSTER_UPGRADE_PROGRESS_CALLBACK, PCWSTR, PWSTR,
};
use crate::wide;

// The fake functions run on the test's own thread, so each test has its world in thread-local variables.
thread_local! {
    pub(crate) static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// The code that the next calls fail with, or 0.
    pub(crate) static FAIL_WITH: Cell<u32> = const { Cell::new(0) };
}

pub(crate) fn log(line: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(line.into()));
}

/// What the fake functions were told since the last time.
pub(crate) fn taken_log() -> Vec<String> {
    LOG.with_borrow_mut(std::mem::take)
}

/// The text behind a pointer that a call was given.
pub(crate) fn given(text: PCWSTR) -> String {
    // SAFETY: The safe layer gives NULL or texts that end with a NUL.
    unsafe { wide::copy(text, 40_000) }.unwrap_or_else(|| "NULL".to_owned())
}

/// Writes a text as C does: 234 and the need if it does not fit.
pub(crate) fn answer_text(text: &str, buffer: PWSTR, units: *mut u32) -> u32 {
    let wide: Vec<u16> = text.encode_utf16().collect();
    // SAFETY: The safe layer gives a count.
    let capacity = unsafe { units.replace(u32::try_from(wide.len()).unwrap()) };
    if wide.len() + 1 > capacity as usize {
        return 234;
    }
    for (index, unit) in wide.iter().chain(&[0]).enumerate() {
        // SAFETY: The index is below the capacity, as just tested.
        let place = unsafe { buffer.add(index) };
        // SAFETY: As above.
        unsafe { place.write(*unit) };
    }
    0
}

/// Fails if the test asked for it, as a handle-returning call.
pub(crate) fn handle_or_failure(handle: isize) -> isize {
    match FAIL_WITH.get() {
        0 => handle,
        code => {
            LAST_ERROR.set(code);
            0
        }
    }
}

fn report(callback: PCLUSTER_SETUP_PROGRESS_CALLBACK, argument: *const c_void, phase: i32, object: &str) {
    let object: Vec<u16> = object.encode_utf16().chain([0]).collect();
    // SAFETY: The trampoline takes any argument, and the name ends with a NUL.
    let answer = unsafe { callback.unwrap()(argument.cast_mut(), phase, 3, 1, 50, object.as_ptr(), 0) };
    log(format!("phase {phase} answered {answer}"));
}

extern "system" fn get_last_error() -> u32 {
    LAST_ERROR.get()
}

extern "system" fn create_cluster(
    config: *const CREATE_CLUSTER_CONFIG,
    callback: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> HCLUSTER {
    // SAFETY: The safe layer gives the newest struct.
    let config = unsafe { config.read() };
    log(format!(
        "create {:#x} {} empty {}",
        config.dwVersion,
        given(config.lpszClusterName),
        config.fEmptyCluster
    ));
    for index in 0..config.cNodes as usize {
        // SAFETY: The index is below the count.
        let name = unsafe { config.ppszNodeNames.add(index) };
        // SAFETY: As above.
        log(format!("node {}", given(unsafe { name.read() })));
    }
    for index in 0..config.cIpEntries as usize {
        // SAFETY: The index is below the count.
        let entry = unsafe { config.pIpEntries.add(index) };
        // SAFETY: As above.
        let entry = unsafe { entry.read() };
        log(format!(
            "address {}/{}",
            given(entry.lpszIpAddress),
            entry.dwPrefixLength
        ));
    }
    if config.dwVersion >= version::GA {
        let [user, password, domain] = [config.pszUserName, config.pszPassword, config.pszDomain].map(given);
        log(format!("as {user} {password} {domain}"));
    }
    log(format!(
        "point {} {} {}",
        config.managementPointType,
        config.managementPointResType,
        config.pIpEntries.is_null()
    ));
    report(callback, argument, setup_phase::INITIALIZE, "c1");
    let id = argument.addr();
    // A callback from a thread of the library's own.
    thread::scope(|scope| {
        scope.spawn(|| {
            let argument = core::ptr::without_provenance_mut(id);
            // SAFETY: The trampoline takes any argument, and NULL for the name.
            unsafe { callback.unwrap()(argument, setup_phase::NODE_UP, 1, 1, 60, core::ptr::null(), 0) }
        });
    });
    handle_or_failure(100)
}

extern "system" fn add_node(
    cluster: HCLUSTER,
    node: PCWSTR,
    callback: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> HNODE {
    log(format!("add {} to {cluster}", given(node)));
    report(callback, argument, setup_phase::ADD_NODE_TO_CLUSTER, "n2");
    handle_or_failure(200)
}

extern "system" fn destroy(
    cluster: HCLUSTER,
    callback: PCLUSTER_SETUP_PROGRESS_CALLBACK,
    argument: *const c_void,
    delete: BOOL,
) -> u32 {
    log(format!("destroy {cluster} {delete}"));
    report(callback, argument, setup_phase::CORE_GROUP_CLEANUP, "Cluster Group");
    FAIL_WITH.get()
}

extern "system" fn upgrade(
    _: HCLUSTER,
    perform: BOOL,
    callback: PCLUSTER_UPGRADE_PROGRESS_CALLBACK,
    argument: *const c_void,
) -> u32 {
    log(format!("upgrade {perform}"));
    for phase in 1..=5 {
        // SAFETY: The trampoline takes any argument.
        unsafe { callback.unwrap()(argument.cast_mut(), phase) };
    }
    FAIL_WITH.get()
}

extern "system" fn evict(node: HNODE) -> u32 {
    log(format!("evict {node}"));
    FAIL_WITH.get()
}

extern "system" fn evict_ex(node: HNODE, timeout: u32, status: *mut HRESULT) -> u32 {
    log(format!("evict {node} {timeout}"));
    // SAFETY: The safe layer gives a place.
    unsafe { status.write(-2_147_019_845) };
    FAIL_WITH.get()
}

extern "system" fn evict_ex2(node: HNODE, timeout: u32, _: *mut HRESULT, reason: PCWSTR) -> u32 {
    log(format!("evict {node} {timeout} {}", given(reason)));
    FAIL_WITH.get()
}

extern "system" fn open_cluster(name: PCWSTR) -> HCLUSTER {
    log(format!("open {}", given(name)));
    handle_or_failure(100)
}

extern "system" fn close_cluster(cluster: HCLUSTER) -> BOOL {
    log(format!("close cluster {cluster}"));
    TRUE
}

extern "system" fn close_node(node: HNODE) -> BOOL {
    log(format!("close node {node}"));
    LAST_ERROR.set(6);
    FALSE
}

extern "system" fn open_node(_: HCLUSTER, _: PCWSTR) -> HNODE {
    handle_or_failure(200)
}

extern "system" fn open_group(_: HCLUSTER, _: PCWSTR) -> HGROUP {
    handle_or_failure(300)
}

extern "system" fn close_group(_: HGROUP) -> BOOL {
    TRUE
}

extern "system" fn node_state(_: HNODE) -> i32 {
    if FAIL_WITH.get() == 0 {
        return 2;
    }
    LAST_ERROR.set(FAIL_WITH.get());
    -1
}

extern "system" fn group_state(_: HGROUP, name: PWSTR, units: *mut u32) -> i32 {
    match answer_text(&"o".repeat(400), name, units) {
        0 => 3,
        code => {
            LAST_ERROR.set(code);
            -1
        }
    }
}

extern "system" fn node_id(_: HNODE, id: PWSTR, units: *mut u32) -> u32 {
    answer_text("17", id, units)
}

extern "system" fn node_cluster_state(_: PCWSTR, state: *mut u32) -> u32 {
    // SAFETY: The safe layer gives a place.
    unsafe { state.write(19) };
    FAIL_WITH.get()
}

extern "system" fn information(_: HCLUSTER, name: PWSTR, units: *mut u32, info: *mut CLUSTERVERSIONINFO) -> u32 {
    // SAFETY: The safe layer gives a struct of the size it says.
    let mut filled = unsafe { info.read() };
    assert_eq!(filled.dwVersionInfoSize, 284);
    filled.MajorVersion = 10;
    filled.BuildNumber = 20348;
    filled.dwClusterHighestVersion = 11 << 16 | 4;
    filled.dwClusterLowestVersion = 10 << 16 | 3;
    filled.dwFlags = 1;
    // SAFETY: As above.
    unsafe { info.write(filled) };
    answer_text(&"c".repeat(300), name, units)
}

extern "system" fn open_enum(_: HCLUSTER, kinds: u32, _: *const c_void) -> HCLUSENUMEX {
    handle_or_failure(isize::try_from(kinds).unwrap())
}

pub(crate) extern "system" fn close_enum(enumeration: isize) -> u32 {
    log(format!("close enumeration {enumeration}"));
    0
}

/// Two objects, the second with a name longer than the first try.
extern "system" fn enum_item(_: HCLUSENUMEX, index: u32, item: *mut CLUSTER_ENUM_ITEM, bytes: *mut u32) -> u32 {
    let name = match index {
        0 => "n1".to_owned(),
        1 => "x".repeat(300),
        2 => "outside".to_owned(),
        _ => return 259,
    };
    if index == 2 && FAIL_WITH.get() != 5 {
        return 259;
    }
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let head = size_of::<CLUSTER_ENUM_ITEM>();
    let need = u32::try_from(head + 4 + 2 * wide.len()).unwrap();
    // SAFETY: The safe layer gives a count.
    if unsafe { bytes.replace(need) } < need {
        return 234;
    }
    // SAFETY: The buffer holds the need, as just tested.
    let id = unsafe { item.cast::<u8>().add(head) }.cast::<u16>();
    // SAFETY: As above.
    let text = unsafe { id.add(2) };
    // SAFETY: As above.
    unsafe { id.write(u16::from(b'1')) };
    // SAFETY: As above.
    unsafe { core::ptr::copy_nonoverlapping(wide.as_ptr(), text, wide.len()) };
    let foreign: PWSTR = core::ptr::without_provenance_mut(8);
    let filled = CLUSTER_ENUM_ITEM {
        dwVersion: 1,
        dwType: cluster_enum::NODE,
        cbId: 4,
        lpszId: id,
        cbName: u32::try_from(2 * wide.len()).unwrap(),
        lpszName: if index == 2 { foreign } else { text },
    };
    // SAFETY: As above; the buffer is aligned.
    unsafe { item.write(filled) };
    0
}

extern "system" fn open_names(_: HCLUSTER, _: u32) -> HCLUSENUM {
    handle_or_failure(7)
}

extern "system" fn enum_name(_: HCLUSENUM, index: u32, _: *mut u32, name: PWSTR, units: *mut u32) -> u32 {
    if index < 2 {
        answer_text(&format!("n{index}"), name, units)
    } else {
        259
    }
}

extern "system" fn send_control(
    _: isize,
    _: HNODE,
    code: u32,
    input: *const c_void,
    input_bytes: u32,
    output: *mut c_void,
    output_bytes: u32,
    returned: *mut u32,
) -> u32 {
    let property = |name: &str, value: u32| Property {
        name: name.into(),
        values: vec![Value::Dword(value)],
    };
    let list = |properties| PropertyList { properties }.to_bytes(Tail::ExtraZero).unwrap();
    let answer = match code {
        control::CLUSTER_GET_RO_COMMON_PROPERTIES => list(vec![property("ClusterFunctionalLevel", 11)]),
        control::CLUSTER_GET_COMMON_PROPERTIES => list(vec![
            property("ClusterUpgradeVersion", 4),
            Property {
                name: "Long".into(),
                values: vec![Value::Binary(vec![7; 9000])],
            },
        ]),
        control::NODE_GET_RO_COMMON_PROPERTIES => list(vec![property("NodeHighestVersion", 533_888)]),
        control::GROUP_GET_FLAGS => vec![1, 0, 0, 0],
        control::CLUSTER_CHECK_VOTER_EVICT => {
            // SAFETY: The safe layer gives the input with its size.
            let input = unsafe { core::slice::from_raw_parts(input.cast::<u8>(), input_bytes as usize) };
            vec![u8::from(input == [b'2', 0, 0, 0]), 0, 0, 0]
        }
        control::CLUSTER_IS_READY_FOR_UPGRADE => return FAIL_WITH.get(),
        control::NODE_GET_COMMON_PROPERTIES => vec![1, 0, 0],
        _ => return 1,
    };
    // SAFETY: The safe layer gives a count.
    unsafe { returned.write(u32::try_from(answer.len()).unwrap()) };
    if answer.len() > output_bytes as usize {
        return 234;
    }
    // SAFETY: The answer fits, as just tested.
    unsafe { core::ptr::copy_nonoverlapping(answer.as_ptr(), output.cast(), answer.len()) };
    0
}

/// All fake functions.
pub(crate) const TABLE: Table = Table {
    GetLastError: Some(get_last_error),
    CreateCluster: Some(create_cluster),
    AddClusterNode: Some(add_node),
    DestroyCluster: Some(destroy),
    ClusterUpgradeFunctionalLevel: Some(upgrade),
    EvictClusterNode: Some(evict),
    EvictClusterNodeEx: Some(evict_ex),
    EvictClusterNodeEx2: Some(evict_ex2),
    OpenCluster: Some(open_cluster),
    CloseCluster: Some(close_cluster),
    OpenClusterNode: Some(open_node),
    CloseClusterNode: Some(close_node),
    OpenClusterGroup: Some(open_group),
    CloseClusterGroup: Some(close_group),
    GetClusterNodeState: Some(node_state),
    GetClusterGroupState: Some(group_state),
    GetClusterNodeId: Some(node_id),
    GetNodeClusterState: Some(node_cluster_state),
    GetClusterInformation: Some(information),
    ClusterOpenEnumEx: Some(open_enum),
    ClusterEnumEx: Some(enum_item),
    ClusterCloseEnumEx: Some(close_enum),
    ClusterOpenEnum: Some(open_names),
    ClusterEnum: Some(enum_name),
    ClusterCloseEnum: Some(close_enum),
    ClusterControl: Some(send_control),
    ClusterNodeControl: Some(send_control),
    ClusterGroupControl: Some(send_control),
    ..Table::EMPTY
};

/// The safe layer over a table, in a fresh world: a test runner with one thread runs all tests on it.
pub(crate) fn api(table: Table) -> Clusapi {
    LAST_ERROR.set(0);
    FAIL_WITH.set(0);
    taken_log();
    // SAFETY: The functions above keep the contract of those they stand for, as far as the tests use them.
    unsafe { Clusapi::from_table(table) }
}

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::*;
use crate::fake::{FAIL_WITH, TABLE, api, handle_or_failure, log, taken_log};
use crate::sys::Table;
use crate::sys::constants::{TRUE, notify_group};
use crate::sys::types::{BOOL, HANDLE, HCLUSTER, PCWSTR, PWSTR};

/// What a fake port has queued.
#[derive(Clone)]
struct Event {
    filter: NOTIFY_FILTER_AND_TYPE,
    object_id: String,
    name: String,
    payload: Vec<u8>,
}

thread_local! {
    static QUEUE: RefCell<VecDeque<Event>> = const { RefCell::new(VecDeque::new()) };
    /// Kinds of object that the fake cluster does not know: those from here on.
    static UNKNOWN_FROM: Cell<u32> = const { Cell::new(u32::MAX) };
    /// Answers 234 without saying what it needs.
    static SILENT: Cell<bool> = const { Cell::new(false) };
    /// Closes the port while a call waits at it.
    static CLOSE_MEANWHILE: RefCell<Option<Closer>> = const { RefCell::new(None) };
}

extern "system" fn create(
    port: HCHANGE,
    cluster: HCLUSTER,
    filters: *const NOTIFY_FILTER_AND_TYPE,
    count: u32,
    key: usize,
) -> HCHANGE {
    // SAFETY: The safe layer gives a list with its length.
    let filters = unsafe { core::slice::from_raw_parts(filters, count as usize) };
    log(format!(
        "port {port} of {cluster}: {} filters, key {key}",
        filters.len()
    ));
    if filters.iter().any(|filter| filter.dwObjectType >= UNKNOWN_FROM.get()) {
        FAIL_WITH.set(87);
        let refused = handle_or_failure(0);
        FAIL_WITH.set(0);
        return refused;
    }
    handle_or_failure(if port == -1 { 700 } else { port })
}

extern "system" fn register(port: HCHANGE, filter: NOTIFY_FILTER_AND_TYPE, object: HANDLE, key: usize) -> u32 {
    let object = object.addr();
    log(format!(
        "register {object} of kind {} with {:#x}, key {key}, at {port}",
        filter.dwObjectType, filter.FilterFlags
    ));
    FAIL_WITH.get()
}

extern "system" fn register_type(port: HCHANGE, _: HCLUSTER, flags: i64, name: PCWSTR, _: usize) -> u32 {
    log(format!(
        "register type {} with {flags} at {port}",
        crate::fake::given(name)
    ));
    FAIL_WITH.get()
}

/// Writes an answer if there is room; the need in either case.
fn write<T: Copy>(content: &[T], nul: Option<T>, buffer: *mut T, count: *mut u32) -> bool {
    // SAFETY: The safe layer gives a count.
    let capacity = unsafe { count.read() } as usize;
    let whole: Vec<T> = content.iter().copied().chain(nul).collect();
    if !SILENT.get() {
        // SAFETY: As above.
        unsafe { count.write(u32::try_from(content.len()).unwrap()) };
    }
    if whole.len() > capacity || SILENT.get() {
        return false;
    }
    // SAFETY: The buffer has room for it, as just tested.
    unsafe { core::ptr::copy_nonoverlapping(whole.as_ptr(), buffer, whole.len()) };
    true
}

extern "system" fn get(
    port: HCHANGE,
    key: *mut usize,
    filter: *mut NOTIFY_FILTER_AND_TYPE,
    buffer: *mut u8,
    buffer_bytes: *mut u32,
    object_id: PWSTR,
    object_id_units: *mut u32,
    parent_id: PWSTR,
    parent_id_units: *mut u32,
    name: PWSTR,
    name_units: *mut u32,
    resource_type: PWSTR,
    type_units: *mut u32,
    milliseconds: u32,
) -> u32 {
    log(format!("get at {port} for {milliseconds} ms"));
    if FAIL_WITH.get() != 0 {
        return FAIL_WITH.get();
    }
    if let Some(closer) = CLOSE_MEANWHILE.take() {
        closer.close();
        return 6;
    }
    let Some(event) = QUEUE.with_borrow(|queue| queue.front().cloned()) else {
        return 258;
    };
    let wide = |text: &str| text.encode_utf16().collect::<Vec<_>>();
    let written = [
        write(&event.payload, None, buffer, buffer_bytes),
        write(&wide(&event.object_id), Some(0), object_id, object_id_units),
        write(&[], Some(0), parent_id, parent_id_units),
        write(&wide(&event.name), Some(0), name, name_units),
        write(&[], Some(0), resource_type, type_units),
    ];
    if written.contains(&false) {
        return 234;
    }
    QUEUE.with_borrow_mut(VecDeque::pop_front);
    // SAFETY: The safe layer gives places.
    unsafe { key.write(42) };
    // SAFETY: As above.
    unsafe { filter.write(event.filter) };
    0
}

extern "system" fn close(port: HCHANGE) -> BOOL {
    log(format!("close port {port}"));
    TRUE
}

const PORTS: Table = Table {
    CreateClusterNotifyPortV2: Some(create),
    RegisterClusterNotifyV2: Some(register),
    RegisterClusterResourceTypeNotifyV2: Some(register_type),
    GetClusterNotifyV2: Some(get),
    CloseClusterNotifyPort: Some(close),
    ..TABLE
};

fn cluster() -> Cluster {
    let cluster = api(PORTS).open_cluster(None).unwrap();
    QUEUE.take();
    UNKNOWN_FROM.set(u32::MAX);
    SILENT.set(false);
    taken_log();
    cluster
}

fn queue(name: &str, payload: &[u8]) {
    let event = Event {
        filter: Filter {
            object_type: notify_object::GROUP,
            flags: notify_group::STATE,
        }
        .for_c(),
        object_id: "g-1".into(),
        name: name.into(),
        payload: payload.to_vec(),
    };
    QUEUE.with_borrow_mut(|queue| queue.push_back(event));
}

#[test]
fn events_come_one_by_one_and_nothing_comes_as_none() {
    let mut port = cluster().notify_port(DEFAULT_FILTERS).unwrap();
    queue("g", &[1, 0, 0, 0]);
    let event = port.next(Duration::from_millis(500)).unwrap().unwrap();
    assert_eq!(
        (event.object_type, event.flag, event.key),
        (notify_object::GROUP, notify_group::STATE, 42)
    );
    assert_eq!((event.object_id.as_str(), event.name.as_str()), ("g-1", "g"));
    assert_eq!((event.parent_id.as_str(), event.resource_type.as_str()), ("", ""));
    assert_eq!(payload::state(&event.payload), Some(1));
    assert_eq!(port.next(Duration::ZERO).unwrap(), None);
    // A wait without end would be one that nothing but closing ends.
    assert_eq!(port.next(Duration::MAX).unwrap(), None);
    drop(port);
    assert_eq!(
        taken_log(),
        [
            "port -1 of 100: 11 filters, key 0",
            "get at 700 for 500 ms",
            "get at 700 for 0 ms",
            "get at 700 for 4294967294 ms",
            "close port 700",
            "close cluster 100",
        ]
    );
}

#[test]
fn an_event_that_does_not_fit_is_read_again_with_room_for_it() {
    let mut port = cluster().notify_port(DEFAULT_FILTERS).unwrap();
    let long = "n".repeat(3000);
    queue(&long, &[7; 70_000]);
    queue("short", &[]);
    let event = port.next(Duration::ZERO).unwrap().unwrap();
    assert_eq!((event.name.as_str(), event.payload.len()), (long.as_str(), 70_000));
    // Nothing of the last event is left in the next.
    let event = port.next(Duration::ZERO).unwrap().unwrap();
    assert_eq!((event.name.as_str(), event.payload.as_slice()), ("short", &[][..]));
    let gets = taken_log().iter().filter(|line| line.starts_with("get")).count();
    assert_eq!(gets, 3);
}

#[test]
fn a_port_that_never_has_enough_room_is_an_error_and_not_a_loop() {
    let mut port = cluster().notify_port(DEFAULT_FILTERS).unwrap();
    queue("g", &[]);
    SILENT.set(true);
    let error = port.next(Duration::ZERO).unwrap_err();
    assert_eq!(error.code(), Some(Win32::ERROR_MORE_DATA));
    SILENT.set(false);
    assert_eq!(
        port.next(Duration::ZERO).unwrap().unwrap().name,
        "g",
        "the event is still there"
    );
}

#[test]
fn a_closed_port_ends_the_wait_with_6_and_is_closed_once() {
    let mut port = cluster().notify_port(DEFAULT_FILTERS).unwrap();
    CLOSE_MEANWHILE.set(Some(port.closer()));
    let error = port.next(Duration::MAX).unwrap_err();
    assert_eq!(error.code(), Some(Win32::ERROR_INVALID_HANDLE));
    taken_log();
    let error = port.next(Duration::ZERO).unwrap_err();
    assert_eq!(error.code(), Some(Win32::ERROR_INVALID_HANDLE));
    port.closer().close();
    drop(port);
    assert_eq!(taken_log(), ["close cluster 100"], "a closed handle is given to nobody");
}

#[test]
fn other_codes_are_for_the_caller() {
    let mut port = cluster().notify_port(DEFAULT_FILTERS).unwrap();
    FAIL_WITH.set(1722);
    let error = port.next(Duration::ZERO).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("GetClusterNotifyV2 failed with error {}", Win32(1722))
    );
}

#[test]
fn what_a_cluster_does_not_know_is_left_out_newest_first() {
    for (unknown, filters) in [
        (u32::MAX, 13),
        (notify_object::AFFINITY_RULE, 12),
        (notify_object::GROUPSET, 11),
    ] {
        let cluster = cluster();
        UNKNOWN_FROM.set(unknown);
        drop(cluster.notify_port_for_everything().unwrap());
        let log = taken_log();
        let made = log.iter().rfind(|line| line.starts_with("port")).unwrap();
        assert_eq!(made, &format!("port -1 of 100: {filters} filters, key 0"));
    }
    let cluster = cluster();
    UNKNOWN_FROM.set(1);
    let error = cluster.notify_port_for_everything().unwrap_err();
    assert_eq!(error.code(), Some(Win32::ERROR_INVALID_PARAMETER));
}

#[test]
fn single_objects_are_watched_by_their_handles() {
    let cluster = cluster();
    let port = cluster.notify_port(&[]).unwrap();
    let group = cluster.open_group("g").unwrap();
    group.watch(&port, notify_group::STATE, 9).unwrap();
    port.add(&cluster, NEWER_FILTERS, 5).unwrap();
    port.register_resource_type(&cluster, "IP Address", 1, 0).unwrap();
    assert_eq!(
        taken_log(),
        [
            "port -1 of 100: 0 filters, key 0",
            "register 300 of kind 2 with 0x8, key 9, at 700",
            "port 700 of 100: 2 filters, key 5",
            "register type IP Address with 1 at 700",
        ]
    );
    let stranger = cluster_of_another_connection();
    assert!(matches!(
        stranger.watch(&port, 1, 0),
        Err(Error::OtherConnection { field: "object" })
    ));
    FAIL_WITH.set(87);
    assert_eq!(
        group.watch(&port, 1, 0).unwrap_err().code(),
        Some(Win32::ERROR_INVALID_PARAMETER)
    );
}

fn cluster_of_another_connection() -> Cluster {
    // SAFETY: The fake functions keep the contract of those they stand for.
    unsafe { crate::Clusapi::from_table(PORTS) }.open_cluster(None).unwrap()
}

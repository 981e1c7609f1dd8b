use core::cell::RefCell;
use core::ffi::c_void;

use super::*;
use crate::fake::{FAIL_WITH, TABLE, answer_text, api, given, handle_or_failure, log, taken_log};
use crate::sys::Table;
use crate::sys::constants::registry_command;
use crate::sys::types::{
    BOOL, CLUSTER_READ_BATCH_COMMAND, HCLUSTER, HREGBATCH, HREGREADBATCH, HREGREADBATCHREPLY, PCWSTR,
    PSECURITY_DESCRIPTOR, PWSTR,
};

thread_local! {
    /// What the fake reply still has.
    static ANSWERS: RefCell<Vec<i32>> = const { RefCell::new(Vec::new()) };
}

fn status() -> i32 {
    FAIL_WITH.get().cast_signed()
}

extern "system" fn root(cluster: HCLUSTER, access: u32) -> HKEY {
    log(format!("root of {cluster} {access:#x}"));
    handle_or_failure(800)
}

extern "system" fn open(key: HKEY, path: PCWSTR, access: u32, opened: *mut HKEY) -> i32 {
    log(format!("open {} below {key} {access}", given(path)));
    if status() == 0 {
        // SAFETY: The safe layer gives a place.
        unsafe { opened.write(801) };
    }
    status()
}

extern "system" fn create(
    key: HKEY,
    path: PCWSTR,
    options: u32,
    _: u32,
    security: *const c_void,
    opened: *mut HKEY,
    disposition: *mut u32,
) -> i32 {
    log(format!(
        "create {} below {key} {options} {}",
        given(path),
        security.is_null()
    ));
    // SAFETY: The safe layer gives a place.
    unsafe { opened.write(802) };
    // SAFETY: As above.
    unsafe { disposition.write(1) };
    status()
}

extern "system" fn close(key: HKEY) -> i32 {
    log(format!("close key {key}"));
    0
}

extern "system" fn enum_key(_: HKEY, index: u32, name: PWSTR, units: *mut u32, time: *mut FILETIME) -> i32 {
    if index >= 5 {
        return 259;
    }
    // SAFETY: The safe layer gives a place.
    unsafe {
        time.write(FILETIME {
            dwLowDateTime: index,
            dwHighDateTime: 1,
        });
    }
    answer_text(&format!("key{index}"), name, units).cast_signed()
}

/// Writes data as the calls on values do: 234 and the need if it does not fit.
fn answer_data(data: &[u8], buffer: *mut u8, bytes: *mut u32) -> u32 {
    // SAFETY: The safe layer gives a count.
    let room = unsafe { bytes.replace(u32::try_from(data.len()).unwrap()) } as usize;
    if data.len() > room {
        return 234;
    }
    // SAFETY: The buffer has room for it, as just tested.
    unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), buffer, data.len()) };
    0
}

extern "system" fn enum_value(
    _: HKEY,
    index: u32,
    name: PWSTR,
    units: *mut u32,
    kind: *mut u32,
    data: *mut u8,
    bytes: *mut u32,
) -> u32 {
    let (text, content) = match index {
        0 => ("small".to_owned(), vec![1, 0, 0, 0]),
        1 => ("n".repeat(700), vec![2; 5000]),
        _ => return 259,
    };
    // SAFETY: The safe layer gives a place.
    unsafe { kind.write(if index == 0 { 4 } else { 3 }) };
    answer_text(&text, name, units).max(answer_data(&content, data, bytes))
}

extern "system" fn query(_: HKEY, name: PCWSTR, kind: *mut u32, data: *mut u8, bytes: *mut u32) -> i32 {
    log(format!("query {}", given(name)));
    // SAFETY: The safe layer gives a place.
    unsafe { kind.write(3) };
    match status() {
        0 => answer_data(&[9; 3000], data, bytes).cast_signed(),
        status => status,
    }
}

extern "system" fn set(_: HKEY, name: PCWSTR, kind: u32, data: *const u8, bytes: u32) -> u32 {
    // SAFETY: The safe layer gives data with its size.
    let data = unsafe { core::slice::from_raw_parts(data, bytes as usize) };
    log(format!("set {} {kind} {data:?}", given(name)));
    FAIL_WITH.get()
}

extern "system" fn get_security(_: HKEY, information: u32, descriptor: PSECURITY_DESCRIPTOR, bytes: *mut u32) -> i32 {
    log(format!("security {information}"));
    match answer_data(&[1; 2000], descriptor.cast(), bytes) {
        234 => 122,
        code => code.cast_signed(),
    }
}

extern "system" fn set_security(_: HKEY, information: u32, descriptor: PSECURITY_DESCRIPTOR) -> i32 {
    // SAFETY: The safe layer gives a whole descriptor.
    let revision = unsafe { descriptor.cast::<u8>().read() };
    log(format!("set security {information} {revision}"));
    status()
}

extern "system" fn create_batch(_: HKEY, batch: *mut HREGBATCH) -> i32 {
    // SAFETY: The safe layer gives a place.
    unsafe { batch.write(900) };
    status()
}

extern "system" fn add(_: HREGBATCH, command: i32, name: PCWSTR, kind: u32, data: *const c_void, bytes: u32) -> i32 {
    log(format!("{command} {} {kind} {bytes} {}", given(name), data.is_null()));
    if given(name) == "bad" { 87 } else { 0 }
}

extern "system" fn close_batch(batch: HREGBATCH, commit: BOOL, failed: *mut i32) -> i32 {
    log(format!("close batch {batch} {commit}"));
    if status() != 0 {
        // SAFETY: The safe layer gives a place.
        unsafe { failed.write(1) };
    }
    status()
}

extern "system" fn create_reads(_: HKEY, batch: *mut HREGREADBATCH) -> i32 {
    // SAFETY: The safe layer gives a place.
    unsafe { batch.write(910) };
    0
}

extern "system" fn add_read(_: HREGREADBATCH, path: PCWSTR, value: PCWSTR) -> i32 {
    log(format!("read {} {}", given(path), given(value)));
    status()
}

extern "system" fn close_reads(batch: HREGREADBATCH, reply: *mut HREGREADBATCHREPLY) -> i32 {
    log(format!("close reads {batch}"));
    // SAFETY: The safe layer gives a place.
    unsafe { reply.write(911) };
    0
}

extern "system" fn close_reply(reply: HREGREADBATCHREPLY) -> i32 {
    log(format!("close reply {reply}"));
    0
}

/// What the fake reply points to.
static DATA: [u8; 4] = [5, 0, 0, 0];
static PATH: [u16; 2] = [b'p' as u16, 0];

extern "system" fn next(_: HREGREADBATCHREPLY, command: *mut CLUSTER_READ_BATCH_COMMAND) -> i32 {
    let Some(number) = ANSWERS.with_borrow_mut(Vec::pop) else {
        return 259;
    };
    let has_data = number == registry_command::READ_VALUE;
    // SAFETY: The safe layer gives a place.
    unsafe {
        command.write(CLUSTER_READ_BATCH_COMMAND {
            Command: number,
            dwOptions: if number == registry_command::READ_ERROR { 2 } else { 4 },
            wzSubkeyName: PATH.as_ptr(),
            wzValueName: core::ptr::null(),
            lpData: if has_data { DATA.as_ptr() } else { core::ptr::null() },
            cbData: if has_data { 4 } else { 0 },
        });
    }
    0
}

const REGISTRY: Table = Table {
    GetClusterKey: Some(root),
    ClusterRegOpenKey: Some(open),
    ClusterRegCreateKey: Some(create),
    ClusterRegCloseKey: Some(close),
    ClusterRegEnumKey: Some(enum_key),
    ClusterRegEnumValue: Some(enum_value),
    ClusterRegQueryValue: Some(query),
    ClusterRegSetValue: Some(set),
    ClusterRegGetKeySecurity: Some(get_security),
    ClusterRegSetKeySecurity: Some(set_security),
    ClusterRegCreateBatch: Some(create_batch),
    ClusterRegBatchAddCommand: Some(add),
    ClusterRegCloseBatch: Some(close_batch),
    ClusterRegCreateReadBatch: Some(create_reads),
    ClusterRegReadBatchAddCommand: Some(add_read),
    ClusterRegCloseReadBatch: Some(close_reads),
    ClusterRegReadBatchReplyNextCommand: Some(next),
    ClusterRegCloseReadBatchReply: Some(close_reply),
    ..TABLE
};

fn root_key() -> Key {
    let cluster = api(REGISTRY).open_cluster(None).unwrap();
    let key = cluster.root_key(0x2_0019).unwrap();
    ANSWERS.take();
    taken_log();
    key
}

#[test]
fn keys_are_opened_made_and_closed() {
    let key = root_key();
    drop(key.open("Groups", 1).unwrap());
    let (made, new) = key.create("New", 2).unwrap();
    assert!(new);
    drop(made);
    FAIL_WITH.set(2);
    assert_eq!(
        key.open("None", 1).unwrap_err().code(),
        Some(Win32::ERROR_FILE_NOT_FOUND)
    );
    drop(key);
    assert_eq!(
        taken_log(),
        [
            "open Groups below 800 1",
            "close key 801",
            "create New below 800 0 true",
            "close key 802",
            "open None below 800 1",
            "close key 800",
            "close cluster 100",
        ]
    );
}

#[test]
fn keys_and_values_come_in_pages() {
    let key = root_key();
    let names = |page: &[KeyName]| page.iter().map(|key| key.name.clone()).collect::<Vec<_>>();
    let first = key.key_names(0, 2).unwrap();
    assert_eq!(names(&first), ["key0", "key1"]);
    assert_eq!(first[1].last_write, (1 << 32) + 1);
    assert_eq!(names(&key.key_names(4, 2).unwrap()), ["key4"]);
    assert_eq!(names(&key.key_names(9, 2).unwrap()), [""; 0]);
    let values = key.values(0, usize::MAX).unwrap();
    assert_eq!(values.len(), 2);
    assert_eq!((values[0].name.as_str(), values[0].value.dword()), ("small", Some(1)));
    assert_eq!((values[1].name.len(), values[1].value.data.len()), (700, 5000));
}

#[test]
fn values_are_read_and_written() {
    let key = root_key();
    assert_eq!(key.value("v").unwrap(), RegistryValue::from_bytes(vec![9; 3000]));
    key.set_value("v", &RegistryValue::from_dword(7)).unwrap();
    assert_eq!(taken_log(), ["query v", "query v", "set v 4 [7, 0, 0, 0]"]);
    FAIL_WITH.set(2);
    assert_eq!(key.value("v").unwrap_err().code(), Some(Win32::ERROR_FILE_NOT_FOUND));
}

#[test]
fn security_grows_at_122_and_damaged_descriptors_are_not_passed() {
    let key = root_key();
    assert_eq!(key.security(4).unwrap().len(), 2000);
    assert_eq!(taken_log(), ["security 4", "security 4"]);
    let mut descriptor = [0; 20];
    descriptor[0] = 1;
    descriptor[3] = 0x80;
    key.set_security(4, &descriptor).unwrap();
    assert_eq!(taken_log(), ["set security 4 1"]);
    descriptor[16] = 20;
    assert!(matches!(key.set_security(4, &descriptor), Err(Error::Malformed { .. })));
    assert_eq!(taken_log(), [""; 0]);
}

#[test]
fn a_batch_is_applied_whole_or_tells_what_failed() {
    let key = root_key();
    let name = || "n".to_owned();
    let commands = [
        BatchCommand::KeyExists { path: name() },
        BatchCommand::SetValue {
            name: name(),
            value: RegistryValue::from_dword(1),
        },
    ];
    key.apply(&commands).unwrap();
    assert_eq!(taken_log(), ["17 n 0 0 true", "1 n 4 4 false", "close batch 900 1"]);
    // The batch is made before the fake is told to fail.
    extern "system" fn always(_: HKEY, batch: *mut HREGBATCH) -> i32 {
        // SAFETY: The safe layer gives a place.
        unsafe { batch.write(901) };
        0
    }
    let cluster = api(Table {
        ClusterRegCreateBatch: Some(always),
        ..REGISTRY
    })
    .open_cluster(None)
    .unwrap();
    let key = cluster.root_key(1).unwrap();
    taken_log();
    FAIL_WITH.set(5986);
    let refused = key.apply(&commands).unwrap_err();
    assert!(matches!(
        refused,
        Error::Batch {
            code: Win32(5986),
            command: Some(1)
        }
    ));
    assert_eq!(refused.code(), Some(Win32(5986)));
    assert_eq!(taken_log().last().unwrap(), "close batch 901 1");
}

#[test]
fn a_batch_that_cannot_be_filled_is_dropped_without_effect() {
    let key = root_key();
    let bad = BatchCommand::DeleteKey { path: "bad".into() };
    assert_eq!(
        key.apply(&[bad]).unwrap_err().function(),
        Some("ClusterRegBatchAddCommand")
    );
    assert_eq!(taken_log(), ["3 bad 0 0 true", "close batch 900 0"]);
}

#[test]
fn reads_are_answered_together() {
    let key = root_key();
    ANSWERS.set(vec![
        99,
        registry_command::READ_ERROR,
        registry_command::READ_VALUE,
        registry_command::READ_KEY,
    ]);
    let reads = [
        Read {
            path: "p".into(),
            value: None,
        },
        Read {
            path: String::new(),
            value: Some("v".into()),
        },
    ];
    let path = || "p".to_owned();
    assert_eq!(
        key.read(&reads).unwrap(),
        [
            ReadAnswer::Key { path: path() },
            ReadAnswer::Value {
                path: path(),
                name: String::new(),
                value: RegistryValue::from_dword(5),
            },
            ReadAnswer::Failed {
                path: path(),
                name: String::new(),
                code: Win32::ERROR_FILE_NOT_FOUND,
            },
            ReadAnswer::Other {
                path: path(),
                name: String::new(),
                command: 99,
            },
        ]
    );
    assert_eq!(
        taken_log(),
        ["read p NULL", "read  v", "close reads 910", "close reply 911"]
    );
    FAIL_WITH.set(87);
    assert!(key.read(&reads).is_err());
    assert_eq!(taken_log(), ["read p NULL", "close reads 910", "close reply 911"]);
}

unsafe extern "system" fn resolve(name: *const core::ffi::c_char) -> *const c_void {
    // SAFETY: The name ends with a NUL.
    match unsafe { core::ffi::CStr::from_ptr(name) }.to_bytes() {
        b"ClusterRegOpenKey" => open as *const c_void,
        b"ClusterRegCloseKey" => close as *const c_void,
        _ => core::ptr::null(),
    }
}

#[test]
fn a_lent_key_is_used_through_functions_found_by_name_and_not_closed() {
    // SAFETY: The functions found have the signatures of the table, and outlive it.
    let api = unsafe { crate::Clusapi::from_resolver(resolve) };
    assert!(api.is_supported("ClusterRegOpenKey"));
    assert!(!api.is_supported("ClusterRegQueryValue"));
    // SAFETY: The fake takes any number for a key.
    let key = unsafe { crate::LentKey::from_raw(&api, 700) };
    drop(key.open("Parameters", 1).unwrap());
    assert!(matches!(key.value("v"), Err(Error::Unsupported { .. })));
    drop(key);
    assert_eq!(taken_log(), ["open Parameters below 700 1", "close key 801"]);
}

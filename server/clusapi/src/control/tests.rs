use core::cell::RefCell;
use core::ffi::c_void;

use super::*;
use crate::fake::{FAIL_WITH, TABLE, api, given, log, taken_log};
use crate::proplist::{Property, Tail, Value};
use crate::sys::Table;
use crate::sys::types::{HCLUSTER, HNODE};
use crate::verb::Stored;

thread_local! {
    /// What the next codes answer.
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn answer(input: *const c_void, input_bytes: u32, output: *mut c_void, room: u32, returned: *mut u32) -> u32 {
    let given = if input.is_null() {
        Vec::new()
    } else {
        // SAFETY: The safe layer gives the input with its size.
        unsafe { core::slice::from_raw_parts(input.cast::<u8>(), input_bytes as usize) }.to_vec()
    };
    log(format!("input {given:?}"));
    if FAIL_WITH.get() != 0 {
        return FAIL_WITH.get();
    }
    let answer = ANSWER.with_borrow(Clone::clone);
    // SAFETY: The safe layer gives a count.
    unsafe { returned.write(u32::try_from(answer.len()).unwrap()) };
    if answer.len() > room as usize {
        return 234;
    }
    // SAFETY: The answer fits, as just tested.
    unsafe { core::ptr::copy_nonoverlapping(answer.as_ptr(), output.cast(), answer.len()) };
    0
}

extern "system" fn by_handle(
    object: isize,
    _: HNODE,
    code: u32,
    input: *const c_void,
    input_bytes: u32,
    output: *mut c_void,
    room: u32,
    returned: *mut u32,
) -> u32 {
    log(format!("{object} {code:#010x}"));
    answer(input, input_bytes, output, room, returned)
}

extern "system" fn by_name(
    cluster: HCLUSTER,
    name: PCWSTR,
    _: HNODE,
    code: u32,
    input: *const c_void,
    input_bytes: u32,
    output: *mut c_void,
    room: u32,
    returned: *mut u32,
) -> u32 {
    log(format!("{} of {cluster} {code:#010x}", given(name)));
    answer(input, input_bytes, output, room, returned)
}

extern "system" fn open(_: HCLUSTER, _: PCWSTR) -> isize {
    500
}

extern "system" fn close(_: isize) -> i32 {
    1
}

fn cluster() -> Cluster {
    let cluster = api(Table {
        ClusterControl: Some(by_handle),
        ClusterGroupControl: Some(by_handle),
        ClusterResourceControl: Some(by_handle),
        ClusterResourceTypeControl: Some(by_name),
        ClusterAffinityRuleControl: Some(by_name),
        OpenClusterResource: Some(open),
        CloseClusterResource: Some(close),
        ..TABLE
    })
    .open_cluster(None)
    .unwrap();
    ANSWER.take();
    taken_log();
    cluster
}

fn list(name: &str, value: Value) -> PropertyList {
    PropertyList {
        properties: vec![Property {
            name: name.into(),
            values: vec![value],
        }],
    }
}

#[test]
fn every_kind_of_object_sends_its_own_codes() {
    let cluster = cluster();
    let group = cluster.open_group("g").unwrap();
    group.private_properties().unwrap();
    cluster
        .resource_type("T")
        .unwrap()
        .read_only_private_properties()
        .unwrap();
    cluster.affinity_rule("R").unwrap().common_properties().unwrap();
    assert_eq!(
        taken_log(),
        [
            "300 0x03000081",
            "input []",
            "T of 100 0x0200007d",
            "input []",
            "R of 100 0x09000059",
            "input []",
        ]
    );
}

#[test]
fn properties_are_stored_now_or_at_the_next_online() {
    let cluster = cluster();
    let resource = cluster.open_resource("r").unwrap();
    let properties = list("P", Value::Dword(1));
    assert_eq!(resource.set_private(&properties).unwrap(), Stored::Now);
    let bytes = properties.to_bytes(Tail::None).unwrap();
    assert_eq!(taken_log(), ["500 0x01400086".to_owned(), format!("input {bytes:?}")]);
    FAIL_WITH.set(5024);
    assert_eq!(resource.set_common(&properties).unwrap(), Stored::AtNextOnline);
    FAIL_WITH.set(87);
    let error = resource.validate_common(&properties).unwrap_err();
    assert_eq!(error.code(), Some(Win32::ERROR_INVALID_PARAMETER));
    assert!(taken_log().contains(&"500 0x01000061".to_owned()));
    let error = resource.set_common(&list("a\0b", Value::Dword(1))).unwrap_err();
    assert!(matches!(error, Error::Unwritable(_)));
}

#[test]
fn names_numbers_and_formats_are_read() {
    let cluster = cluster();
    let group = cluster.open_group("g").unwrap();
    ANSWER.set([b"a\0b\0\0\0c\0\0\0\0\0".as_slice()].concat());
    assert_eq!(group.common_names().unwrap(), ["ab", "c"]);
    assert_eq!(group.told_name().unwrap(), "ab");
    ANSWER.set(vec![1, 0, 0, 0]);
    assert!(group.is_core().unwrap());
    assert_eq!(group.characteristics().unwrap(), 1);
    ANSWER.set(vec![1, 0, 0]);
    assert!(matches!(group.flags().unwrap_err(), Error::Answer { .. }));
    ANSWER.set(
        list("Priority", Value::Dword(0x0001_0002))
            .to_bytes(Tail::ExtraZero)
            .unwrap(),
    );
    let [format] = &group.common_formats().unwrap()[..] else {
        panic!("one property has one format");
    };
    assert_eq!(
        (format.name.as_str(), format.format()),
        ("Priority", Some(crate::proplist::Format::Dword))
    );
    ANSWER.set(
        list("Name", Value::reset(crate::proplist::Format::Sz))
            .to_bytes(Tail::None)
            .unwrap(),
    );
    assert_eq!(group.common_formats().unwrap()[0].number, 3);
    ANSWER.set(vec![9]);
    assert!(matches!(group.common_formats().unwrap_err(), Error::Properties { .. }));
}

#[test]
fn a_long_answer_is_asked_for_again() {
    let cluster = cluster();
    ANSWER.set(vec![b'x'; 20_000]);
    assert_eq!(cluster.control(1, &[]).unwrap().len(), 20_000);
    assert_eq!(taken_log().len(), 4);
}

#[test]
fn orders_tell_how_they_were_taken() {
    let cluster = cluster();
    let resource = cluster.open_resource("r").unwrap();
    assert_eq!(resource.renew_lease().unwrap(), crate::Accepted::Done);
    FAIL_WITH.set(997);
    assert_eq!(resource.release_lease().unwrap(), crate::Accepted::Pending);
    assert_eq!(cluster.shut_down().unwrap(), crate::Accepted::Pending);
    FAIL_WITH.set(2);
    assert_eq!(resource.checkpoints(Checkpoint::Crypto).unwrap(), [""; 0]);
    assert_eq!(
        resource.register_dns().unwrap_err().code(),
        Some(Win32::ERROR_FILE_NOT_FOUND)
    );
    FAIL_WITH.set(0);
    taken_log();
    resource.set_maintenance(true).unwrap();
    resource.add_checkpoint(Checkpoint::Registry, "S").unwrap();
    assert_eq!(
        taken_log(),
        [
            "500 0x014001e6",
            "input [1, 0, 0, 0]",
            "500 0x014000a2",
            "input [83, 0, 0, 0]",
        ]
    );
    ANSWER.set(vec![2, 0, 0, 0, 0, 0, 0, 0x80]);
    let class = resource.class_info().unwrap();
    assert_eq!((class.class, class.subclass), (2, 0x8000_0000));
    ANSWER.set(vec![2, 0, 0, 0, 0]);
    assert!(resource.class_info().is_err());
    for (answer, lost) in [(1, true), (0, false)] {
        ANSWER.set(vec![answer, 0, 0, 0]);
        assert_eq!(cluster.would_lose_quorum_when_down("1").unwrap(), lost);
        assert_eq!(cluster.would_lose_quorum_without_witness().unwrap(), lost);
    }
}

//! What of a call gets into a trace, and what does not.
#![expect(unsafe_code, reason = "arguments are read as those of a call")]

use core::ffi::c_void;

use super::arguments::{Argument, Parameter as _, inputs};
use super::format::{Fields, SECRET, Value};
use super::recorder::Handles;
use super::results::{Convention, outputs};
use crate::proplist::{Property, PropertyList, Tail, Value as PropertyValue};
use crate::sys::constants::{control, notify_object, notify_resource};
use crate::sys::types::{
    CLUSTER_CREATE_GROUP_INFO, CLUSTER_READ_BATCH_COMMAND, FILETIME, HNODE, NOTIFY_FILTER_AND_TYPE,
};

/// The slots of a call.
macro_rules! slots {
    ($($name:ident: $value:expr),+ $(,)?) => {
        &[$(Argument { name: stringify!($name), slot: $value.slot() }),+]
    };
}

fn given(arguments: &[Argument], handles: &mut Handles) -> Fields {
    // SAFETY: The tests give pointers with the sizes that go with them.
    unsafe { inputs(arguments, handles) }
}

fn is_secret(fields: &Fields, name: &str) -> bool {
    fields.text(name) == Some(SECRET)
}

#[test]
fn what_may_be_a_secret_is_not_read() {
    let mut handles = Handles::default();
    let bytes = [1_u8, 2, 3];
    let mut with_code = |code: u32| {
        let input: *const c_void = bytes.as_ptr().cast();
        given(slots!(code: code, input: input, input_bytes: 3_u32), &mut handles)
    };
    for secret in [
        control::RESOURCE_SET_PRIVATE_PROPERTIES,
        control::RESOURCE_TYPE_VALIDATE_PRIVATE_PROPERTIES,
        control::CLOUD_WITNESS_RESOURCE_TYPE_VALIDATE_CREDENTIALS,
        0x0100_1234,
    ] {
        assert!(is_secret(&with_code(secret), "input"), "{secret:#x}");
    }
    for open in [control::GROUP_SET_COMMON_PROPERTIES, control::CLUSTER_CHECK_VOTER_EVICT] {
        assert!(!is_secret(&with_code(open), "input"), "{open:#x}");
    }
    let written = given(
        slots!(key: 8_isize, data: bytes.as_ptr(), data_bytes: 3_u32),
        &mut handles,
    );
    assert!(is_secret(&written, "data"));
    let nothing = given(slots!(data: core::ptr::null::<u8>(), data_bytes: 0_u32), &mut handles);
    assert!(!is_secret(&nothing, "data"));
}

#[test]
fn lists_of_handles_and_new_structs_are_read() {
    let mut handles = Handles::default();
    let nodes: [HNODE; 3] = [70, 80, 70];
    let info = CLUSTER_CREATE_GROUP_INFO {
        dwVersion: 1,
        groupType: 111,
    };
    let fields = given(
        slots!(count: 3_u32, nodes: nodes.as_ptr(), group_info: &raw const info),
        &mut handles,
    );
    assert_eq!(fields.fields("group_info").unwrap().number("groupType"), Some(111));
    let mut expected = Fields::default();
    for raw in nodes {
        expected.push("node", handles.value(raw));
    }
    let expected: Vec<Value> = expected.0.into_iter().map(|(_, value)| value).collect();
    let (_, listed) = fields.0.into_iter().find(|(name, _)| name == "nodes").unwrap();
    assert_eq!(listed, Value::from(expected));
}

#[test]
fn answers_are_read_without_secrets() {
    let mut handles = Handles::default();
    let list = PropertyList {
        properties: vec![Property {
            name: "Priority".into(),
            values: vec![PropertyValue::Dword(2000)],
        }],
    };
    let mut output = list.to_bytes(Tail::ExtraZero).unwrap();
    let mut returned = u32::try_from(output.len()).unwrap();
    for (code, secret) in [
        (control::GROUP_GET_COMMON_PROPERTIES, false),
        (control::NETWORK_GET_RO_COMMON_PROPERTIES, false),
        (control::RESOURCE_GET_PRIVATE_PROPERTIES, true),
    ] {
        let place: *mut c_void = output.as_mut_ptr().cast();
        let arguments: &[Argument] =
            slots!(code: code, output: place, output_bytes: returned, bytes_returned: &raw mut returned);
        let before = given(arguments, &mut handles);
        // SAFETY: The answer is there, as long as is said.
        let out = unsafe { outputs("ClusterGroupControl", arguments, &before, None, &mut handles) };
        assert_eq!(is_secret(&out, "output"), secret, "{code:#x}");
    }

    let mut opened = 90_isize;
    let mut time = FILETIME {
        dwLowDateTime: 5,
        dwHighDateTime: 1,
    };
    let path = [b'p' as u16, 0];
    let mut command = CLUSTER_READ_BATCH_COMMAND {
        Command: 8,
        dwOptions: 1,
        wzSubkeyName: path.as_ptr(),
        wzValueName: core::ptr::null(),
        lpData: core::ptr::null(),
        cbData: 4,
    };
    let mut data = [7_u8; 4];
    let mut size = 4_u32;
    let arguments: &[Argument] = slots!(
        opened_key: &raw mut opened,
        last_write_time: &raw mut time,
        read_command: &raw mut command,
        data: data.as_mut_ptr(),
        data_bytes: &raw mut size,
    );
    // SAFETY: All of them are there.
    let out = unsafe { outputs("ClusterRegX", arguments, &Fields::default(), None, &mut handles) };
    assert!(out.handle("opened_key").is_some());
    assert_eq!(out.number("last_write_time"), Some((1 << 32) + 5));
    assert_eq!(out.fields("read_command").unwrap().text("wzSubkeyName"), Some("p"));
    assert!(is_secret(&out, "data"));
    assert_eq!(out.number("data_bytes"), Some(4));
}

#[test]
fn events_of_private_properties_are_not_read() {
    let mut handles = Handles::default();
    for (flag, secret) in [
        (notify_resource::STATE, false),
        (notify_resource::PRIVATE_PROPERTY, true),
    ] {
        let mut filter = NOTIFY_FILTER_AND_TYPE {
            dwObjectType: notify_object::RESOURCE,
            FilterFlags: flag,
        };
        let mut bytes = [1_u8; 4];
        let mut size = 4_u32;
        let arguments: &[Argument] = slots!(
            filter_and_type: &raw mut filter,
            buffer: bytes.as_mut_ptr(),
            buffer_bytes: &raw mut size,
        );
        let before = given(arguments, &mut handles);
        // SAFETY: All of them are there.
        let out = unsafe { outputs("GetClusterNotifyV2", arguments, &before, None, &mut handles) };
        assert_eq!(is_secret(&out, "buffer"), secret);
    }
}

#[test]
fn the_calls_on_the_database_answer_codes() {
    let convention = Convention::of("ClusterRegOpenKey", "i32");
    assert_eq!(convention, Convention::Code);
    assert_eq!((convention.error(0, 9), convention.error(2, 9)), (None, Some(2)));
    assert_eq!(convention.failure(), 120);
    assert_eq!(Convention::of("GetClusterKey", "HKEY").failure(), 0);
    assert_eq!(
        Convention::of("GetClusterNetworkState", "CLUSTER_NETWORK_STATE").failure(),
        -1
    );
}

use core::ffi::c_void;

use super::*;
use crate::fake::{FAIL_WITH, TABLE, answer_text, api, close_enum, given, handle_or_failure, log, taken_log};
use crate::numbers::GroupState;
use crate::proplist::{Property, PropertyList, Tail, Value};
use crate::sys::Table;
use crate::sys::constants::CLUSTER_ENUM_ITEM_VERSION_1;
use crate::sys::types::{CLUSTER_GROUP_ENUM_ITEM, CLUSTER_RESOURCE_ENUM_ITEM, HCLUSTER, HGROUP, PCWSTR};

/// What lies behind the struct of an item, and where.
struct Tail8 {
    bytes: Vec<u8>,
    head: usize,
}

impl Tail8 {
    /// Appends something and answers its offset.
    fn push(&mut self, bytes: &[u8]) -> usize {
        let at = self.head + self.bytes.len();
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        at
    }
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn priority(number: u32) -> Vec<u8> {
    let properties = vec![Property {
        name: "Priority".into(),
        values: vec![Value::Dword(number)],
    }];
    PropertyList { properties }.to_bytes(Tail::ExtraZero).unwrap()
}

/// The texts of a MULTI_SZ that a call was given.
fn names(list: PCWSTR, bytes: u32) -> String {
    if list.is_null() {
        return format!("NULL {bytes}");
    }
    // SAFETY: The safe layer gives a list with its size.
    let bytes = unsafe { core::slice::from_raw_parts(list.cast::<u8>(), bytes as usize) };
    crate::wide::texts_of_bytes(bytes).join("+")
}

extern "system" fn open_groups(
    _: HCLUSTER,
    common: PCWSTR,
    common_bytes: u32,
    read_only: PCWSTR,
    read_only_bytes: u32,
    flags: u32,
) -> isize {
    log(format!(
        "open {} / {} / {flags}",
        names(common, common_bytes),
        names(read_only, read_only_bytes)
    ));
    handle_or_failure(9)
}

/// Three groups, the second with a long name; told to fail with 5, the third points elsewhere, with 6 its list is cut.
extern "system" fn group(_: isize, index: u32, item: *mut CLUSTER_GROUP_ENUM_ITEM, bytes: *mut u32) -> u32 {
    let name = match index {
        0 => "a".to_owned(),
        1 => "b".repeat(2000),
        2 => "c".to_owned(),
        _ => return 259,
    };
    let mut tail = Tail8 {
        bytes: Vec::new(),
        head: size_of::<CLUSTER_GROUP_ENUM_ITEM>(),
    };
    let [id_text, name_text, owner] = [wide("id"), wide(&name), wide("n1")];
    let list = priority(index);
    let places = [&id_text, &name_text, &owner, &list].map(|part| tail.push(part));
    let need = u32::try_from(tail.head + tail.bytes.len()).unwrap();
    // SAFETY: The safe layer gives an item with a version.
    assert_eq!(unsafe { (*item).dwVersion }, CLUSTER_ENUM_ITEM_VERSION_1);
    // SAFETY: The safe layer gives a count.
    if unsafe { bytes.replace(need) } < need {
        return 234;
    }
    let base = item.cast::<u8>();
    let at = |offset: usize| base.wrapping_add(offset);
    let size = |part: &[u8]| u32::try_from(part.len()).unwrap();
    // SAFETY: The buffer has room for the tail, as just tested.
    unsafe { core::ptr::copy_nonoverlapping(tail.bytes.as_ptr(), at(tail.head), tail.bytes.len()) };
    let elsewhere = index == 2 && FAIL_WITH.get() == 5;
    let cut = index == 2 && FAIL_WITH.get() == 6;
    let filled = CLUSTER_GROUP_ENUM_ITEM {
        dwVersion: 1,
        cbId: size(&id_text),
        lpszId: at(places[0]).cast(),
        cbName: size(&name_text),
        lpszName: if elsewhere {
            base.wrapping_sub(64).cast()
        } else {
            at(places[1]).cast()
        },
        state: 3,
        cbOwnerNode: size(&owner),
        lpszOwnerNode: at(places[2]).cast(),
        dwFlags: 1,
        cbProperties: size(&list) - if cut { 12 } else { 0 },
        pProperties: at(places[3]).cast::<c_void>(),
        cbRoProperties: 0,
        pRoProperties: core::ptr::null_mut(),
    };
    // SAFETY: As above; the buffer is aligned.
    unsafe { item.write(filled) };
    0
}

extern "system" fn resource(_: isize, index: u32, item: *mut CLUSTER_RESOURCE_ENUM_ITEM, bytes: *mut u32) -> u32 {
    if index == 1 {
        return 259;
    }
    let mut tail = Tail8 {
        bytes: Vec::new(),
        head: size_of::<CLUSTER_RESOURCE_ENUM_ITEM>(),
    };
    let text = wide("r");
    let list = priority(7);
    let [text_at, list_at] = [&text, &list].map(|part| tail.push(part));
    let need = u32::try_from(tail.head + tail.bytes.len()).unwrap();
    // SAFETY: The safe layer gives a count.
    assert!(unsafe { bytes.replace(need) } >= need);
    let base = item.cast::<u8>();
    let at = |offset: usize| base.wrapping_add(offset);
    // SAFETY: The buffer has room for the tail, as just tested.
    unsafe { core::ptr::copy_nonoverlapping(tail.bytes.as_ptr(), at(tail.head), tail.bytes.len()) };
    let [size, list_size] = [&text, &list].map(|part| u32::try_from(part.len()).unwrap());
    let filled = CLUSTER_RESOURCE_ENUM_ITEM {
        dwVersion: 1,
        cbId: size,
        lpszId: at(text_at).cast(),
        cbName: size,
        lpszName: at(text_at).cast(),
        cbOwnerGroupName: size,
        lpszOwnerGroupName: at(text_at).cast(),
        cbOwnerGroupId: 0,
        lpszOwnerGroupId: core::ptr::null_mut(),
        cbProperties: 0,
        pProperties: core::ptr::null_mut(),
        cbRoProperties: list_size,
        pRoProperties: at(list_at).cast(),
    };
    // SAFETY: As above; the buffer is aligned.
    unsafe { item.write(filled) };
    0
}

const ITEMS: Table = Table {
    ClusterGroupOpenEnumEx: Some(open_groups),
    ClusterGroupEnumEx: Some(group),
    ClusterGroupCloseEnumEx: Some(close_enum),
    ClusterResourceOpenEnumEx: Some(open_groups),
    ClusterResourceEnumEx: Some(resource),
    ClusterResourceCloseEnumEx: Some(close_enum),
    ..TABLE
};

#[test]
fn groups_come_with_state_owner_and_properties() {
    let cluster = api(ITEMS).open_cluster(None).unwrap();
    taken_log();
    let groups = cluster.group_items(&["Priority", "Name"], &[]).unwrap();
    assert_eq!(taken_log(), ["open Priority+Name / NULL 0 / 0", "close enumeration 9"]);
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["a", &"b".repeat(2000), "c"]);
    for (index, group) in groups.iter().enumerate() {
        assert_eq!(
            (group.id.as_str(), group.owner_node.as_str(), group.flags),
            ("id", "n1", 1)
        );
        assert_eq!(group.state, GroupState::PARTIAL_ONLINE);
        assert_eq!(group.properties.dword("priority"), u32::try_from(index).ok());
        assert_eq!(group.read_only, PropertyList::default());
    }
}

#[test]
fn resources_come_with_their_group() {
    let cluster = api(ITEMS).open_cluster(None).unwrap();
    let resources = cluster.resource_items(&[], &["Priority"]).unwrap();
    assert_eq!(resources.len(), 1);
    let [resource] = &resources[..] else { unreachable!() };
    assert_eq!((resource.name.as_str(), resource.owner_group.as_str()), ("r", "r"));
    assert_eq!(resource.owner_group_id, "");
    assert_eq!(resource.read_only.dword("Priority"), Some(7));
}

#[test]
fn damaged_items_are_errors_and_the_enumeration_is_closed() {
    let cluster = api(ITEMS).open_cluster(None).unwrap();
    for (damage, message) in [
        (5, "ClusterGroupEnumEx answered with a string outside of its item"),
        (6, "ClusterGroupEnumEx answered with a malformed property list"),
    ] {
        taken_log();
        // The handle is opened before the fake is told to fail.
        extern "system" fn open(_: HCLUSTER, _: PCWSTR, _: u32, _: PCWSTR, _: u32, _: u32) -> isize {
            9
        }
        let cluster = api(Table {
            ClusterGroupOpenEnumEx: Some(open),
            ..ITEMS
        })
        .open_cluster(None)
        .unwrap();
        FAIL_WITH.set(damage);
        assert_eq!(cluster.group_items(&[], &[]).unwrap_err().to_string(), message);
        assert!(taken_log().contains(&"close enumeration 9".to_owned()));
    }
    FAIL_WITH.set(5);
    let refused = cluster.group_items(&[], &[]).unwrap_err();
    assert_eq!(refused.function(), Some("ClusterGroupOpenEnumEx"));
    assert_eq!(refused.code(), Some(Win32::ERROR_ACCESS_DENIED));
}

extern "system" fn open_belongings(group: HGROUP, kinds: u32) -> isize {
    log(format!("kinds {kinds} of {group}"));
    handle_or_failure(11)
}

extern "system" fn belonging(_: isize, index: u32, _: *mut u32, name: PWSTR, units: *mut u32) -> u32 {
    match index {
        0 => answer_text("r1", name, units),
        1 => answer_text(&"r".repeat(600), name, units),
        _ => 259,
    }
}

extern "system" fn open_sets(_: HCLUSTER) -> isize {
    handle_or_failure(12)
}

extern "system" fn set(_: isize, index: u32, name: PWSTR, units: *mut u32) -> u32 {
    if index == 0 {
        answer_text("s1", name, units)
    } else {
        259
    }
}

extern "system" fn open_of_type(_: HCLUSTER, name: PCWSTR, kinds: u32) -> isize {
    log(format!("kinds {kinds} of {}", given(name)));
    FAIL_WITH.set(5078);
    handle_or_failure(0)
}

#[test]
fn what_belongs_to_an_object_is_enumerated_by_name() {
    let cluster = api(Table {
        ClusterGroupOpenEnum: Some(open_belongings),
        ClusterGroupEnum: Some(belonging),
        ClusterGroupCloseEnum: Some(close_enum),
        ClusterGroupSetOpenEnum: Some(open_sets),
        ClusterGroupSetEnum: Some(set),
        ClusterGroupSetCloseEnum: Some(close_enum),
        ClusterResourceTypeOpenEnum: Some(open_of_type),
        ClusterResourceTypeCloseEnum: Some(close_enum),
        ..TABLE
    })
    .open_cluster(None)
    .unwrap();
    let group = cluster.open_group("g").unwrap();
    taken_log();
    assert_eq!(group.resources().unwrap(), ["r1", &"r".repeat(600)]);
    assert_eq!(group.preferred_owners().unwrap().len(), 2);
    assert_eq!(cluster.group_sets().unwrap(), ["s1"]);
    let missing = cluster.resource_type("None").unwrap().resources().unwrap_err();
    assert_eq!(missing.code(), Some(Win32(5078)));
    assert_eq!(
        taken_log(),
        [
            "kinds 1 of 300",
            "close enumeration 11",
            "kinds 2 of 300",
            "close enumeration 11",
            "close enumeration 12",
            "kinds 2 of None",
        ]
    );
}

//! What is negotiated, and control codes.

use wsfc_clusapi::proplist::{Property, PropertyList, Tail, Value};
use wsfc_clusapi::sys::constants::control as ctl;
use wsfc_clusapi::sys::resapi::{CLRES_FUNCTION_TABLE, RESID};
use wsfc_resource_channel::{CallState, Status, to_monitor};

use crate::daemon::Daemon;
use crate::monitor::{Resource, start, wide};
use crate::socket;

#[test]
fn the_highest_version_that_fits_is_given() {
    let negotiated = |min, max| start("WSFCD workload", min, max).map(|table| (table.Version, table.TableSize));
    assert_eq!(negotiated(0x100, 0x100), Ok((0x100, 88)));
    assert_eq!(negotiated(0x100, 0x2FF), Ok((0x200, 96)));
    assert_eq!(negotiated(0x300, 0x300), Ok((0x300, 96)));
    assert_eq!(negotiated(0x100, u32::MAX), Ok((0x400, 112)));
    assert_eq!(negotiated(0x500, 0x600), Err(1306));
    assert_eq!(negotiated(0x200, 0x100), Err(1306));
    assert_eq!(start("Generic Script", 0x100, 0x400).map(|_| ()), Err(5080));
}

#[test]
fn a_monitor_of_the_first_version_is_told_by_its_own_layout() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open_first("first", path.to_str().unwrap());
    assert_eq!(resource.online(), 997);
    let begun = daemon.begun("first", 1);
    daemon.say(to_monitor::Message::Status(Status {
        instance: begun.instance,
        call: begun.call,
        state: CallState::Pending.into(),
        wait_hint_ms: 5000,
        ..Status::default()
    }));
    let told = resource.told_state(129);
    assert_eq!((told.check_point, told.wait_hint, told.event), (1, 5000, 0));
    daemon.status(&begun, CallState::Online, "works");
    let told = resource.told_state(2);
    assert_eq!((told.check_point, told.wait_hint), (2, 0));
    assert_ne!(told.event, 0);
    resource.close();
}

/// Asks a control code of the type through a table of version 4, and one of no resource.
fn type_control(table: &CLRES_FUNCTION_TABLE, name: &str, code: u32) -> (u32, i32, u32) {
    // SAFETY: The table is of version 4.
    let functions = unsafe { &table.Anonymous.V4Functions };
    let (mut returned, mut asynchronously) = (9, 9);
    let mut output = [0_u8; 8];
    // SAFETY: The name ends with a NUL, and the output has its size.
    let answer = unsafe {
        functions.BeginResourceTypeControlAsUser.unwrap()(
            wide(name).as_ptr(),
            core::ptr::null_mut(),
            code,
            core::ptr::null_mut(),
            0,
            output.as_mut_ptr().cast(),
            8,
            &raw mut returned,
            1,
            &raw mut asynchronously,
        )
    };
    (answer, asynchronously, returned)
}

#[test]
fn control_codes_of_version_4_are_answered_at_once() {
    let table = start(wsfcres::RESOURCE_TYPE, 0x400, 0x400).unwrap();
    assert_eq!(
        type_control(table, wsfcres::RESOURCE_TYPE, ctl::RESOURCE_TYPE_GET_CLASS_INFO),
        (0, 0, 8)
    );
    assert_eq!(
        type_control(table, "Generic Script", ctl::RESOURCE_TYPE_GET_CLASS_INFO).0,
        5080
    );
    assert_eq!(type_control(table, wsfcres::RESOURCE_TYPE, 0x0200_0081).0, 1);
    let formats = ctl::RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS;
    let (answer, asynchronously, needed) = type_control(table, wsfcres::RESOURCE_TYPE, formats);
    assert_eq!((answer, asynchronously), (234, 0));
    assert!(needed > 8);
}

#[test]
fn properties_are_checked_and_left_to_the_cluster_service() {
    let resource = Resource::open("checked", "/nowhere/resource.sock");
    let list = |workload: &str| {
        let properties = vec![Property {
            name: "Workload".to_owned(),
            values: vec![Value::Sz(workload.to_owned())],
        }];
        PropertyList { properties }.to_bytes(Tail::ExtraZero).unwrap()
    };
    assert_eq!(
        resource
            .control(ctl::RESOURCE_VALIDATE_PRIVATE_PROPERTIES, &list("a"), 0)
            .0,
        0
    );
    assert_eq!(
        resource
            .control(ctl::RESOURCE_VALIDATE_PRIVATE_PROPERTIES, &list(""), 0)
            .0,
        87
    );
    assert_eq!(
        resource.control(ctl::RESOURCE_SET_PRIVATE_PROPERTIES, &list("a"), 0).0,
        1
    );
    assert_eq!(
        resource.control(ctl::RESOURCE_SET_PRIVATE_PROPERTIES, &list(""), 0).0,
        87
    );
    assert_eq!(resource.control(ctl::RESOURCE_GET_CLASS_INFO, &[], 7), (234, vec![], 8));
    assert_eq!(
        resource.control(ctl::RESOURCE_GET_CLASS_INFO, &[], 8).1,
        [0, 0x80, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(resource.control(ctl::RESOURCE_GET_NAME, &[], 8).0, 1);
    resource.close();
    assert_eq!(resource.control(ctl::RESOURCE_GET_CLASS_INFO, &[], 8).0, 5007);
}

#[test]
fn ids_of_no_resource_do_no_harm() {
    let table = start(wsfcres::RESOURCE_TYPE, 0x100, 0x100).unwrap();
    // SAFETY: The table is of version 1.
    let functions = unsafe { &table.Anonymous.V1Functions };
    let mine = Resource::open("harmed", "/nowhere/resource.sock");
    let ids = [0, 1 << 50, usize::MAX].map(core::ptr::without_provenance_mut);
    let mut ids: Vec<RESID> = ids.into();
    mine.close();
    ids.push(mine.id);
    for id in ids {
        // SAFETY: The DLL looks ids up.
        assert_eq!(unsafe { functions.Online.unwrap()(id, core::ptr::null_mut()) }, 5007);
        // SAFETY: As above.
        assert_eq!(unsafe { functions.Offline.unwrap()(id) }, 5007);
        // SAFETY: As above.
        assert_eq!(unsafe { functions.IsAlive.unwrap()(id) }, 0);
        // SAFETY: As above.
        assert_eq!(unsafe { functions.Arbitrate.unwrap()(id, None) }, 50);
        // SAFETY: As above.
        assert_eq!(unsafe { functions.Release.unwrap()(id) }, 50);
        // SAFETY: As above.
        unsafe { functions.Terminate.unwrap()(id) };
        // SAFETY: As above.
        unsafe { functions.Close.unwrap()(id) };
    }
}

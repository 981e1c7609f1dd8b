//! Notification ports.

use std::time::Duration;

use wsfc_clusapi::sys::constants::{INFINITE, notify_cluster, notify_group, notify_node, notify_object};
use wsfc_clusapi::sys::types::NOTIFY_FILTER_AND_TYPE;
use wsfc_simulator::{ConnectionEvent, Point};

use crate::raw::{Raw, wide};

/// One event as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) key: usize,
    pub(crate) object_type: u32,
    pub(crate) flag: i64,
    pub(crate) object_id: String,
    pub(crate) parent_id: String,
    pub(crate) name: String,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn filter(object_type: u32, flags: i64) -> NOTIFY_FILTER_AND_TYPE {
    NOTIFY_FILTER_AND_TYPE {
        dwObjectType: object_type,
        FilterFlags: flags,
    }
}

pub(crate) fn open(raw: &Raw, cluster: isize, filters: &[NOTIFY_FILTER_AND_TYPE], key: usize) -> isize {
    let count = u32::try_from(filters.len()).unwrap();
    let create = raw.table.CreateClusterNotifyPortV2.unwrap();
    // SAFETY: There are as many filters as the count says.
    unsafe { create(-1, cluster, filters.as_ptr(), count, key) }
}

/// Waits for an event with buffers of `room`.
pub(crate) fn next(raw: &Raw, port: isize, room: u32, milliseconds: u32) -> Result<Event, (u32, [u32; 4])> {
    let size = usize::try_from(room).unwrap();
    let mut key = 0;
    let mut found = filter(0, 0);
    let mut payload = vec![0_u8; size];
    let mut texts = [vec![0_u16; size], vec![0_u16; size], vec![0_u16; size]];
    let mut counts = [room; 4];
    let [id, parent, name] = &mut texts;
    let [bytes, id_units, parent_units, name_units] = &mut counts;
    // SAFETY: Every buffer has the room that its count says; the type is not wanted.
    let code = unsafe {
        raw.table.GetClusterNotifyV2.unwrap()(
            port,
            &raw mut key,
            &raw mut found,
            payload.as_mut_ptr(),
            bytes,
            id.as_mut_ptr(),
            id_units,
            parent.as_mut_ptr(),
            parent_units,
            name.as_mut_ptr(),
            name_units,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            milliseconds,
        )
    };
    if code != 0 {
        return Err((code, counts));
    }
    let text = |units: &[u16], count: u32| String::from_utf16(&units[..usize::try_from(count).unwrap()]).unwrap();
    payload.truncate(usize::try_from(counts[0]).unwrap());
    Ok(Event {
        key,
        object_type: found.dwObjectType,
        flag: found.FilterFlags,
        object_id: text(&texts[0], counts[1]),
        parent_id: text(&texts[1], counts[2]),
        name: text(&texts[2], counts[3]),
        payload,
    })
}

#[test]
fn events_come_one_by_one_with_their_payload() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1", "n2", "n3"], &[]).unwrap();
    let filters = [
        filter(notify_object::CLUSTER, notify_cluster::MEMBERSHIP),
        filter(notify_object::NODE, notify_node::STATE),
        filter(notify_object::GROUP, notify_group::OWNER_NODE),
    ];
    let port = open(&raw, cluster, &filters, 7);
    assert_ne!(port, 0);
    assert_eq!(next(&raw, port, 64, 0), Err((258, [64; 4])));
    raw.simulation.set_reachable("n1", false);
    let event = next(&raw, port, 64, 0).unwrap();
    assert_eq!(
        (event.key, event.object_type, event.flag),
        (7, notify_object::NODE, notify_node::STATE)
    );
    assert_eq!(
        (event.object_id.as_str(), event.name.as_str(), event.parent_id.as_str()),
        ("1", "n1", "")
    );
    assert_eq!(event.payload, 1_i32.to_le_bytes());
    let event = next(&raw, port, 64, 0).unwrap();
    assert_eq!(
        event.payload,
        [1, 0, 0, 0, 2, 0, 0, 0, 2, 3],
        "there is quorum, and two nodes, numbers 2 and 3, are up"
    );
    // The core groups go to the node with fewer groups each, whose number is the parent id.
    for number in ["2", "3"] {
        let event = next(&raw, port, 64, 0).unwrap();
        assert_eq!(
            (event.object_type, event.flag),
            (notify_object::GROUP, notify_group::OWNER_NODE)
        );
        assert_eq!(event.parent_id, number);
    }
    assert_eq!(next(&raw, port, 64, 0).unwrap_err().0, 258);
}

#[test]
fn an_event_without_room_stays_and_says_its_need() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let port = open(
        &raw,
        cluster,
        &[filter(notify_object::CLUSTER, notify_cluster::GROUP_ADDED)],
        1,
    );
    let name = wide("Some Group");
    assert_ne!(
        // SAFETY: The name is NUL-terminated.
        unsafe { raw.table.CreateClusterGroup.unwrap()(cluster, name.as_ptr()) },
        0
    );
    assert_eq!(next(&raw, port, 0, 0), Err((234, [4, 36, 0, 10])));
    let event = next(&raw, port, 37, 0).unwrap();
    assert_eq!(
        (event.name.as_str(), event.payload.as_slice()),
        ("Some Group", &9_999_u32.to_le_bytes()[..])
    );
}

#[test]
fn an_object_has_its_own_events() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1", "n2", "n3"], &[]).unwrap();
    let port = open(&raw, cluster, &[], 0);
    let node = raw.open_node(cluster, "n3").unwrap();
    let register = raw.table.RegisterClusterNotifyV2.unwrap();
    let wanted = filter(notify_object::NODE, notify_node::STATE);
    let object = std::ptr::without_provenance_mut(node.cast_unsigned());
    // SAFETY: The function checks its handles.
    assert_eq!(unsafe { register(port, wanted, object, 3) }, 0);
    raw.simulation.set_reachable("n2", false);
    raw.simulation.set_reachable("n3", false);
    assert_eq!(next(&raw, port, 64, 0).unwrap().name, "n3");
    assert_eq!(next(&raw, port, 64, 0).unwrap_err().0, 258);
    // SAFETY: The function checks its arguments.
    assert_eq!(unsafe { register(port, filter(15, 1), object, 3) }, 87);
}

#[test]
fn closing_a_port_wakes_who_waits() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let port = open(&raw, cluster, &[filter(notify_object::NODE, notify_node::STATE)], 0);
    std::thread::scope(|scope| {
        let _end = raw.end_on_panic();
        let waiting = scope.spawn(|| next(&raw, port, 64, INFINITE));
        assert!(
            raw.simulation
                .wait_reached(&Point::entry("GetClusterNotifyV2"), 1, Duration::from_secs(60))
        );
        // SAFETY: The function checks its handle.
        assert_eq!(unsafe { raw.table.CloseClusterNotifyPort.unwrap()(port) }, 1);
        assert_eq!(waiting.join().unwrap().unwrap_err().0, 6);
    });
    assert_eq!(next(&raw, port, 64, 0).unwrap_err().0, 6);
}

#[test]
fn lost_connections_are_told() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1", "n2"], &[]).unwrap();
    let port = open(
        &raw,
        cluster,
        &[filter(notify_object::CLUSTER, notify_cluster::EVERYTHING)],
        0,
    );
    raw.simulation.send(ConnectionEvent::LostNotifications);
    assert_eq!(
        next(&raw, port, 64, 0).unwrap().flag,
        notify_cluster::LOST_NOTIFICATIONS
    );
    raw.simulation.break_connections();
    assert_eq!(raw.information(cluster).unwrap_err(), 1722);
    raw.simulation.set_reachable("n2", false);
    raw.simulation.restore_connections();
    assert_eq!(
        next(&raw, port, 64, 0).unwrap().flag,
        notify_cluster::RECONNECT,
        "what happened between is lost"
    );
    assert_eq!(next(&raw, port, 64, 0).unwrap_err().0, 258);
    assert_eq!(raw.information(cluster).unwrap().0, "c");
}

//! Opening clusters, and handles.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::raw::{Raw, read_wide, wide};

#[test]
fn a_cluster_is_found_by_any_of_its_names() {
    let raw = Raw::new(|_| {});
    assert_eq!(raw.open(None), Err(1753));
    raw.create("c", &["n1", "n2"], &["10.0.0.50"]).unwrap();
    for name in ["c", "C.demo.example", "n2", "10.0.0.50", "10.0.1.12", ".", ""] {
        assert!(raw.open(Some(name)).is_ok(), "{name}");
    }
    assert_eq!(raw.open(Some("n3")), Err(1753));
    assert_eq!(raw.open(Some("nowhere")), Err(1722));
    assert_eq!(raw.open(Some("10.9.9.9")), Err(1722));
    raw.simulation.set_reachable("n2", false);
    assert_eq!(raw.open(Some("n2")), Err(1722));
    assert!(raw.open(Some("c")).is_ok());
}

#[test]
fn wrong_and_stale_handles_are_refused() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let node = raw.open_node(cluster, "n1").unwrap();
    for handle in [0, -1, 1, cluster + 1, node, isize::MAX, isize::MIN] {
        assert_eq!(raw.information(handle).unwrap_err(), 6);
    }
    assert_eq!(raw.node_state(cluster), -1);
    assert_eq!(raw.last_error(), 6);
    // SAFETY: The functions check their handles.
    unsafe {
        assert_eq!(raw.table.CloseClusterNode.unwrap()(cluster), 0);
    }
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.CloseCluster.unwrap()(cluster) }, 1);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.CloseCluster.unwrap()(cluster) }, 0);
    assert_eq!(raw.last_error(), 6);
    assert_eq!(raw.node_state(node), 0, "a node outlives the cluster handle here");
}

#[test]
fn the_last_error_belongs_to_the_thread() {
    /// Waits without any call: nearly each of them changes the last error on Windows.
    fn wait(flag: &AtomicBool) {
        while !flag.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
    }
    let raw = Raw::new(|_| {});
    let (other_failed, this_failed) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let answer = raw.node_state(0);
            other_failed.store(true, Ordering::Release);
            wait(&this_failed);
            (answer, raw.last_error())
        });
        wait(&other_failed);
        let answer = raw.open(Some("nowhere"));
        this_failed.store(true, Ordering::Release);
        assert_eq!(answer, Err(1722));
        assert_eq!(other.join().unwrap(), (-1, 6));
    });
}

#[test]
fn a_short_buffer_is_told_its_need() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("cluster", &["n1"], &[]).unwrap();
    let information = raw.table.GetClusterInformation.unwrap();
    let mut name = [0_u16; 16];
    for (room, code) in [(0, 234), (7, 234), (8, 0)] {
        let mut units = room;
        // SAFETY: The buffer is larger than its count says.
        let result = unsafe { information(cluster, name.as_mut_ptr(), &raw mut units, std::ptr::null_mut()) };
        assert_eq!((result, units), (code, 7), "{room}");
    }
    // SAFETY: The buffer is NUL-terminated.
    assert_eq!(unsafe { read_wide(name.as_ptr()) }, "cluster");
}

#[test]
fn where_the_nodes_run_decides_the_kind_of_name() {
    let raw = Raw::new(|scenario| {
        scenario.machines[1].azure = true;
        scenario.machines[2].azure = true;
    });
    let names = [wide("n1"), wide("n2"), wide("n3")];
    let pointers = names.each_ref().map(|name| name.as_ptr());
    let restype = raw.table.DetermineCNOResTypeFromNodelist.unwrap();
    let cloud = raw.table.DetermineClusterCloudTypeFromNodelist.unwrap();
    for (list, kind, place) in [(&pointers[..1], 1, 0), (&pointers[1..], 2, 1), (&pointers[..], 1, 128)] {
        let count = u32::try_from(list.len()).unwrap();
        let (mut found, mut at) = (99, 99);
        // SAFETY: There are as many names as the count says, and a place for the answer.
        assert_eq!(unsafe { restype(count, list.as_ptr(), &raw mut found) }, 0);
        // SAFETY: There are as many names as the count says, and a place for the answer.
        assert_eq!(unsafe { cloud(count, list.as_ptr(), &raw mut at) }, 0);
        assert_eq!((found, at), (kind, place));
    }
    let mut found = 99;
    // SAFETY: NULL names are refused.
    assert_eq!(unsafe { restype(1, std::ptr::null(), &raw mut found) }, 87);
    assert_eq!(found, 99, "the answer is not touched");
}

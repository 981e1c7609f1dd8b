//! Pausing, draining and resuming nodes.

use wsfc_clusapi::sys::constants::{group_state, node_state, notify_node, notify_object, pause_flags, resume_failback};
use wsfc_simulator::Incident;

use crate::verbs::{Ear, dwords, instant, still};

const IN_PROGRESS: u32 = 1;
const COMPLETED: u32 = 2;
const FAILED: u32 = 3;

#[test]
fn a_drain_takes_as_long_as_its_groups_do() {
    let (raw, cluster) = still(&["n1", "n2", "n3"]);
    let group = raw.running_group(cluster, "g", "n3", &["one"]);
    let n3 = raw.open_node(cluster, "n3").unwrap();
    let ear = Ear::new(&raw, cluster);
    assert_eq!(raw.pause(n3, true, 1, 0), 0);
    assert_eq!(raw.node_state(n3), node_state::PAUSED);
    assert_eq!(raw.node_dword(n3, "NodeDrainStatus"), IN_PROGRESS);
    assert_eq!(raw.node_dword(n3, "StatusInformation"), 4);
    assert_eq!(raw.pause(n3, true, 1, 0), 5962);
    assert_eq!(raw.owner(group), "n3");
    raw.advance(300);
    assert_eq!(raw.group(group).0, group_state::ONLINE);
    assert_ne!(raw.owner(group), "n3");
    assert_eq!(raw.node_dword(n3, "NodeDrainStatus"), COMPLETED);
    let told: Vec<_> = ear
        .events()
        .into_iter()
        .filter(|event| event.object_type == notify_object::NODE && event.name == "n3")
        .map(|event| event.flag)
        .collect();
    assert_eq!(
        told,
        [
            notify_node::STATE,
            notify_node::COMMON_PROPERTY,
            notify_node::GROUP_LOST,
            notify_node::COMMON_PROPERTY
        ]
    );
}

#[test]
fn a_drain_goes_to_its_target_and_comes_back_as_asked() {
    for (failback, back) in [
        (resume_failback::DO_NOT, [false, false]),
        (resume_failback::IMMEDIATELY, [true, true]),
        (resume_failback::PER_POLICY, [true, false]),
    ] {
        let (raw, cluster) = instant(&["n1", "n2", "n3"]);
        let [n1, n2, n3] = ["n1", "n2", "n3"].map(|name| raw.open_node(cluster, name).unwrap());
        let policy = raw.running_group(cluster, "policy", "n3", &["a"]);
        let none = raw.running_group(cluster, "none", "n3", &["b"]);
        assert_eq!(raw.prefer(policy, &[n3]), 0);
        assert_eq!(raw.set_group_property(policy, &dwords(&[("AutoFailbackType", 1)])), 0);
        assert_eq!(raw.pause(n3, true, 1, n3), 87);
        assert_eq!(raw.pause(n3, true, 8, n2), 87);
        assert_eq!(raw.pause(n1, false, 0, 0), 0);
        assert_eq!(raw.pause(n3, true, 1, n1), 5005, "the target is paused");
        assert_eq!(raw.resume(n1, resume_failback::DO_NOT), 0);
        assert_eq!(raw.pause(n3, true, 1, n2), 0);
        assert_eq!([policy, none].map(|group| raw.owner(group)), ["n2", "n2"]);
        assert_eq!(raw.node_dword(n3, "NodeDrainTarget"), 2);
        assert_eq!(raw.resume(n3, 7), 87);
        // The policy of the cluster as it is when the node is back counts in each case.
        if failback != resume_failback::PER_POLICY {
            assert_eq!(raw.set_group_property(policy, &dwords(&[("AutoFailbackType", 0)])), 0);
        }
        assert_eq!(raw.resume(n3, failback), 0);
        assert_eq!(
            [policy, none].map(|group| raw.owner(group) == "n3"),
            back,
            "failback {failback}"
        );
        assert_eq!(raw.resume(n3, failback), 5058);
        assert_eq!(raw.node_dword(n3, "NodeDrainStatus"), 0);
        assert_eq!(raw.node_dword(n3, "NodeDrainTarget"), u32::MAX);
        raw.simulation.consistency().unwrap();
    }
}

#[test]
fn what_cannot_leave_stays_or_stops_and_the_drain_fails() {
    for (flags, state) in [
        (pause_flags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR, group_state::ONLINE),
        (0, group_state::OFFLINE),
    ] {
        let (raw, cluster) = instant(&["n1", "n2"]);
        let group = raw.running_group(cluster, "g", "n2", &["one"]);
        let one = raw.open_resource(cluster, "one").unwrap();
        let [n1, n2] = ["n1", "n2"].map(|name| raw.open_node(cluster, name).unwrap());
        assert_eq!(raw.forbid(one, n1), 0);
        assert_eq!(raw.pause(n2, true, flags, 0), 0);
        assert_eq!(raw.node_dword(n2, "NodeDrainStatus"), FAILED);
        assert_eq!(raw.node_dword(n2, "DrainErrorCode"), 5071);
        assert_eq!(raw.group(group), (state, "n2".into()));
        assert_eq!(raw.resume(n2, resume_failback::IMMEDIATELY), 0);
        assert_eq!(raw.group(group), (group_state::ONLINE, "n2".into()));
    }
}

#[test]
fn a_drain_that_failed_is_tried_again_when_asked() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let group = raw.running_group(cluster, "g", "n2", &["one"]);
    let [n1, n2] = ["n1", "n2"].map(|name| raw.open_node(cluster, name).unwrap());
    assert_eq!(raw.pause(n1, false, 0, 0), 0);
    let flags = pause_flags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR | pause_flags::RETRY_DRAIN_ON_FAILURE;
    assert_eq!(raw.pause(n2, true, flags, 0), 0);
    assert_eq!(raw.node_dword(n2, "NodeDrainStatus"), FAILED);
    assert_eq!(raw.node_dword(n2, "DrainErrorCode"), 5005);
    assert_eq!(raw.resume(n1, resume_failback::DO_NOT), 0);
    raw.advance(61_000);
    assert_eq!(raw.node_dword(n2, "NodeDrainStatus"), COMPLETED);
    assert_eq!(raw.group(group), (group_state::ONLINE, "n1".into()));
}

#[test]
fn a_paused_node_stays_paused_when_it_restarts_and_takes_nothing_up() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let n3 = raw.open_node(cluster, "n3").unwrap();
    assert_eq!(raw.pause(n3, false, pause_flags::AVOID_PLACEMENT, 0), 0);
    assert_eq!(raw.node_dword(n3, "StatusInformation"), 0x20);
    raw.simulation.set_service("n3", false);
    assert_eq!(raw.node_state(n3), node_state::DOWN);
    raw.simulation.set_service("n3", true);
    assert_eq!(raw.node_state(n3), node_state::PAUSED);
    let group = raw.running_group(cluster, "g", "n2", &["one"]);
    raw.kill("n2");
    assert_eq!(raw.owner(group), "n1");
    // Where only a paused node is left, groups go there and stay offline.
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let [n2, n3] = ["n2", "n3"].map(|name| raw.open_node(cluster, name).unwrap());
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    assert_eq!((raw.pause(n2, false, 0, 0), raw.pause(n3, false, 0, 0)), (0, 0));
    raw.happen(Incident::StopService { machine: "n1".into() });
    assert_eq!(raw.group(group).0, group_state::OFFLINE);
    assert_eq!(raw.resume(n2, resume_failback::DO_NOT), 0);
    assert_eq!(raw.group(group), (group_state::ONLINE, "n2".into()));
}

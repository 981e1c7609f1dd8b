//! Moves of groups: where to, in which order, and why not.

use wsfc_clusapi::sys::constants::{group_move_flags, group_state, vm_migration};
use wsfc_clusapi::sys::types::CLUSTER_CREATE_GROUP_INFO;
use wsfc_simulator::Incident;

use crate::raw::{Raw, wide};
use crate::verbs::{Ear, dwords, instant, still};

#[test]
fn a_move_goes_offline_changes_the_owner_and_comes_online() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let n2 = raw.open_node(cluster, "n2").unwrap();
    let ear = Ear::new(&raw, cluster);
    assert_eq!(raw.move_group(group, n2), 997);
    assert_eq!(raw.move_group(group, n2), 5908, "it moves already");
    assert_eq!(raw.online_group(group, 0), 5908);
    raw.settle();
    assert_eq!(
        ear.story(),
        [
            "one goes",
            "g 4",
            "one offline",
            "g to 2",
            "one comes",
            "one online",
            "g 0"
        ]
    );
    assert_eq!(raw.move_group(group, n2), 0, "it is there");
}

#[test]
fn an_offline_group_moves_at_once_and_stays_offline() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let group = raw.make_group(cluster, "g");
    raw.make_resource(group, "one");
    let n2 = raw.open_node(cluster, "n2").unwrap();
    assert_eq!(raw.move_group(group, n2), 0);
    assert_eq!(raw.group(group), (group_state::OFFLINE, "n2".into()));
}

#[test]
fn preferred_owners_come_first_then_the_least_busy() {
    let (raw, cluster) = instant(&["n1", "n2", "n3", "n4"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    raw.running_group(cluster, "busy", "n2", &["two"]);
    let [n3, n4] = ["n3", "n4"].map(|name| raw.open_node(cluster, name).unwrap());
    assert_eq!(raw.move_group(group, 0), 0);
    assert_eq!(raw.owner(group), "n3", "n2 has a group");
    assert_eq!(raw.prefer(group, &[n4, n3]), 0);
    assert_eq!(raw.prefer(group, &[n4, n4]), 87);
    assert_eq!(raw.move_group(group, 0), 0);
    assert_eq!(raw.owner(group), "n4");
    assert_eq!(raw.move_group(group, 0), 0);
    assert_eq!(raw.owner(group), "n3", "the next of the list");
}

#[test]
fn a_group_does_not_go_where_it_cannot_be() {
    let (raw, cluster) = instant(&["n1", "n2", "n3", "n4"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    let [n1, n2, n3, n4] = ["n1", "n2", "n3", "n4"].map(|name| raw.open_node(cluster, name).unwrap());
    assert_eq!(raw.forbid(one, n1), 5015, "it runs there");
    assert_eq!(raw.forbid(one, n2), 0);
    assert_eq!(raw.forbid(one, n2), 5011);
    assert_eq!(raw.move_group(group, n2), 5071);
    assert_eq!(raw.pause(n3, false, 0, 0), 0);
    assert_eq!(raw.move_group(group, n3), 70);
    raw.kill("n4");
    assert_eq!(raw.move_group(group, n4), 5005);
    assert_eq!(raw.move_group(group, 0), 5071, "n2 is up and cannot");
    raw.kill("n2");
    assert_eq!(raw.move_group(group, 0), 5005);
    raw.happen(Incident::LockResource {
        resource: "one".into(),
        locked: true,
    });
    assert_eq!(raw.move_group(group, n3), 5960);
    assert_eq!(raw.offline_group(group), 5960);
    assert_eq!(raw.offline(one), 5960);
    assert_eq!(
        raw.move_group_ex(group, n3, group_move_flags::IGNORE_RESOURCE_STATUS, &[]),
        70
    );
    assert_eq!(raw.move_group_ex(group, n3, 0x8000, &[]), 87);
}

#[test]
fn nothing_comes_online_on_a_paused_node() {
    let (raw, cluster) = instant(&["n1", "n2"]);
    let group = raw.make_group(cluster, "g");
    let one = raw.make_resource(group, "one");
    let n1 = raw.open_node(cluster, "n1").unwrap();
    let n2 = raw.open_node(cluster, "n2").unwrap();
    assert_eq!(raw.move_group(group, n1), 0);
    assert_eq!(raw.pause(n1, false, 0, 0), 0);
    assert_eq!(raw.online_group(group, 0), 70);
    assert_eq!(raw.online(one), 70);
    // SAFETY: There is no list.
    let code = unsafe { raw.table.OnlineClusterGroupEx.unwrap()(group, 0, 4, std::ptr::null(), 0) };
    assert_eq!(code, 0);
    assert_eq!(raw.group(group), (group_state::ONLINE, "n2".into()));
    assert_eq!(raw.offline_group(group), 0);
    assert_eq!(raw.online_group(group, n2), 0);
}

#[test]
fn a_busy_group_waits_for_its_turn() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    let n2 = raw.open_node(cluster, "n2").unwrap();
    assert_eq!(raw.offline(one), 997);
    assert_eq!(raw.move_group(group, n2), 5944);
    assert_eq!(raw.move_group_ex(group, n2, group_move_flags::QUEUE_ENABLED, &[]), 997);
    assert_eq!(raw.owner(group), "n1");
    raw.advance(100);
    assert_eq!(raw.group(group), (group_state::OFFLINE, "n2".into()));
    // What waits can be taken back.
    assert_eq!(raw.online(one), 997);
    let n1 = raw.open_node(cluster, "n1").unwrap();
    assert_eq!(raw.move_group_ex(group, n1, group_move_flags::QUEUE_ENABLED, &[]), 997);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.CancelClusterGroupOperation.unwrap()(group, 0) }, 997);
    raw.settle();
    assert_eq!(raw.group(group), (group_state::ONLINE, "n2".into()));
}

fn virtual_machine(raw: &Raw, cluster: isize, name: &str, node: &str) -> isize {
    let info = CLUSTER_CREATE_GROUP_INFO {
        dwVersion: 1,
        groupType: 111,
    };
    let wide_name = wide(name);
    // SAFETY: The name is NUL-terminated, and the struct has its version.
    let group = unsafe { raw.table.CreateClusterGroupEx.unwrap()(cluster, wide_name.as_ptr(), &raw const info) };
    assert_ne!(group, 0);
    raw.make_resource(group, &format!("{name} machine"));
    let node = raw.open_node(cluster, node).unwrap();
    raw.online_group(group, node);
    raw.settle();
    group
}

#[test]
fn virtual_machines_move_alive_one_at_a_time() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let [one, two] = ["vm1", "vm2"].map(|name| virtual_machine(&raw, cluster, name, "n1"));
    let n2 = raw.open_node(cluster, "n2").unwrap();
    let live = dwords(&[
        ("Virtual Machine", vm_migration::LIVE),
        ("Virtual Machine Configuration", vm_migration::LIVE),
    ]);
    let ear = Ear::new(&raw, cluster);
    assert_eq!(raw.move_group_ex(one, n2, 14, &live), 997);
    assert_eq!(
        raw.move_group_ex(two, n2, 10, &live),
        5944,
        "one leaves the node at a time"
    );
    assert_eq!(raw.move_group_ex(two, n2, 14, &live), 997);
    raw.advance(2_000);
    assert_eq!((raw.owner(one), raw.owner(two)), ("n2".into(), "n1".into()));
    raw.advance(2_000);
    assert_eq!(raw.owner(two), "n2");
    assert_eq!(
        ear.story(),
        ["vm1 4", "vm1 to 2", "vm1 0", "vm2 4", "vm2 to 2", "vm2 0"],
        "the groups were on their way, and nothing went offline"
    );
    // A list that says half is refused, and so is a live migration of anything else.
    let half = dwords(&[("Virtual Machine", vm_migration::LIVE)]);
    assert_eq!(raw.move_group_ex(one, n2, 14, &half), 87);
    let other = raw.running_group(cluster, "g", "n1", &["r"]);
    assert_eq!(raw.move_group_ex(other, n2, 14, &live), 87);
    // A migration that is cancelled ends where it began.
    let n1 = raw.open_node(cluster, "n1").unwrap();
    assert_eq!(raw.move_group_ex(one, n1, 14, &live), 997);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.CancelClusterGroupOperation.unwrap()(one, 0) }, 0);
    raw.settle();
    assert_eq!(raw.group(one), (group_state::ONLINE, "n2".into()));
}

#[test]
fn a_group_that_cannot_run_there_comes_back_when_asked() {
    let (raw, cluster) = instant(&["n1", "n2"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    assert_eq!(raw.set_resource_property(one, &dwords(&[("RestartAction", 0)])), 0);
    raw.happen(Incident::BlockResource {
        resource: "one".into(),
        node: Some("n2".into()),
    });
    let n2 = raw.open_node(cluster, "n2").unwrap();
    let flags = group_move_flags::RETURN_TO_SOURCE_NODE_ON_ERROR;
    assert_eq!(raw.move_group_ex(group, n2, flags, &[]), 997);
    assert_eq!(raw.group(group), (group_state::ONLINE, "n1".into()));
    assert_eq!(raw.move_group(group, n2), 0, "it is there, though it failed");
    assert_eq!(raw.group(group), (group_state::FAILED, "n2".into()));
}

#[test]
fn groups_are_renamed_and_core_groups_stay() {
    let (raw, cluster) = instant(&["n1"]);
    let group = raw.make_group(cluster, "old");
    raw.make_group(cluster, "taken");
    let rename = |name: &str| {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        unsafe { raw.table.SetClusterGroupName.unwrap()(group, name.as_ptr()) }
    };
    assert_eq!(rename("TAKEN"), 5010);
    let ear = Ear::new(&raw, cluster);
    assert_eq!(rename("new"), 0);
    let payload = ear.events()[0].payload.clone();
    let name: Vec<u8> = wide("Name").into_iter().flat_map(u16::to_le_bytes).collect();
    assert!(payload.windows(name.len()).any(|window| window == name));
    assert_eq!(raw.open_group(cluster, "old"), Err(5013));
    assert!(raw.open_group(cluster, "NEW").is_ok());
    let core = raw.open_group(cluster, "Cluster Group").unwrap();
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.DestroyClusterGroup.unwrap()(core) }, 5026);
}

//! Resources: order, pending states, failures, dependencies and refusals.

use wsfc_clusapi::sys::constants::{
    control, group_state, notify_group, notify_object, notify_resource, resource_online_flags, resource_state,
};
use wsfc_simulator::Incident;
use wsfc_simulator::scenario::ResourceTimes;

use crate::raw::{Raw, wide};
use crate::verbs::{Ear, SERVICE, dwords, existing, instant, still};

#[test]
fn providers_come_first_and_dependents_go_first() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let group = raw.make_group(cluster, "g");
    let (disk, service) = (raw.make_resource(group, "disk"), raw.make_resource(group, "service"));
    assert_eq!(raw.depend(service, disk), 0);
    let ear = Ear::new(&raw, cluster);
    assert_eq!(raw.online(service), 997);
    assert_eq!((raw.resource(disk), raw.resource(service)), (129, 3));
    assert_eq!(raw.group(group).0, group_state::PENDING);
    raw.advance(199);
    assert_eq!(raw.resource(disk), resource_state::ONLINE_PENDING);
    raw.advance(1);
    assert_eq!((raw.resource(disk), raw.resource(service)), (2, 129));
    raw.advance(200);
    assert_eq!(raw.online(service), 0, "it is online already");
    assert_eq!(
        ear.story(),
        [
            "disk comes",
            "g 4",
            "disk online",
            "service comes",
            "service online",
            "g 0"
        ]
    );
    assert_eq!(raw.offline(disk), 997);
    raw.settle();
    assert_eq!(
        ear.story(),
        [
            "service goes",
            "g 4",
            "service offline",
            "disk goes",
            "disk offline",
            "g 1"
        ]
    );
}

#[test]
fn a_world_without_waits_passes_through_the_pending_states() {
    let (raw, cluster) = instant(&["n1"]);
    let group = raw.make_group(cluster, "g");
    let one = raw.make_resource(group, "one");
    let ear = Ear::new(&raw, cluster);
    assert_eq!(raw.online(one), 0);
    assert_eq!(ear.story(), ["one comes", "g 4", "one online", "g 0"]);
    assert_eq!(raw.offline(one), 0);
    assert_eq!(ear.story(), ["one goes", "g 4", "one offline", "g 1"]);
}

#[test]
fn types_have_their_own_times() {
    let raw = Raw::new(|scenario| {
        scenario.timing.manual = true;
        scenario.clusters = vec![existing(&["n1"])];
        let slow = ResourceTimes {
            online_ms: 5_000,
            offline_ms: 100,
        };
        scenario.timing.resource_types.insert("generic service".into(), slow);
    });
    let cluster = raw.open(Some("c")).unwrap();
    let group = raw.make_group(cluster, "g");
    let (slow, quick) = (
        raw.make_resource(group, "slow"),
        raw.try_resource(group, "quick", "Generic Script").unwrap(),
    );
    assert_eq!(raw.online_group(group, 0), 997);
    raw.advance(200);
    assert_eq!((raw.resource(slow), raw.resource(quick)), (129, 2));
    raw.advance(4_800);
    assert_eq!(raw.group(group).0, group_state::ONLINE);
}

#[test]
fn what_fails_restarts_then_fails_over_then_stays_failed_until_the_retry() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    let ear = Ear::new(&raw, cluster);
    // The first failure within RestartPeriod: RestartThreshold is 1.
    assert_eq!(raw.fail(one), 0);
    assert_eq!(raw.resource(one), resource_state::FAILED);
    raw.advance(499);
    assert_eq!(raw.resource(one), resource_state::FAILED, "RestartDelay is 500 ms");
    raw.settle();
    assert_eq!(
        ear.story(),
        ["one failed", "g 2", "one comes", "g 4", "one online", "g 0"]
    );
    // The second: the group fails over.
    assert_eq!(raw.fail(one), 0);
    raw.settle();
    assert_eq!(
        ear.story(),
        [
            "one failed",
            "g to 2",
            "one offline",
            "one comes",
            "g 4",
            "one online",
            "g 0"
        ]
    );
    assert_eq!(raw.owner(group), "n2");
    // Third and fourth: FailoverThreshold is one less than the nodes, and used up.
    assert_eq!(raw.fail(one), 0);
    raw.settle();
    assert_eq!(raw.fail(one), 0);
    raw.settle();
    assert_eq!(raw.group(group), (group_state::FAILED, "n2".into()));
    // RetryPeriodOnFailure is an hour.
    raw.advance(3_600_000);
    assert_eq!(raw.group(group), (group_state::ONLINE, "n2".into()));
}

#[test]
fn a_restart_action_of_zero_and_one_keep_the_group_where_it_is() {
    for action in [0, 1] {
        let (raw, cluster) = instant(&["n1", "n2"]);
        let group = raw.running_group(cluster, "g", "n1", &["one"]);
        let one = raw.open_resource(cluster, "one").unwrap();
        assert_eq!(raw.set_resource_property(one, &dwords(&[("RestartAction", action)])), 0);
        assert_eq!(raw.fail(one), 0);
        let after_first = if action == 0 {
            group_state::FAILED
        } else {
            group_state::ONLINE
        };
        assert_eq!(raw.group(group), (after_first, "n1".into()), "action {action}");
        if action == 1 {
            assert_eq!(raw.fail(one), 0);
            assert_eq!(raw.group(group), (group_state::FAILED, "n1".into()));
        }
        assert_eq!(raw.online(one), 0, "an operator can bring it online");
        assert_eq!(raw.group(group).0, group_state::ONLINE);
    }
}

#[test]
fn failures_long_ago_do_not_count() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    for _ in 0..3 {
        assert_eq!(raw.fail(one), 0);
        // RestartPeriod is 15 minutes.
        raw.advance(900_001);
        assert_eq!(raw.group(group), (group_state::ONLINE, "n1".into()));
    }
}

#[test]
fn a_failed_provider_takes_its_dependents_along_and_brings_them_back() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let group = raw.make_group(cluster, "g");
    let (disk, service) = (raw.make_resource(group, "disk"), raw.make_resource(group, "service"));
    assert_eq!(raw.depend(service, disk), 0);
    raw.online_group(group, 0);
    raw.settle();
    let ear = Ear::new(&raw, cluster);
    assert_eq!(raw.fail(disk), 0);
    raw.settle();
    assert_eq!(
        ear.story(),
        [
            "disk failed",
            "service goes",
            "g 2",
            "service offline",
            "disk comes",
            "g 4",
            "disk online",
            "service comes",
            "service online",
            "g 0"
        ]
    );
}

#[test]
fn either_of_two_providers_is_enough() {
    let (raw, cluster) = instant(&["n1"]);
    let group = raw.make_group(cluster, "g");
    let names = ["ip 1", "ip 2", "name"];
    let [one, two, name] = names.map(|name| raw.make_resource(group, name));
    assert_eq!(raw.set_expression(name, "[ip 1] or [IP 2]"), 0);
    assert_eq!(
        raw.expression(name).matches("] or [").count(),
        1,
        "{}",
        raw.expression(name)
    );
    assert!(!raw.expression(name).contains("ip"), "ids are in the brackets");
    raw.happen(Incident::BlockResource {
        resource: "ip 1".into(),
        node: None,
    });
    assert_eq!(raw.set_resource_property(one, &dwords(&[("RestartAction", 0)])), 0);
    assert_eq!(raw.online_group(group, 0), 997, "one of them stays failed");
    assert_eq!((raw.resource(one), raw.resource(two), raw.resource(name)), (4, 2, 2));
    assert_eq!(raw.set_resource_property(two, &dwords(&[("RestartAction", 0)])), 0);
    assert_eq!(raw.fail(two), 0);
    assert_eq!(raw.resource(name), resource_state::OFFLINE, "both are gone");
}

#[test]
fn dependencies_are_checked() {
    let (raw, cluster) = instant(&["n1"]);
    let group = raw.make_group(cluster, "g");
    let [a, b, c] = ["a", "b", "c"].map(|name| raw.make_resource(group, name));
    let other = raw.make_group(cluster, "h");
    let foreign = raw.make_resource(other, "foreign");
    assert_eq!(raw.depend(b, a), 0);
    assert_eq!(raw.depend(b, a), 5003);
    assert_eq!(raw.depend(c, b), 0);
    assert_eq!(raw.depend(a, c), 1059);
    assert_eq!(raw.depend(a, a), 87);
    assert_eq!(raw.depend(a, foreign), 87);
    assert_eq!(raw.set_expression(a, "[nothing]"), 5007);
    assert_eq!(raw.set_expression(a, "[b"), 87);
    assert_eq!(raw.set_expression(a, "[c]"), 1059);
    let can = raw.table.CanResourceBeDependent.unwrap();
    // SAFETY: The function checks its handles.
    assert_eq!(unsafe { can(c, a) }, 1);
    // SAFETY: The function checks its handles.
    assert_eq!(unsafe { can(a, c) }, 0);
    assert_eq!(raw.last_error(), 0);
    let remove = raw.table.RemoveClusterResourceDependency.unwrap();
    // SAFETY: The function checks its handles.
    assert_eq!(unsafe { remove(c, a) }, 5002);
    // SAFETY: The function checks its handles.
    assert_eq!(unsafe { remove(c, b) }, 0);
    assert_eq!(raw.expression(c), "");
    // An online resource may come to depend on what is online, and on nothing else.
    assert_eq!((raw.online(b), raw.online(a)), (0, 0));
    assert_eq!(raw.depend(b, c), 5019);
    raw.simulation.consistency().unwrap();
}

#[test]
fn a_chain_of_more_than_a_hundred_is_refused() {
    let (raw, cluster) = instant(&["n1"]);
    let group = raw.make_group(cluster, "g");
    let chain: Vec<isize> = (0..102)
        .map(|place| raw.make_resource(group, &format!("r{place}")))
        .collect();
    let codes: Vec<u32> = chain.windows(2).map(|pair| raw.depend(pair[1], pair[0])).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 100);
    assert_eq!(codes.last(), Some(&5929));
}

#[test]
fn deleting_is_refused_while_it_would_hurt() {
    let (raw, cluster) = instant(&["n1"]);
    let group = raw.make_group(cluster, "g");
    let (disk, service) = (raw.make_resource(group, "disk"), raw.make_resource(group, "service"));
    assert_eq!(raw.depend(service, disk), 0);
    assert_eq!(raw.try_resource(group, "DISK", SERVICE), Err(5010));
    assert_eq!(raw.try_resource(group, "other", "No Such Type"), Err(5078));
    assert_eq!(raw.delete_resource(disk), 5001);
    assert_eq!(raw.online(service), 0);
    assert_eq!(raw.delete_resource(service), 5019);
    let core = raw.open_resource(cluster, "Cluster Name").unwrap();
    assert_eq!(raw.offline(core), 0);
    assert_eq!(raw.delete_resource(core), 5026);
    assert_eq!(raw.offline(disk), 0);
    let ear = Ear::new(&raw, cluster);
    assert_eq!(raw.delete_resource(service), 0);
    let events = ear.events();
    assert_eq!(
        (events[0].object_type, events[0].flag, events[0].name.as_str()),
        (notify_object::RESOURCE, notify_resource::DELETED, "service")
    );
    assert_eq!(
        (events[1].flag, events[1].name.as_str()),
        (notify_group::RESOURCE_LOST, "g")
    );
    let id: Vec<u8> = wide(&events[0].object_id)
        .into_iter()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(events[1].payload, id);
    assert_eq!(raw.fail(disk), 5084, "it is offline");
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.DestroyClusterGroup.unwrap()(group) }, 0);
    assert_eq!(raw.open_resource(cluster, "disk"), Err(5007));
}

#[test]
fn a_tree_moves_to_another_group_as_a_whole() {
    let (raw, cluster) = instant(&["n1", "n2"]);
    let from = raw.running_group(cluster, "from", "n1", &["a", "b", "c"]);
    let to = raw.running_group(cluster, "to", "n2", &[]);
    let [a, b] = ["a", "b"].map(|name| raw.open_resource(cluster, name).unwrap());
    assert_eq!(raw.depend(b, a), 0);
    let change = raw.table.ChangeClusterResourceGroup.unwrap();
    // SAFETY: The function checks its handles.
    assert_eq!(unsafe { change(a, to) }, 5016, "the groups have different owners");
    let n1 = raw.open_node(cluster, "n1").unwrap();
    assert_eq!(raw.move_group(to, n1), 0);
    // SAFETY: The function checks its handles.
    assert_eq!(unsafe { change(a, to) }, 0);
    assert_eq!(raw.group(to).0, group_state::ONLINE, "nothing went offline");
    assert_eq!(raw.group(from).0, group_state::ONLINE);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.DeleteClusterGroup.unwrap()(to) }, 145);
    raw.simulation.consistency().unwrap();
}

#[test]
fn maintenance_keeps_a_resource_from_failing() {
    let (raw, cluster) = instant(&["n1"]);
    raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    let set = |on: u32| {
        let input = on.to_le_bytes();
        // SAFETY: The input has the size that goes with it.
        unsafe {
            raw.table.ClusterResourceControl.unwrap()(
                one,
                0,
                control::RESOURCE_SET_MAINTENANCE_MODE,
                input.as_ptr().cast(),
                4,
                std::ptr::null_mut(),
                0,
                std::ptr::null_mut(),
            )
        }
    };
    assert_eq!(set(1), 0);
    assert_eq!(raw.fail(one), 5970);
    assert_eq!(set(0), 0);
    assert_eq!(raw.fail(one), 0);
}

#[test]
fn a_restart_takes_dependents_along() {
    let (raw, cluster) = still(&["n1"]);
    let group = raw.make_group(cluster, "g");
    let (disk, service) = (raw.make_resource(group, "disk"), raw.make_resource(group, "service"));
    assert_eq!(raw.depend(service, disk), 0);
    raw.online_group(group, 0);
    raw.settle();
    let ear = Ear::new(&raw, cluster);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.RestartClusterResource.unwrap()(disk, 0) }, 997);
    raw.settle();
    assert_eq!(
        ear.story(),
        [
            "service goes",
            "g 4",
            "service offline",
            "disk goes",
            "disk offline",
            "disk comes",
            "disk online",
            "service comes",
            "service online",
            "g 0"
        ]
    );
}

#[test]
fn what_is_online_without_being_kept_so_does_not_come_back() {
    let (raw, cluster) = instant(&["n1"]);
    let group = raw.make_group(cluster, "g");
    let [kept, not_kept] = ["kept", "not kept"].map(|name| raw.make_resource(group, name));
    assert_eq!(raw.online(kept), 0);
    let flags = resource_online_flags::DO_NOT_UPDATE_PERSISTENT_STATE;
    // SAFETY: There is no list.
    let code = unsafe { raw.table.OnlineClusterResourceEx.unwrap()(not_kept, flags, std::ptr::null(), 0) };
    assert_eq!(code, 0);
    assert_eq!(raw.group(group).0, group_state::ONLINE);
    raw.simulation.set_service("n1", false);
    raw.simulation.set_service("n1", true);
    assert_eq!((raw.resource(kept), raw.resource(not_kept)), (2, 3));
}

//! The order in which groups start.

use wsfc_clusapi::proplist::{PropertyList, Value};
use wsfc_clusapi::sys::constants::{control as ctl, group_state, notify_group, notify_groupset, notify_object};

use crate::call::{Target, control, events, open, properties};
use crate::notify::{filter, open as open_port};
use crate::raw::Raw;
use crate::verbs::{Ear, dwords, instant, still};

const WAITING_TO_START: u64 = 0x10;
const WAITING_FOR_DEPENDENCIES: u64 = 0x1000;

/// A set of groups with StartupSetting, StartupDelay in seconds, and StartupCount.
fn make_set(raw: &Raw, cluster: isize, name: &str, groups: &[isize], settings: (u32, u32, u32)) -> isize {
    let set = open(raw, raw.table.CreateClusterGroupSet, cluster, name).unwrap();
    for group in groups {
        // SAFETY: The function checks its handles.
        assert_eq!(unsafe { raw.table.ClusterAddGroupToGroupSet.unwrap()(set, *group) }, 0);
    }
    let (setting, delay, count) = settings;
    let list = dwords(&[
        ("StartupSetting", setting),
        ("StartupDelay", delay),
        ("StartupCount", count),
    ]);
    control(raw, Target::Set(set), ctl::GROUPSET_SET_COMMON_PROPERTIES, &list).unwrap();
    set
}

fn depend_set(raw: &Raw, dependent: isize, provider: isize) {
    // SAFETY: The function checks its handles.
    let code = unsafe { raw.table.AddClusterGroupSetDependency.unwrap()(dependent, provider) };
    assert_eq!(code, 0);
}

/// An offline group with a resource.
fn idle(raw: &Raw, cluster: isize, name: &str) -> isize {
    let group = raw.make_group(cluster, name);
    raw.make_resource(group, &format!("{name} resource"));
    group
}

fn status(raw: &Raw, group: isize) -> u64 {
    let list = properties(raw, Target::Group(group), ctl::GROUP_GET_RO_COMMON_PROPERTIES);
    match list.get("StatusInformation").map(|property| property.values.as_slice()) {
        Some([Value::Ularge(status)]) => *status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_waits_for_the_groups_of_another_set() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let [first, second, last] = ["first", "second", "last"].map(|name| idle(&raw, cluster, name));
    let all = u32::MAX;
    let before = make_set(&raw, cluster, "before", &[first, second], (2, 0, all));
    let after = make_set(&raw, cluster, "after", &[last], (2, 0, all));
    depend_set(&raw, after, before);
    let port = open_port(
        &raw,
        cluster,
        &[filter(notify_object::GROUPSET, notify_groupset::STATE)],
        1,
    );
    let group_port = open_port(
        &raw,
        cluster,
        &[filter(notify_object::GROUP, notify_group::COMMON_PROPERTY)],
        1,
    );
    assert_eq!(raw.online_group(last, 0), 997);
    raw.settle();
    assert_eq!(raw.group(last).0, group_state::OFFLINE);
    assert_eq!(status(&raw, last), WAITING_FOR_DEPENDENCIES);
    let told: Vec<_> = events(&raw, group_port)
        .into_iter()
        .filter_map(|event| {
            let list = PropertyList::parse(&event.payload).unwrap();
            let found = list.get("StatusInformation").map(|property| property.values.clone());
            found.map(|values| (event.name, values))
        })
        .collect();
    assert_eq!(told, [("last".into(), vec![Value::Ularge(WAITING_FOR_DEPENDENCIES)])]);
    assert_eq!(raw.online_group(first, 0), 997);
    raw.settle();
    assert_eq!(raw.group(last).0, group_state::OFFLINE, "one of two");
    assert_eq!(raw.online_group(second, 0), 997);
    let ear = Ear::new(&raw, cluster);
    raw.settle();
    assert_eq!(
        ear.story(),
        [
            "second resource online",
            "second 0",
            "last resource comes",
            "last 4",
            "last resource online",
            "last 0"
        ]
    );
    assert_eq!(status(&raw, last), 0);
    let told: Vec<_> = events(&raw, port)
        .into_iter()
        .map(|event| (event.name, event.payload))
        .collect();
    let ready = |name: &str| (name.to_owned(), vec![1, 0, 0, 0]);
    assert_eq!(told, [ready("before"), ready("after")]);
    // What has started stays.
    assert_eq!(raw.offline_group(first), 997);
    raw.settle();
    assert_eq!(raw.group(last).0, group_state::ONLINE);
    assert_eq!(events(&raw, port)[0].payload, [0, 0, 0, 0]);
}

#[test]
fn a_set_may_be_ready_with_some_of_its_groups_and_after_a_delay() {
    for (count, needed) in [(1, 1), (2, 2), (0, 2), (9, 3), (u32::MAX, 3)] {
        let (raw, cluster) = still(&["n1"]);
        let first = ["a", "b", "c"].map(|name| idle(&raw, cluster, name));
        let last = idle(&raw, cluster, "last");
        let before = make_set(&raw, cluster, "before", &first, (1, 30, count));
        let after = make_set(&raw, cluster, "after", &[last], (1, 0, u32::MAX));
        depend_set(&raw, after, before);
        assert_eq!(raw.online_group(last, 0), 997);
        for group in &first[..needed - 1] {
            assert_eq!(raw.online_group(*group, 0), 997);
        }
        raw.advance(60_000);
        assert_eq!(raw.group(last).0, group_state::OFFLINE, "{count}");
        assert_eq!(raw.online_group(first[needed - 1], 0), 997);
        raw.advance(30_000);
        assert_eq!(raw.group(last).0, group_state::OFFLINE, "{count}");
        raw.advance(1_000);
        assert_eq!(raw.group(last).0, group_state::ONLINE, "{count}");
    }
}

#[test]
fn waiting_ends_with_its_reason_by_the_timeout_or_by_going_offline() {
    let (raw, cluster) = still(&["n1"]);
    let [first, last] = ["first", "last"].map(|name| idle(&raw, cluster, name));
    // SAFETY: The function checks its handles.
    let depend = || unsafe { raw.table.AddClusterGroupDependency.unwrap()(last, first) };
    // SAFETY: The function checks its handles.
    let release = || unsafe { raw.table.RemoveClusterGroupDependency.unwrap()(last, first) };
    assert_eq!(depend(), 0);
    assert_eq!(raw.online_group(last, 0), 997);
    raw.settle();
    assert_eq!(raw.group(last).0, group_state::OFFLINE);
    assert_eq!(release(), 0);
    raw.settle();
    assert_eq!(raw.group(last).0, group_state::ONLINE, "it waits for nothing any more");
    assert_eq!(raw.offline_group(last), 997);
    raw.settle();
    assert_eq!(depend(), 0);
    assert_eq!(raw.online_group(last, 0), 997);
    assert_eq!(raw.offline_group(last), 0);
    assert_eq!(status(&raw, last), 0);
    assert_eq!(raw.online_group(first, 0), 997);
    raw.settle();
    assert_eq!(raw.group(last).0, group_state::OFFLINE, "nobody wants it any more");
    assert_eq!(raw.offline_group(first), 997);
    raw.settle();
    assert_eq!(raw.online_group(last, 0), 997);
    raw.advance(599_000);
    assert_eq!(raw.group(last).0, group_state::OFFLINE);
    raw.advance(2_000);
    assert_eq!(raw.group(last).0, group_state::ONLINE, "GroupDependencyTimeout");
    // A resource that is asked for by itself does not wait.
    assert_eq!(raw.offline_group(last), 997);
    raw.settle();
    assert_eq!(raw.online_group(last, 0), 997);
    let resource = raw.open_resource(cluster, "last resource").unwrap();
    assert_eq!(raw.online(resource), 997);
    raw.settle();
    assert_eq!(raw.group(last).0, group_state::ONLINE);
}

#[test]
fn a_cluster_starts_its_groups_in_their_order() {
    let (raw, cluster) = still(&["n1", "n2"]);
    let last = raw.running_group(cluster, "last", "n1", &["l"]);
    let first = raw.running_group(cluster, "first", "n2", &["f"]);
    let slow = raw.running_group(cluster, "slow", "n2", &["s"]);
    raw.settle();
    assert_eq!(raw.set_group_property(slow, &dwords(&[("GroupStartDelay", 90_000)])), 0);
    assert_eq!(raw.set_group_property(last, &dwords(&[("Priority", 3_000)])), 0);
    let before = make_set(&raw, cluster, "before", &[first], (2, 0, u32::MAX));
    // SAFETY: The function checks its handles.
    let code = unsafe { raw.table.AddClusterGroupToGroupSetDependency.unwrap()(last, before) };
    assert_eq!(code, 0);
    control(&raw, Target::Cluster(cluster), ctl::CLUSTER_SHUTDOWN, &[]).unwrap();
    for machine in ["n1", "n2"] {
        raw.power_on(machine);
    }
    assert_eq!(status(&raw, last), WAITING_FOR_DEPENDENCIES);
    assert_eq!(status(&raw, slow), WAITING_TO_START);
    assert_eq!(raw.group(first).0, group_state::PENDING);
    raw.advance(1_000);
    let states = || [first, last, slow].map(|group| raw.group(group).0);
    assert_eq!(
        states(),
        [group_state::ONLINE, group_state::ONLINE, group_state::OFFLINE]
    );
    raw.advance(90_000);
    assert_eq!(states(), [group_state::ONLINE; 3]);
    // A group that waits for both tells which of them is left.
    // SAFETY: The function checks its handles.
    let code = unsafe { raw.table.AddClusterGroupToGroupSetDependency.unwrap()(slow, before) };
    assert_eq!(code, 0);
    control(&raw, Target::Cluster(cluster), ctl::CLUSTER_SHUTDOWN, &[]).unwrap();
    for machine in ["n1", "n2"] {
        raw.power_on(machine);
    }
    assert_eq!(status(&raw, slow), WAITING_FOR_DEPENDENCIES);
    let filters = [filter(notify_object::GROUP, notify_group::COMMON_PROPERTY)];
    let port = open_port(&raw, cluster, &filters, 1);
    raw.advance(1_000);
    assert_eq!(status(&raw, slow), WAITING_TO_START);
    let told = events(&raw, port);
    let of_slow: Vec<_> = told.iter().filter(|event| event.name == "slow").collect();
    assert_eq!(of_slow.len(), 1);
    assert_eq!(
        PropertyList::parse(&of_slow[0].payload)
            .unwrap()
            .get("StatusInformation")
            .unwrap()
            .values,
        [Value::Ularge(WAITING_TO_START)]
    );
}

#[test]
fn groups_of_a_lost_node_go_on_in_their_order() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let last = raw.running_group(cluster, "last", "n3", &["l"]);
    let first = raw.running_group(cluster, "first", "n3", &["f"]);
    // SAFETY: The function checks its handles.
    let code = unsafe { raw.table.AddClusterGroupDependency.unwrap()(last, first) };
    assert_eq!(code, 0);
    let ear = Ear::new(&raw, cluster);
    raw.kill("n3");
    let story = ear.story();
    let place = |what: &str| story.iter().position(|told| told == what).unwrap();
    assert!(place("first 0") < place("l comes"), "{story:?}");
    assert_eq!([raw.group(first).0, raw.group(last).0], [group_state::ONLINE; 2]);
}

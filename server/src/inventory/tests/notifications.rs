//! Whoever only hears what a cluster tells holds in the end what the cluster has: the port delivers later and in pieces,
//! while the cluster goes on.

use proptest::prelude::*;
use wsfc_clusapi::notify::Notification;
use wsfc_clusapi::proplist::Value;
use wsfc_clusapi::sys::constants::{notify_group, notify_object, notify_resource};
use wsfc_proto::v1::{ChangeType, ClusterEvent, ObjectKind};

use super::changes::is;
use super::told::{Step, World, list, step};
use crate::inventory::diff::diff;
use crate::inventory::hearing::{Hearing, LOST_NOTIFICATIONS, Loss};
use crate::inventory::model::Model;
use crate::inventory::object::{Key, key};
use crate::inventory::reread::read_again;

/// Delivers what waits at the port, `most` at once, as an observer takes it.
fn deliver(world: &mut World, model: &mut Model, most: usize) -> Vec<ClusterEvent> {
    let mut hearing = Hearing::default();
    let mut events = Vec::new();
    for _ in 0..most {
        let Some(told) = world.port.pop_front() else { break };
        match hearing.hear(model, &told) {
            Ok(()) => {}
            Err(loss) => {
                assert_eq!(loss, Loss::Missed(LOST_NOTIFICATIONS));
                events.append(&mut std::mem::take(&mut hearing).events);
                let whole = world.objects();
                events.extend(diff(model.objects(), whole.objects()));
                *model = whole;
            }
        }
    }
    let Ok(()) = read_again(world, model, &mut hearing);
    events.append(&mut hearing.events);
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn who_only_hears_holds_what_there_is(steps in proptest::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        let mut model = world.objects();
        let mut watcher = model.clone();
        let mut hear = |world: &mut World, most| {
            let events = deliver(world, &mut model, most);
            for event in &events {
                watcher.apply(event);
                // A change always says what has changed, and the object is as it was said to be.
                assert!(!event.changes.is_empty());
            }
            assert_eq!(watcher.objects(), model.objects(), "the events say what the model holds");
        };
        for step in &steps {
            match step {
                Step::Deliver(most) => hear(&mut world, *most),
                step => drop(world.take(step)),
            }
        }
        while !world.port.is_empty() {
            hear(&mut world, 256);
        }
        let there = world.objects();
        prop_assert_eq!(model.objects(), there.objects());
    }

    #[test]
    fn what_cannot_be_understood_is_never_believed(
        object_type in 0..20_u32,
        flag in prop_oneof![(0..13_u32).prop_map(|bit| 1_i64 << bit), any::<i64>()],
        id in "[a-z0-9-]{0,4}",
        payload in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut world = World::new();
        let mut model = world.objects();
        let before = model.clone();
        let told = Notification {
            object_type, flag, key: 0, object_id: id, parent_id: String::new(), name: "Group 2".into(),
            resource_type: String::new(), payload,
        };
        let mut hearing = Hearing::default();
        if hearing.hear(&mut model, &told).is_ok() {
            let Ok(()) = read_again(&mut world, &mut model, &mut hearing);
            let mut watcher = before;
            for event in &hearing.events {
                watcher.apply(event);
            }
            prop_assert_eq!(watcher.objects(), model.objects());
        } else {
            prop_assert_eq!(hearing.events, Vec::new());
            prop_assert_eq!(model.objects(), before.objects());
        }
    }
}

/// A model of one group and its disk, and what it hears.
fn heard(told: &Notification) -> (World, Model, Hearing) {
    let mut world = World::new();
    let mut model = world.objects();
    let mut hearing = Hearing::default();
    hearing.hear(&mut model, told).unwrap();
    let Ok(()) = read_again(&mut world, &mut model, &mut hearing);
    (world, model, hearing)
}

#[test]
fn a_group_takes_its_resources_along() {
    let mut world = World::new();
    let mut model = world.objects();
    let group = world.groups.keys().next().unwrap().clone();
    let number = *world.nodes.keys().last().unwrap();
    let from = world.owner(&world.groups[&group]);
    world.take(&Step::MoveGroup(0, 1));
    let events = deliver(&mut world, &mut model, 1);
    assert_eq!(events.len(), 2);
    for event in &events {
        assert_eq!(event.changes().collect::<Vec<_>>(), [ChangeType::Owner]);
        assert_eq!(event.owner_before, from);
        assert_eq!(event.cluster, "CL1");
        assert_eq!(event.notification.unwrap().flag, notify_group::OWNER_NODE);
    }
    assert_eq!(
        key(events[0].object.as_ref().unwrap()).unwrap(),
        Key::new(ObjectKind::Group, &group)
    );
    assert_eq!(world.groups[&group].owner, number);
}

#[test]
fn what_changes_nothing_of_an_object_is_told_all_the_same() {
    for (flag, change) in [
        (notify_resource::PRIVATE_PROPERTY, ChangeType::PrivateProperties),
        (notify_resource::DEPENDENCIES, ChangeType::Relations),
        (notify_resource::POSSIBLE_OWNERS, ChangeType::Relations),
    ] {
        let world = World::new();
        let id = world.resources.keys().next().unwrap().clone();
        let told = Notification {
            object_type: notify_object::RESOURCE,
            flag,
            key: 0,
            object_id: id,
            parent_id: String::new(),
            name: String::new(),
            resource_type: String::new(),
            payload: Vec::new(),
        };
        let (_, _, hearing) = heard(&told);
        assert_eq!(hearing.events.len(), 1);
        assert!(is(&hearing.events[0], change));
        assert!(hearing.events[0].object.is_some());
    }
}

#[test]
fn common_properties_come_with_their_values() {
    let world = World::new();
    let (id, group) = world.groups.iter().next().unwrap();
    let told = Notification {
        object_type: notify_object::GROUP,
        flag: notify_group::COMMON_PROPERTY,
        key: 0,
        object_id: id.clone(),
        parent_id: String::new(),
        name: group.name.clone(),
        resource_type: String::new(),
        payload: list(&[("Priority", Value::Dword(3000)), ("FailoverPeriod", Value::Dword(6))]),
    };
    let (_, _, hearing) = heard(&told);
    let [event] = hearing.events.as_slice() else {
        panic!("one event: {:?}", hearing.events)
    };
    assert_eq!(event.changes().collect::<Vec<_>>(), [ChangeType::Properties]);
    assert_eq!(event.changed_fields, ["priority"]);
    let names: Vec<_> = event.properties.iter().map(|property| property.name.as_str()).collect();
    assert_eq!(names, ["Priority", "FailoverPeriod"]);
}

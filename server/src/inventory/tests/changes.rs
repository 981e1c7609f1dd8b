//! What differs between two states is told so that whoever applies it holds the later one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, ChangeType, ClusterEvent, InventoryObject};

use crate::inventory::diff::{change, diff};
use crate::inventory::fields::set_state;
use crate::inventory::model::Model;
use crate::inventory::object::{Key, key};
use crate::journal::Common;

const ID: &str = "a-cluster";

pub(super) fn wrap(object: Object) -> InventoryObject {
    InventoryObject {
        cluster_id: ID.into(),
        object: Some(object),
    }
}

/// Objects of every kind, from so few ids and names that they meet.
fn object() -> impl Strategy<Value = InventoryObject> {
    (0..11).prop_flat_map(object_of)
}

fn object_of(kind: i32) -> impl Strategy<Value = InventoryObject> {
    let few = 0..4_u32;
    (Just(kind), few.clone(), few.clone(), -1..5_i32, few, any::<bool>()).prop_map(
        |(kind, id, name, state, other, flag)| {
            let (id, name, other_name) = (format!("id-{id}"), format!("Name {name}"), format!("Node {other}"));
            let mut object = wrap(match kind {
                0 => Object::Cluster(v1::ClusterState {
                    name,
                    id,
                    functional_level: other,
                    connection: state.max(0),
                    ..v1::ClusterState::default()
                }),
                1 => Object::Node(v1::Node {
                    name,
                    id,
                    vote_counts: flag,
                    ..v1::Node::default()
                }),
                2 => Object::Group(v1::Group {
                    name,
                    id,
                    owner_node: other_name,
                    priority: other,
                    ..v1::Group::default()
                }),
                3 => Object::Resource(v1::Resource {
                    name,
                    id,
                    group: format!("Group {other}"),
                    group_id: format!("group-{other}"),
                    owner_node: other_name,
                    persistent_online: flag,
                    ..v1::Resource::default()
                }),
                4 => Object::ResourceType(v1::ResourceType {
                    name,
                    dll: id,
                    ..v1::ResourceType::default()
                }),
                5 => Object::Network(v1::Network {
                    name,
                    id,
                    ipv6_prefixes: vec![other_name; usize::from(flag)],
                    ..v1::Network::default()
                }),
                6 => Object::NetworkInterface(v1::NetworkInterface {
                    name,
                    id,
                    address: other_name,
                    ..v1::NetworkInterface::default()
                }),
                7 => Object::GroupSet(v1::GroupSet {
                    name,
                    groups: vec![other_name; usize::from(flag)],
                    ..v1::GroupSet::default()
                }),
                8 => Object::AffinityRule(v1::AffinityRule {
                    name,
                    soft: flag,
                    ..v1::AffinityRule::default()
                }),
                9 => Object::SharedVolume(v1::SharedVolume {
                    name,
                    id,
                    owner_node: other_name,
                    maintenance: flag,
                    ..v1::SharedVolume::default()
                }),
                _ => Object::Quorum(v1::Quorum {
                    witness: name,
                    dynamic: flag,
                    ..v1::Quorum::default()
                }),
            });
            set_state(&mut object, state);
            object
        },
    )
}

fn model() -> impl Strategy<Value = Model> {
    proptest::collection::vec(object(), 0..24).prop_map(Model::from_iter)
}

pub(super) fn is(event: &ClusterEvent, change: ChangeType) -> bool {
    event.changes.contains(&change.into())
}

proptest! {
    #[test]
    fn whoever_applies_the_events_holds_the_later_state(before in model(), after in model()) {
        let events = diff(before.objects(), after.objects());
        let mut held = before;
        for event in &events {
            held.apply(event);
        }
        prop_assert_eq!(held.objects(), after.objects());
        prop_assert_eq!(diff(after.objects(), after.objects()), Vec::new());
        // An object is told of once, and names are free before they are taken.
        let keys: BTreeMap<Key, usize> = events.iter().enumerate()
            .filter_map(|(place, event)| Some((key(event.object.as_ref()?)?, place))).collect();
        prop_assert_eq!(keys.len(), events.len());
        let gone = events.iter().take_while(|event| is(event, ChangeType::Removed)).count();
        prop_assert!(!events[gone..].iter().any(|event| is(event, ChangeType::Removed)));
    }

    #[test]
    fn an_index_finds_what_a_search_finds(objects in proptest::collection::vec((object(), any::<bool>()), 0..40)) {
        let mut model = Model::default();
        for (object, stays) in objects {
            let key = key(&object).unwrap();
            model.put(object);
            if !stays {
                model.remove(&key);
            }
        }
        for (key, object) in model.objects() {
            let common = Common::of(object).unwrap();
            let found = model.find(key.kind, "", common.name).unwrap();
            prop_assert_eq!(Common::of(model.get(&found).unwrap()).unwrap().name, common.name);
            if !key.id.is_empty() {
                let by_id = model.find(key.kind, &key.id.to_uppercase(), "");
                prop_assert_eq!(by_id.as_ref(), Some(key));
            }
            if let Some(Object::Resource(resource)) = &object.object {
                prop_assert!(model.resources_of(&resource.group_id).contains(key));
            }
        }
        let members: usize = (0..4).map(|group| model.resources_of(&format!("group-{group}")).len()).sum();
        prop_assert_eq!(members, model.of(v1::ObjectKind::Resource).count());
    }

    #[test]
    fn a_change_says_what_was_before(
        (before, after) in (0..11).prop_flat_map(|kind| (object_of(kind), object_of(kind))),
    ) {
        let (was, now) = (Common::of(&before).unwrap(), Common::of(&after).unwrap());
        let Some(event) = change(Some(&before), Some(&after)) else {
            prop_assert_eq!(before, after);
            return Ok(());
        };
        prop_assert_ne!(&before, &after);
        prop_assert_eq!(is(&event, ChangeType::State), was.native_state != now.native_state);
        prop_assert_eq!(event.native_state_before, was.native_state.filter(|_| was.native_state != now.native_state));
        prop_assert_eq!(is(&event, ChangeType::Owner), was.owner != now.owner);
        prop_assert_eq!(is(&event, ChangeType::Name), was.name != now.name);
        prop_assert_eq!(event.name_before.as_str(), if was.name == now.name { "" } else { was.name });
        prop_assert_eq!(is(&event, ChangeType::Group), was.group != now.group);
        prop_assert!(!event.changes.is_empty() && !event.changed_fields.is_empty());
    }
}

#[test]
fn the_fields_that_have_changed_are_named_as_in_the_contract() {
    let before = v1::Resource {
        id: "r".into(),
        name: "Disk".into(),
        group: "A".into(),
        group_id: "a".into(),
        revision: 7,
        ..v1::Resource::default()
    };
    let after = v1::Resource {
        group: "B".into(),
        group_id: "b".into(),
        separate_monitor: true,
        state: v1::ResourceState::Online.into(),
        native_state: 2,
        revision: 9,
        ..before.clone()
    };
    let event = change(
        Some(&wrap(Object::Resource(before.clone()))),
        Some(&wrap(Object::Resource(after))),
    )
    .unwrap();
    assert_eq!(
        event.changed_fields,
        ["state", "native_state", "group", "group_id", "separate_monitor"]
    );
    assert_eq!(
        event.changes().collect::<Vec<_>>(),
        [ChangeType::State, ChangeType::Group, ChangeType::Properties]
    );
    assert_eq!(event.group_before, "A");
    let revised = v1::Resource {
        revision: 8,
        ..before.clone()
    };
    let revised = change(
        Some(&wrap(Object::Resource(before))),
        Some(&wrap(Object::Resource(revised))),
    );
    assert_eq!(revised, None, "a revision is no change");
}

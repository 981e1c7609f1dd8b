//! Notifications of a cluster: whatever their kinds, names and payloads, they are understood or make a gap, and the events
//! that they become tell exactly what has changed.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use wsfc_clusapi::notify::{Notification, payload};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, ChangeType, InventoryObject};
use wsfcd::inventory::diff::diff;
use wsfcd::inventory::hearing::Hearing;
use wsfcd::inventory::model::Model;

#[derive(Debug, Arbitrary)]
struct Told {
    object_type: u8,
    flag_bit: u8,
    object: Naming,
    parent: Naming,
    named: Naming,
    payload: Payload,
}

/// An id or a name: one that the cluster has, or any.
#[derive(Debug, Arbitrary)]
enum Naming {
    Known(u8),
    Any(String),
}

#[derive(Debug, Arbitrary)]
enum Payload {
    Bytes(Vec<u8>),
    State(i32),
    Text(String),
}

/// Ids and names of the objects below.
const KNOWN: [&str; 8] = ["", "1", "2", "node1", "node2", "Group", "g", "r"];

impl Naming {
    fn text(&self) -> String {
        match self {
            Self::Known(number) => KNOWN[usize::from(*number) % KNOWN.len()].into(),
            Self::Any(text) => text.clone(),
        }
    }
}

impl Told {
    fn notification(&self) -> Notification {
        Notification {
            object_type: self.object_type.into(),
            flag: 1_i64.wrapping_shl(self.flag_bit.into()),
            key: 0,
            object_id: self.object.text(),
            parent_id: self.parent.text(),
            name: self.named.text(),
            resource_type: String::new(),
            payload: match &self.payload {
                Payload::Bytes(bytes) => bytes.clone(),
                Payload::State(state) => state.to_le_bytes().to_vec(),
                Payload::Text(text) => text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect(),
            },
        }
    }
}

/// A small cluster.
fn model() -> Model {
    let node = |id: &str, name: &str| {
        Object::Node(v1::Node {
            id: id.into(),
            name: name.into(),
            ..v1::Node::default()
        })
    };
    let objects = [
        Object::Cluster(v1::ClusterState {
            name: "cluster".into(),
            id: "c".into(),
            ..v1::ClusterState::default()
        }),
        node("1", "node1"),
        node("2", "node2"),
        Object::Group(v1::Group {
            id: "g".into(),
            name: "Group".into(),
            owner_node: "node1".into(),
            ..v1::Group::default()
        }),
        Object::Resource(v1::Resource {
            id: "r".into(),
            name: "r".into(),
            group: "Group".into(),
            group_id: "g".into(),
            ..v1::Resource::default()
        }),
        Object::Network(v1::Network {
            id: "1".into(),
            name: "1".into(),
            ..v1::Network::default()
        }),
        Object::Quorum(v1::Quorum::default()),
    ];
    let objects = objects.into_iter().map(|object| InventoryObject {
        cluster_id: "c".into(),
        object: Some(object),
    });
    objects.collect()
}

fuzz_target!(|told: Vec<Told>| {
    let mut model = model();
    let mut watcher = model.clone();
    for told in told {
        let notification = told.notification();
        // Each reader of payloads sees each payload, also those that its kind never has.
        let bytes = &notification.payload;
        let _ = (payload::state(bytes), payload::dword(bytes), payload::text(bytes));
        let _ = (payload::membership(bytes), payload::properties(bytes));
        let mut hearing = Hearing::default();
        let _ = hearing.hear(&mut model, &notification);
        for event in hearing.events {
            let Some(object) = event.object else { continue };
            if event.changes.contains(&ChangeType::Removed.into()) {
                let gone = wsfcd::inventory::object::key(&object).expect("an event names its object");
                watcher.remove(&gone);
            } else {
                watcher.put(object);
            }
        }
        let missed = diff(watcher.objects(), model.objects());
        assert!(missed.is_empty(), "not told: {missed:?}");
    }
});

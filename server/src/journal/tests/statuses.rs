//! What resources have reported: events without an object, found by the facts of their resource.

use wsfc_proto::v1::inventory_object::Object as Value;

use super::super::{ClusterId, Filter, Journal, MemoryBudget, MemoryStore, Options};
use super::events::{cluster, decode_events, event, group, object, poll, revision};
use super::{World, v1};

const STATUS: &[v1::ChangeType] = &[v1::ChangeType::ResourceStatus];

fn status(resource: &str, group: &str, node: &str) -> v1::ClusterEvent {
    v1::ClusterEvent {
        resource_status: Some(v1::ResourceStatus {
            resource: resource.into(),
            resource_id: format!("ID-of-{resource}"),
            group: group.into(),
            node: node.into(),
            check_point: 7,
            ..v1::ResourceStatus::default()
        }),
        ..event(STATUS, None)
    }
}

fn found(journal: &Journal, filter: Filter) -> Vec<u64> {
    let mut cursor = journal.events(filter, Some(0)).unwrap();
    let mut found = Vec::new();
    while let Some(batch) = poll(&mut cursor) {
        found.extend(decode_events(&batch.unwrap()).iter().map(revision));
    }
    found
}

fn filter(change: impl FnOnce(&mut v1::WatchFilter)) -> Filter {
    let mut filter = v1::WatchFilter::default();
    change(&mut filter);
    Filter::new(&filter)
}

fn resource(name: &str) -> v1::InventoryObject {
    object(Value::Resource(v1::Resource {
        name: name.into(),
        id: format!("id-of-{name}"),
        group: "Web".into(),
        owner_node: "n1".into(),
        ..v1::Resource::default()
    }))
}

#[test]
fn statuses_are_found_by_the_facts_of_their_resource_and_change_no_object() {
    // From memory, and from the store.
    for records in [1_024, 0] {
        let store = MemoryStore::new();
        let options = Options {
            event_memory: MemoryBudget {
                records,
                bytes: usize::MAX,
            },
            ..Options::default()
        };
        let mut world = World::on(Box::new(store.clone()), options.clone());
        let added = &[v1::ChangeType::Added];
        world.observe(vec![
            event(added, Some(cluster())),
            event(added, Some(group("Web", "g-1", "n1"))),
            event(added, Some(resource("App"))),
        ]);
        let before: Vec<_> = world.journal.inventory().all().cloned().collect();
        // The fourth to the sixth; the last is of a resource and a group that the inventory does not know.
        world.observe(vec![status("App", "Web", "n1"), status("Other", "Strange", "N2")]);
        world.observe(vec![status("App", "", "")]);
        let check = |journal: &Journal| {
            let inventory = journal.inventory();
            assert_eq!((inventory.revision(), inventory.len()), (6, before.len()));
            assert!(inventory.all().eq(&before), "a status changes no object");
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let resources = vec![v1::ObjectKind::Resource.into()];
            assert_eq!(found(journal, filter(|it| it.changes = vec![12])), [4, 5, 6]);
            assert_eq!(found(journal, filter(|it| it.kinds = resources)), [3, 4, 5, 6]);
            assert_eq!(found(journal, filter(|it| it.names = names(&["APP"]))), [3, 4, 6]);
            assert_eq!(found(journal, filter(|it| it.names = names(&["id-of-OTHER"]))), [5]);
            assert_eq!(found(journal, filter(|it| it.groups = names(&["web"]))), [2, 3, 4]);
            assert_eq!(found(journal, filter(|it| it.groups = names(&["G-1"]))), [2, 4]);
            assert_eq!(found(journal, filter(|it| it.nodes = names(&["n2"]))), [5]);
            let of_cluster = |id: &str| Filter::default().of_cluster(ClusterId::from(id), "cl1");
            assert_eq!(found(journal, of_cluster("id-of-cl1")), [1, 2, 3, 4, 5, 6]);
            assert_eq!(found(journal, of_cluster("another")), [0_u64; 0]);
        };
        check(&world.journal);
        drop(world);
        check(&World::on(Box::new(store), options).journal);
    }
}

#[test]
fn a_status_is_of_the_group_that_its_resource_has() {
    let mut world = World::new(Options::default());
    let added = &[v1::ChangeType::Added];
    let mut app = resource("App");
    if let Some(Value::Resource(app)) = &mut app.object {
        app.group_id = "g-1".into();
    }
    world.observe(vec![event(added, Some(cluster())), event(added, Some(app))]);
    // What was in another group when it reported is not of this one.
    world.observe(vec![status("App", "Web", "n1"), status("App", "Former", "n1")]);
    let of_group = |id: &str| filter(|it| it.groups = vec![id.into()]);
    assert_eq!(found(&world.journal, of_group("G-1")), [2, 3]);
    assert_eq!(found(&world.journal, of_group("former")), [4]);
}

#[test]
fn the_status_comes_back_as_it_was_told() {
    let mut world = World::new(Options::default());
    let told = status("App", "Web", "n1");
    world.observe(vec![told.clone()]);
    let mut cursor = world.journal.events(Filter::default(), Some(0)).unwrap();
    let events = decode_events(&poll(&mut cursor).unwrap().unwrap());
    let Some(v1::event::Event::Cluster(read)) = &events[0].event else {
        panic!("{events:?}")
    };
    assert!(read.time.is_some());
    assert_eq!(read.resource_status, told.resource_status);
    assert!(world.journal.inventory().is_empty());
    // Without a cluster that is known, its name alone counts.
    let of_cluster = |name: &str| Filter::default().of_cluster(ClusterId::from("id"), name);
    assert_eq!(found(&world.journal, of_cluster("cl1")), [1]);
    assert_eq!(found(&world.journal, of_cluster("cl2")), [0_u64; 0]);
}

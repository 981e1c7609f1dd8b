//! Events: what is observed is numbered, kept, and makes the inventory.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use prost::Message as _;
use wsfc_proto::v1::inventory_object::Object as Value;

use super::super::{
    ClusterId, EventBatch, EventCursor, Filter, Journal, MAX_APPEND, MemoryBudget, MemoryStore, ObserveError, Observed,
    Options, ReadError, Retention, Store as _, StoreFailed, Table, Write, appends, schema,
};
use super::{World, progress, succeeded, v1};

pub(super) fn object(value: Value) -> v1::InventoryObject {
    v1::InventoryObject {
        cluster_id: "id-of-cl1".into(),
        object: Some(value),
    }
}

pub(super) fn event(changes: &[v1::ChangeType], object: Option<v1::InventoryObject>) -> v1::ClusterEvent {
    v1::ClusterEvent {
        cluster: "CL1".into(),
        changes: changes.iter().map(|change| i32::from(*change)).collect(),
        object,
        ..v1::ClusterEvent::default()
    }
}

pub(super) fn cluster() -> v1::InventoryObject {
    object(Value::Cluster(v1::ClusterState {
        name: "CL1".into(),
        id: "id-of-cl1".into(),
        ..v1::ClusterState::default()
    }))
}

pub(super) fn group(name: &str, id: &str, owner: &str) -> v1::InventoryObject {
    object(Value::Group(v1::Group {
        name: name.into(),
        id: id.into(),
        owner_node: owner.into(),
        ..v1::Group::default()
    }))
}

fn gap() -> v1::ClusterEvent {
    v1::ClusterEvent {
        gap: Some(v1::Gap {
            reason: "LOST_NOTIFICATIONS".into(),
            status: None,
        }),
        ..event(&[v1::ChangeType::Gap], None)
    }
}

const ADDED: &[v1::ChangeType] = &[v1::ChangeType::Added];
const REMOVED: &[v1::ChangeType] = &[v1::ChangeType::Removed];

impl World {
    pub(super) fn observe(&mut self, events: Vec<v1::ClusterEvent>) -> Observed {
        let reply = self.journal.observe(events);
        self.answer(reply).unwrap()
    }
}

/// The events of a batch, as a client decodes them.
pub(super) fn decode_events(batch: &EventBatch) -> Vec<v1::Event> {
    let message = v1::WatchResponse::decode(batch.parts.concat().as_slice()).unwrap();
    assert_eq!(message.events.len() as u64, batch.count);
    message.events
}

pub(super) fn revision(event: &v1::Event) -> u64 {
    match event.event.as_ref().unwrap() {
        v1::event::Event::Operation(record) => record.revision,
        v1::event::Event::Cluster(event) => event.revision,
    }
}

/// Polls once, as often as the cursor wakes itself.
pub(super) fn poll(cursor: &mut EventCursor) -> Option<Result<EventBatch, ReadError>> {
    loop {
        let before = cursor.position();
        match cursor.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(news) => return news,
            Poll::Pending if cursor.position() == before => return None,
            Poll::Pending => {}
        }
    }
}

/// All events after a revision, through one batch after the other.
fn all(journal: &Journal, filter: &Filter, after: u64) -> Vec<v1::Event> {
    let mut cursor = journal.events(filter.clone(), Some(after)).unwrap();
    let mut events = Vec::new();
    while let Some(batch) = poll(&mut cursor) {
        events.extend(decode_events(&batch.unwrap()));
    }
    assert_eq!(cursor.position(), journal.head());
    events
}

fn revisions(events: &[v1::Event]) -> Vec<u64> {
    events.iter().map(revision).collect()
}

fn watch(names: &[&str], groups: &[&str], nodes: &[&str]) -> Filter {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Filter::new(&v1::WatchFilter {
        names: texts(names),
        groups: texts(groups),
        nodes: texts(nodes),
        ..v1::WatchFilter::default()
    })
}

/// In memory, and from the store.
fn budgets() -> [MemoryBudget; 3] {
    let budget = |records| MemoryBudget {
        records,
        bytes: usize::MAX,
    };
    [MemoryBudget::default(), budget(0), budget(3)]
}

#[test]
fn what_is_observed_is_numbered_and_makes_the_inventory() {
    let store = MemoryStore::new();
    let mut world = World::on(Box::new(store.clone()), Options::default());
    let id = world.begin(1);
    let observed = world.observe(vec![
        event(ADDED, Some(cluster())),
        event(ADDED, Some(group("SQL", "G-1", "n1"))),
        event(ADDED, Some(group("Web", "G-2", "n2"))),
    ]);
    assert_eq!((observed.first_revision, observed.last_revision), (2, 4));
    world.add(id, succeeded());
    let renamed = world.observe(vec![
        event(&[v1::ChangeType::Name], Some(group("sql 2", "g-1", "n1"))),
        event(REMOVED, Some(group("Web", "G-2", "n2"))),
        gap(),
    ]);
    assert_eq!((renamed.first_revision, renamed.last_revision), (6, 8));

    let check = |journal: &Journal| {
        let inventory = journal.inventory();
        assert_eq!(inventory.revision(), 8);
        let cluster = ClusterId::from("id-of-cl1");
        assert_eq!(inventory.clusters().collect::<Vec<_>>(), [&cluster]);
        assert_eq!(inventory.cluster_named("cl1"), Some(&cluster));
        assert_eq!(inventory.len(), 2);
        let find = |name| inventory.find(&cluster, v1::ObjectKind::Group, name);
        assert_eq!(find("SQL 2").unwrap().revision(), 6);
        assert_eq!(find("G-1").unwrap().name(), "sql 2");
        assert!(find("SQL").is_none() && find("G-2").is_none());
        let events = all(journal, &Filter::default(), 0);
        assert_eq!(revisions(&events), [2, 3, 4, 6, 7, 8]);
        let Some(v1::event::Event::Cluster(first)) = &events[1].event else {
            panic!("{events:?}")
        };
        assert!(first.time.is_some());
        assert!(matches!(&first.object.as_ref().unwrap().object, Some(Value::Group(group)) if group.revision == 3));
    };
    check(&world.journal);
    drop(world);
    check(&World::on(Box::new(store), Options::default()).journal);
}

#[test]
fn what_is_no_append_is_refused_and_changes_nothing() {
    let mut world = World::new(Options::default());
    let many: Vec<_> = (0..=MAX_APPEND)
        .map(|number| event(ADDED, Some(group("g", &number.to_string(), ""))))
        .collect();
    let large = v1::ClusterEvent {
        name_before: "x".repeat(2 << 20),
        ..gap()
    };
    for events in [Vec::new(), many.clone(), vec![large]] {
        let reply = world.journal.observe(events);
        assert!(matches!(world.answer(reply), Err(ObserveError::Size { .. })));
    }
    let stray = v1::InventoryObject {
        cluster_id: String::new(),
        ..group("g", "1", "")
    };
    for nameless in [stray, group("", "", ""), v1::InventoryObject::default()] {
        let reply = world.journal.observe(vec![gap(), event(ADDED, Some(nameless))]);
        assert!(matches!(world.answer(reply), Err(ObserveError::Nameless { index: 1 })));
    }
    assert_eq!(world.journal.head(), 0);
    for append in appends(many) {
        world.observe(append);
    }
    assert_eq!(world.journal.inventory().len(), MAX_APPEND + 1);
    world.journal.stop().wait_after(&mut world);
    let refused = world.journal.observe(vec![gap()]).wait();
    assert!(matches!(refused, Err(ObserveError::Failed(StoreFailed::Stopped))));
}

impl super::Reply<(), StoreFailed> {
    fn wait_after(self, world: &mut World) {
        world.answer(self).unwrap();
    }
}

#[test]
fn operations_are_part_of_the_same_order() {
    for event_memory in budgets() {
        let mut world = World::new(Options {
            event_memory,
            ..Options::default()
        });
        let (one, two) = (world.begin_running(1), world.begin_running(2));
        for number in 0..5 {
            world.observe(vec![event(ADDED, Some(group("g", &number.to_string(), ""))), gap()]);
            world.report(one, [number]);
            world.report(two, [number]);
        }
        world.observe(vec![event(ADDED, Some(cluster()))]);
        let everything = Filter::default().with_operations();
        let events = all(&world.journal, &everything, 0);
        assert_eq!(revisions(&events), (1..=world.journal.head()).collect::<Vec<_>>());
        for after in 0..=world.journal.head() {
            let skipped = usize::try_from(after).unwrap();
            assert_eq!(all(&world.journal, &everything, after), events[skipped..]);
            assert_eq!(
                all(&world.journal, &Filter::default(), after),
                events[skipped..]
                    .iter()
                    .filter(|event| matches!(event.event, Some(v1::event::Event::Cluster(_))))
                    .cloned()
                    .collect::<Vec<_>>()
            );
        }
        // The operations of the tests are about clusters of their number.
        let of_one = everything.of_cluster("other".into(), "CLUSTER-1.example.org");
        let records = all(&world.journal, &of_one, 0);
        assert_eq!(records.len(), 7);
        assert!(records.iter().all(|event| matches!(&event.event,
            Some(v1::event::Event::Operation(record)) if record.operation_id == one.to_string())));
    }
}

#[test]
fn an_append_is_never_parted() {
    for event_memory in budgets() {
        let mut world = World::new(Options {
            event_memory,
            ..Options::default()
        });
        let wide = |number: usize| event(ADDED, Some(group(&"x".repeat(900), &number.to_string(), "")));
        for size in [250, 1, 100, 3, 256] {
            world.observe((0..size).map(wide).collect());
        }
        let mut cursor = world.journal.events(Filter::default(), Some(0)).unwrap();
        let mut ends = Vec::new();
        while let Some(batch) = poll(&mut cursor) {
            ends.push(batch.unwrap().last);
        }
        assert!(ends.len() > 2, "{ends:?}");
        assert!(
            ends.iter().all(|end| [250, 251, 351, 354, 610].contains(end)),
            "{ends:?}"
        );
        // One that was parted by whoever resumes inside of it is given to its end.
        let mut cursor = world.journal.events(Filter::default(), Some(7)).unwrap();
        assert_eq!(poll(&mut cursor).unwrap().unwrap().last, 250);
    }
}

#[test]
fn filters_admit_what_they_say() {
    for event_memory in budgets() {
        let mut world = World::new(Options {
            event_memory,
            ..Options::default()
        });
        let resource = |group: &str, owner: &str| {
            object(Value::Resource(v1::Resource {
                name: "Disk".into(),
                id: "R-1".into(),
                group: group.into(),
                group_id: "G-1".into(),
                owner_node: owner.into(),
                ..v1::Resource::default()
            }))
        };
        let node = object(Value::Node(v1::Node {
            name: "N1".into(),
            id: "1".into(),
            ..v1::Node::default()
        }));
        let moved = v1::ClusterEvent {
            owner_before: "N1".into(),
            ..event(&[v1::ChangeType::Owner], Some(group("SQL", "G-1", "N2")))
        };
        let renamed = v1::ClusterEvent {
            name_before: "SQL".into(),
            ..event(&[v1::ChangeType::Name], Some(group("Ödland", "G-1", "N2")))
        };
        let regrouped = v1::ClusterEvent {
            group_before: "Other".into(),
            ..event(&[v1::ChangeType::Group], Some(resource("Ödland", "N2")))
        };
        world.observe(vec![
            event(ADDED, Some(cluster())),                 // 1
            event(ADDED, Some(node)),                      // 2
            event(ADDED, Some(group("SQL", "G-1", "N1"))), // 3
            event(ADDED, Some(resource("SQL", "N1"))),     // 4
            moved,                                         // 5
            renamed,                                       // 6
            regrouped,                                     // 7
        ]);
        world.observe(vec![gap()]); // 8
        let found = |filter: &Filter| revisions(&all(&world.journal, filter, 0));
        assert_eq!(found(&watch(&["sql"], &[], &[])), [3, 5, 6, 8], "a former name counts");
        assert_eq!(found(&watch(&["g-1"], &[], &[])), [3, 5, 6, 8]);
        assert_eq!(found(&watch(&["ÖDLAND", "disk"], &[], &[])), [4, 6, 7, 8]);
        assert_eq!(found(&watch(&[], &["SQL"], &[])), [3, 4, 5, 6, 8]);
        assert_eq!(found(&watch(&[], &["G-1"], &[])), [3, 4, 5, 6, 7, 8]);
        assert_eq!(found(&watch(&[], &["other"], &[])), [7, 8]);
        assert_eq!(
            found(&watch(&[], &[], &["n1"])),
            [2, 3, 4, 5, 8],
            "and what it owned before"
        );
        assert_eq!(found(&watch(&["SQL"], &[], &["n2"])), [5, 6, 8], "all conditions hold");
        let kinds = v1::WatchFilter {
            kinds: vec![v1::ObjectKind::Resource.into()],
            changes: vec![v1::ChangeType::Added.into()],
            ..v1::WatchFilter::default()
        };
        assert_eq!(found(&Filter::new(&kinds)), [4, 8]);
        let here = Filter::default().of_cluster("id-of-cl1".into(), "cl1");
        assert_eq!(found(&here).len(), 8);
        let elsewhere = Filter::default().of_cluster("id-of-cl2".into(), "cl2");
        assert_eq!(found(&elsewhere), [0_u64; 0]);

        let inventory = world.journal.inventory();
        let mut room = Vec::new();
        let mut snapshot = |filter: &Filter| {
            let admitted = inventory.all().filter(|object| filter.admits_object(object, &mut room));
            admitted.map(|object| object.key().to_owned()).collect::<Vec<_>>()
        };
        let mut walked = vec![inventory.all().next().unwrap()];
        while let Some(next) = inventory.all_after(walked[walked.len() - 1]).next() {
            walked.push(next);
        }
        assert!(walked.into_iter().eq(inventory.all()));
        assert_eq!(snapshot(&Filter::default()), ["", "1", "g-1", "r-1"]);
        assert_eq!(snapshot(&Filter::new(&kinds)), ["r-1"], "changes are not regarded");
        assert_eq!(snapshot(&watch(&[], &["ödland"], &[])), ["g-1", "r-1"]);
        assert_eq!(snapshot(&here).len(), 4);
        assert!(snapshot(&elsewhere).is_empty());
    }
}

#[test]
fn many_or_old_events_go_and_a_watch_is_told_how_far_back_it_may_begin() {
    let retention = Retention {
        keep_events: 10,
        ..Retention::default()
    };
    let store = MemoryStore::new();
    let options = Options {
        retention,
        ..Options::default()
    };
    let mut world = World::on(Box::new(store.clone()), options.clone());
    for number in 0..20 {
        world.observe(vec![event(ADDED, Some(group("g", &number.to_string(), "")))]);
    }
    let refused = |journal: &Journal, after| match journal.events(Filter::default(), Some(after)) {
        Err(ReadError::Compacted { oldest }) => Some(oldest),
        Err(error) => panic!("{error}"),
        Ok(_) => None,
    };
    let oldest = world.journal.oldest_revision();
    assert!((10..=11).contains(&oldest), "{oldest}");
    assert_eq!(refused(&world.journal, oldest - 2), Some(oldest));
    assert_eq!(refused(&world.journal, oldest - 1), None);
    assert_eq!(
        revisions(&all(&world.journal, &Filter::default(), oldest - 1)),
        (oldest..=20).collect::<Vec<_>>()
    );
    assert!(matches!(
        world.journal.events(Filter::default(), Some(21)),
        Err(ReadError::Future { last: 20 })
    ));
    assert!(matches!(
        world.journal.events(Filter::default(), Some(u64::MAX)),
        Err(ReadError::Future { .. })
    ));
    // A cursor that was open is told as well.
    let mut behind = world.journal.events(Filter::default(), Some(oldest)).unwrap();
    drop(world);
    let mut world = World::on(Box::new(store), options);
    assert_eq!(refused(&world.journal, oldest - 2), Some(oldest));
    let mut lagging = world.journal.events(Filter::default(), Some(oldest)).unwrap();
    world.advance(Duration::from_secs(31 * 24 * 60 * 60));
    world.settle();
    assert_eq!(refused(&world.journal, 19), Some(21));
    assert_eq!(refused(&world.journal, 20), None);
    assert!(matches!(
        poll(&mut lagging),
        Some(Err(ReadError::Compacted { oldest: 21 }))
    ));
    assert!(poll(&mut lagging).is_none());
    assert!(matches!(poll(&mut behind), Some(Ok(batch)) if batch.count > 0));
    assert_eq!(world.journal.inventory().len(), 20, "objects stay");
}

#[test]
fn records_that_were_compacted_are_never_passed_over_in_silence() {
    for event_memory in budgets() {
        let retention = Retention {
            keep_operations: 0,
            ..Retention::default()
        };
        let mut world = World::new(Options {
            retention,
            event_memory,
            ..Options::default()
        });
        let id = world.begin_running(1);
        world.observe(vec![gap()]);
        world.report(id, [1]);
        assert_eq!(all(&world.journal, &Filter::default().with_operations(), 0).len(), 4);
        world.add(id, succeeded());
        world.observe(vec![gap()]);
        let everything = Filter::default().with_operations();
        for after in 0..5 {
            assert!(matches!(
                world.journal.events(everything.clone(), Some(after)),
                Err(ReadError::Compacted { oldest: 6 })
            ));
        }
        assert_eq!(revisions(&all(&world.journal, &everything, 5)), [6]);
    }
}

#[test]
fn a_store_of_the_first_format_is_taken_as_it_is() {
    let mut store = MemoryStore::new();
    let mut world = World::on(Box::new(store.clone()), Options::default());
    let id = world.begin_running(1);
    drop(world);
    // What the former format did not have is taken away.
    let forget = |name: &[u8]| schema::delete(Table::Meta, name.to_vec());
    store
        .commit(&[
            schema::put_meta(schema::meta::FORMAT, &1_u64.to_be_bytes()),
            forget(schema::meta::LAST_EVENT),
            forget(schema::meta::OLDEST_REVISION),
        ])
        .unwrap();
    for _ in 0..2 {
        let mut world = World::on(Box::new(store.clone()), Options::default());
        assert_eq!(world.records(id, 0, usize::MAX).len(), 2);
        assert!(world.journal.inventory().is_empty());
        assert!(matches!(
            world.journal.events(Filter::default(), Some(1)),
            Err(ReadError::Compacted { oldest: 3 })
        ));
        world.settle();
    }
    let mut world = World::on(Box::new(store), Options::default());
    world.observe(vec![event(ADDED, Some(cluster()))]);
    assert_eq!(revisions(&all(&world.journal, &Filter::default(), 2)), [3]);
}

#[test]
fn a_cursor_wakes_for_what_it_follows_and_moves_over_the_rest() {
    use super::basics::Bell;
    let mut world = World::new(Options::default());
    let id = world.begin_running(1);
    let bells: [Arc<Bell>; 3] = std::array::from_fn(|_| Arc::default());
    let lane = world.journal.lane();
    let mut cursors = [
        lane.events(Filter::default(), None).unwrap(),
        lane.events(Filter::default().with_operations(), None).unwrap(),
        lane.events(watch(&["sql"], &[], &[]), None).unwrap(),
    ];
    let poll = |cursors: &mut [EventCursor; 3]| -> [Option<u64>; 3] {
        std::array::from_fn(|i| {
            let waker = Waker::from(Arc::clone(&bells[i]));
            match cursors[i].poll_next(&mut Context::from_waker(&waker)) {
                Poll::Pending => None,
                Poll::Ready(batch) => Some(batch.unwrap().unwrap().last),
            }
        })
    };
    assert_eq!(poll(&mut cursors), [None, None, None]);
    world.journal.progress(id).push(progress(1));
    world.settle();
    assert_eq!(bells.each_ref().map(|bell| bell.rings()), [0, 1, 0]);
    assert_eq!(poll(&mut cursors), [None, Some(3), None]);
    assert_eq!(
        cursors.each_ref().map(EventCursor::position),
        [3, 3, 3],
        "an idle mark moves on"
    );
    assert_eq!(poll(&mut cursors), [None, None, None]);
    world.observe(vec![event(ADDED, Some(group("web", "1", "")))]);
    assert_eq!(bells.each_ref().map(|bell| bell.rings()), [1, 1, 1]);
    assert_eq!(poll(&mut cursors), [Some(4), Some(4), None]);
    assert_eq!(cursors[2].position(), 4, "what is not admitted is behind it");
    world.journal.stop().wait_after(&mut world);
    assert!(matches!(
        cursors[2].poll_next(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(Some(Err(ReadError::Failed(StoreFailed::Stopped))))
    ));
}

#[test]
fn a_snapshot_and_its_cursor_are_of_one_revision() {
    let mut world = World::new(Options::default());
    world.observe(vec![event(ADDED, Some(group("a", "1", "")))]);
    let (inventory, mut cursor) = world.journal.lane().snapshot(Filter::default());
    world.observe(vec![
        event(ADDED, Some(group("b", "2", ""))),
        event(REMOVED, Some(group("a", "1", ""))),
    ]);
    assert_eq!((inventory.revision(), inventory.len()), (1, 1), "a view never changes");
    assert_eq!(revisions(&decode_events(&poll(&mut cursor).unwrap().unwrap())), [2, 3]);
    assert!(poll(&mut cursor).is_none());
}

#[test]
fn events_of_one_commit_are_sent_without_a_copy() {
    let mut world = World::new(Options::default());
    world.observe(
        (0..9)
            .map(|id| event(ADDED, Some(group("a", &id.to_string(), ""))))
            .collect(),
    );
    let batch = || {
        let mut cursor = world.journal.events(Filter::default(), Some(0)).unwrap();
        poll(&mut cursor).unwrap().unwrap()
    };
    let (one, other) = (batch(), batch());
    assert_eq!((one.count, one.parts.len()), (9, 1));
    assert_eq!(one.parts[0].as_ptr(), other.parts[0].as_ptr());
}

#[test]
fn a_missing_or_rotten_event_is_noticed() {
    for (at, gone) in [(2_u64, true), (3, true), (5, true), (2, false), (5, false)] {
        let mut store = MemoryStore::new();
        let options = Options {
            event_memory: budgets()[1],
            ..Options::default()
        };
        let mut world = World::on(Box::new(store.clone()), options.clone());
        for id in 0..5_u32 {
            world.observe(vec![event(ADDED, Some(group("a", &id.to_string(), "")))]);
        }
        let value = (!gone).then(|| vec![1, 2, 3, 4, 5]);
        store
            .commit(&[Write {
                table: Table::Events,
                key: at.to_be_bytes().to_vec(),
                value,
            }])
            .unwrap();
        for filter in [
            Filter::default(),
            Filter::default().with_operations(),
            watch(&["b"], &[], &[]),
        ] {
            let mut cursor = world.journal.events(filter, Some(0)).unwrap();
            assert!(
                matches!(poll(&mut cursor), Some(Err(ReadError::Damaged { .. }))),
                "{at} {gone}"
            );
        }
    }
}

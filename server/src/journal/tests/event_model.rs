//! Watching against the plainest model: a vector of events, a map of objects, and filters that are written twice.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use wsfc_proto::v1::inventory_object::Object as Value;

use super::super::{EventCursor, Filter, MemoryBudget, MemoryStore, Options, ReadError, Retention};
use super::events::{decode_events, event, group, poll, revision};
use super::{Append, Step, Uuid, World, operation, progress, started, succeeded, v1};

#[derive(Clone, Debug)]
enum Action {
    /// One append: which group, its owner, and what happens to it.
    Observe(Vec<(u8, u8, Change)>),
    Begin,
    Report(usize, u8),
    End(usize),
    /// Follows with a filter from this revision on; more than there are asks for the future.
    Follow(usize, u64),
    /// Lets a watcher go, and come back at its last mark.
    Return(usize),
    Settle,
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Put,
    Remove,
    Gap,
}

fn action() -> impl Strategy<Value = Action> {
    let change = prop_oneof![6 => Just(Change::Put), 2 => Just(Change::Remove), 1 => Just(Change::Gap)];
    let events = proptest::collection::vec((0..6_u8, 0..3_u8, change), 1..6);
    prop_oneof![
        6 => events.prop_map(Action::Observe),
        1 => Just(Action::Begin),
        3 => (0..4_usize, 1..6_u8).prop_map(|(who, count)| Action::Report(who, count)),
        1 => (0..4_usize).prop_map(Action::End),
        5 => (0..FILTERS, 0..150_u64).prop_map(|(filter, after)| Action::Follow(filter, after)),
        2 => (0..8_usize).prop_map(Action::Return),
        4 => Just(Action::Settle),
        1 => Just(Action::Restart),
    ]
}

const FILTERS: usize = 6;

/// The filters, as the journal has them.
fn filter(index: usize) -> Filter {
    let texts = |text: &str| vec![text.to_owned()];
    let mut filter = v1::WatchFilter::default();
    match index {
        0 => return Filter::default().with_operations(),
        2 => filter.names = texts("GROUP 1"),
        3 => filter.nodes = texts("N1"),
        4 => filter.changes = vec![v1::ChangeType::Removed.into()],
        5 => return Filter::default().of_cluster("id-of-cl1".into(), "cl1"),
        _ => {}
    }
    Filter::new(&filter)
}

/// The same filters, said plainly.
fn admits(index: usize, event: &v1::Event) -> bool {
    let Some(v1::event::Event::Cluster(event)) = &event.event else {
        return index == 0;
    };
    let Some(Value::Group(group)) = event.object.as_ref().and_then(|object| object.object.as_ref()) else {
        return true;
    };
    match index {
        2 => group.name == "group 1",
        3 => group.owner_node == "n1" || event.owner_before == "n1",
        4 => event.changes == [i32::from(v1::ChangeType::Removed)],
        _ => true,
    }
}

struct Watcher {
    filter: usize,
    cursor: EventCursor,
}

struct Test {
    store: MemoryStore,
    options: Options,
    world: World,
    /// What was handed over of cluster events, and is not yet durable.
    handed: VecDeque<v1::ClusterEvent>,
    /// Everything, by revision.
    history: Vec<v1::Event>,
    objects: BTreeMap<String, v1::InventoryObject>,
    operations: Vec<bool>,
    watchers: Vec<Watcher>,
}

impl Test {
    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        let id = |who: usize| Uuid::from_u128(who as u128);
        let lives = |operations: &[bool], who: usize| operations.get(who).copied().unwrap_or(false);
        match action {
            Action::Observe(changes) => {
                let events: Vec<_> = changes.iter().map(|change| make(*change)).collect();
                self.handed.extend(events.iter().cloned());
                drop(self.world.journal.observe(events));
            }
            Action::Begin => {
                let number = self.operations.len();
                self.operations.push(true);
                drop(self.world.journal.accept(operation(number as u128)));
                drop(self.world.journal.append(Append::new(id(number), started())));
            }
            Action::Report(who, count) if lives(&self.operations, *who) => {
                let sink = self.world.journal.progress(id(*who));
                (0..*count).for_each(|percent| sink.push(progress(percent.into())));
            }
            Action::End(who) if lives(&self.operations, *who) => {
                self.operations[*who] = false;
                drop(self.world.journal.append(Append::new(id(*who), succeeded())));
            }
            Action::Report(..) | Action::End(_) => {}
            Action::Follow(filter, after) => self.follow(*filter, *after)?,
            Action::Return(who) => {
                if *who < self.watchers.len() {
                    let Watcher { filter, cursor } = self.watchers.swap_remove(*who);
                    self.follow(filter, cursor.position())?;
                }
            }
            Action::Settle => self.settle()?,
            Action::Restart => {
                self.settle()?;
                let places: Vec<_> = self
                    .watchers
                    .drain(..)
                    .map(|watcher| (watcher.filter, watcher.cursor.position()))
                    .collect();
                self.world = World::on(Box::new(self.store.clone()), self.options.clone());
                for (filter, position) in places {
                    self.follow(filter, position)?;
                }
                self.settle()?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, index: usize, after: u64) -> Result<(), TestCaseError> {
        let head = self.history.len() as u64;
        match self.world.journal.events(filter(index), Some(after)) {
            Ok(cursor) => {
                prop_assert!(after <= head);
                self.watchers.push(Watcher { filter: index, cursor });
            }
            Err(error) => self.is_true(after, &error)?,
        }
        Ok(())
    }

    fn is_true(&self, after: u64, error: &ReadError) -> Result<(), TestCaseError> {
        let head = self.history.len() as u64;
        match error {
            ReadError::Future { last } => prop_assert!(*last == head && after > head),
            ReadError::Compacted { oldest } => {
                prop_assert!(after + 1 < *oldest && *oldest <= head + 1);
                prop_assert_eq!(self.world.journal.oldest_revision(), *oldest);
            }
            error => prop_assert!(false, "{error}"),
        }
        Ok(())
    }

    /// Lets the writer work, one step at a time, so that cursors meet compactions that are half done.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        loop {
            let step = self.world.writer.step();
            self.learn()?;
            self.watch()?;
            if step == Step::Idle {
                break;
            }
        }
        prop_assert!(self.handed.is_empty());
        Ok(())
    }

    /// Takes what has become durable, and makes the model's inventory of it.
    fn learn(&mut self) -> Result<(), TestCaseError> {
        let known = self.history.len() as u64;
        let Ok(mut cursor) = self.world.journal.events(filter(0), Some(known)) else {
            return Err(TestCaseError::fail("what has just become durable is gone"));
        };
        while let Some(batch) = poll(&mut cursor) {
            for event in decode_events(&batch.map_err(|error| TestCaseError::fail(error.to_string()))?) {
                prop_assert_eq!(revision(&event), self.history.len() as u64 + 1);
                if let Some(v1::event::Event::Cluster(event)) = &event.event {
                    let handed = self.handed.pop_front().unwrap();
                    prop_assert_eq!(&handed.changes, &event.changes);
                    self.apply(event)?;
                }
                self.history.push(event);
            }
        }
        let inventory = self.world.journal.inventory();
        prop_assert_eq!(inventory.revision(), self.history.len() as u64);
        let found: BTreeMap<_, _> = inventory
            .all()
            .map(|object| (object.key().to_owned(), v1::InventoryObject::clone(object)))
            .collect();
        prop_assert_eq!(&found, &self.objects, "the inventory is the fold of the events");
        Ok(())
    }

    fn apply(&mut self, event: &v1::ClusterEvent) -> Result<(), TestCaseError> {
        let Some(object) = &event.object else { return Ok(()) };
        let Some(Value::Group(group)) = &object.object else {
            return Err(TestCaseError::fail("not a group"));
        };
        if event.changes == [i32::from(v1::ChangeType::Removed)] {
            self.objects.remove(&group.id);
        } else {
            prop_assert_eq!(group.revision, event.revision);
            self.objects.insert(group.id.clone(), object.clone());
        }
        Ok(())
    }

    /// Each watcher gets what its filter admits, from where it was, and nothing else.
    fn watch(&mut self) -> Result<(), TestCaseError> {
        let mut kept = Vec::new();
        for mut watcher in std::mem::take(&mut self.watchers) {
            let lost = loop {
                let after = watcher.cursor.position();
                match poll(&mut watcher.cursor) {
                    None => break false,
                    Some(Ok(batch)) => {
                        prop_assert_eq!(watcher.cursor.position(), batch.last);
                        let range = usize::try_from(after).unwrap()..usize::try_from(batch.last).unwrap();
                        let expected = self.history[range].iter().filter(|event| admits(watcher.filter, event));
                        prop_assert_eq!(decode_events(&batch), expected.cloned().collect::<Vec<_>>());
                    }
                    Some(Err(error)) => {
                        self.is_true(after, &error)?;
                        break true;
                    }
                }
            };
            if !lost {
                prop_assert_eq!(
                    watcher.cursor.position(),
                    self.history.len() as u64,
                    "a cursor hangs behind"
                );
                kept.push(watcher);
            }
        }
        self.watchers = kept;
        Ok(())
    }
}

fn make((which, owner, change): (u8, u8, Change)) -> v1::ClusterEvent {
    let group = group(&format!("group {which}"), &format!("id {which}"), &format!("n{owner}"));
    match change {
        Change::Put => v1::ClusterEvent {
            owner_before: format!("n{}", (owner + 1) % 3),
            ..event(&[v1::ChangeType::Owner], Some(group))
        },
        Change::Remove => event(&[v1::ChangeType::Removed], Some(group)),
        Change::Gap => event(&[v1::ChangeType::Gap], None),
    }
}

proptest! {
    #[test]
    fn watchers_get_what_they_want_from_wherever_they_were(
        keep_events in 0..30_u64,
        keep_operations in prop_oneof![Just(0_usize), Just(2), Just(1000)],
        records in prop_oneof![Just(0_usize), 1..30_usize, Just(65_536)],
        actions in proptest::collection::vec(action(), 1..60),
    ) {
        let retention = Retention { keep_events, keep_operations, ..Retention::default() };
        let event_memory = MemoryBudget { records, bytes: usize::MAX };
        let options = Options { retention, event_memory, ..Options::default() };
        let store = MemoryStore::new();
        let world = World::on(Box::new(store.clone()), options.clone());
        let mut test = Test {
            store,
            options,
            world,
            handed: VecDeque::new(),
            history: Vec::new(),
            objects: BTreeMap::new(),
            operations: Vec::new(),
            watchers: Vec::new(),
        };
        for action in &actions {
            test.act(action)?;
        }
        test.settle()?;
    }
}

//! A damaged store: nothing wrong is ever served.

use std::ops::{Bound, ControlFlow};
use std::sync::OnceLock;

use proptest::prelude::*;

use super::super::{
    AppendError, Filter, Journal, MemoryBudget, MemoryStore, OpenError, Opened, Options, Order, ReadError,
    Snapshots as _, Store as _, StoreError, Table, Write,
};
use super::events::{cluster, decode_events, event, group, poll, revision};
use super::{Append, Uuid, World, decode, platform, started, succeeded, v1};

/// Nothing in memory, so that every read meets the store.
fn options() -> Options {
    let memory = MemoryBudget { records: 0, bytes: 0 };
    Options {
        memory,
        event_memory: memory,
        ..Options::default()
    }
}

/// What a journal holds.
#[derive(Clone)]
struct Expected {
    operations: Vec<(Uuid, Vec<v1::OperationRecord>)>,
    /// Every event and record, by revision.
    history: Vec<v1::Event>,
    objects: Vec<v1::InventoryObject>,
}

/// Two operations, one of which has ended, and events among their records.
fn fill(world: &mut World) -> Expected {
    let (one, two) = (world.begin_running(1), world.begin_running(2));
    world.observe(vec![event(&[v1::ChangeType::Added], Some(cluster()))]);
    for percent in 0..20 {
        world.report(one, [percent]);
        let id = (percent % 7).to_string();
        let change = match percent % 3 {
            0 => v1::ChangeType::Removed,
            _ => v1::ChangeType::State,
        };
        world.observe(vec![
            event(&[change], Some(group("g", &id, "n1"))),
            event(&[v1::ChangeType::Gap], None),
        ]);
        world.report(two, [percent]);
    }
    world.add(one, succeeded());
    let mut cursor = world.journal.events(everything(), Some(0)).unwrap();
    let mut history = Vec::new();
    while let Some(batch) = poll(&mut cursor) {
        history.extend(decode_events(&batch.unwrap()));
    }
    assert_eq!(history.len() as u64, world.journal.head());
    Expected {
        operations: [one, two].map(|id| (id, world.records(id, 0, usize::MAX))).to_vec(),
        history,
        objects: objects(&world.journal),
    }
}

fn everything() -> Filter {
    Filter::default().with_operations()
}

fn objects(journal: &Journal) -> Vec<v1::InventoryObject> {
    journal.inventory().all().map(|object| (***object).clone()).collect()
}

/// Watches from everywhere, and finds it right or refused.
fn check_events(journal: &Journal, expected: &Expected) -> Result<(), TestCaseError> {
    for filter in [everything(), Filter::default()] {
        for after in 0..expected.history.len() {
            let mut cursor = match journal.events(filter.clone(), Some(after as u64)) {
                Ok(cursor) => cursor,
                Err(ReadError::Damaged { .. } | ReadError::Failed(_)) => continue,
                Err(error) => return Err(TestCaseError::fail(format!("after {after}: {error}"))),
            };
            let wanted =
                |event: &&v1::Event| filter.operations || matches!(event.event, Some(v1::event::Event::Cluster(_)));
            let mut rest = expected.history[after..].iter().filter(wanted);
            let is_whole = loop {
                match poll(&mut cursor) {
                    None => break true,
                    Some(Ok(batch)) => {
                        for event in decode_events(&batch) {
                            prop_assert_eq!(Some(&event), rest.next(), "{}", revision(&event));
                        }
                    }
                    Some(Err(ReadError::Damaged { .. } | ReadError::Failed(_))) => break false,
                    Some(Err(error)) => return Err(TestCaseError::fail(format!("after {after}: {error}"))),
                }
            };
            prop_assert!(!is_whole || rest.next().is_none(), "something is left out in silence");
        }
    }
    Ok(())
}

/// Reads all there is, and finds it right or refused.
fn check(journal: &Journal, expected: &Expected, gone: Option<Uuid>) -> Result<(), TestCaseError> {
    check_events(journal, expected)?;
    for (id, records) in &expected.operations {
        let operation = match journal.operation(*id) {
            Ok(operation) => operation,
            Err(ReadError::Damaged { .. } | ReadError::Failed(_)) => continue,
            Err(ReadError::NotFound) if gone == Some(*id) => continue,
            Err(error) => return Err(TestCaseError::fail(format!("{id}: {error}"))),
        };
        prop_assert_eq!(operation.last_sequence, records.len() as u64);
        for after in 0..records.len() as u64 {
            match journal.read(*id, after, 1) {
                Ok(batch) => prop_assert_eq!(&decode(&batch)[0], &records[usize::try_from(after).unwrap()]),
                Err(ReadError::Damaged { .. } | ReadError::Failed(_)) => {}
                Err(error) => return Err(TestCaseError::fail(format!("{id} after {after}: {error}"))),
            }
        }
    }
    Ok(())
}

fn all_rows(store: &MemoryStore) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let snapshot = store.snapshot().unwrap();
    let mut rows = Vec::new();
    for table in Table::ALL {
        let everything = (Bound::Unbounded, Bound::Unbounded);
        let visited = snapshot.visit(table, everything, Order::Ascending, &mut |key, value| {
            rows.push((table, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        });
        visited.unwrap();
    }
    rows
}

/// What goes wrong with a row.
#[derive(Clone, Debug)]
enum Rot {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Gone,
    /// The value of another row.
    Misplaced(prop::sample::Index),
}

fn rot() -> impl Strategy<Value = Rot> {
    prop_oneof![
        (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(at, bit)| Rot::Flip(at, bit)),
        any::<prop::sample::Index>().prop_map(Rot::Cut),
        Just(Rot::Gone),
        any::<prop::sample::Index>().prop_map(Rot::Misplaced),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_row_that_rots_is_refused(which: prop::sample::Index, rot in rot()) {
        let mut store = MemoryStore::new();
        let mut world = World::on(Box::new(store.clone()), options());
        let expected = fill(&mut world);
        let rows = all_rows(&store);
        let (table, key, value) = rows[which.index(rows.len())].clone();
        let rotten = match rot {
            Rot::Flip(at, bit) => {
                let mut value = value.clone();
                let at = at.index(value.len());
                value[at] ^= 1 << bit;
                Some(value)
            }
            Rot::Cut(at) => Some(value[..at.index(value.len())].to_vec()),
            Rot::Gone => None,
            Rot::Misplaced(other) => Some(rows[other.index(rows.len())].2.clone()),
        };
        prop_assume!(rotten.as_ref() != Some(&value));
        let is_gone = rotten.is_none();
        // A running journal cannot tell a snapshot that is gone from one that never was.
        let gone = (is_gone && table == Table::Operations).then(|| Uuid::from_slice(&key).unwrap());
        store.commit(&[Write { table, key, value: rotten }]).unwrap();
        // While it runs, and after it was opened anew.
        check(&world.journal, &expected, gone)?;
        match Journal::open(Box::new(store), options(), platform(2).1) {
            Ok(opened) => {
                // Only the records of what has ended are left for later. A lock that is gone leaves no trace.
                prop_assert!(matches!(table, Table::Records | Table::OperationIndex | Table::Events) || is_gone);
                prop_assert!(objects(&opened.journal) == expected.objects || (table == Table::Objects && is_gone));
                check(&opened.journal, &expected, None)?;
            }
            Err(OpenError::Store(StoreError::Damaged(_))) => {}
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
        }
    }

    #[test]
    fn a_file_that_rots_is_set_aside_or_refused(
        damage in prop_oneof![
            (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(at, bit)| (at, Some(bit))),
            any::<prop::sample::Index>().prop_map(|at| (at, None)),
        ],
        beginning: bool,
    ) {
        let (expected, store_id, mut bytes) = filled_file().clone();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.redb");
        // Most of the file is room to grow, so half of the accidents hit its first part.
        let end = if beginning { bytes.len().min(1 << 16) } else { bytes.len() };
        let (at, bit) = damage;
        match bit {
            Some(bit) => bytes[at.index(end)] ^= 1 << bit,
            None => bytes.truncate(at.index(end)),
        }
        std::fs::write(&path, &bytes).unwrap();
        let Opened { journal, writer, quarantined, .. } =
            Journal::open_dir(dir.path(), options(), platform(3).1).unwrap();
        match quarantined {
            Some(quarantine) => {
                prop_assert!(std::fs::read(&quarantine.path).unwrap().len() >= bytes.len().min(1));
                prop_assert_ne!(journal.store_id(), store_id);
                prop_assert_eq!(journal.head(), 0);
            }
            None => {
                prop_assert_eq!(journal.store_id(), store_id);
                check(&journal, &expected, None)?;
            }
        }
        // A write succeeds, or the journal says that it has failed.
        let mut world = World { journal, writer, clock: platform(3).0 };
        let reply = world.journal.append(Append::new(expected.operations[1].0, started()));
        match world.answer(reply) {
            Err(AppendError::Illegal(_) | AppendError::NotFound | AppendError::Failed(_)) => {}
            unexpected => return Err(TestCaseError::fail(format!("{unexpected:?}"))),
        }
        let reply = world.journal.accept(super::operation(7));
        if let Err(error) = world.answer(reply) {
            prop_assert!(matches!(error, super::super::AcceptError::Failed(_)), "{error:?}");
        }
    }
}

type Filled = (Expected, Uuid, Vec<u8>);

/// What a journal holds, its store id, and its file. Made once, for every case to damage a copy.
fn filled_file() -> &'static Filled {
    static FILLED: OnceLock<Filled> = OnceLock::new();
    FILLED.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (clock, platform) = platform(1);
        let Opened { journal, writer, .. } = Journal::open_dir(dir.path(), options(), platform).unwrap();
        let store_id = journal.store_id();
        let mut world = World { journal, writer, clock };
        let expected = fill(&mut world);
        drop(world);
        (
            expected,
            store_id,
            std::fs::read(dir.path().join("journal.redb")).unwrap(),
        )
    })
}

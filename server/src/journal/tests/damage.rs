//! A damaged store: nothing wrong is ever served.

use std::ops::{Bound, ControlFlow};
use std::sync::OnceLock;

use proptest::prelude::*;

use super::super::{
    AppendError, Journal, MemoryBudget, MemoryStore, OpenError, Opened, Options, Order, ReadError, Snapshots as _,
    Store as _, StoreError, Table, Write,
};
use super::{Append, Uuid, World, decode, platform, started, succeeded, v1};

/// Nothing in memory, so that every read meets the store.
fn options() -> Options {
    Options {
        memory: MemoryBudget { records: 0, bytes: 0 },
        ..Options::default()
    }
}

/// Two operations, one of which has ended.
fn fill(world: &mut World) -> Vec<(Uuid, Vec<v1::OperationRecord>)> {
    let (one, two) = (world.begin_running(1), world.begin_running(2));
    for percent in 0..20 {
        world.report(one, [percent]);
        world.report(two, [percent]);
    }
    world.add(one, succeeded());
    [one, two].map(|id| (id, world.records(id, 0, usize::MAX))).to_vec()
}

/// Reads all there is, and finds it right or refused.
fn check(
    journal: &Journal,
    expected: &[(Uuid, Vec<v1::OperationRecord>)],
    gone: Option<Uuid>,
) -> Result<(), TestCaseError> {
    for (id, records) in expected {
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
                prop_assert!(matches!(table, Table::Records | Table::OperationIndex) || is_gone);
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
        let reply = world.journal.append(Append::new(expected[1].0, started()));
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

type Filled = (Vec<(Uuid, Vec<v1::OperationRecord>)>, Uuid, Vec<u8>);

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

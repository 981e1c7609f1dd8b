//! The two stores do the same, and the one on disk keeps it when the power goes.

use std::ops::{Bound, ControlFlow};

use proptest::prelude::*;

use super::super::sim_disk::{SimDisk, Unsynced};
use super::super::{MemoryStore, Order, RedbStore, Snapshot, Store, StoreError, Table, Write};

const CACHE: usize = 1 << 20;

/// Something to do with a store.
#[derive(Clone, Debug)]
enum Action {
    Commit(Vec<Write>),
    Compare(Table, Bound<Vec<u8>>, Bound<Vec<u8>>, bool, usize),
    Restart(bool),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..4_u8, 0..4)
}

fn table() -> impl Strategy<Value = Table> {
    (0..Table::ALL.len()).prop_map(|index| Table::ALL[index])
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
        Just(Bound::Unbounded)
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..600));
    let write = (table(), key(), value).prop_map(|(table, key, value)| Write { table, key, value });
    prop_oneof![
        4 => proptest::collection::vec(write, 0..12).prop_map(Action::Commit),
        4 => (table(), bound(), bound(), any::<bool>(), 0..9_usize)
            .prop_map(|(table, from, to, down, limit)| Action::Compare(table, from, to, down, limit)),
        1 => any::<bool>().prop_map(Action::Restart),
    ]
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn rows(
    snapshot: &dyn Snapshot,
    table: Table,
    from: &Bound<Vec<u8>>,
    to: &Bound<Vec<u8>>,
    order: Order,
    limit: usize,
) -> Rows {
    let mut rows = Vec::new();
    let range = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
    let visited = snapshot.visit(table, range, order, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        if rows.len() > limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    visited.unwrap();
    rows
}

fn everything(snapshot: &dyn Snapshot) -> Vec<Rows> {
    let all = |table| {
        rows(
            snapshot,
            table,
            &Bound::Unbounded,
            &Bound::Unbounded,
            Order::Ascending,
            usize::MAX,
        )
    };
    Table::ALL.into_iter().map(all).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_store_on_disk_is_its_model(seed: u64, actions in proptest::collection::vec(action(), 1..40)) {
        let disk = SimDisk::new(seed);
        let mut on_disk = RedbStore::on_backend(disk.storage(), CACHE).unwrap();
        let mut model = MemoryStore::new();
        for action in actions {
            match action {
                Action::Commit(writes) => {
                    on_disk.commit(&writes).unwrap();
                    model.commit(&writes).unwrap();
                }
                Action::Compare(table, from, to, down, limit) => {
                    let order = if down { Order::Descending } else { Order::Ascending };
                    let (one, other) =
                        (on_disk.snapshots().snapshot().unwrap(), model.snapshots().snapshot().unwrap());
                    let found = rows(&*other, table, &from, &to, order, limit);
                    prop_assert_eq!(rows(&*one, table, &from, &to, order, limit), found.clone());
                    for (key, value) in found {
                        prop_assert_eq!(one.get(table, &key).unwrap(), Some(value));
                    }
                }
                Action::Restart(gently) => {
                    if !gently {
                        disk.cut_power();
                    }
                    drop(on_disk);
                    disk.restore_power(Unsynced::Torn);
                    on_disk = RedbStore::on_backend(disk.storage(), CACHE).unwrap();
                    prop_assert_eq!(
                        everything(&*on_disk.snapshots().snapshot().unwrap()),
                        everything(&*model.snapshots().snapshot().unwrap())
                    );
                }
            }
        }
        prop_assert_eq!(
            everything(&*on_disk.snapshots().snapshot().unwrap()),
            everything(&*model.snapshots().snapshot().unwrap())
        );
    }
}

#[test]
fn a_store_that_failed_stays_closed() {
    let disk = SimDisk::new(1);
    let mut store = RedbStore::on_backend(disk.storage(), CACHE).unwrap();
    let write = |value| {
        [Write {
            table: Table::Meta,
            key: b"k".to_vec(),
            value: Some(vec![value]),
        }]
    };
    store.commit(&write(1)).unwrap();
    disk.crash_at(1);
    assert!(matches!(store.commit(&write(2)), Err(StoreError::Io(_))));
    assert!(matches!(store.commit(&write(3)), Err(StoreError::Closed)));
    drop(store);
    disk.restore_power(Unsynced::Lost);
    let store = RedbStore::on_backend(disk.storage(), CACHE).unwrap();
    assert_eq!(
        store.snapshots().snapshot().unwrap().get(Table::Meta, b"k").unwrap(),
        Some(vec![1])
    );
}

#[test]
fn a_snapshot_stays_what_it_was() {
    let stores: [Box<dyn Store>; 2] = [
        Box::new(MemoryStore::new()),
        Box::new(RedbStore::on_backend(SimDisk::new(1).storage(), CACHE).unwrap()),
    ];
    for mut store in stores {
        let write = |value| {
            [Write {
                table: Table::Meta,
                key: b"k".to_vec(),
                value: Some(vec![value]),
            }]
        };
        store.commit(&write(1)).unwrap();
        let before = store.snapshots().snapshot().unwrap();
        store.commit(&write(2)).unwrap();
        let after = store.snapshots().snapshot().unwrap();
        assert_eq!(before.get(Table::Meta, b"k").unwrap(), Some(vec![1]));
        assert_eq!(after.get(Table::Meta, b"k").unwrap(), Some(vec![2]));
    }
}

//! A store in memory: the model of the one on disk, and the store of tests that need no disk.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use super::store::{KeyRange, Order, Snapshot, Snapshots, Store, StoreError, Table, Visit, Write};

type Tables = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// A store that lives as long as the last handle to it. Clones share their content, so that a test can open a journal
/// again on what another left.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    // Commits copy what a snapshot still looks at, so snapshots never change.
    tables: Arc<Mutex<Arc<Tables>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = Arc::make_mut(&mut tables);
        for Write { table, key, value } in writes {
            let table = tables.entry(*table).or_default();
            match value {
                Some(value) => table.insert(key.clone(), value.clone()),
                None => table.remove(key),
            };
        }
        Ok(())
    }

    fn snapshots(&self) -> Arc<dyn Snapshots> {
        Arc::new(self.clone())
    }
}

impl Snapshots for MemoryStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let tables = Arc::clone(&self.tables.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Box::new(MemorySnapshot(tables)))
    }
}

/// The tables at one moment.
struct MemorySnapshot(Arc<Tables>);

impl Snapshot for MemorySnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&table).and_then(|table| table.get(key)).cloned())
    }

    fn visit(&self, table: Table, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let Some(table) = self.0.get(&table) else { return Ok(()) };
        // A BTreeMap panics on a range that ends before it starts; a store finds nothing in it.
        if is_empty(range) {
            return Ok(());
        }
        let mut entries = table.range::<[u8], _>(range);
        while let Some((key, value)) = match order {
            Order::Ascending => entries.next(),
            Order::Descending => entries.next_back(),
        } {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// True when no key can lie in the range.
pub(super) fn is_empty(range: KeyRange<'_>) -> bool {
    match range {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
    }
}

//! The store on disk: redb, one file.
//!
//! Its rules come from measured crash tests (ARCHITECTURE.md, "The store"): one writer; every commit immediate and with
//! quick repair, which implies two phases; no savepoints and no compaction of the live file; no write after a failed
//! one. A damaged file makes redb panic in places, so every call into it is guarded.

use std::cell::OnceCell;
use std::ops::{ControlFlow, Deref};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, StorageBackend,
    TableDefinition, TableError,
};

use super::memory::is_empty;
use super::store::{KeyRange, Order, Snapshot, Snapshots, Store, StoreError, Table, Visit, Write};

/// A store in a redb database.
#[derive(Debug)]
pub struct RedbStore {
    database: Arc<Guarded<Database>>,
    failed: bool,
}

impl RedbStore {
    /// Opens the database in an existing file.
    ///
    /// # Errors
    ///
    /// The file is damaged, in use, or the system refuses it.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        guarded(|| Builder::new().set_cache_size(cache_bytes).open(path)).map(Self::new)
    }

    /// As [`open`](Self::open), and reads the whole file to see that each page is as it was written.
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open).
    pub fn open_checked(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let is_sound = guarded(|| {
            let mut database = Builder::new().set_cache_size(cache_bytes).open(path)?;
            database.check_integrity()
        });
        match is_sound? {
            true => Self::open(path, cache_bytes),
            // It was taken back to an earlier commit, and what was acknowledged since is lost.
            false => Err(StoreError::Damaged(
                "pages of the database are not as they were written".into(),
            )),
        }
    }

    /// Makes a database in a new file.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn create(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        guarded(|| Builder::new().set_cache_size(cache_bytes).create(path)).map(Self::new)
    }

    /// Opens the database on a storage of the caller's, and makes it when the storage is empty.
    ///
    /// # Errors
    ///
    /// The storage is damaged, or refuses.
    pub fn on_backend(backend: impl StorageBackend, cache_bytes: usize) -> Result<Self, StoreError> {
        guarded(|| Builder::new().set_cache_size(cache_bytes).create_with_backend(backend)).map(Self::new)
    }

    fn new(database: Database) -> Self {
        Self {
            database: Arc::new(Guarded::new(database)),
            failed: false,
        }
    }

    fn try_commit(&self, writes: &[Write]) -> Result<(), ::redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        for table in Table::ALL {
            let mut writes = writes.iter().filter(|write| write.table == table).peekable();
            if writes.peek().is_none() {
                continue;
            }
            let mut table = transaction.open_table(definition(table))?;
            for Write { key, value, .. } in writes {
                match value {
                    Some(value) => table.insert(key.as_slice(), value.as_slice())?,
                    None => table.remove(key.as_slice())?,
                };
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Store for RedbStore {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Closed);
        }
        let done = guarded(|| self.try_commit(writes));
        self.failed = done.is_err();
        done
    }

    fn snapshots(&self) -> Arc<dyn Snapshots> {
        Arc::new(RedbSnapshots(Arc::clone(&self.database)))
    }
}

/// The read side of a database.
struct RedbSnapshots(Arc<Guarded<Database>>);

impl Snapshots for RedbSnapshots {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let transaction = guarded(|| self.0.begin_read())?;
        Ok(Box::new(RedbSnapshot {
            tables: Default::default(),
            transaction: Guarded::new(transaction),
        }))
    }
}

type Bytes = &'static [u8];
type OpenTable = ReadOnlyTable<Bytes, Bytes>;

/// A read transaction, with the tables that were asked for so far.
struct RedbSnapshot {
    // A table that was never written to does not exist, and reads as empty.
    tables: [OnceCell<Option<Guarded<OpenTable>>>; Table::ALL.len()],
    transaction: Guarded<ReadTransaction>,
}

impl RedbSnapshot {
    fn table(&self, table: Table) -> Result<Option<&OpenTable>, ::redb::Error> {
        let cell = &self.tables[table as usize];
        if cell.get().is_none() {
            let opened = match self.transaction.open_table(definition(table)) {
                Ok(opened) => Some(Guarded::new(opened)),
                Err(TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(error.into()),
            };
            return Ok(cell.get_or_init(|| opened).as_deref());
        }
        Ok(cell.get().and_then(Option::as_deref))
    }
}

impl Snapshot for RedbSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| -> Result<_, ::redb::Error> {
            let Some(table) = self.table(table)? else {
                return Ok(None);
            };
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    fn visit(&self, table: Table, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if is_empty(range) {
            return Ok(());
        }
        guarded(|| -> Result<_, ::redb::Error> {
            let Some(table) = self.table(table)? else { return Ok(()) };
            let mut entries = table.range::<&[u8]>(range)?;
            while let Some(entry) = match order {
                Order::Ascending => entries.next(),
                Order::Descending => entries.next_back(),
            } {
                let (key, value) = entry?;
                if let ControlFlow::Break(()) = visit(key.value(), value.value()) {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn definition(table: Table) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(table.name())
}

/// Something of redb whose drop may panic, on a damaged file or after a panic before.
#[derive(Debug)]
struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    fn new(content: T) -> Self {
        Self(Some(content))
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "the content leaves only when this is dropped")]
    fn deref(&self) -> &T {
        self.0.as_ref().expect("the content is there until the drop")
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        let content = self.0.take();
        // There is nothing left to lose: what was committed is on disk, and whoever commits next is told.
        let _panic = catch_unwind(AssertUnwindSafe(|| drop(content)));
    }
}

/// Calls into redb, and takes a panic there for what it is: a damaged file.
fn guarded<T, E: Into<::redb::Error>>(call: impl FnOnce() -> Result<T, E>) -> Result<T, StoreError> {
    // What a panic leaves half done inside redb, redb poisons; nothing of ours is changed by the closures.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| store_error(error.into())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no text");
            Err(StoreError::Damaged(format!("the database panicked: {text}")))
        }
    }
}

fn store_error(error: ::redb::Error) -> StoreError {
    use std::io::ErrorKind;
    match error {
        // A short or foreign file shows as one of these two kinds.
        ::redb::Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            StoreError::Damaged(error.to_string())
        }
        ::redb::Error::Io(error) => StoreError::Io(error),
        ::redb::Error::PreviousIo | ::redb::Error::DatabaseClosed => StoreError::Closed,
        ::redb::Error::DatabaseAlreadyOpen => StoreError::InUse,
        other => StoreError::Damaged(other.to_string()),
    }
}

//! What the journal needs of a store: a few ordered tables of bytes, atomic durable commits, and snapshots.
//!
//! Two stores implement it: [`RedbStore`](super::RedbStore) on disk, and [`MemoryStore`](super::MemoryStore), which is
//! the model that the other is tested against.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// The tables of the journal. Keys and values are laid out in `schema.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The store id, the format version and the last revision, by name.
    Meta,
    /// Every record, by its revision.
    Records,
    /// The revision of a record, by its operation and sequence number.
    OperationIndex,
    /// The snapshot of an operation, by its id.
    Operations,
    /// The id of an operation, by the revision of its first record.
    OperationsByCreation,
    /// The operation that a request started, by principal, method and request id.
    RequestIds,
    /// The operation that holds a lock, by the lock.
    Locks,
    /// The time until which a cluster settles, by the cluster.
    Settles,
    /// Every event of a cluster, by its revision.
    Events,
    /// Every object of the inventory, by cluster, kind and key.
    Objects,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 10] = [
        Self::Meta,
        Self::Records,
        Self::OperationIndex,
        Self::Operations,
        Self::OperationsByCreation,
        Self::RequestIds,
        Self::Locks,
        Self::Settles,
        Self::Events,
        Self::Objects,
    ];

    /// The name of the table in a store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Records => "records",
            Self::OperationIndex => "operation_index",
            Self::Operations => "operations",
            Self::OperationsByCreation => "operations_by_creation",
            Self::RequestIds => "request_ids",
            Self::Locks => "locks",
            Self::Settles => "settles",
            Self::Events => "events",
            Self::Objects => "objects",
        }
    }
}

/// One change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: Vec<u8>,
    /// The value to put; `None` deletes the key.
    pub value: Option<Vec<u8>>,
}

/// In which order a range is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key up.
    Ascending,
    /// From the greatest key down.
    Descending,
}

/// A range of keys.
pub type KeyRange<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);

/// Sees the entries of a range, key and value, until it breaks.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// The write side of a store. There is one, and the writer owns it.
pub trait Store: Send {
    /// Makes all writes durable at once, in their order: when this returns, they survive a power cut; when it fails
    /// or never returns, a later reader finds all of them or none.
    ///
    /// # Errors
    ///
    /// The writes may or may not be durable, and the store must not be written to again before it was opened anew.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;

    /// The read side, for any thread.
    fn snapshots(&self) -> Arc<dyn Snapshots>;
}

/// The read side of a store.
pub trait Snapshots: Send + Sync {
    /// The store as the last commit left it, now and for as long as the snapshot lives. Neither waits for the writer
    /// nor holds it up.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;
}

/// A store at one moment.
pub trait Snapshot {
    /// The value of a key.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the entries of a range.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn visit(&self, table: Table, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

/// A store that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is damaged. Found by the store's own checks.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The operating system refused to read or write.
    #[error("the store cannot read or write its file")]
    Io(#[from] std::io::Error),
    /// Another process has the file open.
    #[error("the store is in use by another process")]
    InUse,
    /// An earlier failure closed the store.
    #[error("the store is closed after an earlier failure")]
    Closed,
}

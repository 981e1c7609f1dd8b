//! Opening: the tables are read, checked, and become what the writer and the readers start from.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use uuid::Uuid;
use wsfc_proto::v1;

use super::objects::Objects;
use super::read::{ReadError, StoredRecords};
use super::request::StoreFailed;
use super::schema::{self, DamagedValue, FORMAT, meta};
use super::store::{Order, Snapshot, Store, StoreError, Table};
use super::transaction::{Ended, Events, Kept, State};
use super::{Journal, OpenError, Opened, Options, Shared, Writer};
use crate::operation::fold::{Rules, fold, is_final};
use crate::platform::Platform;

impl Journal {
    /// Opens the journal in a store, and makes it in an empty one.
    ///
    /// Reads and checks every snapshot, and the records of the operations that have not ended; other records are
    /// checked when they are read.
    ///
    /// # Errors
    ///
    /// The store cannot be used, is damaged, or was written by a newer daemon.
    pub fn open(store: Box<dyn Store>, options: Options, platform: Platform) -> Result<Opened, OpenError> {
        open_locked(store, options, platform, None)
    }
}

/// Opens the journal, and holds on to a lock for as long as any handle lives.
pub(super) fn open_locked(
    mut store: Box<dyn Store>,
    options: Options,
    platform: Platform,
    lock: Option<std::fs::File>,
) -> Result<Opened, OpenError> {
    let snapshots = store.snapshots();
    let is_new = is_empty(&*snapshots.snapshot()?)?;
    if is_new {
        initialize(&mut *store, platform.entropy.uuid(platform.clock.now()))?;
    }
    let (store_id, state) = load(&*snapshots.snapshot()?)?;
    if !is_new {
        // A commit that changes nothing: a store that cannot be written to shows now, and not on the first request.
        // It also raises the format of an older store, whose rows stay as they are.
        store.commit(&[
            schema::put_meta(meta::FORMAT, &u64::from(FORMAT).to_be_bytes()),
            schema::put_meta(meta::LAST_REVISION, &state.last_revision.to_be_bytes()),
            schema::put_meta(meta::LAST_EVENT, &state.events.last.to_be_bytes()),
            schema::put_meta(meta::OLDEST_REVISION, &state.events.oldest.to_be_bytes()),
        ])?;
    }
    let mut unfinished: Vec<_> = state.live.values().collect();
    unfinished.sort_by_key(|kept| kept.created);
    let unfinished = unfinished.into_iter().map(|kept| Arc::clone(&kept.operation)).collect();
    let shared = Arc::new(Shared::new(options, platform, store_id, snapshots, &state, lock));
    let writer = Writer::new(Arc::clone(&shared), state, store);
    Ok(Opened {
        journal: Journal(shared),
        writer,
        unfinished,
        quarantined: None,
        made: None,
    })
}

/// Writes the facts about a new store.
pub(super) fn initialize(store: &mut dyn Store, store_id: Uuid) -> Result<(), StoreError> {
    store.commit(&[
        schema::put_meta(meta::FORMAT, &u64::from(FORMAT).to_be_bytes()),
        schema::put_meta(meta::STORE_ID, store_id.as_bytes()),
        schema::put_meta(meta::LAST_REVISION, &0_u64.to_be_bytes()),
        schema::put_meta(meta::LAST_EVENT, &0_u64.to_be_bytes()),
        schema::put_meta(meta::OLDEST_REVISION, &1_u64.to_be_bytes()),
    ])
}

fn is_empty(snapshot: &dyn Snapshot) -> Result<bool, StoreError> {
    let mut empty = true;
    for table in Table::ALL {
        let everything = (Bound::Unbounded, Bound::Unbounded);
        snapshot.visit(table, everything, Order::Ascending, &mut |_, _| {
            empty = false;
            ControlFlow::Break(())
        })?;
    }
    Ok(empty)
}

/// Reads and checks everything but the records of operations that have ended.
fn load(snapshot: &dyn Snapshot) -> Result<(Uuid, State), OpenError> {
    let fact = |name: &[u8]| -> Result<Vec<u8>, StoreError> {
        let missing = || StoreError::Damaged(format!("the store lacks its {}", String::from_utf8_lossy(name)));
        snapshot.get(Table::Meta, name)?.ok_or_else(missing)
    };
    let format = schema::open_number(Table::Meta, meta::FORMAT, &fact(meta::FORMAT)?).map_err(damaged)?;
    if format > u64::from(FORMAT) {
        return Err(OpenError::Format {
            found: format,
            known: FORMAT,
        });
    }
    let store_id = schema::open_id(Table::Meta, meta::STORE_ID, &fact(meta::STORE_ID)?).map_err(damaged)?;
    let number = |name: &[u8]| schema::open_number(Table::Meta, name, &fact(name)?).map_err(damaged);
    let last_revision = number(meta::LAST_REVISION)?;
    let mut state = State {
        last_revision,
        ..State::default()
    };
    load_operations(snapshot, &mut state)?;
    load_locks(snapshot, &mut state)?;
    let mut settles = BTreeMap::new();
    for_each(snapshot, Table::Settles, &mut |key, value| {
        let (cluster, until) = schema::open_settle(key, value).map_err(damaged)?;
        settles.insert(cluster, until);
        Ok(())
    })?;
    state.settles = Arc::new(settles);
    state.objects = Arc::new(load_objects(snapshot, last_revision)?);
    // Before format 2 there were no events, and what compaction has removed was not noted.
    state.events = if format < 2 {
        Events {
            oldest: last_revision + 1,
            ..Events::default()
        }
    } else {
        load_events(snapshot, number(meta::LAST_EVENT)?, number(meta::OLDEST_REVISION)?)?
    };
    Ok((store_id, state))
}

fn load_operations(snapshot: &dyn Snapshot, state: &mut State) -> Result<(), StoreError> {
    let mut created = BTreeMap::new();
    for_each(snapshot, Table::OperationsByCreation, &mut |key, value| {
        let id = schema::open_id(Table::OperationsByCreation, key, value).map_err(damaged)?;
        created.insert(schema::creation_revision(key).map_err(damaged)?, id);
        Ok(())
    })?;
    let mut operations = 0;
    for_each(snapshot, Table::Operations, &mut |key, value| {
        let stored = schema::open_operation(key, value).map_err(damaged)?;
        let (created_as, operation) = (stored.created, stored.operation);
        let id = created.get(&created_as).filter(|id| id.as_bytes() == key);
        let id = *id.ok_or_else(|| wrong(&operation, "is not among the operations by creation"))?;
        if operation.last_revision > state.last_revision {
            return Err(wrong(&operation, "is ahead of the last revision"));
        }
        operations += 1;
        if is_final(operation.state()) {
            state
                .ended
                .insert(created_as, Ended::of(id, &operation, &stored.request_key));
        } else {
            check_records(snapshot, id, &operation)?;
            let (operation, request_key) = (Arc::new(operation), stored.request_key);
            state.live.insert(
                id,
                Kept {
                    operation,
                    created: created_as,
                    request_key,
                },
            );
        }
        Ok(())
    })?;
    if operations != created.len() {
        return Err(StoreError::Damaged("an operation is missing".to_owned()));
    }
    Ok(())
}

/// Checks the records of an operation that has not ended, and that they make the snapshot.
fn check_records(snapshot: &dyn Snapshot, id: Uuid, operation: &v1::Operation) -> Result<(), StoreError> {
    let mut folded = v1::Operation::default();
    let mut outcome = Ok(());
    let mut records = StoredRecords {
        snapshot,
        operation_id: id,
        next: operation.oldest_sequence,
    };
    // A compacted operation cannot be folded from its beginning.
    let whole = operation.oldest_sequence == 1;
    let visited = records.visit(operation.last_sequence, &mut |frame, revision| {
        outcome = check_record(frame, revision, whole.then_some(&mut folded));
        if outcome.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    visited.map_err(|error| match error {
        ReadError::Failed(StoreFailed::Store { source }) => StoreError::Damaged(source.to_string()),
        error => wrong(operation, &error.to_string()),
    })?;
    outcome.map_err(|cause| wrong(operation, &cause))?;
    // What is cancelable depends on a setting, and settings change between two starts.
    folded.cancelable = operation.cancelable;
    if whole && folded != *operation {
        return Err(wrong(operation, "is not what its records make"));
    }
    Ok(())
}

fn check_record(frame: &[u8], revision: u64, folded: Option<&mut v1::Operation>) -> Result<(), String> {
    let record = schema::decode_frame(frame).map_err(|error| error.to_string())?;
    if record.revision != revision {
        return Err(format!(
            "has a record of revision {} at revision {revision}",
            record.revision
        ));
    }
    match folded {
        Some(operation) => fold(operation, &record, Rules::default()).map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

fn load_locks(snapshot: &dyn Snapshot, state: &mut State) -> Result<(), StoreError> {
    let mut locks = BTreeMap::new();
    for_each(snapshot, Table::Locks, &mut |key, value| {
        let holder = schema::open_id(Table::Locks, key, value).map_err(damaged)?;
        let lock = schema::open_name(Table::Locks, key).map_err(damaged)?;
        if !state.live.contains_key(&holder) {
            return Err(StoreError::Damaged(format!(
                "the lock {lock} is held by an operation that has ended"
            )));
        }
        locks.insert(lock, holder);
        Ok(())
    })?;
    state.locks = Arc::new(locks);
    Ok(())
}

fn load_objects(snapshot: &dyn Snapshot, last_revision: u64) -> Result<Objects, StoreError> {
    let mut objects = Objects::default();
    for_each(snapshot, Table::Objects, &mut |key, value| {
        let object = schema::open_object(key, value).map_err(damaged)?;
        if object.revision() > last_revision {
            let text = format!("{:?} {} is ahead of the last revision", object.kind(), object.name());
            return Err(StoreError::Damaged(text));
        }
        objects.put(object);
        Ok(())
    })?;
    Ok(objects)
}

/// Counts the events, and sees that the first and the last are those that should be. They are checked when they are read.
fn load_events(snapshot: &dyn Snapshot, last: u64, oldest: u64) -> Result<Events, StoreError> {
    let mut count = 0;
    let mut last_row = 0;
    for_each(snapshot, Table::Events, &mut |key, _| {
        count += 1;
        last_row = schema::revision_of(Table::Events, key).map_err(damaged)?;
        Ok(())
    })?;
    if last_row != last && last >= oldest {
        return Err(StoreError::Damaged("the last event is missing".to_owned()));
    }
    Ok(Events { count, last, oldest })
}

/// Takes a row, or says what is wrong with it.
type Each<'e> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'e;

/// Visits a whole table until something is wrong.
fn for_each(snapshot: &dyn Snapshot, table: Table, each: &mut Each<'_>) -> Result<(), StoreError> {
    let mut outcome = Ok(());
    let everything = (Bound::Unbounded, Bound::Unbounded);
    snapshot.visit(table, everything, Order::Ascending, &mut |key, value| {
        outcome = each(key, value);
        if outcome.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    outcome
}

fn damaged(value: DamagedValue) -> StoreError {
    StoreError::Damaged(value.to_string())
}

fn wrong(operation: &v1::Operation, what: &str) -> StoreError {
    StoreError::Damaged(format!("operation {} {what}", operation.operation_id))
}

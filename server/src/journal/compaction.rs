//! Compaction: operations lose their records when they are old or many, and later their rows.
//!
//! The snapshot of an operation stays for as long as its request id, so that a request that is repeated finds what it
//! did (promise P9). Each step is one commit of bounded size, in which rows and the oldest sequence number move
//! together: a reader finds the records, or is told which is the oldest (promise P5).
//!
//! Events go when they are many or old, the oldest first. For watchers of events one number says how far back they may
//! begin: one after the greatest revision that was ever removed, be it of an event or of an operation's record. Records
//! go operation by operation and not in the order of revisions, so that number can pass events that are still kept; a
//! watcher that is told to take a snapshot too early loses nothing, and one that misses a record in silence would.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;
use wsfc_proto::v1;

use super::read::{ReadError, stored_operation};
use super::request::StoreFailed;
use super::schema;
use super::store::{Order, Snapshot, StoreError, Table, Write};
use super::transaction::Ended;
use super::writer::Writer;

/// How many records one commit removes at most.
const MAX_REMOVALS: u64 = 4096;

/// One commit of a compaction in the making.
struct Removal<'s> {
    snapshot: &'s dyn Snapshot,
    writes: Vec<Write>,
    /// How many records may still be removed.
    room: u64,
    /// What is left of the operations that were touched.
    left: Vec<(Uuid, Option<Arc<v1::Operation>>)>,
    /// One after the greatest revision that was removed so far.
    oldest: u64,
}

impl Writer {
    /// True when an operation that has not ended keeps so many records that some should go.
    pub(super) fn is_overlong(&self) -> bool {
        let limit = self.shared.retention.get().records_per_operation;
        // An eighth more, so that records go in bulk and not one by one.
        let slack = limit.saturating_add(limit / 8);
        self.state.live.values().any(|kept| count(&kept.operation) > slack)
    }

    /// Does one commit's worth of compaction; true when there is more to do.
    ///
    /// # Errors
    ///
    /// The store failed, and the journal is closed.
    pub(super) fn compact(&mut self, now: SystemTime) -> Result<bool, StoreFailed> {
        let snapshot = self.shared.snapshots.snapshot().map_err(|error| self.fail(error))?;
        let mut removal = Removal {
            snapshot: &*snapshot,
            writes: Vec::new(),
            room: MAX_REMOVALS,
            left: Vec::new(),
            oldest: self.state.events.oldest,
        };
        let planned = self
            .trim_live(&mut removal)
            .and_then(|()| self.remove_ended(&mut removal, now))
            .and_then(|()| self.remove_events(&mut removal, now));
        planned.map_err(|error| self.fail(error))?;
        let Removal {
            mut writes,
            room,
            left,
            oldest,
            ..
        } = removal;
        if oldest > self.state.events.oldest {
            writes.push(schema::put_meta(schema::meta::OLDEST_REVISION, &oldest.to_be_bytes()));
        }
        let mut settles = Arc::clone(&self.state.settles);
        if settles.values().any(|until| *until <= now) {
            Arc::make_mut(&mut settles).retain(|cluster, until| {
                let settled = *until <= now;
                if settled {
                    writes.push(schema::delete(Table::Settles, cluster.clone().into_bytes()));
                }
                !settled
            });
        }
        self.commit(&writes)?;
        self.state.settles = Arc::clone(&settles);
        self.state.events.oldest = oldest;
        let mut log = self.shared.log_mut();
        log.set_oldest(oldest);
        log.set_settles(settles);
        for (operation_id, operation) in left {
            log.compacted(operation_id, operation);
        }
        Ok(room == 0)
    }

    /// True when there are so many events that some should go.
    pub(super) fn has_too_many_events(&self) -> bool {
        let limit = self.shared.retention.get().keep_events;
        self.state.events.count > limit.saturating_add(limit / 8)
    }

    /// Takes the events that are too many or too old, the oldest first.
    fn remove_events(&mut self, removal: &mut Removal<'_>, now: SystemTime) -> Result<(), StoreError> {
        let retention = self.shared.retention.get();
        let count = &mut self.state.events.count;
        let mut excess = count.saturating_sub(retention.keep_events);
        let Removal {
            snapshot,
            writes,
            room,
            oldest,
            ..
        } = removal;
        let everything = (Bound::Unbounded, Bound::Unbounded);
        snapshot.visit(Table::Events, everything, Order::Ascending, &mut |key, value| {
            let is_old = || match schema::open_event(key, value) {
                Ok(event) => SystemTime::try_from(event.time)
                    .is_ok_and(|time| now.duration_since(time).unwrap_or_default() >= retention.keep_for),
                Err(error) => {
                    // It is never served, and nothing says how old it is.
                    tracing::error!(%error, "An event that cannot be read is removed");
                    true
                }
            };
            if *room == 0 || (excess == 0 && !is_old()) {
                return ControlFlow::Break(());
            }
            if let Ok(revision) = schema::revision_of(Table::Events, key) {
                *oldest = (*oldest).max(revision + 1);
            }
            writes.push(schema::delete(Table::Events, key.to_vec()));
            excess = excess.saturating_sub(1);
            *count = count.saturating_sub(1);
            *room -= 1;
            ControlFlow::Continue(())
        })
    }

    /// Takes the oldest records off operations that run on and on.
    fn trim_live(&mut self, removal: &mut Removal<'_>) -> Result<(), StoreError> {
        let limit = self.shared.retention.get().records_per_operation;
        for (id, kept) in &mut self.state.live {
            let excess = count(&kept.operation).saturating_sub(limit);
            if excess == 0 || removal.room == 0 {
                continue;
            }
            let operation = Arc::make_mut(&mut kept.operation);
            let oldest = operation.oldest_sequence;
            operation.oldest_sequence = removal.remove_records(*id, oldest, oldest + excess)?;
            removal
                .writes
                .push(schema::put_operation(*id, kept.created, &kept.request_key, operation));
            removal.left.push((*id, Some(Arc::clone(&kept.operation))));
        }
        Ok(())
    }

    /// Takes the records of operations that ended long ago, and their rows when no request id needs them any more.
    fn remove_ended(&mut self, removal: &mut Removal<'_>, now: SystemTime) -> Result<(), StoreError> {
        let retention = self.shared.retention.get();
        let with_records = self
            .state
            .ended
            .values()
            .filter(|ended| ended.oldest <= ended.last)
            .count();
        let mut too_many = with_records.saturating_sub(retention.keep_operations);
        let age = |since: SystemTime| now.duration_since(since).unwrap_or_default();
        let mut forgotten = Vec::new();
        for (created, ended) in &mut self.state.ended {
            if removal.room == 0 {
                break;
            }
            let has_records = ended.oldest <= ended.last;
            let row_is_free = !ended.requested || age(ended.accepted) >= retention.keep_request_ids;
            let too_old = age(ended.ended) >= retention.keep_for;
            let keep = has_records && too_many == 0 && !too_old;
            if keep || (!has_records && !row_is_free) {
                continue;
            }
            if has_records {
                too_many = too_many.saturating_sub(1);
            }
            if !removal.remove_operation(*created, ended, row_is_free)? {
                forgotten.push(*created);
            }
        }
        for created in forgotten {
            self.state.ended.remove(&created);
        }
        Ok(())
    }
}

impl Removal<'_> {
    /// Removes the records of an operation, and its rows when they are free. False when nothing more is to be done
    /// about it.
    fn remove_operation(&mut self, created: u64, ended: &mut Ended, row_is_free: bool) -> Result<bool, StoreError> {
        let id = ended.operation_id;
        let mut stored = match stored_operation(self.snapshot, id) {
            Ok(stored) => stored,
            Err(ReadError::Failed(StoreFailed::Store { source })) => {
                return Err(StoreError::Damaged(source.to_string()));
            }
            Err(error) => {
                // It can neither be read nor counted on, so it is left alone for whoever examines the store.
                tracing::error!(operation_id = %id, %error, "An operation cannot be compacted");
                return Ok(false);
            }
        };
        if ended.oldest <= ended.last {
            ended.oldest = self.remove_records(id, ended.oldest, ended.last + 1)?;
        }
        if ended.oldest > ended.last && row_is_free {
            self.writes
                .push(schema::delete(Table::Operations, id.as_bytes().to_vec()));
            self.writes.push(schema::delete(
                Table::OperationsByCreation,
                schema::creation_key(created),
            ));
            if ended.requested {
                self.writes.push(schema::delete(Table::RequestIds, stored.request_key));
            }
            // A row costs a commit as much as a record does.
            self.room = self.room.saturating_sub(1);
            self.left.push((id, None));
            return Ok(false);
        }
        stored.operation.oldest_sequence = ended.oldest;
        self.writes.push(schema::put_operation(
            id,
            created,
            &stored.request_key,
            &stored.operation,
        ));
        self.left.push((id, Some(Arc::new(stored.operation))));
        Ok(true)
    }

    /// Removes records from `oldest` up to before `end`, as many as there is room for; gives the oldest that is left.
    fn remove_records(&mut self, operation_id: Uuid, oldest: u64, end: u64) -> Result<u64, StoreError> {
        let end = end.min(oldest.saturating_add(self.room));
        let from = schema::index_key(operation_id, oldest);
        let to = schema::index_key(operation_id, end);
        let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        let (writes, oldest_revision) = (&mut self.writes, &mut self.oldest);
        self.snapshot
            .visit(Table::OperationIndex, range, Order::Ascending, &mut |key, value| {
                // A damaged row of the index names no record; the row goes all the same.
                if let Ok(revision) = schema::open_number(Table::OperationIndex, key, value) {
                    *oldest_revision = (*oldest_revision).max(revision + 1);
                    writes.push(schema::delete(Table::Records, schema::record_key(revision)));
                }
                writes.push(schema::delete(Table::OperationIndex, key.to_vec()));
                ControlFlow::Continue(())
            })?;
        self.room -= end - oldest;
        Ok(end)
    }
}

/// How many records an operation keeps.
fn count(operation: &v1::Operation) -> u64 {
    (operation.last_sequence + 1).saturating_sub(operation.oldest_sequence)
}

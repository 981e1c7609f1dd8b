//! Reading, resuming and compacting against the plainest model: a vector of records for each operation.

use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::super::{Cursor, MemoryBudget, MemoryStore, Options, ReadError, Retention};
use super::{Append, Uuid, World, decode, operation, outcome, progress, started, v1};

#[derive(Clone, Debug)]
enum Action {
    Begin,
    Report(usize, u8),
    End(usize),
    Settle,
    /// Reads after this share of the records, in batches of this size; more than all of them asks for the future.
    Read(usize, u64, usize),
    Follow(usize, u64),
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    let who = 0..6_usize;
    prop_oneof![
        2 => Just(Action::Begin),
        5 => (who.clone(), 1..12_u8).prop_map(|(who, count)| Action::Report(who, count)),
        2 => who.clone().prop_map(Action::End),
        4 => Just(Action::Settle),
        6 => (who.clone(), 0..60_u64, 0..700_usize).prop_map(|(who, after, size)| Action::Read(who, after, size)),
        2 => (who, 0..60_u64).prop_map(|(who, after)| Action::Follow(who, after)),
        1 => Just(Action::Restart),
    ]
}

/// What should be true of an operation.
#[derive(Default)]
struct Model {
    /// Records that were handed over.
    handed: u64,
    /// Records that are durable, as first seen.
    records: Vec<v1::OperationRecord>,
    ended: bool,
}

struct Test {
    store: MemoryStore,
    options: Options,
    world: World,
    models: Vec<Model>,
    cursors: Vec<(usize, Cursor, u64)>,
}

impl Test {
    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        match *action {
            Action::Begin => {
                let number = self.models.len() as u128;
                self.models.push(Model {
                    handed: 2,
                    ..Model::default()
                });
                let _reply = self.world.journal.accept(operation(number));
                let _reply = self
                    .world
                    .journal
                    .append(Append::new(Uuid::from_u128(number), started()));
            }
            Action::Report(who, count) => {
                let Some(model) = self.models.get_mut(who).filter(|model| !model.ended) else {
                    return Ok(());
                };
                model.handed += u64::from(count);
                let sink = self.world.journal.progress(Uuid::from_u128(who as u128));
                (0..count).for_each(|percent| sink.push(progress(percent.into())));
            }
            Action::End(who) => {
                let Some(model) = self.models.get_mut(who).filter(|model| !model.ended) else {
                    return Ok(());
                };
                model.handed += 1;
                model.ended = true;
                let append = Append::new(Uuid::from_u128(who as u128), outcome(v1::OperationState::Failed));
                let _reply = self.world.journal.append(append);
            }
            Action::Settle => self.settle()?,
            Action::Read(who, after, size) => self.read(who, after, size)?,
            Action::Follow(who, after) => {
                let id = Uuid::from_u128(who as u128);
                if let Ok(cursor) = self.world.journal.cursor(id, after) {
                    self.cursors.push((who, cursor, after));
                }
            }
            Action::Restart => {
                self.settle()?;
                self.cursors.clear();
                self.world = World::on(Box::new(self.store.clone()), self.options.clone());
                self.settle()?;
            }
        }
        Ok(())
    }

    /// Lets the writer work, then compares what is new and what the cursors were given.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        // One step at a time, so that cursors meet compactions that are half done.
        loop {
            let step = self.world.writer.step();
            self.learn()?;
            self.follow()?;
            if step == super::Step::Idle {
                break;
            }
        }
        for (who, model) in self.models.iter().enumerate() {
            prop_assert_eq!(model.records.len() as u64, model.handed, "operation {}", who);
        }
        let kept =
            self.models.iter().enumerate().filter(|(who, model)| {
                model.ended && self.world.journal.read(Uuid::from_u128(*who as u128), 0, 0).is_ok()
            });
        prop_assert!(kept.count() <= self.options.retention.keep_operations);
        Ok(())
    }

    fn learn(&mut self) -> Result<(), TestCaseError> {
        for (who, model) in self.models.iter_mut().enumerate() {
            let mut after = model.records.len() as u64;
            while let Ok(batch) = self.world.journal.read(Uuid::from_u128(who as u128), after, 1 << 20)
                && batch.count > 0
            {
                model.records.extend(decode(&batch));
                after = batch.last;
            }
            let sequences = model.records.iter().map(|record| record.sequence);
            prop_assert!(sequences.eq(1..=model.records.len() as u64));
        }
        Ok(())
    }

    fn follow(&mut self) -> Result<(), TestCaseError> {
        let mut open = Vec::new();
        for (who, mut cursor, mut after) in std::mem::take(&mut self.cursors) {
            let model = &self.models[who];
            let ended = loop {
                match cursor.poll_next(&mut Context::from_waker(Waker::noop())) {
                    Poll::Pending => break false,
                    Poll::Ready(None) => {
                        prop_assert!(model.ended && after == model.records.len() as u64);
                        break true;
                    }
                    Poll::Ready(Some(Ok(batch))) => {
                        let skipped = usize::try_from(after).unwrap();
                        prop_assert!(model.records[skipped..].starts_with(&decode(&batch)));
                        after = batch.last;
                        prop_assert_eq!(cursor.position().sequence, after);
                    }
                    Poll::Ready(Some(Err(error))) => {
                        self.was_compacted(who, after, &error)?;
                        break true;
                    }
                }
            };
            if !ended {
                prop_assert_eq!(after, model.records.len() as u64, "a cursor hangs behind");
                open.push((who, cursor, after));
            }
        }
        self.cursors = open;
        Ok(())
    }

    fn read(&mut self, who: usize, after: u64, size: usize) -> Result<(), TestCaseError> {
        let id = Uuid::from_u128(who as u128);
        let (last, known) = self
            .models
            .get(who)
            .map_or((0, false), |model| (model.records.len() as u64, true));
        match self.world.journal.read(id, after, size) {
            Ok(batch) => {
                prop_assert!(known && after <= last);
                let records = decode(&batch);
                let skipped = usize::try_from(after).unwrap();
                prop_assert!(self.models[who].records[skipped..].starts_with(&records));
                prop_assert!(
                    after == last || batch.count > 0,
                    "a batch without records short of the end"
                );
                prop_assert!(batch.count <= 1 || batch.bytes.len() <= size);
                prop_assert_eq!(batch.ended, self.models[who].ended_at(batch.last));
            }
            Err(ReadError::Future { last: told }) => prop_assert!(after > told && told == last),
            Err(ReadError::NotFound) if last == 0 => {}
            Err(error) => self.was_compacted(who, after, &error)?,
        }
        Ok(())
    }

    /// Checks that an error says the truth about a compaction.
    fn was_compacted(&self, who: usize, after: u64, error: &ReadError) -> Result<(), TestCaseError> {
        match error {
            ReadError::Compacted { oldest } => prop_assert!(after + 1 < *oldest),
            ReadError::NotFound => prop_assert!(self.models[who].ended),
            error => prop_assert!(false, "{error}"),
        }
        Ok(())
    }
}

impl Model {
    fn ended_at(&self, sequence: u64) -> bool {
        let last = self.records.last();
        last.is_some_and(|record| {
            record.sequence == sequence && matches!(record.payload, Some(super::Payload::Outcome(_)))
        })
    }
}

proptest! {
    #[test]
    fn the_journal_reads_like_its_model(
        keep_operations in 0..4_usize,
        records_per_operation in 8..40_u64,
        records in prop_oneof![Just(0_usize), 1..50_usize, Just(65_536)],
        actions in proptest::collection::vec(action(), 1..80),
    ) {
        let retention = Retention { keep_operations, records_per_operation, ..Retention::default() };
        let memory = MemoryBudget { records, bytes: usize::MAX };
        let options = Options { retention, memory, ..Options::default() };
        let store = MemoryStore::new();
        let world = World::on(Box::new(store.clone()), options.clone());
        let mut test = Test { store, options, world, models: Vec::new(), cursors: Vec::new() };
        for action in &actions {
            test.act(action)?;
        }
        test.settle()?;
    }
}

//! What goes, what stays, and what readers are told.

use std::time::Duration;

use super::super::{
    AcceptOutcome, MemoryBudget, MemoryStore, NewOperation, Options, ReadError, Retention, Snapshots as _, Table,
};
use super::{Uuid, World, operation, request, succeeded};

const DAY: Duration = Duration::from_secs(86_400);

fn options(keep_operations: usize) -> Options {
    let retention = Retention {
        keep_operations,
        ..Retention::default()
    };
    // Nothing in memory, so that what is gone from the store is gone.
    Options {
        retention,
        memory: MemoryBudget { records: 0, bytes: 0 },
        ..Options::default()
    }
}

/// The rows of a table.
fn rows(store: &MemoryStore, table: Table) -> usize {
    let mut rows = 0;
    let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let visited = store
        .snapshot()
        .unwrap()
        .visit(table, everything, super::super::Order::Ascending, &mut |_, _| {
            rows += 1;
            std::ops::ControlFlow::Continue(())
        });
    visited.unwrap();
    rows
}

#[test]
fn the_oldest_ended_operations_go_first_and_leave_nothing() {
    let store = MemoryStore::new();
    let mut world = World::on(Box::new(store.clone()), options(2));
    let running = world.begin_running(1);
    for number in 2..=6 {
        let id = world.begin_running(number);
        world.report(id, [1, 2, 3]);
        world.add(id, succeeded());
    }
    for number in 2..=4 {
        let id = Uuid::from_u128(number);
        assert!(matches!(world.journal.operation(id), Err(ReadError::NotFound)));
        assert!(matches!(world.journal.read(id, 0, 1), Err(ReadError::NotFound)));
    }
    for number in 5..=6 {
        assert_eq!(world.records(Uuid::from_u128(number), 0, usize::MAX).len(), 6);
    }
    assert_eq!(
        world.records(running, 0, usize::MAX).len(),
        2,
        "what has not ended stays"
    );
    assert_eq!(rows(&store, Table::Records), 14);
    assert_eq!(rows(&store, Table::OperationIndex), 14);
    assert_eq!(rows(&store, Table::Operations), 3);
    assert_eq!(rows(&store, Table::OperationsByCreation), 3);
    assert_eq!(world.journal.operations(None, 9, |_| true).unwrap().operations.len(), 3);
}

#[test]
fn another_retention_counts_from_the_next_compaction_on() {
    let mut world = World::new(options(100));
    for number in 1..=5 {
        let id = world.begin_running(number);
        world.add(id, succeeded());
    }
    assert_eq!(world.journal.operations(None, 9, |_| true).unwrap().operations.len(), 5);
    world.journal.keep(options(2).retention);
    world.advance(DAY);
    world.settle();
    assert_eq!(world.journal.operations(None, 9, |_| true).unwrap().operations.len(), 2);
}

#[test]
fn age_counts_from_the_end() {
    let mut world = World::new(options(100));
    let (long, short) = (world.begin_running(1), world.begin_running(2));
    world.add(short, succeeded());
    world.advance(29 * DAY);
    world.add(long, succeeded());
    world.advance(2 * DAY);
    world.settle();
    assert!(matches!(world.journal.operation(short), Err(ReadError::NotFound)));
    assert_eq!(world.records(long, 0, usize::MAX).len(), 3);
}

#[test]
fn a_request_id_outlives_the_records_and_the_restart() {
    let store = MemoryStore::new();
    let mut world = World::on(Box::new(store.clone()), options(0));
    let start = |number| NewOperation {
        request: Some(request("a", 1)),
        ..operation(number)
    };
    let reply = world.journal.accept(start(1));
    world.answer(reply).unwrap();
    let id = Uuid::from_u128(1);
    world.add(id, succeeded());
    for mut world in [world, World::on(Box::new(store.clone()), options(0))] {
        assert!(matches!(
            world.journal.read(id, 0, 1),
            Err(ReadError::Compacted { oldest: 3 })
        ));
        assert!(matches!(
            world.journal.cursor(id, 1).map(drop),
            Err(ReadError::Compacted { oldest: 3 })
        ));
        assert!(world.journal.read(id, 2, 1).unwrap().ended);
        let reply = world.journal.accept(start(2));
        let Ok(AcceptOutcome::Replayed(replayed)) = world.answer(reply) else {
            panic!("it started twice")
        };
        assert_eq!((replayed.last_sequence, replayed.oldest_sequence), (2, 3));
    }
    assert_eq!(rows(&store, Table::Records), 0);
    let mut world = World::on(Box::new(store.clone()), options(0));
    world.advance(7 * DAY - Duration::from_secs(1));
    world.settle();
    let reply = world.journal.accept(start(3));
    let Ok(AcceptOutcome::Replayed(replayed)) = world.answer(reply) else {
        panic!("it started twice within seven days")
    };
    assert_eq!(replayed.operation_id, id.to_string());
    drop(world);
    // With a compaction of its own, since another one so soon would be put off. Each world begins at the same time.
    let mut world = World::on(Box::new(store.clone()), options(0));
    world.advance(7 * DAY);
    world.settle();
    assert!(matches!(world.journal.operation(id), Err(ReadError::NotFound)));
    for table in [Table::Operations, Table::OperationsByCreation, Table::RequestIds] {
        assert_eq!(rows(&store, table), 0);
    }
    let reply = world.journal.accept(start(3));
    assert!(matches!(world.answer(reply).unwrap(), AcceptOutcome::Started(_)));
    // Revisions are never given twice, though no record is left to tell.
    assert_eq!(world.journal.operation(Uuid::from_u128(3)).unwrap().last_revision, 3);
}

#[test]
fn an_enormous_operation_loses_its_head_while_it_runs() {
    let retention = Retention {
        records_per_operation: 80,
        ..Retention::default()
    };
    let store = MemoryStore::new();
    for memory in [MemoryBudget::default(), MemoryBudget { records: 0, bytes: 0 }] {
        let options = Options {
            retention,
            memory,
            ..Options::default()
        };
        let mut world = World::on(Box::new(store.clone()), options.clone());
        let id = world.begin_running(memory.records as u128 + 1);
        let mut behind = world.journal.cursor(id, 1).unwrap();
        for _ in 0..10 {
            world.report(id, 0..20);
        }
        let oldest = world.journal.operation(id).unwrap().oldest_sequence;
        assert!((202 - 90..=202 - 80 + 1).contains(&oldest), "{oldest}");
        assert!(matches!(world.journal.read(id, 5, 1), Err(ReadError::Compacted { oldest: told }) if told == oldest));
        assert!(matches!(
            world.journal.read(id, oldest - 2, 1),
            Err(ReadError::Compacted { .. })
        ));
        let records = world.records(id, oldest - 1, 300);
        assert_eq!(records.len() as u64, 203 - oldest);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let told = behind.poll_next(&mut context);
        assert!(matches!(
            told,
            std::task::Poll::Ready(Some(Err(ReadError::Compacted { .. })))
        ));

        let mut world = World::on(Box::new(store.clone()), options);
        assert_eq!(world.records(id, oldest - 1, 300), records);
        assert_eq!(world.add(id, succeeded()).sequence, 203);
    }
}

#[test]
fn clusters_that_have_settled_are_forgotten() {
    let mut world = World::new(Options::default());
    let id = world.begin_running(1);
    let until = super::Clock::now(&*world.clock) + Duration::from_secs(30);
    let settle = Some(("a".to_owned(), until));
    let reply = world.journal.append(super::Append {
        settle,
        ..super::Append::new(id, succeeded())
    });
    world.answer(reply).unwrap();
    assert_eq!(world.journal.settles().len(), 1);
    world.advance(Duration::from_secs(7200));
    world.settle();
    assert_eq!(world.journal.settles().len(), 0);
}

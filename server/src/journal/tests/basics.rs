//! What the journal does when nothing goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use prost::Message as _;

use super::super::{
    AcceptError, AcceptOutcome, Append, AppendError, Cursor, Journal, MemoryBudget, MemoryStore, NewOperation, Options,
    Position, ReadError, Step, StoreFailed,
};
use super::{
    Clock as _, Uuid, World, cancel_requested, decode, operation, outcome, progress, report, request, started,
    succeeded, v1,
};

#[test]
fn an_operation_runs_its_course() {
    let mut world = World::new(Options::default());
    let id = world.begin_running(1);
    world.report(id, [10, 40, 30]);
    let last = world.add(id, succeeded());
    assert_eq!((last.sequence, last.revision), (6, 6));
    assert_eq!(last.operation.state(), v1::OperationState::Succeeded);
    assert_eq!(last.operation.percent, 40);
    assert_eq!(*last.operation, *world.journal.operation(id).unwrap());

    let records = world.records(id, 0, usize::MAX);
    assert_eq!(
        records.iter().map(|record| record.sequence).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6]
    );
    assert_eq!(records, world.records(id, 0, 1), "one at a time they are the same");
    assert_eq!(records[3..], world.records(id, 3, 1 << 20));
    assert_eq!(world.journal.head(), 6);
    assert!(world.journal.read(id, 6, 1).unwrap().ended);
    assert!(matches!(
        world.journal.read(id, 7, 1),
        Err(ReadError::Future { last: 6 })
    ));
    assert!(matches!(
        world.journal.read(Uuid::from_u128(9), 0, 1),
        Err(ReadError::NotFound)
    ));
}

#[test]
fn a_request_that_is_repeated_finds_its_operation() {
    let store = MemoryStore::new();
    let mut world = World::on(Box::new(store.clone()), Options::default());
    let start = |number, payload| NewOperation {
        request: Some(request("a", payload)),
        ..operation(number)
    };
    // Two at once: they meet in one commit.
    let (first, second) = (world.journal.accept(start(1, 7)), world.journal.accept(start(2, 7)));
    assert!(matches!(world.answer(first).unwrap(), AcceptOutcome::Started(_)));
    let AcceptOutcome::Replayed(replayed) = second.wait().unwrap() else {
        panic!("it started twice")
    };
    assert_eq!(replayed.operation_id, Uuid::from_u128(1).to_string());

    let mut world = World::on(Box::new(store), Options::default());
    let (again, other) = (world.journal.accept(start(3, 7)), world.journal.accept(start(4, 8)));
    assert!(matches!(world.answer(again).unwrap(), AcceptOutcome::Replayed(operation) if operation == replayed));
    let refused = other.wait().unwrap_err();
    assert!(matches!(refused, AcceptError::RequestIdReused { operation_id } if operation_id == Uuid::from_u128(1)));
    let taken = world.journal.accept(operation(1));
    assert!(matches!(world.answer(taken), Err(AcceptError::OperationExists { .. })));
}

#[test]
fn locks_exclude_and_the_outcome_releases_them() {
    let mut world = World::new(Options::default());
    let (one, two) = (world.begin(1), world.begin(2));
    let take = |id, locks: &[&str]| Append {
        take_locks: locks.iter().map(|lock| (*lock).to_owned()).collect(),
        ..Append::new(id, started())
    };
    let (first, second) = (
        world.journal.append(take(one, &["a", "b"])),
        world.journal.append(take(two, &["c", "b"])),
    );
    world.answer(first).unwrap();
    let held = second.wait().unwrap_err();
    assert!(matches!(held, AppendError::LockHeld { key, operation_id } if key == "b" && operation_id == one));
    assert_eq!(
        world.journal.locks().keys().collect::<Vec<_>>(),
        ["a", "b"],
        "all or none"
    );

    let settle = Some(("a".to_owned(), world.clock.now() + Duration::from_secs(30)));
    let end = Append {
        settle: settle.clone(),
        ..Append::new(one, succeeded())
    };
    let (end, again) = (world.journal.append(end), world.journal.append(take(two, &["c", "b"])));
    world.answer(end).unwrap();
    again.wait().unwrap();
    assert_eq!(
        world.journal.locks().iter().collect::<Vec<_>>(),
        [(&"b".to_owned(), &two), (&"c".to_owned(), &two)]
    );
    assert_eq!(
        world.journal.settles().iter().next().map(|(a, b)| (a.clone(), *b)),
        settle
    );
}

#[test]
fn what_cannot_follow_is_refused_and_changes_nothing() {
    let mut world = World::new(Options::default());
    let id = world.begin(1);
    let expecting = Append {
        expect: Some(v1::OperationState::Running),
        ..Append::new(id, succeeded())
    };
    let reply = world.journal.append(expecting);
    let refused = world.answer(reply).unwrap_err();
    assert!(matches!(
        refused,
        AppendError::Unexpected {
            state: v1::OperationState::Pending
        }
    ));
    world.add(id, outcome(v1::OperationState::Cancelled));
    let reply = world.journal.append(Append::new(id, succeeded()));
    assert!(matches!(world.answer(reply), Err(AppendError::Illegal(_))));
    // A late callback finds no place behind the outcome.
    world.report(id, [50]);
    let reply = world.journal.append(Append::new(Uuid::from_u128(2), succeeded()));
    assert!(matches!(world.answer(reply), Err(AppendError::NotFound)));
    assert_eq!(world.journal.operation(id).unwrap().last_sequence, 2);
    assert_eq!(world.journal.head(), 2);
}

#[test]
fn an_outcome_never_overtakes_the_progress_before_it() {
    let mut world = World::new(Options::default());
    let id = world.begin_running(1);
    let sink = world.journal.progress(id);
    (0..1000).for_each(|percent| sink.push(progress(percent)));
    let end = world.journal.append(Append::new(id, succeeded()));
    assert_eq!(
        world.answer(end).unwrap().sequence,
        1003,
        "no commit is so full that it splits the order"
    );
}

#[test]
fn memory_holds_what_its_budget_allows_and_the_store_the_rest() {
    for memory in [
        MemoryBudget::default(),
        MemoryBudget { records: 0, bytes: 0 },
        MemoryBudget {
            records: 3,
            bytes: usize::MAX,
        },
        MemoryBudget {
            records: usize::MAX,
            bytes: 300,
        },
    ] {
        let mut world = World::new(Options {
            memory,
            ..Options::default()
        });
        let (one, two) = (world.begin_running(1), world.begin_running(2));
        for percent in 0..10 {
            world.report(one, [percent, percent]);
            world.report(two, [percent]);
        }
        world.add(one, succeeded());
        for (id, last, ended) in [(one, 23, true), (two, 12, false)] {
            let whole = world.records(id, 0, usize::MAX);
            assert_eq!(whole.len() as u64, last);
            for after in 0..=last {
                for max_bytes in [0, 100, 200, 1000] {
                    let skipped = usize::try_from(after).unwrap();
                    assert_eq!(world.records(id, after, max_bytes), whole[skipped..]);
                }
            }
            assert_eq!(world.journal.read(id, last, 0).unwrap().ended, ended);
            assert!(matches!(
                world.journal.read(id, last + 1, 0),
                Err(ReadError::Future { .. })
            ));
            assert_eq!(world.journal.operation(id).unwrap().last_sequence, last);
        }
    }
}

#[test]
fn a_batch_of_one_chunk_is_not_copied() {
    let mut world = World::new(Options::default());
    let id = world.begin_running(1);
    world.report(id, [1, 2, 3]);
    let (one, other) = (
        world.journal.read(id, 2, 1 << 16).unwrap(),
        world.journal.read(id, 2, 1 << 16).unwrap(),
    );
    assert_eq!(one.count, 3);
    assert_eq!(one.bytes.as_ptr(), other.bytes.as_ptr());
}

#[test]
fn a_page_is_bounded_by_bytes_too_and_the_next_goes_on_there() {
    let mut world = World::new(Options::default());
    for number in 1..=5 {
        world.begin(number);
    }
    let size = world.journal.operations(None, 1, |_all| true).unwrap().operations[0].encoded_len();
    let mut before = None;
    let mut pages = Vec::new();
    loop {
        let page = world.journal.page(before, 9, size + 1, |_all| true).unwrap();
        let names: Vec<_> = page
            .operations
            .iter()
            .map(|operation| operation.cluster.clone())
            .collect();
        pages.push(names.join(" "));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["cluster-5 cluster-4", "cluster-3 cluster-2", "cluster-1"]);
    // One that is larger than the bound is still given.
    assert_eq!(world.journal.page(None, 9, 1, |_all| true).unwrap().operations.len(), 1);
}

#[test]
fn operations_are_listed_newest_first() {
    for records in [0, 100] {
        let memory = MemoryBudget {
            records,
            bytes: usize::MAX,
        };
        let mut world = World::new(Options {
            memory,
            ..Options::default()
        });
        for number in [5, 3, 4, 1, 2] {
            let id = world.begin(number);
            if number % 2 == 0 {
                world.add(id, succeeded());
            }
        }
        let list = |before, limit, odd_only: bool| {
            let odd = |operation: &v1::Operation| operation.state() == v1::OperationState::Pending;
            let page = world
                .journal
                .operations(before, limit, |operation| !odd_only || odd(operation))
                .unwrap();
            let names: Vec<_> = page
                .operations
                .iter()
                .map(|operation| operation.cluster.clone())
                .collect();
            (names.join(" "), page.next)
        };
        assert_eq!(
            list(None, 9, false),
            ("cluster-2 cluster-1 cluster-4 cluster-3 cluster-5".to_owned(), None)
        );
        assert_eq!(list(None, 5, false).1, None);
        let (names, next) = list(None, 2, true);
        assert_eq!(names, "cluster-1 cluster-3");
        assert_eq!(list(next, 2, true), ("cluster-5".to_owned(), None));
        assert_eq!(list(Some(0), 2, false), (String::new(), None));
    }
}

#[test]
fn a_storm_folds_continue_reports_and_nothing_else() {
    use v1::{SetupPhaseType as Type, SetupSeverity as Severity};
    let mut world = World::new(Options::default());
    let (id, other) = (world.begin_running(1), world.begin_running(2));
    let sink = world.journal.progress(id);
    (0..65_536).for_each(|_| sink.push(progress(1)));
    (0..5).for_each(|_| sink.push(progress(2)));
    sink.push(report(Type::Start, Severity::Informational, 3));
    sink.push(progress(4));
    sink.push(report(Type::Continue, Severity::Warning, 5));
    sink.push(progress(6));
    world
        .journal
        .progress(other)
        .push(report(Type::End, Severity::Informational, 7));
    let end = world.journal.append(Append::new(id, succeeded()));
    world.answer(end).unwrap();
    let records = world.records(id, 65_537, 1 << 16);
    let folded: Vec<_> = records.iter().map(|record| record.folded).collect();
    assert_eq!(folded, [0, 5, 1, 1], "the last of the reports, Start, Warning, outcome");
    assert_eq!(world.records(other, 2, 1 << 16)[0].folded, 0);
    // What was committed leaves room again.
    let sink = world.journal.progress(other);
    (0..10).for_each(|_| sink.push(progress(1)));
    world.settle();
    assert_eq!(world.journal.operation(other).unwrap().last_sequence, 13);
}

/// Counts wake-ups.
#[derive(Default)]
pub(super) struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    pub(super) fn rings(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

#[test]
fn cursors_wake_for_their_operation_only_and_end_with_it() {
    let mut world = World::new(Options::default());
    let (one, two) = (world.begin_running(1), world.begin_running(2));
    let lane = world.journal.lane();
    let bells: [Arc<Bell>; 3] = std::array::from_fn(|_| Arc::default());
    let wakers = bells.clone().map(Waker::from);
    let mut cursors = [
        world.journal.cursor(one, 2).unwrap(),
        lane.cursor(one, 2).unwrap(),
        lane.cursor(two, 2).unwrap(),
    ];
    let poll = |cursors: &mut [Cursor; 3]| -> [Option<Option<u64>>; 3] {
        std::array::from_fn(|i| match cursors[i].poll_next(&mut Context::from_waker(&wakers[i])) {
            Poll::Pending => None,
            Poll::Ready(None) => Some(None),
            Poll::Ready(Some(batch)) => Some(Some(batch.unwrap().last)),
        })
    };
    assert_eq!(poll(&mut cursors), [None, None, None]);
    let sink = world.journal.progress(one);
    sink.push(progress(1));
    assert_eq!(
        bells.each_ref().map(|bell| bell.rings()),
        [0, 0, 0],
        "a callback wakes no watcher"
    );
    assert_eq!(
        poll(&mut cursors),
        [None, None, None],
        "what is not durable is not seen"
    );
    sink.push(progress(2));
    world.settle();
    assert_eq!(bells.each_ref().map(|bell| bell.rings()), [1, 1, 0]);
    assert_eq!(poll(&mut cursors), [Some(Some(4)), Some(Some(4)), None]);
    assert_eq!(
        cursors[0].position(),
        Position {
            sequence: 4,
            revision: 6
        }
    );
    assert_eq!(
        cursors[2].position(),
        Position {
            sequence: 2,
            revision: 6
        },
        "an idle mark moves with the journal"
    );
    world.add(one, succeeded());
    assert_eq!(
        bells.each_ref().map(|bell| bell.rings()),
        [0, 0, 0],
        "nobody was parked"
    );
    assert_eq!(poll(&mut cursors), [Some(Some(5)), Some(Some(5)), None]);
    assert_eq!(poll(&mut cursors), [Some(None), Some(None), None]);

    // With a dispatcher, the writer wakes only it, once; then it wakes the cursors.
    let dispatcher_bell: Arc<Bell> = Arc::default();
    let dispatcher_waker = Waker::from(dispatcher_bell.clone());
    let mut dispatch = Box::pin(lane.dispatch());
    let mut poll_dispatch = || {
        assert!(
            dispatch
                .as_mut()
                .poll(&mut Context::from_waker(&dispatcher_waker))
                .is_pending()
        );
    };
    poll_dispatch();
    let sink = world.journal.progress(two);
    sink.push(progress(1));
    world.settle();
    sink.push(progress(2));
    world.settle();
    assert_eq!((dispatcher_bell.rings(), bells[2].rings()), (1, 0));
    poll_dispatch();
    assert_eq!(bells[2].rings(), 1);
    assert_eq!(poll(&mut cursors)[2], Some(Some(4)));
    assert_eq!(poll(&mut cursors)[2], None);
    sink.push(progress(3));
    world.settle();
    drop(dispatch);
    assert_eq!(bells[2].rings(), 1, "a dispatcher that goes away leaves nobody asleep");
}

#[test]
fn a_stop_finishes_what_came_before_and_refuses_what_comes_after() {
    let mut world = World::new(Options::default());
    let id = world.begin_running(1);
    let mut parked = world.journal.cursor(id, 3).err();
    assert!(matches!(parked.take(), Some(ReadError::Future { last: 2 })));
    let mut cursor = world.journal.cursor(id, 2).unwrap();
    let before = world.journal.append(Append::new(id, cancel_requested()));
    let stop = world.journal.stop();
    let behind = world.journal.append(Append::new(id, succeeded()));
    assert_eq!(world.settle(), Step::Stopped);
    assert_eq!(before.wait().unwrap().sequence, 3);
    stop.wait().unwrap();
    assert!(matches!(behind.wait(), Err(AppendError::Failed(StoreFailed::Stopped))));
    assert!(matches!(world.journal.stop().wait(), Err(StoreFailed::Stopped)));
    assert!(matches!(world.journal.failed(), Some(StoreFailed::Stopped)));
    world.journal.progress(id).push(progress(1));
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(cursor.poll_next(&mut context), Poll::Ready(Some(Ok(batch))) if batch.last == 3));
    assert!(matches!(
        cursor.poll_next(&mut context),
        Poll::Ready(Some(Err(ReadError::Failed(_))))
    ));
    assert!(matches!(cursor.poll_next(&mut context), Poll::Ready(None)));
}

#[test]
fn dropping_the_writer_leaves_nobody_waiting() {
    let World { journal, writer, .. } = World::new(Options::default());
    let reply = journal.accept(operation(1));
    drop(writer);
    assert!(matches!(reply.wait(), Err(AcceptError::Failed(StoreFailed::Stopped))));
    assert!(matches!(
        journal.accept(operation(2)).wait(),
        Err(AcceptError::Failed(StoreFailed::Stopped))
    ));
}

#[test]
fn the_thread_driver_serves_many_threads() {
    for progress_tick in [None, Some(Duration::from_millis(1))] {
        let World { journal, writer, .. } = World::new(Options {
            progress_tick,
            ..Options::default()
        });
        let driver = std::thread::scope(|scope| {
            let driver = scope.spawn(|| writer.run());
            for number in 1..=4 {
                let journal = journal.clone();
                scope.spawn(move || drive_one(&journal, number));
            }
            scope.spawn(|| {
                for number in 1..=4 {
                    let id = Uuid::from_u128(number);
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    let ended = loop {
                        match runtime.block_on(journal.ended(id)) {
                            Err(ReadError::NotFound) => std::thread::yield_now(),
                            ended => break ended.unwrap(),
                        }
                    };
                    assert_eq!(ended.last_sequence, 503);
                }
                journal.stop().wait().unwrap();
            });
            driver.join()
        });
        driver.unwrap();
        assert_eq!(journal.head(), 4 * 503);
    }
}

fn drive_one(journal: &Journal, number: u128) {
    let id = Uuid::from_u128(number);
    journal.accept(operation(number)).wait().unwrap();
    journal.append(Append::new(id, started())).wait().unwrap();
    let sink = journal.progress(id);
    (0..500).for_each(|_| sink.push(progress(1)));
    journal.append(Append::new(id, succeeded())).wait().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_task_driver_serves_a_simulation() {
    let World { journal, writer, .. } = World::new(Options::default());
    let driver = tokio::spawn(writer.drive(Duration::from_millis(3)));
    let id = Uuid::from_u128(1);
    journal.accept(operation(1)).await.unwrap();
    let mut cursor = journal.cursor(id, 0).unwrap();
    journal.append(Append::new(id, started())).await.unwrap();
    journal.progress(id).push(progress(5));
    journal.append(Append::new(id, succeeded())).await.unwrap();
    let mut records = Vec::new();
    while let Some(batch) = cursor.next().await {
        records.extend(decode(&batch.unwrap()));
    }
    assert_eq!(records.len(), 4);
    assert_eq!(journal.ended(id).await.unwrap().percent, 5);
    journal.stop().await.unwrap();
    driver.await.unwrap();
    assert!(matches!(journal.failure().await, StoreFailed::Stopped));
}

//! The deterministic simulation: the daemon, its store and its clients on simulated hosts, under crashes in the middle of
//! commits, lost and torn writes, partitions and dying clients. One seed is one history.
//!
//! `SIM_SEEDS=300` runs so many seeds, `SIM_SEED=17` runs that one and tells what happened in it. See `plan.rs` for what
//! a seed decides, and `check.rs` for the promises.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "how a test fails and tells what it found"
)]

mod check;
mod clients;
mod daemon;
mod history;
mod log;
mod plan;
mod run;
mod stage;
mod turns;

use std::sync::atomic::{AtomicU64, Ordering};

use wsfc_client::v1::OperationRecord;
use wsfc_client::v1::operation_record::Payload;
use wsfcd::journal::PlantedBug;

use crate::plan::Plan;
use crate::run::{Figures, Verdict, run};

/// How many seeds are run when nothing else is asked for.
const SEEDS: u64 = 24;

/// A planted bug must be found in so many seeds, or the suite proves nothing.
const SEEDS_FOR_A_BUG: u64 = 60;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| match text.parse() {
        Ok(number) => number,
        Err(error) => panic!("{name} is {text:?}: {error}"),
    })
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = variable("SIM_SEED") {
        let Verdict { broken, figures, .. } = run(Plan::of(seed, None));
        println!("seed {seed}: {figures:?}");
        assert!(broken.is_empty(), "{}", broken.join("\n"));
        return;
    }
    let seeds = variable("SIM_SEEDS").unwrap_or(SEEDS);
    let verdicts = run_all(seeds);
    let failed = verdicts.iter().filter(|(_, verdict)| !verdict.broken.is_empty());
    let lines: Vec<_> = failed
        .map(|(seed, verdict)| {
            let broken = &verdict.broken[0];
            format!("SIM_SEED={seed} cargo test -p wsfc-tests --test simulation every_seed  # {broken}")
        })
        .collect();
    assert!(
        lines.is_empty(),
        "{} of {seeds} seeds break a promise; to replay:\n{}",
        lines.len(),
        lines.join("\n")
    );
    let all = verdicts
        .iter()
        .fold(Figures::default(), |all, (_, verdict)| all.and(verdict.figures));
    println!("{seeds} seeds: {all:?}");
    if seeds >= SEEDS {
        // Seeds in which nothing happens prove nothing.
        assert!(
            all.crashes_in_commit > 0 && all.crashes > all.crashes_in_commit,
            "{all:?}"
        );
        assert!(all.operations > 0 && all.interrupted > 0 && all.records > 0, "{all:?}");
        assert!(all.reused > 0 && all.compacted > 0, "{all:?}");
    }
}

/// Runs the seeds from 0 on, a few at a time.
fn run_all(seeds: u64) -> Vec<(u64, Verdict)> {
    let next = AtomicU64::new(0);
    let work = || {
        let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|seed| *seed < seeds);
        seeds.map(|seed| (seed, run(Plan::of(seed, None)))).collect::<Vec<_>>()
    };
    let mut verdicts: Vec<_> = std::thread::scope(|scope| {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.flat_map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    verdicts.sort_by_key(|(seed, _)| *seed);
    verdicts
}

#[test]
fn a_seed_is_one_history() {
    for seed in 1_000..1_003 {
        let [one, other] = [0, 1].map(|_| run(Plan::of(seed, None)));
        assert!(one.figures.records > 0, "seed {seed} proves nothing: {:?}", one.figures);
        for (one, other) in one.events.iter().zip(&other.events) {
            assert_eq!(one, other, "seed {seed} has two histories");
        }
        assert_eq!(one.events.len(), other.events.len(), "seed {seed} has two histories");
    }
}

/// Promise P14: what is recorded does not depend on who watches.
#[test]
fn clients_do_not_matter() {
    let [alone, watched] = [false, true].map(|watched| {
        let plan = Plan::calm(7, watched);
        let operations = plan.intents[0].len();
        let verdict = run(plan);
        assert!(verdict.broken.is_empty(), "{}", verdict.broken.join("\n"));
        assert_eq!(verdict.log.operations.len(), operations, "{:?}", verdict.figures);
        verdict
    });
    assert!(
        watched.figures.records > 1_000 && alone.figures.records == 0,
        "{:?}",
        watched.figures
    );
    for (alone, watched) in alone.log.operations.iter().zip(&watched.log.operations) {
        let [alone, watched] = [alone, watched].map(|logged| logged.records.iter().map(timeless).collect::<Vec<_>>());
        assert_eq!(alone, watched);
    }
}

/// A record without what differs from run to run: times, and the names that follow from them.
fn timeless(record: &OperationRecord) -> OperationRecord {
    let mut record = OperationRecord {
        operation_id: String::new(),
        time: None,
        ..record.clone()
    };
    if let Some(Payload::Pending(pending)) = &mut record.payload {
        (pending.until, pending.remaining) = (None, None);
    }
    record
}

/// Runs seeds until one breaks one of the promises.
fn assert_found(what: &str, plan: impl Fn(u64) -> Plan, promises: &[&str]) {
    let found = (0..SEEDS_FOR_A_BUG).find_map(|seed| {
        let broken = run(plan(seed)).broken;
        let expected = |broken: &String| promises.iter().any(|promise| broken.starts_with(promise));
        broken.into_iter().find(expected).map(|broken| (seed, broken))
    });
    match found {
        Some((seed, broken)) => println!("{what} is found by seed {seed}: {broken}"),
        None => panic!("{what} stays hidden in {SEEDS_FOR_A_BUG} seeds"),
    }
}

#[test]
fn records_that_are_shown_before_they_are_durable_are_found() {
    let bug = PlantedBug::PublishBeforeDurable;
    assert_found(
        "publishing before durable",
        |seed| Plan::of(seed, Some(bug)),
        &["P2", "P4"],
    );
}

#[test]
fn a_resume_that_leaves_out_a_record_is_found() {
    let bug = PlantedBug::ResumeOffByOne;
    assert_found(
        "a resume that is off by one",
        |seed| Plan::of(seed, Some(bug)),
        &["P3", "P5"],
    );
}

#[test]
fn a_request_id_that_is_written_too_late_is_found() {
    let bug = PlantedBug::RequestIdInSecondTransaction;
    assert_found(
        "a request id in a second transaction",
        |seed| Plan::of(seed, Some(bug)),
        &["P9"],
    );
}

#[test]
fn a_disk_that_only_pretends_to_sync_is_found() {
    let plan = |seed| Plan {
        disk_lies: true,
        ..Plan::of(seed, None)
    };
    assert_found("a disk that lies", plan, &["P1", "P2"]);
}

//! The deterministic simulation: the daemon, its store and its clients on simulated hosts, under crashes in the middle of
//! commits, lost and torn writes, partitions and dying clients. One seed is one history.
//!
//! `SIM_SEEDS=300` runs so many seeds, `SIM_SEED=17` runs that one and tells what happened in it. See `plan.rs` for what
//! a seed decides, and `check.rs` for the promises.
#![expect(clippy::panic, reason = "how a test fails")]

mod check;
mod clients;
mod daemon;
mod history;
mod log;
mod plan;
mod run;
mod stage;
mod turns;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use wsfcd::journal::PlantedBug;

use crate::plan::Plan;
use crate::run::{Verdict, run};

/// How many seeds are run when nothing else is asked for.
const SEEDS: u64 = 40;

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
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let Verdict { broken, .. } = run(Plan::of(seed, None));
            if !broken.is_empty() {
                failed.lock().unwrap().push((seed, broken));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    let lines: Vec<_> = failed
        .iter()
        .map(|(seed, broken)| {
            format!(
                "SIM_SEED={seed} cargo test -p wsfc-tests --test simulation every_seed  # {}",
                broken[0]
            )
        })
        .collect();
    assert!(
        lines.is_empty(),
        "{} of {seeds} seeds break a promise; to replay:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn a_seed_is_one_history() {
    for seed in 1_000..1_004 {
        let [one, other] = [0, 1].map(|_| run(Plan::of(seed, None)));
        assert!(one.figures.records > 0, "seed {seed} proves nothing: {:?}", one.figures);
        for (one, other) in one.events.iter().zip(&other.events) {
            assert_eq!(one, other, "seed {seed} has two histories");
        }
        assert_eq!(one.events.len(), other.events.len(), "seed {seed} has two histories");
    }
}

/// Runs seeds until a bug is found by one of the promises that it breaks.
fn assert_found(bug: PlantedBug, promises: &[&str]) {
    let found = (0..SEEDS_FOR_A_BUG).any(|seed| {
        let broken = run(Plan::of(seed, Some(bug))).broken;
        broken
            .iter()
            .any(|broken| promises.iter().any(|promise| broken.starts_with(promise)))
    });
    assert!(found, "{bug:?} stays hidden in {SEEDS_FOR_A_BUG} seeds");
}

#[test]
fn records_that_are_shown_before_they_are_durable_are_found() {
    assert_found(PlantedBug::PublishBeforeDurable, &["P2", "P4"]);
}

#[test]
fn a_resume_that_leaves_out_a_record_is_found() {
    assert_found(PlantedBug::ResumeOffByOne, &["P3", "P5"]);
}

#[test]
fn a_request_id_that_is_written_too_late_is_found() {
    assert_found(PlantedBug::RequestIdInSecondTransaction, &["P9"]);
}

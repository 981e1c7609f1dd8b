//! The model test: a client that only watched holds what the cluster holds.
//!
//! From a seed, verbs and faults come down on a simulated cluster at random, thousands of them, while a client keeps a copy
//! of the inventory from a watch that loses its connection and its daemon again and again. After each step the copy is
//! compared with a fresh read of the cluster through the C functions, which the watch has no part in.
//!
//! `MODEL_SEEDS=20 MODEL_STEPS=2000 cargo test -p wsfc-tests --test model` runs more of it, `MODEL_SEED=7` one seed again.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "how a test fails")]

mod run;
mod steps;
mod watcher;
mod world;

use std::env;

/// What a plain run does.
const SEEDS: u64 = 4;
const STEPS: usize = 250;

fn number(name: &str) -> Option<u64> {
    env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_watched_holds_what_the_cluster_holds() {
    let steps = number("MODEL_STEPS").map_or(STEPS, |steps| usize::try_from(steps).unwrap());
    let seeds = match number("MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MODEL_SEEDS").unwrap_or(SEEDS),
    };
    let mut done = run::Done::default();
    for seed in seeds {
        done.add(&run::run(seed, steps).await);
    }
    println!("{done}");
    done.judge();
}

//! One seed: steps, and what must be true after each.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use wsfc_clusapi::Clusapi;
use wsfc_simulator::Simulation;
use wsfc_tests::TestDaemon;
use wsfcd::inventory::identity::identify;
use wsfcd::inventory::read::Reader;
use wsfcd::inventory::reread::Source as _;

use crate::steps;
use crate::watcher::{Watcher, plain};
use crate::world::{self, CLUSTER};

/// What was done, so that a run that did nothing is seen.
#[derive(Default)]
pub struct Done {
    seeds: u64,
    steps: usize,
    compared: u64,
    out_of_reach: u64,
    restarts: u64,
    reconnects: u64,
    events: u64,
    /// How often each verb was asked for, and how often it succeeded.
    verbs: BTreeMap<&'static str, (u64, u64)>,
}

impl Done {
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.compared += other.compared;
        self.out_of_reach += other.out_of_reach;
        self.restarts += other.restarts;
        self.reconnects += other.reconnects;
        self.events += other.events;
        for (verb, (asked, well)) in &other.verbs {
            let counted = self.verbs.entry(verb).or_default();
            counted.0 += asked;
            counted.1 += well;
        }
    }

    /// A run that compared nothing, lost no connection, or in which verbs never work, proves nothing.
    pub fn judge(&self) {
        assert!(self.compared > 0 && self.events > 0 && self.reconnects > 0, "{self}");
        if self.steps >= 3_000 {
            let never: Vec<_> = self
                .verbs
                .iter()
                .filter(|(_, (_, well))| *well == 0)
                .map(|(verb, _)| verb)
                .collect();
            assert!(never.is_empty(), "verbs that never succeeded: {never:?}");
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds, {} steps, {} comparisons, {} while out of reach, {} restarts, {} reconnects, {} events",
            self.seeds, self.steps, self.compared, self.out_of_reach, self.restarts, self.reconnects, self.events
        )
    }
}

/// Plays a seed.
pub async fn run(seed: u64, steps: usize) -> Done {
    let mut random = Rng::with_seed(seed);
    let builder = TestDaemon::builder(world::scenario(seed)).plain().observing();
    let Some(builder) = builder.in_process("the model reads the simulated world itself") else {
        return Done {
            compared: 1,
            events: 1,
            reconnects: 1,
            ..Done::default()
        };
    };
    let mut daemon = builder
        .settings(|settings| settings.operations.verb_timeout = Duration::from_secs(5))
        .start()
        .await;
    daemon.logs().expect("");
    let world = daemon.simulation().simulation().expect("in process").clone();
    let client = daemon.client();
    let wire = daemon.wire().await;
    // The client of the verbs goes over a wire too, so that it finds the daemon again after a restart.
    let steady = daemon.wire().await;
    drop(client);
    let client = daemon.client_over(&steady);
    let mut watcher = Watcher::new(&daemon.client_over(&wire));
    let mut done = Done {
        seeds: 1,
        steps,
        ..Done::default()
    };
    let mut story = Vec::new();
    for step in 0..steps {
        let what = match random.u8(..20) {
            0..=11 => {
                let (verb, well) = steps::verb(&mut random, &client).await;
                let counted = done.verbs.entry(verb).or_default();
                counted.0 += 1;
                counted.1 += u64::from(well);
                format!("{verb} {}", if well { "done" } else { "refused" })
            }
            12..=16 => steps::incident(&mut random, &world),
            17 | 18 => {
                wire.cut();
                "the watcher's connection is cut".into()
            }
            _ if random.u8(..4) == 0 => {
                done.restarts += 1;
                daemon.restart().await;
                wire.retarget(daemon.address());
                steady.retarget(daemon.address());
                wire.cut();
                steady.cut();
                "the daemon starts anew".into()
            }
            _ => {
                steps::mend(&world);
                "everything is mended".into()
            }
        };
        story.push(format!("{step}: {what}"));
        check(seed, &world, &mut watcher, &story, &mut done).await;
    }
    steps::mend(&world);
    story.push("the end: everything is mended".into());
    let before = done.compared;
    check(seed, &world, &mut watcher, &story, &mut done).await;
    assert!(
        done.compared > before,
        "seed {seed}: a cluster that is mended can be read"
    );
    done.reconnects = watcher.reconnects;
    done.events = watcher.events;
    daemon.finish().await;
    done
}

/// What must be true after a step.
async fn check(seed: u64, world: &Simulation, watcher: &mut Watcher, story: &[String], done: &mut Done) {
    let tail = || story[story.len().saturating_sub(12)..].join("\n  ");
    if let Err(wrong) = world.consistency() {
        panic!(
            "MODEL_SEED={seed}: the world is inconsistent: {wrong}, after\n  {}",
            tail()
        );
    }
    let there = world.clone();
    let read = tokio::task::spawn_blocking(move || {
        let api = Clusapi::from_provider(there);
        let cluster = api.open_cluster(Some(CLUSTER))?;
        let id = identify(&cluster)?.id;
        Reader::new(cluster, id).whole()
    });
    let Ok(model) = read.await.expect("a read does not panic") else {
        // Nobody can read a cluster without quorum; the watcher is compared when it is back.
        done.out_of_reach += 1;
        return;
    };
    let wanted = plain(model.objects().values().cloned());
    watcher
        .until(&format!("MODEL_SEED={seed}, after\n  {}", tail()), &wanted)
        .await;
    done.compared += 1;
}

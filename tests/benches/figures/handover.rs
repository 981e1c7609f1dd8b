//! What a progress callback costs its caller.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use uuid::Uuid;
use wsfc_clusapi::{Answer, Clusapi, CreateClusterConfig, ManagementPointType};
use wsfc_simulator::{Fault, Simulation};
use wsfcd::journal::{Journal, MemoryStore, Opened, Options, ProgressSink};

use crate::journals::{self, GatedStore, begin, options, report, settle, thread};
use crate::method::{Effort, Times, clock_cost, table, us};
use crate::served::two_machines;
use crate::wakes::{Counted, Wakes};

/// Reports of one burst.
const BURST: usize = 100;
/// After so long without work the writer sleeps.
const UNTIL_ASLEEP: Duration = Duration::from_millis(3);
/// How many reports may wait for the disk; see `ProgressSink::push`.
const WAITING: usize = 65_536;
/// The writer's tick, where it has one.
const TICK: Duration = Duration::from_millis(1);

pub fn run(effort: Effort) {
    push(effort);
    wake_ups(effort);
    blocked();
    trampoline(effort);
}

/// A journal with an operation and watchers, and what pushing into it took.
struct Pushed {
    watchers: usize,
    tick: Option<Duration>,
    journal: Journal,
    sink: ProgressSink,
    _dir: TempDir,
    bursts: Times,
    in_burst: Times,
    asleep: Times,
}

impl Pushed {
    fn new(watchers: usize, tick: Option<Duration>) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let options = Options {
            progress_tick: tick,
            ..options()
        };
        let journal = journals::on_disk(dir.path(), options);
        let id = begin(&journal);
        settle(&journal);
        attach(&journal, id, watchers, None);
        Self {
            watchers,
            tick,
            sink: journal.progress(id),
            journal,
            _dir: dir,
            bursts: Times::default(),
            in_burst: Times::default(),
            asleep: Times::default(),
        }
    }

    /// One burst with the writer awake, timed as a whole or each push for itself.
    fn burst(&mut self, each: bool) {
        let mut reports: Vec<_> = (0..=BURST).map(|_| report(200)).collect();
        if let Some(first) = reports.pop() {
            self.sink.push(first);
        }
        if each {
            for report in reports {
                let began = Instant::now();
                self.sink.push(report);
                self.in_burst.add(began.elapsed());
            }
        } else {
            let began = Instant::now();
            for report in reports {
                self.sink.push(report);
            }
            self.bursts.add(began.elapsed() / BURST as u32);
        }
        self.rest();
    }

    /// One push while the writer sleeps.
    fn single(&mut self) {
        let report = report(200);
        let began = Instant::now();
        self.sink.push(report);
        self.asleep.add(began.elapsed());
        self.rest();
    }

    fn rest(&self) {
        settle(&self.journal);
        std::thread::sleep(UNTIL_ASLEEP);
    }
}

/// Lets watchers follow an operation on two threads, as two serving threads would; their wake-ups may be counted.
fn attach(journal: &Journal, id: Uuid, watchers: usize, wakes: Option<&Arc<Wakes>>) {
    let uncounted = Wakes::of_this_thread();
    for half in [watchers / 2, watchers - watchers / 2] {
        if half == 0 {
            continue;
        }
        let (journal, wakes) = (journal.clone(), Arc::clone(wakes.unwrap_or(&uncounted)));
        let (ready, attached) = std::sync::mpsc::channel();
        thread("watchers", move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let lane = journal.lane();
                for _ in 0..half {
                    let mut cursor = lane.cursor(id, 0).expect("the operation is published");
                    let follow = async move { while let Some(Ok(_)) = cursor.next().await {} };
                    tokio::spawn(Counted::new(follow, &wakes));
                }
                // Queued behind the watchers, which have all parked when it runs.
                tokio::spawn(async move { ready.send(()) });
                Counted::new(lane.dispatch(), &wakes).await;
            });
        });
        attached.recv().expect("the watchers' thread does not panic");
    }
}

fn push(effort: Effort) {
    let mut journals: Vec<_> = [None, Some(TICK)]
        .into_iter()
        .flat_map(|tick| [0, 1, 1000].map(|watchers| Pushed::new(watchers, tick)))
        .collect();
    for round in 0..effort.rounds(600) {
        for pushed in &mut journals {
            pushed.burst(round % 3 == 0);
            pushed.single();
        }
    }
    let rows: Vec<_> = journals
        .iter()
        .map(|pushed| {
            vec![
                if pushed.tick.is_some() { "1 ms tick" } else { "callback" }.to_owned(),
                pushed.watchers.to_string(),
                us(pushed.bursts.median()),
                us(pushed.bursts.quantile(990)),
                us(pushed.in_burst.quantile(990)),
                us(pushed.in_burst.quantile(999)),
                us(pushed.asleep.median()),
                us(pushed.asleep.quantile(990)),
            ]
        })
        .collect();
    table(
        &format!(
            "Hand-over to a journal on disk, us for each push (the clock's own cost, in the single times only: {})",
            us(clock_cost())
        ),
        &[
            "writer woken by",
            "watchers",
            "burst of 100: median",
            "burst: p99",
            "single in burst: p99",
            "p99.9",
            "writer asleep: median",
            "p99",
        ],
        &rows,
    );
}

/// Counts the wake-ups that pushing causes on the caller's thread: of the writer, of dispatchers, of watchers.
fn wake_ups(effort: Effort) {
    let mut rows = Vec::new();
    for watchers in [0, 1, 1000] {
        let wakes = Wakes::of_this_thread();
        let Opened { journal, writer, .. } = journals::open(MemoryStore::new(), options());
        let drive = Counted::new(writer.drive(Duration::ZERO), &wakes);
        thread("journal", move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.expect("a runtime").block_on(drive);
        });
        let id = begin(&journal);
        settle(&journal);
        attach(&journal, id, watchers, Some(&wakes));
        let sink = journal.progress(id);
        let (mut single, mut burst) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds(200) {
            for (pushes, counts) in [(1, &mut single), (BURST, &mut burst)] {
                std::thread::sleep(UNTIL_ASLEEP);
                let before = wakes.count();
                for _ in 0..pushes {
                    sink.push(report(200));
                }
                counts.push(wakes.count() - before);
                settle(&journal);
            }
        }
        burst.sort_unstable();
        rows.push(vec![
            watchers.to_string(),
            single.iter().max().copied().unwrap_or_default().to_string(),
            burst[burst.len() / 2].to_string(),
            burst.last().copied().unwrap_or_default().to_string(),
        ]);
    }
    table(
        "Wake-ups that the callback's thread causes, of any thread (store in memory, so that the writer sleeps again soon)",
        &[
            "watchers",
            "one push: most",
            "burst of 100: median",
            "burst of 100: most",
        ],
        &rows,
    );
}

/// Pushes while the disk does not answer, past the point where Continue reports are folded.
fn blocked() {
    let store = GatedStore::default();
    let journal = journals::over(store.clone(), options());
    let id = begin(&journal);
    settle(&journal);
    attach(&journal, id, 1000, None);
    let sink = journal.progress(id);
    store.close(true);
    let (mut taken, mut folded) = (Times::default(), Times::default());
    for number in 0..100_000 {
        let report = report(200);
        let began = Instant::now();
        sink.push(report);
        if number < WAITING { &mut taken } else { &mut folded }.add(began.elapsed());
    }
    store.close(false);
    settle(&journal);
    let row = |name: &str, times: &Times| {
        vec![
            name.to_owned(),
            us(times.median()),
            us(times.quantile(990)),
            us(times.quantile(999)),
            us(times.quantile(1000)),
        ]
    };
    table(
        "Hand-over while a commit hangs, 1,000 watchers, us for each push (each timed, clock included)",
        &["", "median", "p99", "p99.9", "most"],
        &[
            row("65,536 that wait", &taken),
            row("Continue reports after them, folded", &folded),
        ],
    );
}

/// The whole way from the C side: simulator, trampoline, hand-over. The times lie between two entries of the callback's
/// closure, so each holds one return to C and the next call from it.
fn trampoline(effort: Effort) {
    let dir = TempDir::new().expect("a temporary directory");
    let disk = journals::on_disk(dir.path(), options());
    let store = GatedStore::default();
    let gated = journals::over(store.clone(), options());
    let mut all = vec![
        ("no hand-over: simulator and trampoline alone", None, Times::default()),
        ("journal on disk", Some(disk), Times::default()),
        ("journal whose commit hangs", Some(gated), Times::default()),
    ];
    for _ in 0..effort.rounds(30) {
        for (_, journal, times) in &mut all {
            let sink = journal.as_ref().map(|journal| {
                let id = begin(journal);
                settle(journal);
                journal.progress(id)
            });
            store.close(true);
            let entries = create_cluster(sink);
            store.close(false);
            if let Some(journal) = journal {
                settle(journal);
            }
            entries.windows(2).for_each(|pair| times.add(pair[1] - pair[0]));
        }
    }
    let base = all[0].2.median();
    let rows: Vec<_> = all
        .iter()
        .map(|(name, _, times)| {
            vec![
                (*name).to_owned(),
                us(times.median()),
                us(times.quantile(990)),
                us(times.quantile(999)),
                us(times.median().saturating_sub(base)),
            ]
        })
        .collect();
    table(
        "The whole callback in a CreateCluster with a burst of 2,000 Continue records, us for each",
        &["", "median", "p99", "p99.9", "median over the first row"],
        &rows,
    );
}

/// Runs a CreateCluster of the simulator with a burst; gives the times at which its callback was entered.
fn create_cluster(sink: Option<ProgressSink>) -> Vec<Instant> {
    let mut scenario = two_machines();
    scenario.faults.push(Fault {
        phase: Some(wsfc_simulator::Phase::Name("FormingCluster".to_owned())),
        burst: 2_000,
        ..Fault::default()
    });
    let api = Clusapi::from_provider(Simulation::new(scenario).expect("a world"));
    let entries = Arc::new(Mutex::new(Vec::with_capacity(4_000)));
    let entered = Arc::clone(&entries);
    let config = CreateClusterConfig {
        name: "CL1".to_owned(),
        nodes: vec!["n1".to_owned(), "n2".to_owned()],
        addresses: Vec::new(),
        empty: false,
        management_point_type: ManagementPointType::NONE,
        management_point_restype: None,
        credentials: None,
    };
    let progress = move |progress: wsfc_clusapi::SetupProgress| {
        entered.lock().expect("no panic").push(Instant::now());
        if let Some(sink) = &sink {
            // As `operation::execute` does.
            sink.push(wsfcd::journal::ProgressReport::Setup {
                phase: progress.phase.0,
                phase_type: progress.phase_type.0,
                severity: progress.severity.0,
                percent: progress.percent,
                object_name: progress.object,
                status: progress.status.raw,
            });
        }
        Answer::Continue
    };
    let _cluster = api.create_cluster(&config, progress).expect("a cluster");
    let entries = std::mem::take(&mut *entries.lock().expect("no panic"));
    assert!(entries.len() > 2_000, "the burst came");
    entries
}

//! One seed from its beginning to the verdict.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use turmoil::Sim;
use wsfc_client::v1::OperationState;
use wsfc_proto::reasons;
use wsfcd::journal::sim_disk::Unsynced;
use wsfcd::logging::chain;

use crate::check::{Evidence, broken_promises};
use crate::history::{ClientNumber, Event, Seen};
use crate::log::{Log, Logged};
use crate::plan::{Accident, Direction, Fall, Plan, Role};
use crate::stage::Stage;
use crate::{clients, daemon};

/// How much simulated time goes by in a step.
const STEP: Duration = Duration::from_millis(10);

/// How long everything may take to come to its end once everything is repaired.
const HEALING: Duration = Duration::from_secs(30);

/// How long a daemon may take until what a former one left is settled (promise P13).
const SETTLING: Duration = Duration::from_secs(5);

/// What came of a seed.
#[derive(Debug)]
pub struct Verdict {
    /// The promises that were broken, each in a sentence.
    pub broken: Vec<String>,
    /// All that was seen, and when.
    pub events: Vec<Event>,
    /// How much happened, for those who want to know whether a seed proves anything.
    pub figures: Figures,
    /// The final log.
    pub log: Log,
}

/// How much happened in a run.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    /// Times that the daemon's host died.
    pub crashes: u64,
    /// Those in the middle of a commit.
    pub crashes_in_commit: u64,
    /// Operations that were accepted.
    pub operations: usize,
    /// Those that were running when the daemon died.
    pub interrupted: usize,
    /// Records that clients saw.
    pub records: usize,
    /// Starts that were refused because their request id stands for something else.
    pub reused: usize,
    /// Streams that met compaction.
    pub compacted: usize,
    /// Simulated time.
    pub simulated: Duration,
}

impl Figures {
    /// The sum.
    pub fn and(self, other: Self) -> Self {
        Self {
            crashes: self.crashes + other.crashes,
            crashes_in_commit: self.crashes_in_commit + other.crashes_in_commit,
            operations: self.operations + other.operations,
            interrupted: self.interrupted + other.interrupted,
            records: self.records + other.records,
            reused: self.reused + other.reused,
            compacted: self.compacted + other.compacted,
            simulated: self.simulated + other.simulated,
        }
    }
}

/// Runs a plan.
pub fn run(plan: Plan) -> Verdict {
    // The client library draws its pauses from this thread's random numbers.
    fastrand::seed(plan.seed);
    let stage = match Stage::new(plan) {
        Ok(stage) => Rc::new(stage),
        Err(error) => panic!("the plan cannot be staged: {}", chain(&error)),
    };
    let mut sim = turmoil::Builder::new()
        .rng_seed(stage.plan.seed)
        .tick_duration(STEP)
        .epoch(SystemTime::UNIX_EPOCH)
        .simulation_duration(Duration::from_secs(3_600))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(stage.plan.latency.max(Duration::from_millis(1)))
        .build();
    let host = Rc::clone(&stage);
    sim.host(daemon::HOST, move || daemon::run(Rc::clone(&host)));
    for number in 0..stage.plan.clients.len() {
        let host = Rc::clone(&stage);
        sim.host(name(number), move || clients::run(Rc::clone(&host), number));
    }
    let mut run = Run {
        sim,
        due: BTreeMap::new(),
        numbers: 0,
        daemon_down: false,
        links: vec![Link::Open; stage.plan.clients.len()],
        armed: None,
        figures: Figures::default(),
        stage,
    };
    run.play();
    run.judge()
}

fn name(client: ClientNumber) -> String {
    format!("client-{client}")
}

struct Run<'a> {
    sim: Sim<'a>,
    stage: Rc<Stage>,
    due: BTreeMap<(Duration, u64), Action>,
    numbers: u64,
    daemon_down: bool,
    links: Vec<Link>,
    /// How the host dies when the disk fails.
    armed: Option<Fall>,
    figures: Figures,
}

/// Something to do at a time.
enum Action {
    Happen(Accident),
    Restart,
    Revive(ClientNumber),
    Mend(ClientNumber),
    Heal,
}

/// The way between a client and the daemon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Open,
    /// What is sent is lost.
    Cut,
    CutOneWay(Direction),
    /// What is sent waits.
    Held,
}

impl Run<'_> {
    /// Lets everything happen, and everything come to its end.
    fn play(&mut self) {
        for (at, accident) in self.stage.plan.accidents.clone() {
            self.at(at, Action::Happen(accident));
        }
        self.at(self.stage.plan.chaos, Action::Heal);
        loop {
            let now = self.sim.elapsed();
            while let Some(entry) = self.due.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                let action = entry.remove();
                self.act(action);
            }
            self.stage.clock.follow(now);
            if let Err(error) = self.sim.step() {
                panic!("the simulation failed: {error}");
            }
            self.look_after_the_daemon();
            if !self.stage.broken.borrow().is_empty() {
                return;
            }
            if self.stage.healing.get() && now.as_millis() % 100 == 0 {
                match self.unfinished() {
                    None => return,
                    Some(what) if now > self.stage.plan.chaos + HEALING => {
                        return self
                            .stage
                            .complain(format!("liveness: {HEALING:?} after the last accident {what}"));
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn at(&mut self, at: Duration, action: Action) {
        self.numbers += 1;
        self.due.insert((at, self.numbers), action);
    }

    fn after(&mut self, pause: Duration, action: Action) {
        self.at(self.sim.elapsed() + pause, action);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Happen(accident) => self.happen(accident),
            Action::Restart => self.restart(),
            Action::Revive(client) => self.sim.bounce(name(client)),
            Action::Mend(client) => self.set_link(client, Link::Open),
            Action::Heal => self.heal(),
        }
    }

    fn happen(&mut self, accident: Accident) {
        match accident {
            Accident::Crash(fall) => self.fall(fall),
            Accident::CrashAtAccess(access, fall) => {
                self.stage.disk.crash_at(access);
                self.armed = Some(fall);
            }
            Accident::Partition(client, time) => self.disturb(client, Link::Cut, time),
            Accident::PartitionOneWay(client, direction, time) => {
                self.disturb(client, Link::CutOneWay(direction), time);
            }
            Accident::Hold(client, time) => self.disturb(client, Link::Held, time),
            Accident::Kill(client, down) => {
                self.crash(name(client), client..=client);
                self.after(down, Action::Revive(client));
            }
            Accident::SetClock(by_ms) => self.stage.clock.set_wrong(by_ms),
        }
    }

    /// Disturbs a link for a time, unless it is disturbed already.
    fn disturb(&mut self, client: ClientNumber, link: Link, time: Duration) {
        if self.links[client] == Link::Open {
            self.set_link(client, link);
            self.after(time, Action::Mend(client));
        }
    }

    fn set_link(&mut self, client: ClientNumber, link: Link) {
        let host = name(client);
        match link {
            // A release opens whatever was cut, too.
            Link::Open => self.sim.release(host, daemon::HOST),
            Link::Cut => self.sim.partition(host, daemon::HOST),
            Link::CutOneWay(Direction::ToDaemon) => self.sim.partition_oneway(host, daemon::HOST),
            Link::CutOneWay(Direction::ToClient) => self.sim.partition_oneway(daemon::HOST, host),
            Link::Held => self.sim.hold(host, daemon::HOST),
        }
        self.links[client] = link;
    }

    /// Crashes a host.
    ///
    /// Its connections close in an order that follows from no seed. So the links are held meanwhile, or each close would
    /// take from the random numbers of the network what belongs to another.
    fn crash(&mut self, host: impl Into<String>, links: RangeInclusive<ClientNumber>) {
        let links: Vec<_> = links.map(|client| (client, self.links[client])).collect();
        for (client, _) in &links {
            self.set_link(*client, Link::Held);
        }
        self.sim.crash(host.into());
        for (client, link) in links {
            if link != Link::Held {
                self.set_link(client, Link::Open);
            }
            self.set_link(client, link);
        }
    }

    /// The daemon's host dies, with the fate of what was not synced.
    fn fall(&mut self, fall: Fall) {
        if self.daemon_down {
            return;
        }
        self.figures.crashes += 1;
        self.armed = None;
        self.daemon_down = true;
        // The power goes first: a dying process must not get to write anything in order.
        self.stage.disk.cut_power();
        self.stage.crash_calls();
        self.crash(daemon::HOST, 0..=self.links.len() - 1);
        self.stage.disk.restore_power(fall.unsynced);
        {
            let mut daemon = self.stage.daemon.borrow_mut();
            daemon.journal = None;
            daemon.failure = None;
        }
        self.after(fall.down, Action::Restart);
    }

    fn restart(&mut self) {
        if !std::mem::take(&mut self.daemon_down) {
            return;
        }
        {
            let mut daemon = self.stage.daemon.borrow_mut();
            daemon.generation += 1;
            daemon.started = self.sim.elapsed();
        }
        self.sim.bounce(daemon::HOST);
    }

    fn look_after_the_daemon(&mut self) {
        if self.daemon_down {
            return;
        }
        if self.stage.disk.is_dark() {
            self.figures.crashes_in_commit += 1;
            let fall = self.armed.take().unwrap_or(Fall {
                unsynced: Unsynced::Lost,
                down: STEP,
            });
            return self.fall(fall);
        }
        let daemon = self.stage.daemon.borrow();
        if let Some(failure) = &daemon.failure {
            self.stage.complain(format!(
                "the daemon failed at {:?} on a disk that works: {failure}",
                self.sim.elapsed()
            ));
        } else if daemon.journal.is_none() && self.sim.elapsed() > daemon.started + SETTLING {
            self.stage.complain(format!(
                "P13: the daemon started at {:?} and does not serve",
                daemon.started
            ));
        }
    }

    /// Repairs everything, and lets nothing new begin.
    fn heal(&mut self) {
        self.stage.healing.set(true);
        self.due.clear();
        self.armed = None;
        self.stage.disk.crash_at(u64::MAX);
        self.restart();
        for number in 0..self.stage.plan.clients.len() {
            self.set_link(number, Link::Open);
            if !self.sim.is_host_running(name(number)) {
                self.sim.bounce(name(number));
            }
        }
    }

    /// What has not come to its end.
    fn unfinished(&self) -> Option<String> {
        let Some(journal) = self.stage.daemon.borrow().journal.clone() else {
            return Some("the daemon does not serve".into());
        };
        if let Some(starter) = self.stage.starters.iter().position(|starter| starter.busy.get()) {
            return Some(format!("client {starter} is not done with what it started"));
        }
        let operations = match journal.operations(None, usize::MAX, |_all| true) {
            Ok(page) => page.operations,
            Err(error) => return Some(format!("the operations cannot be read: {error}")),
        };
        for operation in operations {
            let id = &operation.operation_id;
            if !clients::is_final(operation.state()) {
                return Some(format!("operation {id} is {}", operation.state().as_str_name()));
            }
            for (client, role) in self.stage.plan.clients.iter().enumerate() {
                let follows = matches!(role, Role::Follower | Role::Joiner);
                if follows
                    && !self
                        .stage
                        .history
                        .position(client, id)
                        .is_some_and(|position| position.ended)
                {
                    return Some(format!("client {client} has not seen the end of {id}"));
                }
            }
        }
        None
    }

    /// Looks at what is on the disk after one more crash, and holds everything against the promises.
    fn judge(mut self) -> Verdict {
        self.figures.simulated = self.sim.elapsed();
        self.daemon_down = false;
        let crashes = self.figures.crashes;
        self.fall(Fall {
            unsynced: Unsynced::Lost,
            down: STEP,
        });
        let mut broken = self.stage.broken.take();
        let log = Log::on_disk(&self.stage).unwrap_or_else(|error| {
            broken.push(format!("P2: the log cannot be read: {}", chain(&*error)));
            Log::default()
        });
        let events = self.stage.history.events();
        let evidence = Evidence {
            plan: &self.stage.plan,
            events: &events,
            log: &log,
            simulation: &self.stage.simulation,
        };
        broken.extend(broken_promises(&evidence));
        let interrupted = |logged: &&Logged| logged.operation.state() == OperationState::Interrupted;
        let count = |is: &dyn Fn(&Seen) -> bool| events.iter().filter(|event| is(&event.seen)).count();
        let figures = Figures {
            crashes,
            operations: log.operations.len(),
            interrupted: log.operations.iter().filter(interrupted).count(),
            records: count(&|seen| matches!(seen, Seen::Record { .. })),
            reused: count(&|seen| matches!(seen, Seen::Refused { reason, .. } if reason == reasons::REQUEST_ID_REUSED)),
            compacted: count(
                &|seen| matches!(seen, Seen::Ended { error: Some((reason, _)), .. } if reason == reasons::COMPACTED),
            ),
            ..self.figures
        };
        Verdict {
            broken,
            events,
            figures,
            log,
        }
    }
}

//! What happens in a seed: the requests of the clients, the faults, and how fast everything is.

use std::time::Duration;

use wsfc_client::v1::operation_parameters::Parameters;
use wsfc_client::v1::{self, SetupPhase};
use wsfc_simulator::{Fault, Phase, Scenario, Severity};
use wsfc_tests::{request, world};
use wsfcd::journal::PlantedBug;
use wsfcd::journal::sim_disk::Unsynced;

use crate::history::ClientNumber;

/// What a client is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Starts operations, and follows, awaits, cancels or forgets them.
    Starter,
    /// Follows every operation there is from its first record, through deaths of its own.
    Follower,
    /// Lists the operations and joins each from where the list has it.
    Joiner,
    /// Speaks the contract without the client library: opens streams anywhere and leaves them at any moment.
    Wanderer,
}

/// The clients of most plans, by number.
const CLIENTS: [Role; 5] = [
    Role::Starter,
    Role::Starter,
    Role::Follower,
    Role::Joiner,
    Role::Wanderer,
];

/// How long accidents happen in most plans.
const CHAOS: Duration = Duration::from_secs(6);

/// Everything that a seed decides before the simulation begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// A bug that the daemon has.
    pub bug: Option<PlantedBug>,
    /// The disk says that it has synced, and has not.
    pub disk_lies: bool,
    /// The clients; the starters come first.
    pub clients: Vec<Role>,
    /// How long accidents happen; then everything is repaired, and everything must come to its end.
    pub chaos: Duration,
    /// The accidents, in order.
    pub accidents: Vec<(Duration, Accident)>,
    /// What each starter asks for, in order.
    pub intents: Vec<Vec<Intent>>,
    /// The world before anything has happened.
    pub scenario: Scenario,
    /// The writer's pause after a commit.
    pub pace: Duration,
    /// The longest pause between two reports of a running call.
    pub longest_turn: Duration,
    /// The longest time of a message on its way.
    pub latency: Duration,
    /// How many ended operations keep their records. Few: compaction races with the streams.
    pub keep_operations: usize,
    /// How many records stay in the daemon's memory. Few: streams read from the store.
    pub memory_records: usize,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accident {
    /// The daemon's host dies now.
    Crash(Fall),
    /// The disk fails at the n-th write or sync from now, and the daemon's host dies with it.
    CrashAtAccess(u64, Fall),
    /// A client loses its way to the daemon; what is under way is lost.
    Partition(ClientNumber, Duration),
    /// The same in one direction: from the client to the daemon, or back.
    PartitionOneWay(ClientNumber, Direction, Duration),
    /// What a client and the daemon send each other is held up.
    Hold(ClientNumber, Duration),
    /// A client dies.
    Kill(ClientNumber, Duration),
    /// The daemon's clock is set wrong, by so many milliseconds.
    SetClock(i64),
}

/// A direction of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the daemon.
    ToDaemon,
    /// From the daemon to the client.
    ToClient,
}

/// How the daemon's host dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fall {
    /// What becomes of writes that were not synced.
    pub unsynced: Unsynced,
    /// How long it stays away.
    pub down: Duration,
}

/// A start that a client wants, and what it does with the operation.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The pause before it.
    pub after: Duration,
    /// What is asked for.
    pub request: Request,
    /// What comes then.
    pub then: Then,
}

/// What a starter does with its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Follows it to its end.
    Follow,
    /// Follows it for so many records, and goes away.
    FollowFor(u64),
    /// Waits for its outcome.
    Wait,
    /// Cancels it after a time.
    Cancel(Duration),
    /// Goes away.
    Leave,
}

/// A request to start an operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// Its request id.
    pub id: String,
    /// What it asks for.
    pub call: Call,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// A new cluster of one or two machines.
    Create(&'static str, &'static [&'static str]),
    /// One more node.
    Add(&'static str, &'static str),
    /// One node less.
    Evict(&'static str, &'static str),
    /// No cluster any more.
    Destroy(&'static str),
    /// The next functional level.
    Upgrade(&'static str),
}

impl Call {
    /// The kind of operation. Request ids belong to one kind.
    pub fn kind(self) -> v1::OperationKind {
        match self {
            Self::Create(..) => v1::OperationKind::CreateCluster,
            Self::Add(..) => v1::OperationKind::AddNode,
            Self::Evict(..) => v1::OperationKind::EvictNode,
            Self::Destroy(_) => v1::OperationKind::DestroyCluster,
            Self::Upgrade(_) => v1::OperationKind::UpgradeFunctionalLevel,
        }
    }

    /// True when an operation has these parameters.
    pub fn has(self, parameters: &Parameters) -> bool {
        match (self, parameters) {
            (Self::Create(cluster, nodes), Parameters::CreateCluster(p)) => p.cluster == cluster && p.nodes == nodes,
            (Self::Add(cluster, node), Parameters::AddNode(p)) => p.cluster == cluster && p.node == node,
            (Self::Evict(cluster, node), Parameters::EvictNode(p)) => p.cluster == cluster && p.node == node,
            (Self::Destroy(cluster), Parameters::DestroyCluster(p)) => p.cluster == cluster,
            (Self::Upgrade(cluster), Parameters::UpgradeFunctionalLevel(p)) => p.cluster == cluster,
            _ => false,
        }
    }

    /// Another call of the same kind.
    fn otherwise(self) -> Self {
        match self {
            Self::Create(cluster, _) => Self::Create(cluster, &["n9"]),
            Self::Add(cluster, _) => Self::Add(cluster, "n9"),
            Self::Evict(cluster, _) => Self::Evict(cluster, "n9"),
            Self::Destroy("alpha") => Self::Destroy("beta"),
            Self::Destroy(_) => Self::Destroy("alpha"),
            Self::Upgrade("alpha") => Self::Upgrade("beta"),
            Self::Upgrade(_) => Self::Upgrade("alpha"),
        }
    }
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64, bug: Option<PlantedBug>) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let requests = requests(seed, &mut random);
        let starters = CLIENTS.iter().filter(|role| **role == Role::Starter);
        let intents = starters.map(|_| intents(&requests, &mut random)).collect();
        Self {
            seed,
            bug,
            disk_lies: false,
            clients: CLIENTS.to_vec(),
            chaos: CHAOS,
            accidents: accidents(&mut random),
            intents,
            scenario: scenario(seed, &mut random),
            pace: ms(random.u64(1..=20)),
            longest_turn: ms(random.u64(5..=120)),
            latency: ms(random.u64(2..=60)),
            keep_operations: if random.u8(..4) == 0 { 2 } else { 10_000 },
            memory_records: if random.bool() { 16 } else { 65_536 },
        }
    }

    /// A plan in which nothing ever happens to the daemon, and one client asks for one operation after the other. With
    /// `watched` many others watch, and come to grief.
    pub fn calm(seed: u64, watched: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let calls = [
            Call::Create("gamma", &["n8", "n9"]),
            Call::Add("gamma", "n5"),
            Call::Evict("alpha", "n2"),
            Call::Upgrade("beta"),
            Call::Destroy("gamma"),
        ];
        let intents = calls.iter().zip(0_u64..).map(|(call, number)| Intent {
            after: Duration::ZERO,
            request: Request {
                id: uuid::Uuid::from_u64_pair(seed, number).to_string(),
                call: *call,
            },
            then: Then::Wait,
        });
        let mut clients = vec![Role::Starter];
        let mut accidents = Vec::new();
        if watched {
            clients.extend([Role::Follower, Role::Joiner, Role::Wanderer, Role::Wanderer].repeat(3));
            for client in 1..clients.len() {
                let (at, time) = (ms(random.u64(..8_000)), ms(random.u64(200..4_000)));
                let fates = [
                    Accident::Kill(client, time),
                    Accident::Partition(client, time),
                    Accident::Hold(client, time),
                ];
                accidents.push((at, pick(&mut random, &fates)));
            }
        }
        Self {
            clients,
            accidents,
            intents: vec![intents.collect()],
            chaos: Duration::from_secs(12),
            scenario: two_clusters(seed),
            latency: ms(5),
            longest_turn: ms(20),
            keep_operations: 10_000,
            ..Self::of(seed, None)
        }
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn pick<T: Copy>(random: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

/// The requests that the starters draw from, each under an id of its own.
fn requests(seed: u64, random: &mut fastrand::Rng) -> Vec<Request> {
    (0..random.usize(4..=7))
        .map(|number| {
            let cluster = pick(random, &["alpha", "beta"]);
            let call = match random.u8(..8) {
                0..3 => Call::Add(cluster, pick(random, &["n5", "n6", "n7"])),
                3 => Call::Evict(cluster, pick(random, &["n2", "n4", "n5"])),
                4 => Call::Upgrade(cluster),
                5..7 => Call::Create(
                    pick(random, &["gamma", "delta"]),
                    pick(random, &[&["n8"], &["n8", "n9"]]),
                ),
                _ => Call::Destroy(pick(random, &["beta", "gamma"])),
            };
            Request {
                id: uuid::Uuid::from_u64_pair(seed, number as u64).to_string(),
                call,
            }
        })
        .collect()
}

/// What a starter does: requests of the common stock, so that two ask for the same thing, some more than once, and some
/// under an id that stands for something else.
fn intents(requests: &[Request], random: &mut fastrand::Rng) -> Vec<Intent> {
    (0..random.usize(5..=8))
        .map(|_| {
            let mut request = requests[random.usize(..requests.len())].clone();
            if random.u8(..8) == 0 {
                request.call = request.call.otherwise();
            }
            let then = match random.u8(..10) {
                0..2 => Then::Follow,
                2..4 => Then::FollowFor(random.u64(1..20)),
                4 => Then::Wait,
                5..7 => Then::Cancel(ms(random.u64(..1_500))),
                _ => Then::Leave,
            };
            Intent {
                after: ms(random.u64(..800)),
                request,
                then,
            }
        })
        .collect()
}

fn accidents(random: &mut fastrand::Rng) -> Vec<(Duration, Accident)> {
    let mut accidents: Vec<_> = (0..random.usize(5..=12))
        .map(|_| {
            let at = ms(random.u64(200..CHAOS.as_millis().try_into().unwrap_or(u64::MAX)));
            let client = random.usize(..CLIENTS.len());
            let time = ms(random.u64(200..2_000));
            let fall = Fall {
                unsynced: pick(
                    random,
                    &[Unsynced::Lost, Unsynced::Torn, Unsynced::Torn, Unsynced::Kept],
                ),
                down: ms(random.u64(50..800)),
            };
            let accident = match random.u8(..16) {
                0..3 => Accident::Crash(fall),
                3..8 => Accident::CrashAtAccess(random.u64(1..60), fall),
                8..10 => Accident::Partition(client, time),
                10 => {
                    let direction = pick(random, &[Direction::ToDaemon, Direction::ToClient]);
                    Accident::PartitionOneWay(client, direction, time)
                }
                11..13 => Accident::Hold(client, time),
                13..15 => Accident::Kill(client, time),
                _ => Accident::SetClock(random.i64(-3_600_000..3_600_000)),
            };
            (at, accident)
        })
        .collect();
    accidents.sort_by_key(|(at, _)| *at);
    accidents
}

/// Two clusters of two nodes, five machines to spare, and things that go wrong there too.
fn scenario(seed: u64, random: &mut fastrand::Rng) -> Scenario {
    let mut scenario = two_clusters(seed);
    for _ in 0..random.usize(..3) {
        let call = pick(random, &["CreateCluster", "AddClusterNode", "DestroyCluster"]);
        let phase = match call {
            "CreateCluster" => pick(
                random,
                &[
                    SetupPhase::FormingCluster,
                    SetupPhase::CreateNetworkName,
                    SetupPhase::ClusterGroupOnline,
                ],
            ),
            "AddClusterNode" => pick(
                random,
                &[
                    SetupPhase::ConfigureClusSvc,
                    SetupPhase::AddNodeToCluster,
                    SetupPhase::NodeUp,
                ],
            ),
            _ => pick(random, &[SetupPhase::OfflineGroup, SetupPhase::EvictNode]),
        };
        let severity = pick(random, &[Severity::Warning, Severity::Fatal]);
        let mut fault = Fault {
            call: Some(call.into()),
            phase: Some(Phase::Number(phase.into())),
            times: Some(1),
            burst: random.u32(..30),
            ..Fault::default()
        };
        match random.u8(..3) {
            0 => fault.dies = true,
            1 => (fault.severity, fault.status) = (Some(severity), Some(5)),
            _ => fault.burst += 1,
        }
        scenario.faults.push(fault);
    }
    scenario
}

/// Clusters `alpha` (n1, n2) and `beta` (n3, n4), and machines n5 to n9 to spare.
pub fn two_clusters(seed: u64) -> Scenario {
    let mut scenario = world::machines(9);
    scenario.seed = seed;
    let mut alpha = world::existing("alpha", vec!["n1".into(), "n2".into()]);
    let mut beta = world::existing("beta", vec!["n3".into(), "n4".into()]);
    beta.addresses = "10.0.0.101".parse().into_iter().collect();
    alpha.functional_level = Some(10);
    beta.functional_level = Some(10);
    scenario.clusters = vec![alpha, beta];
    scenario
}

impl Request {
    /// The options of the start.
    fn options(&self) -> Option<v1::StartOptions> {
        Some(request::with_id(&self.id))
    }

    /// The request for a new cluster.
    pub fn create(&self, cluster: &str, nodes: &[&str]) -> v1::CreateClusterRequest {
        let address = if cluster == "gamma" { "10.0.0.102" } else { "10.0.0.103" };
        v1::CreateClusterRequest {
            options: self.options(),
            ..request::create_cluster_at(cluster, nodes, &[(address, 24)])
        }
    }

    /// The request for a node, after the pause that the daemon is set to.
    pub fn add(&self, cluster: &str, node: &str) -> v1::AddNodeRequest {
        v1::AddNodeRequest {
            options: self.options(),
            settle_time: None,
            ..request::add_node(cluster, node)
        }
    }

    /// The request to evict a node.
    pub fn evict(&self, cluster: &str, node: &str) -> v1::EvictNodeRequest {
        v1::EvictNodeRequest {
            options: self.options(),
            ..request::evict_node(cluster, node)
        }
    }

    /// The request to destroy a cluster.
    pub fn destroy(&self, cluster: &str) -> v1::DestroyClusterRequest {
        v1::DestroyClusterRequest {
            options: self.options(),
            ..request::destroy_cluster(cluster)
        }
    }

    /// The request for the next functional level.
    pub fn upgrade(&self, cluster: &str) -> v1::UpgradeFunctionalLevelRequest {
        v1::UpgradeFunctionalLevelRequest {
            options: self.options(),
            ..request::upgrade(cluster)
        }
    }
}

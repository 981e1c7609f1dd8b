//! The daemon that is attacked, a normal client of it, and what the daemon's process holds.

use std::fmt;
use std::pin::pin;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{Instant, interval};
use tokio_rustls::client::TlsStream;
use wsfc_client::{Client, ConnectOptions, TlsOptions};
use wsfc_simulator::Scenario;
use wsfc_tests::http2::Http2;
use wsfc_tests::records::soon;
use wsfc_tests::{TestDaemon, UnderTest, world};
use wsfcd::access::policy::{Binding, VIEWER};
use wsfcd::settings::Settings;

use crate::wire;

/// Who attacks: a viewer.
pub const ATTACKER: &str = "attacker.test";
/// How often the normal client calls.
const PACE: Duration = Duration::from_millis(20);
/// How long the daemon has to be as it was.
const RECOVERY: Duration = Duration::from_secs(60);
/// Descriptors that come and go without an attack.
const DESCRIPTORS: usize = 16;
/// Memory that allocators keep, in KiB. In this process it holds the attackers' too.
const KIBIBYTES: u64 = 96 * 1024;

/// Attacks that measure run alone, the others beside each other.
static TURNS: RwLock<()> = RwLock::const_new(());

/// How often a thread of a daemon in this process has panicked. A call that panics is reset and no more, so it is looked for.
static DAEMONS_PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics of the threads of daemons.
fn notice_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current()
                .name()
                .is_some_and(|name| name.starts_with("wsfcd"))
            {
                DAEMONS_PANICS.fetch_add(1, Ordering::SeqCst);
            }
            told(panic);
        }));
    });
}

/// Holds one of the two.
#[derive(Default)]
struct Turn {
    alone: Option<RwLockWriteGuard<'static, ()>>,
    _beside: Option<RwLockReadGuard<'static, ()>>,
}

impl Turn {
    async fn alone() -> Self {
        Self {
            alone: Some(TURNS.write().await),
            ..Self::default()
        }
    }

    async fn beside() -> Self {
        Self {
            _beside: Some(TURNS.read().await),
            ..Self::default()
        }
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Footprint {
    descriptors: usize,
    kibibytes: u64,
}

impl Footprint {
    /// Of a process; nothing where the system has no `/proc`.
    fn of(process: Option<u32>) -> Option<Self> {
        let folder = format!("/proc/{}", process?);
        let status = std::fs::read_to_string(format!("{folder}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Self {
            descriptors: std::fs::read_dir(format!("{folder}/fd")).ok()?.count(),
            kibibytes: resident.trim().strip_suffix(" kB")?.parse().ok()?,
        })
    }

    fn is_back_at(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors + DESCRIPTORS && self.is_little_more_than(before)
    }

    fn is_little_more_than(&self, before: &Self) -> bool {
        self.kibibytes <= before.kibibytes + KIBIBYTES
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} descriptors and {} KiB", self.descriptors, self.kibibytes)
    }
}

/// The daemon that is attacked.
pub struct Target {
    pub daemon: TestDaemon,
    /// A client that was there before the attack.
    client: Client,
    attacker: TlsOptions,
    before: Option<Footprint>,
    /// How often threads of daemons had panicked before.
    panics: usize,
    turn: Turn,
}

impl Target {
    /// A daemon whose process is measured before and after the attack.
    pub async fn measured(change: impl FnOnce(&mut Settings)) -> Self {
        Self::measured_over(world::machines(1), change).await
    }

    /// As [`measured`](Self::measured), over a world.
    pub async fn measured_over(scenario: Scenario, change: impl FnOnce(&mut Settings)) -> Self {
        Self::start(Turn::alone().await, scenario, change).await
    }

    /// A daemon for attacks that leave nothing behind.
    pub async fn beside(change: impl FnOnce(&mut Settings)) -> Self {
        Self::beside_over(world::machines(1), change).await
    }

    /// As [`beside`](Self::beside), over a world.
    pub async fn beside_over(scenario: Scenario, change: impl FnOnce(&mut Settings)) -> Self {
        Self::start(Turn::beside().await, scenario, change).await
    }

    async fn start(turn: Turn, scenario: Scenario, change: impl FnOnce(&mut Settings)) -> Self {
        notice_panics();
        let daemon = TestDaemon::builder(scenario)
            .settings(|settings| {
                settings.access.bindings.push(Binding {
                    subject: format!("dns:{ATTACKER}"),
                    role: VIEWER.into(),
                    clusters: None,
                });
                change(settings);
            })
            .start()
            .await;
        let client = daemon.client();
        let mut attacker = daemon.connect_options().tls.unwrap();
        attacker.identity = Some(daemon.authority().issue(ATTACKER));
        let mut target = Self {
            daemon,
            client,
            attacker,
            before: None,
            panics: DAEMONS_PANICS.load(Ordering::SeqCst),
            turn,
        };
        // What everything costs once has been paid before it is measured.
        target.is_well().await;
        drop(target.begin().await);
        if target.turn.alone.is_some() {
            target.before = Footprint::of(target.daemon.process_id());
        }
        target
    }

    /// What the attacker shows.
    pub fn attacker(&self) -> &TlsOptions {
        &self.attacker
    }

    /// A TLS connection of the attacker.
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let connecting = wire::connect(self.daemon.address(), &self.attacker);
        soon("a handshake", connecting).await.unwrap()
    }

    /// An HTTP/2 connection of the attacker.
    pub async fn begin(&self) -> Http2<TlsStream<TcpStream>> {
        Http2::begin(self.connect().await).await.unwrap()
    }

    /// A normal client's call over its old connection, and one over a new one.
    pub async fn is_well(&self) {
        self.client.get_host_state("").await.unwrap();
        self.daemon.client().get_host_state("").await.unwrap();
    }

    /// Lets a normal client call all along an attack: each call is to be answered in the time that clients give it.
    pub async fn serving_during<T>(&self, attack: impl Future<Output = T>) -> T {
        let mut attack = pin!(attack);
        let mut pace = interval(PACE);
        loop {
            let call = async {
                pace.tick().await;
                self.client.get_host_state("").await.unwrap();
            };
            tokio::select! {
                done = attack.as_mut() => return done,
                () = call => {}
            }
        }
    }

    /// How long a normal client's calls take, in the middle.
    pub async fn latency(&self) -> Duration {
        let mut taken = Vec::new();
        for _ in 0..51 {
            let begun = Instant::now();
            self.client.get_host_state("").await.unwrap();
            taken.push(begun.elapsed());
        }
        taken.sort();
        taken[taken.len() / 2]
    }

    /// Options of a client that gives up soon, for those who are to be refused.
    pub fn impatient(&self, tls: TlsOptions) -> ConnectOptions {
        ConnectOptions {
            tls: Some(tls),
            request_timeout: UnderTest::get().patience(Duration::from_secs(2)),
            ..self.daemon.connect_options()
        }
    }

    /// The memory of the process now is what it is to come back to. For what is done twice: an allocator keeps what so many
    /// connections needed, and as many again need no more.
    pub fn measure_memory_anew(&mut self) {
        if let (Some(before), Some(now)) = (&mut self.before, Footprint::of(self.daemon.process_id())) {
            before.kibibytes = now.kibibytes;
        }
    }

    /// The process holds little more memory than before, also while the attack goes on.
    pub fn holds_little(&self) {
        if let (Some(before), Some(now)) = (self.before, Footprint::of(self.daemon.process_id())) {
            assert!(
                now.is_little_more_than(&before),
                "the process holds {now}, and held {before}"
            );
        }
    }

    /// Everything is as it was before the attack.
    pub async fn finish(self) {
        self.is_well().await;
        if let Some(before) = self.before {
            self.recovers(before).await;
        }
        let panics = DAEMONS_PANICS.load(Ordering::SeqCst) - self.panics;
        assert_eq!(panics, 0, "threads of daemons have panicked meanwhile");
        let unexpected = self.daemon.logs().unexpected();
        assert!(
            unexpected.len() < 10,
            "{} lines of the log are unexpected, such as {:?}",
            unexpected.len(),
            unexpected.first()
        );
        self.daemon.finish().await;
        drop(self.turn);
    }

    async fn recovers(&self, before: Footprint) {
        let patience = Instant::now() + UnderTest::get().patience(RECOVERY);
        let mut pace = interval(PACE);
        loop {
            pace.tick().await;
            self.client.get_host_state("").await.unwrap();
            let Some(now) = Footprint::of(self.daemon.process_id()) else {
                panic!("the daemon's process is gone");
            };
            if now.is_back_at(&before) {
                eprintln!("the process holds {now}, and held {before}");
                return;
            }
            assert!(Instant::now() < patience, "the process holds {now}, and held {before}");
        }
    }
}

/// How many descriptors this process may have, after it has asked for all that the system gives.
pub fn descriptors() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // A system that does not give them leaves what was there.
        _ = setrlimit(Resource::Nofile, limit);
        let current = getrlimit(Resource::Nofile).current;
        current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
    }
    #[cfg(not(unix))]
    {
        16 * 1024
    }
}

//! Refusals, bounded: a flood of them must neither fill the disk, nor hold up others, nor hide what others were
//! refused.
//!
//! Refusals are the same when principal, host, medium, method and reason are. A host with IPv6 is its network of 64
//! bits, and all paths that are no method of the contract are one method. The first of a kind is written at once, and
//! what follows within a minute is counted and written as one line with its number at the end of that minute.
//!
//! In a minute [`MOST_KINDS`] kinds have lines of their own: at most [`MOST_OF_ONE`] of a principal at a host and
//! [`MOST_OF_ONE_NAME`] of it at all hosts, and at most [`MOST_NAMELESS`] of all who showed no good name, so that none of them takes the lines of the others. What is
//! refused beyond is counted together, in a line that names the methods. So a minute has about 130 lines at most,
//! whatever anybody does: some 100 KB, or 150 MB on a day of nothing but attacks from everywhere.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use wsfc_audit::{Entry, Kind, Origin};
use wsfc_proto::methods;

use super::{Asked, Outcome};
use crate::access::identity::Method;
use crate::listen::places::network;

/// How long refusals of a kind are counted before they are told.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How many kinds have lines of their own in a window.
pub const MOST_KINDS: usize = 64;
/// How many of them one principal has at one host.
pub const MOST_OF_ONE: usize = 8;
/// How many of them one principal has at all hosts; those without a good name are not one.
pub const MOST_OF_ONE_NAME: usize = 2 * MOST_OF_ONE;
/// How many of them those have together who showed no good name.
pub const MOST_NAMELESS: usize = MOST_KINDS / 2;

/// What is served beside the contract. What follows is the caller's to choose, so each is one method.
const BESIDE: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];

/// Refusals of this window.
#[derive(Default)]
pub(super) struct Refusals {
    /// When the window began; absent when there was nothing since the last one.
    began: Option<SystemTime>,
    kinds: HashMap<Same, Counted>,
    /// How many of the kinds each caller has.
    callers: HashMap<Caller, usize>,
    /// How many of the kinds each good name has.
    names: HashMap<String, usize>,
    /// How many of the kinds are of callers without a good name.
    nameless: usize,
    /// What found no place among the kinds.
    others: Option<Others>,
    /// All of this window, and the last of them.
    all: Option<Told>,
}

/// What refusals have in common that are told together.
#[derive(PartialEq, Eq, Hash)]
struct Same {
    caller: Caller,
    medium: String,
    /// Empty for a path that leads nowhere.
    method: &'static str,
    reason: String,
}

/// Whose refusals share a number of kinds.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Caller {
    principal: String,
    /// Absent where callers have no address.
    host: Option<IpAddr>,
    /// A name that was shown in vain does not use up the lines of its owner.
    has_good_name: bool,
}

/// Refusals that no line tells of yet.
struct Counted {
    untold: u64,
    since: SystemTime,
    last: SystemTime,
    asked: Asked,
    outcome: Outcome,
}

/// Refusals that found no place among the kinds.
struct Others {
    counted: Counted,
    /// The methods of the contract among them, which bounds them: first those that change something, in the order of
    /// paths.
    methods: BTreeSet<(bool, &'static str)>,
}

/// What the event log is told of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) count: u64,
    pub(super) last: Asked,
    pub(super) outcome: Outcome,
}

impl Refusals {
    /// Counts a refusal; gives the line that is to be written at once, if there is one.
    pub(super) fn add(&mut self, asked: Asked, outcome: Outcome, now: SystemTime) -> Option<Entry> {
        self.began.get_or_insert(now);
        let all = self.all.get_or_insert_with(|| Told {
            count: 0,
            last: asked.clone(),
            outcome: outcome.clone(),
        });
        all.count += 1;
        (all.last, all.outcome) = (asked.clone(), outcome.clone());
        let same = Same::of(&asked, &outcome);
        if let Some(counted) = self.kinds.get_mut(&same) {
            counted.count(asked, outcome, now);
            return None;
        }
        if !self.has_place_for(&same.caller) {
            let others = self.others.get_or_insert_with(|| Others::none(now));
            others.count(asked, outcome, now);
            return None;
        }
        *self.callers.entry(same.caller.clone()).or_default() += 1;
        if same.caller.has_good_name {
            *self.names.entry(same.caller.principal.clone()).or_default() += 1;
        } else {
            self.nameless += 1;
        }
        self.kinds.insert(same, Counted::none(now));
        Some(line(asked, outcome))
    }

    /// Whether another kind of a caller may have a line of its own.
    fn has_place_for(&self, caller: &Caller) -> bool {
        let own = self.callers.get(caller).copied().unwrap_or_default();
        let has_share = if caller.has_good_name {
            self.names
                .get(&caller.principal)
                .is_none_or(|held| *held < MOST_OF_ONE_NAME)
        } else {
            self.nameless < MOST_NAMELESS
        };
        self.kinds.len() < MOST_KINDS && own < MOST_OF_ONE && has_share
    }

    /// Whether the window has begun and is to be told of one day.
    pub(super) fn is_open(&self) -> bool {
        self.began.is_some()
    }

    /// The lines of a window that has ended, or that is to end now, and what the event log is told.
    pub(super) fn tell(&mut self, now: SystemTime, at_once: bool) -> Option<(Vec<Entry>, Told)> {
        let began = self.began?;
        // A clock that was set back ends the window, too.
        let is_over = now.duration_since(began).map_or(true, |length| length >= WINDOW);
        if !is_over && !at_once {
            return None;
        }
        let window = std::mem::take(self);
        let mut counted: Vec<Counted> = window
            .kinds
            .into_values()
            .filter(|counted| counted.untold > 0)
            .collect();
        counted.sort_by_key(|counted| counted.since);
        let mut lines: Vec<Entry> = counted.into_iter().map(Counted::line).collect();
        lines.extend(window.others.map(Others::line));
        window.all.map(|all| (lines, all))
    }
}

impl Same {
    fn of(asked: &Asked, outcome: &Outcome) -> Self {
        Self {
            caller: Caller {
                principal: asked.who.principal.clone(),
                host: host(&asked.from.address),
                has_good_name: has_good_name(asked, outcome),
            },
            medium: asked.from.medium.clone(),
            method: method(&asked.call.method),
            reason: outcome.reason.clone(),
        }
    }
}

/// Where a caller comes from. Ports are new for each connection, and an IPv6 host has a whole network of addresses.
fn host(address: &str) -> Option<IpAddr> {
    Some(network(address.parse::<SocketAddr>().ok()?.ip()))
}

/// Whether a caller is known by a name that is good here. Who is not can have many hosts, and on the daemon's own host
/// many addresses of loopback.
fn has_good_name(asked: &Asked, outcome: &Outcome) -> bool {
    // There is no method yet when what was shown is refused; what is found to be over later is refused by that code.
    let nameless = ["", Method::Loopback.name(), Method::Nothing.name()];
    !nameless.contains(&asked.who.method.as_str()) && outcome.code != "UNAUTHENTICATED"
}

/// What a path counts as.
fn method(path: &str) -> &'static str {
    let beside = || BESIDE.into_iter().find(|beside| path.starts_with(*beside));
    let known = methods::of_path(path).map(|method| method.path);
    known.or_else(beside).unwrap_or_default()
}

impl Others {
    fn none(now: SystemTime) -> Self {
        Self {
            counted: Counted::none(now),
            methods: BTreeSet::new(),
        }
    }

    fn count(&mut self, asked: Asked, outcome: Outcome, now: SystemTime) {
        let method = methods::of_path(&asked.call.method);
        self.methods.extend(method.map(|method| (!method.changes, method.path)));
        self.counted.count(asked, outcome, now);
    }

    fn line(self) -> Entry {
        let Self { counted, methods } = self;
        let named: Vec<_> = methods.into_iter().map(|(_views, path)| path).collect();
        let among = if named.is_empty() {
            String::new()
        } else {
            format!(", among them {}", named.join(", "))
        };
        let window = humantime::format_duration(WINDOW);
        let mut entry = counted.line();
        entry.detail = Some(format!(
            "all refusals within {window} that have no lines of their own{among}; the call is the last of them"
        ));
        entry
    }
}

impl Counted {
    fn none(now: SystemTime) -> Self {
        Self {
            untold: 0,
            since: now,
            last: now,
            asked: Asked::default(),
            outcome: Outcome::default(),
        }
    }

    fn count(&mut self, asked: Asked, outcome: Outcome, now: SystemTime) {
        if self.untold == 0 {
            self.since = now;
        }
        self.untold += 1;
        self.last = now;
        (self.asked, self.outcome) = (asked, outcome);
    }

    fn line(self) -> Entry {
        let mut entry = line(self.asked, self.outcome);
        entry.count = Some(self.untold);
        entry.since = Some(self.since);
        entry
    }
}

fn line(asked: Asked, outcome: Outcome) -> Entry {
    let mut entry = Entry::new(Kind::Refusal);
    asked.write_to(&mut entry);
    entry.result = Some(outcome);
    entry
}

/// Where a caller came from, in words.
pub(super) fn place(from: &Origin) -> String {
    match (from.address.is_empty(), from.medium.is_empty()) {
        (false, _) => from.address.clone(),
        (true, false) => from.medium.clone(),
        (true, true) => "an unknown place".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use wsfc_audit::{Call, Who};

    use super::*;

    const MOVE: &str = "/wsfc.v1.GroupService/MoveGroup";
    const DESTROY: &str = "/wsfc.v1.ClusterService/DestroyCluster";

    fn asked(principal: &str, address: &str) -> Asked {
        asked_for(principal, address, MOVE)
    }

    fn asked_for(principal: &str, address: &str, path: &str) -> Asked {
        Asked {
            who: Who {
                principal: principal.into(),
                method: "certificate".into(),
                ..Who::default()
            },
            from: Origin {
                address: address.into(),
                medium: "tls".into(),
            },
            call: Call {
                method: path.into(),
                ..Call::default()
            },
        }
    }

    fn stranger(address: &str, path: &str) -> Asked {
        let mut asked = asked_for("anonymous", address, path);
        asked.who.method = "nothing".into();
        asked
    }

    fn denied() -> Outcome {
        Outcome {
            code: "PERMISSION_DENIED".into(),
            reason: "PERMISSION_MISSING".into(),
        }
    }

    fn nobody() -> Outcome {
        Outcome {
            code: "UNAUTHENTICATED".into(),
            reason: "CREDENTIALS_REQUIRED".into(),
        }
    }

    /// As many kinds of one caller as may have lines.
    fn fill(refusals: &mut Refusals, principal: &str, address: &str) {
        let paths = methods::ALL.iter().map(|method| method.path);
        for path in paths.filter(|path| *path != DESTROY).take(MOST_OF_ONE) {
            let asked = asked_for(principal, address, path);
            let line = refusals.add(asked, denied(), SystemTime::UNIX_EPOCH);
            assert!(line.is_some(), "{path}");
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_same_together_after_a_minute() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let mut refusals = Refusals::default();
        let first = refusals.add(asked("eve", "10.0.0.1:1"), denied(), start).unwrap();
        assert_eq!((first.kind, first.count), (Kind::Refusal, None));
        for second in 1..=30 {
            let now = start + Duration::from_secs(second);
            let again = asked("eve", &format!("10.0.0.1:{second}"));
            assert_eq!(refusals.add(again, denied(), now), None);
            assert!(refusals.tell(now, false).is_none());
        }
        let other = refusals.add(asked("eve", "10.0.0.2:1"), denied(), start);
        assert!(other.is_some(), "another host is another kind");
        let (lines, told) = refusals.tell(start + WINDOW, false).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].count, Some(30));
        assert_eq!(lines[0].since, Some(start + Duration::from_secs(1)));
        assert_eq!((told.count, told.last.from.address.as_str()), (32, "10.0.0.2:1"));
        assert!(refusals.tell(start + WINDOW, true).is_none(), "nothing is told twice");
        assert!(refusals.add(asked("eve", "10.0.0.1:1"), denied(), start).is_some());
    }

    #[test]
    fn a_flood_of_a_million_kinds_has_few_lines_and_none_is_lost() {
        let now = SystemTime::UNIX_EPOCH;
        let mut refusals = Refusals::default();
        let mut told = 0;
        for index in 0..1_000_000 {
            told += u64::from(
                refusals
                    .add(asked(&index.to_string(), "10.0.0.1:1"), denied(), now)
                    .is_some(),
            );
        }
        assert_eq!(told, MOST_KINDS as u64);
        assert!(refusals.kinds.len() <= MOST_KINDS);
        let (lines, all) = refusals.tell(now, true).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].count.unwrap() + told, 1_000_000);
        assert_eq!(all.count, 1_000_000);
    }

    #[test]
    fn made_up_paths_are_one_kind() {
        let now = SystemTime::UNIX_EPOCH;
        let mut refusals = Refusals::default();
        let paths = (0..1_000).map(|index| format!("/made.up.v{index}.Service/Do"));
        let told: Vec<_> = paths
            .filter_map(|path| refusals.add(stranger("10.0.0.1:1", &path), nobody(), now))
            .collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].call.as_ref().unwrap().method, "/made.up.v0.Service/Do");
        let (lines, _all) = refusals.tell(now, true).unwrap();
        assert_eq!((lines.len(), lines[0].count), (1, Some(999)));
        assert_eq!(lines[0].call.as_ref().unwrap().method, "/made.up.v999.Service/Do");
        for (path, counted) in [
            (MOVE, MOVE),
            ("/wsfc.v1.GroupService/MoveGroups", ""),
            ("/grpc.health.v1.Health/Made", "/grpc.health.v1.Health/"),
            ("/grpc.reflection.v1.Made/Up", "/grpc.reflection."),
            ("", ""),
        ] {
            assert_eq!(method(path), counted, "{path}");
        }
    }

    #[test]
    fn one_callers_ninth_method_goes_to_the_others_which_name_it() {
        let now = SystemTime::UNIX_EPOCH;
        let mut refusals = Refusals::default();
        fill(&mut refusals, "eve", "[2001:db8::1]:1");
        // Another address of the same network is no other host.
        let ninth = asked_for("eve", "[2001:db8::2]:2", DESTROY);
        assert_eq!(refusals.add(ninth, denied(), now), None);
        let made_up = asked_for("eve", "[2001:db8::2]:2", "/made.up/Path");
        assert_eq!(refusals.add(made_up, denied(), now), None);
        let other = asked_for("anna", "[2001:db8::1]:1", DESTROY);
        assert!(
            refusals.add(other, denied(), now).is_some(),
            "others have lines of their own"
        );
        let (lines, _all) = refusals.tell(now, true).unwrap();
        assert_eq!((lines.len(), lines[0].count), (1, Some(2)));
        let detail = lines[0].detail.clone().unwrap();
        assert!(detail.contains(&format!(", among them {DESTROY}; ")), "{detail}");
        assert!(!detail.contains("made.up"), "{detail}");
    }

    #[test]
    fn one_name_at_many_hosts_leaves_lines_for_others() {
        let now = SystemTime::UNIX_EPOCH;
        let mut refusals = Refusals::default();
        let told = (0..MOST_KINDS).filter_map(|host| {
            let address = format!("10.0.0.{host}:1");
            refusals.add(asked("eve", &address), denied(), now)
        });
        assert_eq!(told.count(), MOST_OF_ONE_NAME);
        fill(&mut refusals, "anna", "10.0.0.1:1");
    }

    #[test]
    fn the_others_name_every_method_and_first_those_that_change_something() {
        let now = SystemTime::UNIX_EPOCH;
        let mut refusals = Refusals::default();
        fill(&mut refusals, "eve", "10.0.0.1:1");
        for method in methods::ALL {
            refusals.add(asked_for("eve", "10.0.0.1:1", method.path), denied(), now);
        }
        let (lines, _all) = refusals.tell(now, true).unwrap();
        let detail = lines.last().unwrap().detail.clone().unwrap();
        let (_, named) = detail.split_once(", among them ").unwrap();
        let (named, _) = named.split_once("; ").unwrap();
        let named: Vec<_> = named.split(", ").map(|path| methods::of_path(path).unwrap()).collect();
        assert_eq!(named.len(), methods::ALL.len() - MOST_OF_ONE);
        assert!(named.is_sorted_by_key(|method| !method.changes), "{detail}");
        // An entry that is read back may have 64 KiB.
        assert!(detail.len() < 32 * 1024, "{}", detail.len());
    }

    #[test]
    fn those_without_a_good_name_take_no_more_than_half_of_the_lines() {
        let now = SystemTime::UNIX_EPOCH;
        let mut refusals = Refusals::default();
        let addresses = (0..1_000).map(|index| format!("10.0.{}.{}:1", index / 250, index % 250));
        let told = addresses.filter_map(|address| refusals.add(stranger(&address, MOVE), nobody(), now));
        assert_eq!(told.count(), MOST_NAMELESS);
        // Nor does a certificate help that is over, or one beside a token that cannot be read.
        assert_eq!(refusals.add(asked("anna", "10.1.0.1:1"), nobody(), now), None);
        let mut unread = asked("", "10.1.0.1:1");
        unread.who.method = String::new();
        assert_eq!(refusals.add(unread, denied(), now), None);
        fill(&mut refusals, "anna", "10.1.0.1:1");
    }

    #[test]
    fn a_host_is_an_address_or_a_network_of_them() {
        let network = host("[2001:db8::1]:1234");
        let first = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
        assert_eq!(network, Some(IpAddr::V6(first)));
        assert_eq!(host("[2001:db8::ffff:2]:1"), network);
        assert_ne!(host("[2001:db8:0:1::1]:1234"), network);
        assert_eq!(host("[::ffff:10.0.0.1]:1"), host("10.0.0.1:2"));
        assert_ne!(host("10.0.0.1:1"), host("10.0.0.2:1"));
        assert_eq!(host("[fe80::1%3]:1"), host("[fe80::2%3]:2"));
        assert!(host("[fe80::1%3]:1").is_some());
        assert_eq!(host(""), None);
    }

    #[test]
    fn a_clock_that_was_set_back_ends_the_window() {
        let now = SystemTime::UNIX_EPOCH + WINDOW;
        let mut refusals = Refusals::default();
        refusals.add(asked("eve", "10.0.0.1:1"), denied(), now);
        assert!(refusals.tell(now - Duration::from_secs(1), false).is_some());
    }
}

//! Who gets a place: which connections there are, how many from where, and who gives way.
//!
//! A connection first *greets*: it shakes hands and begins with HTTP/2. Those are bounded on their own, and the oldest gives
//! way to the next, so that whoever connects and says nothing holds up nobody. Then it is *settled* and takes one of the
//! places. When all are taken, the one that has been without a call for the longest time makes room; when all have calls, a
//! stranger makes room for whoever is none, and otherwise the newcomer is refused. The last places are for administrators.
//! Strangers of one address have few places, and the oldest of them makes room for whoever comes from there: who that is
//! cannot be known yet.
//!
//! This is bookkeeping alone; [`registry`](super::registry) keeps it among threads.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::counters::Count;
use crate::settings::Limits;

/// Who shares a limit with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    /// Of an address. Nobody for loopback, which every program of the host shares: a limit there would let one of them lock
    /// out the others.
    pub fn of(address: IpAddr) -> Option<Self> {
        (!address.to_canonical().is_loopback()).then(|| Self(network(address)))
    }
}

/// What stands for an address where hosts are told apart: whoever has one address of an IPv6 network of 64 bits has them
/// all, and an IPv4 address is the same however it is written.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a connection is to the limits once its handshake is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has not shown who it is, or that is good no longer.
    Stranger,
    /// An identity, by the name that its connections are counted under.
    Known(Arc<str>),
    /// An identity that may have the places that are kept for administrators.
    Administrator,
}

/// Who has to go so that another one can come.
#[derive(Debug, PartialEq, Eq)]
pub struct GivesWay<T> {
    /// What was kept with the connection.
    pub entry: T,
    /// What it is counted as.
    pub count: Count,
}

#[derive(Debug)]
struct Place<T> {
    origin: Option<Origin>,
    /// Absent while it greets.
    standing: Option<Standing>,
    entry: T,
}

impl<T> Place<T> {
    fn is_stranger(&self) -> bool {
        self.standing
            .as_ref()
            .is_none_or(|standing| *standing == Standing::Stranger)
    }
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    strangers: usize,
}

/// The connections, by an id that rises.
#[derive(Debug)]
pub struct Places<T> {
    next: u64,
    places: BTreeMap<u64, Place<T>>,
    held: HashMap<Origin, Held>,
    /// How many connections each identity has that is no administrator.
    of_identities: HashMap<Arc<str>, usize>,
    greeting: usize,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            next: 0,
            places: BTreeMap::new(),
            held: HashMap::new(),
            of_identities: HashMap::new(),
            greeting: 0,
        }
    }
}

impl<T> Places<T> {
    /// A connection comes. Gives its id, and who has to go for it.
    ///
    /// # Errors
    ///
    /// It is refused, and counted as that.
    pub fn arrive(
        &mut self,
        origin: Option<Origin>,
        limits: &Limits,
        entry: T,
    ) -> Result<(u64, Vec<GivesWay<T>>), Count> {
        let mut leaving = Vec::new();
        if let Some((origin, held)) = origin.and_then(|origin| self.held.get(&origin).map(|held| (origin, held))) {
            let is_over = |held: usize, most: usize| most > 0 && held >= most;
            if is_over(held.strangers, limits.unauthenticated_per_address) {
                // One that is served makes room too: whoever has a name cannot show it before it is let in.
                let is_here = |place: &Place<T>| place.origin == Some(origin);
                let oldest = self.oldest_greeting(is_here).or_else(|| self.oldest_stranger(is_here));
                leaving.extend(oldest);
            } else if is_over(held.all, limits.connections_per_address) {
                return Err(Count::RefusedAddress);
            }
        }
        if self.greeting >= limits.handshakes {
            leaving.extend(self.oldest_greeting(|_any| true));
        }
        let id = self.next;
        self.next += 1;
        self.greeting += 1;
        if let Some(origin) = origin {
            let held = self.held.entry(origin).or_default();
            held.all += 1;
            held.strangers += 1;
        }
        let place = Place {
            origin,
            standing: None,
            entry,
        };
        self.places.insert(id, place);
        Ok((id, leaving))
    }

    /// A connection has greeted and wants a place. `idle` says how long one that is settled has had no call; it may be asked
    /// for each. Gives who has to go for it; nothing happens when the connection is none of these any more.
    ///
    /// # Errors
    ///
    /// There is no place. The connection stays among those that greet until it [leaves](Self::leave).
    pub fn settle<I: Ord>(
        &mut self,
        id: u64,
        standing: Standing,
        limits: &Limits,
        idle: impl Fn(&T) -> Option<I>,
    ) -> Result<Option<GivesWay<T>>, Count> {
        if self.places.get(&id).is_none_or(|place| place.standing.is_some()) {
            return Ok(None);
        }
        let is_administrator = standing == Standing::Administrator;
        if let Standing::Known(identity) = &standing
            && limits.connections_per_identity > 0
            && self
                .of_identities
                .get(identity)
                .is_some_and(|held| *held >= limits.connections_per_identity)
        {
            return Err(Count::RefusedIdentity);
        }
        let most = if is_administrator {
            limits.connections
        } else {
            limits.connections - limits.reserved()
        };
        let mut leaving = None;
        if self.settled() >= most {
            // An ordinary connection never drives out an administrator's.
            let gives_way = |other: &Standing| is_administrator || *other != Standing::Administrator;
            leaving = self.idlest(gives_way, idle);
            if leaving.is_none() && standing != Standing::Stranger {
                leaving = self.oldest_stranger(|_any| true);
            }
            if leaving.is_none() {
                return Err(Count::RefusedFull);
            }
        }
        if let Some(place) = self.places.get_mut(&id) {
            self.greeting -= 1;
            if let Some(held) = place.origin.and_then(|origin| self.held.get_mut(&origin))
                && standing != Standing::Stranger
            {
                held.strangers -= 1;
            }
            if let Standing::Known(identity) = &standing {
                *self.of_identities.entry(Arc::clone(identity)).or_default() += 1;
            }
            place.standing = Some(standing);
        }
        Ok(leaving)
    }

    /// A connection is gone, or is as good as gone. Gives what was kept with it, the first time.
    pub fn leave(&mut self, id: u64) -> Option<T> {
        let place = self.places.remove(&id)?;
        if place.standing.is_none() {
            self.greeting -= 1;
        }
        if let Some(origin) = place.origin
            && let Some(held) = self.held.get_mut(&origin)
        {
            held.all -= 1;
            held.strangers -= usize::from(place.is_stranger());
            if held.all == 0 {
                self.held.remove(&origin);
            }
        }
        if let Some(Standing::Known(identity)) = &place.standing
            && let Some(held) = self.of_identities.get_mut(identity)
        {
            *held -= 1;
            if *held == 0 {
                self.of_identities.remove(identity);
            }
        }
        Some(place.entry)
    }

    /// What is kept with each connection that there is.
    pub fn entries(&self) -> impl Iterator<Item = &T> {
        self.places.values().map(|place| &place.entry)
    }

    /// What is kept with a connection.
    pub fn entry_mut(&mut self, id: u64) -> Option<&mut T> {
        self.places.get_mut(&id).map(|place| &mut place.entry)
    }

    /// How many are settled.
    pub fn settled(&self) -> usize {
        self.places.len() - self.greeting
    }

    /// How many greet.
    pub fn greeting(&self) -> usize {
        self.greeting
    }

    /// Somebody has to go, whoever comes next.
    pub fn shed<I: Ord>(&mut self, idle: impl Fn(&T) -> Option<I>) -> Option<GivesWay<T>> {
        self.oldest_greeting(|_any| true)
            .or_else(|| self.idlest(|standing| *standing != Standing::Administrator, idle))
    }

    fn idlest<I: Ord>(
        &mut self,
        which: impl Fn(&Standing) -> bool,
        idle: impl Fn(&T) -> Option<I>,
    ) -> Option<GivesWay<T>> {
        let idle_for = |place: &Place<T>| {
            place
                .standing
                .as_ref()
                .filter(|standing| which(standing))
                .and_then(|_| idle(&place.entry))
        };
        let all = self
            .places
            .iter()
            .filter_map(|(id, place)| Some((idle_for(place)?, *id)));
        let (_longest, id) = all.max_by(|one, other| one.0.cmp(&other.0))?;
        self.leave(id).map(|entry| GivesWay {
            entry,
            count: Count::MadeRoom,
        })
    }

    /// The oldest connection that is settled without having shown who it is, whatever runs on it.
    fn oldest_stranger(&mut self, which: impl Fn(&Place<T>) -> bool) -> Option<GivesWay<T>> {
        let mut settled = self.places.iter();
        let oldest = settled.find(|(_, place)| place.standing == Some(Standing::Stranger) && which(place));
        let id = *oldest?.0;
        self.leave(id).map(|entry| GivesWay {
            entry,
            count: Count::MadeRoom,
        })
    }

    fn oldest_greeting(&mut self, which: impl Fn(&Place<T>) -> bool) -> Option<GivesWay<T>> {
        let oldest = self
            .places
            .iter()
            .find(|(_, place)| place.standing.is_none() && which(place));
        let id = *oldest?.0;
        self.leave(id).map(|entry| GivesWay {
            entry,
            count: Count::GaveWay,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRANGER: Standing = Standing::Stranger;
    const ADMINISTRATOR: Standing = Standing::Administrator;

    fn known(name: &str) -> Standing {
        Standing::Known(name.into())
    }

    /// One that nobody else is.
    fn somebody(number: u32) -> Standing {
        known(&number.to_string())
    }

    fn limits() -> Limits {
        Limits {
            connections: 10,
            administrators_percent: 20,
            connections_per_address: 4,
            unauthenticated_per_address: 2,
            connections_per_identity: 3,
            handshakes: 3,
            ..Limits::default()
        }
    }

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(text.parse().unwrap())
    }

    /// Comes and is settled.
    fn seat(places: &mut Places<u32>, from: Option<Origin>, standing: Standing, entry: u32) -> Result<u64, Count> {
        let (id, _) = places.arrive(from, &limits(), entry)?;
        match places.settle(id, standing, &limits(), |_| None::<u32>) {
            Ok(_) => Ok(id),
            Err(count) => {
                places.leave(id);
                Err(count)
            }
        }
    }

    #[test]
    fn a_network_is_one_origin_and_loopback_none() {
        assert_eq!(origin("127.0.0.1"), None);
        assert_eq!(origin("::1"), None);
        assert_eq!(origin("::ffff:127.0.0.1"), None);
        assert_eq!(origin("::ffff:10.0.0.1"), origin("10.0.0.1"));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:2"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
    }

    #[test]
    fn the_oldest_that_greets_gives_way() {
        let mut places = Places::default();
        let ids: Vec<_> = (0..3)
            .map(|entry| places.arrive(None, &limits(), entry).unwrap().0)
            .collect();
        places.settle(ids[0], somebody(0), &limits(), |_| None::<u32>).unwrap();
        places.arrive(None, &limits(), 3).unwrap();
        let (_, leaving) = places.arrive(None, &limits(), 4).unwrap();
        let expected = GivesWay {
            entry: 1,
            count: Count::GaveWay,
        };
        assert_eq!(leaving, [expected], "the first one is settled");
        assert_eq!((places.greeting(), places.settled()), (3, 1));
        assert_eq!(places.leave(ids[1]), None, "it has left already");
    }

    #[test]
    fn strangers_of_one_address_have_few_places_and_drive_out_their_own_alone() {
        let (here, there) = (origin("10.0.0.1"), origin("10.0.0.2"));
        let mut places = Places::default();
        places.arrive(there, &limits(), 0).unwrap();
        places.arrive(here, &limits(), 1).unwrap();
        seat(&mut places, here, STRANGER, 2).unwrap();
        let (third, leaving) = places.arrive(here, &limits(), 3).unwrap();
        assert_eq!(leaving.first().map(|gone| gone.entry), Some(1));
        places.settle(third, STRANGER, &limits(), |_| None::<u32>).unwrap();
        // Those that are served make room when no other does, or nobody from here could show a name any more.
        let (fourth, leaving) = places.arrive(here, &limits(), 4).unwrap();
        assert_eq!(
            leaving.first().map(|gone| (gone.entry, gone.count)),
            Some((2, Count::MadeRoom))
        );
        let known = places.settle(fourth, somebody(4), &limits(), |_| None::<u32>);
        assert_eq!(known, Ok(None));
        assert!(places.arrive(there, &limits(), 5).is_ok());
    }

    #[test]
    fn one_address_has_not_all_places() {
        let here = origin("10.0.0.1");
        let mut places = Places::default();
        let ids: Vec<_> = (0..4)
            .map(|entry| seat(&mut places, here, somebody(entry), entry).unwrap())
            .collect();
        assert_eq!(places.arrive(here, &limits(), 9).unwrap_err(), Count::RefusedAddress);
        places.leave(ids[2]);
        assert!(places.arrive(here, &limits(), 9).is_ok());
        assert!(seat(&mut places, None, somebody(10), 10).is_ok());
    }

    #[test]
    fn the_last_places_are_for_administrators() {
        let mut places = Places::default();
        for entry in 0..8 {
            seat(&mut places, None, somebody(entry), entry).unwrap();
        }
        assert_eq!(seat(&mut places, None, somebody(8), 8).unwrap_err(), Count::RefusedFull);
        for entry in 8..10 {
            seat(&mut places, None, ADMINISTRATOR, entry).unwrap();
        }
        assert_eq!(
            seat(&mut places, None, ADMINISTRATOR, 10).unwrap_err(),
            Count::RefusedFull
        );
        assert_eq!((places.settled(), places.greeting()), (10, 0));
    }

    #[test]
    fn who_has_no_call_makes_room() {
        let mut places = Places::default();
        seat(&mut places, None, ADMINISTRATOR, 90).unwrap();
        for entry in 0..7 {
            seat(&mut places, None, somebody(entry), entry).unwrap();
        }
        let idle = |entry: &u32| (*entry != 6).then_some(*entry);
        let (id, _) = places.arrive(None, &limits(), 7).unwrap();
        let made = places.settle(id, somebody(7), &limits(), idle).unwrap().unwrap();
        assert_eq!(
            (made.entry, made.count),
            (5, Count::MadeRoom),
            "the idlest, but neither the administrator nor the one with calls"
        );
        assert_eq!(places.settled(), 8);
    }

    #[test]
    fn who_has_to_go_has_not_begun_or_has_no_call_and_is_no_administrator() {
        let mut places = Places::default();
        seat(&mut places, None, ADMINISTRATOR, 1).unwrap();
        seat(&mut places, None, somebody(2), 2).unwrap();
        seat(&mut places, None, somebody(3), 3).unwrap();
        places.arrive(None, &limits(), 4).unwrap();
        let idle = |entry: &u32| (*entry != 3).then_some(*entry);
        let gone = std::iter::from_fn(|| places.shed(idle)).map(|gone| (gone.entry, gone.count));
        assert_eq!(gone.collect::<Vec<_>>(), [(4, Count::GaveWay), (2, Count::MadeRoom)]);
    }

    #[test]
    fn one_identity_has_not_all_places_wherever_it_comes_from() {
        let mut places = Places::default();
        let ids: Vec<_> = (0..3)
            .map(|entry| seat(&mut places, None, known("anna"), entry).unwrap())
            .collect();
        let refused = seat(&mut places, origin("10.0.0.1"), known("anna"), 3);
        assert_eq!(refused.unwrap_err(), Count::RefusedIdentity);
        assert!(seat(&mut places, None, known("berta"), 4).is_ok());
        places.leave(ids[1]);
        assert!(seat(&mut places, None, known("anna"), 5).is_ok());
        for entry in 6..10 {
            seat(&mut places, None, ADMINISTRATOR, entry).unwrap();
        }
    }

    #[test]
    fn strangers_make_room_for_others_whatever_runs_on_their_connections() {
        let mut places = Places::default();
        for entry in 0..8 {
            seat(&mut places, None, STRANGER, entry).unwrap();
        }
        let busy = |_: &u32| None::<u32>;
        let (stranger, _) = places.arrive(None, &limits(), 8).unwrap();
        let refused = places.settle(stranger, STRANGER, &limits(), busy);
        assert_eq!(refused.unwrap_err(), Count::RefusedFull);
        places.leave(stranger);
        let (id, _) = places.arrive(None, &limits(), 9).unwrap();
        let made = places.settle(id, known("anna"), &limits(), busy).unwrap().unwrap();
        assert_eq!((made.entry, made.count), (0, Count::MadeRoom));
    }

    proptest! {
        /// Whatever comes and goes, what is counted is what is there.
        #[test]
        fn the_books_balance(steps in prop::collection::vec((0_u8..4, 0_u8..4, 0_u64..20), 1..200)) {
            let mut places = Places::default();
            let origins = [None, origin("10.0.0.1"), origin("10.0.0.2"), origin("2001:db8::1")];
            for (step, from, which) in steps {
                match step {
                    0 | 1 => drop(places.arrive(origins[usize::from(from)], &limits(), ())),
                    2 => {
                        let id = places.next.saturating_sub(which);
                        let standing =
                            [known("anna"), STRANGER, ADMINISTRATOR, known("berta")][usize::from(from)].clone();
                        let idle = |_: &()| (which % 2 == 0).then_some(which);
                        if places.settle(id, standing, &limits(), idle).is_err() {
                            places.leave(id);
                        }
                    }
                    _ => drop(places.leave(places.next.saturating_sub(which))),
                }
                prop_assert!(places.greeting <= 3 && places.settled() <= 10);
                let greeting = places.places.values().filter(|place| place.standing.is_none()).count();
                prop_assert_eq!(places.greeting, greeting);
                for name in ["anna", "berta"] {
                    let standing = Some(known(name));
                    let held = places.places.values().filter(|place| place.standing == standing).count();
                    prop_assert_eq!(places.of_identities.get(name).copied().unwrap_or_default(), held);
                    prop_assert!(held <= 3);
                }
                for origin in origins.into_iter().flatten() {
                    let of = |place: &&Place<()>| place.origin == Some(origin);
                    let all = places.places.values().filter(of).count();
                    let strangers = places.places.values().filter(of).filter(|place| place.is_stranger()).count();
                    let held = places.held.get(&origin).map_or((0, 0), |held| (held.all, held.strangers));
                    prop_assert_eq!(held, (all, strangers));
                    prop_assert!(all <= 4 && strangers <= 2);
                }
            }
        }
    }
}

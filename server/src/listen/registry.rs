//! The connections that there are, among threads: who is let in, who is told to go, and who is cut.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use wsfc_proto::v1::Permission;

use super::connection::Peer;
use super::counters::{Count, Counters, Counts};
use super::places::{GivesWay, Origin, Places, Standing};
use crate::access::Access;
use crate::access::policy::Decision;
use crate::settings::Settings;
use crate::settings::current::Current;

/// How often the log is told of refusals.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Says what peers are to the limits.
pub trait Admission: Send + Sync {
    /// What the peer is, as far as its handshake shows. It is asked once for each connection.
    fn standing(&self, peer: &Peer) -> Standing;
}

impl Admission for Access {
    fn standing(&self, peer: &Peer) -> Standing {
        let identity = self.identify(peer, &HeaderMap::new());
        // A certificate that was revoked shows nobody.
        let known = identity.and_then(|identity| Ok((self.rights(&identity)?, identity)));
        match known {
            Ok((rights, _)) if rights.decide(Permission::AccessAdminister) != Decision::Denied => {
                Standing::Administrator
            }
            Ok((_, identity)) if !peer.is_stranger() => Standing::Known(identity.principal.into()),
            Ok(_) | Err(_) => Standing::Stranger,
        }
    }
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// No new calls; those that run go on to their end.
    Gently,
    /// No new calls, and there are none: the client is told, and the connection closed.
    Briefly,
    /// At once, whatever runs.
    Now,
}

/// Whether a connection has calls, and since when it has none.
#[derive(Debug)]
pub struct Activity {
    epoch: Instant,
    calls: AtomicUsize,
    /// Milliseconds after `epoch`.
    quiet_since: AtomicU64,
}

impl Activity {
    fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            calls: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(milliseconds(epoch.elapsed())),
        }
    }

    /// A call begins; it ends when what this gives is dropped.
    pub fn call(self: &Arc<Self>) -> Call {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Call(Arc::clone(self))
    }

    /// How long there has been no call; nothing while there is one.
    pub fn idle(&self) -> Option<Duration> {
        (self.calls.load(Ordering::Acquire) == 0).then(|| {
            let since = Duration::from_millis(self.quiet_since.load(Ordering::Relaxed));
            self.epoch.elapsed().saturating_sub(since)
        })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A call that runs on a connection.
#[derive(Debug)]
pub struct Call(Arc<Activity>);

impl Drop for Call {
    fn drop(&mut self) {
        let now = milliseconds(self.0.epoch.elapsed());
        self.0.quiet_since.store(now, Ordering::Relaxed);
        // Whoever sees that there is no call sees since when.
        self.0.calls.fetch_sub(1, Ordering::Release);
    }
}

struct Entry {
    ending: watch::Sender<Option<Ending>>,
    activity: Arc<Activity>,
    /// Known once the handshake is done.
    peer: Option<Peer>,
    /// The certificates that the client has shown, its own first; empty without.
    certificates: Arc<[CertificateDer<'static>]>,
}

impl Entry {
    fn end(&self, ending: Ending) {
        self.ending.send_replace(Some(ending));
    }
}

#[derive(Default)]
struct State {
    places: Places<Entry>,
    closed: bool,
}

struct Shared {
    settings: Current<Settings>,
    admission: Arc<dyn Admission>,
    counters: Arc<Counters>,
    epoch: Instant,
    state: Mutex<State>,
}

/// All connections of a daemon. Clones are the same.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

impl Connections {
    /// None yet. What happens to them is counted in these, beside what happens to calls.
    pub fn new(settings: Current<Settings>, admission: Arc<dyn Admission>, counters: Arc<Counters>) -> Self {
        Self(Arc::new(Shared {
            settings,
            admission,
            counters,
            epoch: Instant::now(),
            state: Mutex::default(),
        }))
    }

    /// A connection has come. It is told to go when somebody else needs its place more.
    ///
    /// # Errors
    ///
    /// It is refused, as what it is counted.
    pub fn arrive(&self, origin: Option<Origin>) -> Result<Guest, Count> {
        self.count(Count::Accepted);
        let (ending, told) = watch::channel(None);
        let activity = Arc::new(Activity::new(self.0.epoch));
        let entry = Entry {
            ending,
            activity: Arc::clone(&activity),
            peer: None,
            certificates: Arc::default(),
        };
        let settings = self.0.settings.get();
        let mut state = self.state();
        if state.closed {
            entry.end(Ending::Gently);
        }
        let (id, leaving) = state
            .places
            .arrive(origin, &settings.limits, entry)
            .inspect_err(|refused| self.count(*refused))?;
        drop(state);
        for gone in leaving {
            self.send_away(&gone, Ending::Now);
        }
        Ok(Guest {
            connections: self.clone(),
            id,
            told,
            activity,
        })
    }

    /// Closes a connection that nobody needs, since the system has no descriptors left. Says whether there was one.
    pub fn shed(&self) -> bool {
        let gone = self.state().places.shed(|entry| entry.activity.idle());
        if let Some(gone) = &gone {
            self.send_away(gone, Ending::Now);
        }
        gone.is_some()
    }

    /// Cuts the connections of peers for whom `which` holds, whatever runs on them. Gives how many.
    pub fn cut(&self, which: impl Fn(&Peer) -> bool) -> usize {
        self.cut_where(Ending::Now, |entry| entry.peer.as_ref().is_some_and(&which))
    }

    /// Cuts the connections whose certificates, the client's own first, are refused now. Gives how many.
    pub fn cut_refused(&self, is_refused: impl Fn(&[CertificateDer<'static>]) -> bool) -> usize {
        self.cut_where(Ending::Now, |entry| {
            !entry.certificates.is_empty() && is_refused(&entry.certificates)
        })
    }

    fn cut_where(&self, how: Ending, which: impl Fn(&Entry) -> bool) -> usize {
        // Signatures may be looked at, so not under the lock.
        let entries: Vec<_> = self
            .state()
            .places
            .entries()
            .filter(|entry| entry.peer.is_some())
            .map(|entry| Entry {
                ending: entry.ending.clone(),
                activity: Arc::clone(&entry.activity),
                peer: entry.peer.clone(),
                certificates: Arc::clone(&entry.certificates),
            })
            .collect();
        let cut = entries.iter().filter(|entry| which(entry));
        cut.map(|entry| {
            entry.end(how);
            self.count(Count::Cut);
        })
        .count()
    }

    /// Tells every connection to end gently, and those that still come.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for entry in state.places.entries() {
            // One that is cut stays so.
            entry.ending.send_if_modified(|ending| {
                let first = ending.is_none();
                ending.get_or_insert(Ending::Gently);
                first
            });
        }
    }

    /// Counts something that happened to a connection.
    pub fn count(&self, count: Count) {
        self.0.counters.add(count);
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        self.0.counters.snapshot()
    }

    /// How many are served now.
    pub fn served(&self) -> usize {
        self.state().places.settled()
    }

    /// How many have come and have not begun with HTTP/2.
    pub fn greeting(&self) -> usize {
        self.state().places.greeting()
    }

    /// Cuts connections whose certificate has been revoked, or is over, as soon as the policy says so.
    pub async fn follow(self, access: Access, stop: CancellationToken) {
        let mut policies = access.generations();
        while let Some(Some(_policy)) = stop.run_until_cancelled(policies.next()).await {
            let nothing = HeaderMap::new();
            let is_over = |peer: &Peer| {
                let identity = access.identify(peer, &nothing);
                identity.and_then(|identity| access.rights(&identity)).is_err()
            };
            // Their streams end with the reason; the connections get the moment that it takes to say so.
            self.cut_where(Ending::Briefly, |entry| entry.peer.as_ref().is_some_and(is_over));
        }
    }

    /// Logs once in a while what was refused, if anything was. Strangers must not fill the log, so single refusals are in it
    /// only at the level `debug`.
    pub async fn report(self, stop: CancellationToken) {
        let mut told = self.counts();
        while tokio::time::timeout(REPORT_EVERY, stop.cancelled()).await.is_err() {
            let counts = self.counts();
            let since = counts.since(&told);
            if since.is_worth_telling() {
                tracing::info!(%since, served = self.served(), "Connections were refused or closed");
            }
            told = counts;
        }
    }

    fn send_away(&self, gone: &GivesWay<Entry>, ending: Ending) {
        self.count(gone.count);
        gone.entry.end(ending);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place; given back when this is dropped.
pub struct Guest {
    connections: Connections,
    id: u64,
    told: watch::Receiver<Option<Ending>>,
    activity: Arc<Activity>,
}

impl Guest {
    /// The peer has begun with HTTP/2 and wants a place.
    ///
    /// # Errors
    ///
    /// There is none, as what it is counted.
    pub fn settle(&self, peer: &Peer, certificates: Arc<[CertificateDer<'static>]>) -> Result<(), Count> {
        let shared = &self.connections.0;
        let standing = shared.admission.standing(peer);
        let settings = shared.settings.get();
        let mut state = self.connections.state();
        let made = state
            .places
            .settle(self.id, standing, &settings.limits, |entry| entry.activity.idle())
            .inspect_err(|refused| self.connections.count(*refused))?;
        if let Some(entry) = state.places.entry_mut(self.id) {
            entry.peer = Some(peer.clone());
            entry.certificates = certificates;
        }
        drop(state);
        self.connections.count(Count::Served);
        if let Some(gone) = made {
            self.connections.send_away(&gone, Ending::Briefly);
        }
        Ok(())
    }

    /// Waits until the connection is told to end, another time in another way than before.
    pub async fn told(&mut self) -> Ending {
        loop {
            if self.told.changed().await.is_err() {
                // Whoever gave way has no entry any more; its last word was seen.
                return std::future::pending().await;
            }
            if let Some(ending) = *self.told.borrow_and_update() {
                return ending;
            }
        }
    }

    /// The number of the connection.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whether the connection has calls.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// All connections.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.connections.state().places.leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::Revoked;
    use crate::platform::SystemClock;
    use crate::settings::Limits;

    fn connections(limits: Limits) -> Connections {
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        let access = Access::new(&settings, Arc::new(SystemClock));
        Connections::new(Current::new(settings), Arc::new(access), Arc::default())
    }

    fn with_certificate(name: &str) -> Peer {
        Peer::secured(None, Some(name.as_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_call_on() {
        let connections = connections(Limits::default());
        let guest = connections.arrive(None).unwrap();
        let seconds = Duration::from_secs;
        tokio::time::advance(seconds(3)).await;
        assert_eq!(guest.activity().idle(), Some(seconds(3)));
        let (one, other) = (guest.activity().call(), guest.activity().call());
        drop(one);
        assert_eq!(guest.activity().idle(), None);
        tokio::time::advance(seconds(2)).await;
        drop(other);
        assert_eq!(guest.activity().idle(), Some(seconds(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_idlest_is_told_to_go_for_the_next() {
        let connections = connections(Limits {
            connections: 2,
            administrators_percent: 0,
            ..Limits::default()
        });
        let peer = Peer::plain(None);
        let mut first = connections.arrive(None).unwrap();
        first.settle(&peer, Arc::default()).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        let second = connections.arrive(None).unwrap();
        second.settle(&peer, Arc::default()).unwrap();
        let third = connections.arrive(None).unwrap();
        third.settle(&peer, Arc::default()).unwrap();
        assert_eq!(first.told().await, Ending::Briefly);
        assert_eq!(connections.counts().get(Count::MadeRoom), 1);
        let _calls = (second.activity().call(), third.activity().call());
        let fourth = connections.arrive(None).unwrap();
        assert_eq!(fourth.settle(&peer, Arc::default()), Err(Count::RefusedFull));
        drop(first);
        assert_eq!(connections.served(), 2);
        drop((second, third, fourth));
        assert_eq!((connections.served(), connections.greeting()), (0, 0));
    }

    #[tokio::test]
    async fn those_that_are_cut_are_told_at_once_and_nobody_else() {
        let connections = connections(Limits::default());
        let (mut one, mut other) = (connections.arrive(None).unwrap(), connections.arrive(None).unwrap());
        let own = CertificateDer::from(b"one".to_vec());
        one.settle(&with_certificate("one"), Arc::from([own.clone()])).unwrap();
        other.settle(&with_certificate("other"), Arc::default()).unwrap();
        let greeting = connections.arrive(None).unwrap();
        assert_eq!(connections.cut(|peer| *peer == with_certificate("one")), 1);
        assert_eq!(one.told().await, Ending::Now);
        connections.close();
        assert_eq!(other.told().await, Ending::Gently);
        assert_eq!(connections.cut_refused(|shown| shown == [own.clone()]), 1);
        assert_eq!(connections.counts().get(Count::Cut), 2);
        drop(greeting);
    }

    #[tokio::test]
    async fn a_revoked_certificate_ends_its_connections() {
        let settings = Settings::default();
        let access = Access::new(&settings, Arc::new(SystemClock));
        let connections = Connections::new(Current::new(settings), Arc::new(access.clone()), Arc::default());
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = |name: &str| {
            let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
            Peer::secured(None, Some(params.self_signed(&key).unwrap().der()))
        };
        let (good, bad) = (certificate("good"), certificate("bad"));
        let (mut one, mut other) = (connections.arrive(None).unwrap(), connections.arrive(None).unwrap());
        one.settle(&good, Arc::default()).unwrap();
        other.settle(&bad, Arc::default()).unwrap();
        let stop = CancellationToken::new();
        let following = tokio::spawn(connections.clone().follow(access.clone(), stop.clone()));
        let mut revoked = Revoked::default();
        revoked
            .fingerprints
            .insert(bad.certificate.as_ref().unwrap().fingerprint);
        access.set_granted(Vec::new(), revoked);
        assert_eq!(other.told().await, Ending::Briefly);
        stop.cancel();
        following.await.unwrap();
        connections.close();
        assert_eq!(one.told().await, Ending::Gently);
    }

    #[tokio::test]
    async fn whoever_comes_after_the_close_is_told_to_go() {
        let connections = connections(Limits::default());
        connections.close();
        let mut late = connections.arrive(None).unwrap();
        assert_eq!(late.told().await, Ending::Gently);
    }
}

//! Which clusters are observed, and by which names they are known.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wsfc_clusapi::Error;

use super::line::{Line, Order};
use crate::journal::{ClusterId, caseless};

/// How many names that clients made up are remembered. They are looked up again when they are forgotten.
const MOST_ALIASES: usize = 1_024;

/// How far an observer has come.
#[derive(Clone, Debug)]
pub enum Progress {
    /// It has not yet read its cluster.
    Begun,
    /// The journal has what there is, or what there was before the daemon started.
    Filled,
    /// The cluster cannot be read, and nothing is known of it. It is tried again.
    Failed(Arc<Error>),
}

/// An observed cluster.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// Where its observer takes orders.
    pub orders: Sender<Order>,
    /// Where its observer is told to end.
    pub line: Arc<Line>,
    /// How far its observer has come.
    pub progress: watch::Receiver<Progress>,
}

/// What came of taking a cluster in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is new, and its observer is to be started.
    New,
    /// It is observed already.
    Known,
    /// There are as many clusters as may be.
    Full,
    /// Nothing is observed any more.
    Stopped,
}

/// The clusters that are observed.
#[derive(Debug, Default)]
pub struct Roster(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    watched: BTreeMap<ClusterId, Watched>,
    /// Names as clients gave them, by which clusters were found.
    aliases: HashMap<String, ClusterId>,
    /// The cluster of this host.
    local: Option<ClusterId>,
    stopped: bool,
}

impl State {
    /// The cluster whose own name it is, as names are compared.
    fn own(&self, wanted: &str) -> Option<&ClusterId> {
        let mut clusters = self.watched.iter();
        let own = clusters.find(|(_, watched)| caseless(&watched.name) == wanted);
        own.map(|(id, _)| id)
    }

    fn named(&self, name: &str) -> Option<&ClusterId> {
        if name.is_empty() {
            return self.local.as_ref();
        }
        let wanted = wanted(name);
        self.own(&wanted).or_else(|| self.aliases.get(&wanted))
    }
}

impl Roster {
    /// The cluster of a name; the empty one is that of this host. Nothing when it takes a call to know.
    pub fn find(&self, name: &str) -> Option<(ClusterId, Watched)> {
        let state = self.state();
        let id = state.named(name).or_else(|| {
            let wanted = wanted(name);
            // The first part of an address is no name.
            let is_address = wanted.parse::<std::net::IpAddr>().is_ok();
            let (label, _) = wanted.split_once('.').filter(|_| !is_address)?;
            state.own(label)
        })?;
        let watched = state.watched.get(id)?.clone();
        Some((id.clone(), watched))
    }

    /// As [`find`](Self::find), by no other names than the clusters' own and those that they were found by: whatever stands
    /// behind the first part of an FQDN may lead elsewhere.
    pub fn find_known(&self, name: &str) -> Option<Watched> {
        let state = self.state();
        state.watched.get(state.named(name)?).cloned()
    }

    /// A cluster by its id.
    pub fn get(&self, id: &ClusterId) -> Option<Watched> {
        self.state().watched.get(id).cloned()
    }

    /// Takes a cluster in, unless it is observed already or there are `most`.
    pub fn enter(&self, id: &ClusterId, watched: Watched, most: usize) -> Entered {
        let mut state = self.state();
        if state.stopped {
            return Entered::Stopped;
        }
        if state.watched.contains_key(id) {
            return Entered::Known;
        }
        if state.watched.len() >= most {
            return Entered::Full;
        }
        state.watched.insert(id.clone(), watched);
        Entered::New
    }

    /// Remembers the name by which a cluster was found; the empty one is that of this host.
    pub fn remember(&self, name: &str, id: &ClusterId) {
        let mut state = self.state();
        if name.is_empty() {
            state.local = Some(id.clone());
            return;
        }
        if state.aliases.len() >= MOST_ALIASES {
            state.aliases.clear();
        }
        state.aliases.insert(wanted(name), id.clone());
    }

    /// The names by which clients have found a cluster.
    pub fn aliases(&self, id: &ClusterId) -> Vec<String> {
        let state = self.state();
        let aliases = state.aliases.iter().filter(|(_, known)| *known == id);
        aliases.map(|(name, _)| name.clone()).collect()
    }

    /// A cluster has another name.
    pub fn rename(&self, id: &ClusterId, name: &str) {
        if let Some(watched) = self.state().watched.get_mut(id) {
            watched.name = name.into();
        }
    }

    /// An observer has found another cluster under the name of its own. False when that one is observed already; then
    /// the observer has nothing left to do.
    pub fn rebind(&self, former: &ClusterId, id: &ClusterId, name: &str) -> bool {
        let mut state = self.state();
        let Some(mut watched) = state.remove(former) else {
            return false;
        };
        if state.watched.contains_key(id) {
            return false;
        }
        watched.name = name.into();
        state.watched.insert(id.clone(), watched);
        true
    }

    /// Forgets a cluster.
    pub fn leave(&self, id: &ClusterId) {
        self.state().remove(id);
    }

    /// Takes nothing in any more, and tells every observer to end.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        for watched in state.watched.values() {
            watched.line.stop();
            // An observer that has ended needs no waking.
            let _ = watched.orders.send(Order::Wake);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, id: &ClusterId) -> Option<Watched> {
        self.aliases.retain(|_, known| known != id);
        if self.local.as_ref() == Some(id) {
            self.local = None;
        }
        self.watched.remove(id)
    }
}

/// What a client means by the name of a cluster: a name, an address, an FQDN, or the distinguished name of its account,
/// of which the first part is its name; in lower case.
fn wanted(name: &str) -> String {
    caseless(plain(name))
}

/// The name in the distinguished name of a cluster's account, or the name as it is.
pub fn plain(name: &str) -> &str {
    let name = name.trim();
    match name.split_at_checked(3) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("CN=") => {
            rest.split_once(',').map_or(rest, |(first, _)| first).trim()
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(name: &str) -> Watched {
        Watched {
            name: name.into(),
            orders: std::sync::mpsc::channel().0,
            line: Arc::default(),
            progress: watch::channel(Progress::Begun).1,
        }
    }

    fn found(roster: &Roster, name: &str) -> Option<String> {
        roster.find(name).map(|(id, _)| id.to_string())
    }

    #[test]
    fn a_cluster_is_found_by_any_form_of_its_name() {
        let roster = Roster::default();
        let (one, two) = (ClusterId::from("1"), ClusterId::from("2"));
        assert_eq!(roster.enter(&one, watched("CL1"), 2), Entered::New);
        assert_eq!(roster.enter(&two, watched("CL2"), 2), Entered::New);
        assert_eq!(roster.enter(&two, watched("CL2"), 2), Entered::Known);
        assert_eq!(roster.enter(&ClusterId::from("3"), watched("CL3"), 2), Entered::Full);
        for name in [
            "cl1",
            "CL1",
            "cl1.example.org",
            "CN=Cl1,OU=clusters,DC=example",
            "cn=CL1",
        ] {
            assert_eq!(found(&roster, name).as_deref(), Some("1"), "{name}");
        }
        for name in ["", "cl", "10.0.0.1", "cl3"] {
            assert_eq!(found(&roster, name), None, "{name}");
        }
        roster.remember("10.0.0.1", &one);
        roster.remember("", &two);
        assert_eq!(found(&roster, "10.0.0.1").as_deref(), Some("1"));
        assert_eq!(found(&roster, "").as_deref(), Some("2"));
        assert_eq!(roster.aliases(&one), ["10.0.0.1"]);
        assert!(roster.aliases(&two).is_empty());
        // What an FQDN begins with is a cluster's own name, or nothing that is known.
        roster.remember("n2", &one);
        for name in ["n2.example.org", ".example.org"] {
            assert_eq!(found(&roster, name), None, "{name}");
        }
        assert!(roster.find_known("n2").is_some() && roster.find_known("cl1.example.org").is_none());
        roster.rename(&one, "CL9");
        assert_eq!(found(&roster, "cl9").as_deref(), Some("1"));
        roster.leave(&one);
        roster.leave(&two);
        for name in ["", "cl9", "cl2", "10.0.0.1"] {
            assert_eq!(found(&roster, name), None, "{name}");
        }
    }

    #[test]
    fn a_cluster_takes_the_place_of_the_one_before_it() {
        let roster = Roster::default();
        let (former, later) = (ClusterId::from("1"), ClusterId::from("2"));
        roster.enter(&former, watched("CL1"), 16);
        roster.remember("alias", &former);
        assert!(roster.rebind(&former, &later, "CL1"));
        assert_eq!(found(&roster, "CL1").as_deref(), Some("2"));
        assert_eq!(found(&roster, "alias"), None, "what was found by it is gone");
        roster.enter(&former, watched("CL0"), 16);
        assert!(!roster.rebind(&former, &later, "CL1"), "it is observed already");
        assert_eq!(found(&roster, "CL0"), None);
    }

    #[test]
    fn nothing_is_taken_in_after_the_end() {
        let roster = Roster::default();
        roster.stop();
        assert_eq!(
            roster.enter(&ClusterId::from("1"), watched("CL1"), 16),
            Entered::Stopped
        );
    }
}

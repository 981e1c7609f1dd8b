//! Who hears whom: heartbeats between machines, and the networks that carry them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::World;

/// What keeps heartbeats from coming through. Names are in lower case.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Heartbeats {
    /// Pairs of machines, each with the lesser name first.
    cut: BTreeSet<(String, String)>,
    /// The same over one network, which comes first.
    #[serde(default)]
    cut_on: BTreeSet<(String, String, String)>,
    /// Machines that hear nobody.
    isolated: BTreeSet<String>,
    networks_down: BTreeSet<String>,
    /// Machine and network.
    interfaces_down: BTreeSet<(String, String)>,
}

fn pair(one: &str, other: &str) -> (String, String) {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    if one <= other { (one, other) } else { (other, one) }
}

fn on_network(network: &str, one: &str, other: &str) -> (String, String, String) {
    let (one, other) = pair(one, other);
    (network.to_lowercase(), one, other)
}

fn put<T: Ord>(set: &mut BTreeSet<T>, value: T, present: bool) {
    if present {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}

impl Heartbeats {
    /// Cuts the heartbeats of two machines, or heals them.
    pub(crate) fn set_cut(&mut self, one: &str, other: &str, cut: bool) {
        put(&mut self.cut, pair(one, other), cut);
    }

    /// Cuts the heartbeats of two machines over one network, or heals them.
    pub(crate) fn set_cut_on(&mut self, network: &str, one: &str, other: &str, cut: bool) {
        put(&mut self.cut_on, on_network(network, one, other), cut);
    }

    pub(crate) fn isolate(&mut self, machine: &str) {
        self.isolated.insert(machine.to_lowercase());
    }

    /// Everybody hears everybody whom the networks carry.
    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        self.cut_on.clear();
        self.isolated.clear();
    }

    pub(crate) fn set_network(&mut self, network: &str, down: bool) {
        put(&mut self.networks_down, network.to_lowercase(), down);
    }

    pub(crate) fn set_interface(&mut self, machine: &str, network: &str, down: bool) {
        let interface = (machine.to_lowercase(), network.to_lowercase());
        put(&mut self.interfaces_down, interface, down);
    }

    /// True when the interface of a machine on a network carries anything.
    pub(crate) fn carries(&self, machine: &str, network: &str) -> bool {
        let network = network.to_lowercase();
        !self.networks_down.contains(&network) && !self.interfaces_down.contains(&(machine.to_lowercase(), network))
    }

    /// True when two machines reach each other over a network that both are on.
    pub(crate) fn links(&self, one: &str, other: &str, network: &str) -> bool {
        !self.are_apart(one, other)
            && !self.cut_on.contains(&on_network(network, one, other))
            && self.carries(one, network)
            && self.carries(other, network)
    }

    /// True when two machines do not hear each other over any network.
    fn are_apart(&self, one: &str, other: &str) -> bool {
        self.cut.contains(&pair(one, other))
            || self.isolated.contains(&one.to_lowercase())
            || self.isolated.contains(&other.to_lowercase())
    }

    /// True when nothing comes between two machines whose interfaces work.
    pub(crate) fn is_whole(&self) -> bool {
        self.cut.is_empty() && self.cut_on.is_empty() && self.isolated.is_empty()
    }

    fn is_quiet(&self) -> bool {
        self.is_whole() && self.networks_down.is_empty() && self.interfaces_down.is_empty()
    }
}

impl World {
    /// True when two machines hear each other: nothing cuts them off, and a network that both are on carries it.
    /// Machines without a common network are taken to have a way of their own.
    fn hear(&self, one: &str, other: &str) -> bool {
        let beats = &self.heartbeats;
        if beats.are_apart(one, other) {
            return false;
        }
        let on = |machine: &str, network: &crate::scenario::Network| {
            self.machine(machine)
                .is_some_and(|machine| machine.addresses.iter().any(|address| network.contains(*address)))
        };
        let mut common = self
            .networks
            .iter()
            .filter(|network| on(one, network) && on(other, network))
            .peekable();
        common.peek().is_none() || common.any(|network| beats.links(one, other, &network.name))
    }

    /// The nodes in groups of those that hear each other, directly or through others. Guess: a node that two others
    /// hear keeps them together, as routes through a third node do.
    pub(crate) fn sides(&self, nodes: &[(u32, String)]) -> Vec<BTreeSet<u32>> {
        if self.heartbeats.is_quiet() {
            let all: BTreeSet<u32> = nodes.iter().map(|(id, _)| *id).collect();
            return if all.is_empty() { Vec::new() } else { vec![all] };
        }
        let mut sides: Vec<BTreeSet<u32>> = Vec::new();
        for (id, name) in nodes {
            let heard = |side: &BTreeSet<u32>| {
                nodes
                    .iter()
                    .any(|(other, other_name)| side.contains(other) && self.hear(name, other_name))
            };
            let mut joined = BTreeSet::from([*id]);
            sides.retain(|side| {
                let together = heard(side);
                if together {
                    joined.extend(side);
                }
                !together
            });
            sides.push(joined);
        }
        sides
    }
}

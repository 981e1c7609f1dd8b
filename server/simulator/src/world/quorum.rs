//! Votes: who may go on, what each node and the witness count, and who belongs to the cluster (facts 2.6).

use std::collections::BTreeSet;

use wsfc_clusapi::sys::constants::{
    group_type, node_drain_status, node_state, notify_cluster, notify_object, notify_quorum, quorum_kind,
    resource_state,
};

use super::World;
use super::cluster::Cluster;
use super::events::Event;
use super::node::{Node, Start};
use super::properties::Setting;
use super::queue::Step;
use super::service::{ClusterService, dword};
use crate::proplist;
use crate::win32::{
    ERROR_CLUSTER_NODE_DOWN, ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_DEPENDENCY_NOT_ALLOWED, ERROR_INVALID_PARAMETER,
    ERROR_NOT_QUORUM_CAPABLE, ERROR_NOT_QUORUM_CLASS, ERROR_QUORUM_NOT_ALLOWED_IN_THIS_GROUP,
    ERROR_QUORUM_RESOURCE_ONLINE_FAILED, ERROR_RESOURCE_NOT_FOUND,
};

const HOUR_MS: u64 = 3_600_000;
const SECOND_MS: u64 = 1_000;
/// The functional level of 2016, which brought isolation and quarantine.
const RESILIENT_LEVEL: u32 = 9;
const PHYSICAL_DISK: &str = "Physical Disk";
/// The resource types that can be a witness.
const WITNESSES: [&str; 3] = [PHYSICAL_DISK, "File Share Witness", "Cloud Witness"];

/// How nodes go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// In an orderly way: they give up their votes first.
    Orderly,
    /// All at once, so that nobody is left to take their votes over.
    Together,
    /// Without a word.
    Abruptly,
    /// They are there, and are not heard.
    Unheard,
}

impl Cluster {
    /// All votes that there are now.
    fn all_votes(&self) -> u32 {
        self.nodes.iter().map(|node| node.dynamic_weight).sum::<u32>() + self.quorum.witness_weight
    }

    /// The votes of some nodes.
    fn votes(&self, nodes: &BTreeSet<u32>) -> u32 {
        self.nodes
            .iter()
            .filter(|node| nodes.contains(&node.id))
            .map(|node| node.dynamic_weight)
            .sum()
    }

    /// True when a side that needs the witness could get it.
    fn witness_in_reach(&self) -> bool {
        self.quorum.witness.is_some() && !self.quorum.witness_lost && self.quorum.witness_weight > 0
    }

    /// True for a side that has a node which was started in such a way.
    fn started_so(&self, side: &BTreeSet<u32>, fits: impl Fn(&Node) -> bool) -> bool {
        self.nodes.iter().any(|node| side.contains(&node.id) && fits(node))
    }

    /// True when more than half of the configured votes are together, so that nothing needs to be forced.
    pub(crate) fn has_configured_majority(&self) -> bool {
        let all: u32 = self.nodes.iter().map(Self::configured_weight).sum();
        let present = self.nodes.iter().filter(|node| node.present);
        let active: u32 = present.map(Self::configured_weight).sum();
        let witness = u32::from(self.quorum.witness.is_some());
        let reached = if self.quorum.witness_lost { 0 } else { witness };
        (active + reached) * 2 > all + witness || (self.quorum.disk_only && reached == 1)
    }

    /// The side that goes on. Quorum that is forced decides (guess: of two such sides, for the one that goes on already);
    /// nodes that shall form nothing go on with others only. Else it has more than half of all votes, of which the witness
    /// gives its own to one side only, first to the one that owns the core group.
    fn winner(&self, mut sides: Vec<BTreeSet<u32>>) -> BTreeSet<u32> {
        let forced = |side: &&BTreeSet<u32>| self.started_so(side, |node| node.start == Start::Forced);
        let goes_on = |side: &&BTreeSet<u32>| self.started_so(side, |node| node.present);
        let by_force = sides.iter().filter(forced).find(goes_on);
        if let Some(side) = by_force.or(sides.iter().find(forced)) {
            return side.clone();
        }
        sides.retain(|side| self.started_so(side, |node| node.present || node.start != Start::Prevented));
        let all = self.all_votes();
        let owner = self.core_group().map(|group| group.owner);
        sides.sort_by_key(|side| {
            let owns = owner.is_some_and(|owner| side.contains(&owner));
            (
                std::cmp::Reverse(self.votes(side)),
                !owns,
                std::cmp::Reverse(side.len()),
                side.first().copied(),
            )
        });
        if all == 0 {
            // A cluster that is just made, or one whose nodes all have no vote.
            return sides.into_iter().next().unwrap_or_default();
        }
        if let Some(place) = sides.iter().position(|side| self.votes(side) * 2 > all) {
            return sides.swap_remove(place);
        }
        if !self.witness_in_reach() {
            return BTreeSet::new();
        }
        sides.sort_by_key(|side| !owner.is_some_and(|owner| side.contains(&owner)));
        sides
            .into_iter()
            .find(|side| (self.votes(side) + self.quorum.witness_weight) * 2 > all)
            .unwrap_or_default()
    }

    fn present_nodes(&self) -> BTreeSet<u32> {
        self.nodes
            .iter()
            .filter(|node| node.present)
            .map(|node| node.id)
            .collect()
    }

    /// The configured vote of a node.
    fn configured_weight(node: &Node) -> u32 {
        u32::from(dword(&node.settings, "NodeWeight", 1) != 0)
    }

    /// True when the cluster would lose quorum if a node, or the witness (`None`), fell silent now.
    pub(crate) fn would_fall_without(&self, node: Option<u32>) -> bool {
        let mut present = self.present_nodes();
        let witness = match node {
            Some(node) => {
                present.remove(&node);
                self.witness_in_reach()
            }
            None => false,
        };
        let votes = self.votes(&present) + if witness { self.quorum.witness_weight } else { 0 };
        votes * 2 <= self.all_votes() || present.is_empty()
    }

    /// True when the votes that remain configured after an eviction are a majority. Guess: dynamic weights do not
    /// count here.
    pub(crate) fn keeps_majority_without(&self, node: Option<u32>) -> bool {
        let rest = || self.nodes.iter().filter(|other| Some(other.id) != node);
        let all: u32 = rest().map(Self::configured_weight).sum();
        let active: u32 = rest().filter(|other| other.present).map(Self::configured_weight).sum();
        let witness = u32::from(node.is_some() && self.quorum.witness.is_some());
        let reached = if self.quorum.witness_lost { 0 } else { witness };
        (active + reached) * 2 > all + witness && rest().any(|other| other.present)
    }

    /// The node of a voter's id, which is its number as text (facts 2.3).
    pub(crate) fn voter(&self, text: &str) -> Result<u32, u32> {
        text.parse()
            .ok()
            .filter(|id| self.node(*id).is_some())
            .ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)
    }

    /// The kind of quorum, as the quorum calls say it (facts 2.6).
    pub(crate) fn quorum_kind(&self) -> u32 {
        match (&self.quorum.witness, self.quorum.disk_only) {
            (Some(_), true) => quorum_kind::DISK_ONLY,
            (Some(_), false) => quorum_kind::NODES_AND_WITNESS,
            (None, _) => quorum_kind::NODE_MAJORITY,
        }
    }
}

impl World {
    /// Looks at who is there and decides who belongs to the cluster. To be called after every change of machines,
    /// services, nodes and heartbeats.
    pub(crate) fn review(&mut self, cluster_id: &str, leaving: Leaving) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let alive: Vec<(u32, String)> = cluster
            .nodes
            .iter()
            .filter(|node| node.state != node_state::JOINING && self.is_alive(cluster, node))
            .map(|node| (node.id, node.name.clone()))
            .collect();
        let joining: BTreeSet<u32> = cluster
            .nodes
            .iter()
            .filter(|node| node.state == node_state::JOINING && self.is_alive(cluster, node))
            .map(|node| node.id)
            .collect();
        let sides = self.sides(&alive);
        let alive: BTreeSet<u32> = alive.into_iter().map(|(id, _)| id).collect();
        let Some(mut service) = self.service(cluster_id) else {
            return;
        };
        for node in &mut service.cluster.nodes {
            // The arguments of a service end with it.
            if !alive.contains(&node.id) {
                node.start = Start::ByVotes;
            }
        }
        if leaving == Leaving::Orderly {
            service.give_up_votes(&alive);
        }
        let members = service.cluster.winner(sides);
        service.set_members(&members, &joining, leaving);
    }
}

impl ClusterService<'_> {
    /// Nodes that leave in an orderly way give up their votes while the others are still there to take them.
    fn give_up_votes(&mut self, staying: &BTreeSet<u32>) {
        let remain = self
            .cluster
            .nodes
            .iter()
            .any(|node| node.present && staying.contains(&node.id));
        if !remain || self.cluster_dword("DynamicQuorum", 1) == 0 {
            return;
        }
        let present: BTreeSet<u32> = self.cluster.present_nodes().intersection(staying).copied().collect();
        self.weigh(&present);
    }

    /// Makes these nodes the active members, tells who came and went, and does what follows: groups fail over, come
    /// back, or stop with their cluster.
    fn set_members(&mut self, members: &BTreeSet<u32>, joining: &BTreeSet<u32>, leaving: Leaving) {
        let before = self.cluster.present_nodes();
        let was_formed = !before.is_empty();
        if leaving == Leaving::Orderly {
            self.leave_hosted(members);
        }
        self.hosting.stale = true;
        for node in &mut self.cluster.nodes {
            node.present = members.contains(&node.id);
            node.joining = joining.contains(&node.id);
            if node.present && node.start == Start::Prevented {
                node.start = Start::ByVotes;
            }
        }
        if members.is_empty() {
            if was_formed {
                self.fall();
            }
            return;
        }
        let lost: Vec<u32> = before.difference(members).copied().collect();
        let came: Vec<u32> = members.difference(&before).copied().collect();
        for node in &lost {
            self.note_loss(*node, leaving);
        }
        for node in &came {
            if let Some(node) = self.cluster.node_mut(*node) {
                node.health.isolated_until = None;
            }
        }
        if !self.cluster.quorum.forced && self.cluster.started_so(members, |node| node.start == Start::Forced) {
            self.set_forced(true);
        }
        self.tell_nodes();
        if !lost.is_empty() || !came.is_empty() {
            self.tell_membership();
        }
        self.rebalance();
        if !was_formed {
            self.bring_back();
            return;
        }
        if !lost.is_empty() {
            self.take_over();
        }
        for node in came {
            self.welcome(node);
        }
    }

    /// Quorum is forced from here on, or decided by votes again.
    fn set_forced(&mut self, forced: bool) {
        self.cluster.quorum.forced = forced;
        self.tell_cluster_property("FixQuorum", forced.into());
    }

    /// The cluster has lost its quorum: its service stops on all nodes, and with it everything that ran. Nobody is left
    /// to tell, but who was connected finds that out (facts 4.4).
    fn fall(&mut self) {
        for node in &mut self.cluster.nodes {
            node.told = node_state::DOWN;
            if node.drain.status == node_drain_status::IN_PROGRESS {
                node.drain.status = node_drain_status::FAILED;
                node.drain.error = ERROR_CLUSTER_NODE_DOWN;
            }
        }
        let told = self.events.len();
        for id in self.cluster.groups.ids_where(|_| true) {
            self.drop_online(&id, false);
            self.tell_group(&id);
        }
        self.cluster.waiting.clear();
        self.cluster.start_times.clear();
        self.cluster.quorum.forced = false;
        self.events.truncate(told);
        let event = Event::of_cluster(&self.cluster.id, notify_cluster::STATE, &self.cluster.name);
        self.tell(event);
    }

    /// What the others note of a node that is gone: a drain has failed; after a loss without a word it is isolated for a
    /// while if it may still be there, and in quarantine when that happens too often (ResiliencyLevel, facts 3.3). Guess:
    /// groups do not wait for the end of an isolation.
    fn note_loss(&mut self, node: u32, leaving: Leaving) {
        let now_ms = self.now_ms;
        let resilient =
            self.cluster.functional_level >= RESILIENT_LEVEL && self.cluster_dword("ResiliencyLevel", 2) != 0;
        let period = u64::from(self.cluster_dword("ResiliencyDefaultPeriod", 240)) * SECOND_MS;
        let threshold = self.cluster_dword("QuarantineThreshold", 3);
        let duration = u64::from(self.cluster_dword("QuarantineDuration", 7_200)) * SECOND_MS;
        let cluster = self.cluster.id.clone();
        let Some(found) = self.cluster.node_mut(node) else {
            return;
        };
        if found.drain.status == node_drain_status::IN_PROGRESS {
            found.drain.status = node_drain_status::FAILED;
            found.drain.error = ERROR_CLUSTER_NODE_DOWN;
        }
        let abrupt = matches!(leaving, Leaving::Abruptly | Leaving::Unheard);
        if !resilient || !abrupt || found.health.quarantined_until.is_some() {
            return;
        }
        found
            .health
            .losses
            .retain(|then| now_ms.saturating_sub(*then) < HOUR_MS);
        found.health.losses.push(now_ms);
        let often = u32::try_from(found.health.losses.len()).is_ok_and(|losses| losses >= threshold);
        if often && threshold > 0 {
            let until = now_ms.saturating_add(duration);
            found.health.quarantined_until = Some(until);
            found.health.isolated_until = None;
            found.health.losses.clear();
            self.queue.plan(until, Step::EndQuarantine { cluster, node, until });
        } else if leaving == Leaving::Unheard {
            let until = now_ms.saturating_add(period);
            found.health.isolated_until = Some(until);
            self.queue.plan(until, Step::EndIsolation { cluster, node, until });
        } else {
            return;
        }
        self.tell_node_status(node);
    }

    /// Tells the StatusInformation of a node.
    pub(crate) fn tell_node_status(&mut self, node: u32) {
        if let Some(status) = self.cluster.node(node).map(Node::status_information) {
            self.tell_node_properties(node, &[("StatusInformation", status)]);
        }
    }

    /// Tells the states of nodes that differ from what was told last.
    pub(crate) fn tell_nodes(&mut self) {
        let mut events = Vec::new();
        for node in &mut self.cluster.nodes {
            let state = node.shown_state();
            if std::mem::replace(&mut node.told, state) != state {
                events.push(Event::node_state(&self.cluster.id, node, state));
            }
        }
        self.events.extend(events);
    }

    /// Tells who is up: CLUSTER_MEMBERSHIP_INFO, one byte for each up node (facts 1.2).
    pub(crate) fn tell_membership(&mut self) {
        let up: Vec<u8> = self
            .cluster
            .present_nodes()
            .into_iter()
            .filter_map(|node| u8::try_from(node).ok())
            .collect();
        let has_quorum = u32::from(!up.is_empty());
        let count = u32::try_from(up.len()).unwrap_or(u32::MAX);
        let mut payload = [has_quorum.to_le_bytes(), count.to_le_bytes()].concat();
        payload.extend(up);
        let event = Event::of_cluster(&self.cluster.id, notify_cluster::MEMBERSHIP, "").with_properties(payload);
        self.tell(event);
    }

    /// Sets the votes for a membership (facts 2.6): with DynamicQuorum, nodes that are gone have none, and the number of
    /// votes is odd, by the witness if there is one; else one node loses its vote, that of LowerQuorumPriorityNodeId or
    /// (guess) the one with the highest number.
    fn weigh(&mut self, present: &BTreeSet<u32>) {
        let dynamic = self.cluster_dword("DynamicQuorum", 1) != 0;
        let lower = self.cluster_dword("LowerQuorumPriorityNodeId", 0);
        let quorum = &self.cluster.quorum;
        let usable = quorum.witness.as_ref().is_some_and(|id| {
            let working =
                |resource: &super::cluster::Resource| resource.wanted && resource.state != resource_state::FAILED;
            !quorum.witness_lost && self.cluster.resources.get(id).is_some_and(working)
        });
        let disk_only = quorum.disk_only && quorum.witness.is_some();
        let configured = quorum.witness.is_some();
        let mut count = 0;
        for node in &mut self.cluster.nodes {
            let votes = !disk_only && (!dynamic || present.contains(&node.id));
            node.dynamic_weight = if votes { Cluster::configured_weight(node) } else { 0 };
            count += node.dynamic_weight;
        }
        self.cluster.quorum.witness_weight = if disk_only || (configured && !dynamic) {
            1
        } else {
            u32::from(usable && count % 2 == 0)
        };
        if dynamic && !usable && !disk_only && count > 0 && count % 2 == 0 {
            let loser = self
                .cluster
                .nodes
                .iter_mut()
                .filter(|node| node.dynamic_weight > 0)
                .max_by_key(|node| (node.id == lower, node.id));
            if let Some(node) = loser {
                node.dynamic_weight = 0;
            }
        }
    }

    /// Sets the votes for the membership as it is, and tells what has changed.
    pub(crate) fn rebalance(&mut self) {
        if !self.cluster.is_formed() {
            return;
        }
        if self.cluster.quorum.forced && self.cluster.has_configured_majority() {
            for node in &mut self.cluster.nodes {
                node.start = Start::ByVotes;
            }
            self.set_forced(false);
        }
        let before: Vec<(u32, u32)> = self.weights();
        let witness_before = self.cluster.quorum.witness_weight;
        let present = self.cluster.present_nodes();
        self.weigh(&present);
        let changed: Vec<(u32, u32)> = self
            .weights()
            .into_iter()
            .filter(|node| !before.contains(node))
            .collect();
        for (node, weight) in &changed {
            self.tell_node_properties(*node, &[("DynamicWeight", *weight)]);
        }
        let witness = self.cluster.quorum.witness_weight;
        if witness != witness_before {
            self.tell_cluster_property("WitnessDynamicWeight", witness);
        }
        if !changed.is_empty() || witness != witness_before {
            self.tell_quorum();
        }
    }

    fn weights(&self) -> Vec<(u32, u32)> {
        self.cluster
            .nodes
            .iter()
            .map(|node| (node.id, node.dynamic_weight))
            .collect()
    }

    /// Tells that something about the quorum has changed. Guess: with the witness's vote in the list.
    fn tell_quorum(&mut self) {
        let list = proplist::write(&[(
            "WitnessDynamicWeight",
            Setting::Dword(self.cluster.quorum.witness_weight),
        )]);
        let mut event = Event::of_cluster(&self.cluster.id, notify_quorum::STATE, "").with_properties(list);
        event.object_type = notify_object::QUORUM;
        self.tell(event);
    }

    /// To be called when the state of a resource has changed: if it is the witness, its vote may have too.
    pub(crate) fn witness_changed(&mut self, id: &str) {
        if self.cluster.quorum.witness.as_deref() == Some(id) {
            self.tell_quorum();
            self.rebalance();
        }
    }

    /// Sets the quorum (facts 2.6): a majority of nodes, with or without a witness, or the disk alone.
    pub(crate) fn set_quorum(&mut self, resource_id: &str, path: &str, kind: u32) -> Result<(), u32> {
        let (group, resource) = self.cluster.resource(resource_id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        let disk_only = match kind {
            quorum_kind::NODE_MAJORITY => {
                self.cluster.quorum.witness = None;
                self.cluster.quorum.disk_only = false;
                self.cluster.quorum.path.clear();
                self.quorum_set();
                return Ok(());
            }
            quorum_kind::NODES_AND_WITNESS => false,
            quorum_kind::DISK_ONLY => true,
            _ => return Err(ERROR_INVALID_PARAMETER),
        };
        let is = |kind: &str| resource.kind.eq_ignore_ascii_case(kind);
        if !WITNESSES.into_iter().any(is) {
            return Err(ERROR_NOT_QUORUM_CAPABLE);
        }
        if disk_only && !is(PHYSICAL_DISK) {
            return Err(ERROR_NOT_QUORUM_CLASS);
        }
        if group.group_type == group_type::AVAILABLE_STORAGE {
            return Err(ERROR_QUORUM_NOT_ALLOWED_IN_THIS_GROUP);
        }
        if resource.depends.is_some() || !self.dependents(resource_id).is_empty() {
            return Err(ERROR_DEPENDENCY_NOT_ALLOWED);
        }
        let blocked = resource.blocked.contains(&0) || resource.blocked.contains(&group.owner);
        let comes = resource.state == resource_state::ONLINE
            || (resource.failing == 0 && !blocked && self.can_run_here(group, resource));
        if !comes || self.cluster.quorum.witness_lost {
            return Err(ERROR_QUORUM_RESOURCE_ONLINE_FAILED);
        }
        // The witness belongs with the cluster itself.
        let core = self.cluster.core_group().map(|core| core.id.clone());
        if let Some(core) = core.filter(|core| *core != group.id) {
            self.change_group(resource_id, &core)?;
        }
        self.cluster.quorum.witness = Some(resource_id.into());
        self.cluster.quorum.disk_only = disk_only;
        path.clone_into(&mut self.cluster.quorum.path);
        self.want_online(resource_id, true);
        let group_id = self.cluster.resource(resource_id).map(|(group, _)| group.id.clone());
        if let Some(group_id) = group_id {
            self.pursue(&group_id);
        }
        self.quorum_set();
        Ok(())
    }

    fn quorum_set(&mut self) {
        self.tell_quorum();
        self.rebalance();
    }

    /// Makes the witness reachable or not. Without it, it fails; with it, it is tried again.
    pub(crate) fn reach_witness(&mut self, reachable: bool) {
        if self.cluster.quorum.witness_lost != reachable {
            return;
        }
        self.cluster.quorum.witness_lost = !reachable;
        let Some(id) = self.cluster.quorum.witness.clone() else {
            return;
        };
        let Some(resource) = self.cluster.resources.get(&id) else {
            return;
        };
        let (state, group_id) = (resource.state, resource.group.clone());
        if !self.cluster.is_formed() {
            return;
        }
        if !reachable && state == resource_state::ONLINE {
            self.fail(&id, crate::win32::ERROR_RESOURCE_FAILED);
        } else if reachable {
            self.want_online(&id, false);
        }
        self.pursue(&group_id);
        self.rebalance();
    }
}

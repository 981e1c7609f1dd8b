//! Where groups go: the choice of an owner, failover, failback, and the start of a cluster (facts 2.3 and 2.4).

use std::collections::BTreeMap;

use wsfc_clusapi::sys::constants::{node_drain_status, resource_state};

use super::cluster::{Group, Resource};
use super::properties::Setting;
use super::queue::Step;
use super::resource::running::{can_own, is_active};
use super::service::{ClusterService, PERSISTENT_STATE, dword};
use super::shared_volume::disk_among;

const HOUR_MS: u64 = 3_600_000;
/// A setting that says nothing (FailoverThreshold, FailbackWindowStart).
const UNSET: u32 = u32::MAX;

impl ClusterService<'_> {
    /// True when each resource of a group may run on a node.
    pub(crate) fn can_host(&self, group: &Group, node: u32) -> bool {
        let runs = |resource| can_own(resource, node) && self.is_connected(resource, node);
        self.cluster.resources_of(group).all(runs)
    }

    /// True unless a resource is a disk that is not connected to the machine of a node.
    pub(crate) fn is_connected(&self, resource: &Resource, node: u32) -> bool {
        match (disk_among(self.disks, resource), self.cluster.node(node)) {
            (Some(disk), Some(node)) => disk.machines.contains(&node.name.to_lowercase()),
            _ => true,
        }
    }

    /// How many groups with an anti-affinity class in common a node owns.
    fn conflicts(&self, group: &Group, node: u32) -> usize {
        let classes = |group: &Group| match group.settings.get("AntiAffinityClassNames") {
            Some(Setting::Texts(names)) => names.iter().map(|name| name.to_lowercase()).collect(),
            _ => Vec::new(),
        };
        let own = classes(group);
        if own.is_empty() {
            return 0;
        }
        self.cluster
            .groups
            .iter()
            .filter(|other| other.owner == node && other.id != group.id)
            .filter(|other| classes(other).iter().any(|name| own.contains(name)))
            .count()
    }

    /// The best Up node for a group beside those that are excluded: first the preferred owners in their order, then the
    /// others. Nodes that it has just failed on come last, and so do those that an affinity rule or an anti-affinity speaks
    /// against (with ClusterEnforcedAntiAffinity they do not come at all). Guess: of the others, the node with the fewest
    /// groups, then the lowest number.
    pub(crate) fn best_owner(&self, group_id: &str, excluded: &[u32]) -> Option<u32> {
        let group = self.cluster.groups.get(group_id)?;
        let enforced = self.cluster_dword("ClusterEnforcedAntiAffinity", 0) != 0;
        let mut loads: BTreeMap<u32, usize> = BTreeMap::new();
        for other in self.cluster.groups.iter() {
            let node = other.moving.as_ref().map_or(other.owner, |moving| moving.to);
            *loads.entry(node).or_default() += 1;
        }
        self.cluster
            .nodes
            .iter()
            .map(|node| node.id)
            .filter(|node| !excluded.contains(node) && self.cluster.is_up(*node) && self.can_host(group, *node))
            .map(|node| (self.conflicts(group, node), node))
            .filter(|(conflicts, _)| *conflicts == 0 || !enforced)
            .min_by_key(|(conflicts, node)| {
                let preference = group.preferred.iter().position(|preferred| preferred == node);
                (
                    group.tried.contains(node),
                    self.cluster.forbidding_rule(group_id, *node).is_some(),
                    *conflicts,
                    preference.unwrap_or(usize::MAX),
                    loads.get(node).copied().unwrap_or_default(),
                    *node,
                )
            })
            .map(|(_, node)| node)
    }

    /// Fails a group over because a resource of it has failed; false when it may not move any more within
    /// FailoverPeriod, or there is nowhere to go. A FailoverThreshold that is not set is the number of nodes less one
    /// (facts 3.3).
    pub(crate) fn fail_over(&mut self, group_id: &str) -> bool {
        let (now_ms, nodes) = (self.now_ms, self.cluster.nodes.len());
        let Some(group) = self.cluster.groups.get_mut(group_id) else {
            return false;
        };
        if group.moving.as_ref().is_some_and(|moving| !moving.arrived) {
            return true;
        }
        let threshold = match dword(&group.settings, "FailoverThreshold", UNSET) {
            UNSET => nodes.saturating_sub(1),
            threshold => usize::try_from(threshold).unwrap_or(usize::MAX),
        };
        let period = u64::from(dword(&group.settings, "FailoverPeriod", 6)) * HOUR_MS;
        group.failovers.retain(|then| now_ms.saturating_sub(*then) < period);
        // A move that came back on error has its own way back.
        let returns = group.moving.as_ref().is_some_and(|moving| moving.back_on_error);
        if group.failovers.len() >= threshold || returns {
            return false;
        }
        let from = group.owner;
        group.tried.insert(from);
        let Some(to) = self.best_owner(group_id, &[from]) else {
            return false;
        };
        if let Some(group) = self.cluster.groups.get_mut(group_id) {
            group.failovers.push(now_ms);
        }
        self.start_move(group_id, to, false, false);
        true
    }

    /// Takes the groups of nodes that are gone to others, the important ones first.
    pub(crate) fn take_over(&mut self) {
        let lost = self
            .cluster
            .groups
            .ids_where(|group| self.cluster.node(group.owner).is_none_or(|node| !node.present));
        for id in self.by_priority(lost) {
            self.drop_online(&id, true);
            self.find_home(&id);
            self.hold_back(&id, false);
            self.pursue(&id);
        }
        // What was on its way to a node that is gone stays, and what waited for it does too.
        for id in self.cluster.groups.ids_where(|group| group.moving.is_some()) {
            self.pursue(&id);
        }
    }

    /// What ran on a node that is gone runs no more. `tell` is whether anybody can hear it.
    pub(crate) fn drop_online(&mut self, group_id: &str, tell: bool) {
        let Some(group) = self.cluster.groups.get_mut(group_id) else {
            return;
        };
        let migrated = group.moving.take().is_some_and(|moving| moving.migrates());
        group.queued = None;
        let ids = group.resources.clone();
        let told = self.events.len();
        for id in ids {
            let Some(resource) = self.cluster.resources.get_mut(&id) else {
                continue;
            };
            resource.restarting = false;
            resource.failures.clear();
            if is_active(resource.state) || resource.state == resource_state::FAILED {
                self.set_resource_state(&id, resource_state::OFFLINE);
            }
        }
        if migrated {
            self.tell_group(group_id);
        }
        if !tell {
            self.events.truncate(told);
        }
    }

    /// Gives a group an owner that is there: the best one; else any Up node, where it stays offline; else a paused one
    /// (facts 2.3).
    pub(crate) fn find_home(&mut self, group_id: &str) {
        let up = |service: &Self| {
            let mut nodes = service.cluster.nodes.iter().map(|node| node.id);
            nodes.find(|node| service.cluster.is_up(*node))
        };
        let present = |service: &Self| {
            let node = service.cluster.nodes.iter().find(|node| node.present);
            node.map(|node| node.id)
        };
        let home = self
            .best_owner(group_id, &[])
            .or_else(|| up(self))
            .or_else(|| present(self));
        if let Some(home) = home {
            self.set_owner(group_id, home);
        }
    }

    /// A node is gone for good: nobody prefers it or may run on it any more, and its groups go to others (facts 1.4).
    pub(crate) fn forget_node(&mut self, node: u32) {
        for group in self.cluster.groups.iter_mut() {
            group.preferred.retain(|preferred| *preferred != node);
            group.tried.remove(&node);
            if group.home == Some(node) {
                group.home = None;
            }
        }
        for resource in self.cluster.resources.iter_mut() {
            resource.blocked.remove(&node);
            if let Some(owners) = &mut resource.possible_owners {
                owners.remove(&node);
            }
        }
        for kind in &mut self.cluster.resource_types {
            if let Some(nodes) = &mut kind.nodes {
                nodes.remove(&node);
            }
        }
        if self.cluster.is_formed() {
            self.tell_membership();
            self.take_over();
        }
    }

    /// The cluster has formed: what was online when it stopped comes back, except for groups of priority 0 (facts 2.4).
    pub(crate) fn bring_back(&mut self) {
        let all = self.cluster.groups.ids_where(|_| true);
        for id in self.by_priority(all) {
            let Some(group) = self.cluster.groups.get(&id) else {
                continue;
            };
            let persistent = dword(&group.settings, PERSISTENT_STATE, 1) != 0;
            let starts = persistent && (group.is_core() || dword(&group.settings, "Priority", 2_000) != 0);
            let owner = group.owner;
            for resource in group.resources.clone() {
                if let Some(resource) = self.cluster.resources.get_mut(&resource) {
                    resource.wanted = starts && dword(&resource.settings, PERSISTENT_STATE, 1) != 0;
                }
            }
            if !self.cluster.is_up(owner) {
                self.find_home(&id);
            }
            self.hold_back(&id, true);
            self.pursue(&id);
        }
    }

    /// A node is there again: what waits for a node to run on may find it, and groups fail back that shall.
    pub(crate) fn welcome(&mut self, node: u32) {
        let waiting = self.cluster.groups.ids_where(|group| self.waits_for_node(group));
        for id in self.by_priority(waiting) {
            if let Some(to) = self.best_owner(&id, &[]) {
                self.set_owner(&id, to);
            }
            self.pursue(&id);
        }
        let back = self.cluster.groups.ids_where(|group| {
            dword(&group.settings, "AutoFailbackType", 0) != 0
                && group.preferred.first() == Some(&node)
                && group.owner != node
        });
        for id in back {
            self.fail_back(&id);
        }
    }

    /// True for a group that shall run and cannot, where it is.
    fn waits_for_node(&self, group: &Group) -> bool {
        group.moving.is_none()
            && self.cluster.resources_of(group).any(|resource| {
                resource.wanted && resource.state == resource_state::OFFLINE && !self.can_run_here(group, resource)
            })
            && self
                .cluster
                .resources_of(group)
                .all(|resource| !is_active(resource.state))
    }

    /// Moves a group back to its most preferred owner, now or when the window of its failback opens. The hours of the
    /// window are hours of simulated time, which begins at midnight.
    pub(crate) fn fail_back(&mut self, group_id: &str) {
        let Some(group) = self.cluster.groups.get(group_id) else {
            return;
        };
        if dword(&group.settings, "AutoFailbackType", 0) == 0 {
            return;
        }
        let Some(to) = group.preferred.first().copied() else {
            return;
        };
        let start = dword(&group.settings, "FailbackWindowStart", UNSET);
        let end = dword(&group.settings, "FailbackWindowEnd", UNSET);
        let wait_ms = until_window(self.now_ms, start, end);
        if wait_ms > 0 {
            let step = Step::Failback {
                cluster: self.cluster.id.clone(),
                group: group_id.into(),
            };
            self.plan(wait_ms, step);
        } else {
            self.go_home(group_id, to);
        }
    }

    fn go_home(&mut self, group_id: &str, to: u32) {
        let Some(group) = self.cluster.groups.get(group_id) else {
            return;
        };
        if group.owner == to || group.moving.is_some() || self.refusal(group, to).is_some() {
            return;
        }
        if self.is_busy(group_id, false) {
            self.queue_move(group_id, to, false, false);
        } else {
            self.start_move(group_id, to, false, false);
        }
    }

    /// Brings groups back that were drained from a node: all at once, or those whose policy says so (facts 2.3).
    pub(crate) fn bring_home(&mut self, node: u32, all: bool) {
        let drained = self.cluster.groups.ids_where(|group| group.home == Some(node));
        for id in self.by_priority(drained) {
            if all {
                self.go_home(&id, node);
            } else {
                self.fail_back(&id);
            }
        }
        self.forget_home(node);
        if let Some(found) = self.cluster.node_mut(node) {
            found.drain.failback_status = node_drain_status::COMPLETED;
        }
        self.tell_node_properties(node, &[("NodeFailbackStatus", node_drain_status::COMPLETED)]);
    }

    /// Forgets which groups were drained from a node.
    pub(crate) fn forget_home(&mut self, node: u32) {
        for group in self.cluster.groups.iter_mut().filter(|group| group.home == Some(node)) {
            group.home = None;
        }
    }
}

/// The time until a window of hours opens; 0 inside it, and when there is none. A window may go over midnight.
fn until_window(now_ms: u64, start: u32, end: u32) -> u64 {
    if start > 23 || end > 23 || start == end {
        return 0;
    }
    let of_day = now_ms % (24 * HOUR_MS);
    let (start, end) = (u64::from(start) * HOUR_MS, u64::from(end) * HOUR_MS);
    let inside = if start < end {
        (start..end).contains(&of_day)
    } else {
        of_day >= start || of_day < end
    };
    if inside {
        0
    } else {
        (start + 24 * HOUR_MS - of_day) % (24 * HOUR_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_over_midnight() {
        assert_eq!(until_window(5 * HOUR_MS, 4, 6), 0);
        assert_eq!(until_window(7 * HOUR_MS, 4, 6), 21 * HOUR_MS);
        assert_eq!(until_window(23 * HOUR_MS, 22, 2), 0);
        assert_eq!(until_window(25 * HOUR_MS, 22, 2), 0);
        assert_eq!(until_window(3 * HOUR_MS, 22, 2), 19 * HOUR_MS);
        assert_eq!(until_window(3 * HOUR_MS, UNSET, UNSET), 0);
    }
}

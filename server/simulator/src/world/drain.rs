//! Pausing, draining and resuming nodes (facts 2.3).

use wsfc_clusapi::sys::constants::{node_drain_status, node_state, pause_flags, resource_state};

use super::queue::Step;
use super::service::ClusterService;
use crate::win32::{
    ERROR_CLUSTER_NODE_DOWN, ERROR_CLUSTER_NODE_DRAIN_IN_PROGRESS, ERROR_CLUSTER_NODE_NOT_FOUND,
    ERROR_CLUSTER_NODE_NOT_PAUSED, ERROR_HOST_NODE_NOT_AVAILABLE, ERROR_INVALID_PARAMETER,
    ERROR_NODE_CANT_HOST_RESOURCE,
};

/// After how long a drain is tried again that failed. Guess.
const DRAIN_AGAIN_MS: u64 = 60_000;
/// NodeDrainTarget without a target.
const NO_TARGET: u32 = u32::MAX;

/// What becomes of drained groups when a node is resumed (facts 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failback {
    DoNot,
    Immediately,
    PerPolicy,
}

impl ClusterService<'_> {
    /// Pauses a node; with `drain`, its groups begin to move to `target` or wherever is best. Pausing twice changes
    /// nothing but that a drain may begin.
    pub(crate) fn pause(&mut self, node: u32, drain: bool, flags: u32, target: Option<u32>) -> Result<(), u32> {
        let found = self.cluster.node(node).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        if !found.present {
            return Err(ERROR_CLUSTER_NODE_DOWN);
        }
        if found.drain.status == node_drain_status::IN_PROGRESS {
            return Err(ERROR_CLUSTER_NODE_DRAIN_IN_PROGRESS);
        }
        if let Some(target) = target {
            self.cluster.node(target).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
            if target == node {
                return Err(ERROR_INVALID_PARAMETER);
            }
            if !self.cluster.is_up(target) {
                return Err(ERROR_HOST_NODE_NOT_AVAILABLE);
            }
        }
        if let Some(found) = self.cluster.node_mut(node) {
            found.state = node_state::PAUSED;
            found.drain.flags = flags;
        }
        self.tell_nodes();
        if drain {
            if let Some(found) = self.cluster.node_mut(node) {
                found.drain.target = target.unwrap_or(NO_TARGET);
            }
            self.drain(node);
        }
        Ok(())
    }

    fn set_drain(&mut self, node: u32, status: u32, error: u32) {
        let Some(found) = self.cluster.node_mut(node) else {
            return;
        };
        if found.drain.status == status && found.drain.error == error {
            return;
        }
        found.drain.status = status;
        found.drain.error = error;
        let changed = [
            ("NodeDrainStatus", status),
            ("NodeDrainTarget", found.drain.target),
            ("DrainErrorCode", error),
            ("StatusInformation", found.status_information()),
        ];
        self.tell_node_properties(node, &changed);
    }

    /// Sends the groups of a paused node away, the important ones first. Each leaves as soon as it can; with
    /// REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR what cannot move stays online, otherwise it goes offline (guess) and runs
    /// again where it can.
    fn drain(&mut self, node: u32) {
        self.set_drain(node, node_drain_status::IN_PROGRESS, 0);
        let Some(drain) = self.cluster.node(node).map(|node| node.drain) else {
            return;
        };
        let own = self.cluster.groups.ids_where(|group| group.owner == node);
        let mut error = 0;
        for id in self.by_priority(own) {
            if let Some(group) = self.cluster.groups.get_mut(&id) {
                group.home = Some(node);
            }
            let wanted = (drain.target != NO_TARGET).then_some(drain.target);
            let to = match wanted {
                Some(target) => self
                    .cluster
                    .groups
                    .get(&id)
                    .filter(|group| self.refusal(group, target).is_none())
                    .map(|_| target),
                None => self.best_owner(&id, &[node]),
            };
            let Some(to) = to else {
                let other = self.cluster.nodes.iter().any(|other| self.cluster.is_up(other.id));
                error = if other {
                    ERROR_NODE_CANT_HOST_RESOURCE
                } else {
                    ERROR_HOST_NODE_NOT_AVAILABLE
                };
                if drain.flags & pause_flags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR == 0 {
                    self.suspend(&id);
                }
                continue;
            };
            let under_way = self.cluster.groups.get(&id).is_some_and(|group| group.moving.is_some());
            if under_way || self.is_busy(&id, false) {
                self.queue_move(&id, to, false, false);
            } else {
                self.start_move(&id, to, false, false);
            }
        }
        if let Some(found) = self.cluster.node_mut(node)
            && found.drain.status == node_drain_status::IN_PROGRESS
        {
            found.drain.error = error;
        }
        self.drain_goes_on(node);
    }

    /// Takes the resources of a group offline that it wants to run elsewhere.
    fn suspend(&mut self, group_id: &str) {
        let ids = self
            .cluster
            .groups
            .get(group_id)
            .map(|group| group.resources.clone())
            .unwrap_or_default();
        for id in ids {
            if let Some(resource) = self.cluster.resources.get_mut(&id) {
                // It restarts where it can; on a paused node it cannot.
                resource.restarting = resource.state == resource_state::ONLINE;
            }
        }
        self.pursue(group_id);
    }

    /// Looks whether a drain is over: nothing of the node is on its way any more.
    pub(crate) fn drain_goes_on(&mut self, node: u32) {
        let Some(drain) = self.cluster.node(node).map(|node| node.drain) else {
            return;
        };
        if drain.status != node_drain_status::IN_PROGRESS {
            return;
        }
        let mut remaining = 0_usize;
        for group in self.cluster.groups.iter() {
            let from_here = |moving: &super::cluster::Move| moving.from == node;
            if group.moving.as_ref().is_some_and(from_here) || group.queued.as_ref().is_some_and(from_here) {
                return;
            }
            remaining += usize::from(group.owner == node);
        }
        if remaining == 0 {
            self.set_drain(node, node_drain_status::COMPLETED, 0);
            return;
        }
        let error = if drain.error == 0 {
            ERROR_NODE_CANT_HOST_RESOURCE
        } else {
            drain.error
        };
        self.set_drain(node, node_drain_status::FAILED, error);
        if drain.flags & pause_flags::RETRY_DRAIN_ON_FAILURE != 0 {
            let step = Step::DrainAgain {
                cluster: self.cluster.id.clone(),
                node,
            };
            self.plan(DRAIN_AGAIN_MS, step);
        }
    }

    /// A drain that failed is tried again, if the node is still paused.
    pub(crate) fn drain_again(&mut self, node: u32) {
        let failed = self.cluster.node(node).is_some_and(|node| {
            node.present && node.state == node_state::PAUSED && node.drain.status == node_drain_status::FAILED
        });
        if failed {
            self.drain(node);
        }
    }

    /// Resumes a node; 5058 when it is not paused (facts 2.3). What it owns and shall run comes online.
    pub(crate) fn resume(&mut self, node: u32, failback: Failback) -> Result<(), u32> {
        let found = self.cluster.node_mut(node).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
        if found.state != node_state::PAUSED {
            return Err(ERROR_CLUSTER_NODE_NOT_PAUSED);
        }
        found.state = node_state::UP;
        found.drain.target = NO_TARGET;
        found.drain.flags = 0;
        self.tell_nodes();
        // Moves that a drain has begun go on; those that only wait do not.
        for group in self.cluster.groups.iter_mut() {
            if group.queued.as_ref().is_some_and(|queued| queued.from == node) {
                group.queued = None;
            }
        }
        self.set_drain(node, node_drain_status::NOT_INITIATED, 0);
        for id in self.cluster.groups.ids_where(|group| group.owner == node) {
            self.pursue(&id);
        }
        match failback {
            Failback::DoNot => self.forget_home(node),
            Failback::Immediately => self.bring_home(node, true),
            Failback::PerPolicy => self.bring_home(node, false),
        }
        self.welcome(node);
        Ok(())
    }
}

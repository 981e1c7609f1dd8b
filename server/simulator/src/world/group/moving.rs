//! Groups on their way: moves, moves that wait, and moves that are taken back (facts 2.4).

use wsfc_clusapi::sys::constants::{group_move_flags, group_type, resource_state, vm_migration};

use crate::proplist;
use crate::win32::{
    ERROR_CLUSTER_GROUP_BUSY, ERROR_GROUP_NOT_FOUND, ERROR_HOST_NODE_NOT_AVAILABLE, ERROR_INVALID_PARAMETER,
    ERROR_NODE_CANT_HOST_RESOURCE,
};
use crate::world::cluster::Move;
use crate::world::properties::Setting;
use crate::world::queue::Step;
use crate::world::service::ClusterService;

/// How the virtual machines of a group move (facts 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Migration {
    /// They go offline and come back, whatever is done with them in between.
    ByState,
    /// They stay online.
    Live,
}

impl Migration {
    /// Reads the property list of MoveClusterGroupEx, which names both types of resource of a virtual machine. 87 for
    /// other properties, other values, and two that differ.
    pub(crate) fn read(list: &[u8]) -> Result<Self, u32> {
        let mut kinds = [None; 2];
        for proplist::Change { name, value, .. } in proplist::read(list)? {
            let place = ["Virtual Machine", "Virtual Machine Configuration"]
                .iter()
                .position(|known| known.eq_ignore_ascii_case(&name))
                .ok_or(ERROR_INVALID_PARAMETER)?;
            match value {
                Some(Setting::Dword(kind @ 0..=vm_migration::LIVE)) => kinds[place] = Some(kind),
                _ => return Err(ERROR_INVALID_PARAMETER),
            }
        }
        match kinds {
            [Some(machine), Some(configuration)] if machine == configuration => Ok(if machine == vm_migration::LIVE {
                Self::Live
            } else {
                Self::ByState
            }),
            _ => Err(ERROR_INVALID_PARAMETER),
        }
    }
}

impl ClusterService<'_> {
    /// Moves a group to a node or to the best one (facts 2.4); to its owner is done already.
    pub(crate) fn move_group(
        &mut self,
        group_id: &str,
        to: Option<u32>,
        flags: u32,
        migration: Migration,
    ) -> Result<(), u32> {
        let group = self.check_free(group_id, flags)?;
        if to == Some(group.owner) {
            return Ok(());
        }
        let live = migration == Migration::Live;
        if live && group.group_type != group_type::VIRTUAL_MACHINE {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let to = match to {
            Some(to) => match self.refusal(group, to) {
                Some(code) => return Err(code),
                // Guess: a rule that is in force forbids what is asked for by name, and nothing else.
                None if flags & group_move_flags::IGNORE_AFFINITY_RULE == 0
                    && self.cluster.forbidding_rule(group_id, to).is_some() =>
                {
                    return Err(ERROR_NODE_CANT_HOST_RESOURCE);
                }
                None => to,
            },
            None => match self.best_owner(group_id, &[group.owner]) {
                Some(to) => to,
                None if self
                    .cluster
                    .nodes
                    .iter()
                    .any(|node| self.cluster.is_up(node.id) && node.id != group.owner) =>
                {
                    return Err(ERROR_NODE_CANT_HOST_RESOURCE);
                }
                None => return Err(ERROR_HOST_NODE_NOT_AVAILABLE),
            },
        };
        let back = flags & group_move_flags::RETURN_TO_SOURCE_NODE_ON_ERROR != 0;
        if self.is_busy(group_id, live) {
            if flags & group_move_flags::QUEUE_ENABLED == 0 {
                return Err(ERROR_CLUSTER_GROUP_BUSY);
            }
            self.queue_move(group_id, to, back, live);
            return Ok(());
        }
        self.start_move(group_id, to, back, live);
        Ok(())
    }

    /// True while a group cannot begin to move: a resource is pending, or as many live migrations leave its node as may
    /// at once (MaximumParallelMigrations).
    pub(crate) fn is_busy(&self, group_id: &str, live: bool) -> bool {
        let Some(group) = self.cluster.groups.get(group_id) else {
            return false;
        };
        if self
            .cluster
            .resources_of(group)
            .any(|resource| resource.state >= resource_state::PENDING)
        {
            return true;
        }
        if !live {
            return false;
        }
        let limit = usize::try_from(self.cluster_dword("MaximumParallelMigrations", 1)).unwrap_or(usize::MAX);
        let leaving = |other: &&crate::world::cluster::Group| {
            other
                .moving
                .as_ref()
                .is_some_and(|moving| moving.live && moving.from == group.owner)
        };
        self.cluster.groups.iter().filter(leaving).count() >= limit.max(1)
    }

    pub(crate) fn queue_move(&mut self, group_id: &str, to: u32, back_on_error: bool, live: bool) {
        if let Some(group) = self.cluster.groups.get_mut(group_id) {
            group.queued = Some(Move {
                from: group.owner,
                to,
                back_on_error,
                live,
                arrived: false,
            });
        }
    }

    /// Sets a group on its way. A group whose resources are all offline arrives at once.
    pub(crate) fn start_move(&mut self, group_id: &str, to: u32, back_on_error: bool, live: bool) {
        let Some(group) = self.cluster.groups.get_mut(group_id) else {
            return;
        };
        group.queued = None;
        group.moving = Some(Move {
            from: group.owner,
            to,
            back_on_error,
            live,
            arrived: false,
        });
        if live {
            let step = Step::LiveArrival {
                cluster: self.cluster.id.clone(),
                group: group_id.into(),
            };
            self.plan(self.times.live_migration_ms, step);
            self.tell_group(group_id);
        } else {
            self.pursue(group_id);
        }
    }

    /// A group is free of its old node: the new one owns it, and takes it up.
    pub(crate) fn arrive(&mut self, group_id: &str) {
        let Some(moving) = self.cluster.groups.get(group_id).and_then(|group| group.moving.clone()) else {
            return;
        };
        // The target may have gone meanwhile; then it stays where it is, and comes online there again.
        let to = if self.cluster.is_up(moving.to) {
            moving.to
        } else {
            moving.from
        };
        self.set_owner(group_id, to);
        if let Some(group) = self.cluster.groups.get_mut(group_id)
            && let Some(moving) = &mut group.moving
        {
            moving.arrived = true;
        }
        if moving.live {
            self.tell_group(group_id);
        }
        self.fresh_start(group_id);
    }

    /// Failures on another node do not count here: what has failed and shall run is tried again.
    pub(crate) fn fresh_start(&mut self, group_id: &str) {
        let ids = self
            .cluster
            .groups
            .get(group_id)
            .map(|group| group.resources.clone())
            .unwrap_or_default();
        for id in ids {
            if let Some(resource) = self.cluster.resources.get_mut(&id)
                && resource.wanted
            {
                resource.failures.clear();
                if resource.state == resource_state::FAILED {
                    self.set_resource_state(&id, resource_state::OFFLINE);
                }
            }
        }
    }

    /// A live migration is over.
    pub(crate) fn arrive_live(&mut self, group_id: &str) {
        let on_its_way = self.cluster.groups.get(group_id).is_some_and(|group| {
            group
                .moving
                .as_ref()
                .is_some_and(|moving| moving.live && !moving.arrived)
        });
        if on_its_way {
            self.arrive(group_id);
            self.pursue(group_id);
            self.start_queued();
        }
    }

    /// What follows when a group has come to rest: a move is over, or goes back; a move that waited begins; a drain
    /// goes on.
    pub(crate) fn rest(&mut self, group_id: &str) {
        let Some(group) = self.cluster.groups.get(group_id) else {
            return;
        };
        let pending = self
            .cluster
            .resources_of(group)
            .any(|resource| resource.state >= resource_state::PENDING);
        if pending {
            return;
        }
        let failed = self
            .cluster
            .resources_of(group)
            .any(|resource| resource.state == resource_state::FAILED);
        let owner = group.owner;
        if let Some(moving) = group.moving.clone().filter(|moving| moving.arrived) {
            if let Some(group) = self.cluster.groups.get_mut(group_id) {
                group.moving = None;
                if !failed {
                    group.tried.clear();
                }
            }
            if failed && moving.back_on_error && owner == moving.to && self.cluster.is_up(moving.from) {
                self.start_move(group_id, moving.from, false, false);
                return;
            }
            self.drain_goes_on(moving.from);
        } else if group.moving.is_none()
            && !failed
            && !group.tried.is_empty()
            && let Some(group) = self.cluster.groups.get_mut(group_id)
        {
            group.tried.clear();
        }
        let waits = self
            .cluster
            .groups
            .get(group_id)
            .is_some_and(|group| group.moving.is_none() && group.queued.is_some());
        if waits {
            self.start_queued_of(group_id);
        }
    }

    fn start_queued_of(&mut self, group_id: &str) {
        let Some(queued) = self.cluster.groups.get(group_id).and_then(|group| group.queued.clone()) else {
            return;
        };
        if self.is_busy(group_id, queued.live) {
            return;
        }
        if let Some(group) = self.cluster.groups.get_mut(group_id) {
            group.queued = None;
        }
        let from = queued.from;
        let possible = self
            .cluster
            .groups
            .get(group_id)
            .is_some_and(|group| group.owner == from && self.refusal(group, queued.to).is_none());
        if possible {
            self.start_move(group_id, queued.to, queued.back_on_error, queued.live);
        } else {
            // Things have changed while it waited; it stays.
            self.drain_goes_on(from);
        }
    }

    /// Begins moves that waited for others to end.
    pub(crate) fn start_queued(&mut self) {
        for id in self
            .cluster
            .groups
            .ids_where(|group| group.queued.is_some() && group.moving.is_none())
        {
            self.start_queued_of(&id);
        }
    }

    /// CancelClusterGroupOperation: a move that waits is forgotten, a live migration ends where it began; what is on its
    /// way otherwise comes online where it is. Guess: nothing to cancel is no error.
    pub(crate) fn cancel_move(&mut self, group_id: &str) -> Result<(), u32> {
        let group = self.cluster.groups.get_mut(group_id).ok_or(ERROR_GROUP_NOT_FOUND)?;
        let from = group.owner;
        group.queued = None;
        let cancelled = group.moving.take_if(|moving| !moving.arrived);
        if cancelled.is_some_and(|moving| moving.live) {
            self.tell_group(group_id);
        }
        self.pursue(group_id);
        self.drain_goes_on(from);
        self.start_queued();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(machine: u32, configuration: u32) -> Vec<u8> {
        proplist::write(&[
            ("Virtual Machine", Setting::Dword(machine)),
            ("Virtual Machine Configuration", Setting::Dword(configuration)),
        ])
    }

    #[test]
    fn both_types_must_be_named_and_agree() {
        assert_eq!(Migration::read(&list(4, 4)), Ok(Migration::Live));
        assert_eq!(Migration::read(&list(1, 1)), Ok(Migration::ByState));
        assert_eq!(Migration::read(&list(4, 1)), Err(87));
        assert_eq!(Migration::read(&list(5, 5)), Err(87));
        assert_eq!(
            Migration::read(&proplist::write(&[("Virtual Machine", Setting::Dword(4))])),
            Err(87)
        );
    }
}

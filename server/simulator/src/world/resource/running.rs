//! Resources going online and offline: providers first, dependents last, each through its pending state; and what
//! follows a failure (facts 2.5 and 5.2).

use std::collections::BTreeSet;

use wsfc_clusapi::sys::constants::{group_type, node_state, resource_state};

use crate::win32::{ERROR_DEPENDENCY_NOT_FOUND, ERROR_RESMON_ONLINE_FAILED, ERROR_RESOURCE_FAILED};
use crate::world::cluster::{Group, Resource};
use crate::world::queue::Step;
use crate::world::service::{ClusterService, dword};

/// A period that never ends (RetryPeriodOnFailure).
const NEVER: u32 = u32::MAX;
/// Between the check points of the simulator's own types, and to their end.
const PARTS: u32 = 3;
/// Exit values of a resource that comes online on no node, or not on this one (facts 2.2).
const CANNOT_COME_ONLINE_ON_ANY_NODE: i32 = 126;
const CANNOT_COME_ONLINE_ON_THIS_NODE: i32 = 127;

/// What is told of a pending resource: by the resource DLL of its type, or by the simulator's own types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) state: i32,
    pub(crate) check_point: u32,
    /// ApplicationSpecificErrorCode, where it was told.
    pub(crate) error: u32,
}

impl Told {
    /// A state, without more.
    pub(crate) fn new(state: i32) -> Self {
        Self {
            state,
            check_point: 0,
            error: 0,
        }
    }
}

/// Why a status was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The resource is not pending, or pending for another reason by now.
    NotPending,
    /// Its check point has not grown. Guess: the status does not count as a sign of life.
    CheckPoint,
    /// The state is not one that can follow.
    State,
}

/// Where a failed resource may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Here, as long as its policy allows, and elsewhere.
    Anywhere,
    /// On another node.
    Elsewhere,
    /// Not before it is tried again.
    Nowhere,
}

impl ClusterService<'_> {
    /// Takes a group as far as it goes now: what shall be online begins to come online once its providers are, what
    /// shall not begins to go offline once nothing depends on it any more. Then tells the group's state.
    pub(crate) fn pursue(&mut self, group_id: &str) {
        while self.pursue_once(group_id) {}
        if let Some((id, epoch)) = self.overdue(group_id) {
            // It pursues the group itself.
            self.restart_failed(&id, epoch);
            return;
        }
        self.tell_group(group_id);
        self.rest(group_id);
    }

    /// One round over the resources of a group; true when something has begun.
    fn pursue_once(&mut self, group_id: &str) -> bool {
        let Some(group) = self.cluster.groups.get(group_id) else {
            return false;
        };
        let leaving = group
            .moving
            .as_ref()
            .is_some_and(|moving| !moving.arrived && !moving.live);
        let staying = if leaving { BTreeSet::new() } else { self.staying(group) };
        let mut begin = Vec::new();
        for resource in self.cluster.resources_of(group) {
            match resource.state {
                resource_state::ONLINE if !staying.contains(&resource.id) && !self.has_active_dependents(resource) => {
                    begin.push((resource.id.clone(), resource_state::OFFLINE_PENDING));
                }
                // It is not wanted any more, or what it needs has gone, while it was coming online. Guess: the monitor
                // terminates it rather than let the attempt go on; documentation is silent, and administrators take offline
                // what hangs there.
                resource_state::ONLINE_PENDING if !resource.wanted || !holds_over(resource, &staying) => {
                    begin.push((resource.id.clone(), resource_state::OFFLINE));
                }
                resource_state::OFFLINE
                    if !leaving
                        && !self.cluster.waiting.contains_key(group_id)
                        && resource.wanted
                        && self.can_run_here(group, resource)
                        && holds_over(resource, &staying) =>
                {
                    begin.push((resource.id.clone(), resource_state::ONLINE_PENDING));
                }
                _ => {}
            }
        }
        if leaving && begin.is_empty() {
            let at_rest = |state: i32| matches!(state, resource_state::OFFLINE | resource_state::FAILED);
            if self.cluster.resources_of(group).all(|resource| at_rest(resource.state)) {
                self.arrive(group_id);
                return true;
            }
        }
        for (id, state) in &begin {
            if *state == resource_state::OFFLINE {
                self.set_resource_state(id, *state);
            } else {
                self.begin(id, *state);
            }
        }
        !begin.is_empty()
    }

    /// A failed resource of a group that has waited for the DLLs of its dependents, and need wait no longer.
    fn overdue(&self, group_id: &str) -> Option<(String, u64)> {
        let group = self.cluster.groups.get(group_id)?;
        let mut resources = self.cluster.resources_of(group);
        let overdue =
            resources.find(|resource| resource.overdue && resource.wanted && !self.has_active_dependents(resource))?;
        Some((overdue.id.clone(), overdue.epoch))
    }

    /// The resources of a group that are online and may stay so: wanted, not about to restart, and with providers that
    /// stay as well.
    fn staying(&self, group: &Group) -> BTreeSet<String> {
        let mut staying: BTreeSet<String> = self
            .cluster
            .resources_of(group)
            .filter(|resource| resource.state == resource_state::ONLINE && resource.wanted && !resource.restarting)
            .map(|resource| resource.id.clone())
            .collect();
        loop {
            let doomed: Vec<String> = self
                .cluster
                .resources_of(group)
                .filter(|resource| staying.contains(&resource.id) && !holds_over(resource, &staying))
                .map(|resource| resource.id.clone())
                .collect();
            if doomed.is_empty() {
                return staying;
            }
            for id in doomed {
                staying.remove(&id);
            }
        }
    }

    /// The ids of the resources that depend on one directly. They are in its group.
    pub(crate) fn dependents(&self, provider: &str) -> Vec<String> {
        let group = self
            .cluster
            .resources
            .get(provider)
            .and_then(|resource| self.cluster.groups.get(&resource.group));
        let Some(group) = group else { return Vec::new() };
        self.cluster
            .resources_of(group)
            .filter(|resource| {
                resource
                    .depends
                    .as_ref()
                    .is_some_and(|depends| depends.providers().contains(&provider))
            })
            .map(|resource| resource.id.clone())
            .collect()
    }

    fn has_active_dependents(&self, resource: &Resource) -> bool {
        self.dependents(&resource.id).iter().any(|id| {
            self.cluster
                .resources
                .get(id)
                .is_some_and(|dependent| is_active(dependent.state))
        })
    }

    /// True when a resource may come online on its group's owner: an Up node, and one of its possible owners. What the
    /// cluster itself needs runs on a paused node too (facts 2.3).
    pub(crate) fn can_run_here(&self, group: &Group, resource: &Resource) -> bool {
        let core = group.group_type == group_type::CORE_CLUSTER;
        self.cluster.node(group.owner).is_some_and(|node| {
            node.present
                && (node.state == node_state::UP || (core && node.state == node_state::PAUSED))
                && can_own(resource, node.id)
                && self.is_connected(resource, node.id)
        })
    }

    fn begin(&mut self, id: &str, state: i32) {
        self.set_resource_state(id, state);
        if let Some(dll) = self.hosted_by(id) {
            self.begin_hosted(id, dll);
        } else {
            self.watch_gap(id);
            self.plan_check_point(id, 1);
        }
    }

    /// Plans the next sign of life of one of the simulator's own resources; the last one is that it has reached its state.
    fn plan_check_point(&mut self, id: &str, number: u32) {
        let Some(resource) = self.cluster.resources.get(id) else {
            return;
        };
        let times = self.times.of(&resource.kind);
        let ms = if resource.state == resource_state::ONLINE_PENDING {
            times.online_ms
        } else {
            times.offline_ms
        };
        let (cluster, resource, epoch) = (self.cluster.id.clone(), id.to_owned(), resource.epoch);
        let part = ms / u64::from(PARTS);
        if part > 0 && number < PARTS {
            let step = Step::CheckPoint {
                cluster,
                resource,
                epoch,
                number,
            };
            self.plan(part, step);
        } else {
            let told = if part > 0 { part * u64::from(number - 1) } else { 0 };
            let step = Step::Settle {
                cluster,
                resource,
                epoch,
            };
            self.plan(ms - told, step);
        }
    }

    /// A check point of one of the simulator's own resources.
    pub(crate) fn check_point(&mut self, id: &str, epoch: u64, number: u32) {
        let told = Told {
            check_point: number,
            ..Told::new(resource_state::PENDING)
        };
        // What is no longer pending goes on no more.
        if self.report(id, epoch, &told).is_ok() {
            self.plan_check_point(id, number + 1);
        }
    }

    fn plan_for(&mut self, id: &str, after_ms: u64, step: fn(String, String, u64) -> Step) {
        if let Some(resource) = self.cluster.resources.get(id) {
            let step = step(self.cluster.id.clone(), id.to_owned(), resource.epoch);
            self.plan(after_ms, step);
        }
    }

    /// A resource whose state has not changed since a step was planned for it.
    fn since(&self, id: &str, epoch: u64) -> Option<&Resource> {
        self.cluster
            .resources
            .get(id)
            .filter(|resource| resource.epoch == epoch)
    }

    /// A pending state of one of the simulator's own resources is over.
    pub(crate) fn settle(&mut self, id: &str, epoch: u64) {
        let state = match self.since(id, epoch).map(|resource| resource.state) {
            Some(resource_state::ONLINE_PENDING) => resource_state::ONLINE,
            Some(resource_state::OFFLINE_PENDING) => resource_state::OFFLINE,
            _ => return,
        };
        // It is pending in this epoch, so nothing is refused.
        let _done = self.report(id, epoch, &Told::new(state));
    }

    /// What has become of a pending resource, whoever tells it: a sign of life, or its end (facts 5.2).
    pub(crate) fn report(&mut self, id: &str, epoch: u64, told: &Told) -> Result<(), Refusal> {
        let resource = self.since(id, epoch).ok_or(Refusal::NotPending)?;
        let (pending, group_id) = (resource.state, resource.group.clone());
        let online = match pending {
            resource_state::ONLINE_PENDING => true,
            resource_state::OFFLINE_PENDING => false,
            _ => return Err(Refusal::NotPending),
        };
        let status = |default| if told.error == 0 { default } else { told.error };
        match told.state {
            state if state == pending || state == resource_state::PENDING => {
                if resource.check_point.is_some_and(|before| told.check_point <= before) {
                    return Err(Refusal::CheckPoint);
                }
                if let Some(resource) = self.cluster.resources.get_mut(id) {
                    resource.check_point = Some(told.check_point);
                }
                self.watch_gap(id);
                return Ok(());
            }
            resource_state::ONLINE if online => match self.come_online(id) {
                Ok(()) => {
                    self.attempt_over(id);
                    self.set_resource_state(id, resource_state::ONLINE);
                    if let Some(resource) = self.cluster.resources.get_mut(id) {
                        resource.last_status = 0;
                    }
                    self.begin_health(id);
                    self.witness_changed(id);
                }
                Err(code) => self.fail(id, code),
            },
            resource_state::OFFLINE if !online => {
                if let Some(resource) = self.cluster.resources.get_mut(id) {
                    resource.restarting = false;
                    resource.last_status = 0;
                }
                self.attempt_over(id);
                self.set_resource_state(id, resource_state::OFFLINE);
                self.witness_changed(id);
            }
            resource_state::FAILED if online => self.fail(id, status(ERROR_RESMON_ONLINE_FAILED)),
            resource_state::FAILED => self.fail(id, status(ERROR_RESOURCE_FAILED)),
            // Guess: what knows that it cannot run here is not tried here again.
            CANNOT_COME_ONLINE_ON_THIS_NODE if online => {
                self.fail_for(id, status(ERROR_RESMON_ONLINE_FAILED), Again::Elsewhere);
            }
            CANNOT_COME_ONLINE_ON_ANY_NODE if online => {
                self.fail_for(id, status(ERROR_RESMON_ONLINE_FAILED), Again::Nowhere);
            }
            _ => return Err(Refusal::State),
        }
        self.pursue(&group_id);
        Ok(())
    }

    /// Whether an attempt to come online works; uses up one that shall fail. Guess: a resource that lacks a provider which
    /// its type requires fails with 5002.
    fn come_online(&mut self, id: &str) -> Result<(), u32> {
        if self.lacks_provider(id) {
            return Err(ERROR_DEPENDENCY_NOT_FOUND);
        }
        let witness_lost = self.cluster.quorum.witness_lost && self.cluster.quorum.witness.as_deref() == Some(id);
        let owner = self.cluster.resource(id).map(|(group, _)| group.owner);
        let Some(resource) = self.cluster.resources.get_mut(id) else {
            return Err(ERROR_RESMON_ONLINE_FAILED);
        };
        if resource.failing > 0 {
            resource.failing -= 1;
            return Err(ERROR_RESMON_ONLINE_FAILED);
        }
        resource.take_up();
        let blocked = resource.blocked.contains(&0) || owner.is_some_and(|owner| resource.blocked.contains(&owner));
        if blocked || witness_lost {
            Err(ERROR_RESMON_ONLINE_FAILED)
        } else {
            Ok(())
        }
    }

    /// A resource fails: it is restarted as long as RestartThreshold allows; afterwards its group fails over, if
    /// RestartAction says so; and what stays failed is tried again after RetryPeriodOnFailure. The caller pursues the
    /// group.
    pub(crate) fn fail(&mut self, id: &str, status: u32) {
        self.fail_for(id, status, Again::Anywhere);
    }

    fn fail_for(&mut self, id: &str, status: u32, again: Again) {
        self.set_resource_state(id, resource_state::FAILED);
        let now_ms = self.now_ms;
        let Some(resource) = self.cluster.resources.get_mut(id) else {
            return;
        };
        let period = u64::from(dword(&resource.settings, "RestartPeriod", 900_000));
        let threshold = dword(&resource.settings, "RestartThreshold", 1);
        let action = dword(&resource.settings, "RestartAction", 2);
        let delay = u64::from(dword(&resource.settings, "RestartDelay", 500));
        resource.last_status = status;
        resource.failures.retain(|then| now_ms.saturating_sub(*then) < period);
        resource.failures.push(now_ms);
        let within = u32::try_from(resource.failures.len()).is_ok_and(|failures| failures <= threshold);
        let (wanted, group_id) = (resource.wanted, resource.group.clone());
        self.witness_changed(id);
        let can_run = self
            .cluster
            .resource(id)
            .is_some_and(|(group, resource)| self.can_run_here(group, resource));
        if action == 0 || !wanted {
            return;
        }
        if within && can_run && again == Again::Anywhere {
            self.plan_for(id, delay, |cluster, resource, epoch| Step::Restart {
                cluster,
                resource,
                epoch,
            });
            return;
        }
        let moves = action == 2 && again != Again::Nowhere && self.fail_over(&group_id);
        if !moves {
            self.plan_retry(id);
        }
    }

    fn plan_retry(&mut self, id: &str) {
        let Some(resource) = self.cluster.resources.get(id) else {
            return;
        };
        let after = dword(&resource.settings, "RetryPeriodOnFailure", 3_600_000);
        if after != NEVER {
            self.plan_for(id, after.into(), |cluster, resource, epoch| Step::Retry {
                cluster,
                resource,
                epoch,
            });
        }
    }

    /// RestartDelay is over.
    pub(crate) fn restart_failed(&mut self, id: &str, epoch: u64) {
        let Some(resource) = self.since(id, epoch) else { return };
        if resource.state != resource_state::FAILED || !resource.wanted {
            return;
        }
        let (group_id, kind) = (resource.group.clone(), resource.kind.clone());
        if self.has_active_dependents(resource) {
            // What depended on it is still going offline; it comes back after them. How long a DLL takes nobody knows, so
            // no time is set for it.
            let group = self.cluster.groups.get(&group_id);
            let mut all = group.into_iter().flat_map(|group| &group.resources);
            if all.any(|other| self.hosted_by(other).is_some()) {
                if let Some(resource) = self.cluster.resources.get_mut(id) {
                    resource.overdue = true;
                }
                return;
            }
            let ms = self.times.of(&kind).offline_ms.max(1);
            self.plan_for(id, ms, |cluster, resource, epoch| Step::Restart {
                cluster,
                resource,
                epoch,
            });
            return;
        }
        let ready = self.cluster.groups.get(&group_id).is_some_and(|group| {
            group.moving.as_ref().is_none_or(|moving| moving.arrived)
                && self.can_run_here(group, resource)
                && holds_over(resource, &self.staying(group))
        });
        if ready {
            self.begin(id, resource_state::ONLINE_PENDING);
        } else {
            // It goes on when its providers are there.
            self.set_resource_state(id, resource_state::OFFLINE);
        }
        self.pursue(&group_id);
    }

    /// RetryPeriodOnFailure is over: the failures before count no more.
    pub(crate) fn retry_failed(&mut self, id: &str, epoch: u64) {
        if self.since(id, epoch).is_none() {
            return;
        }
        if let Some(resource) = self.cluster.resources.get_mut(id) {
            resource.failures.clear();
        }
        self.restart_failed(id, epoch);
    }

    /// Wants a resource and all that it depends on online; what had failed gets a new chance.
    pub(crate) fn want_online(&mut self, id: &str, persist: bool) {
        let mut todo = vec![id.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            let Some(resource) = self.cluster.resources.get_mut(&id) else {
                continue;
            };
            resource.wanted = true;
            if let Some(depends) = &resource.depends {
                todo.extend(depends.providers().into_iter().map(str::to_owned));
            }
            if resource.state == resource_state::FAILED {
                resource.failures.clear();
                self.set_resource_state(&id, resource_state::OFFLINE);
            }
            if persist {
                self.persist_resource(&id, true);
            }
        }
    }

    /// Wants a resource and all that depends on it offline.
    pub(crate) fn want_offline(&mut self, id: &str, persist: bool) {
        let mut todo = vec![id.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            todo.extend(self.dependents(&id));
            let Some(resource) = self.cluster.resources.get_mut(&id) else {
                continue;
            };
            resource.wanted = false;
            resource.failures.clear();
            if resource.state == resource_state::FAILED {
                self.set_resource_state(&id, resource_state::OFFLINE);
            }
            if persist {
                self.persist_resource(&id, false);
            }
        }
    }
}

/// True for a state in which a resource relies on its providers.
pub(crate) fn is_active(state: i32) -> bool {
    state == resource_state::ONLINE || state >= resource_state::PENDING
}

/// True when a node is one of a resource's possible owners.
pub(crate) fn can_own(resource: &Resource, node: u32) -> bool {
    resource
        .possible_owners
        .as_ref()
        .is_none_or(|owners| owners.contains(&node))
}

fn holds_over(resource: &Resource, online: &BTreeSet<String>) -> bool {
    resource
        .depends
        .as_ref()
        .is_none_or(|depends| depends.holds(&|id| online.contains(id)))
}

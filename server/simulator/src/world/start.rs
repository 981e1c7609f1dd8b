//! When groups start: what waits for which groups and sets, and what lets it begin (facts 2.6, 3.3).
//!
//! Guess, as a whole: the facts name the properties and the status bits, not the rule. A group that comes online as a
//! whole, by a call, at the start of the cluster or after its node was lost, first waits for its providers and for those
//! of its set, for `GroupDependencyTimeout` at most; then it starts all the same. Providers are not brought online for
//! it. Groups that move and single resources do not wait, and what has started is not taken back.

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{group_state, notify_group, notify_groupset};

use super::World;
use super::cluster::{Cluster, Group, Resource};
use super::events::Event;
use super::group_set::{GroupSet, Provider};
use super::properties::Setting;
use super::queue::Step;
use super::resource::running::is_active;
use super::service::{ClusterService, dword};
use crate::proplist;

const SECOND_MS: u64 = 1_000;
/// StartupSetting: a set is ready some time after its groups are online (facts 2.2). The others are about what a machine
/// reports; guess: a simulated one reports it as soon as it is online.
const READY_AFTER_DELAY: u32 = 1;

/// A group that shall start and has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    since_ms: u64,
    /// GroupStartDelay is over then.
    not_before_ms: u64,
    /// GroupDependencyTimeout is over.
    timed_out: bool,
    /// The status bits that were told last.
    pub(crate) told: u64,
}

impl Cluster {
    /// Since when a group has been ready for those that wait for it, or from when on it will be; `None` for one that is
    /// not online.
    fn group_ready(&self, group: &Group, delay_ms: u64) -> Option<u64> {
        let runs =
            self.group_state(group) == group_state::ONLINE && self.node(group.owner).is_some_and(|owner| owner.present);
        // What was online when the world began has been so for long.
        runs.then(|| group.online_ms.map_or(0, |then| then.saturating_add(delay_ms)))
    }

    /// The time that a set leaves its groups after they are online.
    fn startup_delay_ms(set: &GroupSet) -> u64 {
        if dword(&set.settings, "StartupSetting", READY_AFTER_DELAY) == READY_AFTER_DELAY {
            u64::from(dword(&set.settings, "StartupDelay", 20)).saturating_mul(SECOND_MS)
        } else {
            0
        }
    }

    /// The same for a set: as many of its groups as StartupCount says, all with 0xFFFFFFFF, more than half with 0
    /// (guess). A set without groups keeps nobody waiting.
    fn set_ready(&self, set: &GroupSet) -> Option<u64> {
        let delay_ms = Self::startup_delay_ms(set);
        let all = set.groups.len();
        let needed = match dword(&set.settings, "StartupCount", u32::MAX) {
            u32::MAX => all,
            0 => all / 2 + usize::from(all > 0),
            count => usize::try_from(count).unwrap_or(usize::MAX).min(all),
        };
        let groups = set.groups.iter().filter_map(|own| self.group(&own.group));
        let mut ready: Vec<u64> = groups.filter_map(|group| self.group_ready(group, delay_ms)).collect();
        ready.sort_unstable();
        match needed.checked_sub(1) {
            None => Some(0),
            Some(last) => ready.get(last).copied(),
        }
    }

    /// True for a set that those who wait for it can rely on.
    pub(crate) fn is_set_ready(&self, set: &GroupSet, now_ms: u64) -> bool {
        self.set_ready(set).is_some_and(|from_ms| from_ms <= now_ms)
    }

    /// From when on all that a group waits for is ready, as far as that can be known.
    fn providers_ready(&self, group_id: &str) -> Option<u64> {
        let of_set = self.set_of_group(group_id).map(|set| self.order.providers(&set.id));
        let providers = self.order.providers(group_id).iter();
        providers
            .chain(of_set.unwrap_or_default())
            .try_fold(0, |latest: u64, provider| {
                let from_ms = match provider {
                    Provider::Group(id) => self.group(id).map_or(Some(0), |group| self.group_ready(group, 0)),
                    Provider::Set(id) => self.group_set(id).map_or(Some(0), |set| self.set_ready(set)),
                };
                from_ms.map(|from_ms| latest.max(from_ms))
            })
    }

    /// From when on a group that waits may begin.
    fn begins(&self, group_id: &str, waiting: Waiting) -> Option<u64> {
        let ready = if waiting.timed_out {
            Some(0)
        } else {
            self.providers_ready(group_id)
        };
        ready.map(|from_ms| from_ms.max(waiting.not_before_ms))
    }

    /// The CLUSGRP_STATUS bits of a group that waits (facts 2.2).
    pub(crate) fn waiting_status(&self, group_id: &str, now_ms: u64) -> u64 {
        const WAITING_TO_START: u64 = 0x10;
        const WAITING_FOR_DEPENDENCIES: u64 = 0x1000;
        let Some(waiting) = self.waiting.get(group_id) else {
            return 0;
        };
        let depends = !waiting.timed_out && self.providers_ready(group_id).is_none_or(|from_ms| from_ms > now_ms);
        if depends {
            WAITING_FOR_DEPENDENCIES
        } else {
            WAITING_TO_START
        }
    }
}

impl ClusterService<'_> {
    /// Lets a group wait that shall start now, if it must; what runs already does not. `delay` is whether its own
    /// GroupStartDelay counts.
    pub(crate) fn hold_back(&mut self, group_id: &str, delay: bool) {
        let Some(group) = self.cluster.groups.get(group_id) else {
            return;
        };
        let wanted = |resource: &Resource| resource.wanted;
        let begins = self.cluster.resources_of(group).any(wanted)
            && !self
                .cluster
                .resources_of(group)
                .any(|resource| is_active(resource.state));
        if group.is_core() || !begins {
            return;
        }
        let delay_ms = if delay {
            u64::from(dword(&group.settings, "GroupStartDelay", 0))
        } else {
            0
        };
        let earlier = self.cluster.waiting.get(group_id).copied();
        let waiting = Waiting {
            since_ms: earlier.map_or(self.now_ms, |earlier| earlier.since_ms),
            not_before_ms: self.now_ms.saturating_add(delay_ms),
            timed_out: earlier.is_some_and(|earlier| earlier.timed_out),
            told: earlier.map_or(0, |earlier| earlier.told),
        };
        match self.cluster.begins(group_id, waiting) {
            Some(from_ms) if from_ms <= self.now_ms => return self.end_waiting(group_id),
            Some(from_ms) => self.plan_start(from_ms),
            None => {}
        }
        self.cluster.waiting.insert(group_id.into(), waiting);
        if earlier.is_none() {
            let timeout = u64::from(self.cluster_dword("GroupDependencyTimeout", 600)).saturating_mul(SECOND_MS);
            let step = Step::DependencyTimeout {
                cluster: self.cluster.id.clone(),
                group: group_id.into(),
                since_ms: waiting.since_ms,
            };
            self.plan(timeout, step);
        }
        self.tell_waiting(group_id);
    }

    /// Tells what a group waits for when that has changed.
    fn tell_waiting(&mut self, group_id: &str) {
        let status = self.cluster.waiting_status(group_id, self.now_ms);
        if let Some(waiting) = self.cluster.waiting.get_mut(group_id)
            && std::mem::replace(&mut waiting.told, status) != status
        {
            self.tell_group_status(group_id);
        }
    }

    /// A group waits no more.
    pub(crate) fn end_waiting(&mut self, group_id: &str) {
        if self.cluster.waiting.remove(group_id).is_some() {
            self.tell_group_status(group_id);
        }
    }

    /// Begins what has waited long enough, the important groups first.
    pub(crate) fn start_waiting(&mut self) {
        let now_ms = self.now_ms;
        self.cluster.start_times.retain(|at_ms| *at_ms > now_ms);
        let waiting: Vec<String> = self.cluster.waiting.keys().cloned().collect();
        for id in self.by_priority(waiting) {
            let Some(waiting) = self.cluster.waiting.get(&id).copied() else {
                continue;
            };
            match self.cluster.begins(&id, waiting) {
                Some(from_ms) if from_ms <= self.now_ms => {
                    self.end_waiting(&id);
                    self.pursue(&id);
                }
                Some(from_ms) => {
                    self.plan_start(from_ms);
                    self.tell_waiting(&id);
                }
                None => self.tell_waiting(&id),
            }
        }
    }

    /// GroupDependencyTimeout is over for a group that has waited since then.
    pub(crate) fn dependency_timeout(&mut self, group_id: &str, since_ms: u64) {
        if let Some(waiting) = self.cluster.waiting.get_mut(group_id)
            && waiting.since_ms == since_ms
        {
            waiting.timed_out = true;
            self.start_waiting();
        }
    }

    /// To be called when something has come online or gone offline, or what waits for what has changed.
    pub(crate) fn start_order_changed(&mut self) {
        if !self.cluster.waiting.is_empty() {
            self.plan_start(self.now_ms);
        }
    }

    fn plan_start(&mut self, at_ms: u64) {
        // Once is enough, however many groups wait for it.
        if self.cluster.start_times.insert(at_ms) {
            let cluster = self.cluster.id.clone();
            self.queue.plan(at_ms, Step::StartWaiting { cluster });
        }
    }

    /// A group is online, or not any more: what waits for it looks again, and its set is ready some time later.
    pub(crate) fn came_online(&mut self, group_id: &str, online: bool) {
        let now_ms = self.now_ms;
        if let Some(group) = self.cluster.groups.get_mut(group_id) {
            group.online_ms = online.then_some(now_ms);
        }
        self.start_order_changed();
        if !online {
            return;
        }
        let delay_ms = self.cluster.set_of_group(group_id).map_or(0, Cluster::startup_delay_ms);
        if delay_ms > 0 {
            let cluster = self.cluster.id.clone();
            self.plan(delay_ms, Step::SetReady { cluster });
        }
    }

    /// Tells the status bits of a group. Guess: as a common property that has changed.
    fn tell_group_status(&mut self, group_id: &str) {
        if let Some(group) = self.cluster.groups.get(group_id) {
            let status = Setting::Large(self.cluster.group_status(group, self.now_ms));
            let list = proplist::write(&[("StatusInformation", status)]);
            let event = Event::of_group(&self.cluster.id, notify_group::COMMON_PROPERTY, group).with_properties(list);
            self.tell(event);
        }
    }
}

impl World {
    /// Tells which sets have become ready, or are it no more. Guess: 1 or 0 as payload, 4 bytes as other states are.
    pub(crate) fn refresh_sets(&mut self, cluster_id: &str) {
        let now_ms = self.now_ms;
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        let ready: Vec<bool> = cluster
            .group_sets
            .iter()
            .map(|set| cluster.is_set_ready(set, now_ms))
            .collect();
        for (set, ready) in cluster.group_sets.iter_mut().zip(ready) {
            if std::mem::replace(&mut set.told_ready, ready) != ready {
                let event = super::group_set::set_event(cluster_id, notify_groupset::STATE, set);
                let payload = i32::from(ready).to_le_bytes().to_vec();
                self.events.push(event.with_properties(payload));
            }
        }
    }
}

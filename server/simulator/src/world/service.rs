//! The cluster service at work on one cluster: what all its rules have at hand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{
    group_state, group_type, notify_cluster, notify_group, notify_node, resource_state,
};

use super::World;
use super::cluster::Cluster;
use super::events::Event;
use super::hosting::Hosting;
use super::properties::Setting;
use super::queue::{Queue, Step};
use super::shared_volume::Disk;
use crate::proplist;
use crate::scenario::ResourceTimes;
use crate::win32::RPC_S_SERVER_UNAVAILABLE;

/// How long what resources and groups do takes; a part of the scenario, not of the saved world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) each: ResourceTimes,
    pub(crate) by_type: BTreeMap<String, ResourceTimes>,
    pub(crate) live_migration_ms: u64,
}

impl Times {
    /// The times of a resource type, case not regarded.
    pub(crate) fn of(&self, kind: &str) -> ResourceTimes {
        self.by_type
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(kind))
            .map_or(self.each, |(_, times)| *times)
    }
}

/// A cluster with what its service needs to change it.
pub(crate) struct ClusterService<'world> {
    pub(crate) cluster: &'world mut Cluster,
    pub(crate) events: &'world mut Vec<Event>,
    pub(crate) queue: &'world mut Queue,
    pub(crate) hosting: &'world mut Hosting,
    pub(crate) times: &'world Times,
    pub(crate) disks: &'world [Disk],
    pub(crate) now_ms: u64,
}

impl World {
    /// The service of a cluster, whether or not it has quorum.
    pub(crate) fn service(&mut self, cluster_id: &str) -> Option<ClusterService<'_>> {
        Some(ClusterService {
            cluster: self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id)?,
            events: &mut self.events,
            queue: &mut self.queue,
            hosting: &mut self.hosting,
            times: &self.times,
            disks: &self.disks,
            now_ms: self.now_ms,
        })
    }

    /// The same for a call; 1722 when nobody answers.
    pub(crate) fn serving_service(&mut self, cluster_id: &str) -> Result<ClusterService<'_>, u32> {
        self.service(cluster_id)
            .filter(|service| service.cluster.is_formed())
            .ok_or(RPC_S_SERVER_UNAVAILABLE)
    }
}

/// A DWORD among settings.
pub(crate) fn dword(settings: &BTreeMap<String, Setting>, name: &str, default: u32) -> u32 {
    match settings.get(name) {
        Some(Setting::Dword(value)) => *value,
        _ => default,
    }
}

/// Whose PersistentState it is.
pub(crate) const PERSISTENT_STATE: &str = "PersistentState";

impl ClusterService<'_> {
    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(crate) fn plan(&mut self, after_ms: u64, step: Step) {
        self.queue.plan(self.now_ms.saturating_add(after_ms), step);
    }

    /// Changes the state of a resource and tells so.
    pub(crate) fn set_resource_state(&mut self, id: &str, state: i32) {
        let Some(resource) = self.cluster.resources.get_mut(id) else {
            return;
        };
        if resource.state == state {
            return;
        }
        resource.state = state;
        resource.epoch += 1;
        resource.check_point = None;
        resource.overdue = false;
        self.queue.unwatch(resource.gap.take());
        let event = Event::resource_state(&self.cluster.id, resource);
        let terminal =
            (state < resource_state::PENDING).then(|| Event::resource_terminal_state(&self.cluster.id, resource));
        self.tell(event);
        self.events.extend(terminal);
        if matches!(state, resource_state::OFFLINE | resource_state::FAILED) {
            self.rest_hosted(id);
        }
    }

    /// Tells the state of a group when it is another than was told last.
    pub(crate) fn tell_group(&mut self, group_id: &str) {
        let Some(group) = self.cluster.groups.get(group_id) else {
            return;
        };
        let state = self.cluster.group_state(group);
        if let Some(group) = self.cluster.groups.get_mut(group_id)
            && group.told != state
        {
            group.told = state;
            let event = Event::group_state(&self.cluster.id, group, state);
            self.tell(event);
            self.came_online(group_id, state == group_state::ONLINE);
        }
    }

    /// Gives a group to a node and tells so.
    pub(crate) fn set_owner(&mut self, group_id: &str, to: u32) {
        let Some(group) = self.cluster.groups.get_mut(group_id) else {
            return;
        };
        if group.owner == to {
            return;
        }
        let from = std::mem::replace(&mut group.owner, to);
        let event = Event::owner_node(&self.cluster.id, group);
        self.events.push(event);
        for (node, flag) in [(from, notify_node::GROUP_LOST), (to, notify_node::GROUP_GAINED)] {
            if let Some(node) = self.cluster.node(node) {
                let event = Event::of_node(&self.cluster.id, flag, node);
                self.events.push(event);
            }
        }
        self.rehost(group_id, to);
    }

    /// Keeps whether a group shall be online when the cluster starts.
    pub(crate) fn persist_group(&mut self, group_id: &str, online: bool) {
        let value = Setting::Dword(u32::from(online));
        if let Some(group) = self.cluster.groups.get_mut(group_id)
            && dword(&group.settings, PERSISTENT_STATE, 1) != u32::from(online)
        {
            group.settings.insert(PERSISTENT_STATE.into(), value.clone());
            let list = proplist::write(&[(PERSISTENT_STATE, value)]);
            let event = Event::of_group(&self.cluster.id, notify_group::COMMON_PROPERTY, group).with_properties(list);
            self.tell(event);
        }
    }

    /// Keeps whether a resource shall be online when the cluster starts.
    pub(crate) fn persist_resource(&mut self, id: &str, online: bool) {
        let value = Setting::Dword(u32::from(online));
        if let Some(resource) = self.cluster.resources.get_mut(id)
            && dword(&resource.settings, PERSISTENT_STATE, 1) != u32::from(online)
        {
            resource.settings.insert(PERSISTENT_STATE.into(), value.clone());
            let list = proplist::write(&[(PERSISTENT_STATE, value)]);
            let event = Event::resource_properties(&self.cluster.id, resource).with_properties(list);
            self.tell(event);
        }
    }

    /// Tells properties of a node that have changed.
    pub(crate) fn tell_node_properties(&mut self, node: u32, changed: &[(&str, u32)]) {
        let list: Vec<_> = changed
            .iter()
            .map(|(name, value)| (*name, Setting::Dword(*value)))
            .collect();
        if let Some(node) = self.cluster.node(node) {
            let event = Event::of_node(&self.cluster.id, notify_node::COMMON_PROPERTY, node)
                .with_properties(proplist::write(&list));
            self.tell(event);
        }
    }

    /// Tells a property of the cluster that has changed.
    pub(crate) fn tell_cluster_property(&mut self, name: &str, value: u32) {
        let list = proplist::write(&[(name, Setting::Dword(value))]);
        let event = Event::of_cluster(&self.cluster.id, notify_cluster::COMMON_PROPERTY, &self.cluster.name);
        self.tell(event.with_properties(list));
    }

    /// A property of the cluster.
    pub(crate) fn cluster_dword(&self, name: &str, default: u32) -> u32 {
        dword(&self.cluster.settings, name, default)
    }

    /// Ids of groups in the order in which they are worked on: by priority, then by age.
    pub(crate) fn by_priority(&self, mut groups: Vec<String>) -> Vec<String> {
        groups.sort_by_key(|id| {
            let group = self.cluster.groups.get(id);
            // The cluster's own group comes before all others.
            let core = group.is_some_and(|group| group.group_type == group_type::CORE_CLUSTER);
            let priority = group.map_or(0, |group| dword(&group.settings, "Priority", 2_000));
            (!core, std::cmp::Reverse(priority))
        });
        groups
    }
}

//! Common properties (facts 3.3): what they are now, and which of them may be set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{notify_cluster, notify_group, notify_node};

use super::World;
use super::cluster::{Cluster, Group, Node, Resource};
use super::events::Event;
use crate::proplist;
use crate::win32::{
    ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_CLUSTER_PROPERTY_DATA_TYPE_MISMATCH, ERROR_GROUP_NOT_FOUND,
    ERROR_INVALID_PARAMETER, ERROR_RESOURCE_NOT_FOUND,
};

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Setting {
    Dword(u32),
    Large(u64),
    Text(String),
    Texts(Vec<String>),
}

/// The name and value of a property.
pub(crate) type Property = (&'static str, Setting);

/// The default of a property that may be set.
enum Default {
    Dword(u32),
    Text,
    Texts,
}

impl Default {
    fn setting(&self) -> Setting {
        match self {
            Self::Dword(number) => Setting::Dword(*number),
            Self::Text => Setting::Text(String::new()),
            Self::Texts => Setting::Texts(Vec::new()),
        }
    }
}

/// Cluster properties that may be set; the values of 2016 and later (facts 3.3). A selection: those that every
/// supported release has and that have no object behind them.
const CLUSTER: [(&str, Default); 30] = [
    ("AddEvictDelay", Default::Dword(60)),
    ("AdminExtensions", Default::Texts),
    ("AutoBalancerLevel", Default::Dword(1)),
    ("AutoBalancerMode", Default::Dword(2)),
    ("BlockCacheSize", Default::Dword(1_024)),
    ("ClusSvcHangTimeout", Default::Dword(60)),
    ("ClusterEnforcedAntiAffinity", Default::Dword(0)),
    ("ClusterGroupWaitDelay", Default::Dword(120)),
    ("ClusterLogLevel", Default::Dword(3)),
    ("ClusterLogSize", Default::Dword(300)),
    ("CrossSiteDelay", Default::Dword(1_000)),
    ("CrossSiteThreshold", Default::Dword(20)),
    ("CrossSubnetDelay", Default::Dword(1_000)),
    ("CrossSubnetThreshold", Default::Dword(20)),
    ("DefaultNetworkRole", Default::Dword(3)),
    ("Description", Default::Text),
    ("DrainOnShutdown", Default::Dword(1)),
    ("DynamicQuorum", Default::Dword(1)),
    ("EnableEventLogReplication", Default::Dword(1)),
    ("GroupDependencyTimeout", Default::Dword(600)),
    ("HangRecoveryAction", Default::Dword(6)),
    ("PreferredSite", Default::Text),
    ("QuarantineDuration", Default::Dword(7_200)),
    ("QuarantineThreshold", Default::Dword(3)),
    ("QuorumArbitrationTimeMax", Default::Dword(20)),
    ("ResiliencyDefaultPeriod", Default::Dword(240)),
    ("ResiliencyLevel", Default::Dword(2)),
    ("SameSubnetDelay", Default::Dword(1_000)),
    ("SameSubnetThreshold", Default::Dword(10)),
    ("ShutdownTimeoutInMinutes", Default::Dword(20)),
];

const NODE: [(&str, Default); 3] = [
    ("Description", Default::Text),
    ("EnableEventLogReplication", Default::Dword(1)),
    ("NodeWeight", Default::Dword(1)),
];

const GROUP: [(&str, Default); 12] = [
    ("AdminExtensions", Default::Texts),
    ("AntiAffinityClassNames", Default::Texts),
    ("AutoFailbackType", Default::Dword(0)),
    ("ColdStartSetting", Default::Dword(0)),
    ("DefaultOwner", Default::Dword(u32::MAX)),
    ("Description", Default::Text),
    ("FailbackWindowEnd", Default::Dword(u32::MAX)),
    ("FailbackWindowStart", Default::Dword(u32::MAX)),
    ("FailoverPeriod", Default::Dword(6)),
    ("FailoverThreshold", Default::Dword(u32::MAX)),
    ("PersistentState", Default::Dword(1)),
    ("Priority", Default::Dword(2_000)),
];

const RESOURCE: [(&str, Default); 12] = [
    ("DeadlockTimeout", Default::Dword(300_000)),
    ("Description", Default::Text),
    ("IsAlivePollInterval", Default::Dword(u32::MAX)),
    ("LooksAlivePollInterval", Default::Dword(u32::MAX)),
    ("PendingTimeout", Default::Dword(180_000)),
    ("PersistentState", Default::Dword(1)),
    ("RestartAction", Default::Dword(2)),
    ("RestartDelay", Default::Dword(500)),
    ("RestartPeriod", Default::Dword(900_000)),
    ("RestartThreshold", Default::Dword(1)),
    ("RetryPeriodOnFailure", Default::Dword(3_600_000)),
    ("SeparateMonitor", Default::Dword(0)),
];

/// What a property list belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    Cluster,
    Node(u32),
    Group(String),
    Resource(String),
}

fn current(defaults: &[(&'static str, Default)], settings: &BTreeMap<String, Setting>) -> Vec<Property> {
    defaults
        .iter()
        .map(|(name, default)| (*name, settings.get(*name).cloned().unwrap_or_else(|| default.setting())))
        .collect()
}

fn dword(name: &'static str, value: u32) -> Property {
    (name, Setting::Dword(value))
}

fn text(name: &'static str, value: &str) -> Property {
    (name, Setting::Text(value.into()))
}

impl World {
    /// The common properties that may be set.
    pub(crate) fn common(&self, cluster: &Cluster, owner: &Owner) -> Result<Vec<Property>, u32> {
        Ok(match owner {
            Owner::Cluster => {
                let mut properties = current(&CLUSTER, &cluster.settings);
                // It changes by an upgrade only, and is listed here nevertheless (facts 3.3).
                properties.push(dword("ClusterUpgradeVersion", cluster.upgrade_version()));
                properties
            }
            Owner::Node(id) => current(&NODE, &cluster.node(*id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?.settings),
            Owner::Group(id) => current(&GROUP, &cluster.group(id).ok_or(ERROR_GROUP_NOT_FOUND)?.settings),
            Owner::Resource(id) => current(
                &RESOURCE,
                &cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?.1.settings,
            ),
        })
    }

    /// The read-only common properties.
    pub(crate) fn ro_common(&self, cluster: &Cluster, owner: &Owner) -> Result<Vec<Property>, u32> {
        Ok(match owner {
            Owner::Cluster => vec![
                dword("AdminAccessPoint", cluster.management_point.cast_unsigned()),
                dword("ClusterFunctionalLevel", cluster.functional_level),
                dword("EnableSharedVolumes", 1),
                dword("FixQuorum", 0),
                dword("PreventQuorum", 0),
                dword("SecurityLevel", 1),
                text("SharedVolumesRoot", "C:\\ClusterStorage"),
                dword("WitnessDynamicWeight", cluster.quorum.witness_weight),
            ],
            Owner::Node(id) => self.ro_node(cluster.node(*id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?),
            Owner::Group(id) => ro_group(cluster.group(id).ok_or(ERROR_GROUP_NOT_FOUND)?),
            Owner::Resource(id) => ro_resource(cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?.1),
        })
    }

    fn ro_node(&self, node: &Node) -> Vec<Property> {
        let os = self.machine_of(node).map(|machine| machine.os);
        let (major, minor, build) = os.map_or((0, 0, 0), |os| os.os_version());
        vec![
            text("NodeName", &node.name),
            dword("NodeHighestVersion", os.map_or(0, |os| os.highest_version())),
            dword("NodeLowestVersion", os.map_or(0, |os| os.lowest_version())),
            dword("MajorVersion", major.into()),
            dword("MinorVersion", minor.into()),
            dword("BuildNumber", build.into()),
            text("CSDVersion", ""),
            text("NodeInstanceID", &node.instance),
            dword("NodeDrainStatus", node.drain.status),
            dword("NodeDrainTarget", node.drain.target),
            dword("DrainErrorCode", node.drain.error),
            dword("NodeFailbackStatus", node.drain.failback_status),
            dword("DynamicWeight", node.dynamic_weight),
            dword("NeedsPreventQuorum", 0),
            dword("StatusInformation", node.status_information()),
        ]
    }

    /// Sets common properties from a property list; those that are missing stay. `validate` changes nothing.
    ///
    /// Guess: 87 for a read-only or unknown name (facts 3.2 says so of read-only ones), 5895 for another type.
    pub(crate) fn set_common(
        &mut self,
        cluster_id: &str,
        owner: &Owner,
        list: &[u8],
        validate: bool,
    ) -> Result<(), u32> {
        let changes = proplist::read(list)?;
        let cluster = self.serving(cluster_id)?;
        let known = self.common(cluster, owner)?;
        let mut accepted = Vec::new();
        for (name, value) in changes {
            let (name, now) = known
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(&name) && *known != "ClusterUpgradeVersion")
                .ok_or(ERROR_INVALID_PARAMETER)?;
            if value
                .as_ref()
                .is_some_and(|value| std::mem::discriminant(value) != std::mem::discriminant(now))
            {
                return Err(ERROR_CLUSTER_PROPERTY_DATA_TYPE_MISMATCH);
            }
            accepted.push((*name, value));
        }
        if validate {
            return Ok(());
        }
        let names: Vec<&str> = accepted.iter().map(|(name, _)| *name).collect();
        if let Some(settings) = self.settings_mut(cluster_id, owner) {
            for (name, value) in accepted {
                match value {
                    Some(value) => settings.insert(name.into(), value),
                    None => settings.remove(name),
                };
            }
        }
        self.tell_properties(cluster_id, owner, &names);
        Ok(())
    }

    fn settings_mut(&mut self, cluster_id: &str, owner: &Owner) -> Option<&mut BTreeMap<String, Setting>> {
        let cluster = self.cluster_mut(cluster_id)?;
        match owner {
            Owner::Cluster => Some(&mut cluster.settings),
            Owner::Node(id) => cluster.node_mut(*id).map(|node| &mut node.settings),
            Owner::Group(id) => cluster.group_mut(id).map(|group| &mut group.settings),
            Owner::Resource(id) => cluster.resource_mut(id).map(|resource| &mut resource.settings),
        }
    }

    /// Emits the properties that were set, and only those.
    fn tell_properties(&mut self, cluster_id: &str, owner: &Owner, names: &[&str]) {
        let Some(cluster) = self.cluster(cluster_id) else {
            return;
        };
        let Ok(mut changed) = self.common(cluster, owner) else {
            return;
        };
        changed.retain(|(name, _)| names.contains(name));
        let event = match owner {
            Owner::Cluster => Some(Event::of_cluster(
                cluster_id,
                notify_cluster::COMMON_PROPERTY,
                &cluster.name,
            )),
            Owner::Node(id) => cluster
                .node(*id)
                .map(|node| Event::of_node(cluster_id, notify_node::COMMON_PROPERTY, node)),
            Owner::Group(id) => cluster
                .group(id)
                .map(|group| Event::of_group(cluster_id, notify_group::COMMON_PROPERTY, group)),
            Owner::Resource(id) => cluster
                .resource(id)
                .map(|(_, resource)| Event::resource_properties(cluster_id, resource)),
        };
        self.events
            .extend(event.map(|event| event.with_properties(proplist::write(&changed))));
    }
}

fn ro_group(group: &Group) -> Vec<Property> {
    vec![
        text("Name", &group.name),
        dword("GroupType", group.group_type),
        ("StatusInformation", Setting::Large(group.status_information())),
    ]
}

fn ro_resource(resource: &Resource) -> Vec<Property> {
    vec![
        text("Name", &resource.name),
        text("Type", &resource.kind),
        ("LastOperationStatusCode", Setting::Large(resource.last_status.into())),
        ("StatusInformation", Setting::Large(u64::from(resource.locked))),
    ]
}

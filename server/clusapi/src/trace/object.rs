//! What the handles of a trace stood for.

use std::collections::BTreeMap;

use super::read::{Call, Trace};

/// What a handle stood for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name: that of a cluster as the cluster told it, or else the name that it was opened by.
    pub name: Option<String>,
    /// The handle that it was opened through.
    pub parent: Option<u64>,
}

/// A kind of object that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A cluster.
    Cluster,
    /// A node.
    Node,
    /// A group.
    Group,
    /// A resource.
    Resource,
    /// A network.
    Network,
    /// A network interface.
    NetworkInterface,
    /// A group set.
    GroupSet,
    /// A key of the cluster database.
    Key,
    /// An enumeration, a batch or a notification port.
    Other,
}

/// The calls that open something: the kind, the parameter that names it, and the parameter that it is opened through.
const OPENING: &[(&str, ObjectKind, &str, &str)] = &[
    ("CreateCluster", ObjectKind::Cluster, "", ""),
    ("OpenCluster", ObjectKind::Cluster, "cluster_name", ""),
    ("OpenClusterEx", ObjectKind::Cluster, "cluster_name", ""),
    ("AddClusterNode", ObjectKind::Node, "node_name", "cluster"),
    ("AddClusterNodeEx", ObjectKind::Node, "node_name", "cluster"),
    ("OpenClusterNode", ObjectKind::Node, "node_name", "cluster"),
    ("OpenClusterNodeEx", ObjectKind::Node, "node_name", "cluster"),
    ("OpenClusterGroup", ObjectKind::Group, "group_name", "cluster"),
    ("OpenClusterGroupEx", ObjectKind::Group, "group_name", "cluster"),
    ("CreateClusterGroup", ObjectKind::Group, "group_name", "cluster"),
    ("OpenClusterResource", ObjectKind::Resource, "resource_name", "cluster"),
    ("CreateClusterGroupEx", ObjectKind::Group, "group_name", "cluster"),
    ("OpenClusterNodeById", ObjectKind::Node, "", "cluster"),
    ("ClusterOpenEnum", ObjectKind::Other, "", "cluster"),
    ("ClusterOpenEnumEx", ObjectKind::Other, "", "cluster"),
    ("ClusterGroupOpenEnumEx", ObjectKind::Other, "", "cluster"),
    ("CreateClusterResource", ObjectKind::Resource, "resource_name", "group"),
    ("OpenClusterNetwork", ObjectKind::Network, "network_name", "cluster"),
    (
        "OpenClusterNetInterface",
        ObjectKind::NetworkInterface,
        "interface_name",
        "cluster",
    ),
    ("OpenClusterGroupSet", ObjectKind::GroupSet, "group_set_name", "cluster"),
    (
        "CreateClusterGroupSet",
        ObjectKind::GroupSet,
        "group_set_name",
        "cluster",
    ),
    (
        "CreateClusterAvailabilitySet",
        ObjectKind::GroupSet,
        "group_set_name",
        "cluster",
    ),
    ("GetClusterKey", ObjectKind::Key, "", "cluster"),
    ("GetClusterNodeKey", ObjectKind::Key, "", "node"),
    ("GetClusterGroupKey", ObjectKind::Key, "", "group"),
    ("GetClusterResourceKey", ObjectKind::Key, "", "resource"),
    ("GetClusterResourceTypeKey", ObjectKind::Key, "type_name", "cluster"),
    ("GetClusterNetworkKey", ObjectKind::Key, "", "network"),
    ("GetClusterNetInterfaceKey", ObjectKind::Key, "", "interface"),
    ("ClusterNodeOpenEnum", ObjectKind::Other, "", "node"),
    ("ClusterNodeOpenEnumEx", ObjectKind::Other, "", "node"),
    ("ClusterGroupOpenEnum", ObjectKind::Other, "", "group"),
    ("ClusterResourceOpenEnum", ObjectKind::Other, "", "resource"),
    ("ClusterResourceOpenEnumEx", ObjectKind::Other, "", "cluster"),
    ("ClusterResourceTypeOpenEnum", ObjectKind::Other, "", "cluster"),
    ("ClusterNetworkOpenEnum", ObjectKind::Other, "", "network"),
    ("ClusterNetInterfaceOpenEnum", ObjectKind::Other, "", "cluster"),
    ("ClusterGroupSetOpenEnum", ObjectKind::Other, "", "cluster"),
];

impl Trace {
    /// What the handles stood for, by their numbers.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<u64, Object> {
        let mut objects = BTreeMap::new();
        for call in &self.calls {
            if let Some((handle, object)) = opened(call) {
                objects.insert(handle, object);
            }
            if let Some((cluster, name)) = told_name(call)
                && let Some(object) = objects.get_mut(&cluster)
            {
                object.name = Some(name.to_owned());
            }
        }
        objects
    }
}

fn opened(call: &Call) -> Option<(u64, Object)> {
    let handle = call.returned.as_ref()?.result.handle()?;
    let arguments = &call.begin.arguments;
    let (_, kind, name, parent) = OPENING.iter().find(|(function, ..)| *function == call.begin.function)?;
    let name = match arguments.fields("config") {
        Some(config) => config.text("lpszClusterName"),
        None => arguments.text(name),
    };
    let object = Object {
        kind: *kind,
        name: name.map(str::to_owned),
        parent: arguments.handle(parent),
    };
    Some((handle, object))
}

/// What a cluster says that it is called; a name that leads to it may be another.
fn told_name(call: &Call) -> Option<(u64, &str)> {
    if call.begin.function != "GetClusterInformation" {
        return None;
    }
    let name = call.returned.as_ref()?.out.text("name")?;
    Some((call.begin.arguments.handle("cluster")?, name))
}

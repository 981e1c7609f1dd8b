//! A look at a cluster: the evidence for an outcome, and the source of reads. Blocking.

use wsfc_clusapi::{Clusapi, Cluster, ClusterVersion, Error, ManagementPointType, NodeClusterState, ObjectName};
use wsfc_proto::v1;

use super::execute::open;
use crate::inventory::fields::node_state;
use crate::native;

/// Looks at what a call was about: its cluster, and the hosts that it configures.
pub fn inspect(api: &Clusapi, cluster: &str, hosts: &[String]) -> v1::Inspection {
    let mut hosts = hosts.to_vec();
    hosts.sort_unstable_by_key(|name| name.to_lowercase());
    hosts.dedup_by(|one, other| is_host(one, other));
    let seen = open_by_any_name(api, cluster, &hosts).and_then(|cluster| describe(&cluster));
    let (cluster_found, seen, error) = match seen {
        Ok(seen) => (true, Some(seen), None),
        Err(error) => (false, None, native::error_status(&error)),
    };
    let mut inspection = v1::Inspection {
        cluster_found,
        cluster: seen,
        error,
        ..v1::Inspection::default()
    };
    inspection.hosts = hosts.iter().map(|host| observe(api, host, &inspection)).collect();
    inspection.ready = inspection.cluster.as_ref().is_some_and(|cluster| {
        !cluster.nodes.is_empty() && cluster.nodes.iter().all(|node| node.state() == v1::NodeState::Up)
    });
    inspection.summary = summary(&inspection, cluster);
    inspection
}

/// Reads a cluster.
///
/// # Errors
///
/// What the cluster API answers to the reads without which there is no cluster to speak of: its name and its nodes. What
/// an older server does not know is left at zero.
pub fn describe(cluster: &Cluster) -> Result<v1::Cluster, Error> {
    let information = cluster.information()?;
    let nodes = names(cluster.nodes()?);
    let (major, minor, build) = information.windows;
    Ok(v1::Cluster {
        functional_level: left_out("ClusterFunctionalLevel", cluster.functional_level()).unwrap_or_default(),
        upgrade_version: left_out("ClusterUpgradeVersion", cluster.upgrade_version()).unwrap_or_default(),
        mixed_versions: information.mixed_versions,
        nodes: nodes.iter().map(|name| describe_node(cluster, name)).collect(),
        management_point_type: management_point(left_out("AdminAccessPoint", cluster.management_point_type())),
        server_version: format!("{major}.{minor}.{build}"),
        groups: names(cluster.groups()?),
        name: information.name,
    })
}

/// The names of enumerated objects, in order.
pub fn names(objects: Vec<ObjectName>) -> Vec<String> {
    let mut names: Vec<String> = objects.into_iter().map(|object| object.name).collect();
    names.sort_unstable_by_key(|name| name.to_lowercase());
    names
}

/// The member of an inspected cluster that goes by a host's name.
pub fn member<'a>(inspection: &'a v1::Inspection, host: &str) -> Option<&'a v1::Node> {
    inspection
        .cluster
        .as_ref()?
        .nodes
        .iter()
        .find(|node| is_host(&node.name, host))
}

/// Whether two names mean one host: a short name and an FQDN do when the short name is its first label. Names compare
/// without case (facts 2.1).
pub fn is_host(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    match (one.split_once('.'), other.split_once('.')) {
        (Some((short, _domain)), None) => short == other,
        (None, Some((short, _domain))) => short == one,
        (None, None) | (Some(_), Some(_)) => one == other,
    }
}

/// The state of a host in the form of the contract (facts 1.2, NODE_CLUSTER_STATE).
pub fn host_state(native: NodeClusterState) -> v1::HostState {
    match native {
        NodeClusterState::NOT_INSTALLED => v1::HostState::NotInstalled,
        NodeClusterState::NOT_CONFIGURED => v1::HostState::NotConfigured,
        NodeClusterState::NOT_RUNNING => v1::HostState::NotRunning,
        NodeClusterState::RUNNING => v1::HostState::Running,
        _ => v1::HostState::Unspecified,
    }
}

/// Opens a cluster by its own name or, when that leads nowhere, by any of the names that may lead to it: a new cluster's
/// name can take a while to be known on the network, some clusters have none there, and any node answers for its cluster.
///
/// # Errors
///
/// What the cluster API answers to the cluster's own name.
pub(crate) fn open_by_any_name(api: &Clusapi, cluster: &str, hosts: &[String]) -> Result<Cluster, Error> {
    let refused = match open(api, cluster) {
        Ok(opened) => return Ok(opened),
        Err(error) => error,
    };
    for host in hosts {
        if let Ok(opened) = open(api, host)
            && opened
                .information()
                .is_ok_and(|found| found.name.eq_ignore_ascii_case(cluster))
        {
            return Ok(opened);
        }
    }
    Err(refused)
}

fn describe_node(cluster: &Cluster, name: &str) -> v1::Node {
    let unknown = v1::Node {
        name: name.into(),
        native_state: -1,
        ..v1::Node::default()
    };
    let node = match cluster.open_node(name) {
        Ok(node) => node,
        Err(error) => {
            // A node can leave between the enumeration and now.
            tracing::debug!(node = name, %error, "A node could not be opened");
            return unknown;
        }
    };
    let native_state = node.state().map_or(-1, |state| state.0);
    let version = |property, read: Result<ClusterVersion, Error>| left_out(property, read.map(|version| version.0));
    v1::Node {
        id: node.id().unwrap_or_default(),
        state: node_state(native_state).into(),
        native_state,
        highest_version: version("NodeHighestVersion", node.highest_version()),
        lowest_version: version("NodeLowestVersion", node.lowest_version()),
        ..unknown
    }
}

/// The management point in the form of the contract (facts 1.2), shifted by one so that 0 stays "not known".
fn management_point(native: Option<ManagementPointType>) -> i32 {
    let point = match native {
        Some(ManagementPointType::NONE) => v1::ManagementPointType::None,
        Some(ManagementPointType::CNO) => v1::ManagementPointType::ActiveDirectoryAndDns,
        Some(ManagementPointType::DNS_ONLY) => v1::ManagementPointType::Dns,
        Some(ManagementPointType::CNO_ONLY) => v1::ManagementPointType::ActiveDirectory,
        Some(_) | None => v1::ManagementPointType::Unspecified,
    };
    point.into()
}

fn left_out<T: Default>(property: &str, read: Result<T, Error>) -> T {
    read.unwrap_or_else(|error| {
        tracing::debug!(property, %error, "A property could not be read");
        T::default()
    })
}

fn observe(api: &Clusapi, host: &str, inspection: &v1::Inspection) -> v1::HostObservation {
    let member = member(inspection, host).is_some();
    match api.node_cluster_state(Some(host)) {
        Ok(state) => v1::HostObservation {
            host: host.into(),
            state: host_state(state).into(),
            native_state: state.0,
            member,
            error: None,
        },
        Err(error) => v1::HostObservation {
            host: host.into(),
            member,
            error: native::error_status(&error),
            ..v1::HostObservation::default()
        },
    }
}

fn summary(inspection: &v1::Inspection, cluster: &str) -> String {
    let Some(seen) = &inspection.cluster else {
        let configured = inspection
            .hosts
            .iter()
            .filter(|host| matches!(host.state(), v1::HostState::NotRunning | v1::HostState::Running))
            .count();
        let asked = inspection.hosts.len();
        return format!(
            "Cluster {cluster:?} does not answer; {configured} of {asked} hosts asked are configured for a cluster."
        );
    };
    let up = seen
        .nodes
        .iter()
        .filter(|node| node.state() == v1::NodeState::Up)
        .count();
    format!(
        "Cluster {:?} answers at functional level {} with {up} of {} nodes up.",
        seen.name,
        seen.functional_level,
        seen.nodes.len()
    )
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn a_short_name_is_the_first_label_of_an_fqdn() {
        assert!(is_host("N1", "n1"));
        assert!(is_host("n1", "N1.example.org"));
        assert!(is_host("n1.example.org", "n1"));
        assert!(!is_host("n1.example.org", "n1.example.com"));
        assert!(!is_host("n1", "n10"));
    }
}

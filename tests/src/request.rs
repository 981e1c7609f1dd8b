//! Requests, as short as a test wants them.

use std::time::Duration;

use wsfc_client::v1;

/// Asks for a cluster at [`ADDRESS`](crate::world::ADDRESS), which makes it known by its name.
pub fn create_cluster(cluster: &str, nodes: &[&str]) -> v1::CreateClusterRequest {
    create_cluster_at(cluster, nodes, &[(crate::world::ADDRESS, 24)])
}

/// Asks for a cluster with these addresses and prefix lengths.
pub fn create_cluster_at(cluster: &str, nodes: &[&str], addresses: &[(&str, u32)]) -> v1::CreateClusterRequest {
    let ip_address = |(address, prefix_length): &(&str, u32)| v1::IpAddress {
        address: (*address).into(),
        prefix_length: *prefix_length,
    };
    v1::CreateClusterRequest {
        cluster: Some(v1::CreateClusterParameters {
            cluster: cluster.into(),
            nodes: nodes.iter().map(|node| (*node).into()).collect(),
            ip_addresses: addresses.iter().map(ip_address).collect(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Asks that a node be added, without the pause after a CreateCluster.
pub fn add_node(cluster: &str, node: &str) -> v1::AddNodeRequest {
    v1::AddNodeRequest {
        node: Some(v1::AddNodeParameters {
            cluster: cluster.into(),
            node: node.into(),
        }),
        options: None,
        settle_time: Some(prost_types::Duration::default()),
    }
}

/// Asks that a node be evicted.
pub fn evict_node(cluster: &str, node: &str) -> v1::EvictNodeRequest {
    v1::EvictNodeRequest {
        node: Some(v1::EvictNodeParameters {
            cluster: cluster.into(),
            node: node.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Asks that a cluster be destroyed, with its computer objects.
pub fn destroy_cluster(cluster: &str) -> v1::DestroyClusterRequest {
    v1::DestroyClusterRequest {
        cluster: Some(v1::DestroyClusterParameters {
            cluster: cluster.into(),
            delete_computer_objects: true,
        }),
        ..Default::default()
    }
}

/// Asks that the functional level be raised.
pub fn upgrade(cluster: &str) -> v1::UpgradeFunctionalLevelRequest {
    v1::UpgradeFunctionalLevelRequest {
        upgrade: Some(v1::UpgradeFunctionalLevelParameters {
            cluster: cluster.into(),
        }),
        ..Default::default()
    }
}

/// Options with a request id.
pub fn with_id(request_id: &str) -> v1::StartOptions {
    v1::StartOptions {
        request_id: request_id.into(),
        ..Default::default()
    }
}

/// Options that refuse to wait for another operation.
pub fn refuse_when_busy() -> v1::StartOptions {
    v1::StartOptions {
        busy_policy: v1::BusyPolicy::Refuse.into(),
        ..Default::default()
    }
}

/// A duration as the contract has it.
pub fn duration(duration: Duration) -> prost_types::Duration {
    // Test durations are far from the limits of the message.
    prost_types::Duration::try_from(duration).unwrap_or_default()
}

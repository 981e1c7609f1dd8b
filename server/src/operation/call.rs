//! A call: which function of the cluster API an operation stands for, on what, and what it locks.

use std::net::IpAddr;

use wsfc_proto::v1;
use wsfc_proto::v1::OperationKind;
pub use wsfc_proto::v1::operation_parameters::Parameters;

/// What an operation's parameters say about it, by kind.
pub trait Call {
    /// The kind of operation.
    fn kind(&self) -> OperationKind;
    /// The C function that it calls.
    fn function(&self) -> &'static str;
    /// The request's field that holds the parameters; field errors begin with it.
    fn field(&self) -> &'static str;
    /// The cluster as requested; empty is that of the daemon's host.
    fn cluster(&self) -> &str;
    /// The node, account or storage node; empty where the kind has none.
    fn target(&self) -> &str;
    /// The hosts that it names and configures.
    fn hosts(&self) -> Vec<&str>;
    /// True when the cluster must exist beforehand.
    fn needs_cluster(&self) -> bool {
        self.kind() != OperationKind::CreateCluster
    }
}

/// The keys that no other operation may hold meanwhile: those of the cluster and of each host that is configured.
///
/// Setup calls configure whole hosts, so a host is held as well as the cluster (facts 1.3: one at a time).
pub fn locks(cluster: &str, hosts: &[String]) -> Vec<String> {
    let mut keys = vec![cluster_key(cluster)];
    keys.extend(hosts.iter().map(|host| host_key(host)));
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The lock key of a host: its first label, so that a short name and an FQDN are one host. Two hosts of one name in two
/// domains share a key, and then one waits for the other.
pub fn host_key(host: &str) -> String {
    let host = host.to_lowercase();
    let is_address = host.parse::<IpAddr>().is_ok();
    let label = host.split('.').next().filter(|_| !is_address).unwrap_or(&host);
    format!("host:{label}")
}

/// The lock key of a cluster. Names compare without case (facts 2.1).
pub fn cluster_key(cluster: &str) -> String {
    format!("cluster:{}", cluster.to_lowercase())
}

impl Call for Parameters {
    fn kind(&self) -> OperationKind {
        match self {
            Self::CreateCluster(_) => OperationKind::CreateCluster,
            Self::AddNode(_) => OperationKind::AddNode,
            Self::EvictNode(_) => OperationKind::EvictNode,
            Self::DestroyCluster(_) => OperationKind::DestroyCluster,
            Self::UpgradeFunctionalLevel(_) => OperationKind::UpgradeFunctionalLevel,
            Self::CreateNameAccount(_) => OperationKind::CreateNameAccount,
            Self::RemoveNameAccount(_) => OperationKind::RemoveNameAccount,
            Self::RepairNameAccount(_) => OperationKind::RepairNameAccount,
            Self::AddStorageNode(_) => OperationKind::AddStorageNode,
            Self::RemoveStorageNode(_) => OperationKind::RemoveStorageNode,
        }
    }

    fn function(&self) -> &'static str {
        match self {
            Self::CreateCluster(_) => "CreateCluster",
            Self::AddNode(_) => "AddClusterNode",
            Self::EvictNode(_) => "EvictClusterNodeEx",
            Self::DestroyCluster(_) => "DestroyCluster",
            Self::UpgradeFunctionalLevel(_) => "ClusterUpgradeFunctionalLevel",
            Self::CreateNameAccount(_) => "CreateClusterNameAccount",
            Self::RemoveNameAccount(_) => "RemoveClusterNameAccount",
            Self::RepairNameAccount(_) => "RepairClusterNameAccount",
            Self::AddStorageNode(_) => "AddClusterStorageNode",
            Self::RemoveStorageNode(_) => "RemoveClusterStorageNode",
        }
    }

    fn field(&self) -> &'static str {
        match self {
            Self::CreateCluster(_) | Self::DestroyCluster(_) => "cluster",
            Self::AddNode(_) | Self::EvictNode(_) => "node",
            Self::UpgradeFunctionalLevel(_) => "upgrade",
            Self::CreateNameAccount(_) | Self::RemoveNameAccount(_) | Self::RepairNameAccount(_) => "account",
            Self::AddStorageNode(_) | Self::RemoveStorageNode(_) => "storage_node",
        }
    }

    fn cluster(&self) -> &str {
        match self {
            Self::CreateCluster(p) => &p.cluster,
            Self::AddNode(p) => &p.cluster,
            Self::EvictNode(p) => &p.cluster,
            Self::DestroyCluster(p) => &p.cluster,
            Self::UpgradeFunctionalLevel(p) => &p.cluster,
            Self::CreateNameAccount(p) => &p.cluster,
            Self::RemoveNameAccount(p) => &p.cluster,
            Self::RepairNameAccount(p) => &p.cluster,
            Self::AddStorageNode(p) => &p.cluster,
            Self::RemoveStorageNode(p) => &p.cluster,
        }
    }

    fn target(&self) -> &str {
        match self {
            Self::AddNode(p) => &p.node,
            Self::EvictNode(p) => &p.node,
            Self::CreateNameAccount(p) => &p.account,
            Self::AddStorageNode(p) => &p.node,
            Self::RemoveStorageNode(p) => &p.node,
            Self::CreateCluster(_)
            | Self::DestroyCluster(_)
            | Self::UpgradeFunctionalLevel(_)
            | Self::RemoveNameAccount(_)
            | Self::RepairNameAccount(_) => "",
        }
    }

    fn hosts(&self) -> Vec<&str> {
        match self {
            Self::CreateCluster(p) => p.nodes.iter().map(String::as_str).collect(),
            Self::AddNode(p) => vec![&p.node],
            Self::EvictNode(p) => vec![&p.node],
            Self::DestroyCluster(_)
            | Self::UpgradeFunctionalLevel(_)
            | Self::CreateNameAccount(_)
            | Self::RemoveNameAccount(_)
            | Self::RepairNameAccount(_)
            | Self::AddStorageNode(_)
            | Self::RemoveStorageNode(_) => Vec::new(),
        }
    }
}

/// The accepted parameters of an operation, which every operation has.
pub fn of(operation: &v1::Operation) -> Option<&Parameters> {
    operation.parameters.as_ref()?.parameters.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_hold_the_cluster_and_each_host_once_and_without_case() {
        let hosts = ["N2", "n1", "n2.example.org", "10.0.0.1"].map(String::from);
        assert_eq!(
            locks("CL1", &hosts),
            ["cluster:cl1", "host:10.0.0.1", "host:n1", "host:n2"]
        );
    }
}

//! `ClusterService`: the calls that set up and change whole clusters, and reads of whole clusters.

use std::collections::HashSet;

use tokio::task::JoinSet;
use tonic::{Request, Response, Status};
use wsfc_clusapi::{Answer, Error, Win32};
use wsfc_proto::{reasons, v1};

use super::generated::cluster_service_server::ClusterService;
use super::serve::{Service, serve};
use super::stream::RecordStream;
use super::{inventory, status};
use crate::native;
use crate::operation::execute::open;
use crate::operation::inspect::{describe, host_state};
use crate::operation::validate;

serve! {
    ClusterService:
    reads {
    self::get_cluster(GetClusterRequest) -> GetClusterResponse;
    inventory::get_cluster_state(GetClusterStateRequest) -> GetClusterStateResponse;
    self::get_host_state(GetHostStateRequest) -> GetHostStateResponse;
    self::check_upgrade(CheckUpgradeRequest) -> CheckUpgradeResponse;
    }
    starts {
    create_cluster(CreateClusterRequest) -> CreateClusterStream: CreateCluster, cluster, credentials;
    add_node(AddNodeRequest) -> AddNodeStream: AddNode, node, settle_time;
    evict_node(EvictNodeRequest) -> EvictNodeStream: EvictNode, node;
    destroy_cluster(DestroyClusterRequest) -> DestroyClusterStream: DestroyCluster, cluster;
    upgrade_functional_level(UpgradeFunctionalLevelRequest) -> UpgradeFunctionalLevelStream:
        UpgradeFunctionalLevel, upgrade;
    create_name_account(CreateNameAccountRequest) -> CreateNameAccountStream: CreateNameAccount, account, credentials;
    remove_name_account(RemoveNameAccountRequest) -> RemoveNameAccountStream: RemoveNameAccount, account;
    repair_name_account(RepairNameAccountRequest) -> RepairNameAccountStream: RepairNameAccount, account, credentials;
    add_storage_node(AddStorageNodeRequest) -> AddStorageNodeStream: AddStorageNode, storage_node;
    remove_storage_node(RemoveStorageNodeRequest) -> RemoveStorageNodeStream: RemoveStorageNode, storage_node;
    rename_cluster(RenameClusterRequest) -> RenameClusterStream: RenameCluster, cluster;
    shutdown_cluster(ShutdownClusterRequest) -> ShutdownClusterStream: ShutdownCluster, cluster;
    backup_database(BackupDatabaseRequest) -> BackupDatabaseStream: BackupDatabase, cluster;
    restore_database(RestoreDatabaseRequest) -> RestoreDatabaseStream: RestoreDatabase, cluster;
    }
    filtered {
    self::list_clusters(ListClustersRequest) -> ListClustersResponse;
    }
}

async fn get_cluster(service: &Service, request: v1::GetClusterRequest) -> Result<v1::GetClusterResponse, Status> {
    let cluster = service
        .read_cluster(&request.cluster, |cluster| describe(&cluster))
        .await?;
    Ok(v1::GetClusterResponse { cluster: Some(cluster) })
}

async fn list_clusters(
    service: &Service,
    _request: v1::ListClustersRequest,
) -> Result<v1::ListClustersResponse, Status> {
    service.list().await
}

async fn get_host_state(
    service: &Service,
    request: v1::GetHostStateRequest,
) -> Result<v1::GetHostStateResponse, Status> {
    let host = request.host;
    validate::name_to_open("host", &host).map_err(|fault| status::invalid(&[fault]))?;
    let what = if host.is_empty() {
        String::from("this host")
    } else {
        format!("host {host:?}")
    };
    let state = service
        .read(&what, move |api| {
            api.node_cluster_state((!host.is_empty()).then_some(host.as_str()))
        })
        .await?;
    Ok(v1::GetHostStateResponse {
        state: host_state(state).into(),
        native_state: state.0,
    })
}

async fn check_upgrade(
    service: &Service,
    request: v1::CheckUpgradeRequest,
) -> Result<v1::CheckUpgradeResponse, Status> {
    service.read_cluster(&request.cluster, upgrade).await
}

impl Service {
    /// The cluster of this host and those that operations were about, read side by side: one that does not answer takes
    /// its own time only. What is out of the scope is left out.
    async fn list(&self) -> Result<v1::ListClustersResponse, Status> {
        let mut looking = JoinSet::new();
        let scope = self.reach().scope;
        let mut known = self.engine.known_clusters();
        known.retain(|name| scope.holds(name));
        for name in std::iter::once(String::new()).chain(known) {
            let clusters = self.clone();
            looking.spawn(async move { clusters.look(name).await });
        }
        let mut looks = Vec::with_capacity(looking.len());
        while let Some(look) = looking.join_next().await {
            looks.extend(look.map_err(|_panicked| status::internal("a look at a cluster panicked"))??);
        }
        looks.retain(|look| match look {
            Ok(cluster) => scope.holds(&cluster.name),
            Err(lost) => scope.holds(&lost.cluster),
        });
        Ok(list(looks))
    }

    /// Reads one cluster for the list; nothing when there is none to read.
    async fn look(&self, name: String) -> Result<Option<Look>, Status> {
        let api = self.engine.api().clone();
        let asked = name.clone();
        let reading = self.engine.lists().run("wsfcd-read", move || {
            open(&api, &asked).and_then(|cluster| describe(&cluster))
        });
        let lost = |reason, status| {
            Some(Err(v1::UnreachableCluster {
                cluster: name.clone(),
                status,
                reason,
            }))
        };
        let limit = self.settings.get().limits.unary;
        let Ok(read) = tokio::time::timeout(limit, reading).await else {
            return Ok(lost(reasons::TIMED_OUT.into(), None));
        };
        Ok(match read.map_err(|error| status::blocking(&error))? {
            Ok(cluster) => Some(Ok(cluster)),
            Err(error) if name.is_empty() && means_no_cluster(&error) => None,
            Err(error) => lost(native::reason(&error), native::error_status(&error)),
        })
    }
}

/// A cluster that was read for the list, or why it could not be.
type Look = Result<v1::Cluster, v1::UnreachableCluster>;

/// Puts the list together. The cluster of this host has an empty name as long as it was not read, and may be known by
/// its own name as well.
fn list(looks: Vec<Look>) -> v1::ListClustersResponse {
    let mut listed = v1::ListClustersResponse::default();
    let mut names = HashSet::new();
    for look in looks {
        match look {
            Ok(cluster) if names.insert(cluster.name.to_lowercase()) => listed.clusters.push(cluster),
            Ok(_listed_before) => {}
            Err(lost) => listed.unreachable.push(lost),
        }
    }
    listed
        .unreachable
        .retain(|lost| !names.contains(&lost.cluster.to_lowercase()));
    listed
        .clusters
        .sort_unstable_by_key(|cluster| cluster.name.to_lowercase());
    listed
        .unreachable
        .sort_unstable_by_key(|lost| lost.cluster.to_lowercase());
    listed
}

/// Whether the answer to opening the local cluster means that this host has none, or none that runs: no cluster service,
/// none that listens, or none that has a node here. Guess: the codes are documented, but not for this case.
fn means_no_cluster(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        matches!(
            code,
            Win32::ERROR_SERVICE_DOES_NOT_EXIST
                | Win32::RPC_S_SERVER_UNAVAILABLE
                | Win32::EPT_S_NOT_REGISTERED
                | Win32::ERROR_CLUSTER_LOCAL_NODE_NOT_FOUND
        )
    })
}

/// "0" from the native check does not mean that an upgrade is available: it is also the answer when no node supports the
/// next level (facts 1.7), so the nodes' own versions decide.
fn upgrade(cluster: wsfc_clusapi::Cluster) -> Result<v1::CheckUpgradeResponse, Error> {
    let described = describe(&cluster)?;
    // The description leaves out what cannot be read; here the level decides. Clusters before functional levels have none,
    // and nothing to raise.
    let level = cluster.functional_level()?;
    let native = match cluster.upgrade_functional_level(false, |_phase| Answer::Continue) {
        Ok(_allowed) => 0,
        Err(error) => error.code().ok_or(error)?.0,
    };
    let next = level.and_then(|level| level.checked_add(1));
    let supports = |node: &&v1::Node| next.is_some_and(|next| node.highest_version >> 16 >= next);
    let (able, blocking): (Vec<_>, Vec<_>) = described.nodes.iter().partition(supports);
    let available = !able.is_empty() && blocking.is_empty();
    Ok(v1::CheckUpgradeResponse {
        upgrade_available: available,
        current_level: level.unwrap_or_default(),
        target_level: next.filter(|_| available).or(level).unwrap_or_default(),
        blocking_nodes: if able.is_empty() {
            Vec::new()
        } else {
            blocking.iter().map(|node| node.name.clone()).collect()
        },
        native_check: Some(native::status(native)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str) -> Look {
        Ok(v1::Cluster {
            name: name.into(),
            ..v1::Cluster::default()
        })
    }

    fn lost(name: &str) -> Look {
        Err(v1::UnreachableCluster {
            cluster: name.into(),
            ..v1::UnreachableCluster::default()
        })
    }

    #[test]
    fn a_cluster_is_listed_once_however_it_was_reached() {
        let listed = list(vec![
            lost("z"),
            cluster("CL2"),
            lost("cl1"),
            cluster("CL1"),
            cluster("cl2"),
            lost(""),
        ]);
        let names: Vec<_> = listed.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        assert_eq!(names, ["CL1", "CL2"]);
        let names: Vec<_> = listed.unreachable.iter().map(|lost| lost.cluster.as_str()).collect();
        assert_eq!(names, ["", "z"]);
    }
}

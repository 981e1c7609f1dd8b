//! `ClusterService`: the calls that start operations, and reads of whole clusters.

use std::collections::HashSet;

use tokio::task::JoinSet;
use tonic::{Request, Response, Status};
use wsfc_clusapi::{Answer, Clusapi, Error, Win32};
use wsfc_proto::{reasons, v1};

use super::frame::Frame;
use super::generated::cluster_service_server::ClusterService;
use super::stream::{RecordStream, Streams};
use super::{principal, status};
use crate::journal::ReadError;
use crate::native;
use crate::operation::call::Parameters;
use crate::operation::engine::Engine;
use crate::operation::execute::open;
use crate::operation::inspect::{describe, host_state};
use crate::operation::start::{Start, Started};
use crate::operation::validate::{self, FieldViolation};
use crate::settings::Settings;
use crate::settings::current::Current;

/// The service on one serving thread.
#[derive(Clone)]
pub struct Clusters {
    /// The engine.
    pub engine: Engine,
    /// The streams of the thread.
    pub streams: Streams,
    /// Say how long a read may take.
    pub settings: Current<Settings>,
}

/// A request that starts an operation: its parameters, and the rest.
#[derive(Default)]
struct Asked {
    call: Option<Parameters>,
    options: Option<v1::StartOptions>,
    credentials: Option<v1::Credentials>,
    settle_time: Option<prost_types::Duration>,
}

/// Takes a request apart; `field` is the field that holds the parameters.
macro_rules! asked {
    ($request:ident, $variant:ident, $field:ident $(, $rest:ident)*) => {{
        let asked = Asked {
            call: $request.$field.map(Parameters::$variant),
            options: $request.options,
            $($rest: $request.$rest,)*
            ..Asked::default()
        };
        (asked, stringify!($field))
    }};
}

/// The methods that start operations differ in their request alone.
macro_rules! starts {
    ($($method:ident($request_type:ident) -> $stream:ident: $variant:ident, $field:ident $(, $rest:ident)*;)*) => {
        #[tonic::async_trait]
        impl ClusterService for Clusters {
            $(
                type $stream = RecordStream;

                async fn $method(&self, request: Request<v1::$request_type>) -> Result<Response<RecordStream>, Status> {
                    let caller = principal(&request);
                    let request = request.into_inner();
                    let (asked, field) = asked!(request, $variant, $field $(, $rest)*);
                    self.start(asked, field, caller).await
                }
            )*

            async fn get_cluster(
                &self,
                request: Request<v1::GetClusterRequest>,
            ) -> Result<Response<v1::GetClusterResponse>, Status> {
                let name = request.into_inner().cluster;
                let cluster = self.read_cluster(&name, |cluster| describe(&cluster)).await?;
                Ok(Response::new(v1::GetClusterResponse { cluster: Some(cluster) }))
            }

            async fn list_clusters(
                &self,
                _request: Request<v1::ListClustersRequest>,
            ) -> Result<Response<v1::ListClustersResponse>, Status> {
                Ok(Response::new(self.list().await?))
            }

            async fn get_host_state(
                &self,
                request: Request<v1::GetHostStateRequest>,
            ) -> Result<Response<v1::GetHostStateResponse>, Status> {
                let host = request.into_inner().host;
                validate::name_to_open("host", &host).map_err(|fault| status::invalid(&[fault]))?;
                let what = if host.is_empty() { String::from("this host") } else { format!("host {host:?}") };
                let state = self
                    .read(&what, move |api| api.node_cluster_state((!host.is_empty()).then_some(host.as_str())))
                    .await?;
                let answer = v1::GetHostStateResponse { state: host_state(state).into(), native_state: state.0 };
                Ok(Response::new(answer))
            }

            async fn check_upgrade(
                &self,
                request: Request<v1::CheckUpgradeRequest>,
            ) -> Result<Response<v1::CheckUpgradeResponse>, Status> {
                let name = request.into_inner().cluster;
                Ok(Response::new(self.read_cluster(&name, check_upgrade).await?))
            }
        }
    };
}

starts! {
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
}

impl Clusters {
    async fn start(&self, asked: Asked, field: &str, principal: String) -> Result<Response<RecordStream>, Status> {
        let Some(call) = asked.call else {
            let missing = FieldViolation {
                field: field.into(),
                description: "is required".into(),
            };
            return Err(status::invalid(&[missing]));
        };
        let start = Start {
            call,
            credentials: asked.credentials,
            options: asked.options.unwrap_or_default(),
            settle_time: asked.settle_time,
            principal,
        };
        match self.engine.start(start).await.map_err(|error| status::start(&error))? {
            Started::Validated(report) => Ok(Response::new(self.streams.single(Frame::validation(&report)))),
            Started::Operation(id) => {
                let opened = match self.streams.open(id, 0) {
                    // A request that is repeated late still gets its operation: the records that are kept, after a mark
                    // that says where they begin.
                    Err(ReadError::Compacted { oldest }) => self.streams.open(id, oldest.saturating_sub(1)),
                    opened => opened,
                };
                let stream = opened.map_err(|error| status::read(&id.to_string(), &error))?;
                Ok(Response::new(stream))
            }
        }
    }

    async fn read_cluster<T: Send + 'static>(
        &self,
        name: &str,
        read: impl FnOnce(wsfc_clusapi::Cluster) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Status> {
        validate::name_to_open("cluster", name).map_err(|fault| status::invalid(&[fault]))?;
        let what = if name.is_empty() {
            String::from("the cluster of this host")
        } else {
            format!("cluster {name:?}")
        };
        let name = name.to_owned();
        self.read(&what, move |api| read(open(api, &name)?)).await
    }

    /// The cluster of this host and those that operations were about, read side by side: one that does not answer takes
    /// its own time only.
    async fn list(&self) -> Result<v1::ListClustersResponse, Status> {
        let mut looking = JoinSet::new();
        for name in std::iter::once(String::new()).chain(self.engine.known_clusters()) {
            let clusters = self.clone();
            looking.spawn(async move { clusters.look(name).await });
        }
        let mut looks = Vec::with_capacity(looking.len());
        while let Some(look) = looking.join_next().await {
            looks.extend(look.map_err(|_panicked| status::internal("a look at a cluster panicked"))??);
        }
        Ok(list(looks))
    }

    /// Reads one cluster for the list; nothing when there is none to read.
    async fn look(&self, name: String) -> Result<Option<Look>, Status> {
        let api = self.engine.api().clone();
        let asked = name.clone();
        let reading = self.engine.blocking().run("wsfcd-read", move || {
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

    /// Reads from the cluster API on a thread of its own, in bounded time.
    async fn read<T: Send + 'static>(
        &self,
        what: &str,
        read: impl FnOnce(&Clusapi) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Status> {
        let api = self.engine.api().clone();
        let reading = self.engine.blocking().run("wsfcd-read", move || read(&api));
        let limit = self.settings.get().limits.unary;
        let read = tokio::time::timeout(limit, reading)
            .await
            .map_err(|_elapsed| status::deadline(&format!("the read of {what}"), limit))?;
        read.map_err(|error| status::blocking(&error))?
            .map_err(|error| status::cluster_api(what, &error))
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
fn check_upgrade(cluster: wsfc_clusapi::Cluster) -> Result<v1::CheckUpgradeResponse, Error> {
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

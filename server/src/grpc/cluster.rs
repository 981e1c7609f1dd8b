//! `ClusterService`: the calls that start operations, and reads of whole clusters.

use std::time::Duration;

use tonic::{Request, Response, Status};
use wsfc_clusapi::{Answer, Clusapi, Error};
use wsfc_proto::v1;

use super::frame::Frame;
use super::generated::cluster_service_server::ClusterService;
use super::stream::{RecordStream, Streams};
use super::{principal, status};
use crate::native;
use crate::operation::call::Parameters;
use crate::operation::engine::{Engine, Start, Started};
use crate::operation::execute::open;
use crate::operation::inspect::{describe, host_state};
use crate::operation::validate::{self, FieldViolation};

/// The service on one serving thread.
#[derive(Clone)]
pub struct Clusters {
    /// The engine.
    pub engine: Engine,
    /// The streams of the thread.
    pub streams: Streams,
    /// How long a read may take.
    pub unary: Duration,
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
                let known = self.engine.known_clusters();
                let listed = self.read("the clusters", move |api| Ok(list(api, &known))).await?;
                Ok(Response::new(listed))
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
                let stream = self
                    .streams
                    .open(id, 0)
                    .map_err(|error| status::read(&id.to_string(), &error))?;
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

    /// Reads from the cluster API on a thread of its own, in bounded time.
    async fn read<T: Send + 'static>(
        &self,
        what: &str,
        read: impl FnOnce(&Clusapi) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Status> {
        let api = self.engine.api().clone();
        let reading = self.engine.blocking().run("wsfcd-read", move || read(&api));
        let read = tokio::time::timeout(self.unary, reading)
            .await
            .map_err(|_elapsed| status::deadline(&format!("the read of {what}"), self.unary))?;
        read.map_err(|error| status::blocking(&error))?
            .map_err(|error| status::cluster_api(what, &error))
    }
}

/// The cluster of this host and those that operations were about.
fn list(api: &Clusapi, known: &[String]) -> v1::ListClustersResponse {
    let mut listed = v1::ListClustersResponse::default();
    // A host without a cluster is no error here.
    if let Ok(own) = api.open_cluster(None).and_then(|cluster| describe(&cluster)) {
        listed.clusters.push(own);
    }
    for name in known {
        if listed
            .clusters
            .iter()
            .any(|cluster| cluster.name.eq_ignore_ascii_case(name))
        {
            continue;
        }
        match api.open_cluster(Some(name)).and_then(|cluster| describe(&cluster)) {
            Ok(cluster) => listed.clusters.push(cluster),
            Err(error) => listed.unreachable.push(v1::UnreachableCluster {
                cluster: name.clone(),
                status: native::error_status(&error),
            }),
        }
    }
    listed
        .clusters
        .sort_unstable_by_key(|cluster| cluster.name.to_lowercase());
    listed
}

/// "0" from the native check does not mean that an upgrade is available: it is also the answer when no node supports the
/// next level (facts 1.7), so the nodes' own versions decide.
fn check_upgrade(cluster: wsfc_clusapi::Cluster) -> Result<v1::CheckUpgradeResponse, Error> {
    let described = describe(&cluster)?;
    let native = match cluster.upgrade_functional_level(false, |_phase| Answer::Continue) {
        Ok(_allowed) => 0,
        Err(error) => error.code().ok_or(error)?.0,
    };
    let next = described.functional_level + 1;
    let supports = |node: &&v1::Node| node.highest_version >> 16 >= next;
    let (able, blocking): (Vec<_>, Vec<_>) = described.nodes.iter().partition(supports);
    let available = !able.is_empty() && blocking.is_empty();
    Ok(v1::CheckUpgradeResponse {
        upgrade_available: available,
        current_level: described.functional_level,
        target_level: if available { next } else { described.functional_level },
        blocking_nodes: if able.is_empty() {
            Vec::new()
        } else {
            blocking.iter().map(|node| node.name.clone()).collect()
        },
        native_check: Some(native::status(native)),
    })
}

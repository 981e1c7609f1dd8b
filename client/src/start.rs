//! Starting operations, and the streams that records come in.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use wsfc_proto::v1::cluster_service_client::ClusterServiceClient;
use wsfc_proto::v1::{self, OperationRecord, StartOptions, StreamMark, ValidationReport};

/// One message of the stream of an operation, whichever call it came from.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) records: Vec<OperationRecord>,
    pub(crate) mark: Option<StreamMark>,
    pub(crate) validation: Option<ValidationReport>,
}

impl Chunk {
    /// The operation that the message is about.
    pub(crate) fn operation_id(&self) -> Option<&str> {
        let mark = self.mark.as_ref().map(|mark| mark.operation_id.as_str());
        mark.or_else(|| self.records.first().map(|record| record.operation_id.as_str()))
    }
}

impl From<v1::WatchOperationResponse> for Chunk {
    fn from(message: v1::WatchOperationResponse) -> Self {
        Self {
            records: message.records,
            mark: message.mark,
            validation: None,
        }
    }
}

/// The open stream of an operation.
pub(crate) struct ChunkStream(Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>);

impl ChunkStream {
    pub(crate) fn new<M: Into<Chunk> + Send + 'static>(stream: Streaming<M>) -> Self {
        Self(Box::pin(stream.map(|message| message.map(Into::into))))
    }
}

impl Stream for ChunkStream {
    type Item = Result<Chunk, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

pub(crate) mod sealed {
    use super::{BoxFuture, Channel, ChunkStream, StartOptions, Status};

    /// What every request that starts an operation has in common.
    pub trait Start: Clone + Send + Sync + 'static {
        /// The name of the method.
        const METHOD: &'static str;

        fn options_mut(&mut self) -> &mut Option<StartOptions>;

        #[expect(
            private_interfaces,
            reason = "the trait is sealed: nobody outside can name or call it"
        )]
        fn open(self, channel: Channel) -> BoxFuture<'static, Result<ChunkStream, Status>>;
    }
}

/// A request that starts an operation; see [`Client::start`](crate::Client::start).
pub trait StartRequest: sealed::Start {}

macro_rules! start_requests {
    ($($request:ident, $response:ident, $call:ident, $method:literal;)*) => {
        $(
            impl From<v1::$response> for Chunk {
                fn from(message: v1::$response) -> Self {
                    Self { records: message.records, mark: message.mark, validation: message.validation }
                }
            }

            impl sealed::Start for v1::$request {
                const METHOD: &'static str = $method;

                fn options_mut(&mut self) -> &mut Option<StartOptions> {
                    &mut self.options
                }

                #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call it")]
                fn open(self, channel: Channel) -> BoxFuture<'static, Result<ChunkStream, Status>> {
                    Box::pin(async move {
                        let stream = ClusterServiceClient::new(channel).$call(self).await?;
                        Ok(ChunkStream::new(stream.into_inner()))
                    })
                }
            }

            impl StartRequest for v1::$request {}
        )*

        /// The named starts.
        impl crate::Client {
            $(
                #[doc = concat!("Starts a ", $method, "; see [`start`](Self::start) for how, and the contract for what.")]
                ///
                /// # Errors
                ///
                /// As [`start`](Self::start).
                pub async fn $call(&self, request: v1::$request) -> Result<crate::Operation, crate::Error> {
                    self.start(request).await
                }
            )*
        }
    };
}

start_requests! {
    CreateClusterRequest, CreateClusterResponse, create_cluster, "CreateCluster";
    AddNodeRequest, AddNodeResponse, add_node, "AddNode";
    EvictNodeRequest, EvictNodeResponse, evict_node, "EvictNode";
    DestroyClusterRequest, DestroyClusterResponse, destroy_cluster, "DestroyCluster";
    UpgradeFunctionalLevelRequest, UpgradeFunctionalLevelResponse, upgrade_functional_level, "UpgradeFunctionalLevel";
    CreateNameAccountRequest, CreateNameAccountResponse, create_name_account, "CreateNameAccount";
    RemoveNameAccountRequest, RemoveNameAccountResponse, remove_name_account, "RemoveNameAccount";
    RepairNameAccountRequest, RepairNameAccountResponse, repair_name_account, "RepairNameAccount";
    AddStorageNodeRequest, AddStorageNodeResponse, add_storage_node, "AddStorageNode";
    RemoveStorageNodeRequest, RemoveStorageNodeResponse, remove_storage_node, "RemoveStorageNode";
}

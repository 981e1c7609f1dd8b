//! The client: a method for every call of the daemon.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt as _;
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::{Response, Status, Streaming};
use tower::Service;
use uuid::Uuid;
use wsfc_proto::v1;
use wsfc_proto::v1::cluster_service_client::ClusterServiceClient;
use wsfc_proto::v1::event_service_client::EventServiceClient;
use wsfc_proto::v1::operation_service_client::OperationServiceClient;
use wsfc_proto::v1::resource_service_client::ResourceServiceClient;
use wsfc_proto::v1::workload_service_client::WorkloadServiceClient;

use crate::backoff::Backoff;
use crate::connect::{Channel, ConnectOptions, Connections, Way};
use crate::error::Error;
use crate::line::Messages;
use crate::operation::{Opened, Operation};
use crate::start::sealed::Start as _;
use crate::start::{ChunkStream, Parameters, StartRequest, chunks};

/// A client of one daemon. Cheap to clone; clones share the connection.
///
/// A broken connection is made anew by the next call, at the endpoint that worked last and then at the others. Reads,
/// cancellations and starts are repeated after a broken connection until
/// [`request_timeout`](ConnectOptions::request_timeout) has passed.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    connections: Connections,
    options: ConnectOptions,
}

impl Client {
    /// Connects to the first endpoint that answers.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for options that cannot be used, [`Error::Connect`] when no endpoint answers.
    pub async fn connect(options: ConnectOptions) -> Result<Self, Error> {
        let client = Self::lazy(options)?;
        client.shared.connections.connection(None).await?;
        Ok(client)
    }

    /// A client that connects with its first call.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for options that cannot be used.
    pub fn lazy(options: ConnectOptions) -> Result<Self, Error> {
        let connections = Connections::new(&options)?;
        Ok(Self {
            shared: Arc::new(Shared { connections, options }),
        })
    }

    /// A client that connects with its first call and takes its byte streams from `connector`, for example from a
    /// simulated network or a pipe in memory. TLS, where the endpoints ask for it, is done over them.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for options that cannot be used.
    pub fn from_connector<C>(options: ConnectOptions, connector: C) -> Result<Self, Error>
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        C::Future: Send,
        tower::BoxError: From<C::Error> + Send,
    {
        let connections = Connections::with_connector(&options, connector)?;
        Ok(Self {
            shared: Arc::new(Shared { connections, options }),
        })
    }

    /// The options that the client was made with.
    pub fn options(&self) -> &ConnectOptions {
        &self.shared.options
    }

    /// Starts an operation, or attaches to the one that the same request id started.
    ///
    /// An empty `options.request_id` is filled with a new UUID, so that the start can be repeated when its answer is
    /// lost, and never starts twice.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with the reasons of the call, [`Error::TimedOut`] when the daemon cannot be reached in time,
    /// [`Error::Invalid`] with `options.validate_only`, which is what [`validate`](Self::validate) is for,
    /// [`Error::SecretInPlain`] for a request with a secret that would go over plain TCP.
    pub async fn start<P: Parameters>(&self, request: P) -> Result<Operation, Error> {
        let mut request = request.into_request();
        let options = request.options_mut().get_or_insert_default();
        if options.validate_only {
            let problem = "a start cannot only validate; call `validate` instead".to_owned();
            return Err(Error::Invalid {
                field: "options.validate_only",
                problem,
            });
        }
        if options.request_id.is_empty() {
            options.request_id = Uuid::new_v4().to_string();
        }
        let (opened, way) = self.open(request).await?;
        let (first, rest) = opened;
        let Some(operation_id) = first.operation_id().map(ToOwned::to_owned) else {
            return Err(Error::Malformed {
                method: P::Request::METHOD,
                problem: "its first message names no operation",
            });
        };
        Ok(Operation::new(
            self.clone(),
            operation_id,
            Some(Opened {
                first,
                rest,
                way,
                method: P::Request::METHOD,
            }),
        ))
    }

    /// Asks what would be refused, and starts nothing. The answer holds what is allowed but unwise.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with what would be refused; otherwise as [`start`](Self::start).
    pub async fn validate<P: Parameters>(&self, request: P) -> Result<v1::ValidationReport, Error> {
        let mut request = request.into_request();
        request.options_mut().get_or_insert_default().validate_only = true;
        let ((first, _), _) = self.open(request).await?;
        first.validation.ok_or(Error::Malformed {
            method: P::Request::METHOD,
            problem: "the validation report is missing",
        })
    }

    /// Opens the stream of a start and reads its first message.
    async fn open<R: StartRequest>(&self, request: R) -> Result<((crate::start::Chunk, ChunkStream), Way), Error> {
        if let Some(field) = request.secret() {
            self.shared.connections.check_secret(R::METHOD, field)?;
        }
        self.bounded(R::METHOD, request, |channel, request: R| async move {
            let mut chunks = request.open(channel).await?;
            match chunks.next().await {
                Some(first) => Ok((first?, chunks)),
                None => Err(Status::unavailable("the stream ended before its first message")),
            }
        })
        .await
    }

    /// A handle on an operation that was started before, by whomever. Asks nothing: an operation that does not exist
    /// shows with the first call on the handle.
    pub fn operation(&self, operation_id: impl Into<String>) -> Operation {
        Operation::new(self.clone(), operation_id.into(), None)
    }

    /// Opens a stream of an operation's records. `failed` is the number of the connection that broke, if one did.
    pub(crate) async fn records(
        &self,
        request: v1::WatchOperationRequest,
        failed: Option<u64>,
    ) -> Result<(ChunkStream, Way), (Error, Option<Way>)> {
        let open = |channel| async move { OperationServiceClient::new(channel).watch_operation(request).await };
        let (stream, way) = self.open_stream(WATCH_OPERATION, failed, open).await?;
        Ok((chunks(stream), way))
    }

    /// Opens a stream of events, as [`records`](Self::records) does one of records.
    pub(crate) async fn events(
        &self,
        request: v1::WatchRequest,
        failed: Option<u64>,
    ) -> Result<(Messages<v1::WatchResponse>, Way), (Error, Option<Way>)> {
        let open = |channel| async move { EventServiceClient::new(channel).watch(request).await };
        let (stream, way) = self.open_stream(WATCH, failed, open).await?;
        Ok((Box::pin(stream), way))
    }

    /// Opens a stream of the statuses of resources. They are events, and are made to look like a stream of those.
    pub(crate) async fn statuses(
        &self,
        request: v1::WatchStatusRequest,
        failed: Option<u64>,
    ) -> Result<(Messages<v1::WatchResponse>, Way), (Error, Option<Way>)> {
        let open = |channel| async move { ResourceServiceClient::new(channel).watch_status(request).await };
        let (stream, way) = self.open_stream(WATCH_STATUS, failed, open).await?;
        let events = stream.map(|message| {
            message.map(|v1::WatchStatusResponse { events, mark }| v1::WatchResponse {
                events,
                mark,
                ..Default::default()
            })
        });
        Ok((Box::pin(events), way))
    }

    /// Opens the stream of an agent, which `said` speaks in.
    pub(crate) async fn attach(
        &self,
        said: impl Stream<Item = v1::AttachRequest> + Send + 'static,
        failed: Option<u64>,
    ) -> Result<(Messages<v1::AttachResponse>, Way), (Error, Option<Way>)> {
        let open = |channel| async move { WorkloadServiceClient::new(channel).attach(said).await };
        let (stream, way) = self.open_stream(ATTACH, failed, open).await?;
        Ok((Box::pin(stream), way))
    }

    /// Opens a stream once, on a connection that has not `failed`.
    async fn open_stream<M, A>(
        &self,
        method: &'static str,
        failed: Option<u64>,
        open: impl FnOnce(Channel) -> A,
    ) -> Result<(Streaming<M>, Way), (Error, Option<Way>)>
    where
        A: Future<Output = Result<Response<Streaming<M>>, Status>>,
    {
        let connection = self
            .shared
            .connections
            .connection(failed)
            .await
            .map_err(|error| (error, None))?;
        let way = connection.way;
        let after = self.shared.options.silence_timeout;
        let opened = match tokio::time::timeout(after, open(connection.channel)).await {
            Ok(opened) => opened.map_err(|status| Error::from_status(method, status)),
            Err(_) => Err(Error::TimedOut {
                method,
                after,
                last: None,
            }),
        };
        match opened {
            Ok(stream) => Ok((stream.into_inner(), way)),
            Err(error) => Err((error, Some(way))),
        }
    }

    /// Calls until there is an answer, a final error, or `request_timeout` has passed.
    pub(crate) async fn bounded<Q, T, F, A>(&self, method: &'static str, request: Q, call: F) -> Result<(T, Way), Error>
    where
        Q: Clone,
        F: Fn(Channel, Q) -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let budget = Some(self.shared.options.request_timeout);
        self.repeating(method, budget, request, call).await
    }

    /// Calls until there is an answer, a final error, or `budget` has passed. Gives the way that the answer came. A token
    /// that is over is exchanged once for one that is there.
    async fn repeating<Q, T, F, A>(
        &self,
        method: &'static str,
        budget: Option<Duration>,
        request: Q,
        call: F,
    ) -> Result<(T, Way), Error>
    where
        Q: Clone,
        F: Fn(Channel, Q) -> A,
        A: Future<Output = Result<T, Status>>,
    {
        let mut backoff = self.backoff();
        let mut last = None;
        let attempts = async {
            let mut failed = None;
            let mut exchanged = false;
            loop {
                let error = match self.shared.connections.connection(failed).await {
                    Ok(connection) => match call(connection.channel, request.clone()).await {
                        Ok(answer) => return Ok((answer, connection.way)),
                        Err(status) => {
                            let error = Error::from_status(method, status);
                            let over = !exchanged && error.expired_token().is_some();
                            if over && self.has_another_token(&connection.way) {
                                exchanged = true;
                                continue;
                            }
                            failed = (!error.is_pace()).then_some(connection.way.generation);
                            error
                        }
                    },
                    Err(error) => error,
                };
                if !error.is_passing() {
                    return Err(error);
                }
                let delay = backoff.next(error.retry_delay());
                tracing::debug!(method, ?delay, error = %error, "Repeating a call");
                last = Some(Box::new(error));
                tokio::time::sleep(delay).await;
            }
        };
        let Some(after) = budget else {
            return attempts.await;
        };
        match tokio::time::timeout(after, attempts).await {
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut { method, after, last }),
        }
    }

    /// Whether there is another token now than the one that was shown on the way.
    pub(crate) fn has_another_token(&self, way: &Way) -> bool {
        self.shared.connections.credentials().differ_from(&way.shown)
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.shared.options.retry_initial, self.shared.options.retry_longest)
    }

    /// Returns a cluster as it stands now. An empty name is the cluster of the daemon's host.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with the native code when the cluster cannot be opened.
    pub async fn get_cluster(&self, cluster: impl Into<String>) -> Result<v1::Cluster, Error> {
        let request = v1::GetClusterRequest {
            cluster: cluster.into(),
        };
        let call = |channel, request| async move { ClusterServiceClient::new(channel).get_cluster(request).await };
        let (answer, _) = self.bounded("GetCluster", request, call).await?;
        required(answer.into_inner().cluster, "GetCluster", "the cluster is missing")
    }

    /// Lists the clusters that the daemon knows, and those of them that it cannot open.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn list_clusters(&self) -> Result<v1::ListClustersResponse, Error> {
        let request = v1::ListClustersRequest {};
        let call = |channel, request| async move { ClusterServiceClient::new(channel).list_clusters(request).await };
        let (answer, _) = self.bounded("ListClusters", request, call).await?;
        Ok(answer.into_inner())
    }

    /// Returns the cluster state of a host. An empty name is the daemon's host.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with the native code when the host does not answer.
    pub async fn get_host_state(&self, host: impl Into<String>) -> Result<v1::GetHostStateResponse, Error> {
        let request = v1::GetHostStateRequest { host: host.into() };
        let call = |channel, request| async move { ClusterServiceClient::new(channel).get_host_state(request).await };
        let (answer, _) = self.bounded("GetHostState", request, call).await?;
        Ok(answer.into_inner())
    }

    /// Tells whether the functional level of a cluster can be raised; changes nothing.
    ///
    /// # Errors
    ///
    /// As [`get_cluster`](Self::get_cluster).
    pub async fn check_upgrade(&self, cluster: impl Into<String>) -> Result<v1::CheckUpgradeResponse, Error> {
        let request = v1::CheckUpgradeRequest {
            cluster: cluster.into(),
        };
        let call = |channel, request| async move { ClusterServiceClient::new(channel).check_upgrade(request).await };
        let (answer, _) = self.bounded("CheckUpgrade", request, call).await?;
        Ok(answer.into_inner())
    }

    /// Returns an operation as it stands, with the id of the daemon's journal.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with OPERATION_NOT_FOUND.
    pub async fn get_operation(&self, operation_id: impl Into<String>) -> Result<v1::GetOperationResponse, Error> {
        let request = v1::GetOperationRequest {
            operation_id: operation_id.into(),
        };
        let call = |channel, request| async move { OperationServiceClient::new(channel).get_operation(request).await };
        let (answer, _) = self.bounded("GetOperation", request, call).await?;
        Ok(answer.into_inner())
    }

    /// Lists all operations from the page of `request` on, page by page as they are asked for. The stream ends after
    /// its first error.
    pub fn all_operations(
        &self,
        request: v1::ListOperationsRequest,
    ) -> impl Stream<Item = Result<v1::Operation, Error>> + Send + use<> {
        self.list_all(request)
    }

    /// Waits once until an operation has ended, or for `timeout` (at most 10 minutes), and returns it as it then
    /// stands. [`Operation::wait`] waits to the end.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with OPERATION_NOT_FOUND or INVALID_FIELD.
    pub async fn wait_operation(
        &self,
        operation_id: impl Into<String>,
        timeout: Duration,
    ) -> Result<v1::Operation, Error> {
        let budget = timeout.saturating_add(self.shared.options.request_timeout);
        self.wait_within(operation_id.into(), timeout, Some(budget)).await
    }

    pub(crate) async fn wait_within(
        &self,
        operation_id: String,
        timeout: Duration,
        budget: Option<Duration>,
    ) -> Result<v1::Operation, Error> {
        let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
        let nanos = i32::try_from(timeout.subsec_nanos()).unwrap_or_default();
        let request = v1::WaitOperationRequest {
            operation_id,
            timeout: Some(prost_types::Duration { seconds, nanos }),
        };
        let call = |channel, request| async move { OperationServiceClient::new(channel).wait_operation(request).await };
        let (answer, _) = self.repeating("WaitOperation", budget, request, call).await?;
        required(
            answer.into_inner().operation,
            "WaitOperation",
            "the operation is missing",
        )
    }

    /// Asks that an operation be cancelled, and returns it as it then stands.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] with OPERATION_NOT_FOUND or OPERATION_ENDED.
    pub async fn cancel_operation(&self, operation_id: impl Into<String>) -> Result<v1::Operation, Error> {
        let request = v1::CancelOperationRequest {
            operation_id: operation_id.into(),
        };
        let call =
            |channel, request| async move { OperationServiceClient::new(channel).cancel_operation(request).await };
        let (answer, _) = self.bounded("CancelOperation", request, call).await?;
        required(
            answer.into_inner().operation,
            "CancelOperation",
            "the operation is missing",
        )
    }
}

/// The method of the streams that a progress stream opens.
pub(crate) const WATCH_OPERATION: &str = "WatchOperation";

/// The method of the streams that a watch opens.
pub(crate) const WATCH: &str = "Watch";

/// The method of the streams that a watch of statuses opens.
pub(crate) const WATCH_STATUS: &str = "WatchStatus";

/// The method of the streams that an agent opens.
pub(crate) const ATTACH: &str = "Attach";

pub(crate) fn required<T>(value: Option<T>, method: &'static str, problem: &'static str) -> Result<T, Error> {
    value.ok_or(Error::Malformed { method, problem })
}

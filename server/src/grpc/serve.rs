//! What the services share: how an operation is started, how a cluster is read, and the methods that do one or the
//! other.

use tonic::{Request, Response, Status};
use wsfc_clusapi::{Clusapi, Error};
use wsfc_proto::v1;

use super::frame::Frame;
use super::status;
use super::stream::{RecordStream, Streams};
use crate::access::layer::Caller;
use crate::access::policy::{Reach, Scope};
use crate::audit::Began;
use crate::inventory::Clusters;
use crate::journal::ReadError;
use crate::listen::connection::Medium;
use crate::operation::call::Parameters;
use crate::operation::engine::Engine;
use crate::operation::execute::open;
use crate::operation::execute::scene::means_not_found;
use crate::operation::start::{Start, Started};
use crate::operation::validate::{self, FieldViolation};
use crate::settings::Settings;
use crate::settings::current::Current;
use crate::workload::Workloads;

/// The services on one serving thread.
#[derive(Clone)]
pub struct Service {
    /// The engine.
    pub engine: Engine,
    /// The clusters that are observed.
    pub clusters: Clusters,
    /// The streams of the thread.
    pub streams: Streams,
    /// What agents run.
    pub workloads: Workloads,
    /// Say how long a read may take.
    pub settings: Current<Settings>,
    /// Who makes the call that is served, as the layer in front says; nobody before there is a call.
    pub caller: Option<Caller>,
}

/// A request that starts an operation: its parameters, and the rest.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) call: Option<Parameters>,
    pub(super) options: Option<v1::StartOptions>,
    pub(super) credentials: Option<v1::Credentials>,
    pub(super) witness_secret: Option<v1::WitnessSecret>,
    pub(super) settle_time: Option<prost_types::Duration>,
}

impl Asked {
    /// The fields with secrets, when there are some in them.
    fn secrets(&self) -> impl Iterator<Item = &'static str> {
        let credentials = self.credentials.is_some().then_some("credentials");
        let witness_secret = self.witness_secret.is_some().then_some("witness_secret");
        credentials.into_iter().chain(witness_secret)
    }
}

/// Serves a service of reads, of calls that start operations, of reads that leave out what their caller may not see, and of
/// streams of events. A read and a stream of events are functions `module::method`; the starts differ in their request alone:
/// the stream, the variant of the parameters, the field that holds them, and what else is asked.
macro_rules! serve {
    (
        $service:ident:
        reads { $($module:ident :: $read:ident($read_request:ident) -> $read_answer:ident;)* }
        starts { $($method:ident($request_type:ident) -> $stream:ident: $variant:ident, $field:ident $(, $rest:ident)*;)* }
        $(filtered { $($filtering:ident :: $filter:ident($filter_request:ident) -> $filter_answer:ident;)* })?
        $(watches { $($watching:ident :: $watch:ident($watch_request:ident) -> $watch_stream:ident;)* })?
    ) => {
        #[tonic::async_trait]
        impl $service for Service {
            $(
                async fn $read(
                    &self,
                    request: Request<v1::$read_request>,
                ) -> Result<Response<v1::$read_answer>, Status> {
                    let service = self.of_call(&request);
                    $module::$read(&service, request.into_inner()).await.map(Response::new)
                }
            )*
            $(
                type $stream = RecordStream;

                async fn $method(&self, request: Request<v1::$request_type>) -> Result<Response<RecordStream>, Status> {
                    let service = self.of_call(&request);
                    let medium = $crate::grpc::medium(&request);
                    let request = request.into_inner();
                    let asked = $crate::grpc::serve::Asked {
                        call: request.$field.map($crate::operation::call::Parameters::$variant),
                        options: request.options,
                        $($rest: request.$rest,)*
                        ..Default::default()
                    };
                    service.start(asked, stringify!($field), medium).await
                }
            )*
            $($(
                async fn $filter(
                    &self,
                    request: Request<v1::$filter_request>,
                ) -> Result<Response<v1::$filter_answer>, Status> {
                    let service = self.of_call(&request);
                    $filtering::$filter(&service, request.into_inner()).await.map(Response::new)
                }
            )*)?
            $($(
                type $watch_stream = $crate::grpc::event::EventStream;

                async fn $watch(
                    &self,
                    request: Request<v1::$watch_request>,
                ) -> Result<Response<$crate::grpc::event::EventStream>, Status> {
                    let service = self.of_call(&request);
                    $watching::$watch(&service, request.into_inner()).await.map(Response::new)
                }
            )*)?
        }
    };
}

pub(super) use serve;

impl Service {
    /// The services for one call.
    pub(super) fn of_call<T>(&self, request: &Request<T>) -> Self {
        Self {
            caller: request.extensions().get().cloned(),
            ..self.clone()
        }
    }

    /// Who calls, as operations record it.
    pub(super) fn principal(&self) -> &str {
        self.caller.as_ref().map_or("", |caller| &caller.identity.principal)
    }

    /// Where the caller may do what it asks for: nowhere when nobody has decided it.
    pub(super) fn reach(&self) -> Reach {
        self.caller
            .as_ref()
            .map(|caller| caller.reach.clone())
            .unwrap_or_default()
    }

    pub(super) async fn start(
        &self,
        asked: Asked,
        field: &str,
        medium: Medium,
    ) -> Result<Response<RecordStream>, Status> {
        self.check_secrets(&asked, medium)?;
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
            witness_secret: asked.witness_secret,
            options: asked.options.unwrap_or_default(),
            settle_time: asked.settle_time,
            principal: self.principal().to_owned(),
            reach: self.reach(),
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
                let mut response = Response::new(stream);
                response.extensions_mut().insert(Began(id));
                Ok(response)
            }
        }
    }

    /// Refuses secrets that came over plain TCP: others could have read them, or get the next ones in the daemon's place. The
    /// directory and the clouds of a simulated world have none.
    fn check_secrets(&self, asked: &Asked, medium: Medium) -> Result<(), Status> {
        if medium != Medium::Plain || self.settings.get().cluster_api.simulate.is_some() {
            return Ok(());
        }
        let refused: Vec<_> = asked
            .secrets()
            .map(|field| FieldViolation {
                field: field.into(),
                description: "is not taken over plain TCP, where others can read it or be in the daemon's place; use \
                    TLS, or the local endpoint of the daemon's host, and consider it known"
                    .into(),
            })
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(status::invalid(&refused))
        }
    }

    /// Reads from a cluster by name, in bounded time; empty is that of this host.
    pub(super) async fn read_cluster<T: Send + 'static>(
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
        let (opened, Reach { permission, scope }) = (name.to_owned(), self.reach());
        let read = self.read(&what, move |api| {
            let cluster = open(api, &opened)?;
            // A name that was this cluster's may lead to another one by now.
            if scope != Scope::All && !scope.holds(&cluster.information()?.name) {
                return Ok(None);
            }
            read(cluster).map(Some)
        });
        read.await?
            .ok_or_else(|| status::permission_missing(permission, Some(name)))
    }

    /// Reads of an object of a cluster, in bounded time. One that is not there is NOT_FOUND (OBJECT_NOT_FOUND).
    pub(super) async fn read_object<T: Send + 'static>(
        &self,
        cluster: &str,
        kind: v1::ObjectKind,
        name: &str,
        read: impl FnOnce(&wsfc_clusapi::Cluster) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Status> {
        if name.contains('\0') {
            let fault = FieldViolation {
                field: "name".into(),
                description: "holds a NUL character".into(),
            };
            return Err(status::invalid(&[fault]));
        }
        let found = self
            .read_cluster(cluster, move |cluster| match read(&cluster) {
                Ok(read) => Ok(Some(read)),
                Err(error) if means_not_found(&error) => Ok(None),
                Err(error) => Err(error),
            })
            .await?;
        found.ok_or_else(|| status::object_not_found(&status::noun(kind), name, cluster))
    }

    /// Reads from the cluster API on a thread of its own, in bounded time.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        what: &str,
        read: impl FnOnce(&Clusapi) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Status> {
        let api = self.engine.api().clone();
        let reads = self.engine.reads();
        let reading = reads.run_for(self.principal(), "wsfcd-read", move || read(&api));
        let limit = self.settings.get().limits.unary;
        let read = tokio::time::timeout(limit, reading)
            .await
            .map_err(|_elapsed| status::deadline(&format!("the read of {what}"), limit))?;
        read.map_err(|error| status::blocking(&error))?
            .map_err(|error| status::cluster_api(what, &error))
    }
}

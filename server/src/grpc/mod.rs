//! The services: thin handlers that parse, call and convert.

pub mod cluster;
pub mod complete;
pub mod frame;
pub mod operation;
pub mod status;
pub mod stream;

use tonic::Request;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::pb::health_server::{Health, HealthServer};

use self::cluster::Clusters;
use self::generated::cluster_service_server::ClusterServiceServer;
use self::generated::operation_service_server::OperationServiceServer;
use self::operation::Operations;
use self::stream::Streams;
use crate::listen::connection::Peer;
use crate::operation::engine::Engine;
use crate::settings::Settings;
use crate::settings::current::Current;

/// The server's side of the services, generated.
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
mod generated {
    tonic::include_proto!("wsfc.v1");
}

/// The names that the health service answers for; the empty one is the whole daemon.
pub const HEALTH_NAMES: [&str; 3] = ["", "wsfc.v1.ClusterService", "wsfc.v1.OperationService"];

/// The routes of one serving thread.
///
/// # Errors
///
/// The descriptor set cannot be read, which is a defect of the build.
pub fn routes(
    engine: &Engine,
    streams: Streams,
    settings: &Current<Settings>,
    health: HealthServer<impl Health>,
) -> Result<Routes, tonic_reflection::server::Error> {
    let clusters = Clusters {
        engine: engine.clone(),
        streams: streams.clone(),
        settings: settings.clone(),
    };
    let operations = Operations {
        engine: engine.clone(),
        streams,
        settings: settings.clone(),
    };
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wsfc_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let request_bytes = settings.get().limits.request_bytes;
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(ClusterServiceServer::new(clusters).max_decoding_message_size(request_bytes))
        .add_service(OperationServiceServer::new(operations).max_decoding_message_size(request_bytes))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    Ok(routes.routes())
}

/// Who calls.
fn principal<T>(request: &Request<T>) -> String {
    request
        .extensions()
        .get::<Peer>()
        .map_or_else(|| Peer::plain(None).principal(), Peer::principal)
}

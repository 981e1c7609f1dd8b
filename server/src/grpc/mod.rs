//! The services: thin handlers that parse, call and convert.

mod access;
mod affinity_rule;
mod cluster;
pub mod complete;
pub mod event;
pub mod frame;
mod group;
mod group_set;
pub mod identity;
mod inventory;
mod network;
mod node;
pub mod operation;
mod property;
mod quorum;
mod reads;
mod registry;
mod resource;
mod resource_type;
pub mod serve;
mod shared_volume;
pub mod status;
pub mod stream;
mod workload;

use tonic::Request;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::pb::health_server::{Health, HealthServer};

use self::generated::access_service_server::AccessServiceServer;
use self::generated::affinity_rule_service_server::AffinityRuleServiceServer;
use self::generated::cluster_service_server::ClusterServiceServer;
use self::generated::event_service_server::EventServiceServer;
use self::generated::group_service_server::GroupServiceServer;
use self::generated::group_set_service_server::GroupSetServiceServer;
use self::generated::identity_service_server::IdentityServiceServer;
use self::generated::network_service_server::NetworkServiceServer;
use self::generated::node_service_server::NodeServiceServer;
use self::generated::operation_service_server::OperationServiceServer;
use self::generated::property_service_server::PropertyServiceServer;
use self::generated::quorum_service_server::QuorumServiceServer;
use self::generated::registry_service_server::RegistryServiceServer;
use self::generated::resource_service_server::ResourceServiceServer;
use self::generated::resource_type_service_server::ResourceTypeServiceServer;
use self::generated::shared_volume_service_server::SharedVolumeServiceServer;
use self::generated::workload_service_server::WorkloadServiceServer;
use self::identity::Identities;
use self::operation::Operations;
use self::serve::Service;
use self::stream::Streams;
use crate::access::layer::Caller;
use crate::access::policy::Scope;
use crate::listen::connection::{Medium, Peer};
use crate::operation::engine::Engine;
use crate::settings::Settings;
use crate::settings::current::Current;
use crate::workload::Workloads;

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
pub const HEALTH_NAMES: [&str; 18] = [
    "",
    "wsfc.v1.AccessService",
    "wsfc.v1.AffinityRuleService",
    "wsfc.v1.ClusterService",
    "wsfc.v1.EventService",
    "wsfc.v1.GroupService",
    "wsfc.v1.GroupSetService",
    "wsfc.v1.IdentityService",
    "wsfc.v1.NetworkService",
    "wsfc.v1.NodeService",
    "wsfc.v1.OperationService",
    "wsfc.v1.PropertyService",
    "wsfc.v1.QuorumService",
    "wsfc.v1.RegistryService",
    "wsfc.v1.ResourceService",
    "wsfc.v1.ResourceTypeService",
    "wsfc.v1.SharedVolumeService",
    "wsfc.v1.WorkloadService",
];

/// The routes of one serving thread.
///
/// # Errors
///
/// The descriptor set cannot be read, which is a defect of the build.
pub fn routes(
    engine: &Engine,
    workloads: &Workloads,
    identities: Identities,
    streams: Streams,
    settings: &Current<Settings>,
    health: HealthServer<impl Health>,
) -> Result<Routes, tonic_reflection::server::Error> {
    let service = Service {
        engine: engine.clone(),
        clusters: engine.clusters().clone(),
        streams: streams.clone(),
        workloads: workloads.clone(),
        settings: settings.clone(),
        caller: None,
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
        .add_service(AccessServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(AffinityRuleServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(ClusterServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(EventServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(GroupServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(GroupSetServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(IdentityServiceServer::new(identities).max_decoding_message_size(request_bytes))
        .add_service(NetworkServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(NodeServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(PropertyServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(QuorumServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(RegistryServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(ResourceServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(ResourceTypeServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(SharedVolumeServiceServer::new(service.clone()).max_decoding_message_size(request_bytes))
        .add_service(WorkloadServiceServer::new(service).max_decoding_message_size(request_bytes))
        .add_service(OperationServiceServer::new(operations).max_decoding_message_size(request_bytes))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    Ok(routes.routes())
}

/// Who calls, as operations record it.
fn principal<T>(request: &Request<T>) -> String {
    let caller = request.extensions().get::<Caller>();
    caller.map_or_else(String::new, |caller| caller.identity.principal.clone())
}

/// What a call came over. Who says nothing of it is not trusted with anything.
fn medium<T>(request: &Request<T>) -> Medium {
    request
        .extensions()
        .get::<Peer>()
        .map_or(Medium::Plain, |peer| peer.medium)
}

/// Where the caller may do what it asks for. The layer in front of the services says it; without that, nowhere.
fn scope<T>(request: &Request<T>) -> Scope {
    let caller = request.extensions().get::<Caller>();
    caller.map_or_else(Scope::default, |caller| caller.reach.scope.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;

    use super::HEALTH_NAMES;

    #[test]
    fn every_service_has_a_health_name() {
        let set = prost_types::FileDescriptorSet::decode(wsfc_proto::FILE_DESCRIPTOR_SET).unwrap();
        let services = set.file.iter().flat_map(|file| &file.service);
        let named: BTreeSet<_> = services.map(|service| format!("wsfc.v1.{}", service.name())).collect();
        let healthy: BTreeSet<_> = HEALTH_NAMES.iter().skip(1).map(|name| (*name).to_owned()).collect();
        assert_eq!(healthy, named);
    }
}

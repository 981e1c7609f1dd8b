//! What is served beside the calls themselves: every method of the contract, health, reflection.

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use tokio_stream::StreamExt as _;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;
use wsfc_tests::{TestDaemon, world};

/// Messages by their descriptors, so that the test knows every method without naming any.
struct Dynamic(prost_reflect::MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder(self.0.clone())
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::Message::encode(&message, buffer).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

struct DynamicDecoder(prost_reflect::MessageDescriptor);

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), buffer)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// Calls a method with an empty request and gives how it ended.
async fn call_empty(channel: Channel, method: &MethodDescriptor) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let request = Request::new(DynamicMessage::new(method.input()));
    let path = path.parse().unwrap();
    let mut stream = grpc
        .server_streaming(request, path, Dynamic(method.output()))
        .await?
        .into_inner();
    while let Some(message) = stream.message().await? {
        drop(message);
        // It goes on until somebody ends it; that it has begun is its answer.
        if matches!(
            method.full_name(),
            "wsfc.v1.EventService.Watch" | "wsfc.v1.ResourceService.WatchStatus"
        ) {
            break;
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_method_of_the_contract_is_served_and_its_errors_are_typed() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let pool = DescriptorPool::decode(wsfc_proto::FILE_DESCRIPTOR_SET).unwrap();
    let ours = |service: &prost_reflect::ServiceDescriptor| service.package_name() == "wsfc.v1";
    let mut methods = 0;
    for service in pool.services().filter(ours) {
        for method in service.methods() {
            methods += 1;
            let name = method.full_name();
            let Err(status) = call_empty(daemon.channel().await, &method).await else {
                continue;
            };
            assert_ne!(status.code(), Code::Unimplemented, "{name}: {status:?}");
            let details = status.get_error_details();
            let info = details
                .error_info()
                .unwrap_or_else(|| panic!("{name} has no ErrorInfo: {status:?}"));
            assert_eq!(info.domain, wsfc_proto::ERROR_DOMAIN, "{name}");
            let known = wsfc_proto::reasons::ALL.iter().any(|reason| reason.name == info.reason);
            assert!(known || info.metadata.contains_key("win32_code"), "{name}: {info:?}");
            if status.code() == Code::InvalidArgument {
                let request = details
                    .bad_request()
                    .unwrap_or_else(|| panic!("{name} has no BadRequest: {status:?}"));
                assert!(!request.field_violations.is_empty(), "{name}");
            }
        }
    }
    assert_eq!(methods, wsfc_proto::methods::ALL.len());
    daemon.finish().await;
}

#[tokio::test]
async fn health_is_served_for_the_whole_and_for_each_service() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let mut health = HealthClient::new(daemon.channel().await);
    for service in ["", "wsfc.v1.ClusterService", "wsfc.v1.OperationService"] {
        let answer = health
            .check(HealthCheckRequest {
                service: service.into(),
            })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let error = health
        .check(HealthCheckRequest {
            service: "wsfc.v1.Nothing".into(),
        })
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    daemon.finish().await;
}

/// Asks for all services and for the file of one, by one version of the reflection protocol.
macro_rules! reflect {
    ($version:ident, $daemon:expr) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let ask = |request| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(request),
        };
        let requests = [
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol("wsfc.v1.OperationService".into())),
        ];
        let mut client = ServerReflectionClient::new($daemon.channel().await);
        let mut answers = client
            .server_reflection_info(tokio_stream::iter(requests))
            .await
            .unwrap()
            .into_inner();
        let mut services = Vec::new();
        let mut files = 0;
        while let Some(answer) = answers.next().await {
            match answer.unwrap().message_response {
                Some(MessageResponse::ListServicesResponse(list)) => {
                    services = list.service.into_iter().map(|service| service.name).collect();
                }
                Some(MessageResponse::FileDescriptorResponse(response)) => files = response.file_descriptor_proto.len(),
                other => panic!("{other:?}"),
            }
        }
        for service in [
            "wsfc.v1.ClusterService",
            "wsfc.v1.OperationService",
            "grpc.health.v1.Health",
        ] {
            assert!(
                services.iter().any(|name| name == service),
                "{service} is not among {services:?}"
            );
        }
        assert!(files > 0);
    }};
}

#[tokio::test]
async fn reflection_describes_what_is_served() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    reflect!(v1, daemon);
    // Many clients still speak the older one, grpcio among them.
    reflect!(v1alpha, daemon);
    daemon.finish().await;
}

#[tokio::test]
async fn a_stopping_daemon_ends_streams_with_a_reason_to_come_back() {
    let mut daemon = TestDaemon::builder(world::machines(1))
        .settings(|s| s.operations.shutdown_grace = std::time::Duration::from_millis(50))
        .start()
        .await;
    daemon.logs().expect("Operations are still running");
    let client = daemon.client();
    let hold = wsfc_simulator::Point::phase("CreateCluster", 200);
    daemon.simulation().hold(hold);
    let operation = client
        .create_cluster(wsfc_tests::request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let watch = wsfc_client::v1::WatchOperationRequest {
        operation_id: operation.id().into(),
        ..Default::default()
    };
    let mut raw = wsfc_client::v1::operation_service_client::OperationServiceClient::new(daemon.channel().await);
    let mut stream = raw.watch_operation(watch).await.unwrap().into_inner();
    stream.message().await.unwrap();
    let reading = async {
        loop {
            match stream.message().await {
                Ok(Some(_message)) => {}
                Ok(None) => panic!("the stream ended as if the operation had"),
                Err(status) => return status,
            }
        }
    };
    let (status, ()) = tokio::join!(reading, daemon.stop());
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let reason = status.get_details_error_info().map(|info| info.reason);
    assert_eq!(reason.as_deref(), Some("SHUTTING_DOWN"));
    daemon.simulation().release_all();
    daemon.finish().await;
}

#[tokio::test]
async fn a_stopping_daemon_lets_running_operations_end() {
    let mut daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let point = wsfc_simulator::Point::phase("CreateCluster", 200);
    daemon.simulation().hold(point.clone());
    let operation = client
        .create_cluster(wsfc_tests::request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut stream = operation.progress();
    wsfc_tests::records::collect(&mut stream, |record| {
        wsfc_tests::records::Record::starts(record, wsfc_client::v1::SetupPhase::FormingCluster)
    })
    .await
    .unwrap();
    drop(stream);
    let (id, simulation) = (operation.id().to_owned(), daemon.simulation().clone());
    drop((operation, client));
    let logs = daemon.logs().clone();
    let releasing = async {
        // The serving threads have ended by now, since nobody is connected.
        while !logs.contains("Stopping") {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        simulation.release_all();
    };
    tokio::join!(daemon.stop(), releasing);
    daemon.restart().await;
    let ended = daemon.client().get_operation(id).await.unwrap().operation.unwrap();
    assert_eq!(ended.state(), wsfc_client::v1::OperationState::Succeeded, "{ended:?}");
    daemon.finish().await;
}

//! `RegistryService`: the cluster's registry.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::registry_service_server::RegistryService;
use super::reads;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    RegistryService:
    reads {
    reads::read_registry_key(ReadRegistryKeyRequest) -> ReadRegistryKeyResponse;
    }
    starts {
    apply_registry_batch(ApplyRegistryBatchRequest) -> ApplyRegistryBatchStream: ApplyRegistryBatch, batch;
    }
}

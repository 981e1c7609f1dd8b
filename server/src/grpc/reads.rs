//! Reads that ask the cluster.

use tonic::{Code, Status};
use wsfc_proto::{reasons, v1};

use super::serve::Service;
use super::status;

/// Answers `list_access`.
pub async fn list_access(
    _service: &Service,
    _request: v1::ListAccessRequest,
) -> Result<v1::ListAccessResponse, Status> {
    Err(not_known())
}

/// Answers `get_properties`.
pub async fn get_properties(
    _service: &Service,
    _request: v1::GetPropertiesRequest,
) -> Result<v1::GetPropertiesResponse, Status> {
    Err(not_known())
}

/// Answers `check_quorum`.
pub async fn check_quorum(
    _service: &Service,
    _request: v1::CheckQuorumRequest,
) -> Result<v1::CheckQuorumResponse, Status> {
    Err(not_known())
}

/// Answers `read_registry_key`.
pub async fn read_registry_key(
    _service: &Service,
    _request: v1::ReadRegistryKeyRequest,
) -> Result<v1::ReadRegistryKeyResponse, Status> {
    Err(not_known())
}

/// Answers `list_checkpoints`.
pub async fn list_checkpoints(
    _service: &Service,
    _request: v1::ListCheckpointsRequest,
) -> Result<v1::ListCheckpointsResponse, Status> {
    Err(not_known())
}

/// Answers `list_available_disks`.
pub async fn list_available_disks(
    _service: &Service,
    _request: v1::ListAvailableDisksRequest,
) -> Result<v1::ListAvailableDisksResponse, Status> {
    Err(not_known())
}

/// What the inventory does not keep of a group.
pub async fn group_details(_service: &Service, _cluster: &str, _group: &v1::Group) -> Result<v1::GroupDetails, Status> {
    Err(not_known())
}

/// What the inventory does not keep of a resource.
pub async fn resource_details(
    _service: &Service,
    _cluster: &str,
    _resource: &v1::Resource,
) -> Result<v1::ResourceDetails, Status> {
    Err(not_known())
}

/// What the inventory does not keep of a resource type.
pub async fn resource_type_details(
    _service: &Service,
    _cluster: &str,
    _resource_type: &v1::ResourceType,
) -> Result<v1::ResourceTypeDetails, Status> {
    Err(not_known())
}

fn not_known() -> Status {
    status::bare(
        Code::Unimplemented,
        "nothing is known of this",
        reasons::REQUEST_UNKNOWN,
    )
}

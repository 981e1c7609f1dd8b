//! Reads that are answered from what the daemon knows of a cluster.

use tonic::{Code, Status};
use wsfc_proto::{reasons, v1};

use super::serve::Service;
use super::status;

/// Answers `get_affinity_rule`.
pub async fn get_affinity_rule(
    _service: &Service,
    _request: v1::GetAffinityRuleRequest,
) -> Result<v1::GetAffinityRuleResponse, Status> {
    Err(not_known())
}

/// Answers `list_affinity_rules`.
pub async fn list_affinity_rules(
    _service: &Service,
    _request: v1::ListAffinityRulesRequest,
) -> Result<v1::ListAffinityRulesResponse, Status> {
    Err(not_known())
}

/// Answers `get_group`.
pub async fn get_group(_service: &Service, _request: v1::GetGroupRequest) -> Result<v1::GetGroupResponse, Status> {
    Err(not_known())
}

/// Answers `list_groups`.
pub async fn list_groups(
    _service: &Service,
    _request: v1::ListGroupsRequest,
) -> Result<v1::ListGroupsResponse, Status> {
    Err(not_known())
}

/// Answers `get_group_set`.
pub async fn get_group_set(
    _service: &Service,
    _request: v1::GetGroupSetRequest,
) -> Result<v1::GetGroupSetResponse, Status> {
    Err(not_known())
}

/// Answers `list_group_sets`.
pub async fn list_group_sets(
    _service: &Service,
    _request: v1::ListGroupSetsRequest,
) -> Result<v1::ListGroupSetsResponse, Status> {
    Err(not_known())
}

/// Answers `get_network`.
pub async fn get_network(
    _service: &Service,
    _request: v1::GetNetworkRequest,
) -> Result<v1::GetNetworkResponse, Status> {
    Err(not_known())
}

/// Answers `list_networks`.
pub async fn list_networks(
    _service: &Service,
    _request: v1::ListNetworksRequest,
) -> Result<v1::ListNetworksResponse, Status> {
    Err(not_known())
}

/// Answers `get_network_interface`.
pub async fn get_network_interface(
    _service: &Service,
    _request: v1::GetNetworkInterfaceRequest,
) -> Result<v1::GetNetworkInterfaceResponse, Status> {
    Err(not_known())
}

/// Answers `list_network_interfaces`.
pub async fn list_network_interfaces(
    _service: &Service,
    _request: v1::ListNetworkInterfacesRequest,
) -> Result<v1::ListNetworkInterfacesResponse, Status> {
    Err(not_known())
}

/// Answers `get_node`.
pub async fn get_node(_service: &Service, _request: v1::GetNodeRequest) -> Result<v1::GetNodeResponse, Status> {
    Err(not_known())
}

/// Answers `list_nodes`.
pub async fn list_nodes(_service: &Service, _request: v1::ListNodesRequest) -> Result<v1::ListNodesResponse, Status> {
    Err(not_known())
}

/// Answers `get_quorum`.
pub async fn get_quorum(_service: &Service, _request: v1::GetQuorumRequest) -> Result<v1::GetQuorumResponse, Status> {
    Err(not_known())
}

/// Answers `get_resource`.
pub async fn get_resource(
    _service: &Service,
    _request: v1::GetResourceRequest,
) -> Result<v1::GetResourceResponse, Status> {
    Err(not_known())
}

/// Answers `list_resources`.
pub async fn list_resources(
    _service: &Service,
    _request: v1::ListResourcesRequest,
) -> Result<v1::ListResourcesResponse, Status> {
    Err(not_known())
}

/// Answers `get_resource_type`.
pub async fn get_resource_type(
    _service: &Service,
    _request: v1::GetResourceTypeRequest,
) -> Result<v1::GetResourceTypeResponse, Status> {
    Err(not_known())
}

/// Answers `list_resource_types`.
pub async fn list_resource_types(
    _service: &Service,
    _request: v1::ListResourceTypesRequest,
) -> Result<v1::ListResourceTypesResponse, Status> {
    Err(not_known())
}

/// Answers `get_shared_volume`.
pub async fn get_shared_volume(
    _service: &Service,
    _request: v1::GetSharedVolumeRequest,
) -> Result<v1::GetSharedVolumeResponse, Status> {
    Err(not_known())
}

/// Answers `list_shared_volumes`.
pub async fn list_shared_volumes(
    _service: &Service,
    _request: v1::ListSharedVolumesRequest,
) -> Result<v1::ListSharedVolumesResponse, Status> {
    Err(not_known())
}

/// Answers `get_cluster_state`.
pub async fn get_cluster_state(
    _service: &Service,
    _request: v1::GetClusterStateRequest,
) -> Result<v1::GetClusterStateResponse, Status> {
    Err(not_known())
}

fn not_known() -> Status {
    status::bare(
        Code::Unimplemented,
        "nothing is known of this",
        reasons::REQUEST_UNKNOWN,
    )
}

//! The reads: one answer to one request, and lists page by page.

use futures_core::Stream;
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use wsfc_proto::v1;

use crate::client::Client;
use crate::error::Error;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// The token of the next page; empty after the last.
    pub next_page_token: String,
}

/// A request for a page of a list; see [`Client::list_all`].
pub trait ListRequest: Clone + Send + Sync + 'static {
    /// What the pages hold.
    type Item: Send + 'static;

    /// The same request for another page.
    #[must_use]
    fn page(self, page_token: String) -> Self;

    /// Asks for the page.
    fn ask(self, client: Client) -> BoxFuture<'static, Result<Page<Self::Item>, Error>>;
}

/// Makes the reads of services; those with a field of items are lists.
macro_rules! reads {
    ($($module:ident :: $client:ident {
        $($call:ident, $method:literal, $request:ident, $response:ident $({ $items:ident: $item:ident })?;)*
    })*) => {
        /// The reads. [`list_all`](Self::list_all) follows the pages of lists.
        impl Client {
            $($(
                #[doc = concat!("Calls ", $method, "; see the contract for what it answers.")]
                ///
                /// # Errors
                ///
                /// [`Error::Rejected`] with the reasons of the call.
                pub async fn $call(&self, request: v1::$request) -> Result<v1::$response, Error> {
                    let call = |channel, request| async move { v1::$module::$client::new(channel).$call(request).await };
                    let (answer, _) = self.bounded($method, request, call).await?;
                    Ok(answer.into_inner())
                }
            )*)*
        }

        $($($(
            impl ListRequest for v1::$request {
                type Item = v1::$item;

                fn page(self, page_token: String) -> Self {
                    Self { page_token, ..self }
                }

                fn ask(self, client: Client) -> BoxFuture<'static, Result<Page<Self::Item>, Error>> {
                    Box::pin(async move {
                        let page = client.$call(self).await?;
                        Ok(Page { items: page.$items, next_page_token: page.next_page_token })
                    })
                }
            }
        )?)*)*
    };
}

reads! {
    cluster_service_client::ClusterServiceClient {
        get_cluster_state, "GetClusterState", GetClusterStateRequest, GetClusterStateResponse;
    }
    node_service_client::NodeServiceClient {
        get_node, "GetNode", GetNodeRequest, GetNodeResponse;
        list_nodes, "ListNodes", ListNodesRequest, ListNodesResponse { nodes: Node };
    }
    group_service_client::GroupServiceClient {
        get_group, "GetGroup", GetGroupRequest, GetGroupResponse;
        list_groups, "ListGroups", ListGroupsRequest, ListGroupsResponse { groups: Group };
    }
    resource_service_client::ResourceServiceClient {
        get_resource, "GetResource", GetResourceRequest, GetResourceResponse;
        list_resources, "ListResources", ListResourcesRequest, ListResourcesResponse { resources: Resource };
        list_checkpoints, "ListCheckpoints", ListCheckpointsRequest, ListCheckpointsResponse;
    }
    resource_type_service_client::ResourceTypeServiceClient {
        get_resource_type, "GetResourceType", GetResourceTypeRequest, GetResourceTypeResponse;
        list_resource_types, "ListResourceTypes", ListResourceTypesRequest, ListResourceTypesResponse { resource_types: ResourceType };
    }
    network_service_client::NetworkServiceClient {
        get_network, "GetNetwork", GetNetworkRequest, GetNetworkResponse;
        list_networks, "ListNetworks", ListNetworksRequest, ListNetworksResponse { networks: Network };
        get_network_interface, "GetNetworkInterface", GetNetworkInterfaceRequest, GetNetworkInterfaceResponse;
        list_network_interfaces, "ListNetworkInterfaces", ListNetworkInterfacesRequest, ListNetworkInterfacesResponse { network_interfaces: NetworkInterface };
    }
    quorum_service_client::QuorumServiceClient {
        get_quorum, "GetQuorum", GetQuorumRequest, GetQuorumResponse;
        check_quorum, "CheckQuorum", CheckQuorumRequest, CheckQuorumResponse;
    }
    shared_volume_service_client::SharedVolumeServiceClient {
        get_shared_volume, "GetSharedVolume", GetSharedVolumeRequest, GetSharedVolumeResponse;
        list_shared_volumes, "ListSharedVolumes", ListSharedVolumesRequest, ListSharedVolumesResponse { volumes: SharedVolume };
        list_available_disks, "ListAvailableDisks", ListAvailableDisksRequest, ListAvailableDisksResponse;
    }
    group_set_service_client::GroupSetServiceClient {
        get_group_set, "GetGroupSet", GetGroupSetRequest, GetGroupSetResponse;
        list_group_sets, "ListGroupSets", ListGroupSetsRequest, ListGroupSetsResponse { group_sets: GroupSet };
    }
    affinity_rule_service_client::AffinityRuleServiceClient {
        get_affinity_rule, "GetAffinityRule", GetAffinityRuleRequest, GetAffinityRuleResponse;
        list_affinity_rules, "ListAffinityRules", ListAffinityRulesRequest, ListAffinityRulesResponse { rules: AffinityRule };
    }
    access_service_client::AccessServiceClient {
        list_access, "ListAccess", ListAccessRequest, ListAccessResponse;
    }
    identity_service_client::IdentityServiceClient {
        who_am_i, "WhoAmI", WhoAmIRequest, WhoAmIResponse;
        list_tokens, "ListTokens", ListTokensRequest, ListTokensResponse;
        list_identities, "ListIdentities", ListIdentitiesRequest, ListIdentitiesResponse { identities: KnownIdentity };
        list_roles, "ListRoles", ListRolesRequest, ListRolesResponse;
    }
    registry_service_client::RegistryServiceClient {
        read_registry_key, "ReadRegistryKey", ReadRegistryKeyRequest, ReadRegistryKeyResponse;
    }
    property_service_client::PropertyServiceClient {
        get_properties, "GetProperties", GetPropertiesRequest, GetPropertiesResponse;
    }
    workload_service_client::WorkloadServiceClient {
        get_workload, "GetWorkload", GetWorkloadRequest, GetWorkloadResponse;
        list_workloads, "ListWorkloads", ListWorkloadsRequest, ListWorkloadsResponse;
    }
    operation_service_client::OperationServiceClient {
        list_operations, "ListOperations", ListOperationsRequest, ListOperationsResponse { operations: Operation };
    }
}

impl Client {
    /// Lists everything from the page of `request` on, page by page as it is asked for. The stream ends after its first
    /// error.
    pub fn list_all<R: ListRequest>(&self, request: R) -> impl Stream<Item = Result<R::Item, Error>> + Send + use<R> {
        let client = self.clone();
        let pages = futures_util::stream::try_unfold(Some(request), move |request| {
            let client = client.clone();
            async move {
                let Some(request) = request else {
                    return Ok(None);
                };
                let page = request.clone().ask(client).await?;
                let next = Some(page.next_page_token).filter(|token| !token.is_empty());
                let items = futures_util::stream::iter(page.items.into_iter().map(Ok));
                Ok::<_, Error>(Some((items, next.map(|token| request.page(token)))))
            }
        });
        Box::pin(pages.try_flatten())
    }

    /// Reads a key of the cluster database whole, all its pages put together.
    ///
    /// # Errors
    ///
    /// As [`read_registry_key`](Self::read_registry_key).
    pub async fn registry_key(
        &self,
        cluster: impl Into<String>,
        key: impl Into<String>,
    ) -> Result<v1::ReadRegistryKeyResponse, Error> {
        let mut request = v1::ReadRegistryKeyRequest {
            cluster: cluster.into(),
            key: key.into(),
            page_size: 1000,
            ..Default::default()
        };
        let mut whole = self.read_registry_key(request.clone()).await?;
        while !whole.next_page_token.is_empty() {
            request.page_token = std::mem::take(&mut whole.next_page_token);
            let page = self.read_registry_key(request.clone()).await?;
            whole.keys.extend(page.keys);
            whole.values.extend(page.values);
            whole.next_page_token = page.next_page_token;
        }
        Ok(whole)
    }
}

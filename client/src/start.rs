//! Starting operations, and the streams that records come in.

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tonic::{Status, Streaming};
use wsfc_proto::v1::{self, OperationRecord, StartOptions, StreamMark, ValidationReport};

use crate::connect::Channel;
use crate::line::Messages;

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
pub(crate) type ChunkStream = Messages<Chunk>;

/// Reads the messages of any operation's stream.
pub(crate) fn chunks<M: Into<Chunk> + Send + 'static>(stream: Streaming<M>) -> ChunkStream {
    Box::pin(stream.map(|message| message.map(Into::into)))
}

pub(crate) mod sealed {
    use super::{BoxFuture, Channel, ChunkStream, StartOptions, Status};

    /// What every request that starts an operation has in common.
    pub trait Start: Clone + Send + Sync + 'static {
        /// The name of the method.
        const METHOD: &'static str;

        /// The field that holds a secret, when there is one in it.
        fn secret(&self) -> Option<&'static str>;

        fn options_mut(&mut self) -> &mut Option<StartOptions>;

        #[expect(
            private_interfaces,
            reason = "the trait is sealed: nobody outside can name or call it"
        )]
        fn open(self, channel: Channel) -> BoxFuture<'static, Result<ChunkStream, Status>>;
    }
}

/// A request that starts an operation; see [`Client::start`](crate::Client::start).
pub trait StartRequest: sealed::Start + Parameters<Request = Self> {}

macro_rules! start_requests {
    ($($module:ident :: $client:ident {
        $($call:ident, $method:literal, $request:ident { $field:ident: $parameters:ident $(, $secret:ident)? }, $response:ident;)*
    })*) => {
        $($(
            impl From<v1::$response> for Chunk {
                fn from(message: v1::$response) -> Self {
                    Self { records: message.records, mark: message.mark, validation: message.validation }
                }
            }

            impl sealed::Start for v1::$request {
                const METHOD: &'static str = $method;

                fn secret(&self) -> Option<&'static str> {
                    None$(.or(self.$secret.is_some().then_some(stringify!($secret))))?
                }

                fn options_mut(&mut self) -> &mut Option<StartOptions> {
                    &mut self.options
                }

                #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call it")]
                fn open(self, channel: Channel) -> BoxFuture<'static, Result<ChunkStream, Status>> {
                    Box::pin(async move {
                        let stream = v1::$module::$client::new(channel).$call(self).await?;
                        Ok(chunks(stream.into_inner()))
                    })
                }
            }

            impl StartRequest for v1::$request {}

            impl Parameters for v1::$parameters {
                type Request = v1::$request;

                fn into_request(self) -> v1::$request {
                    v1::$request { $field: Some(self), ..Default::default() }
                }
            }

            impl Parameters for v1::$request {
                type Request = Self;

                fn into_request(self) -> Self {
                    self
                }
            }
        )*)*

        /// The named starts.
        impl crate::Client {
            $($(
                #[doc = concat!("Starts a ", $method, "; see [`start`](Self::start) for how, and the contract for what.")]
                ///
                /// # Errors
                ///
                /// As [`start`](Self::start).
                pub async fn $call(
                    &self,
                    request: impl Parameters<Request = v1::$request>,
                ) -> Result<crate::Operation, crate::Error> {
                    self.start(request).await
                }
            )*)*
        }

        /// The methods that start operations, as they are called in the contract.
        #[cfg(test)]
        const METHODS: &[&str] = &[$($($method,)*)*];

        /// The methods whose requests can hold a secret, each with the field.
        #[cfg(test)]
        const SECRETS: &[(&str, &str)] = &[$($($(($method, stringify!($secret)),)?)*)*];
    };
}

/// What an operation is started with: a request, or only its parameters when the default options will do.
pub trait Parameters {
    /// The request.
    type Request: StartRequest;

    /// The whole request.
    fn into_request(self) -> Self::Request;
}

start_requests! {
    cluster_service_client::ClusterServiceClient {
        create_cluster, "CreateCluster", CreateClusterRequest { cluster: CreateClusterParameters, credentials }, CreateClusterResponse;
        add_node, "AddNode", AddNodeRequest { node: AddNodeParameters }, AddNodeResponse;
        evict_node, "EvictNode", EvictNodeRequest { node: EvictNodeParameters }, EvictNodeResponse;
        destroy_cluster, "DestroyCluster", DestroyClusterRequest { cluster: DestroyClusterParameters }, DestroyClusterResponse;
        upgrade_functional_level, "UpgradeFunctionalLevel", UpgradeFunctionalLevelRequest { upgrade: UpgradeFunctionalLevelParameters }, UpgradeFunctionalLevelResponse;
        create_name_account, "CreateNameAccount", CreateNameAccountRequest { account: CreateNameAccountParameters, credentials }, CreateNameAccountResponse;
        remove_name_account, "RemoveNameAccount", RemoveNameAccountRequest { account: RemoveNameAccountParameters }, RemoveNameAccountResponse;
        repair_name_account, "RepairNameAccount", RepairNameAccountRequest { account: RepairNameAccountParameters, credentials }, RepairNameAccountResponse;
        add_storage_node, "AddStorageNode", AddStorageNodeRequest { storage_node: AddStorageNodeParameters }, AddStorageNodeResponse;
        remove_storage_node, "RemoveStorageNode", RemoveStorageNodeRequest { storage_node: RemoveStorageNodeParameters }, RemoveStorageNodeResponse;
        rename_cluster, "RenameCluster", RenameClusterRequest { cluster: RenameClusterParameters }, RenameClusterResponse;
        shutdown_cluster, "ShutdownCluster", ShutdownClusterRequest { cluster: ShutdownClusterParameters }, ShutdownClusterResponse;
        backup_database, "BackupDatabase", BackupDatabaseRequest { cluster: BackupDatabaseParameters }, BackupDatabaseResponse;
        restore_database, "RestoreDatabase", RestoreDatabaseRequest { cluster: RestoreDatabaseParameters }, RestoreDatabaseResponse;
    }
    node_service_client::NodeServiceClient {
        pause_node, "PauseNode", PauseNodeRequest { node: PauseNodeParameters }, PauseNodeResponse;
        resume_node, "ResumeNode", ResumeNodeRequest { node: ResumeNodeParameters }, ResumeNodeResponse;
        start_node, "StartNode", StartNodeRequest { node: StartNodeParameters }, StartNodeResponse;
        stop_node, "StopNode", StopNodeRequest { node: StopNodeParameters }, StopNodeResponse;
    }
    group_service_client::GroupServiceClient {
        create_group, "CreateGroup", CreateGroupRequest { group: CreateGroupParameters }, CreateGroupResponse;
        delete_group, "DeleteGroup", DeleteGroupRequest { group: DeleteGroupParameters }, DeleteGroupResponse;
        online_group, "OnlineGroup", OnlineGroupRequest { group: OnlineGroupParameters }, OnlineGroupResponse;
        offline_group, "OfflineGroup", OfflineGroupRequest { group: OfflineGroupParameters }, OfflineGroupResponse;
        move_group, "MoveGroup", MoveGroupRequest { group: MoveGroupParameters }, MoveGroupResponse;
        migrate_virtual_machine, "MigrateVirtualMachine", MigrateVirtualMachineRequest { group: MigrateVirtualMachineParameters }, MigrateVirtualMachineResponse;
        cancel_group_move, "CancelGroupMove", CancelGroupMoveRequest { group: CancelGroupMoveParameters }, CancelGroupMoveResponse;
        set_preferred_owners, "SetPreferredOwners", SetPreferredOwnersRequest { group: SetPreferredOwnersParameters }, SetPreferredOwnersResponse;
        set_failover_policy, "SetFailoverPolicy", SetFailoverPolicyRequest { group: SetFailoverPolicyParameters }, SetFailoverPolicyResponse;
        rename_group, "RenameGroup", RenameGroupRequest { group: RenameGroupParameters }, RenameGroupResponse;
    }
    resource_service_client::ResourceServiceClient {
        create_resource, "CreateResource", CreateResourceRequest { resource: CreateResourceParameters }, CreateResourceResponse;
        delete_resource, "DeleteResource", DeleteResourceRequest { resource: DeleteResourceParameters }, DeleteResourceResponse;
        online_resource, "OnlineResource", OnlineResourceRequest { resource: OnlineResourceParameters }, OnlineResourceResponse;
        offline_resource, "OfflineResource", OfflineResourceRequest { resource: OfflineResourceParameters }, OfflineResourceResponse;
        fail_resource, "FailResource", FailResourceRequest { resource: FailResourceParameters }, FailResourceResponse;
        restart_resource, "RestartResource", RestartResourceRequest { resource: RestartResourceParameters }, RestartResourceResponse;
        set_resource_maintenance, "SetResourceMaintenance", SetResourceMaintenanceRequest { resource: SetResourceMaintenanceParameters }, SetResourceMaintenanceResponse;
        set_possible_owners, "SetPossibleOwners", SetPossibleOwnersRequest { resource: SetPossibleOwnersParameters }, SetPossibleOwnersResponse;
        add_resource_dependency, "AddResourceDependency", AddResourceDependencyRequest { resource: AddResourceDependencyParameters }, AddResourceDependencyResponse;
        remove_resource_dependency, "RemoveResourceDependency", RemoveResourceDependencyRequest { resource: RemoveResourceDependencyParameters }, RemoveResourceDependencyResponse;
        set_resource_dependencies, "SetResourceDependencies", SetResourceDependenciesRequest { resource: SetResourceDependenciesParameters }, SetResourceDependenciesResponse;
        move_resource, "MoveResource", MoveResourceRequest { resource: MoveResourceParameters }, MoveResourceResponse;
        rename_resource, "RenameResource", RenameResourceRequest { resource: RenameResourceParameters }, RenameResourceResponse;
        set_separate_monitor, "SetSeparateMonitor", SetSeparateMonitorRequest { resource: SetSeparateMonitorParameters }, SetSeparateMonitorResponse;
        add_checkpoint, "AddCheckpoint", AddCheckpointRequest { resource: AddCheckpointParameters }, AddCheckpointResponse;
        remove_checkpoint, "RemoveCheckpoint", RemoveCheckpointRequest { resource: RemoveCheckpointParameters }, RemoveCheckpointResponse;
        renew_ip_lease, "RenewIpLease", RenewIpLeaseRequest { resource: RenewIpLeaseParameters }, RenewIpLeaseResponse;
        release_ip_lease, "ReleaseIpLease", ReleaseIpLeaseRequest { resource: ReleaseIpLeaseParameters }, ReleaseIpLeaseResponse;
        register_dns_records, "RegisterDnsRecords", RegisterDnsRecordsRequest { resource: RegisterDnsRecordsParameters }, RegisterDnsRecordsResponse;
    }
    resource_type_service_client::ResourceTypeServiceClient {
        create_resource_type, "CreateResourceType", CreateResourceTypeRequest { resource_type: CreateResourceTypeParameters }, CreateResourceTypeResponse;
        delete_resource_type, "DeleteResourceType", DeleteResourceTypeRequest { resource_type: DeleteResourceTypeParameters }, DeleteResourceTypeResponse;
    }
    network_service_client::NetworkServiceClient {
        rename_network, "RenameNetwork", RenameNetworkRequest { network: RenameNetworkParameters }, RenameNetworkResponse;
        set_network_role, "SetNetworkRole", SetNetworkRoleRequest { network: SetNetworkRoleParameters }, SetNetworkRoleResponse;
        set_network_metric, "SetNetworkMetric", SetNetworkMetricRequest { network: SetNetworkMetricParameters }, SetNetworkMetricResponse;
        set_network_priority, "SetNetworkPriority", SetNetworkPriorityRequest { networks: SetNetworkPriorityParameters }, SetNetworkPriorityResponse;
    }
    quorum_service_client::QuorumServiceClient {
        set_quorum, "SetQuorum", SetQuorumRequest { quorum: SetQuorumParameters, witness_secret }, SetQuorumResponse;
        set_node_vote, "SetNodeVote", SetNodeVoteRequest { vote: SetNodeVoteParameters }, SetNodeVoteResponse;
    }
    shared_volume_service_client::SharedVolumeServiceClient {
        add_shared_volume, "AddSharedVolume", AddSharedVolumeRequest { volume: AddSharedVolumeParameters }, AddSharedVolumeResponse;
        remove_shared_volume, "RemoveSharedVolume", RemoveSharedVolumeRequest { volume: RemoveSharedVolumeParameters }, RemoveSharedVolumeResponse;
        move_shared_volume, "MoveSharedVolume", MoveSharedVolumeRequest { volume: MoveSharedVolumeParameters }, MoveSharedVolumeResponse;
        set_shared_volume_redirected, "SetSharedVolumeRedirected", SetSharedVolumeRedirectedRequest { volume: SetSharedVolumeRedirectedParameters }, SetSharedVolumeRedirectedResponse;
        set_shared_volume_maintenance, "SetSharedVolumeMaintenance", SetSharedVolumeMaintenanceRequest { volume: SetSharedVolumeMaintenanceParameters }, SetSharedVolumeMaintenanceResponse;
        add_disk, "AddDisk", AddDiskRequest { disk: AddDiskParameters }, AddDiskResponse;
    }
    group_set_service_client::GroupSetServiceClient {
        create_group_set, "CreateGroupSet", CreateGroupSetRequest { group_set: CreateGroupSetParameters }, CreateGroupSetResponse;
        delete_group_set, "DeleteGroupSet", DeleteGroupSetRequest { group_set: DeleteGroupSetParameters }, DeleteGroupSetResponse;
        add_group_to_set, "AddGroupToSet", AddGroupToSetRequest { group_set: AddGroupToSetParameters }, AddGroupToSetResponse;
        remove_group_from_set, "RemoveGroupFromSet", RemoveGroupFromSetRequest { group_set: RemoveGroupFromSetParameters }, RemoveGroupFromSetResponse;
        add_group_set_dependency, "AddGroupSetDependency", AddGroupSetDependencyRequest { group_set: AddGroupSetDependencyParameters }, AddGroupSetDependencyResponse;
        remove_group_set_dependency, "RemoveGroupSetDependency", RemoveGroupSetDependencyRequest { group_set: RemoveGroupSetDependencyParameters }, RemoveGroupSetDependencyResponse;
        add_group_dependency, "AddGroupDependency", AddGroupDependencyRequest { dependency: AddGroupDependencyParameters }, AddGroupDependencyResponse;
        remove_group_dependency, "RemoveGroupDependency", RemoveGroupDependencyRequest { dependency: RemoveGroupDependencyParameters }, RemoveGroupDependencyResponse;
        set_group_set_dependencies, "SetGroupSetDependencies", SetGroupSetDependenciesRequest { group_set: SetGroupSetDependenciesParameters }, SetGroupSetDependenciesResponse;
        create_availability_set, "CreateAvailabilitySet", CreateAvailabilitySetRequest { group_set: CreateAvailabilitySetParameters }, CreateAvailabilitySetResponse;
    }
    affinity_rule_service_client::AffinityRuleServiceClient {
        create_affinity_rule, "CreateAffinityRule", CreateAffinityRuleRequest { rule: CreateAffinityRuleParameters }, CreateAffinityRuleResponse;
        delete_affinity_rule, "DeleteAffinityRule", DeleteAffinityRuleRequest { rule: DeleteAffinityRuleParameters }, DeleteAffinityRuleResponse;
        add_group_to_affinity_rule, "AddGroupToAffinityRule", AddGroupToAffinityRuleRequest { rule: AddGroupToAffinityRuleParameters }, AddGroupToAffinityRuleResponse;
        remove_group_from_affinity_rule, "RemoveGroupFromAffinityRule", RemoveGroupFromAffinityRuleRequest { rule: RemoveGroupFromAffinityRuleParameters }, RemoveGroupFromAffinityRuleResponse;
    }
    access_service_client::AccessServiceClient {
        grant_access, "GrantAccess", GrantAccessRequest { access: GrantAccessParameters }, GrantAccessResponse;
        block_access, "BlockAccess", BlockAccessRequest { access: BlockAccessParameters }, BlockAccessResponse;
        remove_access, "RemoveAccess", RemoveAccessRequest { access: RemoveAccessParameters }, RemoveAccessResponse;
    }
    registry_service_client::RegistryServiceClient {
        apply_registry_batch, "ApplyRegistryBatch", ApplyRegistryBatchRequest { batch: ApplyRegistryBatchParameters }, ApplyRegistryBatchResponse;
    }
    property_service_client::PropertyServiceClient {
        set_properties, "SetProperties", SetPropertiesRequest { properties: SetPropertiesParameters }, SetPropertiesResponse;
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::{METHODS, SECRETS};

    #[test]
    fn every_call_of_the_contract_that_starts_an_operation_is_there() {
        let pool = DescriptorPool::decode(wsfc_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut promised: Vec<_> = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter(|method| method.input().get_field_by_name("options").is_some())
            .map(|method| method.name().to_owned())
            .collect();
        let mut there: Vec<_> = METHODS.iter().map(|method| (*method).to_owned()).collect();
        promised.sort_unstable();
        there.sort_unstable();
        assert_eq!(there, promised);
    }
    #[test]
    fn every_field_that_holds_a_secret_is_known() {
        let pool = DescriptorPool::decode(wsfc_proto::FILE_DESCRIPTOR_SET).unwrap();
        let secret = ["wsfc.v1.Credentials", "wsfc.v1.WitnessSecret"];
        let mut promised = Vec::new();
        for method in pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
        {
            for field in method.input().fields() {
                let kind = field.kind();
                if kind
                    .as_message()
                    .is_some_and(|message| secret.contains(&message.full_name()))
                {
                    promised.push((method.name().to_owned(), field.name().to_owned()));
                }
            }
        }
        let mut there: Vec<_> = SECRETS
            .iter()
            .map(|(method, field)| ((*method).to_owned(), (*field).to_owned()))
            .collect();
        promised.sort_unstable();
        there.sort_unstable();
        assert_eq!(there, promised);
    }
}

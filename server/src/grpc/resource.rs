//! `ResourceService`: resources.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::event;
use super::generated::resource_service_server::ResourceService;
use super::inventory;
use super::reads;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    ResourceService:
    reads {
    inventory::get_resource(GetResourceRequest) -> GetResourceResponse;
    inventory::list_resources(ListResourcesRequest) -> ListResourcesResponse;
    reads::list_checkpoints(ListCheckpointsRequest) -> ListCheckpointsResponse;
    }
    starts {
    create_resource(CreateResourceRequest) -> CreateResourceStream: CreateResource, resource;
    delete_resource(DeleteResourceRequest) -> DeleteResourceStream: DeleteResource, resource;
    online_resource(OnlineResourceRequest) -> OnlineResourceStream: OnlineResource, resource;
    offline_resource(OfflineResourceRequest) -> OfflineResourceStream: OfflineResource, resource;
    fail_resource(FailResourceRequest) -> FailResourceStream: FailResource, resource;
    restart_resource(RestartResourceRequest) -> RestartResourceStream: RestartResource, resource;
    set_resource_maintenance(SetResourceMaintenanceRequest) -> SetResourceMaintenanceStream: SetResourceMaintenance, resource;
    set_possible_owners(SetPossibleOwnersRequest) -> SetPossibleOwnersStream: SetPossibleOwners, resource;
    add_resource_dependency(AddResourceDependencyRequest) -> AddResourceDependencyStream: AddResourceDependency, resource;
    remove_resource_dependency(RemoveResourceDependencyRequest) -> RemoveResourceDependencyStream: RemoveResourceDependency, resource;
    set_resource_dependencies(SetResourceDependenciesRequest) -> SetResourceDependenciesStream: SetResourceDependencies, resource;
    move_resource(MoveResourceRequest) -> MoveResourceStream: MoveResource, resource;
    rename_resource(RenameResourceRequest) -> RenameResourceStream: RenameResource, resource;
    set_separate_monitor(SetSeparateMonitorRequest) -> SetSeparateMonitorStream: SetSeparateMonitor, resource;
    add_checkpoint(AddCheckpointRequest) -> AddCheckpointStream: AddCheckpoint, resource;
    remove_checkpoint(RemoveCheckpointRequest) -> RemoveCheckpointStream: RemoveCheckpoint, resource;
    renew_ip_lease(RenewIpLeaseRequest) -> RenewIpLeaseStream: RenewIpLease, resource;
    release_ip_lease(ReleaseIpLeaseRequest) -> ReleaseIpLeaseStream: ReleaseIpLease, resource;
    register_dns_records(RegisterDnsRecordsRequest) -> RegisterDnsRecordsStream: RegisterDnsRecords, resource;
    }
    watches {
    event::watch_status(WatchStatusRequest) -> WatchStatusStream;
    }
}

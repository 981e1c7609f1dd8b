//! `SharedVolumeService`: disks and shared volumes.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::shared_volume_service_server::SharedVolumeService;
use super::inventory;
use super::reads;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    SharedVolumeService:
    reads {
    inventory::get_shared_volume(GetSharedVolumeRequest) -> GetSharedVolumeResponse;
    inventory::list_shared_volumes(ListSharedVolumesRequest) -> ListSharedVolumesResponse;
    reads::list_available_disks(ListAvailableDisksRequest) -> ListAvailableDisksResponse;
    }
    starts {
    add_shared_volume(AddSharedVolumeRequest) -> AddSharedVolumeStream: AddSharedVolume, volume;
    remove_shared_volume(RemoveSharedVolumeRequest) -> RemoveSharedVolumeStream: RemoveSharedVolume, volume;
    move_shared_volume(MoveSharedVolumeRequest) -> MoveSharedVolumeStream: MoveSharedVolume, volume;
    set_shared_volume_redirected(SetSharedVolumeRedirectedRequest) -> SetSharedVolumeRedirectedStream: SetSharedVolumeRedirected, volume;
    set_shared_volume_maintenance(SetSharedVolumeMaintenanceRequest) -> SetSharedVolumeMaintenanceStream: SetSharedVolumeMaintenance, volume;
    add_disk(AddDiskRequest) -> AddDiskStream: AddDisk, disk;
    }
}

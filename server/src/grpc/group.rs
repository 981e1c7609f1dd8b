//! `GroupService`: groups.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::group_service_server::GroupService;
use super::inventory;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    GroupService:
    reads {
    inventory::get_group(GetGroupRequest) -> GetGroupResponse;
    inventory::list_groups(ListGroupsRequest) -> ListGroupsResponse;
    }
    starts {
    create_group(CreateGroupRequest) -> CreateGroupStream: CreateGroup, group;
    delete_group(DeleteGroupRequest) -> DeleteGroupStream: DeleteGroup, group;
    online_group(OnlineGroupRequest) -> OnlineGroupStream: OnlineGroup, group;
    offline_group(OfflineGroupRequest) -> OfflineGroupStream: OfflineGroup, group;
    move_group(MoveGroupRequest) -> MoveGroupStream: MoveGroup, group;
    migrate_virtual_machine(MigrateVirtualMachineRequest) -> MigrateVirtualMachineStream: MigrateVirtualMachine, group;
    cancel_group_move(CancelGroupMoveRequest) -> CancelGroupMoveStream: CancelGroupMove, group;
    set_preferred_owners(SetPreferredOwnersRequest) -> SetPreferredOwnersStream: SetPreferredOwners, group;
    set_failover_policy(SetFailoverPolicyRequest) -> SetFailoverPolicyStream: SetFailoverPolicy, group;
    rename_group(RenameGroupRequest) -> RenameGroupStream: RenameGroup, group;
    }
}

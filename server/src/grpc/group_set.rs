//! `GroupSetService`: sets of groups, and what waits for what.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::group_set_service_server::GroupSetService;
use super::inventory;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    GroupSetService:
    reads {
    inventory::get_group_set(GetGroupSetRequest) -> GetGroupSetResponse;
    inventory::list_group_sets(ListGroupSetsRequest) -> ListGroupSetsResponse;
    }
    starts {
    create_group_set(CreateGroupSetRequest) -> CreateGroupSetStream: CreateGroupSet, group_set;
    delete_group_set(DeleteGroupSetRequest) -> DeleteGroupSetStream: DeleteGroupSet, group_set;
    add_group_to_set(AddGroupToSetRequest) -> AddGroupToSetStream: AddGroupToSet, group_set;
    remove_group_from_set(RemoveGroupFromSetRequest) -> RemoveGroupFromSetStream: RemoveGroupFromSet, group_set;
    add_group_set_dependency(AddGroupSetDependencyRequest) -> AddGroupSetDependencyStream: AddGroupSetDependency, group_set;
    remove_group_set_dependency(RemoveGroupSetDependencyRequest) -> RemoveGroupSetDependencyStream: RemoveGroupSetDependency, group_set;
    add_group_dependency(AddGroupDependencyRequest) -> AddGroupDependencyStream: AddGroupDependency, dependency;
    remove_group_dependency(RemoveGroupDependencyRequest) -> RemoveGroupDependencyStream: RemoveGroupDependency, dependency;
    set_group_set_dependencies(SetGroupSetDependenciesRequest) -> SetGroupSetDependenciesStream: SetGroupSetDependencies, group_set;
    create_availability_set(CreateAvailabilitySetRequest) -> CreateAvailabilitySetStream: CreateAvailabilitySet, group_set;
    }
}

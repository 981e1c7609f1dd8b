//! `ResourceTypeService`: resource types.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::resource_type_service_server::ResourceTypeService;
use super::inventory;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    ResourceTypeService:
    reads {
    inventory::get_resource_type(GetResourceTypeRequest) -> GetResourceTypeResponse;
    inventory::list_resource_types(ListResourceTypesRequest) -> ListResourceTypesResponse;
    }
    starts {
    create_resource_type(CreateResourceTypeRequest) -> CreateResourceTypeStream: CreateResourceType, resource_type;
    delete_resource_type(DeleteResourceTypeRequest) -> DeleteResourceTypeStream: DeleteResourceType, resource_type;
    }
}

//! `AccessService`: who may use a cluster.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::access_service_server::AccessService;
use super::reads;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    AccessService:
    reads {
    reads::list_access(ListAccessRequest) -> ListAccessResponse;
    }
    starts {
    grant_access(GrantAccessRequest) -> GrantAccessStream: GrantAccess, access;
    block_access(BlockAccessRequest) -> BlockAccessStream: BlockAccess, access;
    remove_access(RemoveAccessRequest) -> RemoveAccessStream: RemoveAccess, access;
    }
}

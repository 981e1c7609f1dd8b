//! `NodeService`: nodes.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::node_service_server::NodeService;
use super::inventory;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    NodeService:
    reads {
    inventory::get_node(GetNodeRequest) -> GetNodeResponse;
    inventory::list_nodes(ListNodesRequest) -> ListNodesResponse;
    }
    starts {
    pause_node(PauseNodeRequest) -> PauseNodeStream: PauseNode, node;
    resume_node(ResumeNodeRequest) -> ResumeNodeStream: ResumeNode, node;
    start_node(StartNodeRequest) -> StartNodeStream: StartNode, node;
    stop_node(StopNodeRequest) -> StopNodeStream: StopNode, node;
    }
}

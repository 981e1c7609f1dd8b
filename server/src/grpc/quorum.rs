//! `QuorumService`: the quorum, its witness and its votes.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::quorum_service_server::QuorumService;
use super::inventory;
use super::reads;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    QuorumService:
    reads {
    inventory::get_quorum(GetQuorumRequest) -> GetQuorumResponse;
    reads::check_quorum(CheckQuorumRequest) -> CheckQuorumResponse;
    }
    starts {
    set_quorum(SetQuorumRequest) -> SetQuorumStream: SetQuorum, quorum, witness_secret;
    set_node_vote(SetNodeVoteRequest) -> SetNodeVoteStream: SetNodeVote, vote;
    }
}

//! `AffinityRuleService`: rules of groups that belong together or apart.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::affinity_rule_service_server::AffinityRuleService;
use super::inventory;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    AffinityRuleService:
    reads {
    inventory::get_affinity_rule(GetAffinityRuleRequest) -> GetAffinityRuleResponse;
    inventory::list_affinity_rules(ListAffinityRulesRequest) -> ListAffinityRulesResponse;
    }
    starts {
    create_affinity_rule(CreateAffinityRuleRequest) -> CreateAffinityRuleStream: CreateAffinityRule, rule;
    delete_affinity_rule(DeleteAffinityRuleRequest) -> DeleteAffinityRuleStream: DeleteAffinityRule, rule;
    add_group_to_affinity_rule(AddGroupToAffinityRuleRequest) -> AddGroupToAffinityRuleStream: AddGroupToAffinityRule, rule;
    remove_group_from_affinity_rule(RemoveGroupFromAffinityRuleRequest) -> RemoveGroupFromAffinityRuleStream: RemoveGroupFromAffinityRule, rule;
    }
}

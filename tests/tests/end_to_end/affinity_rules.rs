//! Affinity rules.

use wsfc_client::Reason;
use wsfc_client::property::Changes;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::property_value::Value;
use wsfc_client::v1::{self, AffinityRule, AffinityRuleType, ChangeType, ObjectKind};
use wsfc_simulator::Fault;

use crate::stage::{CLUSTER, Stage, changed, object};

const TOGETHER: &str = "Directory together";

fn create(rule: &str, kind: AffinityRuleType) -> v1::CreateAffinityRuleParameters {
    v1::CreateAffinityRuleParameters {
        cluster: CLUSTER.into(),
        rule: rule.into(),
        r#type: kind.into(),
    }
}

fn add(rule: &str, group: &str) -> v1::AddGroupToAffinityRuleParameters {
    v1::AddGroupToAffinityRuleParameters {
        cluster: CLUSTER.into(),
        rule: rule.into(),
        group: group.into(),
    }
}

fn remove(rule: &str, group: &str) -> v1::RemoveGroupFromAffinityRuleParameters {
    v1::RemoveGroupFromAffinityRuleParameters {
        cluster: CLUSTER.into(),
        rule: rule.into(),
        group: group.into(),
    }
}

fn delete(rule: &str) -> v1::DeleteAffinityRuleParameters {
    v1::DeleteAffinityRuleParameters {
        cluster: CLUSTER.into(),
        rule: rule.into(),
    }
}

async fn sees(stage: &mut Stage, what: &str, fits: impl Fn(&AffinityRule) -> bool) {
    stage
        .sees_object(
            what,
            |object| matches!(object, Object::AffinityRule(rule) if rule.name == TOGETHER && fits(rule)),
        )
        .await;
}

#[tokio::test]
async fn a_rule_comes_is_filled_and_goes() {
    let mut stage = Stage::production().await;
    stage.done_once(create(TOGETHER, AffinityRuleType::SameNode)).await;
    sees(&mut stage, "the rule", |rule| {
        rule.r#type() == AffinityRuleType::SameNode && rule.groups.is_empty() && rule.enabled && !rule.soft
    })
    .await;
    // Another rule cannot have its name.
    stage
        .refused(create(TOGETHER, AffinityRuleType::DifferentNode), 5010)
        .await;
    stage.done_once(add(TOGETHER, "DC1")).await;
    sees(&mut stage, "the group", |rule| rule.groups == ["DC1"]).await;
    // "Directory apart" says the opposite.
    stage.refused(add(TOGETHER, "DC2"), 5971).await;
    stage.done_once(remove(TOGETHER, "dc1")).await;
    sees(&mut stage, "the rule without it", |rule| rule.groups.is_empty()).await;
    stage.done_once(delete(TOGETHER)).await;
    stage
        .sees_gone(
            "the rule",
            |object| matches!(object, Object::AffinityRule(rule) if rule.name == TOGETHER),
        )
        .await;
    stage.finish().await;
}

#[tokio::test]
async fn watchers_see_rules_also_where_no_notification_tells_of_them() {
    // The server does not know the newest kind of objects of notifications, so the port is made without it.
    let mut stage = Stage::with(|scenario| {
        scenario.faults.push(Fault {
            call: Some("CreateClusterNotifyPortV2".into()),
            status: Some(87),
            times: Some(1),
            ..Fault::default()
        });
    })
    .await;
    stage.done_once(create(TOGETHER, AffinityRuleType::SameNode)).await;
    sees(&mut stage, "the rule", |rule| rule.groups.is_empty()).await;
    stage.done_once(add(TOGETHER, "DC1")).await;
    sees(&mut stage, "the group", |rule| rule.groups == ["DC1"]).await;
    let disabled = Changes::new(CLUSTER, ObjectKind::AffinityRule, TOGETHER)
        .set("Enabled", Value::Dword(0))
        .build();
    stage.done_once(disabled).await;
    sees(&mut stage, "the rule without effect", |rule| !rule.enabled).await;
    stage.done_once(delete(TOGETHER)).await;
    let event = stage
        .sees("the end of the rule", |event| {
            changed(event, ChangeType::Removed)
                && matches!(object(event), Some(Object::AffinityRule(rule)) if rule.name == TOGETHER)
        })
        .await;
    assert!(event.notification.is_none(), "{event:?}");
    stage.finish().await;
}

#[tokio::test]
async fn rules_are_listed_and_found_by_name() {
    let stage = Stage::production().await;
    let list = v1::ListAffinityRulesRequest {
        cluster: CLUSTER.into(),
        ..Default::default()
    };
    for fresh in [false, true] {
        let request = v1::ListAffinityRulesRequest { fresh, ..list.clone() };
        let rules = stage.client.list_affinity_rules(request).await.unwrap().rules;
        let told: Vec<_> = rules
            .iter()
            .map(|rule| (rule.name.as_str(), rule.r#type(), rule.groups.join(",")))
            .collect();
        assert_eq!(
            told,
            [
                ("Directory apart", AffinityRuleType::DifferentNode, "DC1,DC2".to_owned()),
                ("Web pair", AffinityRuleType::SameFaultDomain, "Web1,Web2".to_owned()),
            ]
        );
    }
    let get = |rule: &str| v1::GetAffinityRuleRequest {
        cluster: CLUSTER.into(),
        rule: rule.into(),
        ..Default::default()
    };
    let rule = stage
        .client
        .get_affinity_rule(get("web PAIR"))
        .await
        .unwrap()
        .rule
        .unwrap();
    assert_eq!(rule.name, "Web pair");
    let error = stage.client.get_affinity_rule(get("No such rule")).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::ObjectNotFound));
    stage
        .not_begun(add("No such rule", "DC1"), &Reason::ObjectNotFound)
        .await;
    stage.refused(add("Web pair", "No such group"), 5013).await;
    stage
        .not_begun(create("x", AffinityRuleType::Unspecified), &Reason::InvalidField)
        .await;
    stage.finish().await;
}

//! Group sets, and what waits for what.

use wsfc_client::Reason;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{self, GroupSet};

use crate::stage::{CLUSTER, Stage};

const SET: &str = "Back Office";

fn create(group_set: &str) -> v1::CreateGroupSetParameters {
    v1::CreateGroupSetParameters {
        cluster: CLUSTER.into(),
        group_set: group_set.into(),
    }
}

fn delete(group_set: &str) -> v1::DeleteGroupSetParameters {
    v1::DeleteGroupSetParameters {
        cluster: CLUSTER.into(),
        group_set: group_set.into(),
    }
}

fn add(group_set: &str, group: &str) -> v1::AddGroupToSetParameters {
    v1::AddGroupToSetParameters {
        cluster: CLUSTER.into(),
        group_set: group_set.into(),
        group: group.into(),
        ..Default::default()
    }
}

fn remove(group: &str) -> v1::RemoveGroupFromSetParameters {
    v1::RemoveGroupFromSetParameters {
        cluster: CLUSTER.into(),
        group: group.into(),
    }
}

fn depend(group_set: &str, provider_set: &str) -> v1::AddGroupSetDependencyParameters {
    v1::AddGroupSetDependencyParameters {
        cluster: CLUSTER.into(),
        group_set: group_set.into(),
        provider_set: provider_set.into(),
    }
}

fn no_longer(group_set: &str, provider_set: &str) -> v1::RemoveGroupSetDependencyParameters {
    v1::RemoveGroupSetDependencyParameters {
        cluster: CLUSTER.into(),
        group_set: group_set.into(),
        provider_set: provider_set.into(),
    }
}

fn expression(group_set: &str, expression: &str) -> v1::SetGroupSetDependenciesParameters {
    v1::SetGroupSetDependenciesParameters {
        cluster: CLUSTER.into(),
        group_set: group_set.into(),
        expression: expression.into(),
    }
}

async fn sees(stage: &mut Stage, what: &str, fits: impl Fn(&GroupSet) -> bool) {
    stage
        .sees_object(
            what,
            |object| matches!(object, Object::GroupSet(set) if set.name == SET && fits(set)),
        )
        .await;
}

async fn details(stage: &Stage, group: &str) -> v1::GroupDetails {
    let request = v1::GetGroupRequest {
        cluster: CLUSTER.into(),
        group: group.into(),
        details: true,
        ..Default::default()
    };
    stage.client.get_group(request).await.unwrap().details.unwrap()
}

#[tokio::test]
async fn a_set_comes_is_filled_and_goes() {
    let mut stage = Stage::production().await;
    stage.done_once(create(SET)).await;
    sees(&mut stage, "the set", |set| {
        set.groups.is_empty() && !set.availability_set
    })
    .await;
    stage.done_once(add(SET, "web5")).await;
    sees(&mut stage, "the group", |set| set.groups == ["Web5"]).await;
    // A group is in one set only.
    stage.refused(add(SET, "DC1"), 5011).await;
    stage
        .not_begun(add("No such set", "Web6"), &Reason::ObjectNotFound)
        .await;
    stage.done_once(remove("Web5")).await;
    sees(&mut stage, "the set without it", |set| set.groups.is_empty()).await;
    stage.done_once(delete(SET)).await;
    stage
        .sees_gone(
            "the set",
            |object| matches!(object, Object::GroupSet(set) if set.name == SET),
        )
        .await;
    let get = v1::GetGroupSetRequest {
        cluster: CLUSTER.into(),
        group_set: SET.into(),
        ..Default::default()
    };
    let error = stage.client.get_group_set(get).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::ObjectNotFound));
    stage.finish().await;
}

#[tokio::test]
async fn sets_wait_for_sets_and_never_in_a_circle() {
    let mut stage = Stage::production().await;
    stage.done(create(SET)).await;
    stage.done_once(depend(SET, "web FARM")).await;
    sees(&mut stage, "the provider", |set| set.provider_sets == ["Web Farm"]).await;
    // The farm waits for the directory.
    stage.refused(depend("Directory", SET), 1059).await;
    stage.refused(depend(SET, SET), 87).await;
    stage.done_once(no_longer(SET, "Web Farm")).await;
    sees(&mut stage, "no provider", |set| set.provider_sets.is_empty()).await;
    stage.done_once(expression(SET, "[Directory] and [Web Farm]")).await;
    sees(&mut stage, "both providers", |set| set.provider_sets.len() == 2).await;
    stage.done_once(expression(SET, "")).await;
    sees(&mut stage, "no providers", |set| set.provider_sets.is_empty()).await;
    stage.refused(expression(SET, "[Nobody]"), 5992).await;
    stage.finish().await;
}

#[tokio::test]
async fn groups_wait_for_groups_and_for_sets() {
    let stage = Stage::production().await;
    let wait = |provider_group: &str, provider_set: &str| v1::AddGroupDependencyParameters {
        cluster: CLUSTER.into(),
        group: "Web6".into(),
        provider_group: provider_group.into(),
        provider_set: provider_set.into(),
    };
    let no_longer = |provider_group: &str, provider_set: &str| v1::RemoveGroupDependencyParameters {
        cluster: CLUSTER.into(),
        group: "Web6".into(),
        provider_group: provider_group.into(),
        provider_set: provider_set.into(),
    };
    stage.done_once(wait("Web7", "")).await;
    stage.done_once(wait("", "Directory")).await;
    let providers = details(&stage, "Web6").await;
    assert_eq!(providers.provider_groups, ["Web7"]);
    assert_eq!(providers.provider_sets, ["Directory"]);
    let back = v1::AddGroupDependencyParameters {
        group: "Web7".into(),
        ..wait("Web6", "")
    };
    stage.refused(back, 1059).await;
    stage.not_begun(wait("Web7", "Directory"), &Reason::InvalidField).await;
    stage.not_begun(wait("", ""), &Reason::InvalidField).await;
    stage.done_once(no_longer("Web7", "")).await;
    stage.done_once(no_longer("", "Directory")).await;
    let providers = details(&stage, "Web6").await;
    assert!(providers.provider_groups.is_empty() && providers.provider_sets.is_empty());
    stage.finish().await;
}

#[tokio::test]
async fn an_availability_set_spreads_groups_over_domains() {
    let mut stage = Stage::production().await;
    let availability = v1::CreateAvailabilitySetParameters {
        cluster: CLUSTER.into(),
        group_set: SET.into(),
        update_domains: 2,
        fault_domains: 2,
        reserve_spare_node: false,
    };
    stage.done_once(availability.clone()).await;
    sees(&mut stage, "the set", |set| set.availability_set).await;
    let in_domain = |fault_domain| v1::AddGroupToSetParameters {
        fault_domain: Some(fault_domain),
        update_domain: Some(1),
        ..add(SET, "Web5")
    };
    stage.refused(in_domain(2), 87).await;
    stage.done_once(in_domain(1)).await;
    sees(&mut stage, "the group", |set| set.groups == ["Web5"]).await;
    let none = v1::CreateAvailabilitySetParameters {
        group_set: "Other".into(),
        fault_domains: 0,
        ..availability
    };
    stage.refused(none, 87).await;
    stage.finish().await;
}

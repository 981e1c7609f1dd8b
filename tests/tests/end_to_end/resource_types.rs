//! Resource types.

use std::time::Duration;

use wsfc_client::Reason;
use wsfc_client::v1;
use wsfc_client::v1::inventory_object::Object;
use wsfc_tests::request::duration;

use crate::stage::{CLUSTER, Stage};

const QUEUE: &str = "Message Queue 9";

fn create(dll: &str) -> v1::CreateResourceTypeParameters {
    v1::CreateResourceTypeParameters {
        cluster: CLUSTER.into(),
        resource_type: QUEUE.into(),
        display_name: "Queues of messages".into(),
        dll: dll.into(),
        looks_alive_interval: Some(duration(Duration::from_secs(7))),
        is_alive_interval: None,
    }
}

fn delete(resource_type: &str) -> v1::DeleteResourceTypeParameters {
    v1::DeleteResourceTypeParameters {
        cluster: CLUSTER.into(),
        resource_type: resource_type.into(),
    }
}

fn get(resource_type: &str) -> v1::GetResourceTypeRequest {
    v1::GetResourceTypeRequest {
        cluster: CLUSTER.into(),
        resource_type: resource_type.into(),
        details: true,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_type_is_registered_and_removed() {
    let mut stage = Stage::production().await;
    stage.done_once(create("queue9.dll")).await;
    stage
        .sees_object("the type", |object| {
            matches!(object, Object::ResourceType(kind)
                if kind.name == QUEUE && kind.display_name == "Queues of messages" && kind.dll == "queue9.dll"
                    && kind.looks_alive_interval_ms == 7_000 && kind.is_alive_interval_ms == 60_000)
        })
        .await;
    stage.refused(create("other.dll"), 183).await;
    let got = stage.client.get_resource_type(get(QUEUE)).await.unwrap();
    let details = got.details.unwrap();
    assert_eq!(details.possible_owners, ["hv1", "hv2", "hv3", "hv4"]);
    stage.done_once(delete(QUEUE)).await;
    stage
        .sees_gone(
            "the type",
            |object| matches!(object, Object::ResourceType(kind) if kind.name == QUEUE),
        )
        .await;
    let error = stage.client.get_resource_type(get(QUEUE)).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::ObjectNotFound));
    stage.finish().await;
}

#[tokio::test]
async fn a_type_with_resources_stays() {
    let stage = Stage::production().await;
    stage.refused(delete("Physical Disk"), 145).await;
    let foreseen = stage.client.validate(delete("Physical Disk")).await.unwrap_err();
    let native = foreseen.rejection().and_then(|rejection| rejection.native.clone());
    assert_eq!(native.map(|native| native.code), Some(145), "{foreseen:?}");
    stage.not_begun(create(""), &Reason::InvalidField).await;
    let list = v1::ListResourceTypesRequest {
        cluster: CLUSTER.into(),
        name_contains: "DISK".into(),
        ..Default::default()
    };
    let listed = stage.client.list_resource_types(list).await.unwrap().resource_types;
    assert!(listed.iter().any(|kind| kind.name == "Physical Disk"), "{listed:?}");
    assert!(listed.iter().all(|kind| kind.name.to_lowercase().contains("disk")));
    let name = stage.client.get_resource_type(get("Network Name")).await.unwrap();
    let required = name.details.unwrap().required_dependencies;
    assert!(!required.is_empty(), "a name needs an address");
    stage.finish().await;
}

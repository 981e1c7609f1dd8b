//! A cloud witness, and its key, which nobody finds anywhere.

use wsfc_client::Reason;
use wsfc_client::property::Changes;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::property_value::Value;
use wsfc_client::v1::{self, ObjectKind, PropertyClass, QuorumType};
use wsfc_tests::folder::bytes_below;
use wsfc_tests::records::{assert_succeeded, to_the_end};

use crate::stage::{CLUSTER, Stage};

const ACCOUNT: &str = "witnessaccount";
const KEY: &str = "VGhlS2V5T2ZUaGVXaXRuZXNz";

fn witness(key: &str) -> v1::SetQuorumRequest {
    v1::SetQuorumRequest {
        quorum: Some(v1::SetQuorumParameters {
            cluster: CLUSTER.into(),
            r#type: QuorumType::CloudWitness.into(),
            account_name: ACCOUNT.into(),
            ..Default::default()
        }),
        witness_secret: Some(v1::WitnessSecret { access_key: key.into() }),
        ..Default::default()
    }
}

/// Whether bytes hold a text, as UTF-8 or as UTF-16.
fn hold(bytes: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [text.as_bytes(), &wide]
        .iter()
        .any(|form| bytes.windows(form.len()).any(|window| window == *form))
}

#[tokio::test]
async fn the_key_of_a_witness_is_found_nowhere() {
    let mut stage = Stage::production().await;
    let operation = stage.client.set_quorum(witness(KEY)).await.unwrap();
    let records = to_the_end(&operation).await;
    assert_succeeded(&records);
    let mut told = format!("{records:?}");
    stage
        .sees("the witness", |event| {
            told.push_str(&format!("{event:?}"));
            matches!(crate::stage::object(event), Some(Object::Quorum(quorum))
                if quorum.r#type() == QuorumType::CloudWitness)
        })
        .await;
    // A new key is a change, since the cluster tells none; and it is told as a change of private properties.
    let operation = stage.client.set_quorum(witness(&format!("{KEY}2"))).await.unwrap();
    let records = to_the_end(&operation).await;
    assert_succeeded(&records);
    told.push_str(&format!("{records:?}"));

    let private = v1::GetPropertiesRequest {
        cluster: CLUSTER.into(),
        kind: ObjectKind::Resource.into(),
        name: "Cloud Witness".into(),
        class: PropertyClass::Private.into(),
        ..Default::default()
    };
    let private = stage.client.get_properties(private).await.unwrap();
    let key = private
        .properties
        .iter()
        .find(|property| property.name == "PrimaryKey")
        .unwrap();
    assert_eq!(key.value, None);
    told.push_str(&format!("{private:?}"));
    // Another change of its private properties, after which a watcher has seen all before it.
    let endpoint = Changes::new(CLUSTER, ObjectKind::Resource, "Cloud Witness")
        .private()
        .set("EndpointInfo", Value::Text("core.example".into()));
    stage.done(endpoint.build()).await;
    stage
        .sees("the endpoint", |event| {
            let event = format!("{event:?}");
            told.push_str(&event);
            event.contains("core.example") || event.contains("PrivateProperties")
        })
        .await;
    let operations = v1::ListOperationsRequest::default();
    told.push_str(&format!(
        "{:?}",
        stage.client.list_operations(operations).await.unwrap()
    ));
    assert!(told.contains(ACCOUNT), "what is told is told in clear");
    assert!(!told.contains(KEY));

    let log = stage.daemon.logs().text();
    assert!(log.contains(operation.id()), "the log tells of the operation");
    assert!(!log.contains(KEY));
    let journal = bytes_below(stage.daemon.data_dir());
    assert!(hold(&journal, ACCOUNT), "the journal keeps the request in clear");
    assert!(!hold(&journal, KEY));
    stage.finish().await;
}

#[tokio::test]
async fn a_key_is_for_a_cloud_witness_which_needs_one() {
    let stage = Stage::production().await;
    let without = v1::SetQuorumRequest {
        witness_secret: None,
        ..witness(KEY)
    };
    stage.not_begun(without, &Reason::InvalidField).await;
    stage.not_begun(witness(""), &Reason::InvalidField).await;
    let mut share = witness(KEY);
    let quorum = share.quorum.as_mut().unwrap();
    quorum.r#type = QuorumType::NodeMajority.into();
    quorum.account_name.clear();
    let error = stage.not_begun(share, &Reason::InvalidField).await;
    assert!(!format!("{error:?}").contains(KEY));
    stage.finish().await;
}

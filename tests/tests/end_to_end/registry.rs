//! The cluster database as a registry.

use wsfc_client::registry::{Batch, Data};
use wsfc_client::v1;
use wsfc_client::v1::property_value::Value;
use wsfc_client::{Code, Reason};

use crate::stage::{CLUSTER, Stage};

const APP: &str = "Software\\Example";

fn key(key: &str) -> v1::ReadRegistryKeyRequest {
    v1::ReadRegistryKeyRequest {
        cluster: CLUSTER.into(),
        key: key.into(),
        ..Default::default()
    }
}

/// The values of a key by their names.
async fn values(stage: &Stage, key: &str) -> Vec<(String, Data)> {
    let whole = stage.client.registry_key(CLUSTER, key).await.unwrap();
    let values = whole.values.iter();
    values.map(|value| (value.name.clone(), Data::of(value))).collect()
}

fn named(name: &str, data: Data) -> (String, Data) {
    (name.to_owned(), data)
}

/// A key with a value of every type.
async fn with_values(stage: &Stage) -> Vec<(String, Data)> {
    let values = [
        named("Binary", Data::Binary(vec![0, 1, 255])),
        named("Expandable", Data::ExpandableText("%SystemRoot%\\x".into())),
        named("Large", Data::Qword(u64::MAX)),
        named("List", Data::Texts(vec!["one".into(), "two words".into()])),
        named("Number", Data::Dword(7)),
        named("Other", Data::Other(42, vec![9])),
        named("Text", Data::Text("a \u{1F600} text".into())),
    ];
    let mut batch = Batch::new(CLUSTER, "").create_key(APP);
    for (name, data) in &values {
        batch = batch.set(name.clone(), data.clone());
    }
    stage.done(batch.build()).await;
    values.to_vec()
}

#[tokio::test]
async fn what_a_batch_writes_is_read() {
    let stage = Stage::production().await;
    let written = with_values(&stage).await;
    assert_eq!(values(&stage, "SOFTWARE\\example").await, written);
    let read = stage.client.registry_key(CLUSTER, APP).await.unwrap();
    assert!(read.last_write_time.is_some());
    let change = Batch::new(CLUSTER, APP)
        .if_equal("Number", Data::Dword(7))
        .if_key_not_exists("Sub")
        .if_not_exists("Missing")
        .if_greater_than("Number", Data::Dword(6))
        .delete_value("Text")
        .create_key("Sub")
        .set("Inner", Data::Dword(1));
    stage.done(change.build()).await;
    assert_eq!(values(&stage, APP).await, written[..6]);
    assert_eq!(
        values(&stage, &format!("{APP}\\Sub")).await,
        [named("Inner", Data::Dword(1))]
    );
    stage.done(Batch::new(CLUSTER, APP).delete_key("Sub").build()).await;
    assert_eq!(stage.client.registry_key(CLUSTER, APP).await.unwrap().keys, [""; 0]);
    stage.finish().await;
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_named_and_nothing_changes() {
    let stage = Stage::production().await;
    let written = with_values(&stage).await;
    let batch = Batch::new(CLUSTER, APP)
        .set("Before", Data::Dword(1))
        .if_equal("Number", Data::Dword(8))
        .set("After", Data::Dword(1));
    let outcome = stage.refused(batch.build(), 5986).await;
    assert!(outcome.message.contains("index 1"), "{}", outcome.message);
    assert!(outcome.message.contains("Number"), "{}", outcome.message);
    assert_eq!(values(&stage, APP).await, written, "all or nothing");
    stage.finish().await;
}

#[tokio::test]
async fn pages_of_keys_and_values_join() {
    let stage = Stage::production().await;
    with_values(&stage).await;
    let mut batch = Batch::new(CLUSTER, APP);
    for number in 1..=5 {
        batch = batch.create_key(format!("Key {number}"));
    }
    stage.done(batch.build()).await;
    let whole = stage.client.registry_key(CLUSTER, APP).await.unwrap();
    assert_eq!((whole.keys.len(), whole.values.len()), (5, 7));
    // Pages of 2, 3 and 5, so that keys and values share a page, and do not.
    for page_size in [2, 3, 5] {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut request = v1::ReadRegistryKeyRequest { page_size, ..key(APP) };
        loop {
            let page = stage.client.read_registry_key(request.clone()).await.unwrap();
            let items = page.keys.len() + page.values.len();
            assert!(items <= usize::try_from(page_size).unwrap(), "{page:?}");
            keys.extend(page.keys);
            values.extend(page.values);
            if page.next_page_token.is_empty() {
                break;
            }
            assert!(items > 0, "a page without anything");
            request.page_token = page.next_page_token;
        }
        assert_eq!((&keys, &values), (&whole.keys, &whole.values), "{page_size}");
    }
    let first = v1::ReadRegistryKeyRequest {
        page_size: 1,
        ..key(APP)
    };
    let page_token = stage.client.read_registry_key(first).await.unwrap().next_page_token;
    for (request, reason) in [
        (
            v1::ReadRegistryKeyRequest { page_token, ..key("") },
            Reason::PageTokenInvalid,
        ),
        (
            v1::ReadRegistryKeyRequest {
                page_token: "x".into(),
                ..key(APP)
            },
            Reason::PageTokenInvalid,
        ),
        (
            v1::ReadRegistryKeyRequest {
                page_size: -1,
                ..key(APP)
            },
            Reason::InvalidField,
        ),
    ] {
        let error = stage.client.read_registry_key(request).await.unwrap_err();
        assert_eq!(error.reason(), Some(&reason), "{error:?}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn keys_may_lie_deep() {
    let stage = Stage::production().await;
    let deep: Vec<String> = (0..60).map(|depth| format!("Level {depth}")).collect();
    let deep = deep.join("\\");
    let batch = Batch::new(CLUSTER, "")
        .create_key(&deep)
        .set("", Data::Text("here".into()));
    stage.done(batch.build()).await;
    assert_eq!(values(&stage, &deep).await, [named("", Data::Text("here".into()))]);
    // A key with keys below it does not go.
    let outcome = stage
        .refused(Batch::new(CLUSTER, "").delete_key("Level 0").build(), 1020)
        .await;
    assert!(outcome.message.contains("index 0"), "{}", outcome.message);
    stage.finish().await;
}

#[tokio::test]
async fn the_parameters_of_a_resource_are_its_private_properties() {
    let stage = Stage::production().await;
    let request = v1::GetResourceRequest {
        cluster: CLUSTER.into(),
        resource: "Reports".into(),
        ..Default::default()
    };
    let reports = stage.client.get_resource(request).await.unwrap().resource.unwrap();
    let parameters = format!("Resources\\{}\\Parameters", reports.id);
    let has = values(&stage, &parameters).await;
    let is_command = |(name, _): &&(String, Data)| name == "CommandLine";
    assert_eq!(
        has.iter().find(is_command).map(|(_, data)| data),
        Some(&Data::ExpandableText("C:\\Reports\\reports.exe".into()))
    );
    let batch = Batch::new(CLUSTER, parameters).set("CommandLine", Data::ExpandableText("C:\\new.exe".into()));
    stage.done(batch.build()).await;
    let private = v1::GetPropertiesRequest {
        cluster: CLUSTER.into(),
        kind: v1::ObjectKind::Resource.into(),
        name: "Reports".into(),
        class: v1::PropertyClass::Private.into(),
        names: vec!["CommandLine".into()],
    };
    let private = stage.client.get_properties(private).await.unwrap().properties;
    let command = Value::ExpandableText("C:\\new.exe".into());
    assert_eq!(
        private[0].value.as_ref().and_then(|value| value.value.as_ref()),
        Some(&command)
    );
    stage.finish().await;
}

#[tokio::test]
async fn keys_that_are_not_there_are_not_found() {
    let stage = Stage::production().await;
    let error = stage.client.read_registry_key(key("No\\such key")).await.unwrap_err();
    let rejection = error.rejection().unwrap();
    assert_eq!(rejection.code, Code::NotFound, "{rejection:?}");
    assert_eq!(rejection.native.as_ref().map(|native| native.code), Some(2));
    let error = stage.client.read_registry_key(key("a\0b")).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::InvalidField));
    let batch = Batch::new(CLUSTER, "No\\such key").set("x", Data::Dword(1)).build();
    stage.refused(batch, 2).await;
    stage
        .not_begun(Batch::new(CLUSTER, "").build(), &Reason::InvalidField)
        .await;
    stage.finish().await;
}

//! Properties of every kind of object, as typed values.

use wsfc_client::property::Changes;
use wsfc_client::v1::property_value::Value;
use wsfc_client::v1::{self, ChangeType, ObjectKind, Property, PropertyClass, TextList};
use wsfc_client::{Code, Reason, object};

use crate::stage::{CLUSTER, Stage, changed};

/// Reads properties of an object, with its revision.
async fn read(
    stage: &Stage,
    (kind, name): (ObjectKind, &str),
    class: PropertyClass,
    names: &[&str],
) -> v1::GetPropertiesResponse {
    let request = v1::GetPropertiesRequest {
        cluster: CLUSTER.into(),
        kind: kind.into(),
        name: name.into(),
        class: class.into(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    stage.client.get_properties(request).await.unwrap()
}

async fn common(stage: &Stage, object: (ObjectKind, &str), name: &str) -> Property {
    only(read(stage, object, PropertyClass::Common, &[name]).await, name)
}

async fn private(stage: &Stage, object: (ObjectKind, &str), name: &str) -> Property {
    only(read(stage, object, PropertyClass::Private, &[name]).await, name)
}

#[track_caller]
fn only(answer: v1::GetPropertiesResponse, name: &str) -> Property {
    let [property] = <[Property; 1]>::try_from(answer.properties).unwrap();
    assert_eq!(property.name, name);
    property
}

fn value(property: &Property) -> Option<&Value> {
    property.value.as_ref().and_then(|value| value.value.as_ref())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn set((kind, name): (ObjectKind, &str), property: &str, value: Value) -> v1::SetPropertiesParameters {
    Changes::new(CLUSTER, kind, name).set(property, value).build()
}

const SQL: (ObjectKind, &str) = (ObjectKind::Group, "SQL Server (PROD)");
const REPORTS: (ObjectKind, &str) = (ObjectKind::Resource, "Reports");

/// The network interface of a node on the network of the clients.
async fn interface(stage: &Stage) -> String {
    let request = v1::ListNetworkInterfacesRequest {
        cluster: CLUSTER.into(),
        node: "hv1".into(),
        network: "Client Access".into(),
        ..Default::default()
    };
    let answer = stage.client.list_network_interfaces(request).await.unwrap();
    answer.network_interfaces[0].name.clone()
}

#[tokio::test]
async fn every_kind_tells_its_common_properties_typed() {
    use ObjectKind as Kind;
    let stage = Stage::production().await;
    let interface = interface(&stage).await;
    // An object, a property that can be changed, and one that can only be read.
    for (object, changeable, told, read_only, fixed) in [
        (
            (Kind::Cluster, ""),
            "BlockCacheSize",
            Value::Dword(2048),
            "SharedVolumesRoot",
            text("C:\\ClusterStorage"),
        ),
        (
            (Kind::Node, "hv1"),
            "FaultDomainId",
            text("Site North"),
            "NodeName",
            text("hv1"),
        ),
        (SQL, "Priority", Value::Dword(3000), "Name", text("SQL Server (PROD)")),
        (SQL, "CCFEpoch", Value::Ularge(0), "GroupType", Value::Dword(9999)),
        (
            (Kind::Resource, "SQL Server"),
            "PendingTimeout",
            Value::Dword(300_000),
            "Type",
            text("Generic Service"),
        ),
        (
            (Kind::ResourceType, "Physical Disk"),
            "IsAlivePollInterval",
            Value::Dword(60_000),
            "DllName",
            text("clusres.dll"),
        ),
        (
            (Kind::Network, "Client Access"),
            "Role",
            Value::Dword(3),
            "Address",
            text("10.20.0.0"),
        ),
        (
            (Kind::NetworkInterface, &interface),
            "AdminExtensions",
            Value::Texts(TextList::default()),
            "Node",
            text("hv1"),
        ),
        (
            (Kind::GroupSet, "Directory"),
            "StartupDelay",
            Value::Dword(30),
            "Name",
            text("Directory"),
        ),
        (
            (Kind::AffinityRule, "Directory apart"),
            "RuleType",
            Value::Dword(4),
            "Name",
            text("Directory apart"),
        ),
    ] {
        let property = common(&stage, object, changeable).await;
        assert_eq!(
            (value(&property), property.read_only),
            (Some(&told), false),
            "{object:?}"
        );
        let property = common(&stage, object, read_only).await;
        assert_eq!(
            (value(&property), property.read_only),
            (Some(&fixed), true),
            "{object:?}"
        );
        // Those that can be changed come first.
        let all = read(&stage, object, PropertyClass::Unspecified, &[]).await.properties;
        assert!(all.len() > 3, "{all:?}");
        assert!(all.is_sorted_by_key(|property| property.read_only), "{all:?}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn private_properties_are_those_of_the_type() {
    let stage = Stage::production().await;
    let name = (ObjectKind::Resource, "SQL Name");
    let property = private(&stage, name, "HostRecordTTL").await;
    assert_eq!(value(&property), Some(&Value::Dword(300)));
    assert!(private(&stage, name, "StatusDNS").await.read_only);
    let property = private(&stage, REPORTS, "CommandLine").await;
    let command = Value::ExpandableText("C:\\Reports\\reports.exe".into());
    assert_eq!(value(&property), Some(&command));
    let none = read(&stage, REPORTS, PropertyClass::Private, &["HostRecordTTL"]).await;
    assert_eq!(none.properties, [], "an application has no records");
    stage.finish().await;
}

#[tokio::test]
async fn every_kind_takes_a_change_which_a_watch_sees() {
    use ObjectKind as Kind;
    let mut stage = Stage::production().await;
    let interface = interface(&stage).await;
    for (object, property, wished) in [
        ((Kind::Cluster, ""), "SameSubnetDelay", Value::Dword(2000)),
        ((Kind::Node, "hv2"), "Description", text("The second")),
        (
            SQL,
            "AntiAffinityClassNames",
            Value::Texts(TextList {
                texts: vec!["A".into(), "B b".into()],
            }),
        ),
        ((Kind::Resource, "SQL Server"), "RestartDelay", Value::Dword(700)),
        (
            (Kind::ResourceType, "Physical Disk"),
            "LooksAlivePollInterval",
            Value::Dword(9000),
        ),
        ((Kind::Network, "Heartbeat"), "Description", text("Between nodes")),
        ((Kind::NetworkInterface, &interface), "Description", text("Left port")),
        ((Kind::GroupSet, "Directory"), "StartupDelay", Value::Dword(45)),
        (
            (Kind::AffinityRule, "Directory apart"),
            "SoftAntiAffinity",
            Value::Dword(1),
        ),
    ] {
        // Names compare without case.
        let changes = set(object, &property.to_uppercase(), wished.clone());
        stage.done_once(changes).await;
        let told = common(&stage, object, property).await;
        assert_eq!(value(&told), Some(&wished), "{object:?}");
        stage
            .sees(&format!("{property} of {object:?}"), |event| {
                changed(event, ChangeType::Properties)
                    && event.object.as_ref().is_some_and(|of| {
                        object::kind(of) == object.0 && (object.1.is_empty() || object::is_called(of, object.1))
                    })
            })
            .await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_private_property_waits_for_the_resource_to_come_online() {
    let mut stage = Stage::production().await;
    let online = Changes::new(CLUSTER, ObjectKind::Resource, "SQL Name")
        .private()
        .set("HostRecordTTL", Value::Dword(600));
    let outcome = stage.done_once(online.build()).await;
    assert!(outcome.effective_at_next_online, "{outcome:?}");
    let offline = Changes::new(CLUSTER, REPORTS.0, REPORTS.1)
        .private()
        .set("CommandLine", text("%ProgramFiles%\\reports.exe"))
        .set("InteractWithDesktop", Value::Dword(1));
    let outcome = stage.done_once(offline.build()).await;
    assert!(!outcome.effective_at_next_online, "{outcome:?}");
    let command = private(&stage, REPORTS, "CommandLine").await;
    assert_eq!(
        value(&command),
        Some(&Value::ExpandableText("%ProgramFiles%\\reports.exe".into()))
    );
    for name in ["SQL Name", REPORTS.1] {
        stage
            .sees(name, |event| {
                changed(event, ChangeType::PrivateProperties)
                    && event.object.as_ref().is_some_and(|of| object::is_called(of, name))
            })
            .await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn what_a_property_cannot_be_is_refused() {
    let stage = Stage::production().await;
    let before = common(&stage, SQL, "Priority").await;
    for (changes, code) in [
        (set(SQL, "Name", text("SQL")), 87),
        (set(SQL, "GroupType", Value::Dword(100)), 87),
        (set(SQL, "NoSuchProperty", Value::Dword(1)), 87),
        (set(SQL, "Priority", text("high")), 5895),
        (set(SQL, "Priority", Value::Dword(3001)), 5913),
        (
            set(
                (ObjectKind::Resource, "SQL Server"),
                "RetryPeriodOnFailure",
                Value::Dword(1),
            ),
            5897,
        ),
    ] {
        // A check says the same, without an operation.
        let foreseen = stage.client.validate(changes.clone()).await.unwrap_err();
        let native = foreseen.rejection().and_then(|rejection| rejection.native.clone());
        assert_eq!(native.map(|native| native.code), Some(code), "{foreseen:?}");
        let outcome = stage.refused(changes, code).await;
        assert_eq!(outcome.suggested_actions, [0; 0], "asked again it is refused again");
    }
    let misspelt = Changes::new(CLUSTER, SQL.0, SQL.1).reset("Priorty");
    stage.refused(misspelt.build(), 87).await;
    let nobody = set((ObjectKind::Group, "No such group"), "Priority", Value::Dword(1));
    stage.not_begun(nobody, &Reason::ObjectNotFound).await;
    // All or nothing.
    let both = Changes::new(CLUSTER, SQL.0, SQL.1)
        .set("Priority", Value::Dword(1000))
        .set("FailoverPeriod", Value::Dword(9999));
    stage.refused(both.build(), 5913).await;
    assert_eq!(common(&stage, SQL, "Priority").await, before);
    stage.finish().await;
}

#[tokio::test]
async fn a_mask_takes_some_and_resets_what_it_names_beside_them() {
    let stage = Stage::production().await;
    let mut changes = Changes::new(CLUSTER, SQL.0, SQL.1)
        .set("Priority", Value::Dword(1000))
        .set("FailoverPeriod", Value::Dword(24))
        .build();
    changes.update_mask = Some(prost_types::FieldMask {
        paths: vec!["priority".into(), "FailoverThreshold".into()],
    });
    stage.done_once(changes).await;
    for (name, is) in [
        ("Priority", 1000),
        // It is not in the mask.
        ("FailoverPeriod", 12),
        // It was 2, and has no value in the request.
        ("FailoverThreshold", u32::MAX),
    ] {
        let property = common(&stage, SQL, name).await;
        assert_eq!(value(&property), Some(&Value::Dword(is)), "{name}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_property_is_reset_to_its_default() {
    let stage = Stage::production().await;
    let reset = Changes::new(CLUSTER, SQL.0, SQL.1).reset("Priority").build();
    stage.done_once(reset).await;
    let property = common(&stage, SQL, "Priority").await;
    assert_eq!(value(&property), Some(&Value::Dword(2000)));
    let described = set(REPORTS, "Description", text("Monthly"));
    stage.done(described).await;
    assert!(!common(&stage, REPORTS, "Description").await.is_default);
    let reset = Changes::new(CLUSTER, REPORTS.0, REPORTS.1).reset("Description").build();
    stage.done_once(reset).await;
    assert!(common(&stage, REPORTS, "Description").await.is_default);
    // A private property, which is not there any more afterwards, or has what its type gives it.
    for (name, value) in [("StartupParameters", text("/fast")), ("Own", text("ours"))] {
        let service = (ObjectKind::Resource, "SQL Server");
        let private = |changes: Changes| changes.private().build();
        let set = private(Changes::new(CLUSTER, service.0, service.1).set(name, value));
        stage.done_once(set).await;
        let reset = private(Changes::new(CLUSTER, service.0, service.1).reset(name));
        stage.done_once(reset).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn who_has_not_seen_the_last_change_is_refused() {
    let mut stage = Stage::production().await;
    let seen = read(&stage, SQL, PropertyClass::Common, &[]).await.revision;
    assert!(seen > 0);
    let mine = |priority| {
        Changes::new(CLUSTER, SQL.0, SQL.1)
            .set("Priority", Value::Dword(priority))
            .expecting(seen)
            .build()
    };
    stage.done(mine(1000)).await;
    let event = stage
        .sees("the new priority", |event| {
            changed(event, ChangeType::Properties)
                && event.object.as_ref().is_some_and(|of| object::is_called(of, SQL.1))
        })
        .await;
    let error = stage.not_begun(mine(2000), &Reason::RevisionConflict).await;
    assert_eq!(error.rejection().map(|rejection| rejection.code), Some(Code::Aborted));
    let error = stage.client.validate(mine(2000)).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::RevisionConflict));
    assert_eq!(value(&common(&stage, SQL, "Priority").await), Some(&Value::Dword(1000)));
    let now = read(&stage, SQL, PropertyClass::Common, &[]).await.revision;
    assert_eq!(now, event.revision);
    let again = Changes::new(CLUSTER, SQL.0, SQL.1)
        .set("Priority", Value::Dword(2000))
        .expecting(now);
    stage.done(again.build()).await;
    stage.finish().await;
}

#[tokio::test]
async fn a_check_changes_nothing_and_starts_nothing() {
    let stage = Stage::production().await;
    let before = read(&stage, SQL, PropertyClass::Common, &[]).await;
    let report = stage
        .client
        .validate(set(SQL, "Priority", Value::Dword(1000)))
        .await
        .unwrap();
    assert_eq!(report.warnings, [""; 0]);
    assert_eq!(read(&stage, SQL, PropertyClass::Common, &[]).await, before);
    let operations = stage
        .client
        .list_operations(v1::ListOperationsRequest::default())
        .await
        .unwrap();
    assert_eq!(operations.operations, []);
    stage.finish().await;
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_told() {
    let stage = Stage::production().await;
    let secret = Changes::new(CLUSTER, ObjectKind::Resource, "Cloud Witness")
        .private()
        .set("primarykey", text("c2VjcmV0"));
    stage.not_begun(secret.build(), &Reason::InvalidField).await;
    let nothing = Changes::new(CLUSTER, SQL.0, SQL.1).build();
    stage.not_begun(nothing, &Reason::InvalidField).await;
    let no_kind = set((ObjectKind::Unspecified, "x"), "Priority", Value::Dword(1));
    stage.not_begun(no_kind, &Reason::InvalidField).await;
    let gone = v1::GetPropertiesRequest {
        cluster: CLUSTER.into(),
        kind: ObjectKind::Group.into(),
        name: "No such group".into(),
        ..Default::default()
    };
    let error = stage.client.get_properties(gone).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::ObjectNotFound));
    stage.finish().await;
}

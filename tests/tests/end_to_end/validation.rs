//! Requests that are refused before anything starts, with the path of every bad field.

use wsfc_client::{Client, Error, Reason, v1};
use wsfc_tests::{TestDaemon, request, world};

/// Checks that a start was refused for exactly these fields, as INVALID_ARGUMENT with a BadRequest.
#[track_caller]
fn refused_for(error: &Error, fields: &[&str]) {
    let rejection = error.rejection().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(rejection.reason, Reason::InvalidField, "{rejection:?}");
    assert_eq!(rejection.code, tonic::Code::InvalidArgument, "{rejection:?}");
    let named: Vec<_> = rejection
        .fields
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(named, fields, "{rejection:?}");
    assert!(
        rejection
            .fields
            .iter()
            .all(|violation| !violation.description.is_empty())
    );
}

async fn create(client: &Client, change: impl FnOnce(&mut v1::CreateClusterParameters)) -> Error {
    let mut wanted = request::create_cluster("CL1", &["n1"]);
    change(wanted.cluster.as_mut().unwrap());
    // The check and the start refuse alike.
    let checked = client.validate(wanted.clone()).await.map(drop).unwrap_err();
    let started = client.create_cluster(wanted).await.map(drop).unwrap_err();
    let fields = |error: &Error| error.rejection().map(|rejection| rejection.fields.clone());
    assert_eq!(fields(&checked), fields(&started));
    started
}

#[tokio::test]
async fn a_cluster_name_is_a_dns_label() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let too_long = "a".repeat(64);
    for name in [
        "", &too_long, "a b", "a_b", "a.b", "-a", "a-", "12345", "ä", "a\0b", "a\r\nb",
    ] {
        let error = create(&client, |p| p.cluster = name.into()).await;
        refused_for(&error, &["cluster.cluster"]);
    }
    assert_eq!(daemon.simulation().calls("CreateCluster"), 0);
    daemon.finish().await;
}

#[tokio::test]
async fn a_long_name_is_a_warning_that_stays_with_the_operation() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let wanted = request::create_cluster("a-name-of-more-than-15", &["n1"]);
    let operation = daemon.client().create_cluster(wanted).await.unwrap();
    let records = wsfc_tests::records::to_the_end(&operation).await;
    let Some(v1::operation_record::Payload::Accepted(accepted)) = &records[0].payload else {
        panic!()
    };
    assert_eq!(accepted.warnings.len(), 1, "{accepted:?}");
    wsfc_tests::records::assert_succeeded(&records);
    daemon.finish().await;
}

#[tokio::test]
async fn nodes_are_one_to_sixty_four_and_each_once() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    refused_for(&create(&client, |p| p.nodes.clear()).await, &["cluster.nodes"]);
    let many: Vec<_> = (0..65).map(|number| format!("n{number}")).collect();
    refused_for(&create(&client, |p| p.nodes = many).await, &["cluster.nodes"]);
    let twice = vec!["n1".to_owned(), "n2".to_owned(), "N1".to_owned()];
    refused_for(&create(&client, |p| p.nodes = twice).await, &["cluster.nodes[2]"]);
    let bad = vec!["n1".to_owned(), String::new(), r"\\n3\share".to_owned()];
    refused_for(
        &create(&client, |p| p.nodes = bad).await,
        &["cluster.nodes[1]", "cluster.nodes[2]"],
    );
    daemon.finish().await;
}

#[tokio::test]
async fn addresses_and_prefixes_are_well_formed() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let address = |address: &str, prefix_length| v1::IpAddress {
        address: address.into(),
        prefix_length,
    };
    for (bad, field) in [
        (address("10.0.0.256", 24), "cluster.ip_addresses[1].address"),
        (address("ten", 24), "cluster.ip_addresses[1].address"),
        (address("", 24), "cluster.ip_addresses[1].address"),
        (address("127.0.0.1", 24), "cluster.ip_addresses[1].address"),
        (address("10.0.0.100", 24), "cluster.ip_addresses[1].address"),
        (address("10.0.0.9", 0), "cluster.ip_addresses[1].prefix_length"),
        (address("10.0.0.9", 33), "cluster.ip_addresses[1].prefix_length"),
        (address("fd00::9", 129), "cluster.ip_addresses[1].prefix_length"),
    ] {
        let error = create(&client, |p| p.ip_addresses.push(bad)).await;
        refused_for(&error, &[field]);
    }
    let error = create(&client, |p| p.empty_cluster = true).await;
    refused_for(&error, &["cluster.ip_addresses"]);
    daemon.finish().await;
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let mut wanted = request::create_cluster_at("a b", &["", "n1"], &[("x", 24)]);
    wanted.options = Some(request::with_id("not a uuid"));
    wanted.credentials = Some(v1::Credentials {
        user_name: "admin".into(),
        password: String::new(),
        domain: String::new(),
    });
    let error = daemon.client().create_cluster(wanted).await.unwrap_err();
    refused_for(
        &error,
        &[
            "cluster.cluster",
            "cluster.nodes[0]",
            "cluster.ip_addresses[0].address",
            "credentials.password",
            "credentials.domain",
            "options.request_id",
        ],
    );
    daemon.finish().await;
}

#[tokio::test]
async fn the_other_calls_name_their_fields_too() {
    let daemon = TestDaemon::start(world::cluster("CL1", 1)).await;
    let client = daemon.client();
    let error = client.add_node(request::add_node("CL1", "")).await.unwrap_err();
    refused_for(&error, &["node.node"]);
    let mut add = request::add_node("CL1", "n2");
    add.settle_time = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    refused_for(&client.add_node(add).await.unwrap_err(), &["settle_time"]);

    let mut evict = request::evict_node("CL1", "n1");
    let parameters = evict.node.as_mut().unwrap();
    parameters.cleanup_timeout = Some(prost_types::Duration {
        seconds: 86_401,
        nanos: 0,
    });
    parameters.reason = "bell \u{7}".into();
    let error = client.evict_node(evict).await.unwrap_err();
    refused_for(&error, &["node.cleanup_timeout", "node.reason"]);

    let error = client
        .destroy_cluster(request::destroy_cluster("a/b"))
        .await
        .unwrap_err();
    refused_for(&error, &["cluster.cluster"]);
    let error = client
        .upgrade_functional_level(request::upgrade("a/b"))
        .await
        .unwrap_err();
    refused_for(&error, &["upgrade.cluster"]);
    let account = v1::CreateNameAccountRequest {
        account: Some(v1::CreateNameAccountParameters {
            cluster: "CL1".into(),
            management_point_type: 99,
            upgrade_virtual_computer_objects: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    let error = client.create_name_account(account).await.unwrap_err();
    assert_eq!(
        error.rejection().unwrap().fields[0].field,
        "account.management_point_type"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn a_request_without_its_parameters_is_refused() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let error = client
        .create_cluster(v1::CreateClusterRequest::default())
        .await
        .unwrap_err();
    refused_for(&error, &["cluster"]);
    let error = client.add_node(v1::AddNodeRequest::default()).await.unwrap_err();
    refused_for(&error, &["node"]);
    let error = client
        .add_storage_node(v1::AddStorageNodeRequest::default())
        .await
        .unwrap_err();
    refused_for(&error, &["storage_node"]);
    daemon.finish().await;
}

#[tokio::test]
async fn a_password_is_neither_recorded_nor_logged() {
    let mut scenario = world::machines(1);
    scenario.machines[0].os = wsfc_simulator::Release::Server2025;
    let daemon = TestDaemon::start(scenario).await;
    let client = daemon.client();
    let secret = "canary-7hd83jd";
    let mut wanted = request::create_cluster("CL1", &["n1"]);
    wanted.credentials = Some(v1::Credentials {
        user_name: "admin".into(),
        password: secret.into(),
        domain: "sim.example".into(),
    });
    let operation = client.create_cluster(wanted).await.unwrap();
    let records = wsfc_tests::records::to_the_end(&operation).await;
    assert!(!format!("{records:?}").contains(secret));
    assert!(!format!("{:?}", operation.get().await.unwrap()).contains(secret));
    assert!(!daemon.logs().text().contains(secret));
    let data_dir = daemon.data_dir().to_owned();
    let bytes = wsfc_tests::folder::bytes_below(&data_dir);
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    daemon.finish().await;
}

#[tokio::test]
async fn however_much_is_wrong_the_error_arrives() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let twice = vec!["n1".to_owned(); 65];
    refused_for(&create(&client, |p| p.nodes = twice).await, &["cluster.nodes"]);
    let empty = vec![String::new(); 64];
    let error = create(&client, |p| p.nodes = empty).await;
    assert_eq!(error.rejection().unwrap().fields.len(), 16, "{error:?}");
    let address = v1::IpAddress {
        address: "\u{1}".repeat(3_000),
        prefix_length: 24,
    };
    let error = create(&client, |p| p.ip_addresses = vec![address; 64]).await;
    assert_eq!(error.reason(), Some(&Reason::InvalidField), "{error:?}");
    let long = "ä".repeat(100_000);
    let error = client.get_operation(&long).await.map(drop).unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::OperationNotFound), "{error:?}");
    let error = client.get_host_state(&long).await.map(drop).unwrap_err();
    refused_for(&error, &["host"]);
    daemon.finish().await;
}

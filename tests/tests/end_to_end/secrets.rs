//! Passwords and keys, which nobody finds anywhere: whatever becomes of the calls that carry them, and however much is
//! logged.

use bytes::Bytes;
use wsfc_client::v1::{self, QuorumType};
use wsfc_client::{Client, ConnectOptions, Error};
use wsfc_proto::methods;
use wsfc_tests::folder::bytes_below;
use wsfc_tests::raw::call;
use wsfc_tests::records::to_the_end;
use wsfc_tests::{TestDaemon, request, world};
use wsfcd::access::policy::{Binding, VIEWER};

/// What the tests look for. It has no character that any form of text would write in another way.
const CANARY: &str = "Canary7f3a9cSingsInTheMine";
/// What is looked for to see that the search finds something.
const WITNESS_ACCOUNT: &str = "witnessaccount";

fn credentials() -> v1::Credentials {
    v1::Credentials {
        user_name: "anna".into(),
        password: CANARY.into(),
        domain: "CORP".into(),
    }
}

fn create(cluster: &str) -> v1::CreateClusterRequest {
    v1::CreateClusterRequest {
        credentials: Some(credentials()),
        ..request::create_cluster(cluster, &["n1"])
    }
}

fn account(cluster: &str) -> v1::CreateNameAccountRequest {
    v1::CreateNameAccountRequest {
        account: Some(v1::CreateNameAccountParameters {
            cluster: cluster.into(),
            ..Default::default()
        }),
        credentials: Some(credentials()),
        ..Default::default()
    }
}

fn witness(cluster: &str) -> v1::SetQuorumRequest {
    v1::SetQuorumRequest {
        quorum: Some(v1::SetQuorumParameters {
            cluster: cluster.into(),
            r#type: QuorumType::CloudWitness.into(),
            account_name: WITNESS_ACCOUNT.into(),
            ..Default::default()
        }),
        witness_secret: Some(v1::WitnessSecret {
            access_key: CANARY.into(),
        }),
        ..Default::default()
    }
}

/// Makes every call that carries a secret, and gives all that is answered.
async fn tell_secrets(client: &Client, cluster: &str) -> String {
    let mut told = String::new();
    let created = client.create_cluster(create(cluster)).await;
    told.push_str(&format!("{:?}", created.as_ref().err()));
    if let Ok(operation) = created {
        told.push_str(&format!("{:?}", to_the_end(&operation).await));
    }
    let accounted = client.create_name_account(account(cluster)).await;
    told.push_str(&format!("{:?}", accounted.as_ref().err()));
    if let Ok(operation) = accounted {
        told.push_str(&format!("{:?}", to_the_end(&operation).await));
    }
    let witnessed = client.set_quorum(witness(cluster)).await;
    told.push_str(&format!("{:?}", witnessed.as_ref().err()));
    if let Ok(operation) = witnessed {
        told.push_str(&format!("{:?}", to_the_end(&operation).await));
    }
    told
}

/// The bytes of a message, each of its fields after the other, cut off or broken in every way.
fn broken(message: &impl prost::Message) -> impl Iterator<Item = Bytes> {
    let bytes = message.encode_to_vec();
    let cut = (0..bytes.len()).step_by(3).map({
        let bytes = bytes.clone();
        move |length| Bytes::copy_from_slice(&bytes[..length])
    });
    let flipped = (0..bytes.len()).step_by(5).map(move |index| {
        let mut bytes = bytes.clone();
        bytes[index] ^= 0xff;
        Bytes::from(bytes)
    });
    cut.chain(flipped)
}

/// The forms in which a text can lie somewhere.
fn forms(text: &str) -> [Vec<u8>; 2] {
    [
        text.as_bytes().to_vec(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ]
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let hold = |form: &Vec<u8>| bytes.windows(form.len()).any(|window| window == *form);
    forms(text).iter().any(hold)
}

#[tokio::test]
async fn a_secret_is_found_nowhere_whatever_becomes_of_its_call() {
    let mut daemon = TestDaemon::builder(world::machines(2))
        // The libraries speak when they are named.
        .log("trace,h2=trace,hyper=trace,rustls=trace")
        .settings(|settings| {
            settings.access.bindings.push(Binding {
                subject: "dns:viewer.test".into(),
                role: VIEWER.into(),
                clusters: None,
            });
        })
        .start()
        .await;
    let client = daemon.client();
    // One that works, as far as it does; one that is checked and fails; and callers who may not, or are nobody.
    let mut told = tell_secrets(&client, "CL1").await;
    told.push_str(&tell_secrets(&client, "none such").await);
    told.push_str(&tell_secrets(&client, "").await);
    told.push_str(&tell_secrets(&daemon.client_of("viewer.test"), "CL1").await);
    told.push_str(&tell_secrets(&daemon.client_of("nobody.test"), "CL1").await);
    let mut invalid = create("a b");
    if let Some(credentials) = &mut invalid.credentials {
        credentials.password = format!("{CANARY}\0");
        credentials.domain.clear();
    }
    told.push_str(&format!("{:?}", client.create_cluster(invalid).await.map(drop)));

    // Messages that are none, and secrets where nobody expects them.
    let channel = daemon.channel().await;
    for (path, messages) in [
        (
            "/wsfc.v1.ClusterService/CreateCluster",
            broken(&create("CL2")).collect::<Vec<_>>(),
        ),
        (
            "/wsfc.v1.ClusterService/CreateNameAccount",
            broken(&account("CL1")).collect(),
        ),
        ("/wsfc.v1.QuorumService/SetQuorum", broken(&witness("CL1")).collect()),
    ] {
        assert!(methods::of_path(path).is_some(), "{path}");
        for message in messages {
            // A broken message may be another one that is whole: what holds the canary in a name says so by itself.
            if let Err(error) = call(&channel, path, message).await {
                let error = format!("{error:?}");
                assert!(!holds(error.as_bytes(), CANARY), "{path}: {error}");
            }
        }
    }
    // A token, in the headers.
    let mut with_token = tonic::Request::new(Bytes::new());
    let token = format!("Bearer {CANARY}").parse().unwrap();
    with_token.metadata_mut().insert("authorization", token);
    let refused = call(&channel, "/wsfc.v1.ClusterService/ListClusters", with_token).await;
    told.push_str(&format!("{:?}", refused.unwrap_err()));
    daemon.stop().await;

    assert!(!holds(told.as_bytes(), CANARY), "{told}");
    let log = daemon.logs().text();
    assert!(log.contains("h2::codec"), "the log is as full as it can be");
    assert!(!holds(log.as_bytes(), CANARY), "the log tells a secret");
    let kept = bytes_below(daemon.data_dir());
    assert!(holds(&kept, "CL1"), "what is kept is found");
    assert!(!holds(&kept, CANARY), "a secret is kept");
    // Broken requests and a log of everything: what it warns of is none of this test's business.
    daemon.logs().expect("");
    daemon.finish().await;
}

#[test]
fn messages_do_not_show_their_secrets() {
    let shown = format!("{:?} {:?}", create("CL1"), witness("CL1"));
    assert!(shown.contains("anna") && shown.contains(WITNESS_ACCOUNT), "{shown}");
    assert!(!shown.contains(CANARY), "{shown}");
}

#[tokio::test]
async fn a_secret_over_plain_tcp_is_neither_sent_nor_taken() {
    let builder = TestDaemon::builder(world::machines(1)).plain();
    let Some(builder) = builder.in_process("another process always has its certificate") else {
        return;
    };
    let daemon = builder.start().await;
    let error = daemon.client().create_cluster(create("CL1")).await.unwrap_err();
    assert!(matches!(error, Error::SecretInPlain { .. }), "{error:?}");
    // A client of another make sends it all the same.
    let daring = |daemon: &TestDaemon| {
        let options = ConnectOptions {
            secrets_in_plain: true,
            ..daemon.connect_options()
        };
        Client::lazy(options).unwrap()
    };
    let client = daring(&daemon);
    for (refused, field) in [
        (client.create_cluster(create("CL1")).await.map(drop), "credentials"),
        (client.validate(create("CL1")).await.map(drop), "credentials"),
        (
            client.create_name_account(account("CL1")).await.map(drop),
            "credentials",
        ),
        (client.set_quorum(witness("CL1")).await.map(drop), "witness_secret"),
    ] {
        let error = refused.unwrap_err();
        let fields = &error.rejection().unwrap().fields;
        assert_eq!(fields.len(), 1, "{error:?}");
        assert_eq!(fields[0].field, field);
    }
    let none = client.list_operations(v1::ListOperationsRequest::default()).await;
    assert!(none.unwrap().operations.is_empty());
    // The socket of the host is no place for others.
    let local = daemon.local_client().create_cluster(create("CL1")).await.unwrap();
    assert!(!to_the_end(&local).await.is_empty());
    daemon.finish().await;

    // A directory that is simulated has no passwords.
    let builder = TestDaemon::builder(world::machines(1)).plain();
    let simulated = builder.settings(|settings| settings.cluster_api.simulate = Some("machines".into()));
    let daemon = simulated.start().await;
    let operation = daring(&daemon).create_cluster(create("CL1")).await.unwrap();
    assert!(!to_the_end(&operation).await.is_empty());
    daemon.finish().await;
}

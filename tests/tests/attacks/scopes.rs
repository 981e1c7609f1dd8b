//! Callers with rights on one cluster, who name another one by every name but its own.

use prost::Message as _;
use tonic::Code;
use wsfc_client::{Error, Reason, v1};
use wsfc_tests::records::{assert_succeeded, to_the_end};
use wsfc_tests::{request as wanted, world};
use wsfcd::access::policy::{Binding, VIEWER};

use crate::asking::{ask, framed, request};
use crate::target::Target;

/// Who may see CL1 alone.
const ONE: &str = "one.test";

async fn two_clusters() -> Target {
    let target = Target::beside_over(world::machines(2), |settings| {
        settings.inventory.observe = true;
        settings.access.bindings.push(Binding {
            subject: format!("dns:{ONE}"),
            role: VIEWER.into(),
            clusters: Some(vec!["CL1".into()]),
        });
    })
    .await;
    let client = target.daemon.client();
    for (cluster, node, address) in [("CL1", "n1", "10.0.0.111"), ("CL2", "n2", "10.0.0.112")] {
        let create = wanted::create_cluster_at(cluster, &[node], &[(address, 24)]);
        assert_succeeded(&to_the_end(&client.create_cluster(create).await.unwrap()).await);
    }
    target
}

/// Names that might be CL1 for the layer and CL2 for the cluster API, or the other way round. None shows anything of CL2.
#[tokio::test]
async fn names_that_are_almost_another_clusters() {
    let target = two_clusters().await;
    let one = target.daemon.client_of(ONE);
    for name in [
        "CL2",
        "cl2",
        "Cl2",
        " CL2",
        "CL2 ",
        "\tCL2",
        "CL2\0",
        "CL2.",
        "CL2\u{200b}",
        "\u{feff}CL2",
        "ＣＬ２",
        "CL²",
        "CL1\0CL2",
        "CL2\0CL1",
        "CL1 CL2",
        "CL1,CL2",
        "CL1;CL2",
        "CL1|CL2",
        "CL1/../CL2",
        r"CL1\..\CL2",
        "./CL2",
        r"\\CL2",
        r"\\CL2\pipe\x",
        r"\\10.0.0.112\x",
        "10.0.0.112",
        "10.0.0.112 ",
        "10.0.0.112:135",
        "010.000.000.112",
        "10.112",
        "0x0a000070",
        "167772272",
        "::ffff:10.0.0.112",
        "[::ffff:10.0.0.112]",
        "n2",
        "N2",
        "n2.",
        "n2.domain",
        "CL1@n2",
        "*",
        "%",
        "CL?",
        "",
    ] {
        for fresh in [false, true] {
            let get = v1::ListNodesRequest {
                cluster: name.into(),
                fresh,
                ..Default::default()
            };
            match one.list_nodes(get).await {
                Ok(answer) => {
                    let nodes: Vec<_> = answer.nodes.iter().map(|node| node.name.as_str()).collect();
                    assert!(!nodes.contains(&"n2"), "{name:?} shows {nodes:?}");
                }
                Err(Error::Rejected { rejection, .. }) => {
                    let text = format!("{rejection:?}");
                    let named = [name, "CL1"]
                        .iter()
                        .fold(text.clone(), |text, name| text.replace(name, ""));
                    assert!(name.contains("2") || !named.contains("n2"), "{name:?} tells {text}");
                }
                Err(other) => panic!("{name:?}: {other:?}"),
            }
        }
    }
    // By its own name, whatever its case.
    for name in ["CL1", "cl1"] {
        one.get_cluster(name).await.unwrap();
    }
    target.finish().await;
}

/// Two messages where one belongs, and one message that names two clusters: what is decided by is what is answered.
#[tokio::test]
async fn requests_that_name_two_clusters() {
    let target = two_clusters().await;
    let channel = target.daemon.channel_of(ONE).await;
    let path = "/wsfc.v1.ClusterService/GetCluster";
    let get = |cluster: &str| {
        let message = v1::GetClusterRequest {
            cluster: cluster.into(),
        };
        message.encode_to_vec()
    };
    // The last of two fields counts, and the first of two messages.
    for (what, body, is_allowed) in [
        ("CL1", framed(&get("CL1")), true),
        ("CL2", framed(&get("CL2")), false),
        (
            "CL1, then CL2, in one message",
            framed(&[get("CL1"), get("CL2")].concat()),
            false,
        ),
        (
            "CL2, then CL1, in one message",
            framed(&[get("CL2"), get("CL1")].concat()),
            true,
        ),
        (
            "CL2 after CL1",
            [framed(&get("CL1")), framed(&get("CL2"))].concat(),
            true,
        ),
        (
            "CL1 after CL2",
            [framed(&get("CL2")), framed(&get("CL1"))].concat(),
            false,
        ),
    ] {
        let answer = ask(&channel, request(path, body)).await.unwrap();
        if is_allowed {
            assert!(
                answer.code() == Code::Ok || answer.code() == Code::InvalidArgument,
                "{what}: {answer:?}"
            );
        } else {
            assert_eq!(
                (answer.code(), answer.reason()),
                (Code::PermissionDenied, Reason::PermissionMissing.to_string()),
                "{what}: {answer:?}"
            );
        }
    }
    target.finish().await;
}

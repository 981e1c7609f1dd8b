//! The quorum: what is told of it, what a check says, and the calls that change it.

use wsfc_client::v1::{self, ObjectKind, OperationState, QuorumType, ResourceState};
use wsfc_client::{Client, Reason, object};
use wsfc_simulator::Incident;
use wsfc_tests::records::{outcome_of, to_the_end};
use wsfc_tests::verbs::{changes_once, fails, names_nothing, run, states};
use wsfc_tests::watching::Follower;
use wsfc_tests::{TestDaemon, call, world};

/// A resource that is offline (facts 2.2).
const OFFLINE: i32 = 3;

async fn start() -> TestDaemon {
    TestDaemon::builder(world::production()).observing().start().await
}

async fn quorum(client: &Client) -> v1::Quorum {
    let request = v1::GetQuorumRequest {
        fresh: true,
        ..Default::default()
    };
    client.get_quorum(request).await.unwrap().quorum.unwrap()
}

async fn would_fall(client: &Client, node: &str, evict: bool) -> bool {
    let request = v1::CheckQuorumRequest {
        node: node.into(),
        evict,
        ..Default::default()
    };
    client.check_quorum(request).await.unwrap().would_lose_quorum
}

#[tokio::test]
async fn the_quorum_goes_through_its_kinds_and_watchers_see_it() {
    let daemon = start().await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    let before = quorum(&client).await;
    assert_eq!(
        (before.r#type(), before.witness.as_str()),
        (QuorumType::DiskWitness, "Quorum")
    );
    assert!(before.dynamic && before.witness_vote, "{before:?}");
    for (set, witness, kind) in [
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::NodeMajority
            }),
            "",
            "",
        ),
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::FileShareWitness,
                share_path: r"\\nas\witness"
            }),
            "File Share Witness",
            "File Share Witness",
        ),
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::DiskWitness,
                witness_resource: "quorum"
            }),
            "Quorum",
            "Physical Disk",
        ),
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::DiskOnly,
                witness_resource: "Quorum"
            }),
            "Quorum",
            "Physical Disk",
        ),
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::NodeMajority
            }),
            "",
            "",
        ),
    ] {
        let wanted = set.r#type();
        let former = quorum(&client).await;
        let records = changes_once(&client, set).await;
        let now = quorum(&client).await;
        assert_eq!(now.r#type(), wanted, "{now:?}");
        assert_eq!(
            (now.witness.as_str(), now.witness_type.as_str()),
            (witness, kind),
            "{now:?}"
        );
        if !witness.is_empty() {
            assert_eq!(now.witness_state(), ResourceState::Online);
        }
        if former.witness_type == "File Share Witness" {
            let is_taken_offline =
                |state: &&v1::ObjectStateChanged| state.name == former.witness && state.native_state == Some(OFFLINE);
            assert!(states(&records).iter().any(is_taken_offline), "{records:?}");
            assert!(outcome_of(&records).message.contains("was removed"), "{records:?}");
            follower
                .until_cache("the former witness is gone", |cache| {
                    let name = &former.witness;
                    cache
                        .of_kind(ObjectKind::Resource)
                        .iter()
                        .all(|held| object::name(held) != name)
                })
                .await;
        }
        follower
            .until_cache("the quorum", |cache| {
                let held = cache
                    .of_kind(ObjectKind::Quorum)
                    .pop()
                    .and_then(|held| held.object.clone());
                matches!(held, Some(v1::inventory_object::Object::Quorum(quorum))
                    if quorum.r#type() == wanted && quorum.witness == witness)
            })
            .await;
    }
    daemon.finish().await;
}

/// A share as the witness, by a name of its own.
fn share(name: &str) -> v1::SetQuorumParameters {
    call!(SetQuorumParameters {
        r#type: QuorumType::FileShareWitness,
        witness_resource: name,
        share_path: r"\\nas\witness"
    })
}

async fn is_there(client: &Client, resource: &str) -> bool {
    let request = v1::GetResourceRequest {
        resource: resource.into(),
        fresh: true,
        ..Default::default()
    };
    match client.get_resource(request).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.reason(), Some(&Reason::ObjectNotFound), "{error:?}");
            false
        }
    }
}

#[tokio::test]
async fn a_witness_that_was_replaced_goes_unless_something_hinders_it() {
    let daemon = start().await;
    let client = daemon.client();
    changes_once(&client, share("Share A")).await;
    assert!(is_there(&client, "Quorum").await, "a disk stays");
    changes_once(&client, share("Share B")).await;
    assert!(!is_there(&client, "Share A").await);
    daemon.simulation().happen(&Incident::LockResource {
        resource: "Share B".into(),
        locked: true,
    });
    daemon.logs().expect("The former witness could not be removed");
    let records = changes_once(&client, share("Share C")).await;
    let message = &outcome_of(&records).message;
    assert!(message.contains("could not be removed"), "{message}");
    assert!(is_there(&client, "Share B").await);
    assert_eq!(quorum(&client).await.witness, "Share C");
    daemon.finish().await;
}

#[tokio::test]
async fn a_cloud_witness_never_shows_its_key() {
    const KEY: &str = "c2VjcmV0LWtleS1vZi10aGUtd2l0bmVzcw==";
    let daemon = start().await;
    let client = daemon.client();
    let request = v1::SetQuorumRequest {
        quorum: Some(call!(SetQuorumParameters {
            r#type: QuorumType::CloudWitness,
            account_name: "store"
        })),
        witness_secret: Some(v1::WitnessSecret { access_key: KEY.into() }),
        ..Default::default()
    };
    assert!(client.validate(request.clone()).await.is_ok());
    let operation = client.set_quorum(request).await.unwrap();
    let records = to_the_end(&operation).await;
    assert_eq!(outcome_of(&records).state(), OperationState::Succeeded, "{records:?}");
    let now = quorum(&client).await;
    assert_eq!(
        (now.r#type(), now.witness.as_str()),
        (QuorumType::CloudWitness, "Cloud Witness")
    );
    let told = format!("{records:?}{:?}{now:?}", operation.get().await.unwrap());
    assert!(!told.contains("c2VjcmV0"), "{told}");
    assert!(!daemon.logs().text().contains("c2VjcmV0"));
    daemon.finish().await;
}

#[tokio::test]
async fn what_cannot_be_the_quorum_is_refused() {
    let daemon = start().await;
    let client = daemon.client();
    let before = quorum(&client).await;
    // A service can be no witness.
    let service = call!(SetQuorumParameters {
        r#type: QuorumType::DiskWitness,
        witness_resource: "SQL Server"
    });
    let outcome = outcome_of(&run(&client, service).await).clone();
    assert_eq!(outcome.state(), OperationState::Failed, "{outcome:?}");
    assert!(outcome.status.is_some(), "{outcome:?}");
    let missing = call!(SetQuorumParameters {
        r#type: QuorumType::DiskWitness,
        witness_resource: "None"
    });
    fails(&client, missing, 5_007).await;
    for (set, field) in [
        (call!(SetQuorumParameters {}), "quorum.type"),
        (call!(SetQuorumParameters { r#type: 99 }), "quorum.type"),
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::OtherWitness
            }),
            "quorum.type",
        ),
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::DiskWitness
            }),
            "quorum.witness_resource",
        ),
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::FileShareWitness
            }),
            "quorum.share_path",
        ),
        (
            call!(SetQuorumParameters {
                r#type: QuorumType::CloudWitness
            }),
            "quorum.account_name",
        ),
    ] {
        let error = client.set_quorum(set.clone()).await.unwrap_err();
        assert_eq!(error.reason(), Some(&Reason::InvalidField), "{set:?}: {error:?}");
        let fields = &error.rejection().unwrap().fields;
        assert!(fields.iter().any(|fault| fault.field == field), "{set:?}: {fields:?}");
    }
    let now = quorum(&client).await;
    assert_eq!((now.r#type(), &now.witness), (before.r#type(), &before.witness));
    daemon.finish().await;
}

#[tokio::test]
async fn votes_are_given_and_taken_as_far_as_the_cluster_allows() {
    let daemon = start().await;
    let client = daemon.client();
    let vote = |node: &str, vote: bool| call!(SetNodeVoteParameters { node: node, vote: vote });
    changes_once(&client, vote("HV4", false)).await;
    let now = quorum(&client).await;
    let of = |now: &v1::Quorum, node: &str| now.votes.iter().find(|vote| vote.node == node).cloned().unwrap();
    assert!(!of(&now, "hv4").assigned && !of(&now, "hv4").counts, "{now:?}");
    assert!(!now.witness_vote, "three votes need no witness");
    changes_once(&client, vote("hv4", true)).await;
    let now = quorum(&client).await;
    assert!(
        of(&now, "hv4").assigned && of(&now, "hv4").counts && now.witness_vote,
        "{now:?}"
    );
    names_nothing(&client, vote("hv9", true), "hv9").await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_check_says_who_cannot_be_missed() {
    let daemon = start().await;
    let client = daemon.client();
    for name in ["hv1", "hv2", "hv3", "hv4", ""] {
        for evict in [false, true] {
            assert!(!would_fall(&client, name, evict).await, "{name}, evicted: {evict}");
        }
    }
    // Abruptly, so that no votes are handed over; the witness goes too.
    daemon.simulation().happen(&Incident::Witness {
        cluster: None,
        reachable: false,
    });
    for machine in ["hv4", "hv3"] {
        daemon.simulation().happen(&Incident::KillMachine {
            machine: machine.into(),
        });
    }
    let at_risk = (
        would_fall(&client, "hv1", false).await,
        would_fall(&client, "hv2", false).await,
    );
    assert!(at_risk.0 || at_risk.1, "one of the last two decides");
    let decides = if at_risk.0 { "hv1" } else { "hv2" };
    let taken = call!(SetNodeVoteParameters {
        node: decides,
        vote: false
    });
    let error = client.validate(taken.clone()).await.unwrap_err();
    assert_eq!(
        error.reason().map(ToString::to_string).as_deref(),
        Some("QUORUM_AT_RISK")
    );
    let records = run(&client, taken).await;
    assert_eq!(outcome_of(&records).reason, "QUORUM_AT_RISK");
    let unknown = client
        .check_quorum(v1::CheckQuorumRequest {
            node: "hv9".into(),
            ..Default::default()
        })
        .await
        .unwrap_err();
    assert_eq!(unknown.reason(), Some(&Reason::ObjectNotFound));
    daemon.finish().await;
}

//! Names that nobody expects, numbers without a meaning, and a cluster whose answers are damaged: all are told as what
//! they are, and the daemon goes on.

use wsfc_client::v1::{self, ChangeType, ObjectKind, OperationState};
use wsfc_client::{Client, Error, Reason};
use wsfc_simulator::{Damage, Fault, Incident};
use wsfc_tests::records::outcome_of;
use wsfc_tests::verbs::{changes, changes_once, refused, run, unchanged};
use wsfc_tests::watching::{Follower, gap, is};
use wsfc_tests::{TestDaemon, call, world};

async fn start() -> TestDaemon {
    TestDaemon::builder(world::production()).observing().start().await
}

async fn group(client: &Client, name: &str, fresh: bool) -> Result<v1::Group, Error> {
    let request = v1::GetGroupRequest {
        group: name.into(),
        fresh,
        ..Default::default()
    };
    Ok(client.get_group(request).await?.group.unwrap())
}

#[track_caller]
fn invalid<T>(answer: Result<T, Error>, what: &str) {
    let Err(error) = answer else {
        panic!("{what} was taken");
    };
    assert_eq!(error.reason(), Some(&Reason::InvalidField), "{what}: {error:?}");
    let rejection = error.rejection().unwrap();
    assert_eq!(rejection.code, tonic::Code::InvalidArgument, "{what}");
    assert!(!rejection.fields.is_empty(), "{what}: {rejection:?}");
}

#[tokio::test]
async fn any_name_that_a_cluster_takes_goes_through_all_calls() {
    let daemon = start().await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    for name in [
        "a \"quoted\" 'name'",
        r"back\slash / slash",
        "[brackets] and (more)",
        "\u{1F980}\u{1F980}",
        "Ünïcödé ß",
        "percent %s %n {0}",
        "  spaces  ",
        "tab\tand\nline",
    ] {
        changes(&client, call!(CreateGroupParameters { group: name })).await;
        follower
            .until_cache(name, |cache| cache.find(ObjectKind::Group, name).is_some())
            .await;
        let made = group(&client, name, false).await.unwrap();
        assert_eq!(made.name, name);
        assert_eq!(group(&client, &name.to_lowercase(), true).await.unwrap(), made);
        let records = changes_once(&client, call!(OfflineGroupParameters { group: "Files" })).await;
        assert_eq!(outcome_of(&records).state(), OperationState::Succeeded);
        changes(&client, call!(OnlineGroupParameters { group: "Files" })).await;
        let resource = format!("{name} of it");
        changes_once(
            &client,
            call!(CreateResourceParameters {
                resource: resource.as_str(),
                group: name,
                r#type: "Generic Application"
            }),
        )
        .await;
        changes_once(
            &client,
            call!(DeleteResourceParameters {
                resource: resource.as_str()
            }),
        )
        .await;
        let other = format!("{name} 2");
        changes(
            &client,
            call!(RenameGroupParameters {
                group: name,
                new_name: other.as_str()
            }),
        )
        .await;
        changes_once(&client, call!(DeleteGroupParameters { group: other.as_str() })).await;
        follower
            .until_cache("the group to go", |cache| {
                cache.find(ObjectKind::Group, &other).is_none()
            })
            .await;
    }
    daemon.finish().await;
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_by_their_field() {
    let daemon = start().await;
    let client = daemon.client();
    let long = "x".repeat(10_000);
    for name in ["", "a\0b", "\0", long.as_str()] {
        let what = name.chars().take(5).collect::<String>();
        invalid(
            client.create_group(call!(CreateGroupParameters { group: name })).await,
            &what,
        );
        invalid(
            client
                .rename_group(call!(RenameGroupParameters {
                    group: "Files",
                    new_name: name
                }))
                .await,
            &what,
        );
        let create = call!(CreateResourceParameters {
            resource: name,
            group: "Files",
            r#type: "Generic Service"
        });
        invalid(client.create_resource(create).await, &what);
        invalid(
            client
                .move_group(call!(MoveGroupParameters {
                    group: name,
                    node: "hv1"
                }))
                .await,
            &what,
        );
        invalid(
            client.pause_node(call!(PauseNodeParameters { node: name })).await,
            &what,
        );
        let owners = call!(SetPossibleOwnersParameters {
            resource: "Files Disk",
            nodes: vec![name.to_owned()]
        });
        invalid(client.set_possible_owners(owners).await, &what);
    }
    for name in ["a\0b", long.as_str()] {
        let what = name.chars().take(5).collect::<String>();
        invalid(
            client
                .move_group(call!(MoveGroupParameters {
                    group: "Files",
                    node: name
                }))
                .await,
            &what,
        );
        let elsewhere = call!(OfflineGroupParameters {
            group: "Files",
            cluster: name
        });
        invalid(client.offline_group(elsewhere).await, &what);
        // What is read answers that it is not there, or that it cannot be.
        for fresh in [false, true] {
            let error = group(&client, name, fresh).await.unwrap_err();
            let reason = error.reason().unwrap();
            assert!(
                matches!(reason, Reason::ObjectNotFound | Reason::InvalidField),
                "{what}: {error:?}"
            );
            assert!(format!("{error:?}").len() < 8_000, "a name is not told back whole");
        }
    }
    assert_eq!(daemon.simulation().calls("CreateClusterGroupEx"), 0);
    daemon.finish().await;
}

#[tokio::test]
async fn numbers_without_a_meaning_are_refused_or_passed_through() {
    let daemon = start().await;
    let client = daemon.client();
    invalid(
        client
            .migrate_virtual_machine(call!(MigrateVirtualMachineParameters {
                group: "DC1",
                node: "hv2",
                migration: 77
            }))
            .await,
        "a migration",
    );
    invalid(
        client
            .resume_node(call!(ResumeNodeParameters {
                node: "hv1",
                failback: 77
            }))
            .await,
        "a failback",
    );
    let checkpoint = call!(AddCheckpointParameters {
        resource: "SQL Server",
        kind: 77,
        key: "K"
    });
    invalid(client.add_checkpoint(checkpoint).await, "a checkpoint");
    invalid(
        client
            .set_properties(call!(SetPropertiesParameters {
                kind: 77,
                name: "Files",
                properties: vec![dword("Priority", 1)]
            }))
            .await,
        "a kind",
    );
    let window = call!(SetFailoverPolicyParameters {
        group: "Files",
        failback_window_start: 24_u32
    });
    invalid(client.set_failover_policy(window).await, "an hour");
    // An open enumeration: the cluster knows what it means.
    changes(
        &client,
        call!(CreateGroupParameters {
            group: "Own kind",
            r#type: 4_711
        }),
    )
    .await;
    assert_eq!(group(&client, "Own kind", true).await.unwrap().r#type, 4_711);
    daemon.finish().await;
}

fn dword(name: &str, number: u32) -> v1::Property {
    property(name, v1::property_value::Value::Dword(number))
}

fn property(name: &str, value: v1::property_value::Value) -> v1::Property {
    v1::Property {
        name: name.into(),
        value: Some(v1::PropertyValue { value: Some(value) }),
        ..Default::default()
    }
}

#[tokio::test]
async fn properties_that_cannot_be_set_are_refused_and_nothing_is_set_with_them() {
    let daemon = start().await;
    let client = daemon.client();
    let set = |properties: Vec<v1::Property>| {
        call!(SetPropertiesParameters {
            kind: ObjectKind::Group,
            name: "Files",
            properties: properties
        })
    };
    let before = group(&client, "Files", true).await.unwrap();
    refused(&client, set(vec![dword("Priority", 3_000), dword("GroupType", 1)]), 87).await;
    let text = property("Priority", v1::property_value::Value::Text("high".into()));
    refused(&client, set(vec![text]), 5_895).await;
    assert_eq!(group(&client, "Files", true).await.unwrap(), before, "neither was set");
    changes_once(&client, set(vec![dword("pRIORITY", 1_000)])).await;
    assert_eq!(group(&client, "Files", true).await.unwrap().priority, 1_000);
    invalid(client.set_properties(set(Vec::new())).await, "no property");
    invalid(
        client.set_properties(set(vec![dword("", 1)])).await,
        "a property without a name",
    );
    invalid(client.set_properties(set(vec![dword("a\0b", 1)])).await, "a NUL");
    let without = v1::Property {
        name: "Priority".into(),
        ..Default::default()
    };
    changes(&client, set(vec![without])).await;
    let reset = group(&client, "Files", true).await.unwrap();
    assert_eq!(reset.priority, 2_000, "without a value it has its default again");
    // A newer revision than was seen.
    let stale = v1::SetPropertiesParameters {
        expected_revision: Some(before.revision),
        ..set(vec![dword("Priority", 3_000)])
    };
    let error = client.set_properties(stale).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::RevisionConflict), "{error:?}");
    daemon.finish().await;
}

#[tokio::test]
async fn damaged_notifications_make_a_gap_and_a_comparison() {
    for damage in [
        Damage::Truncated,
        Damage::WildLengths,
        Damage::OddLength,
        Damage::UnknownStates,
    ] {
        let daemon = start().await;
        daemon.logs().expect("Changes of a cluster may have been missed");
        let client = daemon.client();
        let mut follower = Follower::of_cluster(&client, "prod").await;
        daemon.simulation().inject(Fault {
            call: Some("GetClusterNotifyV2".into()),
            damage: Some(damage),
            times: Some(40),
            ..Fault::default()
        });
        daemon
            .simulation()
            .happen(&Incident::KillMachine { machine: "hv3".into() });
        // A state of a length that no state has cannot be understood: before it is told, the gap is. In the other ways
        // it is a number, which passes as it is until it is read again.
        if matches!(damage, Damage::Truncated | Damage::OddLength) {
            let told = follower
                .until_change("the node to be down", |change| {
                    is(change, ChangeType::State)
                        && matches!(
                            change.object.as_ref().and_then(|held| held.object.as_ref()),
                            Some(v1::inventory_object::Object::Node(node)) if node.name == "hv3"
                        )
                })
                .await;
            let place = told
                .iter()
                .position(|change| gap(change) == Some("UNKNOWN_NOTIFICATION"));
            let state = told.iter().position(|change| is(change, ChangeType::State));
            assert!(place.is_some() && place < state, "{damage:?}: {told:#?}");
        }
        // Whatever was damaged, the end is what the cluster is.
        follower
            .until_cache("what the damage hid", |cache| {
                let owner = |name| match cache
                    .find(ObjectKind::Group, name)
                    .and_then(|held| held.object.as_ref())
                {
                    Some(v1::inventory_object::Object::Group(group)) => {
                        Some((group.owner_node.clone(), group.native_state))
                    }
                    _ => None,
                };
                owner("Files") == Some(("hv4".into(), 0)) && owner("DC2").is_some_and(|(node, _)| node != "hv3")
            })
            .await;
        daemon.finish().await;
    }
}

#[tokio::test]
async fn a_payload_that_is_cut_off_is_told_as_a_gap() {
    let daemon = start().await;
    daemon.logs().expect("Changes of a cluster may have been missed");
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    daemon.simulation().inject(Fault {
        call: Some("GetClusterNotifyV2".into()),
        damage: Some(Damage::Truncated),
        times: Some(1),
        ..Fault::default()
    });
    daemon.simulation().happen(&Incident::NetworkDown {
        network: "Heartbeat".into(),
    });
    let told = follower
        .until_change("the state of the network", |change| {
            is(change, ChangeType::State)
                && matches!(
                    change.object.as_ref().and_then(|held| held.object.as_ref()),
                    Some(v1::inventory_object::Object::Network(_))
                )
        })
        .await;
    assert!(
        told.iter().any(|change| gap(change) == Some("UNKNOWN_NOTIFICATION")),
        "{told:#?}"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn damaged_answers_fail_a_read_and_the_next_one_works() {
    for call in [
        "ClusterGroupControl",
        "ClusterGroupOpenEnumEx",
        "ClusterResourceOpenEnumEx",
    ] {
        for damage in [Damage::Truncated, Damage::WildLengths, Damage::OddLength] {
            let builder = TestDaemon::builder(world::production());
            // Unobserved: each read asks the cluster itself.
            let daemon = builder.start().await;
            daemon.logs().expect("");
            let client = daemon.client();
            let request = v1::GetGroupRequest {
                group: "Files".into(),
                details: true,
                fresh: true,
                ..Default::default()
            };
            let whole = client.get_group(request.clone()).await.unwrap();
            daemon.simulation().inject(Fault {
                call: Some(call.into()),
                damage: Some(damage),
                times: Some(1),
                ..Fault::default()
            });
            // An error of its own, or what is left of the answer: never a panic, never a hang.
            if let Err(error) = client.get_group(request.clone()).await {
                assert!(error.rejection().is_some(), "{call} {damage:?}: {error:?}");
            }
            let mut again = client.get_group(request).await;
            if again.is_err() {
                // The fault had not struck yet.
                again = client
                    .get_group(v1::GetGroupRequest {
                        group: "Files".into(),
                        details: true,
                        ..Default::default()
                    })
                    .await;
            }
            assert_eq!(again.unwrap().group, whole.group, "{call} {damage:?}");
            assert!(!daemon.logs().contains("panic"), "{call} {damage:?}");
            daemon.finish().await;
        }
    }
}

#[tokio::test]
async fn a_verb_survives_damaged_answers() {
    let daemon = start().await;
    daemon.logs().expect("");
    let client = daemon.client();
    for damage in [
        Damage::Truncated,
        Damage::WildLengths,
        Damage::OddLength,
        Damage::UnknownStates,
    ] {
        daemon.simulation().inject(Fault {
            call: Some("ClusterGroupControl".into()),
            damage: Some(damage),
            times: Some(3),
            ..Fault::default()
        });
        if let Ok(operation) = client
            .offline_group(call!(OfflineGroupParameters { group: "Files" }))
            .await
        {
            wsfc_tests::records::to_the_end(&operation).await;
        }
    }
    // Once the damage is over, everything is as ever.
    for _ in 0..12 {
        drop(group(&client, "Files", true).await);
    }
    let records = run(&client, call!(OnlineGroupParameters { group: "Files" })).await;
    assert_eq!(outcome_of(&records).state(), OperationState::Succeeded, "{records:?}");
    unchanged(&client, call!(OnlineGroupParameters { group: "Files" })).await;
    assert!(!daemon.logs().contains("panic"));
    daemon.finish().await;
}

//! The calls that change groups, and groups that fail over by themselves.

use wsfc_client::v1::{self, ChangeType, GroupState, GroupType, ObjectKind, OperationState};
use wsfc_client::{Client, Reason};
use wsfc_simulator::Incident;
use wsfc_tests::records::{assert_whole, outcome_of, to_the_end};
use wsfc_tests::verbs::{changes, changes_once, fails, final_state, names_nothing, refused, run, states, unchanged};
use wsfc_tests::watching::{Follower, is};
use wsfc_tests::{TestDaemon, call, world};

async fn start() -> TestDaemon {
    TestDaemon::builder(world::production()).observing().start().await
}

async fn group(client: &Client, name: &str) -> v1::GetGroupResponse {
    let request = v1::GetGroupRequest {
        group: name.into(),
        fresh: true,
        details: true,
        ..Default::default()
    };
    client.get_group(request).await.unwrap()
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn what_an_operation_has_made_or_taken_away_is_so_for_whoever_reads_after_it() {
    let daemon = start().await;
    let client = daemon.client();
    let is_there = async |name: &str| {
        let request = v1::GetGroupRequest {
            group: name.into(),
            ..Default::default()
        };
        match client.get_group(request).await {
            Ok(_) => true,
            Err(error) if error.reason() == Some(&Reason::ObjectNotFound) => false,
            Err(error) => panic!("{error}"),
        }
    };
    // Each time the cluster's own word of it can be behind.
    for number in 0..10 {
        let (first, second) = (format!("first {number}"), format!("second {number}"));
        changes_once(&client, call!(CreateGroupParameters { group: first.as_str() })).await;
        assert!(is_there(&first).await, "{first} was made");
        let rename = call!(RenameGroupParameters {
            group: first.as_str(),
            new_name: second.as_str()
        });
        changes(&client, rename).await;
        assert!(
            is_there(&second).await && !is_there(&first).await,
            "{first} was renamed"
        );
        changes(&client, call!(DeleteGroupParameters { group: second.as_str() })).await;
        assert!(!is_there(&second).await, "{second} was deleted");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_group_lives_from_its_creation_to_its_end() {
    let daemon = start().await;
    let client = daemon.client();
    let create = call!(CreateGroupParameters {
        group: "Print",
        r#type: GroupType::PrintServer
    });
    let records = changes_once(&client, create).await;
    assert_eq!(final_state(&records).state, "OFFLINE", "it is empty");
    let made = group(&client, "print").await.group.unwrap();
    assert_eq!((made.name.as_str(), made.r#type), ("Print", 101));

    changes(
        &client,
        call!(RenameGroupParameters {
            group: made.id.as_str(),
            new_name: "Print 2"
        }),
    )
    .await;
    unchanged(
        &client,
        call!(RenameGroupParameters {
            group: "print 2",
            new_name: "Print 2"
        }),
    )
    .await;
    // Only its case.
    changes(
        &client,
        call!(RenameGroupParameters {
            group: "Print 2",
            new_name: "PRINT 2"
        }),
    )
    .await;
    assert_eq!(group(&client, &made.id).await.group.unwrap().name, "PRINT 2");

    let owners = call!(SetPreferredOwnersParameters {
        group: "PRINT 2",
        nodes: strings(&["hv4", "hv2"])
    });
    changes_once(&client, owners).await;
    assert_eq!(
        group(&client, &made.id).await.details.unwrap().preferred_owners,
        ["hv4", "hv2"]
    );
    let other_order = call!(SetPreferredOwnersParameters {
        group: "PRINT 2",
        nodes: strings(&["hv2", "hv4"])
    });
    changes_once(&client, other_order).await;
    changes_once(&client, call!(SetPreferredOwnersParameters { group: "PRINT 2" })).await;
    assert!(
        group(&client, &made.id)
            .await
            .details
            .unwrap()
            .preferred_owners
            .is_empty()
    );

    let policy = call!(SetFailoverPolicyParameters {
        group: "PRINT 2",
        failover_threshold: 7_u32,
        failover_period_hours: 3_u32,
        auto_failback: true,
        failback_window_start: 1_u32,
        failback_window_end: 5_u32
    });
    changes_once(&client, policy).await;
    // What is absent stays.
    changes_once(
        &client,
        call!(SetFailoverPolicyParameters {
            group: "PRINT 2",
            auto_failback: false
        }),
    )
    .await;
    let request = v1::GetPropertiesRequest {
        kind: ObjectKind::Group.into(),
        name: "PRINT 2".into(),
        names: strings(&["FailoverThreshold", "FailoverPeriod", "AutoFailbackType"]),
        class: v1::PropertyClass::Common.into(),
        ..Default::default()
    };
    let properties = client.get_properties(request).await.unwrap().properties;
    let mut values: Vec<_> = properties
        .into_iter()
        .map(|property| (property.name, property.value.and_then(|value| value.value)))
        .collect();
    values.sort_by(|one, other| one.0.cmp(&other.0));
    let dword = |name: &str, number| (name.to_owned(), Some(v1::property_value::Value::Dword(number)));
    assert_eq!(
        values,
        [
            dword("AutoFailbackType", 0),
            dword("FailoverPeriod", 3),
            dword("FailoverThreshold", 7)
        ]
    );

    changes_once(
        &client,
        call!(DeleteGroupParameters {
            group: made.id.as_str()
        }),
    )
    .await;
    unchanged(&client, call!(DeleteGroupParameters { group: "PRINT 2" })).await;
    names_nothing(&client, call!(OnlineGroupParameters { group: "PRINT 2" }), "PRINT 2").await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_group_goes_offline_online_and_elsewhere_through_its_states() {
    let mut scenario = world::production();
    // Each resource takes its time.
    scenario.timing.scale = 0.1;
    let daemon = TestDaemon::builder(scenario).observing().start().await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    for (records, state, owner) in [
        (
            changes_once(&client, call!(OfflineGroupParameters { group: "Files" })).await,
            "OFFLINE",
            "hv3",
        ),
        (
            changes_once(&client, call!(OnlineGroupParameters { group: "FILES" })).await,
            "ONLINE",
            "hv3",
        ),
        (
            changes_once(
                &client,
                call!(MoveGroupParameters {
                    group: "files",
                    node: "HV4"
                }),
            )
            .await,
            "ONLINE",
            "hv4",
        ),
        (
            changes_once(
                &client,
                call!(OnlineGroupParameters {
                    group: "Files",
                    node: "hv1"
                }),
            )
            .await,
            "ONLINE",
            "hv1",
        ),
    ] {
        assert_whole(&records);
        let end = final_state(&records);
        assert_eq!((end.state.as_str(), end.owner_node.as_str()), (state, owner));
        assert_eq!((end.kind(), end.name.as_str()), (ObjectKind::Group, "Files"));
        assert!(!end.id.is_empty());
        let way: Vec<_> = states(&records).iter().map(|state| state.state.as_str()).collect();
        assert!(way.contains(&"PENDING"), "{state} on {owner}: {way:?}");
        assert_eq!(way.last(), Some(&state), "the last record before the outcome: {way:?}");
    }
    // And a watcher has seen the same.
    let told = follower
        .until_change("the last move", |change| {
            matches!(
                change.object.as_ref().and_then(|held| held.object.as_ref()),
                Some(v1::inventory_object::Object::Group(group))
                    if group.name == "Files" && group.owner_node == "hv1" && group.state() == GroupState::Online
            )
        })
        .await;
    let owners: Vec<_> = told
        .iter()
        .filter(|change| is(change, ChangeType::Owner))
        .filter_map(|change| match change.object.as_ref()?.object.as_ref()? {
            v1::inventory_object::Object::Group(group) if group.name == "Files" => {
                Some((change.owner_before.as_str(), group.owner_node.as_str()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(owners, [("hv3", "hv4"), ("hv4", "hv1")]);
    daemon.finish().await;
}

#[tokio::test]
async fn a_group_without_a_target_finds_its_best_node() {
    let daemon = start().await;
    let client = daemon.client();
    let records = changes(
        &client,
        call!(MoveGroupParameters {
            group: "SQL Server (PROD)"
        }),
    )
    .await;
    assert_eq!(
        final_state(&records).owner_node,
        "hv2",
        "the only other node that may own its disks"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn a_virtual_machine_moves_in_the_way_asked_for() {
    let daemon = start().await;
    let client = daemon.client();
    for (migration, node) in [
        (v1::MigrationType::Live, "hv2"),
        (v1::MigrationType::Quick, "hv4"),
        (v1::MigrationType::ShutDown, "hv1"),
        (v1::MigrationType::TurnOff, "hv2"),
        (v1::MigrationType::Unspecified, "hv4"),
    ] {
        let migrate = call!(MigrateVirtualMachineParameters {
            group: "DC1",
            node: node,
            migration: migration
        });
        let records = changes_once(&client, migrate).await;
        let end = final_state(&records);
        assert_eq!(
            (end.state.as_str(), end.owner_node.as_str()),
            ("ONLINE", node),
            "{migration:?}"
        );
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_move_under_way_is_cancelled_by_its_operation_and_by_the_group() {
    let mut scenario = world::production();
    scenario.timing.scale = 1.0;
    scenario.timing.live_migration_ms = 3_600_000;
    let daemon = TestDaemon::builder(scenario).observing().start().await;
    let client = daemon.client();
    let cancel = call!(CancelGroupMoveParameters { group: "dc1" });
    unchanged(&client, cancel.clone()).await;
    let stands = |cache: &wsfc_client::Cache, state: GroupState| {
        matches!(
            cache.find(ObjectKind::Group, "DC1").and_then(|held| held.object.as_ref()),
            Some(v1::inventory_object::Object::Group(group)) if group.state() == state
        )
    };
    let mut follower = Follower::of_cluster(&client, "prod").await;
    for by_the_group in [false, true] {
        let migrate = call!(MigrateVirtualMachineParameters {
            group: "DC1",
            node: "hv2"
        });
        let moving = client.migrate_virtual_machine(migrate).await.unwrap();
        follower
            .until_cache("the move", |cache| stands(cache, GroupState::Pending))
            .await;
        let wanted = if by_the_group {
            // It does not wait for the end of what it is to end.
            let records = changes(&client, cancel.clone()).await;
            assert_eq!(final_state(&records).state, "ONLINE");
            OperationState::Failed
        } else {
            moving.cancel().await.unwrap();
            OperationState::Cancelled
        };
        let records = to_the_end(&moving).await;
        let outcome = outcome_of(&records);
        assert_eq!(outcome.state(), wanted, "{outcome:?}");
        let end = final_state(&records);
        assert_eq!((end.state.as_str(), end.owner_node.as_str()), ("ONLINE", "hv1"));
        unchanged(&client, cancel.clone()).await;
        follower
            .until_cache("the end of the move", |cache| stands(cache, GroupState::Online))
            .await;
    }
    daemon.finish().await;
}

#[tokio::test]
async fn what_a_cluster_refuses_of_groups_is_foreseen() {
    let daemon = start().await;
    let client = daemon.client();
    refused(&client, call!(DeleteGroupParameters { group: "Files" }), 145).await;
    refused(&client, call!(DeleteGroupParameters { group: "Cluster Group" }), 5_026).await;
    let core = call!(DeleteGroupParameters {
        group: "Cluster Group",
        with_resources: true
    });
    refused(&client, core, 5_026).await;
    let other_type = call!(CreateGroupParameters {
        group: "files",
        r#type: GroupType::Dhcp
    });
    refused(&client, other_type, 5_010).await;
    let taken = call!(RenameGroupParameters {
        group: "Files",
        new_name: "dc1"
    });
    refused(&client, taken, 5_010).await;

    changes_once(&client, call!(PauseNodeParameters { node: "hv4" })).await;
    let paused = refused(
        &client,
        call!(MoveGroupParameters {
            group: "Files",
            node: "hv4"
        }),
        70,
    )
    .await;
    assert_eq!(paused.reason, "ERROR_SHARING_PAUSED");
    daemon
        .simulation()
        .happen(&Incident::KillMachine { machine: "hv2".into() });
    let down = call!(MoveGroupParameters {
        group: "Files",
        node: "hv2"
    });
    refused(&client, down, 5_005).await;
    let online = call!(OnlineGroupParameters {
        group: "Old Reports",
        node: "hv4"
    });
    refused(&client, online, 70).await;
    assert_eq!(group(&client, "Files").await.group.unwrap().owner_node, "hv3");
    assert_eq!(
        daemon.simulation().calls("DestroyClusterGroup"),
        1,
        "a check tries nothing"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn what_is_named_and_not_there_is_refused_before_anything_starts() {
    let daemon = start().await;
    let client = daemon.client();
    names_nothing(&client, call!(OfflineGroupParameters { group: "None" }), "None").await;
    names_nothing(
        &client,
        call!(MoveGroupParameters {
            group: "None",
            node: "hv1"
        }),
        "None",
    )
    .await;
    names_nothing(
        &client,
        call!(RenameGroupParameters {
            group: "None",
            new_name: "X"
        }),
        "None",
    )
    .await;
    names_nothing(
        &client,
        call!(SetFailoverPolicyParameters {
            group: "None",
            auto_failback: true
        }),
        "None",
    )
    .await;
    // The node of a move is no object of the operation: the cluster refuses it.
    fails(
        &client,
        call!(MoveGroupParameters {
            group: "Files",
            node: "hv9"
        }),
        5_042,
    )
    .await;
    fails(
        &client,
        call!(SetPreferredOwnersParameters {
            group: "Files",
            nodes: strings(&["hv9"])
        }),
        5_042,
    )
    .await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_group_that_does_not_come_online_names_what_is_to_blame() {
    let daemon = start().await;
    let client = daemon.client();
    changes(&client, call!(OfflineGroupParameters { group: "Files" })).await;
    daemon.simulation().happen(&Incident::BlockResource {
        resource: "Files Disk".into(),
        node: None,
    });
    let records = run(&client, call!(OnlineGroupParameters { group: "Files" })).await;
    let outcome = outcome_of(&records);
    assert_eq!(
        (outcome.state(), outcome.reason.as_str()),
        (OperationState::Failed, "ERROR_RESOURCE_FAILED"),
        "{outcome:?}"
    );
    assert!(outcome.message.contains("Files Disk"), "{}", outcome.message);
    assert_eq!(final_state(&records).state, "FAILED");
    assert!(!outcome.suggested_actions.is_empty(), "{outcome:?}");
    daemon.finish().await;
}

#[tokio::test]
async fn a_locked_group_stays_unless_it_is_told_to_go_all_the_same() {
    let daemon = start().await;
    let client = daemon.client();
    daemon.simulation().happen(&Incident::LockResource {
        resource: "Files Server".into(),
        locked: true,
    });
    for locked in [
        fails(
            &client,
            call!(MoveGroupParameters {
                group: "Files",
                node: "hv4"
            }),
            5_960,
        )
        .await,
        fails(&client, call!(OfflineGroupParameters { group: "Files" }), 5_960).await,
    ] {
        assert_eq!(locked.reason, "ERROR_CLUSTER_RESOURCE_LOCKED_STATUS");
    }
    let forced = call!(MoveGroupParameters {
        group: "Files",
        node: "hv4",
        ignore_resource_status: true
    });
    assert_eq!(final_state(&changes(&client, forced).await).owner_node, "hv4");
    daemon.finish().await;
}

#[tokio::test]
async fn the_groups_of_a_node_that_dies_fail_over_while_they_are_watched() {
    let daemon = start().await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    let owned = |cache: &wsfc_client::Cache, node: &str| -> Vec<String> {
        cache
            .of_kind(ObjectKind::Group)
            .into_iter()
            .filter_map(|held| match &held.object {
                Some(v1::inventory_object::Object::Group(group)) if group.owner_node == node => {
                    Some(group.name.clone())
                }
                _ => None,
            })
            .collect()
    };
    let of_dead = owned(&follower.cache, "hv3");
    assert!(
        of_dead.contains(&"Files".to_owned()) && of_dead.len() > 3,
        "{of_dead:?}"
    );
    daemon
        .simulation()
        .happen(&Incident::KillMachine { machine: "hv3".into() });
    let mut changes_of_owner = Vec::new();
    while !owned(&follower.cache, "hv3").is_empty() {
        let event = follower.event("the next failover").await;
        let change = wsfc_tests::watching::into_change(event).unwrap();
        if let Some(v1::inventory_object::Object::Group(group)) =
            change.object.as_ref().and_then(|held| held.object.as_ref())
            && is(&change, ChangeType::Owner)
        {
            assert_eq!(change.owner_before, "hv3");
            changes_of_owner.push(group.name.clone());
        }
    }
    changes_of_owner.sort_by_key(|name| name.to_lowercase());
    assert_eq!(changes_of_owner, of_dead, "each once");
    follower
        .until_cache("all to be online elsewhere", |cache| {
            let node_down = matches!(
                cache.find(ObjectKind::Node, "hv3").and_then(|held| held.object.as_ref()),
                Some(v1::inventory_object::Object::Node(node)) if node.state() == v1::NodeState::Down
            );
            let files = matches!(
                cache.find(ObjectKind::Group, "Files").and_then(|held| held.object.as_ref()),
                Some(v1::inventory_object::Object::Group(group)) if group.state() == GroupState::Online
            );
            node_down && files
        })
        .await;
    assert_eq!(
        group(&client, "Files").await.group.unwrap().owner_node,
        "hv4",
        "its next preferred owner"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn two_calls_for_a_group_are_one_after_the_other() {
    let daemon = start().await;
    let client = daemon.client();
    let point = wsfc_simulator::Point::entry("MoveClusterGroupEx");
    daemon.simulation().hold(point.clone());
    let first = client
        .move_group(call!(MoveGroupParameters {
            group: "Files",
            node: "hv4"
        }))
        .await
        .unwrap();
    let patience = std::time::Duration::from_secs(60);
    assert!(daemon.simulation().wait_held(&point, patience));
    // By its id, it is the same group.
    let id = client
        .get_group(v1::GetGroupRequest {
            group: "Files".into(),
            ..Default::default()
        })
        .await
        .unwrap()
        .group
        .unwrap()
        .id;
    let second = client
        .move_group(call!(MoveGroupParameters {
            group: id.as_str(),
            node: "hv1"
        }))
        .await
        .unwrap();
    let mut refusing = v1::MoveGroupRequest {
        group: Some(call!(MoveGroupParameters {
            group: "FILES",
            node: "hv2"
        })),
        options: Some(wsfc_tests::request::refuse_when_busy()),
    };
    let error = client.move_group(refusing.clone()).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::ClusterBusy), "{error:?}");
    assert_eq!(second.get().await.unwrap().state(), OperationState::Pending);
    // Another group does not wait for it.
    changes(&client, call!(OfflineGroupParameters { group: "DC2" })).await;
    daemon.simulation().release_all();
    assert_eq!(final_state(&to_the_end(&first).await).owner_node, "hv4");
    assert_eq!(final_state(&to_the_end(&second).await).owner_node, "hv1");
    refusing.options = Some(wsfc_tests::request::refuse_when_busy());
    let third = client.move_group(refusing).await.unwrap();
    assert_eq!(final_state(&to_the_end(&third).await).owner_node, "hv2");
    daemon.finish().await;
}

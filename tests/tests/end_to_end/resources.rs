//! The calls that change resources.

use wsfc_client::v1::{self, ChangeType, ObjectKind, OperationState, ResourceState};
use wsfc_client::{Client, Reason};
use wsfc_simulator::Incident;
use wsfc_tests::records::outcome_of;
use wsfc_tests::verbs::{changes, changes_once, fails, final_state, names_nothing, refused, run, states, unchanged};
use wsfc_tests::watching::{Follower, is};
use wsfc_tests::{TestDaemon, call, world};

async fn start() -> TestDaemon {
    TestDaemon::builder(world::production()).observing().start().await
}

async fn resource(client: &Client, name: &str) -> (v1::Resource, v1::ResourceDetails) {
    let request = v1::GetResourceRequest {
        resource: name.into(),
        fresh: true,
        details: true,
        ..Default::default()
    };
    let answer = client.get_resource(request).await.unwrap();
    (answer.resource.unwrap(), answer.details.unwrap())
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_resource_lives_from_its_creation_to_its_end() {
    let daemon = start().await;
    let client = daemon.client();
    let create = call!(CreateResourceParameters {
        resource: "Extra",
        group: "old reports",
        r#type: "generic application",
        separate_monitor: true
    });
    let records = changes_once(&client, create).await;
    assert_eq!(final_state(&records).state, "OFFLINE");
    let (made, details) = resource(&client, "extra").await;
    assert_eq!(
        (made.name.as_str(), made.r#type.as_str(), made.group.as_str()),
        ("Extra", "Generic Application", "Old Reports")
    );
    assert!(made.separate_monitor && !made.core);
    assert_eq!(details.possible_owners.len(), 4);

    changes(
        &client,
        call!(RenameResourceParameters {
            resource: made.id.as_str(),
            new_name: "Extra 2"
        }),
    )
    .await;
    unchanged(
        &client,
        call!(RenameResourceParameters {
            resource: "EXTRA 2",
            new_name: "Extra 2"
        }),
    )
    .await;

    changes_once(
        &client,
        call!(AddResourceDependencyParameters {
            resource: "Extra 2",
            provider: "Reports"
        }),
    )
    .await;
    assert_eq!(resource(&client, "Extra 2").await.1.dependencies, ["Reports"]);
    assert_eq!(resource(&client, "Reports").await.1.dependents, ["Extra 2"]);
    changes_once(
        &client,
        call!(RemoveResourceDependencyParameters {
            resource: "Extra 2",
            provider: "Reports"
        }),
    )
    .await;
    let set = call!(SetResourceDependenciesParameters {
        resource: "Extra 2",
        expression: "[Reports]"
    });
    changes(&client, set).await;
    let (_, details) = resource(&client, "Extra 2").await;
    assert_eq!(details.dependencies, ["Reports"]);
    let same = call!(SetResourceDependenciesParameters {
        resource: "Extra 2",
        expression: details.dependency_expression
    });
    unchanged(&client, same).await;
    changes_once(
        &client,
        call!(SetResourceDependenciesParameters { resource: "Extra 2" }),
    )
    .await;
    assert!(resource(&client, "Extra 2").await.1.dependencies.is_empty());

    let owners = call!(SetPossibleOwnersParameters {
        resource: "Extra 2",
        nodes: strings(&["HV1", "hv3"])
    });
    changes_once(&client, owners).await;
    assert_eq!(resource(&client, "Extra 2").await.1.possible_owners, ["hv1", "hv3"]);

    changes_once(
        &client,
        call!(SetSeparateMonitorParameters {
            resource: "Extra 2",
            enabled: false
        }),
    )
    .await;
    assert!(!resource(&client, "Extra 2").await.0.separate_monitor);

    for (kind, key) in [
        (v1::CheckpointKind::Registry, "Software\\Extra"),
        (
            v1::CheckpointKind::Crypto,
            "Microsoft Strong Cryptographic Provider/Extra",
        ),
    ] {
        changes_once(
            &client,
            call!(AddCheckpointParameters {
                resource: "Extra 2",
                kind: kind,
                key: key
            }),
        )
        .await;
        let request = v1::ListCheckpointsRequest {
            resource: made.id.clone(),
            ..Default::default()
        };
        let listed = client.list_checkpoints(request.clone()).await.unwrap().checkpoints;
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!((listed[0].kind(), listed[0].key.as_str()), (kind, key));
        changes_once(
            &client,
            call!(RemoveCheckpointParameters {
                resource: "Extra 2",
                kind: kind,
                key: key
            }),
        )
        .await;
        assert!(client.list_checkpoints(request).await.unwrap().checkpoints.is_empty());
    }

    changes_once(
        &client,
        call!(DeleteResourceParameters {
            resource: made.id.as_str()
        }),
    )
    .await;
    unchanged(&client, call!(DeleteResourceParameters { resource: "Extra 2" })).await;
    names_nothing(
        &client,
        call!(OnlineResourceParameters { resource: "Extra 2" }),
        "Extra 2",
    )
    .await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_resource_goes_offline_and_online_with_those_that_belong_to_it() {
    let mut scenario = world::production();
    scenario.timing.scale = 0.1;
    let daemon = TestDaemon::builder(scenario).observing().start().await;
    let client = daemon.client();
    let records = changes_once(&client, call!(OfflineResourceParameters { resource: "sql name" })).await;
    let end = final_state(&records);
    assert_eq!(
        (end.kind(), end.name.as_str(), end.state.as_str()),
        (ObjectKind::Resource, "SQL Name", "OFFLINE")
    );
    let way: Vec<_> = states(&records).iter().map(|state| state.state.as_str()).collect();
    assert!(way.contains(&"OFFLINE_PENDING"), "{way:?}");
    for dependent in ["SQL Server", "SQL Server Agent"] {
        assert_eq!(
            resource(&client, dependent).await.0.state(),
            ResourceState::Offline,
            "{dependent}"
        );
    }
    assert_eq!(resource(&client, "SQL Data").await.0.state(), ResourceState::Online);

    let records = changes_once(
        &client,
        call!(OnlineResourceParameters {
            resource: "SQL Server Agent"
        }),
    )
    .await;
    assert_eq!(final_state(&records).state, "ONLINE");
    let way: Vec<_> = states(&records).iter().map(|state| state.state.as_str()).collect();
    assert!(way.contains(&"ONLINE_PENDING"), "{way:?}");
    for provider in ["SQL Server", "SQL Name"] {
        assert_eq!(
            resource(&client, provider).await.0.state(),
            ResourceState::Online,
            "{provider}"
        );
    }
    let restart = call!(RestartResourceParameters {
        resource: "SQL Server Agent"
    });
    let records = changes(&client, restart.clone()).await;
    assert_eq!(final_state(&records).state, "ONLINE");
    assert!(states(&records).len() > 1, "it goes and comes back: {records:?}");
    // Not idempotent: it restarts again.
    changes(&client, restart).await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_failure_on_purpose_is_seen_and_the_cluster_restarts_it() {
    let daemon = start().await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    changes(
        &client,
        call!(FailResourceParameters {
            resource: "SQL Server Agent"
        }),
    )
    .await;
    let mut seen = Vec::new();
    follower
        .until("the agent to be back", |event| {
            let Some(change) = wsfc_tests::watching::change(event) else {
                return false;
            };
            match change.object.as_ref().and_then(|held| held.object.as_ref()) {
                Some(v1::inventory_object::Object::Resource(resource))
                    if resource.name == "SQL Server Agent" && is(change, ChangeType::State) =>
                {
                    seen.push(resource.state());
                    resource.state() == ResourceState::Online
                }
                _ => false,
            }
        })
        .await;
    assert!(seen.contains(&ResourceState::Failed), "{seen:?}");
    changes(
        &client,
        call!(OfflineResourceParameters {
            resource: "SQL Server Agent"
        }),
    )
    .await;
    refused(
        &client,
        call!(FailResourceParameters {
            resource: "SQL Server Agent"
        }),
        5_084,
    )
    .await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_disk_goes_into_maintenance_and_out() {
    let daemon = start().await;
    let client = daemon.client();
    let set = |enabled: bool| {
        call!(SetResourceMaintenanceParameters {
            resource: "Files Disk",
            enabled: enabled
        })
    };
    unchanged(&client, set(false)).await;
    changes_once(&client, set(true)).await;
    changes_once(&client, set(false)).await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_resource_moves_to_another_group_with_all_that_belongs_to_it() {
    let daemon = start().await;
    let client = daemon.client();
    let elsewhere = call!(MoveResourceParameters {
        resource: "Files Disk",
        group: "DC1"
    });
    refused(&client, elsewhere, 5_016).await;
    changes(&client, call!(CreateGroupParameters { group: "New" })).await;
    changes(
        &client,
        call!(MoveGroupParameters {
            group: "New",
            node: "hv3"
        }),
    )
    .await;
    changes_once(
        &client,
        call!(MoveResourceParameters {
            resource: "Files Disk",
            group: "New"
        }),
    )
    .await;
    for moved in ["Files Disk", "Files Server", "Files Name", "Files Address"] {
        assert_eq!(resource(&client, moved).await.0.group, "New", "{moved}");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn addresses_and_names_take_their_orders() {
    let daemon = start().await;
    let client = daemon.client();
    changes(&client, call!(RegisterDnsRecordsParameters { resource: "SQL Name" })).await;
    // An address that is set by hand has no lease.
    fails(
        &client,
        call!(RenewIpLeaseParameters {
            resource: "SQL Address"
        }),
        87,
    )
    .await;
    let dhcp = call!(SetPropertiesParameters {
        kind: ObjectKind::Resource,
        name: "SQL Address",
        class: v1::PropertyClass::Private,
        properties: vec![v1::Property {
            name: "EnableDhcp".into(),
            value: Some(v1::PropertyValue {
                value: Some(v1::property_value::Value::Dword(1))
            }),
            ..Default::default()
        }]
    });
    let records = changes(&client, dhcp).await;
    assert!(outcome_of(&records).effective_at_next_online, "the address is in use");
    changes(
        &client,
        call!(RenewIpLeaseParameters {
            resource: "SQL Address"
        }),
    )
    .await;
    changes(
        &client,
        call!(ReleaseIpLeaseParameters {
            resource: "SQL Address"
        }),
    )
    .await;
    // A disk has no DNS records and no lease.
    for records in [
        run(&client, call!(RegisterDnsRecordsParameters { resource: "Files Disk" })).await,
        run(&client, call!(RenewIpLeaseParameters { resource: "Files Disk" })).await,
        run(&client, call!(ReleaseIpLeaseParameters { resource: "Files Disk" })).await,
    ] {
        let outcome = outcome_of(&records);
        assert_eq!(outcome.state(), OperationState::Failed, "{outcome:?}");
        assert!(outcome.status.is_some(), "{outcome:?}");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn what_a_cluster_refuses_of_resources_is_foreseen() {
    let daemon = start().await;
    let client = daemon.client();
    let depends = |resource: &str, provider: &str| {
        call!(AddResourceDependencyParameters {
            resource: resource,
            provider: provider
        })
    };
    refused(&client, depends("Files Address", "Files Server"), 1_059).await;
    refused(&client, depends("Files Name", "Files Server"), 1_059).await;
    let delete = |resource: &str| call!(DeleteResourceParameters { resource: resource });
    refused(&client, delete("SQL Server Agent"), 5_019).await;
    refused(&client, delete("Cluster Name"), 5_026).await;
    changes(&client, call!(OfflineResourceParameters { resource: "SQL Name" })).await;
    refused(&client, delete("SQL Name"), 5_001).await;
    let no_type = call!(CreateResourceParameters {
        resource: "X",
        group: "Files",
        r#type: "No such"
    });
    refused(&client, no_type, 5_078).await;
    let elsewhere = call!(CreateResourceParameters {
        resource: "Files Disk",
        group: "DC1",
        r#type: "Physical Disk"
    });
    refused(&client, elsewhere, 5_010).await;
    let taken = call!(RenameResourceParameters {
        resource: "Files Disk",
        new_name: "SQL NAME"
    });
    refused(&client, taken, 5_010).await;
    // Of another group.
    fails(&client, depends("Files Server", "SQL Name"), 87).await;
    let online_first = call!(DeleteResourceParameters {
        resource: "SQL Server Agent",
        offline_first: true
    });
    changes_once(&client, online_first).await;
    let gone = client
        .get_resource(v1::GetResourceRequest {
            resource: "SQL Server Agent".into(),
            fresh: true,
            ..Default::default()
        })
        .await
        .unwrap_err();
    assert_eq!(gone.reason(), Some(&Reason::ObjectNotFound));
    daemon.finish().await;
}

#[tokio::test]
async fn a_resource_that_does_not_come_online_fails_the_call() {
    let daemon = start().await;
    let client = daemon.client();
    changes(
        &client,
        call!(OfflineResourceParameters {
            resource: "Files Server"
        }),
    )
    .await;
    daemon.simulation().happen(&Incident::BlockResource {
        resource: "Files Server".into(),
        node: None,
    });
    let records = run(
        &client,
        call!(OnlineResourceParameters {
            resource: "Files Server"
        }),
    )
    .await;
    let outcome = outcome_of(&records);
    assert_eq!(
        (outcome.state(), outcome.reason.as_str()),
        (OperationState::Failed, "ERROR_RESOURCE_FAILED"),
        "{outcome:?}"
    );
    assert_eq!(final_state(&records).state, "FAILED");
    daemon.finish().await;
}

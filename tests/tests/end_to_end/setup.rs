//! Creating, growing and destroying clusters, and reading what came of it.

use std::time::{Duration, SystemTime};

use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{self, OperationState, PendingReason, SetupPhase, SetupPhaseType, SetupSeverity};
use wsfc_client::{Client, Progress, Reason};
use wsfc_simulator::scenario::{ExistingCluster, ExistingGroup};
use wsfc_simulator::{Point, Release};
use wsfc_tests::records::{
    Record as _, assert_failed, assert_succeeded, collect, outcome_of, phases, soon, to_the_end,
};
use wsfc_tests::{TestDaemon, UnderTest, request, world};

#[tokio::test]
async fn creating_a_cluster_streams_every_report_and_ends_on_evidence() {
    let daemon = TestDaemon::start(world::machines(3)).await;
    let client = daemon.client();
    let wanted = request::create_cluster_at("CL1", &["n1", "n2", "n3"], &[("10.0.0.100", 24), ("10.1.0.100", 24)]);

    let operation = client.create_cluster(wanted.clone()).await.unwrap();
    let records = to_the_end(&operation).await;

    let Some(Payload::Accepted(accepted)) = &records[0].payload else {
        panic!("{:?}", records[0])
    };
    assert_eq!(accepted.kind(), v1::OperationKind::CreateCluster);
    assert_eq!(accepted.cluster, "CL1");
    assert_eq!(accepted.principal, "dns:administrator.test");
    assert!(!accepted.request_id.is_empty(), "the client makes a request id");
    let parameters = accepted.parameters.clone().and_then(|parameters| parameters.parameters);
    let expected = wanted.cluster.map(v1::operation_parameters::Parameters::CreateCluster);
    assert_eq!(parameters, expected);
    let started = records.iter().find_map(|record| match &record.payload {
        Some(Payload::Started(started)) => Some(started.function.as_str()),
        _ => None,
    });
    assert_eq!(started, Some("CreateCluster"));

    // Every phase that begins ends once for its object, and nothing is worse than informational.
    let mut open = Vec::new();
    for setup in records.iter().filter_map(|record| record.setup()) {
        let key = (setup.phase, setup.object_name.clone());
        match setup.phase_type() {
            SetupPhaseType::Start => open.push(key),
            SetupPhaseType::Continue => assert!(open.contains(&key), "{setup:?}"),
            SetupPhaseType::End => {
                let position = open.iter().position(|open| *open == key);
                open.remove(position.unwrap_or_else(|| panic!("End without Start: {setup:?}")));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(setup.severity(), SetupSeverity::Informational, "{setup:?}");
        assert!(setup.percent <= 100, "{setup:?}");
        assert_eq!(setup.status.as_ref().map(|status| status.raw), Some(0), "{setup:?}");
    }
    assert_eq!(open, []);
    let phases = phases(&records);
    assert!(
        phases.contains(&(SetupPhase::FormingCluster as i32, "CL1")),
        "{phases:?}"
    );
    assert!(
        phases.contains(&(SetupPhase::CreateIpAddressResources as i32, "10.1.0.100")),
        "{phases:?}"
    );
    assert!(phases.contains(&(SetupPhase::NodeUp as i32, "n3")), "{phases:?}");

    assert_succeeded(&records);
    let outcome = outcome_of(&records);
    assert_eq!(outcome.status.as_ref().map(|status| status.raw), Some(0));
    assert_eq!(outcome.warning_count, 0);
    let inspection = outcome.inspection.clone().unwrap();
    assert!(inspection.cluster_found && inspection.ready, "{inspection:?}");

    let cluster = client.get_cluster("CL1").await.unwrap();
    assert_eq!(inspection.cluster.as_ref(), Some(&cluster));
    assert_eq!(cluster.name, "CL1");
    assert_eq!(cluster.functional_level, 11, "all nodes run 2022");
    assert!(!cluster.mixed_versions);
    let nodes: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.state()))
        .collect();
    assert_eq!(
        nodes,
        [
            ("n1", v1::NodeState::Up),
            ("n2", v1::NodeState::Up),
            ("n3", v1::NodeState::Up)
        ]
    );
    assert_eq!(cluster.groups, ["Available Storage", "Cluster Group"]);
    assert_eq!(
        cluster.management_point_type(),
        v1::ManagementPointType::ActiveDirectoryAndDns
    );
    let listed = client.list_clusters().await.unwrap();
    assert_eq!(listed.clusters, [cluster]);
    assert_eq!(listed.unreachable, []);
    for node in ["n1", "n2", "n3"] {
        let state = client.get_host_state(node).await.unwrap();
        assert_eq!((state.state(), state.native_state), (v1::HostState::Running, 19));
    }

    let kept = operation.get().await.unwrap();
    assert_eq!(kept.state(), OperationState::Succeeded);
    assert_eq!(kept.percent, 100);
    assert_eq!(kept.last_sequence, records.len() as u64);
    assert_eq!(kept.last_revision, records.last().unwrap().revision);
    assert_eq!(kept.outcome.as_ref(), Some(outcome));
    daemon.finish().await;
}

#[tokio::test]
async fn an_empty_cluster_has_no_management_point() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let mut wanted = request::create_cluster_at("CL1", &["n1"], &[]);
    wanted.cluster.as_mut().unwrap().empty_cluster = true;
    assert_succeeded(&to_the_end(&client.create_cluster(wanted).await.unwrap()).await);
    // Without a name on the network it is reached through its node.
    let cluster = client.get_cluster("n1").await.unwrap();
    assert_eq!(cluster.name, "CL1");
    assert_eq!(cluster.management_point_type(), v1::ManagementPointType::None);
    daemon.finish().await;
}

#[tokio::test]
async fn adding_a_node_waits_until_the_new_cluster_has_settled() {
    // Long enough for the second start to come before it is over, on a machine that is busy too.
    let settle = UnderTest::get().patience(Duration::from_secs(3));
    let daemon = TestDaemon::builder(world::machines(2))
        .settings(|s| s.operations.create_settle = settle)
        .start()
        .await;
    let client = daemon.client();
    let create = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let created = to_the_end(&create).await;
    let mut wanted = request::add_node("CL1", "n2");
    wanted.settle_time = None;
    let records = to_the_end(&client.add_node(wanted).await.unwrap()).await;
    assert_succeeded(&records);

    let pending = records.iter().find_map(|record| match &record.payload {
        Some(Payload::Pending(pending)) if pending.reason() == PendingReason::ClusterSettling => Some(pending),
        _ => None,
    });
    let pending = pending.unwrap_or_else(|| panic!("the wait is not in the stream: {records:?}"));
    let remaining = Duration::try_from(pending.remaining.unwrap()).unwrap();
    assert!(remaining > Duration::ZERO && remaining <= settle, "{remaining:?}");
    assert!(pending.until.is_some());
    let started = records
        .iter()
        .find(|record| matches!(record.payload, Some(Payload::Started(_))))
        .unwrap();
    let time = |record: &v1::OperationRecord| SystemTime::try_from(record.time.unwrap()).unwrap();
    let waited = time(started).duration_since(time(created.last().unwrap())).unwrap();
    // The clock of the pause starts when the call comes back, a moment before its outcome is recorded.
    assert!(waited + settle / 3 >= settle, "began after {waited:?}");
    daemon.finish().await;
}

#[tokio::test]
async fn the_pause_after_a_creation_outlives_the_daemon() {
    let mut daemon = TestDaemon::builder(world::machines(2))
        .settings(|s| s.operations.create_settle = Duration::from_secs(1_800))
        .start()
        .await;
    let create = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    to_the_end(&create).await;
    daemon.restart().await;
    adding_waits_for_the_cluster_to_settle(&daemon.client(), "n2").await;
    daemon.finish().await;
}

#[tokio::test]
async fn the_pause_after_a_creation_that_was_cut_off_is_kept_too() {
    let mut daemon = TestDaemon::builder(world::machines(3))
        .settings(|s| {
            s.operations.create_settle = Duration::from_secs(1_800);
            s.operations.shutdown_grace = Duration::from_millis(50);
        })
        .start()
        .await;
    daemon
        .logs()
        .expect("Operation was interrupted by the end of the daemon");
    daemon.logs().expect("Operations are still running");
    // The cluster is formed, and the call, which waits for the second node, has not come back.
    daemon
        .simulation()
        .hold(Point::phase("CreateCluster", SetupPhase::NodeUp.into()));
    let create = request::create_cluster("CL1", &["n1", "n2"]);
    let create = daemon.client().create_cluster(create).await.unwrap();
    let node_up = |record: &v1::OperationRecord| record.starts(SetupPhase::NodeUp);
    collect(&mut create.progress(), node_up).await.unwrap();
    daemon.restart().await;
    let client = daemon.client();
    let outcome = client.operation(create.id()).wait().await.unwrap();
    assert_eq!(outcome.state(), OperationState::Interrupted);
    assert!(outcome.inspection.as_ref().unwrap().cluster_found, "{outcome:?}");
    adding_waits_for_the_cluster_to_settle(&client, "n3").await;
    // Nor is it forgotten by a daemon that has nothing to inspect any more.
    daemon.restart().await;
    adding_waits_for_the_cluster_to_settle(&daemon.client(), "n3").await;
    daemon.simulation().release_all();
    daemon.finish().await;
}

async fn adding_waits_for_the_cluster_to_settle(client: &Client, node: &str) {
    let mut wanted = request::add_node("CL1", node);
    wanted.settle_time = None;
    let mut progress = client.add_node(wanted).await.unwrap().progress();
    let pending = loop {
        let record = match soon("the wait", progress.next()).await.unwrap().unwrap() {
            Progress::Record(record) => record,
            _ => continue,
        };
        match record.payload {
            Some(Payload::Pending(pending)) => break pending,
            Some(Payload::Started(_)) => panic!("the call began at once"),
            _ => {}
        }
    };
    assert_eq!(pending.reason(), PendingReason::ClusterSettling);
    let cancelled = client.operation(progress.operation_id()).cancel().await.unwrap();
    assert_eq!(cancelled.state(), v1::OperationState::Cancelled);
}

#[tokio::test]
async fn a_request_can_shorten_the_pause_before_adding_a_node() {
    // Half an hour: the test passes only if the request's own time counts.
    let daemon = TestDaemon::builder(world::machines(2))
        .settings(|s| s.operations.create_settle = Duration::from_secs(1_800))
        .start()
        .await;
    let client = daemon.client();
    to_the_end(
        &client
            .create_cluster(request::create_cluster("CL1", &["n1"]))
            .await
            .unwrap(),
    )
    .await;
    assert_succeeded(&to_the_end(&client.add_node(request::add_node("CL1", "n2")).await.unwrap()).await);
    assert_eq!(client.get_cluster("CL1").await.unwrap().nodes.len(), 2);
    daemon.finish().await;
}

#[tokio::test]
async fn a_member_is_not_added_twice() {
    let daemon = TestDaemon::start(world::cluster("CL1", 2)).await;
    let operation = daemon.client().add_node(request::add_node("CL1", "n2")).await.unwrap();
    assert_failed(&to_the_end(&operation).await, 5065);
    daemon.finish().await;
}

#[tokio::test]
async fn a_node_is_evicted_and_can_come_back() {
    let daemon = TestDaemon::start(world::cluster("CL1", 3)).await;
    let client = daemon.client();
    let records = to_the_end(&client.evict_node(request::evict_node("CL1", "n3")).await.unwrap()).await;
    assert_succeeded(&records);
    let cleanup = outcome_of(&records).cleanup_status.as_ref().map(|status| status.raw);
    assert_eq!(cleanup, Some(0));
    assert_eq!(client.get_cluster("CL1").await.unwrap().nodes.len(), 2);
    assert_eq!(
        client.get_host_state("n3").await.unwrap().state(),
        v1::HostState::NotConfigured
    );
    assert_succeeded(&to_the_end(&client.add_node(request::add_node("CL1", "n3")).await.unwrap()).await);
    daemon.finish().await;
}

#[tokio::test]
async fn an_eviction_whose_clean_up_fails_is_an_eviction_and_says_so() {
    let mut scenario = world::cluster("CL1", 2);
    scenario.machines[1].cleanup_fails = Some(0x8007_0005);
    let daemon = TestDaemon::start(scenario).await;
    let client = daemon.client();
    let records = to_the_end(&client.evict_node(request::evict_node("CL1", "n2")).await.unwrap()).await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Succeeded);
    assert!(outcome.partial);
    assert_eq!(
        outcome.cleanup_status.as_ref().map(|status| status.raw),
        Some(0x8007_0005)
    );
    assert_eq!(client.get_cluster("CL1").await.unwrap().nodes.len(), 1);
    daemon.finish().await;
}

#[tokio::test]
async fn the_last_node_is_not_evicted() {
    let daemon = TestDaemon::start(world::cluster("CL1", 1)).await;
    let operation = daemon
        .client()
        .evict_node(request::evict_node("CL1", "n1"))
        .await
        .unwrap();
    assert_failed(&to_the_end(&operation).await, 5939);
    daemon.finish().await;
}

#[tokio::test]
async fn a_destroyed_cluster_is_gone_and_its_nodes_are_free() {
    let daemon = TestDaemon::start(world::cluster("CL1", 2)).await;
    let client = daemon.client();
    let records = to_the_end(&client.destroy_cluster(request::destroy_cluster("CL1")).await.unwrap()).await;
    assert_succeeded(&records);
    assert!(!outcome_of(&records).inspection.as_ref().unwrap().cluster_found);
    let error = client.get_cluster("CL1").await.unwrap_err();
    assert!(
        error.rejection().is_some_and(|rejection| rejection.native.is_some()),
        "{error:?}"
    );
    for node in ["n1", "n2"] {
        assert_eq!(
            client.get_host_state(node).await.unwrap().state(),
            v1::HostState::NotConfigured
        );
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_cluster_with_groups_is_not_destroyed() {
    let mut scenario = world::cluster("CL1", 2);
    scenario.clusters[0].groups.push(ExistingGroup {
        name: "SQL".into(),
        ..ExistingGroup::default()
    });
    let daemon = TestDaemon::start(scenario).await;
    let client = daemon.client();
    let records = to_the_end(&client.destroy_cluster(request::destroy_cluster("CL1")).await.unwrap()).await;
    assert_failed(&records, 5937);
    assert!(
        client
            .get_cluster("CL1")
            .await
            .unwrap()
            .groups
            .contains(&"SQL".to_owned())
    );
    daemon.finish().await;
}

#[tokio::test]
async fn a_name_account_is_made_repaired_and_taken_away() {
    let mut scenario = world::machines(1);
    scenario.machines[0].os = Release::Server2025;
    scenario.clusters.push(ExistingCluster {
        name: "CL1".into(),
        nodes: vec!["n1".into()],
        ..ExistingCluster::default()
    });
    // Without a name on the network the cluster is reached through its node.
    let daemon = TestDaemon::start(scenario).await;
    let client = daemon.client();
    let account = v1::CreateNameAccountRequest {
        account: Some(v1::CreateNameAccountParameters {
            cluster: "n1".into(),
            // A distributed name needs no address.
            management_point_resource_type: v1::ManagementPointResourceType::DistributedNetworkName.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let records = to_the_end(&client.create_name_account(account).await.unwrap()).await;
    assert_succeeded(&records);
    assert!(
        phases(&records)
            .iter()
            .any(|(phase, _)| *phase == SetupPhase::CreateClusterAccount as i32)
    );

    let repair = v1::RepairNameAccountRequest {
        account: Some(v1::RepairNameAccountParameters { cluster: "n1".into() }),
        ..Default::default()
    };
    let records = to_the_end(&client.repair_name_account(repair).await.unwrap()).await;
    assert_succeeded(&records);
    let repairs: Vec<_> = phases(&records).iter().map(|(phase, _)| *phase).collect();
    assert!(repairs.contains(&500) && repairs.contains(&501), "{repairs:?}");

    let remove = v1::RemoveNameAccountRequest {
        account: Some(v1::RemoveNameAccountParameters {
            cluster: "n1".into(),
            delete_computer_objects: true,
        }),
        ..Default::default()
    };
    let records = to_the_end(&client.remove_name_account(remove).await.unwrap()).await;
    assert_succeeded(&records);
    assert_eq!(phases(&records), [], "the native call reports no progress");
    assert_eq!(outcome_of(&records).worst_severity(), SetupSeverity::Unspecified);
    daemon.finish().await;
}

#[tokio::test]
async fn a_storage_node_comes_and_goes() {
    let daemon = TestDaemon::start(world::cluster("CL1", 2)).await;
    let client = daemon.client();
    let add = v1::AddStorageNodeRequest {
        storage_node: Some(v1::AddStorageNodeParameters {
            cluster: "CL1".into(),
            node: "shelf1".into(),
            description: "a shelf".into(),
            location: "rack 7".into(),
        }),
        ..Default::default()
    };
    assert_succeeded(&to_the_end(&client.add_storage_node(add).await.unwrap()).await);
    let remove = v1::RemoveStorageNodeRequest {
        storage_node: Some(v1::RemoveStorageNodeParameters {
            cluster: "CL1".into(),
            node: "shelf1".into(),
            timeout: None,
        }),
        ..Default::default()
    };
    assert_succeeded(&to_the_end(&client.remove_storage_node(remove).await.unwrap()).await);
    daemon.finish().await;
}

#[tokio::test]
async fn what_the_host_lacks_is_unimplemented_by_name() {
    let mut scenario = world::cluster("CL1", 2);
    let absent = [
        "CreateCluster",
        "AddClusterNode",
        "DestroyCluster",
        "ClusterUpgradeFunctionalLevel",
        "CreateClusterNameAccount",
        "RemoveClusterNameAccount",
        "RepairClusterNameAccount",
        "AddClusterStorageNode",
        "RemoveClusterStorageNode",
    ];
    scenario.functions_absent = absent.map(String::from).to_vec();
    let builder = TestDaemon::builder(scenario);
    let Some(builder) = builder.in_process("a library cannot hide functions that it exports") else {
        return;
    };
    let daemon = builder.start().await;
    let client = daemon.client();
    let refusals = [
        client
            .create_cluster(request::create_cluster("CL2", &["n1"]))
            .await
            .unwrap_err(),
        client.add_node(request::add_node("CL1", "n2")).await.unwrap_err(),
        client
            .destroy_cluster(request::destroy_cluster("CL1"))
            .await
            .unwrap_err(),
        client
            .upgrade_functional_level(request::upgrade("CL1"))
            .await
            .unwrap_err(),
        client
            .create_name_account(v1::CreateNameAccountRequest {
                account: Some(v1::CreateNameAccountParameters::default()),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        client
            .remove_name_account(v1::RemoveNameAccountRequest {
                account: Some(v1::RemoveNameAccountParameters::default()),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        client
            .repair_name_account(v1::RepairNameAccountRequest {
                account: Some(v1::RepairNameAccountParameters::default()),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        client
            .add_storage_node(v1::AddStorageNodeRequest {
                storage_node: Some(v1::AddStorageNodeParameters {
                    node: "s".into(),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .await
            .unwrap_err(),
        client
            .remove_storage_node(v1::RemoveStorageNodeRequest {
                storage_node: Some(v1::RemoveStorageNodeParameters {
                    node: "s".into(),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .await
            .unwrap_err(),
    ];
    for (function, error) in absent.iter().zip(refusals) {
        let rejection = error.rejection().unwrap_or_else(|| panic!("{function}: {error:?}"));
        assert_eq!(rejection.reason, Reason::FunctionUnavailable, "{function}");
        assert_eq!(rejection.code, tonic::Code::Unimplemented, "{function}");
        assert_eq!(rejection.metadata.get("function").map(String::as_str), Some(*function));
    }
    assert_eq!(
        client
            .list_operations(v1::ListOperationsRequest::default())
            .await
            .unwrap()
            .operations,
        []
    );
    daemon.finish().await;
}

#[tokio::test]
async fn validating_only_changes_nothing_and_starts_nothing() {
    let daemon = TestDaemon::start(world::cluster("CL1", 2)).await;
    let client = daemon.client();
    let before = client.get_cluster("CL1").await.unwrap();
    let long_name = request::create_cluster("a-name-of-more-than-15", &["n1"]);
    let report = client.validate(long_name).await.unwrap();
    assert_eq!(report.warnings.len(), 1, "{report:?}");
    assert!(client.validate(request::add_node("CL1", "n9")).await.is_ok());
    assert!(client.validate(request::evict_node("CL1", "n2")).await.is_ok());
    assert!(client.validate(request::destroy_cluster("CL1")).await.is_ok());
    let report = client.validate(request::upgrade("CL1")).await.unwrap();
    assert_eq!(report.native_check.map(|check| check.raw), Some(0));
    let error = client.validate(request::create_cluster("", &[])).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::InvalidField));

    for function in [
        "CreateCluster",
        "AddClusterNode",
        "EvictClusterNodeEx",
        "EvictClusterNodeEx2",
        "DestroyCluster",
    ] {
        assert_eq!(daemon.simulation().calls(function), 0, "{function}");
    }
    assert_eq!(client.get_cluster("CL1").await.unwrap(), before);
    assert_eq!(
        client
            .list_operations(v1::ListOperationsRequest::default())
            .await
            .unwrap()
            .operations,
        []
    );
    daemon.finish().await;
}

#[tokio::test]
async fn reads_name_what_they_could_not_open() {
    let daemon = TestDaemon::start(world::machines(1)).await;
    let client = daemon.client();
    let error = client.get_cluster("nowhere").await.unwrap_err();
    let native = error
        .rejection()
        .and_then(|rejection| rejection.native.clone())
        .unwrap();
    assert!(native.function.starts_with("OpenCluster"), "{native:?}");
    assert!(!native.name.is_empty(), "{native:?}");
    let error = client.get_host_state("nowhere").await.unwrap_err();
    let native = error
        .rejection()
        .and_then(|rejection| rejection.native.clone())
        .unwrap();
    assert_eq!(native.function, "GetNodeClusterState");
    let error = client.get_cluster("no such/name").await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::InvalidField));
    daemon.finish().await;
}

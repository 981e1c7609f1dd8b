//! Raising the functional level.

use wsfc_client::v1::{self, OperationState, UpgradePhase};
use wsfc_simulator::{Fault, Release};
use wsfc_tests::records::{assert_failed, assert_succeeded, outcome_of, to_the_end, upgrade_phases};
use wsfc_tests::{TestDaemon, request, world};

/// A cluster at the level of 2019 whose nodes run these releases.
fn behind(releases: &[Release]) -> wsfc_simulator::Scenario {
    let mut scenario = world::cluster("CL1", releases.len());
    for (machine, release) in scenario.machines.iter_mut().zip(releases) {
        machine.os = *release;
    }
    scenario.clusters[0].functional_level = Some(10);
    scenario
}

#[tokio::test]
async fn an_upgrade_streams_its_five_phases_and_raises_the_level_by_one() {
    let daemon = TestDaemon::start(behind(&[Release::Server2022, Release::Server2022])).await;
    let client = daemon.client();
    let check = client.check_upgrade("CL1").await.unwrap();
    assert!(check.upgrade_available);
    assert_eq!((check.current_level, check.target_level), (10, 11));
    assert_eq!(check.native_check.as_ref().map(|check| check.raw), Some(0));
    assert!(check.blocking_nodes.is_empty());

    let records = to_the_end(&client.upgrade_functional_level(request::upgrade("CL1")).await.unwrap()).await;
    assert_succeeded(&records);
    assert_eq!(
        upgrade_phases(&records),
        [
            UpgradePhase::Initialize,
            UpgradePhase::ValidatingUpgrade,
            UpgradePhase::UpgradingComponents,
            UpgradePhase::InstallingNewComponents,
            UpgradePhase::UpgradeComplete,
        ]
    );
    assert_eq!(client.get_cluster("CL1").await.unwrap().functional_level, 11);
    let check = client.check_upgrade("CL1").await.unwrap();
    assert!(
        !check.upgrade_available,
        "0 from the native check does not mean that there is one (facts 1.7)"
    );
    assert_eq!((check.current_level, check.target_level), (11, 11));
    daemon.finish().await;
}

#[tokio::test]
async fn an_older_node_blocks_the_upgrade_by_name() {
    let daemon = TestDaemon::start(behind(&[Release::Server2022, Release::Server2019])).await;
    let client = daemon.client();
    let check = client.check_upgrade("CL1").await.unwrap();
    assert!(!check.upgrade_available);
    assert_eq!(check.blocking_nodes, ["n2"]);
    let native = check.native_check.unwrap();
    assert_eq!(
        (native.code, native.name.as_str()),
        (5973, "ERROR_CLUSTER_UPGRADE_INCOMPATIBLE_VERSIONS")
    );
    let records = to_the_end(&client.upgrade_functional_level(request::upgrade("CL1")).await.unwrap()).await;
    assert_failed(&records, 5973);
    let cluster = client.get_cluster("CL1").await.unwrap();
    assert_eq!(cluster.functional_level, 10);
    assert!(cluster.mixed_versions);
    let refused = client.validate(request::upgrade("CL1")).await.unwrap_err();
    let native = refused.rejection().and_then(|rejection| rejection.native.clone());
    assert_eq!(native.map(|native| native.code), Some(5973));
    daemon.finish().await;
}

#[tokio::test]
async fn an_upgrade_that_wants_a_restart_worked() {
    let mut scenario = behind(&[Release::Server2022]);
    scenario.upgrade_restart_required = true;
    let daemon = TestDaemon::start(scenario).await;
    let client = daemon.client();
    let records = to_the_end(&client.upgrade_functional_level(request::upgrade("CL1")).await.unwrap()).await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Succeeded);
    assert_eq!(outcome.status.as_ref().map(|status| status.code), Some(5975));
    assert_eq!(client.get_cluster("CL1").await.unwrap().functional_level, 11);
    daemon.finish().await;
}

#[tokio::test]
async fn an_upgrade_that_is_under_way_elsewhere_fails_the_call() {
    let mut scenario = behind(&[Release::Server2022]);
    scenario.faults.push(Fault {
        call: Some("ClusterUpgradeFunctionalLevel".into()),
        status: Some(5976),
        ..Fault::default()
    });
    let daemon = TestDaemon::start(scenario).await;
    let operation = daemon
        .client()
        .upgrade_functional_level(request::upgrade("CL1"))
        .await
        .unwrap();
    assert_failed(&to_the_end(&operation).await, 5976);
    daemon.finish().await;
}

#[tokio::test]
async fn a_node_of_another_age_does_not_join() {
    let mut scenario = world::cluster("CL1", 1);
    let old = wsfc_simulator::scenario::Machine::new("old", Release::Server2016);
    scenario.machines.push(old);
    let daemon = TestDaemon::start(scenario).await;
    let operation = daemon.client().add_node(request::add_node("CL1", "old")).await.unwrap();
    assert_failed(&to_the_end(&operation).await, 5075);
    daemon.finish().await;
}

#[tokio::test]
async fn a_cluster_at_the_top_has_nothing_to_upgrade_to() {
    let daemon = TestDaemon::start(world::cluster("CL1", 1)).await;
    let client = daemon.client();
    let records = to_the_end(&client.upgrade_functional_level(request::upgrade("CL1")).await.unwrap()).await;
    assert_succeeded(&records);
    assert!(
        !upgrade_phases(&records).contains(&UpgradePhase::UpgradingComponents),
        "{records:?}"
    );
    let cluster: v1::Cluster = client.get_cluster("CL1").await.unwrap();
    assert_eq!(cluster.functional_level, 11);
    daemon.finish().await;
}

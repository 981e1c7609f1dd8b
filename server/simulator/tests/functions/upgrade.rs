//! The functional level and its upgrade.

use wsfc_clusapi::sys::constants::control;
use wsfc_simulator::scenario::ExistingCluster;
use wsfc_simulator::{Fault, Phase, Release, Severity};

use crate::raw::Raw;

fn level(raw: &Raw, cluster: isize) -> u32 {
    raw.information(cluster).unwrap().1.dwClusterHighestVersion >> 16
}

#[test]
fn one_step_at_a_time_up_to_the_top() {
    let raw = Raw::new(|scenario| scenario.form_at_level = Some(10));
    let cluster = raw.create("c", &["n1", "n2"], &[]).unwrap();
    assert_eq!(level(&raw, cluster), 10);
    assert_eq!(
        raw.control(cluster, control::CLUSTER_IS_READY_FOR_UPGRADE, &[]),
        Ok(vec![])
    );
    assert_eq!(raw.upgrade(cluster, false), (0, vec![1, 2]));
    assert_eq!(level(&raw, cluster), 10, "a check changes nothing");
    assert_eq!(raw.upgrade(cluster, true), (0, vec![1, 2, 3, 4, 5]));
    assert_eq!(level(&raw, cluster), 11);
    assert_eq!(raw.upgrade(cluster, true), (0, vec![1, 2, 5]));
    assert_eq!(raw.upgrade(cluster, false), (0, vec![1, 2]));
    assert_eq!(level(&raw, cluster), 11);
    assert_eq!(
        raw.control(cluster, control::CLUSTER_IS_READY_FOR_UPGRADE, &[]),
        Err(5973)
    );
}

#[test]
fn an_old_node_forbids_it() {
    let raw = Raw::new(|scenario| {
        scenario.machines[1].os = Release::Server2019;
        scenario.clusters = vec![ExistingCluster {
            name: "c".into(),
            nodes: vec!["n1".into(), "n2".into()],
            ..ExistingCluster::default()
        }];
    });
    let cluster = raw.open(None).unwrap();
    assert_eq!(raw.upgrade(cluster, false), (5973, vec![1, 2]));
    assert_eq!(raw.upgrade(cluster, true), (5973, vec![1, 2]));
    let node = raw.open_node(cluster, "n2").unwrap();
    assert_eq!(raw.evict(node, u32::MAX).0, 0);
    assert_eq!(raw.upgrade(cluster, true).0, 0);
    assert_eq!(
        raw.add(cluster, "n2"),
        Err(5075),
        "after the upgrade the old release cannot join"
    );
}

#[test]
fn a_restart_may_be_required() {
    let raw = Raw::new(|scenario| {
        scenario.form_at_level = Some(10);
        scenario.upgrade_restart_required = true;
    });
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    assert_eq!(raw.upgrade(cluster, true), (5975, vec![1, 2, 3, 4, 5]));
    assert_eq!(level(&raw, cluster), 11);
    assert_eq!(raw.upgrade(cluster, true), (0, vec![1, 2, 5]));
}

#[test]
fn an_upgrade_that_dies_stays_in_progress_until_it_is_cleared() {
    let raw = Raw::new(|scenario| scenario.form_at_level = Some(10));
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let dies = Fault {
        call: Some("ClusterUpgradeFunctionalLevel".into()),
        phase: Some(Phase::Name("InstallingNewComponents".into())),
        dies: true,
        times: Some(1),
        ..Fault::default()
    };
    raw.simulation.inject(dies).unwrap();
    assert_eq!(raw.upgrade(cluster, true), (1726, vec![1, 2, 3, 4]));
    assert_eq!(raw.upgrade(cluster, true), (5976, vec![]));
    assert_eq!(
        raw.control(cluster, control::CLUSTER_CLEAR_UPGRADE_IN_PROGRESS, &[]),
        Ok(vec![])
    );
    assert_eq!(raw.upgrade(cluster, true).0, 0);
    assert_eq!(level(&raw, cluster), 11);
}

#[test]
fn validation_can_be_made_to_fail() {
    let raw = Raw::new(|scenario| scenario.form_at_level = Some(10));
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let fails = Fault {
        call: Some("ClusterUpgradeFunctionalLevel".into()),
        phase: Some(Phase::Name("ValidatingUpgrade".into())),
        severity: Some(Severity::Fatal),
        status: Some(5974),
        ..Fault::default()
    };
    raw.simulation.inject(fails).unwrap();
    assert_eq!(raw.upgrade(cluster, true), (5974, vec![1, 2]));
    assert_eq!(level(&raw, cluster), 10);
}

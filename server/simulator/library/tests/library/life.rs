//! The life of a cluster, through the file.

use std::sync::mpsc;

use wsfc_clusapi::sys::FUNCTIONS;
use wsfc_clusapi::{
    Answer, ClusterAddress, CreateClusterConfig, Error, ManagementPointType, NodeClusterState, NodeState, SetupPhase,
    Win32,
};

use crate::process::{self, api, is_inside};

/// What cluster the tests create.
pub fn config(name: &str) -> CreateClusterConfig {
    CreateClusterConfig {
        name: name.into(),
        nodes: vec!["n1".into()],
        addresses: vec![ClusterAddress {
            address: [10, 0, 0, 200].into(),
            prefix_length: 24,
        }],
        empty: false,
        management_point_type: ManagementPointType::CNO,
        management_point_restype: None,
        credentials: None,
    }
}

#[test]
fn every_function_is_exported() {
    let api = api();
    let absent: Vec<_> = FUNCTIONS
        .iter()
        .filter(|function| !api.is_supported(function.name))
        .collect();
    assert!(absent.is_empty(), "{absent:?}");
}

#[test]
fn the_loader_tells_the_file() {
    assert_eq!(api().loaded_from(), Some(process::library().as_path()));
}

#[test]
fn a_cluster_is_created_extended_and_destroyed() {
    if !is_inside() {
        let (_folder, scenario) = process::scenario("");
        process::run(
            "life::a_cluster_is_created_extended_and_destroyed",
            &[("WSFC_SIMULATOR_SCENARIO", &scenario)],
        );
        return;
    }
    let api = api();
    let (sender, reports) = mpsc::channel();
    let progress = |sender: &mpsc::Sender<_>| {
        let sender = sender.clone();
        move |report| {
            sender.send(report).unwrap();
            Answer::Continue
        }
    };
    let cluster = api.create_cluster(&config("CL1"), progress(&sender)).unwrap();
    let created: Vec<_> = reports.try_iter().collect();
    assert_eq!(created[0].phase, SetupPhase::INITIALIZE);
    assert_eq!(created[0].object.as_deref(), Some("CL1"));
    assert_eq!(created.last().unwrap().percent, 100);
    assert!(created.is_sorted_by_key(|report| report.percent));

    let node = cluster.add_node("n2", progress(&sender)).unwrap();
    assert_eq!(node.state().unwrap(), NodeState::UP);
    assert!(reports.try_iter().any(|report| report.object.as_deref() == Some("n2")));
    drop(node);

    cluster.destroy(true, progress(&sender)).unwrap();
    assert_eq!(reports.try_iter().last().unwrap().percent, 100);
    drop(cluster);
    assert_eq!(
        api.node_cluster_state(Some("n1")).unwrap(),
        NodeClusterState::NOT_CONFIGURED
    );
}

#[test]
fn a_failure_tells_its_code_through_the_last_error() {
    if !is_inside() {
        let (_folder, scenario) = process::scenario("");
        process::run(
            "life::a_failure_tells_its_code_through_the_last_error",
            &[("WSFC_SIMULATOR_SCENARIO", &scenario)],
        );
        return;
    }
    let api = api();
    let cluster = api.create_cluster(&config("CL1"), |_| Answer::Continue).unwrap();
    // A handle, and the last error says why not.
    let error = cluster.open_node("nobody").unwrap_err();
    assert!(
        matches!(
            error,
            Error::Call {
                function: "OpenClusterNode",
                code: Win32::ERROR_CLUSTER_NODE_NOT_FOUND,
            }
        ),
        "{error:?}"
    );
    let error = cluster.add_node("n1", |_| Answer::Continue).unwrap_err();
    assert_eq!(error.code(), Some(Win32::ERROR_CLUSTER_NODE_ALREADY_MEMBER));
    // Each thread has its own.
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| api.open_cluster(Some("nowhere")).unwrap_err().code());
        assert_eq!(elsewhere.join().unwrap(), Some(Win32::RPC_S_SERVER_UNAVAILABLE));
    });
}

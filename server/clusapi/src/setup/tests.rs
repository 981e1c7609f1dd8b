use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use super::*;
use crate::fake::{FAIL_WITH, TABLE, api, taken_log};
use crate::numbers::{PhaseType, SetupPhase};
use crate::sys::types::{HCLUSTER, PCWSTR};
use crate::sys::{Table, TableProvider};

fn config() -> CreateClusterConfig {
    CreateClusterConfig {
        name: "c1".into(),
        nodes: vec!["n1".into(), "n2.example".into()],
        addresses: vec![ClusterAddress {
            address: Ipv4Addr::new(10, 0, 0, 9).into(),
            prefix_length: 24,
        }],
        empty: false,
        management_point_type: ManagementPointType::CNO,
        management_point_restype: None,
        credentials: None,
    }
}

fn ignore(_: SetupProgress) -> Answer {
    Answer::Continue
}

#[test]
fn creating_gives_c_what_was_asked_and_passes_the_records_on() {
    let records = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&records);
    let cluster = api(TABLE).create_cluster(&config(), move |record| {
        seen.lock()
            .unwrap()
            .push((record.phase, record.phase_type, record.object));
        Answer::Abort
    });
    drop(cluster.unwrap());
    assert_eq!(
        taken_log(),
        [
            "create 0x702 c1 empty 0",
            "node n1",
            "node n2.example",
            "address 10.0.0.9/24",
            "point 1 0 false",
            "phase 1 answered 0",
            "close cluster 100"
        ]
    );
    assert_eq!(
        *records.lock().unwrap(),
        [
            (SetupPhase::INITIALIZE, PhaseType::END, Some("c1".to_owned())),
            (SetupPhase::NODE_UP, PhaseType::START, None)
        ]
    );
}

#[test]
fn the_lowest_version_that_carries_the_request_is_chosen() {
    let mut config = config();
    config.management_point_restype = Some(ManagementPointRestype::DISTRIBUTED_NETWORK_NAME);
    let _ = api(TABLE).create_cluster(&config, ignore).unwrap();
    assert_eq!(taken_log()[0], "create 0xa00 c1 empty 0");
    config.addresses.clear();
    config.empty = true;
    config.credentials = Some(Credentials::new("joe".into(), crate::Secret::new("pw".into()), None));
    let _ = api(TABLE).create_cluster(&config, ignore).unwrap();
    let log = taken_log();
    assert_eq!(log[0], "create 0xc05 c1 empty 1");
    assert_eq!(log[3..5], ["as joe pw NULL", "point 1 2 true"]);
}

#[test]
fn a_failed_call_tells_its_function_and_code() {
    let failing = api(TABLE);
    FAIL_WITH.set(5935);
    let error = failing.create_cluster(&config(), ignore).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CreateCluster failed with error 5935 (ERROR_CLUSTER_TOO_MANY_NODES: too many nodes (create))"
    );
    assert_eq!(
        (error.function(), error.code()),
        (Some("CreateCluster"), Some(Win32(5935)))
    );
    let error = api(Table {
        GetLastError: None,
        OpenCluster: Some(open_nothing),
        ..TABLE
    })
    .open_cluster(None);
    assert_eq!(error.unwrap_err().code(), Some(Win32(0)));
}

extern "system" fn open_nothing(_: PCWSTR) -> HCLUSTER {
    0
}

#[test]
fn bad_texts_never_reach_c() {
    let api = api(TABLE);
    let mut config = config();
    config.nodes.push("n\0".into());
    assert_eq!(
        api.create_cluster(&config, ignore).unwrap_err().to_string(),
        "nodes contains a NUL character"
    );
    assert!(api.open_cluster(Some("\0")).is_err());
    assert_eq!(taken_log(), [""; 0]);
}

#[test]
fn an_absent_function_is_named_with_its_release() {
    let api = api(Table {
        CreateCluster: None,
        ..TABLE
    });
    assert!(!api.is_supported("CreateCluster"));
    assert!(!api.is_supported("NoSuchFunction"));
    assert!(api.is_supported("AddClusterNode"));
    let cluster = api.open_cluster(None).unwrap();
    let error = cluster.remove_name_account(false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "RemoveClusterNameAccount is not available here, it came with Windows Server 2019"
    );
    assert!(matches!(
        api.create_cluster(&config(), ignore).unwrap_err(),
        Error::Unsupported {
            function: "CreateCluster",
            ..
        }
    ));
    assert!(api.functions().len() > 70);
}

#[test]
fn a_cluster_outlives_its_objects() {
    let cluster = api(TABLE).open_cluster(Some("c1")).unwrap();
    let node = cluster.add_node("n2", ignore).unwrap();
    drop(cluster);
    assert_eq!(taken_log(), ["open c1", "add n2 to 100", "phase 301 answered 1"]);
    // Closing the node fails, which is logged and stops nothing.
    drop(node);
    assert_eq!(taken_log(), ["close node 200", "close cluster 100"]);
}

#[test]
fn a_provider_lives_as_long_as_its_clusters() {
    struct Provider(Arc<()>);
    // SAFETY: As for `api`.
    unsafe impl TableProvider for Provider {
        fn table(&self) -> Table {
            assert_eq!(Arc::strong_count(&self.0), 2);
            TABLE
        }
    }
    let alive = Arc::new(());
    let cluster = Clusapi::from_provider(Provider(Arc::clone(&alive)))
        .open_cluster(None)
        .unwrap();
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(cluster);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn destroying_and_upgrading() {
    let cluster = api(TABLE).open_cluster(None).unwrap();
    cluster.destroy(true, ignore).unwrap();
    FAIL_WITH.set(5937);
    assert_eq!(
        cluster.destroy(false, ignore).unwrap_err().code(),
        Some(Win32::ERROR_NONCORE_GROUPS_FOUND)
    );
    let phases = Arc::new(Mutex::new(0));
    for (code, expected) in [
        (
            0,
            Some(Upgraded {
                restart_required: false,
            }),
        ),
        (5975, Some(Upgraded { restart_required: true })),
        (5973, None),
    ] {
        FAIL_WITH.set(code);
        let phases = Arc::clone(&phases);
        let upgraded = cluster.upgrade_functional_level(true, move |record| {
            *phases.lock().unwrap() += record.phase.0;
            Answer::Continue
        });
        assert_eq!(upgraded.ok(), expected);
    }
    assert_eq!(*phases.lock().unwrap(), 3 * 15);
}

#[test]
fn evicting_uses_the_newest_function_that_fits() {
    let evicted = |table, reason| {
        let node = api(table).open_cluster(None).unwrap().open_node("n1").unwrap();
        taken_log();
        (node.evict(Duration::from_secs(90), reason), taken_log().remove(0))
    };
    let (result, log) = evicted(TABLE, Some("old"));
    assert_eq!(
        (result.unwrap().cleanup, log.as_str()),
        (Cleanup::Done, "evict 200 90000 old")
    );
    assert_eq!(evicted(TABLE, None).1, "evict 200 90000");
    assert_eq!(
        evicted(
            Table {
                EvictClusterNodeEx2: None,
                ..TABLE
            },
            Some("old")
        )
        .1,
        "evict 200 90000"
    );
    let plain = Table {
        EvictClusterNodeEx2: None,
        EvictClusterNodeEx: None,
        ..TABLE
    };
    assert_eq!(evicted(plain, Some("old")).1, "evict 200");
}

#[test]
fn a_failed_cleanup_is_not_a_failed_eviction() {
    let cluster = api(TABLE).open_cluster(None).unwrap();
    let node = cluster.open_node("n1").unwrap();
    let evict = |code| {
        FAIL_WITH.set(code);
        node.evict(Duration::MAX, None)
    };
    let status = Status::new(0x8007_13BB);
    assert_eq!(evict(5896).unwrap().cleanup, Cleanup::Failed(Some(status)));
    assert_eq!(evict(258).unwrap().cleanup, Cleanup::Running);
    assert_eq!(
        evict(5939).unwrap_err().code(),
        Some(Win32::ERROR_CLUSTER_EVICT_INVALID_REQUEST)
    );
    // Longer than C can count is not "without end".
    assert!(taken_log().contains(&"evict 200 4294967294".to_owned()));
}

//! Recorded calls, played instead of scripts.

use std::time::Duration;

use wsfc_simulator::scenario::ExistingCluster;
use wsfc_simulator::{Fault, Phase, Point, RecordedCallback, Recording, Simulation};

use crate::raw::{Raw, Recorder};

fn report(at_ms: u64, phase: i32, phase_type: i32, object: &str) -> RecordedCallback {
    RecordedCallback {
        at_ms,
        phase: Phase::Number(phase),
        phase_type: Some(phase_type),
        severity: 1,
        percent: 7,
        object: Some(object.into()),
        status: 0,
    }
}

/// A creation as no script has it: phases in an order of their own, one without a name here, and a warning.
fn create() -> Recording {
    Recording {
        function: "CreateCluster".into(),
        cluster: "c".into(),
        duration_ms: 9_000,
        callbacks: vec![
            report(10, 200, 1, "c"),
            report(20, 4_711, 4, "new"),
            report(3_000, 200, 3, "c"),
            RecordedCallback {
                severity: 2,
                status: 5057,
                ..report(3_500, 204, 3, "10.0.0.50")
            },
        ],
        ..Recording::default()
    }
}

fn with(recordings: Vec<Recording>) -> Raw {
    Raw::new(|scenario| scenario.recordings = recordings)
}

fn existing() -> ExistingCluster {
    ExistingCluster {
        name: "c".into(),
        nodes: vec!["n1".into(), "n2".into(), "n3".into()],
        functional_level: Some(10),
        ..ExistingCluster::default()
    }
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_recorded_call_is_played_once_and_changes_the_world() {
    let raw = with(vec![create()]);
    let recorder = Recorder::new();
    let cluster = raw
        .create_recorded("C", &["n1", "n2"], &["10.0.0.50", "10.0.1.50"], &recorder)
        .unwrap();
    let told: Vec<_> = recorder
        .records()
        .into_iter()
        .map(|record| {
            (
                record.phase,
                record.kind,
                record.severity,
                record.percent,
                record.object,
                record.status,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (200, 1, 1, 7, "c".into(), 0),
            (4_711, 4, 1, 7, "new".into(), 0),
            (200, 3, 1, 7, "c".into(), 0),
            (204, 3, 2, 7, "10.0.0.50".into(), 5057),
        ]
    );
    assert_eq!(raw.names(cluster, 1), ["n1", "n2"]);
    assert_eq!((raw.host_state("n1"), raw.host_state("n3")), (Ok(19), Ok(1)));
    let resources = raw.names(cluster, 4);
    assert!(
        resources.contains(&"Cluster IP Address 10.0.1.50".to_owned()),
        "{resources:?}"
    );
    assert!(
        !resources.contains(&"Cluster IP Address 10.0.0.50".to_owned()),
        "what the recording warned of is missing: {resources:?}"
    );
    let script = Recorder::new();
    assert_eq!(raw.destroy(cluster, &Recorder::new()), 0);
    raw.create_recorded("c", &["n1"], &[], &script).unwrap();
    assert!(script.records().len() > 10, "the second call goes by the script");
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_recorded_failure_leaves_what_was_seen_afterwards() {
    let mut failed = create();
    failed.result = 1066;
    failed.hosts_after = [("n2".to_owned(), 3)].into();
    let raw = with(vec![failed]);
    assert_eq!(raw.create("c", &["n1", "n2"], &[]), Err(1066));
    assert_eq!((raw.host_state("n1"), raw.host_state("n2")), (Ok(1), Ok(3)));
    assert_eq!(raw.open(Some("n1")), Err(1753));

    let mut worked = create();
    worked.result = 258;
    worked.changes_world = Some(true);
    let raw = with(vec![worked]);
    assert_eq!(raw.create("c", &["n1", "n2"], &[]), Err(258));
    assert_eq!(raw.names(raw.open(Some("n1")).unwrap(), 1), ["n1", "n2"]);
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn evictions_and_upgrades_are_played() {
    let evict = |node: &str, result, cleanup_status| Recording {
        function: "EvictClusterNodeEx".into(),
        cluster: "C".into(),
        node: Some(format!("{node}.demo.example")),
        duration_ms: 5,
        result,
        cleanup_status,
        ..Recording::default()
    };
    let upgrade = |check, phases: &[i32]| Recording {
        function: "ClusterUpgradeFunctionalLevel".into(),
        cluster: "c".into(),
        check,
        callbacks: phases
            .iter()
            .map(|phase| RecordedCallback {
                phase_type: None,
                ..report(0, *phase, 0, "")
            })
            .collect(),
        ..Recording::default()
    };
    let raw = Raw::new(|scenario| {
        scenario.clusters = vec![existing()];
        scenario.recordings = vec![
            evict("n2", 5896, 0x8007_0005),
            evict("n3", 5042, 0),
            upgrade(false, &[1, 2, 77, 5]),
            upgrade(true, &[1]),
        ];
    });
    let cluster = raw.open(Some("n1")).unwrap();
    let node = raw.open_node(cluster, "n2").unwrap();
    assert_eq!(raw.evict(node, 0), (5896, 0x8007_0005));
    assert_eq!(raw.host_state("n2"), Ok(3), "it was not cleaned up");
    let node = raw.open_node(cluster, "n3").unwrap();
    assert_eq!(raw.evict(node, 0).0, 5042);
    assert_eq!(raw.names(cluster, 1), ["n1", "n3"], "a failed eviction evicts nobody");
    let level = || raw.information(cluster).unwrap().1.dwClusterHighestVersion >> 16;
    assert_eq!(raw.upgrade(cluster, false), (0, vec![1]));
    assert_eq!(level(), 10);
    assert_eq!(raw.upgrade(cluster, true), (0, vec![1, 2, 77, 5]));
    assert_eq!(level(), 11);
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_recorded_phase_can_be_held_and_time_goes_on_from_there() {
    let raw = Raw::new(|scenario| {
        scenario.recordings = vec![create()];
        scenario.timing.manual = true;
    });
    let point = Point::phase("CreateCluster", 200).of("c");
    raw.simulation.hold(point.clone());
    let recorder = Recorder::new();
    std::thread::scope(|scope| {
        let _end = raw.end_on_panic();
        let created = scope.spawn(|| raw.create_recorded("c", &["n1"], &[], &recorder));
        // Nothing tells when the call has begun to wait, and time that went by before does not count for it. It may go
        // on for long: once the call is held its time stands.
        let step = Duration::from_millis(10);
        let held = (0..6_000).any(|_| {
            raw.simulation.advance(step);
            raw.simulation.wait_held(&point, step)
        });
        assert!(held);
        assert_eq!(recorder.records().len(), 1);
        raw.simulation.advance(Duration::from_secs(100));
        raw.simulation.release(&point);
        raw.simulation.advance(Duration::from_secs(9));
        assert!(created.join().unwrap().is_ok());
    });
    assert_eq!(recorder.records().len(), 4);
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn faults_act_in_recorded_phases() {
    let at = |change: fn(&mut Fault)| {
        let raw = with(vec![create()]);
        let mut fault = Fault {
            phase: Some(Phase::Number(200)),
            ..Fault::default()
        };
        change(&mut fault);
        raw.simulation.inject(fault).unwrap();
        let recorder = Recorder::new();
        (
            raw.create_recorded("c", &["n1"], &[], &recorder),
            recorder.records().len(),
        )
    };
    assert_eq!(at(|fault| fault.dies = true), (Err(1726), 1));
    let (created, count) = at(|fault| fault.burst = 5);
    assert_eq!((created.is_ok(), count), (true, 9));

    let mut recorder = Recorder::new();
    recorder.refuse = Some(200);
    let raw = Raw::new(|scenario| {
        scenario.recordings = vec![create()];
        scenario.false_aborts = true;
    });
    assert_eq!(raw.create_recorded("c", &["n1"], &[], &recorder), Err(1223));
    assert_eq!(raw.host_state("n1"), Ok(1));
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn callbacks_come_from_another_thread_where_they_did() {
    for second_thread in [false, true] {
        let raw = with(vec![Recording {
            second_thread,
            ..create()
        }]);
        let recorder = Recorder::new();
        raw.create_recorded("c", &["n1"], &[], &recorder).unwrap();
        let own = std::thread::current().id();
        assert!(
            recorder
                .records()
                .iter()
                .all(|record| (record.thread != own) == second_thread)
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_saved_world_knows_what_was_played() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let scenario = || {
        Raw::scenario(|scenario| {
            let mut failed = create();
            failed.result = 5;
            scenario.recordings = vec![failed, create()];
        })
    };
    let create = || Raw::over(Simulation::open(scenario(), &path).unwrap()).create("c", &["n1"], &[]);
    assert_eq!(create(), Err(5));
    assert!(create().is_ok());
}

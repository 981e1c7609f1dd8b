//! Faults by phase, and the remote control.

use std::time::Duration;

use wsfc_simulator::scenario::CallbackThread;
use wsfc_simulator::{Fault, Phase, Point, Severity};

use crate::raw::{Raw, Recorder};

const PATIENCE: Duration = Duration::from_secs(60);

fn at(phase: i32) -> Fault {
    Fault {
        phase: Some(Phase::Number(phase)),
        ..Fault::default()
    }
}

fn ends(phase: i32, severity: Severity, status: u32) -> Fault {
    Fault {
        severity: Some(severity),
        status: Some(status),
        ..at(phase)
    }
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_fatal_phase_is_cleaned_up_and_takes_everything_back() {
    for phase in [1, 100, 102, 105, 106, 109, 200, 201, 203, 204, 205, 206, 300, 301, 302] {
        let raw = Raw::new(|scenario| scenario.faults = vec![ends(phase, Severity::Fatal, 0x8007_042A)]);
        let recorder = Recorder::new();
        let created = raw.create_recorded("c", &["n1", "n2"], &["10.0.0.50"], &recorder);
        assert_eq!(created, Err(1066), "phase {phase}");
        assert_eq!(recorder.troubles(), [(phase, 3, 0x8007_042A)]);
        assert_eq!(recorder.ended().last(), Some(&999));
        assert_eq!((raw.host_state("n1"), raw.host_state("n2")), (Ok(1), Ok(1)));
        raw.simulation.clear_faults();
        raw.create("c", &["n1", "n2"], &["10.0.0.50"]).unwrap();
    }
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_failed_add_leaves_the_cluster_as_it_was() {
    for phase in [1, 100, 300, 301, 102, 104, 105, 302] {
        let raw = Raw::new(|_| {});
        let cluster = raw.create("c", &["n1"], &[]).unwrap();
        raw.simulation.inject(ends(phase, Severity::Fatal, 5074)).unwrap();
        assert_eq!(raw.add(cluster, "n2"), Err(5074));
        assert_eq!(raw.names(cluster, 1), ["n1"]);
        assert_eq!(raw.host_state("n2"), Ok(1));
        raw.simulation.clear_faults();
        raw.add(cluster, "n2").unwrap();
    }
}

#[test]
fn warnings_let_the_call_succeed() {
    let raw = Raw::new(|scenario| {
        scenario.faults = vec![
            Fault {
                object: Some("n2".into()),
                ..ends(103, Severity::Warning, 5970)
            },
            ends(205, Severity::Warning, 5),
        ];
    });
    let recorder = Recorder::new();
    let cluster = raw
        .create_recorded("c", &["n1", "n2"], &["10.0.0.50"], &recorder)
        .unwrap();
    assert_eq!(recorder.troubles(), [(205, 2, 5), (103, 2, 5970)]);
    assert_eq!(
        raw.names(cluster, 4),
        ["Cluster IP Address 10.0.0.50"],
        "the network name is missing"
    );
}

#[test]
fn a_call_that_dies_has_a_start_without_end_and_no_clean_up() {
    let raw = Raw::new(|scenario| {
        scenario.faults = vec![Fault {
            object: Some("n2".into()),
            dies: true,
            ..at(105)
        }];
    });
    let recorder = Recorder::new();
    assert_eq!(raw.create_recorded("c", &["n1", "n2", "n3"], &[], &recorder), Err(1726));
    let last = recorder.records().last().unwrap().clone();
    assert_eq!((last.phase, last.kind, last.object.as_str()), (105, 1, "n2"));
    assert_eq!(raw.host_state("n1"), Ok(19), "the cluster stands");
    assert_eq!(raw.host_state("n2"), Ok(3), "configured and not started");
    assert_eq!(raw.host_state("n3"), Ok(1), "untouched");
    let cluster = raw.open(None).unwrap();
    assert_eq!(raw.names(cluster, 1), ["n1", "n2"]);
}

#[test]
fn bursts_and_continues_lie_between_start_and_end() {
    let burst = if cfg!(miri) { 5 } else { 500 };
    let raw = Raw::new(|scenario| scenario.faults = vec![Fault { burst, ..at(203) }]);
    let recorder = Recorder::new();
    raw.create_recorded("c", &["n1", "n2"], &[], &recorder).unwrap();
    let mut open = None;
    for record in recorder.records() {
        let place = (record.phase, record.object.clone());
        match record.kind {
            1 => assert_eq!(open.replace(place), None),
            2 => assert_eq!(open, Some(place)),
            3 => assert_eq!(open.take(), Some(place)),
            kind => panic!("{kind}"),
        }
    }
    let continues = |phase| {
        recorder
            .records()
            .iter()
            .filter(|r| r.phase == phase && r.kind == 2)
            .count()
    };
    assert_eq!(continues(203), usize::try_from(2 * burst).unwrap(), "two groups");
    assert!(continues(105) > 0 && continues(200) > 0 && continues(302) > 0);
}

#[test]
fn callbacks_may_come_from_a_second_thread() {
    let here = std::thread::current().id();
    let raw = Raw::new(|scenario| {
        scenario.faults = vec![Fault {
            second_thread: true,
            ..at(200)
        }];
    });
    let recorder = Recorder::new();
    raw.create_recorded("c", &["n1"], &[], &recorder).unwrap();
    assert!(
        recorder
            .records()
            .iter()
            .all(|record| (record.phase == 200) == (record.thread != here))
    );

    let raw = Raw::new(|scenario| scenario.callback_thread = CallbackThread::Worker);
    let recorder = Recorder::new();
    raw.create_recorded("c", &["n1"], &[], &recorder).unwrap();
    assert!(recorder.records().iter().all(|record| record.thread != here));
}

#[test]
fn false_aborts_only_where_the_scenario_says_so() {
    let refusing = |phase| Recorder {
        refuse: Some(phase),
        ..Recorder::new()
    };
    let raw = Raw::new(|_| {});
    raw.create_recorded("c", &["n1"], &[], &refusing(200)).unwrap();
    let raw = Raw::new(|scenario| scenario.false_aborts = true);
    let recorder = refusing(200);
    assert_eq!(raw.create_recorded("c", &["n1"], &[], &recorder), Err(1223));
    assert_eq!(recorder.ended().last(), Some(&999));
    assert_eq!(raw.host_state("n1"), Ok(1));
}

#[test]
fn a_hanging_phase_goes_on_when_it_is_released() {
    let raw = Raw::new(|scenario| {
        scenario.faults = vec![Fault {
            hang: true,
            times: Some(1),
            call: Some("CreateCluster".into()),
            ..at(200)
        }];
    });
    let point = Point::phase("CreateCluster", 200);
    std::thread::scope(|scope| {
        let _end = raw.end_on_panic();
        let call = scope.spawn(|| raw.create("c", &["n1"], &[]).is_ok());
        assert!(raw.simulation.wait_held(&point, PATIENCE));
        assert!(!call.is_finished());
        raw.simulation.release(&point);
        assert!(call.join().unwrap());
    });
    assert_eq!(raw.simulation.calls("CreateCluster"), 1);
    assert_eq!(raw.simulation.reached(&point), 1);
}

#[test]
fn a_second_setup_call_on_a_cluster_finds_a_join_in_progress() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let point = Point::phase("AddClusterNode", 300).of("N2");
    raw.simulation.hold(point.clone());
    std::thread::scope(|scope| {
        let _end = raw.end_on_panic();
        let call = scope.spawn(|| raw.add(cluster, "n2"));
        assert!(raw.simulation.wait_held(&point, PATIENCE));
        assert_eq!(raw.add(cluster, "n3"), Err(5041));
        raw.simulation.release_all();
        call.join().unwrap().unwrap();
    });
    raw.add(cluster, "n3").unwrap();
}

#[test]
fn shutdown_ends_every_wait() {
    let raw = Raw::new(|scenario| scenario.timing.manual = true);
    std::thread::scope(|scope| {
        let _end = raw.end_on_panic();
        let call = scope.spawn(|| raw.create("c", &["n1"], &[]));
        assert!(
            raw.simulation
                .wait_reached(&Point::phase("CreateCluster", 1), 1, PATIENCE)
        );
        raw.simulation.shutdown();
        assert_eq!(call.join().unwrap(), Err(1115));
    });
    assert_eq!(raw.open(None), Err(1115));
}

#[test]
fn manual_time_moves_phases_one_by_one() {
    let raw = Raw::new(|scenario| scenario.timing.manual = true);
    let advance = |phase| {
        assert!(
            raw.simulation
                .wait_reached(&Point::phase("CreateCluster", phase), 1, PATIENCE)
        );
        raw.simulation.advance(Duration::from_secs(3600));
    };
    std::thread::scope(|scope| {
        let _end = raw.end_on_panic();
        let call = scope.spawn(|| raw.create("c", &["n1"], &[]));
        advance(1);
        assert!(
            raw.simulation
                .wait_reached(&Point::phase("CreateCluster", 100), 1, PATIENCE)
        );
        assert_eq!(raw.simulation.reached(&Point::phase("CreateCluster", 102)), 0);
        raw.simulation.shutdown();
        assert!(call.join().unwrap().is_err());
    });
}

#[test]
fn a_call_fails_at_its_entry_as_often_as_asked() {
    let raw = Raw::new(|_| {});
    raw.create("c", &["n1"], &[]).unwrap();
    raw.simulation
        .inject(Fault {
            call: Some("OpenCluster".into()),
            status: Some(1727),
            times: Some(2),
            ..Fault::default()
        })
        .unwrap();
    assert_eq!(raw.open(None), Err(1727));
    assert_eq!(raw.open(None), Err(1727));
    raw.open(None).unwrap();
    assert!(raw.simulation.inject(Fault::default()).is_err());
}

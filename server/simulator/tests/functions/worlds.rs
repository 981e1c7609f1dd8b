//! Many worlds in one process, and worlds that outlive it.

use wsfc_simulator::{Simulation, SimulationError};

use crate::raw::{Raw, Recorder};

#[test]
fn worlds_do_not_see_each_other() {
    let (one, two) = (Raw::new(|_| {}), Raw::new(|_| {}));
    let cluster = one.create("c", &["n1"], &["10.0.0.50"]).unwrap();
    assert_eq!(two.host_state("n1"), Ok(1));
    assert_eq!(two.open(Some("c")), Err(1722));
    assert_eq!(two.simulation.calls("CreateCluster"), 0);
    let other = two.create("c", &["n1"], &["10.0.0.50"]).unwrap();
    // A handle leads to its own world, through whichever table it is used.
    assert_eq!(one.destroy(other, &Recorder::new()), 0);
    assert_eq!(two.host_state("n1"), Ok(1));
    assert_eq!(one.host_state("n1"), Ok(19));
    drop(one);
    assert_eq!(
        two.information(cluster).unwrap_err(),
        6,
        "the handle went with its world"
    );
}

#[test]
fn the_seed_decides_every_id() {
    let ids = |seed| {
        let raw = Raw::new(|scenario| scenario.seed = seed);
        let cluster = raw.create("c", &["n1", "n2"], &["10.0.0.50"]).unwrap();
        // GET_ID of a cluster.
        raw.control(cluster, 0x0700_0039, &[]).unwrap()
    };
    assert_eq!(ids(5), ids(5));
    assert_ne!(ids(5), ids(6));
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_saved_world_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let open = || Raw::over(Simulation::open(Raw::scenario(|_| {}), &path).unwrap());
    {
        let raw = open();
        raw.create("c", &["n1", "n2"], &["10.0.0.50"]).unwrap();
        raw.simulation.set_reachable("n5", false);
        assert!(raw.simulation.take_save_error().is_none());
    }
    let raw = open();
    let cluster = raw.open(Some("c")).unwrap();
    assert_eq!(raw.names(cluster, 1), ["n1", "n2"]);
    assert_eq!(raw.host_state("n5"), Err(1722));
    raw.add(cluster, "n3").unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_call_that_was_cut_off_leaves_half_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let scenario = || Raw::scenario(|_| {});
    // The copy is what a killed process would have left at that moment.
    let copy = folder.path().join("copy.json");
    let raw = Raw::over(Simulation::open(scenario(), &path).unwrap());
    let point = wsfc_simulator::Point::phase("CreateCluster", 105).of("n2");
    raw.simulation.hold(point.clone());
    std::thread::scope(|scope| {
        let _end = raw.end_on_panic();
        let call = scope.spawn(|| raw.create("c", &["n1", "n2"], &[]).is_ok());
        assert!(raw.simulation.wait_held(&point, std::time::Duration::from_secs(60)));
        std::fs::copy(&path, &copy).unwrap();
        raw.simulation.release(&point);
        assert!(call.join().unwrap());
    });
    let raw = Raw::over(Simulation::open(scenario(), &copy).unwrap());
    assert_eq!((raw.host_state("n1"), raw.host_state("n2")), (Ok(19), Ok(3)));
    let cluster = raw.open(None).unwrap();
    let node = raw.open_node(cluster, "n2").unwrap();
    assert_eq!(raw.node_state(node), 1);
    assert_eq!(raw.evict(node, u32::MAX), (0, 0));
    raw.add(cluster, "n2").unwrap();
}

#[test]
fn a_file_that_is_no_world_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    for text in ["", "{}", "{\"format\":1}"] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(
            Simulation::open(Raw::scenario(|_| {}), &path),
            Err(SimulationError::Save(_))
        ));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "it is left as it was");
    }
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn the_builtin_worlds_do_what_they_promise() {
    let mut scenario = wsfc_simulator::Scenario::builtin("demo").unwrap();
    scenario.timing.scale = 0.0;
    let raw = Raw::over(Simulation::new(scenario).unwrap());
    let recorder = Recorder::new();
    let cluster = raw
        .create_recorded("demo", &["n1", "n2", "n3"], &["10.0.0.50", "10.0.1.50"], &recorder)
        .unwrap();
    assert_eq!(recorder.troubles(), [(103, 2, 5970)], "one phase warns");
    let node = raw.add(cluster, "n4").unwrap();
    assert_eq!(raw.upgrade(cluster, true), (0, vec![1, 2, 3, 4, 5]));
    assert_eq!(raw.evict(node, 90_000), (0, 0));
    assert_eq!(raw.destroy(cluster, &Recorder::new()), 0);
}

//! Which world it is.

use std::time::Duration;

use wsfc_clusapi::Answer;
use wsfc_simulator::Point;
use wsfc_simulator::remote::RemoteControl;

use crate::life::config;
use crate::process::{self, api, is_inside};

#[test]
fn a_world_outlives_its_process() {
    const TEST: &str = "world::a_world_outlives_its_process";
    if !is_inside() {
        let (folder, scenario) = process::scenario("");
        let state = folder.path().join("world.json");
        let variables = [
            ("WSFC_SIMULATOR_SCENARIO", scenario.as_str()),
            ("WSFC_SIMULATOR_STATE", state.to_str().unwrap()),
        ];
        process::run(TEST, &variables);
        assert!(state.is_file());
        process::run(TEST, &variables);
        return;
    }
    // The first process finds no cluster and creates it, the second one finds it.
    let api = api();
    let begun = std::env::var_os("WSFC_SIMULATOR_STATE").is_some_and(|state| std::path::Path::new(&state).exists());
    if begun {
        assert_eq!(
            api.open_cluster(Some("CL1")).unwrap().information().unwrap().name,
            "CL1"
        );
    } else {
        api.create_cluster(&config("CL1"), |_| Answer::Continue).unwrap();
    }
}

#[test]
fn the_built_in_default_is_what_it_is_without_variables() {
    if !is_inside() {
        process::run("world::the_built_in_default_is_what_it_is_without_variables", &[]);
        return;
    }
    let api = api();
    for machine in ["n1", "n6"] {
        api.node_cluster_state(Some(machine)).unwrap();
    }
    api.node_cluster_state(Some("n7")).unwrap_err();
}

#[test]
fn two_loads_see_one_world() {
    if !is_inside() {
        let (_folder, scenario) = process::scenario("");
        process::run(
            "world::two_loads_see_one_world",
            &[("WSFC_SIMULATOR_SCENARIO", &scenario)],
        );
        return;
    }
    let first = api();
    drop(first.create_cluster(&config("CL1"), |_| Answer::Continue).unwrap());
    // Nobody has the library open for a moment; it stays, and its world with it.
    drop(first);
    api().open_cluster(Some("CL1")).unwrap();
}

#[test]
fn the_world_can_be_steered_from_another_process() {
    const TEST: &str = "world::the_world_can_be_steered_from_another_process";
    if is_inside() {
        drop(api().create_cluster(&config("CL1"), |_| Answer::Continue).unwrap());
        return;
    }
    let (_folder, scenario) = process::scenario("");
    let control = RemoteControl::listen().unwrap();
    let address = control.address().to_string();
    let forming = Point::phase("CreateCluster", 200);
    control.hold(forming.clone()).unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            process::run(
                TEST,
                &[
                    ("WSFC_SIMULATOR_SCENARIO", &scenario),
                    ("WSFC_SIMULATOR_CONTROL", &address),
                ],
            )
        });
        let held = control.wait_held(&forming, Duration::from_secs(60));
        // The other process ends in any case, or the test would hang instead of failing.
        let released = control.release(&forming);
        other.join().unwrap();
        assert!(held.unwrap());
        released.unwrap();
    });
}

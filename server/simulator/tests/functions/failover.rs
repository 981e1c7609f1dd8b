//! Nodes that die, and groups that go on elsewhere.

use std::time::Duration;

use wsfc_clusapi::sys::constants::group_state;
use wsfc_simulator::scenario::Disk;
use wsfc_simulator::{Incident, Simulation};

use crate::raw::Raw;
use crate::verbs::{Ear, dwords, existing, instant, still, with};

#[test]
fn the_groups_of_a_dead_node_go_on_elsewhere_the_important_ones_first() {
    let (raw, cluster) = still(&["n1", "n2", "n3"]);
    let low = raw.running_group(cluster, "low", "n3", &["l"]);
    let high = raw.running_group(cluster, "high", "n3", &["h"]);
    assert_eq!(raw.set_group_property(high, &dwords(&[("Priority", 3_000)])), 0);
    let n2 = raw.open_node(cluster, "n2").unwrap();
    assert_eq!((raw.prefer(low, &[n2]), raw.prefer(high, &[n2])), (0, 0));
    let ear = Ear::new(&raw, cluster);
    raw.kill("n3");
    raw.settle();
    assert_eq!(
        ear.story(),
        [
            "n3 1",
            "h offline",
            "high to 2",
            "h comes",
            "high 4",
            "l offline",
            "low to 2",
            "l comes",
            "low 4",
            "h online",
            "high 0",
            "l online",
            "low 0"
        ]
    );
    // What was offline moves too, and stays offline.
    let idle = raw.make_group(cluster, "idle");
    raw.make_resource(idle, "i");
    assert_eq!(raw.group(idle).0, group_state::OFFLINE);
}

#[test]
fn groups_go_to_the_preferred_owner_that_is_up_or_to_any_other() {
    let (raw, cluster) = instant(&["n1", "n2", "n3", "n4", "n5"]);
    let group = raw.running_group(cluster, "g", "n5", &["one"]);
    let [n3, n4] = ["n3", "n4"].map(|name| raw.open_node(cluster, name).unwrap());
    assert_eq!(raw.prefer(group, &[n4, n3]), 0);
    raw.kill("n4");
    raw.kill("n5");
    assert_eq!(raw.owner(group), "n3", "n4 is down");
    raw.kill("n3");
    assert_eq!(raw.group(group).0, group_state::ONLINE);
}

#[test]
fn possible_owners_and_anti_affinity_are_regarded() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let group = raw.running_group(cluster, "g", "n3", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    let [n1, n2] = ["n1", "n2"].map(|name| raw.open_node(cluster, name).unwrap());
    assert_eq!((raw.forbid(one, n1), raw.forbid(one, n2)), (0, 0));
    raw.kill("n3");
    let (state, owner) = raw.group(group);
    assert_eq!(state, group_state::OFFLINE, "it may run nowhere");
    assert_ne!(owner, "n3");
    raw.power_on("n3");
    assert_eq!(raw.group(group), (group_state::ONLINE, "n3".into()));

    let apart = |list: isize| {
        // One property, a MULTI_SZ with the text "a".
        let mut bytes = vec![1, 0, 0, 0, 3, 0, 4, 0, 46, 0, 0, 0];
        bytes.extend("AntiAffinityClassNames\0".encode_utf16().flat_map(u16::to_le_bytes));
        bytes.extend([0, 0, 5, 0, 1, 0, 6, 0, 0, 0, b'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(raw.set_group_property(list, &bytes), 0);
    };
    let first = raw.running_group(cluster, "first", "n2", &["f"]);
    let second = raw.running_group(cluster, "second", "n3", &["s"]);
    apart(first);
    apart(second);
    assert_eq!(raw.prefer(second, &[n2]), 0);
    assert_eq!(raw.move_group(second, 0), 0);
    assert_eq!(raw.owner(second), "n1", "n2 is preferred, and has one of its kind");
}

#[test]
fn a_disk_goes_where_it_is_connected() {
    let (raw, cluster) = with(&["n1", "n2", "n3"], |scenario| {
        scenario.disks = vec![Disk {
            name: "disk".into(),
            size_gb: 10,
            machines: Some(vec!["n1".into(), "n3".into()]),
            shared_volumes: true,
        }];
        scenario.clusters[0].disks = vec!["disk".into()];
    });
    let group = raw.open_group(cluster, "Available Storage").unwrap();
    let [n1, n2] = ["n1", "n2"].map(|name| raw.open_node(cluster, name).unwrap());
    assert!(matches!(raw.move_group(group, n1), 0 | 997));
    assert_eq!(raw.move_group(group, n2), 5963);
    raw.kill("n1");
    assert_eq!(raw.group(group), (group_state::ONLINE, "n3".into()));
}

#[test]
fn the_threshold_holds_within_its_period() {
    let (raw, cluster) = still(&["n1", "n2", "n3"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    let policy = dwords(&[("FailoverThreshold", 1), ("FailoverPeriod", 1)]);
    assert_eq!(raw.set_group_property(group, &policy), 0);
    let settings = dwords(&[("RestartThreshold", 0), ("RetryPeriodOnFailure", u32::MAX)]);
    assert_eq!(raw.set_resource_property(one, &settings), 0);
    assert_eq!(raw.fail(one), 0);
    raw.settle();
    assert_eq!(raw.group(group), (group_state::ONLINE, "n2".into()));
    assert_eq!(raw.fail(one), 0);
    raw.settle();
    assert_eq!(raw.group(group), (group_state::FAILED, "n2".into()), "once an hour");
    raw.advance(3_600_000);
    assert_eq!(raw.group(group).0, group_state::FAILED, "it is never tried again");
    assert_eq!(raw.online_group(group, 0), 997);
    raw.settle();
    assert_eq!(raw.fail(one), 0);
    raw.settle();
    assert_eq!(raw.group(group).0, group_state::ONLINE);
    assert_ne!(raw.owner(group), "n2", "the hour is over");
}

#[test]
fn a_group_goes_round_the_nodes_that_cannot_run_it() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    assert_eq!(raw.set_resource_property(one, &dwords(&[("RestartThreshold", 0)])), 0);
    for node in ["n1", "n2"] {
        raw.happen(Incident::BlockResource {
            resource: "one".into(),
            node: Some(node.into()),
        });
    }
    assert_eq!(raw.fail(one), 0);
    assert_eq!(raw.group(group), (group_state::ONLINE, "n3".into()));
}

#[test]
fn a_group_fails_back_when_its_node_returns_inside_the_window() {
    let (raw, cluster) = still(&["n1", "n2", "n3"]);
    let groups = ["at once", "at night", "never"].map(|name| {
        let group = raw.running_group(cluster, name, "n3", &[&format!("r {name}")]);
        let n3 = raw.open_node(cluster, "n3").unwrap();
        assert_eq!(raw.prefer(group, &[n3]), 0);
        group
    });
    assert_eq!(
        raw.set_group_property(groups[0], &dwords(&[("AutoFailbackType", 1)])),
        0
    );
    let night = dwords(&[
        ("AutoFailbackType", 1),
        ("FailbackWindowStart", 22),
        ("FailbackWindowEnd", 23),
    ]);
    assert_eq!(raw.set_group_property(groups[1], &night), 0);
    raw.kill("n3");
    raw.settle();
    raw.power_on("n3");
    raw.settle();
    let home = |raw: &Raw| groups.map(|group| raw.owner(group) == "n3");
    assert_eq!(home(&raw), [true, false, false]);
    raw.advance(22 * 3_600_000);
    raw.settle();
    assert_eq!(home(&raw), [true, true, false]);
}

#[test]
fn a_cluster_that_starts_brings_back_what_was_online() {
    let (raw, cluster) = instant(&["n1", "n2"]);
    let online = raw.running_group(cluster, "online", "n2", &["a"]);
    let offline = raw.running_group(cluster, "offline", "n1", &["b"]);
    let manual = raw.running_group(cluster, "manual", "n1", &["c"]);
    assert_eq!(raw.set_group_property(manual, &dwords(&[("Priority", 0)])), 0);
    assert_eq!(raw.offline_group(offline), 0);
    assert_eq!(raw.control(cluster, 0x0700_004D, &[]), Ok(vec![]));
    assert_eq!(raw.information(cluster).unwrap_err(), 1722);
    assert_eq!(raw.open(None), Err(1753));
    raw.simulation.set_service("n1", true);
    raw.simulation.set_service("n2", true);
    assert_eq!(raw.group(online).0, group_state::ONLINE);
    assert_eq!(raw.group(offline).0, group_state::OFFLINE);
    assert_eq!(raw.group(manual).0, group_state::OFFLINE);
    raw.simulation.consistency().unwrap();
}

#[test]
fn a_node_that_is_lost_too_often_is_in_quarantine() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let n3 = raw.open_node(cluster, "n3").unwrap();
    for _ in 0..2 {
        raw.kill("n3");
        raw.power_on("n3");
        assert!(raw.is_up(cluster, "n3"));
    }
    raw.kill("n3");
    raw.power_on("n3");
    assert!(!raw.is_up(cluster, "n3"));
    assert_eq!(raw.node_dword(n3, "StatusInformation"), 2);
    raw.happen(Incident::StartService {
        machine: "n3".into(),
        clear_quarantine: true,
    });
    assert!(raw.is_up(cluster, "n3"));
    assert_eq!(raw.node_dword(n3, "StatusInformation"), 0);
    for _ in 0..3 {
        raw.kill("n3");
        raw.power_on("n3");
    }
    assert!(!raw.is_up(cluster, "n3"));
    raw.advance(7_200_000);
    assert!(raw.is_up(cluster, "n3"), "two hours are over");
}

#[test]
fn a_saved_world_goes_on_with_what_it_had_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let scenario = || {
        Raw::scenario(|scenario| {
            scenario.timing.manual = true;
            scenario.clusters = vec![existing(&["n1", "n2"])];
        })
    };
    {
        let raw = Raw::over(Simulation::open(scenario(), &path).unwrap());
        let cluster = raw.open(Some("c")).unwrap();
        let group = raw.make_group(cluster, "g");
        let one = raw.make_resource(group, "one");
        assert_eq!(raw.online(one), 997);
    }
    let raw = Raw::over(Simulation::open(scenario(), &path).unwrap());
    let cluster = raw.open(Some("c")).unwrap();
    let group = raw.open_group(cluster, "g").unwrap();
    assert_eq!(raw.group(group).0, group_state::PENDING);
    raw.settle();
    assert_eq!(raw.group(group).0, group_state::ONLINE);
}

#[test]
fn time_that_goes_by_itself_needs_no_caller() {
    let raw = Raw::new(|scenario| {
        scenario.timing.scale = 0.01;
        scenario.clusters = vec![existing(&["n1", "n2"])];
    });
    let cluster = raw.open(Some("c")).unwrap();
    let group = raw.make_group(cluster, "g");
    let one = raw.make_resource(group, "one");
    let port = crate::notify::open(&raw, cluster, &[crate::notify::filter(3, 0x400)], 0);
    assert_eq!(raw.online(one), 997);
    let event = crate::notify::next(&raw, port, 64, 60_000).unwrap();
    assert_eq!(event.payload, 2_i32.to_le_bytes());
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_scenario_plans_incidents() {
    let raw = Raw::new(|scenario| {
        scenario.clusters = vec![existing(&["n1", "n2", "n3"])];
        scenario.incidents = vec![
            toml::from_str("at_ms = 1000\nkind = 'kill_machine'\nmachine = 'N3'").unwrap(),
            toml::from_str("at_ms = 2000\nkind = 'power_on'\nmachine = 'n3'").unwrap(),
        ];
    });
    let cluster = raw.open(None).unwrap();
    raw.simulation.advance(Duration::from_millis(999));
    assert!(raw.is_up(cluster, "n3"));
    assert!(raw.simulation.step());
    assert!(!raw.is_up(cluster, "n3"));
    assert!(raw.simulation.step());
    assert!(raw.is_up(cluster, "n3"));
    assert_eq!(raw.simulation.now(), Duration::from_secs(2));
    let gone = raw.simulation.happen(&Incident::KillMachine { machine: "n9".into() });
    assert!(gone.unwrap_err().to_string().contains("\"n9\""));
}

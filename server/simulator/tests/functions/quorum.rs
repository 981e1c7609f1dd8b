//! Votes: who goes on when nodes, the witness or heartbeats are lost.

use std::ptr;

use wsfc_clusapi::sys::constants::{control, group_state, notify_cluster, notify_object, quorum_kind, resource_state};
use wsfc_simulator::Incident;

use crate::raw::{Raw, read_wide, wide};
use crate::verbs::{Ear, dwords, instant};

const NAMES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

impl Raw {
    /// Makes a file share witness in the core group.
    fn add_witness(&self, cluster: isize) -> isize {
        let core = self.open_group(cluster, "Cluster Group").unwrap();
        let witness = self.try_resource(core, "witness", "File Share Witness").unwrap();
        assert_eq!(self.set_quorum(witness, quorum_kind::NODES_AND_WITNESS), 0);
        witness
    }

    fn set_quorum(&self, resource: isize, kind: u32) -> u32 {
        let path = wide("");
        // SAFETY: The path is NUL-terminated.
        unsafe { self.table.SetClusterQuorumResource.unwrap()(resource, path.as_ptr(), kind) }
    }

    /// The name of the witness and the kind of quorum.
    fn quorum(&self, cluster: isize) -> (String, u32) {
        let (mut name, mut device) = ([0_u16; 64], [0_u16; 64]);
        let (mut name_units, mut device_units, mut kind) = (64, 64, 99);
        let get = self.table.GetClusterQuorumResource.unwrap();
        // SAFETY: The buffers have the room that their counts say.
        let code = unsafe {
            get(
                cluster,
                name.as_mut_ptr(),
                &raw mut name_units,
                device.as_mut_ptr(),
                &raw mut device_units,
                &raw mut kind,
            )
        };
        assert_eq!(code, 0);
        // SAFETY: The buffer is NUL-terminated.
        (unsafe { read_wide(name.as_ptr()) }, kind)
    }

    fn is_formed(&self, cluster: isize) -> bool {
        match self.information(cluster) {
            Ok(_) => true,
            Err(code) => {
                assert_eq!(code, 1722);
                false
            }
        }
    }

    fn weights(&self, cluster: isize, nodes: &[&str]) -> Vec<u32> {
        let weight = |name: &&str| self.node_dword(self.open_node(cluster, name).unwrap(), "DynamicWeight");
        nodes.iter().map(weight).collect()
    }

    fn cut(&self, one: &str, other: &str) {
        self.happen(Incident::CutHeartbeats {
            one: one.into(),
            other: other.into(),
        });
    }
}

/// Nodes, witness, which machines die one after the other (counted from 1), and whether the cluster goes on.
const ONE_BY_ONE: [(usize, bool, &[usize], bool); 12] = [
    (1, false, &[1], false),
    // The higher of two has no vote.
    (2, false, &[2], true),
    (2, false, &[1], false),
    (2, true, &[2], true),
    (2, true, &[1], true),
    (3, false, &[3], true),
    (3, false, &[3, 2], true),
    (3, false, &[2, 1], false),
    (3, true, &[3, 2], true),
    (4, false, &[4, 3], true),
    (5, false, &[5, 4, 3], true),
    (5, true, &[1, 2, 3, 4], true),
];

#[test]
fn deaths_one_by_one() {
    for (nodes, witness, deaths, goes_on) in ONE_BY_ONE {
        let (raw, cluster) = instant(&NAMES[..nodes]);
        if witness {
            raw.add_witness(cluster);
        }
        for death in deaths {
            raw.kill(NAMES[death - 1]);
        }
        assert_eq!(raw.is_formed(cluster), goes_on, "{nodes} {witness} {deaths:?}");
    }
}

/// Nodes, witness, DynamicQuorum, how many cannot hear the others, and whether the larger and the smaller side goes on.
/// The nodes of the smaller side have the highest numbers.
const PARTITIONS: [(usize, bool, u32, usize, bool, bool); 10] = [
    (2, false, 1, 1, true, false),
    (2, true, 1, 1, true, false),
    (2, false, 0, 1, false, false),
    (3, false, 1, 1, true, false),
    (4, false, 1, 2, true, false),
    (4, false, 0, 2, false, false),
    (4, true, 1, 2, true, false),
    (4, true, 0, 2, true, false),
    (5, false, 1, 2, true, false),
    (5, true, 0, 2, true, false),
];

#[test]
fn partitions() {
    for (nodes, witness, dynamic, apart, larger, smaller) in PARTITIONS {
        let (raw, cluster) = instant(&NAMES[..nodes]);
        if witness {
            raw.add_witness(cluster);
        }
        let set = control::CLUSTER_SET_COMMON_PROPERTIES;
        assert_eq!(
            raw.control(cluster, set, &dwords(&[("DynamicQuorum", dynamic)])),
            Ok(vec![])
        );
        let what = format!("{nodes} {witness} {dynamic} {apart}");
        let (near, far) = NAMES[..nodes].split_at(nodes - apart);
        raw.split(near, far);
        let up = |name: &&str| raw.is_up(cluster, name);
        assert_eq!(near.iter().all(up), larger, "{what}");
        assert_eq!(far.iter().all(up), smaller, "{what}");
        raw.happen(Incident::HealAll);
        assert!(
            NAMES[..nodes].iter().all(|name| raw.is_up(cluster, name)),
            "{what}: all are back"
        );
    }
}

impl Raw {
    /// Splits the cluster. As long as one pair hears each other the sides are one, so that they part in one step.
    fn split(&self, near: &[&str], far: &[&str]) {
        for one in near {
            for other in far {
                self.cut(one, other);
            }
        }
    }
}

#[test]
fn without_quorum_nothing_answers_and_with_it_everything_comes_back() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let group = raw.running_group(cluster, "g", "n1", &["one"]);
    let one = raw.open_resource(cluster, "one").unwrap();
    let ear = Ear::new(&raw, cluster);
    // All at once: each alone has one vote of three.
    raw.happen(Incident::NetworkDown {
        network: "Cluster Network 1".into(),
    });
    assert!(raw.is_formed(cluster), "there is a second network");
    raw.happen(Incident::NetworkDown {
        network: "Cluster Network 2".into(),
    });
    assert!(!raw.is_formed(cluster));
    assert_eq!(raw.open(None), Err(1753));
    let told = ear.events();
    let last = told.last().unwrap();
    assert_eq!(
        (last.object_type, last.flag),
        (notify_object::CLUSTER, notify_cluster::STATE)
    );
    raw.happen(Incident::NetworkUp {
        network: "Cluster Network 2".into(),
    });
    assert!(raw.is_formed(cluster));
    assert_eq!(raw.group(group), (group_state::ONLINE, "n1".into()));
    assert_eq!(raw.resource(one), resource_state::ONLINE);
}

#[test]
fn votes_follow_the_members() {
    let (raw, cluster) = instant(&["n1", "n2", "n3", "n4"]);
    assert_eq!(raw.weights(cluster, &NAMES[..4]), [1, 1, 1, 0], "an odd number");
    raw.kill("n1");
    assert_eq!(raw.weights(cluster, &NAMES[..4]), [0, 1, 1, 1]);
    raw.simulation.set_service("n4", false);
    assert_eq!(raw.weights(cluster, &NAMES[..4]), [0, 1, 0, 0]);
    // In an orderly way even the only vote is handed over.
    raw.simulation.set_service("n2", false);
    assert_eq!(raw.weights(cluster, &NAMES[..4]), [0, 0, 1, 0]);
    let set = control::CLUSTER_SET_COMMON_PROPERTIES;
    raw.power_on("n1");
    raw.simulation.set_service("n2", true);
    raw.simulation.set_service("n4", true);
    assert_eq!(raw.control(cluster, set, &dwords(&[("DynamicQuorum", 0)])), Ok(vec![]));
    assert_eq!(raw.weights(cluster, &NAMES[..4]), [1, 1, 1, 1]);
}

#[test]
fn the_witness_votes_when_the_nodes_are_even() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    assert_eq!(raw.quorum(cluster), (String::new(), quorum_kind::NODE_MAJORITY));
    let witness = raw.add_witness(cluster);
    assert_eq!(raw.quorum(cluster), ("witness".into(), quorum_kind::NODES_AND_WITNESS));
    assert_eq!(raw.resource(witness), resource_state::ONLINE);
    let vote = || {
        let list = raw
            .control(cluster, control::CLUSTER_GET_RO_COMMON_PROPERTIES, &[])
            .unwrap();
        crate::verbs::find_dword(&list, "WitnessDynamicWeight").unwrap()
    };
    assert_eq!(vote(), 0);
    raw.kill("n3");
    assert_eq!(vote(), 1);
    assert_eq!(raw.weights(cluster, &NAMES[..2]), [1, 1]);
    raw.happen(Incident::Witness {
        cluster: None,
        reachable: false,
    });
    assert_eq!(vote(), 0);
    assert_eq!(raw.weights(cluster, &NAMES[..2]), [1, 0]);
    raw.happen(Incident::Witness {
        cluster: Some("C".into()),
        reachable: true,
    });
    assert_eq!(vote(), 1);
    assert_eq!(raw.resource(witness), resource_state::ONLINE);
    // It cannot be taken away.
    assert_eq!(raw.offline(witness), 5020);
    assert_eq!(raw.delete_resource(witness), 5020);
    let core = raw.open_group(cluster, "Cluster Group").unwrap();
    assert_eq!(raw.offline_group(core), 5020);
    let other = raw.make_resource(core, "other");
    assert_eq!(raw.depend(other, witness), 5069);
    assert_eq!(raw.set_quorum(witness, quorum_kind::NODE_MAJORITY), 0);
    assert_eq!(raw.quorum(cluster), (String::new(), quorum_kind::NODE_MAJORITY));
    assert_eq!(raw.offline(witness), 0);
    assert_eq!(raw.delete_resource(witness), 0);
}

#[test]
fn what_cannot_be_a_witness_is_refused() {
    let (raw, cluster) = instant(&["n1", "n2"]);
    let group = raw.make_group(cluster, "g");
    let service = raw.make_resource(group, "service");
    assert_eq!(raw.set_quorum(service, quorum_kind::NODES_AND_WITNESS), 5021);
    let share = raw.try_resource(group, "share", "File Share Witness").unwrap();
    assert_eq!(raw.set_quorum(share, quorum_kind::DISK_ONLY), 5025);
    assert_eq!(raw.set_quorum(share, 5), 87);
    let storage = raw.open_group(cluster, "Available Storage").unwrap();
    let disk = raw.try_resource(storage, "disk", "Physical Disk").unwrap();
    assert_eq!(raw.set_quorum(disk, quorum_kind::NODES_AND_WITNESS), 5928);
    raw.happen(Incident::BlockResource {
        resource: "share".into(),
        node: None,
    });
    assert_eq!(raw.set_quorum(share, quorum_kind::NODES_AND_WITNESS), 5027);
    assert_eq!(raw.quorum(cluster).1, quorum_kind::NODE_MAJORITY);
}

#[test]
fn a_disk_alone_keeps_a_single_node_going() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let core = raw.open_group(cluster, "Cluster Group").unwrap();
    let disk = raw.try_resource(core, "disk", "Physical Disk").unwrap();
    assert_eq!(raw.set_quorum(disk, quorum_kind::DISK_ONLY), 0);
    assert_eq!(raw.quorum(cluster), ("disk".into(), quorum_kind::DISK_ONLY));
    raw.kill("n1");
    raw.kill("n2");
    assert!(raw.is_formed(cluster));
    raw.happen(Incident::Witness {
        cluster: None,
        reachable: false,
    });
    assert!(!raw.is_formed(cluster));
    raw.happen(Incident::Witness {
        cluster: None,
        reachable: true,
    });
    assert!(raw.is_formed(cluster));
}

#[test]
fn what_would_cost_the_quorum_is_known_before() {
    let (raw, cluster) = instant(&["n1", "n2"]);
    let ask = |code: u32, voter: &str| {
        let voter: Vec<u8> = wide(voter).iter().flat_map(|unit| unit.to_le_bytes()).collect();
        raw.control(cluster, code, &voter).map(|answer| answer[0])
    };
    assert_eq!(ask(control::CLUSTER_CHECK_VOTER_DOWN, "1"), Ok(1));
    assert_eq!(ask(control::CLUSTER_CHECK_VOTER_DOWN, "2"), Ok(0), "it has no vote");
    assert_eq!(ask(control::CLUSTER_CHECK_VOTER_DOWN, "7"), Err(5042));
    raw.add_witness(cluster);
    assert_eq!(ask(control::CLUSTER_CHECK_VOTER_DOWN, "1"), Ok(0));
    assert_eq!(ask(control::CLUSTER_CHECK_VOTER_DOWN_WITNESS, ""), Ok(0));
    raw.kill("n2");
    assert_eq!(ask(control::CLUSTER_CHECK_VOTER_DOWN, "1"), Ok(1));
    assert_eq!(ask(control::CLUSTER_CHECK_VOTER_EVICT_WITNESS, ""), Ok(1));
}

#[test]
fn an_isolated_node_is_marked_for_a_while() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let n3 = raw.open_node(cluster, "n3").unwrap();
    raw.happen(Incident::IsolateMachine { machine: "n3".into() });
    assert!(!raw.is_up(cluster, "n3"));
    assert_eq!(raw.node_dword(n3, "StatusInformation"), 1);
    raw.advance(240_000);
    assert_eq!(
        raw.node_dword(n3, "StatusInformation"),
        0,
        "ResiliencyDefaultPeriod is over"
    );
    raw.happen(Incident::HealAll);
    assert!(raw.is_up(cluster, "n3"));
}

#[test]
fn a_failed_interface_cuts_a_node_off_only_with_its_last_network() {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    let interface = |network: &str, up: bool| {
        let (machine, network) = ("n3".to_owned(), network.to_owned());
        raw.happen(if up {
            Incident::InterfaceUp { machine, network }
        } else {
            Incident::InterfaceDown { machine, network }
        });
    };
    interface("Cluster Network 1", false);
    assert!(raw.is_up(cluster, "n3"));
    interface("Cluster Network 2", false);
    assert!(!raw.is_up(cluster, "n3"));
    interface("cluster network 1", true);
    assert!(raw.is_up(cluster, "n3"));
    let unknown = Incident::NetworkDown { network: "x".into() };
    assert!(raw.simulation.happen(&unknown).is_err());
    let text = ptr::null_mut();
    // SAFETY: What is not wanted may be NULL.
    let code = unsafe {
        raw.table.GetClusterQuorumResource.unwrap()(
            cluster,
            text,
            ptr::null_mut(),
            text,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    assert_eq!(code, 0);
}

impl Raw {
    fn force(&self, machine: &str) {
        self.happen(Incident::service_start(machine, &["/FQ"]));
    }

    fn cluster_dword(&self, cluster: isize, name: &str) -> u32 {
        let list = self
            .control(cluster, control::CLUSTER_GET_RO_COMMON_PROPERTIES, &[])
            .unwrap();
        crate::verbs::find_dword(&list, name).unwrap()
    }
}

#[test]
fn quorum_can_be_forced() {
    for dynamic in [0, 1] {
        let (raw, cluster) = instant(&NAMES);
        let group = raw.running_group(cluster, "g", "n5", &["one"]);
        let set = control::CLUSTER_SET_COMMON_PROPERTIES;
        raw.control(cluster, set, &dwords(&[("DynamicQuorum", dynamic)]))
            .unwrap();
        // Three of five at once: the two that are left have no majority.
        raw.split(&["n1", "n2"], &["n3", "n4", "n5"]);
        for name in ["n3", "n4", "n5"] {
            raw.kill(name);
        }
        assert!(!raw.is_formed(cluster), "{dynamic}");
        raw.happen(Incident::StartService {
            machine: "n1".into(),
            clear_quarantine: false,
        });
        assert!(!raw.is_formed(cluster), "a start alone changes nothing");
        raw.force("n2");
        assert!(raw.is_up(cluster, "n1") && raw.is_up(cluster, "n2"));
        assert_eq!(raw.group(group).0, group_state::ONLINE);
        assert_eq!(raw.cluster_dword(cluster, "FixQuorum"), 1);
        let needs = |name: &str| raw.node_dword(raw.open_node(cluster, name).unwrap(), "NeedsPreventQuorum");
        assert_eq!((needs("n1"), needs("n4")), (0, 1));
        assert_eq!(raw.upgrade(cluster, false).0, 5974);
        // The others have a majority and do not hear the two: what is forced goes on all the same.
        for name in ["n3", "n4", "n5"] {
            raw.power_on(name);
        }
        assert!(!raw.is_up(cluster, "n3") && raw.is_up(cluster, "n2"));
        assert_eq!(raw.cluster_dword(cluster, "FixQuorum"), 1);
        let ear = Ear::new(&raw, cluster);
        raw.happen(Incident::HealAll);
        assert!(NAMES.iter().all(|name| raw.is_up(cluster, name)));
        assert_eq!(raw.cluster_dword(cluster, "FixQuorum"), 0, "there is a majority again");
        assert_eq!((needs("n1"), needs("n4")), (0, 0));
        let told = ear.events().into_iter().find(|event| {
            event.object_type == notify_object::CLUSTER
                && event.flag == notify_cluster::COMMON_PROPERTY
                && crate::verbs::find_dword(&event.payload, "FixQuorum") == Some(0)
        });
        assert!(told.is_some());
        // Votes decide again.
        raw.split(&["n1", "n2"], &["n3", "n4", "n5"]);
        assert!(raw.is_up(cluster, "n3") && !raw.is_up(cluster, "n2"));
        // And force overrides them: the larger side stops.
        raw.force("n2");
        assert!(!raw.is_up(cluster, "n3") && raw.is_up(cluster, "n2"));
    }
}

#[test]
fn the_force_of_a_service_ends_with_it() {
    for (dynamic, goes_on) in [(0, true), (1, false)] {
        let (raw, cluster) = instant(&NAMES[..3]);
        let set = control::CLUSTER_SET_COMMON_PROPERTIES;
        raw.control(cluster, set, &dwords(&[("DynamicQuorum", dynamic)]))
            .unwrap();
        raw.split(&["n1"], &["n2", "n3"]);
        raw.force("n1");
        assert!(raw.is_up(cluster, "n1"));
        raw.kill("n1");
        // With dynamic votes the one that was forced has taken them all over, and the others wait for it.
        assert_eq!(raw.is_formed(cluster), goes_on);
        raw.power_on("n1");
        assert_eq!(raw.is_up(cluster, "n2"), goes_on);
        assert_eq!(raw.is_up(cluster, "n1"), !goes_on);
        assert_eq!(raw.cluster_dword(cluster, "FixQuorum"), 0);
    }
}

#[test]
fn who_shall_form_nothing_joins() {
    let (raw, cluster) = instant(&NAMES[..3]);
    raw.control(cluster, control::CLUSTER_SHUTDOWN, &[]).unwrap();
    for name in &NAMES[..3] {
        raw.happen(Incident::service_start(name, &["/pq", "/cq"]));
    }
    assert!(!raw.is_formed(cluster), "all wait for somebody to join");
    raw.simulation.set_service("n3", false);
    raw.happen(Incident::service_start("n3", &[]));
    assert!(NAMES[..3].iter().all(|name| raw.is_up(cluster, name)));
    // A member votes as any other, however it was started.
    raw.kill("n3");
    raw.kill("n2");
    assert!(raw.is_up(cluster, "n1"));
}

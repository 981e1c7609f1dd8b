//! Random verbs and incidents: after each, what must be true of a world is.

use std::time::Duration;

use wsfc_clusapi::sys::constants::{group_move_flags, quorum_kind};
use wsfc_simulator::{Incident, Simulation};

use crate::call::open;
use crate::raw::{Raw, wide};
use crate::verbs::{Ear, dwords, existing};

const MACHINES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
const GROUPS: usize = 6;
const RESOURCES: usize = 14;

struct Play {
    raw: Raw,
    random: fastrand::Rng,
    cluster: isize,
    /// What was done, for the report of a failure.
    done: Vec<String>,
}

impl Play {
    fn machine(&mut self) -> String {
        self.random.choice(MACHINES).unwrap().into()
    }

    fn resource_name(&mut self) -> String {
        format!("r{}", self.random.usize(..RESOURCES))
    }

    fn node(&mut self) -> isize {
        let name = self.machine();
        self.raw.open_node(self.cluster, &name).unwrap_or(0)
    }

    fn group(&mut self) -> Option<isize> {
        let name = format!("g{}", self.random.usize(..GROUPS));
        self.raw.open_group(self.cluster, &name).ok()
    }

    fn resource(&mut self) -> Option<isize> {
        let name = self.resource_name();
        self.raw.open_resource(self.cluster, &name).ok()
    }

    /// One of two group sets.
    fn set(&mut self) -> isize {
        let name = format!("s{}", self.random.usize(..2));
        let table = self.raw.table;
        let found = open(&self.raw, table.OpenClusterGroupSet, self.cluster, &name);
        let made = |_| open(&self.raw, table.CreateClusterGroupSet, self.cluster, &name);
        found.or_else(made).unwrap_or(0)
    }

    fn incident(&mut self) -> Incident {
        let (machine, other) = (self.machine(), self.machine());
        let resource = self.resource_name();
        let network = format!("Cluster Network {}", self.random.usize(1..=2));
        match self.random.usize(..29) {
            0 | 1 => Incident::KillMachine { machine },
            2..=5 => Incident::PowerOn { machine },
            6 => Incident::StopService { machine },
            7 | 8 => Incident::StartService {
                machine,
                clear_quarantine: self.random.bool(),
            },
            9 => Incident::CutHeartbeats { one: machine, other },
            10 => Incident::HealHeartbeats { one: machine, other },
            11 => Incident::IsolateMachine { machine },
            12 | 13 => Incident::HealAll,
            14 => Incident::NetworkDown { network },
            15 => Incident::NetworkUp { network },
            16 => Incident::InterfaceDown { machine, network },
            17 => Incident::InterfaceUp { machine, network },
            18 => Incident::FailResource {
                resource,
                more: self.random.u32(..3),
            },
            19 => Incident::BlockResource {
                resource,
                node: self.random.bool().then_some(machine),
            },
            20 => Incident::UnblockResource { resource },
            26 => Incident::ForceQuorum {
                machine,
                clear_quarantine: self.random.bool(),
            },
            27 => Incident::PreventQuorum {
                machine,
                clear_quarantine: self.random.bool(),
            },
            21 | 22 => Incident::CutPath {
                network,
                one: machine,
                other,
            },
            23 | 24 => Incident::HealPath {
                network,
                one: machine,
                other,
            },
            _ => Incident::Witness {
                cluster: None,
                reachable: self.random.bool(),
            },
        }
    }

    fn step(&mut self) {
        let what = self.random.usize(..30);
        let said = match what {
            0..=7 => {
                let incident = self.incident();
                format!("{incident:?} {:?}", self.raw.simulation.happen(&incident).is_ok())
            }
            8..=12 => {
                let ms = self
                    .random
                    .choice([10, 150, 1_000, 20_000, 400_000, 4_000_000])
                    .unwrap();
                self.raw.simulation.advance(Duration::from_millis(ms));
                format!("advance {ms}")
            }
            13..=19 => self.group_verb(),
            20..=27 => self.resource_verb(),
            _ => self.node_verb(),
        };
        self.done.push(said);
    }

    fn group_verb(&mut self) -> String {
        let name = format!("g{}", self.random.usize(..GROUPS));
        let node = self.node();
        let Some(group) = self.group() else {
            let name_units = wide(&name);
            // SAFETY: The name is NUL-terminated.
            let made = unsafe { self.raw.table.CreateClusterGroup.unwrap()(self.cluster, name_units.as_ptr()) };
            return format!("make {name} {made:#x}");
        };
        let verb = self.random.usize(..15);
        let (other, set) = (self.group().unwrap_or(0), self.set());
        let table = self.raw.table;
        let code = match verb {
            0 | 1 => self.raw.online_group(group, if self.random.bool() { node } else { 0 }),
            2 => self.raw.offline_group(group),
            3 => self.raw.move_group(group, 0),
            4 => self
                .raw
                .move_group_ex(group, node, group_move_flags::QUEUE_ENABLED, &[]),
            5 => self
                .raw
                .move_group_ex(group, 0, group_move_flags::RETURN_TO_SOURCE_NODE_ON_ERROR, &[]),
            // SAFETY: The function checks its handle.
            6 => unsafe { table.CancelClusterGroupOperation.unwrap()(group, 0) },
            // SAFETY: The function checks its handles.
            9 => unsafe { table.AddClusterGroupDependency.unwrap()(group, other) },
            // SAFETY: The function checks its handles.
            10 => unsafe { table.AddClusterGroupToGroupSetDependency.unwrap()(group, set) },
            // SAFETY: The function checks its handles.
            11 => unsafe { table.ClusterAddGroupToGroupSet.unwrap()(set, group) },
            // SAFETY: The function checks its handles.
            12 => unsafe { table.RemoveClusterGroupDependency.unwrap()(group, other) },
            // SAFETY: The function checks its handles.
            13 => unsafe { table.RemoveClusterGroupToGroupSetDependency.unwrap()(group, set) },
            // SAFETY: The function checks its handle.
            14 => unsafe { table.ClusterRemoveGroupFromGroupSet.unwrap()(group) },
            7 => {
                let priority = self.random.choice([0, 1_000, 2_000, 3_000]).unwrap();
                let failback = self.random.u32(..2);
                let start_delay = self.random.choice([0, 0, 30_000]).unwrap();
                let policy = dwords(&[
                    ("Priority", priority),
                    ("AutoFailbackType", failback),
                    ("GroupStartDelay", start_delay),
                ]);
                self.raw.set_group_property(group, &policy)
            }
            _ if node != 0 && self.random.bool() => self.raw.prefer(group, &[node]),
            // SAFETY: The function checks its handle.
            _ => unsafe { table.DestroyClusterGroup.unwrap()(group) },
        };
        format!("group verb {verb} {name} {code}")
    }

    fn resource_verb(&mut self) -> String {
        let name = self.resource_name();
        let (group, provider, node) = (self.group(), self.resource(), self.node());
        let Some(resource) = self.raw.open_resource(self.cluster, &name).ok() else {
            let kind = if self.random.usize(..5) == 0 {
                "File Share Witness"
            } else {
                "Generic Service"
            };
            let made = group.map(|group| self.raw.try_resource(group, &name, kind));
            return format!("make {name} {made:?}");
        };
        let verb = self.random.usize(..13);
        let table = self.raw.table;
        let code = match (verb, provider, group) {
            (0 | 1, _, _) => self.raw.online(resource),
            (2, _, _) => self.raw.offline(resource),
            (3, _, _) => self.raw.fail(resource),
            // SAFETY: The function checks its handle.
            (4, _, _) => unsafe { table.RestartClusterResource.unwrap()(resource, 0) },
            (5 | 6, Some(provider), _) => self.raw.depend(resource, provider),
            // SAFETY: The function checks its handles.
            (7, Some(provider), _) => unsafe { table.RemoveClusterResourceDependency.unwrap()(resource, provider) },
            // SAFETY: The function checks its handles.
            (8, _, Some(group)) => unsafe { table.ChangeClusterResourceGroup.unwrap()(resource, group) },
            (9, _, _) => self.raw.forbid(resource, node),
            // SAFETY: The function checks its handles.
            (10, _, _) => unsafe { table.AddClusterResourceNode.unwrap()(resource, node) },
            (11, _, _) => self.raw.delete_resource(resource),
            _ => {
                let kind = if self.random.bool() {
                    quorum_kind::NODES_AND_WITNESS
                } else {
                    quorum_kind::NODE_MAJORITY
                };
                let path = wide("");
                // SAFETY: The path is NUL-terminated.
                unsafe { table.SetClusterQuorumResource.unwrap()(resource, path.as_ptr(), kind) }
            }
        };
        format!("resource verb {verb} {name} {code}")
    }

    fn node_verb(&mut self) -> String {
        let (node, target) = (self.node(), self.node());
        let code = match self.random.usize(..5) {
            0 => self.raw.pause(
                node,
                true,
                self.random.u32(..8),
                if self.random.bool() { target } else { 0 },
            ),
            1 => self.raw.pause(node, self.random.bool(), 1, 0),
            2 | 3 => self.raw.resume(node, self.random.i32(0..3)),
            _ => {
                let (code, _) = if self.random.usize(..4) == 0 {
                    self.raw.evict(node, 0)
                } else {
                    (0, 0)
                };
                let machine = self.machine();
                let added = self.raw.add(self.cluster, &machine).is_ok();
                return format!("evict {code}, add {machine} {added}");
            }
        };
        format!("node verb {code}")
    }
}

fn play(seed: u64, steps: usize, manual: bool) {
    let raw = Raw::new(|scenario| {
        scenario.seed = seed;
        scenario.timing.manual = manual;
        scenario.clusters = vec![existing(&MACHINES[..4])];
    });
    // AddClusterNode waits for its phases, which a world of standing time does not let pass.
    if manual {
        raw.simulation
            .inject(wsfc_simulator::Fault {
                call: Some("AddClusterNode".into()),
                status: Some(5041),
                ..wsfc_simulator::Fault::default()
            })
            .unwrap();
    }
    let cluster = raw.open(Some("c")).unwrap();
    let mut play = Play {
        raw,
        random: fastrand::Rng::with_seed(seed),
        cluster,
        done: Vec::new(),
    };
    for step in 0..steps {
        play.step();
        if let Err(problem) = play.raw.simulation.consistency() {
            let last = play.done.len().saturating_sub(12);
            panic!("seed {seed}, step {step}: {problem}\n{}", play.done[last..].join("\n"));
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_world_stays_consistent_whatever_happens() {
    for seed in 0..30 {
        play(seed, 400, seed % 2 == 0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn the_same_seed_tells_the_same_story() {
    let story = || {
        let raw = Raw::over(
            Simulation::new(Raw::scenario(|scenario| {
                scenario.clusters = vec![existing(&MACHINES[..4])];
            }))
            .unwrap(),
        );
        let cluster = raw.open(Some("c")).unwrap();
        let groups: Vec<isize> = (0..8)
            .map(|number| raw.running_group(cluster, &format!("g{number}"), "n4", &[&format!("r{number}")]))
            .collect();
        let ear = Ear::new(&raw, cluster);
        raw.kill("n4");
        raw.power_on("n4");
        let node = raw.open_node(cluster, "n1").unwrap();
        assert_eq!(raw.pause(node, true, 1, 0), 0);
        assert_eq!(groups.len(), 8);
        ear.events()
    };
    assert_eq!(story(), story());
}

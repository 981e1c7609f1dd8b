//! Verbs on a simulated cluster, called as an operation calls them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wsfc_clusapi::{Clusapi, Error, Secret};
use wsfc_proto::v1::{self, OperationState};
use wsfc_proto::{reasons, v1::ObjectKind};
use wsfc_simulator::{Incident, Scenario, Simulation};

use super::scene::{End, Run, Scene, Stop};
use super::{Foreseen, verb};
use crate::cluster_api::{self, Connected};
use crate::hosts::{HostError, Hosts, Service};
use crate::operation::call::Parameters as P;
use crate::platform::SystemClock;

/// A cluster with roles, disks, sets and rules: the scenario "production".
struct World {
    simulation: Simulation,
    connected: Connected,
    asked: AtomicBool,
    secret: Option<Secret>,
    limit: Duration,
}

impl World {
    fn new() -> Self {
        Self::over(cluster_api::simulation("production", None).unwrap())
    }

    /// A world where what the cluster does takes so long that it is not over before a slow machine looks at it.
    fn slow() -> Self {
        let mut scenario = Scenario::builtin("production").unwrap();
        scenario.timing.scale = 2.0;
        Self::over(Simulation::new(scenario).unwrap())
    }

    fn over(simulation: Simulation) -> Self {
        Self {
            connected: Connected::simulated(simulation.clone()),
            simulation,
            asked: AtomicBool::new(false),
            secret: None,
            limit: Duration::from_secs(60),
        }
    }

    fn api(&self) -> &Clusapi {
        &self.connected.api
    }

    fn hosts(&self) -> &dyn Hosts {
        self.connected.hosts.as_ref()
    }

    fn run(&self, call: &P) -> Run {
        let cluster = self.api().open_cluster(Some("prod")).unwrap();
        let scene = Scene {
            cluster: &cluster,
            name: "prod",
            rehearsal: false,
            sink: None,
            clock: &SystemClock,
            services: self.hosts(),
            limit: self.limit,
            asked: &self.asked,
            secret: self.secret.as_ref(),
        };
        verb::run(call, &scene)
    }

    fn foresee(&self, call: &P) -> Result<Foreseen, Error> {
        let cluster = self.api().open_cluster(Some("prod")).unwrap();
        verb::rehearse(call, &cluster, "prod", &SystemClock, self.hosts())
    }

    /// Runs a verb that is to work and to change something.
    #[track_caller]
    fn changes(&self, call: &P) -> End {
        assert!(matches!(self.foresee(call), Ok(Foreseen::Nothing)), "{call:?}");
        let end = self.run(call).unwrap_or_else(|stop| panic!("{call:?}: {stop:?}"));
        assert_eq!(end.state, OperationState::Succeeded, "{call:?}: {end:?}");
        assert!(!end.unchanged, "{call:?}: {end:?}");
        end
    }

    /// Runs a verb that is to find everything as wished.
    #[track_caller]
    fn unchanged(&self, call: &P) -> End {
        assert!(matches!(self.foresee(call), Ok(Foreseen::Unchanged)), "{call:?}");
        let end = self.run(call).unwrap_or_else(|stop| panic!("{call:?}: {stop:?}"));
        assert!(
            end.unchanged && end.state == OperationState::Succeeded,
            "{call:?}: {end:?}"
        );
        end
    }

    /// The code that a verb is refused with, which a rehearsal foresees.
    #[track_caller]
    fn refused(&self, call: &P) -> u32 {
        let foreseen = match self.foresee(call) {
            Err(error) => error.code().unwrap().0,
            Ok(Foreseen::Refused(end)) => end.status.unwrap(),
            Ok(Foreseen::Nothing | Foreseen::Unchanged) => panic!("nothing was foreseen of {call:?}"),
        };
        match self.run(call) {
            Err(Stop::Api(error)) => assert_eq!(error.code().map(|code| code.0), Some(foreseen), "{call:?}"),
            Err(Stop::Refused(end)) => assert_eq!(end.status, Some(foreseen), "{call:?}"),
            other => panic!("{call:?}: {other:?}"),
        }
        foreseen
    }
}

macro_rules! call {
    ($variant:ident($message:ident) { $($field:ident: $value:expr),* $(,)? }) => {
        P::$variant(v1::$message { $($field: $value.into(),)* ..Default::default() })
    };
}

fn move_to(group: &str, node: &str) -> P {
    call!(MoveGroup(MoveGroupParameters) { group: group, node: node })
}

fn dword(name: &str, number: u32) -> v1::Property {
    v1::Property {
        name: name.into(),
        value: Some(v1::PropertyValue {
            value: Some(v1::property_value::Value::Dword(number)),
        }),
        ..v1::Property::default()
    }
}

/// A call for what it has renamed; any other call as it is.
fn renamed(call: P) -> P {
    match call {
        P::RenameGroup(mut p) => {
            p.group.clone_from(&p.new_name);
            P::RenameGroup(p)
        }
        P::RenameResource(mut p) => {
            p.resource.clone_from(&p.new_name);
            P::RenameResource(p)
        }
        P::RenameNetwork(mut p) => {
            p.network.clone_from(&p.new_name);
            P::RenameNetwork(p)
        }
        other => other,
    }
}

/// Each changes something the first time and nothing the second time.
#[test]
fn verbs_find_what_they_have_done() {
    let world = World::new();
    let owners = |nodes: &[&str]| nodes.iter().map(|node| (*node).to_owned()).collect::<Vec<_>>();
    let calls = [
        call!(CreateGroup(CreateGroupParameters) { group: "New \"role\" / \u{1F980}", r#type: v1::GroupType::GenericService }),
        call!(RenameGroup(RenameGroupParameters) { group: "Old Reports", new_name: "Reports 2" }),
        call!(SetPreferredOwners(SetPreferredOwnersParameters) { group: "Files", nodes: owners(&["hv4", "hv3"]) }),
        call!(SetFailoverPolicy(SetFailoverPolicyParameters) { group: "Files", failover_threshold: 5_u32 }),
        call!(CreateResource(CreateResourceParameters) {
            resource: "Extra", group: "Reports 2", r#type: "Generic Application"
        }),
        call!(RenameResource(RenameResourceParameters) { resource: "Extra", new_name: "Extra 2" }),
        call!(AddResourceDependency(AddResourceDependencyParameters) { resource: "Extra 2", provider: "Reports" }),
        call!(RemoveResourceDependency(RemoveResourceDependencyParameters) { resource: "Extra 2", provider: "Reports" }),
        call!(SetPossibleOwners(SetPossibleOwnersParameters) { resource: "Extra 2", nodes: owners(&["hv1", "hv2"]) }),
        call!(SetSeparateMonitor(SetSeparateMonitorParameters) { resource: "Extra 2", enabled: true }),
        call!(AddCheckpoint(AddCheckpointParameters) {
            resource: "Extra 2", kind: v1::CheckpointKind::Registry, key: "Software\\Extra"
        }),
        call!(RemoveCheckpoint(RemoveCheckpointParameters) {
            resource: "Extra 2", kind: v1::CheckpointKind::Registry, key: "Software\\Extra"
        }),
        call!(DeleteResource(DeleteResourceParameters) { resource: "Extra 2" }),
        call!(SetResourceMaintenance(SetResourceMaintenanceParameters) { resource: "Files Disk", enabled: true }),
        call!(SetResourceMaintenance(SetResourceMaintenanceParameters) { resource: "Files Disk", enabled: false }),
        call!(CreateResourceType(CreateResourceTypeParameters) { resource_type: "Own", dll: "own.dll" }),
        call!(DeleteResourceType(DeleteResourceTypeParameters) { resource_type: "Own" }),
        call!(RenameNetwork(RenameNetworkParameters) { network: "Heartbeat", new_name: "Inner" }),
        call!(SetNetworkMetric(SetNetworkMetricParameters) { network: "Inner", metric: 1_234_u32 }),
        call!(CreateGroupSet(CreateGroupSetParameters) { group_set: "Set" }),
        call!(AddGroupToSet(AddGroupToSetParameters) { group_set: "Set", group: "Web7" }),
        call!(RemoveGroupFromSet(RemoveGroupFromSetParameters) { group: "Web7" }),
        call!(AddGroupSetDependency(AddGroupSetDependencyParameters) { group_set: "Set", provider_set: "Directory" }),
        call!(RemoveGroupSetDependency(RemoveGroupSetDependencyParameters) {
            group_set: "Set", provider_set: "Directory"
        }),
        call!(AddGroupDependency(AddGroupDependencyParameters) { group: "Web7", provider_group: "Web8" }),
        call!(RemoveGroupDependency(RemoveGroupDependencyParameters) { group: "Web7", provider_group: "Web8" }),
        call!(DeleteGroupSet(DeleteGroupSetParameters) { group_set: "Set" }),
        call!(CreateAvailabilitySet(CreateAvailabilitySetParameters) {
            group_set: "Spread", update_domains: 5_u32, fault_domains: 2_u32
        }),
        call!(CreateAffinityRule(CreateAffinityRuleParameters) { rule: "Apart", r#type: v1::AffinityRuleType::DifferentNode }),
        call!(AddGroupToAffinityRule(AddGroupToAffinityRuleParameters) { rule: "Apart", group: "Web9" }),
        call!(RemoveGroupFromAffinityRule(RemoveGroupFromAffinityRuleParameters) { rule: "Apart", group: "Web9" }),
        call!(DeleteAffinityRule(DeleteAffinityRuleParameters) { rule: "Apart" }),
        call!(GrantAccess(GrantAccessParameters) { account: "S-1-5-21-1-2-3-1001", right: v1::AccessRight::Read }),
        call!(RemoveAccess(RemoveAccessParameters) { account: "S-1-5-21-1-2-3-1001" }),
        call!(SetSharedVolumeMaintenance(SetSharedVolumeMaintenanceParameters) { resource: "Volume B", enabled: true }),
        call!(SetSharedVolumeMaintenance(SetSharedVolumeMaintenanceParameters) { resource: "Volume B", enabled: false }),
        call!(SetSharedVolumeRedirected(SetSharedVolumeRedirectedParameters) { resource: "Volume B", redirected: true }),
        call!(AddSharedVolume(AddSharedVolumeParameters) { resource: "Spare" }),
        call!(RemoveSharedVolume(RemoveSharedVolumeParameters) { resource: "Spare" }),
        call!(SetNodeVote(SetNodeVoteParameters) { node: "hv4", vote: false }),
        call!(SetNodeVote(SetNodeVoteParameters) { node: "hv4", vote: true }),
        call!(SetProperties(SetPropertiesParameters) {
            kind: ObjectKind::Group, name: "Files", properties: vec![dword("priority", 1_000)]
        }),
        call!(SetQuorum(SetQuorumParameters) { r#type: v1::QuorumType::NodeMajority }),
        call!(SetQuorum(SetQuorumParameters) {
            r#type: v1::QuorumType::FileShareWitness, share_path: "\\\\files\\witness"
        }),
    ];
    let mut faults = Vec::new();
    for call in calls {
        match world.run(&call) {
            Ok(end) if end.state == OperationState::Succeeded && !end.unchanged => {}
            other => faults.push(format!("first {call:?}: {other:?}")),
        }
        match world.run(&renamed(call.clone())) {
            Ok(end) if end.unchanged => {}
            other => faults.push(format!("again {call:?}: {other:?}")),
        }
    }
    assert_eq!(faults, [""; 0]);
}

#[test]
fn groups_are_followed_to_where_they_were_sent() {
    let world = World::new();
    let end = world.changes(&move_to("Files", "hv4"));
    let state = end.final_state.unwrap();
    assert_eq!((state.state.as_str(), state.owner_node.as_str()), ("ONLINE", "hv4"));
    world.unchanged(&move_to("files", "HV4"));
    let offline = call!(OfflineGroup(OfflineGroupParameters) { group: "Files" });
    assert_eq!(world.changes(&offline).final_state.unwrap().state, "OFFLINE");
    world.unchanged(&offline);
    let online = call!(OnlineGroup(OnlineGroupParameters) { group: "Files" });
    assert_eq!(world.changes(&online).final_state.unwrap().state, "ONLINE");
    world.unchanged(&online);
    let delete = call!(DeleteGroup(DeleteGroupParameters) { group: "Files", with_resources: true });
    world.changes(&delete);
    world.unchanged(&delete);
}

#[test]
fn resources_are_followed_too() {
    let world = World::new();
    let resource = "SQL Server Agent";
    let offline = call!(OfflineResource(OfflineResourceParameters) { resource: resource });
    assert_eq!(world.changes(&offline).final_state.unwrap().state, "OFFLINE");
    let online = call!(OnlineResource(OnlineResourceParameters) { resource: resource });
    assert_eq!(world.changes(&online).final_state.unwrap().state, "ONLINE");
    world.unchanged(&online);
    let restart = call!(RestartResource(RestartResourceParameters) { resource: resource });
    assert_eq!(world.changes(&restart).final_state.unwrap().state, "ONLINE");
}

#[test]
fn a_node_is_drained_and_taken_back() {
    let world = World::new();
    let pause = call!(PauseNode(PauseNodeParameters) { node: "hv3", drain: true });
    let state = world.changes(&pause).final_state.unwrap();
    assert_eq!(
        (state.state.as_str(), state.drain_state()),
        ("PAUSED", v1::DrainState::Completed)
    );
    world.unchanged(&pause);
    assert_eq!(world.refused(&move_to("SQL Server (PROD)", "hv3")), 70);
    let resume = call!(ResumeNode(ResumeNodeParameters) { node: "hv3", failback: v1::FailbackChoice::Immediately });
    assert_eq!(world.changes(&resume).final_state.unwrap().state, "UP");
    world.unchanged(&resume);
}

#[test]
fn the_service_of_a_node_is_stopped_and_started() {
    let world = World::new();
    let stop = call!(StopNode(StopNodeParameters) { node: "hv4" });
    world.changes(&stop);
    world.unchanged(&stop);
    let start = call!(StartNode(StartNodeParameters) { node: "hv4" });
    assert_eq!(world.changes(&start).final_state.unwrap().state, "UP");
    world.unchanged(&start);
}

/// The service managers of the world, and the arguments that they were given.
struct Listening {
    hosts: Arc<dyn Hosts>,
    told: Mutex<Vec<String>>,
}

impl Hosts for Listening {
    fn start(&self, host: &str, arguments: &[&str]) -> Result<(), HostError> {
        self.told.lock().unwrap().push(arguments.join(" "));
        self.hosts.start(host, arguments)
    }

    fn stop(&self, host: &str) -> Result<(), HostError> {
        self.told.lock().unwrap().push("stop".into());
        self.hosts.stop(host)
    }

    fn state(&self, host: &str) -> Result<Service, HostError> {
        self.hosts.state(host)
    }
}

#[test]
fn the_service_of_a_node_gets_the_arguments_asked_for() {
    let mut world = World::new();
    let listening = Arc::new(Listening {
        hosts: Arc::clone(&world.connected.hosts),
        told: Mutex::default(),
    });
    world.connected.hosts = listening.clone();
    let start = |clear_quarantine: bool, force_quorum: bool, prevent_quorum: bool| {
        call!(StartNode(StartNodeParameters) {
            node: "hv4",
            clear_quarantine: clear_quarantine,
            force_quorum: force_quorum,
            prevent_quorum: prevent_quorum,
        })
    };
    let stop = call!(StopNode(StopNodeParameters) { node: "hv4" });
    for (flags, arguments) in [
        (start(false, false, false), ""),
        (start(false, true, false), "/fq"),
        (start(false, false, true), "/pq"),
        (start(true, true, false), "/cq /fq"),
    ] {
        world.changes(&stop);
        world.changes(&flags);
        let told = std::mem::take(&mut *listening.told.lock().unwrap());
        assert_eq!(told, ["stop", arguments]);
    }
    // A service takes its arguments when it starts, so one that runs is stopped for a quarantine, and for nothing else.
    world.unchanged(&start(false, true, true));
    world.changes(&start(true, false, false));
    let told = std::mem::take(&mut *listening.told.lock().unwrap());
    assert_eq!(told, ["stop", "/cq"]);
}

#[test]
fn the_last_votes_are_not_taken_away() {
    let world = World::new();
    for node in ["hv4", "hv3", "hv2"] {
        let stop = call!(StopNode(StopNodeParameters) { node: node });
        match world.run(&stop) {
            Ok(end) => assert_eq!(end.state, OperationState::Succeeded, "{end:?}"),
            Err(Stop::Refused(end)) => {
                assert_eq!(end.reason, reasons::QUORUM_AT_RISK);
                return;
            }
            Err(stop) => panic!("{stop:?}"),
        }
    }
    let stop = call!(StopNode(StopNodeParameters) { node: "hv1" });
    assert!(matches!(world.run(&stop), Err(Stop::Refused(end)) if end.reason == reasons::QUORUM_AT_RISK));
}

#[test]
fn what_the_cluster_refuses_is_foreseen() {
    let world = World::new();
    let delete = |group: &str| call!(DeleteGroup(DeleteGroupParameters) { group: group });
    assert_eq!(world.refused(&delete("Files")), 145);
    assert_eq!(world.refused(&delete("Cluster Group")), 5026);
    let depends = |resource: &str, provider: &str| call!(AddResourceDependency(AddResourceDependencyParameters) { resource: resource, provider: provider });
    assert_eq!(world.refused(&depends("Files Address", "Files Server")), 1059);
    let rename = call!(RenameGroup(RenameGroupParameters) { group: "Files", new_name: "DC1" });
    assert_eq!(world.refused(&rename), 5010);
    let remove = call!(DeleteResource(DeleteResourceParameters) { resource: "Files Disk" });
    assert_eq!(world.refused(&remove), 5019);
    let create = call!(CreateResource(CreateResourceParameters) { resource: "x", group: "Files", r#type: "No such" });
    assert_eq!(world.refused(&create), 5078);
    let type_in_use = call!(DeleteResourceType(DeleteResourceTypeParameters) { resource_type: "File Server" });
    assert_eq!(world.refused(&type_in_use), 145);
    let read_only = call!(SetProperties(SetPropertiesParameters) {
        kind: ObjectKind::Group, name: "Files", properties: vec![dword("GroupType", 1)]
    });
    assert_eq!(world.refused(&read_only), 87);
    let mistyped = call!(SetProperties(SetPropertiesParameters) {
        kind: ObjectKind::Group, name: "Files", properties: vec![dword("Description", 1)]
    });
    assert_eq!(world.refused(&mistyped), 5895);
    let before = world.simulation.call_counts();
    let changing = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.get("SetClusterGroupName").copied().unwrap_or_default()
    };
    assert!(
        world
            .foresee(&call!(RenameGroup(RenameGroupParameters) { group: "Files", new_name: "F" }))
            .is_ok()
    );
    assert_eq!(
        changing(&world.simulation.call_counts()),
        changing(&before),
        "a rehearsal changes nothing"
    );
}

#[test]
fn a_batch_says_which_command_did_not_hold() {
    let world = World::new();
    let command = |kind: v1::RegistryCommandType, name: &str| v1::RegistryCommand {
        r#type: kind.into(),
        name: name.into(),
        value_type: 4,
        data: vec![1, 0, 0, 0],
    };
    let batch = |commands: Vec<v1::RegistryCommand>| call!(ApplyRegistryBatch(ApplyRegistryBatchParameters) { commands: commands });
    let set = command(v1::RegistryCommandType::SetValue, "Own");
    world.changes(&batch(vec![set.clone()]));
    let condition = command(v1::RegistryCommandType::IfNotExists, "Own");
    let end = world.run(&batch(vec![set, condition])).unwrap();
    assert_eq!((end.state, end.status), (OperationState::Failed, Some(5986)), "{end:?}");
    assert!(end.message.contains("index 1"), "{}", end.message);
}

#[test]
fn a_disk_becomes_a_cluster_disk() {
    let world = World::new();
    let cluster = world.api().open_cluster(Some("prod")).unwrap();
    let disks = crate::operation::disks::available(&cluster).unwrap();
    let disk = disks.first().expect("the scenario has a disk to spare");
    assert!(disk.size_bytes > 0, "{disk:?}");
    let add = call!(AddDisk(AddDiskParameters) { disk_id: disk.disk_id.clone() });
    let end = world.changes(&add);
    assert!(end.final_state.unwrap().name.starts_with("Cluster Disk "));
    world.unchanged(&add);
}

#[test]
fn what_takes_too_long_goes_on_without_the_operation() {
    let mut world = World::slow();
    world.limit = Duration::ZERO;
    let end = world.run(&move_to("Files", "hv4")).unwrap();
    assert_eq!(
        (end.state, end.reason.as_str()),
        (OperationState::Failed, reasons::TIMED_OUT)
    );
    assert!(end.message.contains("The cluster goes on"), "{}", end.message);
}

#[test]
fn a_cloud_witness_has_its_secret_and_no_outcome_shows_it() {
    let mut world = World::new();
    world.secret = Some(Secret::new("c2VjcmV0LWtleQ==".into()));
    let set = call!(SetQuorum(SetQuorumParameters) {
        r#type: v1::QuorumType::CloudWitness, account_name: "store"
    });
    let end = world.changes(&set);
    assert!(!format!("{end:?}").contains("c2VjcmV0"), "{end:?}");
    let cluster = world.api().open_cluster(Some("prod")).unwrap();
    assert_eq!(cluster.quorum().unwrap().witness, "Cloud Witness");
}

#[test]
fn a_group_that_does_not_come_online_names_the_resource_to_blame() {
    let world = World::new();
    world.changes(&call!(OfflineGroup(OfflineGroupParameters) { group: "Files" }));
    let blocked = Incident::BlockResource {
        resource: "Files Address".into(),
        node: None,
    };
    world.simulation.happen(&blocked).unwrap();
    let online = call!(OnlineGroup(OnlineGroupParameters) { group: "Files" });
    let end = world.run(&online).unwrap();
    assert_eq!(
        (end.state, end.reason.as_str()),
        (OperationState::Failed, "ERROR_RESOURCE_FAILED"),
        "{end:?}"
    );
    assert!(end.message.contains("\"Files Address\" is FAILED"), "{}", end.message);
    assert_eq!(end.final_state.unwrap().state, "FAILED");
}

#[test]
fn a_move_is_cancelled_in_the_cluster() {
    let world = World::slow();
    world.asked.store(true, Ordering::Relaxed);
    let end = world.run(&move_to("SQL Server (PROD)", "hv2")).unwrap();
    assert_eq!(end.state, OperationState::Cancelled, "{end:?}");
    assert_eq!(end.final_state.unwrap().owner_node, "hv1");
}

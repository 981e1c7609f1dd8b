//! What can come down on the cluster: verbs through the daemon, and faults from outside.

use fastrand::Rng;
use wsfc_client::v1;
use wsfc_client::{Client, Operation, Parameters};
use wsfc_simulator::{ConnectionEvent, Incident, Simulation};

use crate::world::{NETWORKS, NODES};

/// Most groups, and most resources of a group, so that things meet.
const GROUPS: usize = 6;
const RESOURCES: usize = 4;

fn pick<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

fn group(random: &mut Rng) -> String {
    format!("Role {}", random.usize(..GROUPS))
}

fn resource(random: &mut Rng) -> String {
    let role = random.usize(..GROUPS);
    part(random, role)
}

fn part(random: &mut Rng, role: usize) -> String {
    format!("Part {} of role {role}", random.usize(..RESOURCES))
}

fn node(random: &mut Rng) -> String {
    pick(random, &NODES).to_owned()
}

fn maybe_node(random: &mut Rng) -> String {
    if random.bool() { node(random) } else { String::new() }
}

/// Starts a verb and waits for its end; a refusal is an answer too. The name of the verb, and whether it succeeded.
async fn end(name: &'static str, started: Result<Operation, wsfc_client::Error>) -> (&'static str, bool) {
    match started {
        Ok(operation) => {
            let outcome = operation.wait().await.expect("an operation ends");
            (name, outcome.state() == v1::OperationState::Succeeded)
        }
        Err(wsfc_client::Error::Rejected { .. }) => (name, false),
        Err(error) => panic!("{name}: {error:?}"),
    }
}

/// Picks one of some verbs, each with its parameters.
macro_rules! one_verb {
    ($random:ident, $client:ident, { $($call:ident: $parameters:expr,)+ }) => {{
        let verbs = [$(stringify!($call)),+];
        let chosen = verbs[$random.usize(..verbs.len())];
        $(if chosen == stringify!($call) {
            let parameters = $parameters;
            return end(stringify!($call), start($client, parameters).await).await;
        })+
        unreachable!("one of the verbs was chosen")
    }};
}

async fn start<P: Parameters>(client: &Client, parameters: P) -> Result<Operation, wsfc_client::Error> {
    client.start(parameters).await
}

/// Asks for something that an administrator might ask for.
pub async fn verb(random: &mut Rng, client: &Client) -> (&'static str, bool) {
    one_verb!(random, client, {
        create_group: v1::CreateGroupParameters { group: group(random), r#type: 108, ..Default::default() },
        create_group_again: v1::CreateGroupParameters { group: group(random), r#type: 108, ..Default::default() },
        delete_group: v1::DeleteGroupParameters { group: group(random), with_resources: random.bool(), ..Default::default() },
        online_group: v1::OnlineGroupParameters { group: group(random), node: maybe_node(random), ..Default::default() },
        online_group_again: v1::OnlineGroupParameters { group: group(random), ..Default::default() },
        offline_group: v1::OfflineGroupParameters { group: group(random), ..Default::default() },
        move_group: v1::MoveGroupParameters { group: group(random), node: maybe_node(random), ..Default::default() },
        set_preferred_owners: v1::SetPreferredOwnersParameters {
            group: group(random),
            nodes: vec![node(random)],
            ..Default::default()
        },
        set_failover_policy: v1::SetFailoverPolicyParameters {
            group: group(random),
            failover_threshold: Some(random.u32(..4)),
            auto_failback: Some(random.bool()),
            ..Default::default()
        },
        rename_group: v1::RenameGroupParameters { group: group(random), new_name: group(random), ..Default::default() },
        create_resource: v1::CreateResourceParameters {
            resource: resource(random),
            group: group(random),
            r#type: "Generic Service".into(),
            ..Default::default()
        },
        create_resource_again: v1::CreateResourceParameters {
            resource: resource(random),
            group: group(random),
            r#type: "Generic Application".into(),
            separate_monitor: random.bool(),
            ..Default::default()
        },
        delete_resource: v1::DeleteResourceParameters {
            resource: resource(random),
            offline_first: random.bool(),
            ..Default::default()
        },
        online_resource: v1::OnlineResourceParameters { resource: resource(random), ..Default::default() },
        offline_resource: v1::OfflineResourceParameters { resource: resource(random), ..Default::default() },
        fail_resource: v1::FailResourceParameters { resource: resource(random), ..Default::default() },
        restart_resource: v1::RestartResourceParameters { resource: resource(random), ..Default::default() },
        add_resource_dependency: {
            // Dependencies stay inside of a group, where parts of one role mostly are.
            let role = random.usize(..GROUPS);
            v1::AddResourceDependencyParameters {
                resource: part(random, role),
                provider: part(random, role),
                ..Default::default()
            }
        },
        remove_resource_dependency: v1::RemoveResourceDependencyParameters {
            resource: resource(random),
            provider: resource(random),
            ..Default::default()
        },
        move_resource: v1::MoveResourceParameters { resource: resource(random), group: group(random), ..Default::default() },
        rename_resource: v1::RenameResourceParameters {
            resource: resource(random),
            new_name: resource(random),
            ..Default::default()
        },
        set_possible_owners: v1::SetPossibleOwnersParameters {
            resource: resource(random),
            nodes: NODES[random.usize(..NODES.len())..].iter().map(|node| (*node).to_owned()).collect(),
            ..Default::default()
        },
        pause_node: v1::PauseNodeParameters { node: node(random), drain: random.bool(), ..Default::default() },
        resume_node: v1::ResumeNodeParameters { node: node(random), failback: random.i32(0..4), ..Default::default() },
        resume_node_again: v1::ResumeNodeParameters { node: node(random), ..Default::default() },
        set_node_vote: v1::SetNodeVoteParameters { node: node(random), vote: random.u8(..4) > 0, ..Default::default() },
        set_network_role: v1::SetNetworkRoleParameters {
            network: pick(random, &NETWORKS).into(),
            role: [1, 2, 4][random.usize(..3)],
            ..Default::default()
        },
        set_network_metric: v1::SetNetworkMetricParameters {
            network: pick(random, &NETWORKS).into(),
            metric: random.bool().then(|| random.u32(100..90_000)),
            ..Default::default()
        },
        create_group_set: v1::CreateGroupSetParameters { group_set: "Set".into(), ..Default::default() },
        add_group_to_set: v1::AddGroupToSetParameters { group_set: "Set".into(), group: group(random), ..Default::default() },
        remove_group_from_set: v1::RemoveGroupFromSetParameters { group: group(random), ..Default::default() },
        delete_group_set: v1::DeleteGroupSetParameters { group_set: "Set".into(), ..Default::default() },
        create_affinity_rule: v1::CreateAffinityRuleParameters { rule: "Apart".into(), r#type: 4, ..Default::default() },
        add_group_to_affinity_rule: v1::AddGroupToAffinityRuleParameters {
            rule: "Apart".into(),
            group: group(random),
            ..Default::default()
        },
        delete_affinity_rule: v1::DeleteAffinityRuleParameters { rule: "Apart".into(), ..Default::default() },
        set_properties: v1::SetPropertiesParameters {
            kind: v1::ObjectKind::Group.into(),
            name: group(random),
            properties: vec![v1::Property {
                name: "Priority".into(),
                value: Some(v1::PropertyValue { value: Some(v1::property_value::Value::Dword(random.u32(..4000))) }),
                ..Default::default()
            }],
            ..Default::default()
        },
        create_resource_type: v1::CreateResourceTypeParameters {
            resource_type: "Example".into(),
            dll: "example.dll".into(),
            ..Default::default()
        },
        delete_resource_type: v1::DeleteResourceTypeParameters { resource_type: "Example".into(), ..Default::default() },
    })
}

/// Lets something go wrong, or mends it. What names nothing does nothing.
pub fn incident(random: &mut Rng, world: &Simulation) -> String {
    let (one, other) = (node(random), node(random));
    let network = pick(random, &NETWORKS).to_owned();
    let incident = match random.u8(..20) {
        18 => Incident::Witness {
            cluster: None,
            reachable: random.bool(),
        },
        19 => {
            // Most nodes at once: what is left has no quorum, and nobody can read it.
            for machine in &NODES[1..] {
                let _dead_before = world.happen(&Incident::KillMachine {
                    machine: (*machine).into(),
                });
            }
            return "most machines lose their power".into();
        }
        0 => Incident::KillMachine { machine: one },
        1..=3 => Incident::PowerOn { machine: one },
        4 => Incident::StopService { machine: one },
        5 | 6 => Incident::StartService {
            machine: one,
            clear_quarantine: true,
        },
        7 => Incident::CutHeartbeats { one, other },
        8 | 9 => Incident::HealAll,
        10 => Incident::NetworkDown { network },
        11 => Incident::NetworkUp { network },
        12 => Incident::InterfaceDown { machine: one, network },
        13 => Incident::InterfaceUp { machine: one, network },
        14 => Incident::FailResource {
            resource: resource(random),
            more: random.u32(..3),
        },
        15 => Incident::BlockResource {
            resource: resource(random),
            node: random.bool().then_some(one),
        },
        16 => Incident::UnblockResource {
            resource: resource(random),
        },
        17 => {
            let event = [
                ConnectionEvent::LostNotifications,
                ConnectionEvent::Reconnect,
                ConnectionEvent::HandleClose,
            ];
            let event = event[random.usize(..event.len())];
            world.send(event);
            return format!("{event:?}");
        }
        other => unreachable!("{other} is below the limit"),
    };
    let text = format!("{incident:?}");
    match world.happen(&incident) {
        Ok(()) => text,
        Err(error) => format!("{text} ({error})"),
    }
}

/// Mends everything, so that the cluster can be read again.
pub fn mend(world: &Simulation) {
    let machines = NODES.map(|machine| Incident::PowerOn {
        machine: machine.into(),
    });
    let services = NODES.map(|machine| Incident::StartService {
        machine: machine.into(),
        clear_quarantine: true,
    });
    let networks = NETWORKS.map(|network| Incident::NetworkUp {
        network: network.into(),
    });
    for incident in machines.into_iter().chain(services).chain(networks).chain([
        Incident::HealAll,
        Incident::Witness {
            cluster: None,
            reachable: true,
        },
    ]) {
        // What is well already needs no mending.
        let _well_before = world.happen(&incident);
    }
}

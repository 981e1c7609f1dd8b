//! Observers of a simulated cluster, with a journal in memory: whoever applies its events holds what a fresh reading of the
//! cluster has.

use wsfc_clusapi::proplist::{Property, PropertyList, Value};
use wsfc_clusapi::{Answer, Clusapi, Controlled as _};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, ChangeType, ClusterEvent, ConnectionState, InventoryObject, ObjectKind};
use wsfc_simulator::{ConnectionEvent, Scenario, Simulation};

use super::changes::is;
use super::lab::{Lab, is_connection, is_gap, state_of};
use crate::inventory::ResolveError;
use crate::inventory::object::Key;
use crate::journal::Common;
use crate::settings::Settings;

#[tokio::test]
async fn a_cluster_is_filled_in_without_a_gap() {
    let lab = Lab::observed("production").await;
    let model = &lab.watched[lab.id().as_str()];
    for kind in [
        ObjectKind::Cluster,
        ObjectKind::Node,
        ObjectKind::Group,
        ObjectKind::Resource,
        ObjectKind::ResourceType,
        ObjectKind::Network,
        ObjectKind::NetworkInterface,
        ObjectKind::SharedVolume,
        ObjectKind::Quorum,
    ] {
        assert!(model.of(kind).next().is_some(), "{kind:?}");
    }
    assert_eq!(lab.count(ChangeType::Gap), 0);
    assert_eq!(state_of(&lab.events[0]), Some(ConnectionState::Connected));
    assert!(lab.events.iter().all(|event| is(event, ChangeType::Added)));
    let cluster = model.cluster().unwrap();
    assert_eq!(cluster.name, "prod");
    assert!(cluster.id.len() >= 32, "a GUID: {}", cluster.id);
    for name in ["PROD", "prod.corp.example", "CN=prod,OU=clusters", "hv2"] {
        assert_eq!(lab.clusters.resolve(name).await.unwrap().id, lab.id(), "{name}");
    }
    lab.clusters.stop().await;
}

#[tokio::test]
async fn what_is_done_to_a_cluster_is_heard() {
    let mut lab = Lab::observed("production").await;
    let (id, cluster) = (lab.id(), lab.cluster());
    let group = cluster.open_group("Files").unwrap();
    let node = cluster.open_node("hv4").unwrap();
    let mut done = Vec::new();
    let mut settle = async |lab: &mut Lab, what: &str| {
        lab.catch_up(&id).await;
        assert!(!done.contains(&lab.events.len()), "{what} was not heard of");
        done.push(lab.events.len());
    };
    settle(&mut lab, "the filling").await;
    group.rename("Shares").unwrap();
    settle(&mut lab, "the name of a group").await;
    let priority = PropertyList {
        properties: vec![Property {
            name: "Priority".into(),
            values: vec![Value::Dword(1000)],
        }],
    };
    group.set_common(&priority).unwrap();
    settle(&mut lab, "a property").await;
    group.move_to(Some(&node), 0, &PropertyList::default()).unwrap();
    let place = lab.events.len();
    let moved = lab.until(place, |event| is(event, ChangeType::Owner)).await;
    assert_eq!(lab.events[moved].owner_before.to_lowercase(), "hv3");
    settle(&mut lab, "a move").await;
    group.offline(0).unwrap();
    settle(&mut lab, "a group that goes offline").await;
    let made = cluster.create_group("New 'group' \u{1F600}", None).unwrap();
    settle(&mut lab, "a new group").await;
    let resource = made.create_resource("Service", "Generic Service", true).unwrap();
    settle(&mut lab, "a new resource").await;
    resource.rename("Other service").unwrap();
    settle(&mut lab, "the name of a resource").await;
    // Both groups must be on one node (facts 2.5).
    made.move_to(Some(&node), 0, &PropertyList::default()).unwrap();
    settle(&mut lab, "a move of a group that is offline").await;
    resource.change_group(&group, 0).unwrap();
    settle(&mut lab, "a resource that goes to another group").await;
    resource.delete().unwrap();
    settle(&mut lab, "a resource that was deleted").await;
    made.delete().unwrap();
    settle(&mut lab, "a group that was deleted").await;
    cluster.open_network("Heartbeat").unwrap().rename("Private").unwrap();
    settle(&mut lab, "the name of a network").await;
    node.pause().unwrap();
    settle(&mut lab, "a node that is paused").await;
    let set = cluster.create_group_set("Databases").unwrap();
    settle(&mut lab, "a new set").await;
    set.add_group(&group).unwrap();
    settle(&mut lab, "a group in a set").await;
    assert_eq!(lab.count(ChangeType::Gap), 0, "nothing was missed");
    lab.clusters.stop().await;
}

#[tokio::test]
async fn what_is_learnt_by_its_name_stays_what_it_is() {
    let mut lab = Lab::observed("production").await;
    let id = lab.id();
    let cluster = lab.cluster();
    cluster.create_group_set("Databases").unwrap();
    lab.catch_up(&id).await;
    let objects = lab.watched[id.as_str()].objects().clone();
    let events = lab.events.len();
    for object in objects.values() {
        let common = Common::of(object).unwrap();
        let name = common.name.to_uppercase();
        assert!(lab.clusters.learn(&id, common.kind, [name.as_str()]).await, "{name}");
    }
    // Nothing was to be told before this.
    cluster.open_group("Files").unwrap().rename("Shares").unwrap();
    let renamed = lab.until(events, |event| event.name_before == "Files").await;
    assert_eq!(renamed, events, "{:#?}", &lab.events[events..]);
    lab.catch_up(&id).await;
    lab.clusters.stop().await;
}

#[tokio::test]
async fn preferred_owners_and_private_properties_are_told() {
    let mut lab = Lab::observed("production").await;
    let cluster = lab.cluster();
    let place = lab.events.len();
    let group = cluster.open_group("Files").unwrap();
    group
        .set_preferred_owners(&[&cluster.open_node("hv4").unwrap()])
        .unwrap();
    let relations = lab.until(place, |event| is(event, ChangeType::Relations)).await;
    assert!(lab.events[relations].object.is_some());
    let resource = cluster.open_resource("SQL Server").unwrap();
    let properties = PropertyList {
        properties: vec![Property {
            name: "StartupParameters".into(),
            values: vec![Value::Sz("secret".into())],
        }],
    };
    resource.set_private(&properties).unwrap();
    let private = lab.until(place, |event| is(event, ChangeType::PrivateProperties)).await;
    assert_eq!(lab.events[private].properties, Vec::new(), "they may be secret");
    lab.clusters.stop().await;
}

#[tokio::test]
async fn lost_notifications_make_a_gap_and_no_more() {
    let mut lab = Lab::observed("production").await;
    for (event, reason) in [
        (ConnectionEvent::LostNotifications, "LOST_NOTIFICATIONS"),
        (ConnectionEvent::Reconnect, "RECONNECTED"),
    ] {
        let place = lab.events.len();
        lab.world.send(event);
        lab.until(place, |event| is_gap(event, reason)).await;
        assert_eq!(lab.events.len(), place + 1, "nothing has changed");
    }
    assert_eq!(lab.count(ChangeType::Connection), 0);
    lab.clusters.stop().await;
}

#[tokio::test]
async fn a_connection_that_ends_is_told_before_the_gap_and_the_next_after_it() {
    let mut lab = Lab::observed("production").await;
    for (event, reason) in [
        (ConnectionEvent::HandleClose, "HANDLE_CLOSED"),
        (ConnectionEvent::State, "RECONNECTED"),
    ] {
        let place = lab.events.len();
        lab.world.send(event);
        let lost = lab
            .until(place, |event| is_connection(event, ConnectionState::Reconnecting))
            .await;
        let gap = lab.until(lost, |event| is_gap(event, reason)).await;
        let back = lab
            .until(gap, |event| is_connection(event, ConnectionState::Connected))
            .await;
        assert_eq!([lost, gap, back], [place, place + 1, place + 2]);
        lab.catch_up(&lab.id()).await;
    }
    lab.clusters.stop().await;
}

#[tokio::test]
async fn what_happens_while_no_node_answers_is_found_afterwards() {
    let mut lab = Lab::observed("production").await;
    let place = lab.events.len();
    // The cluster API says so once it has given up (facts 4.4).
    lab.world.send(ConnectionEvent::State);
    lab.world.break_connections();
    let lost = lab
        .until(place, |event| is_connection(event, ConnectionState::Reconnecting))
        .await;
    lab.world.restore_connections();
    lab.cluster().open_group("Files").unwrap().rename("Shares").unwrap();
    let gap = lab.until(lost, |event| is(event, ChangeType::Gap)).await;
    let renamed = lab.until(lost, |event| event.name_before == "Files").await;
    assert!(gap < renamed, "what was missed comes after the gap");
    lab.until(renamed, |event| is_connection(event, ConnectionState::Connected))
        .await;
    lab.catch_up(&lab.id()).await;
    lab.clusters.stop().await;
}

#[tokio::test]
async fn a_daemon_that_starts_again_tells_what_it_has_missed() {
    let mut lab = Lab::observed("production").await;
    let place = lab.events.len();
    lab.restart(|lab| lab.cluster().open_group("Files").unwrap().rename("Shares").unwrap())
        .await;
    let gap = lab.until(place, |event| is_gap(event, "DAEMON_RESTARTED")).await;
    let renamed = lab.until(place, |event| is(event, ChangeType::Name)).await;
    assert_eq!(lab.events[renamed].name_before, "Files");
    let back = lab.until(place, |event| is(event, ChangeType::Connection)).await;
    assert!(
        gap == place && renamed > gap && back > renamed,
        "{gap} {renamed} {back}"
    );
    lab.catch_up(&lab.id()).await;
    assert_eq!(lab.clusters.resolve("prod").await.unwrap().id, lab.id());
    lab.clusters.stop().await;
}

#[tokio::test]
async fn a_service_that_stops_and_starts_is_no_trouble() {
    let mut lab = Lab::observed("production").await;
    let place = lab.events.len();
    for node in ["hv2", "hv3", "hv4", "hv1"] {
        assert!(lab.world.set_service(node, false));
    }
    let lost = lab
        .until(place, |event| is_connection(event, ConnectionState::Reconnecting))
        .await;
    for node in ["hv1", "hv2", "hv3", "hv4"] {
        assert!(lab.world.set_service(node, true));
    }
    let back = lab
        .until(lost, |event| is_connection(event, ConnectionState::Connected))
        .await;
    assert!(lab.events[lost..back].iter().any(|event| is(event, ChangeType::Gap)));
    lab.catch_up(&lab.id()).await;
    lab.clusters.stop().await;
}

#[tokio::test]
async fn a_comparison_that_was_asked_for_is_durable_when_it_is_answered() {
    let lab = Lab::observed("production").await;
    let id = lab.id();
    lab.cluster().open_group("Files").unwrap().rename("Shares").unwrap();
    lab.clusters.refresh(&id).await.unwrap();
    let found = lab.journal.inventory();
    assert!(found.find(&id, ObjectKind::Group, "Shares").is_some());
    assert_eq!(lab.count(ChangeType::Gap), 0);
    lab.clusters.stop().await;
}

#[tokio::test]
async fn a_destroyed_cluster_leaves_nothing_behind() {
    let mut lab = Lab::observed("production").await;
    let id = lab.id();
    lab.clusters.destroyed("prod").await;
    assert!(lab.journal.inventory().is_empty());
    while lab.watched[id.as_str()].objects().keys().next().is_some() {
        lab.hear().await;
    }
    assert!(is(lab.last(1).first().unwrap(), ChangeType::Removed));
    assert_eq!(
        state_of(&lab.last(1)[0]),
        Some(ConnectionState::Connected),
        "the cluster itself goes last"
    );
    // It is still there in truth, and is new to whoever asks for it.
    let place = lab.events.len();
    lab.clusters.resolve("prod").await.unwrap();
    lab.until(place, |event| is(event, ChangeType::Added)).await;
    assert_eq!(lab.count(ChangeType::Gap), 0);
    lab.clusters.stop().await;
}

/// Destroys the cluster as somebody else does, who takes its roles away first.
fn destroy(lab: &Lab) {
    for group in lab.cluster().groups().unwrap() {
        let group = lab.cluster().open_group(&group.name).unwrap();
        if !group.is_core().unwrap() {
            group.destroy().unwrap();
        }
    }
    lab.cluster().destroy(true, |_progress| Answer::Continue).unwrap();
}

#[tokio::test]
async fn a_cluster_that_somebody_else_destroys_is_gone() {
    let mut scenario = Scenario::builtin("production").unwrap();
    scenario.timing.scale = 0.0;
    let mut lab = Lab::of(scenario, Settings::default());
    let resolved = lab.clusters.resolve("prod").await.unwrap();
    lab.catch_up(&resolved.id).await;
    let place = lab.events.len();
    destroy(&lab);
    let is_removed_cluster = |event: &ClusterEvent| is(event, ChangeType::Removed) && state_of(event).is_some();
    let last = lab.until(place, is_removed_cluster).await;
    assert_eq!(last + 1, lab.events.len(), "the cluster itself goes last");
    assert!(lab.watched[resolved.id.as_str()].objects().is_empty());
    assert!(lab.journal.inventory().is_empty());
    let nowhere = lab.clusters.resolve("prod").await.unwrap_err();
    assert!(matches!(nowhere, ResolveError::Cluster { .. }), "{nowhere:?}");
    lab.clusters.stop().await;
}

#[tokio::test]
async fn a_cluster_that_was_destroyed_while_the_daemon_was_down_is_gone() {
    let mut scenario = Scenario::builtin("production").unwrap();
    scenario.timing.scale = 0.0;
    let mut lab = Lab::of(scenario, Settings::default());
    let id = lab.clusters.resolve("prod").await.unwrap().id;
    lab.catch_up(&id).await;
    let place = lab.events.len();
    lab.restart(destroy).await;
    let nowhere = lab.clusters.resolve("prod").await.unwrap_err();
    assert!(matches!(nowhere, ResolveError::Cluster { .. }), "{nowhere:?}");
    let gone = lab.until(place, |event| is(event, ChangeType::Removed)).await;
    assert!(is_gap(&lab.events[gone - 1], "DAEMON_RESTARTED"));
    lab.clusters.stop().await;
}

#[tokio::test]
async fn a_cluster_that_is_out_of_reach_stays() {
    let mut lab = Lab::observed("production").await;
    let (id, place) = (lab.id(), lab.events.len());
    for node in ["hv2", "hv3", "hv4"] {
        assert!(lab.world.set_service(node, false));
    }
    // One that cannot be asked is enough, and one whose service does not run says nothing of its cluster.
    assert!(lab.world.set_reachable("hv1", false));
    let lost = lab
        .until(place, |event| is_connection(event, ConnectionState::Reconnecting))
        .await;
    // Each of these tries to open the cluster, and judges.
    for _ in 0..3 {
        let refused = lab.clusters.refresh(&id).await.unwrap_err();
        assert!(matches!(refused, ResolveError::Cluster { .. }), "{refused:?}");
    }
    assert!(lab.journal.inventory().cluster(&id).is_some());
    assert!(lab.world.set_reachable("hv1", true));
    for node in ["hv1", "hv2", "hv3", "hv4"] {
        assert!(lab.world.set_service(node, true));
    }
    let back = lab
        .until(lost, |event| is_connection(event, ConnectionState::Connected))
        .await;
    assert!(
        lab.events[lost..back]
            .iter()
            .all(|event| !is(event, ChangeType::Removed))
    );
    lab.clusters.stop().await;
}

#[tokio::test]
async fn another_cluster_of_the_same_name_takes_the_place_of_the_former() {
    let mut lab = Lab::observed("production").await;
    let former = lab.id();
    let mut other = Scenario::builtin("production").unwrap();
    other.seed += 1;
    let world = Simulation::new(other).unwrap();
    let api = Clusapi::from_provider(world.clone());
    // The daemon comes back to a world where the cluster was destroyed and made again.
    (lab.world, lab.api) = (world, api);
    assert_ne!(lab.id(), former);
    let place = lab.events.len();
    lab.restart(|_| {}).await;
    let later = lab.id();
    lab.catch_up(&later).await;
    assert_eq!(lab.watched[former.as_str()].objects().len(), 0);
    let added = lab.until(place, |event| is(event, ChangeType::Added)).await;
    assert!(is_gap(&lab.events[place], "DAEMON_RESTARTED"));
    assert!(
        lab.events[place + 1..added]
            .iter()
            .all(|event| is(event, ChangeType::Removed))
    );
    assert_eq!(lab.clusters.resolve("prod").await.unwrap().id, later);
    lab.clusters.stop().await;
}

#[tokio::test]
async fn there_are_no_more_clusters_than_may_be() {
    let mut settings = Settings::default();
    settings.inventory.clusters = 1;
    let production = include_str!("../../../simulator/scenarios/production.toml");
    let scenario = format!("{production}\n[[clusters]]\nname = \"second\"\nnodes = [\"hv5\"]\n");
    let scenario = Scenario::from_toml(&scenario).unwrap();
    let lab = Lab::of(scenario, settings);
    lab.clusters.resolve("prod").await.unwrap();
    let refused = lab.clusters.resolve("hv5").await.unwrap_err();
    assert!(matches!(refused, ResolveError::TooMany { limit: 1 }), "{refused:?}");
    let unknown = lab.clusters.resolve("nowhere").await.unwrap_err();
    assert!(matches!(unknown, ResolveError::Cluster { .. }), "{unknown:?}");
    lab.clusters.stop().await;
    let late = lab.clusters.resolve("hv5").await.unwrap_err();
    assert!(matches!(late, ResolveError::ShuttingDown), "{late:?}");
}

#[tokio::test]
async fn nothing_is_observed_where_nothing_is_to_be() {
    let mut settings = Settings::default();
    settings.inventory.observe = false;
    let lab = Lab::of(Scenario::builtin("production").unwrap(), settings);
    lab.clusters.start();
    let resolved = lab.clusters.resolve("").await.unwrap();
    assert!(!resolved.observed);
    assert_eq!(resolved.id, lab.id());
    lab.clusters.refresh(&resolved.id).await.unwrap();
    assert!(lab.journal.inventory().is_empty());
    assert_eq!(lab.world.calls("CreateClusterNotifyPortV2"), 0);
}

#[tokio::test]
async fn a_host_without_a_cluster_is_asked_again_until_it_has_one() {
    let mut scenario = Scenario::builtin("production").unwrap();
    scenario.timing.scale = 0.0;
    let mut lab = Lab::of(scenario, Settings::default());
    lab.world.break_connections();
    lab.clusters.start();
    lab.world.restore_connections();
    lab.until(0, |event| is(event, ChangeType::Added)).await;
    lab.catch_up(&lab.id()).await;
    assert_eq!(lab.count(ChangeType::Gap), 0);
    lab.clusters.stop().await;
}

#[test]
fn the_cluster_itself_has_one_key_whatever_its_name() {
    let cluster = |name: &str, id: &str| InventoryObject {
        cluster_id: id.into(),
        object: Some(Object::Cluster(v1::ClusterState {
            name: name.into(),
            id: id.into(),
            ..v1::ClusterState::default()
        })),
    };
    let key = |object| crate::inventory::object::key(&object);
    assert_eq!(key(cluster("a", "1")), Some(Key::new(ObjectKind::Cluster, "")));
    assert_eq!(key(cluster("b", "1")), key(cluster("a", "1")));
}

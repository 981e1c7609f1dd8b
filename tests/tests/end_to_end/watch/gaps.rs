//! What a watch tells where changes may have been missed.

use wsfc_client::object;
use wsfc_client::v1::{self, ChangeType, ConnectionState, InventoryObject, ObjectKind, WatchFilter};
use wsfc_simulator::{ConnectionEvent, Incident};
use wsfc_tests::verbs::run;
use wsfc_tests::watching::{Follower, change, filtered, gap, is};
use wsfc_tests::{TestDaemon, world};

use super::{assert_same, held, inventory, move_to, now, start};

#[tokio::test]
async fn after_a_restart_a_gap_comes_before_what_changed_meanwhile() {
    let builder = TestDaemon::builder(world::production()).observing();
    let Some(builder) = builder.in_process("a world in the daemon's process stands still while that is away") else {
        return;
    };
    let mut daemon = builder.start().await;
    let wire = daemon.wire().await;
    let mut follower = Follower::of_cluster(&daemon.client_over(&wire), "prod").await;
    let before = held(&follower.cache);
    daemon.stop().await;
    daemon.simulation().happen(&Incident::NetworkDown {
        network: "Heartbeat".into(),
    });
    daemon.restart().await;
    wire.retarget(daemon.address());
    let told = follower
        .until_change("the connection", |change| is(change, ChangeType::Connection))
        .await;
    assert_eq!(gap(&told[0]), Some("DAEMON_RESTARTED"), "{told:#?}");
    assert_eq!(told[0].cluster, "prod");
    assert!(told[0].object.is_none() && told[0].notification.is_none());
    assert!(follower.losses > 0);
    // Only the network and its interfaces have changed.
    let (changed, connection) = (&told[1..told.len() - 1], &told[told.len() - 1]);
    assert_eq!(changed.len(), 1 + 4, "{changed:#?}");
    for change in changed {
        let object = change.object.as_ref().unwrap();
        let kind = object::kind(object);
        assert!(
            matches!(kind, ObjectKind::Network | ObjectKind::NetworkInterface) && is(change, ChangeType::State),
            "{change:#?}"
        );
        assert_ne!(before.get(&object::key(object)), Some(object));
    }
    let Some(v1::inventory_object::Object::Cluster(cluster)) = connection.object.clone().unwrap().object else {
        panic!("{connection:#?}");
    };
    assert_eq!(cluster.connection(), ConnectionState::Connected);
    let inventory = inventory(&daemon.client()).await;
    assert_same(&mut follower, &inventory).await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_restart_without_changes_tells_a_gap_and_no_object() {
    let mut daemon = start().await;
    let wire = daemon.wire().await;
    let mut follower = Follower::of_cluster(&daemon.client_over(&wire), "prod").await;
    for _ in 0..2 {
        let last = follower.last();
        daemon.restart().await;
        wire.retarget(daemon.address());
        let told = follower
            .until_change("the connection", |change| is(change, ChangeType::Connection))
            .await;
        assert_eq!(told.len(), 2, "{told:#?}");
        assert_eq!(gap(&told[0]), Some("DAEMON_RESTARTED"));
        assert!(told[0].revision > last);
    }
    let inventory = inventory(&daemon.client()).await;
    assert_same(&mut follower, &inventory).await;
    daemon.finish().await;
}

#[tokio::test]
async fn what_the_connection_tells_makes_a_gap_before_what_follows() {
    let daemon = start().await;
    daemon.logs().expect("Changes of a cluster may have been missed");
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    for (event, reason, is_broken) in [
        (ConnectionEvent::LostNotifications, "LOST_NOTIFICATIONS", false),
        (ConnectionEvent::Reconnect, "RECONNECTED", false),
        (ConnectionEvent::HandleClose, "HANDLE_CLOSED", true),
    ] {
        daemon.simulation().connection_event(event);
        let told = follower.until_change(reason, |change| gap(change).is_some()).await;
        let last = told.last().unwrap();
        assert_eq!(gap(last), Some(reason));
        // What is left of the move before may come first; a connection is told of only when it broke.
        let connection = told.iter().any(|change| is(change, ChangeType::Connection));
        assert_eq!(connection, is_broken, "{told:#?}");
        // What changes afterwards is told as ever.
        let node = if is_broken { "hv3" } else { "hv4" };
        run(&client, move_to("Files", node)).await;
        follower
            .until_cache("the move", |cache| {
                matches!(
                    cache.find(ObjectKind::Group, "Files").and_then(|held| held.object.as_ref()),
                    Some(v1::inventory_object::Object::Group(group)) if group.owner_node == node
                )
            })
            .await;
    }
    let inventory = inventory(&client).await;
    assert_same(&mut follower, &inventory).await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_gap_passes_every_filter() {
    let daemon = start().await;
    daemon.logs().expect("Changes of a cluster may have been missed");
    let client = daemon.client();
    let (begin, _) = now(&client).await;
    let filter = WatchFilter {
        kinds: vec![ObjectKind::AffinityRule.into()],
        names: vec!["none".into()],
        changes: vec![ChangeType::Removed.into()],
        ..Default::default()
    };
    let mut follower = Follower::of(&client, filtered(begin, filter)).await;
    daemon.simulation().connection_event(ConnectionEvent::LostNotifications);
    let event = follower.event("the gap").await;
    assert_eq!(change(&event).and_then(gap), Some("LOST_NOTIFICATIONS"));
    daemon.finish().await;
}

#[tokio::test]
async fn a_cluster_service_that_stops_and_starts_is_told_as_a_lost_connection() {
    let daemon = TestDaemon::builder(world::cluster("CL1", 2)).observing().start().await;
    daemon.logs().expect("A cluster cannot be reached any more");
    daemon.logs().expect("Changes of a cluster may have been missed");
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "CL1").await;
    let connection = |change: &v1::ClusterEvent| match change.object.as_ref().and_then(|held| held.object.as_ref()) {
        Some(v1::inventory_object::Object::Cluster(cluster)) if is(change, ChangeType::Connection) => {
            Some(cluster.connection())
        }
        _ => None,
    };
    for machine in ["n2", "n1"] {
        daemon.simulation().happen(&Incident::StopService {
            machine: machine.into(),
        });
    }
    follower
        .until_change("the loss", |change| {
            connection(change) == Some(ConnectionState::Reconnecting)
        })
        .await;
    for machine in ["n1", "n2"] {
        daemon.simulation().happen(&Incident::StartService {
            machine: machine.into(),
            clear_quarantine: false,
        });
    }
    let told = follower
        .until_change("the return", |change| {
            connection(change) == Some(ConnectionState::Connected)
        })
        .await;
    assert!(
        gap(&told[0]).is_some(),
        "the gap comes before what was missed: {told:#?}"
    );
    follower
        .until_cache("both nodes", |cache| {
            let up = |node: &&InventoryObject| {
                matches!(&node.object, Some(v1::inventory_object::Object::Node(node)) if node.state() == v1::NodeState::Up)
            };
            cache.of_kind(ObjectKind::Node).iter().filter(|node| up(node)).count() == 2
        })
        .await;
    daemon.finish().await;
}

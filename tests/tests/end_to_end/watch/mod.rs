//! Watching events: a snapshot and what follows it, each event once, over lost connections, restarts and lost places.

mod filters;
mod gaps;
mod places;
mod resuming;

use std::collections::BTreeMap;
use std::time::Duration;

use wsfc_client::object::{self, ObjectKey};
use wsfc_client::v1::{self, Event, InventoryObject};
use wsfc_client::{Cache, Client, Error, WatchItem};
use wsfc_simulator::Incident;
use wsfc_tests::records::soon;
use wsfc_tests::verbs::changes;
use wsfc_tests::watching::{Follower, after, revision, snapshot_of};
use wsfc_tests::{TestDaemon, world};

/// A daemon that observes the cluster "prod" and tells often how far its streams are.
pub(super) async fn start() -> TestDaemon {
    TestDaemon::builder(world::production())
        .observing()
        .settings(|settings| settings.limits.mark_every = Duration::from_millis(100))
        .start()
        .await
}

pub(super) fn move_to(group: &str, node: &str) -> v1::MoveGroupParameters {
    v1::MoveGroupParameters {
        group: group.into(),
        node: node.into(),
        ..Default::default()
    }
}

/// The revision that the inventory of the cluster is true at once nothing more comes, and the journal. What the cluster
/// itself still does after a call has ended makes events of its own, so two readings must agree.
pub(super) async fn now(client: &Client) -> (u64, String) {
    let reading = async || {
        let fresh = v1::GetClusterStateRequest {
            fresh: true,
            ..Default::default()
        };
        client.get_cluster_state(fresh).await.unwrap()
    };
    soon("an inventory that stays as it is", async {
        let mut before = reading().await;
        loop {
            let state = reading().await;
            if state.revision == before.revision {
                return (state.revision, state.store_id);
            }
            before = state;
        }
    })
    .await
}

/// Does something that makes many events, and gives all of them from the bare beginning of the journal on.
pub(super) async fn some_events(client: &Client) -> (Vec<Event>, u64) {
    let (first, _) = now(client).await;
    for (group, node) in [("Files", "hv4"), ("DC1", "hv2"), ("SQL Server (PROD)", "hv2")] {
        changes(client, move_to(group, node)).await;
    }
    let (last, store_id) = now(client).await;
    assert!(last > first + 5);
    let events = up_to(
        client,
        v1::WatchRequest {
            operations: true,
            ..after(0, &store_id)
        },
        last,
    )
    .await;
    (events, last)
}

/// What a watch tells up to a revision.
pub(super) async fn up_to(client: &Client, request: v1::WatchRequest, last: u64) -> Vec<Event> {
    try_up_to(client, request, last).await.unwrap()
}

/// What a watch tells up to a revision, or why it does not. The last message may hold what has come since, which is left
/// out.
pub(super) async fn try_up_to(client: &Client, request: v1::WatchRequest, last: u64) -> Result<Vec<Event>, Error> {
    let mut watch = client.watch(request);
    let mut events = Vec::new();
    loop {
        match soon("the next event", watch.next()).await.unwrap()? {
            WatchItem::Event(event) if revision(&event) <= last => events.push(*event),
            WatchItem::Mark { revision } if revision >= last => return Ok(events),
            _ => {}
        }
    }
}

/// Lets the nodes stop and start one after the other, so that groups wander, until so many events have come. Gives the
/// last revision.
pub(super) async fn many_events(daemon: &TestDaemon, client: &Client, begin: u64, count: u64) -> u64 {
    for node in ["hv1", "hv2", "hv3", "hv4"].iter().cycle() {
        let machine = || (*node).to_owned();
        daemon
            .simulation()
            .happen(&Incident::StopService { machine: machine() });
        daemon.simulation().happen(&Incident::StartService {
            machine: machine(),
            clear_quarantine: false,
        });
        let (last, _) = now(client).await;
        if last >= begin + count {
            return last;
        }
    }
    unreachable!("the nodes go round and round")
}

pub(super) fn revisions(events: &[Event]) -> Vec<u64> {
    events.iter().map(revision).collect()
}

pub(super) fn held(cache: &Cache) -> BTreeMap<ObjectKey, InventoryObject> {
    cache.objects().map(|held| (object::key(held), held.clone())).collect()
}

/// The inventory, as a snapshot of its own has it.
pub(super) async fn inventory(client: &Client) -> (BTreeMap<ObjectKey, InventoryObject>, u64) {
    now(client).await;
    let mut watch = client.watch(v1::WatchRequest {
        snapshot_only: true,
        ..snapshot_of("prod")
    });
    let mut cache = Cache::new();
    while let Some(item) = soon("the snapshot", watch.next()).await {
        cache.apply(&item.unwrap());
    }
    assert!(cache.is_complete());
    (held(&cache), cache.revision())
}

/// Follows until the copy is true at the revision, and checks that it is the inventory.
pub(super) async fn assert_same(follower: &mut Follower, inventory: &(BTreeMap<ObjectKey, InventoryObject>, u64)) {
    follower
        .until_cache("the revision of the inventory", |cache| cache.revision() >= inventory.1)
        .await;
    assert_eq!(held(&follower.cache), inventory.0);
}

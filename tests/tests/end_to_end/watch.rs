//! Watching events: a snapshot and what follows it, each event once, over lost connections, restarts and lost places.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wsfc_client::object::{self, ObjectKey};
use wsfc_client::v1::event_service_client::EventServiceClient;
use wsfc_client::v1::{self, ChangeType, ConnectionState, Event, InventoryObject, ObjectKind, WatchFilter};
use wsfc_client::{Cache, Client, Reason, WatchItem};
use wsfc_simulator::{ConnectionEvent, Incident};
use wsfc_tests::records::{outcome_of, soon};
use wsfc_tests::verbs::{changes, run};
use wsfc_tests::watching::{Follower, after, change, filtered, gap, is, record, revision, snapshot_of};
use wsfc_tests::{TestDaemon, world};

/// A daemon that observes the cluster "prod" and tells often how far its streams are.
async fn start() -> TestDaemon {
    TestDaemon::builder(world::production())
        .observing()
        .settings(|settings| settings.limits.mark_every = Duration::from_millis(100))
        .start()
        .await
}

fn move_to(group: &str, node: &str) -> v1::MoveGroupParameters {
    v1::MoveGroupParameters {
        group: group.into(),
        node: node.into(),
        ..Default::default()
    }
}

/// The revision that the inventory of the cluster is true at, and the journal.
async fn now(client: &Client) -> (u64, String) {
    let state = client
        .get_cluster_state(v1::GetClusterStateRequest {
            fresh: true,
            ..Default::default()
        })
        .await
        .unwrap();
    (state.revision, state.store_id)
}

/// Does something that makes many events, and gives all of them from the bare beginning of the journal on.
async fn some_events(client: &Client) -> (Vec<Event>, u64) {
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
async fn up_to(client: &Client, request: v1::WatchRequest, last: u64) -> Vec<Event> {
    let mut watch = client.watch(request);
    let mut events = Vec::new();
    loop {
        match soon("the next event", watch.next()).await.unwrap().unwrap() {
            WatchItem::Event(event) => events.push(*event),
            WatchItem::Mark { revision } if revision >= last => return events,
            _ => {}
        }
    }
}

/// Lets the nodes stop and start one after the other, so that groups wander, until so many events have come. Gives the
/// last revision.
async fn many_events(daemon: &TestDaemon, client: &Client, begin: u64, count: u64) -> u64 {
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

fn revisions(events: &[Event]) -> Vec<u64> {
    events.iter().map(revision).collect()
}

fn held(cache: &Cache) -> BTreeMap<ObjectKey, InventoryObject> {
    cache.objects().map(|held| (object::key(held), held.clone())).collect()
}

/// The inventory, as a snapshot of its own has it.
async fn inventory(client: &Client) -> (BTreeMap<ObjectKey, InventoryObject>, u64) {
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
async fn assert_same(follower: &mut Follower, inventory: &(BTreeMap<ObjectKey, InventoryObject>, u64)) {
    follower
        .until_cache("the revision of the inventory", |cache| cache.revision() >= inventory.1)
        .await;
    assert_eq!(held(&follower.cache), inventory.0);
}

#[tokio::test]
async fn a_snapshot_and_the_events_after_it_are_the_inventory_from_wherever_they_begin() {
    let daemon = start().await;
    let client = daemon.client();
    let mover = daemon.client();
    now(&client).await;
    let moving = tokio::spawn(async move {
        for node in ["hv1", "hv2", "hv3", "hv4", "hv1", "hv2"] {
            for group in ["Web1", "Web2", "Files"] {
                run(&mover, move_to(group, node)).await;
            }
        }
    });
    let mut followers = Vec::new();
    while !moving.is_finished() && followers.len() < 50 {
        followers.push(Follower::of_cluster(&client, "prod").await);
    }
    moving.await.unwrap();
    let inventory = inventory(&client).await;
    assert!(inventory.0.len() > 100);
    for follower in &mut followers {
        assert_same(follower, &inventory).await;
    }
    let begins: BTreeSet<_> = followers.iter().map(Follower::last).collect();
    assert!(!begins.is_empty());
    daemon.finish().await;
}

#[tokio::test]
async fn a_mark_moves_on_while_nothing_passes_the_filter() {
    let daemon = start().await;
    let client = daemon.client();
    let (begin, store_id) = now(&client).await;
    let filter = WatchFilter {
        kinds: vec![ObjectKind::GroupSet.into()],
        ..Default::default()
    };
    let mut idle = Follower::of(&client, filtered(begin, filter)).await;
    changes(&client, move_to("Files", "hv4")).await;
    let (moved, _) = now(&client).await;
    assert!(moved > begin);
    while idle.mark().await < moved {}
    assert_eq!(idle.store_id(), store_id);
    daemon.finish().await;
}

#[tokio::test]
async fn a_watch_goes_on_after_any_event() {
    let daemon = start().await;
    let client = daemon.client();
    let (whole, last) = some_events(&client).await;
    let all = revisions(&whole);
    let consecutive: Vec<_> = (all[0]..=last).collect();
    assert_eq!(all, consecutive, "events and records together leave no revision out");
    // Each of the last, and some of the many that the first filling made.
    let many = whole.len() - 60;
    let places = (0..many).step_by(29).chain(many..=whole.len());
    for place in places {
        let place_revision = if place == 0 { 0 } else { all[place - 1] };
        let request = v1::WatchRequest {
            operations: true,
            ..after(place_revision, "")
        };
        let mut rest = up_to(&client, request, last).await;
        // The last message may hold what has come since.
        rest.retain(|event| revision(event) <= last);
        assert_eq!(rest, whole[place..], "after {place_revision}");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn every_mark_ends_an_append_and_is_a_place_to_resume_from() {
    let daemon = start().await;
    let client = daemon.client();
    let (begin, _) = now(&client).await;
    let mut events = EventServiceClient::new(daemon.channel().await);
    let request = v1::WatchRequest {
        operations: true,
        ..after(begin, "")
    };
    let mut stream = events.watch(request.clone()).await.unwrap().into_inner();
    let mut marks = Vec::new();
    let mut told = Vec::new();
    let mut last = begin;
    for node in ["hv4", "hv1", "hv2", "hv3"] {
        changes(&client, move_to("Files", node)).await;
        (last, _) = now(&client).await;
        while marks.last().is_none_or(|(mark, _)| *mark < last) {
            let message = soon("the next message", stream.message()).await.unwrap().unwrap();
            assert!(message.snapshot.is_empty());
            let latest = message.events.last().map(revision);
            told.extend(message.events);
            let Some(mark) = message.mark else {
                assert_eq!(latest, None, "every message with events ends with a mark");
                continue;
            };
            assert!(!mark.snapshot_complete);
            assert!(latest.is_none_or(|latest| mark.revision >= latest));
            marks.push((mark.revision, told.len()));
        }
    }
    let distinct: BTreeSet<_> = marks.iter().map(|(mark, _)| *mark).collect();
    assert!(distinct.len() > 4, "{marks:?}");
    for (mark, before) in marks {
        let request = v1::WatchRequest {
            after_revision: Some(mark),
            ..request.clone()
        };
        assert_eq!(
            up_to(&client, request, last).await,
            told[before..],
            "after the mark {mark}"
        );
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_wire_that_is_cut_at_every_place_loses_and_repeats_no_event() {
    let daemon = start().await;
    let (begin, _) = now(&daemon.client()).await;
    let (whole, last) = some_events(&daemon.client()).await;
    let whole: Vec<_> = whole.into_iter().filter(|event| revision(event) > begin).collect();
    let wire = daemon.wire().await;
    let mut cuts = 0;
    for bytes in (0..).step_by(397) {
        let connections = wire.accepted();
        let client = daemon.client_over(&wire);
        wire.cut_after(bytes);
        let request = v1::WatchRequest {
            operations: true,
            ..after(begin, "")
        };
        assert_eq!(up_to(&client, request, last).await, whole, "cut after {bytes} bytes");
        let again = wire.accepted() > connections + 1;
        wire.mend();
        if !again {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 5, "the stream was cut {cuts} times only");
    daemon.finish().await;
}

#[tokio::test]
async fn a_snapshot_that_is_cut_begins_anew_and_is_told_once() {
    let daemon = start().await;
    let wanted = inventory(&daemon.client()).await;
    let wire = daemon.wire().await;
    let mut cuts = 0;
    for bytes in (2_000..).step_by(5_000) {
        let connections = wire.accepted();
        let client = daemon.client_over(&wire);
        wire.cut_after(bytes);
        let mut follower = Follower::of_cluster(&client, "prod").await;
        assert_same(&mut follower, &wanted).await;
        wire.mend();
        if wire.accepted() == connections + 1 {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 2, "the snapshot was cut {cuts} times only");
    daemon.finish().await;
}

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

/// Checks that a watch is refused, and gives the value of a key of the metadata.
async fn refused(client: &Client, request: v1::WatchRequest, reason: Reason, code: tonic::Code, key: &str) -> String {
    let mut watch = client.watch(request);
    let error = soon("the refusal", watch.next()).await.unwrap().unwrap_err();
    let rejection = error.rejection().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!((&rejection.reason, rejection.code), (&reason, code), "{rejection:?}");
    assert!(watch.next().await.is_none(), "an error ends the watch");
    rejection.metadata.get(key).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_request_that_contradicts_itself_is_refused_with_its_fields() {
    let daemon = start().await;
    let client = daemon.client();
    let contradictions = [
        (
            v1::WatchRequest {
                after_revision: Some(1),
                ..snapshot_of("prod")
            },
            "after_revision",
        ),
        (
            v1::WatchRequest {
                snapshot_only: true,
                ..after(1, "")
            },
            "snapshot_only",
        ),
    ];
    for (request, field) in contradictions {
        let mut watch = client.watch(request);
        let error = soon("the refusal", watch.next()).await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(&Reason::InvalidField), "{error:?}");
        let fields = &error.rejection().unwrap().fields;
        assert_eq!(fields.len(), 1, "{fields:?}");
        assert_eq!(fields[0].field, field);
    }
    daemon.finish().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_is_refused_with_what_can() {
    let daemon = start().await;
    let client = daemon.client();
    let (last, store_id) = now(&client).await;
    let (reason, code) = (Reason::RevisionInFuture, tonic::Code::OutOfRange);
    for future in [last + 1_000_000, u64::MAX] {
        let told = refused(&client, after(future, &store_id), reason.clone(), code, "last_revision").await;
        assert!(told.parse::<u64>().unwrap() >= last, "{told}");
    }
    let (reason, code) = (Reason::StoreReplaced, tonic::Code::FailedPrecondition);
    assert_eq!(
        refused(&client, after(1, "another"), reason, code, "store_id").await,
        store_id
    );

    // The client keeps its users from asking so.
    let mut both = snapshot_of("prod");
    both.after_revision = Some(1);
    let alone = v1::WatchRequest {
        snapshot_only: true,
        ..Default::default()
    };
    let mut events = EventServiceClient::new(daemon.channel().await);
    for (wrong, field) in [(both, "after_revision"), (alone, "snapshot_only")] {
        let status = events.watch(wrong).await.map(drop).unwrap_err();
        let error = wsfc_client::Error::from_status("Watch", status);
        let fields = &error.rejection().unwrap().fields;
        assert_eq!(
            fields.iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(),
            [field]
        );
    }
    let unknown = |filter: WatchFilter| filtered(0, filter);
    for wrong in [
        unknown(WatchFilter {
            kinds: vec![99],
            ..Default::default()
        }),
        unknown(WatchFilter {
            kinds: vec![0],
            ..Default::default()
        }),
        unknown(WatchFilter {
            changes: vec![-1],
            ..Default::default()
        }),
        unknown(WatchFilter {
            names: vec![String::new()],
            ..Default::default()
        }),
    ] {
        let (reason, code) = (Reason::InvalidField, tonic::Code::InvalidArgument);
        refused(&client, wrong, reason, code, "").await;
    }
    daemon.finish().await;
}

#[tokio::test]
async fn what_is_compacted_away_is_refused_and_a_snapshot_takes_its_place() {
    let daemon = TestDaemon::builder(world::production())
        .observing()
        .settings(|settings| settings.journal.keep_events = 1_024)
        .start()
        .await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    let (first, store_id) = (follower.last(), follower.store_id().to_owned());
    let last = many_events(&daemon, &client, first, 3_000).await;
    let (reason, code) = (Reason::RevisionCompacted, tonic::Code::OutOfRange);
    let oldest = refused(
        &client,
        after(first, &store_id),
        reason.clone(),
        code,
        "oldest_revision",
    )
    .await;
    let oldest = oldest.parse::<u64>().unwrap();
    assert!(oldest > first && oldest <= last, "{first} < {oldest} <= {last}");
    // The oldest that is kept can be had, and the one before it cannot.
    let kept = up_to(&client, after(oldest - 1, &store_id), last).await;
    assert_eq!(revision(&kept[0]), oldest);
    assert!(kept.len() >= 1_024, "{} are kept", kept.len());
    refused(&client, after(oldest - 2, &store_id), reason, code, "oldest_revision").await;

    let mut watch = client.watch(after(first, &store_id)).resnapshot(true);
    let resync = soon("the resync", watch.next()).await.unwrap().unwrap();
    let WatchItem::Resync { error } = &resync else {
        panic!("{resync:?}");
    };
    assert_eq!(error.reason(), Some(&Reason::RevisionCompacted));
    let mut cache = Cache::new();
    while !cache.is_complete() {
        cache.apply(&soon("the snapshot", watch.next()).await.unwrap().unwrap());
    }
    let inventory = inventory(&client).await;
    assert_eq!(held(&cache), inventory.0);
    // Who followed all the time has missed nothing.
    assert_same(&mut follower, &inventory).await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_store_that_was_replaced_ends_a_watch_or_begins_it_anew() {
    let mut daemon = start().await;
    let wire = daemon.wire().await;
    let client = daemon.client_over(&wire);
    let mut ends = client.watch(snapshot_of("prod"));
    let mut begins_anew = client.watch(snapshot_of("prod")).resnapshot(true);
    for watch in [&mut ends, &mut begins_anew] {
        while !matches!(
            soon("the snapshot", watch.next()).await.unwrap().unwrap(),
            WatchItem::SnapshotComplete { .. }
        ) {}
    }
    let former = begins_anew.store_id().to_owned();
    daemon.stop().await;
    std::fs::remove_dir_all(daemon.data_dir()).unwrap();
    daemon.restart().await;
    wire.retarget(daemon.address());
    let error = loop {
        if let Err(error) = soon("the end", ends.next()).await.unwrap() {
            break error;
        }
    };
    assert_eq!(error.reason(), Some(&Reason::StoreReplaced), "{error:?}");
    let mut cache = Cache::new();
    let mut resyncs = 0;
    while !cache.is_complete() {
        let item = soon("the new snapshot", begins_anew.next()).await.unwrap().unwrap();
        resyncs += usize::from(matches!(item, WatchItem::Resync { .. }));
        cache.apply(&item);
    }
    assert_eq!(resyncs, 1);
    assert_ne!(begins_anew.store_id(), former);
    daemon.finish().await;
}

#[tokio::test]
async fn filters_let_pass_what_they_name() {
    let daemon = start().await;
    let client = daemon.client();
    let (begin, _) = now(&client).await;
    changes(&client, move_to("Files", "hv4")).await;
    let rename = v1::RenameGroupParameters {
        group: "DC1".into(),
        new_name: "Directory 1".into(),
        ..Default::default()
    };
    changes(&client, rename).await;
    changes(&client, move_to("Directory 1", "hv2")).await;
    daemon
        .simulation()
        .happen(&Incident::KillMachine { machine: "hv3".into() });
    let (last, _) = now(&client).await;
    let whole = up_to(&client, after(begin, ""), last).await;
    let whole: Vec<_> = whole.iter().filter_map(change).cloned().collect();
    let filtered_events = async |filter: WatchFilter| -> Vec<v1::ClusterEvent> {
        let events = up_to(&client, filtered(begin, filter), last).await;
        events.iter().filter_map(change).cloned().collect()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let those = |admits: &dyn Fn(&v1::ClusterEvent, &InventoryObject) -> bool| -> Vec<v1::ClusterEvent> {
        let fits = |event: &&v1::ClusterEvent| event.object.as_ref().is_some_and(|object| admits(event, object));
        let found: Vec<_> = whole.iter().filter(fits).cloned().collect();
        assert!(
            !found.is_empty() && found.len() < whole.len(),
            "the filter has something to do"
        );
        found
    };

    let kinds = [ObjectKind::Node, ObjectKind::Quorum];
    let filter = WatchFilter {
        kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
        ..Default::default()
    };
    let wanted = those(&|_, object| kinds.contains(&object::kind(object)));
    assert_eq!(filtered_events(filter).await, wanted);

    let filter = WatchFilter {
        changes: vec![ChangeType::Owner.into()],
        ..Default::default()
    };
    assert_eq!(
        filtered_events(filter).await,
        those(&|event, _| is(event, ChangeType::Owner))
    );

    // Under its new name, and under the former one only as long as that was its name.
    let filter = WatchFilter {
        kinds: vec![ObjectKind::Group.into()],
        names: names(&["DIRECTORY 1"]),
        ..Default::default()
    };
    let wanted = those(&|_, object| object::kind(object) == ObjectKind::Group && object::name(object) == "Directory 1");
    assert_eq!(filtered_events(filter).await, wanted);
    let filter = WatchFilter {
        kinds: vec![ObjectKind::Group.into()],
        names: names(&["dc1"]),
        ..Default::default()
    };
    let former = filtered_events(filter).await;
    assert_eq!(former.len(), 1, "{former:#?}");
    assert!(is(&former[0], ChangeType::Name));
    assert_eq!(
        (
            former[0].name_before.as_str(),
            former[0].object.as_ref().map(object::name)
        ),
        ("DC1", Some("Directory 1"))
    );

    let files = client
        .get_group(v1::GetGroupRequest {
            group: "Files".into(),
            ..Default::default()
        })
        .await
        .unwrap()
        .group
        .unwrap();
    let of_files = those(&|_, object| match &object.object {
        Some(v1::inventory_object::Object::Group(group)) => group.name == "Files",
        Some(v1::inventory_object::Object::Resource(resource)) => resource.group == "Files",
        _ => false,
    });
    for group in ["files", files.id.as_str()] {
        let filter = WatchFilter {
            groups: names(&[group]),
            ..Default::default()
        };
        assert_eq!(filtered_events(filter).await, of_files, "{group}");
    }
    // By the id alone.
    let filter = WatchFilter {
        names: vec![files.id.to_uppercase()],
        ..Default::default()
    };
    assert_eq!(
        filtered_events(filter).await,
        those(&|_, object| object::id(object) == files.id)
    );

    let filter = WatchFilter {
        nodes: names(&["HV2"]),
        ..Default::default()
    };
    let of_node = filtered_events(filter).await;
    let wanted = those(&|event, object| {
        let owner = match &object.object {
            Some(v1::inventory_object::Object::Group(group)) => &group.owner_node,
            Some(v1::inventory_object::Object::Resource(resource)) => &resource.owner_node,
            Some(v1::inventory_object::Object::Node(node)) => &node.name,
            Some(v1::inventory_object::Object::NetworkInterface(interface)) => &interface.node,
            Some(v1::inventory_object::Object::SharedVolume(volume)) => &volume.owner_node,
            _ => "",
        };
        owner == "hv2" || event.owner_before == "hv2"
    });
    assert_eq!(of_node, wanted);

    // All conditions must hold.
    let filter = WatchFilter {
        kinds: vec![ObjectKind::Group.into()],
        names: names(&["Files", "Directory 1"]),
        changes: vec![ChangeType::Owner.into()],
        nodes: names(&["hv4"]),
        ..Default::default()
    };
    let both = filtered_events(filter).await;
    assert!(!both.is_empty());
    assert!(
        both.iter()
            .all(|event| is(event, ChangeType::Owner) && event.object.as_ref().map(object::name) == Some("Files")),
        "{both:#?}"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn the_records_of_operations_come_among_the_events_in_order() {
    let daemon = start().await;
    let client = daemon.client();
    let (begin, _) = now(&client).await;
    let mut follower = Follower::of(
        &client,
        v1::WatchRequest {
            operations: true,
            cluster: "prod".into(),
            ..after(begin, "")
        },
    )
    .await;
    let records = changes(&client, move_to("Files", "hv4")).await;
    assert_eq!(outcome_of(&records).state(), v1::OperationState::Succeeded);
    let (last, _) = now(&client).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|event| revision(event) < last) {
        told.push(follower.event("the next event").await);
    }
    let among: Vec<_> = told.iter().filter_map(record).cloned().collect();
    assert_eq!(
        among, records,
        "each record once, and as the operation's own stream has it"
    );
    let owner = told
        .iter()
        .filter_map(change)
        .find(|change| is(change, ChangeType::Owner))
        .expect("the group moves");
    assert!(
        owner.revision > records[0].revision,
        "the move was accepted before the group moved"
    );
    // Without them the rest is the same.
    let without = up_to(&client, after(begin, ""), last).await;
    let events: Vec<_> = told.into_iter().filter(|event| change(event).is_some()).collect();
    assert_eq!(without, events);
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
async fn a_watcher_that_does_not_read_gets_everything_afterwards() {
    let daemon = TestDaemon::builder(world::production())
        .observing()
        .settings(|settings| settings.journal.memory_records = 256)
        .start()
        .await;
    let client = daemon.client();
    let mut lazy = Follower::of_cluster(&client, "prod").await;
    let begin = lazy.last();
    // More than memory keeps and the connection's buffers take.
    let last = many_events(&daemon, &client, begin, 2_000).await;
    let inventory = inventory(&client).await;
    assert_same(&mut lazy, &inventory).await;
    assert_eq!(lazy.losses, 0, "nobody is dropped for being slow");
    let mut seen = Vec::new();
    let mut again = Follower::of(&client, after(begin, "")).await;
    while again.last() < last {
        seen.push(revision(&again.event("the next event").await));
    }
    let all: Vec<_> = (begin + 1..=last).collect();
    assert_eq!(seen, all);
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

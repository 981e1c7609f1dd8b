//! Requests that cannot be met: contradictions, and places that are not to be had.

use wsfc_client::v1::event_service_client::EventServiceClient;
use wsfc_client::v1::{self, WatchFilter};
use wsfc_client::{Cache, Client, Error, Reason, WatchItem};
use wsfc_tests::records::soon;
use wsfc_tests::watching::{Follower, after, filtered, revision, snapshot_of};
use wsfc_tests::{TestDaemon, world};

use super::{assert_same, held, inventory, many_events, now, start, try_up_to};

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
    // The oldest that is kept can be had, and the one before it cannot. Compaction comes behind the events, and may take
    // what was the oldest a moment ago.
    let (oldest, kept) = loop {
        let asked = after(first, &store_id);
        let oldest = refused(&client, asked, reason.clone(), code, "oldest_revision").await;
        let oldest = oldest.parse::<u64>().unwrap();
        assert!(oldest > first && oldest <= last, "{first} < {oldest} <= {last}");
        match try_up_to(&client, after(oldest - 1, &store_id), last).await {
            Ok(kept) => break (oldest, kept),
            Err(Error::Rejected { rejection, .. }) if rejection.reason == reason => {}
            Err(error) => panic!("{error:?}"),
        }
    };
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
    // What the nodes set going may still go on behind the snapshot.
    let inventory = soon("the state of the inventory", async {
        loop {
            let inventory = inventory(&client).await;
            if held(&cache) == inventory.0 {
                return inventory;
            }
            cache.apply(&watch.next().await.unwrap().unwrap());
        }
    })
    .await;
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

//! What a watch begins with and goes on after: snapshots, marks, cut wires.

use std::collections::BTreeSet;

use wsfc_client::v1::event_service_client::EventServiceClient;
use wsfc_client::v1::{self, ObjectKind, WatchFilter};
use wsfc_tests::records::soon;
use wsfc_tests::verbs::{changes, run};
use wsfc_tests::watching::{Follower, after, filtered, revision};
use wsfc_tests::{TestDaemon, world};

use super::{assert_same, inventory, many_events, move_to, now, revisions, some_events, start, up_to};

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
        let rest = up_to(&client, request, last).await;
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
    // The last messages may hold what has come since.
    told.retain(|event| revision(event) <= last);
    marks.retain(|(mark, _)| *mark <= last);
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

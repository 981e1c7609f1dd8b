//! What a watch makes of the same misfortunes: nothing is lost, nothing comes twice, half a snapshot is none.

use std::time::Duration;

use tonic::{Code, Status};
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{
    self, ChangeType, ClusterEvent, Event, Group, GroupState, InventoryObject, WatchMark, WatchRequest,
};
use wsfc_client::{Cache, ConnectOptions, Error, Reason, Watch, WatchItem, object};

use crate::daemon::Step::{self, Cut, Events, Fail, Silence};
use crate::daemon::{Daemon, STORE};
use crate::rejecting::rejection;

fn options() -> ConnectOptions {
    ConnectOptions::new(["http://one:1"])
}

fn group(name: &str, state: GroupState) -> InventoryObject {
    InventoryObject {
        cluster_id: "c1".to_owned(),
        object: Some(Object::Group(Group {
            name: name.to_owned(),
            id: format!("id-{name}"),
            state: state.into(),
            ..Default::default()
        })),
    }
}

fn mark(store: &str, revision: u64, snapshot_complete: bool) -> Option<WatchMark> {
    Some(WatchMark {
        store_id: store.to_owned(),
        revision,
        snapshot_complete,
    })
}

fn change(revision: u64, kind: ChangeType, object: InventoryObject) -> Event {
    Event {
        event: Some(v1::event::Event::Cluster(ClusterEvent {
            revision,
            changes: vec![kind.into()],
            object: Some(object),
            ..Default::default()
        })),
    }
}

/// A message with state changes of these revisions, and the mark of the last one.
fn events(revisions: &[u64]) -> Step {
    events_of_store(STORE, revisions)
}

fn events_of_store(store: &str, revisions: &[u64]) -> Step {
    let change = |revision: &u64| change(*revision, ChangeType::State, group("SQL", GroupState::Online));
    Events(v1::WatchResponse {
        events: revisions.iter().map(change).collect(),
        mark: mark(store, *revisions.last().unwrap(), false),
        ..Default::default()
    })
}

fn only_mark(store: &str, revision: u64) -> Step {
    Events(v1::WatchResponse {
        mark: mark(store, revision, false),
        ..Default::default()
    })
}

fn objects(names: &[&str]) -> Step {
    Events(v1::WatchResponse {
        snapshot: names.iter().map(|name| group(name, GroupState::Offline)).collect(),
        ..Default::default()
    })
}

fn complete(store: &str, revision: u64) -> Step {
    Events(v1::WatchResponse {
        mark: mark(store, revision, true),
        ..Default::default()
    })
}

/// The first `count` things that a watch tells, in short: names of objects, `=` for a complete snapshot, numbers for
/// events, `.` for marks, `~` for a lost connection, `>` for a resumption, `!` for a new beginning.
async fn told(watch: &mut Watch, count: usize) -> (String, Option<Error>) {
    let mut told = Vec::new();
    for _ in 0..count {
        let next = tokio::time::timeout(Duration::from_secs(3600), watch.next()).await;
        match next.unwrap() {
            Some(Ok(item)) => told.push(short(&item)),
            Some(Err(error)) => return (told.join(" "), Some(error)),
            None => {
                told.push("end".to_owned());
                break;
            }
        }
    }
    (told.join(" "), None)
}

fn short(item: &WatchItem) -> String {
    match item {
        WatchItem::Snapshot(object) => object::name(object).to_owned(),
        WatchItem::SnapshotComplete { revision } => format!("={revision}"),
        WatchItem::Event(event) => match &event.event {
            Some(v1::event::Event::Cluster(change)) => change.revision.to_string(),
            other => format!("{other:?}"),
        },
        WatchItem::Mark { revision } => format!(".{revision}"),
        WatchItem::Reconnecting { attempt, .. } => format!("~{attempt}"),
        WatchItem::Resumed { after_revision } => format!(">{after_revision}"),
        WatchItem::Resync { error } => format!("!{}", error.reason().map_or("store", Reason::name)),
    }
}

fn asked(daemon: &Daemon) -> Vec<(bool, Option<u64>, String)> {
    let asked = daemon.seen().events.lock().unwrap();
    asked
        .iter()
        .map(|request| (request.snapshot, request.after_revision, request.store_id.clone()))
        .collect()
}

fn with_snapshot() -> WatchRequest {
    WatchRequest {
        snapshot: true,
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_after_the_last_event_without_gap_and_without_repeat() {
    let daemon = Daemon::default()
        .events(vec![
            only_mark(STORE, 40),
            objects(&["A", "B"]),
            complete(STORE, 40),
            events(&[42, 45]),
            Cut,
        ])
        .events(vec![
            only_mark(STORE, 45),
            events(&[45, 46]),
            Fail(rejection(Code::Unavailable, "SHUTTING_DOWN")),
        ])
        .events(vec![Fail(Status::unknown("truncated by a proxy"))])
        .events(vec![events(&[47])]);
    let mut watch = daemon.client(options()).watch(with_snapshot());
    let (said, _) = told(&mut watch, 17).await;
    assert_eq!(said, "A B =40 42 45 .45 ~1 >45 .45 46 .46 ~1 ~2 >46 47 .47 ~1");
    assert_eq!((watch.revision(), watch.store_id()), (Some(47), STORE));
    let expected = [
        (true, None, String::new()),
        (false, Some(45), STORE.to_owned()),
        (false, Some(46), STORE.to_owned()),
        (false, Some(46), STORE.to_owned()),
    ];
    assert_eq!(asked(&daemon), expected);
}

#[tokio::test(start_paused = true)]
async fn half_a_snapshot_is_none() {
    let daemon = Daemon::default()
        .events(vec![only_mark(STORE, 40), objects(&["A", "Gone"]), Cut])
        .events(vec![
            only_mark("store-2", 3),
            objects(&["A"]),
            objects(&["B"]),
            complete("store-2", 3),
        ]);
    let mut watch = daemon.client(options()).watch(with_snapshot());
    // Nothing of the first snapshot was told, so another store in between is no matter.
    assert_eq!(told(&mut watch, 5).await.0, "~1 >0 A B =3");
    assert_eq!((watch.revision(), watch.store_id()), (Some(3), "store-2"));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_alone_ends() {
    let daemon = Daemon::default().events(vec![objects(&["A"]), complete(STORE, 9)]);
    let request = WatchRequest {
        snapshot_only: true,
        ..with_snapshot()
    };
    assert_eq!(
        told(&mut daemon.client(options()).watch(request), 9).await.0,
        "A =9 end"
    );
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_gone_is_an_error_or_a_new_beginning() {
    for (code, reason) in [
        (Code::OutOfRange, "REVISION_COMPACTED"),
        (Code::OutOfRange, "REVISION_IN_FUTURE"),
        (Code::FailedPrecondition, "STORE_REPLACED"),
    ] {
        let request = WatchRequest {
            after_revision: Some(7),
            store_id: STORE.to_owned(),
            ..Default::default()
        };
        let daemon = || {
            Daemon::default()
                .events(vec![Fail(rejection(code, reason))])
                .events(vec![objects(&["A"]), complete("store-2", 3), Silence])
        };
        let strict = daemon();
        let (said, error) = told(&mut strict.client(options()).watch(request.clone()), 9).await;
        assert_eq!((said.as_str(), error.unwrap().reason().unwrap().name()), ("", reason));

        let lenient = daemon();
        let mut watch = lenient.client(options()).watch(request).resnapshot(true);
        assert_eq!(told(&mut watch, 3).await.0, format!("!{reason} A =3"));
        let expected = [(false, Some(7), STORE.to_owned()), (true, None, String::new())];
        assert_eq!(asked(&lenient), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_another_store_are_not_mixed_in() {
    let script = || Daemon::default().events(vec![only_mark(STORE, 40), only_mark("store-2", 41)]);
    let daemon = script();
    let (said, error) = told(&mut daemon.client(options()).watch(WatchRequest::default()), 9).await;
    assert_eq!(said, ".40");
    assert!(matches!(error, Some(Error::WatchStoreChanged { .. })));
    let daemon = script().events(vec![complete("store-2", 41)]);
    let mut watch = daemon.client(options()).watch(WatchRequest::default()).resnapshot(true);
    assert_eq!(told(&mut watch, 3).await.0, ".40 !store =41");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_request_is_not_repeated() {
    let daemon = Daemon::default().events(vec![Fail(rejection(Code::InvalidArgument, "INVALID_FIELD"))]);
    let mut watch = daemon.client(options()).watch(with_snapshot()).resnapshot(true);
    let (said, error) = told(&mut watch, 9).await;
    assert_eq!(
        (said.as_str(), error.unwrap().reason()),
        ("", Some(&Reason::InvalidField))
    );
    assert!(watch.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_contradicts_itself_is_asked_as_it_is() {
    let contradictions = [
        WatchRequest {
            after_revision: Some(7),
            ..with_snapshot()
        },
        WatchRequest {
            after_revision: Some(7),
            store_id: STORE.to_owned(),
            snapshot_only: true,
            ..with_snapshot()
        },
        WatchRequest {
            snapshot_only: true,
            ..Default::default()
        },
        WatchRequest {
            snapshot_only: true,
            after_revision: Some(7),
            ..Default::default()
        },
    ];
    for request in contradictions {
        let refusal = || vec![Fail(rejection(Code::InvalidArgument, "INVALID_FIELD"))];
        // Also when the first attempt gets no answer.
        let daemon = Daemon::default().events(vec![Cut]).events(refusal());
        let mut watch = daemon.client(options()).watch(request.clone()).resnapshot(true);
        let (said, error) = told(&mut watch, 9).await;
        assert_eq!(
            (said.as_str(), error.unwrap().reason()),
            ("~1", Some(&Reason::InvalidField))
        );
        let asked = daemon.seen().events.lock().unwrap();
        assert_eq!(*asked, [request.clone(), request]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_daemon_is_left_and_a_cache_is_none_the_wiser() {
    let daemon = Daemon::default()
        .events(vec![objects(&["A", "B"]), complete(STORE, 3), Silence])
        .events(vec![
            Events(v1::WatchResponse {
                events: vec![
                    change(4, ChangeType::Removed, group("B", GroupState::Offline)),
                    change(5, ChangeType::State, group("A", GroupState::Online)),
                ],
                mark: mark(STORE, 5, false),
                ..Default::default()
            }),
            Silence,
        ]);
    let mut watch = daemon.client(options()).watch(with_snapshot());
    let mut cache = Cache::new();
    while cache.revision() < 5 {
        cache.apply(&watch.next().await.unwrap().unwrap());
    }
    let held: Vec<_> = cache.objects().cloned().collect();
    assert_eq!(held, [group("A", GroupState::Online)]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_an_object_ends_when_it_is_as_wished() {
    let steps = || {
        vec![
            objects(&["SQL"]),
            complete(STORE, 3),
            events(&[4]),
            Events(v1::WatchResponse {
                events: vec![change(5, ChangeType::Removed, group("SQL", GroupState::Online))],
                mark: mark(STORE, 5, false),
                ..Default::default()
            }),
            Silence,
        ]
    };
    let daemon = Daemon::default().events(steps()).events(steps());
    let client = daemon.client(options());
    let online = |object: Option<&InventoryObject>| object == Some(&group("SQL", GroupState::Online));
    let patience = Duration::from_secs(60);
    let found = client.wait_for("CL1", v1::ObjectKind::Group, "sql", online, patience);
    assert_eq!(found.await.unwrap(), Some(group("SQL", GroupState::Online)));
    let gone = client.wait_for("CL1", v1::ObjectKind::Group, "sql", |object| object.is_none(), patience);
    assert_eq!(gone.await.unwrap(), None);
    let asked = daemon.seen().events.lock().unwrap()[0].filter.clone().unwrap();
    assert_eq!(asked.names, ["sql"]);

    let began = tokio::time::Instant::now();
    let never = client.wait_for("CL1", v1::ObjectKind::Group, "sql", |_| false, patience);
    assert!(matches!(never.await, Err(Error::TimedOut { .. })));
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn statuses_resume_as_events_do_and_an_older_daemon_ends_them() {
    let daemon = Daemon::default()
        .statuses(vec![only_mark(STORE, 40), events(&[42]), Cut])
        .statuses(vec![Fail(rejection(Code::OutOfRange, "REVISION_COMPACTED"))])
        .statuses(vec![only_mark("store-2", 3), events_of_store("store-2", &[4]), Silence]);
    let request = v1::WatchStatusRequest {
        cluster: "CL1".to_owned(),
        resources: vec!["web".to_owned()],
        ..Default::default()
    };
    let mut watch = daemon.client(options()).watch_status(request.clone()).resnapshot(true);
    // Statuses have no snapshot to begin anew with.
    assert_eq!(told(&mut watch, 7).await.0, ".40 42 .42 ~1 !REVISION_COMPACTED .3 4");
    let asked = daemon.seen().statuses.lock().unwrap().clone();
    assert!(
        asked
            .iter()
            .all(|asked| asked.resources == ["web"] && asked.cluster == "CL1")
    );
    let places: Vec<_> = asked
        .iter()
        .map(|asked| (asked.after_revision, asked.store_id.as_str()))
        .collect();
    assert_eq!(places, [(None, ""), (Some(42), STORE), (None, "")]);

    let older = Daemon::default();
    let (said, error) = told(&mut older.client(options()).watch_status(request), 9).await;
    let rejection = error.unwrap();
    assert_eq!(
        (said.as_str(), rejection.rejection().unwrap().code),
        ("", Code::Unimplemented)
    );
}

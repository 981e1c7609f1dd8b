//! What the client makes of lost answers, broken connections and daemons that break their word.
//!
//! Time is tokio's and paused, so that pauses and limits cost no time and cannot race.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, also in what tests share"
)]

mod daemon;
mod rejecting;
mod watching;

use std::time::Duration;

use tonic::{Code, Status};
use wsfc_client::{ConnectOptions, Error, Reason, v1};

use daemon::Step::{Cut, Fail, Mark, Records, Refuse, Silence, Validation};
use daemon::{Daemon, OPERATION, STORE, collected, outcome, told};
use rejecting::rejection;

fn options() -> ConnectOptions {
    ConnectOptions::new(["http://one:1"])
}

fn create() -> v1::CreateClusterRequest {
    let cluster = v1::CreateClusterParameters {
        cluster: "CL1".to_owned(),
        ..Default::default()
    };
    v1::CreateClusterRequest {
        cluster: Some(cluster),
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_is_followed_over_the_stream_that_it_opened() {
    let daemon = Daemon::default().start(vec![
        Mark(0, STORE),
        Records {
            from: 1,
            to: 3,
            ends: false,
        },
        Mark(3, STORE),
        Records {
            from: 4,
            to: 5,
            ends: true,
        },
    ]);
    let operation = daemon.client(options()).create_cluster(create()).await.unwrap();
    assert_eq!(operation.id(), OPERATION);
    let mut progress = operation.progress();
    assert_eq!(told(&mut progress).await.0, "1 2 3 4 5");
    assert_eq!((progress.sequence(), progress.store_id()), (5, STORE));
    assert!(daemon.seen().watches.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_lost_is_repeated_with_the_same_request_id() {
    let daemon = Daemon::default()
        .start(vec![Cut])
        .start(vec![Fail(rejection(Code::Unavailable, "SHUTTING_DOWN"))])
        .start(vec![Mark(0, STORE), Silence]);
    let operation = daemon.client(options()).create_cluster(create()).await.unwrap();
    assert_eq!(operation.detach(), OPERATION);
    let starts = daemon.seen().starts.lock().unwrap();
    let ids: Vec<_> = starts
        .iter()
        .map(|start| start.options.as_ref().unwrap().request_id.clone())
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(!ids[0].is_empty());
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_start_is_not_repeated() {
    let daemon = Daemon::default().start(vec![Fail(rejection(Code::AlreadyExists, "REQUEST_ID_REUSED"))]);
    let error = daemon.client(options()).create_cluster(create()).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::RequestIdReused));
    assert_eq!(daemon.seen().starts.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn validation_starts_nothing_and_a_start_does_not_only_validate() {
    let report = v1::ValidationReport {
        warnings: vec!["long".to_owned()],
        native_check: None,
    };
    let daemon = Daemon::default().start(vec![Validation(report.clone())]);
    let client = daemon.client(options());
    assert_eq!(client.validate(create()).await.unwrap(), report);
    assert!(
        daemon.seen().starts.lock().unwrap()[0]
            .options
            .as_ref()
            .unwrap()
            .validate_only
    );
    let options = v1::StartOptions {
        validate_only: true,
        ..Default::default()
    };
    let refused = client
        .start(v1::CreateClusterRequest {
            options: Some(options),
            ..create()
        })
        .await;
    assert!(matches!(
        refused,
        Err(Error::Invalid {
            field: "options.validate_only",
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_resumes_after_the_last_record_without_gap_and_without_repeat() {
    let daemon = Daemon::default()
        .start(vec![
            Mark(0, STORE),
            Records {
                from: 1,
                to: 3,
                ends: false,
            },
            Cut,
        ])
        .watch(vec![
            Mark(3, STORE),
            Records {
                from: 2,
                to: 4,
                ends: false,
            },
            Cut,
        ])
        .watch(vec![
            Mark(4, STORE),
            Records {
                from: 5,
                to: 6,
                ends: true,
            },
        ]);
    let operation = daemon.client(options()).create_cluster(create()).await.unwrap();
    assert_eq!(told(&mut operation.progress()).await.0, "1 2 3 ~1 >3 4 ~1 >4 5 6");
    let watches = daemon.seen().watches.lock().unwrap();
    let asked: Vec<_> = watches
        .iter()
        .map(|watch| (watch.after_sequence, watch.store_id.as_str()))
        .collect();
    assert_eq!(asked, [(3, STORE), (4, STORE)]);
}

#[tokio::test(start_paused = true)]
async fn whatever_passes_by_itself_is_outlasted_with_growing_pauses() {
    let daemon = Daemon::default()
        .watch(vec![
            Mark(0, STORE),
            Records {
                from: 1,
                to: 1,
                ends: false,
            },
        ])
        .watch(vec![Fail(rejection(Code::Unavailable, "SHUTTING_DOWN"))])
        .watch(vec![Fail(Status::unknown("truncated by a proxy"))])
        .watch(vec![Mark(1, STORE), Silence])
        .watch(vec![
            Mark(1, STORE),
            Records {
                from: 2,
                to: 2,
                ends: true,
            },
        ]);
    let operation = daemon.client(options()).operation(OPERATION);
    // A stream that ends early, a stopping daemon, a broken answer, and silence: each is one more attempt.
    assert_eq!(told(&mut operation.progress()).await.0, "1 ~1 ~2 ~3 >1 ~4 >1 2");
}

#[tokio::test(start_paused = true)]
async fn final_errors_end_the_stream() {
    for (code, reason) in [
        (Code::NotFound, "OPERATION_NOT_FOUND"),
        (Code::FailedPrecondition, "STORE_REPLACED"),
        (Code::OutOfRange, "COMPACTED"),
        (Code::OutOfRange, "SEQUENCE_IN_FUTURE"),
    ] {
        let daemon = Daemon::default().watch(vec![Fail(rejection(code, reason))]);
        let operation = daemon.client(options()).operation(OPERATION);
        let mut progress = operation.progress_after(7, STORE);
        let (told, error) = told(&mut progress).await;
        assert_eq!((told.as_str(), error.unwrap().reason().unwrap().name()), ("", reason));
        assert!(progress.next().await.is_none());
        assert_eq!(daemon.seen().watches.lock().unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_breaks_its_word_is_not_believed() {
    let gap = Daemon::default().watch(vec![
        Records {
            from: 1,
            to: 2,
            ends: false,
        },
        Records {
            from: 4,
            to: 4,
            ends: true,
        },
    ]);
    let (said, error) = told(&mut gap.client(options()).operation(OPERATION).progress()).await;
    assert_eq!(said, "1 2");
    assert!(matches!(
        error,
        Some(Error::Gap {
            expected: 3,
            received: 4,
            ..
        })
    ));

    let other = Daemon::default()
        .watch(vec![
            Mark(0, STORE),
            Records {
                from: 1,
                to: 1,
                ends: false,
            },
            Cut,
        ])
        .watch(vec![
            Mark(1, "store-2"),
            Records {
                from: 2,
                to: 2,
                ends: true,
            },
        ]);
    let (said, error) = told(&mut other.client(options()).operation(OPERATION).progress()).await;
    assert_eq!(said, "1 ~1 >1");
    assert!(matches!(error, Some(Error::StoreChanged { .. })));
}

#[tokio::test(start_paused = true)]
async fn patience_ends_when_it_is_limited() {
    let daemon = Daemon::default().refusing("one");
    let mut options = options();
    options.follow_timeout = Some(Duration::from_secs(60));
    options.request_timeout = Duration::from_secs(20);
    let client = daemon.client(options);
    let began = tokio::time::Instant::now();
    let (_, error) = told(&mut client.operation(OPERATION).progress()).await;
    assert!(matches!(error, Some(Error::Connect { failures }) if failures.len() == 1));
    assert!(began.elapsed() >= Duration::from_secs(60) && began.elapsed() < Duration::from_secs(80));

    let began = tokio::time::Instant::now();
    let error = client.list_clusters().await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { last: Some(last), .. } if matches!(**last, Error::Connect { .. })));
    assert_eq!(began.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_tried_in_turn_and_the_one_that_works_is_kept() {
    let daemon = Daemon::default()
        .refusing("one")
        .watch(vec![
            Mark(0, STORE),
            Records {
                from: 1,
                to: 1,
                ends: false,
            },
            Cut,
        ])
        .watch(vec![
            Mark(1, STORE),
            Records {
                from: 2,
                to: 2,
                ends: true,
            },
        ]);
    let client = daemon.client(ConnectOptions::new(["http://one:1", "http://two:1"]));
    assert_eq!(told(&mut client.operation(OPERATION).progress()).await.0, "1 ~1 >1 2");
    assert_eq!(*daemon.seen().dials.lock().unwrap(), ["one", "two", "two"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_left_for_the_next() {
    let first = Records {
        from: 1,
        to: 1,
        ends: false,
    };
    let second = Records {
        from: 2,
        to: 2,
        ends: true,
    };
    let daemon = Daemon::default()
        .watch(vec![Mark(0, STORE), first, Refuse("one"), Cut])
        .watch(vec![Mark(1, STORE), second]);
    let client = daemon.client(ConnectOptions::new(["http://one:1", "http://two:1"]));
    assert_eq!(told(&mut client.operation(OPERATION).progress()).await.0, "1 ~1 >1 2");
    assert_eq!(*daemon.seen().dials.lock().unwrap(), ["one", "one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_goes_on_until_the_operation_has_ended() {
    let running = v1::Operation {
        state: v1::OperationState::Running.into(),
        ..Default::default()
    };
    let newer = v1::Operation {
        state: 77,
        ..Default::default()
    };
    let ended = v1::Operation {
        state: v1::OperationState::Succeeded.into(),
        outcome: Some(outcome()),
        ..Default::default()
    };
    let daemon = Daemon::default().wait(running).wait(newer).wait(ended);
    assert_eq!(
        daemon.client(options()).operation(OPERATION).wait().await.unwrap(),
        outcome()
    );
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_listed_in_order_and_the_first_error_ends_them() {
    let page = |ids: &[&str], next: &str| v1::ListOperationsResponse {
        operations: ids
            .iter()
            .map(|id| v1::Operation {
                operation_id: (*id).to_owned(),
                ..Default::default()
            })
            .collect(),
        next_page_token: next.to_owned(),
        ..Default::default()
    };
    let daemon = Daemon::default()
        .page(page(&["a", "b"], "t1"))
        .page(page(&[], "t2"))
        .page(page(&["c"], ""));
    let client = daemon.client(options());
    let request = v1::ListOperationsRequest {
        cluster: "CL1".to_owned(),
        ..Default::default()
    };
    let all = collected(client.all_operations(request.clone())).await.unwrap();
    assert_eq!(
        all.iter()
            .map(|operation| operation.operation_id.as_str())
            .collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    let asked: Vec<_> = daemon
        .seen()
        .lists
        .lock()
        .unwrap()
        .iter()
        .map(|list| list.page_token.clone())
        .collect();
    assert_eq!(asked, ["", "t1", "t2"]);
    assert!(
        daemon
            .seen()
            .lists
            .lock()
            .unwrap()
            .iter()
            .all(|list| list.cluster == "CL1")
    );
    let error = collected(client.all_operations(request)).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::PageTokenInvalid));
}

#[tokio::test(start_paused = true)]
async fn a_password_is_not_said_to_whoever_has_a_plain_port() {
    let mut with_password = create();
    with_password.credentials = Some(v1::Credentials {
        user_name: "anna".to_owned(),
        password: "hunter2".to_owned(),
        domain: "CORP".to_owned(),
    });
    let daemon = Daemon::default().start(vec![Mark(0, STORE)]);
    let client = daemon.client(options());
    for refused in [
        client.create_cluster(with_password.clone()).await.map(drop),
        client.validate(with_password.clone()).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, Error::SecretInPlain { field: "credentials", endpoint, .. } if endpoint == "http://one:1"),
            "{error:?}"
        );
        assert!(!error.is_retryable());
    }
    assert!(daemon.seen().dials.lock().unwrap().is_empty(), "nothing is sent");
    // Who says so gets it, and what holds no secret goes anyway.
    let daring = ConnectOptions {
        secrets_in_plain: true,
        ..options()
    };
    daemon.client(daring).create_cluster(with_password).await.unwrap();
    let daemon = Daemon::default().start(vec![Mark(0, STORE)]);
    daemon.client(options()).create_cluster(create()).await.unwrap();
}

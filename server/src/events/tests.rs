//! Each event against its message, and each message against the table for administrators.

use super::*;

fn operation(state: OperationState, partial: bool) -> v1::Operation {
    v1::Operation {
        operation_id: "id".into(),
        kind: v1::OperationKind::CreateCluster.into(),
        state: state.into(),
        cluster: "CL1".into(),
        target: "n1".into(),
        principal: "local".into(),
        outcome: Some(v1::OperationOutcome {
            partial,
            reason: "REASON".into(),
            message: "In words.".into(),
            ..v1::OperationOutcome::default()
        }),
        ..v1::Operation::default()
    }
}

/// One event for each message.
fn every_event() -> Vec<Event> {
    let address = SocketAddr::from(([10, 0, 0, 1], 7443));
    let error = || String::from("step: cause");
    let ended = |state, partial| Event::ended(&operation(state, partial));
    vec![
        Event::Started { address },
        Event::Stopped,
        Event::StartFailed { error: error() },
        Event::EndedEarly { error: error() },
        Event::LeftRunning {
            operations: vec!["one".into(), "two".into()],
        },
        Event::OpenToAnybody { address },
        Event::LogFilesMissing { error: error() },
        Event::begun(&operation(OperationState::Running, false)),
        ended(OperationState::Succeeded, false),
        ended(OperationState::Succeeded, true),
        ended(OperationState::Failed, false),
        ended(OperationState::Interrupted, false),
        ended(OperationState::Cancelled, false),
        Event::JournalRecovered {
            interrupted: 2,
            pending: 1,
        },
        Event::JournalQuarantined {
            path: "aside".into(),
            cause: "torn".into(),
        },
        Event::JournalFailed { error: error() },
        Event::JournalMissing { trace: "made".into() },
        Event::SettingsReloaded {
            changed: vec!["log.filter".into()],
            at_next_start: Vec::new(),
        },
        Event::ReloadRefused { error: error() },
        Event::ClientRefused {
            count: 3,
            address,
            error: error(),
        },
        Event::CertificateExpires {
            what: "tls.certificate",
            at: "2026-01-01T00:00:00Z".into(),
            days: 7,
        },
        Event::CertificateExpired {
            what: "tls.certificate",
            at: "2026-01-01T00:00:00Z".into(),
        },
        Event::CertificatesReloaded,
        Event::CertificatesRefused { error: error() },
        Event::CallsRefused {
            count: 4,
            principal: "eve".into(),
            place: "10.0.0.1:50000".into(),
            method: "/wsfc.v1.GroupService/MoveGroup".into(),
            reason: "PERMISSION_MISSING".into(),
        },
        Event::AuditUnavailable { cause: error() },
        Event::AuditRecovered { refused: 2, lost: 0 },
        Event::AuditChanged { what: error() },
        Event::AuditAnchor {
            sequence: 17,
            hash: "0".repeat(64),
        },
        Event::CallMade(Box::new(CallFacts {
            principal: "anna".into(),
            method: "/wsfc.v1.IdentityService/BindRole".into(),
            objects: vec!["eve".into()],
            place: "10.0.0.1:50000".into(),
            answer: "OK".into(),
            intent: 18,
        })),
    ]
}

#[test]
fn every_message_has_its_event_and_every_placeholder_its_string() {
    let events = every_event();
    let messages: Vec<_> = events.iter().map(Event::message).collect();
    assert_eq!(messages, MESSAGES.iter().collect::<Vec<_>>());
    for event in &events {
        let (text, insertions) = (event.message().text, event.insertions());
        let highest = (1..=9)
            .rev()
            .find(|number| text.contains(&format!("%{number}")))
            .unwrap_or(0);
        assert!(highest <= insertions.len(), "{event:?}");
        assert!(!event.text().contains('%'), "{}", event.text());
    }
    assert!(MESSAGES.is_sorted_by(|one, other| one.id < other.id));
    assert!(MESSAGES.iter().all(|message| (100..700).contains(&message.id)));
}

#[test]
fn the_table_for_administrators_has_every_event() {
    let page = include_str!("../../../WINDOWS.md");
    let rows: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("| event | severity | text |"))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .collect();
    let expected: Vec<String> = MESSAGES
        .iter()
        .map(|message| {
            let severity = format!("{:?}", message.severity).to_lowercase();
            format!("| {} | {severity} | {} |", message.id, message.text)
        })
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn an_event_reads_as_a_sentence() {
    let failed = Event::ended(&operation(OperationState::Failed, false));
    assert_eq!(
        failed.text(),
        "Operation id has failed (REASON): CREATE_CLUSTER, cluster CL1, target n1, asked for by local. In words."
    );
    assert_eq!(failed.message().identifier(), 0xC000_00CB);
}

#[test]
fn a_viewer_finds_no_insertion_in_an_insertion_and_no_string_is_endless() {
    let event = Event::StartFailed {
        error: format!("[fe80::1%2]:7443\r\n100%% {}", "x".repeat(40_000)),
    };
    let [string] = event.insertions().try_into().unwrap();
    assert!(string.starts_with("[fe80::1% 2]:7443  100% % xxx"), "{string}");
    assert_eq!(string.chars().count(), LONGEST_INSERTION + 4);
}

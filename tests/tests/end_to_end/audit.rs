//! The audit log: what changes something is in it before it is carried out, and what is refused is in it, too.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use wsfc_audit::{Entry, Fault, Kind, Lines, Report, Verifier, files};
use wsfc_client::v1::workload_service_client::WorkloadServiceClient;
use wsfc_client::{Client, Reason, v1};
use wsfc_proto::methods;
use wsfc_proto::reasons::{AUDIT_UNAVAILABLE, PERMISSION_MISSING};
use wsfc_proto::v1::Permission;
use wsfc_tests::raw::call;
use wsfc_tests::records::{assert_succeeded, soon, to_the_end};
use wsfc_tests::{TestDaemon, request, world};
use wsfcd::access::policy::{Binding, OPERATOR, VIEWER};

fn dir(daemon: &TestDaemon) -> PathBuf {
    daemon.data_dir().join("audit")
}

/// What the log comes to, and its entries.
fn read(daemon: &TestDaemon) -> (Report, Vec<Entry>) {
    let mut verifier = Verifier::new(&[]);
    let mut entries = Vec::new();
    for file in files(&dir(daemon)).unwrap() {
        let lines = Lines::of_file(&file.path).unwrap();
        verifier
            .file(&file.name(), lines, |sealed| entries.push(sealed.entry.clone()))
            .unwrap();
    }
    (verifier.finish(), entries)
}

/// The entries of a log that is as it was written.
fn entries(daemon: &TestDaemon) -> Vec<Entry> {
    let (report, entries) = read(daemon);
    assert!(report.is_sound(), "{report:?}");
    entries
}

fn binding(name: &str, role: &str) -> Binding {
    Binding {
        subject: format!("dns:{name}"),
        role: role.into(),
        clusters: None,
    }
}

fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

/// Whether a call of a method is written down before a handler has it. What anybody may call is, once its handler has found
/// that it is in order.
fn is_written_down(method: &methods::Method) -> bool {
    method.changes && method.permission != Permission::Public
}

#[tokio::test]
async fn every_method_that_changes_something_is_written_down_and_no_other() {
    // Streams that have nothing to tell say so soon.
    let mut daemon = TestDaemon::builder(world::machines(1))
        .settings(|settings| settings.limits.mark_every = Duration::from_millis(10))
        .start()
        .await;
    let channel = daemon.channel().await;
    let mut changing = 0;
    for method in methods::ALL {
        if method.uploads {
            continue;
        }
        // Every handler refuses an empty request, or has nothing to do.
        let _answered = call(&channel, method.path, Bytes::new()).await;
        changing += usize::from(is_written_down(method));
    }
    assert!(changing > 80, "{changing} methods");
    daemon.stop().await;
    let entries = entries(&daemon);
    for method in methods::ALL.iter().filter(|method| !method.uploads) {
        let of = |entry: &&Entry| entry.call.as_ref().is_some_and(|call| call.method == method.path);
        let intents: Vec<&Entry> = entries
            .iter()
            .filter(of)
            .filter(|entry| entry.kind == Kind::Intent)
            .collect();
        assert_eq!(intents.len(), usize::from(is_written_down(method)), "{}", method.path);
        let Some(intent) = intents.first() else { continue };
        let asked = intent.call.as_ref().unwrap();
        assert_eq!(asked.permission, method.permission.name(), "{}", method.path);
        assert_eq!(asked.payload_sha256.len(), 64, "{}", method.path);
        let outcomes = entries.iter().filter(|entry| entry.intent == Some(intent.sequence));
        assert_eq!(outcomes.count(), 1, "{}", method.path);
    }
    daemon.finish().await;
}

#[tokio::test]
async fn an_entry_says_who_asked_from_where_for_what_and_what_came_of_it() {
    let mut daemon = TestDaemon::builder(world::machines(2))
        .settings(|settings| {
            settings.access.bindings.push(binding("operator.test", OPERATOR));
            settings.access.bindings.push(binding("viewer.test", VIEWER));
        })
        .start()
        .await;
    let mut wanted = request::create_cluster("CL1", &["n1", "n2"]);
    let id = "0198c0de-0000-7000-8000-000000000001";
    wanted.options = Some(request::with_id(id));
    let operation = daemon.client().create_cluster(wanted).await.unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    let evict = request::evict_node("CL1", "n2");
    for name in ["operator.test", "viewer.test"] {
        let refused = daemon.client_of(name).evict_node(evict.clone()).await;
        let refused = refused.map(drop).unwrap_err();
        assert_eq!(refused.reason().map(Reason::name), Some(PERMISSION_MISSING), "{name}");
    }
    daemon.stop().await;

    let entries = entries(&daemon);
    let intent = entries.iter().find(|entry| entry.kind == Kind::Intent).unwrap();
    let (who, from) = (intent.who.as_ref().unwrap(), intent.from.as_ref().unwrap());
    assert_eq!(who.principal, "dns:administrator.test");
    assert_eq!(who.method, "certificate");
    assert!(!who.serial.is_empty() && who.fingerprint.len() == 64, "{who:?}");
    assert!(from.address.starts_with("127.0.0.1:"), "{from:?}");
    assert_eq!(from.medium, "tls");
    let asked = intent.call.as_ref().unwrap();
    assert_eq!(asked.method, "/wsfc.v1.ClusterService/CreateCluster");
    assert_eq!(
        (asked.permission.as_str(), asked.request_id.as_str()),
        ("cluster_setup", id)
    );
    assert!(asked.objects.contains(&String::from("nodes=n2")), "{asked:?}");
    let outcome = entries
        .iter()
        .find(|entry| entry.intent == Some(intent.sequence))
        .unwrap();
    assert_eq!(outcome.result.as_ref().unwrap().code, "OK");
    assert_eq!(outcome.operation_id.as_deref(), Some(operation.id()));
    let ended = entries.iter().find(|entry| entry.kind == Kind::Ended).unwrap();
    assert_eq!(ended.operation_id.as_deref(), Some(operation.id()));
    assert_eq!(ended.result.as_ref().unwrap().code, "SUCCEEDED");

    let refusals: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == Kind::Refusal).collect();
    let names: Vec<_> = refusals
        .iter()
        .map(|entry| entry.who.as_ref().unwrap().principal.as_str())
        .collect();
    assert_eq!(names, ["dns:operator.test", "dns:viewer.test"]);
    for refusal in refusals {
        assert_eq!(refusal.result.as_ref().unwrap().reason, "PERMISSION_MISSING");
        assert_eq!(refusal.call.as_ref().unwrap().permission, "cluster_setup");
    }
    daemon.finish().await;
}

/// What an agent is about comes after its call has begun.
#[tokio::test]
async fn an_agent_is_written_down_with_its_workload_and_what_came_of_it() {
    let mut daemon = TestDaemon::start(world::machines(1)).await;
    let mut agents = WorkloadServiceClient::new(daemon.channel().await);
    let mut attached = Vec::new();
    for (message, is_taken) in [(Some("db"), true), (Some("db"), false), (None, false)] {
        let registration = message.map(|workload| {
            v1::attach_request::Message::Registration(v1::AgentRegistration {
                workload: workload.into(),
                ..v1::AgentRegistration::default()
            })
        });
        let says = tokio_stream::iter([v1::AttachRequest { message: registration }]);
        let says = says.chain(tokio_stream::pending());
        let mut answers = agents.attach(says).await.unwrap().into_inner();
        let answer = soon("the daemon's word", answers.message()).await;
        assert_eq!(answer.is_ok(), is_taken, "{answer:?}");
        attached.push(answers);
    }
    drop(attached);
    daemon.stop().await;
    let entries = entries(&daemon);
    let intents = entries.iter().filter(|entry| entry.kind == Kind::Intent);
    let outcomes: Vec<_> = intents
        .map(|intent| {
            let outcomes = entries.iter().filter(|entry| entry.intent == Some(intent.sequence));
            let outcomes: Vec<_> = outcomes.collect();
            assert_eq!(outcomes.len(), 1, "{intent:?}");
            let reason = outcomes[0].result.clone().unwrap().reason;
            (reason, outcomes[0].detail.clone())
        })
        .collect();
    let about = Some(String::from("workload db"));
    assert_eq!(
        outcomes,
        [
            (String::new(), about.clone()),
            ("WORKLOAD_TAKEN".into(), about),
            ("INVALID_FIELD".into(), None),
        ]
    );
    daemon.finish().await;
}

#[tokio::test]
async fn a_flood_of_refusals_is_a_line_and_a_number() {
    let mut daemon = TestDaemon::builder(world::machines(1))
        .settings(|settings| settings.access.bindings.push(binding("viewer.test", VIEWER)))
        .start()
        .await;
    let viewer = daemon.client_of("viewer.test");
    for _ in 0..300 {
        let refused = viewer.destroy_cluster(request::destroy_cluster("CL1")).await;
        refused.map(drop).unwrap_err();
    }
    daemon.stop().await;
    let refusals: Vec<_> = entries(&daemon)
        .into_iter()
        .filter(|entry| entry.kind == Kind::Refusal)
        .map(|entry| entry.count.unwrap_or(1))
        .collect();
    // A minute may end within.
    assert!(refusals.len() <= 4, "{refusals:?}");
    assert_eq!(refusals.iter().sum::<u64>(), 300);
    daemon.finish().await;
}

/// Waits until the daemon has an audit log again.
async fn until_written_again(client: &Client) {
    soon("the audit log", async {
        let ask = || client.destroy_cluster(request::destroy_cluster("none"));
        while let Err(error) = ask().await.map(drop) {
            if error.reason() != Some(&Reason::AuditUnavailable) {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn without_its_log_nothing_is_changed_and_everything_is_read() {
    let why = "a file that is open on Windows cannot be taken away";
    let Some(builder) = TestDaemon::builder(world::machines(2)).in_process(why) else {
        return;
    };
    // It is asked again and again here.
    let unlimited = |settings: &mut wsfcd::settings::Settings| {
        settings.limits.calls_per_second = 0;
        settings.limits.changes_per_second = 0;
    };
    let mut daemon = builder.settings(unlimited).start().await;
    daemon.logs().expect("The audit log cannot be written");
    let (client, channel) = (daemon.client(), daemon.channel().await);
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&operation).await);

    let (audit, away) = (dir(&daemon), daemon.dir().join("away"));
    std::fs::rename(&audit, &away).unwrap();
    std::fs::write(&audit, "no folder").unwrap();
    let before = daemon.simulation().call_counts();
    for method in methods::ALL
        .iter()
        .filter(|method| is_written_down(method) && !method.uploads)
    {
        let refused = call(&channel, method.path, Bytes::new()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{}", method.path);
        assert_eq!(reason(&refused).as_deref(), Some(AUDIT_UNAVAILABLE), "{}", method.path);
    }
    let refused = client.add_node(request::add_node("CL1", "n2")).await.map(drop);
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Some(&Reason::AuditUnavailable));
    assert_eq!(
        daemon.simulation().call_counts(),
        before,
        "nothing has reached the cluster API"
    );
    for method in methods::ALL.iter().filter(|method| !method.changes && !method.uploads) {
        if method.streams {
            // It waits for something to tell.
            continue;
        }
        if let Err(error) = call(&channel, method.path, Bytes::new()).await {
            assert_ne!(reason(&error).as_deref(), Some(AUDIT_UNAVAILABLE), "{}", method.path);
        }
    }
    client.get_operation(operation.id()).await.unwrap();

    std::fs::remove_file(&audit).unwrap();
    std::fs::rename(&away, &audit).unwrap();
    until_written_again(&client).await;
    let added = client.add_node(request::add_node("CL1", "n2")).await.unwrap();
    assert_succeeded(&to_the_end(&added).await);
    daemon.stop().await;
    let gap = entries(&daemon)
        .into_iter()
        .find(|entry| entry.kind == Kind::Gap)
        .unwrap();
    assert!(gap.count.unwrap() > 80, "{gap:?}");
    daemon.finish().await;
}

#[tokio::test]
async fn what_was_done_to_the_log_is_told_at_the_next_start() {
    let mut daemon = TestDaemon::start(world::machines(1)).await;
    let operation = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    daemon.stop().await;
    let file = files(&dir(&daemon)).unwrap().pop().unwrap();
    let text = std::fs::read_to_string(&file.path).unwrap();
    std::fs::write(&file.path, text.replace("administrator.test", "somebody.test")).unwrap();
    daemon.logs().expect("The audit log is not as it was left");
    daemon.start_again().await.unwrap();
    let destroyed = daemon
        .client()
        .destroy_cluster(request::destroy_cluster("CL1"))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&destroyed).await);
    daemon.stop().await;
    let (report, entries) = read(&daemon);
    assert!(matches!(report.findings[0].fault, Fault::Edited { .. }), "{report:?}");
    assert_eq!(report.findings[0].sequence, Some(3));
    assert!(entries.iter().any(|entry| entry.kind == Kind::Alarm));
    assert_eq!(report.files, 2);
    daemon.finish().await;
}

#[test]
fn what_changes_something_needs_more_than_a_view() {
    for method in methods::ALL.iter().filter(|method| method.changes) {
        let views = [Permission::View, Permission::RegistryView, Permission::Unspecified];
        assert!(!views.contains(&method.permission), "{}", method.path);
    }
}

//! Starts that fail, stops, and what an administrator is told of both.

mod stored;

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::stop::{DRAIN, all_ended, drain};
use super::*;
use crate::access::policy::Reach;
use crate::cluster_api;
use crate::control::{StopStep, control};
use crate::events::{Event, EventLog, RecordedEvents};
use crate::operation::call::Parameters;
use crate::operation::start::{Start, Started};
use crate::settings::Tls;
use wsfc_client::{Client, ConnectOptions, TlsOptions};
use wsfc_proto::v1;
use wsfc_simulator::Simulation;

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings {
        data_dir: folder.join("data"),
        ..Settings::default()
    };
    settings.listen.address = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.listen.threads = 2;
    settings
}

/// Writes a file that only its owner can read, as a key has to be.
fn write_private(path: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path).unwrap(), text.as_bytes()).unwrap();
}

async fn start(settings: Settings) -> Result<Daemon, StartError> {
    let world = cluster_api::simulation("default", None).unwrap();
    Daemon::start(settings, Clusapi::from_provider(world), Platform::system()).await
}

#[tokio::test]
async fn a_daemon_that_cannot_have_its_address_touches_nothing() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings(folder.path());
    settings.listen.address = taken.local_addr().unwrap();
    let refused = start(settings.clone()).await.err();
    assert!(matches!(refused, Some(StartError::Bind { .. })), "{refused:?}");
    assert!(!settings.data_dir.exists(), "the journal was opened");
}

#[tokio::test]
async fn a_start_that_fails_late_leaves_nothing_running() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(folder.path());
    settings.listen.ready_file = Some(folder.path().join("missing/address"));
    let refused = start(settings.clone()).await.err();
    assert!(matches!(refused, Some(StartError::ReadyFile { .. })), "{refused:?}");
    // The lock on the data directory goes with the last thread that holds anything of the journal.
    settings.listen.ready_file = Some(folder.path().join("address"));
    let daemon = start(settings).await.expect("the first start left the lock");
    let address = std::fs::read_to_string(folder.path().join("address")).unwrap();
    assert_eq!(address.trim_end(), daemon.address().to_string());
    daemon.stop().await;
    assert!(!folder.path().join("address").exists());
}

#[tokio::test]
async fn a_serving_thread_ends_when_it_is_cut() {
    let folder = TempDir::new().unwrap();
    let mut daemon = start(settings(folder.path())).await.unwrap();
    assert_eq!(daemon.serving.len(), 2);
    daemon.cut.cancel();
    all_ended(&mut daemon.serving).await;
    assert!(
        !daemon.core.stop.is_cancelled(),
        "nothing told their connections to end"
    );
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn all_serving_threads_have_one_time_to_end() {
    let cut = CancellationToken::new();
    let mut serving = Vec::new();
    for _ in 0..4 {
        let (done, ended) = oneshot::channel::<()>();
        serving.push(ended);
        let cut = cut.clone();
        tokio::spawn(async move {
            cut.cancelled().await;
            drop(done);
        });
    }
    let began = Instant::now();
    drain(&mut serving, &cut, DRAIN).await;
    assert!(serving.is_empty());
    assert_eq!(began.elapsed().as_secs(), DRAIN.as_secs());
}

/// A daemon whose events are kept.
async fn start_recording(settings: Settings) -> (Daemon, Arc<RecordedEvents>) {
    start_recording_over(settings, cluster_api::simulation("default", None).unwrap()).await
}

async fn start_recording_over(settings: Settings, world: Simulation) -> (Daemon, Arc<RecordedEvents>) {
    let events = Arc::new(RecordedEvents::default());
    let platform = Platform {
        events: events.clone(),
        ..Platform::system()
    };
    let daemon = Daemon::start(settings, Clusapi::from_provider(world), platform).await;
    (daemon.unwrap(), events)
}

/// Begins an operation, and waits until its call was begun.
async fn begin(daemon: &Daemon, call: Parameters) -> uuid::Uuid {
    let started = daemon.core().engine.start(Start {
        call,
        credentials: None,
        witness_secret: None,
        options: v1::StartOptions::default(),
        settle_time: None,
        principal: "local".into(),
        reach: Reach::everywhere(),
    });
    let Started::Operation(id) = started.await.unwrap() else {
        panic!("an operation was asked for")
    };
    let mut cursor = daemon.core().engine.journal().lane().cursor(id, 1).unwrap();
    let second = std::future::poll_fn(|context| cursor.poll_next(context)).await;
    assert!(matches!(second, Some(Ok(_started))));
    id
}

fn numbers(events: &RecordedEvents) -> Vec<u16> {
    let events = but_anchors(events);
    events.iter().map(|event| event.message().id).collect()
}

/// The events, but those of the audit log, whose thread tells them in its own time.
fn but_anchors(events: &RecordedEvents) -> Vec<Event> {
    let is_anchor = |event: &Event| matches!(event, Event::AuditAnchor { .. });
    events.take().into_iter().filter(|event| !is_anchor(event)).collect()
}

#[tokio::test]
async fn events_tell_of_start_operations_and_stop_once_each() {
    let folder = TempDir::new().unwrap();
    let (daemon, events) = start_recording(settings(folder.path())).await;
    let create = v1::CreateClusterParameters {
        cluster: "CL1".into(),
        nodes: vec!["n1".into()],
        ip_addresses: vec![v1::IpAddress {
            address: "10.0.0.10".into(),
            prefix_length: 24,
        }],
        ..v1::CreateClusterParameters::default()
    };
    // The host is in a cluster the second time.
    for call in [create.clone(), create].map(Parameters::CreateCluster) {
        let id = begin(&daemon, call).await;
        let mut cursor = daemon.core().engine.journal().lane().cursor(id, 0).unwrap();
        while std::future::poll_fn(|context| cursor.poll_next(context))
            .await
            .is_some()
        {}
    }
    let address = daemon.address();
    daemon.stop().await;
    let events = but_anchors(&events);
    assert_eq!(events.first(), Some(&Event::Started { address }));
    let numbers: Vec<_> = events.iter().map(|event| event.message().id).collect();
    assert_eq!(numbers, [100, 200, 201, 200, 203, 101], "{events:?}");
}

#[tokio::test]
async fn events_tell_of_a_damaged_journal() {
    let folder = TempDir::new().unwrap();
    let settings = settings(folder.path());
    std::fs::create_dir(&settings.data_dir).unwrap();
    std::fs::write(settings.data_dir.join("journal.redb"), "no journal").unwrap();
    let (daemon, events) = start_recording(settings).await;
    daemon.stop().await;
    assert_eq!(numbers(&events), [301, 100, 101]);
}

#[tokio::test]
async fn events_tell_of_a_missing_journal() {
    let folder = TempDir::new().unwrap();
    let settings = settings(folder.path());
    let (daemon, events) = start_recording(settings.clone()).await;
    daemon.stop().await;
    assert_eq!(numbers(&events), [100, 101], "there was none before");
    std::fs::remove_file(settings.data_dir.join("journal.redb")).unwrap();
    let (daemon, events) = start_recording(settings.clone()).await;
    daemon.stop().await;
    assert_eq!(numbers(&events), [303, 100, 101]);
    let (daemon, events) = start_recording(settings.clone()).await;
    daemon.stop().await;
    assert_eq!(numbers(&events), [100, 101], "it is told once");

    // All of the journal is gone, and the log of who has changed something is not.
    for name in ["journal.redb", "journal.made"] {
        std::fs::remove_file(settings.data_dir.join(name)).unwrap();
    }
    let log = settings.data_dir.join("audit").join(wsfc_audit::file_name(1));
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::File::options().create(true).append(true).open(&log).unwrap();
    let (daemon, events) = start_recording(settings).await;
    daemon.stop().await;
    let log = log.display().to_string();
    assert_eq!(
        but_anchors(&events).first(),
        Some(&Event::JournalMissing { trace: log })
    );
}

/// As after the console was closed: the system leaves less time than the settings.
#[tokio::test]
async fn a_stop_that_the_system_hurries_leaves_what_hangs_behind() {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("hanging.toml");
    let text =
        "[[machines]]\nname = \"n1\"\n[[faults]]\ncall = \"CreateCluster\"\nphase = \"Initialize\"\nhang = true\n";
    std::fs::write(&scenario, text).unwrap();
    let world = cluster_api::simulation(scenario.to_str().unwrap(), None).unwrap();
    let mut settings = settings(folder.path());
    settings.operations.shutdown_grace = Duration::from_secs(3_600);
    let (daemon, events) = start_recording_over(settings, world.clone()).await;
    let create = v1::CreateClusterParameters {
        cluster: "CL1".into(),
        nodes: vec!["n1".into()],
        empty_cluster: true,
        ..v1::CreateClusterParameters::default()
    };
    begin(&daemon, Parameters::CreateCluster(create)).await;
    let stopping = daemon.stop_within(Some(Duration::from_millis(1_600)));
    tokio::time::timeout(Duration::from_secs(60), stopping)
        .await
        .expect("the stop waits for the call");
    assert_eq!(numbers(&events), [100, 200, 104, 101]);
    world.shutdown();
}

#[tokio::test]
async fn phases_lead_from_the_start_to_the_stop() {
    let folder = TempDir::new().unwrap();
    let (controller, control) = control();
    let phases = controller.phases();
    let world = cluster_api::simulation("default", None).unwrap();
    let api = Clusapi::from_provider(world);
    let daemon = Daemon::start_telling(
        settings(folder.path()),
        api,
        Platform::system(),
        control.phases().clone(),
    );
    let daemon = daemon.await.unwrap();
    let address = daemon.address();
    assert_eq!(*phases.borrow(), Phase::Serving { address });
    daemon.stop_within(Some(Duration::from_secs(4))).await;
    assert_eq!(*phases.borrow(), Phase::Stopping(StopStep::Journal));
}

#[tokio::test]
async fn a_reload_with_bad_certificates_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let pair = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let tls = Tls::new(folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&tls.certificate, pair.cert.pem()).unwrap();
    write_private(&tls.key, &pair.signing_key.serialize_pem());
    let mut settings = settings(folder.path());
    settings.tls = Some(tls.clone());
    let daemon = start(settings.clone()).await.unwrap();
    settings.limits.unary = Duration::from_secs(7);
    std::fs::write(&tls.certificate, "").unwrap();
    let refused = daemon.reload(&settings).unwrap_err();
    assert!(matches!(refused, ReloadError::Tls(_)), "{refused:?}");
    assert_ne!(daemon.core().settings.get().limits.unary, Duration::from_secs(7));
    std::fs::write(&tls.certificate, pair.cert.pem()).unwrap();
    assert_eq!(daemon.reload(&settings).unwrap().now, ["limits.unary"]);
    assert_eq!(daemon.core().settings.get().limits.unary, Duration::from_secs(7));
    daemon.stop().await;
}

/// A path that is longer than Windows takes without further ado.
#[tokio::test]
async fn a_data_directory_may_have_a_long_path() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(folder.path());
    let part = "x".repeat(100);
    settings.data_dir = folder.path().join(&part).join(&part).join(&part).join(&part);
    settings.listen.ready_file = Some(settings.data_dir.join("address"));
    let daemon = start(settings.clone()).await.unwrap();
    assert!(settings.data_dir.join("address").exists());
    daemon.stop().await;
    assert!(settings.data_dir.join("journal.redb").exists());
}

/// Hands events on as they come.
struct SentEvents(mpsc::UnboundedSender<Event>);

impl EventLog for SentEvents {
    fn report(&self, event: &Event) {
        // The audit log's thread tells its own in its own time.
        if !matches!(event, Event::AuditAnchor { .. }) {
            let _ = self.0.send(event.clone());
        }
    }
}

#[tokio::test]
async fn an_event_tells_of_a_client_without_a_certificate() {
    let folder = TempDir::new().unwrap();
    let pair = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("certificate.pem"), pair.cert.pem()).unwrap();
    write_private(&path("key.pem"), &pair.signing_key.serialize_pem());
    let mut settings = settings(folder.path());
    settings.tls = Some(Tls {
        client_ca: Some(path("certificate.pem")),
        ..Tls::new(path("certificate.pem"), path("key.pem"))
    });
    let (sender, mut events) = mpsc::unbounded_channel();
    let platform = Platform {
        events: Arc::new(SentEvents(sender)),
        ..Platform::system()
    };
    let world = cluster_api::simulation("default", None).unwrap();
    let daemon = Daemon::start(settings, Clusapi::from_provider(world), platform).await;
    let daemon = daemon.unwrap();
    let started = events.recv().await.unwrap();
    assert_eq!(started.message().id, 100);
    let options = ConnectOptions {
        tls: Some(TlsOptions {
            ca_pem: Some(pair.cert.pem().into_bytes()),
            server_name: Some("localhost".into()),
            ..TlsOptions::default()
        }),
        ..ConnectOptions::new([format!("https://{}", daemon.address())])
    };
    let refused = tokio::spawn(Client::connect(options));
    let event = events.recv().await.unwrap();
    assert!(
        matches!(&event, Event::ClientRefused { count: 1, error, .. } if error.contains("no certificates")),
        "{event:?}"
    );
    refused.abort();
    daemon.stop().await;
}

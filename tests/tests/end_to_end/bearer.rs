//! Bearer tokens in place of certificates.

use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;
use tonic::Request;
use wsfc_client::v1::SetupPhase;
use wsfc_client::v1::cluster_service_client::ClusterServiceClient;
use wsfc_client::{BearerSource, Client, ConnectOptions, Error, Progress, Reason, WatchItem, v1};
use wsfc_simulator::Point;
use wsfc_tests::records::{Record as _, assert_succeeded, assert_whole, soon, to_the_end};
use wsfc_tests::tokens::Issuer;
use wsfc_tests::watching::{after, record};
use wsfc_tests::{Builder, TestDaemon, UnderTest, request, world};
use wsfcd::access::policy::{ADMINISTRATOR, Binding, VIEWER};

const ISSUER: &str = "https://id.example/realm";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// A daemon that takes the tokens of an issuer, whose group `ops` administers it and whose user `eve` may look.
fn taking(builder: Builder, issuer: &Issuer, folder: &TempDir) -> Builder {
    let bearer = issuer.settings(folder.path());
    let binding = |subject: String, role: &str| Binding {
        subject,
        role: role.into(),
        clusters: None,
    };
    builder.settings(|settings| {
        settings.access.bearer = vec![bearer];
        settings.access.bindings.extend([
            binding(format!("group:{ISSUER}#ops"), ADMINISTRATOR),
            binding(format!("user:{ISSUER}#eve"), VIEWER),
        ]);
    })
}

struct Tokens {
    issuer: Issuer,
    daemon: TestDaemon,
    _keys: TempDir,
}

async fn start() -> Tokens {
    let (issuer, keys) = (Issuer::new(ISSUER), TempDir::new().unwrap());
    let builder = TestDaemon::builder(world::machines(1)).observing();
    let daemon = taking(builder, &issuer, &keys).start().await;
    Tokens {
        issuer,
        daemon,
        _keys: keys,
    }
}

fn refused(error: &Error) -> Option<&str> {
    error.reason().map(Reason::name)
}

async fn look(client: &Client) -> Result<(), Error> {
    client.get_host_state("").await.map(drop)
}

#[tokio::test]
async fn a_token_shows_who_calls_and_what_is_allowed() {
    let tokens = start().await;
    let ada = tokens
        .daemon
        .client_showing(Some(tokens.issuer.token("ada", &["ops"], LONG)));
    let operation = ada
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    assert_eq!(operation.get().await.unwrap().principal, format!("user:{ISSUER}#ada"));

    let eve = tokens
        .daemon
        .client_showing(Some(tokens.issuer.token("eve", &["dev"], LONG)));
    look(&eve).await.unwrap();
    let error = eve.add_node(request::add_node("CL1", "n1")).await.err().unwrap();
    assert_eq!(refused(&error), Some("PERMISSION_MISSING"), "{error}");

    // A certificate does as well as before; whoever shows a bad token beside it is refused.
    look(&tokens.daemon.client()).await.unwrap();
    let mut both = tokens.daemon.connect_options();
    both.bearer = Some(BearerSource::token("no.such.token"));
    let error = look(&Client::lazy(both).unwrap()).await.unwrap_err();
    assert_eq!(refused(&error), Some("TOKEN_INVALID"), "{error}");
    tokens.daemon.finish().await;
}

#[tokio::test]
async fn what_is_no_good_token_gets_nothing() {
    let tokens = start().await;
    let daemon = &tokens.daemon;
    let error = look(&daemon.client_showing(None)).await.unwrap_err();
    assert_eq!(refused(&error), Some("CREDENTIALS_REQUIRED"), "{error}");
    let stranger = Issuer::new(ISSUER).token("ada", &["ops"], LONG);
    let other = Issuer::new("https://other.example").token("ada", &["ops"], LONG);
    let good = tokens.issuer.token("ada", &["ops"], LONG);
    let cut = good[..good.len() - 1].to_owned();
    for token in [stranger, other, cut, "x".repeat(8_193)] {
        let error = look(&daemon.client_showing(Some(token))).await.unwrap_err();
        assert_eq!(refused(&error), Some("TOKEN_INVALID"), "{error}");
    }
    let over = tokens.issuer.token("ada", &["ops"], Duration::ZERO);
    let error = look(&daemon.client_showing(Some(over))).await.unwrap_err();
    assert_eq!(refused(&error), Some("TOKEN_EXPIRED"), "{error}");
    // Known to nobody's binding.
    let mallory = daemon.client_showing(Some(tokens.issuer.token("mallory", &["dev"], LONG)));
    let error = look(&mallory).await.unwrap_err();
    assert_eq!(refused(&error), Some("PERMISSION_MISSING"), "{error}");
    tokens.daemon.finish().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let tokens = start().await;
    let token = tokens.issuer.token("ada", &["ops"], Duration::from_secs(2));
    let mut watch = tokens
        .daemon
        .client_showing(Some(token))
        .watch(v1::WatchRequest::default());
    let error = soon("the end of the stream", async {
        loop {
            match watch.next().await {
                Some(Ok(_item)) => {}
                Some(Err(error)) => break error,
                None => panic!("the stream has ended without a word"),
            }
        }
    })
    .await;
    assert_eq!(refused(&error), Some("TOKEN_EXPIRED"), "{error}");
    tokens.daemon.finish().await;
}

#[tokio::test]
async fn a_token_that_was_renewed_in_its_file_is_used_without_a_new_connection() {
    let tokens = start().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, tokens.issuer.token("ada", &["ops"], Duration::ZERO)).unwrap();
    let mut options = tokens.daemon.connect_options();
    options.bearer = Some(BearerSource::file(&file));
    let client = Client::lazy(options).unwrap();
    assert_eq!(refused(&look(&client).await.unwrap_err()), Some("TOKEN_EXPIRED"));
    std::fs::write(&file, tokens.issuer.token("ada", &["ops", "more"], LONG)).unwrap();
    look(&client).await.unwrap();
    tokens.daemon.finish().await;
}

#[tokio::test]
async fn streams_go_on_with_the_next_token_in_the_file() {
    let tokens = start().await;
    let simulation = tokens.daemon.simulation();
    let forming = Point::phase("CreateCluster", SetupPhase::FormingCluster.into());
    simulation.hold(forming.clone());
    let starter = tokens.daemon.client();
    let operation = starter
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    // Both streams must have begun before it is over.
    let life = UnderTest::get().patience(Duration::from_secs(4));
    std::fs::write(&file, tokens.issuer.token("ada", &["ops"], life)).unwrap();
    let mut options = tokens.daemon.connect_options();
    options.bearer = Some(BearerSource::file(&file));
    let ada = Client::lazy(options).unwrap();
    let mut progress = ada.operation(operation.id()).progress();
    let mut watch = ada.watch(v1::WatchRequest {
        operations: true,
        ..after(0, "")
    });

    // Only when the first token is over there is another one, and only then the operation goes on.
    let mut records = Vec::new();
    let following = async {
        let (mut losses, mut resumed) = (0, 0);
        while let Some(item) = progress.next().await {
            match item.unwrap() {
                Progress::Record(record) => records.push(*record),
                Progress::Reconnecting { error, .. } => {
                    assert_eq!(refused(&error), Some("TOKEN_EXPIRED"), "{error}");
                    if losses == 0 {
                        std::fs::write(&file, tokens.issuer.token("ada", &["ops", "more"], LONG)).unwrap();
                    }
                    losses += 1;
                }
                Progress::Resumed { .. } => {
                    resumed += 1;
                    simulation.release(&forming);
                }
            }
        }
        assert_eq!(resumed, 1, "after {losses} losses");
    };
    let mut watched = Vec::new();
    let watching = async {
        let mut losses = 0;
        while watched
            .last()
            .is_none_or(|last: &v1::OperationRecord| last.outcome().is_none())
        {
            match watch.next().await.unwrap().unwrap() {
                WatchItem::Event(event) => {
                    let told = record(&event).filter(|record| record.operation_id == operation.id());
                    watched.extend(told.cloned());
                }
                WatchItem::Reconnecting { error, .. } => {
                    assert_eq!(refused(&error), Some("TOKEN_EXPIRED"), "{error}");
                    losses += 1;
                }
                _ => {}
            }
        }
        assert!(losses > 0);
    };
    soon("the end of both streams", async { tokio::join!(following, watching) }).await;
    assert_whole(&records);
    assert_succeeded(&records);
    assert_eq!(watched, records);
    tokens.daemon.finish().await;
}

#[tokio::test]
async fn a_call_whose_token_is_over_is_made_once_more_with_another() {
    let tokens = start().await;
    let showing = |next: String| {
        let first = Mutex::new(Some(tokens.issuer.token("ada", &["ops"], Duration::ZERO)));
        let mut options = tokens.daemon.connect_options();
        options.bearer = Some(BearerSource::from_fn(move || {
            Ok(first.lock().unwrap().take().unwrap_or_else(|| next.clone()))
        }));
        Client::lazy(options).unwrap()
    };
    look(&showing(tokens.issuer.token("ada", &["ops"], LONG)))
        .await
        .unwrap();
    let over = tokens.issuer.token("ada", &["ops", "more"], Duration::ZERO);
    let error = look(&showing(over)).await.unwrap_err();
    assert_eq!(refused(&error), Some("TOKEN_EXPIRED"), "{error}");
    tokens.daemon.finish().await;
}

#[tokio::test]
async fn a_token_that_others_could_have_read_is_refused_even_where_nobody_needs_one() {
    let (issuer, keys) = (Issuer::new(ISSUER), TempDir::new().unwrap());
    let builder = TestDaemon::builder(world::machines(1)).plain();
    let daemon = taking(builder, &issuer, &keys).start().await;
    let mut bare = ClusterServiceClient::new(daemon.channel().await);
    bare.get_host_state(v1::GetHostStateRequest::default()).await.unwrap();
    let mut request = Request::new(v1::GetHostStateRequest::default());
    let header = format!("Bearer {}", issuer.token("ada", &["ops"], LONG));
    request.metadata_mut().insert("authorization", header.parse().unwrap());
    let status = bare.get_host_state(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unauthenticated, "{status}");
    assert!(status.message().contains("over TLS"), "{status}");
    // The client does not even send it.
    let mut options = ConnectOptions::new([format!("http://{}", daemon.address())]);
    options.bearer = Some(BearerSource::token("a.b.c"));
    assert!(matches!(
        Client::lazy(options),
        Err(Error::Invalid { field: "bearer", .. })
    ));
    daemon.finish().await;
}

#[tokio::test]
async fn keys_that_cannot_be_used_keep_the_daemon_from_starting() {
    let (issuer, keys) = (Issuer::new(ISSUER), TempDir::new().unwrap());
    let builder = taking(TestDaemon::builder(world::machines(1)), &issuer, &keys);
    std::fs::write(
        keys.path().join("keys.json"),
        r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#,
    )
    .unwrap();
    let error = builder.try_start().await.err().unwrap().to_string();
    assert!(
        error.contains(ISSUER) && error.contains("no key can be used"),
        "{error}"
    );
}

//! Listening with certificates.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{self, Certificate, Channel, ClientTlsConfig, Endpoint};
use wsfc_client::v1::event_service_client::EventServiceClient;
use wsfc_client::{Client, ConnectOptions, Error, Identity, TlsOptions, v1};
use wsfc_tests::certificates::{Authority, write_private};
use wsfc_tests::records::{assert_succeeded, soon, to_the_end};
use wsfc_tests::{TestDaemon, UnderTest, request, world};
use wsfcd::access::policy::{ADMINISTRATOR, Binding, VIEWER};
use wsfcd::settings::{Settings, Tls, TlsVersion};

/// How long a call may take that must succeed, on a machine that is busy too.
const SERVED: Duration = Duration::from_secs(30);
/// How long a call is tried that must be refused: the client takes many a refusal for a trouble that passes.
const REFUSED: Duration = Duration::from_millis(500);

/// Writes the files of a daemon that answers as `localhost`.
fn files(dir: &Path, authority: &Authority, clients: Option<&Authority>) -> Tls {
    let server = authority.issue("localhost");
    replace(&dir.join("server.pem"), &server.cert_pem);
    replace(&dir.join("server.key"), &server.key_pem);
    if let Some(clients) = clients {
        replace(&dir.join("clients.pem"), &clients.pem());
    }
    Tls {
        client_ca: clients.map(|_| dir.join("clients.pem")),
        look_every: Duration::from_millis(20),
        ..Tls::new(dir.join("server.pem"), dir.join("server.key"))
    }
}

/// Puts a file in its place as a whole.
fn replace(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    write_private(&new, bytes);
    std::fs::rename(&new, path).unwrap();
}

struct Secured {
    daemon: TestDaemon,
    files: tempfile::TempDir,
}

async fn secured(authority: &Authority, clients: Option<&Authority>) -> Secured {
    secured_by(authority, clients, |_settings, _dir| {}).await
}

async fn secured_by(
    authority: &Authority,
    clients: Option<&Authority>,
    change: impl FnOnce(&mut Settings, &Path),
) -> Secured {
    let dir = tempfile::TempDir::new().unwrap();
    let tls = files(dir.path(), authority, clients);
    let bind = |subject: &str, role: &str| Binding {
        subject: subject.into(),
        role: role.into(),
        clusters: None,
    };
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|s: &mut Settings| {
            s.tls = Some(tls);
            s.limits.mark_every = Duration::from_millis(50);
            // Who is there without a certificate, and who is with one that names an operator.
            s.access.loopback_role = Some(ADMINISTRATOR.into());
            s.access.bindings = vec![bind("dns:operator*", ADMINISTRATOR), bind("dns:viewer*", VIEWER)];
            change(s, dir.path());
        })
        .start()
        .await;
    Secured { daemon, files: dir }
}

impl Secured {
    /// A connection that does not come back by itself.
    async fn channel(&self, authority: &Authority, identity: Option<&Identity>) -> Result<Channel, transport::Error> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(authority.pem()))
            .domain_name("localhost");
        if let Some(identity) = identity {
            tls = tls.identity(transport::Identity::from_pem(&identity.cert_pem, &identity.key_pem));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", self.daemon.address())).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await
    }

    /// The handshake of a client that speaks these versions of TLS alone.
    async fn shake_hands(
        &self,
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<()> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&authority.pem()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(self.daemon.address()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .map(drop)
    }

    /// A client that has been served once, within a time that suits what is expected.
    async fn connect(
        &self,
        authority: &Authority,
        identity: Option<Identity>,
        patience: Duration,
    ) -> Result<Client, Error> {
        let tls = TlsOptions {
            ca_pem: Some(authority.pem()),
            identity,
            server_name: Some("localhost".into()),
        };
        let options = ConnectOptions {
            endpoints: vec![format!("https://{}", self.daemon.address())],
            tls: Some(tls),
            request_timeout: UnderTest::get().patience(patience),
            ..self.daemon.connect_options()
        };
        let client = Client::connect(options).await?;
        // With TLS 1.3 a client learns only with the first answer that its certificate was refused.
        client.get_host_state("").await?;
        Ok(client)
    }
}

#[tokio::test]
async fn a_server_certificate_serves_over_tls_alone() {
    let authority = Authority::new();
    let secured = secured(&authority, None).await;
    let client = secured.connect(&authority, None, SERVED).await.unwrap();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    assert_eq!(operation.get().await.unwrap().principal, "local");

    // Neither another authority nor plain text gets in.
    assert!(secured.connect(&Authority::new(), None, REFUSED).await.is_err());
    let plain = ConnectOptions {
        tls: None,
        request_timeout: UnderTest::get().patience(REFUSED),
        ..secured.daemon.connect_options()
    };
    assert!(Client::lazy(plain).unwrap().get_host_state("").await.is_err());
    secured.daemon.finish().await;
}

#[tokio::test]
async fn with_a_client_authority_only_its_clients_get_in_and_are_recorded() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let secured = secured(&servers, Some(&clients)).await;
    let client = secured
        .connect(&servers, Some(clients.issue("operator-a")), SERVED)
        .await
        .unwrap();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    let principal = operation.get().await.unwrap().principal;
    assert_eq!(principal, "dns:operator-a");

    // Request ids belong to their caller: another's is another request.
    let other = secured
        .connect(&servers, Some(clients.issue("operator-b")), SERVED)
        .await
        .unwrap();
    let mut again = request::add_node("CL1", "n1");
    again.options = Some(request::with_id("6f1f3f0e-6d0c-4c0e-9a55-0f6a4c3f2b11"));
    let first = client.add_node(again.clone()).await.unwrap();
    to_the_end(&first).await;
    let second = other.add_node(again).await.unwrap();
    to_the_end(&second).await;
    assert_ne!(first.id(), second.id());
    let listed = other
        .list_operations(v1::ListOperationsRequest::default())
        .await
        .unwrap()
        .operations;
    assert_ne!(listed[0].principal, listed[1].principal);

    assert!(
        secured.connect(&servers, None, REFUSED).await.is_err(),
        "without a certificate"
    );
    let stranger = Authority::new().issue("operator");
    assert!(
        secured.connect(&servers, Some(stranger), REFUSED).await.is_err(),
        "with a certificate of somebody else"
    );
    secured.daemon.finish().await;
}

#[tokio::test]
async fn off_loopback_only_with_certificates() {
    let builder = TestDaemon::builder(world::machines(1))
        .plain()
        .settings(|s| s.listen.address = ([0, 0, 0, 0], 0).into());
    let error = builder.try_start().await.err().unwrap().to_string();
    assert!(
        error.contains("is not a loopback address and `tls` is not set"),
        "{error}"
    );
}

#[tokio::test]
async fn off_loopback_only_where_callers_can_be_known() {
    let authority = Authority::new();
    let dir = tempfile::TempDir::new().unwrap();
    let tls = files(dir.path(), &authority, None);
    let builder = TestDaemon::builder(world::machines(1)).settings(|s| {
        s.tls = Some(tls);
        s.listen.address = ([0, 0, 0, 0], 0).into();
    });
    let error = builder.try_start().await.err().unwrap().to_string();
    assert!(error.contains("callers cannot show who they are"), "{error}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::TempDir::new().unwrap();
    let authority = Authority::new();
    let missing = dir.path().join("missing.pem");
    let garbage = dir.path().join("garbage.pem");
    write_private(&garbage, b"not a certificate");
    let good = files(dir.path(), &authority, None);
    for tls in [
        Tls {
            certificate: missing.clone(),
            ..good.clone()
        },
        Tls {
            key: missing.clone(),
            ..good.clone()
        },
        Tls {
            client_ca: Some(missing.clone()),
            ..good.clone()
        },
        Tls {
            certificate: garbage.clone(),
            ..good.clone()
        },
        Tls {
            key: garbage.clone(),
            ..good.clone()
        },
        Tls {
            client_ca: Some(garbage.clone()),
            ..good.clone()
        },
    ] {
        let bad = [&tls.certificate, &tls.key]
            .into_iter()
            .chain(&tls.client_ca)
            .find(|path| **path == missing || **path == garbage);
        let name = UnderTest::get().path(bad.unwrap());
        let builder = TestDaemon::builder(world::machines(1)).settings(|s| s.tls = Some(tls));
        let error = builder.try_start().await.err().unwrap();
        let text = error.to_string();
        assert!(text.contains("TLS cannot be set up"), "{text}");
        assert!(text.contains(&name), "{text} does not name {name}");
    }
}

#[tokio::test]
async fn the_old_version_is_spoken_only_when_asked_for() {
    let authority = Authority::new();
    let (old, new) = ([&version::TLS12], [&version::TLS13]);
    let strict = secured(&authority, None).await;
    strict.shake_hands(&authority, &new).await.unwrap();
    let refused = strict.shake_hands(&authority, &old).await.unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    strict.daemon.finish().await;
    let lenient = secured_by(&authority, None, |s, _dir| {
        s.tls.as_mut().unwrap().minimum_version = TlsVersion::V1_2;
    });
    let lenient = lenient.await;
    lenient.shake_hands(&authority, &new).await.unwrap();
    lenient.shake_hands(&authority, &old).await.unwrap();
    lenient.daemon.finish().await;
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt;

    let (dir, authority) = (tempfile::TempDir::new().unwrap(), Authority::new());
    let tls = files(dir.path(), &authority, None);
    let key = tls.key.clone();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let builder = TestDaemon::builder(world::machines(1)).settings(|s| s.tls = Some(tls));
    let text = builder.try_start().await.err().unwrap().to_string();
    let mends = match UnderTest::get() {
        UnderTest::InProcess | UnderTest::Binary => "chmod 600",
        UnderTest::Windows => "icacls",
    };
    let name = UnderTest::get().path(&key);
    assert!(text.contains(mends) && text.contains(&name), "{text}");
}

/// A watch of everything, which begins with what there is.
async fn watch(channel: Channel) -> tonic::Streaming<v1::WatchResponse> {
    let request = v1::WatchRequest::default();
    let stream = EventServiceClient::new(channel).watch(request).await;
    let mut stream = stream.unwrap().into_inner();
    soon("the first message", stream.message()).await.unwrap().unwrap();
    stream
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_and_its_streams_are_cut() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let secured = secured_by(&servers, Some(&clients), |s, dir| {
        let list = dir.join("revoked.pem");
        replace(&list, &clients.revoked(&[7]));
        s.tls.as_mut().unwrap().crl.push(list);
    })
    .await;
    secured
        .daemon
        .logs()
        .expect("Connections are cut whose certificates are refused now");
    let (good, bad) = (
        clients.issue_numbered("operator-good", 1),
        clients.issue_numbered("operator-bad", 2),
    );
    let revoked = clients.issue_numbered("operator-revoked", 7);
    assert!(secured.connect(&servers, Some(revoked), REFUSED).await.is_err());
    let mut stays = watch(secured.channel(&servers, Some(&good)).await.unwrap()).await;
    let mut goes = watch(secured.channel(&servers, Some(&bad)).await.unwrap()).await;

    replace(&secured.files.path().join("revoked.pem"), &clients.revoked(&[7, 2]));
    let cut = soon("the cut", async {
        loop {
            match goes.message().await {
                Ok(Some(_mark)) => {}
                ended => return ended,
            }
        }
    });
    assert!(cut.await.is_err(), "a stream that is cut has not ended in order");
    assert!(secured.connect(&servers, Some(bad), REFUSED).await.is_err());
    // The other one goes on: a mark comes at least each five seconds.
    soon("a mark", stays.message()).await.unwrap().unwrap();
    secured.connect(&servers, Some(good), SERVED).await.unwrap();
    secured.daemon.finish().await;
}

#[tokio::test]
async fn an_authority_without_a_list_is_named() {
    let (dir, authority, other) = (tempfile::TempDir::new().unwrap(), Authority::new(), Authority::new());
    let mut tls = files(dir.path(), &authority, Some(&authority));
    tls.crl = vec![dir.path().join("revoked.pem")];
    replace(&tls.crl[0], &other.revoked(&[]));
    let builder = TestDaemon::builder(world::machines(1)).settings(|s| s.tls = Some(tls));
    let text = builder.try_start().await.err().unwrap().to_string();
    assert!(
        text.contains("`tls.crl` has no list of the authority CN=authority"),
        "{text}"
    );
}

#[tokio::test]
async fn files_that_change_are_taken_under_live_streams() {
    let (old, new) = (Authority::new(), Authority::new());
    let secured = secured(&old, None).await;
    let mut stream = watch(secured.channel(&old, None).await.unwrap()).await;

    // Files that are no good change nothing, and are told once.
    let message = "The certificates have changed and cannot be used; the former ones stay";
    secured.daemon.logs().expect(message);
    replace(&secured.files.path().join("server.pem"), b"no certificate");
    soon("the refusal", async {
        while !secured.daemon.logs().contains(message) {
            secured.connect(&old, None, SERVED).await.unwrap();
        }
    })
    .await;

    files(secured.files.path(), &new, None);
    soon("the new certificate", async {
        while secured.connect(&new, None, SERVED).await.is_err() {}
    })
    .await;
    assert!(secured.connect(&old, None, REFUSED).await.is_err());
    soon("a mark", stream.message()).await.unwrap().unwrap();
    let text = secured.daemon.logs().text();
    let told = text
        .lines()
        .filter(|line| line.starts_with("ERROR") && line.contains(message));
    assert_eq!(told.count(), 1);
    secured.daemon.finish().await;
}

#[tokio::test]
async fn the_last_places_are_for_administrators() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let secured = secured_by(&servers, Some(&clients), |s, _dir| {
        s.limits.connections = 2;
        s.limits.administrators_percent = 50;
    })
    .await;
    let (viewer, operator) = (clients.issue("viewer"), clients.issue("operator"));
    let mut first = watch(secured.channel(&servers, Some(&viewer)).await.unwrap()).await;
    assert!(secured.connect(&servers, Some(viewer), REFUSED).await.is_err());
    let mut second = watch(secured.channel(&servers, Some(&operator)).await.unwrap()).await;
    assert!(
        secured
            .connect(&servers, Some(operator.clone()), REFUSED)
            .await
            .is_err(),
        "all places have calls"
    );
    for stream in [&mut first, &mut second] {
        soon("a mark", stream.message()).await.unwrap().unwrap();
    }
    // Whoever has no call makes room.
    drop(first);
    soon("the place", async {
        while secured.connect(&servers, Some(operator.clone()), SERVED).await.is_err() {}
    })
    .await;
    secured.daemon.finish().await;
}

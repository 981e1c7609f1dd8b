//! Listening with certificates.

use std::path::{Path, PathBuf};

use wsfc_client::{Client, ConnectOptions, Error, Identity, TlsOptions, v1};
use wsfc_tests::certificates::Authority;
use wsfc_tests::records::{assert_succeeded, to_the_end};
use wsfc_tests::{TestDaemon, UnderTest, request, world};
use wsfcd::access::policy::{ADMINISTRATOR, Binding};
use wsfcd::settings::{Settings, Tls, TlsAuthority};

/// Writes the files of a daemon that answers as `localhost`.
fn files(dir: &Path, authority: &Authority, clients: Option<&Authority>) -> Tls {
    let write = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let server = authority.issue("localhost");
    Tls {
        authority: TlsAuthority::Files,
        certificate: write("server.pem", &server.cert_pem),
        key: write("server.key", &server.key_pem),
        client_ca: clients.map(|clients| write("clients.pem", &clients.pem())),
    }
}

struct Secured {
    daemon: TestDaemon,
    _files: tempfile::TempDir,
}

async fn secured(authority: &Authority, clients: Option<&Authority>) -> Secured {
    let dir = tempfile::TempDir::new().unwrap();
    let tls = files(dir.path(), authority, clients);
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|s: &mut Settings| {
            s.tls = Some(tls);
            // Who is there without a certificate, and who is with one that names an operator.
            s.access.loopback_role = Some(ADMINISTRATOR.into());
            s.access.bindings.push(Binding {
                subject: "dns:operator*".into(),
                role: ADMINISTRATOR.into(),
                clusters: None,
            });
        })
        .start()
        .await;
    Secured { daemon, _files: dir }
}

impl Secured {
    async fn connect(&self, authority: &Authority, identity: Option<Identity>) -> Result<Client, Error> {
        let tls = TlsOptions {
            ca_pem: Some(authority.pem()),
            identity,
            server_name: Some("localhost".into()),
        };
        let options = ConnectOptions {
            endpoints: vec![format!("https://{}", self.daemon.address())],
            tls: Some(tls),
            request_timeout: UnderTest::get().patience(std::time::Duration::from_millis(500)),
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
    let client = secured.connect(&authority, None).await.unwrap();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    assert_eq!(operation.get().await.unwrap().principal, "local");

    // Neither another authority nor plain text gets in.
    assert!(secured.connect(&Authority::new(), None).await.is_err());
    let plain = ConnectOptions {
        tls: None,
        request_timeout: UnderTest::get().patience(std::time::Duration::from_millis(500)),
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
        .connect(&servers, Some(clients.issue("operator-a")))
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
        .connect(&servers, Some(clients.issue("operator-b")))
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

    assert!(secured.connect(&servers, None).await.is_err(), "without a certificate");
    let stranger = Authority::new().issue("operator");
    assert!(
        secured.connect(&servers, Some(stranger)).await.is_err(),
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
    std::fs::write(&garbage, "not a certificate").unwrap();
    let good = files(dir.path(), &authority, None);
    for tls in [
        Tls {
            authority: TlsAuthority::Files,
            certificate: missing.clone(),
            ..good.clone()
        },
        Tls {
            authority: TlsAuthority::Files,
            key: missing.clone(),
            ..good.clone()
        },
        Tls {
            authority: TlsAuthority::Files,
            client_ca: Some(missing.clone()),
            ..good.clone()
        },
        Tls {
            authority: TlsAuthority::Files,
            certificate: garbage.clone(),
            ..good.clone()
        },
        Tls {
            authority: TlsAuthority::Files,
            key: garbage.clone(),
            ..good.clone()
        },
        Tls {
            authority: TlsAuthority::Files,
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

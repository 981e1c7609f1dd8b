//! TLS from the client's side: whom it believes, and what it shows.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, also in what tests share"
)]

use std::io;
use std::sync::Arc;

use http::Uri;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use wsfc_client::{Client, Code, ConnectOptions, Error, Identity, TlsOptions};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for this name by this authority, with its key.
fn issue(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// A client of a daemon called `daemon.example` that demands certificates of `authority`.
fn client(authority: &Authority, tls: TlsOptions) -> Result<Client, Error> {
    let (certificate, key) = issue(authority, "daemon.example");
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (accepted, incoming) = mpsc::unbounded_channel::<DuplexStream>();
    let shaken = UnboundedReceiverStream::new(incoming).then(move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await }
    });
    // A failed handshake ends one connection, not the server.
    let shaken = shaken.filter(Result::is_ok);
    let server = tonic::transport::Server::builder().add_routes(tonic::service::Routes::default());
    tokio::spawn(server.serve_with_incoming(shaken));
    let connector = tower::service_fn(move |_: Uri| {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let sent = accepted
            .send(far)
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused));
        std::future::ready(sent.map(|()| near))
    });
    let mut options = ConnectOptions::new(["https://daemon.example:7443"]);
    options.tls = Some(tls);
    options.request_timeout = std::time::Duration::from_secs(2);
    Client::from_connector(options, connector)
}

fn shown(authority: &Authority) -> Option<Identity> {
    let (certificate, key) = issue(authority, "client.example");
    Some(Identity {
        cert_pem: certificate.pem().into_bytes(),
        key_pem: key.serialize_pem().into_bytes(),
    })
}

/// What a call comes to: the server knows no method, so UNIMPLEMENTED says that TLS let the call through.
async fn passes(client: &Client) -> bool {
    let error = client.list_clusters().await.unwrap_err();
    let code = error.rejection().map(|rejection| rejection.code);
    assert!(
        code == Some(Code::Unimplemented) || matches!(error, Error::TimedOut { .. }),
        "{error:?}"
    );
    code.is_some()
}

#[tokio::test(start_paused = true)]
async fn both_sides_know_each_other() {
    let ours = authority();
    let tls = TlsOptions {
        ca_pem: Some(ours.pem().into_bytes()),
        identity: shown(&ours),
        server_name: None,
    };
    assert!(passes(&client(&ours, tls.clone()).unwrap()).await);
    let named = TlsOptions {
        server_name: Some("other.example".to_owned()),
        ..tls
    };
    assert!(
        !passes(&client(&ours, named).unwrap()).await,
        "the certificate carries another name"
    );
}

#[tokio::test(start_paused = true)]
async fn strangers_are_not_believed_in_either_direction() {
    let (ours, theirs) = (authority(), authority());
    let theirs_pem = Some(theirs.pem().into_bytes());
    let unknown_daemon = TlsOptions {
        ca_pem: theirs_pem,
        identity: shown(&ours),
        server_name: None,
    };
    assert!(!passes(&client(&ours, unknown_daemon).unwrap()).await);
    let ours_pem = Some(ours.pem().into_bytes());
    let unknown_client = TlsOptions {
        ca_pem: ours_pem.clone(),
        identity: shown(&theirs),
        server_name: None,
    };
    assert!(!passes(&client(&ours, unknown_client).unwrap()).await);
    let nameless_client = TlsOptions {
        ca_pem: ours_pem,
        identity: None,
        server_name: None,
    };
    assert!(!passes(&client(&ours, nameless_client).unwrap()).await);
}

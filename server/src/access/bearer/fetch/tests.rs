use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server of this host.
pub(in super::super) struct Server {
    pub(in super::super) port: u16,
    pub(in super::super) ca: tempfile::NamedTempFile,
    asked: tokio::sync::mpsc::UnboundedReceiver<String>,
}

/// A server that gives everybody one answer, byte for byte.
async fn serve(answer: impl Into<Vec<u8>>) -> Server {
    let answer = answer.into();
    serve_by(move |_port, _head| answer.clone()).await
}

/// A server whose answers depend on its port and the head of the request.
pub(in super::super) async fn serve_by(answer: impl Fn(u16, &str) -> Vec<u8> + Send + 'static) -> Server {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, asked) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (socket, _address) = listener.accept().await.unwrap();
            // A client that trusts somebody else breaks off.
            let Ok(mut stream) = acceptor.accept(socket).await else {
                continue;
            };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let answer = answer(port, &head);
            let _ = heard.send(head);
            // A client that has had enough does not take all of it.
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), authority.pem()).unwrap();
    Server { port, ca, asked }
}

impl Server {
    async fn get(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let fetcher = Fetcher::new(Some(self.ca.path())).unwrap();
        let uri = format!("https://localhost:{}{path}", self.port);
        fetcher.get(&uri.parse().unwrap()).await
    }
}

pub(in super::super) fn answer(status: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_document_is_fetched() {
    let mut server = serve(answer("200 OK", "", b"{}")).await;
    assert_eq!(server.get("/keys?v=1").await.unwrap(), b"{}");
    let asked = server.asked.recv().await.unwrap();
    assert!(asked.starts_with("GET /keys?v=1 HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.contains(&format!("host: localhost:{}\r\n", server.port)),
        "{asked}"
    );
    let most = serve(answer("200 OK", "", &vec![b' '; MOST_BYTES])).await;
    assert_eq!(most.get("/").await.unwrap().len(), MOST_BYTES);
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_the_connection() {
    let server = serve("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"keys\":[]}").await;
    assert_eq!(server.get("/").await.unwrap(), b"{\"keys\":[]}");
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let moved = answer("302 Found", "location: https://localhost/\r\n", b"");
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}".to_vec();
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2 * HEAD_BYTES));
    assert!(matches!(
        serve(moved).await.get("/").await,
        Err(FetchError::Status(StatusCode::FOUND))
    ));
    let large = answer("200 OK", "", &vec![b' '; MOST_BYTES + 1]);
    assert!(matches!(serve(large).await.get("/").await, Err(FetchError::TooLarge)));
    let unsaid = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; MOST_BYTES + 1]].concat();
    assert!(matches!(serve(unsaid).await.get("/").await, Err(FetchError::TooLarge)));
    assert!(serve(cut).await.get("/").await.is_err());
    assert!(matches!(serve(endless).await.get("/").await, Err(FetchError::Http(_))));
    assert!(matches!(
        serve("SSH-2.0\r\n").await.get("/").await,
        Err(FetchError::Http(_))
    ));
}

#[tokio::test]
async fn only_the_server_that_is_meant_is_asked() {
    let (server, other) = (serve(answer("200 OK", "", b"{}")).await, serve("").await);
    let fetcher = Fetcher::new(Some(other.ca.path())).unwrap();
    let get = async |uri: String| fetcher.get(&uri.parse().unwrap()).await;
    let port = server.port;
    assert!(matches!(
        get(format!("https://localhost:{port}/")).await,
        Err(FetchError::Connect(_))
    ));
    assert!(matches!(
        get(format!("http://localhost:{port}/")).await,
        Err(FetchError::NotSecure)
    ));
    assert!(matches!(get("/keys".into()).await, Err(FetchError::NotSecure)));
    let fetcher = Fetcher::new(Some(server.ca.path())).unwrap();
    let by_address = fetcher
        .get(&format!("https://127.0.0.1:{port}/").parse().unwrap())
        .await;
    assert!(
        matches!(by_address, Err(FetchError::Connect(_))),
        "the certificate is of another name"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let server = serve("").await;
    let fetcher = Fetcher::new(Some(server.ca.path())).unwrap();
    tokio::time::pause();
    assert!(matches!(
        fetcher.get(&uri.parse().unwrap()).await,
        Err(FetchError::TooLong)
    ));
}

#[test]
fn authorities_are_in_a_file_or_of_the_system() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(
        Fetcher::new(Some(empty.path())).map(drop),
        Err(FetchError::Authorities { .. })
    ));
}

//! The attackers' side of connections.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wsfc_client::TlsOptions;
use wsfc_tests::http2::{self, Frame, Http2, call_headers, frame};
use wsfc_tests::records::soon;

/// What a call that a viewer may make is named.
pub const READ: &str = "/wsfc.v1.ClusterService/GetHostState";
/// A call whose client goes on as long as it likes.
pub const STREAM: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// How much is written at once.
const BATCH: usize = 16 * 1024;
/// What a flood ends with, so that its answer says that all of it was taken.
const MARK: [u8; 8] = *b"the end.";

/// A message of no bytes, as gRPC frames it.
pub const EMPTY_MESSAGE: [u8; 5] = [0; 5];

/// A call that is whole, of a method that ends at once.
pub fn whole_call(stream: u32) -> Vec<u8> {
    let head = frame(http2::HEADERS, http2::END_HEADERS, stream, &call_headers(READ));
    [head, frame(http2::DATA, http2::END_STREAM, stream, &EMPTY_MESSAGE)].concat()
}

/// The numbers of a client's streams.
pub fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

fn config(tls: &TlsOptions) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(tls.ca_pem.as_ref().unwrap()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(&identity.cert_pem);
            let key = PrivateKeyDer::from_pem_slice(&identity.key_pem).unwrap();
            builder
                .with_client_auth_cert(chain.map(Result::unwrap).collect(), key)
                .unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

fn server_name(tls: &TlsOptions) -> ServerName<'static> {
    tls.server_name.clone().unwrap().try_into().unwrap()
}

/// A TLS connection. With TLS 1.3 a client learns only afterwards that its certificate was refused.
pub async fn connect(address: SocketAddr, tls: &TlsOptions) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    TlsConnector::from(config(tls)).connect(server_name(tls), socket).await
}

/// Whether the daemon speaks HTTP/2 with whoever shows this. With TLS 1.3 a client is through with the handshake before it
/// learns that its certificate was refused.
pub async fn is_spoken_to(address: SocketAddr, tls: &TlsOptions) -> bool {
    let Ok(connection) = connect(address, tls).await else {
        return false;
    };
    let Ok(mut begun) = Http2::begin(connection).await else {
        return false;
    };
    soon("a word or the end", begun.next()).await.is_some()
}

/// What a client says first in a handshake.
pub fn client_hello(tls: &TlsOptions) -> Vec<u8> {
    let mut hello = Vec::new();
    let mut client = ClientConnection::new(config(tls), server_name(tls)).unwrap();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Says something, and waits for what the daemon says to the first stream: a head, or that it is reset. Nothing when the
/// connection ends first.
pub async fn answer<T>(mut connection: Http2<T>, words: &[u8]) -> Option<Frame>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    soon("an answer or the end", async {
        // A connection that is closed meanwhile is what reading tells.
        drop(connection.send_bytes(words).await);
        loop {
            let next = connection.next().await?;
            if next.stream == 1 && matches!(next.kind, http2::HEADERS | http2::RST_STREAM) {
                return Some(next);
            }
        }
    })
    .await
}

/// How a flood ended.
pub struct Flooded {
    /// How many of its parts the connection took.
    pub sent: usize,
    /// What the daemon sent meanwhile.
    pub frames: Vec<Frame>,
    /// Whether the daemon closed the connection, or answered the last part.
    pub is_closed: bool,
}

impl Flooded {
    /// How many streams were answered with a head that begins with the status 200.
    pub fn served(&self) -> usize {
        self.frames.iter().filter(|frame| is_ok(frame)).count()
    }
}

/// Whether a frame is the head of an answer with the status 200, which the static table has at 8 (RFC 7541 A). A change of
/// the table's size may come before it.
pub fn is_ok(frame: &Frame) -> bool {
    let mut block = frame.payload.iter().skip_while(|byte| *byte & 0xE0 == 0x20);
    frame.kind == http2::HEADERS && block.next() == Some(&0x88)
}

impl fmt::Display for Flooded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: BTreeMap<u8, usize> = BTreeMap::new();
        for frame in &self.frames {
            *kinds.entry(frame.kind).or_default() += 1;
        }
        let end = if self.is_closed { "closed" } else { "open" };
        let goaway = self.frames.iter().find_map(Frame::goaway_code);
        write!(
            f,
            "{} sent, {end}, GOAWAY {goaway:?}, answers by kind of frame {kinds:?}",
            self.sent
        )
    }
}

/// Sends as fast as the connection takes it, reads all along, and answers what a living client answers between the parts.
///
/// # Panics
///
/// The daemon neither takes more nor closes the connection.
pub async fn flood<T>(connection: Http2<T>, parts: impl Iterator<Item = Vec<u8>>) -> Flooded
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    flood_with(connection, parts, true).await
}

/// As [`flood`], for parts between which nothing may come, but for the last.
///
/// # Panics
///
/// The daemon neither takes more nor closes the connection.
pub async fn flood_without_a_break<T>(connection: Http2<T>, parts: impl Iterator<Item = Vec<u8>>) -> Flooded
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    flood_with(connection, parts, false).await
}

async fn flood_with<T>(connection: Http2<T>, parts: impl Iterator<Item = Vec<u8>>, answers: bool) -> Flooded
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (mut read, mut write) = connection.split();
    let owed: RefCell<Vec<u8>> = RefCell::default();
    let writing = async {
        let mut sent = 0;
        let mut batch = Vec::new();
        for part in parts {
            batch.extend(part);
            sent += 1;
            if batch.len() >= BATCH {
                if answers {
                    batch.append(&mut owed.borrow_mut());
                }
                if write.send_bytes(&batch).await.is_err() {
                    return sent;
                }
                batch.clear();
            }
        }
        batch.extend(frame(http2::PING, 0, 0, &MARK));
        // A connection that is closed meanwhile is what the reader sees.
        drop(write.send_bytes(&batch).await);
        sent
    };
    let reading = async {
        let mut frames = Vec::new();
        while let Some(next) = read.next().await {
            match (next.kind, next.flags & http2::ACK) {
                (http2::PING, http2::ACK) if next.payload == MARK => return (frames, false),
                (http2::PING | http2::SETTINGS, 0) => {
                    let payload = if next.kind == http2::PING { &*next.payload } else { &[] };
                    owed.borrow_mut().extend(frame(next.kind, http2::ACK, 0, payload));
                }
                _ => {}
            }
            frames.push(next);
        }
        (frames, true)
    };
    let (sent, (frames, is_closed)) = soon("the end of a flood", async { tokio::join!(writing, reading) }).await;
    Flooded {
        sent,
        frames,
        is_closed,
    }
}

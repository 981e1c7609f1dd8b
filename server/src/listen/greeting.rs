//! From a socket that was accepted to a connection that speaks HTTP/2, by a known peer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection::{Accepted, Begun, Bytes, Peer};
use super::counters::Count;
use super::refusals::Refusals;
use super::registry::{Connections, Guest};
use super::tls::Secured;
use crate::settings::Limits;
use crate::settings::current::Current;

/// What an HTTP/2 client begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that is to be served.
pub(super) struct Greeted {
    pub(super) bytes: Begun,
    pub(super) peer: Peer,
    pub(super) guest: Guest,
}

/// Shakes hands, waits for the client's first bytes, and takes a place. Strangers must not fill the log, so what fails is
/// counted, and logged at the level `debug` alone.
pub(super) async fn greet(
    accepted: Accepted,
    tls: Option<&Current<Secured>>,
    limits: &Limits,
    refusals: &Refusals,
) -> Option<Greeted> {
    let Accepted {
        open,
        address,
        secured,
        peer,
        mut guest,
    } = accepted;
    let connections = guest.connections().clone();
    let greeting = async {
        let transport = open()
            .inspect_err(|error| tracing::debug!(%error, ?address, "A connection was gone at once"))
            .ok()?;
        let (mut bytes, peer, proof) = match tls.filter(|_| secured) {
            None => (Bytes::Plain(transport), peer, None),
            Some(tls) => {
                // What a connection is secured with is what the files held when it came.
                let used = tls.get();
                let acceptor = TlsAcceptor::from(Arc::clone(used.config()));
                let accepted = timeout(limits.handshake, acceptor.accept(transport)).await;
                let stream = match accepted {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, ?address, "A handshake failed");
                        connections.count(Count::HandshakeFailed);
                        if let Some(address) = address {
                            refusals.count(address, &error);
                        }
                        return None;
                    }
                    Err(_elapsed) => {
                        tracing::debug!(?address, "A handshake took too long");
                        connections.count(Count::HandshakeLate);
                        return None;
                    }
                };
                let shown: Arc<[CertificateDer<'static>]> = match stream.get_ref().1.peer_certificates() {
                    Some(shown) => shown.iter().map(|one| one.clone().into_owned()).collect(),
                    None => Arc::default(),
                };
                let peer = Peer::secured(address, shown.first().map(AsRef::as_ref));
                (Bytes::Tls(Box::new(stream)), peer, Some((used, shown)))
            }
        };
        await_preface(&mut bytes, limits.first_bytes, &connections).await?;
        Some((bytes, peer, proof))
    };
    let (bytes, peer, proof) = tokio::select! {
        greeted = greeting => greeted?,
        // Whatever it is told: it has no calls.
        _ending = guest.told() => return None,
    };
    let (used, shown) = proof.map_or((None, Arc::default()), |(used, shown)| (Some(used), shown));
    if let Err(count) = guest.settle(&peer, Arc::clone(&shown)) {
        tracing::debug!(?address, refused = count.name(), "There is no place for a connection");
        return None;
    }
    // From here on the connection is found when certificates are looked at again. If that was while it shook hands, it is
    // looked at here.
    if let (Some(tls), Some(used)) = (tls, used)
        && !Arc::ptr_eq(&tls.get(), &used)
        && tls.get().refuses(&shown)
    {
        tracing::debug!(?address, "A certificate was revoked while its client shook hands");
        connections.count(Count::Cut);
        return None;
    }
    Some(Greeted {
        bytes: Begun::new(bytes, PREFACE),
        peer,
        guest,
    })
}

async fn await_preface(bytes: &mut Bytes, patience: Duration, connections: &Connections) -> Option<()> {
    let counted = match timeout(patience, read_preface(bytes)).await {
        Ok(Ok(true)) => return Some(()),
        Ok(Ok(false)) => Count::NotHttp2,
        Ok(Err(_gone)) => Count::Broken,
        Err(_elapsed) => Count::Silent,
    };
    connections.count(counted);
    None
}

/// Whether the client begins with HTTP/2. What begins otherwise is known by its first byte that differs.
async fn read_preface(bytes: &mut Bytes) -> io::Result<bool> {
    let mut buffer = [0; PREFACE.len()];
    let mut length = 0;
    while length < buffer.len() {
        let read = bytes.read(&mut buffer[length..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += read;
        if buffer[..length] != PREFACE[..length] {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reads(text: &'static [u8]) -> Option<bool> {
        let transport = tokio::io::join(text, tokio::io::sink());
        read_preface(&mut Bytes::Plain(Box::new(transport))).await.ok()
    }

    #[tokio::test]
    async fn only_http2_begins_as_http2() {
        assert_eq!(reads(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, Some(true));
        assert_eq!(reads(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more").await, Some(true));
        assert_eq!(reads(b"GET / HTTP/1.1\r\n").await, Some(false));
        assert_eq!(reads(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r ").await, Some(false));
        assert_eq!(reads(b"PRI * HTTP").await, None);
        assert_eq!(reads(b"").await, None);
    }
}

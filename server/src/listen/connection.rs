//! A connection, and who is at its other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tonic::transport::server::Connected;

/// What a connection's bytes run over: a plain socket, TLS, or the network of the deterministic simulation.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address that the connection came from; absent in simulations.
    pub address: Option<SocketAddr>,
    /// The SHA-256 of the client's certificate, when it showed one that was verified.
    pub certificate: Option<[u8; 32]>,
}

impl Peer {
    /// A peer without a certificate.
    pub fn plain(address: Option<SocketAddr>) -> Self {
        Self {
            address,
            certificate: None,
        }
    }

    /// A peer whose certificate was verified.
    pub fn with_certificate(address: Option<SocketAddr>, der: &[u8]) -> Self {
        Self {
            address,
            certificate: Some(Sha256::digest(der).into()),
        }
    }

    /// The name that operations are recorded under: see `Operation.principal` of the contract.
    pub fn principal(&self) -> String {
        let is_local = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        match &self.certificate {
            Some(digest) => digest
                .iter()
                .fold(String::from("cert:"), |text, byte| text + &format!("{byte:02x}")),
            None if self.address.is_some_and(is_local) => String::from("local"),
            None => String::from("anonymous"),
        }
    }
}

/// An accepted connection.
pub struct Connection {
    transport: Box<dyn Transport>,
    peer: Peer,
    /// Its place among the connections that are allowed; given back when it closes.
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Wraps a transport whose handshake is done.
    pub fn new(transport: impl Transport + 'static, peer: Peer, place: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            transport: Box::new(transport),
            peer,
            _place: place,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::Peer;

    #[test]
    fn without_a_certificate_only_the_host_itself_has_a_name() {
        for (address, principal) in [
            ("127.0.0.1:50000", "local"),
            ("[::1]:50000", "local"),
            ("[::ffff:127.0.0.1]:50000", "local"),
            ("10.0.0.1:50000", "anonymous"),
            ("[2001:db8::1]:50000", "anonymous"),
        ] {
            let peer = Peer::plain(Some(address.parse().unwrap()));
            assert_eq!(peer.principal(), principal, "{address}");
        }
        assert_eq!(Peer::plain(None).principal(), "anonymous");
    }

    #[test]
    fn principals_tell_certificates_apart() {
        let one = Peer::with_certificate(None, b"one").principal();
        assert_eq!(one.len(), "cert:".len() + 64);
        assert_ne!(one, Peer::with_certificate(None, b"two").principal());
    }
}

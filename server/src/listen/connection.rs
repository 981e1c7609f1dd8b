//! A connection, and who is at its other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::registry::Guest;

/// What a connection's bytes run over: a socket, a pipe, or the network of the deterministic simulation.
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

    /// Whether its handshake does not show who it is.
    pub fn is_stranger(&self) -> bool {
        self.certificate.is_none()
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

/// Opens a transport on the thread that serves it: what a runtime knows of a socket cannot change its thread.
type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Transport>> + Send>;

/// A connection that was accepted, on its way to the thread that serves it.
pub struct Accepted {
    pub(super) open: Open,
    pub(super) address: Option<SocketAddr>,
    pub(super) secured: bool,
    pub(super) peer: Peer,
    pub(super) guest: Guest,
}

impl Accepted {
    /// A connection with no handshake before HTTP/2; who is at its other end is known.
    pub fn plain<T: Transport + 'static>(
        open: impl FnOnce() -> io::Result<T> + Send + 'static,
        peer: Peer,
        guest: Guest,
    ) -> Self {
        Self {
            open: Box::new(move || Ok(Box::new(open()?))),
            address: peer.address,
            secured: false,
            peer,
            guest,
        }
    }

    /// The same, secured by TLS if the daemon has a certificate; its handshake tells who is at the other end.
    #[must_use]
    pub fn secured(self) -> Self {
        Self { secured: true, ..self }
    }
}

/// The bytes of a connection, secured or not.
pub(super) enum Bytes {
    Plain(Box<dyn Transport>),
    Tls(Box<TlsStream<Box<dyn Transport>>>),
}

/// A connection whose first bytes were read to see what they are; they are read again.
pub(super) struct Begun {
    bytes: Bytes,
    first: &'static [u8],
}

impl Begun {
    /// `first` was read.
    pub(super) fn new(bytes: Bytes, first: &'static [u8]) -> Self {
        Self { bytes, first }
    }
}

impl Bytes {
    fn as_pin(&mut self) -> Pin<&mut dyn Transport> {
        match self {
            Self::Plain(transport) => Pin::new(&mut **transport),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

impl AsyncRead for Bytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.as_pin().poll_read(cx, buf)
    }
}

impl AsyncRead for Begun {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return self.bytes.as_pin().poll_read(cx, buf);
        }
        let (now, later) = self.first.split_at(self.first.len().min(buf.remaining()));
        buf.put_slice(now);
        self.first = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.bytes.as_pin().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes.as_pin().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes.as_pin().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.bytes.as_pin().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(transport) => transport.is_write_vectored(),
            Bytes::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

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

    #[tokio::test]
    async fn first_bytes_are_read_again_however_small_the_buffer() {
        let transport = tokio::io::join(&b"later"[..], tokio::io::sink());
        let mut begun = Begun::new(Bytes::Plain(Box::new(transport)), b"first ");
        let mut all = Vec::new();
        let mut buffer = [0; 4];
        loop {
            let read = begun.read(&mut buffer).await.unwrap();
            if read == 0 {
                break;
            }
            all.extend_from_slice(&buffer[..read]);
        }
        assert_eq!(all, b"first later");
    }
}

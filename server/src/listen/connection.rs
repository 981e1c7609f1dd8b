//! A connection, and who is at its other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::registry::Guest;
use crate::access::certificate::ClientCertificate;

/// What a connection's bytes run over: a socket, a pipe, or the network of the deterministic simulation.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// What a connection runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Bytes that whoever is on the way can read and change.
    Plain,
    /// TLS.
    Tls,
    /// A socket or pipe of the host.
    Local,
}

/// An account of the daemon's host, as the operating system says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalUser {
    /// Its name.
    pub name: String,
    /// Whether it administers the host, or is the daemon's own.
    pub administrator: bool,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address that the connection came from; absent in simulations, and for local ones.
    pub address: Option<SocketAddr>,
    /// What the connection runs over.
    pub medium: Medium,
    /// The client's certificate, when it showed one that was verified.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The account, when the operating system told it.
    pub user: Option<LocalUser>,
}

impl Peer {
    /// A peer without anything.
    pub fn plain(address: Option<SocketAddr>) -> Self {
        Self {
            address,
            medium: Medium::Plain,
            certificate: None,
            user: None,
        }
    }

    /// A peer over TLS, with its certificate if it was verified.
    pub fn secured(address: Option<SocketAddr>, certificate: Option<&[u8]>) -> Self {
        Self {
            medium: Medium::Tls,
            certificate: certificate.map(|der| Arc::new(ClientCertificate::of_der(der))),
            ..Self::plain(address)
        }
    }

    /// An account of the host, by a socket or pipe of it.
    pub fn local(user: LocalUser) -> Self {
        Self {
            medium: Medium::Local,
            user: Some(user),
            ..Self::plain(None)
        }
    }

    /// Whether its handshake does not show who it is.
    pub fn is_stranger(&self) -> bool {
        self.certificate.is_none() && self.user.is_none()
    }

    /// Whether it is on the daemon's own host.
    pub fn is_from_this_host(&self) -> bool {
        let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        self.medium == Medium::Local || self.address.is_some_and(loopback)
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

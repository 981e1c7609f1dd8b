//! A connection, and who is at its other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tonic::transport::server::Connected;

use crate::access::certificate::ClientCertificate;

/// What a connection's bytes run over: a plain socket, TLS, or the network of the deterministic simulation.
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
    pub fn secured(address: SocketAddr, certificate: Option<&[u8]>) -> Self {
        Self {
            medium: Medium::Tls,
            certificate: certificate.map(|der| Arc::new(ClientCertificate::of_der(der))),
            ..Self::plain(Some(address))
        }
    }

    /// Whether it is on the daemon's own host.
    pub fn is_from_this_host(&self) -> bool {
        let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        self.medium == Medium::Local || self.address.is_some_and(loopback)
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

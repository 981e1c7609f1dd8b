//! Sockets: accepting, handshakes, and the threads that serve connections.
//!
//! Each connection lives on one thread with a runtime of its own, so that all its streams write together (one dispatcher
//! wakes them in one go, then the connection writes once). The acceptor deals connections out in turn.

pub mod connection;
pub mod refusals;
pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tower::util::MapResponseLayer;

use self::connection::{Connection, Peer};
use self::refusals::Refusals;
use crate::access::layer::AccessLayer;
use crate::grpc::complete::complete;
use crate::settings::current::Current;
use crate::settings::{Limits, Settings};

/// Connections that wait for their serving thread before the acceptor pauses.
const BACKLOG: usize = 256;

/// A socket that was accepted, on its way to the thread that serves it.
pub struct Accepted {
    socket: std::net::TcpStream,
    address: SocketAddr,
    place: OwnedSemaphorePermit,
}

/// Accepts connections until told to stop, and deals them out to the serving threads in turn.
pub async fn accept(listener: TcpListener, serving: Vec<mpsc::Sender<Accepted>>, most: usize, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(most));
    let mut turn = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept_one(&listener, &places) => accepted,
        };
        let Some(accepted) = accepted else { continue };
        turn = (turn + 1) % serving.len();
        if serving[turn].send(accepted).await.is_err() {
            tracing::error!("A serving thread has ended; the daemon stops accepting");
            return;
        }
    }
}

async fn accept_one(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    let (socket, address) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            // Out of descriptors, or a peer that was gone at once: go on, but not in a tight loop.
            tracing::warn!(%error, "A connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            return None;
        }
    };
    match socket.set_nodelay(true).and_then(|()| socket.into_std()) {
        Ok(socket) => Some(Accepted { socket, address, place }),
        Err(error) => {
            tracing::debug!(%error, %address, "A connection was gone at once");
            None
        }
    }
}

/// Turns accepted sockets into connections on the thread that serves them; handshakes run side by side.
pub fn connections(
    mut accepted: mpsc::Receiver<Accepted>,
    tls: Option<Current<ServerConfig>>,
    settings: Current<Settings>,
    refusals: Refusals,
) -> impl Stream<Item = std::io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        while let Some(next) = accepted.recv().await {
            let (ready, refusals) = (ready.clone(), refusals.clone());
            // What a connection is secured with is what the files held when it came.
            let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(tls.get()));
            let handshake = settings.get().limits.handshake;
            tokio::spawn(async move {
                let address = next.address;
                match tokio::time::timeout(handshake, establish(next, acceptor)).await {
                    // The server is stopping when nobody takes the connection.
                    Ok(Ok(connection)) => drop(ready.send(Ok(connection)).await),
                    // Strangers must not fill the log, so these are not in it unless asked for; refused clients are
                    // counted and reported once in a while.
                    Ok(Err(error)) => {
                        tracing::debug!(%error, %address, "A handshake failed");
                        refusals.count(address, &error);
                    }
                    Err(_elapsed) => tracing::debug!(%address, "A handshake took too long"),
                }
            });
        }
    });
    ReceiverStream::new(connections)
}

async fn establish(accepted: Accepted, acceptor: Option<TlsAcceptor>) -> std::io::Result<Connection> {
    let Accepted { socket, address, place } = accepted;
    let socket = tokio::net::TcpStream::from_std(socket)?;
    let Some(acceptor) = acceptor else {
        return Ok(Connection::new(socket, Peer::plain(Some(address)), Some(place)));
    };
    let stream = acceptor.accept(socket).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let peer = Peer::secured(address, certificate.map(AsRef::as_ref));
    Ok(Connection::new(stream, peer, Some(place)))
}

/// A channel to one serving thread.
pub fn channel() -> (mpsc::Sender<Accepted>, mpsc::Receiver<Accepted>) {
    mpsc::channel(BACKLOG)
}

/// Serves connections with the given routes, behind the layer that decides each call, until told to stop and every connection has ended.
///
/// # Errors
///
/// What the transport reports when it cannot go on.
pub async fn serve(
    routes: Routes,
    access: AccessLayer,
    connections: impl Stream<Item = std::io::Result<Connection>>,
    limits: &Limits,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .max_concurrent_streams(limits.streams_per_connection)
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .http2_max_header_list_size(16 * 1024)
        .layer(access)
        .layer(MapResponseLayer::new(complete::<Body>))
        .add_routes(routes)
        .serve_with_incoming_shutdown(connections, stop.cancelled_owned())
        .await
}

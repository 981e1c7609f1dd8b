//! Accepting: each socket is taken off the system's hands at once, refused or dealt out to a serving thread.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Accepted, Peer};
use super::counters::Count;
use super::places::Origin;
use super::registry::Connections;

/// Connections that wait for their serving thread before the acceptor pauses.
const BACKLOG: usize = 256;

/// The shortest time between two warnings.
const PAUSE: Duration = Duration::from_secs(60);

/// A channel to one serving thread.
pub fn channel() -> (mpsc::Sender<Accepted>, mpsc::Receiver<Accepted>) {
    mpsc::channel(BACKLOG)
}

/// Accepts connections until told to stop, and deals them out to the serving threads in turn.
pub async fn accept(
    listener: TcpListener,
    serving: Vec<mpsc::Sender<Accepted>>,
    connections: Connections,
    stop: CancellationToken,
) {
    let mut turn = 0;
    let mut failures = Failures::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept_one(&listener, &connections, &mut failures) => accepted,
        };
        let Some(accepted) = accepted else { continue };
        turn = (turn + 1) % serving.len();
        if serving[turn].send(accepted).await.is_err() {
            tracing::error!("A serving thread has ended; the daemon stops accepting");
            return;
        }
    }
}

/// Tells of failures to accept, which strangers can bring about, once a minute at most.
#[derive(Default)]
struct Failures(Option<Instant>);

impl Failures {
    fn tell(&mut self, error: &std::io::Error) {
        let now = Instant::now();
        if self.0.is_none_or(|last| now - last >= PAUSE) {
            self.0 = Some(now);
            tracing::warn!(%error, "A connection could not be accepted");
        }
    }
}

async fn accept_one(listener: &TcpListener, connections: &Connections, failures: &mut Failures) -> Option<Accepted> {
    let (socket, address) = match listener.accept().await {
        Ok(accepted) => accepted,
        Err(error) => {
            connections.count(Count::NotAccepted);
            failures.tell(&error);
            // Out of descriptors, or a peer that was gone at once: go on, but not in a tight loop. Whoever holds a
            // descriptor for nothing gives it back.
            connections.shed();
            tokio::time::sleep(Duration::from_millis(50)).await;
            return None;
        }
    };
    let guest = connections
        .arrive(Origin::of(address.ip()))
        .inspect_err(|refused| tracing::debug!(%address, refused = refused.name(), "A connection was refused"))
        .ok()?;
    let (socket, peer) = known(socket, address)
        .inspect_err(|error| tracing::debug!(%error, %address, "A connection was gone at once"))
        .ok()?;
    Some(Accepted::plain(move || TcpStream::from_std(socket), peer, guest).secured())
}

fn known(socket: TcpStream, address: SocketAddr) -> std::io::Result<(std::net::TcpStream, Peer)> {
    socket.set_nodelay(true)?;
    Ok((socket.into_std()?, Peer::plain(Some(address))))
}

//! A TCP path between a client and a daemon that a test can cut, stall and mend.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A proxy on a loopback port of its own. It ends with its last connection when it is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    control: Arc<Control>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Control {
    state: watch::Sender<State>,
    accepted: watch::Sender<u64>,
}

#[derive(Debug, Clone)]
struct State {
    daemon: SocketAddr,
    /// How often the wire was cut; a connection ends when it sees the number rise.
    cuts: u64,
    /// The last cut drops what is under way, as a host that dies does.
    abrupt: bool,
    refusing: bool,
    stalled: bool,
    /// How many more bytes the daemon may send before the wire is cut.
    budget: Option<usize>,
}

impl Wire {
    /// Opens a wire to a daemon.
    ///
    /// # Errors
    ///
    /// No loopback port could be bound.
    pub async fn to(daemon: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = State {
            daemon,
            cuts: 0,
            abrupt: false,
            refusing: false,
            stalled: false,
            budget: None,
        };
        let control = Arc::new(Control {
            state: watch::Sender::new(state),
            accepted: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&control)));
        Ok(Self {
            address,
            control,
            accepting,
        })
    }

    /// The end that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections to another daemon.
    pub fn retarget(&self, daemon: SocketAddr) {
        self.control.state.send_modify(|state| state.daemon = daemon);
    }

    /// Cuts every connection, with loss of what is under way. New ones get through.
    pub fn cut(&self) {
        self.control.cut(true);
    }

    /// Cuts every connection as soon as the daemon has sent this many more bytes, which still arrive. New ones get
    /// through.
    pub fn cut_after(&self, bytes: usize) {
        self.control.state.send_modify(|state| state.budget = Some(bytes));
    }

    /// Cuts every connection and closes each new one at once, until [`Wire::mend`].
    pub fn sever(&self) {
        self.control.state.send_modify(|state| state.refusing = true);
        self.control.cut(true);
    }

    /// Stops the flow of bytes in both directions and leaves the connections open, until [`Wire::mend`].
    pub fn stall(&self) {
        self.control.state.send_modify(|state| state.stalled = true);
    }

    /// Ends [`Wire::sever`], [`Wire::stall`] and [`Wire::cut_after`].
    pub fn mend(&self) {
        self.control.state.send_modify(|state| {
            state.refusing = false;
            state.stalled = false;
            state.budget = None;
        });
    }

    /// How many connections were accepted so far, those that were refused included.
    pub fn accepted(&self) -> u64 {
        *self.control.accepted.borrow()
    }

    /// Waits until this many connections were accepted in all.
    pub async fn wait_accepted(&self, connections: u64) {
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(
            self.control
                .accepted
                .subscribe()
                .wait_for(|accepted| *accepted >= connections)
                .await,
        );
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Control {
    fn cut(&self, abrupt: bool) {
        self.state.send_modify(|state| {
            state.cuts += 1;
            state.abrupt = abrupt;
            state.budget = None;
        });
    }

    /// Takes up to `wanted` bytes from what the daemon may still send.
    fn allow(&self, wanted: usize) -> usize {
        let mut allowed = wanted;
        self.state.send_if_modified(|state| {
            if let Some(budget) = &mut state.budget {
                allowed = wanted.min(*budget);
                *budget -= allowed;
            }
            false
        });
        allowed
    }

    fn spent(&self) -> bool {
        self.state.borrow().budget == Some(0)
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    // The connections are children of this task: aborting it ends them.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        control.accepted.send_modify(|accepted| *accepted += 1);
        if !control.state.borrow().refusing {
            connections.spawn(carry(client, Arc::clone(&control)));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, control: Arc<Control>) {
    let mut state = control.state.subscribe();
    let State { daemon, cuts: born, .. } = state.borrow().clone();
    let Ok(daemon) = TcpStream::connect(daemon).await else {
        return;
    };
    if client
        .set_nodelay(true)
        .and_then(|()| daemon.set_nodelay(true))
        .is_err()
    {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_daemon, to_daemon) = daemon.into_split();
    let mut up = Pump {
        from: from_client,
        to: to_daemon,
        control: Arc::clone(&control),
        metered: false,
    };
    let mut down = Pump {
        from: from_daemon,
        to: to_client,
        control: Arc::clone(&control),
        metered: true,
    };
    let abrupt = tokio::select! {
        cut = state.wait_for(|state| state.cuts != born) => cut.is_ok_and(|state| state.abrupt),
        _ended = up.run() => false,
        _ended = down.run() => false,
    };
    if abrupt {
        // A reset instead of an orderly end; a connection that is gone already needs none.
        drop(up.to.as_ref().set_zero_linger());
        drop(down.to.as_ref().set_zero_linger());
    }
}

struct Pump {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    control: Arc<Control>,
    metered: bool,
}

impl Pump {
    async fn run(&mut self) -> io::Result<()> {
        let mut state = self.control.state.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = self.from.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            // The control outlives its pumps, so waiting cannot fail.
            drop(state.wait_for(|state| !state.stalled).await);
            let allowed = if self.metered { self.control.allow(read) } else { read };
            self.to.write_all(&buffer[..allowed]).await?;
            if self.metered && self.control.spent() {
                self.control.cut(false);
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that sends back whatever it gets, and a wire to it.
    async fn echo() -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = socket.into_split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        Wire::to(address).await.unwrap()
    }

    async fn round_trip(socket: &mut TcpStream, text: &[u8]) -> io::Result<()> {
        socket.write_all(text).await?;
        let mut back = vec![0; text.len()];
        socket.read_exact(&mut back).await?;
        assert_eq!(back, text);
        Ok(())
    }

    #[tokio::test]
    async fn a_cut_ends_connections_and_lets_new_ones_through() {
        let wire = echo().await;
        let mut socket = TcpStream::connect(wire.address()).await.unwrap();
        round_trip(&mut socket, b"before").await.unwrap();
        wire.cut();
        assert!(matches!(socket.read(&mut [0]).await, Ok(0) | Err(_)));
        let mut socket = TcpStream::connect(wire.address()).await.unwrap();
        round_trip(&mut socket, b"after").await.unwrap();
        assert_eq!(wire.accepted(), 2);
    }

    #[tokio::test]
    async fn a_severed_wire_refuses_until_mended() {
        let wire = echo().await;
        wire.sever();
        let mut socket = TcpStream::connect(wire.address()).await.unwrap();
        assert!(matches!(socket.read(&mut [0]).await, Ok(0) | Err(_)));
        wire.mend();
        let mut socket = TcpStream::connect(wire.address()).await.unwrap();
        round_trip(&mut socket, b"mended").await.unwrap();
    }

    #[tokio::test]
    async fn a_stalled_wire_delivers_late_and_whole() {
        let wire = echo().await;
        let mut socket = TcpStream::connect(wire.address()).await.unwrap();
        round_trip(&mut socket, b"first").await.unwrap();
        wire.stall();
        socket.write_all(b"second").await.unwrap();
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), socket.peek(&mut [0])).await;
        assert!(early.is_err(), "bytes came over a stalled wire");
        wire.mend();
        let mut back = [0; 6];
        socket.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"second");
    }

    #[tokio::test]
    async fn a_budget_delivers_exactly_that_many_bytes() {
        let wire = echo().await;
        let mut socket = TcpStream::connect(wire.address()).await.unwrap();
        wire.cut_after(4);
        socket.write_all(b"abcdefgh").await.unwrap();
        let mut back = Vec::new();
        socket.read_to_end(&mut back).await.ok();
        assert_eq!(back, b"abcd");
        let mut socket = TcpStream::connect(wire.address()).await.unwrap();
        round_trip(&mut socket, b"a budget is spent once").await.unwrap();
    }
}

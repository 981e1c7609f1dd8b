//! The end that steers.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Answer, Answered, Asked, Hello, PATIENCE, Request, check_loopback, milliseconds, read_line, write_line};
use crate::control::{ConnectionEvent, Point};
use crate::fault::Fault;
use crate::incident::Incident;

/// Steers the simulation of another process. Clones share it.
///
/// Its methods are those of [`Simulation`](crate::Simulation), with these differences: they wait up to 30 seconds until
/// a simulated process is connected, and they can fail. [`RemoteControl::hold`] and the releases need no process; what
/// is held is told to each process before its first call. Counts are those of the process that is connected.
#[derive(Debug, Clone)]
pub struct RemoteControl {
    listening: Arc<Listening>,
}

/// Why a remote simulation could not be steered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// No simulated process came.
    #[error("no simulated process has connected to {address} for {} seconds", PATIENCE.as_secs())]
    NotConnected {
        /// Where it should have connected to.
        address: SocketAddr,
        /// How the last one that tried failed.
        source: Option<Arc<io::Error>>,
    },
    /// The connection ended before the answer.
    #[error("the simulated process has gone before it answered")]
    Gone,
    /// The process is there and does not answer.
    #[error("the simulated process does not answer")]
    NoAnswer,
    /// The request could not be sent.
    #[error("the request cannot be sent to the simulated process")]
    Send(#[source] io::Error),
    /// The request was refused, for example a fault that contradicts itself.
    #[error("the simulated process refuses: {problem}")]
    Refused {
        /// What the process says.
        problem: String,
    },
    /// The answer has another form than the protocol says.
    #[error("the answer of the simulated process cannot be read")]
    Answer(#[source] serde_json::Error),
}

/// What all clones share. Its end is the end of the thread that listens.
#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    line: Arc<Line>,
    /// False when the process listens and this end came to it.
    accepts: bool,
}

/// The connection to the simulated process, when there is one.
#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    /// Woken when a process has connected.
    connected: Condvar,
}

#[derive(Debug, Default)]
struct State {
    process: Option<TcpStream>,
    /// What the next process is told to hold.
    holds: Vec<Point>,
    waiting: HashMap<u64, mpsc::Sender<Answer>>,
    last_id: u64,
    last_failure: Option<Arc<io::Error>>,
    ended: bool,
}

impl RemoteControl {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    ///
    /// No port, or no thread.
    pub fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let line = Arc::<Line>::default();
        let listening = Arc::new(Listening {
            address,
            line: Arc::clone(&line),
            accepts: true,
        });
        thread::Builder::new()
            .name("sim-remote-control".into())
            .spawn(move || line.listen(&listener))?;
        Ok(Self { listening })
    }

    /// Comes to a simulated process that [listens](super::listen). When that process goes, this control is of no more
    /// use.
    ///
    /// # Errors
    ///
    /// An address that is no loopback address, nobody there, or no thread.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        check_loopback(address)?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        let line = Arc::<Line>::default();
        let listening = Arc::new(Listening {
            address,
            line: Arc::clone(&line),
            accepts: false,
        });
        thread::Builder::new()
            .name("sim-remote-control".into())
            .spawn(move || line.end(line.carry(stream)))?;
        Ok(Self { listening })
    }

    /// Where the simulated process must connect to, or where it was come to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Whether a simulated process is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.line().lock().process.is_some()
    }

    /// How often a C function was called in the process that is connected.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn calls(&self, function: &str) -> Result<u64, RemoteError> {
        self.ask(Request::Calls {
            function: function.into(),
        })
    }

    /// How often each C function was called in the process that is connected, by name; those that were not are absent.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn call_counts(&self) -> Result<BTreeMap<String, u64>, RemoteError> {
        self.ask(Request::CallCounts)
    }

    /// From now on calls stop at the point until it is released, in this process and those that follow it.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn hold(&self, point: Point) -> Result<(), RemoteError> {
        let mut state = self.line().lock();
        state.holds.push(point.clone());
        self.tell(state, Request::Hold { point })
    }

    /// Lets calls at the point go on, those that a `hang` fault stopped too.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn release(&self, point: &Point) -> Result<(), RemoteError> {
        let mut state = self.line().lock();
        state.holds.retain(|hold| !(point.covers(hold) || hold.covers(point)));
        self.tell(state, Request::Release { point: point.clone() })
    }

    /// Lets every stopped call go on.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn release_all(&self) -> Result<(), RemoteError> {
        let mut state = self.line().lock();
        state.holds.clear();
        self.tell(state, Request::ReleaseAll)
    }

    /// Waits until a call is stopped at the point; false when `timeout` of real time is over first.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn wait_held(&self, point: &Point, timeout: Duration) -> Result<bool, RemoteError> {
        self.ask_within(
            Request::WaitHeld {
                point: point.clone(),
                timeout_ms: milliseconds(timeout),
            },
            timeout.saturating_add(PATIENCE),
        )
    }

    /// Waits until calls have come to the point `times` times since the process began; false when `timeout` of real time
    /// is over first.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn wait_reached(&self, point: &Point, times: u64, timeout: Duration) -> Result<bool, RemoteError> {
        self.ask_within(
            Request::WaitReached {
                point: point.clone(),
                times,
                timeout_ms: milliseconds(timeout),
            },
            timeout.saturating_add(PATIENCE),
        )
    }

    /// How often calls have come to the point in the process that is connected.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn reached(&self, point: &Point) -> Result<u64, RemoteError> {
        self.ask(Request::Reached { point: point.clone() })
    }

    /// Adds a fault.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`]; a fault that contradicts itself is refused.
    pub fn inject(&self, fault: Fault) -> Result<(), RemoteError> {
        self.ask(Request::Inject { fault: Box::new(fault) })
    }

    /// Removes all faults, those of the scenario too.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn clear_faults(&self) -> Result<(), RemoteError> {
        self.ask(Request::ClearFaults)
    }

    /// Makes a machine answer or not; false when there is no such machine.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn set_reachable(&self, machine: &str, reachable: bool) -> Result<bool, RemoteError> {
        self.ask(Request::SetReachable {
            machine: machine.into(),
            reachable,
        })
    }

    /// Starts or stops the cluster service of a machine; false when there is no such machine.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn set_service(&self, machine: &str, running: bool) -> Result<bool, RemoteError> {
        self.ask(Request::SetService {
            machine: machine.into(),
            running,
        })
    }

    /// Clears the cluster configuration of a machine; false when there is no such machine.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn clear_node(&self, machine: &str) -> Result<bool, RemoteError> {
        self.ask(Request::ClearNode {
            machine: machine.into(),
        })
    }

    /// Lets an incident happen in the world of the process that is connected.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`]; an incident that names what is not there is refused.
    pub fn happen(&self, incident: Incident) -> Result<(), RemoteError> {
        self.ask(Request::Happen { incident })
    }

    /// Moves simulated time to the next thing that is due; false when nothing is.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn step(&self) -> Result<bool, RemoteError> {
        self.ask(Request::Step)
    }

    /// Checks what must be true of a world at any time.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`]; a world that contradicts itself is a refusal that says how.
    pub fn consistency(&self) -> Result<(), RemoteError> {
        self.ask(Request::Consistency)
    }

    /// Breaks the RPC connections of the process that is connected.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn break_connections(&self) -> Result<(), RemoteError> {
        self.ask(Request::BreakConnections)
    }

    /// Restores the RPC connections.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn restore_connections(&self) -> Result<(), RemoteError> {
        self.ask(Request::RestoreConnections)
    }

    /// Sends an event about the connection to the ports of every cluster that filter for it.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn send(&self, event: ConnectionEvent) -> Result<(), RemoteError> {
        self.ask(Request::Send { event })
    }

    /// Moves simulated time on by hand, in whole milliseconds.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn advance(&self, simulated: Duration) -> Result<(), RemoteError> {
        self.ask(Request::Advance {
            simulated_ms: milliseconds(simulated),
        })
    }

    /// Simulated time since the world began.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn now(&self) -> Result<Duration, RemoteError> {
        self.ask(Request::Now).map(Duration::from_millis)
    }

    /// The last failure to save the world, once, with its causes.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn take_save_error(&self) -> Result<Option<String>, RemoteError> {
        self.ask(Request::TakeSaveError)
    }

    /// Ends all waits: calls that wait, and all later ones of the process that is connected, fail with 1115.
    ///
    /// # Errors
    ///
    /// See [`RemoteError`].
    pub fn shutdown(&self) -> Result<(), RemoteError> {
        self.ask(Request::Shutdown)
    }

    fn line(&self) -> &Line {
        &self.listening.line
    }

    fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T, RemoteError> {
        self.ask_within(request, PATIENCE)
    }

    fn ask_within<T: DeserializeOwned>(&self, request: Request, patience: Duration) -> Result<T, RemoteError> {
        let line = self.line();
        let (mut state, _timed_out) = line
            .connected
            .wait_timeout_while(line.lock(), PATIENCE, |state| state.process.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        if state.process.is_none() {
            return Err(RemoteError::NotConnected {
                address: self.address(),
                source: state.last_failure.clone(),
            });
        }
        let answer = state.send(request)?;
        drop(state);
        receive(&answer, patience)
    }

    /// Tells the process what the control remembers by itself. When there is none, or it goes, the next one is told.
    fn tell(&self, mut state: MutexGuard<'_, State>, request: Request) -> Result<(), RemoteError> {
        let told = match state.send(request) {
            Ok(answer) => {
                drop(state);
                receive(&answer, PATIENCE)
            }
            Err(error) => Err(error),
        };
        match told {
            Err(RemoteError::Gone | RemoteError::Send(_)) => Ok(()),
            told => told,
        }
    }
}

fn receive<T: DeserializeOwned>(answer: &mpsc::Receiver<Answer>, patience: Duration) -> Result<T, RemoteError> {
    match answer.recv_timeout(patience) {
        Ok(Answer::Ok(value)) => serde_json::from_value(value).map_err(RemoteError::Answer),
        Ok(Answer::Error(problem)) => Err(RemoteError::Refused { problem }),
        Err(RecvTimeoutError::Disconnected) => Err(RemoteError::Gone),
        Err(RecvTimeoutError::Timeout) => Err(RemoteError::NoAnswer),
    }
}

impl State {
    /// Sends a request to the process; the answer comes through the channel, which closes when the process goes.
    fn send(&mut self, request: Request) -> Result<mpsc::Receiver<Answer>, RemoteError> {
        let process = self.process.as_mut().ok_or(RemoteError::Gone)?;
        self.last_id += 1;
        let id = self.last_id;
        write_line(process, &Asked { id, request }).map_err(RemoteError::Send)?;
        let (sender, receiver) = mpsc::channel();
        self.waiting.insert(id, sender);
        Ok(receiver)
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves plain data behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one process after the other. One that comes while its predecessor is connected waits in the backlog.
    fn listen(&self, listener: &TcpListener) {
        while !self.lock().ended {
            self.end(listener.accept().and_then(|(stream, _peer)| self.carry(stream)));
        }
    }

    /// The process has gone, or never came.
    fn end(&self, carried: io::Result<()>) {
        let mut state = self.lock();
        state.process = None;
        // Whoever waits for an answer sees its sender go.
        state.waiting.clear();
        if let Err(error) = carried {
            state.last_failure = Some(Arc::new(error));
        }
    }

    /// Greets a process and takes its answers until it goes.
    fn carry(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // A process that was stopped reads nothing, and nobody shall wait for it under the lock for ever.
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut answers = BufReader::new(stream.try_clone()?);
        stream.set_read_timeout(Some(PATIENCE))?;
        let hello: Hello = read_line(&mut answers)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        stream.set_read_timeout(None)?;
        hello.check()?;
        {
            // Under the lock, so that every hold is either in the greeting or a request after it.
            let mut state = self.lock();
            if state.ended {
                return Ok(());
            }
            let mut process = stream;
            write_line(&mut process, &Hello::new(state.holds.clone()))?;
            state.process = Some(process);
        }
        self.connected.notify_all();
        while let Some(Answered { id, answer }) = read_line(&mut answers)? {
            if let Some(waiting) = self.lock().waiting.remove(&id) {
                // Who no longer waits needs no answer.
                let _ = waiting.send(answer);
            }
        }
        Ok(())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        state.ended = true;
        if let Some(process) = &state.process {
            // The thread that reads from it sees the end.
            let _ = process.shutdown(Shutdown::Both);
        }
        drop(state);
        if self.accepts {
            // Wakes the thread when it waits for a process; the connection itself says nothing.
            let _ = TcpStream::connect(self.address);
        }
    }
}

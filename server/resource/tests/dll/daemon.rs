//! A daemon that records what it is told and says what a test wants.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use wsfc_resource_channel::frame::{Incoming, encode};
use wsfc_resource_channel::{
    Begun, CallState, Health, Source, Status, ToDaemon, ToMonitor, Told, Welcome, to_daemon, to_monitor,
};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct State {
    received: Vec<to_daemon::Message>,
    connections: Vec<UnixStream>,
    stopped: bool,
    /// It reads nothing.
    deaf: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// What it promises in its greeting, in milliseconds; `None` if it does not greet.
    heartbeat: Option<u64>,
}

/// The daemon; stopped when dropped.
pub(crate) struct Daemon {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(self: &Arc<Self>, mut stream: UnixStream) {
        let shared = Arc::clone(self);
        let serve = move || {
            let mut incoming = Incoming::default();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                incoming.extend(&buffer[..count]);
                while let Some(message) = incoming.take::<ToDaemon>().unwrap() {
                    let message = message.message.unwrap();
                    if let (Some(heartbeat_ms), to_daemon::Message::Hello(_)) = (shared.heartbeat, &message) {
                        let welcome = Welcome {
                            version: 1,
                            release: "test".to_owned(),
                            heartbeat_ms,
                        };
                        let _sent = stream.write_all(&bytes(to_monitor::Message::Welcome(welcome)));
                    }
                    shared.state().received.push(message);
                    shared.changed.notify_all();
                }
                let is_deaf = |state: &mut State| state.deaf && !state.stopped;
                drop(shared.changed.wait_while(shared.state(), is_deaf).unwrap());
            }
        };
        Builder::new().spawn(serve).unwrap();
    }
}

fn bytes(message: to_monitor::Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&ToMonitor { message: Some(message) }, &mut bytes).unwrap();
    bytes
}

impl Daemon {
    /// A daemon that works.
    pub(crate) fn start(path: &Path) -> Self {
        Self::listen(path, Some(0))
    }

    /// A daemon that promises to say something so often, in milliseconds.
    pub(crate) fn beating(path: &Path, heartbeat: u64) -> Self {
        Self::listen(path, Some(heartbeat))
    }

    /// A daemon that takes connections and answers nothing.
    pub(crate) fn hang(path: &Path) -> Self {
        Self::listen(path, None)
    }

    fn listen(path: &Path, heartbeat: Option<u64>) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            heartbeat,
        });
        let accepting = Arc::clone(&shared);
        let accept = move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut state = accepting.state();
                if state.stopped {
                    break;
                }
                state.connections.push(stream.try_clone().unwrap());
                drop(state);
                accepting.changed.notify_all();
                accepting.serve(stream);
            }
        };
        Self {
            path: path.to_owned(),
            shared,
            thread: Some(Builder::new().spawn(accept).unwrap()),
        }
    }

    /// Waits for the first message from an index on that something is found in.
    #[track_caller]
    pub(crate) fn find<T>(&self, what: &str, found: impl Fn(&to_daemon::Message) -> Option<T>) -> T {
        let missing = |state: &mut State| state.received.iter().find_map(&found).is_none();
        let (state, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), PATIENCE, missing)
            .unwrap();
        let newest = &state.received[state.received.len().saturating_sub(9)..];
        assert!(!timeout.timed_out(), "no {what}: {newest:?}");
        state.received.iter().find_map(&found).unwrap()
    }

    /// Everything received so far.
    pub(crate) fn received(&self) -> Vec<to_daemon::Message> {
        self.shared.state().received.clone()
    }

    /// Waits for so many connections.
    #[track_caller]
    pub(crate) fn connected(&self, times: usize) {
        let missing = |state: &mut State| state.connections.len() < times;
        let (_state, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), PATIENCE, missing)
            .unwrap();
        assert!(!timeout.timed_out(), "no connection {times}");
    }

    /// The call of a resource by its number, with its instance.
    #[track_caller]
    pub(crate) fn begun(&self, workload: &str, call: u64) -> Begun {
        self.find(&format!("call {call} of {workload}"), |message| match message {
            to_daemon::Message::Begun(begun) if begun.workload == workload && begun.call == call => Some(begun.clone()),
            _ => None,
        })
    }

    /// Waits until so many calls were told, again ones too.
    #[track_caller]
    pub(crate) fn begun_times(&self, times: usize) {
        let is_call = |message: &&to_daemon::Message| matches!(message, to_daemon::Message::Begun(_));
        let missing = |state: &mut State| state.received.iter().filter(is_call).count() < times;
        let (state, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), PATIENCE, missing)
            .unwrap();
        assert!(!timeout.timed_out(), "no call {times}: {:?}", state.received);
    }

    /// A status that the monitor was told, or was not.
    #[track_caller]
    pub(crate) fn told(&self, what: &str, fits: impl Fn(&Told) -> bool) -> Told {
        self.find(what, |message| match message {
            to_daemon::Message::Told(told) if fits(told) => Some(told.clone()),
            _ => None,
        })
    }

    /// Waits until a call was terminated.
    #[track_caller]
    pub(crate) fn terminated(&self, instance: u64, call: u64) {
        self.find("termination", |message| match message {
            to_daemon::Message::Terminated(terminated)
                if terminated.instance == instance && terminated.call == call =>
            {
                Some(())
            }
            _ => None,
        });
    }

    /// Says something by the newest connection.
    pub(crate) fn say(&self, message: to_monitor::Message) {
        self.write(&bytes(message));
    }

    /// Sends bytes by the newest connection.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut connection = self.shared.state().connections.last().unwrap().try_clone().unwrap();
        connection.write_all(bytes).unwrap();
    }

    /// Says how a call goes.
    pub(crate) fn status(&self, begun: &Begun, state: CallState, message: &str) {
        self.say(to_monitor::Message::Status(Status {
            instance: begun.instance,
            call: begun.call,
            state: state.into(),
            wait_hint_ms: 0,
            percent: Some(50),
            message: message.to_owned(),
            source: Source::Agent.into(),
            win32_code: 0,
        }));
    }

    /// Says whether a resource works.
    pub(crate) fn health(&self, instance: u64, healthy: bool) {
        self.say(to_monitor::Message::Health(Health {
            instance,
            healthy,
            message: "lost its disk".to_owned(),
        }));
    }

    /// Reads no more than what it is about to, or reads again.
    pub(crate) fn deafen(&self, deaf: bool) {
        self.shared.state().deaf = deaf;
        self.shared.changed.notify_all();
    }

    /// Ends the newest connection.
    pub(crate) fn hang_up(&self) {
        let _shut = self.shared.state().connections.last().unwrap().shutdown(Shutdown::Both);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap();
        state.stopped = true;
        for connection in &state.connections {
            let _shut = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // The thread sees it with the next connection; nobody else can connect after that.
        let _woken = UnixStream::connect(&self.path);
        let _removed = std::fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take() {
            let _joined = thread.join();
        }
    }
}

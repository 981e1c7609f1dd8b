//! The remote control of a simulation in another process, for example one behind a loaded library.
//!
//! The simulated process calls [`serve`], which connects to the address that it was given. Whoever steers the world
//! listens there with a [`RemoteControl`], which has the methods of the control of a simulation in the same process.
//! When the process ends and another one takes its place over the same saved world, the control goes on with that one,
//! and what was held stays held from that process's first call on.
//!
//! Where the process is there first and controls come and go, for example from a command line, it is the process that
//! [`listen`]s, and a [`RemoteControl::connect`] comes to it; the lines are the same.
//!
//! # On the wire
//!
//! One TCP connection between loopback addresses, a JSON object a line. The simulated process begins:
//!
//! ```json
//! {"wsfc_simulator_control":1}
//! {"wsfc_simulator_control":1,"holds":[{"call":"CreateCluster","phase":200}]}
//! {"id":7,"request":{"calls":{"function":"CreateCluster"}}}
//! {"id":7,"answer":{"ok":1}}
//! ```
//!
//! The second line is the control's, and says what is held from the beginning. Requests follow from there, answers from
//! the simulated process, not always in the same order: a request that waits holds up no other. Nothing here keeps
//! other users of the host away: it steers simulated worlds only.

mod control;
mod serve;

use std::io::{self, BufRead, Read as _, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use control::{RemoteControl, RemoteError};
pub use serve::{listen, serve};

use crate::control::{ConnectionEvent, Point};
use crate::fault::Fault;
use crate::incident::Incident;

/// The version of the protocol; ends of other versions part at once.
const VERSION: u32 = 1;

/// The longest line in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// How long one end waits for the other to say what it says without waiting itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first line of each end.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    wsfc_simulator_control: u32,
    /// Where calls stop from the beginning; from the control only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holds: Vec<Point>,
}

impl Hello {
    fn new(holds: Vec<Point>) -> Self {
        Self {
            wsfc_simulator_control: VERSION,
            holds,
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.wsfc_simulator_control == VERSION {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "the other end speaks version {} of the remote control, not {VERSION}",
                self.wsfc_simulator_control
            ),
        ))
    }
}

/// A request with the number that its answer carries.
#[derive(Debug, Serialize, Deserialize)]
struct Asked<R> {
    id: u64,
    request: R,
}

/// An answer to the request of the same number.
#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    id: u64,
    answer: Answer,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// What the method of [`Simulation`](crate::Simulation) gave.
    Ok(serde_json::Value),
    /// Why it could not be done.
    Error(String),
}

/// What can be asked: the methods of [`Simulation`](crate::Simulation)'s control, by their names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    Calls { function: String },
    CallCounts,
    Hold { point: Point },
    Release { point: Point },
    ReleaseAll,
    WaitHeld { point: Point, timeout_ms: u64 },
    WaitReached { point: Point, times: u64, timeout_ms: u64 },
    Reached { point: Point },
    Inject { fault: Box<Fault> },
    ClearFaults,
    SetReachable { machine: String, reachable: bool },
    SetService { machine: String, running: bool },
    ClearNode { machine: String },
    Happen { incident: Incident },
    Step,
    Consistency,
    BreakConnections,
    RestoreConnections,
    Send { event: ConnectionEvent },
    Advance { simulated_ms: u64 },
    Now,
    TakeSaveError,
    Shutdown,
}

/// Refuses an address that other hosts could reach or answer.
fn check_loopback(address: SocketAddr) -> io::Result<()> {
    if address.ip().is_loopback() {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{address} is not a loopback address"),
        ))
    }
}

/// Writes one line in one go.
fn write_line(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads one line; `None` when the other end has closed the connection.
fn read_line<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line of the remote control is too long or cut off",
        ));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

//! The end in the simulated process.

use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::{Answer, Answered, Asked, Hello, PATIENCE, Request, check_loopback, read_line, write_line};
use crate::simulation::Simulation;

/// Connects to a [`RemoteControl`](super::RemoteControl), takes over what it holds, and then lets it steer the
/// simulation from a thread of its own until the connection ends. Calls that are held then go on, since nobody is left
/// who could release them.
///
/// # Errors
///
/// An address that is no loopback address, nobody there who speaks the protocol within 30 seconds, or no thread.
pub fn serve(simulation: Simulation, address: SocketAddr) -> io::Result<()> {
    check_loopback(address)?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    let (requests, answers) = greet(&simulation, stream)?;
    thread::Builder::new().name("sim-control".into()).spawn(move || {
        // However the connection ended, there is nobody to tell.
        let _ = answer_all(&simulation, requests, &answers);
        simulation.release_all();
    })?;
    Ok(())
}

/// Listens for whoever wants to steer the simulation, on a loopback address, and gives the address with its port. Each
/// [`RemoteControl::connect`](super::RemoteControl::connect) is served, also several at once, until it goes; what it held
/// stays held, so that a control can come for one request, go, and come again.
///
/// # Errors
///
/// An address that is no loopback address or is in use, or no thread.
pub fn listen(simulation: Simulation, address: SocketAddr) -> io::Result<SocketAddr> {
    check_loopback(address)?;
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    thread::Builder::new()
        .name("sim-control-listen".into())
        .spawn(move || {
            // A listener that fails would fail again at once.
            while let Ok((stream, _peer)) = listener.accept() {
                let simulation = simulation.clone();
                let attend = move || {
                    let (requests, answers) = greet(&simulation, stream)?;
                    answer_all(&simulation, requests, &answers)
                };
                // Whoever cannot be served sees the connection end.
                let _ = thread::Builder::new().name("sim-control".into()).spawn(attend);
            }
        })?;
    Ok(address)
}

/// Exchanges the first lines with a control, and takes over what it holds.
fn greet(simulation: &Simulation, stream: TcpStream) -> io::Result<(BufReader<TcpStream>, Arc<Mutex<TcpStream>>)> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut requests = BufReader::new(stream.try_clone()?);
    let mut answers = stream;
    write_line(&mut answers, &Hello::new(Vec::new()))?;
    answers.set_read_timeout(Some(PATIENCE))?;
    let hello: Hello = read_line(&mut requests)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    answers.set_read_timeout(None)?;
    hello.check()?;
    for point in hello.holds {
        simulation.hold(point);
    }
    Ok((requests, Arc::new(Mutex::new(answers))))
}

fn answer_all(
    simulation: &Simulation,
    mut requests: BufReader<TcpStream>,
    answers: &Arc<Mutex<TcpStream>>,
) -> io::Result<()> {
    while let Some(Asked::<Value> { id, request }) = read_line(&mut requests)? {
        let request = match serde_json::from_value(request) {
            Ok(request) => request,
            Err(error) => {
                answer(
                    answers,
                    id,
                    Answer::Error(format!("the request cannot be read: {error}")),
                )?;
                continue;
            }
        };
        if matches!(request, Request::WaitHeld { .. } | Request::WaitReached { .. }) {
            let (simulation, answers) = (simulation.clone(), Arc::clone(answers));
            thread::Builder::new().name("sim-control-wait".into()).spawn(move || {
                // A connection that has ended waits for no answer.
                let _ = answer(&answers, id, perform(&simulation, request));
            })?;
        } else {
            answer(answers, id, perform(simulation, request))?;
        }
    }
    Ok(())
}

fn answer(answers: &Mutex<TcpStream>, id: u64, answer: Answer) -> io::Result<()> {
    let mut to = answers.lock().unwrap_or_else(PoisonError::into_inner);
    write_line(&mut *to, &Answered { id, answer })
}

#[expect(
    clippy::unit_arg,
    reason = "the answer is what the method gives, which may be nothing"
)]
fn perform(simulation: &Simulation, request: Request) -> Answer {
    match request {
        Request::Calls { function } => ok(simulation.calls(&function)),
        Request::CallCounts => ok(simulation.call_counts()),
        Request::Hold { point } => ok(simulation.hold(point)),
        Request::Release { point } => ok(simulation.release(&point)),
        Request::ReleaseAll => ok(simulation.release_all()),
        Request::WaitHeld { point, timeout_ms } => ok(simulation.wait_held(&point, Duration::from_millis(timeout_ms))),
        Request::WaitReached {
            point,
            times,
            timeout_ms,
        } => ok(simulation.wait_reached(&point, times, Duration::from_millis(timeout_ms))),
        Request::Reached { point } => ok(simulation.reached(&point)),
        Request::Inject { fault } => match simulation.inject(*fault) {
            Ok(()) => ok(()),
            Err(error) => Answer::Error(error.to_string()),
        },
        Request::ClearFaults => ok(simulation.clear_faults()),
        Request::SetReachable { machine, reachable } => ok(simulation.set_reachable(&machine, reachable)),
        Request::SetService { machine, running } => ok(simulation.set_service(&machine, running)),
        Request::ClearNode { machine } => ok(simulation.clear_node(&machine)),
        Request::Happen { incident } => match simulation.happen(&incident) {
            Ok(()) => ok(()),
            Err(error) => Answer::Error(error.to_string()),
        },
        Request::Step => ok(simulation.step()),
        Request::Consistency => match simulation.consistency() {
            Ok(()) => ok(()),
            Err(problem) => Answer::Error(problem),
        },
        Request::BreakConnections => ok(simulation.break_connections()),
        Request::RestoreConnections => ok(simulation.restore_connections()),
        Request::Send { event } => ok(simulation.send(event)),
        Request::Advance { simulated_ms } => ok(simulation.advance(Duration::from_millis(simulated_ms))),
        Request::Now => ok(super::milliseconds(simulation.now())),
        Request::TakeSaveError => ok(simulation.take_save_error().map(|error| with_causes(&error))),
        Request::Shutdown => ok(simulation.shutdown()),
    }
}

fn ok(result: impl Serialize) -> Answer {
    match serde_json::to_value(result) {
        Ok(value) => Answer::Ok(value),
        Err(error) => Answer::Error(error.to_string()),
    }
}

/// An error and its causes in one line, since the other end gets text only.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

//! A failover cluster in memory behind the C functions of clusapi.dll.
//!
//! A [`Scenario`] says what a world is made of. A [`Simulation`] runs it and gives a table of C functions, which behave
//! as the reference says that the real ones do: setup calls with their progress, states, enumerations, property lists,
//! control codes, notifications and error codes. Where the reference knows nothing, the code says "Guess:".
//!
//! The code is layered so: [`scenario`] describes; `world` holds the machines and clusters with their rules; `script`
//! lists the phases of the setup calls and `procedure` what each does; `run` goes through them with faults, waits and
//! callbacks, or `replay` plays a recorded call in its place; `entry` is the C side; [`control`] steers the world,
//! [`remote`] from another process; an [`Incident`] is what befalls it; [`inference`] makes a scenario of a recorded
//! trace.
//!
//! Nothing in `world` waits. What takes time is a step in its queue, with the simulated time at which it is due; the
//! [`Simulation`] takes the steps out: at once in a world without waits, when time is moved by hand, or from a thread
//! (`ticker`) when time goes by itself. What takes real time is a resource DLL at work: `monitor` calls it in threads of its
//! own, `world::resource::hosted` says when.

pub mod control;
mod fault;
mod handles;
mod incident;
pub mod inference;
mod notify;
mod procedure;
mod proplist;
mod recording;
pub mod release;
pub mod remote;
mod replay;
pub mod scenario;
mod script;
mod slots;
mod ticker;
mod time;
mod win32;
mod world;

#[expect(unsafe_code, reason = "the C functions themselves")]
mod entry;
#[expect(
    unsafe_code,
    reason = "the last error of the calling thread is kept by the system on Windows"
)]
mod last_error;
#[expect(unsafe_code, reason = "the one place that follows the pointers of C callers")]
mod memory;
#[expect(unsafe_code, reason = "calls resource DLLs, and is called by them")]
mod monitor;
#[expect(unsafe_code, reason = "calls back into C")]
mod run;
#[expect(unsafe_code, reason = "promises that the table keeps the C contract")]
mod simulation;

pub use control::{ConnectionEvent, Point};
pub use fault::{Damage, Fault, Phase, Severity};
pub use incident::{Incident, IncidentError};
pub use last_error::set as set_last_error;
pub use monitor::{MonitorLevel, MonitorLine};
pub use recording::{RecordedCallback, Recording};
pub use release::Release;
pub use scenario::{Scenario, ScenarioError};
pub use simulation::{Simulation, SimulationError};
pub use world::save::SaveError;

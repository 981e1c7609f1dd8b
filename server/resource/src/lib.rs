//! The resource DLL: `wsfcres.dll` on Windows, `libwsfcres.so` elsewhere.
//!
//! The Resource Monitor of the cluster loads it for resources of the type ["wsfcd Workload"](RESOURCE_TYPE) and calls its
//! entry points; what it is asked it passes on to the daemon of the host, which asks the program that implements the resource
//! (`wsfc_resource_channel` has what the two say to each other). Each status of the daemon becomes a check point that the
//! monitor is told.
//!
//! ```text
//! monitor -> exports, entry -> resources, call (safe, no I/O)
//!                                  |
//! monitor <- monitor       <-  worker (the one thread) <-> channel <-> daemon
//! ```
//!
//! - **No entry point waits for the daemon.** Online and Offline answer 997 at once; the thread does the rest.
//! - **No lock is held while the monitor is called.** Terminate and Close wait, for 200 ms at most, for a call of the monitor that
//!   is in flight for their resource, so that the monitor hears nothing of a resource that it has closed.
//! - **A resource's id is a number that is looked up**, never a pointer, so that a late or foreign one does no harm.
//! - **Check points grow, and the pending timeout does not strike** while there is hope: the thread says so where the daemon says
//!   nothing, and in the end that the call has failed.
//!
//! The private properties of a resource are `Workload` (text, required), `Parameters` (texts, `KEY=VALUE`), `Endpoint` (text;
//! where the daemon listens) and `DaemonGrace` (milliseconds, 60000; how long the daemon may be away). Of the common ones
//! `PendingTimeout` counts; that of the type is not known here, and without one it is 180000 ms (facts 3.3).
//!
//! Before it says a word the DLL looks whose the endpoint is: the daemon's, or that of somebody who controls the host anyhow.
//!
//! Off Windows who loads the library gives it the cluster API with [`SetClusterApi`], and the handle of an event is the file
//! descriptor of a pipe that becomes readable.
//!
//! Once it has been started the library stays in memory until the process ends.

mod call;
mod channel;
mod clock;
mod controls;
mod entry;
mod event;
mod exports;
mod link;
mod monitor;
mod resources;
mod settings;
mod stream;
mod worker;

pub use exports::{SetClusterApi, Startup, StartupEx};

/// The name of the resource type.
pub const RESOURCE_TYPE: &str = "wsfcd Workload";

//! What the resource DLL and the daemon of its host say to each other.
//!
//! The channel is a named pipe or a Unix socket of the host; the DLL connects, the daemon listens ([`endpoint`]). Each side
//! sends [frames](frame): a length and a protobuf message, [`ToDaemon`] or [`ToMonitor`]. The DLL is the side that knows what
//! is so: it tells after each connection which resources it has open and which calls are under way, so a daemon that was
//! restarted needs to remember nothing of them.
//!
//! ```text
//! DLL                                             daemon
//!  Hello            ->                        <-  Welcome
//!  Opened, for each resource that is open    ->
//!  Begun, for each call                       ->
//!                                             <-  Status, Health, Heartbeat
//!  Told, for each check point                 ->
//!  Terminated, Closed                         ->
//! ```
//!
//! The daemon says in its `Welcome` how often it says something at least, and sends a `Heartbeat` when there is nothing else,
//! so that a DLL knows one that hangs from one that has nothing to say.
//!
//! DLL and daemon may be of different releases for the time of an upgrade: fields are only added, and what is not known is
//! passed over.

#![forbid(unsafe_code)]

pub mod endpoint;
pub mod frame;
mod message;

pub use message::{
    Begun, CallKind, CallState, Closed, Health, Heartbeat, Hello, Opened, Source, Status, Terminated, ToDaemon,
    ToMonitor, Told, Welcome, to_daemon, to_monitor,
};

/// The version of what is said. It rises when a side could misunderstand the other; then the daemon refuses by closing.
pub const VERSION: u32 = 1;

//! What the daemon asks of Windows beside the cluster API: service control, the event log, named pipes, other processes, the
//! folders that Windows names, who may use a folder, and the machine's certificates.
//!
//! The unsafe code of this kind lives here. On other systems the crate holds only what is plain data: the
//! [`lifecycle`] of a service, the [`patience`] of those who wait for one, and why [`certificates`] cannot be used.

pub mod certificates;
pub mod lifecycle;
pub mod patience;

#[cfg(windows)]
pub mod control;
#[cfg(windows)]
pub mod event_log;
#[cfg(windows)]
pub mod host;
#[cfg(windows)]
pub mod loading;
#[cfg(windows)]
pub mod pipe;
#[cfg(windows)]
pub mod places;
#[cfg(windows)]
pub mod process;
#[cfg(windows)]
pub mod security;
#[cfg(windows)]
pub mod services;
#[cfg(windows)]
mod wide;

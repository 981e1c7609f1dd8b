//! The two ends around the registry: queues with bounds, and the whole daemon with a resource DLL and agents that the test
//! plays.

#[cfg(unix)]
mod daemon;
#[cfg(unix)]
mod endpoint;
#[cfg(unix)]
mod peers;
mod queues;

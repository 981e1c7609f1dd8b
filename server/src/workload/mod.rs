//! Workloads: cluster resources that programs implement.
//!
//! A status's way: the agent says it on its stream (`grpc::workload`); [`Workloads`] gives it to the [`registry`], which
//! decides; it goes over the [`channel`] to the resource DLL, which tells the Resource Monitor and then the daemon what was
//! told; that becomes an event of the journal, at the place that [`location`] knows.
//!
//! **Invariant:** every queue has a bound. An agent that does not read is not listened to, and its stream ends after a while;
//! a DLL that does not read holds up its agents, and its connection ends after a while; what a DLL tells waits in its
//! connection until the journal has taken what it told before.

pub mod channel;
pub mod hub;
pub mod listener;
pub mod location;
pub mod registry;
#[cfg(test)]
mod tests;
pub mod timers;

pub use hub::Workloads;
pub use listener::Listener;

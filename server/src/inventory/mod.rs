//! The inventory: what the clusters consist of, kept current.
//!
//! A cluster's way into it: [`Clusters`] takes it in by its name and starts an [`observer`](observer::Observer) on a
//! thread of its own; that one makes a port for notifications, [reads](read::Reader) everything, [compares](diff) it with
//! what the journal has, and then [hears](hearing::Hearing) what the port tells. Everything that changes becomes an event
//! of the journal, and the journal's inventory is the fold of these events: there is no other store.

mod clusters;
pub mod diff;
pub mod fields;
mod gone;
pub mod hearing;
pub mod identity;
pub mod line;
pub mod model;
pub mod object;
pub mod observer;
pub mod property;
pub mod read;
pub mod reread;
mod roster;
#[cfg(test)]
mod tests;

pub use clusters::{Clusters, ResolveError, Resolved};

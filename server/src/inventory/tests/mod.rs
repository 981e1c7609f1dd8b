//! Tests of the inventory, from the pure pieces to an observer of a simulated cluster.

mod changes;
mod lab;
mod notifications;
mod observing;
mod told;

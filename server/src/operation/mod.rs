//! Operations: long calls of the cluster API, kept by the daemon.
//!
//! A request to [`start`] becomes a [`call`], is checked by [`validate`], `resolve`d to names of the cluster's own, accepted by
//! the [`engine`], waits in the [`schedule`], is
//! `supervise`d while one thread [`execute`]s it, and ends with an [`outcome`] on evidence, part of which is what
//! [`inspect`] sees. What a client sees of it is the [`fold`] of its records.

pub mod call;
pub mod disks;
pub mod engine;
pub mod execute;
pub mod fold;
pub mod inspect;
pub mod outcome;
pub mod properties;
mod recover;
mod resolve;
pub mod schedule;
pub mod security;
pub mod start;
mod suggest;
mod supervise;
pub mod validate;

#[cfg(test)]
mod tests;

//! Sockets: accepting, handshakes, and the threads that serve connections.
//!
//! Each connection lives on one thread with a runtime of its own, so that all its streams write together (one dispatcher
//! wakes them in one go, then the connection writes once). The acceptor deals connections out in turn.
//!
//! A connection's way: [`accept`](mod@accept) takes it and asks the [`registry`] whether it may come; on its thread it greets
//! (`greeting`: the handshake of [`tls`], the first bytes of HTTP/2) and takes one of the [`places`]; [`serving`] drives it,
//! with [`calls`] between HTTP/2 and the services, until its [`lifetime`] is over or the registry tells it to go. What does
//! not come that far is counted ([`counters`]).

pub mod accept;
pub mod calls;
pub mod certificate_store;
pub mod certificates;
pub mod connection;
pub mod counters;
pub mod descriptors;
mod greeting;
pub mod host;
pub mod key_file;
pub mod lifetime;
pub mod local;
pub mod places;
pub mod rate;
pub mod refusals;
pub mod registry;
pub mod serving;
pub mod tls;

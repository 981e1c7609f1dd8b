//! The Rust client of wsfcd.
//!
//! [`Client`] has a method for every call of the daemon. The long calls (create a cluster, add a node, ...) answer with
//! an [`Operation`]: follow its [`progress`](Operation::progress), [`wait`](Operation::wait) for its outcome,
//! [`cancel`](Operation::cancel) it, or let it go and come back with [`Client::operation`]. The operation belongs to the
//! daemon and goes on whatever becomes of the client.
//!
//! [`Client::serve_workload`] makes the program itself a cluster resource; see [`workload`].
//!
//! Three things happen without being asked for:
//!
//! - A start carries a `request_id`, so that a start whose answer was lost is repeated and never starts twice.
//! - A progress stream reconnects with growing, jittered pauses and resumes after the last record that it saw. Every
//!   record comes once, in order; a missing one is an [`Error::Gap`], never silence.
//! - Errors are typed: [`Rejection`] holds the reason, the native code and the field errors that the daemon sent. Nobody
//!   needs to read message texts.
//!
//! ```no_run
//! use wsfc_client::{Client, ConnectOptions, Progress, v1};
//!
//! # async fn example() -> Result<(), wsfc_client::Error> {
//! let client = Client::connect(ConnectOptions::new(["http://127.0.0.1:7443"])).await?;
//! let operation = client
//!     .create_cluster(v1::CreateClusterRequest {
//!         cluster: Some(v1::CreateClusterParameters {
//!             cluster: "CL1".to_owned(),
//!             nodes: vec!["n1".to_owned(), "n2".to_owned()],
//!             ..Default::default()
//!         }),
//!         ..Default::default()
//!     })
//!     .await?;
//! let mut progress = operation.progress();
//! while let Some(item) = progress.next().await {
//!     match item? {
//!         Progress::Record(record) => println!("{:?}", record.payload),
//!         Progress::Reconnecting { attempt, delay, .. } => println!("connection lost, attempt {attempt} in {delay:?}"),
//!         Progress::Resumed { after_sequence } => println!("resumed after record {after_sequence}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod backoff;
mod bearer;
mod cache;
mod client;
mod connect;
mod cursor;
mod demand;
mod enrol;
mod error;
pub mod fields;
mod identity;
pub mod json;
mod line;
pub mod local;
pub mod object;
mod operation;
mod progress;
pub mod property;
mod reads;
mod reason;
pub mod registry;
mod start;
mod wait;
mod watch;
pub mod workload;

pub use bearer::BearerSource;
pub use cache::Cache;
pub use client::Client;
pub use connect::{ConnectOptions, Identity, TlsOptions};
pub use enrol::{CertificateLife, EnrolOptions, Enrolled, PORT, enrol};
pub use error::{ConnectFailure, Error, FieldViolation, NativeError, Rejection};
pub use object::ObjectKey;
pub use operation::Operation;
pub use progress::{Progress, ProgressStream};
pub use reads::{ListRequest, Page};
pub use reason::Reason;
pub use start::{Parameters, StartRequest};
pub use tonic::{Code, Status};
pub use watch::{Watch, WatchItem};
pub use wsfc_proto::join_token::{JoinSecret, JoinToken, MalformedToken};
pub use wsfc_proto::v1;

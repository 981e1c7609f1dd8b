//! The C boundary of wsfcd: the failover cluster API (`clusapi.dll`), or a simulator behind the same C ABI.
//!
//! - [`sys`]: raw types, constants and the table of C functions. The simulator uses this part only.
//! - [`Clusapi`]: the functions, from the system, another library or a provider; it opens clusters.
//! - [`Cluster`], [`Node`], [`Group`]: owning handles with safe calls, each of which blocks its thread.
//! - [`proplist`]: property lists and value lists.
//! - [`trace`]: recordings of every call and callback.
//! - [`com`]: COM on the threads that run setup calls.
//!
//! Every call that fails says which C function failed and with which code. All unsafe code of the daemon is here.

mod api;
mod cluster;
pub mod com;
mod control;
mod credentials;
mod enumeration;
mod error;
#[cfg(test)]
mod fake;
mod handle;
#[cfg(windows)]
mod module;
mod numbers;
mod progress;
pub mod proplist;
mod setup;
pub mod sys;
pub mod trace;
mod wide;
mod win32;

pub use api::Clusapi;
pub use cluster::ClusterInformation;
pub use credentials::Credentials;
pub use enumeration::ObjectName;
pub use error::{Error, TextProblem};
pub use handle::{Cluster, Group, Node};
pub use numbers::{
    CloudType, ClusterVersion, GroupState, ManagementPointRestype, ManagementPointType, NodeClusterState, NodeState,
    PhaseType, SetupPhase, Severity, UpgradePhase,
};
pub use progress::{Answer, LONGEST_OBJECT_NAME, SetupProgress, UpgradeProgress, late_callbacks};
pub use setup::{
    Cleanup, ClusterAddress, CreateClusterConfig, CreateNameAccountConfig, Evicted, StorageNodeConfig, Upgraded,
};
pub use win32::{Status, Win32};
pub use zeroize::Zeroizing;

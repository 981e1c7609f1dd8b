//! The C boundary of wsfcd: the failover cluster API (`clusapi.dll`), or a simulator behind the same C ABI.
//!
//! - [`sys`]: raw types, constants and the table of C functions. The simulator uses this part only.
//! - [`Clusapi`]: the functions, from the system, another library or a provider; it opens clusters.
//! - [`Cluster`], [`Node`], [`Group`], [`Resource`] and their kin: owning handles with safe calls, each of which blocks
//!   its thread. What has a name and no handle, such as a [`ResourceType`], has the same kind of calls.
//! - [`notify`]: ports that tell of changes, and what the bytes of an event say.
//! - [`Controlled`]: what every kind of object answers, its properties first of all.
//! - [`Key`]: the cluster database.
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
pub mod notify;
mod numbers;
mod objects;
mod open;
mod progress;
pub mod proplist;
mod registry;
mod secret;
mod setup;
mod state;
pub mod sys;
pub mod trace;
mod verb;
mod wide;
mod win32;

pub use api::Clusapi;
pub use cluster::ClusterInformation;
pub use control::{Checkpoint, ClassInfo, Controlled, PropertyFormat};
pub use credentials::Credentials;
pub use enumeration::{GroupItem, ObjectName, ResourceItem};
pub use error::{Error, TextProblem};
pub use handle::{
    AffinityRule, Cluster, Group, GroupSet, Key, LentKey, Network, NetworkInterface, Node, Resource, ResourceType,
};
pub use numbers::{
    AccountAccess, AffinityRuleType, CloudType, ClusterVersion, Failback, GroupState, GroupType,
    ManagementPointRestype, ManagementPointType, NetworkInterfaceState, NetworkState, NodeClusterState,
    NodeDrainStatus, NodeState, PhaseType, QuorumKind, RegistryType, ResourceState, SetupPhase, Severity,
    SharedVolumeState, UpgradePhase, VmMigration,
};
pub use objects::{AvailabilitySet, NewResourceType, Quorum, SharedVolume, SharedVolumePlace};
pub use progress::{Answer, LONGEST_OBJECT_NAME, SetupProgress, UpgradeProgress, late_callbacks};
pub use registry::{BatchCommand, KeyInfo, KeyName, NamedValue, Read, ReadAnswer, RegistryValue};
pub use secret::Secret;
pub use setup::{
    Cleanup, ClusterAddress, CreateClusterConfig, CreateNameAccountConfig, Evicted, StorageNodeConfig, Upgraded,
};
pub use verb::{Accepted, Stored};
pub use wide::copy as text_from_c;
pub use win32::{Status, Win32};

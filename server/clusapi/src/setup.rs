//! The setup calls. Each blocks its thread for seconds to many minutes and tells its progress meanwhile (facts 1.3).
//!
//! The thread should be in the [COM apartment](crate::com::Apartment), and only one setup call of a cluster should run
//! at a time (facts 1.3).
#![expect(unsafe_code, reason = "C functions are called with structs and callbacks of ours")]

use std::net::IpAddr;
use std::time::Duration;

use crate::api::{Clusapi, check_code, entry};
use crate::cluster::WideList;
use crate::credentials::{Credentials, WideCredentials};
use crate::error::Error;
use crate::handle::{Cluster, Node, Opened as _};
use crate::numbers::{ManagementPointRestype, ManagementPointType};
use crate::progress::{
    Answer, Registration, SetupProgress, Sink, UpgradeProgress, setup_trampoline, upgrade_trampoline,
};
use crate::sys::constants::{FALSE, INFINITE, TRUE, version};
use crate::sys::types::{
    BOOL, CLUSTER_IP_ENTRY, CREATE_CLUSTER_CONFIG, CREATE_CLUSTER_NAME_ACCOUNT, REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG,
};
use crate::wide::WideString;
use crate::win32::{Status, Win32};

/// An address of a cluster to create: one for each network. For DHCP it is the network's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the network prefix in bits.
    pub prefix_length: u8,
}

/// What cluster to create (facts 1.2).
#[derive(Clone, Debug)]
pub struct CreateClusterConfig {
    /// The name.
    pub name: String,
    /// Names of the nodes, short or fully qualified.
    pub nodes: Vec<String>,
    /// The addresses.
    pub addresses: Vec<ClusterAddress>,
    /// Form the cluster without name and addresses; there must be no addresses then.
    pub empty: bool,
    /// How the cluster shall be reached by name.
    pub management_point_type: ManagementPointType,
    /// What kind of network name it shall have. `None` leaves it to Windows, as before version 1709.
    pub management_point_restype: Option<ManagementPointRestype>,
    /// Who creates the account in the directory, if not the calling user. Needs Windows Server 2025.
    pub credentials: Option<Credentials>,
}

impl CreateClusterConfig {
    /// The lowest version that carries what is asked for. The struct has no size field, so a version that promised
    /// more would make the callee read more (facts 1.2 and 1.4).
    const fn version(&self) -> u32 {
        match (&self.credentials, self.management_point_restype) {
            (Some(_), _) => version::GA,
            (None, Some(_)) => version::RS3,
            (None, None) => version::WINDOWS_BLUE,
        }
    }
}

/// What account to create for a cluster (facts 1.2).
#[derive(Clone, Debug)]
pub struct CreateNameAccountConfig {
    /// Name of the account.
    pub name: String,
    /// How the cluster shall be reached by name.
    pub management_point_type: ManagementPointType,
    /// What kind of network name it shall have; `None` leaves it to Windows.
    pub management_point_restype: Option<ManagementPointRestype>,
    /// Also give the network names of roles an account. With [`ManagementPointType::CNO`] only.
    pub upgrade_role_names: bool,
    /// Who works in the directory, if not the calling user.
    pub credentials: Option<Credentials>,
}

/// A storage node to add.
#[derive(Clone, Debug)]
pub struct StorageNodeConfig {
    /// Name of the node.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where it stands.
    pub location: String,
}

/// What became of an evicted node. In each case it is out of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// What became of its clean-up.
    pub cleanup: Cleanup,
}

/// What became of the clean-up of an evicted node (facts 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// The node is clean.
    Done,
    /// The node must be cleaned up by hand; with the reason, if Windows told it.
    Failed(Option<Status>),
    /// The time to wait was over before the clean-up was; it runs on.
    Running,
}

/// What became of an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Some features need a restart of the cluster service (facts 1.7, code 5975).
    pub restart_required: bool,
}

const fn to_bool(value: bool) -> BOOL {
    if value { TRUE } else { FALSE }
}

/// Milliseconds for C. What is too long for it waits as long as it can: what "without end" does is not documented
/// (facts 1.4).
fn milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(INFINITE).min(INFINITE - 1)
}

fn register(progress: impl FnMut(SetupProgress) -> Answer + Send + 'static) -> Registration {
    Registration::new(Sink::Setup(Box::new(progress)))
}

impl Clusapi {
    /// Creates a cluster. A result does not mean that every address and name came up: warnings among the records
    /// tell (facts 1.4).
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::TooMany`], [`Error::Unsupported`].
    pub fn create_cluster(
        &self,
        config: &CreateClusterConfig,
        progress: impl FnMut(SetupProgress) -> Answer + Send + 'static,
    ) -> Result<Cluster, Error> {
        let create = entry!(self, CreateCluster)?;
        let name = WideString::new("name", &config.name)?;
        let nodes = WideList::new("nodes", &config.nodes)?;
        let addresses: Vec<String> = config.addresses.iter().map(|entry| entry.address.to_string()).collect();
        let addresses = WideList::new("addresses", &addresses)?;
        let mut ip_entries: Vec<CLUSTER_IP_ENTRY> = addresses
            .pointers()
            .zip(&config.addresses)
            .map(|(text, entry)| CLUSTER_IP_ENTRY {
                lpszIpAddress: text,
                dwPrefixLength: u32::from(entry.prefix_length),
            })
            .collect();
        let credentials = config.credentials.as_ref().map(Credentials::to_wide).transpose()?;
        let [user, password, domain] = WideCredentials::pointers(credentials.as_ref());
        let native = CREATE_CLUSTER_CONFIG {
            dwVersion: config.version(),
            lpszClusterName: name.as_ptr(),
            cNodes: nodes.count,
            ppszNodeNames: nodes.as_ptr(),
            cIpEntries: addresses.count,
            // An empty cluster demands NULL here (facts 1.2).
            pIpEntries: if ip_entries.is_empty() {
                core::ptr::null_mut()
            } else {
                ip_entries.as_mut_ptr()
            },
            fEmptyCluster: u8::from(config.empty),
            managementPointType: config.management_point_type.0,
            managementPointResType: config
                .management_point_restype
                .unwrap_or(ManagementPointRestype::AUTO)
                .0,
            pszUserName: user,
            pszPassword: password,
            pszDomain: domain,
        };
        let call = register(progress);
        // SAFETY: The struct is the newest form, so it is as long as any version says; all that it points to outlives
        // the call; and the callback takes any argument.
        let raw = unsafe { create(&raw const native, Some(setup_trampoline), call.argument()) };
        let raw = self.check_handle("CreateCluster", raw)?;
        // SAFETY: The call has just opened the handle for us.
        Ok(unsafe { Cluster::from_raw(self, raw) })
    }
}

impl Cluster {
    /// Adds a node. After a `create_cluster`, wait 30 seconds first (facts 1.3).
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::Unsupported`].
    pub fn add_node(
        &self,
        node: &str,
        progress: impl FnMut(SetupProgress) -> Answer + Send + 'static,
    ) -> Result<Node, Error> {
        let add = entry!(self.api(), AddClusterNode)?;
        let node = WideString::new("node", node)?;
        let call = register(progress);
        // SAFETY: The handle is open, the name outlives the call, and the callback takes any argument.
        let raw = unsafe { add(self.as_raw(), node.as_ptr(), Some(setup_trampoline), call.argument()) };
        let raw = self.api().check_handle("AddClusterNode", raw)?;
        // SAFETY: The call has just opened the handle for us, through this cluster.
        Ok(unsafe { Node::from_raw(self, raw) })
    }

    /// Adds a storage node.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::Unsupported`].
    pub fn add_storage_node(
        &self,
        config: &StorageNodeConfig,
        progress: impl FnMut(SetupProgress) -> Answer + Send + 'static,
    ) -> Result<(), Error> {
        let add = entry!(self.api(), AddClusterStorageNode)?;
        let name = WideString::new("name", &config.name)?;
        let description = WideString::new("description", &config.description)?;
        let location = WideString::new("location", &config.location)?;
        let call = register(progress);
        // SAFETY: The handle is open, the texts outlive the call, and the callback takes any argument.
        let code = unsafe {
            add(
                self.as_raw(),
                name.as_ptr(),
                Some(setup_trampoline),
                call.argument(),
                description.as_ptr(),
                location.as_ptr(),
            )
        };
        check_code("AddClusterStorageNode", code)
    }

    /// Removes a storage node; waits at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::Unsupported`].
    pub fn remove_storage_node(&self, enclosure: &str, timeout: Duration) -> Result<(), Error> {
        let remove = entry!(self.api(), RemoveClusterStorageNode)?;
        let enclosure = WideString::new("enclosure", enclosure)?;
        // No flag is documented.
        let flags = 0;
        // SAFETY: The handle is open, and the name outlives the call.
        let code = unsafe { remove(self.as_raw(), enclosure.as_ptr(), milliseconds(timeout), flags) };
        check_code("RemoveClusterStorageNode", code)
    }

    /// Takes the cluster apart. The handle stays ours to drop. On an error the cluster may be gone nevertheless: only
    /// the last failure is told (facts 1.4).
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5937 while groups other than the core ones exist; [`Error::Unsupported`].
    pub fn destroy(
        &self,
        delete_computer_objects: bool,
        progress: impl FnMut(SetupProgress) -> Answer + Send + 'static,
    ) -> Result<(), Error> {
        let destroy = entry!(self.api(), DestroyCluster)?;
        let call = register(progress);
        let delete = to_bool(delete_computer_objects);
        // SAFETY: The handle is open, and the callback takes any argument.
        let code = unsafe { destroy(self.as_raw(), Some(setup_trampoline), call.argument(), delete) };
        check_code("DestroyCluster", code)
    }

    /// Creates the cluster's account in the directory.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::Unsupported`].
    pub fn create_name_account(
        &self,
        config: &CreateNameAccountConfig,
        progress: impl FnMut(SetupProgress) -> Answer + Send + 'static,
    ) -> Result<(), Error> {
        let create = entry!(self.api(), CreateClusterNameAccount)?;
        let name = WideString::new("name", &config.name)?;
        let credentials = config.credentials.as_ref().map(Credentials::to_wide).transpose()?;
        let [user, password, domain] = WideCredentials::pointers(credentials.as_ref());
        let native = CREATE_CLUSTER_NAME_ACCOUNT {
            // Must be above 0x702 (facts 1.2).
            dwVersion: match config.management_point_restype {
                Some(_) => version::RS3,
                None => version::WINTHRESHOLD,
            },
            lpszClusterName: name.as_ptr(),
            dwFlags: 0,
            pszUserName: user,
            pszPassword: password,
            pszDomain: domain,
            managementPointType: config.management_point_type.0,
            managementPointResType: config
                .management_point_restype
                .unwrap_or(ManagementPointRestype::AUTO)
                .0,
            bUpgradeVCOs: u8::from(config.upgrade_role_names),
        };
        let call = register(progress);
        // SAFETY: The handle is open, the struct and all that it points to outlive the call, and the callback takes
        // any argument.
        let code = unsafe {
            create(
                self.as_raw(),
                &raw const native,
                Some(setup_trampoline),
                call.argument(),
            )
        };
        check_code("CreateClusterNameAccount", code)
    }

    /// Repairs the cluster's account in the directory.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::Unsupported`].
    pub fn repair_name_account(
        &self,
        credentials: Option<&Credentials>,
        progress: impl FnMut(SetupProgress) -> Answer + Send + 'static,
    ) -> Result<(), Error> {
        let repair = entry!(self.api(), RepairClusterNameAccount)?;
        let credentials = credentials.map(Credentials::to_wide).transpose()?;
        let [user, password, domain] = WideCredentials::pointers(credentials.as_ref());
        let native = REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG {
            // Guess: no page tells the version; this is the newest that is older than the call itself.
            dwVersion: version::NI,
            dwFlags: 0,
            pszUserName: user,
            pszPassword: password,
            pszDomain: domain,
        };
        let call = register(progress);
        // SAFETY: The handle is open, the struct and all that it points to outlive the call, and the callback takes
        // any argument.
        let code = unsafe {
            repair(
                self.as_raw(),
                &raw const native,
                Some(setup_trampoline),
                call.argument(),
            )
        };
        check_code("RepairClusterNameAccount", code)
    }

    /// Removes the cluster's account, and may delete computer objects in the directory.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5090 if there is none; [`Error::Unsupported`].
    pub fn remove_name_account(&self, delete_computer_objects: bool) -> Result<(), Error> {
        let remove = entry!(self.api(), RemoveClusterNameAccount)?;
        // SAFETY: The handle is open.
        let code = unsafe { remove(self.as_raw(), to_bool(delete_computer_objects)) };
        check_code("RemoveClusterNameAccount", code)
    }

    /// Upgrades to the next functional level, or only checks that it would work. There is no way back (facts 1.7).
    /// Success of a check does not mean that there is a next level: ask
    /// [`is_ready_for_upgrade`](Cluster::is_ready_for_upgrade).
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5973 if not all nodes support the next level; [`Error::Unsupported`].
    pub fn upgrade_functional_level(
        &self,
        perform: bool,
        progress: impl FnMut(UpgradeProgress) -> Answer + Send + 'static,
    ) -> Result<Upgraded, Error> {
        let upgrade = entry!(self.api(), ClusterUpgradeFunctionalLevel)?;
        let call = Registration::new(Sink::Upgrade(Box::new(progress)));
        // SAFETY: The handle is open, and the callback takes any argument.
        let code = unsafe {
            upgrade(
                self.as_raw(),
                to_bool(perform),
                Some(upgrade_trampoline),
                call.argument(),
            )
        };
        if Win32(code) == Win32::ERROR_CLUSTER_UPGRADE_RESTART_REQUIRED {
            return Ok(Upgraded { restart_required: true });
        }
        check_code("ClusterUpgradeFunctionalLevel", code)?;
        Ok(Upgraded {
            restart_required: false,
        })
    }
}

impl Node {
    /// Evicts a node and waits at most `timeout` for its clean-up. A reason is passed on where Windows
    /// can take one (facts 1.1), and left out with a warning in the log elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Call`]: the node was not evicted. [`Error::Text`], [`Error::Unsupported`].
    pub fn evict(&self, timeout: Duration, reason: Option<&str>) -> Result<Evicted, Error> {
        let table = self.api().table();
        let reason = WideString::optional("reason", reason)?;
        let timeout = milliseconds(timeout);
        let mut cleanup_status = 0;
        if reason.is_some() && table.EvictClusterNodeEx2.is_none() {
            tracing::warn!("This Windows cannot record why a node is evicted, so the reason is left out");
        }
        let (function, code, tells_status) = match (&reason, table.EvictClusterNodeEx2, table.EvictClusterNodeEx) {
            (Some(reason), Some(evict), _) => {
                // SAFETY: The handle is open, and the status and the reason outlive the call.
                let code = unsafe { evict(self.raw, timeout, &raw mut cleanup_status, reason.as_ptr()) };
                ("EvictClusterNodeEx2", code, true)
            }
            (_, _, Some(evict)) => {
                // SAFETY: The handle is open, and the status outlives the call.
                let code = unsafe { evict(self.raw, timeout, &raw mut cleanup_status) };
                ("EvictClusterNodeEx", code, true)
            }
            _ => {
                let evict = entry!(self.api(), EvictClusterNode)?;
                // SAFETY: The handle is open.
                let code = unsafe { evict(self.raw) };
                ("EvictClusterNode", code, false)
            }
        };
        let cleanup = match Win32(code) {
            Win32::ERROR_SUCCESS => Cleanup::Done,
            Win32::ERROR_CLUSTER_EVICT_WITHOUT_CLEANUP => {
                Cleanup::Failed(tells_status.then(|| Status::from_hresult(cleanup_status)))
            }
            Win32::WAIT_TIMEOUT => Cleanup::Running,
            code => return Err(Error::Call { function, code }),
        };
        Ok(Evicted { cleanup })
    }
}

#[cfg(test)]
mod tests;

//! What a simulated world is made of: machines, networks, directory, timing and faults, from a TOML file.

mod check;
mod check_clusters;
mod clusters;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::incident::Incident;
use crate::recording::Recording;
use crate::release::Release;
use crate::world::service::Times;

pub use check::ScenarioError;
pub(crate) use check::is_host_name;
pub use clusters::{
    Disk, ExistingCluster, ExistingGroup, ExistingNetwork, ExistingResource, ExistingRule, ExistingSet, ExistingType,
    Generate, Properties, PropertyValue, RuleType, Witness,
};

/// A simulated world before anything has happened in it.
///
/// Every field has a default, so a scenario names only what matters to it. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Seeds every GUID and every choice: the same scenario and the same calls give the same world. Default 1.
    pub seed: u64,
    /// The machine whose programs call the API: the meaning of a NULL name. Default: the first machine.
    pub local: Option<String>,
    /// AddClusterNode within 30 seconds of simulated time after CreateCluster fails with 5072 (facts 1.3). Real
    /// servers only advise the pause. Default false.
    pub strict_30s: bool,
    /// A callback that answers FALSE ends the call with phase 999 and error 1223 (facts 1.5). Guess, hence a switch:
    /// what FALSE does is documented nowhere. Default false: the answer is ignored.
    pub false_aborts: bool,
    /// Which thread makes the callbacks (facts 8). Default: the caller's.
    pub callback_thread: CallbackThread,
    /// A successful upgrade of the functional level answers 5975, restart required (facts 1.7). Default false.
    pub upgrade_restart_required: bool,
    /// New clusters form at this functional level instead of the highest that their nodes share, as if they had been
    /// formed with older nodes. A simulation convenience: it makes an upgrade possible without replacing machines.
    pub form_at_level: Option<u32>,
    /// Functions that came after the local machine's release are absent from the table. Default false.
    pub functions_by_release: bool,
    /// Functions that are absent from the table, to play an older Windows. Default none.
    pub functions_absent: Vec<String>,
    /// BackupClusterDatabase and RestoreClusterDatabase work, as on old servers; modern ones answer 120 (facts 2.6).
    /// Default false.
    pub legacy_backup: bool,
    /// The most resources that a cluster may have: one more is 5076. Guess, since the number is documented nowhere (facts
    /// 7): 50,000.
    pub resource_limit: usize,
    /// How long things take.
    pub timing: Timing,
    /// The Active Directory domain that the machines belong to.
    pub domain: Domain,
    /// Addresses that somebody else uses: a cluster that asks for one gets 5057.
    pub used_addresses: Vec<IpAddr>,
    /// The networks. Default: none, and then no cluster address fits (5894).
    pub networks: Vec<Network>,
    /// The machines, at least one.
    pub machines: Vec<Machine>,
    /// Disks that machines share.
    pub disks: Vec<Disk>,
    /// Clusters that exist from the beginning.
    pub clusters: Vec<ExistingCluster>,
    /// Resource DLLs that are loaded and called: the types that name one of them are implemented by it, all others by the
    /// simulator.
    pub resource_dlls: Vec<ResourceDll>,
    /// What goes wrong, in the order of trial: each fault that matches a phase acts on it.
    pub faults: Vec<Fault>,
    /// What happens to machines, networks and resources at a time.
    pub incidents: Vec<PlannedIncident>,
    /// Calls that are played as they were recorded; each is played once, and what comes after goes by its script.
    pub recordings: Vec<Recording>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            local: None,
            strict_30s: false,
            false_aborts: false,
            callback_thread: CallbackThread::Caller,
            upgrade_restart_required: false,
            form_at_level: None,
            functions_by_release: false,
            functions_absent: Vec::new(),
            legacy_backup: false,
            resource_limit: 50_000,
            timing: Timing::default(),
            domain: Domain::default(),
            used_addresses: Vec::new(),
            networks: Vec::new(),
            machines: Vec::new(),
            disks: Vec::new(),
            clusters: Vec::new(),
            resource_dlls: Vec::new(),
            faults: Vec::new(),
            incidents: Vec::new(),
            recordings: Vec::new(),
        }
    }
}

/// Which thread makes the callbacks of setup and upgrade calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackThread {
    /// The thread that made the call.
    Caller,
    /// A fresh thread for each phase; never two at a time.
    Worker,
}

/// How long things take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// Real time per simulated time: 1 is real speed, 0.01 a hundred times faster. 0 (the default) waits for nothing:
    /// simulated time then moves by what the phases would have taken, and by `Simulation::advance`. Only the latter counts
    /// for the timeouts and polls of resource DLLs, which work in real time.
    pub scale: f64,
    /// Simulated time moves only by `Simulation::advance`; `scale` is not used. Default false.
    pub manual: bool,
    /// How long each phase takes, in milliseconds of simulated time, by name ("FormingCluster") or number ("200").
    /// Phases that are not named take the built-in time of their script.
    pub phases: BTreeMap<String, u64>,
    /// How long the clean-up of an evicted node takes, in milliseconds of simulated time. Default 2,000.
    pub cleanup_ms: u64,
    /// How long a resource takes to come online and to go offline. Default 200 and 100 milliseconds.
    pub resource: ResourceTimes,
    /// The same for resources of a type, by its name.
    pub resource_types: BTreeMap<String, ResourceTimes>,
    /// How long the live migration of a virtual machine takes, in milliseconds of simulated time. Default 2,000.
    pub live_migration_ms: u64,
}

/// How long resources take, in milliseconds of simulated time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceTimes {
    /// From OnlinePending to Online, or to Failed.
    pub online_ms: u64,
    /// From OfflinePending to Offline.
    pub offline_ms: u64,
}

impl Default for ResourceTimes {
    fn default() -> Self {
        Self {
            online_ms: 200,
            offline_ms: 100,
        }
    }
}

impl Timing {
    pub(crate) fn times(&self) -> Times {
        Times {
            each: self.resource,
            by_type: self.resource_types.clone(),
            live_migration_ms: self.live_migration_ms,
        }
    }
}

/// A resource DLL that is loaded and called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceDll {
    /// The file name that resource types have, such as "wsfcres.dll"; case is not regarded, nor is a folder.
    pub name: String,
    /// The file on this system.
    pub path: PathBuf,
}

impl ResourceDll {
    /// Reads a list as the environment has it: `name=path;name=path`.
    ///
    /// # Errors
    ///
    /// The part that is none.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        let one = |part: &str| match part.split_once('=') {
            Some((name, path)) if !name.trim().is_empty() && !path.trim().is_empty() => Ok(Self {
                name: name.trim().into(),
                path: path.trim().into(),
            }),
            _ => Err(part.to_owned()),
        };
        parts.map(one).collect()
    }
}

/// An incident that a scenario plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedIncident {
    /// Simulated milliseconds since the world began.
    pub at_ms: u64,
    /// What happens.
    #[serde(flatten)]
    pub incident: Incident,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            scale: 0.0,
            manual: false,
            phases: BTreeMap::new(),
            cleanup_ms: 2_000,
            resource: ResourceTimes::default(),
            resource_types: BTreeMap::new(),
            live_migration_ms: 2_000,
        }
    }
}

/// The Active Directory domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Domain {
    /// The DNS name. Default "sim.example".
    pub name: String,
    /// The callers may create computer objects. Otherwise phase 107 ends with status 5. Default true.
    pub account_creation: bool,
    /// Names whose computer objects exist and are enabled: a cluster of that name gets 5936.
    pub taken_names: Vec<String>,
}

impl Default for Domain {
    fn default() -> Self {
        Self {
            name: "sim.example".into(),
            account_creation: true,
            taken_names: Vec::new(),
        }
    }
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The name that a cluster gives it.
    pub name: String,
    /// The address of the network itself.
    pub subnet: IpAddr,
    /// The length of its prefix in bits: at most 32, or 128 for IPv6.
    pub prefix: u8,
}

impl Network {
    /// True when an address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.subnet, address) {
            (IpAddr::V4(subnet), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                u32::from(subnet) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(subnet), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix.min(128)))
                    .unwrap_or(0);
                u128::from(subnet) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }

    /// The address number `host` of the network, counted from its own address.
    pub(crate) fn address(&self, host: u32) -> IpAddr {
        match self.subnet {
            IpAddr::V4(subnet) => IpAddr::from(u32::from(subnet).wrapping_add(host).to_be_bytes()),
            IpAddr::V6(subnet) => IpAddr::from(u128::from(subnet).wrapping_add(u128::from(host)).to_be_bytes()),
        }
    }
}

/// A machine that may become a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its short name, 1 to 63 letters, digits or hyphens.
    pub name: String,
    /// Its operating system: "2012R2", "2016", "2019", "2022" (the default) or "2025".
    #[serde(default = "Machine::default_os")]
    pub os: Release,
    /// It answers. Default true.
    #[serde(default = "yes")]
    pub reachable: bool,
    /// The Failover Clustering feature is installed. Default true.
    #[serde(default = "yes")]
    pub feature_installed: bool,
    /// It belongs to a cluster that is not part of this world. Default false.
    #[serde(default)]
    pub already_clustered: bool,
    /// Its addresses. Default: one in each network.
    #[serde(default)]
    pub addresses: Option<Vec<IpAddr>>,
    /// It is a virtual machine in Azure (facts 1.2, CLUSTER_CLOUD_TYPE). Default false.
    #[serde(default)]
    pub azure: bool,
    /// The clean-up after its eviction fails with this HRESULT (facts 1.4, 5896). Default: it works.
    #[serde(default)]
    pub cleanup_fails: Option<u32>,
}

impl Machine {
    fn default_os() -> Release {
        Release::Server2022
    }

    /// A reachable machine with the feature installed and an address in each network.
    pub fn new(name: impl Into<String>, os: Release) -> Self {
        Self {
            name: name.into(),
            os,
            reachable: true,
            feature_installed: true,
            already_clustered: false,
            addresses: None,
            azure: false,
            cleanup_fails: None,
        }
    }
}

fn yes() -> bool {
    true
}

impl Scenario {
    /// The scenarios that come with the simulator: name and text.
    pub const BUILTIN: [(&str, &str); 4] = [
        ("default", include_str!("../../scenarios/default.toml")),
        ("demo", include_str!("../../scenarios/demo.toml")),
        ("large", include_str!("../../scenarios/large.toml")),
        ("production", include_str!("../../scenarios/production.toml")),
    ];

    /// Reads a scenario from TOML and checks it.
    ///
    /// # Errors
    ///
    /// Malformed TOML, unknown or ill-typed fields, and contradictions, each with the path of the field.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let document = toml::Deserializer::parse(text).map_err(ScenarioError::Syntax)?;
        let scenario: Self = serde_path_to_error::deserialize(document).map_err(|error| ScenarioError::Field {
            path: error.path().to_string(),
            source: error.into_inner(),
        })?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Reads a scenario from a file.
    ///
    /// # Errors
    ///
    /// As [`Scenario::from_toml`], and a file that cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Unreadable {
            path: PathBuf::from(path),
            source,
        })?;
        Self::from_toml(&text)
    }

    /// A scenario that comes with the simulator.
    ///
    /// # Errors
    ///
    /// No such scenario; the error names those that exist.
    pub fn builtin(name: &str) -> Result<Self, ScenarioError> {
        let (_, text) = Self::BUILTIN
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| ScenarioError::NoSuchBuiltin { name: name.into() })?;
        Self::from_toml(text)
    }

    /// A scenario as settings name it: the path of a file that ends in `.toml`, or one that comes with the simulator.
    ///
    /// # Errors
    ///
    /// As [`Scenario::from_file`] and [`Scenario::builtin`].
    pub fn named(name: &str) -> Result<Self, ScenarioError> {
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") {
            Self::from_file(path)
        } else {
            Self::builtin(name)
        }
    }

    /// The machine whose programs call the API.
    pub(crate) fn local_name(&self) -> Option<&str> {
        self.local
            .as_deref()
            .or_else(|| self.machines.first().map(|machine| machine.name.as_str()))
    }

    /// The addresses of the machine at `position`: its own, or one in each network.
    pub(crate) fn addresses_of(&self, position: usize) -> Vec<IpAddr> {
        let Some(machine) = self.machines.get(position) else {
            return Vec::new();
        };
        machine.addresses.clone().unwrap_or_else(|| {
            let host = u32::try_from(position).unwrap_or(u32::MAX).wrapping_add(11);
            self.networks.iter().map(|network| network.address(host)).collect()
        })
    }
}

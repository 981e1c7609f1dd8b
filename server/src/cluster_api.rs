//! Where the cluster API comes from: the system, a simulated world, or a library that was named.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wsfc_client::workload::RESOURCE_DLL;
use wsfc_clusapi::Clusapi;
use wsfc_simulator::scenario::ResourceDll;
use wsfc_simulator::{Scenario, Simulation};

use crate::hosts::{self, Hosts, SimulatedHosts};
use crate::settings::{Settings, places};

/// The cluster API cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ClusterApiError {
    /// The library or the system's own.
    #[error("the cluster API cannot be loaded")]
    Load(#[source] wsfc_clusapi::Error),
    /// The library that was named.
    #[error("the library {} cannot be read", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder for the state of the simulated world.
    #[error("the folder {} for the simulated world cannot be made", path.display())]
    StateFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The address where the simulated world is steered from.
    #[error("the simulated world cannot be steered from {address}")]
    Control {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The recorder of `wsfcd trace`.
    #[error("the cluster API cannot be recorded")]
    Record(#[source] wsfc_clusapi::trace::RecordError),
    /// A scenario that makes no world.
    #[error("the scenario {name:?} cannot be used")]
    Scenario {
        /// Its name or path.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A cluster API, and the service managers of the hosts that it is about.
pub struct Connected {
    /// The cluster API.
    pub api: Clusapi,
    /// The service managers.
    pub hosts: Arc<dyn Hosts>,
}

impl Connected {
    /// A simulated world, whose machines have services too.
    pub fn simulated(world: Simulation) -> Self {
        let api = Clusapi::from_provider(world.clone());
        let hosts = SimulatedHosts {
            world,
            api: api.clone(),
        };
        Self {
            api,
            hosts: Arc::new(hosts),
        }
    }

    /// A cluster API over real hosts.
    fn real(api: Clusapi) -> Self {
        Self {
            api,
            hosts: hosts::system(),
        }
    }
}

/// Connects to the cluster API that the settings name.
///
/// # Errors
///
/// See [`ClusterApiError`].
pub fn connect(settings: &Settings) -> Result<Connected, ClusterApiError> {
    if let Some(name) = &settings.cluster_api.simulate {
        let state = settings.simulated_state();
        if let Some(folder) = state.parent() {
            // It is the data directory, where nothing else is set.
            places::make_private(folder).map_err(|source| ClusterApiError::StateFolder {
                path: folder.into(),
                source,
            })?;
        }
        let simulation = simulation(name, Some(&state))?;
        tracing::warn!(
            scenario = name,
            "The cluster API is simulated: no real cluster is touched"
        );
        if let Some(address) = settings.cluster_api.simulated_control {
            let listening = wsfc_simulator::remote::listen(simulation.clone(), address);
            let address = listening.map_err(|source| ClusterApiError::Control { address, source })?;
            tracing::warn!(%address, "Everybody on this host can steer the simulated world");
        }
        return Ok(Connected::simulated(simulation));
    }
    if let Some(path) = &settings.cluster_api.library {
        let api = Clusapi::library(path).map_err(ClusterApiError::Load)?;
        tracing::warn!(
            setting = %path.display(),
            library = %library(&api),
            "The cluster API is loaded from a path that was set, not from the system"
        );
        return Ok(Connected::real(api));
    }
    let api = Clusapi::system().map_err(ClusterApiError::Load)?;
    tracing::info!(library = %library(&api), "The cluster API is loaded from the system");
    Ok(Connected::real(api))
}

/// The file that a cluster API was loaded from, in words for the log.
fn library(api: &Clusapi) -> std::path::Display<'_> {
    api.loaded_from().unwrap_or(Path::new("unknown")).display()
}

/// Checks that the settings name a cluster API, without loading a library or touching a saved world.
///
/// # Errors
///
/// See [`ClusterApiError`].
pub fn check(settings: &Settings) -> Result<(), ClusterApiError> {
    if let Some(name) = &settings.cluster_api.simulate {
        simulation(name, None)?;
    }
    if let Some(path) = &settings.cluster_api.library {
        let refuse = |source| ClusterApiError::Library {
            path: path.clone(),
            source,
        };
        if !std::fs::metadata(path).map_err(refuse)?.is_file() {
            return Err(refuse(std::io::Error::other("it is not a file")));
        }
    }
    Ok(())
}

/// The resource DLL, where it lies beside this program.
fn own_resource_dll() -> Option<ResourceDll> {
    let name = format!("{DLL_PREFIX}wsfcres{DLL_SUFFIX}");
    let path = std::env::current_exe().ok()?.with_file_name(name);
    path.is_file().then(|| ResourceDll {
        name: RESOURCE_DLL.into(),
        path,
    })
}

/// Makes or loads a simulated world; `name` is a built-in scenario, or the path of a file that ends in `.toml`. Its Resource
/// Monitors find the resource DLL of workloads where that lies beside this program.
///
/// # Errors
///
/// See [`ClusterApiError`].
pub fn simulation(name: &str, state: Option<&Path>) -> Result<Simulation, ClusterApiError> {
    let refuse = |source: Box<dyn std::error::Error + Send + Sync>| ClusterApiError::Scenario {
        name: name.into(),
        source,
    };
    let mut scenario = Scenario::named(name).map_err(|error| refuse(Box::new(error)))?;
    let is_there = |dll: &ResourceDll| dll.name.eq_ignore_ascii_case(RESOURCE_DLL);
    if !scenario.resource_dlls.iter().any(is_there) {
        scenario.resource_dlls.extend(own_resource_dll());
    }
    let simulation = match state {
        Some(path) => Simulation::open(scenario, path),
        None => Simulation::new(scenario),
    };
    simulation.map_err(|error| refuse(Box::new(error)))
}

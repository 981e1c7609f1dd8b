//! The cluster service of other hosts, through their service managers: the one thing about nodes that the cluster API
//! cannot do (facts 2.3).

use std::sync::Arc;

use wsfc_clusapi::{Clusapi, NodeClusterState};
use wsfc_simulator::{Incident, Simulation};

/// The service managers of hosts. Its calls block.
pub trait Hosts: Send + Sync {
    /// Starts the cluster service of a host with arguments. Returns when that has begun.
    ///
    /// # Errors
    ///
    /// See [`HostError`].
    fn start(&self, host: &str, arguments: &[&str]) -> Result<(), HostError>;

    /// Stops the cluster service of a host. Returns when that has begun.
    ///
    /// # Errors
    ///
    /// See [`HostError`].
    fn stop(&self, host: &str) -> Result<(), HostError>;

    /// What the cluster service of a host is doing.
    ///
    /// # Errors
    ///
    /// See [`HostError`].
    fn state(&self, host: &str) -> Result<Service, HostError>;
}

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// It does not run.
    Stopped,
    /// It starts.
    Starting,
    /// It runs.
    Running,
    /// It stops.
    Stopping,
}

/// Why a host's service manager did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// It refused, or could not be reached.
    #[error("{function} failed with error {code}")]
    Call {
        /// The C function.
        function: &'static str,
        /// The Win32 code.
        code: u32,
    },
    /// There are service managers on Windows only.
    #[error("there is no service manager to ask here")]
    NoServiceManager,
}

/// Where there is no service manager to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHosts;

impl Hosts for NoHosts {
    fn start(&self, _host: &str, _arguments: &[&str]) -> Result<(), HostError> {
        Err(HostError::NoServiceManager)
    }

    fn stop(&self, _host: &str) -> Result<(), HostError> {
        Err(HostError::NoServiceManager)
    }

    fn state(&self, _host: &str) -> Result<Service, HostError> {
        Err(HostError::NoServiceManager)
    }
}

/// The machines of a simulated world.
pub struct SimulatedHosts {
    /// The world.
    pub world: Simulation,
    /// Its cluster API, which tells of a machine whether its service runs.
    pub api: Clusapi,
}

impl SimulatedHosts {
    fn happen(&self, function: &'static str, incident: &Incident) -> Result<(), HostError> {
        // RPC_S_SERVER_UNAVAILABLE: there is no such machine.
        let unknown = |_error| HostError::Call { function, code: 1722 };
        self.world.happen(incident).map_err(unknown)
    }
}

impl Hosts for SimulatedHosts {
    fn start(&self, host: &str, arguments: &[&str]) -> Result<(), HostError> {
        self.happen("StartServiceW", &Incident::service_start(host, arguments))
    }

    fn stop(&self, host: &str) -> Result<(), HostError> {
        self.happen("ControlService", &Incident::StopService { machine: host.into() })
    }

    fn state(&self, host: &str) -> Result<Service, HostError> {
        let state = self
            .api
            .node_cluster_state(Some(host))
            .map_err(|error| HostError::Call {
                function: "GetNodeClusterState",
                code: error.code().map_or(1722, |code| code.0),
            })?;
        Ok(match state {
            NodeClusterState::RUNNING => Service::Running,
            _ => Service::Stopped,
        })
    }
}

/// The service managers of real hosts.
#[cfg(windows)]
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowsHosts;

#[cfg(windows)]
impl From<wsfc_windows::services::ServiceError> for HostError {
    fn from(error: wsfc_windows::services::ServiceError) -> Self {
        Self::Call {
            function: error.function,
            code: error.code,
        }
    }
}

#[cfg(windows)]
impl Hosts for WindowsHosts {
    fn start(&self, host: &str, arguments: &[&str]) -> Result<(), HostError> {
        Ok(wsfc_windows::services::start(host, CLUSTER_SERVICE, arguments)?)
    }

    fn stop(&self, host: &str) -> Result<(), HostError> {
        Ok(wsfc_windows::services::stop(host, CLUSTER_SERVICE)?)
    }

    fn state(&self, host: &str) -> Result<Service, HostError> {
        use wsfc_windows::services::State;
        Ok(match wsfc_windows::services::state(host, CLUSTER_SERVICE)? {
            State::Stopped => Service::Stopped,
            State::Starting => Service::Starting,
            State::Running => Service::Running,
            State::Stopping => Service::Stopping,
        })
    }
}

/// The name of the cluster service.
#[cfg(windows)]
const CLUSTER_SERVICE: &str = "ClusSvc";

/// The service managers that this system has.
pub fn system() -> Arc<dyn Hosts> {
    #[cfg(windows)]
    return Arc::new(WindowsHosts);
    #[cfg(not(windows))]
    Arc::new(NoHosts)
}

//! Where resource DLLs connect.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wsfc_resource_channel::endpoint;

use super::{Settings, Unfit};

/// How the names of pipes of this host begin.
pub(super) const PIPES: &str = r"\\.\pipe\";
/// The socket in the data directory.
const SOCKET: &str = "resource.sock";

/// Where resource DLLs connect, which let programs be cluster resources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workloads {
    /// Whether they can connect at all.
    pub listen: bool,
    /// The name of a pipe on Windows, else the path of a socket. Absent: `\\.\pipe\wsfcd\resource`, else `resource.sock` in
    /// `data_dir`; where that cannot be had, the daemon runs without, and says so.
    pub endpoint: Option<String>,
}

impl Default for Workloads {
    fn default() -> Self {
        Self {
            listen: true,
            endpoint: None,
        }
    }
}

impl Workloads {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        check_endpoint("workloads.endpoint", self.endpoint.as_deref())
    }
}

/// Checks the endpoint of a socket or pipe of the host.
pub(super) fn check_endpoint(field: &'static str, endpoint: Option<&str>) -> Result<(), Unfit> {
    match endpoint {
        Some(endpoint) if cfg!(windows) && !endpoint.to_lowercase().starts_with(PIPES) => Err(Unfit::NotAPipe {
            field,
            endpoint: endpoint.to_owned(),
        }),
        Some(endpoint) if !cfg!(windows) && Path::new(endpoint).is_relative() => Err(Unfit::RelativePath {
            field,
            path: endpoint.into(),
        }),
        Some(_) | None => Ok(()),
    }
}

impl Settings {
    /// Where resource DLLs connect.
    pub fn workload_endpoint(&self) -> String {
        self.workloads.endpoint.clone().unwrap_or_else(|| {
            if cfg!(windows) {
                endpoint::PIPE.into()
            } else {
                self.data_dir.join(SOCKET).to_string_lossy().into_owned()
            }
        })
    }

    /// Where resource DLLs connect, if they have to be told; else nothing.
    pub fn endpoint_to_tell(&self) -> String {
        let endpoint = self.workload_endpoint();
        if self.workloads.listen && endpoint != endpoint::default() {
            endpoint
        } else {
            String::new()
        }
    }
}

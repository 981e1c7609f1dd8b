//! Which cluster an open one is.

use wsfc_clusapi::sys::constants::registry_access;
use wsfc_clusapi::{Cluster, Error};

use super::read::is_lost;
use crate::journal::caseless;

/// The value at the root of the cluster database that holds the GUID of the cluster (facts 2.1).
const INSTANCE_ID: &str = "ClusterInstanceID";

/// What a cluster is and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its GUID in lower case, or its name in lower case where that cannot be read.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Tells which cluster an open one is.
///
/// # Errors
///
/// The cluster does not tell its name, or is lost.
pub fn identify(cluster: &Cluster) -> Result<Identity, Error> {
    let name = cluster.information()?.name;
    let read = cluster
        .root_key(registry_access::QUERY_VALUE)
        .and_then(|root| root.value(INSTANCE_ID));
    let id = match read {
        Ok(value) => value.text().filter(|id| !id.is_empty()),
        Err(error) if is_lost(&error) => return Err(error),
        Err(error) => {
            tracing::debug!(cluster = name, %error, "The id of a cluster cannot be read; its name stands for it");
            None
        }
    };
    let id = caseless(id.as_ref().unwrap_or(&name));
    Ok(Identity { id, name })
}

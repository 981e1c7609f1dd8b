//! Where a resource is in the cluster of this host, as far as the daemon knows it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wsfc_proto::v1;
use wsfc_proto::v1::inventory_object::Object as Value;

use crate::inventory::{Clusters, Resolved};
use crate::journal::Journal;

/// How long the cluster API may take to name the cluster; what a resource reports does not wait longer.
const ASK_FOR: Duration = Duration::from_secs(2);
/// How long it is not asked again when it did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Knows the cluster of this host, and its inventory where it is observed.
#[derive(Debug)]
pub struct Location {
    clusters: Clusters,
    journal: Journal,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    cluster: Option<Resolved>,
    asked: Option<Instant>,
}

impl Location {
    /// Knows nothing yet.
    pub fn new(clusters: Clusters, journal: Journal) -> Self {
        Self {
            clusters,
            journal,
            known: Mutex::default(),
        }
    }

    /// Makes sure that the cluster of this host is known, if it can be had in short time. Cancel-safe.
    pub async fn find(&self) {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let asked = known.asked.is_some_and(|asked| asked.elapsed() < ASK_AGAIN);
            if known.cluster.is_some() || asked {
                return;
            }
            known.asked = Some(Instant::now());
        }
        match tokio::time::timeout(ASK_FOR, self.clusters.resolve("")).await {
            Ok(Ok(cluster)) => {
                self.known.lock().unwrap_or_else(PoisonError::into_inner).cluster = Some(cluster);
            }
            Ok(Err(error)) => {
                let error = crate::logging::chain(&error);
                tracing::debug!(error, "The cluster of this host is not known");
            }
            Err(_elapsed) => tracing::debug!("The cluster of this host did not answer in time"),
        }
    }

    /// Fills in where a resource is, as far as the inventory has it, and gives the name of its cluster; empty where it is not
    /// known.
    pub fn place(&self, status: &mut v1::ResourceStatus) -> String {
        // The cluster of a host can become another one; the inventory notices.
        let own = self.clusters.own();
        let own = own.or_else(|| {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .cluster
                .clone()
        });
        let Some(cluster) = own else { return String::new() };
        let inventory = self.journal.inventory();
        let resource = inventory.find(&cluster.id, v1::ObjectKind::Resource, &status.resource);
        if let Some(Value::Resource(resource)) = resource.and_then(|object| object.object.as_ref()) {
            status.resource_id.clone_from(&resource.id);
            status.group.clone_from(&resource.group);
            status.node.clone_from(&resource.owner_node);
        }
        cluster.name
    }
}

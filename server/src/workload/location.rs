//! Where a resource is in the cluster of this host, as far as the daemon knows it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wsfc_proto::v1;
use wsfc_proto::v1::inventory_object::Object as Value;

use crate::inventory::{Clusters, Resolved};
use crate::journal::Journal;

/// How long the cluster may take to name itself or a resource; what a resource reports does not wait longer.
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
    /// The cluster where none is observed, and when it has said so.
    cluster: Option<(Resolved, Instant)>,
    /// When the cluster did not answer last, unless it has since.
    silent: Option<Instant>,
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

    /// Makes sure that the cluster of this host is known and that its inventory has these resources, as far as that can be
    /// had in short time: one that was just made can report before its cluster has told of it, and who watches its group is
    /// to see that. Cancel-safe.
    pub async fn find(&self, resources: impl Iterator<Item = &str>) {
        if self.known().silent.is_some_and(|silent| silent.elapsed() < ASK_AGAIN) {
            return;
        }
        let silent = match tokio::time::timeout(ASK_FOR, self.ask(resources)).await {
            Ok(answered) => !answered,
            Err(_elapsed) => {
                tracing::debug!("The cluster of this host did not answer in time");
                true
            }
        };
        self.known().silent = silent.then(Instant::now);
    }

    /// False when the cluster does not answer.
    async fn ask(&self, resources: impl Iterator<Item = &str>) -> bool {
        let said = self.known().cluster.as_ref().map(|(_, said)| *said);
        let is_fresh = said.is_some_and(|said| said.elapsed() < ASK_AGAIN);
        let cluster = match self.clusters.own() {
            Some(cluster) => cluster,
            None if is_fresh => return true,
            None => match self.clusters.resolve("").await {
                Ok(cluster) => cluster,
                Err(error) => {
                    let error = crate::logging::chain(&error);
                    tracing::debug!(error, "The cluster of this host is not known");
                    self.known().cluster = None;
                    return false;
                }
            },
        };
        if !cluster.observed {
            self.known().cluster = Some((cluster, Instant::now()));
            return true;
        }
        let kind = v1::ObjectKind::Resource;
        let is_unheard = |resource: &&str| self.journal.inventory().find(&cluster.id, kind, resource).is_none();
        let unheard: Vec<_> = resources.filter(is_unheard).collect();
        self.clusters.learn(&cluster.id, kind, unheard).await
    }

    /// Fills in where a resource is, as far as the inventory has it, and gives the name of its cluster; empty where it is not
    /// known.
    pub fn place(&self, status: &mut v1::ResourceStatus) -> String {
        let Some(cluster) = self.cluster() else {
            return String::new();
        };
        let inventory = self.journal.inventory();
        let resource = inventory.find(&cluster.id, v1::ObjectKind::Resource, &status.resource);
        if let Some(Value::Resource(resource)) = resource.and_then(|object| object.object.as_ref()) {
            status.resource_id.clone_from(&resource.id);
            status.group.clone_from(&resource.group);
            status.node.clone_from(&resource.owner_node);
        }
        cluster.name
    }

    /// The cluster of this host, which can become another one: the inventory notices, and without one it is asked again.
    fn cluster(&self) -> Option<Resolved> {
        let known = || self.known().cluster.as_ref().map(|(cluster, _)| cluster.clone());
        self.clusters.own().or_else(known)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

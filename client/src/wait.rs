//! Waiting until an object is as wished.

use std::time::Duration;

use wsfc_proto::v1::{self, InventoryObject, ObjectKind, WatchFilter, WatchRequest};

use crate::cache::Cache;
use crate::client::{Client, WATCH};
use crate::error::Error;
use crate::watch::Watch;

impl Client {
    /// Waits until `condition` holds for the object of this kind and name (or id), which it is shown as it is at first
    /// and after each change; `None` while there is no such object. Returns the object as it then is.
    ///
    /// An empty cluster is that of the daemon's host. Lost connections, restarts of the daemon and a compacted journal
    /// are outlasted until `timeout` has passed.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when the condition did not hold in time; [`Error::Rejected`] when the cluster cannot be
    /// opened.
    pub async fn wait_for(
        &self,
        cluster: impl Into<String>,
        kind: ObjectKind,
        name: impl Into<String>,
        mut condition: impl FnMut(Option<&InventoryObject>) -> bool,
        timeout: Duration,
    ) -> Result<Option<InventoryObject>, Error> {
        let (cluster, name) = (cluster.into(), name.into());
        let waiting = async {
            // A watch without a cluster is one of every cluster.
            let cluster = self.cluster_name(cluster).await?;
            let filter = WatchFilter {
                kinds: vec![kind.into()],
                names: Some(name.clone()).filter(|name| !name.is_empty()).into_iter().collect(),
                ..Default::default()
            };
            let watch = self.watch(WatchRequest {
                cluster,
                filter: Some(filter),
                snapshot: true,
                ..Default::default()
            });
            hold(watch.resnapshot(true), kind, &name, &mut condition).await
        };
        match tokio::time::timeout(timeout, waiting).await {
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut {
                method: WATCH,
                after: timeout,
                last: None,
            }),
        }
    }

    /// The name of a cluster: the given one, and for an empty one that of the cluster of the daemon's host, which is
    /// asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when the cluster of the daemon's host cannot be opened.
    pub async fn cluster_name(&self, cluster: impl Into<String>) -> Result<String, Error> {
        let cluster = cluster.into();
        if !cluster.is_empty() {
            return Ok(cluster);
        }
        let request = v1::GetClusterStateRequest::default();
        Ok(self.get_cluster_state(request).await?.cluster.unwrap_or_default().name)
    }
}

/// Follows a watch until the condition holds.
async fn hold(
    mut watch: Watch,
    kind: ObjectKind,
    name: &str,
    condition: &mut impl FnMut(Option<&InventoryObject>) -> bool,
) -> Result<Option<InventoryObject>, Error> {
    let mut cache = Cache::new();
    while let Some(item) = watch.next().await {
        if cache.apply(&item?) && cache.is_complete() {
            let found = cache.find(kind, name);
            if condition(found) {
                return Ok(found.cloned());
            }
        }
    }
    Err(Error::Malformed {
        method: WATCH,
        problem: "the events ended",
    })
}

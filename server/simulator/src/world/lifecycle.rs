//! What happens to the name of a cluster after setup (facts 2.6).

use wsfc_clusapi::sys::constants::{management_point_type, notify_cluster};

use super::World;
use super::cluster::is_network_name;
use super::events::Event;

impl World {
    /// Takes the network name away, and with it the management point; with `objects` the computer object too.
    pub(crate) fn remove_network_name(&mut self, cluster_id: &str, objects: bool) {
        let Some(cluster) = self.clusters.iter_mut().find(|cluster| cluster.id == cluster_id) else {
            return;
        };
        cluster.management_point = management_point_type::NONE;
        if objects {
            self.directory.accounts.remove(&cluster.name.to_lowercase());
        }
        for id in cluster.resources.ids_where(|resource| is_network_name(&resource.kind)) {
            if let Some(resource) = cluster.remove_resource(&id) {
                self.events.push(Event::resource_deleted(cluster_id, &resource));
            }
        }
    }

    /// Gives the cluster another name and tells so.
    pub(crate) fn rename(&mut self, cluster_id: &str, name: &str) {
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            name.clone_into(&mut cluster.name);
        }
        self.events
            .push(Event::of_cluster(cluster_id, notify_cluster::RENAME, name));
    }
}

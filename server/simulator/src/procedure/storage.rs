//! AddClusterStorageNode.

use wsfc_clusapi::sys::constants::setup_phase as phase;

use super::Procedure;
use crate::script::Plan;
use crate::win32::ERROR_OBJECT_ALREADY_EXISTS;
use crate::world::World;
use crate::world::cluster::StorageNode;
use crate::world::setup::Trouble;

/// What AddClusterStorageNode was asked for.
pub(crate) struct AddStorageNode {
    pub(crate) cluster: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) location: String,
}

impl AddStorageNode {
    /// The subjects of the script.
    pub(crate) fn plan(&self, cluster_name: String) -> Plan {
        Plan {
            cluster: cluster_name,
            nodes: vec![self.name.clone()],
            ..Plan::default()
        }
    }
}

impl Procedure for AddStorageNode {
    fn perform(&mut self, world: &mut World, phase: i32, _: &str) -> Result<(), Trouble> {
        let cluster = world.serving(&self.cluster).map_err(Trouble::fatal)?;
        match phase {
            phase::VALIDATE_NODE_STATE
                if cluster
                    .storage_nodes
                    .iter()
                    .any(|node| node.name.eq_ignore_ascii_case(&self.name)) =>
            {
                Err(Trouble::fatal(ERROR_OBJECT_ALREADY_EXISTS))
            }
            phase::ADD_NODE_TO_CLUSTER => {
                if let Some(cluster) = world.cluster_mut(&self.cluster) {
                    cluster.storage_nodes.push(StorageNode {
                        name: self.name.clone(),
                        description: self.description.clone(),
                        location: self.location.clone(),
                    });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The node is added by the last phase: there is nothing to take back before it.
    fn undo(&mut self, _: &mut World) {}
}

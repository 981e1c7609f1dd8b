//! DestroyCluster.

use wsfc_clusapi::sys::constants::setup_phase as phase;

use super::Procedure;
use crate::script::{CLUSTER_GROUP, Plan};
use crate::win32::{ERROR_NONCORE_GROUPS_FOUND, code_of};
use crate::world::World;
use crate::world::setup::Trouble;

/// What DestroyCluster was asked for, and what it has met.
pub(crate) struct Destroy {
    pub(crate) cluster: String,
    pub(crate) computer_objects: bool,
    /// The code of the last step that failed: what the call returns though the cluster may be gone (facts 1.4).
    pub(crate) last_failure: Option<u32>,
}

impl Destroy {
    /// The subjects of the script; the local node comes last.
    pub(crate) fn plan(&self, world: &World) -> Plan {
        let Some(cluster) = world.cluster(&self.cluster) else {
            return Plan::default();
        };
        let mut nodes: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
        nodes.sort_by_key(|node| node.eq_ignore_ascii_case(&world.local));
        let groups = cluster.groups.iter().map(|group| group.name.clone());
        Plan {
            cluster: cluster.name.clone(),
            nodes,
            leftover_groups: groups.filter(|name| name != CLUSTER_GROUP).collect(),
            computer_objects: self.computer_objects,
            ..Plan::default()
        }
    }

    /// A step that failed does not stop the rest.
    fn note(&mut self, status: u32) -> Trouble {
        self.last_failure = Some(code_of(status));
        Trouble::Warning(status)
    }
}

impl Procedure for Destroy {
    fn perform(&mut self, world: &mut World, phase: i32, object: &str) -> Result<(), Trouble> {
        match phase {
            phase::INITIALIZE => {
                let cluster = world.serving(&self.cluster).map_err(Trouble::fatal)?;
                if World::foreign_groups(cluster) {
                    return Err(Trouble::fatal(ERROR_NONCORE_GROUPS_FOUND));
                }
            }
            phase::OFFLINE_GROUP => world.take_group_offline(&self.cluster, object),
            phase::DELETE_GROUP | phase::CORE_GROUP_CLEANUP => world.delete_group(&self.cluster, object),
            phase::CLEANUP_COS => {
                if let Some(name) = world.cluster(&self.cluster).map(|cluster| cluster.name.to_lowercase()) {
                    world.directory.accounts.remove(&name);
                }
            }
            phase::EVICT_NODE => {
                let found = world
                    .cluster(&self.cluster)
                    .and_then(|cluster| world.find_node(cluster, object).ok());
                if let Some(node) = found {
                    world.remove_node(&self.cluster, node);
                }
                // With its last node the cluster is gone.
                world
                    .clusters
                    .retain(|cluster| cluster.id != self.cluster || !cluster.nodes.is_empty());
            }
            phase::CLEANUP_NODE => {
                let status = world.clean_node(object);
                if status != 0 {
                    return Err(self.note(status));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Nothing of a destroyed cluster comes back.
    fn undo(&mut self, _: &mut World) {}
}

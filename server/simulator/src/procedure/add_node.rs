//! AddClusterNode.

use wsfc_clusapi::sys::constants::setup_phase as phase;

use super::{Procedure, atc_nodes};
use crate::script::Plan;
use crate::win32::{ERROR_CLUSTER_NODE_NOT_READY, RPC_S_SERVER_UNAVAILABLE};
use crate::world::World;
use crate::world::setup::Trouble;

/// The pause that `strict_30s` wants between CreateCluster and AddClusterNode, in simulated milliseconds (facts 1.3).
const SETTLING_MS: u64 = 30_000;

/// What AddClusterNode was asked for, and what it has done.
pub(crate) struct AddNode {
    pub(crate) cluster: String,
    pub(crate) cluster_name: String,
    pub(crate) node: String,
    pub(crate) strict_30s: bool,
    pub(crate) now_ms: u64,
    added: Option<u32>,
    configured: bool,
}

impl AddNode {
    pub(crate) fn new(cluster: String, cluster_name: String, node: String, strict_30s: bool, now_ms: u64) -> Self {
        Self {
            cluster,
            cluster_name,
            node,
            strict_30s,
            now_ms,
            added: None,
            configured: false,
        }
    }

    /// The subjects of the script.
    pub(crate) fn plan(&self, world: &World) -> Plan {
        let nodes = vec![self.node.clone()];
        Plan {
            cluster: self.cluster_name.clone(),
            atc_nodes: atc_nodes(world, &nodes),
            nodes,
            ..Plan::default()
        }
    }
}

impl Procedure for AddNode {
    fn perform(&mut self, world: &mut World, phase: i32, object: &str) -> Result<(), Trouble> {
        let cluster = world.serving(&self.cluster).map_err(Trouble::fatal)?;
        match phase {
            phase::INITIALIZE => {
                let settled = cluster
                    .created_ms
                    .is_none_or(|created| self.now_ms >= created + SETTLING_MS);
                if self.strict_30s && !settled {
                    return Err(Trouble::fatal(ERROR_CLUSTER_NODE_NOT_READY));
                }
            }
            phase::VALIDATE_NODE_STATE => {
                world.validate_node(object, Some(&self.cluster))?;
                world.validate_joining(object, cluster)?;
            }
            phase::ADD_NODE_TO_CLUSTER => {
                self.added = world.add_node(&self.cluster, object);
                if self.added.is_none() {
                    return Err(Trouble::fatal(RPC_S_SERVER_UNAVAILABLE));
                }
            }
            phase::CONFIGURE_CLUS_SVC => {
                world.configure_service(object, &self.cluster)?;
                self.configured = true;
            }
            phase::STARTING_CLUS_SVC => world.start_service(object)?,
            phase::NODE_UP => world.node_up(&self.cluster, object),
            _ => {}
        }
        Ok(())
    }

    fn undo(&mut self, world: &mut World) {
        if let Some(node) = self.added {
            world.remove_node(&self.cluster, node);
        }
        if self.configured {
            world.clean_node(&self.node);
        }
    }
}

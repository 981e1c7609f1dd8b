//! CreateCluster.

use std::net::IpAddr;

use wsfc_clusapi::sys::constants::{
    group_type, management_point_restype as restype, management_point_type as point, setup_phase as phase,
};

use super::{Procedure, atc_nodes};
use crate::script::{AVAILABLE_STORAGE, CLUSTER_GROUP, Plan};
use crate::win32::{ERROR_CLUSTER_CANT_CREATE_DUP_CLUSTER_NAME, ERROR_INVALID_PARAMETER};
use crate::world::World;
use crate::world::setup::Trouble;

/// An address that the cluster shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// As the caller wrote it: phases name it so.
    pub(crate) text: String,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u32,
}

/// What CreateCluster was asked for, and what it has done.
pub(crate) struct CreateCluster {
    pub(crate) name: String,
    pub(crate) nodes: Vec<String>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) management_point: i32,
    pub(crate) restype: i32,
    /// The id that the cluster will have.
    pub(crate) cluster: String,
    pub(crate) wanted_level: Option<u32>,
    configured: Vec<String>,
    account_created: bool,
}

impl CreateCluster {
    pub(crate) fn new(name: String, nodes: Vec<String>, addresses: Vec<Address>, point: i32, restype: i32) -> Self {
        Self {
            name,
            nodes,
            addresses,
            management_point: point,
            restype,
            cluster: String::new(),
            wanted_level: None,
            configured: Vec::new(),
            account_created: false,
        }
    }

    /// Guess: no address and no distributed name means no network name at all, whatever type was asked for (facts 1.2).
    fn has_name(&self) -> bool {
        self.management_point != point::NONE
            && (!self.addresses.is_empty() || self.restype == restype::DISTRIBUTED_NETWORK_NAME)
    }

    fn has_account(&self) -> bool {
        self.has_name() && matches!(self.management_point, point::CNO | point::CNO_ONLY)
    }

    /// The subjects of the script.
    pub(crate) fn plan(&self, world: &World) -> Plan {
        Plan {
            cluster: self.name.clone(),
            nodes: self.nodes.clone(),
            atc_nodes: atc_nodes(world, &self.nodes),
            addresses: self.addresses.iter().map(|address| address.text.clone()).collect(),
            account: self.has_account(),
            network_name: self.has_name(),
            ..Plan::default()
        }
    }
}

impl Procedure for CreateCluster {
    fn perform(&mut self, world: &mut World, phase: i32, object: &str) -> Result<(), Trouble> {
        match phase {
            phase::INITIALIZE
                if world
                    .clusters
                    .iter()
                    .any(|other| other.name.eq_ignore_ascii_case(&self.name)) =>
            {
                return Err(Trouble::fatal(ERROR_CLUSTER_CANT_CREATE_DUP_CLUSTER_NAME));
            }
            phase::VALIDATE_NODE_STATE => {
                world.validate_node(object, None)?;
                world.validate_release(object, world.forming_level(&self.nodes, self.wanted_level))?;
            }
            phase::QUERY_CLUSTER_NAME_ACCOUNT => world.query_account(&self.name)?,
            phase::VALIDATE_CLUSTER_NAME_ACCOUNT => world.validate_account()?,
            phase::CREATE_CLUSTER_ACCOUNT => {
                self.account_created = world.directory.accounts.insert(self.name.to_lowercase());
            }
            phase::CONFIGURE_CLUS_SVC => {
                world.configure_service(object, &self.cluster)?;
                self.configured.push(object.into());
            }
            phase::STARTING_CLUS_SVC => world.start_service(object)?,
            phase::FORMING_CLUSTER => {
                let level = world.forming_level(&self.nodes, self.wanted_level);
                let first = self.nodes.first().map_or("", String::as_str);
                world.form(&self.cluster, &self.name, level, first);
            }
            phase::ADD_CLUSTER_PROPERTIES => {
                let management_point = if self.has_name() {
                    self.management_point
                } else {
                    point::NONE
                };
                if let Some(cluster) = world.cluster_mut(&self.cluster) {
                    cluster.management_point = management_point;
                    cluster.restype = self.restype;
                }
            }
            phase::CREATE_RESOURCE_TYPES => {
                if let Some(cluster) = world.cluster_mut(&self.cluster) {
                    cluster.add_resource_types();
                }
            }
            phase::CREATE_GROUPS => {
                let group_type = match object {
                    CLUSTER_GROUP => group_type::CORE_CLUSTER,
                    AVAILABLE_STORAGE => group_type::AVAILABLE_STORAGE,
                    _ => return Err(Trouble::fatal(ERROR_INVALID_PARAMETER)),
                };
                world.create_group(&self.cluster, object, group_type);
            }
            phase::CREATE_IP_ADDRESS_RESOURCES => {
                if let Some(address) = self.addresses.iter().find(|address| address.text == object) {
                    world.create_address(&self.cluster, address.address, address.prefix)?;
                }
            }
            phase::CREATE_NETWORK_NAME => {
                let distributed = self.restype == restype::DISTRIBUTED_NETWORK_NAME;
                world.create_network_name(&self.cluster, distributed)?;
            }
            phase::CLUSTER_GROUP_ONLINE => world.bring_core_group_online(&self.cluster),
            phase::ADD_NODE_TO_CLUSTER => {
                world.add_node(&self.cluster, object);
            }
            phase::NODE_UP => world.node_up(&self.cluster, object),
            _ => {}
        }
        Ok(())
    }

    fn undo(&mut self, world: &mut World) {
        world.clusters.retain(|cluster| cluster.id != self.cluster);
        for node in self.configured.drain(..) {
            world.clean_node(&node);
        }
        if self.account_created {
            world.directory.accounts.remove(&self.name.to_lowercase());
        }
    }
}

//! CreateClusterNameAccount and RepairClusterNameAccount.

use wsfc_clusapi::sys::constants::{
    management_point_restype as restype, management_point_type as point, setup_phase as phase,
};

use super::Procedure;
use crate::script::Plan;
use crate::win32::ERROR_NO_ADMIN_ACCESS_POINT;
use crate::world::World;
use crate::world::setup::Trouble;

/// What CreateClusterNameAccount was asked for, and what it has done.
pub(crate) struct NameAccount {
    pub(crate) cluster: String,
    pub(crate) name: String,
    pub(crate) management_point: i32,
    pub(crate) restype: i32,
    pub(crate) created: bool,
}

impl NameAccount {
    /// The subjects of the script.
    pub(crate) fn plan(&self) -> Plan {
        let account = matches!(self.management_point, point::CNO | point::CNO_ONLY);
        Plan {
            cluster: self.name.clone(),
            account,
            ..Plan::default()
        }
    }
}

impl Procedure for NameAccount {
    fn perform(&mut self, world: &mut World, phase: i32, _: &str) -> Result<(), Trouble> {
        world.serving(&self.cluster).map_err(Trouble::fatal)?;
        match phase {
            phase::QUERY_CLUSTER_NAME_ACCOUNT => world.query_account(&self.name)?,
            phase::VALIDATE_CLUSTER_NAME_ACCOUNT => world.validate_account()?,
            phase::CREATE_CLUSTER_ACCOUNT => {
                self.created = world.directory.accounts.insert(self.name.to_lowercase());
            }
            phase::CREATE_NETWORK_NAME => {
                if let Some(cluster) = world.cluster_mut(&self.cluster) {
                    cluster.management_point = self.management_point;
                    cluster.restype = self.restype;
                }
                let distributed = self.restype == restype::DISTRIBUTED_NETWORK_NAME;
                world.create_network_name(&self.cluster, distributed)?;
            }
            phase::CLUSTER_GROUP_ONLINE => world.bring_core_group_online(&self.cluster),
            _ => {}
        }
        Ok(())
    }

    fn undo(&mut self, world: &mut World) {
        if self.created {
            world.directory.accounts.remove(&self.name.to_lowercase());
        }
    }
}

/// What RepairClusterNameAccount was asked for.
pub(crate) struct RepairAccount {
    pub(crate) cluster: String,
}

impl Procedure for RepairAccount {
    fn perform(&mut self, world: &mut World, phase: i32, object: &str) -> Result<(), Trouble> {
        let cluster = world.serving(&self.cluster).map_err(Trouble::fatal)?;
        match phase {
            phase::INITIALIZE if cluster.management_point == point::NONE => {
                Err(Trouble::fatal(ERROR_NO_ADMIN_ACCESS_POINT))
            }
            phase::REPAIR_CNO_ACCOUNT => {
                world.validate_account()?;
                world.directory.accounts.insert(object.to_lowercase());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A repair that failed leaves things as they were.
    fn undo(&mut self, _: &mut World) {}
}

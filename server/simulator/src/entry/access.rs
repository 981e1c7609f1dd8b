//! Who may use the cluster, and its database in a folder (facts 2.6).

use std::path::PathBuf;
use std::sync::Arc;

use wsfc_clusapi::sys::constants::{access, account_access};
use wsfc_clusapi::sys::types::{BOOL, HCLUSTER, PCWSTR};

use super::{Answer, cluster_of, code, required};
use crate::simulation::Inner;
use crate::win32::{ERROR_CALL_NOT_IMPLEMENTED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_WRITE_FAULT};
use crate::world::access::Sid;

/// ClusterSetAccountAccess. 1337 for a malformed SID, 87 for unknown numbers. Guess: removing an account that has no
/// entry changes nothing.
pub(super) unsafe extern "system" fn set_account(cluster: HCLUSTER, sid: PCWSTR, mask: u32, kind: u32) -> u32 {
    code(|| {
        let (world, cluster) = cluster_of(cluster, "ClusterSetAccountAccess")?;
        // SAFETY: The caller passes NULL or a string.
        let sid = Sid::parse(&unsafe { required(sid)? })?;
        let is_removed = kind == account_access::REMOVE;
        if account_access::name(kind).is_none() || (!is_removed && (mask == 0 || mask & !access::ALL != 0)) {
            return Err(ERROR_INVALID_PARAMETER);
        }
        world.change(|state| {
            state.serving(&cluster)?;
            state.world.change_access(&cluster, |descriptor| {
                if is_removed {
                    descriptor.remove(&sid);
                } else {
                    descriptor.set(&sid, mask, kind == account_access::DENY);
                }
            })
        })
    })
}

/// The file of a backup in its folder.
const BACKUP_FILE: &str = "CLUSDB.json";

/// BackupClusterDatabase: 120, as modern servers answer, unless the scenario wants an old one. Then the cluster is
/// written to the folder.
pub(super) unsafe extern "system" fn backup(cluster: HCLUSTER, path_name: PCWSTR) -> u32 {
    code(|| {
        let (world, cluster) = cluster_of(cluster, "BackupClusterDatabase")?;
        // SAFETY: The caller passes NULL or a string.
        let folder = PathBuf::from(unsafe { required(path_name)? });
        if !world.scenario.legacy_backup {
            return Err(ERROR_CALL_NOT_IMPLEMENTED);
        }
        let text = {
            let state = world.lock();
            serde_json::to_vec(state.serving(&cluster)?).map_err(|_| ERROR_WRITE_FAULT)?
        };
        std::fs::create_dir_all(&folder).map_err(|_| ERROR_WRITE_FAULT)?;
        std::fs::write(folder.join(BACKUP_FILE), text).map_err(|_| ERROR_WRITE_FAULT)
    })
}

/// RestoreClusterDatabase: the cluster of the local machine becomes what the backup says; nodes of today keep running.
/// 120 as above, 2 without a backup, 1753 when the local machine is in no cluster, 5087 for a damaged one.
pub(super) unsafe fn restore(world: Answer<Arc<Inner>>, path_name: PCWSTR, _force: BOOL) -> Answer<()> {
    let world = world?;
    world.enter("RestoreClusterDatabase")?;
    // SAFETY: The caller passes NULL or a string.
    let folder = PathBuf::from(unsafe { required(path_name)? });
    if !world.scenario.legacy_backup {
        return Err(ERROR_CALL_NOT_IMPLEMENTED);
    }
    let text = std::fs::read(folder.join(BACKUP_FILE)).map_err(|_| ERROR_FILE_NOT_FOUND)?;
    world.change(|state| state.world.restore_database(&text))
}

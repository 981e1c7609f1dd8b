//! What is done with a cluster as a whole: its name, the access to it, its database (facts 2.6).
#![expect(unsafe_code, reason = "C functions are called with handles and texts of ours")]

use crate::api::{Clusapi, check_code, check_status, entry};
use crate::error::Error;
use crate::handle::{Cluster, Opened as _};
use crate::numbers::AccountAccess;
use crate::sys::constants::{FALSE, TRUE};
use crate::verb::{Argument as _, Held as _, Stored, verbs};
use crate::wide::{self, WideString};

verbs! {
    /// Renames the cluster. The new name takes effect when the cluster's name goes online next, and even the old name
    /// is answered so (facts 2.6).
    Cluster::rename(name: &str) -> Stored = SetClusterName(name);
    /// Allows or denies an account, given by its SID as a text, an [`access`](crate::sys::constants::access), or takes
    /// all of its entries away.
    Cluster::set_account_access(account_sid: &str, access: u32, how: AccountAccess) -> ()
        = ClusterSetAccountAccess(account_sid, access, how);
    /// Saves the cluster database to a folder. Modern servers answer 120 (facts 2.6).
    Cluster::back_up_database(folder: &str) -> () = BackupClusterDatabase(folder);
}

impl Cluster {
    /// Writes the cluster database to disk on all nodes.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn sync_database(&self) -> Result<(), Error> {
        let sync = entry!(self.api(), ClusterRegSyncDatabase)?;
        // SAFETY: The handle is open.
        let status = unsafe { sync(self.as_raw(), 0) };
        check_status("ClusterRegSyncDatabase", status)
    }
}

impl Clusapi {
    /// Restores the cluster database of this host from a folder and starts its Cluster service. `force` takes a quorum
    /// disk whose layout has changed since; the drive letter names the quorum disk where it cannot be found.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`].
    pub fn restore_database(&self, folder: &str, force: bool, quorum_drive: Option<&str>) -> Result<(), Error> {
        let restore = entry!(self, RestoreClusterDatabase)?;
        let folder = WideString::new("folder", folder)?;
        let quorum_drive = WideString::optional("quorum_drive", quorum_drive)?;
        let force = if force { TRUE } else { FALSE };
        // SAFETY: The texts are NULL or end with a NUL, and outlive the call.
        let code = unsafe { restore(folder.as_ptr(), force, wide::pointer_or_null(quorum_drive.as_ref())) };
        check_code("RestoreClusterDatabase", code)
    }
}

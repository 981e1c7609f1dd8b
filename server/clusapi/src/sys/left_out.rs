//! The functions of `clusapi.dll` that the table does not have, and why.

/// Adds a text for the log of the cluster to a call that the table has.
const REASON: &str = "only adds a text that says why, for the log of the cluster";
/// Passes the token of the calling thread.
const AS_USER: &str = "passes on the token of the calling thread, and the daemon acts as itself";
/// Watches the changes of registry batches.
const BATCH_PORT: &str = "tells of registry batches, whose changes the notifications tell too";

/// Each with the reason. Together with the table they are all functions of `clusapi.dll` that `windows-sys` has; the
/// table has some that `windows-sys` has not.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("AddClusterGroupDependencyEx", REASON),
    ("AddClusterGroupSetDependencyEx", REASON),
    ("AddClusterGroupToGroupSetDependencyEx", REASON),
    ("AddClusterResourceDependencyEx", REASON),
    ("AddClusterResourceNodeEx", REASON),
    (
        "AddCrossClusterGroupSetDependency",
        "sets of clusters are not managed here",
    ),
    ("ChangeClusterResourceGroupEx2", REASON),
    (
        "ClusapiSetReasonHandler",
        "hooks into the process; reasons come from the calls themselves",
    ),
    ("ClusterAddGroupToGroupSetWithDomainsEx", REASON),
    ("ClusterControlEx", REASON),
    ("ClusterGroupControlEx", REASON),
    ("ClusterGroupSetControlEx", REASON),
    ("ClusterNetInterfaceControlEx", REASON),
    ("ClusterNetworkControlEx", REASON),
    ("ClusterNodeControlEx", REASON),
    ("ClusterRegBatchCloseNotification", BATCH_PORT),
    ("ClusterRegBatchReadCommand", BATCH_PORT),
    ("ClusterRegCloseBatchEx", "adds flags that nothing documents"),
    ("ClusterRegCloseBatchNotifyPort", BATCH_PORT),
    ("ClusterRegCloseReadBatchEx", "adds flags that nothing documents"),
    ("ClusterRegCreateBatchNotifyPort", BATCH_PORT),
    ("ClusterRegCreateKeyEx", REASON),
    ("ClusterRegDeleteKeyEx", REASON),
    ("ClusterRegDeleteValueEx", REASON),
    ("ClusterRegGetBatchNotification", BATCH_PORT),
    ("ClusterRegSetKeySecurityEx", REASON),
    ("ClusterRegSetValueEx", REASON),
    ("ClusterRemoveGroupFromGroupSetEx", REASON),
    ("ClusterResourceControlAsUser", AS_USER),
    ("ClusterResourceControlAsUserEx", AS_USER),
    ("ClusterResourceControlEx", REASON),
    ("ClusterResourceTypeControlAsUser", AS_USER),
    ("ClusterResourceTypeControlAsUserEx", AS_USER),
    ("ClusterResourceTypeControlEx", REASON),
    (
        "ClusterSharedVolumeSetSnapshotState",
        "is for providers of volume shadow copies",
    ),
    (
        "CreateClusterNotifyPort",
        "notifications of version 1, which have no ids and no payload (facts 4.5)",
    ),
    ("CreateClusterResourceEx", REASON),
    ("CreateClusterResourceTypeEx", REASON),
    ("DeleteClusterGroupEx", REASON),
    ("DeleteClusterGroupSetEx", REASON),
    ("DeleteClusterResourceEx", REASON),
    ("DeleteClusterResourceTypeEx", REASON),
    ("DestroyClusterGroupEx", REASON),
    ("FailClusterResourceEx", REASON),
    (
        "GetClusterFromGroup",
        "the handle of an object holds its cluster's already",
    ),
    (
        "GetClusterFromNetInterface",
        "the handle of an object holds its cluster's already",
    ),
    (
        "GetClusterFromNetwork",
        "the handle of an object holds its cluster's already",
    ),
    (
        "GetClusterFromNode",
        "the handle of an object holds its cluster's already",
    ),
    (
        "GetClusterFromResource",
        "the handle of an object holds its cluster's already",
    ),
    (
        "GetClusterNotify",
        "notifications of version 1, which have no ids and no payload (facts 4.5)",
    ),
    (
        "IsFileOnClusterSharedVolume",
        "asks about a file of the calling host, not about a cluster",
    ),
    ("MoveClusterGroupEx2", REASON),
    ("OfflineClusterGroupEx2", REASON),
    ("OfflineClusterResourceEx2", REASON),
    ("OnlineClusterGroupEx2", REASON),
    ("OnlineClusterResourceEx2", REASON),
    (
        "OpenClusterNetInterfaceEx",
        "adds access rights, which those of the cluster's handle cover",
    ),
    (
        "OpenClusterNetworkEx",
        "adds access rights, which those of the cluster's handle cover",
    ),
    (
        "OpenClusterResourceEx",
        "adds access rights, which those of the cluster's handle cover",
    ),
    ("PauseClusterNodeEx2", REASON),
    (
        "RegisterClusterNotify",
        "notifications of version 1, which have no ids and no payload (facts 4.5)",
    ),
    ("RemoveClusterGroupDependencyEx", REASON),
    ("RemoveClusterGroupSetDependencyEx", REASON),
    ("RemoveClusterGroupToGroupSetDependencyEx", REASON),
    ("RemoveClusterResourceDependencyEx", REASON),
    ("RemoveClusterResourceNodeEx", REASON),
    (
        "RemoveCrossClusterGroupSetDependency",
        "sets of clusters are not managed here",
    ),
    ("RestartClusterResourceEx", REASON),
    ("ResumeClusterNodeEx2", REASON),
    ("SetClusterGroupNameEx", REASON),
    ("SetClusterGroupNodeListEx", REASON),
    ("SetClusterGroupSetDependencyExpressionEx", REASON),
    ("SetClusterNameEx", REASON),
    ("SetClusterNetworkNameEx", REASON),
    ("SetClusterQuorumResourceEx", REASON),
    ("SetClusterResourceNameEx", REASON),
    (
        "SetClusterServiceAccountPassword",
        "modern servers answer 120 (facts 2.6)",
    ),
    ("SetGroupDependencyExpressionEx", REASON),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::FUNCTIONS;

    /// The functions of `clusapi.dll` that `windows-sys` 0.61 has.
    const ALL: &str = include_str!("clusapi_280.txt");

    #[test]
    fn the_table_and_this_list_are_all_functions() {
        let all: Vec<&str> = ALL.lines().collect();
        assert_eq!(all.len(), 280);
        for name in &all {
            let in_table = FUNCTIONS.iter().any(|function| function.name == *name);
            let left_out = LEFT_OUT.iter().any(|(left_out, _)| left_out == name);
            assert!(
                in_table != left_out,
                "{name} is in the table: {in_table}, left out: {left_out}"
            );
        }
        for (name, _) in LEFT_OUT {
            assert!(all.contains(name), "{name} is no function of clusapi.dll");
        }
        let others: Vec<&str> = FUNCTIONS
            .iter()
            .map(|function| function.name)
            .filter(|name| !all.contains(name))
            .collect();
        assert_eq!(
            others,
            ["RepairClusterNameAccount", "GetLastError"],
            "not in `windows-sys`, or of another library"
        );
    }
}

//! The list of calls: what each is, once.

/// Gives the list of calls to a macro, a row each:
///
/// `Variant(request field) calls "C function" on ObjectKind target-field holds what;`
///
/// The variant is that of the parameters and of [`OperationKind`](wsfc_proto::v1::OperationKind). The C function is the
/// one that the operation is known by; without it the call is refused. The target is the field of the parameters that
/// names the object, or `none`. What it holds is `whole`, the cluster and its hosts; `object`, the object alone; or a
/// part of the cluster by name.
macro_rules! for_each_call {
    ($then:ident) => {
        $then! {
            // Setup calls: they configure whole hosts.
            CreateCluster(cluster) calls "CreateCluster" on Cluster none holds whole;
            AddNode(node) calls "AddClusterNode" on Node node holds whole;
            EvictNode(node) calls "EvictClusterNodeEx" on Node node holds whole;
            DestroyCluster(cluster) calls "DestroyCluster" on Cluster none holds whole;
            UpgradeFunctionalLevel(upgrade) calls "ClusterUpgradeFunctionalLevel" on Cluster none holds whole;
            CreateNameAccount(account) calls "CreateClusterNameAccount" on Cluster account holds whole;
            RemoveNameAccount(account) calls "RemoveClusterNameAccount" on Cluster none holds whole;
            RepairNameAccount(account) calls "RepairClusterNameAccount" on Cluster none holds whole;
            AddStorageNode(storage_node) calls "AddClusterStorageNode" on Cluster node holds whole;
            RemoveStorageNode(storage_node) calls "RemoveClusterStorageNode" on Cluster node holds whole;
            // Clusters.
            RenameCluster(cluster) calls "SetClusterName" on Cluster none holds "name";
            ShutdownCluster(cluster) calls "ClusterControl" on Cluster none holds whole;
            BackupDatabase(cluster) calls "BackupClusterDatabase" on Cluster none holds "database";
            RestoreDatabase(cluster) calls "RestoreClusterDatabase" on Cluster none holds "database";
            // Nodes. Starting and stopping one is the service manager's.
            PauseNode(node) calls "PauseClusterNodeEx" on Node node holds object;
            ResumeNode(node) calls "ResumeClusterNodeEx" on Node node holds object;
            StartNode(node) calls "StartServiceW" on Node node holds object;
            StopNode(node) calls "ControlService" on Node node holds object;
            // Groups.
            CreateGroup(group) calls "CreateClusterGroupEx" on Group group holds object;
            DeleteGroup(group) calls "DeleteClusterGroup" on Group group holds object;
            OnlineGroup(group) calls "OnlineClusterGroupEx" on Group group holds object;
            OfflineGroup(group) calls "OfflineClusterGroupEx" on Group group holds object;
            MoveGroup(group) calls "MoveClusterGroupEx" on Group group holds object;
            MigrateVirtualMachine(group) calls "MoveClusterGroupEx" on Group group holds object;
            CancelGroupMove(group) calls "CancelClusterGroupOperation" on Group group holds nothing;
            SetPreferredOwners(group) calls "SetClusterGroupNodeList" on Group group holds object;
            SetFailoverPolicy(group) calls "ClusterGroupControl" on Group group holds object;
            RenameGroup(group) calls "SetClusterGroupName" on Group group holds object;
            // Resources.
            CreateResource(resource) calls "CreateClusterResource" on Resource resource holds object;
            DeleteResource(resource) calls "DeleteClusterResource" on Resource resource holds object;
            OnlineResource(resource) calls "OnlineClusterResourceEx" on Resource resource holds object;
            OfflineResource(resource) calls "OfflineClusterResourceEx" on Resource resource holds object;
            FailResource(resource) calls "FailClusterResource" on Resource resource holds object;
            RestartResource(resource) calls "RestartClusterResource" on Resource resource holds object;
            SetResourceMaintenance(resource) calls "ClusterResourceControl" on Resource resource holds object;
            SetPossibleOwners(resource) calls "AddClusterResourceNode" on Resource resource holds object;
            AddResourceDependency(resource) calls "AddClusterResourceDependency" on Resource resource holds object;
            RemoveResourceDependency(resource) calls "RemoveClusterResourceDependency" on Resource resource holds object;
            SetResourceDependencies(resource) calls "SetClusterResourceDependencyExpression" on Resource resource holds object;
            MoveResource(resource) calls "ChangeClusterResourceGroupEx" on Resource resource holds object;
            RenameResource(resource) calls "SetClusterResourceName" on Resource resource holds object;
            SetSeparateMonitor(resource) calls "ClusterResourceControl" on Resource resource holds object;
            AddCheckpoint(resource) calls "ClusterResourceControl" on Resource resource holds object;
            RemoveCheckpoint(resource) calls "ClusterResourceControl" on Resource resource holds object;
            RenewIpLease(resource) calls "ClusterResourceControl" on Resource resource holds object;
            ReleaseIpLease(resource) calls "ClusterResourceControl" on Resource resource holds object;
            RegisterDnsRecords(resource) calls "ClusterResourceControl" on Resource resource holds object;
            CreateResourceType(resource_type) calls "CreateClusterResourceType" on ResourceType resource_type holds object;
            DeleteResourceType(resource_type) calls "DeleteClusterResourceType" on ResourceType resource_type holds object;
            // Networks.
            RenameNetwork(network) calls "SetClusterNetworkName" on Network network holds object;
            SetNetworkRole(network) calls "ClusterNetworkControl" on Network network holds object;
            SetNetworkMetric(network) calls "ClusterNetworkControl" on Network network holds object;
            SetNetworkPriority(networks) calls "SetClusterNetworkPriorityOrder" on Network none holds "network-order";
            // Quorum.
            SetQuorum(quorum) calls "SetClusterQuorumResource" on Quorum none holds "quorum";
            SetNodeVote(vote) calls "ClusterNodeControl" on Node node holds object;
            // Disks and shared volumes, by their disk resource.
            AddSharedVolume(volume) calls "AddResourceToClusterSharedVolumes" on Resource resource holds object;
            RemoveSharedVolume(volume) calls "RemoveResourceFromClusterSharedVolumes" on Resource resource holds object;
            MoveSharedVolume(volume) calls "MoveClusterGroup" on Resource resource holds object;
            SetSharedVolumeRedirected(volume) calls "ClusterResourceControl" on Resource resource holds object;
            SetSharedVolumeMaintenance(volume) calls "ClusterResourceControl" on Resource resource holds object;
            AddDisk(disk) calls "CreateClusterResource" on Cluster disk_id holds "disks";
            // Group sets, dependencies between groups, affinity rules.
            CreateGroupSet(group_set) calls "CreateClusterGroupSet" on GroupSet group_set holds object;
            DeleteGroupSet(group_set) calls "DeleteClusterGroupSet" on GroupSet group_set holds object;
            AddGroupToSet(group_set) calls "ClusterAddGroupToGroupSet" on GroupSet group_set holds object;
            RemoveGroupFromSet(group_set) calls "ClusterRemoveGroupFromGroupSet" on Group group holds object;
            AddGroupSetDependency(group_set) calls "AddClusterGroupSetDependency" on GroupSet group_set holds object;
            RemoveGroupSetDependency(group_set) calls "RemoveClusterGroupSetDependency" on GroupSet group_set holds object;
            AddGroupDependency(dependency) calls "AddClusterGroupDependency" on Group group holds object;
            RemoveGroupDependency(dependency) calls "RemoveClusterGroupDependency" on Group group holds object;
            SetGroupSetDependencies(group_set) calls "SetClusterGroupSetDependencyExpression" on GroupSet group_set holds object;
            CreateAvailabilitySet(group_set) calls "CreateClusterAvailabilitySet" on GroupSet group_set holds object;
            CreateAffinityRule(rule) calls "ClusterCreateAffinityRule" on AffinityRule rule holds object;
            DeleteAffinityRule(rule) calls "ClusterRemoveAffinityRule" on AffinityRule rule holds object;
            AddGroupToAffinityRule(rule) calls "ClusterAddGroupToAffinityRule" on AffinityRule rule holds object;
            RemoveGroupFromAffinityRule(rule) calls "ClusterRemoveGroupFromAffinityRule" on AffinityRule rule holds object;
            // Access, the registry of the cluster, and properties, whose kind of object the request names.
            GrantAccess(access) calls "ClusterSetAccountAccess" on Cluster account holds "access";
            BlockAccess(access) calls "ClusterSetAccountAccess" on Cluster account holds "access";
            RemoveAccess(access) calls "ClusterSetAccountAccess" on Cluster account holds "access";
            ApplyRegistryBatch(batch) calls "ClusterRegCloseBatch" on Cluster key holds "registry";
            SetProperties(properties) calls "ClusterControl" on Cluster name holds object;
        }
    };
}

pub(crate) use for_each_call;

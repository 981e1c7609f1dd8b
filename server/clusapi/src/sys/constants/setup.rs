//! Numbers of setup and upgrade (facts 1.2, 1.5 and 1.7).

constants! {
    /// Versions of the API, written to `dwVersion` of the setup structs (facts 1.2).
    pub mod version: u32 {
        /// Windows Server 2008.
        SERVER_2008 = 0x600, sdk CLUSAPI_VERSION_SERVER2008;
        /// Windows Server 2008 R2.
        SERVER_2008_R2 = 0x700, sdk CLUSAPI_VERSION_SERVER2008R2;
        /// Windows Server 2012.
        WINDOWS_8 = 0x701, sdk CLUSAPI_VERSION_WINDOWS8;
        /// Windows Server 2012 R2: brings the management point type.
        WINDOWS_BLUE = 0x702, sdk CLUSAPI_VERSION_WINDOWSBLUE;
        /// Windows Server 2016.
        WINTHRESHOLD = 0x703, sdk CLUSAPI_VERSION_WINTHRESHOLD;
        /// Version 1709: brings the management point's resource type.
        RS3 = 0xA00, sdk CLUSAPI_VERSION_RS3;
        /// The newest of `windows-sys`: brings the calls with a reason.
        NI = 0xA0C, sdk CLUSAPI_VERSION_NI;
        /// On the way to Windows Server 2025.
        CU = 0xC03, only CLUSAPI_VERSION_CU;
        /// On the way to Windows Server 2025.
        ZN = 0xC04, only CLUSAPI_VERSION_ZN;
        /// Windows Server 2025: brings credentials in `CREATE_CLUSTER_CONFIG`.
        GA = 0xC05, only CLUSAPI_VERSION_GA;
    }

    /// Phases of the setup calls (facts 1.5).
    pub mod setup_phase: i32 {
        INITIALIZE = 1, sdk ClusterSetupPhaseInitialize;
        VALIDATE_NODE_STATE = 100, sdk ClusterSetupPhaseValidateNodeState;
        VALIDATE_NETFT = 102, sdk ClusterSetupPhaseValidateNetft;
        VALIDATE_CLUS_DISK = 103, sdk ClusterSetupPhaseValidateClusDisk;
        CONFIGURE_CLUS_SVC = 104, sdk ClusterSetupPhaseConfigureClusSvc;
        STARTING_CLUS_SVC = 105, sdk ClusterSetupPhaseStartingClusSvc;
        QUERY_CLUSTER_NAME_ACCOUNT = 106, sdk ClusterSetupPhaseQueryClusterNameAccount;
        VALIDATE_CLUSTER_NAME_ACCOUNT = 107, sdk ClusterSetupPhaseValidateClusterNameAccount;
        CREATE_CLUSTER_ACCOUNT = 108, sdk ClusterSetupPhaseCreateClusterAccount;
        CONFIGURE_CLUSTER_ACCOUNT = 109, sdk ClusterSetupPhaseConfigureClusterAccount;
        FORMING_CLUSTER = 200, sdk ClusterSetupPhaseFormingCluster;
        ADD_CLUSTER_PROPERTIES = 201, sdk ClusterSetupPhaseAddClusterProperties;
        CREATE_RESOURCE_TYPES = 202, sdk ClusterSetupPhaseCreateResourceTypes;
        CREATE_GROUPS = 203, sdk ClusterSetupPhaseCreateGroups;
        CREATE_IP_ADDRESS_RESOURCES = 204, sdk ClusterSetupPhaseCreateIPAddressResources;
        CREATE_NETWORK_NAME = 205, sdk ClusterSetupPhaseCreateNetworkName;
        CLUSTER_GROUP_ONLINE = 206, sdk ClusterSetupPhaseClusterGroupOnline;
        GETTING_CURRENT_MEMBERSHIP = 300, sdk ClusterSetupPhaseGettingCurrentMembership;
        ADD_NODE_TO_CLUSTER = 301, sdk ClusterSetupPhaseAddNodeToCluster;
        NODE_UP = 302, sdk ClusterSetupPhaseNodeUp;
        APPLY_NETWORK_ATC_INTENTS = 303, only ClusterSetupPhaseApplyNetworkATCIntents;
        MOVE_GROUP = 400, sdk ClusterSetupPhaseMoveGroup;
        DELETE_GROUP = 401, sdk ClusterSetupPhaseDeleteGroup;
        CLEANUP_COS = 402, sdk ClusterSetupPhaseCleanupCOs;
        OFFLINE_GROUP = 403, sdk ClusterSetupPhaseOfflineGroup;
        EVICT_NODE = 404, sdk ClusterSetupPhaseEvictNode;
        CLEANUP_NODE = 405, sdk ClusterSetupPhaseCleanupNode;
        CORE_GROUP_CLEANUP = 406, sdk ClusterSetupPhaseCoreGroupCleanup;
        REPAIR_CNO_ACCOUNT = 500, only ClusterSetupPhaseRepairCNOAccount;
        REPAIR_DNS_PERMISSIONS = 501, only ClusterSetupPhaseRepairDNSPermissions;
        FAILURE_CLEANUP = 999, sdk ClusterSetupPhaseFailureCleanup;
    }

    /// Places within a setup phase (facts 1.5).
    pub mod setup_phase_type: i32 {
        START = 1, sdk ClusterSetupPhaseStart;
        /// Repeatable.
        CONTINUE = 2, sdk ClusterSetupPhaseContinue;
        /// Once for each phase.
        END = 3, sdk ClusterSetupPhaseEnd;
        /// Undocumented.
        REPORT = 4, sdk ClusterSetupPhaseReport;
    }

    /// Severities of a setup record (facts 1.5).
    pub mod setup_phase_severity: i32 {
        INFORMATIONAL = 1, sdk ClusterSetupPhaseInformational;
        /// The phase can finish with a warning.
        WARNING = 2, sdk ClusterSetupPhaseWarning;
        /// The phase cannot finish.
        FATAL = 3, sdk ClusterSetupPhaseFatal;
    }

    /// Phases of a functional level upgrade (facts 1.7).
    pub mod upgrade_phase: i32 {
        INITIALIZE = 1, sdk ClusterUpgradePhaseInitialize;
        VALIDATING_UPGRADE = 2, sdk ClusterUpgradePhaseValidatingUpgrade;
        UPGRADING_COMPONENTS = 3, sdk ClusterUpgradePhaseUpgradingComponents;
        INSTALLING_NEW_COMPONENTS = 4, sdk ClusterUpgradePhaseInstallingNewComponents;
        UPGRADE_COMPLETE = 5, sdk ClusterUpgradePhaseUpgradeComplete;
    }

    /// How a cluster is reached by name (facts 1.2).
    pub mod management_point_type: i32 {
        NONE = 0, sdk CLUSTER_MGMT_POINT_TYPE_NONE;
        /// A directory object and a DNS entry.
        CNO = 1, sdk CLUSTER_MGMT_POINT_TYPE_CNO;
        DNS_ONLY = 2, sdk CLUSTER_MGMT_POINT_TYPE_DNS_ONLY;
        /// A directory object without a DNS entry.
        CNO_ONLY = 3, sdk CLUSTER_MGMT_POINT_TYPE_CNO_ONLY;
    }

    /// Kinds of the cluster's network name (facts 1.2).
    pub mod management_point_restype: i32 {
        AUTO = 0, sdk CLUSTER_MGMT_POINT_RESTYPE_AUTO;
        /// One address at a time.
        SINGLE_NETWORK_NAME = 1, sdk CLUSTER_MGMT_POINT_RESTYPE_SNN;
        /// The addresses of all nodes.
        DISTRIBUTED_NETWORK_NAME = 2, sdk CLUSTER_MGMT_POINT_RESTYPE_DNN;
    }

    /// Where the nodes run (facts 1.2).
    pub mod cloud_type: i32 {
        NONE = 0, sdk CLUSTER_CLOUD_TYPE_NONE;
        AZURE = 1, sdk CLUSTER_CLOUD_TYPE_AZURE;
        MIXED = 128, sdk CLUSTER_CLOUD_TYPE_MIXED;
        UNKNOWN = -1, sdk CLUSTER_CLOUD_TYPE_UNKNOWN;
    }

    /// What `GetNodeClusterState` answers (facts 1.2).
    pub mod node_cluster_state: u32 {
        NOT_INSTALLED = 0, sdk ClusterStateNotInstalled;
        NOT_CONFIGURED = 1, sdk ClusterStateNotConfigured;
        NOT_RUNNING = 3, sdk ClusterStateNotRunning;
        RUNNING = 19, sdk ClusterStateRunning;
    }
}

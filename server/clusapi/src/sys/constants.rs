//! Numbers of the failover cluster API, each with the SDK's name.
//!
//! Enumerations of the cluster API are open: a newer Windows may use numbers that are not listed, so they stay plain
//! integers, and `name` answers `None` for them. Numbers that `windows-sys` also has are compared with it at compile
//! time.

/// Makes a module of constants with a `name` function. `sdk NAME` is compared with `windows-sys`, `only NAME` is not there.
macro_rules! constants {
    ($( $(#[$doc:meta])* pub mod $module:ident: $type:ty { $( $(#[$item_doc:meta])* $name:ident = $value:expr, $origin:ident $sdk:ident; )+ } )+) => {
        $(
            $(#[$doc])*
            pub mod $module {
                $(
                    $(#[$item_doc])*
                    #[doc = concat!("`", stringify!($sdk), "`.")]
                    pub const $name: $type = $value;
                    constants!(@check $origin $name $sdk);
                )+

                /// The SDK's name of the number.
                #[must_use]
                pub const fn name(value: $type) -> Option<&'static str> {
                    match value {
                        $($name => Some(stringify!($sdk)),)+
                        _ => None,
                    }
                }

                /// Every number listed here.
                pub const NUMBERS: &[$type] = &[$($name),+];
            }
        )+
    };
    (@check sdk $name:ident $sdk:ident) => {
        // Flags are signed on one side and unsigned on the other, so the bits are compared.
        const _: () = assert!(
            $name as i128 & 0xFFFF_FFFF == windows_sys::Win32::Networking::Clustering::$sdk as i128 & 0xFFFF_FFFF
        );
    };
    (@check only $name:ident $sdk:ident) => {};
}

/// A `BOOL` that is false.
pub const FALSE: super::types::BOOL = 0;
/// A `BOOL` that is true.
pub const TRUE: super::types::BOOL = 1;

/// Input marker that asks the notify-port calls for a new port (facts 4.1).
pub const INVALID_HANDLE_VALUE: isize = -1;
/// Wait without end.
pub const INFINITE: u32 = u32::MAX;
/// Longest cluster name of the header, a DNS label (facts 1.2); in practice 15.
pub const MAX_CLUSTERNAME_LENGTH: usize = 63;
/// Nodes of one cluster since Windows Server 2012 (facts 7).
pub const MAX_NODES: usize = 64;
/// `dwVersion` of the items of the `...EnumEx` calls (facts 2.1).
pub const CLUSTER_ENUM_ITEM_VERSION_1: u32 = 1;
/// `dwFlags` of `CLUSTERVERSIONINFO`: nodes of several versions (facts 1.2).
pub const CLUSTER_VERSION_FLAG_MIXED_MODE: u32 = 1;
/// Bit of a cluster's upgrade version that marks Azure Local (facts 1.7).
pub const HCI_UPGRADE_BIT: u32 = 0x8000;

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

    /// States of a node (facts 2.2).
    pub mod node_state: i32 {
        UNKNOWN = -1, sdk ClusterNodeStateUnknown;
        UP = 0, sdk ClusterNodeUp;
        DOWN = 1, sdk ClusterNodeDown;
        PAUSED = 2, sdk ClusterNodePaused;
        JOINING = 3, sdk ClusterNodeJoining;
    }

    /// States of a group (facts 2.2).
    pub mod group_state: i32 {
        UNKNOWN = -1, sdk ClusterGroupStateUnknown;
        ONLINE = 0, sdk ClusterGroupOnline;
        OFFLINE = 1, sdk ClusterGroupOffline;
        FAILED = 2, sdk ClusterGroupFailed;
        PARTIAL_ONLINE = 3, sdk ClusterGroupPartialOnline;
        PENDING = 4, sdk ClusterGroupPending;
    }

    /// States of a resource (facts 2.2).
    pub mod resource_state: i32 {
        UNKNOWN = -1, sdk ClusterResourceStateUnknown;
        INHERITED = 0, sdk ClusterResourceInherited;
        INITIALIZING = 1, sdk ClusterResourceInitializing;
        ONLINE = 2, sdk ClusterResourceOnline;
        OFFLINE = 3, sdk ClusterResourceOffline;
        FAILED = 4, sdk ClusterResourceFailed;
        PENDING = 128, sdk ClusterResourcePending;
        ONLINE_PENDING = 129, sdk ClusterResourceOnlinePending;
        OFFLINE_PENDING = 130, sdk ClusterResourceOfflinePending;
    }

    /// Flags of `PauseClusterNodeEx` (facts 2.3).
    pub mod pause_flags: u32 {
        REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR = 1, sdk CLUSAPI_NODE_PAUSE_REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR;
        AVOID_PLACEMENT = 2, sdk CLUSAPI_NODE_AVOID_PLACEMENT;
        RETRY_DRAIN_ON_FAILURE = 4, sdk CLUSAPI_NODE_PAUSE_RETRY_DRAIN_ON_FAILURE;
    }

    /// What happens to drained groups when a node is resumed (facts 2.3).
    pub mod resume_failback: i32 {
        DO_NOT = 0, sdk DoNotFailbackGroups;
        IMMEDIATELY = 1, sdk FailbackGroupsImmediately;
        PER_POLICY = 2, sdk FailbackGroupsPerPolicy;
    }

    /// Access to ask `OpenClusterEx` and its kin for (facts 2.1).
    pub mod access: u32 {
        READ = 1, sdk CLUSAPI_READ_ACCESS;
        CHANGE = 2, sdk CLUSAPI_CHANGE_ACCESS;
        ALL = 3, only CLUSAPI_ALL_ACCESS;
        NONE = 4, sdk CLUSAPI_NO_ACCESS;
    }

    /// Kinds of object to enumerate in a cluster (facts 2.1).
    pub mod cluster_enum: u32 {
        NODE = 1, sdk CLUSTER_ENUM_NODE;
        RESOURCE_TYPE = 2, sdk CLUSTER_ENUM_RESTYPE;
        RESOURCE = 4, sdk CLUSTER_ENUM_RESOURCE;
        GROUP = 8, sdk CLUSTER_ENUM_GROUP;
        NETWORK = 0x10, sdk CLUSTER_ENUM_NETWORK;
        NETWORK_INTERFACE = 0x20, sdk CLUSTER_ENUM_NETINTERFACE;
        EVERYTHING = 0x3F, sdk CLUSTER_ENUM_ALL;
        CAPACITY_NODE = 0x1000_0000, only CLUSTER_ENUM_CAPACITY_NODE;
        SHARED_VOLUME_GROUP = 0x2000_0000, sdk CLUSTER_ENUM_SHARED_VOLUME_GROUP;
        SHARED_VOLUME_RESOURCE = 0x4000_0000, sdk CLUSTER_ENUM_SHARED_VOLUME_RESOURCE;
        /// Alone; networks by priority.
        INTERNAL_NETWORK = 0x8000_0000, sdk CLUSTER_ENUM_INTERNAL_NETWORK;
    }

    /// Kinds of object to enumerate on a node (facts 2.1).
    pub mod node_enum: u32 {
        NETWORK_INTERFACES = 1, sdk CLUSTER_NODE_ENUM_NETINTERFACES;
        GROUPS = 2, sdk CLUSTER_NODE_ENUM_GROUPS;
        PREFERRED_GROUPS = 4, sdk CLUSTER_NODE_ENUM_PREFERRED_GROUPS;
    }

    /// Kinds of group, of which the core ones go with the cluster (facts 2.2).
    pub mod group_type: u32 {
        CORE_CLUSTER = 1, sdk ClusGroupTypeCoreCluster;
        AVAILABLE_STORAGE = 2, sdk ClusGroupTypeAvailableStorage;
        TEMPORARY = 3, sdk ClusGroupTypeTemporary;
        SHARED_VOLUME = 4, sdk ClusGroupTypeSharedVolume;
        STORAGE_POOL = 5, sdk ClusGroupTypeStoragePool;
        FILE_SERVER = 100, sdk ClusGroupTypeFileServer;
        GENERIC_APPLICATION = 107, sdk ClusGroupTypeGenericApplication;
        GENERIC_SERVICE = 108, sdk ClusGroupTypeGenericService;
        GENERIC_SCRIPT = 109, sdk ClusGroupTypeGenericScript;
        VIRTUAL_MACHINE = 111, sdk ClusGroupTypeVirtualMachine;
        UNKNOWN = 9999, sdk ClusGroupTypeUnknown;
    }

    /// Flags of an object, as `CLUSCTL_..._GET_FLAGS` answers (facts 2.4).
    pub mod object_flags: u32 {
        /// Goes with the cluster itself.
        CORE = 1, sdk CLUS_FLAG_CORE;
    }

    /// Control codes (facts 1.7, 2.3 and 3.2).
    pub mod control: u32 {
        CLUSTER_GET_FQDN = 0x0700_003D, sdk CLUSCTL_CLUSTER_GET_FQDN;
        CLUSTER_CHECK_VOTER_EVICT = 0x0700_0045, sdk CLUSCTL_CLUSTER_CHECK_VOTER_EVICT;
        CLUSTER_CHECK_VOTER_DOWN = 0x0700_0049, sdk CLUSCTL_CLUSTER_CHECK_VOTER_DOWN;
        CLUSTER_SHUTDOWN = 0x0700_004D, sdk CLUSCTL_CLUSTER_SHUTDOWN;
        CLUSTER_GET_RO_COMMON_PROPERTIES = 0x0700_0055, sdk CLUSCTL_CLUSTER_GET_RO_COMMON_PROPERTIES;
        CLUSTER_GET_COMMON_PROPERTIES = 0x0700_0059, sdk CLUSCTL_CLUSTER_GET_COMMON_PROPERTIES;
        CLUSTER_SET_COMMON_PROPERTIES = 0x0740_005E, sdk CLUSCTL_CLUSTER_SET_COMMON_PROPERTIES;
        CLUSTER_UPGRADE_CLUSTER_VERSION = 0x0740_00CE, only CLUSCTL_CLUSTER_UPGRADE_CLUSTER_VERSION;
        CLUSTER_CLEAR_UPGRADE_IN_PROGRESS = 0x0740_00D2, only CLUSCTL_CLUSTER_CLEAR_UPGRADE_IN_PROGRESS;
        CLUSTER_IS_READY_FOR_UPGRADE = 0x0700_00D5, only CLUSCTL_CLUSTER_IS_READY_FOR_UPGRADE;
        NODE_GET_FLAGS = 0x0400_0009, sdk CLUSCTL_NODE_GET_FLAGS;
        NODE_GET_NAME = 0x0400_0029, sdk CLUSCTL_NODE_GET_NAME;
        NODE_GET_ID = 0x0400_0039, sdk CLUSCTL_NODE_GET_ID;
        NODE_GET_RO_COMMON_PROPERTIES = 0x0400_0055, sdk CLUSCTL_NODE_GET_RO_COMMON_PROPERTIES;
        NODE_GET_COMMON_PROPERTIES = 0x0400_0059, sdk CLUSCTL_NODE_GET_COMMON_PROPERTIES;
        NODE_SET_COMMON_PROPERTIES = 0x0440_005E, sdk CLUSCTL_NODE_SET_COMMON_PROPERTIES;
        GROUP_GET_FLAGS = 0x0300_0009, sdk CLUSCTL_GROUP_GET_FLAGS;
        GROUP_GET_NAME = 0x0300_0029, sdk CLUSCTL_GROUP_GET_NAME;
        GROUP_GET_ID = 0x0300_0039, sdk CLUSCTL_GROUP_GET_ID;
        GROUP_GET_RO_COMMON_PROPERTIES = 0x0300_0055, sdk CLUSCTL_GROUP_GET_RO_COMMON_PROPERTIES;
        GROUP_GET_COMMON_PROPERTIES = 0x0300_0059, sdk CLUSCTL_GROUP_GET_COMMON_PROPERTIES;
        GROUP_SET_COMMON_PROPERTIES = 0x0340_005E, sdk CLUSCTL_GROUP_SET_COMMON_PROPERTIES;
        RESOURCE_GET_FLAGS = 0x0100_0009, sdk CLUSCTL_RESOURCE_GET_FLAGS;
        RESOURCE_GET_NAME = 0x0100_0029, sdk CLUSCTL_RESOURCE_GET_NAME;
        RESOURCE_GET_RESOURCE_TYPE = 0x0100_002D, sdk CLUSCTL_RESOURCE_GET_RESOURCE_TYPE;
        RESOURCE_GET_ID = 0x0100_0039, sdk CLUSCTL_RESOURCE_GET_ID;
        RESOURCE_GET_RO_COMMON_PROPERTIES = 0x0100_0055, sdk CLUSCTL_RESOURCE_GET_RO_COMMON_PROPERTIES;
        RESOURCE_GET_COMMON_PROPERTIES = 0x0100_0059, sdk CLUSCTL_RESOURCE_GET_COMMON_PROPERTIES;
        RESOURCE_GET_PRIVATE_PROPERTIES = 0x0100_0081, sdk CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES;
    }

    /// Kinds of object that a notification can be about (facts 4.2).
    pub mod notify_object: u32 {
        NONE = 0, sdk CLUSTER_OBJECT_TYPE_NONE;
        CLUSTER = 1, sdk CLUSTER_OBJECT_TYPE_CLUSTER;
        GROUP = 2, sdk CLUSTER_OBJECT_TYPE_GROUP;
        RESOURCE = 3, sdk CLUSTER_OBJECT_TYPE_RESOURCE;
        RESOURCE_TYPE = 4, sdk CLUSTER_OBJECT_TYPE_RESOURCE_TYPE;
        NETWORK_INTERFACE = 5, sdk CLUSTER_OBJECT_TYPE_NETWORK_INTERFACE;
        NETWORK = 6, sdk CLUSTER_OBJECT_TYPE_NETWORK;
        NODE = 7, sdk CLUSTER_OBJECT_TYPE_NODE;
        REGISTRY = 8, sdk CLUSTER_OBJECT_TYPE_REGISTRY;
        QUORUM = 9, sdk CLUSTER_OBJECT_TYPE_QUORUM;
        SHARED_VOLUME = 10, sdk CLUSTER_OBJECT_TYPE_SHARED_VOLUME;
        SPACEPORT = 11, only CLUSTER_OBJECT_TYPE_SPACEPORT;
        UPGRADE = 12, only CLUSTER_OBJECT_TYPE_UPGRADE;
        GROUPSET = 13, sdk CLUSTER_OBJECT_TYPE_GROUPSET;
        AFFINITY_RULE = 16, sdk CLUSTER_OBJECT_TYPE_AFFINITYRULE;
        FAULT_DOMAIN = 17, sdk CLUSTER_OBJECT_TYPE_FAULTDOMAIN;
    }

    /// Changes of the cluster (facts 4.2).
    pub mod notify_cluster: i64 {
        RECONNECT = 1, sdk CLUSTER_CHANGE_CLUSTER_RECONNECT_V2;
        STATE = 2, sdk CLUSTER_CHANGE_CLUSTER_STATE_V2;
        GROUP_ADDED = 4, sdk CLUSTER_CHANGE_CLUSTER_GROUP_ADDED_V2;
        HANDLE_CLOSE = 8, sdk CLUSTER_CHANGE_CLUSTER_HANDLE_CLOSE_V2;
        NETWORK_ADDED = 0x10, sdk CLUSTER_CHANGE_CLUSTER_NETWORK_ADDED_V2;
        NODE_ADDED = 0x20, sdk CLUSTER_CHANGE_CLUSTER_NODE_ADDED_V2;
        RESOURCE_TYPE_ADDED = 0x40, sdk CLUSTER_CHANGE_CLUSTER_RESOURCE_TYPE_ADDED_V2;
        COMMON_PROPERTY = 0x80, sdk CLUSTER_CHANGE_CLUSTER_COMMON_PROPERTY_V2;
        PRIVATE_PROPERTY = 0x100, sdk CLUSTER_CHANGE_CLUSTER_PRIVATE_PROPERTY_V2;
        LOST_NOTIFICATIONS = 0x200, sdk CLUSTER_CHANGE_CLUSTER_LOST_NOTIFICATIONS_V2;
        RENAME = 0x400, sdk CLUSTER_CHANGE_CLUSTER_RENAME_V2;
        MEMBERSHIP = 0x800, sdk CLUSTER_CHANGE_CLUSTER_MEMBERSHIP_V2;
        UPGRADED = 0x1000, sdk CLUSTER_CHANGE_CLUSTER_UPGRADED_V2;
        EVERYTHING = 0x1FFF, sdk CLUSTER_CHANGE_CLUSTER_ALL_V2;
    }

    /// Changes of a group (facts 4.2).
    pub mod notify_group: i64 {
        DELETED = 1, sdk CLUSTER_CHANGE_GROUP_DELETED_V2;
        COMMON_PROPERTY = 2, sdk CLUSTER_CHANGE_GROUP_COMMON_PROPERTY_V2;
        PRIVATE_PROPERTY = 4, sdk CLUSTER_CHANGE_GROUP_PRIVATE_PROPERTY_V2;
        STATE = 8, sdk CLUSTER_CHANGE_GROUP_STATE_V2;
        OWNER_NODE = 0x10, sdk CLUSTER_CHANGE_GROUP_OWNER_NODE_V2;
        PREFERRED_OWNERS = 0x20, sdk CLUSTER_CHANGE_GROUP_PREFERRED_OWNERS_V2;
        RESOURCE_ADDED = 0x40, sdk CLUSTER_CHANGE_GROUP_RESOURCE_ADDED_V2;
        RESOURCE_GAINED = 0x80, sdk CLUSTER_CHANGE_GROUP_RESOURCE_GAINED_V2;
        RESOURCE_LOST = 0x100, sdk CLUSTER_CHANGE_GROUP_RESOURCE_LOST_V2;
        HANDLE_CLOSE = 0x200, sdk CLUSTER_CHANGE_GROUP_HANDLE_CLOSE_V2;
        EVERYTHING = 0x3FF, sdk CLUSTER_CHANGE_GROUP_ALL_V2;
    }

    /// Changes of a resource (facts 4.2).
    pub mod notify_resource: i64 {
        COMMON_PROPERTY = 1, sdk CLUSTER_CHANGE_RESOURCE_COMMON_PROPERTY_V2;
        PRIVATE_PROPERTY = 2, sdk CLUSTER_CHANGE_RESOURCE_PRIVATE_PROPERTY_V2;
        STATE = 4, sdk CLUSTER_CHANGE_RESOURCE_STATE_V2;
        OWNER_GROUP = 8, sdk CLUSTER_CHANGE_RESOURCE_OWNER_GROUP_V2;
        DEPENDENCIES = 0x10, sdk CLUSTER_CHANGE_RESOURCE_DEPENDENCIES_V2;
        DEPENDENTS = 0x20, sdk CLUSTER_CHANGE_RESOURCE_DEPENDENTS_V2;
        POSSIBLE_OWNERS = 0x40, sdk CLUSTER_CHANGE_RESOURCE_POSSIBLE_OWNERS_V2;
        DELETED = 0x80, sdk CLUSTER_CHANGE_RESOURCE_DELETED_V2;
        DLL_UPGRADED = 0x100, sdk CLUSTER_CHANGE_RESOURCE_DLL_UPGRADED_V2;
        HANDLE_CLOSE = 0x200, sdk CLUSTER_CHANGE_RESOURCE_HANDLE_CLOSE_V2;
        TERMINAL_STATE = 0x400, sdk CLUSTER_CHANGE_RESOURCE_TERMINAL_STATE_V2;
        EVERYTHING = 0x7FF, sdk CLUSTER_CHANGE_RESOURCE_ALL_V2;
    }

    /// Changes of a resource type (facts 4.2).
    pub mod notify_resource_type: i64 {
        DELETED = 1, sdk CLUSTER_CHANGE_RESOURCE_TYPE_DELETED_V2;
        COMMON_PROPERTY = 2, sdk CLUSTER_CHANGE_RESOURCE_TYPE_COMMON_PROPERTY_V2;
        PRIVATE_PROPERTY = 4, sdk CLUSTER_CHANGE_RESOURCE_TYPE_PRIVATE_PROPERTY_V2;
        POSSIBLE_OWNERS = 8, sdk CLUSTER_CHANGE_RESOURCE_TYPE_POSSIBLE_OWNERS_V2;
        DLL_UPGRADED = 0x10, sdk CLUSTER_CHANGE_RESOURCE_TYPE_DLL_UPGRADED_V2;
        SPECIFIC = 0x20, sdk CLUSTER_RESOURCE_TYPE_SPECIFIC_V2;
        EVERYTHING = 0x3F, sdk CLUSTER_CHANGE_RESOURCE_TYPE_ALL_V2;
    }

    /// Changes of a network (facts 4.2).
    pub mod notify_network: i64 {
        DELETED = 1, sdk CLUSTER_CHANGE_NETWORK_DELETED_V2;
        COMMON_PROPERTY = 2, sdk CLUSTER_CHANGE_NETWORK_COMMON_PROPERTY_V2;
        PRIVATE_PROPERTY = 4, sdk CLUSTER_CHANGE_NETWORK_PRIVATE_PROPERTY_V2;
        STATE = 8, sdk CLUSTER_CHANGE_NETWORK_STATE_V2;
        HANDLE_CLOSE = 0x10, sdk CLUSTER_CHANGE_NETWORK_HANDLE_CLOSE_V2;
        EVERYTHING = 0x1F, sdk CLUSTER_CHANGE_NETWORK_ALL_V2;
    }

    /// Changes of a network interface (facts 4.2).
    pub mod notify_network_interface: i64 {
        DELETED = 1, sdk CLUSTER_CHANGE_NETINTERFACE_DELETED_V2;
        COMMON_PROPERTY = 2, sdk CLUSTER_CHANGE_NETINTERFACE_COMMON_PROPERTY_V2;
        PRIVATE_PROPERTY = 4, sdk CLUSTER_CHANGE_NETINTERFACE_PRIVATE_PROPERTY_V2;
        STATE = 8, sdk CLUSTER_CHANGE_NETINTERFACE_STATE_V2;
        HANDLE_CLOSE = 0x10, sdk CLUSTER_CHANGE_NETINTERFACE_HANDLE_CLOSE_V2;
        EVERYTHING = 0x1F, sdk CLUSTER_CHANGE_NETINTERFACE_ALL_V2;
    }

    /// Changes of a node (facts 4.2).
    pub mod notify_node: i64 {
        NETWORK_INTERFACE_ADDED = 1, sdk CLUSTER_CHANGE_NODE_NETINTERFACE_ADDED_V2;
        DELETED = 2, sdk CLUSTER_CHANGE_NODE_DELETED_V2;
        COMMON_PROPERTY = 4, sdk CLUSTER_CHANGE_NODE_COMMON_PROPERTY_V2;
        PRIVATE_PROPERTY = 8, sdk CLUSTER_CHANGE_NODE_PRIVATE_PROPERTY_V2;
        STATE = 0x10, sdk CLUSTER_CHANGE_NODE_STATE_V2;
        GROUP_GAINED = 0x20, sdk CLUSTER_CHANGE_NODE_GROUP_GAINED_V2;
        GROUP_LOST = 0x40, sdk CLUSTER_CHANGE_NODE_GROUP_LOST_V2;
        HANDLE_CLOSE = 0x80, sdk CLUSTER_CHANGE_NODE_HANDLE_CLOSE_V2;
        EVERYTHING = 0xFF, sdk CLUSTER_CHANGE_NODE_ALL_V2;
    }

    /// Changes of the quorum (facts 4.2).
    pub mod notify_quorum: i64 {
        STATE = 1, sdk CLUSTER_CHANGE_QUORUM_STATE_V2;
    }

    /// Changes of shared volumes (facts 4.2).
    pub mod notify_shared_volume: i64 {
        STATE = 1, sdk CLUSTER_CHANGE_SHARED_VOLUME_STATE_V2;
        ADDED = 2, sdk CLUSTER_CHANGE_SHARED_VOLUME_ADDED_V2;
        REMOVED = 4, sdk CLUSTER_CHANGE_SHARED_VOLUME_REMOVED_V2;
        EVERYTHING = 7, sdk CLUSTER_CHANGE_SHARED_VOLUME_ALL_V2;
    }

    /// Steps of a rolling upgrade (facts 1.7 and 4.2).
    pub mod notify_upgrade: i64 {
        NODE_PREPARE = 1, sdk CLUSTER_CHANGE_UPGRADE_NODE_PREPARE;
        NODE_COMMIT = 2, sdk CLUSTER_CHANGE_UPGRADE_NODE_COMMIT;
        NODE_POSTCOMMIT = 4, sdk CLUSTER_CHANGE_UPGRADE_NODE_POSTCOMMIT;
        EVERYTHING = 7, sdk CLUSTER_CHANGE_UPGRADE_ALL;
    }

    /// Changes of a group set (facts 4.2).
    pub mod notify_groupset: i64 {
        DELETED = 1, sdk CLUSTER_CHANGE_GROUPSET_DELETED_v2;
        COMMON_PROPERTY = 2, sdk CLUSTER_CHANGE_GROUPSET_COMMON_PROPERTY_V2;
        PRIVATE_PROPERTY = 4, sdk CLUSTER_CHANGE_GROUPSET_PRIVATE_PROPERTY_V2;
        STATE = 8, sdk CLUSTER_CHANGE_GROUPSET_STATE_V2;
        GROUP_ADDED = 0x10, sdk CLUSTER_CHANGE_GROUPSET_GROUP_ADDED;
        GROUP_REMOVED = 0x20, sdk CLUSTER_CHANGE_GROUPSET_GROUP_REMOVED;
        DEPENDENCIES = 0x40, sdk CLUSTER_CHANGE_GROUPSET_DEPENDENCIES_V2;
        DEPENDENTS = 0x80, sdk CLUSTER_CHANGE_GROUPSET_DEPENDENTS_V2;
        HANDLE_CLOSE = 0x100, sdk CLUSTER_CHANGE_GROUPSET_HANDLE_CLOSE_v2;
        EVERYTHING = 0x1FF, sdk CLUSTER_CHANGE_GROUPSET_ALL_V2;
    }
}

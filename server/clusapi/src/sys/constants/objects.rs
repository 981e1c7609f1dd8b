//! States, kinds and bits of objects (facts 2.1 and 2.2).

constants! {
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
        PRINT_SERVER = 101, sdk ClusGroupTypePrintServer;
        DHCP_SERVER = 102, sdk ClusGroupTypeDhcpServer;
        DTC = 103, sdk ClusGroupTypeDtc;
        MSMQ = 104, sdk ClusGroupTypeMsmq;
        WINS = 105, sdk ClusGroupTypeWins;
        STAND_ALONE_DFS = 106, sdk ClusGroupTypeStandAloneDfs;
        GENERIC_APPLICATION = 107, sdk ClusGroupTypeGenericApplication;
        GENERIC_SERVICE = 108, sdk ClusGroupTypeGenericService;
        GENERIC_SCRIPT = 109, sdk ClusGroupTypeGenericScript;
        ISCSI_NAME_SERVICE = 110, sdk ClusGroupTypeIScsiNameService;
        VIRTUAL_MACHINE = 111, sdk ClusGroupTypeVirtualMachine;
        TS_SESSION_BROKER = 112, sdk ClusGroupTypeTsSessionBroker;
        ISCSI_TARGET = 113, sdk ClusGroupTypeIScsiTarget;
        SCALEOUT_FILE_SERVER = 114, sdk ClusGroupTypeScaleoutFileServer;
        VM_REPLICA_BROKER = 115, sdk ClusGroupTypeVMReplicaBroker;
        TASK_SCHEDULER = 116, sdk ClusGroupTypeTaskScheduler;
        CLUSTER_UPDATE_AGENT = 117, sdk ClusGroupTypeClusterUpdateAgent;
        SCALEOUT_CLUSTER = 118, sdk ClusGroupTypeScaleoutCluster;
        STORAGE_REPLICA = 119, sdk ClusGroupTypeStorageReplica;
        VM_REPLICA_COORDINATOR = 120, sdk ClusGroupTypeVMReplicaCoordinator;
        CROSS_CLUSTER_ORCHESTRATOR = 121, sdk ClusGroupTypeCrossClusterOrchestrator;
        INFRASTRUCTURE_FILE_SERVER = 122, sdk ClusGroupTypeInfrastructureFileServer;
        CORE_SDDC = 123, sdk ClusGroupTypeCoreSddc;
        USER_MANAGER = 124, only ClusGroupTypeUserManager;
        KEY_VALUE_STORE_MANAGER = 125, only ClusGroupTypeKeyValueStoreManager;
        HCS_VIRTUAL_MACHINE = 126, only ClusGroupTypeHcsVirtualMachine;
        META_VIRTUAL_MACHINE = 127, only ClusGroupTypeMetaVirtualMachine;
        UNKNOWN = 9999, sdk ClusGroupTypeUnknown;
    }

    /// Flags of an object, as `CLUSCTL_..._GET_FLAGS` answers (facts 2.4).
    pub mod object_flags: u32 {
        /// Goes with the cluster itself.
        CORE = 1, sdk CLUS_FLAG_CORE;
    }

    /// Bits of a node's `StatusInformation` (facts 2.2).
    pub mod node_status: u32 {
        ISOLATED = 1, sdk NodeStatusIsolated;
        QUARANTINED = 2, sdk NodeStatusQuarantined;
        DRAIN_IN_PROGRESS = 4, sdk NodeStatusDrainInProgress;
        DRAIN_COMPLETED = 8, sdk NodeStatusDrainCompleted;
        DRAIN_FAILED = 0x10, sdk NodeStatusDrainFailed;
        AVOID_PLACEMENT = 0x20, sdk NodeStatusAvoidPlacement;
    }

    /// How far the drain of a node has come, `NodeDrainStatus`; `NodeFailbackStatus` has the same shape (facts 2.2).
    pub mod node_drain_status: u32 {
        NOT_INITIATED = 0, sdk NodeDrainStatusNotInitiated;
        IN_PROGRESS = 1, sdk NodeDrainStatusInProgress;
        COMPLETED = 2, sdk NodeDrainStatusCompleted;
        FAILED = 3, sdk NodeDrainStatusFailed;
    }

    /// States of a network (facts 2.2).
    pub mod network_state: i32 {
        UNKNOWN = -1, sdk ClusterNetworkStateUnknown;
        UNAVAILABLE = 0, sdk ClusterNetworkUnavailable;
        DOWN = 1, sdk ClusterNetworkDown;
        PARTITIONED = 2, sdk ClusterNetworkPartitioned;
        UP = 3, sdk ClusterNetworkUp;
    }

    /// States of a network interface (facts 2.2).
    pub mod network_interface_state: i32 {
        UNKNOWN = -1, sdk ClusterNetInterfaceStateUnknown;
        UNAVAILABLE = 0, sdk ClusterNetInterfaceUnavailable;
        FAILED = 1, sdk ClusterNetInterfaceFailed;
        UNREACHABLE = 2, sdk ClusterNetInterfaceUnreachable;
        UP = 3, sdk ClusterNetInterfaceUp;
    }

    /// States of a cluster shared volume on a node (facts 2.2).
    pub mod shared_volume_state: u32 {
        UNAVAILABLE = 0, sdk SharedVolumeStateUnavailable;
        PAUSED = 1, sdk SharedVolumeStatePaused;
        ACTIVE = 2, sdk SharedVolumeStateActive;
        /// The file system is reached through another node.
        ACTIVE_REDIRECTED = 3, sdk SharedVolumeStateActiveRedirected;
        /// The blocks are reached through another node.
        ACTIVE_VOLUME_REDIRECTED = 4, sdk SharedVolumeStateActiveVolumeRedirected;
    }

    /// Faults of a cluster shared volume, as bits (facts 2.2).
    pub mod shared_volume_fault: u32 {
        NONE = 0, sdk VolumeStateNoFaults;
        NO_DIRECT_IO = 1, sdk VolumeStateNoDirectIO;
        NO_ACCESS = 2, sdk VolumeStateNoAccess;
        IN_MAINTENANCE = 4, sdk VolumeStateInMaintenance;
        DISMOUNTED = 8, sdk VolumeStateDismounted;
    }

    /// Bits of a group's `StatusInformation` (facts 2.2).
    pub mod group_status: u64 {
        LOCKED_MODE = 1, sdk CLUSGRP_STATUS_LOCKED_MODE;
        PREEMPTED = 2, sdk CLUSGRP_STATUS_PREEMPTED;
        WAITING_IN_QUEUE_FOR_MOVE = 4, sdk CLUSGRP_STATUS_WAITING_IN_QUEUE_FOR_MOVE;
        PHYSICAL_RESOURCES_LACKING = 8, sdk CLUSGRP_STATUS_PHYSICAL_RESOURCES_LACKING;
        WAITING_TO_START = 0x10, sdk CLUSGRP_STATUS_WAITING_TO_START;
        EMBEDDED_FAILURE = 0x20, sdk CLUSGRP_STATUS_EMBEDDED_FAILURE;
        OFFLINE_DUE_TO_ANTIAFFINITY_CONFLICT = 0x40, sdk CLUSGRP_STATUS_OFFLINE_DUE_TO_ANTIAFFINITY_CONFLICT;
        NETWORK_FAILURE = 0x80, sdk CLUSGRP_STATUS_NETWORK_FAILURE;
        UNMONITORED = 0x100, sdk CLUSGRP_STATUS_UNMONITORED;
        OS_HEARTBEAT = 0x200, sdk CLUSGRP_STATUS_OS_HEARTBEAT;
        APPLICATION_READY = 0x400, sdk CLUSGRP_STATUS_APPLICATION_READY;
        OFFLINE_NOT_LOCAL_DISK_OWNER = 0x800, sdk CLUSGRP_STATUS_OFFLINE_NOT_LOCAL_DISK_OWNER;
        WAITING_FOR_DEPENDENCIES = 0x1000, sdk CLUSGRP_STATUS_WAITING_FOR_DEPENDENCIES;
    }

    /// Bits of a resource's `StatusInformation` (facts 2.2).
    pub mod resource_status: u64 {
        LOCKED_MODE = 1, sdk CLUSRES_STATUS_LOCKED_MODE;
        EMBEDDED_FAILURE = 2, sdk CLUSRES_STATUS_EMBEDDED_FAILURE;
        FAILED_DUE_TO_INSUFFICIENT_CPU = 4, sdk CLUSRES_STATUS_FAILED_DUE_TO_INSUFFICIENT_CPU;
        FAILED_DUE_TO_INSUFFICIENT_MEMORY = 8, sdk CLUSRES_STATUS_FAILED_DUE_TO_INSUFFICIENT_MEMORY;
        FAILED_DUE_TO_INSUFFICIENT_GENERIC_RESOURCES = 0x10, sdk CLUSRES_STATUS_FAILED_DUE_TO_INSUFFICIENT_GENERIC_RESOURCES;
        NETWORK_FAILURE = 0x20, sdk CLUSRES_STATUS_NETWORK_FAILURE;
        UNMONITORED = 0x40, sdk CLUSRES_STATUS_UNMONITORED;
        OS_HEARTBEAT = 0x80, sdk CLUSRES_STATUS_OS_HEARTBEAT;
        APPLICATION_READY = 0x100, sdk CLUSRES_STATUS_APPLICATION_READY;
        OFFLINE_NOT_LOCAL_DISK_OWNER = 0x200, sdk CLUSRES_STATUS_OFFLINE_NOT_LOCAL_DISK_OWNER;
    }

    /// When the groups of a set count as ready, `StartupSetting` (facts 2.2).
    pub mod group_set_ready: u32 {
        DELAY = 1, sdk GROUPSET_READY_SETTING_DELAY;
        ONLINE = 2, sdk GROUPSET_READY_SETTING_ONLINE;
        OS_HEARTBEAT = 3, sdk GROUPSET_READY_SETTING_OS_HEARTBEAT;
        APPLICATION_READY = 4, sdk GROUPSET_READY_SETTING_APPLICATION_READY;
    }

    /// What affinity rules demand (facts 2.2).
    pub mod affinity_rule_type: i32 {
        NONE = 0, sdk CLUS_AFFINITY_RULE_NONE;
        SAME_FAULT_DOMAIN = 1, sdk CLUS_AFFINITY_RULE_SAME_FAULT_DOMAIN;
        SAME_NODE = 2, sdk CLUS_AFFINITY_RULE_SAME_NODE;
        DIFFERENT_FAULT_DOMAIN = 3, sdk CLUS_AFFINITY_RULE_DIFFERENT_FAULT_DOMAIN;
        DIFFERENT_NODE = 4, sdk CLUS_AFFINITY_RULE_DIFFERENT_NODE;
    }

    /// Kinds of object to enumerate in a group (facts 2.1).
    pub mod group_enum: u32 {
        RESOURCES = 1, sdk CLUSTER_GROUP_ENUM_CONTAINS;
        PREFERRED_OWNERS = 2, sdk CLUSTER_GROUP_ENUM_NODES;
    }

    /// Kinds of object to enumerate around a resource (facts 2.1).
    pub mod resource_enum: u32 {
        DEPENDENCIES = 1, sdk CLUSTER_RESOURCE_ENUM_DEPENDS;
        DEPENDENTS = 2, sdk CLUSTER_RESOURCE_ENUM_PROVIDES;
        POSSIBLE_OWNERS = 4, sdk CLUSTER_RESOURCE_ENUM_NODES;
    }

    /// Kinds of object to enumerate of a resource type (facts 2.1).
    pub mod resource_type_enum: u32 {
        POSSIBLE_OWNERS = 1, sdk CLUSTER_RESOURCE_TYPE_ENUM_NODES;
        RESOURCES = 2, sdk CLUSTER_RESOURCE_TYPE_ENUM_RESOURCES;
    }

    /// Kinds of object to enumerate on a network (facts 2.1).
    pub mod network_enum: u32 {
        INTERFACES = 1, sdk CLUSTER_NETWORK_ENUM_NETINTERFACES;
    }
}

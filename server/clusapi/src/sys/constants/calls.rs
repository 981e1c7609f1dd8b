//! Numbers that calls on objects take (facts 2.1 to 2.6).

constants! {
    /// Access to ask `OpenClusterEx` and its kin for (facts 2.1).
    pub mod access: u32 {
        READ = 1, sdk CLUSAPI_READ_ACCESS;
        CHANGE = 2, sdk CLUSAPI_CHANGE_ACCESS;
        ALL = 3, only CLUSAPI_ALL_ACCESS;
        NONE = 4, sdk CLUSAPI_NO_ACCESS;
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

    /// Flags of `OnlineClusterGroupEx` (facts 2.4).
    pub mod group_online_flags: u32 {
        IGNORE_RESOURCE_STATUS = 1, sdk CLUSAPI_GROUP_ONLINE_IGNORE_RESOURCE_STATUS;
        SYNCHRONOUS = 2, sdk CLUSAPI_GROUP_ONLINE_SYNCHRONOUS;
        BEST_POSSIBLE_NODE = 4, sdk CLUSAPI_GROUP_ONLINE_BEST_POSSIBLE_NODE;
        IGNORE_AFFINITY_RULE = 8, sdk CLUSAPI_GROUP_ONLINE_IGNORE_AFFINITY_RULE;
    }

    /// Flags of `OfflineClusterGroupEx` (facts 2.4).
    pub mod group_offline_flags: u32 {
        IGNORE_RESOURCE_STATUS = 1, sdk CLUSAPI_GROUP_OFFLINE_IGNORE_RESOURCE_STATUS;
    }

    /// Flags of `MoveClusterGroupEx` (facts 2.4).
    pub mod group_move_flags: u32 {
        IGNORE_RESOURCE_STATUS = 1, sdk CLUSAPI_GROUP_MOVE_IGNORE_RESOURCE_STATUS;
        RETURN_TO_SOURCE_NODE_ON_ERROR = 2, sdk CLUSAPI_GROUP_MOVE_RETURN_TO_SOURCE_NODE_ON_ERROR;
        QUEUE_ENABLED = 4, sdk CLUSAPI_GROUP_MOVE_QUEUE_ENABLED;
        HIGH_PRIORITY_START = 8, sdk CLUSAPI_GROUP_MOVE_HIGH_PRIORITY_START;
        FAILBACK = 0x10, sdk CLUSAPI_GROUP_MOVE_FAILBACK;
        IGNORE_AFFINITY_RULE = 0x20, sdk CLUSAPI_GROUP_MOVE_IGNORE_AFFINITY_RULE;
    }

    /// Flags of `OnlineClusterResourceEx` (facts 2.5).
    pub mod resource_online_flags: u32 {
        IGNORE_RESOURCE_STATUS = 1, sdk CLUSAPI_RESOURCE_ONLINE_IGNORE_RESOURCE_STATUS;
        DO_NOT_UPDATE_PERSISTENT_STATE = 2, sdk CLUSAPI_RESOURCE_ONLINE_DO_NOT_UPDATE_PERSISTENT_STATE;
        NECESSARY_FOR_QUORUM = 4, sdk CLUSAPI_RESOURCE_ONLINE_NECESSARY_FOR_QUORUM;
        BEST_POSSIBLE_NODE = 8, sdk CLUSAPI_RESOURCE_ONLINE_BEST_POSSIBLE_NODE;
        IGNORE_AFFINITY_RULE = 0x20, sdk CLUSAPI_RESOURCE_ONLINE_IGNORE_AFFINITY_RULE;
    }

    /// Flags of `OfflineClusterResourceEx` (facts 2.5).
    pub mod resource_offline_flags: u32 {
        IGNORE_RESOURCE_STATUS = 1, sdk CLUSAPI_RESOURCE_OFFLINE_IGNORE_RESOURCE_STATUS;
        FORCE_WITH_TERMINATION = 2, sdk CLUSAPI_RESOURCE_OFFLINE_FORCE_WITH_TERMINATION;
        DO_NOT_UPDATE_PERSISTENT_STATE = 4, sdk CLUSAPI_RESOURCE_OFFLINE_DO_NOT_UPDATE_PERSISTENT_STATE;
    }

    /// Why a resource goes offline (facts 2.5).
    pub mod resource_offline_reason: u32 {
        NONE = 0, sdk CLUSAPI_RESOURCE_OFFLINE_REASON_NONE;
        UNKNOWN = 1, sdk CLUSAPI_RESOURCE_OFFLINE_REASON_UNKNOWN;
        MOVING = 2, sdk CLUSAPI_RESOURCE_OFFLINE_REASON_MOVING;
        USER_REQUESTED = 4, sdk CLUSAPI_RESOURCE_OFFLINE_REASON_USER_REQUESTED;
        BEING_DELETED = 8, sdk CLUSAPI_RESOURCE_OFFLINE_REASON_BEING_DELETED;
        BEING_RESTARTED = 0x10, sdk CLUSAPI_RESOURCE_OFFLINE_REASON_BEING_RESTARTED;
        PREEMPTED = 0x20, sdk CLUSAPI_RESOURCE_OFFLINE_REASON_PREEMPTED;
        SHUTTING_DOWN = 0x40, sdk CLUSAPI_RESOURCE_OFFLINE_REASON_SHUTTING_DOWN;
    }

    /// Flags of `CreateClusterResource` (facts 2.5).
    pub mod resource_create_flags: u32 {
        DEFAULT_MONITOR = 0, sdk CLUSTER_RESOURCE_DEFAULT_MONITOR;
        SEPARATE_MONITOR = 1, sdk CLUSTER_RESOURCE_SEPARATE_MONITOR;
    }

    /// Flags of `ChangeClusterResourceGroupEx` (facts 2.5).
    pub mod change_group_flags: u64 {
        FORCE_MOVE_TO_CSV = 1, sdk CLUSAPI_CHANGE_RESOURCE_GROUP_FORCE_MOVE_TO_CSV;
    }

    /// What `ResumeClusterNodeEx` brings back; reserved (facts 2.3).
    pub mod resume_flags: u32 {
        STORAGE = 1, sdk CLUSAPI_NODE_RESUME_FAILBACK_STORAGE;
        VMS = 2, sdk CLUSAPI_NODE_RESUME_FAILBACK_VMS;
        PINNED_VMS_ONLY = 4, sdk CLUSAPI_NODE_RESUME_FAILBACK_PINNED_VMS_ONLY;
    }

    /// Ways to move a virtual machine (facts 2.4).
    pub mod vm_migration: u32 {
        TURN_OFF = 0, only VmMigrationTypeTurnOff;
        /// Quick migration.
        SAVE = 1, only VmMigrationTypeSave;
        SHUTDOWN = 2, only VmMigrationTypeShutdown;
        SHUTDOWN_FORCE = 3, only VmMigrationTypeShutdownForce;
        LIVE = 4, only VmMigrationTypeLive;
    }

    /// Kinds of quorum, as the last number of the quorum calls (facts 2.6).
    pub mod quorum_kind: u32 {
        NODE_MAJORITY = 0, sdk CLUS_NODE_MAJORITY_QUORUM;
        NODES_AND_WITNESS = 1024, sdk CLUS_HYBRID_QUORUM;
        DISK_ONLY = 4194304, only CLUS_LEGACY_QUORUM;
    }

    /// What `ClusterSetAccountAccess` does with an account (facts 2.6).
    pub mod account_access: u32 {
        ALLOW = 0, sdk CLUSTER_SET_ACCESS_TYPE_ALLOWED;
        DENY = 1, sdk CLUSTER_SET_ACCESS_TYPE_DENIED;
        REMOVE = 2, sdk CLUSTER_DELETE_ACCESS_CONTROL_ENTRY;
    }

    /// Commands of registry batches, and the answers of batches of reads (facts 2.6).
    pub mod registry_command: i32 {
        SET_VALUE = 1, sdk CLUSREG_SET_VALUE;
        CREATE_KEY = 2, sdk CLUSREG_CREATE_KEY;
        DELETE_KEY = 3, sdk CLUSREG_DELETE_KEY;
        DELETE_VALUE = 4, sdk CLUSREG_DELETE_VALUE;
        SET_KEY_SECURITY = 5, sdk CLUSREG_SET_KEY_SECURITY;
        VALUE_DELETED = 6, sdk CLUSREG_VALUE_DELETED;
        READ_KEY = 7, sdk CLUSREG_READ_KEY;
        READ_VALUE = 8, sdk CLUSREG_READ_VALUE;
        READ_ERROR = 9, sdk CLUSREG_READ_ERROR;
        CONTROL_COMMAND = 10, sdk CLUSREG_CONTROL_COMMAND;
        CONDITION_EXISTS = 11, sdk CLUSREG_CONDITION_EXISTS;
        CONDITION_NOT_EXISTS = 12, sdk CLUSREG_CONDITION_NOT_EXISTS;
        CONDITION_IS_EQUAL = 13, sdk CLUSREG_CONDITION_IS_EQUAL;
        CONDITION_IS_NOT_EQUAL = 14, sdk CLUSREG_CONDITION_IS_NOT_EQUAL;
        CONDITION_IS_GREATER_THAN = 15, sdk CLUSREG_CONDITION_IS_GREATER_THAN;
        CONDITION_IS_LESS_THAN = 16, sdk CLUSREG_CONDITION_IS_LESS_THAN;
        CONDITION_KEY_EXISTS = 17, sdk CLUSREG_CONDITION_KEY_EXISTS;
        CONDITION_KEY_NOT_EXISTS = 18, sdk CLUSREG_CONDITION_KEY_NOT_EXISTS;
    }

    /// Types of registry values (winnt.h).
    pub mod registry_type: u32 {
        NONE = 0, only REG_NONE;
        SZ = 1, only REG_SZ;
        EXPAND_SZ = 2, only REG_EXPAND_SZ;
        BINARY = 3, only REG_BINARY;
        DWORD = 4, only REG_DWORD;
        DWORD_BIG_ENDIAN = 5, only REG_DWORD_BIG_ENDIAN;
        LINK = 6, only REG_LINK;
        MULTI_SZ = 7, only REG_MULTI_SZ;
        QWORD = 11, only REG_QWORD;
    }

    /// Access to ask for a key of the cluster database (winnt.h).
    pub mod registry_access: u32 {
        QUERY_VALUE = 1, only KEY_QUERY_VALUE;
        SET_VALUE = 2, only KEY_SET_VALUE;
        CREATE_SUB_KEY = 4, only KEY_CREATE_SUB_KEY;
        ENUMERATE_SUB_KEYS = 8, only KEY_ENUMERATE_SUB_KEYS;
        NOTIFY = 0x10, only KEY_NOTIFY;
        READ = 0x2_0019, only KEY_READ;
        WRITE = 0x2_0006, only KEY_WRITE;
        ALL = 0xF_003F, only KEY_ALL_ACCESS;
        MAXIMUM_ALLOWED = 0x0200_0000, only MAXIMUM_ALLOWED;
    }

    /// What `ClusterRegCreateKey` did (winnt.h).
    pub mod registry_disposition: u32 {
        CREATED = 1, only REG_CREATED_NEW_KEY;
        OPENED = 2, only REG_OPENED_EXISTING_KEY;
    }

    /// Parts of the security of a key (winnt.h).
    pub mod security_information: u32 {
        OWNER = 1, only OWNER_SECURITY_INFORMATION;
        GROUP = 2, only GROUP_SECURITY_INFORMATION;
        DACL = 4, only DACL_SECURITY_INFORMATION;
        SACL = 8, only SACL_SECURITY_INFORMATION;
    }
}

//! Open enumerations of the cluster API: the native number, with names for the known ones.
//!
//! A newer Windows may use numbers that are not listed here, so each type keeps its number whatever it is.

use core::fmt;

use crate::sys::constants;

/// Makes a newtype over a native number, with constants for the values that the SDK names.
macro_rules! open_enumeration {
    ($( $(#[$doc:meta])* $type:ident: $number:ty, $module:ident { $($name:ident),+ $(,)? } )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $type(pub $number);

            impl $type {
                $(
                    #[doc = concat!("See [`", stringify!($module), "`](constants::", stringify!($module), "::", stringify!($name), ").")]
                    pub const $name: Self = Self(constants::$module::$name);
                )+

                /// The SDK's name of the number, if it is known here.
                #[must_use]
                pub const fn name(self) -> Option<&'static str> {
                    constants::$module::name(self.0)
                }
            }

            impl fmt::Display for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    match self.name() {
                        Some(name) => f.write_str(name),
                        None => write!(f, "{}", self.0),
                    }
                }
            }
        )+
    };
}

open_enumeration! {
    /// A phase of a setup call (facts 1.5).
    SetupPhase: i32, setup_phase {
        INITIALIZE, VALIDATE_NODE_STATE, VALIDATE_NETFT, VALIDATE_CLUS_DISK, CONFIGURE_CLUS_SVC, STARTING_CLUS_SVC,
        QUERY_CLUSTER_NAME_ACCOUNT, VALIDATE_CLUSTER_NAME_ACCOUNT, CREATE_CLUSTER_ACCOUNT, CONFIGURE_CLUSTER_ACCOUNT,
        FORMING_CLUSTER, ADD_CLUSTER_PROPERTIES, CREATE_RESOURCE_TYPES, CREATE_GROUPS, CREATE_IP_ADDRESS_RESOURCES,
        CREATE_NETWORK_NAME, CLUSTER_GROUP_ONLINE, GETTING_CURRENT_MEMBERSHIP, ADD_NODE_TO_CLUSTER, NODE_UP,
        APPLY_NETWORK_ATC_INTENTS, MOVE_GROUP, DELETE_GROUP, CLEANUP_COS, OFFLINE_GROUP, EVICT_NODE, CLEANUP_NODE,
        CORE_GROUP_CLEANUP, REPAIR_CNO_ACCOUNT, REPAIR_DNS_PERMISSIONS, FAILURE_CLEANUP,
    }
    /// The place within a setup phase (facts 1.5).
    PhaseType: i32, setup_phase_type { START, CONTINUE, END, REPORT }
    /// How bad a setup record is (facts 1.5).
    Severity: i32, setup_phase_severity { INFORMATIONAL, WARNING, FATAL }
    /// A phase of a functional level upgrade (facts 1.7).
    UpgradePhase: i32, upgrade_phase {
        INITIALIZE, VALIDATING_UPGRADE, UPGRADING_COMPONENTS, INSTALLING_NEW_COMPONENTS, UPGRADE_COMPLETE,
    }
    /// How a cluster is reached by name (facts 1.2).
    ManagementPointType: i32, management_point_type { NONE, CNO, DNS_ONLY, CNO_ONLY }
    /// What kind of network name a cluster has (facts 1.2).
    ManagementPointRestype: i32, management_point_restype { AUTO, SINGLE_NETWORK_NAME, DISTRIBUTED_NETWORK_NAME }
    /// Where nodes run (facts 1.2).
    CloudType: i32, cloud_type { NONE, AZURE, MIXED, UNKNOWN }
    /// Whether a host is set up as a node (facts 1.2).
    NodeClusterState: u32, node_cluster_state { NOT_INSTALLED, NOT_CONFIGURED, NOT_RUNNING, RUNNING }
    /// The state of a node (facts 2.2).
    NodeState: i32, node_state { UNKNOWN, UP, DOWN, PAUSED, JOINING }
    /// The state of a group (facts 2.2).
    GroupState: i32, group_state { UNKNOWN, ONLINE, OFFLINE, FAILED, PARTIAL_ONLINE, PENDING }
    /// The state of a resource (facts 2.2).
    ResourceState: i32, resource_state {
        UNKNOWN, INHERITED, INITIALIZING, ONLINE, OFFLINE, FAILED, PENDING, ONLINE_PENDING, OFFLINE_PENDING,
    }
    /// The state of a network (facts 2.2).
    NetworkState: i32, network_state { UNKNOWN, UNAVAILABLE, DOWN, PARTITIONED, UP }
    /// The state of a network interface (facts 2.2).
    NetworkInterfaceState: i32, network_interface_state { UNKNOWN, UNAVAILABLE, FAILED, UNREACHABLE, UP }
    /// The state of a cluster shared volume on a node (facts 2.2).
    SharedVolumeState: u32, shared_volume_state {
        UNAVAILABLE, PAUSED, ACTIVE, ACTIVE_REDIRECTED, ACTIVE_VOLUME_REDIRECTED,
    }
    /// How far the drain of a node, or the way back of its groups, has come (facts 2.2).
    NodeDrainStatus: u32, node_drain_status { NOT_INITIATED, IN_PROGRESS, COMPLETED, FAILED }
    /// What a group is for (facts 2.2).
    GroupType: u32, group_type {
        CORE_CLUSTER, AVAILABLE_STORAGE, TEMPORARY, SHARED_VOLUME, STORAGE_POOL, FILE_SERVER, PRINT_SERVER,
        DHCP_SERVER, DTC, MSMQ, WINS, STAND_ALONE_DFS, GENERIC_APPLICATION, GENERIC_SERVICE, GENERIC_SCRIPT,
        ISCSI_NAME_SERVICE, VIRTUAL_MACHINE, TS_SESSION_BROKER, ISCSI_TARGET, SCALEOUT_FILE_SERVER,
        VM_REPLICA_BROKER, TASK_SCHEDULER, CLUSTER_UPDATE_AGENT, SCALEOUT_CLUSTER, STORAGE_REPLICA,
        VM_REPLICA_COORDINATOR, CROSS_CLUSTER_ORCHESTRATOR, INFRASTRUCTURE_FILE_SERVER, CORE_SDDC, USER_MANAGER,
        KEY_VALUE_STORE_MANAGER, HCS_VIRTUAL_MACHINE, META_VIRTUAL_MACHINE, UNKNOWN,
    }
    /// What an affinity rule demands (facts 2.2).
    AffinityRuleType: i32, affinity_rule_type {
        NONE, SAME_FAULT_DOMAIN, SAME_NODE, DIFFERENT_FAULT_DOMAIN, DIFFERENT_NODE,
    }
    /// What happens to drained groups when their node is resumed (facts 2.3).
    Failback: i32, resume_failback { DO_NOT, IMMEDIATELY, PER_POLICY }
    /// A way to move a virtual machine (facts 2.4).
    VmMigration: u32, vm_migration { TURN_OFF, SAVE, SHUTDOWN, SHUTDOWN_FORCE, LIVE }
    /// What holds the quorum (facts 2.6).
    QuorumKind: u32, quorum_kind { NODE_MAJORITY, NODES_AND_WITNESS, DISK_ONLY }
    /// What is done with an account's access to a cluster (facts 2.6).
    AccountAccess: u32, account_access { ALLOW, DENY, REMOVE }
    /// The type of a registry value.
    RegistryType: u32, registry_type {
        NONE, SZ, EXPAND_SZ, BINARY, DWORD, DWORD_BIG_ENDIAN, LINK, MULTI_SZ, QWORD,
    }
}

/// A version of the cluster or of a node: functional level and, since Windows Server 2016, the upgrade version below
/// it; before, the build (facts 1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterVersion(pub u32);

impl ClusterVersion {
    /// The functional level, such as 10 for Windows Server 2019.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.0 >> 16
    }

    /// The upgrade version, or the build up to Windows Server 2012 R2.
    #[must_use]
    pub const fn minor(self) -> u32 {
        self.0 & 0xFFFF
    }
}

impl fmt::Display for ClusterVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_have_names_and_unknown_ones_stay_numbers() {
        assert_eq!(
            SetupPhase::APPLY_NETWORK_ATC_INTENTS.to_string(),
            "ClusterSetupPhaseApplyNetworkATCIntents"
        );
        assert_eq!(SetupPhase(304).to_string(), "304");
        assert_eq!(
            constants::setup_phase::NUMBERS.len(),
            31,
            "28 documented phases and 3 newer ones (facts 1.5)"
        );
    }

    #[test]
    fn a_version_is_level_and_minor() {
        // Recorded from Windows Server 2012 R2 (facts 1.7).
        assert_eq!(ClusterVersion(533_888).to_string(), "8.9600");
    }
}

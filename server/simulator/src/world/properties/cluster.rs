//! The properties of clusters and nodes (facts 3.3), with the defaults of Windows Server 2016 and later.

use super::definition::{Definition, binary, dword, flag, large, text, text_of, texts};

pub(crate) const SECURITY_DESCRIPTOR: &str = "Security Descriptor";

/// Cluster properties that may be set.
pub(super) const CLUSTER: &[Definition] = &[
    dword("AcceleratedNetworkingEnabled", 0),
    dword("AcceleratedNetworkingNodeReserve", 0),
    dword("AddEvictDelay", 60).within(0, 600),
    texts("AdminExtensions"),
    dword("AutoBalancerLevel", 1).within(1, 3),
    dword("AutoBalancerMode", 2).within(0, 2),
    dword("BlockCacheSize", 1_024),
    dword("ClusSvcHangTimeout", 60),
    flag("ClusterEnforcedAntiAffinity", 0),
    dword("ClusterGroupWaitDelay", 120),
    dword("ClusterLogLevel", 3).within(0, 5),
    dword("ClusterLogSize", 300).within(8, 1_024),
    dword("CrossSiteDelay", 1_000).within(250, 4_000),
    dword("CrossSiteThreshold", 20).within(3, 120),
    dword("CrossSubnetDelay", 1_000).within(250, 4_000),
    dword("CrossSubnetThreshold", 20).within(3, 120),
    dword("DatabaseReadWriteMode", 0).within(0, 2),
    dword("DefaultNetworkRole", 3).within(0, 3),
    text("Description"),
    flag("DisableGroupPreferredOwnerRandomization", 0),
    flag("DrainOnShutdown", 1),
    flag("DynamicQuorum", 1),
    flag("EnableEventLogReplication", 1),
    texts("EnabledEventLogs"),
    dword("GroupDependencyTimeout", 600),
    dword("HangRecoveryAction", 6).within(0, 6),
    dword("LowerQuorumPriorityNodeId", 0).within(0, 64),
    dword("MaximumParallelMigrations", 1),
    dword("MessageBufferLength", 50),
    dword("MinimumNeverPreemptPriority", 3_000).within(0, 4_999),
    dword("MinimumPreemptorPriority", 1).within(0, 4_999),
    flag("NetftIPSecEnabled", 1),
    dword("PlacementOptions", 0),
    dword("PlumbAllCrossSubnetRoutes", 0).within(0, 2),
    text("PreferredSite"),
    dword("QuarantineDuration", 7_200).or(u32::MAX),
    dword("QuarantineThreshold", 3),
    dword("QuorumArbitrationTimeMax", 20).within(1, 3_600),
    dword("RequestReplyTimeout", 60),
    dword("ResiliencyDefaultPeriod", 240),
    dword("ResiliencyLevel", 2).within(1, 2),
    dword("RouteHistoryLength", 10).within(0, 40),
    dword("S2DCacheDesiredState", 2),
    large("S2DCacheMetadataReserveBytes", 34_359_738_368),
    flag("S2DEnabled", 0),
    dword("S2DIOLatencyThreshold", 10_000),
    dword("SameSubnetDelay", 1_000).within(250, 2_000),
    dword("SameSubnetThreshold", 10).within(3, 120),
    binary(SECURITY_DESCRIPTOR),
    texts("SharedVolumeCompatibleFilters"),
    texts("SharedVolumeIncompatibleFilters"),
    dword("ShutdownTimeoutInMinutes", 20).within(0, 1_440),
    flag("UseClientAccessNetworksForSharedVolumes", 0),
    dword("WitnessDatabaseWriteTimeout", 300),
    dword("WitnessRestartInterval", 15),
];

/// Read-only cluster properties. `ClusterUpgradeVersion` is not marked so in the facts, but it only changes by an
/// upgrade.
pub(super) const CLUSTER_RO: &[Definition] = &[
    dword("AdminAccessPoint", 0),
    dword("ClusterFunctionalLevel", 0),
    dword("ClusterUpgradeVersion", 0),
    dword("EnableSharedVolumes", 1),
    dword("FixQuorum", 0),
    dword("IgnorePersistentStateOnStartup", 0),
    dword("PreventQuorum", 0),
    dword("SecurityLevel", 1),
    text_of("SharedVolumesRoot", super::super::shared_volume::ROOT),
    dword("WitnessDynamicWeight", 0),
];

/// Node properties that may be set.
pub(super) const NODE: &[Definition] = &[
    texts("AdminExtensions"),
    text("Description"),
    flag("EnableEventLogReplication", 1),
    text("FaultDomainId"),
    flag("NodeWeight", 1),
];

/// Read-only node properties.
pub(super) const NODE_RO: &[Definition] = &[
    text("NodeName"),
    dword("NodeHighestVersion", 0),
    dword("NodeLowestVersion", 0),
    dword("MajorVersion", 0),
    dword("MinorVersion", 0),
    dword("BuildNumber", 0),
    text("CSDVersion"),
    text("NodeInstanceID"),
    dword("NodeDrainStatus", 0),
    dword("NodeDrainTarget", u32::MAX),
    dword("DrainErrorCode", 0),
    dword("NodeFailbackStatus", 0),
    dword("FailbackErrorCode", 0),
    dword("DynamicWeight", 1),
    dword("NeedsPreventQuorum", 0),
    dword("StatusInformation", 0),
    texts("FaultDomain"),
    flag("IsPrimary", 0),
    text_of("Manufacturer", "Simulated Systems"),
    text_of("Model", "Simulated Machine"),
    text("SerialNumber"),
    text("UniqueID"),
];

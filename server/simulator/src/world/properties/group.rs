//! The properties of groups, group sets and affinity rules (facts 3.3).

use super::definition::{Definition, dword, flag, large, text, texts};

/// Group properties that may be set.
pub(super) const GROUP: &[Definition] = &[
    texts("AdminExtensions"),
    texts("AntiAffinityClassNames"),
    flag("AutoFailbackType", 0),
    large("CCFEpoch", 0),
    dword("ColdStartSetting", 0).within(0, 2),
    dword("DefaultOwner", u32::MAX).within(0, 512).or(u32::MAX),
    text("Description"),
    dword("FailbackWindowEnd", u32::MAX).within(0, 23).or(u32::MAX),
    dword("FailbackWindowStart", u32::MAX).within(0, 23).or(u32::MAX),
    dword("FailoverPeriod", 6).within(0, 1_193),
    dword("FailoverThreshold", u32::MAX),
    dword("FaultDomain", 0),
    dword("GroupStartDelay", 0).within(0, 1_800_000),
    flag("LockedFromMoving", 0),
    flag("PersistentState", 1),
    dword("PlacementOptions", 0),
    texts("PreferredSite"),
    dword("Priority", 2_000).within(0, 3_000),
    dword("ResiliencyPeriod", 0),
    dword("UpdateDomain", 0),
];

/// Read-only group properties.
pub(super) const GROUP_RO: &[Definition] = &[text("Name"), dword("GroupType", 9_999), large("StatusInformation", 0)];

/// Group set properties that may be set. Guess: the defaults; `StartupCount` 0xFFFFFFFF means all.
pub(super) const GROUP_SET: &[Definition] = &[
    flag("IsGlobal", 0),
    dword("StartupCount", u32::MAX),
    dword("StartupDelay", 20),
    dword("StartupSetting", 1).within(1, 4),
];

/// Read-only group set properties.
pub(super) const GROUP_SET_RO: &[Definition] = &[
    text("Name"),
    dword("FaultDomains", 0),
    flag("IsAvailabilitySet", 0),
    texts("NodeDomainInfo"),
    flag("ReserveSpareNode", 0),
    large("StatusInformation", 0),
    dword("UpdateDomains", 0),
];

/// Affinity rule properties that may be set.
pub(super) const RULE: &[Definition] = &[
    flag("Enabled", 1),
    dword("RuleType", 0).within(0, 4),
    flag("SoftAntiAffinity", 0),
];

/// Read-only affinity rule properties.
pub(super) const RULE_RO: &[Definition] = &[text("Name"), texts("Groups")];

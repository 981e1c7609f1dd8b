//! The properties of resources and resource types (facts 3.3).

use super::definition::{Definition, dword, expand, flag, large, text, text_of, texts};

/// Resource properties that may be set. RestartThreshold is what current clusters show, not the documented 3.
pub(super) const RESOURCE: &[Definition] = &[
    texts("AdminExtensions"),
    dword("DeadlockTimeout", 300_000).within(1_000, u32::MAX),
    text("Description"),
    dword("EmbeddedFailureAction", 2).within(0, 2),
    dword("IsAlivePollInterval", u32::MAX),
    dword("LooksAlivePollInterval", u32::MAX),
    dword("PendingTimeout", 180_000).within(10, u32::MAX),
    flag("PersistentState", 1),
    dword("RestartAction", 2).within(0, 2),
    dword("RestartDelay", 500),
    dword("RestartPeriod", 900_000),
    dword("RestartThreshold", 1),
    dword("RetryPeriodOnFailure", 3_600_000),
    flag("SeparateMonitor", 0),
];

/// Read-only resource properties.
pub(super) const RESOURCE_RO: &[Definition] = &[
    text("Name"),
    text("Type"),
    dword("MonitorProcessId", 0),
    large("LastOperationStatusCode", 0),
    large("ResourceSpecificData1", 0),
    large("ResourceSpecificData2", 0),
    text("ResourceSpecificStatus"),
    large("StatusInformation", 0),
];

/// Resource type properties that may be set. `Name` is the display name.
pub(super) const RESOURCE_TYPE: &[Definition] = &[
    texts("AdminExtensions"),
    dword("DeadlockTimeout", 300_000).within(30_000, u32::MAX),
    text("Description"),
    texts("DumpLogQuery"),
    large("DumpPolicy", 0),
    texts("DumpServices"),
    texts("EnabledEventLogs"),
    dword("IsAlivePollInterval", 60_000),
    dword("LooksAlivePollInterval", 5_000),
    dword("MaximumMonitors", 0),
    text("Name"),
    dword("PendingTimeout", 180_000).within(10, u32::MAX),
];

/// Read-only resource type properties.
pub(super) const RESOURCE_TYPE_RO: &[Definition] = &[text("DllName")];

const IP_ADDRESS: &[Definition] = &[
    text("Address"),
    flag("EnableDhcp", 0),
    flag("EnableNetBIOS", 1),
    text("Network"),
    flag("OverrideAddressMatch", 0),
    dword("ProbePort", 0).within(0, 65_535),
    text("SubnetMask"),
];

const IPV6_ADDRESS: &[Definition] = &[
    text("Address"),
    text("Network"),
    dword("PrefixLength", 64).within(0, 128),
];

const NETWORK_NAME: &[Definition] = &[
    text("DnsName"),
    dword("HostRecordTTL", 1_200),
    text("Name"),
    flag("PublishPTRRecords", 0),
    flag("RegisterAllProvidersIP", 0),
    flag("RequireDNS", 0),
];

const NETWORK_NAME_RO: &[Definition] = &[
    text("ObjectGUID"),
    dword("StatusDNS", 0),
    dword("StatusKerberos", 0),
    dword("StatusNetBIOS", 0),
];

const GENERIC_SERVICE: &[Definition] = &[
    text("ServiceName"),
    text("StartupParameters"),
    flag("UseNetworkName", 0),
];

const GENERIC_APPLICATION: &[Definition] = &[
    expand("CommandLine"),
    expand("CurrentDirectory"),
    flag("InteractWithDesktop", 0),
    flag("UseNetworkName", 0),
];

const GENERIC_SCRIPT: &[Definition] = &[expand("ScriptFilepath")];

const FILE_SHARE_WITNESS: &[Definition] = &[dword("ArbitrationDelay", 6).within(0, 60), text("SharePath")];

const CLOUD_WITNESS: &[Definition] = &[
    text("AccountName"),
    text_of("EndpointInfo", "core.windows.net"),
    text("PrimaryKey"),
    text("PrimaryToken"),
];

const PHYSICAL_DISK: &[Definition] = &[
    text("DiskIdGuid"),
    dword("DiskIdType", 5_000),
    dword("DiskRunChkDsk", 0).within(0, 6),
    dword("DiskSignature", 0),
    flag("MaintenanceMode", 0),
];

/// Guess: names of shell-independent settings that file servers and virtual machines show.
const FILE_SERVER: &[Definition] = &[text("ServerName")];
const VIRTUAL_MACHINE: &[Definition] = &[
    dword("OfflineAction", 1).within(0, 3),
    dword("ShutdownAction", 0).within(0, 1),
    flag("StartMemory", 0),
    text("VmID"),
];
const VIRTUAL_MACHINE_CONFIGURATION: &[Definition] = &[text("VmID"), text("VmStoreRootPath")];

/// The private properties of the resources of a type; other types have only custom ones.
pub(super) fn private(kind: &str) -> &'static [Definition] {
    match kind {
        "IP Address" => IP_ADDRESS,
        "IPv6 Address" => IPV6_ADDRESS,
        "Network Name" | "Distributed Network Name" => NETWORK_NAME,
        "Generic Service" => GENERIC_SERVICE,
        "Generic Application" => GENERIC_APPLICATION,
        "Generic Script" => GENERIC_SCRIPT,
        "File Share Witness" => FILE_SHARE_WITNESS,
        "Cloud Witness" => CLOUD_WITNESS,
        "Physical Disk" => PHYSICAL_DISK,
        "File Server" => FILE_SERVER,
        "Virtual Machine" => VIRTUAL_MACHINE,
        "Virtual Machine Configuration" => VIRTUAL_MACHINE_CONFIGURATION,
        _ => &[],
    }
}

/// The read-only private properties of the resources of a type.
pub(super) fn private_ro(kind: &str) -> &'static [Definition] {
    match kind {
        "Network Name" | "Distributed Network Name" => NETWORK_NAME_RO,
        _ => &[],
    }
}

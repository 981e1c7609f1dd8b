//! Words for the enumerations of the contract. A number without a name, from a newer Windows or daemon, is shown as
//! its number.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use wsfc_client::v1::{
    AccessRight, ChangeType, CheckpointKind, DrainState, HostState, ManagementPointType, NativeStatus, NodeState,
    OperationKind, OperationState, PendingReason, ResourceState, SetupPhase, SetupPhaseType, SetupSeverity,
    StatusFacility, SuggestedAction, UpgradePhase, WorkloadCallKind,
};

/// Makes a function from the number of an enumerator to words.
macro_rules! phrases {
    ($(#[$doc:meta])* $name:ident($enumeration:ident, $unknown:literal) { $($variant:ident => $words:literal,)* }) => {
        $(#[$doc])*
        pub(crate) fn $name(number: i32) -> String {
            match $enumeration::try_from(number) {
                $(Ok($enumeration::$variant) => $words.to_owned(),)*
                Err(_) => format!($unknown, number),
            }
        }
    };
}

phrases! {
    /// A phase of a setup call.
    setup_phase(SetupPhase, "phase {}") {
        Unspecified => "phase 0",
        Initialize => "initialize",
        ValidateNodeState => "check the node",
        ValidateNetft => "check the virtual adapter driver",
        ValidateClusDisk => "check the cluster disk driver",
        ConfigureClusSvc => "configure the cluster service",
        StartingClusSvc => "start the cluster service",
        QueryClusterNameAccount => "look up the computer account",
        ValidateClusterNameAccount => "check the computer account",
        CreateClusterAccount => "create the computer account",
        ConfigureClusterAccount => "configure the computer account",
        FormingCluster => "form the cluster",
        AddClusterProperties => "write the cluster properties",
        CreateResourceTypes => "create the resource types",
        CreateGroups => "create the core group",
        CreateIpAddressResources => "create the IP address",
        CreateNetworkName => "create the network name",
        ClusterGroupOnline => "bring the core group online",
        GettingCurrentMembership => "read the membership",
        AddNodeToCluster => "add the node",
        NodeUp => "wait for the node to be up",
        ApplyNetworkAtcIntents => "apply the network intents",
        MoveGroup => "move the group",
        DeleteGroup => "delete the group",
        CleanupCos => "remove the computer objects",
        OfflineGroup => "take the group offline",
        EvictNode => "evict the node",
        CleanupNode => "clean up the node",
        CoreGroupCleanup => "clean up the core group",
        RepairCnoAccount => "repair the computer account",
        RepairDnsPermissions => "repair the DNS permissions",
        FailureCleanup => "undo after the failure",
    }
}

phrases! {
    /// Where in its phase a setup call is.
    setup_phase_type(SetupPhaseType, "type {}") {
        Unspecified => "type 0",
        Start => "begins",
        Continue => "goes on",
        End => "done",
        Report => "reports",
    }
}

phrases! {
    /// How bad a report is.
    severity(SetupSeverity, "severity {}") {
        Unspecified => "none",
        Informational => "info",
        Warning => "warning",
        Fatal => "fatal",
    }
}

phrases! {
    /// A phase of an upgrade.
    upgrade_phase(UpgradePhase, "upgrade phase {}") {
        Unspecified => "upgrade phase 0",
        Initialize => "tell the nodes",
        ValidatingUpgrade => "check the upgrade",
        UpgradingComponents => "upgrade the components",
        InstallingNewComponents => "install new components",
        UpgradeComplete => "upgrade complete",
    }
}

/// What an operation does: `move group`, as the contract calls it.
pub(crate) fn operation_kind(number: i32) -> String {
    match OperationKind::try_from(number) {
        Ok(OperationKind::Unspecified) => "unknown".to_owned(),
        Ok(OperationKind::UpgradeFunctionalLevel) => "upgrade".to_owned(),
        Ok(
            kind @ (OperationKind::CreateNameAccount
            | OperationKind::RemoveNameAccount
            | OperationKind::RepairNameAccount),
        ) => words(kind.as_str_name(), "OPERATION_KIND_").replace(" name", ""),
        Ok(kind) => words(kind.as_str_name(), "OPERATION_KIND_"),
        Err(_) => format!("kind {number}"),
    }
}

/// The name of an enumerator in words.
fn words(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_lowercase()
        .replace('_', " ")
}

phrases! {
    /// What is replicated for a resource.
    checkpoint_kind(CheckpointKind, "kind {}") {
        Unspecified => "unknown",
        Registry => "registry",
        Crypto => "crypto",
    }
}

phrases! {
    /// What an account may do.
    access_right(AccessRight, "right {}") {
        Unspecified => "special",
        Read => "read",
        Change => "change",
        Full => "full",
    }
}

phrases! {
    /// How far a drain is.
    drain_state(DrainState, "drain {}") {
        Unspecified => "drain unknown",
        NotInitiated => "not drained",
        InProgress => "its groups are moving away",
        Completed => "drained",
        Failed => "some groups could not be moved",
    }
}

phrases! {
    /// What has changed about an object.
    change_type(ChangeType, "change {}") {
        Unspecified => "change 0",
        Added => "added",
        Removed => "removed",
        State => "state",
        Owner => "owner",
        Name => "name",
        Properties => "properties",
        PrivateProperties => "private properties",
        Relations => "relations",
        Group => "group",
        Gap => "gap",
        Connection => "connection",
        ResourceStatus => "status",
    }
}

phrases! {
    /// The state of a resource.
    resource_state(ResourceState, "state {}") {
        Unspecified => "unknown",
        Inherited => "inherited",
        Initializing => "initializing",
        Online => "online",
        Offline => "offline",
        Failed => "failed",
        Pending => "pending",
        OnlinePending => "online pending",
        OfflinePending => "offline pending",
    }
}

phrases! {
    /// What an agent is asked to do.
    workload_call(WorkloadCallKind, "call {}") {
        Unspecified => "",
        Open => "open",
        Online => "online",
        Offline => "offline",
        Terminate => "terminate",
        CheckHealth => "check health",
        Close => "close",
    }
}

phrases! {
    /// Where an operation is.
    operation_state(OperationState, "state {}") {
        Unspecified => "unknown",
        Pending => "pending",
        Running => "running",
        Succeeded => "succeeded",
        Failed => "failed",
        Cancelled => "cancelled",
        Interrupted => "interrupted",
    }
}

phrases! {
    /// Why an operation has not begun.
    pending_reason(PendingReason, "reason {}") {
        Unspecified => "it has not begun",
        Starting => "it is about to begin",
        Busy => "another operation holds the cluster or a node",
        ClusterSettling => "the cluster was created a moment ago and settles",
    }
}

phrases! {
    /// What can be done about an outcome.
    suggested_action(SuggestedAction, "action {}") {
        Unspecified => "nothing is suggested",
        Accept => "accept the cluster as it is: nothing is left to do",
        Retry => "call again: nothing, or not all, was done",
        CleanUp => "remove the remains first: destroy the cluster, evict the node, or clean up the node",
        Inspect => "look at the cluster by hand",
    }
}

phrases! {
    /// The cluster state of a host.
    host_state(HostState, "state {}") {
        Unspecified => "unknown",
        NotInstalled => "feature not installed",
        NotConfigured => "in no cluster",
        NotRunning => "cluster service not running",
        Running => "cluster service running",
    }
}

phrases! {
    /// The state of a node.
    node_state(NodeState, "state {}") {
        Unspecified => "unknown",
        Up => "up",
        Down => "down",
        Paused => "paused",
        Joining => "joining",
    }
}

phrases! {
    /// How a cluster is reached on the network.
    management_point(ManagementPointType, "type {}") {
        Unspecified => "unknown",
        None => "none",
        ActiveDirectoryAndDns => "ad-dns",
        Dns => "dns",
        ActiveDirectory => "ad",
    }
}

/// A status with its number, name and message: `5065 ERROR_CLUSTER_NODE_ALREADY_MEMBER: the node ...`.
pub(crate) fn status(status: &NativeStatus) -> String {
    let mut text = match status.facility() {
        StatusFacility::Hresult => format!("{:#010x}", status.code),
        StatusFacility::Win32 | StatusFacility::Unspecified => status.code.to_string(),
    };
    if !status.name.is_empty() {
        text = format!("{text} {}", status.name);
    }
    if !status.message.is_empty() {
        text = format!("{text}: {}", status.message);
    }
    text
}

/// The Windows Server release of a functional level.
pub(crate) fn functional_level(level: u32) -> String {
    let release = match level {
        0 => return "unknown".to_owned(),
        8 => "2012 R2",
        9 => "2016",
        10 => "2019",
        11 => "2022",
        12 => "2025",
        _ => return level.to_string(),
    };
    format!("{level} (Windows Server {release})")
}

/// A point in time as RFC 3339 in UTC, to the second; empty when it is absent, before 1970 or after 9999.
pub(crate) fn time(timestamp: Option<&Timestamp>) -> String {
    const YEAR_10000: i64 = 253_402_300_800;
    let seconds = timestamp
        .map(|timestamp| timestamp.seconds)
        .filter(|seconds| (0..YEAR_10000).contains(seconds));
    seconds
        .map(|seconds| Timestamp { seconds, nanos: 0 }.to_string())
        .unwrap_or_default()
}

/// The time between two points, to the second; empty when either is absent or they are out of order.
pub(crate) fn span(from: Option<&Timestamp>, to: Option<&Timestamp>) -> String {
    let read = |timestamp: Option<&Timestamp>| timestamp.and_then(|timestamp| SystemTime::try_from(*timestamp).ok());
    let span = read(from)
        .zip(read(to))
        .and_then(|(from, to)| to.duration_since(from).ok());
    span.map(|span| humantime::format_duration(Duration::from_secs(span.as_secs())).to_string())
        .unwrap_or_default()
}

/// Text of others as one line of a terminal that it cannot steer: line ends and tabs are blanks, other control characters
/// and those that turn the direction of what follows are replaced.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\r' | '\t' => ' ',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            _ if letter.is_control() => char::REPLACEMENT_CHARACTER,
            _ => letter,
        })
        .collect()
}

/// The same of text whose lines stay lines.
pub(crate) fn plain_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(plain).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_name_are_shown() {
        assert_eq!(setup_phase(200), "form the cluster");
        assert_eq!(setup_phase(304), "phase 304");
        assert_eq!(setup_phase(-1), "phase -1");
        assert_eq!(operation_state(99), "state 99");
        assert_eq!(functional_level(13), "13");
    }

    #[test]
    fn a_status_shows_its_number_whatever_else_it_has() {
        let mut shown = NativeStatus {
            raw: 5065,
            code: 5065,
            ..Default::default()
        };
        assert_eq!(status(&shown), "5065");
        shown.name = "ERROR_CLUSTER_NODE_ALREADY_MEMBER".to_owned();
        shown.message = "the node is a member already".to_owned();
        assert_eq!(
            status(&shown),
            "5065 ERROR_CLUSTER_NODE_ALREADY_MEMBER: the node is a member already"
        );
        let hresult = NativeStatus {
            code: 0x8004_0154,
            facility: StatusFacility::Hresult.into(),
            ..Default::default()
        };
        assert_eq!(status(&hresult), "0x80040154");
    }

    #[test]
    fn times_out_of_range_are_left_out() {
        let at = |seconds| Timestamp { seconds, nanos: 0 };
        assert_eq!(time(Some(&at(1_700_000_000))), "2023-11-14T22:13:20Z");
        assert_eq!(time(Some(&at(-1))), "");
        assert_eq!(time(Some(&at(i64::MAX))), "");
        assert_eq!(time(None), "");
        assert_eq!(span(Some(&at(10)), Some(&at(75))), "1m 5s");
        assert_eq!(span(Some(&at(75)), Some(&at(10))), "");
    }
}

//! What an operator can do about an operation that failed or was interrupted.

use wsfc_clusapi::Win32;
use wsfc_proto::v1;
use wsfc_proto::v1::{HostState, Inspection, NodeState, OperationKind, SuggestedAction};

use super::call::{Call as _, Parameters};
use super::inspect::{is_host, member};

/// What an operator can do, given what the cluster looks like.
///
/// Remains are suspected only where the call had begun to change something: a cluster of the same name, or a host that
/// belongs to a cluster, may be somebody else's.
pub(super) fn suggest(call: &Parameters, inspection: Option<&Inspection>, changed: bool) -> Vec<i32> {
    if !call.is_setup() {
        // A verb that the cluster refused has changed nothing; asked again, it finds what is as it should be.
        return vec![SuggestedAction::Retry.into()];
    }
    let Some(seen) = inspection else {
        return vec![SuggestedAction::Inspect.into()];
    };
    let host_state = |name: &str| {
        seen.hosts
            .iter()
            .find(|host| is_host(&host.host, name))
            .map(v1::HostObservation::state)
    };
    let up = |name: &str| member(seen, name).is_some_and(|node| node.state() == NodeState::Up);
    let remains = if changed {
        SuggestedAction::CleanUp
    } else {
        SuggestedAction::Inspect
    };
    let action = match call {
        Parameters::CreateCluster(p) => {
            let half_made = p
                .nodes
                .iter()
                .any(|node| host_state(node) == Some(HostState::NotRunning));
            if seen.cluster_found && p.nodes.iter().all(|node| up(node)) {
                SuggestedAction::Accept
            } else if seen.cluster_found || half_made {
                remains
            } else {
                SuggestedAction::Retry
            }
        }
        Parameters::AddNode(p) => {
            if up(&p.node) {
                SuggestedAction::Accept
            } else if member(seen, &p.node).is_some() || host_state(&p.node) == Some(HostState::NotRunning) {
                remains
            } else {
                SuggestedAction::Retry
            }
        }
        Parameters::EvictNode(_) | Parameters::DestroyCluster(_) if !seen.cluster_found && seen.error.is_some() => {
            if call.kind() == OperationKind::DestroyCluster && all_untouched(seen) {
                SuggestedAction::Accept
            } else {
                SuggestedAction::Inspect
            }
        }
        Parameters::EvictNode(p) if member(seen, &p.node).is_some() => SuggestedAction::Retry,
        Parameters::EvictNode(p) if host_state(&p.node) == Some(HostState::NotRunning) => SuggestedAction::CleanUp,
        Parameters::EvictNode(_) => SuggestedAction::Accept,
        Parameters::DestroyCluster(_) if seen.cluster_found => SuggestedAction::Retry,
        Parameters::DestroyCluster(_) if all_untouched(seen) => SuggestedAction::Accept,
        Parameters::DestroyCluster(_) => SuggestedAction::CleanUp,
        // One step per call, so a second call could go a level further: look at the level first (facts 1.7).
        Parameters::UpgradeFunctionalLevel(_) => SuggestedAction::Inspect,
        // The others find what is done already as it should be.
        _others => SuggestedAction::Retry,
    };
    vec![action.into()]
}

/// Whether the cluster would answer the same again for as long as nobody changes something else: the request is wrong, or
/// speaks against what the cluster is made of.
pub(super) fn is_in_vain(code: Win32) -> bool {
    matches!(
        code,
        Win32::ERROR_INVALID_PARAMETER
            | Win32::ERROR_CALL_NOT_IMPLEMENTED
            | Win32::ERROR_ALREADY_EXISTS
            | Win32::ERROR_OBJECT_ALREADY_EXISTS
            | Win32::ERROR_CIRCULAR_DEPENDENCY
            | Win32::ERROR_CLUSTER_PROPERTY_DATA_TYPE_MISMATCH
            | Win32::ERROR_CLUSTER_PARAMETER_MISMATCH
            | Win32::ERROR_CLUSTER_PARAMETER_OUT_OF_BOUNDS
            | Win32::ERROR_OBJECT_IN_LIST
            | Win32::ERROR_CLUSTER_NETWORK_NOT_INTERNAL
            | Win32::ERROR_CLUSTER_LAST_INTERNAL_NETWORK
            | Win32::ERROR_CLUSTER_NETWORK_HAS_DEPENDENTS
            | Win32::ERROR_CLUSTER_NOT_SHARED_VOLUME
            | Win32::ERROR_DISK_NOT_CSV_CAPABLE
            | Win32::ERROR_RESOURCE_NOT_IN_AVAILABLE_STORAGE
            | Win32::ERROR_CLUSTER_AFFINITY_CONFLICT
    )
}

/// Every host that the call touches was asked, and belongs to no cluster. An empty list of hosts is no evidence.
pub(super) fn all_untouched(seen: &Inspection) -> bool {
    !seen.hosts.is_empty()
        && seen
            .hosts
            .iter()
            .all(|host| host.error.is_none() && host.state() == HostState::NotConfigured)
}

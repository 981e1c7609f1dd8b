//! The calls that set up clusters: one C call each, whose callback reports the progress (facts 1).

use std::sync::atomic::Ordering;
use std::time::Duration;

use wsfc_clusapi::{
    Answer, Clusapi, Cluster, ClusterAddress, CreateClusterConfig, CreateNameAccountConfig, Credentials, Error,
    ManagementPointRestype, ManagementPointType, SetupProgress, StorageNodeConfig, UpgradeProgress,
};
use wsfc_proto::v1;

use super::Execution;
use crate::journal::{ProgressReport, ProgressSink};
use crate::operation::call::{Call as _, Parameters};
use crate::operation::inspect::open_by_any_name;
use crate::operation::outcome::Returned;
use crate::operation::validate::from_wire;

/// How long an eviction or a removal waits for its clean-up unless told otherwise; the time that shipped clients use
/// (facts 1.4).
const DEFAULT_WAIT: Duration = Duration::from_secs(300);

/// Makes the call of a setup operation.
pub(super) fn make(api: &Clusapi, execution: Execution, sink: ProgressSink) -> Result<Returned, Error> {
    let Execution {
        call,
        cluster,
        credentials,
        abort,
        ..
    } = execution;
    let answer = move || {
        if abort.load(Ordering::Relaxed) {
            Answer::Abort
        } else {
            Answer::Continue
        }
    };
    let setup_answer = answer.clone();
    let setup_sink = sink.clone();
    let progress = move |report: SetupProgress| {
        setup_sink.push(setup_report(report));
        setup_answer()
    };
    if let Parameters::CreateCluster(p) = &call {
        // The handle is closed at once: nothing above this layer holds on to a cluster.
        drop(api.create_cluster(&create_config(p, credentials), progress)?);
        return Ok(Returned::Success);
    }
    let cluster = open_by_any_name(api, &cluster, &[call.cluster().to_owned()])?;
    match call {
        Parameters::CreateCluster(_) => {}
        Parameters::AddNode(p) => drop(cluster.add_node(&p.node, progress)?),
        Parameters::EvictNode(p) => {
            let reason = (!p.reason.is_empty()).then_some(p.reason.as_str());
            let evicted = cluster.open_node(&p.node)?.evict(wait(p.cleanup_timeout), reason)?;
            return Ok(Returned::Evicted(evicted.cleanup));
        }
        Parameters::DestroyCluster(p) => cluster.destroy(p.delete_computer_objects, progress)?,
        Parameters::UpgradeFunctionalLevel(_) => {
            let progress = move |report: UpgradeProgress| {
                sink.push(ProgressReport::Upgrade { phase: report.phase.0 });
                answer()
            };
            if cluster.upgrade_functional_level(true, progress)?.restart_required {
                return Ok(Returned::UpgradedRestartRequired);
            }
        }
        Parameters::CreateNameAccount(p) => {
            cluster.create_name_account(&account_config(&p, &cluster, credentials)?, progress)?;
        }
        Parameters::RemoveNameAccount(p) => cluster.remove_name_account(p.delete_computer_objects)?,
        Parameters::RepairNameAccount(_) => cluster.repair_name_account(credentials.as_ref(), progress)?,
        Parameters::AddStorageNode(p) => {
            let node = StorageNodeConfig {
                name: p.node,
                description: p.description,
                location: p.location,
            };
            cluster.add_storage_node(&node, progress)?;
        }
        Parameters::RemoveStorageNode(p) => cluster.remove_storage_node(&p.node, wait(p.timeout))?,
        // Verbs take another way, see the head of the folder.
        other => {
            return Err(Error::Answer {
                function: other.function(),
                problem: "no way to make it here",
            });
        }
    }
    Ok(Returned::Success)
}

fn setup_report(report: SetupProgress) -> ProgressReport {
    ProgressReport::Setup {
        phase: report.phase.0,
        phase_type: report.phase_type.0,
        severity: report.severity.0,
        percent: report.percent,
        object_name: report.object,
        status: report.status.raw,
    }
}

fn wait(duration: Option<prost_types::Duration>) -> Duration {
    // Validated on the way in, so what cannot be read was not given.
    duration
        .and_then(|duration| from_wire(&duration))
        .unwrap_or(DEFAULT_WAIT)
}

fn create_config(p: &v1::CreateClusterParameters, credentials: Option<Credentials>) -> CreateClusterConfig {
    CreateClusterConfig {
        name: p.cluster.clone(),
        nodes: p.nodes.clone(),
        // Validated on the way in, so every address is one.
        addresses: p.ip_addresses.iter().filter_map(address).collect(),
        empty: p.empty_cluster,
        // An absent type means what the API itself takes for a cluster with addresses or without (facts 1.2).
        management_point_type: native_point(p.management_point_type()).unwrap_or(
            if p.empty_cluster || p.ip_addresses.is_empty() {
                ManagementPointType::NONE
            } else {
                ManagementPointType::CNO
            },
        ),
        management_point_restype: native_resource(p.management_point_resource_type()),
        credentials,
    }
}

fn account_config(
    p: &v1::CreateNameAccountParameters,
    cluster: &Cluster,
    credentials: Option<Credentials>,
) -> Result<CreateNameAccountConfig, Error> {
    let name = if p.account.is_empty() {
        cluster.information()?.name
    } else {
        p.account.clone()
    };
    Ok(CreateNameAccountConfig {
        name,
        management_point_type: native_point(p.management_point_type()).unwrap_or(ManagementPointType::CNO),
        management_point_restype: native_resource(p.management_point_resource_type()),
        upgrade_role_names: p.upgrade_virtual_computer_objects,
        credentials,
    })
}

fn address(entry: &v1::IpAddress) -> Option<ClusterAddress> {
    Some(ClusterAddress {
        address: entry.address.parse().ok()?,
        prefix_length: u8::try_from(entry.prefix_length).ok()?,
    })
}

fn native_point(point: v1::ManagementPointType) -> Option<ManagementPointType> {
    match point {
        v1::ManagementPointType::Unspecified => None,
        v1::ManagementPointType::None => Some(ManagementPointType::NONE),
        v1::ManagementPointType::ActiveDirectoryAndDns => Some(ManagementPointType::CNO),
        v1::ManagementPointType::Dns => Some(ManagementPointType::DNS_ONLY),
        v1::ManagementPointType::ActiveDirectory => Some(ManagementPointType::CNO_ONLY),
    }
}

fn native_resource(resource: v1::ManagementPointResourceType) -> Option<ManagementPointRestype> {
    match resource {
        v1::ManagementPointResourceType::Unspecified => None,
        v1::ManagementPointResourceType::SingleNetworkName => Some(ManagementPointRestype::SINGLE_NETWORK_NAME),
        v1::ManagementPointResourceType::DistributedNetworkName => {
            Some(ManagementPointRestype::DISTRIBUTED_NETWORK_NAME)
        }
    }
}

//! An execution: one C call on a thread of its own, a stream of progress, and what came of it.
//!
//! This is the whole surface between the engine and the cluster API's changing calls, so that an execution can later move
//! into a process that outlives the daemon.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wsfc_clusapi::com::{Apartment, ApartmentError};
use wsfc_clusapi::{
    Answer, Clusapi, Cluster, ClusterAddress, CreateClusterConfig, CreateNameAccountConfig, Credentials, Error,
    ManagementPointRestype, ManagementPointType, SetupProgress, StorageNodeConfig, UpgradeProgress,
};
use wsfc_proto::v1;

use super::call::{Call as _, Parameters};
use super::inspect::{inspect, open_by_any_name};
use super::outcome::Returned;
use crate::journal::{ProgressReport, ProgressSink};

/// How long an eviction or a removal waits for its clean-up unless told otherwise; the time that shipped clients use
/// (facts 1.4).
const DEFAULT_WAIT: Duration = Duration::from_secs(300);

/// What is to be executed.
pub struct Execution {
    /// The call and its parameters.
    pub call: Parameters,
    /// The cluster's own name.
    pub cluster: String,
    /// The hosts that it configures.
    pub hosts: Vec<String>,
    /// The account to act as in the directory.
    pub credentials: Option<Credentials>,
    /// Set when the callback is to answer FALSE.
    pub abort: Arc<AtomicBool>,
}

/// What came of it.
pub struct Finished {
    /// How the call came back.
    pub returned: Returned,
    /// What the cluster looked like afterwards; absent when the look panicked, which is a defect.
    pub inspection: Option<v1::Inspection>,
}

/// Makes the call on this thread and looks at the cluster afterwards. Blocks for as long as the cluster API does.
pub fn execute(api: &Clusapi, execution: Execution, sink: ProgressSink) -> Finished {
    let (cluster, hosts) = (execution.cluster.clone(), execution.hosts.clone());
    // The apartment must be entered before the first call and left after the last one (facts 1.3).
    let apartment = admit(Apartment::enter());
    let returned = match &apartment {
        Ok(_) => catch_unwind(AssertUnwindSafe(|| make(api, execution, sink)))
            .unwrap_or(Ok(Returned::Panicked))
            .unwrap_or_else(Returned::Failed),
        Err(error) => Returned::Failed(Error::Apartment(*error)),
    };
    let inspection = catch_unwind(AssertUnwindSafe(|| inspect(api, &cluster, &hosts)))
        .inspect_err(|_panic| tracing::error!(cluster, "The look at the cluster panicked"))
        .ok();
    drop(apartment);
    Finished { returned, inspection }
}

/// Whether the call can be made with what came of entering COM.
///
/// The thread is the operation's own, so an apartment of another kind can only come from code that is loaded into every
/// thread. COM works there too, and the call has it for itself, so the operation goes on. Without COM nothing is called:
/// setup would fail after it may have begun to change nodes, while a call that was not made leaves nothing behind.
fn admit(entered: Result<Apartment, ApartmentError>) -> Result<Option<Apartment>, ApartmentError> {
    match entered {
        Ok(apartment) => Ok(Some(apartment)),
        Err(ApartmentError::OtherKind) => {
            tracing::warn!("The operation's thread is in a single-threaded apartment already, and stays there");
            Ok(None)
        }
        Err(error @ ApartmentError::Failed(_)) => Err(error),
    }
}

fn make(api: &Clusapi, execution: Execution, sink: ProgressSink) -> Result<Returned, Error> {
    let Execution {
        call,
        cluster,
        credentials,
        abort,
        hosts: _,
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
        other => {
            return Err(Error::Unsupported {
                function: other.function(),
                since: wsfc_clusapi::sys::WindowsRelease::Server2025,
            });
        }
    }
    Ok(Returned::Success)
}

/// Opens a cluster by name; empty is that of this host.
///
/// # Errors
///
/// What the cluster API answers.
pub fn open(api: &Clusapi, cluster: &str) -> Result<Cluster, Error> {
    api.open_cluster((!cluster.is_empty()).then_some(cluster))
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
        .and_then(|duration| duration.try_into().ok())
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

#[cfg(test)]
mod tests {
    use wsfc_clusapi::Status;

    use super::*;

    #[test]
    fn without_com_no_call_is_made_and_another_apartment_is_com_too() {
        assert!(matches!(admit(Err(ApartmentError::OtherKind)), Ok(None)));
        let refused = ApartmentError::Failed(Status::new(0x8007_000E));
        assert_eq!(admit(Err(refused)).err(), Some(refused));
        assert!(matches!(admit(Apartment::enter()), Ok(Some(_))));
    }
}

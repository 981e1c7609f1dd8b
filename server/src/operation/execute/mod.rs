//! An execution: the C calls of an operation on a thread of its own, a stream of progress, and what came of it.
//!
//! This is the whole surface between the engine and the cluster API's changing calls, so that an execution can later move
//! into a process that outlives the daemon. `setup` makes the calls that set up clusters; everything else is a verb: it
//! runs on a [`scene`], reads what is, asks the cluster for what shall be, and is followed (`follow`) while the cluster
//! goes on by itself. The verbs stand in a file for each subject.

mod access;
mod affinity;
mod cluster;
mod disk;
mod follow;
mod group;
mod group_set;
mod network;
mod node;
mod property;
mod quorum;
mod registry;
mod resource;
mod resource_type;
pub mod scene;
mod setup;
pub mod states;
mod verb;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use wsfc_clusapi::com::{Apartment, ApartmentError};
use wsfc_clusapi::{Clusapi, Cluster, Credentials, Error, Secret};
use wsfc_proto::v1;

use self::scene::{Scene, Stop};
pub use self::verb::Foreseen;
pub(super) use self::verb::rehearse;
use super::call::{Call as _, Parameters};
use super::inspect::{inspect, open_by_any_name};
use super::outcome::Returned;
use crate::hosts::Hosts;
use crate::journal::ProgressSink;
use crate::platform::Clock;

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
    /// What opens a cloud witness.
    pub secret: Option<Secret>,
    /// Set when the callback is to answer FALSE.
    pub abort: Arc<AtomicBool>,
    /// Set when a cancellation was asked for.
    pub asked: Arc<AtomicBool>,
    /// How long a call that goes on in the cluster is followed.
    pub limit: Duration,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The service managers of hosts.
    pub services: Arc<dyn Hosts>,
}

/// What came of it.
pub struct Finished {
    /// How the call came back.
    pub returned: Returned,
    /// What the cluster looked like afterwards; absent for verbs, and when the look panicked, which is a defect.
    pub inspection: Option<v1::Inspection>,
}

/// Makes the call on this thread and looks at the cluster after a setup call. Blocks for as long as the cluster API does.
pub fn execute(api: &Clusapi, execution: Execution, sink: ProgressSink) -> Finished {
    let (cluster, hosts) = (execution.cluster.clone(), execution.hosts.clone());
    let setup = execution.call.is_setup();
    // The apartment must be entered before the first call and left after the last one (facts 1.3).
    let apartment = admit(Apartment::enter());
    let returned = match &apartment {
        Ok(_) => catch_unwind(AssertUnwindSafe(|| {
            if setup {
                setup::make(api, execution, sink)
            } else {
                make(api, execution, &sink)
            }
        }))
        .unwrap_or(Ok(Returned::Panicked))
        .unwrap_or_else(Returned::Failed),
        Err(error) => Returned::Failed(Error::Apartment(*error)),
    };
    let inspection = if setup {
        catch_unwind(AssertUnwindSafe(|| inspect(api, &cluster, &hosts)))
            .inspect_err(|_panic| tracing::error!(cluster, "The look at the cluster panicked"))
            .ok()
    } else {
        None
    };
    drop(apartment);
    Finished { returned, inspection }
}

/// Makes the calls of a verb.
fn make(api: &Clusapi, execution: Execution, sink: &ProgressSink) -> Result<Returned, Error> {
    let cluster = open_by_any_name(api, &execution.cluster, &[execution.call.cluster().to_owned()])?;
    let scene = Scene {
        cluster: &cluster,
        name: &execution.cluster,
        rehearsal: false,
        sink: Some(sink),
        clock: execution.clock.as_ref(),
        services: execution.services.as_ref(),
        limit: execution.limit,
        asked: &execution.asked,
        secret: execution.secret.as_ref(),
    };
    match verb::run(&execution.call, &scene) {
        Ok(end) => Ok(Returned::Verb(Box::new(end))),
        Err(Stop::Api(error)) => Err(error),
        Err(Stop::Refused(end)) => Ok(Returned::Verb(end)),
        // Only a rehearsal ends so, and this is none.
        Err(Stop::Rehearsed) => Ok(Returned::Panicked),
    }
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

/// Opens a cluster by name; empty is that of this host. A distinguished name means the cluster of its first part, and a
/// fully qualified name that leads nowhere is tried by its first label, if the cluster there goes by it.
///
/// # Errors
///
/// What the cluster API answers.
pub fn open(api: &Clusapi, cluster: &str) -> Result<Cluster, Error> {
    let name = plain_name(cluster);
    let refused = match api.open_cluster((!name.is_empty()).then_some(name)) {
        Ok(opened) => return Ok(opened),
        Err(error) => error,
    };
    if name.parse::<IpAddr>().is_err()
        && let Some((label, _domain)) = name.split_once('.')
        && let Ok(opened) = api.open_cluster(Some(label))
        && opened.fqdn().is_ok_and(|known| known.eq_ignore_ascii_case(name))
    {
        return Ok(opened);
    }
    Err(refused)
}

/// The name in a distinguished name, `CN=name,OU=...`; any other name is itself.
pub fn plain_name(name: &str) -> &str {
    match name.split_at_checked(3) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("CN=") => rest.split(',').next().unwrap_or(rest),
        _ => name,
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod apartment {
    use wsfc_clusapi::Status;

    use super::*;

    #[test]
    fn a_distinguished_name_means_its_first_part() {
        assert_eq!(plain_name("CN=CL1,OU=Clusters,DC=example,DC=org"), "CL1");
        assert_eq!(plain_name("cn=CL1"), "CL1");
        for other in ["CL1", "cl1.example.org", "", "CN", "äCN=x"] {
            assert_eq!(plain_name(other), other);
        }
    }

    #[test]
    fn without_com_no_call_is_made_and_another_apartment_is_com_too() {
        assert!(matches!(admit(Err(ApartmentError::OtherKind)), Ok(None)));
        let refused = ApartmentError::Failed(Status::new(0x8007_000E));
        assert_eq!(admit(Err(refused)).err(), Some(refused));
        assert!(matches!(admit(Apartment::enter()), Ok(Some(_))));
    }
}

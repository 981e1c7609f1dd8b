//! What a start is about, before anything is accepted: the cluster and its object by their own names, and what can be
//! foreseen by reads.

use wsfc_clusapi::Cluster;
use wsfc_proto::v1::{ObjectKind, OperationKind};

use super::call::{Call as _, Holds, Parameters};
use super::engine::Engine;
use super::execute::scene::means_not_found;
use super::execute::{Foreseen, rehearse};
use super::inspect::names;
use super::properties;
use super::start::{Resolved, Start, StartError};

impl Engine {
    /// The cluster's own name, so that an alias, an address and the empty name mean the same cluster; and the hosts that
    /// the call configures, which for a destruction are the members. Refused when the caller may not act on that cluster:
    /// a name that was another one's may lead to it by now.
    pub(super) async fn resolve(&self, start: &Start) -> Result<Resolved, StartError> {
        let resolved = self.named(&start.call, &start.principal).await?;
        if start.reach.scope.holds(&resolved.cluster) {
            return Ok(resolved);
        }
        Err(StartError::OutOfReach {
            permission: start.reach.permission,
            cluster: start.call.cluster().into(),
        })
    }

    async fn named(&self, call: &Parameters, principal: &str) -> Result<Resolved, StartError> {
        let mut hosts: Vec<String> = call.hosts().into_iter().map(String::from).collect();
        if !call.needs_cluster() {
            let cluster = call.cluster().into();
            let target = call.target().into();
            return Ok(Resolved { cluster, target, hosts });
        }
        let destroys = call.kind() == OperationKind::DestroyCluster;
        let asked = call.clone();
        let look = move |cluster: Cluster| {
            if destroys {
                hosts = names(cluster.nodes()?);
            }
            let target = own_name(&cluster, &asked)?;
            let cluster = cluster.information()?.name;
            Ok(target.map(|target| Resolved { cluster, target, hosts }))
        };
        let resolved = self.look("wsfcd-resolve", principal, call.cluster(), look).await?;
        resolved.ok_or_else(|| StartError::NoObject {
            kind: call.object(),
            name: call.target().into(),
            cluster: call.cluster().into(),
        })
    }

    /// Runs a verb as far as it only reads, and gives what is worth a warning.
    pub(super) async fn foresee(
        &self,
        call: &Parameters,
        principal: &str,
        cluster: &str,
    ) -> Result<Option<String>, StartError> {
        if call.is_setup() {
            return Ok(None);
        }
        let (call, name, platform) = (call.clone(), cluster.to_owned(), self.0.platform.clone());
        let look =
            move |cluster: Cluster| rehearse(&call, &cluster, &name, platform.clock.as_ref(), platform.hosts.as_ref());
        match self.look("wsfcd-foresee", principal, cluster, look).await? {
            Foreseen::Nothing => Ok(None),
            Foreseen::Unchanged => Ok(Some(String::from("everything is as wished: nothing would be changed"))),
            Foreseen::Refused(end) => Err(StartError::Foreseen {
                reason: end.reason,
                message: end.message,
                code: end.status,
            }),
        }
    }

    /// Compares the revision that a caller has seen of an object with that of the inventory; 0 where it is not known.
    pub(super) fn check_revision(&self, call: &Parameters, cluster: &str) -> Result<(), StartError> {
        let Parameters::SetProperties(p) = call else {
            return Ok(());
        };
        let Some(expected) = p.expected_revision else {
            return Ok(());
        };
        let found = self.revision_of(cluster, p.kind(), &p.name);
        if found == expected {
            return Ok(());
        }
        Err(StartError::RevisionConflict { expected, found })
    }

    /// The revision of an object in the inventory; 0 where it is not known.
    pub fn revision_of(&self, cluster: &str, kind: ObjectKind, name: &str) -> u64 {
        let inventory = self.0.journal.inventory();
        inventory
            .cluster_named(cluster)
            .and_then(|id| {
                if kind == ObjectKind::Cluster {
                    return inventory.iter(id, kind).next().map(|object| object.revision());
                }
                inventory.find(id, kind, name).map(|object| object.revision())
            })
            .unwrap_or_default()
    }
}

/// The name by which a cluster knows the object of a call, so that an id and any spelling of a name lock the same object.
/// What shall be made, and what need not be there, goes by the name that was asked for. Nothing when the object must be
/// there and is not.
fn own_name(cluster: &Cluster, call: &Parameters) -> Result<Option<String>, wsfc_clusapi::Error> {
    let asked = call.target();
    if call.is_setup() || !matches!(call.holds(), Holds::Object | Holds::Nothing) || asked.is_empty() {
        return Ok(Some(asked.into()));
    }
    let told = match call.object() {
        // A type and a rule are no more than their names, so the list decides.
        ObjectKind::ResourceType => listed(names(cluster.resource_types()?), asked),
        ObjectKind::AffinityRule => listed(cluster.affinity_rules()?, asked),
        ObjectKind::GroupSet => listed(cluster.group_sets()?, asked),
        kind => match properties::open(cluster, kind, asked) {
            // A node tells its name by no code of its own, and is known by that name alone.
            Ok(_) if kind == ObjectKind::Node => Some(asked.to_owned()),
            Ok(object) => Some(object.controlled().told_name()?),
            Err(error) if means_not_found(&error) => None,
            Err(error) => return Err(error),
        },
    };
    Ok(told.or_else(|| (!call.needs_object()).then(|| asked.to_owned())))
}

fn listed(names: Vec<String>, asked: &str) -> Option<String> {
    names
        .into_iter()
        .find(|name| name.to_lowercase() == asked.to_lowercase())
}

//! Whether a cluster that cannot be opened exists no more.
//!
//! No code of an open call says so: what was destroyed answers as what is down does (facts 1.4 and 2.6 name none). What
//! is proof is the word of the hosts: a cluster consists of them, so it is gone when each that was known belongs to no
//! cluster, or to another one. A host that does not answer, or is configured for a cluster whose service does not run,
//! may be all that is left of it, and then the cluster is merely out of reach.

use wsfc_clusapi::{Clusapi, NodeClusterState};

use super::identity::{Identity, identify};
use crate::journal::{ClusterId, caseless};
use crate::operation::execute::open;

/// Whether none of its names leads to a cluster, and each of its nodes says that it does not belong to it. It is asked
/// for after an attempt to open it has failed. Blocking; ends at the first answer that is no proof.
pub fn is_gone(api: &Clusapi, id: &ClusterId, names: &[String], nodes: &[String]) -> bool {
    // Without nodes there is nobody whose word would count.
    !nodes.is_empty()
        && nodes.iter().all(|node| has_left(api, id, node))
        && !names.iter().any(|name| may_lead_to(api, id, name))
}

/// Whether a host says that it belongs to no cluster, or to another one.
fn has_left(api: &Clusapi, id: &ClusterId, host: &str) -> bool {
    match api.node_cluster_state(Some(host)) {
        Ok(NodeClusterState::NOT_INSTALLED | NodeClusterState::NOT_CONFIGURED) => true,
        Ok(NodeClusterState::RUNNING) => identity_of(api, host).is_some_and(|found| is_another(&found, id)),
        Ok(_) | Err(_) => false,
    }
}

/// Whether something answers by a name that may be the cluster.
fn may_lead_to(api: &Clusapi, id: &ClusterId, name: &str) -> bool {
    match open(api, name) {
        Ok(opened) => !identify(&opened).is_ok_and(|found| is_another(&found, id)),
        Err(_) => false,
    }
}

fn identity_of(api: &Clusapi, name: &str) -> Option<Identity> {
    identify(&open(api, name).ok()?).ok()
}

/// Whether a cluster is certainly not the one of the id. One that does not tell its id, for which its name stands, may
/// be any.
fn is_another(found: &Identity, id: &ClusterId) -> bool {
    found.id != id.as_str() && found.id != caseless(&found.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_of_its_own_makes_another_cluster() {
        let found = |id: &str, name: &str| Identity {
            id: id.into(),
            name: name.into(),
        };
        let id = ClusterId::from("11111111-2222-3333-4444-555555555555");
        assert!(!is_another(&found(id.as_str(), "CL1"), &id));
        assert!(is_another(&found("99999999-2222-3333-4444-555555555555", "CL1"), &id));
        assert!(!is_another(&found("cl2", "CL2"), &id), "its id could not be read");
    }
}

//! The functional level and its upgrade (facts 1.7).

use wsfc_clusapi::sys::constants::{notify_cluster, notify_object, notify_upgrade};

use super::World;
use super::cluster::Cluster;
use super::events::Event;
use crate::win32::{ERROR_CLUSTER_UPGRADE_FIX_QUORUM_NOT_SUPPORTED, ERROR_CLUSTER_UPGRADE_INCOMPATIBLE_VERSIONS};

/// What an upgrade could do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// No node supports a higher level: nothing to do, and no error.
    AtTop,
    /// All nodes support the next level.
    Possible,
}

impl World {
    /// The check of facts 1.7: 5974 while quorum is forced, 5973 when some but not all nodes support the next level. Guess: a
    /// node that is not an active member cannot say that it does.
    pub(crate) fn check_upgrade(&self, cluster: &Cluster) -> Result<Upgrade, u32> {
        if cluster.quorum.forced {
            return Err(ERROR_CLUSTER_UPGRADE_FIX_QUORUM_NOT_SUPPORTED);
        }
        let next = cluster.functional_level + 1;
        let mut supporting = 0;
        let mut saying = 0;
        for node in &cluster.nodes {
            let supports = self
                .machine_of(node)
                .is_some_and(|machine| machine.os.functional_level() >= next);
            supporting += usize::from(supports);
            saying += usize::from(supports && node.present);
        }
        if supporting == 0 {
            Ok(Upgrade::AtTop)
        } else if saying == cluster.nodes.len() {
            Ok(Upgrade::Possible)
        } else {
            Err(ERROR_CLUSTER_UPGRADE_INCOMPATIBLE_VERSIONS)
        }
    }

    /// Answers IS_READY_FOR_UPGRADE: success only when all nodes support the next level (facts 1.7).
    pub(crate) fn ready_for_upgrade(&self, cluster: &Cluster) -> Result<(), u32> {
        match self.check_upgrade(cluster)? {
            Upgrade::Possible => Ok(()),
            Upgrade::AtTop => Err(ERROR_CLUSTER_UPGRADE_INCOMPATIBLE_VERSIONS),
        }
    }

    /// Begins an upgrade, which from here on is marked as in progress.
    pub(crate) fn begin_upgrade(&mut self, cluster_id: &str) {
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster.upgrade_in_progress = true;
        }
        self.tell_upgrade(cluster_id, notify_upgrade::NODE_PREPARE);
    }

    /// Ends an upgrade: one major step (facts 1.7). A cluster that was not being upgraded stays as it is.
    pub(crate) fn finish_upgrade(&mut self, cluster_id: &str) {
        let Some(cluster) = self
            .cluster_mut(cluster_id)
            .filter(|cluster| cluster.upgrade_in_progress)
        else {
            return;
        };
        cluster.upgrade_in_progress = false;
        cluster.functional_level += 1;
        let event = Event::of_cluster(cluster_id, notify_cluster::UPGRADED, &cluster.name);
        self.tell_upgrade(cluster_id, notify_upgrade::NODE_COMMIT);
        self.events.push(event);
        self.tell_upgrade(cluster_id, notify_upgrade::NODE_POSTCOMMIT);
    }

    /// Upgrades as a recorded call did: one step, if all nodes support it.
    pub(crate) fn upgrade_by_force(&mut self, cluster_id: &str) {
        let possible = self.cluster(cluster_id).map(|cluster| self.check_upgrade(cluster));
        if possible == Some(Ok(Upgrade::Possible)) {
            self.begin_upgrade(cluster_id);
            self.finish_upgrade(cluster_id);
        }
    }

    fn tell_upgrade(&mut self, cluster_id: &str, flag: i64) {
        let mut event = Event::of_cluster(cluster_id, flag, "");
        event.object_type = notify_object::UPGRADE;
        self.events.push(event);
    }

    /// True when nodes of different releases are members (facts 1.2, dwFlags).
    pub(crate) fn is_mixed(&self, cluster: &Cluster) -> bool {
        let mut releases = cluster
            .nodes
            .iter()
            .filter_map(|node| self.machine_of(node))
            .map(|machine| machine.os);
        let first = releases.next();
        releases.any(|release| Some(release) != first)
    }
}

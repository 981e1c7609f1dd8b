//! A node of a cluster (facts 2.2 and 2.3).

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{node_drain_status, node_state, node_status, pause_flags};

use super::properties::Settings;

/// What a node's cluster service was told about quorum when it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Start {
    /// Votes decide.
    #[default]
    ByVotes,
    /// Its side goes on whatever the votes (`/fq`).
    Forced,
    /// It joins and forms nothing (`/pq`).
    Prevented,
}

/// A node of a cluster.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Its number, from 1.
    pub(crate) id: u32,
    /// Its name, that of its machine.
    pub(crate) name: String,
    /// What it is as long as its machine and cluster service work: Up, Paused or Joining.
    pub(crate) state: i32,
    /// Its GUID (RO property NodeInstanceID).
    pub(crate) instance: String,
    pub(crate) settings: Settings,
    #[serde(default)]
    pub(crate) private: Settings,
    /// It is an active member: its cluster service runs, and it is on the side that has quorum.
    #[serde(default)]
    pub(crate) present: bool,
    /// It is Joining, and its cluster service runs.
    #[serde(default)]
    pub(crate) joining: bool,
    #[serde(default)]
    pub(crate) start: Start,
    /// DynamicWeight: the vote that it has now.
    #[serde(default)]
    pub(crate) dynamic_weight: u32,
    /// The state that was told last.
    #[serde(default = "Node::told_at_first")]
    pub(crate) told: i32,
    #[serde(default)]
    pub(crate) drain: Drain,
    #[serde(default)]
    pub(crate) health: Health,
}

/// How far a node is drained (facts 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drain {
    /// NodeDrainStatus (facts 2.2).
    pub(crate) status: u32,
    /// NodeDrainTarget; `u32::MAX` is none.
    pub(crate) target: u32,
    /// DrainErrorCode.
    pub(crate) error: u32,
    /// The flags of PauseClusterNodeEx.
    pub(crate) flags: u32,
    /// NodeFailbackStatus.
    pub(crate) failback_status: u32,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            status: 0,
            target: u32::MAX,
            error: 0,
            flags: 0,
            failback_status: 0,
        }
    }
}

/// What the others think of a node that they have lost (facts 2.2, NodeStatus).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Health {
    /// Simulated times of the losses within the last hour.
    pub(crate) losses: Vec<u64>,
    pub(crate) isolated_until: Option<u64>,
    pub(crate) quarantined_until: Option<u64>,
}

impl Node {
    /// A node that is about to join.
    pub(crate) fn new(id: u32, name: String, instance: String) -> Self {
        Self {
            id,
            name,
            state: node_state::JOINING,
            instance,
            settings: Settings::new(),
            private: Settings::new(),
            present: false,
            joining: false,
            start: Start::default(),
            dynamic_weight: 0,
            told: Self::told_at_first(),
            drain: Drain::default(),
            health: Health::default(),
        }
    }

    pub(crate) fn told_at_first() -> i32 {
        node_state::DOWN
    }

    /// The state as the cluster sees it (facts 2.2): Down unless it is an active member, or joining.
    pub(crate) fn shown_state(&self) -> i32 {
        if self.present || self.joining {
            self.state
        } else {
            node_state::DOWN
        }
    }

    /// NodeStatus bits (facts 2.2).
    pub(crate) fn status_information(&self) -> u32 {
        let drain = match self.drain.status {
            node_drain_status::IN_PROGRESS => node_status::DRAIN_IN_PROGRESS,
            node_drain_status::COMPLETED => node_status::DRAIN_COMPLETED,
            node_drain_status::FAILED => node_status::DRAIN_FAILED,
            _ => 0,
        };
        let bit = |is: bool, bit: u32| if is { bit } else { 0 };
        bit(self.health.isolated_until.is_some(), node_status::ISOLATED)
            | bit(self.health.quarantined_until.is_some(), node_status::QUARANTINED)
            | bit(
                self.drain.flags & pause_flags::AVOID_PLACEMENT != 0,
                node_status::AVOID_PLACEMENT,
            )
            | drain
    }
}

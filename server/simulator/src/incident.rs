//! What can befall a world from outside: machines that die, heartbeats that are lost, resources that fail.
//!
//! One list for all who let it happen: [`Simulation::happen`](crate::Simulation::happen), the remote control, and the
//! `[[incidents]]` of a scenario.

use serde::{Deserialize, Serialize};

/// Something that befalls the world.
///
/// Machines, networks, groups and resources are named without regard to case; resources and groups also by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Incident {
    /// A machine loses its power: its node is Down at once, and its groups fail over.
    KillMachine {
        /// The machine.
        machine: String,
    },
    /// A machine is powered on; its cluster service starts if it belongs to a cluster.
    PowerOn {
        /// The machine.
        machine: String,
    },
    /// The cluster service of a machine is stopped in an orderly way: its groups move away first.
    StopService {
        /// The machine.
        machine: String,
    },
    /// The cluster service of a machine is started.
    StartService {
        /// The machine.
        machine: String,
        /// A quarantine of the node ends, as with the argument `/cq` (facts 2.3). Default false.
        #[serde(default)]
        clear_quarantine: bool,
    },
    /// The cluster service of a machine is started, again if it runs, with the argument `/fq`: its side has quorum whatever
    /// its votes, every other side stops, and who comes later joins it.
    ForceQuorum {
        /// The machine.
        machine: String,
        /// The argument `/cq` is given too. Default false.
        #[serde(default)]
        clear_quarantine: bool,
    },
    /// The cluster service of a machine is started with the argument `/pq`: it joins a cluster and helps to form none.
    PreventQuorum {
        /// The machine.
        machine: String,
        /// The argument `/cq` is given too. Default false.
        #[serde(default)]
        clear_quarantine: bool,
    },
    /// Two machines no longer hear each other. A side without quorum stops.
    CutHeartbeats {
        /// One machine.
        one: String,
        /// The other.
        other: String,
    },
    /// They hear each other again.
    HealHeartbeats {
        /// One machine.
        one: String,
        /// The other.
        other: String,
    },
    /// Two machines no longer hear each other over one network, which is partitioned as long as both are members.
    CutPath {
        /// The network.
        network: String,
        /// One machine.
        one: String,
        /// The other.
        other: String,
    },
    /// They hear each other over the network again.
    HealPath {
        /// The network.
        network: String,
        /// One machine.
        one: String,
        /// The other.
        other: String,
    },
    /// A machine hears nobody, and nobody hears it, until `heal_all`.
    IsolateMachine {
        /// The machine.
        machine: String,
    },
    /// All heartbeats that were cut come through again.
    HealAll,
    /// A network carries nothing.
    NetworkDown {
        /// The network.
        network: String,
    },
    /// A network works again.
    NetworkUp {
        /// The network.
        network: String,
    },
    /// The interface of a machine on a network fails.
    InterfaceDown {
        /// The machine.
        machine: String,
        /// The network.
        network: String,
    },
    /// The interface works again.
    InterfaceUp {
        /// The machine.
        machine: String,
        /// The network.
        network: String,
    },
    /// An online resource fails, and its next attempts to come online fail too.
    FailResource {
        /// The resource.
        resource: String,
        /// How many attempts fail after this failure. Default 0: the first restart works.
        #[serde(default)]
        more: u32,
    },
    /// A resource does not come online on a node.
    BlockResource {
        /// The resource.
        resource: String,
        /// The node. Default: every node.
        #[serde(default)]
        node: Option<String>,
    },
    /// A resource comes online everywhere again.
    UnblockResource {
        /// The resource.
        resource: String,
    },
    /// A resource is locked: its group can go neither online, offline nor elsewhere (5960), until it is unlocked.
    LockResource {
        /// The resource.
        resource: String,
        /// Locked or not. Default true.
        #[serde(default = "yes")]
        locked: bool,
    },
    /// The process of a Resource Monitor ends: what ran in it fails, and comes back by its restart policy.
    KillMonitor {
        /// The node. Default: every node.
        #[serde(default)]
        node: Option<String>,
        /// The type whose resources the monitor runs.
        resource_type: String,
    },
    /// The witness of a cluster is out of reach of all nodes, or in reach again.
    Witness {
        /// The cluster. Default: every cluster.
        #[serde(default)]
        cluster: Option<String>,
        /// In reach or not.
        reachable: bool,
    },
}

impl Incident {
    /// The start of a machine's cluster service with arguments as a service manager passes them on: `/fq` or
    /// `/forcequorum`, `/pq` or `/preventquorum`, `/cq` or `/clearquarantine`, case not regarded. Guess: others mean
    /// nothing, and whoever forces quorum does not prevent it.
    #[must_use]
    pub fn service_start(machine: &str, arguments: &[&str]) -> Self {
        let given = |names: [&str; 2]| {
            let mut known = arguments.iter();
            known.any(|argument| names.iter().any(|name| argument.eq_ignore_ascii_case(name)))
        };
        let (machine, clear_quarantine) = (machine.to_owned(), given(["/cq", "/clearquarantine"]));
        if given(["/fq", "/forcequorum"]) {
            Self::ForceQuorum {
                machine,
                clear_quarantine,
            }
        } else if given(["/pq", "/preventquorum"]) {
            Self::PreventQuorum {
                machine,
                clear_quarantine,
            }
        } else {
            Self::StartService {
                machine,
                clear_quarantine,
            }
        }
    }

    /// The machines that it names.
    pub(crate) fn machines(&self) -> Vec<&str> {
        match self {
            Self::KillMachine { machine }
            | Self::PowerOn { machine }
            | Self::StopService { machine }
            | Self::StartService { machine, .. }
            | Self::ForceQuorum { machine, .. }
            | Self::PreventQuorum { machine, .. }
            | Self::IsolateMachine { machine }
            | Self::InterfaceDown { machine, .. }
            | Self::InterfaceUp { machine, .. } => vec![machine],
            Self::CutHeartbeats { one, other }
            | Self::HealHeartbeats { one, other }
            | Self::CutPath { one, other, .. }
            | Self::HealPath { one, other, .. } => vec![one, other],
            Self::BlockResource { node: Some(node), .. } | Self::KillMonitor { node: Some(node), .. } => vec![node],
            _ => Vec::new(),
        }
    }

    /// The network that it names.
    pub(crate) fn network(&self) -> Option<&str> {
        match self {
            Self::NetworkDown { network }
            | Self::NetworkUp { network }
            | Self::InterfaceDown { network, .. }
            | Self::InterfaceUp { network, .. }
            | Self::CutPath { network, .. }
            | Self::HealPath { network, .. } => Some(network),
            _ => None,
        }
    }
}

fn yes() -> bool {
    true
}

/// Why an incident could not happen: what it names is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IncidentError {
    /// No machine has this name.
    #[error("no machine is called {name:?}")]
    NoMachine {
        /// The name.
        name: String,
    },
    /// No network has this name.
    #[error("no network is called {name:?}")]
    NoNetwork {
        /// The name.
        name: String,
    },
    /// No resource of any cluster has this name or id.
    #[error("no resource is called {name:?}")]
    NoResource {
        /// The name.
        name: String,
    },
    /// No cluster has a resource type of this name.
    #[error("no resource type is called {name:?}")]
    NoResourceType {
        /// The name.
        name: String,
    },
    /// No node of the cluster has this name.
    #[error("no node is called {name:?}")]
    NoNode {
        /// The name.
        name: String,
    },
    /// No cluster has this name.
    #[error("no cluster is called {name:?}")]
    NoCluster {
        /// The name.
        name: String,
    },
    /// The resource is not online, so it cannot fail.
    #[error("the resource {name:?} is not online")]
    NotOnline {
        /// The name.
        name: String,
    },
}

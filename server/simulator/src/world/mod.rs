//! The simulated world: machines, their directory and networks, and the clusters on them.
//!
//! Plain data and plain rules: nothing here waits, locks or calls back.

pub(crate) mod access;
pub(crate) mod affinity;
pub(crate) mod cluster;
pub(crate) mod consistency;
pub(crate) mod drain;
pub(crate) mod events;
mod existing;
pub(crate) mod failover;
pub(crate) mod group;
pub(crate) mod group_set;
pub(crate) mod heartbeat;
pub(crate) mod hosting;
pub(crate) mod identity;
pub(crate) mod incidents;
pub(crate) mod lifecycle;
pub(crate) mod membership;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod properties;
pub(crate) mod queue;
pub(crate) mod quorum;
pub(crate) mod registry;
pub(crate) mod resource;
pub(crate) mod resource_type;
pub(crate) mod roster;
pub(crate) mod save;
pub(crate) mod service;
pub(crate) mod setup;
pub(crate) mod shared_volume;
pub(crate) mod start;
pub(crate) mod upgrade;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::node_cluster_state;

use crate::fault::Faults;
use crate::recording::{Recording, Recordings, Subject};
use crate::release::Release;
use crate::scenario::{Network, Scenario};
use crate::win32::{ERROR_BAD_NETPATH, RPC_S_SERVER_UNAVAILABLE};
use cluster::Cluster;
use events::Event;
use identity::Identities;

/// Everything that a save file holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct World {
    pub(crate) identities: Identities,
    /// Simulated milliseconds since the world began.
    pub(crate) now_ms: u64,
    pub(crate) local: String,
    pub(crate) directory: Directory,
    pub(crate) networks: Vec<Network>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) used_addresses: BTreeSet<IpAddr>,
    pub(crate) disks: Vec<shared_volume::Disk>,
    pub(crate) faults: Faults,
    #[serde(default)]
    pub(crate) recordings: Recordings,
    /// What will happen by itself.
    pub(crate) queue: queue::Queue,
    pub(crate) heartbeats: heartbeat::Heartbeats,
    /// How long things take: the scenario's, so that a saved world goes on at the pace that it is given.
    #[serde(skip)]
    pub(crate) times: service::Times,
    /// The most resources of a cluster: the scenario's too.
    #[serde(skip)]
    pub(crate) resource_limit: usize,
    /// What resource DLLs run, and what is to be done there.
    #[serde(skip)]
    pub(crate) hosting: hosting::Hosting,
    /// What has changed and was not yet handed to the notification ports.
    #[serde(skip)]
    pub(crate) events: Vec<Event>,
}

/// The Active Directory domain.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Directory {
    pub(crate) domain: String,
    pub(crate) account_creation: bool,
    /// Lower-case names of computer objects that exist and are enabled.
    pub(crate) accounts: BTreeSet<String>,
}

/// A machine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) os: Release,
    pub(crate) reachable: bool,
    pub(crate) feature_installed: bool,
    pub(crate) azure: bool,
    pub(crate) cleanup_fails: Option<u32>,
    pub(crate) addresses: Vec<IpAddr>,
    /// The cluster that its cluster service is configured for.
    pub(crate) membership: Option<String>,
    /// Its cluster service runs.
    pub(crate) service_running: bool,
}

impl Machine {
    /// What `GetNodeClusterState` answers on the machine (facts 1.2).
    pub(crate) fn cluster_state(&self) -> u32 {
        match (self.feature_installed, &self.membership, self.service_running) {
            (false, _, _) => node_cluster_state::NOT_INSTALLED,
            (true, None, _) => node_cluster_state::NOT_CONFIGURED,
            (true, Some(_), false) => node_cluster_state::NOT_RUNNING,
            (true, Some(_), true) => node_cluster_state::RUNNING,
        }
    }

    /// Forgets the cluster, as the clean-up of an evicted node does.
    pub(crate) fn clean_up(&mut self) {
        self.membership = None;
        self.service_running = false;
    }
}

/// The cluster id of machines that belong to a cluster outside this world.
const FOREIGN_CLUSTER: &str = "foreign";

impl World {
    /// The world as a scenario describes it.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let machines = scenario
            .machines
            .iter()
            .enumerate()
            .map(|(position, machine)| Machine {
                name: machine.name.clone(),
                os: machine.os,
                reachable: machine.reachable,
                feature_installed: machine.feature_installed,
                azure: machine.azure,
                cleanup_fails: machine.cleanup_fails,
                addresses: scenario.addresses_of(position),
                membership: machine.already_clustered.then(|| FOREIGN_CLUSTER.to_owned()),
                service_running: machine.already_clustered,
            })
            .collect();
        let mut world = Self {
            identities: Identities::new(scenario.seed),
            now_ms: 0,
            local: scenario.local_name().unwrap_or_default().to_owned(),
            directory: Directory {
                domain: scenario.domain.name.clone(),
                account_creation: scenario.domain.account_creation,
                accounts: scenario
                    .domain
                    .taken_names
                    .iter()
                    .map(|name| name.to_lowercase())
                    .collect(),
            },
            networks: scenario.networks.clone(),
            machines,
            clusters: Vec::new(),
            used_addresses: scenario.used_addresses.iter().copied().collect(),
            disks: Vec::new(),
            faults: Faults::new(scenario.faults.clone()),
            recordings: Recordings::new(scenario.recordings.clone()),
            queue: queue::Queue::default(),
            heartbeats: heartbeat::Heartbeats::default(),
            times: scenario.timing.times(),
            resource_limit: scenario.resource_limit,
            hosting: hosting::Hosting::default(),
            events: Vec::new(),
        };
        world.add_disks(scenario);
        for existing in &scenario.clusters {
            world.add_existing_cluster(existing);
        }
        for (due_ms, incident) in scenario
            .incidents
            .iter()
            .map(|planned| (planned.at_ms, &planned.incident))
        {
            world.queue.plan(due_ms, queue::Step::Incident(incident.clone()));
        }
        world.events.clear();
        world
    }

    /// The machine of a short name or FQDN, case not regarded.
    pub(crate) fn machine(&self, name: &str) -> Option<&Machine> {
        let short = self.short_name(name);
        self.machines
            .iter()
            .find(|machine| machine.name.eq_ignore_ascii_case(short))
    }

    /// The same, to change it.
    pub(crate) fn machine_mut(&mut self, name: &str) -> Option<&mut Machine> {
        let short = self.short_name(name).to_owned();
        self.machines
            .iter_mut()
            .find(|machine| machine.name.eq_ignore_ascii_case(&short))
    }

    /// The machine of a name (`None`: the local one), when it answers.
    ///
    /// Guess: an unknown name is 53, a machine that does not answer 1722.
    pub(crate) fn reachable_machine(&self, name: Option<&str>) -> Result<&Machine, u32> {
        let name = name
            .filter(|name| !name.is_empty() && *name != ".")
            .unwrap_or(&self.local);
        let machine = self.machine(name).ok_or(ERROR_BAD_NETPATH)?;
        // A machine always reaches itself.
        if machine.reachable || machine.name.eq_ignore_ascii_case(&self.local) {
            Ok(machine)
        } else {
            Err(RPC_S_SERVER_UNAVAILABLE)
        }
    }

    /// A name without the domain, when it ends with this world's.
    pub(crate) fn short_name<'name>(&self, name: &'name str) -> &'name str {
        match name.split_once('.') {
            Some((short, domain)) if domain.eq_ignore_ascii_case(&self.directory.domain) => short,
            _ => name,
        }
    }

    /// Takes the next recording of a call, if there is one.
    pub(crate) fn take_recording(&mut self, subject: &Subject<'_>) -> Option<Recording> {
        let mut recordings = std::mem::take(&mut self.recordings);
        let taken = recordings.take(subject, |name| self.short_name(name).to_owned());
        self.recordings = recordings;
        taken
    }

    /// Tells what has followed from changes elsewhere: the states of networks, interfaces, shared volumes and group sets.
    pub(crate) fn refresh_derived(&mut self) {
        let ids: Vec<String> = self.clusters.iter().map(|cluster| cluster.id.clone()).collect();
        for id in ids {
            let told = self.events.len();
            self.refresh_networks(&id);
            self.refresh_volumes(&id);
            self.refresh_sets(&id);
            if !self.cluster(&id).is_some_and(Cluster::is_formed) {
                // Nobody is there who could tell.
                self.events.truncate(told);
            }
        }
    }

    /// The cluster of an id.
    pub(crate) fn cluster(&self, id: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.id == id)
    }

    /// The same, to change it.
    pub(crate) fn cluster_mut(&mut self, id: &str) -> Option<&mut Cluster> {
        self.clusters.iter_mut().find(|cluster| cluster.id == id)
    }
}

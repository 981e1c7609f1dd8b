//! Which clusters there were before the first call, and which networks.

use std::net::IpAddr;

use wsfc_clusapi::sys::constants::{cluster_enum, setup_phase, setup_phase_severity, setup_phase_type};
use wsfc_clusapi::trace::{Call, Value};

use super::view::{View, cite, enumerated, machine_name};
use crate::release::Release;
use crate::scenario::{ExistingCluster, ExistingGroup, Network, is_host_name};
use crate::script::{AVAILABLE_STORAGE, CLUSTER_GROUP};
use crate::win32::{ERROR_CLUSTER_NETWORK_NOT_FOUND_FOR_IP, code_of};

/// The network of addresses that were not seen: one that is set aside for examples.
const STAND_IN_NETWORK: &str = "192.0.2.0";
/// Its prefix; also that of a cluster's address whose own prefix was not seen.
const STAND_IN_PREFIX: u8 = 24;
/// The first host number that clusters get there; machines have lower ones.
const STAND_IN_HOST: u32 = 200;

/// Clusters that existed before a call made them.
pub(super) struct ExistingClusters {
    pub(super) clusters: Vec<(ExistingCluster, Vec<String>)>,
    networks: Vec<(Network, String)>,
}

impl ExistingClusters {
    pub(super) fn infer(view: &View<'_>, unseen: &mut Vec<String>) -> Self {
        let mut inferred = Self {
            clusters: Vec::new(),
            networks: Vec::new(),
        };
        let mut known: Vec<String> = Vec::new();
        for call in view.calls() {
            let Some(name) = view.cluster_of(call) else { continue };
            if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                continue;
            }
            let created = call.begin.function == "CreateCluster";
            if !created && (call.begin.function != "GetClusterInformation" || !call.succeeded()) {
                continue;
            }
            known.push(name.to_owned());
            if !created {
                inferred.take(view, name, call, unseen);
            }
        }
        inferred
    }

    /// The nodes of all of them.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &str> {
        let nodes = self.clusters.iter().flat_map(|(cluster, _)| &cluster.nodes);
        nodes.map(String::as_str)
    }

    /// The networks of their addresses.
    pub(super) fn stand_in_networks(&self) -> Vec<(Network, String)> {
        self.networks.clone()
    }

    fn take(&mut self, view: &View<'_>, name: &str, told: &Call, unseen: &mut Vec<String>) {
        if !is_host_name(name) {
            unseen.push(format!(
                "the cluster {name:?}: its name is none that a cluster can have here"
            ));
            return;
        }
        let mut from = vec![format!("answered before anything created it ({})", cite(told))];
        let nodes = nodes_before(view, name, &mut from);
        if nodes.is_empty() {
            unseen.push(format!(
                "the cluster {name}: none of its nodes was seen, so it is left out"
            ));
            return;
        }
        let mut addresses = Vec::new();
        for opened in view.of("OpenCluster").filter(|call| call.succeeded()) {
            if let Some(given) = opened.begin.arguments.text("cluster_name")
                && let Ok(address) = given.parse::<IpAddr>()
                && opened_cluster(view, opened).is_some_and(|own| own.eq_ignore_ascii_case(name))
                && !addresses.contains(&address)
                && !self.nodes().any(|node| node == given)
            {
                addresses.push(address);
                from.push(format!("address {address} ({})", cite(opened)));
            }
        }
        if addresses.is_empty() && is_named(view, name) {
            addresses.extend(self.stand_in_address());
            from.push("it has a network name, so it has an address; that was not seen, and one stands in".to_owned());
        } else {
            for address in &addresses {
                self.need_network(*address);
            }
        }
        self.clusters.push((
            ExistingCluster {
                name: name.to_owned(),
                nodes,
                functional_level: level_before(view, name, &mut from),
                addresses,
                groups: groups_of(view, name, &mut from),
                ..ExistingCluster::default()
            },
            from,
        ));
    }

    /// An address for a cluster whose own was not seen, while there are some left.
    fn stand_in_address(&mut self) -> Option<IpAddr> {
        let network = network_of(STAND_IN_NETWORK.parse().ok()?, STAND_IN_PREFIX);
        let taken = u32::try_from(self.clusters.len()).ok()?;
        let address = network.address(STAND_IN_HOST.checked_add(taken)?);
        network.contains(address).then(|| self.need_network(address))?;
        Some(address)
    }

    fn need_network(&mut self, address: IpAddr) {
        let network = network_of(address, STAND_IN_PREFIX);
        if !self.networks.iter().any(|(known, _)| known.contains(address)) {
            self.networks
                .push((network, "of a cluster's address; its prefix is a guess".to_owned()));
        }
    }
}

/// The networks of the addresses that clusters were created with, without those that were told to fit none.
pub(super) fn networks(view: &View<'_>) -> Vec<(Network, String)> {
    let mut networks: Vec<(Network, String)> = Vec::new();
    for create in view.of("CreateCluster") {
        for (text, address, prefix) in addresses_of(create) {
            let network = network_of(address, prefix);
            let known = networks
                .iter()
                .any(|(known, _)| known.subnet == network.subnet && known.prefix == prefix);
            if !known && !fits_none(create, text) {
                networks.push((network, format!("of {text}/{prefix} ({})", cite(create))));
            }
        }
    }
    networks
}

/// Every address that a cluster was created with or opened by: machines have others.
pub(super) fn cluster_addresses(view: &View<'_>) -> Vec<IpAddr> {
    let created = view
        .of("CreateCluster")
        .flat_map(addresses_of)
        .map(|(_, address, _)| address);
    let opened = view
        .of("OpenCluster")
        .filter_map(|call| call.begin.arguments.text("cluster_name")?.parse().ok());
    created.chain(opened).collect()
}

fn addresses_of(create: &Call) -> Vec<(&str, IpAddr, u8)> {
    let config = create.begin.arguments.fields("config");
    let entries = config.map_or(&[][..], |config| config.list("pIpEntries"));
    let entries = entries.iter().filter_map(|entry| match entry {
        Value::Fields(fields) => Some(fields),
        _ => None,
    });
    let mut addresses = Vec::new();
    for fields in entries {
        let (Some(text), Some(prefix)) = (fields.text("lpszIpAddress"), fields.number("dwPrefixLength")) else {
            continue;
        };
        if let (Ok(address), Ok(prefix)) = (text.parse::<IpAddr>(), u8::try_from(prefix))
            && prefix <= if address.is_ipv4() { 32 } else { 128 }
        {
            addresses.push((text, address, prefix));
        }
    }
    addresses
}

/// Whether the call told that an address fits no network.
fn fits_none(create: &Call, address: &str) -> bool {
    create.callbacks.iter().any(|callback| {
        callback.phase == setup_phase::CREATE_IP_ADDRESS_RESOURCES
            && callback.report.as_ref().is_some_and(|report| {
                report.phase_type == setup_phase_type::END
                    && report.severity != setup_phase_severity::INFORMATIONAL
                    && report.object.as_deref() == Some(address)
                    && code_of(report.status) == ERROR_CLUSTER_NETWORK_NOT_FOUND_FOR_IP
            })
    })
}

/// The network that an address with this prefix lies in; its name is given later.
fn network_of(address: IpAddr, prefix: u8) -> Network {
    let subnet = match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::from((u32::from(address) & mask).to_be_bytes())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::from((u128::from(address) & mask).to_be_bytes())
        }
    };
    Network {
        name: String::new(),
        subnet,
        prefix,
    }
}

/// The own name of the cluster that an OpenCluster led to.
fn opened_cluster<'view>(view: &'view View<'_>, opened: &Call) -> Option<&'view str> {
    let handle = opened.returned.as_ref()?.result.handle()?;
    view.calls()
        .iter()
        .find(|call| call.begin.arguments.handle("cluster") == Some(handle))
        .and_then(|call| view.cluster_of(call))
}

/// The calls about a cluster.
fn about<'view>(view: &'view View<'_>, name: &'view str) -> impl Iterator<Item = &'view Call> {
    view.calls().iter().filter(move |call| {
        let cluster = view.cluster_of(call);
        cluster.is_some_and(|cluster| cluster.eq_ignore_ascii_case(name))
    })
}

/// The names of one kind in the first enumeration of it, and the number of that call.
fn first_enumeration<'view>(
    view: &'view View<'_>,
    name: &'view str,
    wanted: u32,
) -> Option<(&'view Call, Vec<&'view str>)> {
    let is_wanted = |call: &&Call| enumerated(call).is_some_and(|(kind, _)| kind == wanted);
    let first = about(view, name).find(is_wanted)?;
    let enumeration = first.begin.arguments.handle("enumeration");
    let names = about(view, name)
        .filter(|call| call.begin.arguments.handle("enumeration") == enumeration)
        .filter_map(enumerated)
        .filter(|(kind, _)| *kind == wanted)
        .map(|(_, name)| name)
        .collect();
    Some((first, names))
}

/// The nodes that a cluster had at first: those of the first enumeration, without those that were added before it, and
/// with those that were evicted before it.
fn nodes_before(view: &View<'_>, name: &str, from: &mut Vec<String>) -> Vec<String> {
    let Some((enumeration, listed)) = first_enumeration(view, name, cluster_enum::NODE) else {
        return Vec::new();
    };
    from.push(format!("nodes ({})", cite(enumeration)));
    let mut nodes: Vec<String> = listed
        .iter()
        .filter_map(|node| machine_name(node))
        .map(str::to_owned)
        .collect();
    for call in about(view, name).filter(|call| call.begin.number < enumeration.begin.number && call.succeeded()) {
        let Some(node) = view.node_of(call).and_then(machine_name) else {
            continue;
        };
        match call.begin.function.as_str() {
            "AddClusterNode" | "AddClusterNodeEx" => {
                nodes.retain(|known| !known.eq_ignore_ascii_case(node));
                from.push(format!("{node} was added later ({})", cite(call)));
            }
            function if function.starts_with("EvictClusterNode") => {
                nodes.push(node.to_owned());
                from.push(format!("{node} was evicted later ({})", cite(call)));
            }
            _ => {}
        }
    }
    nodes
}

/// Guess: an upgrade that finds nothing to do reports the phases 1, 2 and 5 only (facts 1.7 infers it).
const CALLBACKS_WITHOUT_UPGRADE: usize = 3;

/// The functional level that a cluster had at first: the first one told, less the upgrades before it.
fn level_before(view: &View<'_>, name: &str, from: &mut Vec<String>) -> Option<u32> {
    let (told, level) = about(view, name).find_map(|call| {
        let level = View::property(call, "ClusterControl", "ClusterFunctionalLevel")?;
        Some((call, level))
    })?;
    let upgrades = about(view, name)
        .filter(|call| call.begin.function == "ClusterUpgradeFunctionalLevel" && call.succeeded())
        .filter(|call| call.begin.number < told.begin.number)
        .filter(|call| call.begin.arguments.number("perform") != Some(0))
        .filter(|call| call.callbacks.len() > CALLBACKS_WITHOUT_UPGRADE)
        .count();
    let level = level.checked_sub(u32::try_from(upgrades).ok()?)?;
    from.push(match upgrades {
        0 => format!("functional level ({})", cite(told)),
        _ => format!(
            "functional level ({}, less {upgrades} for the upgrades before it)",
            cite(told)
        ),
    });
    Release::of_level(level).map(|_| level)
}

/// The groups of a cluster beside the core ones.
fn groups_of(view: &View<'_>, name: &str, from: &mut Vec<String>) -> Vec<ExistingGroup> {
    let Some((enumeration, listed)) = first_enumeration(view, name, cluster_enum::GROUP) else {
        return Vec::new();
    };
    from.push(format!("groups ({}); their types were not seen", cite(enumeration)));
    listed
        .into_iter()
        .filter(|group| ![CLUSTER_GROUP, AVAILABLE_STORAGE].contains(group))
        .map(ExistingGroup::unknown)
        .collect()
}

/// Whether a cluster's own name leads to it.
fn is_named(view: &View<'_>, name: &str) -> bool {
    let opened_by_name = view.of("OpenCluster").any(|call| {
        let given = call.begin.arguments.text("cluster_name").and_then(machine_name);
        call.succeeded() && given.is_some_and(|given| given.eq_ignore_ascii_case(name))
    });
    opened_by_name
        || about(view, name)
            .any(|call| View::property(call, "ClusterControl", "AdminAccessPoint").is_some_and(|point| point != 0))
}

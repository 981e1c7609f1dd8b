//! Which machines there are, and what they run.

use wsfc_clusapi::sys::constants::{cluster_enum, node_cluster_state};
use wsfc_clusapi::trace::Call;

use super::clusters::ExistingClusters;
use super::view::{View, cite, enumerated, machine_name};
use crate::release::Release;
use crate::win32::{ERROR_BAD_NETPATH, RPC_S_SERVER_UNAVAILABLE};

/// The machine of a trace that names no host.
const STAND_IN: &str = "host1";

/// The machines of a trace, in the order in which they were named.
pub(super) struct Machines(Vec<InferredMachine>);

/// A machine, with the reasons for what is said of it.
pub(super) struct InferredMachine {
    pub(super) name: String,
    pub(super) os: Release,
    pub(super) os_from: String,
    pub(super) reachable: bool,
    pub(super) feature_installed: bool,
    pub(super) already_clustered: bool,
    /// Where the three come from; absent where nothing was seen.
    pub(super) state_from: Option<String>,
}

impl Machines {
    pub(super) fn infer(view: &View<'_>, clusters: &ExistingClusters, unseen: &mut Vec<String>) -> Self {
        let mut names: Vec<String> = Vec::new();
        for host in hosts(view).into_iter().chain(clusters.nodes().map(str::to_owned)) {
            match machine_name(&host) {
                Some(name) if names.iter().any(|known| known.eq_ignore_ascii_case(name)) => {}
                Some(name) if is_unknown(view, name) => {
                    unseen.push(format!(
                        "{host}: GetNodeClusterState never answered anything but 53, so it is no machine"
                    ));
                }
                Some(name) => names.push(name.to_owned()),
                None => unseen.push(format!("{host}: an address, or a name that no machine can have here")),
            }
        }
        if names.is_empty() {
            unseen.push(format!("no host was named; {STAND_IN} stands in"));
            names.push(STAND_IN.to_owned());
        }
        let any = any_release(view);
        Self(
            names
                .into_iter()
                .map(|name| InferredMachine::infer(view, clusters, any.as_ref(), name))
                .collect(),
        )
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &InferredMachine> {
        self.0.iter()
    }

    /// The machine whose programs called: the recording host, or else the first machine that can be reached, since a
    /// machine always reaches itself.
    pub(super) fn local(&self, host: Option<&str>) -> Option<String> {
        let recorded = host.and_then(machine_name);
        let found = self
            .0
            .iter()
            .find(|machine| recorded.is_some_and(|host| machine.name.eq_ignore_ascii_case(host)))
            .or_else(|| self.0.iter().find(|machine| machine.reachable));
        found.map(|machine| machine.name.clone())
    }

    /// The functional level that new clusters had, where it was below what their nodes support.
    pub(super) fn level_of_new_clusters(&self, view: &View<'_>) -> Option<(u32, String)> {
        view.of("CreateCluster").find_map(|create| {
            let told = view.after(create).find_map(|call| {
                let level = View::property(call, "ClusterControl", "ClusterFunctionalLevel")?;
                Some((level, format!("ClusterFunctionalLevel ({})", cite(call))))
            })?;
            let nodes = view.hosts_of(create);
            let shared = self
                .0
                .iter()
                .filter(|machine| nodes.iter().any(|node| is(node, &machine.name)))
                .map(|machine| machine.os.functional_level())
                .min()?;
            (told.0 < shared && Release::of_level(told.0).is_some()).then_some(told)
        })
    }
}

impl InferredMachine {
    fn infer(view: &View<'_>, clusters: &ExistingClusters, any: Option<&(Release, String)>, name: String) -> Self {
        let (os, os_from) = release_of(view, &name).unwrap_or_else(|| match any {
            Some((release, from)) => (*release, format!("not seen; as others, {from}")),
            None => (Release::Server2022, "not seen; guess".to_owned()),
        });
        let asked: Vec<&Call> = asked(view, &name).collect();
        let unreachable = |call: &&Call| call.error() == Some(RPC_S_SERVER_UNAVAILABLE);
        let reachable = asked.is_empty() || !asked.iter().all(unreachable);
        let first_setup = view
            .setup_calls()
            .find(|call| view.hosts_of(call).iter().any(|host| is(host, &name)))
            .map(|call| call.begin.number);
        let before = asked
            .iter()
            .filter(|call| call.succeeded())
            .find(|call| first_setup.is_none_or(|first| call.begin.number < first));
        let state = before.and_then(|call| u32::try_from(call.returned.as_ref()?.out.number("state")?).ok());
        let configured = matches!(
            state,
            Some(node_cluster_state::NOT_RUNNING | node_cluster_state::RUNNING)
        );
        let state_from = match (before, reachable) {
            (_, false) => asked.first().map(|call| format!("never answered ({})", cite(call))),
            (Some(call), true) => state.map(|state| format!("state {state} before all else ({})", cite(call))),
            (None, true) => None,
        };
        Self {
            already_clustered: configured && !clusters.nodes().any(|node| is(node, &name)),
            feature_installed: state != Some(node_cluster_state::NOT_INSTALLED),
            name,
            os,
            os_from,
            reachable,
            state_from,
        }
    }
}

/// Every host that the trace names, in order, some of them more than once.
fn hosts(view: &View<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for call in view.calls() {
        let arguments = &call.begin.arguments;
        hosts.extend(view.hosts_of(call).into_iter().map(str::to_owned));
        match call.begin.function.as_str() {
            "GetNodeClusterState" | "GetNodeCloudTypeDW" => {
                hosts.extend(arguments.text("node_name").map(str::to_owned));
            }
            "DetermineCNOResTypeFromNodelist" | "DetermineClusterCloudTypeFromNodelist" => {
                hosts.extend(arguments.texts("node_names").map(str::to_owned));
            }
            _ => {
                if let Some((cluster_enum::NODE, name)) = enumerated(call) {
                    hosts.push(name.to_owned());
                }
            }
        }
    }
    hosts
}

/// Whether a host's name means a machine.
fn is(host: &str, machine: &str) -> bool {
    machine_name(host).is_some_and(|name| name.eq_ignore_ascii_case(machine))
}

/// The GetNodeClusterState calls about a machine that came back.
fn asked<'view>(view: &'view View<'_>, machine: &'view str) -> impl Iterator<Item = &'view Call> {
    view.of("GetNodeClusterState").filter(move |call| {
        let host = call.begin.arguments.text("node_name");
        call.returned.is_some() && host.is_some_and(|host| is(host, machine))
    })
}

/// Whether nobody knows a host of this name.
fn is_unknown(view: &View<'_>, machine: &str) -> bool {
    let mut answers = asked(view, machine).peekable();
    answers.peek().is_some() && answers.all(|call| call.error() == Some(ERROR_BAD_NETPATH))
}

/// What a machine runs, by what it told as a node.
fn release_of(view: &View<'_>, machine: &str) -> Option<(Release, String)> {
    view.of("ClusterNodeControl").find_map(|call| {
        let version = View::property(call, "ClusterNodeControl", "NodeHighestVersion")?;
        let node = view.node_of(call).filter(|node| is(node, machine))?;
        let release = Release::of_level(version >> 16)?;
        Some((release, format!("NodeHighestVersion of {node} ({})", cite(call))))
    })
}

/// What any machine of the trace runs.
fn any_release(view: &View<'_>) -> Option<(Release, String)> {
    view.of("GetClusterInformation").find_map(|call| {
        let build = call.returned.as_ref()?.out.fields("info")?.number("BuildNumber")?;
        let release = Release::of_build(u32::try_from(build).ok()?)?;
        Some((release, format!("build {build} of a connected node ({})", cite(call))))
    })
}

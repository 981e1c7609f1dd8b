//! Looking at a trace: which call was about what, and what its thread saw afterwards.

use std::collections::BTreeMap;
use std::net::IpAddr;

use wsfc_clusapi::sys::constants::cluster_enum;
use wsfc_clusapi::trace::{Call, Object, Trace, Value};

use crate::recording::PLAYED;

/// A trace with what its handles stood for.
pub(super) struct View<'trace> {
    pub(super) trace: &'trace Trace,
    objects: BTreeMap<u64, Object>,
}

/// What the thread of a call found afterwards.
pub(super) enum Found {
    /// The cluster answered, with these nodes.
    Cluster(Vec<String>),
    /// Nobody answered for it.
    Nothing,
}

impl<'trace> View<'trace> {
    pub(super) fn new(trace: &'trace Trace) -> Self {
        Self {
            trace,
            objects: trace.objects(),
        }
    }

    pub(super) fn calls(&self) -> &'trace [Call] {
        &self.trace.calls
    }

    /// The calls of a function.
    pub(super) fn of(&self, function: &str) -> impl Iterator<Item = &'trace Call> {
        self.calls().iter().filter(move |call| call.begin.function == function)
    }

    /// The setup calls, and whether each came back.
    pub(super) fn setup_calls(&self) -> impl Iterator<Item = &'trace Call> {
        self.calls().iter().filter(|call| is_setup(call))
    }

    /// The own name of the cluster that a call is about.
    pub(super) fn cluster_of(&self, call: &'trace Call) -> Option<&str> {
        let arguments = &call.begin.arguments;
        if call.begin.function == "CreateCluster" {
            return arguments.fields("config")?.text("lpszClusterName");
        }
        let through = ["cluster", "node", "group", "enumeration"];
        let handle = through.into_iter().find_map(|name| arguments.handle(name))?;
        self.cluster_of_handle(handle)
    }

    fn cluster_of_handle(&self, handle: u64) -> Option<&str> {
        let object = self.objects.get(&handle)?;
        match object.parent {
            Some(parent) => self.cluster_of_handle(parent),
            None => object.name.as_deref(),
        }
    }

    /// The node that a call is about, if it is about one.
    pub(super) fn node_of(&self, call: &'trace Call) -> Option<&str> {
        let arguments = &call.begin.arguments;
        let named = ["node_name", "enclosure_name"]
            .into_iter()
            .find_map(|name| arguments.text(name));
        named.or_else(|| self.objects.get(&arguments.handle("node")?)?.name.as_deref())
    }

    /// The hosts that a call configures.
    pub(super) fn hosts_of(&self, call: &'trace Call) -> Vec<&str> {
        match call.begin.function.as_str() {
            "CreateCluster" => call
                .begin
                .arguments
                .fields("config")
                .map(|config| config.texts("ppszNodeNames").collect())
                .unwrap_or_default(),
            "AddClusterNode" | "AddClusterNodeEx" => self.node_of(call).into_iter().collect(),
            function if function.starts_with("EvictClusterNode") => self.node_of(call).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The calls of a setup call's own thread after it and before the next setup call there: the look at what came of it.
    pub(super) fn after(&self, setup: &'trace Call) -> impl Iterator<Item = &'trace Call> {
        let (thread, number) = (setup.begin.thread, setup.begin.number);
        self.calls()
            .iter()
            .skip_while(move |call| call.begin.number != number)
            .skip(1)
            .filter(move |call| call.begin.thread == thread)
            .take_while(|call| !is_setup(call))
    }

    /// What the thread of a setup call found of its cluster afterwards; `None` if it did not look.
    pub(super) fn found_after(&self, setup: &'trace Call) -> Option<Found> {
        let cluster = self.cluster_of(setup)?;
        let mut looked = false;
        let mut nodes = Vec::new();
        let mut answered = false;
        for call in self.after(setup) {
            looked |=
                call.begin.function.starts_with("OpenCluster") && call.begin.arguments.get("cluster_name").is_some();
            let about = self
                .cluster_of(call)
                .is_some_and(|name| name.eq_ignore_ascii_case(cluster));
            answered |= about && call.begin.function == "GetClusterInformation" && call.succeeded();
            if about && let Some((cluster_enum::NODE, name)) = enumerated(call) {
                nodes.push(name.to_owned());
            }
        }
        match (looked, answered) {
            (_, true) => Some(Found::Cluster(nodes)),
            (true, false) => Some(Found::Nothing),
            (false, false) => None,
        }
    }

    /// A property that a control code of a function told of an object, as a number.
    pub(super) fn property(call: &Call, function: &str, name: &str) -> Option<u32> {
        if call.begin.function != function {
            return None;
        }
        match call.returned.as_ref()?.out.get("output")? {
            Value::Bytes(bytes) => u32::try_from(bytes.properties.as_ref()?.number(name)?).ok(),
            _ => None,
        }
    }

    /// The domain of the first host that was named in full.
    pub(super) fn domain(&self) -> Option<&str> {
        let named = self.setup_calls().flat_map(|call| self.hosts_of(call));
        let asked = self
            .of("GetNodeClusterState")
            .filter_map(|call| call.begin.arguments.text("node_name"));
        named
            .chain(asked)
            .filter(|name| name.parse::<IpAddr>().is_err())
            .find_map(|name| name.split_once('.').map(|(_, domain)| domain))
            .filter(|domain| !domain.is_empty())
    }
}

/// The object that a step of an enumeration told: its kind and its name.
pub(super) fn enumerated(call: &Call) -> Option<(u32, &str)> {
    let out = &call.returned.as_ref()?.out;
    let (kind, name) = match call.begin.function.as_str() {
        "ClusterEnumEx" => {
            let item = out.fields("item")?;
            (item.number("dwType")?, item.text("name")?)
        }
        "ClusterEnum" => (out.number("kind")?, out.text("name")?),
        _ => return None,
    };
    Some((u32::try_from(kind).ok()?, name))
}

/// Whether the simulator plays calls of this function.
pub(super) fn is_setup(call: &Call) -> bool {
    PLAYED.contains(&call.begin.function.as_str())
}

/// How comments refer to a call.
pub(super) fn cite(call: &Call) -> String {
    format!("{}, call {}", call.begin.function, call.begin.number)
}

/// The machine's name in a host's name: its first label. `None` for an address, and for what no machine can be called.
pub(super) fn machine_name(host: &str) -> Option<&str> {
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let label = host.split('.').next().unwrap_or(host);
    crate::scenario::is_host_name(label).then_some(label)
}
